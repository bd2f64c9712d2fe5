# SPDX-License-Identifier: Apache-2.0
"""Structure of credentials and presentations: Verifiable Credentials Data Model 2.0 (REC).

Run on what is issued as well as on what is verified: most implementations sign whatever they are
given. It says whether the document has the form the standard requires, nothing about truth:
signature, issuer, status and time are other checks. Sections named below are those of VCDM 2.0.

Every rule that is broken is listed, up to `PROBLEMS_COUNT_MAX`, with the place and never the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sdk.credentials.contexts import (
    CONTEXTS_COUNT_MAX,
    CREDENTIALS_V2,
    TermTable,
    is_url,
    read_context,
)
from sdk.credentials.instants import parse_date_time_stamp
from sdk.credentials.jcs import JsonObject, JsonValue
from sdk.credentials.problems import MALFORMED, Problem, join_path

PROBLEMS_COUNT_MAX: Final = 32
"""Problems reported for one document; further ones are not looked for."""

TYPED_VALUES_COUNT_MAX: Final = 64
"""Subjects, status entries, schemas, evidence ... in one document, each."""

CREDENTIALS_COUNT_MAX: Final = 64
"""Credentials in one presentation."""

_LANGUAGE_VALUE: Final = frozenset({"@value", "@language", "@direction"})
_ENVELOPED: Final = "EnvelopedVerifiableCredential"
_OLD_PROPERTIES: Final = ("issuanceDate", "expirationDate")


def validate_credential(document: Mapping[str, JsonValue]) -> list[Problem]:
    """The rules of VCDM 2.0 section 4 that a credential breaks; empty when it is well-formed.

    A proof, when present, must only have a type: see `sdk.credentials.data_integrity`.
    """
    return _Credential().check(document, "")


def validate_presentation(document: Mapping[str, JsonValue]) -> list[Problem]:
    """The rules of VCDM 2.0 section 4.13 that a presentation, or a credential in it, breaks.

    Whether the holder is who secured it (section 4.13.4) is a question about proofs, not of form.
    """
    return _Presentation().check(document, "")


def _nothing_known() -> TermTable:
    table = TermTable((), "")
    table.is_complete = False  # until there is a context that can be judged
    return table


_NOT_YET_KNOWN: Final = _nothing_known()


class _Checker:
    """Collects the problems of one document. Methods return nothing: they add what they find."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._terms = _NOT_YET_KNOWN

    def add(self, path: str, text: str) -> None:
        if len(self.problems) < PROBLEMS_COUNT_MAX:
            self.problems.append(Problem(MALFORMED, path, text))

    def check_context(self, document: Mapping[str, JsonValue], path: str) -> None:
        """Section 4.3: an ordered set that begins with the base context."""
        place = join_path(path, "@context")
        context = document.get("@context")
        if not isinstance(context, list) or not 0 < len(context) <= CONTEXTS_COUNT_MAX:
            self.add(place, f"must be an array of 1 to {CONTEXTS_COUNT_MAX} contexts")
            return
        if context[0] != CREDENTIALS_V2:
            self.add(join_path(place, 0), f"must be {CREDENTIALS_V2}")
            return
        self._terms = read_context(context, place)
        for problem in self._terms.problems:
            self.add(problem.path, problem.text)

    def check_type(
        self, value: JsonValue, path: str, *, required: str | None = None
    ) -> tuple[str, ...]:
        """Section 4.5: one or more terms or URLs that the contexts map to URLs."""
        types = value if isinstance(value, list) else [value]
        if not types or len(types) > TYPED_VALUES_COUNT_MAX:
            self.add(path, "must be one or more types")
            return ()
        names: list[str] = []
        for index, item in enumerate(types):
            place = join_path(path, index) if isinstance(value, list) else path
            if not isinstance(item, str) or not item:
                self.add(place, "a type is a text")
            elif not self._terms.defines(item):
                self.add(place, "a type is a URL or a term that the context defines")
            else:
                names.append(item)
        if required is not None and required not in names:
            self.add(path, f"must include {required}")
        if len(set(names)) != len(names):
            self.add(path, "a type is repeated")
        return tuple(names)

    def check_id(self, holder: Mapping[str, JsonValue], path: str, *, required: bool) -> None:
        """Section 4.4: when present, a single URL."""
        if ("id" in holder or required) and not is_url(holder.get("id")):
            self.add(join_path(path, "id"), "must be a single URL")

    def check_party(self, value: JsonValue, path: str) -> None:
        """Sections 4.7, 4.13: a URL, or an object whose `id` is one (issuer, holder)."""
        if isinstance(value, dict):
            self.check_id(value, path, required=True)
            self.check_texts(value, path)
        elif not is_url(value):
            self.add(path, "must be a URL, or an object whose id is a URL")

    def check_texts(self, holder: Mapping[str, JsonValue], path: str) -> None:
        """Section 4.6: name and description are texts, in one or in several languages."""
        for name in ("name", "description"):
            if name not in holder:
                continue
            value = holder[name]
            place = join_path(path, name)
            if isinstance(value, list):
                if not 0 < len(value) <= TYPED_VALUES_COUNT_MAX:
                    self.add(place, "must not be an empty array")
                for index, item in enumerate(value[:TYPED_VALUES_COUNT_MAX]):
                    self._check_language_value(item, join_path(place, index))
            elif not isinstance(value, str):
                self._check_language_value(value, place)

    def _check_language_value(self, value: JsonValue, path: str) -> None:
        """Section 11.1: @value, @language and @direction, and nothing else."""
        if (
            not isinstance(value, dict)
            or "@value" not in value
            or not value.keys() <= _LANGUAGE_VALUE
            or not all(isinstance(item, str) for item in value.values())
            or value.get("@direction", "ltr") not in {"ltr", "rtl"}
        ):
            self.add(path, "must be a text, or @value with @language and @direction")

    def check_typed(
        self, holder: Mapping[str, JsonValue], path: str, name: str, *, id_required: bool = False
    ) -> None:
        """One object or an array of objects, each with a type (4.10-4.12, 5.4-5.6)."""
        if name not in holder:
            return
        for place, item in self._objects(holder[name], join_path(path, name)):
            self.check_type(item.get("type"), join_path(place, "type"))
            self.check_id(item, place, required=id_required)

    def _objects(self, value: JsonValue, path: str) -> list[tuple[str, JsonObject]]:
        entries = value if isinstance(value, list) else [value]
        if not 0 < len(entries) <= TYPED_VALUES_COUNT_MAX:
            self.add(path, "must be one or more objects")
            return []
        found: list[tuple[str, JsonObject]] = []
        for index, item in enumerate(entries):
            place = join_path(path, index) if isinstance(value, list) else path
            if isinstance(item, dict):
                found.append((place, item))
            else:
                self.add(place, "must be an object")
        return found

    def check_proof(self, document: Mapping[str, JsonValue], path: str) -> None:
        """Section 4.12: each embedded proof has a type."""
        self.check_typed(document, path, "proof")


