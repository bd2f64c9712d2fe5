# SPDX-License-Identifier: Apache-2.0
"""What befalls the validators of a run, by named profile, and who does it.

Faults come one after the other with random pauses; each lasts a random time and is then undone. They
may overlap, and may take more validators than a quorum can miss: safety must hold all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from ledger.node.failpoints import BLOCK_FAILPOINTS
from tests.support.simulation.cluster import SimulatedCluster, fast_disk
from tests.support.simulation.network import LinkQuality


@dataclass(frozen=True, slots=True)
class Profile:
    """How often what happens, relative to each other; 0: never."""

    name: str
    crash: int = 0
    failpoint: int = 0
    storm: int = 0
    """All validators end within a moment."""
    pause: int = 0
    partition: int = 0
    one_way: int = 0
    clog: int = 0
    bad_network: int = 0
    slow_disk: int = 0
    clock: int = 0
    pause_ms: tuple[int, int] = (200, 2_500)
    """Between faults."""
    duration_ms: tuple[int, int] = (100, 6_000)
    quality: LinkQuality = LinkQuality()
    """Of the network all the time."""
    has_liars: bool = False
    is_changing: bool = False
    """Validators are admitted, activated and removed."""
    faults_ms: int = 20_000
    """How long faults go on."""


PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile("crash", crash=4, failpoint=6, storm=1),
        Profile("partition", partition=4, one_way=3, clog=2),
        Profile(
            "network",
            bad_network=3,
            clog=2,
            one_way=1,
            quality=LinkQuality(
                delay_us=2_000,
                delay_spread_us=60_000,
                loss_rate=0.05,
                repeat_rate=0.05,
                overtake_rate=0.1,
            ),
        ),
        Profile("disk", slow_disk=5, crash=2, failpoint=2),
        Profile("clock", clock=4, pause=3, crash=1),
        Profile(
            "mixed",
            crash=3,
            failpoint=3,
            storm=1,
            pause=2,
            partition=3,
            one_way=2,
            clog=2,
            bad_network=1,
            slow_disk=2,
            clock=1,
            quality=LinkQuality(loss_rate=0.01, repeat_rate=0.01, overtake_rate=0.02),
        ),
        Profile(
            "membership",
            crash=2,
            failpoint=2,
            partition=1,
            one_way=1,
            pause_ms=(500, 4_000),
            duration_ms=(100, 3_000),
            is_changing=True,
            faults_ms=15_000,
        ),
        Profile("liars", crash=1, partition=3, one_way=2, clog=2, has_liars=True, faults_ms=12_000),
    )
}


class Nemesis:
    """Does to a cluster what a profile says, until told to stop."""

    def __init__(self, cluster: SimulatedCluster, profile: Profile) -> None:
        self._cluster = cluster
        self._profile = profile
        self._random: Random = cluster.random
        self.is_over = False
        cluster.network.quality = profile.quality

    async def run(self) -> None:
        """Until `is_over`."""
        deeds = self._deeds()
        while True:
            await self._sleep(self._profile.pause_ms)
            if self.is_over:
                return
            [deed] = self._random.choices([d for d, _ in deeds], [w for _, w in deeds])
            undo = deed()
            if undo is not None:
                _ = self._cluster.loop.create_task(self._undo_later(undo))

    def _deeds(self) -> list[tuple[Callable[[], Callable[[], None] | None], int]]:
        profile = self._profile
        weighted: list[tuple[Callable[[], Callable[[], None] | None], int]] = [
            (self._crash, profile.crash),
            (self._arm_failpoint, profile.failpoint),
            (self._storm, profile.storm),
            (self._pause, profile.pause),
            (self._partition, profile.partition),
            (self._cut_one_way, profile.one_way),
            (self._clog, profile.clog),
            (self._worsen_network, profile.bad_network),
            (self._slow_disk, profile.slow_disk),
            (self._set_clock, profile.clock),
        ]
        return [(deed, weight) for deed, weight in weighted if weight]

    async def _sleep(self, bounds_ms: tuple[int, int]) -> None:
        await asyncio.sleep(self._random.randint(*bounds_ms) / 1000)

    async def _undo_later(self, undo: Callable[[], None]) -> None:
        await self._sleep(self._profile.duration_ms)
        undo()

    def _choose(self) -> str:
        return self._random.choice([node.name for node in self._cluster.honest])

    def _crash(self) -> Callable[[], None]:
        name = self._choose()
        self._cluster.crash(name)
        return lambda: self._cluster.start(name)

    def _storm(self) -> Callable[[], None]:
        names = [node.name for node in self._cluster.honest]
        for name in names:
            self._cluster.crash(name)

        def undo() -> None:
            for name in names:
                self._cluster.start(name)

        return undo

    def _arm_failpoint(self) -> Callable[[], None]:
        name = self._choose()
        node = self._cluster.nodes[name]
        node.crash_at = (self._random.choice(BLOCK_FAILPOINTS), self._random.randrange(6))

        def undo() -> None:
            node.crash_at = None
            self._cluster.start(name)

        return undo

    def _pause(self) -> Callable[[], None]:
        name = self._choose()
        self._cluster.pause(name)
        return lambda: self._cluster.resume(name)

    def _partition(self) -> Callable[[], None]:
        names = list(self._cluster.names)
        self._random.shuffle(names)
        count = self._random.randint(1, len(names) - 1)
        pairs = [(a, b) for a in names[:count] for b in names[count:]]
        pairs += [(b, a) for a, b in pairs]
        self._cluster.trace.note("world", f"partition {names[:count]} | {names[count:]}")
        return self._cut(pairs)

    def _cut_one_way(self) -> Callable[[], None]:
        node, peer = self._random.sample(self._cluster.names, 2)
        self._cluster.trace.note("world", f"cut {node} -> {peer}")
        return self._cut([(node, peer)])

    def _cut(self, pairs: list[tuple[str, str]]) -> Callable[[], None]:
        for node, peer in pairs:
            self._cluster.network.cut(node, peer)

        def undo() -> None:
            for node, peer in pairs:
                self._cluster.network.heal(node, peer)

        return undo

    def _clog(self) -> Callable[[], None]:
        node, peer = self._random.sample(self._cluster.names, 2)
        self._cluster.trace.note("world", f"clog {node} -> {peer}")
        self._cluster.network.clog(node, peer)
        return lambda: self._cluster.network.heal(node, peer)

    def _worsen_network(self) -> Callable[[], None]:
        network = self._cluster.network
        network.quality = replace(
            network.quality,
            delay_spread_us=self._random.choice((20_000, 200_000, 800_000)),
            loss_rate=self._random.choice((0.05, 0.2, 0.5)),
            repeat_rate=0.1,
            overtake_rate=0.3,
        )
        self._cluster.trace.note("world", f"network {network.quality}")

        def undo() -> None:
            network.quality = self._profile.quality

        return undo

    def _slow_disk(self) -> Callable[[], None]:
        node = self._cluster.nodes[self._choose()]
        node.disk.speed = replace(
            node.disk.speed,
            sync_us=self._random.choice((5_000, 40_000)),
            stall_rate=self._random.choice((0.05, 0.5)),
            stall_us=self._random.choice((200_000, 4_000_000)),
        )
        self._cluster.trace.note(node.name, f"disk {node.disk.speed}")
        return lambda: fast_disk(node)

    def _set_clock(self) -> Callable[[], None]:
        clock = self._cluster.nodes[self._choose()].clock
        clock.ahead_ms = self._random.choice(
            (-3_600_000, -20_000, -5_000, 5_000, 20_000, 3_600_000)
        )
        clock.set_rate(self._random.choice((-50_000, -1_000, 0, 1_000, 50_000)))

        def undo() -> None:
            clock.ahead_ms = 0
            clock.set_rate(0)

        return undo
