# SPDX-License-Identifier: Apache-2.0
"""What the chain store writes together, and what it refuses."""

from __future__ import annotations

import pytest

from consensus.config import Config
from consensus.errors import SnapshotUnavailableError
from consensus.log import CompactedError
from consensus.raw_node import RawNode
from consensus.types import ConfState, Entry, Message, MessageKind
from ledger.storage import layout
from ledger.storage.chain import LOG_ENTRIES_KEPT, ChainStore
from ledger.storage.errors import CorruptionError
from ledger.storage.kv import WriteBatch
from ledger.storage.log import chain_digest
from tests.support.stored_chain import MEMBERS, StoredChain, set_commit

OTHERS = ConfState(voters=(1, 2, 4), learners=(9,))


def contents(stored: StoredChain) -> list[tuple[bytes, bytes]]:
    return list(stored.store.iterate(b"", b"\xff"))


def test_the_members_survive_with_the_entry_they_account_for() -> None:
    stored = StoredChain()
    assert (stored.chain.log.conf_index, stored.chain.log.conf_state()) == (0, MEMBERS)
    assert stored.reopen().log.conf_state() == MEMBERS
    block = stored.make_block()
    stored.append(b"", block.proposal, b"")
    stored.certify(block, 2, conf=(1, OTHERS))
    assert stored.reopen().log.conf_index == 1
    assert stored.chain.log.conf_state() == OTHERS
    stored.chain.store_conf_state(3, MEMBERS)
    log = stored.reopen().log
    assert (log.conf_index, log.conf_state(), log.last_index()) == (3, MEMBERS, 3)


@pytest.mark.parametrize("index", [0, 4])
def test_members_of_an_entry_that_cannot_be_are_refused(index: int) -> None:
    stored = StoredChain()
    stored.append(b"", b"", b"")
    stored.chain.store_conf_state(1, OTHERS)
    block = stored.make_block()
    before = contents(stored)
    with pytest.raises(ValueError, match=r"members are those|beyond the log's end"):
        stored.chain.store_conf_state(index, MEMBERS)
    with pytest.raises(ValueError, match=r"members are those|beyond the log's end"):
        stored.certify(block, conf=(index, MEMBERS))
    assert contents(stored) == before
    assert stored.chain.head.height == 0
    assert stored.chain.log.conf_index == 1


@pytest.mark.parametrize("value", [None, b"", layout.seal(b"\x00" * 16)])
def test_lost_or_damaged_members_are_found(value: bytes | None) -> None:
    stored = StoredChain()
    batch = WriteBatch()
    if value is None:
        batch.delete(layout.CONF_STATE_KEY)
    else:
        batch.put(layout.CONF_STATE_KEY, value)
    stored.store.write(batch, sync=True)
    with pytest.raises(CorruptionError, match="members"):
        ChainStore(stored.store)


def test_a_snapshot_is_the_place_of_the_certified_head() -> None:
    stored = StoredChain()
    with pytest.raises(SnapshotUnavailableError):
        stored.chain.log.snapshot()
    stored.append(b"")
    stored.add()
    block = stored.add()
    stored.append(stored.make_block().proposal, term=2)
    snapshot = stored.chain.log.snapshot()
    log = stored.chain.log
    assert (snapshot.index, snapshot.term, snapshot.chain_digest) == (3, 1, log.digest(3))
    assert snapshot.data == (2).to_bytes(8, "big")
    assert snapshot.conf_state == MEMBERS
    assert block.header.height == 2


def test_a_snapshot_reaches_to_the_members_only_over_certified_blocks() -> None:
    stored = StoredChain()
    stored.add()
    stored.append(b"", term=2)
    stored.chain.store_conf_state(2, OTHERS)
    assert stored.chain.log.snapshot().index == 2
    assert stored.chain.log.snapshot().term == 2
    block = stored.make_block()
    stored.append(block.proposal, b"", term=2)
    stored.chain.store_conf_state(4, MEMBERS)
    with pytest.raises(SnapshotUnavailableError, match="is not certified"):
        stored.chain.log.snapshot()
    stored.certify(block, 3)
    snapshot = stored.chain.log.snapshot()
    assert (snapshot.index, snapshot.conf_state) == (4, MEMBERS)
    assert snapshot.data == (2).to_bytes(8, "big")


