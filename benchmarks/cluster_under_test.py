# SPDX-License-Identifier: Apache-2.0
"""A real network of several validators, a process each, seen from outside.

The network is a development network as `pset network up` makes it: default configuration, LevelDB,
TLS between clients and validators and among validators.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.node_under_test import find_author
from benchmarks.process_usage import Usage, count_syncs, read_usage
from benchmarks.samples import Author
from ledger.api.ports import NodeStatus
from ledger.api.probe import NodeProbe
from ledger.model.genesis import Genesis
from ledger.model.verification import TrustRoot, make_trust_root
from ledger.node.dev_network import create_network, validators_in_order
from ledger.node.dev_processes import start_network, stop_network
from ledger.node.process import POLL_SECONDS

ANSWER_SECONDS_MAX: Final = 10.0
SETTLE_SECONDS_MAX: Final = 30.0
"""How long the slowest validator may take to certify what the first one answered."""


@dataclass(frozen=True, slots=True)
class Member:
    """A running validator."""

    validator_id: str
    address: str
    tls_root: bytes
    """The certificate of its record, PEM."""
    pid: int
    probe: NodeProbe


@dataclass(frozen=True, slots=True)
class Leadership:
    """Who leads in which term."""

    term: int
    leader: str


class ClusterUnderTest:
    """A running network of several validators."""

    def __init__(self, directory: Path, genesis: Genesis, members: Sequence[Member]) -> None:
        """Use `run_cluster`."""
        self.directory = directory
        self.genesis = genesis
        self.members = members
        self.trust: TrustRoot = make_trust_root(genesis)

    def author(self) -> Author:
        """The organisation that writes, with its ledger key."""
        return find_author(self.directory, self.genesis)

    def usage(self) -> Mapping[str, Usage]:
        """What each validator's process has used up to now, by id."""
        return {member.validator_id: read_usage(member.pid) for member in self.members}

    def find_member(self, validator_id: str) -> Member:
        """One of them by its id."""
        return next(member for member in self.members if member.validator_id == validator_id)

    def find_leadership(self) -> Leadership:
        """Who leads, by the word of the highest term. Raises TimeoutError when nobody knows."""
        known: list[NodeStatus] = []

        def is_known() -> bool:
            known[:] = [status for status in self._ask() if status.leader]
            return bool(known)

        _wait(is_known, "no validator knows who leads")
        newest = max(known, key=lambda status: status.term)
        return Leadership(newest.term, newest.leader)

    def settle(self) -> None:
        """Wait until every validator has certified what any has by now. Raises TimeoutError."""
        height = max(status.height for status in self._ask())
        _wait(
            lambda: all(status.height >= height for status in self._ask()),
            f"not every validator has certified height {height}",
        )

    @contextlib.contextmanager
    def count_syncs(self) -> Generator[Callable[[], Mapping[str, int] | None]]:
        """Count fsync and fdatasync of each validator within the block, by id, told afterwards.

        None where one of them cannot be counted. It slows them: time nothing within.
        """
        counts: dict[str, Callable[[], int | None]] = {}

        def read() -> Mapping[str, int] | None:
            found = {validator_id: count() for validator_id, count in counts.items()}
            known = {validator_id: n for validator_id, n in found.items() if n is not None}
            return known if len(known) == len(found) else None

        with contextlib.ExitStack() as stack:
            for member in self.members:
                counts[member.validator_id] = stack.enter_context(count_syncs(member.pid))
            yield read

    def _ask(self) -> list[NodeStatus]:
        return [
            member.probe.get_status(timeout_seconds=ANSWER_SECONDS_MAX) for member in self.members
        ]


@contextlib.contextmanager
def run_cluster(
    directory: Path, *, validators: int, fault_model: str, certificate_scheme: str
) -> Generator[ClusterUnderTest]:
    """A network in a new directory, started, then stopped and removed.

    Raises NodeError (NODE_NOT_STARTED) when it certifies nothing.
    """
    network = directory / "cluster"
    genesis = create_network(
        network,
        nodes=validators,
        storage="leveldb",
        fault_model=fault_model,
        certificate_scheme=certificate_scheme,
    )
    try:
        states = start_network(network)
        try:
            with contextlib.ExitStack() as stack:
                members: list[Member] = []
                for state, record in zip(states, validators_in_order(genesis), strict=True):
                    if state.pid is None or state.validator != record.id:
                        raise AssertionError(f"{record.id} was started and is first in its place")
                    probe = NodeProbe(state.address, record.id, record.tls_certificate)
                    stack.enter_context(probe)
                    tls_root = ssl.DER_cert_to_PEM_cert(record.tls_certificate).encode()
                    members.append(Member(record.id, state.address, tls_root, state.pid, probe))
                yield ClusterUnderTest(network, genesis, members)
        finally:
            stop_network(network)
            for state in states:
                if state.pid is not None:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(state.pid, 0)  # it released its home before it ended
    finally:
        shutil.rmtree(network)


def _wait(condition: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(problem)
        time.sleep(POLL_SECONDS)
