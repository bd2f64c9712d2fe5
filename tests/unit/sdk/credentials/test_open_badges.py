# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sdk.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES_V3
from sdk.credentials.jcs import JsonObject, canonicalize
from sdk.credentials.open_badges import CREDENTIAL_SIZE_MAX, VOCABULARY, build_credential
from sdk.credentials.problems import CredentialError
from sdk.credentials.status_list import StatusEntry
from tests.support.credential_samples import (
    CREDENTIAL_ID,
    ISSUED_AT,
    ISSUER,
    QUALIFICATION_RECORD,
    REVOCATION_LIST,
    STATUS_ENTRIES,
    TEMPLATE_NAMES,
    TEMPLATE_URL,
    sample_template,
    sample_values,
    signed_credential,
    unsigned_credential,
)
from tests.support.json_places import Place, value_at


def build(**changed: Any) -> JsonObject:
    """The sample statement of results with some arguments changed."""
    arguments: dict[str, Any] = {
        "template": sample_template(),
        "template_url": TEMPLATE_URL,
        "values": sample_values(),
        "issuer_did": ISSUER,
        "credential_id": CREDENTIAL_ID,
        "issued_at": ISSUED_AT,
        "status_entries": STATUS_ENTRIES,
        "qualification_record": QUALIFICATION_RECORD,
        **changed,
    }
    return build_credential(**arguments)


def names_at(document: JsonObject, place: Place) -> set[str]:
    value = value_at(document, place)
    assert isinstance(value, dict)
    return set(value)


