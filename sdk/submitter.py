# SPDX-License-Identifier: Apache-2.0
"""Writes: signs an operation for the acting organisation, sends it, believes only proven receipts.

Rules of this file:
- A submission is idempotent by its transaction id: the same bytes are repeated and sent to another
  validator like a read, never a second transaction.
- A node that refuses or takes nothing, when another one may have taken the transaction before, is
  asked what it knows of it: only the ledger says what became of a write.
- When no answer comes, the error's `phase` says what is known (`sdk.write_paths`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeAlias, get_args

from ledger.model.genesis import Genesis
from ledger.model.hashes import compute_transaction_id
from ledger.model.limits import RECEIPT_SIZE_MAX, TRANSACTION_SIZE_MAX
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.transaction import Operation as ModelOperation
from ledger.model.transaction import Receipt as ModelReceipt
from ledger.model.transaction import Transaction, TransactionBody
from ledger.model.verification import (
    TRANSACTION_NOT_PROVEN,
    ProofError,
    VerifiedTransaction,
    decode_message,
    decode_transaction_proof,
)
from sdk.arguments import check_bytes, check_duration, check_fields
from sdk.authors import Authors
from sdk.client_checks import OperationRefusal, check_operation
from sdk.errors import CallerError, Phase, RefusedError, UnavailableError
from sdk.failover import Failover
from sdk.moments import to_instant
from sdk.network_reader import Believer, NetworkReader
from sdk.node_api import (
    BatchItem,
    CallFault,
    Node,
    NodeCallError,
    TransactionAnswer,
    TransactionState,
)
from sdk.node_faults import later_phase
from sdk.operations import Operation
from sdk.proof_files import encode_transaction_proof_file
from sdk.refusals import as_refused, as_write_error, get_code, make_receipt, refusal_receipt
from sdk.results import Receipt, TransactionStatus, Wait
from sdk.signers import Signer
from sdk.submission import (
    EXPIRES_IN_DEFAULT,
    SignedTransaction,
    check_idempotency_key,
    compute_expiry,
    sign_transaction,
)
from sdk.write_paths import STATE_CODES, WritePaths

BATCH_COUNT_MAX: Final = 100
"""Transactions of `submit_many` in one call."""
BATCH_SIZE_BYTES_MAX: Final = 2 * 1024 * 1024
TRANSACTION_ID_SIZE: Final = 32
IDEMPOTENCY_KEY_SIZE: Final = 16

AnyOperation = Operation | ModelOperation
"""What `submit` takes: a promised operation, or the ledger's own."""

_MODEL_OPERATIONS: Final[tuple[type[ModelOperation], ...]] = get_args(ModelOperation)
_AUTHOR_CODES: Final = frozenset({ReceiptCode.KEY_NOT_AUTHORISED, ReceiptCode.AUTHOR_UNKNOWN})
_PASSING: Final = frozenset(
    {
        ReceiptCode.OVERLOADED.name,
        ReceiptCode.NOT_READY.name,
        *(reason.value for reason in ApiReason),
    }
)
"""Reasons in an answer to a batch that say nothing about the transaction: it is sent by itself."""
_ITEM_FAULTS: Final = {
    ApiReason.PENDING.value: CallFault.PENDING,
    ApiReason.OUTCOME_UNKNOWN.value: CallFault.BROKEN,
    ApiReason.INTERNAL.value: CallFault.NODE_FAULT,
}
"""Those after which the transaction may yet come into a block."""
_LOOKED_UP: Final = frozenset({CallFault.BUSY, CallFault.REFUSED})
"""Faults of a node that does not take a transaction, but may know it."""


