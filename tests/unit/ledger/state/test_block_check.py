# SPDX-License-Identifier: Apache-2.0
"""Whether a block follows its parent: every member of the header, and the transactions."""

from __future__ import annotations

import dataclasses

import pytest

from ledger.model.limits import BLOCK_TRANSACTIONS_COUNT_MAX
from ledger.model.operations import AddSite
from ledger.model.transaction_check import CheckedTransaction
from ledger.state.block_check import BlockInvalidError, check_block, compute_tx_root
from tests.support.ledger_execution import LedgerWorld


@pytest.fixture(scope="module")
def world() -> LedgerWorld:
    return LedgerWorld()


def make_transactions(world: LedgerWorld, count: int) -> list[CheckedTransaction]:
    operation = AddSite(organisation=world.did("qcto"), code="1", name="Sample", province="GP")
    return [world.check(world.make_transaction("qcto", operation)) for _ in range(count)]


def refusal(
    world: LedgerWorld, transactions: list[CheckedTransaction], **changes: object
) -> BlockInvalidError:
    header = dataclasses.replace(
        world.make_header(transactions),
        **changes,  # type: ignore[arg-type]
    )
    with pytest.raises(BlockInvalidError) as caught:
        check_block(
            header,
            transactions,
            parent=world.header,
            next_validators_hash=world.header.next_validators_hash,
        )
    assert str(caught.value).startswith(caught.value.field)
    return caught.value


@pytest.mark.parametrize("count", [0, 1, 3])
def test_good(world: LedgerWorld, count: int) -> None:
    transactions = make_transactions(world, count)
    header = world.make_header(transactions)
    assert header.tx_root == compute_tx_root(transactions)
    check_block(
        header,
        transactions,
        parent=world.header,
        next_validators_hash=world.header.next_validators_hash,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", "test:0000000000000000"),
        ("epoch", 1),
        ("height", 0),
        ("height", 1_000_000),
        ("parent_hash", bytes(32)),
        ("tx_root", bytes(32)),
        ("tx_count", 2),
        ("validators_hash", bytes(32)),
        ("next_validators_hash", bytes(32)),
        ("protocol_version", 2),
        ("time", 0),
    ],
)
def test_header(world: LedgerWorld, field: str, value: object) -> None:
    assert refusal(world, make_transactions(world, 1), **{field: value}).field == field


def test_time_increases(world: LedgerWorld) -> None:
    assert refusal(world, [], time=world.header.time).field == "time"
    header = world.make_header([], time=world.header.time + 1)
    check_block(
        header, [], parent=world.header, next_validators_hash=world.header.next_validators_hash
    )


def test_next_validators_come_from_the_state(world: LedgerWorld) -> None:
    with pytest.raises(BlockInvalidError) as caught:
        check_block(world.make_header([]), [], parent=world.header, next_validators_hash=bytes(32))
    assert caught.value.field == "next_validators_hash"


def test_transaction_is_there_once(world: LedgerWorld) -> None:
    one, other = make_transactions(world, 2)
    assert refusal(world, [one, other, one]).text == "one is there twice"


def test_signatures_are_covered_by_the_root(world: LedgerWorld) -> None:
    (one,) = make_transactions(world, 1)
    forged = dataclasses.replace(one, encoded=one.encoded[:-1] + b"\xff")  # no S ends so
    assert compute_tx_root([one]) != compute_tx_root([forged])
    assert refusal(world, [forged], tx_root=compute_tx_root([one])).field == "tx_root"


def test_transaction_of_another_ledger(world: LedgerWorld) -> None:
    (one,) = make_transactions(world, 1)
    body = dataclasses.replace(one.body, chain_id="other:0000000000000000")
    assert "another ledger" in refusal(world, [dataclasses.replace(one, body=body)]).text


def test_limits(world: LedgerWorld) -> None:
    (one,) = make_transactions(world, 1)
    many = [
        dataclasses.replace(one, transaction_id=number.to_bytes(32, "big"))
        for number in range(BLOCK_TRANSACTIONS_COUNT_MAX + 1)
    ]
    assert str(BLOCK_TRANSACTIONS_COUNT_MAX) in refusal(world, many).text
    large = [dataclasses.replace(item, encoded=bytes(200_000)) for item in many[:22]]
    assert "bytes" in refusal(world, large).text
