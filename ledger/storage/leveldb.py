# SPDX-License-Identifier: Apache-2.0
"""LevelDB. The only file that knows plyvel, which is imported when a store is opened.

Opened with paranoid checks, and every read verifies checksums: without them a flipped bit in the
write-ahead log makes LevelDB drop the records behind it without a word.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from ledger.storage.errors import (
    STORAGE_LOCKED,
    STORAGE_UNAVAILABLE,
    STORE_CORRUPT,
    CorruptionError,
    StorageError,
    StorageLockedError,
    StorageUnavailableError,
)
from ledger.storage.kv import WriteBatch

WRITE_BUFFER_SIZE: Final = 64 * 1024 * 1024
"""What is sorted in memory before it goes into a file; up to two of them are held.

State keys are hashes, so every file overlaps all of the state: the fewer files, the less is written
again and again. With 16 MiB three times as much went to the disk for the first 10,000 writes of 1 KB.
"""
WRITE_BUFFER_SIZE_SMALL: Final = 1024 * 1024
"""For a store of a few records that are overwritten."""
BLOCK_CACHE_SIZE: Final = 64 * 1024 * 1024
OPEN_FILES_COUNT_MAX: Final = 512
BLOOM_FILTER_BITS: Final = 10
"""Bits for each key: about 1 % of the misses read a block for nothing."""


def check_available() -> None:
    """Raise StorageUnavailableError where LevelDB cannot be used."""
    _import_plyvel()


class LevelDBStore:
    """`KeyValueStore` in a directory, held by one process at a time."""

    def __init__(self, directory: Path, *, write_buffer_size: int = WRITE_BUFFER_SIZE) -> None:
        """Open the store, made if it is not there (the directory above it must be).

        Raises StorageUnavailableError, StorageLockedError, CorruptionError, or StorageError
        (STORAGE_IO) when the disk refuses.
        """
        plyvel = _import_plyvel()
        self._directory = directory
        self._error: type[Exception] = plyvel.Error
        self._corruption: type[Exception] = plyvel.CorruptionError
        self._closed = False
        try:
            self._db: Any = plyvel.DB(
                str(directory),
                create_if_missing=True,
                paranoid_checks=True,
                # Hashes, keys and signatures: there is nothing to gain.
                compression=None,
                write_buffer_size=write_buffer_size,
                max_open_files=OPEN_FILES_COUNT_MAX,
                lru_cache_size=BLOCK_CACHE_SIZE,
                bloom_filter_bits=BLOOM_FILTER_BITS,
            )
        except self._error as error:
            self._refuse(error)

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key, verify_checksums=True)
        except self._error as error:
            self._refuse(error)
        return value

    def multi_get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def iterate(
        self, start: bytes, stop: bytes, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        try:
            if reverse:
                yield from self._iterate_back(start, stop)
            else:
                with contextlib.closing(
                    self._db.iterator(start=start, stop=stop, verify_checksums=True)
                ) as pairs:
                    yield from pairs
        except self._error as error:
            self._refuse(error)

    def _iterate_back(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        # plyvel's own reverse iterator leaves out a range whose only key is `start` (1.5.1).
        with contextlib.closing(self._db.raw_iterator(verify_checksums=True)) as cursor:
            cursor.seek(stop)
            if cursor.valid():
                cursor.prev()
            else:
                cursor.seek_to_last()
            while cursor.valid():
                key: bytes = cursor.key()
                if key < start:
                    return
                yield key, cursor.value()
                cursor.prev()

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        try:
            with self._db.write_batch(sync=sync) as writing:
                for key, value in batch.operations:
                    if value is None:
                        writing.delete(key)
                    else:
                        writing.put(key, value)
        except self._error as error:
            self._refuse(error)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._db.close()

    def _refuse(self, error: Exception) -> NoReturn:
        text = f"{self._directory}: {error}"
        # Not every platform's LevelDB names its status by class: the words are stable.
        if isinstance(error, self._corruption) or "Corruption" in str(error):
            raise CorruptionError(STORE_CORRUPT, text) from error
        if "already held" in str(error) or "temporarily unavailable" in str(error):
            raise StorageLockedError(
                STORAGE_LOCKED, text, "Another node runs on this directory: stop it first."
            ) from error
        raise StorageError(
            "STORAGE_IO", text, "Check that the disk has space and that the directory is writable."
        ) from error


def _import_plyvel() -> Any:
    try:
        import plyvel  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise StorageUnavailableError(
            STORAGE_UNAVAILABLE,
            "LevelDB storage needs plyvel, which is not installed",
            "Install it: pip install 'psetledger[node]'; or use --storage memory.",
        ) from error
    return cast("Any", plyvel)
