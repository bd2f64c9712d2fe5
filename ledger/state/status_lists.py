# SPDX-License-Identifier: Apache-2.0
"""CreateStatusList and UpdateStatusList: whether credentials are revoked or suspended.

A list is a bitstring (Bitstring Status List v1.0 §4): entry i begins at bit i * bits, the most
significant bit of a byte first. It is kept in chunks of STATUS_CHUNK_SIZE bytes; a chunk of zeros
is absent. An update names the version it was made for and is applied whole or not at all; each is
kept, so that "when" can be proven. Why a credential was revoked is never on the ledger.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from operator import lt
from typing import Final, NoReturn

from ledger.model.identifiers import UUID_SIZE, is_did, resource_url
from ledger.model.limits import (
    STATUS_CHUNK_SIZE,
    STATUS_LIST_SIZE_MIN,
    STATUS_UPDATE_CHUNKS_COUNT_MAX,
)
from ledger.model.operations import (
    CreateStatusList,
    StatusPurpose,
    UpdateStatusList,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import ResourceRecord, StatusListRecord, StatusUpdateRecord
from ledger.model.schema import (
    resource_key,
    status_chunk_key,
    status_list_key,
    status_lists_key,
    status_update_key,
)
from ledger.state.authorisation import Ownership
from ledger.state.context import Context, OperationRefusedError, Results

_BITS: Final = {
    StatusPurpose.REVOCATION: (1,),
    StatusPurpose.SUSPENSION: (1,),
    StatusPurpose.MESSAGE: (1, 2, 4, 8),
}
"""Bits of an entry by purpose."""
_CHUNK_BITS: Final = STATUS_CHUNK_SIZE * 8
_ZEROS: Final = bytes(STATUS_CHUNK_SIZE)


def get_create_ownership(context: Context, _operation: CreateStatusList) -> Ownership:
    """What does not exist yet is the author's."""
    return Ownership(owners=(context.author,))


def process_create_status_list(context: Context, operation: CreateStatusList) -> Results:
    """Create a list of zeros."""
    state, owner = context.state, context.author
    if len(operation.list_id) != UUID_SIZE or not any(operation.list_id):
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "list_id", "a UUID of 16 bytes is expected"
        )
    if operation.purpose not in _BITS:
        raise OperationRefusedError(ReceiptCode.FIELD_INVALID, "purpose", "it is missing")
    if operation.bits not in _BITS[operation.purpose]:
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "bits", "an entry of this purpose has other bits"
        )
    if operation.size < STATUS_LIST_SIZE_MIN:
        raise OperationRefusedError(
            ReceiptCode.STATUS_LIST_TOO_SMALL, "size", f"at least {STATUS_LIST_SIZE_MIN} entries"
        )
    size_max = context.charter.limits.status_list_size_max
    if operation.size > size_max:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "size", f"at most {size_max} entries"
        )
    if operation.size * operation.bits % 8:
        raise OperationRefusedError(ReceiptCode.FIELD_INVALID, "size", "the list fills whole bytes")
    key = status_list_key(owner, operation.list_id)
    other_key = resource_key(owner, operation.list_id)
    if state.get(StatusListRecord, key) or state.get(ResourceRecord, other_key):
        raise OperationRefusedError(ReceiptCode.STATUS_LIST_EXISTS, "list_id")
    url = resource_url(owner, operation.list_id)
    state.put(
        key,
        StatusListRecord(
            owner=owner,
            list_id=operation.list_id,
            purpose=operation.purpose,
            bits=operation.bits,
            size=operation.size,
            created=context.time,
            updated=context.time,
        ),
    )
    state.append(status_lists_key(owner), url)
    return (("url", url),)


def get_update_ownership(context: Context, operation: UpdateStatusList) -> Ownership:
    """The issuer of the list; its successor answers for it afterwards."""
    return Ownership(owners=(_get_list(context, operation).owner,))


def _get_list(context: Context, operation: UpdateStatusList) -> StatusListRecord:
    record = None
    if is_did(operation.owner, context.network) and len(operation.list_id) == UUID_SIZE:
        record = context.state.get(
            StatusListRecord, status_list_key(operation.owner, operation.list_id)
        )
    if record is None:
        raise OperationRefusedError(ReceiptCode.STATUS_LIST_UNKNOWN, "list_id")
    return record


