# SPDX-License-Identifier: Apache-2.0
"""What calls answer with: frozen values that say where they came from.

`to_dict()` gives what JSON can hold (dates ISO 8601, bytes base64, sets sorted lists), `to_json()`
its text. Field names are part of the promised surface.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

from ledger.model.limits import STATUS_CHUNK_SIZE

T = TypeVar("T")

When: TypeAlias = date | datetime | int | None
"""A date is the whole day in Africa/Johannesburg, an int a height."""
Org: TypeAlias = str
"""A DID, a vouched short name ("qcto"), or a vouched code ("qcto:SDP-0142")."""


class Wait(Enum):
    """How far a write goes before the call returns."""

    ACCEPTED = 1
    """In the leader's queue: no promise."""
    CERTIFIED = 2
    """Final, with a proof."""


class Verdict(Enum):
    """The answer to "is this good?". UNKNOWN: a needed fact is missing or too old. Never a guess."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"


def json_value(value: object) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        items = cast(Mapping[object, object], value).items()
        return {str(name): json_value(held) for name, held in items}
    if isinstance(value, AbstractSet):
        return sorted(json_value(held) for held in cast(AbstractSet[object], value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [json_value(held) for held in cast(Sequence[object], value)]
    return value


def format_instant(value: datetime) -> str:
    """An instant as ISO 8601 in UTC, milliseconds only when there are any."""
    value = value.astimezone(UTC)
    precision = "milliseconds" if value.microsecond else "seconds"
    return value.isoformat(timespec=precision).replace("+00:00", "Z")


class Result:
    """Base of all results."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON can hold them."""
        held = [item.name for item in fields(cast(Any, self)) if item.repr]
        return {name: json_value(getattr(self, name)) for name in held}

    def to_json(self) -> str:
        """The fields as a JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Proven(Result, Generic[T]):
    """A value read from the ledger, and how it is known."""

    value: T
    height: int
    as_of: datetime
    """Time of the block after which this held; nothing later is known."""
    verified: bool
    """False only from a client made with `unverified()`."""
    proof: bytes
    """A proof file (`pset ledger check-proof`); empty when it would exceed 4 MB."""


@dataclass(frozen=True, slots=True)
class Receipt(Result):
    """The ledger's answer to a write."""

    transaction_id: str
    """64 hexadecimal digits; of the first such transaction when this one repeated it."""
    height: int
    """-1 while it is in no block."""
    index: int
    """Place in the block; -1 while it is in none."""
    as_of: datetime
    code: int
    name: str
    remedy: str
    """What to do; empty when it was applied."""
    applied: bool
    result: Mapping[str, Any]
    """What the operation made, such as `grant_id`."""
    proof: bytes = field(default=b"", repr=False)
    """A proof file of transaction and receipt; empty while it is in no block."""


@dataclass(frozen=True, slots=True)
class TransactionStatus(Result):
    """What is known of a write."""

    state: Literal["unknown", "pending", "applied", "refused"]
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class Organisation(Result):
    """An organisation as others vouched for it."""

    did: str
    name: str
    short_name: str
    vouched_by: str
    """DID of who vouched; `charter` for those of the genesis."""
    type: str
    codes: Mapping[str, str]
    """Vouched codes: value by system; of several in one system the latest."""
    sites: Mapping[str, str]
    """Name by site code."""
    status: str
    """`active` or `succeeded`."""
    successor: str | None


@dataclass(frozen=True, slots=True)
class Accreditation(Result):
    """One grant of powers."""

    id: str
    grantor: str
    """DID; `charter` for a root grant."""
    grantee: str
    powers: frozenset[str]
    scope: Mapping[str, Sequence[str]]
    """By dimension: sub_frameworks qualifications sites designations trades; empty: unrestricted."""
    valid_from: date
    valid_until: date | None
    status: str
    """On the day asked about, or today: active suspended withdrawn void not-yet expired."""
    parent: str | None
    """Id of the grantor's own grant that covers this one; None for a root grant."""


