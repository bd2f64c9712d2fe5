# SPDX-License-Identifier: Apache-2.0
"""`pset credential`: check, issue, find and show; templates and changes of status beside it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.credential_records import find_template, read_record
from cli.credential_status import reinstate, revoke, suspend
from cli.credential_store import issuing_options, opened_issuer, store_option
from cli.credential_template import template
from cli.errors import CommandError, ExitCode
from cli.output import details, table
from cli.reading import FILE
from cli.terminal_text import escape_line
from cli.wording import plural, show_instant
from cli.writing import WriteOptions
from cli.written_files import check_place, write_named_file

if TYPE_CHECKING:
    from sdk.credentials.jcs import JsonObject
    from sdk.drafts import Draft, IssuedCredential, RowError
    from sdk.issuer import Issuer
    from sdk.results import Decision

RECORD_FILE = click.Path(dir_okay=False, allow_dash=True, path_type=Path)
"""An input record; ``-`` is standard input."""
DOCUMENT_SIZE_MAX = 1024 * 1024


@click.group(
    "credential",
    cls=PsetGroup,
    examples="""
        $ pset credential template show statement-of-results --example > learner.json
        $ pset credential issue learner.json --template statement-of-results \\
              --record-id S1234567/2026-1 --out learner.vc.json --as gaa
        $ pset credential revoke --record-id S1234567/2026-1 --reason correction --as gaa
    """,
)
def credential() -> None:
    """Issue credentials, revoke them, look them up.

    Nothing about a learner reaches the ledger. What was issued, to whom and why it was revoked stays
    in the issuer's own store, named with --store.
    """


credential.add_command(template)
credential.add_command(revoke)
credential.add_command(suspend)
credential.add_command(reinstate)


def _template_option(function: Any) -> Any:
    return click.option(
        "--template",
        "template_name",
        required=True,
        metavar="NAME",
        help="NAME or NAME@VERSION; see `pset credential template list`.",
    )(function)


@credential.command(
    "check",
    examples="""
        $ pset credential check learner.json --template statement-of-results
        $ pset credential check learner.json --template statement-of-results --as gaa
    """,
)
@click.argument("file", type=RECORD_FILE)
@_template_option
@pass_context
def check(context: CliContext, file: Path, template_name: str) -> ExitCode:
    """Could this be issued? Errors by field and rule, never the value; nothing is issued.

    FILE is a JSON object, one learner's record. With --as also whether that organisation is
    accredited for it. Exit code 0: yes, 1: no.
    """
    from datetime import UTC, datetime

    from sdk.credentials.instants import civil_date_of
    from sdk.credentials.values import check_values
    from sdk.drafts import row_errors

    record = read_record(file)
    found = find_template(context, template_name)
    today = civil_date_of(datetime.now(UTC))
    errors = row_errors("", check_values(found.template, record, today=today))
    decision: Decision | None = None
    if not errors and context.acting_or_none() is not None:
        decision = _ask_decision(context, found.template.power, record)
    good = not errors and (decision is None or decision.allowed)
    words = _errors_words(errors)
    if not errors:
        words = [f"GOOD      the record fits {found.template.name}"]
    if decision is not None:
        words.append(f"{'ALLOWED' if decision.allowed else 'NO':<9} {decision.text}")
    data = {
        "template": found.template.name,
        "version": found.version,
        "ok": good,
        "errors": [error.to_dict() for error in errors],
        "decision": None if decision is None else decision.to_dict(),
    }
    context.output.result("RecordCheck", data, words)
    return ExitCode.DONE if good else ExitCode.NO


def _ask_decision(context: CliContext, power: str, record: dict[str, Any]) -> Decision:
    """Whether the acting organisation may issue this; `record` has been checked."""
    from sdk.issuer import Issuer

    site = record.get("site")
    # Only questions are asked of it: the store is not opened.
    with context.client() as client, Issuer(client, store=Path("unused.db")) as issuer:
        return issuer.may_issue(
            str(record["qualification"]),
            power=power,
            site=None if site is None else str(site),
            on=date.fromisoformat(str(record["assessed"])),
        )


def _errors_words(errors: list[RowError]) -> list[Any]:
    rows = [(error.field, error.code, error.text) for error in errors]
    return [f"NO        {plural(len(errors), 'error')}", table(("field", "code", "rule"), rows)]


@credential.command(
    "issue",
    examples="""
        $ pset credential issue learner.json --template statement-of-results \\
              --record-id S1234567/2026-1 --out learner.vc.json --as gaa
    """,
)
@click.argument("file", type=RECORD_FILE)
@_template_option
@click.option(
    "--record-id", required=True, metavar="ID", help="Your own stable key of this record."
)
@click.option("--out", type=FILE, required=True, metavar="FILE", help="Where the credential goes.")
@store_option
@issuing_options("Refused here: the record id is the key of issuing.")
@pass_context
def issue(
    context: CliContext,
    file: Path,
    template_name: str,
    record_id: str,
    out: Path,
    store: Path | None,
    write: WriteOptions,
) -> ExitCode:
    """Issue one credential from FILE, a JSON object with one learner's record.

    Run again with the same record it writes the same bytes. The ledger must prove that the issuer is
    accredited for the qualification, at the site, on the day of the assessment; otherwise nothing is
    signed.
    """
    from sdk.drafts import Draft, DraftRefusedError

    if write.idempotency_key is not None:
        raise CommandError(
            "issuing takes no idempotency key: the record id is the key, and a credential is no"
            " transaction",
            code="IDEMPOTENCY_KEY_NOT_TAKEN",
            remedy="Leave --idempotency-key out; the same --record-id again writes the same"
            " credential.",
        )
    check_place(out, "--out")
    draft = Draft.from_template(template_name, read_record(file))
    with opened_issuer(context, store, write, may_create=True) as (_, issuer):
        try:
            if write.dry_run:
                return _show_dry_run(context, issuer, draft, record_id)
            issued = issuer.issue(draft, record_id=record_id)
        except DraftRefusedError as error:
            raise _refused(context, error.errors, error) from error
    _write_document(out, issued.document)
    words = [
        f"ISSUED    {out}",
        details(
            [
                ("record", issued.record_id),
                ("credential", issued.credential_id),
                ("status", f"entry {issued.status_index} of {issued.status_url}"),
            ]
        ),
    ]
    context.output.result("IssuedCredential", issued_data(issued, out), words)
    return ExitCode.DONE


def _show_dry_run(context: CliContext, issuer: Issuer, draft: Draft, record_id: str) -> ExitCode:
    """The decision that issuing would rest on; nothing is signed or sent."""
    decision = issuer.preview_issue(draft, record_id=record_id)
    data = {"dry_run": True, "code": decision.code, **decision.to_dict()}
    words = f"{decision.code:<9} {decision.text}; nothing was issued"
    context.output.result("IssueDecision", data, words)
    return ExitCode.DONE


def _refused(context: CliContext, errors: Any, error: Any) -> CommandError:
    """A record that cannot be issued: every rule it breaks as the result, the first as the error."""
    rows = list(errors)
    data = {"ok": False, "errors": [row.to_dict() for row in rows]}
    context.output.result("RecordCheck", data, _errors_words(rows))
    return CommandError(error.text, code=error.code, remedy=error.remedy, exit_code=ExitCode.NO)


def issued_data(issued: IssuedCredential, file: Path | None) -> dict[str, Any]:
    """The members of an issued credential in JSON; never the document."""
    return {"file": None if file is None else str(file), **issued.to_dict()}


def _write_document(path: Path, document: bytes) -> None:
    write_named_file(path, document, "--out")


@credential.command(
    "find",
    examples="$ pset credential find --record-id S1234567/2026-1 --out again.vc.json --as gaa",
)
@click.option("--record-id", required=True, metavar="ID", help="As it was issued.")
@store_option
@click.option("--out", type=FILE, metavar="FILE", help="Write the credential again.")
@pass_context
def find(context: CliContext, record_id: str, store: Path | None, out: Path | None) -> ExitCode:
    """What was issued under a record id, from the issuer's own store. Exit code 1: nothing."""
    write = WriteOptions("certified", None, dry_run=False, client_checks=True)
    with opened_issuer(context, store, write, may_create=False) as (_, issuer):
        issued = issuer.find(record_id)
    if issued is None:
        raise CommandError(
            f"nothing was issued under the record id {record_id}",
            code="RECORD_UNKNOWN",
            remedy="Check the record id, --as and --store.",
            exit_code=ExitCode.NO,
        )
    if out is not None:
        _write_document(out, issued.document)
    rows = [
        ("record", issued.record_id),
        ("credential", issued.credential_id),
        ("status list", issued.status_url),
        ("entry", issued.status_index),
        ("file", None if out is None else str(out)),
    ]
    context.output.result("IssuedCredential", issued_data(issued, out), details(rows))
    return ExitCode.DONE


