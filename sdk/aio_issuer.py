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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from ledger.model.identifiers import is_qualification, resource_url
from ledger.model.keys import KeyRole
from sdk.arguments import (
    check_callable,
    check_client,
    check_day,
    check_instance,
    check_signer,
    check_text,
    check_text_or_path,
)
from sdk.credentials.instants import civil_date_of
from sdk.credentials.open_badges import MEDIA_TYPE
from sdk.credentials.values import QUALIFICATION_PREFIX, check_values
from sdk.drafts import (
    Draft,
    DraftRefusedError,
    IssuedCredential,
    RowError,
    StatusChangePreview,
    StatusChangeResult,
    TemplateReference,
    check_record_id,
    encode_values,
    row_errors,
)
from sdk.errors import CallerError
from sdk.issuer_records import ListPair, StoredRecord
from sdk.issuer_store import IssuerStore
from sdk.issuing import (
    IssuingFacts,
    TemplateFound,
    ask_issuing_facts,
    ask_template,
    decide,
    decide_issue,
    find_issue_key,
    normalised_draft,
    prefetch_issuing_facts,
    refuse,
    sign_credential,
)
from sdk.issuing_client import IssuingClient
from sdk.issuing_lists import ListKeeper, list_keys, read_versions
from sdk.moments import to_instant
from sdk.passphrases import find_passphrase
from sdk.reader import StateView
from sdk.results import Decision, Receipt
from sdk.signers import Signer
from sdk.status_changes import Action, StatusChanger, check_change
from sdk.verification.authority import ALLOWED
from sdk.verification.ledger_facts import (
    IssuerFacts,
    QualificationFact,
    ask_issuer_facts,
    ask_qualification,
)

