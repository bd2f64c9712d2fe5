# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random
from hashlib import sha256

import pytest

from ledger.model.state_proof import (
    PLACEHOLDER_HASH,
    verify_hashed_inclusion,
    verify_hashed_non_inclusion,
)
from ledger.state.tree import (
    CorruptNodeError,
    MissingNodeError,
    get_proof,
    root_hash,
    update,
)
from ledger.state.tree_nodes import EMPTY_NODE, NODE_SIZE_MAX
from tests.support.naive_tree import NodeStore, naive_proof, naive_root
from tests.support.state_proofs import proof_of

Changes = list[tuple[bytes, bytes | None]]


def _hash(text: str) -> bytes:
    return sha256(text.encode()).digest()


def _changes(first: int, end: int, value: str = "value") -> Changes:
    return [(_hash(f"key {i}"), _hash(f"{value} {i}")) for i in range(first, end)]


def _leaves(changes: Changes) -> dict[bytes, bytes]:
    return {key: value for key, value in changes if value is not None}


def _at(version: int, path: str = "") -> bytes:
    return version.to_bytes(8, "big") + path.encode()


def test_the_empty_tree_before_the_first_version() -> None:
    store = NodeStore()
    assert root_hash(store, None) == PLACEHOLDER_HASH
    assert get_proof(store, None, _hash("key")) == proof_of(None, [])
    assert store.reads == 0


def test_an_update_without_changes_makes_a_readable_version() -> None:
    store = NodeStore()
    assert store.update(None, 0, []) == PLACEHOLDER_HASH
    assert store.nodes == {_at(0): EMPTY_NODE}
    assert root_hash(store, 0) == PLACEHOLDER_HASH
    root = store.update(0, 1, _changes(0, 100))
    result = update(store, 1, 7, [])
    assert result.root_hash == root
    assert result.new_nodes == [(_at(7), store.nodes[_at(1)])]
    assert result.stale_node_keys == [_at(1)]


def test_one_leaf_lies_in_the_root_node() -> None:
    store = NodeStore()
    leaves = _leaves(_changes(0, 1))
    assert store.update(None, 3, _changes(0, 1)) == naive_root(leaves)
    assert list(store.nodes) == [_at(3)]
    assert get_proof(store, 3, _hash("key 0")) == proof_of((_hash("key 0"), _hash("value 0")), [])
    assert get_proof(store, 3, _hash("other")) == proof_of((_hash("key 0"), _hash("value 0")), [])


def test_deleting_the_last_leaf_leaves_a_readable_empty_version() -> None:
    store = NodeStore()
    store.update(None, 1, _changes(0, 50))
    assert store.update(1, 2, [(key, None) for key, _ in _changes(0, 50)]) == PLACEHOLDER_HASH
    assert store.nodes[_at(2)] == EMPTY_NODE
    assert store.live_paths() == {b""}
    assert root_hash(store, 2) == PLACEHOLDER_HASH
    verify_hashed_non_inclusion(
        PLACEHOLDER_HASH, _hash("key 1"), get_proof(store, 2, _hash("key 1"))
    )
    assert store.update(2, 3, _changes(0, 50)) == naive_root(_leaves(_changes(0, 50)))


def test_a_deletion_lifts_the_leaf_that_is_left_alone() -> None:
    deep, twin, other = bytes(32), bytes(31) + b"\x01", b"\xff" * 32
    store = NodeStore()
    store.update(None, 1, [(deep, b"a" * 32), (twin, b"b" * 32), (other, b"c" * 32)])
    assert len(store.nodes) == 64
    assert len(get_proof(store, 1, deep).sibling_bitmap) == 32
    root = store.update(1, 2, [(twin, None)])
    assert root == naive_root({deep: b"a" * 32, other: b"c" * 32})
    assert store.live_paths() == {b""}
    assert len(store.stale) == 64


def test_changes_that_change_nothing_touch_only_the_root() -> None:
    store = NodeStore()
    root = store.update(None, 1, _changes(0, 300))
    again: Changes = [*_changes(0, 300), *((_hash(f"absent {i}"), None) for i in range(300))]
    result = update(store, 1, 2, again)
    assert result.root_hash == root
    assert [node_key for node_key, _ in result.new_nodes] == [_at(2)]
    assert result.stale_node_keys == [_at(1)]


