# SPDX-License-Identifier: Apache-2.0
"""The other checks: key, qualification, time of issue, status, validity, freshness.

Each is a function of what the document says, of what the ledger proves and of the moment that is
asked about. None of them looks anything up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from ledger.model.civil_date import day_of, day_start_ms
from ledger.model.identifiers import network_of_did
from ledger.model.keys import KeyRole, KeyType
from ledger.model.records import DidRecord, KeyRecord, StatusUpdateRecord
from sdk.credentials.facts import CredentialFacts
from sdk.credentials.instants import parse_date
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.open_badges import build_achievement
from sdk.credentials.problems import CredentialError
from sdk.credentials.status_list import REVOCATION, SUSPENSION
from sdk.credentials.template import CredentialTemplate
from sdk.policy import HEAD_AGE_MAX, REQUIRE_ANCHOR, Policy
from sdk.results import When
from sdk.verdicts import (
    EXPIRED,
    FRESHNESS,
    ISSUER_KEY,
    ISSUER_UNKNOWN,
    KEY_NOT_VALID_THEN,
    MALFORMED,
    NOT_ANCHORED_IN_TIME,
    NOT_YET_VALID,
    QUALIFICATION,
    QUALIFICATION_NOT_REGISTERED,
    QUALIFICATION_NOT_VALID_THEN,
    REGISTERED,
    REVOKED,
    STATUS,
    STATUS_TOO_OLD,
    SUSPENDED,
    VALIDITY,
)
from sdk.verification.documents import PURPOSES, StatusPlace
from sdk.verification.findings import Finding, failed, passed, unknown, warned
from sdk.verification.ledger_facts import (
    IssuerFacts,
    ListKey,
    QualificationFact,
    StatusListFact,
)
from sdk.verification.wording import (
    day_number,
    qualification_number,
    time_ms_of,
    word_age,
    word_date,
    word_day_of_instant,
    word_day_of_time,
    word_name,
)

CLOCK_TOLERANCE_MS: Final = 5 * 60 * 1000
"""How far apart the clocks of an issuer and a verifier may be before a date counts as future."""
SIGNED_EARLY_MS_MAX: Final = 60 * 1000
"""How long before `validFrom` a proof may be dated: the clocks of who dates and who signs."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What is asked about: a span of time, for a whole day its first and last millisecond."""

    first_ms: int
    last_ms: int
    now_ms: int
    """When it is asked: the later of this computer's clock and the ledger's newest time."""

    @property
    def is_past(self) -> bool:
        """Whether the moment was over when it was asked about."""
        return self.last_ms < self.now_ms

    @property
    def today(self) -> int:
        """The day on which it is asked."""
        return day_of(self.now_ms)


def moment_of(at: When, time_ms: int | None, now_ms: int) -> Moment:
    """The moment meant by `at`, given its time as `sdk.moments.resolve_moment` answered it."""
    if time_ms is None:
        return Moment(now_ms, now_ms, now_ms)
    if isinstance(at, date) and not isinstance(at, datetime):
        first = day_start_ms(day_of(time_ms))
        # Of today only what has been is known.
        return Moment(first, min(time_ms, max(now_ms, first)), now_ms)
    return Moment(time_ms, time_ms, now_ms)


# ---- issuer-key


def find_key(issuer: IssuerFacts, facts: CredentialFacts) -> tuple[KeyRecord | None, Finding]:
    """The key that the proof names, when it may have signed then, and what was found of it.

    A key is judged at `proof.created`. A key that the ledger does not have, or that is no Ed25519
    key, cannot verify anything: then the first member is None.
    """
    record, organisation = issuer.did_record, issuer.organisation
    if record is None or organisation is None:
        text = "the ledger proves that no such organisation is registered"
        return None, failed(ISSUER_KEY, ISSUER_UNKNOWN, text, evidence={"issuer": issuer.did})
    name = organisation.name
    summary = f"The key that signed this was not a key with which {name} issued at that time."

    def refuse(text: str) -> Finding:
        return failed(
            ISSUER_KEY,
            KEY_NOT_VALID_THEN,
            text,
            summary,
            {"key_id": facts.key_id, "issuer": issuer.did, "created": facts.created},
        )

    if facts.key_did != issuer.did:
        return None, refuse("the key belongs to another organisation than the issuer")
    key = next((held for held in record.keys if held.key_id == facts.key_id), None)
    if key is None or key.type is not KeyType.ED25519:
        return None, refuse(f"the issuer has no key {facts.key_id} that signs credentials")
    fault = _key_fault(record, key, time_ms_of(facts.created))
    if fault:
        return key, refuse(f"key {facts.key_id}: {fault}")
    on = word_day_of_instant(facts.created)
    evidence = {
        "key_id": facts.key_id,
        "issuer": issuer.did,
        "name": name,
        "vouched_by": word_name(
            organisation.vouched_by, issuer.organisations.get(organisation.vouched_by)
        ),
        "created": facts.created,
    }
    text = f"key {facts.key_id}, valid on {on}"
    if key.compromised_since:
        # Whoever has the key writes any date with it (docs/adr/0008).
        since = word_day_of_time(key.compromised_since)
        text += f"; reported compromised since {since}, and nothing shows that this is older"
        summary = (
            f"The key that signed this was reported compromised since {since}, and nothing proves"
            " that it was signed before."
        )
        return key, failed(ISSUER_KEY, NOT_ANCHORED_IN_TIME, text, summary, evidence)
    return key, passed(ISSUER_KEY, text, evidence)


