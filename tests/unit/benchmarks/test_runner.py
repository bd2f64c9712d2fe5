# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

import benchmarks.__main__ as command
from benchmarks import runner
from benchmarks.limits import (
    CONTENTION,
    ED25519_VERIFY,
    FDATASYNC,
    FDATASYNC_BLOCK,
    FLOORS,
    GRPC_UNARY,
    LEVELDB_BATCH,
    ORDER_FLOOR_BLS,
    ORDER_FLOOR_ED25519,
    WRITE_FLOOR,
    WRITE_FLOOR_PARTS,
    Limits,
)
from benchmarks.machine import describe_commit, describe_machine
from benchmarks.results import Figure, Run, encode_run, read_run
from benchmarks.runner import WORKLOADS, UnknownWorkloadError, run_workloads, select_workloads
from benchmarks.timing import Effort
from benchmarks.workload import Context, Workload

TINY = Effort(samples_count=2, sample_s=0.001, samples_count_min=1)


class FixedLimits(Limits):
    """Every limit takes a millisecond; nothing is measured."""

    def __enter__(self) -> Self:
        return self

    def measure_all(self) -> None:
        for name in {ED25519_VERIFY}.union(*FLOORS.values()):
            self._samples[name] = [0.001]
        self._samples[CONTENTION] = [1.5]

    def probe(self, effort: Effort | None = None) -> None:
        self._samples[ED25519_VERIFY].append(0.001)


@pytest.fixture
def fixed_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "Limits", FixedLimits)


def measure_sample(context: Context) -> Iterator[Figure]:
    """A workload for these tests.

    It finds what it is told.
    """
    (context.directory / "store").write_bytes(b"left behind")
    yield Figure("sample", "cost", 4.0, "ms", {"quick": context.is_quick}, ED25519_VERIFY)
    yield Figure("sample", "rate", 50.0, "writes/s", {}, ED25519_VERIFY)


SAMPLE = Workload("sample", measure_sample)


def run_sample(directory: Path, note: Callable[[str], object] = str.lower) -> Run:
    return run_workloads(
        [SAMPLE],
        is_quick=True,
        directory=directory,
        note=note,
    )


@pytest.mark.usefixtures("fixed_limits")
def test_figures_stand_beside_the_limits_of_the_same_run(tmp_path: Path) -> None:
    notes: list[str] = []
    run = run_sample(tmp_path, notes.append)
    (cost,) = run.find("sample", "cost", quick=True)
    assert (cost.limit_value, cost.ratio) == (1.0, 4.0)
    (rate,) = run.find("sample", "rate")
    assert (rate.limit_value, rate.ratio) == (1000.0, 0.05)
    assert run.find("limit", ED25519_VERIFY)[0].value == 1000.0
    assert run.machine["quick"] is True
    assert run.machine["drift"] == 1.0
    assert run.machine["contention"] == 1.5
    assert "sample" in notes


