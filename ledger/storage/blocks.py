# SPDX-License-Identifier: Apache-2.0
"""Certified blocks by height, where each transaction is, and at which heights the validators change.

Everything stored here is canonical bytes of the model, kept as they were hashed and signed; block 0
has a header only. The index of (author, idempotency key) is the state itself: its idempotency
records name the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ledger.storage import layout
from ledger.storage.errors import STORE_CORRUPT, CorruptionError
from ledger.storage.kv import KeyValueStore, WriteBatch

INDEX_SIZE: Final = 4


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """One certified block."""

    height: int
    header: bytes
    proposal: bytes = b""
    certificate: bytes = b""
    receipts: Sequence[bytes] = ()
    transaction_ids: Sequence[bytes] = ()
    """In the order of the block; empty for a block read back."""
    changes_validators: bool = False
    """Its header names others for the height above it; False for a block read back."""


class BlockStore:
    """Reads and writes of blocks in a chain store. Reads may come from any thread."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store

    def put(self, batch: WriteBatch, block: StoredBlock) -> None:
        """Put a block and its transactions' places into a batch.

        A transaction that is in an earlier block too keeps its first place.
        """
        number = layout.encode_number(block.height)
        batch.put(layout.HEADER + number, block.header)
        if block.height > 0:
            batch.put(layout.PROPOSAL + number, block.proposal)
            batch.put(layout.CERTIFICATE + number, block.certificate)
            batch.put(layout.RECEIPTS + number, _join(block.receipts))
        if block.changes_validators:
            batch.put(layout.SET_CHANGE + number, b"")
        for index, transaction_id in enumerate(block.transaction_ids):
            key = layout.TRANSACTION + transaction_id
            if self._store.get(key) is None:
                batch.put(key, number + index.to_bytes(INDEX_SIZE, "big"))

    def header(self, height: int) -> bytes | None:
        """The header of a certified block, or None above the head."""
        return self._store.get(layout.numbered_key(layout.HEADER, height))

    def certificate(self, height: int) -> bytes | None:
        """The certificate of a block from height 1, or None."""
        return self._store.get(layout.numbered_key(layout.CERTIFICATE, height))

    def proposal(self, height: int) -> bytes | None:
        """The proposal in which a block came, from height 1, or None."""
        return self._store.get(layout.numbered_key(layout.PROPOSAL, height))

    def receipts(self, height: int) -> list[bytes] | None:
        """The receipts of a block from height 1, or None. Raises CorruptionError."""
        data = self._store.get(layout.numbered_key(layout.RECEIPTS, height))
        return None if data is None else _split(height, data)

    def block(self, height: int) -> StoredBlock | None:
        """All of a block, or None above the head. Raises CorruptionError when parts are missing."""
        number = layout.encode_number(height)
        header, proposal, certificate, receipts = self._store.multi_get(
            [
                layout.HEADER + number,
                layout.PROPOSAL + number,
                layout.CERTIFICATE + number,
                layout.RECEIPTS + number,
            ]
        )
        if header is None:
            return None
        if height == 0:
            return StoredBlock(0, header)
        if proposal is None or certificate is None or receipts is None:
            raise CorruptionError(STORE_CORRUPT, f"parts of block {height} are missing")
        return StoredBlock(height, header, proposal, certificate, _split(height, receipts))

    def find_set_changes(self, from_height: int, count_max: int) -> list[int]:
        """The first heights, ascending, from one on, whose blocks name other validators."""
        start = layout.numbered_key(layout.SET_CHANGE, from_height)
        found = self._store.iterate(start, layout.set_change_stop())
        return [layout.decode_number(key[1:]) for key, _ in islice(found, count_max)]

    def find_transaction(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Height and index of a transaction, or None."""
        data = self._store.get(layout.TRANSACTION + transaction_id)
        if data is None:
            return None
        if len(data) != 8 + INDEX_SIZE:
            raise CorruptionError(STORE_CORRUPT, "the place of a transaction cannot be read")
        return layout.decode_number(data[:8]), int.from_bytes(data[8:], "big")


def _join(receipts: Sequence[bytes]) -> bytes:
    return b"".join(
        part for receipt in receipts for part in (len(receipt).to_bytes(4, "big"), receipt)
    )


def _split(height: int, data: bytes) -> list[bytes]:
    receipts: list[bytes] = []
    position = 0
    while position < len(data):
        end = position + 4 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data) or position + 4 > len(data):
            raise CorruptionError(STORE_CORRUPT, f"the receipts of block {height} are cut off")
        receipts.append(data[position + 4 : end])
        position = end
    return receipts
