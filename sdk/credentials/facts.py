# SPDX-License-Identifier: Apache-2.0
"""What a verifier reads out of a signed credential, and whether it is what its template describes.

Nothing here says that a credential is good. The order is: parse, `read_facts`, resolve the key that
`verification_method` names, `verify_proof`, resolve the template and `check_document`, then ask
the ledger about authority (with the power of *that template*, on the day `assessed`), status and
time. The credential itself states no power: an issuer could choose it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Final, cast

import orjson

from ledger.model.identifiers import is_qualification
from sdk.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES_V3
from sdk.credentials.data_integrity import Proof, read_proofs
from sdk.credentials.instants import (
    civil_date_of,
    format_date_time_stamp,
    parse_date,
    parse_date_time_stamp,
)
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.open_badges import (
    DERIVED_NAMES,
    SUBJECT_TYPE,
    assemble,
    build_achievement,
    is_credential_id,
    is_did,
    untitled,
)
from sdk.credentials.problems import (
    MALFORMED,
    CredentialError,
    Problem,
    join_path,
    malformed,
)
from sdk.credentials.status_list import StatusEntry, build_status_entry, parse_status_entries
from sdk.credentials.template import (
    ASSESSED,
    QUALIFICATION,
    SITE,
    TEMPLATE_TYPE,
    CredentialTemplate,
)
from sdk.credentials.values import QUALIFICATION_PREFIX, evaluate
from sdk.credentials.vcdm import validate_credential

_TYPES: Final = (
    frozenset({"VerifiableCredential", "OpenBadgeCredential"}),
    frozenset({"VerifiableCredential", "AchievementCredential"}),
)


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """Signed statements of one credential. True only once the proof has verified."""

    credential_id: str
    issuer_did: str
    title: str
    """What kind of credential it says it is; compare with the template's."""
    template_url: str
    qualification: str
    """`za:saqa:q:NNN`."""
    site: str | None
    """Site code; None where the template has no sites."""
    assessed: date
    """The day on which authority is judged."""
    valid_from: datetime
    valid_until: datetime | None
    status_entries: tuple[StatusEntry, ...]
    subject_id: str | None
    claims: Mapping[str, JsonValue]
    """Every claim, those above included, by name."""
    created: datetime
    """When the issuer says it signed; its key is judged at this moment."""
    verification_method: str
    """DID URL of the key: `key_did`, `#`, `key_id`."""
    key_did: str
    key_id: str
    proof: Proof
    """The proof itself, not verified."""


def read_facts(document: Mapping[str, JsonValue]) -> CredentialFacts:
    """Read the facts of a signed document of our layout, as `parse_object` returned it.

    Runs `validate_credential` first. With a proof set the proof by a key of the issuer is meant.

    Raises:
        CredentialError: MALFORMED, with the place.
    """
    problems = validate_credential(document)
    if problems:
        raise CredentialError.from_problem(problems[0])
    context = cast("list[JsonValue]", document["@context"])
    if context[:2] != [CREDENTIALS_V2, OPEN_BADGES_V3] or len(context) != 3:
        raise malformed("@context", "must be that of an Open Badge with one inline context")
    if not _is_type_set(document["type"], _TYPES):
        raise malformed("type", "must be VerifiableCredential and OpenBadgeCredential")
    if not is_credential_id(document.get("id")):
        raise malformed("id", "must be urn:uuid: with a UUID in lower case")
    issuer = document["issuer"]
    issuer_did = issuer.get("id") if isinstance(issuer, dict) else issuer
    if not is_did(issuer_did):
        raise malformed("issuer", "must be a DID")
    subject = _read_subject(document)
    valid_until = document.get("validUntil")
    proof = _read_proof(document, str(issuer_did))
    key_did, _, key_id = proof.verification_method.partition("#")
    return CredentialFacts(
        credential_id=str(document["id"]),
        issuer_did=str(issuer_did),
        title=_text(document, "", "name"),
        template_url=_read_template_url(document),
        qualification=_read_qualification(subject),
        site=_text(subject, "credentialSubject", SITE) if SITE in subject else None,
        assessed=_read_day(subject, ASSESSED),
        valid_from=_read_instant(document, "validFrom"),
        valid_until=None if valid_until is None else _read_instant(document, "validUntil"),
        status_entries=parse_status_entries(document),
        subject_id=cast("str | None", subject.get("id")),
        claims=MappingProxyType(_claims_of(subject)),
        created=proof.created,
        verification_method=proof.verification_method,
        key_did=key_did,
        key_id=key_id,
        proof=proof,
    )


