# SPDX-License-Identifier: Apache-2.0
"""Making a block, and what is asked of a block before it is executed.

A proposal is checked by the same function wherever it comes from: made here, received, or read from
the log after a restart. The checks, in order: form; the proposer's signature; the parent's certificate;
every transaction; that the block follows the tip (`ledger.state.block_check`). The upper bound on
time is asked of a block at first sight only, so it is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ledger.model.block import Block, BlockHeader, Proposal, QuorumCertificate
from ledger.model.certificate import CertificateError, verify_certificate
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_block_hash, proposal_message
from ledger.model.keys import KeyType, verify_signature
from ledger.model.limits import BLOCK_SIZE_MAX, HEADER_SIZE_MAX, PROPOSAL_SIZE_MAX
from ledger.model.merkle_log import compute_root
from ledger.model.private_key import PrivateKey
from ledger.model.transaction_check import CheckedTransaction, TransactionRefusedError
from ledger.model.wire import EncodingError
from ledger.node.tip import NetworkRules, Tip
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


def build_proposal(
    tip: Tip,
    transactions: Sequence[CheckedTransaction],
    *,
    rules: NetworkRules,
    proposer: str,
    key: PrivateKey,
    time_ms: int,
) -> bytes:
    """The canonical proposal of the block after `tip`, signed with the proposer's peer key.

    `time_ms` is the proposer's clock; the block's time is at least a millisecond after the tip's.
    """
    encoded = tuple(transaction.encoded for transaction in transactions)
    header = encode(
        BlockHeader(
            chain_id=rules.chain_id,
            epoch=tip.header.epoch,
            height=tip.height + 1,
            parent_hash=tip.block_hash,
            time=max(time_ms, tip.header.time + 1),
            tx_root=compute_root(encoded),
            tx_count=len(encoded),
            proposer=proposer,
            validators_hash=rules.validators_hash,
            next_validators_hash=rules.validators_hash,
            protocol_version=rules.protocol_version,
        )
    )
    return encode(
        Proposal(
            block=encode(Block(header=header, transactions=encoded)),
            parent_certificate=tip.head.certificate,
            signature=key.sign(proposal_message(compute_block_hash(header), 0)),
        )
    )


def check_proposal(
    encoded: bytes,
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
    proposal = _decode(Proposal, encoded, PROPOSAL_SIZE_MAX)
    if proposal.round != 0 or proposal.justification:
        raise ProposalError("protocol version 1 knows round 0 only")
    block = _decode(Block, proposal.block, BLOCK_SIZE_MAX)
    header = _decode(BlockHeader, block.header, HEADER_SIZE_MAX)
    block_hash = compute_block_hash(block.header)
    _check_signature(header, proposal.signature, block_hash, rules)
    _check_parent_certificate(proposal.parent_certificate, tip, rules)
    transactions = _check_transactions(block, check)
    try:
        check_block(
            header,
            transactions,
            parent=tip.header,
            # The validators do not change in protocol version 1.
            next_validators_hash=rules.validators_hash,
        )
    except BlockInvalidError as error:
        raise ProposalError(str(error)) from None
    return CheckedBlock(header, block.header, block_hash, transactions, encoded)


def _check_parent_certificate(encoded: bytes, tip: Tip, rules: NetworkRules) -> None:
    if encoded == tip.head.certificate:
        return
    # Other signers may certify the same vote (certificates are compared by their vote).
    certificate = _decode(QuorumCertificate, encoded, PROPOSAL_SIZE_MAX)
    try:
        vote = verify_certificate(
            certificate,
            rules.validator_set,
            chain_id=rules.chain_id,
            fault_model=rules.fault_model,
        )
    except CertificateError as error:
        raise ProposalError(f"the parent's certificate: {error}") from None
    if (vote.height, vote.block_hash) != (tip.height, tip.block_hash):
        raise ProposalError("the parent's certificate is of another block")


def _check_signature(
    header: BlockHeader, signature: bytes, block_hash: bytes, rules: NetworkRules
) -> None:
    for validator in rules.validator_set.validators:
        if validator.id == header.proposer:
            message = proposal_message(block_hash, 0)
            if not verify_signature(KeyType.ED25519, validator.peer_key, message, signature):
                raise ProposalError(f"the signature is not {validator.id}'s")
            return
    raise ProposalError("the proposer is no validator")


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
