# SPDX-License-Identifier: Apache-2.0
"""What a validator does for the others: their clients' transactions, and certified blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger.api.ports import ApiError, Submitted
from ledger.model.receipts import ReceiptCode
from ledger.node.peer_service import REQUESTS_COUNT_MAX, PeerService
from ledger.node.peers import (
    BLOCKS_COUNT_MAX,
    BLOCKS_SIZE_MAX,
    BlocksMessage,
    BlocksRequest,
    CertifiedBlock,
    ForwardAnswer,
    ForwardMessage,
    ForwardResult,
)
from ledger.storage.errors import STORE_CORRUPT, CorruptionError
from tests.support.heard_node import HeardNode
from tests.support.node_harness import RecordingLinks, until


def run_node(home: Path, scenario: Callable[[HeardNode], Awaitable[None]]) -> None:
    """A node with three certified blocks that does not lead."""

    async def main() -> None:
        node = HeardNode(home)
        async with node.running():
            await node.lead()
            for _ in range(3):
                await node.certify(node.block())
            await scenario(node)

    asyncio.run(main())


def test_certified_blocks_are_handed_over(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        before = node.state()
        for first, last, heights in (
            (1, 99, [1, 2, 3]),
            (2, 2, [2]),
            (3, 4, [3]),
            (4, 9, []),
            (3, 1, []),
            (0, 3, []),
        ):
            sent = await node.hear("n3", BlocksRequest(first, last))
            if not sent:
                await until(lambda: node.links.sent)
                sent = node.links.take()
            [(peer, answer)] = sent
            assert isinstance(answer, BlocksMessage)
            assert (peer, answer.first_height) == ("n3", first)
            held = [node.core.node.get_block(height) for height in heights]
            blocks = [await block for block in held]
            assert [b.proposal for b in answer.blocks] == [b.proposal for b in blocks]
            if 3 in heights:
                assert answer.blocks[-1].certificate == node.tip.head.certificate
        assert node.state() == before

    run_node(tmp_path, scenario)


def test_who_does_not_lead_takes_nothing(tmp_path: Path) -> None:
    async def scenario(node: HeardNode) -> None:
        before = node.state()
        transactions = [node.transaction(n) for n in (1, 2)]
        encoded = (transactions[0].encoded, b"no transaction", transactions[1].encoded)
        [(peer, answer)] = await node.hear("n3", ForwardMessage(encoded))
        assert isinstance(answer, ForwardAnswer)
        assert peer == "n3"
        assert [r.transaction_id for r in answer.results] == [
            t.transaction_id for t in transactions
        ]
        assert {r.code for r in answer.results} == {ReceiptCode.NOT_READY}
        assert node.state() == before

    run_node(tmp_path, scenario)


class Fakes:
    """A service over parts that answer as told."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.links = RecordingLinks()
        self.submitted: list[tuple[list[bytes], int]] = []
        self.damage: list[CorruptionError] = []
        self.released = asyncio.Event()
        self.released.set()
        self.refusal: ApiError | None = None
        self.head_height = 10_000
        self.proposal = b"proposal"
        self.error: CorruptionError | None = None
        blocks = SimpleNamespace(proposal=self._read, certificate=self._certificate)
        chain = SimpleNamespace(head=SimpleNamespace(height=self.head_height), blocks=blocks)
        driver = SimpleNamespace(is_leader=True)
        self.service = PeerService(
            cast(Any, chain),
            cast(Any, self),
            cast(Any, driver),
            self.links,
            executor,
            self.damage.append,
        )

    def _read(self, _: int) -> bytes:
        if self.error is not None:
            raise self.error
        return self.proposal

    @staticmethod
    def _certificate(height: int) -> bytes:
        return b"%d" % height

    async def submit_many(
        self, transactions: Sequence[bytes], *, wait_ms: int
    ) -> list[Submitted | ApiError]:
        self.submitted.append((list(transactions), wait_ms))
        await self.released.wait()
        if self.refusal is not None:
            raise self.refusal
        full = ApiError(ReceiptCode.OVERLOADED, "full", retry_after_ms=5)
        return [full if n else Submitted(b"") for n, _ in enumerate(transactions)]


