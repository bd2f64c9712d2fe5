# SPDX-License-Identifier: Apache-2.0
"""Changes of members: their encoding, and what a configuration becomes (§6; thesis §4).

A simple change adds or removes at most one voter, so that quorums before and after share a voter.
Anything more passes through a joint configuration, in which both sets of voters must agree, and is
left by a change of its own (an empty one), by itself if so asked.

Everything here computes a new configuration beside the old one: a change that cannot be made
changes nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise
from typing import Final, TypeAlias

from consensus.errors import OrderingError
from consensus.quorum import JointVoters
from consensus.tracker import Progress, ProgressTracker, TrackerConfig
from consensus.types import NO_NODE, NODE_MAX, ConfState, Entry, EntryKind

CHANGES_COUNT_MAX: Final = 256
"""Single changes in one."""
CONTEXT_SIZE_MAX: Final = 64 * 1024
"""Bytes that an embedder attaches to a change."""
MEMBERS_COUNT_MAX: Final = 256
"""Voters of both sets and learners together; 128 of a network may hand over to 128 others at once."""

_HEAD: Final = struct.Struct(">BHI")
_SINGLE: Final = struct.Struct(">BQ")


class ConfChangeError(OrderingError):
    """The change cannot be made, or its bytes are none. Nothing changed."""


class ConfChangeKind(IntEnum):
    """What happens to one node; the numbers are stored."""

    ADD_VOTER = 0
    REMOVE = 1
    UPDATE = 2
    """Nothing for the core: the embedder's context says what."""
    ADD_LEARNER = 3


class Transition(IntEnum):
    """How several changes are made; the numbers are stored."""

    AUTO = 0
    """Simply when that is safe, else as JOINT_IMPLICIT."""
    JOINT_IMPLICIT = 1
    """Through a joint configuration, which the leader leaves as soon as it is applied."""
    JOINT_EXPLICIT = 2
    """Through a joint configuration, left when the embedder proposes it."""


@dataclass(frozen=True, slots=True)
class ConfChangeSingle:
    """A change of one node."""

    kind: ConfChangeKind
    node_id: int


@dataclass(frozen=True, slots=True)
class ConfChange:
    """What a `CONF_CHANGE` or `CONF_CHANGE_V2` entry says.

    No changes and AUTO: leave the joint configuration.
    """

    changes: tuple[ConfChangeSingle, ...] = ()
    transition: Transition = Transition.AUTO
    context: bytes = b""

    def is_joint(self) -> bool:
        """Whether the change passes through a joint configuration."""
        return self.transition is not Transition.AUTO or len(self.changes) > 1

    def is_auto_leave(self) -> bool:
        """Whether the leader then leaves it by itself."""
        return self.transition is not Transition.JOINT_EXPLICIT

    def is_leave_joint(self) -> bool:
        """Whether this leaves a joint configuration."""
        return not self.changes and self.transition is Transition.AUTO


def make_conf_change_entry(change: ConfChange, *, is_single: bool = False) -> Entry:
    """A proposal. With `is_single` one that is of the first kind, a change of just one node.

    The empty change without context has no bytes. Raises ConfChangeError.
    """
    if is_single and (len(change.changes) != 1 or change.transition is not Transition.AUTO):
        raise ConfChangeError("a CONF_CHANGE is one change of one node")
    kind = EntryKind.CONF_CHANGE if is_single else EntryKind.CONF_CHANGE_V2
    if change == ConfChange():
        return Entry(0, 0, b"", kind)
    if len(change.changes) > CHANGES_COUNT_MAX or len(change.context) > CONTEXT_SIZE_MAX:
        raise ConfChangeError("the change is too large")
    if not all(NO_NODE <= single.node_id <= NODE_MAX for single in change.changes):
        raise ConfChangeError("a node's number is out of range")
    data = _HEAD.pack(change.transition, len(change.changes), len(change.context))
    data += b"".join(_SINGLE.pack(single.kind, single.node_id) for single in change.changes)
    return Entry(0, 0, data + change.context, kind)


