# SPDX-License-Identifier: Apache-2.0
"""Members of a Raft cluster over logs in memory, and the wire between them: nothing is random."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from consensus.conf_change import decode_conf_change
from consensus.config import Config
from consensus.errors import OrderingError
from consensus.memory_log import MemoryLog
from consensus.raft import Raft
from consensus.raw_node import RawNode
from consensus.types import (
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Message,
    MessageKind,
    ReadState,
    Ready,
    Role,
)

ELECTION_TICKS: Final = 10
PLAIN: Final = Config(node_id=1, election_ticks=ELECTION_TICKS, heartbeat_ticks=1)
"""Raft as in the paper: without pre-vote, without check-quorum."""
CHECKED: Final = replace(PLAIN, check_quorum=True)
CAREFUL: Final = replace(CHECKED, pre_vote=True)
MESSAGES_COUNT_MAX: Final = 10_000
"""A cluster that says more before it falls silent talks in circles."""


class MemberLog(MemoryLog):
    """A log in memory whose members are given."""

    def __init__(self, members: ConfState) -> None:
        super().__init__()
        self.members = members

    def conf_state(self) -> ConfState:
        return self.members

    def all(self) -> tuple[Entry, ...]:
        """Everything that is kept."""
        low, high = self.first_index(), self.last_index() + 1
        return tuple(self.entries(low, high, size_bytes_max=2**62))


def make_entries(*terms: int) -> tuple[Entry, ...]:
    """Entries of these terms from index 1 on; index and term are their data."""
    return tuple(
        Entry(index, term, f"{index} of {term}".encode()) for index, term in enumerate(terms, 1)
    )


class Member:
    """One node, and an embedder that carries out every Ready as the contract says."""

    def __init__(
        self,
        node_id: int = 1,
        members: ConfState | None = None,
        *,
        config: Config = PLAIN,
        terms: Sequence[int] = (),
        hard_state: HardState | None = None,
    ) -> None:
        """`terms` are those of the entries in the log; the others are 1 to 3 unless given."""
        self.id = node_id
        self.config = replace(config, node_id=node_id)
        self.log = MemberLog(members or ConfState(voters=(1, 2, 3)))
        self.log.append(make_entries(*terms))
        self.log.set_hard_state(hard_state or HardState(term=max(terms, default=0)))
        self.draws: list[tuple[int, int]] = []
        self.reset()

    def reset(self) -> None:
        """Start, with no more than what is durable."""
        self.applied: list[Entry] = []
        self.reads: list[ReadState] = []
        self.readies: list[Ready] = []
        self.node = RawNode(self.config, self.log, self._draw)

    def _draw(self, low: int, high: int) -> int:
        self.draws.append((low, high))
        return min(low + self.id - 1, high)

    @property
    def raft(self) -> Raft:
        return self.node.raft

    @property
    def role(self) -> Role:
        return self.raft.role

    def tick(self, count: int = 1) -> None:
        """So much time passes."""
        for _ in range(count):
            self.node.tick()

    def take(self, message: Message) -> None:
        """A message arrives; one that is refused is gone."""
        with contextlib.suppress(OrderingError):
            self.node.step(message)

    def hear(self, kind: MessageKind, sender: int, term: int, **said: object) -> list[Message]:
        """What is sent in answer to a message with these fields."""
        self.take(replace(Message(kind, sender, self.id, term), **said))  # type: ignore[arg-type]
        return self.drain()

    def drain(self) -> list[Message]:
        """Carry out what there is to do; what is sent."""
        sent: list[Message] = []
        while self.node.has_ready():
            ready = self.node.ready()
            self.carry_out(ready)
            sent += ready.messages
            self.node.advance()
        return sent

    def carry_out(self, ready: Ready) -> None:
        """Store, then apply: everything of a Ready but its messages."""
        self.readies.append(ready)
        if ready.snapshot is not None:
            self.log.apply_snapshot(ready.snapshot)
            self.log.members = ready.snapshot.conf_state
        self.log.append(ready.entries)
        if ready.hard_state is not None:
            self.log.set_hard_state(ready.hard_state)
        self.reads += ready.read_states
        for entry in ready.committed_entries:
            self.applied.append(entry)
            if entry.kind is not EntryKind.NORMAL:
                self.log.members = self.node.apply_conf_change(decode_conf_change(entry))

    @property
    def applied_data(self) -> list[bytes]:
        """Of the entries applied, without the empty ones that begin terms."""
        return [entry.data for entry in self.applied if entry.data]

    def elect(self) -> list[Message]:
        """Become leader by the votes of all the others; what is sent then."""
        self.node.campaign()
        sent = self.drain()
        for kind in (MessageKind.PRE_VOTE, MessageKind.VOTE):
            answer = MessageKind[f"{kind.name}_RESPONSE"]
            for request in [message for message in sent if message.kind is kind]:
                sent += self.hear(answer, request.recipient, request.term)
        assert self.role is Role.LEADER
        return [message for message in sent if message.kind is MessageKind.APPEND]


class Cluster:
    """Members and a wire, on which messages keep their order until they are delivered or lost."""

    def __init__(
        self,
        size: int = 3,
        *,
        learners: Sequence[int] = (),
        config: Config = PLAIN,
        terms: Mapping[int, Sequence[int]] | None = None,
    ) -> None:
        """Voters 1 to `size`, and learners; `terms` are those of the entries a member has."""
        members = ConfState(tuple(range(1, size + 1)), tuple(learners))
        self.members = {
            node: Member(node, members, config=config, terms=(terms or {}).get(node, ()))
            for node in (*members.voters, *members.learners)
        }
        self.wire: list[Message] = []
        self.delivered: list[Message] = []
        self._cut: set[tuple[int, int]] = set()
        self._lost: frozenset[MessageKind] = frozenset()

    def __getitem__(self, node: int) -> Member:
        return self.members[node]

    def partition(self, *sides: Iterable[int]) -> None:
        """Nothing passes from one of these sides to another."""
        groups = [frozenset(side) for side in sides]
        self._cut = {
            (a, b) for one in groups for other in groups if one != other for a in one for b in other
        }

    def isolate(self, node: int) -> None:
        """Cut one member off."""
        self.partition({node}, set(self.members) - {node})

    def lose(self, *kinds: MessageKind) -> None:
        """Messages of these kinds, and of no others, are lost from now on."""
        self._lost = frozenset(kinds)

    def heal(self) -> None:
        """Everything passes again."""
        self._cut, self._lost = set(), frozenset()

    def collect(self) -> None:
        """Put on the wire what the members have to say."""
        for member in self.members.values():
            self.wire += member.drain()

    def deliver(self) -> None:
        """Until nobody has anything to say any more."""
        for _ in range(MESSAGES_COUNT_MAX):
            self.collect()
            if not self.wire:
                return
            message = self.wire.pop(0)
            way = (message.sender, message.recipient)
            if way not in self._cut and message.kind not in self._lost:
                self.delivered.append(message)
                self.members[message.recipient].take(message)
        raise AssertionError("the members do not fall silent")

    def tick(self, count: int = 1, *, only: Iterable[int] | None = None) -> None:
        """Time passes, for all or some; after each tick everything said is delivered."""
        ticking = sorted(self.members if only is None else only)
        for _ in range(count):
            for node in ticking:
                self.members[node].tick()
            self.deliver()

    def elect(self, node: int = 1) -> Member:
        """Have a member elected now."""
        self.members[node].node.campaign()
        self.deliver()
        assert self.members[node].role is Role.LEADER
        return self.members[node]

    def propose(self, node: int, data: bytes) -> None:
        """Propose at a member, and deliver."""
        self.members[node].node.propose(data)
        self.deliver()

    def leaders(self) -> list[int]:
        """Those who think that they lead."""
        return [node for node, member in self.members.items() if member.role is Role.LEADER]

    def terms(self) -> dict[int, int]:
        """The term of each."""
        return {node: member.raft.term for node, member in self.members.items()}
