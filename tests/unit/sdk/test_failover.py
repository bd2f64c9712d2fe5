# SPDX-License-Identifier: Apache-2.0
"""Who is asked, how often, and when it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Any, cast

import pytest

from ledger.model.verification import ProofError
from sdk.errors import TrustError, UnavailableError
from sdk.failover import Failover, UnprovenError
from sdk.node_api import CallFault, Node, NodeCallError


class NamedNode:
    """All that choosing a node needs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


def make(*names: str) -> tuple[Failover, list[NamedNode]]:
    nodes = [NamedNode(name) for name in names]
    return Failover(cast("list[Node]", nodes)), nodes


class Script:
    """What each node does when asked; `calls` in order."""

    def __init__(self, **answers: Any) -> None:
        """A list: one after the other; anything else: always."""
        self.answers: dict[str, Iterator[Any]] = {
            name: iter(answer) if type(answer) is list else repeat(answer)  # pyright: ignore[reportUnknownArgumentType]
            for name, answer in answers.items()
        }
        self.calls: list[str] = []

    async def __call__(self, node: Node, seconds: float) -> str:
        assert seconds > 0
        self.calls.append(node.name)
        answer = next(self.answers[node.name])
        if isinstance(answer, BaseException):
            raise answer
        return str(answer)


def fault(kind: CallFault, **options: Any) -> NodeCallError:
    return NodeCallError(kind, "on purpose", **options)


def unproven() -> UnprovenError:
    return UnprovenError(ProofError("VALUE_NOT_PROVEN", "on purpose"), Path("evidence"))


def run(failover: Failover, script: Script, **options: Any) -> str:
    options.setdefault("seconds", 5.0)
    return asyncio.run(failover.run(script, **options))


def test_the_next_node_is_asked_and_then_preferred() -> None:
    failover, _ = make("a", "b", "c")
    script = Script(a=fault(CallFault.UNREACHABLE), b="yes", c="never")
    assert run(failover, script) == "yes"
    assert run(failover, script) == "yes"
    assert script.calls == ["a", "b", "b"]
    assert [node.name for node in failover.nodes] == ["b", "a", "c"]


def test_rounds_are_repeated_until_one_answers() -> None:
    failover, _ = make("a", "b")
    down = fault(CallFault.BUSY)
    script = Script(a=[down, down, "yes"], b=[down, down])
    assert run(failover, script) == "yes"
    assert script.calls == ["a", "b", "a", "b", "a"]


def test_a_refusal_ends_the_search() -> None:
    failover, _ = make("a", "b")
    script = Script(a=fault(CallFault.REFUSED, reason="TOO_LARGE"), b="never")
    with pytest.raises(NodeCallError):
        run(failover, script)
    assert script.calls == ["a"]


def test_the_deadline_ends_it() -> None:
    failover, _ = make("a")
    script = Script(a=fault(CallFault.UNREACHABLE))
    with pytest.raises(UnavailableError) as caught:
        run(failover, script, seconds=0.2)
    assert caught.value.phase == "not-sent"
    assert 2 <= len(script.calls) <= 5


def test_a_longer_delay_asked_for_than_there_is_time_ends_it_at_once() -> None:
    failover, _ = make("a")
    script = Script(a=fault(CallFault.BUSY, retry_after=timedelta(seconds=60)))
    with pytest.raises(UnavailableError) as caught:
        run(failover, script, seconds=1.0)
    assert caught.value.retry_after == timedelta(seconds=60)
    assert script.calls == ["a"]


def test_even_without_time_one_attempt_is_made() -> None:
    failover, _ = make("a")
    script = Script(a="yes")
    assert run(failover, script, seconds=0.0) == "yes"


def test_a_node_that_proves_nothing_is_left_out() -> None:
    failover, _ = make("a", "b")
    script = Script(a=unproven(), b=["yes", fault(CallFault.BUSY), "yes"])
    assert run(failover, script) == "yes"
    assert run(failover, script) == "yes"
    assert script.calls == ["a", "b", "b", "b"]


def test_a_node_that_lags_behind_is_asked_again_by_the_next_call() -> None:
    failover, _ = make("a", "b")
    lagging = UnprovenError(ProofError("OLD_STATE", "on purpose"), Path("evidence"))
    busy = fault(CallFault.BUSY)
    script = Script(a=[lagging, "yes"], b=["yes", busy])
    assert run(failover, script) == "yes"
    assert run(failover, script) == "yes"
    assert script.calls == ["a", "b", "b", "a"]


def test_rounds_may_be_limited() -> None:
    failover, _ = make("a", "b")
    script = Script(a=fault(CallFault.UNREACHABLE), b=fault(CallFault.UNREACHABLE))
    with pytest.raises(UnavailableError):
        run(failover, script, rounds_count_max=2)
    assert script.calls == ["a", "b", "a", "b"]


def test_when_no_other_node_proves_an_answer_the_lie_is_told() -> None:
    failover, _ = make("a", "b")
    script = Script(a=unproven(), b=fault(CallFault.UNREACHABLE))
    with pytest.raises(TrustError) as caught:
        run(failover, script, seconds=0.2, transaction_id="00")
    assert (caught.value.code, caught.value.evidence) == ("NODE_LIED", Path("evidence"))
    assert caught.value.transaction_id == "00"
    assert Counter(script.calls)["a"] == 1
    healed = Script(a="yes", b="yes")
    assert run(failover, healed) == "yes"


@pytest.mark.parametrize(
    ("faults", "phase"),
    [
        ([CallFault.UNREACHABLE], "not-sent"),
        ([CallFault.BUSY, CallFault.UNREACHABLE], "not-sent"),
        ([CallFault.BROKEN, CallFault.BUSY], "unknown"),
        ([CallFault.NODE_FAULT, CallFault.UNREACHABLE], "unknown"),
        ([CallFault.PENDING, CallFault.BROKEN], "pending"),
        ([CallFault.BROKEN, CallFault.PENDING, CallFault.UNREACHABLE], "pending"),
    ],
)
def test_what_is_known_of_a_write_never_becomes_less(faults: list[CallFault], phase: str) -> None:
    for is_write, expected in ((True, phase), (False, "not-sent")):
        failover, _ = make("a")
        script = Script(a=[*(fault(kind) for kind in faults), *[fault(faults[-1])] * 9])
        with pytest.raises(UnavailableError) as caught:
            run(failover, script, seconds=0.3, is_write=is_write)
        assert caught.value.phase == expected


def test_close_closes_all() -> None:
    failover, nodes = make("a", "b")
    asyncio.run(failover.close())
    assert all(node.is_closed for node in nodes)
