# SPDX-License-Identifier: Apache-2.0
"""Validators that lie, with their real keys, over the same network as everybody.

A liar has one or two faces. Each is a real node with a disk of its own and the liar's keys, so what it
says is as good as an honest validator's; whom which face is shown to changes. With two faces a liar
leads, votes and certifies twice (twins: Bano et al. 2020). Around the faces a liar has habits, drawn
anew every now and then: it claims elections it did not win, believes acknowledgements that never came,
changes what its faces say and makes up what they never would (`lies`).

Liars sign for each other and know all that any of them hears. Votes they collect become certificates
that are shown late, or to one validator only.

Only safety is asked of such a run: nothing that a certificate says is ever contradicted, and no honest
validator ends by itself.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from consensus import Message, MessageKind
from ledger.model.certificate import assemble_certificate
from ledger.model.codec import encode
from ledger.model.genesis import encode_genesis
from ledger.model.proofs import CertifiedHead
from ledger.node.config import NodeOptions
from ledger.node.core import NodeCore
from ledger.node.errors import NodeError
from ledger.node.keys import mark_vote_key_fresh
from ledger.node.peers import CertificateMessage, PeerMessage, RaftMessage, VoteMessage
from ledger.node.stores import make_rules
from ledger.node.transport.codec import PeerFrameError, PeerMessageError
from ledger.storage.errors import StorageError
from ledger.storage.kv import WriteBatch
from psetledger.v1 import ledger_pb2
from tests.support.simulation import records
from tests.support.simulation.clock import SimulatedClock
from tests.support.simulation.cluster import EPOCH_MS, SimulatedCluster, SimulatedNode, get_keys
from tests.support.simulation.disk import SimulatedDisk
from tests.support.simulation.evidence_watch import EvidenceWatch
from tests.support.simulation.lies import Garbage, OtherLog, contradict, sign_vote
from tests.support.simulation.loop import Process

HEARD_COUNT_MAX: Final = 200
HABITS_MS: Final = (300, 4_000)
"""How long a liar keeps its habits."""
DEEDS_MS: Final = (5, 250)
"""Between what a liar does unasked."""
DELAY_US_MAX: Final = 2_000_000


class Habit(Enum):
    """What a liar is at."""

    USURP = auto()
    """Wins every election in its own eyes, and begins them."""
    PRETEND = auto()
    """Counts every append as acknowledged."""
    FALSE_COMMIT = auto()
    LONG_LOG = auto()
    """Claims a longer log in elections."""
    GRANT = auto()
    """Votes for every candidate."""
    FALSE_ACKNOWLEDGEMENT = auto()
    OTHER_LOG = auto()
    """Sends other blocks to some, in the same term and at the same index."""
    DOUBLE_VOTE = auto()
    """Signs whatever it sees, and contradicts it elsewhere."""
    HIDE = auto()
    """Keeps votes and certificates to itself."""
    REVEAL = auto()
    """Shows certificates that it collected."""
    REPLAY = auto()
    GARBAGE = auto()
    DELAY = auto()
    DEAF = auto()
    """Its faces hear only those to whom they are shown."""


def _read_block_hash(vote: bytes) -> bytes:
    """Of what may be no vote."""
    try:
        return ledger_pb2.Vote.FromString(vote).block_hash
    except DecodeError:
        return b""


class _Unwatched:
    """`WriteWatcher`: what a liar writes proves nothing."""

    def wrote(self, node: str, store: str, batch: WriteBatch, *, is_durable: bool) -> None:
        pass

    def lost(self, node: str) -> None:
        pass


class Conspiracy:
    """All liars of a run."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.cluster = cluster
        self.rules = make_rules(cluster.genesis)
        self.heard: deque[PeerMessage] = deque(maxlen=HEARD_COUNT_MAX)
        self.headers: dict[bytes, bytes] = {}
        """By block hash."""
        self.votes: dict[bytes, dict[str, bytes]] = defaultdict(dict)
        """Signatures by vote and validator."""
        self.is_over = False
        if cluster.liars and cluster.scheme == "ed25519":
            EvidenceWatch(cluster)
        self.liars = [Liar(self, name) for name in sorted(cluster.liars)]

    def start(self) -> list[asyncio.Task[None]]:
        """Let them begin; what is returned ends some time after `is_over`."""
        for liar in self.liars:
            liar.start()
        return [self.cluster.loop.create_task(liar.live()) for liar in self.liars]

    def note(self, peer: str, message: PeerMessage) -> None:
        """One of them heard or said something."""
        self.heard.append(message)
        match message:
            case VoteMessage():
                self.votes[message.vote][peer] = message.signature
            case RaftMessage():
                for entry in message.message.entries:
                    if entry.kind == 0 and entry.data:
                        self._note_proposal(entry.data)
            case _:
                pass

    def _note_proposal(self, data: bytes) -> None:
        try:
            header, _ = records.header_of_proposal(data)
        except DecodeError:  # made up by one of them
            return
        self.headers[records.block_hash(header)] = header

    def find_certificates(self) -> list[CertificateMessage]:
        """Everything that can be certified with what they have."""
        cluster = self.cluster
        found: list[CertificateMessage] = []
        for vote, held in list(self.votes.items())[-12:]:
            header = self.headers.get(_read_block_hash(vote))
            signers = dict(held)
            for liar in self.liars:
                signers[liar.name] = sign_vote(liar.keys, vote).signature
            if header is None or len(signers) < cluster.checkers.electorate.quorum:
                continue
            certificate = encode(assemble_certificate(vote, signers, cluster.genesis.validator_set))
            if not cluster.checkers.electorate.find_fault(certificate):
                found.append(CertificateMessage(encode(CertifiedHead(header, certificate))))
        return found


