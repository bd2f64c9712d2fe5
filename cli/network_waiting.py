# SPDX-License-Identifier: Apache-2.0
"""Waiting for the validators of a development network that come and go. May import node packages, late."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.context import CliContext
from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from ledger.node.node_state import NodeState

STEP_SECONDS_MAX: Final = 120.0
"""How long one step of a node may take, such as catching up."""
POLL_SECONDS: Final = 0.1


def wait_for(
    place: Path, name: str, condition: Callable[[NodeState], bool], problem: str
) -> NodeState:
    """Until a node says so.

    Raises:
        CommandError: NODE_NOT_READY: it has ended, or it takes too long.
    """
    from ledger.node.dev_membership import read_members
    from ledger.node.dev_processes import read_last_words
    from ledger.node.node_state import get_node_state

    held = read_members(place).find(name)
    certificate = None if held is None else held.tls_certificate
    deadline = time.monotonic() + STEP_SECONDS_MAX
    while True:
        state = get_node_state(place / name, certificate)
        if condition(state):
            return state
        if state.pid is None:
            problem = f"{name} ended: {read_last_words(place / name)}"
        if state.pid is None or time.monotonic() > deadline:
            raise CommandError(
                problem,
                code="NODE_NOT_READY",
                remedy=f"See {place / name / 'logs'} and `pset network status`; then repeat this"
                " command: it goes on where it stopped.",
                exit_code=ExitCode.CANNOT_TELL,
            )
        time.sleep(POLL_SECONDS)


def wait_for_height(place: Path, height: int) -> None:
    """Until somebody has certified it.

    Raises:
        CommandError: NODE_NOT_READY.
    """
    from ledger.node.dev_processes import network_status

    deadline = time.monotonic() + STEP_SECONDS_MAX
    while not any(
        state.status is not None and state.status.height >= height
        for state in network_status(place)
    ):
        if time.monotonic() > deadline:
            raise CommandError(
                f"block {height} is not certified",
                code="NODE_NOT_READY",
                remedy="See `pset network status`: is there a quorum? Then repeat this command.",
                exit_code=ExitCode.CANNOT_TELL,
            )
        time.sleep(POLL_SECONDS)


def wait_until_ended(context: CliContext, place: Path, name: str) -> str:
    """What it said at its end.

    Raises:
        CommandError: NODE_NOT_STOPPING.
    """
    from ledger.node.dev_processes import read_last_words
    from ledger.node.process import find_process

    deadline = time.monotonic() + STEP_SECONDS_MAX
    with context.output.working(f"waiting until {name} ends"):
        while find_process(place / name) is not None:
            if time.monotonic() > deadline:
                raise CommandError(
                    f"{name} is removed, and its process does not end",
                    code="NODE_NOT_STOPPING",
                    remedy=f"See {place / name / 'logs'}; end it with `pset node stop --dir"
                    f" {place / name}`. It certifies nothing any more.",
                    exit_code=ExitCode.CANNOT_TELL,
                )
            time.sleep(POLL_SECONDS)
    return read_last_words(place / name)
