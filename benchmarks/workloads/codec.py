# SPDX-License-Identifier: Apache-2.0
"""Canonical bytes: a transaction with a 1 KB operation, written and read.

`encode` and `decode` are what the node calls (the protobuf runtime with its checks); `decode-strict`
is the reader written from the wire format, which decides where the other refuses. The body is what
a transaction's signature covers and holds the operation. Processor time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.limits import ED25519_VERIFY
from benchmarks.results import Figure, Parameter
from benchmarks.samples import as_author, make_publication, sign_transaction
from benchmarks.timing import measure
from benchmarks.workload import Context
from ledger.model.codec import decode, encode
from ledger.model.transaction import Transaction
from ledger.model.wire import decode_strict
from tests.support.ledger_world import make_organisation

NAME = "codec"


def run(context: Context) -> Iterator[Figure]:
    """Measure the codec."""
    transaction = sign_transaction(
        as_author(make_organisation("nmu")),
        make_publication(random.Random(context.seed), "sample.bundle"),
        chain_id="test:0123456789abcdef",
        expires_at=1_700_000_000_000,
        idempotency_key=bytes(range(16)),
    )
    for value in (transaction.body, decode(Transaction, transaction.encoded)):
        data = encode(value)
        cls = type(value)
        parameters: dict[str, Parameter] = {"message": cls.__name__, "size_bytes": len(data)}
        operations: dict[str, Callable[[], object]] = {
            "encode": partial(encode, value),
            "decode": partial(decode, cls, data),
            "decode-strict": partial(decode_strict, cls, data, size_max=len(data)),
        }
        for metric, operation in operations.items():
            measured = measure(operation, context.effort).scaled(1e6)
            yield Figure(NAME, metric, measured, "µs", parameters, ED25519_VERIFY)
