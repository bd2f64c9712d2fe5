# SPDX-License-Identifier: Apache-2.0
"""The personal-data linter over a whole operation: asked by the SDK, at admission, at execution.

Every text of every operation is looked at, and every byte string that reads as text: the fields come
from the declarations of the messages, so one that is added is looked at from its first day. Two byte
strings have more to them: the request of an organisation is a message, whose fields are looked at in
turn, and the content of a resource is a document.

A refused transaction that entered a block would stay in the block's history, so admission asks too;
execution decides, because the rule set belongs to a height.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ledger.model.canonical_json import JsonError, decode_json
from ledger.model.codec import decode
from ledger.model.limits import CONTENT_SIZE_MAX, REQUEST_SIZE_MAX
from ledger.model.operations import (
    AddSite,
    EndorseOrganisation,
    OrganisationRequest,
    PublishResource,
    Service,
)
from ledger.model.personal_data import Finding, find_in_document, find_personal_data, text_in
from ledger.model.transaction import Operation
from ledger.model.wire import EncodingError, Kind, Label, get_message

_FREE_TEXTS: Final = frozenset(
    {(AddSite, "name"), (OrganisationRequest, "name"), (Service, "endpoint")}
)
"""Fields that are no identifiers: ten bare digits are a phone number there."""
_MESSAGES_IN_BYTES: Final[dict[tuple[type[Any], str], type[Any]]] = {
    (EndorseOrganisation, "request"): OrganisationRequest
}
_DOCUMENTS_IN_BYTES: Final = frozenset({(PublishResource, "content")})
"""Left out here: who examines documents looks into them."""


def find_in_operation(operation: Operation) -> Finding | None:
    """The first personal datum in an operation, or None.

    Content that cannot be read is left to the operation's own checks.
    """
    finding = find_in_texts(operation)
    if finding is None and isinstance(operation, PublishResource):
        try:
            document = decode_json(operation.content, size_max=CONTENT_SIZE_MAX)
        except JsonError:
            return None
        return find_in_document(document, "content")
    return finding


def find_in_texts(operation: Operation) -> Finding | None:
    """As `find_in_operation`, without the content of a resource, which its own check examines."""
    for where, text, is_identifier in _walk(operation, ""):
        rule = find_personal_data(text, is_identifier=is_identifier)
        if rule:
            return Finding(rule, where)
    return None


@dataclass(frozen=True, slots=True)
class _Look:
    """How one field is looked at."""

    name: str
    kind: Kind
    is_repeated: bool
    is_identifier: bool
    request: type[Any] | None
    """The message whose encoding a byte string is."""


_looks: Final[dict[type[Any], tuple[_Look, ...]]] = {}
"""By class of message: as many as are declared."""


def _get_looks(cls: type[Any]) -> tuple[_Look, ...]:
    found = _looks.get(cls)
    if found is None:
        found = _looks[cls] = _compile_looks(cls)
    return found


def _compile_looks(cls: type[Any]) -> tuple[_Look, ...]:
    """Fields of a message that may hold a text, in the order of their numbers."""
    return tuple(
        _Look(
            name=field.name,
            kind=field.kind,
            is_repeated=field.label is Label.REPEATED,
            is_identifier=(cls, field.name) not in _FREE_TEXTS,
            request=_MESSAGES_IN_BYTES.get((cls, field.name)),
        )
        for field in get_message(cls).fields
        if field.kind in {Kind.STRING, Kind.OCTETS, Kind.MESSAGE}
        and (cls, field.name) not in _DOCUMENTS_IN_BYTES
    )


def _walk(message: Any, prefix: str) -> Iterator[tuple[str, str, bool]]:
    """Place, text, and whether it is an identifier, of all texts in a message."""
    cls: type[Any] = message.__class__
    for look in _get_looks(cls):
        value = getattr(message, look.name)
        if not value:
            continue
        if not look.is_repeated:
            yield from _look(look, value, prefix + look.name)
            continue
        for position, item in enumerate(value):
            yield from _look(look, item, f"{prefix}{look.name}[{position}]")


def _look(look: _Look, value: Any, where: str) -> Iterator[tuple[str, str, bool]]:
    if look.kind is Kind.STRING:
        yield where, value, look.is_identifier
    elif look.kind is Kind.MESSAGE:
        yield from _walk(value, f"{where}.")
    elif look.request is not None:
        try:
            request = decode(look.request, value, size_max=REQUEST_SIZE_MAX)
        except EncodingError:
            return
        yield from _walk(request, f"{where}.")
    else:
        yield where, text_in(value), True
