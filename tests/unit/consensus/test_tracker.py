# SPDX-License-Identifier: Apache-2.0
"""What a leader knows of a member, step by step."""

from __future__ import annotations

import pytest

from consensus.quorum import JointVoters, VoteResult, byzantine
from consensus.tracker import (
    Inflights,
    Progress,
    ProgressState,
    ProgressTracker,
    TrackerConfig,
)
from consensus.types import ConfState


def make_progress(
    *,
    match: int = 0,
    following: int | None = None,
    state: ProgressState = ProgressState.PROBE,
    count_max: int = 2,
    size_max: int = 0,
) -> Progress:
    return Progress(
        Inflights(count_max, size_max),
        match_index=match,
        next_index=match + 1 if following is None else following,
        state=state,
    )


def make_tracker(
    incoming: set[int],
    outgoing: set[int] | None = None,
    learners: set[int] | None = None,
) -> ProgressTracker:
    tracker = ProgressTracker(inflight_count_max=4)
    outgoing, learners = outgoing or set(), learners or set()
    tracker.config = TrackerConfig(
        JointVoters(frozenset(incoming), frozenset(outgoing)), frozenset(learners)
    )
    # Descending, so that an order that is right is no accident.
    for node in sorted(incoming | outgoing | learners, reverse=True):
        tracker.progress[node] = Progress(tracker.make_inflights(), is_learner=node in learners)
    return tracker


class TestInflights:
    def test_a_window_is_full_by_count(self) -> None:
        window = Inflights(2)
        window.add(5, 100)
        assert not window.is_full()
        window.add(7, 100)
        assert window.is_full()
        assert len(window) == 2

    def test_a_window_is_full_by_size(self) -> None:
        window = Inflights(100, 10)
        window.add(5, 9)
        assert not window.is_full()
        window.add(6, 5)  # one that exceeds the limit still goes
        assert window.is_full()

    def test_a_full_window_takes_no_more_and_stays_as_it_is(self) -> None:
        window = Inflights(1)
        window.add(5, 1)
        with pytest.raises(AssertionError):
            window.add(6, 1)
        assert len(window) == 1
        window.free_through(5)
        assert len(window) == 0

    def test_an_answer_frees_all_appends_up_to_it(self) -> None:
        window = Inflights(3, 30)
        for index in (5, 7, 9):
            window.add(index, 10)
        window.free_through(4)
        assert len(window) == 3
        window.free_through(8)  # between two: only what is wholly there is free
        assert len(window) == 1
        window.add(10, 10)
        assert not window.is_full(), "the sizes of both are free again"
        window.add(11, 10)
        assert window.is_full()

    def test_a_window_is_forgotten(self) -> None:
        window = Inflights(1, 1)
        window.add(5, 1)
        window.reset()
        assert not window.is_full()
        assert len(window) == 0


