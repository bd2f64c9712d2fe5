# SPDX-License-Identifier: Apache-2.0
"""`pset credential revoke|suspend|reinstate`: one transaction for many credentials.

The ledger sees bits in a list; which credential they stand for, and why they changed, stays in the
issuer's store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.credential_store import issuing_options, opened_issuer, store_option
from cli.errors import CommandError, ExitCode
from cli.wording import plural, show_instant
from cli.writing import WriteOptions, receipt_data, show_decision, show_refused
from sdk.errors import RefusedError

if TYPE_CHECKING:
    from sdk.client import LedgerClient
    from sdk.issuer import Issuer
    from sdk.results import Receipt

Action = Literal["revoke", "suspend", "reinstate"]

REASONS: Final = (
    "correction",
    "fraud-finding",
    "key-compromise",
    "superseded",
    "enquiry",
    "cleared",
    "error",
)
RECORD_IDS_SIZE_MAX: Final = 64 * 1024 * 1024
"""Bytes of a file with record ids."""

_DONE_WORDS: Final = {"revoke": "REVOKED", "suspend": "SUSPENDED", "reinstate": "REINSTATED"}

F = TypeVar("F", bound=Callable[..., Any])


def _record_options(function: F) -> F:
    decorators = (
        click.option(
            "--record-id", "record_ids", multiple=True, metavar="ID", help="As issued. Repeat."
        ),
        click.option(
            "--from-file",
            type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
            metavar="FILE",
            help="Record ids, one a line.",
        ),
        click.option(
            "--reason", type=click.Choice(REASONS), required=True, help="Kept in your store only."
        ),
        store_option,
        issuing_options(
            "The key of the first transaction, to look it up by. The record ids alone make"
            " the command repeatable."
        ),
    )
    decorated: Any = function
    for decorate in reversed(decorators):
        decorated = decorate(decorated)
    result: F = decorated
    return result


@click.command(
    "revoke",
    cls=PsetCommand,
    examples="""
        $ pset credential revoke --record-id S1234567/2026-1 --reason correction --as gaa
        $ pset credential revoke --from-file ids.txt --reason key-compromise --as gaa
    """,
)
@_record_options
@pass_context
def revoke(
    context: CliContext,
    record_ids: tuple[str, ...],
    from_file: Path | None,
    reason: str,
    store: Path | None,
    write: WriteOptions,
) -> ExitCode:
    """Revoke credentials for good. It cannot be undone."""
    return _change(context, "revoke", record_ids, from_file, reason, store, write)


@click.command(
    "suspend",
    cls=PsetCommand,
    examples="$ pset credential suspend --record-id S1234567/2026-1 --reason enquiry --as gaa",
)
@_record_options
@pass_context
def suspend(
    context: CliContext,
    record_ids: tuple[str, ...],
    from_file: Path | None,
    reason: str,
    store: Path | None,
    write: WriteOptions,
) -> ExitCode:
    """Suspend credentials; `reinstate` ends it."""
    return _change(context, "suspend", record_ids, from_file, reason, store, write)


@click.command(
    "reinstate",
    cls=PsetCommand,
    examples="$ pset credential reinstate --record-id S1234567/2026-1 --reason cleared --as gaa",
)
@_record_options
@pass_context
def reinstate(
    context: CliContext,
    record_ids: tuple[str, ...],
    from_file: Path | None,
    reason: str,
    store: Path | None,
    write: WriteOptions,
) -> ExitCode:
    """End the suspension of credentials."""
    return _change(context, "reinstate", record_ids, from_file, reason, store, write)


def _change(
    context: CliContext,
    action: Action,
    record_ids: Sequence[str],
    from_file: Path | None,
    reason: str,
    store: Path | None,
    write: WriteOptions,
) -> ExitCode:
    wanted = list(dict.fromkeys([*record_ids, *_read_record_ids(from_file)]))
    if not wanted:
        raise CommandError(
            "no credential is named",
            code="NO_RECORDS",
            remedy="Add --record-id ID or --from-file FILE.",
        )
    with opened_issuer(context, store, write, may_create=False) as (client, issuer):
        if write.dry_run:
            return _show_dry_run(context, client, issuer, action, wanted, reason)
        try:
            result = issuer.change_status(
                action, wanted, reason=reason, idempotency_key=write.idempotency_key
            )
        except RefusedError as error:
            show_refused(context, error, kind="StatusChange")
            raise
    last = result.receipts[-1]
    data = {
        "transactions": len(result.receipts),
        "records": result.records,
        "unchanged": result.unchanged,
    }
    words = [f"{_DONE_WORDS[action]:<9} {plural(result.records, 'credential')} (reason: {reason})"]
    if result.unchanged:
        words.append(f"          {result.unchanged:,} of them had that status before")
    words += [
        f"          transaction {receipt.transaction_id}, block {receipt.height:,},"
        f" {show_instant(receipt.as_of)}"
        for receipt in result.receipts
    ]
    context.output.result("StatusChange", receipt_data(last, data), words)
    return ExitCode.DONE


def _read_record_ids(path: Path | None) -> list[str]:
    """One record id a line; empty lines do not count."""
    if path is None:
        return []
    try:
        with click.open_file(str(path), "rb") as stream:
            data = stream.read(RECORD_IDS_SIZE_MAX + 1)
        if len(data) > RECORD_IDS_SIZE_MAX:
            raise ValueError("too long")
        lines = data.decode("utf-8-sig").splitlines()
    except (OSError, ValueError):
        raise CommandError(
            f"{path} cannot be read as a list of record ids",
            code="RECORDS_UNREADABLE",
            remedy="Give a text file, UTF-8, with one record id a line.",
        ) from None
    return [line.strip() for line in lines if line.strip()]


def _show_dry_run(
    context: CliContext,
    client: LedgerClient,
    issuer: Issuer,
    action: Action,
    record_ids: Sequence[str],
    reason: str,
) -> ExitCode:
    """What the ledger would answer to the issuer's own plan; exits as the real command would.

    Of several transactions on one list only the first can be asked about: the others rest on it.
    """
    preview = issuer.preview_status_change(action, record_ids, reason=reason)
    data = {
        "transactions": preview.transactions,
        "records": preview.records,
        "unchanged": preview.unchanged,
    }
    receipts: list[Receipt] = []
    for operation in preview.operations:
        receipts.append(client.dry_run(operation))
        if not receipts[-1].applied:
            break
    if receipts:
        return show_decision(context, receipts[-1], data=data, kind="StatusChange")
    context.output.result(
        "StatusChange",
        {"dry_run": True, **data},
        f"UNCHANGED {plural(preview.records, 'credential')} had that status before;"
        " nothing was sent",
    )
    return ExitCode.DONE
