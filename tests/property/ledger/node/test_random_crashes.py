# SPDX-License-Identifier: Apache-2.0
"""A validator that crashes at random places, again and again, and loses any of its unsynced writes.

After each history: what was acknowledged is there, with the same receipt; every block replays to the
certified roots; no transaction is in two blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from ledger.api.ports import ApiError
from ledger.model.verification import VerifiedTransaction
from ledger.node.core import NodeCore
from ledger.node.failpoints import BLOCK_FAILPOINTS, pass_by
from tests.support.node_harness import NodeHarness, crash_at, replay

RUNS = 7
SEEDS = 25


async def submit_some(
    harness: NodeHarness,
    core: NodeCore,
    transactions: list[bytes],
    acknowledged: dict[bytes, VerifiedTransaction],
) -> None:
    """Submit at once; note what is acknowledged before the node is gone."""

    async def one(transaction: bytes) -> None:
        with contextlib.suppress(ApiError):
            verified = await harness.submit(core, transaction)
            before = acknowledged.setdefault(verified.transaction_id, verified)
            assert before == verified, "an acknowledged transaction got another answer"

    await asyncio.gather(*(one(transaction) for transaction in transactions))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)

    async def history() -> None:
        harness = NodeHarness(tmp_path)
        harness.count_kept = lambda: rng.randrange(3)
        acknowledged: dict[bytes, VerifiedTransaction] = {}
        sent: list[bytes] = []
        number = 0
        height = 0
        for _ in range(RUNS):
            place, at = rng.choice(BLOCK_FAILPOINTS), height + rng.randrange(1, 4)
            async with harness.running(crash_at(place, at)) as core:
                for _ in range(3):
                    fresh = [harness.transaction(number + n) for n in range(rng.randrange(1, 4))]
                    number += len(fresh)
                    sent += fresh
                    again = rng.sample(sent, min(2, len(sent)))
                    await submit_some(harness, core, fresh + again, acknowledged)
                height = core.driver.tip.height
            harness.clock.advance(rng.randrange(1000))
        async with harness.running(pass_by) as core:
            for transaction in sent:
                await submit_some(harness, core, [transaction], acknowledged)
        assert len(acknowledged) == len(sent)
        replay(harness)

    asyncio.run(history())
