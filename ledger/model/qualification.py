# SPDX-License-Identifier: Apache-2.0
"""The content of a Qualification resource: SAQA's record of a qualification, as JSON.

Numbers are integers, dates `YYYY-MM-DD`. Levels are those of the sub-framework (GFETQSF 1-4,
HEQSF 5-10, OQSF 1-8); one credit is ten notional hours. What replaces what is named by SAQA id.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from ledger.model.canonical_json import JsonObject, JsonValue, decode_json
from ledger.model.charter_document import GFETQSF, HEQSF, OQSF, SUB_FRAMEWORKS
from ledger.model.identifiers import is_occupation, occupation_code, qualification_name
from ledger.model.json_fields import (
    FieldError,
    place,
    read_choice,
    read_date,
    read_integer,
    read_list,
    read_object,
    read_text,
    read_texts,
)
from ledger.model.limits import CONTENT_SIZE_MAX, TEXT_SIZE_MAX

SAQA_ID_MAX: Final = 999_999_999
CREDITS_MAX: Final = 9_999
MODULES_COUNT_MAX: Final = 256
OCCUPATIONS_COUNT_MAX: Final = 64
REPLACED_COUNT_MAX: Final = 64
FACTS_REMEMBERED_COUNT_MAX: Final = 1_024
"""Qualification documents whose facts are remembered."""

LEVELS: Final = {GFETQSF: (1, 4), HEQSF: (5, 10), OQSF: (1, 8)}
"""First and last NQF level by sub-framework (GN 1391/2020)."""
STATUSES: Final = ("registered", "reregistered", "passed-end-date", "deregistered")
MODULE_KINDS: Final = ("knowledge", "practical", "work-experience")

_REQUIRED: Final = (
    "saqa_id",
    "title",
    "sub_framework",
    "nqf_level",
    "credits",
    "type",
    "status",
)
_TEXTS: Final = ("field", "subfield", "originator", "quality_assurer", "curriculum")
_DATES: Final = ("registration_start", "registration_end", "last_enrolment", "last_achievement")
_LISTS: Final = ("ofo", "modules", "replaces", "replaced_by")

_MODULE_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class QualificationFacts:
    """What the scope of an accreditation depends on."""

    name: str
    """`za:saqa:q:<SAQA id>`."""
    sub_framework: str
    trades: tuple[str, ...]
    """Occupations, `za:ofo:<year>:<code>`."""


QualificationLookup: TypeAlias = Callable[[str], QualificationFacts | None]
"""Facts about a qualification by name; None: not registered on this ledger."""


def check_qualification(value: JsonValue, name: str) -> JsonObject:
    """Accept the content of the qualification called `name`, `za:saqa:q:<SAQA id>`.

    Raises:
        FieldError: a member is missing, unknown, of another type, or contradicts another.
    """
    document = read_object(value, "", _REQUIRED, (*_TEXTS, *_DATES, *_LISTS))
    saqa_id = read_integer(document["saqa_id"], "saqa_id", 1, SAQA_ID_MAX)
    if qualification_name(saqa_id) != name:
        raise FieldError("saqa_id", "it is not the id in the resource's name")
    for member in ("title", "type"):
        read_text(document[member], member, size_max=TEXT_SIZE_MAX)
    sub_framework = read_choice(document["sub_framework"], "sub_framework", SUB_FRAMEWORKS)
    read_integer(document["nqf_level"], "nqf_level", *LEVELS[sub_framework])
    read_integer(document["credits"], "credits", 1, CREDITS_MAX)
    read_choice(document["status"], "status", STATUSES)
    for member in _TEXTS:
        if member in document:
            read_text(document[member], member, size_max=TEXT_SIZE_MAX)
    _check_dates(document)
    for position, code in enumerate(_read_occupations(document)):
        if not is_occupation(code):
            raise FieldError(place("ofo", position), "za:ofo:<year>:<six digits> is expected")
    for member in ("replaces", "replaced_by"):
        for position, other in enumerate(
            read_list(document.get(member, []), member, REPLACED_COUNT_MAX)
        ):
            read_integer(other, place(member, position), 1, SAQA_ID_MAX)
    _check_modules(document.get("modules", []))
    return document


def _check_dates(document: JsonObject) -> None:
    dates = {member: read_date(document[member], member) for member in _DATES if member in document}
    for earlier, later in (_DATES[:2], _DATES[2:]):
        # ISO dates of four-digit years compare as text.
        if earlier in dates and later in dates and dates[earlier] > dates[later]:
            raise FieldError(later, f"it lies before {earlier}")


def _read_occupations(document: JsonObject) -> tuple[str, ...]:
    return read_texts(
        document.get("ofo", []), "ofo", count_max=OCCUPATIONS_COUNT_MAX, size_max=TEXT_SIZE_MAX
    )


def _check_modules(value: JsonValue) -> None:
    codes: list[str] = []
    for position, entry in enumerate(read_list(value, "modules", MODULES_COUNT_MAX)):
        at = place("modules", position)
        module = read_object(entry, at, ["code", "kind", "title", "credits"])
        code = read_text(
            module["code"], place(at, "code"), size_max=TEXT_SIZE_MAX, pattern=_MODULE_CODE
        )
        if code in codes:
            raise FieldError(place(at, "code"), "the module is there twice")
        codes.append(code)
        read_choice(module["kind"], place(at, "kind"), MODULE_KINDS)
        read_text(module["title"], place(at, "title"), size_max=TEXT_SIZE_MAX)
        read_integer(module["credits"], place(at, "credits"), 0, CREDITS_MAX)


def find_fact_changed(before: QualificationFacts, after: QualificationFacts) -> str | None:
    """The member that a further version of a qualification must not change, and changes; or None.

    Separation of duties and scopes were judged by the sub-framework and the occupations when grants
    were made; a qualification that becomes another is registered under an id of its own. The same
    occupations may be named from another version of the OFO. One that named no occupation was taken to
    be for any of them (`ledger.model.scope.is_scope_overlapping`), so naming them joins no duties.
    """
    if before.sub_framework != after.sub_framework:
        return "sub_framework"
    if before.trades and _occupation_codes(before) != _occupation_codes(after):
        return "ofo"
    return None


def _occupation_codes(facts: QualificationFacts) -> list[str]:
    return sorted({occupation_code(trade) for trade in facts.trades})


@lru_cache(maxsize=FACTS_REMEMBERED_COUNT_MAX)
def decode_qualification_facts(content: bytes) -> QualificationFacts:
    """The facts in the content of a Qualification resource that the ledger accepted.

    Raises:
        JsonError, FieldError: this is no such content.
    """
    value = decode_json(content, size_max=CONTENT_SIZE_MAX)
    document = value if isinstance(value, dict) else {}
    name = qualification_name(read_integer(document.get("saqa_id"), "saqa_id", 1, SAQA_ID_MAX))
    document = check_qualification(value, name)
    return QualificationFacts(
        name=name,
        sub_framework=read_choice(document["sub_framework"], "sub_framework", SUB_FRAMEWORKS),
        trades=_read_occupations(document),
    )
