# SPDX-License-Identifier: Apache-2.0
"""A `VerifiedReader` over the state of a LedgerWorld: real records, nothing to prove."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import TypeVar

from ledger.model.block import Vote
from ledger.model.proofs import CertifiedHead, StateEntry
from ledger.model.verification import VerifiedHead
from sdk.errors import UnavailableError
from sdk.reader import Answer, MissingKeysError, StateView
from tests.support.ledger_execution import LedgerWorld

T = TypeVar("T")

ROUNDS_COUNT_MAX = 64


class WorldReader:
    """Answers from the world as it stands. `is_reachable` False: no node answers."""

    def __init__(self, world: LedgerWorld) -> None:
        self.world = world
        self.is_reachable = True
        self.error: UnavailableError | None = None
        self.asked_count = 0
        self.rounds_count = 0
        self.keys_asked: set[bytes] = set()
        self.seen_height = 0
        self.is_verified = True
        self.remembers_for = timedelta()

    @property
    def reader(self) -> WorldReader:
        return self

    @property
    def network(self) -> str:
        return self.world.genesis.network

    @property
    def chain_id(self) -> str:
        return self.world.chain_id

    @property
    def known_height(self) -> int:
        return self.seen_height

    @property
    def max_age(self) -> timedelta:
        return self.remembers_for

    async def ask(
        self,
        question: Callable[[StateView], T],
        *,
        max_age: timedelta | None = None,
        reach_ms: int | None = None,
    ) -> Answer[T]:
        self._reach()
        self.asked_count += 1
        header = self.world.header
        self.seen_height = header.height
        root = sha256(repr(sorted(self.world.values.items())).encode()).digest()
        vote = Vote(height=header.height, state_root=root)
        head = VerifiedHead(header, vote, b"", CertifiedHead())
        entries: dict[bytes, StateEntry] = {}
        for _ in range(ROUNDS_COUNT_MAX):
            view = StateView(head, entries, is_verified=self.is_verified)
            try:
                return Answer(question(view), view)
            except MissingKeysError as error:
                self.rounds_count += 1
                self.keys_asked.update(error.keys)
                entries |= _entries(self.world.values, error.keys)
        raise AssertionError("the question never ends")

    async def time_at(self, height: int) -> int:
        self._reach()
        raise AssertionError("no test asks for a height of this world")

    def _reach(self) -> None:
        if not self.is_reachable:
            raise UnavailableError("nobody answers", code="NOT_REACHABLE", remedy="Try again.")
        if self.error is not None:
            raise self.error


def _entries(values: Mapping[bytes, bytes], keys: tuple[bytes, ...]) -> dict[bytes, StateEntry]:
    return {key: StateEntry(key=key, value=values.get(key, b"")) for key in keys}
