# SPDX-License-Identifier: Apache-2.0
"""When a leader makes a block, and of what.

Rules of this file:
- One block is in flight: the next is made when the last is certified here.
- A block is due when transactions wait, when the network was idle for `freshness_interval_ms`, and
  when a change of validators has to come to its end.
- Transactions that were taken for a block come back to the pool if another block is certified.
"""

from __future__ import annotations

import logging
from typing import Final

from consensus.errors import ProposalDroppedError
from ledger.model.transaction_check import CheckedTransaction
from ledger.node.driving import DriverParts, Driving, Flight
from ledger.node.proposals import build_proposal
from ledger.state.validators import CHANGE_DELAY

_log = logging.getLogger(__name__)

BLOCK_OVERHEAD_SIZE: Final = 16
"""Bytes that an encoded block needs for each transaction beside its own, at most."""
CLOCK_CHECK_INTERVAL_MS: Final = 1_000
"""How often a clock that is wrong is looked at again."""


class Proposer:
    """Makes the blocks of a driver that leads. One thread: the event loop's."""

    def __init__(self, driver: Driving, parts: DriverParts) -> None:
        self._driver = driver
        self._parts = parts
        self._pool = parts.pool
        self._clock = parts.clock
        self._taken: list[CheckedTransaction] = []
        """Of the last block proposed here."""
        self.linger_until: int | None = None
        """Until when a block waits for transactions that are being checked."""
        idle_ms = parts.clock.time_ms() - parts.tip.header.time
        rest_ms = max(0, parts.blocks.freshness_interval_ms - max(0, idle_ms))
        # Clients know no certificate for block 0: the first block is due at once.
        self._heartbeat_at = parts.clock.monotonic_ms() + (rest_ms if parts.tip.height > 0 else 0)

    def certified(self) -> None:
        """A block is certified: the transactions of another one come back."""
        self._heartbeat_at = self._clock.monotonic_ms() + self._parts.blocks.freshness_interval_ms
        self.give_back()

    def give_back(self) -> None:
        """What was taken and is not certified waits again."""
        taken, self._taken = self._taken, []
        self._pool.give_back(taken)

    def is_block_full(self) -> bool:
        """Whether a block could hold no more than what waits."""
        return (
            len(self._pool) >= self._parts.blocks.transactions_count_max
            or self._pool.size_bytes >= self._parts.blocks.size_bytes_max
        )

    def _may_propose(self) -> bool:
        return (
            self._driver.ordering.is_leader
            and not self._driver.ordering.is_handing_over
            # Others refuse a block whose proposer does not certify it.
            and not self._driver.no_vote_reason
            and not self._driver.is_in_flight()
            and self._driver.provisional is None
            and not self._driver.clock_reason
        )

    def is_block_due(self) -> bool:
        """Whether to make a block now."""
        if not self._may_propose():
            return False
        if self._driver.is_stopping:
            return self._driver.is_draining and len(self._pool) > 0
        now = self._clock.monotonic_ms()
        changed_height = self._driver.tip.membership.changed_height
        is_changing = changed_height > 0 and self._driver.tip.height < changed_height + CHANGE_DELAY
        if is_changing or now >= self._heartbeat_at:
            return True
        if not len(self._pool):
            self.linger_until = None
            return False
        if self.is_block_full() or not self._pool.arriving_count:
            return True
        # More are being checked: a block that takes them along costs no more than one without.
        if self.linger_until is None:
            self.linger_until = now + self._parts.blocks.linger_ms
        return now >= self.linger_until

    def due_at(self) -> int | None:
        """When a block falls due if nothing happens; None while none may be proposed."""
        if not self._may_propose():
            if self._driver.clock_reason and not self._driver.is_in_flight():
                return self._clock.monotonic_ms() + CLOCK_CHECK_INTERVAL_MS
            return None
        if self.linger_until is None:
            return self._heartbeat_at
        return min(self.linger_until, self._heartbeat_at)

    def propose(self) -> None:
        """Make the next block and have it ordered."""
        options = self._parts.blocks
        transactions = self._pool.take(
            options.transactions_count_max,
            options.size_bytes_max - options.transactions_count_max * BLOCK_OVERHEAD_SIZE,
        )
        block = build_proposal(
            self._driver.tip,
            transactions,
            rules=self._parts.rules,
            proposer=self._parts.validator_id,
            key=self._parts.peer_key,
            time_ms=self._clock.time_ms(),
        )
        self.linger_until = None
        try:
            self._driver.ordering.propose(block.proposal)
        except ProposalDroppedError as error:
            _log.info("proposal dropped height=%d reason=%s", block.header.height, error)
            self._pool.give_back(transactions)
            self._heartbeat_at = max(
                self._heartbeat_at,
                self._clock.monotonic_ms() + self._parts.consensus.heartbeat_interval_ms,
            )
            return
        self._taken = transactions
        self._driver.checked = block
        ordering = self._driver.ordering
        self._driver.flight = Flight(ordering.last_index, ordering.term, block.header.height)
        self._driver.note_progress()
