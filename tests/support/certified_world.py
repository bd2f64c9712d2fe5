# SPDX-License-Identifier: Apache-2.0
"""A LedgerWorld whose blocks are certified, and nodes that serve it: what a client needs, in memory.

    world = CertifiedWorld()
    client = make_client(world, tmp_path, org="qcto")

Rules, receipts, trees, proofs and signatures are real. A `FakeNode` answers honestly unless a test
puts a fault in its way or bends its answers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ledger.model.block import Block, Proposal
from ledger.model.codec import decode, encode
from ledger.model.genesis import Genesis, encode_genesis
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.transaction import Receipt, Transaction, TransactionBody
from ledger.model.transaction_check import TransactionRefusedError
from ledger.model.verification import TrustRoot, make_trust_root
from ledger.state.machine import BlockResult, compute_genesis_writes, dry_run
from ledger.state.validators import get_active_set
from sdk.aio_client import LedgerClient
from sdk.failover import Failover
from sdk.home import Home
from sdk.networks import Endpoint, Network, write_network
from sdk.node_api import (
    BatchAnswer,
    BatchItem,
    BlockAnswer,
    CallFault,
    Node,
    NodeCallError,
    SubmitAnswer,
    TransactionAnswer,
    TransactionState,
    TrustPathAnswer,
)
from sdk.results import NodeStatus, Wait
from tests.support.certified_chain import CertifiedChain
from tests.support.ledger_execution import LedgerWorld
from tests.support.ledger_world import TestKey, make_genesis, vote_secret


class CertifiedWorld(LedgerWorld):
    """A LedgerWorld with a certificate for every block."""

    def __init__(self, genesis: Genesis | None = None, **options: Any) -> None:
        genesis = genesis or make_genesis()
        self.chain = CertifiedChain(
            names=[validator.id for validator in genesis.validators],
            chain_id=genesis.chain_id,
            fault_model=make_trust_root(genesis).fault_model,
            genesis_time=genesis.created,
            validators=genesis.validator_set,
            secret_of=vote_secret,
            genesis_values=dict(compute_genesis_writes(genesis)),
        )
        self.places: dict[bytes, tuple[int, int]] = {}
        super().__init__(genesis, **options)

    @property
    def trust(self) -> TrustRoot:
        return make_trust_root(self.genesis)

    def run_block(self, encoded: Sequence[bytes], *, time: int | None = None) -> BlockResult:
        # Whom the next header names.
        self.chain.know_set(get_active_set(self.state))
        result = super().run_block(encoded, time=time)
        self.chain.add_block(
            dict(result.writes),
            transactions=encoded,
            receipts=result.receipts,
            header=self.header,
        )
        for index, item in enumerate(encoded):
            self.places.setdefault(self.check(item).transaction_id, (self.header.height, index))
        return result


Bend = Callable[[bytes], bytes]


@dataclass(eq=False)
class FakeNode:
    """A node over a CertifiedWorld."""

    world: CertifiedWorld
    name: str = "n1 (here)"
    faults: list[NodeCallError] = field(default_factory=list[NodeCallError])
    """Raised by the next calls, one each."""
    bends: dict[str, Bend] = field(default_factory=dict[str, Bend])
    """What is done to the answers, by name of the method."""
    calls: Counter[str] = field(default_factory=Counter[str])
    bend_path: Callable[[Sequence[bytes]], Sequence[bytes]] = tuple
    """What is done to the changes of the validators that it proves."""
    is_closed: bool = False
    height: int | None = None
    """Serves this height; None: the tip."""
    before: Callable[[str], None] | None = None
    """Called with the method's name before each answer."""
    keys_count_max: int = 2048
    found_by_key: bytes | None = None
    """Answer this transaction to every idempotency key."""
    leader: str = ""
    """The validator that it says leads, if it says so."""
    voting_reason: str = ""
    """Why it says that it does not vote."""
    pending: set[bytes] = field(default_factory=set[bytes])
    """Ids of transactions that it says are in the queue, unless they are certified."""
    by_method: dict[str, list[NodeCallError]] = field(
        default_factory=dict[str, list[NodeCallError]]
    )
    """As `faults`, by name of the method."""
    hanging: set[str] = field(default_factory=set[str])
    """Methods that never answer."""

    @property
    def validator(self) -> str:
        return self.name.partition(" ")[0]

    async def submit(self, transaction: bytes, wait: Wait, *, seconds: float) -> SubmitAnswer:
        await self._begin("submit", seconds)
        transaction_id = self.execute(transaction)
        if wait is Wait.ACCEPTED:
            return SubmitAnswer(b"", self.leader)
        return SubmitAnswer(self._bend("submit", self._prove(transaction_id)), self.leader)

    async def submit_batch(
        self, transactions: Sequence[bytes], wait: Wait, *, seconds: float
    ) -> BatchAnswer:
        await self._begin("submit_batch", seconds)
        items: list[BatchItem] = []
        for transaction in transactions:
            try:
                transaction_id = self.execute(transaction)
            except NodeCallError as error:
                items.append(BatchItem(b"", error.reason, error.text))
                continue
            proof = b"" if wait is Wait.ACCEPTED else self._prove(transaction_id)
            items.append(BatchItem(self._bend("submit_batch", proof), "", ""))
        return BatchAnswer(items, self.leader)

    async def dry_run(self, transaction: bytes, *, seconds: float) -> bytes:
        await self._begin("dry_run", seconds)
        receipt = dry_run(
            self.world.state,
            time_ms=self.world.time + 1000,
            height=self.world.header.height + 1,
            transaction=self._check(transaction),
        )
        return self._bend("dry_run", encode(receipt))

    async def get_transaction(
        self,
        *,
        transaction_id: bytes = b"",
        author: str = "",
        idempotency_key: bytes = b"",
        seconds: float,
    ) -> TransactionAnswer:
        await self._begin("get_transaction", seconds)
        if author:
            transaction_id = self.find(author, idempotency_key)
        height = self.world.places.get(transaction_id, (len(self.world.chain.versions), 0))[0]
        if height >= (len(self.world.chain.versions) if self.height is None else self.height + 1):
            state = TransactionState.UNKNOWN
            if transaction_id in self.pending:
                state = TransactionState.PENDING
            return TransactionAnswer(state, b"")
        return TransactionAnswer(
            TransactionState.CERTIFIED,
            self._bend("get_transaction", self._prove(transaction_id)),
        )

    async def get_many(self, keys: Sequence[bytes], *, seconds: float) -> bytes:
        await self._begin("get_many", seconds)
        if len(keys) > self.keys_count_max:
            raise NodeCallError(CallFault.REFUSED, "too many keys", reason="RESOURCE_LIMIT")
        return self._bend("get_many", encode(self.world.chain.prove(keys, self._height)))

    async def list_children(
        self, parent_key: bytes, first: int, limit: int, *, seconds: float
    ) -> bytes:
        await self._begin("list_children", seconds)
        page = self.world.chain.prove_children(parent_key, first, limit, self._height)
        return self._bend("list_children", encode(page))

    async def get_head(self, *, seconds: float) -> bytes:
        await self._begin("get_head", seconds)
        return self._bend("get_head", encode(self.world.chain.versions[self._height].head))

    async def get_head_at(self, height: int, *, seconds: float) -> bytes:
        await self._begin("get_head_at", seconds)
        return self._bend("get_head_at", encode(self._version(height).head))

    async def get_block(self, height: int, *, seconds: float) -> BlockAnswer:
        await self._begin("get_block", seconds)
        version = self._version(height)
        block = Block(version.head.header, tuple(version.transactions))
        proposal = encode(Proposal(encode(block)))
        return BlockAnswer(
            self._bend("get_block", proposal),
            version.head.header,
            version.head.certificate,
            tuple(version.receipts),
        )

    async def get_trust_path(
        self, from_height: int, count: int, *, seconds: float
    ) -> TrustPathAnswer:
        await self._begin("get_trust_path", seconds)
        known = [encode(step) for step in self.world.chain.steps_from(from_height, self._top)]
        return TrustPathAnswer(tuple(self.bend_path(known[:count])))

    async def get_status(self, *, seconds: float) -> NodeStatus:
        await self._begin("get_status", seconds)
        return NodeStatus(
            chain_id=self.world.chain_id,
            node_id=self.validator,
            organisation="",
            role="validator",
            height=self.world.header.height,
            applied_height=self.world.header.height,
            voting=not self.voting_reason,
            voting_reason=self.voting_reason,
            state_root="",
            software_version="0",
            protocol_version=1,
            time=datetime.fromtimestamp(self.world.time / 1000, UTC),
            term=0,
            leader=self.leader,
        )

    async def close(self) -> None:
        self.is_closed = True

    @property
    def _top(self) -> int:
        return len(self.world.chain.versions) - 1 if self.height is None else self.height

    @property
    def _height(self) -> int:
        return -1 if self.height is None else self.height

    async def _begin(self, method: str, seconds: float) -> None:
        assert seconds > 0, "a call has time"
        self.calls[method] += 1
        if self.faults:
            raise self.faults.pop(0)
        if self.by_method.get(method):
            raise self.by_method[method].pop(0)
        if method in self.hanging:
            await asyncio.get_running_loop().create_future()
        if self.before is not None:
            self.before(method)

    def _bend(self, method: str, answer: bytes) -> bytes:
        bend = self.bends.get(method)
        return answer if bend is None else bend(answer)

    def _version(self, height: int) -> Any:
        if height > self._top:
            raise NodeCallError(
                CallFault.REFUSED, "not there yet", reason=ApiReason.HEIGHT_UNKNOWN.value
            )
        return self.world.chain.versions[height]

    def _check(self, transaction: bytes) -> Any:
        try:
            return self.world.check(transaction)
        except TransactionRefusedError as error:
            raise NodeCallError(
                CallFault.REFUSED, error.text, reason=ReceiptCode(error.code).name
            ) from error

    def execute(self, transaction: bytes) -> bytes:
        transaction_id: bytes = self._check(transaction).transaction_id
        if transaction_id not in self.world.places:
            self.world.run_block([transaction])
        return transaction_id

    def _prove(self, transaction_id: bytes) -> bytes:
        height, index = self.world.places[transaction_id]
        return encode(self.world.chain.prove_transaction(index, height))

    def find(self, author: str, key: bytes) -> bytes:
        if self.found_by_key is not None:
            return self.found_by_key
        for version in self.world.chain.versions:
            for index, encoded in enumerate(version.transactions):
                body = decode(TransactionBody, decode(Transaction, encoded).body)
                code = decode(Receipt, version.receipts[index]).code
                applied = code == ReceiptCode.APPLIED
                if (body.author, body.idempotency_key) == (author, key) and applied:
                    return self.world.check(encoded).transaction_id
        return b""


