# SPDX-License-Identifier: Apache-2.0
"""Reports in words and as JSON."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product

import pytest

from sdk.errors import CallerError
from sdk.report import Check, VerificationReport, decide
from sdk.results import Verdict
from sdk.verdicts import CHECK_NAMES, VERDICT_TEXTS
from tests.support.issuing_world import IssuingWorld


@cache
def reports() -> dict[str, VerificationReport]:
    world = IssuingWorld()
    document = world.issue(given_name="Thandeka", family_name="Mokoena")
    found = {"valid": world.verify(document)}
    world.reader.is_reachable = False
    world.world.run_block([])
    found["unknown"] = world.verify(document)
    world.reader.is_reachable = True
    world.set_status("revocation")
    world.clock_ms = world.world.time + timedelta(days=2) // timedelta(milliseconds=1)
    found["revoked"] = world.verify(document)
    found["tampered"] = world.verify(document.replace(b'"mark":72', b'"mark":92'))
    return found


VALID = """\
VALID   Statement of results · 91761 Occupational Certificate: Electrician · NQF 4 · 360 credits · 3 modules
        awarded to  Thandeka Mokoena        assessed 14 May 2026   issued 20 May 2026
        by          Gqeberha Artisan Academy (sample) (name vouched by Quality Council for Trades and Occupations)
        Date of birth: 2002-01-06
        Site: 2
        Modules: 671101000-KM-01 72 · 671101000-PM-01 68 · 671101000-WM-01 80
        18 or older on the day of issue: yes
  ok    format        Open Badge 3.0, VCDM 2.0
  ok    signature     made with key issue
  ok    issuer-key    key issue, valid on 20 May 2026
  ok    authority     SAQA > QCTO > GAA: may issue statement of results for 91761 at site 2 on 14 May 2026
  ok    qualification 91761 Occupational Certificate: Electrician, achievable until 30 December 2029
  warn  registered    issue time not proven: the date of issue is the issuer's own word
  ok    status        not revoked, not suspended        as of today 12:00
  ok    validity      from 20 May 2026, without end
  ok    freshness     facts of 20 May 2026, less than a minute old
NOT SHOWN BY THIS CHECK  that the person in front of you is Thandeka Mokoena: compare with an ID document.
        When it was assessed: that day is the issuer's own word, and by it the accreditation is judged.
        When it was issued: that day is the issuer's own word.
        Only the text above is signed. Where the printed page differs, the page is wrong.
"""

REVOKED = """\
INVALID Revoked on 20 May 2026 by Gqeberha Artisan Academy (sample).
        Statement of results · 91761 Occupational Certificate: Electrician · NQF 4 · 360 credits · 3 modules
  ok    format, signature, issuer-key, authority, qualification, validity
  FAIL  status        REVOKED  revoked on 20 May 2026        as of 20 May 2026, 2 days ago
NEXT    Do not rely on it. Ask the candidate; the issuer knows the reason. This is not a finding about a crime.
"""

UNKNOWN = """\
CANNOT TELL  No connection, and this file carries no proof of its own. Neither valid nor invalid.
  ?     freshness     NO_CONNECTION  nothing was there to check it against
NEXT    Try again on line.
"""


@pytest.mark.parametrize(
    ("name", "text"), [("valid", VALID), ("revoked", REVOKED), ("unknown", UNKNOWN)]
)
def test_the_first_word_is_the_verdict(name: str, text: str) -> None:
    assert reports()[name].to_text() == text


def test_nothing_of_a_tampered_document_is_shown() -> None:
    text = reports()["tampered"].to_text()
    assert text.startswith("INVALID The signature does not match the content")
    assert "Nothing in it can be relied on, so nothing of it is shown." in text
    assert "Mokoena" not in text
    assert "72" not in text


def test_json_is_the_same_every_time_and_has_the_promised_fields() -> None:
    report = reports()["valid"]
    assert report.to_json() == report.to_json()
    assert list(json.loads(report.to_json())) == [
        "verdict",
        "code",
        "summary",
        "checks",
        "chain",
        "claims",
        "not_proven",
        "next_step",
        "as_of",
        "facts_from",
    ]
    check = json.loads(report.to_json())["checks"][0]
    assert list(check) == ["name", "outcome", "code", "text", "as_of", "evidence"]
    link = json.loads(report.to_json())["chain"][0]
    assert list(link) == ["did", "name", "power", "scope", "valid", "status_then", "status_now"]


def test_the_report_to_keep_names_no_learner() -> None:
    for report in reports().values():
        kept = report.without_claims()
        assert kept.claims == {}
        assert kept.verdict is report.verdict
        for text in (kept.to_json(), kept.to_text(), kept.summary):
            assert "Mokoena" not in text
            assert "Thandeka" not in text
            assert "2002" not in text


def test_truth_is_only_for_valid() -> None:
    found = {name: bool(report) for name, report in reports().items()}
    assert found == {"valid": True, "unknown": False, "revoked": False, "tampered": False}
    assert all(report.valid == bool(report) for report in reports().values())


def test_other_languages_are_refused() -> None:
    with pytest.raises(CallerError) as caught:
        reports()["valid"].to_text(language="xh")
    assert caught.value.code == "LANGUAGE_UNKNOWN"


def test_checks_stand_in_the_frozen_order() -> None:
    for report in reports().values():
        names = [check.name for check in report.checks]
        assert names == [name for name in CHECK_NAMES if name in names]


def check(outcome: str, code: str | None = None) -> Check:
    return Check("status", outcome, code, "", None, {})  # type: ignore[arg-type]


def test_any_failure_decides_then_anything_unknown() -> None:
    for outcomes in product(("pass", "warn", "fail", "unknown"), repeat=3):
        checks = [check(outcome, f"{outcome}-{n}") for n, outcome in enumerate(outcomes)]
        verdict, code = decide(checks)
        if "fail" in outcomes:
            assert (verdict, code) == (Verdict.INVALID, f"fail-{outcomes.index('fail')}")
        elif "unknown" in outcomes:
            assert (verdict, code) == (Verdict.UNKNOWN, f"unknown-{outcomes.index('unknown')}")
        else:
            assert (verdict, code) == (Verdict.VALID, None)


def test_every_code_of_a_report_has_a_text_and_a_next_step() -> None:
    for report in reports().values():
        for held in report.checks:
            assert held.code is None or held.code in VERDICT_TEXTS
        assert bool(report.next_step) == (not report.valid)
        assert report.summary


def test_as_of_is_the_blocks_time_and_only_where_the_ledger_was_needed() -> None:
    report = reports()["valid"]
    as_of = {held.name: held.as_of for held in report.checks}
    assert as_of["format"] is None
    assert as_of["validity"] is None
    assert as_of["status"] == report.as_of
    assert report.as_of.tzinfo is UTC
    assert reports()["unknown"].as_of > datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", ["valid", "revoked", "tampered", "unknown"])
def test_a_report_survives_the_way_from_a_worker_process(name: str) -> None:
    report = reports()[name]
    for other in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):  # noqa: S301
        assert other == report
        assert other.to_text() == report.to_text()
        assert other.to_json() == report.to_json()