def run_fakes(scenario: Callable[[Fakes], Awaitable[None]]) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            fakes = Fakes(executor)
            await scenario(fakes)
            await fakes.service.stop()

    asyncio.run(main())


@pytest.fixture(scope="module")
def transactions(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, bytes]]:
    """Ids and bytes."""
    node = HeardNode(tmp_path_factory.mktemp("node"))
    checked = [node.transaction(n) for n in range(2)]
    return [(t.transaction_id, t.encoded) for t in checked]


def test_the_leader_says_what_became_of_each(transactions: list[tuple[bytes, bytes]]) -> None:
    async def scenario(fakes: Fakes) -> None:
        (first, one), (second, two) = transactions
        fakes.service.serve("n3", ForwardMessage((one, two, b"none")))
        await until(lambda: fakes.links.sent)
        assert fakes.submitted == [([one, two, b"none"], 0)], "waits for no block"
        full = ForwardResult(second, ReceiptCode.OVERLOADED, "full", 5)
        assert fakes.links.take() == [("n3", ForwardAnswer((ForwardResult(first), full)))]
        fakes.refusal = ApiError(ReceiptCode.NOT_READY, "stopping")
        fakes.service.serve("n3", ForwardMessage((one,)))
        await until(lambda: fakes.links.sent)
        refused = ForwardResult(first, ReceiptCode.NOT_READY, "stopping")
        assert fakes.links.take() == [("n3", ForwardAnswer((refused,)))]

    run_fakes(scenario)


def test_who_asks_for_more_than_its_share_is_not_answered(
    transactions: list[tuple[bytes, bytes]],
) -> None:
    async def scenario(fakes: Fakes) -> None:
        fakes.released.clear()
        message = ForwardMessage((transactions[0][1],))
        for _ in range(REQUESTS_COUNT_MAX + 3):
            fakes.service.serve("n3", message)
        fakes.service.serve("n2", message)
        await until(lambda: len(fakes.submitted) > REQUESTS_COUNT_MAX)
        fakes.released.set()
        await until(lambda: len(fakes.links.sent) > REQUESTS_COUNT_MAX)
        answered = [peer for peer, _ in fakes.links.take()]
        assert (answered.count("n3"), answered.count("n2")) == (REQUESTS_COUNT_MAX, 1)
        fakes.service.serve("n3", message)
        await until(lambda: fakes.links.sent)

    run_fakes(scenario)


def test_an_answer_stays_within_count_and_bytes() -> None:
    async def scenario(fakes: Fakes) -> None:
        async def ask(request: BlocksRequest) -> tuple[CertifiedBlock, ...]:
            fakes.service.serve("n3", request)
            await until(lambda: fakes.links.sent)
            [(_, answer)] = fakes.links.take()
            return cast(BlocksMessage, answer).blocks

        assert len(await ask(BlocksRequest(1, 9_999))) == BLOCKS_COUNT_MAX
        fakes.proposal = bytes(BLOCKS_SIZE_MAX // 2 - 9)
        assert [b.certificate for b in await ask(BlocksRequest(5, 9_999))] == [b"5", b"6"]
        fakes.proposal = bytes(BLOCKS_SIZE_MAX + 1)
        assert [b.certificate for b in await ask(BlocksRequest(5, 9_999))] == [b"5"]

    run_fakes(scenario)


def test_a_damaged_store_is_told_and_answers_nobody() -> None:
    async def scenario(fakes: Fakes) -> None:
        fakes.error = CorruptionError(STORE_CORRUPT, "damaged")
        fakes.service.serve("n3", BlocksRequest(1, 1))
        await until(lambda: fakes.damage)
        assert fakes.damage == [fakes.error]
        assert fakes.links.take() == []

    run_fakes(scenario)
