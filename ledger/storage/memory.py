# SPDX-License-Identifier: Apache-2.0
"""A store in memory that forgets like a disk: what was not synced is lost in a crash.

For tests, and for development networks where LevelDB is not installed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from threading import Lock

from ledger.storage.kv import WriteBatch

_Undo = list[tuple[bytes, bytes | None]]


class MemoryStore:
    """`KeyValueStore` in a dictionary with a sorted list of keys, sorted when it is needed."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._unsorted: list[bytes] = []
        """Keys that are not in `_keys` yet; `_keys` may hold some that are deleted."""
        self._stale_count = 0
        self._unsynced: list[_Undo] = []
        """What takes back each batch since the last synced one, oldest first."""
        self._lock = Lock()

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._values.get(key) for key in keys]

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        with self._lock:
            self._sort()
            keys = self._keys
            low = bisect_left(keys, start)
            high = bisect_left(keys, stop, low)
        # `_sort` makes a new list, so this one stays as it is while others write.
        positions = range(high - 1, low - 1, -1) if reverse else range(low, high)
        for position in positions:
            key = keys[position]
            value = self._values.get(key)
            if value is not None:
                yield key, value

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        with self._lock:
            undo: _Undo = []
            for key, value in batch.operations:
                undo.append((key, self._put(key, value)))
            if sync:
                self._unsynced.clear()
            else:
                self._unsynced.append(undo)

    def close(self) -> None:
        """Nothing to release: the content stays for whoever opens it again."""

    def crash(self, *, kept_count: int = 0) -> None:
        """Lose what a power cut may take: the unsynced batches but the first `kept_count`."""
        with self._lock:
            for undo in reversed(self._unsynced[kept_count:]):
                for key, value in reversed(undo):
                    self._put(key, value)
            self._unsynced.clear()

    def _put(self, key: bytes, value: bytes | None) -> bytes | None:
        """Set or delete; the value before."""
        before = self._values.get(key)
        if value is None:
            if self._values.pop(key, None) is not None:
                self._stale_count += 1
        else:
            self._values[key] = value
            if before is None:
                self._unsorted.append(key)
        return before

    def _sort(self) -> None:
        if not self._unsorted and self._stale_count <= len(self._values):
            return
        if self._stale_count:
            self._keys = sorted(self._values)
        elif self._keys and len(self._unsorted) == 1:
            keys = self._keys.copy()
            keys.insert(bisect_right(keys, self._unsorted[0]), self._unsorted[0])
            self._keys = keys
        else:
            # Runs that are sorted already are merged in linear time.
            self._keys = sorted(self._keys + sorted(self._unsorted))
        self._unsorted.clear()
        self._stale_count = 0
