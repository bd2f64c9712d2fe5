# SPDX-License-Identifier: Apache-2.0
"""Key files on disk: permissions, atomic writing, passphrases.

- A file that others can read or change is refused, with the command that mends it; nothing is mended
  silently.
- A key file appears whole or not at all and is never written over: temporary file, fsync, link to the
  name (which fails when the name exists), fsync of the directory.
"""

from __future__ import annotations

import os
import secrets
import stat
import unicodedata
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.model.keyfile import KEY_FILE_SIZE_MAX, KeyFileError, PrivateKey, decode_key_file
from ledger.model.private_key import KEY_NAME_INVALID, KEY_TYPE_NOT_FOR_ROLE, PASSPHRASE_UNUSABLE
from sdk.errors import CallerError, KeyAccessError, PsetError

_CALLER_CODES: Final = frozenset({KEY_NAME_INVALID, KEY_TYPE_NOT_FOR_ROLE, PASSPHRASE_UNUSABLE})


def encode_passphrase(passphrase: str) -> bytes:
    """The passphrase in one form, however the keyboard composed its letters (RFC 8265 §4.2).

    Raises:
        KeyFileError: PASSPHRASE_UNUSABLE.
    """
    try:
        return unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:
        # A lone surrogate; the error's own text would show the passphrase.
        raise KeyFileError(PASSPHRASE_UNUSABLE, "the passphrase is no text") from None


@contextmanager
def as_sdk_error(path: Path | None = None) -> Generator[None]:
    """Turn a KeyFileError into the SDK's error of the same code, beginning with the path."""
    try:
        yield
    except KeyFileError as error:
        text = error.text if path is None else f"{path}: {error.text}"
        cls: type[PsetError] = CallerError if error.code in _CALLER_CODES else KeyAccessError
        raise cls(text, code=error.code, remedy=error.remedy) from None


def load_private_key(path: Path, passphrase: Callable[[], str] | None) -> PrivateKey:
    """The private key in a file; `passphrase` is asked only when the file is encrypted.

    Raises:
        KeyAccessError: what `read_key_file` and `decode_key_file` refuse.
        CallerError: PASSPHRASE_UNUSABLE.
    """
    data = read_key_file(path)
    asked = None if passphrase is None else lambda: encode_passphrase(passphrase())
    with as_sdk_error(path):
        return decode_key_file(data, asked)


def read_key_file(path: Path) -> bytes:
    """The bytes of a key file, after a look at the permissions of the very file that is read.

    At most one byte more than a key file may have.

    Raises:
        KeyAccessError: KEY_NOT_FOUND, KEY_FILE_PERMISSIONS, KEY_FILE_UNREADABLE.
    """
    try:
        # Without O_NONBLOCK a pipe in place of the file would wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise KeyAccessError(
                    f"{path} is no file",
                    code="KEY_FILE_UNREADABLE",
                    remedy="Give the path of a key file.",
                )
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                raise KeyAccessError(
                    f"others may read or change the key file {path}",
                    code="KEY_FILE_PERMISSIONS",
                    remedy=f"chmod 600 {path}; if others had access, rotate the key.",
                )
            return file.read(KEY_FILE_SIZE_MAX + 1)
    except FileNotFoundError:
        raise KeyAccessError(
            f"there is no key file {path}",
            code="KEY_NOT_FOUND",
            remedy="See `pset key list`, or make a key with `pset key generate`.",
        ) from None
    except OSError as error:
        raise KeyAccessError(
            f"cannot read {path}: {error.strerror}",
            code="KEY_FILE_UNREADABLE",
            remedy="Run as the user to whom the key belongs.",
        ) from error


def write_key_file(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, mode 0600: whole and durable, or not at all.

    Raises:
        FileExistsError: it exists; it is left as it is.
        OSError: the directory cannot be written to, or its file system has no hard links.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        # Not a rename: that would replace a file which another process made in the meantime.
        os.link(temporary, path)
    finally:
        temporary.unlink()
    if os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
