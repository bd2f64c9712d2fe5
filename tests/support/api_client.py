# SPDX-License-Identifier: Apache-2.0
"""A node behind real gRPC and TLS on loopback, in this event loop, and raw calls to it."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, cast

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from ledger.api.ports import LedgerNode
from ledger.api.server import ApiServer, ServerLimits
from ledger.node.keys import ValidatorKeys
from ledger.node.tls import LeafIssuer

LIMITS = ServerLimits(
    connections_count_max=100, calls_count_max=200, calls_per_host_max=200, streams_count_max=100
)


def wall_time_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Refusal:
    """How a call was refused."""

    code: grpc.StatusCode
    reason: str
    text: str
    retry_after_ms: int | None


@contextlib.asynccontextmanager
async def serving(
    node: LedgerNode,
    keys: ValidatorKeys,
    certificate: bytes,
    *,
    limits: ServerLimits = LIMITS,
    time_ms: Callable[[], int] = wall_time_ms,
    port: int = 0,
) -> AsyncGenerator[ApiServer]:
    """Serve a node as validator n1, on a port of the system's choice unless one is given."""
    issuer = LeafIssuer(keys.tls, certificate, "n1", time_ms=time_ms)

    def key_pair() -> tuple[bytes, bytes]:
        leaf = issuer.current()
        return leaf.private_key, leaf.certificate_chain

    server = ApiServer(node, ("127.0.0.1", port), limits=limits, key_pair=key_pair)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def connected(
    port: int, certificate: bytes, *, name: str = "n1"
) -> AsyncGenerator[grpc.aio.Channel]:
    """A channel that trusts a validator's record and nothing else."""
    root = ssl.DER_cert_to_PEM_cert(certificate).encode()
    channel = grpc.aio.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(root_certificates=root),
        options=[
            ("grpc.ssl_target_name_override", name),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
        ],
    )
    try:
        yield channel
    finally:
        await channel.close()


async def call(channel: grpc.aio.Channel, method: str, data: bytes, **options: Any) -> bytes:
    """Send bytes to `Service/Method`; what comes back."""
    options.setdefault("timeout", 20.0)
    package = "grpc.health.v1" if method.startswith("Health/") else "psetledger.v1"
    multi = cast("Any", channel.unary_unary(f"/{package}.{method}"))
    answer: bytes = await multi(data, **options)
    return answer


async def refused(channel: grpc.aio.Channel, method: str, data: bytes, **options: Any) -> Refusal:
    """The refusal of a call; AssertionError when it is answered."""
    try:
        answer = await call(channel, method, data, **options)
    except grpc.aio.AioRpcError as error:
        return read_refusal(error)
    raise AssertionError(f"{method} answered {answer[:40]!r}")


def read_refusal(error: grpc.aio.AioRpcError) -> Refusal:
    """Code and details of a failed call."""
    reason, retry_after_ms = "", None
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            status = status_pb2.Status.FromString(value)
            assert status.code == error.code().value[0]
            for detail in status.details:
                info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
                if detail.Unpack(info):
                    reason = info.reason
                elif detail.Unpack(retry):
                    retry_after_ms = retry.retry_delay.ToMilliseconds()
    return Refusal(error.code(), reason, error.details() or "", retry_after_ms)
