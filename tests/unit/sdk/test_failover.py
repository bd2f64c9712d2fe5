# SPDX-License-Identifier: Apache-2.0
"""Who is asked, how often, and when it ends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Any, cast

import pytest

from ledger.model.verification import ProofError
from sdk import node_search
from sdk.errors import TrustError, UnavailableError
from sdk.failover import Failover
from sdk.node_api import CallFault, Node, NodeCallError
from sdk.node_faults import UnprovenError


class NamedNode:
    """All that choosing a node needs."""

    def __init__(self, name: str) -> None:
        self.name = self.validator = name
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
    return UnprovenError(ProofError("VALUE_NOT_PROVEN", "on purpose"), lambda: Path("evidence"))


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
    lagging = UnprovenError(ProofError("OLD_STATE", "on purpose"), lambda: Path("evidence"))
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


# Several validators ------------------------------------------------------------------------------


class Silent:
    """An answer that comes when `answer` is set; `is_cancelled` tells that nobody waits any more."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.is_cancelled = False

    async def wait(self) -> Any:
        try:
            return await self.answer
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_search, "PATIENCE_SECONDS", 0.01)


def test_a_write_goes_to_the_validator_that_is_said_to_lead() -> None:
    failover, _ = make("a", "b", "c")
    failover.learn_leader("c")
    script = Script(a="yes", b="yes", c="yes")
    run(failover, script)
    run(failover, script, is_write=True)
    assert script.calls == ["a", "c"]


def test_a_leader_named_in_a_refusal_is_asked_next() -> None:
    failover, _ = make("a", "b", "c")
    script = Script(a=fault(CallFault.BUSY, leader="c"), b="never", c="yes")
    assert run(failover, script, is_write=True) == "yes"
    assert run(failover, script, is_write=True) == "yes"
    assert script.calls == ["a", "c", "c"]


def test_a_leader_that_is_none_of_the_nodes_is_no_hint() -> None:
    failover, _ = make("a", "b")
    failover.learn_leader("b")
    for said in ("", "z"):
        failover.learn_leader(said)
        assert failover.leader == "b"


@pytest.mark.parametrize(
    ("kind", "is_kept"),
    [
        (CallFault.UNREACHABLE, False),
        (CallFault.BROKEN, False),
        (CallFault.BUSY, False),
        (CallFault.NODE_FAULT, False),
        (CallFault.PENDING, True),
    ],
)
def test_a_leader_that_does_not_answer_as_one_is_forgotten(kind: CallFault, is_kept: bool) -> None:
    failover, _ = make("a", "b")
    failover.learn_leader("b")
    script = Script(a="yes", b=fault(kind))
    assert run(failover, script, is_write=True) == "yes"
    assert script.calls == ["b", "a"]
    assert failover.leader == ("b" if is_kept else "")


@pytest.mark.usefixtures("impatient")
def test_beside_a_silent_node_another_is_asked() -> None:
    failover, _ = make("a", "b")
    calls: list[str] = []

    async def main() -> None:
        silent = Silent()

        async def attempt(node: Node, _: float) -> Any:
            calls.append(node.name)
            return await silent.wait() if node.name == "a" else "yes"

        assert await failover.run(attempt, seconds=5.0) == "yes"
        assert silent.is_cancelled

    asyncio.run(main())
    assert calls == ["a", "b"]


@pytest.mark.usefixtures("impatient")
def test_a_late_answer_counts_and_a_silent_node_is_asked_once() -> None:
    """Its only attempt goes on while the others are asked again and again."""
    failover, _ = make("a", "b")
    calls: list[str] = []

    async def main() -> None:
        silent = Silent()

        async def attempt(node: Node, _: float) -> Any:
            calls.append(node.name)
            if node.name == "a":
                return await silent.wait()
            if calls.count("b") == 3:
                silent.answer.set_result("late")
            raise fault(CallFault.BUSY)

        assert await failover.run(attempt, seconds=5.0) == "late"

    asyncio.run(main())
    assert calls == ["a", "b", "b", "b"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("is_write", "phase"), [(True, "unknown"), (False, "not-sent")])
def test_silence_until_the_deadline(is_write: bool, phase: str) -> None:
    failover, _ = make("a", "b")

    async def main() -> None:
        async def attempt(node: Node, _: float) -> Any:
            if node.name == "a":
                return await Silent().wait()
            raise fault(CallFault.UNREACHABLE)

        started = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError) as caught:
            await failover.run(attempt, seconds=0.2, is_write=is_write)
        assert caught.value.phase == phase
        assert "a: no answer" in str(caught.value)
        assert asyncio.get_running_loop().time() - started < 1

    asyncio.run(main())


def test_a_caller_who_gives_up_leaves_nothing_running() -> None:
    failover, _ = make("a")

    async def main() -> None:
        silent = Silent()
        asked = asyncio.Event()

        async def attempt(_: Node, __: float) -> Any:
            asked.set()
            return await silent.wait()

        call = asyncio.ensure_future(failover.run(attempt, seconds=5.0))
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert silent.is_cancelled

    asyncio.run(main())


def test_a_node_that_names_a_delay_is_not_asked_before_that() -> None:
    failover, _ = make("a", "b")
    down = fault(CallFault.UNREACHABLE)
    script = Script(
        a=[fault(CallFault.BUSY, retry_after=timedelta(seconds=60))], b=[down, down, "yes"]
    )
    assert run(failover, script) == "yes"
    assert script.calls == ["a", "b", "b", "b"]


