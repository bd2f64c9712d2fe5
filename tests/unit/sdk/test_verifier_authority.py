# SPDX-License-Identifier: Apache-2.0
"""Verification: what is authority, what is registered; each test is named for its case or attack."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from ledger.model.operations import (
    AccreditationReason,
    ReinstateAccreditation,
    ResourceType,
    SuspendAccreditation,
)
from sdk.credentials.status_list import SUSPENSION
from sdk.credentials.template import bundled_template
from sdk.policy import Policy
from sdk.results import Verdict
from tests.support.issuing_world import (
    CERTIFICATE,
    PROVIDER_POWERS,
    QUALIFICATION,
    STATEMENT,
    IssuingWorld,
    code_of,
    outcomes,
)
from tests.support.ledger_execution import ELECTRICIAN, electrician
from tests.support.ledger_world import day

ISSUED = datetime(2026, 5, 20, 8, 30, tzinfo=UTC)


@pytest.fixture
def world() -> IssuingWorld:
    return IssuingWorld()


def renamed(template: str, name: str, **changes: object) -> bytes:
    """A bundled template under another name, with changes."""
    content = json.loads(bundled_template(template))
    return json.dumps(content | {"name": name} | changes).encode()


# ---- authority


def test_withdrawn_since_is_valid_with_a_warning(world: IssuingWorld) -> None:
    document = world.issue()
    world.withdraw(effective="2026-05-21")
    assert outcomes(world.verify(document))["authority"] == "pass"
    world.later(1)
    world.world.run_block([])
    report = world.verify(document)
    assert report.valid
    assert outcomes(report)["authority"] == "warn"
    assert "withdrawn since (last day 20 May 2026, by QCTO)" in report.summary
    assert report.summary.endswith("; what was issued before stays good")
    assert report.chain[-1].status_then == "active"
    assert report.chain[-1].status_now == "withdrawn"


def test_issued_after_the_withdrawal_is_said_and_not_called_issued_before(
    world: IssuingWorld,
) -> None:
    document = world.issue()
    world.withdraw()
    report = world.verify(document)
    assert report.valid
    assert report.summary.endswith(
        "withdrawn since (last day 19 May 2026, by QCTO);"
        " issued after that, on 20 May 2026, for an assessment before it"
    )
    assert "stays good" not in report.to_text()
    assert any(text.startswith("When it was assessed: ") for text in report.not_proven)


def test_issued_during_a_suspension_is_said(world: IssuingWorld) -> None:
    document = world.issue()
    suspend(world, "2026-05-20")
    report = world.verify(document)
    assert report.valid
    assert report.summary.endswith(
        "suspended since 20 May 2026;"
        " issued after that, on 20 May 2026, for an assessment before it"
    )


def test_a_grant_recorded_after_the_assessment_is_valid_with_a_warning() -> None:
    world = IssuingWorld(is_granted=False)
    world.grant(since="2024-02-01")
    report = world.verify(world.issue())
    assert report.valid
    authority = next(check for check in report.checks if check.name == "authority")
    assert (authority.outcome, authority.code) == ("warn", None)
    assert authority.text.endswith("; recorded on 20 May 2026, after the assessment")
    assert outcomes(world.verify(world.issue(assessed="2026-05-20")))["authority"] == "pass"
    # A ledger into which the past was loaded knows all of it only since then.
    strict = world.make_verifier(Policy(warnings_fail=True))
    assert asyncio.run(strict.verify(world.issue())).valid


def test_the_grant_that_was_on_record_at_the_assessment_decides() -> None:
    world = IssuingWorld()
    world.grant(since="2025-02-01", until="2030-01-31")
    assert outcomes(world.verify(world.issue()))["authority"] == "pass"


def test_assessed_on_the_first_day_without_the_power_is_not_valid(world: IssuingWorld) -> None:
    document = world.issue(assessed="2026-05-20")
    assert world.verify(document).valid
    world.withdraw()
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "ACCREDITATION_NOT_VALID_THEN")
    assert report.summary == (
        "Gqeberha Artisan Academy (sample) was not accredited for 91761 at site 2 on 20 May 2026."
    )
    authority = next(check for check in report.checks if check.name == "authority")
    assert authority.text == "accredited 1 February 2024 – 19 May 2026 (withdrawn by QCTO)"
    assert report.claims["family_name"] == "Learner"


def test_the_last_day_with_the_power_still_counts(world: IssuingWorld) -> None:
    document = world.issue(assessed="2026-05-19")
    world.withdraw()
    assert world.verify(document).valid


@pytest.mark.parametrize("assessed", ["2024-01-31", "2010-01-01"])
def test_assessed_before_the_accreditation_is_not_valid(world: IssuingWorld, assessed: str) -> None:
    assert world.verify(world.issue(assessed=assessed)).code == "ACCREDITATION_NOT_VALID_THEN"


def test_assessed_after_the_term_ended_is_not_valid(world: IssuingWorld) -> None:
    world.world.skip_to("2029-03-01")
    document = world.issue(assessed="2029-02-01", issued=datetime(2029, 2, 2, tzinfo=UTC))
    report = world.verify(document)
    assert report.code == "ACCREDITATION_NOT_VALID_THEN"
    assert "31 January 2029" in report.checks[3].text


def test_a_term_that_ended_since_is_no_warning(world: IssuingWorld) -> None:
    document = world.issue()
    world.world.skip_to("2029-03-01")
    world.set_status(SUSPENSION, index=1)  # so that the ledger reaches that day
    report = world.verify(document)
    assert outcomes(report)["authority"] == "pass"
    assert report.chain[-1].status_now == "expired"


def test_withdrawal_from_the_beginning_voids_what_was_issued(world: IssuingWorld) -> None:
    document = world.issue()
    world.withdraw(effective="2024-02-01", ab_initio=True)
    assert world.verify(document).valid, "one party alone cannot undo the past"
    world.withdraw(effective="2024-02-01", by="saqa", version=2, ab_initio=True)
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "ACCREDITATION_VOID")
    assert "withdrawn from its beginning by QCTO" in report.summary


def test_a_void_accreditation_above_voids_what_is_below() -> None:
    world = IssuingWorld(is_granted=False)
    delegated = world.grant("merseta", powers="accredit-provider", sites=[])
    world.world.apply(
        "merseta",
        world.world.grant_operation(
            "gaa", PROVIDER_POWERS, until="2029-01-31", qualifications=[ELECTRICIAN], sites=["2"]
        ),
    )
    document = world.issue()
    report = world.verify(document)
    assert report.valid
    assert [link.name for link in report.chain][2].startswith("merSETA")
    for by, version in (("qcto", 1), ("saqa", 2)):
        world.withdraw(
            grant_id=delegated, effective="2024-02-01", by=by, version=version, ab_initio=True
        )
    report = world.verify(document)
    assert report.code == "ACCREDITATION_VOID"
    assert "the accreditation of MERSETA was withdrawn from its beginning" in report.summary


def suspend(world: IssuingWorld, effective: str, *, version: int = 1) -> None:
    world.world.apply(
        "qcto",
        SuspendAccreditation(
            world.grant_id, version, day(effective), AccreditationReason.NON_COMPLIANCE
        ),
    )


def test_assessed_while_suspended_is_not_valid_and_afterwards_it_is(world: IssuingWorld) -> None:
    suspend(world, "2026-05-20")
    world.later(10)
    issued = ISSUED + timedelta(days=9)
    document = world.issue(assessed="2026-05-25", issued=issued)
    report = world.verify(document)
    assert report.code == "ACCREDITATION_NOT_VALID_THEN"
    assert "suspended since 20 May 2026" in report.checks[3].text
    before = world.verify(world.issue(assessed="2026-05-19", issued=issued))
    assert outcomes(before)["authority"] == "warn"
    assert "suspended since" in before.checks[3].text
    world.world.apply(
        "qcto",
        ReinstateAccreditation(world.grant_id, 2, world.world.today, AccreditationReason.ERROR),
    )
    assert world.verify(document).code == "ACCREDITATION_NOT_VALID_THEN"
    after = world.issue(assessed="2026-05-30", issued=ISSUED + timedelta(days=10))
    assert outcomes(world.verify(after))["authority"] == "pass"


def test_another_grant_of_the_same_power_keeps_the_issuer_accredited(
    world: IssuingWorld,
) -> None:
    document = world.issue(assessed="2026-05-20")
    world.withdraw()
    world.grant(since="2026-05-20", until="2027-05-19")
    report = world.verify(document)
    assert outcomes(report)["authority"] == "pass"


def test_a_site_outside_the_scope_is_refused(world: IssuingWorld) -> None:
    world.world.add_site("gaa", "3")
    report = world.verify(world.issue(site="3"))
    assert (report.verdict, report.code) == (Verdict.INVALID, "ACCREDITATION_OUT_OF_SCOPE")
    assert "91761 at site 3" in report.summary


def test_a_site_nobody_registered_is_a_warning_when_no_grant_restricts_sites() -> None:
    world = IssuingWorld(is_granted=False)
    world.grant_id = world.grant(sites=[])
    report = world.verify(world.issue(site="9"))
    assert report.valid
    assert outcomes(report)["authority"] == "warn"
    world.verifier = world.make_verifier(Policy(warnings_fail=True))
    assert world.verify(world.issue(site="9")).code == "ACCREDITATION_OUT_OF_SCOPE"


def test_a_providers_certificate_is_out_of_scope(world: IssuingWorld) -> None:
    report = world.verify(world.issue(template=CERTIFICATE))
    assert report.code == "ACCREDITATION_OUT_OF_SCOPE"
    assert "no power to certify" in report.checks[3].text


def test_an_issuer_without_any_accreditation_is_out_of_scope() -> None:
    world = IssuingWorld(is_granted=False)
    report = world.verify(world.issue())
    assert report.code == "ACCREDITATION_OUT_OF_SCOPE"
    assert report.chain == ()
    assert "holds no accreditation" in report.checks[3].text


def test_another_qualification_is_out_of_scope(world: IssuingWorld) -> None:
    name = "za:saqa:q:94022"
    content = electrician(saqa_id=94022, title="Another", ofo=["za:ofo:2021:651302"])
    world.world.apply(
        "saqa", world.world.publish("saqa", name, ResourceType.QUALIFICATION, content)
    )
    record = {"saqa_id": 94022, "title": "Another", "nqf_level": 4, "credits": 360}
    document = world.issue(qualification="94022", qualification_record=record)
    assert world.verify(document).code == "ACCREDITATION_OUT_OF_SCOPE"


def test_a_provider_cannot_define_for_itself_what_it_may_issue(world: IssuingWorld) -> None:
    """The attack: a template called "Occupational certificate" that asks only for a power one has."""
    content = renamed(CERTIFICATE, "grand-certificate", power="issue-statement-of-results")
    url = world.plant_template("gaa", "grand-certificate", content)
    report = world.verify(world.issue(template_url=url, template_content=content))
    assert report.code == "ACCREDITATION_OUT_OF_SCOPE"
    assert "defined by GAA" in report.checks[3].text


def test_a_template_by_an_unrelated_organisation_defines_nothing(world: IssuingWorld) -> None:
    content = renamed(STATEMENT, "nmu-statement")
    url = world.plant_template("nmu", "nmu-statement", content)
    report = world.verify(world.issue(template_url=url, template_content=content))
    assert report.code == "ACCREDITATION_OUT_OF_SCOPE"


def without_site(template: str, name: str) -> bytes:
    fields = json.loads(bundled_template(template))["fields"]
    return renamed(template, name, fields=[held for held in fields if held["name"] != "site"])


def test_leaving_the_site_out_does_not_widen_a_grant_bound_to_sites() -> None:
    """The attack: a template that does not ask for the site."""
    world = IssuingWorld()
    content = without_site(STATEMENT, "siteless")
    url = world.publish_template("qcto", "siteless", content)
    document = world.issue(template_url=url, template_content=content)
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "ACCREDITATION_OUT_OF_SCOPE")
    assert "names none" in report.checks[3].text
    world.grant(sites=[], until="2028-01-01")
    assert world.verify(document).valid


@pytest.mark.parametrize("power", ["recommend-qualification", "accredit-provider", "delegate"])
def test_a_council_issues_no_document_under_a_power_that_makes_none(
    world: IssuingWorld, power: str
) -> None:
    """The attack: a council's own template asks for another power that the council holds."""
    good = without_site(CERTIFICATE, "good-certificate")
    url = world.publish_template("qcto", "good-certificate", good)
    assert world.verify(world.issue(issuer="qcto", template_url=url, template_content=good)).valid
    content = json.dumps(json.loads(good) | {"name": "evil", "power": power}).encode()
    url = world.plant_template("qcto", "evil", content)
    report = world.verify(world.issue(issuer="qcto", template_url=url, template_content=content))
    assert (report.verdict, report.code) == (Verdict.INVALID, "ACCREDITATION_OUT_OF_SCOPE")
    assert "no document is issued under the power" in report.checks[3].text


