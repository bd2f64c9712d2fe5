# SPDX-License-Identifier: Apache-2.0
"""Several validators in this process that come and go: real cores, links that can be cut, stores that
outlive a run.

    async with MemberCluster(tmp_path, 3).running() as cluster:
        await cluster.admit("n4")

The clock is the machine's, with short timeouts; nothing waits for a time, only for what is to happen.
Proofs are not verified here: what a client needs for that, beside genesis, is tested elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.api.ports import TransactionState
from ledger.model.codec import decode, encode
from ledger.model.genesis import encode_genesis
from ledger.model.hashes import activation_message
from ledger.model.operations import ActivateValidator, AdmitValidator, RemoveValidator, ResourceType
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation, Receipt
from ledger.model.verification import decode_transaction_proof
from ledger.node.clock import SystemClock
from ledger.node.config import BlockOptions, ConsensusOptions, NodeConfig, NodeOptions
from ledger.node.core import Environment, NodeCore
from ledger.node.keys import mark_vote_key_fresh
from ledger.node.membership import Membership
from ledger.node.peers import PeerMessage
from ledger.node.setup import VALIDATOR_FILE
from ledger.storage.memory import MemoryStore
from tests.support.ledger_execution import LedgerWorld
from tests.support.ledger_world import make_genesis, make_validator
from tests.support.membership import ADMIN
from tests.support.node_harness import make_keys

SCHEME = "ed25519"
SECONDS_MAX = 15.0
WAIT_MS = 15_000
SCHEMA = b'{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object"}'


class _Links:
    """Of one validator, over the event loop."""

    def __init__(self, cluster: MemberCluster, own: str) -> None:
        self._cluster = cluster
        self._own = own

    def send(self, peer: str, message: PeerMessage) -> None:
        if self.is_connected(peer):
            asyncio.get_running_loop().call_soon(self._deliver, peer, message)

    def _deliver(self, peer: str, message: PeerMessage) -> None:
        if self.is_connected(peer):
            self._cluster.cores[peer].listener.receive(self._own, message)

    def is_connected(self, peer: str) -> bool:
        held = self._cluster
        return peer in held.cores and not held.cut & {peer, self._own}


class MemberCluster:
    """Validators n1, n2 … of a genesis, and those who come later."""

    def __init__(self, directory: Path, count: int, *, fault_model: str = "crash") -> None:
        names = [f"n{number}" for number in range(1, count + 1)]
        self.genesis = make_genesis(
            validators=names,
            created=time.time_ns() // 1_000_000 - 100_000,
            fault_model=fault_model,
            certificate_scheme=SCHEME,
        )
        self.world = LedgerWorld(self.genesis, is_council_granted=False)
        self.names = names
        self.cores: dict[str, NodeCore] = {}
        """Of those that run."""
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.cut: set[str] = set()
        """Who is connected to nobody."""
        self.written: list[bytes] = []
        """Ids of the acknowledged writes."""
        self._directory = directory
        self._stores: dict[tuple[str, str], MemoryStore] = {}
        self._serial = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[MemberCluster]:
        """Those of genesis run, and have certified a block; at the end all stop."""
        try:
            for name in self.names:
                self.start(name)
            await self.until(lambda: self.height() > 0)
            yield self
        finally:
            for name in list(self.cores):
                await self.stop(name)

    # Who runs -------------------------------------------------------------------------------------

    def start(self, name: str) -> NodeCore:
        """Run a validator on what it has kept."""
        home = self._directory / name
        keys = make_keys(name, SCHEME)
        if not (home / "keys").exists():
            (home / "keys").mkdir(parents=True)
            mark_vote_key_fresh(home, keys.vote.public_key)
            (home / VALIDATOR_FILE).write_bytes(encode(self.record(name)))
        config = NodeConfig(
            home=home,
            node=NodeOptions(name, "genesis.json"),
            consensus=ConsensusOptions(election_timeout_ms=300, heartbeat_interval_ms=30),
            blocks=BlockOptions(freshness_interval_ms=60_000),
        )

        def open_store(directory: Path) -> MemoryStore:
            return self._stores.setdefault((name, directory.name), MemoryStore())

        environment = Environment(SystemClock(), open_store)
        encoded = encode_genesis(self.genesis)
        core = NodeCore(config, self.genesis, encoded, keys, environment, _Links(self, name))
        self.cores[name] = core

        def connect_soon(_: Membership) -> None:
            asyncio.get_running_loop().call_soon(self.connect, name)

        core.on_membership = connect_soon
        self.tasks[name] = core.start()
        self.connect(name)
        return core

    def connect(self, name: str) -> None:
        """Tell a validator, and those it is connected to, that messages leave again."""
        for peer in self.cores:
            if peer != name and name in self.cores and not self.cut & {peer, name}:
                self.cores[name].listener.connected(peer)
                self.cores[peer].listener.connected(name)

    def heal(self) -> None:
        """Nobody is cut off any more."""
        healed, self.cut = self.cut, set()
        for name in healed:
            self.connect(name)

    async def stop(self, name: str) -> None:
        """At once, without handing over."""
        core = self.cores.pop(name)
        core.driver.stop(drain=False)
        await asyncio.wait({self.tasks[name]})
        await core.stop()
        self.tasks[name].exception()  # whoever wants it asks; here it has been seen

    def record(self, name: str) -> Any:
        """A validator's record; all of them are SAQA's or whoever's genesis says."""
        held = [item for item in self.genesis.validators if item.id == name]
        if held:
            return held[0]
        return make_validator(name, self.world.did("saqa"), certificate_scheme=SCHEME)

    def height(self, *names: str) -> int:
        """The lowest of these, or of all who run and are connected."""
        asked = names or [name for name in self.cores if name not in self.cut]
        return min(self.cores[name].driver.tip.height for name in asked)

    def leader(self) -> str:
        """Who leads, of those that run; an empty string for nobody."""
        leading = [
            n for n, core in self.cores.items() if core.driver.is_leader and n not in self.cut
        ]
        return leading[0] if leading else ""

    def active(self, name: str) -> tuple[str, ...]:
        """Who certifies the next height, as one knows it."""
        held = self.cores[name].driver.tip.validators.validator_set
        return tuple(validator.id for validator in held.validators)

    async def until(self, condition: Callable[[], object]) -> None:
        """Until this holds. Whatever ended a validator that still counts as running is raised."""
        async with asyncio.timeout(SECONDS_MAX):
            while not condition():
                for name in self.cores:
                    if self.tasks[name].done():
                        self.tasks[name].result()
                await asyncio.sleep(0.005)

    # Transactions ---------------------------------------------------------------------------------

    async def submit(
        self, operation: Operation, *, at: str = "", keys: Sequence[str] = ADMIN
    ) -> tuple[ReceiptCode, int]:
        """Code and height of the receipt. Raises ApiError for what is refused at admission."""
        self._serial += 1
        transaction = self.world.make_transaction(
            "saqa",
            operation,
            keys=keys,
            idempotency_key=sha256(b"%d" % self._serial).digest()[:16],
            expires_at=time.time_ns() // 1_000_000 + 3_600_000,
        )
        core = self.cores[at or next(name for name in self.cores if name not in self.cut)]
        answer = await core.node.submit(transaction, wait_ms=WAIT_MS)
        receipt = decode(Receipt, decode_transaction_proof(answer.proof).receipt)
        code = ReceiptCode(receipt.code)
        if code is ReceiptCode.APPLIED:
            self.written.append(answer.transaction_id)
        return code, receipt.height

    async def write(self, *, at: str = "") -> None:
        """Publish something."""
        name = f"schema-{self._serial}"
        operation = self.world.publish("saqa", name, ResourceType.JSON_SCHEMA, SCHEMA)
        code, _ = await self.submit(operation, at=at, keys=("ledger",))
        assert code is ReceiptCode.APPLIED, code

    async def admit(self, name: str) -> None:
        """The authority does; then it runs, and hears the leader as a learner."""
        code, _ = await self.submit(AdmitValidator(self.record(name), f"{name}.example:7052"))
        assert code is ReceiptCode.APPLIED, code
        if name not in self.cores:
            self.start(name)
        driver = self.cores[name].driver
        await self.until(lambda: driver.role == "learner" and driver.leader)

    def activation(self, name: str, replaces: str = "") -> ActivateValidator:
        """Signed by who is to be activated, over its newest block."""
        tip = self.cores[name].driver.tip
        message = activation_message(self.genesis.chain_id, name, tip.height, tip.block_hash)
        signature = make_keys(name, SCHEME).vote.sign(message)
        return ActivateValidator(name, tip.height, tip.block_hash, signature, replaces)

    async def activate(self, name: str, replaces: str = "") -> None:
        """Returns when it certifies, and, if it takes another's place, that one has ended."""
        code, height = await self.submit(self.activation(name, replaces))
        assert code is ReceiptCode.APPLIED, code
        if replaces in self.cores:
            await self.ended(replaces)
        await self.until(lambda: self.height() >= height + 1)
        assert name in self.active(name)

    async def remove(self, name: str, *, at: str = "") -> None:
        """Returns when it has ended by itself."""
        code, height = await self.submit(RemoveValidator(name), at=at)
        assert code is ReceiptCode.APPLIED, code
        if name in self.cores:
            await self.ended(name)
        await self.until(lambda: self.height() >= height)

    async def ended(self, name: str) -> None:
        """Until a removed validator says so and is gone."""
        # It is connected until then: it helps the others, and hears that it is over.
        async with asyncio.timeout(SECONDS_MAX):
            await asyncio.wait({self.tasks[name]})
        core = self.cores.pop(name)
        assert getattr(self.tasks[name].exception(), "code", "") == "VALIDATOR_REMOVED"
        await core.stop()

    async def check_all_agree(self) -> None:
        """Everybody who runs comes to one height and one root, and has each acknowledged write."""
        target = max(core.driver.tip.height for core in self.cores.values())
        await self.until(lambda: self.height() >= target)
        tips = [core.driver.tip for core in self.cores.values()]
        lowest = min(tip.height for tip in tips)
        assert len({tip.state_root for tip in tips if tip.height == lowest}) == 1
        for name, core in self.cores.items():
            for transaction_id in self.written:
                state, _ = await core.node.get_transaction(transaction_id)
                assert state is TransactionState.CERTIFIED, name
