# SPDX-License-Identifier: Apache-2.0
"""Reading members by hand: exact types, named limits, places in errors, no values in errors."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pytest

from ledger.model.canonical_json import JsonValue
from ledger.model.json_fields import (
    FieldError,
    is_calendar_date,
    place,
    read_choice,
    read_date,
    read_integer,
    read_list,
    read_object,
    read_octets,
    read_text,
    read_texts,
)

PATTERN = re.compile(r"[a-z]+")

GOOD: list[tuple[Callable[[], object], object]] = [
    (lambda: read_object({"a": 1}, "w", ["a"]), {"a": 1}),
    (lambda: read_object({"a": 1, "b": 2}, "w", ["a"], ["b"]), {"a": 1, "b": 2}),
    (lambda: read_list([1], "w", 1, 1), [1]),
    (lambda: read_text("é", "w", size_max=2), "é"),
    (lambda: read_text("abc", "w", size_max=3, pattern=PATTERN), "abc"),
    (lambda: read_choice("a", "w", ["a", "b"]), "a"),
    (lambda: read_integer(0, "w", 0, 5), 0),
    (lambda: read_octets("AAE", "w", size_max=2), b"\x00\x01"),
    (lambda: read_octets("", "w", size_max=2), b""),
    (lambda: read_texts(["a", "b"], "w", count_max=2, size_max=1), ("a", "b")),
    (lambda: read_date("2024-02-29", "w"), "2024-02-29"),
]
BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: read_object([], "w", []), "w"),
    (lambda: read_object({}, "w", ["a"]), "w.a"),
    (lambda: read_object({"a": 1, "secret": 2}, "w", ["a"]), "w"),
    (lambda: read_list({}, "w", 1), "w"),
    (lambda: read_list([1, 2], "w", 1), "w"),
    (lambda: read_list([], "w", 1, 1), "w"),
    (lambda: read_text(1, "w", size_max=9), "w"),
    (lambda: read_text("", "w", size_max=9), "w"),
    (lambda: read_text("é", "w", size_max=1), "w"),
    (lambda: read_text("secret1", "w", size_max=9, pattern=PATTERN), "w"),
    (lambda: read_text("abc\n", "w", size_max=9, pattern=PATTERN), "w"),
    (lambda: read_choice("secret", "w", ["a"]), "w"),
    (lambda: read_choice(None, "w", ["a"]), "w"),
    (lambda: read_integer(True, "w", 0, 5), "w"),
    (lambda: read_integer(6, "w", 0, 5), "w"),
    (lambda: read_integer("1", "w", 0, 5), "w"),
    (lambda: read_octets("AAE=", "w", size_max=9), "w"),
    (lambda: read_octets("AAE", "w", size_max=1), "w"),
    (lambda: read_octets("AAE", "w", size_max=9, size_min=3), "w"),
    (lambda: read_octets(1, "w", size_max=9), "w"),
    (lambda: read_texts(["a", "a"], "w", count_max=2, size_max=1), "w"),
    (lambda: read_texts(["a", 1], "w", count_max=2, size_max=1), "w[1]"),
    (lambda: read_date("2023-02-29", "w"), "w"),
    (lambda: read_date("20240229", "w"), "w"),
    (lambda: read_date("0000-01-01", "w"), "w"),
    (lambda: read_date(None, "w"), "w"),
]


@pytest.mark.parametrize(("read", "expected"), GOOD)
def test_good(read: Callable[[], JsonValue], expected: JsonValue) -> None:
    assert read() == expected


@pytest.mark.parametrize(("read", "where"), BAD)
def test_bad(read: Callable[[], object], where: str) -> None:
    with pytest.raises(FieldError) as caught:
        read()
    assert caught.value.where == where
    assert "secret" not in str(caught.value)


def test_places() -> None:
    assert place(place("a", "b"), 0) == "a.b[0]"
    assert place("", "a") == "a"
    assert place("a", "") == "a"


def test_calendar() -> None:
    """Against the library's own, two centuries with their leap years."""
    for year in range(1900, 2101):
        for month in range(14):
            for day in (0, 1, 28, 29, 30, 31, 32):
                assert is_calendar_date(year, month, day) is _exists(year, month, day)
    assert not is_calendar_date(0, 1, 1)
    assert not is_calendar_date(10_000, 1, 1)


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
