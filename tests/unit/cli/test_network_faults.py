# SPDX-License-Identifier: Apache-2.0
"""Which validators a word means, what is asked before they are hurt, and what is refused."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from cli.errors import CommandError
from cli.network_faults import choose_nodes, loss_question
from ledger.api import admin_client
from ledger.api.ports import NodeStatus
from ledger.node import dev_processes, process
from ledger.node.node_state import NodeState
from tests.support.pset_runs import run

PLACE = Path("net")


def state(
    validator: str,
    *,
    runs: bool = True,
    votes: bool = True,
    leader: str = "n2",
    term: int = 3,
    home: Path = PLACE,
) -> NodeState:
    status = NodeStatus(
        chain_id="dev:00",
        node_id=validator,
        organisation="did:pset:dev:x",
        role="validator",
        height=7,
        applied_height=7,
        voting=votes,
        voting_reason="" if votes else "behind",
        state_root=bytes(32),
        software_version="1",
        protocol_version=1,
        time=0,
        term=term,
        leader=leader,
    )
    pid = 4_000_000 if runs else None
    return NodeState(
        validator, home / validator, "127.0.0.1:1", pid, status if runs else None, "not running"
    )


def names(states: Sequence[NodeState]) -> list[str]:
    return [item.validator for item in states]


def test_a_word_means_one_the_leader_or_all() -> None:
    states = [state("n1"), state("n2"), state("n3", runs=False)]
    assert names(choose_nodes(states, "n3", PLACE)) == ["n3"]
    assert names(choose_nodes(states, "leader", PLACE)) == ["n2"]
    assert names(choose_nodes(states, "all", PLACE)) == ["n1", "n2", "n3"]


def test_who_leads_is_the_word_of_the_highest_term() -> None:
    cut_off = state("n1", leader="n1", term=3)
    states = [cut_off, state("n2", leader="n3", term=4), state("n3", leader="", term=9)]
    assert names(choose_nodes(states, "leader", PLACE)) == ["n3"]


@pytest.mark.parametrize(
    ("node", "code", "words"),
    [("n7", "NODE_UNKNOWN", "leader, n1, n2, all"), ("leader", "LEADER_UNKNOWN", "quorum")],
)
def test_a_word_that_means_nobody(node: str, code: str, words: str) -> None:
    states = [state("n1", leader=""), state("n2", runs=False)]
    with pytest.raises(CommandError) as caught:
        choose_nodes(states, node, PLACE)
    assert caught.value.code == code
    assert words in caught.value.remedy


@pytest.mark.parametrize(
    ("votes", "runs", "hurt", "left"),
    [
        ("yyy", "yyy", "1", None),
        ("yyy", "yyy", "12", 1),
        ("yyy", "yyy", "123", 0),
        ("yyy", "yyn", "1", 1),
        ("yny", "yyy", "1", 1),
        ("yny", "yyy", "2", None),
        # Nothing was certified before either.
        ("yyy", "ynn", "1", None),
    ],
)
def test_what_is_lost_is_asked_about(votes: str, runs: str, hurt: str, left: int | None) -> None:
    states = [
        state(f"n{number}", votes=vote == "y", runs=ran == "y")
        for number, (vote, ran) in enumerate(zip(votes, runs, strict=True), 1)
    ]
    targets = [item for item in states if item.validator[1:] in hurt]
    question = loss_question(states, targets, "crash")
    if left is None:
        assert not question
    else:
        assert f"then {left} of 3 validators would vote and 2 are needed" in question


@pytest.fixture
def hurt(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The signals that would have been sent, as process and number."""
    sent: list[tuple[int, int]] = []

    def note(pid: int, number: int) -> None:
        sent.append((pid, number))

    monkeypatch.setattr(os, "kill", note)
    return sent


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[NodeState]], None]:
    """Let the validators look like this."""

    def apply(states: Sequence[NodeState]) -> None:
        def status(_place: Path) -> Sequence[NodeState]:
            return states

        monkeypatch.setattr(dev_processes, "network_status", status)
        ended: set[Path] = set()

        def find(home: Path) -> int | None:
            # Seen once more before the signal; then it has ended.
            pids = {item.home: item.pid for item in states}
            if home in ended:
                return None
            ended.add(home)
            return pids[home]

        monkeypatch.setattr(process, "find_process", find)

    return apply


def test_kill_asks_where_a_quorum_would_be_lost(
    cluster: Path, show: Callable[[Sequence[NodeState]], None], hurt: list[tuple[int, int]]
) -> None:
    states = [state(f"n{number}", home=cluster) for number in range(1, 12)]
    show(states)
    at = ("--dir", str(cluster), "-o", "json")
    refused = run("network", "kill", "all", *at)
    assert (refused.exit, refused.error["code"]) == (2, "NOT_CONFIRMED")
    assert "0 of 11 validators would vote and 6 are needed" in refused.error["text"]
    assert not hurt
    agreed = run("network", "kill", "all", "--yes", *at)
    assert agreed.exit == 0
    assert len(agreed.data["nodes"]) == len(hurt) == 11


