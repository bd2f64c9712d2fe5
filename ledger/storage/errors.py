# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a store, by who must act.

Each error has `code`, `text`, `remedy` and the exit code with which a program ends because of it.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_USAGE = 2
EXIT_UNAVAILABLE = 4
EXIT_CORRUPTION = 5


class StorageError(Exception):
    """A store cannot be used. The operator must act; nothing was changed."""

    exit_code: ClassVar[int] = EXIT_UNAVAILABLE

    def __init__(self, code: str, text: str, remedy: str) -> None:
        super().__init__(code, text, remedy)
        self.code = code
        self.text = text
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class StorageUnavailableError(StorageError):
    """STORAGE_UNAVAILABLE: the library of the chosen store is not installed."""

    exit_code: ClassVar[int] = EXIT_USAGE


class StorageLockedError(StorageError):
    """STORAGE_LOCKED: another process holds the store."""


class CorruptionError(StorageError):
    """What is stored contradicts itself or cannot be read. Stop; keep the data as evidence.

    Codes: STORE_CORRUPT (bytes), STORE_INCONSISTENT (parts against each other), STORE_FORMAT and
    STORE_OTHER_CHAIN (not this program's or not this network's), DIVERGENCE (another result than
    the one recorded or certified for the same block).
    """

    exit_code: ClassVar[int] = EXIT_CORRUPTION

    def __init__(self, code: str, text: str, remedy: str = "") -> None:
        super().__init__(code, text, remedy or RESTORE_REMEDY)


RESTORE_REMEDY = (
    "Keep the node's directory as evidence and check the disk. Where other validators hold the chain,"
    " the node joins anew from them; in a network of one validator nobody else holds it."
)

STORE_CORRUPT = "STORE_CORRUPT"
STORE_INCONSISTENT = "STORE_INCONSISTENT"
STORE_FORMAT = "STORE_FORMAT"
STORE_OTHER_CHAIN = "STORE_OTHER_CHAIN"
DIVERGENCE = "DIVERGENCE"
STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
STORAGE_LOCKED = "STORAGE_LOCKED"
