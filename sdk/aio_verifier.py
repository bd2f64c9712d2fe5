# SPDX-License-Identifier: Apache-2.0
"""Checking what somebody handed in: is it good, who says so, and how fresh is that answer?

`sdk.verifier` is the same with synchronous methods.

Rules of this file:
- A bad document is a report, whatever its bytes; only a bad call, a lying node or an own bug raises.
- What cannot be looked up is UNKNOWN, never valid and never invalid.
- Facts about an issuer are kept. They are used again when the ledger shows, in that call, that its
  state is still the same; without asking only as long as the client's own `max_age` allows (within
  `verify_many` for BATCH_MAX_AGE), and never once this client has seen a newer block.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from sdk.arguments import check_callable, check_client, check_instance, check_many
from sdk.errors import UnavailableError
from sdk.moments import resolve_moment
from sdk.policy import Policy
from sdk.proof_files import encode_proof_set_file
from sdk.reader import StateView, VerifiedReader
from sdk.report import VerificationReport
from sdk.results import When
from sdk.verification.checks import EntryHistory, Moment, moment_of
from sdk.verification.documents import (
    DocumentError,
    ParsedDocument,
    StatusPlace,
    parse_document,
    read_source,
)
from sdk.verification.evaluation import (
    KnownFacts,
    evaluate,
    facts_wanted,
    histories_wanted,
    malformed_report,
    network_finding,
    unreachable_report,
    unreadable_network_report,
)
from sdk.verification.ledger_facts import (
    FactsWanted,
    LedgerFacts,
    ask_change_times,
    ask_ledger_facts,
)

Document = bytes | str | Path

BATCH_MAX_AGE: Final = timedelta(seconds=1)
"""How long facts serve for the documents of one `verify_many`: forty documents of one college ask
the ledger once."""
KNOWN_FACTS_COUNT_MAX: Final = 256
"""Issuers, each with one template and qualification, whose facts are kept."""

_NO_TIME: Final = timedelta()
_NO_HISTORIES: Final[dict[StatusPlace, EntryHistory]] = {}


class LedgerReads(Protocol):
    """What a verifier needs of a client."""

    @property
    def reader(self) -> VerifiedReader: ...


@dataclass(frozen=True, slots=True)
class ProvenReport:
    """A report, and the proof of what it rests on."""

    report: VerificationReport
    proof: bytes
    """A proof file (`pset ledger check-proof`); empty when there is none, or it would be too large."""
    rests_on_ledger: bool
    """False: nothing that the ledger proves was needed, or could be had."""


@dataclass(frozen=True, slots=True)
class _Kept:
    known: KnownFacts
    asked_at: float
    """Monotonic seconds."""


class Verifier:
    """Verifies credentials against a ledger. Needs no key and no account. Thread-safe."""

    def __init__(
        self,
        client: LedgerReads,
        *,
        policy: Policy | None = None,
        time_ms: Callable[[], int] | None = None,
    ) -> None:
        """Args: policy: what is insisted on; time_ms: this computer's clock."""
        check_client(client, "reader")
        if policy is not None:
            check_instance(policy, Policy, "policy")
        if time_ms is not None:
            check_callable(time_ms, "time_ms")
        self._reader = client.reader
        self._policy = policy or Policy()
        self._time_ms = time_ms or clock_ms
        self._lock = threading.Lock()
        self._kept: OrderedDict[FactsWanted, _Kept] = OrderedDict()

    @property
    def policy(self) -> Policy:
        return self._policy

    async def verify(
        self, document: Document, *, at: When = None, request: object | None = None
    ) -> VerificationReport:
        """The report on a document.

        Args:
            document: the bytes or the text of a credential, or the path of a file.
            at: today's records asked about that day, instant or height; None: now.
            request: a presentation request that the document should answer. A plain credential
                never does.

        Raises:
            CallerError: FILE_NOT_FOUND, FILE_UNREADABLE, AT_IN_FUTURE, HEIGHT_UNKNOWN,
                TIME_ZONE_MISSING, DATE_OUT_OF_RANGE.
            TrustError: a node answered what it cannot prove.
        """
        return await self._verify(document, self._reader.max_age, at=at, request=request)

    async def verify_with_proof(
        self, document: Document, *, at: When = None, request: object | None = None
    ) -> ProvenReport:
        """As `verify`, with everything of the ledger that the report rests on.

        Nothing that was asked before is used again, so the proof is whole. It shows which issuer was
        looked up, and never which credential. The time of a block named by its height is not in it.

        Raises:
            As `verify`.
        """
        views: list[StateView] = []
        report = await self._verify(document, _NO_TIME, at=at, request=request, views=views)
        states = [state for view in views for state in view.proven_states()]
        return ProvenReport(report, encode_proof_set_file(states), rests_on_ledger=bool(states))

    async def _verify(
        self,
        document: Document,
        max_age: timedelta,
        *,
        at: When = None,
        request: object | None = None,
        views: list[StateView] | None = None,
    ) -> VerificationReport:
        """`views`: takes what is asked, all of it; None: what is known serves."""
        parsed = self._parse(document)
        if isinstance(parsed, VerificationReport):
            return parsed
        try:
            time_asked = await resolve_moment(at, self._reader, self._time_ms())
            known = await self._know(parsed, max_age, views)
            moment = self._moment(at, time_asked, known)
            histories = await self._read_histories(parsed, known, moment, views)
        except UnavailableError as error:
            if views is not None:
                views.clear()
            return unreachable_report(self._time_ms(), error=error)
        return evaluate(
            parsed,
            known,
            moment,
            self._policy,
            histories=histories,
            has_request=request is not None,
        )

    def verify_kept(
        self, document: Document, *, at: When = None, request: object | None = None
    ) -> VerificationReport | None:
        """The report when it needs nothing of the network, otherwise None; never waits.

        Raises:
            CallerError: FILE_NOT_FOUND, FILE_UNREADABLE.
        """
        if at is not None:
            return None
        return self._verify_kept(document, self._reader.max_age, has_request=request is not None)

    def _verify_kept(
        self, document: Document, max_age: timedelta, *, has_request: bool = False
    ) -> VerificationReport | None:
        parsed = self._parse(document)
        if isinstance(parsed, VerificationReport):
            return parsed
        known = self._recall(facts_wanted(parsed), max_age)
        if known is None:
            return None
        moment = self._moment(None, None, known)
        if histories_wanted(parsed, known, moment):
            return None
        return evaluate(
            parsed,
            known,
            moment,
            self._policy,
            histories=_NO_HISTORIES,
            has_request=has_request,
        )

    def verify_many(
        self,
        documents: Iterable[Document] | AsyncIterable[Document],
        *,
        workers: int | None = None,
    ) -> AsyncIterator[VerificationReport]:
        """The reports on many documents, in their order, one at a time in memory.

        Args:
            documents: as for `verify`.
            workers: accepted for later; the facts of one issuer are shared, so the work is one
                signature for each document.

        Raises:
            As `verify`, for the document that is next.
        """
        del workers
        check_many(documents, "documents")
        return self._verify_each(documents)

    async def _verify_each(
        self, documents: Iterable[Document] | AsyncIterable[Document]
    ) -> AsyncIterator[VerificationReport]:
        if isinstance(documents, AsyncIterable):
            async for document in documents:
                yield await self.verify_in_batch(document)
        else:
            for document in documents:
                yield await self.verify_in_batch(document)

    async def verify_in_batch(self, document: Document) -> VerificationReport:
        """As `verify`, for one of many: what was known a moment ago serves again."""
        kept = self.verify_in_batch_kept(document)
        return await self._verify(document, self._batch_max_age) if kept is None else kept

    def verify_in_batch_kept(self, document: Document) -> VerificationReport | None:
        """As `verify_kept`, for one of many."""
        return self._verify_kept(document, self._batch_max_age)

    @property
    def _batch_max_age(self) -> timedelta:
        return max(BATCH_MAX_AGE, self._reader.max_age)

    def _parse(self, document: Document) -> ParsedDocument | VerificationReport:
        """The document; a report when nothing need be looked up to judge it."""
        try:
            parsed = parse_document(read_source(document))
        except DocumentError as error:
            return malformed_report(error.text, self._time_ms(), next_step=error.next_step)
        finding = network_finding(parsed.facts, self._reader.network)
        if finding is not None:
            return unreadable_network_report(finding, self._time_ms())
        return parsed

    def _moment(self, at: When, time_asked: int | None, known: KnownFacts) -> Moment:
        # A clock that is slow must not make what the ledger already knows look like the future.
        now_ms = max(self._time_ms(), known.time_ms)
        return moment_of(at, time_asked, now_ms)

    async def _know(
        self, parsed: ParsedDocument, max_age: timedelta, views: list[StateView] | None = None
    ) -> KnownFacts:
        wanted = facts_wanted(parsed)
        known = self._recall(wanted, max_age) if views is None else None
        if known is not None:
            return known
        kept = self._kept.get(wanted) if views is None else None
        asked_at = time.monotonic()

        def question(view: StateView) -> LedgerFacts:
            if kept is not None and view.head.state_root == kept.known.state_root:
                return kept.known.facts  # proven under this very root before
            return ask_ledger_facts(view, wanted)

        # However old: the policy judges that, and the report says it.
        answer = await self._reader.ask(question, reach_ms=0)
        if views is not None:
            views.append(answer.view)
        head = answer.view.head
        known = KnownFacts(
            wanted,
            answer.value,
            head.height,
            head.state_root,
            head.time,
            is_proven=answer.view.is_verified,
        )
        with self._lock:
            self._kept[wanted] = _Kept(known, asked_at)
            self._kept.move_to_end(wanted)
            while len(self._kept) > KNOWN_FACTS_COUNT_MAX:
                self._kept.popitem(last=False)
        return known

    def _recall(self, wanted: FactsWanted, max_age: timedelta) -> KnownFacts | None:
        """What may be used without asking: young enough, and nothing newer was seen."""
        kept = self._kept.get(wanted)
        if kept is None or kept.known.height < self._reader.known_height:
            return None
        age = time.monotonic() - kept.asked_at
        return kept.known if age <= max_age.total_seconds() and max_age > _NO_TIME else None

    async def _read_histories(
        self,
        parsed: ParsedDocument,
        known: KnownFacts,
        moment: Moment,
        views: list[StateView] | None = None,
    ) -> dict[StatusPlace, EntryHistory]:
        places = histories_wanted(parsed, known, moment)
        if not places:
            return _NO_HISTORIES

        def question(view: StateView) -> dict[StatusPlace, EntryHistory]:
            return {
                place: EntryHistory(
                    *ask_change_times(view, place.held, place.entry.index, until_ms=moment.last_ms)
                )
                for place in places
            }

        # Under the state that `known` is of, unless a newer one has been seen since.
        answer = await self._reader.ask(question, max_age=BATCH_MAX_AGE, reach_ms=0)
        if views is not None:
            views.append(answer.view)
        return answer.value


def clock_ms() -> int:
    """This computer's clock."""
    return time.time_ns() // 1_000_000
