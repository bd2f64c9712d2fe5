# SPDX-License-Identifier: Apache-2.0
"""An asyncio event loop whose time is a number: it jumps to the next thing that is due.

Rules of this file:
- One thread, no system calls, no wall clock. What is due first runs first; what is due at one moment
  runs in the order in which it was asked for.
- Whatever is scheduled belongs to the `Process` of the context it was scheduled in (or to none). What
  belongs to a dead process never runs; what belongs to a paused one waits. So a process ends as by
  `kill -9`: not one line of its code runs afterwards, no `finally` either.
- Tasks of dead processes are kept until the loop is closed: collecting them would run their `finally`.
"""

from __future__ import annotations

import asyncio
import heapq
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar, cast

_T = TypeVar("_T")

MICROSECONDS: Final = 1_000_000
STEPS_AT_ONCE_MAX: Final = 200_000
"""Steps without time passing: more are an endless loop."""


class StuckError(Exception):
    """Nothing can happen any more, or too much happens at one moment."""


class Process:
    """What ends or stands still as a whole: one run of one node."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_paused = False
        self.context = copy_context()
        self.context.run(_PROCESS.set, self)
        self.held: list[_Handle] = []
        """What fell due while the process was paused."""


_PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


def current_process() -> Process | None:
    """The process whose code runs now."""
    return _PROCESS.get()


class _Handle(asyncio.TimerHandle):
    """A callback that is due at a time, or as soon as possible."""

    __slots__ = ("arguments", "call", "due_us", "process", "run_context")

    def __init__(
        self,
        due_us: int,
        call: Callable[..., object],
        arguments: tuple[object, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        self.run_context = copy_context() if context is None else context
        super().__init__(due_us / MICROSECONDS, call, arguments, loop, self.run_context)
        self.due_us = due_us
        self.call = call
        self.arguments = arguments
        self.process = self.run_context.get(_PROCESS)


class LoopExecutor(Executor):
    """Threads that are simulated on the loop."""

    @abstractmethod
    def run(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """The result of some work."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop. `now_us` is its time in microseconds from 0."""

    def __init__(self) -> None:
        self.now_us = 0
        self.steps_count = 0
        self.errors: list[str] = []
        """What no task or callback caught, by living processes."""
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[int, int, _Handle]] = []
        self._serial = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._is_running = False
        self._is_closed = False
        self._is_stopping = False

    # What asyncio asks for ------------------------------------------------------------------------

    def time(self) -> float:
        return self.now_us / MICROSECONDS

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return self._is_closed

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(self.now_us, callback, args, self, context)
        if not self._is_closed:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        # Rounded up: a timer is never early.
        return self.call_after_us(
            -int(-delay * MICROSECONDS // 1), callback, *args, context=context
        )

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_later(when - self.time(), callback, *args, context=context)

    def call_after_us(
        self,
        delay_us: int,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """`call_later` in whole microseconds."""
        handle = _Handle(self.now_us + max(0, delay_us), callback, args, self, context)
        if not self._is_closed:
            self._serial += 1
            heapq.heappush(self._timers, (handle.due_us, self._serial, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when it falls due."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: object = None,
        context: Context | None = None,
        **_: Any,
    ) -> asyncio.Task[_T]:
        label = None if name is None else str(name)
        task: asyncio.Task[_T] = asyncio.Task(coro, loop=self, name=label, context=context)
        self._tasks.append(task)
        if len(self._tasks) > 4096:
            self._tasks = [kept for kept in self._tasks if not kept.done()]
        return task

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., _T], *args: object
    ) -> asyncio.Future[_T]:
        if not isinstance(executor, LoopExecutor):
            raise TypeError("threads are not simulated")
        return executor.run(lambda: func(*args))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        process = current_process()
        if self._is_closed or (process is not None and process.is_dead):
            return
        error = context.get("exception")
        self.errors.append(f"{context.get('message')}: {error!r}")

    async def shutdown_asyncgens(self) -> None:
        """None are left open."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """There is none."""

    def stop(self) -> None:
        self._is_stopping = True

    def close(self) -> None:
        """Forget everything. Nothing runs afterwards, whatever is collected."""
        self._is_closed = True
        self._ready.clear()
        self._timers.clear()
        self._tasks.clear()

    # Running --------------------------------------------------------------------------------------

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        """Run until a coroutine or future is done; its result. Raises StuckError."""
        awaited = asyncio.ensure_future(cast("Awaitable[_T]", future), loop=self)
        self.run_while(lambda: not awaited.done())
        return awaited.result()

    def run_forever(self) -> None:
        self._is_stopping = False
        self.run_while(lambda: not self._is_stopping)

    def run_while(self, condition: Callable[[], bool]) -> None:
        """Run step by step. Raises StuckError."""
        asyncio._set_running_loop(self)  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue]
        self._is_running = True
        at_once = 0
        try:
            while condition():
                before = self.now_us
                self._step()
                at_once = at_once + 1 if self.now_us == before else 0
                if at_once > STEPS_AT_ONCE_MAX:
                    raise StuckError(f"{at_once} steps at {self.now_us} us")
        finally:
            self._is_running = False
            asyncio._set_running_loop(None)  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType, reportAttributeAccessIssue]

    def resume(self, process: Process) -> None:
        """Let a paused process go on with all that fell due meanwhile, in its order."""
        process.is_paused = False
        held, process.held = process.held, []
        self._ready.extend(held)

    def _step(self) -> None:
        if not self._ready:
            self._jump()
        handle = self._ready.popleft()
        if handle.cancelled():
            return
        process = handle.process
        if process is not None:
            if process.is_dead:
                return
            if process.is_paused:
                process.held.append(handle)
                return
        self.steps_count += 1
        try:
            handle.run_context.run(handle.call, *handle.arguments)
        except Exception as error:  # noqa: BLE001 - as asyncio's own loops
            self.call_exception_handler({"message": "a callback failed", "exception": error})

    def _jump(self) -> None:
        """To the next timer, and all that are due then."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise StuckError(f"nothing is due after {self.now_us} us")
        self.now_us = max(self.now_us, timers[0][0])
        while timers and timers[0][0] <= self.now_us:
            self._ready.append(heapq.heappop(timers)[2])


def make_loop() -> VirtualLoop:
    """A loop at time 0, without what asyncio offers beyond callbacks and tasks."""
    return VirtualLoop()  # type: ignore[abstract]
