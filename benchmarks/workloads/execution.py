# SPDX-License-Identifier: Apache-2.0
"""The state machine: a block of 100 transactions with 1 KB operations, over a state in memory.

`execute-per-transaction` is the time of a block ÷ its transactions: authentication, rule, the
operation's own tests, receipts and their root, the sorted writes; neither signatures nor tree. Two
operations, each by one author: the first version of a display bundle, and new values in one chunk
of a status list (a list for each). `tree-keys-per-write` is what then goes into the tree.
Processor time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.limits import ED25519_VERIFY
from benchmarks.results import Figure, Parameter
from benchmarks.samples import LIFETIME_MS, make_publication, make_status_update, sign_transaction
from benchmarks.timing import measure
from benchmarks.workload import Context
from ledger.model.limits import STATUS_LIST_SIZE_MIN
from ledger.model.operations import CreateStatusList, StatusPurpose
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation
from ledger.model.transaction_check import CheckedTransaction, check_transaction
from ledger.state.machine import execute_block
from tests.support.ledger_execution import LedgerWorld

NAME = "execution"
TRANSACTIONS_COUNT = 100
AUTHOR = "qcto"


def run(context: Context) -> Iterator[Figure]:
    """Measure execution."""
    generator = random.Random(context.seed)
    world = LedgerWorld()
    publications = [
        make_publication(generator, f"sample.bundle-{number}")
        for number in range(TRANSACTIONS_COUNT)
    ]
    list_ids = [generator.randbytes(16) for _ in range(TRANSACTIONS_COUNT)]
    for list_id in list_ids:
        receipt = world.submit(
            AUTHOR,
            CreateStatusList(list_id, StatusPurpose.SUSPENSION, bits=1, size=STATUS_LIST_SIZE_MIN),
        )
        if receipt.code != ReceiptCode.APPLIED:
            raise AssertionError(f"a status list was refused: {receipt}")
    updates = [make_status_update(generator, world.did(AUTHOR), list_id, 0) for list_id in list_ids]
    yield from _measure(context, world, "publish-resource", publications)
    yield from _measure(context, world, "update-status-list", updates)


def _measure(
    context: Context, world: LedgerWorld, name: str, operations: Sequence[Operation]
) -> Iterator[Figure]:
    transactions = _sign(context, world, operations)
    header = replace(
        world.header,
        height=world.header.height + 1,
        time=world.time + 1_000,
        tx_count=len(transactions),
    )
    result = execute_block(world.state, header, transactions)
    if any(receipt.code != ReceiptCode.APPLIED for receipt in result.receipts):
        raise AssertionError(f"a sample was refused: {result.receipts[0]}")
    parameters: dict[str, Parameter] = {"operation": name, "block": len(transactions)}
    measured = measure(lambda: execute_block(world.state, header, transactions), context.effort)
    yield Figure(
        NAME,
        "execute-per-transaction",
        measured.scaled(1e6 / len(transactions)),
        "µs",
        parameters,
        ED25519_VERIFY,
    )
    keys_per_write = len(result.writes) / len(transactions)
    yield Figure(NAME, "tree-keys-per-write", keys_per_write, "keys", parameters)


def _sign(
    context: Context, world: LedgerWorld, operations: Sequence[Operation]
) -> list[CheckedTransaction]:
    generator = random.Random(context.seed)
    return [
        check_transaction(
            sign_transaction(
                world.organisations[AUTHOR],
                operation,
                chain_id=world.chain_id,
                expires_at=world.time + LIFETIME_MS,
                idempotency_key=generator.randbytes(16),
            ).encoded,
            chain_id=world.chain_id,
        )
        for operation in operations
    ]
