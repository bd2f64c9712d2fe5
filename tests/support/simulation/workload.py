# SPDX-License-Identifier: Apache-2.0
"""Clients: they publish versions of a few names and read how many there are, through any validator.

A write is one signed transaction; its bytes go from validator to validator until one answers with a
proof or the client gives up. Every operation is recorded with when it was called and what came of it;
every proof that was given is kept: it must be on the final chain, once.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from ledger.api.ports import ApiError, Submitted
from ledger.model.codec import decode
from ledger.model.operations import ResourceType
from ledger.model.proofs import ProvenState
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.records import ResourceNameRecord
from ledger.model.schema import resource_name_key
from ledger.model.state_proof import StateProofError, verify_inclusion, verify_non_inclusion
from ledger.node.core import NodeCore
from psetledger.v1 import ledger_pb2, proofs_pb2
from tests.support.ledger_execution import LedgerWorld
from tests.support.simulation import records
from tests.support.simulation.cluster import EPOCH_MS, GoneError, SimulatedCluster
from tests.support.simulation.linearizability import Kind, Operation, Outcome
from tests.support.simulation.records import Electorate

KEYS: Final = ("alpha", "beta", "gamma")
CALL_MS: Final = 2_500
"""After so long a client asks elsewhere."""
GIVE_UP_MS: Final = 12_000
THINK_MS: Final = 400
_SCHEMA: Final = json.dumps(
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
    separators=(",", ":"),
).encode()
_ELSEWHERE: Final = frozenset(
    {
        ReceiptCode.NOT_READY,
        ReceiptCode.OVERLOADED,
        ApiReason.PENDING,
        ApiReason.OUTCOME_UNKNOWN,
        ApiReason.INTERNAL,
        # By a validator whose clock is wrong; another one's word counts.
        ReceiptCode.EXPIRED,
    }
)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A write for which a client holds a proof."""

    transaction_id: bytes
    height: int
    index: int
    code: int
    node: str


