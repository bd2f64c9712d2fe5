# SPDX-License-Identifier: Apache-2.0
"""Votes of other validators, on their way to a certificate.

Rules of this file:
- One vote is kept for each validator and height, for the next two heights only: who is asked to keep
  more is asked by a liar or by somebody far ahead.
- Signatures are not verified when they arrive: the certificate is, and if it fails those who spoil it
  are found one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ledger.model.block import SignedVote

HEIGHTS_COUNT_MAX: Final = 2
"""Heights above the certified one for which votes are kept."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two votes of one validator for one height; proof against it if both signatures are good."""

    first: SignedVote
    second: SignedVote


class VoteBook:
    """Signed votes by height and validator. One thread."""

    def __init__(self, certified_height: int) -> None:
        self._certified_height = certified_height
        self._votes: dict[int, dict[str, SignedVote]] = {}

    def is_open(self, height: int) -> bool:
        """Whether votes for a height are kept."""
        return self._certified_height < height <= self._certified_height + HEIGHTS_COUNT_MAX

    def add(self, height: int, vote: SignedVote) -> Contradiction | None:
        """Keep a vote for an open height, or say with which other it cannot be honest.

        The newer one is kept then: the older may be the forged one.
        """
        if not self.is_open(height):
            raise ValueError(f"no votes are kept for height {height}")
        votes = self._votes.setdefault(height, {})
        held = votes.get(vote.validator)
        votes[vote.validator] = vote
        if held is not None and held.vote != vote.vote:
            return Contradiction(held, vote)
        return None

    def signatures(self, height: int, vote: bytes) -> dict[str, bytes]:
        """Who has voted exactly so, with the signature."""
        votes = self._votes.get(height, {})
        return {name: held.signature for name, held in votes.items() if held.vote == vote}

    def find_others(self, height: int, vote: bytes) -> tuple[str, ...]:
        """Who has voted otherwise, ascending."""
        votes = self._votes.get(height, {})
        return tuple(sorted(name for name, held in votes.items() if held.vote != vote))

    def remove(self, height: int, validators: Iterable[str]) -> None:
        """Forget votes whose signatures are wrong."""
        votes = self._votes.get(height, {})
        for name in validators:
            votes.pop(name, None)

    def certified(self, height: int) -> None:
        """A height is certified: its votes and those below are not needed any more."""
        self._certified_height = max(self._certified_height, height)
        for old in [known for known in self._votes if known <= self._certified_height]:
            del self._votes[old]
