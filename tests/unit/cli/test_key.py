# SPDX-License-Identifier: Apache-2.0
"""`pset key`: made once, listed without secrets, never written over."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support.pset_runs import Run, run


def pset(*arguments: str) -> Run:
    return run(*arguments, "--as", "ekt", "-o", "json")


def test_make_list_and_show(tmp_path: Path) -> None:
    made = pset("key", "generate", "ledger", "--role", "ledger")
    assert made.exit == 0
    assert (made.data["role"], made.data["type"]) == ("ledger", "ed25519")
    file = tmp_path / "home" / "keys" / "ekt" / "ledger.key"
    assert made.data["file"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert pset("key", "list").data["keys"] == [made.data]
    shown = pset("key", "show", "ledger").data
    assert shown == made.data
    assert shown["public_key"].startswith("z6Mk")
    assert shown["recipient"] is None


def test_a_vote_key_is_a_bls_key_and_the_type_can_be_chosen() -> None:
    assert pset("key", "generate", "vote", "--role", "vote").data["type"] == "bls"
    chosen = pset("key", "generate", "admin", "--role", "admin", "--type", "p256")
    assert chosen.data["type"] == "p256"


def test_people_are_told_where_it_lies() -> None:
    words = run("key", "generate", "admin", "--role", "admin", "--as", "ekt").stdout
    assert words.startswith("made      admin key admin\n")
    assert "keys/ekt/admin.key (not encrypted)" in words
    assert "admin" in run("key", "list", "--as", "ekt").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("generate", "taken", "--role", "ledger"), "KEY_EXISTS", 2),
        (("generate", "../x", "--role", "ledger"), "KEY_NAME_INVALID", 2),
        (("generate", "x", "--role", "admin", "--type", "bls"), "KEY_TYPE_NOT_FOR_ROLE", 2),
        (("generate", "x", "--role", "admin", "--signer", "pkcs11:a"), "PKCS11_UNAVAILABLE", 4),
        (("generate", "x", "--role", "admin", "--signer", "file:a"), "KEY_URI_UNKNOWN", 2),
        (("generate", "x"), "USAGE", 2),
        (("generate", "x", "--role", "clerk"), "USAGE", 2),
        (("show", "nothing"), "KEY_NOT_FOUND", 2),
    ],
)
def test_refusals_change_nothing(
    tmp_path: Path, arguments: tuple[str, ...], code: str, exit_code: int
) -> None:
    pset("key", "generate", "taken", "--role", "ledger")
    directory = tmp_path / "home" / "keys" / "ekt"
    before = {path: path.read_bytes() for path in directory.iterdir()}
    ended = pset("key", *arguments)
    assert (ended.exit, ended.error["code"], ended.stdout) == (exit_code, code, "")
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


def test_no_organisation_no_key(tmp_path: Path) -> None:
    ended = run("key", "generate", "x", "--role", "admin", "-o", "json")
    assert (ended.exit, ended.error["code"]) == (2, "NO_ORGANISATION")
    assert not (tmp_path / "home").exists()


def test_a_passphrase_file_encrypts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.write_text("open sesame\n")
    file.chmod(0o600)
    monkeypatch.setenv("PSET_PASSPHRASE_FILE", str(file))
    made = pset("key", "generate", "ledger", "--role", "ledger").data
    assert made["encrypted"] is True
    assert b"open sesame" not in Path(made["file"]).read_bytes()
    assert os.fspath(file) not in str(made)
