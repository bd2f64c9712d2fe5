# SPDX-License-Identifier: Apache-2.0
"""Issuing one credential: what is asked of the ledger, what is decided, what is signed.

Pure but for the signer. `sdk.aio_issuer` reads the ledger, keeps the store and calls these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any, Final

from ledger.model import schema
from ledger.model.civil_date import day_of
from ledger.model.identifiers import is_qualification, parse_resource_url, resource_url
from ledger.model.keys import KeyRole, KeyType
from ledger.model.receipts import ReceiptCode
from ledger.model.records import KeyRecord
from sdk.credentials.data_integrity import create_proof, verify_proof
from sdk.credentials.facts import check_document
from sdk.credentials.instants import parse_date
from sdk.credentials.jcs import canonicalize
from sdk.credentials.open_badges import build_credential
from sdk.credentials.problems import CredentialError
from sdk.credentials.status_list import REVOCATION, SUSPENSION, StatusEntry
from sdk.credentials.template import ASSESSED, QUALIFICATION, SITE, CredentialTemplate
from sdk.credentials.template_reader import parse_template
from sdk.credentials.values import normalise_values
from sdk.did_documents import is_key_valid
from sdk.drafts import Draft, TemplateReference
from sdk.errors import CallerError, KeyAccessError, RefusedError
from sdk.issuer_records import ListPair, StoredRecord
from sdk.moments import to_instant
from sdk.reader import StateView
from sdk.refusals import refusal_receipt
from sdk.resources import read_resource
from sdk.results import Decision, Resource
from sdk.signers import Signer, get_key_type
from sdk.verdicts import (
    QUALIFICATION_NOT_REGISTERED,
    QUALIFICATION_NOT_VALID_THEN,
    VERDICT_TEXTS,
)
from sdk.verification.authority import AuthorityQuestion, judge_authority
from sdk.verification.checks import first_day_of
from sdk.verification.documents import DocumentError, parse_document
from sdk.verification.ledger_facts import (
    IssuerFacts,
    QualificationFact,
    ask_issuer_facts,
    ask_qualification,
)
from sdk.verification.wording import day_number, qualification_number, word_date

TEMPLATE_TYPE_NAME: Final = "CredentialTemplate"


@dataclass(frozen=True, slots=True)
class TemplateFound:
    """A published template."""

    url: str
    owner: str
    name: str
    version: int
    template: CredentialTemplate

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class IssuingFacts:
    """What the ledger says that matters for one credential."""

    issuer: IssuerFacts
    found: TemplateFound
    qualification: QualificationFact | None
    time_ms: int


def ask_template(view: StateView, reference: TemplateReference, network: str) -> TemplateFound:
    """The template that a draft means.

    Raises:
        CallerError: TEMPLATE_UNKNOWN, TEMPLATE_NOT_PUBLISHED, TEMPLATE_MALFORMED.
    """
    name = reference.name
    wanted = name if reference.version is None else f"{name}@{reference.version}"
    try:
        resource = read_resource(view, wanted, network)
    except CallerError as error:
        raise CallerError(
            f"no template {wanted} is published on this network",
            code="TEMPLATE_UNKNOWN",
            remedy="See `pset credential template list`.",
        ) from error
    if reference.content_hash is not None:
        resource = _with_content(view, resource, reference.content_hash, network)
    place = parse_resource_url(resource.url)
    try:
        if resource.type != TEMPLATE_TYPE_NAME or place is None:
            raise CredentialError("", "", "it is of another type")
        template = parse_template(resource.content)
    except CredentialError as error:
        raise CallerError(
            f"{wanted} is no template that this release can read: {error.text}",
            code="TEMPLATE_MALFORMED",
            remedy="Choose another one; see `pset credential template list`.",
        ) from None
    return TemplateFound(resource.url, place[0], resource.name, int(resource.version), template)


def _with_content(view: StateView, newest: Resource, content_hash: bytes, network: str) -> Resource:
    for version in range(int(newest.version), 0, -1):
        resource = read_resource(view, f"{newest.name}@{version}", network)
        if sha256(resource.content).digest() == content_hash:
            return resource
    raise CallerError(
        f"the file's content is not published as a version of {newest.name}",
        code="TEMPLATE_NOT_PUBLISHED",
        remedy="Publish it with `pset schema publish`, or name a published template.",
    )


def prefetch_issuing_facts(view: StateView, did: str, others: Sequence[bytes]) -> None:
    """Ask for what is known to be needed of an issuer, and for other keys, in one round."""
    keys = (schema.did_key(did), schema.organisation_key(did), schema.grants_by_grantee_key(did))
    view.get_many([*keys, *others])


def ask_issuing_facts(
    view: StateView, did: str, found: TemplateFound, values: Mapping[str, Any]
) -> IssuingFacts:
    """Everything to be known before a credential is signed, at one height."""
    issuer = ask_issuer_facts(view, did)
    name = normalise_values(found.template, values).get(QUALIFICATION)
    qualification = (
        ask_qualification(view, name) if isinstance(name, str) and is_qualification(name) else None
    )
    return IssuingFacts(issuer, found, qualification, view.time_ms)


def normalised_draft(draft: Draft, template: CredentialTemplate) -> dict[str, Any]:
    """What "the same content" is judged by: the template's name and the values in one form."""
    return {
        "template": draft.reference.name,
        "values": normalise_values(template, draft.values),
    }


