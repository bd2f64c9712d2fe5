# SPDX-License-Identifier: Apache-2.0
"""Terms, elections and who leads, sentence by sentence: Raft §5.1, §5.2, §5.4.1, §6, §8; of the
thesis check-quorum, pre-vote and the transfer of leadership.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.config import Config
from consensus.errors import ProposalDroppedError
from consensus.types import ConfState, Entry, HardState, Message, MessageKind, Role
from tests.support.raft_cluster import (
    CAREFUL,
    CHECKED,
    ELECTION_TICKS,
    PLAIN,
    Cluster,
    Member,
)

PRE_VOTING = replace(PLAIN, pre_vote=True)


def make_member(role: Role, *, term: int, config: Config = PLAIN) -> Member:
    """One of three members, in a role and a term."""
    if role is Role.FOLLOWER:
        return Member(hard_state=HardState(term=term), config=config)
    member = Member(hard_state=HardState(term=term - 1), config=config)
    if role is Role.LEADER:
        member.elect()
    else:
        member.node.campaign()
        member.drain()
    assert (member.role, member.raft.term) == (role, term)
    return member


def kinds(messages: list[Message]) -> list[tuple[MessageKind, int]]:
    """What is sent to whom."""
    return [(message.kind, message.recipient) for message in messages]


# Terms (§5.1) -------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.CANDIDATE, Role.LEADER])
@pytest.mark.parametrize(
    "kind", [MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.VOTE, MessageKind.VOTE_RESPONSE]
)
def test_a_smaller_term_is_updated_to_the_larger_and_whoever_led_follows(
    role: Role, kind: MessageKind
) -> None:
    """§5.1, figure 2 (all servers): a larger term in any RPC is taken over, by a follower."""
    member = make_member(role, term=2)
    member.hear(kind, 2, 3)
    assert (member.raft.term, member.role) == (3, Role.FOLLOWER)
    assert member.log.hard_state().term == 3


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.CANDIDATE, Role.LEADER])
@pytest.mark.parametrize("kind", [MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.VOTE])
def test_a_request_with_a_stale_term_is_rejected(role: Role, kind: MessageKind) -> None:
    """§5.1, figure 2 (RPCs, 1.): it changes nothing, and nobody's vote is given."""
    member = make_member(role, term=3)
    before = (member.role, member.raft.hard_state, member.log.all(), member.raft.lead)
    entries = (Entry(1, 2, b"old"),) if kind is MessageKind.APPEND else ()
    assert member.hear(kind, 2, 2, entries=entries) == []
    assert (member.role, member.raft.hard_state, member.log.all(), member.raft.lead) == before


@pytest.mark.parametrize("kind", [MessageKind.APPEND, MessageKind.HEARTBEAT])
def test_the_current_term_is_exchanged_so_that_a_stale_leader_steps_down(kind: MessageKind) -> None:
    """§5.1: the receiver replies with its term, also where followers would refuse a vote."""
    follower = make_member(Role.FOLLOWER, term=3, config=CHECKED)
    (answer,) = follower.hear(kind, 2, 2)
    assert (answer.recipient, answer.term) == (2, 3)
    leader = make_member(Role.LEADER, term=2)
    leader.hear(answer.kind, 2, answer.term)
    assert (leader.role, leader.raft.term) == (Role.FOLLOWER, 3)


def test_a_term_and_a_vote_are_stable_before_the_answer() -> None:
    """Figure 2 (persistent state): updated on stable storage before responding to RPCs."""
    member = Member()
    member.take(Message(MessageKind.VOTE, 2, 1, term=5))
    ready = member.node.ready()
    assert ready.must_sync
    assert ready.hard_state == HardState(term=5, vote=2)
    assert kinds(list(ready.messages)) == [(MessageKind.VOTE_RESPONSE, 2)]


def test_a_restart_forgets_neither_the_term_nor_the_vote() -> None:
    """Figure 2 (persistent state): currentTerm and votedFor."""
    member = Member()
    member.hear(MessageKind.VOTE, 2, 5)
    member.reset()
    assert member.raft.term == 5
    (answer,) = member.hear(MessageKind.VOTE, 3, 5)
    assert answer.rejected
    (answer,) = member.hear(MessageKind.VOTE, 2, 5)
    assert not answer.rejected


