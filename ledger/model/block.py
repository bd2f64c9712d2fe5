# SPDX-License-Identifier: Apache-2.0
"""Blocks, votes, certificates and validators.

Everything hashed or signed is carried as its exact bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ledger.model.keys import (
    KeyType,
)
from ledger.model.limits import (
    BLOCK_SIZE_MAX,
    BLOCK_TRANSACTIONS_COUNT_MAX,
    CERTIFICATE_SIZE_MAX,
    CHAIN_ID_SIZE_MAX,
    DID_SIZE_MAX,
    HASH_SIZE,
    HEADER_SIZE_MAX,
    NAME_SIZE_MAX,
    PUBLIC_KEY_SIZE_MAX,
    SIGNATURE_SIZE_MAX,
    SIGNER_BITS_SIZE_MAX,
    TLS_CERTIFICATE_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
    VALIDATORS_COUNT_MAX,
    VOTE_SIZE_MAX,
)
from ledger.model.wire import (
    enumeration,
    message,
    octets,
    repeated,
    string,
    uint32,
    uint64,
)


class VotePhase(IntEnum):
    """See proto/psetledger/v1/ledger.proto."""

    UNSPECIFIED = 0
    COMMIT = 1
    PREPARE = 2


@message("BlockHeader")
@dataclass(frozen=True, slots=True)
class BlockHeader:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    chain_id: str = string(1, size_max=CHAIN_ID_SIZE_MAX)
    epoch: int = uint64(2)
    height: int = uint64(3)
    parent_hash: bytes = octets(4, size_max=HASH_SIZE)
    time: int = uint64(5)
    tx_root: bytes = octets(6, size_max=HASH_SIZE)
    tx_count: int = uint32(7)
    proposer: str = string(8, size_max=NAME_SIZE_MAX)
    validators_hash: bytes = octets(9, size_max=HASH_SIZE)
    next_validators_hash: bytes = octets(10, size_max=HASH_SIZE)
    protocol_version: int = uint32(11)


@message("Block")
@dataclass(frozen=True, slots=True)
class Block:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    header: bytes = octets(1, size_max=HEADER_SIZE_MAX)
    transactions: tuple[bytes, ...] = repeated(
        2, bytes, count_max=BLOCK_TRANSACTIONS_COUNT_MAX, size_max=TRANSACTION_SIZE_MAX
    )


@message("Proposal")
@dataclass(frozen=True, slots=True)
class Proposal:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    block: bytes = octets(1, size_max=BLOCK_SIZE_MAX)
    parent_certificate: bytes = octets(2, size_max=CERTIFICATE_SIZE_MAX)
    signature: bytes = octets(3, size_max=SIGNATURE_SIZE_MAX)
    round: int = uint64(4)
    justification: bytes = octets(5, size_max=CERTIFICATE_SIZE_MAX)


@message("Vote")
@dataclass(frozen=True, slots=True)
class Vote:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    chain_id: str = string(1, size_max=CHAIN_ID_SIZE_MAX)
    epoch: int = uint64(2)
    height: int = uint64(3)
    round: int = uint64(4)
    phase: VotePhase = enumeration(5, VotePhase)
    block_hash: bytes = octets(6, size_max=HASH_SIZE)
    state_root: bytes = octets(7, size_max=HASH_SIZE)
    receipts_root: bytes = octets(8, size_max=HASH_SIZE)
    log_root: bytes = octets(9, size_max=HASH_SIZE)


@message("SignedVote")
@dataclass(frozen=True, slots=True)
class SignedVote:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    vote: bytes = octets(1, size_max=VOTE_SIZE_MAX)
    validator: str = string(2, size_max=NAME_SIZE_MAX)
    signature: bytes = octets(3, size_max=SIGNATURE_SIZE_MAX)


@message("QuorumCertificate")
@dataclass(frozen=True, slots=True)
class QuorumCertificate:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    vote: bytes = octets(1, size_max=VOTE_SIZE_MAX)
    signer_bits: bytes = octets(2, size_max=SIGNER_BITS_SIZE_MAX)
    signature: bytes = octets(3, size_max=SIGNATURE_SIZE_MAX)
    signatures: tuple[bytes, ...] = repeated(
        4, bytes, count_max=VALIDATORS_COUNT_MAX, size_max=SIGNATURE_SIZE_MAX
    )


@message("Validator")
@dataclass(frozen=True, slots=True)
class Validator:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    id: str = string(1, size_max=NAME_SIZE_MAX)
    organisation: str = string(2, size_max=DID_SIZE_MAX)
    vote_key_type: KeyType = enumeration(3, KeyType)
    vote_key: bytes = octets(4, size_max=PUBLIC_KEY_SIZE_MAX)
    vote_possession: bytes = octets(5, size_max=SIGNATURE_SIZE_MAX)
    peer_key: bytes = octets(6, size_max=PUBLIC_KEY_SIZE_MAX)
    tls_certificate: bytes = octets(7, size_max=TLS_CERTIFICATE_SIZE_MAX)


@message("ValidatorSet")
@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    validators: tuple[Validator, ...] = repeated(1, Validator, count_max=VALIDATORS_COUNT_MAX)


@message("VoteRecord")
@dataclass(frozen=True, slots=True)
class VoteRecord:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    epoch: int = uint64(1)
    height: int = uint64(2)
    round: int = uint64(3)
    block_hash: bytes = octets(4, size_max=HASH_SIZE)
    vote: bytes = octets(5, size_max=VOTE_SIZE_MAX)
    signature: bytes = octets(6, size_max=SIGNATURE_SIZE_MAX)
