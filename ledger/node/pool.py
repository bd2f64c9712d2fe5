# SPDX-License-Identifier: Apache-2.0
"""Transactions between admission and certificate, and who waits for them.

One thread: the event loop's. Rules of this file:
- A transaction is here once, by its id, from admission until it is certified; a second submission of
  the same id joins the first.
- Both the number and the bytes of what waits are bounded, in all and for each author, so that one
  leaves room for others; what is over is refused, not delayed.
- First come, first served: transactions of a block that was given up come back to the front.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from ledger.api.ports import ApiError
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction_check import CheckedTransaction

RETRY_AFTER_MS = 500
"""What an overloaded node asks for; blocks take tens of milliseconds."""


class Unanswered(Enum):
    """Why who waits is given no proof."""

    LOOK_UP = auto()
    """The block came just before, or the node stops: the certified chain knows."""
    TOO_LATE = auto()
    """It is still on its way."""
    ACCEPTED = auto()
    """It is in the leader's queue, and no more was asked for."""


Answer: TypeAlias = bytes | Unanswered | ApiError
"""The canonical TransactionProof, or why there is none; an ApiError is the leader's refusal."""


@dataclass(slots=True)
class Pending:
    """A transaction that is admitted and not certified."""

    transaction: CheckedTransaction
    waiters: list[asyncio.Future[Answer]] = field(default_factory=list["asyncio.Future[Answer]"])
    acceptors: list[asyncio.Future[Answer]] = field(default_factory=list["asyncio.Future[Answer]"])
    is_taken: bool = False
    """On its way into a block: if the node ends now, it may be certified all the same."""
    is_accepted: bool = False
    """In the leader's queue, or it was."""
    forwarded_at: int = 0
    """Monotonic ms; when the leader was told of it last."""

    def join_accepted(self) -> asyncio.Future[Answer]:
        """Wait until it is in the leader's queue; `leave` afterwards."""
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if self.is_accepted:
            waiter.set_result(Unanswered.ACCEPTED)
        else:
            self.acceptors.append(waiter)
        return waiter

    def accept(self) -> None:
        """It is in the leader's queue."""
        self.is_accepted = True
        acceptors, self.acceptors = self.acceptors, []
        for waiter in acceptors:
            if not waiter.done():
                waiter.set_result(Unanswered.ACCEPTED)

    def join(self) -> asyncio.Future[Answer]:
        """Wait for the proof; `leave` afterwards. Who gives up leaves the others waiting."""
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return waiter

    def leave(self, waiter: asyncio.Future[Answer]) -> None:
        """Wait no more."""
        for waiters in (self.waiters, self.acceptors):
            if waiter in waiters:
                waiters.remove(waiter)

    def settle(self, answer: Answer) -> None:
        """Answer who waits."""
        waiters, self.waiters = [*self.waiters, *self.acceptors], []
        self.acceptors = []
        for waiter in waiters:
            # In a moment: the next block is on its way to the others before hundreds are answered.
            waiter.get_loop().call_soon(_answer, waiter, answer)


def _answer(waiter: asyncio.Future[Answer], answer: Answer) -> None:
    if not waiter.done():
        waiter.set_result(answer)


@dataclass(slots=True)
class _Share:
    """What one author has in the pool."""

    count: int = 0
    size_bytes: int = 0


