# SPDX-License-Identifier: Apache-2.0
"""What a development network's directory knows of validators that came and went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.node import dev_membership, dev_network
from ledger.node.config import load_config
from ledger.node.dev_membership import (
    Members,
    Removal,
    choose_name,
    create_newcomer,
    note_active,
    note_learner,
    note_removed,
    read_members,
)
from ledger.node.dev_network import create_network
from ledger.node.errors import NodeError
from ledger.node.node_state import get_node_state
from sdk.networks import read_network


@pytest.fixture
def place(tmp_path: Path) -> Path:
    directory = tmp_path / "net"
    create_network(directory, nodes=3, storage="memory", certificate_scheme="ed25519")
    return directory


def everything(place: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


def ids(members: Members) -> tuple[list[str], list[str], list[str]]:
    """Current, of them active, removed."""
    return (
        [held.id for held in members.current],
        [held.id for held in members.active],
        [held.id for held in members.removed],
    )


def add(place: Path, name: str) -> None:
    create_newcomer(place, name, read_members(place).current[0].organisation)
    note_learner(place, name)


def test_a_new_network_has_the_validators_of_genesis(place: Path) -> None:
    members = read_members(place)
    assert ids(members) == (["n1", "n2", "n3"], ["n1", "n2", "n3"], [])
    assert members.homes == ("n1", "n2", "n3")
    assert choose_name(place, members) == "n4"


def test_a_newcomer_is_a_learner_then_a_validator_and_another_leaves(place: Path) -> None:
    organisation = read_members(place).current[1].organisation
    made = create_newcomer(place, "n4", organisation)
    # A home alone is no member: the ledger has not been asked.
    assert ids(read_members(place))[0] == ["n1", "n2", "n3"]
    note_learner(place, "n4")
    assert ids(read_members(place)) == (["n1", "n2", "n3", "n4"], ["n1", "n2", "n3"], [])
    assert read_members(place).find("n4") == made
    assert made.organisation == organisation
    note_active(place, "n4")
    note_removed(place, "n1", 20)
    members = read_members(place)
    assert ids(members) == (["n2", "n3", "n4"], ["n2", "n3", "n4"], ["n1"])
    assert members.find_removal("n1") == Removal("n1", 20)
    assert members.find("n1") is None
    # Its name is never used again.
    assert members.homes == ("n1", "n2", "n3", "n4")
    assert choose_name(place, members) == "n5"


def test_notes_may_be_made_again(place: Path) -> None:
    add(place, "n4")
    note_learner(place, "n4")
    assert ids(read_members(place))[0] == ["n1", "n2", "n3", "n4"]
    note_active(place, "n4")
    note_active(place, "n4")
    note_removed(place, "n4", 9)
    once = (place / "network.json").read_bytes()
    note_removed(place, "n4", 9)
    assert (place / "network.json").read_bytes() == once
    assert (place / "network.json").stat().st_mode & 0o777 == 0o600


def test_clients_find_newcomers_and_ask_removed_ones_no_more(place: Path) -> None:
    before = read_network(place)
    add(place, "n4")
    note_removed(place, "n2", 7)
    network = read_network(place)
    assert [held.validator for held in network.endpoints] == ["n1", "n3", "n4"]
    assert network.endpoints[:2] == (before.endpoints[0], before.endpoints[2])
    assert network.tls_certificate("n4") == read_members(place).current[2].tls_certificate
    assert network.endpoints[2].address == load_config(place / "n4").api.listen


def test_a_newcomer_is_configured_like_the_others_and_knows_where_they_listen(place: Path) -> None:
    add(place, "n4")
    note_removed(place, "n1", 7)
    create_newcomer(place, "n5", read_members(place).current[0].organisation)
    config, like = load_config(place / "n5"), load_config(place / "n1")
    assert (config.storage, config.blocks, config.consensus) == (
        like.storage,
        like.blocks,
        like.consensus,
    )
    assert config.testing.isolation
    # Of a removed one, too: until it has read of the removal, it wants to reach all of genesis.
    assert {peer: f"{host}:{port}" for peer, (host, port) in config.peer_addresses.items()} == {
        peer: load_config(place / peer).peers.listen for peer in ("n1", "n2", "n3", "n4")
    }


def test_a_home_of_a_newcomer_can_be_asked_how_it_is(place: Path) -> None:
    add(place, "n4")
    state = get_node_state(place / "n4")
    assert (state.validator, state.pid, state.problem) == ("n4", None, "not running")


@pytest.mark.parametrize(
    ("name", "code"),
    [("n2", "HOME_EXISTS"), ("keys", "HOME_EXISTS"), ("N 4", "VALIDATOR_ID_INVALID")],
)
def test_a_newcomer_needs_a_name_of_its_own(place: Path, name: str, code: str) -> None:
    before = everything(place)
    with pytest.raises(NodeError) as caught:
        create_newcomer(place, name, read_members(place).current[0].organisation)
    assert caught.value.code == code
    assert everything(place) == before
    assert not (place / "N 4").exists()


def test_a_network_has_a_largest_size(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev_membership, "NODES_COUNT_MAX", 3)
    before = everything(place)
    with pytest.raises(NodeError) as caught:
        create_newcomer(place, "n4", read_members(place).current[0].organisation)
    assert caught.value.code == "OPTION_INVALID"
    assert everything(place) == before


def test_half_a_home_is_not_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(home: Path, *_others: Any, **_tables: Any) -> None:
        home.mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(dev_membership, "create_node_home", fail)
    with pytest.raises(KeyboardInterrupt):
        create_newcomer(place, "n4", read_members(place).current[0].organisation)
    assert not (place / "n4").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoints": None},
        {"endpoints": [{"address": "x"}]},
        {"endpoints": [{"validator": 7}]},
        {"learners": [7]},
        {"learners": 7},
        {"removed": [{"validator": "n1"}]},
        {"removed": [{"validator": "n1", "height": "7"}]},
    ],
)
def test_a_file_that_says_nothing_of_members(place: Path, changes: dict[str, Any]) -> None:
    path = place / "network.json"
    document = json.loads(path.read_bytes()) | changes
    path.write_text(json.dumps(document))
    before = everything(place)
    with pytest.raises(NodeError) as caught:
        read_members(place)
    assert caught.value.code == "NETWORK_FILE"
    with pytest.raises(NodeError):
        note_removed(place, "n1", 7)
    assert everything(place) == before


def test_a_newcomer_without_its_record(place: Path) -> None:
    add(place, "n4")
    (place / "n4" / "validator.bin").unlink()
    with pytest.raises(NodeError) as caught:
        read_members(place)
    assert caught.value.code == "VALIDATOR_FILE"


def test_names_are_counted(place: Path) -> None:
    (place / "n4").mkdir()
    assert choose_name(place, read_members(place)) == "n5"
    assert dev_network.validator_id_of(10) == "n10"
