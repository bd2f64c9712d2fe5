# SPDX-License-Identifier: Apache-2.0
"""A real network for tests: one validator in this process, its state in memory, TLS on loopback.

    pytest_plugins = ["psetledger.testing"]

    def test_mine(ledger_network):
        with ledger_network.connect("qcto") as client:
            ...

It starts in under a second and is gone afterwards. Signatures, proofs and rules are those of every
network; only the disk is missing. Organisations: saqa, che, umalusi and qcto, marked as samples,
with their keys; SAQA holds the root powers. Needs the extra `psetledger[node]` and pytest.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ledger.model.keys import KeyRole, KeyType
from sdk import aio_client
from sdk.background_loop import handle_loop_exception
from sdk.client import LedgerClient
from sdk.operations import EndorseOrganisation
from sdk.organisation_requests import create_request
from sdk.signers import KeyStore, LocalSigner

if TYPE_CHECKING:
    from ledger.node.runtime import NodeRuntime

START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 30.0
KEY_ROLES = (KeyRole.ADMIN, KeyRole.LEDGER, KeyRole.ISSUE)

__all__ = ["LocalNetwork", "ledger_network", "running_network"]


class LocalNetwork:
    """A network of one validator that runs in a thread of this process."""

    def __init__(self, directory: Path) -> None:
        """Make a network in an empty or new directory; `start` runs it."""
        from ledger.node.dev_network import create_network

        self._directory = directory / "network"
        self._home = directory / "home"
        create_network(self._directory, storage="memory")
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
        """Run the validator until `stop`; returns when it serves its first certified block.

        Raises what kept it from starting.
        """
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="psetledger-node", daemon=True
        )
        self._thread.start()
        if not ready.wait(START_SECONDS_MAX):
            self.stop()
            raise TimeoutError("the validator did not start")
        if self._failure is not None:
            self._thread.join(STOP_SECONDS_MAX)
            self._thread = None
            raise self._failure

    def stop(self) -> None:
        """Stop the validator; what it held is gone. Idempotent."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        thread, self._thread = self._thread, None
        with suppress(RuntimeError):  # it ended by itself; its failure is raised below
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(STOP_SECONDS_MAX)
        if self._failure is not None:
            raise self._failure

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

    async def _serve(self, ready: threading.Event) -> None:
        from ledger.node.config import load_config
        from ledger.node.runtime import NodeRuntime

        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(handle_loop_exception)
        self._stopping = asyncio.Event()
        node: NodeRuntime = await NodeRuntime.start(load_config(self._directory / "n1"))
        try:
            await self._serve_first_block(node)
            ready.set()
            await self._wait(node, self._stopping)
        finally:
            await node.stop()

    async def _serve_first_block(self, node: NodeRuntime) -> None:
        """Until a client gets a certified head, so that a call without retries is answered, too."""
        assert self._stopping is not None
        client = self.connect_aio(timeout=timedelta(seconds=START_SECONDS_MAX))
        asking = asyncio.ensure_future(client.head())
        ending = asyncio.ensure_future(self._wait(node, self._stopping))
        try:
            done, _ = await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (asking, ending):
                task.cancel()
            await asyncio.gather(asking, ending, return_exceptions=True)
            await client.close()

    @staticmethod
    async def _wait(node: NodeRuntime, stopping: asyncio.Event) -> None:
        """Until somebody stops it, or it ends by itself, which is a failure of the test."""
        tasks = {asyncio.ensure_future(node.wait()), asyncio.ensure_future(stopping.wait())}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in done:
            task.result()


@contextmanager
def running_network(directory: Path) -> Generator[LocalNetwork]:
    """A network in a directory, stopped at the end."""
    network = LocalNetwork(directory)
    network.start()
    try:
        yield network
    finally:
        network.stop()


@pytest.fixture
def ledger_network(tmp_path: Path) -> Generator[LocalNetwork]:
    """A running network of one validator, for one test."""
    with running_network(tmp_path / "psetledger") as network:
        yield network