# Leader election (§5.2) ---------------------------------------------------------------------------


def test_servers_start_up_as_followers() -> None:
    """§5.2: when servers start up, they begin as followers; also one that led."""
    member = make_member(Role.LEADER, term=2)
    member.reset()
    assert (member.role, member.raft.lead) == (Role.FOLLOWER, 0)


@pytest.mark.parametrize("kind", [MessageKind.APPEND, MessageKind.HEARTBEAT])
def test_a_server_stays_follower_while_it_hears_a_leader(kind: MessageKind) -> None:
    """§5.2: as long as it receives valid RPCs from a leader."""
    member = Member()
    for _ in range(5):
        member.tick(ELECTION_TICKS - 1)
        member.hear(kind, 2, 1)
    assert (member.role, member.raft.term) == (Role.FOLLOWER, 1)


def test_a_vote_given_puts_an_election_off() -> None:
    """Figure 2 (followers): without granting a vote to a candidate."""
    member = Member(hard_state=HardState(term=1))
    member.tick(ELECTION_TICKS - 1)
    member.hear(MessageKind.VOTE, 2, 1)
    member.tick(ELECTION_TICKS - 1)
    assert member.role is Role.FOLLOWER


def test_a_vote_refused_does_not_put_an_election_off() -> None:
    """Figure 2 (followers): only a vote that is granted does."""
    member = Member(terms=(2,), hard_state=HardState(term=2))
    member.tick(ELECTION_TICKS - 1)
    (answer,) = member.hear(MessageKind.VOTE, 2, 2)
    assert answer.rejected
    member.tick()
    assert member.role is Role.CANDIDATE


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.CANDIDATE])
def test_silence_for_an_election_time_begins_an_election(role: Role) -> None:
    """§5.2: a follower begins one; a candidate that neither won nor lost begins a new one."""
    member = make_member(role, term=3)
    member.tick(ELECTION_TICKS)
    sent = member.drain()
    assert (member.role, member.raft.term, member.raft.vote) == (Role.CANDIDATE, 4, 1)
    assert kinds(sent) == [(MessageKind.VOTE, 2), (MessageKind.VOTE, 3)]
    assert {message.term for message in sent} == {4}


def test_a_vote_request_says_where_the_candidates_log_ends() -> None:
    """Figure 2 (RequestVote): lastLogIndex and lastLogTerm."""
    member = Member(terms=(1, 1, 2))
    member.node.campaign()
    assert {(m.log_index, m.log_term) for m in member.drain()} == {(3, 2)}


@pytest.mark.parametrize(
    ("size", "granted", "denied", "role"),
    [
        (1, 0, 0, Role.LEADER),
        (2, 0, 0, Role.CANDIDATE),
        (2, 1, 0, Role.LEADER),
        (3, 1, 0, Role.LEADER),
        (3, 0, 1, Role.CANDIDATE),
        (3, 0, 2, Role.FOLLOWER),
        (4, 1, 1, Role.CANDIDATE),
        (4, 2, 0, Role.LEADER),
        (5, 1, 2, Role.CANDIDATE),
        (5, 2, 2, Role.LEADER),
        (5, 1, 3, Role.FOLLOWER),
    ],
)
def test_a_candidate_wins_by_votes_of_a_majority(
    size: int, granted: int, denied: int, role: Role
) -> None:
    """§5.2: from a majority of the servers in the full cluster, for the same term."""
    member = Member(members=ConfState(voters=tuple(range(1, size + 1))))
    member.node.campaign()
    member.drain()
    for voter in range(2, granted + denied + 2):
        member.hear(MessageKind.VOTE_RESPONSE, voter, 1, rejected=voter > granted + 1)
    assert (member.role, member.raft.term) == (role, 1)


def test_votes_of_an_earlier_term_are_not_counted() -> None:
    """§5.2: for the same term."""
    member = make_member(Role.CANDIDATE, term=3)
    member.hear(MessageKind.VOTE_RESPONSE, 2, 2)
    assert member.role is Role.CANDIDATE


def test_a_voter_that_answers_twice_has_one_vote() -> None:
    """§5.2: a majority of the servers, not of the answers."""
    member = Member(members=ConfState(voters=(1, 2, 3, 4, 5)))
    member.node.campaign()
    member.drain()
    for _ in range(3):
        member.hear(MessageKind.VOTE_RESPONSE, 2, 1)
    assert member.role is Role.CANDIDATE


