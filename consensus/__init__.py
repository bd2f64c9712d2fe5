# SPDX-License-Identifier: Apache-2.0
"""Ordering of log entries: a pure state machine driven by data, without clock, disk or network."""

from __future__ import annotations

from consensus.errors import (
    ContractError,
    OrderingError,
    ProposalDroppedError,
    UnknownPeerError,
)
from consensus.raw_node import RawNode
from consensus.types import (
    NO_NODE,
    ConfState,
    Entry,
    EntryKind,
    HardState,
    Message,
    MessageKind,
    Ready,
    Role,
    Status,
)

__all__ = [
    "NO_NODE",
    "ConfState",
    "ContractError",
    "Entry",
    "EntryKind",
    "HardState",
    "Message",
    "MessageKind",
    "OrderingError",
    "ProposalDroppedError",
    "RawNode",
    "Ready",
    "Role",
    "Status",
    "UnknownPeerError",
]
