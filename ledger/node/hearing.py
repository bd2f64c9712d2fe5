# SPDX-License-Identifier: Apache-2.0
"""What other validators say, before it reaches the ordering: the place where their lies end.

Rules of this file:
- Whatever comes is bounded, and judged before it is believed. What is no honest validator's message is
  dropped, with evidence where there is some; it never ends this node.
- A block is looked at whole when it is seen for the first time, before it enters the log: form,
  proposer, parent and its certificate, transactions, time. One that fails is no log mismatch: it is
  not stepped and not acknowledged, and its sender is not followed for a while (R8).
- A block whose parent is not certified here yet waits for what comes with it, or is dropped: the
  leader sends it again.
- Nothing committed here is ever replaced, whoever asks (R3); a candidate whose log ends below the
  newest certified block is refused (R4); `sender` is who the link says it is (R9).
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from consensus import Entry, EntryKind, Message, MessageKind
from consensus.errors import OrderingError
from consensus.message_check import MalformedMessageError, check_message
from ledger.model.block import BlockHeader, SignedVote
from ledger.model.codec import decode, encode
from ledger.model.proofs import CertifiedHead
from ledger.model.wire import EncodingError
from ledger.node.certifying import Certifier
from ledger.node.configuration import find_change_fault, read_change_height
from ledger.node.driving import DriverParts, Driving, Flight
from ledger.node.finality import read_vote
from ledger.node.peers import (
    TRAVELLING_KINDS,
    BlocksMessage,
    BlocksRequest,
    CertificateMessage,
    ForwardAnswer,
    ForwardMessage,
    PeerMessage,
    RaftMessage,
    VoteMessage,
)
from ledger.node.proposals import CheckedBlock, ProposalError, ReadProposal, read_proposal
from ledger.storage.layout import decode_number

_log = logging.getLogger(__name__)

INBOX_COUNT_MAX: Final = 8_192
"""Messages that wait to be looked at; more are dropped."""
INBOX_SIZE_MAX: Final = 64 * 1024 * 1024
"""Bytes of blocks and transactions in them."""
ROUND_COUNT_MAX: Final = 256
"""Messages looked at before the ordering's work is done again."""
CLOCK_AHEAD_MS_MAX: Final = 10_000
"""How far a block's time may lie ahead of this machine's clock when it is seen first."""
IGNORED_TIMEOUTS_COUNT: Final = 4
"""Election timeouts for which a leader that was refused is not followed: longer than its followers take
to stand for election (up to two), and than it takes to see that a quorum has left it.
"""
TERM_STEP_MAX: Final = 2**32
"""How far ahead a term may be: no network has so many elections."""


_FROM_LEADER: Final = frozenset({MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.SNAPSHOT})


class Sight(Enum):
    """What comes of looking at a block, or a change of members, for the first time."""

    GOOD = auto()
    """It may enter the log."""
    EARLY = auto()
    """What it follows from is not certified here yet."""
    REFUSED = auto()
    """No honest leader sends it, or not at this time."""


