# SPDX-License-Identifier: Apache-2.0
"""Writes among several validators: the same bytes at another one, applied once, told truly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sdk import node_search, write_paths
from sdk.errors import RefusedError, UnavailableError
from sdk.node_api import CallFault, NodeCallError
from sdk.operations import AddSite
from sdk.results import Receipt, Wait
from tests.support.cluster import Cluster

KEY = bytes(range(16))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_search, "PATIENCE_SECONDS", 0.02)


def run(awaitable: Awaitable[Any]) -> Any:
    async def main() -> Any:
        return await awaitable

    return asyncio.run(main())


def site(cluster: Cluster, code: str = "1") -> AddSite:
    return AddSite(cluster.world.did("qcto"), code, "Sample site", "GP")


def all_of(receipts: AsyncIterator[Receipt]) -> list[Receipt]:
    async def collect() -> list[Receipt]:
        return [receipt async for receipt in receipts]

    return asyncio.run(collect())


# The leader --------------------------------------------------------------------------------------


def test_a_write_goes_to_the_leader_that_an_answer_named(cluster: Cluster) -> None:
    client = cluster.client()
    cluster.nodes[0].leader = cluster.nodes[2].leader = "n3"
    for code in ("1", "2", "3"):
        assert run(client.submit(site(cluster, code))).applied
    assert cluster.asked == ["n1", "n3", "n3"]


def test_a_batch_names_the_leader_too(cluster: Cluster) -> None:
    client = cluster.client()
    cluster.nodes[0].leader = "n2"
    assert [receipt.applied for receipt in all_of(client.submit_many([site(cluster)]))] == [True]
    assert [receipt.applied for receipt in all_of(client.submit_many([site(cluster, "2")]))]
    assert [node.calls["submit_batch"] for node in cluster.nodes] == [1, 1, 0]


# Another validator -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (CallFault.UNREACHABLE, ""),
        (CallFault.BUSY, "NOT_READY"),
        (CallFault.BUSY, "OVERLOADED"),
        (CallFault.BROKEN, ""),
        (CallFault.BROKEN, "OUTCOME_UNKNOWN"),
        (CallFault.PENDING, "PENDING"),
        (CallFault.NODE_FAULT, "INTERNAL"),
    ],
)
def test_another_validator_is_sent_the_same_bytes(
    cluster: Cluster, kind: CallFault, reason: str
) -> None:
    client = cluster.client()
    height = cluster.world.header.height
    cluster.fail_at("submit", kind, 1, 2, reason=reason)
    assert run(client.submit(site(cluster))).applied
    assert cluster.asked == ["n1", "n2", "n3"]
    assert len({data for _, data in cluster.sent}) == 1
    assert cluster.world.header.height == height + 1


@pytest.mark.usefixtures("impatient")
def test_a_stopped_validator_holds_up_no_write(cluster: Cluster) -> None:
    """Its connection stands, and nothing comes over it."""
    client = cluster.client()
    run(client.acting_did())
    cluster.nodes[0].hanging = {"submit"}
    assert run(client.submit(site(cluster))).applied
    assert cluster.asked == ["n1", "n2"]
    assert run(client.submit(site(cluster, "2"))).applied
    assert cluster.asked == ["n1", "n2", "n2"]


def test_a_write_that_was_applied_before_its_answer_was_lost_is_applied_once(
    cluster: Cluster,
) -> None:
    client = cluster.client()

    def lose(_: bytes) -> bytes:
        raise NodeCallError(CallFault.BROKEN, "the connection ended")

    cluster.nodes[0].bends["submit"] = lose
    height = cluster.world.header.height
    receipt = run(client.submit(site(cluster)))
    assert (receipt.applied, receipt.height) == (True, height + 1)
    assert cluster.world.header.height == height + 1
    assert cluster.asked == ["n1", "n2"]


# What is known of it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(CallFault.BUSY, "NOT_READY"), (CallFault.REFUSED, "EXPIRED")],
)
def test_a_node_that_takes_nothing_is_asked_what_it_knows(
    cluster: Cluster, kind: CallFault, reason: str
) -> None:
    """The first has certified it, but its answer was lost; the others take no transactions."""
    client = cluster.client()

    def lose(_: bytes) -> bytes:
        raise NodeCallError(CallFault.BROKEN, "the node stopped", reason="OUTCOME_UNKNOWN")

    cluster.nodes[0].bends["submit"] = lose
    cluster.fail_at("submit", kind, 2, 3, reason=reason)
    receipt = run(client.submit(site(cluster)))
    assert receipt.applied
    assert receipt.proof
    assert cluster.nodes[1].calls["get_transaction"] == 1


def test_a_write_that_never_left_is_looked_up_nowhere(cluster: Cluster) -> None:
    client = cluster.client()
    cluster.fail_at("submit", CallFault.BUSY, 1, 2, reason="NOT_READY")
    assert run(client.submit(site(cluster))).applied
    assert [node.calls["get_transaction"] for node in cluster.nodes] == [0, 0, 0]


def test_what_waits_at_another_validator_is_pending(cluster: Cluster) -> None:
    client = cluster.client(seconds=1.0)
    run(client.dry_run(site(cluster)))
    cluster.fail_at("submit", CallFault.BROKEN, 1)
    cluster.fail_at("submit", CallFault.BUSY, 2, 3, reason="NOT_READY")

    async def main() -> None:
        cluster.nodes[1].pending = Everything()
        await client.submit(site(cluster))

    with pytest.raises(UnavailableError) as caught:
        asyncio.run(main())
    assert caught.value.phase == "pending"


def test_accepted_is_what_another_validator_has_in_its_queue(cluster: Cluster) -> None:
    client = cluster.client()
    cluster.nodes[1].pending = Everything()
    cluster.fail_at("submit", CallFault.BROKEN, 1)
    cluster.fail_at("submit", CallFault.BUSY, 2, 3, reason="NOT_READY")
    receipt = run(client.submit(site(cluster), wait=Wait.ACCEPTED))
    assert (receipt.name, receipt.code, receipt.height, receipt.index, receipt.applied) == (
        "ACCEPTED",
        0,
        -1,
        -1,
        False,
    )


class Everything(set[bytes]):
    """Every transaction."""

    def __contains__(self, _: object) -> bool:
        return True


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["AUTHOR_UNKNOWN", "KEY_NOT_AUTHORISED", "NOT_AUTHORISED"])
def test_a_validator_that_is_behind_refuses_nothing_for_all(cluster: Cluster, reason: str) -> None:
    """It does not know yet who the author is, or what it may do."""
    client = cluster.client()
    cluster.fail_at("submit", CallFault.REFUSED, 1, reason=reason)
    assert run(client.submit(site(cluster))).applied
    assert cluster.asked == ["n1", "n2"]


def test_two_validators_refuse(cluster: Cluster) -> None:
    client = cluster.client()
    height = cluster.world.header.height
    cluster.fail_at("submit", CallFault.REFUSED, 1, 2, 3, reason="NOT_AUTHORISED")
    with pytest.raises(RefusedError) as caught:
        run(client.submit(site(cluster)))
    assert caught.value.code == "NOT_AUTHORISED"
    assert cluster.asked == ["n1", "n2"]
    assert cluster.world.header.height == height


def test_what_is_wrong_with_the_bytes_one_validator_says(cluster: Cluster) -> None:
    client = cluster.client()
    cluster.fail_at("submit", CallFault.REFUSED, 1, reason="TOO_LARGE")
    with pytest.raises(RefusedError):
        run(client.submit(site(cluster)))
    assert cluster.asked == ["n1"]


def test_a_liar_refuses_nothing_in_a_byzantine_network(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, nodes=4, fault_model="byzantine")
    client = cluster.client()
    cluster.fail_at("submit", CallFault.REFUSED, 1, reason="TOO_LARGE")
    cluster.fail_at("submit_batch", CallFault.REFUSED, 1, reason="TOO_LARGE")
    assert run(client.submit(site(cluster))).applied
    assert cluster.asked == ["n1", "n2"]
    lying = Cluster(tmp_path / "two", nodes=4, fault_model="byzantine")
    lying.fail_at("submit", CallFault.REFUSED, 1, 2, 3, 4, reason="TOO_LARGE")
    with pytest.raises(RefusedError):
        run(lying.client().submit(site(lying)))
    assert lying.asked == ["n1", "n2"]


def test_a_refusal_after_it_may_have_arrived_says_nothing(cluster: Cluster) -> None:
    client = cluster.client()
    cluster.fail_at("submit", CallFault.BROKEN, 1)
    cluster.fail_at("submit", CallFault.REFUSED, 2, 3, reason="EXPIRED")
    with pytest.raises(UnavailableError) as caught:
        run(client.submit(site(cluster)))
    error = caught.value
    assert (error.code, error.phase, error.retryable) == ("OUTCOME_UNKNOWN", "unknown", True)
    assert "n1: broken on purpose; n2: EXPIRED" in str(error)


# Batches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "phase"),
    [("PENDING", "pending"), ("OUTCOME_UNKNOWN", "unknown"), ("NOT_READY", "not-sent")],
)
def test_what_a_batch_says_of_one_write_is_not_forgotten(
    cluster: Cluster, reason: str, phase: str
) -> None:
    client = cluster.client(seconds=1.0)
    run(client.dry_run(site(cluster)))
    node = cluster.nodes[0]

    def execute(transaction: bytes) -> bytes:
        raise NodeCallError(CallFault.REFUSED, f"{len(transaction)} bytes refused", reason=reason)

    node.execute = execute  # type: ignore[method-assign]
    cluster.fail_at("submit", CallFault.UNREACHABLE, 1, 2, 3)
    with pytest.raises(UnavailableError) as caught:
        all_of(client.submit_many([site(cluster)]))
    assert caught.value.phase == phase


def test_what_one_validator_refuses_of_a_batch_another_is_asked(cluster: Cluster) -> None:
    client = cluster.client()
    run(client.dry_run(site(cluster)))
    node = cluster.nodes[0]

    def execute(transaction: bytes) -> bytes:
        raise NodeCallError(
            CallFault.REFUSED, f"{len(transaction)} bytes refused", reason="NOT_AUTHORISED"
        )

    node.execute = execute  # type: ignore[method-assign]
    receipts = all_of(client.submit_many([site(cluster, "1"), site(cluster, "2")]))
    assert [receipt.name for receipt in receipts] == ["APPLIED", "APPLIED"]


@pytest.mark.parametrize(
    ("kind", "phase"), [(CallFault.BROKEN, "unknown"), (CallFault.PENDING, "pending")]
)
def test_a_batch_that_may_have_arrived_is_not_refused(
    cluster: Cluster, kind: CallFault, phase: str
) -> None:
    client = cluster.client()
    run(client.dry_run(site(cluster)))
    cluster.fail_at("submit_batch", kind, 1)
    cluster.fail_at("submit", CallFault.UNREACHABLE, 1)
    for node in cluster.nodes[1:]:
        node.execute = refuse_expired  # type: ignore[method-assign]
    with pytest.raises(UnavailableError) as caught:
        all_of(client.submit_many([site(cluster)]))
    assert (caught.value.code, caught.value.phase) == ("OUTCOME_UNKNOWN", phase)


def refuse_expired(transaction: bytes) -> bytes:
    raise NodeCallError(CallFault.REFUSED, f"{len(transaction)} bytes refused", reason="EXPIRED")


# Without a quorum --------------------------------------------------------------------------------


def test_without_a_quorum_nothing_is_certified_and_the_same_request_completes_later_once(
    cluster: Cluster,
) -> None:
    """One of three answers and takes the write into its queue, no more."""
    client = cluster.client(seconds=1.0)
    run(client.dry_run(site(cluster)))
    height = cluster.world.header.height
    cluster.fail(CallFault.UNREACHABLE, 2, 3)
    cluster.fail_at("submit", CallFault.PENDING, 1, reason="PENDING")
    expires_in = timedelta(hours=1)
    with pytest.raises(UnavailableError) as caught:
        run(client.submit(site(cluster), idempotency_key=KEY, expires_in=expires_in))
    error = caught.value
    assert (error.code, error.phase, error.retryable) == ("NO_QUORUM", "pending", True)
    assert str(error).startswith("no quorum: 1 of 3 validators answers, 2 are needed; ")
    assert "n1: PENDING: pending on purpose" in str(error)
    assert "n2: unreachable on purpose" in str(error)
    assert str(error).endswith("it was taken and is not decided")
    assert error.transaction_id == cluster.world.check(cluster.sent[-1][1]).transaction_id.hex()
    assert len({data for _, data in cluster.sent}) == 1
    assert cluster.world.header.height == height

    cluster.heal()
    cluster.nodes[0].execute(cluster.sent[0][1])  # the queue is certified
    receipt = run(client.submit(site(cluster), idempotency_key=KEY, expires_in=expires_in))
    assert receipt.applied
    assert receipt.height == height + 1
    assert receipt.transaction_id == error.transaction_id
    assert run(client.organisation("qcto")).value.sites == {"1": "Sample site"}


@pytest.mark.parametrize(
    ("unreachable", "reason", "code", "words"),
    [
        ([2, 3], "", "NO_QUORUM", "no quorum: 1 of 3 validators answers, 2 are needed"),
        ([], "it lacks peers", "NO_QUORUM", "no quorum: 1 of 3 validators votes, 2 are needed"),
        ([], "", "NO_LEADER", "no leader: the validators that answer have not elected one yet"),
        ([1, 2, 3], "", "NOT_REACHABLE", "3 validators were asked"),
    ],
)
def test_the_error_says_why_nothing_is_certified(
    cluster: Cluster, unreachable: list[int], reason: str, code: str, words: str
) -> None:
    client = cluster.client(seconds=1.0)
    run(client.dry_run(site(cluster)))
    for node in cluster.nodes[1:]:
        node.voting_reason = reason
    cluster.fail_at("submit", CallFault.BUSY, 1, 2, 3, reason="NOT_READY")
    cluster.fail(CallFault.UNREACHABLE, *unreachable)
    with pytest.raises(UnavailableError, match=words) as caught:
        run(client.submit(site(cluster)))
    assert (caught.value.code, caught.value.phase) == (code, "not-sent")
    assert not reason or f"n2: {reason}; n3: {reason}" in str(caught.value)


def test_validators_whose_addresses_are_unknown_may_be_running(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, nodes=2, validators=4)
    client = cluster.client(seconds=1.0)
    run(client.dry_run(site(cluster)))
    cluster.nodes[0].leader = "n3"
    cluster.fail_at("submit", CallFault.BUSY, 1, reason="NOT_READY")
    cluster.fail(CallFault.UNREACHABLE, 2)
    with pytest.raises(UnavailableError) as caught:
        run(client.submit(site(cluster)))
    assert "quorum" not in str(caught.value)


@pytest.mark.usefixtures("impatient")
def test_the_callers_timeout_bounds_it_all(cluster: Cluster) -> None:
    """Every node is silent, also when it is asked how it is."""
    client = cluster.client(seconds=2.0)
    run(client.dry_run(site(cluster)))
    for node in cluster.nodes:
        node.hanging = {"submit", "get_status", "get_transaction"}

    async def main() -> float:
        started = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError) as caught:
            await client.submit(site(cluster))
        assert (caught.value.code, caught.value.phase) == ("NO_ANSWER", "unknown")
        return asyncio.get_running_loop().time() - started

    took = asyncio.run(main())
    assert 2.0 * (1 - write_paths.SURVEY_SHARE) <= took < 2.1
    assert cluster.asked == ["n1", "n2", "n3"]


# Looking a write up ------------------------------------------------------------------------------


def test_a_lookup_believes_the_node_that_has_the_proof(cluster: Cluster) -> None:
    client = cluster.client()
    height = cluster.world.header.height
    receipt = run(client.submit(site(cluster)))
    for node in cluster.nodes[:2]:
        node.height = height
    assert run(client.transaction(receipt.transaction_id)).state == "applied"
    assert cluster.nodes[2].calls["get_transaction"] == 1


def test_a_lookup_of_what_no_node_has_certified(cluster: Cluster) -> None:
    client = cluster.client()
    unknown = b"\x01" * 32
    cluster.fail(CallFault.UNREACHABLE, 2)
    assert run(client.transaction(unknown)).state == "unknown"
    cluster.nodes[2].pending = {unknown}
    assert run(client.transaction(unknown)).state == "pending"
