# SPDX-License-Identifier: Apache-2.0
"""What happened in a run, in order: a digest of all of it, and its end for people to read."""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from typing import Final

from consensus import Message, MessageKind
from ledger.node.peers import (
    BlocksMessage,
    BlocksRequest,
    CertificateMessage,
    ForwardAnswer,
    ForwardMessage,
    PeerMessage,
    RaftMessage,
    VoteMessage,
)
from tests.support.simulation.loop import VirtualLoop

TAIL_COUNT_MAX: Final = 400
"""Lines that are kept."""


class Trace:
    """Lines with their simulated time. Heartbeats are counted in, not kept."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._hash = sha256()
        self._tail: deque[str] = deque(maxlen=TAIL_COUNT_MAX)
        self.count = 0

    def note(self, who: str, what: str, *, is_kept: bool = True) -> None:
        """Add a line."""
        line = f"{self._loop.now_us / 1_000_000:11.6f} {who:8} {what}"
        self._hash.update(line.encode())
        self.count += 1
        if is_kept:
            self._tail.append(line)

    def digest(self) -> str:
        """Of every line so far."""
        return self._hash.hexdigest()

    def tail(self, count: int = TAIL_COUNT_MAX) -> str:
        """The last lines."""
        return "\n".join(list(self._tail)[-count:])


def short(data: bytes) -> str:
    """A name for some bytes."""
    return sha256(data).hexdigest()[:8]


def describe(message: PeerMessage) -> str:
    """One line for a message, different for messages that differ in what matters."""
    match message:
        case RaftMessage():
            return describe_raft(message.message)
        case VoteMessage():
            return f"vote {short(message.vote)} {short(message.signature)}"
        case CertificateMessage():
            return f"certificate {short(message.head)}"
        case ForwardMessage():
            return f"forward {' '.join(short(item) for item in message.transactions)}"
        case ForwardAnswer():
            answers = (f"{r.transaction_id.hex()[:8]}={r.code!r}" for r in message.results)
            return f"answer {' '.join(answers)}"
        case BlocksRequest():
            return f"blocks? {message.first_height}..{message.last_height}"
        case BlocksMessage():
            return f"blocks {message.first_height} +{len(message.blocks)}"


def describe_raft(message: Message) -> str:
    """Kind, term, place, and what is in it."""
    entries = "".join(f" [{e.index}/{e.term} {short(e.data)}]" for e in message.entries)
    refused = " rejected" if message.rejected else ""
    snapshot = f" snapshot {message.snapshot.index}" if message.snapshot is not None else ""
    return (
        f"{message.kind.name} t{message.term} at {message.log_index}/{message.log_term}"
        f" c{message.commit}{refused}{entries}{snapshot}"
    )


def is_dull(message: PeerMessage) -> bool:
    """Whether a message would only fill the page."""
    return isinstance(message, RaftMessage) and message.message.kind in (
        MessageKind.HEARTBEAT,
        MessageKind.HEARTBEAT_RESPONSE,
    )
