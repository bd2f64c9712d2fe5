# SPDX-License-Identifier: Apache-2.0
"""The node's store over LevelDB: reads, synced batches, and the two that a block takes.

- `batch`: synced batches of 100 and 1,000 pairs (32 bytes, 256 bytes) through the node's own port,
  with the options a node uses; wall time.
- `get`: one of 100,000 stored pairs, read at random; wall time.
- `write-block`: a block of 100 transactions of 1 KB: the log entry with its proposal, synced, then
  block, receipts, certificate and 500 changed keys with their tree nodes in one synced batch; wall
  time of both.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.limits import FDATASYNC, LEVELDB_BATCH
from benchmarks.results import Figure
from benchmarks.timing import Clock, measure_each
from benchmarks.workload import Context
from consensus.types import ConfState, Entry, HardState, Ready
from ledger.model.merkle_log import EMPTY_ROOT
from ledger.state.tree import update
from ledger.storage.blocks import StoredBlock
from ledger.storage.chain import ChainHead, ChainStore
from ledger.storage.kv import KeyValueStore, WriteBatch
from ledger.storage.leveldb import LevelDBStore
from ledger.storage.state_store import StateChanges

NAME = "storage"
PAIRS_COUNT = 100_000
BLOCK_TRANSACTIONS_COUNT = 100
BLOCK_KEYS_COUNT = 500


def run(context: Context) -> Iterator[Figure]:
    """Measure the store."""
    with tempfile.TemporaryDirectory(dir=context.directory) as name:
        store = LevelDBStore(Path(name) / "pairs")
        try:
            yield from _measure_pairs(context, store)
        finally:
            store.close()
        store = LevelDBStore(Path(name) / "chain")
        try:
            yield from _measure_blocks(context, store)
        finally:
            store.close()


def _measure_pairs(context: Context, store: KeyValueStore) -> Iterator[Figure]:
    generator = random.Random(context.seed)

    def make_batch(pairs: int) -> WriteBatch:
        batch = WriteBatch()
        for _ in range(pairs):
            batch.put(generator.randbytes(32), generator.randbytes(256))
        return batch

    keys: list[bytes] = []
    for _ in range(PAIRS_COUNT // 1_000):
        batch = make_batch(1_000)
        store.write(batch, sync=True)
        keys += [key for key, _ in batch.operations]
    measured = measure_each(
        store.get, lambda count: generator.choices(keys, k=count), context.effort, Clock.WALL
    )
    yield Figure(NAME, "get", measured.scaled(1e6), "µs", {"keys": len(keys), "value_bytes": 256})
    for pairs in (100, 1_000):
        measured = measure_each(
            lambda batch: store.write(batch, sync=True),
            partial(_repeat, partial(make_batch, pairs)),
            context.effort,
            Clock.WALL,
        )
        parameters = {"pairs": pairs, "value_bytes": 256}
        yield Figure(
            NAME, "batch", measured.scaled(1e6), "µs", parameters, LEVELDB_BATCH, pairs // 100
        )


def _repeat(make: Callable[[], WriteBatch], count: int) -> list[WriteBatch]:
    return [make() for _ in range(count)]


class _Chain:
    """A chain store and the blocks that come next; what they hold is drawn, not executed."""

    def __init__(self, store: KeyValueStore, seed: int) -> None:
        self._generator = random.Random(seed)
        self._store = ChainStore(store)
        updated = update(self._store.state, None, 0, [])
        self._store.initialise(
            bytes(32),
            StoredBlock(0, bytes(200)),
            ChainHead(0, bytes(32), 0, updated.root_hash, ()),
            StateChanges((), updated.new_nodes),
            ConfState(voters=(1,)),
        )

    def write_next(self, block: tuple[StoredBlock, StateChanges]) -> None:
        """Write a block that `make_blocks` made."""
        height = self._store.head.height + 1
        stored, changes = block
        entry = Entry(height, 1, stored.proposal)
        self._store.persist(
            Ready(hard_state=HardState(1, 1, height - 1), entries=(entry,), must_sync=True)
        )
        head = ChainHead(height, bytes(32), height, EMPTY_ROOT, (), applied_index=height)
        self._store.certify(stored, head, changes)

    def make_blocks(self, count: int) -> list[tuple[StoredBlock, StateChanges]]:
        """The next blocks, each with the tree nodes of an update of the empty tree."""
        made: list[tuple[StoredBlock, StateChanges]] = []
        for height in range(self._store.head.height + 1, self._store.head.height + 1 + count):
            draw = self._generator.randbytes
            stored = StoredBlock(
                height,
                header=draw(250),
                proposal=draw(BLOCK_TRANSACTIONS_COUNT * 1_400),
                certificate=draw(300),
                receipts=[draw(150) for _ in range(BLOCK_TRANSACTIONS_COUNT)],
                transaction_ids=[draw(32) for _ in range(BLOCK_TRANSACTIONS_COUNT)],
            )
            writes = tuple((draw(60), draw(400)) for _ in range(BLOCK_KEYS_COUNT))
            updated = update(
                self._store.state, None, height, [(key[:32], value[:32]) for key, value in writes]
            )
            made.append((stored, StateChanges(writes, updated.new_nodes, updated.stale_node_keys)))
        return made


def _measure_blocks(context: Context, store: KeyValueStore) -> Iterator[Figure]:
    chain = _Chain(store, context.seed)
    measured = measure_each(chain.write_next, chain.make_blocks, context.effort, Clock.WALL)
    parameters = {"transactions": BLOCK_TRANSACTIONS_COUNT, "keys": BLOCK_KEYS_COUNT}
    yield Figure(NAME, "write-block", measured.scaled(1e6), "µs", parameters, FDATASYNC, 2)
