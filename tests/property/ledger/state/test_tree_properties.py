# SPDX-License-Identifier: Apache-2.0
"""The state tree against the naive one, over histories of versions; proofs against forgery."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model.state_proof import (
    StateProof,
    StateProofError,
    verify_hashed_inclusion,
    verify_hashed_non_inclusion,
)
from ledger.state.tree import get_proof, root_hash
from tests.support.naive_tree import NodeStore, naive_proof, naive_root
from tests.support.state_proofs import flipped_proofs, flips, misshapen_proofs, proof_of

KEYS_COUNT_MAX = 24
BITS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 127, 128, 250, 252, 253, 254, 255)
"""Where keys part: about the borders of quarters, nodes and bytes, and at the very end."""

STRIDE = 61
"""Of this many altered proofs one is tried."""

hashes = st.binary(min_size=32, max_size=32)
values = st.sampled_from([sha256(bytes([i])).digest() for i in range(4)])


@st.composite
def key_pools(draw: st.DrawFn) -> list[bytes]:
    """Key hashes of which some share long prefixes."""
    pool = draw(st.lists(hashes, min_size=1, max_size=KEYS_COUNT_MAX // 2, unique=True))
    for _ in range(draw(st.integers(0, KEYS_COUNT_MAX // 2))):
        near = bytearray(draw(st.sampled_from(pool)))
        bit = draw(st.sampled_from(BITS))
        near[bit // 8] ^= 0x80 >> bit % 8
        if bytes(near) not in pool:
            pool.append(bytes(near))
    return pool


@st.composite
def histories(
    draw: st.DrawFn,
) -> tuple[list[bytes], list[list[tuple[bytes, bytes | None]]]]:
    """Keys, and batches of changes to them; deletions and repeated values included."""
    pool = draw(key_pools())
    change = st.tuples(st.sampled_from(pool), st.none() | values)
    batch = st.lists(change, max_size=len(pool), unique_by=lambda c: c[0])
    return pool, draw(st.lists(batch, min_size=1, max_size=6))


def _apply(leaves: dict[bytes, bytes], batch: list[tuple[bytes, bytes | None]]) -> None:
    for key, value in batch:
        leaves.pop(key, None)
        if value is not None:
            leaves[key] = value


@settings(deadline=None)
@given(histories())
def test_every_version_equals_the_naive_tree(
    history: tuple[list[bytes], list[list[tuple[bytes, bytes | None]]]],
) -> None:
    pool, batches = history
    store = NodeStore()
    leaves: dict[bytes, bytes] = {}
    states: list[dict[bytes, bytes]] = []
    for version, batch in enumerate(batches):
        root = store.update(version - 1 if version else None, version, batch)
        _apply(leaves, batch)
        states.append(dict(leaves))
        assert root == naive_root(leaves)
        fresh = NodeStore()
        assert fresh.update(None, 0, list(leaves.items())) == root
        # The stored tree too depends on its leaves alone: nothing is left of what was deleted.
        assert store.live_paths() == fresh.live_paths()
    for version, state in enumerate(states):
        root = root_hash(store, version)
        assert root == naive_root(state)
        for key in pool:
            proof = get_proof(store, version, key)
            assert proof == proof_of(*naive_proof(state, key))
            if key in state:
                verify_hashed_inclusion(root, key, state[key], proof)
            else:
                verify_hashed_non_inclusion(root, key, proof)
    newest = len(batches) - 1
    proofs = [get_proof(store, newest, key) for key in pool]
    store.prune()
    assert [get_proof(store, newest, key) for key in pool] == proofs


@settings(deadline=None)
@given(key_pools(), st.data())
def test_the_order_and_the_batches_do_not_matter(pool: list[bytes], data: st.DataObject) -> None:
    leaves = {key: data.draw(values) for key in pool}
    kept = {key: leaves[key] for key in data.draw(st.lists(st.sampled_from(pool), unique=True))}
    at_once = NodeStore()
    at_once.update(None, 0, list(kept.items()))
    one_by_one = NodeStore()
    one_by_one.update(None, 0, [])
    version = 0
    for key in data.draw(st.permutations(pool)):
        version += 1
        one_by_one.update(version - 1, version, [(key, leaves[key])])
    for key in data.draw(st.permutations(pool)):
        if key not in kept:
            version += 1
            one_by_one.update(version - 1, version, [(key, None)])
    assert root_hash(one_by_one, version) == root_hash(at_once, 0) == naive_root(kept)


@settings(deadline=None)
@given(key_pools(), hashes)
def test_keys_that_were_never_there_are_shown_absent(pool: list[bytes], absent: bytes) -> None:
    leaves = {key: sha256(key).digest() for key in pool if key != absent}
    store = NodeStore()
    root = store.update(None, 1, list(leaves.items()))
    near = [list(flips(key))[bit] for key in pool[:3] for bit in BITS]
    for key in (absent, *near):
        proof = get_proof(store, 1, key)
        if key in leaves:
            verify_hashed_inclusion(root, key, leaves[key], proof)
            continue
        verify_hashed_non_inclusion(root, key, proof)
        with pytest.raises(StateProofError):
            verify_hashed_inclusion(root, key, sha256(key).digest(), proof)


@settings(deadline=None)
@given(key_pools(), hashes, st.integers(0, STRIDE - 1))
def test_no_altered_proof_is_accepted(pool: list[bytes], absent: bytes, offset: int) -> None:
    # A sample of each tree's bits; the unit tests flip all bits of a few proofs.
    leaves = {key: sha256(key).digest() for key in pool if key != absent}
    store = NodeStore()
    root = store.update(None, 1, list(leaves.items()))
    for key in (pool[offset % len(pool)], absent):
        value = leaves.get(key)

        def verify(root: bytes, proof: StateProof, key: bytes, value: bytes | None) -> None:
            if value is None:
                verify_hashed_non_inclusion(root, key, proof)
            else:
                verify_hashed_inclusion(root, key, value, proof)

        proof = get_proof(store, 1, key)
        verify(root, proof, key, value)
        altered = [*flipped_proofs(proof), *misshapen_proofs(proof)]
        for other in altered[offset::STRIDE]:
            with pytest.raises(StateProofError):
                verify_hashed_inclusion(root, key, sha256(key).digest(), other)
            with pytest.raises(StateProofError):
                verify_hashed_non_inclusion(root, key, other)
        for flipped in list(flips(root))[offset::STRIDE]:
            with pytest.raises(StateProofError):
                verify(flipped, proof, key, value)
        if value is not None:
            for flipped in list(flips(value))[offset::STRIDE]:
                with pytest.raises(StateProofError):
                    verify(root, proof, key, flipped)
