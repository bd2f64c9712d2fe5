# SPDX-License-Identifier: Apache-2.0
"""What the SDK asks of a node, and how a call to one can fail. No gRPC here, no trust either.

Everything a node answers is bytes or words that nobody has checked yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol

from sdk.results import NodeStatus, Wait


class CallFault(Enum):
    """What went wrong with a call, as far as it decides who tries again."""

    UNREACHABLE = "unreachable"
    """No connection: the request never left."""
    BROKEN = "broken"
    """The connection, the node or the deadline ended while the request was out: it may have arrived."""
    BUSY = "busy"
    """The node is there but takes nothing now: overloaded, starting, stopping. Not taken."""
    PENDING = "pending"
    """A transaction is in the queue, not certified yet."""
    REFUSED = "refused"
    """The request itself is refused; `reason` says why."""
    NODE_FAULT = "node-fault"
    """The node's own fault; another may do better."""


class NodeCallError(Exception):
    """A call to one node that failed. `reason` is a name of ReceiptCode or ApiReason, or empty."""

    def __init__(
        self,
        fault: CallFault,
        text: str,
        *,
        reason: str = "",
        retry_after: timedelta | None = None,
        leader: str = "",
    ) -> None:
        """`leader`: id of the validator that leads, as the node says; or empty."""
        super().__init__(fault, text)
        self.fault = fault
        self.text = text
        self.reason = reason
        self.retry_after = retry_after
        self.leader = leader

    def __str__(self) -> str:
        return self.text


class TransactionState(Enum):
    """What a node says of a transaction."""

    UNKNOWN = 1
    PENDING = 2
    CERTIFIED = 3


@dataclass(frozen=True, slots=True)
class SubmitAnswer:
    """Answer to one transaction."""

    proof: bytes
    """Canonical TransactionProof; empty with ACCEPTED."""
    leader: str = ""
    """Id of the validator that leads, as the node says; empty when it does not."""


@dataclass(frozen=True, slots=True)
class BatchItem:
    """Answer to one transaction of a batch."""

    proof: bytes
    """Empty with ACCEPTED, and when it was refused."""
    reason: str
    """Empty unless it was refused at admission."""
    text: str


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """Answer to a batch."""

    items: Sequence[BatchItem]
    """In the order of the transactions."""
    leader: str = ""
    """As in SubmitAnswer."""


@dataclass(frozen=True, slots=True)
class TransactionAnswer:
    """What a node says of a transaction; `bytes()` of it is evidence."""

    state: TransactionState
    proof: bytes
    """Canonical TransactionProof when it is certified."""

    def __bytes__(self) -> bytes:
        return self.proof


@dataclass(frozen=True, slots=True)
class BlockAnswer:
    """A block as it is stored; `bytes()` of it is evidence."""

    proposal: bytes
    header: bytes
    certificate: bytes
    receipts: tuple[bytes, ...]

    def __bytes__(self) -> bytes:
        return b"".join((self.header, self.certificate, self.proposal, *self.receipts))


@dataclass(frozen=True, slots=True)
class TrustPathAnswer:
    """Changes of the validators; `bytes()` of it is evidence."""

    steps: tuple[bytes, ...]
    """Canonical TrustSteps."""

    def __bytes__(self) -> bytes:
        return b"".join(self.steps)


class Node(Protocol):
    """One node. Every method raises NodeCallError; `seconds` is the time it may take."""

    @property
    def name(self) -> str:
        """Validator id and address, for messages and evidence."""
        ...

    @property
    def validator(self) -> str:
        """Validator id."""
        ...

    async def submit(self, transaction: bytes, wait: Wait, *, seconds: float) -> SubmitAnswer:
        """Send a transaction."""
        ...

    async def submit_batch(
        self, transactions: Sequence[bytes], wait: Wait, *, seconds: float
    ) -> BatchAnswer:
        """Send several."""
        ...

    async def dry_run(self, transaction: bytes, *, seconds: float) -> bytes:
        """Canonical Receipt that the transaction would get now."""
        ...

    async def get_transaction(
        self,
        *,
        transaction_id: bytes = b"",
        author: str = "",
        idempotency_key: bytes = b"",
        seconds: float,
    ) -> TransactionAnswer:
        """What the node knows of a transaction."""
        ...

    async def get_many(self, keys: Sequence[bytes], *, seconds: float) -> bytes:
        """Canonical ProvenState."""
        ...

    async def list_children(
        self, parent_key: bytes, first: int, limit: int, *, seconds: float
    ) -> bytes:
        """Canonical ProvenState: the parent, then its children."""
        ...

    async def get_head(self, *, seconds: float) -> bytes:
        """Canonical CertifiedHead."""
        ...

    async def get_head_at(self, height: int, *, seconds: float) -> bytes:
        """Canonical CertifiedHead of a height."""
        ...

    async def get_block(self, height: int, *, seconds: float) -> BlockAnswer:
        """A whole block."""
        ...

    async def get_trust_path(
        self, from_height: int, count: int, *, seconds: float
    ) -> TrustPathAnswer:
        """The first changes of the validators that blocks from a height on name, at most `count`."""
        ...

    async def get_status(self, *, seconds: float) -> NodeStatus:
        """How the node sees itself."""
        ...

    async def close(self) -> None:
        """Idempotent."""
        ...
