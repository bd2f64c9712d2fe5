# SPDX-License-Identifier: Apache-2.0
"""Ordering of log entries: a pure state machine driven by data, without clock, disk or network."""

from __future__ import annotations

from consensus.errors import (
    ContractError,
    OrderingError,
    ProposalDroppedError,
    UnknownPeerError,
)
from consensus.ordering import LogReader, Ordering
from consensus.single_node import SingleNode
from consensus.types import (
    NO_NODE,
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
    "ContractError",
    "Entry",
    "EntryKind",
    "HardState",
    "LogReader",
    "Message",
    "MessageKind",
    "Ordering",
    "OrderingError",
    "ProposalDroppedError",
    "Ready",
    "Role",
    "SingleNode",
    "Status",
    "UnknownPeerError",
]
