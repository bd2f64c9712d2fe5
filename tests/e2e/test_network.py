# SPDX-License-Identifier: Apache-2.0
"""Real processes through `pset network` and `pset node`: up, kill, start, status, down."""

from __future__ import annotations

import json
import signal
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.pset_process import PsetProcess
from tests.support.pset_runs import run

pytestmark = pytest.mark.serial

HERE = ("--network", "./pset-network")


@pytest.fixture
def pset(tmp_path: Path) -> Generator[PsetProcess]:
    process = PsetProcess(tmp_path)
    yield process
    if (tmp_path / "pset-network").exists():
        process.run("network", "down", "--purge", "--yes")


def test_up_kill_start_and_down(pset: PsetProcess) -> None:
    up = pset.run("network", "up")
    assert up.returncode == 0, up
    assert up.stdout.startswith("up        dev:")
    assert up.stderr.rstrip().splitlines()[-3:] == [
        "NEXT      export PSET_NETWORK=./pset-network",
        "          pset org list",
        "          pset network status",
    ]
    key = pset.directory / "pset-network" / "keys" / "qcto" / "admin.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600

    status = pset.json("network", "status")
    (validator,) = status["validators"]
    assert (validator["id"], validator["organisation"], validator["state"]) == (
        "n1",
        "saqa",
        "running",
    )
    assert (validator["voting"], validator["behind"]) == (True, 0)
    assert status["quorum"] | {"text": ""} == {"needed": 1, "of": 1, "voting": 1, "text": ""}
    assert pset.json("version", "--check", *HERE)["compatible"] is True

    labels = pset.directory / "labels.json"
    labels.write_text('{"languages": {"en": {"a": "b"}}}')
    publish = ("schema", "publish", "labels.json", "--name", "labels", "--type", "DisplayBundle")
    written = pset.json(*publish, "--as", "qcto", *HERE)
    root = pset.json("ledger", "head", *HERE)["state_root"]

    refused = pset.error("network", "kill", "n1", exit_code=2)
    assert (refused["code"], "0 of 1 validator would vote" in refused["text"]) == (
        "NOT_CONFIRMED",
        True,
    )
    assert pset.json("network", "kill", "n1", "--yes")["nodes"] == ["n1"]
    status = pset.json("network", "status", exit_code=4)
    assert (status["validators"][0]["state"], status["quorum"]["voting"]) == ("stopped", 0)
    assert "NEXT" in pset.run("network", "status").stderr
    error = pset.error("org", "list", "--timeout", "1s", *HERE, exit_code=4)
    assert (error["code"], error["phase"]) == ("NOT_REACHABLE", "not-sent")
    assert pset.error("network", "kill", "n7", exit_code=2)["code"] == "NODE_UNKNOWN"

    assert pset.json("network", "start", "n1")["nodes"] == ["n1"]
    assert pset.json("ledger", "tx", written["transaction_id"], *HERE)["state"] == "applied"
    assert pset.json("ledger", "head", *HERE)["state_root"] == root

    assert pset.json("network", "down") | {"directory": ""} == {
        "directory": "",
        "stopped": ["n1"],
        "purged": False,
        "left": [],
    }
    again = pset.json("network", "up")
    assert again["chain_id"] == pset.json("network", "show", *HERE)["chain_id"]
    assert pset.json("ledger", "head", *HERE)["state_root"] == root
    assert pset.error("network", "down", "--purge", exit_code=2)["code"] == "NOT_CONFIRMED"
    assert pset.json("network", "status")["quorum"]["voting"] == 1
    assert pset.json("network", "down", "--purge", "--yes")["purged"] is True
    assert not (pset.directory / "pset-network").exists()
    assert pset.error("network", "down", exit_code=4)["code"] == "NO_TRUST_ROOT"


