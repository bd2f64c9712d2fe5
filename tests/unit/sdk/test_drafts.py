# SPDX-License-Identifier: Apache-2.0
"""Drafts: what is taken, what is refused, and that no value is ever shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from sdk.credentials.problems import Problem
from sdk.credentials.template import bundled_template
from sdk.drafts import (
    Draft,
    DraftRefusedError,
    IssuedCredential,
    TemplateReference,
    encode_values,
    row_errors,
)
from sdk.errors import CallerError


@pytest.mark.parametrize(
    ("template", "reference"),
    [
        ("statement-of-results", TemplateReference("statement-of-results")),
        ("statement-of-results@1", TemplateReference("statement-of-results", 1)),
        ("a@123456789", TemplateReference("a", 123456789)),
    ],
)
def test_a_template_is_meant_by_name_or_name_and_version(
    template: str, reference: TemplateReference
) -> None:
    assert Draft.from_template(template, {}).reference == reference


@pytest.mark.parametrize(
    "template", ["", "@1", "a@", "a@0", "a@x", "a@-1", "a@²", "a@1234567890", "A", "a b", "a/b"]
)
def test_other_names_are_refused(template: str) -> None:
    with pytest.raises(CallerError) as caught:
        Draft.from_template(template, {})
    assert caught.value.code == "TEMPLATE_NAME_MALFORMED"


def test_a_template_file_is_meant_by_its_content(tmp_path: Path) -> None:
    content = bundled_template("statement-of-results")
    path = tmp_path / "template.json"
    path.write_bytes(content)
    reference = Draft.from_template(path, {}).reference
    assert reference == TemplateReference("statement-of-results", None, sha256(content).digest())


@pytest.mark.parametrize("content", [None, b"{}", b"\xff", b"x" * 200_000])
def test_a_file_that_is_no_template_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "template.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CallerError) as caught:
        Draft.from_template(path, {})
    assert caught.value.code == "TEMPLATE_UNREADABLE"


def test_values_are_copied_and_brought_to_json() -> None:
    modules = [{"code": "KM-01", "mark": 70}]
    values: dict[str, Any] = {"assessed": date(2026, 5, 14), "modules": modules, "none": None}
    draft = Draft.from_template("t", values)
    modules[0]["mark"] = 99
    assert draft.values == {
        "assessed": "2026-05-14",
        "modules": [{"code": "KM-01", "mark": 70}],
        "none": None,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"a": 1.5},
        {"a": b"x"},
        {"a": datetime(2026, 5, 14, tzinfo=UTC)},
        {"a": {1: 2}},
        {"a": object()},
        {"a": [[[[[[[[[1]]]]]]]]]},
    ],
)
def test_what_json_cannot_hold_exactly_is_refused(values: Mapping[str, Any]) -> None:
    with pytest.raises(CallerError) as caught:
        Draft.from_template("t", values)
    assert caught.value.code == "DRAFT_MALFORMED"


@pytest.mark.parametrize("value", [2**53, "\ud800"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(CallerError) as caught:
        encode_values({"a": value})
    assert caught.value.code == "DRAFT_MALFORMED"


def test_no_value_is_shown() -> None:
    assert "Mokoena" not in repr(Draft.from_template("t", {"family_name": "Mokoena"}))
    credential = IssuedCredential("r", "urn:uuid:1", b'{"n":"Mokoena"}', "m", "u", 1, False)
    assert "Mokoena" not in repr(credential)
    assert "document" not in credential.to_dict()


def test_a_refused_draft_carries_all_that_is_wrong() -> None:
    problems = [Problem("REQUIRED", "site", "must be given"), Problem("X", "y", "z")]
    error = DraftRefusedError(row_errors("S1", problems))
    assert (error.code, error.text) == ("REQUIRED", "site: must be given (and 1 more)")
    assert error.remedy == "Fill the field in."
    assert [item.record_id for item in error.errors] == ["S1", "S1"]
    assert DraftRefusedError(row_errors("S1", problems[1:])).text == "y: z"
