# SPDX-License-Identifier: Apache-2.0
"""The answer of a verification: a verdict, every check, the chain of authority, what is not shown.

A report is a value: it can be kept, compared and written as JSON. Names in it come from the ledger,
never from the document. Summary, checks and chain name no learner; `claims` does, and `to_text`:
`without_claims()` is the report to keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, cast

from sdk.credentials.template import (
    ASSESSED,
    QUALIFICATION,
    Computed,
    CredentialTemplate,
    Field,
)
from sdk.errors import CallerError, NotVerifiedError
from sdk.results import Result, Verdict
from sdk.verdicts import STATUS, VERDICT_TEXTS
from sdk.verification.wording import word_as_of

FactsFrom: TypeAlias = Literal["network", "staple", "bundle", "none"]

LANGUAGES: Final = ("en",)

_FIRST_WORDS: Final = {
    Verdict.VALID: "VALID   ",
    Verdict.INVALID: "INVALID ",
    Verdict.UNKNOWN: "CANNOT TELL  ",
}
_MARKS: Final = {"pass": "ok  ", "warn": "warn", "fail": "FAIL", "unknown": "?   "}
_INDENT: Final = " " * 8
_NAME_WIDTH: Final = 13
_NOT_SHOWN: Final = "NOT SHOWN BY THIS CHECK  "
_ONE_NAMED: Final = "the one named"
BEARER_NOT_PROVEN: Final = (
    f"that the person in front of you is {_ONE_NAMED}: compare with an ID document."
)
ASSESSED_NOT_PROVEN: Final = "When it was assessed: that day is the issuer's own word, and by it the accreditation is judged."
TIME_NOT_PROVEN: Final = "When it was issued: that day is the issuer's own word."
_ONLY_SIGNED: Final = (
    "Only the text above is signed. Where the printed page differs, the page is wrong."
)
_SHOWN_CLAIMS: Final = frozenset({QUALIFICATION, ASSESSED})


@dataclass(frozen=True, slots=True)
class Check(Result):
    """One thing that was looked at."""

    name: str
    outcome: Literal["pass", "warn", "fail", "unknown"]
    code: str | None
    text: str
    as_of: datetime | None
    """Time of the block by which the fact is known; None where no fact of the ledger was needed."""
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChainLink(Result):
    """One organisation in the chain of authority, from the root down to the issuer."""

    did: str
    name: str
    """As vouched for on the ledger."""
    power: str
    scope: str
    valid: str
    """Term, in words."""
    status_then: str
    """On the day of the assessment: active suspended withdrawn void not-yet expired."""
    status_now: str


@dataclass(frozen=True, slots=True)
class ReportDetails:
    """What `to_text` shows beside the fields of a report."""

    headline: str = ""
    """What kind of document it is; only for one whose signature is good."""
    subject_name: str = ""
    assessed: str = ""
    issued: str = ""
    issuer_name: str = ""
    vouched_by: str = ""
    """Name of who vouched for the issuer's name."""
    checked_at: datetime | None = None
    template: CredentialTemplate | None = None
    """Labels of the claims."""


