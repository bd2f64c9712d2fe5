# SPDX-License-Identifier: Apache-2.0
"""Taking transactions in: known ones are answered, new ones checked and queued.

In this order: room; size and form; known transaction id → the first receipt, even after expiry;
signatures; the keys against the certified state; expiry, texts and contents; queue. A refusal changes
nothing.

Expiry, keys and contents are looked at here too, although execution decides: a permissioned ledger
does not let strangers fill its blocks with refusals, and what is in a block stays there. A dry run
asks execution for its receipt and stores nothing, so expiry and contents are left to it.

All but the queue runs in a few threads, in batches: what arrives while they are busy is the next
batch, so one hop serves many, and the event loop never reads the disk. Each transaction is verified
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
from ledger.node.pool import RETRY_AFTER_MS, Pending, TransactionPool

_log = logging.getLogger(__name__)

CHECK_BATCH_COUNT_MAX: Final = 64
"""Transactions in one hop to a thread: short enough that the first do not wait for long."""
SUBMIT_BATCH_COUNT_MAX: Final = 1_000
"""Transactions in one call."""


Authenticate = Callable[[CheckedTransaction], None]
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


_Examined: TypeAlias = "asyncio.Future[CheckedTransaction | Known]"


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
        notify: Callable[[], None],
        readers: Executor,
        checkers: Executor,
        checkers_count: int,
        checks_count_max: int,
    ) -> None:
        """`authenticator` is asked once for each batch; `admissible` may be called in any thread and
        is not asked for dry runs; `closed_reason` says why no transaction is
        taken, or is empty; `notify` is called when something was queued.
        """
        self._chain_id = chain_id
        self._pool = pool
        self._certified = certified
        self.authenticator = authenticator
        self._admissible = admissible
        self._closed_reason = closed_reason
        self._notify = notify
        self._readers = readers
        self._checkers = checkers
        self._idle_count = checkers_count
        self._checks_count_max = checks_count_max
        self._waiting: list[tuple[bytes, bool, _Examined]] = []

    async def submit(self, encoded: bytes, *, wait_ms: int) -> Submitted:
        """Admit one transaction; wait up to `wait_ms` for its proof. Raises ApiError."""
        pool = self._pool
        settled_count = pool.settled_count
        try:
            with pool.arriving(len(encoded)):
                found = await self._examine(encoded)
        finally:
            # A block may have waited for this one.
            self._notify()
        if isinstance(found, CheckedTransaction) and pool.settled_count != settled_count:
            # The same transaction may have come, and been certified, while this one was checked.
            place = self._certified.find_transaction(found.transaction_id)
            if place is not None:
                found = Known(found.transaction_id, place)
        if isinstance(found, Known):
            proof = await self._prove(*found.place) if wait_ms else b""
            return Submitted(found.transaction_id, proof)
        pending = pool.find(found.transaction_id)
        if pending is None:
            reason = self._closed_reason()
            if reason:
                raise ApiError(ReceiptCode.NOT_READY, reason, retry_after_ms=RETRY_AFTER_MS)
            pending = pool.add(found)
            self._notify()
        if not wait_ms:
            return Submitted(found.transaction_id)
        return await self._wait(pending, wait_ms)

    async def submit_many(
        self, transactions: Sequence[bytes], *, wait_ms: int
    ) -> list[Submitted | ApiError]:
        """Admit each; answers in the same order. Raises ApiError for the whole (RESOURCE_LIMIT)."""
        if not 1 <= len(transactions) <= SUBMIT_BATCH_COUNT_MAX:
            raise ApiError(
                ReceiptCode.RESOURCE_LIMIT,
                f"1 to {SUBMIT_BATCH_COUNT_MAX} transactions are expected, not {len(transactions)}",
            )

        async def one(encoded: bytes) -> Submitted | ApiError:
            try:
                return await self.submit(encoded, wait_ms=wait_ms)
            except ApiError as error:
                return error

        return await asyncio.gather(*(one(encoded) for encoded in transactions))

    async def check(self, encoded: bytes) -> CheckedTransaction:
        """Check a transaction as `submit` does, without taking it. Raises ApiError."""
        found = await self._examine(encoded, is_dry_run=True)
        assert isinstance(found, CheckedTransaction)
        return found

    def is_pending(self, transaction_id: bytes) -> bool:
        """Whether a transaction is admitted and not certified."""
        return self._pool.find(transaction_id) is not None

    # Answers --------------------------------------------------------------------------------------

    async def _wait(self, pending: Pending, wait_ms: int) -> Submitted:
        transaction_id = pending.transaction.transaction_id
        try:
            proof = await pending.wait(wait_ms)
        except TimeoutError:
            raise ApiError(
                ApiReason.PENDING,
                "the transaction is in the queue and not certified yet: ask for it by its id",
                retry_after_ms=RETRY_AFTER_MS,
            ) from None
        if proof is None:
            # Who began to wait while the block was being certified finds it in the index.
            place = self._certified.find_transaction(transaction_id)
            if place is None and pending.is_taken:
                raise ApiError(
                    ApiReason.OUTCOME_UNKNOWN,
                    "the node stopped while the transaction was on its way into a block:"
                    " ask for it by its id, or submit it again",
                )
            if place is None:
                raise ApiError(
                    ReceiptCode.NOT_READY,
                    "the node stopped before the transaction came into a block: submit it again",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            proof = await self._prove(*place)
        return Submitted(transaction_id, proof)

    async def _prove(self, height: int, index: int) -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._readers, self._certified.prove_transaction, height, index
        )

    # Checks in threads ----------------------------------------------------------------------------

    async def _examine(
        self, encoded: bytes, *, is_dry_run: bool = False
    ) -> CheckedTransaction | Known:
        """In a thread: what a transaction is, known or good. Raises ApiError."""
        if len(self._waiting) >= self._checks_count_max:
            raise ApiError(
                ReceiptCode.OVERLOADED,
                f"{len(self._waiting)} transactions wait to be checked",
                retry_after_ms=RETRY_AFTER_MS,
            )
        loop = asyncio.get_running_loop()
        examined: _Examined = loop.create_future()
        if not self._waiting:
            # After everything that is ready now, so that it shares the hop.
            loop.call_soon(self._dispatch)
        self._waiting.append((encoded, is_dry_run, examined))
        return await examined

    def _dispatch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._idle_count:
            batch = self._waiting[:CHECK_BATCH_COUNT_MAX]
            del self._waiting[: len(batch)]
            self._idle_count -= 1
            work = loop.run_in_executor(
                self._checkers, self._examine_batch, [(item, is_dry) for item, is_dry, _ in batch]
            )
            work.add_done_callback(partial(self._finish, [examined for *_, examined in batch]))

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
        authenticate(checked)
        if not is_dry_run:
            self._admissible(checked)
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
            if isinstance(result, CheckedTransaction | Known):
                examined.set_result(result)
            elif isinstance(result, Exception):
                examined.set_exception(result)
            else:
                examined.cancel()


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
