# SPDX-License-Identifier: Apache-2.0
"""What is checked when a node opens its stores: head, blocks, certificate, log and vote record
against each other.

Every test compares two things that were written together or one after the other; what a crash can
leave behind passes, anything else is a CorruptionError that says which two differ. The certificate's
signature is verified by the node, which knows the validators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from consensus import Entry
from ledger.model.block import (
    Block,
    BlockHeader,
    Proposal,
    QuorumCertificate,
    Vote,
    VoteRecord,
)
from ledger.model.codec import decode
from ledger.model.hashes import compute_block_hash
from ledger.model.merkle_log import CompactRange, compute_root
from ledger.model.wire import EncodingError
from ledger.storage.blocks import StoredBlock
from ledger.storage.chain import ChainHead, ChainStore
from ledger.storage.errors import STORE_CORRUPT, STORE_INCONSISTENT, CorruptionError
from ledger.storage.log_blocks import EntryBlock, find_entry_block, iterate_entry_blocks
from ledger.storage.vote_record import is_pledge

VOTE_RECORD_MISSING: Final = (
    "the record of this key's votes is missing, so it must never vote again"
)
VOTE_RECORD_OLD: Final = (
    "the record of this key's votes is older than the chain, so it must never vote again"
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class OpenedChain:
    """What the checks found on the way."""

    header: BlockHeader
    encoded_header: bytes
    certificate: bytes
    """Canonical QuorumCertificate of the head; empty at height 0."""
    vote: Vote | None
    """What the certificate says; None at height 0."""
    no_vote_reason: str
    """Why this node must not vote (R7), or an empty string."""
    voted_index: int = 0
    """The log entry of a block above the head that this node has voted for, so it was committed; 0
    when there is none.
    """


def check_chain(
    chain: ChainStore,
    vote_record: VoteRecord | None,
    compute_state_root: Callable[[int], bytes],
) -> OpenedChain:
    """Check an initialised chain store; `compute_state_root` takes a state version.

    Raises:
        CorruptionError: STORE_CORRUPT, STORE_INCONSISTENT.
    """
    head = chain.head
    block = chain.blocks.block(head.height)
    if block is None:
        raise _differ(f"the head is {head.height}", "that block is not stored")
    header = _decode("the head's header", BlockHeader, block.header)
    if compute_block_hash(block.header) != head.block_hash or header.height != head.height:
        raise _differ("the head", "the header stored at its height")
    _check_parent(chain, header)
    if chain.state.version_at(head.height) != head.state_version:
        raise _differ("the head's state version", "the one stored for its height")
    if compute_state_root(head.state_version) != head.state_root:
        raise _differ("the head's state root", "the root of the stored tree")
    vote = None
    if head.height > 0:
        certificate = _decode("the certificate", QuorumCertificate, block.certificate)
        vote = _decode("the certified vote", Vote, certificate.vote)
        _check_certified(head, vote)
        _check_content(block, header, vote)
    _check_log(chain)
    reason, voted_index = _check_votes(chain, block, vote_record)
    return OpenedChain(header, block.header, block.certificate, vote, reason, voted_index)


def _check_parent(chain: ChainStore, header: BlockHeader) -> None:
    if header.height == 0:
        return
    parent = chain.blocks.header(header.height - 1)
    if parent is None or compute_block_hash(parent) != header.parent_hash:
        raise _differ(f"the parent hash of block {header.height}", "the block below it")


def _check_certified(head: ChainHead, vote: Vote) -> None:
    if (vote.height, vote.block_hash) != (head.height, head.block_hash):
        raise _differ("the head", "the block its certificate is of")
    if vote.state_root != head.state_root:
        raise _differ("the head's state root", "the certified one")
    try:
        log_root = CompactRange(head.height + 1, head.log_hashes).root()
    except ValueError as error:
        raise CorruptionError(STORE_CORRUPT, f"the head's block log: {error}") from None
    if vote.log_root != log_root:
        raise _differ("the head's block log", "the certified one")


def _check_content(block: StoredBlock, header: BlockHeader, vote: Vote) -> None:
    proposal = _decode("the head's proposal", Proposal, block.proposal)
    content = _decode("the head's block", Block, proposal.block)
    if content.header != block.header:
        raise _differ("the head's header", "the header in its proposal")
    if compute_root(content.transactions) != header.tx_root:
        raise _differ("the head's transactions", "the root in its header")
    if compute_root(block.receipts) != vote.receipts_root:
        raise _differ("the head's receipts", "the certified root")


def _check_log(chain: ChainStore) -> None:
    """The log entry applied last holds a block of the chain, and the log goes on from it.

    It carried the head, or one below it where the blocks since were taken over from others.
    """
    head, log = chain.head, chain.log
    index = head.applied_index
    if not log.first_index() - 1 <= index <= log.last_index():
        raise _differ(
            f"the head was applied from log entry {index}",
            f"the log holds {log.first_index()} to {log.last_index()}",
        )
    if log.conf_index > log.last_index():
        raise _differ(
            f"the members are those of log entry {log.conf_index}",
            f"the log ends at {log.last_index()}",
        )
    if index >= log.first_index():
        [entry] = log.entries(index, index + 1, size_bytes_max=1)
        found = find_entry_block(entry)
        if found is None or found.height > head.height:
            raise _differ(f"the head was applied from log entry {index}", "what is there")
        if chain.blocks.proposal(found.height) != entry.data:
            raise _differ(f"the proposal of block {found.height}", f"log entry {index}")


def _check_votes(
    chain: ChainStore, block: StoredBlock, record: VoteRecord | None
) -> tuple[str, int]:
    """Why this node must not vote, and the log entry of the block it voted for."""
    head = chain.head
    voted_index = 0
    # All are read, also where no vote is compared with them: damage shows now.
    for found in _blocks_above(chain):
        if record is not None and compute_block_hash(found.block.header) == record.block_hash:
            voted_index = found.entry.index
    if record is None:
        return VOTE_RECORD_MISSING, 0
    if record.height < head.height:
        return VOTE_RECORD_OLD, 0
    if record.height == head.height:
        _check_vote_at_head(head, block, record)
        return "", 0
    if is_pledge(record):
        return "", 0  # the chain up to there is being taken over
    if record.height > head.height + 1:
        raise _differ(
            f"this node has voted for block {record.height}", f"the chain ends at {head.height}"
        )
    if not voted_index:
        raise _differ(f"this node has voted for block {record.height}", "the log does not hold it")
    return "", voted_index


def _check_vote_at_head(head: ChainHead, block: StoredBlock, record: VoteRecord) -> None:
    if head.height == 0:
        return
    if is_pledge(record):
        if record.block_hash != head.block_hash:
            raise _differ("the certificate that this node knew", "the block that is certified")
        return
    certificate = _decode("the certificate", QuorumCertificate, block.certificate)
    if record.vote != certificate.vote:
        raise _differ("the last vote of this node", "the vote that was certified")


def _blocks_above(chain: ChainStore) -> Iterator[EntryBlock]:
    log, head = chain.log, chain.head
    for found in iterate_entry_blocks(log, head.applied_index + 1, log.last_index() + 1):
        if found.height > head.height:
            yield found


def find_block_above(chain: ChainStore) -> tuple[Entry, Block] | None:
    """The block in flight when the node stopped: in the log, above the head. None if none was.

    Raises CorruptionError when the log cannot be read.
    """
    found = next(_blocks_above(chain), None)
    return None if found is None else (found.entry, found.block)


def _decode(what: str, cls: type[_T], data: bytes) -> _T:
    try:
        return decode(cls, data)
    except EncodingError as error:
        raise CorruptionError(STORE_CORRUPT, f"{what}: {error}") from error


def _differ(one: str, other: str) -> CorruptionError:
    return CorruptionError(STORE_INCONSISTENT, f"two things differ: {one} / {other}")
