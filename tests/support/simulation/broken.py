# SPDX-License-Identifier: Apache-2.0
"""Validators with a known defect, each of which the checkers must catch.

A defect is in the code (`install`, undone after the run), in the machines (`prepare`), or both. It is
caught when a violation of its rule was found within its number of seeds; the profile is one under which
it matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import pytest

from consensus import MessageKind, Ready
from ledger.model.block import QuorumCertificate, VoteRecord
from ledger.model.codec import decode, encode
from ledger.model.proofs import CertifiedHead
from ledger.node import driver as driver_module
from ledger.node import stores as stores_module
from ledger.node.driver import Driver
from ledger.node.finality import Finality, read_vote
from ledger.node.keys import mark_vote_key_fresh
from ledger.node.peers import CertificateMessage, PeerMessage, RaftMessage, VoteMessage
from ledger.node.proofs import BlockProver
from ledger.storage.chain import ChainStore
from ledger.storage.kv import WriteBatch
from ledger.storage.vote_record import VoteRecordStore
from psetledger.v1 import ledger_pb2
from tests.support.simulation import records
from tests.support.simulation.checkers import Checkers
from tests.support.simulation.cluster import SimulatedCluster, get_keys
from tests.support.simulation.faults import PROFILES, Profile
from tests.support.simulation.network import LinkQuality
from tests.support.simulation.run import Result, Setting, simulate

FAULTS_MS: Final = 8_000
WIPE_MS: Final = (1_000, 3_000)
"""Between two new disks, and how long a machine is off."""


def _no_install(patch: pytest.MonkeyPatch) -> None:
    """The code is as it is."""
    del patch


def _no_prepare(cluster: SimulatedCluster) -> None:
    """The machines are as they are."""
    del cluster


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong, and what must come of it."""

    name: str
    rules: frozenset[str]
    """Of which one must be found violated."""
    profile: Profile
    seeds_count_max: int = 20
    install: Callable[[pytest.MonkeyPatch], None] = _no_install
    prepare: Callable[[SimulatedCluster], None] = _no_prepare
    surroundings: Callable[[SimulatedCluster], None] = _no_prepare
    """What befalls sound validators too."""
    faults_ms: int = FAULTS_MS
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class Catch:
    """A seed that shows a defect."""

    seed: int
    result: Result


def mend(defect: Defect) -> Defect:
    """The same surroundings without what is wrong."""
    return replace(defect, install=_no_install, prepare=_no_prepare)


def run_seed(defect: Defect, seed: int) -> Result:
    """One seed with a defect, which is gone afterwards."""

    def prepare(cluster: SimulatedCluster) -> None:
        defect.surroundings(cluster)
        defect.prepare(cluster)

    with pytest.MonkeyPatch.context() as patch:
        defect.install(patch)
        return simulate(
            seed,
            defect.profile,
            setting=Setting(),
            prepare=prepare,
            faults_ms=defect.faults_ms,
            is_live=False,
        )


def find_rules(result: Result) -> frozenset[str]:
    """Which rules a run violated."""
    return frozenset(violation.split(":")[0] for violation in result.violations)


def catch(defect: Defect) -> Catch | None:
    """The first seed that shows a defect, or None."""
    for seed in range(1, defect.seeds_count_max + 1):
        result = run_seed(defect, seed)
        if find_rules(result) & defect.rules:
            return Catch(seed, result)
    return None


# What reaches the disk -------------------------------------------------------------------------------


def _ignore_syncs(
    is_ignored: Callable[[str, WriteBatch], bool],
) -> Callable[[SimulatedCluster], None]:
    def prepare(cluster: SimulatedCluster) -> None:
        for node in cluster.nodes.values():
            node.disk.is_sync_ignored = is_ignored

    return prepare


def _is_of_votes(store: str, batch: WriteBatch) -> bool:
    del batch
    return store == "votes"


def _is_of_log(store: str, batch: WriteBatch) -> bool:
    keys = {key for key, _ in batch.operations}
    return store == "chain" and records.HEAD_KEY not in keys and any(k[:1] == b"l" for k in keys)


def _is_of_choice(store: str, batch: WriteBatch) -> bool:
    keys = {key for key, _ in batch.operations}
    return store == "chain" and keys == {records.HARD_STATE_KEY}


def _look_at_consequences(patch: pytest.MonkeyPatch) -> None:
    """Nobody compares what leaves with what is durable: only what comes of it can show."""

    def look_away(*_: object) -> None:
        """Find nothing."""

    for name in ("_check_entry_durable", "_check_choice_durable", "_check_vote_durable"):
        patch.setattr(Checkers, name, look_away)


def _answer_before_persisting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(driver_module, "_BEFORE_PERSIST", frozenset(MessageKind))


