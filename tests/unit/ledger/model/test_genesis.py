# SPDX-License-Identifier: Apache-2.0
"""A genesis document is what everybody trusts: each thing that can be wrong with one is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.model.canonical_json import encode_json
from ledger.model.codec import encode
from ledger.model.genesis import (
    Genesis,
    GenesisError,
    decode_genesis,
    encode_genesis,
    genesis_header,
    organisation_did,
)
from ledger.model.hashes import compute_validators_hash
from ledger.model.keys import KeyType
from ledger.model.limits import GENESIS_SIZE_MAX
from ledger.model.merkle_log import EMPTY_ROOT
from ledger.model.multibase import encode_base64url_nopad
from tests.support.ledger_world import (
    GENESIS_ORGANISATIONS,
    SAMPLE_ORGANISATIONS,
    make_genesis,
    make_organisation,
    make_tls_certificate,
    make_validator,
)

GENESIS = make_genesis(validators=("n1", "n2"))
DATA = encode_genesis(GENESIS)
SAQA = make_organisation("saqa").did


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(GenesisError) as caught:
        decode_genesis(data)
    assert caught.value.text
    assert str(caught.value)
    return caught.value.code, caught.value.where


def with_change(path: str, value: Any) -> bytes:
    document = json.loads(DATA)
    *parents, last = path.split(".")
    inner = document
    for name in parents:
        inner = inner[int(name) if name.isdigit() else name]
    inner[int(last) if last.isdigit() else last] = value
    return encode_json(document)


def test_round_trip() -> None:
    assert decode_genesis(DATA) == GENESIS
    assert encode_genesis(decode_genesis(DATA)) == DATA


def test_identity() -> None:
    assert len(GENESIS.genesis_hash) == 32
    assert GENESIS.chain_id == f"test:{GENESIS.genesis_hash.hex()[:16]}"
    later = dataclasses.replace(GENESIS, created=GENESIS.created + 1)
    assert later.chain_id != GENESIS.chain_id
    assert [organisation_did(GENESIS, item) for item in GENESIS.organisations] == [
        make_organisation(name).did for name in GENESIS_ORGANISATIONS
    ]


def test_header_of_block_0() -> None:
    header = genesis_header(GENESIS)
    validators_hash = compute_validators_hash(encode(GENESIS.validator_set))
    assert (header.chain_id, header.epoch, header.height) == (GENESIS.chain_id, 0, 0)
    assert (header.time, header.tx_count, header.proposer) == (GENESIS.created, 0, "")
    assert (header.parent_hash, header.tx_root) == (bytes(32), EMPTY_ROOT)
    assert header.validators_hash == header.next_validators_hash == validators_hash
    assert header.protocol_version == 1


def test_ed25519_scheme() -> None:
    genesis = make_genesis(validators=("n1", "n2"), certificate_scheme="ed25519")
    assert {v.vote_key_type for v in genesis.validators} == {KeyType.ED25519}
    assert decode_genesis(encode_genesis(genesis)) == genesis


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", DATA[:-1], b"[" * 20])
def test_no_document(data: bytes) -> None:
    assert refusal(data)[0] == "GENESIS_MALFORMED"


def test_size() -> None:
    assert refusal(b" " * (GENESIS_SIZE_MAX + 1))[0] == "GENESIS_MALFORMED"


def test_bytes_are_canonical() -> None:
    assert refusal(json.dumps(json.loads(DATA)).encode())[0] == "GENESIS_NOT_CANONICAL"
    assert refusal(DATA + b"\n")[0] == "GENESIS_NOT_CANONICAL"


def test_every_member_is_needed_and_no_other() -> None:
    for name in json.loads(DATA):
        document = json.loads(DATA)
        del document[name]
        assert refusal(encode_json(document)) == ("GENESIS_MALFORMED", name)
    assert refusal(with_change("more", 1))[0] == "GENESIS_MALFORMED"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("format", "psetledger-genesis/2", "GENESIS_UNSUPPORTED"),
        ("protocol_version", 2, "GENESIS_UNSUPPORTED"),
        ("protocol_version", True, "GENESIS_UNSUPPORTED"),
        ("network", "Test", "GENESIS_MALFORMED"),
        ("network", 1, "GENESIS_MALFORMED"),
        ("network", "other", "GENESIS_REQUEST_INVALID"),
        ("created", 0, "GENESIS_MALFORMED"),
        ("created", 2**53 - 1, "GENESIS_MALFORMED"),
        ("fault_model", "hope", "GENESIS_MALFORMED"),
        ("certificate_scheme", "rsa", "GENESIS_MALFORMED"),
        ("certificate_scheme", "ed25519", "GENESIS_MALFORMED"),
        ("charter.title", "", "GENESIS_MALFORMED"),
        ("organisations", [], "GENESIS_MALFORMED"),
        ("organisations.0.request", "AA", "GENESIS_REQUEST_INVALID"),
        ("organisations.0.request", "AA=", "GENESIS_MALFORMED"),
        ("organisations.0.signatures.0.signature", "AA", "GENESIS_REQUEST_INVALID"),
        ("organisations.0.signatures.0.key_id", "other", "GENESIS_REQUEST_INVALID"),
        ("organisations.0.signatures", [], "GENESIS_MALFORMED"),
        ("organisations.0.codes", [{"system": "A", "value": "1"}], "GENESIS_MALFORMED"),
        (
            "organisations.0.codes",
            [{"system": "a", "value": "1"}, {"system": "a", "value": "2"}],
            "GENESIS_MALFORMED",
        ),
        ("organisation_types", ["seta"], "GENESIS_MALFORMED"),
        ("validators", [], "GENESIS_MALFORMED"),
        ("validators.0.id", "N1", "GENESIS_MALFORMED"),
        ("validators.0.id", "n3", "GENESIS_INCONSISTENT"),
        ("validators.0.id", "n2", "GENESIS_INCONSISTENT"),
        ("validators.0.organisation", make_organisation("gaa").did, "GENESIS_INCONSISTENT"),
        ("validators.0.vote_key_type", "ed25519", "GENESIS_MALFORMED"),
        ("validators.0.vote_key", encode_base64url_nopad(bytes(48)), "GENESIS_KEY_INVALID"),
        (
            "validators.0.vote_key",
            encode_base64url_nopad(GENESIS.validators[1].vote_key),
            "GENESIS_INCONSISTENT",
        ),
        (
            "validators.0.vote_possession",
            encode_base64url_nopad(GENESIS.validators[1].vote_possession),
            "GENESIS_POSSESSION_INVALID",
        ),
        ("validators.0.vote_possession", "", "GENESIS_POSSESSION_INVALID"),
        (
            "validators.0.peer_key",
            encode_base64url_nopad(b"\x01" + bytes(31)),
            "GENESIS_KEY_INVALID",
        ),
        ("validators.0.tls_certificate", "AA", "GENESIS_CERTIFICATE_INVALID"),
        (
            "validators.0.tls_certificate",
            encode_base64url_nopad(GENESIS.validators[1].tls_certificate),
            "GENESIS_INCONSISTENT",
        ),
        ("root_grants", [], "GENESIS_MALFORMED"),
        ("root_grants.0.grantee", make_organisation("gaa").did, "GENESIS_INCONSISTENT"),
        ("root_grants.0.powers", [], "GENESIS_MALFORMED"),
        ("root_grants.0.powers", ["reign"], "GENESIS_MALFORMED"),
        ("root_grants.0.powers", ["train", "issue"], "GENESIS_MALFORMED"),
        ("root_grants.0.valid_from", 0, "GENESIS_MALFORMED"),
        ("root_grants.0.valid_until", 1, "GENESIS_MALFORMED"),
        ("root_grants.0.scope.sub_frameworks", ["XQSF"], "GENESIS_MALFORMED"),
        ("root_grants.0.scope.qualifications", ["b", "a"], "GENESIS_MALFORMED"),
        ("root_grants.0.scope.sites", ["a b"], "GENESIS_MALFORMED"),
        ("root_grants.0.scope.moons", [], "GENESIS_MALFORMED"),
        ("recovery_policy.threshold", 0, "GENESIS_MALFORMED"),
        ("recovery_policy.threshold", 5, "GENESIS_MALFORMED"),
        ("recovery_policy.organisations", [], "GENESIS_MALFORMED"),
        ("recovery_policy.organisations", ["b", "a"], "GENESIS_MALFORMED"),
        (
            "recovery_policy.organisations",
            [make_organisation("gaa").did],
            "GENESIS_INCONSISTENT",
        ),
        ("rules.AddSite", {"moon": True}, "GENESIS_MALFORMED"),
    ],
)
def test_refused(path: str, value: Any, code: str) -> None:
    assert refusal(with_change(path, value))[0] == code


def repeat_organisation(document: Any) -> None:
    document["organisations"].append(document["organisations"][0])


def repeat_code(document: Any) -> None:
    code = {"system": "sars", "value": "17"}
    document["organisations"][0]["codes"] = [code]
    document["organisations"][1]["codes"] = [code]


def forge_key_in_request(document: Any) -> None:
    """The signatures of one request under another."""
    first, second = document["organisations"][:2]
    first["signatures"] = second["signatures"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (repeat_organisation, "GENESIS_INCONSISTENT"),
        (repeat_code, "GENESIS_INCONSISTENT"),
        (forge_key_in_request, "GENESIS_REQUEST_INVALID"),
    ],
)
def test_refused_as_a_whole(change: Callable[[Any], None], code: str) -> None:
    document = json.loads(DATA)
    change(document)
    assert refusal(encode_json(document))[0] == code


def test_short_name_is_unique() -> None:
    other = make_organisation("saqa", name="Another Authority")
    entry = dataclasses.replace(
        GENESIS.organisations[0],
        request=other.request,
        signatures=other.request_signatures,
    )
    genesis = dataclasses.replace(GENESIS, organisations=(*GENESIS.organisations, entry))
    assert refusal(encode_genesis(genesis))[0] == "GENESIS_INCONSISTENT"


def with_another(name: str) -> Genesis:
    """The genesis with one more organisation of this legal name."""
    other = make_organisation("another", name=name)
    entry = dataclasses.replace(
        GENESIS.organisations[0],
        request=other.request,
        signatures=other.request_signatures,
    )
    return dataclasses.replace(GENESIS, organisations=(*GENESIS.organisations, entry))


@pytest.mark.parametrize("change", [str, str.upper, "{}.".format])
def test_legal_name_is_unique_as_it_is_compared(change: Callable[[str], str]) -> None:
    name = SAMPLE_ORGANISATIONS["saqa"][0]
    with pytest.raises(GenesisError) as caught:
        decode_genesis(encode_genesis(with_another(change(name))))
    place = f"organisations[{len(GENESIS.organisations)}].request.name"
    assert (caught.value.code, caught.value.where) == ("GENESIS_INCONSISTENT", place)
    assert f"{name!r} and {change(name)!r}" in caught.value.text


def test_another_legal_name_is_welcome() -> None:
    genesis = with_another(f"The {SAMPLE_ORGANISATIONS['saqa'][0]}")
    assert decode_genesis(encode_genesis(genesis)) == genesis


def test_possession_is_proven_for_the_same_key() -> None:
    """A key without a proof could be one computed from the others' (rogue key)."""
    honest = make_validator("n1", SAQA)
    rogue = dataclasses.replace(honest, vote_possession=GENESIS.validators[1].vote_possession)
    genesis: Genesis = dataclasses.replace(GENESIS, validators=(rogue, *GENESIS.validators[1:]))
    assert refusal(encode_genesis(genesis)) == (
        "GENESIS_POSSESSION_INVALID",
        "validators[0].vote_possession",
    )


def test_fixture_certificates_are_deterministic() -> None:
    make_tls_certificate.cache_clear()
    assert make_tls_certificate("n1")[0] == GENESIS.validators[0].tls_certificate
