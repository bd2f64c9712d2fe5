# SPDX-License-Identifier: Apache-2.0
"""The log as the core sees it: what storage holds, and above it what is not stable yet.

    first_index … storage … | unstable.offset … in progress … | offset_in_progress … | last_index
    applied <= applying <= committed <= last_index

Rules of this file:

- Entries above `offset` are not durable; those below `offset_in_progress` were handed out to be
  written. They are stable once storage says so for that very term (another leader may have replaced
  them meanwhile, and an old answer must not count for the new ones).
- Nothing committed is ever truncated.
- What was handed out to be applied and is not applied yet has a limit in bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from consensus.errors import ContractError, OrderingError
from consensus.types import ConfState, Entry, EntryKind, HardState, Snapshot

ENTRY_OVERHEAD_SIZE: Final = 24
"""Bytes that an entry counts beside its data, where limits are about memory."""


DigestChain = Callable[[bytes, Entry], bytes]
"""The chain digest up to and with an entry, from that before it."""


class EntryUnavailableError(OrderingError):
    """The log does not hold the entry: compacted, or not there yet."""


class CompactedError(EntryUnavailableError):
    """Below the first entry that is kept."""


class LogStorage(Protocol):
    """The durable log, as the embedder stores it."""

    def hard_state(self) -> HardState:
        """What was stored last; a new one on the first start."""
        ...

    def conf_state(self) -> ConfState:
        """The members after the last entry that was applied before the start."""
        ...

    def first_index(self) -> int:
        """The first entry that can be read: 1, or more after compaction."""
        ...

    def last_index(self) -> int:
        """The last entry; first_index() - 1 when there is none."""
        ...

    def term(self, index: int) -> int:
        """The term of an entry, also of the one just before first_index().

        Raises CompactedError below that, EntryUnavailableError above last_index().
        """
        ...

    def digest(self, index: int) -> bytes:
        """The chain digest up to and with an entry; empty where none is kept. Raises as `term`."""
        ...

    def entries(self, low: int, high: int, *, size_bytes_max: int) -> Sequence[Entry]:
        """Entries low <= index < high: at least one, then as many as fit. Raises as `term`."""
        ...

    def snapshot(self) -> Snapshot:
        """The newest snapshot. Raises SnapshotUnavailableError while none can be had."""
        ...


def payloads_size(entries: Sequence[Entry]) -> int:
    """Bytes of the data of entries."""
    return sum(len(entry.data) for entry in entries)


def entries_size(entries: Sequence[Entry]) -> int:
    """Bytes that entries count."""
    return sum(len(entry.data) + ENTRY_OVERHEAD_SIZE for entry in entries)


def limit_size(entries: Sequence[Entry], size_max: int) -> Sequence[Entry]:
    """The first entries that fit, at least one if there is one."""
    size = 0
    for count, entry in enumerate(entries):
        size += len(entry.data) + ENTRY_OVERHEAD_SIZE
        if count and size > size_max:
            return entries[:count]
    return entries


class Unstable:
    """Entries, or a snapshot, that are not known to be durable."""

    __slots__ = ("entries", "offset", "offset_in_progress", "snapshot", "snapshot_in_progress")

    def __init__(self, offset: int) -> None:
        """Nothing is unstable; the next entry is `offset`."""
        self.snapshot: Snapshot | None = None
        self.entries: list[Entry] = []
        self.offset = offset
        """Index of entries[0]."""
        self.snapshot_in_progress = False
        self.offset_in_progress = offset
        """Entries below it are being written."""

    def first_index(self) -> int | None:
        """The first entry after an unstable snapshot."""
        return None if self.snapshot is None else self.snapshot.index + 1

    def last_index(self) -> int | None:
        if self.entries:
            return self.offset + len(self.entries) - 1
        return None if self.snapshot is None else self.snapshot.index

    def term(self, index: int) -> int | None:
        if index < self.offset:
            if self.snapshot is not None and self.snapshot.index == index:
                return self.snapshot.term
            return None
        position = index - self.offset
        return self.entries[position].term if position < len(self.entries) else None

    def next_entries(self) -> Sequence[Entry]:
        """Those not handed out yet."""
        return self.entries[self.offset_in_progress - self.offset :]

    def next_snapshot(self) -> Snapshot | None:
        return None if self.snapshot_in_progress else self.snapshot

    def accept(self) -> None:
        """Everything was handed out."""
        if self.entries:
            self.offset_in_progress = self.entries[-1].index + 1
        if self.snapshot is not None:
            self.snapshot_in_progress = True

    def stable_to(self, index: int, term: int) -> None:
        """Entries up to `index` are durable, if the one there is still of this term."""
        if index < self.offset or self.term(index) != term:
            return
        del self.entries[: index + 1 - self.offset]
        self.offset = index + 1
        self.offset_in_progress = max(self.offset_in_progress, self.offset)

    def stable_snapshot_to(self, index: int) -> None:
        if self.snapshot is not None and self.snapshot.index == index:
            self.snapshot = None
            self.snapshot_in_progress = False

    def restore(self, snapshot: Snapshot) -> None:
        """A snapshot replaces everything."""
        self.offset = self.offset_in_progress = snapshot.index + 1
        self.entries = []
        self.snapshot = snapshot
        self.snapshot_in_progress = False

    def truncate_and_append(self, entries: Sequence[Entry]) -> None:
        """Add entries; those that are there from the first of them on are replaced."""
        first = entries[0].index
        if first == self.offset + len(self.entries):
            self.entries.extend(entries)
        elif first <= self.offset:
            self.entries = list(entries)
            self.offset = self.offset_in_progress = first
        else:
            del self.entries[first - self.offset :]
            self.entries.extend(entries)
            self.offset_in_progress = min(self.offset_in_progress, first)


class RaftLog:
    """The whole log of one node."""

    def __init__(
        self, storage: LogStorage, applying_size_max: int, *, chain: DigestChain | None = None
    ) -> None:
        """Go on from storage. `applying_size_max` limits what is handed out and not applied."""
        self._chain = chain
        self._digests: list[bytes] = []
        """Of the unstable entries, while a chain is kept."""
        self._storage = storage
        self.applying_size_max = applying_size_max
        self.unstable = Unstable(storage.last_index() + 1)
        self.committed = self.applying = self.applied = storage.first_index() - 1
        self._applying_size = 0
        self._is_applying_paused = False

    @property
    def is_chained(self) -> bool:
        """Whether a chain digest is kept."""
        return self._chain is not None

    # Reading --------------------------------------------------------------------------------------

    def first_index(self) -> int:
        return self.unstable.first_index() or self._storage.first_index()

    def last_index(self) -> int:
        last = self.unstable.last_index()
        return self._storage.last_index() if last is None else last

    def last(self) -> tuple[int, int]:
        """Index and term of the last entry."""
        index = self.last_index()
        return index, self.term(index)

    def term(self, index: int) -> int:
        """The term of an entry, also of the one before the first. Raises EntryUnavailableError."""
        term = self.unstable.term(index)
        if term is not None:
            return term
        if index + 1 < self.first_index():
            raise CompactedError(f"entry {index} is compacted")
        if index > self.last_index():
            raise EntryUnavailableError(f"there is no entry {index} yet")
        return self._storage.term(index)

    def zero_term_if_unknown(self, index: int) -> int:
        """As `term`, 0 where it is not known."""
        try:
            return self.term(index)
        except EntryUnavailableError:
            return 0

    def digest(self, index: int) -> bytes:
        """The chain digest up to and with an entry; empty where none is kept.

        Raises EntryUnavailableError as `term`.
        """
        if self._chain is None:
            return b""
        self.term(index)  # raises
        unstable = self.unstable
        if index >= unstable.offset and unstable.entries:
            return self._digests[index - unstable.offset]
        if unstable.snapshot is not None and unstable.snapshot.index == index:
            return unstable.snapshot.chain_digest
        return self._storage.digest(index)

    def match_term(self, index: int, term: int) -> bool:
        """Whether the entry is here with this term."""
        try:
            return self.term(index) == term
        except EntryUnavailableError:
            return False

    def is_up_to_date(self, index: int, term: int) -> bool:
        """Whether a log that ends so is as up-to-date as this one (Raft §5.4.1)."""
        last_index, last_term = self.last()
        return (term, index) >= (last_term, last_index)

    def entries(self, low: int, size_max: int) -> Sequence[Entry]:
        """Entries from one on: as many as fit, at least one. Raises EntryUnavailableError."""
        last = self.last_index()
        return () if low > last else self.slice(low, last + 1, size_max)

    def slice(self, low: int, high: int, size_max: int) -> Sequence[Entry]:
        """Entries low <= index < high: as many as fit, at least one."""
        if low >= high:
            return ()
        if low < self.first_index():
            raise CompactedError(f"entry {low} is compacted")
        if high > self.last_index() + 1:
            raise EntryUnavailableError(f"there is no entry {high - 1} yet")
        offset = self.unstable.offset
        if low >= offset:
            return limit_size(self.unstable.entries[low - offset : high - offset], size_max)
        cut = min(high, offset)
        stored = self._storage.entries(low, cut, size_bytes_max=size_max)
        stored = limit_size(stored, size_max)
        if high <= offset or len(stored) < cut - low:
            return stored
        return limit_size([*stored, *self.unstable.entries[: high - offset]], size_max)

    def scan(self, low: int, high: int, page_size: int) -> Iterator[Sequence[Entry]]:
        """Entries low <= index < high, page by page."""
        while low < high:
            page = self.slice(low, high, page_size)
            yield page
            low += len(page)

    def has_unapplied_conf_change(self) -> bool:
        """Whether a change of members is committed and not applied."""
        pages = self.scan(self.applied + 1, self.committed + 1, self.applying_size_max)
        return any(entry.kind is not EntryKind.NORMAL for page in pages for entry in page)

    def snapshot(self) -> Snapshot:
        """The newest snapshot. Raises SnapshotUnavailableError."""
        return self.unstable.snapshot or self._storage.snapshot()

    # Appending ------------------------------------------------------------------------------------

    def maybe_append(
        self,
        previous: int,
        previous_term: int,
        entries: Sequence[Entry],
        commit: int,
        *,
        chain_digest: bytes = b"",
    ) -> int | None:
        """AppendEntries (§5.3): the last new index, or None when the entry before is another.

        Where a chain is kept, the whole log before must have this digest, and entries are compared
        by theirs: two leaders of one term, of which one lies, are told apart by it.
        """
        if not self.match_term(previous, previous_term):
            return None
        if self._chain is not None and self.digest(previous) != chain_digest:
            return None
        last = previous + len(entries)
        conflict = self.find_conflict(entries)
        if conflict:
            if conflict <= self.committed:
                raise ContractError(
                    f"entry {conflict} differs from one that is committed (up to {self.committed})"
                )
            self.append(entries[conflict - previous - 1 :])
        self.commit_to(min(commit, last))
        return last

    def append(self, entries: Sequence[Entry]) -> int:
        """Append, replacing what is there from the first entry on; the last index."""
        if entries:
            if entries[0].index <= self.committed:
                raise ContractError(f"entry {entries[0].index} is committed already")
            digests = self._extend_digests(entries)
            self.unstable.truncate_and_append(entries)
            self._digests = digests
        return self.last_index()

    def _extend_digests(self, entries: Sequence[Entry]) -> list[bytes]:
        """The digests of the unstable entries once these are appended."""
        if self._chain is None:
            return []
        first = entries[0].index
        digest = self.digest(first - 1)
        digests = self._digests[: max(0, first - self.unstable.offset)]
        for entry in entries:
            digest = self._chain(digest, entry)
            digests.append(digest)
        return digests

    def find_conflict(self, entries: Sequence[Entry]) -> int:
        """The first entry that is not here in this term; 0 when all are.

        Where a chain is kept: nor with this digest. What is before the first of them is the same.
        """
        digest = self.digest(entries[0].index - 1) if entries else b""
        for entry in entries:
            if not self.match_term(entry.index, entry.term):
                return entry.index
            if self._chain is not None:
                digest = self._chain(digest, entry)
                if self.digest(entry.index) != digest:
                    return entry.index
        return 0

    def find_conflict_by_term(self, index: int, term: int) -> tuple[int, int]:
        """The last entry up to `index` of at most this term, with its term.

        Nothing between it and `index` can be in a log whose entry `index` has this term. The term
        is 0 where it is not known.
        """
        while index > 0:
            try:
                own = self.term(index)
            except EntryUnavailableError:
                return index, 0
            if own <= term:
                return index, own
            index -= 1
        return 0, 0

    def restore(self, snapshot: Snapshot) -> None:
        """Begin anew from a snapshot."""
        self.committed = snapshot.index
        self.unstable.restore(snapshot)
        self._digests = []

    # Stable ---------------------------------------------------------------------------------------

    def next_unstable_entries(self) -> Sequence[Entry]:
        """To be written now."""
        return self.unstable.next_entries()

    def has_next_unstable_entries(self) -> bool:
        return bool(self.unstable.next_entries())

    def has_next_or_in_progress_unstable_entries(self) -> bool:
        return bool(self.unstable.entries)

    def next_unstable_snapshot(self) -> Snapshot | None:
        return self.unstable.next_snapshot()

    def has_next_or_in_progress_snapshot(self) -> bool:
        return self.unstable.snapshot is not None

    def accept_unstable(self) -> None:
        """What was unstable is being written."""
        self.unstable.accept()

    def stable_to(self, index: int, term: int, *, chain_digest: bytes = b"") -> None:
        """Entries up to `index` are durable, if the one there is still of this term.

        Where a chain is kept: if it is still of this digest.
        """
        if self._chain is not None and (
            not self.match_term(index, term) or self.digest(index) != chain_digest
        ):
            return
        before = self.unstable.offset
        self.unstable.stable_to(index, term)
        del self._digests[: self.unstable.offset - before]

    def stable_snapshot_to(self, index: int) -> None:
        self.unstable.stable_snapshot_to(index)

    # Committed and applied ------------------------------------------------------------------------

    def commit_to(self, index: int) -> None:
        """Raise the commit index. Raises ContractError beyond the log's end: the log has lost
        entries that it acknowledged.
        """
        if index <= self.committed:
            return
        if index > self.last_index():
            raise ContractError(
                f"commit {index} is beyond the log's end {self.last_index()}: was the log damaged?"
            )
        self.committed = index

    def maybe_commit(self, index: int | None, term: int) -> bool:
        """Commit up to an entry if it is of the leader's term (§5.4.2)."""
        if index is None or term == 0 or index <= self.committed:
            return False
        if not self.match_term(index, term):
            return False
        self.commit_to(index)
        return True

    def _appliable_to(self, *, is_unstable_allowed: bool) -> int:
        return (
            self.committed if is_unstable_allowed else min(self.committed, self.unstable.offset - 1)
        )

    def next_committed_entries(self, *, is_unstable_allowed: bool) -> Sequence[Entry]:
        """To be applied now."""
        if not self.has_next_committed_entries(is_unstable_allowed=is_unstable_allowed):
            return ()
        return self.slice(
            self.applying + 1,
            self._appliable_to(is_unstable_allowed=is_unstable_allowed) + 1,
            self.applying_size_max - self._applying_size,
        )

    def has_next_committed_entries(self, *, is_unstable_allowed: bool) -> bool:
        if self._is_applying_paused or self.has_next_or_in_progress_snapshot():
            return False
        return self.applying < self._appliable_to(is_unstable_allowed=is_unstable_allowed)

    def accept_applying(self, index: int, size: int, *, is_unstable_allowed: bool) -> None:
        """Entries up to `index`, counting `size`, were handed out to be applied."""
        self.applying = index
        self._applying_size += size
        # Also when the next entry did not fit any more.
        self._is_applying_paused = self._applying_size >= self.applying_size_max or (
            index < self._appliable_to(is_unstable_allowed=is_unstable_allowed)
        )

    def applied_to(self, index: int, size: int) -> None:
        """Entries up to `index` are applied; `size` of what was handed out is free again."""
        if not self.applied <= index <= self.committed:
            raise ContractError(f"applied {index} is outside {self.applied}..{self.committed}")
        self.applied = index
        self.applying = max(self.applying, index)
        self._applying_size = max(0, self._applying_size - size)
        self._is_applying_paused = self._applying_size >= self.applying_size_max
