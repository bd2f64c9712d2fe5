# SPDX-License-Identifier: Apache-2.0
"""Taking transactions in: known ones are answered, new ones checked and queued.

In this order: room; size and form; known transaction id → the first receipt, even after expiry;
signatures; the keys against the certified state; expiry, texts and contents; the author's right against
the certified state; queue. A refusal changes nothing.

Expiry, keys, rights and contents are looked at here too, although execution decides: a permissioned ledger
does not let strangers fill its blocks with refusals, and what is in a block stays there. A dry run
asks execution for its receipt and stores nothing, so all but the keys is left to it.

All but the queue runs in a few threads, in batches: what arrives while they are busy is the next
batch, so one hop serves many, and the event loop never reads the disk; who sends little stands behind
one batch of large contents at most. Each transaction is verified
once; the pool remembers it until it is certified.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeAlias

from ledger.api.ports import ApiError, Submitted
from ledger.model.codec import decode
from ledger.model.hashes import compute_transaction_id
from ledger.model.limits import TRANSACTION_SIZE_MAX
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.transaction import Transaction
from ledger.model.transaction_check import (
    CheckedTransaction,
    TransactionRefusedError,
    check_transaction,
)
from ledger.model.wire import TOO_LARGE, EncodingError
from ledger.node.pool import RETRY_AFTER_MS, Answer, Pending, TransactionPool, Unanswered

_log = logging.getLogger(__name__)

CHECK_BATCH_COUNT_MAX: Final = 64
"""Transactions in one hop to a thread: short enough that the first do not wait for long."""
CHECK_SMALL_SIZE_MAX: Final = 4 * 1024
"""Bytes of a transaction that is checked in a moment; contents take up to a hundred times as long."""
CHECK_BATCH_BYTES_MAX: Final = 64 * 1024
"""Bytes of larger ones in one hop, or one of them."""
SUBMIT_BATCH_COUNT_MAX: Final = 1_000
"""Transactions in one call."""
ACCEPT_WAIT_MS_MAX: Final = 5_000
"""How long who asks for acceptance only may wait for the leader's."""

_JUDGED_BY_TIME: Final = frozenset(
    {ReceiptCode.EXPIRED, ReceiptCode.KEY_NOT_AUTHORISED, ReceiptCode.NOT_AUTHORISED}
)
"""Refusals that another time could change."""


Authorise = Callable[[], None]
"""Raises TransactionRefusedError when the author may not do this."""
Authenticate = Callable[[CheckedTransaction], Authorise]
"""Raises TransactionRefusedError for signers' keys that the certified state does not know."""
Admissible = Callable[[CheckedTransaction], None]
"""Raises TransactionRefusedError for what execution would refuse and no block should hold."""


