# SPDX-License-Identifier: Apache-2.0
"""State keys as people write them, both ways: ``grant/ID`` is the key of that grant's record.

The first word is the namespace of `ledger.model.schema`, which alone builds key bytes; what follows
are its components. A number at the end is a child of a list. Whatever has no such form is written
``hex:…``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from cli.errors import CommandError
from ledger.model import schema
from ledger.model.authorisation import resource_type_label
from ledger.model.identifiers import (
    is_code_system,
    is_code_value,
    is_validator_id,
    network_of_did,
    parse_resource_url,
    resource_url,
)
from ledger.model.operations import ResourceType
from ledger.model.records import (
    ActiveSetRecord,
    DidRecord,
    GrantRecord,
    HeldGrantsRecord,
    IdempotencyRecord,
    ListRecord,
    MemberRecord,
    OrganisationRecord,
    RecentBlockRecord,
    ReferenceRecord,
    ResourceNameRecord,
    ResourceRecord,
    StatusListRecord,
    StatusUpdateRecord,
)

HEX_PREFIX: Final = "hex:"
FORMS: Final = (
    "did/DID",
    "organisation/DID",
    "short-name/NAME",
    "legal-name/FOLDED",
    "code/SYSTEM/VALUE",
    "organisations[/TYPE][/N]",
    "grant/ID",
    "grants-by-grantor/DID[/N]",
    "grants-by-grantee/DID[/N]",
    "grants-held/DID",
    "resource/URL",
    "resource-name/NAME[/N]",
    "resources/TYPE[/N]",
    "status-list/URL[/N]",
    "status-lists/DID[/N]",
    "status-chunk/URL/N",
    "parameter/NAME",
    "validator/ID",
    "validators[/N]",
    "validator-key/HEX",
    "active-set",
    "recent-block/N",
    "idempotency/DID/HEX",
    "hex:DIGITS",
)
"""Every form of a key, for help and errors."""


@dataclass(frozen=True, slots=True)
class StateKey:
    """A key of the state, how it is written, and what lies under it."""

    key: bytes
    text: str
    record: type[Any] | None
    """None: bytes (a status chunk), or JSON (a parameter)."""


def parse_resource_type(label: str) -> ResourceType | None:
    """The resource type called so; case, hyphens and underscores do not matter."""
    wanted = label.replace("-", "").replace("_", "").lower()
    for member in ResourceType:
        if member and resource_type_label(member).lower() == wanted:
            return member
    return None


def parse_state_key(text: str) -> StateKey:
    """The state key that `text` writes.

    Raises:
        CommandError: KEY_MALFORMED, listing the forms.
    """
    if text.startswith(HEX_PREFIX):
        try:
            key = bytes.fromhex(text.removeprefix(HEX_PREFIX))
        except ValueError:
            key = b""
        if not key:
            raise _malformed(text)
        return describe_state_key(key)
    namespace, _, rest = text.partition("/")
    reader = _READERS.get(namespace)
    found = None if reader is None else reader(rest)
    if found is None:
        raise _malformed(text)
    key, record = found
    return StateKey(key, text, record)


_Found = tuple[bytes, type[Any] | None] | None


def _by_did(
    make: Callable[[str], bytes], record: type[Any], *, listed: bool = False
) -> Callable[[str], _Found]:
    def read(rest: str) -> _Found:
        did, number = _split_number(rest) if listed else (rest, None)
        if network_of_did(did) is None:
            return None
        return _child(make(did), record, number)

    return read


def _by_name(
    make: Callable[[str], bytes], record: type[Any] | None, *, listed: bool = False
) -> Callable[[str], _Found]:
    def read(rest: str) -> _Found:
        name, number = _split_number(rest) if listed else (rest, None)
        return _child(make(name), record, number) if name else None

    return read


def _by_url(
    make: Callable[[str, bytes], bytes], record: type[Any], child: type[Any] = ReferenceRecord
) -> Callable[[str], _Found]:
    def read(rest: str) -> _Found:
        url, number = _split_number(rest)
        parsed = parse_resource_url(url)
        return None if parsed is None else _child(make(*parsed), record, number, child)

    return read


def _child(
    parent: bytes, record: type[Any] | None, number: int | None, child: type[Any] = ReferenceRecord
) -> _Found:
    return (parent, record) if number is None else (schema.child_key(parent, number), child)


def _split_number(text: str) -> tuple[str, int | None]:
    head, separator, tail = text.rpartition("/")
    if separator and tail.isascii() and tail.isdigit() and len(tail) <= 18:
        return head, int(tail)
    return text, None


def _read_code(rest: str) -> _Found:
    system, _, value = rest.partition("/")
    if not (is_code_system(system) and is_code_value(value)):
        return None
    return schema.code_key(system, value), ReferenceRecord


def _read_organisations(rest: str) -> _Found:
    name, number = _split_number(f"/{rest}")
    return _child(schema.organisations_key(name.strip("/")), ListRecord, number)


def _read_resources(rest: str) -> _Found:
    label, number = _split_number(rest)
    resource_type = parse_resource_type(label)
    if resource_type is None:
        return None
    return _child(schema.resources_key(resource_type), ListRecord, number)


def _read_chunk(rest: str) -> _Found:
    url, number = _split_number(rest)
    parsed = parse_resource_url(url)
    if parsed is None or number is None:
        return None
    return schema.status_chunk_key(*parsed, number), None


def _read_validator(rest: str) -> _Found:
    return (schema.validator_key(rest), MemberRecord) if is_validator_id(rest) else None


def _read_validators(rest: str) -> _Found:
    name, number = _split_number(f"/{rest}" if rest else "")
    return None if name else _child(schema.validators_key(), ListRecord, number)


def _read_validator_key(rest: str) -> _Found:
    try:
        key_hash = bytes.fromhex(rest)
    except ValueError:
        return None
    return (schema.validator_key_key(key_hash), ReferenceRecord) if key_hash else None


def _read_recent_block(rest: str) -> _Found:
    _, number = _split_number(f"/{rest}")
    return None if number is None else (schema.recent_block_key(number), RecentBlockRecord)


def _read_idempotency(rest: str) -> _Found:
    did, _, digits = rest.partition("/")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        return None
    if network_of_did(did) is None or not key:
        return None
    return schema.idempotency_key(did, key), IdempotencyRecord


_READERS: Final[dict[str, Callable[[str], _Found]]] = {
    "parameter": _by_name(schema.parameter_key, None),
    "validator": _read_validator,
    "validators": _read_validators,
    "validator-key": _read_validator_key,
    "active-set": lambda rest: None if rest else (schema.active_set_key(), ActiveSetRecord),
    "recent-block": _read_recent_block,
    "did": _by_did(schema.did_key, DidRecord),
    "organisation": _by_did(schema.organisation_key, OrganisationRecord),
    "short-name": _by_name(schema.short_name_key, ReferenceRecord),
    "legal-name": _by_name(schema.legal_name_key, ReferenceRecord),
    "code": _read_code,
    "organisations": _read_organisations,
    "grant": _by_name(schema.grant_key, GrantRecord),
    "grants-by-grantor": _by_did(schema.grants_by_grantor_key, ListRecord, listed=True),
    "grants-by-grantee": _by_did(schema.grants_by_grantee_key, ListRecord, listed=True),
    "grants-held": _by_did(schema.grants_held_key, HeldGrantsRecord),
    "resource": _by_url(schema.resource_key, ResourceRecord),
    "resource-name": _by_name(schema.resource_name_key, ResourceNameRecord, listed=True),
    "resources": _read_resources,
    "status-list": _by_url(schema.status_list_key, StatusListRecord, StatusUpdateRecord),
    "status-lists": _by_did(schema.status_lists_key, ListRecord, listed=True),
    "status-chunk": _read_chunk,
    "idempotency": _read_idempotency,
}


def describe_state_key(key: bytes) -> StateKey:
    """How a key is written; ``hex:…`` when it has no other form."""
    for text in _possible_texts(key):
        namespace, _, rest = text.partition("/")
        found = _READERS[namespace](rest) if text.isprintable() else None
        # Only a form that leads back to these very bytes says what lies under them.
        if found is not None and found[0] == key:
            return StateKey(key, text, found[1])
    return StateKey(key, HEX_PREFIX + key.hex(), None)


def _possible_texts(key: bytes) -> Iterator[str]:
    """Bytes do not say how many components they are: every number of them is tried."""
    namespace, separator, rest = key.partition(b"\x00")
    name = namespace.decode("ascii", "replace")
    if not separator or name not in _READERS:
        return
    for count in range(1, _COMPONENTS_MAX.get(name, 1) + 1):
        parts = _split(rest, count)
        if parts is None:
            continue
        with suppress(UnicodeDecodeError, ValueError, IndexError):
            yield _WRITERS.get(name, _write_plain)(name, parts)


def _split(rest: bytes, count: int) -> list[bytes] | None:
    parts: list[bytes] = []
    for _ in range(count - 1):
        size = int.from_bytes(rest[:2], "big")
        if len(rest) < 2 + size:
            return None
        parts.append(rest[2 : 2 + size])
        rest = rest[2 + size :]
    return [*parts, rest]


_COMPONENTS_MAX: Final = {
    "validators": 2,
    "code": 2,
    "organisations": 2,
    "grants-by-grantor": 2,
    "grants-by-grantee": 2,
    "resource": 2,
    "resource-name": 2,
    "resources": 2,
    "status-list": 3,
    "status-lists": 2,
    "status-chunk": 3,
    "idempotency": 2,
}


def _number(part: bytes) -> str:
    if len(part) != schema.NUMBER_SIZE:
        raise ValueError("no number")
    return str(int.from_bytes(part, "big"))


def _write_plain(name: str, parts: list[bytes]) -> str:
    words = [name, parts[0].decode("ascii")]
    if name == "code":
        words.append(parts[1].decode("ascii"))
    elif len(parts) > 1:
        words.append(_number(parts[1]))
    return "/".join(words)


def _write_url(name: str, parts: list[bytes]) -> str:
    if len(parts[1]) != 16:
        raise ValueError("no UUID")
    words = [name, resource_url(parts[0].decode("ascii"), parts[1])]
    if len(parts) > 2:
        words.append(_number(parts[2]))
    return "/".join(words)


def _write_resources(name: str, parts: list[bytes]) -> str:
    words = [name, resource_type_label(ResourceType(int(_number(parts[0]))))]
    return "/".join([*words, *map(_number, parts[1:])])


_WRITERS: Final[dict[str, Callable[[str, list[bytes]], str]]] = {
    "validators": lambda name, parts: "/".join([name, *map(_number, parts[1:])]),
    "validator-key": lambda name, parts: f"{name}/{parts[0].hex()}",
    "active-set": lambda name, _: name,
    "recent-block": lambda name, parts: f"{name}/{_number(parts[0])}",
    "organisations": lambda name, parts: "/".join(
        filter(None, [name, parts[0].decode("ascii"), *map(_number, parts[1:])])
    ),
    "resource": _write_url,
    "status-list": _write_url,
    "status-chunk": _write_url,
    "resources": _write_resources,
    "idempotency": lambda name, parts: f"{name}/{parts[0].decode('ascii')}/{parts[1].hex()}",
}


def _malformed(text: str) -> CommandError:
    return CommandError(
        f"{text!r} is no key of the state",
        code="KEY_MALFORMED",
        remedy=f"A key is one of: {'  '.join(FORMS)}",
    )
