# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from benchmarks.bars import (
    BARS,
    CLUSTER_LATENCY_BARS,
    CLUSTER_WRITES_BAR,
    CREDENTIAL_BAR,
    WRITES_BAR,
    Bar,
)
from benchmarks.limits import ORDER_FLOOR_BLS, ORDER_FLOOR_ED25519
from benchmarks.report import format_number, format_ratio, print_report
from benchmarks.results import Parameter, Result, Run

MACHINE: dict[str, Any] = {
    "processor": "Sample CPU",
    "cores": 2,
    "memory_bytes": 8 * 2**30,
    "python": "CPython 3.11",
    "file_system": "ext4",
    "load_average": 0.1,
    "load_average_after": 0.2,
    "quick": False,
    "drift": 1.0,
    "contention": 1.02,
}


def throughput(writes: float, operation: str, in_flight: int = 256) -> Result:
    return Result(
        workload="writes",
        parameters={"in_flight": in_flight, "operation": operation},
        metric="throughput",
        value=writes,
        unit="writes/s",
        limit_name="ed25519-verify",
        limit_value=20_000.0,
        ratio=writes / 20_000.0,
    )


def verification(ratio: float, start: str) -> Result:
    parameters: dict[str, Parameter] = {"start": start}
    return Result(
        "credential", parameters, "verify", ratio * 50, "µs", "ed25519-verify", 50.0, ratio
    )


def cluster(metric: str, value: float, validators: int, in_flight: int, floor: str) -> Result:
    parameters: dict[str, Parameter] = {"validators": validators, "in_flight": in_flight}
    return Result("cluster", parameters, metric, value, "writes/s", floor, 2.0, value / 2.0)


def render(*results: Result, commit: str = "abc", **machine: Any) -> str:
    text = StringIO()
    print_report(Run(commit, MACHINE | machine, results), Console(file=text, width=160))
    return text.getvalue()


def test_a_bar_is_judged_by_the_worst_figure_it_speaks_of() -> None:
    run = Run("c", {}, (throughput(1200, "publish"), throughput(900, "status")))
    judgement = WRITES_BAR.judge(run)
    assert judgement is not None
    assert not judgement.is_met
    assert judgement.worst.parameters["operation"] == "status"
    assert judgement.judged == pytest.approx(0.045)


def test_a_bar_is_met_at_its_bound() -> None:
    low = WRITES_BAR.judge(Run("c", {}, (throughput(1000, "publish"),)))
    high = CREDENTIAL_BAR.judge(Run("c", {}, (verification(8.0, "warm"),)))
    assert low is not None
    assert low.is_met
    assert high is not None
    assert high.is_met


def test_a_bar_from_above_is_missed_above() -> None:
    run = Run("c", {}, (verification(8.01, "warm"), verification(1.0, "cold")))
    judgement = CREDENTIAL_BAR.judge(run)
    assert judgement is not None
    assert not judgement.is_met


def test_figures_with_other_parameters_do_not_count() -> None:
    run = Run("c", {}, (throughput(10, "publish", in_flight=1), verification(50, "cold")))
    assert all(bar.judge(run) is None for bar in BARS)


def test_a_bar_without_a_limit_is_judged_by_the_figure_itself() -> None:
    four = cluster("throughput", 10, 4, 256, "ed25519-verify")
    few = cluster("throughput", 10, 3, 64, "ed25519-verify")
    enough = cluster("throughput", 700, 3, 256, "ed25519-verify")
    assert CLUSTER_WRITES_BAR.judge(Run("c", {}, (four, few))) is None
    met = CLUSTER_WRITES_BAR.judge(Run("c", {}, (four, few, enough)))
    assert met is not None
    assert (met.is_met, met.judged, met.worst) == (True, 700, enough)
    assert "700, at least 700" in render(enough)
    missed = render(enough, cluster("throughput", 699, 3, 256, "ed25519-verify"))
    assert "NOT MET" in missed
    assert "699, at least 700" in missed


@pytest.mark.parametrize(
    ("bar", "floor"),
    list(zip(CLUSTER_LATENCY_BARS, (ORDER_FLOOR_BLS, ORDER_FLOOR_ED25519), strict=True)),
)
def test_one_client_is_judged_by_the_floor_of_its_scheme(bar: Bar, floor: str) -> None:
    (other,) = {ORDER_FLOOR_BLS, ORDER_FLOOR_ED25519} - {floor}
    ignored = (
        cluster("latency-p50", 100, 3, 1, other),
        cluster("latency-p50", 100, 3, 16, floor),
        cluster("latency-p50", 100, 4, 1, floor),
    )
    assert bar.judge(Run("c", {}, ignored)) is None
    for latency, is_met in ((12.0, True), (12.2, False)):
        judgement = bar.judge(
            Run("c", {}, (*ignored, cluster("latency-p50", latency, 3, 1, floor)))
        )
        assert judgement is not None
        assert judgement.is_met is is_met


def test_the_report_says_met_not_met_and_not_measured() -> None:
    assert "not measured" in render(throughput(2000, "publish", in_flight=1))
    met = render(throughput(2000, "publish"))
    assert "NOT MET" not in met
    assert "10 %, at least 5 %" in met
    assert "NOT MET" in render(throughput(200, "publish"))


def test_the_report_shows_value_unit_limit_and_ratio() -> None:
    text = render(verification(6.5, "warm"))
    assert "325" in text
    assert "6.5 ×" in text
    assert "ed25519-verify" in text
    assert "start=warm" in text


@pytest.mark.parametrize(
    ("machine", "note"),
    [
        ({"quick": True}, "quick run"),
        ({"drift": 1.3}, "speed changed"),
        ({"contention": 1.4}, "others used the machine"),
    ],
)
def test_what_weakens_a_run_is_said(machine: dict[str, Any], note: str) -> None:
    assert note in render(**machine)
    assert note not in render()


def test_a_dirty_checkout_is_said() -> None:
    assert "differ from the commit" in render(commit="abc-dirty")


def test_a_machine_that_tells_little_is_reported_all_the_same() -> None:
    text = StringIO()
    print_report(Run("c", {}, ()), Console(file=text, width=100))
    assert "commit c" in text.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.3579, "0.358"), (12.34, "12.3"), (434.4, "434"), (1234.5, "1,234")],
)
def test_numbers(value: float, text: str) -> None:
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(None, ""), (0.0523, "5.23 %"), (1.57, "1.57 ×"), (2000.0, "2,000 ×")]
)
def test_ratios(ratio: float | None, text: str) -> None:
    assert format_ratio(ratio) == text
