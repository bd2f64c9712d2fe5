# SPDX-License-Identifier: Apache-2.0
"""What the core and its embedder ask about messages, against what stepping them does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.conf_change import (
    MEMBERS_COUNT_MAX,
    ConfChangeError,
    is_configuration,
    restore_configuration,
)
from consensus.config import Config
from consensus.errors import ContractError, OrderingError
from consensus.memory_log import MemoryLog
from consensus.message_check import MalformedMessageError, check_message
from consensus.quorum import majority
from consensus.raw_node import RawNode
from consensus.tracker import ProgressTracker
from consensus.types import ConfState, Entry, HardState, Message, MessageKind, Snapshot

# Few nodes, so that they meet in several lists; lists may be out of order and hold a node twice.
MEMBERS = st.one_of(
    st.lists(st.integers(0, 4), max_size=3).map(tuple),
    st.lists(st.integers(1, 4), max_size=3, unique=True).map(lambda m: tuple(sorted(m))),
)
STATES = st.builds(ConfState, MEMBERS, MEMBERS, MEMBERS, MEMBERS, st.booleans())


def restores(state: ConfState) -> bool:
    tracker = ProgressTracker(inflight_count_max=1, inflight_size_max=0, rule=majority)
    try:
        tracker.config, tracker.progress = restore_configuration(tracker, 0, state)
    except (ConfChangeError, AssertionError):
        return False
    return tracker.conf_state() == state


@given(STATES.filter(lambda state: bool(state.voters)))
def test_a_configuration_is_what_changes_lead_to(state: ConfState) -> None:
    assert is_configuration(state) == restores(state)


def test_so_is_the_largest() -> None:
    most = tuple(range(1, MEMBERS_COUNT_MAX + 1))
    for state in (ConfState(most), ConfState(most[:1], most[1:]), ConfState(most[:9], (), most)):
        assert is_configuration(state)
        assert restores(state)
    for state in (ConfState((*most, 999)), ConfState(most, (), (999,)), ConfState(most, (999,))):
        assert not is_configuration(state)
        assert not restores(state)


@given(STATES)
def test_a_snapshot_replaces_the_log_only_with_members(state: ConfState) -> None:
    node = make_node([1, 1, 2], commit=1)
    state = replace(state, voters=(*state.voters, 2) if len(state.voters) < 3 else state.voters)
    snapshot = Snapshot(9, 2, state)
    node.step(Message(MessageKind.SNAPSHOT, sender=1, recipient=2, term=2, snapshot=snapshot))
    is_taken = is_configuration(state) and 2 in {
        *state.voters,
        *state.learners,
        *state.voters_outgoing,
    }
    raft = node.raft
    assert raft.log.last_index() == (9 if is_taken else 3)
    assert raft.log.committed == (9 if is_taken else 1)
    assert raft.tracker.conf_state() == (state if is_taken else VOTERS)
    [answer] = raft.messages_after_append
    assert (answer.kind, answer.log_index) == (MessageKind.APPEND_RESPONSE, 9 if is_taken else 1)


VOTERS = ConfState(voters=(1, 2, 3))


def chain(before: bytes, entry: Entry) -> bytes:
    """A digest that shows what went into it."""
    return before + b"/%d" % entry.term + entry.data


def make_entry(index: int, term: int, data: bytes = b"") -> Entry:
    return Entry(index, term, data)


def make_node(
    terms: list[int], *, commit: int, term: int = 2, is_chained: bool = False, compacted: int = 0
) -> RawNode:
    """A follower with a log of these terms."""
    config = Config(
        node_id=2,
        election_ticks=10,
        heartbeat_ticks=1,
        digest_chain=chain if is_chained else None,
    )

    class Log(MemoryLog):
        def conf_state(self) -> ConfState:
            return VOTERS

    log = Log(chain=config.digest_chain)
    log.append([make_entry(index, held) for index, held in enumerate(terms, 1)])
    log.set_hard_state(HardState(term, 0, commit))
    if compacted:
        log.create_snapshot(compacted, VOTERS, b"")
        log.compact(compacted)
    return RawNode(config, log, lambda low, _: low)


ascending = st.lists(st.integers(1, 3), max_size=5).map(sorted)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[RawNode, int, Message, list[tuple[int, bytes]]]:
    """A follower, how much of its log is compacted, and an append of a whole other log.

    Also returns terms and data of that log.
    """
    own = sorted(draw(st.lists(st.integers(1, 3), min_size=2, max_size=5)))
    commit = draw(st.integers(1, len(own)))
    compacted = draw(st.integers(0, commit))
    is_chained = draw(st.booleans())
    # Another log begins to differ at one place, which is the usual way, or is another altogether.
    place = draw(st.integers(0, len(own) - 1))
    later = own[:place] + [max(3, term) for term in own[place:]]
    other = draw(st.sampled_from([own, later, later, draw(ascending)]))
    data = [b""] * 5
    if is_chained and draw(st.booleans()):
        data[place] = b"x"
    log = [(term, part if is_chained else b"") for term, part in zip(other, data, strict=False)]
    term = max([3, *own, *other])
    node = make_node(own, commit=commit, term=term, is_chained=is_chained, compacted=compacted)
    previous = draw(st.integers(0, min(commit, len(log))))
    last = draw(st.integers(previous, len(log)))
    digest = b""
    for index, (held, part) in enumerate(log[:previous], 1):
        digest = chain(digest, make_entry(index, held, part))
    message = Message(
        MessageKind.APPEND,
        sender=1,
        recipient=2,
        term=term + draw(st.integers(-1, 1)),
        log_index=previous,
        log_term=log[previous - 1][0] if previous else 0,
        entries=tuple(
            make_entry(index, *log[index - 1]) for index in range(previous + 1, last + 1)
        ),
        commit=draw(st.integers(0, 6)),
        chain_digest=digest if is_chained else b"",
    )
    return node, compacted, message, log


@settings(max_examples=400)
@given(scenes())
def test_an_append_conflicts_where_its_log_differs_from_what_is_committed(
    scene: tuple[RawNode, int, Message, list[tuple[int, bytes]]],
) -> None:
    node, compacted, message, log = scene
    core = node.raft.log
    low, high = message.log_index, message.log_index + len(message.entries)
    differs = any(
        log[index - 1][0] != core.term(index) or not _is_same_chain(node, log, index)
        for index in range(max(compacted, low, 1), min(core.committed, high) + 1)
    )
    is_looked_at = message.term >= node.raft.term
    assert node.conflicts_with_committed(message) == (differs and is_looked_at)


@pytest.mark.parametrize(("term", "conflicts"), [(2, False), (3, True), (4, True), (0, True)])
def test_an_append_of_an_old_term_conflicts_with_nothing(term: int, conflicts: bool) -> None:
    """It is not looked at: what its leader sent may have been replaced since."""
    node = make_node([1, 2, 3], commit=2, term=3)
    entries = (make_entry(1, 1), make_entry(2, 1))
    message = Message(MessageKind.APPEND, sender=1, recipient=2, term=term, entries=entries)
    assert node.conflicts_with_committed(message) == conflicts


def _is_same_chain(node: RawNode, log: list[tuple[int, bytes]], index: int) -> bool:
    if not node.raft.log.is_chained:
        return True
    digest = b""
    for place, (term, data) in enumerate(log[:index], 1):
        digest = chain(digest, make_entry(place, term, data))
    return digest == node.raft.log.digest(index)


@given(ascending, st.data(), st.booleans())
def test_an_append_that_breaks_the_contract_is_malformed(
    own: list[int], data: st.DataObject, is_chained: bool
) -> None:
    """One that only says what is not so never does: a lie must not stop a node."""
    commit = data.draw(st.integers(0, len(own)))
    node = make_node(own, commit=commit, term=3, is_chained=is_chained)
    previous = data.draw(st.integers(0, len(own)))
    raw = data.draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), max_size=3))
    message = Message(
        MessageKind.APPEND,
        sender=1,
        recipient=2,
        term=3,
        log_index=previous,
        log_term=node.raft.log.term(previous),
        entries=tuple(make_entry(index, term) for index, term in raw),
        commit=data.draw(st.integers(0, 6)),
    )
    try:
        check_message(message)
    except MalformedMessageError:
        is_malformed = True
    else:
        is_malformed = False
    try:
        node.step(replace(message, chain_digest=node.raft.log.digest(previous)))
    except (ContractError, OrderingError):
        assert is_malformed


def test_one_that_would_replace_what_is_committed_breaks_the_contract_and_conflicts() -> None:
    node = make_node([1, 1, 2], commit=2)
    message = Message(
        MessageKind.APPEND,
        sender=1,
        recipient=2,
        term=3,
        log_index=2,
        log_term=1,
        entries=(make_entry(2, 3),),
    )
    assert node.conflicts_with_committed(message)
    with pytest.raises(ContractError, match="committed"):
        node.step(message)
    assert not node.conflicts_with_committed(replace(message, kind=MessageKind.HEARTBEAT))
