# SPDX-License-Identifier: Apache-2.0
"""Opening a node's stores, and the state of the chain in them.

`data/chain` holds log, blocks and state; `data/votes` the record of this key's votes, apart from it
and outside backups. The votes come first: a chain without its votes must not vote (R7).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.model.block import QuorumCertificate
from ledger.model.certificate import CertificateError, FaultModel, verify_certificate
from ledger.model.codec import decode, encode
from ledger.model.genesis import Genesis, GenesisError, decode_genesis, genesis_header
from ledger.model.limits import GENESIS_SIZE_MAX
from ledger.model.merkle_log import CompactRange
from ledger.model.proofs import CertifiedHead
from ledger.model.wire import EncodingError
from ledger.node.config import NodeConfig
from ledger.node.errors import NodeError, usage_error
from ledger.node.evidence import EVIDENCE_DIRECTORY
from ledger.node.execution import initialise_chain
from ledger.node.failpoints import Failpoint, FailpointHook, pass_by
from ledger.node.keys import (
    ValidatorKeys,
    consume_vote_key_fresh,
    is_vote_key_fresh,
    sync_directory,
)
from ledger.node.membership import read_membership, read_validators
from ledger.node.tip import Tip
from ledger.node.validators import NetworkRules
from ledger.state import tree
from ledger.storage.chain import ChainStore
from ledger.storage.consistency import check_chain, find_block_above
from ledger.storage.errors import (
    STORE_CORRUPT,
    STORE_INCONSISTENT,
    CorruptionError,
)
from ledger.storage.kv import KeyValueStore
from ledger.storage.memory import MemoryStore
from ledger.storage.vote_record import VoteRecordStore

CHAIN_DIRECTORY: Final = "chain"
VOTES_DIRECTORY: Final = "votes"
"""Within the data directory."""

OpenStore = Callable[[Path], KeyValueStore]
"""Opens the store in a directory, made if it is missing."""


@dataclass(frozen=True, slots=True)
class OpenedStores:
    """What a node starts from."""

    chain: ChainStore
    votes: VoteRecordStore
    tip: Tip
    no_vote_reason: str
    """Why this key must not vote, or an empty string."""
    evidence: KeyValueStore
    voted_index: int
    """The log entry with the block above the tip that this key has voted for; 0 for none."""


def get_opener(engine: str) -> OpenStore:
    """How stores of a configured engine are opened."""
    if engine == "memory":
        return lambda _: MemoryStore()

    def open_leveldb(directory: Path) -> KeyValueStore:
        from ledger.storage.leveldb import (
            WRITE_BUFFER_SIZE,
            WRITE_BUFFER_SIZE_SMALL,
            LevelDBStore,
        )

        # The votes are one record that is overwritten with every block: nothing to collect.
        is_small = directory.name in (VOTES_DIRECTORY, EVIDENCE_DIRECTORY)
        size = WRITE_BUFFER_SIZE_SMALL if is_small else WRITE_BUFFER_SIZE
        return LevelDBStore(directory, write_buffer_size=size)

    return open_leveldb


def load_genesis(path: Path) -> tuple[bytes, Genesis]:
    """Read and check the genesis document. Raises NodeError."""
    try:
        with path.open("rb") as file:
            data = file.read(GENESIS_SIZE_MAX + 1)
    except OSError as error:
        raise usage_error(
            "GENESIS_NOT_FOUND",
            f"{path}: {error.strerror}",
            "Put the network's genesis document where the configuration says.",
        ) from None
    try:
        return data, decode_genesis(data)
    except GenesisError as error:
        raise usage_error(
            error.code, f"{path}: {error}", "Get the genesis document of the network again."
        ) from None


def make_rules(genesis: Genesis) -> NetworkRules:
    """What every block must agree with."""
    return NetworkRules(
        chain_id=genesis.chain_id,
        protocol_version=genesis.protocol_version,
        fault_model=FaultModel(genesis.fault_model),
    )


@contextlib.contextmanager
def open_stores(
    config: NodeConfig,
    genesis: Genesis,
    rules: NetworkRules,
    keys: ValidatorKeys,
    open_store: OpenStore,
    failpoint: FailpointHook = pass_by,
) -> Generator[OpenedStores]:
    """Open both stores, check them against each other, close them at the end.

    On the first start they are made. Raises StorageError, CorruptionError, NodeError.
    """
    try:
        config.data_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise NodeError(
            "STORAGE_IO", f"{config.data_path}: {error.strerror}", "Make the directory writable."
        ) from None
    with contextlib.ExitStack() as stack:
        votes_store = open_store(config.data_path / VOTES_DIRECTORY)
        stack.callback(votes_store.close)
        chain_store = open_store(config.data_path / CHAIN_DIRECTORY)
        stack.callback(chain_store.close)
        votes = VoteRecordStore(
            votes_store, chain_id=rules.chain_id, public_key=keys.vote.public_key
        )
        chain = ChainStore(chain_store, log_entries_kept=config.consensus.log_entries_kept)
        if chain.is_empty:
            initialise_chain(chain, genesis)
        chain.check_genesis(genesis.genesis_hash)
        if is_vote_key_fresh(config.home, keys.vote.public_key):
            _begin_to_vote(config, chain, votes, failpoint)
        evidence_store = open_store(config.data_path / EVIDENCE_DIRECTORY)
        stack.callback(evidence_store.close)
        opened = _check(chain, votes, evidence_store, genesis, rules)
        if opened.no_vote_reason and opened.tip.height == 0:
            # Nothing to serve, and nobody will ever certify anything with this key.
            raise NodeError(
                "VOTE_RECORD_MISSING",
                f"this validator's data is gone: {opened.no_vote_reason}",
                "A vote key votes only with the record of its votes, or where it was made and never"
                " voted (keys/vote.fresh): give the validator a new key in a new network (a"
                " development network: pset network down --purge, then up).",
            )
        yield opened


def _begin_to_vote(
    config: NodeConfig, chain: ChainStore, votes: VoteRecordStore, failpoint: FailpointHook
) -> None:
    """The first start of this key: state that it has never voted, then that it may.

    The record first: a crash in between leaves both, and the next start ends here. Nothing was voted
    then.
    """
    if votes.latest is None:
        if chain.head.height > 0 or find_block_above(chain) is not None:
            return  # there is a chain: whoever voted on it has lost its record
        votes.initialise()
        # The store makes its files durable, not the names of its directories.
        sync_directory(config.data_path)
        sync_directory(config.data_path.parent)
        failpoint(Failpoint.AFTER_FIRST_RECORD, 0)
    consume_vote_key_fresh(config.home)


def _check(
    chain: ChainStore,
    votes: VoteRecordStore,
    evidence: KeyValueStore,
    genesis: Genesis,
    rules: NetworkRules,
) -> OpenedStores:
    def compute_state_root(version: int) -> bytes:
        try:
            return tree.root_hash(chain.state, version)
        except (tree.MissingNodeError, tree.CorruptNodeError) as error:
            raise CorruptionError(STORE_CORRUPT, f"the state tree: {error}") from error

    opened = check_chain(chain, votes.latest, compute_state_root)
    try:
        certified_by, validators, next_validators = (
            read_validators(chain, chain.state.version_at(max(0, opened.header.height - back)))
            for back in (2, 1, 0)
        )
        membership = read_membership(chain, chain.head.state_version)
    except EncodingError as error:
        raise CorruptionError(STORE_CORRUPT, f"the members in the state: {error}") from error
    if opened.header.height == 0:
        if opened.encoded_header != encode(genesis_header(genesis)):
            raise CorruptionError(
                STORE_INCONSISTENT, "the stored block 0 is not that of the genesis document"
            )
    else:
        try:
            verify_certificate(
                decode(QuorumCertificate, opened.certificate),
                certified_by.validator_set,
                chain_id=rules.chain_id,
                fault_model=rules.fault_model,
            )
        except CertificateError as error:
            raise CorruptionError(
                STORE_CORRUPT, f"the certificate of block {opened.header.height}: {error}"
            ) from error
    head = chain.head
    tip = Tip(
        header=opened.header,
        block_hash=head.block_hash,
        head=CertifiedHead(opened.encoded_header, opened.certificate),
        log=CompactRange(head.height + 1, head.log_hashes),
        state_version=head.state_version,
        state_root=head.state_root,
        certified_by=certified_by,
        validators=validators,
        next_validators=next_validators,
        membership=membership,
    )
    return OpenedStores(chain, votes, tip, opened.no_vote_reason, evidence, opened.voted_index)