@pytest.mark.usefixtures("fixed_limits")
def test_a_run_leaves_nothing_behind(tmp_path: Path) -> None:
    run_sample(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("fixed_limits")
def test_the_floor_of_a_write_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    run = run_sample(tmp_path)
    (floor,) = run.find("limit", WRITE_FLOOR)
    assert floor.value == pytest.approx(1000.0 * sum(WRITE_FLOOR_PARTS.values()))


@pytest.mark.parametrize(
    ("floor", "signatures"),
    [
        (ORDER_FLOOR_BLS, ("bls-sign", "bls-verify")),
        (ORDER_FLOOR_ED25519, ("ed25519-sign", "ed25519-verify", "ed25519-verify")),
    ],
)
def test_the_floor_of_an_order_is_syncs_round_trips_a_vote_and_a_certificate(
    floor: str, signatures: tuple[str, ...], tmp_path: Path
) -> None:
    with Limits(tmp_path, TINY, seed=1) as limits:
        limits.measure_all()
        expected = 3 * limits.seconds(FDATASYNC_BLOCK) + 3 * limits.seconds(GRPC_UNARY)
        expected += sum(limits.seconds(name) for name in signatures)
        assert limits.seconds(floor) == pytest.approx(expected)
        assert limits.value(floor, "ms") == pytest.approx(expected * 1000)
        (shown,) = (figure for figure in limits.figures() if figure.metric == floor)
        assert shown.measured == pytest.approx(expected * 1e6)


def test_limits_are_measured_and_leave_nothing_behind(tmp_path: Path) -> None:
    with Limits(tmp_path, TINY, seed=1) as limits:
        limits.measure_all()
        figures = {figure.metric: figure for figure in limits.figures()}
        limits.probe()
    verify = limits.seconds(ED25519_VERIFY)
    assert 1e-6 < verify < 1e-2
    assert limits.value(ED25519_VERIFY, "µs", 10) == pytest.approx(verify * 1e7)
    assert limits.value(ED25519_VERIFY, "writes/s") == pytest.approx(1 / verify)
    assert {*WRITE_FLOOR_PARTS, FDATASYNC, GRPC_UNARY, LEVELDB_BATCH} <= figures.keys()
    assert CONTENTION not in figures
    assert limits.contention > 0.9
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError):
        limits.seconds("unknown")


def test_workloads_are_chosen_by_name_in_their_own_order() -> None:
    names = [workload.name for workload in WORKLOADS]
    assert [each.name for each in select_workloads([])] == names
    assert [each.name for each in select_workloads(names[::-1][:2])] == names[-2:]


def test_an_unknown_workload_is_named_with_those_known() -> None:
    with pytest.raises(UnknownWorkloadError, match=f"'nothing'.*{WORKLOADS[0].name}"):
        select_workloads(["nothing"])


def test_every_workload_describes_itself() -> None:
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)
    assert all(len(workload.text) > 20 for workload in WORKLOADS)
    folder = Path(runner.__file__).parent / "workloads"
    for path in folder.glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_the_machine_is_described(tmp_path: Path) -> None:
    machine = describe_machine(tmp_path)
    assert machine["cores"] >= 1
    assert machine["libraries"]["pynacl"]
    assert describe_commit()


# The command ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("fixed_limits")
def test_run_writes_the_file_and_prints_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "WORKLOADS", (SAMPLE,))
    output = tmp_path / "results.json"
    assert command.main(["run", "--quick", "--output", str(output)]) == 0
    assert read_run(output).find("sample", "cost")
    shown = capsys.readouterr().out
    assert "sample" in shown
    assert "bars" in shown
    assert command.main(["report", str(output), "--plots", str(tmp_path / "plots")]) == 0
    assert (tmp_path / "plots" / "sample.svg").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--only", "nothing", "--output", "results.json"],
        ["run", "--output", "missing/results.json"],
        ["run", "--output", "results.json", "--directory", "missing"],
    ],
)
def test_wrong_use_measures_nothing(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Run:
        raise AssertionError("nothing is to be measured")

    monkeypatch.setattr(runner, "run_workloads", refuse)
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["report", "no.json"], ["compare", "no.json", "no.json"]])
def test_an_unreadable_file_is_named(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == 2
    assert "no.json" in capsys.readouterr().err


@pytest.mark.usefixtures("fixed_limits")
def test_compare_fails_on_a_regression_only(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    run = run_sample(tmp_path)
    old.write_bytes(encode_run(run))
    text = old.read_text(encoding="utf-8")
    new.write_text(text.replace('"ratio": 4.0', '"ratio": 5.0').replace("4.0", "5.0"))
    assert command.main(["compare", str(old), str(old)]) == 0
    assert command.main(["compare", str(old), str(new)]) == 1
    assert command.main(["compare", str(old), str(new), "--tolerance", "0.5"]) == 0
    assert command.main(["compare", str(new), str(old)]) == 0


def test_list_names_the_workloads(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(workload.name in shown for workload in WORKLOADS)
