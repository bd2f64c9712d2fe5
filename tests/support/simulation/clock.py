# SPDX-License-Identifier: Apache-2.0
"""The clocks of one machine: they run fast or slow, and the wall clock is set now and then."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from tests.support.simulation.loop import VirtualLoop

MILLION: Final = 1_000_000


class SimulatedClock:
    """`Clock` of one node."""

    def __init__(self, loop: VirtualLoop, epoch_ms: int) -> None:
        self._loop = loop
        self._epoch_ms = epoch_ms
        self._ppm = 0
        self._base = (0, 0)
        """Loop time and own time, microseconds, since the rate changed."""
        self.ahead_ms = 0
        """How far the wall clock was set from the truth."""

    def set_rate(self, ppm: int) -> None:
        """Run so many millionths too fast from now on, or too slow."""
        self._base = (self._loop.now_us, self._own_us())
        self._ppm = ppm

    def time_ms(self) -> int:
        return self._epoch_ms + self._own_us() // 1000 + self.ahead_ms

    def monotonic_ms(self) -> int:
        return self._own_us() // 1000

    async def wait(self, event: asyncio.Event, until_ms: int | None) -> None:
        if until_ms is None:
            await event.wait()
            return
        left_us = until_ms * 1000 - self._own_us()
        # Rounded up: the clock says `until_ms` when the time is over.
        loop_us = -(-max(0, left_us) * MILLION // (MILLION + self._ppm)) + 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(loop_us / MILLION):
                await event.wait()

    def _own_us(self) -> int:
        loop_us, own_us = self._base
        return own_us + (self._loop.now_us - loop_us) * (MILLION + self._ppm) // MILLION
