# SPDX-License-Identifier: Apache-2.0
"""A development network's directory: homes that know each other, endpoints, and nothing left of half one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.model.keys import KeyType
from ledger.node import dev_network
from ledger.node.config import load_config
from ledger.node.dev_network import (
    NODES_COUNT_MAX,
    create_network,
    read_genesis,
    validators_in_order,
)
from ledger.node.errors import NodeError
from ledger.node.keys import load_validator_keys
from ledger.node.setup import create_node_home


def test_every_validator_knows_where_all_others_listen(tmp_path: Path) -> None:
    place = tmp_path / "net"
    genesis = create_network(place, nodes=4, storage="memory", fault_model="byzantine")
    configs = {held.id: load_config(place / held.id) for held in genesis.validators}
    assert sorted(configs) == ["n1", "n2", "n3", "n4"]
    for validator_id, config in configs.items():
        assert config.peer_addresses == {
            other: held.peer_listen_address
            for other, held in configs.items()
            if other != validator_id
        }
        assert config.testing.isolation
        assert config.storage.engine == "memory"
    listening = [
        address
        for config in configs.values()
        for address in (config.listen_address, config.peer_listen_address)
    ]
    assert len(set(listening)) == 8
    assert {host for host, _ in listening} == {"127.0.0.1"}
    document = json.loads((place / "network.json").read_text())
    assert document["endpoints"] == [
        {"validator": name, "address": config.api.listen} for name, config in configs.items()
    ]
    assert read_genesis(place) == genesis
    assert genesis.fault_model == "byzantine"
    organisations = [held.organisation for held in validators_in_order(genesis)]
    assert len(set(organisations)) == 4


def test_of_many_each_has_an_organisation_and_they_are_counted_as_people_do(tmp_path: Path) -> None:
    genesis = create_network(
        tmp_path / "net", nodes=NODES_COUNT_MAX, storage="memory", certificate_scheme="ed25519"
    )
    ordered = validators_in_order(genesis)
    assert [held.id for held in ordered] == [f"n{n}" for n in range(1, NODES_COUNT_MAX + 1)]
    assert ordered[0].organisation == ordered[4].organisation != ordered[1].organisation
    assert len({held.vote_key for held in ordered}) == NODES_COUNT_MAX


@pytest.mark.parametrize(
    ("scheme", "key_type"), [("bls12381", KeyType.BLS12381), ("ed25519", KeyType.ED25519)]
)
def test_vote_keys_are_of_the_certificate_scheme(
    tmp_path: Path, scheme: str, key_type: KeyType
) -> None:
    place = tmp_path / "net"
    genesis = create_network(place, nodes=2, storage="memory", certificate_scheme=scheme)
    assert genesis.certificate_scheme == scheme
    for held in genesis.validators:
        keys = load_validator_keys(place / held.id)
        assert keys.vote.key_type is held.vote_key_type is key_type
        assert keys.vote.public_key == held.vote_key


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nodes": 0}, "no 0 validators"),
        ({"nodes": NODES_COUNT_MAX + 1}, "no 26 validators"),
        ({"certificate_scheme": "rsa"}, "'rsa' is no certificate scheme"),
        ({"fault_model": "none"}, "'none' is no fault model"),
    ],
)
def test_wrong_options_make_nothing(tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(NodeError) as caught:
        create_network(tmp_path / "net", **options)  # type: ignore[arg-type]
    assert caught.value.code == "OPTION_INVALID"
    assert words in caught.value.text
    assert not (tmp_path / "net").exists()


def test_half_a_network_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_at_third(home: Path, *arguments: object, **options: object) -> object:
        if home.name == "n3":
            home.mkdir()
            raise OSError("no space is left")
        return create_node_home(home, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(dev_network, "create_node_home", fail_at_third)
    place = tmp_path / "net"
    place.mkdir()
    with pytest.raises(OSError, match="no space"):
        create_network(place, nodes=4, storage="memory")
    assert list(place.iterdir()) == []


def test_ports_that_are_taken_are_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_network, "PORTS", range(20_000, 20_003))
    with pytest.raises(NodeError) as caught:
        create_network(tmp_path / "net", nodes=2, storage="memory")
    assert caught.value.code == "NO_FREE_PORT"
    assert not (tmp_path / "net").exists()
