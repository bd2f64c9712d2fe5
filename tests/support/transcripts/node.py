# SPDX-License-Identifier: Apache-2.0
"""What a cluster's transcript is made of: nodes with disk and state machine, and what is printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from consensus.conf_change import decode_conf_change
from consensus.config import Config
from consensus.errors import ProposalDroppedError, UnknownPeerError
from consensus.log import CompactedError, EntryUnavailableError
from consensus.memory_log import MemoryLog
from consensus.raw_node import LOCAL_KINDS, RawNode
from consensus.types import Entry, EntryKind, HardState, Message, MessageKind, Snapshot

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE")


class CommandError(Exception):
    """What a command prints because it failed."""


class Output:
    """What one command prints; nothing at level NONE."""

    def __init__(self) -> None:
        self.level = LEVELS[0]
        self._text = ""

    @property
    def is_quiet(self) -> bool:
        return self.level == LEVELS[-1]

    def write(self, text: str) -> None:
        if not self.is_quiet:
            self._text += text

    def take(self) -> str:
        text, self._text = self._text, ""
        return text

    @contextmanager
    def indented(self) -> Generator[None]:
        before = self.take()
        yield
        within = self.take()
        self._text = before + "".join(f"  {line}\n" for line in within.splitlines())

    def set_level(self, name: str) -> None:
        if name.upper() not in LEVELS:
            raise CommandError(f"log levels must be either of {list(LEVELS)}")
        self.level = name.upper()


class HistoryLog(MemoryLog):
    """A log whose newest snapshot is always that of the last entry applied."""

    def __init__(self, history: list[Snapshot]) -> None:
        super().__init__()
        self._history = history

    def snapshot(self) -> Snapshot:
        return self._history[-1]


@dataclass(slots=True)
class Node:
    """One node, its disk, and its state machine."""

    raw: RawNode
    config: Config
    log: HistoryLog
    history: list[Snapshot]
    append_work: deque[Message] = field(default_factory=deque[Message])
    apply_work: deque[Message] = field(default_factory=deque[Message])

    def write(
        self, state: HardState | None, entries: Sequence[Entry], snapshot: Snapshot | None
    ) -> None:
        """Make durable what a Ready or a STORAGE_APPEND holds."""
        if state is not None and state != HardState():
            self.log.set_hard_state(state)
        if snapshot is not None and not snapshot.is_empty:
            if entries:
                raise CommandError("can't apply snapshot and entries at the same time")
            self.log.apply_snapshot(snapshot)
        else:
            self.log.append(entries)

    def apply(self, entries: Iterable[Entry]) -> None:
        """Append the entries to the state, and change the members as they say."""
        for entry in entries:
            last = self.history[-1]
            update, members = entry.data, last.conf_state
            if entry.kind is not EntryKind.NORMAL:
                change = decode_conf_change(entry)
                update, members = change.context, self.raw.apply_conf_change(change)
            self.history.append(Snapshot(entry.index, entry.term, members, last.data + update))


def explain(error: Exception, kind: MessageKind | None = None) -> str:
    """An error in the transcripts' words."""
    match error:
        case ProposalDroppedError():
            return "raft proposal dropped"
        case UnknownPeerError() if kind in LOCAL_KINDS:
            return "raft: cannot step raft local message"
        case UnknownPeerError():
            return "raft: cannot step as peer not found"
        case CompactedError():
            return "requested index is unavailable due to compaction"
        case EntryUnavailableError():
            return "requested entry at index is unavailable"
        case _:
            return str(error)