def test_a_block_taken_over_leaves_the_log_as_it_is() -> None:
    stored = StoredChain()
    for _ in range(LOG_ENTRIES_KEPT + 2):
        stored.add()
    log = stored.chain.log
    assert log.first_index() == 3
    stored.append(b"")
    for _ in range(3):
        stored.certify(stored.make_block())
    chain = stored.reopen()
    assert (chain.head.height, chain.head.applied_index) == (69, 66)
    assert (chain.log.first_index(), chain.log.last_index()) == (3, 67)
    stored.add()
    assert (stored.chain.head.height, stored.chain.head.applied_index) == (70, 68)
    assert stored.chain.log.first_index() == 5


@pytest.mark.parametrize("applied_index", [0, 3])
def test_a_block_is_applied_from_an_entry_that_is_there(applied_index: int) -> None:
    stored = StoredChain()
    stored.append(b"")
    block = stored.make_block()
    stored.certify(block, stored.append(block.proposal))
    before = contents(stored)
    with pytest.raises(ValueError, match=r"entry \d is not in 2\.\.2"):
        stored.certify(stored.make_block(), applied_index)
    assert contents(stored) == before
    assert stored.chain.head.height == 1


def test_installing_replaces_the_log_by_a_place() -> None:
    stored = StoredChain()
    stored.add()
    stored.append(b"", b"", is_committed=False)
    for _ in range(4):
        stored.certify(stored.make_block())
    stored.chain.install(90, 7, b"\x07" * 32, OTHERS, 5)
    for chain in (stored.chain, stored.reopen()):
        log = chain.log
        assert (log.first_index(), log.last_index()) == (91, 90)
        assert (log.term(90), log.digest(90)) == (7, b"\x07" * 32)
        assert (log.hard_state().term, log.hard_state().vote, log.hard_state().commit) == (1, 1, 90)
        assert (log.conf_index, log.conf_state()) == (90, OTHERS)
        assert (chain.head.height, chain.head.applied_index) == (5, 90)
        assert not list(stored.store.iterate(layout.LOG, layout.LOG + b"\xff"))
        snapshot = log.snapshot()
        assert (snapshot.index, snapshot.term, snapshot.conf_state) == (90, 7, OTHERS)
        with pytest.raises(CompactedError):
            log.term(89)
    stored.add()
    assert stored.chain.head.applied_index == 91
    assert stored.reopen().log.last_index() == 91


@pytest.mark.parametrize(
    ("index", "height", "reason"),
    [
        (90, 3, "the snapshot at 3"),
        (2, 2, "entry 2 lies below 3"),
        (3, 2, "below the commit index 4"),
    ],
)
def test_a_snapshot_that_cannot_be_installed_changes_nothing(
    index: int, height: int, reason: str
) -> None:
    stored = StoredChain()
    stored.append(b"")
    stored.add()
    stored.add()
    stored.append(b"")
    before = contents(stored)
    with pytest.raises(ValueError, match=reason):
        stored.chain.install(index, 7, bytes(32), OTHERS, height)
    assert contents(stored) == before
    assert stored.chain.log.last_index() == 4
    assert stored.chain.log.conf_state() == MEMBERS


def test_installing_drops_what_a_stray_log_holds_beyond_the_place() -> None:
    stored = StoredChain()
    stored.add()
    stored.append(b"", b"", b"", is_committed=False)
    stored.chain.install(2, 7, b"\x07" * 32, OTHERS, 1)
    assert not list(stored.store.iterate(layout.LOG, layout.LOG + b"\xff"))
    assert stored.reopen().log.last_index() == 2


