# SPDX-License-Identifier: Apache-2.0
"""Every checker finds its own fault in a history made by hand, and nothing in a good one.

Long because all of them judge one story, which is told once with the words for its bad variants.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final

import pytest
from nacl.signing import SigningKey

from consensus import Message, MessageKind
from ledger.model.codec import encode
from ledger.node.peers import CertificateMessage, RaftMessage, VoteMessage
from ledger.storage.kv import WriteBatch
from psetledger.v1 import ledger_pb2, proofs_pb2
from tests.support.evidence_parts import certify, liars_genesis, make_vote
from tests.support.simulation import records, run
from tests.support.simulation.checkers import Checkers
from tests.support.simulation.records import Electorate, number_key
from tests.support.simulation.workload import Acknowledged

NAMES: Final = ("n1", "n2", "n3")
KEYS: Final = {name: SigningKey(name.encode().ljust(32, b"\0")) for name in NAMES}
ELECTORATE: Final = Electorate.make(
    {name: bytes(key.verify_key) for name, key in KEYS.items()}, is_bls=False, is_byzantine=False
)
SEAL: Final = bytes(8)


def entry(term: int, data: bytes = b"", kind: int = 0) -> bytes:
    return struct.pack(">QB32s", term, kind, bytes(32)) + data


def hard_state(term: int, vote: int, commit: int) -> bytes:
    return SEAL + struct.pack(">QQQ", term, vote, commit)


def compacted(index: int, term: int) -> bytes:
    return SEAL + struct.pack(">QQ32s", index, term, bytes(32))


def header(height: int, *, parent: bytes = b"", proposer: str = "n1") -> bytes:
    parent_hash = records.block_hash(parent) if parent else bytes(32)
    return ledger_pb2.BlockHeader(
        height=height, parent_hash=parent_hash, proposer=proposer
    ).SerializeToString()


def proposal(
    encoded: bytes, transactions: tuple[bytes, ...] = (), parent_certificate: bytes = b""
) -> bytes:
    block = ledger_pb2.Block(header=encoded, transactions=transactions).SerializeToString()
    return ledger_pb2.Proposal(
        block=block, parent_certificate=parent_certificate
    ).SerializeToString()


def vote(encoded: bytes, *, state: bytes = b"state") -> bytes:
    height = ledger_pb2.BlockHeader.FromString(encoded).height
    return ledger_pb2.Vote(
        height=height, block_hash=records.block_hash(encoded), state_root=state
    ).SerializeToString()


def sign(name: str, voted: bytes) -> bytes:
    return bytes(KEYS[name].sign(b"psetledger/vote/v1\x00" + voted).signature)


def certificate(voted: bytes, signers: tuple[str, ...] = ("n1", "n2")) -> bytes:
    bits = sum(1 << 7 - NAMES.index(name) for name in signers)
    return ledger_pb2.QuorumCertificate(
        vote=voted, signer_bits=bytes((bits,)), signatures=[sign(n, voted) for n in signers]
    ).SerializeToString()


B1: Final = header(1)
B1_OTHER: Final = header(1, proposer="n2")
B2: Final = header(2, parent=B1)


@dataclass
class PlainDisk:
    """A dictionary for each store; what is not durable stands in `old`."""

    values: dict[tuple[str, bytes], bytes] = field(default_factory=dict[tuple[str, bytes], bytes])
    old: dict[tuple[str, bytes], bytes | None] = field(
        default_factory=dict[tuple[str, bytes], "bytes | None"]
    )

    def value(self, store: str, key: bytes) -> bytes | None:
        return self.values.get((store, key))

    def durable_value(self, store: str, key: bytes) -> bytes | None:
        return self.old.get((store, key), self.value(store, key))


class History:
    """What happened, told to the checkers."""

    def __init__(self, liars: frozenset[str] = frozenset()) -> None:
        self.disks = {name: PlainDisk() for name in NAMES}
        self.checkers = Checkers(
            ELECTORATE,
            {name: number for number, name in enumerate(NAMES, 1)},
            lambda name: self.disks[name],
            lambda: 0,
            liars=liars,
        )

    @property
    def rules(self) -> set[str]:
        return {violation.rule for violation in self.checkers.violations}

    def write(
        self, node: str, *puts: tuple[bytes, bytes], store: str = "chain", durable: bool = True
    ) -> None:
        disk, batch = self.disks[node], WriteBatch()
        for key, value in puts:
            if durable:
                disk.old.pop((store, key), None)
            else:
                disk.old.setdefault((store, key), disk.value(store, key))
            disk.values[store, key] = value
            batch.put(key, value)
        self.checkers.wrote(node, store, batch, is_durable=durable)

    def append(self, node: str, index: int, value: bytes, *, durable: bool = True) -> None:
        self.write(node, (number_key(b"l", index), value), durable=durable)

    def state(
        self, node: str, term: int, voted: int = 0, commit: int = 0, *, durable: bool = True
    ) -> None:
        self.write(node, (records.HARD_STATE_KEY, hard_state(term, voted, commit)), durable=durable)

    def compact(self, node: str, index: int, term: int) -> None:
        self.disks[node].values.pop(("chain", number_key(b"l", index)), None)
        self.write(node, (records.COMPACTED_KEY, compacted(index, term)))

    def record_vote(self, node: str, voted: bytes, *, durable: bool = True) -> None:
        decoded = ledger_pb2.Vote.FromString(voted)
        record = ledger_pb2.VoteRecord(
            epoch=decoded.epoch,
            height=decoded.height,
            block_hash=decoded.block_hash,
            vote=voted,
            signature=sign(node, voted),
        )
        value = SEAL + record.SerializeToString()
        self.write(node, (records.VOTE_KEY, value), store="votes", durable=durable)

    def certify(self, node: str, encoded: bytes, shown: bytes | None = None) -> None:
        height = ledger_pb2.BlockHeader.FromString(encoded).height
        self.write(
            node,
            (number_key(b"h", height), encoded),
            (number_key(b"c", height), shown or certificate(vote(encoded))),
        )

    def say(self, node: str, peer: str, kind: MessageKind, **fields: Any) -> None:
        self.checkers.watch_send(node, peer, RaftMessage(Message(kind, **fields)))

    def send_vote(self, node: str, voted: bytes) -> None:
        self.checkers.watch_send(node, "n3", VoteMessage(voted, sign(node, voted)))


def elect(history: History, *, voters: tuple[str, ...] = ("n1", "n2")) -> None:
    """The first validator leads in term 1."""
    for name in voters:
        history.state(name, 1, 1)
    history.say("n1", "n2", MessageKind.VOTE, term=1)
    for name in voters[1:]:
        history.say(name, "n1", MessageKind.VOTE_RESPONSE, term=1)
    history.say("n1", "n2", MessageKind.HEARTBEAT, term=1)


def order(history: History, index: int, encoded: bytes) -> None:
    """A block is in the log of all, committed."""
    for name in NAMES:
        history.append(name, index, entry(1, proposal(encoded)))
        history.say(name, "n1", MessageKind.APPEND_RESPONSE, term=1, log_index=index)
        history.state(name, 1, 1, index)


def finish(history: History, encoded: bytes) -> None:
    """All vote for a block and store its certificate."""
    for name in NAMES:
        history.record_vote(name, vote(encoded))
        history.send_vote(name, vote(encoded))
    for name in NAMES:
        history.certify(name, encoded)


def tell_good_story() -> History:
    history = History()
    elect(history)
    for index, encoded in ((1, B1), (2, B2)):
        order(history, index, encoded)
        finish(history, encoded)
    head = proofs_pb2.CertifiedHead(header=B2, certificate=certificate(vote(B2), ("n2", "n3")))
    history.checkers.watch_send("n1", "n2", CertificateMessage(head.SerializeToString()))
    history.compact("n1", 1, 1)
    return history


def test_a_good_history_breaks_no_rule() -> None:
    history = tell_good_story()
    assert history.checkers.violations == []
    assert history.checkers.certified_height == 2


# Ordering --------------------------------------------------------------------------------------------


def two_leaders(history: History) -> None:
    history.state("n3", 1, 1)
    history.say("n3", "n1", MessageKind.APPEND, term=1)


def two_entries_at_one_place(history: History) -> None:
    history.append("n1", 3, entry(1, b"", 1))
    history.append("n2", 3, entry(1, b"x", 1))


def two_logs_before_one_entry(history: History) -> None:
    for name, term in (("n1", 2), ("n2", 3)):
        history.append(name, 3, entry(term, b"", 1))
        history.append(name, 4, entry(3, b"", 1))


def a_leader_without_a_committed_entry(history: History) -> None:
    del history.disks["n3"].values["chain", number_key(b"l", 2)]
    history.state("n3", 2, 3, 1)  # a commit index may be lost
    history.checkers.violations.clear()
    history.say("n3", "n1", MessageKind.APPEND, term=2)


def two_committed_entries_at_one_place(history: History) -> None:
    for name, term in (("n1", 2), ("n2", 3)):
        history.append(name, 3, entry(term, b"", 1))
        history.state(name, 3, 1, 3)


def a_term_that_falls(history: History) -> None:
    history.state("n1", 2, 1, 2)
    history.state("n1", 1, 1, 2)


def a_commit_index_that_falls(history: History) -> None:
    history.state("n1", 1, 1, 1)


def another_choice_in_one_term(history: History) -> None:
    history.state("n2", 1, 2, 2)


# Order of writes -------------------------------------------------------------------------------------


def an_entry_acknowledged_too_early(history: History) -> None:
    history.append("n2", 3, entry(1, b"", 1), durable=False)
    history.say("n2", "n1", MessageKind.APPEND_RESPONSE, term=1, log_index=3)


def an_entry_acknowledged_that_is_not_there(history: History) -> None:
    history.say("n2", "n1", MessageKind.APPEND_RESPONSE, term=1, log_index=3)


def a_choice_sent_too_early(history: History) -> None:
    history.state("n2", 2, 3, 2, durable=False)
    history.say("n2", "n3", MessageKind.VOTE_RESPONSE, term=2)


def a_choice_of_another(history: History) -> None:
    history.state("n2", 2, 1, 2)
    history.say("n2", "n3", MessageKind.VOTE_RESPONSE, term=2)


def a_candidacy_sent_too_early(history: History) -> None:
    history.state("n2", 2, 2, 2, durable=False)
    history.say("n2", "n3", MessageKind.VOTE, term=2)


def a_vote_sent_too_early(history: History) -> None:
    voted = vote(header(3, parent=B2))
    history.record_vote("n2", voted, durable=False)
    history.send_vote("n2", voted)


# Finality --------------------------------------------------------------------------------------------


def two_votes_at_one_height(history: History) -> None:
    history.record_vote("n1", vote(B1_OTHER))


def two_results_of_one_block(history: History) -> None:
    history.send_vote("n1", vote(B2, state=b"another"))


def two_certificates_at_one_height(history: History) -> None:
    shown = certificate(vote(B2, state=b"another"))
    history.checkers.see_certificate("a client", shown, B2)


def a_block_that_does_not_follow(history: History) -> None:
    history.certify("n1", header(3, parent=B1))


def another_certified_block(history: History) -> None:
    history.checkers.see_certificate("a client", certificate(vote(B1_OTHER)), B1_OTHER)


def a_certificate_of_too_few(history: History) -> None:
    history.certify("n1", header(3, parent=B2), certificate(vote(header(3, parent=B2)), ("n1",)))


def a_certificate_of_another_height(history: History) -> None:
    history.certify("n1", header(3, parent=B2), certificate(vote(B2)))


def a_certificate_of_another_block(history: History) -> None:
    history.checkers.see_certificate("a client", certificate(vote(B2)), header(2))


def a_certificate_without_a_block(history: History) -> None:
    history.write("n1", (number_key(b"c", 3), certificate(vote(header(3, parent=B2)))))


def compaction_above_what_is_certified(history: History) -> None:
    history.append("n1", 3, entry(1, proposal(header(3, parent=B2))))
    history.compact("n1", 3, 1)


def compaction_behind_the_head(history: History) -> None:
    history.write("n1", (records.HEAD_KEY, SEAL + struct.pack(">QQQ", 2, 0, 2)))
    history.append("n1", 3, entry(1, b"", 1))
    history.compact("n1", 3, 1)


@pytest.mark.parametrize(
    ("deed", "rule"),
    [
        (two_leaders, "election-safety"),
        (two_entries_at_one_place, "log-matching"),
        (two_logs_before_one_entry, "log-matching"),
        (a_leader_without_a_committed_entry, "leader-completeness"),
        (two_committed_entries_at_one_place, "state-machine"),
        (a_term_that_falls, "hard-state"),
        (a_commit_index_that_falls, "hard-state"),
        (another_choice_in_one_term, "hard-state"),
        (an_entry_acknowledged_too_early, "order-of-writes"),
        (an_entry_acknowledged_that_is_not_there, "order-of-writes"),
        (a_choice_sent_too_early, "order-of-writes"),
        (a_choice_of_another, "order-of-writes"),
        (a_candidacy_sent_too_early, "order-of-writes"),
        (a_vote_sent_too_early, "order-of-writes"),
        (two_votes_at_one_height, "one-vote"),
        (two_results_of_one_block, "one-vote"),
        (two_certificates_at_one_height, "one-certificate"),
        (another_certified_block, "one-chain"),
        (a_block_that_does_not_follow, "one-chain"),
        (a_certificate_of_too_few, "certificate"),
        (a_certificate_of_another_height, "certificate"),
        (a_certificate_of_another_block, "certificate"),
        (a_certificate_without_a_block, "certificate"),
        (compaction_above_what_is_certified, "compaction"),
        (compaction_behind_the_head, "compaction"),
    ],
)
def test_a_rule_is_found_broken(deed: Callable[[History], None], rule: str) -> None:
    history = tell_good_story()
    deed(history)
    assert rule in history.rules, history.checkers.violations


def test_a_vote_that_is_sent_again_is_no_second_one() -> None:
    history = tell_good_story()
    history.send_vote("n1", vote(B2))
    assert history.rules == set()


def test_a_crash_may_take_a_commit_index_back() -> None:
    history = tell_good_story()
    history.checkers.lost("n1")
    history.state("n1", 1, 1, 1)
    assert history.rules == set()


def test_what_liars_could_add_counts_as_signed() -> None:
    history = History(frozenset({"n3"}))
    history.send_vote("n1", vote(B1))
    history.send_vote("n2", vote(B1_OTHER))
    assert "one-certificate" in history.rules


# Certificates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, ""),
        ({"signer_bits": b""}, "signer bits"),
        ({"signer_bits": b"\xc0\x00"}, "signer bits"),
        ({"signer_bits": b"\xd0"}, "signer bits"),
        ({"signer_bits": b"\x80"}, "1 signers, 2 needed"),
        ({"signer_bits": b"\xa0"}, "a signature is wrong"),
        ({"signatures": [sign("n1", vote(B1))]}, "a signature is wrong"),
        ({"signatures": [sign("n1", vote(B1)), sign("n1", vote(B1))]}, "a signature is wrong"),
        ({"signatures": [sign("n2", vote(B1)), sign("n1", vote(B1))]}, "a signature is wrong"),
        ({"signatures": [sign("n1", vote(B1)), bytes(63)]}, "a signature is wrong"),
        ({"vote": vote(B2)}, "a signature is wrong"),
    ],
)
def test_each_fault_of_a_certificate_is_found(changes: dict[str, Any], fault: str) -> None:
    good = ledger_pb2.QuorumCertificate.FromString(certificate(vote(B1)))
    fields: dict[str, Any] = {
        "vote": good.vote,
        "signer_bits": good.signer_bits,
        "signatures": list(good.signatures),
        **changes,
    }
    encoded = ledger_pb2.QuorumCertificate(**fields).SerializeToString()
    found = ELECTORATE.find_fault(encoded)
    assert found == fault if not fault else fault in found


def test_aggregates_are_verified_and_liars_raise_the_quorum() -> None:
    genesis = liars_genesis("bls12381")
    electorate = Electorate.make(
        {validator.id: validator.vote_key for validator in genesis.validators},
        is_bls=True,
        is_byzantine=True,
    )
    assert electorate.quorum == 3
    voted = make_vote(genesis, "a block")
    good = encode(certify(genesis, voted, ("n1", "n2", "n4")))
    assert electorate.find_fault(good) == ""
    assert "needed" in electorate.find_fault(encode(certify(genesis, voted, ("n1", "n2"))))
    other = ledger_pb2.QuorumCertificate.FromString(good)
    other.signer_bits = b"\xe0"  # the third instead of the fourth
    assert electorate.find_fault(other.SerializeToString()) == "a signature is wrong"


# The end of a run ------------------------------------------------------------------------------------


def transaction(label: bytes) -> tuple[bytes, bytes]:
    """Encoded, and its id."""
    encoded = ledger_pb2.Transaction(
        body=ledger_pb2.TransactionBody(author=label.decode()).SerializeToString()
    ).SerializeToString()
    [(transaction_id, _)] = records.transactions_of_proposal(proposal(B1, (encoded,)))
    return encoded, transaction_id


def receipts(*codes: int) -> bytes:
    encoded = [ledger_pb2.Receipt(code=code).SerializeToString() for code in codes]
    return b"".join(len(item).to_bytes(4, "big") + item for item in encoded)


FIRST, FIRST_ID = transaction(b"first")
SECOND, SECOND_ID = transaction(b"second")


def make_store() -> dict[bytes, bytes]:
    """Two blocks with a write each."""
    return {
        number_key(b"p", 1): proposal(B1, (FIRST,)),
        number_key(b"r", 1): receipts(0),
        number_key(b"p", 2): proposal(B2, (SECOND,)),
        number_key(b"r", 2): receipts(7),
    }


def check_acknowledged(store: dict[bytes, bytes]) -> set[str]:
    history = History()
    workload = SimpleNamespace(
        acknowledged=[
            Acknowledged(FIRST_ID, 1, 0, 0, "n1"),
            Acknowledged(SECOND_ID, 2, 0, 7, "n2"),
        ]
    )
    cluster: Any = SimpleNamespace(checkers=history.checkers, liars=frozenset[str]())
    check: Any = run._check_acknowledged  # pyright: ignore[reportPrivateUsage]
    check(cluster, workload, "n3", store)
    return history.rules


def test_acknowledged_writes_are_found_once_with_their_receipts() -> None:
    assert check_acknowledged(make_store()) == set()


def test_a_lost_write_is_found() -> None:
    store = make_store()
    store[number_key(b"p", 2)] = proposal(B2)
    assert check_acknowledged(store) == {"lost"}


def test_a_write_at_another_place_is_lost() -> None:
    store = make_store()
    store[number_key(b"p", 2)] = proposal(B2, (transaction(b"third")[0], SECOND))
    assert check_acknowledged(store) == {"lost"}


def test_a_write_that_is_there_twice_is_found() -> None:
    store = make_store()
    store[number_key(b"p", 3)] = proposal(header(3, parent=B2), (FIRST,))
    assert check_acknowledged(store) == {"twice"}


def test_another_receipt_is_found() -> None:
    store = make_store()
    store[number_key(b"r", 1)] = receipts(7)
    assert check_acknowledged(store) == {"receipt"}


def find_difference(change: Callable[[dict[bytes, bytes]], None]) -> str:
    one = {**make_store(), b"mhead": b"a", number_key(b"c", 1): certificate(vote(B1))}
    other = dict(one)
    change(other)
    return run._find_difference(one, other)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {b"mhead": b"b", number_key(b"l", 1): b"an entry"},
        {number_key(b"c", 1): certificate(vote(B1), ("n1", "n3"))},
        {number_key(b"p", 2): proposal(B2, (SECOND,), certificate(vote(B1), ("n2", "n3")))},
    ],
    ids=["the same", "what is local", "other signers", "other signers of the parent"],
)
def test_stores_that_say_the_same_are_equal(changes: dict[bytes, bytes]) -> None:
    assert find_difference(lambda store: store.update(changes)) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {b"s1": b"a value"},
        {number_key(b"r", 2): receipts(8)},
        {number_key(b"c", 1): certificate(vote(B1, state=b"another"))},
        {number_key(b"p", 2): proposal(B2)},
    ],
    ids=["more", "another receipt", "another vote", "another block"],
)
def test_stores_that_differ_are_found(changes: dict[bytes, bytes]) -> None:
    assert find_difference(lambda store: store.update(changes)) != ""


def test_a_missing_value_is_a_difference() -> None:
    assert find_difference(lambda store: store.pop(number_key(b"r", 2))) != ""  # type: ignore[arg-type]
