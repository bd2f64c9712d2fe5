# SPDX-License-Identifier: Apache-2.0
"""Days, instants, ages and long identifiers in words. South African time, no locale."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

SOUTH_AFRICA: Final = timezone(timedelta(hours=2))
"""UTC+2 all year."""

_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def show_day(day: date) -> str:
    """``14 May 2026``."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def show_instant(instant: datetime, *, now: datetime | None = None) -> str:
    """``today 09:14``, or ``14 May 2026, 09:14``: South African time."""
    local = instant.astimezone(SOUTH_AFRICA)
    today = (now or datetime.now(UTC)).astimezone(SOUTH_AFRICA).date()
    clock = f"{local.hour:02}:{local.minute:02}"
    return f"today {clock}" if local.date() == today else f"{show_day(local.date())}, {clock}"


def show_duration(duration: timedelta) -> str:
    """In the largest whole unit: ``5 days``, ``1 hour``, ``14 minutes``, ``0 seconds``."""
    seconds = max(0, int(duration.total_seconds()))
    for size, name in _UNITS:
        if seconds >= size:
            return plural(seconds // size, name)
    return "0 seconds"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """``1 key``, ``3 keys``; thousands separated by a thin mark: ``184,203 blocks``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def shorten(identifier: str) -> str:
    """A long identifier by its two ends: ``did:pset:za:3vQ…beL``, ``9f3c0a…71d2``."""
    head, separator, tail = identifier.rpartition(":")
    if separator and head.startswith("did:"):
        return f"{head}:{tail[:3]}…{tail[-3:]}" if len(tail) > 9 else identifier
    return f"{identifier[:6]}…{identifier[-4:]}" if len(identifier) > 16 else identifier


def listed(words: Sequence[str], *, last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
