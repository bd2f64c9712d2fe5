# SPDX-License-Identifier: Apache-2.0
"""A chain store with blocks that fit together, in memory. Nothing is executed or signed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from consensus import Entry, HardState, Ready
from consensus.types import ConfState
from ledger.model.block import (
    Block,
    BlockHeader,
    Proposal,
    QuorumCertificate,
    Vote,
    VotePhase,
    VoteRecord,
)
from ledger.model.codec import encode
from ledger.model.hashes import compute_block_hash
from ledger.model.merkle_log import EMPTY_ROOT, CompactRange, compute_root, leaf_hash
from ledger.storage.blocks import StoredBlock
from ledger.storage.chain import ChainHead, ChainStore
from ledger.storage.consistency import OpenedChain, check_chain
from ledger.storage.memory import MemoryStore
from ledger.storage.state_store import StateChanges

MEMBERS = ConfState(voters=(1, 2, 3))


@dataclass(frozen=True, slots=True)
class MadeBlock:
    """A block that may come next, and all that is stored of it."""

    header: BlockHeader
    block_hash: bytes
    proposal: bytes
    vote: bytes


class StoredChain:
    """A validator's chain store over memory."""

    def __init__(self) -> None:
        """Block 0."""
        self.store = MemoryStore()
        self.chain = ChainStore(self.store)
        self._log = CompactRange()
        header = encode(BlockHeader(chain_id="dev:00"))
        self._log = self._log.append(leaf_hash(compute_block_hash(header)))
        self.chain.initialise(
            bytes(32),
            StoredBlock(0, header),
            ChainHead(0, compute_block_hash(header), 0, EMPTY_ROOT, self._log.hashes),
            StateChanges(()),
            MEMBERS,
        )

    def reopen(self, *, is_crashed: bool = True) -> ChainStore:
        """As after a power cut: only what was synced is there."""
        if is_crashed:
            self.store.crash()
        self.chain = ChainStore(self.store)
        return self.chain

    def make_block(self, *, time: int = 0, parent: MadeBlock | None = None) -> MadeBlock:
        """A block on top of the head or of another; `time` tells blocks of one height apart."""
        head = self.chain.head
        height = (head.height if parent is None else parent.header.height) + 1
        parent_hash = head.block_hash if parent is None else parent.block_hash
        header = BlockHeader(
            chain_id="dev:00",
            height=height,
            parent_hash=parent_hash,
            time=time,
            tx_root=EMPTY_ROOT,
        )
        encoded = encode(header)
        block_hash = compute_block_hash(encoded)
        vote = Vote(
            chain_id="dev:00",
            height=height,
            phase=VotePhase.COMMIT,
            block_hash=block_hash,
            state_root=EMPTY_ROOT,
            receipts_root=compute_root([]),
            log_root=self._log.append(leaf_hash(block_hash)).root(),
        )
        return MadeBlock(
            header, block_hash, encode(Proposal(block=encode(Block(encoded)))), encode(vote)
        )

    def append(self, *data: bytes, term: int = 1, is_committed: bool = True) -> int:
        """Persist entries; the last index."""
        log = self.chain.log
        first = log.last_index() + 1
        entries = tuple(Entry(index, term, part) for index, part in enumerate(data, first))
        state = replace(log.hard_state(), term=term, vote=1)
        if is_committed:
            state = replace(state, commit=entries[-1].index)
        self.chain.persist(Ready(entries=entries, hard_state=state, must_sync=True))
        return entries[-1].index

    def certify(
        self,
        block: MadeBlock,
        applied_index: int | None = None,
        conf: tuple[int, ConfState] | None = None,
    ) -> None:
        """Certify the next block, from a log entry or, without one, taken over from others."""
        before = self.chain.head
        log = self._log.append(leaf_hash(block.block_hash))
        self.chain.certify(
            StoredBlock(
                block.header.height,
                encode(block.header),
                block.proposal,
                encode(QuorumCertificate(vote=block.vote)),
            ),
            ChainHead(
                block.header.height,
                block.block_hash,
                0,
                EMPTY_ROOT,
                log.hashes,
                before.applied_index if applied_index is None else applied_index,
            ),
            StateChanges(()),
            conf,
        )
        self._log = log

    def add(self) -> MadeBlock:
        """The next block, through the log."""
        block = self.make_block()
        self.certify(block, self.append(block.proposal))
        return block

    def check(self, record: VoteRecord | None) -> OpenedChain:
        """Check as a start does."""
        return check_chain(self.chain, record, lambda _: EMPTY_ROOT)


def make_record(block: MadeBlock) -> VoteRecord:
    """The record of a vote for a block."""
    return VoteRecord(
        height=block.header.height, block_hash=block.block_hash, vote=block.vote, signature=b"s"
    )


def set_commit(stored: StoredChain, commit: int) -> None:
    """Persist another commit index."""
    state = stored.chain.log.hard_state()
    stored.chain.persist(Ready(hard_state=HardState(state.term, state.vote, commit)))
