# SPDX-License-Identifier: Apache-2.0
"""The ledger's JSON against other implementations, and against any bytes."""

from __future__ import annotations

import json
from typing import Any

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model.canonical_json import INTEGER_MAX, JsonError, decode_json, encode_json

SIZE_MAX = 100_000

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | texts
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)


@settings(deadline=None)
@given(documents)
def test_written_as_the_reference_library_writes(value: Any) -> None:
    assert encode_json(value) == rfc8785.dumps(value)


@settings(deadline=None)
@given(documents)
def test_what_is_written_is_read_back(value: Any) -> None:
    data = encode_json(value)
    try:
        assert decode_json(data, size_max=SIZE_MAX) == value
    except JsonError as error:
        # Noncharacters may be written but not read (RFC 7493 §2.1), and depth is limited.
        assert "noncharacter" in str(error) or "nested" in str(error)  # noqa: PT017


@settings(deadline=None, max_examples=400)
@given(
    st.binary(max_size=40)
    | st.text(alphabet='[]{}",:\\u0d8ntrfals123.-eE \n', max_size=40).map(str.encode)
)
def test_any_bytes_are_read_as_python_reads_them_or_refused(data: bytes) -> None:
    """Nothing else is raised, and nothing is accepted that Python's reader refuses."""
    try:
        value = decode_json(data, size_max=SIZE_MAX)
    except JsonError:
        return
    assert value == json.loads(data.decode())
    assert decode_json(encode_json(value), size_max=SIZE_MAX) == value
