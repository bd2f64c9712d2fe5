# SPDX-License-Identifier: Apache-2.0
"""Content of resources by type: what is accepted, and what is refused with its place."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ledger.model import resource_content
from ledger.model.charter import default_charter
from ledger.model.json_schema import JSON_SCHEMA_DIALECT, SCHEMAS_COUNT_MAX
from ledger.model.limits import DOCUMENT_VALUES_COUNT_MAX
from ledger.model.operations import ResourceType
from ledger.model.personal_data import Finding, find_in_document
from ledger.model.qualification import QualificationFacts, decode_qualification_facts
from ledger.model.receipts import ReceiptCode
from ledger.model.resource_content import (
    MEDIA_TYPES,
    ContentError,
    check_content,
    is_name_for_type,
)
from sdk.credentials.template import bundled_template, bundled_template_names
from tests.support.ledger_execution import ELECTRICIAN, electrician

POWERS = default_charter().powers


def check(
    resource_type: ResourceType,
    content: Any,
    name: str = "sample",
    media_type: str = "application/json",
) -> object:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return check_content(resource_type, name, media_type, data, powers=POWERS)


def refusal(
    resource_type: ResourceType,
    content: Any,
    name: str = "sample",
    media_type: str = "application/json",
) -> tuple[ReceiptCode, str]:
    with pytest.raises(ContentError) as caught:
        check(resource_type, content, name, media_type)
    assert caught.value.code.name in str(caught.value)
    return caught.value.code, caught.value.where


def test_qualification() -> None:
    check(ResourceType.QUALIFICATION, electrician(), ELECTRICIAN)
    minimal = electrician(
        field=None,
        registration_start=None,
        registration_end=None,
        last_enrolment=None,
        last_achievement=None,
        curriculum=None,
        ofo=None,
        modules=None,
        replaces=None,
        replaced_by=None,
    )
    check(ResourceType.QUALIFICATION, minimal, ELECTRICIAN)
    assert decode_qualification_facts(electrician()) == QualificationFacts(
        name=ELECTRICIAN, sub_framework="OQSF", trades=("za:ofo:2021:671101",)
    )
    assert decode_qualification_facts(minimal).trades == ()


MODULE = {"code": "KM-01", "kind": "knowledge", "title": "Electrical", "credits": 8}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"saqa_id": 91762}, "saqa_id"),
        ({"saqa_id": "91761"}, "saqa_id"),
        ({"saqa_id": True}, "saqa_id"),
        ({"title": ""}, "title"),
        ({"title": None}, "title"),
        ({"sub_framework": "XQSF"}, "sub_framework"),
        ({"nqf_level": 0}, "nqf_level"),
        ({"nqf_level": 9}, "nqf_level"),
        ({"sub_framework": "HEQSF"}, "nqf_level"),
        ({"sub_framework": "GFETQSF", "nqf_level": 5}, "nqf_level"),
        ({"credits": 0}, "credits"),
        ({"credits": "360"}, "credits"),
        ({"status": "fine"}, "status"),
        ({"registration_start": "2018-02-30"}, "registration_start"),
        ({"registration_end": "2018-06-30"}, "registration_end"),
        ({"last_achievement": "2026-12-29"}, "last_achievement"),
        ({"ofo": ["671101"]}, "ofo[0]"),
        ({"ofo": ["za:ofo:2021:671101"] * 2}, "ofo"),
        ({"ofo": "za:ofo:2021:671101"}, "ofo"),
        ({"replaces": ["63889"]}, "replaces[0]"),
        ({"modules": [{**MODULE, "kind": "theory"}]}, "modules[0].kind"),
        ({"modules": [{**MODULE, "code": "a b"}]}, "modules[0].code"),
        ({"modules": [{**MODULE, "more": 1}]}, "modules[0]"),
        ({"modules": [MODULE, MODULE]}, "modules[1].code"),
        ({"moon": 1}, ""),
    ],
)
def test_qualification_refused(changes: dict[str, Any], where: str) -> None:
    content = electrician(**changes)
    code, found = refusal(ResourceType.QUALIFICATION, content, ELECTRICIAN)
    assert code is ReceiptCode.RESOURCE_CONTENT_INVALID
    assert found == (f"content.{where}" if where else "content")


@pytest.mark.parametrize(
    ("sub_framework", "level"), [("HEQSF", 5), ("HEQSF", 10), ("GFETQSF", 1), ("OQSF", 8)]
)
def test_levels_of_sub_frameworks(sub_framework: str, level: int) -> None:
    content = electrician(sub_framework=sub_framework, nqf_level=level)
    check(ResourceType.QUALIFICATION, content, ELECTRICIAN)


@pytest.mark.parametrize("name", bundled_template_names())
def test_bundled_templates_can_be_published(name: str) -> None:
    """The ledger and the SDK agree about what a template is, and these hold nobody's data."""
    check(ResourceType.CREDENTIAL_TEMPLATE, bundled_template(name), name)


