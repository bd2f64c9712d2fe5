# SPDX-License-Identifier: Apache-2.0
"""What an embedder may ask of an ordering, and what an ordering may ask of the embedder's log.

An ordering is a pure object: no clock (time is ticks), no disk, no network, no randomness of its
own. It is not thread-safe; one loop drives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from consensus.types import Entry, HardState, Message, Ready, Status


class LogReader(Protocol):
    """The durable log, as the embedder stores it."""

    def hard_state(self) -> HardState:
        """What was stored last; a new one on the first start."""
        ...

    def first_index(self) -> int:
        """The first entry that can be read: 1, or more after compaction."""
        ...

    def last_index(self) -> int:
        """The last entry; first_index() - 1 when there is none."""
        ...

    def term(self, index: int) -> int:
        """The term of an entry, also of the one just before first_index()."""
        ...

    def entries(self, low: int, high: int, *, size_bytes_max: int) -> Sequence[Entry]:
        """Entries low <= index < high: at least one, then as many as fit."""
        ...


class Ordering(Protocol):
    """Turns proposals into one sequence of committed entries, equal on all nodes."""

    def step(self, message: Message) -> None:
        """Take a message from another node. Raises UnknownPeerError."""
        ...

    def tick(self) -> None:
        """One unit of time has passed."""
        ...

    def propose(self, data: bytes) -> None:
        """Ask for an entry with this data. Raises ProposalDroppedError."""
        ...

    def has_ready(self) -> bool:
        """Whether `ready` would hold anything."""
        ...

    def ready(self) -> Ready:
        """What to do now; see `Ready`. Raises ContractError while another is not advanced."""
        ...

    def advance(self) -> None:
        """The last Ready is done. Raises ContractError when there is none."""
        ...

    def status(self) -> Status:
        """A snapshot for people and decisions."""
        ...