def decode_conf_change(entry: Entry) -> ConfChange:
    """What an entry says. One change has one encoding. Raises ConfChangeError."""
    data = entry.data
    if not data:
        if entry.kind is EntryKind.CONF_CHANGE:
            raise ConfChangeError("a CONF_CHANGE is one change of one node")
        return ConfChange()
    try:
        transition, count, context_size = _HEAD.unpack_from(data)
        end = _HEAD.size + count * _SINGLE.size
        if count > CHANGES_COUNT_MAX or context_size > CONTEXT_SIZE_MAX:
            raise ConfChangeError("the change is too large")
        if len(data) != end + context_size:
            raise ConfChangeError("the change has another length")
        changes = tuple(
            ConfChangeSingle(ConfChangeKind(kind), node)
            for kind, node in _SINGLE.iter_unpack(data[_HEAD.size : end])
        )
        change = ConfChange(changes, Transition(transition), data[end:])
    except (struct.error, ValueError) as error:
        raise ConfChangeError(f"the change cannot be read: {error}") from None
    if make_conf_change_entry(change, is_single=entry.kind is EntryKind.CONF_CHANGE).data != data:
        raise ConfChangeError("the change has another encoding")
    return change


Configuration: TypeAlias = "tuple[TrackerConfig, dict[int, Progress]]"


class Changer:
    """Computes what a tracker's configuration becomes."""

    def __init__(self, tracker: ProgressTracker, last_index: int) -> None:
        """`last_index` is that of the leader's log: where new members are probed first."""
        self._tracker = tracker
        self._last_index = last_index

    def simple(self, changes: Sequence[ConfChangeSingle]) -> Configuration:
        """A change of at most one voter. Raises ConfChangeError."""
        draft = self._begin()
        if draft.outgoing:
            raise ConfChangeError("can't apply simple config change in joint config")
        before = frozenset(draft.incoming)
        draft.apply(changes)
        if len(before ^ draft.incoming) > 1:
            raise ConfChangeError("more than one voter changed without entering joint config")
        return draft.finish()

    def enter_joint(
        self, changes: Sequence[ConfChangeSingle], *, is_auto_leave: bool
    ) -> Configuration:
        """Any change, on top of the old voters. Raises ConfChangeError."""
        draft = self._begin()
        if draft.outgoing:
            raise ConfChangeError("config is already joint")
        if not draft.incoming:
            raise ConfChangeError("can't make a zero-voter config joint")
        draft.outgoing = set(draft.incoming)
        draft.apply(changes)
        draft.auto_leave = is_auto_leave
        return draft.finish()

    def leave_joint(self) -> Configuration:
        """The new voters alone. Raises ConfChangeError."""
        draft = self._begin()
        if not draft.outgoing:
            raise ConfChangeError("can't leave a non-joint config")
        for node in sorted(draft.learners_next):
            draft.learners.add(node)
            draft.set_learner(node, is_learner=True)
        draft.learners_next.clear()
        for node in draft.outgoing - draft.incoming - draft.learners:
            del draft.progress[node]
        draft.outgoing.clear()
        draft.auto_leave = False
        return draft.finish()

    def _begin(self) -> _Draft:
        return _Draft(self._tracker, self._last_index)


