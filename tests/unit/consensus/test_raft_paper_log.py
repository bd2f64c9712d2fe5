# SPDX-License-Identifier: Apache-2.0
"""Replication, commitment, members and snapshots, sentence by sentence: Raft §5.3, §5.4.2, §5.5,
§6, §7; of the thesis flow control (§10.2).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.conf_change import ConfChange, ConfChangeKind, ConfChangeSingle, Transition
from consensus.types import ConfState, Entry, HardState, Message, MessageKind, Role, Snapshot
from tests.support.raft_cluster import ELECTION_TICKS, PLAIN, Cluster, Member, make_entries

FIGURE_7 = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}
FIGURE_7_LEADER = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)


def make_leader(*, size: int = 3, terms: tuple[int, ...] = ()) -> Member:
    """A new leader of so many voters that nobody has answered yet, in the term after its last."""
    leader = Member(members=ConfState(voters=tuple(range(1, size + 1))), terms=terms)
    leader.elect()
    return leader


def ack(leader: Member, sender: int, index: int) -> list[Message]:
    """A follower has everything up to an index; what is sent then."""
    return leader.hear(MessageKind.APPEND_RESPONSE, sender, leader.raft.term, log_index=index)


def appends(messages: list[Message], to: int) -> list[Message]:
    """Those for one follower."""
    return [m for m in messages if m.kind is MessageKind.APPEND and m.recipient == to]


def log_terms(member: Member) -> tuple[int, ...]:
    """The terms of the entries in a log."""
    return tuple(entry.term for entry in member.log.all())


def add(kind: ConfChangeKind, *nodes: int, explicit: bool = False) -> ConfChange:
    """The same change of several members."""
    transition = Transition.JOINT_EXPLICIT if explicit else Transition.AUTO
    return ConfChange(tuple(ConfChangeSingle(kind, node) for node in nodes), transition)


# Replication (§5.3) -------------------------------------------------------------------------------


def test_a_command_is_appended_and_sent_to_all_in_parallel() -> None:
    """§5.3: the leader appends it as a new entry, then issues AppendEntries to all the others."""
    leader = make_leader()
    for node in (2, 3):
        ack(leader, node, 1)
    leader.node.propose(b"x")
    sent = leader.drain()
    assert leader.log.all()[-1] == Entry(2, 1, b"x")
    assert [(m.recipient, m.log_index, m.log_term, m.entries, m.commit) for m in sent] == [
        (2, 1, 1, (Entry(2, 1, b"x"),), 1),
        (3, 1, 1, (Entry(2, 1, b"x"),), 1),
    ]


@pytest.mark.parametrize(
    ("size", "acks", "is_committed"),
    [(1, 0, True), (2, 0, False), (2, 1, True), (3, 0, False), (3, 1, True), (4, 1, False),
     (4, 2, True), (5, 1, False), (5, 2, True), (5, 4, True)],
)  # fmt: skip
def test_an_entry_is_committed_once_a_majority_has_it(
    size: int, acks: int, is_committed: bool
) -> None:
    """§5.3: once the leader that created it has replicated it on a majority of the servers."""
    leader = make_leader(size=size)
    for node in range(2, acks + 2):
        ack(leader, node, 1)
    assert (leader.raft.log.committed == 1) is is_committed


def test_one_follower_that_answers_twice_is_one_copy() -> None:
    """§5.3: a majority of the servers, not of the answers."""
    leader = make_leader(size=5)
    ack(leader, 2, 1)
    ack(leader, 2, 1)
    assert leader.raft.log.committed == 0


@pytest.mark.parametrize("terms", [(1,), (1, 1), (1, 2), (1, 1, 4)])
def test_with_an_entry_all_before_it_are_committed(terms: tuple[int, ...]) -> None:
    """§5.3: including entries created by previous leaders; they are applied in log order."""
    leader = make_leader(terms=terms)
    last = len(terms) + 1
    ack(leader, 2, last)
    assert [entry.index for entry in leader.applied] == list(range(1, last + 1))
    assert [entry.data for entry in leader.applied[:-1]] == [e.data for e in make_entries(*terms)]


def test_the_commit_index_goes_out_with_later_appends_and_followers_apply() -> None:
    """§5.3: the leader includes the highest index it knows to be committed."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.propose(1, b"x")
    assert [m.applied_data for m in cluster.members.values()] == [[b"x"]] * 3


