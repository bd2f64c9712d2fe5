# SPDX-License-Identifier: Apache-2.0
"""Signed votes, headers and certificates of the validators of a test genesis, as a liar makes them."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from ledger.model.block import (
    BlockHeader,
    QuorumCertificate,
    SignedVote,
    Vote,
    VotePhase,
)
from ledger.model.certificate import assemble_certificate
from ledger.model.codec import encode
from ledger.model.evidence import SignedHeader
from ledger.model.genesis import Genesis
from ledger.model.hashes import (
    compute_block_hash,
    compute_validators_hash,
    proposal_message,
    vote_message,
)
from ledger.model.merkle_log import EMPTY_ROOT
from tests.support.ledger_world import make_genesis, peer_key, vote_private_key

NAMES = ("n1", "n2", "n3", "n4")
HEIGHT = 7


def liars_genesis(certificate_scheme: str = "bls12381") -> Genesis:
    """Four validators of which one may lie."""
    return make_genesis(
        validators=NAMES, fault_model="byzantine", certificate_scheme=certificate_scheme
    )


def block_label(label: str) -> bytes:
    """A hash for a label."""
    return sha256(label.encode()).digest()


def make_vote(genesis: Genesis, label: str, *, height: int = HEIGHT, **fields: Any) -> bytes:
    """A vote for the block of a label."""
    values: dict[str, Any] = {
        "chain_id": genesis.chain_id,
        "height": height,
        "phase": VotePhase.COMMIT,
        "block_hash": block_label(label),
        "state_root": block_label(f"{label} state"),
        "receipts_root": EMPTY_ROOT,
        "log_root": block_label(f"{label} log"),
        **fields,
    }
    return encode(Vote(**values))


def sign_vote(genesis: Genesis, vote: bytes, name: str) -> SignedVote:
    """That vote by a validator of the genesis."""
    key = vote_private_key(name, genesis.certificate_scheme)
    return SignedVote(vote, name, key.sign(vote_message(vote)))


def certify(genesis: Genesis, vote: bytes, names: Sequence[str]) -> QuorumCertificate:
    """A certificate of these signers, however many they are."""
    votes = {name: sign_vote(genesis, vote, name).signature for name in names}
    return assemble_certificate(vote, votes, genesis.validator_set)


def make_header(genesis: Genesis, label: str, proposer: str, **fields: Any) -> BlockHeader:
    """An empty block's header, with the fields that a test wants otherwise."""
    validators_hash = compute_validators_hash(encode(genesis.validator_set))
    values: dict[str, Any] = {
        "chain_id": genesis.chain_id,
        "height": HEIGHT,
        "parent_hash": block_label(label),
        "time": genesis.created + 1_000,
        "tx_root": EMPTY_ROOT,
        "proposer": proposer,
        "validators_hash": validators_hash,
        "next_validators_hash": validators_hash,
        "protocol_version": 1,
        **fields,
    }
    return BlockHeader(**values)


def sign_header(header: BlockHeader, signer: str) -> SignedHeader:
    """A header signed with a validator's peer key."""
    data = encode(header)
    message = proposal_message(compute_block_hash(data), 0)
    return SignedHeader(data, 0, peer_key(signer).sign(message))
