# SPDX-License-Identifier: Apache-2.0
"""Grants, scopes and chains in words."""

from __future__ import annotations

from datetime import date

import pytest

from cli.accreditation_words import word_granted, word_scope, word_term
from cli.verification_words import chain_lines
from sdk.report import ChainLink


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({}, "everything"),
        ({"sub_frameworks": ["OQSF"]}, "OQSF"),
        ({"qualifications": ["za:saqa:q:91761"], "sites": ["2"]}, "91761 at site 2"),
        (
            {"qualifications": ["za:saqa:q:91761", "za:saqa:q:4711"], "sites": ["1", "2"]},
            "91761, 4711 at sites 1, 2",
        ),
        ({"trades": ["za:ofo:2021:671101"]}, "trades za:ofo:2021:671101"),
        ({"sites": ["1"]}, "everything at site 1"),
    ],
)
def test_scopes(scope: dict[str, list[str]], words: str) -> None:
    assert word_scope(scope) == words


def test_terms() -> None:
    assert word_term(date(2024, 2, 1), None) == "since 1 February 2024"
    assert word_term(date(2024, 2, 1), date(2029, 1, 31)) == "1 February 2024 – 31 January 2029"


def test_what_was_granted_in_one_line() -> None:
    line = word_granted("gaa", ("train", "assess-internally"), "91761", "since 1 February 2024")
    assert line == "gaa may assess-internally and train: 91761, since 1 February 2024"


def test_a_chain_says_then_and_now() -> None:
    def link(name: str, now: str) -> ChainLink:
        return ChainLink("did:x", name, "train", "91761", "since 1 May 2024", "active", now)

    lines = chain_lines([link("Above", "active"), link("Below", "withdrawn")])
    assert [line.strip() for line in lines] == [
        "Above: active then and now",
        "train: 91761, since 1 May 2024",
        "Below: active then, withdrawn now",
        "train: 91761, since 1 May 2024",
    ]
    indents = [len(line) - len(line.lstrip()) for line in lines]
    assert indents[2] > indents[0]
