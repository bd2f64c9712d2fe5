# SPDX-License-Identifier: Apache-2.0
"""Blocks and heads as results: what a certified head says, and a block checked against it."""

from __future__ import annotations

from dataclasses import replace

from ledger.model.block import Block, Proposal, QuorumCertificate
from ledger.model.certificate import get_signers
from ledger.model.limits import (
    BLOCK_SIZE_MAX,
    CERTIFICATE_SIZE_MAX,
    PROPOSAL_SIZE_MAX,
)
from ledger.model.verification import (
    HEAD_MISMATCH,
    ProofError,
    TrustRoot,
    VerifiedHead,
    decode_message,
)
from sdk.block_proofs import VerifiedBlock, verify_block_content
from sdk.moments import to_instant
from sdk.node_api import BlockAnswer
from sdk.proof_files import encode_block_proof_file
from sdk.results import BlockSummary


def summarise_head(head: VerifiedHead, trust: TrustRoot) -> BlockSummary:
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
        signers=_find_signers(head, certificate, trust),
        transactions=(),
        codes=(),
        tx_count=head.header.tx_count,
    )


def _find_signers(
    head: VerifiedHead, certificate: QuorumCertificate, trust: TrustRoot
) -> tuple[str, ...]:
    """Ids of those who certified; none where a head that nobody verified names unknown validators."""
    trusted = trust.find_set(head.height)
    if trusted is None or trusted.hash != head.header.validators_hash:
        return ()
    return get_signers(certificate, trusted.validator_set)


def read_block(
    answer: BlockAnswer, head: VerifiedHead, trust: TrustRoot, *, is_verified: bool = True
) -> BlockSummary:
    """Check a block and its receipts against its verified head.

    Args:
        answer: of a node.
        head: of the same height.
        trust: of the network.
        is_verified: False when the head is only a node's word: then nothing is proven.

    Raises:
        ProofError: MALFORMED, HEAD_MISMATCH.
    """
    proposal = decode_message(Proposal, answer.proposal, PROPOSAL_SIZE_MAX)
    block = decode_message(Block, proposal.block, BLOCK_SIZE_MAX)
    if block.header != head.encoded.header:
        raise ProofError(HEAD_MISMATCH, "the block has another header than the certified one")
    held = verify_block_content(head, block.transactions, answer.receipts)
    proof = b""
    if is_verified:
        proof = encode_block_proof_file(head.encoded, block.transactions, answer.receipts)
    return summarise_block(held, trust, proof=proof)


def summarise_block(held: VerifiedBlock, trust: TrustRoot, *, proof: bytes = b"") -> BlockSummary:
    """A verified block as a result."""
    summary = summarise_head(held.head, trust)
    return replace(summary, transactions=[*held.transactions], codes=[*held.codes], proof=proof)
