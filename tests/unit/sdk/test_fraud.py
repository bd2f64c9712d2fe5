# SPDX-License-Identifier: Apache-2.0
"""Fraud by editing: every member of a good credential altered, removed, added to, every bit of the
signature flipped. None may be accepted, and of none may a claim be shown.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from ledger.model.multibase import decode_multibase_base58btc, encode_multibase_base58btc
from sdk.credentials.jcs import JsonObject, JsonValue, canonicalize, parse_object
from sdk.report import VerificationReport
from sdk.results import Verdict
from tests.support.issuing_world import CERTIFICATE, STATEMENT, IssuingWorld
from tests.support.json_places import Place, places, with_value, without

ALLOWED_CODES = {"MALFORMED", "SIGNATURE_INVALID", "KEY_NOT_VALID_THEN", "ISSUER_UNKNOWN"}
UNKNOWN_CODES = {"OTHER_NETWORK"}


@cache
def world() -> IssuingWorld:
    return IssuingWorld()


@cache
def good(template: str) -> bytes:
    issuer = "gaa" if template == STATEMENT else "qcto"
    document = world().issue(issuer=issuer, template=template)
    assert world().verify(document).valid
    return document


def verify(document: JsonValue) -> VerificationReport:
    return world().verify(canonicalize(document))


def assert_refused(report: VerificationReport, what: object) -> None:
    assert not report, what
    assert report.code in ALLOWED_CODES | UNKNOWN_CODES, (what, report.code)
    assert report.claims == {}, what
    assert report.chain == (), what
    assert "Learner" not in report.to_text(), what
    if report.code in ALLOWED_CODES:
        assert report.verdict is Verdict.INVALID


def altered(value: JsonValue) -> JsonValue:
    """Another value of the same kind, as close as can be."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value[:-1] + ("b" if value.endswith("a") else "a")
        case None:
            return False
        case list():
            return [*value, *value[-1:]] if value else [None]
        case dict():
            return value | {"extra": "x"}


def mutations(document: JsonObject) -> Iterator[tuple[str, Place, JsonObject]]:
    for place, value in places(document):
        if place:
            yield "altered", place, with_value(document, place, altered(value))
            yield "removed", place, without(document, place)
        else:
            yield "extended", place, document | {"extra": "x"}


@pytest.mark.parametrize("template", [STATEMENT, CERTIFICATE])
def test_no_change_of_any_member_is_accepted(template: str) -> None:
    document = parse_object(good(template), size_max=100_000)
    count = 0
    for kind, place, changed in mutations(document):
        assert changed != document
        assert_refused(verify(changed), (kind, place))
        count += 1
    assert count >= 200


def test_no_bit_of_the_signature_may_differ() -> None:
    document: dict[str, Any] = json.loads(good(STATEMENT))
    signature = decode_multibase_base58btc(document["proof"]["proofValue"], 64)
    for bit in range(512):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        document["proof"]["proofValue"] = encode_multibase_base58btc(bytes(changed))
        report = verify(document)
        assert report.code == "SIGNATURE_INVALID", bit


@pytest.mark.parametrize("seed", range(200))
def test_no_byte_of_the_file_may_differ(seed: int) -> None:
    generator = random.Random(seed)
    document = bytearray(good(STATEMENT))
    position = generator.randrange(len(document))
    match generator.randrange(3):
        case 0:
            document[position] ^= 1 << generator.randrange(8)
        case 1:
            del document[position]
        case _:
            document.insert(position, generator.randrange(33, 127))
    report = world().verify(bytes(document))
    assert not report, (seed, position)
    assert report.claims == {}


def test_the_claims_of_one_and_the_proof_of_another_do_not_make_a_credential() -> None:
    one = json.loads(good(STATEMENT))
    other = json.loads(world().issue(given_name="Other"))
    assert_refused(verify(one | {"proof": other["proof"]}), "swapped proof")


def test_members_that_only_look_the_same_are_others() -> None:
    document = json.loads(good(STATEMENT))
    marks = document["credentialSubject"]["modules"]
    for mark in (72.5, "72", True):
        marks[0]["mark"] = mark
        assert_refused(verify(document), mark)


def test_a_repeated_member_name_is_not_one_of_two_truths() -> None:
    text = good(STATEMENT).decode()
    report = world().verify(text.replace('"mark":72', '"mark":99,"mark":72'))
    assert report.code == "MALFORMED"


def test_another_spelling_of_the_same_content_is_the_same() -> None:
    """Not fraud: white space and escapes mean nothing in JSON."""
    document = json.loads(good(STATEMENT))
    assert world().verify(json.dumps(document, indent=2)).valid
    assert world().verify(json.dumps(dict(reversed(document.items())))).valid
