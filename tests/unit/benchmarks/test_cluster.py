# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.cluster_under_test import Leadership
from benchmarks.limits import ORDER_FLOOR_BLS
from benchmarks.load import Round
from benchmarks.process_usage import Usage
from benchmarks.results import Figure
from benchmarks.samples import SampleTransaction
from benchmarks.timing import Measurement
from benchmarks.workloads.cluster import (
    FLOORS,
    FULL,
    KINDS,
    LOADS,
    LOADS_FEW,
    QUICK,
    ClusterRound,
    compute_cpu_by_role,
    compute_figures,
    name_roles,
)
from ledger.model.genesis import CERTIFICATE_SCHEMES
from ledger.model.transaction import TransactionBody

ANSWER = (SampleTransaction(b"", TransactionBody(), b""), b"proof")


def usage(**cpu_s: float) -> dict[str, Usage]:
    return {validator: Usage(used, 0, 0) for validator, used in cpu_s.items()}


def make_round(
    *,
    writes: int = 500,
    duration_s: float = 2.0,
    latencies_s: Sequence[float] = (0.01,),
    blocks_count: int = 100,
    leader: str = "n2",
    leadership_after: Leadership | None = None,
) -> ClusterRound:
    """In which n1 used 1 s, n2 3 s and n3 2 s."""
    return ClusterRound(
        Round(duration_s, latencies_s, 0.25, [ANSWER] * writes),
        blocks_count,
        Leadership(4, leader),
        leadership_after or Leadership(4, leader),
        usage(n1=10.0, n2=20.0, n3=30.0),
        usage(n1=11.0, n2=23.0, n3=32.0),
    )


def by_metric(rounds: Sequence[ClusterRound]) -> dict[str, tuple[float, str, str | None, int]]:
    found: dict[str, tuple[float, str, str | None, int]] = {}
    for figure in compute_figures(rounds, ORDER_FLOOR_BLS, {"validators": 3}):
        assert figure.parameters == {"validators": 3}
        assert figure.metric not in found
        found[figure.metric] = (median(figure), figure.unit, figure.limit, figure.limit_count)
    return found


def median(figure: Figure) -> float:
    assert isinstance(figure.measured, Measurement)
    return figure.measured.median


def test_the_leader_and_its_followers_are_named_in_the_order_of_their_ids() -> None:
    names = name_roles(["n3", "n1", "n2"], "n2")
    assert names == {"n2": "leader", "n1": "follower-1", "n3": "follower-2"}
    assert name_roles(["n1"], "n1") == {"n1": "leader"}


def test_processor_time_is_for_a_thousand_writes_and_by_role() -> None:
    samples = compute_cpu_by_role([make_round(), make_round(writes=1000, leader="n1")])
    assert list(samples) == ["leader", "follower-1", "follower-2"]
    assert samples["leader"] == pytest.approx([6.0, 1.0])
    assert samples["follower-1"] == pytest.approx([2.0, 3.0])
    assert samples["follower-2"] == pytest.approx([4.0, 2.0])


@pytest.mark.parametrize("after", [Leadership(5, "n1"), Leadership(6, "n2")])
def test_a_round_with_an_election_gives_no_processor_time(after: Leadership) -> None:
    disturbed = make_round(writes=50, leadership_after=after)
    assert compute_cpu_by_role([disturbed]) == {}
    found = by_metric([make_round(), disturbed])
    assert found["leader-cpu"][0] == pytest.approx(6.0)
    assert found["rounds-with-election"][0] == 1
    # What clients saw counts all the same.
    assert found["throughput"][0] == pytest.approx((250 + 25) / 2)


def test_figures_of_a_round() -> None:
    latencies = [0.001 * number for number in range(1, 101)]
    found = by_metric([make_round(latencies_s=latencies)])
    assert found == {
        "throughput": (250.0, "writes/s", "ed25519-verify", 1),
        "latency-p50": (pytest.approx(50.0), "ms", "order-floor-bls12381", 1),
        "latency-p99": (pytest.approx(99.0), "ms", "order-floor-bls12381", 1),
        "leader-cpu": (pytest.approx(6.0), "s", "ed25519-verify", 1000),
        "follower-1-cpu": (pytest.approx(2.0), "s", "ed25519-verify", 1000),
        "follower-2-cpu": (pytest.approx(4.0), "s", "ed25519-verify", 1000),
        "client-cpu": (pytest.approx(0.5), "s", "ed25519-verify", 1000),
        "blocks": (100, "blocks", None, 1),
        "transactions-per-block": (5.0, "writes", None, 1),
        "rounds-with-election": (0, "rounds", None, 1),
    }


def test_what_is_measured_has_a_floor_and_a_plan() -> None:
    assert set(FLOORS) == set(CERTIFICATE_SCHEMES) == {kind.certificate_scheme for kind in KINDS}
    for plan in (QUICK, FULL):
        assert set(plan.writes_by_slots) == {slots for slots, _ in LOADS}
    assert set(LOADS_FEW) < set(LOADS)
    assert {slots for slots, _ in LOADS} == {1, 16, 64, 256}
    # Two signatures of ed25519 are in its floor: a quorum of three that may crash.
    (ed25519,) = (kind for kind in KINDS if kind.certificate_scheme == "ed25519")
    assert (ed25519.validators, ed25519.fault_model) == (3, "crash")
