# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest

from ledger.model import schema, verification
from ledger.model.codec import encode
from ledger.model.hashes import compute_transaction_id
from ledger.model.keys import KeyRole, KeyType
from ledger.model.receipts import ReceiptCode
from ledger.model.records import DidRecord, KeyRecord
from ledger.model.transaction import Receipt, Transaction, TransactionBody
from ledger.model.verification import ProofError
from sdk.errors import CallerError, TrustError
from sdk.proof_files import (
    DIGEST_SIZE,
    SET_PARTS_COUNT_MAX,
    STATE_MAGIC,
    TRANSACTION_MAGIC,
    check_proof,
    check_proof_file,
    encode_block_proof_file,
    encode_proof_file,
    encode_proof_set_file,
    encode_transaction_proof_file,
    join_proof_files,
    read_proof_file,
)
from tests.support.certified_chain import CertifiedChain
from tests.support.state_proofs import flips

DID = "did:pset:dev:3vQB7B6MrGQZaxCuFg4oh"
RECORD = DidRecord(
    did=DID,
    version=1,
    created=1,
    updated=1,
    keys=(KeyRecord("issue-1", KeyRole.ISSUE, KeyType.ED25519, b"\x07" * 32, 1),),
)
BODY = encode(TransactionBody(chain_id="dev:0123456789abcdef", expires_at=1))
TRANSACTION = encode(Transaction(BODY, (b"signature",)))


@pytest.fixture(scope="module")
def chain() -> CertifiedChain:
    chain = CertifiedChain()
    others = {schema.did_key(f"did:pset:dev:other{n}"): b"value" for n in range(200)}
    receipt = Receipt(compute_transaction_id(BODY), 1, 0, int(ReceiptCode.APPLIED))
    chain.add_block(
        {schema.did_key(DID): encode(RECORD)} | others,
        transactions=[TRANSACTION],
        receipts=[receipt],
    )
    return chain


@pytest.fixture(scope="module")
def state_file(chain: CertifiedChain) -> bytes:
    return encode_proof_file(chain.prove([schema.did_key(DID), schema.did_key("nobody")]))


def refuse(data: bytes, chain: CertifiedChain) -> str:
    with pytest.raises(ProofError) as caught:
        check_proof(data, chain.trust)
    return caught.value.code


def test_a_proof_file_shows_values_and_absence(chain: CertifiedChain, state_file: bytes) -> None:
    held = check_proof(state_file, chain.trust)
    assert held.state is not None
    assert held.transaction is None
    assert held.state.values == {
        schema.did_key(DID): encode(RECORD),
        schema.did_key("nobody"): None,
    }
    assert (held.height, held.time_ms) == (1, chain.tip.header.time)
    assert state_file.startswith(b"psetledger-proof/1\n")


def test_a_proof_file_shows_a_transaction(chain: CertifiedChain) -> None:
    data = encode_transaction_proof_file(chain.prove_transaction(0))
    held = check_proof(data, chain.trust)
    assert held.state is None
    assert held.transaction is not None
    assert held.transaction.receipt.code == ReceiptCode.APPLIED
    assert (held.height, held.time_ms) == (1, chain.tip.header.time)


def test_the_proof_of_one_record_is_small(chain: CertifiedChain) -> None:
    data = encode_proof_file(chain.prove([schema.did_key(DID)]))
    assert len(data) - len(encode(RECORD)) < 4096


def test_no_bit_flip_is_accepted(chain: CertifiedChain) -> None:
    data = encode_proof_file(chain.prove([schema.did_key(DID)]))
    check_proof(data, chain.trust)
    for bent in flips(data):
        assert refuse(bent, chain) == verification.MALFORMED


def test_no_bit_flip_is_accepted_by_one_who_mends_the_digest(chain: CertifiedChain) -> None:
    """The digest shows damage only: the certificate and the paths must hold by themselves.

    Each try verifies a certificate, so one bit of each byte or two is tried.
    """
    data = encode_proof_file(chain.prove([schema.did_key(DID)]))
    content = data[len(STATE_MAGIC) : -DIGEST_SIZE]
    for bent in islice(flips(content), 0, None, 11):
        body = STATE_MAGIC + bent
        refuse(body + sha256(body).digest(), chain)


