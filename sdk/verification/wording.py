# SPDX-License-Identifier: Apache-2.0
"""How days, instants and names are written in reports. English, no locale, no clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from ledger.model.civil_date import OFFSET_MS, OPEN_END, day_of
from ledger.model.identifiers import CHARTER
from ledger.model.records import OrganisationRecord
from sdk.credentials.instants import civil_date_of
from sdk.moments import EPOCH_ORDINAL, to_date

CIVIL_ZONE: Final = timezone(timedelta(milliseconds=OFFSET_MS))
"""South African time, UTC+2 all year."""

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
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DID_SHOWN_SIZE: Final = 6
QUALIFICATION_PREFIX: Final = "za:saqa:q:"
ERROR_TEXT_LENGTH_MAX: Final = 256
"""Characters of an error's text that become evidence."""


def day_number(day: date) -> int:
    """The ledger's number of a date, negative before 1970: documents may say anything."""
    return day.toordinal() - EPOCH_ORDINAL


def time_ms_of(instant: datetime) -> int:
    """An instant in the ledger's unit; naive ones count as UTC."""
    if instant.utcoffset() is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def word_date(day: date) -> str:
    """`14 May 2026`."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def word_day(day: int) -> str:
    """As `word_date`, of a day number."""
    return word_date(to_date(day))


def word_day_of_instant(instant: datetime) -> str:
    """The South African day on which an instant falls."""
    return word_date(civil_date_of(instant))


def word_day_of_time(time_ms: int) -> str:
    """The South African day on which a time of the ledger falls."""
    return word_day(day_of(time_ms))


def word_span(first: int, last: int) -> str:
    """`1 February 2024 – 30 June 2027`, or `since 1 February 2024` when it has no end."""
    if last == OPEN_END:
        return f"since {word_day(first)}"
    return f"{word_day(first)} – {word_day(last)}"


def word_as_of(as_of: datetime, checked_at: datetime) -> str:
    """How fresh a fact is: `as of today 09:14`, or the day and how many days ago that was."""
    local, now = as_of.astimezone(CIVIL_ZONE), checked_at.astimezone(CIVIL_ZONE)
    days = (now.date() - local.date()).days
    if days <= 0:
        return f"as of today {local:%H:%M}"
    ago = "yesterday" if days == 1 else f"{days} days ago"
    return f"as of {word_date(local.date())}, {ago}"


def word_age(age_ms: int) -> str:
    """`5 days`, `3 hours`, `40 seconds`: the largest unit that fits."""
    for unit_ms, word in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute")):
        if age_ms >= unit_ms:
            count = age_ms // unit_ms
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{age_ms // 1000} seconds"


def word_power(power: str) -> str:
    """`issue statement of results`."""
    return power.replace("-", " ")


def qualification_number(name: str) -> str:
    """`91761` of `za:saqa:q:91761`."""
    return name.removeprefix(QUALIFICATION_PREFIX)


def word_did(did: str) -> str:
    """A DID short enough to read: `did:pset:za:3vQ…beL`."""
    head, _, identifier = did.rpartition(":")
    if len(identifier) <= _DID_SHOWN_SIZE:
        return did
    return f"{head}:{identifier[:3]}…{identifier[-3:]}"


def word_name(did: str, organisation: OrganisationRecord | None) -> str:
    """The vouched name of an organisation; its shortened DID when nobody vouched for one."""
    if did == CHARTER:
        return "the charter"
    return organisation.name if organisation is not None else word_did(did)


def word_short_name(did: str, organisation: OrganisationRecord | None) -> str:
    """The vouched short name in capitals: `QCTO`."""
    if did == CHARTER:
        return "the charter"
    return organisation.short_name.upper() if organisation is not None else word_did(did)


def word_error_text(text: str) -> str:
    """An error's text on one line, of limited length: a node may have written it."""
    shown = text[:ERROR_TEXT_LENGTH_MAX]
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in shown)
