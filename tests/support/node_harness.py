# SPDX-License-Identifier: Apache-2.0
"""One validator in this process over stores that can lose unsynced writes, under a clock of the test.

    harness = NodeHarness(tmp_path)
    async with harness.running() as core: ...

A harness keeps stores and home between runs, so crash and restart are two `running` blocks. What a
node says is checked by `replay`: an independent walk over its blocks with the state machine on a dict
and a tree built anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ledger.model.block import Block, BlockHeader, Proposal
from ledger.model.codec import decode
from ledger.model.genesis import Genesis, encode_genesis
from ledger.model.keys import KeyRole, KeyType
from ledger.model.limits import TRUST_PATH_COUNT_MAX
from ledger.model.merkle_log import compute_root
from ledger.model.operations import ResourceType
from ledger.model.private_key import PrivateKey
from ledger.model.proofs import CertifiedHead
from ledger.model.transaction import Operation
from ledger.model.transaction_check import check_transaction
from ledger.model.trust_path import decode_trust_step, extend_trust
from ledger.model.verification import (
    TrustRoot,
    VerifiedTransaction,
    decode_certified_head,
    decode_transaction_proof,
    make_trust_root,
    verify_head,
    verify_transaction_proof,
)
from ledger.node.config import NodeConfig, NodeOptions
from ledger.node.core import Environment, NodeCore
from ledger.node.failpoints import Failpoint, FailpointHook, pass_by
from ledger.node.keys import ValidatorKeys, mark_vote_key_fresh
from ledger.node.peers import NO_LINKS, PeerLinks, PeerMessage
from ledger.node.queries import Queries
from ledger.state import tree
from ledger.state.machine import compute_genesis_writes, execute_block
from ledger.storage.chain import ChainStore
from ledger.storage.memory import MemoryStore
from tests.support.ledger_execution import LedgerWorld
from tests.support.ledger_world import (
    make_genesis,
    make_tls_certificate,
    peer_key,
    vote_private_key,
)
from tests.support.memory_state import MemoryState

WAIT_MS = 60_000
JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class SimulatedCrashError(Exception):
    """Raised by a failpoint: the process is gone."""


class SimulatedClock:
    """Time that moves when the test says so."""

    def __init__(self, time_ms: int) -> None:
        self.now_ms = time_ms
        self.wall_ahead_ms = 0
        """How wrong the wall clock is; the other never is."""
        self._moved: asyncio.Event | None = None

    def time_ms(self) -> int:
        return self.now_ms + self.wall_ahead_ms

    def monotonic_ms(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        self.now_ms += ms
        if self._moved is not None:
            self._moved.set()

    async def wait(self, event: asyncio.Event, until_ms: int | None) -> None:
        while not event.is_set() and (until_ms is None or self.now_ms < until_ms):
            self._moved = asyncio.Event()
            waits = [asyncio.ensure_future(e.wait()) for e in (event, self._moved)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()


def crash_at(failpoint: Failpoint, height: int) -> FailpointHook:
    """A failpoint hook that ends the node at one place and height."""

    def hook(reached: Failpoint, reached_height: int) -> None:
        if reached is failpoint and reached_height == height:
            raise SimulatedCrashError(f"{failpoint} at {height}")

    return hook


def make_keys(validator_id: str, certificate_scheme: str = "bls12381") -> ValidatorKeys:
    """The keys of a validator of `ledger_world.make_genesis`."""
    tls = load_der_private_key(make_tls_certificate(validator_id)[1], None)
    assert isinstance(tls, ec.EllipticCurvePrivateKey)
    tls_secret = tls.private_numbers().private_value.to_bytes(32, "big")
    return ValidatorKeys(
        vote=vote_private_key(validator_id, certificate_scheme),
        peer=PrivateKey(
            "peer", KeyRole.PEER, KeyType.ED25519, "peer", bytes(peer_key(validator_id).secret)
        ),
        tls=PrivateKey("tls", KeyRole.TLS, KeyType.P256, "tls", tls_secret),
    )


class RecordingLinks:
    """`PeerLinks` that keep what is sent; everybody is connected."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, PeerMessage]] = []
        self.disconnected: set[str] = set()

    def send(self, peer: str, message: PeerMessage) -> None:
        self.sent.append((peer, message))

    def is_connected(self, peer: str) -> bool:
        return peer not in self.disconnected

    def take(self) -> list[tuple[str, PeerMessage]]:
        """What was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent


class NodeHarness:
    """A home, stores and a clock that outlive the runs of a node."""

    def __init__(
        self, home: Path, *, genesis: Genesis | None = None, config: NodeConfig | None = None
    ) -> None:
        self.genesis = genesis or make_genesis()
        self.trust: TrustRoot = make_trust_root(self.genesis)
        self.world = LedgerWorld(self.genesis, is_council_granted=False)
        self.clock = SimulatedClock(self.genesis.created + 1_000_000)
        self.world.time = self.clock.now_ms
        self.keys = make_keys("n1", self.genesis.certificate_scheme)
        self.config = config or NodeConfig(home=home, node=NodeOptions("n1", "genesis.json"))
        self.config = replace(self.config, home=home)
        if not (home / "keys").exists():
            (home / "keys").mkdir()
            mark_vote_key_fresh(home, self.keys.vote.public_key)
        self.stores: dict[str, MemoryStore] = {}
        self.links: PeerLinks = NO_LINKS
        self.count_kept: Callable[[], int] = lambda: 0
        """How many of the unsynced writes a crash leaves, from the first on."""

    def open_store(self, directory: Path) -> MemoryStore:
        return self.stores.setdefault(directory.name, MemoryStore())

    def make_core(self, failpoint: FailpointHook = pass_by) -> NodeCore:
        """Open the node; not driving yet."""
        return NodeCore(
            self.config,
            self.genesis,
            encode_genesis(self.genesis),
            self.keys,
            Environment(self.clock, self.open_store, failpoint),
            self.links,
        )

    @contextlib.asynccontextmanager
    async def running(self, failpoint: FailpointHook = pass_by) -> AsyncGenerator[NodeCore]:
        """A driven node, stopped gracefully at the end, or crashed by its failpoint."""
        core = self.make_core(failpoint)
        driving = core.start()
        try:
            yield core
        finally:
            await core.stop()
            for store in self.stores.values():
                store.crash(kept_count=self.count_kept())
            error = None if driving.cancelled() else driving.exception()
            if error is not None and not isinstance(error, SimulatedCrashError):
                raise error

    async def until_height(self, core: NodeCore, height: int) -> None:
        """Wait until a block is certified."""
        await until(lambda: core.driver.tip.height >= height)

    def operation(self, number: int, *, size: int = 100) -> Operation:
        """An operation that the ledger applies: a schema of SAQA's with this number."""
        # Few and long: a schema has a limited number of properties.
        count, length = (size // 250, 200) if size > 5_000 else (max(1, (size - 90) // 25), 0)
        described = {"description": "x" * length} if length else {}
        document = {
            "$schema": JSON_SCHEMA_DIALECT,
            "type": "object",
            "properties": {f"p{n:04}": {"type": "string", **described} for n in range(count)},
        }
        content = json.dumps(document, separators=(",", ":")).encode()
        return self.world.publish("saqa", f"schema-{number}", ResourceType.JSON_SCHEMA, content)

    def transaction(self, number: int, *, size: int = 100) -> bytes:
        """A signed transaction; the same number gives another one, for the same operation."""
        key = sha256(b"transaction %d" % number).digest()[:16]
        return self.world.make_transaction(
            "saqa",
            self.operation(number, size=size),
            idempotency_key=key,
            expires_at=self.clock.now_ms + 3_600_000,
        )

    async def submit(self, core: NodeCore, transaction: bytes) -> VerifiedTransaction:
        """Submit, wait for the certificate, and verify the proof as a client does."""
        answer = await core.node.submit(transaction, wait_ms=WAIT_MS)
        proof = decode_transaction_proof(answer.proof)
        if not self._is_known(proof.head):
            await self.follow(core)
        return verify_transaction_proof(proof, answer.transaction_id, self.trust)

    async def follow(self, core: NodeCore) -> None:
        """Learn from a node how the validators have changed since genesis, as a client does."""
        while self._learn(
            await core.node.get_trust_path(self._first_unknown, TRUST_PATH_COUNT_MAX)
        ):
            pass

    def follow_stored(self) -> None:
        """The same, from the blocks that are stored."""
        queries = Queries(ChainStore(self.stores["chain"]), self.genesis.chain_id)
        while self._learn(queries.trust_path(self._first_unknown, TRUST_PATH_COUNT_MAX)):
            pass

    def _is_known(self, head: CertifiedHead | None) -> bool:
        """Whether a head names the newest validators that are known."""
        assert head is not None, "a proof has a head"
        return decode(BlockHeader, head.header).validators_hash == self.trust.newest.hash

    @property
    def _first_unknown(self) -> int:
        return self.trust.newest.first_height

    def _learn(self, steps: Sequence[bytes]) -> bool:
        self.trust = extend_trust(self.trust, [decode_trust_step(step) for step in steps])
        return bool(steps)

    async def submit_all(
        self, core: NodeCore, transactions: Sequence[bytes]
    ) -> list[VerifiedTransaction]:
        """Submit at once; time passes while they wait."""
        tasks = [asyncio.ensure_future(self.submit(core, t)) for t in transactions]
        while not all(task.done() for task in tasks):
            self.clock.advance(1)
            await asyncio.sleep(0.001)
        return [task.result() for task in tasks]

    @contextlib.contextmanager
    def holding_blocks(self, core: NodeCore) -> Generator[None]:
        """As if a transaction were being checked: blocks linger until time passes."""
        core.pool.arriving_count += 1
        try:
            yield
        finally:
            core.pool.arriving_count -= 1
            core.driver.notify()

    def head(self, core: NodeCore) -> bytes:
        """The state root that the verified head certifies."""
        head = decode_certified_head(core.node.get_head())
        if not self._is_known(head):
            self.follow_stored()
        return verify_head(head, self.trust).state_root


async def until(condition: Callable[[], object]) -> None:
    """Let everything else run until a condition holds; the test's timeout is the limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)


def replay(harness: NodeHarness) -> list[bytes]:
    """State roots of all stored blocks, computed anew from genesis; compared with the certified.

    Also checks that each transaction has one place, and that each certificate verifies.
    """
    chain = ChainStore(harness.stores["chain"])
    harness.follow_stored()
    state = MemoryState()
    state.values.update(compute_genesis_writes(harness.genesis))
    roots = [compute_state_root(state.values)]
    seen: set[bytes] = set()
    for height in range(1, chain.head.height + 1):
        block = chain.blocks.block(height)
        assert block is not None
        content = decode(Block, decode(Proposal, block.proposal).block)
        transactions = [
            check_transaction(encoded, chain_id=harness.genesis.chain_id)
            for encoded in content.transactions
        ]
        ids = {transaction.transaction_id for transaction in transactions}
        assert not ids & seen, "a transaction is in two blocks"
        seen |= ids
        result = execute_block(state, decode(BlockHeader, block.header), transactions)
        state.write(result)
        roots.append(compute_state_root(state.values))
        assert list(result.encoded_receipts) == list(block.receipts)
        head = verify_certified(harness, block.header, block.certificate)
        assert head == (roots[-1], compute_root(block.receipts)), f"block {height} differs"
        for key, value in state.values.items():
            assert chain.state.get(key, chain.state.version_at(height)) == value
    return roots


def verify_certified(
    harness: NodeHarness, header: bytes, certificate: bytes
) -> tuple[bytes, bytes]:
    """State root and receipts root of a certificate that verifies."""
    verified = verify_head(CertifiedHead(header, certificate), harness.trust)
    return verified.vote.state_root, verified.vote.receipts_root


def compute_state_root(values: dict[bytes, bytes]) -> bytes:
    """The root of a tree made of these values at once."""
    hashed = [(sha256(k).digest(), sha256(v).digest()) for k, v in values.items()]

    class Empty:
        def get_node(self, node_key: bytes) -> bytes | None:
            del node_key
            return None

    return tree.update(Empty(), None, 0, hashed).root_hash


def places(verified: Sequence[VerifiedTransaction]) -> list[tuple[int, int]]:
    """Heights and indexes of receipts."""
    return [(item.receipt.height, item.receipt.index) for item in verified]
