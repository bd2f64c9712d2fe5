# SPDX-License-Identifier: Apache-2.0
"""The examples run as they stand, against a real validator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from psetcloud.demo_network import set_up_demo
from psetledger.testing import LocalNetwork, running_network
from tests.support.pset_runs import Pset
from tests.support.unreachable import copy_unreachable

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalNetwork]:
    with running_network(tmp_path_factory.mktemp("examples")) as network:
        set_up_demo(network.directory)
        yield network


@pytest.fixture(scope="module")
def accredited(network: LocalNetwork) -> Pset:
    pset = Pset(network.directory, network.home)
    pset.done(
        *("accreditation", "grant", "gaa", "--power", "issue-statement-of-results"),
        *("--qualification", "91761", "--site", "2", "--from", "2025-01-01", "--as", "qcto"),
    )
    return pset


def run_example(name: str, *arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=directory,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "proto"))),
            "PSET_HOME": str(directory / "home"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def issue(network: LocalNetwork, directory: Path) -> subprocess.CompletedProcess[str]:
    return run_example(
        "issuer.py",
        *(str(network.directory), "gaa", str(EXAMPLES / "results.jsonl"), "out"),
        directory=directory,
    )


def test_without_accreditation_the_issuer_stops_before_the_first_signature(
    network: LocalNetwork, tmp_path: Path
) -> None:
    ended = run_example(
        "issuer.py",
        *(str(network.directory), "ttc", str(EXAMPLES / "results.jsonl"), "out"),
        directory=tmp_path,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("ACCREDITATION_OUT_OF_SCOPE: ")
    assert list((tmp_path / "out").glob("*.vc.json")) == []


def test_issuer_may_run_twice(network: LocalNetwork, accredited: Pset, tmp_path: Path) -> None:
    first = issue(network, tmp_path)
    assert first.returncode == 0, first.stderr
    words = [line.split()[0] for line in first.stdout.splitlines()]
    assert words == ["issued", "refused", "issued", "replaced"]
    # The second row has a birth date that is no day; it is named by field and rule.
    assert "DATE_MALFORMED birth_date" in first.stdout
    assert "2001-02-29" not in first.stdout
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.vc.json")}
    assert len(files) == 3
    again = issue(network, tmp_path)
    lines = again.stdout.splitlines()
    assert lines[0] == first.stdout.splitlines()[0].replace("issued  ", "already there (revoked)")
    assert [line.split()[0] for line in lines] == ["already", "refused", "already", "replaced"]
    assert "revoked" not in lines[2]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.vc.json")} == files
    codes = [
        accredited("verify", str(tmp_path / "out" / f"{name}.vc.json")).data["code"]
        for name in ("SAMPLE-001_2026-1", "SAMPLE-003_2026-1", "corrected")
    ]
    assert codes == ["REVOKED", None, None]


def test_verifier_tells_and_keeps_a_receipt_without_claims(
    network: LocalNetwork, accredited: Pset, tmp_path: Path
) -> None:
    issue(network, tmp_path)
    for name, code, word in (
        ("SAMPLE-003_2026-1", 0, "Statement of results"),
        ("SAMPLE-001_2026-1", 1, "REVOKED"),
    ):
        document = tmp_path / "out" / f"{name}.vc.json"
        ended = run_example(
            "verifier.py", str(network.directory), str(document), directory=tmp_path
        )
        assert ended.returncode == code, ended.stderr
        assert ended.stdout.startswith(word)
        receipt = json.loads((tmp_path / "receipt.json").read_bytes())
        assert receipt["claims"] == {}


def test_verifier_without_a_node_cannot_tell(
    network: LocalNetwork, accredited: Pset, tmp_path: Path
) -> None:
    directory = copy_unreachable(network.directory, tmp_path / "network")
    document = tmp_path / "any.vc.json"
    document.write_text("{}")
    ended = run_example("verifier.py", str(directory), str(document), directory=tmp_path)
    assert ended.returncode == 4
    assert ended.stdout.startswith("cannot tell:")
