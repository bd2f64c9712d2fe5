# SPDX-License-Identifier: Apache-2.0
"""W3C Bitstring Status List v1.0 (REC): status entries of credentials, and the lists themselves.

On the ledger a list is a bitmap behind the DID URL `did:pset:<network>:<id>/resources/<uuid>`,
proven like every record; that URL is the `statusListCredential` of our entries. The compressed
`encodedList` form is for publishing the same bitmap to verifiers that know nothing of the ledger.

Bit 0 is the left-most bit of byte 0 (section 3.2), the other way round from most bit arrays.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ledger.model.limits import STATUS_LIST_SIZE_MAX, STATUS_LIST_SIZE_MIN
from ledger.model.multibase import (
    MultibaseError,
    decode_multibase_base64url,
    encode_multibase_base64url,
)
from sdk.credentials.contexts import is_url
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.problems import StatusListError, join_path, malformed

ENTRY_TYPE: Final = "BitstringStatusListEntry"
REVOCATION: Final = "revocation"
"""Never taken back."""
SUSPENSION: Final = "suspension"
"""May be lifted."""
MESSAGE: Final = "message"
PURPOSES: Final = frozenset({REVOCATION, SUSPENSION, MESSAGE, "refresh"})

STATUS_SIZES: Final = (1, 2, 4, 8)
"""Bits of one entry that divide a byte; the standard allows others, no list here has them."""

ENTRIES_COUNT_MAX: Final = 8
"""Status entries of one credential."""

LIST_SIZE_BYTES_MIN: Final = STATUS_LIST_SIZE_MIN // 8
LIST_SIZE_BYTES_MAX: Final = STATUS_LIST_SIZE_MAX
"""Largest list the ledger holds, at eight bits an entry."""

# Error names of Bitstring Status List v1.0 section 3.5.
MALFORMED_VALUE_ERROR: Final = "MALFORMED_VALUE_ERROR"
STATUS_LIST_LENGTH_ERROR: Final = "STATUS_LIST_LENGTH_ERROR"
RANGE_ERROR: Final = "RANGE_ERROR"

# RFC 1952 with no name, no time and "Unix" as system whatever the machine: the same list gives the
# same text.
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
_INDEX: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
_HEX: Final = re.compile(r"0x[0-9a-f]{1,2}\Z")


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """Where one credential's status stands (section 2.1)."""

    list_url: str
    """`statusListCredential`."""
    index: int
    purpose: str
    size: int = 1
    """Bits of an entry."""


def build_status_entry(entry: StatusEntry) -> JsonObject:
    """The `credentialStatus` object of an entry.

    Raises:
        ValueError: an index, purpose or size that no list has, or a list that is no URL.
    """
    if not (
        is_url(entry.list_url)
        and entry.purpose in PURPOSES
        and entry.size in STATUS_SIZES
        and 0 <= entry.index < STATUS_LIST_SIZE_MAX
    ):
        raise ValueError("not a status entry")
    if entry.size != 1:
        raise ValueError("entries of several bits need messages; they are only read, not built")
    return {
        "id": f"{entry.list_url}#{entry.index}",
        "type": ENTRY_TYPE,
        "statusPurpose": entry.purpose,
        "statusListIndex": str(entry.index),
        "statusListCredential": entry.list_url,
    }


def parse_status_entry(value: Mapping[str, JsonValue], path: str) -> StatusEntry:
    """Read one `BitstringStatusListEntry` (section 2.1).

    Raises:
        CredentialError: MALFORMED.
    """
    if value.get("type") not in (ENTRY_TYPE, [ENTRY_TYPE]):
        raise malformed(join_path(path, "type"), f"must be {ENTRY_TYPE}")
    list_url = value.get("statusListCredential")
    if not isinstance(list_url, str) or not is_url(list_url):
        raise malformed(join_path(path, "statusListCredential"), "must be a URL")
    if value.get("id") == list_url:
        raise malformed(join_path(path, "id"), "must not be the URL of the list")
    index = value.get("statusListIndex")
    if not isinstance(index, str) or not _INDEX.match(index):
        raise malformed(join_path(path, "statusListIndex"), "must be a decimal number as a text")
    purpose = value.get("statusPurpose")
    if not isinstance(purpose, str) or purpose not in PURPOSES:
        raise malformed(join_path(path, "statusPurpose"), "is not a known purpose")
    size = value.get("statusSize", 1)
    if type(size) is not int or size not in STATUS_SIZES:
        raise malformed(join_path(path, "statusSize"), "must be 1, 2, 4 or 8")
    if size > 1:
        _check_messages(value.get("statusMessage"), join_path(path, "statusMessage"), size)
    return StatusEntry(list_url=list_url, index=int(index), purpose=purpose, size=size)


def _check_messages(value: JsonValue, path: str, size: int) -> None:
    """With entries of several bits every status must have its message (section 2.1)."""
    if not isinstance(value, list) or len(value) != 2**size:
        raise malformed(path, f"must hold the {2**size} statuses of {size} bits")
    for index, item in enumerate(value):
        if (
            not isinstance(item, dict)
            or not isinstance(status := item.get("status"), str)
            or not _HEX.match(status)
            or not isinstance(item.get("message"), str)
        ):
            raise malformed(join_path(path, index), "must have a status and a message")


