# SPDX-License-Identifier: Apache-2.0
"""Judging authority from grants alone: which grant decides, in which words, until when."""

from __future__ import annotations

from datetime import date

from ledger.model.charter import default_charter
from ledger.model.document_powers import DOCUMENT_POWERS
from ledger.model.identifiers import CHARTER
from ledger.model.operations import AccreditationReason, Scope
from ledger.model.qualification import QualificationFacts
from ledger.model.records import (
    GrantEvent,
    GrantEventKind,
    GrantRecord,
    OrganisationRecord,
    SiteRecord,
)
from sdk.verification.authority import (
    Authority,
    AuthorityQuestion,
    judge_authority,
    may_define,
    word_scope,
)
from sdk.verification.ledger_facts import IssuerFacts
from tests.support.ledger_world import day

ELECTRICIAN = QualificationFacts("za:saqa:q:91761", "OQSF", ("za:ofo:2021:671101",))
TODAY = day("2026-05-20")
ASSESSED = day("2026-05-14")
ROOT, COUNCIL, PROVIDER, STRANGER = "did:root", "did:council", "did:provider", "did:stranger"

ROOT_GRANT = GrantRecord(
    grant_id="root",
    grantor=CHARTER,
    grantee=ROOT,
    powers=("recognise-council",),
    scope=Scope(),
    valid_from=day("2009-06-01"),
)
COUNCIL_GRANT = GrantRecord(
    grant_id="council",
    grantor=ROOT,
    grantee=COUNCIL,
    powers=("accredit-provider",),
    scope=Scope(sub_frameworks=("OQSF",)),
    valid_from=day("2010-01-01"),
    parent="root",
)


def grant(
    grant_id: str = "g",
    *,
    since: str = "2024-02-01",
    until: str | None = "2029-01-31",
    powers: tuple[str, ...] = ("train",),
    scope: Scope | None = None,
    events: tuple[GrantEvent, ...] = (),
) -> GrantRecord:
    return GrantRecord(
        grant_id=grant_id,
        grantor=COUNCIL,
        grantee=PROVIDER,
        powers=powers,
        scope=scope or Scope(qualifications=(ELECTRICIAN.name,), sites=("1", "2")),
        valid_from=day(since),
        valid_until=day(until) if until else 0,
        parent="council",
        events=events,
    )


def event(kind: GrantEventKind, effective: str, by: str = COUNCIL) -> GrantEvent:
    return GrantEvent(
        kind=kind, effective=day(effective), reason=AccreditationReason.ERROR, recorded_at=1, by=by
    )


def named(did: str, name: str, *sites: str) -> OrganisationRecord:
    return OrganisationRecord(
        did=did,
        name=name,
        short_name=name.lower(),
        vouched_by=CHARTER,
        sites=tuple(SiteRecord(code=code) for code in sites),
    )


def issuer(*grants: GrantRecord, above: tuple[GrantRecord, ...] | None = None) -> IssuerFacts:
    upper = (COUNCIL_GRANT, ROOT_GRANT) if above is None else above
    organisations = [named(ROOT, "Root"), named(COUNCIL, "Council"), named(PROVIDER, "P", "1", "2")]
    return IssuerFacts(
        did=PROVIDER,
        did_record=None,
        organisations={held.did: held for held in organisations},
        chains=tuple((held, *upper) for held in grants),
    )


def judge(facts: IssuerFacts, *, on: int = ASSESSED, site: str | None = "2") -> Authority:
    return judge_authority(facts, AuthorityQuestion("train", ELECTRICIAN, site, on, TODAY))


def test_the_grant_that_still_counts_today_is_preferred_then_the_one_that_ends_last() -> None:
    ended = grant("ended", until="2026-05-15")
    short = grant("short", until="2027-01-01")
    long = grant("long", until="2028-01-01")
    found = judge(issuer(ended, short, long))
    assert (found.decision.grant_id, found.decision.until) == ("long", date(2028, 1, 1))
    assert judge(issuer(ended)).decision.grant_id == "ended"
    assert judge(issuer(long, grant("open", until=None))).decision.until is None


def test_a_chain_ends_when_its_first_link_does() -> None:
    council = GrantRecord(
        grant_id="council",
        grantor=ROOT,
        grantee=COUNCIL,
        powers=("accredit-provider",),
        scope=Scope(),
        valid_from=day("2010-01-01"),
        valid_until=day("2026-12-31"),
        parent="root",
    )
    found = judge(issuer(grant(), above=(council, ROOT_GRANT)))
    assert found.decision.until == date(2026, 12, 31)


def test_a_link_above_that_did_not_hold_is_named() -> None:
    withdrawn = GrantRecord(
        grant_id="council",
        grantor=ROOT,
        grantee=COUNCIL,
        powers=("accredit-provider",),
        scope=Scope(),
        valid_from=day("2010-01-01"),
        parent="root",
        events=(event(GrantEventKind.WITHDRAWN, "2026-01-01", by=ROOT),),
    )
    found = judge(issuer(grant(), above=(withdrawn, ROOT_GRANT)))
    assert found.decision.code == "ACCREDITATION_NOT_VALID_THEN"
    assert found.finding.text == (
        "COUNCIL held its power 1 January 2010 – 31 December 2025 (withdrawn by ROOT)"
    )
    since = judge(issuer(grant(), above=(withdrawn, ROOT_GRANT)), on=day("2025-12-31"))
    assert since.finding.outcome == "warn"
    assert "withdrawn since (last day 31 December 2025, by ROOT)" in since.finding.text


