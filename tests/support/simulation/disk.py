# SPDX-License-Identifier: Apache-2.0
"""The disk of one node: its stores, what a crash takes from them, and how long it takes to write.

Rules of this file:
- A batch is on the disk whole or not at all.
- A synced batch is durable when the work that wrote it is over (its fsync has returned), and then all
  before it in the same store is too. A crash in the midst of some work cuts its batches at a random
  place: those before are as a power cut would leave them had they been the last.
- Of unsynced batches a crash keeps a random number of the first.
- Whoever wants to know is told of each batch before it is in the store (`on_write`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from ledger.storage.kv import WriteBatch
from ledger.storage.memory import MemoryStore


class WriteWatcher(Protocol):
    """Who is told what a node writes."""

    def wrote(self, node: str, store: str, batch: WriteBatch, *, is_durable: bool) -> None:
        """A batch is in the store; `is_durable` if no crash takes it any more."""
        ...

    def lost(self, node: str) -> None:
        """A crash took some batches: what the stores hold now counts."""
        ...


@dataclass(frozen=True, slots=True)
class DiskSpeed:
    """Microseconds."""

    sync_us: int = 400
    sync_spread_us: int = 600
    stall_rate: float = 0.0
    """How often a sync stalls."""
    stall_us: int = 0


@dataclass(slots=True)
class _Written:
    """One batch that may not be durable."""

    store: str
    undo: list[tuple[bytes, bytes | None]]
    is_synced: bool
    worker: str | None
    """Whose work wrote it and is not over."""


class SimulatedStore:
    """`KeyValueStore` of one run of a node on its disk."""

    def __init__(self, disk: SimulatedDisk, name: str) -> None:
        self._disk = disk
        self._name = name
        self._values = disk.values.setdefault(name, MemoryStore())
        self._is_closed = False

    def get(self, key: bytes) -> bytes | None:
        self._check_open()
        return self._values.get(key)

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._check_open()
        return self._values.multi_get(keys)

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self._check_open()
        return self._values.iterate(start, stop, reverse=reverse)

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        self._check_open()
        self._disk.write(self._name, batch, sync=sync)

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise AssertionError(f"{self._name} is used after it was closed")


class SimulatedDisk:
    """Outlives the runs of its node."""

    def __init__(self, node: str, random: Random, watcher: WriteWatcher) -> None:
        self.node = node
        self.speed = DiskSpeed()
        self.values: dict[str, MemoryStore] = {}
        """By the name of the store: what a reader sees."""
        self._random = random
        self._watcher = watcher
        self._pending: list[_Written] = []
        """In the order of the writes."""
        self._worker: str | None = None
        self._syncs_count = 0
        self.is_sync_ignored: Callable[[str, WriteBatch], bool] | None = None
        """A disk that lies: which syncs it does not carry out."""

    def open_store(self, directory: Path) -> SimulatedStore:
        """`OpenStore` of the node."""
        return SimulatedStore(self, directory.name)

    def snapshot(self, store: str) -> dict[bytes, bytes]:
        """Keys and values of a store, sorted."""
        held = self.values.get(store)
        return {} if held is None else dict(held.iterate(b"", b"\xff" * 64))

    # Work -----------------------------------------------------------------------------------------

    def begin_work(self, worker: str) -> None:
        """What is written from now on is written by this worker."""
        self._worker = worker
        self._syncs_count = 0

    def end_work(self, worker: str) -> int:
        """How long the syncs of the work take, in microseconds."""
        if self._worker != worker:
            raise AssertionError("work within work")
        self._worker = None
        total = 0
        for _ in range(self._syncs_count):
            total += self.speed.sync_us + self._random.randrange(self.speed.sync_spread_us + 1)
            if self.speed.stall_rate and self._random.random() < self.speed.stall_rate:
                total += self._random.randrange(self.speed.stall_us + 1)
        return total

    def settle(self, worker: str) -> None:
        """The worker's work is over: what it synced is durable."""
        for item in self._pending:
            if item.worker == worker:
                item.worker = None
        self._forget_durable()

    def write(self, store: str, batch: WriteBatch, *, sync: bool) -> None:
        """Write a batch of the work at hand; without work it is over at once."""
        held = self.values[store]
        undo = [(key, held.get(key)) for key, _ in batch.operations]
        if sync and self.is_sync_ignored is not None and self.is_sync_ignored(store, batch):
            sync = False
        held.write(batch, sync=True)
        if sync:
            self._syncs_count += 1
        self._pending.append(_Written(store, undo, sync, self._worker))
        if self._worker is None:
            self._forget_durable()
        self._watcher.wrote(self.node, store, batch, is_durable=not self.is_pending(store))

    def is_pending(self, store: str) -> bool:
        """Whether a crash now could take something of a store."""
        return any(item.store == store for item in self._pending)

    def value(self, store: str, key: bytes) -> bytes | None:
        """What is under a key now."""
        held = self.values.get(store)
        return None if held is None else held.get(key)

    def durable_value(self, store: str, key: bytes) -> bytes | None:
        """What is surely under a key after a crash now; the oldest that may be where that is open."""
        for item in self._pending:
            if item.store == store:
                for undone, before in item.undo:
                    if undone == key:
                        return before
        return self.value(store, key)

    def _forget_durable(self) -> None:
        """Drop the records of what no crash can take: up to each store's last finished sync."""
        last: dict[str, int] = {}
        for position, item in enumerate(self._pending):
            if item.is_synced and item.worker is None:
                last[item.store] = position
        self._pending = [
            item
            for position, item in enumerate(self._pending)
            if position > last.get(item.store, -1)
        ]

    # Faults ---------------------------------------------------------------------------------------

    def crash(self, *, is_cut: bool = True) -> int:
        """The node is gone: lose what a power cut may take; how many batches that were.

        With `is_cut` work at hand is cut anywhere, otherwise it came as far as it is (a failpoint).
        """
        count = len(self._pending)
        open_positions = [p for p, item in enumerate(self._pending) if item.worker is not None]
        cut = count
        if is_cut and open_positions:
            cut = self._random.randrange(open_positions[0], count + 1)
        kept: set[int] = set()
        for store in sorted({item.store for item in self._pending}):
            positions = [
                p for p, item in enumerate(self._pending) if item.store == store and p < cut
            ]
            synced = [p for p in positions if self._pending[p].is_synced]
            sure = [p for p in positions if synced and p <= synced[-1]]
            loose = positions[len(sure) :]
            kept.update(sure)
            kept.update(loose[: self._random.randrange(len(loose) + 1)])
        lost = 0
        for position in range(count - 1, -1, -1):
            if position not in kept:
                item = self._pending[position]
                self._restore(item)
                lost += 1
        self._pending.clear()
        self._worker = None
        self._watcher.lost(self.node)
        return lost

    def _restore(self, item: _Written) -> None:
        batch = WriteBatch()
        for key, before in reversed(item.undo):
            if before is None:
                batch.delete(key)
            else:
                batch.put(key, before)
        self.values[item.store].write(batch, sync=True)

    def wipe(self) -> None:
        """Somebody put in an empty disk."""
        self.values.clear()
        self._pending.clear()
        self._watcher.lost(self.node)

    def rot(self, store: str) -> bytes | None:
        """Flip one bit of a stored value; its key."""
        held = self.snapshot(store)
        keys = [key for key, value in held.items() if value]
        if not keys:
            return None
        key = self._random.choice(keys)
        value = bytearray(held[key])
        position = self._random.randrange(len(value) * 8)
        value[position // 8] ^= 1 << position % 8
        batch = WriteBatch()
        batch.put(key, bytes(value))
        self.values[store].write(batch, sync=True)
        return key
