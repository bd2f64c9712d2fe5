# SPDX-License-Identifier: Apache-2.0
"""One real validator, n1, among others whom the test plays: it hears what the test says, and everything
that it writes and sends can be looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from consensus import Entry, Message, MessageKind
from ledger.model.hashes import vote_message
from ledger.model.transaction_check import CheckedTransaction, check_transaction
from ledger.node.core import NodeCore
from ledger.node.membership import Membership
from ledger.node.peers import (
    BlocksMessage,
    BlocksRequest,
    CertificateMessage,
    PeerMessage,
    RaftMessage,
    VoteMessage,
)
from ledger.node.proposals import CheckedBlock, build_proposal
from ledger.node.stores import make_rules
from ledger.node.tip import Tip
from ledger.storage.log import chain_digest
from tests.support.ledger_world import make_genesis
from tests.support.node_harness import NodeHarness, RecordingLinks, make_keys, until

OWN = "n1"
LEADER = "n2"
"""The validator that leads in these tests, in term 1."""
TERM = 1
STEPS_COUNT = 6
"""More steps than follow from one message: persist, execute, vote, certify."""


class HeardNode:
    """n1 of a network; the others' keys are at hand."""

    def __init__(
        self, home: Path, *, names: Sequence[str] = ("n1", "n2", "n3"), fault_model: str = "crash"
    ) -> None:
        self.names = tuple(names)
        genesis = make_genesis(
            validators=names, fault_model=fault_model, certificate_scheme="ed25519"
        )
        self.harness = NodeHarness(home, genesis=genesis)
        self.links = RecordingLinks()
        self.harness.links = self.links
        self.rules = make_rules(genesis)
        self.membership = Membership.of_genesis(genesis.validators)
        self._marks = itertools.count(2**40)
        self._core: NodeCore | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[NodeCore]:
        """Drive the node. Time stands still unless the test moves it, so nobody stands for election."""
        async with self.harness.running() as core:
            self.use(core)
            yield core

    def use(self, core: NodeCore) -> None:
        """Speak to a node that somebody else drives."""
        self._core = core

    @property
    def core(self) -> NodeCore:
        assert self._core is not None, "it runs"
        return self._core

    @property
    def tip(self) -> Tip:
        return self.core.driver.tip

    @property
    def last_index(self) -> int:
        return self.core.driver.ordering.status().last_index

    # What the others say --------------------------------------------------------------------------

    async def hear(self, peer: str, *messages: PeerMessage) -> list[tuple[str, PeerMessage]]:
        """Say this to the node; what it has sent when it has heard all of it, and what came before.

        That it has heard is known by a question after it: messages are heard in their order.
        """
        mark = next(self._marks)
        for message in messages:
            self.core.listener.receive(peer, message)
        self.core.listener.receive(peer, BlocksRequest(mark, 0))
        answer = (peer, BlocksMessage(mark, ()))
        await until(lambda: answer in self.links.sent)
        await self.rest()
        return [sent for sent in self.links.take() if sent != answer]

    async def rest(self) -> None:
        """Wait until the node has nothing to do: all that its worker is given is done, and all that
        follows from it.
        """
        for _ in range(STEPS_COUNT):
            await self.core.driver.in_worker(lambda: None)
            for _ in range(STEPS_COUNT):
                await asyncio.sleep(0)

    def message(self, kind: MessageKind, *, sender: str = LEADER, **fields: Any) -> RaftMessage:
        """A message of the ordering to this node, in the present term."""
        values: dict[str, Any] = {"term": TERM, **fields}
        return RaftMessage(
            Message(
                kind,
                sender=self.membership.get_number(sender),
                recipient=self.membership.get_number(OWN),
                **values,
            )
        )

    def append(self, *contents: bytes, term: int = TERM, **fields: Any) -> RaftMessage:
        """The leader's append of entries after what the log holds."""
        last = self.last_index
        log_term, digest = self.core.driver.ordering.describe_entry(last)
        entries = tuple(Entry(last + 1 + n, term, data) for n, data in enumerate(contents))
        values: dict[str, Any] = {
            "log_index": last,
            "log_term": log_term,
            "chain_digest": digest,
            "entries": entries,
            "term": term,
            **fields,
        }
        return self.message(MessageKind.APPEND, **values)

    def heartbeat(self, commit: int) -> RaftMessage:
        return self.message(MessageKind.HEARTBEAT, commit=commit)

    def transaction(self, number: int) -> CheckedTransaction:
        return self.check(self.harness.transaction(number))

    def check(self, encoded: bytes) -> CheckedTransaction:
        return check_transaction(encoded, chain_id=self.rules.chain_id)

    def block(
        self,
        transactions: Sequence[CheckedTransaction] = (),
        *,
        proposer: str = LEADER,
        signer: str = "",
        time_ms: int | None = None,
        tip: Tip | None = None,
    ) -> CheckedBlock:
        """A block after the tip, as this validator proposes it."""
        return build_proposal(
            tip or self.tip,
            transactions,
            rules=self.rules,
            proposer=proposer,
            key=make_keys(signer or proposer, "ed25519").peer,
            time_ms=self.harness.clock.time_ms() if time_ms is None else time_ms,
        )

    def sign(self, name: str, vote: bytes) -> bytes:
        """A validator's signature under a canonical vote."""
        return make_keys(name, "ed25519").vote.sign(vote_message(vote))

    def vote(self, name: str, vote: bytes) -> VoteMessage:
        return VoteMessage(vote, self.sign(name, vote))

    # What happens in a good network ---------------------------------------------------------------

    async def lead(self) -> None:
        """n2 leads, and its first entry is here."""
        await self.hear(LEADER, self.append(b""))
        await until(lambda: self.core.driver.leader == LEADER)

    async def order(self, block: CheckedBlock) -> bytes:
        """A block is seen, ordered, executed and voted for; its vote."""
        height = block.header.height
        await self.hear(LEADER, self.append(block.proposal))
        assert self.core.driver.flight is not None, "the block was refused"
        await self.hear(LEADER, self.heartbeat(self.last_index))
        await until(lambda: self.core.driver.provisional or self.tip.height >= height)
        provisional = self.core.driver.provisional
        assert provisional is not None
        await self.rest()
        self.links.take()
        return provisional.executed.encoded_vote

    async def certify(self, block: CheckedBlock) -> bytes:
        """A block is certified with the votes of all others; its vote."""
        vote = await self.order(block)
        for name in self.names[1:]:
            await self.hear(name, self.vote(name, vote))
        await until(lambda: self.tip.height >= block.header.height)
        self.links.take()
        return vote

    # What must not move ---------------------------------------------------------------------------

    def state(self) -> tuple[object, ...]:
        """All that a refused message must leave as it is."""
        driver, stores = self.core.driver, self.harness.stores
        return (
            driver.ordering.status(),
            driver.tip,
            driver.provisional,
            driver.flight,
            driver.checked,
            driver.catch_up.target_height,
            len(self.core.pool),
            [list(stores[name].iterate(b"", b"\xff")) for name in ("chain", "votes")],
        )

    def state_but_leader(self) -> tuple[object, ...]:
        """The same, whomever the node follows."""
        status, *others = self.state()
        assert status == self.core.driver.ordering.status()
        return (replace(self.core.driver.ordering.status(), lead=0), *others)


def digest_after(digest: bytes, entries: Sequence[Entry]) -> bytes:
    """The chain digest of a log after these entries."""
    for entry in entries:
        digest = chain_digest(digest, entry)
    return digest


def raft_messages(sent: Sequence[tuple[str, PeerMessage]]) -> list[Message]:
    """The ordering's among what was sent."""
    return [message.message for _, message in sent if isinstance(message, RaftMessage)]


def certificates(sent: Sequence[tuple[str, PeerMessage]]) -> list[tuple[str, bytes]]:
    """Certified heads among what was sent, and to whom."""
    return [(peer, m.head) for peer, m in sent if isinstance(m, CertificateMessage)]
