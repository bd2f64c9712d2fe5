# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from ledger.model.block import VoteRecord
from ledger.storage.errors import CorruptionError
from ledger.storage.kv import WriteBatch
from ledger.storage.memory import MemoryStore
from ledger.storage.vote_record import VoteRecordStore, is_pledge


def opened(store: MemoryStore, *, chain: str = "dev:00", key: bytes = b"k") -> VoteRecordStore:
    return VoteRecordStore(store, chain_id=chain, public_key=key)


def vote(height: int, *, epoch: int = 0, block: bytes = b"\x01" * 32) -> VoteRecord:
    return VoteRecord(epoch=epoch, height=height, block_hash=block, vote=b"v", signature=b"s")


def test_nothing_is_known_of_a_lost_record() -> None:
    votes = opened(MemoryStore())
    assert votes.latest is None
    with pytest.raises(ValueError, match="height 1"):
        votes.record(vote(1))
    assert votes.latest is None


def test_a_vote_survives_a_crash_once_it_is_recorded() -> None:
    store = MemoryStore()
    votes = opened(store)
    votes.initialise()
    votes.record(vote(1))
    store.crash()
    assert opened(store).latest == vote(1)


@pytest.mark.parametrize("height", [0, 4, 5])
def test_no_height_twice_and_none_below(height: int) -> None:
    store = MemoryStore()
    votes = opened(store)
    votes.initialise()
    votes.record(vote(5))
    with pytest.raises(ValueError, match="may be recorded"):
        votes.record(vote(height, block=b"\x02" * 32))
    assert votes.latest == opened(store).latest == vote(5)


def test_a_new_epoch_may_go_back() -> None:
    votes = opened(MemoryStore())
    votes.initialise()
    votes.record(vote(5))
    votes.record(vote(3, epoch=1))
    assert votes.latest == vote(3, epoch=1)


def test_a_record_is_not_initialised_twice() -> None:
    store = MemoryStore()
    opened(store).initialise()
    again = opened(store)
    with pytest.raises(ValueError, match="already"):
        again.initialise()


@pytest.mark.parametrize(("chain", "key"), [("dev:11", b"k"), ("dev:00", b"other")])
def test_the_record_of_another_key_or_chain_is_refused(chain: str, key: bytes) -> None:
    store = MemoryStore()
    opened(store).initialise()
    with pytest.raises(CorruptionError, match="another") as caught:
        opened(store, chain=chain, key=key)
    assert caught.value.code == "STORE_OTHER_CHAIN"


@pytest.mark.parametrize("damaged", [b"", b"\x00" * 8, b"\x00" * 8 + b"\x08\x01"])
def test_a_damaged_record_is_no_record(damaged: bytes) -> None:
    store = MemoryStore()
    votes = opened(store)
    votes.initialise()
    votes.record(vote(1))
    batch = WriteBatch()
    batch.put(b"mvote", damaged)
    store.write(batch, sync=True)
    with pytest.raises(CorruptionError):
        opened(store)


def test_a_pledge_survives_a_crash_and_forbids_votes_up_to_it() -> None:
    store = MemoryStore()
    votes = opened(store)
    votes.initialise()
    assert not is_pledge(VoteRecord())
    votes.pledge(0, 7, b"\x07" * 32)
    store.crash()
    votes = opened(store)
    assert votes.latest == VoteRecord(height=7, block_hash=b"\x07" * 32)
    assert votes.latest is not None
    assert is_pledge(votes.latest)
    for height in (6, 7):
        with pytest.raises(ValueError, match="may be recorded"):
            votes.record(vote(height))
    votes.record(vote(8))
    assert opened(store).latest == vote(8)
    assert not is_pledge(vote(8))


@pytest.mark.parametrize(
    ("height", "block_hash"), [(4, b"\x02" * 32), (5, b"\x01" * 32), (6, b"\x02"), (6, b"")]
)
def test_a_pledge_that_may_not_be_changes_nothing(height: int, block_hash: bytes) -> None:
    store = MemoryStore()
    votes = opened(store)
    votes.initialise()
    votes.record(vote(5))
    with pytest.raises(ValueError, match="pledge"):
        votes.pledge(0, height, block_hash)
    assert votes.latest == opened(store).latest == vote(5)


def test_a_pledge_replaces_a_vote_for_a_block_that_lost() -> None:
    votes = opened(MemoryStore())
    votes.initialise()
    votes.record(vote(5))
    votes.pledge(0, 5, b"\x02" * 32)
    for block_hash in (b"\x01" * 32, b"\x02" * 32, b"\x03" * 32):
        with pytest.raises(ValueError, match="pledge"):
            votes.pledge(0, 5, block_hash)
    with pytest.raises(ValueError, match="may be recorded"):
        votes.record(vote(5))
    assert votes.latest == VoteRecord(height=5, block_hash=b"\x02" * 32)


def test_a_lost_record_takes_no_pledge() -> None:
    votes = opened(MemoryStore())
    with pytest.raises(ValueError, match="missing"):
        votes.pledge(0, 5, b"\x02" * 32)
    assert votes.latest is None


def test_a_vote_without_bytes_is_none() -> None:
    votes = opened(MemoryStore())
    votes.initialise()
    with pytest.raises(ValueError, match="no vote"):
        votes.record(VoteRecord(height=1, block_hash=b"\x01" * 32))
    assert votes.latest == VoteRecord()
