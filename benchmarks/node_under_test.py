# SPDX-License-Identifier: Apache-2.0
"""A real network of one validator in a process of its own, seen from outside.

The network is a development network as `pset network up` makes it: default configuration, LevelDB,
TLS.
"""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final

from benchmarks.process_usage import Usage, count_syncs, read_usage
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
        return read_usage(self.pid)

    def author(self) -> Author:
        """The organisation that writes, with its ledger key."""
        return find_author(self.directory, self.genesis)

    def count_syncs(self) -> contextlib.AbstractContextManager[Callable[[], int | None]]:
        """As `benchmarks.process_usage.count_syncs`."""
        return count_syncs(self.pid)


def find_author(directory: Path, genesis: Genesis) -> Author:
    """The organisation that writes on a development network, with its ledger key."""
    for organisation in genesis.organisations:
        if decode(OrganisationRequest, organisation.request).short_name == AUTHOR:
            did = organisation_did(genesis, organisation)
            break
    else:
        raise AssertionError("a development network has this organisation")
    key = decode_key_file((directory / "keys" / AUTHOR / "ledger.key").read_bytes(), None)
    return Author(did, Signer(did, key.key_id, key.key_type, key.public_key), key.sign)


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
