# SPDX-License-Identifier: Apache-2.0
"""The credentials of the benchmark are real: issued on a node, each valid, no two alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.timing import Effort, Measurement
from benchmarks.workload import Context
from benchmarks.workloads import credential

pytestmark = pytest.mark.serial

TINY = Effort(samples_count=1, sample_s=0.001, samples_count_min=1, budget_s=0.1)


def test_every_figure_of_the_workload(tmp_path: Path) -> None:
    context = Context(tmp_path, TINY, is_quick=True, note=str.lower)
    figures = list(credential.run(context))
    found = [(figure.metric, figure.parameters.get("start")) for figure in figures]
    assert found == [
        ("issue", None),
        ("verify", "cold"),
        ("verify-cpu", "cold"),
        ("verify", "warm-asking"),
        ("verify-cpu", "warm-asking"),
        ("verify", "warm"),
    ]
    measured = [figure.measured for figure in figures]
    assert all(isinstance(each, Measurement) and each.median > 0 for each in measured)
    assert list(tmp_path.iterdir()) == []


def test_drafts_differ() -> None:
    from datetime import date

    maker = credential.DraftMaker(1, date(2026, 3, 2))
    made = maker.make(20)
    assert len({record_id for record_id, _ in made}) == 20
    assert len({json.dumps(dict(draft.values), default=str) for _, draft in made}) > 15
