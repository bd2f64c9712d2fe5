# SPDX-License-Identifier: Apache-2.0
"""Nodes of the state tree: their bytes, and the hash of what they hold.

A node stands for four levels of the binary tree: 16 *slots*, four to a *quarter*. One node, one
encoding, all sizes fixed, so that a reader cuts out what it needs and leaves the rest untouched::

    node    = 4 mode bytes ‖ the 4 quarters
    mode    = inner bits << 4 | leaf bits          bit s (of 4) stands for slot s of the quarter
    quarter = summary ‖ its occupied slots in order, or only the slot if it is a single leaf
    slot    = leaf: key hash ‖ value hash (64)     inner: version of the child node ‖ its hash (40)

A *summary* is what a subtree amounts to (the rule which makes the tree independent of order):
nothing (``b""``), one leaf (its 64 bytes: it is lifted to the top of the subtree) or the 32-byte
hash of two and more leaves. The length tells which. Summaries of quarters are stored because a
changed slot then costs 6 hashes instead of 15.

Leaves lie inside their node, not in nodes of their own: half the reads, writes and stale keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from ledger.model.state_proof import INNER_TAG, LEAF_TAG, PLACEHOLDER_HASH

VERSION_SIZE: Final = 8
INNER_SLOT_SIZE: Final = VERSION_SIZE + 32
LEAF_SIZE: Final = 64
EMPTY_NODE: Final = bytes(4)
"""A node without leaves; stored only as the root of an empty tree."""
NODE_SIZE_MAX: Final = 4 + 4 * (32 + 4 * LEAF_SIZE)


class CorruptNodeError(Exception):
    """The bytes of a stored node are none that this file writes: the store is damaged."""


def _layout(mode: int) -> tuple[int, int, tuple[slice, ...]]:
    """Size of the quarter, size of its summary, and where each slot lies; -1 if no such mode."""
    inner, leaves = mode >> 4, mode & 15
    if inner & leaves:
        return -1, 0, ()
    position = summary_size = 0 if mode == 0 or (not inner and leaves.bit_count() == 1) else 32
    slots: list[slice] = []
    for slot in range(4):
        size = (inner >> slot & 1) * INNER_SLOT_SIZE + (leaves >> slot & 1) * LEAF_SIZE
        slots.append(slice(position, position + size))
        position += size
    return position, summary_size or position, tuple(slots)


_LAYOUTS: Final = tuple(_layout(mode) for mode in range(256))
_QUARTER_SIZES: Final = tuple(layout[0] for layout in _LAYOUTS)
_SUMMARY_SIZES: Final = tuple(layout[1] for layout in _LAYOUTS)
_SLOTS: Final = tuple(layout[2] for layout in _LAYOUTS)
_MODE_OF_SIZE: Final = {0: 0, LEAF_SIZE: 1, INNER_SLOT_SIZE: 16}


def split_node(node: bytes) -> list[bytes]:
    """The four quarters of a node.

    Raises:
        CorruptNodeError: no node has these bytes.
    """
    try:
        m0, m1, m2, m3 = node[:4]
        size0, size1 = _QUARTER_SIZES[m0], _QUARTER_SIZES[m1]
        size2, size3 = _QUARTER_SIZES[m2], _QUARTER_SIZES[m3]
    except ValueError:
        raise CorruptNodeError(f"a node of {len(node)} bytes") from None
    end0 = 4 + size0
    end1 = end0 + size1
    end2 = end1 + size2
    if end2 + size3 != len(node) or size0 < 0 or size1 < 0 or size2 < 0 or size3 < 0:
        raise CorruptNodeError(f"{len(node)} bytes do not fit the modes {node[:4].hex()}")
    return [node[4:end0], node[end0:end1], node[end1:end2], node[end2:]]


def split_quarter(mode: int, quarter: bytes) -> list[bytes]:
    """The four slots of a quarter, ``b""`` where nothing is."""
    s0, s1, s2, s3 = _SLOTS[mode]
    return [quarter[s0], quarter[s1], quarter[s2], quarter[s3]]


def summarise_quarter(mode: int, quarter: bytes) -> bytes:
    """The stored summary of a quarter."""
    return quarter[: _SUMMARY_SIZES[mode]]


def summarise_slot(slot: bytes) -> bytes:
    """The summary of a slot."""
    return slot[VERSION_SIZE:] if len(slot) == INNER_SLOT_SIZE else slot


def join_quarter(slots: Sequence[bytes]) -> tuple[int, bytes]:
    """Mode and bytes of the quarter with these four slots."""
    s0, s1, s2, s3 = slots
    sizes = _MODE_OF_SIZE
    mode = sizes[len(s0)] | sizes[len(s1)] << 1 | sizes[len(s2)] << 2 | sizes[len(s3)] << 3
    body = s0 + s1 + s2 + s3
    if _SUMMARY_SIZES[mode] != 32:
        return mode, body
    if len(s0) == INNER_SLOT_SIZE:
        s0 = s0[VERSION_SIZE:]
    if len(s1) == INNER_SLOT_SIZE:
        s1 = s1[VERSION_SIZE:]
    if len(s2) == INNER_SLOT_SIZE:
        s2 = s2[VERSION_SIZE:]
    if len(s3) == INNER_SLOT_SIZE:
        s3 = s3[VERSION_SIZE:]
    return mode, join_summaries(join_summaries(s0, s1), join_summaries(s2, s3)) + body


def summarise_node(modes: Sequence[int], quarters: Sequence[bytes]) -> bytes:
    """The summary of the whole node."""
    m0, m1, m2, m3 = modes
    q0, q1, q2, q3 = quarters
    sizes = _SUMMARY_SIZES
    return join_summaries(
        join_summaries(q0[: sizes[m0]], q1[: sizes[m1]]),
        join_summaries(q2[: sizes[m2]], q3[: sizes[m3]]),
    )


def join_summaries(left: bytes, right: bytes) -> bytes:
    """The summary of a subtree, given those of its two halves."""
    # Half of the time of an update is spent here: no calls but those of SHA-256.
    if len(left) != 32:
        if not left:
            if len(right) != 32:
                return right
            left = PLACEHOLDER_HASH
        elif not right:
            return left
        else:
            left = sha256(LEAF_TAG + left).digest()
    if len(right) != 32:
        right = sha256(LEAF_TAG + right).digest() if right else PLACEHOLDER_HASH
    return sha256(INNER_TAG + left + right).digest()


def hash_summary(summary: bytes) -> bytes:
    """The hash of a subtree with this summary."""
    size = len(summary)
    if size == 32:
        return summary
    return sha256(LEAF_TAG + summary).digest() if size else PLACEHOLDER_HASH
