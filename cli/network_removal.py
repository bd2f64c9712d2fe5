# SPDX-License-Identifier: Apache-2.0
"""What a development network made in its directory, and removing that and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.errors import CommandError

_MADE: Final = ("samples", "records", "evidence", "stores", "trust.json", "keys", "genesis.json")
_LAST: Final = "network.json"
"""Removed last: until then an interrupted removal can be repeated."""


def check_room(place: Path) -> None:
    """Refuse to make a network among files that are not its own.

    Raises:
        CommandError: DIRECTORY_NOT_EMPTY. Nothing is changed then.
    """
    if place.exists() and any(place.iterdir()):
        raise CommandError(
            f"{place} is not empty, and what is in it is no network",
            code="DIRECTORY_NOT_EMPTY",
            remedy="Choose a directory that is empty or does not exist with --dir.",
        )


def remove_network(place: Path, validators: Sequence[str]) -> tuple[str, ...]:
    """Remove what a network made, and its directory when nothing else is in it.

    Args:
        place: the network's directory.
        validators: ids, which name the nodes' homes.

    Returns: the names of what was left in the directory because it is not the network's.

    Raises:
        OSError: something cannot be removed.
    """
    for name in (*validators, *_MADE, _LAST):
        _remove(place / name)
    left = tuple(sorted(path.name for path in place.iterdir()))
    if not left and not place.is_symlink():
        place.rmdir()
    return left


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
