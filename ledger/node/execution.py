# SPDX-License-Identifier: Apache-2.0
"""Executing a block on the certified state: receipts, writes, roots, and the vote they amount to.

Nothing is written here. The result is an overlay in memory until the block is certified; after a
crash it is computed again from the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model.block import Vote, VotePhase
from ledger.model.codec import encode
from ledger.model.genesis import Genesis, genesis_header
from ledger.model.hashes import compute_block_hash
from ledger.model.json_fields import FieldError
from ledger.model.merkle_log import CompactRange, leaf_hash
from ledger.model.state_proof import key_hash, value_hash
from ledger.model.wire import EncodingError
from ledger.node.membership import Membership
from ledger.node.proposals import CheckedBlock
from ledger.node.tip import Tip
from ledger.state import tree
from ledger.state.machine import BlockResult, compute_genesis_writes, execute_block
from ledger.storage.blocks import StoredBlock
from ledger.storage.chain import ChainHead, ChainStore
from ledger.storage.errors import STORE_CORRUPT, CorruptionError
from ledger.storage.state_store import NewestState, StateChanges


@dataclass(frozen=True, slots=True)
class ExecutedBlock:
    """A block with everything that follows from it, on the way to its certificate."""

    block: CheckedBlock
    result: BlockResult
    changes: StateChanges
    log: CompactRange
    state_version: int
    state_root: bytes
    encoded_vote: bytes
    """Canonical Vote: what every validator that executes alike signs."""
    applied_index: int
    """Of the log entry that carries the block."""


def execute(chain: ChainStore, tip: Tip, block: CheckedBlock, applied_index: int) -> ExecutedBlock:
    """Execute a checked block on the newest state, which must be that of `tip`.

    Raises CorruptionError for a damaged store.
    """
    header = block.header
    try:
        result = execute_block(NewestState(chain.state), header, block.transactions)
    except (EncodingError, FieldError) as error:
        # The transactions were checked: what cannot be read is in the state.
        raise CorruptionError(STORE_CORRUPT, f"the state: {error}") from error
    version, root = tip.state_version, tip.state_root
    new_nodes: list[tuple[bytes, bytes]] = []
    stale_node_keys: list[bytes] = []
    if result.writes:
        version = header.height
        hashed = [
            (key_hash(key), None if value is None else value_hash(value))
            for key, value in result.writes
        ]
        try:
            updated = tree.update(chain.state, tip.state_version, version, hashed)
        except (tree.MissingNodeError, tree.CorruptNodeError) as error:
            raise CorruptionError(STORE_CORRUPT, f"the state tree: {error}") from error
        root, new_nodes, stale_node_keys = (
            updated.root_hash,
            updated.new_nodes,
            updated.stale_node_keys,
        )
    log = tip.log.append(leaf_hash(block.block_hash))
    vote = Vote(
        chain_id=header.chain_id,
        epoch=header.epoch,
        height=header.height,
        round=0,
        phase=VotePhase.COMMIT,
        block_hash=block.block_hash,
        state_root=root,
        receipts_root=result.receipts_root,
        log_root=log.root(),
    )
    return ExecutedBlock(
        block=block,
        result=result,
        changes=StateChanges(
            writes=result.writes,
            new_nodes=new_nodes,
            stale_node_keys=stale_node_keys,
            expiring_added=result.expiring_added,
            expiring_removed=result.expiring_removed,
        ),
        log=log,
        state_version=version,
        state_root=root,
        encoded_vote=encode(vote),
        applied_index=applied_index,
    )


def initialise_chain(chain: ChainStore, genesis: Genesis) -> None:
    """Write block 0, the state it stands for and the ordering's members into an empty store."""
    header = encode(genesis_header(genesis))
    block_hash = compute_block_hash(header)
    writes = compute_genesis_writes(genesis)
    updated = tree.update(
        chain.state, None, 0, [(key_hash(key), value_hash(value)) for key, value in writes]
    )
    chain.initialise(
        genesis.genesis_hash,
        StoredBlock(0, header),
        ChainHead(
            height=0,
            block_hash=block_hash,
            state_version=0,
            state_root=updated.root_hash,
            log_hashes=CompactRange().append(leaf_hash(block_hash)).hashes,
        ),
        StateChanges(
            writes=writes, new_nodes=updated.new_nodes, stale_node_keys=updated.stale_node_keys
        ),
        Membership.of_genesis(genesis.validators).conf_state(),
    )
