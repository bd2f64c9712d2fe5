# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results import (
    BenchmarkFileError,
    Figure,
    Result,
    Run,
    decode_run,
    encode_run,
    make_result,
    read_run,
)
from benchmarks.timing import Measurement

RESULT = Result(
    workload="tree",
    parameters={"keys": 10_000, "batch": 1},
    metric="update-per-key",
    value=30.5,
    unit="µs",
    limit_name="sha256-65",
    limit_value=0.5,
    ratio=61.0,
    low=30.0,
    high=31.0,
    samples=7,
)
RUN = Run("0123abcd", {"cores": 2, "quick": True}, (RESULT,))


def limit(name: str, unit: str, count: int) -> float:
    assert (name, unit) == ("ed25519-verify", "µs")
    return 50.0 * count


def document(**changes: Any) -> dict[str, Any]:
    """The file of RUN, with members of its only result changed or (None-able) removed."""
    decoded: dict[str, Any] = json.loads(encode_run(RUN))
    for name, value in changes.items():
        if value is ...:
            del decoded["results"][0][name]
        else:
            decoded["results"][0][name] = value
    return decoded


def test_a_run_is_read_back_as_it_was_written() -> None:
    assert decode_run(encode_run(RUN)) == RUN


def test_the_file_has_the_promised_members() -> None:
    decoded = json.loads(encode_run(RUN))
    assert decoded.keys() == {"commit", "machine", "results"}
    promised = {
        "workload",
        "parameters",
        "metric",
        "value",
        "unit",
        "limit_name",
        "limit_value",
        "ratio",
    }
    assert promised <= decoded["results"][0].keys()


def test_members_beyond_the_promised_ones_may_be_missing() -> None:
    (result,) = decode_run(json.dumps(document(low=..., high=..., samples=...)).encode()).results
    assert (result.low, result.high, result.samples) == (30.5, 30.5, 1)


def test_a_figure_without_limit() -> None:
    result = make_result(Figure("tree", "proof-size", 512.0, "B"), limit)
    assert (result.limit_name, result.limit_value, result.ratio) == (None, None, None)
    assert (result.value, result.low, result.high, result.samples) == (512.0, 512.0, 512.0, 1)
    run = Run("c", {}, (result,))
    assert decode_run(encode_run(run)) == run


def test_the_ratio_is_value_by_limit() -> None:
    figure = Figure(
        "transaction", "check", Measurement(75.0, 70.0, 80.0, 7), "µs", limit="ed25519-verify"
    )
    result = make_result(figure, limit)
    assert result.ratio == 1.5
    assert result.limit_value == 50.0
    assert result.limit_name == "ed25519-verify"
    assert (result.low, result.high, result.samples) == (70.0, 80.0, 7)


def test_a_limit_counted_several_times_says_so() -> None:
    figure = Figure("w", "m", 500.0, "µs", limit="ed25519-verify", limit_count=10)
    result = make_result(figure, limit)
    assert (result.limit_name, result.limit_value, result.ratio) == (
        "10 × ed25519-verify",
        500.0,
        1.0,
    )


def test_only_rates_are_better_when_higher() -> None:
    assert make_result(Figure("w", "m", 1.0, "writes/s"), limit).is_higher_better
    assert not make_result(Figure("w", "m", 1.0, "µs"), limit).is_higher_better
    assert not make_result(Figure("w", "m", 1.0, "B"), limit).is_higher_better


def test_find_by_parameters() -> None:
    assert RUN.find("tree", "update-per-key", keys=10_000) == [RESULT]
    assert RUN.find("tree", "update-per-key", keys=5) == []
    assert RUN.find("tree", "get-proof") == []
    assert RUN.find_workload("tree") == [RESULT]


@pytest.mark.parametrize(
    "changes",
    [
        {"workload": ""},
        {"workload": ...},
        {"metric": 5},
        {"unit": None},
        {"value": "fast"},
        {"value": True},
        {"value": ...},
        {"parameters": [1]},
        {"parameters": {"keys": 1.5}},
        {"limit_name": 7},
        {"limit_value": None},
        {"ratio": ...},
        {"low": "x"},
    ],
)
def test_a_malformed_result_is_refused_and_named(changes: dict[str, Any]) -> None:
    with pytest.raises(BenchmarkFileError, match=r"results\[0\]"):
        decode_run(json.dumps(document(**changes)).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"commit": "c", "machine": {}, "results": {}}',
        b'{"commit": 1, "machine": {}, "results": []}',
        b'{"commit": "c", "machine": [], "results": []}',
        b'{"commit": "c", "machine": {}, "results": [1]}',
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BenchmarkFileError):
        decode_run(data)


def test_infinite_values_are_refused() -> None:
    text = json.dumps(document()).replace("30.5", "1e999")
    with pytest.raises(BenchmarkFileError, match="value"):
        decode_run(text.encode())


def test_a_figure_given_twice_is_refused() -> None:
    with pytest.raises(BenchmarkFileError, match="twice"):
        decode_run(encode_run(Run("c", {}, (RESULT, RESULT))))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkFileError, match=r"nothing\.json"):
        read_run(tmp_path / "nothing.json")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(b"{")
    with pytest.raises(BenchmarkFileError, match=r"damaged\.json"):
        read_run(path)
