# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from ledger.storage import layout
from ledger.storage.blocks import BlockStore, StoredBlock
from ledger.storage.errors import CorruptionError
from ledger.storage.kv import WriteBatch
from ledger.storage.memory import MemoryStore


def transaction_id(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


def write(store: MemoryStore, block: StoredBlock) -> None:
    batch = WriteBatch()
    BlockStore(store).put(batch, block)
    store.write(batch, sync=True)


def make_block(height: int, *numbers: int) -> StoredBlock:
    return StoredBlock(
        height,
        b"header %d" % height,
        b"proposal %d" % height,
        b"certificate %d" % height,
        [b"receipt %d" % n for n in numbers],
        [transaction_id(n) for n in numbers],
    )


@pytest.mark.parametrize("numbers", [(), (1,), (1, 2, 3)])
def test_what_was_stored_is_read(numbers: tuple[int, ...]) -> None:
    store = MemoryStore()
    write(store, make_block(7, *numbers))
    blocks = BlockStore(store)
    found = blocks.block(7)
    assert found is not None
    assert (found.header, found.proposal) == (b"header 7", b"proposal 7")
    assert found.certificate == blocks.certificate(7) == b"certificate 7"
    assert found.receipts == blocks.receipts(7) == [b"receipt %d" % n for n in numbers]
    for index, number in enumerate(numbers):
        assert blocks.find_transaction(transaction_id(number)) == (7, index)
    assert blocks.find_transaction(transaction_id(99)) is None
    assert blocks.block(8) is None
    assert blocks.header(8) is None
    assert blocks.receipts(8) is None


def test_the_heights_at_which_validators_change_are_found_without_a_search() -> None:
    store = MemoryStore()
    for height in range(1, 600):
        block = replace(make_block(height), changes_validators=height in {2, 3, 255, 256, 512})
        write(store, block)
    blocks = BlockStore(store)
    assert blocks.find_set_changes(0, 9) == [2, 3, 255, 256, 512]
    assert blocks.find_set_changes(3, 9) == [3, 255, 256, 512]
    assert blocks.find_set_changes(4, 2) == [255, 256]
    assert blocks.find_set_changes(513, 9) == []
    assert blocks.find_set_changes(layout.NUMBER_MAX, 9) == []
    batch = WriteBatch()
    blocks.put(batch, replace(make_block(layout.NUMBER_MAX), changes_validators=True))
    assert {key[:1] for key, _ in batch.operations} >= {layout.SET_CHANGE, layout.HEADER}
    store.write(batch, sync=True)
    assert blocks.find_set_changes(513, 9) == [layout.NUMBER_MAX]


def test_block_0_is_a_header() -> None:
    store = MemoryStore()
    write(store, StoredBlock(0, b"genesis"))
    blocks = BlockStore(store)
    assert blocks.block(0) == StoredBlock(0, b"genesis")
    assert blocks.certificate(0) is None


def test_a_transaction_keeps_its_first_place() -> None:
    store = MemoryStore()
    write(store, make_block(1, 10, 11))
    write(store, make_block(2, 12, 11))
    blocks = BlockStore(store)
    assert blocks.find_transaction(transaction_id(11)) == (1, 1)
    assert blocks.find_transaction(transaction_id(12)) == (2, 0)


@pytest.mark.parametrize("prefix", [layout.PROPOSAL, layout.CERTIFICATE, layout.RECEIPTS])
def test_a_block_without_one_of_its_parts_is_damage(prefix: bytes) -> None:
    store = MemoryStore()
    write(store, make_block(3, 1))
    batch = WriteBatch()
    batch.delete(layout.numbered_key(prefix, 3))
    store.write(batch, sync=True)
    with pytest.raises(CorruptionError):
        BlockStore(store).block(3)


@pytest.mark.parametrize("damaged", [b"\x00", b"\x00\x00\x00\x09x", b"\x00\x00\x00\x01xy"])
def test_receipts_that_are_cut_off_are_damage(damaged: bytes) -> None:
    store = MemoryStore()
    write(store, make_block(3, 1))
    batch = WriteBatch()
    batch.put(layout.numbered_key(layout.RECEIPTS, 3), damaged)
    batch.put(layout.TRANSACTION + transaction_id(1), damaged)
    store.write(batch, sync=True)
    with pytest.raises(CorruptionError):
        BlockStore(store).receipts(3)
    with pytest.raises(CorruptionError):
        BlockStore(store).find_transaction(transaction_id(1))
