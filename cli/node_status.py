# SPDX-License-Identifier: Apache-2.0
"""How one node stands: `pset node status`. May import node packages, late."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.context import CliContext
from cli.errors import ExitCode
from cli.network_quorum import Quorum
from cli.output import details
from cli.wording import plural

if TYPE_CHECKING:
    from ledger.model.genesis import Genesis
    from ledger.node.node_state import NodeState


def show_status(context: CliContext, home: Path) -> ExitCode:
    """Print how the node of a home stands; CANNOT_TELL when it does not answer.

    Raises:
        NodeError: the home is none.
    """
    from ledger.node.config import load_config
    from ledger.node.node_state import get_node_state
    from ledger.node.stores import load_genesis

    state = get_node_state(home)
    _, genesis = load_genesis(load_config(home).genesis_path)
    context.output.result(
        "NodeStatus", status_data(state, genesis), details(status_rows(state, genesis))
    )
    return ExitCode.DONE if state.status is not None else ExitCode.CANNOT_TELL


def status_data(state: NodeState, genesis: Genesis) -> dict[str, Any]:
    """What JSON shows."""
    held = state.status
    return {
        "id": state.validator,
        "directory": str(state.home),
        "chain_id": genesis.chain_id,
        "state": "running" if held else ("starting" if state.pid else "stopped"),
        "voting": held.voting if held else False,
        "voting_reason": held.voting_reason if held else state.problem,
        "ops_url": None,
        "role": held.role if held else None,
        "term": held.term if held else None,
        "leader": (held.leader or None) if held else None,
        "height": held.height if held else None,
        "applied_height": held.applied_height if held else None,
        "version": held.software_version if held else None,
        "alarms": _alarms(state),
    }


def status_rows(state: NodeState, genesis: Genesis) -> list[tuple[str, Any]]:
    """What people see, by name."""
    held, data = state.status, status_data(state, genesis)
    quorum = Quorum(len(genesis.validators), genesis.fault_model)
    voting = "voting: yes" if data["voting"] else f"voting: no, because {data['voting_reason']}"
    first = (
        f"{held.role if held else data['state']} of {genesis.chain_id} · "
        f"{plural(quorum.of, 'validator')}, quorum {quorum.needed} · {voting}"
    )
    rows: list[tuple[str, Any]] = [(state.validator, first)]
    if held is not None:
        height = (
            f"{held.height:,} certified   applied {held.applied_height:,}   "
            f"term {held.term} ({leader_words(held.leader, state.validator)})"
        )
        rows += [
            ("height", height),
            ("listens", state.address),
            ("software", held.software_version),
        ]
    alarms = [f"{alarm['code']}: {alarm['text']}" for alarm in data["alarms"]]
    rows.append(("alarms", alarms or "none"))
    return rows


def leader_words(leader: str, validator: str) -> str:
    """``leader: n2``, of itself ``leader: this one``."""
    if not leader:
        return "no leader is known"
    return f"leader: {'this one' if leader == validator else leader}"


def _alarms(state: NodeState) -> list[dict[str, str]]:
    if state.status is None:
        return [{"code": "NODE_NOT_RUNNING", "text": state.problem or "it does not answer"}]
    if not state.status.voting:
        return [{"code": "NOT_VOTING", "text": state.status.voting_reason}]
    return []
