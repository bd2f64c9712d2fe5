# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from sdk.credentials.instants import (
    age_on,
    civil_date_of,
    format_date_time_stamp,
    parse_date,
    parse_date_time_stamp,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-14T09:00:00Z", datetime(2026, 5, 14, 9, tzinfo=UTC)),
        ("2026-05-14T09:00:00+02:00", datetime(2026, 5, 14, 7, tzinfo=UTC)),
        ("2026-05-14T09:00:00-14:00", datetime(2026, 5, 14, 23, tzinfo=UTC)),
        ("2026-05-14T09:00:00.5Z", datetime(2026, 5, 14, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-05-14T09:00:00.123456789Z", datetime(2026, 5, 14, 9, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-12-31T24:00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("4023-02-26T01:02:58.447Z", datetime(4023, 2, 26, 1, 2, 58, 447_000, tzinfo=UTC)),
    ],
)
def test_date_time_stamps_are_read(text: str, expected: datetime) -> None:
    assert parse_date_time_stamp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-05-14",
        "2026-05-14T09:00:00",
        "2026-05-14T09:00Z",
        "2026-05-14 09:00:00Z",
        "2026-05-14t09:00:00z",
        "2026-02-30T09:00:00Z",
        "2026-05-14T25:00:00Z",
        "2026-05-14T09:60:00Z",
        "2026-05-14T09:00:60Z",
        "2026-05-14T24:00:01Z",
        "2026-05-14T09:00:00+14:01",
        "2026-05-14T09:00:00+0200",
        "2026-05-14T09:00:00.Z",
        "2026-05-14T09:00:00Z\n",
        "0000-01-01T00:00:00Z",
        "9999-12-31T24:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "\uff12\uff10\uff12\uff16-05-14T09:00:00Z",
        "Sat 25 Feb 2023 07:16:31 PM CST",
    ],
)
def test_everything_else_is_no_date_time_stamp(text: str) -> None:
    assert parse_date_time_stamp(text) is None


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (datetime(2026, 5, 14, 9, tzinfo=UTC), "2026-05-14T09:00:00Z"),
        (datetime(2026, 5, 14, 9, 0, 0, 999_999, tzinfo=UTC), "2026-05-14T09:00:00.999Z"),
        (datetime(2026, 5, 14, 9, 0, 0, 999, tzinfo=UTC), "2026-05-14T09:00:00Z"),
        (datetime(2026, 5, 14, 1, tzinfo=timezone(timedelta(hours=2))), "2026-05-13T23:00:00Z"),
        (datetime(33, 1, 2, tzinfo=UTC), "0033-01-02T00:00:00Z"),
    ],
)
def test_instants_are_written_in_utc_never_rounded_up(instant: datetime, expected: str) -> None:
    assert format_date_time_stamp(instant) == expected
    parsed = parse_date_time_stamp(expected)
    assert parsed is not None
    assert timedelta() <= instant - parsed < timedelta(milliseconds=1)


def test_an_instant_needs_a_zone() -> None:
    local = datetime(2026, 5, 14)  # noqa: DTZ001 - the refusal is what is tested
    with pytest.raises(ValueError, match="time zone"):
        format_date_time_stamp(local)
    with pytest.raises(ValueError, match="time zone"):
        civil_date_of(local)


def test_the_day_changes_at_ten_in_the_evening_utc() -> None:
    assert civil_date_of(datetime(2026, 5, 14, 21, 59, 59, tzinfo=UTC)) == date(2026, 5, 14)
    assert civil_date_of(datetime(2026, 5, 14, 22, tzinfo=UTC)) == date(2026, 5, 15)
    assert civil_date_of(datetime(9999, 12, 31, 23, tzinfo=UTC)) == date(9999, 12, 31)


@pytest.mark.parametrize("text", ["2026-5-14", "2026-02-30", "20260514", "2026-W20-4", "", "x"])
def test_dates_have_one_form(text: str) -> None:
    assert parse_date("2026-05-14") == date(2026, 5, 14)
    assert parse_date(text) is None


def test_ages_are_completed_years() -> None:
    assert age_on(date(2008, 5, 14), date(2026, 5, 13)) == 17
    assert age_on(date(2008, 5, 14), date(2026, 5, 14)) == 18
    assert age_on(date(2008, 2, 29), date(2026, 2, 28)) == 17
    assert age_on(date(2008, 2, 29), date(2026, 3, 1)) == 18
