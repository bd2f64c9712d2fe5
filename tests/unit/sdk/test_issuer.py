# SPDX-License-Identifier: Apache-2.0
"""The issuer over the real state machine: idempotent, crash-safe, and refused before it signs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ledger.model.keys import KeyRole
from ledger.model.operations import (
    ResourceType,
    RotateKey,
)
from ledger.model.receipts import ReceiptCode
from sdk.aio_issuer import Issuer
from sdk.credentials.jcs import parse_object
from sdk.credentials.template import bundled_template
from sdk.drafts import Draft, DraftRefusedError, IssuedCredential
from sdk.errors import CallerError, KeyAccessError, PsetError, RefusedError, UnavailableError
from sdk.results import Receipt
from tests.support.issuing_world import CERTIFICATE, STATEMENT
from tests.support.ledger_execution import ELECTRICIAN, electrician
from tests.support.registrar import RECORD, Desk, run
from tests.support.world_client import WorldClient, WorldSigner

POWER = "issue-statement-of-results"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def refused(desk: Desk, cls: type[PsetError], code: str, **values: Any) -> PsetError:
    """Issuing must be refused with a code and leave no trace: nothing signed, stored or sent."""
    before = desk.issuing.world.snapshot()
    signed = desk.signer.signed_count
    with pytest.raises(cls) as caught:
        desk.issue("refused", **values)
    assert caught.value.code == code
    assert run(desk.issuer.find("refused")) is None
    assert desk.signer.signed_count == signed
    assert desk.issuing.world.values == before
    return caught.value


# ---- issue


def test_what_is_issued_verifies(desk: Desk) -> None:
    credential = desk.issue()
    assert desk.verdict(credential) == "valid"
    assert credential.record_id == RECORD
    assert credential.media_type == "application/vc"
    assert not credential.anchored
    document = parse_object(credential.document, size_max=10_000)
    assert document["id"] == credential.credential_id
    entries = document["credentialStatus"]
    assert isinstance(entries, list)
    assert [entry["statusListIndex"] for entry in entries if isinstance(entry, dict)] == [
        str(credential.status_index)
    ] * 2
    assert desk.signer.signed_count == 1


def test_the_record_id_is_not_in_the_document_or_on_the_ledger(desk: Desk) -> None:
    document = desk.issue(family_name="Mokoena").document
    assert RECORD.encode() not in document
    assert b"Mokoena" in document
    state = b"".join(desk.issuing.world.values.values())
    assert RECORD.encode() not in state
    assert b"Mokoena" not in state


def test_the_same_record_again_gives_the_same_bytes_and_signs_nothing(desk: Desk) -> None:
    first = desk.issue()
    desk.issuing.later(3)
    assert desk.issue() == first
    assert run(desk.open().issue(desk.draft("statement-of-results@1"), record_id=RECORD)) == first
    assert desk.signer.signed_count == 1
    assert run(desk.open().find(RECORD)) == first


def test_the_same_content_in_another_form_is_the_same(desk: Desk) -> None:
    first = desk.issue(qualification="91761", assessed=date(2026, 5, 14))
    assert desk.issue(qualification="za:saqa:q:91761", assessed="2026-05-14") == first


def test_other_content_under_a_known_record_id_is_refused(desk: Desk) -> None:
    first = desk.issue()
    with pytest.raises(CallerError) as caught:
        desk.issue(given_name="Another")
    assert caught.value.code == "RECORD_EXISTS"
    assert "revoke" in caught.value.remedy
    assert run(desk.issuer.find(RECORD)) == first
    assert desk.signer.signed_count == 1


def test_a_later_template_version_does_not_change_what_was_issued(desk: Desk) -> None:
    first = desk.issue()
    content = json.loads(bundled_template(STATEMENT))
    content["title"] = "Statement of results (revised)"
    desk.issuing.publish_template(
        "qcto", STATEMENT, json.dumps(content).encode(), expected_version=1
    )
    assert desk.issue() == first
    later = run(desk.issuer.issue(desk.draft(), record_id="S2"))
    assert b"(revised)" in later.document
    with pytest.raises(CallerError) as caught:
        run(desk.issuer.issue(desk.draft("statement-of-results@2"), record_id=RECORD))
    assert caught.value.code == "RECORD_EXISTS"


def test_status_lists_are_made_once_and_shared(desk: Desk) -> None:
    places = {desk.issue(f"S{number}").status_url for number in range(3)}
    assert desk.created_lists == 2
    assert len(places) == 1
    run(desk.open().issue(desk.draft(), record_id="S9"))
    assert desk.created_lists == 2


@pytest.mark.parametrize("break_at", ["send", "answer"])
def test_a_cut_while_lists_are_made_is_mended_by_running_again(desk: Desk, break_at: str) -> None:
    desk.client.break_at = break_at
    with pytest.raises(UnavailableError):
        desk.issue()
    assert run(desk.issuer.find(RECORD)) is None
    desk.client.break_at = ""
    assert desk.verdict(desk.issue()) == "valid"
    assert desk.created_lists == 2


def test_a_template_file_must_be_published(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_bytes(bundled_template(STATEMENT))
    credential = run(desk.issuer.issue(desk.draft(path), record_id=RECORD))
    assert desk.verdict(credential) == "valid"
    content = json.loads(bundled_template(STATEMENT)) | {"power": "train"}
    path.write_text(json.dumps(content))
    with pytest.raises(CallerError) as caught:
        run(desk.issuer.issue(desk.draft(path), record_id="S2"))
    assert caught.value.code == "TEMPLATE_NOT_PUBLISHED"


def test_an_older_published_version_may_come_from_its_file(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "template.json"
    path.write_bytes(bundled_template(STATEMENT))
    content = json.loads(bundled_template(STATEMENT)) | {"title": "Revised"}
    desk.issuing.publish_template(
        "qcto", STATEMENT, json.dumps(content).encode(), expected_version=1
    )
    credential = run(desk.issuer.issue(desk.draft(path), record_id=RECORD))
    assert b"Revised" not in credential.document
    assert desk.verdict(credential) == "valid"


# ---- refusals: nothing signed, nothing stored, nothing sent


def test_values_that_the_template_refuses(desk: Desk) -> None:
    error = refused(desk, DraftRefusedError, "REQUIRED", given_name="", modules=[{"code": "X"}])
    assert isinstance(error, DraftRefusedError)
    assert [(item.field, item.code) for item in error.errors] == [
        ("given_name", "REQUIRED"),
        ("modules[0].mark", "REQUIRED"),
    ]
    assert {item.record_id for item in error.errors} == {"refused"}


def test_an_error_never_quotes_the_value(desk: Desk) -> None:
    error = refused(desk, DraftRefusedError, "TEXT_MALFORMED", given_name="Thand3ka!")
    assert "Thand3ka" not in f"{error} {error.remedy}"


def test_a_provider_issues_no_certificate(desk: Desk) -> None:
    before = desk.issuing.world.snapshot()
    with pytest.raises(RefusedError) as caught:
        run(desk.issuer.issue(desk.draft(CERTIFICATE), record_id=RECORD))
    assert caught.value.code == "ACCREDITATION_OUT_OF_SCOPE"
    assert not caught.value.receipt.applied
    assert desk.issuing.world.values == before


def test_a_provider_issues_nothing_under_a_template_of_its_own(desk: Desk) -> None:
    content = json.loads(bundled_template(STATEMENT)) | {"name": "gaa-statement"}
    desk.issuing.plant_template("gaa", "gaa-statement", json.dumps(content).encode())
    draft = Draft.from_template("gaa-statement", desk.draft().values)
    with pytest.raises(RefusedError) as caught:
        run(desk.issuer.issue(draft, record_id=RECORD))
    assert caught.value.code == "ACCREDITATION_OUT_OF_SCOPE"
    assert desk.signer.signed_count == 0


def test_a_site_or_day_without_accreditation(desk: Desk) -> None:
    desk.issuing.world.add_site("gaa", "3")
    refused(desk, RefusedError, "ACCREDITATION_OUT_OF_SCOPE", site="3")
    refused(desk, RefusedError, "ACCREDITATION_NOT_VALID_THEN", assessed="2024-01-31")
    desk.issuing.withdraw()
    refused(desk, RefusedError, "ACCREDITATION_NOT_VALID_THEN", assessed="2026-05-20")
    assert desk.verdict(desk.issue("S2", assessed="2026-05-19")) == "valid"


def test_a_qualification_that_is_unknown_or_over(desk: Desk) -> None:
    refused(desk, RefusedError, "QUALIFICATION_NOT_REGISTERED", qualification="11111")
    content = electrician(last_enrolment="2026-01-01", last_achievement="2026-05-13")
    desk.issuing.world.apply(
        "saqa",
        desk.issuing.world.publish(
            "saqa", ELECTRICIAN, ResourceType.QUALIFICATION, content, expected_version=1
        ),
    )
    refused(desk, RefusedError, "QUALIFICATION_NOT_VALID_THEN", assessed="2026-05-14")


def test_a_template_that_does_not_ask_for_the_site_of_a_grant_bound_to_sites(desk: Desk) -> None:
    content = json.loads(bundled_template(STATEMENT)) | {"name": "siteless"}
    content["fields"] = [held for held in content["fields"] if held["name"] != "site"]
    desk.issuing.publish_template("qcto", "siteless", json.dumps(content).encode())
    values = {name: value for name, value in desk.draft().values.items() if name != "site"}
    with pytest.raises(RefusedError) as caught:
        run(desk.issuer.issue(Draft.from_template("siteless", values), record_id="S"))
    assert caught.value.code == "ACCREDITATION_OUT_OF_SCOPE"
    assert desk.signer.signed_count == 0
    assert run(desk.issuer.may_issue("91761", power=POWER)), "a question may leave it open"


@pytest.mark.parametrize("template", ["unknown-template", "statement-of-results@7"])
def test_a_template_that_is_not_published(desk: Desk, template: str) -> None:
    with pytest.raises(CallerError) as caught:
        run(desk.issuer.issue(Draft.from_template(template, {}), record_id="S"))
    assert caught.value.code == "TEMPLATE_UNKNOWN"


def test_a_resource_that_is_no_template(desk: Desk) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sample",
        "type": "object",
    }
    operation = desk.issuing.world.publish(
        "saqa", "sample-schema", ResourceType.JSON_SCHEMA, json.dumps(schema).encode()
    )
    desk.issuing.world.apply("saqa", operation)
    with pytest.raises(CallerError) as caught:
        run(desk.issuer.issue(Draft.from_template("sample-schema", {}), record_id="S"))
    assert caught.value.code == "TEMPLATE_MALFORMED"


@pytest.mark.parametrize("role", ["ledger", "admin"])
def test_a_key_of_another_role_does_not_sign(desk: Desk, role: str) -> None:
    desk.signer = WorldSigner(desk.issuing.world.organisations["gaa"].keys[role])
    desk.issuer = desk.open()
    refused(desk, CallerError, "ISSUE_KEY_NOT_VALID")


def test_another_organisations_key_does_not_sign(desk: Desk) -> None:
    desk.signer = WorldSigner(desk.issuing.world.organisations["nmu"].keys["issue"])
    desk.issuer = desk.open()
    refused(desk, CallerError, "ISSUE_KEY_NOT_VALID")


def test_a_retired_key_does_not_sign(desk: Desk) -> None:
    new_key = desk.issuing.world.organisations["gaa"].new_key("issue-2", KeyRole.ISSUE)
    desk.issuing.world.apply(
        "gaa",
        RotateKey(
            did=desk.issuing.world.did("gaa"),
            expected_version=1,
            retired_key_id="issue",
            new_key=new_key,
        ),
        keys=("admin",),
    )
    refused(desk, CallerError, "ISSUE_KEY_NOT_VALID")


def test_a_key_of_another_type_does_not_sign_credentials(desk: Desk) -> None:
    desk.signer.algorithm = "p256"
    refused(desk, CallerError, "ISSUE_KEY_TYPE")


@pytest.mark.parametrize("record_id", ["", "x" * 257, "a\nb"])
def test_record_ids_have_a_form(desk: Desk, record_id: str) -> None:
    with pytest.raises(CallerError) as caught:
        desk.issue(record_id)
    assert caught.value.code == "RECORD_ID_MALFORMED"


def test_a_signature_that_does_not_verify_is_not_handed_out(desk: Desk) -> None:
    desk.signer.spoil = True
    with pytest.raises(KeyAccessError) as caught:
        desk.issue()
    assert caught.value.code == "SIGNATURE_NOT_GOOD"
    assert run(desk.issuer.find(RECORD)) is None
    desk.signer.spoil = False
    assert desk.verdict(desk.issue()) == "valid"


def test_without_key_the_stored_issue_key_signs(desk: Desk) -> None:
    issuer = Issuer(desk.client, store=desk.path)
    assert desk.verdict(run(issuer.issue(desk.draft(), record_id=RECORD))) == "valid"
    desk.client.has_keys = False
    with pytest.raises(KeyAccessError) as caught:
        run(Issuer(desk.client, store=desk.path).issue(desk.draft(), record_id="S2"))
    assert caught.value.code == "KEY_ROLE_NOT_HELD"


def test_without_client_checks_the_verifier_refuses_what_was_issued(tmp_path: Path) -> None:
    desk = Desk(tmp_path, client_checks=False)
    credential = run(desk.issuer.issue(desk.draft(CERTIFICATE), record_id=RECORD))
    assert desk.verdict(credential) == "ACCREDITATION_OUT_OF_SCOPE"


def test_a_slow_clock_does_not_date_a_credential_before_its_key(desk: Desk) -> None:
    class SlowClient(WorldClient):
        @property
        def now_ms(self) -> int:
            return 0

    issuer = desk.open(SlowClient(desk.issuing))
    assert desk.verdict(run(issuer.issue(desk.draft(), record_id=RECORD))) == "valid"


def test_two_issuers_of_one_store_issue_one_record_once(desk: Desk) -> None:
    async def race() -> list[IssuedCredential]:
        desks = [desk.open() for _ in range(4)]
        return await asyncio.gather(
            *(issuer.issue(desk.draft(), record_id=RECORD) for issuer in desks)
        )

    assert len({credential.document for credential in run(race())}) == 1
    assert desk.created_lists == 2


def test_a_refusal_has_the_receipt_of_nothing_sent(desk: Desk) -> None:
    error = refused(desk, RefusedError, "ACCREDITATION_OUT_OF_SCOPE", site="7")
    assert isinstance(error, RefusedError)
    receipt = error.receipt
    assert isinstance(receipt, Receipt)
    assert (receipt.name, receipt.remedy) == (error.code, error.remedy)
    assert (receipt.applied, receipt.height, receipt.transaction_id) == (False, -1, "")
    assert receipt.code == ReceiptCode.NOT_AUTHORISED
    assert error.transaction_id is None


def test_arguments_of_another_kind(desk: Desk) -> None:
    issuer: Any = desk.issuer
    calls: list[Callable[[], Any]] = [
        lambda: issuer.issue({}, record_id="S"),
        lambda: issuer.issue(desk.draft(), record_id=5),
        lambda: issuer.check(None),
        lambda: issuer.find(None),
        lambda: issuer.revoke(5, reason="error"),
        lambda: issuer.revoke(["S", 5], reason="error"),
        lambda: issuer.revoke("S", reason=[]),
        lambda: issuer.may_issue(91761, power=POWER),
        lambda: issuer.may_issue("91761", power=None),
        lambda: issuer.may_issue("91761", power=POWER, site=2),
        lambda: issuer.may_issue("91761", power=POWER, on="2026-05-20"),
    ]
    for call in calls:
        with pytest.raises(CallerError) as caught:
            run(call())
        assert caught.value.code == "ARGUMENT_TYPE"
    drafts: list[tuple[Any, Any]] = [(5, {}), (None, {}), (STATEMENT, None), (STATEMENT, [])]
    for template, values in drafts:
        with pytest.raises(CallerError) as caught:
            Draft.from_template(template, values)
        assert caught.value.code == "ARGUMENT_TYPE"


# ---- preview_issue, and a store named by a text


def test_a_preview_says_yes_and_makes_nothing(desk: Desk) -> None:
    before = desk.issuing.world.snapshot()
    decision = run(desk.issuer.preview_issue(desk.draft(), record_id=RECORD))
    assert (decision.allowed, decision.code) == (True, "ALLOWED")
    assert decision.grant_id == desk.issuing.grant_id
    assert not desk.path.exists()
    assert desk.signer.signed_count == 0
    assert desk.issuing.world.values == before


def test_a_preview_of_what_is_issued_says_so(desk: Desk) -> None:
    desk.issue()
    decision = run(desk.issuer.preview_issue(desk.draft(), record_id=RECORD))
    assert decision.allowed
    assert "issued before" in decision.text


def test_a_preview_refuses_whatever_issuing_refuses(desk: Desk) -> None:
    desk.issue()
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("RECORD_EXISTS", {"given_name": "Another"}, RECORD),
        ("RECORD_ID_MALFORMED", {}, ""),
        ("REQUIRED", {"given_name": ""}, "S2"),
        ("ACCREDITATION_OUT_OF_SCOPE", {"site": "7"}, "S2"),
    ]
    for code, values, record_id in cases:
        draft = desk.draft(**values)
        for call in (desk.issuer.issue, desk.issuer.preview_issue):
            with pytest.raises(PsetError) as caught:
                run(call(draft, record_id=record_id))
            assert caught.value.code == code
    desk.signer = WorldSigner(desk.issuing.world.organisations["nmu"].keys["issue"])
    with pytest.raises(CallerError) as caught_key:
        run(desk.open().preview_issue(desk.draft(), record_id="S2"))
    assert caught_key.value.code == "ISSUE_KEY_NOT_VALID"
    assert desk.signer.signed_count == 0


def test_a_store_may_be_named_by_a_text(desk: Desk) -> None:
    store: Any = str(desk.path)
    issuer = Issuer(desk.client, store=store, key=desk.signer)
    assert desk.verdict(run(issuer.issue(desk.draft(), record_id=RECORD))) == "valid"


# ---- may_issue, check


def test_may_issue_says_why_and_until_when(desk: Desk) -> None:
    decision = run(desk.issuer.may_issue("91761", power=POWER, site="2"))
    assert decision
    assert decision.code == "ALLOWED"
    assert decision.grant_id == desk.issuing.grant_id
    assert decision.until == date(2029, 1, 31)
    assert decision.text.startswith("SAQA > QCTO > GAA: may issue statement of results for 91761")


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({"power": "certify"}, "ACCREDITATION_OUT_OF_SCOPE"),
        ({"power": POWER, "site": "7"}, "ACCREDITATION_OUT_OF_SCOPE"),
        ({"power": POWER, "on": date(2024, 1, 31)}, "ACCREDITATION_NOT_VALID_THEN"),
        ({"power": POWER, "on": date(2029, 2, 1)}, "ACCREDITATION_NOT_VALID_THEN"),
        ({"power": POWER, "on": date(2030, 1, 1)}, "QUALIFICATION_NOT_VALID_THEN"),
        ({"power": POWER, "on": date(2018, 6, 30)}, "QUALIFICATION_NOT_VALID_THEN"),
    ],
)
def test_may_issue_says_no(desk: Desk, question: dict[str, Any], code: str) -> None:
    decision = run(desk.issuer.may_issue("za:saqa:q:91761", **question))
    assert not decision
    assert (decision.code, decision.grant_id, decision.until) == (code, None, None)


def test_may_issue_until_the_last_day_of_the_qualification_when_that_is_sooner(
    desk: Desk,
) -> None:
    content = electrician(last_enrolment="2026-01-01", last_achievement="2027-05-13")
    desk.issuing.world.apply(
        "saqa",
        desk.issuing.world.publish(
            "saqa", ELECTRICIAN, ResourceType.QUALIFICATION, content, expected_version=1
        ),
    )
    assert run(desk.issuer.may_issue("91761", power=POWER)).until == date(2027, 5, 13)


def test_may_issue_of_what_is_no_qualification(desk: Desk) -> None:
    assert run(desk.issuer.may_issue("11111", power=POWER)).code == "QUALIFICATION_NOT_REGISTERED"
    with pytest.raises(CallerError) as caught:
        run(desk.issuer.may_issue("electrician", power=POWER))
    assert caught.value.code == "QUALIFICATION_MALFORMED"


def test_check_lists_what_is_wrong_and_opens_no_store(desk: Desk) -> None:
    assert run(desk.issuer.check(desk.draft())) == []
    errors = run(desk.issuer.check(desk.draft(site=""), record_id="S7"))
    assert [(error.record_id, error.field, error.code) for error in errors] == [
        ("S7", "site", "REQUIRED")
    ]
    assert not desk.path.exists()
