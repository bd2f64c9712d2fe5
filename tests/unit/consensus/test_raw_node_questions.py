# SPDX-License-Identifier: Apache-2.0
"""What an embedder asks of a node between messages: its log, its members, who could lead instead."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from consensus import Entry, HardState, Message, MessageKind, RawNode, Role
from consensus.errors import ContractError
from consensus.log import EntryUnavailableError
from consensus.memory_log import MemoryLog
from consensus.types import ConfState
from tests.support.raft_cluster import CAREFUL, PLAIN, Cluster, Member, make_entries


def chain(before: bytes, entry: Entry) -> bytes:
    return sha256(before + bytes((entry.term,)) + entry.data).digest()


class ChainedLog(MemoryLog):
    """Entries of these terms under a chain of digests; members 1 to 3."""

    def __init__(self, *terms: int) -> None:
        super().__init__(chain=chain)
        self.append(make_entries(*terms))
        self.set_hard_state(HardState(term=max(terms, default=0)))

    def conf_state(self) -> ConfState:
        return ConfState(voters=(1, 2, 3))


def make_node(*terms: int) -> RawNode:
    config = replace(PLAIN, digest_chain=chain)
    return RawNode(config, ChainedLog(*terms), lambda low, _: low)


def make_append(node: RawNode, previous: int, entries: tuple[Entry, ...]) -> Message:
    """An append after an entry that the node holds."""
    term, digest = node.describe_entry(previous)
    return Message(
        MessageKind.APPEND,
        2,
        1,
        9,
        log_index=previous,
        log_term=term,
        entries=entries,
        chain_digest=digest,
    )


def test_the_log_is_told_entry_by_entry() -> None:
    node = make_node(1, 1, 2)
    assert [entry.index for entry in node.scan(2)] == [2, 3]
    assert list(node.scan(4)) == []
    assert node.matches(3, 2)
    assert not node.matches(3, 1)
    assert not node.matches(4, 2)
    digest = b""
    for entry in node.scan(1):
        digest = chain(digest, entry)
        assert node.describe_entry(entry.index) == (entry.term, digest)
    with pytest.raises(EntryUnavailableError):
        node.describe_entry(4)


def test_the_first_new_entry_of_an_append_is_found() -> None:
    node = make_node(1, 1, 2)
    held = tuple(node.scan(2))
    more = Entry(4, 2, b"more")
    assert node.find_new_entry(make_append(node, 1, held)) is None
    assert node.find_new_entry(make_append(node, 1, (*held, more))) == 2
    # Another term, and another content under the same term, which only the digest tells.
    assert node.find_new_entry(make_append(node, 1, (held[0], Entry(3, 3, b"")))) == 1
    assert node.find_new_entry(make_append(node, 1, (Entry(2, 1, b"other"), held[1]))) == 0
    append = make_append(node, 3, (more,))
    assert node.find_new_entry(append) == 0
    assert node.find_new_entry(replace(append, log_term=1)) is None, "what is before is another"
    assert node.find_new_entry(replace(append, chain_digest=bytes(32))) is None


def test_the_digest_after_an_append_is_that_of_the_log_that_takes_it() -> None:
    node = make_node(1)
    append = make_append(node, 1, (Entry(2, 9, b"a"), Entry(3, 9, b"b")))
    expected = node.extend_digest(append)
    node.step(append)
    assert node.describe_entry(3) == (9, expected)
    plain = Member().node
    assert plain.extend_digest(append) == b""


def test_what_is_known_committed_is_handed_out() -> None:
    node = make_node(1, 1)
    assert not node.has_ready()
    node.commit_known(2)
    assert [entry.index for entry in node.ready().committed_entries] == [1, 2]
    assert node.committed == 2
    with pytest.raises(ContractError):
        make_node(1).commit_known(2)


def test_the_successor_is_active_a_voter_and_has_the_longest_log() -> None:
    cluster = Cluster(4, learners=(5,), config=CAREFUL)
    leader = cluster.elect(1).node
    assert leader.find_successor() == 2
    cluster.isolate(2)
    cluster.propose(1, b"missed by 2")
    assert leader.find_successor() == 3
    assert leader.find_successor({3}) == 4
    assert leader.find_successor({3, 4}) == 2, "better than nobody, until it is seen to be away"
    cluster.tick(2 * CAREFUL.election_ticks, only=[1, 3, 4, 5])
    assert leader.find_successor({3, 4}) is None
    assert cluster[3].node.find_successor() is None, "it does not lead"


def test_who_resigns_follows_nobody_and_keeps_its_term() -> None:
    member = Member()
    member.elect()
    term = member.node.term
    member.node.resign()
    assert (member.role, member.node.term, member.node.lead) == (Role.FOLLOWER, term, 0)
    assert not member.node.is_leader
    member.node.resign()
    assert member.node.term == term


def test_single_facts_are_those_of_the_status() -> None:
    cluster = Cluster(3, config=CAREFUL)
    cluster.elect(2)
    cluster.propose(2, b"one")
    for member in cluster.members.values():
        node, status = member.node, member.node.status()
        assert (node.is_leader, node.lead, node.last_index, node.applied) == (
            status.is_leader,
            status.lead,
            status.last_index,
            status.applied,
        )
        assert HardState(node.term, member.raft.vote, node.committed) == status.hard_state
    assert not cluster[2].node.is_handing_over
    cluster.isolate(3)
    cluster[2].node.transfer_leadership(3)
    assert cluster[2].node.is_handing_over


def test_who_waits_for_a_snapshot_is_named() -> None:
    cluster = Cluster(3, config=CAREFUL)
    leader = cluster.elect(1)
    cluster.isolate(3)
    for number in range(3):
        cluster.propose(1, b"%d" % number)
    leader.log.create_snapshot(4, leader.node.get_conf_state(), b"")
    leader.log.compact(4)
    assert leader.node.find_waiting_for_snapshot() == ()
    cluster.heal()
    cluster.lose(MessageKind.SNAPSHOT)
    cluster.tick(2)
    assert leader.node.find_waiting_for_snapshot() == (3,)
    leader.node.report_snapshot(3, is_failed=True)
    assert leader.node.find_waiting_for_snapshot() == ()
    assert cluster[2].node.find_waiting_for_snapshot() == ()
