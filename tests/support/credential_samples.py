# SPDX-License-Identifier: Apache-2.0
"""A sample credential of each bundled template, with the key that signed it. All of it is made up."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import cache

from nacl.signing import SigningKey

from sdk.credentials.data_integrity import create_proof
from sdk.credentials.instants import civil_date_of
from sdk.credentials.jcs import JsonObject, canonicalize, parse_object
from sdk.credentials.open_badges import CREDENTIAL_SIZE_MAX, build_credential
from sdk.credentials.status_list import REVOCATION, SUSPENSION, StatusEntry
from sdk.credentials.template import CredentialTemplate, bundled_template
from sdk.credentials.template_reader import parse_template
from sdk.credentials.values import example_values

ISSUER = "did:pset:dev:2vXbLwEYaRpWW4p8G4yGFXsUo4Ae"
KEY = f"{ISSUER}#issue-2026"
TEMPLATE_URL = f"{ISSUER}/resources/7c9e6679-7425-40de-944b-e07fc1f90ae7"
REVOCATION_LIST = f"{ISSUER}/resources/0d4ee5b8-6a4e-4e0c-9a60-5c7d7a2f1b11"
SUSPENSION_LIST = f"{ISSUER}/resources/0d4ee5b8-6a4e-4e0c-9a60-5c7d7a2f1b12"
CREDENTIAL_ID = "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33"
ISSUED_AT = datetime(2026, 5, 20, 9, 14, 3, 250_000, tzinfo=UTC)
TODAY: date = civil_date_of(ISSUED_AT)
STATUS_ENTRIES = (
    StatusEntry(REVOCATION_LIST, 94_567, REVOCATION),
    StatusEntry(SUSPENSION_LIST, 23_452, SUSPENSION),
)
QUALIFICATION_RECORD: JsonObject = {
    "saqa_id": "91761",
    "title": "Occupational Certificate: Electrician",
    "nqf_level": 4,
    "credits": 360,
    "sub_framework": "OQSF",
    "ofo": ["za:ofo:2021:671101"],
}
TEMPLATE_NAMES = ("statement-of-results", "occupational-certificate")


class SampleSigner:
    """An Ed25519 key from a written seed."""

    def __init__(self, seed: bytes = bytes(range(32))) -> None:
        self._key = SigningKey(seed)
        self.public_key = bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


SIGNER = SampleSigner()
OTHER_SIGNER = SampleSigner(bytes(range(32, 64)))


@cache
def sample_template(name: str = "statement-of-results") -> CredentialTemplate:
    return parse_template(bundled_template(name))


def sample_template_document(name: str = "statement-of-results") -> JsonObject:
    """A copy that a test may spoil."""
    document: JsonObject = json.loads(bundled_template(name))
    return document


def sample_values(name: str = "statement-of-results") -> JsonObject:
    """A copy that a test may spoil."""
    return copy(example_values(sample_template(name), TODAY))


def unsigned_credential(name: str = "statement-of-results") -> JsonObject:
    return build_credential(
        sample_template(name),
        TEMPLATE_URL,
        sample_values(name),
        issuer_did=ISSUER,
        credential_id=CREDENTIAL_ID,
        issued_at=ISSUED_AT,
        status_entries=STATUS_ENTRIES,
        qualification_record=QUALIFICATION_RECORD,
    )


def signed_credential(name: str = "statement-of-results") -> JsonObject:
    """A signed credential as a verifier reads it; a copy that a test may spoil."""
    document = create_proof(unsigned_credential(name), SIGNER, KEY, ISSUED_AT)
    return parse_object(canonicalize(document), size_max=CREDENTIAL_SIZE_MAX)


def sign_again(document: JsonObject) -> JsonObject:
    """The document with its proof replaced by a good one: what a dishonest issuer could send."""
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    return create_proof(unsigned, SIGNER, KEY, ISSUED_AT)


def copy(value: JsonObject) -> JsonObject:
    result: JsonObject = json.loads(json.dumps(value))
    return result
