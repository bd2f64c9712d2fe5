# SPDX-License-Identifier: Apache-2.0
"""The chain store: log, certified blocks and certified state of one validator in one key-value store.

Rules of this file:
- Only certified blocks and their state are here; the block in flight is in the log and in memory.
- A block, its certificate, receipts, state, indexes and the new head are one synced batch.
- The log is compacted up to entries of certified blocks only (R6).
- A block taken over from another validator is certified without a log entry of its own: the head's
  `applied_index` then stays where it was, and entries of blocks at or below the head are passed over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from consensus import Ready
from consensus.types import ConfState
from ledger.storage import layout
from ledger.storage.blocks import BlockStore, StoredBlock
from ledger.storage.errors import (
    STORE_CORRUPT,
    STORE_FORMAT,
    STORE_INCONSISTENT,
    STORE_OTHER_CHAIN,
    CorruptionError,
)
from ledger.storage.kv import KeyValueStore, WriteBatch
from ledger.storage.log import CertifiedPlace, LogStore
from ledger.storage.state_store import StateChanges, StateStore

FORMAT: Final = b"psetledger-chain/1"
LOG_ENTRIES_KEPT: Final = 64
"""Entries of certified blocks that stay in the log for followers that lag."""

_HEAD: Final = struct.Struct(">QQQ32s32sH")
_HASH_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last certified block, and what is needed to go on from it."""

    height: int
    block_hash: bytes
    state_version: int
    """The last height that wrote."""
    state_root: bytes
    log_hashes: tuple[bytes, ...]
    """Of the compact range over the block hashes 0..height (`ledger.model.merkle_log`)."""
    applied_index: int = 0
    """The log entry that carried the newest block that came through the log, or up to which a
    snapshot replaced the log; 0 before the first.
    """


