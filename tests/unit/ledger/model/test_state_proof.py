# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from ledger.model.state_proof import (
    PLACEHOLDER_HASH,
    StateProof,
    StateProofError,
    compute_inner_hash,
    compute_leaf_hash,
    key_hash,
    value_hash,
    verify_hashed_inclusion,
    verify_hashed_non_inclusion,
    verify_inclusion,
    verify_non_inclusion,
)
from tests.support.naive_tree import naive_proof, naive_root
from tests.support.state_proofs import flipped_proofs, flips, misshapen_proofs, proof_of

STATE = {f"key {i}".encode(): f"value {i}".encode() for i in range(40)}
LEAVES = {sha256(key).digest(): sha256(value).digest() for key, value in STATE.items()}
ROOT = naive_root(LEAVES)

PRESENT = b"key 7"
ABSENT_AT_LEAF, ABSENT_AT_NOTHING = b"absent 0", b"absent 6"

TWINS = {bytes(31) + b"\x00": b"v" * 32, bytes(31) + b"\x01": b"w" * 32}
"""Two keys that share 255 bits: the longest path there is."""


def _proof(key: bytes) -> StateProof:
    return proof_of(*naive_proof(LEAVES, sha256(key).digest()))


def test_the_samples_end_where_their_names_say() -> None:
    assert _proof(PRESENT).leaf_key_hash == key_hash(PRESENT)
    assert _proof(ABSENT_AT_LEAF).leaf_key_hash not in (b"", key_hash(ABSENT_AT_LEAF))
    assert _proof(ABSENT_AT_NOTHING).leaf_key_hash == b""
    assert any(PLACEHOLDER_HASH in naive_proof(LEAVES, held)[1] for held in LEAVES)


def test_hashes() -> None:
    assert key_hash(b"k") == sha256(b"k").digest()
    assert value_hash(b"v") == sha256(b"v").digest()
    leaf = compute_leaf_hash(b"k" * 32, b"v" * 32)
    assert leaf == sha256(b"JMT::LeafNode" + b"k" * 32 + b"v" * 32).digest()
    inner = compute_inner_hash(b"l" * 32, b"r" * 32)
    assert inner == sha256(b"JMT::IntrnalNode" + b"l" * 32 + b"r" * 32).digest()
    assert len(PLACEHOLDER_HASH) == 32


def test_present_keys_are_shown_present() -> None:
    for key, value in STATE.items():
        verify_inclusion(ROOT, key, value, _proof(key))
        with pytest.raises(StateProofError, match="another value"):
            verify_inclusion(ROOT, key, value + b"!", _proof(key))
        with pytest.raises(StateProofError, match="is present"):
            verify_non_inclusion(ROOT, key, _proof(key))


@pytest.mark.parametrize("key", [ABSENT_AT_LEAF, ABSENT_AT_NOTHING])
def test_absent_keys_are_shown_absent(key: bytes) -> None:
    verify_non_inclusion(ROOT, key, _proof(key))
    reason = "of another key" if _proof(key).leaf_key_hash else "the key is absent"
    with pytest.raises(StateProofError, match=reason):
        verify_inclusion(ROOT, key, b"value", _proof(key))


def test_the_proof_of_one_key_shows_nothing_of_another() -> None:
    for key in (PRESENT, ABSENT_AT_LEAF, ABSENT_AT_NOTHING):
        for other in (b"key 8", b"absent 99"):
            with pytest.raises(StateProofError):
                verify_non_inclusion(ROOT, other, _proof(key))
        with pytest.raises(StateProofError):
            verify_inclusion(ROOT, b"key 8", STATE[b"key 8"], _proof(key))


def test_a_leaf_off_the_path_shows_no_absence() -> None:
    # The attack: a true leaf and its true path, offered for a key that lies elsewhere.
    own = _proof(PRESENT)
    for key in (b"key 8", ABSENT_AT_NOTHING):
        with pytest.raises(StateProofError, match="does not lie on the path"):
            verify_non_inclusion(ROOT, key, own)


