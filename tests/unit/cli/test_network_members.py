# SPDX-License-Identifier: Apache-2.0
"""What is refused before a validator of a development network comes or goes, changing nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.node.dev_membership import create_newcomer, note_learner, note_removed, read_members
from ledger.node.dev_network import create_network
from tests.support.pset_runs import run


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """n1 was removed, n4 is a learner."""
    directory = tmp_path / "net"
    create_network(directory, nodes=3, storage="memory", certificate_scheme="ed25519")
    create_newcomer(directory, "n4", read_members(directory).current[0].organisation)
    note_learner(directory, "n4")
    note_removed(directory, "n1", 7)
    return directory


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("add-node", "n2"), "NODE_EXISTS", "n2 is a validator"),
        (("add-node", "n1"), "NODE_REMOVED", "by block 7, which is final"),
        (("add-node", "n5", "--replaces", "n1"), "NODE_REMOVED", "n1 was removed"),
        (("add-node", "n5", "--replaces", "n4"), "NODE_UNKNOWN", "n4 is a learner"),
        (("add-node", "n5", "--replaces", "n9"), "NODE_UNKNOWN", "no node n9"),
        (("remove-node", "n9"), "NODE_UNKNOWN", "no node n9"),
        (("remove-node", "n1"), "NODE_REMOVED", "n1 was removed"),
    ],
)
def test_refused_before_anything_is_made(
    place: Path, arguments: tuple[str, ...], code: str, words: str
) -> None:
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    ended = run("network", *arguments, "--dir", str(place), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, code)
    assert words in ended.error["text"]
    assert ended.error["remedy"]
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", [("add-node",), ("remove-node", "n1")])
def test_only_development_networks_change_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "network.json").write_text("{}")
    ended = run("network", *command, "--dir", str(tmp_path), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "NOT_A_DEVELOPMENT_NETWORK")


def test_a_network_of_one_cannot_grow(tmp_path: Path) -> None:
    place = tmp_path / "one"
    create_network(place, storage="memory", certificate_scheme="ed25519")
    ended = run("network", "add-node", "--dir", str(place), "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "NETWORK_OF_ONE")
    assert not (place / "n2").exists()
