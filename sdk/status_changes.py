# SPDX-License-Identifier: Apache-2.0
"""Revoking, suspending, reinstating: one transaction for many credentials, finished after a crash.

- A plan is written into the issuer's store, with an idempotency key of its own, before it is sent.
  After a cut it is sent again before anything else: what was applied answers with its first
  receipt, what was not is applied now, or dropped when the list has moved on.
- An update names the version of the list it was made for. When somebody else was first, the list is
  read again, up to ATTEMPTS_COUNT_MAX times.
- The reason is noted in the store and nowhere else (docs/adr/0005).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from ledger.model import operations as model
from ledger.model.limits import (
    STATUS_CHANGES_COUNT_MAX,
    STATUS_CHUNK_SIZE,
    STATUS_UPDATE_CHUNKS_COUNT_MAX,
)
from ledger.model.receipts import ReceiptCode
from sdk.arguments import check_text, check_texts
from sdk.drafts import StatusChangePreview, StatusChangeResult
from sdk.errors import CallerError, KeyAccessError, RefusedError, UnavailableError
from sdk.issuer_records import StatusPlan, StoredRecord
from sdk.issuer_store import IssuerStore
from sdk.issuing_client import IssuingClient
from sdk.refusals import as_refused, refusal_receipt
from sdk.results import Receipt
from sdk.verification.ledger_facts import StatusListFact, ask_status_list

Action = Literal["revoke", "suspend", "reinstate"]

REASONS: Final = frozenset(
    {
        "correction",
        "fraud-finding",
        "key-compromise",
        "superseded",
        "enquiry",
        "cleared",
        "error",
    }
)
"""Why a credential's status is changed; kept in the issuer's store only."""

ATTEMPTS_COUNT_MAX: Final = 8
"""Times a change is put together anew because somebody else changed the list meanwhile."""
RECORDS_COUNT_MAX: Final = 100_000
"""Records of one call that changes statuses."""
_NAMED_COUNT_MAX: Final = 5


def check_change(record_ids: str | Sequence[str], reason: str) -> list[str]:
    """The record ids meant, each once.

    Raises:
        CallerError: REASON_UNKNOWN, RECORDS_TOO_MANY.
    """
    check_text(reason, "reason")
    if not isinstance(record_ids, str):
        check_texts(record_ids, "record_ids")
    if reason not in REASONS:
        raise CallerError(
            f"{reason!r} is no reason for a change of status",
            code="REASON_UNKNOWN",
            remedy=f"Choose one of {', '.join(sorted(REASONS))}.",
        )
    wanted = list(dict.fromkeys([record_ids] if isinstance(record_ids, str) else record_ids))
    if not 0 < len(wanted) <= RECORDS_COUNT_MAX:
        raise CallerError(
            f"1 to {RECORDS_COUNT_MAX} record ids are changed at a time",
            code="RECORDS_TOO_MANY",
            remedy="Name at least one record, and split a longer list.",
        )
    return wanted


class StatusChanger:
    """Changes the status of one issuer's credentials. One at a time for each store."""

    def __init__(self, client: IssuingClient, store: IssuerStore, did: str) -> None:
        """`did`: of the issuer, who owns the lists."""
        self._client = client
        self._store = store
        self._did = did

    async def change(
        self,
        action: Action,
        records: Sequence[StoredRecord],
        reason: str,
        idempotency_key: bytes | None = None,
    ) -> StatusChangeResult:
        """As `sdk.aio_issuer.Issuer.change_status`, for records of the store."""
        await self._finish_plans()
        groups = _group(records)
        if action != "revoke":
            for group in groups:
                refused = await self._find_revoked(group)
                if refused is not None:
                    await self._client.submit(refused)
        receipts: list[Receipt] = []
        unchanged = 0
        for group in groups:
            key = None if receipts else idempotency_key
            found, held = await self._change_group(group, action, reason, key)
            receipts += found
            unchanged += held
        return StatusChangeResult(receipts, len(records), unchanged)

    async def preview(self, action: Action, records: Sequence[StoredRecord]) -> StatusChangePreview:
        """As `sdk.aio_issuer.Issuer.preview_status_change`, for records of the store."""
        groups = _group(records)
        operations: list[model.UpdateStatusList] = []
        if action != "revoke":
            for group in groups:
                refused = await self._find_revoked(group)
                if refused is not None:
                    operations.append(refused)
        count = unchanged = 0
        for group in groups:
            list_id, value = _target(group[0], action)
            fact = await self._read_list(list_id)
            waiting = [record for record in group if fact.status(record.status_index) != value]
            unchanged += len(group) - len(waiting)
            parts = split_changes(waiting, fact.record.bits)
            count += len(parts)
            for part in parts[:1]:
                changes = [(record.status_index, value) for record in part]
                operations.append(self._update(list_id, fact.record.version, sorted(changes)))
        return StatusChangePreview(operations, count, len(records), unchanged)

    async def _find_revoked(self, group: Sequence[StoredRecord]) -> model.UpdateStatusList | None:
        """Refuse what is revoked for good; without client checks what the ledger will refuse."""
        pair = group[0].pair
        fact = await self._read_list(pair.revocation_id)
        revoked = [record for record in group if fact.status(record.status_index)]
        if not revoked:
            return None
        if self._client.client_checks:
            receipt = refusal_receipt(ReceiptCode.REVOCATION_IS_FINAL, "")
            named = ", ".join(record.record_id for record in revoked[:_NAMED_COUNT_MAX])
            raise as_refused(receipt, f"revoked for good: {named}")
        # Development networks only: let the ledger say it.
        part = split_changes(revoked, fact.record.bits)[0]
        changes = [(record.status_index, 0) for record in part]
        return self._update(pair.revocation_id, fact.record.version, changes)

    async def _change_group(
        self, group: Sequence[StoredRecord], action: Action, reason: str, key: bytes | None
    ) -> tuple[list[Receipt], int]:
        """Change the records of one pair of lists; receipts, and how many had the status before.

        `key` is the first transaction's; None: one by chance, as for all others.
        """
        list_id, value = _target(group[0], action)
        receipts: list[Receipt] = []
        first: int | None = None
        for _ in range(ATTEMPTS_COUNT_MAX + _count_breaks_max(group)):
            fact = await self._read_list(list_id)
            waiting = [record for record in group if fact.status(record.status_index) != value]
            first = len(waiting) if first is None else first
            if not waiting and not receipts:
                receipt = await asyncio.to_thread(_first_receipt, self._store, group, action)
                if receipt is not None:
                    receipts.append(receipt)
                else:
                    waiting = list(group)  # the store has no word of it: again, it changes nothing
            if not waiting:
                return receipts, len(group) - first
            part = split_changes(waiting, fact.record.bits)[0]
            plan = await asyncio.to_thread(
                self._store.add_plan,
                _make_plan(
                    part,
                    action,
                    reason,
                    list_id,
                    fact.record.version,
                    secrets.token_bytes(16) if key is None or receipts else key,
                ),
            )
            receipt = await self._carry_out(plan)
            if receipt is not None:
                receipts.append(receipt)
                if len(part) == len(waiting):
                    return receipts, len(group) - first
        raise UnavailableError(
            "the status list was changed by others each time",
            code="STATUS_LIST_BUSY",
            remedy="Try again; changes of one list are better made by one process.",
        )

    async def _carry_out(self, plan: StatusPlan) -> Receipt | None:
        """Send a plan and note its receipt; None when the list has moved on and it never applied."""
        operation = self._update(plan.list_id, plan.base_version, plan.changes)
        try:
            receipt = await self._client.submit(operation, idempotency_key=plan.idempotency_key)
        except RefusedError as error:
            applied = await self._applied_before(plan) if _is_stale(error) else None
            if applied is None:
                await asyncio.to_thread(self._store.drop_plan, plan)
                if _is_stale(error):
                    return None
                raise
            receipt = applied
        except (CallerError, KeyAccessError):  # nothing was sent
            await asyncio.to_thread(self._store.drop_plan, plan)
            raise
        now_ms = self._client.now_ms
        await asyncio.to_thread(self._store.finish_plan, plan, receipt.to_dict(), now_ms)
        return receipt

    def _update(
        self, list_id: bytes, base_version: int, changes: Sequence[tuple[int, int]]
    ) -> model.UpdateStatusList:
        return model.UpdateStatusList(
            owner=self._did,
            list_id=list_id,
            base_version=base_version,
            indexes=tuple(index for index, _ in changes),
            values=bytes(value for _, value in changes),
        )

    async def _applied_before(self, plan: StatusPlan) -> Receipt | None:
        """The receipt of a plan that was applied so long ago that its key is forgotten."""
        status = await self._client.transaction(plan.idempotency_key)
        return status.receipt if status.state == "applied" else None

    async def _finish_plans(self) -> None:
        for plan in await asyncio.to_thread(self._store.plans):
            try:
                await self._carry_out(plan)
            except RefusedError:
                continue  # dropped: it can never apply; whoever began it will ask again

    async def _read_list(self, list_id: bytes) -> StatusListFact:
        held = (self._did, list_id)
        fact = (await self._client.reader.ask(lambda view: ask_status_list(view, held))).value
        if fact is None:
            raise CallerError(
                "a status list of the store does not exist on this network",
                code="STORE_OTHER_NETWORK",
                remedy="Choose the network on which these credentials were issued.",
            )
        return fact


