# SPDX-License-Identifier: Apache-2.0
"""From what a node receives to a kept piece that an auditor accepts."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from ledger.model.block import Block, Proposal
from ledger.model.certificate import FaultModel
from ledger.model.codec import encode
from ledger.model.evidence import Weight, decode_evidence, verify_evidence
from ledger.model.merkle_log import compute_root
from ledger.node.evidence import EvidenceKeeper
from ledger.storage.evidence import EvidenceStore
from ledger.storage.memory import MemoryStore
from tests.support.evidence_parts import (
    certify,
    liars_genesis,
    make_header,
    make_vote,
    sign_header,
    sign_vote,
)

GENESIS = liars_genesis()
VALIDATORS = GENESIS.validator_set


@pytest.fixture
def keeper() -> EvidenceKeeper:
    return EvidenceKeeper(
        EvidenceStore(MemoryStore(), chain_id=GENESIS.chain_id),
        chain_id=GENESIS.chain_id,
        fault_model=FaultModel.BYZANTINE,
        witness="n3",
        time_ms=lambda: 1234,
    )


def proposal(
    label: str, signer: str = "n1", transactions: tuple[bytes, ...] = (), proposer: str = ""
) -> bytes:
    header = make_header(
        GENESIS,
        label,
        proposer or signer,
        tx_root=compute_root(transactions),
        tx_count=len(transactions),
    )
    signed = sign_header(header, signer)
    return encode(Proposal(encode(Block(signed.header, transactions)), b"", signed.signature))


def check_kept(keeper: EvidenceKeeper, weight: Weight, validators: tuple[str, ...]) -> None:
    """What is kept convinces somebody who has its bytes only."""
    [kept] = keeper.store.list()
    evidence = decode_evidence(encode(kept.evidence))
    accusation = verify_evidence(
        evidence, VALIDATORS, chain_id=GENESIS.chain_id, fault_model="byzantine"
    )
    assert (accusation.weight, accusation.validators) == (weight, validators)
    assert kept.weight is weight
    assert (evidence.witness, evidence.time) == ("n3", 1234)


def test_a_double_vote(keeper: EvidenceKeeper, caplog: pytest.LogCaptureFixture) -> None:
    first = sign_vote(GENESIS, make_vote(GENESIS, "a"), "n2")
    second = sign_vote(GENESIS, make_vote(GENESIS, "b"), "n2")
    with caplog.at_level(logging.INFO):
        assert keeper.keep_double_vote(first, second, VALIDATORS) is not None
        assert keeper.keep_double_vote(second, first, VALIDATORS) is None, "it is there already"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "kind=double-vote weight=proof validators=n2 height=7" in caplog.text
    check_kept(keeper, Weight.PROOF, ("n2",))


def test_what_shows_nothing_is_not_kept(keeper: EvidenceKeeper) -> None:
    first = sign_vote(GENESIS, make_vote(GENESIS, "a"), "n2")
    forged = replace(sign_vote(GENESIS, make_vote(GENESIS, "b"), "n1"), validator="n2")
    assert keeper.keep_double_vote(first, first, VALIDATORS) is None
    assert keeper.keep_double_vote(first, forged, VALIDATORS) is None
    assert keeper.keep_double_vote(replace(first, vote=b"\xff"), forged, VALIDATORS) is None
    assert keeper.keep_certificate_conflict(b"\xff", b"", VALIDATORS) is None
    assert keeper.keep_double_proposal(b"\xff", proposal("a"), VALIDATORS) is None
    assert keeper.keep_invalid_proposal(b"\xff", "x", VALIDATORS) is None
    stolen = replace(sign_header(make_header(GENESIS, "a", "n1"), "n2"))
    envelope = encode(Proposal(encode(Block(stolen.header)), b"", stolen.signature))
    assert keeper.keep_invalid_proposal(envelope, "x", VALIDATORS) is None
    long_name = "n" * 65
    assert keeper.keep_conflicting_append(long_name, "x", VALIDATORS, epoch=0, height=1) is None
    assert keeper.store.count == 0


def test_a_certificate_conflict(keeper: EvidenceKeeper) -> None:
    one = encode(certify(GENESIS, make_vote(GENESIS, "a"), ["n1", "n2", "n3"]))
    two = encode(certify(GENESIS, make_vote(GENESIS, "b"), ["n1", "n2", "n4"]))
    assert keeper.keep_certificate_conflict(one, two, VALIDATORS) is not None
    check_kept(keeper, Weight.PROOF, ("n1", "n2"))


def test_two_proposals(keeper: EvidenceKeeper, caplog: pytest.LogCaptureFixture) -> None:
    made = keeper.keep_double_proposal(
        proposal("a"), proposal("b"), VALIDATORS, first_term=2, second_term=2
    )
    assert made is not None
    assert "both in term 2" in made.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    check_kept(keeper, Weight.SUSPICION, ("n1",))


def test_a_bad_transaction_convicts_its_proposer(keeper: EvidenceKeeper) -> None:
    bad = proposal("a", transactions=(b"one", b"two", b"three"))
    made = keeper.keep_invalid_proposal(bad, "transaction 2: ...", VALIDATORS, transaction_index=2)
    assert made is not None
    check_kept(keeper, Weight.PROOF, ("n1",))


def test_transactions_under_anothers_header_do_not(keeper: EvidenceKeeper) -> None:
    """A liar passes on an honest header with transactions of its own."""
    signed = sign_header(
        make_header(GENESIS, "a", "n1", tx_root=compute_root([b"good"]), tx_count=1), "n1"
    )
    mixed = encode(Proposal(encode(Block(signed.header, (b"bad",))), b"", signed.signature))
    made = keeper.keep_invalid_proposal(
        mixed, "transaction 0: MALFORMED", VALIDATORS, transaction_index=0
    )
    assert made is not None
    check_kept(keeper, Weight.SUSPICION, ("n1",))


def test_who_signed_is_accused_not_who_is_named(keeper: EvidenceKeeper) -> None:
    made = keeper.keep_invalid_proposal(
        proposal("a", "n1", proposer="n2"), "names another", VALIDATORS, proposer="n1"
    )
    assert made is not None
    check_kept(keeper, Weight.PROOF, ("n1",))


def test_an_append_against_what_is_committed(keeper: EvidenceKeeper) -> None:
    made = keeper.keep_conflicting_append(
        "n4",
        "entry 8 " + "\u00e9" * 300,
        VALIDATORS,
        epoch=0,
        height=7,
        committed=proposal("a"),
        appended=proposal("b", "n2"),
        term=5,
    )
    assert made is not None
    check_kept(keeper, Weight.SUSPICION, ("n4",))