def _key_fault(record: DidRecord, key: KeyRecord, created_ms: int) -> str:
    if key.role is not KeyRole.ISSUE:
        return f"its role is {key.role.label}, not issue"
    if created_ms < key.valid_from:
        return f"it was registered only on {word_day_of_time(key.valid_from)}"
    if key.valid_until and created_ms >= key.valid_until:
        return f"it ended on {word_day_of_time(key.valid_until)}"
    if key.compromised_since and created_ms >= key.compromised_since:
        return f"it was compromised by {word_day_of_time(key.compromised_since)}"
    if record.deactivated and created_ms >= record.deactivated:
        return f"the issuer's identifier ended on {word_day_of_time(record.deactivated)}"
    return ""


# ---- qualification


def check_qualification(
    fact: QualificationFact | None,
    facts: CredentialFacts,
    stated: JsonValue,
    registered: Sequence[JsonValue],
) -> Finding:
    """Whether the qualification is registered and could be achieved on the day of the assessment.

    Args:
        fact: the ledger's records.
        facts: of the document.
        stated: the `achievement` of the document: title, level and credits as the issuer has them.
        registered: what it may be: `achievements_of` the ledger's records.
    """
    number = qualification_number(facts.qualification)
    if fact is None:
        text = f"{number} is not registered on this ledger"
        return failed(QUALIFICATION, QUALIFICATION_NOT_REGISTERED, text, f"SAQA {text}.")
    title = str(fact.record.get("title", ""))
    evidence = {"qualification": facts.qualification, "title": title}
    first = first_day_of(fact)
    if first is not None and facts.assessed < first:
        text = f"{number} is registered only since {word_date(first)}"
        return failed(
            QUALIFICATION,
            QUALIFICATION_NOT_VALID_THEN,
            text,
            f"{text}; this was assessed on {word_date(facts.assessed)}.",
            evidence,
        )
    last = _day_in(fact.record, "last_achievement")
    if last is not None and facts.assessed > last:
        text = f"{number} could be achieved until {word_date(last)}"
        return failed(
            QUALIFICATION,
            QUALIFICATION_NOT_VALID_THEN,
            text,
            f"{text}; this was assessed on {word_date(facts.assessed)}.",
            evidence,
        )
    if stated not in registered:
        return failed(
            QUALIFICATION,
            QUALIFICATION_NOT_REGISTERED,
            f"the document gives {number} a title, level or credits that were never registered",
            f"It gives {number} another title, level or number of credits than was ever registered.",
            evidence,
        )
    end = _day_in(fact.record, "registration_end")
    if last is None and end is not None and facts.assessed > end:
        text = f"the registration of {number} ended on {word_date(end)}, before the assessment"
        return warned(QUALIFICATION, text, QUALIFICATION_NOT_VALID_THEN, evidence=evidence)
    until = "" if last is None else f", achievable until {word_date(last)}"
    return passed(QUALIFICATION, f"{number} {title}{until}", evidence)


def achievements_of(
    fact: QualificationFact | None, template: CredentialTemplate, template_url: str, name: str
) -> tuple[JsonValue, ...]:
    """The achievements that a document may state: made from a registered record, or from none."""
    records: list[JsonObject | None] = [None]
    if fact is not None:
        records = [fact.record, *fact.earlier, None]
    found: list[JsonValue] = []
    for record in records:
        try:
            found.append(build_achievement(template, template_url, name, record))
        except CredentialError:
            continue  # a record that says less than the template needs
    return tuple(found)


def first_day_of(fact: QualificationFact) -> date | None:
    """From when a qualification could be achieved: the earliest start of registration among its
    records, because registering it again writes a later one; None when no record names one.
    """
    days = [_day_in(record, "registration_start") for record in (fact.record, *fact.earlier)]
    return min((day for day in days if day is not None), default=None)


