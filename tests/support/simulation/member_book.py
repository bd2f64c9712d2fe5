# SPDX-License-Identifier: Apache-2.0
"""Who certifies which height, read from certified blocks and their receipts by rules of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

from psetledger.v1 import ledger_pb2, operations_pb2
from tests.support.simulation.records import (
    Electorate,
    header_of_proposal,
    transactions_of_proposal,
)

APPLIED: Final = 1
DELAY: Final = 2
"""A change in block g counts from g + DELAY on."""


class MemberBook:
    """Reads blocks in the order of their heights."""

    def __init__(
        self, validators: Mapping[str, bytes], *, is_bls: bool, is_byzantine: bool
    ) -> None:
        """`validators` are the canonical records of those of genesis, by id."""
        self._records = dict(validators)
        self._is_bls = is_bls
        self._is_byzantine = is_byzantine
        self.height = 0
        self.active = set(validators)
        self.learners: set[str] = set()
        self.removed: dict[str, int] = {}
        """With the block that did it."""
        self.numbers = {name: number for number, name in enumerate(sorted(validators), 1)}
        """In the ordering: those of genesis by id, then one after the other."""
        self._sets: list[tuple[int, tuple[str, ...]]] = [(0, tuple(sorted(validators)))]
        """From which height on who certifies; ascending."""

    @property
    def changes_count(self) -> int:
        """How often the set of validators was changed."""
        return len(self._sets) - 1

    def get_set(self, height: int) -> tuple[str, ...]:
        """Ids of those who certify a height, ascending."""
        return next(ids for first, ids in reversed(self._sets) if first <= height)

    def get_electorate(self, height: int) -> Electorate:
        """The same, with keys and quorum."""
        keys = {
            name: operations_pb2.Validator.FromString(self._records[name]).vote_key
            for name in self.get_set(height)
        }
        return Electorate.make(keys, is_bls=self._is_bls, is_byzantine=self._is_byzantine)

    def compute_hash(self, height: int) -> bytes:
        """What headers say of the validators of a height."""
        whole = ledger_pb2.ValidatorSet(
            validators=[
                operations_pb2.Validator.FromString(self._records[name])
                for name in self.get_set(height)
            ]
        )
        encoded = whole.SerializeToString(deterministic=True)
        return sha256(b"psetledger/validators/v1\x00" + encoded).digest()

    def read_block(
        self, height: int, proposal: bytes, receipts: Sequence[ledger_pb2.Receipt]
    ) -> str:
        """Take in the next certified block; others are passed over. What is wrong in it, or nothing."""
        if height != self.height + 1:
            return ""
        self.height = height
        _, header = header_of_proposal(proposal)
        for receipt, (_, body) in zip(receipts, transactions_of_proposal(proposal), strict=True):
            if receipt.code == APPLIED:
                self._apply(height, body)
        # What this block changes counts later than what its header can say.
        if header.validators_hash != self.compute_hash(height):
            return f"block {height} names others than its validators"
        if header.next_validators_hash != self.compute_hash(height + 1):
            return f"block {height} names others than the next validators"
        return ""

    def _apply(self, height: int, body: ledger_pb2.TransactionBody) -> None:
        before = set(self.active)
        match body.WhichOneof("operation"):
            case "admit_validator":
                validator = body.admit_validator.validator
                if validator.id in self.numbers:
                    return  # applied before: the same transaction again
                self._records[validator.id] = validator.SerializeToString(deterministic=True)
                self.numbers[validator.id] = len(self.numbers) + 1
                self.learners.add(validator.id)
            case "activate_validator":
                activated = body.activate_validator
                if activated.validator_id not in self.learners:
                    return
                self.learners.remove(activated.validator_id)
                self.active.add(activated.validator_id)
                if activated.replaces:
                    self._remove(activated.replaces, height)
            case "remove_validator":
                self._remove(body.remove_validator.validator_id, height)
            case _:
                return
        if self.active != before:
            self._sets.append((height + DELAY, tuple(sorted(self.active))))

    def _remove(self, name: str, height: int) -> None:
        if name not in self.removed:
            self.active.discard(name)
            self.learners.discard(name)
            self.removed[name] = height
