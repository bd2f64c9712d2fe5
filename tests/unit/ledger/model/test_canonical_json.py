# SPDX-License-Identifier: Apache-2.0
"""JSON of the ledger: strictly read, written in one form."""

from __future__ import annotations

import time

import pytest

from ledger.model.canonical_json import (
    INTEGER_MAX,
    JsonError,
    decode_json,
    encode_json,
    is_canonical_json,
)

SIZE_MAX = 1_000_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b"{}{}",
        b"{} x",
        b"[1,]",
        b"{'a':1}",
        b"[01]",
        b"[1.0]",
        b"[1e2]",
        b"[1E2]",
        b"[-0]",
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'["\\ud800"]',
        b'{"\\udfff":1}',
        b'["\\ufffe"]',
        '["\ufdd0"]'.encode(),
        b'["\x01"]',
        b'["\\x41"]',
        b'["',
        f"[{INTEGER_MAX + 1}]".encode(),
        f"[-{INTEGER_MAX + 1}]".encode(),
        b"[" + b"9" * 5000 + b"]",
        b"\x00",
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(JsonError):
        decode_json(data, size_max=SIZE_MAX)


def test_depth_is_counted_outside_strings() -> None:
    good = b"[" * 16 + b'"[[[[{{{{\\"["' + b"]" * 16
    decode_json(good, size_max=SIZE_MAX)
    with pytest.raises(JsonError, match="deeper than 16"):
        decode_json(b"[" + good + b"]", size_max=SIZE_MAX)
    with pytest.raises(JsonError, match="deeper than 16"):
        decode_json(b'{"a":' * 100_000, size_max=SIZE_MAX)
    with pytest.raises(JsonError, match="deeper than 1"):
        decode_json(b"[[]]", size_max=SIZE_MAX, depth_max=1)


def test_size() -> None:
    assert decode_json(b"[1]", size_max=3) == [1]
    with pytest.raises(JsonError, match="more than 2 bytes"):
        decode_json(b"[1]", size_max=2)


def test_hostile_strings_cost_no_more_than_their_size() -> None:
    hostile = [b'"' + b'\\"' * 60_000, b'"' * 60_001, b'"\\' * 60_000, b'["\\' + b"a" * 100_000]
    begin = time.perf_counter()
    for data in hostile:
        with pytest.raises(JsonError):
            decode_json(data, size_max=SIZE_MAX)
    assert time.perf_counter() - begin < 2, "quadratic would take minutes"


def test_reading_keeps_what_is_there() -> None:
    data = b' { "b" : [ 1 , -2 , true , false , null , "\\u00e9\\ud83d\\ude00\\n" ] } '
    assert decode_json(data, size_max=SIZE_MAX) == {"b": [1, -2, True, False, None, "é😀\n"]}


def test_writing() -> None:
    value = {"\ufb33": 1, "😀": 2, "b": [True, False, None, -1, "é"], "a": '\x00\x1f"\\/\b\t\n\f\r'}
    # RFC 8785 §3.2.3: by UTF-16 code units, so the emoji (D83D …) comes before U+FB33.
    assert (
        encode_json(value)
        == (
            '{"a":"\\u0000\\u001f\\"\\\\/\\b\\t\\n\\f\\r","b":[true,false,null,-1,"é"],"😀":2,"\ufb33":1}'
        ).encode()
    )


@pytest.mark.parametrize(
    "value", [1.0, INTEGER_MAX + 1, {1: 2}, b"a", {"a": b"b"}, "\ud800", {"\udfff": 1}, object()]
)
def test_not_writable(value: object) -> None:
    with pytest.raises(JsonError):
        encode_json(value)


def test_canonical() -> None:
    assert is_canonical_json(b'{"a":1,"b":2}', {"b": 2, "a": 1})
    assert not is_canonical_json(b'{"b":2,"a":1}', {"b": 2, "a": 1})
