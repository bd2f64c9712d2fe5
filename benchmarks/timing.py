# SPDX-License-Identifier: Apache-2.0
"""How long an operation takes: warm-up, repetitions, the median and its spread.

Rules of this file:
- Inputs are made outside the clock. A sample is a run of operations long enough for the clock
  (`Effort.sample_s`); the first sample warms up and is dropped.
- What only computes is timed by the processor time of this process, so that other work on the
  machine does not count; what waits for a disk or a peer is timed by the wall clock.
- The figure is the median of the samples; its spread is their quartiles, not the extremes, which
  tell of the machine more than of the operation.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

OPERATIONS_COUNT_MAX: Final = 2**24
"""Operations in one sample; nothing measured here is so quick that it needs more."""

Input = TypeVar("Input")


class Clock(Enum):
    """Which time counts."""

    CPU = "cpu"
    WALL = "wall"

    def read_ns(self) -> int:
        """Nanoseconds from a fixed beginning."""
        return time.process_time_ns() if self is Clock.CPU else time.perf_counter_ns()


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    samples_count: int
    sample_s: float
    """A sample has as many operations as take about this long."""
    samples_count_min: int = 3
    budget_s: float = 20.0
    """After this long a measurement ends once it has `samples_count_min` samples."""

    def __post_init__(self) -> None:
        if not 1 <= self.samples_count_min <= self.samples_count or self.sample_s <= 0:
            raise ValueError(f"an effort that measures nothing: {self}")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Samples of one quantity. `median`, `low` and `high` (the quartiles) have its unit."""

    median: float
    low: float
    high: float
    samples_count: int

    def scaled(self, factor: float) -> Measurement:
        """The same in another unit."""
        return Measurement(
            self.median * factor, self.low * factor, self.high * factor, self.samples_count
        )

    def inverted(self, factor: float = 1.0) -> Measurement:
        """`factor` over it: a rate from a duration."""
        return Measurement(
            factor / self.median, factor / self.high, factor / self.low, self.samples_count
        )


def summarise(samples: Sequence[float]) -> Measurement:
    """Median and quartiles of at least one sample."""
    if not samples:
        raise ValueError("no samples")
    if len(samples) == 1:
        return Measurement(samples[0], samples[0], samples[0], 1)
    low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Measurement(median, low, high, len(samples))


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that `percent` of the others are not above (nearest rank)."""
    if not values or not 0 < percent <= 100:
        raise ValueError("a percentile of no values, or none of 1 to 100")
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1]


def sample(
    operation: Callable[[Input], object],
    make_inputs: Callable[[int], Sequence[Input]],
    effort: Effort,
    clock: Clock = Clock.CPU,
) -> list[float]:
    """Seconds of one operation, once for each sample.

    Args:
        operation: what is timed; called with each input once.
        make_inputs: that many inputs, made outside the clock.
        effort: how many samples, and how long each.
        clock: which time counts.
    """
    begin_s = time.monotonic()
    count, duration_s = 1, _run(operation, make_inputs(1), clock)
    while duration_s < effort.sample_s / 4 and count < OPERATIONS_COUNT_MAX:
        count = min(OPERATIONS_COUNT_MAX, _next_count(count, duration_s, effort.sample_s))
        duration_s = _run(operation, make_inputs(count), clock)
    samples: list[float] = []
    while len(samples) < effort.samples_count:
        late = time.monotonic() - begin_s > effort.budget_s
        if late and len(samples) >= effort.samples_count_min:
            break
        samples.append(_run(operation, make_inputs(count), clock) / count)
    return samples


def measure(
    operation: Callable[[], object], effort: Effort, clock: Clock = Clock.CPU
) -> Measurement:
    """Seconds of an operation that may be repeated as it is."""

    def call(_: None) -> object:
        return operation()

    return summarise(sample(call, lambda count: [None] * count, effort, clock))


def measure_each(
    operation: Callable[[Input], object],
    make_inputs: Callable[[int], Sequence[Input]],
    effort: Effort,
    clock: Clock = Clock.CPU,
) -> Measurement:
    """Seconds of an operation that needs a fresh input every time."""
    return summarise(sample(operation, make_inputs, effort, clock))


def _next_count(count: int, duration_s: float, sample_s: float) -> int:
    """How many operations to try next: towards a sample, at most sixteen times as many."""
    if duration_s <= 0:
        return count * 16
    return max(count + 1, min(count * 16, int(count * sample_s / duration_s)))


def _run(operation: Callable[[Input], object], inputs: Sequence[Input], clock: Clock) -> float:
    gc.collect()
    begin_ns = clock.read_ns()
    for value in inputs:
        operation(value)
    return (clock.read_ns() - begin_ns) / 1e9
