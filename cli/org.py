# SPDX-License-Identifier: Apache-2.0
"""`pset org`: an organisation's own request, its endorsement, its sites, and who is on the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetGroup
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.output import details, table
from cli.parameters import CODE, ORGANISATION
from cli.reading import FILE, FILE_TO_READ, at_option, proof_option
from cli.wording import plural, shorten
from cli.writing import WriteOptions, submit, write_options

if TYPE_CHECKING:
    from sdk.client import LedgerClient
    from sdk.results import Organisation, Proven, When

CHARTER: Final = "charter"


@click.group(
    "org",
    cls=PsetGroup,
    examples="""
        $ pset org list --type quality-council
        $ pset org show qcto
        $ pset org request --short-name ekt --name "Ekurhuleni Trades (sample)" --type provider \\
              --key admin --key ledger --key issue --out ekt.request.json
        $ pset org endorse ekt.request.json --as qcto --code qcto=SDP-0200
    """,
)
def org() -> None:
    """Organisations: requested by themselves, vouched for by another.

    ORG is a DID, a vouched short name (qcto) or a vouched code (qcto:SDP-0142).
    """


@org.command(
    "request",
    examples="""
        $ pset key generate admin --role admin --as ekt
        $ pset key generate ledger --role ledger --as ekt
        $ pset org request --short-name ekt --name "Ekurhuleni Trades (sample)" --type provider \\
              --key admin --key ledger --out ekt.request.json
    """,
)
@click.option("--short-name", required=True, metavar="NAME", help="2 to 32 of a-z, 0-9, hyphen.")
@click.option("--name", required=True, metavar="TEXT", help="The legal name.")
@click.option("--type", "organisation_type", required=True, metavar="TYPE", help="Such as seta.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    required=True,
    metavar="NAME",
    help="Key of the key store; repeat. An admin and a ledger key are needed.",
)
@click.option("--out", type=FILE, required=True, metavar="FILE", help="Where to write it.")
@pass_context
def request(
    context: CliContext,
    short_name: str,
    name: str,
    organisation_type: str,
    keys: Sequence[str],
    out: Path,
) -> None:
    """Make a self-signed request, to send to an endorser.

    The organisation's DID follows from it: nobody else can register these keys. Sends nothing.
    """
    from cli.written_files import write_named_file
    from ledger.model.keys import KeyRole
    from sdk.organisation_requests import create_request

    network = context.network()
    known = network.genesis.charter.organisation_types
    if organisation_type not in known:
        raise CommandError(
            f"this network knows no organisation type {organisation_type!r}",
            code="ORGANISATION_TYPE_UNKNOWN",
            remedy=f"Use one of: {', '.join(known)}.",
        )
    if out.exists():
        raise CommandError(f"{out} exists", code="FILE_EXISTS", remedy="Choose another path.")
    store = context.key_store(context.acting_or_none() or short_name)
    held = {item.name: item for item in store.list()}
    signers: list[tuple[KeyRole, Any]] = []
    for key_name in keys:
        signer = store.load(key_name, context.passphrase(f"Passphrase of {key_name}"))
        signers.append((held[key_name].role, signer))
    made = create_request(
        network=network.genesis.network,
        short_name=short_name,
        name=name,
        type=organisation_type,
        keys=signers,
    )
    write_named_file(out, made.to_bytes(), "--out")
    roles = ", ".join(
        f"{key_name} ({role.label})" for key_name, (role, _) in zip(keys, signers, strict=True)
    )
    context.output.result(
        "OrganisationRequest",
        {
            "file": str(out),
            "did": made.did,
            "network": network.genesis.network,
            "short_name": short_name,
            "name": name,
            "type": organisation_type,
            "keys": list(keys),
        },
        [
            f"written   {out}",
            details([("will be", made.did), ("name", name), ("keys", roles)]),
        ],
    )
    context.output.hint(f"NEXT      the endorser runs: pset org endorse {out} --as ORG")


@org.command(
    "endorse",
    examples="""
        $ pset org endorse ekt.request.json --as qcto --code qcto=SDP-0200
        $ pset org endorse ekt.request.json --as qcto --dry-run -o json
    """,
)
@click.argument("request_file", metavar="REQUEST", type=FILE_TO_READ)
@click.option(
    "--code",
    "codes",
    type=CODE,
    multiple=True,
    metavar="SYSTEM=VALUE",
    help="A code that you vouch for; repeat.",
)
@write_options
@pass_context
def endorse(
    context: CliContext, request_file: Path, codes: Sequence[tuple[str, str]], write: WriteOptions
) -> ExitCode:
    """Vouch for an organisation's name, short name and codes; creates its DID."""
    from sdk.operations import EndorseOrganisation
    from sdk.organisation_requests import parse_request, read_request

    read = read_request if write.client_checks else parse_request
    held = read(request_file)
    content = held.content
    with context.client(write) as client:
        return submit(
            context,
            client,
            EndorseOrganisation(held, dict(codes)),
            write,
            done=f"{content.short_name}: {content.name}, vouched for by {context.acting()}\n"
            f"          {held.did}",
            data={"did": held.did, "short_name": content.short_name},
        )


