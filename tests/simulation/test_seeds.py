# SPDX-License-Identifier: Apache-2.0
"""Seeds of the simulation that everybody runs. `python -m tests.simulation` runs as many as wanted."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

import pytest

from tests.simulation.__main__ import describe_failure
from tests.support.simulation.run import simulate

RUNS_COUNT: Final = 50
PROFILES: Final = ("crash", "partition", "network", "disk", "clock", "mixed")
"""Those under which every validator is honest and stays."""
REGRESSIONS: Final = (
    (2, "crash", "a follower that held a block above a gap of commits stood still"),
    (3, "partition", "a leader's new block was taken for a second block in flight"),
    (
        2018,
        "clock",
        "two leaders with wrong clocks handed the lead to each other, not to the third",
    ),
    (1099, "membership", "a change of members ahead of its block kept a newcomer from commits"),
)
"""Seed, profile, and what it found when the code was other than today."""


def choose_runs() -> list[tuple[int, str]]:
    """The first seeds of all profiles in turn, beside the regressions."""
    found = {(seed, profile) for seed, profile, _ in REGRESSIONS}
    every = (
        (seed, profile)
        for seed in range(1, RUNS_COUNT + 1)
        for profile in PROFILES
        if (seed, profile) not in found
    )
    return [run for run, _ in zip(every, range(RUNS_COUNT - len(found)), strict=False)]


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """The trace says more."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def check(seed: int, profile: str) -> None:
    result = simulate(seed, profile)
    if not result.is_good:
        pytest.fail(describe_failure(result), pytrace=False)
    # A run in which nothing happens shows nothing.
    assert result.certified_height > 0
    assert result.acknowledged_count > 0


@pytest.mark.parametrize(("seed", "profile"), choose_runs())
def test_validators_stay_right_under_faults_and_recover(seed: int, profile: str) -> None:
    check(seed, profile)


@pytest.mark.parametrize(("seed", "profile", "found"), REGRESSIONS)
def test_what_a_seed_once_found_stays_mended(seed: int, profile: str, found: str) -> None:
    check(seed, profile)
