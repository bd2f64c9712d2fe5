# SPDX-License-Identifier: Apache-2.0
"""What this validator keeps of others' misbehaviour: durable, bounded, never deleted.

    e place, digest     a piece of evidence
    n place             how often another one came for a place that is taken (8 bytes)
    o room              how often a piece was left out because the room is full (8 bytes)
    p room              pieces and bytes that are kept (8 bytes each)

`place` is weight, kind, validator, epoch and height. The first piece of a place is kept, later ones are
counted: one is enough to convict, and a liar can make any number of them. `room` is weight and validator:
nobody's lies take the room of another's, and no suspicion, which others can cause, that of a proof.

The pieces are not checked here: whoever adds one has verified it. One thread writes, any reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ledger.model.codec import decode, encode
from ledger.model.evidence import Evidence, EvidenceKind, Weight
from ledger.model.wire import EncodingError
from ledger.storage import layout
from ledger.storage.errors import STORE_CORRUPT, STORE_OTHER_CHAIN, CorruptionError
from ledger.storage.kv import KeyValueStore, WriteBatch

PIECES_COUNT_MAX: Final = 256
"""Pieces of one weight against one validator."""
PIECES_SIZE_MAX: Final = 8 * 1024 * 1024
"""Bytes of those pieces."""

_OWNER_KEY: Final = b"mowner"
_PIECE: Final = b"e"
_REPEATS: Final = b"n"
_LEFT_OUT: Final = b"o"
_ROOM: Final = b"p"
_DIGEST_SIZE: Final = 32
_WEIGHTS: Final = {Weight.PROOF: b"\x00", Weight.SUSPICION: b"\x01"}


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """A piece, and how many more came for its weight, kind, validator, epoch and height."""

    evidence: Evidence
    weight: Weight
    """As it was when the piece was kept."""
    repeats_count: int


class EvidenceStore:
    """The evidence that one validator of a chain keeps."""

    def __init__(
        self,
        store: KeyValueStore,
        *,
        chain_id: str,
        pieces_count_max: int = PIECES_COUNT_MAX,
        pieces_size_max: int = PIECES_SIZE_MAX,
    ) -> None:
        """Open the store, new or as it was left.

        Raises CorruptionError: unreadable, or of another chain.
        """
        self._store = store
        self._pieces_count_max = pieces_count_max
        self._pieces_size_max = pieces_size_max
        owner = store.get(_OWNER_KEY)
        if owner is None:
            batch = WriteBatch()
            batch.put(_OWNER_KEY, layout.seal(chain_id.encode()))
            store.write(batch, sync=True)
        elif layout.unseal("the evidence's owner", owner) != chain_id.encode():
            raise CorruptionError(STORE_OTHER_CHAIN, "the evidence is of another chain")
        self._count = sum(1 for _ in self._iterate())

    @property
    def count(self) -> int:
        """Pieces that are kept."""
        return self._count

    def add(self, evidence: Evidence, weight: Weight) -> bool:
        """Keep a piece durably; False when it was only counted, or is there already.

        `weight` is what `verify_evidence` found.
        """
        place = _place(evidence, weight)
        digest = evidence.digest
        for key, _ in self._store.iterate(_PIECE + place, _PIECE + place + b"\xff" * 33):
            if key[-_DIGEST_SIZE:] != digest:
                self._raise_count(_REPEATS + place)
            return False
        value = layout.seal(encode(evidence))
        room = _room(evidence.validator, weight)
        count, size_bytes = self._get_room(_ROOM + room)
        if count >= self._pieces_count_max or size_bytes + len(value) > self._pieces_size_max:
            self._raise_count(_LEFT_OUT + room)
            return False
        batch = WriteBatch()
        batch.put(_PIECE + place + digest, value)
        batch.put(
            _ROOM + room,
            layout.seal(
                layout.encode_number(count + 1) + layout.encode_number(size_bytes + len(value))
            ),
        )
        self._store.write(batch, sync=True)
        self._count += 1
        return True

    def list(self, validator: str | None = None, *, limit: int = 1_000) -> list[KeptEvidence]:
        """The pieces, all or of one validator (empty: those that accuse several): proofs first, then
        by kind, validator, epoch and height; at most `limit`.

        Raises CorruptionError.
        """
        found: list[KeptEvidence] = []
        for evidence, weight in self._iterate():
            if len(found) >= limit:
                break
            if validator is None or evidence.validator == validator:
                repeats = self._get_count(_REPEATS + _place(evidence, weight))
                found.append(KeptEvidence(evidence, weight, repeats))
        return found

    def get(self, digest: bytes) -> Evidence | None:
        """The piece of a digest, or None. Raises CorruptionError."""
        return next((item for item, _ in self._iterate() if item.digest == digest), None)

    def left_out_count(self, validator: str, weight: Weight) -> int:
        """How many pieces were only counted because this validator's room is full."""
        return self._get_count(_LEFT_OUT + _room(validator, weight))

    def _iterate(self) -> Iterator[tuple[Evidence, Weight]]:
        for key, value in self._store.iterate(_PIECE, _PIECE + b"\xff" * 128):
            try:
                evidence = decode(Evidence, layout.unseal("a piece of evidence", value))
            except EncodingError as error:
                raise CorruptionError(STORE_CORRUPT, f"a piece of evidence: {error}") from error
            weight = Weight.PROOF if key[1:2] == _WEIGHTS[Weight.PROOF] else Weight.SUSPICION
            if key != _PIECE + _place(evidence, weight) + evidence.digest:
                raise CorruptionError(STORE_CORRUPT, "a piece of evidence under another's key")
            yield evidence, weight

    def _get_room(self, key: bytes) -> tuple[int, int]:
        sealed = self._store.get(key)
        if sealed is None:
            return 0, 0
        data = layout.unseal("the room for evidence", sealed)
        return layout.decode_number(data[:8]), layout.decode_number(data[8:])

    def _get_count(self, key: bytes) -> int:
        sealed = self._store.get(key)
        return 0 if sealed is None else layout.decode_number(layout.unseal("a count", sealed))

    def _raise_count(self, key: bytes) -> None:
        """Not synced: a flood costs no disk flushes, and a crash loses a number at most."""
        batch = WriteBatch()
        batch.put(key, layout.seal(layout.encode_number(self._get_count(key) + 1)))
        self._store.write(batch, sync=False)


def _room(validator: str, weight: Weight) -> bytes:
    return _WEIGHTS[weight] + validator.encode()


def _place(evidence: Evidence, weight: Weight) -> bytes:
    name = evidence.validator.encode()
    return b"".join(
        (
            _WEIGHTS[weight],
            bytes([EvidenceKind(evidence.kind), len(name)]),
            name,
            layout.encode_number(evidence.epoch),
            layout.encode_number(evidence.height),
        )
    )
