# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import enum
import math
import sys

import pytest

from sdk.credentials import jcs
from sdk.credentials.jcs import CANONICAL_DEPTH_MAX, canonicalize, parse_json, parse_object
from sdk.credentials.problems import CredentialError

SIZE = 10_000


class Colour(str, enum.Enum):  # noqa: UP042 - a str enum that prints differently is the point
    RED = "red"


def refuse_fast_path(_value: object, _depth_left: int) -> bool:
    return False


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, b"{}"),
        ({"b": 1, "a": [True, False, None]}, b'{"a":[true,false,null],"b":1}'),
        ({"\u20ac": 1, "\U0001f602": 2, "\ufb33": 3}, '{"€":1,"😂":2,"\ufb33":3}'.encode()),
        (
            '\x00\x1f\x7f\u2028"\\/\b\f\n\r\t',
            b'"\\u0000\\u001f\x7f\xe2\x80\xa8\\"\\\\/\\b\\f\\n\\r\\t"',
        ),
        ((1, (2,)), b"[1,[2]]"),
        ([1.0, -0.0, 1e21, 1e-7, 0.1], b"[1,0,1e+21,1e-7,0.1]"),
        (2**53 - 1, b"9007199254740991"),
        (-(2**53) + 1, b"-9007199254740991"),
    ],
)
def test_canonical_form(value: object, expected: bytes) -> None:
    assert canonicalize(value) == expected


def test_member_names_are_ordered_by_utf16_on_both_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """U+1F602 is D83D DE02 in UTF-16 and so comes before U+FB33, unlike in UTF-8."""
    expected = b'{"\xf0\x9f\x98\x82":1,"\xef\xac\xb3":2}'
    assert canonicalize({"\ufb33": 2, "\U0001f602": 1}) == expected
    monkeypatch.setattr(jcs, "_is_plain", refuse_fast_path)
    assert canonicalize({"\ufb33": 2, "\U0001f602": 1}) == expected


@pytest.mark.parametrize(
    "value",
    [
        2**53,
        -(2**53),
        math.nan,
        math.inf,
        "\ud800",
        ["\udc00", 1.5],
        {"\ud800": 1},
        {1: 2},
        {1: 2.5},
        object(),
        {1, 2},
        b"bytes",
        nested(CANONICAL_DEPTH_MAX + 1),
        {"a": [0.5, nested(CANONICAL_DEPTH_MAX)]},
    ],
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(CredentialError) as caught:
        canonicalize(value)
    assert caught.value.code == "MALFORMED"


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(CredentialError):
        canonicalize(value)


def test_the_deepest_nesting_is_accepted() -> None:
    assert canonicalize(nested(CANONICAL_DEPTH_MAX)).count(b"[") == CANONICAL_DEPTH_MAX


def test_subclasses_do_not_take_the_fast_path() -> None:
    """What orjson may make of a subclass is not asked: the library decides."""
    assert not jcs._is_plain(Colour.RED, 4)  # pyright: ignore[reportPrivateUsage]
    assert canonicalize([Colour.RED]) == b'["red"]'


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"secret":1,"secret":2}', "repeated"),
        ('{"a":{"secret":1,"\\u0073ecret":2}}', "repeated"),
        ("NaN", "NaN"),
        ("[-Infinity]", "NaN"),
        ("[1e400]", "double"),
        ("[0." + "1" * 64 + "]", "double"),
        ("9007199254740992", "2**53"),
        ("-9007199254740992", "2**53"),
        ("1" * 5_000, "2**53"),
        ('"\\ud800"', "surrogate"),
        ('{"\\udc00x":1}', "surrogate"),
        ('"\\uffff"', "noncharacter"),
        ('["\ufdd0"]', "noncharacter"),
        ('"\U0001fffe"', "noncharacter"),
        ("\ufeff1", "not JSON"),
        ("1 2", "not JSON"),
        ("", "not JSON"),
        ("{'a':1}", "not JSON"),
        ('{"a":1,}', "not JSON"),
        ('"\x01"', "not JSON"),
        ("[01]", "not JSON"),
        ("[" * 17 + "]" * 17, "deeper"),
        ("[" * 40, "not JSON"),
    ],
)
def test_texts_that_could_be_read_in_two_ways_are_refused(text: str, rule: str) -> None:
    for data in (text, text.encode("utf-8")):
        with pytest.raises(CredentialError) as caught:
            parse_json(data, size_max=SIZE)
        assert caught.value.code == "MALFORMED"
        assert rule in caught.value.text
        assert "secret" not in str(caught.value)


def test_no_nesting_exhausts_the_interpreter() -> None:
    """Not even where some library has lifted the limit of recursion, as py_ecc does."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        for text in ("[" * 200_000, "[" * 200_000 + "]" * 200_000, '{"a":' * 100_000):
            with pytest.raises(CredentialError):
                parse_json(text, size_max=1_000_000)
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("data", [b"\xff", b'"\xed\xa0\x80"', b'"\xc0\x80"', "\ud800"])
def test_what_is_not_utf8_is_refused(data: bytes | str) -> None:
    with pytest.raises(CredentialError) as caught:
        parse_json(data, size_max=SIZE)
    assert "UTF-8" in caught.value.text


def test_the_size_counts_bytes_of_utf8() -> None:
    text = '"' + "é" * 4 + '"'
    assert parse_json(text, size_max=10) == "é" * 4
    assert parse_json(text.encode(), size_max=10) == "é" * 4
    for data in (text, text.encode()):
        with pytest.raises(CredentialError):
            parse_json(data, size_max=9)


def test_the_depth_is_counted_in_arrays_and_objects() -> None:
    assert parse_json('{"a":[{"b":1}]}', size_max=SIZE, depth_max=3) == {"a": [{"b": 1}]}
    with pytest.raises(CredentialError):
        parse_json('{"a":[{"b":1}]}', size_max=SIZE, depth_max=2)
    assert parse_json("1", size_max=SIZE, depth_max=0) == 1


@pytest.mark.parametrize("text", ["[1.0]", "[1e2]", "[-0.0]", "[1E5]"])
def test_documents_of_the_ledger_have_whole_numbers_only(text: str) -> None:
    assert parse_json(text, size_max=SIZE)
    with pytest.raises(CredentialError) as caught:
        parse_json(text, size_max=SIZE, integers_only=True)
    assert "integers" in caught.value.text


def test_good_values_are_read_as_they_are() -> None:
    text = '{"a":[1,-2,2.5,1E2,true,null,"\\u00e9\\ud83d\\ude02é"],"b":{}}'
    expected: object = {"a": [1, -2, 2.5, 100.0, True, None, "é😂é"], "b": {}}
    assert parse_json(text, size_max=SIZE) == expected
    assert parse_json("-9007199254740991", size_max=SIZE) == -(2**53) + 1


@pytest.mark.parametrize("text", ["[]", "1", "null", '"a"'])
def test_an_object_is_demanded(text: str) -> None:
    with pytest.raises(CredentialError):
        parse_object(text, size_max=SIZE)
