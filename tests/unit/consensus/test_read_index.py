# SPDX-License-Identifier: Apache-2.0
"""Reads without the log: thesis §6.4 (safe) and §6.4.1 (lease)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.conf_change import ConfChange, ConfChangeKind, ConfChangeSingle
from consensus.config import Config
from consensus.read_only import WAITING_READS_COUNT_MAX, ReadOnlyOption
from consensus.types import (
    ConfState,
    HardState,
    MessageKind,
    ReadState,
    Role,
)
from tests.support.raft_cluster import CHECKED, ELECTION_TICKS, PLAIN, Cluster, Member

LEASE = replace(CHECKED, read_only_option=ReadOnlyOption.LEASE)


def make_leading(
    size: int = 3, *, learners: tuple[int, ...] = (), config: Config = PLAIN
) -> Cluster:
    """A cluster led by 1 that has committed its empty entry."""
    cluster = Cluster(size, learners=learners, config=config)
    cluster.elect(1)
    return cluster


def ack(leader: Member, sender: int, context: bytes) -> None:
    """A member answers the heartbeat that carried a read."""
    leader.hear(MessageKind.HEARTBEAT_RESPONSE, sender, leader.raft.term, context=context)


def test_a_read_is_answered_with_the_commit_index_at_its_request() -> None:
    """§6.4: the leader saves its current commit index in readIndex."""
    cluster = make_leading()
    cluster.propose(1, b"write")
    cluster[1].node.read_index(b"read")
    cluster.propose(1, b"later write")
    assert cluster[1].raft.log.committed == 3
    assert cluster[1].reads == [ReadState(2, b"read")]


def test_a_read_at_a_new_leader_waits_for_its_first_entry_and_then_sees_it() -> None:
    """§6.4: a leader that has committed nothing in its term waits until it has."""
    cluster = Cluster(3, terms={1: (1, 1), 2: (1, 1)})  # both committed, which 1 does not know
    cluster.lose(MessageKind.APPEND)
    cluster.elect(1)
    cluster[1].node.read_index(b"read")
    cluster.tick(2, only=(1,))
    assert cluster[1].raft.log.committed == 0
    assert cluster[1].reads == []
    cluster.heal()
    cluster.tick(only=(1,))
    assert cluster[1].raft.log.committed == 3
    assert cluster[1].reads == [ReadState(3, b"read")]


def test_a_postponed_read_is_confirmed_by_a_quorum_after_its_release() -> None:
    """§6.4: waiting for the first entry does not replace the round of heartbeats."""
    leader = Member()
    leader.elect()
    leader.node.read_index(b"read")
    leader.drain()
    sent = leader.hear(MessageKind.APPEND_RESPONSE, 2, 1, log_index=1)
    assert leader.raft.log.committed == 1
    assert [m.context for m in sent if m.kind is MessageKind.HEARTBEAT] == [b"read", b"read"]
    assert leader.reads == []
    ack(leader, 2, b"read")
    assert leader.reads == [ReadState(1, b"read")]


def test_postponed_reads_of_followers_are_released_too() -> None:
    """§6.4: what waits is answered to whoever asked."""
    cluster = Cluster(3)
    cluster.lose(MessageKind.APPEND_RESPONSE)
    cluster.elect(1)
    cluster[2].node.read_index(b"of 2")
    cluster[3].node.read_index(b"of 3")
    cluster.deliver()
    assert cluster[2].reads == cluster[3].reads == []
    cluster.heal()
    cluster.tick(2, only=(1,))
    assert cluster[1].raft.log.committed == 1
    cluster.propose(1, b"write")
    assert cluster[2].reads == [ReadState(1, b"of 2")]
    assert cluster[3].reads == [ReadState(1, b"of 3")]
    assert cluster[1].reads == []


@pytest.mark.parametrize(("size", "needed"), [(2, 1), (3, 1), (4, 2), (5, 2), (7, 3)])
def test_a_majority_confirms_and_not_fewer(size: int, needed: int) -> None:
    """§6.4: heartbeats are acknowledged by a majority of the cluster, the leader among it."""
    cluster = make_leading(size)
    leader = cluster[1]
    leader.node.read_index(b"read")
    for count in range(needed):
        assert leader.reads == [], count
        ack(leader, count + 2, b"read")
    assert leader.reads == [ReadState(1, b"read")]


def test_one_member_that_answers_twice_counts_once() -> None:
    """§6.4: a majority of members, not of answers."""
    leader = make_leading(5)[1]
    leader.node.read_index(b"read")
    ack(leader, 2, b"read")
    ack(leader, 2, b"read")
    assert leader.reads == []


def test_answers_to_heartbeats_sent_before_the_request_confirm_nothing() -> None:
    """§6.4: the heartbeats are exchanged after the leader got the request."""
    cluster = make_leading()
    leader = cluster[1]
    leader.tick()
    early = leader.drain()
    assert [message.context for message in early] == [b"", b""]
    leader.node.read_index(b"read")
    for heartbeat in early:
        ack(leader, heartbeat.recipient, heartbeat.context)
    assert leader.reads == []


def test_an_answer_of_an_earlier_term_confirms_nothing() -> None:
    """§6.4: the heartbeats are of the term in which the read is served."""
    leader = Member(hard_state=HardState(term=4))
    leader.elect()
    leader.hear(MessageKind.APPEND_RESPONSE, 2, 5, log_index=1)
    leader.node.read_index(b"read")
    leader.hear(MessageKind.HEARTBEAT_RESPONSE, 2, 4, context=b"read")
    assert leader.reads == []
    ack(leader, 2, b"read")
    assert leader.reads == [ReadState(1, b"read")]


def test_a_lost_round_is_made_up_for_by_the_next_heartbeat() -> None:
    """§6.4: heartbeats go on, and carry the newest read that waits."""
    cluster = make_leading()
    cluster.lose(MessageKind.HEARTBEAT)
    for context in (b"one", b"two"):
        cluster[1].node.read_index(context)
        cluster.deliver()
    assert cluster[1].reads == []
    cluster.heal()
    cluster.tick(only=(1,))
    assert cluster[1].reads == [ReadState(1, b"one"), ReadState(1, b"two")]


def test_one_round_confirms_all_reads_before_it_in_their_order() -> None:
    """§6.4: one round of heartbeats serves any number of reads that came before it."""
    leader = make_leading()[1]
    for context in (b"c", b"a", b"b"):
        leader.node.read_index(context)
    ack(leader, 2, b"a")
    assert [read.context for read in leader.reads] == [b"c", b"a"]
    ack(leader, 3, b"b")
    assert [read.context for read in leader.reads] == [b"c", b"a", b"b"]


def test_each_read_keeps_its_own_index() -> None:
    """§6.4: readIndex is that of the request, also where one round confirms several."""
    cluster = make_leading()
    cluster.lose(MessageKind.HEARTBEAT)
    for count in range(3):
        cluster[1].node.read_index(b"read %d" % count)
        cluster.propose(1, b"write")
    cluster.heal()
    cluster.tick(only=(1,))
    assert [read.index for read in cluster[1].reads] == [1, 2, 3]


def test_the_same_context_twice_is_one_read_while_it_waits() -> None:
    """A context names one read: that which came first."""
    cluster = make_leading()
    cluster.lose(MessageKind.HEARTBEAT)
    cluster[1].node.read_index(b"read")
    cluster.propose(1, b"write")
    cluster[1].node.read_index(b"read")
    cluster.deliver()
    ack(cluster[1], 2, b"read")
    ack(cluster[1], 3, b"read")
    assert cluster[1].reads == [ReadState(1, b"read")]


def test_a_context_asked_again_after_its_answer_is_a_new_read() -> None:
    """A retry is confirmed anew, and sees what was committed since."""
    cluster = make_leading()
    cluster[1].node.read_index(b"read")
    cluster.propose(1, b"write")
    cluster[1].node.read_index(b"read")
    cluster.deliver()
    assert cluster[1].reads == [ReadState(1, b"read"), ReadState(2, b"read")]


@pytest.mark.parametrize("config", [PLAIN, LEASE])
def test_followers_and_learners_pass_reads_on_and_are_answered(
    config: Config,
) -> None:
    """§6.4: followers ask the leader for a readIndex; so may those who do not vote."""
    cluster = make_leading(3, learners=(4,), config=config)
    cluster.propose(1, b"write")
    for node in (2, 4):
        cluster[node].node.read_index(b"read of %d" % node)
        cluster.deliver()
        assert cluster[node].reads == [ReadState(2, b"read of %d" % node)]
    assert cluster[1].reads == cluster[3].reads == []


def test_learners_do_not_confirm() -> None:
    """§6.4 with §4.2.1: those who do not vote are no part of the majority."""
    leader = make_leading(3, learners=(4, 5))[1]
    leader.node.read_index(b"read")
    ack(leader, 4, b"read")
    ack(leader, 5, b"read")
    assert leader.reads == []


def test_a_read_where_no_leader_is_known_is_lost() -> None:
    """Nobody answers, nothing breaks; the embedder asks again."""
    cluster = Cluster(3)
    cluster[2].node.read_index(b"too early")
    cluster.deliver()
    cluster.elect(1)
    cluster.tick(3, only=(1,))
    assert cluster[2].reads == []
    cluster[2].node.read_index(b"again")
    cluster.deliver()
    assert cluster[2].reads == [ReadState(1, b"again")]


@pytest.mark.parametrize("config", [PLAIN, CHECKED])
def test_a_leader_that_lost_its_quorum_answers_none(
    config: Config,
) -> None:
    """§6.4: a leader that cannot exchange heartbeats with a majority serves no read."""
    cluster = make_leading(5, config=config)
    cluster.partition({1, 2}, {3, 4, 5})
    cluster[1].node.read_index(b"own")
    cluster[2].node.read_index(b"passed on")
    cluster.tick(3 * ELECTION_TICKS, only=(1,))
    assert cluster[1].reads == cluster[2].reads == []
    assert (cluster[1].role is Role.LEADER) is (config is PLAIN)


def test_a_leader_that_was_paused_and_replaced_answers_none() -> None:
    """§6.4: a new leader may have committed since; whoever does not know that must not answer."""
    cluster = make_leading()
    paused = cluster[1]
    cluster.isolate(1)
    cluster.tick(2 * ELECTION_TICKS, only=(2, 3))
    cluster.propose(2, b"newer")
    assert cluster[2].raft.log.committed == 3
    assert cluster.leaders() == [1, 2]  # 1 did not see time pass
    paused.node.read_index(b"stale")
    cluster.heal()
    cluster.deliver()  # its heartbeats arrive now, and are of an old term
    cluster.tick(3)
    assert paused.reads == []
    assert cluster.leaders() == [2]
    paused.node.read_index(b"again")
    cluster.deliver()
    assert paused.reads == [ReadState(3, b"again")]


def test_reads_that_wait_are_forgotten_with_the_lead() -> None:
    """§6.4: what one term could not confirm, a later one does not."""
    leader = make_leading()[1]
    leader.node.read_index(b"old")
    leader.drain()
    leader.hear(MessageKind.HEARTBEAT, 2, 2)
    assert leader.role is Role.FOLLOWER
    leader.elect()
    leader.hear(MessageKind.APPEND_RESPONSE, 2, 3, log_index=2)
    assert leader.raft.log.committed == 2
    ack(leader, 2, b"old")
    ack(leader, 3, b"old")
    assert leader.reads == []


def test_an_answer_of_an_earlier_leader_is_not_taken() -> None:
    """§5.1: a message of an old term is rejected, also one that answers a read."""
    follower = Member(2)
    follower.hear(MessageKind.HEARTBEAT, 1, 3)
    follower.node.read_index(b"read")
    asked = follower.drain()[0]
    assert (asked.kind, asked.recipient) == (MessageKind.READ_INDEX, 1)
    response = MessageKind.READ_INDEX_RESPONSE
    follower.hear(response, 1, 2, log_index=7, entries=asked.entries)
    assert follower.reads == []
    follower.hear(response, 1, 3, log_index=8, entries=asked.entries)
    assert follower.reads == [ReadState(8, b"read")]


def test_the_only_voter_answers_at_once() -> None:
    """§6.4: it is its own majority; learners are not waited for."""
    cluster = make_leading(1, learners=(2,))
    cluster.isolate(1)
    cluster[1].node.read_index(b"read")
    assert cluster[1].raft.messages == []
    cluster[1].drain()
    assert cluster[1].reads == [ReadState(1, b"read")]


def test_the_only_voter_waits_for_its_first_entry_too() -> None:
    """§6.4: after a restart its commit index may be older than what it had answered for."""
    member = Member(1, ConfState(voters=(1,)), terms=(1, 1))
    member.node.campaign()
    ready = member.node.ready()
    member.carry_out(ready)
    member.node.advance()
    assert member.role is Role.LEADER
    assert member.raft.log.committed == 0  # entries 1 and 2 were committed before the restart
    member.node.read_index(b"read")
    member.drain()
    assert member.reads == [ReadState(3, b"read")]


def test_a_removed_leader_is_not_its_own_majority() -> None:
    """§6.4 with §6: one voter remains, and it is another."""
    cluster = make_leading(2)
    removal = ConfChange((ConfChangeSingle(ConfChangeKind.REMOVE, 1),))
    cluster[1].node.propose_conf_change(removal)
    cluster.deliver()
    assert cluster[1].log.members == ConfState(voters=(2,))
    assert cluster[1].role is Role.LEADER
    cluster.isolate(1)
    cluster[1].node.read_index(b"read")
    cluster.deliver()
    assert cluster[1].reads == []


def test_a_lease_answers_at_once_while_it_lasts() -> None:
    """§6.4.1: within its lease the leader needs no round of heartbeats."""
    cluster = make_leading(config=LEASE)
    cluster.isolate(1)
    cluster[1].node.read_index(b"read")
    cluster[1].drain()
    assert cluster[1].reads == [ReadState(1, b"read")]


def test_a_lease_is_not_used_before_the_first_entry_is_committed() -> None:
    """§6.4, first step, holds under a lease as well."""
    leader = Member(config=LEASE, terms=(1,))
    leader.elect()
    leader.node.read_index(b"read")
    leader.drain()
    assert leader.reads == []
    leader.hear(MessageKind.APPEND_RESPONSE, 2, 2, log_index=2)
    assert leader.reads == [ReadState(2, b"read")]


def test_a_lease_ends_with_the_lead_when_no_quorum_is_heard() -> None:
    """§6.4.1 with §6.2: check-quorum takes the lead away, and with it the lease."""
    cluster = make_leading(config=LEASE)
    cluster.isolate(1)
    cluster.tick(2 * ELECTION_TICKS, only=(1,))
    assert cluster[1].role is Role.FOLLOWER
    cluster[1].node.read_index(b"read")
    cluster.deliver()
    assert cluster[1].reads == []


def test_followers_elect_nobody_else_while_the_lease_lasts() -> None:
    """§6.4.1: no other leader within an election time of the last heartbeat."""
    cluster = make_leading(config=LEASE)
    cluster.tick(ELECTION_TICKS - 1, only=(2,))
    cluster[3].node.campaign()
    cluster.deliver()
    assert cluster.leaders() == [1]
    cluster[2].node.forget_leader()
    assert cluster[2].raft.lead == 1  # to forget the leader would be to break the promise


def test_a_lease_needs_check_quorum() -> None:
    """§6.4.1: without it nobody takes the lead from a leader that hears of nobody."""
    with pytest.raises(ValueError, match="check_quorum"):
        replace(PLAIN, read_only_option=ReadOnlyOption.LEASE)


def remove(member: Member, node: int) -> None:
    """A removal of one member is committed here, and applied."""
    change = ConfChange((ConfChangeSingle(ConfChangeKind.REMOVE, node),))
    member.log.members = member.node.apply_conf_change(change)


def test_reads_that_wait_when_a_leader_becomes_the_only_voter_are_answered() -> None:
    """Nobody is left whose answer they could wait for."""
    cluster = make_leading(2)
    cluster.isolate(2)
    cluster[1].node.read_index(b"first")
    cluster[1].node.read_index(b"second")
    cluster.deliver()
    assert cluster[1].reads == []
    remove(cluster[1], 2)
    cluster.deliver()
    assert cluster[1].reads == [ReadState(1, b"first"), ReadState(1, b"second")]
    cluster.tick(3, only=(1,))
    assert len(cluster[1].reads) == 2


def test_reads_go_on_waiting_while_others_vote() -> None:
    cluster = make_leading(3)
    cluster.isolate(1)
    cluster[1].node.read_index(b"read")
    remove(cluster[1], 3)
    cluster.deliver()
    assert cluster[1].reads == []


def test_reads_that_wait_for_the_first_entry_are_answered_when_a_removal_commits_it() -> None:
    """The smaller quorum is there already: no acknowledgement will come to notice it."""
    cluster = Cluster(2)
    cluster.lose(MessageKind.APPEND)
    cluster.elect(1)
    cluster[1].node.read_index(b"read")
    cluster.deliver()
    assert cluster[1].raft.log.committed == 0
    remove(cluster[1], 2)
    cluster.deliver()
    assert cluster[1].raft.log.committed == 1
    assert cluster[1].reads == [ReadState(1, b"read")]


def test_only_so_many_reads_wait_for_the_quorum() -> None:
    """The newest is lost, as where no leader is known; those that wait are answered."""
    cluster = make_leading(3)
    cluster.isolate(1)
    for number in range(WAITING_READS_COUNT_MAX):
        cluster[1].node.read_index(b"%d" % number)
        assert len(cluster[1].drain()) == 2
    cluster[1].node.read_index(b"too many")
    assert cluster[1].drain() == [], "nobody is asked for it"
    cluster.heal()
    cluster.tick(only=(1,))
    reads = [read.context for read in cluster[1].reads]
    assert reads == [b"%d" % number for number in range(WAITING_READS_COUNT_MAX)]
    cluster[1].node.read_index(b"again")
    cluster.deliver()
    assert cluster[1].reads[-1].context == b"again"


@pytest.mark.parametrize("config", [PLAIN, LEASE], ids=["safe", "lease"])
def test_only_so_many_reads_wait_for_the_first_entry(config: Config) -> None:
    cluster = Cluster(3, config=config)
    cluster.lose(MessageKind.APPEND)
    cluster.elect(1)
    for number in range(WAITING_READS_COUNT_MAX + 1):
        cluster[1].node.read_index(b"%d" % number)
    cluster.heal()
    cluster.tick(2, only=(1,))
    reads = [read.context for read in cluster[1].reads]
    assert reads == [b"%d" % number for number in range(WAITING_READS_COUNT_MAX)]
