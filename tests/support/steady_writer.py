# SPDX-License-Identifier: Apache-2.0
"""A client that writes on and on, and keeps what was acknowledged."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from sdk.client import LedgerClient
from sdk.errors import UnavailableError
from sdk.networks import read_network
from sdk.operations import PublishResource
from sdk.results import Receipt
from sdk.signers import KeyStore

AUTHOR = "qcto"
CONTENT = {"languages": {"en": {"a": "b"}}}
ATTEMPT = timedelta(seconds=10)
"""How long one attempt at a write may take; then it is repeated with the same key."""


class SteadyWriter:
    """One write after the other; each is repeated until it is acknowledged."""

    def __init__(self, directory: Path) -> None:
        """`directory` is that of a development network."""
        self.acknowledged: list[Receipt] = []
        """As certified, in the order of the answers."""
        self.attempts_failed = 0
        self.longest_s = 0.0
        """The longest time from a first attempt to the acknowledgement."""
        self._directory = directory
        self._ending = threading.Event()
        self._problem: BaseException | None = None

    def connect(self, *, timeout: timedelta = ATTEMPT) -> LedgerClient:
        """A client that signs for AUTHOR."""
        network = read_network(self._directory)
        signer = KeyStore(network.key_directory / AUTHOR).load("ledger")
        return LedgerClient.connect(self._directory, org=AUTHOR, signer=signer, timeout=timeout)

    def wait_for(self, count: int, *, seconds: float) -> None:
        """Until so many writes are acknowledged."""
        deadline = time.monotonic() + seconds
        while len(self.acknowledged) < count:
            if self._problem is not None:
                raise self._problem
            assert time.monotonic() < deadline, (
                f"{len(self.acknowledged)} writes acknowledged, {self.attempts_failed} attempts failed"
            )
            time.sleep(0.01)

    @contextmanager
    def writing(self) -> Generator[None]:
        """Write within the block; ends with an acknowledgement of the last write."""
        thread = threading.Thread(target=self._run, name="writer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            thread.join()
            if self._problem is not None:
                raise self._problem

    def _run(self) -> None:
        try:
            with self.connect() as client:
                while not self._ending.is_set():
                    self.write(client)
        except BaseException as error:  # noqa: BLE001 - told to who waits
            self._problem = error

    def write(self, client: LedgerClient) -> Receipt:
        """The next write, repeated until it is acknowledged."""
        name = f"labels-{len(self.acknowledged)}"
        operation = PublishResource(name, "DisplayBundle", CONTENT)
        began = time.monotonic()
        receipt = self.repeat(client, operation, sha256(name.encode()).digest()[:16])
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        self.acknowledged.append(receipt)
        return receipt

    def repeat(
        self, client: LedgerClient, operation: PublishResource, key: bytes, *, seconds: float = 60
    ) -> Receipt:
        """This write, repeated for so long under its key until it is acknowledged."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                receipt = client.submit(operation, idempotency_key=key)
            except UnavailableError:
                self.attempts_failed += 1
                if time.monotonic() > deadline:
                    raise
            else:
                assert receipt.applied, receipt
                return receipt
