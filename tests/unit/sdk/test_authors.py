# SPDX-License-Identifier: Apache-2.0
"""Which key an organisation submits with when none is given."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.model import operations as model
from ledger.model.keyfile import SCRYPT_N_MIN
from ledger.model.keys import KeyRole, KeyType
from ledger.model.private_key import generate_private_key
from sdk.errors import KeyAccessError
from sdk.operations import AddSite
from sdk.results import Receipt
from sdk.signers import KeyStore
from tests.support.certified_world import CertifiedWorld, make_client, make_network
from tests.support.ledger_world import TestKey


@pytest.fixture
def world() -> CertifiedWorld:
    return CertifiedWorld()


def put(
    directory: Path,
    key: TestKey,
    *,
    name: str = "ledger",
    passphrase: Callable[[], str] | None = None,
) -> None:
    """One of the world's keys as a key file."""
    private = generate_private_key(KeyType.ED25519, key.role, name, name, bytes(key.secret))
    assert private.public_key == key.public_key
    KeyStore(directory, scrypt_n=SCRYPT_N_MIN).add(private, passphrase)


def submit(world: CertifiedWorld, tmp_path: Path, org: str = "qcto") -> Receipt:
    client = make_client(world, tmp_path, org=org, signer=None)
    return asyncio.run(client.submit(AddSite(world.did("qcto"), "1", "Sample site", "GP")))


def test_the_key_beside_a_development_network(world: CertifiedWorld, tmp_path: Path) -> None:
    network = make_network(world, tmp_path)
    put(network.key_directory / "qcto", world.organisations["qcto"].keys["ledger"])
    assert submit(world, tmp_path).applied


@pytest.mark.parametrize("org", ["qcto", "did"])
def test_the_key_under_home(world: CertifiedWorld, tmp_path: Path, org: str) -> None:
    """The directory is named after the vouched short name, whatever the caller calls it."""
    put(tmp_path / "home" / "keys" / "qcto", world.organisations["qcto"].keys["ledger"])
    assert submit(world, tmp_path, world.did("qcto") if org == "did" else org).applied


def test_of_several_the_one_that_the_ledger_knows_as_valid(
    world: CertifiedWorld, tmp_path: Path
) -> None:
    organisation = world.organisations["qcto"]
    new = organisation.new_key("ledger-2", KeyRole.LEDGER)
    version = world.did_record("qcto").version
    world.apply("qcto", model.RotateKey(world.did("qcto"), version, "ledger", new), keys=("admin",))
    directory = tmp_path / "home" / "keys" / "qcto"
    put(directory, organisation.keys["ledger"], name="a-retired")
    put(directory, replace(organisation.keys["issue"], role=KeyRole.LEDGER), name="b-issue")
    put(directory, organisation.keys["ledger-2"], name="c-present")
    assert submit(world, tmp_path).applied


def test_a_stored_key_that_is_not_valid_is_not_used(world: CertifiedWorld, tmp_path: Path) -> None:
    put(tmp_path / "home" / "keys" / "qcto", world.organisations["saqa"].keys["ledger"])
    before = world.snapshot()
    with pytest.raises(KeyAccessError) as caught:
        submit(world, tmp_path)
    assert caught.value.code == "KEY_ROLE_NOT_HELD"
    assert str(tmp_path / "home" / "keys" / "qcto") in str(caught.value)
    assert world.snapshot() == before


def test_an_encrypted_key_takes_its_passphrase_from_the_file_named_for_it(
    world: CertifiedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = world.organisations["qcto"].keys["ledger"]
    put(tmp_path / "home" / "keys" / "qcto", key, passphrase=lambda: "open sesame")
    monkeypatch.delenv("PSET_PASSPHRASE_FILE", raising=False)
    with pytest.raises(KeyAccessError):
        submit(world, tmp_path)
    (tmp_path / "passphrase").write_text("open sesame\n")
    monkeypatch.setenv("PSET_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    (tmp_path / "passphrase").chmod(0o600)
    assert submit(world, tmp_path).applied