def test_one_change_writes_one_path() -> None:
    store = NodeStore()
    store.update(None, 1, _changes(0, 2000))
    result = update(store, 1, 2, [(_hash("key 77"), _hash("new"))])
    paths = [node_key[8:] for node_key, _ in result.new_nodes]
    digits = _hash("key 77").hex().encode()
    assert len(paths) >= 3
    assert paths == [digits[:depth] for depth in reversed(range(len(paths)))]
    assert sorted(result.stale_node_keys) == [_at(1, path.decode()) for path in reversed(paths)]


def test_the_order_of_changes_does_not_matter() -> None:
    changes: Changes = [*_changes(0, 200, "new"), *((key, None) for key, _ in _changes(200, 400))]
    store = NodeStore()
    store.update(None, 1, _changes(100, 300))
    first = update(store, 1, 2, changes)
    for seed in range(5):
        random.Random(seed).shuffle(changes)
        assert update(store, 1, 2, changes) == first


def test_old_versions_stay_readable() -> None:
    store = NodeStore()
    states: dict[int, dict[bytes, bytes]] = {}
    leaves: dict[bytes, bytes] = {}
    base: int | None = None
    for version in range(0, 50, 10):  # versions may leave gaps
        changes: Changes = _changes(version, version + 60, f"v{version}")
        changes += [(_hash(f"key {i}"), None) for i in range(version)]
        store.update(base, version, changes)
        for key, value in changes:
            leaves.pop(key, None)
            if value is not None:
                leaves[key] = value
        base, states[version] = version, dict(leaves)
    for version, state in states.items():
        root = root_hash(store, version)
        assert root == naive_root(state)
        for i in range(110):
            key = _hash(f"key {i}")
            proof = get_proof(store, version, key)
            assert proof == proof_of(*naive_proof(state, key))
            if key in state:
                verify_hashed_inclusion(root, key, state[key], proof)
            else:
                verify_hashed_non_inclusion(root, key, proof)


def test_an_older_version_may_be_the_base() -> None:
    # A block that was not certified leaves its nodes unstored; the next one starts where it did.
    store = NodeStore()
    store.update(None, 1, _changes(0, 100))
    update(store, 1, 2, _changes(0, 100, "dropped"))
    store.update(1, 2, _changes(100, 200))
    assert root_hash(store, 2) == naive_root(_leaves(_changes(0, 200)))


@pytest.mark.parametrize(
    ("base", "new"), [(5, 5), (5, 4), (None, -1), (5, -1), (5, 2**64), (None, 2**64)]
)
def test_a_version_that_does_not_follow_is_refused(base: int | None, new: int) -> None:
    store = NodeStore()
    store.update(None, 5, _changes(0, 10))
    before, store.reads = dict(store.nodes), 0
    with pytest.raises(ValueError, match=f"version {new} does not follow {base}"):
        update(store, base, new, _changes(0, 1))
    assert (store.nodes, store.reads) == (before, 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([(b"k" * 31, b"v" * 32)], "not 32 bytes"),
        ([(b"k" * 33, None)], "not 32 bytes"),
        ([(b"k" * 32, b"v" * 31)], "not 32 bytes"),
        ([(b"k" * 32, b"")], "not 32 bytes"),
        ([(b"", None)], "not 32 bytes"),
        ([(b"k" * 32, b"v" * 32), (b"a" * 32, None), (b"k" * 32, None)], "changed twice"),
    ],
)
def test_changes_of_another_form_are_refused(changes: Changes, reason: str) -> None:
    store = NodeStore()
    store.update(None, 1, _changes(0, 10))
    before, store.reads = dict(store.nodes), 0
    with pytest.raises(ValueError, match=reason):
        update(store, 1, 2, changes)
    assert (store.nodes, store.reads) == (before, 0)


def test_a_key_hash_of_another_length_has_no_proof() -> None:
    store = NodeStore()
    store.update(None, 1, _changes(0, 10))
    for key_hash in (b"", b"k" * 31, b"k" * 33):
        for version in (None, 1):
            with pytest.raises(ValueError, match="a key hash of"):
                get_proof(store, version, key_hash)


