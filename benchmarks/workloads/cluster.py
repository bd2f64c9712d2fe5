# SPDX-License-Identifier: Apache-2.0
"""Certified writes of several validators: a process each on this machine, TLS, LevelDB, 1 KB operations.

Three networks: 3 validators of the model `crash` with certificates of `bls12381` and of `ed25519`, and 4
of the model `byzantine` with `bls12381`. One operation, the first version of a display bundle
(`publish-resource`), with 1, 16, 64 and 256 in flight as single calls, and 256 as 16 calls of 16. All
go to the validator that leads, as a client of the SDK does. The load runs in the process of the
benchmark, the validators in theirs; all share the machine's cores, so this is what one machine does
for all of them together. A quick run measures the first network so, the others with 1 and with 256
single calls. Transactions are signed before the clock starts, every answer is verified
after it has stopped.

After a round that warms up, each round gives one sample:

- `throughput`: certified writes ÷ wall time, beside the Ed25519 verifications of one core.
- `latency-p50`, `latency-p99`: from call to proof, beside the floor of the order of one write
  (`order-floor-…`, with the signatures of the network's scheme), which one client cannot go below.
- `leader-cpu`, `follower-1-cpu` …: processor seconds of a validator's process for 1,000 writes, until
  the last of them is certified there too; followers in the order of their ids. `client-cpu` is that
  of the load itself.
- `blocks` made in a round that hold its writes, and `transactions-per-block`.
- `leader-syncs-per-block`, `follower-1-syncs-per-block` …: counted by strace, where it is installed
  and allowed, in a round that is not timed.
- `rounds-with-election`: of all rounds. They give no processor time: nobody led in all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.cluster_under_test import ClusterUnderTest, Leadership, run_cluster
from benchmarks.limits import ED25519_VERIFY, ORDER_FLOOR_BLS, ORDER_FLOOR_ED25519
from benchmarks.load import Round, WriteClient, verify_round
from benchmarks.process_usage import Usage
from benchmarks.results import Figure, Parameter
from benchmarks.timing import percentile, summarise
from benchmarks.workload import Context
from benchmarks.workloads.execution import PUBLISH
from benchmarks.workloads.writes import Slots, Writer

NAME = "cluster"
LOADS: Final = ((1, 1), (16, 1), (64, 1), (256, 1), (256, 16))
"""Transactions in flight, and how many of them share a call."""
LOADS_FEW: Final = ((1, 1), (256, 1))
"""What a quick run does with the networks after the first."""
FLOORS: Final = {"bls12381": ORDER_FLOOR_BLS, "ed25519": ORDER_FLOOR_ED25519}
"""The floor of a write's order, by certificate scheme."""


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """What a network is made of."""

    validators: int
    fault_model: str
    certificate_scheme: str

    @property
    def parameters(self) -> dict[str, Parameter]:
        """As they stand in a result."""
        return {
            "validators": self.validators,
            "fault_model": self.fault_model,
            "certificate_scheme": self.certificate_scheme,
        }


