# SPDX-License-Identifier: Apache-2.0
"""The passphrase that counts as given when a caller gives none: the file PSET_PASSPHRASE_FILE names.

An edge, as `sdk.home`: nothing below reads the environment.
"""

from __future__ import annotations

import os
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
    PASSPHRASE_FILE_UNREADABLE may come.
    """
    if given is not None:
        return given
    named = (os.environ if environment is None else environment).get(PASSPHRASE_FILE_VARIABLE)
    return None if not named else lambda: _read(Path(named))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
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
