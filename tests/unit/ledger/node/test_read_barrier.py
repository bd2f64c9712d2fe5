# SPDX-License-Identifier: Apache-2.0
"""Reads that wait until a quorum has said what they must see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import count

from ledger.node.read_barrier import BARRIERS_COUNT_MAX, ReadBarrier


def numbered() -> Callable[[int], bytes]:
    numbers: Iterator[int] = count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


def begin(barrier: ReadBarrier) -> tuple[bytes, asyncio.Future[None]]:
    begun = barrier.begin()
    assert begun is not None
    return begun


def test_a_read_is_good_when_what_was_named_is_certified() -> None:
    async def run() -> None:
        barrier = ReadBarrier(numbered())
        context, confirmed = begin(barrier)
        barrier.reached(100)
        assert not confirmed.done(), "nothing was named yet"
        barrier.named(context, 7)
        barrier.reached(6)
        assert not confirmed.done()
        barrier.reached(7)
        assert confirmed.done()

    asyncio.run(run())


def test_an_answer_to_another_question_is_none() -> None:
    async def run() -> None:
        barrier = ReadBarrier(numbered())
        context, confirmed = begin(barrier)
        barrier.named(b"other", 1)
        barrier.reached(9)
        assert not confirmed.done()
        assert barrier.contexts() == (context,)

    asyncio.run(run())


def test_a_question_is_asked_again_until_it_is_answered_or_nobody_waits() -> None:
    async def run() -> None:
        barrier = ReadBarrier(numbered())
        first, _ = begin(barrier)
        second, given_up = begin(barrier)
        assert barrier.contexts() == (first, second)
        given_up.cancel()
        assert barrier.contexts() == (first,)
        barrier.named(first, 1)
        assert barrier.contexts() == ()

    asyncio.run(run())


def test_too_many_are_refused_and_room_comes_back() -> None:
    async def run() -> None:
        barrier = ReadBarrier(numbered())
        held = [begin(barrier) for _ in range(BARRIERS_COUNT_MAX)]
        barrier.named(held[0][0], 5)
        assert barrier.begin() is None
        barrier.reached(5)
        assert barrier.begin() is not None
        assert barrier.begin() is None
        held[1][1].cancel()
        assert barrier.begin() is not None

    asyncio.run(run())
