# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import tracemalloc

import pytest

from ledger.model.limits import STATUS_LIST_SIZE_MAX
from ledger.model.multibase import encode_multibase_base64url
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.problems import CredentialError, StatusListError
from sdk.credentials.status_list import (
    ENTRIES_COUNT_MAX,
    LIST_SIZE_BYTES_MAX,
    LIST_SIZE_BYTES_MIN,
    StatusEntry,
    build_status_entry,
    decode_list,
    encode_list,
    get_bit,
    get_status,
    parse_status_entries,
    parse_status_entry,
    set_status,
)
from tests.support.credential_samples import REVOCATION_LIST, STATUS_ENTRIES, unsigned_credential

ENTRY = StatusEntry(REVOCATION_LIST, 94_567, "revocation")


def test_an_entry_has_the_form_of_the_recommendation() -> None:
    assert build_status_entry(ENTRY) == {
        "id": f"{REVOCATION_LIST}#94567",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": REVOCATION_LIST,
    }
    assert parse_status_entry(build_status_entry(ENTRY), "x") == ENTRY


@pytest.mark.parametrize(
    "entry",
    [
        StatusEntry("not a url", 1, "revocation"),
        StatusEntry(REVOCATION_LIST, -1, "revocation"),
        StatusEntry(REVOCATION_LIST, STATUS_LIST_SIZE_MAX, "revocation"),
        StatusEntry(REVOCATION_LIST, 1, "unheard-of"),
        StatusEntry(REVOCATION_LIST, 1, "message", 2),
        StatusEntry(REVOCATION_LIST, 1, "message", 3),
    ],
)
def test_entries_that_no_list_has_are_not_built(entry: StatusEntry) -> None:
    with pytest.raises(ValueError, match="entr"):
        build_status_entry(entry)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", None),
        ("type", "StatusList2021Entry"),
        ("id", REVOCATION_LIST),
        ("statusListCredential", "not a url"),
        ("statusListCredential", None),
        ("statusListIndex", 94_567),
        ("statusListIndex", "-1"),
        ("statusListIndex", "007"),
        ("statusListIndex", "1.5"),
        ("statusListIndex", "1" * 17),
        ("statusListIndex", "\u0661"),
        ("statusListIndex", "1\n"),
        ("statusPurpose", "unheard-of"),
        ("statusPurpose", None),
        ("statusSize", 0),
        ("statusSize", 3),
        ("statusSize", True),
        ("statusSize", "2"),
        ("statusSize", 2),
        ("statusSize", None),
    ],
)
def test_each_member_of_an_entry_matters(member: str, value: JsonValue) -> None:
    entry: JsonObject = {**build_status_entry(ENTRY), member: value}
    with pytest.raises(CredentialError) as caught:
        parse_status_entry(entry, "credentialStatus")
    assert caught.value.code == "MALFORMED"
    assert caught.value.path.startswith("credentialStatus.")


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        [{"status": "0x0", "message": "a"}],
        [{"status": "0x0", "message": "a"}, {"status": "1", "message": "b"}],
        [{"status": "0x0", "message": "a"}, {"status": "0x1"}],
        [{"status": "0x0", "message": "a"}, "b"],
    ],
)
def test_entries_of_several_bits_name_every_status(messages: JsonValue) -> None:
    one: JsonValue = {"status": "0x2", "message": "c"}
    entry: JsonObject = {
        **build_status_entry(ENTRY),
        "statusPurpose": "message",
        "statusSize": 2,
        "statusMessage": [*messages, one, one] if isinstance(messages, list) else messages,
    }
    with pytest.raises(CredentialError):
        parse_status_entry(entry, "credentialStatus")


def test_the_entries_of_a_credential() -> None:
    document = unsigned_credential()
    assert parse_status_entries(document) == STATUS_ENTRIES
    del document["credentialStatus"]
    assert parse_status_entries(document) == ()


@pytest.mark.parametrize("value", [None, [], 7, [7], ["x"]])
def test_a_status_that_cannot_be_looked_up_is_not_skipped(value: JsonValue) -> None:
    with pytest.raises(CredentialError):
        parse_status_entries({"credentialStatus": value})
    entry = build_status_entry(ENTRY)
    unknown: JsonObject = {"type": "https://example.org/#Other"}
    with pytest.raises(CredentialError):
        parse_status_entries({"credentialStatus": [entry, unknown]})


def test_entries_are_few_and_different() -> None:
    entry = build_status_entry(ENTRY)
    suspension = build_status_entry(StatusEntry(REVOCATION_LIST, 94_567, "suspension"))
    for entries in ([entry, entry], [entry, suspension]):
        with pytest.raises(CredentialError, match="twice"):
            parse_status_entries({"credentialStatus": [*entries]})
    many: list[JsonValue] = [
        build_status_entry(StatusEntry(REVOCATION_LIST, index, "revocation"))
        for index in range(ENTRIES_COUNT_MAX + 1)
    ]
    assert len(parse_status_entries({"credentialStatus": many[1:]})) == ENTRIES_COUNT_MAX
    with pytest.raises(CredentialError):
        parse_status_entries({"credentialStatus": many})