@pytest.mark.parametrize(("first", "second"), [(2, 3), (3, 2)])
def test_a_server_votes_for_one_candidate_in_a_term_first_come_first_served(
    first: int, second: int
) -> None:
    """§5.2: at most one candidate in a given term; the same one again if it asks again."""
    member = Member()
    answers = [member.hear(MessageKind.VOTE, node, 1)[0] for node in (first, second, first)]
    assert [answer.rejected for answer in answers] == [False, True, False]
    assert member.raft.vote == first


def test_a_candidate_votes_for_itself_and_for_no_other() -> None:
    """§5.2: it votes for itself."""
    (answer,) = make_member(Role.CANDIDATE, term=1).hear(MessageKind.VOTE, 2, 1)
    assert answer.rejected


def test_a_leader_tells_all_others_at_once() -> None:
    """§5.2: it then sends messages to all the other servers to establish its authority."""
    member = Member()
    assert kinds(member.elect()) == [(MessageKind.APPEND, 2), (MessageKind.APPEND, 3)]


def test_a_leader_begins_its_term_with_an_empty_entry() -> None:
    """§8: each leader commits a blank entry into the log at the start of its term."""
    member = Member(terms=(1,))
    sent = member.elect()
    assert [message.entries for message in sent] == [(Entry(2, 2, b""),)] * 2
    member.hear(MessageKind.APPEND_RESPONSE, 2, 2, log_index=2)
    assert member.raft.log.committed == 2


def test_leaders_send_periodic_heartbeats_to_all() -> None:
    """§5.2: to maintain their authority."""
    member = make_member(Role.LEADER, term=1)
    for _ in range(3):
        member.tick()
        assert kinds(member.drain()) == [(MessageKind.HEARTBEAT, 2), (MessageKind.HEARTBEAT, 3)]


@pytest.mark.parametrize("kind", [MessageKind.APPEND, MessageKind.HEARTBEAT])
@pytest.mark.parametrize("config", [PLAIN, PRE_VOTING])
def test_a_candidate_recognizes_a_leader_of_its_term(kind: MessageKind, config: Config) -> None:
    """§5.2: if the leader's term is at least as large, the candidate returns to follower."""
    member = Member(config=config, hard_state=HardState(term=2))
    member.node.campaign()
    member.drain()
    member.hear(kind, 3, member.raft.term)
    assert (member.role, member.raft.lead) == (Role.FOLLOWER, 3)


def test_election_timeouts_are_drawn_from_a_fixed_interval_and_held() -> None:
    """§5.2: chosen randomly, and anew at the start of each election."""
    member = Member(3)
    drawn = len(member.draws)
    for term in (1, 2, 3):
        member.tick(ELECTION_TICKS + 1)
        assert member.raft.term == term - 1  # 3 drew two ticks more than the least
        member.tick()
        assert member.raft.term == term
    assert len(member.draws) == drawn + 3
    assert set(member.draws) == {(ELECTION_TICKS, 2 * ELECTION_TICKS - 1)}


def test_the_server_that_times_out_first_wins_before_any_other_times_out() -> None:
    """§5.2: so that in most cases only a single server will time out."""
    cluster = Cluster(5)
    cluster.tick(4 * ELECTION_TICKS)
    assert cluster.leaders() == [1]
    assert set(cluster.terms().values()) == {1}


def test_a_split_vote_elects_nobody_and_the_next_term_somebody() -> None:
    """§5.2: votes can be split; each candidate times out and increments its term."""
    cluster = Cluster(4)
    for node in (1, 2):
        cluster[node].node.campaign()
    cluster.collect()
    cluster.wire.sort(key=lambda m: (m.sender, m.recipient) not in {(1, 3), (2, 4)})
    cluster.deliver()
    assert cluster.leaders() == []
    assert set(cluster.terms().values()) == {1}
    cluster.tick(2 * ELECTION_TICKS)
    assert len(cluster.leaders()) == 1
    assert set(cluster.terms().values()) == {2}


