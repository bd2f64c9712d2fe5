# SPDX-License-Identifier: Apache-2.0
"""`pset network up` before and after processes run: refusals, the table, what is suggested next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.network_quorum import Quorum
from cli.network_up import following_commands, organisations_of, validator_rows
from ledger.api.ports import NodeStatus
from ledger.node import dev_network, dev_processes
from ledger.node.node_state import NodeState
from sdk.networks import read_network
from tests.support.pset_runs import run

REMARK = "      # kill -9: the others go on, nothing acknowledged is lost"


def make_state(
    home: Path, validator: str, *, voting_reason: str = "", answers: bool = True
) -> NodeState:
    status = NodeStatus(
        chain_id="dev:00",
        node_id=validator,
        organisation="did:pset:dev:x",
        role="validator",
        height=2,
        applied_height=2,
        voting=not voting_reason,
        voting_reason=voting_reason,
        state_root=bytes(32),
        software_version="1",
        protocol_version=1,
        time=0,
        term=1,
        leader="n2",
    )
    held = status if answers else None
    return NodeState(validator, home / validator, f"127.0.0.1:{validator[1:]}", 1, held, "refused")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--nodes", "0"),
        ("--nodes", "26"),
        ("--fault-model", "none"),
        ("--certificate-scheme", "rsa"),
    ],
)
def test_wrong_options_make_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = run("network", "up", *arguments, "--dir", str(tmp_path / "n"), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "USAGE")
    assert not (tmp_path / "n").exists()


def test_the_counts_agree() -> None:
    from cli.network_up import NODES_COUNT_MAX

    assert NODES_COUNT_MAX == dev_network.NODES_COUNT_MAX


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--nodes", "3"), "--nodes 11"),
        (("--fault-model", "byzantine"), "--fault-model crash"),
        (("--certificate-scheme", "bls12381"), "--certificate-scheme ed25519"),
        (("--storage", "leveldb"), "--storage memory"),
    ],
)
def test_a_network_is_not_started_as_another(
    cluster: Path, arguments: tuple[str, ...], words: str
) -> None:
    before = {path: path.read_bytes() for path in cluster.rglob("*") if path.is_file()}
    ended = run("network", "up", *arguments, "--dir", str(cluster), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "NETWORK_DIFFERS")
    assert words in ended.error["text"]
    assert {path: path.read_bytes() for path in cluster.rglob("*") if path.is_file()} == before


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that start at once, and run nowhere."""

    def start(
        place: Path, *, on_ready: Callable[[str, int, int], None], **_others: Any
    ) -> Sequence[NodeState]:
        genesis = dev_network.read_genesis(place)
        ids = [held.id for held in dev_network.validators_in_order(genesis)]
        for number, validator in enumerate(ids, 1):
            on_ready(validator, number, len(ids))
        return [make_state(place, validator) for validator in ids]

    monkeypatch.setattr(dev_processes, "start_network", start)


@pytest.mark.usefixtures("started")
def test_up_shows_the_validators_the_quorum_and_what_to_do_next(tmp_path: Path) -> None:
    place = tmp_path / "four"
    options = ("--nodes", "4", "--fault-model", "byzantine", "--storage", "memory")
    ended = run("network", "up", *options, "--dir", str(place))
    assert ended.exit == 0, ended
    lines = ended.stdout.splitlines()
    heading = next(line for line in lines if line.startswith("validator"))
    assert heading.split() == [
        *("validator", "organisation", "address"),
        *("role", "height", "voting"),
    ]
    assert [line.split()[:4] for line in lines[lines.index(heading) + 1 :][:4]] == [
        ["n1", "saqa", "127.0.0.1:1", "validator"],
        ["n2", "che", "127.0.0.1:2", "leader"],
        ["n3", "umalusi", "127.0.0.1:3", "validator"],
        ["n4", "qcto", "127.0.0.1:4", "validator"],
    ]
    assert lines[-1] == ("4 validators, quorum 3: one may fail; one that lies deceives nobody")
    assert "n3 is ready (3 of 4)" in ended.stderr
    assert ended.stderr.splitlines()[-3:] == [
        f"NEXT      export PSET_NETWORK={place}",
        f"          pset network kill leader{REMARK}",
        "          pset network status --watch",
    ]
    data = run("network", "up", "--dir", str(place), "-o", "json").data
    assert data["next"][1] == "pset network kill leader"
    assert data["quorum"]["needed"] == 3
    assert data["warnings"] == []
    assert data["fault_model"] == "byzantine"
    assert [item["role"] for item in data["validators"]] == [
        *("validator", "leader"),
        *("validator", "validator"),
    ]


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("nodes", "fault_model", "words"),
    [("2", "crash", "survive no failure"), ("3", "byzantine", "protects from no liar")],
)
def test_up_warns_of_what_protects_from_nothing(
    tmp_path: Path, nodes: str, fault_model: str, words: str
) -> None:
    options = ("--nodes", nodes, "--fault-model", fault_model, "--storage", "memory")
    ended = run("network", "up", *options, "--dir", str(tmp_path / "n"))
    assert "WARNING" in ended.stderr
    assert words in ended.stderr
    again = run("network", "up", *options, "--dir", str(tmp_path / "n"), "-o", "json")
    assert words in again.data["warnings"][0]


def test_a_row_says_why_a_validator_does_not_vote(cluster: Path) -> None:
    states = [
        make_state(cluster, "n1", voting_reason="it is behind"),
        make_state(cluster, "n2", answers=False),
    ]
    rows = validator_rows(read_network(cluster), states, organisations_of(cluster))
    assert rows[0]["voting"] == "no, because it is behind"
    assert (rows[1]["voting"], rows[1]["role"], rows[1]["height"]) == ("no, refused", None, None)


def test_nobody_is_sent_to_kill_a_leader_that_nobody_survives() -> None:
    commands = following_commands(Path("net"), Quorum(2, "crash"))
    assert commands == ["export PSET_NETWORK=./net", "pset org list", "pset network status"]
