# SPDX-License-Identifier: Apache-2.0
"""The synchronous client: the same names as `sdk.aio_client`, run on an event loop of its own.

Thread-safe, and usable where a loop runs already (a notebook, a web framework's handler): the work
is done in the client's own thread. What each method does and raises is written there.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from ledger.model.verification import TrustRoot
from sdk import aio_client
from sdk.accreditations import Side
from sdk.aio_client import MAX_AGE_DEFAULT, TIMEOUT_DEFAULT
from sdk.background_loop import BackgroundLoop
from sdk.network_reader import NetworkReader
from sdk.networks import Network
from sdk.reader import StateView
from sdk.results import (
    Accreditation,
    AccreditationHistory,
    BlockSummary,
    DidHistory,
    NodeStatus,
    Org,
    Organisation,
    Proven,
    Receipt,
    Resource,
    StatusList,
    TransactionStatus,
    Wait,
    When,
)
from sdk.signers import Signer
from sdk.submission import EXPIRES_IN_DEFAULT
from sdk.submitter import AnyOperation

T = TypeVar("T")


class LedgerClient:
    """A network's ledger as one organisation, or nobody, sees it. Every answer is verified.

    One per process is enough: it is thread-safe. Close it, or use it in a `with` statement.
    """

    def __init__(
        self, client: aio_client.LedgerClient, loop: BackgroundLoop, *, owns_loop: bool = True
    ) -> None:
        """Use `connect`."""
        self._client = client
        self._loop = loop
        self._owns_loop = owns_loop

    @classmethod
    def connect(
        cls,
        network: str | Path | None = None,
        *,
        org: Org | None = None,
        signer: Signer | None = None,
        timeout: timedelta = TIMEOUT_DEFAULT,
        max_age: timedelta = MAX_AGE_DEFAULT,
        home: Path | None = None,
        client_checks: bool = True,
    ) -> Self:
        """Reach one node of a network and verify its head. Arguments: `aio.LedgerClient.connect`.

        Raises:
            UnavailableError: no node can be reached.
            CallerError, TrustError, PsetError: as `sdk.networks.resolve_network`.
        """
        client = aio_client.LedgerClient.connect(
            network,
            org=org,
            signer=signer,
            timeout=timeout,
            max_age=max_age,
            home=home,
            client_checks=client_checks,
        )
        return cls.start(client)

    @classmethod
    def start(cls, client: aio_client.LedgerClient) -> Self:
        """The synchronous face of a client that has not been used yet."""
        loop = BackgroundLoop()
        try:
            loop.run(client.open())
        except BaseException:
            loop.close(client.close)
            raise
        return cls(client, loop)

    def close(self) -> None:
        """Close the connections and the client's thread. Idempotent.

        Calls of other threads that are under way end with CLIENT_CLOSED.
        """
        if self._owns_loop:
            self._loop.close(self._client.close)
        elif not self._loop.is_closed:
            self._loop.run(self._client.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._client)

    # ---- for what is built on top: Accreditor, Issuer, Verifier

    @property
    def aio(self) -> aio_client.LedgerClient:
        """The asynchronous client behind this one; its coroutines go to `run`."""
        return self._client

    @property
    def reader(self) -> NetworkReader:
        """Verified reads of the asynchronous client."""
        return self._client.reader

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that uses `aio`."""
        return self._loop.run(coroutine)

    @property
    def loop(self) -> BackgroundLoop:
        """Where the coroutines run."""
        return self._loop

    # ---- who and where

    @property
    def network(self) -> Network:
        return self._client.network

    @property
    def chain_id(self) -> str:
        return self._client.chain_id

    @property
    def trust(self) -> TrustRoot:
        """As `aio_client.LedgerClient.trust`."""
        return self._client.trust

    @property
    def org(self) -> Org | None:
        """Who acts, as given to `connect`."""
        return self._client.org

    @property
    def client_checks(self) -> bool:
        """Whether the SDK refuses what it knows the ledger would refuse."""
        return self._client.client_checks

    def acting_did(self) -> str:
        """The DID of the organisation that acts."""
        return self.run(self._client.acting_did())

    def unverified(self) -> LedgerClient:
        """A client that believes whatever a node says, over the same connections."""
        return LedgerClient(self._client.unverified(), self._loop, owns_loop=False)

    # ---- reads

    def ask(self, question: Callable[[StateView], T]) -> Proven[T]:
        """The answer to a question about the state (`sdk.reader`), with its proof."""
        return self.run(self._client.ask(question))

    def get(self, key: bytes) -> Proven[bytes | None]:
        """The value under a state key; None: proven absent."""
        return self.run(self._client.get(key))

    def organisation(self, org: Org, *, at: When = None) -> Proven[Organisation]:
        """What is vouched for about an organisation."""
        return self.run(self._client.organisation(org, at=at))

    def organisations(self, type: str = "") -> Proven[Sequence[Organisation]]:  # noqa: A002
        """All organisations, or those of one type."""
        return self.run(self._client.organisations(type))

    def did_document(self, did: str, *, at: When = None) -> Proven[Mapping[str, Any]]:
        """The W3C DID document."""
        return self.run(self._client.did_document(did, at=at))

    def did_history(self, did: str) -> Proven[DidHistory]:
        """Every key a DID ever had, and its version."""
        return self.run(self._client.did_history(did))

    def resource(self, name_or_url: str, *, at: When = None) -> Proven[Resource]:
        """A published document: NAME (its newest version), NAME@VERSION or URL."""
        return self.run(self._client.resource(name_or_url, at=at))

    def resources(self, type: str) -> Proven[Sequence[Resource]]:  # noqa: A002
        """The newest version of every document of a type."""
        return self.run(self._client.resources(type))

    def accreditations(
        self, org: Org, *, at: When = None, side: Side = "grantee"
    ) -> Proven[Sequence[Accreditation]]:
        """All grants to an organisation (side="grantor": by it), their number proven."""
        return self.run(self._client.accreditations(org, at=at, side=side))

    def accreditation(self, grant_id: str) -> Proven[AccreditationHistory]:
        """One grant with all that happened to it."""
        return self.run(self._client.accreditation(grant_id))

    def status_list(self, url: str, *, at: When = None) -> Proven[StatusList]:
        """A whole status list."""
        return self.run(self._client.status_list(url, at=at))

    def status_lists(self, org: Org) -> Proven[Sequence[str]]:
        """URLs of an organisation's status lists."""
        return self.run(self._client.status_lists(org))

    def head(self) -> BlockSummary:
        """The newest certified head."""
        return self.run(self._client.head())

    def block(self, height: int) -> BlockSummary:
        """A certified block, from height 1: its transactions and receipts checked against it."""
        return self.run(self._client.block(height))

    def node_statuses(self) -> Sequence[tuple[str, NodeStatus | None]]:
        """How each node of this client sees itself. Nothing of it is proven."""
        return self.run(self._client.node_statuses())

    # ---- writes

    def submit(
        self,
        operation: AnyOperation,
        *,
        wait: Wait = Wait.CERTIFIED,
        idempotency_key: bytes | None = None,
        expires_in: timedelta = EXPIRES_IN_DEFAULT,
        signers: Sequence[Signer] | None = None,
    ) -> Receipt:
        """Ask the ledger to do something; the receipt of what was applied."""
        return self.run(
            self._client.submit(
                operation,
                wait=wait,
                idempotency_key=idempotency_key,
                expires_in=expires_in,
                signers=signers,
            )
        )

    def submit_many(
        self, operations: Iterable[AnyOperation], *, wait: Wait = Wait.CERTIFIED
    ) -> Iterator[Receipt]:
        """Submit many; a receipt for each, in order. A refusal is a receipt, never an exception."""
        return self._loop.iterate(self._client.submit_many(operations, wait=wait))

    def dry_run(
        self, operation: AnyOperation, *, signers: Sequence[Signer] | None = None
    ) -> Receipt:
        """The decision that the ledger would take now, by the word of one node."""
        return self.run(self._client.dry_run(operation, signers=signers))

    def transaction(self, id_or_key: str | bytes) -> TransactionStatus:
        """What became of a write: by transaction id, or by an idempotency key of the acting org."""
        return self.run(self._client.transaction(id_or_key))
