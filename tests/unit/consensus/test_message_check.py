# SPDX-License-Identifier: Apache-2.0
"""What no correct node sends is refused before the core sees it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.conf_change import MEMBERS_COUNT_MAX
from consensus.message_check import (
    CONTEXT_SIZE_MAX,
    ENTRIES_COUNT_MAX,
    NUMBER_MAX,
    MalformedMessageError,
    check_message,
)
from consensus.raw_node import LOCAL_KINDS
from consensus.types import (
    NODE_MAX,
    ConfState,
    Entry,
    EntryKind,
    Message,
    MessageKind,
    Snapshot,
)
from tests.support.raft_cluster import CAREFUL, Cluster

APPEND = Message(
    MessageKind.APPEND,
    sender=1,
    recipient=2,
    term=4,
    log_index=7,
    log_term=2,
    entries=(Entry(8, 2, b"a"), Entry(9, 3, b"b"), Entry(10, 4, b"")),
    commit=9,
    chain_digest=bytes(32),
)
FIRST = replace(APPEND, log_index=0, log_term=0, entries=(Entry(1, 1, b""),))
MEMBERS = ConfState(voters=(1, 2), learners=(3,), voters_outgoing=(1, 4), learners_next=(4,))
SNAPSHOT = Message(
    MessageKind.SNAPSHOT,
    sender=1,
    recipient=2,
    term=4,
    snapshot=Snapshot(9, 3, MEMBERS, b"height", bytes(32)),
)
HEARTBEAT = Message(MessageKind.HEARTBEAT, sender=1, recipient=2, term=4, commit=3)
READ = Message(MessageKind.READ_INDEX, sender=1, recipient=2, entries=(Entry(0, 0, b"read"),))


def with_snapshot(**changes: object) -> Message:
    assert SNAPSHOT.snapshot is not None
    return replace(SNAPSHOT, snapshot=replace(SNAPSHOT.snapshot, **changes))  # type: ignore[arg-type]


def with_entries(*entries: Entry) -> Message:
    return replace(APPEND, entries=entries)


def with_members(**changes: object) -> Message:
    return with_snapshot(conf_state=replace(MEMBERS, **changes))  # type: ignore[arg-type]


MOST = tuple(range(1, MEMBERS_COUNT_MAX + 1))

GOOD = {
    "append": APPEND,
    "from the beginning": FIRST,
    "no entries": with_entries(),
    "no digest": replace(APPEND, chain_digest=b""),
    "leaves a joint configuration": with_entries(Entry(8, 4, b"", EntryKind.CONF_CHANGE_V2)),
    "largest numbers": replace(
        HEARTBEAT, sender=NODE_MAX, recipient=NODE_MAX - 1, term=NUMBER_MAX, commit=NUMBER_MAX
    ),
    "longest context": replace(HEARTBEAT, context=bytes(CONTEXT_SIZE_MAX)),
    "snapshot": SNAPSHOT,
    "most members": with_snapshot(conf_state=ConfState(voters=MOST)),
    "read": READ,
    "proposal": replace(READ, kind=MessageKind.PROPOSE, entries=(Entry(0, 0, bytes(1000)),)),
}

BAD = {
    "from nobody": replace(HEARTBEAT, sender=0),
    "from storage": replace(HEARTBEAT, sender=NODE_MAX + 1),
    "to nobody": replace(HEARTBEAT, recipient=0),
    "to storage": replace(HEARTBEAT, recipient=NODE_MAX + 2),
    "without a term": replace(HEARTBEAT, term=0),
    "read with a term": replace(READ, term=1),
    "negative term": replace(READ, term=-1),
    "term too large": replace(HEARTBEAT, term=NUMBER_MAX + 1),
    "commit too large": replace(HEARTBEAT, commit=NUMBER_MAX + 1),
    "negative index": replace(HEARTBEAT, log_index=-1),
    "log term too large": replace(HEARTBEAT, log_term=NUMBER_MAX + 1),
    "hint too large": replace(HEARTBEAT, reject_hint=NUMBER_MAX + 1),
    "context too long": replace(HEARTBEAT, context=bytes(CONTEXT_SIZE_MAX + 1)),
    "a vote of storage": replace(HEARTBEAT, vote=1),
    "responses of storage": replace(HEARTBEAT, responses=(HEARTBEAT,)),
    "entries in a heartbeat": replace(HEARTBEAT, entries=APPEND.entries),
    "a snapshot in a heartbeat": replace(HEARTBEAT, snapshot=SNAPSHOT.snapshot),
    "short digest": replace(APPEND, chain_digest=bytes(31)),
    "long digest": replace(APPEND, chain_digest=bytes(33)),
    "gap before": with_entries(Entry(9, 4, b"")),
    "gap inside": with_entries(Entry(8, 4, b""), Entry(10, 4, b"")),
    "again": with_entries(Entry(8, 4, b""), Entry(8, 4, b"")),
    "below what is before": with_entries(Entry(7, 4, b"")),
    "falling term": with_entries(Entry(8, 3, b""), Entry(9, 2, b"")),
    "term below what is before": with_entries(Entry(8, 1, b"")),
    "term of the future": with_entries(Entry(8, 5, b"")),
    "before it, of the future": replace(APPEND, log_term=5, entries=()),
    "before it, of no term": replace(APPEND, log_term=0),
    "nothing before it, of a term": replace(FIRST, log_term=1),
    "entry of no term": replace(FIRST, entries=(Entry(1, 0, b""),)),
    "last index too large": replace(
        APPEND, log_index=NUMBER_MAX, entries=(Entry(NUMBER_MAX + 1, 4, b""),)
    ),
    "no change of members": with_entries(Entry(8, 4, b"x", EntryKind.CONF_CHANGE_V2)),
    "too many entries": replace(
        FIRST, entries=tuple(Entry(n, 1, b"") for n in range(1, ENTRIES_COUNT_MAX + 2))
    ),
    "read of nothing": replace(READ, entries=()),
    "two reads": replace(READ, entries=READ.entries * 2),
    "read too long": replace(READ, entries=(Entry(0, 0, bytes(CONTEXT_SIZE_MAX + 1)),)),
    "no snapshot": replace(SNAPSHOT, snapshot=None),
    "empty snapshot": with_snapshot(index=0),
    "snapshot index too large": with_snapshot(index=NUMBER_MAX + 1),
    "snapshot of no term": with_snapshot(term=0),
    "snapshot of the future": with_snapshot(term=5),
    "snapshot digest": with_snapshot(chain_digest=bytes(3)),
    "no voters": with_members(voters=()),
    "a voter twice": with_members(voters=(1, 1)),
    "voters not ascending": with_members(voters=(2, 1)),
    "nobody votes": with_members(voters=(0, 1)),
    "storage votes": with_members(voters=(1, NODE_MAX + 1)),
    "voter and learner": with_members(learners=(2,)),
    "outgoing and learner": with_members(learners=(4,), learners_next=()),
    "learner next, not outgoing": with_members(learners_next=(5,)),
    "learner next, and voter": with_members(learners_next=(1,)),
    "leaves nothing": with_snapshot(conf_state=ConfState(voters=(1,), auto_leave=True)),
    "too many members": with_snapshot(conf_state=ConfState(voters=(*MOST, MEMBERS_COUNT_MAX + 1))),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_a_correct_node_may_send_passes(name: str) -> None:
    check_message(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_what_no_correct_node_sends_is_refused(name: str) -> None:
    with pytest.raises(MalformedMessageError):
        check_message(BAD[name])


@pytest.mark.parametrize("kind", sorted(LOCAL_KINDS))
def test_nothing_local_comes_from_another_node(kind: MessageKind) -> None:
    with pytest.raises(MalformedMessageError, match="between nodes"):
        check_message(replace(HEARTBEAT, kind=kind))


def test_everything_that_members_say_passes() -> None:
    cluster = Cluster(3, learners=(4,), config=CAREFUL)
    cluster.elect(1)
    cluster.propose(1, b"write")
    cluster[2].node.read_index(b"read")
    cluster.isolate(4)
    cluster.propose(1, b"more")
    log = cluster[1].log
    log.create_snapshot(log.last_index(), log.members, b"")
    log.compact(log.last_index())
    cluster.heal()
    cluster.tick(3)
    cluster[1].node.transfer_leadership(2)
    cluster.deliver()
    assert cluster[4].raft.log.last_index() == cluster[2].raft.log.last_index() == 4
    for message in cluster.delivered:
        check_message(message)
    assert {message.kind for message in cluster.delivered} == {
        kind for kind in MessageKind if kind < MessageKind.HUP
    } - {MessageKind.PROPOSE, MessageKind.TRANSFER_LEADER}
