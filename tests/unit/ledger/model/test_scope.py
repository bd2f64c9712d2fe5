# SPDX-License-Identifier: Apache-2.0
"""What lies within what: the table of scopes, dimension by dimension."""

from __future__ import annotations

import pytest

from ledger.model.operations import Scope
from ledger.model.qualification import QualificationFacts
from ledger.model.scope import (
    is_in_sub_framework,
    is_question_in_scope,
    is_scope_covered,
    is_scope_overlapping,
)

ELECTRICIAN = QualificationFacts("za:saqa:q:91761", "OQSF", ("za:ofo:2021:671101",))
WELDER = QualificationFacts("za:saqa:q:94100", "OQSF", ("za:ofo:2021:651202",))
DEGREE = QualificationFacts("za:saqa:q:5", "HEQSF", ())
FACTS = {facts.name: facts for facts in (ELECTRICIAN, WELDER, DEGREE)}
UNKNOWN = "za:saqa:q:1"
lookup = FACTS.get

ALL = Scope()
OQSF = Scope(sub_frameworks=("OQSF",))
HEQSF = Scope(sub_frameworks=("HEQSF",))
BOTH = Scope(sub_frameworks=("HEQSF", "OQSF"))


def qualifications(*names: str) -> Scope:
    return Scope(qualifications=tuple(sorted(names)))


def trades(*names: str) -> Scope:
    return Scope(trades=tuple(sorted(names)))


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        (ALL, ALL, True),
        (OQSF, ALL, True),
        (ALL, OQSF, False),
        (OQSF, OQSF, True),
        (OQSF, BOTH, True),
        (BOTH, OQSF, False),
        (HEQSF, OQSF, False),
        (qualifications(ELECTRICIAN.name), OQSF, True),
        (qualifications(ELECTRICIAN.name, WELDER.name), OQSF, True),
        (qualifications(ELECTRICIAN.name, DEGREE.name), OQSF, False),
        (qualifications(DEGREE.name), OQSF, False),
        (qualifications(UNKNOWN), OQSF, False),
        (Scope(sub_frameworks=("OQSF",), qualifications=(DEGREE.name,)), OQSF, False),
        (Scope(sub_frameworks=("HEQSF",), qualifications=(ELECTRICIAN.name,)), OQSF, False),
        (trades("za:ofo:2021:671101"), OQSF, True),
        (trades("za:ofo:2021:671101"), HEQSF, False),
        (Scope(sites=("1",)), OQSF, False),
        (Scope(designations=("PrEng",)), OQSF, False),
        (qualifications(ELECTRICIAN.name), qualifications(ELECTRICIAN.name, WELDER.name), True),
        (qualifications(ELECTRICIAN.name, WELDER.name), qualifications(ELECTRICIAN.name), False),
        (ALL, qualifications(ELECTRICIAN.name), False),
        (OQSF, qualifications(ELECTRICIAN.name), False),
        (trades(*ELECTRICIAN.trades), qualifications(ELECTRICIAN.name), True),
        (trades(*ELECTRICIAN.trades), qualifications(WELDER.name), False),
        (trades(*ELECTRICIAN.trades, *WELDER.trades), qualifications(WELDER.name), False),
        (trades("za:ofo:2021:671101"), qualifications(UNKNOWN), False),
        # Trades beside qualifications lie within the outer qualifications too.
        (
            Scope(qualifications=(ELECTRICIAN.name,), trades=ELECTRICIAN.trades),
            qualifications(ELECTRICIAN.name),
            True,
        ),
        (
            Scope(qualifications=(ELECTRICIAN.name,), trades=WELDER.trades),
            qualifications(ELECTRICIAN.name),
            False,
        ),
        (Scope(qualifications=(DEGREE.name,), trades=WELDER.trades), HEQSF, False),
        # Another version of the OFO names the same occupation.
        (trades("za:ofo:2019:671101"), qualifications(ELECTRICIAN.name), True),
        (trades("za:ofo:2019:671101"), trades("za:ofo:2021:671101"), True),
        (Scope(designations=("a",)), Scope(designations=("a", "b")), True),
        (Scope(designations=("a", "c")), Scope(designations=("a", "b")), False),
        (ALL, Scope(designations=("a",)), False),
        (trades("a"), trades("a", "b"), True),
        (trades("c"), trades("a", "b"), False),
        (ALL, trades("a"), False),
        # Sites are names within one organisation: the grantor's do not bind the grantee's.
        (Scope(sites=("1",)), Scope(sites=("2",)), True),
        (ALL, Scope(sites=("2",)), True),
    ],
)
def test_covered(inner: Scope, outer: Scope, *, expected: bool) -> None:
    assert is_scope_covered(inner, outer, lookup) is expected


