# SPDX-License-Identifier: Apache-2.0
"""Credential templates: what a kind of credential contains, as data on the ledger.

A template is a JSON document (integers only, at most 16 levels) published as a resource of type
CredentialTemplate. It names the fields, their limits, which of them become claims, what is computed
from them, and the power that an issuer needs.

The power belongs to the template and to nothing else: a credential does not state it, so an issuer
cannot choose it. A verifier takes it from the template resource on the ledger to which the
credential points, and asks whether the publisher of that resource may define it.

Patterns come from a small vocabulary and never from the document: a regular expression written by
a stranger is a denial of service. `format` fixes the layout of the credentials built from the
template; another layout is another number, and this one stays readable for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Final

from sdk.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES_V3, known_terms
from sdk.credentials.jcs import JsonValue

TEMPLATE_TYPE: Final = "CredentialTemplate"
TEMPLATE_FORMAT: Final = 1

FIELDS_COUNT_MAX: Final = 64
CHOICES_COUNT_MAX: Final = 256
LIST_COUNT_MAX: Final = 1_000
TEXT_LENGTH_MAX: Final = 256
"""Characters of one text value."""
LABEL_LENGTH_MAX: Final = 120
NARRATIVE_LENGTH_MAX: Final = 1_000

KINDS: Final = frozenset({"text", "date", "integer", "choice", "qualification", "list"})
PATTERNS: Final = frozenset({"person-name", "line", "code", "site-code", "za-id-number"})
"""What a text may look like; `sdk.credentials.values` holds the rules."""
AGE_AT_LEAST: Final = "age-at-least"

QUALIFICATION: Final = "qualification"
ASSESSED: Final = "assessed"
SITE: Final = "site"

# Words that mean something else on the subject of an Open Badge, or in our inline context.
RESERVED_NAMES: Final = frozenset(
    {"achievement", "identifier", "result", "role", "source", "template", "pset"}
    | known_terms(CREDENTIALS_V2)
    | known_terms(OPEN_BADGES_V3)
)

_BUNDLED: Final = ("occupational-certificate", "statement-of-results")


@dataclass(frozen=True, slots=True)
class Field:
    """One input value. Members that do not belong to `kind` keep their defaults."""

    name: str
    label: str
    kind: str
    required: bool
    claim: bool
    """Whether the value enters the credential; otherwise it is only checked."""
    term: str = ""
    """URL of what the claim means; empty: what this template says."""
    pattern: str = "line"
    length_max: int = TEXT_LENGTH_MAX
    birth_date: str = ""
    """Date field that must agree with this identity number."""
    past: bool = False
    """No day after the day of issue."""
    year_min: int = 1
    after: str = ""
    """Date field that must not be later than this one."""
    minimum: int = 0
    maximum: int = 0
    choices: tuple[tuple[str, str], ...] = ()
    """Codes with their labels."""
    fields: tuple[Field, ...] = ()
    """Members of the objects of a list."""
    count_min: int = 0
    count_max: int = LIST_COUNT_MAX
    unique: str = ""
    """Member of which no two objects of a list may have the same value."""
    example: JsonValue = None
    example_days_before: int | None = None
    """Of a date: the example is that many days before the day for which it is asked."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A claim worked out on the day of issue: whether `years` have passed since date field `source`."""

    name: str
    label: str
    years: int
    source: str
    term: str = ""


@dataclass(frozen=True, slots=True)
class ResultRule:
    """Which list becomes the Open Badges `result`: its name, and its members code and value."""

    list_name: str
    code: str
    value: str


@dataclass(frozen=True, slots=True)
class CredentialTemplate:
    """A template that was read and found good."""

    name: str
    title: str
    power: str
    """What an issuer must be accredited for. Meaningful only when read from the ledger."""
    achievement_type: str
    description: str
    criteria: str
    fields: tuple[Field, ...]
    computed: tuple[Computed, ...]
    identity: tuple[str, ...]
    """Text fields that together name the learner."""
    result: ResultRule | None

    def get_field(self, name: str) -> Field | None:
        """The top-level field called `name`."""
        return next((item for item in self.fields if item.name == name), None)

    def labels(self) -> dict[str, str]:
        """Display label of every claim, by name, members of lists included."""
        return {item.name: item.label for item in self.named()}

    def named(self) -> tuple[Field | Computed, ...]:
        """Everything with a name: fields, members of lists, computed claims."""
        inner = (member for item in self.fields for member in item.fields)
        return (*self.fields, *inner, *self.computed)


def bundled_template_names() -> tuple[str, ...]:
    """Templates that come with the software, sorted; a development network publishes them."""
    return _BUNDLED


def bundled_template(name: str) -> bytes:
    """The JSON of a bundled template, as it is published.

    Raises:
        KeyError: no such template.
    """
    if name not in _BUNDLED:
        raise KeyError(name)
    return (resources.files("sdk.credentials") / "templates" / f"{name}.json").read_bytes()
