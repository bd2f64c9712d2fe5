# SPDX-License-Identifier: Apache-2.0
"""Real validators come, are killed, replaced and removed through `pset` while somebody writes: nothing
acknowledged is lost, and all who are left have one state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from sdk.client import LedgerClient
from tests.support.pset_process import PsetProcess
from tests.support.steady_writer import SteadyWriter

pytestmark = [pytest.mark.serial, pytest.mark.long]

NETWORK = "pset-network"


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


def rows(status: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in status["validators"]}


def all_agree(status: dict[str, Any]) -> bool:
    """All who were not removed vote, at one height, with one root."""
    held = [item for item in status["validators"] if item["state"] != "removed"]
    heights, roots = ({item[name] for item in held} for name in ("height", "state_root"))
    return all(item["voting"] for item in held) and len(heights) == len(roots) == 1


def test_validators_come_and_go_during_writes(pset: PsetProcess) -> None:
    assert pset.run("network", "up", "--nodes", "3").returncode == 0
    writer = SteadyWriter(pset.directory / NETWORK)
    with writer.writing():
        writer.wait_for(3, seconds=30)
        added = pset.json("network", "add-node")
        assert added["node"] == "n4"
        assert [step["step"] for step in added["steps"]] == [
            "admitted",
            "caught up",
            "activated",
            "certifying",
        ]
        assert added["quorum"]["needed"] == 3
        # Three of four: the newcomer's vote is needed now.
        assert pset.json("network", "kill", "n2")["nodes"] == ["n2"]
        writer.wait_for(len(writer.acknowledged) + 5, seconds=30)
        # Without n2 none of those that stay may be missing.
        refused = pset.error("network", "kill", "n3", exit_code=2)
        assert refused["code"] == "NOT_CONFIRMED"
        pset.json("network", "start", "n2")
        replaced = pset.json("network", "add-node", "n5", "--replaces", "n1")
        assert replaced["validators"] == ["n2", "n3", "n4", "n5"]
        writer.wait_for(len(writer.acknowledged) + 5, seconds=30)
        removed = pset.json("network", "remove-node", "n2")
        assert removed["ran"]
        assert removed["last_words"].startswith("VALIDATOR_REMOVED: ")
        assert removed["last_words"].endswith("exit code 4")
        writer.wait_for(len(writer.acknowledged) + 5, seconds=30)
    status = wait_for(pset, all_agree)
    held = rows(status)
    assert {name for name, row in held.items() if row["state"] == "removed"} == {"n1", "n2"}
    assert status["quorum"]["of"] == 3
    assert pset.error("network", "start", "n1", exit_code=2)["code"] == "NODE_UNKNOWN"

    assert pset.json("network", "down")["stopped"] == ["n3", "n4", "n5"]
    assert pset.run("network", "up").returncode == 0
    status = wait_for(pset, all_agree)
    (root,) = {row["state_root"] for row in rows(status).values() if row["state"] != "removed"}
    assert root
    with writer.connect() as client:
        assert_on_chain(client, writer)


def assert_on_chain(client: LedgerClient, writer: SteadyWriter) -> None:
    """Every acknowledged write is where its receipt says."""
    for receipt in writer.acknowledged:
        found = client.transaction(receipt.transaction_id).receipt
        assert found is not None, receipt
        assert (found.height, found.index) == (receipt.height, receipt.index)