class TestProgress:
    def test_a_probe_goes_alone(self) -> None:
        progress = make_progress(match=3)
        progress.sent_entries(2, 10)
        assert progress.is_paused()
        assert progress.next_index == 4, "it may have to be sent again"

    def test_an_empty_probe_does_not_pause(self) -> None:
        progress = make_progress(match=3)
        progress.sent_entries(0, 0)
        assert not progress.is_paused()

    def test_replication_goes_on_until_the_window_is_full(self) -> None:
        progress = make_progress(match=3, state=ProgressState.REPLICATE)
        progress.sent_entries(2, 10)
        assert (progress.next_index, progress.is_paused()) == (6, False)
        progress.sent_entries(1, 10)
        assert (progress.next_index, progress.is_paused()) == (7, True)

    def test_nothing_is_sent_to_one_that_needs_a_snapshot(self) -> None:
        progress = make_progress(match=3)
        progress.become_snapshot(20)
        assert progress.is_paused()
        before = (progress.next_index, progress.match_index, progress.state)
        with pytest.raises(AssertionError):
            progress.sent_entries(1, 1)
        assert (progress.next_index, progress.match_index, progress.state) == before

    def test_after_a_snapshot_it_is_probed_from_its_end(self) -> None:
        progress = make_progress(match=3)
        progress.become_snapshot(20)
        assert (progress.next_index, progress.sent_commit) == (21, 20)
        progress.become_probe()
        assert progress.state is ProgressState.PROBE
        assert (progress.next_index, progress.pending_snapshot) == (21, 0)

    def test_a_snapshot_that_failed_leaves_the_probe_where_the_logs_match(self) -> None:
        progress = make_progress(match=3)
        progress.become_snapshot(20)
        progress.pending_snapshot = 0
        progress.become_probe()
        assert (progress.next_index, progress.sent_commit) == (4, 3)

    def test_a_probe_takes_back_what_was_sent_optimistically(self) -> None:
        progress = make_progress(match=3, following=9, state=ProgressState.REPLICATE)
        progress.inflights.add(8, 10)
        progress.sent_commit = 8
        progress.become_probe()
        assert (progress.next_index, progress.sent_commit, len(progress.inflights)) == (4, 3, 0)

    def test_replication_begins_after_what_matches(self) -> None:
        progress = make_progress(match=3, following=9)
        progress.is_append_paused = True
        progress.become_replicate()
        assert (progress.next_index, progress.is_paused()) == (4, False)

    def test_an_ack_raises_and_never_lowers(self) -> None:
        progress = make_progress(match=3, following=5)
        progress.is_append_paused = True
        assert not progress.maybe_update(3)
        assert not progress.maybe_update(2)
        assert (progress.match_index, progress.next_index, progress.is_paused()) == (3, 5, True)
        assert progress.maybe_update(4)
        assert (progress.match_index, progress.next_index, progress.is_paused()) == (4, 5, False)
        assert progress.maybe_update(9)
        assert (progress.match_index, progress.next_index) == (9, 10)

    @pytest.mark.parametrize(
        ("rejected", "hint", "following"),
        [
            (9, 9, 9),  # one back
            (9, 5, 6),  # after the hint
            (9, 0, 4),  # never into what matches
            (9, 100, 9),  # a hint beyond what was refused does not help
        ],
    )
    def test_a_refused_probe_goes_back(self, rejected: int, hint: int, following: int) -> None:
        progress = make_progress(match=3, following=10)
        progress.is_append_paused = True
        assert progress.maybe_decrease(rejected, hint)
        assert (progress.next_index, progress.is_paused()) == (following, False)
        assert progress.match_index == 3

    def test_a_refusal_of_an_older_probe_changes_nothing(self) -> None:
        progress = make_progress(match=3, following=10)
        progress.is_append_paused = True
        assert not progress.maybe_decrease(8, 4)
        assert (progress.next_index, progress.is_paused()) == (10, True)

    def test_who_denies_what_it_acknowledged_is_not_asked_again_at_once(self) -> None:
        progress = make_progress(match=9, following=10)
        progress.is_append_paused = True
        assert not progress.maybe_decrease(9, 5)
        assert (progress.next_index, progress.is_paused()) == (10, True)

    def test_a_refusal_of_what_matches_is_old(self) -> None:
        progress = make_progress(match=5, following=10, state=ProgressState.REPLICATE)
        assert not progress.maybe_decrease(5, 4)
        assert progress.next_index == 10
        assert progress.maybe_decrease(7, 6)
        assert progress.next_index == 6

    def test_a_refusal_lowers_the_commit_that_it_can_have_taken(self) -> None:
        for state in (ProgressState.PROBE, ProgressState.REPLICATE):
            progress = make_progress(match=3, following=10, state=state)
            progress.sent_commit = 9
            assert progress.maybe_decrease(9, 5)
            assert progress.sent_commit == progress.next_index - 1

    def test_a_commit_is_told_where_it_can_be_taken(self) -> None:
        progress = make_progress(match=3, following=10)
        progress.sent_commit = 5
        assert progress.can_bump_commit(6)
        assert progress.can_bump_commit(100)
        assert not progress.can_bump_commit(5)
        progress.sent_commit = 9
        assert not progress.can_bump_commit(100), "it has taken all that it was sent"


