# SPDX-License-Identifier: Apache-2.0
"""The verifier over real state: each test is named for the case or the attack it shows."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ledger.model.identifiers import resource_url
from ledger.model.keys import KeyRole
from ledger.model.operations import (
    AccreditationReason,
    ReinstateAccreditation,
    ResourceType,
    RotateKey,
    StatusPurpose,
    SuspendAccreditation,
    UpdateDid,
)
from sdk.credentials.jcs import canonicalize
from sdk.credentials.status_list import MESSAGE, REVOCATION, SUSPENSION, StatusEntry
from sdk.credentials.template import bundled_template
from sdk.errors import CallerError, NotVerifiedError
from sdk.policy import Policy
from sdk.results import Verdict
from tests.support.issuing_world import (
    CERTIFICATE,
    INDEX,
    PROVIDER_POWERS,
    QUALIFICATION,
    STATEMENT,
    IssuingWorld,
    code_of,
    moved,
    outcomes,
    without,
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


# ---- valid


def test_a_statement_of_an_accredited_provider_is_valid(world: IssuingWorld) -> None:
    report = world.verify(world.issue())
    assert report.verdict is Verdict.VALID
    assert report.code is None
    assert report.valid
    assert bool(report)
    assert outcomes(report) == {
        "format": "pass",
        "signature": "pass",
        "issuer-key": "pass",
        "authority": "pass",
        "qualification": "pass",
        "registered": "warn",
        "status": "pass",
        "validity": "pass",
        "freshness": "pass",
    }
    assert report.facts_from == "network"
    assert report.as_of == datetime.fromtimestamp(world.world.time / 1000, UTC)
    report.raise_if_not_valid()


def test_the_chain_leads_from_the_root_to_the_issuer_with_vouched_names(
    world: IssuingWorld,
) -> None:
    chain = world.verify(world.issue()).chain
    assert [link.name for link in chain] == [
        "South African Qualifications Authority",
        "Quality Council for Trades and Occupations",
        "Gqeberha Artisan Academy (sample)",
    ]
    assert [link.did for link in chain] == [
        world.world.did(name) for name in ("saqa", "qcto", "gaa")
    ]
    assert chain[-1].power == "issue-statement-of-results"
    assert chain[-1].scope == "91761 at sites 1, 2"
    assert chain[-1].valid == "1 February 2024 – 31 January 2029"
    assert {link.status_then for link in chain} == {"active"}
    assert {link.status_now for link in chain} == {"active"}


def test_the_claims_are_what_was_signed(world: IssuingWorld) -> None:
    claims = world.verify(world.issue(given_name="Thandeka")).claims
    assert claims["given_name"] == "Thandeka"
    assert claims["age_over_18"] is True
    assert claims["modules"][0] == {"code": "671101000-KM-01", "mark": 72}
    assert claims["achievement"].startswith("Statement of results · 91761")


def test_a_council_certifies_under_a_template_of_its_own(world: IssuingWorld) -> None:
    content = renamed(CERTIFICATE, "qcto-certificate")
    url = world.publish_template("qcto", "qcto-certificate", content)
    document = world.issue(issuer="qcto", template_url=url, template_content=content)
    assert world.verify(document).valid


def test_text_bytes_and_path_give_the_same_report(world: IssuingWorld, tmp_path: Path) -> None:
    document = world.issue()
    path = tmp_path / "statement.vc.json"
    path.write_bytes(document)
    reports = [world.verify(given) for given in (document, document.decode(), path, str(path))]
    assert {report.verdict for report in reports} == {Verdict.VALID}
    assert len({report.to_json() for report in reports}) == 1


# ---- format


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   \n",
        b"null",
        b"[]",
        b"{}",
        b'{"a":',
        b'{"a":1,"a":2}',
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b'{"x":NaN}',
        b"[" * 100_000,
        b" " * 300_000,
    ],
)
def test_something_that_is_no_credential_is_malformed(world: IssuingWorld, content: bytes) -> None:
    report = world.verify(content)
    assert (report.verdict, report.code) == (Verdict.INVALID, "MALFORMED")
    assert outcomes(report) == {"format": "fail"}
    assert report.claims == {}
    assert report.facts_from == "none"
    assert world.reader.asked_count == 0


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x89PNG\r\n\x1a\n...", "PNG"),
        (b"\xff\xd8\xff\xe0...", "JPEG"),
        (b"PK\x03\x04...", "archive"),
        (b"GIF89a...", "GIF"),
    ],
)
def test_a_picture_or_pdf_without_credential_says_what_to_ask_for(
    world: IssuingWorld, content: bytes, word: str
) -> None:
    report = world.verify(content)
    assert report.code == "MALFORMED"
    assert word in report.summary
    assert ".vc.json" in report.next_step


def test_a_template_that_is_not_on_the_ledger_makes_it_malformed(world: IssuingWorld) -> None:
    url = resource_url(world.world.did("saqa"), bytes(16))
    report = world.verify(world.issue(template_url=url))
    assert report.code == "MALFORMED"
    assert outcomes(report)["format"] == "fail"
    assert report.claims == {}


def test_a_template_url_that_names_another_resource_makes_it_malformed(
    world: IssuingWorld,
) -> None:
    name = "za:saqa:q:94022"
    operation = world.world.publish(
        "saqa", name, ResourceType.QUALIFICATION, electrician(saqa_id=94022)
    )
    world.world.apply("saqa", operation)
    url = resource_url(world.world.did("saqa"), operation.resource_id)
    assert world.verify(world.issue(template_url=url)).code == "MALFORMED"


def test_a_signed_document_that_its_template_would_not_make_is_malformed(
    world: IssuingWorld,
) -> None:
    document = world.unsigned()
    subject = document["credentialSubject"]
    assert isinstance(subject, dict)
    subject["age_over_18"] = False
    report = world.verify(world.sign(document))
    assert (report.code, outcomes(report)["signature"]) == ("MALFORMED", "pass")
    assert report.claims == {}


def test_a_second_proof_that_nobody_checked_is_refused(world: IssuingWorld) -> None:
    document = json.loads(world.issue())
    document["proof"] = [document["proof"], {"type": "DataIntegrityProof", "cryptosuite": "other"}]
    assert world.verify(canonicalize(document)).code == "MALFORMED"
    document["proof"] = document["proof"][:1]
    assert world.verify(canonicalize(document)).code == "MALFORMED"


# ---- signature and key


def test_a_changed_mark_breaks_the_signature_and_nothing_is_shown(world: IssuingWorld) -> None:
    document = world.issue().replace(b'"mark":72', b'"mark":92')
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "SIGNATURE_INVALID")
    assert report.claims == {}
    assert report.chain == ()
    assert report.not_proven == ()
    assert "Learner" not in report.to_text()
    assert "Learner" not in report.to_json()
    assert "Gqeberha Artisan Academy" in report.summary


def test_a_signature_by_another_key_is_invalid(world: IssuingWorld) -> None:
    method = f"{world.world.did('gaa')}#issue"
    document = world.sign(world.unsigned(), issuer="nmu", method=method)
    assert world.verify(document).code == "SIGNATURE_INVALID"


def test_a_key_that_does_not_exist_cannot_have_signed(world: IssuingWorld) -> None:
    document = world.issue(method=f"{world.world.did('gaa')}#other")
    report = world.verify(document)
    assert report.code == "KEY_NOT_VALID_THEN"
    assert "signature" not in outcomes(report)
    assert report.claims == {}


@pytest.mark.parametrize("key", ["ledger", "admin"])
def test_a_key_of_another_role_does_not_issue(world: IssuingWorld, key: str) -> None:
    report = world.verify(world.issue(key=key))
    assert report.code == "KEY_NOT_VALID_THEN"
    assert outcomes(report)["signature"] == "pass"
    assert report.claims == {}


def test_another_organisations_key_does_not_sign_for_the_issuer(world: IssuingWorld) -> None:
    """The attack of putting oneself in the proof of somebody else's credential."""
    document = world.sign(world.unsigned(), issuer="nmu", method=f"{world.world.did('nmu')}#issue")
    assert world.verify(document).code == "KEY_NOT_VALID_THEN"


