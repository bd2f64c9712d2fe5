# SPDX-License-Identifier: Apache-2.0
"""GrantAccreditation: power passes down, and narrows.

A term may begin as far back as the grantor's own, so that what was granted on paper can be recorded,
but not far ahead: terms in a row would reach past the longest one that the charter allows.

The tests, in the order in which the first that fails gives the answer: the form, SELF_GRANT, GRANT_CYCLE,
NO_POWER (the grantor may accredit nobody), SEPARATION_OF_DUTIES, SCOPE_NOT_COVERED, TERM_TOO_LONG,
then what must exist, then LIMIT_EXCEEDED. A qualification or grantee that is not registered fails only the last tests:
until then it is taken to fit.

One grant of the grantor, the *parent*, must let it grant every power, to that type of organisation,
and cover scope and term whole. The first that does, in the order in which they were made, is
recorded, so the chain of authority of every grant is one path to the root.

All grants ever made to an organisation stay listed, but execution looks only at those that can still
matter (`HeldGrantsRecord`), which are limited. When there are too many, the one that ended first
makes room; from then on no grant to that organisation begins before that one's end, since nothing
would tell any more which duties it joins on such a day.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from ledger.model.accreditation import held_span, term_last_day
from ledger.model.charter_document import SCOPE_KINDS, PowerRow
from ledger.model.civil_date import DAY_MAX, OPEN_END, is_covered
from ledger.model.grant_form import check_grant_form
from ledger.model.hashes import compute_grant_id
from ledger.model.identifiers import CHARTER
from ledger.model.limits import (
    GRANT_CHAIN_DEPTH_MAX,
    GRANTS_HELD_COUNT_MAX,
    GRANTS_LISTED_COUNT_MAX,
)
from ledger.model.operations import GrantAccreditation, Scope
from ledger.model.organisation_request import RequestError
from ledger.model.qualification import QualificationLookup
from ledger.model.receipts import ReceiptCode
from ledger.model.records import (
    GrantRecord,
    HeldGrantsRecord,
    ListRecord,
    OrganisationRecord,
    OrganisationStatus,
)
from ledger.model.schema import (
    grant_key,
    grants_by_grantee_key,
    grants_by_grantor_key,
    grants_held_key,
)
from ledger.model.scope import is_in_sub_framework, is_scope_covered
from ledger.state.authorisation import Ownership
from ledger.state.context import Context, OperationRefusedError, Results
from ledger.state.duties import check_separation
from ledger.state.overlay import TransactionState
from ledger.state.queries import (
    get_chain,
    get_held_grants,
    get_organisation,
    is_holding,
    list_grants_held,
    qualification_lookup,
)


def get_grant_ownership(context: Context, _operation: GrantAccreditation) -> Ownership:
    """What does not exist yet is the author's."""
    return Ownership(owners=(context.author,))


def process_grant(context: Context, operation: GrantAccreditation) -> Results:
    """Make a grant."""
    state = context.state
    scope = operation.scope or Scope()
    try:
        check_grant_form(operation, network=context.network, charter=context.charter)
    except RequestError as error:
        raise OperationRefusedError(error.code, error.where, error.text) from None
    if operation.grantee == context.author:
        raise OperationRefusedError(ReceiptCode.SELF_GRANT, "grantee")
    if operation.grantee in _list_ancestors(context, context.author):
        raise OperationRefusedError(ReceiptCode.GRANT_CYCLE, "grantee")
    held = _list_granting(context)
    if not held:
        raise OperationRefusedError(ReceiptCode.NO_POWER, "author")
    lookup = qualification_lookup(state)
    check_separation(context, operation, scope, lookup)
    grantee = get_organisation(state, operation.grantee)
    parent = _select_parent(context, operation, scope, grantee, held, lookup)
    _check_existence(scope, grantee, lookup)
    lead_days = context.charter.limits.grant_lead_days_max
    if operation.valid_from > context.day + lead_days:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "valid_from",
            f"a term begins at most {lead_days} days from today",
        )
    _make_room(context, operation, parent)
    grant_id = compute_grant_id(context.transaction_id)
    record_grant(
        state,
        GrantRecord(
            grant_id=grant_id,
            grantor=context.author,
            grantee=operation.grantee,
            powers=operation.powers,
            scope=scope,
            valid_from=operation.valid_from,
            valid_until=operation.valid_until,
            parent=parent.grant_id,
            version=1,
            recorded_at=context.time,
        ),
    )
    return (("grant_id", grant_id), ("parent", parent.grant_id))


def record_grant(state: TransactionState, grant: GrantRecord) -> None:
    """Write a grant and list it with grantor and grantee; genesis uses this too."""
    state.put(grant_key(grant.grant_id), grant)
    state.append(grants_by_grantor_key(grant.grantor), grant.grant_id)
    state.append(grants_by_grantee_key(grant.grantee), grant.grant_id)
    held = get_held_grants(state, grant.grantee)
    state.put(
        grants_held_key(grant.grantee),
        dataclasses.replace(held, grants=(*held.grants, grant.grant_id)),
    )


def _list_ancestors(context: Context, did: str) -> list[str]:
    """Those from whom an organisation's grants come, directly or not; grants that are void, or have
    ended, do not count.
    """
    ancestors: list[str] = []
    pending = [did]
    while pending:
        for grant in list_grants_held(context.state, pending.pop()):
            if (
                grant.grantor != CHARTER
                and grant.grantor not in ancestors
                and not _is_ended(grant, context.day)
            ):
                ancestors.append(grant.grantor)
                pending.append(grant.grantor)
    return ancestors


