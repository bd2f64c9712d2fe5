# SPDX-License-Identifier: Apache-2.0
"""A `LogStorage` in memory: for tests, simulations and examples. It forgets with the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consensus.errors import ContractError
from consensus.log import CompactedError, DigestChain, EntryUnavailableError, limit_size
from consensus.types import ConfState, Entry, HardState, Snapshot


class MemoryLog:
    """Entries after a snapshot, and the hard state."""

    def __init__(self, *, chain: DigestChain | None = None) -> None:
        """Empty."""
        self._hard_state = HardState()
        self._snapshot = Snapshot()
        self._before = (0, 0, b"")
        """Index, term and digest of what is just below the first entry."""
        self._entries: list[Entry] = []
        self._digests: list[bytes] = []
        self._chain = chain

    def hard_state(self) -> HardState:
        return self._hard_state

    def conf_state(self) -> ConfState:
        return self._snapshot.conf_state

    def first_index(self) -> int:
        return self._before[0] + 1

    def last_index(self) -> int:
        return self._before[0] + len(self._entries)

    def term(self, index: int) -> int:
        if index == self._before[0]:
            return self._before[1]
        return self._entries[self._position(index)].term

    def digest(self, index: int) -> bytes:
        if index == self._before[0]:
            return self._before[2]
        position = self._position(index)
        return self._digests[position] if self._chain is not None else b""

    def entries(self, low: int, high: int, *, size_bytes_max: int) -> Sequence[Entry]:
        if low >= high:
            return ()
        first, last = self._position(low), self._position(high - 1)
        return limit_size(self._entries[first : last + 1], size_bytes_max)

    def snapshot(self) -> Snapshot:
        return self._snapshot

    def _position(self, index: int) -> int:
        if index <= self._before[0]:
            raise CompactedError(f"entry {index} is compacted")
        if index > self.last_index():
            raise EntryUnavailableError(f"there is no entry {index} yet")
        return index - self._before[0] - 1

    # Writing --------------------------------------------------------------------------------------

    def set_hard_state(self, state: HardState) -> None:
        """Store the hard state."""
        self._hard_state = state

    def append(self, entries: Sequence[Entry]) -> None:
        """Append, replacing what is there from the first entry on; compacted ones are left out."""
        kept = [entry for entry in entries if entry.index > self._before[0]]
        if not kept:
            return
        first = kept[0].index
        if first > self.last_index() + 1:
            raise ContractError(f"entry {first} leaves a gap after {self.last_index()}")
        position = first - self._before[0] - 1
        del self._entries[position:]
        del self._digests[position:]
        for entry in kept:
            if self._chain is not None:
                digest = self._digests[-1] if self._digests else self._before[2]
                self._digests.append(self._chain(digest, entry))
            self._entries.append(entry)

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        """Begin anew from a snapshot. Raises ContractError for one that is not newer."""
        if snapshot.index <= self._snapshot.index:
            raise ContractError(f"snapshot {snapshot.index} is not newer")
        self._snapshot = snapshot
        self._before = (snapshot.index, snapshot.term, snapshot.chain_digest)
        self._entries, self._digests = [], []

    def create_snapshot(self, index: int, conf_state: ConfState, data: bytes) -> Snapshot:
        """A snapshot of the state after an entry, kept as the newest."""
        if index <= self._snapshot.index:
            raise ContractError(f"snapshot {index} is not newer")
        self._snapshot = replace(
            Snapshot(index, self.term(index), conf_state, data), chain_digest=self.digest(index)
        )
        return self._snapshot

    def compact(self, index: int) -> None:
        """Drop the entries up to and with `index`. Raises CompactedError, EntryUnavailableError."""
        position = self._position(index)
        self._before = (index, self._entries[position].term, self.digest(index))
        del self._entries[: position + 1]
        del self._digests[: position + 1]
