# SPDX-License-Identifier: Apache-2.0
"""What a start accepts and refuses where blocks came both through the log and from others."""

from __future__ import annotations

import pytest

from consensus import Entry, EntryKind, Ready
from ledger.model.block import VoteRecord
from ledger.model.codec import encode
from ledger.storage import layout
from ledger.storage.consistency import (
    VOTE_RECORD_MISSING,
    VOTE_RECORD_OLD,
    find_block_above,
)
from ledger.storage.errors import CorruptionError
from ledger.storage.kv import WriteBatch
from tests.support.stored_chain import MadeBlock, StoredChain, make_record


def make_pledge(height: int, block_hash: bytes = b"\x01" * 32) -> VoteRecord:
    return VoteRecord(height=height, block_hash=block_hash)


def take_over(stored: StoredChain, count: int) -> MadeBlock:
    block = stored.make_block()
    for _ in range(count):
        block = stored.make_block()
        stored.certify(block)
    return block


def test_a_log_behind_the_head_is_fine_after_blocks_were_taken_over() -> None:
    stored = StoredChain()
    stored.add()
    last = take_over(stored, 3)
    stored.reopen()
    opened = stored.check(make_pledge(4, last.block_hash))
    assert (opened.no_vote_reason, opened.header.height, opened.voted_index) == ("", 4, 0)


@pytest.mark.parametrize("taken_over", [0, 2])
def test_the_entry_applied_last_must_hold_its_block(taken_over: int) -> None:
    stored = StoredChain()
    block = stored.make_block()
    other = stored.make_block(time=9)
    stored.certify(block, stored.append(other.proposal))
    last = block if not taken_over else take_over(stored, taken_over)
    with pytest.raises(CorruptionError, match="the proposal of block 1"):
        stored.check(make_pledge(last.header.height, last.block_hash))


def test_the_entry_applied_last_must_hold_a_block_no_higher_than_the_head() -> None:
    stored = StoredChain()
    block = stored.make_block()
    above = stored.make_block(parent=block)
    for data in (above.proposal, b""):
        stored = StoredChain()
        stored.certify(block, stored.append(data))
        with pytest.raises(CorruptionError, match="was applied from log entry 1"):
            stored.check(make_record(block))


def test_members_beyond_the_log_are_found() -> None:
    stored = StoredChain()
    block = stored.add()
    stored.append(b"")
    stored.chain.store_conf_state(2, stored.chain.log.conf_state())
    batch = WriteBatch()
    batch.delete(layout.numbered_key(layout.LOG, 2))
    stored.store.write(batch, sync=True)
    stored.reopen()
    with pytest.raises(CorruptionError, match="the members are those of log entry 2"):
        stored.check(make_record(block))


def test_the_block_in_flight_is_the_first_above_the_head() -> None:
    stored = StoredChain()
    first = stored.make_block()
    second = stored.make_block(parent=first)
    third = stored.make_block(parent=second)
    stored.append(b"", first.proposal, second.proposal, b"")
    change = Entry(5, 1, b"a change of members", EntryKind.CONF_CHANGE_V2)
    stored.chain.persist(Ready(entries=(change,)))
    stored.append(third.proposal)
    found = find_block_above(stored.chain)
    assert found is not None
    assert (found[0].index, found[1].header) == (2, encode(first.header))
    stored.certify(first)
    stored.certify(stored.make_block())
    assert (index_in_flight(stored), stored.chain.head.height) == (6, 2)
    stored.certify(stored.make_block())
    assert find_block_above(stored.chain) is None


def index_in_flight(stored: StoredChain) -> int:
    found = find_block_above(stored.chain)
    assert found is not None
    return found[0].index


def test_the_entry_of_a_voted_block_is_told() -> None:
    stored = StoredChain()
    stored.add()
    block = stored.make_block()
    stored.append(b"", block.proposal, b"")
    opened = stored.check(make_record(block))
    assert (opened.voted_index, opened.no_vote_reason) == (3, "")
    with pytest.raises(CorruptionError, match="the log does not hold it"):
        stored.check(make_record(stored.make_block(time=1)))
    above = stored.make_block(parent=block)
    stored.append(above.proposal)
    with pytest.raises(CorruptionError, match="the chain ends at 1"):
        stored.check(make_record(above))


@pytest.mark.parametrize("height", [3, 4, 90])
def test_a_pledge_may_lie_above_the_head(height: int) -> None:
    stored = StoredChain()
    stored.add()
    stored.add()
    opened = stored.check(make_pledge(height))
    assert (opened.no_vote_reason, opened.voted_index) == ("", 0)


def test_a_pledge_at_the_head_names_its_block() -> None:
    stored = StoredChain()
    stored.add()
    block = stored.add()
    assert stored.check(make_pledge(2, block.block_hash)).no_vote_reason == ""
    with pytest.raises(CorruptionError, match="the certificate that this node knew"):
        stored.check(make_pledge(2))


def test_a_record_below_the_head_does_not_vote() -> None:
    stored = StoredChain()
    first = stored.add()
    stored.add()
    for record in (make_record(first), make_pledge(1, first.block_hash), VoteRecord()):
        assert stored.check(record).no_vote_reason == VOTE_RECORD_OLD
    assert stored.check(None).no_vote_reason == VOTE_RECORD_MISSING