def _list_granting(context: Context) -> list[GrantRecord]:
    """The author's grants that hold today and let it grant something."""
    powers = context.charter.granting_powers
    return [
        grant
        for grant in list_grants_held(context.state, context.author)
        if any(power in powers for power in grant.powers)
        and is_holding(context.state, grant, context.day)
    ]


def _select_parent(
    context: Context,
    operation: GrantAccreditation,
    scope: Scope,
    grantee: OrganisationRecord | None,
    held: Sequence[GrantRecord],
    lookup: QualificationLookup,
) -> GrantRecord:
    grantee_type = grantee.type if grantee else None
    is_covered_by_any = False
    for parent in held:
        if not _is_covered(operation, scope, parent, lookup):
            continue
        rows = [
            tuple(_list_rows(context, power, parent, scope, grantee_type, lookup))
            for power in operation.powers
        ]
        if not all(rows):
            continue
        is_covered_by_any = True
        if all(any(_is_within_term(operation, row) for row in fitting) for fitting in rows):
            return parent
    if is_covered_by_any:
        raise OperationRefusedError(ReceiptCode.TERM_TOO_LONG, "valid_until")
    raise OperationRefusedError(
        ReceiptCode.SCOPE_NOT_COVERED,
        "scope",
        "no grant of the grantor covers these powers, this type of grantee, scope and term",
    )


def _is_covered(
    operation: GrantAccreditation,
    scope: Scope,
    parent: GrantRecord,
    lookup: QualificationLookup,
) -> bool:
    span = held_span(parent)
    return (
        span is not None
        and is_covered(operation.valid_from, operation.valid_until, *span)
        and is_scope_covered(scope, parent.scope or Scope(), lookup, skip_unknown=True)
    )


def _list_rows(
    context: Context,
    power: str,
    parent: GrantRecord,
    scope: Scope,
    grantee_type: str | None,
    lookup: QualificationLookup,
) -> Iterator[PowerRow]:
    """Rows of the power table that let the holder of `parent` grant the power."""
    named = [kind for kind in SCOPE_KINDS if getattr(scope, kind)]
    held = parent.scope or Scope()
    for row in context.charter.power_rows:
        if (
            row.held in parent.powers
            and power in row.powers
            and (
                not row.delegates
                or (power in parent.powers and not is_scope_covered(held, scope, lookup))
            )
            and (grantee_type is None or grantee_type in row.grantee_types)
            and all(kind in row.scope_kinds for kind in named)
            and (not row.scope_needed or any(kind in row.scope_needed for kind in named))
            and (
                row.sub_framework is None
                or is_in_sub_framework(scope, row.sub_framework, lookup, skip_unknown=True)
            )
        ):
            yield row


def _is_within_term(operation: GrantAccreditation, row: PowerRow) -> bool:
    if row.term_years_max is None:
        return True
    last = term_last_day(operation.valid_from, row.term_years_max)
    return operation.valid_until != OPEN_END and operation.valid_until <= last


def _check_existence(
    scope: Scope, grantee: OrganisationRecord | None, lookup: QualificationLookup
) -> None:
    if grantee is None:
        raise OperationRefusedError(ReceiptCode.ORGANISATION_UNKNOWN, "grantee")
    if grantee.status is not OrganisationStatus.ACTIVE:
        raise OperationRefusedError(ReceiptCode.ORGANISATION_SUCCEEDED, "grantee")
    sites = [site.code for site in grantee.sites]
    for position, code in enumerate(scope.sites):
        if code not in sites:
            raise OperationRefusedError(ReceiptCode.SITE_UNKNOWN, f"scope.sites[{position}]")
    for position, name in enumerate(scope.qualifications):
        if lookup(name) is None:
            raise OperationRefusedError(
                ReceiptCode.QUALIFICATION_UNKNOWN, f"scope.qualifications[{position}]"
            )


def _make_room(context: Context, operation: GrantAccreditation, parent: GrantRecord) -> None:
    state = context.state
    if len(get_chain(state, parent)) >= GRANT_CHAIN_DEPTH_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "author", f"at most {GRANT_CHAIN_DEPTH_MAX} grants deep"
        )
    listed = state.get(ListRecord, grants_by_grantee_key(operation.grantee))
    if listed is not None and listed.child_count >= GRANTS_LISTED_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "grantee",
            f"an organisation is granted at most {GRANTS_LISTED_COUNT_MAX} times, ended grants too",
        )
    held = get_held_grants(state, operation.grantee)
    if len(held.grants) >= GRANTS_HELD_COUNT_MAX:
        held = _drop_ended(context, operation.grantee, held)
        state.put(grants_held_key(operation.grantee), held)
    if operation.valid_from < held.complete_from:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "valid_from",
            "so many grants have ended that none begins so early any more",
        )


def _drop_ended(context: Context, grantee: str, held: HeldGrantsRecord) -> HeldGrantsRecord:
    """Without the grant that is void, or else ended first, before the block's day.

    What has ended stays so: the last day of a grant only ever comes nearer.
    """
    ended = [
        (_last_day(grant), position)
        for position, grant in enumerate(list_grants_held(context.state, grantee))
        if _is_ended(grant, context.day)
    ]
    if not ended:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "grantee",
            f"an organisation holds at most {GRANTS_HELD_COUNT_MAX} grants that have not ended",
        )
    last, position = min(ended)
    return HeldGrantsRecord(
        grants=held.grants[:position] + held.grants[position + 1 :],
        complete_from=max(held.complete_from, last + 1),
    )


def _last_day(grant: GrantRecord) -> int:
    """The last day on which a grant could hold; -1: none, it is void; no end: the last there is."""
    span = held_span(grant)
    if span is None:
        return -1
    return DAY_MAX if span[1] == OPEN_END else span[1]


def _is_ended(grant: GrantRecord, day: int) -> bool:
    return _last_day(grant) < day
