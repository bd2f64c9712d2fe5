# SPDX-License-Identifier: Apache-2.0
"""Questions about status lists: always the whole list, so that nobody learns which entry counts.

The state holds a list in chunks, an absent one is all zeros; every update is kept, so the list as
it stood at a time follows from the updates until then.
"""

from __future__ import annotations

from typing import Final

from ledger.model import schema
from ledger.model.identifiers import network_of_did, parse_resource_url
from ledger.model.limits import STATUS_CHUNK_SIZE
from ledger.model.operations import StatusPurpose
from ledger.model.records import ReferenceRecord, StatusListRecord, StatusUpdateRecord
from sdk.errors import CallerError
from sdk.reader import StateView, decode_record
from sdk.results import StatusList

PURPOSE_NAMES: Final = {
    StatusPurpose.UNSPECIFIED: "unspecified",
    StatusPurpose.REVOCATION: "revocation",
    StatusPurpose.SUSPENSION: "suspension",
    StatusPurpose.MESSAGE: "message",
}


def parse_list_url(url: str, network: str) -> tuple[str, bytes]:
    """Owner and list id in the URL of a status list.

    Raises:
        CallerError: STATUS_LIST_URL, OTHER_NETWORK.
    """
    parsed = parse_resource_url(url)
    if parsed is None:
        raise CallerError(
            f"{url!r} is no URL of a status list",
            code="STATUS_LIST_URL",
            remedy="Give did:…/resources/UUID, as in a credential's statusListCredential.",
        )
    if network_of_did(parsed[0]) != network:
        raise CallerError(
            f"{url} belongs to another network than {network}",
            code="OTHER_NETWORK",
            remedy="Connect to the network named in the URL.",
        )
    return parsed


def read_status_list(
    view: StateView, url: str, network: str, at_ms: int | None = None
) -> StatusList:
    """A whole list as it stood at a time (ms); None: now.

    Raises:
        CallerError: STATUS_LIST_URL, STATUS_LIST_UNKNOWN, OTHER_NETWORK.
    """
    owner, list_id = parse_list_url(url, network)
    key = schema.status_list_key(owner, list_id)
    record = view.record(StatusListRecord, key)
    if record is None or (at_ms is not None and record.created > at_ms):
        raise CallerError(
            f"there is no status list {url}",
            code="STATUS_LIST_UNKNOWN",
            remedy="Check the URL, and the day when you gave one.",
        )
    if at_ms is None or record.updated <= at_ms:
        version, chunks = record.version, _read_chunks(view, record)
    else:
        version, chunks = _replay(view, key, record, at_ms)
    return StatusList(
        url=url,
        purpose=PURPOSE_NAMES[record.purpose],
        size=record.size,
        bits=record.bits,
        version=version,
        chunks=chunks,
    )


def read_updates(view: StateView, url: str, network: str) -> list[StatusUpdateRecord]:
    """Every update of a list, in order: when an entry changed follows from them.

    Raises:
        CallerError: STATUS_LIST_URL, OTHER_NETWORK.
    """
    children = view.children(schema.status_list_key(*parse_list_url(url, network)))
    return [decode_record(StatusUpdateRecord, child) for child in children]


def list_status_lists(view: StateView, owner: str) -> list[str]:
    """URLs of an organisation's status lists, in the order in which they were made."""
    children = view.children(schema.status_lists_key(owner))
    return [decode_record(ReferenceRecord, child).reference for child in children]


def chunk_keys(record: StatusListRecord) -> list[bytes]:
    """State keys of all chunks of a list, those that are absent included."""
    size_bytes = -(-record.size * record.bits // 8)
    count = -(-size_bytes // STATUS_CHUNK_SIZE)
    return [schema.status_chunk_key(record.owner, record.list_id, n) for n in range(count)]


def _read_chunks(view: StateView, record: StatusListRecord) -> dict[int, bytes]:
    values = view.get_many(chunk_keys(record))
    return {number: value for number, value in enumerate(values) if value is not None}


def _replay(
    view: StateView, key: bytes, record: StatusListRecord, at_ms: int
) -> tuple[int, dict[int, bytes]]:
    """The list after the last update that was made by then."""
    chunks: dict[int, bytearray] = {}
    version = 0
    for child in view.children(key):
        update = decode_record(StatusUpdateRecord, child)
        if update.time > at_ms:
            break
        version = update.version
        for index, value in zip(update.indexes, update.values, strict=True):
            _set_status(chunks, index, value, record.bits)
    return version, {number: bytes(chunk) for number, chunk in chunks.items()}


def _set_status(chunks: dict[int, bytearray], index: int, value: int, bits: int) -> None:
    position, shift = divmod(index * bits, 8)
    number, offset = divmod(position, STATUS_CHUNK_SIZE)
    chunk = chunks.setdefault(number, bytearray(STATUS_CHUNK_SIZE))
    low = 8 - bits - shift
    mask = ((1 << bits) - 1) << low
    chunk[offset] = chunk[offset] & ~mask & 0xFF | value << low