def test_a_snapshot_is_not_to_be_had_while_the_log_is_being_replaced() -> None:
    stored = StoredChain()
    stored.add()
    batch = WriteBatch()
    stored.chain.log.begin_after(batch, 9, 2, bytes(32))
    stored.chain.log.wrote()
    with pytest.raises(SnapshotUnavailableError, match="compacted"):
        stored.chain.log.snapshot()


def test_falling_back_keeps_only_what_is_certified() -> None:
    stored = StoredChain()
    stored.add()
    stored.append(b"", stored.make_block().proposal)
    stored.chain.fall_back()
    for log in (stored.chain.log, stored.reopen().log):
        assert (log.last_index(), log.hard_state().commit, log.hard_state().term) == (1, 1, 1)
    stored.append(b"", stored.make_block(time=5).proposal)
    stored.chain.store_conf_state(2, OTHERS)
    stored.chain.fall_back()
    log = stored.reopen().log
    assert (log.last_index(), log.hard_state().commit, log.conf_index) == (2, 2, 2)
    assert stored.add().header.height == 2


def test_no_commit_index_beyond_the_log() -> None:
    stored = StoredChain()
    stored.append(b"")
    with pytest.raises(ValueError, match="beyond the log's end 1"):
        set_commit(stored, 2)
    set_commit(stored, 0)
    assert stored.reopen(is_crashed=False).log.hard_state().commit == 0


def make_node(chain: ChainStore) -> RawNode:
    config = Config(
        node_id=2,
        election_ticks=10,
        heartbeat_ticks=1,
        applied=chain.head.applied_index,
        digest_chain=chain_digest,
    )
    return RawNode(config, chain.log, lambda low, _: low)


def test_the_core_goes_on_from_the_store_and_agrees_about_digests() -> None:
    stored = StoredChain()
    node = make_node(stored.chain)
    digest = bytes(32)
    for index in range(1, 4):
        data = stored.make_block(time=index).proposal if index == 3 else b""
        entry = Entry(index, 1, data)
        append = Message(
            MessageKind.APPEND,
            sender=1,
            recipient=2,
            term=1,
            log_index=index - 1,
            log_term=min(index - 1, 1),
            entries=(entry,),
            commit=index,
            chain_digest=digest,
        )
        digest = chain_digest(digest, entry)
        node.step(append)
        ready = node.ready()
        stored.chain.persist(ready)
        [answer] = ready.messages
        assert (answer.kind, answer.log_index, answer.rejected) == (
            MessageKind.APPEND_RESPONSE,
            index,
            False,
        )
        node.advance()
        assert stored.chain.log.digest(index) == digest == node.raft.log.digest(index)
    restarted = make_node(stored.reopen())
    assert restarted.status().last_index == 3
    assert restarted.raft.log.digest(0) == bytes(32)
    assert restarted.raft.tracker.conf_state() == MEMBERS
    assert [entry.index for entry in restarted.ready().committed_entries] == [1, 2, 3]


def test_a_leader_offers_the_snapshot_where_the_log_is_compacted() -> None:
    stored = StoredChain()
    for _ in range(LOG_ENTRIES_KEPT + 3):
        stored.add()
    node = make_node(stored.chain)
    node.campaign()
    stored.chain.persist(node.ready())
    node.advance()
    node.step(Message(MessageKind.VOTE_RESPONSE, sender=1, recipient=2, term=2))
    stored.chain.persist(node.ready())
    node.advance()
    progress = node.raft.tracker.progress[3]
    progress.is_recent_active = True
    node.step(
        Message(
            MessageKind.APPEND_RESPONSE,
            sender=3,
            recipient=2,
            term=2,
            log_index=67,
            rejected=True,
            reject_hint=0,
        )
    )
    [sent] = [m for m in node.ready().messages if m.recipient == 3]
    assert sent.kind is MessageKind.SNAPSHOT
    assert sent.snapshot == stored.chain.log.snapshot()
    assert sent.snapshot is not None
    assert sent.snapshot.index == 67
