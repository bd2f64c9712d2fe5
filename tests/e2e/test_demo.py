# SPDX-License-Identifier: Apache-2.0
"""`pset demo` with real processes, as the README shows it: keep, verify by hand, take down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.serial

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 60
EXPECTED = {
    "valid": 0,
    "since-withdrawn": 0,
    "after-withdrawal": 1,
    "void-ab-initio": 1,
    "revoked": 1,
    "suspended": 1,
    "out-of-scope": 1,
    "unknown-issuer": 1,
    "tampered": 1,
}


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell in a directory with a home of its own."""

    directory: Path

    def pset(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PSET_")
        }
        environment["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(ROOT / "proto")))
        environment["PSET_HOME"] = str(self.directory / "home")
        return subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", *arguments],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * SECONDS_MAX,
        )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Shell, dict[str, Any]]]:
    shell = Shell(tmp_path_factory.mktemp("demo"))
    started = time.monotonic()
    ended = shell.pset("demo", "--dir", "demo", "--story", "1", "--keep", "-o", "json")
    try:
        assert ended.returncode == 0, ended.stderr
        assert time.monotonic() - started < SECONDS_MAX
        yield shell, json.loads(ended.stdout)
    finally:
        shell.pset("network", "down", "--dir", "demo", "--purge", "--yes")


def test_every_sample_is_as_told(kept: tuple[Shell, dict[str, Any]]) -> None:
    _, told = kept
    assert told["kind"] == "Demo"
    assert told["data"]["ok"] is True
    assert {sample["name"] for sample in told["data"]["samples"]} == set(EXPECTED)
    assert all(sample["ok"] for sample in told["data"]["samples"])
    first = told["data"]["steps"][0]["command"]
    assert first.startswith("pset network up --demo")


@pytest.mark.parametrize(("name", "code"), EXPECTED.items())
def test_samples_can_be_verified_by_hand(
    kept: tuple[Shell, dict[str, Any]], name: str, code: int
) -> None:
    shell, _ = kept
    ended = shell.pset("--network", "./demo", "verify", f"demo/samples/{name}.vc.json")
    assert ended.returncode == code, ended.stdout
    assert ended.stdout.split()[0] == ("VALID" if code == 0 else "INVALID")


def test_nothing_about_a_learner_is_in_the_node(kept: tuple[Shell, dict[str, Any]]) -> None:
    """What the node keeps on disk holds no name, no birth date and no credential id."""
    shell, _ = kept
    sample = json.loads((shell.directory / "demo/samples/valid.vc.json").read_bytes())
    subject = sample["credentialSubject"]
    searched = [
        text.encode()
        for text in (
            f"{subject['given_name']} {subject['family_name']}",
            subject["birth_date"],
            sample["id"].removeprefix("urn:uuid:"),
            sample["proof"]["proofValue"],
        )
    ]
    files = [path for path in (shell.directory / "demo/n1").rglob("*") if path.is_file()]
    assert files
    held = b"".join(path.read_bytes() for path in files)
    assert b"Gqeberha" in held  # uncompressed, so that a name would be found
    assert [text for text in searched if text in held] == []


def test_network_goes_down_and_the_samples_stay(kept: tuple[Shell, dict[str, Any]]) -> None:
    shell, _ = kept
    down = shell.pset("network", "down", "--dir", "demo")
    assert down.returncode == 0, down.stderr
    sample = "demo/samples/valid.vc.json"
    assert (shell.directory / sample).exists()
    ended = shell.pset("--network", "./demo", "--timeout", "2s", "verify", sample, "-o", "json")
    assert ended.returncode == 4
    assert json.loads(ended.stdout)["data"]["code"] == "NO_CONNECTION"
