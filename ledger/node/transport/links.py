# SPDX-License-Identifier: Apache-2.0
"""The link to one other validator: a queue, a stream that empties it, and connecting anew.

Rules of this file:
- `send` never waits. Messages wait only for a link that stands or is being made; a link that breaks
  takes its queue with it, since what is in there is old by the time another stands.
- A frame carries whatever waits, up to a limit: the busier the link, the fuller its frames.
- gRPC takes credentials once for a channel, so every attempt has a channel of its own; a leaf that is
  renewed ends the stream in order, and the queue goes on over the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, cast

import grpc
import grpc.aio

from ledger.node.tls import LeafIssuer
from ledger.node.transport.codec import (
    FRAME_FILL_SIZE,
    FRAME_MESSAGES_COUNT_MAX,
    FRAME_SIZE_MAX,
    encode_frame,
)
from ledger.node.transport.traffic import TrafficCount

_log = logging.getLogger(__name__)

STREAM_METHOD: Final = "/psetledger.v1.PeerService/Stream"
ACCEPTED_METADATA: Final = ("psetledger-hello", "accepted")
"""Comes back when the hello was accepted; a refusal has no such thing."""
CONNECT_MS_MAX: Final = 5_000
"""How long it may take until the hello is accepted."""
BACKOFF_MS_MIN: Final = 50
BACKOFF_MS_MAX: Final = 2_000
END_MS_MAX: Final = 2_000
"""How long a peer may take to confirm the end of a stream."""
ANSWER_SIZE_MAX: Final = 16 * 1024
"""Bytes of what a peer answers on a stream."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Limits of one link."""

    queue_count_max: int
    queue_bytes_max: int
    keepalive_ms: int
    """A silent connection is asked for a sign of life so often, and broken if none comes as long."""


class _LinkState(Enum):
    PAUSED = auto()
    CONNECTING = auto()
    CONNECTED = auto()


class _BrokenError(Exception):
    """The link broke, or was not made; the text says why."""


