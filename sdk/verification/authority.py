# SPDX-License-Identifier: Apache-2.0
"""Was this issuer accredited for this, there, on that day? Shared by verifier, issuer and command.

A grant counts on a day when it covers the power, the qualification and the site, and when it and
every grant above it up to the root hold on that day. Judged on the day of the assessment, not now:
withdrawal does not undo what was issued before, withdrawal from the beginning does.

A document's kind is defined by the template it names, and anybody may publish templates. So one
counts only when it comes from somebody in that chain of authority: a body above the issuer, or the
issuer itself when a root organisation stands directly above it. Otherwise a provider could print
"certificate" over what it may issue. For the same reason only powers whose use ends in a document
(`ledger.model.document_powers`) count for documents, and a grant that is bound to sites covers no
document that leaves the site out: only a question may leave it open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from ledger.model.accreditation import (
    GrantStatus,
    chain_status,
    held_span,
    is_power_in_scope,
    status_on,
)
from ledger.model.civil_date import OPEN_END, day_of, is_within
from ledger.model.document_powers import DOCUMENT_POWERS
from ledger.model.identifiers import CHARTER
from ledger.model.operations import Scope
from ledger.model.qualification import QualificationFacts
from ledger.model.records import GrantEventKind, GrantRecord
from sdk.moments import to_date
from sdk.report import ChainLink
from sdk.results import Decision
from sdk.verdicts import (
    ACCREDITATION_NOT_VALID_THEN,
    ACCREDITATION_OUT_OF_SCOPE,
    ACCREDITATION_VOID,
    AUTHORITY,
    NOT_ANCHORED_IN_TIME,
)
from sdk.verification.findings import Finding, failed, passed, warned
from sdk.verification.ledger_facts import IssuerFacts
from sdk.verification.wording import (
    qualification_number,
    word_day,
    word_day_of_time,
    word_name,
    word_power,
    word_short_name,
    word_span,
)

ALLOWED: Final = "ALLOWED"

Chain = tuple[GrantRecord, ...]


@dataclass(frozen=True, slots=True)
class AuthorityQuestion:
    """Who, for what, where, when; `today` is the day on which it is asked."""

    power: str
    qualification: QualificationFacts | None
    site: str | None
    day: int
    today: int
    issued: int | None = None
    """Day on which the document says it was issued; None: no document is judged."""

    def about(self) -> str:
        """`91761 at site 2`, or the power's words where no qualification was asked about."""
        parts: list[str] = []
        if self.qualification is not None:
            parts.append(qualification_number(self.qualification.name))
        if self.site is not None:
            parts.append(f"at site {self.site}")
        return " ".join(parts)

    def for_about(self) -> str:
        """The same to follow a verb: ` for 91761 at site 2`; empty when neither was asked about."""
        about = self.about()
        if not about:
            return ""
        return f" for {about}" if self.qualification is not None else f" {about}"


@dataclass(frozen=True, slots=True)
class Authority:
    """The answer, with the chain of grants that decides; `chain` ends at the issuer."""

    decision: Decision
    chain: tuple[ChainLink, ...]
    finding: Finding


def judge_authority(
    issuer: IssuerFacts, question: AuthorityQuestion, *, template_owner: str | None = None
) -> Authority:
    """Answer the question from proven facts.

    Args:
        issuer: with its grants.
        question: what is asked.
        template_owner: who published the template; None: no document is judged.
    """
    if template_owner is not None and question.power not in DOCUMENT_POWERS:
        return _refuse_power(issuer, question)
    held = [
        chain
        for chain in issuer.chains
        if is_power_in_scope(
            chain[0], question.power, qualification=question.qualification, site=question.site
        )
    ]
    good = [chain for chain in held if chain_status(chain, question.day)]
    if template_owner is not None:
        defined = [chain for chain in good if may_define(template_owner, chain, issuer.did)]
        if good and not defined:
            return _refuse_template(issuer, question, good[0], template_owner)
        good = defined
        if question.site is None:
            good = [chain for chain in defined if not (chain[0].scope or Scope()).sites]
            if defined and not good:
                return _refuse_without_site(issuer, question, defined[0])
    if good:
        return _accept(issuer, question, _best(good, question))
    if not held:
        return _refuse_scope(issuer, question)
    return _refuse_time(issuer, question, held)


