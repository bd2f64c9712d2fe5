# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import time

import pytest

from benchmarks.process_usage import parse_sync_count, read_usage

ATTACHED = "strace: Process 17 attached with 3 threads\nstrace: Process 17 detached\n"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("syscall             calls\n---- ----\nfdatasync              12\n", 12),
        ("syscall calls\n---\nfdatasync 12\nfsync 3\n--- ---\ntotal 15\n", 15),
        (ATTACHED + "syscall calls\n---\nfsync 3\n---\ntotal 3\n", 3),
        ("strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted\n", None),
        ("", None),
    ],
)
def test_syncs_in_the_summary_of_strace(text: str, count: int | None) -> None:
    assert parse_sync_count(text) == count


def test_what_this_process_uses() -> None:
    before = read_usage(os.getpid())
    while time.process_time() < before.cpu_s + 0.05:
        pass
    after = read_usage(os.getpid())
    assert before.cpu_s < after.cpu_s < before.cpu_s + 10
    assert after.memory_bytes > 2**20
