# SPDX-License-Identifier: Apache-2.0
"""Whether this machine's clock may give a block its time.

A block's time can never go back: one block from a clock that is ahead stops the network until true
time has caught up, because nothing that is signed afterwards could be in time. So a clock is believed
only while

    at start     it is not before the newest block, nor long after it, unless the operator has looked
    afterwards   it moves as the machine's other clock does, which nobody sets

A clock that jumped is believed again when it is back, or when the node is started again and the
first rule holds.
"""

from __future__ import annotations

from typing import Final

from ledger.node.clock import Clock
from ledger.node.config import BlockOptions

CLOCK_BEHIND_MS_MAX: Final = 10_000
"""How far the newest block may lie ahead of this machine's clock while this node makes blocks."""
CLOCK_JUMP_MS_MAX: Final = 10_000
"""How far wall time may part from monotonic time since both were compared last."""
CLOCK_REFERENCE_MS: Final = 3_600_000
"""So long is one comparison good: small corrections, each right, must not add up to a jump."""
_HOUR_MS: Final = 3_600_000


class ClockWatch:
    """Compares wall time with the newest block and with monotonic time. One thread."""

    def __init__(self, clock: Clock, options: BlockOptions) -> None:
        self._clock = clock
        self._options = options
        self._reference: tuple[int, int] | None = None
        """Wall and monotonic time when the clock was believed; None until it is for the first time."""

    def find_reason(self, newest_time: int, height: int) -> str:
        """Why the clock makes no block now, or an empty string.

        Args:
            newest_time: of the newest certified block, ms.
            height: its height; genesis may be of any age.
        """
        wall, monotonic = self._clock.time_ms(), self._clock.monotonic_ms()
        if newest_time > wall + CLOCK_BEHIND_MS_MAX:
            return (
                f"the newest block is {(newest_time - wall) // 1000} s ahead of this machine's"
                " clock: no block is made until the clock is set right or has caught up"
            )
        if self._reference is None:
            reason = self._find_gap(wall - newest_time, height)
            if not reason:
                self._reference = (wall, monotonic)
            return reason
        since = monotonic - self._reference[1]
        jump = wall - self._reference[0] - since
        if abs(jump) > CLOCK_JUMP_MS_MAX:
            return (
                f"this machine's clock jumped {'forward' if jump > 0 else 'back'} by"
                f" {abs(jump) // 1000} s: no block is made until it is back; if it is right now,"
                " restart the node"
            )
        if since > CLOCK_REFERENCE_MS:
            self._reference = (wall, monotonic)
        return ""

    def _find_gap(self, gap_ms: int, height: int) -> str:
        if height in (0, self._options.clock_checked_height):
            return ""
        if gap_ms <= self._options.gap_hours_max * _HOUR_MS:
            return ""
        return (
            f"this machine's clock is {gap_ms // _HOUR_MS} hours after the newest block, {height}:"
            " check the clock; if it is right, set blocks.clock_checked_height ="
            f" {height} in config.toml and restart the node"
        )
