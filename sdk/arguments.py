# SPDX-License-Identifier: Apache-2.0
"""What a public call accepts: a value of another type is a bad call, told before anything is done.

One function for each kind; each raises CallerError ARGUMENT_TYPE, which names the argument and never
its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import cast

from sdk.errors import CallerError


def _refuse(name: str, wanted: str) -> CallerError:
    return CallerError(
        f"{name} is {wanted}",
        code="ARGUMENT_TYPE",
        remedy="Give the argument as the documentation of the call has it.",
    )


def check_text(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no text."""
    if not isinstance(value, str):
        raise _refuse(name, "a text")


def check_texts(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no sequence of texts; one text is none."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _refuse(name, "a sequence of texts")
    if not all(isinstance(item, str) for item in cast("Sequence[object]", value)):
        raise _refuse(name, "a sequence of texts")


def check_bytes(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no bytes."""
    if not isinstance(value, bytes):
        raise _refuse(name, "bytes")


def check_text_or_bytes(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is neither."""
    if not isinstance(value, str | bytes):
        raise _refuse(name, "a text or bytes")


def check_text_or_path(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is neither."""
    if not isinstance(value, str | Path):
        raise _refuse(name, "a text or a path")


def check_document(value: object) -> None:
    """Raises CallerError ARGUMENT_TYPE for what can be no document: bytes, text or path."""
    if not isinstance(value, bytes | str | Path):
        raise _refuse("document", "bytes, a text or a path")


def check_instance(value: object, kind: type, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is none of a class of the SDK."""
    if not isinstance(value, kind):
        raise _refuse(name, f"a {kind.__name__}")


def check_mapping(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no mapping."""
    if not isinstance(value, Mapping):
        raise _refuse(name, "a mapping")


def check_day(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no date; an instant is none."""
    if isinstance(value, datetime) or not isinstance(value, date):
        raise _refuse(name, "a date")


def check_term(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no first and last day (None: open)."""
    if not isinstance(value, tuple) or len(cast("tuple[object, ...]", value)) != 2:
        raise _refuse(name, "a tuple of first and last day")
    first, last = cast("tuple[object, object]", value)
    check_day(first, name)
    if last is not None:
        check_day(last, name)


def check_duration(value: object, name: str, *, is_any: bool = False) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no duration; unless `is_any` a negative one too."""
    if not isinstance(value, timedelta):
        raise _refuse(name, "a timedelta")
    if value < timedelta() and not is_any:
        raise _refuse(name, "a timedelta of zero or more")


def check_flag(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is neither True nor False."""
    if not isinstance(value, bool):
        raise _refuse(name, "True or False")


def check_when(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no date, instant, height or None."""
    if isinstance(value, bool) or not (value is None or isinstance(value, date | int)):
        raise _refuse(name, "a date, an instant, a height or None")


def check_integer(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no integer; True is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse(name, "an integer")
