# SPDX-License-Identifier: Apache-2.0
"""Quorum arithmetic against its definition: try every set of voters that is large enough."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.quorum import JointVoters, QuorumRule, VoteResult, byzantine, majority

COUNT_MAX = 7
RULES = (majority, byzantine)
rules = st.sampled_from(RULES)
nodes = st.integers(min_value=1, max_value=9)
halves = st.frozensets(nodes, max_size=COUNT_MAX)
joints = st.builds(JointVoters, halves, st.one_of(st.just(frozenset[int]()), halves))


def quorums(voters: frozenset[int], rule: QuorumRule) -> list[frozenset[int]]:
    """Every set of voters that is a quorum; for no voters the empty one."""
    least = rule(len(voters)) if voters else 0
    return [
        frozenset(chosen)
        for size in range(least, len(voters) + 1)
        for chosen in combinations(sorted(voters), size)
    ]


def joint_quorums(joint: JointVoters, rule: QuorumRule) -> set[frozenset[int]]:
    return {
        one | other
        for one in quorums(joint.incoming, rule)
        for other in quorums(joint.outgoing, rule)
    }


@given(joints, st.dictionaries(nodes, st.integers(min_value=0, max_value=20)), rules)
def test_committed_is_the_highest_index_that_some_quorum_has(
    joint: JointVoters, acks: Mapping[int, int], rule: QuorumRule
) -> None:
    committed = joint.get_committed_index(acks.get, rule)
    if not joint.ids():
        assert committed is None
        return
    reached = (min(acks.get(node, 0) for node in quorum) for quorum in joint_quorums(joint, rule))
    assert committed == max(reached)


@given(joints, st.dictionaries(nodes, st.booleans()), rules)
def test_a_vote_is_won_with_a_quorum_and_lost_when_none_is_left(
    joint: JointVoters, votes: Mapping[int, bool], rule: QuorumRule
) -> None:
    possible = joint_quorums(joint, rule)
    is_won = any(all(votes.get(node) for node in quorum) for quorum in possible)
    can_be_won = any(all(votes.get(node, True) for node in quorum) for quorum in possible)
    expected = VoteResult.WON if is_won else VoteResult.PENDING if can_be_won else VoteResult.LOST
    assert joint.get_vote_result(votes, rule) is expected


@given(joints, st.lists(st.tuples(nodes, st.booleans())), rules)
def test_a_decided_vote_stays_decided(
    joint: JointVoters, answers: list[tuple[int, bool]], rule: QuorumRule
) -> None:
    votes: dict[int, bool] = {}
    decided: VoteResult | None = None
    for node, is_granted in [*answers, *((node, True) for node in sorted(joint.ids()))]:
        votes.setdefault(node, is_granted)
        result = joint.get_vote_result(votes, rule)
        if decided is not None:
            assert result is decided
        elif result is not VoteResult.PENDING:
            decided = result
    if joint.ids():
        assert decided is not None, "once all have answered it is decided"


@pytest.mark.parametrize("count", range(1, COUNT_MAX + 1))
def test_two_quorums_share_a_voter_and_under_lies_an_honest_one(count: int) -> None:
    voters = frozenset(range(1, count + 1))
    faulty = (count - 1) // 3
    for rule, shared in ((majority, 1), (byzantine, faulty + 1)):
        least = [quorum for quorum in quorums(voters, rule) if len(quorum) == rule(count)]
        assert min(len(one & other) for one in least for other in least) >= shared
        # One voter less would not do, so nothing is asked for in vain.
        assert 2 * (rule(count) - 1) - count < shared


@pytest.mark.parametrize("count", range(1, 200))
def test_a_byzantine_quorum_is_there_without_the_faulty(count: int) -> None:
    assert 1 <= byzantine(count) <= count - (count - 1) // 3
    assert 1 <= majority(count) <= byzantine(count)
    # Two quorums share so many at least, and one of them is honest.
    assert 2 * byzantine(count) - count > (count - 1) // 3


@given(joints, rules)
def test_quorums_of_a_joint_configuration_meet_those_of_each_half(
    joint: JointVoters, rule: QuorumRule
) -> None:
    for half in (joint.incoming, joint.outgoing):
        if not half:
            continue
        shared = (len(half) - 1) // 3 + 1 if rule is byzantine else 1
        least = [quorum for quorum in quorums(half, rule) if len(quorum) == rule(len(half))]
        for both in joint_quorums(joint, rule):
            assert all(len(both & one & half) >= shared for one in least)
