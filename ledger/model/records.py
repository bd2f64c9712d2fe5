# SPDX-License-Identifier: Apache-2.0
"""Values of the state. Records keep their own history."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ledger.model.block import Validator
from ledger.model.keys import (
    KeyRole,
    KeyType,
)
from ledger.model.limits import (
    CONTENT_SIZE_MAX,
    DID_SIZE_MAX,
    GRANTS_HELD_COUNT_MAX,
    HASH_SIZE,
    NAME_SIZE_MAX,
    POWERS_COUNT_MAX,
    PUBLIC_KEY_SIZE_MAX,
    RECEIPT_SIZE_MAX,
    RECORD_HISTORY_COUNT_MAX,
    STATUS_CHANGES_COUNT_MAX,
    TEXT_SIZE_MAX,
    VALIDATORS_COUNT_MAX,
)
from ledger.model.operations import (
    AccreditationReason,
    ResourceType,
    Scope,
    StatusPurpose,
)
from ledger.model.wire import (
    enumeration,
    message,
    nested,
    octets,
    repeated,
    string,
    uint32,
    uint64,
)


class OrganisationStatus(IntEnum):
    """See proto/psetledger/v1/records.proto."""

    UNSPECIFIED = 0
    ACTIVE = 1
    SUCCEEDED = 2


class GrantEventKind(IntEnum):
    """See proto/psetledger/v1/records.proto."""

    UNSPECIFIED = 0
    SUSPENDED = 1
    REINSTATED = 2
    WITHDRAWN = 3
    AB_INITIO_OPENED = 4
    AB_INITIO_CONFIRMED = 5


class ValidatorStatus(IntEnum):
    """See proto/psetledger/v1/records.proto."""

    UNSPECIFIED = 0
    LEARNER = 1
    ACTIVE = 2
    REMOVED = 3


@message("KeyRecord")
@dataclass(frozen=True, slots=True)
class KeyRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    key_id: str = string(1, size_max=NAME_SIZE_MAX)
    role: KeyRole = enumeration(2, KeyRole)
    type: KeyType = enumeration(3, KeyType)
    public_key: bytes = octets(4, size_max=PUBLIC_KEY_SIZE_MAX)
    valid_from: int = uint64(5)
    valid_until: int = uint64(6)
    compromised_since: int = uint64(7)


@message("ServiceRecord")
@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    id: str = string(1, size_max=NAME_SIZE_MAX)
    type: str = string(2, size_max=NAME_SIZE_MAX)
    endpoint: str = string(3, size_max=TEXT_SIZE_MAX)
    valid_from: int = uint64(4)
    valid_until: int = uint64(5)


@message("DidRecord")
@dataclass(frozen=True, slots=True)
class DidRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    did: str = string(1, size_max=DID_SIZE_MAX)
    version: int = uint64(2)
    created: int = uint64(3)
    updated: int = uint64(4)
    deactivated: int = uint64(5)
    keys: tuple[KeyRecord, ...] = repeated(6, KeyRecord, count_max=RECORD_HISTORY_COUNT_MAX)
    services: tuple[ServiceRecord, ...] = repeated(
        7, ServiceRecord, count_max=RECORD_HISTORY_COUNT_MAX
    )


@message("VouchedCode")
@dataclass(frozen=True, slots=True)
class VouchedCode:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    system: str = string(1, size_max=NAME_SIZE_MAX)
    value: str = string(2, size_max=TEXT_SIZE_MAX)
    vouched_by: str = string(3, size_max=DID_SIZE_MAX)
    vouched_at: int = uint64(4)


@message("SiteRecord")
@dataclass(frozen=True, slots=True)
class SiteRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    code: str = string(1, size_max=NAME_SIZE_MAX)
    name: str = string(2, size_max=TEXT_SIZE_MAX)
    province: str = string(3, size_max=NAME_SIZE_MAX)
    added_at: int = uint64(4)
    added_by: str = string(5, size_max=DID_SIZE_MAX)


@message("OrganisationRecord")
@dataclass(frozen=True, slots=True)
class OrganisationRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    did: str = string(1, size_max=DID_SIZE_MAX)
    name: str = string(2, size_max=TEXT_SIZE_MAX)
    short_name: str = string(3, size_max=NAME_SIZE_MAX)
    type: str = string(4, size_max=NAME_SIZE_MAX)
    vouched_by: str = string(5, size_max=DID_SIZE_MAX)
    vouched_at: int = uint64(6)
    codes: tuple[VouchedCode, ...] = repeated(7, VouchedCode, count_max=RECORD_HISTORY_COUNT_MAX)
    sites: tuple[SiteRecord, ...] = repeated(8, SiteRecord, count_max=RECORD_HISTORY_COUNT_MAX)
    status: OrganisationStatus = enumeration(9, OrganisationStatus)
    successor: str = string(10, size_max=DID_SIZE_MAX)
    version: int = uint64(11)


@message("GrantEvent")
@dataclass(frozen=True, slots=True)
class GrantEvent:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    kind: GrantEventKind = enumeration(1, GrantEventKind)
    effective: int = uint32(2)
    reason: AccreditationReason = enumeration(3, AccreditationReason)
    recorded_at: int = uint64(4)
    by: str = string(5, size_max=DID_SIZE_MAX)


@message("GrantRecord")
@dataclass(frozen=True, slots=True)
class GrantRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    grant_id: str = string(1, size_max=NAME_SIZE_MAX)
    grantor: str = string(2, size_max=DID_SIZE_MAX)
    grantee: str = string(3, size_max=DID_SIZE_MAX)
    powers: tuple[str, ...] = repeated(4, str, count_max=POWERS_COUNT_MAX, size_max=TEXT_SIZE_MAX)
    scope: Scope | None = nested(5, Scope)
    valid_from: int = uint32(6)
    valid_until: int = uint32(7)
    parent: str = string(8, size_max=NAME_SIZE_MAX)
    version: int = uint64(9)
    recorded_at: int = uint64(10)
    events: tuple[GrantEvent, ...] = repeated(11, GrantEvent, count_max=RECORD_HISTORY_COUNT_MAX)


@message("HeldGrantsRecord")
@dataclass(frozen=True, slots=True)
class HeldGrantsRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    grants: tuple[str, ...] = repeated(
        1, str, count_max=GRANTS_HELD_COUNT_MAX, size_max=NAME_SIZE_MAX
    )
    complete_from: int = uint32(2)


@message("ResourceRecord")
@dataclass(frozen=True, slots=True)
class ResourceRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    owner: str = string(1, size_max=DID_SIZE_MAX)
    resource_id: bytes = octets(2, size_max=16)
    name: str = string(3, size_max=TEXT_SIZE_MAX)
    type: ResourceType = enumeration(4, ResourceType)
    version: int = uint64(5)
    media_type: str = string(6, size_max=NAME_SIZE_MAX)
    content: bytes = octets(7, size_max=CONTENT_SIZE_MAX)
    checksum: bytes = octets(8, size_max=HASH_SIZE)
    created: int = uint64(9)
    previous: str = string(10, size_max=TEXT_SIZE_MAX)


@message("ResourceNameRecord")
@dataclass(frozen=True, slots=True)
class ResourceNameRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    child_count: int = uint64(1)
    owner: str = string(2, size_max=DID_SIZE_MAX)
    type: ResourceType = enumeration(3, ResourceType)


@message("StatusListRecord")
@dataclass(frozen=True, slots=True)
class StatusListRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    owner: str = string(1, size_max=DID_SIZE_MAX)
    list_id: bytes = octets(2, size_max=16)
    purpose: StatusPurpose = enumeration(3, StatusPurpose)
    bits: int = uint32(4)
    size: int = uint64(5)
    version: int = uint64(6)
    created: int = uint64(7)
    updated: int = uint64(8)


@message("StatusUpdateRecord")
@dataclass(frozen=True, slots=True)
class StatusUpdateRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    version: int = uint64(1)
    time: int = uint64(2)
    indexes: tuple[int, ...] = repeated(3, int, count_max=STATUS_CHANGES_COUNT_MAX)
    values: bytes = octets(4, size_max=STATUS_CHANGES_COUNT_MAX)


@message("ListRecord")
@dataclass(frozen=True, slots=True)
class ListRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    child_count: int = uint64(1)


@message("ReferenceRecord")
@dataclass(frozen=True, slots=True)
class ReferenceRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    reference: str = string(1, size_max=TEXT_SIZE_MAX)


@message("IdempotencyRecord")
@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    operation_hash: bytes = octets(1, size_max=HASH_SIZE)
    receipt: bytes = octets(2, size_max=RECEIPT_SIZE_MAX)
    expires_at: int = uint64(3)


@message("MemberRecord")
@dataclass(frozen=True, slots=True)
class MemberRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    validator: Validator | None = nested(1, Validator)
    number: int = uint64(2)
    status: ValidatorStatus = enumeration(3, ValidatorStatus)
    peer_address: str = string(4, size_max=TEXT_SIZE_MAX)
    replaces: str = string(5, size_max=NAME_SIZE_MAX)
    admitted_height: int = uint64(6)
    activated_height: int = uint64(7)
    removed_height: int = uint64(8)


@message("ActiveSetRecord")
@dataclass(frozen=True, slots=True)
class ActiveSetRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    ids: tuple[str, ...] = repeated(1, str, count_max=VALIDATORS_COUNT_MAX, size_max=NAME_SIZE_MAX)
    last_changed_height: int = uint64(2)
    next_number: int = uint64(3)
    learner_count: int = uint32(4)


@message("RecentBlockRecord")
@dataclass(frozen=True, slots=True)
class RecentBlockRecord:
    """Canonical message; fields as in proto/psetledger/v1/records.proto."""

    height: int = uint64(1)
    block_hash: bytes = octets(2, size_max=HASH_SIZE)
