# SPDX-License-Identifier: Apache-2.0
"""Open Badges 3.0: the words we hold to be defined are those of the context, and the examples of
the specification have the form that the validator demands.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from sdk.credentials.contexts import OPEN_BADGES_V3, known_terms
from sdk.credentials.jcs import JsonObject
from sdk.credentials.vcdm import validate_credential
from tests.support.credential_samples import TEMPLATE_NAMES, unsigned_credential
from tests.support.json_places import places, value_at
from tests.support.vectors import vector_path

ROOT = vector_path("openbadges-3")
EXAMPLES = (
    "achievementAlignmentCase",
    "achievementAlignmentCe",
    "basicOpenBadgeCredential",
    "endorsement",
    "fullOpenBadge",
    "skillAssertionCase",
    "skillAssertionCtdl",
)


def read_json(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / f"{name}.json").read_text("utf-8"))
    return document


CONTEXT: dict[str, Any] = read_json("context-3.0.3")["@context"]


def test_known_terms_are_those_of_the_context() -> None:
    defined = {term for term in CONTEXT if not term.startswith("@")}
    assert known_terms(OPEN_BADGES_V3) == defined
    assert CONTEXT["@protected"] is True


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_specification_are_well_formed(name: str) -> None:
    assert validate_credential(read_json(name)) == []


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_every_member_that_we_write_is_defined(name: str) -> None:
    """In every object of subject and issuer, by the contexts that its types bring into scope."""
    document = unsigned_credential(name)
    everywhere = set(CONTEXT) | inline_terms(document)
    seen = 0
    for part in ("credentialSubject", "issuer"):
        for place, value in places(document[part], (part,)):
            if isinstance(value, dict):
                scope = everywhere.union(*(scoped_terms(kind) for kind in types_of(value)))
                assert set(value) <= scope, place
                seen += 1
    assert seen > 5


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_no_word_of_ours_takes_the_place_of_one_of_theirs(name: str) -> None:
    ours = inline_terms(unsigned_credential(name))
    assert not ours & (set(CONTEXT) | scoped_terms("AchievementSubject"))


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_arrays_stay_arrays_and_nothing_is_null_or_empty(name: str) -> None:
    """Open Badges 3.0 serialisation; `type` of an IdentityObject is the one single text."""
    document = unsigned_credential(name)
    for place, value in places(document["credentialSubject"]):
        assert value not in (None, [], {}), place
        if place and place[-1] in {"type", "alignment", "identifier", "result"}:
            assert isinstance(value, list) or value == "IdentityObject", place


def inline_terms(document: JsonObject) -> set[str]:
    context = value_at(document, ("@context", 2))
    assert isinstance(context, dict)
    return {term for term in context if not term.startswith("@")}


def scoped_terms(kind: str) -> set[str]:
    return set(CONTEXT[kind].get("@context", {}))


def types_of(value: JsonObject) -> list[str]:
    types = value.get("type", [])
    return [str(kind) for kind in (types if isinstance(types, list) else [types])]
