# SPDX-License-Identifier: Apache-2.0
"""The linter: what gives a person away is found, what identifies things is not.

Identity numbers here are made up: a date, a sequence and the matching check digit.
"""

from __future__ import annotations

import base64
import uuid
from hashlib import sha256

import pytest

from ledger.model.canonical_json import JsonValue
from ledger.model.id_numbers import is_sa_id_number
from ledger.model.personal_data import (
    BIRTH_DATE,
    DOCUMENT_TEXT_LENGTH_MAX,
    EMAIL,
    NAME_LENGTH_MAX,
    PHONE,
    SA_ID_NUMBER,
    Finding,
    find_in_document,
    find_personal_data,
    find_text_not_allowed,
    is_document_text_allowed,
    is_name_allowed,
)


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("8001015009087", True),
        ("8001015009086", False),  # check digit
        ("8013015009082", False),  # no month 13
        ("8002305009084", False),  # no 30 February
        ("0002295009084", True),  # 29 February 2000
        ("9902295009086", False),  # neither 1999 nor 2099 has one
        ("8001015009384", False),  # citizenship 3
        ("800101500908", False),
        ("80010150090877", False),
        ("\uff18001015009087", False),
        ("800101500908x", False),
    ],
)
def test_sa_id_number(digits: str, *, expected: bool) -> None:
    assert is_sa_id_number(digits) is expected


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("8001015009087", SA_ID_NUMBER),
        ("ID 8001015009087.", SA_ID_NUMBER),
        ("id:800101 5009 087", SA_ID_NUMBER),
        ("800101-5009-08-7", SA_ID_NUMBER),
        ("8 0 0 1 0 1 5 0 0 9 0 8 7", SA_ID_NUMBER),
        ("800101.5009.08.7", SA_ID_NUMBER),
        ("91761 8001015009087 671101", SA_ID_NUMBER),
        ("ID8001015009087", SA_ID_NUMBER),
        ("8001015009087a", SA_ID_NUMBER),
        ("08001015009087", SA_ID_NUMBER),
        ("800101\u00a05009\u00a0087", SA_ID_NUMBER),
        ("800101\u20135009\u2013087", SA_ID_NUMBER),
        ("800101\u20115009\u2011087", SA_ID_NUMBER),
        ("800101/5009/087", SA_ID_NUMBER),
        ("800101  5009  087", SA_ID_NUMBER),
        ("800101. 5009. 087", SA_ID_NUMBER),
        ("800101\n5009087", SA_ID_NUMBER),
        ("8,001,015,009,087", SA_ID_NUMBER),
        ("800101_5009_08_7", SA_ID_NUMBER),
        ("800101\u200b5009087", SA_ID_NUMBER),
        (
            "\u2078\u2070\u2070\u00b9\u2070\u00b9\u2075\u2070\u2070\u2079\u2070\u2078\u2077",
            SA_ID_NUMBER,
        ),
        ("082.555.1234", PHONE),
        ("27825551234", PHONE),
        ("27 82 555 1234", PHONE),
        ("0027 82 555 1234", PHONE),
        ("082\u00a0555\u00a01234", PHONE),
        ("082\u2013555\u20131234", PHONE),
        ("Tel0825551234", PHONE),
        ("https://example.org/0825551234", PHONE),
        ("08 25 55 12 34", PHONE),
        ("sample@ex\u00e4mple.co.za", EMAIL),
        ("sample (at) example.co.za", EMAIL),
        ("sample [AT] example [dot] org", EMAIL),
        ('"s n"@example.co.za', EMAIL),
        ("sample @ example.co.za", EMAIL),
        ("s@[10.0.0.1]", EMAIL),
        ("sample\uff20example.org", EMAIL),
        ("born 80/01/01", BIRTH_DATE),
        ("born on the first of January 1980", BIRTH_DATE),
        ("born 1 Jan. 1980", BIRTH_DATE),
        ("born January 1, 1980", BIRTH_DATE),
        ("born 1st January 1980", BIRTH_DATE),
        ("born 1\u00a0January\u00a01980", BIRTH_DATE),
        ("born 1980\u201301\u201301", BIRTH_DATE),
        ("gebore 1 Januarie 1980", BIRTH_DATE),
        ("geb. 1980-01-01", BIRTH_DATE),
        (
            "birth certificate issued by the Department of Home Affairs of RSA on: 1980-01-01",
            BIRTH_DATE,
        ),
        ("registrar@example.ac.za", EMAIL),
        ("mailto:a.b+c@example.org now", EMAIL),
        ("call 011 234 5678", PHONE),
        ("(011) 234-5678", PHONE),
        ("0112345678", PHONE),
        ("082 345 6789", PHONE),
        ("0800 123 456", PHONE),
        ("+27 11 234 5678", PHONE),
        ("+27(0)11-234-5678", PHONE),
        ("tel +1 212 555 0100", PHONE),
        ("0027112345678", PHONE),
        ("born on 2001-02-03", BIRTH_DATE),
        ("Date of birth: 3/2/2001", BIRTH_DATE),
        ("DOB 20010203", BIRTH_DATE),
        ("birth date 3 February 2001", BIRTH_DATE),
        ("Gebore (geboortedatum) 2001-02-03", BIRTH_DATE),
    ],
)
def test_found(text: str, rule: str) -> None:
    assert find_personal_data(text) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Gqeberha Artisan Academy",
        "91761",
        "za:saqa:q:91761",
        "za:ofo:2021:671101",
        "671101000-KM-01",
        "2018-07-01",
        "Registered 2018-07-01 to 2025-12-30, last enrolment 2026-12-30",
        "63889, 72072, 72070, 23625, 20420, 20418",
        "SDP-0142",
        "1732406400000",
        "GN 1391/2020 and GN 1463/2021",
        "360 credits, NQF 4",
        "name@2",
        "did:pset:za:2Ehyoj7sayTBjWor3RHQ6Hwc2eWN",
        "Date of birth",
        "birth_date",
        "0e8001015009087f" * 2,  # part of a hash
        "curriculum 0671101000",
        "SAQA ID 0123456789",
        "ISO 0113456789",
        "modules 06 07 08 09 10",
        "stillborn rates 2019-01-01",
        "Place of birth register 2020-01-01",
        "Version 2.1 of 2021-01-01, reborn",
        "+10 % 20 30 40",
        "1.2.840.10045.3.1.7",
        "https://example.org/v1/2024/01/31",
        "978-0-306-40615-7",
    ],
)
def test_not_found(text: str) -> None:
    assert find_personal_data(text) is None


