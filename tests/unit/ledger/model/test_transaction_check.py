# SPDX-License-Identifier: Apache-2.0
"""A transaction's form and signatures, each way in which they can be wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from ledger.model.codec import decode, encode
from ledger.model.hashes import (
    compute_operation_hash,
    compute_transaction_id,
    transaction_message,
)
from ledger.model.keys import KeyRole, KeyType
from ledger.model.limits import SIGNERS_COUNT_MAX, TRANSACTION_SIZE_MAX
from ledger.model.operations import AddSite, CreateStatusList
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Transaction, TransactionBody
from ledger.model.transaction_check import (
    OPERATION_FIELD_NUMBERS,
    TransactionRefusedError,
    check_transaction,
    encode_operation,
)
from tests.support.ledger_world import TestOrganisation, make_key, make_organisation

CHAIN_ID = "test:0123456789abcdef"
GAA = make_organisation("gaa")
TTC = make_organisation("ttc")


def make_body() -> TransactionBody:
    return TransactionBody(
        chain_id=CHAIN_ID,
        author=GAA.did,
        signers=(GAA.signer(),),
        idempotency_key=b"k" * 16,
        expires_at=1,
        operation=AddSite(organisation=GAA.did, code="1", name="Sample", province="EC"),
    )


def sign(
    body: TransactionBody, keys: tuple[tuple[TestOrganisation, str], ...] = ((GAA, "ledger"),)
) -> bytes:
    encoded = encode(body)
    message = transaction_message(compute_transaction_id(encoded))
    return encode(
        Transaction(
            body=encoded,
            signatures=tuple(organisation.keys[key].sign(message) for organisation, key in keys),
        )
    )


def refusal(encoded: bytes, chain_id: str = CHAIN_ID) -> ReceiptCode:
    with pytest.raises(TransactionRefusedError) as caught:
        check_transaction(encoded, chain_id=chain_id)
    assert caught.value.text
    assert caught.value.code.name in str(caught.value)
    assert 100 <= caught.value.code < 200, "admission answers with its own codes"
    return caught.value.code


def test_good_transaction() -> None:
    body = make_body()
    encoded = sign(body)
    checked = check_transaction(encoded, chain_id=CHAIN_ID)
    assert checked.body == body
    assert checked.encoded == encoded
    assert checked.transaction_id == compute_transaction_id(encode(body))
    assert body.operation is not None
    assert checked.operation_hash == compute_operation_hash(encode_operation(body.operation))


def test_several_signers() -> None:
    body = dataclasses.replace(make_body(), signers=(TTC.signer(), GAA.signer("admin")))
    checked = check_transaction(sign(body, ((TTC, "ledger"), (GAA, "admin"))), chain_id=CHAIN_ID)
    assert [signer.did for signer in checked.body.signers] == [TTC.did, GAA.did]


def test_operation_hash_leaves_the_envelope_out_and_tells_operations_apart() -> None:
    one = check_transaction(sign(make_body()), chain_id=CHAIN_ID)
    later = dataclasses.replace(make_body(), expires_at=2)
    other = check_transaction(sign(later), chain_id=CHAIN_ID)
    assert one.operation_hash == other.operation_hash
    assert one.transaction_id != other.transaction_id
    assert encode_operation(AddSite()) != encode_operation(CreateStatusList())
    assert sorted(OPERATION_FIELD_NUMBERS.values()) == list(range(20, 35))


CHANGES: dict[str, Callable[[TransactionBody], TransactionBody]] = {
    "author-form": lambda body: dataclasses.replace(body, author="did:pset:test:abc"),
    "author-network": lambda body: dataclasses.replace(
        body, author=make_organisation("x", network="o").did
    ),
    "no-signer": lambda body: dataclasses.replace(body, signers=()),
    "short-key": lambda body: dataclasses.replace(body, idempotency_key=b"k" * 15),
    "zero-key": lambda body: dataclasses.replace(body, idempotency_key=bytes(16)),
    "no-expiry": lambda body: dataclasses.replace(body, expires_at=0),
    "no-operation": lambda body: dataclasses.replace(body, operation=None),
    "key-id": lambda body: dataclasses.replace(
        body, signers=(dataclasses.replace(GAA.signer(), key_id="no blanks"),)
    ),
    "signer-did": lambda body: dataclasses.replace(
        body, signers=(dataclasses.replace(GAA.signer(), did="did:web:example"),)
    ),
    "bls-signer": lambda body: dataclasses.replace(
        body, signers=(dataclasses.replace(GAA.signer(), type=KeyType.BLS12381),)
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_malformed_body(name: str) -> None:
    assert refusal(sign(CHANGES[name](make_body()))) is ReceiptCode.MALFORMED


def test_an_idempotency_key_is_nobodys_number() -> None:
    body = dataclasses.replace(make_body(), idempotency_key=b"8001015009087\0\0\0")
    assert refusal(sign(body)) is ReceiptCode.MALFORMED


@pytest.mark.parametrize("encoded", [b"", b"\x00", b"\xff" * 64, sign(make_body()) + b"\x00"])
def test_bytes_that_are_no_transaction(encoded: bytes) -> None:
    assert refusal(encoded) is ReceiptCode.MALFORMED


def test_unknown_field_is_refused() -> None:
    # Field 31, length-delimited, empty: a later version's operation.
    body = encode(make_body()) + b"\xfa\x01\x00"
    message = transaction_message(compute_transaction_id(body))
    transaction = Transaction(body=body, signatures=(GAA.keys["ledger"].sign(message),))
    assert refusal(encode(transaction)) is ReceiptCode.MALFORMED


def test_too_large() -> None:
    assert refusal(bytes(TRANSACTION_SIZE_MAX + 1)) is ReceiptCode.TOO_LARGE


@pytest.mark.parametrize("chain_id", ["test:0123456789abcdee", "other:0123456789abcdef"])
def test_wrong_chain(chain_id: str) -> None:
    assert refusal(sign(make_body()), chain_id) is ReceiptCode.WRONG_CHAIN


def test_chain_id_without_form_is_refused() -> None:
    body = dataclasses.replace(make_body(), chain_id="test")
    assert refusal(sign(body), "test") is ReceiptCode.WRONG_CHAIN


def test_author_is_no_signer() -> None:
    body = dataclasses.replace(make_body(), signers=(TTC.signer(),))
    assert refusal(sign(body, ((TTC, "ledger"),))) is ReceiptCode.AUTHOR_NOT_SIGNER


def test_signer_repeated() -> None:
    body = dataclasses.replace(make_body(), signers=(GAA.signer(), GAA.signer()))
    twice = ((GAA, "ledger"), (GAA, "ledger"))
    assert refusal(sign(body, twice)) is ReceiptCode.SIGNER_REPEATED


def test_one_public_key_under_two_names_is_one_signer() -> None:
    alias = dataclasses.replace(GAA.signer(), key_id="alias")
    body = dataclasses.replace(make_body(), signers=(GAA.signer(), alias))
    twice = ((GAA, "ledger"), (GAA, "ledger"))
    assert refusal(sign(body, twice)) is ReceiptCode.SIGNER_REPEATED


def test_signature_missing() -> None:
    assert refusal(sign(make_body(), ())) is ReceiptCode.SIGNATURE_MISSING


def test_signature_extra() -> None:
    both = ((GAA, "ledger"), (GAA, "admin"))
    assert refusal(sign(make_body(), both)) is ReceiptCode.SIGNATURE_EXTRA


def test_signature_by_another_key() -> None:
    assert refusal(sign(make_body(), ((GAA, "admin"),))) is ReceiptCode.SIGNATURE_INVALID


def test_no_bit_of_body_or_signature_can_change() -> None:
    encoded = sign(make_body())
    transaction = decode(Transaction, encoded)
    for size in range(0, len(transaction.body), 7):
        changed = bytearray(transaction.body)
        changed[size] ^= 1
        refusal(encode(dataclasses.replace(transaction, body=bytes(changed))))
    for size in range(64):
        signature = bytearray(transaction.signatures[0])
        signature[size] ^= 1
        forged = dataclasses.replace(transaction, signatures=(bytes(signature),))
        assert refusal(encode(forged)) is ReceiptCode.SIGNATURE_INVALID


def test_one_bad_signature_among_the_largest_number_is_found() -> None:
    organisation = make_organisation("many")
    for number in range(SIGNERS_COUNT_MAX):
        organisation.keys[str(number)] = make_key(f"many/{number}", KeyRole.LEDGER)
    names = [str(number) for number in range(SIGNERS_COUNT_MAX)]
    body = dataclasses.replace(
        make_body(),
        author=organisation.did,
        signers=tuple(organisation.signer(name) for name in names),
    )
    keys = tuple((organisation, name) for name in names)
    check_transaction(sign(body, keys), chain_id=CHAIN_ID)
    wrong = (*keys[:-1], (organisation, "admin"))
    assert refusal(sign(body, wrong)) is ReceiptCode.SIGNATURE_INVALID
