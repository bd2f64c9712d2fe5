# SPDX-License-Identifier: Apache-2.0
"""Which network is meant, and that only a pinned one is trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.model.genesis import encode_genesis
from ledger.model.verification import make_trust_root
from sdk.errors import CallerError, PsetError, TrustError
from sdk.fingerprint import fingerprint_words, format_fingerprint, parse_fingerprint
from sdk.home import Home, Profile
from sdk.networks import (
    Endpoint,
    add_network,
    list_networks,
    read_network,
    resolve_network,
    use_network,
    write_network,
)
from tests.support.ledger_world import make_genesis

GENESIS = make_genesis()
FINGERPRINT = GENESIS.genesis_hash.hex()
ENDPOINT = Endpoint("n1", "127.0.0.1:9700")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    write_network(directory, name="test", genesis=encode_genesis(GENESIS), endpoints=(ENDPOINT,))
    return directory


def edit(directory: Path, **changes: Any) -> None:
    path = directory / "network.json"
    document = json.loads(path.read_bytes()) | changes
    path.write_text(json.dumps(document))


def snapshot(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


# Reading -----------------------------------------------------------------------------------------


def test_a_network_directory_is_read_back(source: Path) -> None:
    network = read_network(source)
    assert (network.name, network.chain_id, network.fingerprint) == (
        "test",
        GENESIS.chain_id,
        FINGERPRINT,
    )
    assert network.endpoints == (ENDPOINT,)
    assert network.genesis == GENESIS
    assert network.trust_root == make_trust_root(GENESIS)
    assert network.tls_certificate("n1") == GENESIS.validators[0].tls_certificate
    assert not network.is_development
    assert len(network.words) == 8
    assert {path.stat().st_mode & 0o777 for path in source.iterdir()} == {0o600}


def test_a_network_with_keys_beside_it_is_for_development(source: Path) -> None:
    (source / "keys").mkdir()
    assert read_network(source).is_development


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "psetledger-network/2"},
        {"genesis_hash": "00"},
        {"genesis_hash": 7},
        {"chain_id": "test:0000000000000000"},
        {"name": "Two words"},
        {"name": None},
        {"endpoints": None},
        {"endpoints": [{"validator": "n9", "address": "127.0.0.1:1"}]},
        {"endpoints": [{"validator": "n1", "address": "127.0.0.1"}]},
        {"endpoints": [{"validator": "n1", "address": "127.0.0.1:0"}]},
        {"endpoints": [{"validator": "n1", "address": "127.0.0.1:65536"}]},
        {"endpoints": [{"validator": "n1", "address": "http://127.0.0.1:1"}]},
        {"endpoints": ["n1"]},
        # A certificate is for those who are not in the genesis, and is what base64 says.
        {"endpoints": [{"validator": "n1", "address": "[::1]:1", "tls_certificate": "AA=="}]},
        {"endpoints": [{"validator": "n9", "address": "[::1]:1", "tls_certificate": ""}]},
        {"endpoints": [{"validator": "n9", "address": "[::1]:1", "tls_certificate": "A"}]},
        {"endpoints": [{"validator": "n9", "address": "[::1]:1", "tls_certificate": 7}]},
        {"endpoints": [{"validator": "N 9", "address": "[::1]:1", "tls_certificate": "AA=="}]},
        {
            "endpoints": [
                {"validator": "n9", "address": "[::1]:1", "tls_certificate": "AAAA" * 1024}
            ]
        },
    ],
)
def test_a_damaged_network_file(source: Path, changes: dict[str, Any]) -> None:
    edit(source, **changes)
    with pytest.raises(CallerError) as caught:
        read_network(source)
    assert caught.value.code == "NETWORK_DAMAGED"
    assert caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"{" * 100_000, b" " * 70_000])
def test_a_network_file_that_is_none(source: Path, content: bytes) -> None:
    (source / "network.json").write_bytes(content)
    with pytest.raises(CallerError) as caught:
        read_network(source)
    assert caught.value.code == "NETWORK_DAMAGED"


def test_a_missing_genesis(source: Path) -> None:
    (source / "genesis.json").unlink()
    with pytest.raises(CallerError) as caught:
        read_network(source)
    assert caught.value.code == "NETWORK_DAMAGED"


def test_another_genesis_than_the_pinned_one(source: Path) -> None:
    other = encode_genesis(make_genesis(created=GENESIS.created + 1))
    for content in (other, encode_genesis(GENESIS) + b"\n", b""):
        (source / "genesis.json").write_bytes(content)
        with pytest.raises(TrustError) as caught:
            read_network(source)
        assert caught.value.code == "FINGERPRINT_MISMATCH"
        assert caught.value.evidence == source / "genesis.json"


def test_an_endpoint_of_no_validator_has_no_certificate(source: Path) -> None:
    with pytest.raises(CallerError) as caught:
        read_network(source).tls_certificate("n9")
    assert caught.value.code == "NETWORK_DAMAGED"


def test_a_validator_that_was_admitted_later_has_its_certificate_beside_its_address(
    tmp_path: Path, home: Home
) -> None:
    endpoints = (ENDPOINT, Endpoint("n9", "127.0.0.1:9709", b"certificate"))
    encoded = encode_genesis(GENESIS)
    write_network(tmp_path / "grown", name="test", genesis=encoded, endpoints=endpoints)
    network = read_network(tmp_path / "grown")
    assert network.endpoints == endpoints
    assert network.tls_certificate("n9") == b"certificate"
    assert network.tls_certificate("n1") == GENESIS.validators[0].tls_certificate
    held = add_network(tmp_path / "grown", fingerprint=FINGERPRINT, home=home)
    assert held.endpoints == endpoints


# Which one is meant ------------------------------------------------------------------------------


def test_what_is_meant_when_nothing_is_said(home: Home, source: Path) -> None:
    add_network(source, fingerprint=FINGERPRINT, home=home)
    add_network(source, fingerprint=FINGERPRINT, home=home, name="other")
    assert resolve_network("test", home, {}).name == "test"
    assert resolve_network(None, home, {"PSET_NETWORK": "other"}).name == "other"
    use_network("other", home)
    assert resolve_network(None, home, {}).name == "other"
    assert resolve_network(None, home, {"PSET_NETWORK": "test"}).name == "test"
    assert resolve_network(None, home, {"PSET_NETWORK": str(source)}).directory == source


def test_production_without_a_trust_root(home: Home) -> None:
    for network in (None, "za"):
        with pytest.raises(PsetError) as caught:
            resolve_network(network, home, {})
        assert caught.value.code == "NO_TRUST_ROOT"
        assert "pset network add" in caught.value.remedy


def test_a_bare_word_is_never_a_directory(
    home: Home, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory called `za` must never become the trust root of `za`."""
    monkeypatch.chdir(source.parent)
    source.rename(source.parent / "za")
    with pytest.raises(PsetError) as caught:
        resolve_network("za", home, {})
    assert caught.value.code == "NO_TRUST_ROOT"
    assert resolve_network("./za", home, {}).chain_id == GENESIS.chain_id
    assert resolve_network(Path("za"), home, {}).chain_id == GENESIS.chain_id


