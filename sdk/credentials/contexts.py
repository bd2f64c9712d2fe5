# SPDX-License-Identifier: Apache-2.0
"""What the JSON-LD contexts define, as far as a validator that never fetches needs to know.

A context is never fetched: a verifier that asks a web server what a word means has let that server
decide, and has told it what is being verified. `eddsa-jcs-2022` needs no JSON-LD processing, so a
context is here a fixed list of words: those of the two standard contexts, and those that a document
defines itself in an inline context.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import orjson

from sdk.credentials.jcs import JsonValue
from sdk.credentials.problems import MALFORMED, Problem, join_path

CREDENTIALS_V2: Final = "https://www.w3.org/ns/credentials/v2"
"""The base context of VCDM 2.0; always the first."""

OPEN_BADGES_V3: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
"""The context of Open Badges 3.0."""

CONTEXTS_COUNT_MAX: Final = 16

TABLES_REMEMBERED_COUNT_MAX: Final = 256
"""Contexts whose words are remembered."""

# They would bring in a document from elsewhere, or let a definition reach where it is not seen.
_REFUSED_KEYWORDS: Final = frozenset({"@import", "@propagate"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TERMS: Final = {
    # VCDM 2.0 (REC, 15 May 2025) appendix B.1. Every term of it is protected.
    CREDENTIALS_V2: _words("""
        BitstringStatusList BitstringStatusListCredential BitstringStatusListEntry
        DataIntegrityProof EnvelopedVerifiableCredential EnvelopedVerifiablePresentation
        JsonSchema JsonSchemaCredential VerifiableCredential VerifiablePresentation
        ... _sd _sd_alg aud cnf description digestMultibase digestSRI exp iat id iss jku kid
        mediaType name nbf sub type x5u
    """),
    # Open Badges 3.0 context 3.0.3. Every term of it is protected.
    OPEN_BADGES_V3: _words("""
        Achievement AchievementCredential AchievementSubject Address Alignment Criteria
        EndorsementCredential EndorsementSubject Evidence GeoCoordinates IdentifierEntry
        IdentityObject Image OpenBadgeCredential Profile Related Result ResultDescription
        RubricCriterionLevel alignment awardedDate description endorsement id image inLanguage
        name narrative type url
    """),
}

# RFC 3986 scheme, then no character that RFC 3987 forbids unescaped. Whether anybody answers there
# is not asked. A DID must also name its method (DID Core section 3.1).
_URL = re.compile(
    r"(?!did:)[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x1f\x7f]+\Z"
    r"|did:[a-z0-9]+:[^\s<>\"{}|\\^`\x00-\x1f\x7f]+\Z"
)


def is_url(value: object) -> bool:
    """Whether `value` is a text of the form of an absolute URL (RFC 3987 characters, a scheme)."""
    return isinstance(value, str) and _URL.match(value) is not None


def known_terms(context_url: str) -> frozenset[str]:
    """The terms of a standard context; empty for one that is not known here."""
    return _TERMS.get(context_url, frozenset())


def read_context(context: list[JsonValue], path: str) -> TermTable:
    """The TermTable of a context, which nobody may change: those of contexts seen before are
    remembered by their bytes, because all credentials of one template have the same.
    """
    try:
        return _read_context(orjson.dumps(context), path)
    except orjson.JSONEncodeError:  # what did not come from `parse_json`
        return TermTable(context, path)


@lru_cache(maxsize=TABLES_REMEMBERED_COUNT_MAX)
def _read_context(encoded: bytes, path: str) -> TermTable:
    return TermTable(orjson.loads(encoded), path)


class TermTable:
    """Which words a document's `@context` defines, and what is wrong with that `@context`.

    `is_complete` is False when a context is not known here or defines everything (`@vocab`): then
    no word can be called undefined.
    """

    __slots__ = ("_known", "_protected", "_terms", "is_complete", "problems")

    def __init__(self, context: Sequence[JsonValue], path: str) -> None:
        self._known: list[frozenset[str]] = []
        self._terms: dict[str, str] = {}
        self._protected: set[str] = set()
        self.is_complete = True
        self.problems: list[Problem] = []
        for index, item in enumerate(context):
            place = join_path(path, index)
            if isinstance(item, str):
                self._add_known(item, place)
            elif isinstance(item, dict):
                self._add_inline(item, place)
            else:
                self.problems.append(Problem(MALFORMED, place, "a context is a URL or an object"))

    def defines(self, term: str) -> bool:
        """Whether `term` means something: a URL, a defined term, or nothing can be said."""
        return self._is_known(term) or term in self._terms or not self.is_complete or is_url(term)

    def _is_known(self, term: str) -> bool:
        """Whether a standard context defines `term`; all of their terms are protected."""
        return any(term in terms for terms in self._known)

    def _add_known(self, url: str, path: str) -> None:
        if not is_url(url):
            self.problems.append(Problem(MALFORMED, path, "a context is a URL or an object"))
        elif url in _TERMS:
            self._known.append(_TERMS[url])
        else:
            self.is_complete = False

    def _add_inline(self, context: dict[str, JsonValue], path: str) -> None:
        is_protected = context.get("@protected") is True
        for term, definition in context.items():
            text = self._define(term, definition, context, is_protected=is_protected)
            if text is not None:
                self.problems.append(Problem(MALFORMED, join_path(path, term), text))

    def _define(
        self,
        term: str,
        definition: JsonValue,
        context: dict[str, JsonValue],
        *,
        is_protected: bool,
    ) -> str | None:
        """Take in one member of an inline context, or say what is wrong with it."""
        if term.startswith("@"):
            if term == "@vocab" and definition is not None:
                self.is_complete = False
            return "not allowed in a credential" if term in _REFUSED_KEYWORDS else None
        mapping = definition.get("@id") if isinstance(definition, dict) else definition
        if mapping is not None and not self._is_mapping(mapping, context):
            return "a term maps to a URL"
        identity = mapping if isinstance(mapping, str) else ""
        if self._is_known(term) or (term in self._protected and self._terms.get(term) != identity):
            return "a protected term may not be redefined"
        if mapping is None:
            self._terms.pop(term, None)
            return None
        self._terms[term] = identity
        if is_protected or (isinstance(definition, dict) and definition.get("@protected")):
            self._protected.add(term)
        return None

    def _is_mapping(self, mapping: JsonValue, context: dict[str, JsonValue]) -> bool:
        return isinstance(mapping, str) and (
            mapping.startswith("@")
            or is_url(mapping)
            or mapping in context
            or mapping in self._terms
            or self._is_known(mapping)
        )
