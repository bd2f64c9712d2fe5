# SPDX-License-Identifier: Apache-2.0
"""Exit codes, and what every exception becomes: a code, a text, a remedy. Never a traceback.

The one place that maps errors to exit codes. The class of an SDK error says who must act, so it
decides; a few codes decide for themselves.
"""

from __future__ import annotations

import errno
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final

import click

from sdk.errors import (
    CallerError,
    KeyAccessError,
    NotVerifiedError,
    PsetError,
    RefusedError,
    TrustError,
    UnavailableError,
)


class ExitCode(IntEnum):
    """What a script learns from the exit status."""

    DONE = 0
    """Yes, valid, done."""
    NO = 1
    """Checked, and the answer is no."""
    USAGE = 2
    REFUSED = 3
    """By the ledger's rules."""
    CANNOT_TELL = 4
    """Or cannot reach."""
    BROKEN = 5
    """Corruption, a failed proof or a bug."""
    INTERRUPTED = 130
    """Ctrl-C."""


SEVERITY: Final = (
    ExitCode.BROKEN,
    ExitCode.NO,
    ExitCode.USAGE,
    ExitCode.CANNOT_TELL,
    ExitCode.DONE,
)
"""Worst first: which exit code many sources give together."""

_EXIT_BY_CODE: Final = {
    "NO_TRUST_ROOT": ExitCode.CANNOT_TELL,
    "NO_CONNECTION": ExitCode.CANNOT_TELL,
    "OTHER_NETWORK": ExitCode.CANNOT_TELL,
    "STATUS_TOO_OLD": ExitCode.CANNOT_TELL,
    "PKCS11_UNAVAILABLE": ExitCode.CANNOT_TELL,
    "KEY_FILE_MALFORMED": ExitCode.BROKEN,
    "FINGERPRINT_MISMATCH": ExitCode.BROKEN,
    "NETWORK_DAMAGED": ExitCode.BROKEN,
}
_EXIT_BY_CLASS: Final[tuple[tuple[type[PsetError], ExitCode], ...]] = (
    (CallerError, ExitCode.USAGE),
    (KeyAccessError, ExitCode.USAGE),
    (RefusedError, ExitCode.REFUSED),
    (UnavailableError, ExitCode.CANNOT_TELL),
    (TrustError, ExitCode.BROKEN),
)
_OUR_PACKAGES: Final = frozenset({"cli", "consensus", "ledger", "psetcloud", "psetledger", "sdk"})
_BUG_REMEDY: Final = "Please report it: run the command again with -vv and send what it prints."


class CommandError(PsetError):
    """What a command itself refuses or cannot do, with the exit code that says so."""

    def __init__(
        self, text: str, *, code: str, remedy: str, exit_code: ExitCode = ExitCode.USAGE
    ) -> None:
        super().__init__(text, code=code, remedy=remedy)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error as it is printed: in words, or as the members of a JSON object of kind Error."""

    code: str
    text: str
    remedy: str
    phase: str | None
    transaction_id: str | None
    exit: int
    evidence: str | None = None
    """File that shows what a node said and did not prove."""

    def to_plain(self) -> dict[str, Any]:
        """The members of the JSON object; `evidence` only where there is some."""
        members = asdict(self)
        if self.evidence is None:
            del members["evidence"]
        return members


def describe_error(error: BaseException) -> ErrorReport:
    """What to tell the user, and the exit code."""
    if isinstance(error, PsetError):
        return ErrorReport(
            error.code,
            error.text,
            error.remedy,
            error.phase if isinstance(error, UnavailableError) else None,
            error.transaction_id,
            _exit_of(error),
            str(error.evidence) if isinstance(error, TrustError) else None,
        )
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return _simple("INTERRUPTED", "stopped by the user", "", ExitCode.INTERRUPTED)
    if isinstance(error, click.ClickException):
        return _describe_usage(error)
    if isinstance(error, OSError) and error.filename is not None:
        return _simple(
            "FILE_UNUSABLE",
            f"{error.filename}: {error.strerror or error}",
            "Check the path, the permissions and the space left on the disk.",
            ExitCode.USAGE,
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return _simple("DISK_FULL", "no space is left", "Free some space.", ExitCode.CANNOT_TELL)
    if isinstance(error, ModuleNotFoundError) and not _is_ours(error.name or ""):
        return _simple(
            "MODULE_MISSING",
            f"this needs the module {error.name}, which is not installed",
            "pip install 'psetledger[node]'; nodes run on Linux.",
            ExitCode.USAGE,
        )
    if isinstance(getattr(error, "exit_code", None), int):
        # A node's own errors, which this file must not import: the same members by the same names.
        members = [getattr(error, name, None) for name in ("code", "text", "remedy")]
        code, text, remedy = (str(member or "") for member in members)
        return ErrorReport(code, text, remedy, None, None, int(getattr(error, "exit_code", 5)))
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _simple("INTERNAL", f"unexpected {told}", _BUG_REMEDY, ExitCode.BROKEN)


def _is_ours(module: str) -> bool:
    """A module of our own that is missing is a broken installation, nobody's to install."""
    return module.partition(".")[0] in _OUR_PACKAGES


def _simple(code: str, text: str, remedy: str, exit_code: ExitCode) -> ErrorReport:
    return ErrorReport(code, text, remedy, None, None, int(exit_code))


def _describe_usage(error: click.ClickException) -> ErrorReport:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context is not None else "pset"
    text = error.format_message().strip().rstrip(".")
    return _simple("USAGE", text, f"See `{command} --help`.", ExitCode.USAGE)


def _exit_of(error: PsetError) -> int:
    if isinstance(error, CommandError):
        return int(error.exit_code)
    by_code = _EXIT_BY_CODE.get(error.code)
    if by_code is not None:
        return int(by_code)
    if isinstance(error, NotVerifiedError):
        verdict = getattr(error.report.verdict, "value", None)
        return int(ExitCode.NO if verdict == "invalid" else ExitCode.CANNOT_TELL)
    for cls, exit_code in _EXIT_BY_CLASS:
        if isinstance(error, cls):
            return int(exit_code)
    return int(ExitCode.BROKEN)
