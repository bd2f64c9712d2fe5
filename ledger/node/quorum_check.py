# SPDX-License-Identifier: Apache-2.0
"""Whether enough validators answer, as this one sees it, for a change of their set to leave a quorum.

Execution counts who is in the set; it cannot know who runs. A change that leaves a quorum on paper
only would be certified by the set before it, and then nothing more by anybody. So whoever takes the
transaction looks first, and so does the leader when it is forwarded: no rule of the chain, for each
sees its own links.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.model.certificate import FaultModel, quorum_size
from ledger.model.operations import ActivateValidator, RemoveValidator
from ledger.model.receipts import ReceiptCode
from ledger.model.records import ValidatorStatus
from ledger.model.transaction import Operation
from ledger.model.transaction_check import TransactionRefusedError
from ledger.node.membership import Membership


def check_quorum_stays(
    operation: Operation,
    *,
    membership: Membership,
    fault_model: FaultModel,
    own_id: str,
    is_connected: Callable[[str], bool],
) -> None:
    """Refuse a change after which too few answer. What execution refuses anyhow passes.

    Args:
        operation: any; most change no set.
        membership: as of the newest certified block.
        fault_model: of the network.
        own_id: of this validator, which needs no link to itself.
        is_connected: whether messages to another leave now.

    Raises:
        TransactionRefusedError: WOULD_LOSE_QUORUM.
    """
    ids = _find_next_set(operation, membership)
    if not ids:
        return
    answering = sum(held == own_id or is_connected(held) for held in ids)
    needed = quorum_size(len(ids), fault_model)
    if answering < needed:
        raise TransactionRefusedError(
            ReceiptCode.WOULD_LOSE_QUORUM,
            f"{answering} of the {len(ids)} that stay answer, {needed} are needed",
        )


def _find_next_set(operation: Operation, membership: Membership) -> frozenset[str]:
    """Who would certify after it; nobody where it changes no set, or cannot."""
    active = frozenset(
        held.validator.id for held in membership.members if held.status is ValidatorStatus.ACTIVE
    )
    match operation:
        case RemoveValidator() if operation.validator_id in active:
            return active - {operation.validator_id}
        case ActivateValidator():
            newcomer = membership.find(operation.validator_id)
            if newcomer is None or newcomer.status is not ValidatorStatus.LEARNER:
                return frozenset()
            return (active | {operation.validator_id}) - {operation.replaces}
        case _:
            return frozenset()