def _keep_votes_in_memory(patch: pytest.MonkeyPatch) -> None:
    def record(self: VoteRecordStore, record: VoteRecord) -> None:
        self._latest = record  # pyright: ignore[reportPrivateUsage]

    patch.setattr(VoteRecordStore, "record", record)


def _compact_what_is_in_flight(patch: pytest.MonkeyPatch) -> None:
    persist = ChainStore.persist

    def persist_and_compact(self: ChainStore, ready: Ready) -> None:
        persist(self, ready)
        if ready.entries:
            batch = WriteBatch()
            self.log.compact(batch, self.log.last_index())
            self._write_log(batch)  # pyright: ignore[reportPrivateUsage]

    patch.setattr(ChainStore, "persist", persist_and_compact)


# What is forgotten -----------------------------------------------------------------------------------


def _forget_what_is_in_flight(patch: pytest.MonkeyPatch) -> None:
    """A start drops the log above the certified chain, and the vote that was given there."""
    check = stores_module._check  # pyright: ignore[reportPrivateUsage]

    def forget(chain: ChainStore, votes: VoteRecordStore, *rest: object) -> object:
        head = chain.head
        if head.height > 0 and votes.latest is not None and votes.latest.height > head.height:
            chain.fall_back()
            certificate = chain.blocks.certificate(head.height)
            assert certificate is not None
            votes._latest = VoteRecord(  # pyright: ignore[reportPrivateUsage]
                height=head.height,
                block_hash=head.block_hash,
                vote=records.vote_of(certificate),
                signature=b"forgotten",
            )
        return check(chain, votes, *rest)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    patch.setattr(stores_module, "_check", forget)


def _slow_disks(cluster: SimulatedCluster) -> None:
    """A block is in flight most of the time."""
    for node in cluster.nodes.values():
        node.disk.speed = replace(node.disk.speed, sync_us=40_000)


def wipe_disks(cluster: SimulatedCluster, *, is_marked: bool) -> None:
    """Put empty disks into machines now and then; `is_marked`: and call their old keys new ones."""
    loop, random = cluster.loop, cluster.random

    def wipe() -> None:
        name = random.choice(cluster.names)
        node = cluster.nodes[name]
        cluster.crash(name)
        node.disk.wipe()
        cluster.trace.note(name, "an empty disk")
        if is_marked:
            key = get_keys(name, cluster.scheme).vote.public_key
            mark_vote_key_fresh(node.home, key)
        loop.call_later(random.randint(*WIPE_MS) / 10_000, cluster.start, name)
        loop.call_later(random.randint(*WIPE_MS) / 1000, wipe)

    loop.call_later(random.randint(*WIPE_MS) / 1000, wipe)


# What is believed ------------------------------------------------------------------------------------


def forge_certificates(cluster: SimulatedCluster) -> None:
    """Somebody on the network answers every vote with a certificate of it that nobody signed."""
    headers: dict[bytes, bytes] = {}
    count = len(cluster.names)
    bits = ((1 << 8) - (1 << 8 - count)).to_bytes(1, "big")

    def slip_in(node: str, peer: str, message: PeerMessage) -> None:
        recipient = cluster.nodes[peer]
        if recipient.core is not None and recipient.process is not None:
            listener, context = recipient.core.listener, recipient.process.context
            cluster.loop.call_soon(listener.receive, node, message, context=context)

    def watch(node: str, peer: str, message: PeerMessage) -> None:
        match message:
            case RaftMessage():
                for entry in message.message.entries:
                    if entry.data and message.message.kind is MessageKind.APPEND and not entry.kind:
                        header, _ = records.header_of_proposal(entry.data)
                        headers[records.block_hash(header)] = header
            case VoteMessage():
                block_hash = ledger_pb2.Vote.FromString(message.vote).block_hash
                if block_hash in headers:
                    signatures = tuple(cluster.random.randbytes(64) for _ in range(count))
                    forged = QuorumCertificate(
                        vote=message.vote, signer_bits=bits, signatures=signatures
                    )
                    head = encode(CertifiedHead(headers[block_hash], encode(forged)))
                    slip_in(node, peer, CertificateMessage(head))
            case _:
                pass

    cluster.network.watchers.append(watch)


def _believe_certificates(patch: pytest.MonkeyPatch) -> None:
    def verify(self: Finality, encoded: bytes, tip: object) -> object:
        del self, tip
        return read_vote(decode(QuorumCertificate, encoded).vote)

    patch.setattr(Finality, "verify", verify)


def _believe_oneself(patch: pytest.MonkeyPatch) -> None:
    """Reads are answered from what is certified here, whatever others have certified since."""

    async def confirm_read(self: Driver) -> bool:
        del self
        return True

    patch.setattr(Driver, "confirm_read", confirm_read)


