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
from collections.abc import Sequence
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
    StatusChange,
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
    _check_changes(record, operation.changes, context.charter.limits.status_changes_count_max)
    chunks = _split_by_chunk(operation.changes, record.bits)
    if len(chunks) > STATUS_UPDATE_CHUNKS_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "changes",
            f"at most {STATUS_UPDATE_CHUNKS_COUNT_MAX} chunks of {STATUS_CHUNK_SIZE} bytes at a time",
        )
    for number, changes in chunks:
        _change_chunk(context, record, number, changes)
    context.state.put(
        status_update_key(record.owner, record.list_id, record.version),
        StatusUpdateRecord(
            version=record.version + 1, time=context.time, changes=operation.changes
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


def _check_changes(
    record: StatusListRecord, changes: Sequence[StatusChange], count_max: int
) -> None:
    if not changes:
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "changes", "the operation asks for no change"
        )
    if len(changes) > count_max:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "changes", f"at most {count_max} at a time"
        )
    indexes = [change.index for change in changes]
    is_ascending = all(map(lt, indexes, indexes[1:]))
    highest = max(change.value for change in changes)
    if is_ascending and indexes[-1] < record.size and not highest >> record.bits:
        return
    _refuse_change(record, changes)


def _refuse_change(record: StatusListRecord, changes: Sequence[StatusChange]) -> NoReturn:
    """Name the first change that is wrong; there is one."""
    before = -1
    for position, change in enumerate(changes):
        if change.index >= record.size:
            raise OperationRefusedError(
                ReceiptCode.STATUS_INDEX_OUT_OF_RANGE, f"changes[{position}].index"
            )
        if change.index <= before:
            raise OperationRefusedError(
                ReceiptCode.FIELD_INVALID,
                f"changes[{position}].index",
                "indexes ascend, each is named once",
            )
        if change.value >> record.bits:
            raise OperationRefusedError(
                ReceiptCode.STATUS_VALUE_OUT_OF_RANGE, f"changes[{position}].value"
            )
        before = change.index
    raise AssertionError("a change was found wrong")


def _split_by_chunk(
    changes: Sequence[StatusChange], bits: int
) -> list[tuple[int, Sequence[StatusChange]]]:
    indexes = [change.index for change in changes]
    entries = _CHUNK_BITS // bits
    chunks: list[tuple[int, Sequence[StatusChange]]] = []
    begin = 0
    while begin < len(indexes):
        number = indexes[begin] // entries
        end = bisect_left(indexes, (number + 1) * entries, begin)
        chunks.append((number, changes[begin:end]))
        begin = end
    return chunks


def _change_chunk(
    context: Context, record: StatusListRecord, number: int, changes: Sequence[StatusChange]
) -> None:
    key = status_chunk_key(record.owner, record.list_id, number)
    before = context.state.get_bytes(key) or _ZEROS
    chunk = bytearray(before)
    bits, is_final = record.bits, record.purpose is StatusPurpose.REVOCATION
    mask, top = (1 << bits) - 1, 8 - bits
    for change in changes:
        # Entries are 1, 2, 4 or 8 bits, so none lies across two bytes.
        byte, bit = divmod(change.index * bits % _CHUNK_BITS, 8)
        shift, value, held = top - bit, change.value, chunk[byte]
        if is_final and value == 0 and held >> shift & mask:
            raise OperationRefusedError(
                ReceiptCode.REVOCATION_IS_FINAL, f"changes[index={change.index}]"
            )
        chunk[byte] = held & ~(mask << shift) | value << shift
    after = bytes(chunk)
    if after == before:
        return
    if after == _ZEROS:
        context.state.delete(key)
    else:
        context.state.put(key, after)
