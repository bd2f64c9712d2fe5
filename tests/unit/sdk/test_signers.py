# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ledger.model.keyfile import (
    KEY_FILE_SIZE_MAX,
    SCRYPT_N_MIN,
    PrivateKey,
    decode_key_file,
    generate_private_key,
)
from ledger.model.keys import KeyRole, KeyType, verify_signature
from ledger.model.multibase import encode_base64url_nopad
from sdk import signers
from sdk.errors import CallerError, KeyAccessError, PsetError
from sdk.signers import KeyStore, LocalSigner, Signer, get_key_type, signer

MESSAGE = b"a message"
PASSPHRASE = "größer als"

posix_only = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX file systems")


def give() -> str:
    return PASSPHRASE


def never() -> str:
    raise AssertionError("nobody should be asked")


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "home" / "keys", scrypt_n=SCRYPT_N_MIN)


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a directory with its bytes and mode: to show that nothing changed."""
    return {
        str(path.relative_to(directory)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mode,
        )
        for path in directory.rglob("*")
    }


def refusal(
    expected: type[PsetError], directory: Path, call: Callable[..., object], *arguments: object
) -> str:
    before = contents(directory)
    with pytest.raises(expected) as caught:
        call(*arguments)
    assert contents(directory) == before
    assert caught.value.remedy
    assert PASSPHRASE not in f"{caught.value!r} {caught.value} {caught.value.remedy}"
    return caught.value.code


# Signing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "key_type"),
    [
        (KeyRole.ISSUE, KeyType.ED25519),
        (KeyRole.LEDGER, KeyType.P256),
        (KeyRole.VOTE, KeyType.BLS12381),
    ],
)
@pytest.mark.parametrize("passphrase", [None, give], ids=["plain", "sealed"])
def test_a_generated_key_signs(
    store: KeyStore,
    role: KeyRole,
    key_type: KeyType,
    passphrase: Callable[[], str] | None,
) -> None:
    stored = store.generate("first", role, key_type, passphrase)
    assert (stored.name, stored.key_id, stored.role) == ("first", "first", role)
    assert stored.encrypted is (passphrase is not None)
    found: Signer = store.load("first", passphrase or never)
    assert (found.key_id, found.algorithm) == ("first", key_type.label)
    assert found.public_key == stored.public_key
    assert get_key_type(found) is key_type
    assert verify_signature(key_type, found.public_key, MESSAGE, found.sign(MESSAGE))


def test_keys_are_random(store: KeyStore) -> None:
    for number in range(4):
        store.generate(f"k{number}", KeyRole.ISSUE, KeyType.ED25519, give)
    public_keys = {stored.public_key for stored in store.list()}
    assert len(public_keys) == 4
    files = [stored.path.read_text("ascii") for stored in store.list()]
    for member in ('"salt"', '"nonce"', '"data"'):
        lines = {line for text in files for line in text.splitlines() if member in line}
        assert len(lines) == 4


def test_a_signer_is_found_by_path_and_by_uri(store: KeyStore) -> None:
    path = store.generate("first", KeyRole.ISSUE, KeyType.ED25519).path
    for uri in (path, str(path), f"file:{path}"):
        assert signer(uri).sign(MESSAGE) == store.load("first").sign(MESSAGE)


def test_a_path_is_never_taken_for_a_uri(tmp_path: Path) -> None:
    key = generate_private_key(KeyType.ED25519, KeyRole.ISSUE, "first", "first", bytes(32))
    stored = KeyStore(tmp_path / "pkcs11:dir").add(key)
    assert signer(stored.path).public_key == key.public_key


@pytest.mark.parametrize("uri", ["pkcs11:object=ledger", "pkcs11:"])
def test_a_hardware_module_is_not_there_yet_and_says_so(tmp_path: Path, uri: str) -> None:
    assert refusal(KeyAccessError, tmp_path, signer, uri) == "PKCS11_UNAVAILABLE"


@pytest.mark.parametrize("uri", ["https://example.org/key", "env:KEY", "PKCS11:x", "kms:key"])
def test_an_unknown_scheme_is_refused(tmp_path: Path, uri: str) -> None:
    assert refusal(CallerError, tmp_path, signer, uri) == "KEY_URI_UNKNOWN"


def test_the_passphrase_may_be_typed_on_any_keyboard(store: KeyStore) -> None:
    store.generate("first", KeyRole.ISSUE, KeyType.ED25519, lambda: "gr\u00f6\u00dfer")
    store.load("first", lambda: "gro\u0308\u00dfer")


def test_the_passphrase_is_needed_and_must_be_right(store: KeyStore) -> None:
    path = store.generate("first", KeyRole.ISSUE, KeyType.ED25519, give).path
    directory = store.directory
    assert refusal(KeyAccessError, directory, store.load, "first") == "PASSPHRASE_NEEDED"
    assert refusal(KeyAccessError, directory, signer, path) == "PASSPHRASE_NEEDED"

    def wrong() -> str:
        return "wrong"

    assert refusal(KeyAccessError, directory, store.load, "first", wrong) == "PASSPHRASE_WRONG"
    for unusable in ("", "x" * 1025, "\ud800"):
        code = refusal(CallerError, directory, store.load, "first", unusable.__str__)
        assert code == "PASSPHRASE_UNUSABLE"


def test_neither_signer_nor_store_shows_a_secret(store: KeyStore) -> None:
    key = generate_private_key(KeyType.ED25519, KeyRole.ISSUE, "first", "first", b"\x5a" * 32)
    stored = store.add(key)
    shown = f"{LocalSigner(key)!r} {store!r} {stored!r} {store.load('first')}"
    assert "first" in shown
    for form in ("5a5a", "ZZZZ", encode_base64url_nopad(key.secret)):
        assert form not in shown


# The directory -----------------------------------------------------------------------------------


@posix_only
def test_files_are_for_their_owner_alone(store: KeyStore) -> None:
    previous = os.umask(0)
    try:
        path = store.generate("first", KeyRole.ISSUE, KeyType.ED25519).path
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path == store.path("first")
    assert [each.name for each in path.parent.iterdir()] == ["first.key"]  # no temporary file


@posix_only
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o602, 0o644, 0o666])
def test_a_file_that_others_can_use_is_refused(store: KeyStore, mode: int) -> None:
    path = store.generate("first", KeyRole.ISSUE, KeyType.ED25519).path
    path.chmod(mode)
    directory = store.directory
    assert refusal(KeyAccessError, directory, signer, path) == "KEY_FILE_PERMISSIONS"
    assert refusal(KeyAccessError, directory, store.load, "first") == "KEY_FILE_PERMISSIONS"
    assert refusal(KeyAccessError, directory, store.list) == "KEY_FILE_PERMISSIONS"
    with pytest.raises(KeyAccessError, match="others may read") as caught:
        signer(path)
    assert f"chmod 600 {path}" in caught.value.remedy
    path.chmod(0o600)
    assert signer(path).key_id == "first"
    path.chmod(0o400)
    assert signer(path).key_id == "first"


@posix_only
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_directory_in_which_others_write_is_refused(store: KeyStore, mode: int) -> None:
    store.directory.mkdir(parents=True)
    store.directory.chmod(mode)
    code = refusal(
        KeyAccessError,
        store.directory,
        store.generate,
        "first",
        KeyRole.ISSUE,
        KeyType.ED25519,
        never,
    )
    assert code == "KEY_STORE_PERMISSIONS"
    store.directory.chmod(0o755)
    store.generate("first", KeyRole.ISSUE, KeyType.ED25519)


def test_a_key_is_never_written_over(store: KeyStore) -> None:
    store.generate("first", KeyRole.ISSUE, KeyType.ED25519)
    again = (store.generate, "first", KeyRole.ADMIN, KeyType.P256, never)
    assert refusal(CallerError, store.directory, *again) == "KEY_EXISTS"


def test_a_key_that_another_process_made_meanwhile_is_not_written_over(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.generate("first", KeyRole.ISSUE, KeyType.ED25519)

    # As if the file had appeared after the look at the directory.
    def unaware(*_: object) -> None: ...

    monkeypatch.setattr(KeyStore, "_check_room_for", unaware)
    again = (store.generate, "first", KeyRole.ISSUE, KeyType.ED25519)
    assert refusal(CallerError, store.directory, *again) == "KEY_EXISTS"
    assert store.load("first").public_key == first.public_key


def test_a_write_that_fails_leaves_nothing(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.generate("first", KeyRole.ISSUE, KeyType.ED25519)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("fsync", "link"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, fail)
            again = (store.generate, "second", KeyRole.ISSUE, KeyType.ED25519)
            assert refusal(KeyAccessError, store.directory, *again) == "KEY_STORE_UNWRITABLE"


def test_the_file_is_on_disk_before_it_has_its_name(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, link = os.fsync, os.link

    def recorded_sync(descriptor: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def recorded_link(source: Path, target: Path) -> None:
        steps.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", recorded_sync)
    monkeypatch.setattr(os, "link", recorded_link)
    store.generate("first", KeyRole.ISSUE, KeyType.ED25519)
    assert steps == ["file", "link", "directory"]


def test_a_store_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    place = tmp_path / "keys"
    place.write_bytes(b"")
    call = (KeyStore(place).generate, "first", KeyRole.ISSUE, KeyType.ED25519)
    assert refusal(KeyAccessError, tmp_path, *call) == "KEY_STORE_UNWRITABLE"


@pytest.mark.parametrize("name", ["", "..", "../first", "a/b", "First", ".hidden"])
def test_a_name_never_leads_out_of_the_directory(store: KeyStore, name: str) -> None:
    store.generate("first", KeyRole.ISSUE, KeyType.ED25519)
    home = store.directory.parent
    make = (store.generate, name, KeyRole.ISSUE, KeyType.ED25519, never)
    assert refusal(CallerError, home, *make) == "KEY_NAME_INVALID"
    for call in (store.path, store.load):
        assert refusal(CallerError, home, call, name) == "KEY_NAME_INVALID"


def test_a_type_that_cannot_serve_the_role_is_refused(store: KeyStore, tmp_path: Path) -> None:
    call = (store.generate, "first", KeyRole.ISSUE, KeyType.BLS12381, never)
    assert refusal(CallerError, tmp_path, *call) == "KEY_TYPE_NOT_FOR_ROLE"


def test_a_full_store_takes_no_more(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signers, "KEY_STORE_COUNT_MAX", 2)
    for name in ("a", "b"):
        store.generate(name, KeyRole.ISSUE, KeyType.ED25519)
    call = (store.generate, "c", KeyRole.ISSUE, KeyType.ED25519, never)
    assert refusal(CallerError, store.directory, *call) == "KEY_STORE_FULL"


def test_the_list_asks_for_no_passphrase_and_is_sorted(store: KeyStore) -> None:
    assert store.list() == ()
    store.generate("b", KeyRole.ISSUE, KeyType.ED25519, give)
    store.generate("a", KeyRole.VOTE, KeyType.BLS12381)
    (store.directory / "notes.txt").write_bytes(b"not a key")
    (store.directory / ".a.key").write_bytes(b"left by an editor")
    listed = store.list()
    assert [stored.name for stored in listed] == ["a", "b"]
    assert [stored.encrypted for stored in listed] == [False, True]
    assert listed[0].role is KeyRole.VOTE
    assert listed[1].path == store.path("b")


# Files -------------------------------------------------------------------------------------------


def test_a_missing_key_is_named(store: KeyStore, tmp_path: Path) -> None:
    assert refusal(KeyAccessError, tmp_path, store.load, "first") == "KEY_NOT_FOUND"
    assert refusal(KeyAccessError, tmp_path, signer, tmp_path / "x.key") == "KEY_NOT_FOUND"


def test_a_damaged_file_is_refused(store: KeyStore) -> None:
    path = store.generate("first", KeyRole.ISSUE, KeyType.ED25519).path
    whole = path.read_bytes()
    for data in (b"", whole[:-10], b"x" * KEY_FILE_SIZE_MAX * 2):
        path.write_bytes(data)
        for call in (partial(signer, path), partial(store.load, "first"), store.list):
            assert refusal(KeyAccessError, store.directory, call) == "KEY_FILE_MALFORMED"


def test_a_file_under_another_name_is_refused(store: KeyStore) -> None:
    path = store.generate("first", KeyRole.ISSUE, KeyType.ED25519).path
    path.rename(store.path("second"))
    directory = store.directory
    assert refusal(KeyAccessError, directory, store.load, "second") == "KEY_NAME_MISMATCH"
    assert refusal(KeyAccessError, directory, store.list) == "KEY_NAME_MISMATCH"


def test_a_directory_is_no_key(tmp_path: Path) -> None:
    assert refusal(KeyAccessError, tmp_path, signer, tmp_path) == "KEY_FILE_UNREADABLE"


@posix_only
def test_a_pipe_is_no_key_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "first.key", 0o600)
    with pytest.raises(KeyAccessError) as caught:
        signer(tmp_path / "first.key")
    assert caught.value.code == "KEY_FILE_UNREADABLE"


def test_a_file_of_somebody_else_is_refused(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.generate("first", KeyRole.ISSUE, KeyType.ED25519).path

    def refuse(*_: object) -> int:  # root, as which tests may run, could read it
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(KeyAccessError, store.directory, signer, path) == "KEY_FILE_UNREADABLE"


def test_a_key_made_elsewhere_is_stored_as_it_is(store: KeyStore) -> None:
    key = PrivateKey("first", KeyRole.PEER, KeyType.ED25519, "peer-1", b"\x03" * 32)
    stored = store.add(key, give)
    assert (stored.name, stored.key_id) == ("first", "peer-1")
    assert decode_key_file(stored.path.read_bytes(), PASSPHRASE.encode) == key


def test_a_signer_of_an_unknown_algorithm_is_refused(tmp_path: Path) -> None:
    class Foreign:
        key_id = "foreign"
        algorithm = "RS256"
        public_key = b""

        def sign(self, message: bytes) -> bytes:
            return message

    assert refusal(CallerError, tmp_path, get_key_type, Foreign()) == "KEY_TYPE_UNKNOWN"
