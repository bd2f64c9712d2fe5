# SPDX-License-Identifier: Apache-2.0
"""How an issuer's store notices that it is an older copy of itself, or a copy in another place.

Beside the store lies STORE.here, with the number of places in status lists ever reserved and of
credentials ever stored. It is written before each of these, so it never lags behind the store, and
it names its own inode, so a copy of it is worth nothing. When it is missing or says something else,
the store was restored from a backup or copied: credentials may exist of which it knows nothing, in
places that it takes to be free. Then its status lists are left for new ones (`sdk.issuer_store`). So
they are after a cut between the two writes, too: new lists cost little.

What it cannot see is a whole disk set back to an earlier day. Deleting the file has the same effect.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sdk.errors import KeyAccessError

PLACE_FILE_SUFFIX: Final = ".here"
_FORMAT: Final = "psetledger-store-here/1"
_COUNT_WIDTH: Final = 20
_SIZE_MAX: Final = 200
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)


def place_path(store: Path) -> Path:
    """Where the file of the store at `store` lies."""
    return store.with_name(store.name + PLACE_FILE_SUFFIX)


class StorePlace:
    """The file STORE.here. Whoever uses it holds the store's transaction."""

    def __init__(self, store: Path, store_id: bytes) -> None:
        """`store_id`: of the store, so that files of two stores are never mistaken."""
        self._path = place_path(store)
        self._store_id = store_id

    def is_here(self, count: int) -> bool:
        """Whether the file is in its place and says `count`.

        Raises:
            KeyAccessError: STORE_UNWRITABLE.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | _BINARY)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            return os.read(descriptor, _SIZE_MAX) == self._content(descriptor, count)
        finally:
            os.close(descriptor)

    def write(self, count: int) -> None:
        """Say `count`, durably.

        Raises:
            KeyAccessError: STORE_UNWRITABLE.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
            try:
                content = self._content(descriptor, count)
                os.write(descriptor, content)
                os.ftruncate(descriptor, len(content))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unwritable(error) from error

    def _content(self, descriptor: int, count: int) -> bytes:
        inode = os.fstat(descriptor).st_ino
        return f"{_FORMAT} {self._store_id.hex()} {inode} {count:0{_COUNT_WIDTH}}\n".encode()

    def _unwritable(self, error: OSError) -> KeyAccessError:
        return KeyAccessError(
            f"cannot use {self._path}: {error.strerror}",
            code="STORE_UNWRITABLE",
            remedy="Check the disk, the directory and who owns the file.",
        )
