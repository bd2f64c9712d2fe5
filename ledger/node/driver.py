# SPDX-License-Identifier: Apache-2.0
"""The one loop that carries out what the ordering asks, and brings each block to its certificate.

    hear      messages of other validators: first sight of blocks, votes, certificates
    tick      time for the ordering; votes are sent again while a block is not certified
    propose   the next block, when the last one is certified and a block is due
    persist   log entries, term and vote                                  (fsync, then →)
    answer    what says that something is durable leaves
    execute   the block, as soon as it is in the log, in memory only
    apply     ordered block: sign, vote record                            (fsync, then →)
              the vote leaves, to everybody
    certify   a quorum of votes, or the certificate from elsewhere: certificate, block, receipts, state,
              indexes, head: one batch                                    (fsync, then →)
    answer    who waits for these transactions

One block is in flight. What is on disk is certified or in the log; everything else is computed again
after a crash. The steps before each arrow are durable before the next begins; `Failpoint` names the
places between them. Whatever goes wrong ends the loop: the runtime stops the node, nothing goes on
over a doubt. What others send is no reason to end: it is refused (`ledger.node.hearing`).

The loop runs on the event loop; disk, execution and signatures of a block run in one worker thread,
one hop for each step, so blocks and batches are the unit of everything. The event loop alone touches
pool, ordering and `tip`. While a step takes long the ordering's time stands still: a leader whose disk
hangs falls silent, and others choose another.

Long because the order of all effects is to be read in one place; what can be judged, proposed and
certified without it lives in `hearing`, `proposing` and `certifying`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NoReturn, TypeVar

from consensus import Entry, EntryKind, HardState, Message, MessageKind, RawNode, Ready, Role
from consensus.conf_change import decode_conf_change
from consensus.errors import OrderingError
from ledger.model.codec import encode
from ledger.model.records import ValidatorStatus
from ledger.node.catch_up import CatchUp
from ledger.node.certifying import Certifier
from ledger.node.clock_watch import ClockWatch
from ledger.node.configuration import compute_conf_change
from ledger.node.driving import DriverParts, Flight
from ledger.node.errors import NodeError
from ledger.node.execution import ExecutedBlock
from ledger.node.failpoints import Failpoint
from ledger.node.finality import (
    Provisional,
    read_height,
)
from ledger.node.forwarding import Forwarding
from ledger.node.halt import HaltWatch
from ledger.node.hearing import Hearing
from ledger.node.membership import Membership, read_membership
from ledger.node.peers import (
    CertificateMessage,
    PeerMessage,
    RaftMessage,
    VoteMessage,
)
from ledger.node.proposals import CheckedBlock, ProposalError, read_proposal
from ledger.node.proposing import Proposer
from ledger.node.read_barrier import ReadBarrier
from ledger.node.tip import Tip
from ledger.state.validators import CHANGE_DELAY
from ledger.storage.errors import DIVERGENCE, CorruptionError
from ledger.storage.layout import decode_number

_log = logging.getLogger(__name__)

STALL_TIMEOUTS_COUNT: Final = 3
"""Election timeouts after which a leader without progress steps down (R8)."""
REMOVED_TIMEOUTS_COUNT: Final = 60
"""Election timeouts after which a removed validator ends in any case."""
HELP_TIMEOUTS_COUNT: Final = 5
"""Election timeouts for which it helps the others to leave the configuration that holds it."""
SNAPSHOT_TIMEOUTS_COUNT: Final = 10
"""Election timeouts after which a validator that catches up is told again."""

_T = TypeVar("_T")
_BEFORE_PERSIST: Final = frozenset(
    {MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.SNAPSHOT}
)
"""A leader's, which say nothing of its own disk."""
_ELECTION: Final = frozenset(
    {
        MessageKind.VOTE,
        MessageKind.VOTE_RESPONSE,
        MessageKind.PRE_VOTE,
        MessageKind.PRE_VOTE_RESPONSE,
    }
)
"""They carry the newest certificate (R4)."""


