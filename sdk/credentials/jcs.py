# SPDX-License-Identifier: Apache-2.0
"""JSON as it is signed: RFC 8785 canonical bytes, and a strict reader of I-JSON (RFC 7493).

Writing. `canonicalize` has a fast path (orjson, about 20 us for a credential of 5 KB, nearly all of
it the guard) and a slow one (the `rfc8785` library, ten times that). The fast path is taken only
where both give the same bytes, which property tests show: exact JSON types, no fractions, ASCII member names (so that UTF-8 and UTF-16
order agree) and integers within +-(2**53 - 1). Everything else is left to the slow path, whose
refusals decide.

Reading. Two parsers that understand one text differently are how a signature comes to cover
something else than what is shown, so whatever RFC 7493 leaves open is refused here: repeated
member names, lone surrogates, noncharacters, numbers that a double cannot hold, NaN and Infinity,
a byte order mark, anything after the value, integers beyond +-(2**53 - 1) (also where they are the
canonical form of a double). Size and depth are limited. Every refusal is MALFORMED.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TypeAlias, cast

import orjson
import rfc8785

from ledger.model.canonical_json import FORBIDDEN_CHARACTER, INTEGER_MAX, compute_depth
from sdk.credentials.problems import malformed

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"

DEPTH_MAX = 16
"""Nested arrays and objects of a document that is read, unless the caller allows another number."""

CANONICAL_DEPTH_MAX = 64
"""Nesting that `canonicalize` accepts: above every reading limit, far below the interpreter's."""

BRACKETS_UNCHECKED_MAX = 200
"""Opening brackets that no parser's stack minds, however they nest."""

_NUMBER_SIZE_MAX = 64
"""Characters of one number. A double needs 24; longer ones only cost time."""


def canonicalize(value: object) -> bytes:
    """The RFC 8785 canonical form of a JSON value made of dict, list, str, int, float, bool, None.

    Raises:
        CredentialError: MALFORMED; the value has no canonical form (other types, integers beyond
            +-(2**53 - 1), NaN, Infinity, lone surrogates, member names that are not strings) or
            is nested deeper than `CANONICAL_DEPTH_MAX`.
    """
    if _is_plain(value, CANONICAL_DEPTH_MAX):
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:  # a lone surrogate
            raise malformed("", "a string holds a lone surrogate") from None
    if _is_deeper(value, CANONICAL_DEPTH_MAX):
        raise malformed("", f"nested deeper than {CANONICAL_DEPTH_MAX}")
    try:
        return rfc8785.dumps(cast("JsonValue", value))
    except ValueError:  # the library's own errors, and those of UTF-16 encoding; they quote values
        raise malformed("", "the value has no RFC 8785 form") from None


def _is_plain(value: object, depth_left: int) -> bool:
    """Whether orjson's sorted output equals RFC 8785. Exact types: subclasses may print otherwise.

    Texts, which are most of a document, are passed without a call of their own.
    """
    kind = type(value)
    if kind is dict:
        if depth_left == 0:
            return False
        for key, item in cast("dict[object, object]", value).items():
            if type(key) is not str or not key.isascii():
                return False
            if type(item) is not str and not _is_plain(item, depth_left - 1):
                return False
        return True
    if kind is list:
        if depth_left == 0:
            return False
        for item in cast("list[object]", value):
            if type(item) is not str and not _is_plain(item, depth_left - 1):
                return False
        return True
    if kind is int:
        return -INTEGER_MAX <= cast("int", value) <= INTEGER_MAX
    return kind is str or kind is bool or value is None


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """Carries the rule out of the hooks of `json.loads`."""