def test_the_power_comes_from_the_ledgers_template_never_from_the_document(
    world: IssuingWorld,
) -> None:
    """A certificate that names the statement's template is not what that template makes."""
    document = world.unsigned(template=CERTIFICATE)
    document["credentialSchema"] = [
        {"id": world.template_urls[STATEMENT], "type": "CredentialTemplate"}
    ]
    assert world.verify(world.sign(document)).code == "MALFORMED"


# ---- qualification


def test_a_qualification_that_is_not_registered(world: IssuingWorld) -> None:
    record = {"saqa_id": 11111, "title": "Invented"}
    report = world.verify(world.issue(qualification="11111", qualification_record=record))
    assert code_of(report, "qualification") == "QUALIFICATION_NOT_REGISTERED"
    assert outcomes(report)["authority"] == "fail"


def amend(world: IssuingWorld, **changes: object) -> None:
    world.world.apply(
        "saqa",
        world.world.publish(
            "saqa",
            ELECTRICIAN,
            ResourceType.QUALIFICATION,
            electrician(**changes),
            expected_version=1,
        ),
    )


def test_achieved_after_the_last_date_for_achievement(world: IssuingWorld) -> None:
    amend(world, last_enrolment="2026-01-01", last_achievement="2026-05-13")
    report = world.verify(world.issue(assessed="2026-05-14"))
    assert report.code == "QUALIFICATION_NOT_VALID_THEN"
    assert world.verify(world.issue(assessed="2026-05-13")).valid