def parse_status_entries(document: Mapping[str, JsonValue]) -> tuple[StatusEntry, ...]:
    """The status entries of a credential, in order; empty when it has none.

    A status of another type is refused rather than skipped: a verifier that cannot look up a
    status must not report the credential as good.

    Raises:
        CredentialError: MALFORMED; also when two entries have the same list and index.
    """
    if "credentialStatus" not in document:
        return ()
    value = document["credentialStatus"]
    items = value if isinstance(value, list) else [value]
    if not 0 < len(items) <= ENTRIES_COUNT_MAX:
        raise malformed("credentialStatus", f"1 to {ENTRIES_COUNT_MAX} entries are allowed")
    entries: list[StatusEntry] = []
    for position, item in enumerate(items):
        path = (
            join_path("credentialStatus", position)
            if isinstance(value, list)
            else ("credentialStatus")
        )
        if not isinstance(item, dict):
            raise malformed(path, "must be an object")
        entry = parse_status_entry(item, path)
        if any((entry.list_url, entry.index) == (old.list_url, old.index) for old in entries):
            raise malformed(path, "is listed twice")
        entries.append(entry)
    return tuple(entries)


def encode_list(bits: bytes) -> str:
    """`encodedList`: multibase base64url without padding of the gzip of `bits` (section 3.3).

    Raises:
        StatusListError: STATUS_LIST_LENGTH_ERROR; shorter than 131,072 entries of one bit, or
            longer than any list may be.
    """
    _check_length(len(bits))
    compressor = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    body = compressor.compress(bits) + compressor.flush()
    trailer = zlib.crc32(bits).to_bytes(4, "little") + len(bits).to_bytes(4, "little")
    return encode_multibase_base64url(_GZIP_HEADER + body + trailer)


def decode_list(encoded: str, *, size_bytes_max: int = LIST_SIZE_BYTES_MAX) -> bytes:
    """The bitmap of an `encodedList` (section 3.4).

    Decompression stops at `size_bytes_max` + 1 bytes, whatever the stream claims.

    Raises:
        StatusListError: MALFORMED_VALUE_ERROR, or STATUS_LIST_LENGTH_ERROR (too short, too long).
    """
    try:
        # Deflate adds at most a few bytes in each block to what it cannot compress.
        compressed = decode_multibase_base64url(encoded, size_bytes_max + size_bytes_max // 8 + 64)
    except MultibaseError:
        raise StatusListError(
            MALFORMED_VALUE_ERROR, "encodedList", "not multibase base64url without padding"
        ) from None
    decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        bits = decompressor.decompress(compressed, size_bytes_max + 1)
    except zlib.error:
        raise StatusListError(MALFORMED_VALUE_ERROR, "encodedList", "not gzip") from None
    if len(bits) > size_bytes_max:
        raise StatusListError(
            STATUS_LIST_LENGTH_ERROR, "encodedList", f"larger than {size_bytes_max} bytes"
        )
    if not decompressor.eof or decompressor.unused_data:
        raise StatusListError(
            MALFORMED_VALUE_ERROR, "encodedList", "cut off, or followed by something else"
        )
    _check_length(len(bits))
    return bits


def _check_length(size_bytes: int) -> None:
    """Section 3.2: the herd is at least 131,072 entries."""
    if not LIST_SIZE_BYTES_MIN <= size_bytes <= LIST_SIZE_BYTES_MAX:
        raise StatusListError(
            STATUS_LIST_LENGTH_ERROR,
            "encodedList",
            f"a list has {LIST_SIZE_BYTES_MIN} to {LIST_SIZE_BYTES_MAX} bytes",
        )


def get_bit(bits: bytes, index: int) -> int:
    """The bit of entry `index`, 0 or 1; entry 0 is the left-most bit of byte 0.

    Raises:
        StatusListError: RANGE_ERROR; the list has no such entry.
    """
    return get_status(bits, index, size=1)


def get_status(bits: bytes | bytearray, index: int, *, size: int) -> int:
    """The value of entry `index` in a list of `size` bits an entry, most significant bit first.

    Raises:
        StatusListError: RANGE_ERROR; the list has no such entry.
        ValueError: a size that no list has.
    """
    position, shift = _locate(len(bits), index, size)
    return bits[position] >> shift & (1 << size) - 1


def set_status(bits: bytearray, index: int, value: int, *, size: int = 1) -> None:
    """Write entry `index` in place.

    Raises:
        StatusListError: RANGE_ERROR; the list has no such entry.
        ValueError: a size that no list has, or a value that does not fit.
    """
    position, shift = _locate(len(bits), index, size)
    if not 0 <= value < 1 << size:
        raise ValueError("the value does not fit the entry")
    mask = ((1 << size) - 1) << shift
    bits[position] = bits[position] & ~mask & 0xFF | value << shift


def _locate(size_bytes: int, index: int, size: int) -> tuple[int, int]:
    """The byte that holds an entry, and how far from its right end the entry stands."""
    if size not in STATUS_SIZES:
        raise ValueError("an entry has 1, 2, 4 or 8 bits")
    per_byte = 8 // size
    if not 0 <= index < size_bytes * per_byte:
        raise StatusListError(RANGE_ERROR, "statusListIndex", "the list has no such entry")
    return index // per_byte, 8 - size * (index % per_byte + 1)
