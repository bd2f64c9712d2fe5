# SPDX-License-Identifier: Apache-2.0
"""Asking a node over the socket in its home, which only its operator reaches. May import node packages,
late.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from ledger.api.admin_client import AdminClient
    from ledger.api.ports import AdminStatus

ADMIN_SOCKET: Final = "admin.sock"
STATUS_SECONDS_MAX: Final = 2.0


@contextmanager
def administration(home: Path) -> Generator[AdminClient]:
    """A connection to the node of a home.

    Raises:
        CommandError: what the node refuses (exit 2), or that it does not answer (exit 4).
    """
    from ledger.api.admin_client import NOT_ANSWERING, AdminClient, AdminClientError

    try:
        with AdminClient(home / ADMIN_SOCKET) as client:
            yield client
    except AdminClientError as error:
        is_silent = error.code == NOT_ANSWERING
        raise CommandError(
            error.text,
            code=error.code,
            remedy=error.remedy,
            exit_code=ExitCode.CANNOT_TELL if is_silent else ExitCode.USAGE,
        ) from error


def find_admin_status(home: Path) -> AdminStatus | None:
    """How a node sees itself and the others; None when it does not say."""
    from ledger.api.admin_client import AdminClient, AdminClientError

    if not (home / ADMIN_SOCKET).exists():
        return None
    try:
        with AdminClient(home / ADMIN_SOCKET, timeout_seconds=STATUS_SECONDS_MAX) as client:
            return client.get_status()
    except AdminClientError:
        return None
