# SPDX-License-Identifier: Apache-2.0
"""How this package says what is wrong: a list of problems, or one error that ends the work.

Neither ever carries a value of the document or of the input: they end up in logs, in row error
files and on screens, and a credential is personal data. A place is named by its path
(`credentialSubject.modules[2].mark`); names that the document itself chose are shown only when
they look like a term.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MALFORMED = "MALFORMED"
SIGNATURE_INVALID = "SIGNATURE_INVALID"

_SHOWABLE_NAME = re.compile(r"@?[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_HIDDEN_NAME = "(unnamed)"
_NAME_LENGTH_MAX = 65
NAMES_REMEMBERED_COUNT_MAX = 4_096
"""Member names of which it is remembered whether they may be shown."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One rule that a document or an input breaks.

    `code` is stable and in capitals, `path` says where (empty: the whole), `text` gives the rule.
    """

    code: str
    path: str
    text: str


class CredentialError(ValueError):
    """The document cannot be used. `code` is stable; `path` says where; `text` gives the rule."""

    def __init__(self, code: str, path: str, text: str) -> None:
        super().__init__(f"{code}{f' at {path}' if path else ''}: {text}")
        self.code = code
        self.path = path
        self.text = text

    @classmethod
    def from_problem(cls, problem: Problem) -> CredentialError:
        return cls(problem.code, problem.path, problem.text)


class ProofError(CredentialError):
    """A proof is absent, malformed (MALFORMED) or does not verify (SIGNATURE_INVALID)."""


class StatusListError(CredentialError):
    """A status list cannot be read; `code` is the W3C error name of Bitstring Status List v1.0."""


def malformed(path: str, text: str) -> CredentialError:
    """The commonest error."""
    return CredentialError(MALFORMED, path, text)


@lru_cache(maxsize=NAMES_REMEMBERED_COUNT_MAX)
def _is_showable(name: str) -> bool:
    return _SHOWABLE_NAME.match(name) is not None


def join_path(path: str, step: str | int) -> str:
    """`path` extended by a member name or an index. Unusual names are hidden: they may be data."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    name = step if len(step) <= _NAME_LENGTH_MAX and _is_showable(step) else _HIDDEN_NAME
    return f"{path}.{name}" if path else name
