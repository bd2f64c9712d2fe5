# SPDX-License-Identifier: Apache-2.0
"""Each accusation as a liar earns it, and every way to accuse an honest validator refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.model import evidence as module
from ledger.model.canonical_json import encode_json
from ledger.model.codec import encode
from ledger.model.evidence import (
    Accusation,
    Evidence,
    EvidenceError,
    EvidenceKind,
    SignedHeader,
    Weight,
    decode_evidence,
    describe_evidence,
    verify_evidence,
)
from ledger.model.genesis import Genesis
from ledger.model.limits import BLOCK_TRANSACTIONS_COUNT_MAX
from ledger.model.merkle_log import compute_inclusion_proof, compute_root
from tests.support.evidence_parts import (
    HEIGHT,
    certify,
    liars_genesis,
    make_header,
    make_vote,
    sign_header,
    sign_vote,
)

BLS = liars_genesis()
ED25519 = liars_genesis("ed25519")
SCHEMES = pytest.mark.parametrize("genesis", [BLS, ED25519], ids=["bls12381", "ed25519"])


def piece(kind: EvidenceKind, first: object, second: object = None, **fields: Any) -> Evidence:
    values: dict[str, Any] = {
        "chain_id": BLS.chain_id,
        "kind": kind,
        "validator": "n1",
        "height": HEIGHT,
        "first": b"" if first is None else encode(first),
        "second": b"" if second is None else encode(second),
        "witness": "n3",
        "time": 1,
        **fields,
    }
    return Evidence(**values)


def verify(evidence: Evidence, genesis: Genesis = BLS) -> Accusation:
    return verify_evidence(
        evidence,
        genesis.validator_set,
        chain_id=genesis.chain_id,
        fault_model=genesis.fault_model,
    )


def refuse(evidence: Evidence, genesis: Genesis = BLS) -> str:
    with pytest.raises(EvidenceError) as caught:
        verify(evidence, genesis)
    return caught.value.code


# Double votes ------------------------------------------------------------------------------------


def double_vote(genesis: Genesis = BLS, **second: Any) -> Evidence:
    return piece(
        EvidenceKind.DOUBLE_VOTE,
        sign_vote(genesis, make_vote(genesis, "a"), "n1"),
        sign_vote(genesis, make_vote(genesis, "b", **second), "n1"),
        chain_id=genesis.chain_id,
    )


@SCHEMES
def test_two_votes_of_one_key_at_one_height_prove_a_lie(genesis: Genesis) -> None:
    accusation = verify(double_vote(genesis), genesis)
    assert (accusation.weight, accusation.validators) == (Weight.PROOF, ("n1",))
    assert (accusation.epoch, accusation.height) == (0, HEIGHT)
    assert "voted twice at height 7: for blocks" in accusation.text


def test_two_results_of_one_block_are_a_double_vote_too() -> None:
    first = make_vote(BLS, "a")
    other = make_vote(BLS, "a", state_root=bytes(32))
    made = piece(EvidenceKind.DOUBLE_VOTE, sign_vote(BLS, first, "n1"), sign_vote(BLS, other, "n1"))
    assert "two results of block" in verify(made).text


def test_what_is_no_double_vote() -> None:
    vote = make_vote(BLS, "a")
    mine = sign_vote(BLS, vote, "n1")
    kind = EvidenceKind.DOUBLE_VOTE
    assert refuse(piece(kind, mine, mine)) == module.EVIDENCE_SHOWS_NOTHING
    assert refuse(double_vote(height=HEIGHT + 1)) == module.EVIDENCE_MALFORMED
    assert refuse(double_vote(epoch=1)) == module.EVIDENCE_MALFORMED
    assert refuse(double_vote(round=1)) == module.EVIDENCE_UNSIGNED
    assert refuse(double_vote(chain_id="test:0000")) == module.EVIDENCE_OTHER_CHAIN
    theirs = sign_vote(BLS, make_vote(BLS, "b"), "n2")
    assert refuse(piece(kind, mine, theirs)) == module.EVIDENCE_MALFORMED
    assert refuse(piece(kind, mine, replace(theirs, validator="n1"))) == module.EVIDENCE_UNSIGNED
    stranger = replace(mine, validator="n9")
    assert refuse(piece(kind, stranger, stranger, validator="n9")) == module.EVIDENCE_UNSIGNED
    assert refuse(replace(double_vote(), second=b"\xff")) == module.EVIDENCE_MALFORMED
    assert refuse(replace(double_vote(), chain_id="x")) == module.EVIDENCE_OTHER_CHAIN
    assert refuse(replace(double_vote(), height=8)) == module.EVIDENCE_MALFORMED


# Certificates ------------------------------------------------------------------------------------


def conflict(genesis: Genesis, first: str = "n1 n2 n3", second: str = "n2 n3 n4") -> Evidence:
    return piece(
        EvidenceKind.CERTIFICATE_CONFLICT,
        certify(genesis, make_vote(genesis, "a"), first.split()),
        certify(genesis, make_vote(genesis, "b"), second.split()),
        chain_id=genesis.chain_id,
        validator="",
    )


@SCHEMES
def test_two_certificates_accuse_who_signed_both_and_nobody_else(genesis: Genesis) -> None:
    accusation = verify(conflict(genesis), genesis)
    assert (accusation.weight, accusation.validators) == (Weight.PROOF, ("n2", "n3"))


def test_what_is_no_certificate_conflict() -> None:
    good = conflict(BLS)
    assert refuse(replace(good, validator="n2")) == module.EVIDENCE_MALFORMED
    # Two certificates of one vote may differ in who signed.
    same = certify(BLS, make_vote(BLS, "a"), ["n2", "n3", "n4"])
    assert refuse(replace(good, second=encode(same))) == module.EVIDENCE_SHOWS_NOTHING
    assert refuse(conflict(BLS, second="n3 n4")) == module.EVIDENCE_UNSIGNED
    other = certify(BLS, make_vote(BLS, "b", height=8), ["n2", "n3", "n4"])
    assert refuse(replace(good, second=encode(other))) == module.EVIDENCE_MALFORMED
    stolen = replace(certify(BLS, make_vote(BLS, "b"), ["n2", "n3", "n4"]), signer_bits=b"\xe0")
    assert refuse(replace(good, second=encode(stolen))) == module.EVIDENCE_UNSIGNED


# Proposals ---------------------------------------------------------------------------------------


def header(label: str, signer: str = "n1", **fields: Any) -> SignedHeader:
    fields.setdefault("proposer", signer)
    return sign_header(make_header(BLS, label, **fields), signer)


def test_two_proposals_of_one_height_are_a_suspicion() -> None:
    made = piece(EvidenceKind.DOUBLE_PROPOSAL, header("a"), header("b"))
    accusation = verify(made)
    assert (accusation.weight, accusation.validators) == (Weight.SUSPICION, ("n1",))
    assert "only after losing the lead" in accusation.text
    told = verify(replace(made, first_term=4, second_term=4)).text
    assert "both in term 4, says n3" in told
    assert "losing the lead" in verify(replace(made, first_term=4, second_term=6)).text


def test_what_is_no_double_proposal() -> None:
    kind = EvidenceKind.DOUBLE_PROPOSAL
    assert refuse(piece(kind, header("a"), header("a"))) == module.EVIDENCE_SHOWS_NOTHING
    assert refuse(piece(kind, header("a"), header("b", height=8))) == module.EVIDENCE_MALFORMED
    assert refuse(piece(kind, header("a"), header("b", "n2"))) == module.EVIDENCE_UNSIGNED
    forged = sign_header(make_header(BLS, "b", "n1"), "n2")
    assert refuse(piece(kind, header("a"), forged)) == module.EVIDENCE_UNSIGNED
    named = sign_header(make_header(BLS, "b", "n2"), "n1")
    assert refuse(piece(kind, header("a"), named)) == module.EVIDENCE_MALFORMED
    elsewhere = header("b", chain_id="test:00")
    assert refuse(piece(kind, header("a"), elsewhere)) == module.EVIDENCE_OTHER_CHAIN


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"parent_hash": b"short"}, "a hash has not 32 bytes"),
        ({"proposer": "n2"}, "names n2"),
        ({"proposer": ""}, "names nobody"),
        ({"tx_count": BLOCK_TRANSACTIONS_COUNT_MAX + 1}, "are allowed"),
        ({"tx_count": 1}, "contradict"),
        ({"tx_root": bytes(32)}, "contradict"),
        ({"validators_hash": bytes(32)}, "other validators"),
    ],
)
def test_a_signed_header_that_cannot_be_is_proof(fields: dict[str, Any], text: str) -> None:
    made = piece(EvidenceKind.INVALID_PROPOSAL, header("a", **fields))
    accusation = verify(made)
    assert (accusation.weight, accusation.validators) == (Weight.PROOF, ("n1",))
    assert text in accusation.text


def test_a_signed_header_of_block_0_is_proof() -> None:
    made = piece(EvidenceKind.INVALID_PROPOSAL, header("a", height=0), height=0)
    assert verify(made).weight is Weight.PROOF


def with_transaction(bad: bytes) -> Evidence:
    transactions = [b"one", bad, b"three"]
    signed = header("a", tx_root=compute_root(transactions), tx_count=3)
    return piece(
        EvidenceKind.INVALID_PROPOSAL,
        signed,
        transaction=bad,
        transaction_index=1,
        transaction_path=compute_inclusion_proof(transactions, 1),
    )


def test_a_bad_transaction_under_the_signed_root_is_proof() -> None:
    accusation = verify(with_transaction(b"no transaction"))
    assert accusation.weight is Weight.PROOF
    assert "transaction 1 is refused with MALFORMED" in accusation.text


def test_a_transaction_that_is_not_in_the_block_accuses_nobody() -> None:
    """Else anybody could put bad transactions under an honest proposer's header."""
    made = with_transaction(b"no transaction")
    other = replace(made, transaction=b"put there by another")
    assert refuse(other) == module.EVIDENCE_SHOWS_NOTHING
    assert refuse(replace(made, transaction_index=2)) == module.EVIDENCE_SHOWS_NOTHING
    with_reason = replace(other, reason="transaction 1 is bad")
    assert refuse(with_reason) == module.EVIDENCE_SHOWS_NOTHING


