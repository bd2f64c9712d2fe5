# SPDX-License-Identifier: Apache-2.0
"""Certified blocks that this validator lacks, asked of the others and kept until they are executed.

Rules of this file:
- One question is under way at a time; who does not answer, or answers what is not good, is followed by
  the next validator.
- Blocks are kept for a moment only, bounded by one answer; they are checked and executed one by one by
  the driver.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ledger.node.peers import BLOCKS_COUNT_MAX, BlocksMessage, BlocksRequest, CertifiedBlock


class CatchUp:
    """What is asked for, of whom, and what came. One thread."""

    def __init__(self, *, answer_ms: int) -> None:
        """`answer_ms` is how long a validator may take to answer."""
        self._answer_ms = answer_ms
        self._target = 0
        self._source = ""
        self._asked_at: int | None = None
        self._first = 0
        """The first height that was asked for."""
        self._blocks: deque[tuple[int, CertifiedBlock]] = deque()

    @property
    def target_height(self) -> int:
        """The height that is wanted; 0 when nothing is."""
        return self._target

    def want(self, height: int, source: str) -> None:
        """Fetch certified blocks up to a height, from this validator first."""
        if height > self._target:
            self._target = height
            if not self._blocks and self._asked_at is None:
                self._source = source

    def next_block(self, height: int) -> CertifiedBlock | None:
        """The block of a height, if it came."""
        while self._blocks and self._blocks[0][0] < height:
            self._blocks.popleft()
        if self._blocks and self._blocks[0][0] == height:
            return self._blocks.popleft()[1]
        self._blocks.clear()
        return None

    @property
    def source(self) -> str:
        """Who sends, or is asked next."""
        return self._source

    def reached(self, height: int) -> None:
        """The tip is at this height."""
        if height >= self._target:
            self._target = 0
            self._asked_at = None
            self._blocks.clear()

    def pass_over(self, others: Sequence[str]) -> None:
        """Ask another validator from now on."""
        self._blocks.clear()
        self._asked_at = None
        if others:
            position = others.index(self._source) + 1 if self._source in others else 0
            self._source = others[position % len(others)]

    def take(self, peer: str, message: BlocksMessage) -> bool:
        """Keep an answer; False for one that was not asked for, or that does not help: then the next
        validator is asked when this one's time is over.
        """
        if (
            peer != self._source
            or self._asked_at is None
            or not message.blocks
            or message.first_height != self._first
        ):
            return False
        self._asked_at = None
        for height, block in enumerate(message.blocks[:BLOCKS_COUNT_MAX], message.first_height):
            self._blocks.append((height, block))
        return True

    def next_request(
        self, tip_height: int, now_ms: int, others: Sequence[str]
    ) -> tuple[str, BlocksRequest] | None:
        """Whom to ask for what now, if anything."""
        if tip_height >= self._target or self._blocks or not others:
            return None
        if self._asked_at is not None:
            if now_ms < self._asked_at + self._answer_ms:
                return None
            self.pass_over(others)
        if self._source not in others:
            self._source = others[0]
        self._asked_at, self._first = now_ms, tip_height + 1
        return self._source, BlocksRequest(self._first, self._target)
