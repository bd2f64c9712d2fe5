# SPDX-License-Identifier: Apache-2.0
"""Threads that are not there: work runs on the loop and takes simulated time.

Work runs at the moment a simulated thread takes it up, and its result arrives when the time is over that
its computing and its disk writes take. What it wrote is durable from then on; a crash in between keeps
a part (`SimulatedDisk`). Work is taken up in the order in which it was given.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from tests.support.simulation.disk import SimulatedDisk
from tests.support.simulation.loop import LoopExecutor, VirtualLoop

_T = TypeVar("_T")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    done: asyncio.Future[Any]


class SimulatedExecutor(LoopExecutor):
    """`threads` simulated threads of one process, over its disk."""

    def __init__(
        self,
        loop: VirtualLoop,
        disk: SimulatedDisk,
        threads: int,
        name: str,
        draw_cpu_us: Callable[[], int],
    ) -> None:
        self._loop = loop
        self._disk = disk
        self._idle_count = threads
        self.name = name
        self._draw_cpu_us = draw_cpu_us
        self._jobs: deque[_Job] = deque()
        self._is_shut_down = False

    def run(self, work: Callable[[], _T]) -> asyncio.Future[_T]:
        """The result of some work, on the loop. Raises RuntimeError after `shutdown`."""
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        done: asyncio.Future[_T] = self._loop.create_future()
        self._jobs.append(_Job(work, done))
        self._loop.call_soon(self._take_up)
        return done

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Work that nobody on the loop waits for."""
        outside: Future[_T] = Future()

        def finish(inside: asyncio.Future[_T]) -> None:
            error = inside.exception()
            if error is None:
                outside.set_result(inside.result())
            else:
                outside.set_exception(error)

        self.run(lambda: fn(*args, **kwargs)).add_done_callback(finish)
        return outside

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        del wait
        self._is_shut_down = True
        if cancel_futures:
            for job in self._jobs:
                job.done.cancel()
            self._jobs.clear()

    def _take_up(self) -> None:
        while self._idle_count and self._jobs:
            job = self._jobs.popleft()
            if job.done.cancelled():
                continue
            self._idle_count -= 1
            result: Any = None
            error: Exception | None = None
            self._disk.begin_work(self.name)
            try:
                result = job.work()
            except Exception as caught:  # noqa: BLE001 - whoever waits gets it
                error = caught
            disk_us = self._disk.end_work(self.name)
            self._loop.call_after_us(
                self._draw_cpu_us() + disk_us, self._finish, job.done, result, error
            )

    def _finish(self, done: asyncio.Future[Any], result: object, error: Exception | None) -> None:
        self._disk.settle(self.name)
        self._idle_count += 1
        if not done.cancelled():
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)
        self._take_up()
