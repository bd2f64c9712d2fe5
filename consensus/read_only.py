# SPDX-License-Identifier: Apache-2.0
"""Reads that a leader confirms without the log (thesis §6.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from consensus.types import Message

WAITING_READS_COUNT_MAX: Final = 1_024
"""Reads of a leader that wait for a quorum; also those that wait for its first entry."""


class ReadOnlyOption(Enum):
    """How a leader makes sure that it still leads."""

    SAFE = 0
    """A quorum answers a heartbeat sent after the read came."""
    LEASE = 1
    """Its lease has not run out; rests on clocks that run about equally fast."""


@dataclass(slots=True)
class PendingRead:
    """A read that waits for the quorum."""

    request: Message
    index: int
    """Committed when it came."""
    acks: dict[int, bool] = field(default_factory=dict[int, bool])


class ReadOnly:
    """Reads of a leader that wait, in the order they came. A context names one read."""

    def __init__(self, option: ReadOnlyOption) -> None:
        """None wait."""
        self.option = option
        self._waiting: dict[bytes, PendingRead] = {}

    def add(self, request: Message, index: int) -> bool:
        """A read came; one with a context that waits already changes nothing.

        False when too many wait: it is lost, whoever asked asks again.
        """
        context = request.entries[0].data
        if context not in self._waiting:
            if len(self._waiting) >= WAITING_READS_COUNT_MAX:
                return False
            self._waiting[context] = PendingRead(request, index)
        return True

    def acknowledge(self, node: int, context: bytes) -> Mapping[int, bool]:
        """A node answered the heartbeat with this context; who has so far, empty if none waits."""
        read = self._waiting.get(context)
        if read is None:
            return {}
        read.acks[node] = True
        return read.acks

    def advance(self, context: bytes) -> list[PendingRead]:
        """This read and all that came before it are confirmed; they wait no more."""
        if context not in self._waiting:
            return []
        confirmed: list[PendingRead] = []
        while True:
            first = next(iter(self._waiting))
            confirmed.append(self._waiting.pop(first))
            if first == context:
                return confirmed

    def take_all(self) -> list[PendingRead]:
        """All that wait, in their order; none waits then."""
        return self.advance(self.last_context())

    def last_context(self) -> bytes:
        """Of the newest read that waits, or empty: heartbeats carry it."""
        return next(reversed(self._waiting), b"")