@credential.command("show", examples="$ pset credential show learner.vc.json")
@click.argument("file", type=RECORD_FILE)
@pass_context
def show(context: CliContext, file: Path) -> None:
    """What a credential file says. Nothing is checked: for that, `pset verify`."""
    from sdk.credentials.jcs import parse_object
    from sdk.credentials.problems import CredentialError

    with click.open_file(str(file), "rb") as stream:
        data = stream.read(DOCUMENT_SIZE_MAX + 1)
    try:
        document = parse_object(data, size_max=DOCUMENT_SIZE_MAX)
    except CredentialError as error:
        raise CommandError(
            f"{file} is no credential: {error.text}",
            code="DOCUMENT_MALFORMED",
            remedy="Give a credential file, such as learner.vc.json.",
        ) from error
    named = escape_line(str(file))
    words = [f"NOT CHECKED, only decoded. To know whether it is good: pset verify {named}", ""]
    if not context.json_wanted:
        words += _decoded_words(document)
    context.output.result("DecodedCredential", {"checked": False, "document": document}, words)


def _decoded_words(document: JsonObject) -> list[Any]:
    """What a document says: the facts of one of ours, otherwise all there is."""
    from cli.records import lines
    from sdk.credentials.facts import read_facts
    from sdk.credentials.problems import CredentialError

    try:
        facts = read_facts(document)
    except CredentialError as error:
        shown = {name: value for name, value in document.items() if name != "@context"}
        reason = escape_line(f"{error.path}: {error.text}")
        return [f"No credential of a known layout ({reason}):", *lines(shown)]
    entries = facts.status_entries
    rows = [
        ("what", facts.title),
        ("credential", facts.credential_id),
        ("issuer", facts.issuer_did),
        ("signed with", facts.key_id),
        ("signed at", show_instant(facts.created)),
        ("valid from", show_instant(facts.valid_from)),
        ("valid until", None if facts.valid_until is None else show_instant(facts.valid_until)),
        ("template", facts.template_url),
        *((entry.purpose, f"entry {entry.index} of {entry.list_url}") for entry in entries),
    ]
    return [details(rows), "", "claims", *lines(dict(facts.claims), "  ")]
