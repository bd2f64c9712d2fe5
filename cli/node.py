# SPDX-License-Identifier: Apache-2.0
"""`pset node`: start, stop and look at a validator. May import node packages, late."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.command import PsetGroup
from cli.context import NETWORK_HERE, CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.node_status import show_status
from cli.reading import DIRECTORY

if TYPE_CHECKING:
    from subprocess import Popen

    from ledger.node.node_state import NodeState

WATCH_SECONDS: Final = 1.0
STOP_SECONDS_MAX: Final = 30.0

_REASON: Final = re.compile(
    r"^([A-Z][A-Z0-9_]+): (.*)\n(.*?)(?:\nexit code \d+)?\s*\Z", re.MULTILINE
)
"""The last lines of a node that did not start: code and text, remedy, exit code."""

_dir_option = click.option(
    "--dir",
    "directory",
    type=DIRECTORY,
    metavar="DIR",
    help="The node's home, or a network directory with one node. Default: here, else"
    f" ./{NETWORK_HERE}.",
)


@click.group(
    "node",
    cls=PsetGroup,
    examples="""
        $ pset node status --dir pset-network/n1
        $ pset node stop --dir pset-network/n1
        $ pset node start --dir pset-network/n1
    """,
)
def node() -> None:
    """A validator: its process and how it stands. Needs psetledger[node]."""


def find_home(directory: Path | None) -> Path:
    """The node's home that is meant.

    Raises:
        CommandError: CONFIG_NOT_FOUND, NODE_UNKNOWN (a network directory with several nodes).
    """
    places = [Path(), NETWORK_HERE] if directory is None else [directory]
    for place in places:
        if (place / "config.toml").is_file():
            return place
        homes = sorted(path.parent for path in place.glob("*/config.toml"))
        if len(homes) == 1:
            return homes[0]
        if homes:
            raise CommandError(
                f"{place} holds {len(homes)} nodes",
                code="NODE_UNKNOWN",
                remedy=f"Name one: --dir {homes[0]}.",
            )
    raise CommandError(
        f"no node's home in {directory or 'this directory'}",
        code="CONFIG_NOT_FOUND",
        remedy="Name it with --dir, such as pset-network/n1.",
    )


@node.command(
    "start",
    examples="""
        $ pset node start --dir pset-network/n1
        $ pset node start --dir /srv/pset --foreground     # under systemd
    """,
)
@_dir_option
@click.option("--foreground", is_flag=True, help="Run in this process, until SIGTERM or Ctrl-C.")
@pass_context
def start(context: CliContext, directory: Path | None, foreground: bool) -> None:
    """Start a node; returns when it answers.

    Refuses to start on a foreign genesis, unsafe file modes or damaged data, and says which.
    """
    from ledger.node.node_state import get_node_state
    from ledger.node.process import find_process, spawn_node

    home = find_home(directory)
    if foreground:
        from ledger.node.main import run_node

        run_node(home)
        return
    get_node_state(home)  # refuses a home that is none
    if find_process(home) is not None:
        raise CommandError(
            f"a node runs on {home} already",
            code="NODE_RUNNING",
            remedy="See `pset node status`.",
            exit_code=ExitCode.CANNOT_TELL,
        )
    with context.output.working(f"starting {home}"):
        state = _wait_until_it_answers(context, home, spawn_node(home))
    context.output.result(
        "NodeStart",
        {"id": state.validator, "directory": str(home), "pid": state.pid},
        f"started   {state.validator} at {state.address}, process {state.pid}",
    )


def _wait_until_it_answers(context: CliContext, home: Path, process: Popen[bytes]) -> NodeState:
    from ledger.node.node_state import get_node_state
    from ledger.node.process import POLL_SECONDS, read_output

    deadline = time.monotonic() + context.timeout.total_seconds()
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _not_started(home, read_output(home), process.returncode)
        state = get_node_state(home)
        if state.status is not None:
            return state
        time.sleep(POLL_SECONDS)
    raise CommandError(
        f"the node on {home} does not answer",
        code="NODE_NOT_STARTED",
        remedy=f"See {home / 'logs'}.",
        exit_code=ExitCode.CANNOT_TELL,
    )


def _not_started(home: Path, said: str, returned: int) -> CommandError:
    """What a node said when it ended, as this command's own error."""
    match = _REASON.search(said)
    code, text, remedy = match.groups() if match else ("NODE_NOT_STARTED", said, "")
    known = {int(item): item for item in ExitCode}
    return CommandError(
        text or f"the node ended with status {returned}",
        code=code,
        remedy=remedy or f"See {home / 'logs'}.",
        exit_code=known.get(returned, ExitCode.BROKEN),
    )


@node.command("stop", examples="$ pset node stop --dir pset-network/n1")
@_dir_option
@pass_context
def stop(context: CliContext, directory: Path | None) -> None:
    """Stop a node: it certifies what it has taken, then ends."""
    from ledger.node.node_state import get_node_state
    from ledger.node.process import stop_process

    home = find_home(directory)
    state = get_node_state(home)
    with context.output.working(f"stopping {state.validator}"):
        stopped = stop_process(home, grace_seconds=STOP_SECONDS_MAX)
    context.output.result(
        "NodeStop",
        {"id": state.validator, "directory": str(home), "stopped": stopped},
        f"stopped   {state.validator}" if stopped else f"stopped   {state.validator} did not run",
    )


@node.command(
    "status",
    examples="""
        $ pset node status --dir pset-network/n1
        $ pset node status --dir pset-network/n1 -o json | jq .data.voting_reason
    """,
)
@_dir_option
@click.option("--watch", is_flag=True, help="Again every second, until Ctrl-C.")
@pass_context
def status(context: CliContext, directory: Path | None, watch: bool) -> ExitCode:
    """How a node stands, in its own words. Exit 4 when it does not answer."""
    home = find_home(directory)
    exit_code = show_status(context, home)
    while watch:
        time.sleep(WATCH_SECONDS)
        if not context.json_wanted and sys.stdout.isatty():
            click.clear()
        exit_code = show_status(context, home)
    return exit_code
