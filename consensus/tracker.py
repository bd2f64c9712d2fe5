# SPDX-License-Identifier: Apache-2.0
"""What a leader knows of each member: how far its log goes, and how it is fed.

A follower is fed in one of three ways. PROBE: where its log agrees is not known; one append at a
time. REPLICATE: it is known; appends follow each other within a window. SNAPSHOT: it lacks entries
that are compacted; nothing is sent until it has the snapshot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from consensus.quorum import JointVoters, QuorumRule, VoteResult, majority
from consensus.types import ConfState


class ProgressState(Enum):
    """How a follower is fed."""

    PROBE = 0
    REPLICATE = 1
    SNAPSHOT = 2


class Inflights:
    """Appends under way to one follower, by the last index of each; oldest first."""

    __slots__ = ("_appends", "_count_max", "_size", "_size_max")

    def __init__(self, count_max: int, size_max: int = 0) -> None:
        """`size_max` limits the bytes of their entries; 0: no limit."""
        self._count_max = count_max
        self._size_max = size_max
        self._appends: deque[tuple[int, int]] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._appends)

    def is_full(self) -> bool:
        """Whether the window is used up."""
        return len(self._appends) >= self._count_max or (
            self._size_max > 0 and self._size >= self._size_max
        )

    def add(self, index: int, size: int) -> None:
        """An append that ends at `index` is under way. There must be room."""
        if self.is_full():
            raise AssertionError("the window is full")
        self._appends.append((index, size))
        self._size += size

    def free_through(self, index: int) -> None:
        """The follower has everything up to `index`."""
        while self._appends and self._appends[0][0] <= index:
            self._size -= self._appends.popleft()[1]

    def reset(self) -> None:
        """Forget all."""
        self._appends.clear()
        self._size = 0


@dataclass(slots=True)
class Progress:
    """One member, as the leader sees it. Invariant: match_index < next_index."""

    inflights: Inflights
    match_index: int = 0
    """The last entry known equal."""
    next_index: int = 1
    """The first entry that is not sent."""
    sent_commit: int = 0
    """The highest commit index sent that the member can have taken."""
    state: ProgressState = ProgressState.PROBE
    pending_snapshot: int = 0
    """Index of the snapshot on its way, in SNAPSHOT."""
    is_recent_active: bool = False
    """Heard of since the last look; the leader counts itself."""
    is_append_paused: bool = False
    """Nothing more until it answers: a probe is out, or the window is full."""
    is_learner: bool = False

    def _enter(self, state: ProgressState) -> None:
        self.is_append_paused = False
        self.pending_snapshot = 0
        self.state = state
        self.inflights.reset()

    def become_probe(self) -> None:
        """Feed one append at a time, after a snapshot from its end."""
        behind = self.pending_snapshot if self.state is ProgressState.SNAPSHOT else 0
        self._enter(ProgressState.PROBE)
        self.next_index = max(self.match_index, behind) + 1
        self.sent_commit = min(self.sent_commit, self.next_index - 1)

    def become_replicate(self) -> None:
        """Feed a stream of appends."""
        self._enter(ProgressState.REPLICATE)
        self.next_index = self.match_index + 1

    def become_snapshot(self, index: int) -> None:
        """Feed nothing before a snapshot has arrived."""
        self._enter(ProgressState.SNAPSHOT)
        self.pending_snapshot = index
        self.next_index = index + 1
        self.sent_commit = index

    def sent_entries(self, count: int, size: int) -> None:
        """An append with so many entries was sent."""
        if self.state is ProgressState.REPLICATE:
            if count:
                self.next_index += count
                self.inflights.add(self.next_index - 1, size)
            # One that fills the window, or goes out beside it, is a probe: wait for its answer.
            self.is_append_paused = self.inflights.is_full()
        elif self.state is ProgressState.PROBE:
            if count:
                self.is_append_paused = True
        else:
            raise AssertionError("a member that needs a snapshot is sent no entries")

    def can_bump_commit(self, index: int) -> bool:
        """Whether telling this commit index may raise the member's."""
        return index > self.sent_commit and self.sent_commit < self.next_index - 1

    def maybe_update(self, index: int) -> bool:
        """It has everything up to `index`; False when that was known."""
        if index <= self.match_index:
            return False
        self.match_index = index
        self.next_index = max(self.next_index, index + 1)
        self.is_append_paused = False
        return True

    def maybe_decrease(self, rejected: int, hint: int) -> bool:
        """An append after `rejected` did not fit, the logs may agree at `hint`; False if it is old."""
        if self.state is ProgressState.REPLICATE:
            if rejected <= self.match_index:
                return False
            self.next_index = self.match_index + 1
            self.sent_commit = min(self.sent_commit, self.next_index - 1)
            return True
        # Probes go one at a time: an answer to another than the last is old.
        if self.next_index - 1 != rejected:
            return False
        next_index = max(min(rejected, hint + 1), self.match_index + 1)
        if next_index == self.next_index:
            # It denies what it has acknowledged. The same question at once would go on for ever; a
            # heartbeat asks again, and the next leader begins without a belief.
            return False
        self.next_index = next_index
        self.sent_commit = min(self.sent_commit, self.next_index - 1)
        self.is_append_paused = False
        return True

    def is_paused(self) -> bool:
        """Whether nothing may be sent now."""
        return self.state is ProgressState.SNAPSHOT or self.is_append_paused


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """Who the members are."""

    voters: JointVoters = field(default_factory=JointVoters)
    learners: frozenset[int] = frozenset()
    learners_next: frozenset[int] = frozenset()
    """Outgoing voters that become learners when the joint configuration is left."""
    auto_leave: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """How an election stands."""

    granted_count: int
    rejected_count: int
    result: VoteResult


