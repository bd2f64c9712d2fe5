# SPDX-License-Identifier: Apache-2.0
"""`pset accreditation`: who may do what, for which qualification, where, from when to when.

Reading is here, changing a grant in `cli.accreditation_changes`.
"""

from __future__ import annotations

import time
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.accreditation_changes import reinstate, suspend, withdraw
from cli.accreditation_words import (
    events_table,
    grant_data,
    grant_details,
    grants_table,
    judgement_data,
    judgement_words,
    word_granted,
    word_scope,
    word_term,
)
from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.parameters import DAY, ORGANISATION, QUALIFICATION
from cli.reading import at_option, proof_option
from cli.wording import plural
from cli.writing import WriteOptions, submit, write_options
from ledger.model.charter_document import SCOPE_KINDS

if TYPE_CHECKING:
    from sdk.client import LedgerClient
    from sdk.results import Receipt, When

STATUSES: Final = ("active", "suspended", "withdrawn", "void", "not-yet", "expired")


@click.group(
    "accreditation",
    cls=PsetGroup,
    examples="""
        $ pset accreditation check gaa --power issue-statement-of-results --qualification 91761
        $ pset accreditation list gaa
    """,
)
def accreditation() -> None:
    """Who may do what, where, from when to when; and every change of it.

    A grant holds only while the grants above it hold, up to SAQA. Nothing is deleted: a withdrawn
    grant still says what was good before.
    """


accreditation.add_command(suspend)
accreditation.add_command(reinstate)
accreditation.add_command(withdraw)


@accreditation.command(
    "grant",
    examples="""
        $ pset accreditation grant gaa --power train --power issue-statement-of-results \\
              --qualification 91761 --site 2 --from 2026-01-01 --as qcto
        $ pset accreditation grant gaa --power train --qualification 91761 --from 2026-01-01 \\
              --as qcto --dry-run                          # the ledger's decision, nothing is sent
    """,
)
@click.argument("org", type=ORGANISATION)
@click.option("--power", "powers", multiple=True, required=True, metavar="POWER", help="Repeat.")
@click.option(
    "--qualification",
    "qualifications",
    type=QUALIFICATION,
    multiple=True,
    metavar="QUAL",
    help="91761 or za:saqa:q:91761. Repeat.",
)
@click.option("--site", "sites", multiple=True, metavar="CODE", help="Of the grantee. Repeat.")
@click.option("--sub-framework", "sub_frameworks", multiple=True, metavar="NAME", help="Repeat.")
@click.option("--trade", "trades", multiple=True, metavar="OFO", help="Repeat.")
@click.option("--designation", "designations", multiple=True, metavar="CODE", help="Repeat.")
@click.option("--from", "first", type=DAY, required=True, metavar="DATE", help="First day.")
@click.option(
    "--until",
    "last",
    type=DAY,
    metavar="DATE",
    help="Last day. Default: the charter's longest term for these powers, otherwise open.",
)
@write_options
@pass_context
def grant(
    context: CliContext,
    org: str,
    powers: tuple[str, ...],
    qualifications: tuple[str, ...],
    sites: tuple[str, ...],
    sub_frameworks: tuple[str, ...],
    trades: tuple[str, ...],
    designations: tuple[str, ...],
    first: date,
    last: date | None,
    write: WriteOptions,
) -> ExitCode:
    """Grant ORG powers. What the grantor does not hold itself it cannot grant."""
    from sdk.accreditor import Accreditor

    _check_term(first, last)
    with context.client(write) as client:
        operation = client.run(
            Accreditor(client).aio.prepare_grant(
                org,
                powers=powers,
                qualifications=qualifications,
                sites=sites,
                valid=(first, last),
                sub_frameworks=sub_frameworks,
                designations=designations,
                trades=trades,
            )
        )
        scope = {kind: getattr(operation, kind) for kind in SCOPE_KINDS}
        term = word_term(first, operation.valid_until)
        line = word_granted(org, powers, word_scope(scope), term)

        def done(receipt: Receipt) -> str:
            made = receipt.result.get("grant_id")
            return f"{line}\n          grant {made}" if made else line

        return submit(
            context,
            client,
            operation,
            write,
            done=done,
            data={
                "grantee": operation.grantee,
                "valid_from": first,
                "valid_until": operation.valid_until,
            },
        )


def _check_term(first: date, last: date | None) -> None:
    if last is not None and last < first:
        raise CommandError(
            f"the last day, {last.isoformat()}, lies before the first, {first.isoformat()}",
            code="TERM_REVERSED",
            remedy="Give --until a day not before --from.",
        )


