# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest

from sdk.credentials.jcs import JsonObject
from sdk.credentials.template_reader import read_template
from sdk.credentials.values import (
    VALUE_CODES,
    check_values,
    evaluate,
    example_values,
    normalise_values,
)
from tests.support.credential_samples import (
    TEMPLATE_NAMES,
    TODAY,
    sample_template,
    sample_template_document,
    sample_values,
)
from tests.support.json_places import with_value

BIRTH = date(2002, 1, 15)
ID_NUMBER = "0201155000080"
"""Made up: right form and check digit for a birth on 15 January 2002."""


def found(values: Mapping[str, object], *, today: date = TODAY) -> list[tuple[str, str]]:
    problems = check_values(sample_template(), values, today=today)
    assert all(problem.text for problem in problems)
    return [(problem.path, problem.code) for problem in problems]


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
@pytest.mark.parametrize("today", [date(2024, 2, 29), TODAY, date(2077, 12, 31)])
def test_examples_are_valid_inputs_for_their_day(name: str, today: date) -> None:
    template = sample_template(name)
    example = example_values(template, today)
    assert check_values(template, example, today=today) == []
    assert example["assessed"] == today.isoformat()
    assert (example["given_name"], example["family_name"]) == ("Sample", "Learner")


@pytest.mark.parametrize(
    ("field", "value", "path", "code"),
    [
        ("given_name", None, "given_name", "REQUIRED"),
        ("given_name", "", "given_name", "REQUIRED"),
        ("given_name", 7, "given_name", "WRONG_TYPE"),
        ("given_name", ["Sample"], "given_name", "WRONG_TYPE"),
        ("given_name", "S" * 81, "given_name", "TOO_LONG"),
        ("given_name", " Sample", "given_name", "TEXT_MALFORMED"),
        ("given_name", "Sample\u202e", "given_name", "TEXT_MALFORMED"),
        ("given_name", "Sam\nple", "given_name", "TEXT_MALFORMED"),
        ("given_name", "Sam\u200bple", "given_name", "TEXT_MALFORMED"),
        ("given_name", "S4mple", "given_name", "TEXT_MALFORMED"),
        ("given_name", "<b>", "given_name", "TEXT_MALFORMED"),
        ("given_name", "-", "given_name", "TEXT_MALFORMED"),
        ("given_name", "\ud800", "given_name", "TEXT_MALFORMED"),
        ("birth_date", 20020115, "birth_date", "WRONG_TYPE"),
        ("birth_date", "15/01/2002", "birth_date", "DATE_MALFORMED"),
        ("birth_date", "2002-02-30", "birth_date", "DATE_MALFORMED"),
        ("birth_date", "1899-12-31", "birth_date", "DATE_TOO_EARLY"),
        ("birth_date", (TODAY + timedelta(days=1)).isoformat(), "birth_date", "DATE_IN_FUTURE"),
        ("assessed", (TODAY + timedelta(days=1)).isoformat(), "assessed", "DATE_IN_FUTURE"),
        ("assessed", "2001-01-01", "assessed", "DATE_ORDER"),
        ("qualification", "electrician", "qualification", "QUALIFICATION_MALFORMED"),
        ("qualification", "091761", "qualification", "QUALIFICATION_MALFORMED"),
        ("qualification", "za:saqa:q:", "qualification", "QUALIFICATION_MALFORMED"),
        ("qualification", 0, "qualification", "QUALIFICATION_MALFORMED"),
        ("qualification", 91761.0, "qualification", "WRONG_TYPE"),
        ("qualification", True, "qualification", "WRONG_TYPE"),
        ("site", "site 2", "site", "TEXT_MALFORMED"),
        ("site", "a/b", "site", "TEXT_MALFORMED"),
        ("site", True, "site", "WRONG_TYPE"),
        ("id_number", "8001015009088", "id_number", "ID_NUMBER_MALFORMED"),
        ("id_number", "123", "id_number", "ID_NUMBER_MALFORMED"),
        ("id_number", "9913325000085", "id_number", "ID_NUMBER_MALFORMED"),
        ("modules", [], "modules", "TOO_FEW"),
        ("modules", {}, "modules", "WRONG_TYPE"),
        ("modules", ["x"], "modules[0]", "WRONG_TYPE"),
        ("modules", [{"mark": 1}], "modules[0].code", "REQUIRED"),
        ("modules", [{"code": "A"}], "modules[0].mark", "REQUIRED"),
        ("modules", [{"code": "A", "mark": 101}], "modules[0].mark", "NUMBER_OUT_OF_RANGE"),
        ("modules", [{"code": "A", "mark": -1}], "modules[0].mark", "NUMBER_OUT_OF_RANGE"),
        ("modules", [{"code": "A", "mark": "72"}], "modules[0].mark", "WRONG_TYPE"),
        ("modules", [{"code": "A", "mark": 72.0}], "modules[0].mark", "WRONG_TYPE"),
        ("modules", [{"code": "A", "mark": True}], "modules[0].mark", "WRONG_TYPE"),
        ("modules", [{"code": "A b", "mark": 1}], "modules[0].code", "TEXT_MALFORMED"),
        ("modules", [{"code": "A", "mark": 1, "x": 1}], "modules[0].x", "UNKNOWN_FIELD"),
        ("modules", [{"code": "A", "mark": 1}] * 2, "modules[1].code", "REPEATED"),
        (
            "modules",
            [{"code": f"A{index}", "mark": 1} for index in range(101)],
            "modules",
            "TOO_MANY",
        ),
        ("colour", "red", "colour", "UNKNOWN_FIELD"),
        ("age_over_18", True, "age_over_18", "UNKNOWN_FIELD"),
        ("Thandeka Mokoena", 1, "(unnamed)", "UNKNOWN_FIELD"),
    ],
)
def test_each_rule_has_its_code_and_its_place(
    field: str, value: object, path: str, code: str
) -> None:
    values = {**sample_values(), field: value}
    assert found(values) == [(path, code)]
    assert code in VALUE_CODES


