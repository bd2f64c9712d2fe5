# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from ledger.api.ports import ApiError
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import TransactionBody
from ledger.model.transaction_check import CheckedTransaction
from ledger.node.pool import TransactionPool, Unanswered


def transaction(number: int, *, size: int = 10, author: str = "") -> CheckedTransaction:
    encoded = b"%d" % number
    encoded += bytes(size - len(encoded))
    return CheckedTransaction(
        sha256(encoded).digest(), encoded, TransactionBody(author=author), b""
    )


def make_pool(count: int = 5, size: int = 1000) -> TransactionPool:
    return TransactionPool(
        count_max=count, size_bytes_max=size, author_count_max=count, author_bytes_max=size
    )


def test_first_come_first_served_within_count_and_bytes() -> None:
    pool = make_pool()
    added = [transaction(n, size=30) for n in range(5)]
    for item in added:
        pool.add(item)
    assert (len(pool), pool.size_bytes) == (5, 150)
    assert pool.take(2, 1000) == added[:2]
    assert pool.take(9, 60) == added[2:4]
    assert pool.take(9, 1) == added[4:], "one at least, or it would never get into a block"
    assert (len(pool), pool.size_bytes) == (0, 0)


def test_a_transaction_is_queued_once() -> None:
    pool = make_pool()
    first = pool.add(transaction(1))
    assert pool.add(transaction(1)) is first
    pool.take(9, 1000)
    assert pool.add(transaction(1)) is first, "in a block, not certified"
    assert len(pool) == 0
    pool.settle([first.transaction.transaction_id], {})
    assert pool.find(first.transaction.transaction_id) is None
    assert first.transaction.encoded not in pool.checked


@pytest.mark.parametrize(("count", "size"), [(3, 1000), (9, 35)])
def test_what_does_not_fit_is_refused_and_changes_nothing(count: int, size: int) -> None:
    pool = make_pool(count, size)
    pool.add(transaction(1))
    pool.add(transaction(2))
    pool.begin_arrival(10)
    assert pool.arriving_count == 1
    with pytest.raises(ApiError) as caught:  # no room beside what is being checked
        pool.begin_arrival(10)
    assert caught.value.code is ReceiptCode.OVERLOADED
    assert caught.value.retry_after_ms
    pool.end_arrival(10)
    assert (len(pool), pool.size_bytes, pool.arriving_count) == (2, 20, 0)
    pool.begin_arrival(10)
    pool.end_arrival(10)
    pool.add(transaction(3))
    with pytest.raises(ApiError):
        pool.begin_arrival(10)
    pool.take(1, 1000)
    pool.begin_arrival(10)


@pytest.mark.parametrize(("count", "size"), [(3, 1000), (9, 35)])
def test_one_author_leaves_room_for_others(count: int, size: int) -> None:
    pool = TransactionPool(
        count_max=100, size_bytes_max=10_000, author_count_max=count, author_bytes_max=size
    )
    pool.add(transaction(0, author="greedy"))
    assert len(pool.take(1, 1000)) == 1, "in a block: it counts as well"
    added = [transaction(n, author="greedy") for n in range(1, 4)]
    for item in added[:2]:
        pool.add(item)
    with pytest.raises(ApiError, match="3 transactions of this author") as caught:
        pool.add(added[2])
    assert caught.value.code is ReceiptCode.OVERLOADED
    assert caught.value.retry_after_ms
    assert (len(pool), pool.size_bytes, pool.find(added[2].transaction_id)) == (2, 20, None)
    pool.add(added[1])  # known: joins
    pool.add(transaction(9, author="modest"))
    # What is on its way counts until it is certified.
    pool.take(1, 1000)
    with pytest.raises(ApiError):
        pool.add(added[2])
    pool.settle([added[0].transaction_id], {})
    pool.add(added[2])


def test_what_did_not_get_into_a_block_comes_back_to_the_front() -> None:
    pool = make_pool()
    added = [transaction(n) for n in range(4)]
    for item in added[:3]:
        pool.add(item)
    taken = pool.take(2, 1000)
    pool.add(added[3])
    pool.give_back(taken)
    assert pool.size_bytes == 40
    assert pool.take(9, 1000) == added


