# SPDX-License-Identifier: Apache-2.0
"""From votes and offers to a certificate, and what a node does when a quorum says otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.model.block import Proposal, QuorumCertificate, Vote
from ledger.model.certificate import assemble_certificate
from ledger.model.codec import decode, encode
from ledger.model.evidence import EvidenceKind
from ledger.model.proofs import CertifiedHead
from ledger.node.finality import DivergenceError, Finality, OtherBlockError, Provisional
from ledger.node.peers import BlocksMessage, BlocksRequest, CertificateMessage, CertifiedBlock
from ledger.node.proposals import CheckedBlock, ProposalError
from ledger.storage.errors import DIVERGENCE, EXIT_CORRUPTION
from tests.support.heard_node import LEADER, HeardNode
from tests.support.node_harness import until

NAMES = ("n1", "n2", "n3", "n4")
OTHERS = NAMES[1:]
"""A quorum without this node."""


class Case(HeardNode):
    """n1 of four of which one may lie; block 1 is certified."""

    finality: Finality

    def run(self, scenario: Callable[[Case], Awaitable[None]]) -> None:
        async def main() -> None:
            async with self.running():
                await self.lead()
                await self.certify(self.block())
                await scenario(self)

        asyncio.run(main())

    def certificate(self, vote: bytes, names: Sequence[str] = OTHERS) -> bytes:
        return encode(
            assemble_certificate(
                vote, self.signatures(vote, names), self.harness.genesis.validator_set
            )
        )

    def signatures(self, vote: bytes, names: Sequence[str] = OTHERS) -> dict[str, bytes]:
        return {name: self.sign(name, vote) for name in names}

    def find(
        self, votes: Mapping[str, bytes], *offered: bytes
    ) -> tuple[bytes | None, tuple[str, ...]]:
        """Look for the certificate of the block in flight; nothing is written."""
        provisional = self.core.driver.provisional
        assert provisional is not None
        before = self.state()
        try:
            return self.finality.find_certificate(provisional, votes, offered)
        finally:
            assert self.state() == before

    def execute(self, block: CheckedBlock) -> bytes:
        """The vote of whoever executes a block on the tip; nobody votes here."""
        return self.finality.execute(block, self.tip).encoded_vote

    def take_over(self, proposal: bytes, certificate: bytes) -> Provisional:
        return self.finality.take_over(proposal, certificate, self.tip, {})


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    made = Case(tmp_path, names=NAMES, fault_model="byzantine")

    def make(**options: Any) -> Finality:
        made.finality = Finality(**options)
        return made.finality

    monkeypatch.setattr("ledger.node.core.Finality", make)
    return made


def change(vote: bytes, **fields: Any) -> bytes:
    return encode(replace(decode(Vote, vote), **fields))


# From votes ---------------------------------------------------------------------------------------


def test_a_quorum_of_votes_is_a_certificate(case: Case) -> None:
    async def scenario(case: Case) -> None:
        vote = await case.order(case.block())
        votes = case.signatures(vote, NAMES)
        for count in range(3):
            assert case.find(dict(list(votes.items())[:count])) == (None, ())
        assert case.find(votes) == (case.certificate(vote, NAMES), ())
        assert case.find(case.signatures(vote)) == (case.certificate(vote), ())

    case.run(scenario)


def test_wrong_signatures_are_found_and_named(case: Case) -> None:
    async def scenario(case: Case) -> None:
        vote = await case.order(case.block())
        votes = case.signatures(vote, NAMES)
        votes["n3"] = case.sign("n3", change(vote, state_root=bytes(32)))
        assert case.find(votes) == (None, ("n3",))
        votes["n4"] = case.sign("n2", vote)
        assert case.find(votes) == (None, ("n3", "n4"))
        del votes["n3"], votes["n4"]
        assert case.find(votes) == (None, ())

    case.run(scenario)


# From others --------------------------------------------------------------------------------------


def test_an_offered_certificate_is_as_good_as_votes(case: Case) -> None:
    async def scenario(case: Case) -> None:
        before = case.tip.head.certificate
        vote = await case.order(case.block())
        good = case.certificate(vote)
        assert case.find({}, good) == (good, ())
        nothing = (
            b"",
            b"\xff",
            before,
            case.certificate(vote, ("n3", "n4")),
            case.certificate(change(vote, height=3)),
            case.certificate(change(vote, epoch=1)),
            case.certificate(change(vote, chain_id="test:0000000000000000")),
            encode(replace(decode(QuorumCertificate, good), vote=change(vote, height=3))),
        )
        for bad in nothing:
            assert case.find({}, bad) == (None, ())
        assert case.find({}, *nothing, good) == (good, ())
        assert case.find(case.signatures(vote), *nothing) == (good, ())

    case.run(scenario)


def test_a_quorum_for_another_block_is_told(case: Case) -> None:
    async def scenario(case: Case) -> None:
        vote = await case.order(case.block())
        other = change(vote, block_hash=bytes(32))
        with pytest.raises(OtherBlockError) as caught:
            case.find(case.signatures(vote), case.certificate(other))
        assert caught.value.certificate == case.certificate(other)
        assert caught.value.vote == decode(Vote, other)

    case.run(scenario)


@pytest.mark.parametrize("field", ["state_root", "receipts_root", "log_root"])
def test_a_quorum_for_another_result_stops_the_node(case: Case, field: str) -> None:
    async def scenario(case: Case) -> None:
        vote = await case.order(case.block())
        other = change(vote, **{field: bytes(32)})
        with pytest.raises(DivergenceError) as caught:
            case.find(case.signatures(vote), case.certificate(other))
        error = caught.value
        assert (error.code, error.exit_code) == (DIVERGENCE, EXIT_CORRUPTION)
        assert error.remedy
        assert error.vote == decode(Vote, other)
        assert error.provisional is case.core.driver.provisional

    case.run(scenario)


# Taking over --------------------------------------------------------------------------------------


def test_a_certified_block_is_taken_over_without_a_vote(case: Case) -> None:
    async def scenario(case: Case) -> None:
        block = case.block([case.transaction(1)])
        vote = case.execute(block)
        taken = case.take_over(block.proposal, case.certificate(vote))
        assert taken.signature is None
        assert taken.executed.encoded_vote == vote
        # The key never votes there, for this block or another.
        for other in (block, case.block()):
            executed = case.finality.execute(other, case.tip)
            assert case.finality.vote(executed, case.tip, 9).signature is None

    case.run(scenario)


def test_a_block_that_is_not_what_was_certified_is_not_taken_over(case: Case) -> None:
    async def scenario(case: Case) -> None:
        block, other = case.block(), case.block([case.transaction(1)])
        vote = case.execute(block)
        good = case.certificate(vote)
        bent = encode(replace(decode(Proposal, block.proposal), signature=bytes(64)))
        refused = {
            "not good": [
                (block.proposal, b"\xff"),
                (block.proposal, case.certificate(vote, ("n3", "n4"))),
                (block.proposal, case.tip.head.certificate),
            ],
            "another block": [(other.proposal, good)],
            "signature": [(bent, good)],
            "Proposal": [(b"\xff", good)],
        }
        before = case.state()
        for reason, pairs in refused.items():
            for proposal, certificate in pairs:
                with pytest.raises(ProposalError, match=reason):
                    case.take_over(proposal, certificate)
                assert case.state() == before, "no pledge either"
        with pytest.raises(DivergenceError):
            case.take_over(block.proposal, case.certificate(change(vote, state_root=bytes(32))))
        assert case.state() == before

    case.run(scenario)


# In the driver ------------------------------------------------------------------------------------


def test_a_node_whose_log_was_wrong_falls_back_and_fetches_the_certified_block(case: Case) -> None:
    async def scenario(case: Case) -> None:
        certified = case.block([case.transaction(1)])
        vote = case.execute(certified)
        wrong = case.block()
        await case.order(wrong)
        length = case.last_index
        head = CertifiedHead(certified.encoded_header, case.certificate(vote))
        case.links.take()
        case.core.listener.receive("n3", CertificateMessage(encode(head)))
        driver = case.core.driver
        await until(lambda: driver.catch_up.target_height == 2)
        assert case.last_index == length - 1, "what was wrong is gone"
        assert (driver.provisional, driver.flight, case.tip.height) == (None, None, 1)
        await until(case.core.evidence.store.list)
        [kept] = case.core.evidence.store.list()
        assert (kept.evidence.kind, kept.evidence.validator) == (
            EvidenceKind.INVALID_PROPOSAL,
            LEADER,
        )
        case.harness.clock.advance(case.harness.config.consensus.heartbeat_interval_ms)
        request = BlocksRequest(2, 2)
        await until(lambda: request in [message for _, message in case.links.sent])
        [asked] = [peer for peer, message in case.links.sent if message == request]
        answer = CertifiedBlock(certified.proposal, case.certificate(vote))
        case.core.listener.receive(asked, BlocksMessage(2, (answer,)))
        await until(lambda: case.tip.height == 2)
        assert case.tip.block_hash == certified.block_hash

    case.run(scenario)


def test_a_node_that_computes_otherwise_than_the_quorum_ends_with_a_report(
    case: Case, tmp_path: Path
) -> None:
    async def main() -> None:
        core = case.harness.make_core()
        case.use(core)
        driving = core.start()
        await case.lead()
        await case.certify(case.block())
        block = case.block()
        vote = await case.order(block)
        other = case.certificate(change(vote, state_root=bytes(32)))
        head = CertifiedHead(block.encoded_header, other)
        core.listener.receive("n3", CertificateMessage(encode(head)))
        await asyncio.wait({driving})
        assert isinstance(driving.exception(), DivergenceError)
        assert core.driver.tip.height == 1
        await core.stop()

    asyncio.run(main())
    assert (tmp_path / "reports" / "divergence-2.json").stat().st_size > 0
