# SPDX-License-Identifier: Apache-2.0
"""The network among the simulated validators, through the transport's own encoding of messages.

Rules of this file:
- Each direction of each link has its own condition: cut, clogged (holds everything until it is opened
  again), delay, loss, repetition, overtaking.
- A link that is cut swallows what it is given; its sender notices after a while (`lost`), and is told
  when messages leave again (`connected`).
- A link holds a limited number of messages; what is over is dropped, and its sender told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from ledger.node.peers import PeerListener, PeerMessage
from ledger.node.transport.codec import decode_frame, encode_frame, encode_message
from tests.support.simulation.loop import Process, VirtualLoop
from tests.support.simulation.trace import Trace, describe, is_dull

QUEUE_COUNT_MAX: Final = 256
"""Messages under way on one direction of a link."""
NOTICE_US_MAX: Final = 1_500_000
"""How long a sender may take to notice that a link is cut."""
RECONNECT_US_MAX: Final = 300_000

SendWatcher = Callable[[str, str, PeerMessage], None]
"""Called with sender, recipient and message before the message is on its way."""


@dataclass(frozen=True, slots=True)
class LinkQuality:
    """How good a network is; times in microseconds, rates between 0 and 1."""

    delay_us: int = 300
    delay_spread_us: int = 1_500
    loss_rate: float = 0.0
    repeat_rate: float = 0.0
    overtake_rate: float = 0.0


@dataclass(slots=True)
class _Link:
    """One direction between two validators."""

    is_cut: bool = False
    is_clogged: bool = False
    is_up: bool = True
    """As its sender believes."""
    generation: int = 0
    """Of the cuts; a notice that is older does not count."""
    under_way_count: int = 0
    last_arrival_us: int = 0
    held: list[PeerMessage] = field(default_factory=list[PeerMessage])


@dataclass(frozen=True, slots=True)
class _End:
    process: Process
    listener: PeerListener


class NodeLinks:
    """`PeerLinks` of one run of one node."""

    def __init__(self, network: SimulatedNetwork, node: str) -> None:
        self._network = network
        self._node = node

    def send(self, peer: str, message: PeerMessage) -> None:
        self._network.send(self._node, peer, message)

    def is_connected(self, peer: str) -> bool:
        return self._network.is_connected(self._node, peer)


class SimulatedNetwork:
    """All links."""

    def __init__(
        self, loop: VirtualLoop, random: Random, nodes: Sequence[str], trace: Trace
    ) -> None:
        self._loop = loop
        self._random = random
        self._trace = trace
        self._nodes = tuple(nodes)
        self._links = {(a, b): _Link() for a in nodes for b in nodes if a != b}
        self._ends: dict[str, _End] = {}
        self.quality = LinkQuality()
        self.watchers: list[SendWatcher] = []
        self.arrival_watchers: list[SendWatcher] = []
        """Called when a message arrives where somebody listens."""
        self.encoded_rate = 0.3
        """Part of the messages that pass through the encoding of the transport."""

    def add(self, node: str) -> None:
        """One more, with links to and from all others."""
        for peer in self._nodes:
            self._links[node, peer], self._links[peer, node] = _Link(), _Link()
        self._nodes = (*self._nodes, node)

    def attach(self, node: str, process: Process, listener: PeerListener) -> None:
        """A run of a node begins to listen."""
        self._ends[node] = _End(process, listener)
        for peer in self._nodes:
            if peer != node:
                self._connect_later(node, peer)
                self._connect_later(peer, node)

    def detach(self, node: str) -> None:
        """The run is over."""
        self._ends.pop(node, None)
        for peer in self._nodes:
            if peer != node:
                self._links[node, peer].is_up = False
                self._notice_later(peer, node)

    # Sending --------------------------------------------------------------------------------------

    def is_connected(self, node: str, peer: str) -> bool:
        link = self._links.get((node, peer))
        return link is not None and link.is_up and peer in self._ends

    def send(self, node: str, peer: str, message: PeerMessage) -> None:
        """Let a message go its way, or get lost."""
        for watch in self.watchers:
            watch(node, peer, message)
        self._trace.note(node, f"-> {peer} {describe(message)}", is_kept=not is_dull(message))
        link = self._links.get((node, peer))
        if link is None:
            raise KeyError(f"{node} has no link to {peer}")
        if not link.is_up or link.under_way_count + len(link.held) >= QUEUE_COUNT_MAX:
            self._trace.note(node, f"-x {peer} dropped", is_kept=not is_dull(message))
            self._tell(node, lambda listener: listener.lost(peer))
            return
        if link.is_cut or self._random.random() < self.quality.loss_rate:
            return
        if self._random.random() < self.encoded_rate:
            [message] = decode_frame(encode_frame([encode_message(message)])).messages
        if link.is_clogged:
            link.held.append(message)
            return
        self._forward(node, peer, link, message)
        if self._random.random() < self.quality.repeat_rate:
            self._forward(node, peer, link, message)

    def _forward(self, node: str, peer: str, link: _Link, message: PeerMessage) -> None:
        quality = self.quality
        due = self._loop.now_us + quality.delay_us
        due += self._random.randrange(quality.delay_spread_us + 1)
        if self._random.random() >= quality.overtake_rate:
            due = max(due, link.last_arrival_us)
            link.last_arrival_us = due
        link.under_way_count += 1
        self._loop.call_after_us(
            due - self._loop.now_us,
            self._arrive,
            node,
            peer,
            link,
            message,
            context=_NOBODY.context,
        )

    def _arrive(self, node: str, peer: str, link: _Link, message: PeerMessage) -> None:
        link.under_way_count -= 1
        if not link.is_cut:
            if peer in self._ends:
                for watch in self.arrival_watchers:
                    watch(node, peer, message)
            self._tell(peer, lambda listener: listener.receive(node, message))

    def _tell(self, node: str, what: Callable[[PeerListener], None]) -> None:
        end = self._ends.get(node)
        if end is not None:
            self._loop.call_soon(what, end.listener, context=end.process.context)

    # Conditions -----------------------------------------------------------------------------------

    def cut(self, node: str, peer: str) -> None:
        """Nothing gets from a node to a peer any more."""
        link = self._links[node, peer]
        if not link.is_cut:
            link.is_cut = True
            self._notice_later(node, peer)

    def heal(self, node: str, peer: str) -> None:
        """Open a link: what it held arrives at once."""
        link = self._links[node, peer]
        was_bad = link.is_cut or link.is_clogged
        link.is_cut = link.is_clogged = False
        held, link.held = link.held, []
        for message in held:
            self._forward(node, peer, link, message)
        if was_bad:
            self._connect_later(node, peer)

    def clog(self, node: str, peer: str) -> None:
        """Hold everything that a node sends to a peer."""
        self._links[node, peer].is_clogged = True

    def heal_all(self) -> None:
        """A good network."""
        self.quality = LinkQuality()
        for node, peer in self._links:
            self.heal(node, peer)

    def _notice_later(self, node: str, peer: str) -> None:
        link = self._links[node, peer]
        link.generation += 1
        generation = link.generation

        def notice() -> None:
            if link.generation == generation and link.is_up:
                link.is_up = False
                self._trace.note(node, f"lost {peer}")
                self._tell(node, lambda listener: listener.lost(peer))

        self._later(NOTICE_US_MAX, notice)

    def _connect_later(self, node: str, peer: str) -> None:
        link = self._links[node, peer]
        link.generation += 1
        generation = link.generation

        def connect() -> None:
            if link.generation != generation or link.is_cut or peer not in self._ends:
                return
            link.is_up = True
            self._trace.note(node, f"connected {peer}")
            self._tell(node, lambda listener: listener.connected(peer))

        self._later(RECONNECT_US_MAX, connect)

    def _later(self, us_max: int, what: Callable[[], None]) -> asyncio.TimerHandle:
        delay = self._random.randrange(us_max + 1)
        return self._loop.call_after_us(delay, what, context=_NOBODY.context)


class _Nobody(Process):
    """What the network does is no node's."""


_NOBODY: Final = _Nobody("network")
