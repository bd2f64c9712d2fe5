# SPDX-License-Identifier: Apache-2.0
"""`pset network up`: a network for development, of one validator or several. May import node packages,
late.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from cli.command import PsetCommand
from cli.context import NETWORK_HERE, CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.network_place import path_argument
from cli.network_quorum import Quorum
from cli.network_removal import check_room
from cli.network_view import organisation_names
from cli.output import table
from cli.reading import DIRECTORY
from cli.wording import plural

if TYPE_CHECKING:
    from types import FrameType

    from ledger.node.node_state import NodeState
    from sdk.networks import Network

NODES_COUNT_MAX: Final = 25
FAULT_MODELS: Final = ("crash", "byzantine")
CERTIFICATE_SCHEMES: Final = ("bls12381", "ed25519")
STORAGES: Final = ("leveldb", "memory")
KILL_LEADER: Final = "pset network kill leader"
_REMARKS: Final = {KILL_LEADER: "      # kill -9: the others go on, nothing acknowledged is lost"}
LOOK_SECONDS: Final = 1.0
"""How often a network in the foreground is looked at."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A network as the options have it."""

    nodes: int
    fault_model: str
    certificate_scheme: str
    storage: str


@click.command(
    "up",
    cls=PsetCommand,
    examples="""
        $ pset network up                                      # one validator, in ./pset-network
        $ pset network up --demo --dir demo                    # with sample organisations
        $ pset network up --nodes 3                            # one may fail
        $ pset network up --nodes 4 --fault-model byzantine    # one may fail, or lie
        $ pset network up --storage memory --foreground        # nothing is kept; until Ctrl-C
    """,
)
@click.option(
    "--nodes",
    type=click.IntRange(1, NODES_COUNT_MAX),
    default=1,
    show_default=True,
    help="Validators, each a process.",
)
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
    "--certificate-scheme",
    type=click.Choice(CERTIFICATE_SCHEMES),
    default="bls12381",
    show_default=True,
    help="Signatures under blocks: one aggregate, or a list.",
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
    certificate_scheme: str,
    storage: str,
    demo: bool,
    foreground: bool,
) -> ExitCode:
    """Start a network for development on this machine: real processes, TLS and keys.

    Returns when a block is certified by all. A network that was stopped is started again as it was.
    """
    from ledger.node.dev_network import NETWORK_FILE, create_network
    from ledger.node.dev_processes import network_status

    place = directory or NETWORK_HERE
    wanted = _Wanted(nodes, fault_model, certificate_scheme, storage)
    started = time.monotonic()
    if (place / NETWORK_FILE).exists():
        _check_same(place, wanted)
    else:
        check_room(place)
        with context.output.working(f"making keys and genesis in {place}"):
            create_network(
                place,
                nodes=nodes,
                storage=storage,
                fault_model=fault_model,
                certificate_scheme=certificate_scheme,
            )
    states = _start(context, place)
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
        states = network_status(place)
    _show_up(context, place, states, data, lines, time.monotonic() - started)
    if foreground:
        _wait_in_foreground(context, place)
    return ExitCode.DONE


def _check_same(place: Path, wanted: _Wanted) -> None:
    """Refuse to start a network as something else than it is.

    Raises:
        CommandError: NETWORK_DIFFERS, for an option that was given and says otherwise.
    """
    from ledger.node.config import load_config
    from ledger.node.dev_membership import read_members

    members = read_members(place)
    held = _Wanted(
        len(members.active),
        members.genesis.fault_model,
        members.genesis.certificate_scheme,
        load_config(place / members.current[0].id).storage.engine,
    )
    given = click.get_current_context().get_parameter_source
    for name in ("nodes", "fault_model", "certificate_scheme", "storage"):
        is_given = given(name) is not ParameterSource.DEFAULT
        if is_given and getattr(held, name) != getattr(wanted, name):
            option = f"--{name.replace('_', '-')}"
            raise CommandError(
                f"{place} holds a network with {option} {getattr(held, name)}",
                code="NETWORK_DIFFERS",
                remedy=f"Leave {option} out, choose another --dir, or remove it first:"
                f" pset network down --purge --dir {place}.",
            )


