# SPDX-License-Identifier: Apache-2.0
"""Rules of the data model that the W3C corpus (tests/conformance) does not reach."""

from __future__ import annotations

import pytest

from sdk.credentials.contexts import CREDENTIALS_V2
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.vcdm import (
    CREDENTIALS_COUNT_MAX,
    PROBLEMS_COUNT_MAX,
    TYPED_VALUES_COUNT_MAX,
    validate_credential,
    validate_presentation,
)
from tests.support.credential_samples import TEMPLATE_NAMES, signed_credential


def credential(**members: JsonValue) -> JsonObject:
    return {
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiableCredential"],
        "issuer": "did:example:issuer",
        "credentialSubject": {"id": "did:example:subject"},
        **members,
    }


def places(document: JsonObject) -> list[str]:
    return [problem.path for problem in validate_credential(document)]


def test_the_plainest_credential_is_well_formed() -> None:
    assert validate_credential(credential()) == []


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_what_we_issue_is_well_formed(name: str) -> None:
    assert validate_credential(signed_credential(name)) == []


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"@context": CREDENTIALS_V2}, "@context"),
        ({"@context": [CREDENTIALS_V2] * 17}, "@context"),
        ({"type": ["VerifiableCredential", "VerifiableCredential"]}, "type"),
        ({"type": ["VerifiableCredential", ""]}, "type[1]"),
        ({"issuanceDate": "2026-05-14T09:00:00Z"}, "issuanceDate"),
        ({"expirationDate": "2026-05-14T09:00:00Z"}, "expirationDate"),
        ({"validFrom": "2026-05-14"}, "validFrom"),
        ({"validFrom": "2026-05-14T09:00:00"}, "validFrom"),
        ({"validUntil": None}, "validUntil"),
        ({"credentialSubject": []}, "credentialSubject"),
        ({"credentialSubject": "did:example:subject"}, "credentialSubject"),
        ({"credentialSubject": {"id": "not a url"}}, "credentialSubject.id"),
        ({"credentialSubject": {"type": "Unheard"}}, "credentialSubject.type"),
        ({"credentialStatus": []}, "credentialStatus"),
        ({"credentialStatus": "https://example.org/"}, "credentialStatus"),
        ({"credentialStatus": [{"type": "urn:a:b"}] * 65}, "credentialStatus"),
        ({"evidence": [{"type": "urn:a:b"}, None]}, "evidence[1]"),
        ({"proof": {}}, "proof.type"),
        ({"name": []}, "name"),
        ({"name": 7}, "name"),
        ({"name": {"@language": "en"}}, "name"),
        ({"name": {"@value": "x", "@direction": "up"}}, "name"),
        ({"description": [{"@value": "x", "@language": "en"}, {"@value": 1}]}, "description[1]"),
        ({"issuer": {"id": "did:example:i", "name": 7}}, "issuer.name"),
        ({"issuer": ["did:example:issuer"]}, "issuer"),
        ({"relatedResource": {"id": "urn:a:b"}}, "relatedResource"),
        ({"relatedResource": {"digestSRI": "x"}}, "relatedResource.id"),
        ({"relatedResource": {"id": "urn:a:b", "digestSRI": ""}}, "relatedResource"),
    ],
)
def test_each_rule_names_its_place(members: JsonObject, path: str) -> None:
    assert places(credential(**members)) == [path]


def test_related_resources_have_each_their_own_url() -> None:
    one: JsonObject = {"id": "urn:a:1", "digestSRI": "sha384-x"}
    other: JsonObject = {"id": "urn:a:2", "digestMultibase": "ux"}
    assert places(credential(relatedResource=[one, other])) == []
    assert places(credential(relatedResource=[one, other, one])) == ["relatedResource[2].id"]


def test_problems_never_hold_a_value() -> None:
    secret = "8001015009087"
    document = credential(
        id=secret,
        type=["VerifiableCredential", secret],
        issuer=secret,
        validFrom=secret,
        credentialSubject={"id": secret},
        evidence={"type": secret},
    )
    problems = validate_credential(document)
    assert len(problems) == 6
    assert secret not in repr(problems)


def test_the_number_of_problems_is_limited() -> None:
    document = credential(credentialSubject=[{} for _ in range(TYPED_VALUES_COUNT_MAX)])
    assert len(validate_credential(document)) == PROBLEMS_COUNT_MAX


def presentation(**members: JsonValue) -> JsonObject:
    return {"@context": [CREDENTIALS_V2], "type": ["VerifiablePresentation"], **members}


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"holder": None}, "holder"),
        ({"verifiableCredential": credential(issuer="x")}, "verifiableCredential.issuer"),
        ({"verifiableCredential": [credential(), 7]}, "verifiableCredential[1]"),
        (
            {"verifiableCredential": [credential() for _ in range(CREDENTIALS_COUNT_MAX + 1)]},
            "verifiableCredential",
        ),
        (
            {
                "verifiableCredential": {
                    "@context": CREDENTIALS_V2,
                    "type": "EnvelopedVerifiableCredential",
                    "id": "https://example.org/",
                }
            },
            "verifiableCredential.id",
        ),
        (
            {
                "verifiableCredential": {
                    "@context": "https://example.org/",
                    "type": ["EnvelopedVerifiableCredential"],
                    "id": "data:application/vc+jwt,eyJ",
                }
            },
            "verifiableCredential.@context",
        ),
    ],
)
def test_presentations(members: JsonObject, path: str) -> None:
    assert validate_presentation(presentation(verifiableCredential=credential())) == []
    assert [problem.path for problem in validate_presentation(presentation(**members))] == [path]
