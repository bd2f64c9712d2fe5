# SPDX-License-Identifier: Apache-2.0
"""Transactions that clients gave to a validator that does not lead: on to the leader, and its answers.

Rules of this file:
- A transaction stays in the own pool until it is certified or refused for good; whoever leads is told
  of it, again when somebody else does or when nothing was heard for a while. The leader knows it by
  its id, so it comes into one block however often it is sent.
- A refusal counts only when waiting would not change it. That a transaction expired is nobody's word
  alone: the leader's clock may be the wrong one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledger.api.ports import ApiError, Submitted
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.node.peers import (
    FORWARD_COUNT_MAX,
    ForwardAnswer,
    ForwardMessage,
    ForwardResult,
    PeerLinks,
)
from ledger.node.pool import Pending, TransactionPool

FORWARD_SIZE_MAX: Final = 1024 * 1024
"""Bytes of transactions in one message, unless the first alone is larger."""

EXPIRED_MS: Final = 10_000
"""So long after its expiry a transaction is waited for: clocks differ."""

_TEMPORARY: Final = frozenset(
    {
        ReceiptCode.NOT_READY,
        ReceiptCode.OVERLOADED,
        ApiReason.INTERNAL,
        ApiReason.PENDING,
        ApiReason.OUTCOME_UNKNOWN,
    }
)


class Forwarding:
    """Hands a pool's transactions to the leader. One thread."""

    def __init__(
        self,
        pool: TransactionPool,
        links: PeerLinks,
        *,
        resend_ms: int,
        time_ms: Callable[[], int],
    ) -> None:
        """`resend_ms` is after how long without a certificate a transaction is sent again; `time_ms`
        this machine's clock.
        """
        self._time_ms = time_ms
        self._pool = pool
        self._links = links
        self._resend_ms = resend_ms
        self._leader = ""
        self._is_leading = False
        self._looked_at = 0

    def forward(self, leader: str, now_ms: int) -> None:
        """Send what this leader was not told of, and what it was told of long ago."""
        self._is_leading = False
        if leader != self._leader:
            self._leader = leader
            self._pool.take_new()
            self._send(list(self._pool.pendings()), now_ms)
        elif now_ms >= self._looked_at + self._resend_ms:
            self._looked_at = now_ms
            self._pool.take_new()
            self._give_up_expired()
            self._send(
                [p for p in self._pool.pendings() if now_ms >= p.forwarded_at + self._resend_ms],
                now_ms,
            )
        else:
            self._send(self._pool.take_new(), now_ms)

    def lead(self) -> None:
        """This validator leads: what is in its pool is in the leader's queue."""
        if not self._is_leading:
            self._leader, self._is_leading = "", True
            for pending in self._pool.pendings():
                pending.accept()
        for pending in self._pool.take_new():
            pending.accept()

    def pause(self) -> None:
        """Nobody leads, as far as is known: whoever does next is told of everything."""
        self._leader, self._is_leading = "", False

    def take_answer(self, peer: str, answer: ForwardAnswer) -> bool:
        """What the leader says of transactions sent to it; whether its clock is another than this
        machine's.
        """
        if not self._leader or peer != self._leader:
            return False
        is_clock_other = False
        for result in answer.results:
            if result.code is None:
                pending = self._pool.find(result.transaction_id)
                if pending is not None:
                    pending.accept()
            elif result.code is ReceiptCode.EXPIRED:
                # The leader's clock is one of several, and a block that is on its way may hold it.
                self._give_up_expired()
                pending = self._pool.find(result.transaction_id)
                is_clock_other |= (
                    pending is not None
                    and pending.transaction.body.expires_at > self._time_ms() + EXPIRED_MS
                )
            elif result.code not in _TEMPORARY:
                self._pool.refuse(result.transaction_id, ApiError(result.code, result.text))
        return is_clock_other

    def _give_up_expired(self) -> None:
        """Forget what expired by this machine's clock too; who waits is told to look it up."""
        limit = self._time_ms() - EXPIRED_MS
        for pending in [p for p in self._pool.pendings() if p.transaction.body.expires_at < limit]:
            self._pool.give_up(pending.transaction.transaction_id)

    def _send(self, pendings: list[Pending], now_ms: int) -> None:
        batch: list[bytes] = []
        size = 0
        for pending in pendings:
            encoded = pending.transaction.encoded
            if batch and (
                size + len(encoded) > FORWARD_SIZE_MAX or len(batch) == FORWARD_COUNT_MAX
            ):
                self._links.send(self._leader, ForwardMessage(tuple(batch)))
                batch, size = [], 0
            pending.forwarded_at = now_ms
            # It may come into a block from now on, whatever becomes of this node.
            pending.is_taken = True
            batch.append(encoded)
            size += len(encoded)
        if batch:
            self._links.send(self._leader, ForwardMessage(tuple(batch)))


def make_answer(transaction_ids: list[bytes], results: list[Submitted | ApiError]) -> ForwardAnswer:
    """The leader's answer to a ForwardMessage."""
    return ForwardAnswer(
        tuple(
            ForwardResult(transaction_id)
            if isinstance(result, Submitted)
            else ForwardResult(transaction_id, result.code, result.text, result.retry_after_ms or 0)
            for transaction_id, result in zip(transaction_ids, results, strict=True)
        )
    )
