# SPDX-License-Identifier: Apache-2.0
"""This computer's clock, at the edge: everything below takes the time as a parameter."""

from __future__ import annotations

import time


def clock_ms() -> int:
    """Milliseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1_000_000
