# SPDX-License-Identifier: Apache-2.0
"""The listener for other validators: one stream from each, identified by certificate.

Rules of this file:
- Who is no validator fails at the handshake: the records' certificates are the only roots, and a
  client certificate is required. Whose leaf it is decides the key that signed it, never a name in it;
  the id in the hello must be that validator's.
- A frame is read when the one before is delivered: who does not take messages here fills the queue
  of who sends.
- A validator has one stream; a newer one ends the older, which may be what is left of a lost
  connection. Streams that have not said hello are few and have little time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc
import grpc.aio

from ledger.api.server import check_address
from ledger.api.tls_credentials import TlsMaterial, make_server_credentials
from ledger.model.block import Validator
from ledger.node.peers import PeerMessage
from ledger.node.tls import LeafIssuer, encode_root_certificates, find_leaf_issuers
from ledger.node.transport.codec import (
    FRAME_SIZE_MAX,
    PEER_VERSION,
    Hello,
    PeerFrameError,
    decode_frame,
    decode_hello,
    encode_end,
)
from ledger.node.transport.links import ACCEPTED_METADATA
from ledger.node.transport.traffic import TrafficCount

_log = logging.getLogger(__name__)

SERVICE: Final = "psetledger.v1.PeerService"
HANDSHAKE_MS_MAX: Final = 5_000
"""How long a new connection may take until it can carry streams."""
HELLO_MS_MAX: Final = 5_000
"""How long a stream may take to say hello."""
OPENING_COUNT_MAX: Final = 4
"""Streams of one validator that have not said hello; more are refused."""
CONNECTIONS_COUNT_MAX: Final = 1024
STREAMS_COUNT_MAX: Final = 4
"""Streams at once over one connection; more wait."""
CALLS_COUNT_MAX: Final = 1024
IDLE_CONNECTION_MS_MAX: Final = 30_000
"""A connection without a stream is closed after so long."""
METADATA_SIZE_MAX: Final = 16 * 1024
PING_INTERVAL_MS_MIN: Final = 10
"""Peers look after their connections more often than clients may."""
_LOGGED_COUNT_MAX: Final = 1024


class _RefusedError(Exception):
    """A stream ends, and its sender hears why."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(eq=False, slots=True)
class _Incoming:
    """A stream that has said hello."""

    task: asyncio.Task[Any]
    end: _RefusedError | None = None
    """Why we end it."""


