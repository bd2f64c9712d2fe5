# SPDX-License-Identifier: Apache-2.0
"""What is asked of a transaction before any state is looked at.

Everything here depends on the bytes alone, so a transaction that fails is malformed for ever and
never enters a block (docs/protocol.md, transactions). Whether the keys may do what they signed is
decided at execution (`ledger.state`).

Order: size, canonical encoding, chain, form of the body, signers, signatures. Costs one signature
verification for each signer.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model.codec import decode, encode
from ledger.model.hashes import (
    compute_operation_hash,
    compute_transaction_id,
    transaction_message,
)
from ledger.model.identifiers import is_did, is_key_id, network_of_chain
from ledger.model.keys import KeyType, verify_signature
from ledger.model.limits import SIGNERS_COUNT_MAX, TRANSACTION_SIZE_MAX
from ledger.model.personal_data import find_personal_data, text_in
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation, Signer, Transaction, TransactionBody
from ledger.model.wire import TOO_LARGE, EncodingError, get_message

IDEMPOTENCY_KEY_SIZE = 16
"""Bytes; not all zero."""

SIGNER_KEY_TYPES = (KeyType.ED25519, KeyType.P256)
"""A BLS key signs votes and nothing else."""

OPERATION_FIELD_NUMBERS: dict[type[object], int] = {
    field.message: field.number
    for field in get_message(TransactionBody).fields
    if field.name == "operation" and field.message is not None
}
"""Field number in TransactionBody by class of operation."""


class TransactionRefusedError(Exception):
    """Bytes that are no transaction of this chain. Nothing changed; `code` and `text` say why."""

    def __init__(self, code: ReceiptCode, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"{self.code.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class CheckedTransaction:
    """A transaction whose form and signatures are good."""

    transaction_id: bytes
    encoded: bytes
    """Canonical Transaction, signatures included: what `tx_root` covers."""
    body: TransactionBody
    operation_hash: bytes
    """What an idempotency key stands for."""


def encode_operation(operation: Operation) -> bytes:
    """The bytes behind an operation hash: field number in TransactionBody (u16, big-endian), then
    the operation's canonical encoding. The number keeps equal fields of two operations apart.
    """
    number = OPERATION_FIELD_NUMBERS[type(operation)]
    return number.to_bytes(2, "big") + encode(operation)


def _cut_operation(encoded_body: bytes) -> bytes:
    """The operation's canonical encoding, out of that of a body that has one.

    One value has one encoding, so this is `encode` of the operation without its work. It is the
    last field and the only one whose tag has two bytes (numbers from 16 on).
    """
    position = 0
    while (tag := encoded_body[position]) < 0x80:
        size, position = _skip_varint(encoded_body, position + 1)
        if tag & 7:  # a length, not a number
            position += size
    _, position = _skip_varint(encoded_body, position + 2)
    return encoded_body[position:]


def _skip_varint(data: bytes, position: int) -> tuple[int, int]:
    """A varint of canonical bytes, and where it ends."""
    number = shift = 0
    while (octet := data[position]) >= 0x80:
        number |= (octet & 0x7F) << shift
        shift += 7
        position += 1
    return number | octet << shift, position + 1


def check_transaction(encoded: bytes, *, chain_id: str) -> CheckedTransaction:
    """Accept a transaction or say why it can never enter a block of this chain.

    Args:
        encoded: canonical Transaction.
        chain_id: of the ledger that is asked.

    Raises:
        TransactionRefusedError: TOO_LARGE, MALFORMED, WRONG_CHAIN, AUTHOR_NOT_SIGNER,
            SIGNER_REPEATED, SIGNATURE_MISSING, SIGNATURE_EXTRA, SIGNATURE_INVALID.
    """
    if len(encoded) > TRANSACTION_SIZE_MAX:
        raise TransactionRefusedError(
            ReceiptCode.TOO_LARGE,
            f"a transaction has at most {TRANSACTION_SIZE_MAX} bytes, this one {len(encoded)}",
        )
    try:
        transaction = decode(Transaction, encoded, size_max=TRANSACTION_SIZE_MAX)
        body = decode(TransactionBody, transaction.body, size_max=TRANSACTION_SIZE_MAX)
    except EncodingError as error:
        code = ReceiptCode.TOO_LARGE if error.code == TOO_LARGE else ReceiptCode.MALFORMED
        raise TransactionRefusedError(code, str(error)) from None
    if not transaction.body:
        raise _malformed("no body")
    operation = _check_body(body, chain_id)
    number = OPERATION_FIELD_NUMBERS[type(operation)].to_bytes(2, "big")
    transaction_id = compute_transaction_id(transaction.body)
    _check_signatures(body.signers, transaction.signatures, transaction_message(transaction_id))
    return CheckedTransaction(
        transaction_id=transaction_id,
        encoded=encoded,
        body=body,
        operation_hash=compute_operation_hash(number + _cut_operation(transaction.body)),
    )


def _check_body(body: TransactionBody, chain_id: str) -> Operation:
    if body.chain_id != chain_id:
        raise TransactionRefusedError(
            ReceiptCode.WRONG_CHAIN, "the transaction was made for another ledger"
        )
    network = network_of_chain(chain_id)
    if network is None:
        raise TransactionRefusedError(ReceiptCode.WRONG_CHAIN, "the chain id is malformed")
    if not is_did(body.author, network):
        raise _malformed("author is no DID of this network")
    if len(body.idempotency_key) != IDEMPOTENCY_KEY_SIZE or not any(body.idempotency_key):
        raise _malformed(f"idempotency_key is {IDEMPOTENCY_KEY_SIZE} bytes, not all zero")
    if find_personal_data(text_in(body.idempotency_key), is_identifier=True):
        raise _malformed("idempotency_key is random bytes, and looks like personal data")
    if body.expires_at == 0:
        raise _malformed("expires_at is missing")
    if body.operation is None:
        raise _malformed("no operation")
    _check_signers(body, network)
    return body.operation


def _check_signers(body: TransactionBody, network: str) -> None:
    if not 1 <= len(body.signers) <= SIGNERS_COUNT_MAX:
        raise _malformed(f"between 1 and {SIGNERS_COUNT_MAX} signers are named")
    names: list[tuple[str, str]] = []
    public_keys: list[bytes] = []
    for position, signer in enumerate(body.signers):
        if not is_did(signer.did, network) or not is_key_id(signer.key_id):
            raise _malformed(f"signers[{position}] names no key of this network")
        if signer.type not in SIGNER_KEY_TYPES:
            raise _malformed(f"signers[{position}].type cannot sign transactions")
        if (signer.did, signer.key_id) in names or signer.public_key in public_keys:
            raise TransactionRefusedError(
                ReceiptCode.SIGNER_REPEATED, f"signers[{position}] is there twice"
            )
        names.append((signer.did, signer.key_id))
        public_keys.append(signer.public_key)
    if all(signer.did != body.author for signer in body.signers):
        raise TransactionRefusedError(
            ReceiptCode.AUTHOR_NOT_SIGNER, "no key of the author is among the signers"
        )


def _check_signatures(
    signers: tuple[Signer, ...], signatures: tuple[bytes, ...], message: bytes
) -> None:
    if len(signatures) < len(signers):
        raise TransactionRefusedError(
            ReceiptCode.SIGNATURE_MISSING,
            f"{len(signers)} signers are named, {len(signatures)} signatures are there",
        )
    if len(signatures) > len(signers):
        raise TransactionRefusedError(
            ReceiptCode.SIGNATURE_EXTRA,
            f"{len(signers)} signers are named, {len(signatures)} signatures are there",
        )
    for position, (signer, signature) in enumerate(zip(signers, signatures, strict=True)):
        if not verify_signature(signer.type, signer.public_key, message, signature):
            raise TransactionRefusedError(
                ReceiptCode.SIGNATURE_INVALID,
                f"the signature of signers[{position}] does not match the transaction",
            )


def _malformed(text: str) -> TransactionRefusedError:
    return TransactionRefusedError(ReceiptCode.MALFORMED, text)
