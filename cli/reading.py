# SPDX-License-Identifier: Apache-2.0
"""Commands that read: ``--proof FILE`` and ``--at DATE|HEIGHT``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.parameters import WHEN

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(dir_okay=False, path_type=Path)
"""A file to write."""
FILE_TO_READ = click.Path(dir_okay=False, exists=True, readable=True, path_type=Path)
DIRECTORY = click.Path(file_okay=False, path_type=Path)


def proof_option(function: F) -> F:
    """``--proof FILE``: an argument ``proof``, for `CliContext.save_proof`."""
    return click.option(
        "--proof",
        type=FILE,
        metavar="FILE",
        help="Save the proof that was checked, for `pset ledger check-proof`.",
    )(function)


def at_option(function: F) -> F:
    """``--at DATE|HEIGHT``: an argument ``at``."""
    return click.option(
        "--at",
        type=WHEN,
        metavar="DATE|HEIGHT",
        help="As it stood then; a day means its last block.",
    )(function)