@pytest.mark.parametrize(
    ("leader_commit", "count", "committed"), [(0, 2, 1), (2, 2, 2), (3, 2, 3), (9, 2, 3), (9, 0, 1)]
)
def test_a_follower_commits_the_least_of_the_leaders_commit_and_the_last_new_entry(
    leader_commit: int, count: int, committed: int
) -> None:
    """Figure 2 (AppendEntries, 5.): what lies beyond the message may not be the leader's."""
    follower = Member(terms=(1, 1, 1, 1, 1), hard_state=HardState(term=1, commit=1))
    entries = make_entries(1, 1, 1)[1 : count + 1]
    follower.hear(
        MessageKind.APPEND, 2, 1, log_index=1, log_term=1, entries=entries, commit=leader_commit
    )
    assert follower.raft.log.committed == committed
    assert len(follower.applied) == committed


def test_a_heartbeat_commits_nothing_beyond_what_is_known_equal() -> None:
    """§5.3: a follower's log may end in entries that the leader will delete."""
    leader = make_leader(terms=(1, 1))
    ack(leader, 2, 3)
    assert leader.raft.log.committed == 3
    leader.tick()
    assert [m.commit for m in leader.drain() if m.kind is MessageKind.HEARTBEAT] == [3, 0]


def test_append_entries_is_retried_until_the_follower_has_everything() -> None:
    """§5.3: the leader retries indefinitely, even after it has answered the client."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.isolate(3)
    for count in range(3):
        cluster.propose(1, b"%d" % count)
        cluster.tick(only=(1,))
    assert cluster[1].applied_data == [b"0", b"1", b"2"]
    cluster.heal()
    cluster.tick(2, only=(1,))
    assert cluster[3].applied_data == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    ("index", "term", "is_taken"),
    [(0, 0, True), (1, 1, True), (2, 2, True), (2, 1, False), (1, 2, False), (3, 2, False)],
)
def test_the_consistency_check(index: int, term: int, is_taken: bool) -> None:
    """§5.3, figure 2 (AppendEntries, 2.): refused without that entry in that term before it."""
    follower = Member(terms=(1, 2))
    new = Entry(index + 1, 3, b"new")
    answer = follower.hear(
        MessageKind.APPEND, 2, 3, log_index=index, log_term=term, entries=(new,)
    )[0]
    assert answer.rejected is not is_taken
    assert (new in follower.log.all()) is is_taken
    if not is_taken:
        assert follower.log.all() == make_entries(1, 2)
        assert answer.log_index == index


@pytest.mark.parametrize(
    ("previous", "terms", "expected"),
    [
        (2, (3,), (1, 2, 3)),
        (1, (3, 4), (1, 3, 4)),
        (0, (1,), (1, 2)),  # an old message: nothing conflicts, nothing is deleted (§5.5)
        (0, (3,), (3,)),
        (0, (1, 2, 3), (1, 2, 3)),
        (0, (1, 3), (1, 3)),
    ],
)
def test_a_conflicting_entry_and_all_that_follow_are_deleted_others_kept(
    previous: int, terms: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """Figure 2 (AppendEntries, 3. and 4.): append what is not in the log already."""
    follower = Member(terms=(1, 2), hard_state=HardState(term=4))
    entries = tuple(Entry(previous + n, t, b"") for n, t in enumerate(terms, 1))
    where = {"log_index": previous, "log_term": (0, 1, 2)[previous]}
    (answer,) = follower.hear(MessageKind.APPEND, 2, 4, entries=entries, **where)
    assert (answer.rejected, answer.log_index) == (False, previous + len(terms))
    assert log_terms(follower) == expected


def test_entries_are_stable_before_they_are_acknowledged() -> None:
    """Figure 2 (persistent state): log[], before responding to RPCs."""
    follower = Member(hard_state=HardState(term=1))
    entries = make_entries(1, 1)
    follower.take(Message(MessageKind.APPEND, 2, 1, term=1, entries=entries))
    assert all(m.kind is not MessageKind.APPEND_RESPONSE for m in follower.raft.messages)
    ready = follower.node.ready()
    assert (ready.must_sync, ready.entries) == (True, entries)
    assert [m.log_index for m in ready.messages] == [2]


def test_append_entries_is_idempotent() -> None:
    """§5.5: a follower ignores entries that are already present, and answers again."""
    follower = Member()
    answers = [
        follower.hear(MessageKind.APPEND, 2, 1, entries=make_entries(1, 1))[0] for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert [ready.entries for ready in follower.readies[1:] if ready.entries] == []


def test_an_append_from_before_what_is_committed_is_answered_with_the_commit_index() -> None:
    """§5.5: an RPC that comes late changes nothing; its place may be compacted by now."""
    follower = Member(terms=(1, 1, 1), hard_state=HardState(term=1, commit=2))
    follower.log.compact(2)
    follower.reset()
    (answer,) = follower.hear(MessageKind.APPEND, 2, 1, entries=make_entries(1))
    assert (answer.rejected, answer.log_index) == (False, 2)
    assert log_terms(follower) == (1,)


def test_a_new_leader_begins_just_after_its_own_last_entry() -> None:
    """§5.3: nextIndex is initialized to the index just after the last one in the log."""
    leader = Member(terms=(1, 2))
    assert {(m.log_index, m.log_term) for m in leader.elect()} == {(2, 2)}


def test_after_a_rejection_the_leader_goes_back_and_retries() -> None:
    """§5.3: after a rejection it decrements nextIndex and retries."""
    leader = make_leader(terms=(1, 2))
    rejection = {"log_index": 2, "rejected": True, "reject_hint": 1, "log_term": 1}
    sent = leader.hear(MessageKind.APPEND_RESPONSE, 2, 3, **rejection)
    assert [(m.recipient, m.log_index, len(m.entries)) for m in sent] == [(2, 1, 2)]


def test_conflicts_are_passed_over_term_by_term() -> None:
    """§5.3, end: one AppendEntries for each term with conflicting entries, not for each entry."""
    cluster = Cluster(3, terms={1: (1, *[3] * 40), 2: (1, *[3] * 40), 3: (1, *[2] * 30)})
    cluster.elect(1)
    assert log_terms(cluster[3]) == (1, *[3] * 40, 4)
    assert sum(m.rejected for m in cluster.delivered) <= 2


@pytest.mark.parametrize("terms", FIGURE_7.values(), ids=FIGURE_7)
def test_a_leader_forces_followers_logs_to_be_its_own(terms: tuple[int, ...]) -> None:
    """§5.3, figure 7: missing, extra and conflicting entries all give way."""
    cluster = Cluster(3, terms={1: FIGURE_7_LEADER, 2: terms, 3: ()})
    for member in cluster.members.values():
        member.raft.become_follower(7, 0)
    cluster.elect(1)
    assert log_terms(cluster[1]) == (*FIGURE_7_LEADER, 8)
    assert cluster[2].log.all() == cluster[3].log.all() == cluster[1].log.all()
    assert cluster[2].applied == cluster[1].applied == list(cluster[1].log.all())


def test_a_leader_never_overwrites_or_deletes_its_own_entries() -> None:
    """§5.3, leader append-only: whatever followers say, and however often."""
    leader = make_leader(terms=(1, 1, 2))
    before = leader.log.all()
    for index in (3, 2, 1):
        leader.hear(MessageKind.APPEND_RESPONSE, 2, 3, log_index=index, rejected=True)
    leader.node.propose(b"x")
    leader.drain()
    assert leader.log.all() == (*before, Entry(5, 3, b"x"))


# Committing entries of previous terms (§5.4.2), crashes (§5.5) ------------------------------------


@pytest.mark.parametrize(("acked", "committed"), [(1, 0), (2, 0), (3, 3)])
def test_only_entries_of_the_current_term_are_committed_by_counting(
    acked: int, committed: int
) -> None:
    """§5.4.2: never an entry of a previous term; it follows when a later one is committed."""
    leader = make_leader(terms=(1, 2))
    ack(leader, 2, acked)
    assert leader.raft.log.committed == committed


def test_figure_8() -> None:
    """§5.4.2, figure 8: an entry of term 2 on a majority may still be overwritten by term 3."""
    cluster = Cluster(5, terms={1: (1, 2), 2: (1, 2), 3: (1,), 4: (1,), 5: (1, 3)})
    for member in cluster.members.values():
        member.raft.become_follower(3, 0)
    leader = cluster[1]
    leader.elect()  # term 4; nothing that it appends itself gets out
    ack(leader, 2, 2)
    ack(leader, 3, 2)
    assert leader.raft.log.committed == 0
    cluster.isolate(1)
    cluster[5].raft.become_follower(4, 0)
    cluster.elect(5)
    assert log_terms(cluster[2])[:2] == (1, 3)
    cluster.heal()
    cluster.tick(3, only=(5,))
    assert len({member.log.all() for member in cluster.members.values()}) == 1
    assert all(m.applied == cluster[5].applied for m in cluster.members.values())


def test_a_server_that_restarts_goes_on_from_what_is_stable() -> None:
    """§5.5: if it restarts, the retried RPC completes; its log and commit index are there."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.propose(1, b"before")
    cluster[3].reset()
    cluster.propose(1, b"after")
    cluster.tick(2, only=(1,))
    assert cluster[3].applied_data == [b"before", b"after"]


