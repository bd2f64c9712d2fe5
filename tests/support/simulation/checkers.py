# SPDX-License-Identifier: Apache-2.0
"""What must hold at every moment of a run, judged from what nodes write and send alone.

    election-safety     one leader in a term (Raft §5.2)
    log-matching        one entry at an index and term, and one log before it (§5.3)
    leader-completeness what was committed is in the log of every later leader (§5.4)
    state-machine       one committed entry at an index
    order-of-writes     an answer leaves when what it promises is durable
    one-vote            a validator votes once at a height (R1)
    one-certificate     one vote is certified at a height: one block, one state root
    one-chain           each certified block follows the certified one below it (R2)
    certificate         a stored certificate is signed by a quorum
    compaction          the log is compacted up to certified blocks only (R6)
    hard-state          term and commit never fall

The first four are of the crash model: a liar breaks them for who listens to him. Where there are liars a
vote counts when it was sent, and as if they all had signed it too: a certificate that could be shown is
one. A violation is kept; the run goes on, so that a trace shows what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from consensus import Message, MessageKind
from ledger.node.peers import CertificateMessage, PeerMessage, RaftMessage, VoteMessage
from ledger.storage.kv import WriteBatch
from psetledger.v1 import ledger_pb2
from tests.support.simulation import records
from tests.support.simulation.member_book import MemberBook
from tests.support.simulation.records import Electorate, RawEntry, number_key

VIOLATIONS_COUNT_MAX: Final = 20
_LEADERS_WORDS: Final = frozenset(
    {MessageKind.APPEND, MessageKind.HEARTBEAT, MessageKind.SNAPSHOT, MessageKind.TIMEOUT_NOW}
)


@dataclass(frozen=True, slots=True)
class Violation:
    """What went wrong."""

    rule: str
    text: str
    at_us: int

    def __str__(self) -> str:
        return f"{self.rule}: {self.text} (at {self.at_us / 1_000_000:.6f} s)"


class Disk(Protocol):
    """What the checkers look at: `SimulatedDisk`."""

    def value(self, store: str, key: bytes) -> bytes | None:
        """What is under a key now."""
        ...

    def durable_value(self, store: str, key: bytes) -> bytes | None:
        """What is surely under a key after a crash now."""
        ...


class Checkers:
    """Watches all nodes of a run: `WriteWatcher`, and `watch_send` for the network."""

    def __init__(
        self,
        electorate: Electorate,
        numbers: Mapping[str, int],
        get_disk: Callable[[str], Disk],
        now_us: Callable[[], int],
        *,
        liars: frozenset[str] = frozenset(),
        members: MemberBook | None = None,
    ) -> None:
        """`numbers` are the raft numbers by validator id; `members` says who certifies which height,
        where that changes.
        """
        self.electorate = electorate
        self.members = members
        self._numbers = dict(numbers) if members is None else members.numbers
        self._get_disk = get_disk
        self._now_us = now_us
        self._liars = liars
        self.violations: list[Violation] = []
        self.leaders: dict[int, str] = {}
        self.entries: dict[tuple[int, int], RawEntry] = {}
        """By index and term."""
        self._prefixes: dict[tuple[int, int], bytes] = {(0, 0): b""}
        """Own digest of the log up to and with an entry."""
        self.committed: dict[int, tuple[int, int]] = {}
        """By index: the entry's term, and a term in which it was known to be committed."""
        self._hard_states: dict[str, tuple[int, int, int]] = {}
        self.certified: dict[int, bytes] = {}
        """Vote by height."""
        self.headers: dict[int, bytes] = {}
        """Of certified blocks, as some node stored it."""
        self._seen_headers: dict[bytes, bytes] = {}
        """By block hash, of all blocks in logs; kept where there are liars."""
        self._votes: dict[tuple[str, int, int], bytes] = {}
        """By validator, epoch and height."""
        self._voters: dict[bytes, set[str]] = {}
        self.certified_height = 0
        self.certified_at_us = 0

    def get_electorate(self, height: int) -> Electorate:
        """Whose signatures certify a height."""
        return self.electorate if self.members is None else self.members.get_electorate(height)

    def fail(self, rule: str, text: str) -> None:
        """Keep a violation."""
        if len(self.violations) < VIOLATIONS_COUNT_MAX:
            self.violations.append(Violation(rule, text, self._now_us()))

    # Writes ---------------------------------------------------------------------------------------

    def wrote(self, node: str, store: str, batch: WriteBatch, *, is_durable: bool) -> None:
        """`WriteWatcher`: the batch is in the store already."""
        del is_durable
        if node in self._liars:
            return
        if store == "votes":
            if self._liars:
                return  # lost in a crash it may be given otherwise: the log may be another then
            for key, value in batch.operations:
                if key == records.VOTE_KEY and value is not None:
                    record = records.read_vote_record(value)
                    if record.vote:  # else it is a pledge, or none yet
                        self.see_vote(node, record.vote)
            return
        if store == "chain":
            self._wrote_chain(node, batch)

    def _wrote_chain(self, node: str, batch: WriteBatch) -> None:
        for key, value in batch.operations:
            if value is None:
                continue
            if key[:1] == b"l" and len(key) == 9:
                self._see_entry(node, int.from_bytes(key[1:], "big"), records.read_entry(value))
        for key, value in batch.operations:
            if value is None:
                continue
            if key == records.HARD_STATE_KEY:
                self._see_hard_state(node, *records.read_hard_state(value))
            elif key[:1] == b"c" and len(key) == 9:
                self._see_stored_certificate(node, int.from_bytes(key[1:], "big"), value)
            elif key == records.COMPACTED_KEY:
                self._see_compacted(node, *records.read_compacted(value))

    def lost(self, node: str) -> None:
        """`WriteWatcher`: a crash took something."""
        self._hard_states.pop(node, None)

    def _see_entry(self, node: str, index: int, entry: RawEntry) -> None:
        disk = self._get_disk(node)
        if self._liars:
            self._note_block(entry)
            return
        place = (index, entry.term)
        known = self.entries.setdefault(place, entry)
        if known != entry:
            self.fail("log-matching", f"{node} holds another entry {index} of term {entry.term}")
        before = self._find_term(disk, index - 1)
        prefix = None if before is None else self._prefixes.get((index - 1, before))
        if prefix is None:
            return
        content = entry.term.to_bytes(8, "big") + bytes((entry.kind,)) + entry.data
        own = sha256(prefix + content).digest()
        if self._prefixes.setdefault(place, own) != own:
            self.fail("log-matching", f"{node}'s log before entry {index} of {entry.term} differs")

    def _note_block(self, entry: RawEntry) -> None:
        if entry.kind == 0 and entry.data:
            header, decoded = records.header_of_proposal(entry.data)
            block_hash = records.block_hash(header)
            self._seen_headers[block_hash] = header
            vote = self.certified.get(decoded.height)
            if vote is not None and ledger_pb2.Vote.FromString(vote).block_hash == block_hash:
                self._see_header("a certificate", decoded.height, header)

    def _find_term(self, disk: Disk, index: int) -> int | None:
        if index == 0:
            return 0
        value = disk.value("chain", number_key(b"l", index))
        if value is not None:
            return records.read_entry(value).term
        compacted = disk.value("chain", records.COMPACTED_KEY)
        if compacted is not None:
            last, term = records.read_compacted(compacted)
            if last == index:
                return term
        return None

    def _see_hard_state(self, node: str, term: int, vote: int, commit: int) -> None:
        before = self._hard_states.get(node, (0, 0, 0))
        # Who was fed by a liar falls back to what is certified.
        has_fallen = commit < before[2] and not self._liars
        if term < before[0] or has_fallen:
            self.fail("hard-state", f"{node} went back from {before} to {(term, vote, commit)}")
        if term == before[0] and before[1] and vote != before[1]:
            self.fail("hard-state", f"{node} voted for {before[1]} and {vote} in term {term}")
        self._hard_states[node] = (term, vote, commit)
        disk = self._get_disk(node)
        for index in range(before[2] + 1, commit + 1):
            entry_term = self._find_term(disk, index)
            if entry_term is not None:
                self._see_committed(node, index, entry_term, term)

    def _see_committed(self, node: str, index: int, entry_term: int, term: int) -> None:
        known = self.committed.setdefault(index, (entry_term, term))
        if known[0] != entry_term and not self._liars:
            self.fail(
                "state-machine",
                f"{node} has entry {index} of term {entry_term} committed, others of {known[0]}",
            )

    def _see_compacted(self, node: str, index: int, term: int) -> None:
        disk = self._get_disk(node)
        if self._liars:
            return  # logs differ: what was in this one is gone
        entry = self.entries.get((index, term))
        if entry is None or not entry.data or entry.kind != 0:
            head = disk.value("chain", records.HEAD_KEY)
            if head is not None and index > records.read_head(head)[1]:
                self.fail("compaction", f"{node} compacts up to {index}, above its certified block")
            return
        _, header = records.header_of_proposal(entry.data)
        if disk.value("chain", number_key(b"c", header.height)) is None:
            self.fail(
                "compaction",
                f"{node} compacts entry {index} of block {header.height}, not certified",
            )

    # Votes and certificates -----------------------------------------------------------------------

    def see_vote(self, node: str, vote: bytes) -> None:
        """A validator recorded or sent a vote."""
        if node in self._liars:
            return
        decoded = ledger_pb2.Vote.FromString(vote)
        known = self._votes.setdefault((node, decoded.epoch, decoded.height), vote)
        if known != vote:
            self.fail("one-vote", f"{node} votes twice at height {decoded.height}")
        electorate = self.get_electorate(decoded.height)
        if node not in dict(electorate.keys):
            self.fail("electorate", f"{node} votes at height {decoded.height}, not being asked")
            return
        voters = self._voters.setdefault(vote, set())
        voters.add(node)
        if len(voters) + len(self._liars) >= electorate.quorum:
            # Whoever collects them, liars' votes among them, has a certificate.
            self._see_certified(vote)

    def see_certificate(self, who: str, encoded: bytes, header: bytes) -> None:
        """Somebody shows a certified block."""
        vote = ledger_pb2.QuorumCertificate.FromString(encoded).vote
        height = ledger_pb2.Vote.FromString(vote).height
        fault = self.get_electorate(height).find_fault(encoded)
        if fault:
            self.fail("certificate", f"{who} holds a certificate that proves nothing: {fault}")
            return
        self._see_certified(vote)
        decoded = ledger_pb2.Vote.FromString(vote)
        if records.block_hash(header) != decoded.block_hash:
            self.fail("certificate", f"{who} shows another block {decoded.height} than certified")
            return
        self._see_header(who, decoded.height, header)

    def _see_certified(self, vote: bytes) -> None:
        height = ledger_pb2.Vote.FromString(vote).height
        if self.certified.setdefault(height, vote) != vote:
            self.fail("one-certificate", f"two votes are certified at height {height}")
        header = self._seen_headers.get(ledger_pb2.Vote.FromString(vote).block_hash)
        if header is not None:
            self._see_header("a certificate", height, header)
        if height > self.certified_height:
            self.certified_height, self.certified_at_us = height, self._now_us()

    def _see_stored_certificate(self, node: str, height: int, certificate: bytes) -> None:
        header = self._get_disk(node).value("chain", number_key(b"h", height))
        if header is None:
            self.fail("certificate", f"{node} stores a certificate for {height} and no header")
            return
        vote = ledger_pb2.Vote.FromString(ledger_pb2.QuorumCertificate.FromString(certificate).vote)
        if vote.height != height:
            self.fail("certificate", f"{node} stores a vote for {vote.height} at {height}")
            return
        self.see_certificate(node, certificate, header)
        if self.members is not None:
            disk = self._get_disk(node)
            proposal = disk.value("chain", number_key(b"p", height))
            receipts = disk.value("chain", number_key(b"r", height))
            read = records.read_receipts(receipts or b"")
            fault = self.members.read_block(height, proposal or b"", read)
            if fault:
                self.fail("electorate", fault)

    def _see_header(self, who: str, height: int, header: bytes) -> None:
        if self.headers.setdefault(height, header) != header:
            self.fail("one-chain", f"{who} has another block at {height}")
        below = self.headers.get(height - 1)
        decoded = ledger_pb2.BlockHeader.FromString(header)
        if below is not None and decoded.parent_hash != records.block_hash(below):
            self.fail("one-chain", f"{who}'s block {height} does not follow the one below")
        above = self.headers.get(height + 1)
        if above is not None:
            parent = ledger_pb2.BlockHeader.FromString(above).parent_hash
            if parent != records.block_hash(header):
                self.fail("one-chain", f"the block above {who}'s block {height} does not follow it")

    # Messages -------------------------------------------------------------------------------------

    def watch_send(self, node: str, peer: str, message: PeerMessage) -> None:
        """`SendWatcher`."""
        if node in self._liars:
            return
        match message:
            case RaftMessage():
                self._check_raft(node, peer, message.message)
            case VoteMessage():
                self.see_vote(node, message.vote)
                self._check_vote_durable(node, message.vote)
            case CertificateMessage():
                header, certificate = records.read_head_message(message.head)
                self.see_certificate(node, certificate, header)
            case _:
                pass

    def _check_raft(self, node: str, peer: str, message: Message) -> None:
        if message.kind in _LEADERS_WORDS:
            self._see_leader(node, message.term)
        elif message.kind is MessageKind.APPEND_RESPONSE and not message.rejected:
            self._check_entry_durable(node, message.log_index)
        elif message.kind is MessageKind.VOTE_RESPONSE and not message.rejected:
            self._check_choice_durable(node, message.term, self._numbers[peer])
        elif message.kind is MessageKind.VOTE:
            self._check_choice_durable(node, message.term, self._numbers[node])

    def _see_leader(self, node: str, term: int) -> None:
        known = self.leaders.get(term)
        if known is not None:
            if known != node and not self._liars:
                self.fail("election-safety", f"{known} and {node} lead in term {term}")
            return
        self.leaders[term] = node
        if self._liars:
            return
        disk = self._get_disk(node)
        for index, (entry_term, known_in) in self.committed.items():
            if known_in >= term:
                continue
            held = self._find_term(disk, index)
            if held is None:
                compacted = disk.value("chain", records.COMPACTED_KEY)
                is_gone = compacted is not None and index < records.read_compacted(compacted)[0]
                if is_gone:
                    continue
            if held != entry_term:
                self.fail(
                    "leader-completeness",
                    f"{node} leads in term {term} without entry {index} of term {entry_term}",
                )

    def _check_entry_durable(self, node: str, index: int) -> None:
        if index == 0:
            return
        disk, key = self._get_disk(node), number_key(b"l", index)
        now, durable = disk.value("chain", key), disk.durable_value("chain", key)
        if now is None:
            compacted = disk.durable_value("chain", records.COMPACTED_KEY)
            if compacted is not None and index <= records.read_compacted(compacted)[0]:
                return
        if now is None or now != durable:
            self.fail("order-of-writes", f"{node} acknowledges entry {index}, which is not durable")

    def _check_choice_durable(self, node: str, term: int, candidate: int) -> None:
        stored = self._get_disk(node).durable_value("chain", records.HARD_STATE_KEY)
        held_term, vote, _ = (0, 0, 0) if stored is None else records.read_hard_state(stored)
        if held_term < term or (held_term == term and vote != candidate):
            self.fail(
                "order-of-writes",
                f"{node} votes for {candidate} in term {term}; durable: {held_term}, {vote}",
            )

    def _check_vote_durable(self, node: str, vote: bytes) -> None:
        stored = self._get_disk(node).durable_value("votes", records.VOTE_KEY)
        record = None if stored is None else records.read_vote_record(stored)
        height = ledger_pb2.Vote.FromString(vote).height
        if record is None or record.height < height:
            self.fail(
                "order-of-writes", f"{node} votes at height {height} without a durable record"
            )