def may_define(owner: str, chain: Chain, issuer: str) -> bool:
    """Whether `owner` may say what a document issued under this chain is."""
    if any(grant.grantor == owner for grant in chain):
        return True
    # The root itself, or who stands directly below it.
    return owner == issuer and chain[:2][-1].grantor == CHARTER


def _best(chains: Sequence[Chain], question: AuthorityQuestion) -> Chain:
    """Of several that count then, one that still counts today; of those one that was on record on
    the day that is asked about; of those the one that ends last.
    """

    def rank(chain: Chain) -> tuple[bool, bool, int]:
        is_good_today = bool(chain_status(chain, question.today))
        return is_good_today, not _is_recorded_late(chain, question), _last_day(chain)

    return max(chains, key=rank)


def _last_day(chain: Chain) -> int:
    """Last day on which the whole chain holds as far as is known; a large number when open."""
    days: list[int] = []
    for grant in chain:
        span = held_span(grant)
        if span is None:
            return 0
        if span[1] != OPEN_END:
            days.append(span[1])
    return min(days, default=_NO_END)


_NO_END: Final = 10**9


def _until(chain: Chain) -> date | None:
    last = _last_day(chain)
    return None if last == _NO_END else to_date(last)


def _accept(issuer: IssuerFacts, question: AuthorityQuestion, chain: Chain) -> Authority:
    path = _path(issuer, chain)
    on = word_day(question.day)
    may = f"{path}: may {word_power(question.power)}{question.for_about()} on {on}"
    evidence = _evidence(question, chain)
    now = chain_status(chain, question.today)
    unregistered = question.site is not None and not _has_site(issuer, question.site)
    late = _recorded_late(chain, question)
    said = may
    if now.status in {GrantStatus.WITHDRAWN, GrantStatus.SUSPENDED, GrantStatus.VOID}:
        since = _since(issuer, now.grant, now.status, question.today)
        said = f"{may}; {since}"
        what = _what_stays_good(now.grant, now.status, question)
        text = f"accredited on {on}{late}; {since}. {what[0].upper()}{what[1:]}."
        summary = f"{since}; {what}"
        finding = warned(AUTHORITY, text, NOT_ANCHORED_IN_TIME, summary, evidence)
    elif unregistered:
        text = f"{may}; site {question.site} is not among its registered sites{late}"
        finding = warned(AUTHORITY, text, ACCREDITATION_OUT_OF_SCOPE, evidence=evidence)
    elif late:
        # No strict code: of every past that was loaded into a ledger this is true.
        finding = warned(AUTHORITY, f"{may}{late}", None, evidence=evidence)
    else:
        finding = passed(AUTHORITY, may, evidence)
    decision = Decision(True, ALLOWED, said, chain[0].grant_id, _until(chain))
    return Authority(decision, _links(issuer, chain, question), finding)


def _what_stays_good(grant: GrantRecord, status: GrantStatus, question: AuthorityQuestion) -> str:
    """What a withdrawal or suspension leaves untouched, without saying more of the document than
    is known: one may be dated after the end, for an assessment before it.
    """
    if status is GrantStatus.SUSPENDED:
        ended = _suspended_since(grant, question.today)
    else:
        span = held_span(grant)
        ended = _NO_END if span is None or span[1] == OPEN_END else span[1] + 1
    if question.issued is not None and question.issued >= ended:
        return f"issued after that, on {word_day(question.issued)}, for an assessment before it"
    return "what was issued before stays good"


def _is_recorded_late(chain: Chain, question: AuthorityQuestion) -> bool:
    """Whether the grant came onto the ledger after the day of the assessment. The ones above it
    were there before it: the ledger takes no grant without them.
    """
    return day_of(chain[0].recorded_at) > question.day


def _recorded_late(chain: Chain, question: AuthorityQuestion) -> str:
    if not _is_recorded_late(chain, question):
        return ""
    return f"; recorded on {word_day_of_time(chain[0].recorded_at)}, after the assessment"


