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
from tests.support.simulation.evidence_watch import find_accused
from tests.support.simulation.faults import PROFILES, Nemesis, Profile
from tests.support.simulation.liars import Conspiracy
from tests.support.simulation.linearizability import Outcome, UndecidedError, find_unexplained
from tests.support.simulation.loop import StuckError
from tests.support.simulation.member_book import DELAY
from tests.support.simulation.membership import Operator
from tests.support.simulation.workload import Workload

RECOVERY_TIMEOUTS: Final = 20
"""Election timeouts after the faults within which a new write must be certified."""
AGREEMENT_TIMEOUTS: Final = 30
"""Election timeouts within which all validators must be at one height."""
_LOCAL: Final = (b"m", b"l")
"""Keys of a chain store that may differ: single records of the node, and the ordering's log (what was
compacted when). Certificates may have other signers; they are compared by their vote.
"""

_BY_HEIGHT: Final = (b"h", b"c", b"p", b"r")

Prepare = Callable[[SimulatedCluster], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What network a run simulates."""

    count: int = 3
    fault_model: str = "crash"
    scheme: str = "ed25519"
    liars_count: int = 0


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


def choose_setting(seed: int, profile: Profile) -> Setting:
    """Most seeds run three validators; some four, five, or the slower signatures."""
    random = Random(f"setting {seed}")
    kind = random.randrange(10)
    if profile.has_liars:
        return Setting(count=4, fault_model="byzantine", liars_count=1)
    if kind < 6:
        return Setting()
    if kind < 8:
        return Setting(count=4, fault_model="byzantine")
    if profile.is_changing:
        return Setting()
    if kind == 8:
        return Setting(count=5)
    return Setting(scheme="bls12381")


def simulate(
    seed: int,
    profile: Profile | str,
    *,
    setting: Setting | None = None,
    prepare: Prepare | None = None,
    faults_ms: int | None = None,
    is_live: bool = True,
) -> Result:
    """Run one seed. `prepare` changes the cluster before it starts; without `is_live` nothing is asked
    of the end but safety.
    """
    chosen = PROFILES[profile] if isinstance(profile, str) else profile
    where = setting or choose_setting(seed, chosen)
    memory = Path("/dev/shm")  # noqa: S108 - faster, where there is one
    directory = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    cluster = SimulatedCluster(
        directory=directory,
        random=Random(f"{chosen.name} {seed}"),
        count=where.count,
        fault_model=where.fault_model,
        scheme=where.scheme,
        liars=_choose_liars(seed, where),
        is_changing=chosen.is_changing,
    )
    try:
        # One liar can stop the network until people decide.
        is_live = is_live and where.liars_count == 0
        return _run(
            cluster, seed, chosen, where, prepare, faults_ms or chosen.faults_ms, is_live=is_live
        )
    finally:
        cluster.loop.close()
        shutil.rmtree(directory, ignore_errors=True)
        gc.collect()


def _choose_liars(seed: int, setting: Setting) -> frozenset[str]:
    names = [f"n{number}" for number in range(1, setting.count + 1)]
    return frozenset(Random(f"liars {seed}").sample(names, setting.liars_count))


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
        cluster.checkers.fail("linearizability", f"undecided: {error}")
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
    conspiracy = Conspiracy(cluster)
    lies = conspiracy.start()
    operator = Operator(cluster, workload)
    changes = cluster.loop.create_task(operator.live()) if profile.is_changing else None
    nemesis = Nemesis(cluster, profile)
    harm = cluster.loop.create_task(nemesis.run())
    await asyncio.sleep(faults_ms / 1000)
    nemesis.is_over = operator.is_over = True
    _heal(cluster)
    if changes is not None:
        await changes
    if is_live:
        await _check_alive(cluster, workload)
    workload.is_over = conspiracy.is_over = True
    await asyncio.gather(harm, *clients, *lies)
    _heal(cluster)  # what was to be undone later is done now
    if cluster.liars:
        _check_honest(cluster, workload)
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
    heights: dict[str, int] = {}
    left: list[str] = []
    until_us = cluster.loop.now_us + AGREEMENT_TIMEOUTS * ELECTION_MS * 1000
    while cluster.loop.now_us < until_us:
        heights = {
            node.name: node.core.driver.tip.height if node.core is not None else -1
            for node in cluster.members
        }
        left = _find_staying(cluster)
        if len(set(heights.values())) == 1 and not left:
            return
        await asyncio.sleep(0.05)
    if len(set(heights.values())) > 1:
        cluster.checkers.fail("liveness", f"validators stay at different heights: {heights}")
    if left:
        cluster.checkers.fail("liveness", f"removed, and still running: {left}")


def _find_staying(cluster: SimulatedCluster) -> list[str]:
    """Who knows that it was removed and is not needed any more, and has not ended.

    Who was away then is told by nobody: it votes for nothing that counts, and that is all.
    """
    book = cluster.checkers.members
    if book is None:
        return []
    heights = {
        name: node.core.driver.tip.height
        for name, node in cluster.nodes.items()
        if node.core is not None
    }
    return [
        name
        for name, removed_height in sorted(book.removed.items())
        if heights.get(name, -1) >= removed_height + DELAY
    ]


def _check_end(cluster: SimulatedCluster, workload: Workload) -> None:
    """Acknowledged writes are on every chain once; stores are equal."""
    stores = {node.name: node.disk.snapshot("chain") for node in cluster.members}
    for name, store in stores.items():
        _check_acknowledged(cluster, workload, name, store)
    first, *others = stores
    for other in others:
        fault = _find_difference(stores[first], stores[other])
        if fault:
            cluster.checkers.fail("equal-stores", f"{first} and {other} differ: {fault}")


def _check_honest(cluster: SimulatedCluster, workload: Workload) -> None:
    """As far as honest validators have come they say the same, and accuse nobody honest."""
    stores = {node.name: node.disk.snapshot("chain") for node in cluster.honest}
    heads = {
        name: records.read_head(store[records.HEAD_KEY])[0]
        for name, store in stores.items()
        if records.HEAD_KEY in store
    }
    for name, height in heads.items():
        _check_acknowledged(cluster, workload, name, stores[name], up_to=height)
        for other, other_height in heads.items():
            low = min(height, other_height)
            fault = _find_difference(
                _get_blocks(stores[name], low), _get_blocks(stores[other], low)
            )
            if fault:
                cluster.checkers.fail("equal-stores", f"{name} and {other} differ: {fault}")
    for write in workload.acknowledged:
        if write.height > heads.get(write.node, 0):
            cluster.checkers.fail("lost", f"{write.node} lacks a write that it acknowledged")
    for node in cluster.honest:
        for accused in find_accused(node.disk.snapshot("evidence")) - cluster.liars:
            cluster.checkers.fail("evidence", f"{node.name} holds proof against honest {accused}")


def _get_blocks(store: dict[bytes, bytes], up_to: int) -> dict[bytes, bytes]:
    """Headers, certificates, proposals and receipts up to a height."""
    return {
        key: value
        for key, value in store.items()
        if key[:1] in _BY_HEIGHT and len(key) == 9 and int.from_bytes(key[1:], "big") <= up_to
    }


def _check_acknowledged(
    cluster: SimulatedCluster,
    workload: Workload,
    name: str,
    store: dict[bytes, bytes],
    *,
    up_to: int | None = None,
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
        if up_to is not None and write.height > up_to:
            continue
        held = places.get(write.transaction_id, [])
        place = (write.height, write.index)
        if place not in held:
            cluster.checkers.fail(
                "lost", f"{name} lacks a write that {write.node} acknowledged at {place}"
            )
        elif held != [place] and not cluster.liars:
            # A liar's block may hold it again: then it has the first one's receipt and no effect.
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
