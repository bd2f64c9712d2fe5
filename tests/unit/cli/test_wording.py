# SPDX-License-Identifier: Apache-2.0
"""Days, instants, ages and identifiers in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from cli.wording import listed, plural, shorten, show_day, show_duration, show_instant

NOW = datetime(2026, 5, 14, 7, 30, tzinfo=UTC)


def test_a_day() -> None:
    assert show_day(date(2026, 5, 4)) == "4 May 2026"


@pytest.mark.parametrize(
    ("instant", "words"),
    [
        (datetime(2026, 5, 14, 7, 14, tzinfo=UTC), "today 09:14"),
        (datetime(2026, 5, 13, 22, 0, tzinfo=UTC), "today 00:00"),
        (datetime(2026, 5, 13, 21, 59, tzinfo=UTC), "13 May 2026, 23:59"),
        (datetime(2026, 5, 14, 22, 0, tzinfo=UTC), "15 May 2026, 00:00"),
    ],
)
def test_an_instant_is_in_south_african_time(instant: datetime, words: str) -> None:
    assert show_instant(instant, now=NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 seconds"),
        (1, "1 second"),
        (119, "1 minute"),
        (3_600 * 47, "1 day"),
        (86_400 * 5, "5 days"),
    ],
)
def test_a_duration_in_its_largest_unit(seconds: int, words: str) -> None:
    assert show_duration(timedelta(seconds=seconds)) == words


def test_counts_and_lists() -> None:
    assert [plural(1, "key"), plural(1_000, "key"), plural(2, "body", "bodies")] == [
        "1 key",
        "1,000 keys",
        "2 bodies",
    ]
    assert [listed([]), listed(["a"]), listed(["a", "b", "c"], last="or")] == ["", "a", "a, b or c"]


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("did:pset:dev:3WQL5Vn7B8BgszzM5E4CrQAL8pKx", "did:pset:dev:3WQ…pKx"),
        ("ab" * 32, "ababab…abab"),
        ("qcto", "qcto"),
    ],
)
def test_a_long_identifier_by_its_ends(long: str, short: str) -> None:
    assert shorten(long) == short
