# SPDX-License-Identifier: Apache-2.0
"""The words that never change."""

from __future__ import annotations

from pathlib import Path

from sdk.results import Verdict
from sdk.verdicts import CHECK_NAMES, VERDICT_TEXTS

INVALID = [
    "SIGNATURE_INVALID",
    "KEY_NOT_VALID_THEN",
    "ISSUER_UNKNOWN",
    "ACCREDITATION_NOT_VALID_THEN",
    "ACCREDITATION_OUT_OF_SCOPE",
    "ACCREDITATION_VOID",
    "NOT_ANCHORED_IN_TIME",
    "REVOKED",
    "SUSPENDED",
    "EXPIRED",
    "NOT_YET_VALID",
    "HOLDER_BINDING_FAILED",
    "REQUEST_MISMATCH",
    "MALFORMED",
    "QUALIFICATION_NOT_REGISTERED",
    "QUALIFICATION_NOT_VALID_THEN",
]
UNKNOWN = ["STATUS_TOO_OLD", "NO_CONNECTION", "NO_TRUST_ROOT", "OTHER_NETWORK"]


def test_check_names() -> None:
    assert CHECK_NAMES == (
        "format",
        "signature",
        "issuer-key",
        "authority",
        "qualification",
        "registered",
        "status",
        "validity",
        "holder",
        "request",
        "freshness",
    )


def test_codes_and_what_they_make_of_the_verdict() -> None:
    assert {code: text.verdict for code, text in VERDICT_TEXTS.items()} == {
        **dict.fromkeys(INVALID, Verdict.INVALID),
        **dict.fromkeys(UNKNOWN, Verdict.UNKNOWN),
    }


def test_every_code_has_a_sentence_and_a_remedy() -> None:
    for code, text in VERDICT_TEXTS.items():
        for words in (text.text, text.remedy):
            assert words.endswith("."), code
            assert words[0].isupper(), code


def test_every_code_is_reached_by_a_test_of_the_verifier() -> None:
    files = Path(__file__).parent.glob("test_verifier*.py")
    tests = "".join(file.read_text() for file in files)
    assert [code for code in VERDICT_TEXTS if f'"{code}"' not in tests] == []
