# SPDX-License-Identifier: Apache-2.0
"""The node's two clocks, injected so that tests and simulations bring their own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for blocks and certificates, monotonic time for waiting."""

    def time_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC; may jump."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment; never goes back."""
        ...

    async def wait(self, event: asyncio.Event, until_ms: int | None) -> None:
        """Return when the event is set or `monotonic_ms` has reached `until_ms` (None: never)."""
        ...


class SystemClock:
    """The machine's clocks."""

    def time_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    async def wait(self, event: asyncio.Event, until_ms: int | None) -> None:
        if until_ms is None:
            await event.wait()
            return
        with contextlib.suppress(TimeoutError):
            # A millisecond more than the difference: both readings are rounded down.
            async with asyncio.timeout(max(0, until_ms + 1 - self.monotonic_ms()) / 1000):
                await event.wait()