def test_kill_of_one_that_may_fail_does_not_ask(
    cluster: Path, show: Callable[[Sequence[NodeState]], None], hurt: list[tuple[int, int]]
) -> None:
    show([state(f"n{number}", home=cluster) for number in range(1, 12)])
    ended = run("network", "kill", "leader", "--dir", str(cluster), "-o", "json")
    assert (ended.exit, ended.data) == (0, {"nodes": ["n2"], "signal": "KILL"})
    assert hurt == [(4_000_000, signal.SIGKILL)]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (("kill", "n1"), 4, "NODE_NOT_RUNNING"),
        (("kill", "all"), 4, "NODE_NOT_RUNNING"),
        (("kill", "leader"), 4, "LEADER_UNKNOWN"),
        (("kill", "n99"), 2, "NODE_UNKNOWN"),
        (("kill", "n1", "--signal", "HUP"), 2, "USAGE"),
        (("start", "n99"), 2, "NODE_UNKNOWN"),
        (("start", "leader"), 2, "NODE_UNKNOWN"),
        (("isolate", "n1"), 4, "NODE_NOT_RUNNING"),
        (("isolate", "n99"), 2, "NODE_UNKNOWN"),
        (("isolate",), 2, "USAGE"),
        (("heal",), 4, "NODE_NOT_RUNNING"),
    ],
)
def test_refusals_where_nothing_runs(
    cluster: Path, arguments: tuple[str, ...], exit_code: int, code: str
) -> None:
    before = sorted(cluster.rglob("*"))
    ended = run("network", *arguments, "--dir", str(cluster), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (exit_code, code)
    assert ended.error["remedy"]
    assert sorted(cluster.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments", [("kill", "n1"), ("start", "n1"), ("isolate", "n1"), ("heal",), ("down",)]
)
def test_nobody_elses_network_is_touched(
    network_directory: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    place = tmp_path / "za"
    place.mkdir()
    for name in ("network.json", "genesis.json"):
        shutil.copy(network_directory / name, place)
    ended = run("network", *arguments, "--dir", str(place), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "NOT_A_DEVELOPMENT_NETWORK")


class Admin:
    """What the validators' administration was asked to do, by home."""

    asked: dict[str, list[str] | None]

    def __init__(self, socket_path: Path) -> None:
        assert socket_path.name == "admin.sock"
        self._validator = socket_path.parent.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def isolate(self, validators: Sequence[str]) -> None:
        self.asked[self._validator] = list(validators)

    def heal(self) -> None:
        self.asked[self._validator] = None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str] | None]:
    Admin.asked = {}
    monkeypatch.setattr(admin_client, "AdminClient", Admin)
    return Admin.asked


def test_a_node_that_refuses_or_is_silent_is_told_with_its_code(
    cluster: Path,
    show: Callable[[Sequence[NodeState]], None],
    asked: dict[str, list[str] | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    show([state(f"n{number}", home=cluster) for number in range(1, 12)])
    for code, exit_code in (("NOT_PERMITTED", 2), (admin_client.NOT_ANSWERING, 4)):

        def refuse(_self: Admin, code: str = code) -> None:
            raise admin_client.AdminClientError(code, "no", "Ask its operator.")

        monkeypatch.setattr(Admin, "heal", refuse)
        ended = run("network", "heal", "--dir", str(cluster), "-o", "json")
        assert (ended.exit, ended.error["code"]) == (exit_code, code)
        assert ended.error["remedy"] == "Ask its operator."
    assert not asked


def test_each_that_is_isolated_is_cut_off_from_all_others(
    cluster: Path,
    show: Callable[[Sequence[NodeState]], None],
    asked: dict[str, list[str] | None],
) -> None:
    ids = [f"n{number}" for number in range(1, 12)]
    show([state(validator, home=cluster) for validator in ids])
    ended = run("network", "isolate", "leader", "n1", "--dir", str(cluster), "-o", "json")
    assert ended.exit == 0, ended
    assert ended.data == {"isolated": ["n1", "n2"], "voting_left": 9, "needed": 6}
    assert asked == {
        "n1": [other for other in ids if other != "n1"],
        "n2": [other for other in ids if other != "n2"],
    }
    text = run("network", "isolate", "n1", "--dir", str(cluster)).stdout
    assert "10 of 11 validators voting, 6 needed: 4 more may fail" in text
    healed = run("network", "heal", "--dir", str(cluster), "-o", "json")
    assert healed.data["nodes"] == ids
    assert set(asked.values()) == {None}


def test_the_only_validator_is_not_isolated(
    network_directory: Path,
    show: Callable[[Sequence[NodeState]], None],
    asked: dict[str, list[str] | None],
) -> None:
    show([state("n1", home=network_directory)])
    ended = run("network", "isolate", "all", "--dir", str(network_directory), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "NOTHING_TO_ISOLATE")
    assert not asked
