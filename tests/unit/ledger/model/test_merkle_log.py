# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from ledger.model.merkle_log import (
    EMPTY_ROOT,
    CompactRange,
    MerkleProofError,
    compute_consistency_proof,
    compute_inclusion_proof,
    compute_inclusion_proofs,
    compute_root,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

ENTRIES = [f"entry {i}".encode() for i in range(13)]
ROOT = compute_root(ENTRIES)
ROOT_OF_SIX = compute_root(ENTRIES[:6])


def _flips(held: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(held)):
        flipped = bytearray(held)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def _altered(proof: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    for at, held in enumerate(proof):
        for flipped in _flips(held):
            yield (*proof[:at], flipped, *proof[at + 1 :])
        yield (*proof[:at], *proof[at + 1 :])
        yield (*proof[:at], held, *proof[at:])
        yield (*proof[:at], held[:-1], *proof[at + 1 :])
        yield (*proof[:at], held + b"\x00", *proof[at + 1 :])
    yield (*proof, EMPTY_ROOT)
    yield (*proof, b"")
    if len(proof) > 1:
        yield proof[::-1]


def test_hashes_of_rfc_6962_section_2_1() -> None:
    assert sha256(b"").digest() == EMPTY_ROOT == compute_root([])
    assert leaf_hash(b"entry") == sha256(b"\x00entry").digest()
    assert node_hash(b"l" * 32, b"r" * 32) == sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()
    assert compute_root([b"entry"]) == leaf_hash(b"entry")


def test_the_left_half_is_the_largest_power_of_two() -> None:
    left = node_hash(leaf_hash(b"a"), leaf_hash(b"b"))
    assert compute_root([b"a", b"b", b"c"]) == node_hash(left, leaf_hash(b"c"))


def test_an_inner_node_passes_for_no_entry() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert compute_root([left + right]) != compute_root([b"a", b"b"])


def test_a_repeated_last_entry_changes_the_root() -> None:
    # The flaw of trees which pair a last entry with itself (CVE-2012-2459).
    assert compute_root([b"a", b"b", b"c"]) != compute_root([b"a", b"b", b"c", b"c"])


@pytest.mark.parametrize("index", range(len(ENTRIES)))
def test_an_altered_inclusion_proof_is_refused(index: int) -> None:
    leaf = leaf_hash(ENTRIES[index])
    proof = compute_inclusion_proof(ENTRIES, index)
    verify_inclusion(ROOT, len(ENTRIES), index, leaf, proof)
    for altered in _altered(proof):
        assert altered != proof
        with pytest.raises(MerkleProofError):
            verify_inclusion(ROOT, len(ENTRIES), index, leaf, altered)
    for flipped in _flips(leaf):
        with pytest.raises(MerkleProofError):
            verify_inclusion(ROOT, len(ENTRIES), index, flipped, proof)
    for flipped in _flips(ROOT):
        with pytest.raises(MerkleProofError):
            verify_inclusion(flipped, len(ENTRIES), index, leaf, proof)


@pytest.mark.parametrize("first", range(1, len(ENTRIES)))
def test_an_altered_consistency_proof_is_refused(first: int) -> None:
    size, first_root = len(ENTRIES), compute_root(ENTRIES[:first])
    proof = compute_consistency_proof(ENTRIES, first)
    verify_consistency(first, size, first_root, ROOT, proof)
    for altered in _altered(proof):
        assert altered != proof
        with pytest.raises(MerkleProofError):
            verify_consistency(first, size, first_root, ROOT, altered)
    for flipped in _flips(first_root):
        with pytest.raises(MerkleProofError):
            verify_consistency(first, size, flipped, ROOT, proof)
    for flipped in _flips(ROOT):
        with pytest.raises(MerkleProofError):
            verify_consistency(first, size, first_root, flipped, proof)


@pytest.mark.parametrize(("size", "index"), [(0, 0), (13, 13), (13, -1), (-1, -2), (12, 12)])
def test_a_place_outside_the_log_is_refused(size: int, index: int) -> None:
    leaf = leaf_hash(ENTRIES[12])
    with pytest.raises(MerkleProofError, match="outside"):
        verify_inclusion(ROOT, size, index, leaf, compute_inclusion_proof(ENTRIES, 12))


@pytest.mark.parametrize(("first", "second"), [(0, 13), (0, 0), (13, 6), (-1, 13)])
def test_sizes_that_show_nothing_are_refused(first: int, second: int) -> None:
    with pytest.raises(MerkleProofError, match="begins"):
        verify_consistency(first, second, ROOT_OF_SIX, ROOT, [])


def test_a_log_is_consistent_with_itself_only() -> None:
    assert compute_consistency_proof(ENTRIES, len(ENTRIES)) == ()
    verify_consistency(13, 13, ROOT, ROOT, [])
    with pytest.raises(MerkleProofError, match="two roots"):
        verify_consistency(13, 13, ROOT_OF_SIX, ROOT, [])
    with pytest.raises(MerkleProofError, match="1 hashes instead of 0"):
        verify_consistency(13, 13, ROOT, ROOT, [ROOT])


def test_a_rewritten_log_is_not_consistent() -> None:
    rewritten = [b"another entry 0", *ENTRIES[1:]]
    with pytest.raises(MerkleProofError):
        verify_consistency(
            6, 13, ROOT_OF_SIX, compute_root(rewritten), compute_consistency_proof(rewritten, 6)
        )


def test_a_root_of_another_length_is_refused() -> None:
    with pytest.raises(MerkleProofError, match="31 bytes"):
        verify_consistency(
            4, 13, compute_root(ENTRIES[:4])[:-1], ROOT, compute_consistency_proof(ENTRIES, 4)
        )


def test_proofs_of_what_is_not_there_are_not_computed() -> None:
    for index in (-1, 13):
        with pytest.raises(IndexError):
            compute_inclusion_proof(ENTRIES, index)
    for first in (0, 14, -1):
        with pytest.raises(ValueError, match="begins"):
            compute_consistency_proof(ENTRIES, first)


def test_a_compact_range_goes_on_with_a_log() -> None:
    compact = CompactRange()
    assert compact.root() == EMPTY_ROOT
    for size, entry in enumerate(ENTRIES, 1):
        before = (compact.size, compact.hashes)
        longer = compact.append(leaf_hash(entry))
        assert (compact.size, compact.hashes) == before
        assert longer.root() == compute_root(ENTRIES[:size])
        compact = CompactRange(longer.size, longer.hashes)  # as read back from a store


@pytest.mark.parametrize(
    ("size", "hashes"),
    [(-1, (ROOT,)), (0, (ROOT,)), (3, (ROOT,)), (4, ()), (2, (ROOT[1:],)), (2, (ROOT + b"\x00",))],
)
def test_no_compact_range_has_this_form(size: int, hashes: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="hash"):
        CompactRange(size, hashes)


def test_appending_refuses_what_is_no_hash() -> None:
    for size in (0, 1, 2):
        compact = CompactRange()
        for entry in ENTRIES[:size]:
            compact = compact.append(leaf_hash(entry))
        with pytest.raises(ValueError, match="32 bytes"):
            compact.append(b"entry")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 6, 7, 8, 21])
def test_all_proofs_of_a_log_equal_those_made_one_by_one(size: int) -> None:
    leaves = [b"entry %d" % n for n in range(size)]
    expected = [compute_inclusion_proof(leaves, n) for n in range(size)]
    assert compute_inclusion_proofs(leaves) == expected
