# SPDX-License-Identifier: Apache-2.0
"""`pset network up` and `down --purge` leave alone what is not the network's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.network_removal import remove_network
from ledger.node.dev_network import create_network
from tests.support.pset_runs import run


@pytest.fixture
def place(tmp_path: Path) -> Path:
    directory = tmp_path / "network"
    create_network(directory, storage="memory")
    return directory


def test_purge_removes_what_the_network_made(place: Path) -> None:
    for name in ("stores/gaa", "samples", "records", "evidence"):
        (place / name).mkdir(parents=True)
        (place / name / "file").write_text("x")
    (place / "trust.json").write_text("{}")
    ended = run("network", "down", "--dir", str(place), "--purge", "--yes", "-o", "json")
    assert (ended.exit, ended.data["left"]) == (0, [])
    assert not place.exists()


def test_purge_leaves_what_is_not_the_networks_and_says_so(place: Path, tmp_path: Path) -> None:
    thesis = place / "thesis.doc"
    thesis.write_text("years of work")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("x")
    (place / "samples").symlink_to(outside)
    ended = run("network", "down", "--dir", str(place), "--purge", "--yes")
    assert ended.exit == 0
    assert "left what is not its own: thesis.doc" in ended.stdout
    assert [path.name for path in place.iterdir()] == ["thesis.doc"]
    assert thesis.read_text() == "years of work"
    assert (outside / "mine").exists()


def test_network_json_goes_last(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    unlink = Path.unlink

    def note(self: Path, missing_ok: bool = False) -> None:
        removed.append(self.name)
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", note)
    remove_network(place, ["n1"])
    assert removed[-1] == "network.json"


def test_up_refuses_a_directory_with_other_files(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.doc"
    thesis.write_text("x")
    before = sorted(tmp_path.rglob("*"))
    ended = run("network", "up", "--dir", str(tmp_path), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "DIRECTORY_NOT_EMPTY")
    assert sorted(tmp_path.rglob("*")) == before
