# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ledger.node.catch_up import CatchUp
from ledger.node.peers import BLOCKS_COUNT_MAX, BlocksMessage, BlocksRequest, CertifiedBlock

OTHERS = ("n2", "n3", "n4")


def block(height: int) -> CertifiedBlock:
    return CertifiedBlock(b"proposal %d" % height, b"certificate %d" % height)


def blocks(first: int, last: int) -> BlocksMessage:
    return BlocksMessage(first, tuple(block(n) for n in range(first, last + 1)))


def test_nothing_is_asked_before_something_is_wanted() -> None:
    catch_up = CatchUp(answer_ms=100)
    assert catch_up.next_request(0, 0, OTHERS) is None
    catch_up.want(5, "n3")
    assert catch_up.next_request(5, 0, OTHERS) is None, "it is there already"
    assert catch_up.next_request(0, 0, ()) is None, "of nobody"
    assert catch_up.target_height == 5


def test_blocks_come_in_their_order_and_the_rest_is_asked_again() -> None:
    catch_up = CatchUp(answer_ms=100)
    catch_up.want(5, "n3")
    assert catch_up.next_request(1, 0, OTHERS) == ("n3", BlocksRequest(2, 5))
    assert catch_up.next_request(1, 99, OTHERS) is None, "one question at a time"
    assert catch_up.take("n3", blocks(2, 4))
    assert catch_up.next_request(1, 100, OTHERS) is None, "first what came"
    assert catch_up.next_block(2) == block(2)
    assert catch_up.next_block(4) == block(4), "3 came from elsewhere"
    assert catch_up.next_block(5) is None
    assert catch_up.next_request(4, 100, OTHERS) == ("n3", BlocksRequest(5, 5))
    assert catch_up.take("n3", blocks(5, 5))
    assert catch_up.next_block(5) == block(5)
    catch_up.reached(4)
    assert catch_up.target_height == 5
    catch_up.reached(5)
    assert catch_up.target_height == 0
    assert catch_up.next_request(5, 999, OTHERS) is None


def test_who_does_not_answer_is_followed_by_the_next() -> None:
    catch_up = CatchUp(answer_ms=100)
    catch_up.want(9, "n3")
    asked: list[str] = []
    for now in range(0, 500, 50):
        request = catch_up.next_request(1, now, OTHERS)
        if request is not None:
            asked.append(request[0])
    assert asked == ["n3", "n4", "n2", "n3", "n4"]
    assert not catch_up.take("n3", blocks(2, 3)), "too late: n4 is asked now"
    assert catch_up.next_block(2) is None


def test_who_gives_nothing_of_use_is_followed_by_the_next() -> None:
    useless = (BlocksMessage(2, ()), blocks(1, 3), blocks(3, 4))
    for answer in useless:
        catch_up = CatchUp(answer_ms=100)
        catch_up.want(9, "n2")
        assert catch_up.next_request(1, 0, OTHERS) == ("n2", BlocksRequest(2, 9))
        assert not catch_up.take("n2", answer)
        assert catch_up.next_block(2) is None
        assert catch_up.next_request(1, 50, OTHERS) is None, "no faster for a liar"
        assert catch_up.next_request(1, 100, OTHERS) == ("n3", BlocksRequest(2, 9))


def test_only_who_was_asked_is_listened_to_and_once() -> None:
    catch_up = CatchUp(answer_ms=100)
    assert not catch_up.take("n2", blocks(1, 1))
    catch_up.want(9, "n2")
    assert not catch_up.take("n2", blocks(1, 1)), "not asked yet"
    catch_up.next_request(0, 0, OTHERS)
    assert not catch_up.take("n3", blocks(1, 1))
    assert catch_up.next_block(1) is None
    catch_up.next_request(0, 100, OTHERS)
    assert catch_up.source == "n3"
    assert catch_up.take("n3", blocks(1, 1))
    assert not catch_up.take("n3", blocks(1, 9)), "once for each question"
    assert catch_up.next_block(1) == block(1)
    assert catch_up.next_block(2) is None


def test_an_answer_is_kept_up_to_its_limit() -> None:
    catch_up = CatchUp(answer_ms=100)
    catch_up.want(10_000, "n2")
    catch_up.next_request(0, 0, OTHERS)
    assert catch_up.take("n2", blocks(1, BLOCKS_COUNT_MAX + 1))
    assert catch_up.next_block(BLOCKS_COUNT_MAX) == block(BLOCKS_COUNT_MAX)
    assert catch_up.next_block(BLOCKS_COUNT_MAX + 1) is None


def test_a_bad_block_throws_away_the_rest_of_its_answer() -> None:
    catch_up = CatchUp(answer_ms=100)
    catch_up.want(9, "n4")
    catch_up.next_request(0, 0, OTHERS)
    catch_up.take("n4", blocks(1, 3))
    assert catch_up.next_block(1) == block(1)
    catch_up.pass_over(OTHERS)
    assert catch_up.next_block(2) is None
    assert catch_up.next_request(0, 1, OTHERS) == ("n2", BlocksRequest(1, 9))


def test_whoever_is_gone_is_not_asked() -> None:
    catch_up = CatchUp(answer_ms=100)
    catch_up.want(9, "n9")
    assert catch_up.next_request(0, 0, OTHERS) == ("n2", BlocksRequest(1, 9))
    assert catch_up.next_request(0, 100, ("n4",)) == ("n4", BlocksRequest(1, 9))
    catch_up.want(3, "n2")
    assert catch_up.target_height == 9, "less is wanted already"
