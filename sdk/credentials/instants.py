# SPDX-License-Identifier: Apache-2.0
"""Instants and days as they stand in credentials. No clock: every "now" is handed in.

Instants are XML Schema 1.1 Part 2 §3.4.28 `dateTimeStamp`: a date-time whose offset is required, as
VCDM 2.0 §4.9 and Data Integrity 1.0 §2.1 ask. We write them in UTC, in whole milliseconds, the
ledger's resolution. Days are civil dates at UTC+2 (`ledger.model.civil_date`).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

from ledger.model.civil_date import OFFSET_MS

_CIVIL_ZONE = timezone(timedelta(milliseconds=OFFSET_MS))

# XSD 1.1 Part 2 §3.3.7.2 with the mandatory offset of §3.4.28; years of more than four digits and
# before 0001 are left out, as Python (and every reader we know) has none.
_DATE_TIME_STAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,12}))?"
    r"(Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)\Z"
)
_USUAL_SIZE = len("2026-05-20T08:30:00Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def parse_date_time_stamp(text: str) -> datetime | None:
    """The instant, in UTC, or None when `text` is no dateTimeStamp.

    Fractions finer than a microsecond are cut off. The end-of-day form 24:00:00 is midnight of the
    next day, as XSD says.
    """
    match = _DATE_TIME_STAMP.match(text)
    if match is None:
        return None
    if len(text) == _USUAL_SIZE and text[-1] == "Z" and match[4] != "24":
        # The form that we write ourselves, three times as fast; matched above.
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    year, month, day, hour, minute, second = (int(match[index]) for index in range(1, 7))
    microsecond = int((match[7] or "0")[:6].ljust(6, "0"))
    end_of_day = hour == 24
    if end_of_day and (minute or second or microsecond):
        return None
    zone = match[8]
    offset = timedelta()
    if zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        offset = -offset if zone[0] == "-" else offset
    try:
        local = datetime(
            year, month, day, 0 if end_of_day else hour, minute, second, microsecond, tzinfo=UTC
        )
        return local + timedelta(days=1 if end_of_day else 0) - offset
    except (ValueError, OverflowError):
        return None


def format_date_time_stamp(instant: datetime) -> str:
    """`instant` in UTC, whole seconds or milliseconds (cut off, never rounded up).

    Raises:
        ValueError: `instant` has no time zone.
    """
    if instant.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    utc = instant.astimezone(UTC)
    milliseconds = utc.microsecond // 1000
    fraction = f".{milliseconds:03d}" if milliseconds else ""
    # `strftime("%Y")` does not pad years before 1000 on every platform; isoformat does.
    return f"{utc.replace(microsecond=0, tzinfo=None).isoformat()}{fraction}Z"


def parse_date(text: str) -> date | None:
    """A day written YYYY-MM-DD, or None."""
    if _DATE.match(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def civil_date_of(instant: datetime) -> date:
    """The South African day on which `instant` falls (UTC+2, no summer time).

    The last two hours of the year 9999 fall on a day that no calendar here has: they count to the
    last one, because a document may hold any instant and must not break whoever reads it.

    Raises:
        ValueError: `instant` has no time zone.
    """
    if instant.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    try:
        return instant.astimezone(_CIVIL_ZONE).date()
    except OverflowError:
        return date.max


def age_on(birth: date, day: date) -> int:
    """Completed years. Someone born on 29 February completes a year on 1 March of other years."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
