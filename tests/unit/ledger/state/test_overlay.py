# SPDX-License-Identifier: Apache-2.0
"""Layers: what a transaction writes is its own until it is applied."""

from __future__ import annotations

import pytest

from ledger.model.codec import decode, encode
from ledger.model.limits import CONTENT_SIZE_MAX, STATE_VALUE_SIZE_MAX, STATUS_CHANGES_COUNT_MAX
from ledger.model.records import (
    DidRecord,
    GrantRecord,
    IdempotencyRecord,
    ListRecord,
    OrganisationRecord,
    ReferenceRecord,
    ResourceNameRecord,
    ResourceRecord,
    ServiceRecord,
    StatusListRecord,
    StatusUpdateRecord,
)
from ledger.model.schema import child_key, organisations_key
from ledger.state.overlay import (
    BlockState,
    TransactionState,
    ValueTooLargeError,
    get_encoded_size_max,
)
from tests.support.memory_state import MemoryState

PARENT = organisations_key()


class CountingState(MemoryState):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.reads.append(key)
        return super().get(key)


def test_layer_is_dropped_or_applied() -> None:
    block = BlockState(MemoryState())
    for is_applied in (False, True):
        layer = TransactionState(block)
        layer.put(b"a\x00", ReferenceRecord(reference="x"))
        layer.put(b"b\x00", b"bytes")
        assert layer.get(ReferenceRecord, b"a\x00") == ReferenceRecord(reference="x")
        assert layer.get_bytes(b"b\x00") == b"bytes"
        if is_applied:
            layer.apply()
        other = TransactionState(block)
        assert (other.get(ReferenceRecord, b"a\x00") is not None) is is_applied
        assert (other.get_bytes(b"b\x00") is not None) is is_applied
    assert block.collect() == (
        (b"a\x00", encode(ReferenceRecord(reference="x"))),
        (b"b\x00", b"bytes"),
    )


def test_later_layer_deletes_what_an_earlier_one_wrote() -> None:
    block = BlockState(MemoryState())
    first = TransactionState(block)
    first.put(b"b\x00", b"bytes")
    first.apply()
    second = TransactionState(block)
    second.delete(b"b\x00")
    assert second.get_bytes(b"b\x00") is None
    assert TransactionState(block).get_bytes(b"b\x00") == b"bytes"
    second.apply()
    assert block.collect() == ((b"b\x00", None),)


def test_state_below_is_read_once_and_reads_are_no_writes() -> None:
    state = CountingState()
    state.values[b"a\x00"] = encode(ReferenceRecord(reference="x"))
    block = BlockState(state)
    for _ in range(3):
        layer = TransactionState(block)
        assert layer.get(ReferenceRecord, b"a\x00") is not None
        assert layer.get(ReferenceRecord, b"absent\x00") is None
        assert layer.get_bytes(b"other\x00") is None
    assert state.reads == [b"a\x00", b"absent\x00", b"other\x00"]
    assert block.collect() == ()


def test_lists_grow_by_their_count() -> None:
    state = MemoryState()
    for start in (0, 2):
        block = BlockState(state)
        layer = TransactionState(block)
        layer.append(PARENT, f"n{start}")
        layer.append(PARENT, f"n{start + 1}")
        layer.apply()
        state.values.update((key, value or b"") for key, value in block.collect())
    assert decode(ListRecord, state.values[PARENT]).child_count == 4
    children = [
        decode(ReferenceRecord, state.values[child_key(PARENT, number)]) for number in range(4)
    ]
    assert [child.reference for child in children] == ["n0", "n1", "n2", "n3"]


# Sizes --------------------------------------------------------------------------------------------


def test_no_value_outgrows_its_limit() -> None:
    layer = TransactionState(BlockState(MemoryState()))
    layer.put(b"a\x00", bytes(STATE_VALUE_SIZE_MAX))
    with pytest.raises(ValueTooLargeError):
        layer.put(b"b\x00", bytes(STATE_VALUE_SIZE_MAX + 1))
    assert layer.get_bytes(b"b\x00") is None
    services = (ServiceRecord(id="i" * 64, type="T" * 64, endpoint="e" * 256, valid_from=1),) * 512
    keys_too = DidRecord(did="d" * 64, services=services)
    layer.put(b"c\x00", keys_too)
    assert len(encode(keys_too)) < STATE_VALUE_SIZE_MAX


@pytest.mark.parametrize(
    "cls",
    [
        ResourceRecord,
        ResourceNameRecord,
        StatusListRecord,
        StatusUpdateRecord,
        ListRecord,
        ReferenceRecord,
        IdempotencyRecord,
    ],
)
def test_records_that_are_not_measured_fit_when_full(cls: type) -> None:
    assert get_encoded_size_max(cls) <= STATE_VALUE_SIZE_MAX


@pytest.mark.parametrize("cls", [DidRecord, OrganisationRecord, GrantRecord])
def test_records_that_can_outgrow_it_are_measured(cls: type) -> None:
    assert get_encoded_size_max(cls) > STATE_VALUE_SIZE_MAX


def test_size_by_declaration_is_no_less_than_a_full_record_takes() -> None:
    full = ResourceRecord(
        owner="d" * 64,
        resource_id=b"r" * 16,
        name="n" * 256,
        version=2**64 - 1,
        media_type="m" * 64,
        content=b"c" * CONTENT_SIZE_MAX,
        checksum=b"h" * 32,
        created=2**64 - 1,
    )
    assert len(encode(full)) <= get_encoded_size_max(ResourceRecord)
    update = StatusUpdateRecord(
        version=2**64 - 1,
        time=2**64 - 1,
        indexes=(2**64 - 1,) * STATUS_CHANGES_COUNT_MAX,
        values=b"\xff" * STATUS_CHANGES_COUNT_MAX,
    )
    assert len(encode(update)) <= get_encoded_size_max(StatusUpdateRecord)


def test_the_last_value_of_a_key_is_collected_whether_it_was_measured_or_not() -> None:
    measured = DidRecord(did="did:pset:test:a")
    assert get_encoded_size_max(DidRecord) > STATE_VALUE_SIZE_MAX
    other = DidRecord(did="did:pset:test:b")
    small = ReferenceRecord(reference="x")
    for values in (
        [measured, other],
        [measured, small],
        [measured, b"bytes"],
        [measured, None],
        [small, measured],
        [None, measured],
    ):
        last = values[-1]
        expected = last if last is None or isinstance(last, bytes) else encode(last)
        for layers_count in (1, 2):
            block = BlockState(MemoryState())
            layer = TransactionState(block)
            for position, value in enumerate(values):
                if position == layers_count - 1 and position:
                    layer.apply()
                    layer = TransactionState(block)
                if value is None:
                    layer.delete(b"k\x00")
                else:
                    layer.put(b"k\x00", value)
            layer.apply()
            assert block.collect() == ((b"k\x00", expected),)


def test_what_leaves_a_block_is_not_collected_from_an_encoding() -> None:
    block = BlockState(MemoryState())
    layer = TransactionState(block)
    layer.put(b"k\x00", DidRecord(did="did:pset:test:a"))
    layer.apply()
    block.merge({b"k\x00": None})
    assert block.collect() == ((b"k\x00", None),)
