# SPDX-License-Identifier: Apache-2.0
"""The SQLite file of an issuer's store: its tables, its permissions, and what can be wrong with it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sdk.errors import CallerError, KeyAccessError, UnavailableError

SCHEMA_VERSION: Final = 2
APPLICATION_ID: Final = 0x50534554
"""`PSET`, in the header of the SQLite file."""

SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE pairs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    revocation_id BLOB NOT NULL,
    suspension_id BLOB NOT NULL,
    size INTEGER NOT NULL,
    used INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL DEFAULT 0,
    revocation_seen INTEGER NOT NULL DEFAULT 0,
    suspension_seen INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE records (
    tag BLOB PRIMARY KEY,
    index_tag BLOB NOT NULL UNIQUE,
    issued INTEGER NOT NULL DEFAULT 0,
    sealed BLOB NOT NULL
);
CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tag BLOB NOT NULL,
    sealed BLOB NOT NULL
);
CREATE INDEX notes_of ON notes (tag);
CREATE TABLE plans (id INTEGER PRIMARY KEY AUTOINCREMENT, sealed BLOB NOT NULL);
"""

UPGRADES: Final = {
    1: """
ALTER TABLE pairs ADD COLUMN revocation_seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pairs ADD COLUMN suspension_seen INTEGER NOT NULL DEFAULT 0
"""
}
"""What makes of a layout the next one."""


def prepare_file(path: Path) -> bool:
    """Make the file with mode 0600 when it is missing; whether it has no content yet."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise KeyAccessError(
            f"cannot open {path}: {error.strerror}",
            code="STORE_UNWRITABLE",
            remedy="Give the path of a file in a directory that you may write to.",
        ) from error
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise KeyAccessError(
            f"{path} is no file",
            code="STORE_UNWRITABLE",
            remedy="Give the path of a file in a directory that you may write to.",
        )
    if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
        raise KeyAccessError(
            f"others may read or change the issuer's store {path}",
            code="STORE_PERMISSIONS",
            remedy=f"chmod 600 {path}",
        )
    return status.st_size == 0


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another connection holds the file."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def blob(value: object) -> bytes:
    """A column of bytes; of another type, which SQLite allows, it opens with no key."""
    return value if isinstance(value, bytes) else b""


def damaged(path: Path, why: str) -> KeyAccessError:
    """The error for a file that is no store, or no longer one."""
    return KeyAccessError(
        f"{path} cannot be used: {why}",
        code="STORE_DAMAGED",
        remedy="Restore the store and its .key file together from one backup.",
    )


@contextmanager
def as_store_error(path: Path) -> Generator[None]:
    """Errors of SQLite as this SDK's: STORE_BUSY, STORE_UNWRITABLE, STORE_CLOSED, STORE_DAMAGED."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # Without a code of SQLite's the Python module could not read what a row holds.
        if not hasattr(error, "sqlite_errorcode"):
            raise damaged(path, "a row was changed") from error
        if is_busy(error):
            raise UnavailableError(
                f"another process holds {path}",
                code="STORE_BUSY",
                remedy="Wait until the other process is done, then try again.",
            ) from error
        raise KeyAccessError(
            f"cannot use {path}: {error}",
            code="STORE_UNWRITABLE",
            remedy="Check the disk, the directory and who owns the file.",
        ) from error
    except sqlite3.ProgrammingError as error:
        raise CallerError(
            f"{path} is closed", code="STORE_CLOSED", remedy="Make a new Issuer."
        ) from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error