def test_a_version_that_was_never_written_is_missing() -> None:
    store = NodeStore()
    store.update(None, 1, _changes(0, 10))
    with pytest.raises(MissingNodeError, match="no node of version 2 at path ''") as caught:
        root_hash(store, 2)
    assert (caught.value.version, caught.value.node_key) == (2, _at(2))
    with pytest.raises(MissingNodeError):
        get_proof(store, 2, _hash("key 1"))
    with pytest.raises(MissingNodeError):
        update(store, 2, 3, _changes(0, 1))


def test_a_pruned_node_is_missing() -> None:
    store = NodeStore()
    store.update(None, 1, _changes(0, 100))
    path = _hash("key 1").hex()[0]
    del store.nodes[_at(1, path)]
    with pytest.raises(MissingNodeError, match=f"no node of version 1 at path '{path}'"):
        get_proof(store, 1, _hash("key 1"))
    with pytest.raises(MissingNodeError):
        update(store, 1, 2, _changes(1, 2, "new"))


def test_pruning_stale_nodes_leaves_the_newest_version_whole() -> None:
    store = NodeStore()
    store.update(None, 1, _changes(0, 200))
    store.update(1, 2, _changes(50, 250, "new"))
    store.update(2, 3, [(key, None) for key, _ in _changes(0, 120)])
    store.prune()
    state = _leaves(_changes(120, 250, "new"))
    assert root_hash(store, 3) == naive_root(state)
    for key in state:
        assert get_proof(store, 3, key) == proof_of(*naive_proof(state, key))
    with pytest.raises(MissingNodeError):
        root_hash(store, 2)


def test_a_damaged_node_is_refused() -> None:
    store = NodeStore()
    store.update(None, 1, _changes(0, 100))
    whole = store.nodes[_at(1)]
    assert len(whole) <= NODE_SIZE_MAX
    damages = [b"", whole[:3], whole[:-1], whole + b"\x00", EMPTY_NODE + b"x"]
    for at in range(4):
        # A mode whose slot 0 is both leaf and inner; the rest as long as it may be then.
        modes = bytearray(4)
        modes[at], modes[at ^ 1] = 0x11, 0x01
        damages += [bytes(modes) + bytes(size) for size in (63, 64, 104, 168)]
    for damaged in damages:
        store.nodes[_at(1)] = damaged
        with pytest.raises(CorruptNodeError):
            root_hash(store, 1)
        with pytest.raises(CorruptNodeError):
            get_proof(store, 1, _hash("key 1"))
        with pytest.raises(CorruptNodeError):
            update(store, 1, 2, _changes(0, 1, "new"))


def test_nodes_keep_their_bytes() -> None:
    # Stores hold these bytes for years: a change of the layout must be meant.
    store = NodeStore()
    a, b, c = bytes(32), b"\x01" + bytes(31), b"\xf0" + bytes(31)
    store.update(None, 258, [(a, b"A" * 32), (b, b"B" * 32), (c, b"C" * 32)])
    leaf_a, leaf_b, leaf_c = a + b"A" * 32, b + b"B" * 32, c + b"C" * 32

    def inner(left: bytes, right: bytes) -> bytes:
        return sha256(b"JMT::IntrnalNode" + left + right).digest()

    pair = inner(
        sha256(b"JMT::LeafNode" + leaf_a).digest(), sha256(b"JMT::LeafNode" + leaf_b).digest()
    )
    child = inner(inner(inner(pair, PLACEHOLDER_HASH), PLACEHOLDER_HASH), PLACEHOLDER_HASH)
    child_quarter = inner(pair, PLACEHOLDER_HASH)
    top_quarter = inner(inner(child, PLACEHOLDER_HASH), PLACEHOLDER_HASH)
    version = b"\x00\x00\x00\x00\x00\x00\x01\x02"
    assert store.nodes == {
        version + b"0": b"\x03\x00\x00\x00" + child_quarter + leaf_a + leaf_b,
        version: b"\x10\x00\x00\x08" + top_quarter + version + child + leaf_c,
    }