def claimed_template(template: CredentialTemplate) -> CredentialTemplate:
    """The template with the fields that become claims only: what a document's claims must fit."""
    return replace(template, fields=tuple(item for item in template.fields if item.claim))


def check_document(
    document: Mapping[str, JsonValue],
    facts: CredentialFacts,
    template: CredentialTemplate,
    *,
    claimed: CredentialTemplate | None = None,
    canonical: bytes = b"",
) -> list[Problem]:
    """How a document differs from what the template would have made of its own claims.

    The document is built once more from its claims and compared, member for member. So a title, an
    Open Badges result or a computed claim (`age_over_18`) that does not follow from the claims, an
    unknown claim, or a context that gives words another meaning is found: whoever may issue under
    a template may issue just that. Title, level and credits of the *qualification* are taken as the
    document has them: compare them with the ledger's own record before showing them.

    Args:
        document: as it was read, with or without its proof.
        facts: `read_facts(document)`.
        template: the resource behind `facts.template_url`; finding it is the caller's work.
        claimed: `claimed_template(template)`, when the caller has it already.
        canonical: RFC 8785 bytes of the document without its proof, likewise.
    """
    claimed = claimed or claimed_template(template)
    computed = {rule.name for rule in template.computed}
    values = {name: value for name, value in facts.claims.items() if name not in computed}
    today = civil_date_of(facts.valid_from)
    problems, claims = evaluate(claimed, values, today=today)
    if problems:
        return [
            Problem(MALFORMED, f"credentialSubject.{problem.path}", problem.text)
            for problem in problems
        ]
    subject = cast("JsonObject", document["credentialSubject"])
    try:
        expected = assemble(
            template,
            facts.template_url,
            claims,
            achievement=build_achievement(
                template,
                facts.template_url,
                facts.qualification,
                _stated_record(subject.get("achievement"), facts.qualification),
            ),
            issuer_did=facts.issuer_did,
            credential_id=facts.credential_id,
            valid_from=format_date_time_stamp(facts.valid_from),
            valid_until=(
                None if facts.valid_until is None else format_date_time_stamp(facts.valid_until)
            ),
            credential_status=[build_status_entry(entry) for entry in facts.status_entries],
            subject_id=facts.subject_id,
        )
    except ValueError as error:  # CredentialError is one; so is a status entry we never build
        place = error.path if isinstance(error, CredentialError) else "credentialStatus"
        return [Problem(MALFORMED, place, "is not as the template says")]
    if canonical and canonical == orjson.dumps(expected, option=orjson.OPT_SORT_KEYS):
        return []
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    if _is_same(unsigned, expected):
        return []
    place = _first_difference(unsigned, expected, "")
    return [Problem(MALFORMED, place, "is not what the template makes of the claims")]


def _read_subject(document: Mapping[str, JsonValue]) -> JsonObject:
    subject = document["credentialSubject"]
    if not isinstance(subject, dict):
        raise malformed("credentialSubject", "must be one object")
    if not _is_type_set(subject.get("type"), (frozenset({SUBJECT_TYPE}),)):
        raise malformed("credentialSubject.type", f"must be {SUBJECT_TYPE}")
    return subject


def _is_type_set(value: JsonValue, allowed: tuple[frozenset[str], ...]) -> bool:
    entries = value if isinstance(value, list) else [value]
    types = frozenset(item for item in entries if isinstance(item, str))
    return len(types) == len(entries) and types in allowed