def _refuse_scope(issuer: IssuerFacts, question: AuthorityQuestion) -> Authority:
    name = word_name(issuer.did, issuer.organisation)
    powers = {power for chain in issuer.chains for power in chain[0].powers}
    if not issuer.chains:
        text = f"{name} holds no accreditation"
    elif question.power not in powers:
        text = f"{name} holds no power to {word_power(question.power)}"
    else:
        reach = question.about() or "this"
        text = f"its power to {word_power(question.power)} does not reach {reach}"
    summary = f"{name} is not accredited to {word_power(question.power)}{question.for_about()}."
    return _refuse(issuer, question, (), ACCREDITATION_OUT_OF_SCOPE, text, summary)


def _refuse_power(issuer: IssuerFacts, question: AuthorityQuestion) -> Authority:
    name = word_name(issuer.did, issuer.organisation)
    text = f"no document is issued under the power to {word_power(question.power)}"
    summary = f"{name} is not accredited to issue this kind of document."
    return _refuse(issuer, question, (), ACCREDITATION_OUT_OF_SCOPE, text, summary)


def _refuse_without_site(
    issuer: IssuerFacts, question: AuthorityQuestion, chain: Chain
) -> Authority:
    name = word_name(issuer.did, issuer.organisation)
    text = "accredited at certain sites only, and the document names none"
    summary = (
        f"{name} is not accredited to {word_power(question.power)}{question.for_about()}"
        " without naming the site."
    )
    return _refuse(issuer, question, chain, ACCREDITATION_OUT_OF_SCOPE, text, summary)


def _refuse_template(
    issuer: IssuerFacts, question: AuthorityQuestion, chain: Chain, owner: str
) -> Authority:
    name = word_name(issuer.did, issuer.organisation)
    by = word_short_name(owner, issuer.organisations.get(owner))
    text = f"what this document is, was defined by {by}, who is not above {name}"
    summary = f"{name} is not accredited to issue this kind of document."
    return _refuse(issuer, question, chain, ACCREDITATION_OUT_OF_SCOPE, text, summary)


def _refuse_time(
    issuer: IssuerFacts, question: AuthorityQuestion, chains: Sequence[Chain]
) -> Authority:
    name = word_name(issuer.did, issuer.organisation)
    on = word_day(question.day)
    summary = f"{name} was not accredited{question.for_about()} on {on}."
    void = [
        chain
        for chain in chains
        if chain_status(chain, question.day).status is GrantStatus.VOID
        and is_within(question.day, chain[0].valid_from, chain[0].valid_until)
    ]
    others = [
        chain
        for chain in chains
        if chain_status(chain, question.day).status is not GrantStatus.VOID
    ]
    if void or not others:
        chain = (void or list(chains))[0]
        grant = chain_status(chain, question.day).grant
        who = _by(issuer, grant, GrantEventKind.AB_INITIO_CONFIRMED)
        whose = "" if grant is chain[0] else f" of {_holder(issuer, grant)}"
        text = f"the accreditation{whose} was withdrawn from its beginning{who}"
        summary = f"{name} was not accredited{question.for_about()}: {text}."
        return _refuse(issuer, question, chain, ACCREDITATION_VOID, text, summary)
    chain = min(others, key=lambda item: _distance(item, question.day))
    found = chain_status(chain, question.day)
    text = _term_text(issuer, chain, found.grant, found.status, question.day)
    return _refuse(issuer, question, chain, ACCREDITATION_NOT_VALID_THEN, text, summary)


def _distance(chain: Chain, day: int) -> int:
    """How far a day lies from a chain's own term: the nearest explains most."""
    span = held_span(chain[0])
    if span is None:
        return _NO_END
    if day < span[0]:
        return span[0] - day
    return 0 if span[1] == OPEN_END else max(0, day - span[1])


def _term_text(
    issuer: IssuerFacts, chain: Chain, grant: GrantRecord, status: GrantStatus, day: int
) -> str:
    whose = "accredited" if grant is chain[0] else f"{_holder(issuer, grant)} held its power"
    span = held_span(grant)
    if span is None:
        return f"never accredited: withdrawn{_by(issuer, grant, GrantEventKind.WITHDRAWN)}"
    text = f"{whose} {word_span(*span)}"
    if status is GrantStatus.WITHDRAWN:
        return f"{text} (withdrawn{_by(issuer, grant, GrantEventKind.WITHDRAWN)})"
    if status is GrantStatus.SUSPENDED:
        since = _suspended_since(grant, day)
        by = _by(issuer, grant, GrantEventKind.SUSPENDED)
        return f"{text}, suspended since {word_day(since)}{by}"
    return text


