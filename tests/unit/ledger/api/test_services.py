# SPDX-License-Identifier: Apache-2.0
"""What the services add to the node's answers: the leader that it names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

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


class Confirming:
    """A node that answers reads, and counts how often it was asked to make sure first."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def confirm_latest(self, *, wait_ms: int) -> None:
        assert wait_ms > 0
        self.said.append("confirmed")

    async def get_many(self, keys: Sequence[bytes]) -> bytes:
        self.said.append(f"read {len(keys)}")
        return b"state"

    async def list_children(self, _: bytes, first: int, limit: int) -> bytes:
        self.said.append(f"list {first} {limit}")
        return b"state"


READS = [
    ("Get", messages.GetRequest(key=b"k"), "read 1"),
    ("GetMany", messages.GetManyRequest(keys=[b"k", b"l"]), "read 2"),
    ("ListChildren", messages.ListChildrenRequest(parent_key=b"k", limit=3), "list 0 3"),
]


@pytest.mark.parametrize(("method", "request_", "said"), READS)
def test_only_a_read_that_asks_for_the_latest_waits_for_a_quorum(
    method: str, request_: Any, said: str
) -> None:
    node = Confirming()
    for latest in (False, True):
        request_.latest = latest
        handlers: list[Any] = generic_handlers(
            cast("LedgerNode", node), CallGate(count_max=1, per_host_count_max=1)
        )
        path = f"/psetledger.v1.QueryService/{method}"
        details = cast("Any", type("Details", (), {"method": path}))
        (handler,) = (found for held in handlers if (found := held.service(details)) is not None)
        asyncio.run(handler.unary_unary(request_.SerializeToString(), Context()))
    assert node.said == [said, "confirmed", said]


class Changed:
    """A node that knows of changes of the validators."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    async def get_trust_path(self, from_height: int, count: int) -> Sequence[bytes]:
        self.asked.append((from_height, count))
        return [b"first", b"second"]


def test_changes_of_the_validators_are_asked_for_by_height() -> None:
    node = Changed()
    handlers: list[Any] = generic_handlers(
        cast("LedgerNode", node), CallGate(count_max=1, per_host_count_max=1)
    )
    details = cast(
        "Any", type("Details", (), {"method": "/psetledger.v1.BlockService/GetTrustPath"})
    )
    (handler,) = (found for held in handlers if (found := held.service(details)) is not None)
    request = messages.GetTrustPathRequest(from_height=7, count=3)
    answer = asyncio.run(handler.unary_unary(request.SerializeToString(), Context()))
    assert list(messages.GetTrustPathResponse.FromString(answer).steps) == [b"first", b"second"]
    assert node.asked == [(7, 3)]
