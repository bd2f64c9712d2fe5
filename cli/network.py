# SPDX-License-Identifier: Apache-2.0
"""`pset network`: which ledger this machine talks to; a network for development and its processes.

Starting one is in `cli.network_up`, what may befall its validators in `cli.network_faults`, who comes
and goes in `cli.network_members`, trust roots in `cli.network_trust`. This module may import node packages: late, so that SDK-only installations have
the others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from cli.command import PsetGroup
from cli.context import NETWORK_HERE, CliContext, pass_context
from cli.errors import ExitCode
from cli.network_faults import heal, isolate, kill, start
from cli.network_members import add_node, remove_node
from cli.network_place import development_directory, dir_option
from cli.network_removal import remove_network
from cli.network_trust import add, list_networks, show, use
from cli.network_up import up
from cli.network_view import (
    ValidatorView,
    network_data,
    network_text,
    view_of_statuses,
)

WATCH_SECONDS: Final = 1.0


@click.group(
    "network",
    cls=PsetGroup,
    examples="""
        $ pset network up --demo                                       # a network of your own
        $ pset network up --nodes 4 --fault-model byzantine            # with four validators
        $ pset network add za/network.json --fingerprint 9f3c…71d2     # somebody else's
        $ pset network use za
    """,
)
def network() -> None:
    """Which ledger this machine talks to; and a network for development."""


for _command in (
    up,
    kill,
    start,
    isolate,
    heal,
    add_node,
    remove_node,
    add,
    use,
    list_networks,
    show,
):
    network.add_command(_command)


@network.command(
    "down",
    examples="""
        $ pset network down                     # stops; the data stay
        $ pset network down --dir demo --purge  # and removes data and keys
    """,
)
@dir_option
@click.option("--purge", is_flag=True, help="Also remove what the network made: data and keys.")
@pass_context
def down(context: CliContext, directory: Path | None, purge: bool) -> None:
    """Stop a network for development."""
    from ledger.node.dev_membership import read_members
    from ledger.node.dev_processes import stop_network

    place = development_directory(context, directory)
    members = read_members(place)
    if purge:
        context.confirm(f"remove the network in {place} with its data and keys?")
    with context.output.working("stopping"):
        stopped = stop_network(place)
    left: Sequence[str] = ()
    last = f"{place} stays: pset network up --dir {place}"
    if purge:
        left = remove_network(place, members.homes)
        last = f"removed {place}"
        if left:
            last = f"removed the network in {place}; left what is not its own: {', '.join(left)}"
    first = f"down      {', '.join(stopped)} stopped" if stopped else "down      nothing ran"
    context.output.result(
        "NetworkDown",
        {"directory": str(place), "stopped": list(stopped), "purged": purge, "left": list(left)},
        f"{first}; {last}",
    )


@network.command(
    "status",
    examples="""
        $ pset network status
        $ pset --network za network status -o json
        $ pset network status --watch
    """,
)
@dir_option
@click.option("--watch", is_flag=True, help="Again every second, until Ctrl-C.")
@pass_context
def status(context: CliContext, directory: Path | None, watch: bool) -> ExitCode:
    """Every validator: who runs it, whether it votes, how far it is; then the quorum in words.

    What a node says of itself is its own word. Exit 4 when none answers.
    """
    exit_code = _show_status(context, directory)
    while watch:
        time.sleep(WATCH_SECONDS)
        if not context.json_wanted and sys.stdout.isatty():
            click.clear()
        exit_code = _show_status(context, directory)
    return exit_code


def _show_status(context: CliContext, directory: Path | None) -> ExitCode:
    views, fault_model = _views(context, directory)
    context.output.result(
        "NetworkStatus", network_data(views, fault_model), network_text(views, fault_model)
    )
    answers = any(view.state == "running" for view in views)
    if not answers:
        context.output.hint(
            "NEXT      start it again with `pset network up --dir DIR`, or ask its operators"
        )
    return ExitCode.DONE if answers else ExitCode.CANNOT_TELL


def _views(context: CliContext, directory: Path | None) -> tuple[Sequence[ValidatorView], str]:
    from sdk.networks import read_network

    if directory is not None:
        held = read_network(directory)
    elif context.is_network_chosen or not (NETWORK_HERE / "network.json").exists():
        held = context.network()
    else:
        held = read_network(NETWORK_HERE)
    if not held.is_development:
        with context.client() as client:
            # A node is named after its validator and its address.
            answers = {name.split()[0]: status for name, status in client.node_statuses()}
        return view_of_statuses(held, answers), held.genesis.fault_model
    from ledger.node.dev_membership import read_members
    from ledger.node.dev_processes import network_status

    members = read_members(held.directory)
    states = {state.validator: state for state in network_status(held.directory)}
    found: dict[str, Any] = {}
    for validator, state in states.items():
        found[validator] = state.status if state.status is not None else state.problem
    stopped = {validator for validator, state in states.items() if state.pid is None}
    return (
        view_of_statuses(
            held,
            found,
            stopped=stopped,
            members={validator.id: validator.organisation for validator in members.current},
            learners=members.learners,
            removed={removal.id: removal.height for removal in members.removed},
        ),
        held.genesis.fault_model,
    )
