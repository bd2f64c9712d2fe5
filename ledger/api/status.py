# SPDX-License-Identifier: Apache-2.0
"""The table of refusals and gRPC codes, and the google.rpc.Status that says more.

Every refusal carries `ErrorInfo{reason = name of the code, domain = "psetledger"}`; those that pass by
themselves also `RetryInfo`, and one that the leader would not give its id under `leader` in the
metadata of `ErrorInfo`. Receipt codes from 200 on are answers in blocks; admission gives those
that need no block to be known, above all for what no block should hold (`ledger.node.operation_check`).
"""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from ledger.api.ports import ApiError
from ledger.model.receipts import ApiReason, ReceiptCode

DOMAIN: Final = "psetledger"
TEXT_SIZE_MAX: Final = 1024
"""Bytes of a text: a status travels in a header."""
STATUS_METADATA_KEY: Final = "grpc-status-details-bin"
LEADER_KEY: Final = "leader"
"""In the metadata of ErrorInfo: id of the validator that leads."""

_BY_CODE: Final[dict[ReceiptCode | ApiReason, grpc.StatusCode]] = {
    ReceiptCode.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.WRONG_CHAIN: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.SIGNER_REPEATED: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.AUTHOR_NOT_SIGNER: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.SIGNATURE_MISSING: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.SIGNATURE_EXTRA: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.SIGNATURE_INVALID: grpc.StatusCode.UNAUTHENTICATED,
    ReceiptCode.AUTHOR_UNKNOWN: grpc.StatusCode.PERMISSION_DENIED,
    ReceiptCode.DID_DEACTIVATED: grpc.StatusCode.PERMISSION_DENIED,
    ReceiptCode.KEY_NOT_AUTHORISED: grpc.StatusCode.PERMISSION_DENIED,
    ReceiptCode.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ReceiptCode.RESOURCE_LIMIT: grpc.StatusCode.OUT_OF_RANGE,
    ReceiptCode.NOT_READY: grpc.StatusCode.UNAVAILABLE,
    ReceiptCode.EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    ReceiptCode.PERSONAL_DATA: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.TEXT_NOT_ALLOWED: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.FIELD_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.LIMIT_EXCEEDED: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.REQUEST_MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.REQUEST_OTHER_NETWORK: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.REQUEST_SIGNATURE_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.KEY_FORMAT: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.RESOURCE_CONTENT_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ReceiptCode.RESOURCE_TYPE_UNSUPPORTED: grpc.StatusCode.INVALID_ARGUMENT,
    ApiReason.OUTCOME_UNKNOWN: grpc.StatusCode.UNAVAILABLE,
    ApiReason.PENDING: grpc.StatusCode.DEADLINE_EXCEEDED,
    ApiReason.HEIGHT_UNKNOWN: grpc.StatusCode.NOT_FOUND,
    ApiReason.NOT_PERMITTED: grpc.StatusCode.PERMISSION_DENIED,
    ApiReason.NOT_LEADER: grpc.StatusCode.FAILED_PRECONDITION,
    ApiReason.PEER_UNKNOWN: grpc.StatusCode.NOT_FOUND,
    ApiReason.INTERNAL: grpc.StatusCode.INTERNAL,
}


def grpc_code(code: ReceiptCode | ApiReason) -> grpc.StatusCode:
    """The gRPC code of a refusal: FAILED_PRECONDITION for what the rules refuse."""
    return _BY_CODE.get(code, grpc.StatusCode.FAILED_PRECONDITION)


def encode_status(error: ApiError) -> tuple[grpc.StatusCode, str, bytes]:
    """Its gRPC code, its text and the encoded google.rpc.Status of a refusal."""
    code = grpc_code(error.code)
    text = error.text.encode()[:TEXT_SIZE_MAX].decode(errors="ignore")
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=text)
    info = error_details_pb2.ErrorInfo(reason=error.code.name, domain=DOMAIN)
    if error.leader:
        info.metadata[LEADER_KEY] = error.leader
    status.details.append(_pack(info))
    if error.retry_after_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(error.retry_after_ms)
        status.details.append(_pack(retry))
    return code, text, status.SerializeToString()


def _pack(message: error_details_pb2.ErrorInfo | error_details_pb2.RetryInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
