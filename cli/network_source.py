# SPDX-License-Identifier: Apache-2.0
"""Fetching a network's two files from a web server, for `pset network add URL`.

Nothing fetched is trusted: `sdk.networks.add_network` compares the genesis with the fingerprint that
the user was told, and stores nothing when they differ.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Final

from cli.errors import CommandError, ExitCode
from ledger.model.limits import GENESIS_SIZE_MAX
from sdk.home import SMALL_FILE_SIZE_MAX
from sdk.networks import GENESIS_FILE, NETWORK_FILE

_URL: Final = re.compile(r"https?://", re.ASCII | re.IGNORECASE)
_SIZES_MAX: Final = {NETWORK_FILE: SMALL_FILE_SIZE_MAX, GENESIS_FILE: GENESIS_SIZE_MAX}


def is_url(source: str) -> bool:
    """Whether `source` is an address of the web rather than a path."""
    return _URL.match(source) is not None


def fetch_network(url: str, directory: Path, *, timeout: timedelta) -> None:
    """Fetch network.json and genesis.json into `directory`.

    Args:
        url: of either file, or of the directory that holds both.
        directory: where to put them.
        timeout: for each.

    Raises:
        CommandError: NETWORK_SOURCE_UNREACHABLE, NETWORK_SOURCE_TOO_LARGE.
    """
    base = url
    for name in _SIZES_MAX:
        base = base.removesuffix(f"/{name}")
    for name, size_max in _SIZES_MAX.items():
        data = _fetch(f"{base.rstrip('/')}/{name}", size_max, timeout)
        (directory / name).write_bytes(data)


def _fetch(url: str, size_max: int, timeout: timedelta) -> bytes:
    try:
        # The scheme is http or https (`is_url`); proxies come from HTTPS_PROXY.
        with urllib.request.urlopen(url, timeout=timeout.total_seconds()) as answer:  # noqa: S310
            data: bytes = answer.read(size_max + 1)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise CommandError(
            f"{url} cannot be fetched: {reason}",
            code="NETWORK_SOURCE_UNREACHABLE",
            remedy="Check the address and HTTPS_PROXY, or give the files themselves.",
            exit_code=ExitCode.CANNOT_TELL,
        ) from error
    if len(data) > size_max:
        raise CommandError(
            f"{url} has more than {size_max:,} bytes",
            code="NETWORK_SOURCE_TOO_LARGE",
            remedy="Give the address of a network's files.",
        )
    return data
