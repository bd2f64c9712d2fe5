# SPDX-License-Identifier: Apache-2.0
"""The newest certified block as everybody in the node sees it: one immutable value.

Whoever reads takes the tip once and answers everything from it, so an answer never mixes heights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.model.block import BlockHeader, Validator, ValidatorSet
from ledger.model.certificate import FaultModel, quorum_size
from ledger.model.merkle_log import CompactRange
from ledger.model.proofs import CertifiedHead

if TYPE_CHECKING:
    from ledger.node.membership import Membership


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


@dataclass(frozen=True, slots=True)
class Tip:
    """A certified block (or block 0) and what the next one builds on."""

    header: BlockHeader
    block_hash: bytes
    head: CertifiedHead
    """Header and certificate as clients get them; no certificate at height 0."""
    log: CompactRange
    """Over the block hashes 0..height."""
    state_version: int
    state_root: bytes
    certified_by: Validators
    """Of this height."""
    validators: Validators
    """Of the next height."""
    next_validators: Validators
    """Of the one after that: what the state after this block says."""
    membership: Membership
    """Everybody ever admitted, as the state after this block says."""

    @property
    def height(self) -> int:
        return self.header.height
