# SPDX-License-Identifier: Apache-2.0
"""`pset explain`: what a code, an operation or a field means, who must act, and the rule's source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.error_texts import ERROR_TEXTS
from cli.errors import CommandError, ExitCode
from cli.glossary import CODE_SOURCES, FIELDS, OPERATIONS, PROTOCOL
from cli.output import details, table
from cli.wording import listed
from ledger.model.authorisation import (
    AllOf,
    AnyOf,
    Expression,
    Forbidden,
    HoldsPower,
    IsActiveOrganisation,
    IsOwner,
    SignedByRole,
)
from ledger.model.receipts import CODE_TEXTS, ApiReason

_ADMISSION_CODES: Final = range(100, 200)


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """One meaning of a code."""

    code: str
    kind: str
    """receipt, verdict, value, node or error"""
    number: int | None
    text: str
    remedy: str
    who: str
    source: str

    def to_plain(self) -> dict[str, Any]:
        """The members in JSON."""
        return {
            "code": self.code,
            "kind": self.kind,
            "number": self.number,
            "text": self.text,
            "remedy": self.remedy,
            "who": self.who,
            "source": self.source,
        }


@click.command(
    "explain",
    cls=PsetCommand,
    examples="""
        $ pset explain SCOPE_NOT_COVERED         # a code
        $ pset explain 284                       # its number in a receipt
        $ pset explain GrantAccreditation        # an operation: what it does, who may
        $ pset explain valid_until               # a field
        $ pset explain --all -o json             # every code
    """,
)
@click.argument("word", metavar="CODE|OPERATION|FIELD", required=False)
@click.option("--all", "everything", is_flag=True, help="Every code, in a table.")
@pass_context
def explain(context: CliContext, word: str | None, everything: bool) -> None:
    """What it means, who must act, the rule with its source."""
    if everything:
        _explain_all(context)
        return
    if word is None:
        raise click.UsageError("name a code, an operation or a field, or give --all")
    found = find_codes(word)
    if found:
        _explain_code(context, found)
    elif word in OPERATIONS:
        _explain_operation(context, word)
    elif word in FIELDS or word.replace("-", "_") in FIELDS:
        _explain_field(context, word.replace("-", "_"))
    else:
        raise _unknown(word)


def find_codes(word: str) -> list[CodeEntry]:
    """The meanings of the code called so, in any case, or of that with this number in receipts."""
    wanted = word.upper().replace("-", "_")
    return [
        entry
        for entry in all_codes()
        if wanted == entry.code or (entry.number is not None and word == str(entry.number))
    ]


def all_codes() -> Iterator[CodeEntry]:
    """Receipt codes, then verdict codes, then what nodes, SDK and commands say.

    Each name once, but those that mean one thing of a document and another of a transaction:
    first as a verdict, because more people ask about documents.
    """
    from sdk.credentials.values import VALUE_CODES
    from sdk.verdicts import VERDICT_TEXTS

    seen: set[str] = set()
    for code, text in CODE_TEXTS.items():
        seen.add(code.name)
        if code.name in VERDICT_TEXTS:
            yield _verdict_entry(code.name)
        who = "the operator or you, later" if code in _BUSY else "whoever submits"
        yield CodeEntry(
            code.name,
            "receipt",
            int(code),
            text.text,
            text.remedy,
            who if code > 1 else "nobody",
            CODE_SOURCES.get(code.name, f"{PROTOCOL} §3"),
        )
    for name in VERDICT_TEXTS:
        if name not in seen:
            seen.add(name)
            yield _verdict_entry(name)
    for name, (text_, remedy) in VALUE_CODES.items():
        if name not in seen:
            seen.add(name)
            yield CodeEntry(
                name, "value", None, text_, remedy, "whoever prepares the record", "the template"
            )
    for name, (text_, remedy, who) in ERROR_TEXTS.items():
        if name not in seen:
            kind = "node" if name in ApiReason.__members__ else "error"
            yield CodeEntry(name, kind, None, text_, remedy, who, "this software")


_BUSY: Final = frozenset(
    code for code in CODE_TEXTS if code.name in {"OVERLOADED", "NOT_READY", "RESOURCE_LIMIT"}
)


def _verdict_entry(name: str) -> CodeEntry:
    from sdk.verdicts import VERDICT_TEXTS

    verdict = VERDICT_TEXTS[name]
    return CodeEntry(
        name,
        "verdict",
        None,
        f"{verdict.text} (verdict: {verdict.verdict.value})",
        verdict.remedy,
        "whoever relies on the document",
        "docs/architecture.md",
    )


def _explain_code(context: CliContext, meanings: list[CodeEntry]) -> None:
    data = meanings[0].to_plain() | {"meanings": [entry.to_plain() for entry in meanings]}
    words: list[Any] = []
    for entry in meanings:
        kind = f"{entry.kind} code" + ("" if entry.number is None else f" {entry.number}")
        rows = [
            ("means", entry.text),
            ("do", entry.remedy or "nothing"),
            ("who", entry.who),
            ("where", _where(entry)),
            ("source", entry.source),
        ]
        words += [*([""] if words else []), f"{entry.code}   {kind}", details(rows)]
    context.output.result("Code", data, words)


def _where(entry: CodeEntry) -> str | None:
    if entry.number is None or entry.number < 2:
        return None
    if entry.number in _ADMISSION_CODES:
        return "refused by the node, never in a block; nothing changed"
    return "a receipt in a block; nothing else changed"


def _explain_all(context: CliContext) -> None:
    entries = list(all_codes())
    context.output.result(
        "CodeList",
        {"codes": [entry.to_plain() for entry in entries]},
        table(("code", "meaning", "what to do"), [(e.code, e.text, e.remedy) for e in entries]),
    )


def _explain_operation(context: CliContext, name: str) -> None:
    from ledger.model import operations
    from ledger.model.charter import default_charter

    meaning = OPERATIONS[name]
    rules = {
        rule: expression_words(expression)
        for rule, expression in default_charter().rules
        if rule.partition("/")[0] == name
    }
    fields = [item for item in getattr(operations, name).__dataclass_fields__ if item in FIELDS]
    rows: list[tuple[str, Any]] = [("does", meaning.text)]
    for rule, words in rules.items():
        special = rule.partition("/")[2]
        rows.append((f"who ({special})" if special else "who", words))
    rows += [
        ("fields", ", ".join(fields)),
        ("source", meaning.source),
        ("see", f"pset explain {fields[0]}; this network's rule: pset ledger get parameter/rules"),
    ]
    context.output.result(
        "Operation",
        {
            "operation": name,
            "text": meaning.text,
            "rules": rules,
            "fields": {field: FIELDS[field].text for field in fields},
            "source": meaning.source,
        },
        [f"{name}   operation", details(rows)],
    )


def _explain_field(context: CliContext, name: str) -> None:
    from ledger.model import operations

    meaning = FIELDS[name]
    used = [
        operation
        for operation in OPERATIONS
        if name in getattr(operations, operation).__dataclass_fields__
    ]
    rows = [
        ("means", meaning.text),
        ("in", ", ".join(used) or "every transaction"),
        ("source", meaning.source),
    ]
    context.output.result(
        "Field",
        {"field": name, "text": meaning.text, "operations": used, "source": meaning.source},
        [f"{name}   field", details(rows)],
    )


def expression_words(expression: Expression) -> str:
    """An authorisation rule as a sentence about the author."""
    match expression:
        case AllOf(parts):
            return ", ".join(expression_words(part) for part in parts)
        case AnyOf(parts):
            return "either " + ", or ".join(expression_words(part) for part in parts)
        case Forbidden():
            return "nobody"
        case SignedByRole(role, 1):
            return f"signed with a key of the role {role.label}"
        case SignedByRole(role, count):
            return f"signed with {count} keys of the role {role.label}"
        case IsOwner():
            return "by the owner of what it changes"
        case HoldsPower((power,)):
            return f"by a holder of the power {power}"
        case HoldsPower(powers):
            return f"by a holder of one of the powers {listed(powers, last='or')}"
        case IsActiveOrganisation():
            return "by an organisation that is vouched for"


def _unknown(word: str) -> CommandError:
    known = [*(entry.code for entry in all_codes()), *OPERATIONS, *FIELDS]
    by_fold = {name.lower(): name for name in known}
    near = get_close_matches(word.lower().replace("-", "_"), list(by_fold), n=3, cutoff=0.7)
    return CommandError(
        f"{word!r} is no code, operation or field",
        code="WORD_UNKNOWN",
        remedy=f"Did you mean {listed([by_fold[name] for name in near], last='or')}?"
        if near
        else "See `pset explain --all`.",
        exit_code=ExitCode.USAGE,
    )
