# SPDX-License-Identifier: Apache-2.0
"""Whether a history of clients' operations can be explained by one after the other on a register.

The search of Wing and Gong (1993) with the memory of Lowe (2017): take any operation that began before
every unfinished one ended, see whether the register allows its result, and go on; a set of operations
with the same register was tried once. Keys are independent, so each has a search of its own.

The register is a number of versions. `publish(n)` makes it n + 1 if it is n, and is refused as stale
otherwise; `read` returns it. What never returned may have happened at any time after it was called, or
not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

STATES_COUNT_MAX: Final = 200_000
"""Tried for one key; more is no verdict."""


class Kind(Enum):
    """What a client asked for."""

    PUBLISH = auto()
    READ = auto()


class Outcome(Enum):
    """What a client was told."""

    DONE = auto()
    STALE = auto()
    UNKNOWN = auto()
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one client."""

    key: str
    kind: Kind
    number: int
    """The version expected by a publish; the version that a read returned."""
    outcome: Outcome
    called_us: int
    returned_us: int
    """When it is known to have ended; ignored when nothing is known."""


class UndecidedError(Exception):
    """The search was given up."""


def find_unexplained(history: Iterable[Operation]) -> str | None:
    """A key whose operations cannot be explained, or None. Raises UndecidedError."""
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for operation in history:
        by_key[operation.key].append(operation)
    for key in sorted(by_key):
        if not is_linearizable(by_key[key]):
            return key
    return None


def is_linearizable(history: list[Operation]) -> bool:
    """Whether the operations on one key can be put in an order. Raises UndecidedError."""
    operations = sorted(history, key=lambda operation: operation.called_us)
    ends = [
        None if operation.outcome is Outcome.UNKNOWN else operation.returned_us
        for operation in operations
    ]
    everything = sum(1 << i for i, end in enumerate(ends) if end is not None)
    # A state is (set of operations that took effect, versions).
    tried: set[tuple[int, int]] = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        done, versions = waiting.pop()
        if done & everything == everything:
            return True
        deadline = min(end for i, end in enumerate(ends) if end is not None and not done >> i & 1)
        for i, operation in enumerate(operations):
            if operation.called_us > deadline:
                break
            if done >> i & 1:
                continue
            after = _apply(operation, versions)
            if after is None:
                continue
            state = (done | 1 << i, after)
            if state not in tried:
                tried.add(state)
                waiting.append(state)
        if len(tried) > STATES_COUNT_MAX:
            raise UndecidedError(f"{len(tried)} states for {len(operations)} operations")
    return False


def _apply(operation: Operation, versions: int) -> int | None:
    """The register afterwards, or None when the operation cannot have gone so."""
    is_expected = operation.number == versions
    if operation.kind is Kind.READ:
        return versions if is_expected else None
    match operation.outcome:
        case Outcome.DONE:
            return versions + 1 if is_expected else None
        case Outcome.STALE:
            return None if is_expected else versions
        case Outcome.UNKNOWN:
            # Refused it would be as if it had never come, which needs no step.
            return versions + 1 if is_expected else None
