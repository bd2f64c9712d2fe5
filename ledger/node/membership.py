# SPDX-License-Identifier: Apache-2.0
"""Who the validators are, by name for the ledger and by number for the ordering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.quorum import QuorumRule, byzantine, majority
from consensus.types import ConfState
from ledger.model.block import Validator
from ledger.model.certificate import FaultModel


@dataclass(frozen=True, slots=True)
class Membership:
    """The validators that the ordering knows, each with its number.

    Numbers are given once: genesis numbers its validators from 1 in the order of their ids.
    """

    validators: tuple[Validator, ...]
    """Ascending by number."""
    numbers: tuple[int, ...]

    @classmethod
    def of_genesis(cls, validators: Sequence[Validator]) -> Membership:
        """Numbers the validators of a genesis document."""
        ordered = tuple(sorted(validators, key=lambda validator: validator.id))
        return cls(ordered, tuple(range(1, len(ordered) + 1)))

    def get_number(self, validator_id: str) -> int:
        """Raises KeyError for nobody's id."""
        for validator, number in zip(self.validators, self.numbers, strict=True):
            if validator.id == validator_id:
                return number
        raise KeyError(validator_id)

    def find_id(self, number: int) -> str:
        """The validator with a number, or an empty string."""
        for validator, known in zip(self.validators, self.numbers, strict=True):
            if known == number:
                return validator.id
        return ""

    def others(self, validator_id: str) -> tuple[str, ...]:
        """Everybody's id but one's own."""
        return tuple(v.id for v in self.validators if v.id != validator_id)

    def conf_state(self) -> ConfState:
        """All of them as voters: how the ordering of a new network begins."""
        return ConfState(voters=tuple(sorted(self.numbers)))


def get_quorum_rule(fault_model: FaultModel) -> QuorumRule:
    """The ordering counts as certificates do."""
    return majority if fault_model is FaultModel.CRASH else byzantine
