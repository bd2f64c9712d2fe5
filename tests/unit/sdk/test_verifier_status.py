# SPDX-License-Identifier: Apache-2.0
"""Verification: revocation, suspension, dates, and questions about another day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from ledger.model.identifiers import resource_url
from ledger.model.operations import (
    StatusPurpose,
)
from sdk.credentials.jcs import canonicalize
from sdk.credentials.status_list import MESSAGE, REVOCATION, SUSPENSION, StatusEntry
from sdk.errors import CallerError
from sdk.results import Verdict
from tests.support.issuing_world import (
    INDEX,
    IssuingWorld,
    code_of,
    moved,
    outcomes,
    without,
)

ISSUED = datetime(2026, 5, 20, 8, 30, tzinfo=UTC)


@pytest.fixture
def world() -> IssuingWorld:
    return IssuingWorld()


# ---- status


def test_revoked_tells_the_day_and_by_whom_but_no_reason(world: IssuingWorld) -> None:
    document = world.issue()
    world.set_status(REVOCATION)
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "REVOKED")
    assert report.summary == "Revoked on 20 May 2026 by Gqeberha Artisan Academy (sample)."
    assert report.claims["family_name"] == "Learner"


def test_suspended_and_reinstated(world: IssuingWorld) -> None:
    document = world.issue()
    world.set_status(SUSPENSION)
    assert world.verify(document).code == "SUSPENDED"
    world.set_status(SUSPENSION, 0, base=1)
    assert world.verify(document).valid


def test_revoked_comes_before_suspended(world: IssuingWorld) -> None:
    document = world.issue()
    world.set_status(SUSPENSION)
    world.set_status(REVOCATION)
    assert world.verify(document).code == "REVOKED"


def test_a_neighbours_revocation_does_not_matter(world: IssuingWorld) -> None:
    document = world.issue()
    for index, base in ((INDEX - 1, 0), (INDEX + 1, 1), (0, 2), (131_071, 3)):
        world.set_status(REVOCATION, index=index, base=base)
    assert world.verify(document).valid


def test_the_day_is_found_among_many_updates(world: IssuingWorld) -> None:
    document = world.issue()
    world.set_status(REVOCATION)
    world.later(3)
    for base in range(1, 40):
        world.set_status(REVOCATION, index=base, base=base)
    report = world.verify(document)
    assert "on 20 May 2026" in report.summary


def test_a_day_too_far_back_is_left_out(
    world: IssuingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdk.verification.ledger_facts.UPDATES_LOOKED_AT_COUNT_MAX", 4)
    monkeypatch.setattr("sdk.verification.ledger_facts.UPDATES_PAGE_COUNT", 2)
    document = world.issue()
    world.set_status(REVOCATION)
    for base in range(1, 10):
        world.set_status(REVOCATION, index=base, base=base)
    assert world.verify(document).summary == "Revoked by Gqeberha Artisan Academy (sample)."
    yesterday = world.verify(document, at=datetime(2026, 5, 20, 8, tzinfo=UTC))
    assert code_of(yesterday, "status") == "STATUS_TOO_OLD"


@pytest.mark.parametrize(
    ("purpose", "fault"),
    [(REVOCATION, "does not exist"), (SUSPENSION, "does not exist")],
)
def test_a_list_that_does_not_exist_is_malformed(
    world: IssuingWorld, purpose: str, fault: str
) -> None:
    entries = world.status_entries()
    url = resource_url(world.world.did("gaa"), bytes(16))
    broken = (*without(entries, purpose), StatusEntry(url, INDEX, purpose))
    report = world.verify(world.issue(status_entries=broken))
    assert (code_of(report, "status"), report.code) == ("MALFORMED", "MALFORMED")
    assert fault in report.checks[6].text


def test_a_list_of_somebody_who_never_revokes_is_refused(world: IssuingWorld) -> None:
    """The attack: point to another organisation's list."""
    report = world.verify(world.issue(status_entries=world.status_entries("qcto")))
    assert code_of(report, "status") == "MALFORMED"
    assert "belongs to another organisation" in report.checks[6].text


def test_a_list_of_another_purpose_is_refused(world: IssuingWorld) -> None:
    """The attack: a suspension list in place of the revocation list."""
    url = resource_url(world.world.did("gaa"), world.lists["gaa", SUSPENSION])
    report = world.verify(world.issue(status_entries=(StatusEntry(url, INDEX, REVOCATION),)))
    assert "has another purpose" in report.checks[6].text
    assert report.code == "MALFORMED"


def test_an_index_beyond_the_list_is_refused(world: IssuingWorld) -> None:
    entries = moved(world.status_entries(), index=131_072)
    assert code_of(world.verify(world.issue(status_entries=entries)), "status") == "MALFORMED"


def test_a_list_that_is_on_no_ledger_is_refused(world: IssuingWorld) -> None:
    entries = (StatusEntry("https://example.org/status/1", INDEX, REVOCATION),)
    assert code_of(world.verify(world.issue(status_entries=entries)), "status") == "MALFORMED"


def test_a_message_list_decides_nothing(world: IssuingWorld) -> None:
    list_id = world.world.create_status_list("gaa", purpose=StatusPurpose.MESSAGE, label="message")
    url = resource_url(world.world.did("gaa"), list_id)
    entries = (*world.status_entries(), StatusEntry(url, 5, MESSAGE))
    assert world.verify(world.issue(status_entries=entries)).valid


def test_a_credential_that_cannot_be_revoked_is_malformed(world: IssuingWorld) -> None:
    for entries in (without(world.status_entries(), REVOCATION), ()):
        report = world.verify(world.issue(status_entries=entries))
        assert (report.verdict, report.code) == (Verdict.INVALID, "MALFORMED")
        assert code_of(report, "status") == "MALFORMED"
    assert world.verify(world.issue(status_entries=world.status_entries()[:1])).valid


