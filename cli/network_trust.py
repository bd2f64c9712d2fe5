# SPDX-License-Identifier: Apache-2.0
"""`pset network add|use|list|show`: the trust roots that this machine has pinned."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.network_source import fetch_network, is_url
from cli.output import details, table

if TYPE_CHECKING:
    from sdk.networks import Network


@click.command(
    "add",
    cls=PsetCommand,
    examples="""
        $ pset network add ./za-network --fingerprint 9f3c…71d2
        $ pset network add https://www.example.org/za/network.json --fingerprint 9f3c…71d2
    """,
)
@click.argument("source", metavar="FILE|URL")
@click.option(
    "--fingerprint",
    required=True,
    metavar="HEX",
    help="64 digits, told to you on another way than the file came.",
)
@click.option("--name", help="Under another name than its own.")
@pass_context
def add(context: CliContext, source: str, fingerprint: str, name: str | None) -> None:
    """Pin a network's genesis.

    FILE is its network.json, its genesis.json or the directory with both. With a wrong fingerprint
    nothing is stored (exit 5).
    """
    from sdk.networks import add_network

    if is_url(source):
        with TemporaryDirectory() as temporary:
            with context.output.working(f"fetching {source}"):
                fetch_network(source, Path(temporary), timeout=context.timeout)
            added = add_network(
                Path(temporary), fingerprint=fingerprint, home=context.home, name=name
            )
    else:
        added = add_network(Path(source), fingerprint=fingerprint, home=context.home, name=name)
    _show(context, added, [f"added     {added.name}, stored in {added.directory}"])
    context.output.hint(f"NEXT      pset network use {added.name}")


@click.command("use", cls=PsetCommand, examples="$ pset network use za")
@click.argument("name")
@pass_context
def use(context: CliContext, name: str) -> None:
    """Make NAME the network of all commands that do not say otherwise."""
    from sdk.networks import use_network

    chosen = use_network(name, context.home)
    _show(context, chosen, [f"using     {chosen.name} from now on"])


@click.command("list", cls=PsetCommand, examples="$ pset network list -o json")
@pass_context
def list_networks(context: CliContext) -> None:
    """Configured networks; * marks the one in use."""
    from sdk.networks import list_networks as configured

    networks = configured(context.home)
    in_use = context.home.read_profile().network
    rows = [
        ("*" if item.name == in_use else " ", item.name, item.chain_id, len(item.endpoints))
        for item in networks
    ]
    text: Any = table((" ", "name", "chain id", "endpoints"), rows)
    if not networks:
        text = (
            f"no networks in {context.home.networks}\n"
            "NEXT      pset network add FILE --fingerprint HEX, or a network of your own:"
            " pset network up"
        )
    context.output.result(
        "NetworkList",
        {"networks": [_data(item) | {"in_use": item.name == in_use} for item in networks]},
        text,
    )


@click.command(
    "show",
    cls=PsetCommand,
    examples="""
        $ pset network show                              # the one in use
        $ pset --network ./pset-network network show
    """,
)
@pass_context
def show(context: CliContext) -> None:
    """Trust root, fingerprint, endpoints.

    The eight words are the fingerprint to read aloud, when it is compared on the telephone.
    """
    _show(context, context.network())


def _show(context: CliContext, item: Network, first: list[Any] | None = None) -> None:
    genesis = item.genesis
    rows = [
        ("name", item.name),
        ("chain id", item.chain_id),
        ("fingerprint", item.fingerprint),
        ("to read aloud", " ".join(item.words)),
        ("validators", ", ".join(validator.id for validator in genesis.validators)),
        ("fault model", genesis.fault_model),
        (
            "endpoints",
            [f"{held.validator} at {held.address}" for held in item.endpoints] or "none",
        ),
        ("directory", str(item.directory)),
        ("keys", f"{item.key_directory} (development)" if item.is_development else None),
    ]
    context.output.result("Network", _data(item), [*(first or []), details(rows)])


def _data(item: Network) -> dict[str, Any]:
    return {
        "name": item.name,
        "chain_id": item.chain_id,
        "fingerprint": item.fingerprint,
        "words": list(item.words),
        "fault_model": item.genesis.fault_model,
        "certificate_scheme": item.genesis.certificate_scheme,
        "validators": [validator.id for validator in item.genesis.validators],
        "endpoints": [
            {"validator": held.validator, "address": held.address} for held in item.endpoints
        ],
        "directory": str(item.directory),
        "development": item.is_development,
    }