def _refuse(
    issuer: IssuerFacts,
    question: AuthorityQuestion,
    chain: Chain,
    code: str,
    text: str,
    summary: str,
) -> Authority:
    decision = Decision(False, code, summary, None, None)
    finding = failed(AUTHORITY, code, text, summary, _evidence(question, chain))
    return Authority(decision, _links(issuer, chain, question), finding)


def _evidence(question: AuthorityQuestion, chain: Chain) -> dict[str, Any]:
    return {
        "power": question.power,
        "qualification": None if question.qualification is None else question.qualification.name,
        "site": question.site,
        "on": to_date(question.day),
        "grants": [grant.grant_id for grant in reversed(chain)],
    }


def _path(issuer: IssuerFacts, chain: Chain) -> str:
    names = [
        word_short_name(grant.grantee, issuer.organisations.get(grant.grantee)) for grant in chain
    ]
    return " > ".join(reversed(names))


def _holder(issuer: IssuerFacts, grant: GrantRecord) -> str:
    return word_short_name(grant.grantee, issuer.organisations.get(grant.grantee))


def _by(issuer: IssuerFacts, grant: GrantRecord, kind: GrantEventKind) -> str:
    """` by QCTO`: who recorded the latest event of a kind."""
    for event in reversed(grant.events):
        if event.kind is kind:
            # The second party confirms; the first one withdrew.
            by = grant.grantor if kind is GrantEventKind.AB_INITIO_CONFIRMED else event.by
            return f" by {word_short_name(by, issuer.organisations.get(by))}"
    return ""


def _since(issuer: IssuerFacts, grant: GrantRecord, status: GrantStatus, today: int) -> str:
    if status is GrantStatus.SUSPENDED:
        return f"suspended since {word_day(_suspended_since(grant, today))}"
    span = held_span(grant)
    by = _by(issuer, grant, GrantEventKind.WITHDRAWN)
    if span is None or span[1] == OPEN_END:
        return f"withdrawn since{by}"
    return f"withdrawn since (last day {word_day(span[1])}{by and ','}{by})"


def _suspended_since(grant: GrantRecord, day: int) -> int:
    """First day of the suspension in force on a day."""
    first = day
    while first > grant.valid_from and status_on(grant, first - 1) is GrantStatus.SUSPENDED:
        first -= 1
    return first


def _has_site(issuer: IssuerFacts, site: str) -> bool:
    organisation = issuer.organisation
    return organisation is not None and any(held.code == site for held in organisation.sites)


def _links(issuer: IssuerFacts, chain: Chain, question: AuthorityQuestion) -> tuple[ChainLink, ...]:
    links: list[ChainLink] = []
    for position, grant in enumerate(reversed(chain)):
        is_issuer = position == len(chain) - 1
        links.append(
            ChainLink(
                did=grant.grantee,
                name=word_name(grant.grantee, issuer.organisations.get(grant.grantee)),
                power=question.power if is_issuer else ", ".join(grant.powers),
                scope=word_scope(grant.scope or Scope()),
                valid=word_span(grant.valid_from, grant.valid_until),
                status_then=status_on(grant, question.day).value,
                status_now=status_on(grant, question.today).value,
            )
        )
    return tuple(links)


def word_scope(scope: Scope) -> str:
    """A scope in words: `91761 at sites 1, 2`, `OQSF`, `country`."""
    parts: list[str] = []
    if scope.sub_frameworks:
        parts.append(", ".join(scope.sub_frameworks))
    if scope.qualifications:
        parts.append(", ".join(qualification_number(name) for name in scope.qualifications))
    if scope.trades:
        parts.append(f"trades {', '.join(scope.trades)}")
    if scope.designations:
        parts.append(f"designations {', '.join(scope.designations)}")
    text = "; ".join(parts) or "country"
    if scope.sites:
        text += f" at site{'s' if len(scope.sites) > 1 else ''} {', '.join(scope.sites)}"
    return text
