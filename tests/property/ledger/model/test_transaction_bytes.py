# SPDX-License-Identifier: Apache-2.0
"""The operation is found in a body's bytes, whatever stands before it."""

from __future__ import annotations

from hypothesis import assume, given

from ledger.model.codec import encode
from ledger.model.transaction import TransactionBody
from ledger.model.transaction_check import _cut_operation  # pyright: ignore[reportPrivateUsage]
from ledger.model.wire import get_message
from tests.support.strategies import messages


@given(messages(TransactionBody))
def test_the_operation_cut_out_is_the_operation_encoded(body: TransactionBody) -> None:
    assume(body.operation is not None)
    assert _cut_operation(encode(body)) == encode(body.operation)


def test_the_operation_is_the_last_field_and_alone_has_a_tag_of_two_bytes() -> None:
    numbers = {
        (field.number, field.name == "operation") for field in get_message(TransactionBody).fields
    }
    assert all((number >= 16) is is_operation for number, is_operation in numbers)
    assert max(number for number, _ in numbers) < 2048
