# SPDX-License-Identifier: Apache-2.0
"""The wheel under test, built once from a clean copy of the tree."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "tests", "benchmarks"
)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built through a source distribution, so both are complete; touches no file of ours."""
    tree = tmp_path_factory.mktemp("tree") / "psetledger"
    shutil.copytree(ROOT, tree, ignore=NOT_SOURCE)
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(tree / "dist"),
            str(tree),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = (tree / "dist").glob("*.whl")
    return built
