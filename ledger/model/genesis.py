# SPDX-License-Identifier: Apache-2.0
"""The genesis document: everything that a network takes on trust, in one file everybody can check.

RFC 8785 JSON with integers only. Its hash is the network's fingerprint, and the chain id carries
the beginning of that hash, so a rebuilt network never accepts a signature made for another. Block 0
follows from the document alone: everybody derives it, nobody certifies it.

Bytes are base64url without padding, times milliseconds, dates days since 1970-01-01. Members:
`format network created protocol_version fault_model certificate_scheme validators organisations
root_grants recovery_policy` and those of the charter (`ledger.model.charter_document`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.model.block import BlockHeader, Validator, ValidatorSet
from ledger.model.canonical_json import JsonError, JsonObject, JsonValue, decode_json, encode_json
from ledger.model.charter_document import CHARTER_MEMBERS, Charter, decode_charter, encode_charter
from ledger.model.codec import encode
from ledger.model.genesis_members import (
    CERTIFICATE_SCHEMES,
    GenesisError,
    GenesisOrganisation,
    RecoveryPolicy,
    RootGrant,
    check_validators,
    decode_organisations,
    decode_recovery_policy,
    decode_root_grants,
    decode_validators,
    encode_organisation,
    encode_root_grant,
    encode_validator,
)
from ledger.model.hashes import (
    compute_chain_id,
    compute_did,
    compute_genesis_hash,
    compute_validators_hash,
)
from ledger.model.identifiers import is_network
from ledger.model.json_fields import FieldError, read_choice, read_integer, read_object
from ledger.model.limits import GENESIS_SIZE_MAX, HASH_SIZE
from ledger.model.merkle_log import EMPTY_ROOT

__all__ = [
    "CERTIFICATE_SCHEMES",
    "FAULT_MODELS",
    "FORMAT",
    "PROTOCOL_VERSION",
    "Genesis",
    "GenesisError",
    "GenesisOrganisation",
    "RecoveryPolicy",
    "RootGrant",
    "decode_genesis",
    "encode_genesis",
    "genesis_header",
]

FORMAT: Final = "psetledger-genesis/1"
PROTOCOL_VERSION: Final = 1
FAULT_MODELS: Final = ("byzantine", "crash")

_CREATED_MAX: Final = 253_402_293_600_000
"""The last day that a civil date can name ends here, in ms."""
_MEMBERS: Final = (
    "format",
    "network",
    "created",
    "protocol_version",
    "fault_model",
    "certificate_scheme",
    "validators",
    "organisations",
    "root_grants",
    "recovery_policy",
    *CHARTER_MEMBERS,
)


@dataclass(frozen=True, slots=True)
class Genesis:
    """A network's beginning. `decode_genesis` checks one; building one by hand checks nothing."""

    network: str
    created: int
    """ms; time of block 0."""
    fault_model: str
    certificate_scheme: str
    validators: tuple[Validator, ...]
    """Sorted by id."""
    organisations: tuple[GenesisOrganisation, ...]
    root_grants: tuple[RootGrant, ...]
    recovery_policy: RecoveryPolicy
    charter: Charter
    protocol_version: int = PROTOCOL_VERSION

    @property
    def genesis_hash(self) -> bytes:
        """The fingerprint, 32 bytes."""
        return _compute_hash(self)

    @property
    def chain_id(self) -> str:
        """`<network>:<16 hex digits of the fingerprint>`."""
        return compute_chain_id(self.network, self.genesis_hash)

    @property
    def validator_set(self) -> ValidatorSet:
        """The validators of block 1."""
        return ValidatorSet(validators=self.validators)


@lru_cache(maxsize=4)
def _compute_hash(genesis: Genesis) -> bytes:
    return compute_genesis_hash(encode_genesis(genesis))


