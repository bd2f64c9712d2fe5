# SPDX-License-Identifier: Apache-2.0
"""From an ordered block to a certified one: execute, vote, find the certificate, write.

Rules of this file:
- Everything here runs in the writer thread, one call at a time; what it needs of the event loop's
  is handed in as values.
- A certificate is verified before anything follows from it, wherever it comes from. Votes are added
  up first and verified as one; only when that fails are the culprits looked for.
- A certificate for this block with another result means that this node, or a quorum, computes
  wrongly: stop, keep everything. One for another block means that this node's log was wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consensus import ConfState, Entry
from ledger.model.block import QuorumCertificate, Vote
from ledger.model.certificate import (
    CertificateError,
    assemble_certificate,
    decode_vote,
    find_invalid_votes,
    verify_certificate,
)
from ledger.model.codec import decode, encode
from ledger.model.limits import CERTIFICATE_SIZE_MAX
from ledger.model.proofs import CertifiedHead
from ledger.model.transaction_check import CheckedTransaction, check_transaction
from ledger.model.wire import EncodingError
from ledger.node.execution import ExecutedBlock, execute
from ledger.node.failpoints import Failpoint, FailpointHook
from ledger.node.membership import MEMBERS_PREFIXES, read_membership, read_validators
from ledger.node.proofs import BlockProver
from ledger.node.proposals import CheckedBlock, ProposalError, check_proposal, read_proposal
from ledger.node.tip import Tip
from ledger.node.validators import NetworkRules, Validators
from ledger.node.voting import Voter
from ledger.storage.blocks import StoredBlock
from ledger.storage.chain import ChainHead, ChainStore
from ledger.storage.errors import DIVERGENCE, CorruptionError

_log = logging.getLogger(__name__)

DIVERGENCE_REMEDY: Final = (
    "Do not start this node again: keep its directory as evidence, compare the release, the machine and"
    " reports/ with those of the others, and join anew."
)


class OtherBlockError(Exception):
    """A quorum has certified another block at this height: the own log was fed by a liar."""

    def __init__(self, certificate: bytes, vote: Vote) -> None:
        super().__init__(f"another block is certified at height {vote.height}")
        self.certificate = certificate
        self.vote = vote


class DivergenceError(CorruptionError):
    """A quorum has certified another result of the very block that this node has executed."""

    def __init__(self, provisional: Provisional, vote: Vote) -> None:
        height = provisional.height
        super().__init__(
            DIVERGENCE,
            f"the result of block {height} differs from the certified one: state root"
            f" {provisional.executed.state_root.hex()} here, {vote.state_root.hex()} certified",
            DIVERGENCE_REMEDY,
        )
        self.provisional = provisional
        self.vote = vote


@dataclass(frozen=True, slots=True)
class Provisional:
    """The block in flight: executed here, not certified."""

    executed: ExecutedBlock
    tip: Tip
    """The certified block that it follows."""
    signature: bytes | None
    """Under its vote, recorded durably; None where this node does not vote for it."""

    @property
    def height(self) -> int:
        return self.executed.block.header.height


class Finality:
    """Brings blocks to their certificates. Runs in the writer thread."""

    def __init__(
        self,
        *,
        rules: NetworkRules,
        chain: ChainStore,
        voter: Voter,
        failpoint: FailpointHook,
    ) -> None:
        self._rules = rules
        self._chain = chain
        self._voter = voter
        self._failpoint = failpoint

    # Check ----------------------------------------------------------------------------------------

    def check(
        self,
        encoded: bytes,
        tip: Tip,
        *,
        known: Mapping[bytes, CheckedTransaction],
        examine: Callable[[CheckedTransaction], None] | None = None,
    ) -> CheckedBlock:
        """Accept a proposal as the block after `tip`.

        `known` are transactions that were checked already, by their bytes: they are not verified
        again. `examine` is asked of each of the others where the block is seen for the first time; it
        raises TransactionRefusedError.

        Raises ProposalError.
        """

        def check(transaction: bytes) -> CheckedTransaction:
            held = known.get(transaction)
            if held is None:
                held = check_transaction(transaction, chain_id=self._rules.chain_id)
                if examine is not None:
                    examine(held)
            return held

        return check_proposal(read_proposal(encoded), tip, rules=self._rules, check=check)

    # Execute and vote -----------------------------------------------------------------------------

    def execute(self, block: CheckedBlock, tip: Tip) -> ExecutedBlock:
        """Execute a block on its tip; nothing is promised by that. Raises CorruptionError."""
        executed = execute(self._chain, tip, block, 0)
        self._failpoint(Failpoint.AFTER_EXECUTE, block.header.height)
        return executed

    def vote(self, executed: ExecutedBlock, tip: Tip, index: int) -> Provisional:
        """Vote for a block that is ordered and durable. Raises CorruptionError.

        `index` is that of the log entry that carries it.
        """
        placed = replace(executed, applied_index=index)
        return Provisional(placed, tip, self._voter.vote(placed, tip))

    # Certify --------------------------------------------------------------------------------------

    def verify(self, encoded: bytes, tip: Tip) -> Vote | None:
        """What a quorum says of the block after `tip`; None for a certificate that says nothing."""
        try:
            certificate = decode(QuorumCertificate, encoded, size_max=CERTIFICATE_SIZE_MAX)
            vote = verify_certificate(
                certificate,
                tip.validators.validator_set,
                chain_id=self._rules.chain_id,
                fault_model=self._rules.fault_model,
            )
        except (CertificateError, EncodingError):
            return None
        follows = vote.height == tip.height + 1 and vote.epoch == tip.header.epoch
        return vote if follows else None

    def find_certificate(
        self, provisional: Provisional, votes: Mapping[str, bytes], offered: Sequence[bytes]
    ) -> tuple[bytes | None, tuple[str, ...]]:
        """The certificate of a block, made of votes or taken from others, and whose votes were wrong.

        `votes` are signatures under its very vote, by validator; `offered` canonical
        QuorumCertificates that came from others.

        Raises:
            OtherBlockError, DivergenceError: a quorum says otherwise.
        """
        own = provisional.executed.encoded_vote
        for encoded in offered:
            vote = self.verify(encoded, provisional.tip)
            if vote is None:
                continue
            if encode(vote) == own:
                return encoded, ()
            if vote.block_hash != provisional.executed.block.block_hash:
                raise OtherBlockError(encoded, vote)
            raise DivergenceError(provisional, vote)
        validators = provisional.tip.validators
        if len(votes) < validators.quorum_size(self._rules):
            return None, ()
        return self._assemble(own, votes, validators)

    def _assemble(
        self, vote: bytes, votes: Mapping[str, bytes], validators: Validators
    ) -> tuple[bytes | None, tuple[str, ...]]:
        validator_set = validators.validator_set
        try:
            certificate = assemble_certificate(vote, votes, validator_set)
            verify_certificate(
                certificate,
                validator_set,
                chain_id=self._rules.chain_id,
                fault_model=self._rules.fault_model,
            )
        except CertificateError as error:
            wrong = find_invalid_votes(vote, votes, validator_set)
            if not wrong:
                # Each vote is good and their sum is not: nothing that others send can do that.
                raise CorruptionError(
                    DIVERGENCE,
                    f"good votes certify nothing: {error}",
                    "Check the machine and the installed BLS library.",
                ) from error
            return None, wrong
        return encode(certificate), ()

    def write(
        self,
        provisional: Provisional,
        certificate: bytes,
        awaited: Callable[[bytes], bool],
        conf: tuple[int, ConfState] | None,
    ) -> tuple[Tip, dict[bytes, bytes]]:
        """Make a certified block durable; the new tip, and the proofs for who waits."""
        executed, tip = provisional.executed, provisional.tip
        block, result = executed.block, executed.result
        self._failpoint(Failpoint.AFTER_CERTIFICATE, provisional.height)
        if provisional.signature is None:
            # Of one that does not certify yet: a record that stayed below the chain would silence the
            # key for ever (R7).
            self._voter.pledge(decode(Vote, executed.encoded_vote))
        self._chain.certify(
            StoredBlock(
                height=provisional.height,
                header=block.encoded_header,
                proposal=block.proposal,
                certificate=certificate,
                receipts=result.encoded_receipts,
                transaction_ids=[t.transaction_id for t in block.transactions],
                changes_validators=block.header.next_validators_hash
                != block.header.validators_hash,
            ),
            ChainHead(
                height=provisional.height,
                block_hash=block.block_hash,
                state_version=executed.state_version,
                state_root=executed.state_root,
                log_hashes=executed.log.hashes,
                applied_index=executed.applied_index or self._chain.head.applied_index,
            ),
            executed.changes,
            conf,
        )
        self._failpoint(Failpoint.AFTER_CERTIFY, provisional.height)
        head = CertifiedHead(block.encoded_header, certificate)
        next_validators, membership = tip.next_validators, tip.membership
        if any(key.startswith(MEMBERS_PREFIXES) for key, _ in executed.changes.writes):
            next_validators = read_validators(self._chain, executed.state_version)
            membership = read_membership(self._chain, executed.state_version)
        new_tip = Tip(
            header=block.header,
            block_hash=block.block_hash,
            head=head,
            log=executed.log,
            state_version=executed.state_version,
            state_root=executed.state_root,
            certified_by=tip.validators,
            validators=tip.next_validators,
            next_validators=next_validators,
            membership=membership,
        )
        return new_tip, _prove(executed, head, awaited)

    def take_over(
        self,
        encoded: bytes,
        certificate: bytes,
        tip: Tip,
        known: Mapping[bytes, CheckedTransaction],
    ) -> Provisional:
        """A block that others have certified, executed on `tip`; ready for `write`.

        This key pledges not to vote at that height: nothing of the block is in the log here.

        Raises:
            ProposalError: it is not what was asked for; whoever sent it is at fault.
            DivergenceError
        """
        vote = self.verify(certificate, tip)
        if vote is None:
            raise ProposalError("the certificate is not good")
        block = self.check(encoded, tip, known=known)
        if block.block_hash != vote.block_hash:
            raise ProposalError("the certificate is of another block")
        # No log entry carries it here, so nobody votes.
        provisional = Provisional(self.execute(block, tip), tip, None)
        if encode(vote) != provisional.executed.encoded_vote:
            raise DivergenceError(provisional, vote)
        self._voter.pledge(vote)
        return provisional


def read_height(entry: Entry) -> int:
    """The height of the block in a log entry that was checked at first sight."""
    return read_proposal(entry.data).header.height


def read_vote(encoded: bytes) -> Vote | None:
    """What a vote says, unverified; None for what is no vote."""
    try:
        return decode_vote(encoded)
    except CertificateError:
        return None


def _prove(
    executed: ExecutedBlock, head: CertifiedHead, awaited: Callable[[bytes], bool]
) -> dict[bytes, bytes]:
    transactions = executed.block.transactions
    wanted = [
        (index, transaction.transaction_id)
        for index, transaction in enumerate(transactions)
        if awaited(transaction.transaction_id)
    ]
    if not wanted:
        return {}
    prover = BlockProver(head, [t.encoded for t in transactions], executed.result.encoded_receipts)
    return {transaction_id: prover.prove(index) for index, transaction_id in wanted}
