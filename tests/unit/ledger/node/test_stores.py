# SPDX-License-Identifier: Apache-2.0
"""What a node finds when it opens its stores: every part against the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.api.ports import ApiError
from ledger.model.block import QuorumCertificate, VoteRecord
from ledger.model.codec import decode, encode
from ledger.model.receipts import ReceiptCode
from ledger.model.state_proof import key_hash
from ledger.node.errors import NodeError
from ledger.node.failpoints import Failpoint
from ledger.node.keys import (
    consume_vote_key_fresh,
    is_vote_key_fresh,
    mark_vote_key_fresh,
)
from ledger.storage import layout
from ledger.storage.chain import ChainStore
from ledger.storage.errors import EXIT_CORRUPTION, CorruptionError, StorageError
from ledger.storage.kv import WriteBatch
from ledger.storage.memory import MemoryStore
from ledger.storage.vote_record import VoteRecordStore
from tests.support.ledger_world import make_genesis
from tests.support.node_harness import (
    WAIT_MS,
    NodeHarness,
    SimulatedCrashError,
    crash_at,
    make_keys,
    replay,
)

TRANSACTIONS = 3


def make_harness(home: Path) -> NodeHarness:
    """A node that was stopped at height TRANSACTIONS + 1."""
    harness = NodeHarness(home)

    async def scenario() -> None:
        async with harness.running() as core:
            for number in range(TRANSACTIONS):
                await harness.submit(core, harness.transaction(number))

    asyncio.run(scenario())
    return harness


def put(store: MemoryStore, key: bytes, value: bytes | None) -> None:
    batch = WriteBatch()
    if value is None:
        batch.delete(key)
    else:
        batch.put(key, value)
    store.write(batch, sync=True)


def flip(data: bytes, position: int) -> bytes:
    position %= len(data)
    return data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :]


def at(prefix: bytes, height: int = TRANSACTIONS + 1) -> bytes:
    return layout.numbered_key(prefix, height)


def open_and_close(harness: NodeHarness) -> str:
    """Open the node; why it does not vote."""

    async def scenario() -> str:
        core = harness.make_core()
        await core.stop()
        return core.driver.no_vote_reason

    return asyncio.run(scenario())


def test_what_was_written_opens_again(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    assert open_and_close(harness) == ""
    replay(harness)


def last_entry(store: MemoryStore) -> bytes:
    return layout.numbered_key(layout.LOG, ChainStore(store).head.applied_index)


def roll_back_head(store: MemoryStore) -> None:
    """As after restoring the chain alone from an older backup."""
    head = ChainStore(store).head
    before = ChainStore(store).blocks.block(head.height - 1)
    assert before is not None
    for key, _ in list(store.iterate(b"", b"\xff")):
        if key[:1] in b"hpcrv" and layout.decode_number(key[1:9]) == head.height:
            put(store, key, None)
    sealed = store.get(b"mhead") or b""
    data = bytearray(layout.unseal("head", sealed))
    data[0:8] = layout.encode_number(head.height - 1)
    put(store, b"mhead", layout.seal(bytes(data)))


def other_signature(store: MemoryStore) -> bytes:
    certificate = decode(QuorumCertificate, store.get(at(b"c")) or b"")
    before = decode(QuorumCertificate, store.get(at(b"c", TRANSACTIONS)) or b"")
    return encode(replace(certificate, signature=before.signature))


DAMAGE: dict[str, Callable[[MemoryStore], None]] = {
    "head flipped": lambda s: put(s, b"mhead", flip(s.get(b"mhead") or b"", 20)),
    "head missing": lambda s: put(s, b"mhead", None),
    "head of the block before": roll_back_head,
    "format": lambda s: put(s, b"mformat", b"psetledger-chain/9"),
    "hard state": lambda s: put(s, b"mhard-state", flip(s.get(b"mhard-state") or b"", -1)),
    "header flipped": lambda s: put(s, at(b"h"), flip(s.get(at(b"h")) or b"", 9)),
    "header missing": lambda s: put(s, at(b"h"), None),
    "parent missing": lambda s: put(s, at(b"h", TRANSACTIONS), None),
    "parent flipped": lambda s: put(
        s, at(b"h", TRANSACTIONS), flip(s.get(at(b"h", TRANSACTIONS)) or b"", 9)
    ),
    "certificate missing": lambda s: put(s, at(b"c"), None),
    "certificate of another": lambda s: put(s, at(b"c"), s.get(at(b"c", TRANSACTIONS))),
    "certificate signature": lambda s: put(s, at(b"c"), other_signature(s)),
    "proposal flipped": lambda s: put(s, at(b"p"), flip(s.get(at(b"p")) or b"", 400)),
    "proposal missing": lambda s: put(s, at(b"p"), None),
    "receipts flipped": lambda s: put(s, at(b"r"), flip(s.get(at(b"r")) or b"", -1)),
    "receipts cut": lambda s: put(s, at(b"r"), (s.get(at(b"r")) or b"")[:-1]),
    "version": lambda s: put(s, at(b"v"), layout.encode_number(1)),
    "version missing": lambda s: put(s, at(b"v"), None),
    "root node missing": lambda s: put(s, b"n" + layout.encode_number(TRANSACTIONS + 1), None),
    "root node flipped": lambda s: put(
        s,
        b"n" + layout.encode_number(TRANSACTIONS + 1),
        flip(s.get(b"n" + layout.encode_number(TRANSACTIONS + 1)) or b"", 5),
    ),
    "log entry missing": lambda s: put(s, last_entry(s), None),
    "log entry flipped": lambda s: put(s, last_entry(s), flip(s.get(last_entry(s)) or b"", -1)),
    "genesis": lambda s: put(s, b"mgenesis", bytes(32)),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_when_the_node_opens(tmp_path: Path, name: str) -> None:
    harness = make_harness(tmp_path)
    DAMAGE[name](harness.stores["chain"])
    before = list(harness.stores["chain"].iterate(b"", b"\xff"))
    with pytest.raises(CorruptionError) as caught:
        open_and_close(harness)
    assert caught.value.exit_code == EXIT_CORRUPTION
    assert caught.value.remedy
    assert list(harness.stores["chain"].iterate(b"", b"\xff")) == before, "kept as evidence"


def test_a_damaged_value_is_found_when_it_is_read_and_stops_the_node(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    store = harness.stores["chain"]
    key = b"parameter\x00limits"  # no start reads it
    stored = layout.state_key(key_hash(key), 0)
    put(store, stored, flip(store.get(stored) or b"", -1))

    async def scenario() -> None:
        core = harness.make_core()
        driving = core.start()
        with pytest.raises(ApiError, match="damaged"):
            await core.node.get_many([key])
        await asyncio.wait({driving})
        await core.stop()
        error = driving.exception()
        assert isinstance(error, CorruptionError)
        with pytest.raises(ApiError) as caught:
            await core.node.submit(harness.transaction(9), wait_ms=WAIT_MS)
        assert caught.value.code is ReceiptCode.NOT_READY

    asyncio.run(scenario())


def test_members_that_cannot_be_read_are_damage_at_the_start(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    store = harness.stores["chain"]
    stored = layout.state_key(key_hash(b"validators\x00"), 0)
    put(store, stored, flip(store.get(stored) or b"", -1))
    before = list(store.iterate(b"", b"\xff"))
    with pytest.raises(CorruptionError, match="the members in the state") as caught:
        harness.make_core()
    assert caught.value.code == "STORE_CORRUPT"
    assert list(store.iterate(b"", b"\xff")) == before, "kept as evidence"


def test_a_node_that_lost_its_votes_never_votes_again(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    del harness.stores["votes"]
    assert "missing" in open_and_close(harness)

    async def scenario() -> None:
        async with harness.running() as core:
            status = core.node.get_status()
            assert (status.voting, status.height) == (False, TRANSACTIONS + 1)
            assert "missing" in status.voting_reason
            with pytest.raises(ApiError) as caught:
                await core.node.submit(harness.transaction(9), wait_ms=WAIT_MS)
            assert caught.value.code is ReceiptCode.NOT_READY
            assert await core.node.get_many([b"validators\x00"]), "it still answers"
            harness.clock.advance(10_000_000)
            for _ in range(100):
                await asyncio.sleep(0)
            assert core.driver.tip.height == TRANSACTIONS + 1

    asyncio.run(scenario())
    assert list(harness.stores["votes"].iterate(b"", b"\xff")) == []


def test_a_node_with_older_votes_never_votes_again(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    store = harness.stores["votes"]
    record = decode(VoteRecord, layout.unseal("vote", store.get(b"mvote") or b""))
    put(store, b"mvote", layout.seal(encode(replace(record, height=record.height - 1))))
    assert "older" in open_and_close(harness)


def test_a_vote_beyond_the_chain_is_corruption(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    store = harness.stores["votes"]
    record = decode(VoteRecord, layout.unseal("vote", store.get(b"mvote") or b""))
    for height in (record.height + 1, record.height + 2):
        put(store, b"mvote", layout.seal(encode(replace(record, height=height))))
        with pytest.raises(CorruptionError, match="has voted for"):
            open_and_close(harness)


def test_another_vote_than_the_certified_is_corruption(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    store = harness.stores["votes"]
    record = decode(VoteRecord, layout.unseal("vote", store.get(b"mvote") or b""))
    put(store, b"mvote", layout.seal(encode(replace(record, vote=flip(record.vote, -1)))))
    with pytest.raises(CorruptionError, match="the vote that was certified"):
        open_and_close(harness)


def test_the_log_must_hold_the_block_that_was_voted_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running(crash_at(Failpoint.AFTER_VOTE_RECORD, 2)) as core:
            with pytest.raises(ApiError):
                await harness.submit(core, harness.transaction(1))
        store = harness.stores["chain"]
        chain = ChainStore(store)
        last = chain.log.last_index()
        assert last > chain.head.applied_index
        put(store, layout.numbered_key(layout.LOG, last), None)
        with pytest.raises(CorruptionError, match="the log does not hold it"):
            harness.make_core()

    asyncio.run(scenario())


def test_a_lost_disk_with_a_used_key_does_not_start(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    harness.stores.clear()
    with pytest.raises(NodeError) as caught:
        open_and_close(harness)
    assert caught.value.code == "VOTE_RECORD_MISSING"


def test_a_restored_key_never_votes(tmp_path: Path) -> None:
    """Key files, configuration and genesis in a fresh home: whether the key has voted is unknown."""
    harness = NodeHarness(tmp_path)
    consume_vote_key_fresh(tmp_path)
    with pytest.raises(NodeError) as caught:
        open_and_close(harness)
    assert caught.value.code == "VOTE_RECORD_MISSING"
    assert list(harness.stores["votes"].iterate(b"", b"\xff")) == []


def test_another_keys_freshness_is_not_this_ones(tmp_path: Path) -> None:
    harness = NodeHarness(tmp_path)
    mark_vote_key_fresh(tmp_path, make_keys("n2").vote.public_key)
    with pytest.raises(NodeError):
        open_and_close(harness)


def test_a_crash_at_the_first_start_does_not_forbid_to_vote(tmp_path: Path) -> None:
    harness = NodeHarness(tmp_path)

    async def scenario() -> None:
        with pytest.raises(SimulatedCrashError):
            harness.make_core(crash_at(Failpoint.AFTER_FIRST_RECORD, 0))
        for store in harness.stores.values():
            store.crash()
        async with harness.running() as core:
            assert core.driver.no_vote_reason == ""
            await harness.until_height(core, 1)
            assert not is_vote_key_fresh(tmp_path, harness.keys.vote.public_key)

    asyncio.run(scenario())
    del harness.stores["votes"]
    assert "missing" in open_and_close(harness)


def test_a_first_record_that_cannot_be_written_does_not_forbid_to_vote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key counts as used only once the record of its votes is there."""
    harness = NodeHarness(tmp_path)

    def fail(_: VoteRecordStore) -> None:
        raise StorageError("STORAGE_IO", "the disk is full", "Free some space.")

    monkeypatch.setattr(VoteRecordStore, "initialise", fail)
    with pytest.raises(StorageError):
        harness.make_core()
    assert is_vote_key_fresh(tmp_path, harness.keys.vote.public_key)
    monkeypatch.undo()
    assert open_and_close(harness) == ""


