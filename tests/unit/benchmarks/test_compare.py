# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from benchmarks.compare import Change, Comparison, compare, print_comparison
from benchmarks.results import Result, Run


def result(
    value: float,
    *,
    unit: str = "µs",
    limit: float = 50.0,
    limit_name: str = "ed25519-verify",
    metric: str = "check",
    spread: float = 0.02,
) -> Result:
    return Result(
        workload="transaction",
        parameters={"signers": 1},
        metric=metric,
        value=value,
        unit=unit,
        limit_name=limit_name,
        limit_value=limit,
        ratio=value / limit,
        low=value * (1 - spread),
        high=value * (1 + spread),
        samples=7,
    )


def judge(old: Result, new: Result, tolerance: float = 0.15) -> Comparison:
    (comparison,) = compare(Run("a", {}, (old,)), Run("b", {}, (new,)), tolerance)
    return comparison


def test_a_longer_time_is_worse_and_a_shorter_one_better() -> None:
    assert judge(result(100), result(130)).change is Change.WORSE
    assert judge(result(130), result(100)).change is Change.BETTER
    assert judge(result(100), result(130)).factor == pytest.approx(1.3)


def test_a_lower_rate_is_worse_and_a_higher_one_better() -> None:
    assert judge(result(1300, unit="writes/s"), result(1000, unit="writes/s")).change is (
        Change.WORSE
    )
    assert judge(result(1000, unit="writes/s"), result(1300, unit="writes/s")).change is (
        Change.BETTER
    )


def test_within_the_tolerance_is_the_same() -> None:
    assert judge(result(100), result(112)).change is Change.SAME
    assert judge(result(100), result(112), 0.05).change is Change.WORSE


def test_a_slower_machine_is_no_regression() -> None:
    assert judge(result(100, limit=50), result(200, limit=100)).change is Change.SAME


def test_a_faster_machine_hides_no_regression() -> None:
    assert judge(result(100, limit=50), result(100, limit=25)).change is Change.WORSE


def test_noise_wider_than_the_difference_is_no_regression() -> None:
    assert judge(result(100, spread=0.3), result(130, spread=0.3)).change is Change.SAME


def test_figures_of_one_run_only() -> None:
    old, new = result(1, metric="gone"), result(1, metric="new")
    comparisons = compare(Run("a", {}, (old,)), Run("b", {}, (new,)))
    assert [(each.change, each.identity) for each in comparisons] == [
        (Change.ADDED, new.identity),
        (Change.REMOVED, old.identity),
    ]


def test_a_figure_with_another_limit_is_not_compared() -> None:
    assert judge(result(100), result(300, limit_name="bls-verify")).change is Change.ADDED


def test_figures_without_a_ratio_are_not_judged() -> None:
    bare = Result("tree", {}, "proof-size", 512.0, "B")
    assert compare(Run("a", {}, (bare,)), Run("b", {}, (bare,))) == []


def test_the_table_shows_what_changed_and_counts_the_rest() -> None:
    old = (result(100), result(100, metric="other"))
    new = (result(200), result(100, metric="other"))
    text = StringIO()
    print_comparison(compare(Run("a", {}, old), Run("b", {}, new)), Console(file=text, width=140))
    assert "transaction (signers=1) check" in text.getvalue()
    assert "other" not in text.getvalue()
    assert "1 worse, 0 better, 1 same, 0 added, 0 removed" in text.getvalue()
