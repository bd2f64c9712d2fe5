# SPDX-License-Identifier: Apache-2.0
"""Writing to a node as clients do: gRPC over TLS, a fixed number of calls under way.

A slot submits its transactions one after the other, each when the one before is certified. Slots may
share calls, as `submit_many` of the SDK does: then each call takes one transaction of several slots,
and they go on together. Answers
are kept as bytes and verified after the clock has stopped, every one of them: what counts as a write
is proven, and proving it costs the node nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc
import grpc.aio

from benchmarks.samples import SampleTransaction
from ledger.model.receipts import ReceiptCode
from ledger.model.verification import (
    TrustRoot,
    VerifiedHead,
    decode_transaction_proof,
    verify_transaction_proof,
)
from psetledger.v1 import services_pb2 as messages

CALL_SECONDS_MAX: Final = 30.0
SUBMIT_METHOD: Final = "/psetledger.v1.LedgerService/Submit"
BATCH_METHOD: Final = "/psetledger.v1.LedgerService/SubmitBatch"

Call = Callable[[Sequence[SampleTransaction]], Awaitable[Sequence[bytes]]]
"""Submits transactions in one call; the proof of each."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of writes took."""

    duration_s: float
    latencies_s: Sequence[float]
    client_cpu_s: float
    answers: Sequence[tuple[SampleTransaction, bytes]]
    """Each transaction with its proof, as it came."""

    @property
    def writes_per_second(self) -> float:
        return len(self.answers) / self.duration_s


class WriteClient:
    """One connection to a node; `submit_all` may be called again and again."""

    def __init__(self, address: str, validator_id: str, tls_root: bytes) -> None:
        """`tls_root` is the certificate of the validator's record, PEM."""
        self._address = address
        self._validator_id = validator_id
        self._tls_root = tls_root

    def submit_all(
        self, slots: Sequence[Sequence[SampleTransaction]], *, slots_per_call: int = 1
    ) -> Round:
        """Submit the transactions of all slots; as many are under way as there are slots.

        Slots that share a call have equally many.
        """
        return asyncio.run(self._submit_all(slots, slots_per_call))

    async def _submit_all(
        self, slots: Sequence[Sequence[SampleTransaction]], slots_per_call: int
    ) -> Round:
        latencies: list[float] = []
        answers: list[tuple[SampleTransaction, bytes]] = []
        credentials = grpc.ssl_channel_credentials(root_certificates=self._tls_root)
        options = [("grpc.ssl_target_name_override", self._validator_id)]
        async with grpc.aio.secure_channel(self._address, credentials, options=options) as channel:
            call = _make_call(channel, is_batch=slots_per_call > 1)
            await channel.channel_ready()

            async def run_calls(together: Sequence[Sequence[SampleTransaction]]) -> None:
                for transactions in zip(*together, strict=True):
                    begin_s = time.perf_counter()
                    proofs = await call(transactions)
                    taken_s = time.perf_counter() - begin_s
                    latencies.extend([taken_s] * len(transactions))
                    answers.extend(zip(transactions, proofs, strict=True))

            cpu_s, begin_s = time.process_time(), time.perf_counter()
            await asyncio.gather(
                *(
                    run_calls(slots[first : first + slots_per_call])
                    for first in range(0, len(slots), slots_per_call)
                )
            )
            duration_s = time.perf_counter() - begin_s
            cpu_s = time.process_time() - cpu_s
        return Round(duration_s, latencies, cpu_s, answers)


def _make_call(channel: grpc.aio.Channel, *, is_batch: bool) -> Call:
    stub: Any = cast("Any", channel)
    submit: Any = stub.unary_unary(
        SUBMIT_METHOD,
        request_serializer=messages.SubmitRequest.SerializeToString,
        response_deserializer=messages.SubmitResponse.FromString,
    )
    submit_batch: Any = stub.unary_unary(
        BATCH_METHOD,
        request_serializer=messages.SubmitBatchRequest.SerializeToString,
        response_deserializer=messages.SubmitBatchResponse.FromString,
    )

    async def call_one(transactions: Sequence[SampleTransaction]) -> Sequence[bytes]:
        (transaction,) = transactions
        request = messages.SubmitRequest(transaction=transaction.encoded)
        answer: messages.SubmitResponse = await submit(request, timeout=CALL_SECONDS_MAX)
        return [answer.proof]

    async def call_many(transactions: Sequence[SampleTransaction]) -> Sequence[bytes]:
        request = messages.SubmitBatchRequest(transactions=[t.encoded for t in transactions])
        answer: messages.SubmitBatchResponse = await submit_batch(request, timeout=CALL_SECONDS_MAX)
        return [result.proof for result in answer.results]

    return call_many if is_batch else call_one


def verify_round(answers: Sequence[tuple[SampleTransaction, bytes]], trust: TrustRoot) -> set[int]:
    """Verify every answer as a client does; the heights of the blocks that hold the writes.

    Raises ProofError for an answer that is not proven, AssertionError for a refusal.
    """
    heads: dict[bytes, VerifiedHead] = {}
    heights: set[int] = set()
    for transaction, encoded in answers:
        proof = decode_transaction_proof(encoded)
        header = proof.head.header if proof.head else b""
        verified = verify_transaction_proof(
            proof, transaction.transaction_id, trust, known=heads.get(header)
        )
        if verified.receipt.code != ReceiptCode.APPLIED:
            raise AssertionError(f"a sample was refused: {verified.receipt}")
        heads[header] = verified.head
        heights.add(verified.head.height)
    return heights
