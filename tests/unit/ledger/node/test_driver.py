# SPDX-License-Identifier: Apache-2.0
"""The driver under a simulated clock and stores that crash. Long because it goes step by step."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus import Entry, HardState
from ledger.api.ports import ApiError, TransactionState
from ledger.model.block import Block, BlockHeader, Proposal
from ledger.model.codec import decode, encode
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.verification import VerifiedTransaction
from ledger.node.clock_watch import CLOCK_JUMP_MS_MAX, CLOCK_REFERENCE_MS
from ledger.node.core import NodeCore
from ledger.node.failpoints import BLOCK_FAILPOINTS, Failpoint
from ledger.node.proposing import CLOCK_CHECK_INTERVAL_MS
from ledger.state.machine import BlockResult, execute_block
from ledger.storage.chain import ChainStore
from ledger.storage.errors import DIVERGENCE, EXIT_CORRUPTION, CorruptionError, StorageError
from ledger.storage.kv import WriteBatch
from ledger.storage.log import LogStore
from ledger.storage.memory import MemoryStore
from tests.support.node_harness import WAIT_MS, NodeHarness, crash_at, replay, until


def header_at(harness: NodeHarness, height: int) -> BlockHeader:
    encoded = ChainStore(harness.stores["chain"]).blocks.header(height)
    assert encoded is not None
    return decode(BlockHeader, encoded)


def test_the_first_start_certifies_an_empty_block(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            assert core.driver.tip.height == 1
        assert len(replay(harness)) == 2
        async with harness.running() as core:
            assert core.driver.tip.height == 1, "the second start has a certified head already"

    asyncio.run(scenario())


def test_a_transaction_is_answered_with_a_proof(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            verified = await harness.submit(core, harness.transaction(1))
            assert verified.receipt.code == ReceiptCode.APPLIED
            assert verified.head.state_root == harness.head(core)
        replay(harness)

    asyncio.run(scenario())


def test_a_refused_transaction_has_a_receipt_and_moves_no_state(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.submit(core, harness.transaction(1))
            root = harness.head(core)
            again = harness.world.make_transaction(
                "saqa", harness.operation(1), expires_at=harness.clock.now_ms + 1000
            )
            verified = await harness.submit(core, again)
            assert verified.receipt.code != ReceiptCode.APPLIED
            assert harness.head(core) == root
        replay(harness)

    asyncio.run(scenario())


def test_what_waits_together_comes_into_one_block(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            answers = await harness.submit_all(core, [harness.transaction(n) for n in range(50)])
            places = sorted((a.receipt.height, a.receipt.index) for a in answers)
            assert len(set(places)) == 50
            assert places[-1][0] <= 4, "a few blocks, not fifty"
        replay(harness)

    asyncio.run(scenario())


def test_a_block_waits_for_what_is_being_checked_but_not_for_ever(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            with harness.holding_blocks(core):
                first = asyncio.ensure_future(harness.submit(core, harness.transaction(1)))
                await until(lambda: len(core.pool) == 1)
                second = asyncio.ensure_future(harness.submit(core, harness.transaction(2)))
                await until(lambda: len(core.pool) == 2)
                assert core.driver.tip.height == 1
                harness.clock.advance(harness.config.blocks.linger_ms)
                heights = [(await task).receipt.height for task in (first, second)]
                assert heights == [2, 2]
            # Nothing more is on its way: at once, though no time passes.
            third = await harness.submit(core, harness.transaction(3))
            assert third.receipt.height == 3

    asyncio.run(scenario())


def test_a_block_stays_within_count_and_bytes(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        blocks = replace(harness.config.blocks, transactions_count_max=7, size_bytes_max=20_000)
        harness.config = replace(harness.config, blocks=blocks)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            small = [harness.transaction(n) for n in range(20)]
            large = [harness.transaction(n, size=9_000) for n in range(100, 105)]
            await harness.submit_all(core, small + large)
        chain = ChainStore(harness.stores["chain"])
        for height in range(1, chain.head.height + 1):
            content = decode(Block, decode(Proposal, chain.blocks.proposal(height) or b"").block)
            assert len(content.transactions) <= 7
            assert sum(len(t) for t in content.transactions) <= 20_000
        replay(harness)

    asyncio.run(scenario())


def test_an_idle_node_certifies_a_heartbeat_when_it_is_due(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            harness.clock.advance(59_999)
            # A heartbeat would be on its way before this transaction is checked.
            verified = await harness.submit(core, harness.transaction(1))
            assert verified.receipt.height == 2
            harness.clock.advance(60_000)
            await harness.until_height(core, 3)
        roots = replay(harness)
        assert roots[2] == roots[3], "a heartbeat writes nothing"
        harness.clock.advance(90_000)
        async with harness.running() as core:
            await harness.until_height(core, 4)

    asyncio.run(scenario())


def test_block_time_rises_though_the_clock_stands_or_goes_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.submit(core, harness.transaction(1))
            await harness.submit(core, harness.transaction(2))
        now = harness.clock.now_ms
        assert [header_at(harness, n).time for n in (1, 2, 3)] == [now, now + 1, now + 2]
        harness.clock.now_ms -= 5_000
        async with harness.running() as core:
            await harness.submit(core, harness.transaction(3))
        assert header_at(harness, 4).time == now + 3
        replay(harness)

    asyncio.run(scenario())


def test_a_clock_behind_genesis_still_makes_rising_blocks(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        harness.clock.now_ms = harness.genesis.created - 10_000
        async with harness.running() as core:
            await harness.until_height(core, 1)
        assert header_at(harness, 1).time == harness.genesis.created + 1
        replay(harness)

    asyncio.run(scenario())


async def submit_until_crash(
    harness: NodeHarness, core: NodeCore, numbers: range
) -> dict[int, VerifiedTransaction]:
    """Submit one after the other; what was acknowledged until the node was gone."""
    acknowledged: dict[int, VerifiedTransaction] = {}
    with contextlib.suppress(ApiError):
        for number in numbers:
            acknowledged[number] = await harness.submit(core, harness.transaction(number))
    return acknowledged


@pytest.mark.parametrize("height", [1, 3])
@pytest.mark.parametrize("failpoint", BLOCK_FAILPOINTS)
def test_a_crash_loses_nothing_acknowledged(
    tmp_path: Path, failpoint: Failpoint, height: int
) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        numbers = range(1, 5)
        async with harness.running(crash_at(failpoint, height)) as core:
            acknowledged = await submit_until_crash(harness, core, numbers)
            assert len(acknowledged) < len(numbers), "the node did not crash"
        async with harness.running() as core:
            for number in numbers:
                verified = await harness.submit(core, harness.transaction(number))
                assert verified.receipt.code == ReceiptCode.APPLIED
                if number in acknowledged:
                    assert verified == acknowledged[number]
        roots = replay(harness)
        assert len(roots) == 6, "each transaction took one block, none was executed twice"

    asyncio.run(scenario())


@pytest.mark.parametrize("second", BLOCK_FAILPOINTS)
@pytest.mark.parametrize("first", BLOCK_FAILPOINTS)
def test_a_crash_during_recovery_loses_nothing(
    tmp_path: Path, first: Failpoint, second: Failpoint
) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running(crash_at(first, 2)) as core:
            acknowledged = await submit_until_crash(harness, core, range(1, 3))
        async with harness.running(crash_at(second, 2)) as core:
            await submit_until_crash(harness, core, range(1, 2))
        async with harness.running() as core:
            verified = await harness.submit(core, harness.transaction(1))
            assert verified.receipt.code == ReceiptCode.APPLIED
            if 1 in acknowledged:
                assert verified == acknowledged[1]
        replay(harness)

    asyncio.run(scenario())


def test_the_recorded_vote_is_sent_again_not_made_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running(crash_at(Failpoint.AFTER_VOTE_RECORD, 2)) as core:
            await submit_until_crash(harness, core, range(1, 2))
        reached: list[Failpoint] = []
        async with harness.running(lambda place, _: reached.append(place)) as core:
            await harness.until_height(core, 2)
        assert Failpoint.AFTER_CERTIFY in reached
        assert Failpoint.AFTER_VOTE_RECORD not in reached
        replay(harness)

    asyncio.run(scenario())


def test_another_result_than_the_one_voted_for_stops_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running(crash_at(Failpoint.AFTER_VOTE_RECORD, 2)) as core:
            await submit_until_crash(harness, core, range(1, 2))

        def differently(*arguments: object) -> BlockResult:
            return replace(execute_block(*arguments), receipts_root=bytes(32))  # type: ignore[arg-type]

        monkeypatch.setattr("ledger.node.execution.execute_block", differently)
        core = harness.make_core()
        driving = core.start()
        await asyncio.wait({driving})
        await core.stop()
        error = driving.exception()
        assert isinstance(error, CorruptionError)
        assert (error.code, error.exit_code) == (DIVERGENCE, EXIT_CORRUPTION)
        assert core.driver.tip.height == 1
        monkeypatch.undo()
        async with harness.running() as core:
            await harness.until_height(core, 2)
        replay(harness)

    asyncio.run(scenario())


def append_to_log(harness: NodeHarness, data: bytes) -> None:
    store = harness.stores["chain"]
    log = LogStore(store)
    batch = WriteBatch()
    index = log.last_index() + 1
    log.append(batch, [Entry(index, log.hard_state().term, data)], HardState(9, 1, index))
    store.write(batch, sync=True)


def bend_header(proposal: bytes, **changes: Any) -> bytes:
    """A proposal with another header, which nobody has signed."""
    envelope = decode(Proposal, proposal)
    block = decode(Block, envelope.block)
    header = replace(decode(BlockHeader, block.header), **changes)
    return encode(replace(envelope, block=encode(replace(block, header=encode(header)))))


@pytest.mark.parametrize("height", [2, 3], ids=["another certified one", "the next one"])
def test_an_ordered_block_that_cannot_be_stops_the_node(tmp_path: Path, height: int) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.submit(core, harness.transaction(1))
        old = ChainStore(harness.stores["chain"]).blocks.proposal(2)
        assert old is not None
        append_to_log(harness, bend_header(old, height=height, time=harness.clock.now_ms + 9))
        core = harness.make_core()
        driving = core.start()
        await asyncio.wait({driving})
        await core.stop()
        error = driving.exception()
        assert isinstance(error, CorruptionError)
        assert error.code == DIVERGENCE
        assert core.driver.tip.height == 2

    asyncio.run(scenario())


def test_an_ordered_block_that_is_certified_already_is_passed_over(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.submit(core, harness.transaction(1))
        old = ChainStore(harness.stores["chain"]).blocks.proposal(2)
        assert old is not None
        append_to_log(harness, old)
        async with harness.running() as core:
            verified = await harness.submit(core, harness.transaction(2))
            assert verified.receipt.height == 3
        replay(harness)

    asyncio.run(scenario())


def test_stopping_certifies_what_is_queued(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        blocks = replace(harness.config.blocks, transactions_count_max=3)
        harness.config = replace(harness.config, blocks=blocks)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            transactions = [harness.transaction(n) for n in range(20)]
            accepted = [await core.node.submit(t, wait_ms=0) for t in transactions]
            waiting = [asyncio.ensure_future(harness.submit(core, t)) for t in transactions[5:]]
            await asyncio.sleep(0)
            await core.stop_driving()
            for answer in await asyncio.gather(*waiting):
                assert answer.receipt.code == ReceiptCode.APPLIED
        replay(harness)
        async with harness.running() as core:
            for submitted in accepted:
                state, _ = await core.node.get_transaction(submitted.transaction_id)
                assert state is TransactionState.CERTIFIED

    asyncio.run(scenario())


def test_what_is_not_certified_within_the_grace_is_given_up_and_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        blocks = replace(harness.config.blocks, transactions_count_max=1)
        api = replace(harness.config.api, stop_grace_ms=0)
        harness.config = replace(harness.config, blocks=blocks, api=api)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            transactions = [harness.transaction(n) for n in range(20)]
            for transaction in transactions:
                await core.node.submit(transaction, wait_ms=0)
            waiting = [asyncio.ensure_future(harness.submit(core, t)) for t in transactions]
            await asyncio.sleep(0)
            await core.stop_driving()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            core.close()
        refused = [answer for answer in answers if isinstance(answer, ApiError)]
        assert refused
        assert all(error.code is ReceiptCode.NOT_READY for error in refused)
        assert len(replay(harness)) < 22

    asyncio.run(scenario())


@pytest.mark.parametrize("failpoint", [Failpoint.AFTER_PERSIST, Failpoint.AFTER_VOTE_RECORD])
def test_what_may_come_into_a_block_is_not_called_lost(
    tmp_path: Path, failpoint: Failpoint
) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        blocks = replace(harness.config.blocks, transactions_count_max=1)
        harness.config = replace(harness.config, blocks=blocks)
        transactions = [harness.transaction(n) for n in range(2)]
        async with harness.running(crash_at(failpoint, 2)) as core:
            await harness.until_height(core, 1)
            tasks = [core.node.submit(transaction, wait_ms=WAIT_MS) for transaction in transactions]
            errors = await asyncio.gather(*tasks, return_exceptions=True)
        codes = [error.code for error in errors if isinstance(error, ApiError)]
        assert codes == [ApiReason.OUTCOME_UNKNOWN, ReceiptCode.NOT_READY]
        async with harness.running() as core:
            await harness.until_height(core, 2)
            taken, queued = (harness.world.check(t).transaction_id for t in transactions)
            assert (await core.node.get_transaction(taken))[0] is TransactionState.CERTIFIED
            assert (await core.node.get_transaction(queued))[0] is TransactionState.UNKNOWN
        replay(harness)

    asyncio.run(scenario())


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(200):
        await asyncio.sleep(0)


DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("jump_ms", "reason"),
    [
        (29 * DAY_MS, "jumped forward by"),
        (CLOCK_JUMP_MS_MAX + 2_000, "jumped forward by"),
        (-CLOCK_JUMP_MS_MAX - 2_000, "jumped back by"),
        (-120_000, "ahead of this machine"),
    ],
)
def test_no_block_is_made_under_a_wrong_clock(tmp_path: Path, jump_ms: int, reason: str) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            transaction = harness.transaction(1)
            before = core.driver.tip
            harness.clock.wall_ahead_ms = jump_ms
            harness.clock.advance(harness.config.blocks.freshness_interval_ms)
            await settle()
            status = core.node.get_status()
            assert not status.voting
            assert reason in status.voting_reason
            with pytest.raises(ApiError, match=reason) as caught:
                await core.node.submit(transaction, wait_ms=WAIT_MS)
            assert caught.value.code is ReceiptCode.NOT_READY, "not EXPIRED: the clock is wrong"
            assert core.driver.tip == before
            # Right again, it goes on by itself.
            harness.clock.wall_ahead_ms = 0
            harness.clock.advance(CLOCK_CHECK_INTERVAL_MS)
            await harness.until_height(core, 2)
            assert core.node.get_status().voting
            verified = await harness.submit(core, transaction)
            assert verified.receipt.code == ReceiptCode.APPLIED
        replay(harness)

    asyncio.run(scenario())


def test_a_restart_believes_a_clock_that_was_set_right(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            harness.clock.wall_ahead_ms = 60_000
            harness.clock.advance(harness.config.blocks.freshness_interval_ms)
            await settle()
            assert "restart the node" in core.node.get_status().voting_reason
            assert core.driver.tip.height == 1
        async with harness.running() as core:
            await harness.until_height(core, 2)
        replay(harness)

    asyncio.run(scenario())


def test_small_corrections_of_the_clock_do_not_add_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            for height in range(1, 8):
                await harness.until_height(core, height)
                harness.clock.wall_ahead_ms += CLOCK_JUMP_MS_MAX // 2
                harness.clock.advance(CLOCK_REFERENCE_MS + 1)
            await harness.until_height(core, 8)

    asyncio.run(scenario())


def test_a_clock_found_wrong_at_start_may_be_set_right_while_the_node_runs(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
        harness.clock.wall_ahead_ms = 29 * DAY_MS
        async with harness.running() as core:
            await settle()
            assert "696 hours after the newest block" in core.node.get_status().voting_reason
            harness.clock.wall_ahead_ms = 0
            harness.clock.advance(harness.config.blocks.freshness_interval_ms)
            await harness.until_height(core, 2)
        assert header_at(harness, 2).time == harness.clock.now_ms

    asyncio.run(scenario())


def test_a_long_stop_is_confirmed_for_the_newest_block_only(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
        blocks = replace(harness.config.blocks, clock_checked_height=1)
        for height, is_confirmed in ((1, False), (1, True), (2, False)):
            if not is_confirmed:
                harness.clock.advance(7 * 3_600_000)
            else:
                harness.config = replace(harness.config, blocks=blocks)
            async with harness.running() as core:
                if is_confirmed:
                    await harness.until_height(core, 2)
                    assert core.node.get_status().voting
                    continue
                await settle()
                reason = core.node.get_status().voting_reason
                assert f"set blocks.clock_checked_height = {height} in config.toml" in reason
                assert core.driver.tip.height == height

    asyncio.run(scenario())


def test_a_node_whose_driver_died_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        harness.stores["chain"] = FullStore(2)
        core = harness.make_core()
        driving = core.start()
        await asyncio.wait({driving})
        status = core.node.get_status()
        assert not status.voting
        assert "no space left" in status.voting_reason
        await core.stop()
        assert isinstance(driving.exception(), StorageError)

    asyncio.run(scenario())


def test_a_stopping_node_takes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        async with harness.running() as core:
            await harness.until_height(core, 1)
            await core.stop_driving()
            with pytest.raises(ApiError) as caught:
                await core.node.submit(harness.transaction(1), wait_ms=WAIT_MS)
            assert caught.value.code is ReceiptCode.NOT_READY
        assert len(replay(harness)) == 2

    asyncio.run(scenario())


class FullStore(MemoryStore):
    """A disk that is full from some write on."""

    def __init__(self, writes_count_max: int) -> None:
        super().__init__()
        self.writes_left = writes_count_max

    def write(self, batch: WriteBatch, *, sync: bool) -> None:
        self.writes_left -= 1
        if self.writes_left < 0:
            raise StorageError("STORAGE_IO", "no space left", "Make room.")
        super().write(batch, sync=sync)


@pytest.mark.parametrize("writes", range(1, 12))
def test_a_full_disk_stops_the_node_and_loses_nothing_acknowledged(
    tmp_path: Path, writes: int
) -> None:
    async def scenario() -> None:
        harness = NodeHarness(tmp_path)
        harness.stores["chain"] = full = FullStore(writes)
        core = harness.make_core()
        driving = core.start()
        acknowledged = await submit_until_crash(harness, core, range(1, 5))
        assert len(acknowledged) < 4
        await asyncio.wait({driving})
        error = driving.exception()
        assert isinstance(error, StorageError)
        assert (error.code, error.exit_code) == ("STORAGE_IO", 4)
        await core.stop()
        full.writes_left = 1_000
        async with harness.running() as core:
            for number in range(1, 5):
                verified = await harness.submit(core, harness.transaction(number))
                if number in acknowledged:
                    assert verified == acknowledged[number]
        replay(harness)

    asyncio.run(scenario())
