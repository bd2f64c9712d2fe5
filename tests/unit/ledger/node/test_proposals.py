# SPDX-License-Identifier: Apache-2.0
"""What a proposal must be: each way of being wrong is refused, and by its own check."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.model import bls
from ledger.model.block import Block, BlockHeader, Proposal, QuorumCertificate, Vote
from ledger.model.certificate import assemble_certificate
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_block_hash, proposal_message
from ledger.model.merkle_log import compute_root
from ledger.model.transaction_check import CheckedTransaction, check_transaction
from ledger.node.proposals import (
    CheckedBlock,
    ProposalError,
    build_proposal,
    check_proposal,
    read_proposal,
)
from ledger.node.stores import make_rules
from ledger.node.tip import Tip
from ledger.storage.chain import ChainStore
from tests.support.heard_node import HeardNode
from tests.support.ledger_world import make_genesis, peer_key, vote_secret
from tests.support.node_harness import NodeHarness


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


class Case:
    """A tip at height 2, and a good proposal of block 3 with two transactions."""

    def __init__(self, home: Path, *, fault_model: str = "crash") -> None:
        self.harness = NodeHarness(home, genesis=make_genesis(fault_model=fault_model))
        self.rules = make_rules(self.harness.genesis)
        self.tip = asyncio.run(self._make_tip())
        self.transactions = [self.check(self.harness.transaction(n)) for n in (7, 8)]
        self.good = self.build(self.transactions)

    async def _make_tip(self) -> Tip:
        async with self.harness.running() as core:
            await self.harness.submit(core, self.harness.transaction(1))
            return core.driver.tip

    def check(self, encoded: bytes) -> CheckedTransaction:
        return check_transaction(encoded, chain_id=self.rules.chain_id)

    def build(self, transactions: list[CheckedTransaction], *, time_ms: int = 0) -> bytes:
        built = build_proposal(
            self.tip,
            transactions,
            rules=self.rules,
            proposer="n1",
            key=self.harness.keys.peer,
            time_ms=time_ms,
        )
        assert self.examine(built.proposal) == built, "who proposes sees what the others see"
        return built.proposal

    def examine(self, proposal: bytes) -> CheckedBlock:
        read = read_proposal(proposal)
        return check_proposal(read, self.tip, rules=self.rules, check=self.check)

    def bend(
        self,
        *,
        header: dict[str, Any] | None = None,
        transactions: tuple[bytes, ...] | None = None,
        is_signed: bool = True,
        **envelope: Any,
    ) -> bytes:
        """The good proposal with changes, signed by the proposer unless said otherwise."""
        proposal = decode(Proposal, self.good)
        block = decode(Block, proposal.block)
        if transactions is not None:
            block = replace(block, transactions=transactions)
        if header is not None:
            changed = replace(decode(BlockHeader, block.header), **header)
            block = replace(block, header=encode(changed))
        if is_signed:
            message = proposal_message(compute_block_hash(block.header), 0)
            proposal = replace(proposal, signature=peer_key("n1").sign(message))
        return encode(replace(proposal, block=encode(block), **envelope))


def test_a_good_proposal_is_accepted(case: Case) -> None:
    block = case.examine(case.good)
    assert block.header.height == 3
    assert block.header.parent_hash == case.tip.block_hash
    assert list(block.transactions) == case.transactions
    assert block.proposal == case.good
    assert case.examine(case.bend()) == block
    assert case.examine(case.build([])).header.tx_count == 0


def test_the_time_is_the_proposers_but_after_the_parents(case: Case) -> None:
    parent = case.tip.header.time
    assert case.examine(case.build([], time_ms=parent + 9)).header.time == parent + 9
    assert case.examine(case.build([], time_ms=parent)).header.time == parent + 1
    assert case.examine(case.build([], time_ms=5)).header.time == parent + 1


BENT_HEADERS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "chain_id": lambda _: {"chain_id": "test:0000000000000000"},
    "protocol_version": lambda _: {"protocol_version": 2},
    "epoch": lambda _: {"epoch": 1},
    "height skipped": lambda _: {"height": 4},
    "height repeated": lambda _: {"height": 2},
    "parent_hash": lambda _: {"parent_hash": bytes(32)},
    "time equal": lambda case: {"time": case.tip.header.time},
    "time before": lambda case: {"time": case.tip.header.time - 1},
    "tx_root": lambda _: {"tx_root": bytes(32)},
    "tx_count": lambda _: {"tx_count": 1},
    "proposer unknown": lambda _: {"proposer": "n9"},
    "validators_hash": lambda _: {"validators_hash": bytes(32)},
    "next_validators_hash": lambda _: {"next_validators_hash": bytes(32)},
}


@pytest.mark.parametrize("name", BENT_HEADERS)
def test_a_bent_header_is_refused(case: Case, name: str) -> None:
    with pytest.raises(ProposalError):
        case.examine(case.bend(header=BENT_HEADERS[name](case)))


def test_bad_bytes_are_refused(case: Case) -> None:
    for bad in (b"", b"\xff" * 9, case.good[:-1], case.good + b"\x00"):
        with pytest.raises(ProposalError):
            case.examine(bad)
    for size in range(0, len(case.good), 97):
        with pytest.raises(ProposalError):
            case.examine(case.good[:size])


def test_only_round_0_without_justification_is_known(case: Case) -> None:
    for bent in (case.bend(round=1), case.bend(justification=b"x")):
        with pytest.raises(ProposalError, match="round 0"):
            case.examine(bent)


def test_the_proposer_must_have_signed(case: Case) -> None:
    for signature in (b"", bytes(64)):
        with pytest.raises(ProposalError, match="signature"):
            case.examine(case.bend(is_signed=False, signature=signature))
    with pytest.raises(ProposalError, match="signature"):
        case.examine(case.bend(header={"time": case.tip.header.time + 99}, is_signed=False))


def test_transactions_are_those_of_the_header(case: Case) -> None:
    encoded = tuple(transaction.encoded for transaction in case.transactions)
    for transactions in (encoded[::-1], encoded[:1], ()):
        with pytest.raises(ProposalError):
            case.examine(case.bend(transactions=transactions))


def with_transactions(case: Case, transactions: tuple[bytes, ...]) -> bytes:
    """A proposal whose header agrees with these transactions."""
    header = {"tx_root": compute_root(transactions), "tx_count": len(transactions)}
    return case.bend(header=header, transactions=transactions)


def test_a_transaction_twice_is_refused(case: Case) -> None:
    encoded = case.transactions[0].encoded
    assert case.examine(with_transactions(case, (encoded,))).header.tx_count == 1
    with pytest.raises(ProposalError, match="twice"):
        case.examine(with_transactions(case, (encoded, encoded)))


def test_a_transaction_with_a_bad_signature_is_refused(case: Case) -> None:
    encoded = case.transactions[0].encoded
    with pytest.raises(ProposalError, match="SIGNATURE_INVALID"):
        case.examine(with_transactions(case, (encoded[:-1] + bytes((encoded[-1] ^ 1,)),)))


def forge(certificate: bytes) -> tuple[bytes, ...]:
    """The vote of a certificate under signatures that certify nothing."""
    held = decode(QuorumCertificate, certificate)
    other = bls.sign(vote_secret("n2"), b"something else")
    return (
        encode(replace(held, signature=other)),
        encode(replace(held, signer_bits=b"\x00")),
    )


def test_the_parents_certificate_is_needed(tmp_path: Path) -> None:
    case = Case(tmp_path, fault_model="byzantine")
    for bad in (b"", b"\xff", *forge(case.tip.head.certificate)):
        with pytest.raises(ProposalError):
            case.examine(case.bend(parent_certificate=bad))


def test_where_nobody_forges_only_the_vote_of_the_parents_certificate_is_compared(
    case: Case,
) -> None:
    for bad in (b"", b"\xff", *forge_other_vote(case.tip.head.certificate)):
        with pytest.raises(ProposalError):
            case.examine(case.bend(parent_certificate=bad))
    for other in forge(case.tip.head.certificate):
        assert case.examine(case.bend(parent_certificate=other)).header.height == 3


def forge_other_vote(certificate: bytes) -> tuple[bytes, ...]:
    """The signatures of a certificate under other votes."""
    held = decode(QuorumCertificate, certificate)
    vote = decode(Vote, held.vote)
    return tuple(
        encode(replace(held, vote=encode(replace(vote, **change))))
        for change in (
            {"state_root": bytes(32)},
            {"receipts_root": bytes(32)},
            {"log_root": bytes(32)},
            {"block_hash": bytes(32)},
            {"height": vote.height + 1},
        )
    )


@pytest.mark.parametrize("fault_model", ["crash", "byzantine"])
def test_a_certificate_of_another_block_is_refused(tmp_path: Path, fault_model: str) -> None:
    case = Case(tmp_path, fault_model=fault_model)
    older = ChainStore(case.harness.stores["chain"]).blocks.certificate(1)
    assert older is not None
    with pytest.raises(ProposalError, match="another block"):
        case.examine(case.bend(parent_certificate=older))


@pytest.mark.parametrize("fault_model", ["crash", "byzantine"])
def test_other_signers_may_have_certified_the_parent(tmp_path: Path, fault_model: str) -> None:
    async def main() -> None:
        node = HeardNode(tmp_path, names=("n1", "n2", "n3", "n4"), fault_model=fault_model)
        async with node.running():
            await node.lead()
            vote = await node.certify(node.block())

            def certify(*names: str) -> bytes:
                votes = {name: node.sign(name, vote) for name in names}
                validator_set = node.harness.genesis.validator_set
                return encode(assemble_certificate(vote, votes, validator_set))

            def examine(certificate: bytes) -> CheckedBlock:
                head = replace(node.tip.head, certificate=certificate)
                read = read_proposal(node.block(tip=replace(node.tip, head=head)).proposal)
                return check_proposal(read, node.tip, rules=node.rules, check=node.check)

            others = certify("n2", "n3", "n4")
            assert others != node.tip.head.certificate
            assert examine(others).header.height == 2
            few = certify("n3", "n4")
            if fault_model == "byzantine":
                with pytest.raises(ProposalError, match="2 of 4 validators signed"):
                    examine(few)
            else:
                # The same vote is certified here: nobody forges in this model.
                assert examine(few).header.height == 2

    asyncio.run(main())
