# SPDX-License-Identifier: Apache-2.0
"""Verified reads, as everything above the light client sees them.

A *question* is a plain function of a `StateView`: it looks up state keys and returns what it makes
of them. The reader runs it, fetches with proofs what it missed, and runs it again until it misses
nothing. So a question

- is written like code over a dictionary, however many rounds of fetching it needs;
- is answered from one certified state, never from two heights mixed;
- leaves behind exactly the entries it used: they are the proof of its answer.

A question must be pure and must let `MissingKeysError` pass; it may run several times. Look up
everything known to be needed with one `get_many`: each look-up that misses costs one round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar

from ledger.model import schema
from ledger.model.codec import decode
from ledger.model.limits import (
    CERTIFICATE_SIZE_MAX,
    HASH_SIZE,
    HEADER_SIZE_MAX,
    PROOF_SIBLINGS_COUNT_MAX,
    PROVEN_ENTRIES_COUNT_MAX,
    PROVEN_STATE_SIZE_MAX,
    STATE_VALUE_SIZE_MAX,
)
from ledger.model.proofs import ProvenState, StateEntry
from ledger.model.verification import MALFORMED, ProofError, VerifiedHead, get_child_count
from ledger.model.wire import EncodingError
from sdk.proof_files import STATE_PROOF_FILE_SIZE_MAX, encode_proof_file
from sdk.results import Proven

ROUNDS_COUNT_MAX: Final = 64
"""Times a question runs; each fetches at least one key more, or all again because the state moved."""
KEYS_COUNT_MAX: Final = 65_536
"""Keys one question may look up."""
ENTRY_PROOF_SIZE_MAX: Final = (PROOF_SIBLINGS_COUNT_MAX + 4) * (HASH_SIZE + 8)
"""Bytes of an encoded entry beside its key and value, at most."""
PROVEN_HEAD_SIZE_MAX: Final = HEADER_SIZE_MAX + CERTIFICATE_SIZE_MAX + 1024
"""Bytes of an encoded answer beside its entries, at most."""

T = TypeVar("T")


class MissingKeysError(Exception):
    """A question looked up keys that are not fetched yet. For the reader, not for callers."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        super().__init__(f"{len(keys)} keys are not fetched yet")
        self.keys = tuple(keys)


