# SPDX-License-Identifier: Apache-2.0
"""Reading what somebody handed in: a file, bytes or text, and the credential in it.

Whatever the bytes are, the answer is a credential or one sentence why there is none. Nothing of
the document is quoted in that sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.model.identifiers import parse_resource_url
from ledger.model.operations import StatusPurpose
from sdk.arguments import check_document
from sdk.credentials.facts import CredentialFacts, read_facts
from sdk.credentials.jcs import JsonObject, parse_canonical_object, parse_object
from sdk.credentials.open_badges import CREDENTIAL_SIZE_MAX
from sdk.credentials.problems import CredentialError
from sdk.credentials.status_list import REVOCATION, SUSPENSION, StatusEntry
from sdk.errors import CallerError
from sdk.verification.ledger_facts import ListKey

PATH_LENGTH_MAX: Final = 4_096
"""Characters: longer text is a document, not the name of a file."""

_ASK_FOR_FILE: Final = "Ask the candidate for the .vc.json file itself."
_KINDS: Final = (
    (b"%PDF-", "a PDF"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a photograph (JPEG)"),
    (b"PK\x03\x04", "an archive or office document"),
    (b"GIF8", "a picture (GIF)"),
)
"""What people hand in instead, by how it begins."""
_BYTE_ORDER_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Of UTF-8 and of both kinds of UTF-16."""


PURPOSES: Final[Mapping[str, StatusPurpose]] = {
    REVOCATION: StatusPurpose.REVOCATION,
    SUSPENSION: StatusPurpose.SUSPENSION,
}
"""Purposes that decide about a credential; others are for the holder's convenience."""


@dataclass(frozen=True, slots=True)
class StatusPlace:
    """A place in a list that decides about a credential."""

    entry: StatusEntry
    held: ListKey


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A credential as it was read; nothing of it is believed yet."""

    document: JsonObject
    facts: CredentialFacts
    places: tuple[StatusPlace, ...] | None
    """Where its status stands; None when one place is in no list of this kind of ledger."""
    is_plain: bool
    """Whether it was written in canonical form: then it is hashed without a second look."""


class DocumentError(Exception):
    """There is no credential. `text` says why; `next_step` what to do, empty: the code's own."""

    def __init__(self, text: str, next_step: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.next_step = next_step


def read_source(source: bytes | str | Path) -> bytes | str:
    """The content of what was given: bytes and text are documents, a path names a file.

    Text that cannot be a path (it begins with a brace, has several lines, or is very long) is a
    document. Of a file at most one byte more than a credential may have is read.

    Raises:
        CallerError: FILE_NOT_FOUND, FILE_UNREADABLE, ARGUMENT_TYPE.
    """
    if isinstance(source, bytes):
        return source
    if isinstance(source, str):
        begin = source.lstrip()[:1]
        if begin in {"{", "["} or len(source) > PATH_LENGTH_MAX or not source.isprintable():
            return source
        if not source:
            return ""
        source = Path(source)
    check_document(source)
    try:
        with source.open("rb") as file:
            return file.read(CREDENTIAL_SIZE_MAX + 1)
    except FileNotFoundError:
        raise CallerError(
            f"there is no file {source}",
            code="FILE_NOT_FOUND",
            remedy="Give the path of a file, or the text of a credential.",
        ) from None
    except OSError as error:
        raise CallerError(
            f"cannot read {source}: {error.strerror}",
            code="FILE_UNREADABLE",
            remedy="Give the path of a file that you may read.",
        ) from error


def parse_document(data: bytes | str) -> ParsedDocument:
    """The credential in these bytes.

    Raises:
        DocumentError: there is none.
    """
    if isinstance(data, bytes):
        for begin, kind in _KINDS:
            if data.startswith(begin):
                raise DocumentError(
                    f"this is {kind}, and it holds no credential that can be read", _ASK_FOR_FILE
                )
    if data.startswith(_BYTE_ORDER_MARKS) if isinstance(data, bytes) else data.startswith("\ufeff"):
        raise DocumentError(
            "this begins with a byte order mark, which an editor added when it saved the file",
            "Ask for the file as it was issued, or save it as UTF-8 without a byte order mark.",
        )
    if not data.strip():
        raise DocumentError("this is empty", _ASK_FOR_FILE)
    try:
        plain = parse_canonical_object(data, size_max=CREDENTIAL_SIZE_MAX)
        document = parse_object(data, size_max=CREDENTIAL_SIZE_MAX) if plain is None else plain
        facts = read_facts(document)
    except CredentialError as error:
        place = f"{error.path}: " if error.path else ""
        raise DocumentError(f"{place}{error.text}") from None
    places = status_places(facts.status_entries)
    return ParsedDocument(document, facts, places, is_plain=plain is not None)


def status_places(entries: Sequence[StatusEntry]) -> tuple[StatusPlace, ...] | None:
    """The places that decide; None when one of them is no list of this kind of ledger."""
    places: list[StatusPlace] = []
    for entry in entries:
        if entry.purpose not in PURPOSES:
            continue
        held = parse_resource_url(entry.list_url)
        if held is None:
            return None
        places.append(StatusPlace(entry, held))
    return tuple(places)