def _start(context: CliContext, place: Path) -> Sequence[NodeState]:
    from ledger.node.dev_membership import read_members
    from ledger.node.dev_processes import start_network

    count = len(read_members(place).current)

    def tell(validator: str, number: int, of: int) -> None:
        if of > 1:
            context.output.progress(f"  {validator} is ready ({number} of {of})")

    text = f"starting {plural(count, 'validator')}; waiting for the first certified block"
    waiting: AbstractContextManager[None] = nullcontext()
    if count == 1:
        waiting = context.output.working("starting; waiting for the first certified block")
    else:
        context.output.progress(f"{text} …")
    with waiting:
        return start_network(place, on_ready=tell)


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
    quorum = Quorum(sum(not state.is_learner for state in states), held.genesis.fault_model)
    height = max((state.status.height for state in states if state.status is not None), default=0)
    following = following_commands(place, quorum)
    first = (
        f"up        {held.chain_id} in {place}: {plural(len(states), 'validator')}, "
        f"block {height} certified after {seconds:.1f} s"
    )
    rows = validator_rows(held, states, organisations_of(place))
    if len(states) > 1:
        columns = ("validator", "organisation", "address", "role", "height", "voting")
        cells = [tuple(row[name] for name in columns) for row in rows]
        lines = ["", table(columns, cells), quorum.text, *lines]
    context.output.result(
        "Network",
        {
            "name": held.name,
            "directory": str(place),
            "chain_id": held.chain_id,
            "fingerprint": held.fingerprint,
            "words": list(held.words),
            "height": height,
            "fault_model": held.genesis.fault_model,
            "certificate_scheme": held.genesis.certificate_scheme,
            "validators": [
                {
                    "id": state.validator,
                    "organisation": row["organisation"],
                    "address": state.address,
                    "pid": state.pid,
                    "role": row["role"],
                    "height": row["height"],
                    "voting": row["voting"] == "yes",
                }
                for state, row in zip(states, rows, strict=True)
            ],
            "quorum": {"needed": quorum.needed, "of": quorum.of, "text": quorum.text},
            "warnings": [quorum.warning] if quorum.warning else [],
            "next": following,
            **data,
        },
        [first, *lines],
    )
    if quorum.warning:
        context.output.hint(f"WARNING   {quorum.warning}")
    told = [f"{command}{_REMARKS.get(command, '')}" for command in following]
    context.output.hint("NEXT      " + "\n          ".join(told))


def organisations_of(place: Path) -> dict[str, str]:
    """DIDs of who runs the current validators of a development network, by id."""
    from ledger.node.dev_membership import read_members

    return {validator.id: validator.organisation for validator in read_members(place).current}


def validator_rows(
    held: Network, states: Sequence[NodeState], dids: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What the table shows of each validator, by column; `dids` as of `organisations_of`."""
    names = organisation_names(held.genesis)
    rows: list[dict[str, Any]] = []
    for state in states:
        status = state.status
        did = dids[state.validator]
        role, voting = None, f"no, {state.problem}"
        if status is not None:
            role = "leader" if status.leader == state.validator else status.role
            voting = "yes" if status.voting else f"no, because {status.voting_reason}"
        rows.append(
            {
                "validator": state.validator,
                "organisation": names.get(did, did),
                "address": state.address,
                "role": role,
                "height": None if status is None else status.height,
                "voting": voting,
            }
        )
    return rows


def following_commands(place: Path, quorum: Quorum) -> list[str]:
    """The next three commands: where one may fail, how to let the leader fail and see what happens."""
    first = f"export PSET_NETWORK={path_argument(place)}"
    if quorum.may_fail:
        return [first, KILL_LEADER, "pset network status --watch"]
    return [first, "pset org list", "pset network status"]


def _wait_in_foreground(context: CliContext, place: Path) -> None:
    from ledger.node.dev_processes import network_status, stop_network

    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    previous = signal.signal(signal.SIGTERM, end)
    try:
        while not ended.wait(LOOK_SECONDS):
            states = network_status(place)
            if not any(state.pid for state in states):
                raise CommandError(
                    f"the network in {place} ended by itself",
                    code="NETWORK_ENDED",
                    remedy=f"See {states[0].home / 'logs'}.",
                    exit_code=ExitCode.CANNOT_TELL,
                )
    finally:
        signal.signal(signal.SIGTERM, previous)
        stop_network(place)
        context.output.progress(f"down      {place}")
