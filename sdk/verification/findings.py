# SPDX-License-Identifier: Apache-2.0
"""What a check found, before it is put into a report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sdk.verdicts import CheckName, Outcome

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Finding(NamedTuple):
    """The outcome of one check. `text` and `summary` name no learner: reports are kept."""

    name: CheckName
    outcome: Outcome
    text: str
    code: str | None = None
    summary: str = ""
    """A sentence for the report's first line; empty: the code's own text."""
    strict_code: str | None = None
    """Of a warning: its code where warnings count as failures; None: it never does."""
    evidence: Mapping[str, Any] = _NOTHING
    is_from_ledger: bool = True
    """Whether a fact of the ledger was needed; then the check is as old as that fact."""


def passed(
    name: CheckName,
    text: str,
    evidence: Mapping[str, Any] = _NOTHING,
    *,
    is_from_ledger: bool = True,
) -> Finding:
    """It is as it should be."""
    return Finding(name, "pass", text, evidence=evidence, is_from_ledger=is_from_ledger)


def failed(
    name: CheckName,
    code: str,
    text: str,
    summary: str = "",
    evidence: Mapping[str, Any] = _NOTHING,
    *,
    is_from_ledger: bool = True,
) -> Finding:
    """Something was found that makes the document invalid."""
    return Finding(
        name, "fail", text, code, summary, evidence=evidence, is_from_ledger=is_from_ledger
    )


def warned(
    name: CheckName,
    text: str,
    strict_code: str | None,
    summary: str = "",
    evidence: Mapping[str, Any] = _NOTHING,
) -> Finding:
    """Something to know, which by itself makes nothing invalid."""
    return Finding(name, "warn", text, None, summary, strict_code, evidence)


def unknown(
    name: CheckName, code: str, text: str, summary: str = "", *, is_from_ledger: bool = True
) -> Finding:
    """A needed fact is missing or too old."""
    return Finding(name, "unknown", text, code, summary, is_from_ledger=is_from_ledger)
