# SPDX-License-Identifier: Apache-2.0
"""Verification: the dates of a document against each other. Signing early is an attack: it makes a
document seem older than the end of a key.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sdk.results import Verdict
from sdk.verification.checks import SIGNED_EARLY_MS_MAX
from tests.support.issuing_world import IssuingWorld, code_of, outcomes

ISSUED = datetime(2026, 5, 20, 8, 30, tzinfo=UTC)
TOLERANCE = timedelta(milliseconds=SIGNED_EARLY_MS_MAX)


@pytest.fixture
def world() -> IssuingWorld:
    return IssuingWorld()


def test_signed_before_it_was_issued_is_malformed(world: IssuingWorld) -> None:
    assert world.verify(world.issue(created=ISSUED - TOLERANCE)).valid
    report = world.verify(world.issue(created=ISSUED - TOLERANCE - timedelta(seconds=1)))
    assert (report.verdict, report.code) == (Verdict.INVALID, "MALFORMED")
    assert outcomes(report)["validity"] == "fail"
    assert "contradict" in report.summary


def test_signed_before_it_was_assessed_is_malformed(world: IssuingWorld) -> None:
    """The day of the assessment begins at 22:00 UTC of the eve."""
    begin = datetime(2026, 5, 19, 22, tzinfo=UTC)
    assert world.verify(world.issue(assessed="2026-05-20", issued=begin)).valid
    early = begin - timedelta(seconds=1)
    report = world.verify(world.issue(assessed="2026-05-20", issued=begin, created=early))
    assert (report.code, code_of(report, "validity")) == ("MALFORMED", "MALFORMED")
    assert "assessed on 20 May 2026" in report.summary
