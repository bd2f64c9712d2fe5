# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ledger.model.keyfile import decode_key_file, encode_key_file
from ledger.model.keys import KeyRole, KeyType
from ledger.node.errors import NodeError
from ledger.node.keys import (
    consume_vote_key_fresh,
    create_validator_keys,
    is_vote_key_fresh,
    load_validator_keys,
    write_new_file,
)


def test_keys_are_made_once_and_read_again(tmp_path: Path) -> None:
    made = create_validator_keys(tmp_path)
    assert load_validator_keys(tmp_path) == made
    assert made.vote.key_type is KeyType.BLS12381
    assert made.peer.key_type is KeyType.ED25519
    assert made.tls.key_type is KeyType.P256
    assert create_validator_keys(tmp_path / "other").vote.secret != made.vote.secret
    for path in (tmp_path / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        before = path.read_bytes()
        with pytest.raises(NodeError) as caught:
            create_validator_keys(tmp_path)
        assert caught.value.code == "KEY_EXISTS"
        assert path.read_bytes() == before
    names = sorted(path.name for path in (tmp_path / "keys").iterdir())
    assert names == ["peer.key", "tls.key", "vote.fresh", "vote.key"], "no temporary file stays"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    create_validator_keys(tmp_path)
    path = tmp_path / "keys" / "vote.key"
    path.chmod(mode)
    with pytest.raises(NodeError) as caught:
        load_validator_keys(tmp_path)
    assert caught.value.code == "KEY_FILE_PERMISSIONS"
    assert "chmod 600" in caught.value.remedy
    assert path.stat().st_mode & 0o777 == mode, "nothing is mended silently"


def test_missing_damaged_and_exchanged_keys_are_told_apart(tmp_path: Path) -> None:
    create_validator_keys(tmp_path)
    vote, peer = tmp_path / "keys" / "vote.key", tmp_path / "keys" / "peer.key"
    good = vote.read_bytes()

    def code() -> str:
        with pytest.raises(NodeError) as caught:
            load_validator_keys(tmp_path)
        return caught.value.code

    vote.write_bytes(peer.read_bytes())
    assert code() == "KEY_ROLE_WRONG"
    vote.write_bytes(b"{}")
    assert code() == "KEY_FILE_MALFORMED"
    vote.write_bytes(b"x" * 100_000)
    assert code() == "KEY_FILE_MALFORMED"
    vote.unlink()
    assert code() == "KEY_NOT_FOUND"
    vote.mkdir(mode=0o700)
    assert code() in {"KEY_FILE_PERMISSIONS", "KEY_FILE_UNREADABLE"}
    vote.rmdir()
    os.mkfifo(vote, 0o600)
    assert code() == "KEY_FILE_PERMISSIONS"
    vote.unlink()
    write_new_file(vote, good)
    load_validator_keys(tmp_path)


def test_an_encrypted_key_needs_its_passphrase(tmp_path: Path) -> None:
    create_validator_keys(tmp_path)
    path = tmp_path / "keys" / "peer.key"
    key = decode_key_file(path.read_bytes(), None)
    path.unlink()
    sealed = encode_key_file(key, b"sample passphrase", bytes(16), bytes(12), scrypt_n=1 << 14)
    write_new_file(path, sealed)
    with pytest.raises(NodeError) as caught:
        load_validator_keys(tmp_path)
    assert caught.value.code == "PASSPHRASE_NEEDED"
    loaded = load_validator_keys(tmp_path, lambda: b"sample passphrase")
    assert loaded.peer == key
    assert loaded.peer.role is KeyRole.PEER


def test_no_file_is_written_over_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_new_file(path, b"first")
    with pytest.raises(FileExistsError):
        write_new_file(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_vote_key_is_fresh_once(tmp_path: Path) -> None:
    keys = create_validator_keys(tmp_path)
    own = keys.vote.public_key
    assert is_vote_key_fresh(tmp_path, own)
    assert not is_vote_key_fresh(tmp_path, bytes(48)), "the file names the key"
    consume_vote_key_fresh(tmp_path)
    consume_vote_key_fresh(tmp_path)
    assert not is_vote_key_fresh(tmp_path, own)
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [
        "peer.key",
        "tls.key",
        "vote.key",
    ]


def test_the_scheme_says_of_which_type_the_vote_key_is(tmp_path: Path) -> None:
    made = create_validator_keys(tmp_path, "ed25519")
    assert (made.vote.key_type, made.vote.role) == (KeyType.ED25519, KeyRole.VOTE)
    assert made.vote.public_key != made.peer.public_key
    assert load_validator_keys(tmp_path, certificate_scheme="ed25519") == made
    assert load_validator_keys(tmp_path) == made
    assert is_vote_key_fresh(tmp_path, made.vote.public_key)


@pytest.mark.parametrize(("made", "network"), [("ed25519", "bls12381"), ("bls12381", "ed25519")])
def test_a_vote_key_of_another_scheme_is_refused(tmp_path: Path, made: str, network: str) -> None:
    create_validator_keys(tmp_path, made)
    before = {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    with pytest.raises(NodeError) as caught:
        load_validator_keys(tmp_path, certificate_scheme=network)
    assert caught.value.code == "KEY_SCHEME_WRONG"
    assert "vote.key holds a " in caught.value.text
    assert {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == before


def test_an_unknown_scheme_makes_no_keys(tmp_path: Path) -> None:
    with pytest.raises(NodeError) as caught:
        create_validator_keys(tmp_path, "rsa")
    assert caught.value.code == "SCHEME_UNKNOWN"
    assert "bls12381, ed25519" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
