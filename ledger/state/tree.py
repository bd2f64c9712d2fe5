# SPDX-License-Identifier: Apache-2.0
"""The state tree: a Jellyfish Merkle tree in versions, over a reader of stored nodes.

Hashes and proofs are specified in ``ledger.model.state_proof``, the bytes of nodes in
``ledger.state.tree_nodes``. The rules of this file:

- The root depends on the leaves alone, not on the order or the batches in which they came: a tree
  after deletions equals the tree that never had those keys.
- A node is stored under ``version (8 bytes, big-endian) ‖ path (one hexadecimal digit of the key
  hash per level, in ASCII)``, the version being that of the update which wrote it. Updates only add
  nodes, in ascending versions: old versions stay readable and provable.
- Every update writes a root node, also if nothing changed or nothing is left: a version is readable
  exactly if its root node is stored.
- A node replaced by an update is named in ``stale_node_keys``: from the new version on nothing
  reads it. Whoever prunes removes it together with all versions before the new one.

Pure: the nodes of an update are returned as data. ``MissingNodeError`` and ``CorruptNodeError`` mean
a pruned version or a damaged store, never a bad request.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ledger.model.state_proof import StateProof
from ledger.state.tree_nodes import (
    EMPTY_NODE,
    INNER_SLOT_SIZE,
    VERSION_SIZE,
    CorruptNodeError,
    hash_summary,
    join_quarter,
    join_summaries,
    split_node,
    split_quarter,
    summarise_node,
    summarise_quarter,
    summarise_slot,
)

__all__ = [
    "CorruptNodeError",
    "MissingNodeError",
    "NodeReader",
    "TreeUpdate",
    "get_proof",
    "root_hash",
    "update",
]

VERSION_MAX: Final = 2**64 - 1

_HASH_SIZE: Final = 32
_BISECT_FROM: Final = 64
"""Changes in a node from which boundaries of slots are searched instead of counted off."""
_DIGIT_VALUES: Final = {ord("0123456789abcdef"[value]): value for value in range(16)}
_QUARTER_LIMITS: Final = tuple(b"48cg")
"""The digits of a quarter are below its limit: 0 to 3, 4 to 7, 8 to b, c to f."""


class NodeReader(Protocol):
    """Where nodes are stored: a database, a cache in front of it, an overlay of a pending update."""

    def get_node(self, node_key: bytes) -> bytes | None:
        """The node stored under this key, or None."""
        ...


@dataclass(frozen=True, slots=True)
class TreeUpdate:
    """What an update computes; the caller stores it."""

    root_hash: bytes
    new_nodes: list[tuple[bytes, bytes]]
    """Node keys and nodes to store: all keys begin with the new version, each occurs once."""
    stale_node_keys: list[bytes]
    """Stored nodes which no version from the new one on reads; each occurs once."""


class MissingNodeError(LookupError):
    """A node is not stored: the version was pruned or never written, or the store is damaged."""

    def __init__(self, node_key: bytes) -> None:
        version = int.from_bytes(node_key[:VERSION_SIZE], "big")
        path = node_key[VERSION_SIZE:].decode("ascii", "replace")
        super().__init__(f"no node of version {version} at path '{path}'")
        self.node_key = node_key
        self.version = version


def root_hash(reader: NodeReader, version: int | None) -> bytes:
    """The root of the tree at ``version``; None is the empty tree before the first version.

    Raises:
        MissingNodeError: the version was never written or is pruned.
        CorruptNodeError: its root node is damaged.
    """
    if version is None:
        return hash_summary(b"")
    node = _get_root(reader, version)
    return hash_summary(summarise_node(node[:4], split_node(node)))


def update(
    reader: NodeReader,
    base_version: int | None,
    new_version: int,
    changes: Sequence[tuple[bytes, bytes | None]],
) -> TreeUpdate:
    """Set and delete leaves of the tree at ``base_version``, giving the tree at ``new_version``.

    ``changes`` are pairs of a key hash and a value hash, None to delete, in any order and without
    repetition; deleting an absent key and setting a value anew change nothing. Without a base
    version it builds a tree from the empty one.

    Raises:
        ValueError: a version not above the base or out of range, hashes not of 32 bytes, a key
            twice. Nothing has been read then.
        MissingNodeError, CorruptNodeError: the stored tree is not all there.
    """
    lower = -1 if base_version is None else base_version
    if not lower < new_version <= VERSION_MAX:
        raise ValueError(f"version {new_version} does not follow {base_version}")
    keys, leaves = _sort_changes(changes)
    batch = _Batch(reader.get_node, new_version)
    node = EMPTY_NODE
    if base_version is not None:
        node = _get_root(reader, base_version)
        batch.stale_node_keys.append(_root_key(base_version))
    summary, node = batch.change_node(node, 0, keys, leaves, 0, len(keys))
    batch.new_nodes.append((_root_key(new_version), node))
    return TreeUpdate(hash_summary(summary), batch.new_nodes, batch.stale_node_keys)


def get_proof(reader: NodeReader, version: int | None, key_hash: bytes) -> StateProof:
    """The proof that the tree at ``version`` holds a leaf for ``key_hash``, or holds none.

    Which of the two it shows, tells ``leaf_key_hash``: equal to ``key_hash`` only if there is one.

    Raises:
        ValueError: the key hash has not 32 bytes.
        MissingNodeError, CorruptNodeError: the stored tree is not all there.
    """
    if len(key_hash) != _HASH_SIZE:
        raise ValueError(f"a key hash of {len(key_hash)} bytes")
    siblings: list[bytes] = []
    bits = depth = 0
    end = b""
    if version is not None:
        digits = key_hash.hex().encode()
        node = _get_root(reader, version)
        end = summarise_node(node[:4], split_node(node))
        while len(end) == _HASH_SIZE:
            steps, slot = _walk_node(node, _DIGIT_VALUES[digits[depth // 4]])
            for end, sibling in steps:
                bits <<= 1
                depth += 1
                if sibling:
                    bits |= 1
                    siblings.append(hash_summary(sibling))
                if len(end) != _HASH_SIZE:
                    break
            else:
                node = _get_node(reader.get_node, slot[:VERSION_SIZE] + digits[: depth // 4])
    bitmap = (bits << -depth % 8).to_bytes((depth + 7) // 8, "big")
    return StateProof(end[:_HASH_SIZE], end[_HASH_SIZE:], bitmap, tuple(siblings))


def _walk_node(node: bytes, digit: int) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The four levels of a node towards one slot, top first, and that slot.

    A level is a pair of summaries: of the half on the path, and of its sibling.
    """
    quarters = split_node(node)
    at, low = digit >> 2, digit & 3
    modes = zip(node[:4], quarters, strict=True)
    tops = [summarise_quarter(mode, quarter) for mode, quarter in modes]
    halves = (join_summaries(tops[0], tops[1]), join_summaries(tops[2], tops[3]))
    slots = split_quarter(node[at], quarters[at])
    ends = [summarise_slot(slot) for slot in slots]
    pairs = (join_summaries(ends[0], ends[1]), join_summaries(ends[2], ends[3]))
    steps = [
        (halves[at >> 1], halves[at >> 1 ^ 1]),
        (tops[at], tops[at ^ 1]),
        (pairs[low >> 1], pairs[low >> 1 ^ 1]),
        (ends[low], ends[low ^ 1]),
    ]
    return steps, slots[low]