class _FaceLinks:
    """`PeerLinks` of one face."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def send(self, peer: str, message: PeerMessage) -> None:
        self._face.liar.say(self._face, peer, message)

    def is_connected(self, peer: str) -> bool:
        return self._face.liar.conspiracy.cluster.network.is_connected(self._face.liar.name, peer)


class Face:
    """A real node of a liar's."""

    def __init__(self, liar: Liar, number: int) -> None:
        cluster = liar.conspiracy.cluster
        name = f"{liar.name}/{number}"
        self.liar = liar
        self.node = SimulatedNode(
            name,
            Path(cluster.nodes[liar.name].home.parent, name.replace("/", "-")),
            SimulatedDisk(name, cluster.random, _Unwatched()),
            SimulatedClock(cluster.loop, EPOCH_MS),
        )
        (self.node.home / "keys").mkdir(parents=True)
        self.other_log = OtherLog(liar.name, liar.keys, is_emptied=False)
        self.others_victims: frozenset[str] = frozenset()
        """Who gets the other log."""

    def boot(self) -> None:
        """Begin with an empty disk; when it comes to its end, once more."""
        liar, cluster = self.liar, self.liar.conspiracy.cluster
        self.node.disk.wipe()
        mark_vote_key_fresh(self.node.home, liar.keys.vote.public_key)
        config = replace(
            cluster.make_config(self.node), node=NodeOptions(liar.name, "genesis.json")
        )
        try:
            core = NodeCore(
                config,
                cluster.genesis,
                encode_genesis(cluster.genesis),
                liar.keys,
                cluster.make_environment(self.node, liar.process),
                _FaceLinks(self),
            )
        except (NodeError, StorageError) as error:
            cluster.trace.note(self.node.name, f"no face: {error}")
            return
        self.node.core = core
        core.start().add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self.liar.conspiracy.cluster.trace.note(self.node.name, f"face ended {error!r}")
        self.node.core = None
        self.liar.conspiracy.cluster.loop.call_later(0.5, self.boot)

    def hear(self, peer: str, message: PeerMessage) -> None:
        """As if it came from a validator."""
        if self.node.core is not None:
            self.node.core.listener.receive(peer, message)

    def hear_answer(self, peer: str, asked: Message, kind: MessageKind, *, index: int = 0) -> None:
        """An answer of the ordering that nobody gave."""
        answer = Message(
            kind, sender=asked.recipient, recipient=asked.sender, term=asked.term, log_index=index
        )
        self.liar.conspiracy.cluster.loop.call_after_us(
            200, self.hear, peer, RaftMessage(answer), context=self.liar.process.context
        )


