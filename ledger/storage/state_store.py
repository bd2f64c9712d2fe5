# SPDX-License-Identifier: Apache-2.0
"""State values and tree nodes by version, so that every version stays readable.

Rules of this file:
- A version is the height of the block that wrote it; blocks without writes have the version of the
  block before (`version_at`).
- A value is stored once, under its key's hash and the version that wrote it, together with its key
  (the hash alone could never be turned back into a name); deletion is a value too.
- Nodes never change: a cached one is right for ever. Values are cached for the newest version only,
  by the one thread that executes and writes blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger.storage import layout
from ledger.storage.cache import GenerationCache
from ledger.storage.errors import STORE_CORRUPT, STORE_INCONSISTENT, CorruptionError
from ledger.storage.kv import KeyValueStore, WriteBatch

NODE_CACHE_SIZE: Final = 64 * 1024 * 1024
VALUE_CACHE_SIZE: Final = 32 * 1024 * 1024
ENTRY_OVERHEAD_SIZE: Final = 200
"""What Python adds to a cached pair, about."""

_DELETED: Final = b"\x00"
_PRESENT: Final = b"\x01"
_UNKNOWN: Final = b"unknown"
"""Told by identity from any value."""


@dataclass(frozen=True, slots=True)
class StateChanges:
    """What one block does to the state."""

    writes: Sequence[tuple[bytes, bytes | None]]
    """Keys and new values, None to delete."""
    new_nodes: Sequence[tuple[bytes, bytes]] = ()
    stale_node_keys: Sequence[bytes] = ()
    expiring_removed: Sequence[tuple[int, bytes]] = ()
    """Pairs of `expires_at` and the state key of an idempotency record; before what is added."""
    expiring_added: Sequence[tuple[int, bytes]] = ()


class StateStore:
    """Reads and writes of the state in a chain store."""

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._nodes = GenerationCache[bytes](NODE_CACHE_SIZE)
        self._values = GenerationCache[bytes | None](VALUE_CACHE_SIZE)

    def put(self, batch: WriteBatch, version: int, changes: StateChanges) -> None:
        """Put a version into a batch."""
        encoded_version = layout.encode_number(version)
        for key, value in changes.writes:
            key_hash = sha256(key).digest()
            batch.put(layout.state_key(key_hash, version), _encode_value(key, value))
            batch.put(layout.NEWEST + key_hash, encoded_version)
        for node_key, node in changes.new_nodes:
            batch.put(layout.NODE + node_key, node)
        for node_key in changes.stale_node_keys:
            batch.put(layout.stale_node_key(version, node_key), b"")
        for expires_at, key in changes.expiring_removed:
            batch.delete(layout.expiring_key(expires_at, key))
        for expires_at, key in changes.expiring_added:
            batch.put(layout.expiring_key(expires_at, key), b"")

    def wrote(self, changes: StateChanges) -> None:
        """The batch with these changes is written: they are the newest values now."""
        for key, value in changes.writes:
            self._remember(key, value)
        for node_key, node in changes.new_nodes:
            self._nodes.put(node_key, node, len(node_key) + len(node) + ENTRY_OVERHEAD_SIZE)

    def put_version(self, batch: WriteBatch, height: int, version: int) -> None:
        """Put into a batch which version the state has at a height."""
        batch.put(layout.numbered_key(layout.VERSION, height), layout.encode_number(version))

    def version_at(self, height: int) -> int:
        """The version of the state at a height. Raises CorruptionError when it is not stored."""
        data = self._store.get(layout.numbered_key(layout.VERSION, height))
        if data is None or len(data) != 8:
            raise CorruptionError(STORE_INCONSISTENT, f"no state version is stored for {height}")
        return layout.decode_number(data)

    def get(self, key: bytes, version: int) -> bytes | None:
        """The value of a key at a version, or None. Any thread. Raises CorruptionError."""
        key_hash = sha256(key).digest()
        newest = self._store.get(layout.NEWEST + key_hash)
        if newest is None:
            return None
        newest_version = layout.decode_number(newest)
        if newest_version <= version:
            data = self._store.get(layout.state_key(key_hash, newest_version))
            if data is None:
                raise CorruptionError(STORE_INCONSISTENT, f"the newest value of {key!r} is missing")
            return _decode_value(key, data)
        # An older version: a search, many times as dear as a look-up.
        start = layout.state_key(key_hash, version)
        for _, data in self._store.iterate(start, layout.state_stop(key_hash)):
            return _decode_value(key, data)
        return None

    def get_newest(self, key: bytes) -> bytes | None:
        """The value of a key at the newest version. The thread that writes blocks only."""
        value = self._values.get(key, _UNKNOWN)
        if value is _UNKNOWN:
            value = self.get(key, layout.NUMBER_MAX)
            self._remember(key, value)
        return value

    def get_node(self, node_key: bytes) -> bytes | None:
        """A tree node, of any version. Any thread."""
        node = self._nodes.get(node_key, _UNKNOWN)
        if node is not _UNKNOWN:
            return node
        stored = self._store.get(layout.NODE + node_key)
        if stored is not None:
            self._nodes.put(node_key, stored, len(node_key) + len(stored) + ENTRY_OVERHEAD_SIZE)
        return stored

    def expiring(self, until_ms: int, count_max: int) -> Sequence[tuple[int, bytes]]:
        """The first records with expires_at <= until_ms, by that time and then by state key."""
        found: list[tuple[int, bytes]] = []
        for key, _ in self._store.iterate(
            layout.expiring_key(0, b""), layout.expiring_key(until_ms + 1, b"")
        ):
            if len(found) == count_max:
                break
            found.append((layout.decode_number(key[1:9]), key[9:]))
        return found

    def _remember(self, key: bytes, value: bytes | None) -> None:
        self._values.put(key, value, len(key) + len(value or b"") + ENTRY_OVERHEAD_SIZE)


class NewestState:
    """The `StateReader` of execution: the newest state. The thread that writes blocks only."""

    def __init__(self, state: StateStore) -> None:
        self._state = state

    def get(self, key: bytes) -> bytes | None:
        return self._state.get_newest(key)

    def expiring(self, until_ms: int, count_max: int) -> Sequence[tuple[int, bytes]]:
        return self._state.expiring(until_ms, count_max)


class StateAt:
    """The state at a version, for readers in other threads. Nothing expires while it is read."""

    def __init__(self, state: StateStore, version: int) -> None:
        self._state = state
        self._version = version

    def get(self, key: bytes) -> bytes | None:
        return self._state.get(key, self._version)

    def expiring(self, until_ms: int, count_max: int) -> Sequence[tuple[int, bytes]]:
        del until_ms, count_max
        return ()


def _encode_value(key: bytes, value: bytes | None) -> bytes:
    head = len(key).to_bytes(2, "big") + key
    return _DELETED + head if value is None else _PRESENT + head + value


def _decode_value(key: bytes, data: bytes) -> bytes | None:
    end = 3 + len(key)
    if data[1:end] != len(key).to_bytes(2, "big") + key:
        raise CorruptionError(STORE_CORRUPT, f"the value of {key!r} is stored with another key")
    match data[:1], len(data):
        case b"\x01", _:
            return data[end:]
        case b"\x00", size if size == end:
            return None
        case _:
            raise CorruptionError(STORE_CORRUPT, f"the value of {key!r} has no form known here")