def _group(records: Sequence[StoredRecord]) -> list[list[StoredRecord]]:
    """The records by the pair of lists in which they stand."""
    by_pair: dict[int, list[StoredRecord]] = {}
    for record in records:
        by_pair.setdefault(record.pair.pair_id, []).append(record)
    return list(by_pair.values())


def split_changes(records: Sequence[StoredRecord], bits: int) -> list[list[StoredRecord]]:
    """Records of one list in parts that one transaction each may change, by index.

    A part has at most STATUS_CHANGES_COUNT_MAX records, and they lie in at most
    STATUS_UPDATE_CHUNKS_COUNT_MAX chunks of the list.

    Args:
        records: of one list.
        bits: of an entry of that list.
    """
    entries = STATUS_CHUNK_SIZE * 8 // bits
    parts: list[list[StoredRecord]] = []
    chunks: set[int] = set()
    for record in sorted(records, key=lambda item: item.status_index):
        chunk = record.status_index // entries
        has_room = (
            bool(parts)
            and len(parts[-1]) < STATUS_CHANGES_COUNT_MAX
            and (chunk in chunks or len(chunks) < STATUS_UPDATE_CHUNKS_COUNT_MAX)
        )
        if not has_room:
            parts.append([])
            chunks.clear()
        parts[-1].append(record)
        chunks.add(chunk)
    return parts


