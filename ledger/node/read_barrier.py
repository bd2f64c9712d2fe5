# SPDX-License-Identifier: Apache-2.0
"""Reads that see everything that was certified, anywhere, before they began (Ongaro's thesis §6.4).

A validator alone may be behind without knowing. The leader asks a quorum whether it still leads, and
names the last entry that is ordered; once everything up to it is certified here, what this node
serves is not older than the question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

CONTEXT_SIZE: Final = 16
"""Random bytes that tell one question from another, on all validators."""
BARRIERS_COUNT_MAX: Final = 1_024
"""Reads that wait; more are refused."""


class ReadBarrier:
    """The reads of one validator that wait. One thread: the event loop's."""

    def __init__(self, draw_context: Callable[[int], bytes]) -> None:
        self._draw_context = draw_context
        self._asked: dict[bytes, asyncio.Future[None]] = {}
        self._named: list[tuple[int, asyncio.Future[None]]] = []
        """Ordered up to an entry that is not certified here yet."""

    def begin(self) -> tuple[bytes, asyncio.Future[None]] | None:
        """A new question's context, and what is done when its answer is good here.

        None when too many wait.
        """
        self._asked = {c: f for c, f in self._asked.items() if not f.done()}
        self._named = [(index, f) for index, f in self._named if not f.done()]
        if len(self._asked) + len(self._named) >= BARRIERS_COUNT_MAX:
            return None
        context = self._draw_context(CONTEXT_SIZE)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked[context] = future
        return context, future

    def contexts(self) -> tuple[bytes, ...]:
        """The questions that were not answered; they may have been lost, and are asked again."""
        return tuple(context for context, future in self._asked.items() if not future.done())

    def named(self, context: bytes, index: int) -> None:
        """The answer to a question: everything up to this entry counts."""
        future = self._asked.pop(context, None)
        if future is not None and not future.done():
            self._named.append((index, future))

    def reached(self, index: int) -> None:
        """Everything up to this entry is certified here."""
        if not self._named:
            return
        for named, future in self._named:
            if named <= index and not future.done():
                future.set_result(None)
        self._named = [(named, future) for named, future in self._named if named > index]
