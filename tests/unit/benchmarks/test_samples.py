# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import random

from benchmarks.samples import (
    CHUNK_ENTRIES_COUNT,
    OPERATION_SIZE,
    as_author,
    make_publication,
    make_status_update,
    sign_transaction,
)
from ledger.model.codec import encode
from ledger.model.hashes import compute_transaction_id
from ledger.model.transaction_check import check_transaction
from tests.support.ledger_world import make_organisation

CHAIN_ID = "test:0123456789abcdef"


def test_a_publication_has_exactly_the_size_of_the_workload() -> None:
    generator = random.Random(1)
    for number in range(50):
        operation = make_publication(generator, f"sample.bundle-{10 ** (number % 7)}")
        assert len(encode(operation)) == OPERATION_SIZE


def test_a_status_update_fills_the_size_within_one_chunk() -> None:
    generator = random.Random(1)
    for _ in range(20):
        operation = make_status_update(generator, make_organisation("nmu").did, bytes(16), 3)
        assert OPERATION_SIZE - 16 < len(encode(operation)) <= OPERATION_SIZE
        indexes = list(operation.indexes)
        assert indexes == sorted({*indexes})
        assert indexes[0] // CHUNK_ENTRIES_COUNT == indexes[-1] // CHUNK_ENTRIES_COUNT


def test_equal_seeds_give_equal_bytes() -> None:
    one, other = (make_publication(random.Random(7), "sample.bundle") for _ in range(2))
    assert one == other
    assert make_publication(random.Random(8), "sample.bundle") != one


def test_a_sample_transaction_is_admitted() -> None:
    made = sign_transaction(
        as_author(make_organisation("nmu")),
        make_publication(random.Random(1), "sample.bundle"),
        chain_id=CHAIN_ID,
        expires_at=1_700_000_000_000,
        idempotency_key=bytes(range(16)),
    )
    checked = check_transaction(made.encoded, chain_id=CHAIN_ID)
    assert checked.body == made.body
    assert (
        checked.transaction_id == made.transaction_id == compute_transaction_id(encode(made.body))
    )
