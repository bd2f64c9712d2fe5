# SPDX-License-Identifier: Apache-2.0
"""Who asks for one thing stands behind nobody who asks for much, and nobody behind the writer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest

from ledger.api.ports import ApiError
from ledger.model import schema
from ledger.model.codec import decode
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Receipt
from ledger.node import node
from ledger.node.core import NodeCore
from ledger.node.failpoints import Failpoint
from ledger.node.node import SMALL_READ_KEYS_COUNT_MAX
from ledger.node.queries import Queries
from ledger.node.tip import Tip
from tests.support.node_harness import NodeHarness, replay

MANY = [b"key %d" % number for number in range(SMALL_READ_KEYS_COUNT_MAX + 1)]
SECONDS_MAX = 10.0


@contextlib.contextmanager
def holding_large_reads(monkeypatch: pytest.MonkeyPatch) -> Generator[threading.Event]:
    """Whoever asks for MANY waits until the end, or the event."""
    released = threading.Event()
    prove = Queries.prove

    def held(queries: Queries, tip: Tip, keys: list[bytes]) -> bytes:
        if keys == MANY:
            assert released.wait(SECONDS_MAX)
        return prove(queries, tip, keys)

    monkeypatch.setattr(Queries, "prove", held)
    try:
        yield released
    finally:
        released.set()


def run(tmp_path: Path, scenario: Callable[[NodeHarness, NodeCore], Awaitable[None]]) -> None:
    async def main() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            await scenario(harness, core)

    asyncio.run(main())


def test_a_small_read_does_not_wait_for_large_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        with holding_large_reads(monkeypatch) as released:
            large = [asyncio.ensure_future(core.node.get_many(MANY)) for _ in range(8)]
            await asyncio.sleep(0)
            small = core.node.get_many([schema.validators_key()])
            assert await asyncio.wait_for(small, SECONDS_MAX / 4)
            assert not any(read.done() for read in large)
            released.set()
            assert len(set(await asyncio.gather(*large))) == 1

    run(tmp_path, scenario)


def test_too_many_large_reads_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "LARGE_READS_COUNT_MAX", 3)

    async def scenario(harness: NodeHarness, core: NodeCore) -> None:
        with holding_large_reads(monkeypatch):
            large = [asyncio.ensure_future(core.node.get_many(MANY)) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(ApiError) as caught:
                await asyncio.wait_for(core.node.get_many(MANY), SECONDS_MAX / 4)
            assert caught.value.code is ReceiptCode.OVERLOADED
            assert caught.value.retry_after_ms
        await asyncio.gather(*large)
        assert await core.node.get_many(MANY), "there is room again"

    run(tmp_path, scenario)


def test_a_dry_run_neither_waits_for_the_writer_nor_delays_it(tmp_path: Path) -> None:
    begun, released = threading.Event(), threading.Event()

    def hold_block_2(place: Failpoint, height: int) -> None:
        if place is Failpoint.BEFORE_PERSIST and height == 2:
            begun.set()
            assert released.wait(SECONDS_MAX)

    async def main() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running(hold_block_2) as core:
            await harness.until_height(core, 1)
            writing = asyncio.ensure_future(harness.submit(core, harness.transaction(1)))
            while not begun.is_set():  # noqa: ASYNC110 - set in another thread
                await asyncio.sleep(0)
            try:
                dry = core.node.dry_run(harness.transaction(2))
                receipt = decode(Receipt, await asyncio.wait_for(dry, SECONDS_MAX / 4))
            finally:
                released.set()
            assert (receipt.code, receipt.height) == (ReceiptCode.APPLIED, 2)
            assert (await writing).receipt.code == ReceiptCode.APPLIED
        replay(harness)

    asyncio.run(main())