def test_a_signature_from_before_the_key_was_registered_is_refused(world: IssuingWorld) -> None:
    report = world.verify(world.issue(created=datetime(2023, 1, 1, tzinfo=UTC)))
    assert report.code == "KEY_NOT_VALID_THEN"
    assert "registered only on" in report.checks[2].text


def rotate(world: IssuingWorld, *, compromised_since: int = 0) -> None:
    new_key = world.world.organisations["gaa"].new_key("issue-2", KeyRole.ISSUE)
    world.world.apply(
        "gaa",
        RotateKey(
            did=world.world.did("gaa"),
            expected_version=1,
            retired_key_id="issue",
            new_key=new_key,
            compromised_since=compromised_since,
        ),
        keys=("admin",),
    )


def test_a_credential_signed_before_its_key_was_rotated_stays_valid(world: IssuingWorld) -> None:
    rotate(world)
    assert world.verify(world.issue()).valid


def test_a_retired_key_signs_nothing_afterwards(world: IssuingWorld) -> None:
    rotate(world)
    world.later(2)
    late = world.issue(created=ISSUED + timedelta(days=1), issued=ISSUED + timedelta(days=1))
    assert world.verify(late).code == "KEY_NOT_VALID_THEN"
    assert world.verify(world.issue(key="issue-2", created=ISSUED + timedelta(days=1))).valid


