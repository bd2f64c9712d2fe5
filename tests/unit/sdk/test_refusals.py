# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from ledger.model.receipts import ApiReason, ReceiptCode
from sdk.errors import RefusedError, UnavailableError
from sdk.node_api import CallFault, NodeCallError
from sdk.refusals import as_write_error, make_receipt

TRANSACTION_ID = "00" * 32


def test_an_unknown_outcome_is_no_refusal() -> None:
    fault = NodeCallError(CallFault.REFUSED, "it stopped", reason=ApiReason.OUTCOME_UNKNOWN.value)
    error = as_write_error(fault, TRANSACTION_ID)
    assert isinstance(error, UnavailableError)
    assert (error.code, error.phase) == ("OUTCOME_UNKNOWN", "unknown")
    assert error.transaction_id == TRANSACTION_ID
    assert "never applied twice" in error.remedy


@pytest.mark.parametrize("code", [ReceiptCode.PERSONAL_DATA, ReceiptCode.EXPIRED])
def test_what_admission_refuses_like_execution_is_refused(code: ReceiptCode) -> None:
    error = as_write_error(NodeCallError(CallFault.REFUSED, "no", reason=code.name), TRANSACTION_ID)
    assert isinstance(error, RefusedError)
    assert error.code == code.name
    assert not error.receipt.applied


@pytest.mark.parametrize("code", [ReceiptCode.ACCEPTED, int(ReceiptCode.APPLIED), 999_999])
def test_the_code_of_a_receipt_is_a_plain_number(code: int) -> None:
    receipt = make_receipt(code, transaction_id="")
    assert type(receipt.code) is int
    assert receipt.code == code