def test_no_cut_or_extended_file_is_accepted(chain: CertifiedChain, state_file: bytes) -> None:
    for cut in range(0, len(state_file), 7):
        assert refuse(state_file[:cut], chain) == verification.MALFORMED
    assert refuse(state_file + b"\x00", chain) == verification.MALFORMED
    assert refuse(b"\n" + state_file, chain) == verification.MALFORMED
    assert refuse(bytes(5 * 1024 * 1024), chain) == verification.MALFORMED


def test_one_kind_of_proof_is_not_taken_for_the_other(
    chain: CertifiedChain, state_file: bytes
) -> None:
    body = TRANSACTION_MAGIC + state_file[len(STATE_MAGIC) : -DIGEST_SIZE]
    assert refuse(body + sha256(body).digest(), chain) == verification.MALFORMED


def test_a_proof_of_nothing_is_refused(chain: CertifiedChain) -> None:
    assert refuse(encode_proof_file(chain.prove([])), chain) == verification.MALFORMED
    twice = chain.prove([schema.did_key(DID)] * 2)
    assert refuse(encode_proof_file(twice), chain) == verification.MALFORMED


def block_file(chain: CertifiedChain) -> bytes:
    tip = chain.tip
    return encode_block_proof_file(tip.head, tip.transactions, tip.receipts)


def set_file(chain: CertifiedChain) -> bytes:
    states = [
        chain.prove([schema.did_key(name)], height) for name in (DID, "nobody") for height in (1, 2)
    ]
    return encode_proof_set_file([*states, states[0]])


@pytest.fixture(scope="module")
def longer(chain: CertifiedChain) -> CertifiedChain:
    """A block more, so that a set has proofs of two heights."""
    longer = CertifiedChain()
    receipt = Receipt(compute_transaction_id(BODY), 1, 0, int(ReceiptCode.APPLIED))
    longer.add_block({schema.did_key(DID): b"before"})
    second = replace(receipt, height=2)
    longer.add_block({schema.did_key(DID): b"after"}, transactions=[TRANSACTION], receipts=[second])
    return longer


def test_a_proof_file_shows_a_block(chain: CertifiedChain) -> None:
    held = check_proof(block_file(chain), chain.trust)
    assert (held.states, held.state, held.transaction) == ((), None, None)
    assert held.block is not None
    assert held.block.transactions == (compute_transaction_id(BODY).hex(),)
    assert held.block.codes == ("APPLIED",)
    assert (held.height, held.time_ms) == (1, chain.tip.header.time)


def test_a_proof_set_shows_all_its_answers_each_once(longer: CertifiedChain) -> None:
    held = check_proof(set_file(longer), longer.trust)
    shown = [(state.head.height, dict(state.values)) for state in held.states]
    key, nobody = schema.did_key(DID), schema.did_key("nobody")
    assert shown == [
        (1, {key: b"before"}),
        (2, {key: b"after"}),
        (1, {nobody: None}),
        (2, {nobody: None}),
    ]
    assert (held.height, held.state, held.block) == (1, None, None)
    joined = join_proof_files([set_file(longer), set_file(longer)])
    assert joined == set_file(longer)


@pytest.mark.parametrize("make", [block_file, set_file])
def test_no_bit_flip_of_parts_is_accepted(
    longer: CertifiedChain, make: Callable[[CertifiedChain], bytes]
) -> None:
    data = make(longer)
    check_proof(data, longer.trust)
    for bent in flips(data):
        assert refuse(bent, longer) == verification.MALFORMED
    # With the digest mended the proofs themselves must fail; each try may verify a certificate.
    magic = data[: data.index(b"\n") + 1]
    for bent in islice(flips(data[len(magic) : -DIGEST_SIZE]), 0, None, 11):
        body = magic + bent
        try:
            held = check_proof(body + sha256(body).digest(), longer.trust)
        except ProofError:
            continue
        # The path to an absent key shows the absence of its neighbours, too: nothing but the truth.
        assert held.block is None
        for state in held.states:
            version = longer.versions[state.head.height]
            assert state.values == {key: version.values.get(key) for key in state.values}