def test_achieved_before_the_qualification_was_registered(world: IssuingWorld) -> None:
    name, start = "za:saqa:q:94022", "2026-05-01"
    content = electrician(
        saqa_id=94022, title="Another", registration_start=start, registration_end="2029-12-30"
    )
    world.world.apply(
        "saqa", world.world.publish("saqa", name, ResourceType.QUALIFICATION, content)
    )
    world.grant(qualifications=[name])
    record = QUALIFICATION | {"saqa_id": 94022, "title": "Another"}

    def issue(assessed: str) -> bytes:
        return world.issue(qualification="94022", qualification_record=record, assessed=assessed)

    report = world.verify(issue("2026-04-30"))
    assert (report.verdict, report.code) == (Verdict.INVALID, "QUALIFICATION_NOT_VALID_THEN")
    assert "94022 is registered only since 1 May 2026" in report.summary
    assert world.verify(issue(start)).valid


def test_registered_again_it_could_be_achieved_before_as_well(world: IssuingWorld) -> None:
    amend(world, registration_start="2026-05-15", registration_end="2029-12-30")
    assert world.verify(world.issue(assessed="2026-05-14")).valid


def test_achieved_after_the_registration_without_a_last_date_is_a_warning(
    world: IssuingWorld,
) -> None:
    amend(world, last_enrolment=None, last_achievement=None)
    report = world.verify(world.issue())
    assert report.valid
    assert outcomes(report)["qualification"] == "warn"


def test_a_title_that_was_never_registered_is_refused(world: IssuingWorld) -> None:
    for changes in ({"title": "Master Electrician"}, {"nqf_level": 8}, {"credits": 480}):
        report = world.verify(world.issue(qualification_record=QUALIFICATION | changes))
        assert report.code == "QUALIFICATION_NOT_REGISTERED"
        # The qualification itself is registered: to say that it is not would be false.
        assert report.summary == (
            "It gives 91761 another title, level or number of credits than was ever registered."
        )


def test_a_title_of_an_earlier_record_stays_good_and_todays_is_shown(
    world: IssuingWorld,
) -> None:
    document = world.issue()
    amend(world, title="Occupational Certificate: Electrician (revised)")
    report = world.verify(document)
    assert report.valid
    assert "Electrician (revised)" in report.summary
