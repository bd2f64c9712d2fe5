# SPDX-License-Identifier: Apache-2.0
"""What a validator that lies says: messages changed, and messages made up.

Nothing here knows when; `liars` does. All keys used are the liar's own: no honest signature is forged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from consensus import ConfState, Entry, EntryKind, Message, MessageKind
from consensus.conf_change import (
    ConfChange,
    ConfChangeKind,
    ConfChangeSingle,
    Transition,
    make_conf_change_entry,
)
from consensus.errors import OrderingError
from consensus.types import NODE_MAX, Snapshot
from ledger.model.block import Block, BlockHeader, Proposal, QuorumCertificate
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_block_hash, proposal_message, vote_message
from ledger.model.merkle_log import compute_root
from ledger.model.proofs import CertifiedHead
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction_check import CheckedTransaction
from ledger.node.core import NodeCore
from ledger.node.keys import ValidatorKeys
from ledger.node.peers import (
    BlocksMessage,
    BlocksRequest,
    CertificateMessage,
    CertifiedBlock,
    ForwardAnswer,
    ForwardMessage,
    ForwardResult,
    PeerMessage,
    RaftMessage,
    VoteMessage,
)
from ledger.node.proposals import ProposalError, build_proposal, read_proposal
from ledger.node.validators import NetworkRules
from ledger.storage.log import chain_digest
from psetledger.v1 import ledger_pb2

HUGE: Final = 2**63 - 1


def sign_vote(keys: ValidatorKeys, vote: bytes) -> VoteMessage:
    """A vote for anything."""
    return VoteMessage(vote, keys.vote.sign(vote_message(vote)))


def contradict(vote: bytes, random: Random) -> bytes:
    """Another vote for the same height: another result of the block, or another block."""
    changed = ledger_pb2.Vote.FromString(vote)
    if random.random() < 0.5:
        changed.state_root = random.randbytes(32)
    else:
        changed.block_hash = random.randbytes(32)
    return changed.SerializeToString(deterministic=True)


def rewrite_block(
    encoded: bytes, name: str, keys: ValidatorKeys, *, is_emptied: bool, later_ms: int = 1
) -> bytes:
    """Another block at the place of one, as good as that: signed by the liar, some time later, with or
    without its transactions. What is no proposal stays as it is.
    """
    try:
        read = read_proposal(encoded)
    except ProposalError:
        return encoded
    transactions = () if is_emptied else read.block.transactions
    header = replace(
        read.header,
        time=read.header.time + later_ms,
        proposer=name,
        tx_root=compute_root(transactions),
        tx_count=len(transactions),
    )
    return _propose(header, transactions, read.proposal.parent_certificate, keys)


def _propose(
    header: BlockHeader, transactions: Sequence[bytes], parent: bytes, keys: ValidatorKeys
) -> bytes:
    encoded = encode(header)
    return encode(
        Proposal(
            block=encode(Block(header=encoded, transactions=tuple(transactions))),
            parent_certificate=parent,
            signature=keys.peer.sign(proposal_message(compute_block_hash(encoded), 0)),
        )
    )


class OtherLog:
    """A second log for some followers: the same terms and indices, other blocks, and digests that
    agree with them.
    """

    def __init__(self, name: str, keys: ValidatorKeys, *, is_emptied: bool) -> None:
        self._name = name
        self._keys = keys
        self._is_emptied = is_emptied
        self._digests: dict[bytes, bytes] = {}
        """Of the other log, by that of the real one."""
        self._blocks: dict[bytes, bytes] = {}

    def rewrite(self, message: Message) -> Message:
        """An append of the other log for one of the real log."""
        real = message.chain_digest
        other = first = self._digests.get(real, real)
        entries: list[Entry] = []
        for entry in message.entries:
            changed = entry
            if entry.kind is EntryKind.NORMAL and entry.data:
                changed = replace(entry, data=self._find_other(entry.data))
            real, other = chain_digest(real, entry), chain_digest(other, changed)
            self._digests[real] = other
            entries.append(changed)
        return replace(message, entries=tuple(entries), chain_digest=first)

    def _find_other(self, data: bytes) -> bytes:
        if data not in self._blocks:
            self._blocks[data] = rewrite_block(
                data, self._name, self._keys, is_emptied=self._is_emptied
            )
        return self._blocks[data]


@dataclass(frozen=True, slots=True)
class Garbage:
    """Makes up messages of every kind for one recipient, out of what a real node knows."""

    name: str
    keys: ValidatorKeys
    core: NodeCore
    rules: NetworkRules
    random: Random
    heard: Sequence[PeerMessage]
    """Messages of anybody."""

    def make(self, peer: str) -> PeerMessage:
        """Some message that no honest validator would send now."""
        kinds: list[Callable[[str], PeerMessage]] = [
            self._numbers,
            self._empty_leader,
            self._bad_append,
            self._bad_append,
            self._bad_block,
            self._bad_block,
            self._members,
            self._snapshot,
            self._timeout,
            self._certificate,
            self._certificate,
            self._vote,
            self._request,
            self._blocks,
            self._forward,
            self._answer,
        ]
        return self.random.choice(kinds)(peer)

    # Messages of the ordering ---------------------------------------------------------------------

    def _raft(self, kind: MessageKind, peer: str, **fields: object) -> RaftMessage:
        status = self.core.driver.ordering.status()
        term = status.hard_state.term + self.random.choice((0, 0, 0, 1, 1, 3))
        message = Message(
            kind,
            sender=self.core.driver.get_number(self.name),
            recipient=self.core.driver.get_number(peer),
            term=max(1, term),
        )
        return RaftMessage(replace(message, **fields))  # type: ignore[arg-type]

    def _number(self) -> int:
        last = self.core.driver.ordering.status().last_index
        near = max(0, last + self.random.randint(-3, 3))
        return self.random.choice((0, near, near, near, last + 1000, 2**40, HUGE))

    def _numbers(self, peer: str) -> PeerMessage:
        kind = self.random.choice(list(MessageKind))
        message = self._raft(
            kind,
            peer,
            log_index=self._number(),
            log_term=self._number(),
            commit=self._number(),
            rejected=self.random.random() < 0.3,
            reject_hint=self._number(),
            context=self.random.choice((b"", b"x" * 16, b"CampaignTransfer")),
            chain_digest=self.random.choice((b"", b"\x01" * 32)),
        ).message
        if self.random.random() < 0.3:
            term = self.random.choice((1, 2**31, 2**40, HUGE))
            message = replace(message, term=term)
        if self.random.random() < 0.2:
            message = replace(message, sender=self.random.choice((1, 2, 3, 99, NODE_MAX)))
        return RaftMessage(message)

    def _empty_leader(self, peer: str) -> PeerMessage:
        """Claims to lead, and that everything is committed."""
        kind = self.random.choice((MessageKind.HEARTBEAT, MessageKind.APPEND))
        return self._raft(kind, peer, commit=self._number())

    def _end(self) -> tuple[int, int, bytes]:
        """Index, term and digest at which the liar's log ends, or some entries before."""
        ordering = self.core.driver.ordering
        last = ordering.status().last_index
        index = max(0, last - self.random.choice((0, 0, 0, 1, 2)))
        try:
            term, digest = ordering.describe_entry(index)
        except OrderingError:  # compacted: another will do
            return last, *ordering.describe_entry(last)
        return index, term, digest

    def _append(self, peer: str, *data: bytes, kind: EntryKind = EntryKind.NORMAL) -> RaftMessage:
        index, log_term, digest = self._end()
        made = self._raft(MessageKind.APPEND, peer).message
        entries = tuple(
            Entry(index + n, max(made.term, log_term), item, kind) for n, item in enumerate(data, 1)
        )
        commit = self.random.choice((0, index, index + len(entries), self._number()))
        return RaftMessage(
            replace(
                made,
                log_index=index,
                log_term=log_term,
                chain_digest=digest,
                entries=entries,
                commit=commit,
            )
        )

    def _bad_append(self, peer: str) -> PeerMessage:
        """Entries that hold anything: nothing, no block, what somebody said before."""
        known = [
            entry.data
            for message in self.heard
            if isinstance(message, RaftMessage)
            for entry in message.message.entries
        ]
        choices = [b"", b"\x00", self.random.randbytes(40), *known[-8:]]
        count = self.random.choice((1, 1, 2))
        return self._append(peer, *(self.random.choice(choices) for _ in range(count)))

    def _transactions(self) -> list[bytes]:
        return [
            transaction
            for message in self.heard
            if isinstance(message, ForwardMessage)
            for transaction in message.transactions
        ]

    def _bad_block(self, peer: str) -> PeerMessage:
        """A block on the liar's tip with something wrong in it, or nothing."""
        random, driver = self.random, self.core.driver
        tip = driver.tip
        good = build_proposal(
            tip,
            list[CheckedTransaction](),
            rules=self.rules,
            proposer=self.name,
            key=self.keys.peer,
            time_ms=tip.header.time + random.randint(1, 500),
        )
        header, transactions, parent = good.header, list[bytes](), tip.head.certificate
        known = self._transactions()
        if known and random.random() < 0.6:
            transactions = random.choices(known, k=random.randint(1, 3))
            if random.random() < 0.4:
                transactions.append(_spoil(random.choice(known), random))
            header = replace(header, tx_root=compute_root(transactions), tx_count=len(transactions))
        wrong = random.choice(
            (
                {},
                {},
                {"time": tip.header.time + 10**9},
                {"time": tip.header.time},
                {"parent_hash": random.randbytes(32)},
                {"tx_count": 7},
                {"tx_root": random.randbytes(32)},
                {"height": tip.height + 2},
                {"height": max(1, tip.height)},
                {"next_validators_hash": random.randbytes(32)},
                {"validators_hash": random.randbytes(32)},
                {"proposer": random.choice(driver.others)},
                {"epoch": 1},
                {"protocol_version": 2},
            )
        )
        if random.random() < 0.2 and parent:
            parent = _spoil(parent, random)
        return self._append(
            peer, _propose(replace(header, **wrong), transactions, parent, self.keys)
        )

    def _members(self, peer: str) -> PeerMessage:
        """A change of members that nobody decided: the liar alone remains, or somebody comes."""
        driver = self.core.driver
        numbers = [driver.get_number(other) for other in driver.others]
        if self.random.random() < 0.5:
            changes = tuple(ConfChangeSingle(ConfChangeKind.REMOVE, n) for n in numbers)
        else:
            changes = (ConfChangeSingle(ConfChangeKind.ADD_VOTER, 99),)
        height = self.random.choice((0, driver.tip.height, driver.tip.height + 1))
        transition = self.random.choice(list(Transition))
        entry = make_conf_change_entry(ConfChange(changes, transition, height.to_bytes(8, "big")))
        return self._append(peer, entry.data, kind=entry.kind)

    def _snapshot(self, peer: str) -> PeerMessage:
        """Says that the log begins anew, with members of the liar's choice."""
        driver, random = self.core.driver, self.random
        numbers = sorted(driver.get_number(name) for name in (*driver.others, self.name))
        voters = random.choice(
            (tuple(numbers), (driver.get_number(self.name), driver.get_number(peer)))
        )
        last = driver.ordering.status().last_index
        height = max(0, driver.tip.height + random.choice((-2, -1, 0, 0, 1, 1000)))
        snapshot = Snapshot(
            index=max(1, last + random.choice((-2, 0, 1, 5, 1000))),
            term=max(1, driver.ordering.status().hard_state.term),
            conf_state=ConfState(voters=tuple(sorted(voters))),
            data=random.choice((height.to_bytes(8, "big"), b"", b"\xff" * 8)),
            chain_digest=random.choice((b"", random.randbytes(32))),
        )
        return self._raft(MessageKind.SNAPSHOT, peer, snapshot=snapshot)

    def _timeout(self, peer: str) -> PeerMessage:
        return self._raft(MessageKind.TIMEOUT_NOW, peer)

    # Certificates, votes, blocks ------------------------------------------------------------------

    def _certificate(self, peer: str) -> PeerMessage:
        """One that proves nothing."""
        del peer
        head, random = self.core.driver.tip.head, self.random
        if not head.certificate:
            return CertificateMessage(random.randbytes(50))
        certificate = decode(QuorumCertificate, head.certificate)
        vote = ledger_pb2.Vote.FromString(certificate.vote)
        vote.height += random.choice((0, 1, 1, 2, 2**40))
        vote.block_hash = random.randbytes(32)
        forged = replace(certificate, vote=vote.SerializeToString(deterministic=True))
        if forged.signatures and random.random() < 0.5:
            own = self.keys.vote.sign(vote_message(forged.vote))
            forged = replace(forged, signatures=(own,) * len(forged.signatures))
        header = ledger_pb2.BlockHeader.FromString(head.header)
        header.height = vote.height
        return CertificateMessage(
            encode(CertifiedHead(header.SerializeToString(deterministic=True), encode(forged)))
        )

    def _vote(self, peer: str) -> PeerMessage:
        del peer
        random = self.random
        votes = [message for message in self.heard if isinstance(message, VoteMessage)]
        if not votes or random.random() < 0.2:
            return VoteMessage(random.randbytes(60), random.randbytes(64))
        held = random.choice(votes)
        match random.randrange(3):
            case 0:  # somebody else's signature, as its own
                return held
            case 1:
                return VoteMessage(held.vote, random.randbytes(len(held.signature)))
            case _:
                changed = ledger_pb2.Vote.FromString(held.vote)
                changed.height += random.choice((1, 2, 3, 2**40))
                return sign_vote(self.keys, changed.SerializeToString(deterministic=True))

    def _request(self, peer: str) -> PeerMessage:
        del peer
        first = self.random.choice((0, 1, self.core.driver.tip.height, HUGE))
        last = self.random.choice((0, 1, self.core.driver.tip.height, HUGE))
        return BlocksRequest(first, last)

    def _blocks(self, peer: str) -> PeerMessage:
        """Blocks that were not asked for, or are not those."""
        del peer
        driver, random = self.core.driver, self.random
        known = [
            entry.data
            for message in self.heard
            if isinstance(message, RaftMessage)
            for entry in message.message.entries
            if entry.data
        ]
        held = tuple(CertifiedBlock(item, driver.tip.head.certificate) for item in known[-3:])
        return BlocksMessage(driver.tip.height + random.choice((0, 1, 1, 2)), held)

    # Transactions ---------------------------------------------------------------------------------

    def _forward(self, peer: str) -> PeerMessage:
        del peer
        known, random = self._transactions(), self.random
        items = [random.randbytes(30)]
        if known:
            items = [_spoil(random.choice(known), random), random.choice(known)]
        return ForwardMessage(tuple(items))

    def _answer(self, peer: str) -> PeerMessage:
        """Says that a good transaction was refused, or taken."""
        del peer
        random = self.random
        ids = [random.randbytes(32)]
        for message in self.heard:
            if isinstance(message, ForwardAnswer):
                ids += [result.transaction_id for result in message.results]
        code = random.choice((None, ReceiptCode.OVERLOADED, ReceiptCode.NOT_READY))
        return ForwardAnswer((ForwardResult(random.choice(ids), code),))


def _spoil(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)
