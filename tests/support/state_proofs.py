# SPDX-License-Identifier: Apache-2.0
"""What tests do to state proofs: build the expected one, and all that differ from it a little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ledger.model.state_proof import StateProof
from tests.support.naive_tree import NOTHING


def proof_of(end: tuple[bytes, bytes] | None, siblings: Sequence[bytes]) -> StateProof:
    """The wire form of a path, written from its description: all siblings, root first."""
    bits = "".join("0" if sibling == NOTHING else "1" for sibling in siblings)
    padded = bits + "0" * (-len(bits) % 8)
    bitmap = bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    key_hash, value_hash = end or (b"", b"")
    return StateProof(key_hash, value_hash, bitmap, tuple(s for s in siblings if s != NOTHING))


def flips(held: bytes) -> Iterator[bytes]:
    """All values that differ in one bit."""
    for bit in range(8 * len(held)):
        flipped = bytearray(held)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        yield bytes(flipped)


def flipped_proofs(proof: StateProof) -> Iterator[StateProof]:
    """All proofs that differ in one bit of one field."""
    for held in flips(proof.leaf_key_hash):
        yield replace(proof, leaf_key_hash=held)
    for held in flips(proof.leaf_value_hash):
        yield replace(proof, leaf_value_hash=held)
    for held in flips(proof.sibling_bitmap):
        yield replace(proof, sibling_bitmap=held)
    for at, sibling in enumerate(proof.siblings):
        for held in flips(sibling):
            yield replace(proof, siblings=(*proof.siblings[:at], held, *proof.siblings[at + 1 :]))


def _other_lengths(held: bytes) -> tuple[bytes, ...]:
    return (b"" if held else bytes(32), held[:-1] or b"\x00", held + b"\x00")


def misshapen_proofs(proof: StateProof) -> Iterator[StateProof]:
    """Proofs of other lengths: cut, extended, doubled, swapped, or written out at greater length."""
    bitmap, siblings = proof.sibling_bitmap, proof.siblings
    for changed in _other_lengths(proof.leaf_key_hash):
        yield replace(proof, leaf_key_hash=changed)
    for changed in _other_lengths(proof.leaf_value_hash):
        yield replace(proof, leaf_value_hash=changed)
    if proof.leaf_key_hash:
        yield replace(proof, leaf_key_hash=b"", leaf_value_hash=b"")
        yield replace(
            proof, leaf_key_hash=proof.leaf_value_hash, leaf_value_hash=proof.leaf_key_hash
        )
        # The same 64 bytes, cut elsewhere.
        joined = proof.leaf_key_hash + proof.leaf_value_hash
        yield replace(proof, leaf_key_hash=joined[:31], leaf_value_hash=joined[31:])
        yield replace(proof, leaf_key_hash=joined[:33], leaf_value_hash=joined[33:])
    yield replace(proof, sibling_bitmap=bitmap + b"\x00")
    yield replace(proof, sibling_bitmap=bytes(33))
    yield replace(proof, sibling_bitmap=bytes(32) + b"\x80", siblings=(bytes(32),))
    yield replace(proof, sibling_bitmap=b"\x00" + bitmap)
    yield replace(proof, siblings=(*siblings, NOTHING))
    yield replace(proof, siblings=(NOTHING, *siblings))
    deeper = int.from_bytes(bitmap, "big")
    deepest = 8 * len(bitmap) - ((deeper & -deeper).bit_length() - 1 if deeper else 0)
    if deepest < 256:
        # One level more, whose sibling is the placeholder, in the one way it could be written.
        size = deepest // 8 + 1
        longer = (deeper << 8 * (size - len(bitmap))) | 1 << (8 * size - 1 - deepest)
        yield StateProof(
            proof.leaf_key_hash,
            proof.leaf_value_hash,
            longer.to_bytes(size, "big"),
            (*siblings, NOTHING),
        )
    # A sibling that is the placeholder, written out although the bitmap could say it.
    for depth in range(deepest):
        if not deeper >> (8 * len(bitmap) - 1 - depth) & 1:
            full = deeper | 1 << (8 * len(bitmap) - 1 - depth)
            at = (deeper >> (8 * len(bitmap) - depth)).bit_count()
            yield replace(
                proof,
                sibling_bitmap=full.to_bytes(len(bitmap), "big"),
                siblings=(*siblings[:at], NOTHING, *siblings[at:]),
            )
    for at, sibling in enumerate(siblings):
        rest = siblings[at + 1 :]
        for put in ((), (sibling, sibling), (sibling[:-1],), (sibling + b"\x00",), (b"",)):
            yield replace(proof, siblings=(*siblings[:at], *put, *rest))
    if len(set(siblings)) > 1:
        yield replace(proof, siblings=siblings[::-1])
