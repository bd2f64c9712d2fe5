# SPDX-License-Identifier: Apache-2.0
"""CreateStatusList and UpdateStatusList: bits where the W3C puts them, versions, purposes."""

from __future__ import annotations

import dataclasses

import pytest

from ledger.model.codec import decode
from ledger.model.identifiers import resource_url
from ledger.model.limits import (
    STATUS_CHUNK_SIZE,
    STATUS_LIST_SIZE_MAX,
    STATUS_UPDATE_CHUNKS_COUNT_MAX,
)
from ledger.model.operations import (
    CreateStatusList,
    StatusPurpose,
    UpdateStatusList,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import ListRecord, ReferenceRecord, StatusListRecord, StatusUpdateRecord
from ledger.model.schema import (
    status_chunk_key,
    status_list_key,
    status_lists_child_key,
    status_lists_key,
    status_update_key,
)
from tests.support.ledger_execution import LedgerWorld

MESSAGE = StatusPurpose.MESSAGE
REVOCATION = StatusPurpose.REVOCATION
SUSPENSION = StatusPurpose.SUSPENSION


@pytest.fixture
def world() -> LedgerWorld:
    world = LedgerWorld()
    world.endorse("gaa")
    world.endorse("ttc")
    return world


def create(world: LedgerWorld, **changes: object) -> CreateStatusList:
    fields: dict[str, object] = {
        "list_id": b"l" * 16,
        "purpose": REVOCATION,
        "bits": 1,
        "size": 131_072,
    }
    return CreateStatusList(**{**fields, **changes})  # type: ignore[arg-type]


def update(
    world: LedgerWorld, list_id: bytes, version: int, *changes: tuple[int, int]
) -> UpdateStatusList:
    return UpdateStatusList(
        owner=world.did("gaa"),
        list_id=list_id,
        base_version=version,
        indexes=tuple(index for index, _ in changes),
        values=bytes(value for _, value in changes),
    )


def chunk(world: LedgerWorld, list_id: bytes, number: int) -> bytes | None:
    return world.values.get(status_chunk_key(world.did("gaa"), list_id, number))


def record(world: LedgerWorld, list_id: bytes) -> StatusListRecord:
    return decode(StatusListRecord, world.values[status_list_key(world.did("gaa"), list_id)])


def test_new_list(world: LedgerWorld) -> None:
    results = world.apply("gaa", create(world))
    url = resource_url(world.did("gaa"), b"l" * 16)
    assert results == {"url": url}
    assert record(world, b"l" * 16) == StatusListRecord(
        owner=world.did("gaa"),
        list_id=b"l" * 16,
        purpose=REVOCATION,
        bits=1,
        size=131_072,
        version=0,
        created=world.time,
        updated=world.time,
    )
    assert decode(ListRecord, world.values[status_lists_key(world.did("gaa"))]).child_count == 1
    child = decode(ReferenceRecord, world.values[status_lists_child_key(world.did("gaa"), 0)])
    assert child.reference == url
    assert chunk(world, b"l" * 16, 0) is None, "zeros are absent"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"list_id": b"l" * 15}, ReceiptCode.FIELD_INVALID, "list_id"),
        ({"list_id": bytes(16)}, ReceiptCode.FIELD_INVALID, "list_id"),
        ({"purpose": StatusPurpose.UNSPECIFIED}, ReceiptCode.FIELD_INVALID, "purpose"),
        ({"bits": 0}, ReceiptCode.FIELD_INVALID, "bits"),
        ({"bits": 2}, ReceiptCode.FIELD_INVALID, "bits"),
        ({"purpose": SUSPENSION, "bits": 2}, ReceiptCode.FIELD_INVALID, "bits"),
        ({"purpose": MESSAGE, "bits": 3}, ReceiptCode.FIELD_INVALID, "bits"),
        ({"purpose": MESSAGE, "bits": 16}, ReceiptCode.FIELD_INVALID, "bits"),
        ({"size": 131_071}, ReceiptCode.STATUS_LIST_TOO_SMALL, "size"),
        ({"size": 131_073}, ReceiptCode.FIELD_INVALID, "size"),
        ({"size": STATUS_LIST_SIZE_MAX + 8}, ReceiptCode.LIMIT_EXCEEDED, "size"),
    ],
)
def test_new_list_refused(
    world: LedgerWorld, changes: dict[str, object], code: ReceiptCode, field: str
) -> None:
    assert world.refuse(code, "gaa", create(world, **changes))["field"] == field


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_message_lists_have_more_bits(world: LedgerWorld, bits: int) -> None:
    world.apply("gaa", create(world, purpose=MESSAGE, bits=bits))


