# SPDX-License-Identifier: Apache-2.0
"""The rules of a network as data: who may submit what, which power grants which, what is apart.

A charter is part of genesis and then of the state (parameters of the same names), so that everybody
can read with a proof who may do what, and governance can change it. The South African one is in
`ledger.model.charter`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.model import limits as protocol
from ledger.model.authorisation import (
    POWER,
    RULE_NAME,
    RULES_COUNT_MAX,
    Expression,
    decode_expression,
    encode_expression,
)
from ledger.model.canonical_json import JsonObject, JsonValue
from ledger.model.identifiers import is_code_system
from ledger.model.json_fields import (
    FieldError,
    place,
    read_choice,
    read_integer,
    read_list,
    read_object,
    read_text,
    read_texts,
)

OQSF: Final = "OQSF"
HEQSF: Final = "HEQSF"
GFETQSF: Final = "GFETQSF"
SUB_FRAMEWORKS: Final = (GFETQSF, HEQSF, OQSF)
TRADES_SUB_FRAMEWORK: Final = OQSF
"""Trades are occupations: a scope that names only trades lies within this sub-framework."""

SCOPE_KINDS: Final = ("sub_frameworks", "qualifications", "sites", "designations", "trades")
"""The dimensions of a scope, as in the Scope message."""

TABLE_COUNT_MAX: Final = 64
"""Rows of one table of a charter."""
_TERM_YEARS_MAX: Final = 99
_LEAD_DAYS_MAX: Final = 10 * 366
_MONTH_MS: Final = 30 * 24 * 60 * 60 * 1000

_LABEL: Final = re.compile(r"[a-z][a-z0-9-]{1,31}", re.ASCII)
_PROVINCE: Final = re.compile(r"[A-Z]{2,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PowerRow:
    """What a held power lets its holder grant."""

    held: str
    sub_framework: str | None
    """The scope of what is granted lies within this one; None: any."""
    grantee_types: tuple[str, ...]
    powers: tuple[str, ...]
    """What may be granted."""
    scope_kinds: tuple[str, ...]
    """Dimensions that the scope may name."""
    scope_needed: tuple[str, ...]
    """At least one of these it must name, so that scope narrows; empty: none."""
    term_years_max: int | None
    """Calendar years, less a day; None: as long as the grantor's own grant."""
    delegates: bool = False
    """Whether the grantor hands on its own: its grant must hold the powers too, and the scope of
    what is granted is strictly narrower."""


