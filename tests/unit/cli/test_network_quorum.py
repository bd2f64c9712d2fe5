# SPDX-License-Identifier: Apache-2.0
"""What a quorum is, in words that whoever starts a network reads."""

from __future__ import annotations

import pytest

from cli.network_quorum import Quorum, spell


@pytest.mark.parametrize(
    ("of", "fault_model", "text"),
    [
        (1, "crash", "1 validator, quorum 1: none may fail"),
        (2, "crash", "2 validators, quorum 2: none may fail"),
        (3, "crash", "3 validators, quorum 2: one may fail"),
        (5, "crash", "5 validators, quorum 3: two may fail"),
        (25, "crash", "25 validators, quorum 13: twelve may fail"),
        (3, "byzantine", "3 validators, quorum 2: one may fail"),
        (4, "byzantine", "4 validators, quorum 3: one may fail; one that lies deceives nobody"),
        (6, "byzantine", "6 validators, quorum 4: two may fail; one that lies deceives nobody"),
        (7, "byzantine", "7 validators, quorum 5: two may fail; two that lie deceive nobody"),
    ],
)
def test_what_a_network_survives(of: int, fault_model: str, text: str) -> None:
    assert Quorum(of, fault_model).text == text


@pytest.mark.parametrize(
    ("of", "fault_model", "words"),
    [
        (1, "crash", ""),
        (2, "crash", "2 validators survive no failure"),
        (3, "crash", ""),
        (1, "byzantine", "protects from no liar"),
        (3, "byzantine", "with 3 validators the fault model byzantine protects from no liar"),
        (4, "byzantine", ""),
    ],
)
def test_who_chose_what_protects_from_nothing_is_warned(
    of: int, fault_model: str, words: str
) -> None:
    warning = Quorum(of, fault_model).warning
    assert words in warning
    assert bool(warning) == bool(words)


@pytest.mark.parametrize(
    ("of", "left", "words"),
    [
        (3, 1, "1 of 3 validators would vote and 2 are needed: nothing more is certified until"),
        (3, 1, "until 1 more votes again"),
        (5, 0, "until 3 more vote again"),
    ],
)
def test_what_a_loss_means(of: int, left: int, words: str) -> None:
    assert words in Quorum(of, "crash").loss_text(left)


def test_numbers_that_have_no_word_are_digits() -> None:
    assert [spell(number) for number in (0, 1, 12, 13)] == ["none", "one", "twelve", "13"]