def test_an_inner_node_passes_for_no_leaf() -> None:
    # The attack: stop halfway and call the two children of an inner node key and value.
    end, siblings = naive_proof(LEAVES, key_hash(PRESENT))
    assert end is not None
    node = compute_leaf_hash(*end)
    path = int.from_bytes(key_hash(PRESENT), "big")
    for depth in range(len(siblings) - 1, 0, -1):
        left_right = (
            (siblings[depth], node)
            if path >> (255 - depth) & 1
            else (
                node,
                siblings[depth],
            )
        )
        with pytest.raises(StateProofError):
            verify_hashed_inclusion(ROOT, *left_right, proof_of(left_right, siblings[:depth]))
        with pytest.raises(StateProofError):
            verify_hashed_non_inclusion(
                ROOT, key_hash(PRESENT), proof_of(left_right, siblings[:depth])
            )
        node = compute_inner_hash(*left_right)


def test_a_path_cut_short_shows_no_absence() -> None:
    end, siblings = naive_proof(LEAVES, key_hash(PRESENT))
    assert end is not None
    for depth in range(len(siblings)):
        with pytest.raises(StateProofError):
            verify_non_inclusion(ROOT, PRESENT, proof_of(None, siblings[:depth]))


def test_the_empty_state() -> None:
    empty = proof_of(None, [])
    assert empty == StateProof()
    verify_non_inclusion(PLACEHOLDER_HASH, b"key", empty)
    with pytest.raises(StateProofError):
        verify_non_inclusion(ROOT, b"key", empty)
    with pytest.raises(StateProofError):
        verify_inclusion(PLACEHOLDER_HASH, b"key", b"value", empty)


def test_a_state_of_one_key() -> None:
    leaf = (key_hash(b"key"), value_hash(b"value"))
    root = naive_root(dict([leaf]))
    verify_inclusion(root, b"key", b"value", proof_of(leaf, []))
    verify_non_inclusion(root, b"other", proof_of(leaf, []))
    with pytest.raises(StateProofError):
        verify_non_inclusion(root, b"other", proof_of(None, []))


@pytest.mark.parametrize("key", [PRESENT, ABSENT_AT_LEAF, ABSENT_AT_NOTHING])
def test_no_flipped_bit_is_accepted(key: bytes) -> None:
    proof, value = _proof(key), STATE.get(key)

    def verify(root: bytes, key_hash: bytes, value_hash: bytes, proof: StateProof) -> None:
        if value is None:
            verify_hashed_non_inclusion(root, key_hash, proof)
        else:
            verify_hashed_inclusion(root, key_hash, value_hash, proof)

    key_hashed, value_hashed = key_hash(key), value_hash(value or b"")
    verify(ROOT, key_hashed, value_hashed, proof)
    count = 0
    for flipped in flipped_proofs(proof):
        count += 1
        with pytest.raises(StateProofError):
            verify(ROOT, key_hashed, value_hashed, flipped)
        with pytest.raises(StateProofError):
            verify_hashed_non_inclusion(ROOT, key_hashed, flipped)
    assert count >= 256 * len(proof.siblings)
    for held in flips(ROOT):
        with pytest.raises(StateProofError):
            verify(held, key_hashed, value_hashed, proof)
    if value is not None:
        for held in flips(value_hashed):
            with pytest.raises(StateProofError):
                verify(ROOT, key_hashed, held, proof)
        for held in flips(key_hashed):
            with pytest.raises(StateProofError):
                verify(ROOT, held, value_hashed, proof)
        for held in flips(key):
            with pytest.raises(StateProofError):
                verify_inclusion(ROOT, held, value, proof)
        for held in flips(value):
            with pytest.raises(StateProofError):
                verify_inclusion(ROOT, key, held, proof)


@pytest.mark.parametrize("key", [PRESENT, ABSENT_AT_LEAF, ABSENT_AT_NOTHING])
def test_a_proof_has_one_form(key: bytes) -> None:
    proof, value = _proof(key), STATE.get(key)
    for altered in misshapen_proofs(proof):
        assert altered != proof
        with pytest.raises(StateProofError):
            verify_inclusion(ROOT, key, value or b"", altered)
        with pytest.raises(StateProofError):
            verify_non_inclusion(ROOT, key, altered)


