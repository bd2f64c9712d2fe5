# SPDX-License-Identifier: Apache-2.0
"""The log of the ordering on disk: entries, hard state, and the members.

Rules of this file:
- Every entry holds the chain digest SHA-256(digest before || term || kind || data); digest 0 is 32
  zero bytes. It is the checksum of what is read, and what nodes compare of their logs.
- Appending from an index on replaces everything from there on, in the same batch.
- Compaction keeps term and digest of the last entry it removes.
- A reader may be on another thread than the writer: what a batch removes is called compacted before
  the batch is written, so that nobody takes it for damage.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from consensus import Entry, EntryKind, HardState
from consensus.errors import SnapshotUnavailableError
from consensus.log import CompactedError, EntryUnavailableError
from consensus.types import ConfState, Snapshot
from ledger.storage import layout
from ledger.storage.conf_state import decode_conf_state, encode_conf_state
from ledger.storage.errors import STORE_CORRUPT, STORE_INCONSISTENT, CorruptionError
from ledger.storage.kv import KeyValueStore, WriteBatch
from ledger.storage.log_blocks import iterate_entry_blocks

FIRST_DIGEST: Final = bytes(32)
"""The chain digest before the first entry."""

_HARD_STATE: Final = struct.Struct(">QQQ")
_COMPACTED: Final = struct.Struct(">QQ32s")
_ENTRY: Final = struct.Struct(">QB32s")


def chain_digest(before: bytes, entry: Entry) -> bytes:
    """The chain digest up to and with an entry: the core's `DigestChain`."""
    head = entry.term.to_bytes(8, "big") + bytes((entry.kind,))
    return sha256(before + head + entry.data).digest()


@dataclass(frozen=True, slots=True)
class CertifiedPlace:
    """Where the certified chain ends."""

    height: int
    applied_index: int
    """The last log entry whose block is certified; 0 before the first."""


def _find_no_certified() -> CertifiedPlace:
    return CertifiedPlace(0, 0)


@dataclass(frozen=True, slots=True)
class _Ends:
    """All that is kept in memory of the log. Replaced as a whole."""

    hard_state: HardState
    compacted: tuple[int, int, bytes]
    """Index, term and digest of what is just below the first entry."""
    last: tuple[int, bytes]
    """Index and digest of the last entry."""
    conf_index: int
    conf_state: ConfState