class PeerServer:
    """Takes streams of other validators. Belongs to one event loop."""

    def __init__(
        self,
        validator_id: str,
        chain_id: str,
        *,
        validators: Callable[[], Sequence[Validator]],
        address: tuple[str, int],
        leaf_issuer: LeafIssuer,
        keepalive_ms: int,
        traffic_of: Callable[[str], TrafficCount],
        on_heard: Callable[[str], None],
        on_message: Callable[[str, PeerMessage], None],
    ) -> None:
        """`validators` may be called in any thread. Raises OSError when the address cannot be used."""
        self._validator_id = validator_id
        self._chain_id = chain_id
        self._validators = validators
        self._traffic_of = traffic_of
        self._on_heard = on_heard
        self._on_message = on_message
        self._incoming: dict[str, _Incoming] = {}
        self._opening: Counter[frozenset[str]] = Counter()
        self._is_stopping = False
        self._logged: set[tuple[str, str]] = set()
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=CALLS_COUNT_MAX,
            options=[
                ("grpc.max_receive_message_length", FRAME_SIZE_MAX),
                ("grpc.max_send_message_length", METADATA_SIZE_MAX),
                ("grpc.max_metadata_size", METADATA_SIZE_MAX),
                ("grpc.max_concurrent_streams", STREAMS_COUNT_MAX),
                ("grpc.max_allowed_incoming_connections", CONNECTIONS_COUNT_MAX),
                ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS_MAX),
                ("grpc.max_connection_idle_ms", IDLE_CONNECTION_MS_MAX),
                ("grpc.keepalive_time_ms", keepalive_ms),
                ("grpc.keepalive_timeout_ms", keepalive_ms),
                ("grpc.http2.ping_timeout_ms", keepalive_ms),  # by default a minute, and it decides
                ("grpc.http2.max_pings_without_data", 0),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
                ("grpc.http2.max_ping_strikes", 0),
                # Two nodes on one port would each get half of the streams.
                ("grpc.so_reuseport", 0),
            ],
        )
        handler = cast("Any", grpc.stream_unary_rpc_method_handler(self._serve))
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(SERVICE, {"Stream": handler})]
        )

        def read() -> TlsMaterial:
            leaf = leaf_issuer.current()
            return TlsMaterial(
                leaf.private_key, leaf.certificate_chain, encode_root_certificates(validators())
            )

        credentials = make_server_credentials(read)
        host, port = address
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        check_address(host, port)
        try:
            self.port = self._server.add_secure_port(target, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {target}: {error}") from error

    async def start(self) -> None:
        """Begin to take streams."""
        await self._server.start()

    async def stop(self, grace_ms: int) -> None:
        """End every stream, then close."""
        self._is_stopping = True
        for incoming in self._incoming.values():
            self._end(incoming, grpc.StatusCode.UNAVAILABLE, "the validator stops")
        await self._server.stop(grace_ms / 1000)

    def is_heard(self, peer: str) -> bool:
        """Whether a stream of the validator is open."""
        return peer in self._incoming

    # One stream -----------------------------------------------------------------------------------

    async def _serve(self, _: Any, context: Any) -> bytes:
        who = "somebody"
        try:
            validators = self._validators()
            issuers = self._identify(context, validators)
            who = " or ".join(sorted(issuers))
            with self._counted_as_opening(issuers):
                hello = await self._read_hello(context)
                self._check_hello(hello, issuers)
            # Names are those of validators from here on.
            await self._receive(context, hello.sender, validators)
            return encode_end()
        except _RefusedError as error:
            refused = error
        except PeerFrameError as error:
            for peer in who.split(" or "):
                self._traffic_of(peer).malformed_count += 1
            refused = _RefusedError(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        self._log_once(who, refused)
        await context.abort(refused.code, refused.text)
        raise AssertionError("abort does not return")

    def _identify(self, context: Any, validators: Sequence[Validator]) -> frozenset[str]:
        """Whose leaf opened the connection; several only where records share a key."""
        if self._is_stopping:
            raise _RefusedError(grpc.StatusCode.UNAVAILABLE, "the validator stops")
        leaves = context.auth_context().get("x509_pem_cert", ())
        issuers = find_leaf_issuers(b"".join(leaves), validators) - {self._validator_id}
        if not issuers:
            raise _RefusedError(
                grpc.StatusCode.UNAUTHENTICATED, "the certificate is of no other validator"
            )
        return issuers

    @contextmanager
    def _counted_as_opening(self, issuers: frozenset[str]) -> Generator[None]:
        if self._opening[issuers] >= OPENING_COUNT_MAX:
            raise _RefusedError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{OPENING_COUNT_MAX} streams of the validator have not said hello",
            )
        self._opening[issuers] += 1
        try:
            yield
        finally:
            self._opening[issuers] -= 1
            if not self._opening[issuers]:
                del self._opening[issuers]

    async def _read_hello(self, context: Any) -> Hello:
        try:
            async with asyncio.timeout(HELLO_MS_MAX / 1000):
                data = await context.read()
        except TimeoutError:
            raise _RefusedError(
                grpc.StatusCode.DEADLINE_EXCEEDED, f"no hello within {HELLO_MS_MAX} ms"
            ) from None
        if not isinstance(data, bytes):
            raise PeerFrameError("the stream ended without a hello")
        return decode_hello(data)

    def _check_hello(self, hello: Hello, issuers: frozenset[str]) -> None:
        if hello.version != PEER_VERSION:
            raise _RefusedError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"version {hello.version} of messages between validators;"
                f" {self._validator_id} speaks {PEER_VERSION}",
            )
        if hello.chain_id != self._chain_id:
            raise _RefusedError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"chain {hello.chain_id}; {self._validator_id} is of {self._chain_id}",
            )
        if hello.sender not in issuers:
            raise _RefusedError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"the certificate is not that of {hello.sender}",
            )

    async def _receive(self, context: Any, peer: str, validators: Sequence[Validator]) -> None:
        """Deliver frames until the sender ends the stream. Raises _RefusedError, PeerFrameError."""
        task = asyncio.current_task()
        assert task is not None, "gRPC runs each call in a task"
        older = self._incoming.get(peer)
        if older is not None:
            self._end(older, grpc.StatusCode.ABORTED, "the validator opened a newer stream")
        incoming = self._incoming[peer] = _Incoming(task)
        self._logged = {known for known in self._logged if known[0] != peer}
        traffic = self._traffic_of(peer)
        try:
            await context.send_initial_metadata((ACCEPTED_METADATA,))
            self._on_heard(peer)
            while isinstance(data := await context.read(), bytes):
                validators = self._recheck(context, peer, validators)
                frame = decode_frame(data)
                traffic.received_frames_count += 1
                traffic.received_count += len(frame.messages)
                traffic.received_bytes += len(data)
                traffic.ignored_count += frame.unknown_count
                for message in frame.messages:
                    self._on_message(peer, message)
        except asyncio.CancelledError:
            if incoming.end is None:
                raise
            task.uncancel()
            raise incoming.end from None
        finally:
            if self._incoming.get(peer) is incoming:
                del self._incoming[peer]

    def _recheck(
        self, context: Any, peer: str, validators: Sequence[Validator]
    ) -> Sequence[Validator]:
        """Who has been removed, or given another key, since the stream began is heard no longer."""
        now = self._validators()
        if now is not validators and now != validators and peer not in self._identify(context, now):
            raise _RefusedError(
                grpc.StatusCode.UNAUTHENTICATED, f"the certificate is no longer that of {peer}"
            )
        return now

    def _end(self, incoming: _Incoming, code: grpc.StatusCode, text: str) -> None:
        incoming.end = _RefusedError(code, text)
        incoming.task.cancel()

    def _log_once(self, who: str, refused: _RefusedError) -> None:
        known = (who, refused.code.name)
        if known not in self._logged and len(self._logged) < _LOGGED_COUNT_MAX:
            self._logged.add(known)
            _log.warning(
                "peer refused peer=%s code=%s reason=%s", who, refused.code.name, refused.text
            )
