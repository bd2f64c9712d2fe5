# SPDX-License-Identifier: Apache-2.0
"""From a document and proven facts to a report. Pure: no network, no clock, no file.

Order: the key that the document names, as the ledger has it; the signature; the template; then
everything that the signature makes worth asking. Until a key of the issuer is known to have signed
just this document, none of its content enters the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.model.qualification import QualificationFacts
from sdk.credentials.data_integrity import EDDSA_JCS_2022, ProofResult, verify_read_proof
from sdk.credentials.facts import CredentialFacts, check_document
from sdk.credentials.instants import civil_date_of
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.problems import ProofError
from sdk.credentials.template import CredentialTemplate
from sdk.errors import UnavailableError
from sdk.moments import to_instant
from sdk.policy import REQUIRE_HOLDER, Policy
from sdk.report import (
    ASSESSED_NOT_PROVEN,
    BEARER_NOT_PROVEN,
    TIME_NOT_PROVEN,
    ChainLink,
    Check,
    FactsFrom,
    ReportDetails,
    VerificationReport,
    decide,
    next_step_of,
)
from sdk.results import Verdict
from sdk.verdicts import (
    CHECK_NAMES,
    FORMAT,
    FRESHNESS,
    HOLDER,
    HOLDER_BINDING_FAILED,
    ISSUER_KEY,
    ISSUER_UNKNOWN,
    MALFORMED,
    NO_CONNECTION,
    NO_TRUST_ROOT,
    OTHER_NETWORK,
    REQUEST,
    REQUEST_MISMATCH,
    SIGNATURE,
    SIGNATURE_INVALID,
    VERDICT_TEXTS,
)
from sdk.verification.authority import Authority, AuthorityQuestion, judge_authority
from sdk.verification.checks import (
    EntryHistory,
    Moment,
    achievements_of,
    check_freshness,
    check_qualification,
    check_registered,
    check_status,
    check_validity,
    find_key,
    find_status_fault,
    is_of_network,
    is_set,
)
from sdk.verification.documents import ParsedDocument, StatusPlace
from sdk.verification.findings import Finding, failed, passed, unknown
from sdk.verification.ledger_facts import (
    FactsWanted,
    LedgerFacts,
    QualificationFact,
    TemplateFact,
)
from sdk.verification.wording import (
    day_number,
    qualification_number,
    word_date,
    word_day_of_instant,
    word_did,
    word_error_text,
    word_name,
)

JUDGEMENTS_COUNT_MAX: Final = 1_024
"""Questions of authority remembered with the facts of one issuer."""

_UNPROVEN: Final = (
    "Nothing of this was proven: the client that was used believes whatever it is told."
)
_UNPROVEN_NEXT_STEP: Final = (
    "Verify it with a client that checks proofs; unverified() is for debugging."
)

_ORDER: Final = {name: position for position, name in enumerate(CHECK_NAMES)}
_FORMAT_GOOD: Final = passed(FORMAT, "Open Badge 3.0, VCDM 2.0", is_from_ledger=False)


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """Facts under one head, and what was worked out from nothing else."""

    wanted: FactsWanted
    facts: LedgerFacts
    height: int
    state_root: bytes
    time_ms: int
    """Of the head: the facts hold as of then."""
    facts_from: FactsFrom = "network"
    is_proven: bool = True
    """False from a client that believes what it is told, for debugging."""
    judgements: dict[AuthorityQuestion, Authority] = field(
        default_factory=dict[AuthorityQuestion, Authority]
    )
    achievements: list[JsonValue] = field(default_factory=list[JsonValue])


def facts_wanted(parsed: ParsedDocument) -> FactsWanted:
    """What the ledger must be asked about a document."""
    facts, places = parsed.facts, parsed.places or ()
    return FactsWanted(
        issuer=facts.issuer_did,
        template_url=facts.template_url,
        qualification=facts.qualification,
        lists=tuple(dict.fromkeys(place.held for place in places)),
    )


def network_finding(facts: CredentialFacts, network: str) -> Finding | None:
    """Why the ledger cannot be asked about this issuer; None when it can."""
    match is_of_network(facts.issuer_did, network):
        case True:
            return None
        case False:
            text = f"the issuer is registered on another network than {network}"
            return unknown(ISSUER_KEY, OTHER_NETWORK, text, is_from_ledger=False)
        case None:
            text = "its identifier is of no kind that this ledger registers"
            return failed(ISSUER_KEY, ISSUER_UNKNOWN, text, is_from_ledger=False)


def histories_wanted(
    parsed: ParsedDocument, known: KnownFacts, moment: Moment
) -> tuple[StatusPlace, ...]:
    """The places in status lists whose past must be known to answer."""
    places, lists = parsed.places, known.facts.lists
    if places is None or find_status_fault(places, lists, known.facts.issuer) is not None:
        return ()
    return tuple(place for place in places if moment.is_past or is_set(place, lists))


def evaluate(
    parsed: ParsedDocument,
    known: KnownFacts,
    moment: Moment,
    policy: Policy,
    *,
    histories: Mapping[StatusPlace, EntryHistory],
    has_request: bool = False,
) -> VerificationReport:
    """The report on a document, from facts that are proven.

    Args:
        parsed: the document.
        known: what the ledger says, for `facts_wanted(parsed)`.
        moment: that is asked about.
        policy: of the verifier.
        histories: of `histories_wanted`.
        has_request: whether the document should answer a presentation request.
    """
    facts, ledger = parsed.facts, known.facts
    issuer = ledger.issuer
    freshness = check_freshness(
        known.time_ms, moment, policy.max_age, is_online=known.facts_from == "network"
    )
    if not known.is_proven:
        text = "the facts were read without their proofs"
        freshness = unknown(FRESHNESS, NO_TRUST_ROOT, text, _UNPROVEN)
    key, key_finding = find_key(issuer, facts)
    if key is None:
        return _assemble([_FORMAT_GOOD, key_finding, freshness], known, moment, policy)
    proofs = parsed.document["proof"]
    if isinstance(proofs, list) and len(proofs) > 1:
        text = f"it carries {len(proofs)} proofs: of those not by the issuer nothing is known"
        summary = (
            f"This file carries {len(proofs)} proofs, and only one by the issuer can be checked:"
            " ask for it with that one alone."
        )
        malformed = failed(FORMAT, MALFORMED, text, summary, is_from_ledger=False)
        return _assemble([malformed, freshness], known, moment, policy)
    try:
        proof = verify_read_proof(
            parsed.document, facts.proof, key.public_key, is_plain=parsed.is_plain
        )
    except ProofError as error:
        refused = [_refuse_signature(error, known, facts), freshness]
        if refused[0].name != FORMAT:
            refused.append(_FORMAT_GOOD)
        return _assemble(refused, known, moment, policy)
    signature = passed(
        SIGNATURE,
        f"made with key {facts.key_id}",
        {"verification_method": facts.verification_method, "cryptosuite": EDDSA_JCS_2022},
    )
    if key_finding.outcome == "fail":
        return _assemble([_FORMAT_GOOD, signature, key_finding, freshness], known, moment, policy)
    if ledger.template is None:
        fault = "the template it names is not on the ledger"
    else:
        fault = _template_fault(parsed, ledger.template, proof.canonical)
    if ledger.template is None or fault:
        summary = f"This is not a document that the ledger knows: {fault}."
        malformed = failed(FORMAT, MALFORMED, fault, summary)
        return _assemble([malformed, signature, key_finding, freshness], known, moment, policy)
    return _evaluate_signed(
        parsed,
        known,
        moment,
        policy,
        ledger.template,
        proof,
        [_FORMAT_GOOD, signature, key_finding, freshness],
        histories=histories,
        has_request=has_request,
    )


def _evaluate_signed(
    parsed: ParsedDocument,
    known: KnownFacts,
    moment: Moment,
    policy: Policy,
    template: TemplateFact,
    proof: ProofResult,
    findings: list[Finding],
    *,
    histories: Mapping[StatusPlace, EntryHistory],
    has_request: bool,
) -> VerificationReport:
    """The checks on content of which it is known who signed it."""
    facts, ledger = parsed.facts, known.facts
    authority = _judge(known, facts, template, moment)
    subject = parsed.document["credentialSubject"]
    stated = subject.get("achievement") if isinstance(subject, dict) else None
    places = parsed.places
    if not known.achievements:
        known.achievements.extend(
            achievements_of(
                ledger.qualification,
                template.template,
                facts.template_url,
                facts.qualification,
            )
        )
    findings += [
        authority.finding,
        check_qualification(ledger.qualification, facts, stated, known.achievements),
        check_registered(policy),
        find_status_fault(places, ledger.lists, ledger.issuer)
        or check_status(places or (), ledger.lists, ledger.issuer, moment, histories),
        check_validity(facts, moment, proof.expires),
    ]
    if REQUIRE_HOLDER in policy.require:
        text = "a file shows nothing of who hands it in"
        findings.append(failed(HOLDER, HOLDER_BINDING_FAILED, text, is_from_ledger=False))
    if has_request:
        text = "a file is not an answer to a request"
        findings.append(failed(REQUEST, REQUEST_MISMATCH, text, is_from_ledger=False))
    headline = word_headline(facts, template.template, ledger.qualification)
    organisation = ledger.issuer.organisation
    vouched_by = "" if organisation is None else organisation.vouched_by
    names = template.template.identity
    return _assemble(
        findings,
        known,
        moment,
        policy,
        chain=authority.chain,
        claims={"achievement": headline} | dict(facts.claims),
        details=ReportDetails(
            headline=headline,
            subject_name=" ".join(str(facts.claims.get(name, "")) for name in names),
            assessed=word_date(facts.assessed),
            issued=word_day_of_instant(facts.valid_from),
            issuer_name=word_name(ledger.issuer.did, organisation),
            vouched_by=word_name(vouched_by, ledger.issuer.organisations.get(vouched_by)),
            template=template.template,
            checked_at=to_instant(moment.now_ms),
        ),
    )


def _judge(
    known: KnownFacts, facts: CredentialFacts, template: TemplateFact, moment: Moment
) -> Authority:
    qualification = known.facts.qualification
    question = AuthorityQuestion(
        power=template.template.power,
        # One that is not registered is in no sub-framework: only a grant that names it covers it.
        qualification=QualificationFacts(facts.qualification, "", ())
        if qualification is None
        else qualification.facts,
        site=facts.site,
        day=day_number(facts.assessed),
        today=moment.today,
        issued=day_number(civil_date_of(facts.valid_from)),
    )
    found = known.judgements.get(question)
    if found is None:
        found = judge_authority(known.facts.issuer, question, template_owner=template.owner)
        if len(known.judgements) >= JUDGEMENTS_COUNT_MAX:
            known.judgements.clear()
        known.judgements[question] = found
    return found


def _template_fault(parsed: ParsedDocument, template: TemplateFact, canonical: bytes) -> str:
    problems = check_document(
        parsed.document,
        parsed.facts,
        template.template,
        claimed=template.claimed,
        canonical=canonical,
    )
    if not problems:
        return ""
    place = f"{problems[0].path}: " if problems[0].path else ""
    return f"{place}{problems[0].text}"


def _refuse_signature(error: ProofError, known: KnownFacts, facts: CredentialFacts) -> Finding:
    if error.code != SIGNATURE_INVALID:
        return failed(FORMAT, MALFORMED, f"{error.path}: {error.text}", is_from_ledger=False)
    name = word_name(facts.issuer_did, known.facts.issuer.organisation)
    text = f"claims to be signed by {word_did(facts.issuer_did)} ({name}), key {facts.key_id}"
    summary = (
        "The signature does not match the content:"
        f" this document was changed or never signed by {name}."
    )
    return failed(SIGNATURE, SIGNATURE_INVALID, text, summary)


def word_headline(
    facts: CredentialFacts, template: CredentialTemplate, qualification: QualificationFact | None
) -> str:
    """What a document is: its kind by the template, its qualification by the ledger's record."""
    number = qualification_number(facts.qualification)
    record: JsonObject = {} if qualification is None else qualification.record
    parts = [template.title, f"{number} {record.get('title', '')}".rstrip()]
    if "nqf_level" in record:
        parts.append(f"NQF {record['nqf_level']}")
    if "credits" in record:
        parts.append(f"{record['credits']} credits")
    if template.result is not None:
        results = facts.claims.get(template.result.list_name)
        if isinstance(results, list):
            parts.append(f"{len(results)} {template.result.list_name}")
    return " · ".join(parts)


