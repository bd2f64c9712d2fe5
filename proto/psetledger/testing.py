# SPDX-License-Identifier: Apache-2.0
"""A real network for tests: its validators in this process, their state in memory, TLS on loopback.

    pytest_plugins = ["psetledger.testing"]

    def test_mine(ledger_network):
        with ledger_network.connect("qcto") as client:
            ...

    @pytest.mark.parametrize("ledger_network", [3], indirect=True)
    def test_without_the_leader(ledger_network):
        ledger_network.stop_node(ledger_network.leader)
        ...

One validator starts in under a second and is gone afterwards. Signatures, proofs and rules are those
of every network; only the disk is missing. Organisations: saqa, che, umalusi and qcto, marked as
samples, with their keys; SAQA holds the root powers. Needs the extra `psetledger[node]` and pytest.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ledger.model.keys import KeyRole, KeyType
from sdk import aio_client
from sdk.background_loop import handle_loop_exception
from sdk.client import LedgerClient
from sdk.failover import Failover
from sdk.home import Home
from sdk.networks import resolve_network
from sdk.operations import EndorseOrganisation
from sdk.organisation_requests import create_request
from sdk.signers import KeyStore, LocalSigner
from sdk.transport import GrpcNode

if TYPE_CHECKING:
    from ledger.node.runtime import NodeRuntime

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.02
KEY_ROLES = (KeyRole.ADMIN, KeyRole.LEDGER, KeyRole.ISSUE)

__all__ = ["LocalNetwork", "ledger_network", "local_network", "running_network"]


class LocalNetwork:
    """A network whose validators run in a thread of this process."""

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 1,
        fault_model: str = "crash",
        storage: str = "memory",
    ) -> None:
        """Make a network; `start` runs it.

        Args:
            directory: empty or new.
            nodes: validators n1, n2 …
            fault_model: `crash` or `byzantine`.
            storage: `memory`, or `leveldb` for validators that are started again.
        """
        from ledger.node.dev_network import create_network

        self._directory = directory / "network"
        self._home = directory / "home"
        self._storage = storage
        create_network(self._directory, nodes=nodes, storage=storage, fault_model=fault_model)
        self._names = tuple(f"n{number}" for number in range(1, nodes + 1))
        self._nodes: dict[str, NodeRuntime] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: BaseException | None = None

    @property
    def directory(self) -> Path:
        """What `LedgerClient.connect` and `pset --network` take."""
        return self._directory

    @property
    def home(self) -> Path:
        """A PSET_HOME for this network alone."""
        return self._home

    def start(self) -> None:
        """Run the validators until `stop`; returns when each serves its first certified block.

        Raises what kept one from starting.
        """
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="psetledger-node", daemon=True
        )
        self._thread.start()
        if not ready.wait(START_SECONDS_MAX):
            self.stop()
            raise TimeoutError("the network did not start")
        if self._failure is not None:
            self._thread.join(STOP_SECONDS_MAX)
            self._thread = None
            raise self._failure

    def stop(self) -> None:
        """Stop the validators; what they held in memory is gone. Idempotent."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        thread, self._thread = self._thread, None
        with suppress(RuntimeError):  # it ended by itself; its failure is raised below
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(STOP_SECONDS_MAX)
        if self._failure is not None:
            raise self._failure

    @property
    def nodes(self) -> Sequence[str]:
        """Ids of the validators that run now."""
        return tuple(name for name in self._names if name in self._nodes)

    @property
    def leader(self) -> str:
        """Id of the validator that leads, by the word of one that runs; waits until one does.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + START_SECONDS_MAX
        with self.connect() as client:
            while time.monotonic() < deadline:
                for _, status in client.node_statuses():
                    if status is not None and status.leader in self._nodes:
                        return status.leader
                time.sleep(POLL_SECONDS)
        raise TimeoutError("no validator leads")

    def stop_node(self, name: str) -> None:
        """Stop one validator; the others go on, if they are enough. Raises ValueError."""
        node = self._nodes.pop(name, None)
        if node is None:
            raise ValueError(f"{name} is no validator that runs")
        self._call(node.stop())

    def start_node(self, name: str) -> None:
        """Start a validator again; returns when it serves a certified block.

        Raises ValueError where it was in memory: under its key a validator votes only with the record
        of its votes.
        """
        if self._storage == "memory":
            raise ValueError("what was in memory is gone: use storage='leveldb'")
        if name not in self._names or name in self._nodes:
            raise ValueError(f"{name} is no validator that was stopped")
        self._call(self._start_nodes([name]))

    def connect(self, org: str | None = None, **options: Any) -> LedgerClient:
        """A synchronous client, acting for `org` with its stored ledger key.

        Options are those of `LedgerClient.connect`.
        """
        options.setdefault("home", self._home)
        return LedgerClient.connect(self._directory, org=org, **options)

    def connect_aio(self, org: str | None = None, **options: Any) -> aio_client.LedgerClient:
        """As `connect`, asynchronous."""
        options.setdefault("home", self._home)
        return aio_client.LedgerClient.connect(self._directory, org=org, **options)

    def key_store(self, org: str) -> KeyStore:
        """The keys of an organisation, by its short name."""
        return KeyStore(self._directory / "keys" / org)

    def signer(self, org: str, role: str = "ledger") -> LocalSigner:
        """An organisation's key: admin, ledger or issue."""
        return self.key_store(org).load(role)

    def add_organisation(
        self,
        short_name: str,
        *,
        type: str,  # noqa: A002 (the organisation's type, as everywhere)
        name: str | None = None,
        endorser: str = "saqa",
        codes: Mapping[str, str] | None = None,
    ) -> str:
        """Make an organisation with an admin, a ledger and an issue key; its DID."""
        store = self.key_store(short_name)
        for role in KEY_ROLES:
            store.generate(role.label, role, KeyType.ED25519)
        with self.connect(endorser) as client:
            request = create_request(
                network=client.network.genesis.network,
                short_name=short_name,
                name=name or f"{short_name} (sample)",
                type=type,
                keys=[(role, store.load(role.label)) for role in KEY_ROLES],
            )
            client.submit(EndorseOrganisation(request, dict(codes or {})))
        return request.did

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:  # noqa: BLE001 (handed to whoever started or stops it)
            self._failure = error
        finally:
            ready.set()

    def _call(self, awaitable: Coroutine[Any, Any, None]) -> None:
        """Run something in the validators' thread."""
        if self._thread is None or self._loop is None:
            awaitable.close()
            raise ValueError("the network does not run")
        asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(
            START_SECONDS_MAX + STOP_SECONDS_MAX
        )

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(handle_loop_exception)
        self._stopping = asyncio.Event()
        stopped = asyncio.ensure_future(self._stopping.wait())
        starting = asyncio.ensure_future(self._start_nodes(self._names))
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                ready.set()
                await stopped
            if self._failure is not None:
                raise self._failure
        finally:
            for task in (starting, stopped):
                task.cancel()
            await asyncio.gather(starting, stopped, return_exceptions=True)
            nodes, self._nodes = tuple(self._nodes.values()), {}
            # All at once: those that are left would lack a quorum.
            await asyncio.gather(*(node.stop() for node in nodes))

    async def _start_nodes(self, names: Sequence[str]) -> None:
        from ledger.node.config import load_config
        from ledger.node.runtime import NodeRuntime

        for name in names:
            node = await NodeRuntime.start(load_config(self._directory / name))
            self._nodes[name] = node
            watch = asyncio.ensure_future(self._watch(name, node))
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)
        await asyncio.gather(*(self._wait_until_served(name) for name in names))

    async def _wait_until_served(self, name: str) -> None:
        """Until a client gets a certified head, so that a call without retries is answered, too."""
        network = resolve_network(self._directory, Home.find(self._home))
        nodes = [
            GrpcNode(endpoint.validator, endpoint.address, network.tls_certificate(name))
            for endpoint in network.endpoints
            if endpoint.validator == name
        ]
        failover = Failover(nodes)
        try:
            await failover.run(
                lambda node, seconds: node.get_head(seconds=seconds), seconds=START_SECONDS_MAX
            )
        finally:
            await failover.close()

    async def _watch(self, name: str, node: NodeRuntime) -> None:
        """A validator that ends by itself is a failure of the test."""
        failure: BaseException = RuntimeError(f"{name} ended by itself")
        try:
            await node.wait()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 (handed to whoever started or stops it)
            failure = error
        if self._nodes.get(name) is node and self._stopping is not None:
            self._failure = self._failure or failure
            self._stopping.set()


@contextmanager
def running_network(directory: Path, **options: Any) -> Generator[LocalNetwork]:
    """A network in a directory, stopped at the end. Options are those of `LocalNetwork`."""
    network = LocalNetwork(directory, **options)
    network.start()
    try:
        yield network
    finally:
        network.stop()


@contextmanager
def local_network(
    nodes: int = 1, *, fault_model: str = "crash", storage: str = "memory"
) -> Generator[LocalNetwork]:
    """A network in a directory of its own, both gone at the end: for tests without pytest."""
    with (
        tempfile.TemporaryDirectory(prefix="psetledger-") as directory,
        running_network(
            Path(directory), nodes=nodes, fault_model=fault_model, storage=storage
        ) as network,
    ):
        yield network


@pytest.fixture
def ledger_network(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[LocalNetwork]:
    """A running network for one test: of one validator, or of as many as its indirect parameter."""
    nodes: int = getattr(request, "param", 1)
    with running_network(tmp_path / "psetledger", nodes=nodes) as network:
        yield network