@pytest.mark.parametrize(
    ("network", "code"),
    [
        ("https://example.org/za.json", "NETWORK_URL"),
        ("file:///za", "NETWORK_URL"),
        ("nowhere", "NETWORK_UNKNOWN"),
        ("./nowhere", "NETWORK_UNKNOWN"),
        ("Two words", "NETWORK_NAME_INVALID"),
        ("..", "NETWORK_NAME_INVALID"),
        ("", "NETWORK_NAME_INVALID"),
    ],
)
def test_what_is_no_network(home: Home, network: str, code: str) -> None:
    with pytest.raises(CallerError) as caught:
        resolve_network(network, home, {})
    assert caught.value.code == code


def test_a_file_is_no_directory_of_networks(tmp_path: Path) -> None:
    """A mistaken path is the caller's, not damage: nothing says that anything was changed."""
    file = tmp_path / "file"
    file.write_bytes(b"\x00")
    with pytest.raises(CallerError) as caught:
        resolve_network(file, Home(tmp_path), {})
    assert caught.value.code == "NETWORK_UNKNOWN"
    assert Home(file).read_profile().network is None


# Adding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "network.json", "genesis.json"])
def test_add_compares_the_fingerprint_and_stores(home: Home, source: Path, name: str) -> None:
    spaced = " ".join(FINGERPRINT[n : n + 8].upper() for n in range(0, 64, 8))
    network = add_network(source / name, fingerprint=spaced, home=home)
    assert network.directory == home.networks / "test"
    assert snapshot(network.directory) == snapshot(source)
    assert [held.name for held in list_networks(home)] == ["test"]
    assert add_network(source, fingerprint=FINGERPRINT, home=home) == network


