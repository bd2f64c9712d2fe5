# SPDX-License-Identifier: Apache-2.0
"""`pset network`: which ledger this machine talks to; a network for development and its processes.

The commands about trust roots are in `cli.network_trust`. This module may import node packages: late,
so that SDK-only installations have the others.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.command import PsetGroup
from cli.context import NETWORK_HERE, CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.network_removal import check_room, remove_network
from cli.network_trust import add, list_networks, show, use
from cli.network_view import (
    ValidatorView,
    network_data,
    network_text,
    view_of_statuses,
)
from cli.output import details
from cli.reading import DIRECTORY
from cli.wording import plural

if TYPE_CHECKING:
    from types import FrameType

    from ledger.node.dev_network import NodeState

WATCH_SECONDS: Final = 1.0
SIGNALS: Final = ("KILL", "TERM", "INT", "STOP", "CONT")
FAULT_MODELS: Final = ("crash", "byzantine")
STORAGES: Final = ("leveldb", "memory")

_dir_option = click.option(
    "--dir",
    "directory",
    type=DIRECTORY,
    metavar="DIR",
    help=f"Of the network. Default: that of --network, else ./{NETWORK_HERE}.",
)


@click.group(
    "network",
    cls=PsetGroup,
    examples="""
        $ pset network up --demo                                       # a network of your own
        $ pset network add za/network.json --fingerprint 9f3c…71d2     # somebody else's
        $ pset network use za
    """,
)
def network() -> None:
    """Which ledger this machine talks to; and a network for development."""


for _command in (add, use, list_networks, show):
    network.add_command(_command)


@network.command(
    "up",
    examples="""
        $ pset network up                                  # one validator, in ./pset-network
        $ pset network up --demo --dir demo                # with sample organisations
        $ pset network up --storage memory --foreground    # nothing is kept; until Ctrl-C
    """,
)
@click.option("--nodes", type=click.IntRange(1, 128), default=1, show_default=True)
@click.option(
    "--dir", "directory", type=DIRECTORY, metavar="DIR", help=f"Default: ./{NETWORK_HERE}."
)
@click.option(
    "--fault-model",
    type=click.Choice(FAULT_MODELS),
    default="crash",
    show_default=True,
    help="Which faults a quorum survives.",
)
@click.option(
    "--storage",
    type=click.Choice(STORAGES),
    default="leveldb",
    show_default=True,
    help="memory: gone when the node stops.",
)
@click.option("--demo", is_flag=True, help="Sample organisations, grants, 91761, templates.")
@click.option("--foreground", is_flag=True, help="Stay, and stop the network at Ctrl-C.")
@pass_context
def up(
    context: CliContext,
    nodes: int,
    directory: Path | None,
    fault_model: str,
    storage: str,
    demo: bool,
    foreground: bool,
) -> ExitCode:
    """Start a network for development on this machine: real processes, TLS and keys.

    Returns when a write is certified. A network that was stopped is started again as it was.
    """
    from ledger.node.dev_network import NETWORK_FILE, create_network, start_network

    if nodes != 1:
        raise CommandError(
            f"this release runs networks of one validator, not of {nodes}",
            code="NODES_UNSUPPORTED",
            remedy="Use --nodes 1.",
        )
    place = directory or NETWORK_HERE
    started = time.monotonic()
    is_new = not (place / NETWORK_FILE).exists()
    if is_new:
        check_room(place)
        with context.output.working(f"making keys and genesis in {place}"):
            create_network(place, nodes=nodes, storage=storage, fault_model=fault_model)
    with context.output.working("starting; waiting for the first certified block"):
        states = start_network(place)
    data: dict[str, Any] = {}
    lines: list[Any] = []
    if demo:
        from psetcloud.demo_network import set_up_demo

        with context.output.working("endorsing sample organisations, publishing 91761"):
            made = set_up_demo(place)
        data["demo"] = made
        lines.append(
            f"demo      {plural(len(made.organisations), 'organisation')}"
            f" ({', '.join(made.organisations)}),"
            f" {plural(len(made.grants), 'council grant')}, {', '.join(made.resources)}"
        )
        states = start_network(place)
    seconds = time.monotonic() - started
    _show_up(context, place, states, data, lines, seconds)
    if foreground:
        _wait_in_foreground(context, place)
    return ExitCode.DONE


def _show_up(
    context: CliContext,
    place: Path,
    states: Sequence[NodeState],
    data: dict[str, Any],
    lines: list[Any],
    seconds: float,
) -> None:
    from sdk.networks import read_network

    held = read_network(place)
    height = max((state.status.height for state in states if state.status is not None), default=0)
    path = path_argument(place)
    following = [f"export PSET_NETWORK={path}", "pset org list", "pset network status"]
    first = (
        f"up        {held.chain_id} in {place}: {plural(len(states), 'validator')}, "
        f"block {height} certified after {seconds:.1f} s"
    )
    context.output.result(
        "Network",
        {
            "name": held.name,
            "directory": str(place),
            "chain_id": held.chain_id,
            "fingerprint": held.fingerprint,
            "words": list(held.words),
            "height": height,
            "validators": [
                {"id": state.validator, "address": state.address, "pid": state.pid}
                for state in states
            ],
            "next": following,
            **data,
        },
        [first, *lines],
    )
    context.output.hint("NEXT      " + "\n          ".join(following))


def path_argument(place: Path) -> str:
    """A directory as --network takes it: a path always contains a slash."""
    text = str(place)
    return text if "/" in text else f"./{text}"


def _wait_in_foreground(context: CliContext, place: Path) -> None:
    from ledger.node.dev_network import network_status, stop_network

    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    previous = signal.signal(signal.SIGTERM, end)
    try:
        while not ended.wait(WATCH_SECONDS):
            if not any(state.pid for state in network_status(place)):
                raise CommandError(
                    f"the network in {place} ended by itself",
                    code="NETWORK_ENDED",
                    remedy=f"See {place}/n1/logs.",
                    exit_code=ExitCode.CANNOT_TELL,
                )
    finally:
        signal.signal(signal.SIGTERM, previous)
        stop_network(place)
        context.output.progress(f"down      {place}")


@network.command(
    "down",
    examples="""
        $ pset network down                     # stops; the data stay
        $ pset network down --dir demo --purge  # and removes data and keys
    """,
)
@_dir_option
@click.option("--purge", is_flag=True, help="Also remove what the network made: data and keys.")
@pass_context
def down(context: CliContext, directory: Path | None, purge: bool) -> None:
    """Stop a network for development."""
    from ledger.node.dev_network import read_genesis, stop_network

    place = development_directory(context, directory)
    genesis = read_genesis(place)
    if purge:
        context.confirm(f"remove the network in {place} with its data and keys?")
    with context.output.working("stopping"):
        stopped = stop_network(place)
    left: Sequence[str] = ()
    last = f"{place} stays: pset network up --dir {place}"
    if purge:
        left = remove_network(place, [validator.id for validator in genesis.validators])
        last = f"removed {place}"
        if left:
            last = f"removed the network in {place}; left what is not its own: {', '.join(left)}"
    first = f"down      {', '.join(stopped)} stopped" if stopped else "down      nothing ran"
    context.output.result(
        "NetworkDown",
        {"directory": str(place), "stopped": list(stopped), "purged": purge, "left": list(left)},
        f"{first}; {last}",
    )


def development_directory(context: CliContext, directory: Path | None) -> Path:
    """The network directory meant: ``--dir``, that of ``--network``, the one here, the profile's.

    Raises:
        CommandError: NOT_A_DEVELOPMENT_NETWORK.
        PsetError: as `sdk.networks.resolve_network`.
    """
    if directory is not None:
        return directory
    if not context.is_network_named and NETWORK_HERE.is_dir():
        return NETWORK_HERE
    held = context.network()
    if held.is_development:
        return held.directory
    raise CommandError(
        f"{held.name} is no development network",
        code="NOT_A_DEVELOPMENT_NETWORK",
        remedy="Name the directory of one with --dir.",
    )


@network.command(
    "status",
    examples="""
        $ pset network status
        $ pset --network za network status -o json
        $ pset network status --watch
    """,
)
@_dir_option
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
    from ledger.node.dev_network import network_status

    states = {state.validator: state for state in network_status(held.directory)}
    found: dict[str, Any] = {}
    for validator, state in states.items():
        found[validator] = state.status if state.status is not None else state.problem
    stopped = {validator for validator, state in states.items() if state.pid is None}
    return view_of_statuses(held, found, stopped=stopped), held.genesis.fault_model


@network.command(
    "kill",
    examples="""
        $ pset network kill n1                # kill -9: nothing acknowledged is lost
        $ pset network kill n1 --signal TERM
    """,
)
@click.argument("node")
@click.option("--signal", "signal_name", type=click.Choice(SIGNALS), default="KILL")
@_dir_option
@pass_context
def kill(context: CliContext, node: str, signal_name: str, directory: Path | None) -> None:
    """Send a signal to a validator's process. NODE is n1…, leader or all."""
    import os

    from ledger.node.process import find_process

    homes = _homes(development_directory(context, directory), node)
    number = signal.Signals[f"SIG{signal_name}"]
    hit: list[str] = []
    for home in homes:
        pid = find_process(home)
        if pid is not None:
            os.kill(pid, number)
            hit.append(home.name)
    if not hit:
        raise CommandError(
            f"{node} does not run",
            code="NODE_NOT_RUNNING",
            remedy="See `pset network status`.",
            exit_code=ExitCode.CANNOT_TELL,
        )
    if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        _wait_until_ended(homes, context)
    context.output.result(
        "NodeSignal",
        {"nodes": hit, "signal": signal_name},
        f"sent      SIG{signal_name} to {', '.join(hit)}",
    )


