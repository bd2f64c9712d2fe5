# SPDX-License-Identifier: Apache-2.0
"""Certified writes: one validator in a process of its own, gRPC with TLS, LevelDB, 1 KB operations.

Two operations, each with 1 and 256 in flight: the first version of a display bundle
(`publish-resource`) and new values in one chunk of a status list (`update-status-list`, a list for
each slot). 256 are in flight as 256 calls of one (`transactions_per_call` 1: many clients) and as 16
calls of 16 (one client with much to write, through `submit_many` of the SDK). One organisation signs; transactions are signed before the clock starts. Client and node
share the machine's cores, so this is what one machine does alone, not what a node could do for
clients elsewhere.

After a round that warms up, each round gives one sample:

- `throughput`: certified writes ÷ wall time, beside the Ed25519 verifications of one core.
- `latency-p50`, `latency-p99`: from call to proof, of each round. One at a time stands beside the
  floor of a write (`write-floor`), which no order of writes can go below.
- `node-cpu`: processor seconds of the node for 1,000 writes; `client-cpu` that of the load itself.
- `written`: bytes that the kernel sent to the disk, for one write.
- `node-memory`: of the process after all rounds, without pages of files that are mapped.
- `transactions-per-block`; `syncs-per-block`, counted by strace in a round that is not timed;
  `tree-keys-per-write`, counted by executing a block of as many of the same operations.

Every answer is verified after the clock has stopped: certificate, inclusion, receipt.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from benchmarks.limits import ED25519_VERIFY, WRITE_FLOOR
from benchmarks.load import Round, WriteClient, verify_round
from benchmarks.node_under_test import VALIDATOR, NodeUnderTest, run_node
from benchmarks.results import Figure, Parameter
from benchmarks.samples import (
    LIFETIME_MS,
    OPERATION_SIZE,
    Author,
    SampleTransaction,
    make_publication,
    make_status_update,
    sign_transaction,
)
from benchmarks.timing import percentile, summarise
from benchmarks.workload import SEED, Context
from benchmarks.workloads.execution import PUBLISH, UPDATE_LIST, count_tree_keys, make_block
from ledger.model.genesis import Genesis
from ledger.model.limits import STATUS_LIST_SIZE_MIN
from ledger.model.operations import CreateStatusList, StatusPurpose
from ledger.model.transaction import Operation

NAME = "writes"
SLOTS: Final = (1, 256)
CALLS: Final = ((1, 1), (256, 1), (256, 16))
"""Transactions in flight, and how many of them share a call."""

Slots = Sequence[Sequence[SampleTransaction]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rounds, and how many writes each slot makes in one, by the number of slots."""

    rounds_count: int
    writes_by_slots: dict[int, int]


QUICK: Final = Plan(3, {1: 60, 256: 8})
FULL: Final = Plan(7, {1: 250, 256: 16})


class Network(Protocol):
    """On which a `Writer` writes."""

    @property
    def genesis(self) -> Genesis: ...

    def author(self) -> Author: ...


class Writer:
    """Makes signed transactions for one network; what it makes is never made twice."""

    def __init__(self, network: Network, seed: int) -> None:
        self._author = network.author()
        self._chain_id = network.genesis.chain_id
        self._generator = random.Random(seed)
        self._prefix = f"sample.bundle-{seed}"
        self._numbers = itertools.count()
        self._versions: dict[bytes, int] = {}

    def sign(self, operation: Operation) -> SampleTransaction:
        return sign_transaction(
            self._author,
            operation,
            chain_id=self._chain_id,
            expires_at=time.time_ns() // 1_000_000 + LIFETIME_MS,
            idempotency_key=self._generator.randbytes(16),
        )

    def create_lists(self, count: int) -> Slots:
        """Transactions that create so many status lists; needed before `update_lists`."""
        transactions: list[list[SampleTransaction]] = []
        for _ in range(count):
            list_id = self._generator.randbytes(16)
            self._versions[list_id] = 0
            operation = CreateStatusList(
                list_id, StatusPurpose.SUSPENSION, bits=1, size=STATUS_LIST_SIZE_MIN
            )
            transactions.append([self.sign(operation)])
        return transactions

    def publish(self, slots: int, count: int) -> Slots:
        """Publications with names of their own."""
        return [
            [
                self.sign(
                    make_publication(self._generator, f"{self._prefix}-{next(self._numbers):08d}")
                )
                for _ in range(count)
            ]
            for _ in range(slots)
        ]

    def update_lists(self, slots: int, count: int) -> Slots:
        """Updates, each slot with a list of its own."""
        made: list[list[SampleTransaction]] = []
        for list_id in itertools.islice(self._versions, slots):
            transactions: list[SampleTransaction] = []
            for _ in range(count):
                operation = make_status_update(
                    self._generator, self._author.did, list_id, self._versions[list_id]
                )
                self._versions[list_id] += 1
                transactions.append(self.sign(operation))
            made.append(transactions)
        return made


