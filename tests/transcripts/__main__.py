# SPDX-License-Identifier: Apache-2.0
"""The report on etcd's transcripts: `python -m tests.transcripts` (PYTHONPATH=.:proto)."""

from __future__ import annotations

import sys

from tests.support.transcripts.suites import SUITES, run_transcript, transcript_paths


def main() -> int:
    """Print each file with the commands that went well; 1 if one differs anywhere."""
    totals = [0, 0, 0]
    for suite in SUITES:
        for path in transcript_paths(suite):
            count, difference = run_transcript(path, suite)
            totals = [totals[0] + 1, totals[1] + count, totals[2] + (difference is not None)]
            verdict = "same" if difference is None else f"DIFFERS after that\n{difference}"
            sys.stdout.write(f"{suite + '/' + path.name:58} {count:4} {verdict}\n")
    sys.stdout.write(f"{totals[0]} files, {totals[1]} commands, {totals[2]} files differ\n")
    return 1 if totals[2] else 0


if __name__ == "__main__":
    sys.exit(main())