@pytest.mark.parametrize("purpose", [REVOCATION, SUSPENSION])
def test_a_second_place_for_one_purpose_is_malformed(world: IssuingWorld, purpose: str) -> None:
    """The attack: a place that is never set in front of, or behind, the one that is."""
    world.set_status(purpose)
    entries = world.status_entries()
    other = next(entry for entry in moved(entries, index=5) if entry.purpose == purpose)
    for named in ((other, *entries), (*entries, other), (entries[0], *entries)):
        report = world.verify(world.issue(status_entries=named))
        assert (report.verdict, report.code) == (Verdict.INVALID, "MALFORMED")


def test_whole_lists_are_read_so_that_nobody_learns_which_entry_is_meant(
    world: IssuingWorld,
) -> None:
    world.verify(world.issue())
    asked = {key for key in world.reader.keys_asked if key.startswith(b"status-chunk\x00")}
    assert len(asked) == 2 * 16


# ---- validity


def test_expired(world: IssuingWorld) -> None:
    document = world.issue(valid_until=datetime(2026, 5, 20, 9, 59, tzinfo=UTC))
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "EXPIRED")
    later = world.issue(valid_until=datetime(2026, 5, 20, 10, 59, tzinfo=UTC))
    assert world.verify(later).valid


def test_dated_in_the_future_is_not_valid_yet(world: IssuingWorld) -> None:
    tomorrow = ISSUED + timedelta(days=1)
    report = world.verify(world.issue(issued=tomorrow))
    assert (report.verdict, report.code) == (Verdict.INVALID, "NOT_YET_VALID")
    assert "21 May 2026" in report.summary
    assert world.verify(world.issue(created=tomorrow)).code == "NOT_YET_VALID"
    assert world.verify(world.issue(issued=tomorrow, created=ISSUED)).code == "NOT_YET_VALID"


@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("name", ["validFrom", "validUntil", "created"])
def test_the_ends_of_the_calendar_break_nothing(
    world: IssuingWorld, name: str, instant: str
) -> None:
    """The attack: an instant whose day at UTC+2 no calendar has."""
    document = json.loads(world.issue(valid_until=ISSUED + timedelta(days=1)))
    holder = document["proof"] if name == "created" else document
    holder[name] = instant
    assert not world.verify(canonicalize(document)), "edited"
    if name != "created":
        report = world.verify(world.sign(document))
        assert report.valid == (name == "validUntil" and instant.startswith("9999"))


def test_assessed_in_the_future_is_not_valid_yet(world: IssuingWorld) -> None:
    document = world.issue(assessed="2026-05-22", issued=ISSUED + timedelta(days=2))
    report = world.verify(document)
    assert report.code == "NOT_YET_VALID"
    assert "assessed on 22 May 2026" in report.summary


def test_a_clock_a_few_minutes_apart_is_no_future(world: IssuingWorld) -> None:
    now = datetime.fromtimestamp(world.world.time / 1000, UTC)
    assert world.verify(world.issue(issued=now + timedelta(minutes=4))).valid
    late = world.verify(world.issue(issued=now + timedelta(minutes=6)))
    assert late.code == "NOT_YET_VALID"


def test_a_slow_clock_does_not_make_the_past_a_future(world: IssuingWorld) -> None:
    world.clock_ms = 0
    assert world.verify(world.issue()).valid


# ---- at: today's records, asked about another day


def test_asked_about_a_day_before_the_revocation(world: IssuingWorld) -> None:
    document = world.issue()
    world.later(2)
    world.set_status(REVOCATION)
    assert world.verify(document).code == "REVOKED"
    report = world.verify(document, at=date(2026, 5, 21))
    assert report.valid
    assert outcomes(report)["status"] == "warn"
    assert "revoked on 22 May 2026" in report.checks[6].text
    assert world.verify(document, at=date(2026, 5, 22)).code == "REVOKED"


def test_asked_about_a_day_of_a_suspension_that_ended(world: IssuingWorld) -> None:
    document = world.issue()
    world.set_status(SUSPENSION)
    world.later(2)
    world.set_status(SUSPENSION, 0, base=1)
    world.later(1)
    assert world.verify(document).valid
    assert world.verify(document, at=date(2026, 5, 21)).code == "SUSPENDED"
    assert world.verify(document, at=date(2026, 5, 22)).valid


def test_asked_about_a_day_before_it_was_issued(world: IssuingWorld) -> None:
    document = world.issue()
    assert world.verify(document, at=date(2026, 5, 19)).code == "NOT_YET_VALID"
    assert world.verify(document, at=date(2026, 5, 20)).valid
    assert world.verify(document, at=datetime(2026, 5, 20, 9, tzinfo=UTC)).valid


def test_asked_about_a_day_after_its_end_and_one_within(world: IssuingWorld) -> None:
    document = world.issue(valid_until=datetime(2026, 5, 21, 9, tzinfo=UTC))
    world.later(10)
    world.set_status(SUSPENSION, index=1)
    assert world.verify(document).code == "EXPIRED"
    assert world.verify(document, at=date(2026, 5, 21)).valid
    assert world.verify(document, at=date(2026, 5, 22)).code == "EXPIRED"


def test_the_future_cannot_be_asked_about(world: IssuingWorld) -> None:
    with pytest.raises(CallerError) as caught:
        world.verify(world.issue(), at=date(2026, 5, 22))
    assert caught.value.code == "AT_IN_FUTURE"
