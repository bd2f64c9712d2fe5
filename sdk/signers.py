# SPDX-License-Identifier: Apache-2.0
"""Signers, and the directory in which an organisation's private keys lie.

Rules of this file:
- A secret never appears in a `repr`, a log or an error.
- Key files have mode 0600, their directory 0700. A file that others can read or a directory in which
  others can write is refused, with the command that mends it.
- A key file is never written over (`sdk.key_files`).
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ledger.model.keyfile import (
    NONCE_SIZE,
    SALT_SIZE,
    SCRYPT_N,
    KeyFileDescription,
    PrivateKey,
    describe_key_file,
    encode_key_file,
    generate_private_key,
)
from ledger.model.keys import KeyFormatError, KeyRole, KeyType
from ledger.model.multibase import encode_multikey
from ledger.model.private_key import (
    KEY_NAME_INVALID,
    REMEDIES,
    SECRET_SIZE,
    is_key_name,
)
from sdk.arguments import check_callable, check_text_or_path
from sdk.errors import CallerError, KeyAccessError
from sdk.key_files import (
    as_sdk_error,
    encode_passphrase,
    load_private_key,
    read_key_file,
    write_key_file,
)

KEY_FILE_SUFFIX: Final = ".key"
KEY_STORE_COUNT_MAX: Final = 1024
"""Keys in one directory."""

_FILE_SCHEME: Final = "file:"
_PKCS11_SCHEME: Final = "pkcs11:"
# Two letters at least: one is a drive on Windows.
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:", re.ASCII)


class Signer(Protocol):
    """Whatever signs with one private key: a file, an encrypted file, later a hardware module."""

    @property
    def key_id(self) -> str:
        """The fragment of the key's DID URL."""
        ...

    @property
    def algorithm(self) -> str:
        """Label of its KeyType: ``ed25519``, ``p256`` or ``bls``."""
        ...

    @property
    def public_key(self) -> bytes:
        """32 bytes (Ed25519), 33 (P-256, compressed) or 48 (BLS12-381)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`: 64 bytes, or 96 for BLS12-381."""
        ...


class LocalSigner:
    """A Signer over a private key in this process's memory."""

    __slots__ = ("_key",)

    def __init__(self, key: PrivateKey) -> None:
        self._key = key

    @property
    def key_id(self) -> str:
        return self._key.key_id

    @property
    def algorithm(self) -> str:
        return self._key.key_type.label

    @property
    def public_key(self) -> bytes:
        return self._key.public_key

    @property
    def role(self) -> KeyRole:
        """What the key may do, as its file says; the ledger's record decides."""
        return self._key.role

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def __repr__(self) -> str:
        multikey = encode_multikey(self._key.key_type, self._key.public_key)
        return f"LocalSigner(key_id={self.key_id!r}, public_key={multikey!r})"


def get_key_type(of: Signer) -> KeyType:
    """The KeyType of a signer.

    Raises:
        CallerError: KEY_TYPE_UNKNOWN: its algorithm is none that the ledger knows.
    """
    try:
        return KeyType.from_label(of.algorithm)
    except KeyFormatError as error:
        raise CallerError(error.text, code=error.code, remedy=REMEDIES[error.code]) from None


