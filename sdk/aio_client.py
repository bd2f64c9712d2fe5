# SPDX-License-Identifier: Apache-2.0
"""The asynchronous client of a network: verified reads, and writes with proven receipts.

`sdk.client` is the same with synchronous methods. One client belongs to one event loop. Reads are
questions (`sdk.reader`) asked by `sdk.network_reader`; what they make of the state is in the files
named after it. Writes are built and signed in `sdk.submission`, sent here. Long because the promised
surface of one class stands in one place, with its errors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from ledger.model.keys import KeyRole
from ledger.model.verification import TrustRoot
from sdk import accreditations as grants
from sdk import blocks, did_documents, organisations, resources, status_lists
from sdk.arguments import (
    check_bytes,
    check_callable,
    check_duration,
    check_flag,
    check_many,
    check_signer,
    check_signers,
    check_text,
    check_text_or_bytes,
    check_text_or_path,
)
from sdk.authors import Authors
from sdk.clock import clock_ms
from sdk.errors import CallerError
from sdk.evidence import EvidenceStore
from sdk.failover import STATUS_SECONDS_MAX, Failover
from sdk.home import Home
from sdk.light_client import LightClient
from sdk.moments import check_height, day_asked, resolve_moment
from sdk.network_reader import Believer, NetworkReader
from sdk.networks import TRUST_FILE, Network, resolve_network
from sdk.passphrases import find_passphrase
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
from sdk.submitter import AnyOperation, Submitter
from sdk.trust_store import TrustStore
from sdk.unverified import Unverified

TIMEOUT_DEFAULT: Final = timedelta(seconds=30)
MAX_AGE_DEFAULT: Final = timedelta(0)

T = TypeVar("T")


class LedgerClient:
    """A network's ledger as one organisation, or nobody, sees it. Every answer is verified."""

    def __init__(
        self,
        network: Network,
        failover: Failover,
        *,
        home: Home,
        org: Org | None = None,
        signer: Signer | None = None,
        timeout: timedelta = TIMEOUT_DEFAULT,
        max_age: timedelta = MAX_AGE_DEFAULT,
        client_checks: bool = True,
        time_ms: Callable[[], int] = clock_ms,
        believer: Believer | None = None,
        owns_nodes: bool = True,
    ) -> None:
        """Use `connect`; this is for those who bring their own nodes or clock.

        Raises:
            CallerError: NOT_A_DEVELOPMENT_NETWORK: only there the client's checks may be left out.
            CallerError: ARGUMENT_TYPE: org, signer, timeout or max_age; a negative one too.
            TrustError: TRUST_STATE_DAMAGED.
        """
        if org is not None:
            check_text(org, "org")
        if signer is not None:
            check_signer(signer, "signer")
        check_duration(timeout, "timeout")
        check_duration(max_age, "max_age")
        if not client_checks and not network.is_development:
            raise CallerError(
                "only a development network is asked without the client's own checks",
                code="NOT_A_DEVELOPMENT_NETWORK",
                remedy="Leave out --no-client-checks (client_checks=False).",
            )
        self.network = network
        self._home = home
        self._org = org
        self._signer = signer
        self._timeout = timeout
        self._client_checks = client_checks
        self._time_ms = time_ms
        self.believer: Believer = believer or LightClient(
            network.trust_root, TrustStore(network.directory / TRUST_FILE), time_ms=time_ms
        )
        self._failover = failover
        self._owns_nodes = owns_nodes
        self._is_open = False
        seconds = timeout.total_seconds()
        self.reader = NetworkReader(
            self.believer,
            failover,
            EvidenceStore(home.evidence),
            seconds=seconds,
            max_age=max_age,
            time_ms=time_ms,
        )
        self._authors = Authors(
            self.reader,
            org,
            signer,
            key_directories=(network.key_directory, home.keys),
            passphrase=find_passphrase(None),
            is_strict=client_checks,
        )
        self._submitter = Submitter(
            self.reader,
            self.believer,
            failover,
            self._authors,
            genesis=network.genesis,
            seconds=seconds,
            client_checks=client_checks,
            time_ms=time_ms,
        )

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
        """A client of a network; it is reached in `async with`, or at the first call.

        Args:
            network: a configured name, or a directory (a path with a /); None: PSET_NETWORK, the
                profile, `za`.
            org: who acts; needed to write.
            signer: signs what is submitted; None: the organisation's ledger key from the key store.
            timeout: of each call.
            max_age: how long ago a node may have been asked for facts that are used again without
                asking; zero: every read asks for the newest head. That head may always be
                `sdk.policy.HEAD_AGE_MAX` old, and older when this is longer.
            home: instead of PSET_HOME or ~/.pset.
            client_checks: False sends what the SDK would refuse (development networks only).

        Raises:
            CallerError, TrustError: as `sdk.networks.resolve_network`.
            PsetError: NO_TRUST_ROOT.
        """
        if network is not None:
            check_text_or_path(network, "network")
        if home is not None:
            check_text_or_path(home, "home")
        check_flag(client_checks, "client_checks")
        from sdk.transport import GrpcNode

        found = Home.find(home)
        held = resolve_network(network, found)
        nodes = [
            GrpcNode(endpoint.validator, endpoint.address, held.tls_certificate(endpoint.validator))
            for endpoint in held.endpoints
        ]
        return cls(
            held,
            Failover(nodes),
            home=found,
            org=org,
            signer=signer,
            timeout=timeout,
            max_age=max_age,
            client_checks=client_checks,
        )

    async def open(self) -> None:
        """Reach one node and verify its head.

        Raises:
            UnavailableError: no node can be reached.
            TrustError: what answers proves nothing about this network.
        """
        if not self._is_open:
            await self.reader.reach()
            self._is_open = True

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        self.believer.close()
        if self._owns_nodes:
            await self._failover.close()

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<LedgerClient of {self.chain_id} as {self._org or 'nobody'}>"

    @property
    def chain_id(self) -> str:
        return self.network.chain_id

    @property
    def trust(self) -> TrustRoot:
        """Genesis, and the changes of the validators that this client has verified."""
        return self.believer.trust

    @property
    def org(self) -> Org | None:
        """Who acts, as given to `connect`."""
        return self._org

    @property
    def client_checks(self) -> bool:
        """Whether the SDK refuses what it knows the ledger would refuse."""
        return self._client_checks

    @property
    def now_ms(self) -> int:
        """This computer's clock, ms."""
        return self._time_ms()

    def unverified(self) -> LedgerClient:
        """A client that believes whatever a node says, over the same connections.

        Its answers say `verified=False`.
        """
        return LedgerClient(
            self.network,
            self._failover,
            home=self._home,
            org=self._org,
            signer=self._signer,
            timeout=self._timeout,
            client_checks=self._client_checks,
            time_ms=self._time_ms,
            believer=Unverified(self.trust),
            owns_nodes=False,
        )

    # ---- reads

    async def ask(self, question: Callable[[StateView], T]) -> Proven[T]:
        """The answer to a question about the present state (`sdk.reader`), with its proof.

        Raises:
            UnavailableError: STATE_TOO_OLD: nobody proves a state of the last minutes; and as every
                read.
            TrustError.
        """
        check_callable(question, "question")
        return await self._ask(question)

    async def get(self, key: bytes) -> Proven[bytes | None]:
        """The value under a state key; None: proven absent."""
        check_bytes(key, "key")
        return await self.ask(lambda view: view.get(key))

    async def acting_did(self) -> str:
        """The DID of the organisation that acts.

        Raises:
            CallerError: ORGANISATION_MISSING, ORGANISATION_UNKNOWN.
        """
        return await self._authors.did()

    async def stored_signer(
        self, role: KeyRole, passphrase: Callable[[], str] | None = None
    ) -> Signer:
        """The acting organisation's key of a role, from the key store.

        Raises:
            CallerError: ORGANISATION_MISSING, ORGANISATION_UNKNOWN, DID_UNKNOWN.
            KeyAccessError: KEY_ROLE_NOT_HELD, and what its file is refused for.
        """
        return (await self._authors.stored_signer(role, passphrase)).signer

    async def organisation(self, org: Org, *, at: When = None) -> Proven[Organisation]:
        """What is vouched for about an organisation.

        Raises:
            CallerError: ORGANISATION_UNKNOWN, ORGANISATION_MALFORMED, and those of `at`.
        """
        check_text(org, "org")
        at_ms = await self._moment(at)
        name = self.network.genesis.network
        return await self._ask(
            lambda view: organisations.read_organisation(view, org, name, at_ms), at_ms
        )

    async def organisations(self, type: str = "") -> Proven[Sequence[Organisation]]:  # noqa: A002
        """All organisations, or those of one type."""
        check_text(type, "type")
        return await self.ask(lambda view: organisations.list_organisations(view, type))

    async def did_document(self, did: str, *, at: When = None) -> Proven[Mapping[str, Any]]:
        """The W3C DID document.

        Raises:
            CallerError: DID_MALFORMED, DID_UNKNOWN, DID_DEACTIVATED, and those of `at`.
        """
        check_text(did, "did")
        at_ms = await self._moment(at)
        name = self.network.genesis.network
        return await self._ask(
            lambda view: did_documents.read_did_document(view, did, name, at_ms), at_ms
        )

    async def did_history(self, did: str) -> Proven[DidHistory]:
        """Every key a DID ever had, and its version.

        Raises:
            CallerError: DID_MALFORMED, DID_UNKNOWN.
        """
        check_text(did, "did")
        name = self.network.genesis.network
        return await self.ask(
            lambda view: did_documents.make_did_history(
                did_documents.read_did_record(view, did, name)
            )
        )

    async def resource(self, name_or_url: str, *, at: When = None) -> Proven[Resource]:
        """A published document: NAME (its newest version), NAME@VERSION or URL.

        Raises:
            CallerError: RESOURCE_UNKNOWN, RESOURCE_NAME_MALFORMED, and those of `at`.
        """
        check_text(name_or_url, "name_or_url")
        at_ms = await self._moment(at)
        name = self.network.genesis.network
        return await self._ask(
            lambda view: resources.read_resource(view, name_or_url, name, at_ms), at_ms
        )

    async def resources(self, type: str) -> Proven[Sequence[Resource]]:  # noqa: A002
        """The newest version of every document of a type.

        Raises:
            CallerError: RESOURCE_TYPE_UNKNOWN.
        """
        check_text(type, "type")
        held = resources.parse_resource_type(type)
        return await self.ask(lambda view: resources.list_resources(view, held))

    async def accreditations(
        self, org: Org, *, at: When = None, side: grants.Side = "grantee"
    ) -> Proven[Sequence[Accreditation]]:
        """All grants to an organisation (side="grantor": by it), their number proven.

        The status is each grant's own, on the day asked about, as known then.

        Raises:
            CallerError: ORGANISATION_UNKNOWN, ORGANISATION_MALFORMED, and those of `at`.
        """
        check_text(org, "org")
        at_ms = await self._moment(at)
        day = day_asked(at, at_ms, self._time_ms())
        name = self.network.genesis.network
        return await self._ask(
            lambda view: grants.read_accreditations(
                view, org, name, day=day, at_ms=at_ms, side=side
            ),
            at_ms,
        )

    async def accreditation(self, grant_id: str) -> Proven[AccreditationHistory]:
        """One grant with all that happened to it.

        Raises:
            CallerError: GRANT_UNKNOWN.
        """
        check_text(grant_id, "grant_id")
        return await self.ask(lambda view: grants.read_history(view, grant_id))

    async def status_list(self, url: str, *, at: When = None) -> Proven[StatusList]:
        """A whole status list.

        Raises:
            CallerError: STATUS_LIST_UNKNOWN, STATUS_LIST_URL, and those of `at`.
        """
        check_text(url, "url")
        at_ms = await self._moment(at)
        name = self.network.genesis.network
        return await self._ask(
            lambda view: status_lists.read_status_list(view, url, name, at_ms), at_ms
        )

    async def status_lists(self, org: Org) -> Proven[Sequence[str]]:
        """URLs of an organisation's status lists.

        Raises:
            CallerError: ORGANISATION_UNKNOWN, ORGANISATION_MALFORMED.
        """
        check_text(org, "org")
        name = self.network.genesis.network

        def question(view: StateView) -> Sequence[str]:
            return status_lists.list_status_lists(view, organisations.resolve_org(view, org, name))

        return await self.ask(question)

    async def head(self) -> BlockSummary:
        """The newest certified head."""
        return blocks.summarise_head(await self.reader.head(), self.trust)

    async def block(self, height: int) -> BlockSummary:
        """A certified block, from height 1: its transactions and receipts checked against it.

        Raises:
            CallerError: HEIGHT_UNKNOWN.
        """
        check_height(height)
        held = await self.reader.head_at(height)
        return await self.reader.call(
            lambda node, seconds: node.get_block(height, seconds=seconds),
            lambda answer, _floor: blocks.read_block(
                answer, held, self.trust, is_verified=self.believer.is_verifying
            ),
            question=f"block {height}",
        )

    async def node_statuses(self) -> Sequence[tuple[str, NodeStatus | None]]:
        """How each node of this client sees itself, by its name; None: it does not answer.

        Nothing of it is proven.
        """
        seconds = min(self._timeout.total_seconds(), STATUS_SECONDS_MAX)
        found = await self._failover.statuses(seconds=seconds)
        return [(node.name, status) for node, status in found]

    # ---- writes

    async def submit(
        self,
        operation: AnyOperation,
        *,
        wait: Wait = Wait.CERTIFIED,
        idempotency_key: bytes | None = None,
        expires_in: timedelta = EXPIRES_IN_DEFAULT,
        signers: Sequence[Signer] | None = None,
    ) -> Receipt:
        """Ask the ledger to do something; the receipt of what was applied.

        Args:
            operation: from `psetledger.operations`.
            wait: CERTIFIED: until it is final and proven; ACCEPTED: until it is queued.
            idempotency_key: 16 bytes of yours; the same key again gives the first receipt again.
            expires_in: how long it may take to enter a block.
            signers: all keys that sign, instead of the client's one.

        Raises:
            RefusedError: it was not applied; `receipt` says why.
            UnavailableError: no answer in time; `phase` says what is known.
            CallerError, KeyAccessError, TrustError.
        """
        if signers is not None:
            check_signers(signers, "signers")
        return await self._submitter.submit(
            operation,
            wait=wait,
            idempotency_key=idempotency_key,
            expires_in=expires_in,
            signers=signers,
        )

    def submit_many(
        self, operations: Iterable[AnyOperation], *, wait: Wait = Wait.CERTIFIED
    ) -> AsyncIterator[Receipt]:
        """Submit one operation after the other, many in one call; a receipt for each, in order.

        A refusal is a receipt, never an exception.

        Raises:
            UnavailableError, CallerError, KeyAccessError, TrustError: for the rest of them.
        """
        check_many(operations, "operations")
        return self._submitter.submit_many(operations, wait=wait)

    async def dry_run(
        self, operation: AnyOperation, *, signers: Sequence[Signer] | None = None
    ) -> Receipt:
        """The decision that the ledger would take now, by the word of one node. Nothing is written.

        Raises:
            UnavailableError, CallerError, KeyAccessError, TrustError.
        """
        if signers is not None:
            check_signers(signers, "signers")
        return await self._submitter.dry_run(operation, signers=signers)

    async def transaction(self, id_or_key: str | bytes) -> TransactionStatus:
        """What became of a write: by transaction id, or by an idempotency key of the acting org.

        Args:
            id_or_key: 32 bytes or 64 hexadecimal digits: an id; 16 bytes or 32 digits: a key.

        Raises:
            CallerError: TRANSACTION_ID_INVALID, ORGANISATION_MISSING (for a key).
            UnavailableError, TrustError.
        """
        check_text_or_bytes(id_or_key, "id_or_key")
        return await self._submitter.transaction(id_or_key)

    async def _ask(self, question: Callable[[StateView], T], at_ms: int | None = None) -> Proven[T]:
        return (await self.reader.ask(question, reach_ms=at_ms)).to_proven()

    async def _moment(self, at: When) -> int | None:
        return await resolve_moment(at, self.reader, self._time_ms())
