# SPDX-License-Identifier: Apache-2.0
"""The state at height 0: what is in it, and that it follows from the document alone."""

from __future__ import annotations

import dataclasses
from hashlib import sha256

import pytest

from ledger.model.accreditation import GrantStatus, chain_status
from ledger.model.canonical_json import decode_json, encode_json
from ledger.model.charter import default_charter
from ledger.model.codec import decode
from ledger.model.genesis import decode_genesis, encode_genesis, genesis_header
from ledger.model.operations import Code
from ledger.model.records import (
    ActiveSetRecord,
    DidRecord,
    GrantRecord,
    ListRecord,
    OrganisationRecord,
    ReferenceRecord,
    ValidatorStatus,
)
from ledger.model.schema import (
    code_key,
    did_key,
    grant_key,
    grants_by_grantee_child_key,
    grants_by_grantor_key,
    organisation_key,
    organisations_key,
    parameter_key,
    short_name_key,
    validator_key_key,
)
from ledger.state.genesis_state import compute_genesis_writes, root_grant_id
from ledger.state.parameters import Agreement, read_agreement, read_charter
from ledger.state.validators import (
    compute_validators_hash_of,
    get_active_set,
    get_active_set_record,
    get_members,
)
from tests.support.ledger_world import GENESIS_ORGANISATIONS, make_genesis, make_organisation

GENESIS = make_genesis(validators=("n1", "n2"))
WRITES = compute_genesis_writes(GENESIS)
STATE = dict(WRITES)


def test_sorted_and_unique() -> None:
    keys = [key for key, _ in WRITES]
    assert keys == sorted(set(keys))


def test_follows_from_the_document() -> None:
    again = decode_genesis(encode_genesis(GENESIS))
    assert compute_genesis_writes(again) == WRITES
    later = dataclasses.replace(GENESIS, created=GENESIS.created + 1)
    assert compute_genesis_writes(later) != WRITES


def test_organisations() -> None:
    for name in GENESIS_ORGANISATIONS:
        did = make_organisation(name).did
        record = decode(OrganisationRecord, STATE[organisation_key(did)])
        assert (record.short_name, record.vouched_by) == (name, "charter")
        assert record.vouched_at == GENESIS.created
        keys = decode(DidRecord, STATE[did_key(did)]).keys
        assert {key.valid_from for key in keys} == {GENESIS.created}
        assert decode(ReferenceRecord, STATE[short_name_key(name)]).reference == did
    assert decode(ListRecord, STATE[organisations_key()]).child_count == 4
    assert decode(ListRecord, STATE[organisations_key("quality-council")]).child_count == 3


def test_codes() -> None:
    first = dataclasses.replace(GENESIS.organisations[0], codes=(Code(system="sars", value="17"),))
    genesis = dataclasses.replace(GENESIS, organisations=(first, *GENESIS.organisations[1:]))
    state = dict(compute_genesis_writes(decode_genesis(encode_genesis(genesis))))
    did = make_organisation("saqa").did
    assert decode(ReferenceRecord, state[code_key("sars", "17")]).reference == did


def test_root_grant() -> None:
    did = make_organisation("saqa").did
    grant_id = root_grant_id(GENESIS.genesis_hash, 0)
    child = decode(ReferenceRecord, STATE[grants_by_grantee_child_key(did, 0)])
    assert child.reference == grant_id
    assert decode(ListRecord, STATE[grants_by_grantor_key("charter")]).child_count == 1
    grant = decode(GrantRecord, STATE[grant_key(grant_id)])
    assert (grant.grantor, grant.grantee, grant.parent) == ("charter", did, "")
    assert "recognise-council" in grant.powers
    assert chain_status([grant], grant.valid_from).status is GrantStatus.ACTIVE
    assert root_grant_id(GENESIS.genesis_hash, 1) != grant_id


def test_parameters() -> None:
    for key, value in WRITES:
        if key.startswith(b"parameter\x00"):
            assert encode_json(decode_json(value, size_max=100_000)) == value
    network = decode_json(STATE[parameter_key("network")], size_max=10_000)
    assert network == {
        "network": "test",
        "chain_id": GENESIS.chain_id,
        "genesis_hash": GENESIS.genesis_hash.hex(),
        "created": GENESIS.created,
        "protocol_version": 1,
        "fault_model": "crash",
        "certificate_scheme": "bls12381",
    }
    policy = decode_json(STATE[parameter_key("recovery_policy")], size_max=10_000)
    assert isinstance(policy, dict)
    assert policy["threshold"] == 3
    assert read_charter(STATE.get) == default_charter()
    assert read_agreement(STATE.get) == Agreement("crash", "bls12381")
    with pytest.raises(ValueError, match="network"):
        read_agreement(lambda _: None)


def test_validators() -> None:
    assert get_active_set(STATE) == GENESIS.validator_set
    assert compute_validators_hash_of(STATE) == genesis_header(GENESIS).next_validators_hash
    first, second = get_members(STATE)
    assert (first.validator, second.validator) == GENESIS.validators
    assert (first.number, second.number) == (1, 2)
    assert first.status is second.status is ValidatorStatus.ACTIVE
    assert (first.peer_address, first.admitted_height, first.removed_height) == ("", 0, 0)
    active = get_active_set_record(STATE)
    assert active == ActiveSetRecord(ids=("n1", "n2"), next_number=3)
    for value in (first.validator.vote_key, first.validator.tls_certificate):  # type: ignore[union-attr]
        key = validator_key_key(sha256(value).digest())
        assert decode(ReferenceRecord, STATE[key]).reference == "n1"


def test_numbers_follow_ids_however_the_document_was_built() -> None:
    turned = dataclasses.replace(GENESIS, validators=GENESIS.validators[::-1])
    members = get_members(dict(compute_genesis_writes(turned)))
    assert [(m.number, m.validator and m.validator.id) for m in members] == [(1, "n1"), (2, "n2")]


def test_a_state_without_genesis_has_no_validators() -> None:
    for ask in (get_active_set, get_members, compute_validators_hash_of):
        with pytest.raises(ValueError, match="validators"):
            ask({})