class _Draft:
    """A configuration in the making; the tracker's own is not touched."""

    def __init__(self, tracker: ProgressTracker, last_index: int) -> None:
        config = tracker.config
        self.incoming = set(config.voters.incoming)
        self.outgoing = set(config.voters.outgoing)
        self.learners = set(config.learners)
        self.learners_next = set(config.learners_next)
        self.auto_leave = config.auto_leave
        # Members' progress is shared with the tracker, but for whether they are learners.
        self.progress = {node: replace(held) for node, held in tracker.progress.items()}
        self._tracker = tracker
        self._last_index = last_index
        self._check()

    def finish(self) -> Configuration:
        """The configuration, checked."""
        self._check()
        config = TrackerConfig(
            JointVoters(frozenset(self.incoming), frozenset(self.outgoing)),
            frozenset(self.learners),
            frozenset(self.learners_next),
            self.auto_leave,
        )
        return config, self.progress

    def apply(self, changes: Sequence[ConfChangeSingle]) -> None:
        """Make changes to the incoming voters and the learners."""
        for change in changes:
            if change.node_id == NO_NODE:
                continue  # how an embedder takes back a change that is in the log already
            if change.kind is ConfChangeKind.ADD_VOTER:
                self._make_voter(change.node_id)
            elif change.kind is ConfChangeKind.ADD_LEARNER:
                self._make_learner(change.node_id)
            elif change.kind is ConfChangeKind.REMOVE:
                self._remove(change.node_id)
        if not self.incoming:
            raise ConfChangeError("removed all voters")
        if len(self.progress) > MEMBERS_COUNT_MAX:
            raise ConfChangeError(f"more than {MEMBERS_COUNT_MAX} members")

    def set_learner(self, node: int, *, is_learner: bool) -> None:
        """Whether a member is a learner."""
        self.progress[node].is_learner = is_learner

    def _make_voter(self, node: int) -> None:
        if node not in self.progress:
            self._begin_progress(node, is_learner=False)
            self.incoming.add(node)
            return
        self.set_learner(node, is_learner=False)
        self.learners.discard(node)
        self.learners_next.discard(node)
        self.incoming.add(node)

    def _make_learner(self, node: int) -> None:
        progress = self.progress.get(node)
        if progress is None:
            self._begin_progress(node, is_learner=True)
            self.learners.add(node)
            return
        if progress.is_learner:
            return
        self._remove(node)
        self.progress[node] = progress
        if node in self.outgoing:
            # Votes until the joint configuration is left, and must not be both at once.
            self.learners_next.add(node)
        else:
            self.set_learner(node, is_learner=True)
            self.learners.add(node)

    def _remove(self, node: int) -> None:
        if node not in self.progress:
            return
        self.incoming.discard(node)
        self.learners.discard(node)
        self.learners_next.discard(node)
        if node not in self.outgoing:
            del self.progress[node]

    def _begin_progress(self, node: int, *, is_learner: bool) -> None:
        self.progress[node] = Progress(
            self._tracker.make_inflights(),
            next_index=max(self._last_index, 1),
            is_learner=is_learner,
            # Until it had the time to answer, a look at the quorum must not count it as dead.
            is_recent_active=True,
        )

    def _check(self) -> None:
        """Raise AssertionError for a configuration that no sequence of changes makes."""
        for node in self.incoming | self.outgoing | self.learners | self.learners_next:
            assert node in self.progress, f"no progress for {node}"
        for node in self.learners_next:
            assert node in self.outgoing, f"{node} is in LearnersNext, but not Voters[1]"
            assert not self.progress[node].is_learner, f"{node} is in LearnersNext, but a learner"
        for node in self.learners:
            assert node not in self.outgoing, f"{node} is in Learners and Voters[1]"
            assert node not in self.incoming, f"{node} is in Learners and Voters[0]"
            assert self.progress[node].is_learner, f"{node} is in Learners, but is not a learner"
        if not self.outgoing:
            assert not self.learners_next, "LearnersNext without a joint configuration"
            assert not self.auto_leave, "AutoLeave without a joint configuration"


def is_configuration(state: ConfState) -> bool:
    """Whether some sequence of changes leads to these members: `restore_configuration` finds it."""
    voters, outgoing = set(state.voters), set(state.voters_outgoing)
    learners, learners_next = set(state.learners), set(state.learners_next)
    lists = (state.voters, state.learners, state.voters_outgoing, state.learners_next)
    return (
        bool(voters)
        and len(voters | outgoing | learners) <= MEMBERS_COUNT_MAX
        and all(_is_ascending(members) for members in lists)
        and learners.isdisjoint(voters | outgoing)
        and learners_next <= outgoing
        and learners_next.isdisjoint(voters)
        and (bool(outgoing) or not state.auto_leave)
    )


def _is_ascending(members: Sequence[int]) -> bool:
    bounds = (NO_NODE, *members, NODE_MAX + 1)
    return all(before < after for before, after in pairwise(bounds))


def restore_configuration(
    tracker: ProgressTracker, last_index: int, state: ConfState
) -> Configuration:
    """The configuration that a stored one describes, for a tracker without members.

    Built as a sequence of changes that leads there: first what goes out, one by one, then, if the
    configuration is joint, the step into it. Raises ConfChangeError.
    """
    outgoing = [ConfChangeSingle(ConfChangeKind.ADD_VOTER, node) for node in state.voters_outgoing]
    incoming = [
        *(ConfChangeSingle(ConfChangeKind.REMOVE, node) for node in state.voters_outgoing),
        *(ConfChangeSingle(ConfChangeKind.ADD_VOTER, node) for node in state.voters),
        *(
            ConfChangeSingle(ConfChangeKind.ADD_LEARNER, node)
            for node in (*state.learners, *state.learners_next)
        ),
    ]

    def take(configuration: Configuration) -> None:
        tracker.config, tracker.progress = configuration

    for single in outgoing or incoming:
        take(Changer(tracker, last_index).simple([single]))
    if outgoing:
        take(Changer(tracker, last_index).enter_joint(incoming, is_auto_leave=state.auto_leave))
    return tracker.config, tracker.progress
