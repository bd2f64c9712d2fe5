# SPDX-License-Identifier: Apache-2.0
"""One run: a seed, a profile, clients; then everything heals, and what must be true in the end is checked.

The end: faults stop, whoever is down starts again. A new write must be certified within a bounded time,
all validators must reach one height, hold every acknowledged write once, and hold the same bytes.
"""

from __future__ import annotations

import asyncio
import gc
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.support.simulation import records
from tests.support.simulation.cluster import ELECTION_MS, SimulatedCluster, fast_disk
from tests.support.simulation.faults import PROFILES, Nemesis, Profile
from tests.support.simulation.linearizability import Outcome, UndecidedError, find_unexplained
from tests.support.simulation.loop import StuckError
from tests.support.simulation.workload import Workload

FAULTS_MS: Final = 20_000
"""How long faults go on."""
RECOVERY_TIMEOUTS: Final = 20
"""Election timeouts after the faults within which a new write must be certified."""
AGREEMENT_TIMEOUTS: Final = 30
"""Election timeouts within which all validators must be at one height."""
_LOCAL: Final = (b"m", b"l")
"""Keys of a chain store that may differ: single records of the node, and the ordering's log (what was
compacted when). Certificates may have other signers; they are compared by their vote.
"""

Prepare = Callable[[SimulatedCluster], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What network a run simulates."""

    count: int = 3
    fault_model: str = "crash"
    scheme: str = "ed25519"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    seed: int
    profile: str
    setting: Setting
    violations: tuple[str, ...]
    digest: str
    """Of the whole trace."""
    trace: str
    """Its end."""
    certified_height: int
    acknowledged_count: int
    operations_count: int
    steps_count: int

    @property
    def is_good(self) -> bool:
        return not self.violations


def choose_setting(seed: int) -> Setting:
    """Most seeds run three validators; some four, five, or the slower signatures."""
    random = Random(f"setting {seed}")
    kind = random.randrange(10)
    if kind < 6:
        return Setting()
    if kind < 8:
        return Setting(count=4, fault_model="byzantine")
    if kind == 8:
        return Setting(count=5)
    return Setting(scheme="bls12381")


def simulate(
    seed: int,
    profile: Profile | str,
    *,
    setting: Setting | None = None,
    prepare: Prepare | None = None,
    faults_ms: int = FAULTS_MS,
    is_live: bool = True,
) -> Result:
    """Run one seed. `prepare` changes the cluster before it starts; without `is_live` nothing is asked
    of the end but safety.
    """
    chosen = PROFILES[profile] if isinstance(profile, str) else profile
    where = setting or choose_setting(seed)
    memory = Path("/dev/shm")  # noqa: S108 - faster, where there is one
    directory = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    cluster = SimulatedCluster(
        directory=directory,
        random=Random(f"{chosen.name} {seed}"),
        count=where.count,
        fault_model=where.fault_model,
        scheme=where.scheme,
    )
    try:
        return _run(cluster, seed, chosen, where, prepare, faults_ms, is_live=is_live)
    finally:
        cluster.loop.close()
        shutil.rmtree(directory, ignore_errors=True)
        gc.collect()


def _run(
    cluster: SimulatedCluster,
    seed: int,
    profile: Profile,
    setting: Setting,
    prepare: Prepare | None,
    faults_ms: int,
    *,
    is_live: bool,
) -> Result:
    if prepare is not None:
        prepare(cluster)
    workload = Workload(cluster, cluster.checkers.electorate)
    try:
        cluster.loop.run_until_complete(
            _tell_story(cluster, workload, profile, faults_ms, is_live=is_live)
        )
    except StuckError as error:
        cluster.checkers.fail("stuck", str(error))
    for text in cluster.loop.errors:
        cluster.checkers.fail("uncaught", text)
    try:
        key = find_unexplained(workload.history)
    except UndecidedError as error:
        cluster.trace.note("world", f"linearizability undecided: {error}")
    else:
        if key is not None:
            cluster.checkers.fail("linearizability", f"the operations on {key} have no order")
    return Result(
        seed=seed,
        profile=profile.name,
        setting=setting,
        violations=tuple(str(violation) for violation in cluster.checkers.violations),
        digest=cluster.trace.digest(),
        trace=cluster.trace.tail(),
        certified_height=cluster.checkers.certified_height,
        acknowledged_count=len(workload.acknowledged),
        operations_count=len(workload.history),
        steps_count=cluster.loop.steps_count,
    )


async def _tell_story(
    cluster: SimulatedCluster,
    workload: Workload,
    profile: Profile,
    faults_ms: int,
    *,
    is_live: bool,
) -> None:
    for node in cluster.honest:
        cluster.start(node.name)
    clients = workload.start()
    nemesis = Nemesis(cluster, profile)
    harm = cluster.loop.create_task(nemesis.run())
    await asyncio.sleep(faults_ms / 1000)
    nemesis.is_over = True
    _heal(cluster)
    if is_live:
        await _check_alive(cluster, workload)
    workload.is_over = True
    await asyncio.gather(harm, *clients)
    _heal(cluster)  # what was to be undone later is done now
    if is_live:
        await _check_agreement(cluster)
        _check_end(cluster, workload)


def _heal(cluster: SimulatedCluster) -> None:
    cluster.trace.note("world", "everything heals")
    cluster.network.heal_all()
    for node in cluster.honest:
        node.crash_at = None
        fast_disk(node)
        node.clock.ahead_ms = 0
        node.clock.set_rate(0)
        cluster.resume(node.name)
        cluster.start(node.name)


async def _check_alive(cluster: SimulatedCluster, workload: Workload) -> None:
    """A quorum is back: a new write is certified within a bounded time."""
    limit_ms = RECOVERY_TIMEOUTS * ELECTION_MS
    # A name that nobody else writes.
    outcome = await workload.publish("omega", 0, give_up_ms=limit_ms)
    if outcome is not Outcome.DONE:
        cluster.checkers.fail("liveness", f"no write was certified in {limit_ms} ms: {outcome}")


async def _check_agreement(cluster: SimulatedCluster) -> None:
    """All validators reach one height and stay there for a moment."""
    until_us = cluster.loop.now_us + AGREEMENT_TIMEOUTS * ELECTION_MS * 1000
    while cluster.loop.now_us < until_us:
        heights = {
            node.name: node.core.driver.tip.height if node.core is not None else -1
            for node in cluster.honest
        }
        if len(set(heights.values())) == 1:
            return
        await asyncio.sleep(0.05)
    cluster.checkers.fail("liveness", f"validators stay at different heights: {heights}")


def _check_end(cluster: SimulatedCluster, workload: Workload) -> None:
    """Acknowledged writes are on every chain once; stores are equal."""
    stores = {node.name: node.disk.snapshot("chain") for node in cluster.honest}
    for name, store in stores.items():
        _check_acknowledged(cluster, workload, name, store)
    first, *others = stores
    for other in others:
        fault = _find_difference(stores[first], stores[other])
        if fault:
            cluster.checkers.fail("equal-stores", f"{first} and {other} differ: {fault}")


def _check_acknowledged(
    cluster: SimulatedCluster, workload: Workload, name: str, store: dict[bytes, bytes]
) -> None:
    places: dict[bytes, list[tuple[int, int]]] = {}
    codes: dict[tuple[int, int], int] = {}
    for key, value in store.items():
        if key[:1] == b"p" and len(key) == 9:
            height = int.from_bytes(key[1:], "big")
            for index, (transaction_id, _) in enumerate(records.transactions_of_proposal(value)):
                places.setdefault(transaction_id, []).append((height, index))
        elif key[:1] == b"r" and len(key) == 9:
            height = int.from_bytes(key[1:], "big")
            for index, receipt in enumerate(records.read_receipts(value)):
                codes[height, index] = receipt.code
    for write in workload.acknowledged:
        held = places.get(write.transaction_id, [])
        place = (write.height, write.index)
        if place not in held:
            cluster.checkers.fail(
                "lost", f"{name} lacks a write that {write.node} acknowledged at {place}"
            )
        elif held != [place]:
            cluster.checkers.fail("twice", f"{name} holds one write at {held}")
        elif codes.get(place) != write.code:
            cluster.checkers.fail("receipt", f"{name} has another receipt at {place}")


def _find_difference(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> str:
    """The first key under which two chain stores differ in what must be equal."""
    for key in sorted(one.keys() | other.keys()):
        if key[:1] in _LOCAL:
            continue
        a, b = one.get(key), other.get(key)
        if a == b:
            continue
        if a is None or b is None:
            return f"{key!r} is in one only"
        if key[:1] == b"c" and records.vote_of(a) == records.vote_of(b):
            continue
        if key[:1] == b"p" and records.is_same_proposal(a, b):
            continue
        return repr(key)
    return ""