def test_entry_zero_is_the_left_most_bit() -> None:
    bits = bytearray(LIST_SIZE_BYTES_MIN)
    set_status(bits, 0, 1)
    assert bits[0] == 0b1000_0000
    set_status(bits, 9, 1)
    assert bits[1] == 0b0100_0000
    assert [get_bit(bytes(bits), index) for index in range(10)] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    set_status(bits, 0, 0)
    assert bits[0] == 0


@pytest.mark.parametrize(("size", "expected"), [(1, 0b0000_0001), (2, 0b0000_0010), (4, 2), (8, 2)])
def test_entries_of_several_bits_stand_left_to_right(size: int, expected: int) -> None:
    bits = bytearray(2)
    per_byte = 8 // size
    set_status(bits, per_byte - 1, min(2, 2**size - 1), size=size)
    assert bits == bytes([expected, 0])
    assert get_status(bits, per_byte - 1, size=size) == min(2, 2**size - 1)


@pytest.mark.parametrize("index", [-1, 16, 10**9])
def test_an_index_outside_the_list_is_a_range_error(index: int) -> None:
    bits = bytearray(2)
    with pytest.raises(StatusListError) as caught:
        get_bit(bytes(bits), index)
    assert caught.value.code == "RANGE_ERROR"
    with pytest.raises(StatusListError):
        set_status(bits, index, 1)
    assert bits == bytes(2)


@pytest.mark.parametrize(("value", "size"), [(2, 1), (-1, 1), (4, 2), (0, 3), (256, 8)])
def test_values_that_do_not_fit_are_refused(value: int, size: int) -> None:
    bits = bytearray(b"\xff\xff")
    with pytest.raises(ValueError, match=r"fit|bits"):
        set_status(bits, 0, value, size=size)
    assert bits == b"\xff\xff"


def test_a_list_survives_encoding() -> None:
    bits = bytearray(LIST_SIZE_BYTES_MIN)
    for index in (0, 7, 8, 94_567, 131_071):
        set_status(bits, index, 1)
    encoded = encode_list(bytes(bits))
    assert encoded == encode_list(bytes(bits))
    assert encoded.startswith("uH4sIAAAAAAAAA")  # no time, no name, one system
    assert decode_list(encoded) == bits


@pytest.mark.parametrize("size_bytes", [0, LIST_SIZE_BYTES_MIN - 1, LIST_SIZE_BYTES_MAX + 1])
def test_lists_that_hide_nobody_or_are_too_long_are_refused(size_bytes: int) -> None:
    with pytest.raises(StatusListError) as caught:
        encode_list(bytes(size_bytes))
    assert caught.value.code == "STATUS_LIST_LENGTH_ERROR"
    encoded = encode_multibase_base64url(gzip.compress(bytes(size_bytes)))
    with pytest.raises(StatusListError) as caught:
        decode_list(encoded)
    assert caught.value.code == "STATUS_LIST_LENGTH_ERROR"


def test_a_bomb_is_not_unpacked() -> None:
    """40 KB that would become 40 MB."""
    bomb = encode_multibase_base64url(gzip.compress(bytes(40_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(StatusListError) as caught:
            decode_list(bomb, size_bytes_max=1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.code == "STATUS_LIST_LENGTH_ERROR"
    assert peak < 4_000_000


GOOD = gzip.compress(bytes(LIST_SIZE_BYTES_MIN), mtime=0)


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "u",
        "zH4sI",
        encode_multibase_base64url(GOOD)[1:],
        encode_multibase_base64url(GOOD) + "=",
        encode_multibase_base64url(GOOD[:-1]),
        encode_multibase_base64url(GOOD[:-5]),
        encode_multibase_base64url(GOOD + b"\x00"),
        encode_multibase_base64url(GOOD + GOOD),
        encode_multibase_base64url(GOOD[:-8] + bytes(4) + GOOD[-4:]),
        encode_multibase_base64url(GOOD[:-4] + bytes(4)),
        encode_multibase_base64url(b"\x1f\x8b\x07" + GOOD[3:]),
        encode_multibase_base64url(b"not gzip"),
    ],
)
def test_malformed_lists(encoded: str) -> None:
    assert decode_list(encode_multibase_base64url(GOOD)) == bytes(LIST_SIZE_BYTES_MIN)
    with pytest.raises(StatusListError) as caught:
        decode_list(encoded)
    assert caught.value.code == "MALFORMED_VALUE_ERROR"
