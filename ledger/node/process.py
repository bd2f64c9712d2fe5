# SPDX-License-Identifier: Apache-2.0
"""A node as a process: its pid file, starting it in the background, stopping it.

The pid file is locked while its process lives, so a stale number is never taken for a node, and a
second node on one home is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

from ledger.node.errors import NodeError

PID_FILE: Final = "node.pid"
OUTPUT_FILE: Final = "node.out"
POLL_SECONDS: Final = 0.02
LOCK_SECONDS_MAX: Final = 0.5
"""How long a starting node tries for the lock before it says that another node has it."""
LOCK_POLL_SECONDS: Final = 0.001
KILL_WAIT_SECONDS: Final = 10.0


@contextlib.contextmanager
def hold_pid_file(home: Path) -> Generator[None]:
    """Hold a home for this process. Raises NodeError (NODE_RUNNING) when another does."""
    descriptor = os.open(home / PID_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _lock(descriptor):
            raise NodeError(
                "NODE_RUNNING",
                f"a node runs on {home} already",
                "Stop it first: pset node stop.",
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock for this process; whoever only looks (`find_process`) holds it for a moment at most."""
    deadline = time.monotonic() + LOCK_SECONDS_MAX
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return True


def find_process(home: Path) -> int | None:
    """The pid of the node that runs on a home, or None."""
    try:
        descriptor = os.open(home / PID_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        text = os.pread(descriptor, 32, 0).strip()
        if not text.isdigit():
            return None  # ended in order, or just starting: nothing to ask the lock for
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None  # nobody holds it
    except BlockingIOError:
        # Read again: it may have been another's before.
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)


class NodeProcess(subprocess.Popen[bytes]):
    """A node that was started here. It outlives this program on purpose."""

    def __del__(self) -> None:
        # Popen's own complains about a process that still runs.
        self.poll()


def spawn_node(home: Path) -> NodeProcess:
    """Start a node in a session of its own; its output goes to `logs/node.out`."""
    logs = home / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = dict(os.environ)
    # The same packages as this process, also where they are not installed.
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    with (logs / OUTPUT_FILE).open("wb") as output:
        return NodeProcess(
            [sys.executable, "-m", "ledger.node.main", "--dir", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            close_fds=True,
        )


def read_output(home: Path) -> str:
    """What a node said when it ended, its last part."""
    try:
        data = (home / "logs" / OUTPUT_FILE).read_bytes()
    except FileNotFoundError:
        return ""
    return data[-4096:].decode(errors="replace").strip()


def stop_process(home: Path, *, grace_seconds: float) -> bool:
    """Ask the node on a home to stop and wait; killed after the grace. False if none ran."""
    pid = find_process(home)
    if pid is None:
        return False
    for signal_number, seconds in (
        (signal.SIGTERM, grace_seconds),
        (signal.SIGKILL, KILL_WAIT_SECONDS),
    ):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if find_process(home) != pid:
                return True
            time.sleep(POLL_SECONDS)
    raise NodeError(
        "NODE_NOT_STOPPING",
        f"process {pid} does not end",
        "Look at the machine: is its disk stuck?",
    )
