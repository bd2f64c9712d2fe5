# SPDX-License-Identifier: Apache-2.0
"""Quorum arithmetic on cases worked out by hand."""

from __future__ import annotations

import pytest

from consensus.quorum import (
    JointVoters,
    VoteResult,
    byzantine,
    get_committed_index,
    get_vote_result,
    majority,
)

NOTHING: dict[int, int] = {}


def voters(*ids: int) -> frozenset[int]:
    return frozenset(ids)


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4)])
def test_majority_is_more_than_half(count: int, needed: int) -> None:
    assert majority(count) == needed


@pytest.mark.parametrize(
    ("count", "needed"),
    [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6), (10, 7)],
)
def test_a_byzantine_quorum_is_of_the_usual_size(count: int, needed: int) -> None:
    assert byzantine(count) == needed


def test_the_committed_index_is_what_the_slowest_of_the_quorum_has() -> None:
    acks = {1: 7, 2: 5, 3: 9, 4: 2}
    assert get_committed_index(voters(1, 2, 3), acks.get, majority) == 7
    assert get_committed_index(voters(1, 2, 3, 4), acks.get, majority) == 5
    assert get_committed_index(voters(1, 2, 3, 4), acks.get, byzantine) == 5


def test_voters_that_have_not_answered_have_nothing() -> None:
    assert get_committed_index(voters(1, 2, 3), {1: 9}.get, majority) == 0
    assert get_committed_index(voters(1, 2, 3), {1: 9, 2: 4}.get, majority) == 4


def test_what_others_acknowledge_does_not_count() -> None:
    assert get_committed_index(voters(1, 2, 3), {1: 1, 7: 9, 8: 9}.get, majority) == 0


def test_without_voters_there_is_no_bound_and_a_vote_is_won() -> None:
    assert get_committed_index(voters(), NOTHING.get, majority) is None
    assert get_vote_result(voters(), {}, majority) is VoteResult.WON
    assert JointVoters().get_committed_index(NOTHING.get, majority) is None


def test_a_vote_is_pending_while_those_missing_can_still_win_it() -> None:
    four = voters(1, 2, 3, 4)
    assert get_vote_result(four, {}, majority) is VoteResult.PENDING
    assert get_vote_result(four, {1: True, 2: True, 3: False}, majority) is VoteResult.PENDING
    assert get_vote_result(four, {1: True, 2: True, 3: True}, majority) is VoteResult.WON
    assert get_vote_result(four, {1: False, 2: False}, majority) is VoteResult.LOST


def test_votes_of_others_do_not_count() -> None:
    assert get_vote_result(voters(1, 2, 3), {7: True, 8: True}, majority) is VoteResult.PENDING
    assert get_vote_result(voters(1, 2, 3), {7: False, 8: False}, majority) is VoteResult.PENDING


def test_a_joint_commit_needs_both_quorums() -> None:
    joint = JointVoters(voters(1, 2, 3), voters(3, 4, 5))
    acks = {1: 9, 2: 9, 3: 9, 4: 3}
    assert joint.ids() == voters(1, 2, 3, 4, 5)
    assert joint.get_committed_index(acks.get, majority) == 3
    assert JointVoters(voters(1, 2, 3)).get_committed_index(acks.get, majority) == 9


def test_a_joint_vote_needs_both_quorums_and_is_lost_with_one() -> None:
    joint = JointVoters(voters(1, 2, 3), voters(3, 4, 5))
    assert joint.get_vote_result({1: True, 2: True}, majority) is VoteResult.PENDING
    assert joint.get_vote_result({1: True, 3: True, 4: True}, majority) is VoteResult.WON
    assert joint.get_vote_result({1: True, 2: True, 4: False, 5: False}, majority) is (
        VoteResult.LOST
    )