class TransactionPool:
    """The queue for the next blocks, and the transactions of the block in flight."""

    def __init__(
        self,
        *,
        count_max: int,
        size_bytes_max: int,
        author_count_max: int,
        author_bytes_max: int,
    ) -> None:
        """The first two limits hold for all that waits, the others for what an author has here."""
        self._count_max = count_max
        self._size_bytes_max = size_bytes_max
        self._author_count_max = author_count_max
        self._author_bytes_max = author_bytes_max
        self._shares: dict[str, _Share] = {}
        """By author, of all that is pending."""
        self._pending: dict[bytes, Pending] = {}
        self._by_encoded: dict[bytes, CheckedTransaction] = {}
        self._queue: OrderedDict[bytes, CheckedTransaction] = OrderedDict()
        """By id, the oldest first."""
        self._queue_size = 0
        self._new: list[Pending] = []
        """Queued since `take_new`."""
        self._closed = False
        self.arriving_count = 0
        """Transactions that are being checked and may be queued in a moment."""
        self._arriving_size = 0
        self.settled_count = 0
        """Transactions that left because they were certified; only rises."""

    def __len__(self) -> int:
        """Transactions that wait for a block."""
        return len(self._queue)

    @property
    def size_bytes(self) -> int:
        """Bytes of the transactions that wait for a block."""
        return self._queue_size

    def find(self, transaction_id: bytes) -> Pending | None:
        """A transaction that is admitted and not certified."""
        return self._pending.get(transaction_id)

    @property
    def checked(self) -> Mapping[bytes, CheckedTransaction]:
        """All of them by their bytes with signatures: those need not be verified again."""
        return self._by_encoded

    def pendings(self) -> Iterable[Pending]:
        """All that is admitted and not certified, the oldest first."""
        return self._pending.values()

    @property
    def has_pending(self) -> bool:
        """Whether anything is admitted and not certified."""
        return bool(self._pending)

    def take_new(self) -> list[Pending]:
        """What was queued since the last call and is pending still."""
        new, self._new = self._new, []
        return [p for p in new if p.transaction.transaction_id in self._pending]

    def begin_arrival(self, size_bytes: int) -> None:
        """Keep room for one more transaction while it is checked, until `end_arrival`.

        Raises ApiError: OVERLOADED when it would not fit with all others, NOT_READY when closed.
        """
        if self._closed:
            raise ApiError(ReceiptCode.NOT_READY, "the node is stopping")
        if (
            len(self._queue) + self.arriving_count >= self._count_max
            or self._queue_size + self._arriving_size + size_bytes > self._size_bytes_max
        ):
            raise ApiError(
                ReceiptCode.OVERLOADED,
                f"{len(self._queue)} transactions wait for a block,"
                f" {self.arriving_count} are being checked",
                retry_after_ms=RETRY_AFTER_MS,
            )
        self.arriving_count += 1
        self._arriving_size += size_bytes

    def end_arrival(self, size_bytes: int) -> None:
        """The transaction is queued now, in the same step, or not at all."""
        self.arriving_count -= 1
        self._arriving_size -= size_bytes

    def add(self, transaction: CheckedTransaction) -> Pending:
        """Queue a transaction, or join the one with this id.

        There is room: `begin_arrival` has seen to it. Raises ApiError: OVERLOADED when the author
        has too much here already, NOT_READY when closed.
        """
        if self._closed:
            raise ApiError(ReceiptCode.NOT_READY, "the node is stopping")
        pending = self._pending.get(transaction.transaction_id)
        if pending is None:
            self._count_for_author(transaction)
            pending = Pending(transaction)
            self._pending[transaction.transaction_id] = pending
            self._by_encoded[transaction.encoded] = transaction
            self._queue[transaction.transaction_id] = transaction
            self._queue_size += len(transaction.encoded)
            self._new.append(pending)
        return pending

    def _count_for_author(self, transaction: CheckedTransaction) -> None:
        author, size = transaction.body.author, len(transaction.encoded)
        share = self._shares.get(author)
        if share is None:
            share = self._shares[author] = _Share()
        elif (
            share.count >= self._author_count_max
            or share.size_bytes + size > self._author_bytes_max
        ):
            raise ApiError(
                ReceiptCode.OVERLOADED,
                f"{share.count} transactions of this author wait for a block",
                retry_after_ms=RETRY_AFTER_MS,
            )
        share.count += 1
        share.size_bytes += size

    def _release_author(self, transaction: CheckedTransaction) -> None:
        share = self._shares[transaction.body.author]
        share.count -= 1
        share.size_bytes -= len(transaction.encoded)
        if not share.count:
            del self._shares[transaction.body.author]

    def take(self, count_max: int, size_bytes_max: int) -> list[CheckedTransaction]:
        """The next transactions for a block, at least one if any waits; they stay pending."""
        taken: list[CheckedTransaction] = []
        size = 0
        for transaction in self._queue.values():
            size += len(transaction.encoded)
            if len(taken) == count_max or (taken and size > size_bytes_max):
                break
            taken.append(transaction)
        for transaction in taken:
            self._unqueue(transaction)
            self._pending[transaction.transaction_id].is_taken = True
        return taken

    def _unqueue(self, transaction: CheckedTransaction) -> None:
        if self._queue.pop(transaction.transaction_id, None) is not None:
            self._queue_size -= len(transaction.encoded)

    def give_back(self, transactions: Sequence[CheckedTransaction]) -> None:
        """Put transactions that did not get into a block back to the front, in their order."""
        for transaction in reversed(transactions):
            pending = self._pending.get(transaction.transaction_id)
            if pending is not None and transaction.transaction_id not in self._queue:
                pending.is_taken = bool(pending.forwarded_at)
                self._queue[transaction.transaction_id] = transaction
                self._queue.move_to_end(transaction.transaction_id, last=False)
                self._queue_size += len(transaction.encoded)

    def settle(self, transaction_ids: Iterable[bytes], proofs: Mapping[bytes, bytes]) -> None:
        """Forget transactions that are certified and answer who waits, by id."""
        for transaction_id in transaction_ids:
            self.settled_count += 1
            self._end(transaction_id, proofs.get(transaction_id, Unanswered.LOOK_UP))

    def refuse(self, transaction_id: bytes, refusal: ApiError) -> None:
        """Forget a transaction that cannot come into a block, and tell who waits."""
        self._end(transaction_id, refusal)

    def give_up(self, transaction_id: bytes) -> None:
        """Forget a transaction that may have come into a block or not; who waits looks it up."""
        self._end(transaction_id, Unanswered.LOOK_UP)

    def _end(self, transaction_id: bytes, answer: Answer) -> None:
        pending = self._pending.pop(transaction_id, None)
        if pending is not None:
            self._by_encoded.pop(pending.transaction.encoded, None)
            self._unqueue(pending.transaction)
            self._release_author(pending.transaction)
            pending.settle(answer)

    def close(self) -> None:
        """Admit nothing more and tell all who still wait that they will not be answered here."""
        self._closed = True
        for pending in self._pending.values():
            pending.settle(Unanswered.LOOK_UP)
        self._pending.clear()
        self._by_encoded.clear()
        self._shares.clear()
        self._queue.clear()
        self._queue_size = 0
        self._new.clear()

    def is_awaited(self, transaction_id: bytes) -> bool:
        """Whether somebody waits for the proof of a transaction."""
        pending = self._pending.get(transaction_id)
        return pending is not None and bool(pending.waiters)
