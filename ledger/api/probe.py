# SPDX-License-Identifier: Apache-2.0
"""Asking a node how it is, over the API, for those who start and stop nodes. Nothing is proven here."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Final, Self, cast

import grpc

from ledger.api.ports import NodeStatus
from psetledger.v1 import services_pb2 as messages
from psetledger.v1 import services_pb2_grpc as stubs

_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 100),
    ("grpc.enable_http_proxy", 0),
)


class ProbeError(Exception):
    """No answer, or none that can be read; the message says why."""


class NodeProbe:
    """A connection to one node, trusted by the certificate in its record. Close it."""

    def __init__(self, address: str, validator_id: str, tls_certificate: bytes) -> None:
        """`address` is host:port, `tls_certificate` DER."""
        options: list[tuple[str, Any]] = [
            *_OPTIONS,
            ("grpc.ssl_target_name_override", validator_id),
        ]
        root = ssl.DER_cert_to_PEM_cert(tls_certificate).encode()
        self._channel = grpc.secure_channel(
            address, grpc.ssl_channel_credentials(root_certificates=root), options=options
        )
        self._node = stubs.NodeServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._channel.close()

    def get_status(self, *, timeout_seconds: float) -> NodeStatus:
        """How the node sees itself. Raises ProbeError."""
        try:
            answer = self._node.GetStatus(messages.GetNodeStatusRequest(), timeout=timeout_seconds)
        except grpc.RpcError as error:
            # Every error of a call is a call too; the stubs do not say so.
            details = cast("grpc.Call", error).details()
            raise ProbeError(details or "no answer") from None
        return NodeStatus(
            chain_id=answer.chain_id,
            node_id=answer.node_id,
            organisation=answer.organisation,
            role=answer.role,
            height=answer.height,
            applied_height=answer.applied_height,
            voting=answer.voting,
            voting_reason=answer.voting_reason,
            state_root=answer.state_root,
            software_version=answer.software_version,
            protocol_version=answer.protocol_version,
            time=answer.time,
            term=answer.term,
            leader=answer.leader,
        )
