# SPDX-License-Identifier: Apache-2.0
"""What an issuer hands in, and what it gets back: drafts, credentials, and what is wrong with a row.

A draft names a template and holds values; nothing is checked before it is issued, because the
template that counts is the one on the ledger. What is wrong names field and rule, never the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from ledger.model.identifiers import is_resource_name
from ledger.model.limits import CONTENT_SIZE_MAX
from ledger.model.operations import UpdateStatusList
from sdk.arguments import check_mapping, check_text, check_text_or_path
from sdk.credentials.jcs import canonicalize
from sdk.credentials.problems import CredentialError, Problem
from sdk.credentials.template_reader import parse_template
from sdk.credentials.values import VALUE_CODES
from sdk.errors import CallerError
from sdk.results import Receipt, Result

RECORD_ID_LENGTH_MAX: Final = 256
DRAFT_DEPTH_MAX: Final = 8
_VERSION_SIZE_MAX: Final = 9


@dataclass(frozen=True, slots=True)
class TemplateReference:
    """Which template is meant: a name, with a version or the newest, or a published content."""

    name: str
    version: int | None = None
    content_hash: bytes | None = None
    """SHA-256 of the content that must be published under the name."""


class Draft:
    """Values for one credential of one kind. Immutable; `repr` shows no value."""

    __slots__ = ("_reference", "_values")

    def __init__(self, reference: TemplateReference, values: Mapping[str, Any]) -> None:
        """Use `from_template`."""
        self._reference = reference
        self._values = values

    @classmethod
    def from_template(cls, template: str | Path, values: Mapping[str, Any]) -> Draft:
        """A draft under a template.

        Args:
            template: `name` (its newest version), `name@version`, or the path of a template's JSON
                file; that very content must be published on the ledger.
            values: by field; texts, integers, booleans, dates, and lists of such objects.

        Raises:
            CallerError: TEMPLATE_NAME_MALFORMED, TEMPLATE_UNREADABLE, DRAFT_MALFORMED,
                ARGUMENT_TYPE.
        """
        check_text_or_path(template, "template")
        check_mapping(values, "values")
        reference = _read_file(template) if isinstance(template, Path) else _parse_name(template)
        plain = cast("dict[str, Any]", _plain(values, DRAFT_DEPTH_MAX))
        return cls(reference, plain)

    @property
    def reference(self) -> TemplateReference:
        return self._reference

    @property
    def values(self) -> Mapping[str, Any]:
        return self._values

    def __repr__(self) -> str:
        return f"Draft({self._reference.name!r}, {len(self._values)} values)"


@dataclass(frozen=True, slots=True)
class IssuedCredential(Result):
    """A credential as its issuer holds it."""

    record_id: str
    credential_id: str
    document: bytes = field(repr=False)
    """The signed credential: canonical JSON."""
    media_type: str
    status_url: str
    """The revocation list in which its status stands."""
    status_index: int
    """Its place there, and in the suspension list."""
    anchored: bool
    """Whether the ledger bounds the time of issue."""


@dataclass(frozen=True, slots=True)
class RowError(Result):
    """One thing that is wrong with one input. Never holds the value."""

    record_id: str
    field: str
    code: str
    text: str


class DraftRefusedError(CallerError):
    """The values cannot be issued under the template; `errors` has all that is wrong with them."""

    errors: Sequence[RowError]

    def __init__(self, errors: Sequence[RowError]) -> None:
        first = errors[0]
        known = VALUE_CODES.get(first.code)
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(
            f"{first.field}: {first.text}{more}",
            code=first.code,
            remedy=known[1] if known is not None else "Correct the input.",
        )
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class StatusChangeResult(Result):
    """What became of a change of status."""

    receipts: Sequence[Receipt]
    """One for each transaction; of records that had the status already, that of the first time."""
    records: int
    """How many records have the status now."""
    unchanged: int
    """How many of them had it before."""


@dataclass(frozen=True, slots=True)
class StatusChangePreview:
    """What a change of status would send. Nothing was sent, and nothing was noted in the store."""

    operations: Sequence[UpdateStatusList]
    """The first for each status list: those whose decision the ledger can tell beforehand."""
    transactions: int
    """How many transactions it would take."""
    records: int
    """How many records would have the status."""
    unchanged: int
    """How many of them have it now."""


def row_errors(record_id: str, problems: Sequence[Problem]) -> list[RowError]:
    """The problems of an input as row errors."""
    return [RowError(record_id, problem.path, problem.code, problem.text) for problem in problems]


def check_record_id(record_id: str) -> None:
    """Refuse what can be no record id.

    Raises:
        CallerError: RECORD_ID_MALFORMED.
    """
    check_text(record_id, "record_id")
    if not 0 < len(record_id) <= RECORD_ID_LENGTH_MAX or not record_id.isprintable():
        raise CallerError(
            f"a record id is 1 to {RECORD_ID_LENGTH_MAX} printable characters",
            code="RECORD_ID_MALFORMED",
            remedy="Use your own stable key of the record, such as student number and period.",
        )


def _parse_name(template: str) -> TemplateReference:
    name, separator, text = template.partition("@")
    version = int(text) if text.isascii() and text.isdigit() else 0
    if not is_resource_name(name) or (separator and not version) or len(text) > _VERSION_SIZE_MAX:
        raise CallerError(
            f"{template!r} is no name of a template",
            code="TEMPLATE_NAME_MALFORMED",
            remedy="Give NAME or NAME@VERSION; see `pset credential template list`.",
        )
    return TemplateReference(name, version or None)


def _read_file(path: Path) -> TemplateReference:
    try:
        with path.open("rb") as file:
            content = file.read(CONTENT_SIZE_MAX + 1)
        name = parse_template(content).name
    except (OSError, CredentialError) as error:
        text = error.strerror if isinstance(error, OSError) else str(error)
        raise CallerError(
            f"{path} cannot be read as a template: {text}",
            code="TEMPLATE_UNREADABLE",
            remedy="Give the JSON of a template; see `pset credential template show NAME`.",
        ) from None
    return TemplateReference(name, None, sha256(content).digest())


def _plain(value: object, depth_left: int) -> Any:
    """The value as JSON holds it: dates as their day, sequences as lists; a copy."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if depth_left > 0:
        if isinstance(value, Mapping):
            items = cast("Mapping[object, object]", value).items()
            if all(isinstance(name, str) for name, _ in items):
                return {str(name): _plain(item, depth_left - 1) for name, item in items}
        elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
            return [_plain(item, depth_left - 1) for item in cast("Sequence[object]", value)]
    raise CallerError(
        "a draft holds texts, integers, booleans, dates and lists of objects of them",
        code="DRAFT_MALFORMED",
        remedy="Turn other types into one of these, for example a number with a fraction into text.",
    )


def encode_values(values: Mapping[str, object]) -> bytes:
    """Canonical bytes of values, to compare two inputs.

    Raises:
        CallerError: DRAFT_MALFORMED: a text or number that JSON cannot hold exactly.
    """
    try:
        return canonicalize(dict(values))
    except CredentialError:
        raise CallerError(
            "a value of the draft has no exact form in JSON",
            code="DRAFT_MALFORMED",
            remedy="Use whole numbers within 2**53 and well-formed text.",
        ) from None
