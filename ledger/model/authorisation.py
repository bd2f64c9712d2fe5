# SPDX-License-Identifier: Apache-2.0
"""Who may submit what, as data: one expression for each operation.

An expression is JSON with one member (`key_role` may have `count` beside it)::

    {"all": [...]}  {"any": [...]}       every, at least one of 1 to 16 expressions
    {"forbidden": true}                  nobody
    {"key_role": "admin", "count": 2}    so many of the author's signing keys have that role
    {"owner": true}                      the author owns what the operation changes
    {"power": "accredit-provider"}       the author holds that power on the block's day
    {"power_any": ["delegate", ...]}     the author holds one of these powers on the block's day
    {"organisation_active": true}        the author is a vouched organisation, not succeeded

Rules are named after operations (`rule_names`); what has no rule is forbidden. Evaluation is in
`ledger.state.authorisation`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from ledger.model.canonical_json import JsonObject, JsonValue
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
from ledger.model.keys import KeyRole
from ledger.model.limits import SIGNERS_COUNT_MAX, TEXT_SIZE_MAX
from ledger.model.operations import PublishResource, ResourceType
from ledger.model.transaction import Operation

EXPRESSION_DEPTH_MAX: Final = 4
EXPRESSION_COUNT_MAX: Final = 16
"""Members of one `all` or `any`, and powers of one `power_any`."""
RULES_COUNT_MAX: Final = 64

POWER: Final = re.compile(r"[a-z][a-z-]{1,62}", re.ASCII)
"""Form of a power's name."""
RULE_NAME: Final = re.compile(r"[A-Z][A-Za-z]{2,40}(?:/[A-Z][A-Za-z]{2,40})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of them."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of them."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Nobody."""


@dataclass(frozen=True, slots=True)
class SignedByRole:
    """At least `count` of the author's keys that signed have the role."""

    role: KeyRole
    count: int


@dataclass(frozen=True, slots=True)
class IsOwner:
    """The author owns what the operation changes, or succeeds the owner."""


@dataclass(frozen=True, slots=True)
class HoldsPower:
    """The author holds one of these powers on the block's day."""

    powers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IsActiveOrganisation:
    """The author is an organisation somebody vouched for and that has no successor."""


Expression: TypeAlias = (
    AllOf | AnyOf | Forbidden | SignedByRole | IsOwner | HoldsPower | IsActiveOrganisation
)


_NULLARY: Final[dict[str, Expression]] = {
    "forbidden": Forbidden(),
    "owner": IsOwner(),
    "organisation_active": IsActiveOrganisation(),
}


def rule_names(operation: Operation) -> tuple[str, ...]:
    """Names under which the rule of an operation may stand, the most special first.

    The class of the operation; for PublishResource first `PublishResource/<type>`, such as
    `PublishResource/Qualification`.
    """
    name = type(operation).__name__
    if isinstance(operation, PublishResource):
        return (f"{name}/{resource_type_label(operation.type)}", name)
    return (name,)


def resource_type_label(resource_type: ResourceType) -> str:
    """The word for a resource type: `JsonSchema`, `CredentialTemplate`, `Qualification` …"""
    return resource_type.name.title().replace("_", "")


def decode_expression(value: JsonValue, where: str, depth: int = 1) -> Expression:
    """Read an expression. Raises FieldError."""
    if depth > EXPRESSION_DEPTH_MAX:
        raise FieldError(where, f"expressions nest at most {EXPRESSION_DEPTH_MAX} deep")
    if not isinstance(value, dict) or not value:
        raise FieldError(where, "an expression is an object with one member")
    kind = "key_role" if "key_role" in value else min(value)
    read_object(value, where, [kind], ["count"] if kind == "key_role" else [])
    member, inside = value[kind], place(where, kind)
    match kind:
        case "all" | "any":
            parts = tuple(
                decode_expression(part, place(inside, position), depth + 1)
                for position, part in enumerate(read_list(member, inside, EXPRESSION_COUNT_MAX, 1))
            )
            return AllOf(parts) if kind == "all" else AnyOf(parts)
        case "key_role":
            role = read_choice(member, inside, [role.label for role in KeyRole])
            count = read_integer(value.get("count", 1), place(where, "count"), 1, SIGNERS_COUNT_MAX)
            return SignedByRole(KeyRole.from_label(role), count)
        case "power":
            return HoldsPower((read_text(member, inside, size_max=TEXT_SIZE_MAX, pattern=POWER),))
        case "power_any":
            return HoldsPower(
                read_texts(
                    member,
                    inside,
                    count_max=EXPRESSION_COUNT_MAX,
                    size_max=TEXT_SIZE_MAX,
                    pattern=POWER,
                    count_min=2,
                )
            )
        case "forbidden" | "owner" | "organisation_active":
            if member is not True:
                raise FieldError(inside, "true is expected")
            return _NULLARY[kind]
        case _:
            raise FieldError(where, "no such expression")


def encode_expression(expression: Expression) -> JsonObject:
    """The JSON of an expression; `decode_expression` reads it back."""
    match expression:
        case AllOf(parts):
            return {"all": [encode_expression(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [encode_expression(part) for part in parts]}
        case Forbidden():
            return {"forbidden": True}
        case SignedByRole(role, 1):
            return {"key_role": role.label}
        case SignedByRole(role, count):
            return {"key_role": role.label, "count": count}
        case IsOwner():
            return {"owner": True}
        case HoldsPower((power,)):
            return {"power": power}
        case HoldsPower(powers):
            return {"power_any": list(powers)}
        case IsActiveOrganisation():
            return {"organisation_active": True}
