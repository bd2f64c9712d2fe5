# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from consensus import Entry, HardState
from consensus.log import CompactedError, EntryUnavailableError
from ledger.storage import layout
from ledger.storage.errors import CorruptionError
from ledger.storage.kv import WriteBatch
from ledger.storage.log import LogStore
from ledger.storage.memory import MemoryStore


def append(
    store: MemoryStore, log: LogStore, entries: Sequence[Entry], state: HardState | None = None
) -> None:
    batch = WriteBatch()
    log.append(batch, entries, state)
    store.write(batch, sync=True)
    log.wrote()


def compact(store: MemoryStore, log: LogStore, index: int) -> None:
    batch = WriteBatch()
    log.compact(batch, index)
    store.write(batch, sync=True)
    log.wrote()


def all_entries(log: LogStore) -> list[Entry]:
    first, last = log.first_index(), log.last_index()
    return list(log.entries(first, last + 1, size_bytes_max=1 << 30)) if first <= last else []


ENTRIES = [Entry(n, 1 + n // 3, b"data %d" % n) for n in range(1, 6)]


def test_an_empty_log() -> None:
    log = LogStore(MemoryStore())
    assert (log.first_index(), log.last_index(), log.term(0)) == (1, 0, 0)
    assert log.hard_state() == HardState()
    with pytest.raises(EntryUnavailableError):
        log.term(1)


def test_what_was_appended_is_read_after_reopening() -> None:
    store = MemoryStore()
    log = LogStore(store)
    append(store, log, ENTRIES, HardState(2, 1, 4))
    for opened in (log, LogStore(store)):
        assert all_entries(opened) == ENTRIES
        assert opened.hard_state() == HardState(2, 1, 4)
        assert opened.last_index() == 5
        assert opened.term(3) == 2
    assert LogStore(store).digest(5) == log.digest(5)


def test_appending_replaces_what_follows() -> None:
    store = MemoryStore()
    log = LogStore(store)
    append(store, log, ENTRIES)
    before = log.digest(2)
    append(store, log, [Entry(3, 9, b"new")])
    for opened in (log, LogStore(store)):
        assert all_entries(opened) == [*ENTRIES[:2], Entry(3, 9, b"new")]
        assert opened.digest(2) == before
    append(store, log, [Entry(4, 9, b"more")])
    assert all_entries(LogStore(store))[-1] == Entry(4, 9, b"more")


def test_digests_depend_on_everything_before() -> None:
    digests: set[bytes] = set()
    for entries in (
        [Entry(1, 1, b"a"), Entry(2, 1, b"b")],
        [Entry(1, 1, b"x"), Entry(2, 1, b"b")],
        [Entry(1, 1, b"a"), Entry(2, 2, b"b")],
    ):
        store = MemoryStore()
        log = LogStore(store)
        append(store, log, entries)
        digests.add(log.digest(2))
    assert len(digests) == 3


def test_entries_stop_at_the_size_but_give_one() -> None:
    store = MemoryStore()
    log = LogStore(store)
    append(store, log, [Entry(n, 1, bytes(10)) for n in range(1, 5)])
    assert [e.index for e in log.entries(1, 5, size_bytes_max=20)] == [1, 2]
    assert [e.index for e in log.entries(3, 5, size_bytes_max=1)] == [3]


def test_compaction_keeps_term_and_digest_of_what_it_removed() -> None:
    store = MemoryStore()
    log = LogStore(store)
    append(store, log, ENTRIES)
    digest, term = log.digest(3), log.term(3)
    compact(store, log, 3)
    for opened in (log, LogStore(store)):
        assert (opened.first_index(), opened.last_index()) == (4, 5)
        assert (opened.digest(3), opened.term(3)) == (digest, term)
        assert all_entries(opened) == ENTRIES[3:]
        with pytest.raises(CompactedError):
            opened.term(2)
    compact(store, log, 2)
    assert log.first_index() == 4
    compact(store, log, 5)
    append(store, LogStore(store), [Entry(6, 3, b"after")])
    assert all_entries(LogStore(store)) == [Entry(6, 3, b"after")]


def test_gaps_are_refused_and_change_nothing() -> None:
    store = MemoryStore()
    log = LogStore(store)
    append(store, log, ENTRIES)
    compact(store, log, 2)
    for entries in (
        [Entry(7, 3, b"")],
        [Entry(2, 3, b"")],
        [Entry(6, 3, b""), Entry(8, 3, b"")],
    ):
        with pytest.raises(ValueError, match="entry"):
            log.append(WriteBatch(), entries, None)
    with pytest.raises(EntryUnavailableError):
        log.compact(WriteBatch(), 6)
    with pytest.raises(EntryUnavailableError):
        log.entries(5, 7, size_bytes_max=1)
    assert all_entries(log) == all_entries(LogStore(store)) == ENTRIES[2:]


@pytest.mark.parametrize("offset", [0, 7, 8, 20, 45])
def test_a_flipped_bit_in_an_entry_is_found(offset: int) -> None:
    store = MemoryStore()
    append(store, LogStore(store), ENTRIES)
    key = layout.numbered_key(layout.LOG, 3)
    data = bytearray(store.get(key) or b"")
    data[offset] ^= 1
    batch = WriteBatch()
    batch.put(key, bytes(data))
    store.write(batch, sync=True)
    with pytest.raises(CorruptionError):
        all_entries(LogStore(store))


def test_a_missing_entry_is_found() -> None:
    store = MemoryStore()
    append(store, LogStore(store), ENTRIES)
    batch = WriteBatch()
    batch.delete(layout.numbered_key(layout.LOG, 3))
    store.write(batch, sync=True)
    with pytest.raises(CorruptionError):
        all_entries(LogStore(store))


def test_a_damaged_hard_state_is_found() -> None:
    store = MemoryStore()
    append(store, LogStore(store), [], HardState(3, 1, 0))
    batch = WriteBatch()
    batch.put(layout.HARD_STATE_KEY, (store.get(layout.HARD_STATE_KEY) or b"")[:-1] + b"\x07")
    store.write(batch, sync=True)
    with pytest.raises(CorruptionError, match="hard state"):
        LogStore(store)


def test_an_abandoned_batch_is_forgotten() -> None:
    store = MemoryStore()
    log = LogStore(store)
    append(store, log, ENTRIES)
    log.append(WriteBatch(), [Entry(6, 3, b"never written")], HardState(7, 1, 6))
    append(store, log, [], HardState(3, 1, 2))
    for opened in (log, LogStore(store)):
        assert (opened.last_index(), opened.hard_state()) == (5, HardState(3, 1, 2))


class Interrupted(MemoryStore):
    """Runs something between the look at the log's ends and the read."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], None]] = []

    def _run(self) -> None:
        while self.meanwhile:
            self.meanwhile.pop()()

    def get(self, key: bytes) -> bytes | None:
        self._run()
        return super().get(key)

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._run()
        return super().iterate(start, stop, reverse=reverse)


@pytest.mark.parametrize("removed_to", [3, 4, 5])
def test_a_reader_meets_compaction_not_damage(removed_to: int) -> None:
    """The writer is on another thread: entries go while a reader is between two steps."""

    def begin(index: int) -> tuple[Interrupted, LogStore]:
        store = Interrupted()
        log = LogStore(store)
        append(store, log, ENTRIES)
        batch = WriteBatch()
        log.compact(batch, index)
        # Written, and not told yet.
        store.meanwhile.append(lambda: store.write(batch, sync=True))
        return store, log

    _, log = begin(removed_to)
    with pytest.raises(CompactedError):
        log.term(3)
    _, log = begin(removed_to)
    with pytest.raises(CompactedError):
        log.entries(1, 6, size_bytes_max=1 << 20)
