# SPDX-License-Identifier: Apache-2.0
"""RFC 6962 §2.1 as it stands in the text: slow, recursive, the yardstick of ledger.model.merkle_log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def _split(count: int) -> int:
    """The largest power of two smaller than ``count``."""
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def naive_log_root(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n]), §2.1."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = _split(len(entries))
    left, right = naive_log_root(entries[:k]), naive_log_root(entries[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def naive_inclusion_proof(entries: Sequence[bytes], index: int) -> list[bytes]:
    """PATH(m, D[n]), §2.1.1."""
    if len(entries) == 1:
        return []
    k = _split(len(entries))
    if index < k:
        return [*naive_inclusion_proof(entries[:k], index), naive_log_root(entries[k:])]
    return [*naive_inclusion_proof(entries[k:], index - k), naive_log_root(entries[:k])]


def naive_consistency_proof(entries: Sequence[bytes], first_size: int) -> list[bytes]:
    """PROOF(m, D[n]), §2.1.2."""
    return _subproof(entries, first_size, whole=True)


def _subproof(entries: Sequence[bytes], first_size: int, *, whole: bool) -> list[bytes]:
    if first_size == len(entries):
        return [] if whole else [naive_log_root(entries)]
    k = _split(len(entries))
    if first_size <= k:
        head = _subproof(entries[:k], first_size, whole=whole)
        return [*head, naive_log_root(entries[k:])]
    head = _subproof(entries[k:], first_size - k, whole=False)
    return [*head, naive_log_root(entries[:k])]
