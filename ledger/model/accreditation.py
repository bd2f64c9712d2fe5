# SPDX-License-Identifier: Apache-2.0
"""What an accreditation says about a day: the rules that node, SDK and verifier share.

A grant has a term of whole days, inclusive at both ends, and a history of events. `effective` of an
event is the first day without the power, or with it again. On a day the event with the latest
effective day decides, the later recorded of equals; a withdrawal is final; a withdrawal *ab initio*
that was confirmed makes the grant void from its first day. A grant holds on a day only if every
grant above it, up to the root, holds then.

Withdrawal ab initio needs two parties: the grantor opens it, and the grantor's own grantor confirms
it within AB_INITIO_WINDOW_MS with the same reason and date. What was opened and not confirmed in
time has lapsed: that is a function of time, no transaction records it. A later opening with another
reason or date replaces one that is pending. The date is what the parties found, on record with the
reason; whatever it is, the grant is void from its first day.

Pure: a day or an instant is always a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Final

from ledger.model.civil_date import DAY_MAX, OPEN_END, is_within
from ledger.model.operations import Scope
from ledger.model.qualification import QualificationFacts
from ledger.model.records import GrantEvent, GrantEventKind, GrantRecord
from ledger.model.scope import is_question_in_scope

AB_INITIO_WINDOW_MS: Final = 30 * 24 * 60 * 60 * 1000
"""In which the second party confirms a withdrawal ab initio."""

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


class GrantStatus(StrEnum):
    """What a grant says about a day."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    VOID = "void"
    NOT_YET = "not-yet"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """What a chain of grants says about a day, and the grant that decides."""

    status: GrantStatus
    grant: GrantRecord

    def __bool__(self) -> bool:
        return self.status is GrantStatus.ACTIVE


def status_on(grant: GrantRecord, day: int, *, known_at_ms: int | None = None) -> GrantStatus:
    """What a grant by itself says about a day.

    Args:
        grant: with its events.
        day: days since 1970-01-01.
        known_at_ms: look only at what was recorded by then; None: at everything.
    """
    events = _known_events(grant, known_at_ms)
    if any(event.kind is GrantEventKind.AB_INITIO_CONFIRMED for event in events):
        return GrantStatus.VOID
    if day < grant.valid_from:
        return GrantStatus.NOT_YET
    if any(event.kind is GrantEventKind.WITHDRAWN and event.effective <= day for event in events):
        return GrantStatus.WITHDRAWN
    if not is_within(day, grant.valid_from, grant.valid_until):
        return GrantStatus.EXPIRED
    deciding: GrantEvent | None = None
    for event in events:
        if (
            event.kind in _SUSPENSIONS
            and event.effective <= day
            and (deciding is None or event.effective >= deciding.effective)
        ):
            deciding = event
    if deciding is not None and deciding.kind is GrantEventKind.SUSPENDED:
        return GrantStatus.SUSPENDED
    return GrantStatus.ACTIVE


_SUSPENSIONS: Final = (GrantEventKind.SUSPENDED, GrantEventKind.REINSTATED)


def _known_events(grant: GrantRecord, known_at_ms: int | None) -> Sequence[GrantEvent]:
    if known_at_ms is None:
        return grant.events
    return [event for event in grant.events if event.recorded_at <= known_at_ms]


def chain_status(
    chain: Sequence[GrantRecord], day: int, *, known_at_ms: int | None = None
) -> ChainStatus:
    """What a grant says about a day together with the grants above it.

    A void grant anywhere makes the whole void; otherwise the uppermost grant that does not hold
    decides.

    Args:
        chain: the grant, its parent, and so on up to the root; at least one.
        day: days since 1970-01-01.
        known_at_ms: as in `status_on`.
    """
    deciding = ChainStatus(GrantStatus.ACTIVE, chain[0])
    for grant in chain:
        status = status_on(grant, day, known_at_ms=known_at_ms)
        if status is GrantStatus.VOID:
            return ChainStatus(status, grant)
        if status is not GrantStatus.ACTIVE:
            deciding = ChainStatus(status, grant)
    return deciding


def is_chain_linked(chain: Sequence[GrantRecord]) -> bool:
    """Whether each grant was made by the holder of the next one, ending at a root grant.

    For those who were handed a chain and did not walk it in the state themselves.
    """
    if not chain or chain[-1].parent:
        return False
    return all(
        lower.parent == upper.grant_id and lower.grantor == upper.grantee
        for lower, upper in pairwise(chain)
    )


def covers(
    grant: GrantRecord,
    power: str,
    qualification: QualificationFacts | None,
    site: str | None,
    day: int,
    *,
    known_at_ms: int | None = None,
) -> bool:
    """Whether a grant by itself lets its grantee use a power on a day; None: not asked.

    The grants above it must hold on that day too: `chain_status`.
    """
    return (
        is_power_in_scope(grant, power, qualification=qualification, site=site)
        and status_on(grant, day, known_at_ms=known_at_ms) is GrantStatus.ACTIVE
    )


def is_power_in_scope(
    grant: GrantRecord,
    power: str,
    *,
    qualification: QualificationFacts | None = None,
    site: str | None = None,
    designation: str | None = None,
    trade: str | None = None,
) -> bool:
    """Whether a grant, on the days on which it holds, includes a power over what is asked about."""
    return power in grant.powers and is_question_in_scope(
        grant.scope or Scope(),
        qualification=qualification,
        site=site,
        designation=designation,
        trade=trade,
    )


def held_span(grant: GrantRecord) -> tuple[int, int] | None:
    """First and last day (OPEN_END: none) between grant and withdrawal, days of suspension
    included; None when it holds on no day: void, or withdrawn from its first day.
    """
    last = grant.valid_until
    for event in grant.events:
        if event.kind is GrantEventKind.AB_INITIO_CONFIRMED:
            return None
        if event.kind is GrantEventKind.WITHDRAWN:
            if event.effective <= grant.valid_from:
                return None
            before = event.effective - 1
            last = before if last == OPEN_END else min(last, before)
    return grant.valid_from, last


def withdrawn_from(grant: GrantRecord) -> int | None:
    """The first day on which a grant is withdrawn: today, in the past, or announced for later; None
    when no ordinary withdrawal was recorded. Of several the earliest counts.
    """
    return min(
        (event.effective for event in grant.events if event.kind is GrantEventKind.WITHDRAWN),
        default=None,
    )


def pending_ab_initio(grant: GrantRecord, now_ms: int) -> GrantEvent | None:
    """The withdrawal ab initio that is open at an instant: not confirmed, not lapsed."""
    opened: GrantEvent | None = None
    for event in grant.events:
        if event.kind is GrantEventKind.AB_INITIO_CONFIRMED:
            return None
        if event.kind is GrantEventKind.AB_INITIO_OPENED:
            opened = event
    if opened is None or now_ms - opened.recorded_at > AB_INITIO_WINDOW_MS:
        return None
    return opened


def term_last_day(valid_from: int, years: int) -> int:
    """Last day of a term of calendar years that begins on a day: the eve of the anniversary.

    A term from 29 February ends on 28 February where the last year has no 29th.
    """
    first = date.fromordinal(_EPOCH_ORDINAL + valid_from)
    year = first.year + years
    if year > date.max.year:
        return DAY_MAX
    if first.month == 2 and first.day == 29 and not _is_leap(year):
        anniversary = date(year, 3, 1)
    else:
        anniversary = date(year, first.month, first.day)
    return anniversary.toordinal() - 1 - _EPOCH_ORDINAL


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
