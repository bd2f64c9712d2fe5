# SPDX-License-Identifier: Apache-2.0
"""Proofs that the state holds a value under a key, or holds nothing under it.

The state root is the root of a Jellyfish Merkle tree (Gao, Hu, Wu: "Jellyfish Merkle Tree", 2021)
with the public tags and SHA-256, which makes it a binary tree over the bits of H(key), first bit
first::

    no leaf below          SPARSE_MERKLE_PLACEHOLDER_HASH__   (these 32 characters)
    one leaf below         H("JMT::LeafNode" ‖ H(key) ‖ H(value))
    two and more           H("JMT::IntrnalNode" ‖ left ‖ right)      (the public tag is spelt so)

A path ends where fewer than two leaves are left: at the leaf of the key (inclusion), at the leaf of
another key, or at nothing (both non-inclusion). ``StateProof`` holds that end and the siblings of
the path:

- ``leaf_key_hash`` and ``leaf_value_hash``: the leaf at the end, both empty if nothing is there;
- ``sibling_bitmap``: bit d (of each byte the highest first) is set if the sibling at depth d, root
  first, has leaves. At the deepest level it always has, otherwise the path would have ended above;
  so the last set bit says how long the path is, and the last byte is not zero;
- ``siblings``: the hashes of those siblings, root first. The others are the placeholder.

So a fact has one proof and the proof has one form: whatever else is offered is refused.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NoReturn

from ledger.model.proofs import StateProof

__all__ = [
    "DEPTH_MAX",
    "INNER_TAG",
    "LEAF_TAG",
    "PLACEHOLDER_HASH",
    "StateProof",
    "StateProofError",
    "compute_inner_hash",
    "compute_leaf_hash",
    "key_hash",
    "value_hash",
    "verify_hashed_inclusion",
    "verify_hashed_non_inclusion",
    "verify_inclusion",
    "verify_non_inclusion",
]

LEAF_TAG: Final = b"JMT::LeafNode"
INNER_TAG: Final = b"JMT::IntrnalNode"
PLACEHOLDER_HASH: Final = b"SPARSE_MERKLE_PLACEHOLDER_HASH__"
"""The hash of a subtree without leaves, and the root of the empty state."""

DEPTH_MAX: Final = 256
"""Siblings of the longest path: the bits of a key hash."""

_HASH_SIZE: Final = 32


class StateProofError(Exception):
    """A proof that does not show what it should; the message says which step failed.

    Whoever served it is at fault: keep the bytes as evidence and ask another node.
    """


def key_hash(key: bytes) -> bytes:
    """Where the state holds ``key``: 32 bytes."""
    return sha256(key).digest()


def value_hash(value: bytes) -> bytes:
    """What the tree holds for ``value``: 32 bytes."""
    return sha256(value).digest()


def compute_leaf_hash(key_hash: bytes, value_hash: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256(LEAF_TAG + key_hash + value_hash).digest()


def compute_inner_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a subtree with two leaves or more, from those of its halves."""
    return sha256(INNER_TAG + left + right).digest()


def verify_inclusion(root: bytes, key: bytes, value: bytes, proof: StateProof) -> None:
    """Check that the state with this root holds ``value`` under ``key``.

    Raises:
        StateProofError: the proof does not show it.
    """
    verify_hashed_inclusion(root, key_hash(key), value_hash(value), proof)


def verify_non_inclusion(root: bytes, key: bytes, proof: StateProof) -> None:
    """Check that the state with this root holds nothing under ``key``.

    Raises:
        StateProofError: the proof does not show it.
    """
    verify_hashed_non_inclusion(root, key_hash(key), proof)


def verify_hashed_inclusion(
    root: bytes, key_hash: bytes, value_hash: bytes, proof: StateProof
) -> None:
    """As ``verify_inclusion``, of a key and a value of which only the hashes are known."""
    _check_hash("value hash", value_hash)
    if not proof.leaf_key_hash:
        _refuse("the proof shows that the key is absent")
    if proof.leaf_key_hash != key_hash:
        _refuse("the proof ends at the leaf of another key")
    if proof.leaf_value_hash != value_hash:
        _refuse("the state holds another value under this key")
    _verify_path(root, key_hash, proof)


def verify_hashed_non_inclusion(root: bytes, key_hash: bytes, proof: StateProof) -> None:
    """As ``verify_non_inclusion``, of a key of which only the hash is known."""
    if proof.leaf_key_hash == key_hash:
        _refuse("the proof shows that the key is present")
    _verify_path(root, key_hash, proof)


def _verify_path(root: bytes, key_hash: bytes, proof: StateProof) -> None:
    """Check the form of the proof, and that it leads from its end to the root."""
    _check_hash("root", root)
    _check_hash("key hash", key_hash)
    bitmap, siblings = proof.sibling_bitmap, proof.siblings
    if len(bitmap) > DEPTH_MAX // 8:
        _refuse(f"a path of more than {DEPTH_MAX} levels")
    if bitmap and not bitmap[-1]:
        _refuse("the bitmap of siblings ends with a zero byte")
    bits = int.from_bytes(bitmap, "big")
    if bits.bit_count() != len(siblings):
        _refuse(f"{len(siblings)} siblings where the bitmap has {bits.bit_count()}")
    for sibling in siblings:
        _check_hash("sibling", sibling)
        if sibling == PLACEHOLDER_HASH:
            _refuse("a sibling without leaves is written out")
    # The lowest set bit of the last byte is the deepest level.
    trailing = (bits & -bits).bit_length() - 1 if bits else 0
    depth = len(bitmap) * 8 - trailing
    bits >>= trailing
    path = int.from_bytes(key_hash, "big") >> (DEPTH_MAX - depth)

    leaf_key, leaf_value = proof.leaf_key_hash, proof.leaf_value_hash
    if leaf_key or leaf_value:
        _check_hash("key hash of the leaf", leaf_key)
        _check_hash("value hash of the leaf", leaf_value)
        if int.from_bytes(leaf_key, "big") >> (DEPTH_MAX - depth) != path:
            _refuse("the leaf does not lie on the path of the key")
        node = compute_leaf_hash(leaf_key, leaf_value)
    else:
        node = PLACEHOLDER_HASH

    position = len(siblings)
    for _ in range(depth):
        if bits & 1:
            position -= 1
            sibling = siblings[position]
        else:
            sibling = PLACEHOLDER_HASH
        node = compute_inner_hash(sibling, node) if path & 1 else compute_inner_hash(node, sibling)
        bits >>= 1
        path >>= 1
    if node != root:
        _refuse(f"the path leads to {node.hex()}, the root is {root.hex()}")


def _check_hash(what: str, held: bytes) -> None:
    if len(held) != _HASH_SIZE:
        _refuse(f"a {what} of {len(held)} bytes")


def _refuse(reason: str) -> NoReturn:
    raise StateProofError(reason)
