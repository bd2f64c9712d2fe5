# SPDX-License-Identifier: Apache-2.0
"""The one loop that carries out what the ordering asks, and brings each block to its certificate.

    propose   the next block, when the last one is certified and a block is due
    persist   log entries and hard state                                 (fsync, then →)
    apply     ordered block: check, execute, sign, vote record           (fsync, then →)
    certify   a quorum of votes: certificate, block, receipts, state,
              indexes, head: one batch                                   (fsync, then →)
    answer    who waits for these transactions

One block is in flight. What is on disk is certified or in the log; everything else is computed again
after a crash. The steps before each arrow are durable before the next begins; `Failpoint` names the
places between them. Whatever goes wrong ends the loop: the runtime stops the node, nothing goes on
over a doubt.

The loop runs on the event loop; disk, execution and signatures of a block run in one worker thread,
one hop for each step, so blocks and batches are the unit of everything. The event loop alone touches
pool, ordering and `tip`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from consensus import Entry, Ordering, ProposalDroppedError, Ready
from ledger.model.certificate import (
    CertificateError,
    assemble_certificate,
    quorum_size,
    verify_certificate,
)
from ledger.model.codec import encode
from ledger.model.private_key import PrivateKey
from ledger.model.proofs import CertifiedHead
from ledger.model.transaction_check import (
    CheckedTransaction,
    TransactionRefusedError,
    check_transaction,
)
from ledger.node.clock import Clock
from ledger.node.clock_watch import ClockWatch
from ledger.node.config import BlockOptions
from ledger.node.execution import ExecutedBlock, execute
from ledger.node.failpoints import Failpoint, FailpointHook, pass_by
from ledger.node.pool import TransactionPool
from ledger.node.proofs import BlockProver
from ledger.node.proposals import ProposalError, build_proposal, check_proposal
from ledger.node.tip import NetworkRules, Tip
from ledger.node.voting import Voter
from ledger.storage.blocks import StoredBlock
from ledger.storage.chain import ChainHead, ChainStore
from ledger.storage.consistency import find_block_above
from ledger.storage.errors import DIVERGENCE, CorruptionError

_log = logging.getLogger(__name__)

BLOCK_OVERHEAD_SIZE: Final = 16
"""Bytes that an encoded block needs for each transaction beside its own, at most."""

CLOCK_CHECK_INTERVAL_MS: Final = 1_000
"""How often a clock that is wrong is looked at again."""

_T = TypeVar("_T")


@dataclass(slots=True)
class Provisional:
    """The block in flight: executed here, not certified."""

    executed: ExecutedBlock
    votes: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Signatures under its vote, by validator id."""