class ChainStore:
    """One validator's chain store. Reads may come from any thread, writes from one."""

    def __init__(self, store: KeyValueStore, *, log_entries_kept: int = LOG_ENTRIES_KEPT) -> None:
        """Open what is there. `log_entries_kept` entries of certified blocks stay in the log.

        Raises CorruptionError.
        """
        self._log_entries_kept = log_entries_kept
        self.store = store
        self.blocks = BlockStore(store)
        self.state = StateStore(store)
        stored_format = store.get(layout.FORMAT_KEY)
        if stored_format not in (None, FORMAT):
            raise CorruptionError(
                STORE_FORMAT,
                f"the store has the format {stored_format!r}, this release knows {FORMAT!r}",
                "Use the release that wrote it, or one that can migrate it.",
            )
        self._head: ChainHead | None = None
        self.log = LogStore(store, self._find_certified)
        sealed = store.get(layout.HEAD_KEY)
        if sealed is not None:
            self._head = _decode_head(layout.unseal("the head", sealed))
        elif stored_format is not None:
            raise CorruptionError(STORE_INCONSISTENT, "the store has no head")
        if sealed is not None and store.get(layout.CONF_STATE_KEY) is None:
            raise CorruptionError(STORE_INCONSISTENT, "the store has no members of the ordering")

    @property
    def is_empty(self) -> bool:
        """Whether the store was never initialised."""
        return self._head is None

    @property
    def head(self) -> ChainHead:
        """The head. Raises LookupError while the store is empty."""
        if self._head is None:
            raise LookupError("an empty store has no head")
        return self._head

    def check_genesis(self, genesis_hash: bytes) -> None:
        """Raise CorruptionError (STORE_OTHER_CHAIN) unless the store is of this genesis."""
        stored = self.store.get(layout.GENESIS_KEY)
        if stored != genesis_hash:
            raise CorruptionError(
                STORE_OTHER_CHAIN,
                "the data directory belongs to another genesis document",
                "Give the node the genesis document of its network, or an empty data directory.",
            )

    def initialise(
        self,
        genesis_hash: bytes,
        block: StoredBlock,
        head: ChainHead,
        changes: StateChanges,
        conf_state: ConfState,
    ) -> None:
        """Write block 0, the state after it, and the first members of the ordering.

        Raises ValueError unless the store is empty.
        """
        if self._head is not None:
            raise ValueError("the store holds a chain already")
        batch = WriteBatch()
        batch.put(layout.FORMAT_KEY, FORMAT)
        batch.put(layout.GENESIS_KEY, genesis_hash)
        self._put(batch, block, head, changes)
        self.log.put_conf_state(batch, 0, conf_state)
        self._write_log(batch)
        self._head = head
        self.state.wrote(changes)

    def persist(self, ready: Ready) -> None:
        """Step 1 of a Ready: entries and hard state, durable on return if they must be.

        Its snapshot is the caller's to `install` before. Raises ValueError for entries or a commit
        index that the log cannot take.
        """
        if not ready.entries and ready.hard_state is None:
            return
        batch = WriteBatch()
        self.log.append(batch, ready.entries, ready.hard_state)
        self.store.write(batch, sync=ready.must_sync)
        self.log.wrote()

    def certify(
        self,
        block: StoredBlock,
        head: ChainHead,
        changes: StateChanges,
        conf: tuple[int, ConfState] | None = None,
    ) -> None:
        """Write a certified block and all that follows from it; durable on return.

        A block that came through no log entry keeps the `applied_index` of the head before it. `conf`
        is the newest log entry that the ordering's members account for, and the members.

        Raises ValueError for a block that does not follow the head, or an entry that cannot have
        carried it.
        """
        before = self.head
        if head.height != before.height + 1 or block.height != head.height:
            raise ValueError(f"block {block.height} does not follow {before.height}")
        if not before.applied_index <= head.applied_index <= self.log.last_index():
            raise ValueError(
                f"entry {head.applied_index} is not in"
                f" {before.applied_index}..{self.log.last_index()}"
            )
        batch = WriteBatch()
        self._put(batch, block, head, changes)
        if conf is not None:
            self._check_conf_index(conf[0])
            self.log.put_conf_state(batch, *conf)
        self.log.compact(batch, max(0, head.applied_index - self._log_entries_kept))
        self._write_log(batch)
        self.state.wrote(changes)
        self._head = head

    def store_conf_state(self, index: int, conf_state: ConfState) -> None:
        """Write the ordering's members after log entry `index`; durable on return.

        Raises ValueError for an index that falls or is not in the log.
        """
        self._check_conf_index(index)
        batch = WriteBatch()
        self.log.put_conf_state(batch, index, conf_state)
        self._write_log(batch)

    def install(
        self,
        snapshot_index: int,
        term: int,
        digest: bytes,
        conf_state: ConfState,
        head_height: int,
    ) -> None:
        """Replace the log by a snapshot's place in it; durable on return, before `persist`.

        The blocks up to the snapshot's height, `head_height`, were taken over before. Term and vote
        stay. Raises ValueError while the chain is shorter, and for a place that is behind the own.
        """
        head = self.head
        if head.height < head_height:
            raise ValueError(f"the chain ends at {head.height}, the snapshot at {head_height}")
        if snapshot_index < head.applied_index:
            raise ValueError(f"entry {snapshot_index} lies below {head.applied_index}")
        installed = replace(head, applied_index=snapshot_index)
        batch = WriteBatch()
        self.log.begin_after(batch, snapshot_index, term, digest)
        self.log.put_conf_state(batch, snapshot_index, conf_state)
        batch.put(layout.HEAD_KEY, layout.seal(_encode_head(installed)))
        self._write_log(batch)
        self._head = installed

    def fall_back(self) -> None:
        """Drop what the log holds above the certified chain; durable on return.

        For a log that a certificate has proven wrong. The members of the ordering, and the entry
        they account for, stay.
        """
        batch = WriteBatch()
        self.log.truncate(batch, max(self.head.applied_index, self.log.conf_index))
        self._write_log(batch)

    def _check_conf_index(self, index: int) -> None:
        if index > self.log.last_index():
            raise ValueError(f"entry {index} is beyond the log's end {self.log.last_index()}")

    def _find_certified(self) -> CertifiedPlace:
        head = self._head
        return CertifiedPlace(head.height, head.applied_index) if head else CertifiedPlace(0, 0)

    def _write_log(self, batch: WriteBatch) -> None:
        self.store.write(batch, sync=True)
        self.log.wrote()

    def _put(
        self, batch: WriteBatch, block: StoredBlock, head: ChainHead, changes: StateChanges
    ) -> None:
        self.blocks.put(batch, block)
        self.state.put(batch, head.state_version, changes)
        self.state.put_version(batch, head.height, head.state_version)
        batch.put(layout.HEAD_KEY, layout.seal(_encode_head(head)))


def _encode_head(head: ChainHead) -> bytes:
    return _HEAD.pack(
        head.height,
        head.state_version,
        head.applied_index,
        head.block_hash,
        head.state_root,
        len(head.log_hashes),
    ) + b"".join(head.log_hashes)


def _decode_head(data: bytes) -> ChainHead:
    try:
        height, version, applied, block_hash, state_root, count = _HEAD.unpack_from(data)
    except struct.error:
        raise CorruptionError(STORE_CORRUPT, "the head cannot be read") from None
    rest = data[_HEAD.size :]
    if len(rest) != count * _HASH_SIZE:
        raise CorruptionError(STORE_CORRUPT, "the head cannot be read")
    hashes = tuple(rest[at : at + _HASH_SIZE] for at in range(0, len(rest), _HASH_SIZE))
    return ChainHead(height, block_hash, version, state_root, hashes, applied)
