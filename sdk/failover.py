# SPDX-License-Identifier: Apache-2.0
"""Asking one of several nodes: who is asked, how often, and what the caller is told in the end.

Rules of this file:
- Only calls that may be repeated come here: reads, and submissions, which are idempotent by their
  transaction id.
- A node that cannot be reached, is busy or fails is passed over for the next; the last good one is
  asked first. When all have been tried, the round begins again after a growing pause, until the
  deadline.
- A node whose answer is not proven is not asked again by this client; one that only lags behind,
  not again in this call. The answer is kept as evidence, and the caller gets a TrustError only if
  no other node proves an answer.
- A refusal ends the search: it depends on the request, not on the node. Which refusals of a read may
  count as one, `sdk.network_reader` decides.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from ledger.model.verification import (
    CONFLICTING_HEADS,
    HEAD_FROM_FUTURE,
    OLD_STATE,
    OTHER_CHAIN,
    OTHER_VALIDATORS,
    PROTOCOL_UNKNOWN,
    ProofError,
)
from sdk.errors import Phase, PsetError, TrustError, UnavailableError
from sdk.node_api import CallFault, Node, NodeCallError

PAUSE_SECONDS_MIN: Final = 0.05
PAUSE_SECONDS_MAX: Final = 2.0
ATTEMPTS_COUNT_MAX: Final = 10_000
"""Of one call, whatever the deadline."""

NODE_LIED: Final = "NODE_LIED"
OTHER_NETWORK: Final = "OTHER_NETWORK"

_T = TypeVar("_T")
_log = logging.getLogger("psetledger.client")

_TRUST_CODES: Final = {
    OLD_STATE: OLD_STATE,
    CONFLICTING_HEADS: CONFLICTING_HEADS,
    HEAD_FROM_FUTURE: HEAD_FROM_FUTURE,
    OTHER_CHAIN: OTHER_NETWORK,
    OTHER_VALIDATORS: OTHER_VALIDATORS,
    PROTOCOL_UNKNOWN: PROTOCOL_UNKNOWN,
}
_TRUST_REMEDIES: Final = {
    OLD_STATE: "Ask another node; if this one does not catch up, send the evidence to the"
    " network's operators.",
    CONFLICTING_HEADS: "Rely on nothing from this network until its operators have explained the"
    " evidence.",
    HEAD_FROM_FUTURE: "Set this computer's clock; if it is right, send the evidence to the"
    " network's operators.",
    OTHER_CHAIN: "Check which network was meant; a development network that was built anew has"
    " another fingerprint.",
    OTHER_VALIDATORS: "Get the network's present trust root from its operators and add it again.",
    PROTOCOL_UNKNOWN: "Install a newer psetledger.",
}
_LIE_REMEDY: Final = "Do not rely on the answer. Send the evidence file to the network's operators."


class UnprovenError(Exception):
    """A node's answer that did not prove what it says; the evidence is stored already."""

    def __init__(self, error: ProofError, evidence: Path) -> None:
        super().__init__(str(error))
        self.error = error
        self.evidence = evidence


