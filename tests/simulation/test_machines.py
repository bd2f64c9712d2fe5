# SPDX-License-Identifier: Apache-2.0
"""The simulated loop, disk, threads and network do what real ones may do, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from consensus import Message, MessageKind
from ledger.node.peers import PeerMessage, RaftMessage, VoteMessage
from ledger.storage.kv import WriteBatch
from tests.support.simulation.clock import SimulatedClock
from tests.support.simulation.disk import SimulatedDisk, SimulatedStore
from tests.support.simulation.executor import SimulatedExecutor
from tests.support.simulation.loop import Process, StuckError, VirtualLoop, make_loop
from tests.support.simulation.network import (
    NOTICE_US_MAX,
    QUEUE_COUNT_MAX,
    RECONNECT_US_MAX,
    LinkQuality,
    SimulatedNetwork,
)
from tests.support.simulation.trace import Trace

SEEDS: Final = range(40)


def run_until(loop: VirtualLoop, us: int) -> None:
    """Let time come to a moment."""
    loop.call_after_us(us - loop.now_us, lambda: None)
    loop.run_while(lambda: loop.now_us < us)


def begin(loop: VirtualLoop, process: Process, work: Coroutine[Any, Any, None]) -> None:
    _ = loop.create_task(work, context=process.context)


# The loop --------------------------------------------------------------------------------------------


def test_time_jumps_and_what_is_due_runs_in_its_order() -> None:
    loop, seen = make_loop(), list[tuple[str, int]]()

    def see(name: str) -> None:
        seen.append((name, loop.now_us))

    for name, delay in (("late", 7_000_000), ("first", 5), ("second", 5), ("soon", 0)):
        loop.call_after_us(delay, see, name)
    loop.run_while(lambda: len(seen) < 4)
    assert seen == [("soon", 0), ("first", 5), ("second", 5), ("late", 7_000_000)]


def test_a_timer_is_never_early_and_a_cancelled_one_never_runs() -> None:
    loop, seen = make_loop(), list[int]()
    loop.call_later(0.0000015, lambda: seen.append(loop.now_us))
    loop.call_later(0.0000001, lambda: seen.append(-1)).cancel()
    run_until(loop, 10)
    assert seen == [2]


def test_a_dead_process_runs_nothing_more_not_even_finally() -> None:
    loop, process, seen = make_loop(), Process("p"), list[str]()

    async def work() -> None:
        try:
            while True:
                seen.append("step")
                await asyncio.sleep(0.001)
        finally:
            seen.append("finally")

    begin(loop, process, work())
    run_until(loop, 2_500)
    process.is_dead = True
    run_until(loop, 10_000)
    loop.close()
    assert seen == ["step"] * 3


def test_what_a_task_begins_belongs_to_its_process() -> None:
    loop, process, seen = make_loop(), Process("p"), list[str]()

    async def child() -> None:
        await asyncio.sleep(0.002)
        seen.append("child")

    async def parent() -> None:
        _ = asyncio.get_running_loop().create_task(child())

    begin(loop, process, parent())
    run_until(loop, 1_000)
    process.is_dead = True
    run_until(loop, 5_000)
    assert seen == []
    loop.close()


def test_a_paused_process_goes_on_with_all_that_fell_due_in_its_order() -> None:
    loop, process, seen = make_loop(), Process("p"), list[tuple[str, int]]()
    process.is_paused = True

    def see(name: str) -> None:
        seen.append((name, loop.now_us))

    for name, delay in (("b", 2_000), ("a", 1_000), ("c", 9_000)):
        loop.call_after_us(delay, see, name, context=process.context)
    run_until(loop, 5_000)
    assert seen == []
    loop.resume(process)
    run_until(loop, 10_000)
    assert seen == [("a", 5_000), ("b", 5_000), ("c", 9_000)]


def test_a_loop_that_stands_still_or_spins_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StuckError, match="nothing is due"):
        make_loop().run_while(lambda: True)
    monkeypatch.setattr("tests.support.simulation.loop.STEPS_AT_ONCE_MAX", 100)
    loop = make_loop()

    def spin() -> None:
        loop.call_soon(spin)

    loop.call_soon(spin)
    with pytest.raises(StuckError, match="steps at 0 us"):
        loop.run_while(lambda: True)


def test_what_nobody_catches_is_kept() -> None:
    loop = make_loop()
    loop.call_soon(lambda: 1 // 0)
    run_until(loop, 1)
    assert len(loop.errors) == 1
    assert "ZeroDivisionError" in loop.errors[0]


@pytest.mark.parametrize("ppm", [-50_000, 0, 50_000])
def test_a_clock_runs_at_its_rate_and_never_wakes_early(ppm: int) -> None:
    loop = make_loop()
    clock = SimulatedClock(loop, 1_000_000)
    run_until(loop, 1_000_000)
    clock.set_rate(ppm)
    until_ms = clock.monotonic_ms() + 1_000

    async def wait() -> None:
        await clock.wait(asyncio.Event(), until_ms)

    loop.run_until_complete(wait())
    assert clock.monotonic_ms() == until_ms
    assert abs(loop.now_us - 1_000_000 - 1_000_000 * 1_000_000 // (1_000_000 + ppm)) <= 1_001
    clock.ahead_ms = -5_000
    assert clock.time_ms() == 1_000_000 + until_ms - 5_000
    assert clock.monotonic_ms() == until_ms, "setting the wall clock moves nothing else"


# The disk --------------------------------------------------------------------------------------------


class Watcher:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.durable: list[bool] = []
        self.lost_count = 0

    def wrote(self, node: str, store: str, batch: WriteBatch, *, is_durable: bool) -> None:
        self.durable.append(is_durable)

    def lost(self, node: str) -> None:
        self.lost_count += 1


def make_disk(seed: int = 1) -> tuple[SimulatedDisk, SimulatedStore, Watcher]:
    watcher = Watcher()
    disk = SimulatedDisk("n", Random(seed), watcher)
    return disk, disk.open_store(Path("chain")), watcher


def put(store: SimulatedStore, number: int, *, sync: bool) -> None:
    """A batch of two keys."""
    batch = WriteBatch()
    batch.put(b"a", b"%d" % number)
    batch.put(b"k%d" % number, b"%d" % number)
    store.write(batch, sync=sync)


def count_batches(disk: SimulatedDisk) -> int:
    """How many of the first batches are there; each must be there whole."""
    held = disk.snapshot("chain")
    numbers = sorted(int(key[1:]) for key in held if key[:1] == b"k")
    assert numbers == list(range(1, len(numbers) + 1))
    assert held.get(b"a") == (b"%d" % len(numbers) if numbers else None)
    return len(numbers)


def test_a_crash_keeps_what_was_synced_and_any_beginning_of_the_rest() -> None:
    found = set[int]()
    for seed in SEEDS:
        disk, store, watcher = make_disk(seed)
        put(store, 1, sync=False)
        put(store, 2, sync=True)
        put(store, 3, sync=False)
        put(store, 4, sync=False)
        assert watcher.durable == [False, True, False, False]
        assert disk.durable_value("chain", b"a") == b"2"
        assert disk.durable_value("chain", b"k4") is None
        assert disk.value("chain", b"a") == b"4"
        kept = count_batches(disk) - disk.crash()
        assert count_batches(disk) == kept
        assert watcher.lost_count == 1
        found.add(kept)
    assert found == {2, 3, 4}


def test_a_sync_counts_when_the_work_is_over() -> None:
    found = set[int]()
    for seed in SEEDS:
        disk, store, _ = make_disk(seed)
        disk.begin_work("w")
        put(store, 1, sync=True)
        disk.end_work("w")
        assert disk.durable_value("chain", b"a") is None
        disk.crash()
        found.add(count_batches(disk))
        disk, store, _ = make_disk(seed)
        disk.begin_work("w")
        put(store, 1, sync=True)
        disk.end_work("w")
        disk.settle("w")
        assert disk.durable_value("chain", b"a") == b"1"
        disk.crash()
        assert count_batches(disk) == 1
    assert found == {0, 1}


def test_a_process_that_ends_at_a_failpoint_has_synced_what_it_wrote() -> None:
    for seed in SEEDS:
        disk, store, _ = make_disk(seed)
        disk.begin_work("w")
        put(store, 1, sync=True)
        disk.end_work("w")
        disk.crash(is_cut=False)
        assert count_batches(disk) == 1


def test_a_disk_that_lies_keeps_no_sync() -> None:
    found = set[int]()
    for seed in SEEDS:
        disk, store, _ = make_disk(seed)
        disk.is_sync_ignored = lambda name, _: name == "chain"
        put(store, 1, sync=True)
        disk.crash()
        found.add(count_batches(disk))
    assert found == {0, 1}


def test_stores_are_lost_apart_and_wiped_together() -> None:
    disk, store, _ = make_disk()
    votes = disk.open_store(Path("votes"))
    put(store, 1, sync=False)
    put(votes, 1, sync=True)
    assert disk.is_pending("chain")
    assert not disk.is_pending("votes")
    disk.wipe()
    assert disk.snapshot("chain") == disk.snapshot("votes") == {}


def test_rot_flips_one_bit_of_one_value() -> None:
    disk, store, _ = make_disk()
    put(store, 1, sync=True)
    before = disk.snapshot("chain")
    key = disk.rot("chain")
    assert key is not None
    after = disk.snapshot("chain")
    assert after.keys() == before.keys()
    [(old, new)] = [(before[k], after[k]) for k in before if before[k] != after[k]]
    difference = int.from_bytes(old, "big") ^ int.from_bytes(new, "big")
    assert difference.bit_count() == 1
    assert before[key] == old


# Threads ---------------------------------------------------------------------------------------------


def make_executor(threads: int) -> tuple[VirtualLoop, SimulatedDisk, SimulatedExecutor]:
    loop = make_loop()
    disk, _, _ = make_disk()
    return loop, disk, SimulatedExecutor(loop, disk, threads, "w", lambda: 100)


def test_one_thread_does_one_thing_after_the_other() -> None:
    loop, _, executor = make_executor(1)
    begun, ended = list[tuple[str, int]](), list[tuple[str, int]]()

    async def give(name: str) -> None:
        await executor.run(lambda: begun.append((name, loop.now_us)))
        ended.append((name, loop.now_us))

    tasks = [loop.create_task(give(name)) for name in "abc"]
    loop.run_while(lambda: not all(task.done() for task in tasks))
    assert begun == [("a", 0), ("b", 100), ("c", 200)]
    assert ended == [("a", 100), ("b", 200), ("c", 300)]
    assert all(task.done() for task in tasks)


def test_two_threads_do_two_things_at_once() -> None:
    loop, _, executor = make_executor(2)
    begun = list[int]()
    done = [executor.run(lambda: begun.append(loop.now_us)) for _ in range(3)]
    run_until(loop, 500)
    assert all(future.done() for future in done)
    assert begun == [0, 0, 100]


def test_work_takes_as_long_as_its_syncs_and_is_durable_then() -> None:
    loop, disk, executor = make_executor(1)
    store = disk.open_store(Path("chain"))
    done = executor.run(lambda: put(store, 1, sync=True))
    run_until(loop, 100)
    assert not done.done()
    assert disk.durable_value("chain", b"a") is None
    run_until(loop, 100 + disk.speed.sync_us + disk.speed.sync_spread_us)
    assert done.done()
    assert disk.durable_value("chain", b"a") == b"1"


def test_what_work_raises_comes_to_who_waits_and_a_shut_executor_takes_nothing() -> None:
    loop, _, executor = make_executor(1)
    failed = executor.run(lambda: 1 // 0)
    outside = executor.submit(lambda: 5)
    run_until(loop, 500)
    assert isinstance(failed.exception(), ZeroDivisionError)
    assert outside.result() == 5
    waiting = executor.run(lambda: 6)
    executor.shutdown(cancel_futures=True)
    assert waiting.cancelled()
    with pytest.raises(RuntimeError):
        _ = executor.run(lambda: 7)


# The network -----------------------------------------------------------------------------------------


class Listener:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, PeerMessage]] = []
        self.told: list[str] = []

    def receive(self, peer: str, message: PeerMessage) -> None:
        self.heard.append((peer, message))

    def connected(self, peer: str) -> None:
        self.told.append(f"connected {peer}")

    def lost(self, peer: str) -> None:
        self.told.append(f"lost {peer}")


class Pair:
    """Two validators that are connected."""

    def __init__(self, seed: int = 1, quality: LinkQuality | None = None) -> None:
        self.loop = make_loop()
        self.network = SimulatedNetwork(self.loop, Random(seed), ("a", "b"), Trace(self.loop))
        self.listeners = {name: Listener() for name in "ab"}
        self.processes = {name: Process(name) for name in "ab"}
        for name in "ab":
            self.network.attach(name, self.processes[name], self.listeners[name])
        self.wait(RECONNECT_US_MAX)
        for listener in self.listeners.values():
            listener.told.clear()
        if quality is not None:
            self.network.quality = quality

    def wait(self, us: int) -> None:
        run_until(self.loop, self.loop.now_us + us)

    def send(self, count: int) -> None:
        for number in range(count):
            self.network.send("a", "b", make_message(number))

    @property
    def heard(self) -> list[int]:
        found: list[int] = []
        for peer, message in self.listeners["b"].heard:
            assert peer == "a"
            assert isinstance(message, VoteMessage)
            found.append(int(message.vote))
        return found


def make_message(number: int) -> PeerMessage:
    return VoteMessage(b"%d" % number, bytes(64))


def test_messages_arrive_in_their_order_as_they_were_sent() -> None:
    pair = Pair()
    message = RaftMessage(Message(MessageKind.VOTE, 1, 2, term=7, log_index=3, log_term=2))
    pair.network.encoded_rate = 1.0
    pair.network.send("b", "a", message)
    pair.send(20)
    pair.wait(10_000)
    assert pair.heard == list(range(20))
    assert pair.listeners["a"].heard == [("b", message)]


def test_a_cut_swallows_one_direction_and_is_noticed_later() -> None:
    pair = Pair()
    pair.send(2)
    pair.network.cut("a", "b")
    pair.send(3)
    pair.network.send("b", "a", make_message(9))
    pair.wait(NOTICE_US_MAX + 10_000)
    assert pair.heard == [], "what is under way is lost too"
    assert len(pair.listeners["a"].heard) == 1
    assert pair.listeners["a"].told == ["lost b"]
    assert not pair.network.is_connected("a", "b")
    assert pair.network.is_connected("b", "a")
    pair.network.heal("a", "b")
    pair.wait(RECONNECT_US_MAX + 1)
    assert pair.listeners["a"].told == ["lost b", "connected b"]
    pair.send(1)
    pair.wait(10_000)
    assert pair.heard == [0]


def test_a_clogged_link_holds_everything_until_it_is_opened() -> None:
    pair = Pair()
    pair.network.clog("a", "b")
    pair.send(5)
    pair.wait(5_000_000)
    assert pair.heard == []
    pair.network.heal("a", "b")
    pair.wait(10_000)
    assert pair.heard == list(range(5))


def test_a_link_holds_a_limited_number_and_its_sender_is_told() -> None:
    pair = Pair()
    pair.network.clog("a", "b")
    pair.send(QUEUE_COUNT_MAX + 3)
    pair.wait(1)
    assert pair.listeners["a"].told == ["lost b"] * 3
    pair.network.heal_all()
    pair.wait(1_000_000)
    assert pair.heard == list(range(QUEUE_COUNT_MAX))


def test_loss_repetition_and_overtaking_happen_when_wanted() -> None:
    lossy = Pair(quality=LinkQuality(loss_rate=0.5))
    lossy.send(100)
    lossy.wait(1_000_000)
    assert 10 < len(lossy.heard) < 90
    assert lossy.heard == sorted(set(lossy.heard))
    echo = Pair(quality=LinkQuality(repeat_rate=0.5))
    echo.send(100)
    echo.wait(1_000_000)
    assert sorted(set(echo.heard)) == list(range(100))
    assert 110 < len(echo.heard) < 190
    racing = Pair(quality=LinkQuality(overtake_rate=0.5))
    racing.send(100)
    racing.wait(1_000_000)
    assert racing.heard != sorted(racing.heard) == list(range(100))


def test_who_is_gone_hears_nothing_and_a_new_run_nothing_of_the_old_ones() -> None:
    pair = Pair()
    pair.network.detach("b")
    pair.processes["b"].is_dead = True
    pair.send(1)
    pair.wait(NOTICE_US_MAX + 1)
    assert pair.heard == []
    assert "lost b" in pair.listeners["a"].told
    assert not pair.network.is_connected("a", "b")
    again = Listener()
    pair.network.attach("b", Process("b"), again)
    pair.wait(RECONNECT_US_MAX + 1)
    pair.send(1)
    pair.wait(10_000)
    assert pair.heard == []
    assert len(again.heard) == 1
