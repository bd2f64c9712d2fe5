# SPDX-License-Identifier: Apache-2.0
"""One call's way through the nodes of a network: who is asked when, and when it ends.

Rules of this file:
- Only calls that may be repeated come here: reads, and submissions, which are idempotent by their
  transaction id: every node is sent the same bytes.
- A node that cannot be reached, is busy or fails is passed over for the next. One that is silent for
  longer than the patience of the moment is not given up, but another is asked beside it; the patience
  then doubles. When all have been asked, the round begins again after a growing pause with jitter,
  until the deadline; a node that named a delay is not asked before that.
- A write goes to the validator that is said to lead, also when that is said in the middle of a round.
- A node whose answer is not proven is not asked again by this client. One that proves an older state
  than is known already is asked again by the next round, for LAG_SECONDS_MAX: a validator learns of a
  block a moment after the first one. The caller gets a TrustError only if no other node proves an
  answer.
- A refusal ends the search when as many nodes as the caller asks for say so, or all that answer. One
  node's clock or state may be behind. A write that may have arrived at one node is not refused
  because another one refuses it: then its outcome is unknown.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from sdk.errors import Phase, PsetError
from sdk.node_api import CallFault, Node, NodeCallError
from sdk.node_faults import (
    UnprovenError,
    as_trust_error,
    later_phase,
    no_endpoints,
    refused_after,
    unavailable,
)

PAUSE_SECONDS_MIN: Final = 0.05
PAUSE_SECONDS_MAX: Final = 2.0
PATIENCE_SECONDS: Final = 2.0
"""How long a silent node is waited for before another is asked beside it, at first."""
LAG_SECONDS_MAX: Final = 2.0
"""How long nodes that lag behind are asked again in one call."""
ATTEMPTS_COUNT_MAX: Final = 10_000
"""Of one call, whatever the deadline."""

RefusalsNeeded = Callable[[NodeCallError], int]
"""How many nodes must refuse, this one among them, for this refusal to count."""

_T = TypeVar("_T")
_log = logging.getLogger("psetledger.client")


def one_refusal(_: NodeCallError) -> int:
    """The word of one node is enough."""
    return 1


def every_refusal(_: NodeCallError) -> int:
    """Every node that answers must refuse."""
    return ATTEMPTS_COUNT_MAX


class NodeOrder(Protocol):
    """Who is asked first, and what calls learn for the next ones (`sdk.failover.Failover`)."""

    @property
    def nodes(self) -> Sequence[Node]: ...

    @property
    def leader(self) -> str: ...

    def learn_leader(self, validator: str) -> None: ...

    def forget_leader(self, validator: str) -> None: ...

    def candidates(self) -> list[Node]: ...

    def prefer(self, node: Node) -> None: ...

    def distrust(self, node: Node) -> None: ...

    def trust_all(self) -> None: ...


class NodeSearch:
    """Runs once."""

    def __init__(
        self,
        nodes: NodeOrder,
        *,
        seconds: float,
        is_write: bool,
        transaction_id: str | None,
        rounds_count_max: int,
        refusals_needed: RefusalsNeeded,
        phase: Phase = "not-sent",
    ) -> None:
        """As `sdk.failover.Failover.search`."""
        self._nodes = nodes
        self._seconds = seconds
        self._is_write = is_write
        self._transaction_id = transaction_id
        self._rounds_count_max = rounds_count_max
        self._refusals_needed = refusals_needed
        self._deadline = 0.0
        self._patience = PATIENCE_SECONDS
        self._attempts_count = 0
        self._ready_at: dict[Node, float] = {}
        self._running: dict[asyncio.Task[Any], Node] = {}
        self._said: dict[str, str] = {}
        self._last: NodeCallError | None = None
        self._refusals: dict[Node, NodeCallError] = {}
        self._unproven: UnprovenError | None = None
        self._lag_since: float | None = None
        self.phase: Phase = phase
        """What is known of a write so far."""

    def may_be_elsewhere(self, node: Node) -> bool:
        """Whether the request may have arrived at another node than this."""
        return self.phase != "not-sent" or any(held is not node for held in self._running.values())

    async def run(self, attempt: Callable[[Node, float], Awaitable[_T]]) -> _T:
        """As `sdk.failover.Failover.run`."""
        self._deadline = _now() + self._seconds
        if not self._nodes.candidates():
            self._nodes.trust_all()
        try:
            return await self._run_rounds(attempt)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _run_rounds(self, attempt: Callable[[Node, float], Awaitable[_T]]) -> _T:
        pause = PAUSE_SECONDS_MIN
        rounds_count = 0
        while rounds_count < self._rounds_count_max and self._attempts_count < ATTEMPTS_COUNT_MAX:
            waiting = self._candidates()
            rounds_count += bool(waiting)
            while waiting:
                left = self._deadline - _now()
                if left <= 0 and self._attempts_count:
                    raise self._end()
                self._start(self._take(waiting), attempt, max(left, 0.001))
                found: list[_T] = []
                await self._collect(found)
                if found:
                    return found[0]
            if self._refusals:
                raise self._refuse()
            candidates = self._candidates(is_ready=False)
            if not self._running and not candidates:
                raise self._end()
            if self._running:
                until = self._deadline if rounds_count >= self._rounds_count_max else _now() + pause
                found = []
                await self._wait(min(until, self._deadline), found)
                if found:
                    return found[0]
                if self._refusals:
                    raise self._refuse()
            else:
                ready_at = min(self._ready_at.get(node, 0.0) for node in candidates)
                wait = max(pause, ready_at - _now())
                if _now() + wait >= self._deadline or rounds_count >= self._rounds_count_max:
                    raise self._end()
                await asyncio.sleep(wait * random.uniform(0.75, 1.25))  # noqa: S311 (jitter)
            if _now() >= self._deadline:
                raise self._end()
            pause = min(pause * 2, PAUSE_SECONDS_MAX)
        raise self._end()

    def _candidates(self, *, is_ready: bool = True) -> list[Node]:
        """Whom to ask in a round; `is_ready` False: also who wants to be asked later."""
        now = _now()
        return [
            node
            for node in self._nodes.candidates()
            if node not in self._running.values()
            and (not is_ready or self._ready_at.get(node, 0.0) <= now)
            and self._ready_at.get(node) != _NEVER
        ]

    def _take(self, waiting: list[Node]) -> Node:
        """The next to ask: of a write the leader, also if somebody has only just said who that is."""
        if self._is_write:
            leader = self._nodes.leader
            waiting.sort(key=lambda node: node.validator != leader)
        return waiting.pop(0)

    def _start(
        self, node: Node, attempt: Callable[[Node, float], Awaitable[object]], seconds: float
    ) -> None:
        async def ask() -> object:
            return await attempt(node, seconds)

        self._attempts_count += 1
        self._said[node.name] = "no answer"
        self._running[asyncio.ensure_future(ask())] = node

    async def _collect(self, found: list[_T]) -> None:
        """Wait until the newest attempt has ended, an older one succeeds, or patience is at its end."""
        newest = next(reversed(self._running))
        until = min(_now() + self._patience, self._deadline)
        while newest in self._running and not found:
            if not await self._wait_once(until, found):
                self._patience *= 2
                return

    async def _wait(self, until: float, found: list[_T]) -> None:
        """Wait so long, or until an attempt succeeds, or all have ended."""
        while self._running and not found:
            if not await self._wait_once(until, found):
                return

    async def _wait_once(self, until: float, found: list[_T]) -> bool:
        """Wait until some attempts end; False when it is too late for that."""
        done, _ = await asyncio.wait(
            self._running, timeout=max(until - _now(), 0), return_when=asyncio.FIRST_COMPLETED
        )
        for task in list(self._running):  # in the order in which they were begun
            if task in done:
                self._end_attempt(task, found)
        if not found and self._is_refused():
            raise self._refuse()
        return bool(done)

    def _end_attempt(self, task: asyncio.Task[Any], found: list[_T]) -> None:
        node = self._running.pop(task)
        try:
            answer = task.result()
        except NodeCallError as error:
            self._note_fault(node, error)
        except UnprovenError as error:
            self._note_unproven(node, error)
        else:
            if not found:
                self._nodes.prefer(node)
            found.append(answer)

    def _note_fault(self, node: Node, error: NodeCallError) -> None:
        self._said[node.name] = f"{error.reason}: {error.text}" if error.reason else error.text
        if self._is_write:
            if error.fault not in {CallFault.PENDING, CallFault.REFUSED}:
                self._nodes.forget_leader(node.validator)
            self._nodes.learn_leader(error.leader)
        if error.fault is CallFault.REFUSED:
            self._refusals[node] = error
            return
        self._last = error
        self.phase = later_phase(self.phase, error.fault)
        if error.retry_after is not None:
            self._ready_at[node] = _now() + error.retry_after.total_seconds()
        _log.info("node=%s fault=%s", node.name, error.fault.value)

    def _note_unproven(self, node: Node, error: UnprovenError) -> None:
        self._said[node.name] = f"an answer that is not proven: {error.error.text}"
        if not error.is_lag:
            self._unproven = error
            self._nodes.distrust(node)
            _log.warning(
                "node=%s unproven=%s evidence=%s", node.name, error.error.code, error.evidence
            )
            return
        if self._unproven is None or self._unproven.is_lag:
            self._unproven = error
        now = _now()
        if self._lag_since is None:
            self._lag_since = now
        if now - self._lag_since >= LAG_SECONDS_MAX:
            self._ready_at[node] = _NEVER
        _log.info("node=%s lags behind", node.name)

    # ---- the end

    def _is_refused(self) -> bool:
        """Whether as many nodes as it takes have refused."""
        if not self._refusals:
            return False
        needed = max(self._refusals_needed(error) for error in self._refusals.values())
        return len(self._refusals) >= min(needed, len(self._nodes.nodes))

    def _refuse(self) -> Exception:
        """The refusal; of a write that may be elsewhere, that nothing is known."""
        error = next(reversed(self._refusals.values()))
        phase = self.phase
        if self._is_write and phase == "not-sent" and self._running:
            phase = "unknown"
        if self._is_write and phase != "not-sent" and self._refusals_needed(error) > 1:
            return refused_after(error, self._said, phase, self._transaction_id)
        return error

    def _end(self) -> PsetError:
        """Why there is no answer."""
        if self._running:
            silent = next(iter(self._running.values()))
            self.phase = later_phase(self.phase, CallFault.BROKEN)
            self._last = self._last or NodeCallError(
                CallFault.BROKEN, f"{silent.name} did not answer in time"
            )
        if self._unproven is not None:
            self._nodes.trust_all()
            return as_trust_error(self._unproven, self._transaction_id)
        if self._last is None:
            return no_endpoints()
        phase = self.phase if self._is_write else None
        return unavailable(self._last, self._said, phase, self._transaction_id)


_NEVER: Final = float("inf")


def _now() -> float:
    return asyncio.get_running_loop().time()
