# SPDX-License-Identifier: Apache-2.0
"""A chain of certified blocks in memory, made with the real tree, log and signatures.

What is written into its state is the test's choice: no state machine, no rules. It answers
questions with proofs as an honest node does; tests then bend the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256

from ledger.model import bls, merkle_log, schema
from ledger.model.block import BlockHeader, Validator, ValidatorSet, Vote, VotePhase
from ledger.model.certificate import FaultModel, assemble_certificate, quorum_size
from ledger.model.codec import encode
from ledger.model.hashes import compute_block_hash, compute_validators_hash, vote_message
from ledger.model.keys import KeyRole, KeyType
from ledger.model.private_key import PrivateKey
from ledger.model.proofs import (
    CertifiedHead,
    LogProof,
    ProvenState,
    StateEntry,
    TransactionProof,
    TrustStep,
)
from ledger.model.state_proof import key_hash, value_hash
from ledger.model.transaction import Receipt
from ledger.model.verification import TrustRoot, get_child_count
from ledger.state.tree import get_proof, update

CHAIN_ID = "dev:0123456789abcdef"
GENESIS_TIME = 1_760_000_000_000
BLOCK_INTERVAL_MS = 1_000


@cache
def vote_secret(name: str) -> bytes:
    return bls.generate_secret(sha256(name.encode()).digest())


def make_validators(names: Sequence[str]) -> ValidatorSet:
    return ValidatorSet(
        tuple(
            Validator(
                id=name,
                vote_key_type=KeyType.BLS12381,
                vote_key=bls.secret_to_public(vote_secret(name)),
            )
            for name in sorted(names)
        )
    )


def sign_vote(key_type: KeyType, secret: bytes, vote: bytes) -> bytes:
    """The signature under a canonical vote by a key of either scheme."""
    return PrivateKey("vote", KeyRole.VOTE, key_type, "vote", secret).sign(vote_message(vote))


def sign_head(
    header: BlockHeader,
    vote: Vote,
    validator_set: ValidatorSet,
    signers: Sequence[str],
    secret_of: Callable[[str], bytes] = vote_secret,
) -> CertifiedHead:
    """A head that says what the caller wants, certified by these validators."""
    data = encode(header)
    signed = encode(replace(vote, block_hash=compute_block_hash(data)))
    types = {validator.id: validator.vote_key_type for validator in validator_set.validators}
    votes = {
        name: sign_vote(types.get(name, KeyType.BLS12381), secret_of(name), signed)
        for name in signers
    }
    return CertifiedHead(data, encode(assemble_certificate(signed, votes, validator_set)))


@dataclass
class Version:
    """What one height holds."""

    head: CertifiedHead
    header: BlockHeader
    vote: Vote
    values: Mapping[bytes, bytes]
    tree_version: int | None
    transactions: Sequence[bytes] = ()
    receipts: Sequence[bytes] = ()


@dataclass
class CertifiedChain:
    """One network. Height 0 exists from the start and is not certified."""

    names: Sequence[str] = ("n1",)
    chain_id: str = CHAIN_ID
    fault_model: FaultModel = FaultModel.BYZANTINE
    genesis_time: int = GENESIS_TIME
    versions: list[Version] = field(default_factory=list["Version"])
    nodes: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    validators: ValidatorSet | None = None
    """None: one of each name, with the keys of this file."""
    secret_of: Callable[[str], bytes] = vote_secret
    genesis_values: Mapping[bytes, bytes] = field(default_factory=dict[bytes, bytes])

    def __post_init__(self) -> None:
        self.validator_set = self.validators or make_validators(self.names)
        trust = TrustRoot(
            self.chain_id, bytes(32), self.fault_model, self.validator_set, b"", self.genesis_time
        )
        self.genesis_header = BlockHeader(
            chain_id=self.chain_id,
            parent_hash=bytes(32),
            time=self.genesis_time,
            tx_root=merkle_log.EMPTY_ROOT,
            validators_hash=trust.validators_hash,
            next_validators_hash=trust.validators_hash,
            protocol_version=1,
        )
        data = encode(self.genesis_header)
        self.trust = replace(trust, genesis_header=data)
        self.log = merkle_log.CompactRange().append(merkle_log.leaf_hash(compute_block_hash(data)))
        head = CertifiedHead(data, b"")
        grown = update(
            self,
            None,
            0,
            [(key_hash(key), value_hash(value)) for key, value in self.genesis_values.items()],
        )
        self.nodes.update(grown.new_nodes)
        self.versions.append(Version(head, self.genesis_header, Vote(), self.genesis_values, 0))
        self.sets: dict[bytes, ValidatorSet] = {trust.validators_hash: self.validator_set}
        """Every set that a header may name, by hash."""
        self.steps: list[TrustStep] = []
        """One for each change of the validators."""

    def get_node(self, node_key: bytes) -> bytes | None:
        return self.nodes.get(node_key)

    @property
    def tip(self) -> Version:
        return self.versions[-1]

    def know_set(self, validator_set: ValidatorSet) -> bytes:
        """Let headers name a set; its hash."""
        set_hash = compute_validators_hash(encode(validator_set))
        self.sets[set_hash] = validator_set
        return set_hash

    def change_validators(self, names: Sequence[str]) -> Version:
        """Certify a block that names others for the height above it."""
        return self.add_block(next_validators_hash=self.know_set(make_validators(names)))

    def steps_from(self, first: int, last: int) -> list[TrustStep]:
        """The changes that blocks of these heights name."""
        heads = [version.head for version in self.versions[first : last + 1]]
        return [step for step in self.steps if step.head in heads]

    def add_block(
        self,
        writes: Mapping[bytes, bytes | None] | None = None,
        *,
        transactions: Sequence[bytes] = (),
        receipts: Sequence[Receipt] = (),
        time: int | None = None,
        signers: Sequence[str] | None = None,
        header: BlockHeader | None = None,
        next_validators_hash: bytes | None = None,
    ) -> Version:
        """Certify a block that leaves these values behind (None: removed).

        A `header` given is taken as it is.
        """
        parent = self.tip
        height = parent.header.height + 1
        values = dict(parent.values)
        changes: list[tuple[bytes, bytes | None]] = []
        for key, value in (writes or {}).items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
            changes.append((key_hash(key), None if value is None else value_hash(value)))
        grown = update(self, parent.tree_version, height, changes)
        self.nodes.update(grown.new_nodes)
        encoded_receipts = [encode(receipt) for receipt in receipts]
        header = header or replace(
            self.genesis_header,
            height=height,
            parent_hash=compute_block_hash(parent.head.header),
            time=parent.header.time + BLOCK_INTERVAL_MS if time is None else time,
            tx_root=merkle_log.compute_root(list(transactions)),
            tx_count=len(transactions),
            proposer=self.names[0],
            validators_hash=parent.header.next_validators_hash,
            next_validators_hash=next_validators_hash or parent.header.next_validators_hash,
        )
        block_hash = compute_block_hash(encode(header))
        self.log = self.log.append(merkle_log.leaf_hash(block_hash))
        vote = Vote(
            chain_id=self.chain_id,
            height=height,
            phase=VotePhase.COMMIT,
            block_hash=block_hash,
            state_root=grown.root_hash,
            receipts_root=merkle_log.compute_root(encoded_receipts),
            log_root=self.log.root(),
        )
        # A header that a test has bent may name nobody: genesis certifies it then.
        certifying = self.sets.get(header.validators_hash, self.validator_set)
        names = self.names
        if certifying is not self.validator_set:
            names = [validator.id for validator in certifying.validators]
        quorum = quorum_size(len(names), self.fault_model)
        chosen = list(names)[:quorum] if signers is None else signers
        head = sign_head(header, vote, certifying, chosen, self.secret_of)
        if header.next_validators_hash != header.validators_hash:
            following = self.sets.get(header.next_validators_hash)
            if following is not None:
                self.steps.append(TrustStep(head, encode(following)))
        self.versions.append(
            Version(head, header, vote, values, height, tuple(transactions), encoded_receipts)
        )
        return self.tip

    def prove(self, keys: Sequence[bytes], height: int = -1) -> ProvenState:
        """The honest answer to a question about these keys, at a height (default: the tip)."""
        version = self.versions[height]
        return ProvenState(
            self.chain_id,
            version.head,
            tuple(
                StateEntry(
                    key,
                    version.values.get(key, b""),
                    get_proof(self, version.tree_version, key_hash(key)),
                )
                for key in keys
            ),
        )

    def prove_children(
        self, parent_key: bytes, first: int, limit: int, height: int = -1
    ) -> ProvenState:
        """The honest page of a list."""
        count = get_child_count(parent_key, self.versions[height].values.get(parent_key))
        stop = min(first + limit, count)
        keys = [schema.child_key(parent_key, number) for number in range(first, stop)]
        return self.prove([parent_key, *keys], height)

    def prove_transaction(self, index: int, height: int = -1) -> TransactionProof:
        """The proof of one transaction and its receipt."""
        version = self.versions[height]
        size = len(version.transactions)
        return TransactionProof(
            version.head,
            version.transactions[index],
            LogProof(index, size, merkle_log.compute_inclusion_proof(version.transactions, index)),
            version.receipts[index],
            LogProof(index, size, merkle_log.compute_inclusion_proof(version.receipts, index)),
        )