TEMPLATE = {
    "type": "CredentialTemplate",
    "format": 1,
    "name": "sample",
    "title": "Sample",
    "power": "train",
    "fields": [{"name": "given_name"}, {"name": "site"}],
}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"type": "Template"}, "type"),
        ({"format": 0}, "format"),
        ({"name": "other"}, "name"),
        ({"title": ""}, "title"),
        ({"power": "reign"}, "power"),
        ({"fields": []}, "fields"),
        ({"fields": {}}, "fields"),
        ({"fields": ["given_name"]}, "fields[0]"),
        ({"fields": [{"label": "x"}]}, "fields[0].name"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "fields[1].name"),
    ],
)
def test_template_refused(changes: dict[str, Any], where: str) -> None:
    check(ResourceType.CREDENTIAL_TEMPLATE, TEMPLATE)
    content = {**TEMPLATE, **changes}
    assert refusal(ResourceType.CREDENTIAL_TEMPLATE, content) == (
        ReceiptCode.RESOURCE_CONTENT_INVALID,
        f"content.{where}",
    )


SCHEMA: dict[str, Any] = {
    "$schema": JSON_SCHEMA_DIALECT,
    "type": "object",
    "title": "Sample",
    "$defs": {"code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{1,4}$"}},
    "properties": {
        "a": {"$ref": "#/$defs/code"},
        "b": {"type": ["array", "null"], "items": {"enum": [1, 2]}, "uniqueItems": True},
        "c": {"anyOf": [{"const": None}, {"type": "integer", "minimum": -1, "multipleOf": 5}]},
        "d": False,
    },
    "required": ["a"],
    "additionalProperties": False,
}


def test_json_schema() -> None:
    for media_type in MEDIA_TYPES[ResourceType.JSON_SCHEMA]:
        check(ResourceType.JSON_SCHEMA, SCHEMA, media_type=media_type)


def doubling(depth: int) -> dict[str, Any]:
    """Definitions each of which refers to the next one twice."""
    steps = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} if n < depth else True
        for n in range(depth + 1)
    }
    return {**SCHEMA, "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": steps}


def property_a(schema: Any) -> dict[str, Any]:
    return {**SCHEMA, "properties": {"a": schema}}


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ([], "content"),
        ({}, "content.$schema"),
        ({**SCHEMA, "$schema": "http://json-schema.org/draft-07/schema#"}, "content.$schema"),
        ({**SCHEMA, "type": "array"}, "content.type"),
        ({**SCHEMA, "allOf": [{"$ref": "https://example.org/x"}]}, "content.allOf[0].$ref"),
        ({**SCHEMA, "allOf": [{"$ref": 5}]}, "content.allOf[0].$ref"),
        ({**SCHEMA, "allOf": []}, "content.allOf"),
        *(
            ({**SCHEMA, name: "https://evil.example/x"}, "content")
            for name in ("$id", "$anchor", "$dynamicRef", "$recursiveRef", "$vocabulary", "other")
        ),
        ({**SCHEMA, "properties": 5}, "content.properties"),
        (property_a(5), "content.properties[0]"),
        (property_a({"$schema": JSON_SCHEMA_DIALECT}), "content.properties[0]"),
        (property_a({"$defs": {}}), "content.properties[0]"),
        (property_a({"$ref": "#/$defs/nothing"}), "content.$defs"),
        (property_a({"type": ["string", "string"]}), "content.properties[0].type"),
        (property_a({"minLength": "1"}), "content.properties[0].minLength"),
        (property_a({"multipleOf": 0}), "content.properties[0].multipleOf"),
        (property_a({"uniqueItems": 1}), "content.properties[0].uniqueItems"),
        ({**SCHEMA, "patternProperties": {"(a+)+": True}}, "content.patternProperties[0]"),
        ({**SCHEMA, "required": "x"}, "content.required"),
        ({**SCHEMA, "required": ["x", "x"]}, "content.required[1]"),
        ({**SCHEMA, "$defs": {"code": {"$ref": "#/$defs/code"}}}, "content.$defs"),
        (doubling(20), "content"),
    ],
)
def test_json_schema_refused(content: Any, where: str) -> None:
    assert refusal(ResourceType.JSON_SCHEMA, content) == (
        ReceiptCode.RESOURCE_CONTENT_INVALID,
        where,
    )


