# SPDX-License-Identifier: Apache-2.0
"""A bounded memory of what was read or written lately."""

from __future__ import annotations

from typing import Generic, TypeVar

V = TypeVar("V")


class GenerationCache(Generic[V]):
    """Keeps what was used lately within a number of bytes, in two generations.

    What is found in the old generation moves to the young one; when the young one has half of the
    bytes it becomes the old one. So an entry is forgotten only after a half without use. No lock:
    each step is one operation on a dictionary, so threads may share it; they may at worst count a
    size twice.
    """

    __slots__ = ("_generation_size_max", "_old", "_young", "_young_size")

    def __init__(self, size_bytes_max: int) -> None:
        self._generation_size_max = size_bytes_max // 2
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._young_size = 0

    def get(self, key: bytes, absent: V) -> V:
        """The value, or `absent`."""
        value = self._young.get(key, absent)
        if value is absent:
            value = self._old.get(key, absent)
            if value is not absent:
                self._young[key] = value
        return value

    def put(self, key: bytes, value: V, size_bytes: int) -> None:
        """Remember a value, in place of one before. `size_bytes` counts key and value."""
        self._young[key] = value
        self._young_size += size_bytes
        if self._young_size > self._generation_size_max:
            self._old = self._young
            self._young = {}
            self._young_size = 0
