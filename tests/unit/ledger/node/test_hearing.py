# SPDX-License-Identifier: Apache-2.0
"""What a validator is told by others, and that a lie moves nothing. Long because one lie follows the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus import Entry, EntryKind, MessageKind
from consensus.types import Snapshot
from ledger.model.block import Proposal, QuorumCertificate, Vote
from ledger.model.certificate import assemble_certificate
from ledger.model.codec import decode, encode
from ledger.model.evidence import EvidenceKind
from ledger.model.genesis import genesis_header
from ledger.model.operations import AddSite
from ledger.model.proofs import CertifiedHead
from ledger.node.hearing import (
    CLOCK_AHEAD_MS_MAX,
    IGNORED_TIMEOUTS_COUNT,
    INBOX_COUNT_MAX,
    INBOX_SIZE_MAX,
    TERM_STEP_MAX,
)
from ledger.node.peers import (
    BlocksMessage,
    BlocksRequest,
    CertificateMessage,
    CertifiedBlock,
    ForwardAnswer,
    ForwardMessage,
    PeerMessage,
    RaftMessage,
    VoteMessage,
)
from tests.support.heard_node import (
    LEADER,
    OWN,
    TERM,
    HeardNode,
    certificates,
    digest_after,
    raft_messages,
)
from tests.support.node_harness import until

Scenario = Callable[[HeardNode], Awaitable[None]]


def run(home: Path, scenario: Scenario, **options: Any) -> HeardNode:
    """A node that follows n2 and has certified block 1."""
    node = HeardNode(home, **options)

    async def main() -> None:
        async with node.running():
            await node.lead()
            await node.certify(node.block())
            await scenario(node)

    asyncio.run(main())
    return node


def evidence(node: HeardNode) -> list[tuple[EvidenceKind, str]]:
    """What is kept, and against whom."""
    kept = node.core.evidence.store.list()
    return [(item.evidence.kind, item.evidence.validator) for item in kept]


async def refuse(node: HeardNode, peer: str, *messages: PeerMessage) -> None:
    """What is said is refused: nothing moves, nothing is answered."""
    before = node.state()
    assert await node.hear(peer, *messages) == []
    assert node.state() == before


async def refuse_leader(node: HeardNode, *messages: PeerMessage) -> None:
    """A leader's block is refused: nothing moves, nothing is acknowledged, and it leads no more here
    for some election times.
    """
    driver, clock = node.core.driver, node.harness.clock
    before = node.state_but_leader()
    assert driver.leader == LEADER
    sent = await node.hear(LEADER, *messages)
    assert [m for m in raft_messages(sent) if m.kind is MessageKind.APPEND_RESPONSE] == []
    assert driver.leader == ""
    assert node.state_but_leader() == before
    # Not followed for a while, though what it says now is good.
    good = node.append(node.block().proposal)
    await refuse(node, LEADER, node.heartbeat(0), good)
    timeout_ms = node.harness.config.consensus.election_timeout_ms
    clock.now_ms += IGNORED_TIMEOUTS_COUNT * timeout_ms - 1
    await refuse(node, LEADER, node.heartbeat(0))
    clock.now_ms += 1
    await node.hear(LEADER, node.heartbeat(0))
    assert driver.leader == LEADER


def test_a_network_that_does_its_work_certifies(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        vote = await node.certify(node.block([node.transaction(1)]))
        assert node.tip.height == 2
        assert decode(QuorumCertificate, node.tip.head.certificate).vote == vote
        assert evidence(node) == []

    run(tmp_path, scenario)


# Messages of the ordering -------------------------------------------------------------------------


def test_a_message_in_anothers_name_is_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        higher = node.message(MessageKind.HEARTBEAT, term=TERM + 1)
        await refuse(node, "n3", higher)
        false: list[dict[str, Any]] = [
            {"sender": 1},
            {"sender": 9},
            {"recipient": 2},
            {"recipient": 0},
        ]
        for changes in false:
            await refuse(node, LEADER, RaftMessage(replace(higher.message, **changes)))
        await node.hear(LEADER, higher)
        assert node.core.driver.term == TERM + 1, "in its own"

    run(tmp_path, scenario)


STAYS_AT_HOME = [
    MessageKind.PROPOSE,
    MessageKind.TRANSFER_LEADER,
    *(kind for kind in MessageKind if kind >= MessageKind.HUP),
]


@pytest.mark.parametrize("kind", STAYS_AT_HOME)
def test_a_kind_that_does_not_travel_is_refused(tmp_path: Path, kind: MessageKind) -> None:
    async def scenario(node: HeardNode) -> None:
        for term in (0, TERM, TERM + 1):
            entries = (Entry(node.last_index + 1, TERM, node.block().proposal),)
            await refuse(node, LEADER, node.message(kind, term=term, entries=entries))
            await refuse(node, LEADER, node.message(kind, term=term))

    run(tmp_path, scenario)


def test_a_message_of_no_right_form_is_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        kind = MessageKind.HEARTBEAT
        wrong: list[dict[str, Any]] = [
            {"term": 0},
            {"term": 2**63},
            {"commit": -1},
            {"context": bytes(65)},
            {"chain_digest": b"short"},
            {"entries": (Entry(1, 1, b""),)},
            {"snapshot": Snapshot()},
        ]
        for fields in wrong:
            values: dict[str, Any] = {"term": TERM + 1, **fields}
            await refuse(node, LEADER, node.message(kind, **values))

    run(tmp_path, scenario)


def test_a_commit_beyond_the_log_is_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        for term in (TERM, TERM + 1):
            beyond = replace(node.heartbeat(node.last_index + 1).message, term=term)
            await refuse(node, LEADER, RaftMessage(beyond))
        sent = await node.hear(LEADER, node.heartbeat(node.last_index))
        assert [m.kind for m in raft_messages(sent)] == [MessageKind.HEARTBEAT_RESPONSE]

    run(tmp_path, scenario)


def test_an_acknowledgement_of_what_was_never_sent_is_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        for term in (TERM, TERM + 1):
            index = node.last_index + 1
            kind = MessageKind.APPEND_RESPONSE
            await refuse(node, LEADER, node.message(kind, term=term, log_index=index))

    run(tmp_path, scenario)


def test_a_term_far_ahead_is_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        for kind in (MessageKind.HEARTBEAT, MessageKind.VOTE, MessageKind.APPEND_RESPONSE):
            far = node.message(kind, term=TERM + TERM_STEP_MAX + 1, log_index=node.last_index)
            await refuse(node, LEADER, far)
        near = node.message(MessageKind.HEARTBEAT, term=TERM + TERM_STEP_MAX)
        await node.hear(LEADER, near)
        assert node.core.driver.term == TERM + TERM_STEP_MAX

    run(tmp_path, scenario)


@pytest.mark.parametrize("kind", [MessageKind.VOTE, MessageKind.PRE_VOTE])
def test_a_candidate_with_a_short_log_gets_a_certificate_and_no_vote(
    tmp_path: Path, kind: MessageKind
) -> None:
    async def scenario(node: HeardNode) -> None:
        applied = node.last_index
        before = node.state()
        head = encode(node.tip.head)
        short = node.message(
            kind, sender="n3", term=TERM + 5, log_index=applied - 1, log_term=TERM + 4
        )
        assert await node.hear("n3", short) == [("n3", CertificateMessage(head))]
        assert node.state() == before, "its greater term counts for nothing"
        # As long as what is certified, the core decides; it has heard the leader, so it waits.
        long = node.message(kind, sender="n3", term=TERM + 5, log_index=applied, log_term=TERM)
        node.harness.clock.now_ms += 1
        assert certificates(await node.hear("n3", long)) == []

    run(tmp_path, scenario)


# Blocks -------------------------------------------------------------------------------------------


def test_a_block_ahead_of_the_clock_is_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        limit = node.harness.clock.time_ms() + CLOCK_AHEAD_MS_MAX
        await refuse_leader(node, node.append(node.block(time_ms=limit + 1).proposal))
        limit = node.harness.clock.time_ms() + CLOCK_AHEAD_MS_MAX
        await node.certify(node.block(time_ms=limit))
        assert evidence(node) == [], "clocks differ: that is no lie"

    run(tmp_path, scenario)


def test_a_second_block_while_one_is_in_flight_is_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        first = node.block()
        await node.hear(LEADER, node.append(first.proposal))
        length = node.last_index
        second = node.block(time_ms=node.tip.header.time + 77)
        await refuse_leader(node, node.append(second.proposal))
        assert node.last_index == length

    run(tmp_path, scenario)


def test_of_two_blocks_in_one_append_the_second_waits_for_the_first(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        before = node.last_index
        first = node.block()
        second = node.block(time_ms=node.tip.header.time + 77)
        await node.hear(LEADER, node.append(first.proposal, second.proposal))
        assert node.last_index == before + 1, "the second has the height of the first"
        assert node.core.driver.leader == ""

    run(tmp_path, scenario)


def test_a_block_whose_parent_is_not_certified_here_waits(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        block = node.block()
        later = replace(node.tip, header=block.header, block_hash=block.block_hash)
        before = node.last_index
        sent = await node.hear(LEADER, node.append(node.block(tip=later).proposal))
        answers = [message.message for _, message in sent if isinstance(message, RaftMessage)]
        # Only what comes before it is acknowledged, and the leader is not to blame.
        assert answers
        assert {(answer.rejected, answer.log_index) for answer in answers} == {(False, before)}
        assert node.last_index == before
        assert await node.hear(LEADER, node.heartbeat(0)) != []

    run(tmp_path, scenario)


def bend(node: HeardNode, **changes: Any) -> bytes:
    return encode(replace(decode(Proposal, node.block().proposal), **changes))


def personal_data(node: HeardNode) -> bytes:
    """A transaction that every validator refuses from its clients."""
    world = node.harness.world
    operation = AddSite(
        organisation=world.did("saqa"), code="S1", name="Thandi Sample 8001015009087"
    )
    expires_at = node.harness.clock.now_ms + 3_600_000
    return world.make_transaction("saqa", operation, expires_at=expires_at)


def spoil(encoded: bytes) -> bytes:
    return encoded[:-1] + bytes((encoded[-1] ^ 1,))


INVALID: dict[str, tuple[Callable[[HeardNode], bytes], list[str]]] = {
    "no proposal": (lambda _: b"no proposal", []),
    "round": (lambda node: bend(node, round=1), []),
    "signature": (lambda node: bend(node, signature=bytes(64)), []),
    "of another": (lambda node: node.block(signer="n3").proposal, []),
    "no validator": (lambda node: node.block(proposer="n9").proposal, []),
    "parent's certificate": (lambda node: bend(node, parent_certificate=b""), [LEADER]),
    "epoch": (
        lambda node: (
            node.block(tip=replace(node.tip, header=replace(node.tip.header, epoch=1))).proposal
        ),
        [LEADER],
    ),
    "parent": (
        lambda node: node.block(tip=replace(node.tip, block_hash=bytes(32))).proposal,
        [LEADER],
    ),
    "transaction": (
        lambda node: (
            node.block(
                [replace(node.transaction(1), encoded=spoil(node.transaction(1).encoded))]
            ).proposal
        ),
        [LEADER],
    ),
    "personal data": (
        lambda node: node.block([node.check(personal_data(node))]).proposal,
        [LEADER],
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_block_is_refused_at_first_sight(tmp_path: Path, name: str) -> None:
    async def scenario(node: HeardNode) -> None:
        make, accused = INVALID[name]
        await refuse_leader(node, node.append(make(node)))
        # The same thread executes blocks and keeps evidence.
        await node.certify(node.block())
        assert evidence(node) == [(EvidenceKind.INVALID_PROPOSAL, who) for who in accused]

    run(tmp_path, scenario)


def test_what_only_admission_refuses_is_executed_when_it_is_ordered(tmp_path: Path) -> None:
    """Who was down while such a block was ordered must come to the same state as the others."""

    async def scenario(node: HeardNode) -> None:
        checked = node.check(personal_data(node))
        node.core.pool.add(checked)  # known here: it is not examined again
        await node.certify(node.block([checked]))
        assert node.tip.height == 2

    run(tmp_path, scenario)


def test_nothing_that_comes_with_a_refused_block_is_taken(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        before = node.last_index
        assert await node.hear(LEADER, node.append(b"", bend(node, signature=bytes(64)))) == []
        assert node.last_index == before
        await refuse(node, LEADER, node.heartbeat(0), node.append(b""))

    run(tmp_path, scenario)


def test_nothing_committed_is_replaced(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        before = node.state()
        log = list(node.core.driver.ordering.scan(1))
        _, digest = node.core.driver.ordering.describe_entry(0)
        other = Entry(1, TERM, b"", EntryKind.NORMAL)
        lie = (other, Entry(2, TERM, node.block().proposal), Entry(3, TERM, b""))
        append = node.message(MessageKind.APPEND, entries=lie, chain_digest=digest)
        await node.hear(LEADER, append)
        assert list(node.core.driver.ordering.scan(1)) == log
        assert node.state() == before
        assert digest_after(digest, lie) != digest_after(digest, log)

    run(tmp_path, scenario)


def test_another_block_of_a_certified_height_is_refused_with_evidence(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        before = replace(genesis_header(node.harness.genesis), height=0)
        parent = replace(node.tip, header=before, block_hash=node.tip.header.parent_hash)
        block = node.block(tip=parent, time_ms=0)
        assert block.header.height == 1
        await refuse_leader(node, node.append(block.proposal))
        await until(lambda: evidence(node))
        assert evidence(node) == [(EvidenceKind.INVALID_PROPOSAL, LEADER)]

    run(tmp_path, scenario)


def test_two_blocks_of_one_proposer_are_kept_as_evidence(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        first = node.block()
        second = node.block(time_ms=node.tip.header.time + 77)
        place = node.append(b"", sender="n3", term=TERM + 1).message
        await node.hear(LEADER, node.append(first.proposal))
        # Another leads now and proposes, in the place of it, another block that n2 has signed.
        entry = Entry(node.last_index, TERM + 1, second.proposal)
        await node.hear("n3", RaftMessage(replace(place, entries=(entry,))))
        await until(lambda: evidence(node))
        assert evidence(node) == [(EvidenceKind.DOUBLE_PROPOSAL, LEADER)]
        [kept] = node.core.evidence.store.list()
        assert (kept.evidence.first_term, kept.evidence.second_term) == (TERM, TERM + 1)

    run(tmp_path, scenario)


# Votes and certificates ---------------------------------------------------------------------------


def test_votes_that_are_none_of_this_network_are_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        vote = await node.order(node.block())
        good = decode(Vote, vote)
        for bad in (b"", b"\xff", encode(replace(good, chain_id="test:0000000000000000"))):
            await refuse(node, LEADER, node.vote(LEADER, bad))
        await refuse(node, LEADER, node.vote(LEADER, encode(replace(good, height=99))))
        # Not even answered as one for a certified height would be.
        foreign = replace(good, chain_id="test:0000000000000000", height=1)
        await refuse(node, LEADER, node.vote(LEADER, encode(foreign)))

    run(tmp_path, scenario)


def test_a_wrong_signature_certifies_nothing_and_spoils_nothing(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        vote = await node.order(node.block())
        before = node.state()
        await node.hear(LEADER, VoteMessage(vote, bytes(64)))
        await node.hear("n3", VoteMessage(vote, node.sign(LEADER, vote)))
        assert node.state() == before
        await node.hear("n3", node.vote("n3", vote))
        await until(lambda: node.tip.height == 2)
        signers = assemble_certificate(
            vote,
            {name: node.sign(name, vote) for name in (OWN, "n3")},
            node.harness.genesis.validator_set,
        )
        assert node.tip.head.certificate == encode(signers), "the liar's is not in it"

    run(tmp_path, scenario)


def test_two_votes_for_one_height_are_kept_as_evidence(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        vote = await node.order(node.block())
        other = encode(replace(decode(Vote, vote), state_root=bytes(32)))
        await node.hear("n3", node.vote("n3", other))
        assert evidence(node) == []
        await node.hear("n3", node.vote("n3", vote))
        await until(lambda: evidence(node))
        assert evidence(node) == [(EvidenceKind.DOUBLE_VOTE, "n3")]

    run(tmp_path, scenario)


def test_who_votes_for_a_certified_height_gets_its_certificate(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        head = encode(node.tip.head)
        vote = decode(QuorumCertificate, node.tip.head.certificate).vote
        before = node.state()
        assert await node.hear("n3", node.vote("n3", vote)) == [("n3", CertificateMessage(head))]
        genesis = encode(replace(decode(Vote, vote), height=0))
        assert await node.hear("n3", node.vote("n3", genesis)) == [], "nobody certifies block 0"
        assert node.state() == before

    run(tmp_path, scenario)


def test_a_certificate_from_another_certifies_and_a_false_one_does_not(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        block = node.block()
        vote = await node.order(block)

        def certify(*names: str) -> CertificateMessage:
            votes = {name: node.sign(name, vote) for name in names}
            made = assemble_certificate(vote, votes, node.harness.genesis.validator_set)
            return CertificateMessage(encode(CertifiedHead(block.encoded_header, encode(made))))

        forged = decode(CertifiedHead, certify("n2", "n3").head)
        certificate = decode(QuorumCertificate, forged.certificate)
        swapped = replace(certificate, signatures=certificate.signatures[::-1])
        for bad in (
            CertificateMessage(b"\xff"),
            CertificateMessage(encode(replace(forged, header=b"\xff"))),
            CertificateMessage(encode(replace(forged, certificate=b"\xff"))),
            CertificateMessage(encode(replace(forged, certificate=encode(swapped)))),
            certify("n3"),
        ):
            await refuse(node, "n3", bad)
        await node.hear("n3", certify("n2", "n3"))
        await until(lambda: node.tip.height == 2)

    run(tmp_path, scenario)


# Limits -------------------------------------------------------------------------------------------


def test_what_does_not_fit_into_the_inbox_by_count_is_dropped(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        question = ForwardMessage((node.harness.transaction(1),))
        listener = node.core.listener
        before = node.state()
        for _ in range(INBOX_COUNT_MAX - 1):
            listener.receive("n3", ForwardAnswer(()))
        listener.receive("n3", question)
        listener.receive("n2", question)
        await until(lambda: node.links.sent)
        sent = await node.hear("n3")
        assert [peer for peer, m in sent if isinstance(m, ForwardAnswer)] == ["n3"]
        assert node.state() == before
        listener.receive("n2", question)
        await until(lambda: node.links.sent)

    run(tmp_path, scenario)


def test_what_does_not_fit_into_the_inbox_by_bytes_is_dropped(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        question = ForwardMessage((node.harness.transaction(1),))
        room = len(question.transactions[0])
        listener = node.core.listener
        before = node.state()
        large = BlocksMessage(1, (CertifiedBlock(bytes(INBOX_SIZE_MAX - room), b""),))
        listener.receive("n3", large)
        listener.receive("n3", question)
        listener.receive("n2", question)
        await until(lambda: node.links.sent)
        sent = await node.hear("n3")
        assert [peer for peer, m in sent if isinstance(m, ForwardAnswer)] == ["n3"]
        assert node.state() == before
        listener.receive("n2", question)
        await until(lambda: node.links.sent)

    run(tmp_path, scenario)


def test_a_snapshot_that_names_no_height_is_refused(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        conf = node.membership.conf_state()
        for data in (b"", b"1234567", b"123456789"):
            snapshot = Snapshot(node.last_index + 9, TERM, conf, data, bytes(32))
            await refuse(node, LEADER, node.message(MessageKind.SNAPSHOT, snapshot=snapshot))
        high = Snapshot(node.last_index + 9, TERM, conf, (7).to_bytes(8, "big"), bytes(32))
        before = node.last_index
        await node.hear(LEADER, node.message(MessageKind.SNAPSHOT, snapshot=high))
        assert node.core.driver.catch_up.target_height == 7, "the blocks come first"
        assert (node.last_index, node.tip.height) == (before, 1)

    run(tmp_path, scenario)


def test_a_snapshot_never_replaces_a_block_that_was_voted_for(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        conf = node.membership.conf_state()
        vote = await node.order(node.block())
        for height, reason in ((1, "its block is certified"), (0, "there is no such block")):
            data = height.to_bytes(8, "big")
            snapshot = Snapshot(node.last_index + 9, TERM, conf, data, bytes(32))
            before = node.state()
            await node.hear(LEADER, node.message(MessageKind.SNAPSHOT, snapshot=snapshot))
            assert node.state() == before, reason
        await node.hear("n3", node.vote("n3", vote))
        await until(lambda: node.tip.height == 2)
        # Where nothing is in flight the leader's log counts.
        index = node.last_index + 9
        snapshot = Snapshot(index, TERM, conf, (2).to_bytes(8, "big"), bytes(32))
        await node.hear(LEADER, node.message(MessageKind.SNAPSHOT, snapshot=snapshot))
        assert node.last_index == index

    run(tmp_path, scenario)


def test_a_node_that_nobody_answers_does_not_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(node: HeardNode) -> None:
        conf, clock = node.membership.conf_state(), node.harness.clock
        high = Snapshot(node.last_index + 9, TERM, conf, (7).to_bytes(8, "big"), bytes(32))
        await node.hear(LEADER, node.message(MessageKind.SNAPSHOT, snapshot=high))
        clock.advance(node.harness.config.consensus.heartbeat_interval_ms)
        await until(lambda: any(isinstance(m, BlocksRequest) for _, m in node.links.sent))
        node.links.disconnected = set(node.names)
        waits: list[int | None] = []
        wait = clock.wait

        async def count(event: asyncio.Event, until_ms: int | None) -> None:
            waits.append(until_ms)
            assert len(waits) < 100, "it spins"
            await wait(event, until_ms)

        monkeypatch.setattr(clock, "wait", count)
        for _ in range(5):
            clock.advance(node.harness.config.consensus.election_timeout_ms)
            await node.rest()
        assert len(waits) >= 5

    run(tmp_path, scenario)
