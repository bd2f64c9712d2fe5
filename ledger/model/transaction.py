# SPDX-License-Identifier: Apache-2.0
"""Transactions and their receipts.

What is signed is the exact body; the transaction id is the hash of the body.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model.keys import (
    KeyType,
)
from ledger.model.limits import (
    CHAIN_ID_SIZE_MAX,
    DID_SIZE_MAX,
    HASH_SIZE,
    NAME_SIZE_MAX,
    PUBLIC_KEY_SIZE_MAX,
    RESULTS_COUNT_MAX,
    SIGNATURE_SIZE_MAX,
    SIGNERS_COUNT_MAX,
    TEXT_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
)
from ledger.model.operations import (
    ActivateValidator,
    AddSite,
    AdmitValidator,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    PublishResource,
    ReinstateAccreditation,
    RemoveValidator,
    RotateKey,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    WithdrawAccreditation,
)
from ledger.model.wire import (
    enumeration,
    message,
    octets,
    one_of,
    repeated,
    string,
    uint32,
    uint64,
)


@message("Signer")
@dataclass(frozen=True, slots=True)
class Signer:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    did: str = string(1, size_max=DID_SIZE_MAX)
    key_id: str = string(2, size_max=NAME_SIZE_MAX)
    type: KeyType = enumeration(3, KeyType)
    public_key: bytes = octets(4, size_max=PUBLIC_KEY_SIZE_MAX)


Operation = (
    EndorseOrganisation
    | AddSite
    | UpdateDid
    | RotateKey
    | PublishResource
    | CreateStatusList
    | UpdateStatusList
    | GrantAccreditation
    | SuspendAccreditation
    | ReinstateAccreditation
    | WithdrawAccreditation
    | AdmitValidator
    | ActivateValidator
    | RemoveValidator
    | UpdateValidatorAddress
)
"""What a transaction may ask."""


@message("TransactionBody")
@dataclass(frozen=True, slots=True)
class TransactionBody:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    chain_id: str = string(1, size_max=CHAIN_ID_SIZE_MAX)
    author: str = string(2, size_max=DID_SIZE_MAX)
    signers: tuple[Signer, ...] = repeated(3, Signer, count_max=SIGNERS_COUNT_MAX)
    idempotency_key: bytes = octets(4, size_max=16)
    expires_at: int = uint64(5)
    operation: Operation | None = one_of(
        {
            20: EndorseOrganisation,
            21: AddSite,
            22: UpdateDid,
            23: RotateKey,
            24: PublishResource,
            25: CreateStatusList,
            26: UpdateStatusList,
            27: GrantAccreditation,
            28: SuspendAccreditation,
            29: ReinstateAccreditation,
            30: WithdrawAccreditation,
            31: AdmitValidator,
            32: ActivateValidator,
            33: RemoveValidator,
            34: UpdateValidatorAddress,
        }
    )


@message("Transaction")
@dataclass(frozen=True, slots=True)
class Transaction:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    body: bytes = octets(1, size_max=TRANSACTION_SIZE_MAX)
    signatures: tuple[bytes, ...] = repeated(
        2, bytes, count_max=SIGNERS_COUNT_MAX, size_max=SIGNATURE_SIZE_MAX
    )


@message("ResultItem")
@dataclass(frozen=True, slots=True)
class ResultItem:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    name: str = string(1, size_max=TEXT_SIZE_MAX)
    value: str = string(2, size_max=TEXT_SIZE_MAX)


@message("Receipt")
@dataclass(frozen=True, slots=True)
class Receipt:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    transaction_id: bytes = octets(1, size_max=HASH_SIZE)
    height: int = uint64(2)
    index: int = uint32(3)
    code: int = uint32(4)
    results: tuple[ResultItem, ...] = repeated(5, ResultItem, count_max=RESULTS_COUNT_MAX)
