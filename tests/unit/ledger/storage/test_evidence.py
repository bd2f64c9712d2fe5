# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ledger.model.codec import encode
from ledger.model.evidence import Evidence, EvidenceKind, Weight
from ledger.storage import layout
from ledger.storage.errors import CorruptionError
from ledger.storage.evidence import EvidenceStore
from ledger.storage.kv import WriteBatch
from ledger.storage.leveldb import LevelDBStore
from ledger.storage.memory import MemoryStore

CHAIN = "test:00"
PROOF, SUSPICION = Weight.PROOF, Weight.SUSPICION


def piece(validator: str = "n1", height: int = 1, label: bytes = b"a", size: int = 0) -> Evidence:
    return Evidence(
        chain_id=CHAIN,
        kind=EvidenceKind.DOUBLE_VOTE,
        validator=validator,
        height=height,
        first=label + bytes(size),
        second=b"other",
    )


def open_store(store: MemoryStore, **limits: int) -> EvidenceStore:
    return EvidenceStore(store, chain_id=CHAIN, **limits)


def test_a_piece_survives_a_power_cut() -> None:
    disk = MemoryStore()
    store = open_store(disk)
    assert store.add(piece(), PROOF)
    disk.crash()
    again = open_store(disk)
    assert [kept.evidence for kept in again.list()] == [piece()]
    assert again.count == store.count == 1
    assert again.get(piece().digest) == piece()
    assert again.get(bytes(32)) is None


def test_the_first_of_a_place_is_kept_and_others_are_counted() -> None:
    store = open_store(MemoryStore())
    assert store.add(piece(), PROOF)
    assert not store.add(piece(), PROOF)
    assert not store.add(replace(piece(), witness="n4", time=3), PROOF), "the same once more"
    assert store.list()[0].repeats_count == 0
    assert not store.add(piece(label=b"b"), PROOF)
    assert not store.add(piece(label=b"c"), PROOF)
    assert [(kept.evidence, kept.repeats_count) for kept in store.list()] == [(piece(), 2)]
    others = [piece(height=2), piece("n2"), replace(piece(), epoch=1)]
    others.append(replace(piece(), kind=EvidenceKind.INVALID_PROPOSAL))
    assert all(store.add(other, PROOF) for other in others)
    assert store.count == 5


def test_a_suspicion_does_not_take_the_place_of_a_proof() -> None:
    store = open_store(MemoryStore())
    assert store.add(piece(label=b"told"), SUSPICION)
    assert store.add(piece(label=b"shown"), PROOF)
    assert [kept.weight for kept in store.list()] == [PROOF, SUSPICION]


def test_the_room_of_a_validator_is_bounded_and_its_own() -> None:
    disk = MemoryStore()
    store = open_store(disk, pieces_count_max=3)
    assert [store.add(piece(height=n), PROOF) for n in range(5)] == [True] * 3 + [False] * 2
    assert store.left_out_count("n1", PROOF) == 2
    assert store.left_out_count("n1", SUSPICION) == store.left_out_count("n2", PROOF) == 0
    assert store.add(piece(height=9), SUSPICION), "suspicions take no room of proofs"
    assert store.add(piece("n2"), PROOF)
    assert store.add(piece("n11"), PROOF)
    assert len(store.list("n1")) == 4
    assert store.list("n") == []
    assert len(store.list(limit=2)) == 2
    again = open_store(disk, pieces_count_max=3)
    assert not again.add(piece(height=100), PROOF)
    assert again.left_out_count("n1", PROOF) == 3
    assert again.count == store.count == 6


def test_the_bytes_of_a_validators_pieces_are_bounded() -> None:
    store = open_store(MemoryStore(), pieces_size_max=3_000)
    assert store.add(piece(height=1, size=1_200), PROOF)
    assert store.add(piece(height=2, size=1_200), PROOF)
    assert not store.add(piece(height=3, size=1_200), PROOF)
    assert store.add(piece(height=4), PROOF), "a small one still has room"
    assert store.left_out_count("n1", PROOF) == 1


def test_damage_and_another_chains_evidence_are_refused() -> None:
    disk = MemoryStore()
    open_store(disk).add(piece(), PROOF)
    with pytest.raises(CorruptionError) as caught:
        EvidenceStore(disk, chain_id="test:01")
    assert caught.value.code == "STORE_OTHER_CHAIN"
    [(key, value)] = list(disk.iterate(b"e", b"f"))
    for bent_key, bent in (
        (key, value[:-1] + b"\x00"),
        (key, layout.seal(b"\xff")),
        (key, layout.seal(encode(piece(label=b"b")))),
    ):
        batch = WriteBatch()
        batch.put(bent_key, bent)
        disk.write(batch, sync=True)
        with pytest.raises(CorruptionError):
            open_store(disk)


def test_on_a_real_disk(tmp_path: Path) -> None:
    disk = LevelDBStore(tmp_path)
    store = EvidenceStore(disk, chain_id=CHAIN)
    assert store.add(piece(), PROOF)
    assert not store.add(piece(label=b"b"), PROOF)
    disk.close()
    disk = LevelDBStore(tmp_path)
    [kept] = EvidenceStore(disk, chain_id=CHAIN).list()
    assert (kept.evidence, kept.repeats_count) == (piece(), 1)
    disk.close()
