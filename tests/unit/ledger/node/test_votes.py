# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from ledger.model.block import SignedVote
from ledger.node.votes import HEIGHTS_COUNT_MAX, Contradiction, VoteBook


def vote(name: str, content: bytes = b"yes", signature: bytes = b"") -> SignedVote:
    return SignedVote(content, name, signature or name.encode())


def test_votes_are_kept_by_height_and_content() -> None:
    book = VoteBook(4)
    for name, content in (("n2", b"yes"), ("n3", b"no"), ("n1", b"yes")):
        assert book.add(5, vote(name, content)) is None
    assert book.add(6, vote("n1", b"no")) is None
    assert book.signatures(5, b"yes") == {"n1": b"n1", "n2": b"n2"}
    assert book.signatures(6, b"yes") == {}
    assert book.find_others(5, b"yes") == ("n3",)
    assert book.find_others(5, b"no") == ("n1", "n2")
    assert book.find_others(7, b"yes") == ()


def test_only_the_next_heights_are_open() -> None:
    book = VoteBook(4)
    assert [n for n in range(12) if book.is_open(n)] == [5, 6]
    for height in (0, 4, 5 + HEIGHTS_COUNT_MAX, 2**63):
        with pytest.raises(ValueError, match="no votes are kept"):
            book.add(height, vote("n1"))
        assert book.signatures(height, b"yes") == {}


def test_two_votes_of_one_validator_are_told_and_the_newer_counts() -> None:
    book = VoteBook(0)
    assert book.add(1, vote("n1", b"yes", b"a")) is None
    assert book.add(1, vote("n1", b"yes", b"b")) is None, "the same, signed again"
    assert book.signatures(1, b"yes") == {"n1": b"b"}
    told = book.add(1, vote("n1", b"no", b"c"))
    assert told == Contradiction(vote("n1", b"yes", b"b"), vote("n1", b"no", b"c"))
    assert book.signatures(1, b"yes") == {}
    assert book.signatures(1, b"no") == {"n1": b"c"}
    assert book.add(2, vote("n1", b"yes")) is None, "another height"


def test_wrong_votes_are_forgotten_at_their_height_alone() -> None:
    book = VoteBook(0)
    for height in (1, 2):
        for name in ("n1", "n2"):
            book.add(height, vote(name))
    book.remove(1, ["n2", "n9"])
    book.remove(7, ["n1"])
    assert book.signatures(1, b"yes") == {"n1": b"n1"}
    assert set(book.signatures(2, b"yes")) == {"n1", "n2"}


def test_a_certified_height_closes_and_the_one_above_stays() -> None:
    book = VoteBook(0)
    for height in (1, 2):
        book.add(height, vote("n1"))
    book.certified(1)
    assert book.signatures(1, b"yes") == {}
    assert book.signatures(2, b"yes") == {"n1": b"n1"}
    assert [n for n in range(6) if book.is_open(n)] == [2, 3]
    book.certified(0)
    assert not book.is_open(1), "never back"
