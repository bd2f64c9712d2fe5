# SPDX-License-Identifier: Apache-2.0
"""What this validator has promised: the last vote it gave, durable before the vote leaves.

Rules of this file:
- The record lies in a store of its own, outside backups, snapshots and rollback (R7): restoring it
  would make the validator forget a promise.
- It belongs to one vote key on one chain, and its height only rises.
- A vote is recorded with its signature: after a restart the same bytes are sent again.
- A pledge is a record without a vote: a certificate for that height is known, and this key votes
  neither there nor below. It lets a validator take over certified blocks without having voted.
"""

from __future__ import annotations

from typing import Final

from ledger.model.block import VoteRecord
from ledger.model.codec import decode, encode
from ledger.model.wire import EncodingError
from ledger.storage import layout
from ledger.storage.errors import STORE_CORRUPT, STORE_OTHER_CHAIN, CorruptionError
from ledger.storage.kv import KeyValueStore, WriteBatch

_OWNER_KEY: Final = b"mowner"
_RECORD_KEY: Final = b"mvote"
_HASH_SIZE: Final = 32


def is_pledge(record: VoteRecord) -> bool:
    """Whether a record is a pledge, without a vote to send."""
    return bool(record.block_hash) and not record.vote


class VoteRecordStore:
    """The vote record of one key on one chain."""

    def __init__(self, store: KeyValueStore, *, chain_id: str, public_key: bytes) -> None:
        """Open the record, without making it.

        Raises CorruptionError: unreadable, or of another chain or key.
        """
        self._store = store
        self._owner = chain_id.encode() + b"\x00" + public_key
        self._latest: VoteRecord | None = None
        held = store.get(_OWNER_KEY)
        if held is not None and layout.unseal("the vote record's owner", held) != self._owner:
            raise CorruptionError(
                STORE_OTHER_CHAIN,
                "the vote record is that of another vote key or chain",
                "Give the node the directory that belongs to its vote key.",
            )
        sealed = store.get(_RECORD_KEY)
        if sealed is not None:
            try:
                self._latest = decode(VoteRecord, layout.unseal("the vote record", sealed))
            except EncodingError as error:
                raise CorruptionError(STORE_CORRUPT, f"the vote record: {error}") from error

    @property
    def latest(self) -> VoteRecord | None:
        """The last vote or pledge; height 0 before the first; None when nothing is known."""
        return self._latest

    def initialise(self) -> None:
        """State that this key has never voted. Raises ValueError when there is a record."""
        if self._latest is not None:
            raise ValueError("there is a vote record already")
        batch = WriteBatch()
        batch.put(_OWNER_KEY, layout.seal(self._owner))
        self._write(batch, VoteRecord())

    def record(self, record: VoteRecord) -> None:
        """Make a vote durable; returns when it is.

        Raises ValueError when it does not lie above the last one (a vote is given once), or holds
        no vote.
        """
        latest = self._latest
        if latest is None or (record.epoch, record.height) <= (latest.epoch, latest.height):
            raise ValueError(f"no vote at height {record.height} may be recorded")
        if not record.vote or not record.signature:
            raise ValueError(f"the record at height {record.height} holds no vote")
        self._write(WriteBatch(), record)

    def pledge(self, epoch: int, height: int, block_hash: bytes) -> None:
        """Promise never to vote at `height` or below: a certificate for this block there is known.

        Returns when it is durable. Raises ValueError when it does not lie above the last record;
        only in place of a vote for another block may it be of the same height.
        """
        if len(block_hash) != _HASH_SIZE:
            raise ValueError("a pledge names a block")
        latest = self._latest
        if latest is None:
            raise ValueError("the record of this key's votes is missing")
        place, last = (epoch, height), (latest.epoch, latest.height)
        is_against_vote = bool(latest.vote) and latest.block_hash != block_hash
        if place < last or (place == last and not is_against_vote):
            raise ValueError(f"no pledge at height {height} may be recorded")
        self._write(WriteBatch(), VoteRecord(epoch=epoch, height=height, block_hash=block_hash))

    def _write(self, batch: WriteBatch, record: VoteRecord) -> None:
        batch.put(_RECORD_KEY, layout.seal(encode(record)))
        self._store.write(batch, sync=True)
        self._latest = record
