# SPDX-License-Identifier: Apache-2.0
"""Merkle logs against the recursive definitions of RFC 6962, and against forgery."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model.merkle_log import (
    CompactRange,
    MerkleProofError,
    compute_consistency_proof,
    compute_inclusion_proof,
    compute_root,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.support.naive_log import (
    naive_consistency_proof,
    naive_inclusion_proof,
    naive_log_root,
)

SIZE_MAX = 70
logs = st.lists(st.binary(max_size=40), min_size=1, max_size=SIZE_MAX)
hashes = st.binary(min_size=32, max_size=32)


def test_every_log_up_to_the_limit() -> None:
    entries = [f"entry {i}".encode() for i in range(SIZE_MAX)]
    compact = CompactRange()
    for size in range(SIZE_MAX + 1):
        log = entries[:size]
        root = naive_log_root(log)
        assert compute_root(log) == root
        assert compact.size == size
        assert compact.root() == root
        if size < SIZE_MAX:
            compact = compact.append(leaf_hash(entries[size]))


def test_every_proof_up_to_the_limit() -> None:
    entries = [f"entry {i}".encode() for i in range(SIZE_MAX)]
    roots = [naive_log_root(entries[:size]) for size in range(SIZE_MAX + 1)]
    for size in range(1, SIZE_MAX + 1):
        log = entries[:size]
        for index in range(size):
            proof = compute_inclusion_proof(log, index)
            assert list(proof) == naive_inclusion_proof(log, index)
            verify_inclusion(roots[size], size, index, leaf_hash(entries[index]), proof)
        for first in range(1, size + 1):
            proof = compute_consistency_proof(log, first)
            assert list(proof) == naive_consistency_proof(log, first)
            verify_consistency(first, size, roots[first], roots[size], proof)


@settings(deadline=None)
@given(logs, st.data())
def test_inclusion_shows_that_entry_at_that_place_only(
    log: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(log) - 1))
    root, proof = compute_root(log), compute_inclusion_proof(log, index)
    verify_inclusion(root, len(log), index, leaf_hash(log[index]), proof)
    other = data.draw(st.integers(-1, len(log) + 1).filter(lambda i: i != index))
    if not (0 <= other < len(log) and log[other] == log[index]):
        with pytest.raises(MerkleProofError):
            verify_inclusion(root, len(log), other, leaf_hash(log[index]), proof)
    with pytest.raises(MerkleProofError):
        verify_inclusion(root, len(log), index, data.draw(hashes), proof)


@settings(deadline=None)
@given(st.lists(hashes, max_size=8), hashes, hashes, st.integers(-2, 2**64), st.integers(-2, 2**64))
def test_random_hashes_prove_nothing(
    proof: list[bytes], root: bytes, leaf: bytes, one: int, other: int
) -> None:
    # Refused, and always with the one error; a lone root equal to its lone leaf is no accident.
    if root != leaf:
        with pytest.raises(MerkleProofError):
            verify_inclusion(root, one, other, leaf, proof)
        with pytest.raises(MerkleProofError):
            verify_consistency(one, other, root, leaf, proof)