def test_number_of_schemas_counts_what_references_reach() -> None:
    check(ResourceType.JSON_SCHEMA, doubling(10))
    assert 2**13 < SCHEMAS_COUNT_MAX < 2**20


@pytest.mark.parametrize(
    "pattern", ["^$", "^[0-9]{4}-[0-9]{2}$", "^[A-Za-z ]+$", r"^za:saqa:q:\d{1,9}$", "^a.*$"]
)
def test_pattern(pattern: str) -> None:
    check(ResourceType.JSON_SCHEMA, property_a({"pattern": pattern}))


@pytest.mark.parametrize(
    "pattern",
    [
        *("^(a+)+$", "^(a|a)*$", "a", "^a*a*$", "^a+?$", "^(?=a)$", "^(a)\\1$", "^a{2,1}$"),
        *("^a{999}$", "^[$", "^a{1,}b{1,}$", "^" + "a" * 200 + "$", "^a|b$", 5, "^a$\n"),
    ],
)
def test_pattern_refused(pattern: Any) -> None:
    code, _ = refusal(ResourceType.JSON_SCHEMA, property_a({"pattern": pattern}))
    assert code in (ReceiptCode.RESOURCE_CONTENT_INVALID, ReceiptCode.TEXT_NOT_ALLOWED)


BUNDLE = {"languages": {"en": {"title": "Certificate"}, "zu": {"title": "Isitifiketi"}}}


def test_display_bundle() -> None:
    check(ResourceType.DISPLAY_BUNDLE, BUNDLE)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ([], "content"),
        ({"languages": {}}, "content.languages"),
        ({"languages": []}, "content.languages"),
        ({"languages": {"English": {"a": "b"}}}, "content.languages.English"),
        ({"languages": {"en": {}}}, "content.languages.en"),
        ({"languages": {"en": {"a": 1}}}, "content.languages.en.a"),
        ({**BUNDLE, "more": 1}, "content"),
    ],
)
def test_display_bundle_refused(content: Any, where: str) -> None:
    assert refusal(ResourceType.DISPLAY_BUNDLE, content) == (
        ReceiptCode.RESOURCE_CONTENT_INVALID,
        where,
    )


@pytest.mark.parametrize("resource_type", [t for t in ResourceType if t not in MEDIA_TYPES])
def test_unsupported_types(resource_type: ResourceType) -> None:
    assert refusal(resource_type, {}) == (ReceiptCode.RESOURCE_TYPE_UNSUPPORTED, "type")


def test_envelope_of_content() -> None:
    bundle = ResourceType.DISPLAY_BUNDLE
    assert refusal(bundle, BUNDLE, media_type="text/html") == (
        ReceiptCode.RESOURCE_CONTENT_INVALID,
        "media_type",
    )
    for data in (b"", b"\xff", b'{"a":1.5}', b'{"a":1,"a":2}', b"[" * 17 + b"]" * 17):
        assert refusal(bundle, data) == (ReceiptCode.RESOURCE_CONTENT_INVALID, "content")
    with pytest.raises(ContentError) as caught:
        check_content(bundle, "a", "application/json", b" " * 11, powers=POWERS, size_max=10)
    assert caught.value.code is ReceiptCode.LIMIT_EXCEEDED


