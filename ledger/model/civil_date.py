# SPDX-License-Identifier: Apache-2.0
"""Civil dates: whole days at UTC+2 (South Africa keeps no summer time), inclusive at both ends.

A day is an integer, days since 1970-01-01. Ledger time is milliseconds since the Unix epoch, UTC.
No time-zone database and no clock is involved.
"""

from __future__ import annotations

DAY_MS = 24 * 60 * 60 * 1000
OFFSET_MS = 2 * 60 * 60 * 1000
"""UTC+2."""
DAY_MAX = 2_932_896
"""9999-12-31."""
OPEN_END = 0
"""`valid_until` of something without an end."""


def day_of(time_ms: int) -> int:
    """The day on which an instant falls."""
    return (time_ms + OFFSET_MS) // DAY_MS


def day_start_ms(day: int) -> int:
    """First millisecond of a day. Day 0 starts before the epoch and answers 0."""
    return max(0, day * DAY_MS - OFFSET_MS)


def day_end_ms(day: int) -> int:
    """Last millisecond of a day."""
    return (day + 1) * DAY_MS - OFFSET_MS - 1


def is_within(day: int, first: int, last: int) -> bool:
    """Whether `day` lies in [first, last], both inclusive; `last` OPEN_END: no end."""
    return first <= day and (last == OPEN_END or day <= last)


def is_covered(first: int, last: int, outer_first: int, outer_last: int) -> bool:
    """Whether [first, last] lies within [outer_first, outer_last]; OPEN_END: no end."""
    if first < outer_first:
        return False
    if outer_last == OPEN_END:
        return True
    return last != OPEN_END and last <= outer_last


def is_overlapping(first: int, last: int, other_first: int, other_last: int) -> bool:
    """Whether two spans of days share a day; OPEN_END: no end."""
    return (last == OPEN_END or other_first <= last) and (
        other_last == OPEN_END or first <= other_last
    )
