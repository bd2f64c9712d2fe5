# SPDX-License-Identifier: Apache-2.0
"""`at=`: from a day, an instant or a height to ledger time; and between civil days and dates.

A day means the whole day in Africa/Johannesburg (UTC+2), so "at a day" is its last millisecond; an
instant has a time zone; a height is the time of that block. What lies in the future has not
happened: it is refused, except that today means "so far".
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from ledger.model.civil_date import DAY_MAX, OPEN_END, day_end_ms, day_of, day_start_ms
from sdk.arguments import check_integer, check_when
from sdk.errors import CallerError
from sdk.reader import VerifiedReader
from sdk.results import When

EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
CLOCK_TOLERANCE_MS: Final = 5 * 60 * 1000
"""How far an instant may lie ahead of this computer's clock."""

HEIGHT_MAX: Final = 2**63 - 1
"""What a height has room for wherever one is stored or sent."""


def day_number(day: date) -> int:
    """Days since 1970-01-01.

    Raises:
        CallerError: DATE_OUT_OF_RANGE: before 1970.
    """
    number = day.toordinal() - EPOCH_ORDINAL
    if not 0 <= number <= DAY_MAX:
        raise CallerError(
            f"{day.isoformat()} lies before 1970",
            code="DATE_OUT_OF_RANGE",
            remedy="Give a date from 1970-01-01.",
        )
    return number


def to_date(day: int) -> date:
    """The date of a day number."""
    return date.fromordinal(EPOCH_ORDINAL + day)


def to_date_or_none(day: int) -> date | None:
    """The date of a day number, None for an open end."""
    return None if day == OPEN_END else to_date(day)


def to_instant(time_ms: int) -> datetime:
    """Ledger time as an instant in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


def to_instant_or_none(time_ms: int) -> datetime | None:
    """As `to_instant`, None for 0: open, never."""
    return None if time_ms == 0 else to_instant(time_ms)


def to_ms(instant: datetime) -> int:
    """Ledger time of an instant.

    Raises:
        CallerError: TIME_ZONE_MISSING.
    """
    if instant.tzinfo is None:
        raise CallerError(
            "an instant without a time zone could be any of many",
            code="TIME_ZONE_MISSING",
            remedy="Give a datetime with tzinfo, or a date for a whole day.",
        )
    # Not timestamp(): a float cannot hold every millisecond exactly.
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


async def resolve_moment(at: When, reader: VerifiedReader, now_ms: int) -> int | None:
    """Ledger time meant by `at`; None when nothing was asked.

    Raises:
        CallerError: AT_IN_FUTURE, HEIGHT_UNKNOWN, TIME_ZONE_MISSING, DATE_OUT_OF_RANGE,
            ARGUMENT_TYPE.
        UnavailableError, TrustError: reading the time of a height.
    """
    if at is None:
        return None
    check_when(at, "at")
    if isinstance(at, datetime):
        time_ms = to_ms(at)
        _check_past(time_ms - CLOCK_TOLERANCE_MS, now_ms, at.isoformat())
        return time_ms
    if isinstance(at, date):
        number = day_number(at)
        _check_past(day_start_ms(number) - CLOCK_TOLERANCE_MS, now_ms, at.isoformat())
        return day_end_ms(number)
    check_height(at)
    return await reader.time_at(at)


def check_height(height: int) -> None:
    """Refuse what can be the height of no block.

    Raises:
        CallerError: HEIGHT_UNKNOWN; ARGUMENT_TYPE for what is no integer.
    """
    check_integer(height, "a height")
    # Genesis is height 0: no block that was certified, so nobody can prove its time.
    if not 1 <= height <= HEIGHT_MAX:
        raise CallerError(
            # No number: of one with many digits Python makes no text.
            "certified blocks have heights from 1 up, to the highest that a ledger can count",
            code="HEIGHT_UNKNOWN",
            remedy="Give a height from 1 up; see `pset ledger head` for the newest.",
        )


def day_asked(at: When, time_ms: int | None, now_ms: int) -> int:
    """The day that a question with this `at` is about: the day given, or that of the moment."""
    if isinstance(at, date) and not isinstance(at, datetime):
        return day_number(at)
    return day_of(now_ms if time_ms is None else time_ms)


def _check_past(time_ms: int, now_ms: int, text: str) -> None:
    if time_ms > now_ms:
        raise CallerError(
            f"{text} lies in the future",
            code="AT_IN_FUTURE",
            remedy="Ask about today or a day before.",
        )
