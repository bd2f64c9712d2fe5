# SPDX-License-Identifier: Apache-2.0
"""The contract of `Ready` and `advance`, and what a node refuses from others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from consensus.conf_change import (
    ConfChange,
    ConfChangeError,
    ConfChangeKind,
    ConfChangeSingle,
    make_conf_change_entry,
)
from consensus.config import Config
from consensus.errors import ContractError, ProposalDroppedError, UnknownPeerError
from consensus.memory_log import MemoryLog
from consensus.raw_node import LOCAL_KINDS, RESPONSE_KINDS, RawNode
from consensus.types import (
    APPEND_THREAD,
    APPLY_THREAD,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Message,
    MessageKind,
    Ready,
    Role,
    Snapshot,
)

NORMAL, FIRST, SECOND = EntryKind.NORMAL, EntryKind.CONF_CHANGE, EntryKind.CONF_CHANGE_V2


def draw_least(low: int, _high: int) -> int:
    return low


def make_node(
    *voters: int, is_async: bool = False, is_validated: bool = True, uncommitted_size_max: int = 0
) -> tuple[RawNode, MemoryLog]:
    """Node 1 of these, with a snapshot at index 1 behind it."""
    storage = MemoryLog()
    storage.apply_snapshot(Snapshot(1, 1, ConfState(voters)))
    storage.set_hard_state(HardState(1, 0, 1))
    config = Config(
        node_id=1,
        election_ticks=10,
        heartbeat_ticks=1,
        applied=1,
        async_storage_writes=is_async,
        is_conf_change_validated=is_validated,
        uncommitted_size_max=uncommitted_size_max,
    )
    return RawNode(config, storage, draw_least), storage


def store(storage: MemoryLog, ready: Ready) -> None:
    if ready.snapshot is not None:
        storage.apply_snapshot(ready.snapshot)
    storage.append(ready.entries)
    if ready.hard_state is not None:
        storage.set_hard_state(ready.hard_state)


def run(node: RawNode, storage: MemoryLog) -> list[Ready]:
    """Carry out all there is."""
    done: list[Ready] = []
    while node.has_ready():
        ready = node.ready()
        store(storage, ready)
        node.advance()
        done.append(ready)
    return done


def make_leader(
    *voters: int, is_validated: bool = True, uncommitted_size_max: int = 0
) -> tuple[RawNode, MemoryLog]:
    node, storage = make_node(
        *voters, is_validated=is_validated, uncommitted_size_max=uncommitted_size_max
    )
    node.campaign()
    run(node, storage)
    for voter in voters[1:]:
        node.step(Message(MessageKind.VOTE_RESPONSE, sender=voter, recipient=1, term=2))
    run(node, storage)
    for voter in voters[1:]:
        ack = Message(MessageKind.APPEND_RESPONSE, sender=voter, recipient=1, term=2, log_index=2)
        node.step(ack)
    run(node, storage)
    assert node.raft.role is Role.LEADER
    return node, storage


def see(node: RawNode) -> object:
    """What a message could change."""
    raft, log = node.raft, node.raft.log
    return (
        raft.hard_state,
        raft.soft_state,
        (log.last(), log.applying, log.applied),
        tuple(log.entries(log.first_index(), 10**9)),
        tuple(raft.messages),
        tuple(raft.messages_after_append),
        tuple(raft.read_states),
        raft.tracker.conf_state(),
        [(n, p.match_index, p.next_index, p.state) for n, p in raft.tracker.visit()],
        (raft.election_elapsed, raft.lead_transferee),
        node.has_ready(),
    )


def assert_refused(
    node: RawNode, call: Callable[[], object], error: type[Exception], reason: str | None = None
) -> None:
    before = see(node)
    with pytest.raises(error, match=reason):
        call()
    assert see(node) == before


class TestReady:
    def test_one_at_a_time(self) -> None:
        node, storage = make_node(1)
        assert not node.has_ready()
        assert_refused(node, node.advance, ContractError, "no Ready")
        node.campaign()
        store(storage, node.ready())
        assert_refused(node, node.ready, ContractError, "not advanced")
        node.advance()
        assert_refused(node, node.advance, ContractError, "no Ready")

    def test_a_node_alone_leads_and_commits_only_what_is_durable(self) -> None:
        node, storage = make_node(1)
        node.campaign()
        vote, *_ = run(node, storage)
        assert (vote.hard_state, vote.must_sync) == (HardState(2, 1, 1), True)
        assert node.raft.role is Role.LEADER
        node.propose(b"x")
        written = node.ready()
        assert [entry.data for entry in written.entries] == [b"x"]
        assert (written.committed_entries, written.must_sync) == ((), True)
        store(storage, written)
        node.advance()
        applied = node.ready()
        assert applied.committed_entries == written.entries
        assert applied.hard_state == HardState(2, 1, 3)
        assert not applied.must_sync, "a commit index can be learnt again"
        store(storage, applied)
        node.advance()
        assert not node.has_ready()
        assert node.raft.log.applied == 3

    def test_a_vote_leaves_with_the_state_that_must_be_durable_first(self) -> None:
        node, _ = make_node(1, 2, 3)
        node.step(Message(MessageKind.VOTE, 2, 1, term=5, log_index=1, log_term=1))
        ready = node.ready()
        assert (ready.hard_state, ready.must_sync) == (HardState(5, 2, 1), True)
        assert [(m.kind, m.recipient, m.rejected) for m in ready.messages] == [
            (MessageKind.VOTE_RESPONSE, 2, False)
        ]

    def test_an_ack_leaves_with_the_entries_that_it_acknowledges(self) -> None:
        node, _ = make_node(1, 2, 3)
        entry = Entry(2, 4, b"x")
        node.step(Message(MessageKind.APPEND, 2, 1, 4, log_index=1, log_term=1, entries=(entry,)))
        ready = node.ready()
        assert ready.entries == (entry,)
        assert ready.must_sync
        assert [(m.kind, m.log_index) for m in ready.messages] == [(MessageKind.APPEND_RESPONSE, 2)]

    def test_a_restart_goes_on_from_what_is_stored(self) -> None:
        node, storage = make_leader(1)
        node.propose(b"x")
        run(node, storage)
        again = RawNode(
            Config(node_id=1, election_ticks=10, heartbeat_ticks=1, applied=2),
            storage,
            draw_least,
        )
        ready = again.ready()
        assert [entry.data for entry in ready.committed_entries] == [b"x"]
        assert (ready.entries, ready.hard_state, ready.must_sync) == ((), None, False)

    def test_a_snapshot_is_stored_and_then_followed_by_its_ack(self) -> None:
        node, storage = make_node(1, 2, 3)
        snapshot = Snapshot(9, 3, ConfState((1, 2, 4)))
        node.step(Message(MessageKind.SNAPSHOT, 2, 1, term=3, snapshot=snapshot))
        ready = node.ready()
        assert ready.snapshot == snapshot
        assert [(m.kind, m.log_index) for m in ready.messages] == [(MessageKind.APPEND_RESPONSE, 9)]
        store(storage, ready)
        node.advance()
        assert node.raft.log.applied == 9
        assert node.raft.tracker.conf_state() == ConfState((1, 2, 4))


class TestStorageBesideTheCore:
    def test_storage_answers_instead_of_advance(self) -> None:
        node, storage = make_node(1, is_async=True)
        node.campaign()
        assert_refused(node, node.advance, ContractError, "by messages")
        applied: list[Entry] = []
        proposed = False
        while node.has_ready():
            for message in node.ready().messages:
                if message.kind is MessageKind.STORAGE_APPEND:
                    assert message.recipient == APPEND_THREAD
                    storage.append(message.entries)
                    if message.term:
                        storage.set_hard_state(
                            HardState(message.term, message.vote, message.commit)
                        )
                else:
                    assert (message.kind, message.recipient) == (
                        MessageKind.STORAGE_APPLY,
                        APPLY_THREAD,
                    )
                    applied += message.entries
                for response in message.responses:
                    assert response.recipient == 1
                    node.step(response)
            if node.raft.role is Role.LEADER and not proposed:
                node.propose(b"x")
                proposed = True
        assert [entry.data for entry in applied] == [b"", b"x"]
        assert storage.hard_state() == HardState(2, 1, 3)
        assert node.raft.log.unstable.entries == []

    def test_two_writes_under_way_are_two_messages(self) -> None:
        node, _ = make_node(1, 2, 3, is_async=True)
        for index in (2, 3):
            entry = Entry(index, 2, b"x")
            node.step(
                Message(
                    MessageKind.APPEND,
                    sender=2,
                    recipient=1,
                    term=2,
                    log_index=index - 1,
                    log_term=index - 1,
                    entries=(entry,),
                )
            )
            (write,) = node.ready().messages
            assert write.entries == (entry,)
            ack, stored = write.responses
            assert (ack.kind, ack.recipient, ack.log_index) == (
                MessageKind.APPEND_RESPONSE,
                2,
                index,
            )
            assert (stored.log_index, stored.log_term) == (index, 2)


class TestRefusals:
    @pytest.mark.parametrize("kind", sorted(LOCAL_KINDS))
    @pytest.mark.parametrize("make", [make_leader, make_node])
    def test_messages_within_a_node_are_not_taken_from_others(
        self, kind: MessageKind, make: Callable[..., tuple[RawNode, MemoryLog]]
    ) -> None:
        node, _ = make(1, 2, 3)
        for term in (0, 9):
            message = Message(kind, sender=2, recipient=1, term=term)
            assert_refused(node, partial(node.step, message), UnknownPeerError)

    @pytest.mark.parametrize(
        "kind",
        sorted(
            set(MessageKind)
            - {MessageKind.STORAGE_APPEND_RESPONSE, MessageKind.STORAGE_APPLY_RESPONSE}
        ),
    )
    def test_storage_says_only_what_storage_says(self, kind: MessageKind) -> None:
        node, _ = make_leader(1, 2, 3)
        for sender in (APPEND_THREAD, APPLY_THREAD):
            message = Message(kind, sender=sender, recipient=1, term=9)
            assert_refused(node, partial(node.step, message), UnknownPeerError)

    @pytest.mark.parametrize("kind", sorted(RESPONSE_KINDS))
    def test_answers_of_no_member_are_not_taken(self, kind: MessageKind) -> None:
        node, _ = make_leader(1, 2, 3)
        message = Message(kind, sender=4, recipient=1, term=9, log_index=2)
        assert_refused(node, lambda: node.step(message), UnknownPeerError)

    def test_all_kinds_that_do_not_travel_are_local(self) -> None:
        assert {kind for kind in MessageKind if kind >= 32} == LOCAL_KINDS

    def test_without_a_leader_nothing_is_proposed(self) -> None:
        node, _ = make_node(1, 2, 3)
        assert_refused(node, lambda: node.propose(b"x"), ProposalDroppedError, "no leader")

    def test_reports_about_strangers_change_nothing(self) -> None:
        node, _ = make_leader(1, 2, 3)
        before = see(node)
        node.report_unreachable(9)
        node.report_snapshot(9, is_failed=True)
        assert see(node) == before


class TestMembers:
    @pytest.mark.parametrize("is_validated", [True, False])
    @pytest.mark.parametrize(
        ("kind", "data"),
        [
            (FIRST, b""),
            (FIRST, b"\0"),
            (SECOND, b"\0"),
            (SECOND, bytes(7)),
            (SECOND, b"\0\0\1" + bytes(4) + b"\x09" + bytes(7) + b"\1"),
            (SECOND, b"\0\0\1" + bytes(4) + b"\0" + b"\xff" * 8),
        ],
    )
    def test_bytes_that_are_no_change_are_refused_wherever_they_come_from(
        self, kind: EntryKind, data: bytes, is_validated: bool
    ) -> None:
        node, storage = make_leader(1, 2, 3, is_validated=is_validated)
        good = make_conf_change_entry(ConfChange((ConfChangeSingle(ConfChangeKind.ADD_VOTER, 4),)))
        bad = Entry(0, 0, data, kind)
        for entries in ((bad,), (Entry(0, 0, b"x"), bad), (good, bad)):
            for sender in (1, 2):
                message = Message(MessageKind.PROPOSE, sender=sender, recipient=1, entries=entries)
                assert_refused(node, partial(node.step, message), ConfChangeError)
                assert_refused(node, partial(node.raft.step, message), ConfChangeError)
        node.propose_conf_change(ConfChange((ConfChangeSingle(ConfChangeKind.ADD_VOTER, 4),)))
        (entry,) = run(node, storage)[0].entries
        assert entry.kind is SECOND, "nothing that was refused stands in its way"

    def test_they_are_refused_also_while_another_change_is_pending(self) -> None:
        node, storage = make_leader(1, 2, 3)
        node.propose_conf_change(ConfChange((ConfChangeSingle(ConfChangeKind.ADD_VOTER, 4),)))
        run(node, storage)
        message = Message(MessageKind.PROPOSE, sender=2, entries=(Entry(0, 0, b"\0", SECOND),))
        assert_refused(node, lambda: node.step(message), ConfChangeError)

    def test_a_change_that_cannot_be_written_is_refused(self) -> None:
        node, _ = make_leader(1, 2, 3)
        two = ConfChange((ConfChangeSingle(ConfChangeKind.ADD_VOTER, 4),) * 2)
        assert_refused(node, lambda: node.propose_conf_change(two, is_single=True), ConfChangeError)

    def test_a_change_that_is_dropped_stands_in_no_ones_way(self) -> None:
        node, storage = make_leader(1, 2, 3, uncommitted_size_max=20)
        node.propose(bytes(15))
        change = ConfChange((ConfChangeSingle(ConfChangeKind.ADD_VOTER, 4),))
        assert_refused(node, lambda: node.propose_conf_change(change), ProposalDroppedError, "much")
        run(node, storage)
        for voter in (2, 3):
            node.step(Message(MessageKind.APPEND_RESPONSE, voter, 1, 2, log_index=3))
        run(node, storage)
        node.propose_conf_change(change)
        (entry,) = run(node, storage)[0].entries
        assert entry.kind is SECOND

    def test_while_a_change_is_pending_another_becomes_an_empty_entry(self) -> None:
        node, storage = make_leader(1, 2, 3)
        for learner in (4, 5):
            node.propose_conf_change(
                ConfChange((ConfChangeSingle(ConfChangeKind.ADD_LEARNER, learner),))
            )
        written = [entry for ready in run(node, storage) for entry in ready.entries]
        assert [(entry.kind, bool(entry.data)) for entry in written] == [
            (SECOND, True),
            (NORMAL, False),
        ]

    def test_a_change_counts_when_it_is_applied(self) -> None:
        node, storage = make_leader(1)
        change = ConfChange((ConfChangeSingle(ConfChangeKind.ADD_VOTER, 2),), context=b"who")
        node.propose_conf_change(change, is_single=True)
        run(node, storage)
        assert node.raft.tracker.conf_state() == ConfState((1,))
        assert node.apply_conf_change(change) == ConfState((1, 2))
        assert not node.raft.tracker.is_singleton()

    def test_a_change_that_cannot_be_made_changes_nothing(self) -> None:
        node, _ = make_leader(1)
        remove = ConfChange((ConfChangeSingle(ConfChangeKind.REMOVE, 1),))
        for change in (remove, ConfChange()):
            assert_refused(node, partial(node.apply_conf_change, change), ConfChangeError)


def lead_alone() -> RawNode:
    """Node 1, the only voter, leading with its first entry committed."""
    node, storage = make_node(1)
    node.campaign()
    while node.has_ready():
        ready = node.ready()
        if ready.hard_state is not None:
            storage.set_hard_state(ready.hard_state)
        storage.append(ready.entries)
        node.advance()
    return node


def test_status_tells_who_leads_and_how_far_the_log_goes() -> None:
    node, _ = make_node(1, 2)
    assert (node.status().role, node.status().lead, node.status().last_index) == (
        Role.FOLLOWER,
        0,
        1,
    )
    status = lead_alone().status()
    assert (status.node_id, status.role, status.lead) == (1, Role.LEADER, 1)
    assert status.is_leader
    assert (status.last_index, status.applied) == (2, 2)
    assert status.hard_state == HardState(2, 1, 2)


def test_a_request_of_another_node_without_an_entry_changes_nothing() -> None:
    node = lead_alone()
    before = node.status()
    with pytest.raises(ProposalDroppedError, match="holds an entry"):
        node.step(Message(MessageKind.PROPOSE, sender=2))
    node.step(Message(MessageKind.READ_INDEX, sender=2))
    assert node.status() == before
    assert not node.has_ready()
