# SPDX-License-Identifier: Apache-2.0
"""Reading a template document: everything it may hold, and everything that can be wrong with it.

Unknown members are refused, so that a misspelt limit is not a missing one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Final

from ledger.model.canonical_json import INTEGER_MAX
from ledger.model.limits import CONTENT_SIZE_MAX
from sdk.credentials.contexts import is_url
from sdk.credentials.jcs import JsonValue, parse_object
from sdk.credentials.problems import MALFORMED, CredentialError, Problem, join_path
from sdk.credentials.template import (
    AGE_AT_LEAST,
    ASSESSED,
    CHOICES_COUNT_MAX,
    FIELDS_COUNT_MAX,
    KINDS,
    LABEL_LENGTH_MAX,
    LIST_COUNT_MAX,
    NARRATIVE_LENGTH_MAX,
    PATTERNS,
    QUALIFICATION,
    RESERVED_NAMES,
    SITE,
    TEMPLATE_FORMAT,
    TEMPLATE_TYPE,
    TEXT_LENGTH_MAX,
    Computed,
    CredentialTemplate,
    Field,
    ResultRule,
)
from sdk.credentials.values import check_values, example_values

EXAMPLE_DAY: Final = date(2100, 6, 15)
"""The day for which a template's own example must be a valid input. Any day would do."""

_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_TEMPLATE_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")
_CHOICE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")
# Open Badges 3.0 AchievementType: an enumeration, or a word of one's own after "ext:".
_ACHIEVEMENT_TYPE = re.compile(r"(?:ext:[A-Za-z0-9._-]{1,60}|[A-Z][A-Za-z]{1,60})\Z")


def parse_template(content: bytes) -> CredentialTemplate:
    """Read the content of a template resource.

    Raises:
        CredentialError: MALFORMED, with the first thing that is wrong.
    """
    return read_template(parse_object(content, size_max=CONTENT_SIZE_MAX, integers_only=True))


def read_template(document: Mapping[str, JsonValue]) -> CredentialTemplate:
    """Read a template document.

    Raises:
        CredentialError: MALFORMED, with the first thing that is wrong.
    """
    template, problems = _TemplateReader().read(document)
    if template is None or problems:
        raise CredentialError.from_problem(problems[0])
    return template


def validate_template(document: Mapping[str, JsonValue]) -> list[Problem]:
    """Everything that is wrong with a template document; empty when it can be published."""
    return _TemplateReader().read(document)[1]


