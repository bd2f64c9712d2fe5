# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from ledger.api.ports import ApiError
from ledger.api.status import LEADER_KEY, TEXT_SIZE_MAX, encode_status, grpc_code
from ledger.model.receipts import ApiReason, ReceiptCode


@pytest.mark.parametrize("code", [*ReceiptCode, *ApiReason])
def test_every_code_has_a_grpc_code_and_its_name_as_reason(code: ReceiptCode | ApiReason) -> None:
    expected, text, encoded = encode_status(ApiError(code, "why"))
    assert expected not in {grpc.StatusCode.OK, grpc.StatusCode.UNKNOWN}
    status = status_pb2.Status.FromString(encoded)
    assert (status.code, status.message) == (expected.value[0], text) == (status.code, "why")
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == (code.name, "psetledger")
    assert len(status.details) == 1


def test_codes_that_say_who_must_act() -> None:
    assert grpc_code(ReceiptCode.MALFORMED) is grpc.StatusCode.INVALID_ARGUMENT
    assert grpc_code(ReceiptCode.OVERLOADED) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert grpc_code(ReceiptCode.NOT_READY) is grpc.StatusCode.UNAVAILABLE
    assert grpc_code(ReceiptCode.SEPARATION_OF_DUTIES) is grpc.StatusCode.FAILED_PRECONDITION
    assert grpc_code(ApiReason.HEIGHT_UNKNOWN) is grpc.StatusCode.NOT_FOUND


def test_a_retry_delay_is_told() -> None:
    error = ApiError(ReceiptCode.OVERLOADED, "busy", retry_after_ms=1_500)
    status = status_pb2.Status.FromString(encode_status(error)[2])
    retry = error_details_pb2.RetryInfo()
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1_500


def test_the_leader_is_told_where_it_is_known() -> None:
    info = error_details_pb2.ErrorInfo()
    for leader, expected in (("", {}), ("n2", {LEADER_KEY: "n2"})):
        error = ApiError(ReceiptCode.NOT_READY, "no leader here", leader=leader)
        status = status_pb2.Status.FromString(encode_status(error)[2])
        assert status.details[0].Unpack(info)
        assert dict(info.metadata) == expected


def test_a_long_text_is_cut_at_a_character() -> None:
    _, text, _ = encode_status(ApiError(ReceiptCode.MALFORMED, "é" * TEXT_SIZE_MAX))
    assert text == "é" * (TEXT_SIZE_MAX // 2)
