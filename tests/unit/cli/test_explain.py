# SPDX-License-Identifier: Apache-2.0
"""`pset explain` knows every code that the source names, every operation and every field."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from typing import get_args

import pytest
from click.testing import CliRunner, Result

from cli.error_texts import ERROR_TEXTS
from cli.explain import CodeEntry, all_codes, expression_words
from cli.glossary import CODE_SOURCES, FIELDS, OPERATIONS
from cli.main import pset
from ledger.model.authorisation import decode_expression
from ledger.model.receipts import CODE_TEXTS
from ledger.model.transaction import Operation
from sdk.credentials.values import VALUE_CODES
from sdk.verdicts import VERDICT_TEXTS
from tests.support.error_codes import codes_raised

MEANINGS = list(all_codes())
ENTRIES = {entry.code: entry for entry in MEANINGS}
TWICE = {"SIGNATURE_INVALID", "MALFORMED", "EXPIRED"}
"""Codes of receipts and of verdicts."""
OUTSIDE_OPERATIONS = {"expires_at", "idempotency_key"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(pset, ["explain", *arguments], catch_exceptions=False)


def test_every_code_that_the_source_names_is_explained() -> None:
    raised = codes_raised("sdk", "cli", "psetcloud", "ledger/node", "ledger/storage", "ledger/api")
    assert len(raised) > 100
    assert raised - set(ENTRIES) == set()


def test_codes_of_proofs_and_genesis_are_explained() -> None:
    """They reach a user as the code of a TrustError, or in the text about a damaged network."""
    raised = codes_raised("ledger/model")
    assert raised >= {"VALUE_NOT_PROVEN", "GENESIS_INCONSISTENT", "TOO_FEW_SIGNERS"}
    assert raised - set(ENTRIES) == set()
    assert "ALLOWED" in ENTRIES


def test_receipt_verdict_and_value_codes_are_explained_once() -> None:
    assert set(ENTRIES) >= {code.name for code in CODE_TEXTS} | set(VERDICT_TEXTS)
    assert set(ENTRIES) >= set(VALUE_CODES) | set(ERROR_TEXTS)
    counted = Counter(entry.code for entry in MEANINGS)
    assert {code for code, count in counted.items() if count > 1} == TWICE
    assert {code.name for code in CODE_TEXTS} & set(VERDICT_TEXTS) == TWICE


@pytest.mark.parametrize("entry", MEANINGS, ids=lambda entry: f"{entry.code}-{entry.kind}")
def test_an_explanation_is_whole(entry: CodeEntry) -> None:
    assert entry.text.endswith((".", ")"))
    assert entry.who
    assert entry.source
    assert entry.remedy or entry.code == "APPLIED"


def test_sources_are_those_of_known_codes() -> None:
    assert set(CODE_SOURCES) <= set(ENTRIES)


def test_operations_and_fields_are_those_that_exist() -> None:
    operations = {operation.__name__: operation for operation in get_args(Operation)}
    assert set(OPERATIONS) == set(operations)
    named = {field.name for item in operations.values() for field in fields(item)}
    assert set(FIELDS) - OUTSIDE_OPERATIONS == named


@pytest.mark.parametrize("word", ["SCOPE_NOT_COVERED", "scope-not-covered", "284"])
def test_a_code_in_any_spelling(word: str) -> None:
    result = run(word, "-o", "json")
    assert result.exit_code == 0
    data = json.loads(result.stdout)["data"]
    assert (data["code"], data["number"]) == ("SCOPE_NOT_COVERED", 284)


def test_people_read_meaning_remedy_who_and_source() -> None:
    text = run("SELF_GRANT").stdout
    assert text.startswith("SELF_GRANT   receipt code 280\n")
    for word in ("means", "do", "who", "source"):
        assert f"\n{word} " in text


def test_an_operation_says_who_may() -> None:
    data = json.loads(run("PublishResource", "-o", "json").stdout)["data"]
    assert "register-qualification" in data["rules"]["PublishResource/Qualification"]
    assert set(data["fields"]) <= set(FIELDS)


@pytest.mark.parametrize("word", ["valid_until", "valid-until"])
def test_a_field_says_where_it_is(word: str) -> None:
    data = json.loads(run(word, "-o", "json").stdout)["data"]
    assert data["operations"] == ["GrantAccreditation"]


def test_all_lists_codes() -> None:
    data = json.loads(run("--all", "-o", "json").stdout)["data"]
    assert {"code", "text", "remedy"} <= set(data["codes"][0])
    assert [(item["code"], item["kind"]) for item in data["codes"]] == [
        (entry.code, entry.kind) for entry in MEANINGS
    ]


@pytest.mark.parametrize("code", sorted(TWICE))
def test_a_code_of_verdicts_and_receipts_has_both_meanings(code: str) -> None:
    data = json.loads(run(code, "-o", "json").stdout)["data"]
    assert [item["kind"] for item in data["meanings"]] == ["verdict", "receipt"]
    assert (data["kind"], data["text"]) == ("verdict", data["meanings"][0]["text"])
    assert VERDICT_TEXTS[code].remedy == data["remedy"]
    text = run(code).stdout
    assert text.index(f"{code}   verdict code") < text.index(f"{code}   receipt code ")
    number = str(data["meanings"][1]["number"])
    assert json.loads(run(number, "-o", "json").stdout)["data"]["kind"] == "receipt"


def test_an_unknown_word_suggests_near_ones() -> None:
    result = run("SCOPE_NOT_COVERD", "-o", "json")
    assert result.exit_code == 2
    assert json.loads(result.stderr)["code"] == "WORD_UNKNOWN"
    assert "SCOPE_NOT_COVERED" in json.loads(result.stderr)["remedy"]
    assert run().exit_code == 2


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ({"forbidden": True}, "nobody"),
        ({"key_role": "admin", "count": 2}, "signed with 2 keys of the role admin"),
        (
            {"any": [{"owner": True}, {"power": "delegate"}]},
            "either by the owner of what it changes, or by a holder of the power delegate",
        ),
        (
            {"power_any": ["delegate", "certify"]},
            "by a holder of one of the powers delegate or certify",
        ),
    ],
)
def test_a_rule_in_words(expression: dict[str, object], words: str) -> None:
    assert expression_words(decode_expression(expression, "rule")) == words  # type: ignore[arg-type]