class PeerLink:
    """Messages to one validator. Belongs to one event loop."""

    def __init__(
        self,
        peer: str,
        address: tuple[str, int],
        *,
        hello: bytes,
        find_root: Callable[[str], bytes | None],
        leaf_issuer: LeafIssuer,
        options: LinkOptions,
        traffic: TrafficCount,
        on_connected: Callable[[str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """`hello` is the first frame; `find_root` gives a validator's CA certificate (PEM), None for
        nobody. `on_lost` may be called by `send`; it must not wait.
        """
        self.peer = peer
        self.address = address
        self._hello = hello
        self._find_root = find_root
        self._leaf_issuer = leaf_issuer
        self._options = options
        self._traffic = traffic
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._state = _LinkState.CONNECTING
        self._is_stopping = False
        self._has_work = asyncio.Event()
        self._is_woken = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._logged = ""

    # For the node ---------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Whether the peer takes messages."""
        return self._state is _LinkState.CONNECTED

    @property
    def queue_count(self) -> int:
        return len(self._queue)

    @property
    def queue_bytes(self) -> int:
        return self._queue_bytes

    def start(self) -> None:
        """Begin to connect."""
        self._running = asyncio.get_running_loop().create_task(self._run())

    def send(self, message: bytes) -> None:
        """Queue an encoded message, or drop it and say so."""
        if (
            self._state is _LinkState.PAUSED
            or self._is_stopping
            or len(self._queue) >= self._options.queue_count_max
            or self._queue_bytes + len(message) > self._options.queue_bytes_max
        ):
            self._traffic.dropped_count += 1
            self._on_lost(self.peer)
            return
        self._queue.append(message)
        self._queue_bytes += len(message)
        self._has_work.set()

    def wake(self) -> None:
        """The peer is there: do not wait for the next attempt."""
        if not self.is_connected:
            self._is_woken.set()

    async def stop(self, grace_ms: int) -> None:
        """Send what is queued if the link stands and the grace allows it, then close."""
        self._is_stopping = True
        self._has_work.set()
        running = self._running
        if running is None:
            return
        if self.is_connected and grace_ms:
            await asyncio.wait((running,), timeout=grace_ms / 1000)
        running.cancel()
        await asyncio.wait((running,))
        self._state = _LinkState.PAUSED

    # The one loop ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        backoff_ms = BACKOFF_MS_MIN
        while not self._is_stopping:
            begun_at = loop.time()
            try:
                await self._connect_and_send()
            except Exception as error:  # noqa: BLE001 - whatever breaks a link, it is made anew
                if not isinstance(error, _BrokenError):
                    _log.exception("peer link failed peer=%s", self.peer)
                if loop.time() - begun_at >= BACKOFF_MS_MAX / 1000:
                    backoff_ms = BACKOFF_MS_MIN
                self._broke(str(error))
                await self._pause(backoff_ms)
                backoff_ms = min(2 * backoff_ms, BACKOFF_MS_MAX)
            else:
                self._state = _LinkState.CONNECTING

    def _broke(self, text: str) -> None:
        was_connected = self.is_connected
        self._state = _LinkState.PAUSED
        self._traffic.dropped_count += len(self._queue)
        self._queue.clear()
        self._queue_bytes = 0
        if was_connected or text != self._logged:
            _log.warning("peer unreachable peer=%s reason=%s", self.peer, text)
            self._logged = text
        self._on_lost(self.peer)

    async def _pause(self, backoff_ms: int) -> None:
        """Wait between half of it and all of it, or until the peer shows itself."""
        wait_ms = backoff_ms // 2 + secrets.randbelow(backoff_ms // 2 + 1)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                await self._is_woken.wait()
        self._is_woken.clear()
        self._state = _LinkState.CONNECTING

    async def _connect_and_send(self) -> None:
        """Serve the queue over one stream until it is to end. Raises _BrokenError."""
        root = self._find_root(self.peer)
        if root is None:
            raise _BrokenError("no validator of this network")
        leaf = self._leaf_issuer.current()
        credentials = grpc.ssl_channel_credentials(root, leaf.private_key, leaf.certificate_chain)
        host, port = self.address
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        channel = grpc.aio.secure_channel(target, credentials, options=self._channel_options())
        try:
            # Bytes in, bytes out: the codec is ours.
            call = cast("Any", channel.stream_unary(STREAM_METHOD)())
            try:
                await self._greet(call)
                await self._pump(call, lambda: self._leaf_issuer.current() is leaf)
            except grpc.aio.AioRpcError as error:
                raise _BrokenError(f"{error.code().name}: {error.details()}") from None
            except asyncio.InvalidStateError:
                raise _BrokenError(await _describe_end(call)) from None
            except TimeoutError:
                raise _BrokenError(f"no answer within {CONNECT_MS_MAX} ms") from None
            finally:
                call.cancel()
        finally:
            await channel.close()

    def _channel_options(self) -> list[tuple[str, Any]]:
        keepalive_ms = self._options.keepalive_ms
        return [
            ("grpc.ssl_target_name_override", self.peer),
            ("grpc.max_send_message_length", FRAME_SIZE_MAX),
            ("grpc.max_receive_message_length", ANSWER_SIZE_MAX),
            ("grpc.max_metadata_size", ANSWER_SIZE_MAX),
            ("grpc.keepalive_time_ms", keepalive_ms),
            ("grpc.keepalive_timeout_ms", keepalive_ms),
            ("grpc.http2.ping_timeout_ms", keepalive_ms),  # by default a minute, and it decides
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.enable_retries", 0),
            # Another attempt is another connection, whatever became of the last.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
        ]

    async def _greet(self, call: Any) -> None:
        async with asyncio.timeout(CONNECT_MS_MAX / 1000):
            await call.write(self._hello)
            metadata = await call.initial_metadata()
            if metadata is None or ACCEPTED_METADATA not in list(metadata):
                raise _BrokenError(await _describe_end(call))
        self._state = _LinkState.CONNECTED
        self._traffic.connections_count += 1
        self._logged = ""
        self._is_woken.clear()
        _log.info("peer connected peer=%s", self.peer)
        self._on_connected(self.peer)

    async def _pump(self, call: Any, is_leaf_current: Callable[[], bool]) -> None:
        """Write frames until the link is to stop or to be renewed."""
        call.add_done_callback(self._call_ended)
        while is_leaf_current():
            if self._queue:
                count, size, frame = self._take_frame()
                try:
                    await call.write(frame)
                except BaseException:
                    self._traffic.dropped_count += count
                    raise
                self._traffic.sent_count += count
                self._traffic.sent_bytes += size
                self._traffic.sent_frames_count += 1
                continue
            if self._is_stopping:
                break
            if call.done():
                raise _BrokenError(await _describe_end(call))
            self._has_work.clear()
            await self._has_work.wait()
        try:
            async with asyncio.timeout(END_MS_MAX / 1000):
                await call.done_writing()
                await call
        except TimeoutError:
            raise _BrokenError("the end of the stream was not confirmed") from None

    def _call_ended(self, _: object) -> None:
        self._has_work.set()

    def _take_frame(self) -> tuple[int, int, bytes]:
        """Count and bytes of the messages, and the frame."""
        queue = self._queue
        taken = [queue.popleft()]
        size = len(taken[0])
        while (
            queue
            and len(taken) < FRAME_MESSAGES_COUNT_MAX
            and size + len(queue[0]) <= FRAME_FILL_SIZE
        ):
            size += len(queue[0])
            taken.append(queue.popleft())
        self._queue_bytes -= size
        return len(taken), size, encode_frame(taken)


async def _describe_end(call: Any) -> str:
    """How the peer, or gRPC, ended a call that is over or about to be."""
    code = await call.code()
    return f"{code.name}: {await call.details()}"
