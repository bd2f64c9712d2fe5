# SPDX-License-Identifier: Apache-2.0
"""Suspend, reinstate and withdraw an accreditation.

Only the grantor, or its successor, may. `effective` is the first day without the power, or with it
again; it never lies before the block's day, so what was issued in good faith stays good. The one
exception is a withdrawal *ab initio*, which voids the grant from its first day and therefore takes
two parties (`ledger.model.accreditation`): the grantor opens it, the grantor's own grantor confirms.
A grant whose grantor was accredited by the charter has no second party yet.

A withdrawal that was announced for a later day is final from that day on. Until then the grantor
may still suspend, and may withdraw earlier; nothing gives the power back.

The history of a grant is limited, and never too full to end it: the last places are kept for an
immediate withdrawal and for one ab initio.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from ledger.model.accreditation import (
    GrantStatus,
    pending_ab_initio,
    status_on,
    withdrawn_from,
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

EVENTS_RESERVE_COUNT: Final = 16
"""Places at the end of a history that ordinary events leave free: one for an immediate withdrawal,
one for the confirmation of a withdrawal ab initio, the others for its openings.
"""

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
    opened = pending_ab_initio(grant, context.time)
    if (
        opened is not None
        and opened.reason is operation.reason
        and opened.effective == operation.effective
    ):
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
    return grant


def _check_ordinary(context: Context, operation: GrantChange) -> GrantRecord:
    """What every change but one ab initio must show: a grant with a future, and a day in it."""
    grant = _check_any(context, operation)
    status = status_on(grant, context.day)
    if status in (GrantStatus.VOID, GrantStatus.EXPIRED, GrantStatus.WITHDRAWN):
        raise OperationRefusedError(ReceiptCode.GRANT_ENDED, "grant_id")
    if operation.effective < context.day:
        raise OperationRefusedError(ReceiptCode.EFFECTIVE_IN_PAST, "effective")
    if not is_within(operation.effective, grant.valid_from, grant.valid_until):
        raise OperationRefusedError(ReceiptCode.EFFECTIVE_OUTSIDE_TERM, "effective")
    announced = withdrawn_from(grant)
    if announced is not None and operation.effective >= announced:
        raise OperationRefusedError(
            ReceiptCode.GRANT_ENDED, "effective", "the grant is withdrawn by that day"
        )
    return grant


def _check_room(
    context: Context, grant: GrantRecord, operation: GrantChange, kind: GrantEventKind
) -> None:
    count_max = RECORD_HISTORY_COUNT_MAX
    if kind is GrantEventKind.AB_INITIO_OPENED:
        count_max -= 2
    elif kind is GrantEventKind.WITHDRAWN and (
        operation.effective <= max(context.day, grant.valid_from)
    ):
        count_max -= 1  # No withdrawal can follow this one: it takes one place.
    elif kind is not GrantEventKind.AB_INITIO_CONFIRMED:
        count_max -= EVENTS_RESERVE_COUNT
    if len(grant.events) >= count_max:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "grant_id",
            f"a grant keeps at most {count_max} events before one of this kind",
        )


def _append(
    context: Context, grant: GrantRecord, operation: GrantChange, kind: GrantEventKind
) -> Results:
    _check_room(context, grant, operation, kind)
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
