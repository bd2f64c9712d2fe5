# SPDX-License-Identifier: Apache-2.0
"""Two runs against each other: what became slower, by ratio to the machine's limits.

Only ratios are judged: they mean the same on a machine that is faster or busier. A figure has
regressed when its ratio is worse by more than the tolerance and the quartiles of the two, each put
beside its own limit, do not overlap: a machine's noise alone is no regression.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.report import format_number, format_ratio
from benchmarks.results import Result, Run

TOLERANCE: Final = 0.15


class Change(Enum):
    """What happened to a figure."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in both runs. `factor` is new ratio ÷ old ratio."""

    change: Change
    old: Result | None
    new: Result | None
    factor: float | None = None

    @property
    def identity(self) -> str:
        result = self.new or self.old
        return result.identity if result else ""


def compare(old: Run, new: Run, tolerance: float = TOLERANCE) -> list[Comparison]:
    """All figures with a ratio in either run, in the order of the new one, then what is gone."""
    return list(_compare(old, new, tolerance))


def _compare(old: Run, new: Run, tolerance: float) -> Iterator[Comparison]:
    before = {each.identity: each for each in old.results if each.ratio is not None}
    after = {each.identity: each for each in new.results if each.ratio is not None}
    for identity, result in after.items():
        known = before.get(identity)
        if known is None or known.limit_name != result.limit_name:
            yield Comparison(Change.ADDED, None, result)
        else:
            yield _judge(known, result, tolerance)
    for identity, result in before.items():
        if identity not in after:
            yield Comparison(Change.REMOVED, result, None)


def _judge(old: Result, new: Result, tolerance: float) -> Comparison:
    if not old.ratio or not new.ratio:
        return Comparison(Change.SAME, old, new)
    factor = new.ratio / old.ratio
    change = Change.SAME
    if not _is_overlapping(_spread(old), _spread(new)):
        worsening = 1 / factor if new.is_higher_better else factor
        if worsening > 1 + tolerance:
            change = Change.WORSE
        elif worsening < 1 / (1 + tolerance):
            change = Change.BETTER
    return Comparison(change, old, new, factor)


def _spread(result: Result) -> tuple[float, float]:
    limit = result.limit_value or 1.0
    return result.low / limit, result.high / limit


def _is_overlapping(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def print_comparison(comparisons: list[Comparison], console: Console) -> None:
    """What changed, worst first; figures that stayed are counted."""
    table = Table(box=box.SIMPLE)
    for name in ("", "figure"):
        table.add_column(name)
    for name in ("old", "new", "ratio old", "ratio new", "factor"):
        table.add_column(name, justify="right")
    styles = {Change.WORSE: "bold red", Change.BETTER: "green"}
    order = [Change.WORSE, Change.BETTER, Change.ADDED, Change.REMOVED]
    for change in order:
        for each in comparisons:
            if each.change is not change:
                continue
            table.add_row(
                change.value,
                each.identity,
                *(_value(each.old), _value(each.new)),
                *(format_ratio(_ratio(each.old)), format_ratio(_ratio(each.new))),
                "" if each.factor is None else f"{each.factor:.2f}",
                style=styles.get(change),
            )
    if table.row_count:
        console.print(table)
    counts = {change: sum(each.change is change for each in comparisons) for change in Change}
    console.print(", ".join(f"{counts[change]} {change.value}" for change in Change))


def _ratio(result: Result | None) -> float | None:
    return result.ratio if result else None


def _value(result: Result | None) -> str:
    return f"{format_number(result.value)} {result.unit}" if result else ""