def test_a_key_compromised_before_it_signed_does_not_count(world: IssuingWorld) -> None:
    since = datetime(2026, 5, 19, tzinfo=UTC)
    rotate(world, compromised_since=int(since.timestamp() * 1000))
    report = world.verify(world.issue())
    assert report.code == "KEY_NOT_VALID_THEN"
    assert "compromised" in report.checks[2].text


def test_a_key_compromised_later_is_a_warning_that_strict_verifiers_refuse(
    world: IssuingWorld,
) -> None:
    since = datetime(2026, 5, 20, 9, tzinfo=UTC)
    rotate(world, compromised_since=int(since.timestamp() * 1000))
    report = world.verify(world.issue())
    assert report.valid
    assert outcomes(report)["issuer-key"] == "warn"
    world.verifier = world.make_verifier(Policy(warnings_fail=True))
    assert world.verify(world.issue()).code == "NOT_ANCHORED_IN_TIME"


# ---- issuer


def test_an_issuer_nobody_vouched_for_is_unknown(world: IssuingWorld) -> None:
    from tests.support.ledger_world import make_organisation

    world.world.organisations["stranger"] = make_organisation("stranger")
    entries = moved(world.status_entries("gaa"))
    document = world.issue(issuer="stranger", status_entries=entries)
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "ISSUER_UNKNOWN")
    assert report.claims == {}


def test_an_issuer_of_another_network_cannot_be_judged_here(world: IssuingWorld) -> None:
    from tests.support.ledger_world import make_organisation

    world.world.organisations["foreign"] = make_organisation("gaa", network="other")
    entries = moved(world.status_entries("gaa"))
    report = world.verify(world.issue(issuer="foreign", status_entries=entries))
    assert (report.verdict, report.code) == (Verdict.UNKNOWN, "OTHER_NETWORK")
    assert report.facts_from == "none"
    assert world.reader.asked_count == 0


def test_a_did_of_another_method_is_no_issuer_of_this_ledger(world: IssuingWorld) -> None:
    document = json.loads(world.issue())
    document["issuer"]["id"] = "did:web:example.org"
    document["proof"]["verificationMethod"] = "did:web:example.org#key"
    assert world.verify(canonicalize(document)).code == "ISSUER_UNKNOWN"


