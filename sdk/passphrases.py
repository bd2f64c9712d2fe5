# SPDX-License-Identifier: Apache-2.0
"""The passphrase that counts as given when a caller gives none: the file PSET_PASSPHRASE_FILE names.

An edge, as `sdk.home`: nothing below reads the environment.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sdk.errors import KeyAccessError

PASSPHRASE_FILE_VARIABLE: Final = "PSET_PASSPHRASE_FILE"  # noqa: S105 - a name
PASSPHRASE_FILE_SIZE_MAX: Final = 4_096


def find_passphrase(
    given: Callable[[], str] | None, environment: Mapping[str, str] | None = None
) -> Callable[[], str] | None:
    """What is given, else what reads the file named in the environment, else None.

    The file is read only when the passphrase is needed; then KeyAccessError
    PASSPHRASE_FILE_UNREADABLE or PASSPHRASE_FILE_PERMISSIONS may come.
    """
    if given is not None:
        return given
    named = (os.environ if environment is None else environment).get(PASSPHRASE_FILE_VARIABLE)
    return None if not named else lambda: _read(Path(named))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            # A pipe has no readers but its own; a file does.
            if os.name == "posix" and stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                raise KeyAccessError(
                    f"others may read or change {path}, which holds a passphrase",
                    code="PASSPHRASE_FILE_PERMISSIONS",
                    remedy=f"chmod 600 {path}",
                )
            data = file.read(PASSPHRASE_FILE_SIZE_MAX + 1)
        if len(data) > PASSPHRASE_FILE_SIZE_MAX:
            raise ValueError("too long")
        return data.decode().rstrip("\r\n")
    except (OSError, ValueError):
        raise KeyAccessError(
            f"{path}: the passphrase cannot be read",
            code="PASSPHRASE_FILE_UNREADABLE",
            remedy=f"Name a text file of one line in {PASSPHRASE_FILE_VARIABLE}.",
        ) from None
