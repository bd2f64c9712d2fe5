# SPDX-License-Identifier: Apache-2.0
"""Values of the core in the words of etcd's transcripts, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from consensus.conf_change import (
    ConfChangeKind,
    ConfChangeSingle,
    Transition,
    decode_conf_change,
)
from consensus.quorum import VoteResult
from consensus.tracker import Progress, ProgressState, TrackerConfig
from consensus.types import (
    APPEND_THREAD,
    APPLY_THREAD,
    NO_NODE,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Message,
    MessageKind,
    ReadState,
    Ready,
    Role,
    Snapshot,
    SoftState,
)
from tests.support.transcripts.format import TranscriptError

MESSAGE_NAMES: Final = {
    MessageKind.APPEND: "MsgApp",
    MessageKind.APPEND_RESPONSE: "MsgAppResp",
    MessageKind.VOTE: "MsgVote",
    MessageKind.VOTE_RESPONSE: "MsgVoteResp",
    MessageKind.PRE_VOTE: "MsgPreVote",
    MessageKind.PRE_VOTE_RESPONSE: "MsgPreVoteResp",
    MessageKind.HEARTBEAT: "MsgHeartbeat",
    MessageKind.HEARTBEAT_RESPONSE: "MsgHeartbeatResp",
    MessageKind.SNAPSHOT: "MsgSnap",
    MessageKind.TIMEOUT_NOW: "MsgTimeoutNow",
    MessageKind.PROPOSE: "MsgProp",
    MessageKind.READ_INDEX: "MsgReadIndex",
    MessageKind.READ_INDEX_RESPONSE: "MsgReadIndexResp",
    MessageKind.TRANSFER_LEADER: "MsgTransferLeader",
    MessageKind.HUP: "MsgHup",
    MessageKind.BEAT: "MsgBeat",
    MessageKind.CHECK_QUORUM: "MsgCheckQuorum",
    MessageKind.UNREACHABLE: "MsgUnreachable",
    MessageKind.SNAPSHOT_STATUS: "MsgSnapStatus",
    MessageKind.FORGET_LEADER: "MsgForgetLeader",
    MessageKind.STORAGE_APPEND: "MsgStorageAppend",
    MessageKind.STORAGE_APPEND_RESPONSE: "MsgStorageAppendResp",
    MessageKind.STORAGE_APPLY: "MsgStorageApply",
    MessageKind.STORAGE_APPLY_RESPONSE: "MsgStorageApplyResp",
}
MESSAGE_KINDS: Final = {name: kind for kind, name in MESSAGE_NAMES.items()}
ROLE_NAMES: Final = {
    Role.FOLLOWER: "StateFollower",
    Role.PRE_CANDIDATE: "StatePreCandidate",
    Role.CANDIDATE: "StateCandidate",
    Role.LEADER: "StateLeader",
}
ENTRY_NAMES: Final = {
    EntryKind.NORMAL: "EntryNormal",
    EntryKind.CONF_CHANGE: "EntryConfChange",
    EntryKind.CONF_CHANGE_V2: "EntryConfChangeV2",
}
PROGRESS_NAMES: Final = {
    ProgressState.PROBE: "StateProbe",
    ProgressState.REPLICATE: "StateReplicate",
    ProgressState.SNAPSHOT: "StateSnapshot",
}
VOTE_NAMES: Final = {
    VoteResult.PENDING: "VotePending",
    VoteResult.LOST: "VoteLost",
    VoteResult.WON: "VoteWon",
}
CHANGE_LETTERS: Final = {
    ConfChangeKind.ADD_VOTER: "v",
    ConfChangeKind.ADD_LEARNER: "l",
    ConfChangeKind.REMOVE: "r",
    ConfChangeKind.UPDATE: "u",
}
TRANSITIONS: Final = {
    "auto": Transition.AUTO,
    "implicit": Transition.JOINT_IMPLICIT,
    "explicit": Transition.JOINT_EXPLICIT,
}
_CHANGE_KINDS: Final = {letter: kind for kind, letter in CHANGE_LETTERS.items()}
_TARGETS: Final = {
    NO_NODE: "None",
    APPEND_THREAD: "AppendThread",
    APPLY_THREAD: "ApplyThread",
}
_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}

# Values ---------------------------------------------------------------------------------------------


def describe_flag(flag: bool) -> str:
    return "true" if flag else "false"


def describe_list(values: Iterable[object]) -> str:
    return f"[{' '.join(str(value) for value in values)}]"


def quote(data: bytes) -> str:
    """A string literal of Go: what is printable as it is, the rest escaped."""
    return f'"{"".join(_quote(c) for c in data.decode("utf-8", "surrogateescape"))}"'


def _quote(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def describe_target(node: int) -> str:
    return _TARGETS.get(node, f"{node:x}")


def parse_changes(text: str) -> tuple[ConfChangeSingle, ...]:
    """`v1 l2 r3 u4`. Raises TranscriptError."""
    changes: list[ConfChangeSingle] = []
    for token in text.split():
        kind = _CHANGE_KINDS.get(token[0])
        if kind is None or not token[1:].isdecimal():
            raise TranscriptError(f"{token} is no change of a node")
        changes.append(ConfChangeSingle(kind, int(token[1:])))
    return tuple(changes)


def describe_changes(changes: Iterable[ConfChangeSingle]) -> str:
    return " ".join(f"{CHANGE_LETTERS[change.kind]}{change.node_id}" for change in changes)


def describe_entry(entry: Entry) -> str:
    if entry.kind is EntryKind.NORMAL:
        text = quote(entry.data)
    else:
        text = describe_changes(decode_conf_change(entry).changes)
    name = ENTRY_NAMES[entry.kind]
    return f"{entry.term}/{entry.index} {name}" + (f" {text}" if text else "")


def describe_conf_state(state: ConfState) -> str:
    return (
        f"Voters:{describe_list(state.voters)} "
        f"VotersOutgoing:{describe_list(state.voters_outgoing)} "
        f"Learners:{describe_list(state.learners)} "
        f"LearnersNext:{describe_list(state.learners_next)} "
        f"AutoLeave:{describe_flag(state.auto_leave)}"
    )


def describe_snapshot(snapshot: Snapshot) -> str:
    members = describe_conf_state(snapshot.conf_state)
    return f"Index:{snapshot.index} Term:{snapshot.term} ConfState:{members}"


def describe_hard_state(state: HardState) -> str:
    vote = f" Vote:{state.vote}" if state.vote else ""
    return f"Term:{state.term}{vote} Commit:{state.commit}"


def describe_soft_state(state: SoftState) -> str:
    return f"Lead:{state.lead} State:{ROLE_NAMES[state.role]}"


def describe_read_states(states: Iterable[ReadState]) -> str:
    return describe_list(f"{{{state.index} {describe_list(state.context)}}}" for state in states)


def describe_message(message: Message, indent: str = "") -> str:
    """One message, on several lines where it holds several entries, a snapshot or responses."""
    text = (
        f"{indent}{describe_target(message.sender)}->{describe_target(message.recipient)} "
        f"{MESSAGE_NAMES[message.kind]} Term:{message.term} "
        f"Log:{message.log_term}/{message.log_index}"
    )
    if message.rejected:
        text += f" Rejected (Hint: {message.reject_hint})"
    if message.commit:
        text += f" Commit:{message.commit}"
    if message.vote:
        text += f" Vote:{message.vote}"
    if len(message.entries) == 1:
        text += f" Entries:[{describe_entry(message.entries[0])}]"
    elif message.entries:
        lines = "".join(f"\n{indent}  {describe_entry(entry)}" for entry in message.entries)
        text += f" Entries:[{lines}\n{indent}]"
    if message.snapshot is not None and not message.snapshot.is_empty:
        text += f"\n{indent}  Snapshot: {describe_snapshot(message.snapshot)}"
    if message.responses:
        lines = "".join(f"\n{describe_message(m, indent + '  ')}" for m in message.responses)
        text += f" Responses:[{lines}\n{indent}]"
    return text


def describe_ready(ready: Ready) -> str:
    lines: list[str] = []
    if ready.soft_state is not None:
        lines.append(describe_soft_state(ready.soft_state))
    if ready.hard_state is not None:
        lines.append(f"HardState {describe_hard_state(ready.hard_state)}")
    if ready.read_states:
        lines.append(f"ReadStates {describe_read_states(ready.read_states)}")
    if ready.entries:
        lines += ["Entries:", *map(describe_entry, ready.entries)]
    if ready.snapshot is not None:
        lines.append(f"Snapshot {describe_snapshot(ready.snapshot)}")
    if ready.committed_entries:
        lines += ["CommittedEntries:", *map(describe_entry, ready.committed_entries)]
    if ready.messages:
        lines += ["Messages:", *map(describe_message, ready.messages)]
    if not lines:
        return "<empty Ready>"
    head = f"Ready MustSync={describe_flag(ready.must_sync)}:"
    return "".join(f"{line}\n" for line in [head, *lines])


# Members --------------------------------------------------------------------------------------------


def describe_nodes(nodes: Iterable[int]) -> str:
    return f"({' '.join(str(node) for node in sorted(nodes))})"


def describe_config(config: TrackerConfig) -> str:
    text = f"voters={describe_nodes(config.voters.incoming)}"
    if config.voters.outgoing:
        text += f"&&{describe_nodes(config.voters.outgoing)}"
    if config.learners:
        text += f" learners={describe_nodes(config.learners)}"
    if config.learners_next:
        text += f" learners_next={describe_nodes(config.learners_next)}"
    return text + (" autoleave" if config.auto_leave else "")


def describe_progress(progress: Progress) -> str:
    text = (
        f"{PROGRESS_NAMES[progress.state]} match={progress.match_index} next={progress.next_index}"
    )
    if progress.is_learner:
        text += " learner"
    if progress.is_paused():
        text += " paused"
    if progress.pending_snapshot:
        text += f" pendingSnap={progress.pending_snapshot}"
    if not progress.is_recent_active:
        text += " inactive"
    if len(progress.inflights):
        full = "[full]" if progress.inflights.is_full() else ""
        text += f" inflight={len(progress.inflights)}{full}"
    return text


def describe_progresses(progresses: Mapping[int, Progress]) -> str:
    return "".join(
        f"{node}: {describe_progress(progresses[node])}\n" for node in sorted(progresses)
    )


# Quorums --------------------------------------------------------------------------------------------


def describe_index(index: int | None) -> str:
    return "∞" if index is None else str(index)


def describe_quorum(voters: frozenset[int], acknowledged: Callable[[int], int | None]) -> str:
    """A row per voter with a bar as long as the number of voters that are behind it."""
    if not voters:
        return "<empty majority quorum>"
    count = len(voters)
    acks = {voter: acknowledged(voter) for voter in voters}
    rows = [f"{' ' * count}    idx\n"]
    for voter in sorted(voters):
        ack = acks[voter]
        bar = "?" + " " * count
        if ack is not None:
            behind = sum((other or 0) < ack for other in acks.values())
            bar = "x" * behind + ">" + " " * (count - behind)
        rows.append(f"{bar} {ack or 0:5d}    (id={voter:x})\n")
    return "".join(rows)