# ---- authority


def test_withdrawn_since_is_valid_with_a_warning(world: IssuingWorld) -> None:
    document = world.issue()
    world.withdraw()
    report = world.verify(document)
    assert report.valid
    assert outcomes(report)["authority"] == "warn"
    assert "withdrawn since" in report.summary
    assert "what was issued before stays good" in report.summary
    assert report.chain[-1].status_then == "active"
    assert report.chain[-1].status_now == "withdrawn"


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
    url = world.publish_template("gaa", "grand-certificate", content)
    report = world.verify(world.issue(template_url=url, template_content=content))
    assert report.code == "ACCREDITATION_OUT_OF_SCOPE"
    assert "defined by GAA" in report.checks[3].text


def test_a_template_by_an_unrelated_organisation_defines_nothing(world: IssuingWorld) -> None:
    content = renamed(STATEMENT, "nmu-statement")
    url = world.publish_template("nmu", "nmu-statement", content)
    report = world.verify(world.issue(template_url=url, template_content=content))
    assert report.code == "ACCREDITATION_OUT_OF_SCOPE"


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


def test_a_title_of_an_earlier_record_stays_good_and_todays_is_shown(
    world: IssuingWorld,
) -> None:
    document = world.issue()
    amend(world, title="Occupational Certificate: Electrician (revised)")
    report = world.verify(document)
    assert report.valid
    assert "Electrician (revised)" in report.summary


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


def test_a_credential_that_cannot_be_revoked_is_a_warning(world: IssuingWorld) -> None:
    entries = without(world.status_entries(), REVOCATION)
    report = world.verify(world.issue(status_entries=entries))
    assert report.valid
    assert outcomes(report)["status"] == "warn"


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


# ---- freshness and connection


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


# ---- policies


def test_the_holder_cannot_be_shown_by_a_file(world: IssuingWorld) -> None:
    world.verifier = world.make_verifier(Policy(require=("holder",)))
    report = world.verify(world.issue())
    assert (report.verdict, report.code) == (Verdict.INVALID, "HOLDER_BINDING_FAILED")


def test_a_required_anchor_is_missing(world: IssuingWorld) -> None:
    world.verifier = world.make_verifier(Policy(require=("anchor",)))
    report = world.verify(world.issue())
    assert (report.verdict, report.code) == (Verdict.INVALID, "NOT_ANCHORED_IN_TIME")
    assert outcomes(report)["registered"] == "fail"


def test_a_file_answers_no_request(world: IssuingWorld) -> None:
    report = world.verify(world.issue(), request=object())
    assert (report.verdict, report.code) == (Verdict.INVALID, "REQUEST_MISMATCH")


def test_strict_refuses_what_was_withdrawn_since_and_nothing_proves_older(
    world: IssuingWorld,
) -> None:
    world.verifier = world.make_verifier(Policy(warnings_fail=True))
    document = world.issue()
    assert world.verify(document).valid, "that the issue time is not proven changes no verdict"
    world.withdraw()
    report = world.verify(document)
    assert (report.verdict, report.code) == (Verdict.INVALID, "NOT_ANCHORED_IN_TIME")


def test_facts_read_without_proof_never_make_it_valid(world: IssuingWorld) -> None:
    world.reader.is_verified = False
    report = world.verify(world.issue())
    assert (report.verdict, report.code) == (Verdict.UNKNOWN, "NO_TRUST_ROOT")


# ---- what is kept


def test_a_revocation_counts_at_once_with_a_client_that_keeps_nothing(
    world: IssuingWorld,
) -> None:
    document = world.issue()
    assert world.verify(document).valid
    world.set_status(REVOCATION)
    assert world.verify(document).code == "REVOKED"


