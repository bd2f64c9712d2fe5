# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import pytest

from consensus import (
    ContractError,
    Entry,
    HardState,
    Message,
    MessageKind,
    Ordering,
    ProposalDroppedError,
    Ready,
    Role,
    SingleNode,
    UnknownPeerError,
    single_node,
)
from consensus.single_node import COMMITTED_SIZE_MAX, UNSTABLE_COUNT_MAX, UNSTABLE_SIZE_MAX


class Log:
    """A durable log in memory; `store` is what the embedder does in step 1 of a Ready."""

    def __init__(self, entries: Sequence[Entry] = (), hard_state: HardState | None = None) -> None:
        self.held = list(entries)
        self.state = hard_state or HardState()

    def hard_state(self) -> HardState:
        return self.state

    def first_index(self) -> int:
        return self.held[0].index if self.held else 1

    def last_index(self) -> int:
        return self.held[-1].index if self.held else 0

    def term(self, index: int) -> int:
        return next(entry.term for entry in self.held if entry.index == index)

    def entries(self, low: int, high: int, *, size_bytes_max: int) -> Sequence[Entry]:
        found: list[Entry] = []
        size = 0
        for entry in self.held:
            if low <= entry.index < high:
                size += len(entry.data)
                if found and size > size_bytes_max:
                    break
                found.append(entry)
        return found

    def store(self, ready: Ready) -> None:
        if ready.entries:
            keep = [entry for entry in self.held if entry.index < ready.entries[0].index]
            self.held = [*keep, *ready.entries]
        if ready.hard_state is not None:
            self.state = ready.hard_state


def drain(node: Ordering, log: Log) -> list[Entry]:
    """Do all that is to be done; the entries that were committed meanwhile."""
    committed: list[Entry] = []
    while node.has_ready():
        ready = node.ready()
        log.store(ready)
        committed.extend(ready.committed_entries)
        node.advance()
    return committed


def test_a_start_is_a_new_term_that_begins_with_an_empty_entry() -> None:
    log = Log()
    node = SingleNode(7, log, applied=0)
    assert drain(node, log) == [Entry(1, 1, b"")]
    assert log.state.term == 1
    assert log.state.vote == 7
    again = SingleNode(7, log, applied=1)
    assert drain(again, log) == [Entry(2, 2, b"")]
    assert again.status().hard_state.term == 2
    assert again.status().role is Role.LEADER
    assert again.status().is_leader
    assert again.status().lead == 7


def test_an_entry_is_committed_only_after_the_embedder_stored_it() -> None:
    log = Log()
    node = SingleNode(1, log, applied=0)
    drain(node, log)
    node.propose(b"block")
    ready = node.ready()
    assert ready.entries == (Entry(2, 1, b"block"),)
    assert ready.must_sync
    assert ready.committed_entries == ()
    assert node.status().hard_state.commit == 1
    node.advance()
    after = node.ready()
    assert after.committed_entries == (Entry(2, 1, b"block"),)
    assert after.entries == ()
    assert after.hard_state == HardState(1, 1, 2)
    assert not after.must_sync, "a commit index alone can be found out again"
    node.advance()
    assert not node.has_ready()
    assert node.status().applied == 2


def test_what_is_proposed_while_a_ready_is_in_hand_comes_with_the_next() -> None:
    log = Log()
    node = SingleNode(1, log, applied=0)
    drain(node, log)
    node.propose(b"a")
    first = node.ready()
    node.propose(b"b")
    assert not node.has_ready()
    log.store(first)
    node.advance()
    second = node.ready()
    assert [entry.data for entry in second.entries] == [b"b"]
    assert [entry.data for entry in second.committed_entries] == [b"a"]
    node.advance()
    third = node.ready()
    assert [entry.data for entry in third.committed_entries] == [b"b"]


@pytest.mark.parametrize("commit", [1, 3])
def test_after_a_restart_entries_that_were_not_applied_come_again(commit: int) -> None:
    entries = [Entry(1, 1, b""), Entry(2, 1, b"a"), Entry(3, 1, b"b")]
    log = Log(entries, HardState(1, 1, commit))
    node = SingleNode(1, log, applied=1)
    assert drain(node, log) == [*entries[1:], Entry(4, 2, b"")]
    assert log.state == HardState(2, 1, 4)


def test_entries_of_an_earlier_term_wait_for_one_of_this_term() -> None:
    log = Log([Entry(1, 1, b"a")], HardState(1, 1, 0))
    node = SingleNode(1, log, applied=0)
    ready = node.ready()
    assert ready.committed_entries == (), "Raft §5.4.2"
    assert [entry.data for entry in ready.entries] == [b""]


def test_a_crash_before_advance_repeats_and_loses_nothing() -> None:
    log = Log()
    node = SingleNode(1, log, applied=0)
    drain(node, log)
    node.propose(b"a")
    log.store(node.ready())
    again = SingleNode(1, log, applied=1)
    assert [entry.data for entry in drain(again, log)] == [b"a", b""]


def test_committed_entries_come_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    half = bytes(COMMITTED_SIZE_MAX // 2)
    stored = [Entry(index, 1, half) for index in range(1, 5)]
    restarted = SingleNode(1, Log(stored, HardState(1, 1, 4)), applied=0)
    assert [entry.index for entry in restarted.ready().committed_entries] == [1, 2]

    monkeypatch.setattr(single_node, "COMMITTED_SIZE_MAX", 1)
    log = Log()
    node = SingleNode(1, log, applied=0)
    drain(node, log)
    node.propose(b"ab")
    node.propose(b"cd")
    log.store(node.ready())
    node.advance()
    assert [entry.data for entry in node.ready().committed_entries] == [b"ab"]
    node.advance()
    assert [entry.data for entry in node.ready().committed_entries] == [b"cd"]


def test_refusals_change_nothing() -> None:
    log = Log()
    node = SingleNode(1, log, applied=0)
    drain(node, log)
    before = node.status()
    message = Message(MessageKind.VOTE, sender=2, recipient=1, term=9)
    with pytest.raises(UnknownPeerError):
        node.step(message)
    with pytest.raises(ProposalDroppedError):
        node.propose(b"")
    with pytest.raises(ProposalDroppedError):
        node.propose(bytes(UNSTABLE_SIZE_MAX + 1))
    with pytest.raises(ContractError):
        node.advance()
    node.tick()
    assert node.status() == before
    assert not node.has_ready()


def test_too_many_entries_that_are_not_durable_are_refused() -> None:
    log = Log()
    node = SingleNode(1, log, applied=0)
    drain(node, log)
    for _ in range(UNSTABLE_COUNT_MAX):
        node.propose(b"x")
    with pytest.raises(ProposalDroppedError):
        node.propose(b"x")
    assert len(drain(node, log)) == UNSTABLE_COUNT_MAX
    node.propose(b"x")


def test_a_second_ready_before_advance_is_refused() -> None:
    node = SingleNode(1, Log(), applied=0)
    node.ready()
    with pytest.raises(ContractError):
        node.ready()


@pytest.mark.parametrize(("applied", "commit"), [(2, 1), (0, 2)])
def test_a_log_that_ends_too_early_is_refused(applied: int, commit: int) -> None:
    log = Log([Entry(1, 1, b"a")], HardState(1, 1, commit))
    with pytest.raises(ValueError, match=r"log"):
        SingleNode(1, log, applied=applied)