def run(context: Context) -> Iterator[Figure]:
    """Measure certified writes."""
    plan = QUICK if context.is_quick else FULL
    with run_node(context.directory) as node:
        writer = Writer(node, context.seed)
        client = WriteClient(node.address, VALIDATOR, node.tls_root)
        verify_round(client.submit_all(writer.create_lists(max(SLOTS))).answers, node.trust)
        for name, make in {
            PUBLISH: writer.publish,
            UPDATE_LIST: writer.update_lists,
        }.items():
            for slots, per_call in CALLS:
                context.note(f"writes: {name}, {slots} in flight, {per_call} in a call")
                yield from _measure(node, client, make, name, slots, per_call, plan)
        yield Figure(NAME, "node-memory", node.usage().memory_bytes / 2**20, "MiB")


def _measure(
    node: NodeUnderTest,
    client: WriteClient,
    make: Callable[[int, int], Slots],
    name: str,
    slots: int,
    per_call: int,
    plan: Plan,
) -> Iterator[Figure]:
    count = plan.writes_by_slots[slots]
    warm_up = make(slots, max(1, count // 4))
    verify_round(client.submit_all(warm_up, slots_per_call=per_call).answers, node.trust)
    rounds: list[Round] = []
    cpu_s: list[float] = []
    written: list[float] = []
    blocks = 0
    for _ in range(plan.rounds_count):
        transactions = make(slots, count)
        before = node.usage()
        done = client.submit_all(transactions, slots_per_call=per_call)
        after = node.usage()
        blocks += len(verify_round(done.answers, node.trust))
        rounds.append(done)
        cpu_s.append((after.cpu_s - before.cpu_s) / len(done.answers) * 1000)
        written.append((after.written_bytes - before.written_bytes) / len(done.answers))
    parameters: dict[str, Parameter] = {
        "operation": name,
        "operation_bytes": OPERATION_SIZE,
        "in_flight": slots,
        "transactions_per_call": per_call,
        "validators": 1,
    }

    def figure(
        metric: str, samples: Sequence[float], unit: str, limit: str | None = None, count: int = 1
    ) -> Figure:
        return Figure(NAME, metric, summarise(samples), unit, parameters, limit, count)

    writes = sum(len(each.answers) for each in rounds)
    yield figure(
        "throughput", [each.writes_per_second for each in rounds], "writes/s", ED25519_VERIFY
    )
    for percent in (50, 99):
        by_round = [percentile(each.latencies_s, percent) * 1000 for each in rounds]
        yield figure(f"latency-p{percent}", by_round, "ms", WRITE_FLOOR if slots == 1 else None)
    yield figure("node-cpu", cpu_s, "s", ED25519_VERIFY, 1000)
    client_cpu = [each.client_cpu_s / len(each.answers) * 1000 for each in rounds]
    yield figure("client-cpu", client_cpu, "s", ED25519_VERIFY, 1000)
    yield figure("written", written, "B")
    yield figure("transactions-per-block", [writes / blocks], "writes")
    keys = count_tree_keys(make_block(name, round(writes / blocks), SEED))
    yield figure("tree-keys-per-write", [keys], "keys")
    syncs = _count_syncs(node, client, make(slots, max(1, count // 4)))
    if syncs is not None:
        yield figure("syncs-per-block", [syncs], "syncs")


def _count_syncs(node: NodeUnderTest, client: WriteClient, transactions: Slots) -> float | None:
    """Syncs of the disk for one block, or None where they cannot be counted."""
    with node.count_syncs() as count:
        done = client.submit_all(transactions)
    syncs = count()
    return None if syncs is None else syncs / len(verify_round(done.answers, node.trust))
