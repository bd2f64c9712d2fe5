# SPDX-License-Identifier: Apache-2.0
"""What genesis fixes, and who certifies a height."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model.block import Validator, ValidatorSet
from ledger.model.certificate import FaultModel, quorum_size


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """What genesis fixes and every block must agree with."""

    chain_id: str
    protocol_version: int
    fault_model: FaultModel


@dataclass(frozen=True, slots=True)
class Validators:
    """Who certifies a height."""

    validator_set: ValidatorSet
    hash: bytes
    """As headers carry it."""

    def find(self, validator_id: str) -> Validator | None:
        """A validator's record."""
        for validator in self.validator_set.validators:
            if validator.id == validator_id:
                return validator
        return None

    def quorum_size(self, rules: NetworkRules) -> int:
        """How many of them must sign."""
        return quorum_size(len(self.validator_set.validators), rules.fault_model)
