# SPDX-License-Identifier: Apache-2.0
"""UpdateDid and RotateKey: who controls a DID changes its services and keys.

Nothing is removed. A key keeps the span in which it was valid and when it was compromised, a
service the span in which it was there, so that a past signature can be judged at any time.

A record is never too full to retire a key: what makes it grow leaves RETIREMENT_RESERVE_SIZE free.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from ledger.model.codec import encode
from ledger.model.did_update import check_did_update, check_new_key, check_possession
from ledger.model.identifiers import is_did
from ledger.model.keys import KeyRole
from ledger.model.limits import (
    KEYS_COUNT_MAX,
    RECORD_HISTORY_COUNT_MAX,
    SERVICES_COUNT_MAX,
    STATE_VALUE_SIZE_MAX,
)
from ledger.model.operations import NewKey, RotateKey, UpdateDid
from ledger.model.organisation_request import RequestError
from ledger.model.receipts import ReceiptCode
from ledger.model.records import DidRecord, KeyRecord, ServiceRecord
from ledger.model.schema import did_key
from ledger.state.authorisation import Ownership
from ledger.state.context import Context, OperationRefusedError, Results

RETIREMENT_RESERVE_SIZE: Final = 32 * 1024
"""Bytes that stay free for the ends of all keys and services: two instants of a key, one of a
service, of at most 11 bytes each, and longer lengths around them.
"""
KEY_RECORD_SIZE_MAX: Final = 256
"""Bytes of a key in a record: its name, its point, three instants, and lengths."""


def get_did_ownership(context: Context, operation: UpdateDid | RotateKey) -> Ownership:
    """A DID is controlled by itself alone; a successor has its own."""
    record = _get_record(context, operation.did)
    return Ownership(owners=(record.did,), is_succession_counted=False)


def _get_record(context: Context, did: str) -> DidRecord:
    record = context.state.get(DidRecord, did_key(did)) if is_did(did, context.network) else None
    if record is None:
        raise OperationRefusedError(ReceiptCode.DID_UNKNOWN, "did")
    return record


def _check_version(record: DidRecord, expected: int) -> None:
    if record.version != expected:
        raise OperationRefusedError(ReceiptCode.STALE_VERSION, "expected_version")


def process_update_did(context: Context, operation: UpdateDid) -> Results:
    """Set and remove services, add keys."""
    record = _get_record(context, operation.did)
    _check_version(record, operation.expected_version)
    try:
        check_did_update(operation)
    except RequestError as error:
        raise OperationRefusedError(error.code, error.where, error.text) from None
    services = _compute_services(context.time, record.services, operation)
    keys = _add_keys(context, record, operation.add_keys, "add_keys")
    _store(context, record, keys, services)
    return (("did", record.did), ("version", str(record.version + 1)))


def _compute_services(
    time: int, services: Sequence[ServiceRecord], operation: UpdateDid
) -> tuple[ServiceRecord, ...]:
    set_ids = [service.id for service in operation.set_services]
    ended_ids = [*set_ids, *operation.remove_services]
    active_ids = [service.id for service in services if service.valid_until == 0]
    for position, service_id in enumerate(operation.remove_services):
        if service_id not in active_ids:
            raise OperationRefusedError(ReceiptCode.SERVICE_UNKNOWN, f"remove_services[{position}]")
    kept = [service_id for service_id in active_ids if service_id not in ended_ids]
    if len(kept) + len(set_ids) > SERVICES_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "set_services", f"at most {SERVICES_COUNT_MAX} at a time"
        )
    history = [
        dataclasses.replace(service, valid_until=time)
        if service.valid_until == 0 and service.id in ended_ids
        else service
        for service in services
    ]
    history.extend(
        ServiceRecord(id=service.id, type=service.type, endpoint=service.endpoint, valid_from=time)
        for service in operation.set_services
    )
    return tuple(history)


def process_rotate_key(context: Context, operation: RotateKey) -> Results:
    """Retire a key and put another with the same role in its place.

    A compromised key can go without a new one, unless it is the last admin key and there is room for
    another; one that was retired before, only so. It was
    compromised from its first instant on when `compromised_since` lies before that.
    """
    record = _get_record(context, operation.did)
    _check_version(record, operation.expected_version)
    retired = next((key for key in record.keys if key.key_id == operation.retired_key_id), None)
    if retired is None:
        raise OperationRefusedError(ReceiptCode.KEY_UNKNOWN, "retired_key_id")
    _check_rotation(context, operation, retired)
    since = operation.compromised_since and max(operation.compromised_since, retired.valid_from)
    if since:
        until = context.time if retired.valid_until == 0 else min(retired.valid_until, context.time)
    else:
        until = context.time + operation.overlap_ms
    keys = [
        dataclasses.replace(key, valid_until=until, compromised_since=since)
        if key is retired
        else key
        for key in record.keys
    ]
    changed = dataclasses.replace(record, keys=tuple(keys))
    if operation.new_key is not None:
        keys = list(_add_keys(context, changed, (operation.new_key,), "new_key"))
    # Nobody else could ever change the DID again. One that ends soon does not count.
    if (
        retired.role is KeyRole.ADMIN
        and retired.valid_until == 0
        and not _has_lasting_admin(keys)
        and _has_room_for_key(record)
    ):
        raise OperationRefusedError(
            ReceiptCode.KEY_ROLE_MISSING, "new_key", "the DID would be left without an admin key"
        )
    _store(context, record, tuple(keys), record.services)
    return (("did", record.did), ("version", str(record.version + 1)))


def _has_lasting_admin(keys: Sequence[KeyRecord]) -> bool:
    return any(key.role is KeyRole.ADMIN and key.valid_until == 0 for key in keys)


def _has_room_for_key(record: DidRecord) -> bool:
    """Whether a new key could take the place of another; a full record lets any key go without."""
    size_max = STATE_VALUE_SIZE_MAX - RETIREMENT_RESERVE_SIZE - KEY_RECORD_SIZE_MAX
    return len(record.keys) < RECORD_HISTORY_COUNT_MAX and len(encode(record)) <= size_max


def _check_rotation(context: Context, operation: RotateKey, retired: KeyRecord) -> None:
    is_late = retired.valid_until != 0
    if operation.compromised_since:
        if operation.overlap_ms or operation.compromised_since > context.time:
            raise OperationRefusedError(
                ReceiptCode.FIELD_INVALID,
                "compromised_since",
                "a compromised key ends at once; it was compromised in the past",
            )
        since = max(operation.compromised_since, retired.valid_from)
        if retired.compromised_since and since >= retired.compromised_since:
            raise OperationRefusedError(
                ReceiptCode.KEY_UNKNOWN, "retired_key_id", "known as compromised since then"
            )
    elif is_late:
        raise OperationRefusedError(
            ReceiptCode.KEY_UNKNOWN, "retired_key_id", "the key was retired before"
        )
    if operation.overlap_ms > context.charter.limits.key_overlap_ms_max:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "overlap_ms",
            f"at most {context.charter.limits.key_overlap_ms_max} ms",
        )
    new_key = operation.new_key
    if new_key is None:
        if not is_late and not operation.compromised_since:
            raise OperationRefusedError(
                ReceiptCode.FIELD_INVALID,
                "new_key",
                "a key in use is replaced by another, unless it is compromised",
            )
    elif is_late:
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "new_key", "the key was replaced before"
        )
    elif new_key.key is None or new_key.key.role is not retired.role:
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "new_key.key.role", "the new key has the role of the old"
        )


def _add_keys(
    context: Context, record: DidRecord, new_keys: Sequence[NewKey], where: str
) -> tuple[KeyRecord, ...]:
    """The record's keys and the new ones, each of which showed that its holder has it."""
    keys = list(record.keys)
    for position, new_key in enumerate(new_keys):
        at = where if where == "new_key" else f"{where}[{position}]"
        try:
            entry = check_new_key(new_key, at)
        except RequestError as error:
            raise OperationRefusedError(error.code, error.where, error.text) from None
        if any(key.key_id == entry.key_id or key.public_key == entry.public_key for key in keys):
            raise OperationRefusedError(ReceiptCode.KEY_EXISTS, f"{at}.key")
        try:
            check_possession(record.did, new_key, at)
        except RequestError as error:
            raise OperationRefusedError(error.code, error.where) from None
        keys.append(
            KeyRecord(
                key_id=entry.key_id,
                role=entry.role,
                type=entry.type,
                public_key=entry.public_key,
                valid_from=context.time,
            )
        )
    active = sum(key.valid_until == 0 for key in keys)
    if new_keys and active > KEYS_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, where, f"at most {KEYS_COUNT_MAX} keys at a time"
        )
    return tuple(keys)


def _store(
    context: Context,
    record: DidRecord,
    keys: tuple[KeyRecord, ...],
    services: tuple[ServiceRecord, ...],
) -> None:
    if max(len(keys), len(services)) > RECORD_HISTORY_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "did",
            f"the record keeps at most {RECORD_HISTORY_COUNT_MAX} keys and services for ever",
        )
    changed = dataclasses.replace(
        record, version=record.version + 1, updated=context.time, keys=keys, services=services
    )
    is_growing = len(keys) > len(record.keys) or len(services) > len(record.services)
    if is_growing and len(encode(changed)) > STATE_VALUE_SIZE_MAX - RETIREMENT_RESERVE_SIZE:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "did", "the record has no room for more keys and services"
        )
    context.state.put(did_key(record.did), changed)