# The election restriction (§5.4.1) ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "candidate", "is_granted"),
    [
        ((1,), (1,), True),
        ((1,), (1, 1), True),
        ((1, 1), (1,), False),
        ((1, 1), (2,), True),  # the later term is more up-to-date, however short
        ((2,), (1, 1, 1), False),
        ((1, 2), (1, 1, 2), True),
        ((), (1,), True),
        ((1,), (), False),
    ],
)
def test_a_voter_denies_its_vote_if_its_own_log_is_more_up_to_date(
    own: tuple[int, ...], candidate: tuple[int, ...], is_granted: bool
) -> None:
    """§5.4.1: the later last term, and with the same term the longer log, is more up-to-date."""
    for kind in (MessageKind.VOTE, MessageKind.PRE_VOTE):
        voter = Member(terms=own)
        (answer,) = voter.hear(
            kind, 2, 3, log_index=len(candidate), log_term=candidate[-1] if candidate else 0
        )
        assert answer.rejected is not is_granted


def test_a_leader_holds_all_committed_entries() -> None:
    """§5.4, leader completeness: who lacks one cannot win, who has all of them can."""
    cluster = Cluster(3, terms={1: (1, 1), 2: (1, 1), 3: (1,)})
    cluster[3].node.campaign()
    cluster.deliver()
    assert cluster.leaders() == []
    cluster.elect(2)
    assert cluster[3].log.all()[:2] == cluster[1].log.all()[:2] == cluster[2].log.all()[:2]


# Disruption (§6), check-quorum and pre-vote (thesis) ----------------------------------------------


def test_vote_requests_are_disregarded_while_a_leader_is_heard() -> None:
    """§6: within the minimum election timeout a server neither votes nor updates its term."""
    member = Member(config=CHECKED)
    member.hear(MessageKind.HEARTBEAT, 2, 1)
    member.tick(ELECTION_TICKS - 1)
    assert member.hear(MessageKind.VOTE, 3, 9) == []
    assert (member.raft.term, member.raft.lead) == (1, 2)
    member.raft.randomized_election_ticks = 2 * ELECTION_TICKS
    member.tick()
    (answer,) = member.hear(MessageKind.VOTE, 3, 9)
    assert (answer.rejected, member.raft.term) == (False, 9)


def test_a_leader_disregards_vote_requests_too() -> None:
    """§6 with thesis §4.2.3: a removed server cannot disrupt the cluster."""
    leader = make_member(Role.LEADER, term=1, config=CHECKED)
    assert leader.hear(MessageKind.VOTE, 3, 9) == []
    assert (leader.role, leader.raft.term) == (Role.LEADER, 1)


def test_a_leader_without_a_majority_for_an_election_time_steps_down() -> None:
    """Thesis §6.2; answers of one member of five and of learners are no majority."""
    members = ConfState(voters=(1, 2, 3, 4, 5), learners=(6, 7))
    leader = Member(members=members, config=CHECKED)
    leader.elect()
    for node in (2, 6, 7):
        leader.hear(MessageKind.HEARTBEAT_RESPONSE, node, 1)
    leader.tick(ELECTION_TICKS - 1)
    assert leader.raft.lead == 1
    leader.tick()
    assert (leader.role, leader.raft.term, leader.raft.lead) == (Role.FOLLOWER, 1, 0)


def test_a_leader_with_a_majority_stays() -> None:
    """Thesis §6.2: a round of answers within each election time is enough."""
    members = ConfState(voters=(1, 2, 3, 4, 5))
    leader = Member(members=members, config=CHECKED)
    leader.elect()
    for _ in range(4):
        for node in (2, 3):
            leader.hear(MessageKind.HEARTBEAT_RESPONSE, node, 1)
        leader.tick(ELECTION_TICKS)
    assert leader.role is Role.LEADER


def test_a_pre_vote_raises_no_term_and_is_asked_for_the_next_one() -> None:
    """Thesis §9.6: a candidate only increments its term if a majority would vote for it."""
    member = Member(config=PRE_VOTING, terms=(1, 2), hard_state=HardState(term=2, vote=3))
    member.tick(ELECTION_TICKS)
    sent = member.drain()
    assert kinds(sent) == [(MessageKind.PRE_VOTE, 2), (MessageKind.PRE_VOTE, 3)]
    assert {(m.term, m.log_index, m.log_term) for m in sent} == {(3, 2, 2)}
    assert member.role is Role.PRE_CANDIDATE
    assert (member.raft.term, member.raft.vote) == (2, 3)
    member.hear(MessageKind.PRE_VOTE_RESPONSE, 2, 3)
    assert (member.role, member.raft.term, member.raft.vote) == (Role.CANDIDATE, 3, 1)


