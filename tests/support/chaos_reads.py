# SPDX-License-Identifier: Apache-2.0
"""Reads of one validator that it must confirm with a quorum, without the client that would ask others."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, cast

import grpc

from ledger.model.codec import decode
from ledger.model.proofs import ProvenState
from ledger.model.verification import make_trust_root, verify_head
from psetledger.v1 import services_pb2 as messages
from psetledger.v1 import services_pb2_grpc as stubs
from sdk.networks import read_network
from tests.support.chaos import ChaosNetwork

ANSWER_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The height that a verified answer is of, or how the validator declined."""

    height: int
    error: str


class LatestReader:
    """A connection that stands, to one validator."""

    def __init__(self, network: ChaosNetwork, validator: str) -> None:
        held = read_network(network.directory)
        (address,) = (e.address for e in held.endpoints if e.validator == validator)
        root = ssl.DER_cert_to_PEM_cert(held.tls_certificate(validator)).encode()
        self._trust = make_trust_root(held.genesis)
        self._channel = grpc.secure_channel(
            address,
            grpc.ssl_channel_credentials(root_certificates=root),
            options=[("grpc.ssl_target_name_override", validator), ("grpc.enable_retries", 0)],
        )
        self._stub = stubs.QueryServiceStub(self._channel)

    def __enter__(self) -> Self:
        grpc.channel_ready_future(self._channel).result(ANSWER_SECONDS_MAX)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def ask(self) -> Any:
        """Begin to ask for what is the newest state; the answer to wait for with `read`."""
        request = messages.GetRequest(key=b"\x00", latest=True)
        return cast("Any", self._stub.Get).future(request, timeout=ANSWER_SECONDS_MAX)

    def read(self, asked: Any) -> Answer:
        """What was answered, verified."""
        try:
            answer = asked.result()
        except grpc.RpcError as error:
            call = cast("grpc.Call", error)
            return Answer(-1, f"{call.code().name}: {call.details()}")
        head = decode(ProvenState, answer.proven_state).head
        assert head is not None
        return Answer(verify_head(head, self._trust).header.height, "")