def test_of_several_that_did_not_count_the_nearest_explains() -> None:
    far = grant("far", since="2020-01-01", until="2021-01-01")
    near = grant("near", since="2026-05-15")
    assert "since" not in judge(issuer(far, near)).finding.text
    assert "15 May 2026" in judge(issuer(far, near)).finding.text


def test_a_void_grant_does_not_hide_that_another_one_had_ended() -> None:
    void = grant("void", events=(event(GrantEventKind.AB_INITIO_CONFIRMED, "2024-02-01"),))
    assert judge(issuer(void)).decision.code == "ACCREDITATION_VOID"
    later = grant("later", since="2026-05-15")
    assert judge(issuer(void, later)).decision.code == "ACCREDITATION_VOID"
    before = day("2024-01-01")
    assert judge(issuer(void, later), on=before).decision.code == "ACCREDITATION_NOT_VALID_THEN"
    assert judge(issuer(void), on=before).decision.code == "ACCREDITATION_VOID"


def test_withdrawn_before_it_began_was_never_held() -> None:
    gone = grant(events=(event(GrantEventKind.WITHDRAWN, "2024-02-01"),))
    found = judge(issuer(gone))
    assert found.decision.code == "ACCREDITATION_NOT_VALID_THEN"
    assert found.finding.text == "never accredited: withdrawn by COUNCIL"


def test_questions_without_site_or_qualification_compare_neither() -> None:
    question = AuthorityQuestion("train", None, None, ASSESSED, TODAY)
    found = judge_authority(issuer(grant()), question)
    assert found.decision.allowed
    assert judge(issuer(grant()), site="3").decision.code == "ACCREDITATION_OUT_OF_SCOPE"


def test_a_refusal_without_site_or_qualification_reads_as_a_sentence() -> None:
    question = AuthorityQuestion("certify", None, None, ASSESSED, TODAY)
    found = judge_authority(issuer(grant()), question)
    assert found.decision.text.endswith(" is not accredited to certify."), found.decision.text


def test_a_document_without_a_site_needs_a_grant_without_sites() -> None:
    question = AuthorityQuestion("issue-badge", ELECTRICIAN, None, ASSESSED, TODAY)
    bound = grant("bound", powers=("issue-badge",))
    assert judge_authority(issuer(bound), question).decision.allowed, "the site was not asked"
    found = judge_authority(issuer(bound), question, template_owner=COUNCIL)
    assert found.decision.code == "ACCREDITATION_OUT_OF_SCOPE"
    free = grant("free", powers=("issue-badge",), scope=Scope(qualifications=(ELECTRICIAN.name,)))
    found = judge_authority(issuer(bound, free), question, template_owner=COUNCIL)
    assert found.decision.grant_id == "free"


def test_powers_of_documents_are_powers_of_the_charter() -> None:
    assert set(default_charter().powers) >= DOCUMENT_POWERS
    powers = set(default_charter().powers) - DOCUMENT_POWERS
    assert powers == {
        "accredit-provider",
        "delegate",
        "develop",
        "quality-assure",
        "recognise-council",
        "recognise-professional-body",
        "recommend-qualification",
        "register-qualification",
        "train",
    }


def test_the_chain_shows_each_link_then_and_now() -> None:
    gone = grant(events=(event(GrantEventKind.WITHDRAWN, "2026-05-20"),))
    links = judge(issuer(gone)).chain
    assert [(link.name, link.status_then, link.status_now) for link in links] == [
        ("Root", "active", "active"),
        ("Council", "active", "active"),
        ("P", "active", "withdrawn"),
    ]
    assert [link.scope for link in links] == ["country", "OQSF", "91761 at sites 1, 2"]


def test_who_may_define_a_document() -> None:
    chain = (grant(), COUNCIL_GRANT, ROOT_GRANT)
    assert may_define(COUNCIL, chain, PROVIDER)
    assert may_define(ROOT, chain, PROVIDER)
    assert not may_define(PROVIDER, chain, PROVIDER)
    assert not may_define(STRANGER, chain, PROVIDER)
    assert not may_define(CHARTER + "x", chain, PROVIDER)
    assert may_define(COUNCIL, chain[1:], COUNCIL), "a council, for itself"
    assert may_define(ROOT, chain[2:], ROOT), "the root, for itself"


def test_scopes_in_words() -> None:
    assert word_scope(Scope()) == "country"
    assert word_scope(Scope(sites=("1",))) == "country at site 1"
    scope = Scope(trades=("za:ofo:2021:671101",), designations=("pr-eng",))
    assert word_scope(scope) == "trades za:ofo:2021:671101; designations pr-eng"


def test_a_question_about_a_day_before_the_withdrawal_says_that_the_power_is_gone() -> None:
    gone = grant(events=(event(GrantEventKind.WITHDRAWN, "2026-05-18"),))
    found = judge(issuer(gone))
    assert found.decision.allowed
    assert found.decision.text.endswith("withdrawn since (last day 17 May 2026, by COUNCIL)")
    assert "stays good" in found.finding.text