def _answer_before_certifying(patch: pytest.MonkeyPatch) -> None:
    """Who waits is answered with the own vote alone, as soon as it is given."""
    apply_block = Driver._apply_block  # pyright: ignore[reportPrivateUsage]

    async def apply_and_answer(self: Driver, entry: object) -> None:
        await apply_block(self, entry)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        provisional = self.provisional
        if provisional is None or provisional.signature is None:
            return
        parts = self._parts  # pyright: ignore[reportPrivateUsage]
        executed = provisional.executed
        own = 1 << 7 - sorted((*self.others, parts.validator_id)).index(parts.validator_id)
        certificate = QuorumCertificate(
            vote=executed.encoded_vote,
            signer_bits=bytes((own,)),
            signatures=(provisional.signature,),
        )
        transactions = executed.block.transactions
        prover = BlockProver(
            CertifiedHead(executed.block.encoded_header, encode(certificate)),
            [t.encoded for t in transactions],
            executed.result.encoded_receipts,
        )
        proofs = {t.transaction_id: prover.prove(index) for index, t in enumerate(transactions)}
        parts.pool.settle(tuple(proofs), proofs)

    patch.setattr(Driver, "_apply_block", apply_and_answer)


_STORMS: Final = Profile("storms", storm=1, pause_ms=(2_000, 4_000), duration_ms=(10, 400))
_ELECTIONS: Final = Profile(
    "elections",
    crash=3,
    storm=1,
    partition=2,
    one_way=2,
    pause_ms=(100, 600),
    duration_ms=(50, 1_500),
    quality=LinkQuality(delay_spread_us=300_000, loss_rate=0.1),
)
"""Many terms, and votes that are given again soon after a crash."""
_CALM: Final = Profile("calm", clock=1, pause_ms=(3_000, 3_000))
"""Nothing happens: the faults are over before the first."""
_ORDER: Final = frozenset({"order-of-writes"})

DEFECTS: Final = (
    Defect(
        "the vote's record is not synced",
        _ORDER,
        _CALM,
        seeds_count_max=1,
        prepare=_ignore_syncs(_is_of_votes),
        faults_ms=2_500,
    ),
    Defect(
        "the vote's record is not written",
        _ORDER,
        _CALM,
        seeds_count_max=1,
        install=_keep_votes_in_memory,
        faults_ms=2_500,
    ),
    Defect(
        "log entries are not synced",
        _ORDER,
        _CALM,
        seeds_count_max=1,
        prepare=_ignore_syncs(_is_of_log),
        faults_ms=2_500,
    ),
    Defect(
        "term and vote are not synced",
        _ORDER,
        _CALM,
        seeds_count_max=1,
        prepare=_ignore_syncs(_is_of_choice),
        faults_ms=2_500,
    ),
    Defect(
        "answers leave before anything is written",
        _ORDER,
        _CALM,
        seeds_count_max=1,
        install=_answer_before_persisting,
        faults_ms=2_500,
    ),
    Defect(
        "the log is compacted above the certified chain",
        frozenset({"compaction"}),
        _CALM,
        seeds_count_max=1,
        install=_compact_what_is_in_flight,
        faults_ms=2_500,
    ),
    Defect(
        "a client is answered before the block is certified",
        frozenset({"certificate"}),
        _CALM,
        seeds_count_max=1,
        install=_answer_before_certifying,
        faults_ms=2_500,
    ),
    Defect(
        "certificates are not verified",
        frozenset({"certificate"}),
        _CALM,
        seeds_count_max=1,
        install=_believe_certificates,
        surroundings=forge_certificates,
        faults_ms=2_500,
    ),
    Defect(
        "what was voted for is forgotten at a start",
        frozenset({"one-vote"}),
        _STORMS,
        install=_forget_what_is_in_flight,
        surroundings=_slow_disks,
    ),
    Defect(
        "an empty disk under a key that has voted",
        frozenset({"one-vote", "one-certificate", "one-chain"}),
        PROFILES["crash"],
        prepare=lambda cluster: wipe_disks(cluster, is_marked=True),
    ),
    Defect(
        "reads are not confirmed",
        frozenset({"linearizability"}),
        PROFILES["partition"],
        install=_believe_oneself,
        faults_ms=20_000,
    ),
    Defect(
        "log entries are not synced, and machines fail",
        frozenset({"leader-completeness", "one-vote", "state-machine", "lost"}),
        _STORMS,
        seeds_count_max=60,
        install=_look_at_consequences,
        prepare=_ignore_syncs(_is_of_log),
        surroundings=_slow_disks,
        faults_ms=20_000,
        is_long=True,
    ),
    Defect(
        "term and vote are not synced, and machines fail",
        frozenset({"election-safety"}),
        _ELECTIONS,
        seeds_count_max=60,
        install=_look_at_consequences,
        prepare=_ignore_syncs(_is_of_choice),
        faults_ms=20_000,
        is_long=True,
    ),
)