class StateView:
    """What the network holds under some keys at one height.

    Remembers which keys were looked up. `is_verified` is False only for a client made with
    `unverified()`.
    """

    __slots__ = ("_entries", "_head", "_used", "is_verified")

    def __init__(
        self,
        head: VerifiedHead | None,
        entries: Mapping[bytes, StateEntry],
        *,
        is_verified: bool = True,
    ) -> None:
        """`entries` have been verified under `head` (unless `is_verified` is False).

        Without a head nothing has been fetched: looking at height or time is a miss, too.
        """
        self._head = head
        self.is_verified = is_verified
        self._entries = entries
        self._used: dict[bytes, None] = {}

    @property
    def head(self) -> VerifiedHead:
        if self._head is None:
            raise MissingKeysError(())
        return self._head

    @property
    def used_keys(self) -> tuple[bytes, ...]:
        """The keys looked up so far."""
        return tuple(self._used)

    @property
    def height(self) -> int:
        return self.head.height

    @property
    def time_ms(self) -> int:
        """Time of the block that this state follows; nothing later is known."""
        return self.head.time

    @property
    def as_of(self) -> datetime:
        return datetime.fromtimestamp(self.head.time / 1000, UTC)

    def get(self, key: bytes) -> bytes | None:
        """The value under a key, None when the state holds none.

        Raises:
            MissingKeysError: not fetched yet.
        """
        return self.get_many((key,))[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under these keys, in their order.

        Raises:
            MissingKeysError: with all that are not fetched yet.
        """
        self._used.update(dict.fromkeys(keys))
        missing = [key for key in dict.fromkeys(keys) if key not in self._entries]
        if missing:
            raise MissingKeysError(missing)
        return [self._entries[key].value or None for key in keys]

    def record(self, cls: type[T], key: bytes) -> T | None:
        """The record under a key, None when there is none.

        Raises:
            MissingKeysError: not fetched yet.
            ProofError: MALFORMED: the certified state holds something else there.
        """
        value = self.get(key)
        return None if value is None else decode_record(cls, value)

    def records(self, cls: type[T], keys: Sequence[bytes]) -> list[T | None]:
        """As `record`, for many keys at once."""
        values = self.get_many(keys)
        return [None if value is None else decode_record(cls, value) for value in values]

    def children(self, parent_key: bytes) -> list[bytes]:
        """The values of all children of a list, in order: as many as the parent counts.

        Raises:
            MissingKeysError: not fetched yet.
            ProofError: MALFORMED: the certified state lacks a child that its parent counts.
        """
        count = get_child_count(parent_key, self.get(parent_key))
        found = self.get_many([schema.child_key(parent_key, n) for n in range(count)])
        values = [value for value in found if value is not None]
        if len(values) != count:
            raise ProofError(MALFORMED, "a list in the certified state lacks a child")
        return values

    def proven_state(self) -> ProvenState | None:
        """Head and entries of the keys looked up; None when they exceed one message."""
        if len(self._used) > PROVEN_ENTRIES_COUNT_MAX:
            return None
        entries = tuple(self._entries[key] for key in self._used)
        return ProvenState(self.head.header.chain_id, self.head.encoded, entries)

    def proven_states(self) -> tuple[ProvenState, ...]:
        """As `proven_state`, in as many as it takes to hold them all; none without proofs."""
        if not self.is_verified:
            return ()
        chosen: list[list[StateEntry]] = []
        room = 0
        for key in self._used:
            entry = self._entries[key]
            needed = len(entry.key) + len(entry.value) + ENTRY_PROOF_SIZE_MAX
            if not chosen or len(chosen[-1]) == PROVEN_ENTRIES_COUNT_MAX or needed > room:
                chosen.append([])
                room = PROVEN_STATE_SIZE_MAX - PROVEN_HEAD_SIZE_MAX
            chosen[-1].append(entry)
            room -= needed
        head = self.head
        return tuple(
            ProvenState(head.header.chain_id, head.encoded, tuple(entries)) for entries in chosen
        )

    def proof(self) -> bytes:
        """Proof file of the keys looked up; empty when it would exceed the size of one message."""
        proven = self.proven_state() if self.is_verified else None
        if proven is None:
            return b""
        if sum(len(entry.value) for entry in proven.entries) > PROVEN_STATE_SIZE_MAX:
            return b""
        data = encode_proof_file(proven)
        return data if len(data) <= STATE_PROOF_FILE_SIZE_MAX else b""


Question = Callable[[StateView], T]


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a question made of the state, and the view it was made from."""

    value: T
    view: StateView

    def to_proven(self) -> Proven[T]:
        """The answer as callers get it, with its proof."""
        return Proven(
            value=self.value,
            height=self.view.height,
            as_of=self.view.as_of,
            verified=self.view.is_verified,
            proof=self.view.proof(),
        )


class VerifiedReader(Protocol):
    """Where verified answers come from: a client on line, later a bundle."""

    @property
    def network(self) -> str:
        """Name of the network, as in its DIDs."""
        ...

    @property
    def chain_id(self) -> str: ...

    @property
    def known_height(self) -> int:
        """Height of the newest head seen so far, 0 before the first: facts of a lower one are old."""
        ...

    @property
    def max_age(self) -> timedelta:
        """What `ask` takes for `max_age` when none is given."""
        ...

    async def ask(
        self,
        question: Callable[[StateView], T],
        *,
        max_age: timedelta | None = None,
        reach_ms: int | None = None,
    ) -> Answer[T]:
        """Answer a question from one certified state.

        Args:
            question: pure; may run several times.
            max_age: how long ago the network may have been asked; within it, facts fetched before
                are used again. None: the client's own setting.
            reach_ms: ledger time that the state must have reached; 0: however old it is. None:
                the present, as near as a running network keeps it.

        Raises:
            UnavailableError: nobody answers in time; STATE_TOO_OLD.
            TrustError: an answer was not proven; the evidence is kept.
        """
        ...

    async def time_at(self, height: int) -> int:
        """Time of the certified block at a height, ms.

        Raises:
            CallerError: HEIGHT_UNKNOWN.
            UnavailableError, TrustError: as `ask`.
        """
        ...


def decode_record(cls: type[T], value: bytes) -> T:
    """Read a value of the state.

    Raises:
        ProofError: MALFORMED: it is no such record.
    """
    try:
        return decode(cls, value, size_max=STATE_VALUE_SIZE_MAX)
    except EncodingError as error:
        raise ProofError(MALFORMED, f"the certified state holds no {cls.__name__}: {error}") from (
            error
        )
