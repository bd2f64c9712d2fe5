# SPDX-License-Identifier: Apache-2.0
"""Making a block, and what is asked of a block before it is executed.

A proposal is checked by the same function wherever it comes from: received, read from the log after
a restart, or handed over as a certified block. The checks, in order: form; the proposer's signature;
the parent's certificate; every transaction; that the block follows the tip
(`ledger.state.block_check`). The upper bound on time is asked of a block at first sight only, so it is
not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ledger.model.block import Block, BlockHeader, Proposal, QuorumCertificate
from ledger.model.certificate import CertificateError, FaultModel, verify_certificate
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_block_hash, proposal_message
from ledger.model.keys import KeyType, verify_signature
from ledger.model.limits import BLOCK_SIZE_MAX, HEADER_SIZE_MAX, PROPOSAL_SIZE_MAX
from ledger.model.merkle_log import compute_root
from ledger.model.private_key import PrivateKey
from ledger.model.transaction_check import CheckedTransaction, TransactionRefusedError
from ledger.model.wire import EncodingError
from ledger.node.tip import Tip
from ledger.node.validators import NetworkRules
from ledger.state.block_check import BlockInvalidError, check_block

_T = TypeVar("_T")


class ProposalError(Exception):
    """A proposal that no honest proposer makes on this tip. The message says which check failed."""


@dataclass(frozen=True, slots=True)
class CheckedBlock:
    """A block that may be executed on the tip it was checked against."""

    header: BlockHeader
    encoded_header: bytes
    block_hash: bytes
    transactions: tuple[CheckedTransaction, ...]
    proposal: bytes
    """Canonical Proposal, as it stands in the log."""


@dataclass(frozen=True, slots=True)
class ReadProposal:
    """A proposal of the right form, of which nothing else is known."""

    proposal: Proposal
    block: Block
    header: BlockHeader
    encoded: bytes


def read_proposal(encoded: bytes) -> ReadProposal:
    """Decode a proposal. Raises ProposalError."""
    proposal = _decode(Proposal, encoded, PROPOSAL_SIZE_MAX)
    if proposal.round != 0 or proposal.justification:
        raise ProposalError("protocol version 1 knows round 0 only")
    block = _decode(Block, proposal.block, BLOCK_SIZE_MAX)
    return ReadProposal(
        proposal, block, _decode(BlockHeader, block.header, HEADER_SIZE_MAX), encoded
    )


def build_proposal(
    tip: Tip,
    transactions: Sequence[CheckedTransaction],
    *,
    rules: NetworkRules,
    proposer: str,
    key: PrivateKey,
    time_ms: int,
) -> CheckedBlock:
    """The block after `tip` in a proposal signed with the proposer's peer key.

    `time_ms` is the proposer's clock; the block's time is at least a millisecond after the tip's.
    """
    encoded = tuple(transaction.encoded for transaction in transactions)
    header = BlockHeader(
        chain_id=rules.chain_id,
        epoch=tip.header.epoch,
        height=tip.height + 1,
        parent_hash=tip.block_hash,
        time=max(time_ms, tip.header.time + 1),
        tx_root=compute_root(encoded),
        tx_count=len(encoded),
        proposer=proposer,
        validators_hash=tip.validators.hash,
        next_validators_hash=tip.next_validators.hash,
        protocol_version=rules.protocol_version,
    )
    encoded_header = encode(header)
    block_hash = compute_block_hash(encoded_header)
    proposal = Proposal(
        block=encode(Block(header=encoded_header, transactions=encoded)),
        parent_certificate=tip.head.certificate,
        signature=key.sign(proposal_message(block_hash, 0)),
    )
    return CheckedBlock(header, encoded_header, block_hash, tuple(transactions), encode(proposal))


def check_proposal(
    read: ReadProposal,
    tip: Tip,
    *,
    rules: NetworkRules,
    check: Callable[[bytes], CheckedTransaction],
) -> CheckedBlock:
    """Accept a proposal as the block after `tip`, or say why not.

    `check` is `check_transaction` or a memory of it; it may raise TransactionRefusedError.

    Raises:
        ProposalError
    """
    header, encoded_header = read.header, read.block.header
    block_hash = compute_block_hash(encoded_header)
    check_proposer(header, read.proposal.signature, block_hash, tip)
    check_parent_certificate(read.proposal.parent_certificate, tip, rules)
    transactions = _check_transactions(read.block, check)
    try:
        check_block(
            header,
            transactions,
            parent=tip.header,
            next_validators_hash=tip.next_validators.hash,
        )
    except BlockInvalidError as error:
        raise ProposalError(str(error)) from None
    return CheckedBlock(header, encoded_header, block_hash, transactions, read.encoded)


def check_parent_certificate(encoded: bytes, tip: Tip, rules: NetworkRules) -> None:
    """Raise ProposalError unless a quorum has certified `tip` with this certificate."""
    if encoded == tip.head.certificate:
        return
    # Other signers may certify the same vote (certificates are compared by their vote).
    certificate = _decode(QuorumCertificate, encoded, PROPOSAL_SIZE_MAX)
    if rules.fault_model is FaultModel.CRASH and tip.height > 0:
        # The vote is certified here, and in this model nobody forges the other signatures.
        own = decode(QuorumCertificate, tip.head.certificate)
        if own.vote == certificate.vote:
            return
    try:
        vote = verify_certificate(
            certificate,
            tip.certified_by.validator_set,
            chain_id=rules.chain_id,
            fault_model=rules.fault_model,
        )
    except CertificateError as error:
        raise ProposalError(f"the parent's certificate: {error}") from None
    if (vote.height, vote.block_hash) != (tip.height, tip.block_hash):
        raise ProposalError("the parent's certificate is of another block")


def check_proposer(header: BlockHeader, signature: bytes, block_hash: bytes, tip: Tip) -> None:
    """Raise ProposalError unless a validator of the height has signed the proposal."""
    validator = tip.validators.find(header.proposer)
    if validator is None:
        raise ProposalError("the proposer is no validator")
    message = proposal_message(block_hash, 0)
    if not verify_signature(KeyType.ED25519, validator.peer_key, message, signature):
        raise ProposalError(f"the signature is not {validator.id}'s")


def _check_transactions(
    block: Block, check: Callable[[bytes], CheckedTransaction]
) -> tuple[CheckedTransaction, ...]:
    checked: list[CheckedTransaction] = []
    for index, encoded in enumerate(block.transactions):
        try:
            checked.append(check(encoded))
        except TransactionRefusedError as error:
            raise ProposalError(f"transaction {index}: {error}") from None
    return tuple(checked)


def _decode(cls: type[_T], data: bytes, size_max: int) -> _T:
    try:
        return decode(cls, data, size_max=size_max)
    except EncodingError as error:
        raise ProposalError(f"{cls.__name__}: {error}") from None