def _count_breaks_max(records: Sequence[StoredRecord]) -> int:
    """How often `split_changes` may begin a new part, whatever the bits of an entry (8 at most)."""
    entries = STATUS_UPDATE_CHUNKS_COUNT_MAX * STATUS_CHUNK_SIZE
    return len(records) // STATUS_CHANGES_COUNT_MAX + records[0].pair.size // entries


def _target(record: StoredRecord, action: Action) -> tuple[bytes, int]:
    """In which list an action on the record is written, and what."""
    pair = record.pair
    list_id = pair.revocation_id if action == "revoke" else pair.suspension_id
    return list_id, 0 if action == "reinstate" else 1


def _make_plan(
    records: Sequence[StoredRecord],
    action: Action,
    reason: str,
    list_id: bytes,
    base_version: int,
    idempotency_key: bytes,
) -> StatusPlan:
    value = 0 if action == "reinstate" else 1
    return StatusPlan(
        plan_id=0,
        action=action,
        reason=reason,
        list_id=list_id,
        base_version=base_version,
        changes=tuple(sorted((record.status_index, value) for record in records)),
        idempotency_key=idempotency_key,
        record_ids=tuple(record.record_id for record in records),
    )


def _first_receipt(
    store: IssuerStore, group: Sequence[StoredRecord], action: Action
) -> Receipt | None:
    """The receipt with which the first of these records got its status."""
    for note in reversed(store.notes(group[0].record_id)):
        if note.action == action:
            return _read_receipt(note.receipt)
    return None


def _read_receipt(held: Mapping[str, Any]) -> Receipt:
    members = {name: held[name] for name in held if name not in {"as_of", "result"}}
    return Receipt(
        as_of=datetime.fromisoformat(held["as_of"]), result=dict(held["result"]), **members
    )


def _is_stale(error: RefusedError) -> bool:
    return error.code == ReceiptCode.STALE_VERSION.name