def report_without_facts(
    findings: Sequence[Finding], now_ms: int, *, next_step: str = ""
) -> VerificationReport:
    """A report for which the ledger could not, or need not, be asked."""
    checks = _checks(findings, None, strict=False)
    verdict, code = decide(checks)
    return VerificationReport(
        verdict=verdict,
        code=code,
        summary=_summary(findings, verdict, code, ""),
        checks=checks,
        chain=(),
        claims={},
        not_proven=(),
        next_step=next_step or next_step_of(code),
        as_of=to_instant(now_ms),
        facts_from="none",
        details=ReportDetails(checked_at=to_instant(now_ms)),
    )


def malformed_report(text: str, now_ms: int, *, next_step: str = "") -> VerificationReport:
    """The report on something that is no credential."""
    summary = f"This is no credential that can be checked: {text}."
    finding = failed(FORMAT, MALFORMED, text, summary, is_from_ledger=False)
    return report_without_facts([finding], now_ms, next_step=next_step)


def unreachable_report(
    now_ms: int, code: str = NO_CONNECTION, error: UnavailableError | None = None
) -> VerificationReport:
    """The report on a credential when there is nothing to check it against.

    Args:
        now_ms: when it is asked.
        code: NO_CONNECTION or NO_TRUST_ROOT.
        error: why the ledger gave no answer; its code and text become evidence, for whoever runs
            the connection. The sentence is ours: nodes write texts of errors.
    """
    text = "nothing was there to check it against"
    finding = unknown(FRESHNESS, code, text, is_from_ledger=False)
    if error is None:
        return report_without_facts([_FORMAT_GOOD, finding], now_ms)
    held = {"error": error.code, "error_text": word_error_text(str(error))}
    finding = finding._replace(evidence=held)
    why = _NO_ANSWERS.get(error.code)
    if why is None:
        return report_without_facts([_FORMAT_GOOD, finding], now_ms)
    summary = f"The ledger gave no answer: {why}. Neither valid nor invalid."
    finding = finding._replace(text=f"no answer to check it against: {why}", summary=summary)
    return report_without_facts([_FORMAT_GOOD, finding], now_ms, next_step=error.remedy)


