# SPDX-License-Identifier: Apache-2.0
"""`pset node status` in words and as data, from what a node says of itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cli.node_status import leader_words, peer_lines, status_data, status_rows
from ledger.api.ports import AdminStatus, NodeStatus, PeerStatus
from ledger.model.genesis import Genesis
from ledger.node.dev_network import read_genesis
from ledger.node.node_state import NodeState
from tests.support.pset_runs import run

STATUS = NodeStatus(
    chain_id="dev:00",
    node_id="n3",
    organisation="did:pset:dev:x",
    role="validator",
    height=1_234,
    applied_height=1_234,
    voting=True,
    voting_reason="",
    state_root=bytes(32),
    software_version="1.4",
    protocol_version=1,
    time=0,
    term=41,
    leader="n2",
)


@pytest.fixture
def genesis(cluster: Path) -> Genesis:
    return read_genesis(cluster)


def state(cluster: Path, status: NodeStatus | None, *, pid: int | None = 7) -> NodeState:
    problem = "" if status else "not running"
    return NodeState("n3", cluster / "n3", "127.0.0.1:9700", pid, status, problem)


def test_one_that_votes(cluster: Path, genesis: Genesis) -> None:
    held = state(cluster, STATUS)
    rows = dict(status_rows(held, genesis))
    assert rows["n3"] == (
        f"validator of {genesis.chain_id} · 11 validators, quorum 6 · voting: yes"
    )
    assert rows["height"] == "1,234 certified   applied 1,234   term 41 (leader: n2)"
    assert rows["alarms"] == "none"
    data = status_data(held, genesis)
    assert (data["role"], data["term"], data["leader"]) == ("validator", 41, "n2")
    assert (data["state"], data["voting"], data["alarms"]) == ("running", True, [])


def test_one_that_does_not_vote_says_why(cluster: Path, genesis: Genesis) -> None:
    reason = "6 of 11 are unreachable"
    held = state(cluster, replace(STATUS, voting=False, voting_reason=reason, leader=""))
    rows = dict(status_rows(held, genesis))
    assert rows["n3"].endswith(f"voting: no, because {reason}")
    assert rows["height"].endswith("(no leader is known)")
    assert rows["alarms"] == [f"NOT_VOTING: {reason}"]
    assert status_data(held, genesis)["leader"] is None


@pytest.mark.parametrize(("pid", "word"), [(None, "stopped"), (7, "starting")])
def test_one_that_does_not_answer(
    cluster: Path, genesis: Genesis, pid: int | None, word: str
) -> None:
    held = state(cluster, None, pid=pid)
    data = status_data(held, genesis)
    assert (data["state"], data["voting"], data["voting_reason"]) == (word, False, "not running")
    assert data["role"] is data["term"] is data["leader"] is data["height"] is None
    assert data["alarms"] == [{"code": "NODE_NOT_RUNNING", "text": "not running"}]
    assert "height" not in dict(status_rows(held, genesis))


@pytest.mark.parametrize(
    ("leader", "words"),
    [("", "no leader is known"), ("n1", "leader: n1"), ("n3", "leader: this one")],
)
def test_who_leads(leader: str, words: str) -> None:
    assert leader_words(leader, "n3") == words


PEERS = (
    PeerStatus("n10", "127.0.0.1:10", connected=True, heard_ms_ago=12, match_index=9),
    PeerStatus("n2", "127.0.0.1:2", connected=False, heard_ms_ago=840_000),
    PeerStatus("n4", "127.0.0.1:4", connected=True, heard_ms_ago=1_000, isolated=True),
    PeerStatus("n5", "127.0.0.1:5"),
)
TOLD = AdminStatus(
    chain_id="dev:00",
    node_id="n3",
    role="validator",
    term=41,
    leader="n2",
    height=1_234,
    behind=5,
    voting=False,
    voting_reason="it is behind",
    last_index=9,
    committed_index=9,
    peers=PEERS,
    alarms=("QUORUM_LOST: 4 of 11 answer", "the disk is nearly full", "NOT_VOTING: it is behind"),
    evidence_count=2,
    software_version="1.4",
    time=0,
)


def test_what_only_its_operator_is_told(cluster: Path, genesis: Genesis) -> None:
    held = state(cluster, replace(STATUS, voting=False, voting_reason="it is behind"))
    rows = dict(status_rows(held, genesis, TOLD))
    assert "behind 5   term 41" in rows["height"]
    assert rows["peers"] == [
        "n2 lost, heard 14 minutes ago",
        "n4 cut off, heard 1 second ago",
        "n5 lost, never heard",
        "n10 ok, heard 12 ms ago",
    ]
    data = status_data(held, genesis, TOLD)
    assert (data["behind"], data["evidence_count"]) == (5, 2)
    assert data["alarms"] == [
        {"code": "NOT_VOTING", "text": "it is behind"},
        {"code": "QUORUM_LOST", "text": "4 of 11 answer"},
        {"code": "NODE_ALARM", "text": "the disk is nearly full"},
    ]
    assert data["peers"][1] == {
        "id": "n4",
        "address": "127.0.0.1:4",
        "connected": True,
        "heard_ms_ago": 1_000,
        "isolated": True,
        "match_index": 0,
    }
    assert peer_lines(()) == []


def test_without_that_the_rest_is_shown(cluster: Path, genesis: Genesis) -> None:
    data = status_data(state(cluster, STATUS), genesis)
    assert data["peers"] is data["behind"] is data["evidence_count"] is None
    assert dict(status_rows(state(cluster, STATUS), genesis))["peers"] is None


def test_a_leader_is_called_one(cluster: Path, genesis: Genesis) -> None:
    rows = dict(status_rows(state(cluster, replace(STATUS, leader="n3")), genesis))
    assert rows["n3"].startswith("leader of ")
    assert rows["height"].endswith("(leader: this one)")


def test_of_several_one_must_be_named(cluster: Path) -> None:
    ended = run("node", "status", "--dir", str(cluster), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "NODE_UNKNOWN")
    stopped = run("node", "status", "--dir", str(cluster / "n10"), "-o", "json")
    assert (stopped.exit, stopped.data["id"], stopped.data["state"]) == (4, "n10", "stopped")
