# SPDX-License-Identifier: Apache-2.0
"""What the services add to the node's answers: the leader that it names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from ledger.api.gate import CallGate
from ledger.api.ports import ApiError, LedgerNode, Submitted
from ledger.api.services import generic_handlers
from ledger.model.receipts import ReceiptCode
from psetledger.v1 import services_pb2 as messages


class Led:
    """A node that names the leader in some of its answers."""

    def __init__(self, answers: Sequence[Submitted | ApiError]) -> None:
        self.answers = answers

    async def submit(self, _: bytes, *, wait_ms: int) -> Submitted:
        assert wait_ms > 0
        answer = self.answers[0]
        assert isinstance(answer, Submitted)
        return answer

    async def submit_many(
        self, _: Sequence[bytes], *, wait_ms: int
    ) -> Sequence[Submitted | ApiError]:
        assert wait_ms > 0
        return self.answers


class Context:
    """As much of a call as a method without faults uses."""

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> float:
        return 5.0


def ask(method: str, request: bytes, answers: Sequence[Submitted | ApiError]) -> bytes:
    node = cast("LedgerNode", Led(answers))
    handlers: list[Any] = generic_handlers(node, CallGate(count_max=1, per_host_count_max=1))
    details = cast("Any", type("Details", (), {"method": f"/psetledger.v1.LedgerService/{method}"}))
    (handler,) = (found for held in handlers if (found := held.service(details)) is not None)
    return cast("bytes", asyncio.run(handler.unary_unary(request, Context())))


def test_an_answer_names_the_leader() -> None:
    answer = ask("Submit", b"", [Submitted(b"id", b"proof", leader="n2")])
    assert messages.SubmitResponse.FromString(answer).leader == "n2"
    answer = ask("Submit", b"", [Submitted(b"id", b"proof")])
    assert messages.SubmitResponse.FromString(answer).leader == ""


def test_a_batch_names_the_leader_that_any_of_its_answers_names() -> None:
    refused = ApiError(ReceiptCode.NOT_READY, "not here", leader="n3")
    answer = ask("SubmitBatch", b"", [Submitted(b"id", b"proof"), refused])
    assert messages.SubmitBatchResponse.FromString(answer).leader == "n3"
