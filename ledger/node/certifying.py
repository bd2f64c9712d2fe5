# SPDX-License-Identifier: Apache-2.0
"""Bringing the block in flight to its certificate, and taking over blocks that others certified.

Rules of this file:
- Votes are added up as they come; a certificate may as well come whole, from whoever has it, or in the
  block above. What it says decides: this block with this result, or stop; another block, and the own
  log was wrong.
- Evidence is kept before what it accuses is forgotten.
"""

from __future__ import annotations

import logging
from typing import NoReturn

from consensus import ConfState
from ledger.model.block import SignedVote
from ledger.node.driving import DriverParts, Driving
from ledger.node.finality import DivergenceError, OtherBlockError, Provisional
from ledger.node.peers import CertifiedBlock
from ledger.node.proposals import ProposalError
from ledger.node.tip import Tip
from ledger.node.votes import VoteBook

_log = logging.getLogger(__name__)


class Certifier:
    """Certifies the blocks of a driver. Lives on the event loop, works in the writer thread."""

    def __init__(self, driver: Driving, parts: DriverParts) -> None:
        self._offered: dict[str, tuple[int, bytes]] = {}
        """By validator: a height above the tip and a certificate of it, unverified."""
        self._driver = driver
        self._parts = parts
        self._book = VoteBook(parts.tip.height)
        self._is_possible = False
        self.conf: tuple[int, ConfState] | None = None
        """Members of the ordering as of an entry, applied and not durable; they become so with the
        block below.
        """

    @property
    def is_possible(self) -> bool:
        """Whether something came since a certificate was looked for."""
        return self._is_possible

    def note(self) -> None:
        """Something came that may make a certificate."""
        self._is_possible = True

    def offer(self, validator: str, height: int, certificate: bytes) -> None:
        """A validator says that this canonical QuorumCertificate is of a height above the tip."""
        self._offered[validator] = (height, certificate)
        self._is_possible = True

    def _take_offered(self, height: int) -> tuple[bytes, ...]:
        """What was offered for a height; each is tried once."""
        found = [name for name, (offered, _) in self._offered.items() if offered == height]
        return tuple(self._offered.pop(name)[1] for name in found)

    def certified(self, height: int) -> None:
        """The tip is at this height."""
        self._book.certified(height)
        self._offered = {name: held for name, held in self._offered.items() if held[0] > height}
        self._is_possible = True

    def add_vote(self, height: int, vote: SignedVote) -> None:
        """Somebody's vote for a height above the tip; contradictions are proof against it."""
        contradiction = self._book.add(height, vote)
        if contradiction is not None:
            first, second = contradiction.first, contradiction.second
            validators = self._driver.tip.validators.validator_set
            self._parts.accuse(lambda keeper: keeper.keep_double_vote(first, second, validators))
        self._is_possible = True

    def is_vote_kept(self, height: int) -> bool:
        """Whether votes for this height are of use."""
        return self._book.is_open(height)

    async def certify(self, offered: tuple[bytes, ...]) -> bool:
        """Certify the block in flight if a certificate can be had; whether it was.

        `offered` are canonical QuorumCertificates, unverified.
        """
        self._is_possible = False
        provisional = self._driver.provisional
        if provisional is None:
            return False
        height, own_vote = provisional.height, provisional.executed.encoded_vote
        validators = provisional.tip.validators
        votes = {
            name: signature
            for name, signature in self._book.signatures(height, own_vote).items()
            if validators.find(name) is not None
        }
        if provisional.signature is not None:
            votes[self._parts.validator_id] = provisional.signature
        offered = (*offered, *self._take_offered(height))
        if not offered and len(votes) < validators.quorum_size(self._parts.rules):
            return False
        finality, conf, pool = self._parts.finality, self.conf, self._parts.pool

        def work() -> tuple[tuple[str, ...], tuple[Tip, dict[bytes, bytes]] | None]:
            certificate, wrong = finality.find_certificate(provisional, votes, offered)
            if certificate is None:
                return wrong, None
            return wrong, finality.write(provisional, certificate, pool.is_awaited, conf)

        try:
            wrong, certified = await self._driver.in_worker(work)
        except OtherBlockError as error:
            await self._fall_back(provisional, error)
        except DivergenceError as error:
            await self._report(error)
            raise
        if wrong:
            _log.warning("votes with wrong signatures height=%d of=%s", height, ",".join(wrong))
            self._book.remove(height, wrong)
            self._is_possible = True
        if certified is None:
            return False
        self.conf = None
        self._driver.go_on(provisional, *certified)
        return True

    async def take_over(self, block: CertifiedBlock) -> None:
        """A certified block from another validator."""
        provisional = self._driver.provisional
        if provisional is not None and await self.certify((block.certificate,)):
            return
        tip, finality, pool = self._driver.tip, self._parts.finality, self._parts.pool

        def work() -> tuple[Provisional, tuple[Tip, dict[bytes, bytes]]]:
            taken = finality.take_over(block.proposal, block.certificate, tip, pool.checked)
            return taken, finality.write(taken, block.certificate, pool.is_awaited, None)

        try:
            taken, certified = await self._driver.in_worker(work)
        except ProposalError as error:
            source = self._driver.catch_up.source
            _log.warning(
                "certified block refused height=%d of=%s %s", tip.height + 1, source, error
            )
            self._driver.catch_up.pass_over(self._driver.others)
            return
        except DivergenceError as error:
            await self._report(error)
            raise
        self._driver.go_on(taken, *certified)

    async def _report(self, error: DivergenceError) -> None:
        await self._driver.in_worker(lambda: self._parts.report_divergence(error))

    async def _fall_back(self, provisional: Provisional, error: OtherBlockError) -> NoReturn:
        """A quorum has certified another block than the one executed here: the log was wrong.

        Keep the evidence, forget what the log holds above the tip, begin anew.
        """
        block = provisional.executed.block
        _log.error(
            "another block is certified height=%d own=%s certified=%s: falling back",
            provisional.height,
            block.block_hash.hex(),
            error.vote.block_hash.hex(),
        )
        validators = provisional.tip.validators.validator_set
        self._parts.accuse(
            lambda keeper: keeper.keep_invalid_proposal(
                block.proposal, "a quorum has certified another block of this height", validators
            )
        )

        def work() -> None:
            self._parts.pledge(error)
            self._parts.chain.fall_back()

        await self._driver.in_worker(work)
        self.conf = None
        self._driver.catch_up.want(error.vote.height, self._driver.others[0])
        self._driver.begin_anew()
