# SPDX-License-Identifier: Apache-2.0
"""Whether a block may follow its parent: everything about a block but what executing it does.

Signatures and form of its transactions were checked one by one (`ledger.model.transaction_check`);
the upper bound of its time depends on a clock and is the node's.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.model.block import BlockHeader
from ledger.model.codec import encode
from ledger.model.genesis import PROTOCOL_VERSION
from ledger.model.hashes import compute_block_hash
from ledger.model.limits import (
    BLOCK_SIZE_MAX,
    BLOCK_TRANSACTIONS_COUNT_MAX,
    HEADER_SIZE_MAX,
)
from ledger.model.merkle_log import compute_root
from ledger.model.transaction_check import CheckedTransaction

TRANSACTION_OVERHEAD_SIZE_MAX = 6
"""Bytes that frame one transaction within a block's encoding: a tag and a length."""


class BlockInvalidError(Exception):
    """A block that cannot follow its parent, whoever signed it. Keep it as evidence.

    ``field`` is the member of the header or `transactions`, ``text`` says why.
    """

    def __init__(self, field: str, text: str) -> None:
        super().__init__(field, text)
        self.field = field
        self.text = text

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


def compute_tx_root(transactions: Sequence[CheckedTransaction]) -> bytes:
    """What a header says about its transactions: the RFC 6962 root over their bytes, signatures
    included.
    """
    return compute_root([transaction.encoded for transaction in transactions])


def check_block(
    header: BlockHeader,
    transactions: Sequence[CheckedTransaction],
    *,
    parent: BlockHeader,
    next_validators_hash: bytes,
) -> None:
    """Accept a block as a child of its parent.

    Args:
        header: of the block.
        transactions: of the block, in order.
        parent: header of the block before.
        next_validators_hash: of the validators of the height after this one, from the state after
            the parent.

    Raises:
        BlockInvalidError: the first thing that is wrong.
    """
    expected: dict[str, object] = {
        "chain_id": parent.chain_id,
        "epoch": parent.epoch,
        "height": parent.height + 1,
        "parent_hash": compute_block_hash(encode(parent)),
        "validators_hash": parent.next_validators_hash,
        "next_validators_hash": next_validators_hash,
        "protocol_version": PROTOCOL_VERSION,
        "tx_count": len(transactions),
    }
    for field, value in expected.items():
        if getattr(header, field) != value:
            raise BlockInvalidError(field, "not what follows from the parent")
    if header.time <= parent.time:
        raise BlockInvalidError("time", "not after the parent's")
    _check_transactions(header, transactions)


def _check_transactions(header: BlockHeader, transactions: Sequence[CheckedTransaction]) -> None:
    if len(transactions) > BLOCK_TRANSACTIONS_COUNT_MAX:
        raise BlockInvalidError("transactions", f"more than {BLOCK_TRANSACTIONS_COUNT_MAX}")
    size = HEADER_SIZE_MAX + sum(
        len(transaction.encoded) + TRANSACTION_OVERHEAD_SIZE_MAX for transaction in transactions
    )
    if size > BLOCK_SIZE_MAX:
        raise BlockInvalidError("transactions", f"more than {BLOCK_SIZE_MAX} bytes")
    if any(transaction.body.chain_id != header.chain_id for transaction in transactions):
        raise BlockInvalidError("transactions", "one was made for another ledger")
    if len({transaction.transaction_id for transaction in transactions}) != len(transactions):
        raise BlockInvalidError("transactions", "one is there twice")
    if header.tx_root != compute_tx_root(transactions):
        raise BlockInvalidError("tx_root", "not the root of the transactions")
