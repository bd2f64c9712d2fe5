# SPDX-License-Identifier: Apache-2.0
"""The values that pass between the Raft core and the program that embeds it.

Effects leave as data (`Ready`); what must be done with them, and in which order, is written there.
Names and contract are those of Raft (Ongaro and Ousterhout 2014, figure 2; Ongaro 2014, chapters 3,
4 and 6) and of etcd's core. Nodes are numbers from 1; 0 is nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

NO_NODE: Final = 0
"""The number of no node: nobody voted for, no leader known."""
APPEND_THREAD: Final = 2**64 - 1
"""Recipient of writes to the log, where storage is written beside the core (`Ready.messages`)."""
APPLY_THREAD: Final = 2**64 - 2
"""Recipient of entries to apply, in the same mode."""
NODE_MAX: Final = 2**64 - 3
"""The largest number of a node."""


class EntryKind(IntEnum):
    """What the data of an entry is; the numbers are stored."""

    NORMAL = 0
    """The embedder's own bytes. Empty data is the entry with which a leader starts its term."""
    CONF_CHANGE = 1
    """A change of one member, a `ConfChange`."""
    CONF_CHANGE_V2 = 2
    """A change of several, a `ConfChangeV2`; may pass through a joint configuration."""


class Role(IntEnum):
    """What a node is in its term."""

    FOLLOWER = 0
    PRE_CANDIDATE = 1
    CANDIDATE = 2
    LEADER = 3


class MessageKind(IntEnum):
    """What a message says. Numbers below 32 travel between nodes and never change."""

    APPEND = 1
    APPEND_RESPONSE = 2
    VOTE = 3
    VOTE_RESPONSE = 4
    PRE_VOTE = 5
    PRE_VOTE_RESPONSE = 6
    HEARTBEAT = 7
    HEARTBEAT_RESPONSE = 8
    SNAPSHOT = 9
    TIMEOUT_NOW = 10
    PROPOSE = 11
    """Entries for the leader; a follower passes them on."""
    READ_INDEX = 12
    READ_INDEX_RESPONSE = 13
    TRANSFER_LEADER = 14

    HUP = 32
    """Begin an election. From here on: within one node only."""
    BEAT = 33
    CHECK_QUORUM = 34
    UNREACHABLE = 35
    SNAPSHOT_STATUS = 36
    FORGET_LEADER = 37
    STORAGE_APPEND = 38
    STORAGE_APPEND_RESPONSE = 39
    STORAGE_APPLY = 40
    STORAGE_APPLY_RESPONSE = 41


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of the log. `index` counts from 1 without gaps; `term` never falls along the log."""

    index: int
    term: int
    data: bytes
    kind: EntryKind = EntryKind.NORMAL


@dataclass(frozen=True, slots=True)
class HardState:
    """What must survive a crash besides the log. `term` and `commit` never fall."""

    term: int = 0
    vote: int = NO_NODE
    """The candidate that got this node's vote in `term`."""
    commit: int = 0
    """The last entry known to be committed."""


@dataclass(frozen=True, slots=True)
class SoftState:
    """What a start forgets."""

    lead: int = NO_NODE
    role: Role = Role.FOLLOWER


@dataclass(frozen=True, slots=True)
class ConfState:
    """The members, each tuple ascending. `voters_outgoing` is not empty while a change is joint."""

    voters: tuple[int, ...] = ()
    learners: tuple[int, ...] = ()
    voters_outgoing: tuple[int, ...] = ()
    learners_next: tuple[int, ...] = ()
    """Outgoing voters that become learners when the joint configuration is left."""
    auto_leave: bool = False
    """The leader leaves the joint configuration by itself."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after entry `index`, and who the members are there."""

    index: int = 0
    term: int = 0
    conf_state: ConfState = field(default_factory=ConfState)
    data: bytes = b""
    """The embedder's own, for instance how to fetch the state."""
    chain_digest: bytes = b""
    """Of the log up to `index`; empty where none is kept."""

    @property
    def is_empty(self) -> bool:
        """Whether this is no snapshot."""
        return self.index == 0


@dataclass(frozen=True, slots=True)
class Message:
    """What one node tells another, or itself."""

    kind: MessageKind
    sender: int = NO_NODE
    recipient: int = NO_NODE
    term: int = 0
    """0 for a message within one node, and for what is passed on to a leader."""
    log_index: int = 0
    log_term: int = 0
    entries: tuple[Entry, ...] = ()
    commit: int = 0
    vote: int = NO_NODE
    """Of the hard state, in a STORAGE_APPEND."""
    snapshot: Snapshot | None = None
    rejected: bool = False
    reject_hint: int = 0
    context: bytes = b""
    chain_digest: bytes = b""
    """Of the log up to `log_index`, in an APPEND and in what storage says it has; empty where the
    log keeps none.
    """
    responses: tuple[Message, ...] = ()
    """To be stepped or sent once a STORAGE message is carried out."""


@dataclass(frozen=True, slots=True)
class ReadState:
    """A read that asked with `context` may be served once `index` is applied."""

    index: int
    context: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    """What the embedder must do now.

    In this order, each step finished before the next begins:

    1. If `snapshot` is there, replace the log by it. Append `entries` to the log, replacing what is
       there from the first of them on, and store `hard_state` if it is not None. If `must_sync`, or
       there is a snapshot, all of it must survive a power cut before step 2.
    2. Send `messages`.
    3. Apply `snapshot`, then `committed_entries` in their order. They are durable here. After a
       restart entries that were handed out before come again, from the first after `applied`:
       applying is the embedder's to make repeatable.
    4. Call `advance` once.

    Between `ready` and `advance` the embedder may step, tick and propose; it asks for no other
    Ready. If a step fails it stops for good and starts anew from what is durable.

    Where storage is written beside the core (`Config.async_storage_writes`) there is no `advance`:
    `messages` then hold a STORAGE_APPEND for steps 1 and 2 and a STORAGE_APPLY for step 3, each with
    the responses to deliver afterwards; both kinds are carried out in the order they come.
    """

    soft_state: SoftState | None = None
    """Set when it changed; nothing need be stored."""
    hard_state: HardState | None = None
    read_states: tuple[ReadState, ...] = ()
    entries: tuple[Entry, ...] = ()
    snapshot: Snapshot | None = None
    committed_entries: tuple[Entry, ...] = ()
    messages: tuple[Message, ...] = ()
    must_sync: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """How an ordering sees itself; for people and for the embedder's decision to propose."""

    node_id: int
    role: Role
    hard_state: HardState = field(default_factory=HardState)
    lead: int = NO_NODE
    last_index: int = 0
    applied: int = 0
    """The last entry handed out and advanced over."""

    @property
    def is_leader(self) -> bool:
        """Whether proposals are taken here."""
        return self.role is Role.LEADER
