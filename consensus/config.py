# SPDX-License-Identifier: Apache-2.0
"""How a node takes part in Raft."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from consensus.log import DigestChain
from consensus.quorum import QuorumRule, majority
from consensus.read_only import ReadOnlyOption
from consensus.types import NO_NODE

UNLIMITED: Final = 2**63 - 1
"""Of sizes."""

Draw = Callable[[int, int], int]
"""A number between two bounds, both included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How a node takes part. Times are ticks, sizes bytes of entries' data."""

    node_id: int
    election_ticks: int
    """A follower that hears nothing for so long, or up to twice that (§5.2), stands for election."""
    heartbeat_ticks: int
    applied: int = 0
    """The last entry whose effects are durable; 0 when everything is to be handed out again."""
    quorum_rule: QuorumRule = majority
    digest_chain: DigestChain | None = None
    """How the log's chain digest grows with an entry; appends then carry it, and one that differs is
    a mismatch even where the terms agree. None: none is kept.
    """
    async_storage_writes: bool = False
    message_size_max: int = UNLIMITED
    """Of the entries in one append; one entry always fits."""
    committed_size_max: int = 0
    """Of committed entries handed out and not applied; 0: as `message_size_max`."""
    uncommitted_size_max: int = 0
    """Of a leader's proposals that are not committed; one always fits; 0: no limit."""
    inflight_count_max: int = 256
    """Appends under way to one follower."""
    inflight_size_max: int = 0
    """Of their entries; 0: no limit."""
    check_quorum: bool = False
    """A leader that has not heard from a quorum for an election time steps down (§6.2 thesis)."""
    pre_vote: bool = False
    """Ask before raising the term whether an election could be won (thesis §9.6)."""
    read_only_option: ReadOnlyOption = ReadOnlyOption.SAFE
    is_proposal_forwarded: bool = True
    is_conf_change_validated: bool = True
    is_step_down_on_removal: bool = False
    """A leader that was removed or became a learner steps down at once."""

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot work."""
        if self.node_id == NO_NODE:
            raise ValueError("0 is the number of no node")
        if self.heartbeat_ticks <= 0:
            raise ValueError("heartbeat_ticks is at least 1")
        if self.election_ticks <= self.heartbeat_ticks:
            raise ValueError("election_ticks is more than heartbeat_ticks")
        if self.inflight_count_max <= 0:
            raise ValueError("inflight_count_max is at least 1")
        if 0 < self.inflight_size_max < self.message_size_max:
            raise ValueError("inflight_size_max is at least message_size_max")
        if self.read_only_option is ReadOnlyOption.LEASE and not self.check_quorum:
            raise ValueError("reads under a lease need check_quorum")
        for name in ("message_size_max", "committed_size_max", "uncommitted_size_max"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not negative")