@dataclass(slots=True)
class Workload:
    """What clients do in one run, and what they were told."""

    cluster: SimulatedCluster
    electorate: Electorate
    clients_count: int = 3
    history: list[Operation] = field(default_factory=list[Operation])
    acknowledged: list[Acknowledged] = field(default_factory=list[Acknowledged])
    is_over: bool = False
    _serial: int = 0
    _world: LedgerWorld | None = None

    @property
    def world(self) -> LedgerWorld:
        """Signs transactions."""
        if self._world is None:
            self._world = LedgerWorld(self.cluster.genesis, is_council_granted=False)
        return self._world

    def start(self) -> list[asyncio.Task[None]]:
        """Let the clients begin."""
        return [self.cluster.loop.create_task(self._live()) for _ in range(self.clients_count)]

    async def _live(self) -> None:
        random = self.cluster.random
        versions = dict.fromkeys(KEYS, 0)
        while not self.is_over:
            key = random.choice(KEYS)
            if random.random() < 0.35:
                known = await self.read(key)
                if known is not None:
                    versions[key] = known
            else:
                outcome = await self.publish(key, versions[key])
                if outcome is Outcome.DONE:
                    versions[key] += 1
                elif outcome is Outcome.STALE:
                    versions[key] += 1  # at least one more than was thought; a read may say
            await asyncio.sleep(random.randint(1, THINK_MS) / 1000)

    # Operations -----------------------------------------------------------------------------------

    async def publish(self, key: str, number: int, *, give_up_ms: int = GIVE_UP_MS) -> Outcome:
        """Publish version `number` + 1 of a name if it has `number` versions."""
        called = self.cluster.loop.now_us
        transaction = self._make_transaction(key, number)
        outcome = await self._submit(transaction, called + give_up_ms * 1000)
        self.history.append(
            Operation(key, Kind.PUBLISH, number, outcome, called, self.cluster.loop.now_us)
        )
        return outcome

    def _make_transaction(self, key: str, number: int) -> bytes:
        self._serial += 1
        operation = self.world.publish(
            "saqa",
            key,
            ResourceType.JSON_SCHEMA,
            _SCHEMA,
            expected_version=number,
        )
        # Another client's version of the same number is another resource.
        serial = sha256(f"resource {self._serial}".encode()).digest()[:16]
        return self.world.make_transaction(
            "saqa",
            type(operation)(
                resource_id=serial,
                name=operation.name,
                type=operation.type,
                media_type=operation.media_type,
                content=operation.content,
                checksum=operation.checksum,
                expected_version=number,
            ),
            idempotency_key=sha256(f"key {self._serial}".encode()).digest()[:16],
            expires_at=EPOCH_MS + self.cluster.loop.now_us // 1000 + 3_600_000,
        )

    async def _submit(self, transaction: bytes, until_us: int) -> Outcome:
        loop, random = self.cluster.loop, self.cluster.random
        names = [node.name for node in self.cluster.honest]
        while loop.now_us < until_us:
            name = random.choice(names)
            try:
                answer = await asyncio.wait_for(
                    self.cluster.call(
                        name, lambda core: core.node.submit(transaction, wait_ms=CALL_MS - 100)
                    ),
                    CALL_MS / 1000,
                )
            except (TimeoutError, GoneError):
                pass
            except ApiError as error:
                if error.code not in _ELSEWHERE:
                    self.cluster.checkers.fail("client", f"{name} refused a good write: {error}")
                    return Outcome.UNKNOWN
            else:
                return self._take_proof(name, answer)
            await asyncio.sleep(random.randint(20, 300) / 1000)
        return Outcome.UNKNOWN

    def _take_proof(self, name: str, answer: Submitted) -> Outcome:
        proof = proofs_pb2.TransactionProof.FromString(answer.proof)
        certificate, header = proof.head.certificate, proof.head.header
        self.cluster.checkers.see_certificate(f"a client of {name}", certificate, header)
        receipt = ledger_pb2.Receipt.FromString(proof.receipt)
        self.acknowledged.append(
            Acknowledged(answer.transaction_id, receipt.height, receipt.index, receipt.code, name)
        )
        if receipt.code == ReceiptCode.APPLIED:
            return Outcome.DONE
        if receipt.code == ReceiptCode.STALE_VERSION:
            return Outcome.STALE
        self.cluster.checkers.fail("client", f"unexpected receipt {receipt.code}")
        return Outcome.UNKNOWN

    async def read(self, key: str) -> int | None:
        """How many versions a name has, as a quorum confirms it; None when nobody says."""
        called = self.cluster.loop.now_us
        name = self.cluster.random.choice([node.name for node in self.cluster.honest])
        state_key = resource_name_key(key)

        async def ask(core: NodeCore) -> bytes:
            node = core.node
            await node.confirm_latest(wait_ms=CALL_MS - 100)
            return await node.get_many([state_key])

        try:
            proven = await asyncio.wait_for(self.cluster.call(name, ask), CALL_MS / 1000)
        except (TimeoutError, GoneError, ApiError):
            return None
        state = decode(ProvenState, proven)
        assert state.head is not None
        self.cluster.checkers.see_certificate(
            f"a reader at {name}", state.head.certificate, state.head.header
        )
        vote = ledger_pb2.Vote.FromString(records.vote_of(state.head.certificate))
        [entry] = state.entries
        value = entry.value
        try:
            assert entry.proof is not None
            if value:
                verify_inclusion(vote.state_root, state_key, value, entry.proof)
            else:
                verify_non_inclusion(vote.state_root, state_key, entry.proof)
        except StateProofError as error:
            self.cluster.checkers.fail("proof", f"{name} proves no answer: {error}")
            return None
        number = decode(ResourceNameRecord, value).child_count if value else 0
        self.history.append(
            Operation(key, Kind.READ, number, Outcome.DONE, called, self.cluster.loop.now_us)
        )
        return number
