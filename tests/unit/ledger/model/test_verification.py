# SPDX-License-Identifier: Apache-2.0
"""Attacks on a light client, each by its name. An honest answer is accepted first in every test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.model import schema, verification
from ledger.model.block import QuorumCertificate, ValidatorSet
from ledger.model.certificate import CertificateError
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_transaction_id
from ledger.model.proofs import CertifiedHead, LogProof, ProvenState, TransactionProof
from ledger.model.receipts import ReceiptCode
from ledger.model.records import (
    ListRecord,
    ReferenceRecord,
    ResourceNameRecord,
    StatusListRecord,
)
from ledger.model.transaction import Receipt, Transaction, TransactionBody
from ledger.model.verification import (
    FUTURE_MS_MAX,
    ProofError,
    VerifiedState,
    check_not_from_future,
    check_not_older,
    get_child_count,
    verify_children,
    verify_head,
    verify_proven_state,
    verify_transaction_proof,
)
from tests.support.certified_chain import (
    CertifiedChain,
    make_validators,
    sign_head,
)
from tests.support.message_mutations import head_mutations, mutations

KEYS = [schema.did_key(f"did:pset:dev:{name}") for name in ("alpha", "beta", "gamma")]
ABSENT = schema.did_key("did:pset:dev:nobody")
QUESTION = [*KEYS, ABSENT]


@pytest.fixture
def chain() -> CertifiedChain:
    chain = CertifiedChain()
    chain.add_block({key: b"value of " + key for key in KEYS})
    return chain


def accept(
    chain: CertifiedChain, proven: ProvenState, keys: Sequence[bytes] = QUESTION
) -> VerifiedState:
    return verify_proven_state(proven, keys, chain.trust)


def refuse(chain: CertifiedChain, proven: ProvenState, keys: Sequence[bytes] = QUESTION) -> str:
    with pytest.raises(ProofError) as caught:
        verify_proven_state(proven, keys, chain.trust)
    assert str(caught.value)
    return caught.value.code


def with_entry(proven: ProvenState, at: int, **changes: Any) -> ProvenState:
    entries = list(proven.entries)
    entries[at] = replace(entries[at], **changes)
    return replace(proven, entries=tuple(entries))


def refuse_head(chain: CertifiedChain, head: CertifiedHead) -> str:
    with pytest.raises(ProofError) as caught:
        verify_head(head, chain.trust)
    return caught.value.code


def test_an_honest_answer_is_accepted(chain: CertifiedChain) -> None:
    state = accept(chain, chain.prove(QUESTION))
    assert state.values == {key: b"value of " + key for key in KEYS} | {ABSENT: None}
    assert (state.head.height, state.head.time) == (1, chain.tip.header.time)
    assert state.head.state_root == chain.tip.vote.state_root


# Values ------------------------------------------------------------------------------------------


def test_value_altered(chain: CertifiedChain) -> None:
    honest = chain.prove(QUESTION)
    assert refuse(chain, with_entry(honest, 0, value=b"other")) == verification.VALUE_NOT_PROVEN


def test_present_key_said_to_be_absent(chain: CertifiedChain) -> None:
    honest = chain.prove(QUESTION)
    assert refuse(chain, with_entry(honest, 0, value=b"")) == verification.VALUE_NOT_PROVEN
    stranger = chain.prove([ABSENT]).entries[0].proof
    moved = with_entry(honest, 0, value=b"", proof=stranger)
    assert refuse(chain, moved) == verification.VALUE_NOT_PROVEN


def test_absent_key_said_to_be_present(chain: CertifiedChain) -> None:
    honest = chain.prove(QUESTION)
    assert refuse(chain, with_entry(honest, 3, value=b"x")) == verification.VALUE_NOT_PROVEN
    borrowed = with_entry(honest, 3, value=honest.entries[0].value, proof=honest.entries[0].proof)
    assert refuse(chain, borrowed) == verification.VALUE_NOT_PROVEN


def test_key_swapped(chain: CertifiedChain) -> None:
    honest = chain.prove(QUESTION)
    assert refuse(chain, with_entry(honest, 0, key=KEYS[1])) == verification.KEYS_MISMATCH
    swapped = with_entry(with_entry(honest, 0, key=KEYS[1]), 1, key=KEYS[0])
    assert refuse(chain, swapped, [KEYS[1], KEYS[0], KEYS[2], ABSENT]) == "VALUE_NOT_PROVEN"
    values = [entry.value for entry in honest.entries]
    crossed = with_entry(with_entry(honest, 0, value=values[1]), 1, value=values[0])
    assert refuse(chain, crossed) == verification.VALUE_NOT_PROVEN


@pytest.mark.parametrize("change", ["withheld", "added", "repeated", "reordered", "nothing"])
def test_not_exactly_the_keys_asked(chain: CertifiedChain, change: str) -> None:
    entries = chain.prove(QUESTION).entries
    other = chain.prove([schema.validators_key()]).entries
    bent = {
        "withheld": entries[:-1],
        "added": entries + other,
        "repeated": entries[:-1] + entries[:1],
        "reordered": entries[::-1],
        "nothing": (),
    }[change]
    proven = replace(chain.prove(QUESTION), entries=bent)
    assert refuse(chain, proven) == verification.KEYS_MISMATCH


def test_entry_without_proof(chain: CertifiedChain) -> None:
    proven = with_entry(chain.prove(QUESTION), 0, proof=None)
    assert refuse(chain, proven) == verification.VALUE_NOT_PROVEN


def test_proof_from_another_height(chain: CertifiedChain) -> None:
    chain.add_block({KEYS[0]: b"newer"})
    old, new = chain.prove(QUESTION, 1), chain.prove(QUESTION, 2)
    assert accept(chain, old) != accept(chain, new)
    assert refuse(chain, replace(new, entries=old.entries)) == verification.VALUE_NOT_PROVEN
    assert refuse(chain, replace(old, entries=new.entries)) == verification.VALUE_NOT_PROVEN


def test_a_key_asked_twice_is_the_callers_fault(chain: CertifiedChain) -> None:
    with pytest.raises(ValueError, match="twice"):
        accept(chain, chain.prove([ABSENT, ABSENT]), [ABSENT, ABSENT])


# Heads -------------------------------------------------------------------------------------------


def test_other_networks_certificate(chain: CertifiedChain) -> None:
    other = CertifiedChain(chain_id="dev:fedcba9876543210")
    other.add_block({key: b"value of " + key for key in KEYS})
    foreign = other.prove(QUESTION)
    accept(other, foreign)
    assert refuse(chain, foreign) == verification.OTHER_CHAIN
    assert refuse(chain, replace(foreign, chain_id=chain.chain_id)) == verification.OTHER_CHAIN
    honest = chain.prove(QUESTION)
    assert honest.head is not None
    assert foreign.head is not None
    mixed = CertifiedHead(honest.head.header, foreign.head.certificate)
    assert refuse(chain, replace(honest, head=mixed)) == verification.HEAD_MISMATCH


def test_certificate_of_another_block(chain: CertifiedChain) -> None:
    chain.add_block()
    first, second = chain.versions[1].head, chain.versions[2].head
    assert refuse_head(chain, CertifiedHead(second.header, first.certificate)) == "HEAD_MISMATCH"
    assert refuse_head(chain, CertifiedHead(first.header, second.certificate)) == "HEAD_MISMATCH"


def test_too_few_signers() -> None:
    chain = CertifiedChain(names=("n1", "n2", "n3", "n4"))
    assert verify_head(chain.add_block().head, chain.trust).height == 1
    assert refuse_head(chain, chain.add_block(signers=["n1", "n2"]).head) == "CERTIFICATE_INVALID"


@pytest.mark.parametrize("bits", [b"\xf0", b"\xe8", b"\xd0", b"\xe0\x00", b""])
def test_duplicate_unused_or_foreign_signer_bits(bits: bytes) -> None:
    chain = CertifiedChain(names=("n1", "n2", "n3", "n4"))
    head = chain.add_block().head
    assert verify_head(head, chain.trust).height == 1
    held = decode(QuorumCertificate, head.certificate)
    assert held.signer_bits == b"\xe0"
    forged = CertifiedHead(head.header, encode(replace(held, signer_bits=bits)))
    assert refuse_head(chain, forged) == verification.CERTIFICATE_INVALID


def test_wrong_validator_set(chain: CertifiedChain) -> None:
    impostors = CertifiedChain(names=("m1",))
    impostors.add_block(dict.fromkeys(KEYS, b"lie"))
    assert refuse(chain, impostors.prove(QUESTION)) == verification.OTHER_VALIDATORS
    # They name the right validators, but cannot sign for them.
    header, vote = impostors.tip.header, impostors.tip.vote
    named = replace(header, validators_hash=chain.trust.validators_hash)
    forged = sign_head(named, vote, impostors.validator_set, ["m1"])
    assert refuse_head(chain, forged) == verification.CERTIFICATE_INVALID


def test_uncertified_head(chain: CertifiedChain) -> None:
    head = chain.tip.head
    assert refuse_head(chain, CertifiedHead(head.header, b"")) == verification.NOT_CERTIFIED
    assert refuse_head(chain, chain.versions[0].head) == verification.NOT_CERTIFIED
    assert refuse(chain, replace(chain.prove(QUESTION), head=None)) == verification.NOT_CERTIFIED
    assert refuse_head(chain, CertifiedHead(b"", head.certificate)) == verification.MALFORMED
    assert refuse_head(chain, CertifiedHead(head.header, b"\x01")) == verification.MALFORMED


def test_certified_height_0_proves_nothing(chain: CertifiedChain) -> None:
    version = chain.tip
    header = replace(version.header, height=0)
    head = sign_head(header, replace(version.vote, height=0), chain.validator_set, ["n1"])
    assert refuse_head(chain, head) == verification.NOT_CERTIFIED


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"protocol_version": 2}, verification.PROTOCOL_UNKNOWN),
        ({"epoch": 1}, verification.OTHER_VALIDATORS),
        ({"tx_root": b"\x00"}, verification.MALFORMED),
        ({"parent_hash": b""}, verification.MALFORMED),
        ({"time": 0}, verification.MALFORMED),
        ({"height": 2}, verification.HEAD_MISMATCH),
    ],
)
def test_certified_header_that_cannot_be(
    chain: CertifiedChain, change: dict[str, Any], code: str
) -> None:
    header = replace(chain.tip.header, **change)
    head = sign_head(header, chain.tip.vote, chain.validator_set, ["n1"])
    assert refuse_head(chain, head) == code


def test_future_header(chain: CertifiedChain) -> None:
    head = verify_head(chain.tip.head, chain.trust)
    check_not_from_future(head, head.time - FUTURE_MS_MAX)
    with pytest.raises(ProofError) as caught:
        check_not_from_future(head, head.time - FUTURE_MS_MAX - 1)
    assert caught.value.code == verification.HEAD_FROM_FUTURE


def test_old_state_replayed(chain: CertifiedChain) -> None:
    old = verify_head(chain.tip.head, chain.trust)
    new = verify_head(chain.add_block().head, chain.trust)
    check_not_older(old, None)
    check_not_older(new, old)
    check_not_older(new, new)
    with pytest.raises(ProofError) as caught:
        check_not_older(old, new)
    assert caught.value.code == verification.OLD_STATE


def test_two_certified_blocks_at_one_height(chain: CertifiedChain) -> None:
    twin = CertifiedChain()
    ours = verify_head(chain.tip.head, chain.trust)
    theirs = verify_head(twin.add_block({KEYS[0]: b"other"}).head, chain.trust)
    for earlier, later in ((ours, theirs), (theirs, ours)):
        with pytest.raises(ProofError) as caught:
            check_not_older(later, earlier)
        assert caught.value.code == verification.CONFLICTING_HEADS
    same_time = twin.add_block(time=chain.tip.header.time)
    with pytest.raises(ProofError) as caught:
        check_not_older(verify_head(same_time.head, chain.trust), ours)
    assert caught.value.code == verification.CONFLICTING_HEADS


def test_a_known_head_is_not_verified_again_but_only_itself(
    chain: CertifiedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = verify_head(chain.tip.head, chain.trust)
    chain.add_block()
    calls: list[CertifiedHead] = []

    def count(head: CertifiedHead, trust: object) -> Any:
        calls.append(head)
        return verify_head(head, chain.trust)

    monkeypatch.setattr(verification, "verify_head", count)
    first, second = chain.prove(QUESTION, 1), chain.prove(QUESTION, 2)
    assert verify_proven_state(first, QUESTION, chain.trust, known=known).head is known
    assert not calls
    assert verify_proven_state(second, QUESTION, chain.trust, known=known).head.height == 2
    other = replace(chain.trust, chain_id="dev:fedcba9876543210")
    with pytest.raises(ProofError):
        verify_proven_state(first, QUESTION, other, known=known)
    assert len(calls) == 1
    monkeypatch.undo()
    with pytest.raises(ProofError):
        verification.reuse_head(chain.versions[1].head, other, known)


def test_a_trust_root_without_validators_is_refused(chain: CertifiedChain) -> None:
    with pytest.raises(CertificateError):
        replace(chain.trust, validator_set=ValidatorSet(()))
    assert make_validators(["n1"]) == chain.validator_set


# Lists -------------------------------------------------------------------------------------------

PARENT = schema.grants_by_grantee_key("did:pset:dev:alpha")


@pytest.fixture
def listed() -> CertifiedChain:
    chain = CertifiedChain()
    chain.add_block(
        {PARENT: encode(ListRecord(3))}
        | {schema.child_key(PARENT, n): encode(ReferenceRecord(f"g{n}")) for n in range(3)}
    )
    return chain


def refuse_page(chain: CertifiedChain, proven: ProvenState, first: int, limit: int) -> str:
    with pytest.raises(ProofError) as caught:
        verify_children(proven, PARENT, first, limit, chain.trust)
    return caught.value.code


@pytest.mark.parametrize(("first", "limit", "count"), [(0, 10, 3), (0, 2, 2), (2, 5, 1), (3, 1, 0)])
def test_pages_of_a_list(listed: CertifiedChain, first: int, limit: int, count: int) -> None:
    state = verify_children(
        listed.prove_children(PARENT, first, limit), PARENT, first, limit, listed.trust
    )
    assert len(state.values) == 1 + count
    assert None not in state.values.values()


def test_absent_list_has_no_children(chain: CertifiedChain) -> None:
    state = verify_children(chain.prove([PARENT]), PARENT, 0, 10, chain.trust)
    assert state.values == {PARENT: None}


def test_list_children_withheld(listed: CertifiedChain) -> None:
    honest = listed.prove_children(PARENT, 0, 10)
    for cut in (honest.entries[:-1], honest.entries[:1] + honest.entries[2:], honest.entries[:1]):
        assert refuse_page(listed, replace(honest, entries=cut), 0, 10) == "KEYS_MISMATCH"
    assert refuse_page(listed, replace(honest, entries=()), 0, 10) == "KEYS_MISMATCH"
    assert refuse_page(listed, replace(honest, entries=honest.entries[1:]), 0, 10) == (
        verification.KEYS_MISMATCH
    )


def test_list_said_to_be_shorter_or_gone(listed: CertifiedChain) -> None:
    honest = listed.prove_children(PARENT, 0, 2)
    shorter = with_entry(honest, 0, value=encode(ListRecord(2)))
    assert refuse_page(listed, shorter, 0, 10) == verification.VALUE_NOT_PROVEN
    gone = replace(
        with_entry(honest, 0, value=b""), entries=with_entry(honest, 0, value=b"").entries[:1]
    )
    assert refuse_page(listed, gone, 0, 10) == verification.VALUE_NOT_PROVEN
    garbage = with_entry(honest, 0, value=b"\xff")
    assert refuse_page(listed, garbage, 0, 10) == verification.MALFORMED


def test_list_of_another_parent(listed: CertifiedChain) -> None:
    other = schema.grants_by_grantor_key("did:pset:dev:alpha")
    assert refuse_page(listed, listed.prove([other]), 0, 10) == verification.KEYS_MISMATCH


def test_child_counts_by_kind_of_parent() -> None:
    owner, number = "did:pset:dev:alpha", 7
    assert get_child_count(PARENT, encode(ListRecord(number))) == number
    names = encode(ResourceNameRecord(number, owner))
    assert get_child_count(schema.resource_name_key("x"), names) == number
    lists = encode(StatusListRecord(owner, bytes(16), version=number))
    assert get_child_count(schema.status_list_key(owner, bytes(16)), lists) == number
    with pytest.raises(ValueError, match="children"):
        get_child_count(KEYS[0], None)


@pytest.mark.parametrize(("first", "limit"), [(-1, 1), (0, 0), (0, 1001)])
def test_page_out_of_range_is_the_callers_fault(
    listed: CertifiedChain, first: int, limit: int
) -> None:
    with pytest.raises(ValueError, match="page"):
        verify_children(listed.prove([PARENT]), PARENT, first, limit, listed.trust)


# Transactions ------------------------------------------------------------------------------------


def make_transaction(number: int) -> tuple[bytes, bytes]:
    """A transaction (its content is not this module's business) and its id."""
    body = encode(TransactionBody(chain_id="dev:0123456789abcdef", expires_at=number))
    return encode(Transaction(body, (b"signature",))), compute_transaction_id(body)


@pytest.fixture
def written() -> CertifiedChain:
    chain = CertifiedChain()
    sent = [make_transaction(number) for number in range(1, 4)]
    codes = [ReceiptCode.APPLIED, ReceiptCode.SELF_GRANT, ReceiptCode.APPLIED]
    chain.add_block(
        transactions=[data for data, _ in sent],
        receipts=[Receipt(sent[n][1], 1, n, codes[n]) for n in range(3)],
    )
    return chain


def refuse_transaction(
    chain: CertifiedChain, proof: TransactionProof, transaction_id: bytes
) -> str:
    with pytest.raises(ProofError) as caught:
        verify_transaction_proof(proof, transaction_id, chain.trust)
    return caught.value.code


@pytest.mark.parametrize("index", range(3))
def test_proven_transactions_and_receipts(written: CertifiedChain, index: int) -> None:
    transaction_id = make_transaction(index + 1)[1]
    held = verify_transaction_proof(written.prove_transaction(index), transaction_id, written.trust)
    assert (held.receipt.height, held.receipt.index, held.is_repeat) == (1, index, False)
    assert held.receipt.transaction_id == held.transaction_id == transaction_id
    assert held.head.height == 1


def test_another_transactions_proof(written: CertifiedChain) -> None:
    first, second = written.prove_transaction(0), written.prove_transaction(1)
    one, two = make_transaction(1)[1], make_transaction(2)[1]
    assert refuse_transaction(written, first, two) == verification.TRANSACTION_NOT_PROVEN
    foreign = make_transaction(9)
    invented = replace(first, transaction=foreign[0])
    assert refuse_transaction(written, invented, foreign[1]) == "TRANSACTION_NOT_PROVEN"
    # The receipt of a neighbour, with that neighbour's sound audit path.
    borrowed = replace(second, receipt=first.receipt, receipt_proof=first.receipt_proof)
    assert refuse_transaction(written, borrowed, two) == verification.RECEIPT_NOT_PROVEN
    changed = replace(second, receipt=encode(Receipt(two, 1, 1, int(ReceiptCode.APPLIED))))
    assert refuse_transaction(written, changed, two) == verification.RECEIPT_NOT_PROVEN
    for proof, code in [
        (replace(first, head=None), verification.NOT_CERTIFIED),
        (replace(first, transaction_proof=None), verification.TRANSACTION_NOT_PROVEN),
        (replace(first, receipt_proof=None), verification.RECEIPT_NOT_PROVEN),
        (replace(first, receipt=b"\xff"), verification.MALFORMED),
        (replace(first, transaction_proof=LogProof(0, 1, ())), "TRANSACTION_NOT_PROVEN"),
    ]:
        assert refuse_transaction(written, proof, one) == code


def test_a_repeat_answers_the_first_receipt() -> None:
    chain = CertifiedChain()
    (first, first_id), (again, again_id) = make_transaction(1), make_transaction(2)
    receipt = Receipt(first_id, 1, 0, int(ReceiptCode.APPLIED))
    chain.add_block(transactions=[first], receipts=[receipt])
    chain.add_block(transactions=[again], receipts=[receipt])
    held = verify_transaction_proof(chain.prove_transaction(0), again_id, chain.trust)
    assert held.is_repeat
    assert held.receipt == receipt
    for bad in (
        replace(receipt, height=3),  # somebody else's receipt as if it were its own
        replace(receipt, height=99),  # a receipt of the future
        replace(receipt, code=int(ReceiptCode.SELF_GRANT)),  # a refusal is never repeated
        replace(receipt, transaction_id=b""),
    ):
        chain.add_block(transactions=[again], receipts=[bad])
        assert refuse_transaction(chain, chain.prove_transaction(0), again_id) == (
            verification.RECEIPT_NOT_PROVEN
        )


# Mutations ---------------------------------------------------------------------------------------


def test_no_mutation_of_an_answer_is_accepted(chain: CertifiedChain) -> None:
    honest = chain.prove(QUESTION)
    accept(chain, honest)
    assert honest.head is not None
    heads = (replace(honest, head=head) for head in head_mutations(honest.head))
    tried = 0
    for bent in (*mutations(honest), *heads):
        tried += 1
        with pytest.raises(ProofError):
            verify_proven_state(bent, QUESTION, chain.trust)
    assert tried > 200


def test_no_mutation_of_a_transaction_proof_is_accepted(written: CertifiedChain) -> None:
    honest, transaction_id = written.prove_transaction(1), make_transaction(2)[1]
    verify_transaction_proof(honest, transaction_id, written.trust)
    tried = 0
    for bent in mutations(honest):
        tried += 1
        with pytest.raises(ProofError):
            verify_transaction_proof(bent, transaction_id, written.trust)
    assert tried > 50
