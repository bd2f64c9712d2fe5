# SPDX-License-Identifier: Apache-2.0
"""One value, one encoding, whichever path writes or reads it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model.codec import CODEC, Codec
from ledger.model.wire import EncodingError, decode_strict, encode_strict
from tests.support import wire_samples
from tests.support.strategies import messages, protocol_messages
from tests.support.wire_agreement import check_agreement
from tests.support.wire_mutations import mutate

CASES = [
    *((spec.cls, CODEC) for spec in protocol_messages()),
    *((cls, wire_samples.CODEC) for cls in (wire_samples.Everything, wire_samples.Other)),
]
each_message = pytest.mark.parametrize(
    ("cls", "codec"), CASES, ids=[cls.__name__ for cls, _ in CASES]
)


@each_message
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_round_trip(cls: type[Any], codec: Codec, data: st.DataObject) -> None:
    value = data.draw(messages(cls))

    encoded = encode_strict(value)

    # The fast path itself, not its resort to the strict one.
    assert codec.encode_fast(value) == encoded
    assert codec.decode_fast(cls, encoded) == value
    assert decode_strict(cls, encoded, size_max=len(encoded)) == value
    assert codec.encode(value) == encoded
    assert codec.decode(cls, encoded, size_max=len(encoded)) == value


@each_message
@settings(max_examples=30, deadline=None)
@given(data=st.data(), random=st.randoms(use_true_random=False))
def test_changed_bytes_are_another_value_or_refused(
    cls: type[Any], codec: Codec, data: st.DataObject, random: Random
) -> None:
    value = data.draw(messages(cls))
    encoded = encode_strict(value)
    changed = encoded
    for _ in range(data.draw(st.integers(1, 3))):
        changed = mutate(random, changed)

    read = check_agreement(codec, cls, changed)

    assert (read == value) == (changed == encoded)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=64))
def test_any_bytes(data: bytes) -> None:
    check_agreement(wire_samples.CODEC, wire_samples.Everything, data)


@settings(max_examples=100, deadline=None)
@given(
    first=messages(wire_samples.Everything),
    second=messages(wire_samples.Everything),
)
def test_different_values_have_different_bytes(
    first: wire_samples.Everything, second: wire_samples.Everything
) -> None:
    assert (encode_strict(first) == encode_strict(second)) == (first == second)


@settings(max_examples=50, deadline=None)
@given(value=messages(wire_samples.Everything), missing=st.integers(min_value=1))
def test_size_is_limited_before_reading(value: wire_samples.Everything, missing: int) -> None:
    encoded = encode_strict(value)
    size_max = max(0, len(encoded) - missing)

    for decode in (wire_samples.CODEC.decode, decode_strict):
        with pytest.raises(EncodingError) as refused:
            decode(wire_samples.Everything, encoded, size_max=size_max)
        assert refused.value.code == "TOO_LARGE"
        assert refused.value.where == "Everything"