_NO_ANSWERS: Final = {
    "ANSWER_TOO_LARGE": "what it has on this issuer is too much for one answer",
    "STATE_MOVING": "it changed while it was read",
    "BUSY": "its nodes have too much to do",
    "NODE_FAULT": "no node does its work",
    "NO_ENDPOINTS": "no address of a node is known",
}
"""Where no connection is missing, by the code of the error; otherwise one is."""


def unreadable_network_report(finding: Finding, now_ms: int) -> VerificationReport:
    """The report on a credential whose issuer this network cannot know."""
    return report_without_facts([_FORMAT_GOOD, finding], now_ms)


def _assemble(
    findings: list[Finding],
    known: KnownFacts,
    moment: Moment,
    policy: Policy,
    *,
    chain: Sequence[ChainLink] = (),
    claims: Mapping[str, Any] | None = None,
    details: ReportDetails | None = None,
) -> VerificationReport:
    findings.sort(key=_place)
    checks = _checks(findings, known, strict=policy.warnings_fail)
    verdict, code = decide(checks)
    if not known.is_proven:
        # Good marks from a key that nobody proved to be the issuer's would be mistaken for good.
        claims, details, chain = None, None, ()
    is_shown = claims is not None
    return VerificationReport(
        verdict=verdict,
        code=code,
        summary=_summary(findings, verdict, code, "" if details is None else details.headline),
        checks=checks,
        chain=tuple(chain),
        claims=claims or {},
        not_proven=(BEARER_NOT_PROVEN, ASSESSED_NOT_PROVEN, TIME_NOT_PROVEN) if is_shown else (),
        next_step=next_step_of(code) if known.is_proven else _UNPROVEN_NEXT_STEP,
        as_of=to_instant(known.time_ms),
        facts_from=known.facts_from,
        details=details or ReportDetails(checked_at=to_instant(moment.now_ms)),
    )


def _place(finding: Finding) -> int:
    return _ORDER[finding.name]


def _checks(
    findings: Sequence[Finding], known: KnownFacts | None, *, strict: bool
) -> tuple[Check, ...]:
    as_of = None if known is None else to_instant(known.time_ms)
    checks: list[Check] = []
    for finding in findings:
        outcome, code = finding.outcome, finding.code
        if strict and outcome == "warn" and finding.strict_code is not None:
            outcome, code = "fail", finding.strict_code
        checks.append(
            Check(
                finding.name,
                outcome,
                code,
                finding.text,
                as_of if finding.is_from_ledger else None,
                # A plain dict: a report goes through pickle, from worker processes and into caches.
                dict(finding.evidence),
            )
        )
    return tuple(checks)


def _summary(findings: Sequence[Finding], verdict: Verdict, code: str | None, headline: str) -> str:
    if verdict is Verdict.VALID:
        warnings = [finding.summary for finding in findings if finding.summary]
        return "; ".join((headline, *warnings))
    for finding in findings:
        if finding.code == code and finding.summary:
            return finding.summary
    held = VERDICT_TEXTS.get(code or "")
    return "" if held is None else held.text
