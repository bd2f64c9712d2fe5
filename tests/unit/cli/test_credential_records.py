# SPDX-License-Identifier: Apache-2.0
"""Input records, and templates in words."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.credential_records import RECORD_SIZE_MAX, STANDARD_INPUT, read_record
from cli.credential_template import word_form
from cli.errors import CommandError
from sdk.credentials.template import bundled_template
from sdk.credentials.template_reader import parse_template


def test_a_record_comes_from_a_file_or_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "record.json"
    file.write_text('{"given_name": "Sample"}')
    assert read_record(file) == {"given_name": "Sample"}
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b'{"site": "2"}')))
    assert read_record(STANDARD_INPUT) == {"site": "2"}


def test_the_json_form_of_an_example_is_a_record_too(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    envelope = {"kind": "CredentialExample", "version": 1, "data": {"site": "2"}}
    file.write_text(json.dumps(envelope))
    assert read_record(file) == {"site": "2"}
    # Another kind is not unwrapped: it would be issued as something that nobody wrote.
    file.write_text(json.dumps(envelope | {"kind": "Template"}))
    assert read_record(file) == envelope | {"kind": "Template"}


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    with file.open("wb") as stream:
        stream.truncate(RECORD_SIZE_MAX * 8)
    with pytest.raises(CommandError) as caught:
        read_record(file)
    assert caught.value.code == "RECORD_MALFORMED"


def test_every_field_of_the_templates_has_words() -> None:
    template = parse_template(bundled_template("statement-of-results"))
    words = {item.name: word_form(item) for item in template.fields}
    assert words["birth_date"] == "a day, YYYY-MM-DD, not in the future"
    assert words["assessed"].endswith("not before birth_date")
    assert words["qualification"] == "a SAQA number, such as 91761"
    assert words["modules"] == "a list of 1 to 100"
    (modules,) = [item for item in template.fields if item.name == "modules"]
    assert [word_form(item) for item in modules.fields] == [
        "code, up to 32 characters",
        "a whole number, 0 to 100",
    ]
