# SPDX-License-Identifier: Apache-2.0
"""Reading the fields of a JSON document by hand: exact members, exact types, named limits.

For documents that every node must accept or refuse alike. Each function takes the value and its
place (`validators[0].id`), returns the value with its type, or raises FieldError; errors never
quote the value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ledger.model.canonical_json import JsonObject, JsonValue
from ledger.model.multibase import MultibaseError, decode_base64url_nopad

_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)


class FieldError(ValueError):
    """A member that is missing, unknown, of another type or outside its limits."""

    def __init__(self, where: str, text: str) -> None:
        super().__init__(where, text)
        self.where = where
        self.text = text

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def read_object(
    value: JsonValue, where: str, required: Sequence[str], optional: Sequence[str] = ()
) -> JsonObject:
    """An object with all the required members and no others but the optional ones."""
    if not isinstance(value, dict):
        raise FieldError(where, "an object is expected")
    for name in required:
        if name not in value:
            raise FieldError(place(where, name), "the member is missing")
    if len(value) > len(required):
        known = {*required, *optional}
        if any(name not in known for name in value):
            raise FieldError(where, f"members are {', '.join(sorted(known))}, no others")
    return value


def read_list(value: JsonValue, where: str, count_max: int, count_min: int = 0) -> list[JsonValue]:
    """A list of count_min to count_max elements."""
    if not isinstance(value, list):
        raise FieldError(where, "a list is expected")
    if not count_min <= len(value) <= count_max:
        raise FieldError(where, f"between {count_min} and {count_max} elements are expected")
    return value


def read_text(
    value: JsonValue, where: str, *, size_max: int, pattern: re.Pattern[str] | None = None
) -> str:
    """A string of 1 to size_max bytes of UTF-8 that matches `pattern` as a whole."""
    if not isinstance(value, str):
        raise FieldError(where, "a string is expected")
    if not value or len(value.encode()) > size_max:
        raise FieldError(where, f"between 1 and {size_max} bytes are expected")
    if pattern is not None and pattern.fullmatch(value) is None:
        raise FieldError(where, f"the form is {pattern.pattern}")
    return value


def read_choice(value: JsonValue, where: str, choices: Sequence[str]) -> str:
    """One of the given strings."""
    if not isinstance(value, str) or value not in choices:
        raise FieldError(where, f"one of {', '.join(choices)} is expected")
    return value


def read_integer(value: JsonValue, where: str, low: int, high: int) -> int:
    """An integer within [low, high]."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise FieldError(where, f"an integer from {low} to {high} is expected")
    return value


def read_octets(value: JsonValue, where: str, *, size_max: int, size_min: int = 0) -> bytes:
    """Bytes in base64url without padding."""
    if not isinstance(value, str):
        raise FieldError(where, "a string is expected")
    try:
        data = decode_base64url_nopad(value, size_max)
    except MultibaseError:
        raise FieldError(
            where, f"base64url without padding of at most {size_max} bytes is expected"
        ) from None
    if len(data) < size_min:
        raise FieldError(where, f"at least {size_min} bytes are expected")
    return data


def read_texts(
    value: JsonValue,
    where: str,
    *,
    count_max: int,
    size_max: int,
    pattern: re.Pattern[str] | None = None,
    count_min: int = 0,
) -> tuple[str, ...]:
    """A list of strings without repeats."""
    texts = tuple(
        read_text(item, place(where, position), size_max=size_max, pattern=pattern)
        for position, item in enumerate(read_list(value, where, count_max, count_min))
    )
    if len(set(texts)) != len(texts):
        raise FieldError(where, "an element is there twice")
    return texts


def read_date(value: JsonValue, where: str) -> str:
    """A civil date, `YYYY-MM-DD`, that exists in the Gregorian calendar."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or not is_calendar_date(int(match[1]), int(match[2]), int(match[3])):
        raise FieldError(where, "a date YYYY-MM-DD is expected")
    return match[0]


def is_calendar_date(year: int, month: int, day: int) -> bool:
    """Whether the day exists (years 1 to 9999)."""
    if not (1 <= year <= 9999 and 1 <= month <= 12 and day >= 1):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def place(where: str, member: str | int) -> str:
    """The place of a member or element within `where`."""
    if isinstance(member, int):
        return f"{where}[{member}]"
    return f"{where}.{member}" if where and member else where or member