def test_a_node_says_how_it_stands_and_why_it_does_not_start(pset: PsetProcess) -> None:
    pset.json("network", "up")
    home = "pset-network/n1"
    status = pset.json("node", "status", "--dir", home)
    assert {"voting", "voting_reason", "ops_url", "role", "term", "height", "alarms"} <= set(status)
    assert (status["voting"], status["role"], status["ops_url"]) == (True, "validator", None)
    assert status["alarms"] == []
    assert "voting: yes" in pset.run("node", "status").stdout
    assert pset.error("node", "start", exit_code=4)["code"] == "NODE_RUNNING"

    assert pset.json("node", "stop")["stopped"] is True
    assert pset.json("node", "stop")["stopped"] is False
    status = pset.json("node", "status", exit_code=4)
    assert (status["state"], status["voting"], status["voting_reason"]) == (
        "stopped",
        False,
        "not running",
    )
    key = pset.directory / home / "keys" / "vote.key"
    key.chmod(0o644)
    refused = pset.error("node", "start", exit_code=4)
    assert refused["code"] == "KEY_FILE_PERMISSIONS"
    assert "chmod" in refused["remedy"]
    assert pset.error("network", "up", exit_code=4)["code"] == "NODE_NOT_STARTED"
    key.chmod(0o600)
    assert pset.json("node", "start")["id"] == "n1"
    assert pset.json("node", "status")["voting"] is True
    assert pset.error("node", "status", "--dir", "nowhere", exit_code=2)["code"] == (
        "CONFIG_NOT_FOUND"
    )


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_in_the_foreground_until_a_signal(
    pset: PsetProcess, number: signal.Signals, exit_code: int
) -> None:
    up = ("network", "up", "--storage", "memory", "--foreground", "-o", "json")
    with pset.start(*up) as running:
        assert running.stdout is not None
        assert json.loads(running.stdout.readline())["data"]["height"] >= 1
        with pset.start("network", "status", "--watch", "-o", "json") as watched:
            assert watched.stdout is not None
            lines = [json.loads(watched.stdout.readline()) for _ in range(2)]
            watched.send_signal(signal.SIGINT)
            watched.communicate(timeout=30)
        assert [line["data"]["quorum"]["voting"] for line in lines] == [1, 1]
        assert watched.returncode == 130
        running.send_signal(number)
        running.communicate(timeout=60)
    assert running.returncode == exit_code
    assert pset.json("network", "status", exit_code=4)["validators"][0]["state"] == "stopped"


def test_what_cannot_be_started_leaves_nothing(pset: PsetProcess) -> None:
    assert pset.error("network", "up", "--nodes", "26", exit_code=2)["code"] == "USAGE"
    assert not (pset.directory / "pset-network").exists()
    assert pset.error("network", "up", "--storage", "tape", exit_code=2)["code"] == "USAGE"
    assert pset.error("network", "status", exit_code=4)["code"] == "NO_TRUST_ROOT"
    assert pset.error("network", "down", "--dir", "x", exit_code=2)["code"] == "NETWORK_NOT_FOUND"


def test_an_organisation_joins_and_is_seen_by_everybody(
    pset: PsetProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a configured network: pinned by fingerprint, keys in the home. The node is a process."""
    monkeypatch.chdir(pset.directory)
    monkeypatch.setenv("PSET_HOME", str(pset.directory / "home"))
    monkeypatch.delenv("PSET_NETWORK", raising=False)
    monkeypatch.delenv("PSET_AS", raising=False)

    def done(*arguments: str) -> dict[str, Any]:
        ended = run(*arguments, "-o", "json")
        assert ended.exit == 0, ended
        return ended.data

    fingerprint = done("network", "up", "--demo")["fingerprint"]
    done("network", "add", "./pset-network", "--fingerprint", fingerprint)
    done("network", "use", "dev")
    for role in ("admin", "ledger"):
        made = done("key", "generate", role, "--role", role, "--as", "ekt")
        assert str(pset.directory / "home" / "keys" / "ekt") in made["file"]
    done(
        *("org", "request", "--short-name", "ekt", "--name", "Ekurhuleni Trades (sample)"),
        *("--type", "provider", "--key", "admin", "--key", "ledger", "--out", "ekt.json"),
    )
    missing = run("org", "endorse", "ekt.json", "--as", "qcto", "-o", "json")
    assert (missing.exit, missing.error["code"]) == (2, "KEY_ROLE_NOT_HELD")
    done("org", "endorse", "ekt.json", "--as", "qcto", *HERE)
    site = ("org", "add-site", "ekt", "--code", "1", "--name", "Boksburg", "--province", "GP")
    assert done(*site)["applied"] is True
    refused = run(*site, "--no-client-checks")
    assert refused.exit == 2
    assert "NOT_A_DEVELOPMENT_NETWORK" in refused.stderr
    shown = run("org", "show", "ekt", "--proof", "ekt.proof")
    assert shown.stdout.startswith("name        Ekurhuleni Trades (sample) (vouched for by qcto)\n")
    done("network", "down", "--dir", "pset-network")
    assert run("ledger", "check-proof", "ekt.proof").exit == 0
