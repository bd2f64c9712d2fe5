# SPDX-License-Identifier: Apache-2.0
"""Answers questions from the network: fetches what they miss, all of it under one state root.

Rules of this file:
- Entries are proven under a state root, so those of two heads with the same root belong together;
  when the root has moved between two fetches, everything looked up is fetched again in one call.
- Facts of the newest root seen are remembered, up to a limit. Without a `max_age` they are used only
  after a node has shown, in this call, that the head still has that root; with one, also when that
  was not longer ago and this client has seen no newer head since.
- An honest node of a network that has stopped proves a state that was once true. So an answer about
  the present needs a head younger than HEAD_AGE_MAX: a running network certifies one every minute.
  Where a node proves an older one, the others are asked for a newer head before the read fails.
- A node's "no" proves nothing. It ends a read only where an honest node has that reason to refuse,
  and all that answer say so; any other is a fault of this node, and the next one is asked.
- `accept` functions turn bytes into facts or raise ProofError; then the answer is evidence.
- A head that names validators who are not known yet is no lie if its node proves how they came: it is
  asked for the changes since, step by step, and the answer is looked at again. A node that does not
  prove them has lied about its head.

Long because who is asked for what, and what is believed of the answer, is one decision.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final, Protocol, SupportsBytes, TypeVar

from ledger.model.identifiers import network_of_chain
from ledger.model.limits import TRUST_PATH_COUNT_MAX
from ledger.model.proofs import StateEntry, TransactionProof
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.verification import (
    OTHER_VALIDATORS,
    VALIDATORS_FORGOTTEN,
    ProofError,
    TrustRoot,
    VerifiedHead,
    VerifiedTransaction,
)
from sdk.errors import CallerError, TrustError, UnavailableError
from sdk.evidence import EvidenceStore
from sdk.failover import Failover
from sdk.light_client import VerifiedEntries
from sdk.node_api import CallFault, Node, NodeCallError
from sdk.node_faults import UnprovenError
from sdk.node_search import ATTEMPTS_COUNT_MAX, every_refusal
from sdk.policy import HEAD_AGE_MAX
from sdk.reader import (
    KEYS_COUNT_MAX,
    ROUNDS_COUNT_MAX,
    Answer,
    MissingKeysError,
    StateView,
)
from sdk.refusals import as_read_error
from sdk.verification.wording import word_age

KEYS_PER_CALL_MAX: Final = 1_024
REACH_ROUNDS_COUNT: Final = 2
"""How often `reach` asks each node: somebody waits for "no connection"."""
FRESHER_SECONDS_MAX: Final = 2.0
"""How long all nodes are asked for a head that is young enough."""
FETCHES_COUNT_MAX: Final = 16
"""Times the same keys are fetched because the state moved between the parts of an answer."""
CACHE_ENTRIES_COUNT_MAX: Final = 16_384
CACHE_SIZE_BYTES_MAX: Final = 32 * 1024 * 1024

KNOWN_REASONS: Final = frozenset(ReceiptCode.__members__) | frozenset(ApiReason.__members__)
"""What a node can mean by a refusal, as far as this release knows."""
PATH_PAGES_COUNT_MAX: Final = 1_024
"""Answers with changes of the validators that one head may take to be explained."""
_UNEXPLAINED: Final = frozenset({CallFault.REFUSED, CallFault.NODE_FAULT})
"""Faults of a node that does not say how the validators came that its head names."""
_NO_REASONS: Final[frozenset[str]] = frozenset()
_HEIGHT_REASONS: Final = frozenset({ApiReason.HEIGHT_UNKNOWN.name})
_SIZE_REASONS: Final = frozenset({ReceiptCode.RESOURCE_LIMIT.name})

A = TypeVar("A", bound=SupportsBytes)
T = TypeVar("T")


class Believer(Protocol):
    """Decides what to believe: the light client, or `sdk.unverified` that believes everything."""

    @property
    def is_verifying(self) -> bool: ...

    @property
    def chain_id(self) -> str: ...

    @property
    def trust(self) -> TrustRoot: ...

    @property
    def highest(self) -> VerifiedHead | None: ...

    def accept_path(self, steps: Sequence[bytes], since: TrustRoot) -> None: ...

    def accept_state(
        self, answer: bytes, keys: Sequence[bytes], floor: VerifiedHead | None
    ) -> VerifiedEntries: ...

    def accept_head(self, answer: bytes, floor: VerifiedHead | None) -> VerifiedHead: ...

    def accept_head_at(self, answer: bytes, height: int) -> VerifiedHead: ...

    def accept_transaction(
        self, answer: bytes, transaction_id: bytes
    ) -> tuple[VerifiedTransaction, TransactionProof]: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class _Facts:
    """What is known under one state root."""

    head: VerifiedHead
    entries: dict[bytes, StateEntry]
    asked_at: float
    """Loop time at which the call that showed `head` was sent."""


class NetworkReader:
    """A `VerifiedReader` over the nodes of a network. Belongs to one event loop."""

    def __init__(
        self,
        believer: Believer,
        failover: Failover,
        evidence: EvidenceStore,
        *,
        seconds: float,
        max_age: timedelta,
        time_ms: Callable[[], int],
    ) -> None:
        """Args: seconds: deadline of each question; max_age: the default of `ask`."""
        self._believer = believer
        self._failover = failover
        self._evidence = evidence
        self._seconds = seconds
        self._max_age = max_age
        self._time_ms = time_ms
        self._facts: _Facts | None = None

    @property
    def network(self) -> str:
        return network_of_chain(self.chain_id) or ""

    @property
    def chain_id(self) -> str:
        return self._believer.chain_id

    @property
    def known_height(self) -> int:
        """As `sdk.reader.VerifiedReader.known_height`."""
        highest = self._believer.highest
        return 0 if highest is None else highest.height

    @property
    def max_age(self) -> timedelta:
        """As `sdk.reader.VerifiedReader.max_age`."""
        return self._max_age

    async def ask(
        self,
        question: Callable[[StateView], T],
        *,
        max_age: timedelta | None = None,
        reach_ms: int | None = None,
    ) -> Answer[T]:
        """As `sdk.reader.VerifiedReader.ask`."""
        facts, is_current = self._recall(self._max_age if max_age is None else max_age)
        deadline = self._deadline()
        has_looked = False
        for _ in range(ROUNDS_COUNT_MAX):
            view = StateView(
                None if facts is None else facts.head,
                {} if facts is None else facts.entries,
                is_verified=self._believer.is_verifying,
            )
            answer: Answer[T] | None = None
            missing: tuple[bytes, ...] = ()
            try:
                answer = Answer(question(view), view)
            except MissingKeysError as error:
                missing = error.keys
            except ProofError as error:
                raise self._malformed(error, view) from error
            except CallerError as error:
                # What is missing may have come since: only the present state can say that it is not.
                if not view.used_keys:
                    raise
                if is_current and facts is not None and self._is_young(facts.head, reach_ms):
                    self._remember(facts, view)
                    error.proof = view.proof()
                    raise
            if not missing and is_current and facts is not None:
                self._remember(facts, view)
                if answer is not None and self._is_young(facts.head, reach_ms):
                    return answer
                if has_looked or not await self._find_fresher(facts.head, deadline):
                    raise _too_old(self._time_ms() - facts.head.time)
                has_looked = True
            facts = await self._learn(facts, view.used_keys, missing, deadline)
            is_current = True
        raise _moving()

    async def head(self) -> VerifiedHead:
        """The network's newest certified head.

        Raises:
            UnavailableError, TrustError.
        """
        return (await self._fetch_head(self._deadline())).head

    async def reach(self) -> None:
        """Find a node that answers with a proven head; give up soon when there is none.

        Raises:
            UnavailableError, TrustError.
        """
        await self.call(
            lambda node, seconds: node.get_head(seconds=seconds),
            self._believer.accept_head,
            question="head",
            refusals=_NO_REASONS,
            rounds_count_max=REACH_ROUNDS_COUNT,
        )

    async def head_at(self, height: int) -> VerifiedHead:
        """The certified head of a height, from 1.

        Raises:
            CallerError: HEIGHT_UNKNOWN.
            UnavailableError, TrustError.
        """
        return await self.call(
            lambda node, seconds: node.get_head_at(height, seconds=seconds),
            lambda answer, _: self._believer.accept_head_at(answer, height),
            question=f"head of height {height}",
            # A height that was seen already is unknown to no honest node.
            refusals=_HEIGHT_REASONS if height > self.known_height else _NO_REASONS,
        )

    async def time_at(self, height: int) -> int:
        """As `sdk.reader.VerifiedReader.time_at`."""
        return (await self.head_at(height)).time

    async def call(
        self,
        send: Callable[[Node, float], Awaitable[A]],
        accept: Callable[[A, VerifiedHead | None], T],
        *,
        question: str,
        refusals: frozenset[str] = KNOWN_REASONS,
        seconds: float | None = None,
        rounds_count_max: int = ATTEMPTS_COUNT_MAX,
    ) -> T:
        """Read something from whichever node answers, and believe it only if it is proven.

        Args:
            send: asks a node, given the seconds left.
            accept: turns the answer into a value, given the highest head known before it was sent.
            question: for the evidence.
            refusals: reasons for which an honest node may refuse.
            seconds: instead of the client's own deadline.
            rounds_count_max: as `Failover.run`.

        Raises:
            CallerError: the request was refused.
            UnavailableError, TrustError.
        """

        async def attempt(node: Node, left: float) -> T:
            floor = self._believer.highest
            answer = await _ask_node(send(node, left), refusals)
            return await self.believe(
                answer,
                lambda held: accept(held, floor),
                question=question,
                node=node,
                seconds=left,
            )

        try:
            return await self._failover.run(
                attempt,
                seconds=self._seconds if seconds is None else seconds,
                rounds_count_max=rounds_count_max,
                refusals_needed=every_refusal,
            )
        except NodeCallError as error:
            raise as_read_error(error) from error

    async def believe(
        self, answer: A, accept: Callable[[A], T], *, question: str, node: Node, seconds: float
    ) -> T:
        """What `accept` makes of an answer of a node, which is asked for changes of the validators
        where those that a head names are not known; `accept` is then called again.

        Raises:
            UnprovenError: it is not proven; a lie is kept as evidence.
            NodeCallError: BROKEN: whether it is proven cannot be found out.
            CallerError: VALIDATORS_FORGOTTEN.
        """
        for _ in range(PATH_PAGES_COUNT_MAX):
            since = self._believer.trust
            try:
                return accept(answer)
            except ProofError as error:
                if error.code == VALIDATORS_FORGOTTEN:
                    raise _forgotten(error) from error
                if error.code != OTHER_VALIDATORS or not await self._follow(
                    node, since, question, seconds
                ):
                    raise self._unproven(error, question, bytes(answer), node.name) from error
        raise NodeCallError(CallFault.NODE_FAULT, f"{node.name} proves change after change")

    async def _follow(self, node: Node, since: TrustRoot, question: str, seconds: float) -> bool:
        """Learn from a node how the validators changed; False: it does not say.

        Raises UnprovenError and NodeCallError as `believe`.
        """
        first = since.newest.first_height
        try:
            path = await node.get_trust_path(first, TRUST_PATH_COUNT_MAX, seconds=seconds)
        except NodeCallError as error:
            if error.fault in _UNEXPLAINED:
                return False
            raise NodeCallError(CallFault.BROKEN, error.text) from error
        try:
            self._believer.accept_path(path.steps, since)
        except ProofError as error:
            asked = f"validators since height {first}, for: {question}"
            raise self._unproven(error, asked, bytes(path), node.name) from error
        return True

    def forget(self) -> None:
        """Use no fact fetched before."""
        self._facts = None

    # ---- fetching

    async def _learn(
        self,
        facts: _Facts | None,
        used: Sequence[bytes],
        missing: Sequence[bytes],
        deadline: float,
    ) -> _Facts:
        """Fetch what is missing, or the head when nothing is; again all of it if the root moved."""
        if missing:
            fresh = await self._fetch(missing, deadline)
        else:
            fresh = await self._fetch_head(deadline)
        if facts is None:
            return fresh
        if fresh.head.state_root == facts.head.state_root:
            newer = max(fresh.head, facts.head, key=lambda head: head.height)
            return _Facts(newer, facts.entries | fresh.entries, fresh.asked_at)
        wanted = list(dict.fromkeys((*used, *missing)))
        return await self._fetch(wanted, deadline) if wanted else fresh

    async def _fetch_head(self, deadline: float) -> _Facts:
        asked_at = asyncio.get_running_loop().time()
        head = await self.call(
            lambda node, seconds: node.get_head(seconds=seconds),
            self._believer.accept_head,
            question="head",
            refusals=_NO_REASONS,
            seconds=deadline - asked_at,
        )
        return _Facts(head, {}, asked_at)

    async def _fetch(self, keys: Sequence[bytes], deadline: float) -> _Facts:
        """Entries of these keys under one state root."""
        if len(keys) > KEYS_COUNT_MAX:
            raise _too_many()
        size = KEYS_PER_CALL_MAX
        for _ in range(FETCHES_COUNT_MAX):
            try:
                facts = await self._fetch_parts(keys, size, deadline)
            except NodeCallError as error:
                if size == 1:
                    raise as_read_error(error) from error
                size = max(min(size, len(keys)) // 4, 1)
                continue
            if facts is not None:
                return facts
        raise _moving()

    async def _fetch_parts(
        self, keys: Sequence[bytes], size: int, deadline: float
    ) -> _Facts | None:
        """As `_fetch`, in calls of up to `size` keys; None when the root moved between them."""
        facts: _Facts | None = None
        for first in range(0, len(keys), size):
            part = keys[first : first + size]
            asked_at = asyncio.get_running_loop().time()
            held = await self._get_many(part, deadline - asked_at)
            if facts is None:
                facts = _Facts(held.head, held.entries, asked_at)
            elif facts.head.state_root != held.head.state_root:
                return None
            else:
                facts.entries |= held.entries
                facts.head = max(facts.head, held.head, key=lambda head: head.height)
        return facts

    async def _get_many(self, keys: Sequence[bytes], seconds: float) -> VerifiedEntries:
        async def attempt(node: Node, left: float) -> VerifiedEntries:
            floor = self._believer.highest
            # Of one key every honest node can answer.
            refusals = _SIZE_REASONS if len(keys) > 1 else _NO_REASONS
            answer = await _ask_node(node.get_many(keys, seconds=left), refusals)
            return await self.believe(
                answer,
                lambda held: self._believer.accept_state(held, keys, floor),
                question="state keys " + " ".join(key.hex() for key in keys),
                node=node,
                seconds=left,
            )

        return await self._failover.run(attempt, seconds=seconds)

    # ---- age

    def _is_young(self, head: VerifiedHead, reach_ms: int | None) -> bool:
        """Whether a state says something of the moment that was asked about."""
        if not self._believer.is_verifying or (reach_ms is not None and head.time >= reach_ms):
            return True
        age_ms = self._time_ms() - head.time
        return age_ms <= max(HEAD_AGE_MAX, self._max_age) // timedelta(milliseconds=1)

    async def _find_fresher(self, head: VerifiedHead, deadline: float) -> bool:
        """Whether any node proves a newer head: from then on what is older than that is refused."""
        left = min(deadline - asyncio.get_running_loop().time(), FRESHER_SECONDS_MAX)
        if left <= 0 or len(self._failover.nodes) < 2:
            return False

        async def attempt(node: Node, seconds: float) -> VerifiedHead:
            return await self.believe(
                await node.get_head(seconds=seconds),
                lambda held: self._believer.accept_head(held, None),
                question="head",
                node=node,
                seconds=seconds,
            )

        await self._failover.ask_all(attempt, seconds=left)
        return self.known_height > head.height

    # ---- remembering

    def _recall(self, max_age: timedelta) -> tuple[_Facts | None, bool]:
        """What is remembered, and whether it may be used without asking anybody."""
        facts = self._facts
        if facts is None:
            return None, False
        age = asyncio.get_running_loop().time() - facts.asked_at
        highest = self._believer.highest
        is_newest = highest is None or facts.head.height >= highest.height
        is_young = max_age > timedelta(0) and age <= max_age.total_seconds()
        return facts, is_newest and is_young

    def _remember(self, facts: _Facts, view: StateView) -> None:
        held = self._facts
        if held is not None and held.head.height > facts.head.height:
            return
        if not _is_small(facts.entries):
            used = {key: facts.entries[key] for key in view.used_keys}
            facts = _Facts(facts.head, used if _is_small(used) else {}, facts.asked_at)
        self._facts = facts

    def _unproven(
        self, error: ProofError, question: str, answer: bytes, endpoint: str
    ) -> UnprovenError:
        keep = partial(
            self._evidence.keep,
            error,
            chain_id=self.chain_id,
            endpoint=endpoint,
            question=question,
            answer=answer,
            highest=self._believer.highest,
            time_ms=self._time_ms(),
        )
        return UnprovenError(error, keep)

    def _malformed(self, error: ProofError, view: StateView) -> TrustError:
        """The certified state itself holds what this release cannot read."""
        evidence = self._unproven(error, "state", view.proof(), "certified state").evidence
        return TrustError(
            error.text,
            code="STATE_MALFORMED",
            remedy="Install a newer psetledger; if this is the newest, send the evidence to the"
            " network's operators.",
            evidence=evidence,
        )

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._seconds


async def _ask_node(answer: Awaitable[A], refusals: frozenset[str]) -> A:
    """A node's answer; NODE_FAULT where it refuses for none of these reasons."""
    try:
        return await answer
    except NodeCallError as error:
        if error.fault is CallFault.REFUSED and error.reason not in refusals:
            raise NodeCallError(CallFault.NODE_FAULT, error.text) from error
        raise


