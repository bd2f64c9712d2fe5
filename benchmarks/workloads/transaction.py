# SPDX-License-Identifier: Apache-2.0
"""Admission: everything that is asked of a transaction before any state is looked at.

A transaction with a 1 KB operation and one Ed25519 signer: canonical decoding, form, signature,
hashes. Each call gets other bytes; the signer's public key is known already, as it is on a node
after an author's first transaction. Processor time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.limits import ED25519_VERIFY
from benchmarks.results import Figure
from benchmarks.samples import as_author, make_publication, sign_transaction
from benchmarks.timing import measure_each
from benchmarks.workload import Context
from ledger.model.transaction_check import check_transaction
from tests.support.ledger_world import make_organisation

NAME = "transaction"
CHAIN_ID = "test:0123456789abcdef"


def run(context: Context) -> Iterator[Figure]:
    """Measure the check of a transaction."""
    generator = random.Random(context.seed)
    author = as_author(make_organisation("nmu"))
    made = [
        sign_transaction(
            author,
            make_publication(generator, f"sample.bundle-{number:08d}"),
            chain_id=CHAIN_ID,
            expires_at=1_700_000_000_000,
            idempotency_key=generator.randbytes(16),
        ).encoded
        for number in range(256)
    ]

    def check(encoded: bytes) -> object:
        return check_transaction(encoded, chain_id=CHAIN_ID)

    measured = measure_each(
        check, lambda count: (made * (count // len(made) + 1))[:count], context.effort
    )
    yield Figure(
        NAME,
        "check",
        measured.scaled(1e6),
        "µs",
        {"operation": "publish-resource", "size_bytes": len(made[0]), "signers": 1},
        ED25519_VERIFY,
    )
