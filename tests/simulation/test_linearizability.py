# SPDX-License-Identifier: Apache-2.0
"""The checker of histories: what has an order, what has none, and what nobody can know."""

from __future__ import annotations

import pytest

from tests.support.simulation import linearizability
from tests.support.simulation.linearizability import (
    Kind,
    Operation,
    Outcome,
    UndecidedError,
    find_unexplained,
    is_linearizable,
)


def publish(number: int, outcome: Outcome, called: int, returned: int) -> Operation:
    return Operation("key", Kind.PUBLISH, number, outcome, called, returned)


def read(number: int, called: int, returned: int) -> Operation:
    return Operation("key", Kind.READ, number, Outcome.DONE, called, returned)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([], id="nothing"),
        pytest.param([publish(0, Outcome.DONE, 0, 1), read(1, 2, 3)], id="a read after a write"),
        pytest.param([publish(0, Outcome.DONE, 0, 9), read(0, 1, 2)], id="a read beside a write"),
        pytest.param(
            [publish(0, Outcome.DONE, 0, 9), read(1, 1, 2), read(1, 3, 4)],
            id="a write is seen before it returns",
        ),
        pytest.param(
            [publish(0, Outcome.UNKNOWN, 0, 1), read(0, 2, 3), read(1, 4, 5)],
            id="a lost write comes late",
        ),
        pytest.param(
            [publish(0, Outcome.UNKNOWN, 0, 1), publish(0, Outcome.DONE, 2, 3), read(1, 4, 5)],
            id="a lost write never comes",
        ),
        pytest.param(
            [publish(0, Outcome.DONE, 0, 9), publish(0, Outcome.STALE, 1, 8)],
            id="one of two wins",
        ),
    ],
)
def test_an_order_is_found(history: list[Operation]) -> None:
    assert is_linearizable(history)


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([publish(0, Outcome.DONE, 0, 1), read(0, 2, 3)], id="a stale read"),
        pytest.param([read(1, 0, 1), publish(0, Outcome.DONE, 2, 3)], id="a read of the future"),
        pytest.param(
            [publish(0, Outcome.DONE, 0, 9), read(1, 1, 2), read(0, 3, 4)], id="time goes back"
        ),
        pytest.param(
            [publish(0, Outcome.DONE, 0, 9), publish(0, Outcome.DONE, 1, 8)], id="two winners"
        ),
        pytest.param([publish(0, Outcome.STALE, 0, 1)], id="refused without a rival"),
        pytest.param(
            [publish(0, Outcome.DONE, 0, 1), publish(1, Outcome.STALE, 2, 3)],
            id="a lost update",
        ),
        pytest.param(
            [publish(0, Outcome.DONE, 0, 1), read(1, 2, 3), publish(0, Outcome.DONE, 4, 5)],
            id="an acknowledged write is forgotten",
        ),
    ],
)
def test_no_order_is_found(history: list[Operation]) -> None:
    assert not is_linearizable(history)


def test_the_key_without_an_order_is_named() -> None:
    good = [publish(0, Outcome.DONE, 0, 1), read(1, 2, 3)]
    bad = [
        Operation("other", Kind.PUBLISH, 0, Outcome.DONE, 0, 1),
        Operation("other", Kind.READ, 0, Outcome.DONE, 2, 3),
    ]

    assert find_unexplained(good) is None
    assert find_unexplained([*good, *bad]) == "other"


def test_a_search_that_grows_too_large_gives_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linearizability, "STATES_COUNT_MAX", 10)
    # Lost writes that may each have come at any time, and a read that none of them explains.
    history = [publish(number, Outcome.UNKNOWN, 0, 1) for number in range(12)]

    with pytest.raises(UndecidedError):
        is_linearizable([*history, read(99, 2, 3)])