def decide_issue(facts: IssuingFacts, values: Mapping[str, Any], now_ms: int) -> Decision:
    """Whether the issuer may issue this today; `values` have been checked against the template."""
    normal = normalise_values(facts.found.template, values)
    assessed = parse_date(str(normal[ASSESSED]))
    assert assessed is not None, "values were checked"
    site = normal.get(SITE)
    return decide(
        facts.issuer,
        facts.qualification,
        str(normal[QUALIFICATION]),
        power=facts.found.template.power,
        site=None if site is None else str(site),
        on=assessed,
        now_ms=now_ms,
        template_owner=facts.found.owner,
    )


def decide(
    issuer: IssuerFacts,
    qualification: QualificationFact | None,
    name: str,
    *,
    power: str,
    site: str | None,
    on: date,
    now_ms: int,
    template_owner: str | None = None,
) -> Decision:
    """Whether an organisation may issue under a power for a qualification on a day of assessment.

    Codes: ALLOWED, QUALIFICATION_NOT_REGISTERED, QUALIFICATION_NOT_VALID_THEN, and those of
    `judge_authority`.
    """
    number = qualification_number(name)
    if qualification is None:
        text = f"SAQA {number} is not registered on this ledger."
        return Decision(False, QUALIFICATION_NOT_REGISTERED, text, None, None)
    first_day = first_day_of(qualification)
    if first_day is not None and on < first_day:
        text = f"{number} is registered only since {word_date(first_day)}."
        return Decision(False, QUALIFICATION_NOT_VALID_THEN, text, None, None)
    last = qualification.record.get("last_achievement")
    last_day = parse_date(last) if isinstance(last, str) else None
    if last_day is not None and on > last_day:
        text = f"{number} could be achieved until {word_date(last_day)}."
        return Decision(False, QUALIFICATION_NOT_VALID_THEN, text, None, None)
    question = AuthorityQuestion(
        power=power,
        qualification=qualification.facts,
        site=site,
        day=day_number(on),
        today=day_of(now_ms),
    )
    decision = judge_authority(issuer, question, template_owner=template_owner).decision
    if decision.until is not None and last_day is not None and last_day < decision.until:
        return Decision(True, decision.code, decision.text, decision.grant_id, last_day)
    return decision


def refuse(decision: Decision) -> RefusedError:
    """The error for a decision that says no.

    Nothing was sent: its receipt is in no block and has the decision's code as name. Its number is
    that of NOT_AUTHORISED, because these codes have none.
    """
    known = VERDICT_TEXTS.get(decision.code)
    remedies = {
        QUALIFICATION_NOT_REGISTERED: "Check the SAQA number; SAQA registers qualifications.",
        QUALIFICATION_NOT_VALID_THEN: "Check the day of the assessment.",
    }
    remedy = remedies.get(
        decision.code,
        "See `pset accreditation list`; ask the quality council for the accreditation.",
    )
    return RefusedError(
        decision.text or (known.text if known else ""),
        code=decision.code,
        remedy=remedy,
        receipt=replace(
            refusal_receipt(ReceiptCode.NOT_AUTHORISED, ""), name=decision.code, remedy=remedy
        ),
    )


def find_issue_key(issuer: IssuerFacts, signer: Signer, now_ms: int) -> KeyRecord:
    """The DID's record of the signer's key, when it may sign credentials now.

    Raises:
        CallerError: ISSUE_KEY_TYPE, ISSUE_KEY_NOT_VALID.
    """
    if get_key_type(signer) is not KeyType.ED25519:
        raise CallerError(
            f"credentials are signed with Ed25519 keys, and {signer.key_id} is none",
            code="ISSUE_KEY_TYPE",
            remedy="Give the organisation's ed25519 key of the role issue.",
        )
    keys = () if issuer.did_record is None else issuer.did_record.keys
    for key in keys:
        if (
            key.public_key == signer.public_key
            and key.type is KeyType.ED25519
            and key.role is KeyRole.ISSUE
            and not key.compromised_since
            and is_key_valid(key, now_ms)
        ):
            return key
    raise CallerError(
        f"the key {signer.key_id} is no key with which {issuer.did} issues now",
        code="ISSUE_KEY_NOT_VALID",
        remedy="Give the organisation's issue key; see `pset did show` for its keys.",
    )


def status_entries(did: str, pair: ListPair, index: int) -> tuple[StatusEntry, StatusEntry]:
    """The two places of a credential: the same index in both lists."""
    return (
        StatusEntry(resource_url(did, pair.revocation_id), index, REVOCATION),
        StatusEntry(resource_url(did, pair.suspension_id), index, SUSPENSION),
    )


def sign_credential(
    facts: IssuingFacts,
    record: StoredRecord,
    values: Mapping[str, Any],
    signer: Signer,
    key_id: str,
    now_ms: int,
) -> bytes:
    """The signed credential as canonical JSON, verified once before anybody gets it.

    Raises:
        CredentialError: the values, as `build_credential`.
        KeyAccessError: the signer cannot sign, or SIGNATURE_NOT_GOOD.
    """
    did, found = facts.issuer.did, facts.found
    now = to_instant(now_ms)
    document = build_credential(
        found.template,
        found.url,
        values,
        issuer_did=did,
        credential_id=record.credential_id,
        issued_at=now,
        status_entries=status_entries(did, record.pair, record.status_index),
        qualification_record=None if facts.qualification is None else facts.qualification.record,
    )
    encoded = canonicalize(create_proof(document, signer, f"{did}#{key_id}", now))
    try:
        parsed = parse_document(encoded)
        verify_proof(parsed.document, signer.public_key)
        good = not check_document(parsed.document, parsed.facts, found.template)
    except (DocumentError, CredentialError):
        good = False
    if not good:
        raise KeyAccessError(
            f"what the key {key_id} signed does not verify; nothing was handed out",
            code="SIGNATURE_NOT_GOOD",
            remedy="Check the key or the hardware module; the record can be issued again.",
        )
    return encoded