_NAMED_COUNT_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class _Ready:
    """A credential that may be issued."""

    content_hash: bytes
    pair: ListPair | None
    """Lists of the store that have room."""
    versions: tuple[int, ...]
    """Of these lists, on the ledger."""
    facts: IssuingFacts
    now_ms: int
    signer: Signer
    key_id: str


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
        check_client(client, "submit", "reader")
        check_text_or_path(store, "store")
        if key is not None:
            check_signer(key, "key")
        if passphrase is not None:
            check_callable(passphrase, "passphrase")
        self._client = client
        self._path = Path(store)
        self._key = key
        self._passphrase = find_passphrase(passphrase)
        self._store: IssuerStore | None = None
        self._did = ""
        self._opening = asyncio.Lock()
        self._making = asyncio.Lock()
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
        check_text(qualification, "qualification")
        check_text(power, "power")
        if site is not None:
            check_text(site, "site")
        if on is not None:
            check_day(on, "on")
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
        check_instance(draft, Draft, "draft")
        found = await self._find_template(draft.reference)
        today = civil_date_of(to_instant(self._client.now_ms))
        return row_errors(record_id, check_values(found.template, draft.values, today=today))

    async def issue(self, draft: Draft, *, record_id: str) -> IssuedCredential:
        """Issue one credential; the same record and content again give the same bytes.

        Raises:
            DraftRefusedError: the values, with the code of the first that is wrong.
            RefusedError: not accredited for it, or the qualification does not allow it: codes of
                `may_issue`; its receipt is of nothing that was sent.
            CallerError: RECORD_EXISTS (other content under this record id), RECORD_ID_MALFORMED,
                TEMPLATE_UNKNOWN, TEMPLATE_NOT_PUBLISHED, TEMPLATE_MALFORMED, ISSUE_KEY_TYPE,
                ISSUE_KEY_NOT_VALID, and those of the store.
            KeyAccessError: the key or the store cannot be used.
            UnavailableError, TrustError: as every read and write.
        """
        check_instance(draft, Draft, "draft")
        check_record_id(record_id)
        store = await self._opened()
        ready = await self._prepare(store, draft, record_id)
        if isinstance(ready, IssuedCredential):
            return ready
        keeper = ListKeeper(self._client, store, self._did, self._making)
        pair = await keeper.confirm(ready.pair, ready.versions)

        def sign() -> StoredRecord:
            """Reserve, sign, store: in this order, each durable before the next."""
            reserved = store.reserve(
                record_id, ready.content_hash, ready.facts.found.label, f"urn:uuid:{uuid4()}", pair
            )
            if reserved.is_issued:
                return reserved  # by another process, a moment ago
            document = sign_credential(
                ready.facts, reserved, draft.values, ready.signer, ready.key_id, ready.now_ms
            )
            return store.complete(replace(reserved, document=document))

        record = await asyncio.to_thread(sign)
        return self._same(record, ready.content_hash, ready.facts.found, draft)

    async def preview_issue(self, draft: Draft, *, record_id: str) -> Decision:
        """The decision that `issue` would rest on now; ALLOWED, too, when it was issued before.

        Signs and sends nothing, and makes no store. Raises as `issue`, but for the signature.
        """
        check_instance(draft, Draft, "draft")
        check_record_id(record_id)
        self._did = await self._client.acting_did()
        exists = await asyncio.to_thread(self._path.exists)
        ready = await self._prepare(await self._opened() if exists else None, draft, record_id)
        if isinstance(ready, IssuedCredential):
            text = "This record was issued before: the same credential would be given again."
            return Decision(True, ALLOWED, text, None, None)
        return decide_issue(ready.facts, draft.values, ready.now_ms)

    async def find(self, record_id: str) -> IssuedCredential | None:
        """What was issued under a record id, from the store alone; None: nothing.

        Raises:
            KeyAccessError: the store cannot be used.
        """
        check_text(record_id, "record_id")
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
        self,
        action: Action,
        record_ids: str | Sequence[str],
        *,
        reason: str,
        idempotency_key: bytes | None = None,
    ) -> StatusChangeResult:
        """Any of the three, with all receipts.

        The record ids make it idempotent. `idempotency_key`, 16 bytes, is that of the first
        transaction, so that it can be looked up by it; None: one by chance.

        Raises:
            As `revoke`; RefusedError REVOCATION_IS_FINAL when one of them is revoked and another
            action is asked for: then none is changed.
        """
        wanted = check_change(record_ids, reason)
        store = await self._opened()
        records = await asyncio.to_thread(_find_all, store, wanted)
        async with self._changing:
            return await StatusChanger(self._client, store, self._did).change(
                action, records, reason, idempotency_key
            )

    async def preview_status_change(
        self, action: Action, record_ids: str | Sequence[str], *, reason: str
    ) -> StatusChangePreview:
        """What `change_status` would send now. Changes nothing. Raises as `change_status`."""
        wanted = check_change(record_ids, reason)
        store = await self._opened()
        records = await asyncio.to_thread(_find_all, store, wanted)
        return await StatusChanger(self._client, store, self._did).preview(action, records)

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

    async def _prepare(
        self, store: IssuerStore | None, draft: Draft, record_id: str
    ) -> _Ready | IssuedCredential:
        """Everything before a place is reserved; or what was issued before. `store` None: empty."""
        known = None if store is None else await asyncio.to_thread(store.find, record_id)
        found = await self._find_template(_recorded_reference(draft.reference, known))
        content = encode_values(normalised_draft(draft, found.template))
        content_hash = b"" if store is None else store.content_hash(content)
        if known is not None and known.is_issued:
            return self._same(known, content_hash, found, draft)
        pair = None if store is None else await asyncio.to_thread(store.usable_pair)
        facts, now_ms, versions = await self._read_facts(found, draft, pair)
        self._check(facts, draft, record_id, now_ms)
        signer = await self._signer()
        key_id = self._key_id(facts, signer, now_ms)
        return _Ready(content_hash, pair, versions, facts, now_ms, signer, key_id)

    async def _find_template(self, reference: TemplateReference) -> TemplateFound:
        network = self._client.reader.network
        answer = await self._client.reader.ask(lambda view: ask_template(view, reference, network))
        return answer.value

    async def _read_facts(
        self, found: TemplateFound, draft: Draft, pair: ListPair | None
    ) -> tuple[IssuingFacts, int, tuple[int, ...]]:
        """What matters for a credential, the time, and the versions of the pair's lists."""
        keys = () if pair is None else list_keys(self._did, pair)

        def question(view: StateView) -> tuple[IssuingFacts, tuple[int, ...]]:
            prefetch_issuing_facts(view, self._did, keys)
            facts = ask_issuing_facts(view, self._did, found, draft.values)
            return facts, read_versions(view, keys)

        facts, versions = (await self._client.reader.ask(question)).value
        # A slow clock must not date a credential before its key was registered.
        return facts, max(self._client.now_ms, facts.time_ms), versions

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
