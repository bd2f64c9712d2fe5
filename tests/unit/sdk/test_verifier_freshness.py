# SPDX-License-Identifier: Apache-2.0
"""The verifier when facts are old, or when there is nobody to ask."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sdk.credentials.status_list import REVOCATION
from sdk.errors import UnavailableError
from sdk.policy import HEAD_AGE_MAX, Policy
from sdk.results import Verdict
from tests.support.issuing_world import IssuingWorld, code_of


@pytest.fixture
def world() -> IssuingWorld:
    return IssuingWorld()


@pytest.mark.parametrize(
    ("age", "outcome", "words"),
    [
        (timedelta(seconds=59), "pass", ", less than a minute old"),
        (HEAD_AGE_MAX, "pass", ", 10 minutes old"),
        (timedelta(minutes=12), "warn", ", 12 minutes old: the network stands still, or "),
        (timedelta(days=6), "warn", ", 6 days old: the network stands still, or "),
    ],
)
def test_facts_from_the_network_that_are_not_of_the_last_minutes_are_a_warning(
    world: IssuingWorld, age: timedelta, outcome: str, words: str
) -> None:
    document = world.issue()
    world.clock_ms = world.world.time + age // timedelta(milliseconds=1)
    for policy in (None, Policy(warnings_fail=True)):
        world.verifier = world.make_verifier(policy)
        report = world.verify(document)
        assert report.valid
        assert ("as known" in report.summary) is (outcome == "warn")
        freshness = next(check for check in report.checks if check.name == "freshness")
        assert freshness.outcome == outcome
        assert words in freshness.text


def test_facts_older_than_accepted_leave_it_unknown(world: IssuingWorld) -> None:
    document = world.issue()
    world.clock_ms = world.world.time + timedelta(days=8) // timedelta(milliseconds=1)
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.UNKNOWN, "STATUS_TOO_OLD")
    assert "8 days" in report.summary
    assert not report
    world.verifier = world.make_verifier(Policy(max_age=timedelta(days=9)))
    assert world.verify(document).valid


def test_what_is_revoked_stays_invalid_however_old_the_facts(world: IssuingWorld) -> None:
    document = world.issue()
    world.set_status(REVOCATION)
    world.clock_ms = world.world.time + timedelta(days=8) // timedelta(milliseconds=1)
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "REVOKED")
    assert code_of(report, "freshness") == "STATUS_TOO_OLD"


def test_without_connection_it_is_neither_valid_nor_invalid(world: IssuingWorld) -> None:
    document = world.issue()
    world.reader.is_reachable = False
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.UNKNOWN, "NO_CONNECTION")
    assert report.facts_from == "none"
    assert report.claims == {}
    assert report.to_text().startswith("CANNOT TELL")
    assert world.verify(b"{}").verdict is Verdict.INVALID
    freshness = next(check for check in report.checks if check.name == "freshness")
    assert freshness.evidence == {"error": "NOT_REACHABLE", "error_text": "nobody answers"}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ANSWER_TOO_LARGE", "too much for one answer"),
        ("STATE_MOVING", "changed while it was read"),
        ("NODE_FAULT", "no node does its work"),
    ],
)
def test_an_answer_that_fails_for_another_reason_is_called_by_it(
    world: IssuingWorld, code: str, words: str
) -> None:
    document = world.issue()
    world.reader.error = UnavailableError("VALID\x1b[2J\u202e!", code=code, remedy="Do this.")
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.UNKNOWN, "NO_CONNECTION")
    assert words in report.summary
    assert "No connection" not in report.to_text()
    assert report.next_step == "Do this."
    freshness = next(check for check in report.checks if check.name == "freshness")
    assert freshness.evidence["error"] == code
    # A node may have written that text: it is no word of the report.
    assert freshness.evidence["error_text"] == "VALID\ufffd[2J\ufffd!"
    assert "VALID" not in report.to_text()
