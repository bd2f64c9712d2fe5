# SPDX-License-Identifier: Apache-2.0
"""`pset accreditation suspend|reinstate|withdraw`: changes of a grant, from a day on.

A withdrawal from the beginning takes two parties: the grantor opens it and nothing changes yet, the
grantor's own grantor gives the same command within 30 days and it takes effect; otherwise it lapses.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.errors import ExitCode
from cli.parameters import DAY
from cli.wording import SOUTH_AFRICA, show_day, show_instant
from cli.writing import WriteOptions, find_first_receipt, submit, write_options

if TYPE_CHECKING:
    from cli.accreditation_questions import SecondParty
    from sdk.client import LedgerClient
    from sdk.operations import Operation, WithdrawAccreditation
    from sdk.results import Receipt

REASONS: Final = (
    "non-compliance",
    "quality-failure",
    "ceased-operations",
    "voluntary",
    "fraud-finding",
    "error",
)
"""Codes; free text is never written to the ledger."""
OPENED: Final = "ab-initio-opened"

F = TypeVar("F", bound=Callable[..., Any])


def _reason_option(function: F) -> F:
    return click.option(
        "--reason", type=click.Choice(REASONS), required=True, help="A code, never free text."
    )(function)


def _effective_option(function: F) -> F:
    return click.option(
        "--effective", type=DAY, metavar="DATE", help="First day of it. Default: today."
    )(function)


@click.command(
    "suspend",
    cls=PsetCommand,
    examples="$ pset accreditation suspend g57HG…My2Bx --reason quality-failure --as qcto",
)
@click.argument("grant_id", metavar="GRANT")
@_reason_option
@_effective_option
@write_options
@pass_context
def suspend(
    context: CliContext, grant_id: str, reason: str, effective: date | None, write: WriteOptions
) -> ExitCode:
    """Suspend a grant from a day on; `reinstate` ends it."""
    from sdk.operations import SuspendAccreditation

    day = effective or _today()
    with context.client(write) as client:
        operation = SuspendAccreditation(grant_id, _version(client, grant_id, write), day, reason)
        line = f"grant {grant_id} is suspended from {show_day(day)} on"
        return _submit(context, client, operation, write, line, day)


@click.command(
    "reinstate",
    cls=PsetCommand,
    examples="$ pset accreditation reinstate g57HG…My2Bx --reason voluntary --as qcto",
)
@click.argument("grant_id", metavar="GRANT")
@_reason_option
@_effective_option
@write_options
@pass_context
def reinstate(
    context: CliContext, grant_id: str, reason: str, effective: date | None, write: WriteOptions
) -> ExitCode:
    """End the suspension of a grant from a day on."""
    from sdk.operations import ReinstateAccreditation

    day = effective or _today()
    with context.client(write) as client:
        operation = ReinstateAccreditation(grant_id, _version(client, grant_id, write), day, reason)
        line = f"grant {grant_id} holds again from {show_day(day)} on"
        return _submit(context, client, operation, write, line, day)


@click.command(
    "withdraw",
    cls=PsetCommand,
    examples="""
        $ pset accreditation withdraw g57HG…My2Bx --effective 2027-07-01 \\
              --reason ceased-operations --as qcto
        $ pset accreditation withdraw g57HG…My2Bx --effective 2024-02-01 --reason fraud-finding \\
              --ab-initio --as qcto                   # opens it; then the same with --as saqa
    """,
)
@click.argument("grant_id", metavar="GRANT")
@click.option(
    "--effective", type=DAY, required=True, metavar="DATE", help="First day without the powers."
)
@_reason_option
@click.option(
    "--ab-initio", is_flag=True, help="From the beginning: it never held. Takes two parties."
)
@write_options
@pass_context
def withdraw(
    context: CliContext,
    grant_id: str,
    effective: date,
    reason: str,
    ab_initio: bool,
    write: WriteOptions,
) -> ExitCode:
    """Withdraw a grant for good.

    What was issued before --effective stays good. With --ab-initio it does not: the grant never held.
    That takes two: the grantor's command opens it, which changes nothing; the grantor's own grantor
    repeats the command with the same date and reason within 30 days. Otherwise it lapses.
    """
    from sdk.operations import WithdrawAccreditation

    with context.client(write) as client:
        operation = WithdrawAccreditation(
            grant_id, _version(client, grant_id, write), effective, reason, ab_initio
        )
        if not ab_initio:
            line = (
                f"grant {grant_id} is withdrawn; {show_day(effective)} is the first day without it"
            )
            return _submit(context, client, operation, write, line, effective)
        return _withdraw_ab_initio(context, client, operation, write)


def _today() -> date:
    """The South African day on which it is now."""
    return datetime.now(UTC).astimezone(SOUTH_AFRICA).date()


def _version(client: LedgerClient, grant_id: str, write: WriteOptions) -> int:
    """The version of the grant that the change is made to; for a repeat, that of the first time."""
    receipt = find_first_receipt(client, write)
    if receipt is not None and receipt.result.get("grant_id") == grant_id:
        return int(receipt.result["version"]) - 1
    return client.accreditation(grant_id).value.version


def _submit(
    context: CliContext,
    client: LedgerClient,
    operation: Operation,
    write: WriteOptions,
    line: str,
    effective: date,
) -> ExitCode:
    return submit(context, client, operation, write, done=line, data={"effective": effective})


def _withdraw_ab_initio(
    context: CliContext,
    client: LedgerClient,
    operation: WithdrawAccreditation,
    write: WriteOptions,
) -> ExitCode:
    from cli.accreditation_questions import ask_second_party

    second = client.ask(partial(ask_second_party, grant_id=operation.grant_id)).value

    def done(receipt: Receipt) -> str:
        if receipt.result.get("event") != OPENED:
            return _VOID_WORDS.format(operation.grant_id)
        # Asked again: a repeat answers the first receipt, and the window began then.
        pending_until = client.accreditation(operation.grant_id).value.pending_until
        return _pending_words(operation, second, pending_until)

    return submit(
        context, client, operation, write, done=done, data={"effective": operation.effective}
    )


_VOID_WORDS: Final = (
    "grant {} is withdrawn from its beginning: it never held, and what was issued under it does not"
    " count"
)


def _pending_words(
    operation: WithdrawAccreditation, second: SecondParty | None, until: datetime | None
) -> str:
    """Half of it has happened: who must do what until when."""
    who = "the grantor's own grantor" if second is None else second.short_name
    by = "within 30 days" if until is None else f"by {show_instant(until)}"
    command = (
        f"pset accreditation withdraw {operation.grant_id} --ab-initio"
        f" --effective {operation.effective.isoformat()} --reason {operation.reason} --as {who}"
    )
    return (
        f"the withdrawal from the beginning is open; the grant is unchanged\n"
        f"PENDING   {who} confirms it {by}, otherwise it lapses:\n"
        f"          {command}"
    )
