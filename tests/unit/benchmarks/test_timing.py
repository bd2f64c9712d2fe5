# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib

import pytest

from benchmarks.timing import (
    Clock,
    Effort,
    Measurement,
    measure,
    measure_each,
    percentile,
    sample,
    summarise,
)

SHORT = Effort(samples_count=3, sample_s=0.002)


def test_summary_is_median_and_quartiles() -> None:
    assert summarise([5.0, 1.0, 3.0, 2.0, 4.0]) == Measurement(3.0, 2.0, 4.0, 5)
    assert summarise([7.0]) == Measurement(7.0, 7.0, 7.0, 1)


def test_no_samples_have_no_summary() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarise([])


def test_an_inverted_measurement_keeps_the_order_of_its_quartiles() -> None:
    rate = Measurement(0.5, 0.25, 1.0, 9).inverted(factor=100)
    assert rate == Measurement(200.0, 100.0, 400.0, 9)


def test_scaled() -> None:
    assert Measurement(1.0, 0.5, 2.0, 3).scaled(1e6) == Measurement(1e6, 5e5, 2e6, 3)


@pytest.mark.parametrize(("percent", "expected"), [(1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)])
def test_percentile_is_the_nearest_rank(percent: int, expected: float) -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, percent) == expected


def test_percentile_of_one_value() -> None:
    assert percentile([4.0], 50) == 4.0


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_percentile_refuses(values: list[float], percent: int) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_each_input_is_used_once_and_made_outside_the_clock() -> None:
    used: list[int] = []
    made: list[int] = []

    def make(count: int) -> list[int]:
        fresh = list(range(len(made), len(made) + count))
        made.extend(fresh)
        return fresh

    measured = measure_each(used.append, make, SHORT)
    assert used == made
    assert measured.samples_count == SHORT.samples_count


def test_samples_grow_until_the_clock_can_see_them() -> None:
    calls: list[int] = []

    def make(count: int) -> list[None]:
        calls.append(count)
        return [None] * count

    sample(lambda _: None, make, SHORT, Clock.WALL)
    *_, last = calls
    assert last > 100  # an operation that does nothing is repeated often
    assert calls[-SHORT.samples_count :] == [last] * SHORT.samples_count


def test_processor_time_does_not_count_waiting() -> None:
    import threading

    never = threading.Event()
    waiting = Effort(samples_count=1, sample_s=0.0002, samples_count_min=1)
    on_wall = measure(lambda: never.wait(0.005), waiting, Clock.WALL)
    on_cpu = measure(lambda: never.wait(0.005), waiting, Clock.CPU)
    assert on_wall.median >= 0.005
    assert on_cpu.median < 0.003


def test_twice_the_work_takes_longer() -> None:
    data = bytes(20_000)
    once = measure(lambda: hashlib.sha256(data).digest(), SHORT)
    five_times = measure(lambda: [hashlib.sha256(data).digest() for _ in range(5)], SHORT)
    assert five_times.median > 2 * once.median > 0


def test_the_budget_ends_a_measurement_early() -> None:
    effort = Effort(samples_count=1000, sample_s=0.001, samples_count_min=2, budget_s=0.0)
    assert measure(lambda: None, effort).samples_count == 2


def test_an_effort_that_measures_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="measures nothing"):
        Effort(samples_count=0, sample_s=1.0)
    with pytest.raises(ValueError, match="measures nothing"):
        Effort(samples_count=5, sample_s=0.0)