class _Batch:
    """One update on its way through the tree.

    ``keys`` are digits of key hashes, sorted; ``leaves`` beside them 64 bytes, ``b""`` to delete.
    """

    __slots__ = ("_get_node", "_version", "new_nodes", "stale_node_keys")

    def __init__(self, get_node: Callable[[bytes], bytes | None], version: int) -> None:
        self._get_node = get_node
        self._version = version.to_bytes(VERSION_SIZE, "big")
        self.new_nodes: list[tuple[bytes, bytes]] = []
        self.stale_node_keys: list[bytes] = []

    def change_node(
        self, node: bytes, depth: int, keys: list[bytes], leaves: list[bytes], low: int, high: int
    ) -> tuple[bytes, bytes]:
        """Apply the changes ``low`` to ``high`` to a node; its summary and bytes afterwards.

        If nothing changed, the bytes are the same object as before.
        """
        quarters = split_node(node)
        modes = bytearray(node[:4])
        changed = False
        for at, limit in enumerate(_QUARTER_LIMITS):
            if low == high:
                break
            if keys[low][depth] >= limit:
                continue
            slots = split_quarter(modes[at], quarters[at])
            before = slots.copy()
            while low < high and (digit := keys[low][depth]) < limit:
                slot = _DIGIT_VALUES[digit] & 3
                end = _slot_end(keys, depth, low, high)
                slots[slot] = self._change_slot(slots[slot], depth + 1, keys, leaves, low, end)
                low = end
            if slots != before:
                modes[at], quarters[at] = join_quarter(slots)
                changed = True
        summary = summarise_node(modes, quarters)
        return summary, bytes(modes) + b"".join(quarters) if changed else node

    def _change_slot(
        self, slot: bytes, depth: int, keys: list[bytes], leaves: list[bytes], low: int, high: int
    ) -> bytes:
        """Apply changes to a slot; the slot afterwards. ``depth`` is that of the node below it."""
        if len(slot) == INNER_SLOT_SIZE:
            path = keys[low][:depth]
            node_key = slot[:VERSION_SIZE] + path
            node = _get_node(self._get_node, node_key)
            summary, new_node = self.change_node(node, depth, keys, leaves, low, high)
            if new_node is node:
                return slot
            self.stale_node_keys.append(node_key)
        else:
            if high - low == 1 and (not slot or slot[:_HASH_SIZE].hex().encode() == keys[low]):
                return leaves[low]
            if slot:
                keys, leaves = _merge_leaf(slot, keys[low:high], leaves[low:high])
                low, high = 0, len(keys)
            path = keys[low][:depth]
            summary, new_node = self.change_node(EMPTY_NODE, depth, keys, leaves, low, high)
        if len(summary) != _HASH_SIZE:
            return summary
        self.new_nodes.append((self._version + path, new_node))
        return self._version + summary


