# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.types import NODE_MAX, ConfState
from ledger.storage.conf_state import MEMBERS_COUNT_MAX, decode_conf_state, encode_conf_state
from ledger.storage.errors import CorruptionError

MEMBERS = st.lists(st.integers(1, NODE_MAX), max_size=4, unique=True).map(
    lambda m: tuple(sorted(m))
)
STATES = st.builds(ConfState, MEMBERS, MEMBERS, MEMBERS, MEMBERS, st.booleans())


@given(st.integers(0, 2**64 - 1), STATES)
def test_what_is_stored_is_read(index: int, state: ConfState) -> None:
    assert decode_conf_state(encode_conf_state(index, state)) == (index, state)


@given(st.integers(0, 2**64 - 1), STATES, st.data())
def test_whatever_can_be_read_has_one_encoding(
    index: int, state: ConfState, data: st.DataObject
) -> None:
    encoded = bytearray(encode_conf_state(index, state))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 2))
    changed = bytes(encoded[: len(encoded) - cut]) + bytes(data.draw(st.integers(0, 2)))
    try:
        found = decode_conf_state(changed)
    except CorruptionError:
        return
    assert encode_conf_state(*found) == changed


@pytest.mark.parametrize(
    "voters",
    [(0,), (2, 1), (1, 1), (NODE_MAX + 1,), tuple(range(1, MEMBERS_COUNT_MAX + 2))],
    ids=["nobody", "descending", "twice", "too large", "too many"],
)
def test_members_that_cannot_be_are_not_stored(voters: tuple[int, ...]) -> None:
    for state in (ConfState(voters), ConfState((1,), learners_next=voters)):
        with pytest.raises(ValueError, match="members"):
            encode_conf_state(1, state)


def test_the_largest_lists_are_stored() -> None:
    most = tuple(range(1, MEMBERS_COUNT_MAX + 1))
    state = ConfState(most, most, most, most)
    assert decode_conf_state(encode_conf_state(1, state)) == (1, state)


@pytest.mark.parametrize(("at", "value"), [(8, 2), (9, 0x80), (10, 4), (-1, 0), (-9, 1)])
def test_bytes_that_are_no_members_are_corruption(at: int, value: int) -> None:
    encoded = bytearray(encode_conf_state(1, ConfState((1, 2), (3,), (), (), auto_leave=True)))
    encoded[at] = value
    with pytest.raises(CorruptionError):
        decode_conf_state(bytes(encoded))


def test_too_many_members_are_not_read() -> None:
    count = MEMBERS_COUNT_MAX + 1
    head = bytes(9) + count.to_bytes(2, "big") + bytes(6)
    body = b"".join(node.to_bytes(8, "big") for node in range(1, count + 1))
    with pytest.raises(CorruptionError, match="more than"):
        decode_conf_state(head + body)
