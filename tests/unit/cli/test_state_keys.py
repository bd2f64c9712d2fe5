# SPDX-License-Identifier: Apache-2.0
"""State keys as people write them lead to the schema's bytes, and back."""

from __future__ import annotations

import pytest

from cli.errors import CommandError
from cli.state_keys import FORMS, describe_state_key, parse_resource_type, parse_state_key
from ledger.model import schema
from ledger.model.hashes import compute_did
from ledger.model.identifiers import resource_url
from ledger.model.operations import ResourceType

DID = compute_did("dev", b"request")
ID = bytes(range(16))
URL = resource_url(DID, ID)

CASES = {
    f"did/{DID}": schema.did_key(DID),
    f"organisation/{DID}": schema.organisation_key(DID),
    "short-name/qcto": schema.short_name_key("qcto"),
    "legal-name/sampleacademy": schema.legal_name_key("sampleacademy"),
    "code/qcto/SDP-0142": schema.code_key("qcto", "SDP-0142"),
    "organisations": schema.organisations_key(),
    "organisations/3": schema.organisations_child_key("", 3),
    "organisations/seta": schema.organisations_key("seta"),
    "organisations/seta/0": schema.organisations_child_key("seta", 0),
    "grant/g-1": schema.grant_key("g-1"),
    f"grants-by-grantor/{DID}": schema.grants_by_grantor_key(DID),
    f"grants-by-grantor/{DID}/7": schema.grants_by_grantor_child_key(DID, 7),
    f"grants-by-grantee/{DID}": schema.grants_by_grantee_key(DID),
    f"grants-held/{DID}": schema.grants_held_key(DID),
    f"grants-by-grantee/{DID}/300": schema.grants_by_grantee_child_key(DID, 300),
    f"resource/{URL}": schema.resource_key(DID, ID),
    "resource-name/za:saqa:q:91761": schema.resource_name_key("za:saqa:q:91761"),
    "resource-name/za:saqa:q:91761/0": schema.resource_name_child_key("za:saqa:q:91761", 0),
    "resources/CredentialTemplate": schema.resources_key(ResourceType.CREDENTIAL_TEMPLATE),
    "resources/Qualification/1": schema.resources_child_key(ResourceType.QUALIFICATION, 1),
    f"status-list/{URL}": schema.status_list_key(DID, ID),
    f"status-list/{URL}/2": schema.status_update_key(DID, ID, 2),
    f"status-lists/{DID}": schema.status_lists_key(DID),
    f"status-lists/{DID}/0": schema.status_lists_child_key(DID, 0),
    f"status-chunk/{URL}/15": schema.status_chunk_key(DID, ID, 15),
    "parameter/rules": schema.parameter_key("rules"),
    "validator/n1": schema.validator_key("n1"),
    "validators": schema.validators_key(),
    "validators/3": schema.validators_child_key(3),
    f"validator-key/{ID.hex()}": schema.validator_key_key(ID),
    "active-set": schema.active_set_key(),
    "recent-block/99": schema.recent_block_key(99),
    f"idempotency/{DID}/{ID.hex()}": schema.idempotency_key(DID, ID),
    "hex:ff00": b"\xff\x00",
}


@pytest.mark.parametrize(("text", "key"), CASES.items())
def test_a_key_is_read_and_written(text: str, key: bytes) -> None:
    assert parse_state_key(text).key == key
    assert describe_state_key(key).text == text
    assert describe_state_key(key) == parse_state_key(text)


def test_hex_of_a_known_key_gets_its_name() -> None:
    key = schema.grant_key("g-1")
    assert parse_state_key(f"hex:{key.hex()}").text == "grant/g-1"


def test_every_namespace_of_the_schema_has_a_form() -> None:
    namespaces = {
        value.decode()
        for name, value in vars(schema).items()
        if name.isupper() and isinstance(value, bytes)
    }
    assert namespaces == {text.partition("/")[0].partition("[")[0] for text in FORMS} - {
        "hex:DIGITS"
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "nothing/x",
        "did/",
        "did/qcto",
        "grant/",
        "hex:",
        "hex:xyz",
        "validators/x",
        "validators/x/3",
        "validator/N 1",
        "validator-key/",
        "validator-key/xyz",
        "active-set/x",
        "recent-block/",
        "recent-block/x",
        "code/qcto",
        f"status-chunk/{URL}",
        f"resource/{DID}",
        "resources/Nothing",
        f"idempotency/{DID}/xy",
    ],
)
def test_what_is_no_key_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_state_key(text)
    assert caught.value.code == "KEY_MALFORMED"
    assert "grant/ID" in caught.value.remedy


@pytest.mark.parametrize(
    "key", [b"", b"grant", b"no\x00x", b"did\x00\xff", b"resource\x00\x00\x01"]
)
def test_bytes_without_a_form_are_written_in_hexadecimal(key: bytes) -> None:
    found = describe_state_key(key)
    assert (found.text, found.record) == (f"hex:{key.hex()}", None)


@pytest.mark.parametrize(
    "label", ["CredentialTemplate", "credential-template", "CREDENTIAL_TEMPLATE"]
)
def test_a_type_of_resource_has_many_spellings(label: str) -> None:
    assert parse_resource_type(label) is ResourceType.CREDENTIAL_TEMPLATE
    assert parse_resource_type("unspecified") is None
