# SPDX-License-Identifier: Apache-2.0
"""The fast path of `canonicalize` and the library agree; the reader accepts what it should alone."""

from __future__ import annotations

import json
import re
from unittest.mock import patch

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.model.canonical_json import FORBIDDEN_CHARACTER, INTEGER_MAX, encode_json
from sdk.credentials import jcs
from sdk.credentials.jcs import canonicalize, parse_json
from sdk.credentials.problems import CredentialError

SIZE = 1_000_000

texts = st.text(st.characters(codec="utf-8")) | st.text(
    st.sampled_from('\x00\x1f\x7f\x80\u2028\ud7ff\ue000\ufb33\U0001f602"\\/abAB'), max_size=6
)
integers = st.integers(-INTEGER_MAX, INTEGER_MAX)
floats = st.floats(allow_nan=False, allow_infinity=False)


def documents(
    scalars: st.SearchStrategy[object], names: st.SearchStrategy[str]
) -> st.SearchStrategy[object]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=20,
    )


scalars = st.none() | st.booleans() | integers | texts
plain = documents(scalars, st.text(st.characters(max_codepoint=127)))
any_json = documents(scalars | floats, texts)
beyond = st.integers() | st.floats() | st.text()


def slowly(value: object) -> bytes:
    with patch.object(jcs, "_is_plain", return_value=False):
        return canonicalize(value)


@given(plain)
def test_the_fast_path_gives_the_bytes_of_the_library(value: object) -> None:
    with patch.object(rfc8785, "dumps", side_effect=AssertionError("the slow path was taken")):
        fast = canonicalize(value)
    assert fast == slowly(value) == encode_json(value)


@given(any_json)
def test_both_paths_agree_on_every_document(value: object) -> None:
    assert canonicalize(value) == slowly(value)


@given(documents(scalars | beyond, st.text()))
def test_both_paths_refuse_the_same(value: object) -> None:
    def outcome(write: object) -> bytes | str:
        try:
            return canonicalize(value) if write is canonicalize else slowly(value)
        except CredentialError as error:
            return error.code

    assert outcome(canonicalize) == outcome(slowly)


LONG_INTEGER = re.compile(rb"(?<![0-9.e+-])-?[0-9]{16,21}(?![0-9.])")


def is_outside_the_reader(value: object) -> bool:
    """Noncharacters, and doubles from 2**53 to 1e21: RFC 8785 writes them, RFC 7493 is wary."""
    text = json.dumps(value, ensure_ascii=False)
    return (
        FORBIDDEN_CHARACTER.search(text) is not None
        or LONG_INTEGER.search(canonicalize(value)) is not None
    )


@given(any_json)
def test_canonical_bytes_are_read_back_and_are_their_own_canonical_form(value: object) -> None:
    canonical = canonicalize(value)
    if is_outside_the_reader(value):
        return
    again = parse_json(canonical, size_max=SIZE, depth_max=64)
    assert canonicalize(again) == canonical


@given(any_json, st.booleans())
def test_every_way_to_write_a_document_is_read_as_the_same(
    value: object, ensure_ascii: bool
) -> None:
    if is_outside_the_reader(value):
        return
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=1)
    assert canonicalize(parse_json(text, size_max=SIZE, depth_max=64)) == canonicalize(value)


@given(st.binary(max_size=200) | st.text('[]{}",:\\u0dDeE+-.19 tfn\ud800', max_size=40))
def test_nothing_from_outside_raises_anything_else(data: bytes | str) -> None:
    try:
        value = parse_json(data, size_max=SIZE)
    except CredentialError as error:
        assert error.code == "MALFORMED"  # noqa: PT017 - nothing else may be raised
        return
    # What was accepted, every other reader reads the same way.
    text = data if isinstance(data, str) else data.decode("utf-8")
    assert canonicalize(json.loads(text)) == canonicalize(value)
