# SPDX-License-Identifier: Apache-2.0
"""What a validator writes down when its result of a block is not the certified one.

The report holds no more than the block's writes: public state that this node computed, under keys
that whoever compares two nodes can decode.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Final

from ledger.model.block import Vote
from ledger.model.codec import decode
from ledger.node.finality import DivergenceError
from ledger.node.keys import write_new_file

_log = logging.getLogger(__name__)

REPORTS_DIRECTORY: Final = "reports"


def report_divergence(home: Path, error: DivergenceError) -> None:
    """Write `reports/divergence-HEIGHT.json`; a report that is there stays as it is."""
    executed = error.provisional.executed
    own = decode(Vote, executed.encoded_vote)
    document = {
        "format": "psetledger-divergence/1",
        "height": error.provisional.height,
        "block_hash": executed.block.block_hash.hex(),
        "own": _describe(own),
        "certified": _describe(error.vote),
        "receipts": [receipt.hex() for receipt in executed.result.encoded_receipts],
        "writes": [
            {"key": key.hex(), "value": None if value is None else value.hex()}
            for key, value in executed.result.writes
        ],
    }
    path = home / REPORTS_DIRECTORY / f"divergence-{error.provisional.height}.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        write_new_file(path, json.dumps(document, indent=1).encode())
    _log.critical("divergence height=%d report=%s", error.provisional.height, path)


def _describe(vote: Vote) -> dict[str, str]:
    return {
        "state_root": vote.state_root.hex(),
        "receipts_root": vote.receipts_root.hex(),
        "log_root": vote.log_root.hex(),
    }