def test_another_genesis_is_refused(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    harness.genesis = make_genesis(created=harness.genesis.created + 1)
    with pytest.raises(CorruptionError) as caught:
        open_and_close(harness)
    assert caught.value.code == "STORE_OTHER_CHAIN"


def test_one_of_several_validators_opens_and_follows(tmp_path: Path) -> None:
    harness = NodeHarness(tmp_path, genesis=make_genesis(validators=("n1", "n2", "n3")))

    async def scenario() -> None:
        core = harness.make_core()
        driver = core.driver
        assert (driver.role, driver.leader, driver.no_vote_reason) == ("follower", "", "")
        assert "2 of 3 must agree" in driver.network_reason
        await core.stop()

    asyncio.run(scenario())
    chain = ChainStore(harness.stores["chain"])
    assert chain.head.height == 0
    assert chain.log.conf_state().voters == (1, 2, 3)


def test_foreign_keys_are_refused(tmp_path: Path) -> None:
    harness = NodeHarness(tmp_path)
    harness.keys = replace(harness.keys, vote=make_keys("n2").vote)
    with pytest.raises(NodeError) as caught:
        harness.make_core()
    assert caught.value.code == "KEY_MISMATCH"
    assert not harness.stores


def test_a_validator_that_genesis_does_not_know_is_refused(tmp_path: Path) -> None:
    harness = NodeHarness(tmp_path)
    node = replace(harness.config.node, id="n7")
    harness.config = replace(harness.config, node=node)
    with pytest.raises(NodeError) as caught:
        harness.make_core()
    assert caught.value.code == "VALIDATOR_UNKNOWN"