def test_the_frame_of_a_statement_of_results() -> None:
    document = build()
    assert list(document) == [
        "@context",
        "id",
        "type",
        "name",
        "issuer",
        "validFrom",
        "credentialSubject",
        "credentialSchema",
        "credentialStatus",
    ]
    assert value_at(document, ("@context", 0)) == CREDENTIALS_V2
    assert value_at(document, ("@context", 1)) == OPEN_BADGES_V3
    assert document["id"] == CREDENTIAL_ID
    assert document["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert document["name"] == "Statement of results"
    assert document["issuer"] == {"id": ISSUER, "type": ["Profile"]}
    assert document["validFrom"] == "2026-05-20T09:14:03.250Z"
    assert document["credentialSchema"] == [{"id": TEMPLATE_URL, "type": "CredentialTemplate"}]


def test_the_claims_stand_on_the_subject() -> None:
    subject = build()["credentialSubject"]
    assert isinstance(subject, dict)
    assert {name: subject[name] for name in (*sample_values(), "age_over_18")} == {
        **sample_values(),
        "age_over_18": True,
    }
    assert subject["type"] == ["AchievementSubject"]
    assert value_at(subject, ("identifier", 0, "identityHash")) == "Sample Learner"


def test_the_achievement_is_built_from_the_qualification_record() -> None:
    achievement: Any = value_at(build(), ("credentialSubject", "achievement"))
    assert achievement["id"] == f"{TEMPLATE_URL}#91761"
    assert achievement["achievementType"] == "ext:StatementOfResults"
    assert achievement["name"] == "Occupational Certificate: Electrician"
    assert achievement["creditsAvailable"] == 360
    assert [
        (entry["targetFramework"], entry["targetCode"], entry["targetUrl"])
        for entry in achievement["alignment"]
    ] == [
        ("SAQA", "91761", "za:saqa:q:91761"),
        ("NQF", "4", "za:nqf:level:4"),
        ("OFO", "671101", "za:ofo:2021:671101"),
    ]


def test_without_a_record_nothing_is_claimed_about_the_qualification() -> None:
    achievement: Any = value_at(
        build(qualification_record=None), ("credentialSubject", "achievement")
    )
    assert achievement["name"] == "Statement of results"
    assert "creditsAvailable" not in achievement
    assert [entry["targetName"] for entry in achievement["alignment"]] == [
        "SAQA qualification 91761"
    ]


def test_modules_are_also_open_badges_results() -> None:
    result: Any = value_at(build(), ("credentialSubject", "result"))
    assert [(entry["alignment"][0]["targetName"], entry["value"]) for entry in result] == [
        ("671101000-KM-01", "72"),
        ("671101000-PM-01", "68"),
        ("671101000-WM-01", "80"),
    ]
    certificate = unsigned_credential("occupational-certificate")
    assert "result" not in names_at(certificate, ("credentialSubject",))


def test_the_inline_context_defines_the_words_of_this_template_and_no_others() -> None:
    context = value_at(build(), ("@context", 2))
    assert context == {
        "@protected": True,
        "pset": VOCABULARY,
        "template": f"{TEMPLATE_URL}#",
        "CredentialTemplate": "pset:CredentialTemplate",
        "given_name": "https://schema.org/givenName",
        "family_name": "https://schema.org/familyName",
        "birth_date": "https://schema.org/birthDate",
        "qualification": "pset:qualification",
        "site": "pset:site",
        "assessed": "pset:assessed",
        "modules": "template:modules",
        "code": "template:code",
        "mark": "template:mark",
        "age_over_18": "template:age_over_18",
    }


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_no_power_is_stated(name: str) -> None:
    """An issuer could choose it; it stands in the template on the ledger."""
    text = canonicalize(unsigned_credential(name)).decode("utf-8")
    assert sample_template(name).power not in text
    assert '"power"' not in text


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_the_same_arguments_give_the_same_bytes(name: str) -> None:
    assert canonicalize(unsigned_credential(name)) == canonicalize(unsigned_credential(name))
    assert canonicalize(build(values=dict(reversed(sample_values().items())))) == canonicalize(
        build()
    )
    assert len(canonicalize(signed_credential(name))) < CREDENTIAL_SIZE_MAX // 50


def test_optional_members_appear_only_when_given() -> None:
    end = ISSUED_AT + timedelta(days=365)
    document = build(status_entries=(), valid_until=end, subject_id="did:key:z6MkSample")
    assert "credentialStatus" not in document
    assert document["validUntil"] == "2027-05-20T09:14:03.250Z"
    assert value_at(document, ("credentialSubject", "id")) == "did:key:z6MkSample"


def test_the_day_of_issue_is_that_of_south_africa() -> None:
    """Half past ten at night UTC is the next day there: assessed tomorrow, UTC, is in order."""
    evening = ISSUED_AT.replace(hour=22, minute=30)
    values = {**sample_values(), "assessed": "2026-05-21"}
    assert build(values=values, issued_at=evening)
    with pytest.raises(CredentialError) as caught:
        build(values=values, issued_at=evening.replace(hour=21))
    assert (caught.value.code, caught.value.path) == ("DATE_IN_FUTURE", "assessed")


@pytest.mark.parametrize(
    ("changed", "code", "path"),
    [
        ({"values": {}}, "REQUIRED", "given_name"),
        ({"credential_id": "58172aac-d8ba-41ed-83dd-0b3aef56cc33"}, "MALFORMED", "id"),
        ({"credential_id": CREDENTIAL_ID.upper()}, "MALFORMED", "id"),
        ({"issuer_did": "qcto"}, "MALFORMED", "issuer.id"),
        ({"issuer_did": f"{ISSUER}#key"}, "MALFORMED", "issuer.id"),
        ({"issuer_did": "did:pset:dev:" + "2" * 64}, "MALFORMED", "issuer.id"),
        ({"template_url": "statement-of-results"}, "MALFORMED", "credentialSchema.id"),
        ({"template_url": f"{TEMPLATE_URL}#x"}, "MALFORMED", "credentialSchema.id"),
        ({"subject_id": "learner 1"}, "MALFORMED", "credentialSubject.id"),
        (
            {"qualification_record": {"saqa_id": "1"}},
            "QUALIFICATION_MISMATCH",
            "qualification",
        ),
        (
            {"qualification_record": {"title": "x"}},
            "QUALIFICATION_MISMATCH",
            "qualification",
        ),
        (
            {"qualification_record": {**QUALIFICATION_RECORD, "title": 7}},
            "MALFORMED",
            "qualification_record.title",
        ),
        (
            {"qualification_record": {**QUALIFICATION_RECORD, "credits": "360"}},
            "MALFORMED",
            "qualification_record.credits",
        ),
        (
            {"qualification_record": {**QUALIFICATION_RECORD, "nqf_level": True}},
            "MALFORMED",
            "qualification_record.nqf_level",
        ),
        (
            {"qualification_record": {**QUALIFICATION_RECORD, "ofo": "671101"}},
            "MALFORMED",
            "qualification_record.ofo",
        ),
        (
            {"valid_until": ISSUED_AT - timedelta(days=1)},
            "MALFORMED",
            "validUntil",
        ),
    ],
)
def test_what_is_not_built(changed: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(CredentialError) as caught:
        build(**changed)
    assert (caught.value.code, caught.value.path) == (code, path)


def test_an_instant_without_zone_and_a_status_without_list_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        build(issued_at=ISSUED_AT.replace(tzinfo=None))
    with pytest.raises(ValueError, match="status entry"):
        build(status_entries=(StatusEntry(REVOCATION_LIST, -1, "revocation"),))


@pytest.mark.parametrize("saqa_id", ["91761", 91761, "za:saqa:q:91761"])
def test_a_record_may_write_its_number_in_any_form(saqa_id: str | int) -> None:
    record: JsonObject = {**QUALIFICATION_RECORD, "saqa_id": saqa_id}
    assert build(qualification_record=record) == build()


def test_a_field_without_claim_is_no_word_of_the_context() -> None:
    template = sample_template()
    kept = tuple(replace(item, claim=item.name != "site") for item in template.fields)
    document = build(template=replace(template, fields=kept))
    assert "site" not in names_at(document, ("@context", 2))
    assert "site" not in names_at(document, ("credentialSubject",))
