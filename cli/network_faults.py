# SPDX-License-Identifier: Apache-2.0
"""`pset network kill|start|isolate|heal`: what may befall the validators of a development network.

May import node packages, late.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.command import PsetCommand
from cli.context import CliContext, pass_context
from cli.errors import CommandError, ExitCode
from cli.network_place import development_directory, dir_option
from cli.network_quorum import Quorum
from cli.node_administration import administration
from cli.output import details
from cli.wording import listed

if TYPE_CHECKING:
    from ledger.node.node_state import NodeState

SIGNALS: Final = ("KILL", "TERM", "INT", "STOP", "CONT")
ENDING_SIGNALS: Final = ("KILL", "TERM", "INT")
LEADER: Final = "leader"
ALL: Final = "all"


@click.command(
    "kill",
    cls=PsetCommand,
    examples="""
        $ pset network kill leader            # kill -9: nothing acknowledged is lost
        $ pset network kill n1 --signal TERM
        $ pset network kill n2 --signal STOP  # pauses it, until --signal CONT
    """,
)
@click.argument("node", metavar="NODE")
@click.option(
    "--signal",
    "signal_name",
    type=click.Choice(SIGNALS),
    default="KILL",
    show_default=True,
    help="STOP pauses, CONT goes on.",
)
@dir_option
@pass_context
def kill(context: CliContext, node: str, signal_name: str, directory: Path | None) -> None:
    """Send a signal to a validator's process.

    NODE is n1…, leader or all. Asks first, or wants --yes, where fewer would be left than a quorum
    needs.
    """
    from ledger.node.dev_processes import network_status
    from ledger.node.process import find_process

    place = development_directory(context, directory)
    fault_model = _fault_model(place)
    states = network_status(place)
    chosen = choose_nodes(states, node, place)
    targets = [state for state in chosen if state.pid is not None]
    if not targets:
        raise not_running(node)
    if signal_name != "CONT":
        question = loss_question(states, targets, fault_model)
        if question:
            context.confirm(f"SIG{signal_name} to {_names(targets)}? {question}")
    number = signal.Signals[f"SIG{signal_name}"]
    hit: list[str] = []
    for state in targets:
        # Again: whoever was asked may have taken his time.
        pid = find_process(state.home)
        if pid is not None:
            os.kill(pid, number)
            hit.append(state.validator)
    if not hit:
        raise not_running(node)
    if signal_name in ENDING_SIGNALS:
        _wait_until_ended([state.home for state in targets], context)
    context.output.result(
        "NodeSignal",
        {"nodes": hit, "signal": signal_name},
        f"sent      SIG{signal_name} to {', '.join(hit)}",
    )
    if signal_name in ENDING_SIGNALS:
        again = hit[0] if len(hit) == 1 else ALL
        context.output.hint(f"NEXT      pset network status; pset network start {again}")


@click.command(
    "start",
    cls=PsetCommand,
    examples="""
        $ pset network start n1      # after kill
        $ pset network start all
    """,
)
@click.argument("node", metavar="NODE")
@dir_option
@pass_context
def start(context: CliContext, node: str, directory: Path | None) -> None:
    """Start validators that do not run. NODE is n1…, or all.

    Returns when they answer, and know a certified block where a quorum runs.
    """
    from ledger.node.dev_processes import network_status, start_network

    place = development_directory(context, directory)
    before = network_status(place)
    if node == LEADER:
        raise _unknown_node(node, place, [state.validator for state in before])
    wanted = {state.validator for state in choose_nodes(before, node, place)}
    with context.output.working(f"starting {node}"):
        states = start_network(place, only=wanted)
    ran = {state.validator for state in before if state.pid is not None}
    rows: list[tuple[str, str]] = []
    for state in states:
        if state.validator in wanted:
            height = state.status.height if state.status else "?"
            how = "ran already" if state.validator in ran else "running"
            rows.append((state.validator, f"{how}, height {height}"))
    context.output.result(
        "NodeStart",
        {"nodes": [state.validator for state in states if state.validator in wanted and state.pid]},
        details(rows),
    )


@click.command(
    "isolate",
    cls=PsetCommand,
    examples="""
        $ pset network isolate leader    # the others elect another one
        $ pset network isolate n1 n2
        $ pset network heal
    """,
)
@click.argument("nodes", nargs=-1, required=True, metavar="NODE...")
@dir_option
@pass_context
def isolate(context: CliContext, nodes: tuple[str, ...], directory: Path | None) -> None:
    """Cut validators off from all others; clients still reach them.

    Each NODE (n1…, leader or all) is alone then, until `pset network heal` or its next start.
    """
    from ledger.node.dev_processes import network_status

    place = development_directory(context, directory)
    states = network_status(place)
    chosen = {
        state.validator: state for node in nodes for state in choose_nodes(states, node, place)
    }
    for state in chosen.values():
        if state.pid is None:
            raise not_running(state.validator)
    ids = [state.validator for state in states]
    if len(ids) == 1:
        raise CommandError(
            "the only validator has no others to be cut off from",
            code="NOTHING_TO_ISOLATE",
            remedy="Make a network of several: pset network up --nodes 3.",
        )
    for validator, state in chosen.items():
        with administration(state.home) as client:
            client.isolate([other for other in ids if other != validator])
    left = sum(_votes(state) for state in states if state.validator not in chosen)
    quorum = Quorum(_count(states), _fault_model(place))
    outlook = quorum.status_text(left)
    context.output.result(
        "Isolation",
        {"isolated": sorted(chosen, key=ids.index), "voting_left": left, "needed": quorum.needed},
        f"isolated  {', '.join(sorted(chosen, key=ids.index))}; without them {outlook}",
    )
    context.output.hint("NEXT      pset network status; pset network heal")


@click.command("heal", cls=PsetCommand, examples="$ pset network heal      # after isolate")
@dir_option
@pass_context
def heal(context: CliContext, directory: Path | None) -> None:
    """Let all validators that run reach each other again."""
    from ledger.node.dev_processes import network_status

    place = development_directory(context, directory)
    running = [state for state in network_status(place) if state.pid is not None]
    if not running:
        raise not_running(ALL)
    for state in running:
        with administration(state.home) as client:
            client.heal()
    names = [state.validator for state in running]
    context.output.result("Healing", {"nodes": names}, f"healed    {', '.join(names)}")


def choose_nodes(states: Sequence[NodeState], node: str, place: Path) -> list[NodeState]:
    """The validators that a word means: an id, `leader` or `all`.

    Raises:
        CommandError: NODE_UNKNOWN, LEADER_UNKNOWN.
    """
    from ledger.node.dev_processes import find_leader

    if node == ALL:
        return list(states)
    name = find_leader(states) if node == LEADER else node
    found = [state for state in states if state.validator == name]
    if found:
        return found
    if node == LEADER:
        raise CommandError(
            f"no validator in {place} knows who leads",
            code="LEADER_UNKNOWN",
            remedy="Ask again in some seconds, or see `pset network status`: is there a quorum?",
            exit_code=ExitCode.CANNOT_TELL,
        )
    raise _unknown_node(node, place, [LEADER, *(state.validator for state in states)])


def loss_question(
    states: Sequence[NodeState], targets: Sequence[NodeState], fault_model: str
) -> str:
    """What is lost when these validators stop, as a sentence; empty when writes go on, or did not
    before.
    """
    quorum = Quorum(_count(states), fault_model)
    ids = {state.validator for state in targets}
    left = sum(_votes(state) for state in states if state.validator not in ids)
    answering = sum(state.status is not None and not state.is_learner for state in states)
    if left >= quorum.needed or answering < quorum.needed:
        return ""
    return quorum.loss_text(left)


def not_running(node: str) -> CommandError:
    """That there is no process to do it to."""
    return CommandError(
        f"{node} does not run",
        code="NODE_NOT_RUNNING",
        remedy="See `pset network status`; start it with `pset network start`.",
        exit_code=ExitCode.CANNOT_TELL,
    )


def _unknown_node(node: str, place: Path, known: Sequence[str]) -> CommandError:
    return CommandError(
        f"there is no node {node} in {place}" if node != LEADER else "a leader runs already",
        code="NODE_UNKNOWN",
        remedy=f"Name one of: {', '.join(known)}, all.",
    )


def _fault_model(place: Path) -> str:
    from ledger.node.dev_network import read_genesis

    return read_genesis(place).fault_model


def _votes(state: NodeState) -> bool:
    return state.status is not None and state.status.voting


def _count(states: Sequence[NodeState]) -> int:
    """Validators among them: learners certify nothing."""
    return sum(not state.is_learner for state in states)


def _names(states: Sequence[NodeState]) -> str:
    return listed([state.validator for state in states])


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
