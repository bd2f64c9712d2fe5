# SPDX-License-Identifier: Apache-2.0
"""Files that a command writes where the user says: only into directories that exist."""

from __future__ import annotations

from pathlib import Path

from cli.errors import CommandError
from sdk.errors import CallerError
from sdk.home import write_file


def check_place(path: Path, option: str) -> None:
    """Refuse a file in a directory that does not exist, before anything is done.

    Raises:
        CommandError: FILE_UNWRITABLE, which names the option.
    """
    if not path.parent.is_dir():
        raise CommandError(
            f"cannot write {path}: there is no directory {path.parent}",
            code="FILE_UNWRITABLE",
            remedy=f"Make the directory, or name another file with {option}.",
        )


def write_named_file(path: Path, data: bytes, option: str) -> None:
    """Put a file in place whole or not at all, mode 0600.

    Raises:
        CommandError, CallerError: FILE_UNWRITABLE, which names the option.
    """
    check_place(path, option)
    try:
        write_file(path, data)
    except CallerError as error:
        error.remedy = f"Choose a file in a directory that you may write to with {option}."
        raise
