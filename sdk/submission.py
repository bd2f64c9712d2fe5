# SPDX-License-Identifier: Apache-2.0
"""From an operation to signed bytes: body, idempotency key, expiry, one signature for each signer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ledger.model.codec import encode
from ledger.model.hashes import compute_transaction_id, transaction_message
from ledger.model.limits import EXPIRY_MS_MAX, TRANSACTION_SIZE_MAX
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation, Signer, Transaction, TransactionBody
from ledger.model.transaction_check import IDEMPOTENCY_KEY_SIZE
from ledger.model.wire import TOO_LARGE, EncodingError
from sdk import signers as keys
from sdk.client_checks import OperationRefusal
from sdk.errors import CallerError

EXPIRES_IN_DEFAULT: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class NamedSigner:
    """A signer under the key id that the author's DID record gives its key."""

    key_id: str
    signer: keys.Signer


@dataclass(frozen=True, slots=True)
class Author:
    """Who submits."""

    did: str
    signers: tuple[NamedSigner, ...]


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Ready to be sent; the same bytes may be sent again."""

    transaction_id: bytes
    encoded: bytes

    @property
    def hex_id(self) -> str:
        return self.transaction_id.hex()


def check_idempotency_key(key: bytes | None) -> bytes:
    """The key given, or a random one.

    Raises:
        CallerError: IDEMPOTENCY_KEY_INVALID.
    """
    if key is None:
        return secrets.token_bytes(IDEMPOTENCY_KEY_SIZE)
    if len(key) != IDEMPOTENCY_KEY_SIZE or not any(key):
        raise CallerError(
            f"an idempotency key is {IDEMPOTENCY_KEY_SIZE} bytes, not all zero",
            code="IDEMPOTENCY_KEY_INVALID",
            remedy="Derive it from your own record of the write, so that a repeat has the same.",
        )
    return key


def compute_expiry(expires_in: timedelta, now_ms: int) -> int:
    """When a transaction expires, ms.

    Raises:
        CallerError: EXPIRY_INVALID.
    """
    duration = expires_in // timedelta(milliseconds=1)
    if not 0 < duration <= EXPIRY_MS_MAX:
        raise CallerError(
            "a transaction expires within 24 hours",
            code="EXPIRY_INVALID",
            remedy="Choose expires_in between a millisecond and 24 hours.",
        )
    return now_ms + duration


async def sign_transaction(
    operation: Operation,
    author: Author,
    *,
    chain_id: str,
    idempotency_key: bytes,
    expires_at: int,
) -> SignedTransaction:
    """Build and sign a transaction.

    Raises:
        OperationRefusal: TOO_LARGE, MALFORMED: it has no bytes that a node would take.
        KeyAccessError: a signer cannot sign.
    """
    body = TransactionBody(
        chain_id=chain_id,
        author=author.did,
        signers=tuple(
            Signer(author.did, held.key_id, keys.get_key_type(held.signer), held.signer.public_key)
            for held in author.signers
        ),
        idempotency_key=idempotency_key,
        expires_at=expires_at,
        operation=operation,
    )
    try:
        encoded_body = encode(body)
        transaction_id = compute_transaction_id(encoded_body)
        message = transaction_message(transaction_id)
        signatures = await _sign(author.signers, message)
        encoded = encode(Transaction(encoded_body, signatures))
    except EncodingError as error:
        code = ReceiptCode.TOO_LARGE if error.code == TOO_LARGE else ReceiptCode.MALFORMED
        raise OperationRefusal(code, str(error)) from error
    if len(encoded) > TRANSACTION_SIZE_MAX:
        raise OperationRefusal(
            ReceiptCode.TOO_LARGE, f"a transaction has at most {TRANSACTION_SIZE_MAX} bytes"
        )
    return SignedTransaction(transaction_id, encoded)


async def _sign(signers: Sequence[NamedSigner], message: bytes) -> tuple[bytes, ...]:
    signatures: list[bytes] = []
    for held in signers:
        if isinstance(held.signer, keys.LocalSigner):
            signatures.append(held.signer.sign(message))
        else:
            # A hardware module may take its time or ask for a finger.
            signatures.append(await asyncio.to_thread(held.signer.sign, message))
    return tuple(signatures)
