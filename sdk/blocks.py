# SPDX-License-Identifier: Apache-2.0
"""Blocks and heads as results: what a certified head says, and a block checked against it."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.model.block import Block, Proposal, QuorumCertificate
from ledger.model.certificate import get_signers
from ledger.model.hashes import compute_transaction_id
from ledger.model.limits import (
    BLOCK_SIZE_MAX,
    CERTIFICATE_SIZE_MAX,
    PROPOSAL_SIZE_MAX,
    RECEIPT_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
)
from ledger.model.merkle_log import compute_root
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Receipt, Transaction
from ledger.model.verification import (
    HEAD_MISMATCH,
    ProofError,
    TrustRoot,
    VerifiedHead,
    decode_message,
)
from sdk.moments import to_instant
from sdk.node_api import BlockAnswer
from sdk.results import BlockSummary


def summarise_head(
    head: VerifiedHead,
    trust: TrustRoot,
    *,
    transactions: Sequence[str] = (),
    codes: Sequence[str] = (),
) -> BlockSummary:
    """A verified head as a result."""
    certificate = decode_message(QuorumCertificate, head.encoded.certificate, CERTIFICATE_SIZE_MAX)
    return BlockSummary(
        height=head.height,
        time=to_instant(head.time),
        block_hash=head.block_hash.hex(),
        parent_hash=head.header.parent_hash.hex(),
        proposer=head.header.proposer,
        state_root=head.state_root.hex(),
        receipts_root=head.vote.receipts_root.hex(),
        log_root=head.vote.log_root.hex(),
        tx_root=head.header.tx_root.hex(),
        signers=get_signers(certificate, trust.validator_set),
        transactions=transactions,
        codes=codes,
        tx_count=head.header.tx_count,
    )


def read_block(answer: BlockAnswer, head: VerifiedHead, trust: TrustRoot) -> BlockSummary:
    """Check a block and its receipts against its verified head.

    Raises:
        ProofError: MALFORMED, HEAD_MISMATCH.
    """
    proposal = decode_message(Proposal, answer.proposal, PROPOSAL_SIZE_MAX)
    block = decode_message(Block, proposal.block, BLOCK_SIZE_MAX)
    if block.header != head.encoded.header:
        raise ProofError(HEAD_MISMATCH, "the block has another header than the certified one")
    count = head.header.tx_count
    if len(block.transactions) != count or len(answer.receipts) != count:
        raise ProofError(HEAD_MISMATCH, f"not the {count} transactions and receipts of the block")
    if compute_root(block.transactions) != head.header.tx_root:
        raise ProofError(HEAD_MISMATCH, "the transactions are not those of the certified header")
    if compute_root(answer.receipts) != head.vote.receipts_root:
        raise ProofError(HEAD_MISMATCH, "the receipts are not those of the certified vote")
    transactions = [
        compute_transaction_id(decode_message(Transaction, held, TRANSACTION_SIZE_MAX).body).hex()
        for held in block.transactions
    ]
    receipts = [decode_message(Receipt, held, RECEIPT_SIZE_MAX) for held in answer.receipts]
    codes = [_code_name(receipt.code) for receipt in receipts]
    return summarise_head(head, trust, transactions=transactions, codes=codes)


def _code_name(code: int) -> str:
    try:
        return ReceiptCode(code).name
    except ValueError:
        return f"CODE_{code}"