def test_everybody_who_waits_gets_the_proof_and_cancelling_one_cancels_no_other() -> None:
    async def scenario() -> None:
        pool = make_pool()
        pending = pool.add(transaction(1))
        other = pool.add(transaction(2))
        waits = [pending.join() for _ in range(4)]
        assert pool.is_awaited(pending.transaction.transaction_id)
        assert not pool.is_awaited(other.transaction.transaction_id)
        waits[0].cancel()
        pending.leave(waits[3])
        pool.settle(
            [pending.transaction.transaction_id], {pending.transaction.transaction_id: b"proof"}
        )
        assert await waits[1] == await waits[2] == b"proof"
        assert waits[0].cancelled()
        assert not waits[3].done()

    asyncio.run(scenario())


def test_closing_tells_who_waits_and_admits_nothing() -> None:
    async def scenario() -> None:
        pool = make_pool()
        pending = pool.add(transaction(1))
        wait = pending.join()
        pool.close()
        assert await wait is Unanswered.LOOK_UP
        assert len(pool) == 0
        with pytest.raises(ApiError) as caught:
            pool.add(transaction(2))
        assert caught.value.code is ReceiptCode.NOT_READY

    asyncio.run(scenario())


def test_what_is_certified_while_it_waits_leaves_the_queue() -> None:
    """Another validator's block may hold what is queued here."""
    pool = make_pool()
    added = [transaction(n) for n in range(3)]
    for item in added:
        pool.add(item)
    pool.settle([added[1].transaction_id, bytes(32)], {})
    assert (len(pool), pool.size_bytes) == (2, 20)
    assert pool.find(added[1].transaction_id) is None
    assert set(pool.checked) == {added[0].encoded, added[2].encoded}
    assert pool.take(9, 1000) == [added[0], added[2]]
    assert (len(pool), pool.size_bytes) == (0, 0)


def test_what_is_refused_leaves_and_the_refusal_is_told() -> None:
    async def scenario() -> None:
        pool = make_pool(2, 20)
        refused, other = pool.add(transaction(1)), pool.add(transaction(2))
        waits = [refused.join(), refused.join_accepted()]
        kept = other.join()
        refusal = ApiError(ReceiptCode.EXPIRED, "late")
        pool.refuse(refused.transaction.transaction_id, refusal)
        pool.refuse(bytes(32), refusal)
        assert [await wait for wait in waits] == [refusal, refusal]
        assert not kept.done()
        assert (len(pool), pool.size_bytes, pool.settled_count) == (1, 10, 0)
        assert list(pool.pendings()) == [other]
        pool.add(transaction(3))  # there is room for the author again

    asyncio.run(scenario())


def test_only_what_still_waits_is_given_back_and_once() -> None:
    pool = make_pool()
    pendings = [pool.add(transaction(n)) for n in range(4)]
    pendings[1].forwarded_at = 7
    taken = pool.take(3, 1000)
    pool.settle([taken[0].transaction_id], {})
    for _ in range(2):
        pool.give_back(taken)
        assert (len(pool), pool.size_bytes) == (3, 30)
    assert [p.is_taken for p in pendings[1:]] == [True, False, False], "another may hold the first"
    assert pool.take(9, 1000) == [p.transaction for p in pendings[1:]]


def test_what_is_new_is_told_once_and_only_while_it_waits() -> None:
    pool = make_pool()
    first, second = pool.add(transaction(1)), pool.add(transaction(2))
    pool.add(transaction(1))
    pool.settle([second.transaction.transaction_id], {})
    assert pool.take_new() == [first]
    assert pool.take_new() == []
    pool.add(transaction(1))
    assert pool.take_new() == [], "it is known"
    third = pool.add(transaction(3))
    pool.take(9, 1000)
    assert pool.take_new() == [third], "it is on its way, and pending"
    pool.add(transaction(4))
    pool.close()
    assert pool.take_new() == []


def test_acceptance_is_told_to_who_waits_for_it_alone() -> None:
    async def scenario() -> None:
        pool = make_pool()
        pending = pool.add(transaction(1))
        proof, early, gone = pending.join(), pending.join_accepted(), pending.join_accepted()
        left = pending.join_accepted()
        pending.leave(left)
        gone.cancel()
        assert not pending.is_accepted
        pending.accept()
        assert await early is Unanswered.ACCEPTED
        assert not proof.done()
        assert not left.done()
        assert await pending.join_accepted() is Unanswered.ACCEPTED, "at once"
        other = pool.add(transaction(2))
        late = other.join_accepted()
        transaction_id = other.transaction.transaction_id
        pool.settle([transaction_id], {transaction_id: b"proof"})
        assert await late == b"proof", "certified before the leader said anything"

    asyncio.run(scenario())
