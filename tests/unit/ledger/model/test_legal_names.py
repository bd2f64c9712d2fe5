# SPDX-License-Identifier: Apache-2.0
"""Names that look alike fold to one; names of different bodies do not."""

from __future__ import annotations

import unicodedata

import pytest

from ledger.model.legal_names import fold_name, has_letters
from ledger.model.limits import STATE_KEY_SIZE_MAX
from ledger.model.organisation_request import RequestError, check_organisation_request
from ledger.model.personal_data import NAME_LENGTH_MAX, is_name_allowed
from ledger.model.receipts import ReceiptCode
from ledger.model.schema import legal_name_key
from tests.support.ledger_world import NETWORK, make_organisation


@pytest.mark.parametrize(
    "other",
    [
        "SOUTH AFRICAN QUALIFICATIONS AUTHORITY",
        "South-African Qualifications Authority",
        "S\u00f3uth Afric\u00e1n Qualific\u00e4tions Auth\u00f8rity",
        "South African Qua1ificati0ns Authority",
        "South African (Qualifications) Authority.",
        "\u1e60outh Africa\u1e4b Qualificatio\u1e4bs Authority",
    ],
)
def test_what_looks_alike_is_one_name(other: str) -> None:
    assert is_name_allowed(other)
    assert fold_name(other) == fold_name("South African Qualifications Authority")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Artisan Institute", "Artisan lnstitute"),
        ("Artisan Institute", "Art1san 1nst1tute"),
        ("Sample Limited", "SampIe Lirnited"),
        ("Sample Works", "Sample VVorks"),
    ],
)
def test_letters_that_pass_for_others_are_one(name: str, other: str) -> None:
    assert is_name_allowed(other)
    assert fold_name(name) == fold_name(other)


@pytest.mark.parametrize("name", ["(((", "2024", "11 00", "A1", "(a)"])
def test_a_name_without_two_letters_is_none(name: str) -> None:
    assert is_name_allowed(name)
    assert not has_letters(name)
    organisation = make_organisation("other", name=name)
    with pytest.raises(RequestError) as refused:
        check_organisation_request(
            organisation.request, organisation.request_signatures, network=NETWORK
        )
    assert (refused.value.code, refused.value.where) == (
        ReceiptCode.TEXT_NOT_ALLOWED,
        "request.name",
    )


def test_what_differs_stays_apart() -> None:
    names = ["Bala Academy", "Bola Academy", "Academy 2", "Academy 3", "Straße", "Strase"]
    assert len({fold_name(name) for name in names}) == len(names)
    assert fold_name("Tools & Trades") == fold_name("Tools and Trades") == "toolsandtrades"


def test_table_covers_every_letter_of_a_name() -> None:
    """Against this interpreter's Unicode data, which the ledger itself never reads."""
    for point in (*range(0xC0, 0x180), *range(0x1E00, 0x1F00)):
        letter = chr(point)
        if not is_name_allowed(letter + "a"):
            continue
        folded = fold_name(letter)
        assert 1 <= len(folded) <= 2, hex(point)
        base = [part for part in unicodedata.normalize("NFKD", letter) if part.isascii()]
        if len(base) == 1 and base[0].isalpha():
            assert folded == fold_name(base[0]), hex(point)


def test_key_of_the_longest_name_fits() -> None:
    assert len(legal_name_key(fold_name("A" + "&" * (NAME_LENGTH_MAX - 1)))) <= STATE_KEY_SIZE_MAX
