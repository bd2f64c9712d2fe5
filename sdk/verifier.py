# SPDX-License-Identifier: Apache-2.0
"""The synchronous verifier: the same names as `sdk.aio_verifier`, over a synchronous client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from sdk import aio_verifier
from sdk.aio_verifier import Document, ProvenReport, clock_ms
from sdk.arguments import check_client, check_many
from sdk.background_loop import BackgroundLoop
from sdk.errors import PsetError, UnavailableError
from sdk.policy import Policy
from sdk.reader import VerifiedReader
from sdk.report import VerificationReport
from sdk.results import When
from sdk.verdicts import NO_CONNECTION, NO_TRUST_ROOT
from sdk.verification.documents import DocumentError, parse_document, read_source
from sdk.verification.evaluation import malformed_report, unreachable_report

T = TypeVar("T")


class RunsLedgerReads(Protocol):
    """What a synchronous verifier needs of a client."""

    @property
    def reader(self) -> VerifiedReader: ...

    @property
    def loop(self) -> BackgroundLoop: ...


class Verifier:
    """Verifies credentials against a ledger. Needs no key and no account. Thread-safe."""

    def __init__(
        self,
        client: RunsLedgerReads,
        *,
        policy: Policy | None = None,
        time_ms: Callable[[], int] = clock_ms,
    ) -> None:
        """Args: policy: what is insisted on; time_ms: this computer's clock."""
        check_client(client, "loop", "reader")
        self._loop = client.loop
        self._core = aio_verifier.Verifier(client, policy=policy, time_ms=time_ms)

    @property
    def policy(self) -> Policy:
        return self._core.policy

    def verify(
        self, document: Document, *, at: When = None, request: object | None = None
    ) -> VerificationReport:
        """The report on a document; as `sdk.aio_verifier.Verifier.verify`.

        When the client allows facts to be used again without asking (`max_age` of `connect`), the
        work is done in the calling thread.
        """
        report = self._core.verify_kept(document, at=at, request=request)
        if report is not None:
            return report
        return self._run(self._core.verify(document, at=at, request=request))

    def verify_with_proof(
        self, document: Document, *, at: When = None, request: object | None = None
    ) -> ProvenReport:
        """As `verify`, with everything of the ledger that the report rests on."""
        return self._run(self._core.verify_with_proof(document, at=at, request=request))

    def verify_many(
        self, documents: Iterable[Document], *, workers: int | None = None
    ) -> Iterator[VerificationReport]:
        """The reports on many documents, in their order, one at a time in memory.

        `documents` may be an iterator: the next one is taken when the next report is asked for.
        `workers` is accepted and not needed: the work is one signature for each document.
        """
        del workers
        check_many(documents, "documents")
        return self._verify_each(documents)

    def _verify_each(self, documents: Iterable[Document]) -> Iterator[VerificationReport]:
        for document in documents:
            kept = self._core.verify_in_batch_kept(document)
            yield self._run(self._core.verify_in_batch(document)) if kept is None else kept

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(coroutine)


def verify_without_ledger(document: Document, error: PsetError) -> VerificationReport:
    """The report when no client could be had: what is no credential is found all the same.

    Args:
        document: as for `Verifier.verify`.
        error: why there is no client: code NO_TRUST_ROOT, or anything else for no connection.

    Raises:
        CallerError: FILE_NOT_FOUND, FILE_UNREADABLE.
    """
    try:
        parse_document(read_source(document))
    except DocumentError as fault:
        return malformed_report(fault.text, clock_ms(), next_step=fault.next_step)
    code = NO_TRUST_ROOT if error.code == NO_TRUST_ROOT else NO_CONNECTION
    held = error if isinstance(error, UnavailableError) else None
    return unreachable_report(clock_ms(), code, held)
