# SPDX-License-Identifier: Apache-2.0
"""Why a node does not start, or stops: code, text, remedy and exit code, as in `storage.errors`."""

from __future__ import annotations

from ledger.storage.errors import EXIT_UNAVAILABLE, EXIT_USAGE


class NodeError(Exception):
    """The operator must act; nothing was changed. `exit_code` is that of the process."""

    def __init__(
        self, code: str, text: str, remedy: str, *, exit_code: int = EXIT_UNAVAILABLE
    ) -> None:
        super().__init__(code, text, remedy)
        self.code = code
        self.text = text
        self.remedy = remedy
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


def usage_error(code: str, text: str, remedy: str) -> NodeError:
    """What was asked cannot be: exit code 2."""
    return NodeError(code, text, remedy, exit_code=EXIT_USAGE)