class Driver:
    """Drives one validator."""

    def __init__(
        self,
        *,
        validator_id: str,
        peer_key: PrivateKey,
        rules: NetworkRules,
        chain: ChainStore,
        tip: Tip,
        ordering: Ordering,
        voter: Voter,
        pool: TransactionPool,
        options: BlockOptions,
        clock: Clock,
        worker: Executor,
        failpoint: FailpointHook = pass_by,
    ) -> None:
        """`tip` is the head of `chain`; `worker` has one thread, and nobody else writes there."""
        self._validator_id = validator_id
        self._peer_key = peer_key
        self._rules = rules
        self._quorum = quorum_size(len(rules.validator_set.validators), rules.fault_model)
        self._chain = chain
        self._ordering = ordering
        self._voter = voter
        self._pool = pool
        self._options = options
        self._clock = clock
        self._clock_watch = ClockWatch(clock, options)
        self._worker = worker
        self._failpoint = failpoint
        self.tip = tip
        self._provisional: Provisional | None = None
        self._in_flight = self._find_in_flight()
        self._wake = asyncio.Event()
        self._stopping = False
        self._draining = False
        self._linger_until: int | None = None
        idle_ms = clock.time_ms() - tip.header.time
        rest_ms = max(0, options.freshness_interval_ms - max(0, idle_ms))
        # Clients know no certificate for block 0: the first block is due at once.
        self._heartbeat_at = clock.monotonic_ms() + (rest_ms if tip.height > 0 else 0)

    @property
    def term(self) -> int:
        """The ordering's term."""
        return self._ordering.status().hard_state.term

    @property
    def is_leader(self) -> bool:
        """Whether this node proposes blocks."""
        return self._ordering.status().is_leader

    @property
    def no_vote_reason(self) -> str:
        """Why this node does not vote, or an empty string."""
        return self._voter.no_vote_reason

    @property
    def clock_reason(self) -> str:
        """Why this machine's clock makes no block now, or an empty string (`ClockWatch`)."""
        return self._clock_watch.find_reason(self.tip.header.time, self.tip.height)

    def notify(self) -> None:
        """Something came into the pool, or does not come any more."""
        # While a block lingers, only its end matters: being woken for each arrival is dear.
        if self._linger_until is None or not self._pool.arriving_count or self._is_block_full():
            self._wake.set()

    def stop(self, *, drain: bool) -> None:
        """End: with `drain` when the queue is empty, otherwise after the block in flight."""
        self._stopping = True
        self._draining = drain
        self._wake.set()

    async def run(self) -> None:
        """The loop.

        Raises whatever ended it: CorruptionError (also of damaged trees), StorageError, or a bug's
        own exception. What is durable stays right in every case.
        """
        while True:
            self._wake.clear()
            if self._is_block_due():
                self._propose()
            if self._ordering.has_ready():
                ready = self._ordering.ready()
                await self._persist(ready)
                # One voter has nobody to send `ready.messages` to.
                for entry in ready.committed_entries:
                    await self._apply(entry)
                self._ordering.advance()
            elif self._provisional is not None and len(self._provisional.votes) >= self._quorum:
                await self._certify(self._provisional)
            elif self._stopping and not self._is_block_due():
                return
            else:
                await self._clock.wait(self._wake, self._due_at())

    def _find_in_flight(self) -> bool:
        """Whether the log holds a block above the head: it comes back, and none beside it.

        Who submits one of its transactions again waits for this block.
        """
        found = find_block_above(self._chain)
        if found is None:
            return False
        entry, block = found
        try:
            self._pool.adopt(
                check_transaction(encoded, chain_id=self._rules.chain_id)
                for encoded in block.transactions
            )
        except TransactionRefusedError as error:
            raise CorruptionError(
                DIVERGENCE, f"log entry {entry.index} holds a block that cannot be: {error}"
            ) from error
        return True

    # Propose --------------------------------------------------------------------------------------

    def _may_propose(self) -> bool:
        return (
            not self._in_flight
            and not self._voter.no_vote_reason
            and self._ordering.status().is_leader
            and not self.clock_reason
        )

    def _is_block_due(self) -> bool:
        if not self._may_propose():
            return False
        if self._stopping:
            return self._draining and len(self._pool) > 0
        now = self._clock.monotonic_ms()
        if now >= self._heartbeat_at:
            return True
        if not len(self._pool):
            self._linger_until = None
            return False
        if self._is_block_full() or not self._pool.arriving_count:
            return True
        # More are being checked: a block that takes them along costs no more than one without.
        if self._linger_until is None:
            self._linger_until = now + self._options.linger_ms
        return now >= self._linger_until

    def _is_block_full(self) -> bool:
        return (
            len(self._pool) >= self._options.transactions_count_max
            or self._pool.size_bytes >= self._options.size_bytes_max
        )

    def _due_at(self) -> int | None:
        """When a block falls due if nothing happens; None while none may be proposed."""
        if not self._may_propose():
            if self.clock_reason and not self._in_flight:
                return self._clock.monotonic_ms() + CLOCK_CHECK_INTERVAL_MS
            return None
        if self._linger_until is None:
            return self._heartbeat_at
        return min(self._linger_until, self._heartbeat_at)

    def _propose(self) -> None:
        transactions = self._pool.take(
            self._options.transactions_count_max,
            self._options.size_bytes_max
            - self._options.transactions_count_max * BLOCK_OVERHEAD_SIZE,
        )
        proposal = build_proposal(
            self.tip,
            transactions,
            rules=self._rules,
            proposer=self._validator_id,
            key=self._peer_key,
            time_ms=self._clock.time_ms(),
        )
        self._linger_until = None
        try:
            self._ordering.propose(proposal)
        except ProposalDroppedError:
            self._pool.give_back(transactions)
        else:
            self._in_flight = True

    # Persist --------------------------------------------------------------------------------------

    async def _persist(self, ready: Ready) -> None:
        if not ready.entries and ready.hard_state is None:
            return

        def work() -> None:
            if ready.entries:
                self._failpoint(Failpoint.BEFORE_PERSIST, self.tip.height + 1)
            self._chain.persist(ready)
            if ready.entries:
                self._failpoint(Failpoint.AFTER_PERSIST, self.tip.height + 1)

        await self._in_worker(work)

    # Apply: execute and vote ----------------------------------------------------------------------

    async def _apply(self, entry: Entry) -> None:
        if not entry.data:
            return  # a leader's first entry of its term: no block
        if self._provisional is not None:
            raise CorruptionError(
                DIVERGENCE, f"log entry {entry.index} holds a second block in flight"
            )
        self._provisional = await self._in_worker(lambda: self._execute_and_vote(entry))

    def _execute_and_vote(self, entry: Entry) -> Provisional:
        try:
            block = check_proposal(entry.data, self.tip, rules=self._rules, check=self._check)
        except ProposalError as error:
            raise CorruptionError(
                DIVERGENCE, f"log entry {entry.index} holds a block that cannot be: {error}"
            ) from error
        executed = execute(self._chain, self.tip, block, entry.index)
        self._failpoint(Failpoint.AFTER_EXECUTE, block.header.height)
        provisional = Provisional(executed)
        signature = self._voter.vote(executed, self.tip)
        if signature is not None:
            provisional.votes[self._validator_id] = signature
        return provisional

    def _check(self, encoded: bytes) -> CheckedTransaction:
        """Signatures were verified at admission; after a restart they are verified again."""
        known = self._pool.find_checked(encoded)
        return known or check_transaction(encoded, chain_id=self._rules.chain_id)

    # Certify --------------------------------------------------------------------------------------

    async def _certify(self, provisional: Provisional) -> None:
        transactions = provisional.executed.block.transactions
        tip, proofs = await self._in_worker(lambda: self._write_certified(provisional))
        self.tip = tip
        self._provisional = None
        self._in_flight = False
        self._heartbeat_at = self._clock.monotonic_ms() + self._options.freshness_interval_ms
        self._pool.settle((t.transaction_id for t in transactions), proofs)
        _log.debug("certified height=%d transactions=%d", tip.height, len(transactions))
        self._failpoint(Failpoint.AFTER_ANSWER, tip.height)

    def _write_certified(self, provisional: Provisional) -> tuple[Tip, dict[bytes, bytes]]:
        """Make the certificate and everything durable; the new tip and the proofs asked for."""
        executed = provisional.executed
        block, result = executed.block, executed.result
        certificate = self._assemble(provisional)
        self._failpoint(Failpoint.AFTER_CERTIFICATE, block.header.height)
        self._chain.certify(
            StoredBlock(
                height=block.header.height,
                header=block.encoded_header,
                proposal=block.proposal,
                certificate=certificate,
                receipts=result.encoded_receipts,
                transaction_ids=[t.transaction_id for t in block.transactions],
            ),
            ChainHead(
                height=block.header.height,
                block_hash=block.block_hash,
                state_version=executed.state_version,
                state_root=executed.state_root,
                log_hashes=executed.log.hashes,
                applied_index=executed.applied_index,
            ),
            executed.changes,
        )
        self._failpoint(Failpoint.AFTER_CERTIFY, block.header.height)
        head = CertifiedHead(block.encoded_header, certificate)
        tip = Tip(
            header=block.header,
            block_hash=block.block_hash,
            head=head,
            log=executed.log,
            state_version=executed.state_version,
            state_root=executed.state_root,
        )
        return tip, self._prove(executed, head)

    def _assemble(self, provisional: Provisional) -> bytes:
        vote = provisional.executed.encoded_vote
        try:
            certificate = assemble_certificate(vote, provisional.votes, self._rules.validator_set)
            verify_certificate(
                certificate,
                self._rules.validator_set,
                chain_id=self._rules.chain_id,
                fault_model=self._rules.fault_model,
            )
        except CertificateError as error:
            raise CorruptionError(
                DIVERGENCE,
                f"this node's own vote certifies nothing: {error}",
                "Check that the vote key is that of this validator's record, and the machine.",
            ) from error
        return encode(certificate)

    def _prove(self, executed: ExecutedBlock, head: CertifiedHead) -> dict[bytes, bytes]:
        transactions = executed.block.transactions
        awaited = [
            (index, transaction.transaction_id)
            for index, transaction in enumerate(transactions)
            if self._pool.is_awaited(transaction.transaction_id)
        ]
        if not awaited:
            return {}
        prover = BlockProver(
            head, [t.encoded for t in transactions], executed.result.encoded_receipts
        )
        return {transaction_id: prover.prove(index) for index, transaction_id in awaited}

    async def _in_worker(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)
