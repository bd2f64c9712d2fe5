# SPDX-License-Identifier: Apache-2.0
"""Records of the state as JSON and as lines for people: instants, days and names instead of numbers.

Nothing is left out and nothing is added; a field that is not set is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import Any, Final, cast

from cli.terminal_text import escape_line
from ledger.model.authorisation import resource_type_label
from ledger.model.block import Validator
from ledger.model.identifiers import format_uuid
from ledger.model.keys import KeyRole, KeyType
from ledger.model.multibase import encode_multikey
from ledger.model.operations import ResourceType
from ledger.model.records import (
    GrantEvent,
    GrantRecord,
    HeldGrantsRecord,
    KeyRecord,
    ResourceRecord,
    ServiceRecord,
)

_EPOCH: Final = date(1970, 1, 1)
_INSTANTS: Final = frozenset(
    {
        "created",
        "updated",
        "deactivated",
        "compromised_since",
        "vouched_at",
        "added_at",
        "recorded_at",
        "time",
        "expires_at",
    }
)
_INSTANTS_BY_CLASS: Final[dict[type[Any], frozenset[str]]] = {
    KeyRecord: frozenset({"valid_from", "valid_until"}),
    ServiceRecord: frozenset({"valid_from", "valid_until"}),
}
_DAYS_BY_CLASS: Final[dict[type[Any], frozenset[str]]] = {
    GrantRecord: frozenset({"valid_from", "valid_until"}),
    GrantEvent: frozenset({"effective"}),
    HeldGrantsRecord: frozenset({"complete_from"}),
}
_UUIDS: Final = frozenset({"resource_id", "list_id"})


def plain_record(record: Any) -> Any:
    """A record as JSON can hold it: RFC 3339 instants, ISO days, labels, hexadecimal bytes."""
    if isinstance(record, (list, tuple)):
        return [plain_record(item) for item in cast("Sequence[Any]", record)]
    if not is_dataclass(record) or isinstance(record, type):
        return _plain_value(record)
    cls: type[Any] = type(record)
    instants = _INSTANTS | _INSTANTS_BY_CLASS.get(cls, frozenset())
    days = _DAYS_BY_CLASS.get(cls, frozenset())
    plain: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name in days:
            plain[field.name] = show_day_number(value)
        elif field.name in instants:
            plain[field.name] = show_ms(value)
        elif field.name in _UUIDS:
            plain[field.name] = format_uuid(value) if value else None
        else:
            plain[field.name] = plain_record(value)
    _improve(record, plain)
    return plain


def _improve(record: Any, plain: dict[str, Any]) -> None:
    if isinstance(record, KeyRecord):
        plain["public_key"] = encode_multikey(record.type, record.public_key)
    elif isinstance(record, ResourceRecord):
        plain["content"] = _content(record.content)
    elif isinstance(record, Validator):
        plain["tls_certificate"] = f"{len(record.tls_certificate)} bytes"


def _content(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.hex()


def _plain_value(value: Any) -> Any:
    if isinstance(value, (KeyRole, KeyType)):
        return value.label
    if isinstance(value, ResourceType):
        return resource_type_label(value)
    if isinstance(value, IntEnum):
        return value.name.lower().replace("_", "-")
    if isinstance(value, bytes):
        return value.hex()
    return value


def show_ms(value: int) -> str | None:
    """Milliseconds since the epoch as RFC 3339 in UTC; None for 0, not set."""
    if not value:
        return None
    instant = datetime.fromtimestamp(value / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show_day_number(value: int) -> str | None:
    """A civil day as ISO 8601; None for 0, no end."""
    return (_EPOCH + timedelta(days=value)).isoformat() if value else None


def lines(plain: Any, indent: str = "") -> Iterator[str]:
    """JSON as indented lines ``name  value``, for people; controls in texts are escaped."""
    if isinstance(plain, Mapping):
        named = cast("Mapping[str, Any]", plain)
        members = {escape_line(name): value for name, value in named.items()}
        width = max((len(name) for name in members), default=0)
        for name, value in members.items():
            if isinstance(value, (Mapping, list)) and value:
                yield f"{indent}{name}"
                yield from lines(value, indent + "  ")
            else:
                yield f"{indent}{name.ljust(width)}  {_leaf(value)}"
    elif isinstance(plain, list):
        for item in cast("Sequence[Any]", plain):
            if isinstance(item, (Mapping, list)):
                inner = list(lines(item, indent + "  "))
                if inner:
                    inner[0] = f"{indent}- {inner[0].lstrip()}"
                yield from inner
            else:
                yield f"{indent}- {_leaf(item)}"
    else:
        yield f"{indent}{_leaf(plain)}"


def _leaf(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "–"
    return str(value).lower() if isinstance(value, bool) else escape_line(str(value))