def signer(uri: str | Path, *, passphrase: Callable[[], str] | None = None) -> Signer:
    """A Signer for a key.

    Args:
        uri: a path, or ``file:PATH``. ``pkcs11:…`` is not available in this release.
        passphrase: asked only when the key file is encrypted.

    Raises:
        KeyAccessError: no such file, unsafe permissions, no key file, wrong passphrase, PKCS#11.
        CallerError: KEY_URI_UNKNOWN: a scheme that names no kind of key.
    """
    check_text_or_path(uri, "uri")
    if passphrase is not None:
        check_callable(passphrase, "passphrase")
    if isinstance(uri, str):
        if uri.startswith(_PKCS11_SCHEME):
            raise KeyAccessError(
                "this release signs with key files only, not with a PKCS#11 module",
                code="PKCS11_UNAVAILABLE",
                remedy="PKCS#11 is not supported yet: use a key file, file:PATH.",
            )
        if uri.startswith(_FILE_SCHEME):
            uri = uri.removeprefix(_FILE_SCHEME)
        elif _SCHEME.match(uri):
            raise CallerError(
                f"{uri.partition(':')[0]}: names no kind of key",
                code="KEY_URI_UNKNOWN",
                remedy="Give a path or file:PATH.",
            )
    return LocalSigner(load_private_key(Path(uri), passphrase))


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key in a store as its file describes it, without the secret."""

    name: str
    role: KeyRole
    key_type: KeyType
    key_id: str
    public_key: bytes
    encrypted: bool
    path: Path


class KeyStore:
    """A directory of key files, `NAME.key` each."""

    __slots__ = ("_directory", "_scrypt_n")

    def __init__(self, directory: Path, *, scrypt_n: int = SCRYPT_N) -> None:
        """Args: directory: made at the first `generate`; scrypt_n: cost of new encrypted files."""
        self._directory = directory
        self._scrypt_n = scrypt_n

    @property
    def directory(self) -> Path:
        return self._directory

    def __repr__(self) -> str:
        return f"KeyStore({str(self._directory)!r})"

    def path(self, name: str) -> Path:
        """Where the key called `name` lies or would lie.

        Raises:
            CallerError: KEY_NAME_INVALID.
        """
        if not is_key_name(name):
            raise CallerError(
                f"{name!r} is no name of a key",
                code=KEY_NAME_INVALID,
                remedy=REMEDIES[KEY_NAME_INVALID],
            )
        return self._directory / f"{name}{KEY_FILE_SUFFIX}"

    def generate(
        self,
        name: str,
        role: KeyRole,
        key_type: KeyType,
        passphrase: Callable[[], str] | None = None,
    ) -> StoredKey:
        """Make a key and write its file; the name is its key id too.

        Raises:
            CallerError: KEY_NAME_INVALID, KEY_TYPE_NOT_FOR_ROLE; and as `add`.
            KeyAccessError: as `add`.
        """
        self.path(name)
        with as_sdk_error():
            key = generate_private_key(key_type, role, name, name, secrets.token_bytes(SECRET_SIZE))
        return self.add(key, passphrase)

    def add(self, key: PrivateKey, passphrase: Callable[[], str] | None = None) -> StoredKey:
        """Write the file of a key that was made elsewhere.

        Raises:
            CallerError: KEY_EXISTS, PASSPHRASE_UNUSABLE, KEY_STORE_FULL.
            KeyAccessError: KEY_STORE_PERMISSIONS, KEY_STORE_UNWRITABLE.
        """
        path = self.path(key.name)
        with _as_unwritable(path):
            self._check_room_for(path)  # before anybody is asked for a passphrase
        asked = None if passphrase is None else passphrase()
        with as_sdk_error():
            data = encode_key_file(
                key,
                None if asked is None else encode_passphrase(asked),
                secrets.token_bytes(SALT_SIZE),
                secrets.token_bytes(NONCE_SIZE),
                scrypt_n=self._scrypt_n,
            )
        with _as_unwritable(path):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                write_key_file(path, data)
            except FileExistsError:
                raise _exists(path) from None
        return _stored(describe_key_file(data), path)

    def list(self) -> tuple[StoredKey, ...]:
        """All keys, by name; none when the directory does not exist. Asks for no passphrase.

        Raises:
            KeyAccessError: for the first file that cannot be used.
        """
        keys: list[StoredKey] = []
        for path in self._paths():
            with as_sdk_error(path):
                described = describe_key_file(read_key_file(path))
            _check_name(described.name, path)
            keys.append(_stored(described, path))
        return tuple(keys)

    def load(self, name: str, passphrase: Callable[[], str] | None = None) -> LocalSigner:
        """The signer over the key called `name`; `passphrase` is asked if its file is encrypted.

        Raises:
            CallerError: KEY_NAME_INVALID.
            KeyAccessError: as `signer`.
        """
        path = self.path(name)
        with as_sdk_error(path):
            _check_name(describe_key_file(read_key_file(path)).name, path)
        return LocalSigner(load_private_key(path, passphrase))

    def _paths(self) -> tuple[Path, ...]:
        found = self._directory.glob(f"*{KEY_FILE_SUFFIX}")
        return tuple(sorted(path for path in found if is_key_name(path.stem)))

    def _check_room_for(self, path: Path) -> None:
        if not self._directory.exists():
            return
        if path.exists():
            raise _exists(path)
        if len(self._paths()) >= KEY_STORE_COUNT_MAX:
            raise CallerError(
                f"{self._directory} holds {KEY_STORE_COUNT_MAX} keys",
                code="KEY_STORE_FULL",
                remedy="Use another directory, or remove keys that are no longer valid.",
            )
        if os.name == "posix" and stat.S_IMODE(self._directory.stat().st_mode) & 0o022:
            raise KeyAccessError(
                f"others may write in {self._directory}: they could put their keys there",
                code="KEY_STORE_PERMISSIONS",
                remedy=f"chmod 700 {self._directory}",
            )


@contextmanager
def _as_unwritable(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise KeyAccessError(
            f"cannot write {path}: {error.strerror}",
            code="KEY_STORE_UNWRITABLE",
            remedy="Choose a directory that you may write to, on a file system with hard links.",
        ) from error


def _stored(described: KeyFileDescription, path: Path) -> StoredKey:
    return StoredKey(
        described.name,
        described.role,
        described.key_type,
        described.key_id,
        described.public_key,
        described.encrypted,
        path,
    )


def _check_name(name: str, path: Path) -> None:
    # A key under another name would be listed as one thing and loaded as another.
    if name != path.stem:
        raise KeyAccessError(
            f"{path} holds the key {name}",
            code="KEY_NAME_MISMATCH",
            remedy=f"Rename the file to {name}{KEY_FILE_SUFFIX}.",
        )


def _exists(path: Path) -> CallerError:
    return CallerError(
        f"there is a key at {path} already; it was left as it is",
        code="KEY_EXISTS",
        remedy="Choose another name: a key that is written over is lost.",
    )
