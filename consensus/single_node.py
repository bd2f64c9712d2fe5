# SPDX-License-Identifier: Apache-2.0
"""Ordering with one voter: Raft where the quorum is this node alone.

Rules of this file:
- An entry is committed once the embedder says that it is durable, never before.
- A start is a new term, which begins with an empty entry of that term; entries of earlier terms
  that are not known committed become so with it (Raft §5.4.2), never by being counted.
- Committed entries are handed out in order, each once between two starts.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from consensus.errors import ContractError, ProposalDroppedError, UnknownPeerError
from consensus.ordering import LogReader
from consensus.types import Entry, HardState, Message, Ready, Role, Status

UNSTABLE_COUNT_MAX: Final = 64
"""Entries that may wait to become durable; an embedder with one block in flight has two."""
UNSTABLE_SIZE_MAX: Final = 16 * 1024 * 1024
"""Bytes of data of those entries."""
COMMITTED_SIZE_MAX: Final = 16 * 1024 * 1024
"""Bytes of committed entries in one Ready, unless the first alone is larger."""


class SingleNode:
    """The `Ordering` of a network with one voter. Leads from the first moment."""

    def __init__(self, node_id: int, log: LogReader, *, applied: int) -> None:
        """Go on from a log. `applied` is the last entry whose effects are durable.

        Raises ValueError for a log that cannot be: applied beyond its end or before its beginning.
        """
        last_index, first_index = log.last_index(), log.first_index()
        hard_state = log.hard_state()
        if not first_index - 1 <= applied <= last_index:
            raise ValueError(f"applied {applied} is outside the log {first_index}..{last_index}")
        if not hard_state.commit <= last_index:
            raise ValueError(f"commit {hard_state.commit} is beyond the log's end {last_index}")
        self._node_id = node_id
        self._log = log
        self._last_index = last_index
        self._applied = applied
        self._hard_state = HardState(hard_state.term + 1, node_id, max(hard_state.commit, applied))
        self._hard_state_stored = hard_state
        self._unstable: list[Entry] = []
        self._unstable_size = 0
        self._committed: deque[Entry] = deque()
        """Durable, committed, not handed out; the log holds what is between them and `_applied`."""
        self._in_hand: Ready | None = None
        self._append(b"")

    def step(self, message: Message) -> None:
        raise UnknownPeerError(f"a single voter has no peer {message.sender}")

    def tick(self) -> None:
        """Nobody to hear from and nobody to lose the lead to: time changes nothing."""

    def propose(self, data: bytes) -> None:
        if not data:
            raise ProposalDroppedError("empty data is the mark of a new term")
        if (
            len(self._unstable) >= UNSTABLE_COUNT_MAX
            or self._unstable_size + len(data) > UNSTABLE_SIZE_MAX
        ):
            raise ProposalDroppedError(f"{len(self._unstable)} entries wait to become durable")
        self._append(data)

    def has_ready(self) -> bool:
        return self._in_hand is None and (
            bool(self._unstable) or self._applied < self._hard_state.commit
        )

    def ready(self) -> Ready:
        if self._in_hand is not None:
            raise ContractError("the last Ready is not advanced")
        stored = self._hard_state_stored
        current = self._hard_state
        self._in_hand = Ready(
            hard_state=current if current != stored else None,
            entries=tuple(self._unstable),
            committed_entries=self._take_committed(),
            must_sync=bool(self._unstable)
            or (current.term, current.vote) != (stored.term, stored.vote),
        )
        return self._in_hand

    def advance(self) -> None:
        ready = self._in_hand
        if ready is None:
            raise ContractError("no Ready to advance over")
        self._in_hand = None
        if ready.hard_state is not None:
            self._hard_state_stored = ready.hard_state
        if ready.committed_entries:
            self._applied = ready.committed_entries[-1].index
        if ready.entries:
            # Proposals that came meanwhile stand behind the ones that are durable now.
            del self._unstable[: len(ready.entries)]
            self._unstable_size -= sum(len(entry.data) for entry in ready.entries)
            self._commit(ready.entries)

    def status(self) -> Status:
        return Status(
            node_id=self._node_id,
            role=Role.LEADER,
            hard_state=self._hard_state,
            lead=self._node_id,
            last_index=self._last_index,
            applied=self._applied,
        )

    def _append(self, data: bytes) -> None:
        self._last_index += 1
        self._unstable.append(Entry(self._last_index, self._hard_state.term, data))
        self._unstable_size += len(data)

    def _commit(self, entries: tuple[Entry, ...]) -> None:
        """The quorum is this node: what is durable here, with this term's entry, is committed."""
        current = self._hard_state
        self._hard_state = HardState(current.term, current.vote, entries[-1].index)
        self._committed.extend(entries)

    def _take_committed(self) -> tuple[Entry, ...]:
        """The next entries after `_applied`; from the log those of before the start."""
        in_log = self._committed[0].index if self._committed else self._hard_state.commit + 1
        if self._applied + 1 < in_log:
            return tuple(
                self._log.entries(self._applied + 1, in_log, size_bytes_max=COMMITTED_SIZE_MAX)
            )
        taken: list[Entry] = []
        size = 0
        while self._committed:
            size += len(self._committed[0].data)
            if taken and size > COMMITTED_SIZE_MAX:
                break
            taken.append(self._committed.popleft())
        return tuple(taken)