@org.command(
    "show",
    examples="""
        $ pset org show qcto
        $ pset org show qcto:SDP-0142 --at 2026-05-14
        $ pset org show nmu --proof nmu.proof -o json
    """,
)
@click.argument("organisation", metavar="ORG", type=ORGANISATION)
@at_option
@proof_option
@pass_context
def show(context: CliContext, organisation: str, at: When, proof: Path | None) -> None:
    """One organisation, and who vouched for it."""
    with context.client() as client:
        proven = client.organisation(organisation, at=at)
        voucher = voucher_name(client, proven.value)
    held = proven.value
    codes = ", ".join(f"{system}:{value}" for system, value in sorted(held.codes.items()))
    sites = [f"{code}  {name}" for code, name in sorted(held.sites.items())]
    rows = [
        ("name", f"{held.name} (vouched for by {voucher})"),
        ("short name", held.short_name),
        ("DID", held.did),
        ("type", held.type),
        ("codes", codes or None),
        ("sites", sites or None),
        ("status", held.status),
        ("successor", held.successor),
    ]
    context.output.read(
        "Organisation", {**held.to_dict(), "vouched_by_name": voucher}, proven, details(rows)
    )
    context.save_proof(proof, proven)


def voucher_name(client: LedgerClient, organisation: Organisation) -> str:
    """Short name of who vouched for an organisation; `the charter` for those of genesis."""
    if organisation.vouched_by == CHARTER:
        return "the charter"
    return client.organisation(organisation.vouched_by).value.short_name


@org.command(
    "list",
    examples="""
        $ pset org list
        $ pset org list --type provider -o json
        $ pset org list --power accredit-provider --at 2026-05-14
    """,
)
@click.option("--type", "organisation_type", metavar="TYPE", help="Only of this type.")
@click.option("--power", metavar="POWER", help="Only holders of this power, on that day.")
@at_option
@proof_option
@pass_context
def list_organisations(
    context: CliContext,
    organisation_type: str | None,
    power: str | None,
    at: When,
    proof: Path | None,
) -> None:
    """Every organisation on the ledger: the list is proven to be complete."""
    with context.client() as client:
        charter = client.network.genesis.charter
        _check_choice("type", organisation_type, charter.organisation_types)
        _check_choice("power", power, charter.powers)
        proven, names = _ask_organisations(client, organisation_type or "", power, at)
    found = proven.value
    rows = [
        (
            item.short_name,
            item.name,
            item.type,
            names.get(item.vouched_by, shorten(item.vouched_by)),
            ", ".join(f"{system}:{value}" for system, value in sorted(item.codes.items())),
        )
        for item in found
    ]
    text: list[Any] = [plural(len(found), "organisation")]
    if rows:
        text.insert(0, table(("short name", "name", "type", "vouched by", "codes"), rows))
    context.output.read(
        "OrganisationList", {"organisations": [item.to_dict() for item in found]}, proven, text
    )
    context.save_proof(proof, proven)


def _check_choice(what: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        raise CommandError(
            f"this network's charter knows no {what} {value!r}",
            code="WORD_UNKNOWN",
            remedy=f"Use one of: {', '.join(known)}.",
        )


def _ask_organisations(
    client: LedgerClient, organisation_type: str, power: str | None, at: When
) -> tuple[Proven[Sequence[Organisation]], Mapping[str, str]]:
    """All in one question, so that one proof shows that none is left out; and short names by DID,
    those of who vouched for them included.
    """
    from ledger.model.identifiers import is_did
    from sdk.accreditations import read_accreditations
    from sdk.errors import CallerError
    from sdk.moments import day_asked, resolve_moment
    from sdk.organisations import ORGANISATION_UNKNOWN, list_organisations, read_organisation
    from sdk.reader import StateView
    from sdk.results import Proven as ProvenAnswer

    at_ms = client.run(resolve_moment(at, client.reader, client.aio.now_ms))
    day = day_asked(at, at_ms, client.aio.now_ms)
    network = client.network.genesis.network

    def question(view: StateView) -> tuple[Sequence[Organisation], Mapping[str, str]]:
        found: list[Organisation] = []
        for item in list_organisations(view, organisation_type):
            try:
                then = read_organisation(view, item.did, network, at_ms)
            except CallerError as error:
                if error.code != ORGANISATION_UNKNOWN:
                    raise
                continue  # it came later
            if power is not None:
                grants = read_accreditations(view, item.did, network, day=day, at_ms=at_ms)
                if not any(power in grant.powers and grant.status == "active" for grant in grants):
                    continue
            found.append(then)
        names = {item.did: item.short_name for item in found}
        for did in dict.fromkeys(item.vouched_by for item in found):
            if did not in names and is_did(did, network):
                names[did] = read_organisation(view, did, network, at_ms).short_name
        return found, names

    proven = client.ask(question)
    found, names = proven.value
    held = ProvenAnswer(found, proven.height, proven.as_of, proven.verified, proven.proof)
    return held, names


@org.command(
    "add-site",
    examples="""
        $ pset org add-site gaa --code 3 --name "Uitenhage workshop (sample)" --province EC --as gaa
    """,
)
@click.argument("organisation", metavar="ORG", type=ORGANISATION)
@click.option("--code", required=True, metavar="CODE", help="Its code within the organisation.")
@click.option("--name", required=True, metavar="TEXT", help="What it is called.")
@click.option("--province", required=True, metavar="CODE", help="EC FS GP KZN LP MP NC NW WC.")
@write_options
@pass_context
def add_site(
    context: CliContext,
    organisation: str,
    code: str,
    name: str,
    province: str,
    write: WriteOptions,
) -> ExitCode:
    """Add a site, so that accreditation can be limited to it."""
    from sdk.operations import AddSite

    context.act_for(organisation)
    with context.client(write) as client:
        held: Organisation = client.organisation(organisation).value
        data: Mapping[str, Any] = {"organisation": held.did, "site": code}
        return submit(
            context,
            client,
            AddSite(held.did, code, name, province),
            write,
            done=f"site {code} of {held.short_name}: {name}, {province}",
            data=data,
        )
