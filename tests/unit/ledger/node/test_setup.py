# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ledger.model import bls
from ledger.model.genesis import decode_genesis, encode_genesis
from ledger.model.keys import KeyType
from ledger.model.tls_certificate import check_tls_certificate
from ledger.node.config import ApiOptions, load_config
from ledger.node.errors import NodeError
from ledger.node.keys import load_validator_keys
from ledger.node.setup import create_node_home
from tests.support.ledger_world import make_genesis


def test_a_home_is_what_its_record_says(tmp_path: Path) -> None:
    home = tmp_path / "n1"
    record = create_node_home(
        home, "n1", organisation="did:pset:dev:x", api=ApiOptions(listen="127.0.0.1:9999")
    )
    keys = load_validator_keys(home)
    assert (record.id, record.organisation) == ("n1", "did:pset:dev:x")
    assert (record.vote_key, record.peer_key) == (keys.vote.public_key, keys.peer.public_key)
    assert record.vote_key_type is KeyType.BLS12381
    assert bls.verify_possession(record.vote_key, record.vote_possession)
    check_tls_certificate(record.tls_certificate)
    config = load_config(home)
    assert (config.node.id, config.api.listen) == ("n1", "127.0.0.1:9999")
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "config.toml").stat().st_mode & 0o777 == 0o600


def test_a_home_is_made_once(tmp_path: Path) -> None:
    create_node_home(tmp_path / "n1", "n1", organisation="did:pset:dev:x")
    before = {p: p.read_bytes() for p in (tmp_path / "n1").rglob("*") if p.is_file()}
    with pytest.raises(NodeError) as caught:
        create_node_home(tmp_path / "n1", "n1", organisation="did:pset:dev:x")
    assert caught.value.code == "HOME_EXISTS"
    (tmp_path / "n1" / "config.toml").unlink()
    with pytest.raises(NodeError) as caught:
        create_node_home(tmp_path / "n1", "n1", organisation="did:pset:dev:x")
    assert caught.value.code == "KEY_EXISTS"
    for path, content in before.items():
        assert path.name == "config.toml" or path.read_bytes() == content


@pytest.mark.parametrize("name", ["", "N1", "n 1", "../n1", "n" * 33])
def test_a_wrong_id_makes_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(NodeError) as caught:
        create_node_home(tmp_path / "n1", name, organisation="did:pset:dev:x")
    assert caught.value.code == "VALIDATOR_ID_INVALID"
    assert not (tmp_path / "n1").exists()


def test_a_home_under_ed25519_has_a_record_that_genesis_takes(tmp_path: Path) -> None:
    base = make_genesis()
    did = base.validators[0].organisation
    record = create_node_home(tmp_path / "n1", "n1", organisation=did, certificate_scheme="ed25519")
    assert record.vote_key_type is KeyType.ED25519
    assert record.vote_possession == b""
    genesis = dataclasses.replace(base, certificate_scheme="ed25519", validators=(record,))
    assert decode_genesis(encode_genesis(genesis)) == genesis
    keys = load_validator_keys(tmp_path / "n1", certificate_scheme="ed25519")
    assert record.vote_key == keys.vote.public_key


def test_an_unknown_scheme_makes_no_home(tmp_path: Path) -> None:
    with pytest.raises(NodeError) as caught:
        create_node_home(
            tmp_path / "n1", "n1", organisation="did:pset:dev:x", certificate_scheme="x"
        )
    assert caught.value.code == "SCHEME_UNKNOWN"
    assert not (tmp_path / "n1").exists()
