# SPDX-License-Identifier: Apache-2.0
"""What an ordering raises, by who is at fault."""

from __future__ import annotations


class OrderingError(Exception):
    """A call that changed nothing; the message says why."""


class ProposalDroppedError(OrderingError):
    """Not taken: this node cannot have it ordered now. Try later, or elsewhere."""


class UnknownPeerError(OrderingError):
    """A message from or for somebody who is no member. Whoever passed it on is at fault."""


class SnapshotUnavailableError(OrderingError):
    """Storage has no snapshot at hand now; it is asked again later."""


class ContractError(Exception):
    """The embedder, its storage or another node broke what Raft rests on. A bug or damage: stop."""