class _TemplateReader:
    """One pass over a document. Reading goes on after a problem, so that all are told at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, path: str, text: str) -> None:
        self.problems.append(Problem(MALFORMED, path, text))

    def read(
        self, document: Mapping[str, JsonValue]
    ) -> tuple[CredentialTemplate | None, list[Problem]]:
        entry = _Entry(self, document, "")
        entry.constant("type", TEMPLATE_TYPE)
        entry.constant("format", TEMPLATE_FORMAT)
        achievement = entry.object("achievement")
        template = CredentialTemplate(
            name=entry.text("name", matches=_TEMPLATE_NAME),
            title=entry.text("title", length_max=LABEL_LENGTH_MAX),
            power=entry.text("power", matches=_TEMPLATE_NAME),
            achievement_type=achievement.text("type", matches=_ACHIEVEMENT_TYPE),
            description=achievement.text("description", length_max=NARRATIVE_LENGTH_MAX),
            criteria=achievement.text("criteria", length_max=NARRATIVE_LENGTH_MAX),
            fields=self._read_fields(entry, allowed=KINDS),
            computed=tuple(self._read_computed(item) for item in entry.objects("computed")),
            identity=entry.names("identity"),
            result=self._read_result(entry),
        )
        achievement.refuse_others()
        entry.refuse_others()
        if not self.problems:
            self._check_references(template)
        if not self.problems:
            self._check_example(template)
        return (None if self.problems else template), self.problems

    def _read_fields(self, entry: _Entry, *, allowed: Iterable[str]) -> tuple[Field, ...]:
        items = entry.objects("fields", required=True)
        if not 0 < len(items) <= FIELDS_COUNT_MAX:
            self.add(join_path(entry.path, "fields"), f"must have 1 to {FIELDS_COUNT_MAX} fields")
            return ()
        return tuple(self._read_field(item, allowed) for item in items)

    def _read_field(self, entry: _Entry, allowed: Iterable[str]) -> Field:
        kind = entry.text("kind", among=allowed)
        read: Callable[[_Entry], dict[str, object]] = {
            "text": self._text_members,
            "date": self._date_members,
            "integer": self._integer_members,
            "choice": self._choice_members,
            "list": self._list_members,
        }.get(kind, lambda _entry: {})
        result = Field(
            name=entry.text("name", matches=_FIELD_NAME),
            label=entry.text("label", length_max=LABEL_LENGTH_MAX),
            kind=kind,
            required=entry.boolean("required"),
            claim=entry.boolean("claim"),
            term=entry.url("term"),
            example=entry.take("example"),
            **read(entry),  # type: ignore[arg-type]  # each reader gives the members of its kind
        )
        entry.refuse_others()
        return result

    def _text_members(self, entry: _Entry) -> dict[str, object]:
        return {
            "pattern": entry.text("pattern", among=PATTERNS),
            "length_max": entry.integer("length_max", 1, TEXT_LENGTH_MAX),
            "birth_date": entry.text("birth_date", required=False),
        }

    def _date_members(self, entry: _Entry) -> dict[str, object]:
        days = entry.take("example_days_before")
        if days is not None and (type(days) is not int or not 0 <= days <= 50_000):
            entry.refuse("example_days_before", "must be a number of days")
            days = None
        return {
            "past": entry.boolean("past", required=False),
            "year_min": entry.integer("year_min", 1, 9999, default=1),
            "after": entry.text("after", required=False),
            "example_days_before": days,
        }

    def _integer_members(self, entry: _Entry) -> dict[str, object]:
        minimum = entry.integer("minimum", -INTEGER_MAX, INTEGER_MAX)
        return {"minimum": minimum, "maximum": entry.integer("maximum", minimum, INTEGER_MAX)}

    def _choice_members(self, entry: _Entry) -> dict[str, object]:
        items = entry.objects("choices", required=True)
        if not 0 < len(items) <= CHOICES_COUNT_MAX:
            entry.refuse("choices", f"must have 1 to {CHOICES_COUNT_MAX} codes")
        choices: list[tuple[str, str]] = []
        for item in items[:CHOICES_COUNT_MAX]:
            code = item.text("code", matches=_CHOICE_CODE)
            choices.append((code, item.text("label", length_max=LABEL_LENGTH_MAX)))
            item.refuse_others()
        if len({code for code, _ in choices}) != len(choices):
            entry.refuse("choices", "a code is repeated")
        return {"choices": tuple(choices)}

    def _list_members(self, entry: _Entry) -> dict[str, object]:
        count_min = entry.integer("count_min", 0, LIST_COUNT_MAX)
        return {
            "fields": self._read_fields(entry, allowed=KINDS - {"list"}),
            "count_min": count_min,
            "count_max": entry.integer("count_max", max(1, count_min), LIST_COUNT_MAX),
            "unique": entry.text("unique", required=False),
        }

    def _read_computed(self, entry: _Entry) -> Computed:
        entry.constant("rule", AGE_AT_LEAST)
        result = Computed(
            name=entry.text("name", matches=_FIELD_NAME),
            label=entry.text("label", length_max=LABEL_LENGTH_MAX),
            years=entry.integer("years", 1, 150),
            source=entry.text("from"),
            term=entry.url("term"),
        )
        entry.refuse_others()
        return result

    def _read_result(self, entry: _Entry) -> ResultRule | None:
        if "result" not in entry.members:
            return None
        item = entry.object("result")
        rule = ResultRule(item.text("list"), item.text("code"), item.text("value"))
        item.refuse_others()
        return rule

    def _check_references(self, template: CredentialTemplate) -> None:
        """Names are unique and mean what the rules that mention them need."""
        names = [item.name for item in template.named()]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.add("fields", f"the name {name} is used twice")
        for name in sorted(set(names) & RESERVED_NAMES):
            self.add("fields", f"the name {name} is reserved")
        self._check_known_field(template, QUALIFICATION, "qualification", required=True)
        self._check_known_field(template, ASSESSED, "date", required=True)
        self._check_known_field(template, SITE, "text", required=False)
        for index, item in enumerate(template.fields):
            path = join_path("fields", index)
            self._check_date_reference(template, join_path(path, "after"), item.after)
            self._check_date_reference(template, join_path(path, "birth_date"), item.birth_date)
            if item.unique and not _has_text(item, item.unique):
                self.add(join_path(path, "unique"), "must name a required text of the list")
            for position, member in enumerate(item.fields):
                place = join_path(join_path(path, "fields"), position)
                if member.after or member.birth_date:
                    self.add(place, "inside a list no other field can be meant")
                if member.claim != item.claim:
                    self.add(join_path(place, "claim"), "must be as for the list")
        for index, rule in enumerate(template.computed):
            place = join_path(join_path("computed", index), "from")
            self._check_date_reference(template, place, rule.source, required=True)
        for name in template.identity:
            named = template.get_field(name)
            if named is None or named.kind != "text" or not (named.required and named.claim):
                self.add("identity", "must name required text claims")
        if template.result is not None:
            self._check_result(template, template.result)

    def _check_example(self, template: CredentialTemplate) -> None:
        """Whoever asks for an example gets an input that can be issued."""
        for problem in check_values(
            template, example_values(template, EXAMPLE_DAY), today=EXAMPLE_DAY
        ):
            self.add("fields", f"the example is not a valid input: {problem.path} {problem.code}")

    def _check_known_field(
        self, template: CredentialTemplate, name: str, kind: str, *, required: bool
    ) -> None:
        """The fields by which authority is judged stand where every verifier finds them."""
        known = template.get_field(name)
        if known is None:
            if required:
                self.add("fields", f"the field {name} is missing")
        elif known.kind != kind or not known.claim or not (known.required or not required):
            self.add("fields", f"the field {name} must be a claim of kind {kind}")
        elif name == SITE and known.pattern != "site-code":
            self.add("fields", "the field site must have the pattern site-code")

    def _check_date_reference(
        self, template: CredentialTemplate, path: str, name: str, *, required: bool = False
    ) -> None:
        if not name and not required:
            return
        known = template.get_field(name)
        if known is None or known.kind != "date" or (required and not known.required):
            self.add(path, "must name a date field")

    def _check_result(self, template: CredentialTemplate, rule: ResultRule) -> None:
        known = template.get_field(rule.list_name)
        if known is None or known.kind != "list" or not known.claim:
            self.add("result.list", "must name a list that is a claim")
            return
        if not _has_text(known, rule.code):
            self.add("result.code", "must name a required text of the list")
        value = next((item for item in known.fields if item.name == rule.value), None)
        if value is None or not value.required:
            self.add("result.value", "must name a required member of the list")


def _has_text(item: Field, name: str) -> bool:
    return any(
        member.name == name and member.kind == "text" and member.required for member in item.fields
    )


class _Entry:
    """One object of the document; remembers which members were asked for."""

    __slots__ = ("_asked", "_reader", "members", "path")

    def __init__(
        self, reader: _TemplateReader, members: Mapping[str, JsonValue], path: str
    ) -> None:
        self._reader = reader
        self._asked: set[str] = set()
        self.members = members
        self.path = path

    def refuse(self, name: str, text: str) -> None:
        self._reader.add(join_path(self.path, name), text)

    def refuse_others(self) -> None:
        for name in self.members:
            if name not in self._asked:
                self.refuse(name, "is not known here")

    def take(self, name: str) -> JsonValue:
        self._asked.add(name)
        return self.members.get(name)

    def constant(self, name: str, wanted: str | int) -> None:
        value = self.take(name)
        if type(value) is not type(wanted) or value != wanted:
            self.refuse(name, f"must be {wanted}")

    def text(
        self,
        name: str,
        *,
        length_max: int = LABEL_LENGTH_MAX,
        matches: re.Pattern[str] | None = None,
        among: Iterable[str] | None = None,
        required: bool = True,
    ) -> str:
        value = self.take(name)
        if value is None and name not in self.members and not required:
            return ""
        if not isinstance(value, str) or not 0 < len(value) <= length_max:
            self.refuse(name, f"must be a text of 1 to {length_max} characters")
        elif matches is not None and not matches.match(value):
            self.refuse(name, "has characters that are not allowed here")
        elif among is not None and value not in among:
            self.refuse(name, f"must be one of {', '.join(sorted(among))}")
        elif not value.isprintable():
            self.refuse(name, "must be one line of printable characters")
        else:
            return value
        return ""

    def url(self, name: str) -> str:
        value = self.take(name)
        if name not in self.members:
            return ""
        if isinstance(value, str) and is_url(value) and len(value) <= TEXT_LENGTH_MAX:
            return value
        self.refuse(name, "must be a URL")
        return ""

    def boolean(self, name: str, *, required: bool = True) -> bool:
        value = self.take(name)
        if value is None and name not in self.members and not required:
            return False
        if not isinstance(value, bool):
            self.refuse(name, "must be true or false")
            return False
        return value

    def integer(self, name: str, minimum: int, maximum: int, *, default: int | None = None) -> int:
        value = self.take(name)
        if value is None and name not in self.members and default is not None:
            return default
        if type(value) is not int or not minimum <= value <= maximum:
            self.refuse(name, f"must be a whole number from {minimum} to {maximum}")
            return minimum
        return value

    def object(self, name: str) -> _Entry:
        value = self.take(name)
        if not isinstance(value, dict):
            self.refuse(name, "must be an object")
            value = {}
        return _Entry(self._reader, value, join_path(self.path, name))

    def objects(self, name: str, *, required: bool = False) -> list[_Entry]:
        value = self.take(name)
        if value is None and name not in self.members and not required:
            return []
        place = join_path(self.path, name)
        if not isinstance(value, list) or len(value) > CHOICES_COUNT_MAX:
            self.refuse(name, f"must be an array of at most {CHOICES_COUNT_MAX} objects")
            return []
        found: list[_Entry] = []
        for index, item in enumerate(value):
            if isinstance(item, dict):
                found.append(_Entry(self._reader, item, join_path(place, index)))
            else:
                self._reader.add(join_path(place, index), "must be an object")
        return found

    def names(self, name: str) -> tuple[str, ...]:
        value = self.take(name)
        if (
            not isinstance(value, list)
            or not 0 < len(value) <= 8
            or not all(isinstance(item, str) for item in value)
        ):
            self.refuse(name, "must be an array of 1 to 8 names of fields")
            return ()
        return tuple(str(item) for item in value)
