# SPDX-License-Identifier: Apache-2.0
"""Credentials built from templates: VCDM 2.0 documents that are Open Badges 3.0 credentials.

Layout (template `format` 1). Contexts: the two standards' and one inline object. Type
OpenBadgeCredential (AchievementCredential is its alias in the Open Badges context). The issuer is
its DID and nothing else: a name that an issuer writes about itself is worth nothing, names in
reports come from the ledger with who vouched for them. The claims of the template stand directly
on `credentialSubject`, beside the Open Badges `achievement`, `identifier` and `result`, which are
derived from them for readers that know only that standard. `credentialSchema` points to the
template on the ledger, from which a verifier takes the power that was needed.

Why the context is inline, and not a page of our own on the web: every term must be defined
(VCDM 2.0 section 4.3, and JSON-LD processors drop or refuse what is not), yet a verifier must never
fetch, and a context URL would need a domain that somebody keeps for as long as the certificates
live. An inline object is signed with the rest, needs nobody, and defines exactly the words that
occur, which `@vocab` would not: a misspelt word would then be silently defined as well. A claim
means the URL that its template gives, otherwise `<template URL>#<name>`: the template on the ledger
is its definition. The fields that have a meaning in every template (`qualification`, `assessed`,
`site`) are words of `VOCABULARY`, a UUID namespace, since no authority has to be asked for one.

No nulls, arrays stay arrays, integers only: Open Badges 3.0 serialisation, and one canonical form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, cast

from ledger.model.identifiers import is_occupation
from ledger.model.limits import DID_SIZE_MAX
from sdk.credentials.contexts import CREDENTIALS_V2, OPEN_BADGES_V3, is_url
from sdk.credentials.instants import civil_date_of, format_date_time_stamp
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.problems import CredentialError, Problem, malformed
from sdk.credentials.status_list import StatusEntry, build_status_entry
from sdk.credentials.template import (
    ASSESSED,
    QUALIFICATION,
    SITE,
    TEMPLATE_TYPE,
    Computed,
    CredentialTemplate,
    Field,
    ResultRule,
)
from sdk.credentials.values import QUALIFICATION_PREFIX, evaluate
from sdk.credentials.vcdm import validate_credential

MEDIA_TYPE: Final = "application/vc"

CREDENTIAL_SIZE_MAX: Final = 256 * 1024
"""Bytes of a credential document. Ours have about 4 KB; a badge may carry an image."""

VOCABULARY: Final = "urn:uuid:d19f2d84-a1dc-48d6-9fac-3eb2f104ed93#"
"""Namespace of the words that mean the same in every template of this format."""

QUALIFICATION_MISMATCH: Final = "QUALIFICATION_MISMATCH"

CREDENTIAL_TYPES: Final = ("VerifiableCredential", "OpenBadgeCredential")
SUBJECT_TYPE: Final = "AchievementSubject"
DERIVED_NAMES: Final = frozenset({"id", "type", "achievement", "identifier", "result"})
"""Members of the subject that are not claims of the template."""

# Open Badges 3.0 AlignmentTargetType; what the enumeration lacks is written with "ext:".
_TARGET_QUALIFICATION: Final = "ceterms:Credential"
_TARGET_LEVEL: Final = "ext:NQFLevel"
_TARGET_OCCUPATION: Final = "ext:Occupation"

_CREDENTIAL_ID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_DID = re.compile(r"did:[a-z0-9]+:[A-Za-z0-9._:%-]+\Z")


def is_credential_id(value: object) -> bool:
    """Whether `value` is `urn:uuid:` with a UUID in lower case."""
    return isinstance(value, str) and _CREDENTIAL_ID.match(value) is not None


def is_did(value: object) -> bool:
    """Whether `value` has the form of a DID without path, query or fragment."""
    return isinstance(value, str) and len(value) <= DID_SIZE_MAX and _DID.match(value) is not None


def build_credential(
    template: CredentialTemplate,
    template_url: str,
    values: Mapping[str, object],
    *,
    issuer_did: str,
    credential_id: str,
    issued_at: datetime,
    status_entries: Sequence[StatusEntry],
    qualification_record: Mapping[str, JsonValue] | None = None,
    valid_until: datetime | None = None,
    subject_id: str | None = None,
) -> JsonObject:
    """The credential for one record, without its proof. The same arguments give the same document.

    Args:
        template: as published behind `template_url`.
        template_url: DID URL of the template resource on the ledger.
        values: input of one record, in any form that `check_values` accepts.
        issuer_did: who will sign.
        credential_id: `urn:uuid:` and a random UUID.
        issued_at: start of validity; its day at UTC+2 is the day of issue.
        status_entries: places reserved in status lists.
        qualification_record: content of the qualification on the ledger: `saqa_id`, `title`,
            `nqf_level`, `credits` and `ofo` (`za:ofo:YYYY:NNNNNN`, one or several) are used.
        valid_until: end of validity; None: does not expire.
        subject_id: DID of the holder, when there is one.

    Raises:
        CredentialError: a code of VALUE_CODES with the field, for values that `check_values`
            refuses; QUALIFICATION_MISMATCH when the record is of another qualification; MALFORMED
            when an identifier or the record has another form.
        ValueError: an instant without time zone; a status entry that no list has.
    """
    today = civil_date_of(issued_at)
    problems, claims = evaluate(template, values, today=today)
    if problems:
        raise CredentialError.from_problem(problems[0])
    if not is_credential_id(credential_id):
        raise malformed("id", "must be urn:uuid: with a UUID in lower case")
    if not is_did(issuer_did):
        raise malformed("issuer.id", "must be a DID")
    if not is_url(template_url) or "#" in template_url:
        raise malformed("credentialSchema.id", "must be a URL without fragment")
    if subject_id is not None and not is_url(subject_id):
        raise malformed("credentialSubject.id", "must be a URL")
    document = assemble(
        template,
        template_url,
        claims,
        achievement=build_achievement(
            template, template_url, str(claims[QUALIFICATION]), qualification_record
        ),
        issuer_did=issuer_did,
        credential_id=credential_id,
        valid_from=format_date_time_stamp(issued_at),
        valid_until=None if valid_until is None else format_date_time_stamp(valid_until),
        credential_status=[build_status_entry(entry) for entry in status_entries],
        subject_id=subject_id,
    )
    broken: list[Problem] = validate_credential(document)
    if broken:
        raise CredentialError.from_problem(broken[0])
    return document


def assemble(
    template: CredentialTemplate,
    template_url: str,
    claims: JsonObject,
    *,
    achievement: JsonObject,
    issuer_did: str,
    credential_id: str,
    valid_from: str,
    valid_until: str | None,
    credential_status: Sequence[JsonObject],
    subject_id: str | None,
) -> JsonObject:
    """Layout 1: every member but the proof. Building and checking both end here."""
    subject: JsonObject = {} if subject_id is None else {"id": subject_id}
    subject["type"] = [SUBJECT_TYPE]
    subject["identifier"] = [_identity(template, claims)]
    subject["achievement"] = achievement
    if template.result is not None and template.result.list_name in claims:
        subject["result"] = _results(template.result, claims)
    subject |= claims
    document: JsonObject = {
        "@context": [CREDENTIALS_V2, OPEN_BADGES_V3, build_context(template, template_url)],
        "id": credential_id,
        "type": list[JsonValue](CREDENTIAL_TYPES),
        "name": template.title,
        "issuer": {"id": issuer_did, "type": ["Profile"]},
        "validFrom": valid_from,
        "credentialSubject": subject,
        "credentialSchema": [{"id": template_url, "type": TEMPLATE_TYPE}],
    }
    if valid_until is not None:
        document["validUntil"] = valid_until
    if credential_status:
        document["credentialStatus"] = list[JsonValue](credential_status)
    return document


def build_context(template: CredentialTemplate, template_url: str) -> JsonObject:
    """The inline context: one definition for each word of this template, none of them reusable."""
    context: JsonObject = {
        "@protected": True,
        "pset": VOCABULARY,
        "template": f"{template_url}#",
        TEMPLATE_TYPE: f"pset:{TEMPLATE_TYPE}",
    }
    shared = {QUALIFICATION, ASSESSED, SITE}
    kept = [item for item in template.fields if item.claim]
    inner = [member for item in kept for member in item.fields]
    named: list[Field | Computed] = [*kept, *inner, *template.computed]
    for item in named:
        home = "pset" if item.name in shared else "template"
        context[item.name] = item.term or f"{home}:{item.name}"
    return context


def build_achievement(
    template: CredentialTemplate,
    template_url: str,
    qualification: str,
    record: Mapping[str, JsonValue] | None,
) -> JsonObject:
    """The Open Badges `achievement`: what this template says of this qualification.

    Raises:
        CredentialError: QUALIFICATION_MISMATCH, or MALFORMED for a record of another form.
    """
    number = qualification.removeprefix(QUALIFICATION_PREFIX)
    record = record or {}
    if record and str(record.get("saqa_id")).removeprefix(QUALIFICATION_PREFIX) != number:
        raise CredentialError(
            QUALIFICATION_MISMATCH, QUALIFICATION, "the record is of another qualification"
        )
    title, level, credit = (
        _text(record, "title"),
        _number(record, "nqf_level"),
        _number(record, "credits"),
    )
    achievement: JsonObject = {
        "id": f"{template_url}#{number}",
        "type": ["Achievement"],
        "achievementType": template.achievement_type,
        "name": title or template.title,
        "description": template.description,
        "criteria": {"narrative": template.criteria},
    }
    if credit is not None:
        achievement["creditsAvailable"] = credit
    alignment: list[JsonValue] = [
        _alignment(
            "SAQA",
            number,
            title or untitled(number),
            qualification,
            _TARGET_QUALIFICATION,
        )
    ]
    if level is not None:
        alignment.append(
            _alignment(
                "NQF",
                str(level),
                f"NQF level {level}",
                f"za:nqf:level:{level}",
                _TARGET_LEVEL,
            )
        )
    for occupation in _occupations(record):
        year, code = occupation.split(":")[2:]
        alignment.append(
            _alignment("OFO", code, f"OFO {year} {code}", occupation, _TARGET_OCCUPATION)
        )
    achievement["alignment"] = alignment
    return achievement


def untitled(number: str) -> str:
    """What stands for the title of a qualification without record."""
    return f"SAQA qualification {number}"


def _text(record: Mapping[str, JsonValue], name: str) -> str | None:
    value = record.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise malformed(f"qualification_record.{name}", "must be a text")
    return value


def _number(record: Mapping[str, JsonValue], name: str) -> int | None:
    value = record.get(name)
    if value is not None and type(value) is not int:
        raise malformed(f"qualification_record.{name}", "must be a whole number")
    return value


def _occupations(record: Mapping[str, JsonValue]) -> list[str]:
    listed = record.get("ofo", [])
    found: list[str] = []
    for item in listed if isinstance(listed, list) else [listed]:
        if not isinstance(item, str) or not is_occupation(item):
            raise malformed("qualification_record.ofo", "must be za:ofo:YYYY:NNNNNN")
        found.append(item)
    return found


def _alignment(framework: str, code: str, name: str, url: str, kind: str) -> JsonObject:
    return {
        "type": ["Alignment"],
        "targetType": kind,
        "targetFramework": framework,
        "targetCode": code,
        "targetName": name,
        "targetUrl": url,
    }


def _identity(template: CredentialTemplate, claims: JsonObject) -> JsonObject:
    """Open Badges asks for a subject `id` or an `identifier`: the name as it is claimed."""
    return {
        "type": "IdentityObject",
        "hashed": False,
        "identityHash": " ".join(str(claims[name]) for name in template.identity),
        "identityType": "name",
    }


def _results(rule: ResultRule, claims: JsonObject) -> list[JsonValue]:
    """One Open Badges `Result` for each entry of the list, in its order."""
    results: list[JsonValue] = []
    for entry in cast("list[JsonObject]", claims[rule.list_name]):
        code = str(entry[rule.code])
        results.append(
            {
                "type": ["Result"],
                "alignment": [
                    {
                        "type": ["Alignment"],
                        "targetName": code,
                        "targetUrl": f"{claims[QUALIFICATION]}#{code}",
                    }
                ],
                "value": str(entry[rule.value]),
            }
        )
    return results
