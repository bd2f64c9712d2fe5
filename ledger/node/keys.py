# SPDX-License-Identifier: Apache-2.0
"""The validator's own keys in its home: `keys/vote.key`, `keys/peer.key`, `keys/tls.key`.

Rules of this file:
- A key file that others can read is refused; nothing is mended silently.
- A key file is written once, whole, mode 0600, and never over another.
- `keys/vote.fresh` is written with a new vote key, names it, and is gone before its first vote. Only
  where it is may a vote record be begun: a key without record and without it has forgotten what it
  promised, or was restored, and never votes again (R7). Backups hold `*.key`, never this file.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.model.genesis import CERTIFICATE_SCHEMES
from ledger.model.keyfile import (
    KEY_FILE_SIZE_MAX,
    SECRET_SIZE,
    KeyFileError,
    PrivateKey,
    decode_key_file,
    encode_key_file,
    generate_private_key,
)
from ledger.model.keys import KeyRole, KeyType
from ledger.node.errors import NodeError, usage_error

KEYS_DIRECTORY: Final = "keys"
VOTE_FRESH_FILE: Final = "vote.fresh"

_ROLES: Final = {KeyRole.VOTE: "vote", KeyRole.PEER: "peer", KeyRole.TLS: "tls"}
_TYPES: Final = {KeyRole.PEER: KeyType.ED25519, KeyRole.TLS: KeyType.P256}
"""What the network's certificate scheme does not say."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class ValidatorKeys:
    """What a validator signs with."""

    vote: PrivateKey
    peer: PrivateKey
    tls: PrivateKey


def get_vote_key_type(certificate_scheme: str) -> KeyType:
    """The type of the keys that vote under a scheme. Raises NodeError (SCHEME_UNKNOWN)."""
    try:
        return CERTIFICATE_SCHEMES[certificate_scheme]
    except KeyError:
        raise usage_error(
            "SCHEME_UNKNOWN",
            f"{certificate_scheme!r} is no certificate scheme",
            f"Use one of {', '.join(CERTIFICATE_SCHEMES)}.",
        ) from None


def create_validator_keys(home: Path, certificate_scheme: str = "bls12381") -> ValidatorKeys:
    """Generate a validator's keys and write them; the scheme says of which type the vote key is.

    Raises NodeError: SCHEME_UNKNOWN, KEY_EXISTS when one is there already.
    """
    types = {KeyRole.VOTE: get_vote_key_type(certificate_scheme), **_TYPES}
    directory = home / KEYS_DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    taken = [name for name in _ROLES.values() if (directory / f"{name}.key").exists()]
    if taken:
        raise NodeError(
            "KEY_EXISTS",
            f"{directory} holds a {taken[0]} key already",
            "Choose another directory, or remove the keys if no network knows them.",
        )
    made: dict[KeyRole, PrivateKey] = {}
    for role, name in _ROLES.items():
        entropy = secrets.token_bytes(SECRET_SIZE)
        made[role] = generate_private_key(types[role], role, name, name, entropy)
    for role, name in _ROLES.items():
        write_new_file(directory / f"{name}.key", encode_key_file(made[role], None, b"", b""))
    mark_vote_key_fresh(home, made[KeyRole.VOTE].public_key)
    return ValidatorKeys(made[KeyRole.VOTE], made[KeyRole.PEER], made[KeyRole.TLS])


def load_validator_keys(
    home: Path,
    passphrase: Callable[[], bytes] | None = None,
    *,
    certificate_scheme: str | None = None,
) -> ValidatorKeys:
    """Read a validator's keys; `passphrase` is asked for encrypted ones.

    Args:
        home: the node's directory.
        passphrase: for encrypted key files.
        certificate_scheme: of the network's genesis; None where no network is known yet.

    Raises NodeError: KEY_NOT_FOUND, KEY_FILE_PERMISSIONS, KEY_ROLE_WRONG, KEY_SCHEME_WRONG when the vote
    key is not one of the scheme, SCHEME_UNKNOWN, or a code of KeyFileError.
    """
    types = dict(_TYPES)
    if certificate_scheme is not None:
        types[KeyRole.VOTE] = get_vote_key_type(certificate_scheme)
    made: dict[KeyRole, PrivateKey] = {}
    for role, name in _ROLES.items():
        path = home / KEYS_DIRECTORY / f"{name}.key"
        try:
            key = decode_key_file(_read_private(path), passphrase)
        except KeyFileError as error:
            raise NodeError(error.code, f"{path}: {error.text}", error.remedy) from None
        if key.role is not role:
            raise NodeError(
                "KEY_ROLE_WRONG",
                f"{path} holds a key of role {key.role.label}",
                "Put the key files of this validator into the node's keys directory.",
            )
        if key.key_type is not types.get(role, key.key_type):
            raise NodeError(
                "KEY_SCHEME_WRONG",
                f"{path} holds a {key.key_type.label} key, this network's {name} keys are of type"
                f" {types[role].label}",
                "Put the key files of this validator into the node's keys directory; a network's"
                " certificate scheme is fixed in its genesis document.",
            )
        made[role] = key
    return ValidatorKeys(made[KeyRole.VOTE], made[KeyRole.PEER], made[KeyRole.TLS])


def mark_vote_key_fresh(home: Path, public_key: bytes) -> None:
    """State durably that a vote key was made just now and has never voted."""
    path = home / KEYS_DIRECTORY / VOTE_FRESH_FILE
    # One that is there is of a key that is there no more.
    path.unlink(missing_ok=True)
    write_new_file(path, f"{public_key.hex()}\n".encode())


def is_vote_key_fresh(home: Path, public_key: bytes) -> bool:
    """Whether this very vote key was made here and has never voted."""
    try:
        with (home / KEYS_DIRECTORY / VOTE_FRESH_FILE).open("rb") as file:
            text = file.read(4 * len(public_key))
    except OSError:
        return False
    return text.strip() == public_key.hex().encode()


def consume_vote_key_fresh(home: Path) -> None:
    """State durably that the vote key votes from now on. Nothing when it is stated.

    Raises NodeError when the file cannot be removed.
    """
    path = home / KEYS_DIRECTORY / VOTE_FRESH_FILE
    try:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise NodeError(
            "STORAGE_IO", f"{path}: {error.strerror}", "Make the directory writable."
        ) from None


def write_new_file(path: Path, data: bytes) -> None:
    """Write a private file that must not exist yet, durably and whole or not at all."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        # Unlike a rename, a link fails when the name is taken.
        path.hardlink_to(temporary)
    finally:
        temporary.unlink()
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NodeError(
            "KEY_NOT_FOUND", f"{path} is missing", "Restore the validator's keys from the backup."
        ) from None
    except OSError as error:
        raise NodeError(
            "KEY_FILE_UNREADABLE", f"{path}: {error.strerror}", "Run the node as the owner."
        ) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) or mode & _OTHERS:
            raise NodeError(
                "KEY_FILE_PERMISSIONS",
                f"{path} is no file, or others than its owner may use it",
                f"chmod 600 {path}, and replace the key if somebody may have read it.",
            )
        return os.read(descriptor, KEY_FILE_SIZE_MAX + 1)
    finally:
        os.close(descriptor)