# Members (§6) -------------------------------------------------------------------------------------


def test_new_servers_first_get_the_log_without_counting_for_majorities() -> None:
    """§6: they join as non-voting members."""
    cluster = Cluster(2, learners=(3, 4))
    cluster.elect(1)
    cluster.partition({1, 3, 4}, {2})
    cluster.propose(1, b"x")
    assert log_terms(cluster[3]) == log_terms(cluster[1]) == (1, 1)
    assert cluster[1].raft.log.committed == 1
    cluster.tick(5 * ELECTION_TICKS, only=(3, 4))
    assert cluster[3].role is Role.FOLLOWER


def test_a_joint_configuration_needs_majorities_of_both() -> None:
    """§6: agreement (elections and entries) requires separate majorities of old and new."""
    members = ConfState(voters=(1, 4, 5), voters_outgoing=(1, 2, 3))
    for others, is_agreed in (((2, 3), False), ((4, 5), False), ((2, 4), True)):
        candidate = Member(members=members)
        candidate.node.campaign()
        candidate.drain()
        for node in others:
            candidate.hear(MessageKind.VOTE_RESPONSE, node, 1)
        assert (candidate.role is Role.LEADER) is is_agreed
        leader = Member(members=members)
        leader.elect()
        for node in others:
            ack(leader, node, 1)
        assert (leader.raft.log.committed == 1) is is_agreed


