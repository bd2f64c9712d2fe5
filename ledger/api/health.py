# SPDX-License-Identifier: Apache-2.0
"""grpc.health.v1.Health: what this node can do now, asked each time.

    ""                its answers to reads can be had
    LedgerService     it also takes transactions: it votes and its clock is believed
    other services    as ""

Only Check: a Watch would hold a call open for ever for anybody, and a client that finds it
UNIMPLEMENTED asks again instead, as the protocol of health checks provides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]

from ledger.api.calls import receive, refuse
from ledger.api.gate import CallGate
from ledger.api.ports import ApiError
from ledger.model.receipts import ReceiptCode

HEALTH_SERVICE: Final = "grpc.health.v1.Health"
REQUEST_SIZE_MAX: Final = 1024
CHECKS_COUNT_MAX: Final = 100
"""Checks at once, beside other calls: a node with too much to do still says how it is."""
CHECKS_PER_HOST_COUNT_MAX: Final = 50


class Health:
    """Answers Check."""

    def __init__(self, services: tuple[str, ...], is_serving: Callable[[str], bool]) -> None:
        """`services` are those that can be asked for, `is_serving` says how one of them is."""
        self._services = services
        self._is_serving = is_serving
        self._gate = CallGate(
            count_max=CHECKS_COUNT_MAX, per_host_count_max=CHECKS_PER_HOST_COUNT_MAX
        )

    def generic_handler(self) -> Any:
        """What a gRPC server needs to serve it."""
        check = cast("Any", grpc.stream_unary_rpc_method_handler(self._check))
        return grpc.method_handlers_generic_handler(HEALTH_SERVICE, {"Check": check})

    async def _check(self, _requests: object, context: Any) -> bytes:
        try:
            host = self._gate.enter(context.peer())
        except ApiError as refusal:
            return await refuse(context, refusal)
        try:
            data = await receive(context, REQUEST_SIZE_MAX, "HealthCheckRequest")
            try:
                service: str = health_pb2.HealthCheckRequest.FromString(data).service
            except DecodeError:
                raise ApiError(
                    ReceiptCode.MALFORMED, "the request is no HealthCheckRequest"
                ) from None
        except ApiError as refusal:
            return await refuse(context, refusal)
        finally:
            self._gate.leave(host)
        if service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        status = health_pb2.HealthCheckResponse
        answer = status(status=status.SERVING if self._is_serving(service) else status.NOT_SERVING)
        encoded: bytes = answer.SerializeToString()
        return encoded