class Liar:
    """One validator that lies. `PeerListener` for the network."""

    def __init__(self, conspiracy: Conspiracy, name: str) -> None:
        cluster = conspiracy.cluster
        self.conspiracy = conspiracy
        self.name = name
        self.keys = get_keys(name, cluster.scheme)
        self.process = Process(name)
        self._random = cluster.random
        self._peers = [other for other in cluster.names if other != name]
        self._victims = [other for other in self._peers if other not in cluster.liars]
        self.habits: frozenset[Habit] = frozenset()
        self.faces = [Face(self, number) for number in range(self._random.choice((1, 2, 2)))]
        self._shown: dict[str, Face] = {}

    def start(self) -> None:
        """Begin to listen and to speak."""
        self._choose()
        self.conspiracy.cluster.network.attach(self.name, self.process, self)
        for face in self.faces:
            self.conspiracy.cluster.loop.call_soon(face.boot, context=self.process.context)

    async def live(self) -> None:
        """Change habits, and do what nobody asked for."""
        loop, random = self.conspiracy.cluster.loop, self._random
        change_us = 0
        while not self.conspiracy.is_over:
            if loop.now_us >= change_us:
                self._choose()
                change_us = loop.now_us + random.randint(*HABITS_MS) * 1000
            loop.call_soon(self._do_something, context=self.process.context)
            await asyncio.sleep(random.randint(*DEEDS_MS) / 1000)
        self.habits = frozenset()

    def _choose(self) -> None:
        random = self._random
        count = random.choice((0, 1, 2, 2, 3, 4, 6))
        self.habits = frozenset(random.sample(list(Habit), count))
        if random.random() < 0.7:
            self._shown = {peer: random.choice(self.faces) for peer in self._peers}
        for face in self.faces:
            face.other_log = OtherLog(self.name, self.keys, is_emptied=random.random() < 0.5)
            face.others_victims = frozenset(
                random.sample(self._victims, random.randint(1, len(self._victims)))
            )
        habits = " ".join(sorted(habit.name for habit in self.habits))
        shown = " ".join(f"{peer}:{face.node.name}" for peer, face in self._shown.items())
        self.conspiracy.cluster.trace.note(self.name, f"habits [{habits}] shown {shown}")

    # What its faces say ---------------------------------------------------------------------------

    def say(self, face: Face, peer: str, message: PeerMessage) -> None:
        """A face wants to send something."""
        self._believe(face, peer, message)
        if self._shown.get(peer) is not face:
            return
        if peer in self.conspiracy.cluster.liars:
            self.utter(peer, message)
            return
        changed = self._change(face, peer, message)
        if changed is None:
            return
        if Habit.DELAY in self.habits and self._random.random() < 0.3:
            self.conspiracy.cluster.loop.call_after_us(
                self._random.randrange(DELAY_US_MAX),
                self.utter,
                peer,
                changed,
                context=self.process.context,
            )
            return
        self.utter(peer, changed)

    def _believe(self, face: Face, peer: str, message: PeerMessage) -> None:
        """Let a face believe that it was answered as it wishes."""
        if not isinstance(message, RaftMessage):
            return
        asked = message.message
        match asked.kind:
            case MessageKind.PRE_VOTE if Habit.USURP in self.habits:
                face.hear_answer(peer, asked, MessageKind.PRE_VOTE_RESPONSE)
            case MessageKind.VOTE if Habit.USURP in self.habits:
                face.hear_answer(peer, asked, MessageKind.VOTE_RESPONSE)
            case MessageKind.APPEND if Habit.PRETEND in self.habits:
                last = asked.log_index + len(asked.entries)
                face.hear_answer(peer, asked, MessageKind.APPEND_RESPONSE, index=last)
            case MessageKind.HEARTBEAT if Habit.PRETEND in self.habits:
                face.hear_answer(peer, asked, MessageKind.HEARTBEAT_RESPONSE)
            case _:
                pass

    def _change(self, face: Face, peer: str, message: PeerMessage) -> PeerMessage | None:
        random, habits = self._random, self.habits
        match message:
            case RaftMessage():
                return RaftMessage(self._change_raft(face, peer, message.message))
            case VoteMessage():
                self.conspiracy.note(self.name, message)
                if Habit.HIDE in habits and random.random() < 0.7:
                    return None
                if Habit.DOUBLE_VOTE in habits and random.random() < 0.5:
                    return sign_vote(self.keys, contradict(message.vote, random))
            case CertificateMessage():
                if Habit.HIDE in habits and random.random() < 0.8:
                    return None
            case _:
                pass
        return message

    def _change_raft(self, face: Face, peer: str, message: Message) -> Message:
        random, habits = self._random, self.habits
        match message.kind:
            case MessageKind.APPEND:
                if Habit.OTHER_LOG in habits and peer in face.others_victims:
                    message = face.other_log.rewrite(message)
                if Habit.FALSE_COMMIT in habits:
                    last = message.log_index + len(message.entries)
                    message = replace(message, commit=max(message.commit, last))
            case MessageKind.HEARTBEAT if Habit.FALSE_COMMIT in habits:
                message = replace(message, commit=message.commit + random.randint(0, 2))
            case MessageKind.VOTE | MessageKind.PRE_VOTE if Habit.LONG_LOG in habits:
                message = replace(
                    message,
                    log_index=message.log_index + random.randint(0, 50),
                    log_term=max(1, message.term - 1),
                )
            case _:
                pass
        return message

    def utter(self, peer: str, message: PeerMessage) -> None:
        """Send something to a validator; what the transport does not take never leaves."""
        if not isinstance(message, VoteMessage):
            # Votes that are kept can be read: others are made of them.
            self.conspiracy.heard.append(message)
        try:
            self.conspiracy.cluster.network.send(self.name, peer, message)
        except (PeerFrameError, PeerMessageError):
            self.conspiracy.cluster.trace.note(self.name, f"unsendable to {peer}")

    # What it hears (PeerListener) -----------------------------------------------------------------

    def receive(self, peer: str, message: PeerMessage) -> None:
        self.conspiracy.note(peer, message)
        if peer not in self.conspiracy.cluster.liars:
            self._answer(peer, message)
        for face in self.faces:
            if self._shown.get(peer) is face or Habit.DEAF not in self.habits:
                face.hear(peer, message)

    def connected(self, peer: str) -> None:
        for face in self.faces:
            if face.node.core is not None:
                face.node.core.listener.connected(peer)

    def lost(self, peer: str) -> None:
        for face in self.faces:
            if face.node.core is not None:
                face.node.core.listener.lost(peer)

    def _answer(self, peer: str, message: PeerMessage) -> None:
        """What a habit says at once, beside what the faces will say."""
        habits = self.habits
        match message:
            case RaftMessage():
                asked = message.message
                answer = Message(
                    MessageKind.VOTE_RESPONSE,
                    sender=asked.recipient,
                    recipient=asked.sender,
                    term=asked.term,
                )
                if asked.kind is MessageKind.VOTE and Habit.GRANT in habits:
                    self.utter(peer, RaftMessage(answer))
                elif asked.kind is MessageKind.PRE_VOTE and Habit.GRANT in habits:
                    pre = replace(answer, kind=MessageKind.PRE_VOTE_RESPONSE)
                    self.utter(peer, RaftMessage(pre))
                elif asked.kind is MessageKind.APPEND and Habit.FALSE_ACKNOWLEDGEMENT in habits:
                    last = asked.log_index + len(asked.entries)
                    kind = MessageKind.APPEND_RESPONSE
                    self.utter(peer, RaftMessage(replace(answer, kind=kind, log_index=last)))
            case VoteMessage() if Habit.DOUBLE_VOTE in habits:
                self.utter(peer, sign_vote(self.keys, message.vote))
                other = contradict(message.vote, self._random)
                for victim in self._victims:
                    if self._random.random() < 0.3:
                        self.utter(victim, sign_vote(self.keys, message.vote))
                    elif self._random.random() < 0.3:
                        self.utter(victim, sign_vote(self.keys, other))
            case _:
                pass

    # What it does unasked -------------------------------------------------------------------------

    def _do_something(self) -> None:
        random, habits = self._random, self.habits
        face = random.choice(self.faces)
        core, victim = face.node.core, random.choice(self._victims)
        if core is None:
            return
        if Habit.USURP in habits and random.random() < 0.15 and not core.driver.is_leader:
            core.driver.ordering.campaign()
            core.driver.notify()
        if Habit.REVEAL in habits and random.random() < 0.3:
            certificates = self.conspiracy.find_certificates()
            if certificates:
                self.utter(victim, random.choice(certificates))
        if Habit.DOUBLE_VOTE in habits and random.random() < 0.3:
            votes = list(self.conspiracy.votes)[-4:]
            if votes:
                self.utter(victim, sign_vote(self.keys, random.choice(votes)))
        if Habit.REPLAY in habits and self.conspiracy.heard:
            self._replay(core, victim)
        if Habit.GARBAGE in habits:
            garbage = Garbage(
                self.name,
                self.keys,
                core,
                self.conspiracy.rules,
                random,
                self.conspiracy.heard,
            )
            self.utter(victim, garbage.make(victim))

    def _replay(self, core: NodeCore, victim: str) -> None:
        """Something that was said once, by anybody, as its own."""
        message = self._random.choice(self.conspiracy.heard)
        if isinstance(message, RaftMessage):
            said = replace(
                message.message,
                sender=core.driver.get_number(self.name),
                recipient=core.driver.get_number(victim),
            )
            if self._random.random() < 0.5 and said.term:
                said = replace(said, term=core.driver.term)
            message = RaftMessage(said)
        self.utter(victim, message)
