# SPDX-License-Identifier: Apache-2.0
"""The cluster workload on real processes, with a handful of writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cluster_under_test import run_cluster
from benchmarks.limits import ORDER_FLOOR_ED25519
from benchmarks.load import WriteClient, verify_round
from benchmarks.results import Figure
from benchmarks.timing import Effort, Measurement
from benchmarks.workload import Context
from benchmarks.workloads.cluster import NetworkKind, Plan, measure_networks
from benchmarks.workloads.writes import Writer

pytestmark = pytest.mark.serial

TINY = Effort(samples_count=1, sample_s=0.001, samples_count_min=1, budget_s=0.1)
KIND = NetworkKind(3, "crash", "ed25519")
CERTAIN = {
    "throughput",
    "latency-p50",
    "latency-p99",
    "client-cpu",
    "blocks",
    "transactions-per-block",
    "rounds-with-election",
}
OF_A_LEADER = {f"{role}-cpu" for role in ("leader", "follower-1", "follower-2")}
TRACED = {f"{role}-syncs-per-block" for role in ("leader", "follower-1", "follower-2")}


def value(figure: Figure) -> float:
    measured = figure.measured
    return measured.median if isinstance(measured, Measurement) else measured


def test_every_figure_of_a_network(tmp_path: Path) -> None:
    context = Context(tmp_path, TINY, is_quick=True, note=str.lower)
    loads = ((1, 1), (4, 2))
    figures = list(measure_networks(context, [KIND], loads, Plan(2, {1: 4, 4: 4})))
    assert list(tmp_path.iterdir()) == []
    for slots, per_call in loads:
        found = {f.metric: f for f in figures if f.parameters["in_flight"] == slots}
        assert found.keys() >= CERTAIN
        if value(found["rounds-with-election"]) < 2:
            assert found.keys() >= OF_A_LEADER
        assert found.keys() <= CERTAIN | OF_A_LEADER | TRACED
        assert found["latency-p50"].limit == ORDER_FLOOR_ED25519
        assert found["throughput"].parameters["transactions_per_call"] == per_call
        assert found["throughput"].parameters["validators"] == 3
        others = [f for name, f in found.items() if name != "rounds-with-election"]
        assert all(value(each) > 0 for each in others)
        # One at a time: each write is a block, which every validator syncs.
        if slots == 1:
            assert value(found["transactions-per-block"]) == 1
            assert value(found["blocks"]) == 4
            assert all(value(found[name]) >= 2 for name in TRACED & found.keys())


def test_all_validators_settle_at_what_was_written_through_the_leader(tmp_path: Path) -> None:
    with run_cluster(
        tmp_path, validators=3, fault_model="crash", certificate_scheme="ed25519"
    ) as cluster:
        before = cluster.usage()
        leader = cluster.find_member(cluster.find_leadership().leader)
        client = WriteClient(leader.address, leader.validator_id, leader.tls_root)
        done = client.submit_all(Writer(cluster, seed=1).publish(4, 3))
        heights = verify_round(done.answers, cluster.trust)
        cluster.settle()
        for member in cluster.members:
            assert member.probe.get_status(timeout_seconds=10).height >= max(heights)
        after = cluster.usage()
        assert sorted(before) == sorted(after) == ["n1", "n2", "n3"]
        assert all(after[member].cpu_s > before[member].cpu_s for member in after)
        pids = [member.pid for member in cluster.members]
        assert all((Path("/proc") / str(pid)).exists() for pid in pids)
    assert list(tmp_path.iterdir()) == []
    assert not any((Path("/proc") / str(pid)).exists() for pid in pids)