class Submitter:
    """Sends what one organisation submits."""

    def __init__(
        self,
        reader: NetworkReader,
        believer: Believer,
        failover: Failover,
        authors: Authors,
        *,
        genesis: Genesis,
        seconds: float,
        client_checks: bool,
        time_ms: Callable[[], int],
    ) -> None:
        """Args: seconds: deadline of each call."""
        self._reader = reader
        self._believer = believer
        self._failover = failover
        self._authors = authors
        self._genesis = genesis
        self._paths = WritePaths(failover, lambda: believer.trust, seconds=seconds)
        self._client_checks = client_checks
        self._time_ms = time_ms

    async def submit(
        self,
        operation: AnyOperation,
        *,
        wait: Wait = Wait.CERTIFIED,
        idempotency_key: bytes | None = None,
        expires_in: timedelta = EXPIRES_IN_DEFAULT,
        signers: Sequence[Signer] | None = None,
    ) -> Receipt:
        """As `LedgerClient.submit`."""
        _check_wait(wait)
        try:
            signed = await self._sign(operation, idempotency_key, expires_in, signers)
        except OperationRefusal as refusal:
            raise as_refused(refusal_receipt(refusal.code, ""), refusal.text) from refusal
        receipt = await self._send(signed, wait)
        if not receipt.applied and wait is Wait.CERTIFIED:
            if get_code(receipt.name) in _AUTHOR_CODES:
                self._authors.forget()
            raise as_refused(receipt)
        return receipt

    async def submit_many(
        self, operations: Iterable[AnyOperation], *, wait: Wait = Wait.CERTIFIED
    ) -> AsyncIterator[Receipt]:
        """As `LedgerClient.submit_many`."""
        _check_wait(wait)
        batch: list[SignedTransaction | Receipt] = []
        size = 0
        for operation in operations:
            try:
                held: SignedTransaction | Receipt = await self._sign(operation)
            except OperationRefusal as refusal:
                held = refusal_receipt(refusal.code, "")
            added = len(held.encoded) if isinstance(held, SignedTransaction) else 0
            if len(batch) == BATCH_COUNT_MAX or (batch and size + added > BATCH_SIZE_BYTES_MAX):
                for receipt in await self._send_batch(batch, wait):
                    yield receipt
                batch, size = [], 0
            batch.append(held)
            size += added
        for receipt in await self._send_batch(batch, wait):
            yield receipt

    async def dry_run(
        self, operation: AnyOperation, *, signers: Sequence[Signer] | None = None
    ) -> Receipt:
        """As `LedgerClient.dry_run`."""
        try:
            signed = await self._sign(operation, signers=signers)
        except OperationRefusal as refusal:
            return refusal_receipt(refusal.code, "")

        def accept(answer: bytes, _floor: object) -> Receipt:
            held = decode_message(ModelReceipt, answer, RECEIPT_SIZE_MAX)
            return make_receipt(
                held.code,
                transaction_id=held.transaction_id.hex(),
                height=held.height,
                index=held.index,
                as_of=to_instant(self._time_ms()),
                results=held.results,
            )

        return await self._reader.call(
            lambda node, seconds: node.dry_run(signed.encoded, seconds=seconds),
            accept,
            question=f"dry run of {signed.hex_id}",
        )

    async def transaction(self, id_or_key: str | bytes) -> TransactionStatus:
        """As `LedgerClient.transaction`."""
        asked = _parse_id_or_key(id_or_key)
        author = await self._authors.did() if len(asked) == IDEMPOTENCY_KEY_SIZE else ""
        weaker: list[TransactionState] = []

        async def send(node: Node, seconds: float) -> TransactionAnswer:
            if author:
                return await node.get_transaction(
                    author=author, idempotency_key=asked, seconds=seconds
                )
            return await node.get_transaction(transaction_id=asked, seconds=seconds)

        def accept(answer: TransactionAnswer, _floor: object) -> _Proven:
            if answer.state is not TransactionState.CERTIFIED:
                # Another node may be further: only a proof ends the search.
                weaker.append(answer.state)
                raise NodeCallError(CallFault.REFUSED, f"{answer.state.name.lower()} to this node")
            found = _read_id(answer.proof, author, asked) if author else asked
            return self._accept_receipt(answer.proof, found)

        try:
            found = await self._reader.call(send, accept, question=f"transaction {asked.hex()}")
        except CallerError:
            if not weaker:
                raise
            state: Literal["pending", "unknown"] = "unknown"
            if TransactionState.PENDING in weaker:
                state = "pending"
            return TransactionStatus(state, None)
        receipt = await self._date(found)
        return TransactionStatus("applied" if receipt.applied else "refused", receipt)

    async def _sign(
        self,
        operation: AnyOperation,
        idempotency_key: bytes | None = None,
        expires_in: timedelta = EXPIRES_IN_DEFAULT,
        signers: Sequence[Signer] | None = None,
    ) -> SignedTransaction:
        """Raises OperationRefusal, CallerError, KeyAccessError and what reading raises."""
        held = _to_model(operation)
        if idempotency_key is not None:
            check_bytes(idempotency_key, "idempotency_key")
        key = check_idempotency_key(idempotency_key)
        check_duration(expires_in, "expires_in", is_any=True)
        if self._client_checks:
            check_operation(held, network=self._genesis.network, charter=self._genesis.charter)
        author = await self._authors.author(signers)
        highest = self._believer.highest
        # A slow clock here must not make what is sent expire before it arrives.
        now_ms = max(self._time_ms(), 0 if highest is None else highest.time)
        return await sign_transaction(
            held,
            author,
            chain_id=self._reader.chain_id,
            idempotency_key=key,
            expires_at=compute_expiry(expires_in, now_ms),
        )

    async def _send(
        self, signed: SignedTransaction, wait: Wait, phase: Phase = "not-sent"
    ) -> Receipt:
        """The receipt; `phase`: what is known of the transaction before it is sent."""
        search = self._paths.start(signed.hex_id, phase)

        async def attempt(node: Node, seconds: float) -> Receipt | _Proven:
            deadline = asyncio.get_running_loop().time() + seconds
            try:
                answer = await node.submit(signed.encoded, wait, seconds=seconds)
            except NodeCallError as error:
                if error.fault not in _LOOKED_UP or not search.may_be_elsewhere(node):
                    raise
                return await self._look_up(node, signed, wait, deadline, error)
            self._failover.learn_leader(answer.leader)
            if wait is Wait.ACCEPTED:
                return make_receipt(ReceiptCode.ACCEPTED, transaction_id=signed.hex_id)
            return await self._believe(answer.proof, signed, node, seconds)

        try:
            answer = await search.run(attempt)
        except NodeCallError as error:
            if get_code(error.reason) in _AUTHOR_CODES:
                self._authors.forget()
            raise as_write_error(error, signed.hex_id) from error
        except UnavailableError as error:
            raise await self._paths.explain(error) from error
        return answer if isinstance(answer, Receipt) else await self._date(answer)

    async def _look_up(
        self,
        node: Node,
        signed: SignedTransaction,
        wait: Wait,
        deadline: float,
        error: NodeCallError,
    ) -> Receipt | _Proven:
        """What a node that does not take a transaction knows of it. Raises `error` if nothing."""
        seconds = max(deadline - asyncio.get_running_loop().time(), 0.001)
        try:
            found = await node.get_transaction(
                transaction_id=signed.transaction_id, seconds=seconds
            )
        except NodeCallError:
            raise error from None
        if found.state is TransactionState.UNKNOWN:
            raise error
        if wait is Wait.ACCEPTED:
            return make_receipt(ReceiptCode.ACCEPTED, transaction_id=signed.hex_id)
        if found.state is TransactionState.PENDING:
            raise NodeCallError(
                CallFault.PENDING,
                "the transaction is in the queue and not certified yet",
                reason=ApiReason.PENDING.value,
                retry_after=error.retry_after,
                leader=error.leader,
            ) from error
        return await self._believe(found.proof, signed, node, seconds)

    async def _send_batch(
        self, batch: Sequence[SignedTransaction | Receipt], wait: Wait
    ) -> Sequence[Receipt]:
        """Receipts for a batch; what was refused before it was sent is in it as a receipt."""
        signed = [held for held in batch if isinstance(held, SignedTransaction)]
        answers: dict[bytes, _ItemAnswer] = {}
        if signed:
            answers = await self._send_signed(signed, wait)
        receipts: list[Receipt] = []
        for held in batch:
            if isinstance(held, Receipt):
                receipts.append(held)
            else:
                answer = answers[held.transaction_id]
                if isinstance(answer, _Unsettled):
                    answer = await self._send_again(held, wait, answer.phase)
                elif isinstance(answer, _Proven):
                    answer = await self._date(answer)
                receipts.append(answer)
        return receipts

    async def _send_signed(
        self, signed: Sequence[SignedTransaction], wait: Wait
    ) -> dict[bytes, _ItemAnswer]:
        """Receipts by transaction id, or that it must be sent again."""
        first = signed[0].hex_id
        search = self._paths.start(first)

        async def attempt(node: Node, seconds: float) -> dict[bytes, _ItemAnswer]:
            answer = await node.submit_batch(
                [held.encoded for held in signed], wait, seconds=seconds
            )
            self._failover.learn_leader(answer.leader)
            phase = search.phase
            if phase == "not-sent" and search.may_be_elsewhere(node):
                phase = "unknown"
            if len(answer.items) != len(signed):
                raise NodeCallError(CallFault.NODE_FAULT, f"{node.name} answers for other writes")
            return {
                held.transaction_id: await self._accept_item(
                    item, held, wait, node, seconds=seconds, phase=phase
                )
                for item, held in zip(answer.items, signed, strict=True)
            }

        try:
            return await search.run(attempt)
        except NodeCallError as error:
            raise as_write_error(error, first) from error
        except UnavailableError as error:
            raise await self._paths.explain(error) from error

    async def _send_again(self, signed: SignedTransaction, wait: Wait, phase: Phase) -> Receipt:
        try:
            return await self._send(signed, wait, phase)
        except RefusedError as error:
            held: Receipt = error.receipt
            return held

    async def _accept_item(
        self,
        item: BatchItem,
        signed: SignedTransaction,
        wait: Wait,
        node: Node,
        *,
        seconds: float,
        phase: Phase,
    ) -> _ItemAnswer:
        """Args: phase: what is known of the transactions from other nodes."""
        if item.reason:
            phase = later_phase(phase, _ITEM_FAULTS.get(item.reason, CallFault.REFUSED))
            code = get_code(item.reason)
            if code is None or item.reason in _PASSING:
                return _Unsettled(phase)
            error = NodeCallError(CallFault.REFUSED, item.text, reason=item.reason)
            needed = min(self._paths.refusals_needed(error), len(self._failover.nodes))
            if needed > 1 or (phase != "not-sent" and code in STATE_CODES):
                return _Unsettled(phase)
            return refusal_receipt(code, signed.hex_id)
        if wait is Wait.ACCEPTED:
            return make_receipt(ReceiptCode.ACCEPTED, transaction_id=signed.hex_id)
        return await self._believe(item.proof, signed, node, seconds)

    async def _believe(
        self, answer: bytes, signed: SignedTransaction, node: Node, seconds: float
    ) -> _Proven:
        return await self._reader.believe(
            answer,
            lambda held: self._accept_receipt(held, signed.transaction_id),
            question=f"submission of {signed.hex_id}",
            node=node,
            seconds=seconds,
        )

    def _accept_receipt(self, answer: bytes, transaction_id: bytes) -> _Proven:
        held, proof = self._believer.accept_transaction(answer, transaction_id)
        file = encode_transaction_proof_file(proof) if self._believer.is_verifying else b""
        return _Proven(held, file)

    async def _date(self, proven: _Proven) -> Receipt:
        """The receipt, as of the block it names: of a repeat an earlier one than proves it."""
        held, head = proven.held.receipt, proven.held.head
        time_ms = head.time
        if held.height != head.header.height:
            try:
                time_ms = await self._reader.time_at(held.height)
            except UnavailableError as error:
                # A read failed, but the call was a write, and it has arrived.
                error.phase, error.transaction_id = "unknown", held.transaction_id.hex()
                raise
        return make_receipt(
            held.code,
            transaction_id=held.transaction_id.hex(),
            height=held.height,
            index=held.index,
            as_of=to_instant(time_ms),
            results=held.results,
            proof=proven.file,
        )