@accreditation.command(
    "list",
    examples="""
        $ pset accreditation list gaa
        $ pset accreditation list --qualification 91761 --status active
        $ pset accreditation list gaa --at 2026-05-14          # as it was known on that day
        $ pset accreditation list qcto --granted               # what QCTO has granted
    """,
)
@click.argument("org", type=ORGANISATION, required=False)
@click.option("--qualification", type=QUALIFICATION, metavar="QUAL", help="Only what covers it.")
@click.option("--status", type=click.Choice(STATUSES), help="Only grants with this status.")
@click.option("--granted", is_flag=True, help="What ORG has granted, not what it holds.")
@at_option
@proof_option
@pass_context
def list_grants(
    context: CliContext,
    org: str | None,
    qualification: str | None,
    status: str | None,
    granted: bool,
    at: date | int | None,
    proof: Path | None,
) -> None:
    """Grants to ORG, or all; their number is proven, so none is left out."""
    from cli.accreditation_questions import GrantFilter, ask_grants

    wanted = GrantFilter(org, "grantor" if granted else "grantee", qualification, status)
    with context.client() as client:
        day, at_ms = _moment(client, at)
        network = client.network.genesis.network
        proven = client.ask(
            partial(ask_grants, wanted=wanted, network=network, day=day, at_ms=at_ms)
        )
    context.save_proof(proof, proven)
    words: list[Any] = [f"no grants {'by' if granted else 'to'} {org}" if org else "no grants"]
    if proven.value:
        words = [grants_table(proven.value), plural(len(proven.value), "grant")]
    data = {"accreditations": [grant_data(named) for named in proven.value]}
    context.output.read("AccreditationList", data, proven, words)


def _moment(client: LedgerClient, at: When) -> tuple[int, int | None]:
    """The day and the ledger time (ms; None: now) that ``--at`` means."""
    from sdk.moments import day_asked, resolve_moment

    now_ms = _now_ms()
    at_ms = client.run(resolve_moment(at, client.aio.reader, now_ms))
    return day_asked(at, at_ms, now_ms), at_ms


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@accreditation.command(
    "show", examples="$ pset accreditation show g57HG…My2Bx --history      # id as in the list"
)
@click.argument("grant_id", metavar="GRANT")
@click.option("--history", is_flag=True, help="Everything that happened to it.")
@proof_option
@pass_context
def show(context: CliContext, grant_id: str, history: bool, proof: Path | None) -> None:
    """One grant: by whom, to whom, for what; and what happened to it."""
    from cli.accreditation_questions import ask_short_name, name_grant
    from sdk.accreditations import read_history
    from sdk.reader import StateView

    def question(view: StateView) -> tuple[Any, Any, dict[str, str]]:
        held = read_history(view, grant_id)
        names = {event.by: ask_short_name(view, event.by) for event in held.events}
        return name_grant(view, held.accreditation), held, names

    with context.client() as client:
        proven = client.ask(question)
    context.save_proof(proof, proven)
    named, held, names = proven.value
    data = {
        **grant_data(named),
        "version": held.version,
        "recorded_at": held.recorded_at,
        "pending": held.pending_until is not None,
        "pending_until": held.pending_until,
    }
    words: list[Any] = [grant_details(named, held)]
    if history:
        data["events"] = [{**event.to_dict(), "by_name": names[event.by]} for event in held.events]
        words += ["", events_table(held.events, names) if held.events else "nothing since"]
    elif held.events:
        context.output.hint(
            f"{plural(len(held.events), 'change')} since: add --history to see what happened."
        )
    context.output.read("Accreditation", data, proven, words)


@accreditation.command(
    "check",
    examples="""
        $ pset accreditation check gaa --power issue-statement-of-results \\
              --qualification 91761 --site 2 --on 2026-05-14
        $ pset accreditation check qcto --power certify --qualification 91761
    """,
)
@click.argument("org", type=ORGANISATION)
@click.option("--power", required=True, metavar="POWER", help="Such as train.")
@click.option("--qualification", type=QUALIFICATION, metavar="QUAL", help="For which.")
@click.option("--site", metavar="CODE", help="At which of its sites.")
@click.option("--on", type=DAY, metavar="DATE", help="On which day. Default: today.")
@proof_option
@pass_context
def check(
    context: CliContext,
    org: str,
    power: str,
    qualification: str | None,
    site: str | None,
    on: date | None,
    proof: Path | None,
) -> ExitCode:
    """May ORG do this, for that, there, then? Exit code 0: yes, 1: no; and the chain to the root."""
    from cli.accreditation_questions import ask_judgement

    with context.client() as client:
        genesis = client.network.genesis
        _check_power(power, genesis.charter.powers)
        proven = client.ask(
            partial(
                ask_judgement,
                org=org,
                network=genesis.network,
                power=power,
                qualification=qualification,
                site=site,
                on=on,
                now_ms=_now_ms(),
            )
        )
    context.save_proof(proof, proven)
    judgement = proven.value
    context.output.read(
        "AccreditationCheck", judgement_data(judgement), proven, judgement_words(judgement)
    )
    return ExitCode.DONE if judgement.authority.decision.allowed else ExitCode.NO


def _check_power(power: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is no power: "no" would be a misleading answer to a slip of the pen."""
    if power not in known:
        raise CommandError(
            f"the charter of this network knows no power {power!r}",
            code="POWER_UNKNOWN",
            remedy=f"Choose of: {', '.join(known)}.",
        )
