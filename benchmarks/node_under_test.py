# SPDX-License-Identifier: Apache-2.0
"""A real network of one validator in a process of its own, seen from outside.

The network is a development network as `pset network up` makes it: default configuration, LevelDB,
TLS. What it consumes is read from /proc; syncs are counted by strace, where that may be used.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.samples import Author
from ledger.api.probe import NodeProbe, ProbeError
from ledger.model.codec import decode
from ledger.model.genesis import Genesis, organisation_did
from ledger.model.keyfile import decode_key_file
from ledger.model.operations import OrganisationRequest
from ledger.model.transaction import Signer
from ledger.model.verification import TrustRoot, make_trust_root
from ledger.node.config import load_config
from ledger.node.dev_network import create_network
from ledger.node.process import POLL_SECONDS, read_output, spawn_node

AUTHOR: Final = "qcto"
VALIDATOR: Final = "n1"
START_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 30.0
STRACE_SECONDS_MAX: Final = 10.0

_CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What the node's process has used since it started."""

    cpu_s: float
    written_bytes: int
    """Sent to the disk, as the kernel counts."""
    memory_bytes: int
    """Its own; pages of files that the kernel may drop are left out."""


class NodeUnderTest:
    """A running validator and its network."""

    def __init__(self, directory: Path, genesis: Genesis, pid: int) -> None:
        """Use `run_node`."""
        self.directory = directory
        self.genesis = genesis
        self.pid = pid
        self.trust: TrustRoot = make_trust_root(genesis)
        self.address = load_config(directory / VALIDATOR).api.listen
        self.tls_root = ssl.DER_cert_to_PEM_cert(genesis.validators[0].tls_certificate).encode()

    def usage(self) -> Usage:
        """What it has used up to now."""
        process = Path("/proc") / str(self.pid)
        fields = (process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        written = re.search(
            r"^write_bytes: (\d+)", (process / "io").read_text("ascii"), re.MULTILINE
        )
        own = re.search(
            r"^RssAnon:\s+(\d+) kB", (process / "status").read_text("utf-8"), re.MULTILINE
        )
        return Usage(
            cpu_s=(int(fields[11]) + int(fields[12])) / _CLOCK_TICKS,
            written_bytes=int(written[1]) if written else 0,
            memory_bytes=int(own[1]) * 1024 if own else 0,
        )

    def author(self) -> Author:
        """The organisation that writes, with its ledger key."""
        for organisation in self.genesis.organisations:
            if decode(OrganisationRequest, organisation.request).short_name == AUTHOR:
                did = organisation_did(self.genesis, organisation)
                break
        else:
            raise AssertionError("a development network has this organisation")
        path = self.directory / "keys" / AUTHOR / "ledger.key"
        key = decode_key_file(path.read_bytes(), None)
        return Author(did, Signer(did, key.key_id, key.key_type, key.public_key), key.sign)

    @contextlib.contextmanager
    def count_syncs(self) -> Generator[Callable[[], int | None]]:
        """Count fsync and fdatasync within the block, afterwards told by what it yields.

        None where strace is missing or may not look. It slows the node: time nothing within.
        """
        tracer = _attach_strace(self.pid)
        counted: list[int | None] = []
        try:
            yield lambda: counted[0]
        finally:
            counted.append(None if tracer is None else _detach_strace(tracer))


@contextlib.contextmanager
def run_node(directory: Path) -> Generator[NodeUnderTest]:
    """A network in a new directory, started, then stopped and removed.

    Raises RuntimeError when it certifies nothing within START_SECONDS_MAX.
    """
    network = directory / "network"
    genesis = create_network(network, nodes=1, storage="leveldb")
    home = network / VALIDATOR
    try:
        with spawn_node(home) as process:
            try:
                node = NodeUnderTest(network, genesis, process.pid)
                _wait_until_certified(node, process)
                yield node
            finally:
                process.terminate()
                process.wait(timeout=STOP_SECONDS_MAX)
    finally:
        shutil.rmtree(network)


def _wait_until_certified(node: NodeUnderTest, process: subprocess.Popen[bytes]) -> None:
    certificate = node.genesis.validators[0].tls_certificate
    deadline = time.monotonic() + START_SECONDS_MAX
    with NodeProbe(node.address, VALIDATOR, certificate) as probe:
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(ProbeError):
                if probe.get_status(timeout_seconds=START_SECONDS_MAX).height > 0:
                    return
            time.sleep(POLL_SECONDS)
    raise RuntimeError(f"the node did not start: {read_output(node.directory / VALIDATOR)}")


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
