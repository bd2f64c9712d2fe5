# SPDX-License-Identifier: Apache-2.0
"""What lets a client believe an answer without trusting the node that gave it."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model.limits import (
    CERTIFICATE_SIZE_MAX,
    CHAIN_ID_SIZE_MAX,
    HASH_SIZE,
    HEADER_SIZE_MAX,
    LOG_PROOF_COUNT_MAX,
    PROOF_SIBLINGS_COUNT_MAX,
    PROVEN_ENTRIES_COUNT_MAX,
    RECEIPT_SIZE_MAX,
    STATE_KEY_SIZE_MAX,
    STATE_VALUE_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
    VALIDATOR_SET_SIZE_MAX,
)
from ledger.model.wire import (
    message,
    nested,
    octets,
    repeated,
    string,
    uint64,
)


@message("StateProof")
@dataclass(frozen=True, slots=True)
class StateProof:
    """Canonical message; fields as in proto/psetledger/v1/proofs.proto."""

    leaf_key_hash: bytes = octets(1, size_max=HASH_SIZE)
    leaf_value_hash: bytes = octets(2, size_max=HASH_SIZE)
    sibling_bitmap: bytes = octets(3, size_max=HASH_SIZE)
    siblings: tuple[bytes, ...] = repeated(
        4, bytes, count_max=PROOF_SIBLINGS_COUNT_MAX, size_max=HASH_SIZE
    )


@message("StateEntry")
@dataclass(frozen=True, slots=True)
class StateEntry:
    """Canonical message; fields as in proto/psetledger/v1/proofs.proto."""

    key: bytes = octets(1, size_max=STATE_KEY_SIZE_MAX)
    value: bytes = octets(2, size_max=STATE_VALUE_SIZE_MAX)
    proof: StateProof | None = nested(3, StateProof)


@message("CertifiedHead")
@dataclass(frozen=True, slots=True)
class CertifiedHead:
    """Canonical message; fields as in proto/psetledger/v1/proofs.proto."""

    header: bytes = octets(1, size_max=HEADER_SIZE_MAX)
    certificate: bytes = octets(2, size_max=CERTIFICATE_SIZE_MAX)


@message("TrustStep")
@dataclass(frozen=True, slots=True)
class TrustStep:
    """Canonical message; fields as in proto/psetledger/v1/proofs.proto."""

    head: CertifiedHead | None = nested(1, CertifiedHead)
    next_validators: bytes = octets(2, size_max=VALIDATOR_SET_SIZE_MAX)


@message("LogProof")
@dataclass(frozen=True, slots=True)
class LogProof:
    """Canonical message; fields as in proto/psetledger/v1/proofs.proto."""

    index: int = uint64(1)
    size: int = uint64(2)
    hashes: tuple[bytes, ...] = repeated(
        3, bytes, count_max=LOG_PROOF_COUNT_MAX, size_max=HASH_SIZE
    )


@message("TransactionProof")
@dataclass(frozen=True, slots=True)
class TransactionProof:
    """Canonical message; fields as in proto/psetledger/v1/proofs.proto."""

    head: CertifiedHead | None = nested(1, CertifiedHead)
    transaction: bytes = octets(2, size_max=TRANSACTION_SIZE_MAX)
    transaction_proof: LogProof | None = nested(3, LogProof)
    receipt: bytes = octets(4, size_max=RECEIPT_SIZE_MAX)
    receipt_proof: LogProof | None = nested(5, LogProof)


@message("ProvenState")
@dataclass(frozen=True, slots=True)
class ProvenState:
    """Canonical message; fields as in proto/psetledger/v1/proofs.proto."""

    chain_id: str = string(1, size_max=CHAIN_ID_SIZE_MAX)
    head: CertifiedHead | None = nested(2, CertifiedHead)
    entries: tuple[StateEntry, ...] = repeated(3, StateEntry, count_max=PROVEN_ENTRIES_COUNT_MAX)
