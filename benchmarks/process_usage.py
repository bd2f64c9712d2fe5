# SPDX-License-Identifier: Apache-2.0
"""What a process consumes, seen from outside: /proc, and strace for its syncs where that may be used."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STRACE_SECONDS_MAX: Final = 10.0

_CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since it started."""

    cpu_s: float
    written_bytes: int
    """Sent to the disk, as the kernel counts."""
    memory_bytes: int
    """Its own; pages of files that the kernel may drop are left out."""


def read_usage(pid: int) -> Usage:
    """What a process has used up to now."""
    process = Path("/proc") / str(pid)
    fields = (process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    written = re.search(r"^write_bytes: (\d+)", (process / "io").read_text("ascii"), re.MULTILINE)
    own = re.search(r"^RssAnon:\s+(\d+) kB", (process / "status").read_text("utf-8"), re.MULTILINE)
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / _CLOCK_TICKS,
        written_bytes=int(written[1]) if written else 0,
        memory_bytes=int(own[1]) * 1024 if own else 0,
    )


@contextlib.contextmanager
def count_syncs(pid: int) -> Generator[Callable[[], int | None]]:
    """Count a process's fsync and fdatasync within the block, afterwards told by what it yields.

    None where strace is missing or may not look. It slows the process: time nothing within.
    """
    tracer = _attach_strace(pid)
    counted: list[int | None] = []
    try:
        yield lambda: counted[0]
    finally:
        counted.append(None if tracer is None else _detach_strace(tracer))


def _attach_strace(pid: int) -> subprocess.Popen[str] | None:
    command = shutil.which("strace")
    if command is None:
        return None
    tracer = subprocess.Popen(
        [command, "-f", "-c", "-U", "name,calls", "-e", "trace=fsync,fdatasync", "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + STRACE_SECONDS_MAX
    while time.monotonic() < deadline and tracer.poll() is None:
        if _is_traced(pid, tracer.pid):
            return tracer
        time.sleep(0.01)
    tracer.kill()
    tracer.communicate()
    return None


def _is_traced(pid: int, tracer: int) -> bool:
    """Whether every thread of a process is being traced."""
    statuses = [
        (thread / "status").read_text(encoding="utf-8")
        for thread in (Path("/proc") / str(pid) / "task").iterdir()
    ]
    return all(f"TracerPid:\t{tracer}\n" in status for status in statuses)


def _detach_strace(tracer: subprocess.Popen[str]) -> int | None:
    tracer.send_signal(signal.SIGINT)
    try:
        _, text = tracer.communicate(timeout=STRACE_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        tracer.kill()
        tracer.communicate()
        return None
    return parse_sync_count(text)


def parse_sync_count(text: str) -> int | None:
    """Calls of fsync and fdatasync in a summary of strace; None when there is no summary."""
    counts = re.findall(r"^\s*(?:fsync|fdatasync)\s+(\d+)\s*$", text, re.MULTILINE)
    if not counts and "calls" not in text:
        return None
    return sum(int(count) for count in counts)
