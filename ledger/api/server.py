# SPDX-License-Identifier: Apache-2.0
"""The gRPC server of a node: TLS, limits, health, graceful stop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from ledger.api.ports import LedgerNode
from ledger.api.services import (
    BLOCK_SERVICE,
    LEDGER_SERVICE,
    NODE_SERVICE,
    QUERY_SERVICE,
    REQUEST_SIZE_MAX,
    generic_handlers,
)

_HEALTH: Final[Any] = health
_HEALTH_GRPC: Final[Any] = health_pb2_grpc

RESPONSE_SIZE_MAX: Final = 16 * 1024 * 1024
"""Bytes of one answer: a block with its receipts."""
METADATA_SIZE_MAX: Final = 16 * 1024
PING_INTERVAL_MS_MIN: Final = 10_000
"""A client that pings more often is cut off."""
IDLE_CONNECTION_MS_MAX: Final = 30 * 60 * 1000

_SERVICES: Final = ("", LEDGER_SERVICE, QUERY_SERVICE, BLOCK_SERVICE, NODE_SERVICE)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How much one server takes on."""

    calls_count_max: int
    streams_count_max: int


class ApiServer:
    """Serves one node on one address."""

    def __init__(
        self,
        node: LedgerNode,
        address: tuple[str, int],
        *,
        limits: ServerLimits,
        key_pair: Callable[[], tuple[bytes, bytes]],
    ) -> None:
        """`key_pair` gives private key and certificate chain in PEM, for each new connection.

        It may be called in any thread. Raises OSError when the address cannot be used.
        """
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=limits.calls_count_max,
            options=[
                ("grpc.max_receive_message_length", REQUEST_SIZE_MAX),
                ("grpc.max_send_message_length", RESPONSE_SIZE_MAX),
                ("grpc.max_metadata_size", METADATA_SIZE_MAX),
                ("grpc.max_concurrent_streams", limits.streams_count_max),
                ("grpc.max_connection_idle_ms", IDLE_CONNECTION_MS_MAX),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
                # Two nodes on one port would each get half of the calls.
                ("grpc.so_reuseport", 0),
            ],
        )
        self._server.add_generic_rpc_handlers(generic_handlers(node))
        self._health: Any = _HEALTH.aio.HealthServicer()
        _HEALTH_GRPC.add_HealthServicer_to_server(self._health, self._server)

        def configuration() -> Any:
            return grpc.ssl_server_certificate_configuration([key_pair()])

        credentials = grpc.dynamic_ssl_server_credentials(
            configuration(), configuration, require_client_authentication=False
        )
        host, port = address
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        _check_address(host, port)
        try:
            self.port = self._server.add_secure_port(target, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {target}: {error}") from error

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def set_serving(self, *, serving: bool) -> None:
        """What the health service answers."""
        status = health_pb2.HealthCheckResponse
        await self._set_health(status.SERVING if serving else status.NOT_SERVING)

    async def stop(self, grace_ms: int) -> None:
        """Take no new calls, let those at work end within the grace, then close."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_ms / 1000)

    async def _set_health(self, status: int) -> None:
        for service in _SERVICES:
            await self._health.set(service, status)


def _check_address(host: str, port: int) -> None:
    """Raise OSError with the system's reason; gRPC itself would only print it."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
