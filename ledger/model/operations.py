# SPDX-License-Identifier: Apache-2.0
"""What an author may ask of the ledger: one message for each operation.

Field meanings, units and limits: proto/psetledger/v1/operations.proto and limits.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ledger.model.block import Validator
from ledger.model.keys import (
    KeyRole,
    KeyType,
)
from ledger.model.limits import (
    CODES_COUNT_MAX,
    CONTENT_SIZE_MAX,
    DID_SIZE_MAX,
    HASH_SIZE,
    KEYS_COUNT_MAX,
    NAME_SIZE_MAX,
    POWERS_COUNT_MAX,
    PUBLIC_KEY_SIZE_MAX,
    REQUEST_SIZE_MAX,
    SCOPE_COUNT_MAX,
    SERVICES_COUNT_MAX,
    SIGNATURE_SIZE_MAX,
    STATUS_CHANGES_COUNT_MAX,
    TEXT_SIZE_MAX,
)
from ledger.model.wire import (
    boolean,
    enumeration,
    message,
    nested,
    octets,
    repeated,
    string,
    uint32,
    uint64,
)


class ResourceType(IntEnum):
    """See proto/psetledger/v1/operations.proto."""

    UNSPECIFIED = 0
    JSON_SCHEMA = 1
    CREDENTIAL_TEMPLATE = 2
    CREDENTIAL_DEFINITION = 3
    DISPLAY_BUNDLE = 4
    QUALIFICATION = 5
    OCCUPATION_FRAMEWORK = 6
    SKILL_ALIGNMENT = 7
    EQUIVALENCE_RULE = 8
    GOVERNANCE_DOCUMENT = 9
    SOFTWARE_RELEASE = 10


class StatusPurpose(IntEnum):
    """See proto/psetledger/v1/operations.proto."""

    UNSPECIFIED = 0
    REVOCATION = 1
    SUSPENSION = 2
    MESSAGE = 3


class AccreditationReason(IntEnum):
    """See proto/psetledger/v1/operations.proto."""

    UNSPECIFIED = 0
    NON_COMPLIANCE = 1
    QUALITY_FAILURE = 2
    CEASED_OPERATIONS = 3
    VOLUNTARY = 4
    FRAUD_FINDING = 5
    ERROR = 6


@message("KeyEntry")
@dataclass(frozen=True, slots=True)
class KeyEntry:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    key_id: str = string(1, size_max=NAME_SIZE_MAX)
    role: KeyRole = enumeration(2, KeyRole)
    type: KeyType = enumeration(3, KeyType)
    public_key: bytes = octets(4, size_max=PUBLIC_KEY_SIZE_MAX)


@message("NewKey")
@dataclass(frozen=True, slots=True)
class NewKey:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    key: KeyEntry | None = nested(1, KeyEntry)
    possession: bytes = octets(2, size_max=SIGNATURE_SIZE_MAX)


@message("KeySignature")
@dataclass(frozen=True, slots=True)
class KeySignature:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    key_id: str = string(1, size_max=NAME_SIZE_MAX)
    signature: bytes = octets(2, size_max=SIGNATURE_SIZE_MAX)


@message("OrganisationRequest")
@dataclass(frozen=True, slots=True)
class OrganisationRequest:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    network: str = string(1, size_max=NAME_SIZE_MAX)
    short_name: str = string(2, size_max=NAME_SIZE_MAX)
    name: str = string(3, size_max=TEXT_SIZE_MAX)
    type: str = string(4, size_max=NAME_SIZE_MAX)
    keys: tuple[KeyEntry, ...] = repeated(5, KeyEntry, count_max=KEYS_COUNT_MAX)
    nonce: bytes = octets(6, size_max=16)


@message("Code")
@dataclass(frozen=True, slots=True)
class Code:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    system: str = string(1, size_max=NAME_SIZE_MAX)
    value: str = string(2, size_max=TEXT_SIZE_MAX)


@message("Service")
@dataclass(frozen=True, slots=True)
class Service:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    id: str = string(1, size_max=NAME_SIZE_MAX)
    type: str = string(2, size_max=NAME_SIZE_MAX)
    endpoint: str = string(3, size_max=TEXT_SIZE_MAX)


@message("Scope")
@dataclass(frozen=True, slots=True)
class Scope:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    sub_frameworks: tuple[str, ...] = repeated(
        1, str, count_max=SCOPE_COUNT_MAX, size_max=TEXT_SIZE_MAX
    )
    qualifications: tuple[str, ...] = repeated(
        2, str, count_max=SCOPE_COUNT_MAX, size_max=TEXT_SIZE_MAX
    )
    sites: tuple[str, ...] = repeated(3, str, count_max=SCOPE_COUNT_MAX, size_max=TEXT_SIZE_MAX)
    designations: tuple[str, ...] = repeated(
        4, str, count_max=SCOPE_COUNT_MAX, size_max=TEXT_SIZE_MAX
    )
    trades: tuple[str, ...] = repeated(5, str, count_max=SCOPE_COUNT_MAX, size_max=TEXT_SIZE_MAX)


@message("EndorseOrganisation")
@dataclass(frozen=True, slots=True)
class EndorseOrganisation:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    request: bytes = octets(1, size_max=REQUEST_SIZE_MAX)
    request_signatures: tuple[KeySignature, ...] = repeated(
        2, KeySignature, count_max=KEYS_COUNT_MAX
    )
    codes: tuple[Code, ...] = repeated(3, Code, count_max=CODES_COUNT_MAX)


@message("AddSite")
@dataclass(frozen=True, slots=True)
class AddSite:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    organisation: str = string(1, size_max=DID_SIZE_MAX)
    code: str = string(2, size_max=NAME_SIZE_MAX)
    name: str = string(3, size_max=TEXT_SIZE_MAX)
    province: str = string(4, size_max=NAME_SIZE_MAX)


@message("UpdateDid")
@dataclass(frozen=True, slots=True)
class UpdateDid:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    did: str = string(1, size_max=DID_SIZE_MAX)
    expected_version: int = uint64(2)
    set_services: tuple[Service, ...] = repeated(3, Service, count_max=SERVICES_COUNT_MAX)
    remove_services: tuple[str, ...] = repeated(
        4, str, count_max=SERVICES_COUNT_MAX, size_max=TEXT_SIZE_MAX
    )
    add_keys: tuple[NewKey, ...] = repeated(5, NewKey, count_max=KEYS_COUNT_MAX)


@message("RotateKey")
@dataclass(frozen=True, slots=True)
class RotateKey:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    did: str = string(1, size_max=DID_SIZE_MAX)
    expected_version: int = uint64(2)
    retired_key_id: str = string(3, size_max=NAME_SIZE_MAX)
    new_key: NewKey | None = nested(4, NewKey)
    overlap_ms: int = uint64(5)
    compromised_since: int = uint64(6)


@message("PublishResource")
@dataclass(frozen=True, slots=True)
class PublishResource:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    resource_id: bytes = octets(1, size_max=16)
    name: str = string(2, size_max=TEXT_SIZE_MAX)
    type: ResourceType = enumeration(3, ResourceType)
    media_type: str = string(4, size_max=NAME_SIZE_MAX)
    content: bytes = octets(5, size_max=CONTENT_SIZE_MAX)
    checksum: bytes = octets(6, size_max=HASH_SIZE)
    expected_version: int = uint64(7)


@message("CreateStatusList")
@dataclass(frozen=True, slots=True)
class CreateStatusList:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    list_id: bytes = octets(1, size_max=16)
    purpose: StatusPurpose = enumeration(2, StatusPurpose)
    bits: int = uint32(3)
    size: int = uint64(4)


@message("UpdateStatusList")
@dataclass(frozen=True, slots=True)
class UpdateStatusList:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    owner: str = string(1, size_max=DID_SIZE_MAX)
    list_id: bytes = octets(2, size_max=16)
    base_version: int = uint64(3)
    indexes: tuple[int, ...] = repeated(4, int, count_max=STATUS_CHANGES_COUNT_MAX)
    values: bytes = octets(5, size_max=STATUS_CHANGES_COUNT_MAX)


@message("GrantAccreditation")
@dataclass(frozen=True, slots=True)
class GrantAccreditation:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    grantee: str = string(1, size_max=DID_SIZE_MAX)
    powers: tuple[str, ...] = repeated(2, str, count_max=POWERS_COUNT_MAX, size_max=TEXT_SIZE_MAX)
    scope: Scope | None = nested(3, Scope)
    valid_from: int = uint32(4)
    valid_until: int = uint32(5)


@message("SuspendAccreditation")
@dataclass(frozen=True, slots=True)
class SuspendAccreditation:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    grant_id: str = string(1, size_max=NAME_SIZE_MAX)
    expected_version: int = uint64(2)
    effective: int = uint32(3)
    reason: AccreditationReason = enumeration(4, AccreditationReason)


@message("ReinstateAccreditation")
@dataclass(frozen=True, slots=True)
class ReinstateAccreditation:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    grant_id: str = string(1, size_max=NAME_SIZE_MAX)
    expected_version: int = uint64(2)
    effective: int = uint32(3)
    reason: AccreditationReason = enumeration(4, AccreditationReason)


@message("WithdrawAccreditation")
@dataclass(frozen=True, slots=True)
class WithdrawAccreditation:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    grant_id: str = string(1, size_max=NAME_SIZE_MAX)
    expected_version: int = uint64(2)
    effective: int = uint32(3)
    reason: AccreditationReason = enumeration(4, AccreditationReason)
    ab_initio: bool = boolean(5)


@message("AdmitValidator")
@dataclass(frozen=True, slots=True)
class AdmitValidator:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    validator: Validator | None = nested(1, Validator)
    peer_address: str = string(2, size_max=TEXT_SIZE_MAX)


@message("ActivateValidator")
@dataclass(frozen=True, slots=True)
class ActivateValidator:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    validator_id: str = string(1, size_max=NAME_SIZE_MAX)
    height: int = uint64(2)
    block_hash: bytes = octets(3, size_max=HASH_SIZE)
    signature: bytes = octets(4, size_max=SIGNATURE_SIZE_MAX)
    replaces: str = string(5, size_max=NAME_SIZE_MAX)


@message("RemoveValidator")
@dataclass(frozen=True, slots=True)
class RemoveValidator:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    validator_id: str = string(1, size_max=NAME_SIZE_MAX)


@message("UpdateValidatorAddress")
@dataclass(frozen=True, slots=True)
class UpdateValidatorAddress:
    """Canonical message; fields as in proto/psetledger/v1/operations.proto."""

    validator_id: str = string(1, size_max=NAME_SIZE_MAX)
    peer_address: str = string(2, size_max=TEXT_SIZE_MAX)