class _BegunAnewError(Exception):
    """The ordering was replaced: what the old one asked for is void."""


class Driver:
    """Drives one validator. `PeerListener` but for forwarded transactions and requests for blocks."""

    def __init__(self, parts: DriverParts) -> None:
        """`parts.tip` is the head of `parts.chain`; `parts.worker` has one thread, and nobody else
        writes there.
        """
        self._parts = parts
        self._clock = parts.clock
        self._pool = parts.pool
        self._clock_watch = ClockWatch(parts.clock, parts.blocks)
        self.tip = parts.tip
        self._own = parts.tip.membership.find(parts.validator_id)
        self._others = parts.tip.membership.others(parts.validator_id)
        self._ordering = parts.make_ordering(parts.tip.membership)
        election_ms = parts.consensus.election_timeout_ms
        self._election_ms = election_ms
        self.certifier = Certifier(self, parts)
        self.catch_up = CatchUp(answer_ms=2 * election_ms)
        self.forwarding = Forwarding(
            parts.pool, parts.links, resend_ms=2 * election_ms, time_ms=parts.clock.time_ms
        )
        self.hearing = Hearing(self, parts, self.certifier)
        self.provisional: Provisional | None = None
        self.flight: Flight | None = None
        """The newest block above the tip that is in the log, or was."""
        self.checked: CheckedBlock | None = None
        """The last block that passed its first sight here, or was made here."""
        self._executed: ExecutedBlock | None = None
        """The last block that was executed before it was ordered."""
        self._unwritten: HardState | None = None
        """A commit index that goes to the disk with the next work there."""
        self._wake = asyncio.Event()
        self._stopping = False
        self._draining = False
        self._hand_over_until: int | None = None
        self._asked: set[int] = set()
        """Whom this leader has asked to lead in its place since a block was certified."""
        self._asked_at = 0
        now = parts.clock.monotonic_ms()
        self._next_tick_at = now
        self._progress_at = now
        self._snapshots_told_at = now
        self._reads = ReadBarrier(parts.draw_bytes)
        self._removed_at: int | None = None
        self._helped_at: int | None = None
        self._halt_watch = HaltWatch(parts.consensus.halt_after_ms)
        self._proposer = Proposer(self, parts)
        self._find_flight()

    # What others ask ------------------------------------------------------------------------------

    @property
    def ordering(self) -> RawNode:
        """The Raft core; for status, and to be stepped by what was heard."""
        return self._ordering

    @property
    def term(self) -> int:
        """The ordering's term."""
        return self._ordering.term

    @property
    def is_leader(self) -> bool:
        """Whether this node proposes blocks."""
        return self._ordering.is_leader

    @property
    def leader(self) -> str:
        """Id of the validator that leads, as far as is known; an empty string otherwise."""
        return self.tip.membership.find_id(self._ordering.lead)

    @property
    def role(self) -> str:
        """leader, follower, candidate, or observer for a validator that takes no part."""
        if self.is_observer:
            return "observer"
        if self._own is not None and self._own.status is ValidatorStatus.LEARNER:
            return "learner"
        match self._ordering.status().role:
            case Role.LEADER:
                return "leader"
            case Role.FOLLOWER:
                return "follower"
            case _:
                return "candidate"

    @property
    def others(self) -> tuple[str, ...]:
        """Ids of the other validators."""
        return self._others

    def read_membership(self, height: int) -> Membership:
        """Who the members were after a certified block."""
        if height == self.tip.height:
            return self.tip.membership
        chain = self._parts.chain
        return read_membership(chain, chain.state.version_at(height))

    def get_number(self, validator_id: str) -> int:
        """A validator's number in the ordering; 0 for nobody's id."""
        return self.tip.membership.get_number(validator_id)

    @property
    def behind(self) -> int:
        """Blocks that another validator claims to have certified and this one has not."""
        return max(0, self.hearing.heard_height - self.tip.height)

    def find_silence(self, peer: str) -> int | None:
        """Milliseconds since something came from a validator; None if nothing ever did."""
        heard_at = self.hearing.heard_at.get(peer)
        return None if heard_at is None else self._clock.monotonic_ms() - heard_at

    @property
    def is_observer(self) -> bool:
        """Whether this node takes no part in ordering: it follows the certified blocks."""
        return bool(self._parts.no_vote_reason) or self._own is None

    @property
    def no_vote_reason(self) -> str:
        """Why this node's key does not vote, or an empty string."""
        if self._parts.no_vote_reason:
            return self._parts.no_vote_reason
        if self._own is None:
            return "this validator is not admitted, as far as it has read the chain"
        if self.tip.validators.find(self._parts.validator_id) is not None:
            return ""
        match self._own.status:
            case ValidatorStatus.LEARNER:
                return "this validator is a learner: it is admitted and not activated"
            case ValidatorStatus.REMOVED:
                return f"this validator was removed by block {self._own.removed_height}"
            case _:
                return "the block that makes this a validator is not two below the next one yet"

    @property
    def clock_reason(self) -> str:
        """Why this machine's clock makes no block now, or an empty string (`ClockWatch`)."""
        return self._clock_watch.find_reason(self.tip.header.time, self.tip.height)

    @property
    def network_reason(self) -> str:
        """Why nothing can be certified now, as far as this validator sees, or an empty string."""
        if not self._others or self.leader:
            return ""
        connected = [p for p in self._others if self._parts.links.is_connected(p)]
        needed = self.tip.validators.quorum_size(self._parts.rules)
        return (
            f"no leader is known: {len(connected)} of {len(self._others)} other validators are"
            f" connected, {needed} of {len(self._others) + 1} must agree"
        )

    async def confirm_read(self) -> bool:
        """Wait until what is certified here is all that was certified anywhere before this call.

        False when too many wait for that. Waits for ever where no leader is found: the caller has a
        deadline.
        """
        begun = self._reads.begin()
        if begun is None:
            return False
        context, confirmed = begun
        if self.is_observer:
            # It takes no part in ordering and cannot ask: the caller waits, and is told why.
            await confirmed
        self._ordering.read_index(context)
        self._wake.set()
        await confirmed
        return True

    def notify(self) -> None:
        """Something came into the pool, or does not come any more."""
        # While a block lingers, only its end matters: being woken for each arrival is dear.
        if (
            self._proposer.linger_until is None
            or not self._pool.arriving_count
            or self._proposer.is_block_full()
        ):
            self._wake.set()

    def stop(self, *, drain: bool) -> None:
        """End: with `drain` when the queue is empty and another leads, otherwise at once."""
        self._stopping = True
        self._draining = drain
        self._wake.set()

    # What others tell (PeerListener) --------------------------------------------------------------

    def receive(self, peer: str, message: PeerMessage) -> None:
        self.hearing.keep(peer, message)
        self._wake.set()

    def connected(self, peer: str) -> None:
        """Say again what may have been lost (R5)."""
        if peer in self._others:
            self._tell_progress((peer,))

    def lost(self, peer: str) -> None:
        if peer in self._others:
            self._ordering.report_unreachable(self.tip.membership.get_number(peer))

    # The loop -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """The loop.

        Raises whatever ended it: CorruptionError (also of damaged trees), StorageError, or a bug's
        own exception. What is durable stays right in every case.
        """
        if not self._others and not self.is_observer:
            self._ordering.campaign()  # nobody to wait for
        while True:
            self._wake.clear()
            try:
                if not await self._do_one():
                    return
            except _BegunAnewError:
                continue

    async def _do_one(self) -> bool:
        """One round; False when it was the last."""
        await self.hearing.hear()
        self._tick()
        if self._proposer.is_block_due():
            self._proposer.propose()
        self._forward()
        if self._ordering.has_ready():
            await self._carry_out(self._ordering.ready())
        elif self.certifier.is_possible:
            await self.certifier.certify(())
        elif (block := self.catch_up.next_block(self.tip.height + 1)) is not None:
            await self.certifier.take_over(block)
        elif self._is_finished():
            return False
        elif not self.hearing.has_more:
            await self._clock.wait(self._wake, self._due_at())
        return True

    def _is_finished(self) -> bool:
        if not self._stopping:
            return False
        if not self._draining:
            return True
        if self._proposer.is_block_due() or (self.is_leader and self.is_in_flight()):
            return False
        if self.leader and not self.is_leader and self._pool.has_pending:
            return False  # the leader has them, and is about to certify them
        return not self._is_handing_over()

    def _due_at(self) -> int | None:
        """When something falls due if nothing happens; None for never."""
        moments = [self._proposer.due_at(), self._hand_over_until]
        if self._is_ticking():
            moments.append(self._next_tick_at)
        return min((moment for moment in moments if moment is not None), default=None)

    # Tick -----------------------------------------------------------------------------------------

    def _is_ticking(self) -> bool:
        """Whether the ordering needs time: not that of one that leads nobody, and has left every
        configuration with others.
        """
        if self._others or not self.is_leader:
            return True
        conf_state = self._ordering.get_conf_state()
        return len(conf_state.voters) > 1 or bool(conf_state.voters_outgoing)

    def _tick(self) -> None:
        now = self._clock.monotonic_ms()
        if not self._is_ticking() or now < self._next_tick_at:
            return
        interval = self._parts.consensus.heartbeat_interval_ms
        # Time that passed while something took long does not come back.
        self._next_tick_at = max(self._next_tick_at + interval, now + interval // 2)
        if not self.is_observer:
            self._ordering.tick()
        if self.provisional is not None:
            self._tell_progress(self._others)
            if self.provisional.signature is None:
                # Nobody answers a vote that is not given: ask for the block with its certificate.
                self.catch_up.want(self.provisional.height, self.leader)
        for context in self._reads.contexts():
            self._ordering.read_index(context)
        self._follow_others(now)
        self._watch_halt(now)
        self._check_removed(now)
        if self.is_leader:
            self._check_lead(now)
            self._propose_conf_change()

    def _follow_others(self, now: int) -> None:
        """Ask for certified blocks that are known to be there."""
        if self.is_observer or self.catch_up.target_height > self.tip.height:
            heard = self.hearing.heard_height
            if heard > self.tip.height:
                self.catch_up.want(heard, self.hearing.heard_from)
        connected = [peer for peer in self._others if self._parts.links.is_connected(peer)]
        if self.is_observer and connected:
            # Nobody tells it of blocks when nothing happens: it asks now and then.
            self.catch_up.want(self.tip.height + 1, connected[0])
        request = self.catch_up.next_request(self.tip.height, now, connected)
        if request is not None:
            self._parts.links.send(*request)

    def _watch_halt(self, now: int) -> None:
        is_waiting = self.provisional is not None or self.is_in_flight() or len(self._pool) > 0
        if self._halt_watch.is_due(now, self.tip.height, is_waiting=is_waiting):
            self._parts.report_halt(self.tip, self._ordering)

    def _check_lead(self, now: int) -> None:
        """A leader that cannot do its work lets others (R8)."""
        if (
            self.is_in_flight()
            and now > self._progress_at + STALL_TIMEOUTS_COUNT * self._election_ms
        ):
            _log.warning("no progress as leader height=%d: stepping down", self.tip.height + 1)
            self._progress_at = now
            self._ordering.resign()
        elif (self.clock_reason or self.no_vote_reason) and self._may_ask(now):
            self.begin_transfer()
        if now > self._snapshots_told_at + SNAPSHOT_TIMEOUTS_COUNT * self._election_ms:
            self._snapshots_told_at = now
            for number in self._ordering.find_waiting_for_snapshot():
                self._ordering.report_snapshot(number, is_failed=True)

    def _may_ask(self, now: int) -> bool:
        """Whether to hand over now. Who was asked before may be no better off: then there is no hurry."""
        if self._ordering.is_handing_over:
            return False
        return not self._asked or now >= self._asked_at + self._election_ms

    def begin_transfer(self, to: str = "") -> bool:
        """Ask a validator to lead, or whoever's log is longest, each in turn while nothing is certified;
        False when there is nobody.
        """
        find = self._ordering.find_successor
        number = self.get_number(to) if to else find(self._asked) or find()
        if not number:
            return False
        if number in self._asked:
            self._asked.clear()
        self._asked.add(number)
        self._asked_at = self._clock.monotonic_ms()
        self._ordering.transfer_leadership(number)
        self._wake.set()
        return True

    def _is_handing_over(self) -> bool:
        """While stopping: whether another is about to lead."""
        if not self._others or not self.is_leader:
            return False
        now = self._clock.monotonic_ms()
        if self._hand_over_until is None:
            self._hand_over_until = now + self._election_ms
            return self.begin_transfer()
        return now < self._hand_over_until

    def _tell_progress(self, peers: tuple[str, ...]) -> None:
        """The own vote for the block in flight, and the newest certificate (R5)."""
        provisional = self.provisional
        for peer in peers:
            if self.tip.height > 0:
                self._parts.links.send(peer, CertificateMessage(encode(self.tip.head)))
            if provisional is not None and provisional.signature is not None:
                self._parts.links.send(peer, self._make_vote(provisional, provisional.signature))

    @staticmethod
    def _make_vote(provisional: Provisional, signature: bytes) -> VoteMessage:
        return VoteMessage(provisional.executed.encoded_vote, signature)

    def _forward(self) -> None:
        """Transactions of this node's clients are the leader's to order."""
        leader = self.leader
        if self.is_leader:
            self.forwarding.lead()
        elif not leader or self._stopping:
            self.forwarding.pause()
        else:
            self.forwarding.forward(leader, self._clock.monotonic_ms())

    # Propose --------------------------------------------------------------------------------------

    def is_in_flight(self) -> bool:
        """Whether the log holds a block that is not certified."""
        flight = self.flight
        return (
            flight is not None
            and flight.height > self.tip.height
            and self._ordering.matches(flight.index, flight.term)
        )

    def _find_certified_index(self) -> int:
        """The last entry up to which every block in the log is certified."""
        flight = self.flight
        if flight is not None and self.is_in_flight():
            return flight.index - 1
        return self._ordering.applied

    def _find_flight(self) -> None:
        """After a start: the block above the tip that the log holds, if any."""
        for entry in self._ordering.scan(self._parts.chain.head.applied_index + 1):
            if entry.kind is EntryKind.NORMAL and entry.data:
                height = _read_own_height(entry)
                if height > self.tip.height:
                    self.flight = Flight(entry.index, entry.term, height)

    # Persist --------------------------------------------------------------------------------------

    async def _carry_out(self, ready: Ready) -> None:
        """The contract of `Ready`, in its order."""
        for state in ready.read_states:
            self._reads.named(state.context, state.index)
        self._send([m for m in ready.messages if m.kind in _BEFORE_PERSIST])
        await self._persist(ready)
        self._send([m for m in ready.messages if m.kind not in _BEFORE_PERSIST])
        if ready.entries and not ready.committed_entries:
            await self._execute_early()
        for entry in ready.committed_entries:
            await self._apply(entry)
        self._ordering.advance()
        self._reads.reached(self._find_certified_index())

    async def _execute_early(self) -> None:
        """Execute the next block while others make it durable: it is most likely the one."""
        block, tip = self.checked, self.tip
        if (
            block is None
            or self.provisional is not None
            or not self.is_in_flight()
            or block.header.parent_hash != tip.block_hash
            or (self._executed is not None and self._executed.block is block)
        ):
            return
        self._executed = await self.in_worker(lambda: self._parts.finality.execute(block, tip))

    async def _persist(self, ready: Ready) -> None:
        state = ready.hard_state or self._unwritten
        if not ready.must_sync and ready.snapshot is None:
            self._unwritten = state  # a commit index need not survive a crash
            return
        self._unwritten = None
        ready = replace(ready, hard_state=state)
        chain = self._parts.chain

        def work() -> None:
            if ready.snapshot is not None:
                place = ready.snapshot
                height = decode_number(place.data)
                chain.install(place.index, place.term, place.chain_digest, place.conf_state, height)
            if ready.entries:
                self._parts.failpoint(Failpoint.BEFORE_PERSIST, self.tip.height + 1)
            chain.persist(ready)
            if ready.entries:
                self._parts.failpoint(Failpoint.AFTER_PERSIST, self.tip.height + 1)

        await self.in_worker(work)

    def _send(self, messages: list[Message]) -> None:
        links = self._parts.links
        for message in messages:
            peer = self.tip.membership.find_id(message.recipient)
            if not peer:
                continue
            if message.kind in _ELECTION and self.tip.height > 0:
                links.send(peer, CertificateMessage(encode(self.tip.head)))
            links.send(peer, RaftMessage(message))

    # Apply: execute and vote ----------------------------------------------------------------------

    async def _apply(self, entry: Entry) -> None:
        if entry.kind is not EntryKind.NORMAL:
            await self._apply_conf_change(entry)
        elif entry.data:
            await self._apply_block(entry)
        # Without data: a leader's first entry of its term.

    async def _apply_conf_change(self, entry: Entry) -> None:
        conf_state = self._ordering.apply_conf_change(decode_conf_change(entry))
        if self.provisional is None:
            await self.in_worker(
                lambda: self._parts.chain.store_conf_state(entry.index, conf_state)
            )
        else:
            # Durable only when everything below is certified.
            self.certifier.conf = (entry.index, conf_state)

    async def _apply_block(self, entry: Entry) -> None:
        checked = self.checked
        if checked is not None and checked.proposal == entry.data:
            height = checked.header.height
        else:
            height, checked = _read_own_height(entry), None
        if height <= self.tip.height:
            self._check_same(entry, height)
            return
        if self.provisional is not None:
            await self.certifier.certify((read_proposal(entry.data).proposal.parent_certificate,))
        if self.provisional is not None or height != self.tip.height + 1:
            raise CorruptionError(
                DIVERGENCE,
                f"log entry {entry.index} holds block {height}, the newest certified one is"
                f" {self.tip.height}",
            )
        if checked is not None and checked.header.parent_hash != self.tip.block_hash:
            checked = None
        executed, self._executed = self._executed, None
        if executed is None or executed.block is not checked:
            executed = None
        tip, finality, known = self.tip, self._parts.finality, self._pool.checked

        def work() -> Provisional:
            if executed is not None:
                return finality.vote(executed, tip, entry.index)
            try:
                block = checked or finality.check(entry.data, tip, known=known)
            except ProposalError as error:
                raise CorruptionError(
                    DIVERGENCE, f"log entry {entry.index} holds a block that cannot be: {error}"
                ) from error
            return finality.vote(finality.execute(block, tip), tip, entry.index)

        self.provisional = provisional = await self.in_worker(work)
        self.flight = Flight(entry.index, entry.term, height)
        self._progress_at = self._clock.monotonic_ms()
        self.certifier.note()
        if provisional.signature is not None:
            vote = self._make_vote(provisional, provisional.signature)
            for peer in self._others:
                self._parts.links.send(peer, vote)

    def _check_same(self, entry: Entry, height: int) -> None:
        """A block that came certified from elsewhere first."""
        held = self._parts.chain.blocks.header(height)
        if held != read_proposal(entry.data).block.header:
            raise CorruptionError(
                DIVERGENCE,
                f"log entry {entry.index} holds another block {height} than the certified one",
            )

    def go_on(self, provisional: Provisional, tip: Tip, proofs: dict[bytes, bytes]) -> None:
        """A block is certified and durable."""
        now = self._clock.monotonic_ms()
        is_changed = tip.membership is not self.tip.membership
        self.tip = tip
        self._asked.clear()
        self.provisional = None
        self.certifier.certified(tip.height)
        self._progress_at = now
        transactions = provisional.executed.block.transactions
        self._pool.settle((t.transaction_id for t in transactions), proofs)
        self._proposer.certified()
        self.catch_up.reached(tip.height)
        self._reads.reached(self._find_certified_index())
        self.hearing.certified(tip.height)
        _log.debug("certified height=%d transactions=%d", tip.height, len(transactions))
        self._parts.failpoint(Failpoint.AFTER_ANSWER, tip.height)
        if is_changed:
            self._take_membership()

    def _take_membership(self) -> None:
        """The state has other members than before."""
        membership, validator_id = self.tip.membership, self._parts.validator_id
        was_known = self._own is not None
        self._own = membership.find(validator_id)
        self._others = membership.others(validator_id)
        self._parts.on_membership(membership)
        if not was_known and self._own is not None:
            self.begin_anew()  # it learns its number, and takes part from now on

    def _propose_conf_change(self) -> None:
        """As leader: bring the ordering's members to what the state says."""
        if self._ordering.has_pending_conf_change():
            return
        change = compute_conf_change(
            self.tip.membership, self._ordering.get_conf_state(), self.tip.height
        )
        if change is None:
            return
        _log.info("changing members height=%d %s", self.tip.height, change)
        with contextlib.suppress(OrderingError):
            self._ordering.propose_conf_change(change)

    def _check_removed(self, now: int) -> None:
        """Who was removed helps until the new set certifies, then ends."""
        own = self._own
        if own is None or own.status is not ValidatorStatus.REMOVED:
            return
        if self._removed_at is None:
            self._removed_at = now
        if self._helped_at is None and self.tip.height >= own.removed_height + CHANGE_DELAY:
            self._helped_at = now
        # The old configuration may need it to be left, too. It is not told when that was: a while is
        # enough, and who certified nothing, a learner, is waited for by nobody.
        conf_state = self._ordering.get_conf_state()
        is_left = own.number not in (*conf_state.voters, *conf_state.voters_outgoing)
        helped_ms = 0 if self._helped_at is None else now - self._helped_at
        is_over = (
            (self._helped_at is not None and is_left)
            or helped_ms > HELP_TIMEOUTS_COUNT * self._election_ms
            or now > self._removed_at + REMOVED_TIMEOUTS_COUNT * self._election_ms
            or (
                self.tip.height == own.removed_height
                and self.tip.validators.find(self._parts.validator_id) is None
            )
        )
        if is_over:
            raise NodeError(
                "VALIDATOR_REMOVED",
                f"block {own.removed_height} has removed this validator from the network",
                "Its key never votes again. Keep the directory for auditors; a validator with a new"
                " id and new keys can be admitted in its place.",
            )

    # Shared ---------------------------------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Whether the end was asked for."""
        return self._stopping

    @property
    def is_draining(self) -> bool:
        """Whether what waits is still certified before the end."""
        return self._draining and self._hand_over_until is None

    @property
    def progress(self) -> tuple[int, int]:
        """How far the chain is here: heights that are certified and executed."""
        height = self.tip.height
        return height, height if self.provisional is None else self.provisional.height

    def note_progress(self) -> None:
        """The block in flight came a step further."""
        self._progress_at = self._clock.monotonic_ms()

    def begin_anew(self) -> NoReturn:
        """Replace the ordering by one on what is in the chain store. Ends what the driver is at."""
        self._ordering = self._parts.make_ordering(self.tip.membership)
        self.provisional = self.flight = self.checked = self._executed = None
        self._proposer.give_back()
        self.hearing.begin_anew()
        raise _BegunAnewError

    async def in_worker(self, work: Callable[[], _T]) -> _T:
        """Run something in the writer thread, after what was left to be written."""
        state, self._unwritten = self._unwritten, None

        def all_work() -> _T:
            if state is not None:
                self._parts.chain.persist(Ready(hard_state=state))
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._parts.worker, all_work)


def _read_own_height(entry: Entry) -> int:
    """The height of a block in the own log. Raises CorruptionError."""
    try:
        return read_height(entry)
    except ProposalError as error:
        raise CorruptionError(
            DIVERGENCE, f"log entry {entry.index} holds no block: {error}"
        ) from error