def encode_genesis(genesis: Genesis) -> bytes:
    """The RFC 8785 bytes of a genesis document."""
    document: JsonObject = {
        "format": FORMAT,
        "network": genesis.network,
        "created": genesis.created,
        "protocol_version": genesis.protocol_version,
        "fault_model": genesis.fault_model,
        "certificate_scheme": genesis.certificate_scheme,
        "validators": [
            encode_validator(validator, genesis.certificate_scheme)
            for validator in genesis.validators
        ],
        "organisations": [encode_organisation(item) for item in genesis.organisations],
        "root_grants": [encode_root_grant(grant) for grant in genesis.root_grants],
        "recovery_policy": {
            "organisations": list(genesis.recovery_policy.organisations),
            "threshold": genesis.recovery_policy.threshold,
        },
        **encode_charter(genesis.charter),
    }
    return encode_json(document)


def decode_genesis(data: bytes) -> Genesis:
    """Read a genesis document and check all of it.

    Canonical bytes, types and limits; every organisation's request with its signatures; every
    validator's keys, proof of possession and TLS certificate; that what is referred to is there.

    Raises:
        GenesisError: GENESIS_MALFORMED, GENESIS_NOT_CANONICAL, GENESIS_UNSUPPORTED,
            GENESIS_REQUEST_INVALID, GENESIS_KEY_INVALID, GENESIS_POSSESSION_INVALID,
            GENESIS_CERTIFICATE_INVALID, GENESIS_INCONSISTENT.
    """
    try:
        value = decode_json(data, size_max=GENESIS_SIZE_MAX)
        if encode_json(value) != data:
            raise GenesisError("GENESIS_NOT_CANONICAL", "", "the bytes are not RFC 8785")
        return _decode_document(value)
    except JsonError as error:
        raise GenesisError("GENESIS_MALFORMED", "", str(error)) from None
    except FieldError as error:
        raise GenesisError("GENESIS_MALFORMED", error.where, error.text) from None


def _decode_document(value: JsonValue) -> Genesis:
    document = read_object(value, "", _MEMBERS)
    for member, supported in (("format", FORMAT), ("protocol_version", PROTOCOL_VERSION)):
        if document[member] != supported or isinstance(document[member], bool):
            raise GenesisError(
                "GENESIS_UNSUPPORTED", member, f"this software reads {supported} only"
            )
    network = document["network"]
    if not isinstance(network, str) or not is_network(network):
        raise FieldError("network", "1 to 20 of a-z, 0-9 and hyphen are expected")
    scheme = read_choice(
        document["certificate_scheme"], "certificate_scheme", tuple(CERTIFICATE_SCHEMES)
    )
    charter = decode_charter(document)
    organisations, dids = decode_organisations(
        document["organisations"], network, charter.organisation_types
    )
    validators = decode_validators(document["validators"], scheme)
    check_validators(validators, dids)
    return Genesis(
        network=network,
        created=read_integer(document["created"], "created", 1, _CREATED_MAX),
        fault_model=read_choice(document["fault_model"], "fault_model", FAULT_MODELS),
        certificate_scheme=scheme,
        validators=validators,
        organisations=organisations,
        root_grants=decode_root_grants(document["root_grants"], dids, charter.powers),
        recovery_policy=decode_recovery_policy(document["recovery_policy"], dids),
        charter=charter,
    )


def genesis_header(genesis: Genesis) -> BlockHeader:
    """Header of block 0: no transactions, no proposer, no parent."""
    validators_hash = compute_validators_hash(encode(genesis.validator_set))
    return BlockHeader(
        chain_id=genesis.chain_id,
        epoch=0,
        height=0,
        parent_hash=bytes(HASH_SIZE),
        time=genesis.created,
        tx_root=EMPTY_ROOT,
        tx_count=0,
        proposer="",
        validators_hash=validators_hash,
        next_validators_hash=validators_hash,
        protocol_version=genesis.protocol_version,
    )


def organisation_did(genesis: Genesis, organisation: GenesisOrganisation) -> str:
    """DID of one of the document's organisations."""
    return compute_did(genesis.network, organisation.request)
