# SPDX-License-Identifier: Apache-2.0
"""Admission: everything that is asked of a transaction before any state is looked at.

- `check`: a transaction with a 1 KB operation and one Ed25519 signer: canonical decoding, form,
  signature, hashes. The signer's public key is known already, as it is on a node after an author's
  first transaction.
- `examine-content`: the JSON of that operation, a display bundle: its form, allowed texts, personal
  data.

Each call gets other bytes. Processor time.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import partial
from typing import TypeVar

from benchmarks.limits import ED25519_VERIFY
from benchmarks.results import Figure, Parameter
from benchmarks.samples import as_author, make_publication, sign_transaction
from benchmarks.timing import measure_each
from benchmarks.workload import Context
from ledger.model.charter import default_charter
from ledger.model.operations import PublishResource
from ledger.model.resource_content import EXAMINED_COUNT_MAX, check_content
from ledger.model.transaction_check import check_transaction
from tests.support.ledger_world import make_organisation

NAME = "transaction"
CHAIN_ID = "test:0123456789abcdef"
POWERS = default_charter().powers

Item = TypeVar("Item")


def run(context: Context) -> Iterator[Figure]:
    """Measure the check of a transaction."""
    generator = random.Random(context.seed)
    author = as_author(make_organisation("nmu"))
    # More than the node remembers as examined.
    operations = [
        make_publication(generator, f"sample.bundle-{number:08d}")
        for number in range(EXAMINED_COUNT_MAX + 1)
    ]
    made = [
        sign_transaction(
            author,
            operation,
            chain_id=CHAIN_ID,
            expires_at=1_700_000_000_000,
            idempotency_key=generator.randbytes(16),
        ).encoded
        for operation in operations
    ]

    def check(encoded: bytes) -> object:
        return check_transaction(encoded, chain_id=CHAIN_ID)

    def examine(operation: PublishResource) -> object:
        return check_content(
            operation.type,
            operation.name,
            operation.media_type,
            operation.content,
            powers=POWERS,
        )

    parameters: dict[str, Parameter] = {
        "operation": "publish-resource",
        "size_bytes": len(made[0]),
        "signers": 1,
    }
    endless_made, endless_operations = itertools.cycle(made), itertools.cycle(operations)
    for metric, measured in {
        "check": measure_each(check, partial(_take, endless_made), context.effort),
        "examine-content": measure_each(
            examine, partial(_take, endless_operations), context.effort
        ),
    }.items():
        yield Figure(NAME, metric, measured.scaled(1e6), "µs", parameters, ED25519_VERIFY)


def _take(endless: Iterator[Item], count: int) -> list[Item]:
    return list(itertools.islice(endless, count))
