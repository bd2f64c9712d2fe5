# SPDX-License-Identifier: Apache-2.0
"""A verification report on the terminal: colours beside the words, and how each answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cli.output import details, table
from cli.wording import show_instant

if TYPE_CHECKING:
    from rich.text import Text

    from sdk.report import Check, VerificationReport

WORDS: Final = {"valid": "VALID", "invalid": "INVALID", "unknown": "CANNOT TELL"}
_STYLES: Final = {"valid": "bold green", "invalid": "bold red", "unknown": "bold yellow"}
_LINE_STYLES: Final = (
    ("VALID", "bold green"),
    ("INVALID", "bold red"),
    ("CANNOT TELL", "bold yellow"),
    ("NOT SHOWN BY THIS CHECK", "bold"),
    ("NEXT", "bold"),
    ("  ok ", "green"),
    ("  warn ", "yellow"),
    ("  FAIL ", "red"),
    ("  ? ", "yellow"),
)


def style_report(text: str) -> Text:
    """The words of a report with a colour for the verdict and for each mark."""
    from rich.text import Text

    styled = Text(overflow="fold")
    for number, line in enumerate(text.split("\n")):
        part = Text(("\n" if number else "") + line)
        for start, style in _LINE_STYLES:
            if line.startswith(start):
                first = 1 if number else 0
                part.stylize(style, first, first + len(start))
                break
        styled.append_text(part)
    return styled


def one_line(name: str, report: VerificationReport) -> Text:
    """`INVALID      old.vc.json  Revoked on 3 March 2026 by …`: one of many sources."""
    from rich.text import Text

    verdict = report.verdict.value
    return Text.assemble(
        (f"{WORDS[verdict]:<13}", _STYLES[verdict]), (name, "bold"), f"  {report.summary}"
    )


def explain_report(report: VerificationReport) -> list[Any]:
    """How each answer is known: the chain of authority, and each check with its evidence."""
    parts: list[Any] = []
    if report.chain:
        rows = [
            (link.name, link.power, link.scope, link.valid, link.status_then, link.status_now)
            for link in report.chain
        ]
        columns = ("organisation", "power", "scope", "term", "then", "now")
        parts += ["", "CHAIN OF AUTHORITY, from the root", table(columns, rows)]
    parts += ["", "CHECKS"]
    for check in report.checks:
        parts.append(details(_check_rows(check)))
    parts.append(_origin(report))
    return parts


def _check_rows(check: Check) -> Sequence[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [(check.name, f"{check.outcome}: {check.text}")]
    if check.code is not None:
        rows.append(("", f"code {check.code}: see `pset explain {check.code}`"))
    if check.as_of is not None:
        rows.append(("", f"known by the block of {show_instant(check.as_of)}"))
    rows += [("", f"{name}: {_evidence(value)}") for name, value in check.evidence.items()]
    return rows


def _evidence(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return "–" if value is None else str(value)


def _origin(report: VerificationReport) -> str:
    origins = {
        "network": "Facts came from the network, each with a proof under a certified state root.",
        "none": "No facts were available.",
    }
    return origins.get(report.facts_from, f"Facts came from a {report.facts_from}.")