class _Credential(_Checker):
    def check(self, document: Mapping[str, JsonValue], path: str) -> list[Problem]:
        self.check_context(document, path)
        self.check_type(
            document.get("type"), join_path(path, "type"), required="VerifiableCredential"
        )
        self.check_id(document, path, required=False)
        self.check_texts(document, path)
        self.check_party(document.get("issuer"), join_path(path, "issuer"))
        self._check_subjects(document, path)
        self._check_validity(document, path)
        self.check_typed(document, path, "credentialStatus")
        self.check_typed(document, path, "credentialSchema", id_required=True)
        for name in ("refreshService", "termsOfUse", "evidence"):
            self.check_typed(document, path, name)
        self._check_related_resources(document, path)
        self.check_proof(document, path)
        for name in _OLD_PROPERTIES:
            if name in document:
                self.add(join_path(path, name), "belongs to version 1.1 of the data model")
        return self.problems

    def _check_subjects(self, document: Mapping[str, JsonValue], path: str) -> None:
        """Section 4.8: one or more objects with at least one property each."""
        place = join_path(path, "credentialSubject")
        for subject_path, subject in self._objects(document.get("credentialSubject"), place):
            if not subject:
                self.add(subject_path, "must make at least one claim")
            self.check_id(subject, subject_path, required=False)
            if "type" in subject:
                self.check_type(subject["type"], join_path(subject_path, "type"))

    def _check_validity(self, document: Mapping[str, JsonValue], path: str) -> None:
        """Section 4.9: dateTimeStamp values; the end not before the start."""
        instants: dict[str, datetime] = {}
        for name in ("validFrom", "validUntil"):
            if name not in document:
                continue
            value = document[name]
            instant = parse_date_time_stamp(value) if isinstance(value, str) else None
            if instant is None:
                self.add(join_path(path, name), "must be a date and time with its offset")
            else:
                instants[name] = instant
        if len(instants) == 2 and instants["validUntil"] < instants["validFrom"]:
            self.add(join_path(path, "validUntil"), "must not be before validFrom")

    def _check_related_resources(self, document: Mapping[str, JsonValue], path: str) -> None:
        """Section 5.3: each with its own URL and a digest."""
        if "relatedResource" not in document:
            return
        seen: set[str] = set()
        place = join_path(path, "relatedResource")
        for item_path, item in self._objects(document["relatedResource"], place):
            self.check_id(item, item_path, required=True)
            identity = item.get("id")
            if isinstance(identity, str):
                if identity in seen:
                    self.add(join_path(item_path, "id"), "is listed twice")
                seen.add(identity)
            digests = [item[name] for name in ("digestSRI", "digestMultibase") if name in item]
            if not digests or not all(isinstance(digest, str) and digest for digest in digests):
                self.add(item_path, "needs digestSRI or digestMultibase")


