# SPDX-License-Identifier: Apache-2.0
"""Bytes in canonical form are read on a faster path; both paths must understand every text alike."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdk.credentials.jcs import (
    JsonValue,
    canonicalize,
    canonicalize_plain,
    parse_canonical_object,
    parse_json,
)
from sdk.credentials.problems import CredentialError

SIZE_MAX = 100_000

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


def read(data: bytes | str, depth_max: int) -> tuple[str, object]:
    """The value with its exact types, or that it was refused."""
    try:
        value: JsonValue = parse_json(data, size_max=SIZE_MAX, depth_max=depth_max)
    except CredentialError:
        return "refused", None
    return "read", repr(value)


def both(data: bytes, depth_max: int = 16) -> None:
    """Text is never read on the fast path."""
    assert read(data, depth_max) == read(data.decode(), depth_max)


@given(JSON, st.integers(0, 4))
def test_what_is_written_canonically_is_read_alike(value: object, depth_max: int) -> None:
    try:
        both(canonicalize(value), depth_max)
    except CredentialError:
        both(json.dumps(value).encode(), depth_max)


@given(JSON)
def test_other_spellings_are_read_alike(value: object) -> None:
    for text in (
        json.dumps(value),
        json.dumps(value, indent=1),
        json.dumps(value, separators=(",", ":")),
        json.dumps(value, sort_keys=True),
    ):
        both(text.encode())


@given(st.text(alphabet='{}[]":,\\u0123456789eE+-.truefalsn ab', max_size=40))
@example('{"a":1,"a":1}')
@example("-0")
@example("1.0")
@example("9007199254740992")
@example("-9007199254740991")
@example("18446744073709551616")
@example('"\\ud800"')
@example('"\\uffff"')
@example('"\\u0061"')
@example('{"b":1,"a":2}')
@example("[1] ")
def test_any_text_is_read_alike(text: str) -> None:
    both(text.encode())


@pytest.mark.parametrize("depth", [15, 16, 17])
def test_depth_is_counted_alike(depth: int) -> None:
    both(b"[" * depth + b"]" * depth)
    both(b'{"a":' * depth + b"1" + b"}" * depth)


@given(JSON)
def test_what_is_plain_may_be_written_without_a_look(value: object) -> None:
    try:
        data = canonicalize({"a": value})
    except CredentialError:
        return
    plain = parse_canonical_object(data, size_max=SIZE_MAX)
    if plain is not None:
        assert canonicalize_plain(plain) == data == canonicalize(plain)
    assert parse_canonical_object(data + b" ", size_max=SIZE_MAX) is None
    assert parse_canonical_object(data.decode(), size_max=SIZE_MAX) is None
    assert parse_canonical_object(data, size_max=len(data) - 1) is None