def _day_in(record: JsonObject, name: str) -> date | None:
    value = record.get(name)
    return parse_date(value) if isinstance(value, str) else None


# ---- registered


def check_registered(policy: Policy) -> Finding:
    """Whether the time of issue is proven.

    Nothing proves it as long as batches are not anchored on the ledger. That alone changes no
    verdict, so it does not count for `warnings_fail` either; a policy may require it.
    """
    text = "issue time not proven: the date of issue is the issuer's own word"
    if REQUIRE_ANCHOR in policy.require:
        return failed(REGISTERED, NOT_ANCHORED_IN_TIME, text, f"{text[0].upper()}{text[1:]}.")
    return warned(REGISTERED, text, None)


# ---- status


@dataclass(frozen=True, slots=True)
class EntryHistory:
    """The last change of an entry up to the moment, the first one after it, and whether older
    updates than those that were looked at could have changed it too.
    """

    before: StatusUpdateRecord | None
    after: StatusUpdateRecord | None
    is_complete: bool


def find_status_fault(
    places: Sequence[StatusPlace] | None,
    lists: Mapping[ListKey, StatusListFact | None],
    issuer: IssuerFacts,
) -> Finding | None:
    """Why the status of this credential cannot be what the document makes of it; None: it can.

    A list must be the issuer's own, or its successor's: otherwise an issuer could point to the
    list of somebody who never revokes. It must name one place where it can be revoked, and no second
    one for any purpose: whose bit would count?
    """
    if places is None:
        return failed(STATUS, MALFORMED, "a status list is no list on a ledger of this kind")
    purposes = [place.entry.purpose for place in places]
    if REVOCATION not in purposes:
        return _no_status("it names no list in which it could be revoked")
    if len(set(purposes)) != len(purposes):
        return _no_status("it names several places for one purpose")
    owners = {issuer.did}
    if issuer.organisation is not None and issuer.organisation.successor:
        owners.add(issuer.organisation.successor)
    for place in places:
        purpose = place.entry.purpose
        fact = lists.get(place.held)
        if place.held[0] not in owners:
            text = f"its {purpose} list belongs to another organisation"
        elif fact is None:
            text = f"its {purpose} list does not exist on the ledger"
        elif fact.record.purpose is not PURPOSES[purpose]:
            text = f"its {purpose} list has another purpose"
        elif fact.record.bits != 1 or place.entry.size != 1:
            text = f"its {purpose} list has entries of another size"
        elif place.entry.index >= fact.record.size:
            text = f"its {purpose} list has no such entry"
        else:
            continue
        return _no_status(text)
    return None


def _no_status(text: str) -> Finding:
    return failed(STATUS, MALFORMED, text, f"This credential cannot be checked: {text}.")


def is_set(place: StatusPlace, lists: Mapping[ListKey, StatusListFact | None]) -> bool:
    """Whether the entry is set today; the place has no fault."""
    fact = lists[place.held]
    return fact is not None and fact.status(place.entry.index) == 1


def check_status(
    places: Sequence[StatusPlace],
    lists: Mapping[ListKey, StatusListFact | None],
    issuer: IssuerFacts,
    moment: Moment,
    histories: Mapping[StatusPlace, EntryHistory],
) -> Finding:
    """Whether the credential was revoked or suspended at the moment that is asked about.

    Args:
        places: without fault.
        lists: as wholes.
        issuer: who keeps them.
        moment: that is asked about.
        histories: of the places that are set today, and of all when the moment is past.
    """
    name = word_name(issuer.did, issuer.organisation)
    later: Finding | None = None
    evidence = {"lists": [place.entry.list_url for place in places]}
    by_purpose = {place.entry.purpose: place for place in places}
    for purpose, code, word in (
        (REVOCATION, REVOKED, "revoked"),
        (SUSPENSION, SUSPENDED, "suspended"),
    ):
        place = by_purpose.get(purpose)
        if place is None:
            continue
        history = histories.get(place)
        value, changed = _value_at(place, is_set(place, lists), history, moment)
        if value is None:
            text = f"too many updates since then to tell whether it was {word}"
            return unknown(STATUS, STATUS_TOO_OLD, text, f"{text[0].upper()}{text[1:]}.")
        if value:
            on = "" if changed is None else f" on {word_day_of_time(changed)}"
            summary = f"{word.capitalize()}{on} by {name}."
            return failed(STATUS, code, f"{word}{on}", summary, evidence)
        if history is not None and history.after is not None and is_set(place, lists):
            on = word_day_of_time(history.after.time)
            text = f"not {word} then; {word} on {on}"
            later = later or warned(STATUS, text, code, f"{word} since", evidence)
    if later is not None:
        return later
    then = f" on {word_day_of_time(moment.last_ms)}" if moment.is_past else ""
    text = "not revoked" if SUSPENSION not in by_purpose else "not revoked, not suspended"
    return passed(STATUS, text + then, evidence)


