# SPDX-License-Identifier: Apache-2.0
"""A change of validators after which too few would answer is refused, with a count of those who do."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.model.certificate import FaultModel
from ledger.model.operations import (
    ActivateValidator,
    AdmitValidator,
    RemoveValidator,
    UpdateValidatorAddress,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import ValidatorStatus
from ledger.model.transaction import Operation
from ledger.model.transaction_check import TransactionRefusedError
from ledger.node.membership import Member, Membership
from ledger.node.quorum_check import check_quorum_stays
from tests.support.ledger_world import make_validator

A, L, R = ValidatorStatus.ACTIVE, ValidatorStatus.LEARNER, ValidatorStatus.REMOVED


def make_membership(*statuses: ValidatorStatus) -> Membership:
    """n1, n2 … with these."""
    return Membership(
        tuple(
            Member(
                make_validator(f"n{number}", "did:pset:test:x"),
                number,
                status,
            )
            for number, status in enumerate(statuses, 1)
        )
    )


def check(operation: Operation, membership: Membership, connected: str, **options: Any) -> None:
    """n1 is asked, and has links to these."""
    held: dict[str, Any] = {"fault_model": FaultModel.CRASH, "own_id": "n1", **options}
    links = {f"n{number}" for number in connected}
    check_quorum_stays(
        operation, membership=membership, is_connected=lambda peer: peer in links, **held
    )


def activate(name: str, replaces: str = "") -> ActivateValidator:
    return ActivateValidator(name, 1, bytes(32), b"", replaces)


@pytest.mark.parametrize(
    ("operation", "statuses", "connected", "model", "words"),
    [
        # Who goes does not count, whether it answers or not.
        (RemoveValidator("n2"), (A, A, A, A), "2", "crash", "1 of the 3 that stay answer, 2"),
        (RemoveValidator("n2"), (A, A, A), "2", "crash", "1 of the 2 that stay answer, 2"),
        (RemoveValidator("n5"), (A, A, A, A, A), "25", "byzantine", "2 of the 4 that stay"),
        # The newcomer counts among those who stay, and the replaced one does not.
        (activate("n4"), (A, A, A, L), "2", "crash", "2 of the 4 that stay answer, 3 are needed"),
        (activate("n4", "n3"), (A, A, A, L), "3", "crash", "1 of the 3 that stay answer, 2"),
        (activate("n5", "n1"), (A, A, A, A, L), "23", "byzantine", "2 of the 4 that stay"),
    ],
)
def test_too_few_would_answer(
    operation: Operation,
    statuses: tuple[ValidatorStatus, ...],
    connected: str,
    model: str,
    words: str,
) -> None:
    membership = make_membership(*statuses)
    with pytest.raises(TransactionRefusedError) as caught:
        check(operation, membership, connected, fault_model=FaultModel(model))
    assert caught.value.code is ReceiptCode.WOULD_LOSE_QUORUM
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "statuses", "connected", "model"),
    [
        (RemoveValidator("n2"), (A, A, A), "3", "crash"),
        (RemoveValidator("n1"), (A, A, A), "23", "crash"),
        (RemoveValidator("n5"), (A, A, A, A, A), "23", "byzantine"),
        (activate("n4"), (A, A, A, L), "24", "crash"),
        (activate("n4", "n3"), (A, A, A, L), "4", "crash"),
        (activate("n5", "n1"), (A, A, A, A, L), "235", "byzantine"),
        # Nobody's set changes, or execution knows better what is wrong.
        (RemoveValidator("n4"), (A, A, A, L), "", "crash"),
        (RemoveValidator("n4"), (A, A, A, R), "", "crash"),
        (RemoveValidator("n7"), (A, A, A), "", "crash"),
        (activate("n3"), (A, A, A), "", "crash"),
        (activate("n4"), (A, A, A, R), "", "crash"),
        (activate("n7"), (A, A, A), "", "crash"),
        (UpdateValidatorAddress("n2", "h:1"), (A, A, A), "", "crash"),
        (AdmitValidator(None, "h:1"), (A, A, A), "", "crash"),
    ],
)
def test_enough_answer_or_no_set_changes(
    operation: Operation, statuses: tuple[ValidatorStatus, ...], connected: str, model: str
) -> None:
    check(operation, make_membership(*statuses), connected, fault_model=FaultModel(model))
