# SPDX-License-Identifier: Apache-2.0
"""The log of the ordering on disk: entries and hard state.

Rules of this file:
- Every entry holds the chain digest SHA-256(digest before || term || kind || data); digest 0 is 32
  zero bytes. It is the checksum of what is read, and what nodes compare of their logs.
- Appending from an index on replaces everything from there on, in the same batch.
- Compaction keeps term and digest of the last entry it removes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

from consensus import Entry, EntryKind, HardState
from ledger.storage import layout
from ledger.storage.errors import STORE_CORRUPT, STORE_INCONSISTENT, CorruptionError
from ledger.storage.kv import KeyValueStore, WriteBatch

_HARD_STATE: Final = struct.Struct(">QQQ")
_COMPACTED: Final = struct.Struct(">QQ32s")
_ENTRY: Final = struct.Struct(">QB32s")
_FIRST_DIGEST: Final = bytes(32)


class LogStore:
    """The `LogReader` over a chain store, and the batches that change it.

    Ends are kept in memory: one writer, who calls `wrote` after a batch of `append` or `compact`
    is written.
    """

    def __init__(self, store: KeyValueStore) -> None:
        """Read the ends. Raises CorruptionError."""
        self._store = store
        self._hard_state = HardState()
        sealed = store.get(layout.HARD_STATE_KEY)
        if sealed is not None:
            term, vote, commit = _HARD_STATE.unpack(layout.unseal("the hard state", sealed))
            self._hard_state = HardState(term, vote, commit)
        self._compacted = (0, 0, _FIRST_DIGEST)
        sealed = store.get(layout.COMPACTED_KEY)
        if sealed is not None:
            index, term, digest = _COMPACTED.unpack(layout.unseal("the log's beginning", sealed))
            self._compacted = (index, term, digest)
        first = self._compacted[0] + 1
        self._last = (self._compacted[0], self._compacted[2])
        for key, data in self._iterate(first, layout.NUMBER_MAX, reverse=True):
            index = layout.decode_number(key[1:])
            self._last = (index, _split(index, data)[1])
            break
        self._pending = (self._hard_state, self._compacted, self._last)

    def hard_state(self) -> HardState:
        return self._hard_state

    def first_index(self) -> int:
        return self._compacted[0] + 1

    def last_index(self) -> int:
        return self._last[0]

    def term(self, index: int) -> int:
        """Raises IndexError outside first_index() - 1 .. last_index()."""
        if index == self._compacted[0]:
            return self._compacted[1]
        return self._get(index)[0].term

    def digest(self, index: int) -> bytes:
        """The chain digest up to and with an entry. Raises IndexError as `term`."""
        if index == self._compacted[0]:
            return self._compacted[2]
        return self._get(index)[1]

    def entries(self, low: int, high: int, *, size_bytes_max: int) -> Sequence[Entry]:
        """Raises IndexError outside the log, CorruptionError when digests do not chain."""
        self._check(low)
        self._check(high - 1)
        digest = self.digest(low - 1)
        found: list[Entry] = []
        size = 0
        for key, data in self._iterate(low, high):
            index = layout.decode_number(key[1:])
            entry, held = _split(index, data)
            digest = _chain(digest, entry)
            if index != low + len(found) or held != digest:
                raise CorruptionError(STORE_CORRUPT, f"log entry {index} does not chain")
            size += len(entry.data)
            if found and size > size_bytes_max:
                return found
            found.append(entry)
        if len(found) != high - low:
            raise CorruptionError(
                STORE_INCONSISTENT, f"the log lacks entries between {low} and {high - 1}"
            )
        return found

    def append(
        self, batch: WriteBatch, entries: Sequence[Entry], hard_state: HardState | None
    ) -> None:
        """Put entries and hard state into a batch.

        Raises ValueError for entries that leave a gap or reach below the compaction.
        """
        state, compacted, last = self._hard_state, self._compacted, self._last
        if hard_state is not None:
            state = hard_state
            packed = _HARD_STATE.pack(state.term, state.vote, state.commit)
            batch.put(layout.HARD_STATE_KEY, layout.seal(packed))
        if entries:
            first = entries[0].index
            if not self.first_index() <= first <= self.last_index() + 1:
                raise ValueError(f"entry {first} does not continue {compacted[0]}..{last[0]}")
            for index in range(first + len(entries), self.last_index() + 1):
                batch.delete(layout.numbered_key(layout.LOG, index))
            digest = self.digest(first - 1)
            for expected, entry in enumerate(entries, first):
                if entry.index != expected:
                    raise ValueError(f"entry {entry.index} follows {expected - 1}")
                digest = _chain(digest, entry)
                batch.put(
                    layout.numbered_key(layout.LOG, entry.index),
                    _ENTRY.pack(entry.term, entry.kind, digest) + entry.data,
                )
            last = (entries[-1].index, digest)
        self._pending = (state, compacted, last)

    def compact(self, batch: WriteBatch, index: int) -> None:
        """Remove entries up to and with `index` in a batch; nothing if they are gone already.

        Raises IndexError for an index beyond the log's end.
        """
        self._pending = (self._hard_state, self._compacted, self._last)
        if index <= self._compacted[0]:
            return
        entry, digest = self._get(index)
        compacted = (index, entry.term, digest)
        batch.put(layout.COMPACTED_KEY, layout.seal(_COMPACTED.pack(*compacted)))
        for removed in range(self.first_index(), index + 1):
            batch.delete(layout.numbered_key(layout.LOG, removed))
        self._pending = (self._hard_state, compacted, self._last)

    def wrote(self) -> None:
        """The batch of the last `append` or `compact` is written."""
        self._hard_state, self._compacted, self._last = self._pending

    def _check(self, index: int) -> None:
        if not self.first_index() <= index <= self.last_index():
            raise IndexError(
                f"no entry {index} in a log of {self.first_index()}..{self.last_index()}"
            )

    def _get(self, index: int) -> tuple[Entry, bytes]:
        self._check(index)
        data = self._store.get(layout.numbered_key(layout.LOG, index))
        if data is None:
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


def _chain(before: bytes, entry: Entry) -> bytes:
    head = entry.term.to_bytes(8, "big") + bytes((entry.kind,))
    return sha256(before + head + entry.data).digest()


def _split(index: int, data: bytes) -> tuple[Entry, bytes]:
    try:
        term, kind, digest = _ENTRY.unpack_from(data)
        return Entry(index, term, data[_ENTRY.size :], EntryKind(kind)), digest
    except (struct.error, ValueError):
        raise CorruptionError(STORE_CORRUPT, f"log entry {index} cannot be read") from None