class LogStore:
    """The `LogStorage` of the core over a chain store, and the batches that change it.

    Ends are kept in memory: one writer, who calls `wrote` after a batch is written.
    """

    def __init__(
        self,
        store: KeyValueStore,
        find_certified: Callable[[], CertifiedPlace] = _find_no_certified,
    ) -> None:
        """Read the ends; `find_certified` says where the certified chain ends now.

        Raises CorruptionError.
        """
        self._store = store
        self._find_certified = find_certified
        hard_state = HardState()
        sealed = store.get(layout.HARD_STATE_KEY)
        if sealed is not None:
            hard_state = HardState(*_unpack(_HARD_STATE, "the hard state", sealed))
        compacted = (0, 0, FIRST_DIGEST)
        sealed = store.get(layout.COMPACTED_KEY)
        if sealed is not None:
            index, term, digest = _unpack(_COMPACTED, "the log's beginning", sealed)
            compacted = (index, term, digest)
        conf_index, conf_state = 0, ConfState()
        sealed = store.get(layout.CONF_STATE_KEY)
        if sealed is not None:
            conf_index, conf_state = decode_conf_state(
                layout.unseal("the members of the ordering", sealed)
            )
        last = (compacted[0], compacted[2])
        for key, data in self._iterate(compacted[0] + 1, layout.NUMBER_MAX, reverse=True):
            index = layout.decode_number(key[1:])
            last = (index, _split(index, data)[1])
            break
        self._ends = _Ends(hard_state, compacted, last, conf_index, conf_state)
        self._pending = self._ends
        self._pending_batch: WriteBatch | None = None
        self._removing_to = 0
        """A batch that removes entries up to here may be on its way."""

    # Reading --------------------------------------------------------------------------------------

    def hard_state(self) -> HardState:
        return self._ends.hard_state

    def conf_state(self) -> ConfState:
        """The members after entry `conf_index`; none in a store that was never initialised."""
        return self._ends.conf_state

    @property
    def conf_index(self) -> int:
        """The last entry that `conf_state` accounts for; 0 at the start."""
        return self._ends.conf_index

    def first_index(self) -> int:
        return self._ends.compacted[0] + 1

    def last_index(self) -> int:
        return self._ends.last[0]

    def term(self, index: int) -> int:
        """Raises CompactedError below first_index() - 1, EntryUnavailableError above the end."""
        compacted = self._ends.compacted
        return compacted[1] if index == compacted[0] else self._get(index)[0].term

    def digest(self, index: int) -> bytes:
        """The chain digest up to and with an entry. Raises as `term`."""
        compacted = self._ends.compacted
        return compacted[2] if index == compacted[0] else self._get(index)[1]

    def entries(self, low: int, high: int, *, size_bytes_max: int) -> Sequence[Entry]:
        """Entries low <= index < high: at least one, then as many as fit.

        Raises as `term`, and CorruptionError when digests do not chain.
        """
        if low >= high:
            return ()
        self._check(low)
        self._check(high - 1)
        digest = self.digest(low - 1)
        found: list[Entry] = []
        size = 0
        for key, data in self._iterate(low, high):
            index = layout.decode_number(key[1:])
            entry, held = _split(index, data)
            digest = chain_digest(digest, entry)
            if index != low + len(found) or held != digest:
                self._check_not_removed(low)
                raise CorruptionError(STORE_CORRUPT, f"log entry {index} does not chain")
            size += len(entry.data)
            if found and size > size_bytes_max:
                return found
            found.append(entry)
        if len(found) != high - low:
            self._check_not_removed(low)
            raise CorruptionError(
                STORE_INCONSISTENT, f"the log lacks entries between {low} and {high - 1}"
            )
        return found

    def snapshot(self) -> Snapshot:
        """The certified chain as a place in the log; `data` is its height in 8 bytes, no state.

        Raises SnapshotUnavailableError before the first certified entry, and while the members
        account for an entry behind a block that is not certified.
        """
        certified, ends = self._find_certified(), self._ends
        index = max(certified.applied_index, ends.conf_index)
        if index == 0:
            raise SnapshotUnavailableError("nothing is certified yet")
        try:
            for found in iterate_entry_blocks(self, certified.applied_index + 1, index + 1):
                if found.height > certified.height:
                    raise SnapshotUnavailableError(
                        f"the members are those of entry {index}, and the block of entry "
                        f"{found.entry.index} is not certified"
                    )
            term, digest = self.term(index), self.digest(index)
        except EntryUnavailableError as error:
            raise SnapshotUnavailableError(str(error)) from error
        data = layout.encode_number(certified.height)
        return Snapshot(index, term, ends.conf_state, data, digest)

    # Writing --------------------------------------------------------------------------------------

    def append(
        self, batch: WriteBatch, entries: Sequence[Entry], hard_state: HardState | None
    ) -> None:
        """Put entries and hard state into a batch.

        Raises ValueError for entries that leave a gap or reach below the compaction, and for a
        commit index beyond the end.
        """
        ends = self._ends_in(batch)
        last = ends.last
        if entries:
            first = entries[0].index
            if not self.first_index() <= first <= self.last_index() + 1:
                raise ValueError(f"entry {first} does not continue {ends.compacted[0]}..{last[0]}")
            for index in range(first + len(entries), self.last_index() + 1):
                batch.delete(layout.numbered_key(layout.LOG, index))
            digest = self.digest(first - 1)
            for expected, entry in enumerate(entries, first):
                if entry.index != expected:
                    raise ValueError(f"entry {entry.index} follows {expected - 1}")
                digest = chain_digest(digest, entry)
                batch.put(
                    layout.numbered_key(layout.LOG, entry.index),
                    _ENTRY.pack(entry.term, entry.kind, digest) + entry.data,
                )
            last = (entries[-1].index, digest)
        ends = replace(ends, last=last)
        if hard_state is not None:
            ends = _put_hard_state(batch, ends, hard_state)
        self._pending = ends

    def compact(self, batch: WriteBatch, index: int) -> None:
        """Remove entries up to and with `index` in a batch; nothing if they are gone already.

        Raises EntryUnavailableError for an index beyond the log's end.
        """
        ends = self._ends_in(batch)
        if index <= ends.compacted[0]:
            return
        entry, digest = self._get(index)
        self._pending = self._put_beginning(batch, ends, (index, entry.term, digest), index)

    def begin_after(self, batch: WriteBatch, index: int, term: int, digest: bytes) -> None:
        """Replace the whole log, in a batch, by one whose first entry will be `index` + 1.

        Term and vote stay; the commit index is `index`. Raises ValueError for an index below the
        commit index.
        """
        ends = self._ends_in(batch)
        state = ends.hard_state
        if index < state.commit:
            raise ValueError(f"entry {index} lies below the commit index {state.commit}")
        ends = self._put_beginning(batch, ends, (index, term, digest), self.last_index())
        ends = replace(ends, last=(index, digest))
        self._pending = _put_hard_state(batch, ends, HardState(state.term, state.vote, index))

    def truncate(self, batch: WriteBatch, index: int) -> None:
        """Remove everything above `index` in a batch; the commit index is `index` then.

        Raises EntryUnavailableError for an index that is not in the log.
        """
        ends = self._ends_in(batch)
        digest = self.digest(index)
        for removed in range(index + 1, self.last_index() + 1):
            batch.delete(layout.numbered_key(layout.LOG, removed))
        ends = replace(ends, last=(index, digest))
        state = ends.hard_state
        self._pending = _put_hard_state(batch, ends, HardState(state.term, state.vote, index))

    def put_conf_state(self, batch: WriteBatch, index: int, conf_state: ConfState) -> None:
        """Put the members after entry `index` into a batch, beside other changes.

        Raises ValueError for an index that falls, or members that cannot be stored.
        """
        ends = self._ends_in(batch)
        if index < ends.conf_index:
            raise ValueError(f"the members are those of entry {ends.conf_index} already")
        batch.put(layout.CONF_STATE_KEY, layout.seal(encode_conf_state(index, conf_state)))
        self._pending = replace(ends, conf_index=index, conf_state=conf_state)

    def wrote(self) -> None:
        """The last batch that was filled here is written."""
        self._ends = self._pending
        self._pending_batch = None

    def _ends_in(self, batch: WriteBatch) -> _Ends:
        """The ends once a batch is written; another batch begins from what is written."""
        if batch is not self._pending_batch:
            self._pending_batch = batch
            self._pending = self._ends
        return self._pending

    def _put_beginning(
        self, batch: WriteBatch, ends: _Ends, compacted: tuple[int, int, bytes], removed_to: int
    ) -> _Ends:
        batch.put(layout.COMPACTED_KEY, layout.seal(_COMPACTED.pack(*compacted)))
        for removed in range(self.first_index(), removed_to + 1):
            batch.delete(layout.numbered_key(layout.LOG, removed))
        self._removing_to = max(self._removing_to, compacted[0], removed_to)
        return replace(ends, compacted=compacted)

    def _check(self, index: int) -> None:
        first, last = self.first_index(), self.last_index()
        if index < first:
            raise CompactedError(f"entry {index} is compacted, the log is {first}..{last}")
        if index > last:
            raise EntryUnavailableError(f"no entry {index} in a log of {first}..{last}")

    def _check_not_removed(self, index: int) -> None:
        if index <= self._removing_to:
            raise CompactedError(f"entry {index} is being compacted")

    def _get(self, index: int) -> tuple[Entry, bytes]:
        self._check(index)
        data = self._store.get(layout.numbered_key(layout.LOG, index))
        if data is None:
            self._check_not_removed(index)
            raise CorruptionError(STORE_INCONSISTENT, f"log entry {index} is missing")
        return _split(index, data)

    def _iterate(
        self, low: int, high: int, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return self._store.iterate(
            layout.numbered_key(layout.LOG, low),
            layout.numbered_key(layout.LOG, high),
            reverse=reverse,
        )


def _put_hard_state(batch: WriteBatch, ends: _Ends, state: HardState) -> _Ends:
    if state.commit > ends.last[0]:
        raise ValueError(f"commit {state.commit} is beyond the log's end {ends.last[0]}")
    batch.put(
        layout.HARD_STATE_KEY, layout.seal(_HARD_STATE.pack(state.term, state.vote, state.commit))
    )
    return replace(ends, hard_state=state)


def _unpack(form: struct.Struct, name: str, sealed: bytes) -> tuple[Any, ...]:
    try:
        return form.unpack(layout.unseal(name, sealed))
    except struct.error:
        raise CorruptionError(STORE_CORRUPT, f"{name} cannot be read") from None


def _split(index: int, data: bytes) -> tuple[Entry, bytes]:
    try:
        term, kind, digest = _ENTRY.unpack_from(data)
        return Entry(index, term, data[_ENTRY.size :], EntryKind(kind)), digest
    except (struct.error, ValueError):
        raise CorruptionError(STORE_CORRUPT, f"log entry {index} cannot be read") from None
