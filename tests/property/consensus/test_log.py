# SPDX-License-Identifier: Apache-2.0
"""`RaftLog` over `MemoryLog` against a plain list, whatever happens in whatever order."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from consensus.log import DigestChain, EntryUnavailableError, RaftLog, entries_size
from consensus.memory_log import MemoryLog
from consensus.types import ConfState, Entry, Snapshot

UNLIMITED = 10**9
APPLYING_SIZE_MAX = 90


def chain(digest: bytes, entry: Entry) -> bytes:
    """A chain that shows what went into it."""
    return digest + b"/%d.%d" % (entry.index, entry.term) + entry.data


@dataclass(frozen=True)
class Write:
    """What was handed out to storage at once, and what storage answers later."""

    snapshot: Snapshot | None
    entries: tuple[Entry, ...]
    term: int
    last: tuple[int, int] | None
    digest: bytes


class LogMachine(RuleBasedStateMachine):
    """Entries are given by the model: a list of all of them from the first ever, with no storage.

    Leaders of later terms replace what is not committed; storage is written late and answers
    later, in order, also when the core has moved on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chain: DigestChain | None = None
        self.storage = MemoryLog()
        self.log = RaftLog(self.storage, APPLYING_SIZE_MAX)
        self.model: list[Entry] = []
        self.first = 1
        """The first entry that is not compacted."""
        self.term = 1
        self.committed = self.applied = 0
        self.count = 0
        self.to_write: list[Write] = []
        self.to_answer: list[Write] = []
        self.to_apply: list[tuple[Entry, ...]] = []
        self.handed: list[Entry] = []

    @initialize(is_chained=st.booleans())
    def begin(self, is_chained: bool) -> None:
        self.chain = chain if is_chained else None
        self.storage = MemoryLog(chain=self.chain)
        self.log = RaftLog(self.storage, APPLYING_SIZE_MAX, chain=self.chain)

    def digest(self, index: int) -> bytes:
        digest = b""
        for entry in self.model[:index] if self.chain else ():
            digest = chain(digest, entry)
        return digest

    def make_entries(self, first: int, count: int) -> list[Entry]:
        made: list[Entry] = []
        for index in range(first, first + count):
            self.count += 1
            made.append(Entry(index, self.term, b"%d" % self.count))
        return made

    # A leader's appends ---------------------------------------------------------------------------

    @rule(count=st.integers(min_value=1, max_value=3))
    def append(self, count: int) -> None:
        entries = self.make_entries(len(self.model) + 1, count)
        assert self.log.append(entries) == len(self.model) + count
        self.model += entries

    @rule(
        back=st.integers(min_value=0, max_value=3),
        count=st.integers(min_value=0, max_value=3),
        commit=st.integers(min_value=0, max_value=2),
        overlap=st.integers(min_value=0, max_value=2),
    )
    def follow_a_new_leader(self, back: int, count: int, commit: int, overlap: int) -> None:
        """Its log agrees up to a place at or after what is committed, and its append begins a few
        entries before that.
        """
        self.term += 1
        agreed = max(self.committed, len(self.model) - back)
        previous = max(self.first - 1, self.committed, agreed - overlap)
        entries = [*self.model[previous:agreed], *self.make_entries(agreed + 1, count)]
        taken_to = self.log.maybe_append(
            previous,
            self.model[previous - 1].term if previous else 0,
            entries,
            self.committed + commit,
            chain_digest=self.digest(previous),
        )
        last = agreed + count
        assert taken_to == last
        if count:
            self.model[agreed:] = entries[agreed - previous :]
        self.committed = max(self.committed, min(self.committed + commit, last))

    @precondition(lambda self: self.chain is not None)
    @rule(count=st.integers(min_value=1, max_value=2))
    def follow_the_other_face_of_a_liar(self, count: int) -> None:
        """Other entries, of the same term as the last one, after what is committed."""
        if len(self.model) == self.committed or self.model[-1].term != self.term:
            return
        place = next(
            at
            for at, entry in enumerate(self.model)
            if entry.term == self.term and at >= self.committed
        )
        entries = self.make_entries(place + 1, count)
        taken_to = self.log.maybe_append(
            place,
            self.model[place - 1].term if place else 0,
            entries,
            0,
            chain_digest=self.digest(place),
        )
        assert taken_to == place + count
        self.model[place:] = entries

    @rule(index=st.integers(min_value=0, max_value=40), is_term_right=st.booleans())
    def refuse_what_does_not_fit(self, index: int, is_term_right: bool) -> None:
        fits = self.first - 1 <= index <= len(self.model)
        term = self.model[index - 1].term if fits and index else 0
        digest = self.digest(index) if fits else b""
        if is_term_right and fits:
            if self.chain is None:
                return
            digest += b"x"
        else:
            term += 1
        entries = [Entry(index + 1, self.term + 1, b"not taken")]
        assert self.log.maybe_append(index, term, entries, index, chain_digest=digest) is None

    @rule(count=st.integers(min_value=0, max_value=2))
    def commit(self, count: int) -> None:
        self.committed = min(self.committed + count, len(self.model))
        self.log.commit_to(self.committed)

    @rule(beyond=st.integers(min_value=1, max_value=3), luck=st.integers(min_value=0, max_value=4))
    def take_a_snapshot(self, beyond: int, luck: int) -> None:
        """From a leader, of entries that are not here; they take the place of all that is."""
        if luck:
            return  # rare, as everything begins anew after it
        del self.model[self.committed :]
        self.term += 1
        self.model += self.make_entries(self.committed + 1, beyond)
        index = len(self.model)
        snapshot = Snapshot(index, self.term, ConfState((1,)), b"", self.digest(index))
        self.log.restore(snapshot)
        self.first, self.committed = index + 1, index

    # Storage --------------------------------------------------------------------------------------

    @rule(is_written_at_once=st.booleans())
    def hand_out(self, is_written_at_once: bool) -> None:
        log = self.log
        has_entries = log.has_next_or_in_progress_unstable_entries()
        last = log.last() if has_entries else None
        write = Write(
            log.next_unstable_snapshot(),
            tuple(log.next_unstable_entries()),
            self.term,
            last,
            log.digest(last[0]) if last else b"",
        )
        log.accept_unstable()
        assert not log.has_next_unstable_entries()
        assert log.next_unstable_snapshot() is None
        if write.snapshot is not None or write.last is not None:
            self.to_write.append(write)
        while is_written_at_once and self.to_write:
            self.write()

    @precondition(lambda self: self.to_write)
    @rule()
    def write_one(self) -> None:
        self.write()

    def write(self) -> None:
        write = self.to_write.pop(0)
        if write.snapshot is not None:
            self.storage.apply_snapshot(write.snapshot)
        self.storage.append(write.entries)
        self.to_answer.append(write)

    @precondition(lambda self: self.to_answer)
    @rule()
    def answer(self) -> None:
        write = self.to_answer.pop(0)
        # The core drops answers of old terms but for their snapshot; the log must bear all of them.
        if write.last is not None:
            self.log.stable_to(*write.last, chain_digest=write.digest)
        if write.snapshot is not None:
            self.log.stable_snapshot_to(write.snapshot.index)
            self.apply_to(max(self.applied, write.snapshot.index), 0)

    @precondition(lambda self: self.storage.last_index() >= self.storage.first_index())
    @rule(kept=st.integers(min_value=0, max_value=2))
    def compact(self, kept: int) -> None:
        """What is applied and written."""
        low = self.storage.first_index()
        high = min(self.applied, self.storage.last_index(), self.log.unstable.offset - 1)
        if self.log.has_next_or_in_progress_snapshot() or high < low:
            return
        index = max(low, high - kept)
        if index > self.storage.snapshot().index:
            made = self.storage.create_snapshot(index, ConfState((1,)), b"")
            assert made.chain_digest == self.digest(index)
        self.storage.compact(index)
        self.first = index + 1

    # Applying -------------------------------------------------------------------------------------

    @rule(is_unstable_allowed=st.booleans())
    def hand_out_committed(self, is_unstable_allowed: bool) -> None:
        log = self.log
        entries = tuple(log.next_committed_entries(is_unstable_allowed=is_unstable_allowed))
        has = log.has_next_committed_entries(is_unstable_allowed=is_unstable_allowed)
        assert has is bool(entries)
        if not entries:
            return
        if not is_unstable_allowed:
            assert entries[-1].index < log.unstable.offset
        assert entries[0].index == log.applying + 1, "none twice and none left out"
        assert list(entries) == self.model[entries[0].index - 1 : entries[-1].index]
        assert entries[-1].index <= self.committed
        size = entries_size(entries)
        log.accept_applying(entries[-1].index, size, is_unstable_allowed=is_unstable_allowed)
        self.to_apply.append(entries)
        waiting = sum(entries_size(batch) for batch in self.to_apply)
        assert waiting < APPLYING_SIZE_MAX + size

    @precondition(lambda self: self.to_apply)
    @rule()
    def apply(self) -> None:
        entries = self.to_apply.pop(0)
        self.apply_to(max(self.applied, entries[-1].index), entries_size(entries))

    def apply_to(self, index: int, size: int) -> None:
        self.log.applied_to(index, size)
        self.applied = index

    # What holds always ----------------------------------------------------------------------------

    @invariant()
    def reads_as_the_model(self) -> None:
        log, last = self.log, len(self.model)
        assert (log.first_index(), log.last_index()) == (self.first, last)
        assert (log.committed, log.applied) == (self.committed, self.applied)
        assert log.applied <= log.applying or log.has_next_or_in_progress_snapshot()
        assert log.applying <= log.committed
        for index in range(last + 3):
            is_known = self.first - 1 <= index <= last
            try:
                term, digest = log.term(index), log.digest(index)
            except EntryUnavailableError:
                assert not is_known
                assert log.zero_term_if_unknown(index) == 0
                continue
            assert is_known
            assert term == (self.model[index - 1].term if index else 0)
            assert digest == self.digest(index)
        assert list(log.slice(self.first, last + 1, UNLIMITED)) == self.model[self.first - 1 :]
        scanned = [entry for page in log.scan(self.first, last + 1, 60) for entry in page]
        assert scanned == self.model[self.first - 1 :]

    @invariant()
    def what_is_called_stable_is_in_storage(self) -> None:
        if self.log.has_next_or_in_progress_snapshot():
            return
        stable = self.log.unstable.offset - 1
        assert stable <= self.storage.last_index()
        kept = self.storage.entries(self.first, stable + 1, size_bytes_max=UNLIMITED)
        assert list(kept) == self.model[self.first - 1 : stable]
        assert self.log.unstable.entries == self.model[stable:]

    @invariant()
    def nothing_that_is_not_durable_is_forgotten(self) -> None:
        """What storage has and will be given is the log, when all of it is written."""
        offset = self.log.unstable.offset_in_progress
        assert self.log.unstable.offset <= offset <= len(self.model) + 1
        assert list(self.log.next_unstable_entries()) == self.model[offset - 1 :]


def test_the_log_reads_as_a_plain_list() -> None:
    run_state_machine_as_test(  # pyright: ignore[reportUnknownMemberType]
        LogMachine, settings=settings(max_examples=200, stateful_step_count=50)
    )
