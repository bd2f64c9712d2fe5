# SPDX-License-Identifier: Apache-2.0
"""Validators with a known defect are caught, by the rule that the defect breaks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from tests.support.simulation.broken import (
    DEFECTS,
    Defect,
    catch,
    find_rules,
    mend,
    run_seed,
    wipe_disks,
)
from tests.support.simulation.cluster import SimulatedCluster

_CONTROL_SEEDS: Final = (1, 2, 3)


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    "defect",
    [pytest.param(d, id=d.name, marks=[pytest.mark.long] if d.is_long else []) for d in DEFECTS],
)
def test_a_defect_is_caught(defect: Defect) -> None:
    caught = catch(defect)
    assert caught is not None, f"not caught in {defect.seeds_count_max} seeds"
    # The surroundings alone break nothing.
    mended = run_seed(mend(defect), caught.seed)
    assert mended.is_good, mended.violations


@pytest.mark.parametrize("seed", _CONTROL_SEEDS)
def test_an_empty_disk_under_a_key_that_has_voted_votes_no_more(seed: int) -> None:
    [defect] = [d for d in DEFECTS if d.name.startswith("an empty disk")]

    def wipe(cluster: SimulatedCluster) -> None:
        cluster.expected_ends = ("VOTE_RECORD_MISSING",)
        wipe_disks(cluster, is_marked=False)

    result = run_seed(replace(defect, prepare=wipe), seed)
    assert result.is_good, result.violations
    assert "ended NodeError" in result.trace


def test_rules_are_read_from_violations() -> None:
    calm = DEFECTS[0]
    assert find_rules(run_seed(calm, 1)) == {"order-of-writes"}