def test_largest_list(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa", size=STATUS_LIST_SIZE_MAX)
    last = STATUS_LIST_SIZE_MAX - 1
    world.apply("gaa", update(world, list_id, 0, (last, 1)))
    number = last // 8 // STATUS_CHUNK_SIZE
    assert chunk(world, list_id, number) == bytes(STATUS_CHUNK_SIZE - 1) + b"\x01"


def test_id_of_a_list_is_used_once(world: LedgerWorld) -> None:
    world.apply("gaa", create(world))
    world.refuse(ReceiptCode.STATUS_LIST_EXISTS, "gaa", create(world, size=262_144))
    world.apply("ttc", create(world))


def test_first_entry_is_the_most_significant_bit(world: LedgerWorld) -> None:
    """Bitstring Status List v1.0 §4: index 0 is left-most."""
    list_id = world.create_status_list("gaa")
    world.apply("gaa", update(world, list_id, 0, (0, 1), (7, 1), (8, 1), (8191, 1), (8192, 1)))
    first = chunk(world, list_id, 0)
    second = chunk(world, list_id, 1)
    assert first is not None
    assert second is not None
    assert (len(first), first[:2], first[-1]) == (STATUS_CHUNK_SIZE, b"\x81\x80", 1)
    assert second[0] == 0x80


@pytest.mark.parametrize(
    ("bits", "expected"),
    [(1, b"\x50\x00"), (2, b"\x11\x00"), (4, b"\x01\x01"), (8, b"\x00\x01")],
)
def test_entries_of_several_bits(world: LedgerWorld, bits: int, expected: bytes) -> None:
    list_id = world.create_status_list("gaa", purpose=MESSAGE, bits=bits)
    world.apply("gaa", update(world, list_id, 0, (1, 1), (3, 1)))
    found = chunk(world, list_id, 0)
    assert found is not None
    assert found[:2] == expected


def test_largest_value_fills_its_entry_alone(world: LedgerWorld) -> None:
    for bits in (2, 4, 8):
        list_id = world.create_status_list("gaa", purpose=MESSAGE, bits=bits, label=f"b{bits}")
        largest = (1 << bits) - 1
        world.apply("gaa", update(world, list_id, 0, (5, largest)))
        found = chunk(world, list_id, 0)
        assert found is not None
        value = int.from_bytes(found, "big") >> (STATUS_CHUNK_SIZE * 8 - bits * 6)
        assert value == largest, "five entries of zero, then this"
        if bits < 8:  # a byte holds no larger one
            world.refuse(
                ReceiptCode.STATUS_VALUE_OUT_OF_RANGE,
                "gaa",
                update(world, list_id, 1, (6, largest + 1)),
            )


def test_every_update_is_kept(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa")
    times: list[int] = []
    for version in range(3):
        results = world.apply("gaa", update(world, list_id, version, (version, 1)))
        assert results["version"] == str(version + 1)
        times.append(world.time)
    assert (record(world, list_id).version, record(world, list_id).updated) == (3, times[-1])
    for number in range(3):
        key = status_update_key(world.did("gaa"), list_id, number)
        assert decode(StatusUpdateRecord, world.values[key]) == StatusUpdateRecord(
            version=number + 1,
            time=times[number],
            indexes=(number,),
            values=b"\x01",
        )


def test_stale_update_fails_whole(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa")
    world.apply("gaa", update(world, list_id, 0, (1, 1)))
    for version in (0, 2):
        world.refuse(ReceiptCode.STALE_VERSION, "gaa", update(world, list_id, version, (2, 1)))


def test_one_bad_change_fails_all(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa")
    world.apply("gaa", update(world, list_id, 0, (9, 1)))
    changes = ((1, 1), (9, 0), (20_000, 1))
    world.refuse(ReceiptCode.REVOCATION_IS_FINAL, "gaa", update(world, list_id, 1, *changes))


def test_revocation_goes_one_way(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa")
    world.apply("gaa", update(world, list_id, 0, (9, 1), (10, 0)))
    world.apply("gaa", update(world, list_id, 1, (9, 1)))
    world.refuse(ReceiptCode.REVOCATION_IS_FINAL, "gaa", update(world, list_id, 2, (9, 0)))


def test_suspension_goes_both_ways_and_zeros_are_absent_again(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa", purpose=SUSPENSION)
    world.apply("gaa", update(world, list_id, 0, (9, 1)))
    assert chunk(world, list_id, 0) is not None
    world.apply("gaa", update(world, list_id, 1, (9, 0)))
    assert chunk(world, list_id, 0) is None
    world.apply("gaa", update(world, list_id, 2, (9, 0)))
    assert record(world, list_id).version == 3


def test_set_and_cleared_in_one_block_is_absent(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa", purpose=SUSPENSION)
    world.run_block(
        [
            world.make_transaction("gaa", update(world, list_id, 0, (9, 1))),
            world.make_transaction("gaa", update(world, list_id, 1, (9, 0))),
        ]
    )
    assert record(world, list_id).version == 2
    assert chunk(world, list_id, 0) is None


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ((), ReceiptCode.FIELD_INVALID, "indexes"),
        (((2, 1), (1, 1)), ReceiptCode.FIELD_INVALID, "indexes[1]"),
        (((2, 1), (2, 1)), ReceiptCode.FIELD_INVALID, "indexes[1]"),
        (((131_072, 1),), ReceiptCode.STATUS_INDEX_OUT_OF_RANGE, "indexes[0]"),
        (((2**64 - 1, 1),), ReceiptCode.STATUS_INDEX_OUT_OF_RANGE, "indexes[0]"),
        (((1, 2),), ReceiptCode.STATUS_VALUE_OUT_OF_RANGE, "values[0]"),
        (((1, 255),), ReceiptCode.STATUS_VALUE_OUT_OF_RANGE, "values[0]"),
    ],
)
def test_update_refused(
    world: LedgerWorld, changes: tuple[tuple[int, int], ...], code: ReceiptCode, field: str
) -> None:
    list_id = world.create_status_list("gaa")
    assert world.refuse(code, "gaa", update(world, list_id, 0, *changes))["field"] == field


@pytest.mark.parametrize("values", [b"", b"\x01", b"\x01" * 3])
def test_each_index_has_one_value(world: LedgerWorld, values: bytes) -> None:
    list_id = world.create_status_list("gaa")
    operation = UpdateStatusList(world.did("gaa"), list_id, 0, (1, 2), values)
    assert world.refuse(ReceiptCode.FIELD_INVALID, "gaa", operation)["field"] == "values"


def test_only_the_owner_updates(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa")
    for author in ("ttc", "qcto", "saqa"):
        world.refuse(ReceiptCode.NOT_OWNER, author, update(world, list_id, 0, (1, 1)))


def test_successor_answers_for_the_old_lists(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa")
    world.succeed("gaa", "ttc")
    world.apply("ttc", update(world, list_id, 0, (1, 1)))
    world.refuse(ReceiptCode.NOT_AUTHORISED, "gaa", update(world, list_id, 1, (2, 1)))


@pytest.mark.parametrize(
    "changes", [{"owner": ""}, {"owner": "gaa"}, {"list_id": b""}, {"list_id": b"x" * 16}]
)
def test_list_must_exist(world: LedgerWorld, changes: dict[str, object]) -> None:
    list_id = world.create_status_list("gaa")
    operation = dataclasses.replace(
        update(world, list_id, 0, (1, 1)),
        **changes,  # type: ignore[arg-type]
    )
    world.refuse(ReceiptCode.STATUS_LIST_UNKNOWN, "gaa", operation)


def test_chunks_of_an_update_are_limited(world: LedgerWorld) -> None:
    """Each is written whole, so a small transaction could write a hundred times its size."""
    count = STATUS_UPDATE_CHUNKS_COUNT_MAX
    list_id = world.create_status_list(
        "gaa", purpose=StatusPurpose.MESSAGE, bits=8, size=STATUS_CHUNK_SIZE * (count + 1)
    )

    def update(chunks: int) -> UpdateStatusList:
        indexes = tuple(n * STATUS_CHUNK_SIZE for n in range(chunks))
        return UpdateStatusList(world.did("gaa"), list_id, 0, indexes, b"\x01" * chunks)

    results = world.refuse(ReceiptCode.LIMIT_EXCEEDED, "gaa", update(count + 1))
    assert results["field"] == "indexes"
    world.apply("gaa", update(count))


def test_a_list_of_the_smallest_size_changes_whole(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa")
    indexes = tuple(n * 13 for n in range(10_000))
    world.apply("gaa", UpdateStatusList(world.did("gaa"), list_id, 0, indexes, b"\x01" * 10_000))
