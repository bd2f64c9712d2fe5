# SPDX-License-Identifier: Apache-2.0
"""Evidence: answers of nodes that did not prove what they said, kept for the network's operators.

One JSON file for each in HOME/evidence: what was asked, what was answered, which step failed, and
the highest head known before. Everything in it is public data of the ledger; keys, signatures of
this user's writes still on their way and credentials never enter it.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.model.codec import encode
from ledger.model.verification import ProofError, VerifiedHead
from sdk.errors import CallerError
from sdk.home import write_file

EVIDENCE_FORMAT: Final = "psetledger-evidence/1"
EVIDENCE_COUNT_MAX: Final = 1_000
"""Files kept; when there are as many, no more are written."""


@dataclass(frozen=True, slots=True)
class EvidenceStore:
    """Where evidence is kept."""

    directory: Path

    def keep(
        self,
        error: ProofError,
        *,
        chain_id: str,
        endpoint: str,
        question: str,
        answer: bytes,
        highest: VerifiedHead | None,
        time_ms: int,
    ) -> Path:
        """Write one piece of evidence; its path, or the directory when nothing could be written."""
        document: dict[str, Any] = {
            "format": EVIDENCE_FORMAT,
            "chain_id": chain_id,
            "endpoint": endpoint,
            "time": time_ms,
            "code": error.code,
            "text": error.text,
            "question": question,
            "answer": b64encode(answer).decode(),
            "highest_head": None
            if highest is None
            else b64encode(encode(highest.encoded)).decode(),
        }
        path = self.directory / f"{time_ms}-{error.code.lower()}-{secrets.token_hex(4)}.json"
        try:
            if self.directory.is_dir() and _is_full(self.directory):
                return self.directory
            write_file(path, json.dumps(document).encode())
        except (CallerError, OSError):
            # The refusal itself must reach the caller, whatever the disk says.
            return self.directory
        return path


def _is_full(directory: Path) -> bool:
    return sum(1 for _ in directory.iterdir()) >= EVIDENCE_COUNT_MAX
