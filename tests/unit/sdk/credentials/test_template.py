# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

import sdk.credentials
from ledger.model.limits import CONTENT_SIZE_MAX
from ledger.model.operations import ResourceType
from ledger.model.resource_content import check_content
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.problems import CredentialError
from sdk.credentials.template import bundled_template, bundled_template_names
from sdk.credentials.template_reader import parse_template, read_template, validate_template
from tests.support.credential_samples import (
    TEMPLATE_NAMES,
    sample_template,
    sample_template_document,
)
from tests.support.json_places import Place, with_value, without

FIELD = {
    name: index
    for index, name in enumerate(
        (
            "given_name",
            "family_name",
            "birth_date",
            "id_number",
            "qualification",
            "site",
            "assessed",
            "modules",
        )
    )
}


def test_the_bundled_templates_are_the_files_that_are_shipped() -> None:
    folder = Path(sdk.credentials.__file__).parent / "templates"
    assert bundled_template_names() == tuple(sorted(path.stem for path in folder.iterdir()))
    assert set(bundled_template_names()) == set(TEMPLATE_NAMES)
    with pytest.raises(KeyError):
        bundled_template("../template")


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_bundled_templates_may_be_published(name: str) -> None:
    """They are good templates, and the ledger takes them: no person, allowed texts, known power."""
    assert validate_template(sample_template_document(name)) == []
    document = check_content(
        ResourceType.CREDENTIAL_TEMPLATE,
        name,
        "application/json",
        bundled_template(name),
        powers=("certify", "issue-statement-of-results"),
    )
    assert document == sample_template_document(name)


def test_the_statement_of_results_has_the_promised_fields() -> None:
    template = sample_template("statement-of-results")
    assert template.power == "issue-statement-of-results"
    claims = [field.name for field in template.fields if field.claim and field.required]
    assert claims == [
        "given_name",
        "family_name",
        "birth_date",
        "qualification",
        "site",
        "assessed",
        "modules",
    ]
    modules = template.get_field("modules")
    assert modules is not None
    assert [member.name for member in modules.fields] == ["code", "mark"]
    assert [rule.name for rule in template.computed] == ["age_over_18"]
    assert template.labels()["age_over_18"] == "18 or older on the day of issue"


def test_the_certificate_has_the_promised_fields() -> None:
    template = sample_template("occupational-certificate")
    assert template.power == "certify"
    assert {field.name for field in template.fields if field.required} == {
        "given_name",
        "family_name",
        "birth_date",
        "qualification",
        "assessed",
        "certificate_number",
    }


def test_a_list_can_be_left_out_of_computed_and_result() -> None:
    document = sample_template_document()
    del document["result"], document["computed"]
    template = read_template(document)
    assert (template.result, template.computed) == (None, ())


def field(name: str, *members: str | int) -> Place:
    return ("fields", FIELD[name], *members)