class Failover:
    """The nodes of one network, for one client in one event loop."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = list(nodes)
        self._distrusted: set[Node] = set()

    @property
    def nodes(self) -> Sequence[Node]:
        return tuple(self._nodes)

    async def run(
        self,
        attempt: Callable[[Node, float], Awaitable[_T]],
        *,
        seconds: float,
        is_write: bool = False,
        transaction_id: str | None = None,
        rounds_count_max: int = ATTEMPTS_COUNT_MAX,
    ) -> _T:
        """Let one node after the other answer until one does.

        Args:
            attempt: given a node and the seconds left; raises NodeCallError or UnprovenError.
            seconds: until the deadline.
            is_write: whether it matters that a request may have arrived.
            transaction_id: for the error.
            rounds_count_max: give up earlier, after each node was asked so often.

        Raises:
            NodeCallError: REFUSED.
            UnavailableError: nobody answered in time; `phase` says what is known of a write.
            TrustError: nobody proved an answer.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        last: NodeCallError | None = None
        unproven: UnprovenError | None = None
        phase: Phase = "not-sent"
        pause = PAUSE_SECONDS_MIN
        order = self.nodes
        behind: set[Node] = set()
        for number in range(min(ATTEMPTS_COUNT_MAX, rounds_count_max * len(order))):
            candidates = [node for node in order if node not in self._distrusted | behind]
            if not candidates:
                break
            node = candidates[number % len(candidates)]
            remaining = deadline - loop.time()
            if remaining <= 0 and number:
                break
            try:
                answer = await attempt(node, max(remaining, 0.001))
            except NodeCallError as error:
                if error.fault is CallFault.REFUSED:
                    raise
                last = error
                phase = _later_phase(phase, error.fault)
                _log.info("node=%s fault=%s", node.name, error.fault.value)
            except UnprovenError as error:
                unproven = error
                (behind if error.error.code == OLD_STATE else self._distrusted).add(node)
                _log.warning(
                    "node=%s unproven=%s evidence=%s",
                    node.name,
                    error.error.code,
                    error.evidence,
                )
                continue
            else:
                self._prefer(node)
                return answer
            if (number + 1) % len(candidates) == 0:
                hint = last.retry_after
                wait = max(pause, hint.total_seconds() if hint else 0.0)
                if loop.time() + wait >= deadline:
                    break
                await asyncio.sleep(wait * random.uniform(0.75, 1.25))  # noqa: S311 (jitter)
                pause = min(pause * 2, PAUSE_SECONDS_MAX)
        if unproven is not None:
            self._distrusted.clear()  # the next call may try again, and keep new evidence
            raise as_trust_error(unproven, transaction_id)
        raise _unavailable(last, phase if is_write else "not-sent", transaction_id)

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        for node in self._nodes:
            await node.close()

    def _prefer(self, node: Node) -> None:
        if self._nodes[0] is not node:
            self._nodes.remove(node)
            self._nodes.insert(0, node)


def as_trust_error(unproven: UnprovenError, transaction_id: str | None = None) -> TrustError:
    """The error for the caller."""
    code = unproven.error.code
    return TrustError(
        f"an answer was not proven: {unproven.error.text}",
        code=_TRUST_CODES.get(code, NODE_LIED),
        remedy=_TRUST_REMEDIES.get(code, _LIE_REMEDY),
        evidence=unproven.evidence,
        transaction_id=transaction_id,
    )


def _later_phase(phase: Phase, fault: CallFault) -> Phase:
    """What is known of a write after one more failure: it never becomes less."""
    if fault is CallFault.PENDING or phase == "pending":
        return "pending"
    if fault in {CallFault.BROKEN, CallFault.NODE_FAULT} or phase == "unknown":
        return "unknown"
    return "not-sent"


_UNAVAILABLE_CODES: Final = {
    CallFault.UNREACHABLE: "NOT_REACHABLE",
    CallFault.BROKEN: "NO_ANSWER",
    CallFault.BUSY: "BUSY",
    CallFault.PENDING: "PENDING",
    CallFault.NODE_FAULT: "NODE_FAULT",
}
_PHASE_REMEDIES: Final[dict[Phase, str]] = {
    "not-sent": "Nothing was sent. Check it with `pset network status` and try again.",
    "unknown": "It may have arrived. Repeat the same call with the same idempotency key, or look it"
    " up with `pset ledger tx`; it is never applied twice.",
    "pending": "It was taken and is not decided yet. Look it up with `pset ledger tx`.",
}


def _unavailable(last: NodeCallError | None, phase: Phase, transaction_id: str | None) -> PsetError:
    if last is None:
        return UnavailableError(
            "this network names no node to ask",
            code="NO_ENDPOINTS",
            remedy="Add the network again from its operators' files, with endpoints.",
            retryable=False,
        )
    remedy = _PHASE_REMEDIES[phase]
    if phase == "not-sent" and last.fault is not CallFault.UNREACHABLE:
        remedy = "Try again later." if last.fault is CallFault.BUSY else "Try again."
    return UnavailableError(
        last.text,
        code=_UNAVAILABLE_CODES[last.fault],
        remedy=remedy,
        phase=phase,
        retry_after=last.retry_after or timedelta(seconds=PAUSE_SECONDS_MAX),
        transaction_id=transaction_id,
    )
