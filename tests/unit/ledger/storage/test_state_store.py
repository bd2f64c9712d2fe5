# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from hashlib import sha256

import pytest

from ledger.state import tree
from ledger.storage import layout
from ledger.storage.errors import CorruptionError
from ledger.storage.kv import WriteBatch
from ledger.storage.memory import MemoryStore
from ledger.storage.state_store import NewestState, StateAt, StateChanges, StateStore


def write(store: MemoryStore, state: StateStore, version: int, changes: StateChanges) -> None:
    batch = WriteBatch()
    state.put(batch, version, changes)
    state.put_version(batch, version, version)
    store.write(batch, sync=True)
    state.wrote(changes)


def test_every_version_stays_readable() -> None:
    rng = random.Random(2)
    store = MemoryStore()
    state = StateStore(store)
    model: dict[bytes, bytes] = {}
    history: list[dict[bytes, bytes]] = []
    for version in range(30):
        writes: list[tuple[bytes, bytes | None]] = []
        for key in {b"key%d" % rng.randrange(12) for _ in range(3)}:
            value = None if rng.random() < 0.3 else rng.randbytes(3)
            writes.append((key, value))
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
        write(store, state, version, StateChanges(sorted(writes)))
        history.append(dict(model))
    for opened in (state, StateStore(store)):
        for version, held in enumerate(history):
            for key in (b"key%d" % n for n in range(12)):
                assert opened.get(key, version) == held.get(key)
                assert StateAt(opened, version).get(key) == held.get(key)
        for key in (b"key%d" % n for n in range(12)):
            assert NewestState(opened).get(key) == model.get(key)


def test_the_newest_value_is_that_of_the_last_batch_written() -> None:
    store = MemoryStore()
    state = StateStore(store)
    newest = NewestState(state)
    assert newest.get(b"a") is None
    changes = StateChanges([(b"a", b"1")])
    state.put(WriteBatch(), 1, changes)
    assert newest.get(b"a") is None, "put into a batch is not written"
    write(store, state, 1, changes)
    assert newest.get(b"a") == b"1"
    write(store, state, 2, StateChanges([(b"a", None)]))
    assert newest.get(b"a") is None


def test_the_tree_reads_its_nodes_here() -> None:
    store = MemoryStore()
    state = StateStore(store)
    base: int | None = None
    for version in range(3):
        writes = [(b"%d/%d" % (version, n), b"v%d" % n) for n in range(50)]
        update = tree.update(
            state,
            base,
            version,
            [(sha256(key).digest(), sha256(value).digest()) for key, value in writes],
        )
        write(
            store,
            state,
            version,
            StateChanges(
                writes, new_nodes=update.new_nodes, stale_node_keys=update.stale_node_keys
            ),
        )
        base = version
        assert tree.root_hash(StateStore(store), version) == update.root_hash
    assert list(store.iterate(layout.STALE_NODE, layout.STALE_NODE + b"\xff"))


def test_what_expires_comes_by_time_then_key_up_to_a_number() -> None:
    store = MemoryStore()
    state = StateStore(store)
    added = [(300, b"a"), (100, b"z"), (100, b"b"), (200, b"c")]
    write(store, state, 1, StateChanges([], expiring_added=added))
    newest = NewestState(state)
    assert newest.expiring(200, 10) == [(100, b"b"), (100, b"z"), (200, b"c")]
    assert newest.expiring(199, 10) == [(100, b"b"), (100, b"z")]
    assert newest.expiring(300, 2) == [(100, b"b"), (100, b"z")]
    assert newest.expiring(99, 10) == []
    write(store, state, 2, StateChanges([], expiring_removed=[(100, b"b")]))
    assert newest.expiring(200, 10) == [(100, b"z"), (200, b"c")]


def test_the_version_of_a_height_that_is_not_stored_is_corruption() -> None:
    state = StateStore(MemoryStore())
    with pytest.raises(CorruptionError, match="version"):
        state.version_at(3)


@pytest.mark.parametrize(
    "damaged", [b"", b"\x01\x00\x01bvalue", b"\x05\x00\x01avalue", b"\x00\x00\x01ax"]
)
def test_a_damaged_value_is_not_read(damaged: bytes) -> None:
    store = MemoryStore()
    state = StateStore(store)
    write(store, state, 1, StateChanges([(b"a", b"value")]))
    batch = WriteBatch()
    batch.put(layout.state_key(sha256(b"a").digest(), 1), damaged)
    store.write(batch, sync=True)
    with pytest.raises(CorruptionError):
        state.get(b"a", 1)