@dataclass(frozen=True, slots=True)
class _Proven:
    """A receipt that is believed, and its proof as a file."""

    held: VerifiedTransaction
    file: bytes


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """Of a transaction of a batch: it must be sent by itself."""

    phase: Phase
    """What is known of it."""


_ItemAnswer: TypeAlias = Receipt | _Proven | _Unsettled


def _to_model(operation: object) -> ModelOperation:
    if isinstance(operation, Operation):
        check_fields(operation)
        return operation.to_model()
    if isinstance(operation, _MODEL_OPERATIONS):
        return operation
    raise CallerError(
        "this is no operation",
        code="ARGUMENT_TYPE",
        remedy="Give one of psetledger.operations.",
    )


def _check_wait(wait: object) -> None:
    if not isinstance(wait, Wait):
        raise CallerError(
            "wait is a member of Wait",
            code="ARGUMENT_TYPE",
            remedy="Give psetledger.Wait.CERTIFIED or Wait.ACCEPTED.",
        )


def _read_id(answer: bytes, author: str, key: bytes) -> bytes:
    """Id of the transaction in a proof, which must be of this author and idempotency key."""
    proof = decode_transaction_proof(answer)
    transaction = decode_message(Transaction, proof.transaction, TRANSACTION_SIZE_MAX)
    body = decode_message(TransactionBody, transaction.body, TRANSACTION_SIZE_MAX)
    if (body.author, body.idempotency_key) != (author, key):
        raise ProofError(TRANSACTION_NOT_PROVEN, "the transaction has another author or key")
    return compute_transaction_id(transaction.body)


def _parse_id_or_key(id_or_key: str | bytes) -> bytes:
    try:
        data = bytes.fromhex(id_or_key) if isinstance(id_or_key, str) else id_or_key
    except ValueError:
        data = b""
    if len(data) not in {TRANSACTION_ID_SIZE, IDEMPOTENCY_KEY_SIZE}:
        raise CallerError(
            "this is neither a transaction id nor an idempotency key",
            code="TRANSACTION_ID_INVALID",
            remedy="An id has 64 hexadecimal digits, a key 32.",
        )
    return data
