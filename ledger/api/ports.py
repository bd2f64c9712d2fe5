# SPDX-License-Identifier: Apache-2.0
"""What the API asks of the node behind it, and the one error it may answer with.

Answers are canonical bytes of the model, ready to be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from ledger.model.receipts import ApiReason, ReceiptCode

LOG_LEVELS: Final = ("debug", "info", "warning", "error")


class ApiError(Exception):
    """A refusal; nothing was changed, except with PENDING, where the transaction is in the queue."""

    def __init__(
        self,
        code: ReceiptCode | ApiReason,
        text: str,
        *,
        retry_after_ms: int | None = None,
        leader: str = "",
    ) -> None:
        """`leader`: id of the validator that leads, for who has something to write; or empty."""
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.retry_after_ms = retry_after_ms
        self.leader = leader

    def __str__(self) -> str:
        return f"{self.code.name}: {self.text}"


class TransactionState(IntEnum):
    """Of a transaction; numbers as in proto/psetledger/v1/services.proto."""

    UNKNOWN = 1
    PENDING = 2
    CERTIFIED = 3


@dataclass(frozen=True, slots=True)
class Submitted:
    """Answer to one transaction."""

    transaction_id: bytes
    proof: bytes = b""
    """Canonical TransactionProof; empty when only acceptance was asked for."""
    leader: str = ""
    """Id of the validator that leads; empty when it is not known."""


@dataclass(frozen=True, slots=True)
class BlockParts:
    """A block as it is stored; block 0 has only a header."""

    header: bytes
    proposal: bytes = b""
    certificate: bytes = b""
    receipts: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """Fields as in proto/psetledger/v1/services.proto."""

    chain_id: str
    node_id: str
    organisation: str
    role: str
    height: int
    applied_height: int
    voting: bool
    voting_reason: str
    state_root: bytes
    software_version: str
    protocol_version: int
    time: int
    term: int
    leader: str


class LedgerNode(Protocol):
    """The node. Everything raises ApiError only; anything else is a bug of the node."""

    async def submit(self, transaction: bytes, *, wait_ms: int) -> Submitted:
        """Admit a transaction and wait so long for the proof of its receipt (0: not at all)."""
        ...

    async def submit_many(
        self, transactions: Sequence[bytes], *, wait_ms: int
    ) -> Sequence[Submitted | ApiError]:
        """As `submit`, for each; the answers in the same order."""
        ...

    async def dry_run(self, transaction: bytes) -> bytes:
        """The receipt that the transaction would get now."""
        ...

    async def get_transaction(self, transaction_id: bytes) -> tuple[TransactionState, bytes]:
        """What is known of a transaction, with its proof when it is certified."""
        ...

    async def find_transaction(self, author: str, key: bytes) -> tuple[TransactionState, bytes]:
        """As `get_transaction`, by author and idempotency key, while the record lives."""
        ...

    async def confirm_latest(self, *, wait_ms: int) -> None:
        """Return when this node has certified everything that was certified before the call.

        Raises ApiError: NOT_READY when that cannot be known in time, OVERLOADED.
        """
        ...

    async def get_many(self, keys: Sequence[bytes]) -> bytes:
        """ProvenState of these keys at the newest certified height."""
        ...

    async def list_children(self, parent_key: bytes, first: int, limit: int) -> bytes:
        """ProvenState of a parent and of its children first <= n < first + limit."""
        ...

    def get_head(self) -> bytes:
        """The newest CertifiedHead. Raises ApiError NOT_READY before the first is certified."""
        ...

    async def get_certified_head(self, height: int) -> bytes:
        """CertifiedHead of a height."""
        ...

    async def get_trust_path(self, from_height: int, count: int) -> Sequence[bytes]:
        """TrustSteps of the first changes of the validators from a height on; `count` at most."""
        ...

    async def get_block(self, height: int) -> BlockParts:
        """A certified block."""
        ...

    def get_status(self) -> NodeStatus:
        """How the node sees itself."""
        ...

    def get_genesis(self) -> bytes:
        """The genesis document."""
        ...

    async def get_halt_report(self) -> bytes:
        """The newest SignedHaltReport of this node; empty if there was never one."""
        ...


# What the operator asks for -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """Another validator as this one sees it; fields as in proto/psetledger/v1/admin.proto."""

    id: str
    address: str = ""
    connected: bool = False
    match_index: int = 0
    progress: str = ""
    heard_ms_ago: int | None = None
    """None: nothing came from it since the start."""
    isolated: bool = False


@dataclass(frozen=True, slots=True)
class AdminStatus:
    """Fields as in proto/psetledger/v1/admin.proto."""

    chain_id: str
    node_id: str
    role: str
    term: int
    leader: str
    height: int
    behind: int
    voting: bool
    voting_reason: str
    last_index: int
    committed_index: int
    peers: Sequence[PeerStatus]
    alarms: Sequence[str]
    """In words; empty: nothing is the matter."""
    evidence_count: int
    software_version: str
    time: int


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """A piece of evidence as it is kept."""

    evidence: bytes
    """Canonical Evidence."""
    weight: str
    repeats_count: int


class AdminPort(Protocol):
    """The node as its operator sees it. Everything raises ApiError only."""

    def get_status(self) -> AdminStatus:
        """How it is, and why it does not vote."""
        ...

    def list_peers(self) -> Sequence[PeerStatus]:
        """The other validators."""
        ...

    async def transfer_leadership(self, to: str) -> None:
        """Hand the lead to a validator (empty: whose log is longest).

        Raises NOT_LEADER, PEER_UNKNOWN.
        """
        ...

    def isolate(self, validators: Sequence[str]) -> None:
        """Hear these no more and tell them nothing. Raises NOT_PERMITTED, PEER_UNKNOWN."""
        ...

    def heal(self) -> None:
        """Take back every `isolate`. Raises NOT_PERMITTED."""
        ...

    def set_log_level(self, level: str) -> None:
        """`level` is one of LOG_LEVELS; until the node stops."""
        ...

    async def list_evidence(self, validator: str, limit: int) -> tuple[Sequence[EvidenceItem], int]:
        """At most `limit` pieces, of one validator or (empty) of all; and how many there are."""
        ...

    async def get_halt_report(self) -> bytes:
        """The newest SignedHaltReport of this node; empty if there was never one."""
        ...

    def stop(self) -> None:
        """Begin to stop the node; returns at once."""
        ...
