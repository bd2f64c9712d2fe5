# SPDX-License-Identifier: Apache-2.0
"""Suspend, reinstate and withdraw an accreditation.

Only the grantor, or its successor, may. `effective` is the first day without the power, or with it
again; it never lies before the block's day, so what was issued in good faith stays good. The one
exception is a withdrawal *ab initio*, which voids the grant from its first day and therefore takes
two parties (`ledger.model.accreditation`): the grantor opens it, the grantor's own grantor confirms.
A grant whose grantor was accredited by the charter has no second party yet.
"""

from __future__ import annotations

import dataclasses

from ledger.model.accreditation import (
    GrantStatus,
    is_withdrawal_recorded,
    pending_ab_initio,
    status_on,
)
from ledger.model.civil_date import DAY_MAX, is_within
from ledger.model.identifiers import CHARTER
from ledger.model.limits import RECORD_HISTORY_COUNT_MAX
from ledger.model.operations import (
    AccreditationReason,
    ReinstateAccreditation,
    SuspendAccreditation,
    WithdrawAccreditation,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import GrantEvent, GrantEventKind, GrantRecord
from ledger.model.schema import grant_key
from ledger.state.authorisation import Ownership
from ledger.state.context import Context, OperationRefusedError, Results
from ledger.state.queries import get_grant, get_listed_grant, is_acting_for

GrantChange = SuspendAccreditation | ReinstateAccreditation | WithdrawAccreditation
"""Operations that append an event to a grant."""


def get_change_ownership(context: Context, operation: GrantChange) -> Ownership:
    """The grantor; for a withdrawal ab initio the grantor's own grantor too."""
    grant = _get_grant(context, operation)
    owners: tuple[str, ...] = (grant.grantor,)
    if isinstance(operation, WithdrawAccreditation) and operation.ab_initio:
        owners = (grant.grantor, _get_second_party(context, grant))
    return Ownership(owners=owners, refusal=ReceiptCode.NOT_GRANTOR)


def _get_grant(context: Context, operation: GrantChange) -> GrantRecord:
    grant = get_grant(context.state, operation.grant_id)
    if grant is None:
        raise OperationRefusedError(ReceiptCode.GRANT_UNKNOWN, "grant_id")
    return grant


def _get_second_party(context: Context, grant: GrantRecord) -> str:
    if not grant.parent:
        return CHARTER
    return get_listed_grant(context.state, grant.parent).grantor


def process_suspend(context: Context, operation: SuspendAccreditation) -> Results:
    """Take the power away from a day on, until it is reinstated."""
    grant = _check_ordinary(context, operation)
    if status_on(grant, operation.effective) is GrantStatus.SUSPENDED:
        raise OperationRefusedError(ReceiptCode.GRANT_SUSPENDED_ALREADY, "effective")
    return _append(context, grant, operation, GrantEventKind.SUSPENDED)


def process_reinstate(context: Context, operation: ReinstateAccreditation) -> Results:
    """Give a suspended power back from a day on."""
    grant = _check_ordinary(context, operation)
    if status_on(grant, operation.effective) is not GrantStatus.SUSPENDED:
        raise OperationRefusedError(ReceiptCode.GRANT_NOT_SUSPENDED, "effective")
    return _append(context, grant, operation, GrantEventKind.REINSTATED)


def process_withdraw(context: Context, operation: WithdrawAccreditation) -> Results:
    """End a grant from a day on, or declare that it never held."""
    if not operation.ab_initio:
        grant = _check_ordinary(context, operation)
        return _append(context, grant, operation, GrantEventKind.WITHDRAWN)
    grant = _check_any(context, operation)
    if status_on(grant, context.day) is GrantStatus.VOID:
        raise OperationRefusedError(ReceiptCode.GRANT_ENDED, "grant_id")
    if operation.effective < grant.valid_from:
        raise OperationRefusedError(ReceiptCode.EFFECTIVE_OUTSIDE_TERM, "effective")
    # One body that answers for both parties is one party.
    if is_acting_for(context.state, context.author, grant.grantor):
        return _open_ab_initio(context, grant, operation)
    return _confirm_ab_initio(context, grant, operation)


def _open_ab_initio(
    context: Context, grant: GrantRecord, operation: WithdrawAccreditation
) -> Results:
    if _get_second_party(context, grant) == CHARTER:
        raise OperationRefusedError(ReceiptCode.NO_SECOND_PARTY, "grant_id")
    if pending_ab_initio(grant, context.time) is not None:
        raise OperationRefusedError(ReceiptCode.AB_INITIO_PENDING, "grant_id")
    return _append(context, grant, operation, GrantEventKind.AB_INITIO_OPENED)


def _confirm_ab_initio(
    context: Context, grant: GrantRecord, operation: WithdrawAccreditation
) -> Results:
    opened = pending_ab_initio(grant, context.time)
    if opened is None:
        raise OperationRefusedError(ReceiptCode.AB_INITIO_NOT_OPEN, "grant_id")
    if opened.reason is not operation.reason or opened.effective != operation.effective:
        raise OperationRefusedError(ReceiptCode.AB_INITIO_MISMATCH, "effective")
    return _append(context, grant, operation, GrantEventKind.AB_INITIO_CONFIRMED)


def _check_any(context: Context, operation: GrantChange) -> GrantRecord:
    """What every change must show: the current version, a reason, a day."""
    grant = _get_grant(context, operation)
    if operation.expected_version != grant.version:
        raise OperationRefusedError(ReceiptCode.STALE_VERSION, "expected_version")
    if operation.reason is AccreditationReason.UNSPECIFIED:
        raise OperationRefusedError(ReceiptCode.FIELD_INVALID, "reason", "it is missing")
    if not 1 <= operation.effective <= DAY_MAX:
        raise OperationRefusedError(ReceiptCode.FIELD_INVALID, "effective", "a day is expected")
    if len(grant.events) >= RECORD_HISTORY_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "grant_id",
            f"a grant keeps at most {RECORD_HISTORY_COUNT_MAX} events",
        )
    return grant


def _check_ordinary(context: Context, operation: GrantChange) -> GrantRecord:
    """What every change but one ab initio must show: a grant with a future, and a day in it."""
    grant = _check_any(context, operation)
    status = status_on(grant, context.day)
    if (
        status in (GrantStatus.VOID, GrantStatus.EXPIRED)
        # A withdrawal that takes effect later is final all the same.
        or is_withdrawal_recorded(grant)
    ):
        raise OperationRefusedError(ReceiptCode.GRANT_ENDED, "grant_id")
    if operation.effective < context.day:
        raise OperationRefusedError(ReceiptCode.EFFECTIVE_IN_PAST, "effective")
    if not is_within(operation.effective, grant.valid_from, grant.valid_until):
        raise OperationRefusedError(ReceiptCode.EFFECTIVE_OUTSIDE_TERM, "effective")
    return grant


def _append(
    context: Context, grant: GrantRecord, operation: GrantChange, kind: GrantEventKind
) -> Results:
    event = GrantEvent(
        kind=kind,
        effective=operation.effective,
        reason=operation.reason,
        recorded_at=context.time,
        by=context.author,
    )
    version = grant.version + 1
    context.state.put(
        grant_key(grant.grant_id),
        dataclasses.replace(grant, version=version, events=(*grant.events, event)),
    )
    return (
        ("grant_id", grant.grant_id),
        ("version", str(version)),
        ("event", kind.name.lower().replace("_", "-")),
    )
