# SPDX-License-Identifier: Apache-2.0
"""Suspending, reinstating, withdrawing, and the two parties of a withdrawal ab initio."""

from __future__ import annotations

import dataclasses

import pytest

from ledger.model.accreditation import AB_INITIO_WINDOW_MS, GrantStatus, status_on
from ledger.model.codec import encode
from ledger.model.limits import (
    POWERS_COUNT_MAX,
    RECORD_HISTORY_COUNT_MAX,
    SCOPE_COUNT_MAX,
    STATE_VALUE_SIZE_MAX,
)
from ledger.model.operations import (
    AccreditationReason,
    ReinstateAccreditation,
    Scope,
    SuspendAccreditation,
    WithdrawAccreditation,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import GrantEvent, GrantEventKind, GrantRecord
from ledger.model.schema import grant_key
from ledger.state.grant_changes import EVENTS_RESERVE_COUNT
from tests.support.ledger_execution import ELECTRICIAN, make_training_world
from tests.support.ledger_world import day

FRAUD = AccreditationReason.FRAUD_FINDING
QUALITY = AccreditationReason.QUALITY_FAILURE
TODAY = "2026-05-14"


class Accredited:
    """gaa's grant by qcto from 2024-02-01 to 2029-01-31; today is TODAY."""

    def __init__(self) -> None:
        self.world = make_training_world()
        self.grant_id = self.world.grant(
            "qcto", "gaa", "train", until="2029-01-31", qualifications=[ELECTRICIAN], sites=["2"]
        )
        self.world.skip_to(TODAY)

    @property
    def version(self) -> int:
        return self.world.grant_record(self.grant_id).version

    def suspend(
        self, effective: str = TODAY, reason: AccreditationReason = QUALITY
    ) -> SuspendAccreditation:
        return SuspendAccreditation(
            grant_id=self.grant_id,
            expected_version=self.version,
            effective=day(effective),
            reason=reason,
        )

    def reinstate(self, effective: str = TODAY) -> ReinstateAccreditation:
        return ReinstateAccreditation(
            grant_id=self.grant_id,
            expected_version=self.version,
            effective=day(effective),
            reason=QUALITY,
        )

    def withdraw(
        self,
        effective: str = TODAY,
        *,
        ab_initio: bool = False,
        reason: AccreditationReason = FRAUD,
    ) -> WithdrawAccreditation:
        return WithdrawAccreditation(
            grant_id=self.grant_id,
            expected_version=self.version,
            effective=day(effective),
            reason=reason,
            ab_initio=ab_initio,
        )

    def status(self, on: str) -> str:
        return status_on(self.world.grant_record(self.grant_id), day(on)).value


@pytest.fixture
def case() -> Accredited:
    return Accredited()


# Ordinary changes ----------------------------------------------------------------------------------


def test_withdrawal_takes_effect_on_its_day(case: Accredited) -> None:
    results = case.world.apply("qcto", case.withdraw("2027-07-01"))
    assert results == {"grant_id": case.grant_id, "version": "2", "event": "withdrawn"}
    assert [case.status(on) for on in ("2026-06-01", "2027-06-30", "2027-07-01", "2028-01-01")] == [
        "active",
        "active",
        "withdrawn",
        "withdrawn",
    ]
    (event,) = case.world.grant_record(case.grant_id).events
    assert event == GrantEvent(
        kind=GrantEventKind.WITHDRAWN,
        effective=day("2027-07-01"),
        reason=FRAUD,
        recorded_at=case.world.time,
        by=case.world.did("qcto"),
    )


def test_suspension_and_reinstatement(case: Accredited) -> None:
    case.world.apply("qcto", case.suspend())
    assert case.status(TODAY) == "suspended"
    assert case.status("2026-05-13") == "active"
    case.world.skip_to("2026-08-01")
    case.world.apply("qcto", case.reinstate("2026-08-02"))
    assert [case.status(on) for on in ("2026-08-01", "2026-08-02")] == ["suspended", "active"]
    events = case.world.grant_record(case.grant_id).events
    assert [event.kind.name for event in events] == ["SUSPENDED", "REINSTATED"]
    assert case.version == 3


def test_announced_suspension_is_taken_back(case: Accredited) -> None:
    case.world.apply("qcto", case.suspend("2026-09-01"))
    case.world.refuse(ReceiptCode.GRANT_NOT_SUSPENDED, "qcto", case.reinstate("2026-08-31"))
    case.world.apply("qcto", case.reinstate("2026-09-01"))
    assert case.status("2026-09-01") == case.status("2026-12-01") == "active"


def test_suspension_can_be_brought_forward(case: Accredited) -> None:
    case.world.apply("qcto", case.suspend("2026-09-01"))
    case.world.refuse(ReceiptCode.GRANT_SUSPENDED_ALREADY, "qcto", case.suspend("2026-10-01"))
    case.world.apply("qcto", case.suspend("2026-06-01"))
    assert case.status("2026-06-01") == "suspended"


@pytest.mark.parametrize(
    ("effective", "code"),
    [
        ("2026-05-13", ReceiptCode.EFFECTIVE_IN_PAST),
        ("2024-01-31", ReceiptCode.EFFECTIVE_IN_PAST),
        ("2029-02-01", ReceiptCode.EFFECTIVE_OUTSIDE_TERM),
        ("2026-05-14", None),
        ("2029-01-31", None),
    ],
)
def test_effective_day_at_its_edges(
    case: Accredited, effective: str, code: ReceiptCode | None
) -> None:
    for operation in (case.suspend(effective), case.withdraw(effective)):
        if code is not None:
            case.world.refuse(code, "qcto", operation)
    if code is None:
        case.world.apply("qcto", case.withdraw(effective))


def test_grant_that_has_not_begun(case: Accredited) -> None:
    case.grant_id = case.world.grant(
        "qcto",
        "gaa",
        "issue-badge",
        since="2027-01-01",
        until="2027-12-31",
        qualifications=[ELECTRICIAN],
    )
    case.world.refuse(ReceiptCode.EFFECTIVE_OUTSIDE_TERM, "qcto", case.withdraw(TODAY))
    case.world.apply("qcto", case.withdraw("2027-01-01"))
    assert case.status("2027-01-01") == "withdrawn"


def test_announced_withdrawal_is_final_from_its_day_on(case: Accredited) -> None:
    case.world.apply("qcto", case.withdraw("2027-07-01"))
    for operation in (
        case.suspend("2027-07-01"),
        case.suspend("2028-01-01"),
        case.reinstate("2027-07-01"),
        case.withdraw("2027-07-01"),
        case.withdraw("2028-01-01"),
    ):
        results = case.world.refuse(ReceiptCode.GRANT_ENDED, "qcto", operation)
        assert results["field"] == "effective"
    case.world.skip_to("2027-07-01")
    for operation in (case.suspend("2027-07-01"), case.withdraw("2027-07-01")):
        results = case.world.refuse(ReceiptCode.GRANT_ENDED, "qcto", operation)
        assert results["field"] == "grant_id"


def test_announced_withdrawal_leaves_the_grantor_its_means(case: Accredited) -> None:
    """What is found meanwhile can be answered meanwhile."""
    case.world.apply("qcto", case.withdraw("2027-07-01"))
    case.world.apply("qcto", case.suspend("2026-06-01"))
    case.world.apply("qcto", case.reinstate("2026-07-01"))
    case.world.apply("qcto", case.withdraw("2026-12-01"))
    assert [
        case.status(on)
        for on in ("2026-05-31", "2026-06-30", "2026-11-30", "2026-12-01", "2027-08-01")
    ] == ["active", "suspended", "active", "withdrawn", "withdrawn"]
    case.world.apply("qcto", case.withdraw(TODAY))
    assert case.status(TODAY) == "withdrawn"
    case.world.refuse(ReceiptCode.GRANT_ENDED, "qcto", case.suspend("2026-05-15"))


def test_expired_grant(case: Accredited) -> None:
    case.world.skip_to("2029-02-01")
    case.world.refuse(ReceiptCode.GRANT_ENDED, "qcto", case.withdraw("2029-02-01"))


def test_day_of_the_block_is_at_utc_plus_2(case: Accredited) -> None:
    """At 22:30 UTC it is tomorrow in South Africa."""
    case.world.time = day(TODAY) * 86_400_000 + 22 * 3_600_000 + 1_800_000
    case.world.refuse(ReceiptCode.EFFECTIVE_IN_PAST, "qcto", case.suspend(TODAY))
    case.world.apply("qcto", case.suspend("2026-05-15"))


def test_reason_and_day_are_needed(case: Accredited) -> None:
    for change in (
        {"reason": AccreditationReason.UNSPECIFIED},
        {"effective": 0},
        {"effective": 2**32 - 1},
    ):
        operation = dataclasses.replace(case.suspend(), **change)
        results = case.world.refuse(ReceiptCode.FIELD_INVALID, "qcto", operation)
        assert results["field"] == next(iter(change))


def test_version_is_the_one_that_was_read(case: Accredited) -> None:
    for version in (0, 2):
        operation = dataclasses.replace(case.suspend(), expected_version=version)
        case.world.refuse(ReceiptCode.STALE_VERSION, "qcto", operation)
    case.world.apply("qcto", case.suspend())
    stale = dataclasses.replace(case.withdraw(), expected_version=1)
    case.world.refuse(ReceiptCode.STALE_VERSION, "qcto", stale)


@pytest.mark.parametrize("author", ["saqa", "gaa", "che"])
def test_only_the_grantor_changes(case: Accredited, author: str) -> None:
    for operation in (case.suspend(), case.reinstate(), case.withdraw()):
        case.world.refuse(ReceiptCode.NOT_GRANTOR, author, operation)


def test_successor_of_the_grantor_changes(case: Accredited) -> None:
    case.world.succeed("qcto", "umalusi")
    case.world.refuse(ReceiptCode.NOT_AUTHORISED, "qcto", case.suspend())
    case.world.apply("umalusi", case.suspend())


def test_root_grant_belongs_to_the_charter(case: Accredited) -> None:
    council = case.world.grant_record(case.world.grant_record(case.grant_id).parent)
    case.grant_id = council.parent
    assert case.world.grant_record(case.grant_id).grantor == "charter"
    for author in ("saqa", "qcto"):
        for operation in (case.suspend(), case.withdraw(ab_initio=True)):
            case.world.refuse(ReceiptCode.NOT_GRANTOR, author, operation)


def fill_history(case: Accredited, count: int) -> None:
    record = case.world.grant_record(case.grant_id)
    event = GrantEvent(kind=GrantEventKind.AB_INITIO_OPENED, effective=1, recorded_at=1)
    case.world.values[grant_key(case.grant_id)] = encode(
        dataclasses.replace(record, events=(event,) * count)
    )


def test_number_of_events_is_limited(case: Accredited) -> None:
    fill_history(case, RECORD_HISTORY_COUNT_MAX - EVENTS_RESERVE_COUNT)
    for operation in (case.suspend(), case.withdraw("2026-05-15")):
        case.world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", operation)
    fill_history(case, RECORD_HISTORY_COUNT_MAX - EVENTS_RESERVE_COUNT - 1)
    case.world.apply("qcto", case.suspend())


def test_full_history_can_still_be_ended(case: Accredited) -> None:
    """Openings stop first, then one withdrawal fits, then one confirmation."""
    fill_history(case, RECORD_HISTORY_COUNT_MAX - 3)
    case.world.apply("qcto", case.withdraw(ab_initio=True))
    other = case.withdraw(ab_initio=True, reason=QUALITY)
    case.world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", other)
    case.world.apply("qcto", case.withdraw())
    assert case.status(TODAY) == "withdrawn"
    case.world.apply("saqa", case.withdraw(ab_initio=True))
    assert case.status(TODAY) == "void"
    assert len(case.world.grant_record(case.grant_id).events) == RECORD_HISTORY_COUNT_MAX


def test_full_history_of_a_grant_that_has_not_begun(case: Accredited) -> None:
    case.grant_id = case.world.grant(
        "qcto",
        "gaa",
        "issue-badge",
        since="2027-01-01",
        until="2027-12-31",
        qualifications=[ELECTRICIAN],
    )
    fill_history(case, RECORD_HISTORY_COUNT_MAX - 2)
    case.world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", case.withdraw("2027-01-02"))
    case.world.apply("qcto", case.withdraw("2027-01-01"))


def test_full_grant_fits_into_the_state() -> None:
    """The largest scope and history that the rules allow."""
    full = GrantRecord(
        grant_id="g" * 64,
        grantor="d" * 64,
        grantee="d" * 64,
        powers=("p" * 64,) * POWERS_COUNT_MAX,
        scope=Scope(
            sub_frameworks=("HEQSF",) * SCOPE_COUNT_MAX,
            qualifications=("za:saqa:q:999999999",) * SCOPE_COUNT_MAX,
            sites=("s" * 32,) * SCOPE_COUNT_MAX,
            designations=("d" * 64,) * SCOPE_COUNT_MAX,
            trades=("t" * 64,) * SCOPE_COUNT_MAX,
        ),
        valid_from=2**32 - 1,
        valid_until=2**32 - 1,
        parent="g" * 64,
        version=2**64 - 1,
        recorded_at=2**64 - 1,
        events=(
            GrantEvent(
                kind=GrantEventKind.WITHDRAWN,
                effective=2**32 - 1,
                reason=FRAUD,
                recorded_at=2**64 - 1,
                by="d" * 64,
            ),
        )
        * RECORD_HISTORY_COUNT_MAX,
    )
    assert len(encode(full)) < STATE_VALUE_SIZE_MAX


# Ab initio -----------------------------------------------------------------------------------------


def test_two_parties_void_a_grant(case: Accredited) -> None:
    results = case.world.apply("qcto", case.withdraw("2024-03-01", ab_initio=True))
    assert results["event"] == "ab-initio-opened"
    assert case.status(TODAY) == "active", "opened is not done"
    assert case.version == 2
    results = case.world.apply("saqa", case.withdraw("2024-03-01", ab_initio=True))
    assert results["event"] == "ab-initio-confirmed"
    assert {case.status(on) for on in ("2024-02-01", TODAY, "2030-01-01")} == {"void"}
    events = case.world.grant_record(case.grant_id).events
    assert [event.by for event in events] == [case.world.did("qcto"), case.world.did("saqa")]


def test_void_is_the_end(case: Accredited) -> None:
    for author in ("qcto", "saqa"):
        case.world.apply(author, case.withdraw(ab_initio=True))
    for operation in (case.suspend(), case.withdraw(), case.withdraw(ab_initio=True)):
        case.world.refuse(ReceiptCode.GRANT_ENDED, "qcto", operation)
    case.world.refuse(ReceiptCode.GRANT_ENDED, "saqa", case.withdraw(ab_initio=True))


def test_one_party_alone_voids_nothing(case: Accredited) -> None:
    case.world.apply("qcto", case.withdraw(ab_initio=True))
    case.world.refuse(ReceiptCode.AB_INITIO_PENDING, "qcto", case.withdraw(ab_initio=True))
    assert case.status(TODAY) == "active"


def test_another_opening_replaces_what_is_pending(case: Accredited) -> None:
    """A mistake in reason or day does not block the grantor for 30 days."""
    case.world.apply("qcto", case.withdraw("2024-03-01", ab_initio=True))
    case.world.apply("qcto", case.withdraw("2024-04-01", ab_initio=True, reason=QUALITY))
    first = case.withdraw("2024-03-01", ab_initio=True)
    case.world.refuse(ReceiptCode.AB_INITIO_MISMATCH, "saqa", first)
    case.world.apply("saqa", case.withdraw("2024-04-01", ab_initio=True, reason=QUALITY))
    assert case.status("2024-02-01") == "void", "whatever the day that the parties found"


def test_second_party_cannot_begin(case: Accredited) -> None:
    case.world.refuse(ReceiptCode.AB_INITIO_NOT_OPEN, "saqa", case.withdraw(ab_initio=True))


@pytest.mark.parametrize("author", ["gaa", "che", "umalusi"])
def test_third_parties_have_no_say(case: Accredited, author: str) -> None:
    case.world.refuse(ReceiptCode.NOT_GRANTOR, author, case.withdraw(ab_initio=True))
    case.world.apply("qcto", case.withdraw(ab_initio=True))
    case.world.refuse(ReceiptCode.NOT_GRANTOR, author, case.withdraw(ab_initio=True))


def test_second_party_repeats_reason_and_day(case: Accredited) -> None:
    case.world.apply("qcto", case.withdraw("2024-03-01", ab_initio=True))
    for operation in (
        case.withdraw("2024-03-02", ab_initio=True),
        case.withdraw("2024-03-01", ab_initio=True, reason=QUALITY),
    ):
        case.world.refuse(ReceiptCode.AB_INITIO_MISMATCH, "saqa", operation)
    case.world.apply("saqa", case.withdraw("2024-03-01", ab_initio=True))


@pytest.mark.parametrize("late_ms", [0, 1])
def test_what_is_not_confirmed_in_time_lapses(case: Accredited, late_ms: int) -> None:
    case.world.apply("qcto", case.withdraw(ab_initio=True))
    opened = case.world.time
    case.world.run_block([], time=opened + AB_INITIO_WINDOW_MS + late_ms - 2000)
    operation = case.withdraw(ab_initio=True)
    # The next block is one second later: pass the last millisecond exactly.
    case.world.time = opened + AB_INITIO_WINDOW_MS + late_ms - 1000
    if late_ms:
        case.world.refuse(ReceiptCode.AB_INITIO_NOT_OPEN, "saqa", operation)
        case.world.apply("qcto", operation)
        case.world.apply("saqa", case.withdraw(ab_initio=True))
    else:
        case.world.apply("saqa", operation)
    assert case.status(TODAY) == "void"


def test_ab_initio_after_withdrawal_and_after_the_term(case: Accredited) -> None:
    """Fraud is often found when the grant is over."""
    case.world.apply("qcto", case.withdraw("2027-01-01"))
    case.world.skip_to("2030-01-01")
    for author in ("qcto", "saqa"):
        case.world.apply(author, case.withdraw("2030-01-01", ab_initio=True))
    assert case.status(TODAY) == GrantStatus.VOID


def test_ab_initio_day_is_not_before_the_grant(case: Accredited) -> None:
    before = case.withdraw("2024-01-31", ab_initio=True)
    case.world.refuse(ReceiptCode.EFFECTIVE_OUTSIDE_TERM, "qcto", before)


def test_pending_leaves_other_changes_free(case: Accredited) -> None:
    """While the second party looks into it, the grantor may already suspend."""
    case.world.apply("qcto", case.withdraw(ab_initio=True))
    case.world.apply("qcto", case.suspend())
    assert case.status(TODAY) == "suspended"
    case.world.apply("saqa", case.withdraw(ab_initio=True))
    assert case.status(TODAY) == "void"


def test_council_of_the_charter_has_no_second_party(case: Accredited) -> None:
    case.grant_id = case.world.grant_record(case.grant_id).parent
    case.world.refuse(ReceiptCode.NO_SECOND_PARTY, "saqa", case.withdraw(ab_initio=True))
    case.world.refuse(ReceiptCode.NOT_GRANTOR, "qcto", case.withdraw(ab_initio=True))


def test_body_that_answers_for_both_parties_is_one_party(case: Accredited) -> None:
    case.world.apply("qcto", case.withdraw(ab_initio=True))
    case.world.succeed("qcto", "saqa")
    case.world.refuse(ReceiptCode.AB_INITIO_PENDING, "saqa", case.withdraw(ab_initio=True))


def test_delegates_grant_is_confirmed_by_who_delegated(case: Accredited) -> None:
    case.world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    case.grant_id = case.world.grant(
        "merseta", "bontle", "host-workplace", qualifications=[ELECTRICIAN]
    )
    case.world.apply("merseta", case.withdraw(ab_initio=True))
    case.world.refuse(ReceiptCode.NOT_GRANTOR, "saqa", case.withdraw(ab_initio=True))
    case.world.apply("qcto", case.withdraw(ab_initio=True))
    assert case.status(TODAY) == "void"