def _value_at(
    place: StatusPlace, today: bool, history: EntryHistory | None, moment: Moment
) -> tuple[bool | None, int | None]:
    """Whether the entry was set at the moment (None: cannot be told), and when it was changed."""
    if history is None:
        return today, None
    if history.before is not None:
        return _value_in(history.before, place.entry.index), history.before.time
    if history.is_complete:
        return False, None  # no change up to the moment: a list begins with zeros
    return (None if moment.is_past else today), None


def _value_in(update: StatusUpdateRecord, index: int) -> bool:
    return (index, True) in zip(update.indexes, map(bool, update.values), strict=True)


# ---- validity


def check_validity(
    facts: CredentialFacts, moment: Moment, proof_expires: datetime | None
) -> Finding:
    """Whether the credential was valid at the moment: its own dates and those of its proof.

    Nothing may be dated after the moment, or it could be used before it was earned. Clocks may
    differ by CLOCK_TOLERANCE_MS. Nor may it be signed before what it tells of: such a date was
    chosen, for example to lie before the end of a key.
    """
    last = moment.last_ms + CLOCK_TOLERANCE_MS
    starts = time_ms_of(facts.valid_from)
    assessed = day_number(facts.assessed)
    if assessed > day_of(last):
        return _not_yet(f"assessed on {word_date(facts.assessed)}")
    if starts > last:
        return _not_yet(f"valid from {word_day_of_instant(facts.valid_from)}")
    created = time_ms_of(facts.created)
    if created > last:
        return _not_yet(f"signed on {word_day_of_instant(facts.created)}")
    if created < starts - SIGNED_EARLY_MS_MAX:
        return _signed_early(facts, f"issued on {word_day_of_instant(facts.valid_from)}")
    if day_of(created) < assessed:
        return _signed_early(facts, f"assessed on {word_date(facts.assessed)}")
    for end, what in ((facts.valid_until, "valid"), (proof_expires, "its proof was valid")):
        if end is not None and time_ms_of(end) < moment.first_ms:
            text = f"{what} until {word_day_of_instant(end)}"
            return failed(
                VALIDITY,
                EXPIRED,
                text,
                f"Expired on {word_day_of_instant(end)}.",
                is_from_ledger=False,
            )
    until = facts.valid_until
    if until is None:
        text = f"from {word_day_of_instant(facts.valid_from)}, without end"
    else:
        text = f"{word_day_of_instant(facts.valid_from)} – {word_day_of_instant(until)}"
    return passed(VALIDITY, text, is_from_ledger=False)


def _signed_early(facts: CredentialFacts, what: str) -> Finding:
    signed = word_day_of_instant(facts.created)
    text = f"signed on {signed}, before it was {what}"
    summary = f"Its dates contradict each other: {text}."
    return failed(VALIDITY, MALFORMED, text, summary, is_from_ledger=False)


def _not_yet(what: str) -> Finding:
    text = f"{what}, which had not come yet"
    return failed(
        VALIDITY, NOT_YET_VALID, text, f"Dated in the future: {what}.", is_from_ledger=False
    )


# ---- freshness


def check_freshness(
    head_time_ms: int, moment: Moment, max_age: timedelta, *, is_online: bool = True
) -> Finding:
    """Whether the ledger's facts are young enough, and whether they reach the moment at all.

    A running network certifies a block every minute: older facts from one that was asked just now
    are a warning, whatever the policy accepts. Not so of a bundle, which is old by nature.
    """
    age_ms = moment.now_ms - head_time_ms
    age = word_age(age_ms)
    if age_ms > max_age // timedelta(milliseconds=1):
        return unknown(
            FRESHNESS,
            STATUS_TOO_OLD,
            f"the newest known block is {age} old",
            f"The status is known only as of {age} ago.",
        )
    text = f"facts of {word_day_of_time(head_time_ms)}"
    if is_online and age_ms > HEAD_AGE_MAX // timedelta(milliseconds=1):
        text = f"{text}, {age} old: the network stands still, or the node asked lags behind"
        # No strict code: how old facts may be is what `max_age` is for.
        return warned(FRESHNESS, text, None, f"as known {age} ago")
    return passed(FRESHNESS, f"{text}, {age if age_ms >= 60_000 else 'less than a minute'} old")


def is_of_network(did: str, network: str) -> bool | None:
    """Whether a DID is of this network; None when it is no DID of this kind of ledger at all."""
    found = network_of_did(did)
    return None if found is None else found == network
