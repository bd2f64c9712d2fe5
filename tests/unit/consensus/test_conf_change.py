# SPDX-License-Identifier: Apache-2.0
"""Changes of members: their bytes, and the configurations they lead to."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import pytest

from consensus.conf_change import (
    CHANGES_COUNT_MAX,
    CONTEXT_SIZE_MAX,
    Changer,
    ConfChange,
    ConfChangeError,
    ConfChangeKind,
    ConfChangeSingle,
    Configuration,
    Transition,
    decode_conf_change,
    make_conf_change_entry,
    restore_configuration,
)
from consensus.tracker import ProgressTracker
from consensus.types import APPEND_THREAD, APPLY_THREAD, NODE_MAX, ConfState, Entry, EntryKind

LAST_INDEX = 10
ADD, REMOVE = ConfChangeKind.ADD_VOTER, ConfChangeKind.REMOVE
UPDATE, LEARN = ConfChangeKind.UPDATE, ConfChangeKind.ADD_LEARNER
Single = ConfChangeSingle


def make_tracker(state: ConfState | None = None) -> ProgressTracker:
    tracker = ProgressTracker(inflight_count_max=4)
    if state is not None:
        take(tracker, restore_configuration(tracker, LAST_INDEX, state))
    return tracker


def take(tracker: ProgressTracker, configuration: Configuration) -> ConfState:
    tracker.config, tracker.progress = configuration
    return tracker.conf_state()


def simple(tracker: ProgressTracker, *changes: Single) -> ConfState:
    return take(tracker, Changer(tracker, LAST_INDEX).simple(changes))


def join(tracker: ProgressTracker, *changes: Single, is_auto_leave: bool = False) -> ConfState:
    changer = Changer(tracker, LAST_INDEX)
    return take(tracker, changer.enter_joint(changes, is_auto_leave=is_auto_leave))


def leave(tracker: ProgressTracker) -> ConfState:
    return take(tracker, Changer(tracker, LAST_INDEX).leave_joint())


def assert_refused(tracker: ProgressTracker, call: Callable[[], object], reason: str) -> None:
    config, members = tracker.config, tracker.progress
    progress = deepcopy(
        {node: (held.match_index, held.is_learner) for node, held in members.items()}
    )
    with pytest.raises(ConfChangeError, match=reason):
        call()
    assert tracker.config is config
    assert tracker.progress is members
    assert progress == {node: (p.match_index, p.is_learner) for node, p in members.items()}


class TestBytes:
    @pytest.mark.parametrize(
        "change",
        [
            ConfChange(),
            ConfChange(context=b"x"),
            ConfChange((Single(ADD, NODE_MAX),)),
            ConfChange((Single(UPDATE, 0), Single(LEARN, 3)), Transition.JOINT_EXPLICIT, b"\0"),
            ConfChange((), Transition.JOINT_IMPLICIT),
            ConfChange((Single(ADD, 1),) * CHANGES_COUNT_MAX, context=b"x" * CONTEXT_SIZE_MAX),
        ],
    )
    def test_a_change_is_read_as_it_was_written(self, change: ConfChange) -> None:
        entry = make_conf_change_entry(change)
        assert entry.kind is EntryKind.CONF_CHANGE_V2
        assert decode_conf_change(entry) == change

    def test_the_bytes_are_fixed(self) -> None:
        change = ConfChange((Single(LEARN, 258),), Transition.JOINT_EXPLICIT, b"ab")
        assert make_conf_change_entry(change).data.hex() == (
            "02" + "0001" + "00000002" + "03" + "0000000000000102" + "6162"
        )
        assert make_conf_change_entry(ConfChange()).data == b""

    def test_a_single_change_is_of_the_first_kind(self) -> None:
        change = ConfChange((Single(REMOVE, 3),), context=b"why")
        entry = make_conf_change_entry(change, is_single=True)
        assert entry.kind is EntryKind.CONF_CHANGE
        assert decode_conf_change(entry) == change

    @pytest.mark.parametrize(
        "change",
        [
            ConfChange(),
            ConfChange((Single(ADD, 1), Single(ADD, 2))),
            ConfChange((Single(ADD, 1),), Transition.JOINT_IMPLICIT),
        ],
    )
    def test_other_changes_are_not_of_the_first_kind(self, change: ConfChange) -> None:
        with pytest.raises(ConfChangeError, match="one change of one node"):
            make_conf_change_entry(change, is_single=True)
        entry = Entry(0, 0, make_conf_change_entry(change).data, EntryKind.CONF_CHANGE)
        with pytest.raises(ConfChangeError, match="one change of one node"):
            decode_conf_change(entry)

    @pytest.mark.parametrize(
        "change",
        [
            ConfChange((Single(ADD, 1),) * (CHANGES_COUNT_MAX + 1)),
            ConfChange(context=b"x" * (CONTEXT_SIZE_MAX + 1)),
        ],
    )
    def test_a_change_has_limits(self, change: ConfChange) -> None:
        with pytest.raises(ConfChangeError, match="too large"):
            make_conf_change_entry(change)

    def test_bytes_beyond_the_limits_are_not_read(self) -> None:
        count = CHANGES_COUNT_MAX + 1
        many = b"\0" + count.to_bytes(2, "big") + bytes(4) + (b"\0" * 8 + b"\1") * count
        size = CONTEXT_SIZE_MAX + 1
        large = b"\0\0\0" + size.to_bytes(4, "big") + bytes(size)
        for data in (many, large):
            with pytest.raises(ConfChangeError, match="too large"):
                decode_conf_change(Entry(0, 0, data, EntryKind.CONF_CHANGE_V2))

    @pytest.mark.parametrize("node", [-1, APPLY_THREAD, APPEND_THREAD, 2**64])
    def test_a_number_that_no_node_has_is_refused(self, node: int) -> None:
        with pytest.raises(ConfChangeError, match="out of range"):
            make_conf_change_entry(ConfChange((Single(ADD, node),)))
        if 0 <= node < 2**64:
            data = b"\0\0\1" + bytes(4) + b"\0" + node.to_bytes(8, "big")
            with pytest.raises(ConfChangeError, match="out of range"):
                decode_conf_change(Entry(0, 0, data, EntryKind.CONF_CHANGE_V2))

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            ("00", "cannot be read"),
            ("00000000000000", "another encoding"),  # the empty change has no bytes
            ("0000010000000000", "another length"),
            ("00000100000000" + "00" + "000000000000000100", "another length"),
            ("03000100000000" + "00" + "0000000000000001", "cannot be read"),
            ("00000100000000" + "04" + "0000000000000001", "cannot be read"),
        ],
    )
    def test_bytes_that_are_no_change_are_refused(self, data: str, reason: str) -> None:
        entry = Entry(0, 0, bytes.fromhex(data), EntryKind.CONF_CHANGE_V2)
        with pytest.raises(ConfChangeError, match=reason):
            decode_conf_change(entry)

    @pytest.mark.parametrize(
        ("change", "is_joint", "is_auto_leave", "is_leave"),
        [
            (ConfChange(), False, True, True),
            (ConfChange(context=b"x"), False, True, True),
            (ConfChange((Single(ADD, 1),)), False, True, False),
            (ConfChange((Single(ADD, 1), Single(ADD, 2))), True, True, False),
            (ConfChange((Single(ADD, 1),), Transition.JOINT_IMPLICIT), True, True, False),
            (ConfChange((Single(ADD, 1),), Transition.JOINT_EXPLICIT), True, False, False),
            (ConfChange((), Transition.JOINT_EXPLICIT), True, False, False),
        ],
    )
    def test_how_a_change_is_made(
        self, change: ConfChange, is_joint: bool, is_auto_leave: bool, is_leave: bool
    ) -> None:
        assert change.is_joint() is is_joint
        assert change.is_auto_leave() is is_auto_leave
        assert change.is_leave_joint() is is_leave


class TestSimple:
    def test_voters_and_learners_come_and_go(self) -> None:
        tracker = make_tracker(ConfState((1, 2)))
        assert simple(tracker, Single(LEARN, 3)) == ConfState((1, 2), (3,))
        assert simple(tracker, Single(ADD, 3)) == ConfState((1, 2, 3))
        assert simple(tracker, Single(LEARN, 1)) == ConfState((2, 3), (1,))
        assert simple(tracker, Single(REMOVE, 1)) == ConfState((2, 3))
        assert simple(tracker, Single(REMOVE, 2)) == ConfState((3,))
        assert sorted(tracker.progress) == [3]

    def test_a_new_member_is_probed_from_the_end_and_counts_as_alive(self) -> None:
        tracker = make_tracker(ConfState((1,)))
        simple(tracker, Single(ADD, 2))
        progress = tracker.progress[2]
        assert (progress.match_index, progress.next_index) == (0, LAST_INDEX)
        assert progress.is_recent_active
        take(tracker, Changer(tracker, 0).simple([Single(ADD, 3)]))
        assert tracker.progress[3].next_index == 1

    def test_what_is_known_of_a_member_stays(self) -> None:
        tracker = make_tracker(ConfState((1, 2), (3,)))
        tracker.progress[3].match_index, tracker.progress[3].next_index = 7, 9
        simple(tracker, Single(ADD, 3))
        assert (tracker.progress[3].match_index, tracker.progress[3].next_index) == (7, 9)
        assert not tracker.progress[3].is_learner

    @pytest.mark.parametrize(
        "change",
        [Single(ADD, 0), Single(REMOVE, 0), Single(REMOVE, 9), Single(UPDATE, 2), Single(ADD, 1)],
    )
    def test_what_is_so_already_stays_so(self, change: Single) -> None:
        state = ConfState((1, 2), (3,))
        assert simple(make_tracker(state), change) == state

    def test_several_learners_may_change_at_once(self) -> None:
        tracker = make_tracker(ConfState((1, 2), (3,)))
        changes = (Single(LEARN, 4), Single(REMOVE, 3), Single(LEARN, 2))
        assert simple(tracker, *changes) == ConfState((1,), (2, 4))

    @pytest.mark.parametrize(
        ("state", "changes", "reason"),
        [
            (ConfState((1, 2)), (Single(ADD, 3), Single(ADD, 4)), "more than one voter"),
            (ConfState((1, 2)), (Single(ADD, 3), Single(REMOVE, 1)), "more than one voter"),
            (ConfState((1,)), (Single(REMOVE, 1),), "removed all voters"),
            (ConfState((1,)), (Single(LEARN, 1),), "removed all voters"),
            (ConfState((1,), (), (1, 2)), (Single(ADD, 3),), "in joint config"),
        ],
    )
    def test_refusals(self, state: ConfState, changes: tuple[Single, ...], reason: str) -> None:
        tracker = make_tracker(state)
        assert_refused(tracker, lambda: Changer(tracker, LAST_INDEX).simple(changes), reason)


class TestJoint:
    def test_old_and_new_voters_are_there_until_it_is_left(self) -> None:
        tracker = make_tracker(ConfState((1, 2, 3)))
        state = join(tracker, Single(ADD, 4), Single(REMOVE, 1), is_auto_leave=True)
        assert state == ConfState((2, 3, 4), (), (1, 2, 3), (), auto_leave=True)
        assert sorted(tracker.progress) == [1, 2, 3, 4]
        assert leave(tracker) == ConfState((2, 3, 4))
        assert sorted(tracker.progress) == [2, 3, 4]

    def test_a_voter_that_becomes_a_learner_votes_until_it_is_left(self) -> None:
        tracker = make_tracker(ConfState((1, 2, 3)))
        assert join(tracker, Single(LEARN, 3)) == ConfState((1, 2), (), (1, 2, 3), (3,))
        assert not tracker.progress[3].is_learner
        assert leave(tracker) == ConfState((1, 2), (3,))
        assert tracker.progress[3].is_learner

    def test_one_that_is_to_learn_may_become_a_voter_or_leave_again(self) -> None:
        changes = (Single(LEARN, 3), Single(ADD, 3))
        assert join(make_tracker(ConfState((1, 3))), *changes) == ConfState((1, 3), (), (1, 3))
        tracker = make_tracker(ConfState((1, 3)))
        changes = (Single(LEARN, 3), Single(REMOVE, 3))
        assert join(tracker, *changes) == ConfState((1,), (), (1, 3))
        assert leave(tracker) == ConfState((1,))

    def test_new_learners_learn_at_once(self) -> None:
        tracker = make_tracker(ConfState((1, 2), (5,)))
        state = join(tracker, Single(LEARN, 4), Single(ADD, 5))
        assert state == ConfState((1, 2, 5), (4,), (1, 2))
        assert leave(tracker) == ConfState((1, 2, 5), (4,))

    def test_it_may_change_nothing(self) -> None:
        tracker = make_tracker(ConfState((1, 2)))
        assert join(tracker) == ConfState((1, 2), (), (1, 2))
        assert leave(tracker) == ConfState((1, 2))

    def test_refusals(self) -> None:
        tracker = make_tracker(ConfState((1, 2)))
        changer = Changer(tracker, LAST_INDEX)
        assert_refused(tracker, changer.leave_joint, "non-joint")
        remove = [Single(REMOVE, 1), Single(REMOVE, 2)]
        for is_auto in (False, True):
            assert_refused(
                tracker,
                partial(changer.enter_joint, remove, is_auto_leave=is_auto),
                "removed all voters",
            )
        join(tracker, Single(ADD, 3))
        again = Changer(tracker, LAST_INDEX)
        assert_refused(
            tracker, lambda: again.enter_joint([Single(ADD, 4)], is_auto_leave=True), "joint"
        )
        empty = make_tracker()
        assert_refused(
            empty,
            lambda: Changer(empty, 0).enter_joint([Single(ADD, 1)], is_auto_leave=True),
            "zero-voter",
        )


class TestRestore:
    @pytest.mark.parametrize(
        "state",
        [
            ConfState(),
            ConfState((1,)),
            ConfState((1, 2, 3), (4, 5)),
            ConfState((1, 2), (), (1, 2), (), auto_leave=True),
            ConfState((1, 2, 3), (5,), (1, 2, 4, 6), (4,)),
            ConfState((7,), (8,), (1, 2), (1,), auto_leave=True),
        ],
    )
    def test_a_stored_configuration_comes_back(self, state: ConfState) -> None:
        assert make_tracker(state).conf_state() == state

    def test_learners_alone_are_no_configuration(self) -> None:
        with pytest.raises(ConfChangeError, match="removed all voters"):
            make_tracker(ConfState((), (1,)))