class _Presentation(_Checker):
    def check(self, document: Mapping[str, JsonValue], path: str) -> list[Problem]:
        self.check_context(document, path)
        self.check_type(
            document.get("type"), join_path(path, "type"), required="VerifiablePresentation"
        )
        self.check_id(document, path, required=False)
        if "holder" in document:
            self.check_party(document["holder"], join_path(path, "holder"))
        self.check_typed(document, path, "termsOfUse")
        self.check_proof(document, path)
        if "verifiableCredential" in document:
            self._check_credentials(document["verifiableCredential"], "verifiableCredential")
        return self.problems

    def _check_credentials(self, value: JsonValue, path: str) -> None:
        """Section 4.13: objects, each a credential or an enveloped one; none may be a text."""
        entries = value if isinstance(value, list) else [value]
        if len(entries) > CREDENTIALS_COUNT_MAX:
            self.add(path, f"more than {CREDENTIALS_COUNT_MAX} credentials")
            return
        for index, item in enumerate(entries):
            place = join_path(path, index) if isinstance(value, list) else path
            if not isinstance(item, dict):
                self.add(place, "a credential is an object")
            elif item.get("type") in (_ENVELOPED, [_ENVELOPED]):
                self._check_enveloped(item, place)
            else:
                for problem in _Credential().check(item, place):
                    self.add(problem.path, problem.text)

    def _check_enveloped(self, item: JsonObject, path: str) -> None:
        """Section 4.13.1: a `data:` URL under the base context."""
        context = item.get("@context")
        first = context[0] if isinstance(context, list) and context else context
        if first != CREDENTIALS_V2:
            self.add(join_path(path, "@context"), f"must begin with {CREDENTIALS_V2}")
        identity = item.get("id")
        if not is_url(identity) or not str(identity).startswith("data:"):
            self.add(join_path(path, "id"), "must be a data: URL")
