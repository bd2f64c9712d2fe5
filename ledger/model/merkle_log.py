# SPDX-License-Identifier: Apache-2.0
"""Merkle logs after RFC 6962 §2.1, verified after RFC 9162 §2.1.3.2 and §2.1.4.2.

A log is a list that only grows; its root commits to every entry, in order and number. Transactions
and receipts of a block and the hashes of all blocks are such logs. An *inclusion* proof shows that
an entry has its place in the log of a size and root; a *consistency* proof shows that the log of a
smaller size and its root is the beginning of that of a larger one.

Leaves and inner nodes are hashed under different prefixes, so that neither can pass for the other.
The left half of a tree of n leaves has the largest power of two below n of them; pairing level by
level, a last one without partner rising as it is, gives the same tree and is what is done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

LEAF_PREFIX: Final = b"\x00"
NODE_PREFIX: Final = b"\x01"
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of a log without entries (RFC 6962 §2.1)."""

_HASH_SIZE: Final = 32


class MerkleProofError(Exception):
    """A proof that does not show what it should; the message says which step failed.

    Whoever served it is at fault: keep the bytes as evidence and ask another node.
    """


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(NODE_PREFIX + left + right).digest()


def compute_root(leaves: Sequence[bytes]) -> bytes:
    """The root of the log with these entries (the data, not its hashes)."""
    return _compute_levels(leaves)[-1][0] if leaves else EMPTY_ROOT


def compute_inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of entry ``index`` in the log with these entries, nearest sibling first.

    Raises:
        IndexError: the log has no such entry.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no entry {index} in a log of {len(leaves)}")
    proof: list[bytes] = []
    for level in _compute_levels(leaves):
        if index ^ 1 < len(level):
            proof.append(level[index ^ 1])
        index >>= 1
    return tuple(proof)


def compute_inclusion_proofs(leaves: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """The audit paths of all entries, in their order, from one tree."""
    levels = _compute_levels(leaves) if leaves else []
    proofs: list[tuple[bytes, ...]] = []
    for position in range(len(leaves)):
        index = position
        proof: list[bytes] = []
        for level in levels:
            if index ^ 1 < len(level):
                proof.append(level[index ^ 1])
            index >>= 1
        proofs.append(tuple(proof))
    return proofs


def verify_inclusion(
    root: bytes, size: int, index: int, leaf_hash: bytes, proof: Sequence[bytes]
) -> None:
    """Check that entry ``index`` of the log of this size and root has the hash ``leaf_hash``.

    Raises:
        MerkleProofError: the proof does not show it.
    """
    if not 0 <= index < size:
        raise MerkleProofError(f"entry {index} is outside a log of {size}")
    _check_hashes((leaf_hash, *proof))
    last = size - 1
    # Below the level where the paths of this entry and of the last one part, each level has a
    # sibling; above it only where this path turns left off the right edge.
    inner = (index ^ last).bit_length()
    _check_count(proof, inner + (index >> inner).bit_count())
    node = leaf_hash
    for sibling in proof:
        if index & 1 or index == last:
            while not index & 1:  # risen without a partner
                index >>= 1
                last >>= 1
            node = node_hash(sibling, node)
        else:
            node = node_hash(node, sibling)
        index >>= 1
        last >>= 1
    _check_root(root, node)


def compute_consistency_proof(leaves: Sequence[bytes], first_size: int) -> tuple[bytes, ...]:
    """The proof that the log of the first ``first_size`` entries begins the log of them all.

    Raises:
        ValueError: ``first_size`` is not between 1 and the number of entries.
    """
    if not 1 <= first_size <= len(leaves):
        raise ValueError(f"no log of {first_size} entries begins one of {len(leaves)}")
    if first_size == len(leaves):
        return ()
    levels = _compute_levels(leaves)
    # The largest complete subtree at the right edge of the first log; its hash is known to the
    # verifier, and left out, if it is the whole first log.
    height = ((first_size - 1) ^ first_size).bit_length() - 1
    index = (first_size - 1) >> height
    proof = [levels[height][index]] if index else []
    for level in levels[height:]:
        if index ^ 1 < len(level):
            proof.append(level[index ^ 1])
        index >>= 1
    return tuple(proof)


def verify_consistency(
    first_size: int, second_size: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the log of the first size and root is the beginning of the second.

    A first log without entries begins every log, which shows nothing: it is refused.

    Raises:
        MerkleProofError: the proof does not show it.
    """
    if not 1 <= first_size <= second_size:
        raise MerkleProofError(f"no log of {first_size} entries begins one of {second_size}")
    if first_size == second_size:
        _check_count(proof, 0)
        if first_root != second_root:
            raise MerkleProofError("two roots for one size")
        return
    _check_hashes((first_root, *proof))
    height = ((first_size - 1) ^ first_size).bit_length() - 1
    index = (first_size - 1) >> height
    last = (second_size - 1) >> height
    inner = (index ^ last).bit_length()
    _check_count(proof, inner + (index >> inner).bit_count() + (1 if index else 0))
    first = second = proof[0] if index else first_root
    for sibling in proof[1:] if index else proof:
        if index & 1 or index == last:
            while not index & 1:
                index >>= 1
                last >>= 1
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
        else:
            second = node_hash(second, sibling)
        index >>= 1
        last >>= 1
    _check_root(first_root, first)
    _check_root(second_root, second)


@dataclass(frozen=True, slots=True)
class CompactRange:
    """All that is needed of a log to go on with it: the roots of its complete subtrees.

    Raises:
        ValueError: the hashes are not as many as ``size`` has bits set, or not of 32 bytes.
    """

    size: int = 0
    """Entries in the log."""
    hashes: tuple[bytes, ...] = ()
    """One per bit set in ``size``, the largest subtree first."""

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"{len(self.hashes)} hashes for a log of {self.size}")
        if any(len(held) != _HASH_SIZE for held in self.hashes):
            raise ValueError("a hash that is not 32 bytes long")

    def append(self, leaf_hash: bytes) -> CompactRange:
        """The log with one more entry, given the hash of its leaf.

        Raises:
            ValueError: ``leaf_hash`` is not 32 bytes long.
        """
        if len(leaf_hash) != _HASH_SIZE:
            raise ValueError(f"not 32 bytes long: a leaf hash of {len(leaf_hash)}")
        node = leaf_hash
        complete = self.size
        hashes = self.hashes
        while complete & 1:
            node = node_hash(hashes[-1], node)
            hashes = hashes[:-1]
            complete >>= 1
        return CompactRange(self.size + 1, (*hashes, node))

    def root(self) -> bytes:
        """The root of the log."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            node = node_hash(left, node)
        return node


def _compute_levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The nodes of the tree, leaves first; a node that rises alone is in each level it rises to."""
    level = [leaf_hash(data) for data in leaves]
    levels = [level]
    while len(level) > 1:
        above = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) & 1:
            above.append(level[-1])
        level = above
        levels.append(level)
    return levels


def _check_hashes(hashes: Iterable[bytes]) -> None:
    for held in hashes:
        if len(held) != _HASH_SIZE:
            raise MerkleProofError(f"a hash of {len(held)} bytes")


def _check_count(proof: Sequence[bytes], count: int) -> None:
    if len(proof) != count:
        raise MerkleProofError(f"{len(proof)} hashes instead of {count}")


def _check_root(root: bytes, computed: bytes) -> None:
    if root != computed:
        raise MerkleProofError(f"the path leads to {computed.hex()}, the root is {root.hex()}")
