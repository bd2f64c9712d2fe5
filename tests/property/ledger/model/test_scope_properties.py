# SPDX-License-Identifier: Apache-2.0
"""Scope only narrows: whatever a covered scope lets one do, the covering scope did too."""

from __future__ import annotations

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ledger.model.operations import Scope
from ledger.model.qualification import QualificationFacts
from ledger.model.scope import is_question_in_scope, is_scope_covered, is_scope_overlapping

TRADES = ("za:ofo:2021:651202", "za:ofo:2021:671101", "za:ofo:2021:671202")
FACTS = {
    facts.name: facts
    for facts in (
        QualificationFacts("q1", "OQSF", TRADES[:1]),
        QualificationFacts("q2", "OQSF", TRADES[:2]),
        QualificationFacts("q3", "OQSF", ()),
        QualificationFacts("q4", "HEQSF", TRADES[1:]),
        QualificationFacts("q5", "GFETQSF", ()),
    )
}
lookup = FACTS.get


def subsets(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(st.sampled_from(names), max_size=3).map(lambda found: tuple(sorted(found)))


scopes = st.builds(
    Scope,
    sub_frameworks=subsets(("GFETQSF", "HEQSF", "OQSF")),
    qualifications=subsets((*FACTS, "unknown")),
    trades=subsets(TRADES),
    designations=subsets(("a", "b")),
)


@st.composite
def nested_scopes(draw: st.DrawFn) -> tuple[Scope, Scope]:
    """Two scopes, the second mostly the wider one."""
    inner, other = draw(scopes), draw(scopes)
    kinds = ("sub_frameworks", "qualifications", "trades", "designations")
    wider = {
        kind: tuple(sorted({*getattr(inner, kind), *getattr(other, kind)}))
        if draw(st.booleans())
        else ()
        for kind in kinds
    }
    return inner, Scope(**wider)


questions = st.fixed_dictionaries(
    {},
    optional={
        "qualification": st.sampled_from(list(FACTS.values())),
        "trade": st.sampled_from(TRADES),
        "designation": st.sampled_from(["a", "b"]),
    },
)


@settings(deadline=None, max_examples=600)
@given(pair=nested_scopes(), question=questions)
def test_covered_scope_allows_no_more(
    pair: tuple[Scope, Scope], question: dict[str, object]
) -> None:
    inner, outer = pair
    assume(is_scope_covered(inner, outer, lookup))
    # From a scope of qualifications to one of trades the ledger translates: a trade is covered by
    # any qualification for it. Questions that only one of the two can answer are left out.
    translated = bool(inner.trades and outer.qualifications)
    assume(not translated or (inner.qualifications and "trade" not in question))
    if is_question_in_scope(inner, **question):  # type: ignore[arg-type]
        assert is_question_in_scope(outer, **question)  # type: ignore[arg-type]


@given(scope=scopes)
def test_scope_covers_itself_unless_something_in_it_is_unknown(scope: Scope) -> None:
    frameworks = {facts.sub_framework for facts in FACTS.values()}
    if is_scope_covered(scope, Scope(), lookup):
        assert frameworks
    covered = is_scope_covered(scope, scope, lookup)
    consistent = not scope.sub_frameworks or all(
        (facts := lookup(name)) is not None and facts.sub_framework in scope.sub_frameworks
        for name in scope.qualifications
    )
    trades = {
        trade for name in scope.qualifications if (facts := lookup(name)) for trade in facts.trades
    }
    if scope.trades and scope.sub_frameworks and "OQSF" not in scope.sub_frameworks:
        consistent = False
    if scope.qualifications and not trades.issuperset(scope.trades):
        consistent = False
    assert covered is consistent


@example(first=Scope(trades=TRADES[:1]), second=Scope(trades=TRADES[1:2]), sub_framework="OQSF")
@settings(max_examples=400)
@given(first=scopes, second=scopes, sub_framework=st.sampled_from(["OQSF", "HEQSF"]))
def test_overlap_is_symmetric_and_found_by_questions(
    first: Scope, second: Scope, sub_framework: str
) -> None:
    overlapping = is_scope_overlapping(first, second, sub_framework, lookup)
    assert overlapping is is_scope_overlapping(second, first, sub_framework, lookup)
    shared = [
        facts
        for facts in FACTS.values()
        if facts.sub_framework == sub_framework
        and is_question_in_scope(first, qualification=facts)
        and is_question_in_scope(second, qualification=facts)
    ]
    if shared:
        assert overlapping, "both may act for one qualification"