@dataclass(frozen=True, slots=True)
class AccreditationEvent(Result):
    """What happened to a grant."""

    kind: str
    """suspended reinstated withdrawn ab-initio-opened ab-initio-confirmed"""
    effective: date
    reason: str
    recorded_at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class AccreditationHistory(Result):
    """A grant with everything that happened to it."""

    accreditation: Accreditation
    recorded_at: datetime
    version: int
    events: Sequence[AccreditationEvent]
    pending_until: datetime | None
    """Until when a second party may confirm an open withdrawal *ab initio*."""


@dataclass(frozen=True, slots=True)
class Resource(Result):
    """A published document."""

    url: str
    name: str
    type: str
    version: str
    content: bytes
    checksum: str
    """SHA-256 of the content, hexadecimal."""
    superseded_by: str | None
    """URL of the next version."""


@dataclass(frozen=True, slots=True)
class StatusList(Result):
    """A whole status list; `list[index]` is the status of one entry."""

    url: str
    purpose: str
    size: int
    """Entries."""
    bits: int
    """Bits of an entry."""
    version: int
    chunks: Mapping[int, bytes] = field(default_factory=dict[int, bytes], repr=False)
    """1024 bytes each by number; one that is absent is all zeros. Index 0 is the highest bits of
    the first byte (Bitstring Status List v1.0 §2.2)."""

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self.size:
            raise IndexError(f"the list has {self.size} entries")
        return get_status(self.chunks, index, self.bits)

    def __len__(self) -> int:
        return self.size

    def bitstring(self) -> bytes:
        """The uncompressed list: `size` entries of `bits` bits, first entry in the highest bits."""
        size_bytes = self.size * self.bits // 8
        count = -(-size_bytes // STATUS_CHUNK_SIZE)
        zeros = bytes(STATUS_CHUNK_SIZE)
        return b"".join(self.chunks.get(n, zeros) for n in range(count))[:size_bytes]


def get_status(chunks: Mapping[int, bytes], index: int, bits: int) -> int:
    """The status of one entry, of 1, 2, 4 or 8 bits, from a list's chunks."""
    position, shift = divmod(index * bits, 8)
    number, offset = divmod(position, STATUS_CHUNK_SIZE)
    chunk = chunks.get(number)
    if chunk is None:
        return 0
    return chunk[offset] >> (8 - bits - shift) & ((1 << bits) - 1)


@dataclass(frozen=True, slots=True)
class Decision(Result):
    """Whether something is allowed, why, and until when. True only when allowed."""

    allowed: bool
    code: str
    text: str
    grant_id: str | None
    until: date | None

    def __bool__(self) -> bool:
        return self.allowed


@dataclass(frozen=True, slots=True)
class DidKey(Result):
    """A key of a DID, with the times in which it counts."""

    key_id: str
    role: str
    type: str
    public_key: str
    """Multikey, base58btc."""
    valid_from: datetime
    valid_until: datetime | None
    """Exclusive."""
    compromised_since: datetime | None


@dataclass(frozen=True, slots=True)
class DidHistory(Result):
    """A DID's record: every key it ever had."""

    did: str
    version: int
    created: datetime
    updated: datetime
    deactivated: datetime | None
    keys: Sequence[DidKey]


@dataclass(frozen=True, slots=True)
class BlockSummary(Result):
    """A certified block."""

    height: int
    time: datetime
    block_hash: str
    parent_hash: str
    proposer: str
    state_root: str
    receipts_root: str
    log_root: str
    tx_root: str
    signers: Sequence[str]
    """Validators whose signatures are in the certificate that was served."""
    transactions: Sequence[str]
    """Ids, in the order of the block; empty for a head."""
    codes: Sequence[str]
    """Name of each transaction's receipt code."""
    tx_count: int
    proof: bytes = field(default=b"", repr=False)
    """A proof file of the block with all it holds; empty for a head, and from `unverified()`."""


@dataclass(frozen=True, slots=True)
class NodeStatus(Result):
    """How a node sees itself. Its own word: nothing of it is proven."""

    chain_id: str
    node_id: str
    organisation: str
    role: str
    height: int
    applied_height: int
    voting: bool
    voting_reason: str
    state_root: str
    software_version: str
    protocol_version: int
    time: datetime
    term: int
    leader: str


NO_HEIGHT: Final = -1
"""Height and index of what is in no block."""
