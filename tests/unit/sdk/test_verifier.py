# SPDX-License-Identifier: Apache-2.0
"""The verifier over real state: each test is named for the case or the attack it shows.

Authority and status have files of their own.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.model.identifiers import resource_url
from ledger.model.keys import KeyRole
from ledger.model.operations import (
    ResourceType,
    RotateKey,
    UpdateDid,
)
from sdk.credentials.jcs import canonicalize
from sdk.credentials.template import bundled_template
from sdk.errors import CallerError, NotVerifiedError
from sdk.policy import Policy
from sdk.results import Verdict
from tests.support.issuing_world import (
    CERTIFICATE,
    IssuingWorld,
    moved,
    outcomes,
)
from tests.support.ledger_execution import electrician

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
    report = world.verify(canonicalize(document))
    assert report.code == "MALFORMED"
    assert report.summary.startswith("This file carries 2 proofs, ")
    assert report.claims == {}


def test_one_proof_in_a_list_is_one_proof(world: IssuingWorld) -> None:
    """Data Integrity 1.0 lets both be written."""
    document = json.loads(world.issue())
    document["proof"] = [document["proof"]]
    assert world.verify(canonicalize(document)).valid
    assert world.verify(json.dumps(document, indent=2)).valid
    document["credentialSubject"]["modules"][0]["mark"] = 92
    assert world.verify(canonicalize(document)).code == "SIGNATURE_INVALID"


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


def test_nothing_that_a_compromised_key_signed_counts_unless_its_time_is_proven(
    world: IssuingWorld,
) -> None:
    """The attack: date the document to before the theft, since the key signs any date."""
    assert world.verify(world.issue()).valid
    since = datetime(2026, 5, 20, 9, tzinfo=UTC)
    rotate(world, compromised_since=int(since.timestamp() * 1000))
    report = world.verify(world.issue())
    assert (report.verdict, report.code) == (Verdict.INVALID, "NOT_ANCHORED_IN_TIME")
    assert outcomes(report)["signature"] == "pass"
    assert outcomes(report)["issuer-key"] == "fail"
    assert "reported compromised since 20 May 2026" in report.summary
    assert report.claims == {}
    now = datetime.fromtimestamp(world.world.time / 1000, UTC)
    late = world.verify(world.issue(created=since))
    assert late.code == "KEY_NOT_VALID_THEN"
    assert world.verify(world.issue(key="issue-2", issued=now)).valid


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
    assert report.summary.startswith("Nothing of this was proven")
    assert "pset network add" not in report.to_text(), "no trust root is missing"
    assert report.next_step.startswith("Verify it with a client that checks proofs")
    assert (report.claims, report.chain, report.not_proven) == ({}, (), ())
    assert "Statement of results" not in report.to_text()
    assert "  ok  " not in report.to_text()


# ---- calls


def test_a_missing_file_is_a_bad_call(world: IssuingWorld, tmp_path: Path) -> None:
    for given in (tmp_path / "nothing.vc.json", str(tmp_path / "nothing.vc.json")):
        with pytest.raises(CallerError) as caught:
            world.verify(given)
        assert caught.value.code == "FILE_NOT_FOUND"
    with pytest.raises(CallerError) as unreadable:
        world.verify(tmp_path)
    assert unreadable.value.code == "FILE_UNREADABLE"


@pytest.mark.parametrize("given", [None, 5, {}, [], bytearray(b"{}")])
def test_what_can_be_no_document_is_a_bad_call(world: IssuingWorld, given: object) -> None:
    with pytest.raises(CallerError) as caught:
        world.verify(given)
    assert caught.value.code == "ARGUMENT_TYPE"


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (True, "ARGUMENT_TYPE"),
        ("2026-05-20", "ARGUMENT_TYPE"),
        (2**63, "HEIGHT_UNKNOWN"),
        (0, "HEIGHT_UNKNOWN"),
    ],
)
def test_what_can_be_no_moment_is_a_bad_call(world: IssuingWorld, at: object, code: str) -> None:
    with pytest.raises(CallerError) as caught:
        world.verify(world.issue(), at=at)
    assert caught.value.code == code


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
