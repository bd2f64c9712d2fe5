# SPDX-License-Identifier: Apache-2.0
"""Bits that flip on one validator's disk: it gives no wrong answer, and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest

from ledger.storage.errors import (
    DIVERGENCE,
    STORE_CORRUPT,
    STORE_FORMAT,
    STORE_INCONSISTENT,
    STORE_OTHER_CHAIN,
)
from tests.support.simulation import records
from tests.support.simulation.cluster import SimulatedCluster
from tests.support.simulation.faults import Profile
from tests.support.simulation.run import Result, Setting, simulate

SEEDS: Final = (*range(1, 11), 18, 32)
"""The last two once ended otherwise: by a charter and by a validator that could not be read."""
ENDS_COUNT_MIN: Final = 3
"""Runs in which the damage is found; in the others nobody reads what is damaged."""
ROTTEN: Final = "n1"
FIRST_MS: Final = 2_500
STEP_MS: Final = (50, 250)
FAULTS_MS: Final = 8_000
NOTHING: Final = Profile("rot", clock=1, pause_ms=(FAULTS_MS + 500, FAULTS_MS + 500))
"""No other fault."""
_DAMAGED: Final = (
    STORE_CORRUPT,
    STORE_INCONSISTENT,
    STORE_FORMAT,
    STORE_OTHER_CHAIN,
    DIVERGENCE,
)
"""Format and genesis are values too."""


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@dataclass
class Rot:
    """Flips bits on one validator's disk, and restarts it now and then: a start reads most."""

    store: str
    cluster: SimulatedCluster | None = None
    flipped: list[bytes] = field(default_factory=list[bytes])

    def prepare(self, cluster: SimulatedCluster) -> None:
        self.cluster = cluster
        cluster.expected_ends = _DAMAGED
        cluster.loop.call_later(FIRST_MS / 1000, self._flip)
        if cluster.random.random() < 0.5:
            cluster.loop.call_later((FIRST_MS + 1_500) / 1000, self._restart)

    def _flip(self) -> None:
        cluster = self.get_cluster()
        key = cluster.nodes[ROTTEN].disk.rot(self.store)
        if key is not None:
            self.flipped.append(key)
            cluster.trace.note(ROTTEN, f"a bit flips under {key.hex()}")
        cluster.loop.call_later(cluster.random.randint(*STEP_MS) / 1000, self._flip)

    def _restart(self) -> None:
        cluster = self.get_cluster()
        cluster.crash(ROTTEN)
        cluster.start(ROTTEN)

    def get_cluster(self) -> SimulatedCluster:
        assert self.cluster is not None
        return self.cluster


def run_seed(seed: int, rot: Rot) -> Result:
    return simulate(
        seed, NOTHING, setting=Setting(), prepare=rot.prepare, faults_ms=FAULTS_MS, is_live=False
    )


def find_violations(result: Result) -> list[str]:
    """What is wrong beside what the checkers read on the damaged disk itself.

    A refusal before a transaction comes into a block proves nothing, and is no answer of the ledger:
    the client may ask another validator.
    """
    return [
        violation
        for violation in result.violations
        if " refused a good write: " not in violation
        and (
            violation.startswith(("proof", "linearizability", "node-ended"))
            or not violation.split(": ", 1)[1].startswith((f"{ROTTEN} ", f"{ROTTEN}'s "))
        )
    ]


def check_others(cluster: SimulatedCluster) -> None:
    """They certified as long as clients wrote, and hold one chain."""
    checkers = cluster.checkers
    assert checkers.certified_at_us > (FAULTS_MS - 1_500) * 1_000
    others = [node for node in cluster.nodes.values() if node.name != ROTTEN]
    stores = [node.disk.snapshot("chain") for node in others]
    heights = [records.read_head(store[records.HEAD_KEY])[0] for store in stores]
    assert min(heights) >= checkers.certified_height - 1
    for height in range(1, min(heights) + 1):
        held = {store[records.number_key(b"h", height)] for store in stores}
        assert held == {checkers.headers[height]}
    assert all(not node.refused for node in others)


@pytest.mark.parametrize("store", ["chain", "votes"])
def test_a_rotten_disk_gives_no_wrong_answer_and_stops_nobody_else(store: str) -> None:
    ended: list[str] = []
    for seed in SEEDS:
        rot = Rot(store)
        result = run_seed(seed, rot)
        assert find_violations(result) == [], f"seed {seed}\n{result.trace[-3_000:]}"
        assert len(rot.flipped) > 10
        check_others(rot.get_cluster())
        ended += rot.get_cluster().nodes[ROTTEN].refused
    assert len(ended) >= ENDS_COUNT_MIN, "nobody noticed anything"
    assert all(text.startswith(("CorruptionError", "DivergenceError")) for text in ended), ended