class CertifiedTransactions(Protocol):
    """What the certified chain knows of transactions; may be asked in any thread."""

    def find_transaction(self, transaction_id: bytes) -> tuple[int, int] | None:
        """Height and index."""
        ...

    def prove_transaction(self, height: int, index: int) -> bytes:
        """The canonical proof."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """A transaction that is certified already."""

    transaction_id: bytes
    place: tuple[int, int]
    """Height and index."""


_Examined: TypeAlias = "asyncio.Future[CheckedTransaction | Known | Exception]"
_Waiting: TypeAlias = tuple[bytes, bool, _Examined]
"""Its bytes, whether it is a dry run, and who waits."""


@dataclass(slots=True)
class _Submission:
    """One transaction of a call, on its way."""

    encoded: bytes
    examined: _Examined | None = None
    """Set while room is kept for it in the pool."""
    found: CheckedTransaction | Known | ApiError | None = None
    pending: Pending | None = None
    """Set while its proof is waited for."""
    waiter: asyncio.Future[Answer] | None = None


class Admission:
    """Admits transactions into a pool. One thread: the event loop's."""

    def __init__(
        self,
        *,
        chain_id: str,
        pool: TransactionPool,
        certified: CertifiedTransactions,
        authenticator: Callable[[], Authenticate],
        admissible: Admissible,
        closed_reason: Callable[[], str],
        delay_reason: Callable[[], str],
        notify: Callable[[], None],
        is_leading: Callable[[], bool],
        leader: Callable[[], str],
        readers: Executor,
        checkers: Executor,
        checkers_count: int,
        checks_count_max: int,
    ) -> None:
        """`authenticator` is asked once for each batch; `admissible` may be called in any thread and
        is not asked for dry runs; `closed_reason` says why no transaction is
        taken, `delay_reason` why none is certified now; both may be empty; `notify` is called when something was queued; `is_leading` says
        whether this node's queue is the leader's, `leader` whose it is, or an empty string.
        """
        self._chain_id = chain_id
        self._pool = pool
        self._certified = certified
        self.authenticator = authenticator
        self._admissible = admissible
        self._closed_reason = closed_reason
        self._delay_reason = delay_reason
        self._notify = notify
        self._is_leading = is_leading
        self._leader = leader
        self._readers = readers
        self._checkers = checkers
        self._idle_count = checkers_count
        self._checks_count_max = checks_count_max
        self._waiting: list[_Waiting] = []
        self._waiting_large: list[_Waiting] = []
        self._is_large_next = False

    async def submit(self, encoded: bytes, *, wait_ms: int) -> Submitted:
        """Admit one transaction; wait up to `wait_ms` for its proof. Raises ApiError."""
        (answer,) = await self._submit((encoded,), wait_ms)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    async def submit_many(
        self, transactions: Sequence[bytes], *, wait_ms: int
    ) -> list[Submitted | ApiError]:
        """Admit each; answers in the same order. Raises ApiError for the whole (RESOURCE_LIMIT)."""
        if not 1 <= len(transactions) <= SUBMIT_BATCH_COUNT_MAX:
            raise ApiError(
                ReceiptCode.RESOURCE_LIMIT,
                f"1 to {SUBMIT_BATCH_COUNT_MAX} transactions are expected, not {len(transactions)}",
            )
        return await self._submit(transactions, wait_ms)

    async def check(self, encoded: bytes) -> CheckedTransaction:
        """Check a transaction as `submit` does, without taking it. Raises ApiError."""
        found = await self._examine(encoded, is_dry_run=True)
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, CheckedTransaction)
        return found

    def is_pending(self, transaction_id: bytes) -> bool:
        """Whether a transaction is admitted and not certified."""
        return self._pool.find(transaction_id) is not None

    # One call, of one transaction or many ---------------------------------------------------------

    async def _submit(
        self, transactions: Sequence[bytes], wait_ms: int
    ) -> list[Submitted | ApiError]:
        settled_count = self._pool.settled_count
        submissions = [_Submission(encoded) for encoded in transactions]
        timer: asyncio.TimerHandle | None = None
        try:
            for submission in submissions:
                self._arrive(submission)
            for submission in submissions:
                await self._admit(submission, settled_count, is_waiting=wait_ms > 0)
            waiters = [s.waiter for s in submissions if s.waiter is not None]
            if waiters:
                loop = asyncio.get_running_loop()
                timer = loop.call_later((wait_ms or ACCEPT_WAIT_MS_MAX) / 1000, _give_up, waiters)
            return [await self._answer(submission, wait_ms) for submission in submissions]
        finally:
            if timer is not None:
                timer.cancel()
            for submission in submissions:
                self._leave(submission)

    def _arrive(self, submission: _Submission) -> None:
        """Keep room for a transaction and begin to check it."""
        size = len(submission.encoded)
        try:
            self._pool.begin_arrival(size)
        except ApiError as refusal:
            submission.found = refusal
            return
        try:
            submission.examined = self._examine(submission.encoded, is_dry_run=False)
        except ApiError as refusal:
            submission.found = refusal
            self._pool.end_arrival(size)

    async def _admit(
        self, submission: _Submission, settled_count: int, *, is_waiting: bool
    ) -> None:
        """Queue a transaction when it is checked. Raises what is no refusal."""
        if submission.examined is None:
            return
        found = await submission.examined
        self._end_arrival(submission)
        try:
            if isinstance(found, Exception):
                if isinstance(found, ApiError) and found.code in _JUDGED_BY_TIME:
                    self._check_open()  # a clock that is wrong judges nothing
                raise found
            if isinstance(found, CheckedTransaction):
                if self._pool.settled_count != settled_count:
                    # The same transaction may have come, and been certified, meanwhile.
                    place = self._certified.find_transaction(found.transaction_id)
                    if place is not None:
                        found = Known(found.transaction_id, place)
                if isinstance(found, CheckedTransaction):
                    pending = self._queue(found)
                    submission.pending = pending
                    submission.waiter = pending.join() if is_waiting else pending.join_accepted()
            submission.found = found
        except ApiError as refusal:
            submission.found = refusal
        finally:
            # A block may have waited for this one.
            self._notify()

    def _queue(self, transaction: CheckedTransaction) -> Pending:
        pending = self._pool.find(transaction.transaction_id)
        if pending is None:
            self._check_open()
            pending = self._pool.add(transaction)
        if self._is_leading():
            pending.accept()
        return pending

    def _check_open(self) -> None:
        reason = self._closed_reason()
        if reason:
            raise ApiError(
                ReceiptCode.NOT_READY, reason, retry_after_ms=RETRY_AFTER_MS, leader=self._leader()
            )

    def _leave(self, submission: _Submission) -> None:
        """The call ends, in whatever way."""
        if submission.examined is not None:
            self._end_arrival(submission)
            self._notify()
        if submission.pending is not None and submission.waiter is not None:
            submission.pending.leave(submission.waiter)

    def _end_arrival(self, submission: _Submission) -> None:
        submission.examined = None
        self._pool.end_arrival(len(submission.encoded))

    # Answers --------------------------------------------------------------------------------------

    async def _answer(self, submission: _Submission, wait_ms: int) -> Submitted | ApiError:
        found = submission.found
        if found is None:
            raise AssertionError("every submission is admitted or refused")
        if isinstance(found, ApiError):
            return found
        if isinstance(found, Known):
            proof = await self._prove(*found.place) if wait_ms else b""
        elif submission.pending is None or submission.waiter is None:
            proof = b""
        else:
            answer = await submission.waiter
            if isinstance(answer, ApiError):
                return answer
            if isinstance(answer, bytes):
                proof = answer if wait_ms else b""
            elif answer is Unanswered.ACCEPTED:
                proof = b""
            else:
                late = await self._answer_late(found.transaction_id, submission.pending, answer)
                if isinstance(late, ApiError):
                    return late
                proof = late
        return Submitted(found.transaction_id, proof, leader=self._leader())

    async def _answer_late(
        self, transaction_id: bytes, pending: Pending, why: Unanswered
    ) -> bytes | ApiError:
        """The proof, or why there is none, for who was given none by the block."""
        if why is Unanswered.TOO_LATE:
            reason = self._delay_reason()
            return ApiError(
                ApiReason.PENDING,
                "the transaction is in the queue and not certified yet: ask for it by its id"
                + (f" ({reason})" if reason else ""),
                retry_after_ms=RETRY_AFTER_MS,
            )
        # Who began to wait while the block was being certified finds it in the index.
        place = self._certified.find_transaction(transaction_id)
        if place is not None:
            return await self._prove(*place)
        if pending.is_taken:
            return ApiError(
                ApiReason.OUTCOME_UNKNOWN,
                "the node stopped while the transaction was on its way into a block:"
                " ask for it by its id, or submit it again",
            )
        return ApiError(
            ReceiptCode.NOT_READY,
            "the node stopped before the transaction came into a block: submit it again",
            retry_after_ms=RETRY_AFTER_MS,
        )

    async def _prove(self, height: int, index: int) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._readers, self._certified.prove_transaction, height, index
        )

    # Checks in threads ----------------------------------------------------------------------------

    def _examine(self, encoded: bytes, *, is_dry_run: bool) -> _Examined:
        """In a thread: what a transaction is, known or good, or why not. Raises ApiError when there
        is no room.
        """
        count = len(self._waiting) + len(self._waiting_large)
        if count >= self._checks_count_max:
            raise ApiError(
                ReceiptCode.OVERLOADED,
                f"{count} transactions wait to be checked",
                retry_after_ms=RETRY_AFTER_MS,
            )
        loop = asyncio.get_running_loop()
        examined: _Examined = loop.create_future()
        if not count:
            # After everything that is ready now, so that it shares the hop.
            loop.call_soon(self._dispatch)
        is_small = len(encoded) <= CHECK_SMALL_SIZE_MAX
        (self._waiting if is_small else self._waiting_large).append((encoded, is_dry_run, examined))
        return examined

    def _dispatch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle_count and (self._waiting or self._waiting_large):
            batch = self._take_batch()
            self._idle_count -= 1
            work = loop.run_in_executor(
                self._checkers, self._examine_batch, [(item, is_dry) for item, is_dry, _ in batch]
            )
            work.add_done_callback(partial(self._finish, [examined for *_, examined in batch]))

    def _take_batch(self) -> list[_Waiting]:
        """The next to be checked together. Small ones and large ones take turns, so that neither waits
        for more than one batch of the other.
        """
        if not self._waiting or (self._waiting_large and self._is_large_next):
            self._is_large_next = False
            waiting = self._waiting_large
            count, size = 1, len(waiting[0][0])
            while count < len(waiting) and size + len(waiting[count][0]) <= CHECK_BATCH_BYTES_MAX:
                size += len(waiting[count][0])
                count += 1
        else:
            self._is_large_next = True
            count, waiting = CHECK_BATCH_COUNT_MAX, self._waiting
        batch = waiting[:count]
        del waiting[:count]
        return batch

    def _examine_batch(
        self, batch: Sequence[tuple[bytes, bool]]
    ) -> list[CheckedTransaction | Known | Exception]:
        """In a thread. What goes wrong with one transaction is that one's result."""
        results: list[CheckedTransaction | Known | Exception] = []
        authenticate = self.authenticator()
        for encoded, is_dry_run in batch:
            try:
                results.append(self._examine_one(encoded, authenticate, is_dry_run=is_dry_run))
            except TransactionRefusedError as error:
                results.append(ApiError(error.code, error.text))
            except EncodingError as error:
                # A record that the transaction names: it was never of a size or form to be read.
                _log.error("record cannot be read error=%s", error)
                results.append(
                    ApiError(
                        ApiReason.INTERNAL, "a record that the transaction names is unreadable"
                    )
                )
            except Exception as error:  # noqa: BLE001 - raised again, for its own caller only
                results.append(error)
        return results

    def _examine_one(
        self, encoded: bytes, authenticate: Authenticate, *, is_dry_run: bool
    ) -> CheckedTransaction | Known:
        transaction_id = _compute_id(encoded)
        if not is_dry_run:
            place = self._certified.find_transaction(transaction_id)
            if place is not None:
                return Known(transaction_id, place)
        checked = check_transaction(encoded, chain_id=self._chain_id)
        authorise = authenticate(checked)
        if not is_dry_run:
            self._admissible(checked)
            authorise()
        return checked

    def _finish(
        self,
        waiting: Sequence[_Examined],
        work: asyncio.Future[list[CheckedTransaction | Known | Exception]],
    ) -> None:
        self._idle_count += 1
        self._dispatch()
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        results = [error] * len(waiting) if error else work.result()
        for examined, result in zip(waiting, results, strict=True):
            if examined.done():
                continue  # the client has gone
            if isinstance(result, CheckedTransaction | Known | Exception):
                examined.set_result(result)
            else:
                examined.cancel()


def _give_up(waiters: Sequence[asyncio.Future[Answer]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(Unanswered.TOO_LATE)


def find_transaction_id(encoded: bytes) -> bytes | None:
    """The id of what may be a transaction; None for what is none."""
    try:
        return _compute_id(encoded)
    except ApiError:
        return None


def _compute_id(encoded: bytes) -> bytes:
    """The id of what may be a transaction: its size and envelope are checked, no more."""
    if len(encoded) > TRANSACTION_SIZE_MAX:
        raise ApiError(
            ReceiptCode.TOO_LARGE,
            f"a transaction has at most {TRANSACTION_SIZE_MAX} bytes, this one {len(encoded)}",
        )
    try:
        transaction = decode(Transaction, encoded, size_max=TRANSACTION_SIZE_MAX)
    except EncodingError as error:
        code = ReceiptCode.TOO_LARGE if error.code == TOO_LARGE else ReceiptCode.MALFORMED
        raise ApiError(code, str(error)) from None
    return compute_transaction_id(transaction.body)
