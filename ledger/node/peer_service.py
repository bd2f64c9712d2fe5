# SPDX-License-Identifier: Apache-2.0
"""What one validator does for another beside ordering: take its clients' transactions, hand over
certified blocks.

Both run beside the driver; a validator that asks for more than its share is not answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from ledger.api.ports import ApiError, Submitted
from ledger.model.receipts import ReceiptCode
from ledger.node.admission import Admission, find_transaction_id
from ledger.node.driver import Driver
from ledger.node.forwarding import make_answer
from ledger.node.peers import (
    BLOCKS_COUNT_MAX,
    BLOCKS_SIZE_MAX,
    FORWARD_COUNT_MAX,
    BlocksMessage,
    BlocksRequest,
    CertifiedBlock,
    ForwardMessage,
    PeerLinks,
)
from ledger.storage.chain import ChainStore
from ledger.storage.errors import CorruptionError

_log = logging.getLogger(__name__)

REQUESTS_COUNT_MAX: Final = 16
"""Of one validator at once; more are not answered."""


class PeerService:
    """Serves the other validators. One thread: the event loop's."""

    def __init__(
        self,
        chain: ChainStore,
        admission: Admission,
        driver: Driver,
        links: PeerLinks,
        readers: Executor,
        on_corruption: Callable[[CorruptionError], None],
    ) -> None:
        self._chain = chain
        self._admission = admission
        self._driver = driver
        self._links = links
        self._readers = readers
        self._on_corruption = on_corruption
        self._requests: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, peer: str, message: ForwardMessage | BlocksRequest) -> None:
        """Begin to answer."""
        if self._requests[peer] >= REQUESTS_COUNT_MAX:
            _log.debug("request not answered of=%s", peer)
            return
        self._requests[peer] += 1
        task = asyncio.ensure_future(self._serve(peer, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Answer nobody any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, peer: str, message: ForwardMessage | BlocksRequest) -> None:
        try:
            if isinstance(message, ForwardMessage):
                await self._take_in(peer, message)
            else:
                await self._hand_over(peer, message)
        except CorruptionError as error:
            self._on_corruption(error)
        finally:
            self._requests[peer] -= 1

    async def _take_in(self, peer: str, message: ForwardMessage) -> None:
        """Transactions of a follower's clients, checked like everybody's."""
        transactions = message.transactions[:FORWARD_COUNT_MAX]
        ids = [find_transaction_id(transaction) for transaction in transactions]
        results: list[Submitted | ApiError]
        if not self._driver.is_leader:
            refusal = ApiError(ReceiptCode.NOT_READY, "this validator does not lead")
            results = [refusal for _ in transactions]
        else:
            try:
                results = await self._admission.submit_many(transactions, wait_ms=0)
            except ApiError as refusal:
                results = [refusal for _ in transactions]
        known = [(i, r) for i, r in zip(ids, results, strict=True) if i is not None]
        if known:
            answer = make_answer([i for i, _ in known], [r for _, r in known])
            self._links.send(peer, answer)

    async def _hand_over(self, peer: str, request: BlocksRequest) -> None:
        loop = asyncio.get_running_loop()
        blocks = await loop.run_in_executor(self._readers, self._read_blocks, request)
        self._links.send(peer, BlocksMessage(request.first_height, blocks))

    def _read_blocks(self, request: BlocksRequest) -> tuple[CertifiedBlock, ...]:
        """In a thread: blocks from a height on, as many as one answer may hold."""
        found: list[CertifiedBlock] = []
        size = 0
        first = request.first_height
        last = min(request.last_height, first + BLOCKS_COUNT_MAX - 1, self._chain.head.height)
        for height in range(first, last + 1):
            proposal = self._chain.blocks.proposal(height)
            certificate = self._chain.blocks.certificate(height)
            if proposal is None or certificate is None:
                break
            size += len(proposal) + len(certificate)
            if found and size > BLOCKS_SIZE_MAX:
                break
            found.append(CertifiedBlock(proposal, certificate))
        return tuple(found)
