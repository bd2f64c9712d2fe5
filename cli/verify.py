# SPDX-License-Identifier: Apache-2.0
"""`pset verify`: is this credential good? No account, no key, no set-up.

The first word is the verdict. Exit code 0: valid, 1: invalid, 4: cannot tell; of several sources the
worst. A bad document is an answer, never an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.errors import SEVERITY, CommandError, ExitCode, describe_error
from cli.parameters import DAY, DURATION
from cli.reading import FILE, proof_option
from cli.terminal_text import escape_line
from cli.verification_sources import Source, compute_document_hash, find_sources
from cli.verification_words import escape_report, explain_report, one_line, style_report
from cli.written_files import write_named_file
from sdk.errors import PsetError, UnavailableError
from sdk.results import format_instant

if TYPE_CHECKING:
    from sdk.aio_verifier import ProvenReport
    from sdk.client import LedgerClient
    from sdk.policy import Policy
    from sdk.report import VerificationReport

REQUIREMENTS: Final = ("holder", "anchor")
RECEIPT_FORMAT: Final = "psetledger-verification-receipt/1"
RETENTION: Final = timedelta(days=365)
"""After which a receipt should be deleted; it holds no claim, but it shows that a check was made."""


@click.command(
    "verify",
    cls=PsetCommand,
    examples="""
        $ pset verify certificate.vc.json
        $ pset verify inbox/*.vc.json                              # a line each, the worst exit code
        $ pset verify certificate.vc.json --at 2026-05-14          # as it was on that day
        $ pset verify - < certificate.vc.json
        $ pset verify certificate.vc.json --receipt receipt.json   # to keep: it names no learner
        $ pset verify certificate.vc.json --proof facts.proof      # what the ledger said, proven
    """,
)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--at", type=DAY, metavar="DATE", help="Ask about that day instead of now.")
@click.option(
    "--max-age",
    type=DURATION,
    metavar="DUR",
    help="How old the ledger's facts may be. Default 7d.",
)
@click.option(
    "--require",
    type=click.Choice(REQUIREMENTS),
    multiple=True,
    help="holder: shown by the learner; anchor: time of issue proven. Repeat for several.",
)
@click.option("--strict", is_flag=True, help="Warnings count as failures.")
@click.option("--offline", is_flag=True, help="Touch no network.")
@click.option("--explain", is_flag=True, help="Also how each answer is known.")
@click.option(
    "--receipt",
    type=FILE,
    metavar="FILE",
    help="Write what was found, without the claims, for your own records.",
)
@proof_option
@click.option("--lang", default="en", metavar="CODE", help="Language of the report. Default en.")
@pass_context
def verify(
    context: CliContext,
    sources: tuple[str, ...],
    at: date | None,
    max_age: timedelta | None,
    require: tuple[str, ...],
    strict: bool,
    offline: bool,
    explain: bool,
    receipt: Path | None,
    proof: Path | None,
    lang: str,
) -> ExitCode:
    """Verify credentials.

    SOURCE is a file, - for standard input, or the text of a credential. The answer is VALID, INVALID
    or CANNOT TELL, and why; it rests on proofs, not on the word of the node that was asked. Nobody
    learns whom you check.
    """
    from sdk.policy import MAX_AGE_DEFAULT, Policy

    _check_language(lang)
    found = find_sources(sources)
    policy = Policy(
        max_age=MAX_AGE_DEFAULT if max_age is None else max_age,
        require=require,
        warnings_fail=strict,
    )
    worst = ExitCode.DONE
    receipts: list[dict[str, Any]] = []
    proofs: list[ProvenReport] | None = None if proof is None else []
    with _asking(context, policy, at=at, offline=offline, proofs=proofs) as ask:
        for source in found:
            try:
                document = source.read()
            except (CommandError, OSError) as error:
                if len(found) == 1:
                    raise
                worst = worse(worst, _show_unreadable(context, source, error))
                continue
            report = ask(document)
            _show(context, source, report, alone=len(found) == 1, explain=explain, lang=lang)
            receipts.append(make_receipt(document, report, at=at))
            worst = worse(worst, exit_code_of(report))
    if receipt is not None:
        text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in receipts)
        write_named_file(receipt, text.encode(), "--receipt")
        context.output.progress(f"receipt saved: {receipt}")
    if proofs:
        _save_proofs(context, proof, [held for held in proofs if held.rests_on_ledger])
    return worst


def _save_proofs(context: CliContext, path: Path | None, reports: Sequence[ProvenReport]) -> None:
    """All that the reports rest on, in one file; none is written when they rest on nothing."""
    from sdk.proof_files import join_proof_files

    if not reports:
        return
    data = b""
    if all(held.proof for held in reports):
        data = join_proof_files(held.proof for held in reports)
    context.save_proof_file(path, data)


def _check_language(lang: str) -> None:
    """Refuse a language before anything is verified: a report must not be lost for it."""
    from sdk.report import LANGUAGES

    if lang not in LANGUAGES:
        raise CommandError(
            f"reports are not available in {lang!r}",
            code="LANGUAGE_UNKNOWN",
            remedy=f"Choose of: {', '.join(LANGUAGES)}.",
        )


@contextmanager
def _asking(
    context: CliContext,
    policy: Policy,
    *,
    at: date | None,
    offline: bool,
    proofs: list[ProvenReport] | None,
) -> Generator[Callable[[bytes], VerificationReport]]:
    """What answers for a document; without trust root or connection it says that it cannot tell."""
    from sdk.verifier import verify_without_ledger

    with ExitStack() as stack:
        try:
            if offline:
                raise _offline()
            client = stack.enter_context(context.client())
        except PsetError as error:
            if error.code != "NO_TRUST_ROOT" and not isinstance(error, UnavailableError):
                raise
            reason = error  # the clause deletes its own name
        else:
            yield _ask_ledger(client, policy, at, proofs)
            return

    def answer(document: bytes) -> VerificationReport:
        report = verify_without_ledger(document, reason)
        is_unknown = report.verdict.value == "unknown"
        return replace(report, next_step=reason.remedy) if offline and is_unknown else report

    yield answer


def _offline() -> UnavailableError:
    return UnavailableError(
        "no network was asked",
        code="NO_CONNECTION",
        remedy="Leave --offline out: this release reads no bundles yet.",
    )


def _ask_ledger(
    client: LedgerClient, policy: Policy, at: date | None, proofs: list[ProvenReport] | None
) -> Callable[[bytes], VerificationReport]:
    from sdk.verifier import Verifier

    verifier = Verifier(client, policy=policy)
    if proofs is None:
        return lambda document: verifier.verify(document, at=at)

    def answer(document: bytes) -> VerificationReport:
        held = verifier.verify_with_proof(document, at=at)
        proofs.append(held)
        return held.report

    return answer


def _show(
    context: CliContext,
    source: Source,
    report: VerificationReport,
    *,
    alone: bool,
    explain: bool,
    lang: str,
) -> None:
    words: list[Any] = []
    if not context.json_wanted:
        width = context.output.console.width if context.output.stdout.isatty() else None
        shown = escape_report(report)
        words = [style_report(shown.to_text(language=lang).rstrip("\n"), width=width)]
        if not alone:
            words = [one_line(source.name, shown)]
        if explain:
            words += explain_report(shown)
    data = {"source": source.name, **report.to_dict()}
    context.output.result("VerificationReport", data, words)


def _show_unreadable(context: CliContext, source: Source, error: Exception) -> ExitCode:
    """A line for one of several sources that cannot be read."""
    report = describe_error(error)
    data = {"source": source.name, **report.to_plain()}
    words = f"{'NOT READ':<13}{escape_line(source.name)}  {escape_line(report.text)}"
    context.output.result("SourceError", data, words)
    return ExitCode(report.exit)


def exit_code_of(report: VerificationReport) -> ExitCode:
    """0 valid, 1 invalid, 4 cannot tell."""
    return _EXIT_CODES[report.verdict.value]


_EXIT_CODES: Final = {
    "valid": ExitCode.DONE,
    "invalid": ExitCode.NO,
    "unknown": ExitCode.CANNOT_TELL,
}


def worse(first: ExitCode, second: ExitCode) -> ExitCode:
    """The worse of two exit codes: 5, 1, 4, 0."""
    return min(first, second, key=SEVERITY.index)


def make_receipt(
    document: bytes, report: VerificationReport, *, at: date | None = None
) -> dict[str, Any]:
    """What may be kept of a verification: everything but the claims and the name of the file.

    A log of candidates is personal data (POPIA); a hash of the signed file says which one was
    checked to whoever still has it, and nothing to anybody else.
    """
    now = datetime.now(UTC)
    return {
        "format": RECEIPT_FORMAT,
        "document_sha256": compute_document_hash(document),
        "checked_at": format_instant(now),
        "asked_about": None if at is None else at.isoformat(),
        "delete_after": (now + RETENTION).date().isoformat(),
        "report": report.without_claims().to_dict(),
    }