def test_unchanged_state_is_not_read_again(world: IssuingWorld) -> None:
    document = world.issue()
    world.verify(document)
    rounds = world.reader.rounds_count
    world.world.run_block([])
    report = world.verify(document)
    assert world.reader.rounds_count == rounds
    assert report.as_of == datetime.fromtimestamp(world.world.time / 1000, UTC)


def test_facts_serve_as_long_as_the_client_allows(world: IssuingWorld) -> None:
    document = world.issue()
    assert world.verifier.verify_kept(document) is None
    world.verify(document)
    assert world.verifier.verify_kept(document) is None
    world.reader.remembers_for = timedelta(hours=1)
    kept = world.verifier.verify_kept(document)
    assert kept is not None
    assert kept.valid
    asked = world.reader.asked_count
    world.verify(document)
    assert world.reader.asked_count == asked
    world.reader.seen_height += 1  # the client has certified something newer
    assert world.verifier.verify_kept(document) is None
    world.verify(document)
    assert world.reader.asked_count == asked + 1


def test_what_is_malformed_needs_no_network(world: IssuingWorld) -> None:
    report = world.verifier.verify_kept(b"{}")
    assert report is not None
    assert report.code == "MALFORMED"


def test_a_revoked_credential_is_never_answered_from_memory(world: IssuingWorld) -> None:
    document = world.issue()
    world.set_status(REVOCATION)
    world.reader.remembers_for = timedelta(hours=1)
    world.verify(document)
    assert world.verifier.verify_kept(document) is None
    assert world.verify(document).code == "REVOKED"


def test_many_documents_of_one_issuer_ask_once(world: IssuingWorld) -> None:
    import asyncio

    async def verify_all() -> list[Verdict]:
        documents = [world.issue(given_name=name) for name in ("Ann", "Ben", "Cat")]
        return [report.verdict async for report in world.verifier.verify_many([*documents, b"{}"])]

    assert asyncio.run(verify_all()) == [Verdict.VALID] * 3 + [Verdict.INVALID]
    assert world.reader.asked_count == 1


def test_facts_kept_are_limited(world: IssuingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdk.aio_verifier.KNOWN_FACTS_COUNT_MAX", 1)
    world.reader.remembers_for = timedelta(hours=1)
    document = world.issue()
    world.verify(document)
    assert world.verifier.verify_kept(document) is not None
    world.verify(world.issue(issuer="qcto", template=CERTIFICATE))
    assert world.verifier.verify_kept(document) is None


# ---- calls


def test_a_missing_file_is_a_bad_call(world: IssuingWorld, tmp_path: Path) -> None:
    for given in (tmp_path / "nothing.vc.json", str(tmp_path / "nothing.vc.json")):
        with pytest.raises(CallerError) as caught:
            world.verify(given)
        assert caught.value.code == "FILE_NOT_FOUND"
    with pytest.raises(CallerError) as unreadable:
        world.verify(tmp_path)
    assert unreadable.value.code == "FILE_UNREADABLE"


def test_raise_if_not_valid_carries_the_report(world: IssuingWorld) -> None:
    report = world.verify(b"{}")
    with pytest.raises(NotVerifiedError) as caught:
        report.raise_if_not_valid()
    assert caught.value.report is report
    assert caught.value.code == "MALFORMED"


def test_a_new_key_may_issue_from_its_first_moment(world: IssuingWorld) -> None:
    new_key = world.world.organisations["gaa"].new_key("issue-2", KeyRole.ISSUE)
    world.world.apply(
        "gaa",
        UpdateDid(did=world.world.did("gaa"), expected_version=1, add_keys=(new_key,)),
        keys=("admin",),
    )
    at = datetime.fromtimestamp(world.world.time / 1000, UTC)
    assert world.verify(world.issue(key="issue-2", created=at)).valid
    early = world.issue(key="issue-2", created=at - timedelta(seconds=1))
    assert world.verify(early).code == "KEY_NOT_VALID_THEN"