def test_another_form_is_refused_for_its_form() -> None:
    # Each of these leads to the root: only the rules of form refuse it.
    leaf = (key_hash(b"key"), value_hash(b"value"))
    lone = StateProof(*leaf)
    root = naive_root(dict([leaf]))
    verify_inclusion(root, b"key", b"value", lone)
    with pytest.raises(StateProofError, match="zero byte"):
        verify_inclusion(root, b"key", b"value", StateProof(*leaf, b"\x00"))
    with pytest.raises(StateProofError, match="more than 256 levels"):
        verify_inclusion(root, b"key", b"value", StateProof(*leaf, bytes(33)))
    with pytest.raises(StateProofError, match="1 siblings where the bitmap has 0"):
        verify_inclusion(root, b"key", b"value", StateProof(*leaf, b"", (b"s" * 32,)))
    for halves in ((root, PLACEHOLDER_HASH), (PLACEHOLDER_HASH, root)):
        with pytest.raises(StateProofError, match="without leaves is written out"):
            verify_inclusion(
                compute_inner_hash(*halves),
                b"key",
                b"value",
                StateProof(*leaf, b"\x80", (PLACEHOLDER_HASH,)),
            )


def test_the_hashes_of_a_leaf_cut_elsewhere_show_no_absence() -> None:
    # The attack: a leaf's hash covers key hash and value hash joined; moving the border between
    # them makes a "leaf of another key" with a true path, if lengths are not checked.
    leaf = (key_hash(b"key"), value_hash(b"value"))
    root = naive_root(dict([leaf]))
    joined = leaf[0] + leaf[1]
    for cut in (*range(32), *range(33, 65)):
        with pytest.raises(StateProofError, match="key hash of the leaf of"):
            verify_non_inclusion(root, b"key", StateProof(joined[:cut], joined[cut:]))


def test_hashes_of_other_lengths_are_refused() -> None:
    proof = _proof(PRESENT)
    for size in (31, 33, 0):
        held = replace(proof, siblings=(b"s" * size, *proof.siblings[1:]))
        with pytest.raises(StateProofError, match=f"a sibling of {size} bytes"):
            verify_inclusion(ROOT, PRESENT, STATE[PRESENT], held)
    absence = _proof(ABSENT_AT_LEAF)
    for size in (31, 33, 0):
        with pytest.raises(StateProofError, match=f"a value hash of the leaf of {size} bytes"):
            verify_non_inclusion(
                ROOT, ABSENT_AT_LEAF, replace(absence, leaf_value_hash=b"v" * size)
            )
    for root in (b"", ROOT[:-1], ROOT + b"\x00"):
        with pytest.raises(StateProofError, match=r"a root of \d+ bytes"):
            verify_inclusion(root, PRESENT, STATE[PRESENT], proof)
    with pytest.raises(StateProofError, match="a key hash of 31 bytes"):
        verify_hashed_non_inclusion(ROOT, key_hash(PRESENT)[:-1], proof)
    with pytest.raises(StateProofError, match="a value hash of 0 bytes"):
        verify_hashed_inclusion(ROOT, key_hash(PRESENT), b"", proof)


def test_the_longest_path_has_256_siblings() -> None:
    root = naive_root(TWINS)
    for key, value in TWINS.items():
        end, siblings = naive_proof(TWINS, key)
        assert len(siblings) == 256
        proof = proof_of(end, siblings)
        assert (len(proof.sibling_bitmap), len(proof.siblings)) == (32, 1)
        verify_hashed_inclusion(root, key, value, proof)
        for altered in (*flipped_proofs(proof), *misshapen_proofs(proof)):
            with pytest.raises(StateProofError):
                verify_hashed_inclusion(root, key, value, altered)
            with pytest.raises(StateProofError):
                verify_hashed_non_inclusion(root, key, altered)
    absent = bytes(30) + b"\x01\x00"
    verify_hashed_non_inclusion(root, absent, proof_of(*naive_proof(TWINS, absent)))


def test_a_proof_with_every_sibling_present_is_accepted() -> None:
    base = (1).to_bytes(32, "big")
    crowd = {base: b"v" * 32}
    for bit in range(256):
        crowd[(1 ^ 1 << bit).to_bytes(32, "big")] = bytes([bit]) * 32
    root, (end, siblings) = naive_root(crowd), naive_proof(crowd, base)
    proof = proof_of(end, siblings)
    assert (len(proof.siblings), proof.sibling_bitmap) == (256, b"\xff" * 32)
    verify_hashed_inclusion(root, base, b"v" * 32, proof)