def test_entries_go_to_all_servers_of_both_configurations() -> None:
    """§6: log entries are replicated to all servers in both."""
    leader = Member(members=ConfState(voters=(1, 4, 5), voters_outgoing=(1, 2, 3)))
    assert sorted(m.recipient for m in leader.elect()) == [2, 3, 4, 5]


def test_a_change_passes_through_the_joint_configuration_to_the_new_one() -> None:
    """§6: once C-old,new is committed, the leader creates an entry for C-new."""
    cluster = Cluster(1, learners=(2, 3))
    cluster.elect(1)
    cluster[1].node.propose_conf_change(add(ConfChangeKind.ADD_VOTER, 2, 3))
    cluster.deliver()
    cluster.tick(2, only=(1,))
    for member in cluster.members.values():
        assert member.log.members == ConfState(voters=(1, 2, 3))
    assert [m.kind.name for m in cluster[1].applied] == ["NORMAL", *["CONF_CHANGE_V2"] * 2]


def test_one_change_at_a_time() -> None:
    """§6, thesis §4.1: another that comes before the first is applied does nothing."""
    leader = make_leader()
    for node in (2, 3):
        ack(leader, node, 1)
    leader.node.propose_conf_change(add(ConfChangeKind.ADD_VOTER, 4))
    leader.node.propose_conf_change(add(ConfChangeKind.ADD_VOTER, 5))
    leader.drain()
    assert [e.kind.name for e in leader.log.all()] == ["NORMAL", "CONF_CHANGE_V2", "NORMAL"]
    ack(leader, 2, 3)
    assert leader.log.members.voters == (1, 2, 3, 4)


