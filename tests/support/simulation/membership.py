# SPDX-License-Identifier: Apache-2.0
"""Validators that come and go while faults happen, and who certifies which height, read from the blocks.

`MemberBook` believes nothing but certified blocks and their receipts: it applies the operations on
validators by its own rules (a change in block g counts from g + 2 on) and compares what headers say.
`Operator` makes those operations: it admits, activates and removes through any validator.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger.api.ports import ApiError, Submitted
from ledger.model.hashes import activation_message
from ledger.model.operations import ActivateValidator, AdmitValidator, RemoveValidator
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.transaction import Operation
from psetledger.v1 import ledger_pb2, proofs_pb2
from tests.support.membership import ADMIN
from tests.support.simulation.cluster import EPOCH_MS, GoneError, SimulatedCluster, get_keys
from tests.support.simulation.member_book import MemberBook
from tests.support.simulation.workload import Acknowledged, Workload

CALL_MS: Final = 2_500
GIVE_UP_MS: Final = 10_000
THINK_MS: Final = (100, 1_500)
MEMBERS_COUNT_MAX: Final = 6
ACTIVE_COUNT_MIN: Final = 3
"""Below this many nobody is removed: one that is down must not stop all."""
_ELSEWHERE: Final = frozenset(
    {
        ReceiptCode.NOT_READY,
        ReceiptCode.OVERLOADED,
        ApiReason.PENDING,
        ApiReason.OUTCOME_UNKNOWN,
        ApiReason.INTERNAL,
        ReceiptCode.EXPIRED,
    }
)


@dataclass(slots=True)
class Operator:
    """Whoever changes the validators of a run."""

    cluster: SimulatedCluster
    workload: Workload
    is_over: bool = False
    _serial: int = 0
    _newcomers_count: int = 0

    @property
    def _book(self) -> MemberBook:
        book = self.cluster.checkers.members
        assert book is not None, "the profile changes members"
        return book

    async def live(self) -> None:
        """One step after the other until told to stop. What came of a step is read from the chain."""
        random = self.cluster.random
        while True:
            await asyncio.sleep(random.randint(*THINK_MS) / 1000)
            if self.is_over:
                return
            await self._take_step()

    async def _take_step(self) -> None:
        book, random = self._book, self.cluster.random
        learners, active = sorted(book.learners), sorted(book.active)
        chance = random.random()
        if learners and chance < 0.75:
            await self._activate(random.choice(learners), active)
        elif learners and chance < 0.85:
            await self._submit(RemoveValidator(random.choice(learners)))
        elif len(active) > ACTIVE_COUNT_MIN and chance < 0.6:
            await self._submit(RemoveValidator(random.choice(self._find_removable(active))))
        elif len(active) + len(learners) < MEMBERS_COUNT_MAX:
            await self._admit()

    def _find_removable(self, active: list[str]) -> list[str]:
        """All but the last one of genesis: a newcomer knows nobody else to ask for the first block."""
        of_genesis = {validator.id for validator in self.cluster.genesis.validators} & set(active)
        return [name for name in active if of_genesis != {name}]

    async def _admit(self) -> None:
        self._newcomers_count += 1
        # Before and after those of genesis in the order of ids.
        name = f"{'mz'[self._newcomers_count % 2]}{self._newcomers_count}"
        validator = self.cluster.add(name)
        is_early = self.cluster.random.random() < 0.3
        if is_early:
            self.cluster.start(name)
        await self._submit(AdmitValidator(validator, f"{name}.example:7052"))
        # Unknown outcomes included: who is not admitted waits.
        self.cluster.start(name)

    async def _activate(self, name: str, active: list[str]) -> None:
        core = self.cluster.nodes[name].core
        if core is None or core.driver.role != "learner":
            return
        random, tip = self.cluster.random, core.driver.tip
        chain_id = self.cluster.genesis.chain_id
        message = activation_message(chain_id, name, tip.height, tip.block_hash)
        signature = get_keys(name, self.cluster.scheme).vote.sign(message)
        replaces = ""
        if random.random() < 0.4:
            replaces = random.choice(self._find_removable(active))
        await self._submit(ActivateValidator(name, tip.height, tip.block_hash, signature, replaces))

    async def _submit(self, operation: Operation) -> None:
        """One transaction, through one validator after the other."""
        loop, random = self.cluster.loop, self.cluster.random
        self._serial += 1
        transaction = self.workload.world.make_transaction(
            "saqa",
            operation,
            keys=ADMIN,
            idempotency_key=sha256(f"operator {self._serial}".encode()).digest()[:16],
            expires_at=EPOCH_MS + loop.now_us // 1000 + 3_600_000,
        )
        self.cluster.trace.note("operator", f"{type(operation).__name__} {self._name(operation)}")
        until_us = loop.now_us + GIVE_UP_MS * 1000
        while loop.now_us < until_us:
            name = random.choice([node.name for node in self.cluster.members])
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
                    # So it did not come into a block: too few would answer, most often.
                    self.cluster.trace.note("operator", f"{name} refuses: {error}")
                    if error.code is not ReceiptCode.WOULD_LOSE_QUORUM:
                        self.cluster.checkers.fail("client", f"{name} refused an operator: {error}")
                    return
            else:
                self._take_proof(name, answer)
                return
            await asyncio.sleep(random.randint(20, 300) / 1000)

    @staticmethod
    def _name(operation: Operation) -> str:
        match operation:
            case AdmitValidator():
                return operation.validator.id if operation.validator is not None else ""
            case ActivateValidator():
                return f"{operation.validator_id} for {operation.replaces or 'nobody'}"
            case RemoveValidator():
                return operation.validator_id
            case _:
                return ""

    def _take_proof(self, name: str, answer: Submitted) -> None:
        proof = proofs_pb2.TransactionProof.FromString(answer.proof)
        self.cluster.checkers.see_certificate(
            f"the operator at {name}", proof.head.certificate, proof.head.header
        )
        receipt = ledger_pb2.Receipt.FromString(proof.receipt)
        code = ReceiptCode(receipt.code).name
        self.cluster.trace.note("operator", f"{code} in block {receipt.height}")
        self.workload.acknowledged.append(
            Acknowledged(answer.transaction_id, receipt.height, receipt.index, receipt.code, name)
        )
