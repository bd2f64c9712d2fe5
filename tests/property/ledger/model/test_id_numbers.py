# SPDX-License-Identifier: Apache-2.0
"""Identity numbers found in one pass are those that the definition finds digit by digit, and texts that
are looked at together are found as each alone would be.
"""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ledger.model.id_numbers import BREAK, find_hash_spans, find_id_number, is_sa_id_number
from ledger.model.personal_data import find_in_document, find_personal_data

NUMBER = "8001015009087"
PIECES = st.sampled_from(
    [
        *(NUMBER, "800101", "5009", "087", "8", "00", "0", "1", "9", "79022950090", "83"),
        *(" ", "  ", "   ", "    ", ".", "-", "/", "_", ":", ",", "x", "ab", "|", "\u00e9"),
        *("deadbeef", "0e8001015009087f", "a1b2-c3d4-e5f6", "born ", "1980-01-01", "geb.", "d.o.b"),
        *("orn may 1999", "jan ", "0112345678", "iso ", "082 345 6789", "+27 ", "a@b.co", "(at)"),
    ]
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)
SPLIT = st.lists(
    st.sampled_from(["", "", "", " ", "-", " . ", "    ", "a"]), min_size=12, max_size=12
)


def is_holding_id_number(text: str) -> bool:
    """The definition: any 13 digits of a group, or whole groups with one to three separators between."""
    groups = [(match.start(), match.end()) for match in re.finditer("[0-9]+", text)]
    spans = find_hash_spans(text)
    for first, (start, end) in enumerate(groups):
        if any(low <= start < high for low, high in spans):
            continue
        if any(is_sa_id_number(text[i : i + 13]) for i in range(start, end - 12)):
            return True
        digits = text[start:end]
        for (_, before), (after, last) in zip(groups[first:], groups[first + 1 :], strict=False):
            if not re.fullmatch("[ .,:_/-]{1,3}", text[before:after]):
                break
            digits += text[after:last]
            if is_sa_id_number(digits):
                return True
    return False


@given(TEXTS)
def test_a_text(text: str) -> None:
    assert (find_id_number(text) is not None) == is_holding_id_number(text)


@given(SPLIT, PIECES, PIECES)
def test_a_number_in_groups(separators: list[str], before: str, after: str) -> None:
    number = "".join(a + b for a, b in zip(NUMBER, [*separators, ""], strict=True))
    text = before + number + after
    assert (find_id_number(text) is not None) == is_holding_id_number(text)


@given(st.lists(TEXTS, max_size=8))
def test_texts_together(texts: list[str]) -> None:
    expected = next((n for n, text in enumerate(texts) if is_holding_id_number(text)), None)
    assert find_id_number(BREAK.join(texts)) == expected


@given(st.lists(TEXTS, max_size=8))
def test_a_document_finds_what_its_texts_alone_hold(texts: list[str]) -> None:
    rules = [find_personal_data(text) for text in texts]
    expected = next(((rule, f"[{n}]") for n, rule in enumerate(rules) if rule), None)
    finding = find_in_document([[text] for text in texts])
    found = None if finding is None else (finding.rule, finding.where.removesuffix("[0]"))
    assert found == expected
