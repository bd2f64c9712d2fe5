# SPDX-License-Identifier: Apache-2.0
"""The newest certified block as everybody in the node sees it: one immutable value.

Whoever reads takes the tip once and answers everything from it, so an answer never mixes heights.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model.block import BlockHeader, ValidatorSet
from ledger.model.certificate import FaultModel
from ledger.model.merkle_log import CompactRange
from ledger.model.proofs import CertifiedHead


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """What genesis fixes and every block must agree with."""

    chain_id: str
    protocol_version: int
    fault_model: FaultModel
    validator_set: ValidatorSet
    validators_hash: bytes


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

    @property
    def height(self) -> int:
        return self.header.height