@dataclass(frozen=True, slots=True)
class VouchingRow:
    """Which organisations a held power lets its holder vouch for."""

    held: str
    sub_framework: str | None
    """The scope of the held grant lies within this one; None: any."""
    organisation_types: tuple[str, ...]
    code_systems: tuple[str, ...]
    """Systems of the codes that the holder may vouch for with such an organisation."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One of the duties that are kept apart, and the powers that make it."""

    name: str
    powers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DutySeparation:
    """Within a sub-framework no body has two of these duties for one qualification at one time."""

    sub_framework: str
    duties: tuple[Duty, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that governance may change; never above those of `ledger.model.limits`."""

    content_size_max: int = protocol.CONTENT_SIZE_MAX
    status_list_size_max: int = protocol.STATUS_LIST_SIZE_MAX
    status_changes_count_max: int = protocol.STATUS_CHANGES_COUNT_MAX
    sites_count_max: int = protocol.RECORD_HISTORY_COUNT_MAX
    key_overlap_ms_max: int = _MONTH_MS
    grant_lead_days_max: int = 366
    """Days between today and the first day of a new grant."""


_LIMIT_BOUNDS: Final = {
    "content_size_max": (1024, protocol.CONTENT_SIZE_MAX),
    "status_list_size_max": (protocol.STATUS_LIST_SIZE_MIN, protocol.STATUS_LIST_SIZE_MAX),
    "status_changes_count_max": (1, protocol.STATUS_CHANGES_COUNT_MAX),
    "sites_count_max": (1, protocol.RECORD_HISTORY_COUNT_MAX),
    "key_overlap_ms_max": (0, _MONTH_MS),
    "grant_lead_days_max": (1, _LEAD_DAYS_MAX),
}


@dataclass(frozen=True, slots=True)
class Charter:
    """The rules of a network."""

    title: str
    rules: tuple[tuple[str, Expression], ...]
    """Name of the operation and who may submit it, by name."""
    powers: tuple[str, ...]
    """The vocabulary of powers, sorted."""
    power_rows: tuple[PowerRow, ...]
    separations: tuple[DutySeparation, ...]
    vouching_rows: tuple[VouchingRow, ...]
    organisation_types: tuple[str, ...]
    provinces: tuple[str, ...]
    limits: Limits

    @property
    def granting_powers(self) -> tuple[str, ...]:
        """Powers whose holder may grant anything at all, sorted."""
        return tuple(sorted({row.held for row in self.power_rows}))


def encode_charter(charter: Charter) -> JsonObject:
    """The members that a charter adds to a genesis document; each is a parameter of the state."""
    limits: JsonObject = {name: getattr(charter.limits, name) for name in _LIMIT_BOUNDS}
    return {
        "charter": {"title": charter.title},
        "limits": limits,
        "organisation_types": list(charter.organisation_types),
        "powers": {
            "names": list(charter.powers),
            "rows": [
                {
                    "held": row.held,
                    "sub_framework": row.sub_framework,
                    "grantee_types": list(row.grantee_types),
                    "powers": list(row.powers),
                    "scope_kinds": list(row.scope_kinds),
                    "scope_needed": list(row.scope_needed),
                    "term_years_max": row.term_years_max,
                    "delegates": row.delegates,
                }
                for row in charter.power_rows
            ],
        },
        "provinces": list(charter.provinces),
        "rules": {name: encode_expression(rule) for name, rule in charter.rules},
        "separation_of_duties": [
            {
                "sub_framework": separation.sub_framework,
                "duties": [
                    {"name": duty.name, "powers": list(duty.powers)} for duty in separation.duties
                ],
            }
            for separation in charter.separations
        ],
        "vouching": [
            {
                "held": row.held,
                "sub_framework": row.sub_framework,
                "organisation_types": list(row.organisation_types),
                "code_systems": list(row.code_systems),
            }
            for row in charter.vouching_rows
        ],
    }


CHARTER_MEMBERS: Final = (
    "charter",
    "limits",
    "organisation_types",
    "powers",
    "provinces",
    "rules",
    "separation_of_duties",
    "vouching",
)
"""Members of a genesis document that make its charter, and parameters of the state."""


def decode_charter(document: JsonObject) -> Charter:
    """Read the members CHARTER_MEMBERS of a document.

    Raises:
        FieldError: a member that is missing, malformed or speaks of what the charter does not know.
    """
    title = read_object(document["charter"], "charter", ["title"])["title"]
    organisation_types = _read_names(document["organisation_types"], "organisation_types", _LABEL)
    powers = read_object(document["powers"], "powers", ["names", "rows"])
    names = _read_names(powers["names"], "powers.names", POWER)
    if list(names) != sorted(names):
        raise FieldError("powers.names", "the names are not sorted")
    return Charter(
        title=read_text(title, "charter.title", size_max=protocol.TEXT_SIZE_MAX),
        rules=_decode_rules(document["rules"]),
        powers=names,
        power_rows=tuple(
            _decode_row(row, place("powers.rows", position), names, organisation_types)
            for position, row in enumerate(
                read_list(powers["rows"], "powers.rows", TABLE_COUNT_MAX, 1)
            )
        ),
        separations=tuple(
            _decode_separation(item, place("separation_of_duties", position), names)
            for position, item in enumerate(
                read_list(document["separation_of_duties"], "separation_of_duties", TABLE_COUNT_MAX)
            )
        ),
        vouching_rows=tuple(
            _decode_vouching(row, place("vouching", position), names, organisation_types)
            for position, row in enumerate(
                read_list(document["vouching"], "vouching", TABLE_COUNT_MAX, 1)
            )
        ),
        organisation_types=organisation_types,
        provinces=_read_names(document["provinces"], "provinces", _PROVINCE),
        limits=_decode_limits(document["limits"]),
    )


def _read_names(value: JsonValue, where: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
    return read_texts(
        value,
        where,
        count_max=TABLE_COUNT_MAX,
        count_min=1,
        size_max=protocol.NAME_SIZE_MAX,
        pattern=pattern,
    )


def _read_choices(
    value: JsonValue, where: str, choices: Sequence[str], count_min: int = 1
) -> tuple[str, ...]:
    texts = read_texts(
        value,
        where,
        count_max=TABLE_COUNT_MAX,
        count_min=count_min,
        size_max=protocol.NAME_SIZE_MAX,
    )
    for position, text in enumerate(texts):
        read_choice(text, place(where, position), choices)
    return texts


def _decode_rules(value: JsonValue) -> tuple[tuple[str, Expression], ...]:
    if not isinstance(value, dict) or len(value) > RULES_COUNT_MAX:
        raise FieldError("rules", f"an object of at most {RULES_COUNT_MAX} members is expected")
    rules: list[tuple[str, Expression]] = []
    for name in sorted(value):
        if RULE_NAME.fullmatch(name) is None:
            raise FieldError("rules", "a member is not named after an operation")
        rules.append((name, decode_expression(value[name], place("rules", name))))
    return tuple(rules)


def _decode_row(
    value: JsonValue, where: str, names: tuple[str, ...], types: tuple[str, ...]
) -> PowerRow:
    row = read_object(
        value,
        where,
        [
            "held",
            "sub_framework",
            "grantee_types",
            "powers",
            "scope_kinds",
            "scope_needed",
            "term_years_max",
            "delegates",
        ],
    )
    term, delegates = row["term_years_max"], row["delegates"]
    if not isinstance(delegates, bool):
        raise FieldError(place(where, "delegates"), "true or false is expected")
    kinds = _read_choices(row["scope_kinds"], place(where, "scope_kinds"), SCOPE_KINDS, 0)
    return PowerRow(
        held=read_choice(row["held"], place(where, "held"), names),
        sub_framework=_read_sub_framework(row["sub_framework"], where),
        grantee_types=_read_choices(row["grantee_types"], place(where, "grantee_types"), types),
        powers=_read_choices(row["powers"], place(where, "powers"), names),
        scope_kinds=kinds,
        scope_needed=_read_choices(row["scope_needed"], place(where, "scope_needed"), kinds, 0),
        term_years_max=None
        if term is None
        else read_integer(term, place(where, "term_years_max"), 1, _TERM_YEARS_MAX),
        delegates=delegates,
    )


def _read_sub_framework(value: JsonValue, where: str) -> str | None:
    if value is None:
        return None
    return read_choice(value, place(where, "sub_framework"), SUB_FRAMEWORKS)


def _decode_vouching(
    value: JsonValue, where: str, names: tuple[str, ...], types: tuple[str, ...]
) -> VouchingRow:
    row = read_object(value, where, ["held", "sub_framework", "organisation_types", "code_systems"])
    systems = read_texts(
        row["code_systems"],
        place(where, "code_systems"),
        count_max=TABLE_COUNT_MAX,
        size_max=protocol.NAME_SIZE_MAX,
    )
    for position, system in enumerate(systems):
        if not is_code_system(system):
            raise FieldError(
                place(place(where, "code_systems"), position), "no code system has this form"
            )
    return VouchingRow(
        held=read_choice(row["held"], place(where, "held"), names),
        sub_framework=_read_sub_framework(row["sub_framework"], where),
        organisation_types=_read_choices(
            row["organisation_types"], place(where, "organisation_types"), types
        ),
        code_systems=systems,
    )


def _decode_separation(value: JsonValue, where: str, names: tuple[str, ...]) -> DutySeparation:
    item = read_object(value, where, ["sub_framework", "duties"])
    duties: list[Duty] = []
    inside = place(where, "duties")
    for position, entry in enumerate(read_list(item["duties"], inside, TABLE_COUNT_MAX, 2)):
        duty = read_object(entry, place(inside, position), ["name", "powers"])
        duties.append(
            Duty(
                name=read_text(
                    duty["name"],
                    place(place(inside, position), "name"),
                    size_max=protocol.NAME_SIZE_MAX,
                    pattern=_LABEL,
                ),
                powers=_read_choices(
                    duty["powers"], place(place(inside, position), "powers"), names
                ),
            )
        )
    apart = [power for duty in duties for power in duty.powers]
    if len(set(apart)) != len(apart):
        raise FieldError(inside, "a power belongs to two duties")
    return DutySeparation(
        sub_framework=read_choice(
            item["sub_framework"], place(where, "sub_framework"), SUB_FRAMEWORKS
        ),
        duties=tuple(duties),
    )


def _decode_limits(value: JsonValue) -> Limits:
    members = read_object(value, "limits", list(_LIMIT_BOUNDS))
    return Limits(
        **{
            name: read_integer(members[name], place("limits", name), low, high)
            for name, (low, high) in _LIMIT_BOUNDS.items()
        }
    )
