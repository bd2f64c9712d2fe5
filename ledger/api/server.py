# SPDX-License-Identifier: Apache-2.0
"""The gRPC server of a node: TLS, limits, health, graceful stop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio

from ledger.api.calls import WAIT_MS_MAX
from ledger.api.gate import CallGate
from ledger.api.health import HEALTH_SERVICE, Health
from ledger.api.ports import LedgerNode
from ledger.api.reflection import Reflection
from ledger.api.services import (
    BLOCK_SERVICE,
    LEDGER_SERVICE,
    NODE_SERVICE,
    QUERY_SERVICE,
    REQUEST_SIZE_MAX,
    generic_handlers,
)
from ledger.api.tls_credentials import TlsMaterial, make_server_credentials

RESPONSE_SIZE_MAX: Final = 16 * 1024 * 1024
"""Bytes of one answer: a block with its receipts."""
METADATA_SIZE_MAX: Final = 16 * 1024
PING_INTERVAL_MS_MIN: Final = 10_000
"""A client that pings more often is cut off."""
IDLE_CONNECTION_MS_MAX: Final = 5 * 60 * 1000
HANDSHAKE_MS_MAX: Final = 10_000
"""How long a new connection may take until it can carry calls."""
CONNECTION_AGE_MS_MAX: Final = 10 * 60 * 1000
"""A connection so old is closed in order, and with it calls that never sent a request; clients open
another by themselves.
"""
UNSERVED_COUNT_MAX: Final = 10_000
"""Calls at once beyond those that are served: their request is not here yet, or they are about to be
told that there are too many. gRPC itself refuses what is above.
"""

_SERVICES: Final = ("", LEDGER_SERVICE, QUERY_SERVICE, BLOCK_SERVICE, NODE_SERVICE)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How much one server takes on."""

    connections_count_max: int
    calls_count_max: int
    calls_per_host_max: int
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
        reflection: bool = True,
    ) -> None:
        """`key_pair` gives private key and certificate chain in PEM, for each new connection.

        It may be called in any thread. `reflection`: tell whoever asks which services there are and
        what their messages look like. Raises OSError when the address cannot be used.
        """
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=limits.calls_count_max + UNSERVED_COUNT_MAX,
            options=[
                ("grpc.max_receive_message_length", REQUEST_SIZE_MAX),
                ("grpc.max_send_message_length", RESPONSE_SIZE_MAX),
                ("grpc.max_metadata_size", METADATA_SIZE_MAX),
                ("grpc.max_concurrent_streams", limits.streams_count_max),
                ("grpc.max_allowed_incoming_connections", limits.connections_count_max),
                ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS_MAX),
                ("grpc.max_connection_idle_ms", IDLE_CONNECTION_MS_MAX),
                ("grpc.max_connection_age_ms", CONNECTION_AGE_MS_MAX),
                ("grpc.max_connection_age_grace_ms", WAIT_MS_MAX),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
                # Two nodes on one port would each get half of the calls.
                ("grpc.so_reuseport", 0),
            ],
        )
        self._node = node
        self._is_serving = False
        gate = CallGate(
            count_max=limits.calls_count_max, per_host_count_max=limits.calls_per_host_max
        )
        health = Health(_SERVICES, self._is_service_serving)
        self._server.add_generic_rpc_handlers(
            [*generic_handlers(node, gate), health.generic_handler()]
        )
        if reflection:
            names = (*filter(None, _SERVICES), HEALTH_SERVICE)
            self._server.add_generic_rpc_handlers(Reflection(names).generic_handlers())

        credentials = make_server_credentials(lambda: TlsMaterial(*key_pair()))
        host, port = address
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        check_address(host, port)
        try:
            self.port = self._server.add_secure_port(target, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {target}: {error}") from error

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()
        self._is_serving = True

    def set_serving(self, *, serving: bool) -> None:
        """Whether the health service calls this node one to be asked at all."""
        self._is_serving = serving

    async def stop(self, grace_ms: int) -> None:
        """Take no new calls, let those at work end within the grace, then close."""
        self._is_serving = False
        await self._server.stop(grace_ms / 1000)

    def _is_service_serving(self, service: str) -> bool:
        return self._is_serving and (service != LEDGER_SERVICE or self._node.get_status().voting)


def check_address(host: str, port: int) -> None:
    """Raise OSError with the system's reason if nobody can listen there; gRPC would only print it."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
