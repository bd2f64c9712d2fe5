# SPDX-License-Identifier: Apache-2.0
"""Scopes of accreditations: what lies within what, and what overlaps.

A scope restricts dimensions; an empty list restricts nothing in its dimension. Scope only narrows
downstream: what is granted lies within what the grantor holds. Site codes are names within one
organisation, so they are compared with a question about that organisation, never between grantor
and grantee.

The year in an occupation's identifier says which version of the OFO it was read from, not which
occupation it is: occupations are compared by their code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ledger.model.charter_document import SUB_FRAMEWORKS, TRADES_SUB_FRAMEWORK
from ledger.model.identifiers import (
    is_designation,
    is_occupation,
    is_qualification,
    is_site_code,
    occupation_code,
)
from ledger.model.operations import Scope
from ledger.model.qualification import QualificationFacts, QualificationLookup

_ELEMENT_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "sub_frameworks": SUB_FRAMEWORKS.__contains__,
    "qualifications": is_qualification,
    "sites": is_site_code,
    "designations": is_designation,
    "trades": is_occupation,
}


def is_scope_element(kind: str, text: str) -> bool:
    """Whether `text` has the form of what a scope names in one of SCOPE_KINDS."""
    return _ELEMENT_CHECKS[kind](text)


def is_scope_covered(
    inner: Scope, outer: Scope, lookup: QualificationLookup, *, skip_unknown: bool = False
) -> bool:
    """Whether a grant of `inner` lies within a grantor's `outer`.

    A restriction to sub-frameworks is met by naming some of them, or qualifications registered in
    them, or, for the sub-framework of trades, trades alone. A restriction to qualifications is met
    by naming some of them, or trades that belong to some of them; when both are named, both must
    lie within it.

    Args:
        inner: what would be granted.
        outer: what the grantor holds.
        lookup: facts about qualifications.
        skip_unknown: leave qualifications that are not registered to another check.
    """
    return (
        _is_within_sub_frameworks(inner, outer, lookup, skip_unknown=skip_unknown)
        and _is_within_qualifications(inner, outer, lookup)
        and _is_narrowed(inner.designations, outer.designations)
        and _is_narrowed(_list_codes(inner.trades), _list_codes(outer.trades))
    )


def _list_codes(trades: Iterable[str]) -> tuple[str, ...]:
    return tuple(occupation_code(trade) for trade in trades)


def _is_trade_among(trade: str, trades: Iterable[str]) -> bool:
    return occupation_code(trade) in _list_codes(trades)


def _is_narrowed(inner: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    return not outer or (bool(inner) and all(item in outer for item in inner))


def _is_within_sub_frameworks(
    inner: Scope, outer: Scope, lookup: QualificationLookup, *, skip_unknown: bool
) -> bool:
    if not outer.sub_frameworks:
        return True
    if any(name not in outer.sub_frameworks for name in inner.sub_frameworks):
        return False
    if inner.trades and TRADES_SUB_FRAMEWORK not in outer.sub_frameworks:
        return False
    for name in inner.qualifications:
        facts = lookup(name)
        if facts is None:
            if not skip_unknown:
                return False
        elif facts.sub_framework not in outer.sub_frameworks:
            return False
    return bool(inner.sub_frameworks or inner.qualifications or inner.trades)


def _is_within_qualifications(inner: Scope, outer: Scope, lookup: QualificationLookup) -> bool:
    if not outer.qualifications:
        return True
    if not inner.qualifications and not inner.trades:
        return False
    if any(name not in outer.qualifications for name in inner.qualifications):
        return False
    if not inner.trades:
        return True
    codes: set[str] = set()
    for name in outer.qualifications:
        facts = lookup(name)
        if facts is not None:
            codes.update(_list_codes(facts.trades))
    return all(code in codes for code in _list_codes(inner.trades))


def is_in_sub_framework(
    scope: Scope, sub_framework: str, lookup: QualificationLookup, *, skip_unknown: bool = False
) -> bool:
    """Whether everything that a scope names lies within one sub-framework."""
    return _is_within_sub_frameworks(
        scope, Scope(sub_frameworks=(sub_framework,)), lookup, skip_unknown=skip_unknown
    )


def is_question_in_scope(
    scope: Scope,
    *,
    qualification: QualificationFacts | None = None,
    site: str | None = None,
    designation: str | None = None,
    trade: str | None = None,
) -> bool:
    """Whether a scope includes what is asked about; None: not asked, so not compared.

    Args:
        scope: of a grant.
        qualification: facts about the qualification in question.
        site: code of a site of the grantee.
        designation: of a professional body.
        trade: an occupation; for a scope that names qualifications and no trades, ask about the
            qualification instead.
    """
    if qualification is not None and not _is_qualification_in_scope(scope, qualification):
        return False
    if site is not None and scope.sites and site not in scope.sites:
        return False
    if designation is not None and scope.designations and designation not in scope.designations:
        return False
    return trade is None or _is_trade_in_scope(scope, trade)


def _is_qualification_in_scope(scope: Scope, qualification: QualificationFacts) -> bool:
    # Designations are no qualifications: who may award them may not thereby train or certify.
    if scope.designations:
        return False
    if scope.sub_frameworks and qualification.sub_framework not in scope.sub_frameworks:
        return False
    if scope.qualifications and qualification.name not in scope.qualifications:
        return False
    # A qualification for several trades needs all of them: otherwise grants for different trades,
    # which share nothing when they are made, would both cover it.
    return not scope.trades or (
        qualification.sub_framework == TRADES_SUB_FRAMEWORK
        and bool(qualification.trades)
        and all(_is_trade_among(trade, scope.trades) for trade in qualification.trades)
    )


def _is_trade_in_scope(scope: Scope, trade: str) -> bool:
    if scope.designations:
        return False
    if scope.sub_frameworks and TRADES_SUB_FRAMEWORK not in scope.sub_frameworks:
        return False
    return _is_trade_among(trade, scope.trades) if scope.trades else not scope.qualifications


@dataclass(frozen=True, slots=True)
class _Extent:
    """What a scope reaches within one sub-framework."""

    whole: bool
    qualifications: frozenset[str]
    trade_codes: frozenset[str]

    @property
    def is_empty(self) -> bool:
        return not (self.whole or self.qualifications or self.trade_codes)


def _compute_extent(scope: Scope, sub_framework: str, lookup: QualificationLookup) -> _Extent:
    nothing: frozenset[str] = frozenset()
    is_outside = scope.sub_frameworks and sub_framework not in scope.sub_frameworks
    if is_outside or scope.designations:
        return _Extent(whole=False, qualifications=nothing, trade_codes=nothing)
    if not scope.qualifications and not scope.trades:
        return _Extent(whole=True, qualifications=nothing, trade_codes=nothing)
    names: list[str] = []
    for name in scope.qualifications:
        facts = lookup(name)
        # One that is not registered counts everywhere: equal names overlap all the same.
        if facts is None or facts.sub_framework == sub_framework:
            names.append(name)
    trades = scope.trades if sub_framework == TRADES_SUB_FRAMEWORK else ()
    return _Extent(
        whole=False,
        qualifications=frozenset(names),
        trade_codes=frozenset(_list_codes(trades)),
    )


def is_scope_overlapping(
    first: Scope, second: Scope, sub_framework: str, lookup: QualificationLookup
) -> bool:
    """Whether two scopes share something within a sub-framework. Sites do not keep them apart."""
    one = _compute_extent(first, sub_framework, lookup)
    other = _compute_extent(second, sub_framework, lookup)
    if one.is_empty or other.is_empty:
        return False
    if one.whole or other.whole:
        return True
    if one.qualifications & other.qualifications or one.trade_codes & other.trade_codes:
        return True
    return _is_trade_of(one.trade_codes, other.qualifications, lookup) or _is_trade_of(
        other.trade_codes, one.qualifications, lookup
    )


def _is_trade_of(
    codes: frozenset[str], qualifications: frozenset[str], lookup: QualificationLookup
) -> bool:
    if not codes:
        return False
    for name in sorted(qualifications):
        facts = lookup(name)
        if facts is None:
            continue
        # One that names no trade may be for any of them: its list may only be missing so far.
        if not facts.trades or any(code in codes for code in _list_codes(facts.trades)):
            return True
    return False
