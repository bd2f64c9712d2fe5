# SPDX-License-Identifier: Apache-2.0
"""One run: the machine's limits, then every workload, each figure beside its limit."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.limits import ED25519_VERIFY, Limits
from benchmarks.machine import describe_commit, describe_machine
from benchmarks.results import Figure, Run, make_result
from benchmarks.timing import Effort
from benchmarks.workload import SEED, Context, Workload
from benchmarks.workloads import (
    certificate,
    cluster,
    codec,
    credential,
    execution,
    storage,
    transaction,
    tree,
    writes,
)

WORKLOADS: Final = (
    Workload(codec.NAME, codec.run),
    Workload(transaction.NAME, transaction.run),
    Workload(execution.NAME, execution.run),
    Workload(tree.NAME, tree.run),
    Workload(certificate.NAME, certificate.run),
    Workload(storage.NAME, storage.run),
    Workload(writes.NAME, writes.run),
    Workload(cluster.NAME, cluster.run),
    Workload(credential.NAME, credential.run),
)

FULL: Final = Effort(samples_count=15, sample_s=0.2)
QUICK: Final = Effort(samples_count=7, sample_s=0.05, budget_s=5.0)


class UnknownWorkloadError(ValueError):
    """A name that no workload has."""


def select_workloads(names: Sequence[str]) -> tuple[Workload, ...]:
    """The workloads of these names, all when there is none. Raises UnknownWorkloadError."""
    known = {workload.name: workload for workload in WORKLOADS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownWorkloadError(f"no workload {unknown[0]!r}; known are {', '.join(known)}")
    return tuple(workload for workload in WORKLOADS if not names or workload.name in names)


def run_workloads(
    workloads: Sequence[Workload],
    *,
    is_quick: bool,
    directory: Path,
    note: Callable[[str], object],
    seed: int = SEED,
) -> Run:
    """Measure.

    Args:
        workloads: which.
        is_quick: fewer and shorter samples, smaller trees.
        directory: where stores are made and removed; its disk is what is measured.
        note: told what is being measured.
        seed: of all inputs.
    """
    begin_s = time.monotonic()
    effort = QUICK if is_quick else FULL
    commit = describe_commit()
    machine = describe_machine(directory)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=directory) as name:
        context = Context(Path(name), effort, is_quick=is_quick, seed=seed, note=note)
        with Limits(context.directory, effort, seed) as limits:
            note("limits of this machine")
            limits.measure_all()
            before_s = limits.seconds(ED25519_VERIFY)
            for workload in workloads:
                note(workload.name)
                limits.probe()
                figures += workload.run(context)
            limits.probe()
    results = [make_result(figure, limits.value) for figure in (*limits.figures(), *figures)]
    machine |= {
        "quick": is_quick,
        "seed": seed,
        "seconds": round(time.monotonic() - begin_s, 1),
        "drift": round(limits.seconds(ED25519_VERIFY) / before_s, 3),
        "contention": round(limits.contention, 3),
    }
    if hasattr(os, "getloadavg"):
        machine["load_average_after"] = round(os.getloadavg()[0], 2)
    return Run(commit, machine, tuple(results))
