# SPDX-License-Identifier: Apache-2.0
"""A seed is one run: the same in every process, whatever the order of its sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging, sys
from tests.support.simulation.run import simulate
logging.disable(logging.CRITICAL)
result = simulate(int(sys.argv[1]), sys.argv[2])
print(result.digest, result.steps_count)
"""


def begin(seed: int, profile: str, hash_seed: str) -> subprocess.Popen[str]:
    """A run in a process of its own, which prints digest and steps."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "proto")))
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(seed), profile],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it printed."""
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return printed


@pytest.mark.parametrize(("seed", "profile"), [(1, "crash"), (2, "mixed")])
def test_a_seed_is_the_same_run_in_another_process(seed: int, profile: str) -> None:
    runs = [begin(seed, profile, "1"), begin(seed, profile, "2"), begin(seed + 1, profile, "1")]

    one, again, other = (finish(run) for run in runs)

    assert one == again
    assert one != other
