# SPDX-License-Identifier: Apache-2.0
"""A validator's transport: its listener, and a link to each of the others (`PeerLinks`).

The listener's methods are called on the event loop, never from within `send`, and not after `stop`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from ledger.model.block import Validator
from ledger.node.config import PeerOptions
from ledger.node.errors import usage_error
from ledger.node.peers import PeerListener, PeerMessage
from ledger.node.tls import LeafIssuer
from ledger.node.transport.codec import (
    PEER_VERSION,
    Hello,
    PeerMessageError,
    encode_hello,
    encode_message,
)
from ledger.node.transport.links import LinkOptions, PeerLink
from ledger.node.transport.server import PeerServer
from ledger.node.transport.traffic import PeerTraffic, TrafficCount

_log = logging.getLogger(__name__)

KEEPALIVE_MS: Final = 1_000
"""The default; give the election timeout, and a dead link is noticed within twice that."""


class PeerTransport:
    """Implements `PeerLinks`. Belongs to the event loop in which it is made."""

    def __init__(
        self,
        validator_id: str,
        chain_id: str,
        validators: Callable[[], Sequence[Validator]],
        addresses: Mapping[str, tuple[str, int]],
        listen: tuple[str, int],
        leaf_issuer: LeafIssuer,
        options: PeerOptions,
        listener: PeerListener | None = None,
        *,
        keepalive_ms: int = KEEPALIVE_MS,
        is_isolation_allowed: bool = False,
    ) -> None:
        """Bind the address. Raises OSError when it cannot be used.

        `validators` says who may connect now, this one included; it is called in any thread. Who is
        not in `addresses` is not reached. The listener may also be given later, by `attach`. After
        `keepalive_ms` of silence a connection is asked for a sign of life, and broken if none comes
        for as long.
        """
        self._validator_id = validator_id
        self._validators = validators
        self._listener = listener
        self._leaf_issuer = leaf_issuer
        self._link_options = LinkOptions(
            queue_count_max=options.queue_count_max,
            queue_bytes_max=options.queue_bytes_max,
            keepalive_ms=keepalive_ms,
        )
        self._is_isolation_allowed = is_isolation_allowed
        self._isolated: frozenset[str] | None = frozenset()
        """None: from all."""
        self._hello = encode_hello(Hello(PEER_VERSION, chain_id, validator_id))
        self._traffic: dict[str, TrafficCount] = {}
        self._links: dict[str, PeerLink] = {}
        self._lost: set[str] = set()
        self._is_started = False
        self._is_stopped = False
        self._endings: set[asyncio.Task[None]] = set()
        self._server = PeerServer(
            validator_id,
            chain_id,
            validators=validators,
            address=listen,
            leaf_issuer=leaf_issuer,
            keepalive_ms=keepalive_ms,
            traffic_of=self._traffic_of,
            on_heard=self._heard,
            on_message=self._received,
        )
        self.set_addresses(addresses)

    # The node's life ------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Of the listener."""
        return self._server.port

    def attach(self, listener: PeerListener) -> None:
        """Who is told; before `start`."""
        assert not self._is_started, "the listener is there from the start"
        self._listener = listener

    async def start(self) -> None:
        """Listen, and begin to connect."""
        assert self._listener is not None, "somebody must be told what comes"
        await self._server.start()
        self._is_started = True
        for link in self._links.values():
            link.start()

    async def stop(self, grace_ms: int) -> None:
        """Let queued messages leave within the grace, then close everything. Idempotent."""
        if self._is_stopped:
            return
        self._is_stopped = True
        await asyncio.gather(*(link.stop(grace_ms) for link in self._links.values()))
        if self._endings:
            await asyncio.wait(self._endings)
        await self._server.stop(grace_ms)

    def set_addresses(self, addresses: Mapping[str, tuple[str, int]]) -> None:
        """Where the others listen from now on. Links to those that are gone or moved are closed."""
        for peer, link in list(self._links.items()):
            if addresses.get(peer) != link.address:
                del self._links[peer]
                if self._is_started:
                    self._tell_lost(peer)
                    ending = asyncio.get_running_loop().create_task(link.stop(0))
                    self._endings.add(ending)
                    ending.add_done_callback(self._endings.discard)
        for peer, address in addresses.items():
            if peer == self._validator_id or peer in self._links:
                continue
            self._links[peer] = link = PeerLink(
                peer,
                address,
                hello=self._hello,
                find_root=self._find_root,
                leaf_issuer=self._leaf_issuer,
                options=self._link_options,
                traffic=self._traffic_of(peer),
                on_connected=self._tell_connected,
                on_lost=self._tell_lost,
            )
            if self._is_started and not self._is_stopped:
                link.start()

    # PeerLinks ------------------------------------------------------------------------------------

    def send(self, peer: str, message: PeerMessage) -> None:
        link = self._links.get(peer)
        if link is None or self.is_isolated(peer) or self._is_stopped:
            if link is not None:
                self._traffic_of(peer).dropped_count += 1
            self._tell_lost(peer)
            return
        try:
            data = encode_message(message)
        except PeerMessageError:
            _log.exception("message dropped peer=%s", peer)
            self._traffic_of(peer).dropped_count += 1
            self._tell_lost(peer)
            return
        link.send(data)

    def is_connected(self, peer: str) -> bool:
        link = self._links.get(peer)
        return link is not None and link.is_connected and not self.is_isolated(peer)

    # For operators --------------------------------------------------------------------------------

    def set_isolated(self, peers: Collection[str] | None) -> None:
        """Drop everything to and from these validators, or all (None), until called anew.

        Raises NodeError (ISOLATION_NOT_ALLOWED): the configuration does not allow it; nothing
        changes.
        """
        if not self._is_isolation_allowed:
            raise usage_error(
                "ISOLATION_NOT_ALLOWED",
                "this validator may not be cut off from others",
                "On a network for development, set testing.isolation in config.toml.",
            )
        before = {peer for peer in self._links if self.is_isolated(peer)}
        self._isolated = None if peers is None else frozenset(peers)
        after = {peer for peer in self._links if self.is_isolated(peer)}
        for peer in sorted(after - before):
            self._tell_lost(peer)
        for peer in sorted(before - after):
            if self.is_connected(peer):
                self._tell_connected(peer)

    def traffic(self) -> dict[str, PeerTraffic]:
        """What went to and came from each of the others."""
        found: dict[str, PeerTraffic] = {}
        for peer, count in sorted(self._traffic.items()):
            link = self._links.get(peer)
            found[peer] = count.freeze(
                is_connected=self.is_connected(peer),
                is_heard=self._server.is_heard(peer),
                queue_count=link.queue_count if link else 0,
                queue_bytes=link.queue_bytes if link else 0,
            )
        return found

    # From links and server ------------------------------------------------------------------------

    def _heard(self, peer: str) -> None:
        link = self._links.get(peer)
        if link is not None:
            link.wake()

    def _received(self, peer: str, message: PeerMessage) -> None:
        if self.is_isolated(peer):
            self._traffic_of(peer).ignored_count += 1
        elif not self._is_stopped and self._listener is not None:
            self._listener.receive(peer, message)

    def _tell_connected(self, peer: str) -> None:
        if not self._is_stopped and not self.is_isolated(peer) and self._listener is not None:
            self._listener.connected(peer)

    def _tell_lost(self, peer: str) -> None:
        """Later, and once for all messages of one turn of the loop: `send` is called in the middle of
        things.
        """
        if peer not in self._lost:
            self._lost.add(peer)
            asyncio.get_running_loop().call_soon(self._deliver_lost, peer)

    def _deliver_lost(self, peer: str) -> None:
        self._lost.discard(peer)
        if not self._is_stopped and self._listener is not None:
            self._listener.lost(peer)

    def is_isolated(self, peer: str) -> bool:
        """Whether this node is cut off from a validator on purpose."""
        return self._isolated is None or peer in self._isolated

    def _find_root(self, peer: str) -> bytes | None:
        for validator in self._validators():
            if validator.id == peer:
                return ssl.DER_cert_to_PEM_cert(validator.tls_certificate).encode()
        return None

    def _traffic_of(self, peer: str) -> TrafficCount:
        return self._traffic.setdefault(peer, TrafficCount())
