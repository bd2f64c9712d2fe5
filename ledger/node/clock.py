# SPDX-License-Identifier: Apache-2.0
"""The node's two clocks, injected so that tests and simulations bring their own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final, Protocol

_STEADY_CLOCK: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux has one that counts sleep; otherwise waking up would look like a jump of the wall clock."""


class Clock(Protocol):
    """Wall time for blocks and certificates, monotonic time for waiting."""

    def time_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC; may jump."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment; never goes back, nobody sets it, and it runs on while the
        machine sleeps, where the system can tell.
        """
        ...

    async def wait(self, event: asyncio.Event, until_ms: int | None) -> None:
        """Return when the event is set or `monotonic_ms` has reached `until_ms` (None: never)."""
        ...


class SystemClock:
    """The machine's clocks."""

    def time_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.clock_gettime_ns(_STEADY_CLOCK) // 1_000_000

    async def wait(self, event: asyncio.Event, until_ms: int | None) -> None:
        if until_ms is None:
            await event.wait()
            return
        with contextlib.suppress(TimeoutError):
            # A millisecond more than the difference: both readings are rounded down.
            async with asyncio.timeout(max(0, until_ms + 1 - self.monotonic_ms()) / 1000):
                await event.wait()
