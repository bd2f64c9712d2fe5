# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from sdk.background_loop import BackgroundLoop, handle_loop_exception
from sdk.errors import CallerError


async def where() -> str:
    return threading.current_thread().name


def test_coroutines_run_in_the_loops_own_thread() -> None:
    loop = BackgroundLoop("sample-loop")
    assert loop.run(where()) == "sample-loop"
    loop.close()
    loop.close()
    assert loop.is_closed
    assert not loop.is_alive
    with pytest.raises(CallerError) as caught:
        loop.run(where())
    assert caught.value.code == "CLIENT_CLOSED"


def test_errors_come_back() -> None:
    async def fail() -> None:
        raise LookupError("on purpose")

    loop = BackgroundLoop()
    with pytest.raises(LookupError):
        loop.run(fail())
    loop.close()


def test_closing_ends_the_calls_of_other_threads_with_a_code() -> None:
    """Whatever breaks under a call while the loop is closed, the caller hears that it was closed."""
    loop = BackgroundLoop()
    begun = threading.Semaphore(0)
    breaks, broken = asyncio.Event(), asyncio.Event()
    found: list[str] = []

    async def wait_for_ever() -> None:
        begun.release()
        await asyncio.Event().wait()

    async def lose_the_connection() -> None:
        begun.release()
        await breaks.wait()
        broken.set()
        raise RuntimeError("the channel is closed")

    async def finish() -> None:
        breaks.set()
        await broken.wait()

    def call(wanted: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            loop.run(wanted())
        except BaseException as error:  # noqa: BLE001 (which one it is, is what is tested)
            found.append(getattr(error, "code", repr(error)))

    threads = [
        threading.Thread(target=call, args=(wanted,))
        for wanted in (wait_for_ever, lose_the_connection)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert begun.acquire(timeout=20)
    loop.close(finish)
    for thread in threads:
        thread.join(20)
    assert found == ["CLIENT_CLOSED"] * 2
    assert not loop.is_alive


def test_a_call_from_within_is_refused_instead_of_waiting_for_ever() -> None:
    loop = BackgroundLoop()

    async def inner() -> str:
        return loop.run(where())

    with pytest.raises(CallerError) as caught:
        loop.run(inner())
    assert caught.value.code == "SYNC_CALL_IN_CALLBACK"
    loop.close()


def test_iterators_are_followed_one_item_at_a_time_and_closed() -> None:
    made: list[int] = []
    closed: list[bool] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(5):
                made.append(number)
                yield number
        finally:
            closed.append(True)

    loop = BackgroundLoop()
    iterator = loop.iterate(numbers())
    assert next(iterator) == 0
    assert made == [0]
    iterator.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert list(loop.iterate(numbers())) == [0, 1, 2, 3, 4]
    loop.close()


def test_what_still_runs_is_cancelled_when_the_loop_is_closed() -> None:
    loop = BackgroundLoop()
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def begin() -> asyncio.Task[None]:
        task = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        return task

    task = loop.run(begin())
    loop.close()
    assert task.cancelled()
    assert ended == ["cancelled"]


def test_a_loop_that_nobody_closed_ends_with_its_owner() -> None:
    loop = BackgroundLoop("forgotten-loop")
    loop.run(where())
    del loop
    gc.collect()
    assert "forgotten-loop" not in {thread.name for thread in threading.enumerate()}


def test_only_the_one_harmless_error_is_kept_quiet() -> None:
    told: list[dict[str, object]] = []

    class Loop(asyncio.SelectorEventLoop):
        def default_exception_handler(self, context: dict[str, object]) -> None:
            told.append(context)

    loop = Loop()
    harmless = {
        "message": "Exception in callback PollerCompletionQueue._handle_events()",
        "exception": BlockingIOError(),
    }
    handle_loop_exception(loop, harmless)
    assert told == []
    for context in (
        harmless | {"exception": ValueError()},
        {"message": "Exception in callback other()", "exception": BlockingIOError()},
    ):
        handle_loop_exception(loop, context)
    assert len(told) == 2
    loop.close()
