# SPDX-License-Identifier: Apache-2.0
"""The rules of voting (architecture, section 6), one by one."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.model.block import BlockHeader, Vote, VotePhase, VoteRecord
from ledger.model.codec import decode, encode
from ledger.model.hashes import vote_message
from ledger.model.keys import KeyType, verify_signature
from ledger.model.merkle_log import EMPTY_ROOT, CompactRange
from ledger.node.execution import ExecutedBlock
from ledger.node.failpoints import Failpoint, FailpointHook, pass_by
from ledger.node.proposals import CheckedBlock
from ledger.node.tip import Tip
from ledger.node.validators import Validators
from ledger.node.voting import Voter
from ledger.state.machine import BlockResult
from ledger.storage.errors import CorruptionError
from ledger.storage.memory import MemoryStore
from ledger.storage.state_store import StateChanges
from ledger.storage.vote_record import VoteRecordStore
from tests.support.ledger_world import make_genesis
from tests.support.node_harness import NodeHarness, SimulatedCrashError, crash_at, make_keys

KEY = make_keys("n1").vote
RESULT = BlockResult((), (), EMPTY_ROOT, (), (), ())


def make_executed(height: int, *, label: str = "a", epoch: int = 0) -> ExecutedBlock:
    header = BlockHeader(chain_id="test:00", epoch=epoch, height=height)
    block_hash = sha256(f"{label} {height}".encode()).digest()
    vote = Vote(
        chain_id="test:00",
        epoch=epoch,
        height=height,
        phase=VotePhase.COMMIT,
        block_hash=block_hash,
        state_root=sha256(label.encode()).digest(),
        receipts_root=EMPTY_ROOT,
        log_root=EMPTY_ROOT,
    )
    return ExecutedBlock(
        block=CheckedBlock(header, b"", block_hash, (), b""),
        result=RESULT,
        changes=StateChanges(()),
        log=CompactRange(),
        state_version=0,
        state_root=vote.state_root,
        encoded_vote=encode(vote),
        applied_index=height,
    )


@cache
def genesis_tip() -> Tip:
    """Of a node that was never started, one of three."""
    genesis = make_genesis(validators=("n1", "n2", "n3"))
    with tempfile.TemporaryDirectory() as home:
        core = NodeHarness(Path(home), genesis=genesis).make_core()
        core.close()
        return core.tip_at_start


def make_validators_of(*names: str) -> Validators:
    return Validators(make_genesis(validators=names).validator_set, bytes(32))


def make_tip(height: int) -> Tip:
    header = BlockHeader(chain_id="test:00", height=height)
    return replace(genesis_tip(), header=header, block_hash=bytes(32))


class Case:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.open().initialise()

    def open(self) -> VoteRecordStore:
        return VoteRecordStore(self.store, chain_id="test:00", public_key=KEY.public_key)

    def voter(
        self, *, validator: str = "n1", reason: str = "", failpoint: FailpointHook = pass_by
    ) -> Voter:
        return Voter(self.open(), KEY, validator, no_vote_reason=reason, failpoint=failpoint)

    @property
    def record(self) -> VoteRecord | None:
        return self.open().latest


def test_a_vote_is_signed_and_durable_when_it_is_given() -> None:
    case = Case()
    executed = make_executed(1)
    signature = case.voter().vote(executed, make_tip(0))
    assert signature is not None
    message = vote_message(executed.encoded_vote)
    assert verify_signature(KeyType.BLS12381, KEY.public_key, message, signature)
    case.store.crash()
    assert case.record == VoteRecord(
        epoch=0,
        height=1,
        round=0,
        block_hash=executed.block.block_hash,
        vote=executed.encoded_vote,
        signature=signature,
    )


def test_one_vote_a_height() -> None:
    case = Case()
    voter = case.voter()
    first = voter.vote(make_executed(1), make_tip(0))
    assert voter.vote(make_executed(1), make_tip(0)) == first, "R5: the same again"
    before = case.record
    with pytest.raises(CorruptionError, match="voted otherwise") as caught:
        voter.vote(make_executed(1, label="b"), make_tip(0))
    assert caught.value.code == "DIVERGENCE"
    with pytest.raises(CorruptionError):
        case.voter().vote(make_executed(1, label="b"), make_tip(0))
    assert case.record == before


def test_no_vote_below_the_last() -> None:
    case = Case()
    voter = case.voter()
    for height in range(1, 4):
        voter.vote(make_executed(height), make_tip(height - 1))
    before = case.record
    with pytest.raises(CorruptionError, match="above block 2"):
        voter.vote(make_executed(2, label="b"), make_tip(1))
    assert case.record == before


def test_a_block_that_skips_the_last_one_voted_for_is_no_descendant() -> None:
    case = Case()
    voter = case.voter()
    voter.vote(make_executed(1), make_tip(0))
    with pytest.raises(CorruptionError):
        voter.vote(make_executed(2), make_tip(0))


def test_the_record_may_jump_to_a_certified_height() -> None:
    case = Case()
    voter = case.voter()
    voter.vote(make_executed(1), make_tip(0))
    assert voter.vote(make_executed(9), make_tip(8)) is not None


def test_a_key_that_may_not_vote_gives_nothing() -> None:
    case = Case()
    before = case.record
    assert case.voter(reason="lost").vote(make_executed(1), make_tip(0)) is None
    assert case.record == before


@pytest.mark.parametrize("failpoint", [Failpoint.AFTER_SIGN, Failpoint.AFTER_VOTE_RECORD])
def test_after_a_crash_the_same_vote_is_given(failpoint: Failpoint) -> None:
    case = Case()
    with pytest.raises(SimulatedCrashError):
        case.voter(failpoint=crash_at(failpoint, 1)).vote(make_executed(1), make_tip(0))
    case.store.crash()
    recorded = case.record
    assert recorded is not None
    assert recorded.height == (1 if failpoint is Failpoint.AFTER_VOTE_RECORD else 0)
    other = make_executed(1, label="b")
    if failpoint is Failpoint.AFTER_VOTE_RECORD:
        with pytest.raises(CorruptionError):
            case.voter().vote(other, make_tip(0))
    else:
        # Nothing had left: the vote is free.
        assert case.voter().vote(other, make_tip(0)) is not None


def test_who_is_no_validator_of_the_height_gives_nothing() -> None:
    case = Case()
    before = case.record
    assert case.voter(validator="n9").vote(make_executed(1), make_tip(0)) is None
    assert case.record == before


def test_the_set_of_the_height_decides_who_votes() -> None:
    case = Case()
    before = case.record
    others = make_validators_of("n2", "n3")
    tip = replace(make_tip(0), validators=others)
    assert case.voter().vote(make_executed(1), tip) is None
    assert case.record == before
    tip = replace(make_tip(0), certified_by=others, next_validators=others)
    assert case.voter().vote(make_executed(1), tip) is not None


def pledge_for(height: int, *, label: str = "a", epoch: int = 0) -> Vote:
    return decode(Vote, make_executed(height, label=label, epoch=epoch).encoded_vote)


def test_a_pledge_is_durable_and_nothing_at_or_below_it_is_voted_for() -> None:
    case = Case()
    case.voter().pledge(pledge_for(2))
    case.store.crash()
    record = case.record
    assert record is not None
    assert (record.height, record.vote, record.signature) == (2, b"", b"")
    assert record.block_hash == make_executed(2).block.block_hash
    voter = case.voter()
    for executed, tip in (
        (make_executed(2), make_tip(1)),
        (make_executed(2, label="b"), make_tip(1)),
        (make_executed(1), make_tip(0)),
    ):
        assert voter.vote(executed, tip) is None
        assert case.record == record
    assert voter.vote(make_executed(3), make_tip(2)) is not None


def test_a_pledge_takes_the_place_of_a_vote_for_another_block_only() -> None:
    case = Case()
    voter = case.voter()
    voter.vote(make_executed(1), make_tip(0))
    voted = case.record
    voter.pledge(pledge_for(1))
    assert case.record == voted, "it has voted for that very block"
    voter.pledge(pledge_for(1, label="b"))
    pledged = case.record
    assert pledged is not None
    assert (pledged.height, pledged.vote) == (1, b"")
    voter.pledge(pledge_for(1, label="b"))
    voter.pledge(pledge_for(0, label="c"))
    assert case.record == pledged, "never down, never twice"
    assert voter.vote(make_executed(1), make_tip(0)) is None, "the vote is not sent again"


def test_a_pledge_never_goes_below_a_vote() -> None:
    case = Case()
    voter = case.voter()
    voter.vote(make_executed(5), make_tip(4))
    before = case.record
    voter.pledge(pledge_for(4, label="b"))
    assert case.record == before
    assert voter.vote(make_executed(5), make_tip(4)) is not None
    voter.pledge(pledge_for(6))
    assert case.record != before


def test_a_key_that_may_not_vote_pledges_nothing() -> None:
    case = Case()
    before = case.record
    case.voter(reason="lost").pledge(pledge_for(2))
    assert case.record == before
    missing = VoteRecordStore(MemoryStore(), chain_id="test:00", public_key=KEY.public_key)
    Voter(missing, KEY, "n1", no_vote_reason="lost", failpoint=pass_by).pledge(pledge_for(2))
    assert missing.latest is None
