# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas that may be on the ledger: a closed part of draft 2020-12, checked by hand.

Whoever evaluates such a schema must never be led elsewhere or kept busy. So every keyword is known
and has its type; nothing has an identity of its own ($id, $anchor, a dialect within); a reference
names one of the root's $defs, references make no circle and a bounded whole; patterns match in
bounded time. Sources: JSON Schema Core and Validation, draft 2020-12; ECMA-262 for patterns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ledger.model.canonical_json import JsonObject, JsonValue
from ledger.model.json_fields import FieldError, place, read_choice, read_integer, read_list
from ledger.model.limits import TEXT_SIZE_MAX

JSON_SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS_COUNT_MAX: Final = 10_000
"""Schemas within a schema when every reference is followed."""
MEMBERS_COUNT_MAX: Final = 1_024
PATTERN_SIZE_MAX: Final = 128
REPEATS_MAX: Final = 256
"""Highest number in a pattern's `{m,n}`."""

_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_COUNT_MAX: Final = 2**53 - 1
_REFERENCE: Final = re.compile(r"#/\$defs/([A-Za-z0-9_.-]{1,64})", re.ASCII)
_ATOM: Final = r"(?:[A-Za-z0-9 _/:,@#%&=~;<>!'\"-]|\\[dwsDWS.\\/()\[\]{}*+?|^$-]|\[\^?(?:[A-Za-z0-9 _/:,.@-]|\\[dws.\\\[\]^-])+\]|\.)"
_PATTERN: Final = re.compile(
    rf"\^(?:{_ATOM}(?:\{{[0-9]{{1,3}}\}})?)*"
    rf"(?:{_ATOM}(?:[*+?]|\{{[0-9]{{1,3}},(?:[0-9]{{1,3}})?\}})"
    rf"(?:{_ATOM}(?:\{{[0-9]{{1,3}}\}})?)*)?\$",
    re.ASCII,
)
"""Anchored at both ends, no groups, no alternatives, at most one repeat of variable length: there is
one way to match, or as many as the text has characters.
"""
_REPEAT: Final = re.compile(r"\{([0-9]{1,3})(?:,([0-9]{0,3}))?\}", re.ASCII)


def check_json_schema(document: JsonValue) -> None:
    """Accept an object schema. Raises FieldError; its places never name a property."""
    if not isinstance(document, dict):
        raise FieldError("", "an object is expected")
    read_choice(document.get("$schema"), "$schema", [JSON_SCHEMA_DIALECT])
    read_choice(document.get("type"), "type", ["object"])
    definitions = document.get("$defs", {})
    root = {name: item for name, item in document.items() if name not in ("$schema", "$defs")}
    references: dict[str, tuple[int, list[str]]] = {}
    if not isinstance(definitions, dict):
        raise FieldError("$defs", "an object is expected")
    for position, (name, item) in enumerate(definitions.items()):
        references[name] = _read(item, place("$defs", position))
    count, used = _read(root, "")
    sizes: dict[str, int] = {}
    for name in used:
        count += _measure(name, references, sizes, ())
    for name in references:
        _measure(name, references, sizes, ())
    if count > SCHEMAS_COUNT_MAX:
        raise FieldError("", f"more than {SCHEMAS_COUNT_MAX} schemas with all references followed")


def _measure(
    name: str,
    references: dict[str, tuple[int, list[str]]],
    sizes: dict[str, int],
    above: tuple[str, ...],
) -> int:
    """Schemas within a definition, references followed."""
    if name in above or len(above) > 64:
        raise FieldError("$defs", "references go round in a circle, or too deep")
    if name not in references:
        raise FieldError("$defs", "a reference names a definition that is not there")
    if name not in sizes:
        count, used = references[name]
        for other in used:
            count += _measure(other, references, sizes, (*above, name))
        sizes[name] = count
    return sizes[name]


def _read(schema: JsonValue, where: str) -> tuple[int, list[str]]:
    """Check a schema and those within; how many there are, and the definitions they refer to."""
    count = 0
    used: list[str] = []
    waiting: list[tuple[JsonValue, str]] = [(schema, where)]
    while waiting:
        value, at = waiting.pop()
        count += 1
        if isinstance(value, bool):
            continue
        if not isinstance(value, dict):
            raise FieldError(at, "a schema is expected")
        for name, item in value.items():
            waiting.extend(_read_keyword(name, item, at, used))
    return count, used


