# SPDX-License-Identifier: Apache-2.0
"""What a certified block holds: its transactions and receipts, checked against its head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.model.hashes import compute_transaction_id
from ledger.model.limits import RECEIPT_SIZE_MAX, TRANSACTION_SIZE_MAX
from ledger.model.merkle_log import compute_root
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Receipt, Transaction
from ledger.model.verification import HEAD_MISMATCH, ProofError, VerifiedHead, decode_message


@dataclass(frozen=True, slots=True)
class VerifiedBlock:
    """A certified head with everything that its block holds."""

    head: VerifiedHead
    transactions: tuple[str, ...]
    """Ids, hexadecimal, in the order of the block."""
    codes: tuple[str, ...]
    """Name of each transaction's receipt code."""


def verify_block_content(
    head: VerifiedHead, transactions: Sequence[bytes], receipts: Sequence[bytes]
) -> VerifiedBlock:
    """Check canonical transactions and receipts against the roots that were certified.

    Raises:
        ProofError: HEAD_MISMATCH, MALFORMED.
    """
    count = head.header.tx_count
    if len(transactions) != count or len(receipts) != count:
        raise ProofError(HEAD_MISMATCH, f"not the {count} transactions and receipts of the block")
    if compute_root(transactions) != head.header.tx_root:
        raise ProofError(HEAD_MISMATCH, "the transactions are not those of the certified header")
    if compute_root(receipts) != head.vote.receipts_root:
        raise ProofError(HEAD_MISMATCH, "the receipts are not those of the certified vote")
    ids = [
        compute_transaction_id(decode_message(Transaction, held, TRANSACTION_SIZE_MAX).body).hex()
        for held in transactions
    ]
    codes = [_code_name(decode_message(Receipt, held, RECEIPT_SIZE_MAX).code) for held in receipts]
    return VerifiedBlock(head, tuple(ids), tuple(codes))


def _code_name(code: int) -> str:
    try:
        return ReceiptCode(code).name
    except ValueError:
        return f"CODE_{code}"
