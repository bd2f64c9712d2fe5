# SPDX-License-Identifier: Apache-2.0
"""Every hash and every signed message of the protocol, each with its own domain tag.

A tagged hash is SHA-256(tag || 0x00 || data); a signed message is tag || 0x00 || payload. Tags
never contain a zero byte, so no message of one domain can be one of another.
"""

from __future__ import annotations

from hashlib import sha256

from ledger.model.multibase import encode_base58btc

TRANSACTION_TAG = b"psetledger/tx/v1"
TRANSACTION_SIGNATURE_TAG = b"psetledger/tx-signature/v1"
OPERATION_TAG = b"psetledger/operation/v1"
BLOCK_TAG = b"psetledger/block/v1"
PROPOSAL_TAG = b"psetledger/proposal/v1"
VOTE_TAG = b"psetledger/vote/v1"
VALIDATORS_TAG = b"psetledger/validators/v1"
GENESIS_TAG = b"psetledger/genesis/v1"
DID_TAG = b"psetledger/did/v1"
REQUEST_TAG = b"psetledger/organisation-request/v1"
POSSESSION_TAG = b"psetledger/key-possession/v1"
GRANT_TAG = b"psetledger/grant/v1"
EVIDENCE_TAG = b"psetledger/evidence/v1"
HALT_REPORT_TAG = b"psetledger/halt-report/v1"
ACTIVATION_TAG = b"psetledger/validator-activation/v1"

DID_METHOD = "pset"
DID_ID_SIZE = 20
GRANT_ID_SIZE = 16
"""Bytes of the hash that make a DID's identifier."""


def tagged_hash(tag: bytes, data: bytes) -> bytes:
    """SHA-256(tag || 0x00 || data), 32 bytes."""
    return sha256(tag + b"\x00" + data).digest()


def compute_transaction_id(body: bytes) -> bytes:
    """Id of a transaction: the hash of its body, without signatures; 32 bytes."""
    return tagged_hash(TRANSACTION_TAG, body)


def transaction_message(transaction_id: bytes) -> bytes:
    """What each signer of a transaction signs."""
    return TRANSACTION_SIGNATURE_TAG + b"\x00" + transaction_id


def compute_operation_hash(operation: bytes) -> bytes:
    """Hash of an operation (`encode_operation`), compared by the idempotency rule."""
    return tagged_hash(OPERATION_TAG, operation)


def compute_block_hash(header: bytes) -> bytes:
    """Hash of a canonical block header."""
    return tagged_hash(BLOCK_TAG, header)


def proposal_message(block_hash: bytes, round_number: int) -> bytes:
    """What a proposer signs with its peer key."""
    return PROPOSAL_TAG + b"\x00" + round_number.to_bytes(8, "big") + block_hash


def vote_message(vote: bytes) -> bytes:
    """What a validator signs with its vote key; `vote` is the canonical Vote."""
    return VOTE_TAG + b"\x00" + vote


def compute_validators_hash(validator_set: bytes) -> bytes:
    """Hash of a canonical ValidatorSet."""
    return tagged_hash(VALIDATORS_TAG, validator_set)


def compute_genesis_hash(genesis: bytes) -> bytes:
    """Fingerprint of a network: hash of the genesis document's RFC 8785 bytes."""
    return tagged_hash(GENESIS_TAG, genesis)


def compute_chain_id(network: str, genesis_hash: bytes) -> str:
    """`<network>:<first 16 hex digits of the genesis hash>`."""
    return f"{network}:{genesis_hash[:8].hex()}"


def compute_did(network: str, request: bytes) -> str:
    """DID of the organisation whose canonical OrganisationRequest is given: self-certifying."""
    identifier = encode_base58btc(tagged_hash(DID_TAG, request)[:DID_ID_SIZE])
    return f"did:{DID_METHOD}:{network}:{identifier}"


def request_message(request: bytes) -> bytes:
    """What every key of an OrganisationRequest signs."""
    return REQUEST_TAG + b"\x00" + tagged_hash(REQUEST_TAG, request)


def possession_message(did: str, key_entry: bytes) -> bytes:
    """What a new key signs to show possession: the DID and its canonical KeyEntry."""
    name = did.encode()
    return (
        POSSESSION_TAG
        + b"\x00"
        + tagged_hash(POSSESSION_TAG, len(name).to_bytes(2, "big") + name + key_entry)
    )


def compute_grant_id(transaction_id: bytes) -> str:
    """Id of the grant that a transaction makes: `g` and 16 bytes in base58btc."""
    return "g" + encode_base58btc(tagged_hash(GRANT_TAG, transaction_id)[:GRANT_ID_SIZE])


def activation_message(chain_id: str, validator_id: str, height: int, block_hash: bytes) -> bytes:
    """What a learner signs with its vote key to become active: the block that it has, and who it is
    on which chain.
    """
    chain, name = chain_id.encode(), validator_id.encode()
    data = b"".join(
        (
            len(chain).to_bytes(2, "big"),
            chain,
            len(name).to_bytes(2, "big"),
            name,
            height.to_bytes(8, "big"),
            block_hash,
        )
    )
    return ACTIVATION_TAG + b"\x00" + tagged_hash(ACTIVATION_TAG, data)


def compute_evidence_digest(evidence: bytes) -> bytes:
    """What tells two pieces of evidence apart: the hash of one without its witness's words."""
    return tagged_hash(EVIDENCE_TAG, evidence)


def halt_report_message(report: bytes) -> bytes:
    """What a validator signs with its peer key; `report` is the canonical HaltReport."""
    return HALT_REPORT_TAG + b"\x00" + report
