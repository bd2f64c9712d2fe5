# SPDX-License-Identifier: Apache-2.0
"""Results and the JSON file that holds those of one run.

`{commit, machine, results: [{workload, parameters, metric, value, unit, limit_name, limit_value,
ratio}]}`; each result also has its quartiles `low` and `high` and the number of samples. `ratio` is
value ÷ limit, both in `unit`; where no limit of the machine says anything about a metric, the three
are null. A metric with a unit per second is better when higher, every other one when lower.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

from benchmarks.timing import Measurement

FILE_SIZE_MAX: Final = 16 * 1024 * 1024
RESULTS_COUNT_MAX: Final = 10_000

Parameter = str | int | bool


class BenchmarkFileError(ValueError):
    """A file that holds no results, or not in this form; the text says what and where."""


@dataclass(frozen=True, slots=True)
class Result:
    """One metric of one workload."""

    workload: str
    parameters: Mapping[str, Parameter]
    metric: str
    value: float
    unit: str
    limit_name: str | None = None
    limit_value: float | None = None
    ratio: float | None = None
    low: float = 0.0
    high: float = 0.0
    samples: int = 1

    @property
    def identity(self) -> str:
        """What tells it from every other result of a run."""
        return f"{self.workload} ({self.describe_parameters()}) {self.metric}"

    def describe_parameters(self) -> str:
        """`keys=10000, batch=1`."""
        return ", ".join(f"{name}={value}" for name, value in self.parameters.items())

    @property
    def is_higher_better(self) -> bool:
        return self.unit.endswith("/s")


@dataclass(frozen=True, slots=True)
class Run:
    """All results of one run, and where they come from."""

    commit: str
    machine: Mapping[str, Any]
    results: tuple[Result, ...]

    def find_workload(self, workload: str) -> list[Result]:
        """All results of a workload."""
        return [result for result in self.results if result.workload == workload]

    def find(self, workload: str, metric: str, **parameters: Parameter) -> list[Result]:
        """The results of a workload's metric whose parameters include these."""
        return [
            result
            for result in self.results
            if result.workload == workload
            and result.metric == metric
            and all(result.parameters.get(name) == parameters[name] for name in parameters)
        ]


@dataclass(frozen=True, slots=True)
class Figure:
    """What a workload found, before it is put beside a limit."""

    workload: str
    metric: str
    measured: Measurement | float
    """In `unit`; a bare number is its own spread."""
    unit: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])
    limit: str | None = None
    limit_count: int = 1
    """A duration is compared with this many operations of the limit, one after the other."""


def make_result(figure: Figure, limit_value: Callable[[str, str, int], float]) -> Result:
    """A figure beside its limit.

    `limit_value` gives a limit from its name, a unit and how many operations.
    """
    measured = figure.measured
    if not isinstance(measured, Measurement):
        measured = Measurement(measured, measured, measured, 1)
    result = Result(
        workload=figure.workload,
        parameters=dict(figure.parameters),
        metric=figure.metric,
        value=measured.median,
        unit=figure.unit,
        low=measured.low,
        high=measured.high,
        samples=measured.samples_count,
    )
    if figure.limit is None:
        return result
    value = limit_value(figure.limit, figure.unit, figure.limit_count)
    count = "" if figure.limit_count == 1 else f"{figure.limit_count} × "
    return replace(
        result,
        limit_name=count + figure.limit,
        limit_value=value,
        ratio=measured.median / value,
    )


def encode_run(run: Run) -> bytes:
    """The file of a run."""
    document = {
        "commit": run.commit,
        "machine": run.machine,
        "results": [_encode_result(result) for result in run.results],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def decode_run(data: bytes) -> Run:
    """Read the file of a run. Raises BenchmarkFileError."""
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BenchmarkFileError(f"no JSON: {error}") from None
    if not isinstance(document, dict):
        raise BenchmarkFileError("an object with commit, machine and results is expected")
    members = cast("dict[str, object]", document)
    commit, machine, results = (members.get(name) for name in ("commit", "machine", "results"))
    if not isinstance(commit, str) or not isinstance(machine, dict):
        raise BenchmarkFileError("commit (a text) and machine (an object) are expected")
    if not isinstance(results, list):
        raise BenchmarkFileError("results is no list")
    rows = cast("list[object]", results)
    if len(rows) > RESULTS_COUNT_MAX:
        raise BenchmarkFileError(f"more than {RESULTS_COUNT_MAX} results")
    run = Run(
        commit,
        cast("dict[str, Any]", machine),
        tuple(_decode_result(row, f"results[{at}]") for at, row in enumerate(rows)),
    )
    seen: set[str] = set()
    for result in run.results:
        if result.identity in seen:
            raise BenchmarkFileError(f"{result.identity} is there twice")
        seen.add(result.identity)
    return run


def read_run(path: Path) -> Run:
    """Read a file of results. Raises BenchmarkFileError, also when the file cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_SIZE_MAX + 1)
    except OSError as error:
        raise BenchmarkFileError(f"{path}: {error.strerror}") from None
    if len(data) > FILE_SIZE_MAX:
        raise BenchmarkFileError(f"{path}: longer than {FILE_SIZE_MAX} bytes")
    try:
        return decode_run(data)
    except BenchmarkFileError as error:
        raise BenchmarkFileError(f"{path}: {error}") from None


def _encode_result(result: Result) -> dict[str, Any]:
    members = asdict(result)
    for name in ("value", "limit_value", "ratio", "low", "high"):
        members[name] = _rounded(members[name])
    return members


def _rounded(value: float | None) -> float | None:
    """Six significant digits: more is noise."""
    return value if value is None else float(f"{value:.6g}")


def _decode_result(row: object, where: str) -> Result:
    if not isinstance(row, dict):
        raise BenchmarkFileError(f"{where}: an object is expected")
    members = cast("dict[str, object]", row)
    parameters = members.get("parameters")
    if not isinstance(parameters, dict) or not all(
        isinstance(value, str | int) for value in cast("dict[str, object]", parameters).values()
    ):
        raise BenchmarkFileError(f"{where}.parameters: an object of texts and numbers is expected")
    texts = [_text(members, name, where) for name in ("workload", "metric", "unit")]
    value = _number(members, "value", where)
    limit_name = members.get("limit_name")
    limit_value = ratio = None
    if limit_name is not None:
        limit_name = _text(members, "limit_name", where)
        limit_value = _number(members, "limit_value", where)
        ratio = _number(members, "ratio", where)
    samples = members.get("samples", 1)
    return Result(
        workload=texts[0],
        parameters=cast("dict[str, Parameter]", parameters),
        metric=texts[1],
        value=value,
        unit=texts[2],
        limit_name=limit_name,
        limit_value=limit_value,
        ratio=ratio,
        low=_number(members, "low", where, value),
        high=_number(members, "high", where, value),
        samples=samples if isinstance(samples, int) else 1,
    )


def _text(members: Mapping[str, object], name: str, where: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise BenchmarkFileError(f"{where}.{name}: a text is expected")
    return value


def _number(
    members: Mapping[str, object], name: str, where: str, default: float | None = None
) -> float:
    value = members.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BenchmarkFileError(f"{where}.{name}: a number is expected")
    return float(value)
