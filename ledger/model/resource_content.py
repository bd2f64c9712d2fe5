# SPDX-License-Identifier: Apache-2.0
"""What a resource of each type must look like. The SDK asks before sending, every node again.

All content is JSON (integers only, at most 16 levels and 8,192 values and member names) whose texts are allowed texts and which holds
no personal data. Beyond that:

JsonSchema          `ledger.model.json_schema`
CredentialTemplate  type, format, name (that of the resource), title, power of the charter, fields
                    with names; the rest is for who issues and verifies (`sdk.credentials`)
DisplayBundle       labels by language: {"languages": {"en": {"<label>": "<text>", ...}, ...}}
Qualification       `ledger.model.qualification`
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Final

from ledger.model.canonical_json import JsonError, JsonValue, decode_json
from ledger.model.identifiers import is_qualification, is_resource_name
from ledger.model.json_fields import (
    FieldError,
    place,
    read_choice,
    read_integer,
    read_list,
    read_object,
    read_text,
)
from ledger.model.json_schema import check_json_schema
from ledger.model.limits import CONTENT_SIZE_MAX, DOCUMENT_VALUES_COUNT_MAX, TEXT_SIZE_MAX
from ledger.model.operations import ResourceType
from ledger.model.personal_data import find_in_document, find_text_not_allowed
from ledger.model.qualification import check_qualification
from ledger.model.receipts import ReceiptCode

MEDIA_TYPES: Final = {
    ResourceType.JSON_SCHEMA: ("application/schema+json", "application/json"),
    ResourceType.CREDENTIAL_TEMPLATE: ("application/json",),
    ResourceType.DISPLAY_BUNDLE: ("application/json",),
    ResourceType.QUALIFICATION: ("application/json",),
}
"""Media types by resource type; other types are not supported yet."""

EXAMINED_COUNT_MAX: Final = 8_192
"""Contents remembered as good, by their SHA-256: more than wait for a block."""

LANGUAGES_COUNT_MAX: Final = 32
LABELS_COUNT_MAX: Final = 1_024
FIELDS_COUNT_MAX: Final = 256

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?", re.ASCII)


class ContentError(ValueError):
    """Content that cannot be published.

    ``code`` is a ReceiptCode, ``where`` the place within the content, ``text`` says why and never
    quotes the content.
    """

    def __init__(self, code: ReceiptCode, where: str, text: str) -> None:
        super().__init__(code, where, text)
        self.code = code
        self.where = where
        self.text = text

    def __str__(self) -> str:
        return f"{self.code.name} {self.where}: {self.text}"


def is_name_for_type(name: str, resource_type: ResourceType) -> bool:
    """Whether a resource of a type may have the name: a qualification's is `za:saqa:q:<digits>`."""
    if resource_type is ResourceType.QUALIFICATION:
        return is_qualification(name)
    return is_resource_name(name)


def check_content(
    resource_type: ResourceType,
    name: str,
    media_type: str,
    content: bytes,
    *,
    powers: Sequence[str],
    size_max: int = CONTENT_SIZE_MAX,
) -> JsonValue:
    """Accept the content of a resource and return the document in it.

    Args:
        resource_type: what it claims to be.
        name: of the resource.
        media_type: as published.
        content: the bytes.
        powers: vocabulary of the network's charter.
        size_max: limit of the network.

    Raises:
        ContentError: RESOURCE_TYPE_UNSUPPORTED, LIMIT_EXCEEDED, RESOURCE_CONTENT_INVALID,
            TEXT_NOT_ALLOWED, PERSONAL_DATA.
    """
    if resource_type not in MEDIA_TYPES:
        raise ContentError(
            ReceiptCode.RESOURCE_TYPE_UNSUPPORTED, "type", "resources of this type do not exist yet"
        )
    if media_type not in MEDIA_TYPES[resource_type]:
        raise ContentError(
            ReceiptCode.RESOURCE_CONTENT_INVALID,
            "media_type",
            f"one of {', '.join(MEDIA_TYPES[resource_type])} is expected",
        )
    if len(content) > size_max:
        raise ContentError(ReceiptCode.LIMIT_EXCEEDED, "content", f"more than {size_max} bytes")
    try:
        document = decode_json(content, size_max=size_max)
    except JsonError as error:
        raise ContentError(ReceiptCode.RESOURCE_CONTENT_INVALID, "content", str(error)) from None
    # What was found good a moment ago, at admission, is good at execution too: it depends on nothing
    # but these. What is refused is not remembered.
    subject = _Subject(resource_type, name, sha256(content).digest(), tuple(powers), [document])
    try:
        _examine_once(subject)
    finally:
        subject.documents.clear()  # what is remembered keeps no document
    return document


