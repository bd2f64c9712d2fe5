# SPDX-License-Identifier: Apache-2.0
"""When this validator votes, and that it never votes twice.

    R1  only for a block that is durable and ordered here, and executed; above every height voted
        for; one vote per (epoch, height, round)
    R2  the block descends from the last one voted for, or from a certified one at that height or
        above
    R5  the vote is sent again from the record after a restart, never made anew
    R7  no record of the votes, or one older than the chain: this key never votes again

(architecture, section 6.) A vote is signed, then recorded durably, then counted and sent: until the
record is durable nothing has left.

Where a certificate for a height is known before this key has voted there, it pledges instead: the
record moves up without a vote, and the key never votes at or below that height.
"""

from __future__ import annotations

from ledger.model.block import Vote, VoteRecord
from ledger.model.hashes import vote_message
from ledger.model.private_key import PrivateKey
from ledger.node.execution import ExecutedBlock
from ledger.node.failpoints import Failpoint, FailpointHook
from ledger.node.tip import Tip
from ledger.storage.errors import DIVERGENCE, CorruptionError
from ledger.storage.vote_record import VoteRecordStore


class Voter:
    """Gives this validator's votes."""

    def __init__(
        self,
        votes: VoteRecordStore,
        key: PrivateKey,
        validator_id: str,
        *,
        no_vote_reason: str = "",
        failpoint: FailpointHook,
    ) -> None:
        """`no_vote_reason` is why the key may not vote, as found when the stores were opened."""
        self._votes = votes
        self._key = key
        self._validator_id = validator_id
        self._failpoint = failpoint
        self.no_vote_reason = no_vote_reason

    def vote(self, executed: ExecutedBlock, tip: Tip) -> bytes | None:
        """The signature under the block's vote, recorded durably; None if this key may not vote.

        `tip` is the certified block that the executed one follows.

        Raises:
            CorruptionError: DIVERGENCE, when this node has voted otherwise at this height.
        """
        if self.no_vote_reason or tip.validators.find(self._validator_id) is None:
            return None
        header = executed.block.header
        record = self._votes.latest
        if record is None:
            raise ValueError("a voter without a record has a reason not to vote")
        if record.epoch == header.epoch and record.height >= header.height:
            return self._recall(record, executed)
        # One block in flight: what is executed always follows the newest certified block, so the
        # last block voted for is that one or below it (R2).
        if record.epoch == header.epoch and record.height > tip.height:
            raise CorruptionError(
                DIVERGENCE, f"this node has voted for {record.height}, above block {tip.height}"
            )
        signature = self._key.sign(vote_message(executed.encoded_vote))
        self._failpoint(Failpoint.AFTER_SIGN, header.height)
        self._votes.record(
            VoteRecord(
                epoch=header.epoch,
                height=header.height,
                round=0,
                block_hash=executed.block.block_hash,
                vote=executed.encoded_vote,
                signature=signature,
            )
        )
        self._failpoint(Failpoint.AFTER_VOTE_RECORD, header.height)
        return signature

    def pledge(self, vote: Vote) -> None:
        """A quorum has certified this vote: never vote at its height or below, from now on durably.

        Nothing where the key has voted at that height for the same block, or above it.
        """
        record = self._votes.latest
        if record is None or self.no_vote_reason or record.epoch > vote.epoch:
            return
        if record.epoch == vote.epoch and (
            record.height > vote.height
            or (record.height == vote.height and record.block_hash == vote.block_hash)
        ):
            return
        self._votes.pledge(vote.epoch, vote.height, vote.block_hash)

    def _recall(self, record: VoteRecord, executed: ExecutedBlock) -> bytes | None:
        """What the record says of a height at or below it."""
        height = executed.block.header.height
        if not record.vote:
            return None  # pledged: others have certified it
        if record.height > height:
            raise CorruptionError(
                DIVERGENCE, f"this node has voted for {record.height}, above block {height}"
            )
        if record.vote != executed.encoded_vote:
            raise CorruptionError(
                DIVERGENCE,
                f"this node has voted otherwise for block {height}: another block, or its"
                " execution gives another result now",
                "Run the release that gave the vote; keep the directory as evidence.",
            )
        return record.signature
