# SPDX-License-Identifier: Apache-2.0
"""Validators are admitted, activated and removed while others fail: each height is certified by those
that the chain names for it, writes are kept, and who was removed ends.
"""

from __future__ import annotations

from typing import cast

import pytest

from ledger.node.execution import ExecutedBlock
from ledger.node.tip import Tip
from ledger.node.voting import Voter
from tests.support.simulation.cluster import SimulatedCluster
from tests.support.simulation.member_book import MemberBook
from tests.support.simulation.run import Result, simulate

SEEDS_COUNT = 12
SEEDS_LONG_COUNT = 150
CATCH_SEEDS_COUNT = 6


def check(result: Result) -> None:
    assert result.is_good, (
        f"seed {result.seed} {result.setting}: {result.violations}; again: python -m tests.simulation"
        f" --seed {result.seed} --profile membership\n{result.trace[-4000:]}"
    )


@pytest.mark.parametrize("seed", range(1, SEEDS_COUNT + 1))
def test_validators_come_and_go_during_faults(seed: int) -> None:
    check(simulate(seed, "membership"))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEEDS_COUNT + 1, SEEDS_LONG_COUNT + 1))
def test_many_more_seeds_of_changes(seed: int) -> None:
    check(simulate(seed, "membership"))


def test_the_runs_change_the_validators() -> None:
    clusters: list[SimulatedCluster] = []
    check(simulate(1, "membership", prepare=clusters.append))
    [cluster] = clusters
    book = cluster.checkers.members
    assert book is not None
    assert book.changes_count >= 3
    assert book.removed
    assert book.active - {validator.id for validator in cluster.genesis.validators}
    ended = {name for name, node in cluster.nodes.items() if node.is_retired}
    assert ended, "somebody was removed and knew"
    assert ended <= set(book.removed)


def test_a_book_that_counts_a_change_a_block_early_finds_other_validators(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.support.simulation.member_book.DELAY", 1)
    assert any("electorate" in text for text in simulate(1, "membership").violations)


def test_a_learner_that_votes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    class Everybody:
        """Finds anybody among the validators."""

        def __init__(self, tip: object) -> None:
            self._tip = tip
            self.validators = self

        def find(self, validator_id: str) -> str:
            return validator_id

        def __getattr__(self, name: str) -> object:
            return getattr(self._tip, name)

    vote = Voter.vote

    def vote_anyhow(self: Voter, executed: ExecutedBlock, tip: Tip) -> bytes | None:
        return vote(self, executed, cast(Tip, Everybody(tip)))

    monkeypatch.setattr(Voter, "vote", vote_anyhow)
    for seed in range(1, CATCH_SEEDS_COUNT + 1):
        if any(text.startswith("electorate") for text in simulate(seed, "membership").violations):
            return
    pytest.fail(f"not caught in {CATCH_SEEDS_COUNT} seeds")


def test_the_book_gives_numbers_and_sets_by_height() -> None:
    book = MemberBook({"b": b"", "a": b""}, is_bls=False, is_byzantine=False)
    assert book.numbers == {"a": 1, "b": 2}
    assert book.get_set(1) == ("a", "b")
    assert book.changes_count == 0