def test_a_wrong_fingerprint_stores_nothing(home: Home, source: Path) -> None:
    wrong = ("0" if FINGERPRINT[0] != "0" else "1") + FINGERPRINT[1:]
    with pytest.raises(TrustError) as caught:
        add_network(source, fingerprint=wrong, home=home)
    assert caught.value.code == "FINGERPRINT_MISMATCH"
    assert not home.directory.exists()


@pytest.mark.parametrize("fingerprint", ["", "xyz", FINGERPRINT[:-1], FINGERPRINT + "00"])
def test_what_is_no_fingerprint(home: Home, source: Path, fingerprint: str) -> None:
    with pytest.raises(CallerError) as caught:
        add_network(source, fingerprint=fingerprint, home=home)
    assert caught.value.code == "FINGERPRINT_INVALID"
    assert not home.directory.exists()


def test_another_network_of_the_same_name_is_kept(home: Home, source: Path, tmp_path: Path) -> None:
    add_network(source, fingerprint=FINGERPRINT, home=home)
    before = snapshot(home.directory)
    other = make_genesis(created=GENESIS.created + 1)
    write_network(
        tmp_path / "other", name="test", genesis=encode_genesis(other), endpoints=(ENDPOINT,)
    )
    fingerprint = other.genesis_hash.hex()
    with pytest.raises(CallerError) as caught:
        add_network(tmp_path / "other", fingerprint=fingerprint, home=home)
    assert caught.value.code == "NETWORK_EXISTS"
    assert snapshot(home.directory) == before
    add_network(tmp_path / "other", fingerprint=fingerprint, home=home, name="second")


def test_what_cannot_be_added(home: Home, source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (source / "other.json").write_text("{}")
    for path, name, code in [
        (tmp_path / "empty", None, "NETWORK_UNKNOWN"),
        (tmp_path / "missing", None, "NETWORK_UNKNOWN"),
        (source / "other.json", None, "NETWORK_UNKNOWN"),
        (source, "Two words", "NETWORK_NAME_INVALID"),
    ]:
        with pytest.raises(CallerError) as caught:
            add_network(path, fingerprint=FINGERPRINT, home=home, name=name)
        assert caught.value.code == code
    assert not home.directory.exists()


def test_use_needs_a_configured_network(home: Home) -> None:
    with pytest.raises(CallerError) as caught:
        use_network("nowhere", home)
    assert caught.value.code == "NETWORK_UNKNOWN"
    assert home.read_profile() == Profile()
    assert list_networks(home) == ()


# Home --------------------------------------------------------------------------------------------


def test_where_home_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.find(None, {}).directory == tmp_path / ".pset"
    assert Home.find(None, {"PSET_HOME": str(tmp_path / "x")}).directory == tmp_path / "x"
    given = Home.find(tmp_path / "y", {"PSET_HOME": str(tmp_path / "x")})
    assert given.directory == tmp_path / "y"
    monkeypatch.setenv("PSET_HOME", str(tmp_path / "z"))
    assert Home.find(None).directory == tmp_path / "z"


def test_the_profile(home: Home) -> None:
    assert home.read_profile() == Profile()
    home.write_profile(Profile("dev", "qcto"))
    assert home.read_profile() == Profile("dev", "qcto")
    path = home.directory / "profile.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert home.directory.stat().st_mode & 0o777 == 0o700
    path.write_text("{")
    with pytest.raises(CallerError) as caught:
        home.read_profile()
    assert caught.value.code == "PROFILE_DAMAGED"


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(CallerError) as caught:
        Home(blocked).write_profile(Profile("dev"))
    assert caught.value.code == "FILE_UNWRITABLE"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# Fingerprints ------------------------------------------------------------------------------------


def test_fingerprints_in_hexadecimal_and_in_words() -> None:
    value = bytes.fromhex("7f000001" + "00" * 27 + "ff")
    assert parse_fingerprint(format_fingerprint(value)) == value
    # 127.0.0.1 is the example of the proquint proposal: lusab-babad.
    assert fingerprint_words(value)[:2] == ("lusab", "babad")
    assert len(fingerprint_words(value)) == 8
    assert fingerprint_words(bytes([255] * 32)) == ("zuzuz",) * 8


def test_words_tell_the_first_half_apart() -> None:
    base = bytes(32)
    for bit in range(128):
        changed = (1 << (255 - bit)).to_bytes(32, "big")
        assert fingerprint_words(changed) != fingerprint_words(base)