def test_bare_digits_are_no_phone_number_in_identifiers() -> None:
    assert find_personal_data("0112345678") == PHONE
    assert find_personal_data("0112345678", is_identifier=True) is None
    assert find_personal_data("8001015009087", is_identifier=True) == SA_ID_NUMBER


def test_label_about_birth_makes_any_date_a_birth_date() -> None:
    assert find_personal_data("2001-02-03", label="birth_date") == BIRTH_DATE
    assert find_personal_data("2001-02-03", label="DOB") == BIRTH_DATE
    assert find_personal_data("2001-02-03", label="registration_start") is None
    assert find_personal_data("yes", label="birth_date") is None


def test_hashes_keys_and_uuids_pass() -> None:
    """Thirty thousand of them: the patterns want separators on both sides."""
    for number in range(5_000):
        digest = sha256(number.to_bytes(4, "big")).digest()
        texts = [
            digest.hex(),
            digest.hex().upper(),
            base64.b64encode(digest).decode(),
            base64.urlsafe_b64encode(digest).decode().rstrip("="),
            str(uuid.UUID(bytes=digest[:16])),
            f"urn:uuid:{uuid.UUID(bytes=digest[16:])}",
        ]
        assert [text for text in texts if find_personal_data(text)] == []


def test_document_is_searched_everywhere() -> None:
    where: dict[str, JsonValue] = {
        "a": {"a": ["fine", "8001015009087"]},
        "b": {"8001015009087": 1},
        "c": 8001015009087,
        "d": {"birth_date": "2001-02-03"},
        "e": {"dob": ["2001-02-03"]},
        "f": [{"mail": "a@example.org"}],
        "g": {"title": "x", "birthDate": {"type": "string", "examples": ["1990-01-01"]}},
        "h": ["800101", "5009087"],
        "i": 1015009085,
    }
    found = {name: find_in_document(value, name) for name, value in where.items()}
    assert found == {
        "a": Finding(SA_ID_NUMBER, "a{0}[1]"),
        "b": Finding(SA_ID_NUMBER, "b{0}"),
        "c": Finding(SA_ID_NUMBER, "c"),
        "d": Finding(BIRTH_DATE, "d{0}"),
        "e": Finding(BIRTH_DATE, "e{0}[0]"),
        "f": Finding(EMAIL, "f[0]{0}"),
        "g": Finding(BIRTH_DATE, "g{1}{1}[0]"),
        "h": Finding(SA_ID_NUMBER, "h"),
        "i": Finding(SA_ID_NUMBER, "i"),
    }
    assert find_in_document({"birth_date": True, "x": None, "n": 12}) is None


def test_finding_never_quotes_the_datum() -> None:
    finding = find_in_document({"8001015009087": "8001015009087"})
    assert finding is not None
    assert "8001015009087" not in repr(finding)


@pytest.mark.parametrize(
    "name",
    [
        "QCTO",
        "merSETA",
        "Quality Council for Trades and Occupations",
        "Gqeberha Artisan Academy (sample)",
        "St. Mary's College, Durban",
        "Tshwane University & Partners",
        "Université de Kinshasa",
        "Yunivesithi ya Venḓa",
        "21st Century Skills/Training",
    ],
)
def test_name_allowed(name: str) -> None:
    assert is_name_allowed(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        " QCTO",
        "QCTO ",
        "Two  blanks",
        "line\nbreak",
        "<b>QCTO</b>",
        "QCTO\u202e",
        "QCTO\u200b",
        "QCT\u041e",  # a Cyrillic letter
        "Q\u0301CTO",
        "-QCTO",
        "a" * (NAME_LENGTH_MAX + 1),
        "email@example",
    ],
)
def test_name_not_allowed(name: str) -> None:
    assert not is_name_allowed(name)


def test_document_text() -> None:
    assert is_document_text_allowed("Zulu: Isitifiketi – “Electrician” … ≥ 80 % €\n\tḓṱ")
    for text in ("\x00", "\x1b[31m", "\u202e", "\u200b", "\ufeff", "漢", "\u00ad", "😀", "\ue000"):
        assert not is_document_text_allowed(text), repr(text)
    assert is_document_text_allowed("a" * DOCUMENT_TEXT_LENGTH_MAX)
    assert not is_document_text_allowed("a" * (DOCUMENT_TEXT_LENGTH_MAX + 1))


def test_text_not_allowed_is_placed() -> None:
    assert find_text_not_allowed({"a": ["fine", {"b": "\u202e"}]}, "content") == "content{0}[1]{0}"
    assert find_text_not_allowed({"a": {"\u202e": 1}}, "content") == "content{0}{0}"
    assert find_text_not_allowed({"a": [1, None, True, "fine"]}, "content") is None