def test_texts_and_personal_data() -> None:
    bundle = ResourceType.DISPLAY_BUNDLE
    assert refusal(bundle, {"languages": {"en": {"a": "\u202e"}}}) == (
        ReceiptCode.TEXT_NOT_ALLOWED,
        "content{0}{0}{0}",
    )
    assert refusal(bundle, {"languages": {"en": {"a": "x@example.org"}}}) == (
        ReceiptCode.PERSONAL_DATA,
        "content{0}{0}{0}",
    )
    # Names of members too, and anything that the type would refuse anyway.
    assert refusal(bundle, {"8001015009087": 1}) == (ReceiptCode.PERSONAL_DATA, "content{0}")


def test_names() -> None:
    assert is_name_for_type("za:saqa:q:1", ResourceType.QUALIFICATION)
    assert not is_name_for_type("sample", ResourceType.QUALIFICATION)
    assert is_name_for_type("sample", ResourceType.JSON_SCHEMA)
    assert not is_name_for_type("za:saqa:q:1", ResourceType.JSON_SCHEMA)


def test_what_was_found_good_is_read_anew_and_what_was_refused_is_refused_again() -> None:
    content = json.dumps({"languages": {"en": {"title": "Title"}}}).encode()
    first = check(ResourceType.DISPLAY_BUNDLE, content)
    second = check(ResourceType.DISPLAY_BUNDLE, content)
    assert first == second
    assert first is not second, "whoever changes one document must not change another"
    bad = json.dumps({"languages": {"en": {"title": "8001015009087"}}}).encode()
    for _ in range(2):
        assert refusal(ResourceType.DISPLAY_BUNDLE, bad)[0] is ReceiptCode.PERSONAL_DATA


def test_what_was_found_good_is_good_for_that_name_type_and_vocabulary_only() -> None:
    name = bundled_template_names()[0]
    content = bundled_template(name)
    check(ResourceType.CREDENTIAL_TEMPLATE, content, name)
    refusal(ResourceType.CREDENTIAL_TEMPLATE, content, "another-name")
    refusal(ResourceType.DISPLAY_BUNDLE, content, name)
    with pytest.raises(ContentError):
        check_content(
            ResourceType.CREDENTIAL_TEMPLATE,
            name,
            "application/json",
            content,
            powers=("delegate",),
        )


def test_number_of_values_is_limited() -> None:
    def bundle(count: int) -> dict[str, Any]:
        labels = {f"a{number}": "b" for number in range(1_000)}
        languages: dict[str, Any] = {f"a{chr(97 + n)}": labels for n in range(4)}
        return {"languages": {**languages, "en": {f"a{n}": "b" for n in range(count)}}}

    # The document, its one member, five languages and their labels: names and values.
    full = (DOCUMENT_VALUES_COUNT_MAX - 3 - 2 * 5 - 2 * 4_000) // 2
    check(ResourceType.DISPLAY_BUNDLE, bundle(full))
    assert refusal(ResourceType.DISPLAY_BUNDLE, bundle(full + 1)) == (
        ReceiptCode.LIMIT_EXCEEDED,
        "content",
    )


def test_large_content_is_examined_once(monkeypatch: pytest.MonkeyPatch) -> None:
    examined: list[object] = []
    real = find_in_document

    def count(document: Any, where: str) -> Finding | None:
        examined.append(document)
        return real(document, where)

    monkeypatch.setattr(resource_content, "find_in_document", count)
    content = json.dumps({"languages": {"en": {f"l{n}": "x" * 1_000 for n in range(100)}}}).encode()
    for _ in range(3):
        check(ResourceType.DISPLAY_BUNDLE, content)
    assert len(examined) == 1


@pytest.mark.parametrize(
    "text",
    ["1 " * 990, "9" * 1_990, "born " * 398 + "1999", "gebore" * 330 + " 1 2 3 4", "\u00b9 " * 660],
)
def test_no_text_makes_content_dear(text: str) -> None:
    """A tenth of a second is several times what 128 KB take, and a fraction of what digit by digit or
    word by word took.
    """
    count = 64
    content = json.dumps([text] * count, ensure_ascii=False).encode()
    assert len(content) > 120_000
    seconds: list[float] = []
    for _ in range(3):
        start = time.process_time()
        refusal(ResourceType.DISPLAY_BUNDLE, content)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.1
