# SPDX-License-Identifier: Apache-2.0
"""Validators' transports on loopback with real TLS, and raw peers that behave as no transport would."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

import grpc
import grpc.aio

from ledger.model.block import Validator
from ledger.model.keys import KeyRole, KeyType
from ledger.model.private_key import PrivateKey
from ledger.node.config import PeerOptions
from ledger.node.peers import PeerMessage, VoteMessage
from ledger.node.tls import LeafIssuer, create_ca_certificate
from ledger.node.transport.codec import FRAME_SIZE_MAX, PEER_VERSION, Hello, encode_hello
from ledger.node.transport.links import STREAM_METHOD
from ledger.node.transport.transport import PeerTransport

CHAIN_ID = "test:0123456789abcdef"
OPTIONS = PeerOptions()
WAIT_SECONDS_MAX = 20.0
GRACE_MS = 2_000


def wall_time_ms() -> int:
    return time.time_ns() // 1_000_000


def tls_key(name: str) -> PrivateKey:
    secret = sha256(f"peer world {name}".encode()).digest()
    return PrivateKey("tls", KeyRole.TLS, KeyType.P256, "tls", secret)


@lru_cache(maxsize=32)
def make_validator(validator_id: str, *, key: str = "") -> Validator:
    """A validator with a CA certificate of its own key, or of the key of another name."""
    return Validator(
        id=validator_id,
        vote_key_type=KeyType.ED25519,
        tls_certificate=create_ca_certificate(tls_key(key or validator_id), validator_id),
    )


def make_issuer(
    validator: Validator,
    *,
    key: str = "",
    named: str = "",
    time_ms: Callable[[], int] = wall_time_ms,
) -> LeafIssuer:
    """The issuer of a validator's leaves, or of leaves in another's name."""
    return LeafIssuer(
        tls_key(key or validator.id),
        validator.tls_certificate,
        named or validator.id,
        time_ms=time_ms,
    )


def vote(number: int, size: int = 0) -> VoteMessage:
    """A message that can be told from others."""
    return VoteMessage(b"%d" % number + bytes(size), b"signature")


async def until(is_true: Callable[[], bool]) -> None:
    """Return when something is so of which nobody is told; the loop turns meanwhile."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not is_true():  # noqa: ASYNC110 - counters tell nobody when they change
            await asyncio.sleep(0)


class Recorder:
    """A listener that keeps what it is told, and waits for it."""

    def __init__(self) -> None:
        self.received: list[tuple[str, PeerMessage]] = []
        self.connections: list[str] = []
        self.losses: list[str] = []
        self._changed = asyncio.Event()

    def receive(self, peer: str, message: PeerMessage) -> None:
        self.received.append((peer, message))
        self._changed.set()

    def connected(self, peer: str) -> None:
        self.connections.append(peer)
        self._changed.set()

    def lost(self, peer: str) -> None:
        self.losses.append(peer)
        self._changed.set()

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Return when something is so; looked at after each call."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            while not is_true():
                self._changed.clear()
                await self._changed.wait()

    def of(self, peer: str) -> list[PeerMessage]:
        """What came from a validator."""
        return [message for sender, message in self.received if sender == peer]

    async def until_received(self, peer: str, messages: Sequence[PeerMessage]) -> None:
        await self.until(lambda: self.of(peer)[-len(messages) :] == list(messages))

    async def until_connected(self, peer: str, times: int = 1) -> None:
        await self.until(lambda: self.connections.count(peer) >= times)

    async def until_lost(self, peer: str) -> None:
        await self.until(lambda: peer in self.losses)


@dataclass
class World:
    """The validators there are, and the transports that run."""

    validators: list[Validator]
    transports: dict[str, PeerTransport] = field(default_factory=dict[str, PeerTransport])
    recorders: dict[str, Recorder] = field(default_factory=dict[str, Recorder])

    async def start(
        self,
        validator_id: str,
        addresses: Mapping[str, tuple[str, int]] | None = None,
        *,
        port: int = 0,
        chain_id: str = CHAIN_ID,
        options: PeerOptions = OPTIONS,
        issuer: LeafIssuer | None = None,
        keepalive_ms: int = 1_000,
        is_isolation_allowed: bool = False,
    ) -> PeerTransport:
        """A running transport; it reaches nobody until addresses are given."""
        validator = next(v for v in self.validators if v.id == validator_id)
        recorder = self.recorders[validator_id] = Recorder()
        transport = PeerTransport(
            validator_id,
            chain_id,
            lambda: self.validators,
            addresses or {},
            ("127.0.0.1", port),
            issuer or make_issuer(validator),
            options,
            recorder,
            keepalive_ms=keepalive_ms,
            is_isolation_allowed=is_isolation_allowed,
        )
        self.transports[validator_id] = transport
        await transport.start()
        return transport

    def introduce(self, ids: Collection[str] | None = None) -> None:
        """Tell running transports where the others listen."""
        addresses = {
            name: ("127.0.0.1", transport.port) for name, transport in self.transports.items()
        }
        for name in ids or list(self.transports):
            self.transports[name].set_addresses(addresses)

    async def until_connected(self) -> None:
        """Everybody reaches everybody."""
        for name, recorder in self.recorders.items():
            for other in self.transports:
                if other != name:
                    await recorder.until_connected(other)

    async def stop(self, validator_id: str, *, grace_ms: int = GRACE_MS) -> None:
        await self.transports.pop(validator_id).stop(grace_ms)


@contextlib.asynccontextmanager
async def world(*ids: str) -> AsyncGenerator[World]:
    """Validators; whatever transports are started are stopped."""
    made = World([make_validator(name) for name in ids])
    try:
        yield made
    finally:
        await asyncio.gather(*(t.stop(0) for t in made.transports.values()))


@dataclass(frozen=True)
class Ended:
    """How a raw stream ended."""

    code: grpc.StatusCode
    text: str


@contextlib.asynccontextmanager
async def raw_stream(
    port: int,
    server: Validator,
    issuer: LeafIssuer | None,
    *,
    leaf: tuple[bytes, bytes] | None = None,
) -> AsyncGenerator[Any]:
    """A stream to a transport, by hand: `write` frames, then `ended`.

    `issuer` None: no client certificate. `leaf`: private key and chain (PEM) instead.
    """
    if issuer is not None:
        current = issuer.current()
        leaf = current.private_key, current.certificate_chain
    key, chain = leaf or (None, None)
    channel = grpc.aio.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(
            ssl.DER_cert_to_PEM_cert(server.tls_certificate).encode(), key, chain
        ),
        options=[
            ("grpc.ssl_target_name_override", server.id),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_send_message_length", 2 * FRAME_SIZE_MAX),
        ],
    )
    call = cast("Any", channel.stream_unary(STREAM_METHOD)())
    try:
        yield call
    finally:
        call.cancel()
        await channel.close()


async def ended(call: Any) -> Ended:
    """How the other side ended a stream."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        return Ended(await call.code(), await call.details())


async def write(call: Any, *frames: bytes) -> None:
    """Write frames as long as the stream takes them."""
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for frame in frames:
            await call.write(frame)


def hello(sender: str, *, chain_id: str = CHAIN_ID, version: int = PEER_VERSION) -> bytes:
    """The first frame of a stream."""
    return encode_hello(Hello(version, chain_id, sender))
