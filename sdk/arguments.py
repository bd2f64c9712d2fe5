# SPDX-License-Identifier: Apache-2.0
"""What a public call accepts: a value of another type is a bad call, told before anything is done.

One function for each kind; each raises CallerError ARGUMENT_TYPE, which names the argument and never
its value.
"""

from __future__ import annotations

import types
from collections.abc import AsyncIterable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Union, cast, get_args, get_origin, get_type_hints

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


def check_word(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no text of visible ASCII characters."""
    if not isinstance(value, str) or not all(" " < letter < "\x7f" for letter in value):
        raise _refuse(name, "one word of ASCII letters")


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
    if not isinstance(value, str | Path) or "\0" in str(value):
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


def check_callable(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what cannot be called."""
    if not callable(value):
        raise _refuse(name, "a function")


def check_many(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what gives no items; one text or bytes is one item."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable | AsyncIterable):
        raise _refuse(name, "a list or an iterator")


def check_signer(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no Signer."""
    is_signer = (
        isinstance(getattr(value, "key_id", None), str)
        and isinstance(getattr(value, "algorithm", None), str)
        and isinstance(getattr(value, "public_key", None), bytes)
        and callable(getattr(value, "sign", None))
    )
    if not is_signer:
        raise _refuse(name, "a Signer")


def check_signers(value: object, name: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what is no sequence of Signers."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _refuse(name, "a sequence of Signers")
    for item in cast("Sequence[object]", value):
        check_signer(item, name)


def check_client(value: object, *members: str) -> None:
    """Raises CallerError ARGUMENT_TYPE for what has not the members needed of a client."""
    if not all(hasattr(value, member) for member in members):
        raise _refuse("client", "a LedgerClient")


def check_fields(value: object) -> None:
    """Raises CallerError ARGUMENT_TYPE for a dataclass of which a field is not of its declared type.

    Understands what the SDK's operations are made of: classes, unions, sequences, mappings, Any.
    """
    kind: Any = type(value)
    for name, hint in _hints(kind).items():
        if not _fits(getattr(value, name), hint):
            raise _refuse(f"{kind.__name__}.{name}", _describe(hint))


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(cast(Any, kind))}


def _fits(value: object, hint: Any) -> bool:
    origin, parts = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in _UNIONS:
        return any(_fits(value, part) for part in parts)
    if origin is Mapping:
        items = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else None
        return items is not None and all(
            _fits(key, parts[0]) and _fits(held, parts[1]) for key, held in items.items()
        )
    if origin is Sequence:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
            return False
        return all(_fits(item, parts[0]) for item in cast("Collection[object]", value))
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    if not isinstance(value, origin or hint):  # what any other generic holds is its owner's affair
        return False
    if is_dataclass(value):
        check_fields(value)
    return True


_UNIONS: Final[tuple[Any, ...]] = (Union, types.UnionType)


def _describe(hint: Any) -> str:
    if get_origin(hint) in _UNIONS:
        return " or ".join(_describe(part) for part in get_args(hint))
    if hint is types.NoneType:
        return "None"
    if get_origin(hint) is Sequence:
        return f"a list of {_describe(get_args(hint)[0])}"
    if get_origin(hint) is Mapping:
        return "a mapping"
    return str(getattr(hint, "__name__", hint))