def test_a_leader_outside_the_new_configuration_does_not_count_itself() -> None:
    """§6: it replicates log entries but does not count itself in majorities."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster[1].node.propose_conf_change(add(ConfChangeKind.REMOVE, 1))
    cluster.deliver()
    assert cluster[1].log.members.voters == (2, 3)
    leader = cluster[1].raft
    last = leader.log.append([Entry(leader.log.last_index() + 1, 1, b"x")])
    leader.tracker.progress[2].match_index = last
    assert leader.tracker.committed_index() == last - 1


def test_a_removed_server_does_not_campaign() -> None:
    """§6: a server that is not in its own configuration starts no election."""
    member = Member(4)
    member.tick(5 * ELECTION_TICKS)
    assert (member.role, member.raft.term) == (Role.FOLLOWER, 0)


# Snapshots (§7) -----------------------------------------------------------------------------------


def test_a_follower_whose_next_entry_is_discarded_gets_a_snapshot() -> None:
    """§7: then the leader sends its snapshot, and goes on with the entries after it."""
    cluster = Cluster(3)
    cluster.elect(1)
    cluster.isolate(3)
    for count in range(4):
        cluster.propose(1, b"%d" % count)
    leader = cluster[1]
    leader.log.create_snapshot(4, leader.log.members, b"state at 4")
    leader.log.compact(4)
    cluster.heal()
    cluster.tick(3, only=(1,))
    snapshots = [r.snapshot for r in cluster[3].readies if r.snapshot is not None]
    assert [(s.index, s.term, s.data) for s in snapshots] == [(4, 1, b"state at 4")]
    assert cluster[3].applied_data == [b"3"]
    assert cluster[3].log.term(4) == 1


def test_a_snapshot_with_new_information_replaces_the_whole_log() -> None:
    """§7: the follower discards its entire log, and takes the configuration in the snapshot."""
    follower = Member(terms=(1, 1, 2))
    members = ConfState(voters=(1, 2, 4))
    snapshot = Snapshot(2, 3, members, b"state")
    (answer,) = follower.hear(MessageKind.SNAPSHOT, 2, 3, snapshot=snapshot)
    assert (answer.kind, answer.log_index) == (MessageKind.APPEND_RESPONSE, 2)
    assert follower.log.all() == ()
    assert (follower.log.last_index(), follower.log.term(2)) == (2, 3)
    assert follower.raft.tracker.conf_state() == members


def test_a_snapshot_of_a_prefix_keeps_the_entries_that_follow() -> None:
    """§7: those following the snapshot are still valid and must be retained."""
    follower = Member(terms=(1, 1, 2))
    snapshot = Snapshot(2, 1, ConfState(voters=(1, 2, 3)), b"state")
    follower.hear(MessageKind.SNAPSHOT, 2, 3, snapshot=snapshot)
    assert log_terms(follower) == (1, 1, 2)
    assert follower.raft.log.committed == 2


def test_an_old_snapshot_is_ignored() -> None:
    """§7: one that tells nothing new is answered with what is committed here."""
    follower = Member(terms=(1, 1, 2), hard_state=HardState(term=2, commit=3))
    follower.log.compact(2)
    follower.reset()
    snapshot = Snapshot(1, 1, ConfState(voters=(1, 2)), b"state")
    (answer,) = follower.hear(MessageKind.SNAPSHOT, 2, 3, snapshot=snapshot)
    assert answer.log_index == 3
    assert log_terms(follower) == (2,)
    assert follower.raft.tracker.conf_state().voters == (1, 2, 3)


# Flow control (thesis §10.2) ----------------------------------------------------------------------


def test_the_leaders_copy_counts_only_once_it_is_durable() -> None:
    """Thesis §10.2.1: it writes to its disk while it sends, and may commit before it has written."""
    leader = make_leader()
    for node in (2, 3):
        ack(leader, node, 1)
    leader.node.propose(b"x")
    ready = leader.node.ready()  # the append is on its way; nothing is written yet
    assert ready.entries == (Entry(2, 1, b"x"),)
    assert len(ready.messages) == 2
    leader.take(Message(MessageKind.APPEND_RESPONSE, 2, 1, term=1, log_index=2))
    assert leader.raft.log.committed == 1
    leader.take(Message(MessageKind.APPEND_RESPONSE, 3, 1, term=1, log_index=2))
    assert leader.raft.log.committed == 2


def test_appends_are_pipelined_within_a_window() -> None:
    """Thesis §10.2.2: nextIndex moves on when an append is sent, not when it is answered."""
    leader = Member(config=replace(PLAIN, inflight_count_max=2))
    leader.elect()
    ack(leader, 2, 1)
    sent: list[Message] = []
    for data in (b"a", b"b", b"c"):
        leader.node.propose(data)
        sent += leader.drain()
    ranges = [[entry.index for entry in m.entries] for m in appends(sent, 2)]
    assert ranges == [[2], [3]]
    assert [e.index for m in appends(ack(leader, 2, 2), 2) for e in m.entries] == [4]


def test_a_follower_that_has_not_agreed_yet_gets_one_append_at_a_time() -> None:
    """Thesis §10.2.2: pipelining begins when the logs are known to be consistent."""
    leader = make_leader()
    for data in (b"a", b"b"):
        leader.node.propose(data)
    assert appends(leader.drain(), 2) == []
    assert [len(m.entries) for m in appends(ack(leader, 2, 1), 2)] == [2]


def test_an_append_is_no_larger_than_its_limit_but_for_one_entry() -> None:
    """Thesis §10.2.2: batches of limited size; one entry always fits."""
    leader = Member(config=replace(PLAIN, message_size_max=100), terms=(1,))
    leader.elect()
    for size in (10, 10, 10, 500):
        leader.node.propose(bytes(size))
    sent = ack(leader, 2, 2)
    assert [[len(e.data) for e in m.entries] for m in appends(sent, 2)] == [[10, 10], [10], [500]]
