# SPDX-License-Identifier: Apache-2.0
"""The newest certified block as everybody in the node sees it: one immutable value.

Whoever reads takes the tip once and answers everything from it, so an answer never mixes heights.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model.block import BlockHeader
from ledger.model.merkle_log import CompactRange
from ledger.model.proofs import CertifiedHead
from ledger.node.membership import Membership
from ledger.node.validators import Validators


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
