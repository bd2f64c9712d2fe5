# SPDX-License-Identifier: Apache-2.0
"""What validators tell each other, and the port through which they do.

Rules of this file:
- Nothing here is a promise: a link may lose, delay, repeat or reorder what it is given, and drops
  what does not fit into its queue. Whoever needs an answer asks again.
- The name of the sender comes from the link, which knows it from the peer's certificate; no message
  says who it is from but for what is signed.
- What is signed or hashed travels as its exact canonical bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from consensus import Message, MessageKind
from ledger.model.receipts import ApiReason, ReceiptCode

FORWARD_COUNT_MAX: Final = 1_000
"""Transactions in one forward, and answers in one answer."""
BLOCKS_COUNT_MAX: Final = 256
"""Blocks in one answer."""
BLOCKS_SIZE_MAX: Final = 2 * 1024 * 1024
"""Bytes of those blocks, unless the first alone is larger."""

TRAVELLING_KINDS: Final = frozenset(
    {
        MessageKind.APPEND,
        MessageKind.APPEND_RESPONSE,
        MessageKind.VOTE,
        MessageKind.VOTE_RESPONSE,
        MessageKind.PRE_VOTE,
        MessageKind.PRE_VOTE_RESPONSE,
        MessageKind.HEARTBEAT,
        MessageKind.HEARTBEAT_RESPONSE,
        MessageKind.SNAPSHOT,
        MessageKind.TIMEOUT_NOW,
        MessageKind.READ_INDEX,
        MessageKind.READ_INDEX_RESPONSE,
    }
)
"""Of the ordering's messages, those that one validator may send to another."""


@dataclass(frozen=True, slots=True)
class RaftMessage:
    """A message of the Raft core; `sender` and `recipient` are the numbers of this link's ends."""

    message: Message


@dataclass(frozen=True, slots=True)
class VoteMessage:
    """The sender's own vote for a block."""

    vote: bytes
    """Canonical Vote."""
    signature: bytes


@dataclass(frozen=True, slots=True)
class CertificateMessage:
    """The newest certificate that the sender knows, or the one that the receiver lacks."""

    head: bytes
    """Canonical CertifiedHead."""


@dataclass(frozen=True, slots=True)
class ForwardMessage:
    """Transactions for the leader, from a validator that clients gave them to."""

    transactions: tuple[bytes, ...]
    """Canonical Transaction each, at most FORWARD_COUNT_MAX."""


@dataclass(frozen=True, slots=True)
class ForwardResult:
    """What became of one forwarded transaction at the leader."""

    transaction_id: bytes
    code: ReceiptCode | ApiReason | None = None
    """Why it is not in the leader's queue; None when it is."""
    text: str = ""
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class ForwardAnswer:
    """The leader's answers to forwarded transactions."""

    results: tuple[ForwardResult, ...]


@dataclass(frozen=True, slots=True)
class BlocksRequest:
    """Asks for certified blocks from a height on."""

    first_height: int
    last_height: int
    """The last one that is wanted; fewer may come."""


@dataclass(frozen=True, slots=True)
class CertifiedBlock:
    """A block as one validator hands it to another."""

    proposal: bytes
    """Canonical Proposal."""
    certificate: bytes
    """Canonical QuorumCertificate of this block."""


@dataclass(frozen=True, slots=True)
class BlocksMessage:
    """Certified blocks in the order of their heights; none where the sender has none of them."""

    first_height: int
    blocks: tuple[CertifiedBlock, ...]


PeerMessage: TypeAlias = (
    RaftMessage
    | VoteMessage
    | CertificateMessage
    | ForwardMessage
    | ForwardAnswer
    | BlocksRequest
    | BlocksMessage
)


class PeerLinks(Protocol):
    """The links of one validator to the others. One thread: the event loop's."""

    def send(self, peer: str, message: PeerMessage) -> None:
        """Queue a message for a validator. Never waits: what does not fit is dropped, and
        `PeerListener.lost` is told.
        """
        ...

    def is_connected(self, peer: str) -> bool:
        """Whether messages to this validator leave now, as far as is known."""
        ...


class PeerListener(Protocol):
    """Who is told what comes from other validators. Called on the event loop; must not wait."""

    def receive(self, peer: str, message: PeerMessage) -> None:
        """A message of a validator, well-formed; its content is not checked."""
        ...

    def connected(self, peer: str) -> None:
        """Messages to this validator leave again."""
        ...

    def lost(self, peer: str) -> None:
        """A message to this validator was dropped, or the link to it broke."""
        ...


class _NoLinks:
    """Of a network of one."""

    def send(self, peer: str, message: PeerMessage) -> None:
        raise AssertionError(f"a network of one has no {peer} to send {type(message).__name__}")

    def is_connected(self, peer: str) -> bool:
        del peer
        return False


NO_LINKS: Final[PeerLinks] = _NoLinks()
"""Links to nobody."""