def process_update_status_list(context: Context, operation: UpdateStatusList) -> Results:
    """Set entries of a list."""
    record = _get_list(context, operation)
    if operation.base_version != record.version:
        raise OperationRefusedError(ReceiptCode.STALE_VERSION, "base_version")
    _check_changes(record, operation, context.charter.limits.status_changes_count_max)
    parts = _split_by_chunk(operation, record.bits)
    if len(parts) > STATUS_UPDATE_CHUNKS_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "indexes",
            f"at most {STATUS_UPDATE_CHUNKS_COUNT_MAX} chunks of {STATUS_CHUNK_SIZE} bytes at a time",
        )
    for number, begin, end in parts:
        _change_chunk(context, record, number, operation, begin, end)
    context.state.put(
        status_update_key(record.owner, record.list_id, record.version),
        StatusUpdateRecord(
            version=record.version + 1,
            time=context.time,
            indexes=operation.indexes,
            values=operation.values,
        ),
    )
    context.state.put(
        status_list_key(record.owner, record.list_id),
        dataclasses.replace(record, version=record.version + 1, updated=context.time),
    )
    return (
        ("url", resource_url(record.owner, record.list_id)),
        ("version", str(record.version + 1)),
    )


def _check_changes(record: StatusListRecord, operation: UpdateStatusList, count_max: int) -> None:
    indexes, values = operation.indexes, operation.values
    if not indexes:
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "indexes", "the operation asks for no change"
        )
    if len(values) != len(indexes):
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "values", "one byte for each index is expected"
        )
    if len(indexes) > count_max:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "indexes", f"at most {count_max} at a time"
        )
    is_ascending = all(map(lt, indexes, indexes[1:]))
    if is_ascending and indexes[-1] < record.size and not max(values) >> record.bits:
        return
    _refuse_change(record, operation)


def _refuse_change(record: StatusListRecord, operation: UpdateStatusList) -> NoReturn:
    """Name the first change that is wrong; there is one."""
    before = -1
    for position, (index, value) in enumerate(
        zip(operation.indexes, operation.values, strict=True)
    ):
        if index >= record.size:
            raise OperationRefusedError(
                ReceiptCode.STATUS_INDEX_OUT_OF_RANGE, f"indexes[{position}]"
            )
        if index <= before:
            raise OperationRefusedError(
                ReceiptCode.FIELD_INVALID,
                f"indexes[{position}]",
                "indexes ascend, each is named once",
            )
        if value >> record.bits:
            raise OperationRefusedError(
                ReceiptCode.STATUS_VALUE_OUT_OF_RANGE, f"values[{position}]"
            )
        before = index
    raise AssertionError("a change was found wrong")


def _split_by_chunk(operation: UpdateStatusList, bits: int) -> list[tuple[int, int, int]]:
    """Number of each chunk that changes, and the positions in `indexes` where its changes begin and
    end.
    """
    indexes = operation.indexes
    entries = _CHUNK_BITS // bits
    parts: list[tuple[int, int, int]] = []
    begin = 0
    while begin < len(indexes):
        number = indexes[begin] // entries
        end = bisect_left(indexes, (number + 1) * entries, begin)
        parts.append((number, begin, end))
        begin = end
    return parts


def _change_chunk(
    context: Context,
    record: StatusListRecord,
    number: int,
    operation: UpdateStatusList,
    begin: int,
    end: int,
) -> None:
    key = status_chunk_key(record.owner, record.list_id, number)
    before = context.state.get_bytes(key) or _ZEROS
    chunk = bytearray(before)
    bits, is_final = record.bits, record.purpose is StatusPurpose.REVOCATION
    mask, top = (1 << bits) - 1, 8 - bits
    first_bit = number * _CHUNK_BITS
    for index, value in zip(operation.indexes[begin:end], operation.values[begin:end], strict=True):
        # Entries are 1, 2, 4 or 8 bits, so none lies across two bytes.
        position = index * bits - first_bit
        byte, shift = position >> 3, top - (position & 7)
        held = chunk[byte]
        if is_final and not value and held >> shift & mask:
            raise OperationRefusedError(ReceiptCode.REVOCATION_IS_FINAL, f"indexes[index={index}]")
        chunk[byte] = held & ~(mask << shift) | value << shift
    after = bytes(chunk)
    if after == before:
        return
    if after == _ZEROS:
        context.state.delete(key)
    else:
        context.state.put(key, after)
