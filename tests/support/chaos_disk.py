# SPDX-License-Identifier: Apache-2.0
"""Disks that are full: a small file system under a validator's store, or a limit on its files."""

from __future__ import annotations

import errno
import resource
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ledger.node.config import load_config
from tests.support.chaos import ChaosNetwork, running

DISK_SIZE = "24m"
"""Holds a store's first log and tables; what fills it is ours."""
PIECE_SIZE = 4096
COMMAND_SECONDS_MAX = 20


class SmallDisks:
    """A file system of its own under each validator's store."""

    def __init__(self, network: ChaosNetwork) -> None:
        self._network = network

    def _filler(self, validator: str) -> Path:
        return (
            self._network.home(validator)
            / load_config(self._network.home(validator)).storage.directory
            / "filler"
        )

    def fill(self, validator: str) -> None:
        """Take all the room that is left."""
        with self._filler(validator).open("wb", buffering=0) as file:
            is_room = True
            while is_room:
                try:
                    file.write(bytes(PIECE_SIZE))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    is_room = False

    def make_room(self, validator: str) -> None:
        self._filler(validator).unlink()


def limit_files(network: ChaosNetwork, validator: str) -> None:
    """Let no file of a validator's process grow beyond what its largest has now (RLIMIT_FSIZE)."""
    files = [path for path in network.home(validator).rglob("*") if path.is_file()]
    size = max(path.stat().st_size for path in files)
    resource.prlimit(network.pid(validator), resource.RLIMIT_FSIZE, (size, size))


def _mount(directory: Path) -> None:
    options = f"size={DISK_SIZE},mode=700"
    command = ["mount", "-t", "tmpfs", "-o", options, "psetledger-test", str(directory)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX)


def _unmount(directory: Path) -> None:
    command = ["umount", "--lazy", str(directory)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX)


@cache
def why_not() -> str:
    """Why nothing can be mounted here, or an empty string; tried, not guessed."""
    with TemporaryDirectory() as name:
        try:
            _mount(Path(name))
        except FileNotFoundError:
            return "there is no `mount` command"
        except subprocess.CalledProcessError as error:
            return f"mounting is not permitted: {error.stderr.strip()}"
        _unmount(Path(name))
    return ""


@contextmanager
def small_disk_network(directory: Path) -> Generator[tuple[ChaosNetwork, SmallDisks]]:
    """A running network with small disks; skips the test where nothing can be mounted."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    network = ChaosNetwork(directory / "net")
    mounted: list[Path] = []
    try:
        for validator in network.ids:
            home = network.home(validator)
            place = home / load_config(home).storage.directory
            place.mkdir(mode=0o700, exist_ok=True)
            _mount(place)
            mounted.append(place)
        with running(network):
            yield network, SmallDisks(network)
    finally:
        for place in mounted:
            _unmount(place)
