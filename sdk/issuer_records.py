# SPDX-License-Identifier: Apache-2.0
"""What the issuer's store holds, as values and as the bytes that are sealed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_META_SIZE_SIZE: Final = 4
"""Bytes of the length in front of a record's JSON; what follows the JSON is the document."""


@dataclass(frozen=True, slots=True)
class ListPair:
    """Two status lists in which a credential has the same place: revocation and suspension."""

    pair_id: int
    revocation_id: bytes
    """16 bytes, the UUID of the list."""
    suspension_id: bytes
    size: int
    is_created: bool
    """Whether the ledger is known to hold both."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """What the store knows of one record of the issuer."""

    record_id: str
    content_hash: bytes
    """Keyed hash of what was asked to be issued."""
    template: str
    """`name@version`."""
    credential_id: str
    pair: ListPair
    status_index: int
    document: bytes
    """The signed credential; empty: its place is reserved, and nothing was handed out."""

    @property
    def is_issued(self) -> bool:
        return bool(self.document)


@dataclass(frozen=True, slots=True)
class StatusNote:
    """A change of one credential's status that the ledger applied, and why: only here."""

    action: str
    reason: str
    recorded_at: int
    """ms."""
    receipt: Mapping[str, Any]
    """The receipt of the transaction, as JSON."""


@dataclass(frozen=True, slots=True)
class StatusPlan:
    """A transaction on one status list that was begun."""

    plan_id: int
    action: str
    reason: str
    list_id: bytes
    base_version: int
    changes: tuple[tuple[int, int], ...]
    """Index and value, ascending."""
    idempotency_key: bytes
    record_ids: tuple[str, ...]


def encode_record(record: StoredRecord) -> bytes:
    """The length of a JSON object, the object, then the document as it is."""
    meta = json.dumps(
        {
            "record_id": record.record_id,
            "content_hash": record.content_hash.hex(),
            "template": record.template,
            "credential_id": record.credential_id,
            "pair": record.pair.pair_id,
            "index": record.status_index,
        }
    ).encode()
    return len(meta).to_bytes(_META_SIZE_SIZE, "big") + meta + record.document


def decode_record(plain: bytes, read_pair: Callable[[int], ListPair]) -> StoredRecord:
    """What `encode_record` wrote."""
    size = int.from_bytes(plain[:_META_SIZE_SIZE], "big")
    meta = json.loads(plain[_META_SIZE_SIZE : _META_SIZE_SIZE + size])
    return StoredRecord(
        record_id=meta["record_id"],
        content_hash=bytes.fromhex(meta["content_hash"]),
        template=meta["template"],
        credential_id=meta["credential_id"],
        pair=read_pair(meta["pair"]),
        status_index=meta["index"],
        document=plain[_META_SIZE_SIZE + size :],
    )


def encode_note(note: StatusNote) -> bytes:
    """As JSON."""
    return json.dumps(
        {
            "action": note.action,
            "reason": note.reason,
            "recorded_at": note.recorded_at,
            "receipt": dict(note.receipt),
        }
    ).encode()


def decode_note(plain: bytes) -> StatusNote:
    """What `encode_note` wrote."""
    held = json.loads(plain)
    return StatusNote(held["action"], held["reason"], held["recorded_at"], held["receipt"])


def encode_plan(plan: StatusPlan) -> bytes:
    """As JSON, without the number under which it is stored."""
    return json.dumps(
        {
            "action": plan.action,
            "reason": plan.reason,
            "list_id": plan.list_id.hex(),
            "base_version": plan.base_version,
            "changes": plan.changes,
            "idempotency_key": plan.idempotency_key.hex(),
            "record_ids": plan.record_ids,
        }
    ).encode()


def decode_plan(plan_id: int, plain: bytes) -> StatusPlan:
    """What `encode_plan` wrote."""
    held = json.loads(plain)
    return StatusPlan(
        plan_id=plan_id,
        action=held["action"],
        reason=held["reason"],
        list_id=bytes.fromhex(held["list_id"]),
        base_version=held["base_version"],
        changes=tuple((index, value) for index, value in held["changes"]),
        idempotency_key=bytes.fromhex(held["idempotency_key"]),
        record_ids=tuple(held["record_ids"]),
    )
