# SPDX-License-Identifier: Apache-2.0
"""Quorum arithmetic: how many voters it takes, what they have acknowledged, how a vote stands.

Nothing else in the core counts voters. The rule says how many of n voters are a quorum: a majority
(crash faults), or enough that two quorums share an honest voter (`byzantine`). Whatever the rule, a
vote is lost only when those who have not answered cannot win it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

QuorumRule = Callable[[int], int]
"""Voters needed of so many, at least one."""
Acknowledged = Callable[[int], int | None]
"""The last index that a voter has acknowledged, None when it has not answered yet."""


def majority(count: int) -> int:
    """More than half: any two majorities share a voter."""
    return count // 2 + 1


def byzantine(count: int) -> int:
    """⌊(n+f)/2⌋+1 with f = ⌊(n-1)/3⌋: any two quorums share f+1 voters, one of them honest."""
    faulty = (count - 1) // 3
    return (count + faulty) // 2 + 1


class VoteResult(IntEnum):
    """How a vote stands."""

    PENDING = 1
    LOST = 2
    WON = 3


def get_committed_index(
    voters: frozenset[int], acknowledged: Acknowledged, rule: QuorumRule
) -> int | None:
    """The highest index that a quorum has acknowledged; None, no bound, for no voters."""
    if not voters:
        return None
    acks = sorted((acknowledged(voter) or 0 for voter in voters), reverse=True)
    return acks[rule(len(acks)) - 1]


def get_vote_result(
    voters: frozenset[int], votes: Mapping[int, bool], rule: QuorumRule
) -> VoteResult:
    """How a vote stands; without voters it is won, so that half of a joint quorum can be empty."""
    if not voters:
        return VoteResult.WON
    needed = rule(len(voters))
    granted = sum(votes.get(voter, False) for voter in voters)
    missing = sum(voter not in votes for voter in voters)
    if granted >= needed:
        return VoteResult.WON
    return VoteResult.PENDING if granted + missing >= needed else VoteResult.LOST


@dataclass(frozen=True, slots=True)
class JointVoters:
    """Voters, and while a change is joint those before it: then both must agree (§6)."""

    incoming: frozenset[int] = frozenset()
    outgoing: frozenset[int] = frozenset()

    def ids(self) -> frozenset[int]:
        """All of them."""
        return self.incoming | self.outgoing

    def get_committed_index(self, acknowledged: Acknowledged, rule: QuorumRule) -> int | None:
        """The highest index that quorums of both have acknowledged; None for no voters."""
        bounds = [
            bound
            for voters in (self.incoming, self.outgoing)
            if (bound := get_committed_index(voters, acknowledged, rule)) is not None
        ]
        return min(bounds, default=None)

    def get_vote_result(self, votes: Mapping[int, bool], rule: QuorumRule) -> VoteResult:
        """Won when both win, lost when one loses."""
        results = {
            get_vote_result(voters, votes, rule) for voters in (self.incoming, self.outgoing)
        }
        if VoteResult.LOST in results:
            return VoteResult.LOST
        return VoteResult.PENDING if VoteResult.PENDING in results else VoteResult.WON
