# SPDX-License-Identifier: Apache-2.0
"""The log in memory keeps the contract of `LogStorage`, and refuses what would break it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from consensus.errors import ContractError
from consensus.log import CompactedError, EntryUnavailableError
from consensus.memory_log import MemoryLog
from consensus.types import ConfState, Entry, HardState, Snapshot


def chain(digest: bytes, entry: Entry) -> bytes:
    """A chain that shows what went into it."""
    return digest + b"/" + entry.data


def make_entries(first: int, *terms: int) -> list[Entry]:
    return [
        Entry(index, term, f"{index}.{term}".encode()) for index, term in enumerate(terms, first)
    ]


def make_log(*terms: int, is_chained: bool = False) -> MemoryLog:
    log = MemoryLog(chain=chain if is_chained else None)
    log.append(make_entries(1, *terms))
    return log


def see(log: MemoryLog) -> object:
    """Everything that can be read."""
    first, last = log.first_index(), log.last_index()
    return (
        log.hard_state(),
        log.conf_state(),
        log.snapshot(),
        first,
        [(log.term(index), log.digest(index)) for index in range(first - 1, last + 1)],
        log.entries(first, last + 1, size_bytes_max=10**6),
    )


def assert_refused(
    log: MemoryLog, call: Callable[[], object], error: type[Exception], reason: str
) -> None:
    before = see(log)
    with pytest.raises(error, match=reason):
        call()
    assert see(log) == before


def test_a_new_log_is_empty() -> None:
    log = MemoryLog()
    assert (log.first_index(), log.last_index(), log.term(0), log.digest(0)) == (1, 0, 0, b"")
    assert log.entries(1, 1, size_bytes_max=100) == ()
    assert log.hard_state() == HardState()
    assert log.conf_state() == ConfState()
    assert log.snapshot().is_empty


def test_the_hard_state_is_what_was_stored_last() -> None:
    log = MemoryLog()
    log.set_hard_state(HardState(1, 2, 0))
    log.set_hard_state(HardState(2, 1, 0))
    assert log.hard_state() == HardState(2, 1, 0)


def test_entries_are_read_back() -> None:
    log = make_log(1, 1, 2)
    assert (log.first_index(), log.last_index()) == (1, 3)
    assert [log.term(index) for index in range(4)] == [0, 1, 1, 2]
    assert log.entries(2, 4, size_bytes_max=1000) == make_entries(2, 1, 2)
    assert log.entries(3, 2, size_bytes_max=1000) == ()


def test_as_many_entries_as_fit_and_at_least_one() -> None:
    log = make_log(1, 1, 1)
    size = len(b"1.1") + 24
    assert len(log.entries(1, 4, size_bytes_max=0)) == 1
    assert len(log.entries(1, 4, size_bytes_max=2 * size - 1)) == 1
    assert len(log.entries(1, 4, size_bytes_max=2 * size)) == 2


def test_an_append_replaces_what_is_there_from_its_first_entry_on() -> None:
    log = make_log(1, 1, 1, is_chained=True)
    log.append(make_entries(2, 2))
    assert log.last_index() == 2
    assert log.entries(1, 3, size_bytes_max=1000) == [*make_entries(1, 1), *make_entries(2, 2)]
    assert log.digest(2) == b"/1.1/2.2"


@pytest.mark.parametrize("is_chained", [False, True])
def test_a_gap_is_refused(is_chained: bool) -> None:
    log = make_log(1, 1, is_chained=is_chained)
    assert_refused(log, lambda: log.append(make_entries(4, 1)), ContractError, "gap")


def test_compacted_entries_are_left_out_of_an_append() -> None:
    log = make_log(1, 1, 1)
    log.compact(2)
    log.append(make_entries(1, 1, 1))
    assert log.last_index() == 3, "nothing of it is kept, so nothing is replaced"
    log.append(make_entries(2, 2, 2, 2))
    assert (log.first_index(), log.last_index(), log.term(2)) == (3, 4, 1)
    assert log.entries(3, 5, size_bytes_max=1000) == make_entries(3, 2, 2)


@pytest.mark.parametrize("is_chained", [False, True])
def test_compaction_leaves_the_term_and_the_digest_before_the_first_entry(
    is_chained: bool,
) -> None:
    log = make_log(1, 1, 2, is_chained=is_chained)
    digests = [log.digest(index) for index in range(4)]
    log.compact(2)
    assert (log.first_index(), log.last_index(), log.term(2)) == (3, 3, 1)
    assert [log.digest(2), log.digest(3)] == digests[2:]
    assert bool(log.digest(3)) is is_chained
    log.compact(3)
    assert (log.first_index(), log.last_index(), log.term(3)) == (4, 3, 2)
    log.append(make_entries(4, 3))
    assert log.digest(4) == (b"/1.1/2.1/3.2/4.3" if is_chained else b"")


def test_what_is_not_there_is_not_read() -> None:
    log = make_log(1, 1, 1, 1)
    log.compact(2)
    for read in (log.term, log.digest):
        assert_refused(log, partial(read, 1), CompactedError, "compacted")
        assert_refused(log, partial(read, 5), EntryUnavailableError, "no entry 5")
    for low, high, error in ((2, 4, CompactedError), (3, 6, EntryUnavailableError)):
        with pytest.raises(error):
            log.entries(low, high, size_bytes_max=1000)


def test_only_entries_that_are_there_are_compacted() -> None:
    log = make_log(1, 1, 1)
    log.compact(2)
    assert_refused(log, lambda: log.compact(2), CompactedError, "compacted")
    assert_refused(log, lambda: log.compact(4), EntryUnavailableError, "no entry 4")


def test_a_snapshot_is_made_of_what_is_there() -> None:
    log = make_log(1, 2, 3, is_chained=True)
    members = ConfState((1, 2))
    made = log.create_snapshot(2, members, b"state")
    assert made == Snapshot(2, 2, members, b"state", b"/1.1/2.2")
    assert log.snapshot() == made
    assert log.conf_state() == members
    assert log.first_index() == 1, "compaction is another step"
    for index, error in ((2, ContractError), (1, ContractError), (4, EntryUnavailableError)):
        assert_refused(log, partial(log.create_snapshot, index, members, b""), error, str(index))


def test_no_snapshot_is_made_below_what_is_compacted() -> None:
    log = make_log(1, 2, 3)
    log.compact(2)
    assert_refused(log, lambda: log.create_snapshot(1, ConfState(), b""), CompactedError, "1")


def test_a_snapshot_replaces_the_log() -> None:
    log = make_log(1, 1, is_chained=True)
    log.set_hard_state(HardState(1, 1, 2))
    snapshot = Snapshot(9, 4, ConfState((1, 2, 3)), b"state", b"digest")
    log.apply_snapshot(snapshot)
    assert (log.first_index(), log.last_index()) == (10, 9)
    assert (log.term(9), log.digest(9)) == (4, b"digest")
    assert log.snapshot() is snapshot
    assert log.conf_state() == ConfState((1, 2, 3))
    assert log.hard_state() == HardState(1, 1, 2)
    log.append(make_entries(10, 5))
    assert log.digest(10) == b"digest/10.5"
    for index in (9, 3):
        older = Snapshot(index, 4)
        assert_refused(log, partial(log.apply_snapshot, older), ContractError, "not newer")