def _read_keyword(
    name: str, item: JsonValue, at: str, used: list[str]
) -> list[tuple[JsonValue, str]]:
    """Check what a keyword says; the schemas within."""
    if name == "$ref":
        match = _REFERENCE.fullmatch(item) if isinstance(item, str) else None
        if match is None:
            raise FieldError(place(at, name), "a reference #/$defs/NAME is expected")
        used.append(match[1])
    elif name in _SCHEMA:
        return [(item, place(at, name))]
    elif name in _SCHEMAS:
        inside = place(at, name)
        items = read_list(item, inside, MEMBERS_COUNT_MAX, 1)
        return [(each, place(inside, position)) for position, each in enumerate(items)]
    elif name in _NAMED_SCHEMAS:
        inside = place(at, name)
        if not isinstance(item, dict) or len(item) > MEMBERS_COUNT_MAX:
            raise FieldError(inside, f"an object of at most {MEMBERS_COUNT_MAX} is expected")
        if name == "patternProperties":
            for position, pattern in enumerate(item):
                _check_pattern(pattern, place(inside, position))
        return [(each, place(inside, position)) for position, each in enumerate(item.values())]
    elif name in _VALUES:
        _VALUES[name](item, place(at, name))
    else:
        raise FieldError(at, "a keyword is not one of those that schemas here may use")
    return []


def _check_pattern(value: JsonValue, where: str) -> None:
    """A pattern that no text keeps busy."""
    is_good = (
        isinstance(value, str)
        and len(value) <= PATTERN_SIZE_MAX
        and _PATTERN.fullmatch(value) is not None
        and all(int(low) <= int(high or low) <= REPEATS_MAX for low, high in _REPEAT.findall(value))
    )
    if not is_good:
        raise FieldError(
            where,
            "a pattern is ^...$, without groups and alternatives, with one variable repeat at most",
        )


def _check_type(value: JsonValue, where: str) -> None:
    types = value if isinstance(value, list) else [value]
    if not types or len(types) > len(_TYPES):
        raise FieldError(where, "one or more types are expected")
    for item in types:
        read_choice(item, where, _TYPES)
    if len({str(item) for item in types}) != len(types):
        raise FieldError(where, "a type is there twice")


def _check_texts(value: JsonValue, where: str) -> None:
    names: set[str] = set()
    for position, item in enumerate(read_list(value, where, MEMBERS_COUNT_MAX)):
        if not isinstance(item, str) or item in names:
            raise FieldError(place(where, position), "a string that is there once is expected")
        names.add(item)


def _check_text(value: JsonValue, where: str) -> None:
    if not isinstance(value, str) or len(value.encode()) > 4 * TEXT_SIZE_MAX:
        raise FieldError(where, "a short string is expected")


def _check_flag(value: JsonValue, where: str) -> None:
    if not isinstance(value, bool):
        raise FieldError(where, "true or false is expected")


def _check_count(value: JsonValue, where: str) -> None:
    read_integer(value, where, 0, _COUNT_MAX)


def _check_number(value: JsonValue, where: str) -> None:
    read_integer(value, where, -_COUNT_MAX, _COUNT_MAX)


def _check_divisor(value: JsonValue, where: str) -> None:
    read_integer(value, where, 1, _COUNT_MAX)


def _check_values(value: JsonValue, where: str) -> None:
    read_list(value, where, MEMBERS_COUNT_MAX, 1)


def _check_dependent(value: JsonValue, where: str) -> None:
    if not isinstance(value, dict) or len(value) > MEMBERS_COUNT_MAX:
        raise FieldError(where, "an object is expected")
    members: JsonObject = value
    for position, item in enumerate(members.values()):
        _check_texts(item, place(where, position))


def _accept(_value: JsonValue, _where: str) -> None:
    """Any value."""


_SCHEMA: Final = (
    *("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_SCHEMAS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED_SCHEMAS: Final = ("dependentSchemas", "patternProperties", "properties")
_VALUES: Final[dict[str, Callable[[JsonValue, str], None]]] = {
    "$comment": _check_text,
    "const": _accept,
    "contentEncoding": _check_text,
    "contentMediaType": _check_text,
    "default": _accept,
    "dependentRequired": _check_dependent,
    "deprecated": _check_flag,
    "description": _check_text,
    "enum": _check_values,
    "examples": _check_values,
    "exclusiveMaximum": _check_number,
    "exclusiveMinimum": _check_number,
    "format": _check_text,
    "maxContains": _check_count,
    "maxItems": _check_count,
    "maxLength": _check_count,
    "maxProperties": _check_count,
    "maximum": _check_number,
    "minContains": _check_count,
    "minItems": _check_count,
    "minLength": _check_count,
    "minProperties": _check_count,
    "minimum": _check_number,
    "multipleOf": _check_divisor,
    "pattern": _check_pattern,
    "readOnly": _check_flag,
    "required": _check_texts,
    "title": _check_text,
    "type": _check_type,
    "uniqueItems": _check_flag,
    "writeOnly": _check_flag,
}
