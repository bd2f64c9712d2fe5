# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from sdk.verification.wording import (
    day_number,
    time_ms_of,
    word_age,
    word_as_of,
    word_date,
    word_day,
    word_day_of_instant,
    word_did,
    word_span,
)


def test_days_in_words() -> None:
    assert word_date(date(2026, 5, 4)) == "4 May 2026"
    assert word_day(0) == "1 January 1970"
    assert word_day(day_number(date(1900, 12, 31))) == "31 December 1900"
    assert word_span(day_number(date(2024, 2, 1)), 0) == "since 1 February 2024"


def test_an_instant_falls_on_the_south_african_day() -> None:
    assert word_day_of_instant(datetime(2026, 5, 14, 22, tzinfo=UTC)) == "15 May 2026"
    assert word_day_of_instant(datetime(2026, 5, 14, 21, 59, tzinfo=UTC)) == "14 May 2026"


def test_times_are_exact_to_the_millisecond() -> None:
    instant = datetime(2026, 5, 14, 12, 0, 0, 123_999, tzinfo=UTC)
    assert time_ms_of(instant) % 1000 == 123
    assert time_ms_of(instant.replace(tzinfo=None)) == time_ms_of(instant)
    assert time_ms_of(datetime(1, 1, 1, tzinfo=UTC)) < 0


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "as of today 09:14"), (1, "yesterday"), (5, "as of 18 November 2026, 5 days ago")],
)
def test_how_fresh_a_fact_is(days: int, words: str) -> None:
    checked = datetime(2026, 11, 23, 7, 14, tzinfo=UTC)
    assert words in word_as_of(checked - timedelta(days=days), checked)


@pytest.mark.parametrize(
    ("age_ms", "words"),
    [(40_000, "40 seconds"), (60_000, "1 minute"), (7_200_000, "2 hours"), (86_400_000, "1 day")],
)
def test_ages(age_ms: int, words: str) -> None:
    assert word_age(age_ms) == words


def test_a_did_is_shortened_for_reading() -> None:
    assert word_did("did:pset:za:3vQB7B6MrGQZaxCuFg4oh") == "did:pset:za:3vQ…4oh"
    assert word_did("did:web:x") == "did:web:x"