def test_unknown_qualification_can_be_left_to_another_check() -> None:
    inner = qualifications(UNKNOWN)
    assert is_scope_covered(inner, OQSF, lookup, skip_unknown=True)
    assert not is_scope_covered(
        qualifications(UNKNOWN, DEGREE.name), OQSF, lookup, skip_unknown=True
    )
    assert is_in_sub_framework(inner, "OQSF", lookup, skip_unknown=True)
    assert not is_in_sub_framework(inner, "OQSF", lookup)


@pytest.mark.parametrize(
    ("scope", "question", "expected"),
    [
        (ALL, {"qualification": ELECTRICIAN, "site": "1"}, True),
        (OQSF, {"qualification": ELECTRICIAN}, True),
        (HEQSF, {"qualification": ELECTRICIAN}, False),
        (qualifications(WELDER.name), {"qualification": ELECTRICIAN}, False),
        (qualifications(ELECTRICIAN.name), {"qualification": ELECTRICIAN}, True),
        (trades(*ELECTRICIAN.trades), {"qualification": ELECTRICIAN}, True),
        (trades(*WELDER.trades), {"qualification": ELECTRICIAN}, False),
        (trades("za:ofo:2019:671101"), {"qualification": ELECTRICIAN}, True),
        (trades("za:ofo:2019:671101"), {"trade": "za:ofo:2021:671101"}, True),
        (trades(*WELDER.trades), {"qualification": DEGREE}, False),
        # A trade is a matter of OQSF, whatever occupation another qualification names.
        (
            trades(*WELDER.trades),
            {"qualification": QualificationFacts("za:saqa:q:5", "HEQSF", WELDER.trades)},
            False,
        ),
        (Scope(designations=("PrEng",)), {"qualification": ELECTRICIAN}, False),
        (Scope(sites=("1", "2")), {"site": "2"}, True),
        (Scope(sites=("1", "2")), {"site": "3"}, False),
        (Scope(sites=("1", "2")), {"site": None}, True),
        (qualifications(WELDER.name), {"qualification": None}, True),
        (Scope(designations=("PrEng",)), {"designation": "PrEng"}, True),
        (Scope(designations=("PrEng",)), {"designation": "PrTech"}, False),
        (trades("a"), {"trade": "a"}, True),
        (trades("a"), {"trade": "b"}, False),
        (ALL, {"trade": "b", "designation": "c"}, True),
        (OQSF, {"trade": "b"}, True),
        (HEQSF, {"trade": "b"}, False),
        (Scope(sub_frameworks=("HEQSF",), trades=("b",)), {"trade": "b"}, False),
        (qualifications(ELECTRICIAN.name), {"trade": ELECTRICIAN.trades[0]}, False),
        # Dimensions restrict together.
        (
            Scope(qualifications=(ELECTRICIAN.name,), trades=WELDER.trades),
            {"qualification": ELECTRICIAN},
            False,
        ),
        (
            Scope(qualifications=(ELECTRICIAN.name,), designations=("PrEng",)),
            {"qualification": ELECTRICIAN},
            False,
        ),
    ],
)
def test_question(scope: Scope, question: dict[str, object], *, expected: bool) -> None:
    assert is_question_in_scope(scope, **question) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (ALL, ALL, True),
        (ALL, OQSF, True),
        (HEQSF, OQSF, False),
        (HEQSF, ALL, False),
        (OQSF, qualifications(ELECTRICIAN.name), True),
        (OQSF, qualifications(DEGREE.name), False),
        (qualifications(ELECTRICIAN.name), qualifications(ELECTRICIAN.name, WELDER.name), True),
        (qualifications(ELECTRICIAN.name), qualifications(WELDER.name), False),
        (qualifications(UNKNOWN), qualifications(UNKNOWN), True),
        (qualifications(DEGREE.name), qualifications(DEGREE.name), False),
        (trades(*ELECTRICIAN.trades), qualifications(ELECTRICIAN.name), True),
        (trades(*ELECTRICIAN.trades), qualifications(WELDER.name), False),
        (trades("a"), trades("a", "b"), True),
        (trades("a"), trades("b"), False),
        (trades("za:ofo:2019:671101"), qualifications(ELECTRICIAN.name), True),
        (trades("za:ofo:2019:671101"), trades("za:ofo:2021:671101"), True),
        (trades("a"), OQSF, True),
        (Scope(designations=("a",)), ALL, False),
        (
            Scope(qualifications=(ELECTRICIAN.name,), sites=("1",)),
            Scope(qualifications=(ELECTRICIAN.name,), sites=("2",)),
            True,
        ),
    ],
)
def test_overlap_within_oqsf(first: Scope, second: Scope, *, expected: bool) -> None:
    assert is_scope_overlapping(first, second, "OQSF", lookup) is expected
    assert is_scope_overlapping(second, first, "OQSF", lookup) is expected