KINDS: Final = (
    NetworkKind(3, "crash", "bls12381"),
    NetworkKind(3, "crash", "ed25519"),
    NetworkKind(4, "byzantine", "bls12381"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rounds, and how many writes each slot makes in one, by the number of slots."""

    rounds_count: int
    writes_by_slots: Mapping[int, int]


QUICK: Final = Plan(3, {1: 40, 16: 8, 64: 5, 256: 4})
FULL: Final = Plan(5, {1: 150, 16: 25, 64: 12, 256: 10})


@dataclass(frozen=True, slots=True)
class ClusterRound:
    """One round of writes, and what the validators used for it."""

    done: Round
    blocks_count: int
    leadership: Leadership
    leadership_after: Leadership
    before: Mapping[str, Usage]
    after: Mapping[str, Usage]

    @property
    def is_steady(self) -> bool:
        """Whether one validator led all the time."""
        return self.leadership == self.leadership_after


def run(context: Context) -> Iterator[Figure]:
    """Measure certified writes of several validators."""
    if context.is_quick:
        yield from measure_networks(context, KINDS[:1], LOADS, QUICK)
        yield from measure_networks(context, KINDS[1:], LOADS_FEW, QUICK)
    else:
        yield from measure_networks(context, KINDS, LOADS, FULL)


def measure_networks(
    context: Context,
    kinds: Sequence[NetworkKind],
    loads: Sequence[tuple[int, int]],
    plan: Plan,
) -> Iterator[Figure]:
    """Measure networks of these kinds, one after the other, under these loads."""
    for kind in kinds:
        context.note(f"cluster: {_describe(kind)}")
        with run_cluster(
            context.directory,
            validators=kind.validators,
            fault_model=kind.fault_model,
            certificate_scheme=kind.certificate_scheme,
        ) as cluster:
            writer = Writer(cluster, context.seed)
            for slots, per_call in loads:
                leader = cluster.find_leadership().leader
                context.note(
                    f"cluster: {_describe(kind)}, {slots} in flight, {per_call} in a call,"
                    f" {leader} leads"
                )
                yield from _measure(cluster, writer, kind, slots, per_call, plan)


def name_roles(validators: Sequence[str], leader: str) -> dict[str, str]:
    """What each validator is called in the figures: leader, follower-1 …, in the order of the ids."""
    followers = [validator for validator in sorted(validators) if validator != leader]
    return {leader: "leader"} | {
        validator: f"follower-{number}" for number, validator in enumerate(followers, 1)
    }


def compute_cpu_by_role(rounds: Sequence[ClusterRound]) -> dict[str, list[float]]:
    """Processor seconds for 1,000 writes by role, a sample for each round with one leader."""
    samples: dict[str, list[float]] = {}
    for each in rounds:
        if not each.is_steady:
            continue
        for validator, role in name_roles(list(each.before), each.leadership.leader).items():
            used_s = each.after[validator].cpu_s - each.before[validator].cpu_s
            samples.setdefault(role, []).append(used_s / len(each.done.answers) * 1000)
    return dict(sorted(samples.items(), key=lambda item: (item[0] != "leader", item[0])))


def compute_figures(
    rounds: Sequence[ClusterRound], floor: str, parameters: Mapping[str, Parameter]
) -> Iterator[Figure]:
    """The figures of rounds under one load; `floor` is the limit that stands beside latencies."""

    def figure(
        metric: str, samples: Sequence[float], unit: str, limit: str | None = None, count: int = 1
    ) -> Figure:
        return Figure(NAME, metric, summarise(samples), unit, parameters, limit, count)

    done = [each.done for each in rounds]
    yield figure(
        "throughput", [each.writes_per_second for each in done], "writes/s", ED25519_VERIFY
    )
    for percent in (50, 99):
        by_round = [percentile(each.latencies_s, percent) * 1000 for each in done]
        yield figure(f"latency-p{percent}", by_round, "ms", floor)
    for role, samples in compute_cpu_by_role(rounds).items():
        yield figure(f"{role}-cpu", samples, "s", ED25519_VERIFY, 1000)
    client_cpu = [each.client_cpu_s / len(each.answers) * 1000 for each in done]
    yield figure("client-cpu", client_cpu, "s", ED25519_VERIFY, 1000)
    yield figure("blocks", [each.blocks_count for each in rounds], "blocks")
    by_block = [len(each.done.answers) / each.blocks_count for each in rounds]
    yield figure("transactions-per-block", by_block, "writes")
    elections = sum(not each.is_steady for each in rounds)
    yield figure("rounds-with-election", [elections], "rounds")


def _measure(
    cluster: ClusterUnderTest,
    writer: Writer,
    kind: NetworkKind,
    slots: int,
    per_call: int,
    plan: Plan,
) -> Iterator[Figure]:
    count = plan.writes_by_slots[slots]
    few = max(1, count // 4)
    _run_round(cluster, writer.publish(slots, few), per_call)  # warms up
    rounds = [
        _run_round(cluster, writer.publish(slots, count), per_call)
        for _ in range(plan.rounds_count)
    ]
    parameters: dict[str, Parameter] = {
        **kind.parameters,
        "operation": PUBLISH,
        "in_flight": slots,
        "transactions_per_call": per_call,
    }
    yield from compute_figures(rounds, FLOORS[kind.certificate_scheme], parameters)
    with cluster.count_syncs() as read_counts:
        traced = _run_round(cluster, writer.publish(slots, few), per_call)
    counts = read_counts()
    if counts is not None and traced.is_steady:
        for validator, role in name_roles(list(counts), traced.leadership.leader).items():
            by_block = counts[validator] / traced.blocks_count
            yield Figure(NAME, f"{role}-syncs-per-block", by_block, "syncs", parameters)


def _run_round(cluster: ClusterUnderTest, transactions: Slots, per_call: int) -> ClusterRound:
    """Write through the validator that leads; ends when every validator has certified all of it."""
    leadership = cluster.find_leadership()
    leader = cluster.find_member(leadership.leader)
    client = WriteClient(leader.address, leader.validator_id, leader.tls_root)
    before = cluster.usage()
    done = client.submit_all(transactions, slots_per_call=per_call)
    cluster.settle()
    after = cluster.usage()
    leadership_after = cluster.find_leadership()
    blocks_count = len(verify_round(done.answers, cluster.trust))
    return ClusterRound(done, blocks_count, leadership, leadership_after, before, after)


def _describe(kind: NetworkKind) -> str:
    return f"{kind.validators} {kind.fault_model} {kind.certificate_scheme}"
