# SPDX-License-Identifier: Apache-2.0
"""The object that an embedder drives: `Raft`, with its effects gathered into `Ready`.

Rules of this file:

- One Ready at a time: `ready`, carry it out, `advance`. Where storage is written beside the core
  (`Config.async_storage_writes`) Readys may follow each other, and what `advance` would tell comes
  back as responses of STORAGE_APPEND and STORAGE_APPLY messages instead.
- Answers that say something is durable go out after it is: as messages of the Ready, which the
  embedder sends after its write, or as responses of the STORAGE_APPEND message.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from consensus.conf_change import ConfChange, make_conf_change_entry
from consensus.config import Config, Draw
from consensus.errors import ContractError, OrderingError, UnknownPeerError
from consensus.log import EntryUnavailableError, LogStorage, RaftLog, entries_size
from consensus.raft import Raft
from consensus.tracker import Progress, ProgressState
from consensus.types import (
    APPEND_THREAD,
    APPLY_THREAD,
    NO_NODE,
    ConfState,
    Entry,
    HardState,
    Message,
    MessageKind,
    Ready,
    Role,
    Status,
)

SCAN_PAGE_SIZE: Final = 1024 * 1024
"""Bytes of entries that `RawNode.scan` holds at once, unless one is larger."""
LOCAL_KINDS = frozenset(
    {
        MessageKind.HUP,
        MessageKind.BEAT,
        MessageKind.UNREACHABLE,
        MessageKind.SNAPSHOT_STATUS,
        MessageKind.CHECK_QUORUM,
        MessageKind.FORGET_LEADER,
        MessageKind.STORAGE_APPEND,
        MessageKind.STORAGE_APPEND_RESPONSE,
        MessageKind.STORAGE_APPLY,
        MessageKind.STORAGE_APPLY_RESPONSE,
    }
)
"""Never taken from another node."""
RESPONSE_KINDS = frozenset(
    {
        MessageKind.APPEND_RESPONSE,
        MessageKind.VOTE_RESPONSE,
        MessageKind.HEARTBEAT_RESPONSE,
        MessageKind.UNREACHABLE,
        MessageKind.READ_INDEX_RESPONSE,
        MessageKind.PRE_VOTE_RESPONSE,
        MessageKind.STORAGE_APPEND_RESPONSE,
        MessageKind.STORAGE_APPLY_RESPONSE,
    }
)
_THREADS = (APPEND_THREAD, APPLY_THREAD)
_STORAGE_RESPONSE_KINDS = frozenset(
    {MessageKind.STORAGE_APPEND_RESPONSE, MessageKind.STORAGE_APPLY_RESPONSE}
)


class RawNode:
    """One node, driven by data. Not thread-safe: one loop drives it."""

    def __init__(self, config: Config, storage: LogStorage, draw: Draw) -> None:
        """Go on from `storage`, which the embedder keeps as each Ready says."""
        self.raft = Raft(config, storage, draw)
        self._is_async = config.async_storage_writes
        self._soft_state = self.raft.soft_state
        self._hard_state = self.raft.hard_state
        self._steps_on_advance: list[Message] = []
        self._is_in_hand = False

    # In -------------------------------------------------------------------------------------------

    def step(self, message: Message) -> None:
        """Take a message from another node, or a response of this node's own storage.

        Raises:
            UnknownPeerError: a local message from outside, or an answer of no member.
            ProposalDroppedError: a proposal that is not taken.
            ConfChangeError: a proposal whose bytes are no change of members.
        """
        is_storage = message.sender in _THREADS
        if is_storage and message.kind not in _STORAGE_RESPONSE_KINDS:
            raise UnknownPeerError(f"{message.kind.name} is no response of storage")
        if message.kind in LOCAL_KINDS and not is_storage:
            raise UnknownPeerError(f"{message.kind.name} is no message between nodes")
        if (
            message.kind in RESPONSE_KINDS
            and not is_storage
            and message.sender not in self.raft.tracker.progress
        ):
            raise UnknownPeerError(f"{message.sender} is no member")
        self.raft.step(message)

    def tick(self) -> None:
        """One unit of time has passed."""
        self.raft.tick()

    def campaign(self) -> None:
        """Stand for election now."""
        self.raft.step(Message(MessageKind.HUP))

    def propose(self, data: bytes) -> None:
        """Ask for an entry with this data. Raises ProposalDroppedError."""
        self._propose(Entry(0, 0, data))

    def propose_conf_change(self, change: ConfChange, *, is_single: bool = False) -> None:
        """Ask for a change of members; `is_single` in an entry of the first kind.

        One that may not be made now becomes an empty entry. Raises ProposalDroppedError,
        ConfChangeError.
        """
        self._propose(make_conf_change_entry(change, is_single=is_single))

    def _propose(self, entry: Entry) -> None:
        self.raft.step(Message(MessageKind.PROPOSE, sender=self.raft.id, entries=(entry,)))

    def apply_conf_change(self, change: ConfChange) -> ConfState:
        """A committed change is applied; the members from now on. Raises ConfChangeError.

        The embedder must call it for each committed entry of the kind, or with an empty ADD of node
        0 where it will not have the change.
        """
        return self.raft.apply_conf_change(change)

    def read_index(self, context: bytes) -> None:
        """Ask when a read may be served; `ReadState`s with this context, unique, will say.

        The request is lost where no leader is known: ask again.
        """
        self.raft.step(Message(MessageKind.READ_INDEX, entries=(Entry(0, 0, context),)))

    def transfer_leadership(self, to: int) -> None:
        """Ask that another voter lead."""
        self.raft.step(Message(MessageKind.TRANSFER_LEADER, sender=to))

    def forget_leader(self) -> None:
        """Follow nobody until somebody leads, so that this node may vote."""
        self.raft.step(Message(MessageKind.FORGET_LEADER))

    def report_unreachable(self, node: int) -> None:
        """The last message to a node was lost, most likely."""
        self._step_quietly(Message(MessageKind.UNREACHABLE, sender=node))

    def report_snapshot(self, node: int, *, is_failed: bool) -> None:
        """A snapshot was sent to a node, or was not."""
        self._step_quietly(Message(MessageKind.SNAPSHOT_STATUS, sender=node, rejected=is_failed))

    def _step_quietly(self, message: Message) -> None:
        with contextlib.suppress(OrderingError):
            self.raft.step(message)

    def status(self) -> Status:
        """How the node sees itself; for people and for the decision to propose."""
        raft = self.raft
        return Status(
            node_id=raft.id,
            role=raft.role,
            hard_state=raft.hard_state,
            lead=raft.lead,
            last_index=raft.log.last_index(),
            applied=raft.log.applied,
        )

    # Questions ------------------------------------------------------------------------------------

    @property
    def is_leader(self) -> bool:
        """Whether proposals are taken here."""
        return self.raft.role is Role.LEADER

    @property
    def is_handing_over(self) -> bool:
        """Whether this leader has asked another to lead, and takes no proposals meanwhile."""
        return self.raft.lead_transferee != NO_NODE

    @property
    def lead(self) -> int:
        """Who leads, as far as is known."""
        return self.raft.lead

    @property
    def term(self) -> int:
        """The current term."""
        return self.raft.term

    @property
    def committed(self) -> int:
        """The last entry that is known to be committed."""
        return self.raft.log.committed

    @property
    def last_index(self) -> int:
        """The last entry of the log."""
        return self.raft.log.last_index()

    @property
    def applied(self) -> int:
        """The last entry that was handed out and advanced over."""
        return self.raft.log.applied

    def matches(self, index: int, term: int) -> bool:
        """Whether the log holds this entry in this term."""
        return self.raft.log.match_term(index, term)

    def describe_entry(self, index: int) -> tuple[int, bytes]:
        """Term and chain digest of an entry. Raises EntryUnavailableError."""
        return self.raft.log.term(index), self.raft.log.digest(index)

    def scan(self, low: int) -> Iterator[Entry]:
        """The log's entries from one on. Raises EntryUnavailableError below the first."""
        log = self.raft.log
        for page in log.scan(low, log.last_index() + 1, SCAN_PAGE_SIZE):
            yield from page

    def find_new_entry(self, append: Message) -> int | None:
        """Which of an append's entries is the first that the log does not hold.

        None where it holds them all, or where what comes before them is another.
        """
        log = self.raft.log
        if not log.match_term(append.log_index, append.log_term):
            return None
        if self.raft.config.digest_chain and log.digest(append.log_index) != append.chain_digest:
            return None
        conflict = log.find_conflict(append.entries)
        return conflict - append.log_index - 1 if conflict else None

    def conflicts_with_committed(self, message: Message) -> bool:
        """Whether an append is of a log that lacks what is committed here.

        No leader of this or a later term has such a log: its sender lies, or one of the two logs is
        damaged. Where the append would be stepped into the log, `step` raises ContractError.
        """
        log, term = self.raft.log, self.raft.term
        if message.kind is not MessageKind.APPEND or (message.term and message.term < term):
            return False
        chain = self.raft.config.digest_chain
        digest, index = message.chain_digest, message.log_index
        if index <= log.committed and _differs(log, index, message.log_term, digest):
            return True
        for entry in message.entries:
            index = entry.index
            if chain is not None:
                digest = chain(digest, entry)
            if index <= log.committed and _differs(log, index, entry.term, digest):
                return True
        return False

    def extend_digest(self, append: Message) -> bytes:
        """The chain digest up to and with an append's last entry; empty where none is kept."""
        chain, digest = self.raft.config.digest_chain, append.chain_digest
        if chain is None:
            return b""
        for entry in append.entries:
            digest = chain(digest, entry)
        return digest

    def find_successor(self, passed_over: Collection[int] = ()) -> int | None:
        """The voter that could lead best in this leader's place: active, with the longest log, none of
        those that are passed over.

        None where there is none, and where this node does not lead.
        """
        raft = self.raft
        if raft.role is not Role.LEADER:
            return None
        voters = raft.tracker.config.voters.ids()
        others = [
            (progress.match_index, -node)
            for node, progress in raft.tracker.visit()
            if node != raft.id
            and node in voters
            and progress.is_recent_active
            and node not in passed_over
        ]
        return -max(others)[1] if others else None

    def find_waiting_for_snapshot(self) -> tuple[int, ...]:
        """Members that this leader feeds nothing, as a snapshot is on its way to them."""
        if self.raft.role is not Role.LEADER:
            return ()
        return tuple(
            node
            for node, progress in self.raft.tracker.visit()
            if progress.state is ProgressState.SNAPSHOT
        )

    def get_progress(self) -> Mapping[int, Progress]:
        """The members as this node, if it leads, sees them; to look at only."""
        return self.raft.tracker.progress

    def get_conf_state(self) -> ConfState:
        """The members as of the last change that was applied."""
        return self.raft.tracker.conf_state()

    def has_pending_conf_change(self) -> bool:
        """Whether a change of members may be under way, so that no other is taken."""
        return self.raft.pending_conf_index > self.raft.log.applied

    def commit_known(self, index: int) -> None:
        """An entry of the log is committed, as the embedder knows from before a restart: the commit
        index need not survive one.
        """
        self.raft.log.commit_to(index)

    def resign(self) -> None:
        """Lead no more in this term: somebody else may do better."""
        if self.raft.role is Role.LEADER:
            self.raft.become_follower(self.raft.term, NO_NODE)

    # Out ------------------------------------------------------------------------------------------

    def has_ready(self) -> bool:
        """Whether `ready` would hold anything."""
        raft = self.raft
        return (
            raft.soft_state != self._soft_state
            or raft.hard_state not in (self._hard_state, HardState())
            or raft.log.next_unstable_snapshot() is not None
            or bool(raft.messages or raft.messages_after_append or raft.read_states)
            or raft.log.has_next_unstable_entries()
            or raft.log.has_next_committed_entries(is_unstable_allowed=not self._is_async)
        )

    def ready(self) -> Ready:
        """What to do now; see `Ready`. Raises ContractError while another is not advanced."""
        if self._is_in_hand:
            raise ContractError("the last Ready is not advanced")
        ready = self._make_ready()
        self._accept(ready)
        return ready

    def advance(self) -> None:
        """The last Ready is carried out. Raises ContractError when there is none."""
        if self._is_async:
            raise ContractError("storage answers by messages here")
        if not self._is_in_hand:
            raise ContractError("no Ready to advance over")
        self._is_in_hand = False
        steps, self._steps_on_advance = self._steps_on_advance, []
        for message in steps:
            with contextlib.suppress(OrderingError):
                self.raft.step(message)

    def _make_ready(self) -> Ready:
        raft = self.raft
        soft_state = raft.soft_state if raft.soft_state != self._soft_state else None
        hard_state = (
            raft.hard_state if raft.hard_state not in (self._hard_state, HardState()) else None
        )
        entries = tuple(raft.log.next_unstable_entries())
        must_sync = bool(entries) or (raft.term, raft.vote) != (
            self._hard_state.term,
            self._hard_state.vote,
        )
        ready = Ready(
            soft_state=soft_state,
            hard_state=hard_state,
            read_states=tuple(raft.read_states),
            entries=entries,
            snapshot=raft.log.next_unstable_snapshot(),
            committed_entries=tuple(
                raft.log.next_committed_entries(is_unstable_allowed=not self._is_async)
            ),
            must_sync=must_sync,
        )
        messages = list(raft.messages)
        if self._is_async:
            messages += self._make_storage_messages(ready)
        else:
            messages += [m for m in raft.messages_after_append if m.recipient != raft.id]
        return replace(ready, messages=tuple(messages))

    def _make_storage_messages(self, ready: Ready) -> list[Message]:
        raft = self.raft
        messages: list[Message] = []
        if ready.entries or ready.hard_state or ready.snapshot or raft.messages_after_append:
            state = ready.hard_state or HardState()
            messages.append(
                Message(
                    MessageKind.STORAGE_APPEND,
                    sender=raft.id,
                    recipient=APPEND_THREAD,
                    term=state.term,
                    vote=state.vote,
                    commit=state.commit,
                    entries=ready.entries,
                    snapshot=ready.snapshot,
                    # The own copy is acknowledged before the log is called stable.
                    responses=(*raft.messages_after_append, *self._append_responses(ready)),
                )
            )
        if ready.committed_entries:
            messages.append(
                Message(
                    MessageKind.STORAGE_APPLY,
                    sender=raft.id,
                    recipient=APPLY_THREAD,
                    entries=ready.committed_entries,
                    responses=self._apply_responses(ready),
                )
            )
        return messages

    def _append_responses(self, ready: Ready) -> tuple[Message, ...]:
        """What storage says when everything unstable is durable.

        Its term lets an answer be told from one about entries that were replaced since.
        """
        raft = self.raft
        has_entries = raft.log.has_next_or_in_progress_unstable_entries()
        if not has_entries and ready.snapshot is None:
            return ()
        index, log_term = raft.log.last() if has_entries else (0, 0)
        return (
            Message(
                MessageKind.STORAGE_APPEND_RESPONSE,
                sender=APPEND_THREAD,
                recipient=raft.id,
                term=raft.term,
                log_index=index,
                log_term=log_term,
                chain_digest=raft.log.digest(index) if has_entries else b"",
                snapshot=ready.snapshot,
            ),
        )

    def _apply_responses(self, ready: Ready) -> tuple[Message, ...]:
        if not ready.committed_entries:
            return ()
        return (
            Message(
                MessageKind.STORAGE_APPLY_RESPONSE,
                sender=APPLY_THREAD,
                recipient=self.raft.id,
                entries=ready.committed_entries,
            ),
        )

    def _accept(self, ready: Ready) -> None:
        raft = self.raft
        if ready.soft_state is not None:
            self._soft_state = ready.soft_state
        if ready.hard_state is not None:
            self._hard_state = ready.hard_state
        raft.read_states = []
        if not self._is_async:
            self._is_in_hand = True
            self._steps_on_advance = [
                *(m for m in raft.messages_after_append if m.recipient == raft.id),
                *self._append_responses(ready),
                *self._apply_responses(ready),
            ]
        raft.messages = []
        raft.messages_after_append = []
        raft.log.accept_unstable()
        if ready.committed_entries:
            raft.log.accept_applying(
                ready.committed_entries[-1].index,
                entries_size(ready.committed_entries),
                is_unstable_allowed=not self._is_async,
            )


def _differs(log: RaftLog, index: int, term: int, chain_digest: bytes) -> bool:
    """Whether an entry is known here to be another; what is compacted is not known."""
    try:
        return log.term(index) != term or (log.is_chained and log.digest(index) != chain_digest)
    except EntryUnavailableError:
        return False
