# SPDX-License-Identifier: Apache-2.0
"""Which network directory a command about a development network means, and how it is written."""

from __future__ import annotations

from pathlib import Path

import click

from cli.context import NETWORK_HERE, CliContext
from cli.errors import CommandError
from cli.reading import DIRECTORY

dir_option = click.option(
    "--dir",
    "directory",
    type=DIRECTORY,
    metavar="DIR",
    help=f"Of the network. Default: that of --network, else ./{NETWORK_HERE}.",
)
"""``--dir DIR``: an argument ``directory``, for `development_directory`."""


def development_directory(context: CliContext, directory: Path | None) -> Path:
    """The network directory meant: ``--dir``, that of ``--network``, the one here, the profile's.

    Raises:
        CommandError: NOT_A_DEVELOPMENT_NETWORK.
        PsetError: as `sdk.networks.resolve_network`.
    """
    if directory is not None:
        if (directory / "network.json").is_file() and not (directory / "keys").is_dir():
            raise _not_development(str(directory))
        return directory
    if not context.is_network_named and NETWORK_HERE.is_dir():
        return NETWORK_HERE
    held = context.network()
    if held.is_development:
        return held.directory
    raise _not_development(held.name)


def _not_development(name: str) -> CommandError:
    return CommandError(
        f"{name} is no development network",
        code="NOT_A_DEVELOPMENT_NETWORK",
        remedy="Name the directory of one with --dir.",
    )


def path_argument(place: Path) -> str:
    """A directory as --network takes it: a path always contains a slash."""
    text = str(place)
    return text if "/" in text else f"./{text}"
