# SPDX-License-Identifier: Apache-2.0
"""How one node stands: `pset node status`. May import node packages, late."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cli.context import CliContext
from cli.errors import ExitCode
from cli.network_quorum import Quorum
from cli.network_view import order_of
from cli.node_administration import find_admin_status
from cli.output import details
from cli.wording import plural, show_duration

if TYPE_CHECKING:
    from ledger.api.ports import AdminStatus, PeerStatus
    from ledger.model.genesis import Genesis
    from ledger.node.node_state import NodeState

_ALARM: Final = re.compile(r"([A-Z][A-Z0-9_]*): (.+)", re.DOTALL)


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
    told = find_admin_status(home) if state.pid is not None else None
    context.output.result(
        "NodeStatus",
        status_data(state, genesis, told),
        details(status_rows(state, genesis, told)),
    )
    return ExitCode.DONE if state.status is not None else ExitCode.CANNOT_TELL


def status_data(
    state: NodeState, genesis: Genesis, told: AdminStatus | None = None
) -> dict[str, Any]:
    """What JSON shows; `told` is what the node says to its operator only."""
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
        "behind": told.behind if told else None,
        "peers": None if told is None else [_peer_data(peer) for peer in _sorted(told.peers)],
        "evidence_count": told.evidence_count if told else None,
        "version": held.software_version if held else None,
        "alarms": _alarms(state, told),
    }


def status_rows(
    state: NodeState, genesis: Genesis, told: AdminStatus | None = None
) -> list[tuple[str, Any]]:
    """What people see, by name."""
    held, data = state.status, status_data(state, genesis, told)
    quorum = Quorum(len(genesis.validators), genesis.fault_model)
    voting = "voting: yes" if data["voting"] else f"voting: no, because {data['voting_reason']}"
    role = data["state"]
    if held is not None:
        role = "leader" if held.leader == state.validator else held.role
    first = (
        f"{role} of {genesis.chain_id} · "
        f"{plural(quorum.of, 'validator')}, quorum {quorum.needed} · {voting}"
    )
    rows: list[tuple[str, Any]] = [(state.validator, first)]
    if held is not None:
        height = (
            f"{held.height:,} certified   applied {held.applied_height:,}   "
            + (f"behind {told.behind:,}   " if told else "")
            + f"term {held.term} ({leader_words(held.leader, state.validator)})"
        )
        rows += [
            ("height", height),
            ("peers", peer_lines(told.peers) or None if told else None),
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


def peer_lines(peers: Sequence[PeerStatus]) -> list[str]:
    """``n1 ok, heard 12 ms ago``, a line each."""
    return [f"{peer.id} {_link_words(peer)}" for peer in _sorted(peers)]


def _link_words(peer: PeerStatus) -> str:
    heard = "never heard"
    if peer.heard_ms_ago is not None:
        ago = peer.heard_ms_ago
        shown = f"{ago} ms" if ago < 1000 else show_duration(timedelta(milliseconds=ago))
        heard = f"heard {shown} ago"
    if peer.isolated:
        return f"cut off, {heard}"
    return f"{'ok' if peer.connected else 'lost'}, {heard}"


def _sorted(peers: Sequence[PeerStatus]) -> list[PeerStatus]:
    return sorted(peers, key=lambda peer: order_of(peer.id))


def _peer_data(peer: PeerStatus) -> dict[str, Any]:
    return {
        "id": peer.id,
        "address": peer.address,
        "connected": peer.connected,
        "heard_ms_ago": peer.heard_ms_ago,
        "isolated": peer.isolated,
        "match_index": peer.match_index,
    }


def _alarms(state: NodeState, told: AdminStatus | None) -> list[dict[str, str]]:
    if state.status is None:
        return [{"code": "NODE_NOT_RUNNING", "text": state.problem or "it does not answer"}]
    alarms: list[dict[str, str]] = []
    if not state.status.voting:
        alarms.append({"code": "NOT_VOTING", "text": state.status.voting_reason})
    for text in told.alarms if told else ():
        match = _ALARM.fullmatch(text)
        code, words = match.groups() if match else ("NODE_ALARM", text)
        if code != "NOT_VOTING":
            alarms.append({"code": code, "text": words})
    return alarms