@pytest.mark.parametrize(
    ("place", "value", "path"),
    [
        (("type",), "Template", "type"),
        (("format",), 2, "format"),
        (("format",), True, "format"),
        (("name",), "Statement", "name"),
        (("name",), "", "name"),
        (("title",), "x" * 121, "title"),
        (("title",), "two\nlines", "title"),
        (("power",), "Certify!", "power"),
        (("power",), None, "power"),
        (("achievement",), None, "achievement"),
        (("achievement", "type"), "ext:no blanks", "achievement.type"),
        (("achievement", "description"), 7, "achievement.description"),
        (("unknown",), 1, "unknown"),
        (("achievement", "image"), "x", "achievement.image"),
        (("identity",), [], "identity"),
        (("identity",), ["birth_date"], "identity"),
        (("identity",), ["nobody"], "identity"),
        (("fields",), [], "fields"),
        (("fields",), "x", "fields"),
        (field("given_name"), 7, "fields[0]"),
        (field("given_name", "name"), "Given", "fields[0].name"),
        (field("given_name", "name"), "family_name", "fields"),
        (field("given_name", "name"), "achievement", "fields"),
        (field("given_name", "name"), "description", "fields"),
        (field("given_name", "kind"), "photo", "fields[0].kind"),
        (field("given_name", "pattern"), "^(a+)+$", "fields[0].pattern"),
        (field("given_name", "length_max"), 0, "fields[0].length_max"),
        (field("given_name", "length_max"), 257, "fields[0].length_max"),
        (field("given_name", "length_max"), True, "fields[0].length_max"),
        (field("given_name", "required"), "yes", "fields[0].required"),
        (field("given_name", "claim"), None, "fields[0].claim"),
        (field("given_name", "term"), "givenName", "fields[0].term"),
        (field("given_name", "maximum"), 3, "fields[0].maximum"),
        (field("given_name", "example"), "1234", "fields"),
        (field("birth_date", "past"), 1, "fields[2].past"),
        (field("birth_date", "year_min"), 0, "fields[2].year_min"),
        (field("birth_date", "example_days_before"), -1, "fields[2].example_days_before"),
        (field("birth_date", "example_days_before"), 80_000, "fields[2].example_days_before"),
        (field("id_number", "birth_date"), "given_name", "fields[3].birth_date"),
        (field("qualification", "claim"), False, "fields"),
        (field("qualification", "name"), "course", "fields"),
        (field("site", "pattern"), "line", "fields"),
        (field("assessed", "after"), "modules", "fields[6].after"),
        (field("assessed", "required"), False, "fields"),
        (field("modules", "count_min"), 101, "fields[7].count_max"),
        (field("modules", "unique"), "mark", "fields[7].unique"),
        (field("modules", "fields", 0, "kind"), "list", "fields[7].fields[0].kind"),
        (field("modules", "fields", 0, "name"), "site", "fields"),
        (field("modules", "fields", 0, "claim"), False, "fields[7].fields[0].claim"),
        (field("modules", "fields", 1, "maximum"), -1, "fields[7].fields[1].maximum"),
        (field("modules", "example"), [], "fields"),
        (("result", "list"), "site", "result.list"),
        (("result", "code"), "mark", "result.code"),
        (("result", "value"), "grade", "result.value"),
        (("result",), None, "result"),
        (("computed", 0, "rule"), "age-below", "computed[0].rule"),
        (("computed", 0, "years"), 0, "computed[0].years"),
        (("computed", 0, "from"), "id_number", "computed[0].from"),
        (("computed", 0, "name"), "modules", "fields"),
    ],
)
def test_each_thing_that_can_be_wrong_is_named_by_place(
    place: Place, value: JsonValue, path: str
) -> None:
    document = with_value(sample_template_document(), place, value)
    problems = validate_template(document)
    assert path in [problem.path for problem in problems]
    with pytest.raises(CredentialError) as caught:
        read_template(document)
    assert caught.value.code == "MALFORMED"


@pytest.mark.parametrize(
    "place",
    [
        ("type",),
        ("format",),
        ("name",),
        ("title",),
        ("power",),
        ("achievement",),
        ("achievement", "criteria"),
        ("identity",),
        ("fields",),
        field("given_name", "kind"),
        field("given_name", "label"),
        field("given_name", "required"),
        field("given_name", "claim"),
        field("given_name", "length_max"),
        field("given_name", "example"),
        field("assessed", "example_days_before"),
        field("qualification"),
        field("assessed"),
        field("modules", "fields"),
        ("computed", 0, "from"),
        ("result", "list"),
    ],
)
def test_nothing_needed_may_be_absent(place: Place) -> None:
    assert validate_template(without(sample_template_document(), place))


def test_all_problems_are_told_at_once() -> None:
    document = sample_template_document()
    document = with_value(document, ("title",), "")
    document = with_value(document, field("given_name", "kind"), "photo")
    document = with_value(document, ("computed", 0, "years"), 1000)
    assert {"title", "fields[0].kind", "computed[0].years"} <= {
        problem.path for problem in validate_template(document)
    }


def test_choices() -> None:
    choice: JsonObject = {
        "name": "outcome",
        "label": "Outcome",
        "kind": "choice",
        "required": True,
        "claim": True,
        "choices": [{"code": "C", "label": "Competent"}, {"code": "NYC", "label": "Not yet"}],
        "example": "C",
    }
    document = with_value(sample_template_document(), field("site"), choice)
    outcome = read_template(document).get_field("outcome")
    assert outcome is not None
    assert outcome.choices == (("C", "Competent"), ("NYC", "Not yet"))
    code: JsonObject = {"code": "C", "label": "A"}
    bad_choices: list[JsonValue] = [[], [code, code], [{"code": "a b", "label": "A"}], [7]]
    for bad in bad_choices:
        broken = with_value(document, field("site", "choices"), bad)
        assert validate_template(broken)


def test_the_content_of_a_resource_is_strict_json_with_whole_numbers() -> None:
    content = bundled_template("statement-of-results")
    assert parse_template(content).name == "statement-of-results"
    for broken in (
        content.replace(b'"format": 1', b'"format": 1.0'),
        content.replace(b'"format": 1', b'"format": 1, "format": 1'),
        b"\xef\xbb\xbf" + content,
        content + b"x",
        json.dumps([1]).encode(),
        b" " * CONTENT_SIZE_MAX + content,
    ):
        with pytest.raises(CredentialError):
            parse_template(broken)
