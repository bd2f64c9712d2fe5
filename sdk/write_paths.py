# SPDX-License-Identifier: Apache-2.0
"""A write's way through the validators: whose refusal counts, and why there was no answer.

Rules of this file:
- A refusal that rests on a node's clock or state counts when a second validator says the same; in a
  byzantine network every refusal counts when one more than may lie say the same.
- Part of a call's time is kept to ask the validators how they are, so that the error can say
  whether the network has the quorum that it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledger.model.certificate import FaultModel
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.verification import TrustRoot
from sdk.errors import Phase, UnavailableError
from sdk.failover import Failover
from sdk.node_api import NodeCallError
from sdk.node_search import NodeSearch
from sdk.quorum import explain_quorum
from sdk.refusals import get_code

SURVEY_SHARE: Final = 0.1
"""Of a call's time, kept to ask the validators how they are when none has answered."""
SURVEY_SECONDS_MAX: Final = 1.0

STATE_CODES: Final = frozenset(
    {
        ReceiptCode.EXPIRED,
        ReceiptCode.EXPIRY_TOO_FAR,
        ReceiptCode.AUTHOR_UNKNOWN,
        ReceiptCode.DID_DEACTIVATED,
        ReceiptCode.KEY_NOT_AUTHORISED,
        ReceiptCode.NOT_AUTHORISED,
    }
)
"""Refusals at admission that rest on the node's clock or state, which may be behind."""


class WritePaths:
    """For the writes of one client."""

    def __init__(
        self, failover: Failover, get_trust: Callable[[], TrustRoot], *, seconds: float
    ) -> None:
        """Args:
        get_trust: whom the client knows as validators by now.
        seconds: deadline of each write, with all that is asked about it.
        """
        self._failover = failover
        self._get_trust = get_trust
        self._seconds = seconds

    def start(self, transaction_id: str, phase: Phase = "not-sent") -> NodeSearch:
        """A search for a validator that takes a write; `phase`: what is known of it before."""
        return self._failover.search(
            seconds=self._seconds - self._survey_seconds,
            is_write=True,
            transaction_id=transaction_id,
            refusals_needed=self.refusals_needed,
            phase=phase,
        )

    def refusals_needed(self, error: NodeCallError) -> int:
        """How many validators must refuse a transaction for this reason."""
        code = get_code(error.reason)
        return max(self._count_liars() + 1, 2 if code in STATE_CODES else 1)

    def _count_liars(self) -> int:
        """How many of the present validators may lie."""
        trust = self._get_trust()
        if trust.fault_model is not FaultModel.BYZANTINE:
            return 0
        return (len(trust.newest.validator_set.validators) - 1) // 3

    async def explain(self, error: UnavailableError) -> UnavailableError:
        """The error, with the network's quorum in words when that is why no answer came."""
        seconds = self._survey_seconds
        if not seconds or error.code == ApiReason.OUTCOME_UNKNOWN:
            return error
        statuses = await self._failover.statuses(seconds=seconds)
        found = explain_quorum(statuses, self._get_trust())
        if found is None:
            return error
        code, words = found
        return UnavailableError(
            f"{words}; {error.text}",
            code=code,
            remedy=error.remedy,
            phase=error.phase,
            retry_after=error.retry_after,
            transaction_id=error.transaction_id,
        )

    @property
    def _survey_seconds(self) -> float:
        """Time kept for `explain`; none where there is nobody else to ask."""
        if len(self._failover.nodes) < 2:
            return 0.0
        return min(self._seconds * SURVEY_SHARE, SURVEY_SECONDS_MAX)
