# SPDX-License-Identifier: Apache-2.0
"""Transcripts of whole clusters: nodes of the real core, one queue of messages, no time but ticks.

Each node has its log in memory and a state machine that appends what is applied; the state after
each entry is kept, and the newest is the snapshot that a leader sends. Nothing happens by itself:
commands deliver messages, carry out Readys and, where storage is written beside the core, its work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from consensus.conf_change import ConfChange
from consensus.config import UNLIMITED, Config
from consensus.errors import OrderingError
from consensus.raw_node import RawNode
from consensus.read_only import ReadOnlyOption
from consensus.types import (
    APPEND_THREAD,
    APPLY_THREAD,
    ConfState,
    HardState,
    Message,
    MessageKind,
    Role,
    Snapshot,
)
from tests.support.transcripts.describe import (
    MESSAGE_KINDS,
    ROLE_NAMES,
    TRANSITIONS,
    describe_entry,
    describe_message,
    describe_progresses,
    describe_ready,
    parse_changes,
)
from tests.support.transcripts.format import (
    NOTHING_TO_SAY,
    Directive,
    TranscriptError,
    parse_flag,
    parse_number,
)
from tests.support.transcripts.node import CommandError, HistoryLog, Node, Output, explain

INFLIGHT_COUNT_MAX = 2**31 - 1
PASSES_MAX = 10_000
"""Of one `stabilize`: a cluster that does not come to rest by then never does."""
_READY = "handling Ready"
_APPEND = "processing append thread"
_APPLY = "processing apply thread"
_THREADS = (APPEND_THREAD, APPLY_THREAD)
_READ_ONLY = {"safe": ReadOnlyOption.SAFE, "lease-based": ReadOnlyOption.LEASE}


class InteractionTranscript:
    """The commands over one cluster, at first without nodes."""

    def __init__(self) -> None:
        self._output = Output()
        self._nodes: list[Node] = []
        self._messages: list[Message] = []
        self._commands: dict[str, Callable[[Directive], None]] = {
            "_breakpoint": lambda _: None,
            "add-nodes": self._add_nodes,
            "campaign": lambda d: self._node(d).raw.campaign(),
            "compact": self._compact,
            "deliver-msgs": self._deliver_messages,
            "forget-leader": lambda d: self._node(d).raw.forget_leader(),
            "log-level": lambda d: self._output.set_level(d.bare()[0]),
            "process-append-thread": lambda d: self._each(d, _APPEND, self._process_append),
            "process-apply-thread": lambda d: self._each(d, _APPLY, self._process_apply),
            "process-ready": lambda d: self._each(d, _READY, self._process_ready),
            "propose": self._propose,
            "propose-conf-change": self._propose_conf_change,
            "raft-log": lambda d: self._print_log(self._node(d)),
            "raft-state": self._print_state,
            "report-unreachable": self._report_unreachable,
            "send-snapshot": self._send_snapshot,
            "set-randomized-election-timeout": self._set_randomized_election_timeout,
            "stabilize": self._handle_stabilize,
            "status": self._print_status,
            "tick-election": lambda d: self._tick(d, self._node(d).config.election_ticks),
            "tick-heartbeat": lambda d: self._tick(d, self._node(d).config.heartbeat_ticks),
            "transfer-leadership": self._transfer_leadership,
        }
        self._stages: tuple[tuple[str, Callable[[Node], bool], Callable[[Node], None]], ...] = (
            (_READY, lambda node: node.raw.has_ready(), self._process_ready),
            ("receiving messages", self._has_messages, self._receive),
            (_APPEND, lambda node: bool(node.append_work), self._drain_append),
            (_APPLY, lambda node: bool(node.apply_work), self._drain_apply),
        )

    def handle(self, directive: Directive) -> str:
        """What a command prints. Raises TranscriptError for one that cannot be understood."""
        command = self._commands.get(directive.command)
        if command is None:
            raise TranscriptError(f"no command {directive.command}")
        self._output.take()
        try:
            command(directive)
        except (CommandError, OrderingError) as error:
            text = explain(error)
            if self._output.is_quiet:
                return text
            self._output.write(text)
        return self._output.take() or NOTHING_TO_SAY

    # Arguments ------------------------------------------------------------------------------------

    def _by_id(self, text: str) -> Node:
        number = parse_number(text)
        if not 0 < number <= len(self._nodes):
            raise TranscriptError(f"there is no node {number}")
        return self._nodes[number - 1]

    def _node(self, directive: Directive) -> Node:
        if not directive.bare():
            raise TranscriptError(f"which node? {directive.text}")
        return self._by_id(directive.bare()[0])

    def _each(self, directive: Directive, doing: str, act: Callable[[Node], None]) -> None:
        """For each node that is named; under a heading where there are several."""
        nodes = [self._by_id(text) for text in directive.bare()]
        for node in nodes:
            if len(nodes) == 1:
                act(node)
            else:
                self._under_heading(node, doing, act)

    def _under_heading(self, node: Node, doing: str, act: Callable[[Node], None]) -> None:
        self._output.write(f"> {node.config.node_id} {doing}\n")
        with self._output.indented():
            act(node)

    # Nodes ----------------------------------------------------------------------------------------

    def _add_nodes(self, directive: Directive) -> None:
        named = directive.named()
        members = ConfState(
            voters=_parse_nodes(named.pop("voters", ())),
            learners=_parse_nodes(named.pop("learners", ())),
        )
        index = parse_number(named.pop("index", ("0",))[0])
        content = named.pop("content", ("",))[0].encode()
        options = {key: _parse_option(key, values) for key, values in named.items()}
        start = Snapshot(index, 0, members, content)
        is_started = start != Snapshot()
        if is_started:
            start = replace(start, term=1)
        for _ in range(parse_number(directive.bare()[0])):
            if is_started and index <= 1:
                raise CommandError("index must be specified as > 1 due to bootstrap")
            node_id = len(self._nodes) + 1
            settings: dict[str, Any] = {
                "election_ticks": 3,
                "heartbeat_ticks": 1,
                "inflight_count_max": INFLIGHT_COUNT_MAX,
                "message_size_max": UNLIMITED,
                **dict(options.values()),
            }
            config = Config(node_id=node_id, applied=index, **settings)
            history = [start]
            log = HistoryLog(history)
            if is_started:
                log.apply_snapshot(start)
            # The longest time there can be: files that care set it.
            raw = RawNode(config, log, lambda _, high: high)
            self._nodes.append(Node(raw, config, log, history))

    def _compact(self, directive: Directive) -> None:
        node = self._node(directive)
        node.log.compact(parse_number(directive.bare()[1]))
        self._print_log(node)

    def _set_randomized_election_timeout(self, directive: Directive) -> None:
        ticks = parse_number(directive.named()["timeout"][0])
        self._node(directive).raw.raft.randomized_election_ticks = ticks

    def _tick(self, directive: Directive, count: int) -> None:
        node = self._node(directive)
        for _ in range(count):
            node.raw.tick()

    # Asking ---------------------------------------------------------------------------------------

    def _propose(self, directive: Directive) -> None:
        if len(directive.arguments) != 2 or directive.arguments[1].values:
            raise TranscriptError(f"one word is proposed: {directive.text}")
        self._node(directive).raw.propose(directive.arguments[1].key.encode())

    def _propose_conf_change(self, directive: Directive) -> None:
        named = directive.named()
        is_single = parse_flag(named.pop("v1", ("false",))[0])
        transition = TRANSITIONS.get(name := named.pop("transition", ("auto",))[0])
        if transition is None or named:
            raise TranscriptError(f"unknown: {transition is None and name} {sorted(named)}")
        change = ConfChange(parse_changes(directive.input), transition)
        if is_single and change.is_joint():
            raise CommandError("v1 conf change can only have one operation and no transition")
        self._node(directive).raw.propose_conf_change(change, is_single=is_single)

    def _transfer_leadership(self, directive: Directive) -> None:
        named = directive.named()
        node = self._by_id(named["from"][0])
        node.raw.transfer_leadership(self._by_id(named["to"][0]).config.node_id)

    def _report_unreachable(self, directive: Directive) -> None:
        node, other = (self._by_id(text) for text in directive.bare())
        node.raw.report_unreachable(other.config.node_id)

    def _send_snapshot(self, directive: Directive) -> None:
        node, other = (self._by_id(text) for text in directive.bare())
        message = Message(
            MessageKind.SNAPSHOT,
            sender=node.config.node_id,
            recipient=other.config.node_id,
            term=node.raw.raft.term,
            snapshot=node.log.snapshot(),
        )
        self._messages.append(message)
        self._output.write(describe_message(message))

    # Messages -------------------------------------------------------------------------------------

    def _deliver_messages(self, directive: Directive) -> None:
        targets: list[tuple[int, bool]] = []
        kind: MessageKind | None = None
        for argument in directive.arguments:
            if not argument.values:
                targets.append((parse_number(argument.key), False))
            elif argument.key == "drop":
                targets += [(parse_number(value), True) for value in argument.values]
            elif argument.key == "type" and argument.values[0] in MESSAGE_KINDS:
                kind = MESSAGE_KINDS[argument.values[0]]
            else:
                raise TranscriptError(f"unknown: {argument}")
        if len({target for target, _ in targets}) < len(targets):
            raise TranscriptError(f"a node is there twice: {directive.text}")
        counts = [self._deliver(node, kind, is_drop=is_drop) for node, is_drop in targets]
        if not sum(counts):
            self._output.write("no messages\n")

    def _take_messages(
        self, recipient: int, kind: MessageKind | None, *, is_drop: bool
    ) -> tuple[list[Message], list[Message]]:
        """The messages for a node, and all others."""
        taken: list[Message] = []
        left: list[Message] = []
        for message in self._messages:
            is_wanted = message.recipient == recipient and kind in (None, message.kind)
            # What a node has from itself does not pass through a network.
            is_kept = is_drop and _is_local(message)
            (taken if is_wanted and not is_kept else left).append(message)
        return taken, left

    def _deliver(self, recipient: int, kind: MessageKind | None, *, is_drop: bool) -> int:
        taken, self._messages = self._take_messages(recipient, kind, is_drop=is_drop)
        for message in taken:
            dropped = "dropped: " if is_drop else ""
            self._output.write(f"{dropped}{describe_message(message)}\n")
            if is_drop:
                continue  # there need be no such node
            try:
                self._by_id(str(recipient)).raw.step(message)
            except OrderingError as error:
                self._output.write(f"{explain(error, message.kind)}\n")
        return len(taken)

    # Effects --------------------------------------------------------------------------------------

    def _process_ready(self, node: Node) -> None:
        is_async = node.config.async_storage_writes
        ready = node.raw.ready()
        self._output.write(describe_ready(ready))
        if not is_async:
            node.write(ready.hard_state, ready.entries, ready.snapshot)
            node.apply(ready.committed_entries)
        for message in ready.messages:
            if message.recipient == APPEND_THREAD:
                node.append_work.append(message)
            elif message.recipient == APPLY_THREAD:
                node.apply_work.append(message)
            else:
                self._messages.append(message)
        if not is_async:
            node.raw.advance()

    def _process_append(self, node: Node) -> None:
        if not node.append_work:
            self._output.write("no append work to perform")
            return
        message = node.append_work.popleft()
        self._print_work(message)
        state = HardState(message.term, message.vote, message.commit)
        node.write(state, message.entries, message.snapshot)
        self._answer_work(message)

    def _process_apply(self, node: Node) -> None:
        if not node.apply_work:
            self._output.write("no apply work to perform")
            return
        message = node.apply_work.popleft()
        self._print_work(message)
        node.apply(message.entries)
        self._answer_work(message)

    def _print_work(self, message: Message) -> None:
        self._output.write(f"Processing:\n{describe_message(replace(message, responses=()))}\n")

    def _answer_work(self, message: Message) -> None:
        self._output.write("Responses:\n")
        for response in message.responses:
            self._output.write(f"{describe_message(response)}\n")
        self._messages += message.responses

    def _handle_stabilize(self, directive: Directive) -> None:
        named = directive.named()
        before = self._output.level
        try:
            if "log-level" in named:
                self._output.set_level(named.pop("log-level")[0])
            if named:
                raise TranscriptError(f"unknown: {sorted(named)}")
            self._stabilize([self._by_id(text) for text in directive.bare()] or self._nodes)
        finally:
            self._output.level = before

    def _stabilize(self, nodes: Sequence[Node]) -> None:
        for _ in range(PASSES_MAX):
            if not self._pass(nodes):
                return
        raise AssertionError("the cluster does not come to rest")

    def _pass(self, nodes: Sequence[Node]) -> bool:
        """One round of everything there is to do; whether there was anything."""
        is_busy = False
        for doing, is_due, act in self._stages:
            for node in nodes:
                if is_due(node):
                    is_busy = True
                    self._under_heading(node, doing, act)
        return is_busy

    def _has_messages(self, node: Node) -> bool:
        return any(message.recipient == node.config.node_id for message in self._messages)

    def _receive(self, node: Node) -> None:
        self._deliver(node.config.node_id, None, is_drop=False)

    def _drain_append(self, node: Node) -> None:
        while node.append_work:
            self._process_append(node)

    def _drain_apply(self, node: Node) -> None:
        while node.apply_work:
            self._process_apply(node)

    # Printing -------------------------------------------------------------------------------------

    def _print_log(self, node: Node) -> None:
        first, last = node.log.first_index(), node.log.last_index()
        if last < first:
            self._output.write(f"log is empty: first index={first}, last index={last}")
            return
        for entry in node.log.entries(first, last + 1, size_bytes_max=UNLIMITED):
            self._output.write(f"{describe_entry(entry)}\n")

    def _print_state(self, directive: Directive) -> None:
        for node in self._nodes:
            raft = node.raw.raft
            is_voter = raft.id in raft.tracker.config.voters.ids()
            self._output.write(
                f"{raft.id}: {ROLE_NAMES[raft.role]} ({'Voter' if is_voter else 'Non-Voter'}) "
                f"Term:{raft.term} Lead:{raft.lead}\n"
            )

    def _print_status(self, directive: Directive) -> None:
        raft = self._node(directive).raw.raft
        # Others know nothing of their peers.
        if raft.role is Role.LEADER:
            self._output.write(describe_progresses(raft.tracker.progress))


def _is_local(message: Message) -> bool:
    return message.sender == message.recipient or bool(
        {message.sender, message.recipient}.intersection(_THREADS)
    )


def _parse_nodes(values: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted(parse_number(value) for value in values))


def _parse_option(key: str, values: tuple[str, ...]) -> tuple[str, Any]:
    """An argument of `add-nodes`, as a setting of the core and its value."""
    value = values[0]
    match key:
        case "async-storage-writes":
            return "async_storage_writes", parse_flag(value)
        case "checkquorum":
            return "check_quorum", parse_flag(value)
        case "disable-conf-change-validation":
            return "is_conf_change_validated", not parse_flag(value)
        case "inflight":
            return "inflight_count_max", parse_number(value)
        case "max-committed-size-per-ready":
            return "committed_size_max", parse_number(value)
        case "prevote":
            return "pre_vote", parse_flag(value)
        case "read-only" if value in _READ_ONLY:
            return "read_only_option", _READ_ONLY[value]
        case "step-down-on-removal":
            return "is_step_down_on_removal", parse_flag(value)
        case _:
            raise TranscriptError(f"unknown: {key}={value}")