def test_as_many_nodes_must_refuse_as_the_caller_asks_for() -> None:
    refusal = fault(CallFault.REFUSED, reason="EXPIRED")
    failover, _ = make("a", "b", "c")
    script = Script(a=refusal, b="yes", c="never")
    assert run(failover, script, refusals_needed=two_refusals) == "yes"
    failover, _ = make("a", "b", "c")
    script = Script(a=refusal, b=refusal, c="never")
    with pytest.raises(NodeCallError):
        run(failover, script, refusals_needed=two_refusals)
    assert script.calls == ["a", "b"]


def test_a_refusal_counts_when_all_that_answer_give_it() -> None:
    failover, _ = make("a", "b", "c")
    refusal = fault(CallFault.REFUSED, reason="HEIGHT_UNKNOWN")
    script = Script(a=fault(CallFault.UNREACHABLE), b=refusal, c=refusal)
    with pytest.raises(NodeCallError) as caught:
        run(failover, script, refusals_needed=node_search.every_refusal)
    assert caught.value is refusal
    assert script.calls == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [CallFault.BROKEN, CallFault.NODE_FAULT, CallFault.PENDING])
def test_what_may_have_arrived_elsewhere_is_not_refused(kind: CallFault) -> None:
    failover, _ = make("a", "b", "c")
    refusal = fault(CallFault.REFUSED, reason="EXPIRED")
    script = Script(a=fault(kind), b=refusal, c=refusal)
    with pytest.raises(UnavailableError) as caught:
        run(failover, script, is_write=True, refusals_needed=two_refusals, transaction_id="00")
    assert caught.value.code == "OUTCOME_UNKNOWN"
    assert caught.value.phase == ("pending" if kind is CallFault.PENDING else "unknown")
    assert caught.value.transaction_id == "00"


def test_a_node_that_lags_may_catch_up_within_the_call() -> None:
    failover, _ = make("a", "b")
    kept: list[str] = []
    lag = UnprovenError(ProofError("OLD_STATE", "on purpose"), lambda: _keep(kept))
    script = Script(a=[lag, lag, "yes"], b=fault(CallFault.UNREACHABLE))
    assert run(failover, script) == "yes"
    assert script.calls == ["a", "b", "a", "b", "a"]
    assert kept == [], "an honest node that is late is no evidence of anything"


def test_nodes_that_lag_for_ever_are_evidence_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_search, "LAG_SECONDS_MAX", 0.1)
    failover, _ = make("a", "b")
    kept: list[str] = []

    async def attempt(_: Node, __: float) -> str:
        raise UnprovenError(ProofError("OLD_STATE", "on purpose"), lambda: _keep(kept))

    started = time.monotonic()
    with pytest.raises(TrustError) as caught:
        asyncio.run(failover.run(attempt, seconds=20.0))
    assert (caught.value.code, kept) == ("OLD_STATE", ["kept"])
    assert time.monotonic() - started < 10


def test_a_lie_is_kept_although_another_node_answers() -> None:
    kept: list[str] = []
    failover, _ = make("a", "b")
    lie = UnprovenError(ProofError("VALUE_NOT_PROVEN", "on purpose"), lambda: _keep(kept))
    assert kept == ["kept"], "whoever catches it"
    assert run(failover, Script(a=lie, b="yes")) == "yes"
    assert kept == ["kept"]


def test_nodes_that_were_all_found_lying_are_asked_again_by_the_next_call() -> None:
    failover, (a, b) = make("a", "b")
    failover.distrust(cast("Node", a))
    failover.distrust(cast("Node", b))
    assert run(failover, Script(a="yes", b="yes")) == "yes"


def test_the_error_says_who_said_what() -> None:
    failover, _ = make("a", "b")
    script = Script(
        a=NodeCallError(CallFault.BUSY, "no leader is known", reason="NOT_READY"),
        b=NodeCallError(CallFault.BROKEN, "the connection ended"),
    )
    with pytest.raises(UnavailableError) as caught:
        run(failover, script, seconds=0.1, is_write=True)
    assert str(caught.value) == (
        "2 validators were asked (a: NOT_READY: no leader is known; b: the connection ended):"
        " it may have arrived"
    )
    assert (caught.value.phase, caught.value.retryable) == ("unknown", True)


def test_all_are_asked_side_by_side_and_once() -> None:
    failover, nodes = make("a", "b", "c", "d")
    failover.prefer(cast("Node", nodes[1]))

    async def main() -> None:
        here: list[str] = []
        all_here = asyncio.Event()

        async def attempt(node: Node, _: float) -> str:
            here.append(node.name)
            if len(here) == 4:
                all_here.set()
            if node.name == "a":
                await all_here.wait()
                return "yes"
            if node.name == "b":
                await Silent().wait()
            if node.name == "c":
                raise fault(CallFault.UNREACHABLE)
            raise unproven()

        assert await failover.ask_all(attempt, seconds=0.05) == ["yes", None, None, None]
        assert sorted(here) == ["a", "b", "c", "d"]

    asyncio.run(main())
    assert [node.name for node in failover.candidates()] == ["b", "a", "c"]


def two_refusals(_: NodeCallError) -> int:
    return 2


def _keep(kept: list[str]) -> Path:
    kept.append("kept")
    return Path("evidence")