def _read_proof(document: Mapping[str, JsonValue], issuer_did: str) -> Proof:
    proofs, _ = read_proofs(document)
    if len(proofs) > 1:
        proofs = tuple(
            proof for proof in proofs if proof.verification_method.startswith(f"{issuer_did}#")
        )
    if len(proofs) != 1:
        raise malformed("proof", "must hold one eddsa-jcs-2022 proof by the issuer")
    method = proofs[0].verification_method
    did, mark, fragment = method.partition("#")
    if not is_did(did) or not mark or not fragment:
        raise malformed(f"{proofs[0].path}.verificationMethod", "must be a DID and a key")
    return proofs[0]


def _read_template_url(document: Mapping[str, JsonValue]) -> str:
    schemas = document.get("credentialSchema")
    entries = schemas if isinstance(schemas, list) else [schemas]
    named = [
        entry["id"]
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") == TEMPLATE_TYPE
    ]
    if len(named) != 1:
        raise malformed("credentialSchema", "must name one template")
    return str(named[0])


def _read_qualification(subject: JsonObject) -> str:
    value = subject.get(QUALIFICATION)
    if not isinstance(value, str) or not is_qualification(value):
        raise malformed(
            f"credentialSubject.{QUALIFICATION}", f"must be {QUALIFICATION_PREFIX} and a number"
        )
    return value


def _read_day(subject: JsonObject, name: str) -> date:
    value = subject.get(name)
    day = parse_date(value) if isinstance(value, str) else None
    if day is None:
        raise malformed(f"credentialSubject.{name}", "must be a day written YYYY-MM-DD")
    return day


def _read_instant(document: Mapping[str, JsonValue], name: str) -> datetime:
    value = document.get(name)
    instant = parse_date_time_stamp(value) if isinstance(value, str) else None
    if instant is None:
        raise malformed(name, "must be a date and time with its offset")
    return instant


def _text(holder: Mapping[str, JsonValue], path: str, name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(join_path(path, name), "must be a text")
    return value


def _claims_of(subject: JsonObject) -> JsonObject:
    return {name: value for name, value in subject.items() if name not in DERIVED_NAMES}


def _stated_record(achievement: JsonValue, qualification: str) -> JsonObject | None:
    """The qualification record that the achievement was built from, as far as it shows."""
    if not isinstance(achievement, dict) or not isinstance(achievement.get("alignment"), list):
        return None
    number = qualification.removeprefix(QUALIFICATION_PREFIX)
    record: JsonObject = {"saqa_id": number}
    occupations: list[JsonValue] = []
    for entry in cast("list[JsonValue]", achievement["alignment"]):
        if not isinstance(entry, dict):
            continue
        match entry.get("targetFramework"), entry.get("targetCode"):
            case "SAQA", _ if entry.get("targetName") != untitled(number):
                record["title"] = entry.get("targetName")
            case "NQF", str(code) if code.isascii() and code.isdigit() and len(code) <= 2:
                record["nqf_level"] = int(code)
            case "OFO", _:
                occupations.append(entry.get("targetUrl"))
            case _:
                pass
    if "creditsAvailable" in achievement:
        record["credits"] = achievement["creditsAvailable"]
    if occupations:
        record["ofo"] = occupations
    return record


def _is_same(found: JsonValue, expected: JsonValue) -> bool:
    """Whether two values are the same JSON. As bytes, because Python holds 1, 1.0 and True equal."""
    return orjson.dumps(found, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        expected, option=orjson.OPT_SORT_KEYS
    )


def _first_difference(found: JsonValue, expected: JsonValue, path: str) -> str:
    """The path of the first member in which two values that are not the same differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted(found.keys() | expected.keys()):
            if name not in found or name not in expected:
                return join_path(path, name)
            if not _is_same(found[name], expected[name]):
                return _first_difference(found[name], expected[name], join_path(path, name))
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, item in enumerate(found):
            if not _is_same(item, expected[index]):
                return _first_difference(item, expected[index], join_path(path, index))
    return path