@pytest.mark.parametrize("make", [block_file, set_file])
def test_parts_that_do_not_fill_the_file_are_refused(
    longer: CertifiedChain, make: Callable[[CertifiedChain], bytes]
) -> None:
    data = make(longer)
    magic = data[: data.index(b"\n") + 1]
    content = data[len(magic) : -DIGEST_SIZE]
    first = 4 + int.from_bytes(content[:4], "big")
    for bent in (
        b"",
        content[:-1],
        content + b"\x00",
        content + bytes(4),
        content[:3],
        content[:4],
        content[:first] + b"\xff\xff\xff\xff",
        bytes(4) * 100,
    ):
        body = magic + bent
        refuse(body + sha256(body).digest(), longer)


def test_a_block_is_all_that_its_head_counts(longer: CertifiedChain) -> None:
    tip = longer.tip
    for transactions, receipts in [
        ([], []),
        (tip.transactions, []),
        ([*tip.transactions] * 2, [*tip.receipts] * 2),
        (tip.receipts, tip.transactions),
    ]:
        refuse(encode_block_proof_file(tip.head, transactions, receipts), longer)


def test_a_set_of_nothing_or_of_too_much_is_none(longer: CertifiedChain) -> None:
    assert encode_proof_set_file([]) == b""
    assert join_proof_files([]) == b""
    state = longer.prove([schema.did_key(DID)])
    many = (replace(state, chain_id=str(n)) for n in range(SET_PARTS_COUNT_MAX + 1))
    assert encode_proof_set_file(many) == b""
    with pytest.raises(ProofError):
        join_proof_files([encode_proof_file(state)])


def test_a_set_with_one_foreign_answer_is_refused(longer: CertifiedChain) -> None:
    foreign = CertifiedChain(names=("m1",))
    foreign.add_block({schema.did_key(DID): b"lie"})
    key = schema.did_key(DID)
    for states in ([longer.prove([key]), foreign.prove([key])], [longer.prove([])]):
        refuse(encode_proof_set_file(states), longer)


def test_files_that_fail_are_their_own_evidence(
    chain: CertifiedChain, state_file: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "proof"
    path.write_bytes(state_file)
    assert check_proof_file(path, chain.trust).height == 1
    other = CertifiedChain(chain_id="dev:fedcba9876543210")
    stranger = replace(chain.trust, chain_id=other.chain_id)
    foreign = CertifiedChain(names=("m1",))
    foreign.add_block({schema.did_key(DID): b"lie"})
    lie = encode_proof_file(foreign.prove([schema.did_key(DID)]))
    held = chain.prove([schema.did_key(DID)])
    altered = encode_proof_file(replace(held, entries=(replace(held.entries[0], value=b"lie"),)))
    for data, trust, code in [
        (state_file[:-1], chain.trust, "PROOF_DAMAGED"),
        (state_file, stranger, "OTHER_NETWORK"),
        (lie, chain.trust, "OTHER_VALIDATORS"),
        (altered, chain.trust, "PROOF_FAILS"),
    ]:
        path.write_bytes(data)
        with pytest.raises(TrustError) as caught:
            check_proof_file(path, trust)
        assert (caught.value.code, caught.value.evidence) == (code, path)
        assert caught.value.remedy
    assert path.read_bytes() == altered
    with pytest.raises(CallerError) as unreadable:
        check_proof_file(tmp_path / "nothing", chain.trust)
    assert unreadable.value.code == "FILE_UNREADABLE"


def test_what_is_read_is_what_was_written(chain: CertifiedChain) -> None:
    proven, proof = chain.prove([schema.did_key(DID)]), chain.prove_transaction(0)
    assert read_proof_file(encode_proof_file(proven)) == proven
    assert read_proof_file(encode_transaction_proof_file(proof)) == proof
