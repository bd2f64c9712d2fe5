# SPDX-License-Identifier: Apache-2.0
"""Raft as one object: messages and ticks in, messages and state out. No clock, no disk, no network.

Rules of this file:

- What a node answers to others about its log or its vote (`APPEND_RESPONSE`, `VOTE_RESPONSE`,
  `PRE_VOTE_RESPONSE`) leaves through `messages_after_append`: only when what it says is durable.
  A node's answers to itself go the same way, so its own copy counts only once it is durable.
- A message of a higher term makes a follower of everybody; one of a lower term is answered only
  where the sender would otherwise never learn (Raft §5.1; §9.6 of Ongaro's thesis for pre-vote).
- A leader commits by counting only entries of its own term (§5.4.2), and counts with the quorum
  rule of the configuration, never with a literal majority.
- One change of members is pending at a time; it counts from the moment it is applied (thesis §4.1
  leaves the choice; etcd's core applies late as well).
- Randomness is injected; everything iterates over nodes in ascending order.

Papers: Ongaro and Ousterhout 2014 ("Raft"); Ongaro 2014 ("thesis"). The observable behaviour is that
of etcd's core, whose public transcripts this file replays. Long because the protocol's state belongs
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from typing import Final

from consensus.conf_change import (
    Changer,
    ConfChange,
    decode_conf_change,
    is_configuration,
    restore_configuration,
)
from consensus.config import UNLIMITED, Config, Draw
from consensus.errors import (
    ContractError,
    OrderingError,
    ProposalDroppedError,
    SnapshotUnavailableError,
)
from consensus.log import (
    EntryUnavailableError,
    LogStorage,
    RaftLog,
    entries_size,
    payloads_size,
)
from consensus.quorum import VoteResult
from consensus.read_only import WAITING_READS_COUNT_MAX, ReadOnly, ReadOnlyOption
from consensus.tracker import Progress, ProgressState, ProgressTracker, TrackerConfig
from consensus.types import (
    NO_NODE,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Message,
    MessageKind,
    ReadState,
    Role,
    Snapshot,
    SoftState,
)

TRANSFER_CONTEXT: Final = b"CampaignTransfer"
"""Marks a vote request that the old leader asked for: the lease does not stop it."""


class Campaign(Enum):
    """Why an election begins."""

    PRE_ELECTION = 0
    ELECTION = 1
    TRANSFER = 2


_VOTE_KINDS: Final = {
    MessageKind.VOTE: MessageKind.VOTE_RESPONSE,
    MessageKind.PRE_VOTE: MessageKind.PRE_VOTE_RESPONSE,
}
_TERM_IS_GIVEN: Final = frozenset({*_VOTE_KINDS, *_VOTE_KINDS.values()})
_TERM_IS_NOT_SENT: Final = frozenset({MessageKind.PROPOSE, MessageKind.READ_INDEX})
_AFTER_APPEND: Final = frozenset({MessageKind.APPEND_RESPONSE, *_VOTE_KINDS.values()})
_FROM_LEADER: Final = frozenset({MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.SNAPSHOT})


class Raft:
    """One node's Raft. Not thread-safe; `RawNode` wraps it for an embedder."""

    def __init__(self, config: Config, storage: LogStorage, draw: Draw) -> None:
        """Go on from what is stored. Raises ValueError for a store that cannot be."""
        self.config = config
        self.id = config.node_id
        self._draw = draw
        self.term = 0
        self.vote = NO_NODE
        self.lead = NO_NODE
        self.role = Role.FOLLOWER
        self.is_learner = False
        self.log = RaftLog(
            storage,
            config.committed_size_max or config.message_size_max,
            chain=config.digest_chain,
        )
        self.lead_transferee = NO_NODE
        """Follower that is to lead next; no proposal is taken meanwhile."""
        self.messages: list[Message] = []
        """May leave at once."""
        self.messages_after_append: list[Message] = []
        """May leave when everything that is not stable now is durable."""
        self.read_states: list[ReadState] = []
        self.read_only = ReadOnly(config.read_only_option)
        self._pending_reads: list[Message] = []
        """Wait for the leader's first committed entry of its term."""
        self.pending_conf_index = 0
        """No other change of members is taken until this index is applied; may be too high."""
        self._uncommitted_size = 0
        self.election_elapsed = 0
        self._heartbeat_elapsed = 0
        self.randomized_election_ticks = 0
        hard_state, conf_state = storage.hard_state(), storage.conf_state()
        self.tracker = self._new_tracker()
        self._restore_tracker(conf_state)
        if hard_state != HardState():
            self._load(hard_state)
        if config.applied > 0:
            self.log.applied_to(config.applied, 0)
        self.become_follower(self.term, NO_NODE)

    # State ----------------------------------------------------------------------------------------

    @property
    def hard_state(self) -> HardState:
        return HardState(self.term, self.vote, self.log.committed)

    @property
    def soft_state(self) -> SoftState:
        return SoftState(self.lead, self.role)

    def _load(self, state: HardState) -> None:
        if not self.log.committed <= state.commit <= self.log.last_index():
            raise ValueError(
                f"commit {state.commit} is outside {self.log.committed}..{self.log.last_index()}"
            )
        self.log.committed = state.commit
        self.term = state.term
        self.vote = state.vote

    def _new_tracker(self) -> ProgressTracker:
        return ProgressTracker(
            inflight_count_max=self.config.inflight_count_max,
            inflight_size_max=self.config.inflight_size_max,
            rule=self.config.quorum_rule,
        )

    def _restore_tracker(self, conf_state: ConfState) -> None:
        config, progress = restore_configuration(self.tracker, self.log.last_index(), conf_state)
        if self._switch_to(config, progress) != conf_state:
            raise ValueError("the stored members are not a configuration")

    def is_promotable(self) -> bool:
        """Whether this node may stand for election: a voter, with no snapshot on its way in."""
        progress = self.tracker.progress.get(self.id)
        return (
            progress is not None
            and not progress.is_learner
            and not self.log.has_next_or_in_progress_snapshot()
        )

    # Out ------------------------------------------------------------------------------------------

    def _send(self, message: Message) -> None:
        sent = message if message.sender else replace(message, sender=self.id)
        if sent.kind in _TERM_IS_GIVEN:
            assert sent.term, "a vote is asked for and given in a term"
        else:
            assert not sent.term, "the term is set here"
            if sent.kind not in _TERM_IS_NOT_SENT:
                sent = replace(sent, term=self.term)
        if sent.kind in _AFTER_APPEND:
            self.messages_after_append.append(sent)
        else:
            assert sent.recipient != self.id, "nothing is sent to oneself"
            self.messages.append(sent)

    def _send_append(self, to: int) -> None:
        self._maybe_send_append(to, is_empty_sent=True)

    def _maybe_send_append(self, to: int, *, is_empty_sent: bool) -> bool:
        """Send what the follower lacks, or a snapshot; False when nothing was sent."""
        progress = self.tracker.progress[to]
        if progress.is_paused():
            return False
        previous = progress.next_index - 1
        entries: Sequence[Entry] = ()
        try:
            previous_term = self.log.term(previous)
            # A full window still lets an empty append through, so that progress is heard of.
            if progress.state is not ProgressState.REPLICATE or not progress.inflights.is_full():
                entries = self.log.entries(progress.next_index, self.config.message_size_max)
        except EntryUnavailableError:
            return self._maybe_send_snapshot(to, progress)
        if not entries and not is_empty_sent:
            return False
        self._send(
            Message(
                MessageKind.APPEND,
                recipient=to,
                log_index=previous,
                log_term=previous_term,
                entries=tuple(entries),
                commit=self.log.committed,
                chain_digest=self.log.digest(previous),
            )
        )
        progress.sent_entries(len(entries), payloads_size(entries))
        progress.sent_commit = self.log.committed
        return True

    def _maybe_send_snapshot(self, to: int, progress: Progress) -> bool:
        if not progress.is_recent_active:
            return False
        try:
            snapshot = self.log.snapshot()
        except SnapshotUnavailableError:
            return False
        assert not snapshot.is_empty, "a log that lacks entries has a snapshot of them"
        progress.become_snapshot(snapshot.index)
        self._send(Message(MessageKind.SNAPSHOT, recipient=to, snapshot=snapshot))
        return True

    def _send_heartbeat(self, to: int, context: bytes) -> None:
        progress = self.tracker.progress[to]
        # A follower whose log does not match must not learn of a commit beyond what is known equal.
        commit = min(progress.match_index, self.log.committed)
        self._send(Message(MessageKind.HEARTBEAT, recipient=to, commit=commit, context=context))
        progress.sent_commit = commit

    def _send_timeout_now(self, to: int) -> None:
        self._send(Message(MessageKind.TIMEOUT_NOW, recipient=to))

    def _broadcast_append(self) -> None:
        for node in self.tracker.others(self.id):
            self._send_append(node)

    def _broadcast_heartbeat(self, context: bytes | None = None) -> None:
        if context is None:
            context = self.read_only.last_context()
        for node in self.tracker.others(self.id):
            self._send_heartbeat(node, context)

    # Roles ----------------------------------------------------------------------------------------

    def _reset(self, term: int) -> None:
        if self.term != term:
            self.term = term
            self.vote = NO_NODE
        self.lead = NO_NODE
        self.election_elapsed = 0
        self._heartbeat_elapsed = 0
        self.randomized_election_ticks = self._draw(
            self.config.election_ticks, 2 * self.config.election_ticks - 1
        )
        self.lead_transferee = NO_NODE
        self.tracker.reset_votes()
        self.tracker.reset_progress(self.id, self.log.last_index())
        self.pending_conf_index = 0
        self._uncommitted_size = 0
        self.read_only = ReadOnly(self.config.read_only_option)

    def become_follower(self, term: int, lead: int) -> None:
        """Follow `lead`, or wait for somebody to lead, in a term."""
        self._reset(term)
        self.lead = lead
        self.role = Role.FOLLOWER

    def become_candidate(self) -> None:
        """Stand for election in the next term, with one's own vote (§5.2)."""
        if self.role is Role.LEADER:
            raise ContractError("a leader does not stand for election")
        self._reset(self.term + 1)
        self.vote = self.id
        self.role = Role.CANDIDATE

    def become_pre_candidate(self) -> None:
        """Ask whether standing would help; term and vote stay (thesis §9.6)."""
        if self.role is Role.LEADER:
            raise ContractError("a leader does not stand for election")
        self.tracker.reset_votes()
        self.lead = NO_NODE
        self.role = Role.PRE_CANDIDATE

    def become_leader(self) -> None:
        """Lead the term, beginning with an empty entry of it (§8)."""
        if self.role is Role.FOLLOWER:
            raise ContractError("a follower does not become leader without an election")
        self._reset(self.term)
        self.lead = self.id
        self.role = Role.LEADER
        progress = self.tracker.progress[self.id]
        progress.become_replicate()
        progress.is_recent_active = True
        # There may be a change of members among the entries not applied yet: assume so.
        self.pending_conf_index = self.log.last_index()
        if not self._append([Entry(0, 0, b"")]):
            raise AssertionError("an empty entry has no size and is never too much")

    # Time -----------------------------------------------------------------------------------------

    def tick(self) -> None:
        """One unit of time has passed."""
        if self.role is Role.LEADER:
            self._tick_heartbeat()
        else:
            self._tick_election()

    def _tick_election(self) -> None:
        self.election_elapsed += 1
        if self.is_promotable() and self.election_elapsed >= self.randomized_election_ticks:
            self.election_elapsed = 0
            self._step_quietly(Message(MessageKind.HUP, sender=self.id))

    def _tick_heartbeat(self) -> None:
        self._heartbeat_elapsed += 1
        self.election_elapsed += 1
        if self.election_elapsed >= self.config.election_ticks:
            self.election_elapsed = 0
            if self.config.check_quorum:
                self._step_quietly(Message(MessageKind.CHECK_QUORUM, sender=self.id))
            # A transfer that has not happened within an election time is given up (thesis §3.10).
            if self.role is Role.LEADER:
                self.lead_transferee = NO_NODE
        if self.role is Role.LEADER and self._heartbeat_elapsed >= self.config.heartbeat_ticks:
            self._heartbeat_elapsed = 0
            self._step_quietly(Message(MessageKind.BEAT, sender=self.id))

    def _step_quietly(self, message: Message) -> None:
        try:
            self.step(message)
        except OrderingError:
            return  # nobody asked

    # Elections ------------------------------------------------------------------------------------

    def _hup(self, campaign: Campaign) -> None:
        if self.role is Role.LEADER or not self.is_promotable():
            return
        if self.log.has_unapplied_conf_change():
            # It may be that this node is no voter any more, or that the quorum is another.
            return
        self._campaign(campaign)

    def _campaign(self, campaign: Campaign) -> None:
        if campaign is Campaign.PRE_ELECTION:
            self.become_pre_candidate()
            kind, term = MessageKind.PRE_VOTE, self.term + 1
        else:
            self.become_candidate()
            kind, term = MessageKind.VOTE, self.term
        last_index, last_term = self.log.last()
        for node in sorted(self.tracker.config.voters.ids()):
            if node == self.id:
                # Counts once the vote is durable, like everybody's.
                self._send(Message(_VOTE_KINDS[kind], recipient=node, term=term))
                continue
            self._send(
                Message(
                    kind,
                    recipient=node,
                    term=term,
                    log_index=last_index,
                    log_term=last_term,
                    context=TRANSFER_CONTEXT if campaign is Campaign.TRANSFER else b"",
                )
            )

    def _poll(self, node: int, *, is_granted: bool) -> VoteResult:
        self.tracker.record_vote(node, is_granted=is_granted)
        return self.tracker.tally_votes().result

    # In -------------------------------------------------------------------------------------------

    def step(self, message: Message) -> None:
        """Take a message. Raises OrderingError: ProposalDroppedError, ConfChangeError."""
        if message.term and message.term != self.term and not self._pass_term(message):
            return
        match message.kind:
            case MessageKind.HUP:
                self._hup(Campaign.PRE_ELECTION if self.config.pre_vote else Campaign.ELECTION)
            case MessageKind.STORAGE_APPEND_RESPONSE:
                if message.log_index:
                    self.log.stable_to(
                        message.log_index, message.log_term, chain_digest=message.chain_digest
                    )
                if message.snapshot is not None:
                    self._applied_snapshot(message.snapshot)
            case MessageKind.STORAGE_APPLY_RESPONSE:
                if message.entries:
                    self._applied_to(message.entries[-1].index, entries_size(message.entries))
                    self._reduce_uncommitted_size(payloads_size(message.entries))
            case MessageKind.VOTE | MessageKind.PRE_VOTE:
                self._answer_vote_request(message)
            case _:
                if self.role is Role.LEADER:
                    self._step_leader(message)
                elif self.role is Role.FOLLOWER:
                    self._step_follower(message)
                else:
                    self._step_candidate(message)

    def _pass_term(self, message: Message) -> bool:
        """Whether a message of another term is looked at further (§5.1)."""
        if message.term < self.term:
            self._answer_old_term(message)
            return False
        if message.kind in _VOTE_KINDS:
            is_in_lease = (
                self.config.check_quorum
                and self.lead != NO_NODE
                and self.election_elapsed < self.config.election_ticks
            )
            if is_in_lease and message.context != TRANSFER_CONTEXT:
                return False  # a leader was heard of just now (thesis §4.2.3)
        if message.kind is MessageKind.PRE_VOTE:
            return True  # never changes the term
        if message.kind is MessageKind.PRE_VOTE_RESPONSE and not message.rejected:
            return True  # of the term that the election would have
        lead = message.sender if message.kind in _FROM_LEADER else NO_NODE
        self.become_follower(message.term, lead)
        return True

    def _answer_old_term(self, message: Message) -> None:
        if message.kind in (MessageKind.HEARTBEAT, MessageKind.APPEND) and (
            self.config.check_quorum or self.config.pre_vote
        ):
            # A leader of an old term whose followers refuse to vote would never hear of this term.
            self._send(Message(MessageKind.APPEND_RESPONSE, recipient=message.sender))
        elif message.kind is MessageKind.PRE_VOTE:
            # A candidate with a shorter log and a higher term learns of it, or both would wait.
            self._send(
                Message(
                    MessageKind.PRE_VOTE_RESPONSE,
                    recipient=message.sender,
                    term=self.term,
                    rejected=True,
                )
            )
        elif message.kind is MessageKind.STORAGE_APPEND_RESPONSE and message.snapshot is not None:
            # Its entries may have been replaced since: only the snapshot is sure to be stored.
            self._applied_snapshot(message.snapshot)

    def _answer_vote_request(self, message: Message) -> None:
        is_free = (
            self.vote == message.sender
            or (self.vote == NO_NODE and self.lead == NO_NODE)
            or (message.kind is MessageKind.PRE_VOTE and message.term > self.term)
        )
        # Learners vote too when asked: whoever asks may know of a promotion they do not (thesis
        # §4.2.1).
        if is_free and self.log.is_up_to_date(message.log_index, message.log_term):
            # The term of the request: a pre-vote is answered for a term still to come.
            self._send(
                Message(_VOTE_KINDS[message.kind], recipient=message.sender, term=message.term)
            )
            if message.kind is MessageKind.VOTE:
                self.election_elapsed = 0
                self.vote = message.sender
        else:
            self._send(
                Message(
                    _VOTE_KINDS[message.kind],
                    recipient=message.sender,
                    term=self.term,
                    rejected=True,
                )
            )

    # As leader ------------------------------------------------------------------------------------

    def _step_leader(self, message: Message) -> None:
        match message.kind:
            case MessageKind.BEAT:
                self._broadcast_heartbeat()
            case MessageKind.CHECK_QUORUM:
                self._check_quorum()
            case MessageKind.PROPOSE:
                self._take_proposal(message)
            case MessageKind.READ_INDEX:
                self._take_read(message)
            case (
                MessageKind.APPEND_RESPONSE
                | MessageKind.HEARTBEAT_RESPONSE
                | MessageKind.SNAPSHOT_STATUS
                | MessageKind.UNREACHABLE
                | MessageKind.TRANSFER_LEADER
            ):
                progress = self.tracker.progress.get(message.sender)
                if progress is not None:
                    self._hear_of(message, progress)
            case _:
                pass

    def _check_quorum(self) -> None:
        if not self.tracker.is_quorum_active():
            self.become_follower(self.term, NO_NODE)
        for node, progress in self.tracker.visit():
            if node != self.id:
                progress.is_recent_active = False

    def _hear_of(self, message: Message, progress: Progress) -> None:
        match message.kind:
            case MessageKind.APPEND_RESPONSE:
                progress.is_recent_active = True
                if message.rejected:
                    self._take_rejection(message, progress)
                else:
                    self._take_ack(message, progress)
            case MessageKind.HEARTBEAT_RESPONSE:
                self._take_heartbeat_response(message, progress)
            case MessageKind.SNAPSHOT_STATUS:
                if progress.state is ProgressState.SNAPSHOT:
                    if message.rejected:
                        # Before the probe begins: it must not begin after what never arrived.
                        progress.pending_snapshot = 0
                    progress.become_probe()
                    # A success is confirmed by an ack, a failure is tried again a heartbeat later.
                    progress.is_append_paused = True
            case MessageKind.UNREACHABLE:
                # An optimistic append was lost, most likely.
                if progress.state is ProgressState.REPLICATE:
                    progress.become_probe()
            case _:
                self._take_transfer(message, progress)

    def _take_rejection(self, message: Message, progress: Progress) -> None:
        next_probe = message.reject_hint
        if message.log_term > 0:
            # Skip the whole term that cannot match, not entry by entry (§5.3, end).
            next_probe, _ = self.log.find_conflict_by_term(message.reject_hint, message.log_term)
        if progress.maybe_decrease(message.log_index, next_probe):
            if progress.state is ProgressState.REPLICATE:
                progress.become_probe()
            self._send_append(message.sender)

    def _take_ack(self, message: Message, progress: Progress) -> None:
        node = message.sender
        is_probe_answered = (
            progress.match_index == message.log_index and progress.state is ProgressState.PROBE
        )
        if not (progress.maybe_update(message.log_index) or is_probe_answered):
            return
        if progress.state is ProgressState.PROBE:
            progress.become_replicate()
        elif progress.state is ProgressState.SNAPSHOT:
            # Whatever brought it there: it can go on from the log now.
            if progress.match_index + 1 >= self.log.first_index():
                progress.become_probe()
                progress.become_replicate()
        else:
            progress.inflights.free_through(message.log_index)
        if self._maybe_commit():
            self._release_pending_reads()
            self._broadcast_append()
        elif node != self.id and progress.can_bump_commit(self.log.committed):
            self._send_append(node)
        if node == self.id:
            return
        # Room in the window may let several appends go, none of them empty.
        while self._maybe_send_append(node, is_empty_sent=False):
            pass
        if node == self.lead_transferee and progress.match_index == self.log.last_index():
            self._send_timeout_now(node)

    def _take_heartbeat_response(self, message: Message, progress: Progress) -> None:
        progress.is_recent_active = True
        progress.is_append_paused = False
        # A follower that lacks something, or whose last append was lost, gets one: an empty one at
        # least, which brings it back to replication.
        if progress.match_index < self.log.last_index() or progress.state is ProgressState.PROBE:
            self._send_append(message.sender)
        if self.read_only.option is not ReadOnlyOption.SAFE or not message.context:
            return
        acks = self.read_only.acknowledge(message.sender, message.context)
        if self.tracker.vote_result(acks) is not VoteResult.WON:
            return
        for read in self.read_only.advance(message.context):
            self._answer_read(read.request, read.index)

    def _take_transfer(self, message: Message, progress: Progress) -> None:
        node = message.sender
        if progress.is_learner or self.lead_transferee == node:
            return
        self.lead_transferee = NO_NODE
        if node == self.id:
            return
        # It has an election time from now (thesis §3.10).
        self.election_elapsed = 0
        self.lead_transferee = node
        if progress.match_index == self.log.last_index():
            self._send_timeout_now(node)
        else:
            self._send_append(node)

    # Proposals ------------------------------------------------------------------------------------

    def _take_proposal(self, message: Message) -> None:
        if not message.entries:
            raise ProposalDroppedError("a proposal holds an entry")
        if self.id not in self.tracker.progress:
            raise ProposalDroppedError("this leader is no member any more")
        if self.lead_transferee != NO_NODE:
            raise ProposalDroppedError("the lead is being handed over")
        entries: list[Entry] = []
        pending = self.pending_conf_index
        for index, entry in enumerate(message.entries, self.log.last_index() + 1):
            if entry.kind is not EntryKind.NORMAL:
                # Also where it is refused below: bytes that are no change never enter a log.
                change = decode_conf_change(entry)
                if not self._may_change_members(change, pending):
                    entries.append(Entry(0, 0, b""))  # does nothing, and keeps the place
                    continue
                pending = index
            entries.append(entry)
        if not self._append(entries):
            raise ProposalDroppedError("too much is proposed and not committed")
        self.pending_conf_index = pending
        self._broadcast_append()

    def _may_change_members(self, change: ConfChange, pending_index: int) -> bool:
        if not self.config.is_conf_change_validated:
            return True
        if pending_index > self.log.applied:
            return False
        is_joint = bool(self.tracker.config.voters.outgoing)
        wants_to_leave = not change.changes
        return is_joint == wants_to_leave

    def _append(self, entries: Sequence[Entry]) -> bool:
        """Append proposals as entries of this term; False if that were too much (§5.3)."""
        size = payloads_size(entries)
        limit = self.config.uncommitted_size_max or UNLIMITED
        if self._uncommitted_size > 0 and size > 0 and self._uncommitted_size + size > limit:
            return False
        self._uncommitted_size += size
        first = self.log.last_index() + 1
        last = self.log.append(
            [
                replace(entry, index=index, term=self.term)
                for index, entry in enumerate(entries, first)
            ]
        )
        # The leader's own copy counts when it is durable.
        self._send(Message(MessageKind.APPEND_RESPONSE, recipient=self.id, log_index=last))
        return True

    def _reduce_uncommitted_size(self, size: int) -> None:
        # What an earlier leader proposed was not counted here.
        self._uncommitted_size = max(0, self._uncommitted_size - size)

    def _maybe_commit(self) -> bool:
        return self.log.maybe_commit(self.tracker.committed_index(), self.term)

    # Reads (thesis §6.4) --------------------------------------------------------------------------

    def _is_own_term_committed(self) -> bool:
        return self.log.zero_term_if_unknown(self.log.committed) == self.term

    def _take_read(self, message: Message) -> None:
        if len(message.entries) != 1:
            return  # no read: another node's mistake
        if not self._is_own_term_committed():
            # An entry of an earlier term may be committed without this leader knowing, also by
            # itself alone before a restart: the commit index need not survive one.
            if len(self._pending_reads) < WAITING_READS_COUNT_MAX:
                self._pending_reads.append(message)
        else:
            self._serve_read(message)

    def _serve_read(self, message: Message) -> None:
        # Its own majority, or under its lease.
        if self._is_alone() or self.config.read_only_option is ReadOnlyOption.LEASE:
            self._answer_read(message, self.log.committed)
            return
        context = message.entries[0].data
        if self.read_only.add(message, self.log.committed):
            self.read_only.acknowledge(self.id, context)
            self._broadcast_heartbeat(context)

    def _is_alone(self) -> bool:
        """Whether this node is the only voter; a leader that was removed is not."""
        return self.tracker.is_singleton() and self.id in self.tracker.config.voters.incoming

    def _answer_read(self, request: Message, index: int) -> None:
        if request.sender in (NO_NODE, self.id):
            self.read_states.append(ReadState(index, request.entries[0].data))
            return
        self._send(
            Message(
                MessageKind.READ_INDEX_RESPONSE,
                recipient=request.sender,
                log_index=index,
                entries=request.entries,
            )
        )

    def _release_pending_reads(self) -> None:
        if not self._pending_reads or not self._is_own_term_committed():
            return
        pending, self._pending_reads = self._pending_reads, []
        for message in pending:
            self._serve_read(message)

    # As candidate ---------------------------------------------------------------------------------

    def _step_candidate(self, message: Message) -> None:
        is_pre = self.role is Role.PRE_CANDIDATE
        expected = MessageKind.PRE_VOTE_RESPONSE if is_pre else MessageKind.VOTE_RESPONSE
        if message.kind is MessageKind.PROPOSE:
            raise ProposalDroppedError("no leader is known")
        if message.kind in _FROM_LEADER:
            # Of this term: somebody has won it (§5.2).
            self.become_follower(message.term, message.sender)
            self._take_from_leader(message)
        elif message.kind is expected:
            result = self._poll(message.sender, is_granted=not message.rejected)
            if result is VoteResult.WON and is_pre:
                self._campaign(Campaign.ELECTION)
            elif result is VoteResult.WON:
                self.become_leader()
                self._broadcast_append()
            elif result is VoteResult.LOST:
                # Not the message's term, which may be one that never began.
                self.become_follower(self.term, NO_NODE)

    # As follower ----------------------------------------------------------------------------------

    def _step_follower(self, message: Message) -> None:
        kind = message.kind
        if kind in _FROM_LEADER:
            self.election_elapsed = 0
            self.lead = message.sender
            self._take_from_leader(message)
        elif kind is MessageKind.PROPOSE:
            if self.lead == NO_NODE:
                raise ProposalDroppedError("no leader is known")
            if not self.config.is_proposal_forwarded:
                raise ProposalDroppedError("this node does not lead")
            self._send(replace(message, recipient=self.lead))
        elif kind in (MessageKind.TRANSFER_LEADER, MessageKind.READ_INDEX):
            if self.lead != NO_NODE:
                self._send(replace(message, recipient=self.lead))
        elif kind is MessageKind.FORGET_LEADER:
            # A lease counts on followers that do not vote while it lasts.
            if self.config.read_only_option is not ReadOnlyOption.LEASE:
                self.lead = NO_NODE
        elif kind is MessageKind.TIMEOUT_NOW:
            # The leader itself asks: no pre-vote (thesis §3.10).
            self._hup(Campaign.TRANSFER)
        elif kind is MessageKind.READ_INDEX_RESPONSE and len(message.entries) == 1:
            self.read_states.append(ReadState(message.log_index, message.entries[0].data))

    def _take_from_leader(self, message: Message) -> None:
        match message.kind:
            case MessageKind.APPEND:
                self._take_append(message)
            case MessageKind.HEARTBEAT:
                self.log.commit_to(message.commit)
                self._send(
                    Message(
                        MessageKind.HEARTBEAT_RESPONSE,
                        recipient=message.sender,
                        context=message.context,
                    )
                )
            case _:
                self._take_snapshot(message)

    def _take_append(self, message: Message) -> None:
        """AppendEntries (§5.3)."""
        previous = message.log_index

        def answer(index: int) -> None:
            self._send(
                Message(MessageKind.APPEND_RESPONSE, recipient=message.sender, log_index=index)
            )

        if previous < self.log.committed:
            answer(self.log.committed)
            return
        last = self.log.maybe_append(
            previous,
            message.log_term,
            message.entries,
            message.commit,
            chain_digest=message.chain_digest,
        )
        if last is not None:
            answer(last)
            return
        # The last place where the logs can agree: no entry above it has a term that fits.
        hint, hint_term = self.log.find_conflict_by_term(
            min(previous, self.log.last_index()), message.log_term
        )
        self._send(
            Message(
                MessageKind.APPEND_RESPONSE,
                recipient=message.sender,
                log_index=previous,
                rejected=True,
                reject_hint=hint,
                log_term=hint_term,
            )
        )

    def _take_snapshot(self, message: Message) -> None:
        snapshot = message.snapshot or Snapshot()
        index = self.log.last_index() if self._restore(snapshot) else self.log.committed
        self._send(Message(MessageKind.APPEND_RESPONSE, recipient=message.sender, log_index=index))

    def _restore(self, snapshot: Snapshot) -> bool:
        """Take a snapshot in place of the log, if it says more than is committed here (§7)."""
        if snapshot.index <= self.log.committed:
            return False
        if self.role is not Role.FOLLOWER:
            # Cannot be, by the rules above; a lead given up costs less than a log.
            self.become_follower(self.term + 1, NO_NODE)
            return False
        members = snapshot.conf_state
        if self.id not in {*members.voters, *members.learners, *members.voters_outgoing}:
            return False  # learners_next are outgoing voters
        if not is_configuration(members):
            return False
        if self.log.match_term(snapshot.index, snapshot.term):
            self.log.commit_to(snapshot.index)
            return False
        self.log.restore(snapshot)
        self.tracker = self._new_tracker()
        self._restore_tracker(members)
        return True

    # Applied, and members -------------------------------------------------------------------------

    def _applied_to(self, index: int, size: int) -> None:
        applied = max(index, self.log.applied)
        self.log.applied_to(applied, size)
        if (
            self.tracker.config.auto_leave
            and applied >= self.pending_conf_index
            and self.role is Role.LEADER
        ):
            # The change is applied: leave the joint configuration (§6).
            leave = Entry(0, 0, b"", EntryKind.CONF_CHANGE_V2)
            self._step_quietly(Message(MessageKind.PROPOSE, sender=self.id, entries=(leave,)))

    def _applied_snapshot(self, snapshot: Snapshot) -> None:
        self.log.stable_snapshot_to(snapshot.index)
        self._applied_to(snapshot.index, 0)

    def apply_conf_change(self, change: ConfChange) -> ConfState:
        """The members after a committed change. Raises ConfChangeError; nothing changed then."""
        changer = Changer(self.tracker, self.log.last_index())
        if change.is_leave_joint():
            config, progress = changer.leave_joint()
        elif change.is_joint():
            config, progress = changer.enter_joint(
                change.changes, is_auto_leave=change.is_auto_leave()
            )
        else:
            config, progress = changer.simple(change.changes)
        return self._switch_to(config, progress)

    def _switch_to(self, config: TrackerConfig, progress: dict[int, Progress]) -> ConfState:
        self.tracker.config = config
        self.tracker.progress = progress
        members = self.tracker.conf_state()
        own = progress.get(self.id)
        self.is_learner = own is not None and own.is_learner
        if (own is None or self.is_learner) and self.role is Role.LEADER:
            if self.config.is_step_down_on_removal:
                self.become_follower(self.term, NO_NODE)
            return members
        if self.role is not Role.LEADER or not members.voters:
            return members
        if self._is_alone():
            for read in self.read_only.take_all():
                self._answer_read(read.request, read.index)
        if self._maybe_commit():
            self._release_pending_reads()
            self._broadcast_append()
        else:
            # New members hear at once where the log is.
            for node in self.tracker.others(self.id):
                self._maybe_send_append(node, is_empty_sent=False)
        if self.lead_transferee and self.lead_transferee not in config.voters.ids():
            self.lead_transferee = NO_NODE
        return members
