# SPDX-License-Identifier: Apache-2.0
"""What `pset verify` is given: files, standard input, or the text of a credential itself.

Everything is looked at before anything is verified. A mistyped name alone is an error; among several
it has a line of its own, and the others are verified.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from cli.errors import CommandError

STANDARD_INPUT: Final = "-"
SOURCE_SIZE_MAX: Final = 16 * 1024 * 1024
"""Bytes read of one source; what is larger is no credential and is cut off there."""
SOURCES_COUNT_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """One document to verify."""

    name: str
    """For people: the file as given, `(standard input)` or `(text)`."""
    given: str
    problem: CommandError | None = None
    """Why it cannot be read; of one among several."""

    def read(self) -> bytes:
        """The document.

        Raises:
            CommandError: as `find_sources`.
            OSError: the file cannot be read.
        """
        if self.problem is not None:
            raise self.problem
        if self.given == STANDARD_INPUT:
            return _read_limited(sys.stdin.buffer)
        if is_text(self.given):
            return self.given.encode("utf-8", "surrogateescape")
        with Path(self.given).open("rb") as file:
            return _read_limited(file)


def is_text(given: str) -> bool:
    """Whether a source is the text of a credential: a JSON object."""
    return given.lstrip().startswith("{")


def find_sources(given: Sequence[str]) -> tuple[Source, ...]:
    """The sources meant.

    Raises:
        CommandError: SOURCE_EMPTY, SOURCE_NOT_FOUND, SOURCE_IS_DIRECTORY, SOURCE_REPEATED, TOO_MANY_SOURCES.
    """
    if len(given) > SOURCES_COUNT_MAX:
        raise CommandError(
            f"more than {SOURCES_COUNT_MAX} sources",
            code="TOO_MANY_SOURCES",
            remedy="Verify them in several runs.",
        )
    if given.count(STANDARD_INPUT) > 1:
        raise CommandError(
            "standard input can be read once only",
            code="SOURCE_REPEATED",
            remedy="Give - once.",
        )
    if len(given) == 1:
        return (_find(given[0]),)
    return tuple(_find_of_many(item) for item in given)


def _find_of_many(given: str) -> Source:
    """One of several: what is wrong with it does not keep the others from being verified."""
    try:
        return _find(given)
    except CommandError as error:
        return Source(given, given, error)


def _find(given: str) -> Source:
    if given == STANDARD_INPUT:
        return Source("(standard input)", given)
    if is_text(given):
        return Source("(text)", given)
    if not given.strip():
        raise CommandError(
            "an empty text was given as a source",
            code="SOURCE_EMPTY",
            remedy="Give a file, - for standard input, or the text of a credential in quotes; in a"
            " script, see whether a variable is empty.",
        )
    path = Path(given)
    if path.is_dir():
        raise CommandError(
            f"{given} is a directory",
            code="SOURCE_IS_DIRECTORY",
            remedy=f"Name the files in it, such as {path / '*.vc.json'}.",
        )
    if not path.exists():
        raise CommandError(
            f"there is no file {given}",
            code="SOURCE_NOT_FOUND",
            remedy="Give a file, - for standard input, or the text of a credential in quotes.",
        )
    return Source(given, given)


def _read_limited(stream: BinaryIO) -> bytes:
    return stream.read(SOURCE_SIZE_MAX + 1)


def compute_document_hash(document: bytes) -> str:
    """SHA-256, hexadecimal: tells later whether a receipt is about this file."""
    return sha256(document).hexdigest()