class WorldSigner:
    """A Signer over one of the world's keys."""

    def __init__(self, key: TestKey) -> None:
        self._key = key

    @property
    def key_id(self) -> str:
        return self._key.key_id

    @property
    def algorithm(self) -> str:
        return "ed25519"

    @property
    def public_key(self) -> bytes:
        return self._key.public_key

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def make_network(world: LedgerWorld, directory: Path) -> Network:
    """The world as a network directory; nobody listens."""
    network = directory / "network"
    genesis = encode_genesis(world.genesis)
    endpoints = (Endpoint("n1", "127.0.0.1:1"),)
    write_network(network, name=world.genesis.network, genesis=genesis, endpoints=endpoints)
    return Network(
        world.genesis.network, network, world.genesis, world.genesis.genesis_hash, endpoints
    )


def make_client(
    world: CertifiedWorld,
    directory: Path,
    *,
    org: str | None = None,
    key: str = "ledger",
    nodes: Sequence[Node] | None = None,
    **options: Any,
) -> LedgerClient:
    """A client of the world, acting for one of its organisations with the key of that label."""
    options.setdefault("time_ms", lambda: world.time)
    if org is not None and "signer" not in options:
        options["signer"] = WorldSigner(world.organisations[org].keys[key])
    return LedgerClient(
        make_network(world, directory),
        Failover([FakeNode(world)] if nodes is None else nodes),
        home=Home(directory / "home"),
        org=org,
        **options,
    )