def _is_small(entries: dict[bytes, StateEntry]) -> bool:
    return (
        len(entries) <= CACHE_ENTRIES_COUNT_MAX
        and sum(len(entry.value) for entry in entries.values()) <= CACHE_SIZE_BYTES_MAX
    )


def _forgotten(error: ProofError) -> CallerError:
    return CallerError(
        error.text,
        code=VALIDATORS_FORGOTTEN,
        remedy="Ask for a block near the beginning or the present of the chain; the present state, and"
        " what it says of the past, can always be read.",
    )


def _moving() -> UnavailableError:
    return UnavailableError(
        "the state moved on while the answer was being put together",
        code="STATE_MOVING",
        remedy="Try again; ask for less at a time.",
    )


def _too_old(age_ms: int) -> UnavailableError:
    return UnavailableError(
        f"the newest state that a node can prove is {word_age(age_ms)} old",
        code="STATE_TOO_OLD",
        remedy="Check this computer's clock, and with `pset network status` whether the network runs."
        " To read all the same, ask as of a day in the past, or connect with a longer max_age.",
    )


def _too_many() -> UnavailableError:
    return UnavailableError(
        f"the answer rests on more than {KEYS_COUNT_MAX} records",
        code="ANSWER_TOO_LARGE",
        remedy="Ask for less at a time.",
        retryable=False,
    )
