# SPDX-License-Identifier: Apache-2.0
"""What a grant says about a day, its chain, its terms: at every edge."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import pytest

from ledger.model.accreditation import (
    AB_INITIO_WINDOW_MS,
    GrantStatus,
    chain_status,
    covers,
    held_span,
    is_chain_linked,
    is_power_in_scope,
    pending_ab_initio,
    status_on,
    term_last_day,
    withdrawn_from,
)
from ledger.model.civil_date import DAY_MAX
from ledger.model.operations import AccreditationReason, Scope
from ledger.model.qualification import QualificationFacts
from ledger.model.records import GrantEvent, GrantEventKind, GrantRecord
from tests.support.ledger_world import day

SUSPENDED = GrantEventKind.SUSPENDED
REINSTATED = GrantEventKind.REINSTATED
WITHDRAWN = GrantEventKind.WITHDRAWN
OPENED = GrantEventKind.AB_INITIO_OPENED
CONFIRMED = GrantEventKind.AB_INITIO_CONFIRMED

GRANT = GrantRecord(
    grant_id="g1",
    grantor="qcto",
    grantee="gaa",
    powers=("issue-statement-of-results", "train"),
    scope=Scope(qualifications=("za:saqa:q:91761",), sites=("2",)),
    valid_from=100,
    valid_until=200,
    parent="g0",
)


def with_events(*events: tuple[GrantEventKind, int], step_ms: int = 1000) -> GrantRecord:
    """Kind and effective day; recorded a second apart, from 1000 on."""
    return dataclasses.replace(
        GRANT,
        events=tuple(
            GrantEvent(
                kind=kind,
                effective=effective,
                reason=AccreditationReason.ERROR,
                recorded_at=(number + 1) * step_ms,
            )
            for number, (kind, effective) in enumerate(events)
        ),
    )


def statuses(grant: GrantRecord, *days: int) -> list[str]:
    return [status_on(grant, day).value for day in days]


def test_term_is_inclusive_at_both_ends() -> None:
    assert statuses(GRANT, 99, 100, 200, 201) == ["not-yet", "active", "active", "expired"]


def test_open_term() -> None:
    assert statuses(dataclasses.replace(GRANT, valid_until=0), 99, DAY_MAX) == ["not-yet", "active"]


def test_effective_is_the_first_day_without_the_power() -> None:
    assert statuses(with_events((WITHDRAWN, 150)), 99, 149, 150, 201) == [
        "not-yet",
        "active",
        "withdrawn",
        "withdrawn",
    ]
    assert statuses(with_events((SUSPENDED, 150)), 149, 150, 201) == [
        "active",
        "suspended",
        "expired",
    ]


def test_effective_of_reinstatement_is_the_first_day_with_it_again() -> None:
    grant = with_events((SUSPENDED, 120), (REINSTATED, 140))
    assert statuses(grant, 119, 120, 139, 140) == ["active", "suspended", "suspended", "active"]


def test_event_with_the_latest_effective_day_decides() -> None:
    # Recorded later, effective earlier: it opens a gap before, and changes nothing after.
    grant = with_events((SUSPENDED, 150), (REINSTATED, 160), (SUSPENDED, 110), (REINSTATED, 120))
    assert statuses(grant, 109, 110, 119, 120, 149, 150, 159, 160) == [
        "active",
        "suspended",
        "suspended",
        "active",
        "active",
        "suspended",
        "suspended",
        "active",
    ]


def test_of_equal_effective_days_the_later_recorded_decides() -> None:
    assert statuses(with_events((SUSPENDED, 150), (REINSTATED, 150)), 150) == ["active"]
    again = with_events((SUSPENDED, 150), (REINSTATED, 150), (SUSPENDED, 150))
    assert statuses(again, 150) == ["suspended"]


def test_withdrawal_outranks_suspension_and_reinstatement() -> None:
    grant = with_events((WITHDRAWN, 150), (SUSPENDED, 120), (REINSTATED, 160))
    assert statuses(grant, 119, 120, 149, 150, 160) == [
        "active",
        "suspended",
        "suspended",
        "withdrawn",
        "withdrawn",
    ]


def test_ab_initio_voids_every_day_once_confirmed() -> None:
    opened = with_events((OPENED, 150))
    assert statuses(opened, 99, 120, 150) == ["not-yet", "active", "active"]
    confirmed = with_events((OPENED, 150), (CONFIRMED, 150))
    assert statuses(confirmed, 1, 99, 120, 150, 300) == ["void"] * 5


def test_what_was_known_at_a_time() -> None:
    grant = with_events((SUSPENDED, 120), (WITHDRAWN, 150), (OPENED, 100), (CONFIRMED, 100))
    known = [status_on(grant, 160, known_at_ms=ms).value for ms in (999, 1000, 2000, 3999, 4000)]
    assert known == ["active", "suspended", "withdrawn", "withdrawn", "void"]


def test_held_span() -> None:
    assert held_span(GRANT) == (100, 200)
    assert held_span(dataclasses.replace(GRANT, valid_until=0)) == (100, 0)
    assert held_span(with_events((SUSPENDED, 120))) == (100, 200)
    assert held_span(with_events((WITHDRAWN, 150))) == (100, 149)
    assert held_span(with_events((WITHDRAWN, 100))) is None
    assert held_span(with_events((OPENED, 100))) == (100, 200)
    assert held_span(with_events((OPENED, 100), (CONFIRMED, 100))) is None
    open_ended = dataclasses.replace(with_events((WITHDRAWN, 150)), valid_until=0)
    assert held_span(open_ended) == (100, 149)


def test_withdrawal_recorded() -> None:
    assert withdrawn_from(with_events((WITHDRAWN, 150), (WITHDRAWN, 140))) == 140
    assert withdrawn_from(with_events((SUSPENDED, 150), (OPENED, 150))) is None


def test_pending_ab_initio_lapses_after_the_window() -> None:
    grant = with_events((OPENED, 150))
    opened = grant.events[0]
    for now in (1000, 1000 + AB_INITIO_WINDOW_MS):
        assert pending_ab_initio(grant, now) == opened
    assert pending_ab_initio(grant, 1001 + AB_INITIO_WINDOW_MS) is None
    assert pending_ab_initio(GRANT, 1000) is None
    assert pending_ab_initio(with_events((OPENED, 150), (CONFIRMED, 150)), 2000) is None


def test_pending_ab_initio_can_be_opened_again() -> None:
    grant = with_events((OPENED, 150), (SUSPENDED, 150), (OPENED, 160), step_ms=AB_INITIO_WINDOW_MS)
    pending = pending_ab_initio(grant, 3 * AB_INITIO_WINDOW_MS)
    assert pending is not None
    assert pending.effective == 160


def make_chain(*events: tuple[str, GrantEventKind, int]) -> list[GrantRecord]:
    """Provider, council, root; with events by grant id."""
    root = GrantRecord(
        grant_id="g0",
        grantor="charter",
        grantee="saqa",
        powers=("recognise-council",),
        valid_from=1,
    )
    council = GrantRecord(
        grant_id="g1", grantor="saqa", grantee="qcto", powers=("x",), valid_from=50, parent="g0"
    )
    provider = dataclasses.replace(GRANT, grant_id="g2", parent="g1")
    return [
        dataclasses.replace(
            grant,
            events=tuple(
                GrantEvent(kind=kind, effective=effective, reason=AccreditationReason.ERROR)
                for grant_id, kind, effective in events
                if grant_id == grant.grant_id
            ),
        )
        for grant in (provider, council, root)
    ]


def test_chain_holds_only_if_every_grant_does() -> None:
    assert chain_status(make_chain(), 150)
    assert chain_status(make_chain(), 150).status is GrantStatus.ACTIVE
    for grant_id in ("g0", "g1", "g2"):
        for kind, status in (
            (SUSPENDED, GrantStatus.SUSPENDED),
            (WITHDRAWN, GrantStatus.WITHDRAWN),
            (CONFIRMED, GrantStatus.VOID),
        ):
            found = chain_status(make_chain((grant_id, kind, 140)), 150)
            assert not found
            assert (found.status, found.grant.grant_id) == (status, grant_id)


def test_uppermost_grant_decides_but_void_outranks_it() -> None:
    chain = make_chain(("g2", SUSPENDED, 140), ("g1", WITHDRAWN, 140))
    assert chain_status(chain, 150).grant.grant_id == "g1"
    chain = make_chain(("g2", CONFIRMED, 140), ("g0", WITHDRAWN, 140))
    assert chain_status(chain, 150).status is GrantStatus.VOID
    # Void says so about any day, before the suspension of others too.
    assert chain_status(chain, 120).status is GrantStatus.VOID


def test_chain_linked() -> None:
    chain = make_chain()
    assert is_chain_linked(chain)
    assert not is_chain_linked([])
    assert not is_chain_linked(chain[:-1])
    assert not is_chain_linked([chain[0], chain[2]])
    forged = dataclasses.replace(chain[0], grantor="ttc")
    assert not is_chain_linked([forged, *chain[1:]])


ELECTRICIAN = QualificationFacts("za:saqa:q:91761", "OQSF", ())
OTHER = QualificationFacts("za:saqa:q:1", "OQSF", ())


@pytest.mark.parametrize(
    ("power", "qualification", "site", "on", "expected"),
    [
        ("train", ELECTRICIAN, "2", 150, True),
        ("train", None, None, 150, True),
        ("certify", ELECTRICIAN, "2", 150, False),
        ("train", OTHER, "2", 150, False),
        ("train", ELECTRICIAN, "1", 150, False),
        ("train", ELECTRICIAN, "2", 201, False),
        ("train", ELECTRICIAN, "2", 99, False),
    ],
)
def test_covers(
    power: str,
    qualification: QualificationFacts | None,
    site: str | None,
    on: int,
    *,
    expected: bool,
) -> None:
    assert covers(GRANT, power, qualification, site, on) is expected


def test_power_in_scope_says_nothing_about_days() -> None:
    void = with_events((OPENED, 100), (CONFIRMED, 100))
    assert is_power_in_scope(void, "train", qualification=ELECTRICIAN, site="2")
    assert not covers(void, "train", ELECTRICIAN, "2", 150)
    no_scope = dataclasses.replace(GRANT, scope=None)
    assert is_power_in_scope(no_scope, "train", qualification=OTHER, site="9")


@pytest.mark.parametrize(
    ("first", "years", "last"),
    [
        ("2024-02-01", 5, "2029-01-31"),
        ("2024-02-29", 5, "2029-02-28"),
        ("2024-02-29", 4, "2028-02-28"),
        ("2023-03-01", 1, "2024-02-29"),
        ("2024-03-01", 1, "2025-02-28"),
        ("2024-01-01", 5, "2028-12-31"),
        ("1970-01-01", 1, "1970-12-31"),
        ("2096-02-29", 4, "2100-02-28"),
        ("9995-06-01", 4, "9999-05-31"),
    ],
)
def test_term_ends_on_the_eve_of_the_anniversary(first: str, years: int, last: str) -> None:
    assert term_last_day(day(first), years) == day(last)


def test_term_beyond_the_calendar() -> None:
    assert term_last_day(day("9998-01-01"), 5) == DAY_MAX == day("9999-12-31")


def test_term_agrees_with_the_calendar_library() -> None:
    """Every day of nine years, against the day before the same day and month."""
    first = date(2019, 1, 1)
    for offset in range(9 * 366):
        begin = first + timedelta(days=offset)
        if (begin.month, begin.day) == (2, 29):
            continue
        anniversary = begin.replace(year=begin.year + 5)
        expected = anniversary - timedelta(days=1)
        assert term_last_day(day(begin.isoformat()), 5) == day(expected.isoformat())
