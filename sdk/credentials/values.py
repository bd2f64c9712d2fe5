# SPDX-License-Identifier: Apache-2.0
"""Input values of a credential: what a template accepts, and what is computed from it.

A refusal names the field, a stable code and the rule; the value itself never, because these
messages end in logs and error files. `VALUE_CODES` has the codes with their meaning.

Before anything is judged, values are brought to one form (`normalise_values`): text to Unicode NFC,
a whole number given for a code to its digits, `91761` to `za:saqa:q:91761`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final, cast

from ledger.model.canonical_json import INTEGER_MAX
from ledger.model.identifiers import is_qualification, is_site_code
from ledger.model.personal_data import is_sa_id_number
from sdk.credentials.instants import age_on, parse_date
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.problems import Problem, join_path
from sdk.credentials.template import LIST_COUNT_MAX, CredentialTemplate, Field

REQUIRED: Final = "REQUIRED"
WRONG_TYPE: Final = "WRONG_TYPE"
UNKNOWN_FIELD: Final = "UNKNOWN_FIELD"
TEXT_MALFORMED: Final = "TEXT_MALFORMED"
TOO_LONG: Final = "TOO_LONG"
NUMBER_OUT_OF_RANGE: Final = "NUMBER_OUT_OF_RANGE"
NOT_IN_LIST: Final = "NOT_IN_LIST"
TOO_FEW: Final = "TOO_FEW"
TOO_MANY: Final = "TOO_MANY"
REPEATED: Final = "REPEATED"
DATE_MALFORMED: Final = "DATE_MALFORMED"
DATE_IN_FUTURE: Final = "DATE_IN_FUTURE"
DATE_TOO_EARLY: Final = "DATE_TOO_EARLY"
DATE_ORDER: Final = "DATE_ORDER"
QUALIFICATION_MALFORMED: Final = "QUALIFICATION_MALFORMED"
ID_NUMBER_MALFORMED: Final = "ID_NUMBER_MALFORMED"
BIRTHDATE_ID_MISMATCH: Final = "BIRTHDATE_ID_MISMATCH"

VALUE_CODES: Final[Mapping[str, tuple[str, str]]] = {
    REQUIRED: ("A required field is missing or empty.", "Fill the field in."),
    WRONG_TYPE: (
        "The value is of another type than the field.",
        "See the template's example for the type.",
    ),
    UNKNOWN_FIELD: ("The template has no such field.", "Remove the field or correct its name."),
    TEXT_MALFORMED: (
        "The text has characters, or a form, that the field does not allow.",
        "Remove control characters, blanks at either end and signs that do not belong there.",
    ),
    TOO_LONG: ("The text is longer than the field allows.", "Shorten the text."),
    NUMBER_OUT_OF_RANGE: (
        "The number is below or above what the field allows.",
        "Correct the number; the template shows the limits.",
    ),
    NOT_IN_LIST: ("The code is not in the field's list.", "Use a code that the template lists."),
    TOO_FEW: ("The list has fewer entries than it must.", "Add the missing entries."),
    TOO_MANY: ("The list has more entries than it may.", "Split the record or shorten the list."),
    REPEATED: ("Two entries of the list have the same code.", "Keep one entry for each code."),
    DATE_MALFORMED: ("The date is no day written YYYY-MM-DD.", "Write the date as 2026-05-14."),
    DATE_IN_FUTURE: ("The date lies after the day of issue.", "Correct the date, or issue later."),
    DATE_TOO_EARLY: ("The date lies before every plausible year.", "Correct the year."),
    DATE_ORDER: (
        "The date lies before another date that it must follow.",
        "Correct one of the two dates.",
    ),
    QUALIFICATION_MALFORMED: (
        "The qualification is neither a SAQA number nor za:saqa:q: with one.",
        "Write the number as registered, for example 91761.",
    ),
    ID_NUMBER_MALFORMED: (
        "The identity number does not have 13 digits with a correct check digit.",
        "Correct the number, or leave the field out for other documents.",
    ),
    BIRTHDATE_ID_MISMATCH: (
        "The identity number begins with another date of birth.",
        "Compare both with the identity document.",
    ),
}
"""Every code of this module: what it means, and what to do."""

QUALIFICATION_PREFIX: Final = "za:saqa:q:"

_QUALIFICATION_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z")
_CODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?\Z")
_NAME_MARKS = frozenset(" '\u2019-.")

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def normalise_values(
    template: CredentialTemplate, values: Mapping[str, object]
) -> dict[str, object]:
    """`values` in the template's order and form. What is not understood is left as it is.

    None and empty text count as absent. Two inputs that differ only in form become equal.
    """
    result: dict[str, object] = {}
    for field in template.fields:
        value = values.get(field.name)
        if value is not None and value != "":
            result[field.name] = _normalise(field, value)
    known = {field.name for field in template.fields}
    result.update((name, value) for name, value in values.items() if name not in known)
    return result


def _normalise(field: Field, value: object) -> object:
    if isinstance(value, str):
        if field.kind == "text" and not value.isascii():
            return unicodedata.normalize("NFC", value)
        if field.kind == "qualification" and _QUALIFICATION_NUMBER.match(value):
            return QUALIFICATION_PREFIX + value
        return value
    if field.kind == "list" and isinstance(value, list | tuple):
        items = cast("list[object]", value)[: LIST_COUNT_MAX + 1]
        return [_normalise_object(field, item) for item in items]
    if type(value) is int and abs(value) <= INTEGER_MAX:
        if field.kind == "qualification":
            return f"{QUALIFICATION_PREFIX}{value}"
        if field.kind == "text" and field.pattern in {"code", "site-code"}:
            return str(value)
    return value


def _normalise_object(field: Field, item: object) -> object:
    if not isinstance(item, Mapping):
        return item
    members = cast("Mapping[str, object]", item)
    result: dict[str, object] = {}
    for member in field.fields:
        value = members.get(member.name)
        if value is not None and value != "":
            result[member.name] = _normalise(member, value)
    known = {member.name for member in field.fields}
    result.update((name, value) for name, value in members.items() if name not in known)
    return result


def check_values(
    template: CredentialTemplate, values: Mapping[str, object], *, today: date
) -> list[Problem]:
    """Every rule that an input breaks; empty when it can be issued on `today` (day of issue, UTC+2).

    `Problem.path` is the field (`modules[2].mark`), `code` one of VALUE_CODES, `text` the rule.
    """
    return evaluate(template, values, today=today)[0]


def evaluate(
    template: CredentialTemplate, values: Mapping[str, object], *, today: date
) -> tuple[list[Problem], JsonObject]:
    """The problems of an input as by `check_values`, and its claims when there are none.

    The claims stand in the template's order, computed ones last.
    """
    normalised = normalise_values(template, values)
    checker = _ValueChecker(template, normalised, today)
    checker.check()
    if checker.problems:
        return checker.problems, {}
    claims: JsonObject = {
        field.name: cast("JsonValue", normalised[field.name])
        for field in template.fields
        if field.claim and field.name in normalised
    }
    for rule in template.computed:
        claims[rule.name] = age_on(checker.dates[rule.source], today) >= rule.years
    return [], claims


class _ValueChecker:
    def __init__(
        self, template: CredentialTemplate, values: dict[str, object], today: date
    ) -> None:
        self.problems: list[Problem] = []
        self._template = template
        self._values = values
        self._today = today
        self.dates: dict[str, date] = {}
        """Good dates by path, for the rules between fields and for what is computed."""

    def add(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(code, path, text))

    def check(self) -> None:
        for field in self._template.fields:
            self._check_member(field, self._values, "")
        self._refuse_unknown(self._values, {item.name for item in self._template.fields}, "")
        for field in self._template.fields:
            self._check_relations(field)

    def _refuse_unknown(self, values: Mapping[str, object], known: set[str], path: str) -> None:
        for name in values:
            if name not in known:
                self.add(
                    join_path(path, str(name)), UNKNOWN_FIELD, "the template has no such field"
                )

    def _check_member(self, field: Field, values: Mapping[str, object], path: str) -> None:
        place = f"{path}.{field.name}" if path else field.name  # a template's name is showable
        if field.name not in values:
            if field.required:
                self.add(place, REQUIRED, "must be given")
            return
        value = values[field.name]
        if field.kind == "date":
            self._check_date(field, value, place)
        elif field.kind == "integer":
            self._check_integer(field, value, place)
        elif field.kind == "list":
            self._check_list(field, value, place)
        else:
            self._check_text(field, value, place)

    def _check_text(self, field: Field, value: object, path: str) -> None:
        if not isinstance(value, str):
            self.add(path, WRONG_TYPE, "must be a text")
        elif field.kind == "qualification":
            if not is_qualification(value):
                self.add(path, QUALIFICATION_MALFORMED, "must be a SAQA number")
        elif field.kind == "choice":
            if value not in {code for code, _ in field.choices}:
                self.add(path, NOT_IN_LIST, "must be a code of the list")
        elif len(value) > field.length_max:
            self.add(path, TOO_LONG, f"must have at most {field.length_max} characters")
        elif not _is_one_line(value) or not _matches(field.pattern, value):
            if field.pattern == "za-id-number":
                self.add(path, ID_NUMBER_MALFORMED, "must be 13 digits with the check digit")
            else:
                self.add(path, TEXT_MALFORMED, _PATTERN_TEXTS[field.pattern])

    def _check_date(self, field: Field, value: object, path: str) -> None:
        if not isinstance(value, str):
            self.add(path, WRONG_TYPE, "must be a text YYYY-MM-DD")
            return
        day = parse_date(value)
        if day is None:
            self.add(path, DATE_MALFORMED, "must be a day written YYYY-MM-DD")
        elif field.past and day > self._today:
            self.add(path, DATE_IN_FUTURE, "must not lie after the day of issue")
        elif day.year < field.year_min:
            self.add(path, DATE_TOO_EARLY, f"must not lie before {field.year_min}")
        else:
            self.dates[path] = day

    def _check_integer(self, field: Field, value: object, path: str) -> None:
        if type(value) is not int:
            self.add(path, WRONG_TYPE, "must be a whole number")
        elif not field.minimum <= value <= field.maximum:
            self.add(path, NUMBER_OUT_OF_RANGE, f"must be {field.minimum} to {field.maximum}")

    def _check_list(self, field: Field, value: object, path: str) -> None:
        if not isinstance(value, list):
            self.add(path, WRONG_TYPE, "must be a list of objects")
            return
        items = cast("list[object]", value)
        if len(items) < field.count_min:
            self.add(path, TOO_FEW, f"must have at least {field.count_min} entries")
        if len(items) > field.count_max:
            self.add(path, TOO_MANY, f"must have at most {field.count_max} entries")
            return
        known = {member.name for member in field.fields}
        seen: set[object] = set()
        for index, item in enumerate(items):
            place = join_path(path, index)
            if not isinstance(item, dict):
                self.add(place, WRONG_TYPE, "must be an object")
                continue
            members = cast("dict[str, object]", item)
            for member in field.fields:
                self._check_member(member, members, place)
            self._refuse_unknown(members, known, place)
            key = members.get(field.unique) if field.unique else None
            if isinstance(key, str):
                if key in seen:
                    self.add(join_path(place, field.unique), REPEATED, "is in the list already")
                seen.add(key)

    def _check_relations(self, field: Field) -> None:
        """Rules between two fields, once both are good in themselves."""
        day = self.dates.get(field.name)
        earlier = self.dates.get(field.after)
        if day is not None and earlier is not None and day < earlier:
            self.add(field.name, DATE_ORDER, f"must not lie before {field.after}")
        birth = self.dates.get(field.birth_date)
        number = self._values.get(field.name)
        if (
            birth is not None
            and isinstance(number, str)
            and is_sa_id_number(number)
            and number[:6] != f"{birth.year % 100:02d}{birth.month:02d}{birth.day:02d}"
        ):
            self.add(field.birth_date, BIRTHDATE_ID_MISMATCH, f"must agree with {field.name}")


_PATTERN_TEXTS: Final = {
    "person-name": "must be letters, with blanks, apostrophes, hyphens and full stops between them",
    "line": "must be one line of printable text without blanks at either end",
    "code": "must be letters and digits, with . _ / - between them",
    "site-code": "must be the code of a site: letters and digits, with hyphens",
}


def _is_one_line(text: str) -> bool:
    """No controls, no invisible or direction-changing characters, no blanks at either end."""
    if not text or text != text.strip():
        return False
    if text.isascii():
        return text.isprintable()
    return not any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in text)


def _matches(pattern: str, text: str) -> bool:
    match pattern:
        case "person-name":
            return _is_person_name(text)
        case "code":
            return _CODE.match(text) is not None
        case "site-code":
            return is_site_code(text)
        case "za-id-number":
            return is_sa_id_number(text)
        case _:
            return True


def _is_person_name(text: str) -> bool:
    """Letters of any script and their combining marks; the marks of `_NAME_MARKS` after the first.

    The apostrophe may also come first ('t Hooft), the click letters of Khoekhoe are letters.
    """
    if not any(character.isalpha() for character in text) or text[0] in " -.":
        return False
    return all(
        character.isalpha()
        or character in _NAME_MARKS
        or unicodedata.category(character) in {"Mn", "Mc"}
        for character in text
    )


def example_values(template: CredentialTemplate, today: date) -> JsonObject:
    """A valid input for `today`: samples that say so, and dates that fit the day."""
    example: JsonObject = {}
    for field in template.fields:
        if field.example_days_before is not None:
            example[field.name] = (today - timedelta(days=field.example_days_before)).isoformat()
        elif field.example is not None:
            example[field.name] = field.example
    return example