@dataclass(frozen=True, slots=True)
class _Subject:
    """What an examination depends on; the hash of the content stands for the document."""

    resource_type: ResourceType
    name: str
    content_hash: bytes
    powers: tuple[str, ...]
    documents: list[JsonValue] = field(compare=False)
    """The one document, while it is examined."""


@lru_cache(maxsize=EXAMINED_COUNT_MAX)
def _examine_once(subject: _Subject) -> None:
    _examine(subject.resource_type, subject.name, subject.documents[0], subject.powers)


def _count_values(value: JsonValue) -> int:
    """Values and member names, at least as far as DOCUMENT_VALUES_COUNT_MAX and one more."""
    count = 0
    pending = [value]
    while pending and count <= DOCUMENT_VALUES_COUNT_MAX:
        item = pending.pop()
        count += 1
        if isinstance(item, dict):
            count += len(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return count


def _examine(
    resource_type: ResourceType, name: str, document: JsonValue, powers: Sequence[str]
) -> None:
    if _count_values(document) > DOCUMENT_VALUES_COUNT_MAX:
        raise ContentError(
            ReceiptCode.LIMIT_EXCEEDED,
            "content",
            f"at most {DOCUMENT_VALUES_COUNT_MAX} values and member names",
        )
    where = find_text_not_allowed(document, "content")
    if where is not None:
        raise ContentError(
            ReceiptCode.TEXT_NOT_ALLOWED,
            where,
            "printable Latin text of limited length is expected",
        )
    finding = find_in_document(document, "content")
    if finding is not None:
        raise ContentError(ReceiptCode.PERSONAL_DATA, finding.where, finding.rule)
    try:
        _check_type(resource_type, name, document, powers)
    except FieldError as error:
        raise ContentError(
            ReceiptCode.RESOURCE_CONTENT_INVALID, place("content", error.where), error.text
        ) from None


def _check_type(
    resource_type: ResourceType, name: str, document: JsonValue, powers: Sequence[str]
) -> None:
    match resource_type:
        case ResourceType.JSON_SCHEMA:
            check_json_schema(document)
        case ResourceType.CREDENTIAL_TEMPLATE:
            _check_credential_template(name, document, powers)
        case ResourceType.DISPLAY_BUNDLE:
            _check_display_bundle(document)
        case ResourceType.QUALIFICATION:
            check_qualification(document, name)
        case _:
            raise AssertionError("a resource type with media types has a check")


def _check_credential_template(name: str, document: JsonValue, powers: Sequence[str]) -> None:
    if not isinstance(document, dict):
        raise FieldError("", "an object is expected")
    read_choice(document.get("type"), "type", ["CredentialTemplate"])
    read_integer(document.get("format"), "format", 1, 1_000)
    read_choice(document.get("name"), "name", [name])
    read_text(document.get("title"), "title", size_max=TEXT_SIZE_MAX)
    read_choice(document.get("power"), "power", powers)
    names: list[str] = []
    for position, item in enumerate(
        read_list(document.get("fields"), "fields", FIELDS_COUNT_MAX, 1)
    ):
        at = place("fields", position)
        if not isinstance(item, dict):
            raise FieldError(at, "an object is expected")
        field_name = read_text(item.get("name"), place(at, "name"), size_max=TEXT_SIZE_MAX)
        if field_name in names:
            raise FieldError(place(at, "name"), "the field is there twice")
        names.append(field_name)


def _check_display_bundle(document: JsonValue) -> None:
    languages = read_object(document, "", ["languages"])["languages"]
    if not isinstance(languages, dict) or not 1 <= len(languages) <= LANGUAGES_COUNT_MAX:
        raise FieldError("languages", f"1 to {LANGUAGES_COUNT_MAX} languages are expected")
    for tag, labels in languages.items():
        at = place("languages", tag)
        if _LANGUAGE.fullmatch(tag) is None:
            raise FieldError(at, "a language tag such as en or zu is expected")
        if not isinstance(labels, dict) or not 1 <= len(labels) <= LABELS_COUNT_MAX:
            raise FieldError(at, f"1 to {LABELS_COUNT_MAX} labels are expected")
        for label, text in labels.items():
            if not isinstance(text, str):
                raise FieldError(place(at, label), "a string is expected")
