# SPDX-License-Identifier: Apache-2.0
"""The state machine: a block of 100 transactions with 1 KB operations, over a state in memory.

`execute-per-transaction` is the time of a block ÷ its transactions: authentication, rule, the
operation's own tests, receipts and their root, the sorted writes; neither signatures nor tree.
Contents are known to be good, as they are on a node that examined them at admission (`transaction`). Two
operations, each by one author: the first version of a display bundle, and new values in one chunk
of a status list (a list for each). `tree-keys-per-write` is what then goes into the tree.
Processor time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.limits import ED25519_VERIFY
from benchmarks.results import Figure, Parameter
from benchmarks.samples import (
    LIFETIME_MS,
    as_author,
    make_publication,
    make_status_update,
    sign_transaction,
)
from benchmarks.timing import measure
from benchmarks.workload import Context
from ledger.model.block import BlockHeader
from ledger.model.limits import STATUS_LIST_SIZE_MIN
from ledger.model.operations import CreateStatusList, StatusPurpose
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation
from ledger.model.transaction_check import CheckedTransaction, check_transaction
from ledger.state.machine import BlockResult, execute_block
from tests.support.ledger_execution import LedgerWorld

NAME = "execution"
TRANSACTIONS_COUNT = 100
AUTHOR = "qcto"


PUBLISH = "publish-resource"
UPDATE_LIST = "update-status-list"


def run(context: Context) -> Iterator[Figure]:
    """Measure execution."""
    for name in (PUBLISH, UPDATE_LIST):
        block = make_block(name, TRANSACTIONS_COUNT, context.seed)
        parameters: dict[str, Parameter] = {"operation": name, "block": TRANSACTIONS_COUNT}
        measured = measure(block.execute, context.effort).scaled(1e6 / TRANSACTIONS_COUNT)
        yield Figure(NAME, "execute-per-transaction", measured, "µs", parameters, ED25519_VERIFY)
        keys = count_tree_keys(block)
        yield Figure(NAME, "tree-keys-per-write", keys, "keys", parameters)


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """A block that is ready to be executed, again and again: execution changes nothing."""

    world: LedgerWorld
    header: BlockHeader
    transactions: Sequence[CheckedTransaction]

    def execute(self) -> BlockResult:
        return execute_block(self.world.state, self.header, self.transactions)


def make_block(name: str, transactions_count: int, seed: int) -> SampleBlock:
    """A block of one operation by one author, on a state in which every transaction is applied."""
    generator = random.Random(seed)
    world = LedgerWorld()
    if name == PUBLISH:
        operations: list[Operation] = [
            make_publication(generator, f"sample.bundle-{number}")
            for number in range(transactions_count)
        ]
    else:
        operations = [
            make_status_update(generator, world.did(AUTHOR), _create_list(world, generator), 0)
            for _ in range(transactions_count)
        ]
    header = replace(
        world.header,
        height=world.header.height + 1,
        time=world.time + 1_000,
        tx_count=transactions_count,
    )
    return SampleBlock(world, header, [_sign(world, generator, each) for each in operations])


def count_tree_keys(block: SampleBlock) -> float:
    """Keys that a block changes in the tree, for one transaction; all must be applied."""
    result = block.execute()
    if any(receipt.code != ReceiptCode.APPLIED for receipt in result.receipts):
        raise AssertionError(f"a sample was refused: {result.receipts[0]}")
    return len(result.writes) / len(block.transactions)


def _create_list(world: LedgerWorld, generator: random.Random) -> bytes:
    list_id = generator.randbytes(16)
    operation = CreateStatusList(
        list_id, StatusPurpose.SUSPENSION, bits=1, size=STATUS_LIST_SIZE_MIN
    )
    if world.submit(AUTHOR, operation).code != ReceiptCode.APPLIED:
        raise AssertionError("a status list was refused")
    return list_id


def _sign(world: LedgerWorld, generator: random.Random, operation: Operation) -> CheckedTransaction:
    made = sign_transaction(
        as_author(world.organisations[AUTHOR]),
        operation,
        chain_id=world.chain_id,
        expires_at=world.time + LIFETIME_MS,
        idempotency_key=generator.randbytes(16),
    )
    return check_transaction(made.encoded, chain_id=world.chain_id)