def parse_json(
    data: bytes | str,
    *,
    size_max: int,
    depth_max: int = DEPTH_MAX,
    integers_only: bool = False,
) -> JsonValue:
    """Read one I-JSON text.

    Args:
        data: UTF-8 bytes, or text.
        size_max: largest size in bytes (of text: as UTF-8).
        depth_max: nesting of arrays and objects; a bare scalar has depth 0.
        integers_only: refuse fractions and exponents, as in documents kept on the ledger.

    Raises:
        CredentialError: MALFORMED.
    """
    if len(data) > size_max:  # of text: never more characters than bytes
        raise malformed("", f"larger than {size_max} bytes")
    if isinstance(data, bytes):
        known = _parse_canonical(data, depth_max)
        if known is not _NOT_CANONICAL:
            return cast("JsonValue", known)
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        if isinstance(data, str) and len(data.encode("utf-8")) > size_max:
            raise malformed("", f"larger than {size_max} bytes")
    except UnicodeError:
        raise malformed("", "not UTF-8") from None
    if not text.isascii() and FORBIDDEN_CHARACTER.search(text):
        raise malformed("", "holds a noncharacter")
    # The parser recurses: what could exhaust the stack never reaches it. Few brackets need no look.
    if (
        text.count("[") + text.count("{") > BRACKETS_UNCHECKED_MAX
        and compute_depth(text) > depth_max
    ):
        raise malformed("", f"nested deeper than {depth_max}")
    try:
        value = cast(
            "JsonValue",
            json.loads(
                text,
                object_pairs_hook=_object_of_pairs,
                parse_int=_integer,
                parse_float=_no_fraction if integers_only else _fraction,
                parse_constant=_no_constant,
            ),
        )
    except _Refused as refusal:
        raise malformed("", str(refusal)) from None
    except ValueError as error:
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise malformed("", f"not JSON{place}") from None
    if _is_deeper(value, depth_max):
        raise malformed("", f"nested deeper than {depth_max}")
    if "\\u" in text:  # only an escape can still hide what the text itself may not hold
        _check_characters(value)
    return value


_NOT_CANONICAL = object()


def _parse_canonical(data: bytes, depth_max: int) -> object:
    """The value, when `data` are the canonical ASCII bytes of one that the fast path of
    `canonicalize` can write, otherwise _NOT_CANONICAL.

    Twice as fast as the strict reading, and the same: bytes that come back exactly when they are
    written again hold no repeated name, no second spelling of anything and nothing after the value.
    """
    if not data.isascii():
        return _NOT_CANONICAL
    try:
        value: object = orjson.loads(data)
        if orjson.dumps(value, option=orjson.OPT_SORT_KEYS) != data:
            return _NOT_CANONICAL
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return _NOT_CANONICAL
    return value if _is_plain(value, depth_max) else _NOT_CANONICAL


def parse_canonical_object(
    data: bytes | str, *, size_max: int, depth_max: int = DEPTH_MAX
) -> JsonObject | None:
    """The object whose canonical bytes `data` are, when the fast path of `canonicalize` writes them;
    None for everything else, good or bad. `canonicalize_plain` may write such an object, and any
    part of it, again.
    """
    if not isinstance(data, bytes) or len(data) > size_max:
        return None
    value = _parse_canonical(data, depth_max)
    return cast("JsonObject", value) if isinstance(value, dict) else None


def canonicalize_plain(value: object) -> bytes:
    """As `canonicalize`, for what is known to need no look: from `parse_canonical_object`."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def parse_object(
    data: bytes | str,
    *,
    size_max: int,
    depth_max: int = DEPTH_MAX,
    integers_only: bool = False,
) -> JsonObject:
    """`parse_json` of a text whose value must be an object.

    Raises:
        CredentialError: MALFORMED.
    """
    value = parse_json(data, size_max=size_max, depth_max=depth_max, integers_only=integers_only)
    if not isinstance(value, dict):
        raise malformed("", "not a JSON object")
    return value


def _object_of_pairs(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("a member name is repeated in one object")
    return members


def _integer(digits: str) -> int:
    if len(digits) > _NUMBER_SIZE_MAX or abs(number := int(digits)) > INTEGER_MAX:
        raise _Refused("an integer is beyond 2**53 - 1")
    return number


def _fraction(digits: str) -> float:
    if len(digits) > _NUMBER_SIZE_MAX or not math.isfinite(number := float(digits)):
        raise _Refused("a number is beyond double precision")
    return number


def _no_fraction(_digits: str) -> float:
    raise _Refused("only integers are allowed")


def _no_constant(_name: str) -> float:
    raise _Refused("NaN and Infinity are not JSON")


def _is_deeper(value: object, depth_left: int) -> bool:
    """Whether arrays and objects nest deeper than `depth_left`. Stops at the first that does."""
    below: Iterable[object]
    if isinstance(value, dict):
        below = cast("dict[object, object]", value).values()
    elif isinstance(value, list):
        below = cast("list[object]", value)
    elif isinstance(value, tuple):
        below = cast("tuple[object, ...]", value)
    else:
        return False
    if depth_left == 0:
        return True
    for item in below:  # noqa: SIM110 - a generator costs three times as much
        if type(item) is not str and _is_deeper(item, depth_left - 1):
            return True
    return False


def _check_characters(value: JsonValue) -> None:
    if isinstance(value, str):
        if FORBIDDEN_CHARACTER.search(value):
            raise malformed("", "holds a lone surrogate or a noncharacter")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_characters(name)
            _check_characters(item)
    elif isinstance(value, list):
        for item in value:
            _check_characters(item)
