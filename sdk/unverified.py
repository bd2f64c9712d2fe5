# SPDX-License-Identifier: Apache-2.0
"""Believes whatever a node says: behind `LedgerClient.unverified()`, for debugging only.

Everything read through it says `verified=False` and carries no proof.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.model.block import BlockHeader, QuorumCertificate, Vote
from ledger.model.certificate import CertificateError, decode_vote
from ledger.model.hashes import compute_block_hash
from ledger.model.limits import (
    CERTIFICATE_SIZE_MAX,
    HEADER_SIZE_MAX,
    RECEIPT_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
)
from ledger.model.proofs import CertifiedHead, StateEntry, TransactionProof
from ledger.model.transaction import Receipt, Transaction
from ledger.model.verification import (
    MALFORMED,
    NOT_CERTIFIED,
    ProofError,
    TrustRoot,
    VerifiedHead,
    VerifiedTransaction,
    decode_certified_head,
    decode_message,
    decode_proven_state,
    decode_transaction_proof,
)
from sdk.light_client import VerifiedEntries


class Unverified:
    """Takes answers apart without checking them. Raises ProofError only for bytes it cannot read."""

    def __init__(self, trust: TrustRoot) -> None:
        """`trust`: for what the client says of its network, not for what it believes."""
        self.trust = trust
        self.chain_id = trust.chain_id
        self.highest: VerifiedHead | None = None

    @property
    def is_verifying(self) -> bool:
        return False

    def accept_path(self, steps: Sequence[bytes], since: TrustRoot) -> None:
        """Nobody is trusted because of it."""

    def accept_state(
        self, answer: bytes, keys: Sequence[bytes], floor: VerifiedHead | None
    ) -> VerifiedEntries:
        del floor
        proven = decode_proven_state(answer)
        entries = {key: StateEntry(key) for key in keys}
        entries |= {entry.key: entry for entry in proven.entries}
        return VerifiedEntries(_read_head(proven.head), entries)

    def accept_head(self, answer: bytes, floor: VerifiedHead | None) -> VerifiedHead:
        del floor
        return _read_head(decode_certified_head(answer))

    def accept_head_at(self, answer: bytes, height: int) -> VerifiedHead:
        del height
        return _read_head(decode_certified_head(answer))

    def accept_transaction(
        self, answer: bytes, transaction_id: bytes
    ) -> tuple[VerifiedTransaction, TransactionProof]:
        proof = decode_transaction_proof(answer)
        receipt = decode_message(Receipt, proof.receipt, RECEIPT_SIZE_MAX)
        held = VerifiedTransaction(
            _read_head(proof.head),
            transaction_id,
            decode_message(Transaction, proof.transaction, TRANSACTION_SIZE_MAX),
            receipt,
            is_repeat=receipt.transaction_id != transaction_id,
        )
        return held, proof

    def close(self) -> None:
        """Nothing is kept."""


def _read_head(head: CertifiedHead | None) -> VerifiedHead:
    if head is None:
        raise ProofError(NOT_CERTIFIED, "no head")
    header = decode_message(BlockHeader, head.header, HEADER_SIZE_MAX)
    vote = Vote(height=header.height)
    if head.certificate:
        certificate = decode_message(QuorumCertificate, head.certificate, CERTIFICATE_SIZE_MAX)
        try:
            vote = decode_vote(certificate.vote)
        except CertificateError as error:
            raise ProofError(MALFORMED, error.text) from error
    return VerifiedHead(header, vote, compute_block_hash(head.header), head)