class Hearing:
    """The driver's ear. One thread: the event loop's."""

    def __init__(self, driver: Driving, parts: DriverParts, certifier: Certifier) -> None:
        self._certifier = certifier
        self._driver = driver
        self._parts = parts
        self._inbox: deque[tuple[str, PeerMessage]] = deque()
        self._inbox_size = 0
        self._early_at: tuple[int, int] | None = None
        """How far the chain was when a block was too early; tried again only when it is further."""
        self._rest: tuple[str, Message] | None = None
        """What is left of an append whose first block must be executed before the next is judged."""
        self._ignored: dict[str, int] = {}
        """Until when a validator is not followed, monotonic ms."""
        self._snapshot: tuple[str, Message, int] | None = None
        """A leader's word that its log begins above ours; taken when the tip is at the height."""
        self.heard_at: dict[str, int] = {}
        """Monotonic ms of the last message of each validator."""
        self.heard_height = 0
        """The greatest height of which somebody spoke; a claim."""
        self.heard_from: str = ""

    def keep(self, peer: str, message: PeerMessage) -> None:
        """Queue a message; dropped when there is no room."""
        self.heard_at[peer] = self._parts.clock.monotonic_ms()
        size = _measure(message)
        if len(self._inbox) >= INBOX_COUNT_MAX or self._inbox_size + size > INBOX_SIZE_MAX:
            _log.debug("inbox full: message dropped of=%s", peer)
            return
        self._inbox.append((peer, message))
        self._inbox_size += size

    @property
    def has_more(self) -> bool:
        """Whether something can be looked at now."""
        return bool(self._inbox) or self._rest is not None

    async def hear(self) -> None:
        """Look at what came, up to the limit of a round."""
        for _ in range(ROUND_COUNT_MAX):
            if self._rest is not None:
                if self._driver.ordering.has_ready():
                    return
                (peer, rest), self._rest = self._rest, None
                await self._hear_append(peer, rest)
            elif self._inbox:
                peer, message = self._inbox.popleft()
                self._inbox_size -= _measure(message)
                await self._hear(peer, message)
            else:
                return

    def certified(self, height: int) -> None:
        """The tip is at this height."""
        if self._snapshot is not None and height >= self._snapshot[2]:
            peer, message, _ = self._snapshot
            self._snapshot = None
            self._take_snapshot(peer, message)

    def begin_anew(self) -> None:
        """The ordering was replaced."""
        self._rest = self._snapshot = None

    # By kind --------------------------------------------------------------------------------------

    async def _hear(self, peer: str, message: PeerMessage) -> None:
        match message:
            case RaftMessage():
                await self._hear_raft(peer, message.message)
            case VoteMessage():
                self._hear_vote(peer, message)
            case CertificateMessage():
                self._hear_certificate(peer, message)
            case ForwardAnswer():
                if self._driver.forwarding.take_answer(peer, message):
                    # As with a block from the future: if a quorum thinks so, another leads.
                    self._refuse_leader(peer, "by its clock has expired what has not by this one")
            case BlocksMessage():
                self._driver.catch_up.take(peer, message)
            case ForwardMessage() | BlocksRequest():
                self._parts.serve(peer, message)

    def _hear_vote(self, peer: str, message: VoteMessage) -> None:
        vote = read_vote(message.vote)
        tip = self._driver.tip
        if vote is None or vote.chain_id != self._parts.rules.chain_id:
            self._refuse(peer, "a vote that is none of this network")
            return
        self._note_height(peer, vote.height - 1)
        if vote.height <= tip.height:
            self._send_certificate(peer, vote.height)
        elif self._certifier.is_vote_kept(vote.height):
            self._certifier.add_vote(vote.height, SignedVote(message.vote, peer, message.signature))

    def _send_certificate(self, peer: str, height: int) -> None:
        """Who still votes for a certified height lacks its certificate (R5)."""
        blocks = self._parts.chain.blocks
        header, certificate = blocks.header(height), blocks.certificate(height)
        if header is not None and certificate is not None:
            head = encode(CertifiedHead(header, certificate))
            self._parts.links.send(peer, CertificateMessage(head))

    def _hear_certificate(self, peer: str, message: CertificateMessage) -> None:
        try:
            head = decode(CertifiedHead, message.head)
            height = decode(BlockHeader, head.header).height
        except EncodingError:
            self._refuse(peer, "a certificate that cannot be read")
            return
        self._note_height(peer, height)
        if height == self._driver.tip.height + 1:
            self._certifier.offer(peer, height, head.certificate)

    def _note_height(self, peer: str, height: int) -> None:
        if height > self.heard_height or peer == self.heard_from:
            self.heard_height, self.heard_from = height, peer

    # Messages of the ordering ---------------------------------------------------------------------

    async def _hear_raft(self, peer: str, message: Message) -> None:
        if self._driver.is_observer:
            return  # it follows by blocks
        reason = self._find_fault(peer, message)
        if reason:
            self._refuse(peer, reason)
            return
        if message.kind in _FROM_LEADER and self._is_ignored(peer):
            return
        match message.kind:
            case MessageKind.APPEND:
                await self._hear_append(peer, message)
            case MessageKind.SNAPSHOT:
                self._hear_snapshot(peer, message)
            case MessageKind.READ_INDEX if not self._driver.is_leader:
                pass  # asked of a leader that was; whoever asks asks again
            case MessageKind.VOTE | MessageKind.PRE_VOTE if self._is_log_short(message):
                head = encode(self._driver.tip.head)
                self._parts.links.send(peer, CertificateMessage(head))
            case _:
                self._step(message)

    def _find_fault(self, peer: str, message: Message) -> str:
        """What no honest validator sends, or an empty string."""
        ordering = self._driver.ordering
        if message.kind not in TRAVELLING_KINDS:
            return f"{message.kind.name} does not travel"
        membership = self._driver.tip.membership
        own_number = membership.get_number(self._parts.validator_id)
        if (membership.find_id(message.sender), message.recipient) != (peer, own_number):
            return "a message in another's name"
        try:
            check_message(message)
        except MalformedMessageError as error:
            return str(error)
        if message.term > ordering.term + TERM_STEP_MAX:
            return f"a term far ahead: {message.term}"
        is_current = message.term >= ordering.term
        if (
            message.kind is MessageKind.HEARTBEAT
            and is_current
            and message.commit > ordering.last_index
        ):
            return f"a commit index {message.commit} beyond what this log holds"
        if (
            message.kind is MessageKind.APPEND_RESPONSE
            and is_current
            and not message.rejected
            and message.log_index > ordering.last_index
        ):
            return f"an acknowledgement of {message.log_index}, which was never sent"
        return ""

    def _is_log_short(self, message: Message) -> bool:
        """R4: the candidate lacks the newest block that is known to be certified."""
        return message.log_index < self._parts.chain.head.applied_index

    def _is_ignored(self, peer: str) -> bool:
        until = self._ignored.get(peer)
        if until is None:
            return False
        if self._parts.clock.monotonic_ms() < until:
            return True
        del self._ignored[peer]
        return False

    def _step(self, message: Message) -> None:
        with contextlib.suppress(OrderingError):
            self._driver.ordering.step(message)

    def _refuse(self, peer: str, reason: str) -> None:
        _log.warning("refused from=%s reason=%s", peer, reason)

    def _refuse_leader(self, peer: str, reason: str) -> None:
        """R8: not stepped, not acknowledged, not followed for a while."""
        self._refuse(peer, reason)
        now = self._parts.clock.monotonic_ms()
        timeout_ms = self._parts.consensus.election_timeout_ms
        self._ignored[peer] = now + IGNORED_TIMEOUTS_COUNT * timeout_ms
        if self._driver.leader == peer:
            self._driver.ordering.forget_leader()

    # Appends --------------------------------------------------------------------------------------

    async def _hear_append(self, peer: str, message: Message) -> None:
        ordering = self._driver.ordering
        is_old = message.term < ordering.term or message.log_index < ordering.committed
        if is_old or not message.entries:
            # Old, or nothing to take: the core answers. What is committed here is never compared
            # with what others send, and so never replaced (R3).
            self._step(message)
            return
        position = ordering.find_new_entry(message)
        if position is None:
            self._step(message)  # nothing new, or what is before is another: the core answers
            return
        steps = [n for n in range(position, len(message.entries)) if _is_seen(message.entries[n])]
        if steps:
            entry, replaced_from = message.entries[steps[0]], message.entries[position].index
            if entry.kind is EntryKind.NORMAL:
                sight = await self._see(peer, entry, replaced_from)
            else:
                sight = self._see_conf_change(peer, entry)
            if sight is Sight.REFUSED:
                return
            if sight is Sight.EARLY:
                # What comes before it, and the commit index, may bring its parent to its end.
                self._step_part(peer, message, steps[0])
                return
            if len(steps) > 1:
                self._step_part(peer, message, steps[1])
                return
        self._early_at = None
        self._step(message)

    def _step_part(self, peer: str, message: Message, position: int) -> None:
        """Step the entries before a position; the rest comes when what they bring is done.

        If that brings the chain no further the rest is dropped: the leader sends it again.
        """
        head = _cut(message, position)
        if position == 0 and self._early_at == self._driver.progress:
            self._early_at = None
        else:
            self._early_at = self._driver.progress
            self._rest = (peer, self._make_rest(message, head))
        self._step(head)

    def _see_conf_change(self, peer: str, entry: Entry) -> Sight:
        """Whether the certified state asks for a change of members."""
        if self._parts.chain.log.conf_index >= entry.index:
            return Sight.GOOD
        height = read_change_height(entry)
        if height is None:
            self._refuse_leader(peer, "a change of members that names no height")
            return Sight.REFUSED
        if height > self._driver.tip.height:
            return Sight.EARLY
        fault = find_change_fault(entry, self._driver.read_membership(height), height)
        if fault:
            self._refuse_leader(peer, f"change of members: {fault}")
            return Sight.REFUSED
        return Sight.GOOD

    def _make_rest(self, message: Message, head: Message) -> Message:
        if not head.entries:
            return message
        last = head.entries[-1]
        return replace(
            message,
            log_index=last.index,
            log_term=last.term,
            chain_digest=self._driver.ordering.extend_digest(head),
            entries=message.entries[len(head.entries) :],
        )

    async def _see(self, peer: str, entry: Entry, replaced_from: int) -> Sight:
        """Look at a block for the first time. What the log holds from `replaced_from` on goes."""
        driver = self._driver
        try:
            read = read_proposal(entry.data)
        except ProposalError as error:
            self._refuse_leader(peer, f"no block: {error}")
            return Sight.REFUSED
        height = read.header.height
        if driver.provisional is not None and height == driver.provisional.height + 1:
            await self._certifier.certify((read.proposal.parent_certificate,))
        tip = driver.tip
        if height <= tip.height:
            if self._parts.chain.blocks.header(height) == read.block.header:
                return Sight.GOOD
            reason = f"another block {height} than the certified one"
            self._accuse_proposer(read, reason, entry.term)
            self._refuse_leader(peer, reason)
            return Sight.REFUSED
        if height > tip.height + 1:
            return Sight.EARLY
        flight = driver.flight
        if (
            flight is not None
            and flight.index < replaced_from
            and flight.height > tip.height
            and driver.ordering.matches(flight.index, flight.term)
        ):
            self._refuse_leader(peer, f"a second block {height} while one is in flight")
            return Sight.REFUSED
        if read.header.time > self._parts.clock.time_ms() + CLOCK_AHEAD_MS_MAX:
            self._refuse_leader(peer, f"block {height} is ahead of this machine's clock")
            return Sight.REFUSED
        finality, known, examine = (
            self._parts.finality,
            self._parts.pool.checked,
            self._parts.examine,
        )
        try:
            checked = await driver.in_worker(
                lambda: finality.check(entry.data, tip, known=known, examine=examine)
            )
        except ProposalError as error:
            self._accuse_proposer(read, str(error), entry.term)
            self._refuse_leader(peer, f"block {height}: {error}")
            return Sight.REFUSED
        self._look_for_double_proposal(checked, entry.term)
        driver.checked = checked
        driver.flight = Flight(entry.index, entry.term, height)
        return Sight.GOOD

    def _accuse_proposer(self, read: ReadProposal, reason: str, term: int) -> None:
        validators = self._driver.tip.validators.validator_set
        self._parts.accuse(
            lambda keeper: keeper.keep_invalid_proposal(read.encoded, reason, validators, term=term)
        )

    def _look_for_double_proposal(self, block: CheckedBlock, term: int) -> None:
        """Another block of this height from the same proposer was here before."""
        before, flight = self._driver.checked, self._driver.flight
        if (
            before is None
            or flight is None
            or (before.header.height, before.header.proposer)
            != (block.header.height, block.header.proposer)
            or before.block_hash == block.block_hash
        ):
            return
        validators = self._driver.tip.validators.validator_set
        self._parts.accuse(
            lambda keeper: keeper.keep_double_proposal(
                before.proposal,
                block.proposal,
                validators,
                first_term=flight.term,
                second_term=term,
            )
        )

    def _hear_snapshot(self, peer: str, message: Message) -> None:
        """The leader's log begins above this one's: the blocks are fetched first."""
        snapshot = message.snapshot
        if snapshot is None or len(snapshot.data) != 8:
            self._refuse(peer, "a snapshot that says no height")
            return
        height = decode_number(snapshot.data)
        if not height:
            self._refuse(peer, "a snapshot before the first block")
        elif self._driver.tip.height >= height:
            self._take_snapshot(peer, message)
        else:
            self._snapshot = (peer, message, height)
            self._driver.catch_up.want(height, peer)

    def _take_snapshot(self, peer: str, message: Message) -> None:
        """The blocks are here: the log begins where the leader's does, unless that would drop a block
        that this key may have voted for (R3). It lies above the tip, and so above where an honest
        leader's log begins.
        """
        flight, driver = self._driver.flight, self._driver
        commit = driver.ordering.status().hard_state.commit
        if flight is not None and driver.is_in_flight() and flight.index <= commit:
            self._refuse(
                peer, f"a snapshot in place of block {flight.height}, which is ordered here"
            )
            return
        self._step(message)


def _is_seen(entry: Entry) -> bool:
    """Whether an entry is looked at before it may enter the log: blocks and changes of members."""
    return entry.kind is not EntryKind.NORMAL or bool(entry.data)


def _cut(message: Message, position: int) -> Message:
    """The append without its entries from a position on."""
    return replace(message, entries=message.entries[:position])


def _measure(message: PeerMessage) -> int:
    """Bytes of the large parts of a message."""
    match message:
        case RaftMessage():
            return sum(len(entry.data) for entry in message.message.entries)
        case ForwardMessage():
            return sum(len(transaction) for transaction in message.transactions)
        case BlocksMessage():
            return sum(len(block.proposal) for block in message.blocks)
        case _:
            return 0
