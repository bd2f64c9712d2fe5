# SPDX-License-Identifier: Apache-2.0
"""Every place of a JSON document, and copies with one place changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeAlias, cast

from sdk.credentials.jcs import JsonObject, JsonValue

Place: TypeAlias = "tuple[str | int, ...]"


def places(value: JsonValue, place: Place = ()) -> Iterator[tuple[Place, JsonValue]]:
    """The value and everything in it, parents first."""
    yield place, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*place, index))


def copied(document: JsonObject) -> JsonObject:
    return cast("JsonObject", json.loads(json.dumps(document)))


def with_value(document: JsonObject, place: Place, value: JsonValue) -> JsonObject:
    """A copy of the document with another value at `place`."""
    result = copied(document)
    holder = _holder(result, place)
    holder[place[-1]] = value
    return result


def without(document: JsonObject, place: Place) -> JsonObject:
    """A copy of the document without what stands at `place`."""
    result = copied(document)
    del _holder(result, place)[place[-1]]
    return result


def value_at(document: JsonValue, place: Place) -> JsonValue:
    value = document
    for step in place:
        value = cast("dict[str | int, JsonValue]", value)[step]
    return value


def _holder(document: JsonObject, place: Place) -> dict[str | int, JsonValue]:
    return cast("dict[str | int, JsonValue]", value_at(document, place[:-1]))
