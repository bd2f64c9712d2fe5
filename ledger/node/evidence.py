# SPDX-License-Identifier: Apache-2.0
"""Turning what a node notices into evidence, verified before it is kept.

Each method takes what was received as it came, makes a piece, checks it as any auditor would, keeps it
and writes a line to the log. It returns what the piece shows, or None: it shows nothing, or is there
already. What the methods are handed is foreign, so nothing in it makes them raise; a store that cannot
be read or written does (StorageError). They write to the disk: one thread, not the event loop's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from ledger.model.block import (
    Block,
    BlockHeader,
    Proposal,
    QuorumCertificate,
    SignedVote,
    ValidatorSet,
    Vote,
)
from ledger.model.certificate import FaultModel
from ledger.model.codec import decode, encode
from ledger.model.evidence import (
    Accusation,
    Evidence,
    EvidenceError,
    EvidenceKind,
    SignedHeader,
    Weight,
    verify_evidence,
)
from ledger.model.limits import HEADER_SIZE_MAX, PROPOSAL_SIZE_MAX, TEXT_SIZE_MAX, VOTE_SIZE_MAX
from ledger.model.merkle_log import compute_inclusion_proof, compute_root
from ledger.model.wire import EncodingError
from ledger.storage.evidence import EvidenceStore

_log = logging.getLogger(__name__)

EVIDENCE_DIRECTORY: Final = "evidence"
"""Within the data directory."""


class EvidenceKeeper:
    """Keeps what others did wrong, as this validator saw it."""

    def __init__(
        self,
        store: EvidenceStore,
        *,
        chain_id: str,
        fault_model: FaultModel,
        witness: str,
        time_ms: Callable[[], int],
    ) -> None:
        """`witness` is this validator's id, `time_ms` its clock."""
        self._store = store
        self._chain_id = chain_id
        self._fault_model = fault_model
        self._witness = witness
        self._time_ms = time_ms

    @property
    def store(self) -> EvidenceStore:
        """What is kept."""
        return self._store

    def keep_double_vote(
        self, first: SignedVote, second: SignedVote, validator_set: ValidatorSet
    ) -> Accusation | None:
        """Two votes of one validator for one height, both signed by it."""
        place = _read_vote(first.vote)
        if place is None:
            return None
        return self._keep(
            validator_set,
            kind=EvidenceKind.DOUBLE_VOTE,
            validator=first.validator,
            epoch=place.epoch,
            height=place.height,
            first=encode(first),
            second=encode(second),
        )

    def keep_certificate_conflict(
        self, first: bytes, second: bytes, validator_set: ValidatorSet
    ) -> Accusation | None:
        """Two canonical QuorumCertificates of one height whose votes differ."""
        try:
            place = _read_vote(decode(QuorumCertificate, first).vote)
        except EncodingError:
            return None
        if place is None:
            return None
        return self._keep(
            validator_set,
            kind=EvidenceKind.CERTIFICATE_CONFLICT,
            epoch=place.epoch,
            height=place.height,
            first=first,
            second=second,
        )

    def keep_double_proposal(
        self,
        first: bytes,
        second: bytes,
        validator_set: ValidatorSet,
        *,
        first_term: int = 0,
        second_term: int = 0,
    ) -> Accusation | None:
        """Two canonical Proposals of one proposer for one height; the terms of their entries."""
        one, two = _read_header(first), _read_header(second)
        if one is None or two is None:
            return None
        return self._keep(
            validator_set,
            kind=EvidenceKind.DOUBLE_PROPOSAL,
            validator=one[1].proposer,
            epoch=one[1].epoch,
            height=one[1].height,
            first=encode(one[0]),
            second=encode(two[0]),
            first_term=first_term,
            second_term=second_term,
        )

    def keep_invalid_proposal(
        self,
        proposal: bytes,
        reason: str,
        validator_set: ValidatorSet,
        *,
        proposer: str = "",
        transaction_index: int | None = None,
        term: int = 0,
    ) -> Accusation | None:
        """A canonical Proposal that this node refused.

        Args:
            proposal: as it came.
            reason: why; names places, never what stands there.
            validator_set: of its height.
            proposer: who signed it, where the header names another.
            transaction_index: the transaction that can never enter a block, if it is that.
            term: of its entry.
        """
        read = _read_header(proposal)
        if read is None:
            return None
        signed, header = read
        fields: dict[str, Any] = {}
        transactions = _read_transactions(proposal)
        if (
            transaction_index is not None
            and transaction_index < len(transactions)
            and len(transactions) == header.tx_count
            and compute_root(transactions) == header.tx_root
        ):
            # Otherwise the transactions are not what the proposer signed, and accuse nobody.
            fields = {
                "transaction": transactions[transaction_index],
                "transaction_index": transaction_index,
                "transaction_path": compute_inclusion_proof(transactions, transaction_index),
            }
        return self._keep(
            validator_set,
            kind=EvidenceKind.INVALID_PROPOSAL,
            validator=proposer or header.proposer,
            epoch=header.epoch,
            height=header.height,
            first=encode(signed),
            first_term=term,
            reason=_cut(reason),
            **fields,
        )

    def keep_conflicting_append(
        self,
        leader: str,
        reason: str,
        validator_set: ValidatorSet,
        *,
        epoch: int,
        height: int,
        committed: bytes = b"",
        appended: bytes = b"",
        term: int = 0,
    ) -> Accusation | None:
        """A leader asked to replace what is committed.

        Args:
            leader: whom the link names as the sender.
            reason: the entry's index and terms, in words.
            validator_set: of the height.
            epoch: of the chain.
            height: of the block that is committed.
            committed: canonical Proposal, where the entry holds one.
            appended: canonical Proposal, where the other entry holds one of that height.
            term: of the leader.
        """
        parts = [_read_header(part) if part else None for part in (committed, appended)]
        first, second = (b"" if part is None else encode(part[0]) for part in parts)
        return self._keep(
            validator_set,
            kind=EvidenceKind.CONFLICTING_APPEND,
            validator=leader,
            epoch=epoch,
            height=height,
            first=first,
            second=second,
            second_term=term,
            reason=_cut(reason),
        )

    def _keep(self, validator_set: ValidatorSet, **fields: Any) -> Accusation | None:
        evidence = Evidence(
            chain_id=self._chain_id, witness=self._witness, time=self._time_ms(), **fields
        )
        try:
            accusation = verify_evidence(
                evidence,
                validator_set,
                chain_id=self._chain_id,
                fault_model=self._fault_model,
            )
            is_new = self._store.add(evidence, accusation.weight)
        except (EvidenceError, EncodingError) as error:
            _log.debug("no evidence kind=%s text=%s", fields["kind"].label, error)
            return None
        if not is_new:
            return None
        level = logging.ERROR if accusation.weight is Weight.PROOF else logging.WARNING
        _log.log(
            level,
            "evidence kept kind=%s weight=%s validators=%s height=%d digest=%s text=%s",
            accusation.kind.label,
            accusation.weight.value,
            ",".join(accusation.validators),
            accusation.height,
            evidence.digest.hex()[:16],
            accusation.text,
        )
        return accusation


def _read_vote(data: bytes) -> Vote | None:
    try:
        return decode(Vote, data, size_max=VOTE_SIZE_MAX)
    except EncodingError:
        return None


def _read_header(proposal: bytes) -> tuple[SignedHeader, BlockHeader] | None:
    try:
        envelope = decode(Proposal, proposal, size_max=PROPOSAL_SIZE_MAX)
        block = decode(Block, envelope.block)
        header = decode(BlockHeader, block.header, size_max=HEADER_SIZE_MAX)
    except EncodingError:
        return None
    return SignedHeader(block.header, envelope.round, envelope.signature), header


def _read_transactions(proposal: bytes) -> tuple[bytes, ...]:
    return decode(Block, decode(Proposal, proposal).block).transactions


def _cut(reason: str) -> str:
    return reason.encode()[:TEXT_SIZE_MAX].decode(errors="ignore")
