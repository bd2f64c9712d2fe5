# SPDX-License-Identifier: Apache-2.0
"""A bounded memory of what was read or written lately."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")


class GenerationCache(Generic[V]):
    """Keeps what was used lately within a number of bytes, in two generations.

    What is found in the old generation moves to the young one; when the young one has half of the
    bytes it becomes the old one. So an entry is forgotten only after a half without use. What moves
    counts like what is put. No lock: each step is one operation on a dictionary, so threads may
    share it; at worst they miscount by the entries that they touch at the same moment.
    """

    __slots__ = ("_generation_size_max", "_old", "_young", "_young_size")

    def __init__(self, size_bytes_max: int) -> None:
        self._generation_size_max = size_bytes_max // 2
        self._young: dict[bytes, tuple[V, int]] = {}
        """Value and size by key."""
        self._old: dict[bytes, tuple[V, int]] = {}
        self._young_size = 0

    def get(self, key: bytes, absent: V) -> V:
        """The value, or `absent`."""
        held = self._young.get(key)
        if held is None:
            held = self._old.get(key)
            if held is None:
                return absent
            self.put(key, *held)
        return held[0]

    def put(self, key: bytes, value: V, size_bytes: int) -> None:
        """Remember a value, in place of one before. `size_bytes` counts key and value."""
        self._young[key] = (value, size_bytes)
        self._young_size += size_bytes
        if self._young_size > self._generation_size_max:
            self._old = self._young
            self._young = {}
            self._young_size = 0
