# SPDX-License-Identifier: Apache-2.0
"""What the API asks for, answered from driver, admission and queries (`ledger.api.ports.LedgerNode`).

Every read takes the driver's tip once. Reads run in reader threads, in two lanes, so that who asks for
one thing does not stand behind those who ask for much; a damaged store found by a read stops the
node, as one found by the driver does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Final, TypeVar

from ledger.api.ports import ApiError, BlockParts, NodeStatus, Submitted, TransactionState
from ledger.model.block import Validator
from ledger.model.codec import encode
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.transaction_check import CheckedTransaction
from ledger.node.admission import Admission
from ledger.node.clock import Clock
from ledger.node.driver import Driver
from ledger.node.pool import RETRY_AFTER_MS
from ledger.node.queries import Queries
from ledger.node.tip import Tip
from ledger.node.validators import NetworkRules
from ledger.state.machine import dry_run
from ledger.storage.chain import ChainStore
from ledger.storage.errors import CorruptionError
from ledger.storage.state_store import StateAt

_OUTSIDE: Final = frozenset({"observer", "learner"})
"""Roles of who takes no part in certifying; who leads says `leader`."""
_T = TypeVar("_T")

SMALL_READ_KEYS_COUNT_MAX: Final = 16
"""Keys in one question of the lane for small reads."""
LARGE_READS_COUNT_MAX: Final = 256
"""Large reads and dry runs that wait; more are refused."""


class Node:
    """One running node."""

    def __init__(
        self,
        *,
        validator: Validator,
        rules: NetworkRules,
        genesis: bytes,
        chain: ChainStore,
        driver: Driver,
        admission: Admission,
        queries: Queries,
        clock: Clock,
        readers: Executor,
        large_readers: Executor,
        software_version: str,
        no_vote_reason: Callable[[], str],
        on_corruption: Callable[[CorruptionError], None],
        read_halt_report: Callable[[], bytes] = bytes,
    ) -> None:
        """`readers` serve small reads, `large_readers` all others; `no_vote_reason` says why this
        validator does not vote now, or is empty; `on_corruption` ends the node; `read_halt_report` gives
        the newest one that was published, or nothing.
        """
        self._validator = validator
        self._rules = rules
        self._genesis = genesis
        self._chain = chain
        self._driver = driver
        self._admission = admission
        self._queries = queries
        self._clock = clock
        self._readers = readers
        self._large_readers = large_readers
        self._large_reads_count = 0
        self._software_version = software_version
        self._no_vote_reason = no_vote_reason
        self._on_corruption = on_corruption
        self._read_halt_report = read_halt_report

    # Writes ---------------------------------------------------------------------------------------

    async def submit(self, transaction: bytes, *, wait_ms: int) -> Submitted:
        try:
            return await self._admission.submit(transaction, wait_ms=wait_ms)
        except CorruptionError as error:
            raise self._stop_on_damage(error) from error

    async def submit_many(
        self, transactions: Sequence[bytes], *, wait_ms: int
    ) -> Sequence[Submitted | ApiError]:
        try:
            return await self._admission.submit_many(transactions, wait_ms=wait_ms)
        except CorruptionError as error:
            raise self._stop_on_damage(error) from error

    async def dry_run(self, transaction: bytes) -> bytes:
        try:
            checked = await self._admission.check(transaction)
        except CorruptionError as error:
            raise self._stop_on_damage(error) from error
        tip = self._driver.tip
        return await self._read_much(lambda: self._dry_run(tip, checked))

    def _dry_run(self, tip: Tip, transaction: CheckedTransaction) -> bytes:
        receipt = dry_run(
            StateAt(self._chain.state, tip.state_version),
            time_ms=max(self._clock.time_ms(), tip.header.time + 1),
            height=tip.height + 1,
            parent_hash=tip.block_hash,
            transaction=transaction,
        )
        return encode(receipt)

    # Reads ----------------------------------------------------------------------------------------

    async def get_transaction(self, transaction_id: bytes) -> tuple[TransactionState, bytes]:
        state, proof = await self._read_much(lambda: self._queries.get_transaction(transaction_id))
        if state is TransactionState.UNKNOWN and self._admission.is_pending(transaction_id):
            state = TransactionState.PENDING
        return state, proof

    async def find_transaction(self, author: str, key: bytes) -> tuple[TransactionState, bytes]:
        tip = self._driver.tip
        transaction_id = await self._read(
            lambda: self._queries.find_by_idempotency_key(tip, author, key)
        )
        if transaction_id is None:
            return TransactionState.UNKNOWN, b""
        return await self.get_transaction(transaction_id)

    async def confirm_latest(self, *, wait_ms: int) -> None:
        try:
            async with asyncio.timeout(wait_ms / 1000):
                if await self._driver.confirm_read():
                    return
        except TimeoutError:
            reason = self._driver.network_reason or "no quorum has answered in time"
            raise ApiError(
                ReceiptCode.NOT_READY,
                f"whether this is the newest state is not known: {reason}",
                retry_after_ms=RETRY_AFTER_MS,
                leader=self._driver.leader,
            ) from None
        raise ApiError(ReceiptCode.OVERLOADED, "too many reads wait", retry_after_ms=RETRY_AFTER_MS)

    async def get_many(self, keys: Sequence[bytes]) -> bytes:
        tip = self._driver.tip
        read = self._read if len(keys) <= SMALL_READ_KEYS_COUNT_MAX else self._read_much
        return await read(lambda: self._queries.prove(tip, keys))

    async def list_children(self, parent_key: bytes, first: int, limit: int) -> bytes:
        tip = self._driver.tip
        read = self._read if limit <= SMALL_READ_KEYS_COUNT_MAX else self._read_much
        return await read(lambda: self._queries.prove_children(tip, parent_key, first, limit))

    def get_head(self) -> bytes:
        return self._queries.newest_head(self._driver.tip)

    async def get_certified_head(self, height: int) -> bytes:
        return await self._read(lambda: self._queries.certified_head(height))

    async def get_trust_path(self, from_height: int, count: int) -> Sequence[bytes]:
        return await self._read_much(lambda: self._queries.trust_path(from_height, count))

    async def get_block(self, height: int) -> BlockParts:
        return await self._read_much(lambda: self._queries.block(height))

    def get_status(self) -> NodeStatus:
        tip = self._driver.tip
        reason = self._no_vote_reason()
        return NodeStatus(
            chain_id=self._rules.chain_id,
            node_id=self._validator.id,
            organisation=self._validator.organisation,
            role=self._driver.role if self._driver.role in _OUTSIDE else "validator",
            height=tip.height,
            applied_height=tip.height,
            voting=not reason,
            voting_reason=reason,
            state_root=tip.state_root,
            software_version=self._software_version,
            protocol_version=self._rules.protocol_version,
            time=self._clock.time_ms(),
            term=self._driver.term,
            leader=self._driver.leader,
        )

    def get_genesis(self) -> bytes:
        return self._genesis

    async def get_halt_report(self) -> bytes:
        return await self._read_much(self._read_halt_report)

    async def _read(self, work: Callable[[], _T]) -> _T:
        return await self._run(self._readers, work)

    async def _read_much(self, work: Callable[[], _T]) -> _T:
        """What may take long: many values, or a whole block."""
        if self._large_reads_count >= LARGE_READS_COUNT_MAX:
            raise ApiError(
                ReceiptCode.OVERLOADED,
                f"{self._large_reads_count} large reads wait",
                retry_after_ms=RETRY_AFTER_MS,
            )
        self._large_reads_count += 1
        try:
            return await self._run(self._large_readers, work)
        finally:
            self._large_reads_count -= 1

    async def _run(self, executor: Executor, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except CorruptionError as error:
            raise self._stop_on_damage(error) from error

    def _stop_on_damage(self, error: CorruptionError) -> ApiError:
        self._on_corruption(error)
        return ApiError(ApiReason.INTERNAL, "the node's store is damaged; it stops")
