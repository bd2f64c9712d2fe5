# SPDX-License-Identifier: Apache-2.0
"""The log as the core sees it: storage below, what is not durable above."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.errors import ContractError
from consensus.log import (
    ENTRY_OVERHEAD_SIZE,
    CompactedError,
    EntryUnavailableError,
    RaftLog,
    entries_size,
    limit_size,
    payloads_size,
)
from consensus.memory_log import MemoryLog
from consensus.types import ConfState, Entry, Snapshot

UNLIMITED = 10**9


def chain(digest: bytes, entry: Entry) -> bytes:
    """A chain that shows what went into it."""
    return digest + b"/" + entry.data


def make_entries(first: int, *terms: int, mark: str = "") -> list[Entry]:
    return [
        Entry(index, term, f"{index}.{term}{mark}".encode())
        for index, term in enumerate(terms, first)
    ]


def make_log(
    *terms: int,
    stable: int = 0,
    is_chained: bool = False,
    applying_size_max: int = UNLIMITED,
) -> RaftLog:
    """A log with entries of these terms, the first of them in storage."""
    used = chain if is_chained else None
    storage = MemoryLog(chain=used)
    entries = make_entries(1, *terms)
    storage.append(entries[:stable])
    log = RaftLog(storage, applying_size_max, chain=used)
    log.append(entries[stable:])
    return log


def see(log: RaftLog) -> object:
    """Everything of the log that an embedder or a leader can tell."""
    first, last = log.first_index(), log.last_index()
    return (
        first,
        [(log.term(index), log.digest(index)) for index in range(first - 1, last + 1)],
        log.entries(first, UNLIMITED),
        list(log.next_unstable_entries()),
        log.unstable.offset,
        log.unstable.snapshot,
        (log.committed, log.applying, log.applied),
    )


def assert_refused(log: RaftLog, call: Callable[[], object], error: type[Exception]) -> None:
    before = see(log)
    with pytest.raises(error):
        call()
    assert see(log) == before


def terms_of(log: RaftLog) -> list[int]:
    return [log.term(index) for index in range(log.first_index(), log.last_index() + 1)]


class TestSizes:
    def test_an_entry_counts_more_than_its_data(self) -> None:
        entries = make_entries(1, 1, 1)
        assert payloads_size(entries) == 6
        assert entries_size(entries) == 6 + 2 * ENTRY_OVERHEAD_SIZE

    def test_the_first_entry_always_fits(self) -> None:
        entries = make_entries(1, 1, 1, 1)
        two = entries_size(entries[:2])
        assert limit_size(entries, 0) == entries[:1]
        assert limit_size(entries, two) == entries[:2]
        assert limit_size(entries, two - 1) == entries[:1]
        assert limit_size([], 0) == []


class TestReading:
    def test_what_is_stored_and_what_is_not_is_one_log(self) -> None:
        log = make_log(1, 1, 2, 2, 3, stable=3)
        assert (log.first_index(), log.last_index(), log.last()) == (1, 5, (5, 3))
        assert terms_of(log) == [1, 1, 2, 2, 3]
        everything = make_entries(1, 1, 1, 2, 2, 3)
        assert log.slice(1, 6, UNLIMITED) == everything
        assert log.slice(2, 5, UNLIMITED) == everything[1:4]
        assert log.slice(2, 4, UNLIMITED) == everything[1:3]
        assert log.slice(4, 6, UNLIMITED) == everything[3:]
        assert log.entries(5, UNLIMITED) == everything[4:]
        assert log.entries(6, UNLIMITED) == ()
        assert log.slice(3, 3, UNLIMITED) == ()

    def test_a_size_limits_what_comes_from_both(self) -> None:
        log = make_log(1, 1, 1, 1, stable=2)
        size = entries_size(make_entries(1, 1))
        for count in (1, 2, 3, 4):
            assert len(log.slice(1, 5, count * size)) == count
            assert len(log.slice(1, 5, count * size + size - 1)) == count
        assert [len(page) for page in log.scan(1, 5, 3 * size)] == [3, 1]
        assert [entry.index for page in log.scan(1, 5, 0) for entry in page] == [1, 2, 3, 4]

    def test_what_is_not_there_is_refused(self) -> None:
        storage = MemoryLog()
        storage.append(make_entries(1, 1, 1, 1))
        storage.compact(2)
        log = RaftLog(storage, UNLIMITED)
        assert (log.first_index(), log.term(2), log.committed, log.applied) == (3, 1, 2, 2)
        assert_refused(log, lambda: log.term(1), CompactedError)
        assert_refused(log, lambda: log.slice(2, 4, UNLIMITED), CompactedError)
        assert_refused(log, lambda: log.term(4), EntryUnavailableError)
        assert_refused(log, lambda: log.slice(3, 5, UNLIMITED), EntryUnavailableError)
        assert log.zero_term_if_unknown(1) == log.zero_term_if_unknown(4) == 0
        assert not log.match_term(1, 1)
        assert not log.match_term(4, 0)

    @pytest.mark.parametrize(
        ("index", "term", "expected"),
        [(3, 2, True), (4, 2, True), (2, 2, False), (9, 1, False), (1, 3, True)],
    )
    def test_the_later_term_and_then_the_longer_log_is_more_up_to_date(
        self, index: int, term: int, expected: bool
    ) -> None:
        assert make_log(1, 2, 2, stable=1).is_up_to_date(index, term) is expected

    @pytest.mark.parametrize(
        ("index", "term", "expected"),
        [
            (5, 9, (5, 4)),
            (5, 4, (5, 4)),
            (5, 3, (3, 2)),
            (4, 2, (3, 2)),
            (5, 1, (1, 1)),
            (5, 0, (0, 0)),
            (9, 1, (9, 0)),  # beyond the end: nothing is known
        ],
    )
    def test_whole_terms_that_cannot_match_are_skipped(
        self, index: int, term: int, expected: tuple[int, int]
    ) -> None:
        log = make_log(1, 2, 2, 4, 4, stable=2)
        assert log.find_conflict_by_term(index, term) == expected


class TestAppending:
    @pytest.mark.parametrize("stable", [0, 1, 2, 3])
    def test_a_leader_replaces_what_differs(self, stable: int) -> None:
        log = make_log(1, 1, 1, stable=stable)
        assert log.maybe_append(1, 1, make_entries(2, 2, 2), 0) == 3
        assert terms_of(log) == [1, 2, 2]
        first = min(stable + 1, 2)
        assert log.next_unstable_entries()[0].index == first

    def test_what_is_there_already_stays_with_all_that_follows(self) -> None:
        log = make_log(1, 1, 1, stable=1)
        assert log.maybe_append(0, 0, make_entries(1, 1, 1), 1) == 2
        assert terms_of(log) == [1, 1, 1]
        assert log.committed == 1

    @pytest.mark.parametrize(("index", "term"), [(2, 2), (3, 1), (9, 1)])
    def test_an_append_after_another_entry_is_refused(self, index: int, term: int) -> None:
        log = make_log(1, 1, stable=1)
        before = see(log)
        assert log.maybe_append(index, term, make_entries(index + 1, 3), 2) is None
        assert see(log) == before

    def test_nothing_beyond_what_came_is_committed(self) -> None:
        log = make_log(1, 1, 1)
        assert log.maybe_append(1, 1, make_entries(2, 1), 9) == 2
        assert log.committed == 2
        assert log.maybe_append(1, 1, (), 1) == 1
        assert log.committed == 2, "it never falls"

    def test_what_is_committed_is_not_replaced(self) -> None:
        log = make_log(1, 1, 1, stable=1)
        log.commit_to(2)
        assert_refused(log, lambda: log.append(make_entries(2, 2)), ContractError)
        conflict = make_entries(2, 2, 2)
        assert_refused(log, lambda: log.maybe_append(1, 1, conflict, 3), ContractError)

    def test_a_commit_beyond_the_end_is_refused(self) -> None:
        log = make_log(1, 1)
        assert_refused(log, lambda: log.commit_to(3), ContractError)
        log.commit_to(2)
        log.commit_to(1)
        assert log.committed == 2

    def test_a_leader_commits_only_in_its_own_term(self) -> None:
        log = make_log(1, 2)
        before = see(log)
        for index, term in ((None, 2), (1, 2), (2, 1), (0, 2), (3, 2), (2, 0)):
            assert not log.maybe_commit(index, term)
        assert see(log) == before
        assert log.maybe_commit(2, 2)
        assert not log.maybe_commit(2, 2)


class TestChain:
    @pytest.mark.parametrize("stable", [0, 1, 3])
    def test_digests_follow_the_entries(self, stable: int) -> None:
        log = make_log(1, 1, 1, stable=stable, is_chained=True)
        assert [log.digest(index) for index in range(4)] == [
            b"",
            b"/1.1",
            b"/1.1/2.1",
            b"/1.1/2.1/3.1",
        ]
        log.append(make_entries(2, 2))
        assert log.digest(2) == b"/1.1/2.2"
        for index in (3, 4):
            with pytest.raises(EntryUnavailableError):
                log.digest(index)

    def test_without_a_chain_there_are_none(self) -> None:
        assert make_log(1, 1, stable=1).digest(2) == b""

    @pytest.mark.parametrize("digest", [b"", b"/1.1/other"])
    def test_another_log_of_the_same_terms_is_refused(self, digest: bytes) -> None:
        log = make_log(1, 1, stable=1, is_chained=True)
        before = see(log)
        assert log.maybe_append(2, 1, make_entries(3, 1), 2, chain_digest=digest) is None
        assert see(log) == before
        assert log.maybe_append(2, 1, make_entries(3, 1), 2, chain_digest=b"/1.1/2.1") == 3

    @pytest.mark.parametrize("stable", [1, 2, 3])
    def test_other_entries_of_the_same_terms_replace(self, stable: int) -> None:
        log = make_log(1, 1, 1, stable=stable, is_chained=True)
        other = [*make_entries(2, 1), *make_entries(3, 1, mark="x")]
        assert log.maybe_append(1, 1, other, 0, chain_digest=b"/1.1") == 3
        assert log.digest(3) == b"/1.1/2.1/3.1x"
        assert log.entries(3, UNLIMITED) == other[1:]

    def test_unless_they_are_committed(self) -> None:
        log = make_log(1, 1, is_chained=True)
        log.commit_to(2)
        other = make_entries(2, 1, mark="x")
        assert_refused(
            log, lambda: log.maybe_append(1, 1, other, 2, chain_digest=b"/1.1"), ContractError
        )

    def test_a_late_answer_of_storage_does_not_count_for_others_of_the_same_term(self) -> None:
        log = make_log(1, 1, stable=1, is_chained=True)
        written = log.digest(2)
        log.accept_unstable()
        log.append(make_entries(2, 1, mark="x"))
        before = see(log)
        log.stable_to(2, 1, chain_digest=written)
        assert see(log) == before
        log.stable_to(2, 1, chain_digest=log.digest(2))
        assert log.unstable.offset == 3

    def test_below_a_snapshot_on_its_way_nothing_is_known(self) -> None:
        log = make_log(1, 1, 1, stable=3, is_chained=True)
        log.restore(Snapshot(9, 2, ConfState((1,)), b"", b"nine"))
        assert log.digest(9) == b"nine"
        assert_refused(log, lambda: log.digest(2), CompactedError)
        log.append(make_entries(10, 3))
        assert log.digest(10) == b"nine/10.3"


class TestStable:
    def test_what_was_handed_out_is_not_handed_out_again(self) -> None:
        log = make_log(1, 1)
        assert log.has_next_unstable_entries()
        log.accept_unstable()
        assert not log.has_next_unstable_entries()
        assert log.has_next_or_in_progress_unstable_entries()
        log.append(make_entries(3, 1))
        assert log.next_unstable_entries() == make_entries(3, 1)
        log.stable_to(2, 1)
        assert log.unstable.entries == make_entries(3, 1)
        assert log.next_unstable_entries() == make_entries(3, 1)

    def test_what_replaces_entries_under_way_is_handed_out(self) -> None:
        log = make_log(1, 1, 1)
        log.accept_unstable()
        log.append(make_entries(2, 2))
        assert log.next_unstable_entries() == make_entries(2, 2)

    @pytest.mark.parametrize(("index", "term"), [(2, 1), (3, 1), (1, 2), (4, 2), (0, 0)])
    def test_answers_about_other_entries_change_nothing(self, index: int, term: int) -> None:
        log = make_log(1, 1, 1)
        log.accept_unstable()
        log.append(make_entries(2, 2, 2))
        before = see(log)
        log.stable_to(index, term)
        assert see(log) == before

    def test_a_snapshot_replaces_everything(self) -> None:
        log = make_log(1, 1, stable=1)
        snapshot = Snapshot(9, 2, ConfState((1,)))
        log.restore(snapshot)
        assert (log.first_index(), log.last_index(), log.committed) == (10, 9, 9)
        assert (log.term(9), log.last()) == (2, (9, 2))
        assert log.snapshot() is log.next_unstable_snapshot() is snapshot
        assert not log.has_next_unstable_entries()
        assert not log.has_next_committed_entries(is_unstable_allowed=True)
        log.accept_unstable()
        assert log.next_unstable_snapshot() is None
        assert log.has_next_or_in_progress_snapshot()
        log.stable_snapshot_to(8)
        assert log.has_next_or_in_progress_snapshot(), "that was another"
        log.stable_snapshot_to(9)
        assert not log.has_next_or_in_progress_snapshot()


class TestApplying:
    def test_only_what_is_durable_unless_allowed(self) -> None:
        log = make_log(1, 1, 1, stable=1)
        log.commit_to(3)
        assert log.next_committed_entries(is_unstable_allowed=False) == make_entries(1, 1)
        assert log.next_committed_entries(is_unstable_allowed=True) == make_entries(1, 1, 1, 1)

    def test_what_was_handed_out_is_not_handed_out_again(self) -> None:
        log = make_log(1, 1, 1, stable=3)
        log.commit_to(2)
        handed = log.next_committed_entries(is_unstable_allowed=False)
        log.accept_applying(2, entries_size(handed), is_unstable_allowed=False)
        assert not log.has_next_committed_entries(is_unstable_allowed=False)
        log.commit_to(3)
        assert log.next_committed_entries(is_unstable_allowed=False) == make_entries(3, 1)
        log.applied_to(2, entries_size(handed))
        assert (log.applied, log.applying) == (2, 2)

    def test_a_limit_pauses_until_something_is_applied(self) -> None:
        size = entries_size(make_entries(1, 1))
        log = make_log(1, 1, 1, stable=3, applying_size_max=2 * size)
        log.commit_to(3)
        assert len(log.next_committed_entries(is_unstable_allowed=False)) == 2
        log.accept_applying(2, 2 * size, is_unstable_allowed=False)
        assert log.next_committed_entries(is_unstable_allowed=False) == ()
        log.applied_to(1, size)
        assert log.next_committed_entries(is_unstable_allowed=False) == make_entries(3, 1)

    def test_it_pauses_also_when_the_next_did_not_fit(self) -> None:
        size = entries_size(make_entries(1, 1))
        log = make_log(1, 1, stable=2, applying_size_max=2 * size - 1)
        log.commit_to(2)
        assert len(log.next_committed_entries(is_unstable_allowed=False)) == 1
        log.accept_applying(1, size, is_unstable_allowed=False)
        assert not log.has_next_committed_entries(is_unstable_allowed=False)
        log.applied_to(1, size)
        assert log.has_next_committed_entries(is_unstable_allowed=False)

    def test_applied_stays_between_what_was_and_what_is_committed(self) -> None:
        log = make_log(1, 1, 1, stable=3)
        log.commit_to(2)
        log.applied_to(1, 0)
        assert_refused(log, lambda: log.applied_to(0, 0), ContractError)
        assert_refused(log, lambda: log.applied_to(3, 0), ContractError)