class ProgressTracker:
    """All members of a configuration, and the votes of an election."""

    def __init__(
        self, *, inflight_count_max: int, inflight_size_max: int = 0, rule: QuorumRule = majority
    ) -> None:
        """No members."""
        self.inflight_count_max = inflight_count_max
        self.inflight_size_max = inflight_size_max
        self.rule = rule
        self.config = TrackerConfig()
        self.progress: dict[int, Progress] = {}
        self.votes: dict[int, bool] = {}

    def make_inflights(self) -> Inflights:
        """An empty window."""
        return Inflights(self.inflight_count_max, self.inflight_size_max)

    def conf_state(self) -> ConfState:
        """The members as they are stored."""
        config = self.config
        return ConfState(
            voters=tuple(sorted(config.voters.incoming)),
            learners=tuple(sorted(config.learners)),
            voters_outgoing=tuple(sorted(config.voters.outgoing)),
            learners_next=tuple(sorted(config.learners_next)),
            auto_leave=config.auto_leave,
        )

    def is_singleton(self) -> bool:
        """Whether one voter is the quorum."""
        return len(self.config.voters.incoming) == 1 and not self.config.voters.outgoing

    def visit(self) -> Iterator[tuple[int, Progress]]:
        """All members, ascending."""
        for node in sorted(self.progress):
            yield node, self.progress[node]

    def others(self, own: int) -> list[int]:
        """All members but one, ascending."""
        return [node for node in sorted(self.progress) if node != own]

    def reset_progress(self, own: int, last_index: int) -> None:
        """Nothing is known of anybody but oneself: a new term."""
        for node, before in self.progress.items():
            self.progress[node] = Progress(
                self.make_inflights(),
                match_index=last_index if node == own else 0,
                next_index=last_index + 1,
                is_learner=before.is_learner,
            )

    def committed_index(self) -> int | None:
        """The highest index that the quorum has acknowledged."""

        def acknowledged(node: int) -> int | None:
            progress = self.progress.get(node)
            return None if progress is None else progress.match_index

        return self.config.voters.get_committed_index(acknowledged, self.rule)

    def vote_result(self, votes: Mapping[int, bool]) -> VoteResult:
        """How a vote of these voters stands."""
        return self.config.voters.get_vote_result(votes, self.rule)

    def is_quorum_active(self) -> bool:
        """Whether a quorum was heard of since the last look."""
        active = {
            node: progress.is_recent_active
            for node, progress in self.progress.items()
            if not progress.is_learner
        }
        return self.vote_result(active) is VoteResult.WON

    def reset_votes(self) -> None:
        """Before an election."""
        self.votes = {}

    def record_vote(self, node: int, *, is_granted: bool) -> None:
        """A vote; only a node's first one counts."""
        self.votes.setdefault(node, is_granted)

    def tally_votes(self) -> Tally:
        """How the election stands. Votes of learners and strangers are not counted."""
        counted = [
            self.votes[node]
            for node, progress in self.progress.items()
            if node in self.votes and not progress.is_learner
        ]
        return Tally(sum(counted), len(counted) - sum(counted), self.vote_result(self.votes))
