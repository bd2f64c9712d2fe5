# SPDX-License-Identifier: Apache-2.0
"""Separation of duties: who trains does not assess externally, and neither certifies.

Within a sub-framework, no body may have two separated duties for one qualification at one time. The
table is data in genesis; under CHE (HEQSF) no duties are separated. Grants count for the days
between grant and withdrawal: a suspended grant may come back, so it counts, a void one never held.
"""

from __future__ import annotations

from ledger.model.accreditation import held_span
from ledger.model.charter_document import DutySeparation
from ledger.model.civil_date import is_overlapping
from ledger.model.operations import GrantAccreditation, Scope
from ledger.model.qualification import QualificationLookup
from ledger.model.receipts import ReceiptCode
from ledger.model.records import GrantRecord
from ledger.model.scope import is_scope_overlapping
from ledger.state.context import Context, OperationRefusedError
from ledger.state.queries import list_grants_held


def check_separation(
    context: Context,
    operation: GrantAccreditation,
    scope: Scope,
    lookup: QualificationLookup,
) -> None:
    """Refuse a grant that would join two separated duties in one body.

    Raises:
        OperationRefusedError: SEPARATION_OF_DUTIES.
    """
    for separation in context.charter.separations:
        asked = _list_duties(separation, operation.powers)
        if not asked:
            continue
        if len(asked) > 1 and is_scope_overlapping(scope, scope, separation.sub_framework, lookup):
            raise _refuse(asked)
        for grant in list_grants_held(context.state, operation.grantee):
            had = _list_duties(separation, grant.powers)
            if (
                any(duty != other for duty in asked for other in had)
                and _is_at_one_time(operation, grant)
                and is_scope_overlapping(
                    scope, grant.scope or Scope(), separation.sub_framework, lookup
                )
            ):
                raise _refuse((*asked, *had))


def _list_duties(separation: DutySeparation, powers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        duty.name for duty in separation.duties if any(power in duty.powers for power in powers)
    )


def _is_at_one_time(operation: GrantAccreditation, grant: GrantRecord) -> bool:
    span = held_span(grant)
    return span is not None and is_overlapping(operation.valid_from, operation.valid_until, *span)


def _refuse(duties: tuple[str, ...]) -> OperationRefusedError:
    names = ", ".join(sorted(set(duties)))
    return OperationRefusedError(
        ReceiptCode.SEPARATION_OF_DUTIES, "powers", f"these duties need different bodies: {names}"
    )
