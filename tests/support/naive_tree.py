# SPDX-License-Identifier: Apache-2.0
"""The state tree as one would define it: a binary tree over 256 bits, computed from all leaves.

The yardstick of ``ledger.state.tree``: no nodes of sixteen, no versions, no updates, nothing shared
with it. ``NodeStore`` is the other half of a test: a store that notices what a log of versions must
not do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from ledger.state.tree import TreeUpdate, update

NOTHING = b"SPARSE_MERKLE_PLACEHOLDER_HASH__"

Leaves = Mapping[bytes, bytes]
"""Value hashes by key hash."""


def naive_root(leaves: Leaves) -> bytes:
    return _root(sorted(leaves.items()), 0)


def naive_proof(leaves: Leaves, key_hash: bytes) -> tuple[tuple[bytes, bytes] | None, list[bytes]]:
    """The leaf where the path of the key ends (None: nothing there) and all siblings, root first."""
    here = sorted(leaves.items())
    siblings: list[bytes] = []
    while len(here) > 1:
        depth = len(siblings)
        bit = _bit(key_hash, depth)
        there = [leaf for leaf in here if _bit(leaf[0], depth) != bit]
        here = [leaf for leaf in here if _bit(leaf[0], depth) == bit]
        siblings.append(_root(there, depth + 1))
    return (here[0] if here else None), siblings


def _root(leaves: Sequence[tuple[bytes, bytes]], depth: int) -> bytes:
    if not leaves:
        return NOTHING
    if len(leaves) == 1:
        return hashlib.sha256(b"JMT::LeafNode" + leaves[0][0] + leaves[0][1]).digest()
    left = _root([leaf for leaf in leaves if not _bit(leaf[0], depth)], depth + 1)
    right = _root([leaf for leaf in leaves if _bit(leaf[0], depth)], depth + 1)
    return hashlib.sha256(b"JMT::IntrnalNode" + left + right).digest()


def _bit(key_hash: bytes, depth: int) -> int:
    return key_hash[depth // 8] >> (7 - depth % 8) & 1


class NodeStore:
    """Nodes in memory; refuses what would break older versions or leave rubbish behind."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, bytes] = {}
        self.stale: set[bytes] = set()
        self.reads = 0

    def get_node(self, node_key: bytes) -> bytes | None:
        self.reads += 1
        return self.nodes.get(node_key)

    def update(
        self,
        base_version: int | None,
        new_version: int,
        changes: Sequence[tuple[bytes, bytes | None]],
    ) -> bytes:
        """Compute and store an update; the new root."""
        before = dict(self.nodes)
        result = update(self, base_version, new_version, changes)
        assert self.nodes == before
        self.store(new_version, result)
        return result.root_hash

    def store(self, version: int, result: TreeUpdate) -> None:
        for node_key, node in result.new_nodes:
            assert node_key not in self.nodes, "a node is overwritten"
            assert node_key[:8] == version.to_bytes(8, "big")
            self.nodes[node_key] = node
        for node_key in result.stale_node_keys:
            assert node_key in self.nodes, "what was never stored cannot become stale"
            assert node_key not in self.stale, "a node becomes stale once"
            assert node_key[:8] < version.to_bytes(8, "big")
            self.stale.add(node_key)

    def prune(self) -> None:
        """Forget all versions but the newest."""
        for node_key in self.stale:
            del self.nodes[node_key]
        self.stale.clear()

    def live_paths(self) -> set[bytes]:
        """Paths of the nodes that the newest version reads."""
        return {node_key[8:] for node_key in self.nodes if node_key not in self.stale}
