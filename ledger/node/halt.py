# SPDX-License-Identifier: Apache-2.0
"""When a validator says that nothing is certified any more, and where it says so.

A report is due when something waits for a certificate (a block in flight, or transactions) and none has
come for `halt_after_ms`. An idle validator has nothing to report, and time counts from when there was
something to wait for. Once a height: what changes later (a restart, a longer log) replaces the file.
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from typing import Final

from ledger.model.block import VoteRecord
from ledger.model.codec import encode
from ledger.model.halt_report import HaltReport, make_halt_report
from ledger.model.limits import HALT_REPORT_SIZE_MAX
from ledger.model.private_key import PrivateKey
from ledger.model.proofs import CertifiedHead
from ledger.node.errors import NodeError
from ledger.node.keys import sync_directory

_log = logging.getLogger(__name__)

REPORTS_DIRECTORY: Final = "reports"
REPORTS_COUNT_MAX: Final = 64
"""Files that are kept; those of the lowest heights go first."""


class HaltWatch:
    """Says when a report is due. One thread."""

    def __init__(self, halt_after_ms: int) -> None:
        self._halt_after_ms = halt_after_ms
        self._height = -1
        self._since_ms: int | None = None
        """When the wait for the next certificate began; None: nothing waits."""
        self._is_reported = False

    def is_due(self, now_ms: int, height: int, *, is_waiting: bool) -> bool:
        """Whether to publish a report now; True once for each wait.

        Args:
            now_ms: monotonic.
            height: of the newest certified block.
            is_waiting: a block is in flight or a transaction waits for one.
        """
        if height != self._height or not is_waiting:
            self._height = height
            self._since_ms = now_ms if is_waiting else None
            self._is_reported = False
            return False
        if self._since_ms is None:
            self._since_ms = now_ms
        if self._is_reported or now_ms - self._since_ms < self._halt_after_ms:
            return False
        self._is_reported = True
        return True

    def due_ms(self) -> int | None:
        """When to ask again at the latest, monotonic; None while nothing waits or all is said."""
        if self._since_ms is None or self._is_reported:
            return None
        return self._since_ms + self._halt_after_ms


def build_halt_report(
    *,
    chain_id: str,
    validator: str,
    key: PrivateKey,
    epoch: int,
    height: int,
    head: CertifiedHead,
    vote: VoteRecord | None,
    last_index: int,
    last_term: int,
    log_digest: bytes,
    time_ms: int,
) -> bytes:
    """The canonical SignedHaltReport of what this validator knows.

    Args:
        chain_id: of the ledger.
        validator: this one's id.
        key: its peer key.
        epoch: in which it is.
        height: of the newest certified block.
        head: that block with its certificate; block 0 without one.
        vote: the newest vote record; None or one without a vote where there is none.
        last_index: of the log.
        last_term: of the entry there.
        log_digest: chain digest of that entry; empty where none is kept.
        time_ms: the wall clock.
    """
    report = HaltReport(
        chain_id=chain_id,
        validator=validator,
        epoch=epoch,
        height=height,
        certified_head=encode(head),
        vote=vote.vote if vote is not None else b"",
        vote_signature=vote.signature if vote is not None else b"",
        last_index=last_index,
        last_term=last_term,
        log_digest=log_digest,
        time=time_ms,
    )
    return make_halt_report(report, key)


def publish_halt_report(home: Path, height: int, signed: bytes) -> Path:
    """Write a report to `reports/halt-<height>.bin` in the node's home, durably; where it is.

    One of the same height is replaced. Raises NodeError: STORAGE_IO.
    """
    directory = home / REPORTS_DIRECTORY
    path = directory / f"halt-{height}.bin"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        temporary = directory / f".{path.name}.{secrets.token_hex(8)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(signed)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        for old in _list_reports(directory)[:-REPORTS_COUNT_MAX]:
            if old != path:
                old.unlink(missing_ok=True)
        sync_directory(directory)
    except OSError as error:
        raise NodeError(
            "STORAGE_IO", f"{path}: {error.strerror}", "Make the directory writable."
        ) from None
    _log.critical("halt reported height=%d file=%s", height, path)
    return path


def read_halt_report(home: Path) -> bytes:
    """The newest report of this node, or nothing. A file that cannot be one is none."""
    for path in reversed(_list_reports(home / REPORTS_DIRECTORY)):
        try:
            with path.open("rb") as file:
                data = file.read(2 * HALT_REPORT_SIZE_MAX + 1)
        except OSError:
            continue
        if 0 < len(data) <= 2 * HALT_REPORT_SIZE_MAX:
            return data
    return b""


def _list_reports(directory: Path) -> list[Path]:
    """The reports by height, ascending."""
    found: list[tuple[int, Path]] = []
    try:
        names = [*directory.iterdir()]
    except OSError:
        return []
    for path in names:
        number = path.name.removeprefix("halt-").removesuffix(".bin")
        if path.name == f"halt-{number}.bin" and number.isascii() and number.isdigit():
            found.append((int(number), path))
    return [path for _, path in sorted(found)]
