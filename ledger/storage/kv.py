# SPDX-License-Identifier: Apache-2.0
"""The port to a sorted key-value store, and the batch that is written as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol


class WriteBatch:
    """Changes that become visible and durable together. A later one for a key wins."""

    __slots__ = ("operations", "size_bytes")

    def __init__(self) -> None:
        self.operations: list[tuple[bytes, bytes | None]] = []
        """Pairs of a key and its new value, None to delete."""
        self.size_bytes = 0
        """Keys and values together."""

    def put(self, key: bytes, value: bytes) -> None:
        self.operations.append((key, value))
        self.size_bytes += len(key) + len(value)

    def delete(self, key: bytes) -> None:
        self.operations.append((key, None))
        self.size_bytes += len(key)


class KeyValueStore(Protocol):
    """Bytes under bytes, sorted by key. Reads may come from any thread, writes from one.

    A reader sees each batch whole or not at all, per call: an iteration begun before a write may
    or may not see it. Damage is a CorruptionError.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value under a key, or None."""
        ...

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under some keys, in their order."""
        ...

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, ascending or descending."""
        ...

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        """Apply a batch. With `sync` it and all before it survive a power cut on return."""
        ...

    def close(self) -> None:
        """Release the store. Idempotent."""
        ...
