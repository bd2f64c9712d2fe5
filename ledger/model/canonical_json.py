# SPDX-License-Identifier: Apache-2.0
"""JSON as the ledger keeps it: strictly read, and written in the one form of RFC 8785.

The consensus path neither reads nor writes what implementations may differ about: no fractions,
no exponents, no integer beyond +-(2**53 - 1), no minus zero, no repeated member name, no lone
surrogate or noncharacter (RFC 7493 §2), no byte order mark; size and depth are limited before
parsing. Without fractions RFC 8785 is short enough to stand here, so no library's number format
can ever change a hash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

from ledger.model.limits import JSON_DEPTH_MAX

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"

INTEGER_MAX: Final = 2**53 - 1
"""Largest magnitude that every JSON reader keeps exactly (RFC 7493 §2.2)."""
_NUMBER_SIZE_MAX: Final = 17
"""Characters of one integer, its sign included."""

# A string, closed or running to the end of the text, or a bracket. Disjoint alternatives and the
# open end keep this linear for any text.
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)

FORBIDDEN_CHARACTER: Final = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(high | 0xFFFE)}{chr(high | 0xFFFF)}" for high in range(0, 0x110000, 0x10000))
    + "]"
)
"""Surrogates and noncharacters (RFC 7493 §2.1)."""

_ESCAPES: Final = {
    **{chr(code): f"\\u{code:04x}" for code in range(0x20)},
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}
_ESCAPED: Final = re.compile(r'[\x00-\x1f"\\]')


class JsonError(ValueError):
    """Bytes that are no JSON document of the ledger, or a value that has no canonical form."""


def decode_json(data: bytes, *, size_max: int, depth_max: int = JSON_DEPTH_MAX) -> JsonValue:
    """Read one JSON text of at most `size_max` bytes, nested at most `depth_max` deep.

    Raises:
        JsonError: anything that the rules of this file exclude. The text never quotes the input.
    """
    if len(data) > size_max:
        raise JsonError(f"the document has more than {size_max} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise JsonError("the document is not UTF-8") from None
    # No ASCII character is forbidden, and most documents are ASCII.
    if not text.isascii() and (text.startswith("\ufeff") or FORBIDDEN_CHARACTER.search(text)):
        raise JsonError("the document holds a byte order mark or a noncharacter")
    # Before parsing: the depth at which the parser itself gives up differs between Pythons. Where
    # brackets are fewer than levels, within strings or not, nothing need be looked at.
    if text.count("[") + text.count("{") > depth_max and compute_depth(text) > depth_max:
        raise JsonError(f"the document is nested deeper than {depth_max}")
    try:
        value = cast("JsonValue", _DECODER.decode(text))
    except JsonError:
        raise
    except ValueError:
        raise JsonError("the document is not JSON") from None
    if "\\u" in text:  # only an escape can still hide what the text itself may not hold
        _check_characters(value)
    return value


def encode_json(value: object) -> bytes:
    """The RFC 8785 bytes of a value made of mappings, sequences, str, int, bool and None.

    Raises:
        JsonError: other types, integers beyond +-(2**53 - 1), names that are not str, surrogates.
    """
    parts: list[str] = []
    _write(value, parts)
    try:
        return "".join(parts).encode("utf-8")
    except UnicodeEncodeError:
        raise JsonError("a string holds a lone surrogate") from None


def is_canonical_json(data: bytes, value: JsonValue) -> bool:
    """Whether `data`, from which `value` was read, is its RFC 8785 form."""
    return encode_json(value) == data


def _write(value: object, parts: list[str]) -> None:
    if value is None:
        parts.append("null")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise JsonError("an integer is beyond 2**53 - 1")
        parts.append(int.__repr__(value))
    elif isinstance(value, str):
        parts.append(_quote(value))
    elif isinstance(value, Mapping):
        _write_object(cast("Mapping[object, object]", value), parts)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        parts.append("[")
        for position, item in enumerate(cast("Sequence[object]", value)):
            if position:
                parts.append(",")
            _write(item, parts)
        parts.append("]")
    else:
        raise JsonError("the value is of a type that JSON does not have")


def _write_object(value: Mapping[object, object], parts: list[str]) -> None:
    members: list[tuple[bytes, str, object]] = []
    for name, item in value.items():
        if not isinstance(name, str):
            raise JsonError("a member name is no string")
        # RFC 8785 §3.2.3: names are ordered by their UTF-16 code units.
        members.append((name.encode("utf-16-be", "surrogatepass"), name, item))
    members.sort(key=lambda member: member[0])
    parts.append("{")
    for position, (_, name, item) in enumerate(members):
        if position:
            parts.append(",")
        parts.append(_quote(name))
        parts.append(":")
        _write(item, parts)
    parts.append("}")


def _quote(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text) + '"'


def compute_depth(text: str) -> int:
    """Deepest nesting of brackets outside strings, of any text, without recursion."""
    depth = deepest = 0
    for match in _TOKEN.finditer(text):
        bracket = match[0]
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "]}":
            depth -= 1
    return deepest


def _make_object(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise JsonError("a member name is repeated in one object")
    return members


def _parse_integer(digits: str) -> int:
    if len(digits) > _NUMBER_SIZE_MAX or abs(number := int(digits)) > INTEGER_MAX:
        raise JsonError("an integer is beyond 2**53 - 1")
    if digits == "-0":
        raise JsonError("minus zero is no integer")
    return number


def _refuse_number(_digits: str) -> int:
    raise JsonError("only integers are allowed, no fractions and no exponents")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_make_object,
    parse_int=_parse_integer,
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
)


def _check_characters(value: JsonValue) -> None:
    if isinstance(value, str):
        if FORBIDDEN_CHARACTER.search(value):
            raise JsonError("a string holds a lone surrogate or a noncharacter")
    elif isinstance(value, list):
        for item in value:
            _check_characters(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_characters(name)
            _check_characters(item)
