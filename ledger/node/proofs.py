# SPDX-License-Identifier: Apache-2.0
"""Proofs of transactions in a block: all of one block at the cost of two trees, or a single one."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.model.codec import encode
from ledger.model.merkle_log import compute_inclusion_proof, compute_inclusion_proofs
from ledger.model.proofs import CertifiedHead, LogProof, TransactionProof


class BlockProver:
    """Makes the proofs of one certified block."""

    def __init__(
        self, head: CertifiedHead, transactions: Sequence[bytes], receipts: Sequence[bytes]
    ) -> None:
        """`transactions` and `receipts` are the block's canonical bytes, in its order."""
        self._head = head
        self._transactions = transactions
        self._receipts = receipts
        self._transaction_paths = compute_inclusion_proofs(transactions)
        self._receipt_paths = compute_inclusion_proofs(receipts)

    def prove(self, index: int) -> bytes:
        """The canonical TransactionProof of the transaction at a place."""
        size = len(self._transactions)
        return encode(
            TransactionProof(
                head=self._head,
                transaction=self._transactions[index],
                transaction_proof=LogProof(index, size, self._transaction_paths[index]),
                receipt=self._receipts[index],
                receipt_proof=LogProof(index, size, self._receipt_paths[index]),
            )
        )


def prove_one(
    head: CertifiedHead, transactions: Sequence[bytes], receipts: Sequence[bytes], index: int
) -> bytes:
    """As `BlockProver.prove` for one place, without the paths of all others."""
    size = len(transactions)
    return encode(
        TransactionProof(
            head=head,
            transaction=transactions[index],
            transaction_proof=LogProof(index, size, compute_inclusion_proof(transactions, index)),
            receipt=receipts[index],
            receipt_proof=LogProof(index, size, compute_inclusion_proof(receipts, index)),
        )
    )
