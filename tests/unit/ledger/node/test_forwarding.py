# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from hashlib import sha256
from itertools import pairwise

import pytest

from ledger.api.ports import ApiError, Submitted
from ledger.model.receipts import ApiReason, ReceiptCode
from ledger.model.transaction import TransactionBody
from ledger.model.transaction_check import CheckedTransaction
from ledger.node.forwarding import EXPIRED_MS, FORWARD_SIZE_MAX, Forwarding, make_answer
from ledger.node.peers import FORWARD_COUNT_MAX, ForwardAnswer, ForwardMessage, ForwardResult
from ledger.node.pool import Pending, TransactionPool, Unanswered
from tests.support.node_harness import RecordingLinks

RESEND_MS = 1_000
NOW = 50_000
EXPIRES_AT = 1_760_000_000_000


def make_transaction(number: int, size: int = 0) -> CheckedTransaction:
    encoded = b"%d" % number
    encoded += bytes(max(0, size - len(encoded)))
    body = TransactionBody(author="a", expires_at=EXPIRES_AT)
    return CheckedTransaction(sha256(encoded).digest(), encoded, body, b"")


class Case:
    def __init__(self) -> None:
        self.pool = TransactionPool(
            count_max=9_999, size_bytes_max=2**30, author_count_max=9_999, author_bytes_max=2**30
        )
        self.links = RecordingLinks()
        self.time = EXPIRES_AT - 1
        self.forwarding = Forwarding(
            self.pool, self.links, resend_ms=RESEND_MS, time_ms=lambda: self.time
        )

    def add(self, number: int, size: int = 0) -> Pending:
        return self.pool.add(make_transaction(number, size))

    def forward(self, now_ms: int, leader: str = "n2") -> list[tuple[str, tuple[int, ...]]]:
        """Who is sent which transactions."""
        self.forwarding.forward(leader, now_ms)
        return [
            (peer, tuple(int(t.rstrip(b"\x00")) for t in message.transactions))
            for peer, message in self.links.take()
            if isinstance(message, ForwardMessage)
        ]

    def answer(self, pending: Pending, code: ReceiptCode | ApiReason | None, of: str) -> bool:
        """Whether the leader's clock is another."""
        result = ForwardResult(pending.transaction.transaction_id, code, "why")
        return self.forwarding.take_answer(of, ForwardAnswer((result,)))


def test_a_transaction_is_sent_once_until_it_is_time_again() -> None:
    case = Case()
    first = case.add(1)
    assert case.forward(NOW) == [("n2", (1,))]
    assert first.is_taken, "it may come into a block from now on"
    assert case.forward(NOW + 1) == []
    case.add(2)
    assert case.forward(NOW + 400) == [("n2", (2,))]
    sent = [(1, NOW), (2, NOW + 400)]
    for now in range(NOW + 500, NOW + 6_000, 100):
        sent += [(number, now) for _, numbers in case.forward(now) for number in numbers]
    for number in (1, 2):
        moments = [now for sent_number, now in sent if sent_number == number]
        gaps = {after - before for before, after in pairwise(moments)}
        assert len(moments) >= 4
        assert RESEND_MS <= min(gaps) <= max(gaps) < 2 * RESEND_MS
    case.pool.settle([first.transaction.transaction_id], {})
    assert case.forward(NOW + 9_000) == [("n2", (2,))], "what is certified is not sent"


def test_a_new_leader_is_told_of_everything() -> None:
    case = Case()
    for number in range(3):
        case.add(number)
    assert case.forward(NOW) == [("n2", (0, 1, 2))]
    case.add(3)
    assert case.forward(NOW + 1, "n3") == [("n3", (0, 1, 2, 3))]
    assert case.forward(NOW + 2, "n3") == []
    case.forwarding.pause()
    assert case.links.take() == []
    assert case.forward(NOW + 3, "n3") == [("n3", (0, 1, 2, 3))], "it may have begun anew"