class TestTracker:
    def test_members_are_visited_ascending(self) -> None:
        tracker = make_tracker({3, 1}, {2}, {9})
        assert [node for node, _ in tracker.visit()] == [1, 2, 3, 9]
        assert tracker.others(2) == [1, 3, 9]

    def test_the_members_are_stored_ascending(self) -> None:
        tracker = make_tracker({30, 1, 17}, {40, 2}, {9, 8})
        assert tracker.conf_state() == ConfState((1, 17, 30), (8, 9), (2, 40))

    def test_one_voter_is_alone_unless_others_are_on_their_way_out(self) -> None:
        assert make_tracker({1}, learners={2}).is_singleton()
        assert not make_tracker({1}, {1}).is_singleton()
        assert not make_tracker({1, 2}).is_singleton()
        assert not make_tracker(set()).is_singleton()

    def test_learners_count_for_no_commit(self) -> None:
        tracker = make_tracker({1, 2, 3}, learners={4, 5})
        for node, match in ((1, 9), (4, 9), (5, 9), (2, 4)):
            tracker.progress[node].match_index = match
        assert tracker.committed_index() == 4

    def test_a_commit_is_counted_with_the_rule(self) -> None:
        tracker = make_tracker({1, 2, 3, 4, 5})
        for node, match in ((1, 9), (2, 8), (3, 7), (4, 6)):
            tracker.progress[node].match_index = match
        assert tracker.committed_index() == 7
        tracker.rule = byzantine
        assert tracker.committed_index() == 6

    def test_a_new_term_forgets_all_but_who_learns(self) -> None:
        tracker = make_tracker({1, 2}, learners={3})
        tracker.progress[2].become_snapshot(4)
        tracker.progress[2].is_recent_active = True
        tracker.reset_progress(1, 7)
        matches = {node: progress.match_index for node, progress in tracker.visit()}
        assert matches == {1: 7, 2: 0, 3: 0}
        for node, progress in tracker.visit():
            assert progress.next_index == 8
            assert progress.state is ProgressState.PROBE
            assert not progress.is_recent_active
            assert progress.is_learner == (node == 3)

    def test_a_quorum_is_active_without_the_learners(self) -> None:
        tracker = make_tracker({1, 2, 3}, learners={4})
        for node in (1, 4):
            tracker.progress[node].is_recent_active = True
        assert not tracker.is_quorum_active()
        tracker.progress[3].is_recent_active = True
        assert tracker.is_quorum_active()

    def test_both_halves_must_be_active(self) -> None:
        tracker = make_tracker({1, 2}, {3})
        for node in (1, 2):
            tracker.progress[node].is_recent_active = True
        assert not tracker.is_quorum_active()
        tracker.progress[3].is_recent_active = True
        assert tracker.is_quorum_active()

    def test_only_the_first_vote_of_a_node_counts(self) -> None:
        tracker = make_tracker({1, 2, 3})
        tracker.record_vote(1, is_granted=False)
        tracker.record_vote(1, is_granted=True)
        assert tracker.votes == {1: False}

    def test_votes_of_learners_and_strangers_are_not_counted(self) -> None:
        tracker = make_tracker({1, 2, 3}, learners={4})
        for node in (1, 4, 7):
            tracker.record_vote(node, is_granted=True)
        tally = tracker.tally_votes()
        assert (tally.granted_count, tally.rejected_count) == (1, 0)
        assert tally.result is VoteResult.PENDING
        tracker.record_vote(2, is_granted=False)
        tracker.record_vote(3, is_granted=False)
        tally = tracker.tally_votes()
        assert (tally.granted_count, tally.rejected_count) == (1, 2)
        assert tally.result is VoteResult.LOST
        tracker.reset_votes()
        assert tracker.tally_votes().result is VoteResult.PENDING
