# SPDX-License-Identifier: Apache-2.0
"""etcd's transcripts: what a configuration becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.transcripts.suites import run_transcript, transcript_paths

PATHS = transcript_paths("confchange")


def test_there_are_files() -> None:
    assert PATHS


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    count, difference = run_transcript(path, "confchange")
    assert difference is None, f"{count} commands went well, then {difference}"
    assert count > 0