def _slot_end(keys: list[bytes], depth: int, low: int, high: int) -> int:
    """The end of the run of keys from ``low`` that share their first ``depth + 1`` digits."""
    digit = keys[low][depth]
    if high - low >= _BISECT_FROM:
        return bisect_left(keys, keys[low][:depth] + bytes((digit + 1,)), low, high)
    end = low + 1
    while end < high and keys[end][depth] == digit:
        end += 1
    return end


def _sort_changes(changes: Sequence[tuple[bytes, bytes | None]]) -> tuple[list[bytes], list[bytes]]:
    keys: list[bytes] = []
    leaves: list[bytes] = []
    previous = b""
    for key_hash, value_hash in sorted(changes, key=lambda change: change[0]):
        if len(key_hash) != _HASH_SIZE or (
            value_hash is not None and len(value_hash) != _HASH_SIZE
        ):
            raise ValueError("a key hash or value hash is not 32 bytes long")
        if key_hash == previous:
            raise ValueError(f"key hash {key_hash.hex()} is changed twice")
        previous = key_hash
        keys.append(key_hash.hex().encode())
        leaves.append(b"" if value_hash is None else key_hash + value_hash)
    return keys, leaves


def _merge_leaf(
    leaf: bytes, keys: list[bytes], leaves: list[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """The changes together with a leaf that is there already, unless they change it."""
    key = leaf[:_HASH_SIZE].hex().encode()
    position = bisect_left(keys, key)
    if position == len(keys) or keys[position] != key:
        keys.insert(position, key)
        leaves.insert(position, leaf)
    return keys, leaves


def _root_key(version: int) -> bytes:
    return version.to_bytes(VERSION_SIZE, "big")


def _get_root(reader: NodeReader, version: int) -> bytes:
    return _get_node(reader.get_node, _root_key(version))


def _get_node(get_node: Callable[[bytes], bytes | None], node_key: bytes) -> bytes:
    node = get_node(node_key)
    if node is None:
        raise MissingNodeError(node_key)
    return node