def _wait_until_ended(homes: Sequence[Path], context: CliContext) -> None:
    from ledger.node.process import POLL_SECONDS, find_process

    deadline = time.monotonic() + context.timeout.total_seconds()
    while any(find_process(home) is not None for home in homes):
        if time.monotonic() > deadline:
            raise CommandError(
                "the process does not end",
                code="NODE_NOT_STOPPING",
                remedy="Use --signal KILL.",
                exit_code=ExitCode.CANNOT_TELL,
            )
        time.sleep(POLL_SECONDS)


@network.command("start", examples="$ pset network start n1      # after kill")
@click.argument("node")
@_dir_option
@pass_context
def start(context: CliContext, node: str, directory: Path | None) -> None:
    """Start validators that do not run. NODE is n1…, or all."""
    from ledger.node.dev_network import start_network

    place = development_directory(context, directory)
    _homes(place, node)
    with context.output.working(f"starting {node}"):
        states = start_network(place)
    rows = [
        (state.validator, f"running, height {state.status.height if state.status else '?'}")
        for state in states
    ]
    context.output.result(
        "NodeStart",
        {"nodes": [state.validator for state in states if state.pid is not None]},
        details(rows),
    )


def _homes(place: Path, node: str) -> list[Path]:
    from ledger.node.dev_network import network_status, read_genesis

    ids = [validator.id for validator in read_genesis(place).validators]
    if node == "all":
        return [place / name for name in ids]
    if node == "leader":
        leaders = [state.status.leader for state in network_status(place) if state.status]
        if leaders and leaders[0] in ids:
            return [place / leaders[0]]
    if node not in ids:
        raise CommandError(
            f"there is no node {node} in {place}",
            code="NODE_UNKNOWN",
            remedy=f"Name one of: {', '.join(ids)}, leader, all.",
        )
    return [place / node]