def test_every_code_has_a_meaning_and_a_remedy() -> None:
    assert all(text and remedy for text, remedy in VALUE_CODES.values())


def test_all_problems_of_a_row_are_told_at_once_and_without_values() -> None:
    secret = "Th4ndeka"
    values = {**sample_values(), "given_name": secret, "birth_date": secret, "site": f"{secret}!"}
    problems = check_values(sample_template(), values, today=TODAY)
    assert [problem.code for problem in problems] == [
        "TEXT_MALFORMED",
        "DATE_MALFORMED",
        "TEXT_MALFORMED",
    ]
    assert secret not in repr(problems)


def test_an_identity_number_is_compared_with_the_birth_date_and_not_issued() -> None:
    values = {**sample_values(), "birth_date": BIRTH.isoformat(), "id_number": ID_NUMBER}
    problems, claims = evaluate(sample_template(), values, today=TODAY)
    assert problems == []
    assert "id_number" not in claims
    assert ID_NUMBER not in repr(claims)
    other = {**values, "birth_date": "2002-01-16"}
    problems, claims = evaluate(sample_template(), other, today=TODAY)
    assert [(p.path, p.code) for p in problems] == [("birth_date", "BIRTHDATE_ID_MISMATCH")]
    assert claims == {}
    assert ID_NUMBER not in repr(problems)


@pytest.mark.parametrize(
    "name",
    ["Nomvula", "O'Neill", "van der Merwe", "Anne-Marie", "\u01c3Kung", "Ṱshivhase", "José", "'t Hooft",
     "J. P.", "Ò\u0323la", "Şahin", "李"],
)  # fmt: skip
def test_names_of_this_country_and_others_are_names(name: str) -> None:
    assert found({**sample_values(), "family_name": name}) == []


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("qualification", "91761", "za:saqa:q:91761"),
        ("qualification", 91761, "za:saqa:q:91761"),
        ("qualification", "za:saqa:q:91761", "za:saqa:q:91761"),
        ("site", 2, "2"),
        ("given_name", "Jose\u0301", "Jos\u00e9"),
        ("modules", ({"code": 1, "mark": 2},), [{"code": "1", "mark": 2}]),
    ],
)
def test_values_are_brought_to_one_form(field: str, value: object, expected: object) -> None:
    values = {**sample_values(), field: value}
    normalised = normalise_values(sample_template(), values)
    assert normalised[field] == expected
    assert normalise_values(sample_template(), normalised) == normalised
    assert found(values) == []


def test_absent_and_empty_are_the_same_and_order_is_the_templates() -> None:
    values = dict(reversed(list(sample_values().items())))
    normalised = normalise_values(sample_template(), {**values, "id_number": None})
    assert list(normalised) == list(sample_values())
    assert normalise_values(sample_template(), {**values, "id_number": ""}) == normalised


def test_claims_stand_in_the_templates_order_with_computed_ones_last() -> None:
    problems, claims = evaluate(sample_template(), sample_values(), today=TODAY)
    assert problems == []
    assert list(claims) == [*sample_values(), "age_over_18"]


@pytest.mark.parametrize(("birth", "expected"), [("2008-05-20", True), ("2008-05-21", False)])
def test_age_is_that_of_the_day_of_issue(birth: str, expected: bool) -> None:
    values = {**sample_values(), "birth_date": birth}
    _, claims = evaluate(sample_template(), values, today=date(2026, 5, 20))
    assert claims["age_over_18"] is expected


def test_codes_of_a_choice() -> None:
    choice: JsonObject = {
        "name": "outcome",
        "label": "Outcome",
        "kind": "choice",
        "required": True,
        "claim": True,
        "choices": [{"code": "C", "label": "Competent"}],
        "example": "C",
    }
    document = with_value(sample_template_document(), ("fields", 5), choice)
    template = read_template(document)
    values: dict[str, object] = {**sample_values(), "outcome": "C"}
    del values["site"]
    assert check_values(template, values, today=TODAY) == []
    for bad, code in (("c", "NOT_IN_LIST"), (7, "WRONG_TYPE")):
        problems = check_values(template, {**values, "outcome": bad}, today=TODAY)
        assert [problem.code for problem in problems] == [code]
