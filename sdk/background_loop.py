# SPDX-License-Identifier: Apache-2.0
"""An event loop in a thread of its own, so that synchronous calls work everywhere, notebooks too."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar

from sdk.errors import CallerError, PsetError

JOIN_SECONDS_MAX: Final = 5.0

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines for threads that have no loop. Thread-safe."""

    def __init__(self, name: str = "psetledger-client") -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(handle_loop_exception)
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=_run, args=(self._loop,), name=name, daemon=True)
        self._thread.start()
        # A client that nobody closed must not keep its thread until the interpreter ends.
        self._finalizer = weakref.finalize(self, _stop, self._loop, self._thread)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def is_alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; Ctrl-C cancels it.

        Raises:
            CallerError: CLIENT_CLOSED, also when it is closed meanwhile, or SYNC_CALL_IN_CALLBACK:
                called from the loop itself.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise CallerError(
                "a synchronous call within a callback of the client would wait for itself",
                code="SYNC_CALL_IN_CALLBACK",
                remedy="Use psetledger.aio there.",
            )
        # Under the lock, so that the loop is stopped only behind everything it was given.
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise _closed()
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except PsetError:
            raise
        except Exception as error:
            future.cancel()
            if self._is_closed:
                # Whatever it was that broke under the call, this is why.
                raise _closed() from error
            raise
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items of an asynchronous iterator, one at a time, as they are asked for."""

        async def following() -> tuple[bool, T | None]:
            try:
                return True, await anext(items)
            except StopAsyncIteration:
                return False, None

        try:
            while True:
                is_there, item = self.run(following())
                if not is_there:
                    return
                yield item  # type: ignore[misc]
        finally:
            aclose = getattr(items, "aclose", None)
            if aclose is not None and not self.is_closed:
                self.run(aclose())

    def close(self, finish: Callable[[], Awaitable[None]] | None = None) -> None:
        """Refuse further calls, run `finish` as the last one, stop the loop. Idempotent.

        Calls of other threads that are under way end with CLIENT_CLOSED.
        """
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        try:
            if finish is not None and threading.current_thread() is not self._thread:
                asyncio.run_coroutine_threadsafe(_await(finish), self._loop).result()
        finally:
            self._finalizer()


async def _await(finish: Callable[[], Awaitable[None]]) -> None:
    await finish()


def _closed() -> CallerError:
    return CallerError("the client is closed", code="CLIENT_CLOSED", remedy="Connect again.")


def handle_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep quiet about one harmless thing, hand everything else to the loop's own handler.

    gRPC wakes every loop of the process through one socket; the loop that comes second finds it
    empty (BlockingIOError in PollerCompletionQueue), which asyncio would report as an error.
    """
    if isinstance(context.get("exception"), BlockingIOError) and "PollerCompletionQueue" in str(
        context.get("handle", context.get("message", ""))
    ):
        return
    loop.default_exception_handler(context)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    with suppress(RuntimeError):  # closed already
        loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join(JOIN_SECONDS_MAX)
