# SPDX-License-Identifier: Apache-2.0
"""Whether a network can certify anything now, by what its validators say of themselves.

Nothing of it is proven: it explains why no answer came, it decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.model.certificate import quorum_size
from ledger.model.verification import TrustRoot
from sdk.node_api import Node
from sdk.results import NodeStatus

NO_QUORUM: Final = "NO_QUORUM"
NO_LEADER: Final = "NO_LEADER"
REASON_SIZE_MAX: Final = 200
"""Characters of why one validator does not vote."""


def explain_quorum(
    statuses: Sequence[tuple[Node, NodeStatus | None]], trust: TrustRoot
) -> tuple[str, str] | None:
    """Code and words for why nothing is certified; None: what the nodes say does not tell.

    Counted are the newest validators that `trust` knows. A validator whose address is not known here may well be running: it counts as one that answers.
    When nobody answers, this computer may be the one that is cut off.
    """
    ids = {validator.id for validator in trust.newest.validator_set.validators}
    needed = quorum_size(len(ids), trust.fault_model)
    told = {node.validator: status for node, status in statuses if node.validator in ids}
    answering = {name: status for name, status in told.items() if status is not None}
    if not answering:
        return None
    elsewhere = len(ids) - len(told)
    if len(answering) + elsewhere < needed:
        verb = "answers" if len(answering) == 1 else "answer"
        return (
            NO_QUORUM,
            f"no quorum: {len(answering)} of {len(ids)} validators {verb}, {_need(needed)}",
        )
    silent = {name: status for name, status in answering.items() if not status.voting}
    voting = len(answering) - len(silent)
    if voting + elsewhere < needed:
        verb = "votes" if voting == 1 else "vote"
        why = "; ".join(
            f"{name}: {(status.voting_reason or 'no reason given')[:REASON_SIZE_MAX]}"
            for name, status in silent.items()
        )
        return (
            NO_QUORUM,
            f"no quorum: {voting} of {len(ids)} validators {verb}, {_need(needed)} ({why})",
        )
    if not any(status.leader for status in answering.values()):
        return NO_LEADER, "no leader: the validators that answer have not elected one yet"
    return None


def _need(count: int) -> str:
    return f"{count} {'is' if count == 1 else 'are'} needed"