@dataclass(frozen=True, slots=True)
class VerificationReport(Result):
    """Whether a document is good, why, and how fresh each fact is. True only when VALID."""

    verdict: Verdict
    code: str | None
    """Of the first check that decided; None when valid."""
    summary: str
    checks: Sequence[Check]
    """Those that were made, in the order of CHECK_NAMES."""
    chain: Sequence[ChainLink]
    claims: Mapping[str, Any]
    """What the issuer signed; empty unless a key of the issuer signed it."""
    not_proven: Sequence[str]
    next_step: str
    as_of: datetime
    facts_from: FactsFrom
    details: ReportDetails = field(default_factory=ReportDetails, repr=False)

    @property
    def valid(self) -> bool:
        """Whether the verdict is VALID."""
        return self.verdict is Verdict.VALID

    def __bool__(self) -> bool:
        return self.verdict is Verdict.VALID

    def raise_if_not_valid(self) -> None:
        """Do nothing for a valid document.

        Raises:
            NotVerifiedError: with this report.
        """
        if self.verdict is not Verdict.VALID:
            raise NotVerifiedError(
                self.summary, code=self.code or "", remedy=self.next_step, report=self
            )

    def without_claims(self) -> VerificationReport:
        """This report without what the document says of the learner: fit to be kept."""
        return replace(self, claims={}, details=replace(self.details, subject_name=""))

    def to_text(self, *, language: str = "en") -> str:
        """The report for reading; the first word is the verdict.

        Raises:
            CallerError: LANGUAGE_UNKNOWN.
        """
        if language not in LANGUAGES:
            raise CallerError(
                f"reports are not available in {language!r}",
                code="LANGUAGE_UNKNOWN",
                remedy=f"Choose of: {', '.join(LANGUAGES)}.",
            )
        if self.valid:
            lines = [
                *self._head_lines(),
                *map(self._check_line, self.checks),
                *(
                    f"{_INDENT if position else _NOT_SHOWN}{self._with_name(text)}"
                    for position, text in enumerate(self.not_proven)
                ),
                _INDENT + _ONLY_SIGNED,
            ]
        else:
            lines = [_FIRST_WORDS[self.verdict] + self.summary]
            if self.claims and self.details.headline:
                lines.append(_INDENT + self.details.headline)
            good = [check.name for check in self.checks if check.outcome == "pass"]
            if good and self.claims:
                lines.append(f"  {_MARKS['pass']}  {', '.join(good)}")
            lines += [
                self._check_line(check)
                for check in self.checks
                if check.outcome in {"fail", "unknown"}
            ]
            if not self.claims and self.verdict is Verdict.INVALID:
                lines.append(_INDENT + "Nothing in it can be relied on, so nothing of it is shown.")
            if self.next_step:
                lines.append(f"NEXT    {self.next_step}")
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _head_lines(self) -> list[str]:
        details = self.details
        lines = [_FIRST_WORDS[self.verdict] + (details.headline or self.summary)]
        if details.subject_name:
            dates = f"assessed {details.assessed}   issued {details.issued}"
            lines.append(f"{_INDENT}awarded to  {details.subject_name}        {dates}")
        vouched = f" (name vouched by {details.vouched_by})" if details.vouched_by else ""
        lines.append(f"{_INDENT}by          {details.issuer_name}{vouched}")
        return lines + self._claim_lines()

    def _claim_lines(self) -> list[str]:
        """The claims that stand in no other line, in the order of the template."""
        template = self.details.template
        if template is None:
            return []
        lines: list[str] = []
        named: list[Field | Computed] = [*template.fields, *template.computed]
        for item in named:
            value = self.claims.get(item.name)
            if value is None or item.name in {*template.identity, *_SHOWN_CLAIMS}:
                continue
            lines.append(f"{_INDENT}{item.label}: {_word_claim(value)}")
        return lines

    def _with_name(self, text: str) -> str:
        name = self.details.subject_name
        return text.replace(_ONE_NAMED, name) if name else text

    def _check_line(self, check: Check) -> str:
        parts = [f"  {_MARKS[check.outcome]}  {check.name:<{_NAME_WIDTH}}"]
        if check.code is not None:
            parts.append(f"{check.code} ")
        parts.append(check.text)
        checked_at = self.details.checked_at
        if check.name == STATUS and check.as_of is not None and checked_at is not None:
            parts.append(f"       {word_as_of(check.as_of, checked_at)}")
        return " ".join(part for part in parts if part)


def _word_claim(value: object) -> str:
    """A claim in one line: yes or no, or the members of its objects side by side."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(_word_claim(item) for item in cast("Mapping[str, object]", value).values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " · ".join(_word_claim(item) for item in cast("Sequence[object]", value))
    return str(value)


def decide(checks: Sequence[Check]) -> tuple[Verdict, str | None]:
    """The verdict of these checks and the code of the one that decided.

    Any failure makes it INVALID, otherwise anything unknown UNKNOWN: a missing fact never turns a
    finding into doubt, and never passes for a good one.
    """
    for outcome, verdict in (("fail", Verdict.INVALID), ("unknown", Verdict.UNKNOWN)):
        for check in checks:
            if check.outcome == outcome:
                return verdict, check.code
    return Verdict.VALID, None


def next_step_of(code: str | None) -> str:
    """What to do about a code; empty for None."""
    held = VERDICT_TEXTS.get(code) if code is not None else None
    return held.remedy if held is not None else ""
