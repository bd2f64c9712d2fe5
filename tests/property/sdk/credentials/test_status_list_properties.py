# SPDX-License-Identifier: Apache-2.0
"""Status lists against a dictionary, and against text that nobody encoded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model.multibase import encode_multibase_base64url
from sdk.credentials.problems import StatusListError
from sdk.credentials.status_list import (
    LIST_SIZE_BYTES_MIN,
    STATUS_SIZES,
    decode_list,
    encode_list,
    get_status,
    set_status,
)

CODES = {"MALFORMED_VALUE_ERROR", "STATUS_LIST_LENGTH_ERROR"}


@given(st.data(), st.sampled_from(STATUS_SIZES))
def test_a_list_is_a_dictionary_of_small_numbers(data: st.DataObject, size: int) -> None:
    entries = LIST_SIZE_BYTES_MIN * 8 // size
    written = data.draw(
        st.dictionaries(st.integers(0, entries - 1), st.integers(0, 2**size - 1), max_size=30)
    )
    bits = bytearray(LIST_SIZE_BYTES_MIN)
    for index, value in written.items():
        set_status(bits, index, value, size=size)
    for index in {0, entries - 1, *written, *(near + 1 for near in written if near + 1 < entries)}:
        assert get_status(bits, index, size=size) == written.get(index, 0)
    assert sum(byte.bit_count() for byte in bits) == sum(
        value.bit_count() for value in written.values()
    )


@settings(max_examples=30)
@given(st.lists(st.integers(0, LIST_SIZE_BYTES_MIN * 8 - 1), max_size=50))
def test_a_list_survives_encoding(indexes: list[int]) -> None:
    bits = bytearray(LIST_SIZE_BYTES_MIN)
    for index in indexes:
        set_status(bits, index, 1)
    assert decode_list(encode_list(bytes(bits))) == bits


@given(st.text(max_size=60) | st.binary(max_size=60).map(encode_multibase_base64url))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        decode_list(text)
    except StatusListError as error:
        assert error.code in CODES  # noqa: PT017 - nothing else may be raised
    else:
        raise AssertionError("sixty characters are no list")


GOOD = encode_list(bytes(range(256)) * (LIST_SIZE_BYTES_MIN // 256))


@settings(max_examples=50)
@given(st.integers(1, len(GOOD) - 1), st.sampled_from("AZaz09-_"))
def test_a_changed_character_is_noticed_or_changes_nothing(place: int, character: str) -> None:
    """The gzip check sum; only the header holds bits without meaning."""
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    try:
        bits = decode_list(changed)
    except StatusListError as error:
        assert error.code in CODES  # noqa: PT017
    else:
        assert bits == decode_list(GOOD)
