# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from sdk.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES_V3, TermTable, is_url
from sdk.credentials.jcs import JsonValue


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a#b",
        "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "did:pset:za:2vXbLwEYaRpWW4p8G4yGFXsUo4Ae/resources/1",
        "za:saqa:q:91761",
        "data:application/vc+jwt,eyJ",
        "https://example.org/é",
    ],
)
def test_urls(text: str) -> None:
    assert is_url(text)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "fake-issuer",
        "https ://not-a-url",
        "https://a b",
        "https:",
        ":x",
        "1a:b",
        "did:pset",
        "did:PSET:x",
        "did:",
        "https://a\n",
        "https://a\x7f",
        "a:<b>",
        None,
        1,
        ["https://example.org"],
    ],
)
def test_not_urls(value: object) -> None:
    assert not is_url(value)


def table(*context: JsonValue) -> TermTable:
    return TermTable([CREDENTIALS_V2, *context], "@context")


def test_terms_come_from_known_and_inline_contexts() -> None:
    terms = table(
        OPEN_BADGES_V3, {"Trade": "https://example.org/#Trade", "Mine": {"@id": "urn:x:y"}}
    )
    assert terms.problems == []
    for term in ("VerifiableCredential", "OpenBadgeCredential", "Trade", "Mine", "urn:a:b"):
        assert terms.defines(term)
    assert not terms.defines("Unknown")


@pytest.mark.parametrize(
    "context", ["https://example.org/unknown/v1", {"@vocab": "https://e.org/"}]
)
def test_with_an_unknown_context_no_word_is_called_undefined(context: JsonValue) -> None:
    assert not table().defines("Unknown")
    assert table(context).defines("Unknown")


def test_a_word_may_be_defined_through_another_one() -> None:
    terms = table(
        {"p": "urn:x:y#", "Full": "p:full", "Alias": "Full", "Badge": "VerifiableCredential"}
    )
    assert terms.problems == []
    assert all(terms.defines(term) for term in ("Full", "Alias", "Badge"))


@pytest.mark.parametrize(
    ("context", "path"),
    [
        ("not a url", "@context[1]"),
        (7, "@context[1]"),
        (None, "@context[1]"),
        ({"Trade": "not a url"}, "@context[1].Trade"),
        ({"Trade": 7}, "@context[1].Trade"),
        ({"Trade": {"@id": ["urn:x:y"]}}, "@context[1].Trade"),
        (
            {"VerifiableCredential": "https://example.org/#Other"},
            "@context[1].VerifiableCredential",
        ),
        ({"name": None}, "@context[1].name"),
        ({"@import": "https://example.org/"}, "@context[1].@import"),
        ({"@propagate": False}, "@context[1].@propagate"),
        ({"a name of a person": 1}, "@context[1].(unnamed)"),
    ],
)
def test_bad_contexts_are_named_by_place(context: JsonValue, path: str) -> None:
    assert [problem.path for problem in table(context).problems] == [path]


@pytest.mark.parametrize(
    "first", [{"@protected": True, "T": "urn:x:1"}, {"T": {"@id": "urn:x:1", "@protected": True}}]
)
def test_protected_words_stay_what_they_are(first: JsonValue) -> None:
    assert table(first, {"T": "urn:x:1"}).problems == []
    assert len(table(first, {"T": "urn:x:2"}).problems) == 1
    assert len(table(first, {"T": None}).problems) == 1
    assert table({"T": "urn:x:1"}, {"T": "urn:x:2"}).problems == []


def test_a_word_can_be_taken_away() -> None:
    assert not table({"T": "urn:x:1"}, {"T": None}).defines("T")
