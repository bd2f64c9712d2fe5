# SPDX-License-Identifier: Apache-2.0
"""Changes of members under random bytes and random sequences of changes."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.conf_change import (
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
from consensus.quorum import QuorumRule, byzantine, majority
from consensus.tracker import ProgressTracker
from consensus.types import NODE_MAX, ConfState, Entry, EntryKind

kinds = st.sampled_from([EntryKind.CONF_CHANGE, EntryKind.CONF_CHANGE_V2])
any_singles = st.builds(
    ConfChangeSingle, st.sampled_from(ConfChangeKind), st.integers(min_value=0, max_value=NODE_MAX)
)
any_changes = st.builds(
    ConfChange,
    st.lists(any_singles, max_size=5).map(tuple),
    st.sampled_from(Transition),
    st.binary(max_size=20),
)
# Few nodes, so that changes meet each other; 0 takes a change back.
singles = st.builds(
    ConfChangeSingle, st.sampled_from(ConfChangeKind), st.integers(min_value=0, max_value=7)
)
change_lists = st.lists(singles, max_size=4).map(tuple)


@given(any_changes)
def test_a_change_is_read_as_it_was_written(change: ConfChange) -> None:
    assert decode_conf_change(make_conf_change_entry(change)) == change


@given(any_singles, st.binary(max_size=20))
def test_so_is_one_of_the_first_kind(single: ConfChangeSingle, context: bytes) -> None:
    change = ConfChange((single,), context=context)
    assert decode_conf_change(make_conf_change_entry(change, is_single=True)) == change


def assert_refused_or_the_only_encoding(data: bytes, kind: EntryKind) -> None:
    try:
        change = decode_conf_change(Entry(0, 0, data, kind))
    except ConfChangeError:
        return
    is_single = kind is EntryKind.CONF_CHANGE
    assert make_conf_change_entry(change, is_single=is_single).data == data


@given(st.binary(max_size=60), kinds)
def test_any_bytes_are_refused_or_the_only_encoding(data: bytes, kind: EntryKind) -> None:
    assert_refused_or_the_only_encoding(data, kind)


@given(any_changes, st.data(), kinds)
def test_bent_bytes_are_refused_or_the_only_encoding(
    change: ConfChange, data: st.DataObject, kind: EntryKind
) -> None:
    encoded = make_conf_change_entry(change).data
    place = data.draw(st.integers(min_value=0, max_value=len(encoded)))
    cut = data.draw(st.integers(min_value=0, max_value=2))
    bent = encoded[:place] + data.draw(st.binary(max_size=2)) + encoded[place + cut :]
    assert_refused_or_the_only_encoding(bent, kind)


def make_tracker() -> ProgressTracker:
    return ProgressTracker(inflight_count_max=4)


def take(tracker: ProgressTracker, configuration: Configuration) -> None:
    tracker.config, tracker.progress = configuration


def smallest_shared(one: frozenset[int], other: frozenset[int], rule: QuorumRule) -> int:
    """Voters that any two quorums of the two sets share at least."""
    return min(
        len(set(first) & set(second))
        for first in combinations(sorted(one), rule(len(one)))
        for second in combinations(sorted(other), rule(len(other)))
    )


def assert_invariants(tracker: ProgressTracker) -> None:
    state = tracker.conf_state()
    voters, outgoing = set(state.voters), set(state.voters_outgoing)
    learners, following = set(state.learners), set(state.learners_next)
    assert voters
    assert not learners & (voters | outgoing)
    assert following <= outgoing
    assert not following & voters
    assert set(tracker.progress) == voters | outgoing | learners
    assert {node for node, progress in tracker.visit() if progress.is_learner} == learners
    if not outgoing:
        assert not following
        assert not state.auto_leave


def change_once(
    tracker: ProgressTracker, step: str, changes: tuple[ConfChangeSingle, ...]
) -> Configuration:
    changer = Changer(tracker, 10)
    if step == "simple":
        return changer.simple(changes)
    if step == "leave":
        return changer.leave_joint()
    return changer.enter_joint(changes, is_auto_leave=step == "join implicitly")


steps = st.tuples(st.sampled_from(["simple", "join", "join implicitly", "leave"]), change_lists)


@settings(max_examples=200)
@given(
    st.sets(st.integers(min_value=1, max_value=7), min_size=1),
    st.lists(steps, max_size=12),
    st.sampled_from([majority, byzantine]),
)
def test_changes_keep_the_invariants_and_quorums_meet(
    first: set[int], path: list[tuple[str, tuple[ConfChangeSingle, ...]]], rule: QuorumRule
) -> None:
    tracker = make_tracker()
    take(tracker, restore_configuration(tracker, 10, ConfState(tuple(sorted(first)))))
    for step, changes in path:
        state, config, members = tracker.conf_state(), tracker.config, dict(tracker.progress)
        learners = {node: held.is_learner for node, held in tracker.visit()}
        try:
            changed = change_once(tracker, step, changes)
        except ConfChangeError:
            assert tracker.config is config
            assert tracker.progress == members
            assert learners == {node: held.is_learner for node, held in tracker.visit()}
            continue
        assert tracker.conf_state() == state, "it is made beside what holds"
        take(tracker, changed)
        assert_invariants(tracker)
        before, after = config.voters, tracker.config.voters
        if step == "simple":
            # Two quorums share a voter, and under lies an honest one by either count of liars.
            faulty = (min(len(before.incoming), len(after.incoming)) - 1) // 3
            shared = smallest_shared(before.incoming, after.incoming, rule)
            assert shared >= (faulty + 1 if rule is byzantine else 1)
        elif step == "leave":
            assert after.incoming == before.incoming
            assert not after.outgoing
        else:
            assert after.outgoing == before.incoming
            assert tracker.config.auto_leave is (step == "join implicitly")
        restored = make_tracker()
        take(restored, restore_configuration(restored, 10, tracker.conf_state()))
        assert restored.config == tracker.config
        assert sorted(restored.progress) == sorted(tracker.progress)
        assert_invariants(restored)


node_tuples = st.lists(st.integers(min_value=0, max_value=5), max_size=4).map(tuple)


@given(st.builds(ConfState, node_tuples, node_tuples, node_tuples, node_tuples, st.booleans()))
def test_any_stored_members_are_refused_or_lead_to_a_configuration(state: ConfState) -> None:
    tracker = make_tracker()
    try:
        take(tracker, restore_configuration(tracker, 10, state))
    except ConfChangeError:
        return
    if tracker.progress:
        assert_invariants(tracker)
