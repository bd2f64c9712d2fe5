# SPDX-License-Identifier: Apache-2.0
"""What `pset accreditation` asks of the ledger: each a pure question about one certified state.

So names, grants and the chains above them in one answer are of one height, and all of them proven.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ledger.model import schema
from ledger.model.civil_date import day_of
from ledger.model.identifiers import CHARTER
from ledger.model.qualification import QualificationFacts
from ledger.model.records import GrantRecord, OrganisationRecord, ReferenceRecord
from ledger.model.scope import is_question_in_scope
from ledger.model.verification import get_child_count
from sdk.accreditations import Side, make_accreditation, read_grant, read_grants
from sdk.moments import day_number
from sdk.organisations import list_organisations, resolve_org
from sdk.reader import StateView, decode_record
from sdk.results import Accreditation
from sdk.verification.authority import Authority, AuthorityQuestion, judge_authority
from sdk.verification.ledger_facts import ask_issuer_facts, ask_qualification


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Which grants are wanted; None: any."""

    org: str | None
    side: Side
    qualification: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class NamedGrant:
    """A grant, and its two organisations by vouched short name."""

    accreditation: Accreditation
    grantor: str
    grantee: str


def ask_grants(
    view: StateView, wanted: GrantFilter, network: str, *, day: int, at_ms: int | None
) -> Sequence[NamedGrant]:
    """Grants as known at a time (ms; None: now) with their status on a day.

    Raises:
        CallerError: as `resolve_org`.
    """
    if wanted.org is not None:
        dids = [resolve_org(view, wanted.org, network)]
    else:
        dids = [organisation.did for organisation in list_organisations(view)]
    facts = _qualification_facts(view, wanted.qualification)
    _fetch_lists(view, dids, wanted.side)
    found: list[Accreditation] = []
    for grant in (grant for did in dids for grant in read_grants(view, did, wanted.side)):
        if at_ms is not None and grant.recorded_at > at_ms:
            continue
        if facts is not None and not _is_about(grant, facts):
            continue
        held = make_accreditation(grant, day, at_ms)
        if wanted.status in {None, held.status}:
            found.append(held)
    named = {did for held in found for did in (held.grantor, held.grantee)} - {CHARTER}
    view.get_many([schema.organisation_key(did) for did in sorted(named)])
    return [name_grant(view, held) for held in found]


def _fetch_lists(view: StateView, dids: Sequence[str], side: Side) -> None:
    """Look up the lists of many organisations together: what is missed costs a round each time."""
    key_of = schema.grants_by_grantee_key if side == "grantee" else schema.grants_by_grantor_key
    parents = [key_of(did) for did in dids]
    counts = [
        get_child_count(key, value)
        for key, value in zip(parents, view.get_many(parents), strict=True)
    ]
    children = view.get_many(
        [
            schema.child_key(parent, number)
            for parent, count in zip(parents, counts, strict=True)
            for number in range(count)
        ]
    )
    ids = [
        decode_record(ReferenceRecord, value).reference for value in children if value is not None
    ]
    view.get_many([schema.grant_key(grant_id) for grant_id in ids])


def name_grant(view: StateView, grant: Accreditation) -> NamedGrant:
    """A grant with the short names of its organisations."""
    return NamedGrant(
        grant, ask_short_name(view, grant.grantor), ask_short_name(view, grant.grantee)
    )


def ask_short_name(view: StateView, did: str) -> str:
    """The vouched short name behind a DID; the DID when nobody vouched for one."""
    if did == CHARTER:
        return CHARTER
    record = view.record(OrganisationRecord, schema.organisation_key(did))
    return did if record is None else record.short_name


def _qualification_facts(view: StateView, name: str | None) -> QualificationFacts | None:
    if name is None:
        return None
    fact = ask_qualification(view, name)
    # One that is not registered is in no sub-framework: only a grant that names it covers it.
    return QualificationFacts(name, "", ()) if fact is None else fact.facts


def _is_about(grant: GrantRecord, facts: QualificationFacts) -> bool:
    return grant.scope is not None and is_question_in_scope(grant.scope, qualification=facts)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an organisation may do something, and in the name of whom."""

    authority: Authority
    did: str
    short_name: str
    is_registered: bool
    """Whether the qualification that was asked about is on the ledger."""


def ask_judgement(
    view: StateView,
    org: str,
    network: str,
    *,
    power: str,
    qualification: str | None,
    site: str | None,
    on: date | None,
    now_ms: int,
) -> Judgement:
    """Today's records asked about a day; None: the day of `now_ms` or, if later, of the ledger.

    Raises:
        CallerError: as `resolve_org`.
    """
    did = resolve_org(view, org, network)
    today = day_of(max(view.time_ms, now_ms))
    question = AuthorityQuestion(
        power=power,
        qualification=_qualification_facts(view, qualification),
        site=site,
        day=today if on is None else day_number(on),
        today=today,
    )
    issuer = ask_issuer_facts(view, did)
    is_registered = qualification is None or ask_qualification(view, qualification) is not None
    return Judgement(
        judge_authority(issuer, question), did, ask_short_name(view, did), is_registered
    )


@dataclass(frozen=True, slots=True)
class SecondParty:
    """Who has to confirm a withdrawal from the beginning."""

    did: str
    short_name: str


def ask_second_party(view: StateView, grant_id: str) -> SecondParty | None:
    """The grantor's own grantor; None when that is the charter.

    Raises:
        CallerError: GRANT_UNKNOWN.
    """
    grant = read_grant(view, grant_id)
    if not grant.parent:
        return None
    did = read_grant(view, grant.parent).grantor
    return None if did == CHARTER else SecondParty(did, ask_short_name(view, did))