def test_what_only_the_witness_saw_is_a_suspicion() -> None:
    made = piece(EvidenceKind.INVALID_PROPOSAL, header("a"))
    assert refuse(made) == module.EVIDENCE_SHOWS_NOTHING
    accusation = verify(replace(made, reason="the parent is another block"))
    assert accusation.weight is Weight.SUSPICION
    assert "the parent is another block (says n3)" in accusation.text
    forged = sign_header(make_header(BLS, "a", "n1"), "n2")
    unsigned = piece(EvidenceKind.INVALID_PROPOSAL, forged, reason="x")
    assert refuse(unsigned) == module.EVIDENCE_UNSIGNED
    two = piece(EvidenceKind.INVALID_PROPOSAL, header("a"), header("b"), reason="x")
    assert refuse(two) == module.EVIDENCE_MALFORMED


def test_an_append_against_what_is_committed_is_a_suspicion() -> None:
    kind = EvidenceKind.CONFLICTING_APPEND
    # The accused is who sent it; the blocks may be others'.
    made = piece(kind, header("a", "n2"), header("b", "n4"), reason="entry 9 of term 3")
    accusation = verify(made)
    assert (accusation.weight, accusation.validators) == (Weight.SUSPICION, ("n1",))
    assert "entry 9 of term 3" in accusation.text
    assert verify(piece(kind, header("a"), None, reason="an empty entry")).validators == ("n1",)
    assert refuse(replace(made, reason="")) == module.EVIDENCE_MALFORMED
    assert refuse(replace(made, validator="n9")) == module.EVIDENCE_UNSIGNED
    assert refuse(replace(made, second=made.first)) == module.EVIDENCE_SHOWS_NOTHING


# Form --------------------------------------------------------------------------------------------


def test_the_digest_names_what_is_said_not_who_says_it() -> None:
    made = double_vote()
    turned = replace(made, first=made.second, second=made.first)
    retold = replace(turned, witness="n4", time=99, reason="x", first_term=3)
    assert retold.digest == made.digest
    assert replace(made, height=8).digest != made.digest
    assert double_vote(state_root=bytes(32)).digest != made.digest


def test_it_is_read_again_and_described_without_its_bytes() -> None:
    made = with_transaction(b"somebody's data")
    assert decode_evidence(encode(made)) == made
    text = encode_json(describe_evidence(made, verify(made)))
    assert b"invalid-proposal" in text
    assert made.digest.hex().encode() in text
    assert b"somebody" not in text
    with pytest.raises(EvidenceError) as caught:
        decode_evidence(encode(made) + b"\x00")
    assert caught.value.code == module.EVIDENCE_MALFORMED