def test_a_lost_pre_vote_leaves_the_term() -> None:
    """Thesis §9.6: without a majority there is no election."""
    member = Member(config=PRE_VOTING, hard_state=HardState(term=2))
    member.node.campaign()
    member.drain()
    for voter in (2, 3):
        member.hear(MessageKind.PRE_VOTE_RESPONSE, voter, 2, rejected=True)
    assert (member.role, member.raft.term) == (Role.FOLLOWER, 2)


def test_a_pre_vote_given_binds_nobody() -> None:
    """Thesis §9.6: it is no vote; nothing is stored, and others get it as well."""
    member = Member(config=PRE_VOTING, hard_state=HardState(term=2))
    for node in (2, 3):
        (answer,) = member.hear(MessageKind.PRE_VOTE, node, 3)
        assert (answer.kind, answer.term, answer.rejected) == (
            MessageKind.PRE_VOTE_RESPONSE,
            3,
            False,
        )
    assert member.log.hard_state() == HardState(term=2)


def test_a_server_that_was_cut_off_does_not_disrupt_when_it_returns() -> None:
    """Thesis §9.6: its term has not grown, and a leader that is heard keeps the others' votes."""
    cluster = Cluster(3, config=CAREFUL)
    cluster.elect(1)
    cluster.isolate(3)
    cluster.tick(10 * ELECTION_TICKS)
    assert cluster[3].raft.term == 1
    cluster.heal()
    cluster[3].node.campaign()
    cluster.deliver()
    cluster.tick(2)
    assert cluster.leaders() == [1]
    assert set(cluster.terms().values()) == {1}
    assert cluster[3].raft.lead == 1


# Transfer of leadership (thesis §3.10) ------------------------------------------------------------


def test_a_transfer_brings_the_target_up_to_date_and_then_elects_it() -> None:
    """Thesis §3.10, 2. and 3.: only a log that is as long as the leader's can win."""
    cluster = Cluster(3, config=CAREFUL)
    cluster.elect(1)
    cluster.isolate(3)
    cluster.propose(1, b"missed")
    cluster.heal()
    cluster[1].node.transfer_leadership(3)
    assert [m.kind for m in cluster[1].raft.messages] == [MessageKind.APPEND]
    cluster.tick()
    assert cluster.leaders() == [3]
    assert set(cluster.terms().values()) == {2}
    assert cluster[3].applied_data == [b"missed"]


def test_a_target_campaigns_at_once_without_pre_vote_and_against_the_lease() -> None:
    """Thesis §3.10 with §4.2.3: a flag says that the leader itself permits the disruption."""
    cluster = Cluster(3, config=CAREFUL)
    cluster.elect(1)
    sent = cluster[2].hear(MessageKind.TIMEOUT_NOW, 1, 1)
    assert kinds(sent) == [(MessageKind.VOTE, 1), (MessageKind.VOTE, 3)]
    (answer,) = cluster[3].hear(
        sent[1].kind, 2, 2, log_index=1, log_term=1, context=sent[1].context
    )
    assert not answer.rejected


def test_a_leader_that_hands_over_takes_no_proposals_until_it_gives_up() -> None:
    """Thesis §3.10, 1. and the end: after about an election time it resumes."""
    leader = make_member(Role.LEADER, term=1)
    leader.node.transfer_leadership(2)
    with pytest.raises(ProposalDroppedError):
        leader.node.propose(b"refused")
    leader.tick(ELECTION_TICKS - 1)
    with pytest.raises(ProposalDroppedError):
        leader.node.propose(b"refused")
    leader.tick()
    leader.node.propose(b"taken")
    leader.drain()
    assert [entry.data for entry in leader.log.all()] == [b"", b"taken"]


def test_the_lead_is_handed_to_no_learner() -> None:
    """Thesis §3.10 with §4.2.1: a server that does not vote cannot lead."""
    leader = Member(members=ConfState(voters=(1, 2), learners=(3,)))
    leader.elect()
    leader.node.transfer_leadership(3)
    leader.node.propose(b"taken")
    assert [entry.data for entry in leader.raft.log.unstable.entries] == [b"taken"]
