# SPDX-License-Identifier: Apache-2.0
"""What an error of a node means to a client: the twin of the node's own table."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from ledger.api.ports import ApiError
from ledger.api.status import STATUS_METADATA_KEY, encode_status
from ledger.model.receipts import ApiReason, ReceiptCode
from sdk.node_api import CallFault, NodeCallError
from sdk.transport import as_call_error


def told(
    code: ReceiptCode | ApiReason, retry_after_ms: int | None = None, leader: str = ""
) -> NodeCallError:
    """What a client makes of what a node answers."""
    status, text, details = encode_status(
        ApiError(code, "on purpose", retry_after_ms=retry_after_ms, leader=leader)
    )
    metadata = Metadata((STATUS_METADATA_KEY, details))
    return as_call_error(AioRpcError(status, Metadata(), metadata, text), "n1")


def bare(code: grpc.StatusCode, metadata: Metadata | None = None) -> NodeCallError:
    return as_call_error(AioRpcError(code, Metadata(), metadata or Metadata(), ""), "n1")


@pytest.mark.parametrize("code", [*ReceiptCode, *ApiReason])
def test_every_reason_of_a_node_arrives(code: ReceiptCode | ApiReason) -> None:
    error = told(code)
    assert (error.reason, error.text, error.retry_after) == (code.name, "on purpose", None)
    expected = {
        "OVERLOADED": CallFault.BUSY,
        "NOT_READY": CallFault.BUSY,
        "PENDING": CallFault.PENDING,
        "INTERNAL": CallFault.NODE_FAULT,
        "OUTCOME_UNKNOWN": CallFault.BROKEN,
    }
    assert error.fault is expected.get(code.name, CallFault.REFUSED)


def test_the_leader_arrives() -> None:
    assert told(ReceiptCode.NOT_READY, leader="n2").leader == "n2"
    assert told(ReceiptCode.NOT_READY).leader == ""
    assert bare(grpc.StatusCode.UNAVAILABLE).leader == ""


def test_the_delay_arrives() -> None:
    error = told(ReceiptCode.OVERLOADED, retry_after_ms=1500)
    assert error.retry_after is not None
    assert error.retry_after.total_seconds() == 1.5


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (grpc.StatusCode.UNAVAILABLE, CallFault.BROKEN),
        (grpc.StatusCode.DEADLINE_EXCEEDED, CallFault.BROKEN),
        (grpc.StatusCode.CANCELLED, CallFault.BROKEN),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, CallFault.BUSY),
        (grpc.StatusCode.INTERNAL, CallFault.NODE_FAULT),
        (grpc.StatusCode.UNIMPLEMENTED, CallFault.NODE_FAULT),
        (grpc.StatusCode.INVALID_ARGUMENT, CallFault.REFUSED),
    ],
)
def test_errors_without_a_reason(code: grpc.StatusCode, fault: CallFault) -> None:
    error = bare(code)
    assert (error.fault, error.reason) == (fault, "")
    assert code.name in error.text


def test_details_that_are_none_are_passed_over() -> None:
    for metadata in (
        Metadata((STATUS_METADATA_KEY, b"\xff\xff")),
        Metadata(("other-bin", b"x")),
        Metadata(("other", "x")),
    ):
        assert bare(grpc.StatusCode.UNAVAILABLE, metadata).fault is CallFault.BROKEN