def test_messages_stay_within_count_and_bytes() -> None:
    case = Case()
    for number in range(FORWARD_COUNT_MAX + 1):
        case.add(number)
    assert [len(numbers) for _, numbers in case.forward(NOW)] == [FORWARD_COUNT_MAX, 1]
    case = Case()
    for number in range(1, 4):
        case.add(number, FORWARD_SIZE_MAX // 2)
    case.add(4, FORWARD_SIZE_MAX + 9)
    assert case.forward(NOW) == [("n2", (1, 2)), ("n2", (3,)), ("n2", (4,))]


@pytest.mark.parametrize(
    "code",
    [
        ReceiptCode.NOT_READY,
        ReceiptCode.OVERLOADED,
        ApiReason.INTERNAL,
        ApiReason.PENDING,
        ApiReason.OUTCOME_UNKNOWN,
    ],
)
def test_a_refusal_that_waiting_may_change_leaves_the_transaction(
    code: ReceiptCode | ApiReason,
) -> None:
    async def scenario() -> None:
        case = Case()
        pending = case.add(1)
        waits = (pending.join(), pending.join_accepted())
        case.forward(NOW)
        case.answer(pending, code, "n2")
        assert not any(wait.done() for wait in waits)
        assert case.pool.find(pending.transaction.transaction_id) is pending
        assert len(case.pool) == 1
        assert case.forward(NOW + RESEND_MS + 1) == [("n2", (1,))]

    asyncio.run(scenario())


def test_a_final_refusal_ends_it_and_is_told() -> None:
    async def scenario() -> None:
        case = Case()
        pending = case.add(1)
        waits = (pending.join(), pending.join_accepted())
        case.forward(NOW)
        case.answer(pending, ReceiptCode.NOT_AUTHORISED, "n2")
        for wait in waits:
            refusal = await wait
            assert isinstance(refusal, ApiError)
            assert (refusal.code, refusal.text) == (ReceiptCode.NOT_AUTHORISED, "why")
        assert len(case.pool) == 0
        assert case.forward(NOW + 9 * RESEND_MS) == []

    asyncio.run(scenario())


def test_only_the_leader_answers() -> None:
    async def scenario() -> None:
        case = Case()
        pending = case.add(1)
        accepted = pending.join_accepted()
        case.forward(NOW)
        for code in (ReceiptCode.NOT_AUTHORISED, None):
            case.answer(pending, code, "n3")
        assert not accepted.done()
        assert not pending.is_accepted
        assert len(case.pool) == 1
        case.forwarding.pause()
        case.answer(pending, ReceiptCode.NOT_AUTHORISED, "n2")
        case.answer(pending, ReceiptCode.NOT_AUTHORISED, "")
        assert len(case.pool) == 1, "nobody leads, as far as is known"

    asyncio.run(scenario())


def test_that_it_expired_is_not_the_leaders_word_alone() -> None:
    async def scenario() -> None:
        case = Case()
        pending = case.add(1)
        wait = pending.join()
        case.forward(NOW)
        case.time = EXPIRES_AT - EXPIRED_MS - 1
        assert case.answer(pending, ReceiptCode.EXPIRED, "n2"), "that leader's clock is ahead"
        case.time = EXPIRES_AT - EXPIRED_MS
        assert not case.answer(pending, ReceiptCode.EXPIRED, "n2"), "clocks differ a little"
        case.time = EXPIRES_AT + EXPIRED_MS
        assert not case.answer(pending, ReceiptCode.EXPIRED, "n2")
        assert not wait.done()
        assert case.forward(NOW + RESEND_MS + 1) == [("n2", (1,))]
        case.time += 1
        case.answer(pending, ReceiptCode.EXPIRED, "n2")
        assert await wait is Unanswered.LOOK_UP, "a block on its way may hold it"
        assert len(case.pool) == 0

    asyncio.run(scenario())


def test_what_expired_long_ago_is_not_sent_again() -> None:
    case = Case()
    case.add(1)
    case.forward(NOW)
    case.time = EXPIRES_AT + EXPIRED_MS + 1
    assert case.forward(NOW + 2 * RESEND_MS) == []
    assert not case.pool.has_pending


def test_acceptance_is_told_to_who_wants_no_more() -> None:
    async def scenario() -> None:
        case = Case()
        pending = case.add(1)
        accepted, proof = pending.join_accepted(), pending.join()
        case.forward(NOW)
        case.answer(pending, None, "n2")
        assert await accepted is Unanswered.ACCEPTED
        assert not proof.done()
        assert len(case.pool) == 1, "here until it is certified"
        unknown = ForwardAnswer((ForwardResult(bytes(32)),))
        case.forwarding.take_answer("n2", unknown)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_paused", [False, True])
def test_who_begins_to_lead_has_accepted_what_it_holds(is_paused: bool) -> None:
    async def scenario() -> None:
        case = Case()
        before = case.add(1).join_accepted()
        case.forward(NOW)
        if is_paused:
            case.forwarding.pause()
        case.forwarding.lead()
        assert await before is Unanswered.ACCEPTED
        after = case.add(2).join_accepted()
        assert not after.done()
        case.forwarding.lead()
        assert await after is Unanswered.ACCEPTED
        assert case.links.take() == []
        # No longer the leader: the next one is told of all.
        assert case.forward(NOW + 1, "n3") == [("n3", (1, 2))]

    asyncio.run(scenario())


def test_the_leaders_answer_names_each_transaction() -> None:
    refusal = ApiError(ReceiptCode.OVERLOADED, "full", retry_after_ms=7)
    answer = make_answer([b"1", b"2"], [Submitted(b"1"), refusal])
    assert answer.results == (
        ForwardResult(b"1"),
        ForwardResult(b"2", ReceiptCode.OVERLOADED, "full", 7),
    )
