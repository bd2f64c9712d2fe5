# SPDX-License-Identifier: Apache-2.0
"""Reads among several validators: who is behind, fails or lies ends none that another proves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sdk import node_search
from sdk.errors import CallerError, TrustError, UnavailableError
from sdk.node_api import CallFault
from sdk.policy import HEAD_AGE_MAX
from tests.support.cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


def outgrow(cluster: Cluster, *numbers: int) -> int:
    """A time at which the height that these nodes serve is too old; the others have a newer one."""
    for number in numbers:
        cluster.nodes[number - 1].height = cluster.world.header.height
    cluster.world.time += 2 * (HEAD_AGE_MAX // timedelta(milliseconds=1))
    cluster.world.endorse("merseta")
    return cluster.world.header.height


# Behind ------------------------------------------------------------------------------------------


def test_a_node_that_is_behind_is_passed_over_and_accused_of_nothing(cluster: Cluster) -> None:
    client = cluster.client()
    behind = cluster.world.header.height
    cluster.world.endorse("merseta")
    run(client.head())  # known now
    cluster.nodes[0].height = behind
    assert run(client.organisation("merseta")).height == cluster.world.header.height
    assert cluster.evidence == []


def test_what_was_just_written_is_read_wherever_it_is(cluster: Cluster) -> None:
    """The node that took the write goes; the other one learns of the block a moment later."""
    client = cluster.client()
    behind = cluster.world.header.height
    cluster.world.endorse("merseta")
    run(client.head())
    cluster.fail(CallFault.UNREACHABLE, 1, 3)
    late = cluster.nodes[1]
    late.height = behind

    def catch_up(method: str) -> None:
        if late.calls[method] == 3:
            late.height = None

    late.before = catch_up
    assert run(client.organisation("merseta")).value.short_name == "merseta"
    assert cluster.evidence == []


def test_a_state_that_is_too_old_sends_the_client_to_a_fresher_node(cluster: Cluster) -> None:
    """It has seen nothing newer, so nothing tells it that the node is behind but the clock."""
    height = outgrow(cluster, 1, 2)
    client = cluster.client()
    assert run(client.organisation("merseta")).height == height
    assert run(client.organisation("qcto")).height == height
    assert cluster.evidence == []


def test_what_a_node_behind_does_not_know_yet_is_no_answer(cluster: Cluster) -> None:
    """`merseta` is unknown to the state that is too old, and known to the newest."""
    outgrow(cluster, 1)
    assert run(cluster.client().organisation("merseta")).value.short_name == "merseta"
    with pytest.raises(CallerError, match="nobody"):
        run(cluster.client().organisation("nobody"))


def test_when_all_are_behind_the_state_is_too_old(cluster: Cluster) -> None:
    outgrow(cluster, 1, 2, 3)
    with pytest.raises(UnavailableError) as caught:
        run(cluster.client().organisation("qcto"))
    assert caught.value.code == "STATE_TOO_OLD"
    assert [node.calls["get_head"] for node in cluster.nodes] == [1, 1, 1]


def test_whom_the_search_for_a_fresher_node_finds_lying_is_believed_no_more(
    cluster: Cluster,
) -> None:
    height = outgrow(cluster, 1)
    cluster.nodes[1].bends["get_head"] = lambda answer: answer[:-1]
    assert run(cluster.client().organisation("qcto")).height == height
    assert len(cluster.evidence) == 1
    assert cluster.nodes[1].calls["get_many"] == 0


def test_a_height_that_one_node_has_not_reached_is_asked_of_the_others(cluster: Cluster) -> None:
    client = cluster.client()
    cluster.nodes[0].height = cluster.nodes[1].height = cluster.world.header.height
    cluster.world.endorse("merseta")
    height = cluster.world.header.height
    assert run(client.block(height)).height == height
    with pytest.raises(CallerError) as caught:
        run(client.block(height + 1))
    assert caught.value.code == "HEIGHT_UNKNOWN"
    assert all(node.calls["get_head_at"] for node in cluster.nodes)


# Failures and lies -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in CallFault if kind is not CallFault.PENDING])
def test_one_honest_node_is_enough(cluster: Cluster, kind: CallFault) -> None:
    cluster.fail(kind, 1)
    cluster.nodes[1].bends["get_many"] = lambda answer: answer[:-1]
    assert run(cluster.client().organisation("qcto")).verified
    assert len(cluster.evidence) == 1


def test_a_silent_node_holds_up_no_read(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_search, "PATIENCE_SECONDS", 0.02)
    cluster.nodes[0].hanging = {"get_many", "get_head"}
    client = cluster.client()
    assert run(client.organisation("qcto")).verified
    assert run(client.organisation("saqa")).verified
    assert cluster.nodes[0].calls["get_many"] == 1, "who answers is preferred"


def test_when_nobody_is_honest_the_evidence_is_told(cluster: Cluster) -> None:
    for node in cluster.nodes:
        node.bends["get_many"] = lambda answer: answer[:-1]
    with pytest.raises(TrustError) as caught:
        run(cluster.client().organisation("qcto"))
    assert caught.value.evidence in cluster.evidence
    assert len(cluster.evidence) == 3


def test_statuses_are_asked_side_by_side_in_the_order_of_the_network(cluster: Cluster) -> None:
    client = cluster.client()
    cluster.fail(CallFault.UNREACHABLE, 1)
    run(client.head())
    found = run(client.node_statuses())
    assert [(name, status and status.node_id) for name, status in found] == [
        ("n1", None),
        ("n2", "n2"),
        ("n3", "n3"),
    ]
