# SPDX-License-Identifier: Apache-2.0
"""A verification report on the terminal: colours beside the words, and how each answer is known."""

from __future__ import annotations

import textwrap
from collections.abc import Generator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final, cast

from cli.output import details
from cli.terminal_text import escape_line, escape_values
from cli.wording import show_instant
from sdk.results import json_value

if TYPE_CHECKING:
    from rich.text import Text

    from sdk.report import ChainLink, Check, VerificationReport

WORDS: Final = {"valid": "VALID", "invalid": "INVALID", "unknown": "CANNOT TELL"}
_STYLES: Final = {"valid": "bold green", "invalid": "bold red", "unknown": "bold yellow"}
_INDENT: Final = 8
_CHECK_INDENT: Final = 22
"""Where the text of a check begins."""
_LINE_STYLES: Final = (
    ("VALID", "bold green"),
    ("INVALID", "bold red"),
    ("CANNOT TELL", "bold yellow"),
    ("YES", "bold green"),
    ("NO ", "bold red"),
    ("NOT SHOWN BY THIS CHECK", "bold"),
    ("NEXT", "bold"),
    ("  ok ", "green"),
    ("  warn ", "yellow"),
    ("  FAIL ", "red"),
    ("  ? ", "yellow"),
)


def escape_report(report: VerificationReport) -> VerificationReport:
    """The report with each text in one line and without controls: claims come from a file."""
    details_of = report.details
    texts: dict[str, Any] = {
        item.name: escape_line(value)
        for item in fields(details_of)
        if isinstance(value := getattr(details_of, item.name), str)
    }
    return replace(
        report,
        summary=escape_line(report.summary),
        checks=[
            replace(check, text=escape_line(check.text), evidence=check.evidence)
            for check in report.checks
        ],
        chain=[replace(link, **escape_values(link.to_dict())) for link in report.chain],
        claims=escape_values(dict(report.claims)),
        not_proven=[escape_line(text) for text in report.not_proven],
        next_step=escape_line(report.next_step),
        details=replace(details_of, **texts),
    )


def style_report(text: str, *, width: int | None = None, margin: str = "") -> Text:
    """The words of a report with a colour for the verdict and for each mark.

    Args:
        text: of `VerificationReport.to_text`.
        width: columns of the terminal, in which long lines go on under their own text; None: lines
            stay as they are.
        margin: before each line.
    """
    from rich.text import Text

    lines: list[Text] = []
    for line in text.split("\n"):
        first, *others = _wrap(line, width)
        part = Text(first)
        for start, style in _LINE_STYLES:
            if line.startswith(start):
                part.stylize(style, 0, len(start))
                break
        lines += [Text(margin) + part, *(Text(margin + other) for other in others)]
    return Text("\n").join(lines)


def _wrap(line: str, width: int | None) -> list[str]:
    if width is None or len(line) <= width:
        return [line]
    own = len(line) - len(line.lstrip())
    indent = own + 2 if own > 2 else _INDENT
    if line.startswith(("  ok ", "  warn ", "  FAIL ", "  ? ")) and width > 2 * _CHECK_INDENT:
        indent = _CHECK_INDENT
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def one_line(name: str, report: VerificationReport) -> Text:
    """`INVALID      old.vc.json  Revoked on 3 March 2026 by …`: one of many sources."""
    from rich.text import Text

    verdict = report.verdict.value
    return Text.assemble(
        (f"{WORDS[verdict]:<13}", _STYLES[verdict]),
        (escape_line(name), "bold"),
        f"  {escape_line(report.summary)}",
    )


def explain_report(report: VerificationReport) -> list[Any]:
    """How each answer is known: the chain of authority, and each check with its evidence."""
    parts: list[Any] = []
    if report.chain:
        parts += ["", "CHAIN OF AUTHORITY, from the root", *chain_lines(report.chain)]
    rows = [row for check in report.checks for row in _check_rows(check)]
    return [*parts, "", "CHECKS", details(rows), "", _origin(report)]


def chain_lines(chain: Sequence[ChainLink]) -> list[str]:
    """A chain of authority from the root down: two lines for each organisation."""
    lines: list[str] = []
    for depth, link in enumerate(chain):
        margin = " " * (5 + 2 * depth)
        status = f"{link.status_then} then and now"
        if link.status_then != link.status_now:
            status = f"{link.status_then} then, {link.status_now} now"
        lines.append(f"{margin}{link.name}: {status}")
        lines.append(f"{margin}  {link.power}: {link.scope}, {link.valid}")
    return lines


def _check_rows(check: Check) -> Generator[tuple[str, Any]]:
    yield check.name, f"{check.outcome}: {check.text}"
    if check.code is not None:
        yield "", f"code {check.code}: see `pset explain {check.code}`"
    for name, value in check.evidence.items():
        yield "", f"{name}: {_evidence(value)}"


def _evidence(value: Any) -> str:
    plain = json_value(value)
    if isinstance(plain, list):
        return ", ".join(str(item) for item in cast("list[object]", plain)) or "–"
    return "–" if plain is None else str(plain)


def _origin(report: VerificationReport) -> str:
    match report.facts_from:
        case "network":
            as_of = show_instant(report.as_of)
            return f"Each fact was proven under the state root of one certified block, {as_of}."
        case "none":
            return "No facts of the ledger were available."
        case _:
            return f"The facts came from a {report.facts_from}."
