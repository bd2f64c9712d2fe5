# SPDX-License-Identifier: Apache-2.0
"""The values that pass between an ordering and the program that embeds it.

Effects leave as data (`Ready`); what must be done with them, and in which order, is written there.
The names and the contract are those of Raft (Ongaro and Ousterhout 2014, figure 2; etcd-io/raft).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

NO_NODE = 0
"""The number of no node: nobody voted for, no leader known."""


class EntryKind(IntEnum):
    """What the data of an entry is; the numbers are stored."""

    NORMAL = 0
    """The embedder's own bytes. Empty data is the entry with which a leader starts its term."""
    CONF_CHANGE = 1
    """A change of the voters."""


class Role(IntEnum):
    """What a node is in its term."""

    FOLLOWER = 0
    PRE_CANDIDATE = 1
    CANDIDATE = 2
    LEADER = 3


class MessageKind(IntEnum):
    """Messages between nodes."""

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
class Message:
    """What one node tells another."""

    kind: MessageKind
    sender: int
    recipient: int
    term: int
    log_index: int = 0
    log_term: int = 0
    entries: tuple[Entry, ...] = ()
    commit: int = 0
    rejected: bool = False
    reject_hint: int = 0
    context: bytes = b""


@dataclass(frozen=True, slots=True)
class Ready:
    """What the embedder must do now.

    In this order, each step finished before the next begins:

    1. Append `entries` to the log, replacing what is there from the first of them on, and store
       `hard_state` if it is not None. If `must_sync`, both must survive a power cut before step 2.
    2. Send `messages`.
    3. Apply `committed_entries` in their order. They are durable here: none of them is in
       `entries` of the same or a later Ready. After a restart entries that were handed out before
       come again, from the first after `applied`: applying is the embedder's to make repeatable.
    4. Call `advance` once.

    Between `ready` and `advance` the embedder may step, tick and propose; it asks for no other
    Ready. If a step fails it stops for good and starts anew from what is durable.
    """

    hard_state: HardState | None = None
    entries: tuple[Entry, ...] = ()
    messages: tuple[Message, ...] = ()
    committed_entries: tuple[Entry, ...] = ()
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
