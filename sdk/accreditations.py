# SPDX-License-Identifier: Apache-2.0
"""Questions about accreditations: grants of an organisation, complete, as of a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from ledger.model import schema
from ledger.model.accreditation import AB_INITIO_WINDOW_MS, pending_ab_initio, status_on
from ledger.model.charter_document import SCOPE_KINDS
from ledger.model.civil_date import day_of
from ledger.model.operations import AccreditationReason, Scope
from ledger.model.records import GrantEventKind, GrantRecord, ReferenceRecord
from sdk.errors import CallerError
from sdk.moments import to_date, to_date_or_none, to_instant
from sdk.organisations import resolve_org
from sdk.reader import StateView, decode_record
from sdk.results import Accreditation, AccreditationEvent, AccreditationHistory, Org

Side = Literal["grantee", "grantor"]

REASON_NAMES: Final = {
    reason: reason.name.lower().replace("_", "-") for reason in AccreditationReason
}
"""Codes of reasons, as in calls and commands."""

_EVENT_NAMES: Final = {
    GrantEventKind.UNSPECIFIED: "unspecified",
    GrantEventKind.SUSPENDED: "suspended",
    GrantEventKind.REINSTATED: "reinstated",
    GrantEventKind.WITHDRAWN: "withdrawn",
    GrantEventKind.AB_INITIO_OPENED: "ab-initio-opened",
    GrantEventKind.AB_INITIO_CONFIRMED: "ab-initio-confirmed",
}


def parse_reason(name: str) -> AccreditationReason:
    """The reason of a code.

    Raises:
        CallerError: REASON_UNKNOWN.
    """
    for reason, label in REASON_NAMES.items():
        if label == name and reason is not AccreditationReason.UNSPECIFIED:
            return reason
    known = ", ".join(list(REASON_NAMES.values())[1:])
    raise CallerError(
        f"{name!r} is no reason; free text is never written to the ledger",
        code="REASON_UNKNOWN",
        remedy=f"Choose one of {known}.",
    )


def read_grant(view: StateView, grant_id: str) -> GrantRecord:
    """One grant.

    Raises:
        CallerError: GRANT_UNKNOWN.
    """
    record = view.record(GrantRecord, schema.grant_key(grant_id))
    if record is None:
        raise CallerError(
            f"there is no grant {grant_id}",
            code="GRANT_UNKNOWN",
            remedy="See `pset accreditation list ORG` for the ids of an organisation's grants.",
        )
    return record


def read_grants(view: StateView, did: str, side: Side = "grantee") -> Sequence[GrantRecord]:
    """All grants to (or, as grantor, by) a DID, in the order in which they were made."""
    key_of = schema.grants_by_grantee_key if side == "grantee" else schema.grants_by_grantor_key
    children = view.children(key_of(did))
    ids = [decode_record(ReferenceRecord, child).reference for child in children]
    found = view.records(GrantRecord, [schema.grant_key(grant_id) for grant_id in ids])
    return [record for record in found if record is not None]


def read_accreditations(
    view: StateView,
    org: Org,
    network: str,
    *,
    day: int,
    at_ms: int | None = None,
    side: Side = "grantee",
) -> Sequence[Accreditation]:
    """Grants of an organisation with their status on a day, as known at a time (ms; None: now).

    Raises:
        CallerError: as `resolve_org`.
    """
    grants = read_grants(view, resolve_org(view, org, network), side)
    return [
        make_accreditation(grant, day, at_ms)
        for grant in grants
        if at_ms is None or grant.recorded_at <= at_ms
    ]


def make_accreditation(grant: GrantRecord, day: int, at_ms: int | None = None) -> Accreditation:
    """A grant with its own status on a day, as known at a time (ms; None: now)."""
    scope = grant.scope or Scope()
    return Accreditation(
        id=grant.grant_id,
        grantor=grant.grantor,
        grantee=grant.grantee,
        powers=frozenset(grant.powers),
        scope={kind: list(getattr(scope, kind)) for kind in SCOPE_KINDS},
        valid_from=to_date(grant.valid_from),
        valid_until=to_date_or_none(grant.valid_until),
        status=status_on(grant, day, known_at_ms=at_ms).value,
        parent=grant.parent or None,
    )


def read_history(view: StateView, grant_id: str) -> AccreditationHistory:
    """A grant with all that happened to it; its status is that of the state's day.

    Raises:
        CallerError: GRANT_UNKNOWN.
    """
    grant = read_grant(view, grant_id)
    pending = pending_ab_initio(grant, view.time_ms)
    return AccreditationHistory(
        accreditation=make_accreditation(grant, day_of(view.time_ms)),
        recorded_at=to_instant(grant.recorded_at),
        version=grant.version,
        events=[
            AccreditationEvent(
                kind=_EVENT_NAMES[event.kind],
                effective=to_date(event.effective),
                reason=REASON_NAMES[event.reason],
                recorded_at=to_instant(event.recorded_at),
                by=event.by,
            )
            for event in grant.events
        ],
        pending_until=None
        if pending is None
        else to_instant(pending.recorded_at + AB_INITIO_WINDOW_MS),
    )
