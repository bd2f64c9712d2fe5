# SPDX-License-Identifier: Apache-2.0
"""Several validators as real processes through `pset network`: the leader is killed, validators are cut
off and come back; what was acknowledged stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sdk.errors import UnavailableError
from sdk.operations import PublishResource
from tests.support.pset_process import PsetProcess
from tests.support.steady_writer import CONTENT, SteadyWriter

pytestmark = pytest.mark.serial

NETWORK = "pset-network"
HERE = ("--network", f"./{NETWORK}")
BACK_SECONDS_MAX = 10.0
"""Service is back so soon after a quorum is."""


@pytest.fixture
def pset(tmp_path: Path) -> Generator[PsetProcess]:
    process = PsetProcess(tmp_path)
    yield process
    if (tmp_path / NETWORK).exists():
        process.run("network", "down", "--purge", "--yes")


def wait_for(
    pset: PsetProcess, condition: Callable[[dict[str, Any]], bool], *, seconds: float = 30
) -> dict[str, Any]:
    """The first status of the network for which this holds."""
    deadline = time.monotonic() + seconds
    while True:
        status = pset.json("network", "status")
        if condition(status):
            return status
        assert time.monotonic() < deadline, status


def row(status: dict[str, Any], validator: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (item for item in status["validators"] if item["id"] == validator)
    return found


def leaders(status: dict[str, Any]) -> list[str]:
    return [item["id"] for item in status["validators"] if item["role"] == "leader"]


def all_vote_and_agree(status: dict[str, Any]) -> bool:
    """All vote, at one height, with one root."""
    rows = status["validators"]
    heights, roots = ({item[name] for item in rows} for name in ("height", "state_root"))
    votes = all(item["voting"] for item in rows)
    return votes and len(heights) == len(roots) == 1 and None not in heights


def test_the_leader_is_killed_during_writes_and_nothing_acknowledged_is_lost(
    pset: PsetProcess,
) -> None:
    up = pset.run("network", "up", "--nodes", "3")
    assert up.returncode == 0, up
    assert up.stdout.rstrip().endswith("3 validators, quorum 2: one may fail")
    assert "NEXT      export PSET_NETWORK=./pset-network" in up.stderr
    assert "is ready (3 of 3)" in up.stderr
    status = wait_for(pset, all_vote_and_agree)
    assert [item["organisation"] for item in status["validators"]] == ["saqa", "che", "umalusi"]
    assert status["quorum"] == {
        "needed": 2,
        "of": 3,
        "voting": 3,
        "text": "3 of 3 validators voting, 2 needed: 1 more may fail before writes stop",
    }

    writer = SteadyWriter(pset.directory / NETWORK)
    with writer.writing():
        writer.wait_for(5, seconds=30)
        (killed,) = pset.json("network", "kill", "leader")["nodes"]
        writer.wait_for(len(writer.acknowledged) + 10, seconds=30)
    assert writer.longest_s < BACK_SECONDS_MAX

    status = wait_for(pset, lambda held: held["quorum"]["voting"] == 2)
    assert row(status, killed)["state"] == "stopped"
    assert len(leaders(status)) == 1
    assert killed not in leaders(status)
    assert status["quorum"]["text"] == "2 of 3 validators voting, 2 needed: none may fail"
    (other,) = (
        item["id"] for item in status["validators"] if item["id"] not in {killed, *leaders(status)}
    )
    refused = pset.error("network", "kill", other, exit_code=2)
    assert refused["code"] == "NOT_CONFIRMED"
    assert "then 1 of 3 validators would vote and 2 are needed" in refused["text"]

    assert pset.json("network", "start", killed)["nodes"] == [killed]
    status = wait_for(pset, all_vote_and_agree)
    assert row(status, killed)["behind"] == 0

    # Only it runs now: what it has is what it caught up with.
    for validator in {"n1", "n2", "n3"} - {killed}:
        pset.json("network", "kill", validator, "--yes")
    operation = PublishResource("late", "DisplayBundle", CONTENT)
    key = b"late".ljust(16)
    with writer.connect(timeout=timedelta(seconds=3)) as client:
        for first in writer.acknowledged:
            found = client.transaction(first.transaction_id)
            assert found.state == "applied"
            assert found.receipt is not None
            assert (found.receipt.height, found.receipt.index) == (first.height, first.index)

        # Without a quorum nothing is certified; the same request completes later, once.
        with pytest.raises(UnavailableError):
            client.submit(operation, idempotency_key=key)
        assert client.transaction(key).state != "applied"
        assert pset.json("network", "start", "all")["nodes"] == ["n1", "n2", "n3"]
        late = writer.repeat(client, operation, key)
        assert late.applied
        assert client.submit(operation, idempotency_key=key).transaction_id == late.transaction_id
        assert client.resource("late").value.version == "1"

    assert pset.json("network", "down")["stopped"] == ["n1", "n2", "n3"]
    status = pset.json("network", "status", exit_code=4)
    assert status["quorum"]["voting"] == 0


def test_a_leader_that_is_cut_off_is_replaced_and_takes_part_again_when_healed(
    pset: PsetProcess,
) -> None:
    pset.json("network", "up", "--nodes", "4", "--fault-model", "byzantine")
    wait_for(pset, all_vote_and_agree)
    writer = SteadyWriter(pset.directory / NETWORK)
    with writer.writing():
        writer.wait_for(3, seconds=30)
        isolated = pset.json("network", "isolate", "leader")
        assert (isolated["voting_left"], isolated["needed"]) == (3, 3)
        (cut_off,) = isolated["isolated"]
        status = wait_for(pset, lambda held: any(leader != cut_off for leader in leaders(held)))
        writer.wait_for(len(writer.acknowledged) + 5, seconds=30)
        status = wait_for(pset, lambda held: not row(held, cut_off)["voting"])
        assert row(status, cut_off)["state"] == "running"
        assert row(status, cut_off)["voting_reason"]
        home = f"{NETWORK}/{cut_off}"
        assert "voting: no, because" in pset.run("node", "status", "--dir", home).stdout
        assert len(pset.json("network", "heal")["nodes"]) == 4
        wait_for(pset, lambda held: held["quorum"]["voting"] == 4)
    status = wait_for(pset, all_vote_and_agree)
    assert len(leaders(status)) == 1
    assert "voting: yes" in pset.run("node", "status", "--dir", f"{NETWORK}/{cut_off}").stdout
    with writer.connect() as client:
        for first in writer.acknowledged:
            assert client.transaction(first.transaction_id).state == "applied"
