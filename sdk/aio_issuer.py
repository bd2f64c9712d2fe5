# SPDX-License-Identifier: Apache-2.0
"""Issuing credentials, and changing their status, idempotently by the issuer's own record id.

`sdk.issuer` is the same with synchronous methods.

Rules of this file:
- Nothing about a learner reaches the ledger: it sees status lists, and bits in them. The reason of a
  change stays in the issuer's store (docs/adr/0005).
- A credential is issued only after the ledger has proven that this issuer may issue it, for the day
  and the site of the assessment; everything that can be refused is refused before a place in the
  status list is reserved.
- Run it again is the whole recovery manual: a record that is issued is returned with the same
  bytes, a reserved place is used, a transaction that was begun is sent again under its own key.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self
from uuid import uuid4

from ledger.model import operations as model
from ledger.model import schema
from ledger.model.identifiers import is_qualification, resource_url
from ledger.model.keys import KeyRole
from ledger.model.limits import STATUS_CHANGES_COUNT_MAX
from ledger.model.receipts import ReceiptCode
from ledger.model.records import StatusListRecord
from ledger.model.transaction import Operation
from sdk.credentials.instants import civil_date_of
from sdk.credentials.open_badges import MEDIA_TYPE
from sdk.credentials.values import QUALIFICATION_PREFIX, check_values
from sdk.drafts import (
    Draft,
    DraftRefusedError,
    IssuedCredential,
    RowError,
    StatusChangeResult,
    TemplateReference,
    check_record_id,
    encode_values,
    row_errors,
)
from sdk.errors import CallerError, RefusedError, UnavailableError
from sdk.issuer_store import IssuerStore, ListPair, StatusPlan, StoredRecord
from sdk.issuing import (
    IssuingFacts,
    TemplateFound,
    ask_issuing_facts,
    ask_template,
    decide,
    decide_issue,
    find_issue_key,
    normalised_draft,
    refuse,
    sign_credential,
)
from sdk.moments import to_instant
from sdk.passphrases import find_passphrase
from sdk.reader import StateView, VerifiedReader
from sdk.refusals import as_refused, refusal_receipt
from sdk.results import Decision, Receipt, TransactionStatus
from sdk.signers import Signer
from sdk.verification.ledger_facts import (
    IssuerFacts,
    QualificationFact,
    StatusListFact,
    ask_issuer_facts,
    ask_qualification,
    ask_status_list,
)

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
_CREATE_KEY_TAG: Final = b"psetledger/create-status-list/v1"


class IssuingClient(Protocol):
    """What an issuer needs of a client."""

    @property
    def reader(self) -> VerifiedReader: ...

    @property
    def chain_id(self) -> str: ...

    @property
    def client_checks(self) -> bool: ...

    @property
    def now_ms(self) -> int: ...

    async def acting_did(self) -> str: ...

    async def stored_signer(
        self, role: KeyRole, passphrase: Callable[[], str] | None = None
    ) -> Signer: ...

    async def submit(
        self, operation: Operation, *, idempotency_key: bytes | None = None
    ) -> Receipt: ...

    async def transaction(self, id_or_key: str | bytes) -> TransactionStatus: ...


class Issuer:
    """Issues for the organisation that the client acts for. Safe in several processes at once."""

    def __init__(
        self,
        client: IssuingClient,
        *,
        store: Path,
        key: Signer | None = None,
        passphrase: Callable[[], str] | None = None,
    ) -> None:
        """Nothing is opened or asked before the first call.

        Args:
            client: connected as the issuing organisation.
            store: the issuer's private record of what it issued; made when it does not exist.
            key: signs credentials; None: the organisation's issue key from the key store.
            passphrase: of the store's key file (a new one is encrypted with it) and of the stored
                issue key; None: that in the file PSET_PASSPHRASE_FILE names, if any.
        """
        self._client = client
        self._path = store
        self._key = key
        self._passphrase = find_passphrase(passphrase)
        self._store: IssuerStore | None = None
        self._did = ""
        self._opening = asyncio.Lock()
        self._changing = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Issuer(store={str(self._path)!r})"

    async def close(self) -> None:
        """Close the store. Idempotent."""
        if self._store is not None:
            self._store.close()
            self._store = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # ---- issuing

    async def may_issue(
        self,
        qualification: str,
        *,
        power: str,
        site: str | None = None,
        on: date | None = None,
    ) -> Decision:
        """Whether this organisation may issue under a power, proven up to the root.

        Args:
            qualification: `91761` or `za:saqa:q:91761`.
            power: such as `issue-statement-of-results`.
            site: code of a site; None: not asked.
            on: day of the assessment; None: today.

        Raises:
            CallerError: QUALIFICATION_MALFORMED, ORGANISATION_MISSING, ORGANISATION_UNKNOWN.
            UnavailableError, TrustError: as every read.
        """
        name = _qualification_name(qualification)
        did = await self._client.acting_did()

        def question(view: StateView) -> tuple[IssuerFacts, QualificationFact | None, int]:
            return ask_issuer_facts(view, did), ask_qualification(view, name), view.time_ms

        issuer, fact, time_ms = (await self._client.reader.ask(question)).value
        now_ms = max(self._client.now_ms, time_ms)
        return decide(
            issuer,
            fact,
            name,
            power=power,
            site=site,
            on=civil_date_of(to_instant(now_ms)) if on is None else on,
            now_ms=now_ms,
        )

    async def check(self, draft: Draft, *, record_id: str = "") -> Sequence[RowError]:
        """Everything that is wrong with a draft's values; empty when it could be issued today.

        Raises:
            CallerError: TEMPLATE_UNKNOWN, TEMPLATE_NOT_PUBLISHED, TEMPLATE_MALFORMED.
        """
        found = await self._find_template(draft.reference)
        today = civil_date_of(to_instant(self._client.now_ms))
        return row_errors(record_id, check_values(found.template, draft.values, today=today))

    async def issue(self, draft: Draft, *, record_id: str) -> IssuedCredential:
        """Issue one credential; the same record and content again give the same bytes.

        Raises:
            DraftRefusedError: the values, with the code of the first that is wrong.
            RefusedError: not accredited for it, or the qualification does not allow it: codes of
                `may_issue`, without a receipt because nothing was sent.
            CallerError: RECORD_EXISTS (other content under this record id), RECORD_ID_MALFORMED,
                TEMPLATE_UNKNOWN, TEMPLATE_NOT_PUBLISHED, TEMPLATE_MALFORMED, ISSUE_KEY_TYPE,
                ISSUE_KEY_NOT_VALID, and those of the store.
            KeyAccessError: the key or the store cannot be used.
            UnavailableError, TrustError: as every read and write.
        """
        check_record_id(record_id)
        store = await self._opened()
        known = await asyncio.to_thread(store.find, record_id)
        reference = _recorded_reference(draft.reference, known)
        found = await self._find_template(reference)
        content_hash = store.content_hash(encode_values(normalised_draft(draft, found.template)))
        if known is not None and known.is_issued:
            return self._same(known, content_hash, found, draft)
        facts, now_ms = await self._read_facts(found, draft)
        self._check(facts, draft, record_id, now_ms)
        signer = await self._signer()
        key_id = self._key_id(facts, signer, now_ms)
        pair = await self._usable_pair(store)

        def sign() -> StoredRecord:
            """Reserve, sign, store: in this order, each durable before the next."""
            reserved = store.reserve(
                record_id, content_hash, found.label, f"urn:uuid:{uuid4()}", pair
            )
            if reserved.is_issued:
                return reserved  # by another process, a moment ago
            document = sign_credential(facts, reserved, draft.values, signer, key_id, now_ms)
            return store.complete(replace(reserved, document=document))

        return self._same(await asyncio.to_thread(sign), content_hash, found, draft)

    async def find(self, record_id: str) -> IssuedCredential | None:
        """What was issued under a record id, from the store alone; None: nothing.

        Raises:
            KeyAccessError: the store cannot be used.
        """
        store = await self._opened()
        record = await asyncio.to_thread(store.find, record_id)
        return None if record is None or not record.is_issued else self._as_issued(record)

    # ---- status

    async def revoke(self, record_ids: str | Sequence[str], *, reason: str) -> Receipt:
        """Revoke credentials for good, in one transaction for each status list they stand in.

        Raises:
            CallerError: REASON_UNKNOWN, RECORD_UNKNOWN, RECORDS_TOO_MANY.
            RefusedError: by the ledger.
            UnavailableError: what was begun is finished by the next change of status.
            KeyAccessError, TrustError.
        """
        return (await self.change_status("revoke", record_ids, reason=reason)).receipts[-1]

    async def suspend(self, record_ids: str | Sequence[str], *, reason: str) -> Receipt:
        """Suspend credentials; `reinstate` ends it. Raises as `revoke`, and REVOCATION_IS_FINAL."""
        return (await self.change_status("suspend", record_ids, reason=reason)).receipts[-1]

    async def reinstate(self, record_ids: str | Sequence[str], *, reason: str) -> Receipt:
        """End the suspension of credentials. Raises as `revoke`, and REVOCATION_IS_FINAL."""
        return (await self.change_status("reinstate", record_ids, reason=reason)).receipts[-1]

    async def change_status(
        self, action: Action, record_ids: str | Sequence[str], *, reason: str
    ) -> StatusChangeResult:
        """Any of the three, with all receipts.

        Raises:
            As `revoke`; RefusedError REVOCATION_IS_FINAL when one of them is revoked and another
            action is asked for: then none is changed.
        """
        wanted = _check_change(record_ids, reason)
        store = await self._opened()
        records = await asyncio.to_thread(_find_all, store, wanted)
        async with self._changing:
            await self._finish_plans(store)
            by_pair: dict[int, list[StoredRecord]] = {}
            for record in records:
                by_pair.setdefault(record.pair.pair_id, []).append(record)
            if action != "revoke":
                for group in by_pair.values():
                    await self._refuse_revoked(group)
            receipts: list[Receipt] = []
            unchanged = 0
            for group in by_pair.values():
                found, held = await self._change_group(store, group, action, reason)
                receipts += found
                unchanged += held
        return StatusChangeResult(receipts, len(records), unchanged)

    async def _refuse_revoked(self, group: Sequence[StoredRecord]) -> None:
        pair = group[0].pair
        fact = await self._read_list(pair.revocation_id)
        revoked = [record for record in group if fact.status(record.status_index)]
        if not revoked:
            return
        if self._client.client_checks:
            receipt = refusal_receipt(ReceiptCode.REVOCATION_IS_FINAL, "")
            named = ", ".join(record.record_id for record in revoked[:_NAMED_COUNT_MAX])
            raise as_refused(receipt, f"revoked for good: {named}")
        # Development networks only: let the ledger say it.
        changes = tuple(
            model.StatusChange(index, 0)
            for index in sorted(record.status_index for record in revoked)
        )
        await self._client.submit(
            model.UpdateStatusList(self._did, pair.revocation_id, fact.record.version, changes)
        )

    async def _change_group(
        self, store: IssuerStore, group: Sequence[StoredRecord], action: Action, reason: str
    ) -> tuple[list[Receipt], int]:
        """Change the records of one pair of lists; receipts, and how many had the status before."""
        pair = group[0].pair
        list_id = pair.revocation_id if action == "revoke" else pair.suspension_id
        value = 0 if action == "reinstate" else 1
        receipts: list[Receipt] = []
        first: int | None = None
        for _ in range(ATTEMPTS_COUNT_MAX + len(group) // STATUS_CHANGES_COUNT_MAX):
            fact = await self._read_list(list_id)
            waiting = [record for record in group if fact.status(record.status_index) != value]
            first = len(waiting) if first is None else first
            if not waiting and receipts:
                break
            if not waiting:
                receipt = await asyncio.to_thread(_first_receipt, store, group, action)
                if receipt is not None:
                    receipts.append(receipt)
                    break
                waiting = list(group)  # the store has no word of it: ask again, it changes nothing
            part = waiting[:STATUS_CHANGES_COUNT_MAX]
            changes = sorted((record.status_index, value) for record in part)
            plan = StatusPlan(
                plan_id=0,
                action=action,
                reason=reason,
                list_id=list_id,
                base_version=fact.record.version,
                changes=tuple(changes),
                idempotency_key=secrets.token_bytes(16),
                record_ids=tuple(record.record_id for record in part),
            )
            plan = await asyncio.to_thread(store.add_plan, plan)
            receipt = await self._carry_out(store, plan)
            if receipt is not None:
                receipts.append(receipt)
                if len(part) == len(waiting):
                    break
        if not receipts:
            raise UnavailableError(
                "the status list was changed by others each time",
                code="STATUS_LIST_BUSY",
                remedy="Try again; changes of one list are better made by one process.",
            )
        return receipts, len(group) - (first or 0)

    async def _carry_out(self, store: IssuerStore, plan: StatusPlan) -> Receipt | None:
        """Send a plan and note its receipt; None when the list has moved on and it never applied."""
        operation = model.UpdateStatusList(
            owner=self._did,
            list_id=plan.list_id,
            base_version=plan.base_version,
            changes=tuple(model.StatusChange(index, value) for index, value in plan.changes),
        )
        try:
            receipt = await self._client.submit(operation, idempotency_key=plan.idempotency_key)
        except RefusedError as error:
            applied = await self._applied_before(plan) if _is_stale(error) else None
            if applied is None:
                await asyncio.to_thread(store.drop_plan, plan)
                if _is_stale(error):
                    return None
                raise
            receipt = applied
        now_ms = self._client.now_ms
        await asyncio.to_thread(store.finish_plan, plan, receipt.to_dict(), now_ms)
        return receipt

    async def _applied_before(self, plan: StatusPlan) -> Receipt | None:
        """The receipt of a plan that was applied so long ago that its key is forgotten."""
        status = await self._client.transaction(plan.idempotency_key)
        return status.receipt if status.state == "applied" else None

    async def _finish_plans(self, store: IssuerStore) -> None:
        for plan in await asyncio.to_thread(store.plans):
            try:
                await self._carry_out(store, plan)
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

    # ---- inside

    async def _opened(self) -> IssuerStore:
        async with self._opening:
            if self._store is None:
                self._did = await self._client.acting_did()
                self._store = await asyncio.to_thread(
                    IssuerStore,
                    self._path,
                    issuer=self._did,
                    chain_id=self._client.chain_id,
                    passphrase=self._passphrase,
                )
            return self._store

    async def _find_template(self, reference: TemplateReference) -> TemplateFound:
        network = self._client.reader.network
        answer = await self._client.reader.ask(lambda view: ask_template(view, reference, network))
        return answer.value

    async def _read_facts(self, found: TemplateFound, draft: Draft) -> tuple[IssuingFacts, int]:
        def question(view: StateView) -> IssuingFacts:
            return ask_issuing_facts(view, self._did, found, draft.values)

        facts = (await self._client.reader.ask(question)).value
        # A slow clock must not date a credential before its key was registered.
        return facts, max(self._client.now_ms, facts.time_ms)

    def _check(self, facts: IssuingFacts, draft: Draft, record_id: str, now_ms: int) -> None:
        today = civil_date_of(to_instant(now_ms))
        problems = check_values(facts.found.template, draft.values, today=today)
        if problems:
            raise DraftRefusedError(row_errors(record_id, problems))
        if self._client.client_checks:
            decision = decide_issue(facts, draft.values, now_ms)
            if not decision:
                raise refuse(decision)

    async def _signer(self) -> Signer:
        if self._key is None:
            self._key = await self._client.stored_signer(KeyRole.ISSUE, self._passphrase)
        return self._key

    def _key_id(self, facts: IssuingFacts, signer: Signer, now_ms: int) -> str:
        try:
            return find_issue_key(facts.issuer, signer, now_ms).key_id
        except CallerError as error:
            if self._client.client_checks or error.code != "ISSUE_KEY_NOT_VALID":
                raise
            return signer.key_id

    async def _usable_pair(self, store: IssuerStore) -> ListPair:
        """Status lists with room; made on the ledger when there are none."""
        pair = await asyncio.to_thread(store.usable_pair)
        if pair is not None:
            return pair
        async with self._opening:
            pair = await asyncio.to_thread(store.usable_pair)
            if pair is not None:
                return pair
            pair = await asyncio.to_thread(store.plan_pair)
            for list_id, purpose in (
                (pair.revocation_id, model.StatusPurpose.REVOCATION),
                (pair.suspension_id, model.StatusPurpose.SUSPENSION),
            ):
                await self._create_list(list_id, purpose, pair.size)
            return await asyncio.to_thread(store.mark_pair_created, pair)

    async def _create_list(self, list_id: bytes, purpose: model.StatusPurpose, size: int) -> None:
        key = schema.status_list_key(self._did, list_id)

        def question(view: StateView) -> StatusListRecord | None:
            return view.record(StatusListRecord, key)

        if (await self._client.reader.ask(question)).value is not None:
            return  # by a process that was stopped, or by another one that shares the store
        operation = model.CreateStatusList(list_id=list_id, purpose=purpose, bits=1, size=size)
        try:
            await self._client.submit(
                operation, idempotency_key=sha256(_CREATE_KEY_TAG + list_id).digest()[:16]
            )
        except RefusedError as error:
            if error.code != ReceiptCode.STATUS_LIST_EXISTS.name:
                raise

    def _same(
        self, record: StoredRecord, content_hash: bytes, found: TemplateFound, draft: Draft
    ) -> IssuedCredential:
        """What is issued under the record id, when it is what was asked for."""
        pinned = draft.reference.version
        if record.content_hash != content_hash or (
            pinned is not None and record.template != f"{found.name}@{pinned}"
        ):
            raise CallerError(
                f"{record.record_id} was issued before, with other content",
                code="RECORD_EXISTS",
                remedy="A correction is a new credential that replaces the old one: revoke this"
                " record with reason correction, and issue the corrected one under a new record id.",
            )
        return self._as_issued(record)

    def _as_issued(self, record: StoredRecord) -> IssuedCredential:
        return IssuedCredential(
            record_id=record.record_id,
            credential_id=record.credential_id,
            document=record.document,
            media_type=MEDIA_TYPE,
            status_url=resource_url(self._did, record.pair.revocation_id),
            status_index=record.status_index,
            anchored=False,
        )


def _recorded_reference(
    reference: TemplateReference, known: StoredRecord | None
) -> TemplateReference:
    """Of a record that is issued, the version it was issued under, unless another is named."""
    if known is None or not known.is_issued:
        return reference
    name, _, version = known.template.partition("@")
    if name != reference.name or reference.version is not None:
        return reference
    return TemplateReference(name, int(version))


def _qualification_name(qualification: str) -> str:
    name = qualification if ":" in qualification else QUALIFICATION_PREFIX + qualification
    if not is_qualification(name):
        raise CallerError(
            f"{qualification!r} is no qualification",
            code="QUALIFICATION_MALFORMED",
            remedy="Give a SAQA number such as 91761, or za:saqa:q:91761.",
        )
    return name


def _check_change(record_ids: str | Sequence[str], reason: str) -> list[str]:
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


def _find_all(store: IssuerStore, wanted: Sequence[str]) -> list[StoredRecord]:
    found: list[StoredRecord] = []
    missing: list[str] = []
    for record_id in wanted:
        record = store.find(record_id)
        if record is None or not record.is_issued:
            missing.append(record_id)
        else:
            found.append(record)
    if missing:
        named = ", ".join(missing[:_NAMED_COUNT_MAX])
        raise CallerError(
            f"{len(missing)} of {len(wanted)} record ids were not issued from this store: {named}",
            code="RECORD_UNKNOWN",
            remedy="Check the record ids and --store; nothing was changed.",
        )
    return found


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
