# SPDX-License-Identifier: Apache-2.0
"""The bars: what this release promises, each met or not by the worst figure it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.limits import ED25519_VERIFY, ORDER_FLOOR_BLS, ORDER_FLOOR_ED25519
from benchmarks.results import Parameter, Result, Run


@dataclass(frozen=True, slots=True)
class Bar:
    """A bound from below or from above, on the ratio of a metric to its limit or on its value."""

    text: str
    workload: str
    metric: str
    limit_name: str | None
    """None: the figure itself is judged, in its unit."""
    bound: float
    is_minimum: bool
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])

    def judge(self, run: Run) -> Judgement | None:
        """The worst of the figures that the bar speaks of, or None when there is none."""
        results = run.find(self.workload, self.metric, **self.parameters)
        if self.limit_name is None:
            found = [(result.value, result) for result in results]
        else:
            found = [
                (result.ratio, result)
                for result in results
                if result.ratio is not None and result.limit_name == self.limit_name
            ]
        if not found:
            return None
        choose = min if self.is_minimum else max
        judged, worst = choose(found, key=lambda pair: pair[0])
        is_met = judged >= self.bound if self.is_minimum else judged <= self.bound
        return Judgement(worst, judged, is_met)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run says about a bar."""

    worst: Result
    judged: float
    """Its ratio, or its value where the bar has no limit."""
    is_met: bool


WRITES_BAR: Final = Bar(
    "one validator, 1 KB operations, 256 in flight: certified writes a second at least 5 % of the"
    " Ed25519 verifications of one core",
    workload="writes",
    metric="throughput",
    limit_name=ED25519_VERIFY,
    bound=0.05,
    is_minimum=True,
    parameters={"in_flight": 256},
)

CREDENTIAL_BAR: Final = Bar(
    "verification of a credential, warm: at most the time of 8 Ed25519 verifications",
    workload="credential",
    metric="verify",
    limit_name=ED25519_VERIFY,
    bound=8.0,
    is_minimum=False,
    parameters={"start": "warm"},
)

CLUSTER_WRITES_BAR: Final = Bar(
    "three validators on 2 cores, 1 KB operations, 256 in flight: at least 700 certified writes a second",
    workload="cluster",
    metric="throughput",
    limit_name=None,
    bound=700.0,
    is_minimum=True,
    parameters={"validators": 3, "in_flight": 256},
)


def _make_latency_bar(scheme: str, floor: str) -> Bar:
    return Bar(
        f"three validators, {scheme}, one client: the median of a write at most 6 times the floor of"
        " its order",
        workload="cluster",
        metric="latency-p50",
        limit_name=floor,
        bound=6.0,
        is_minimum=False,
        parameters={"validators": 3, "in_flight": 1},
    )


CLUSTER_LATENCY_BARS: Final = (
    _make_latency_bar("bls12381", ORDER_FLOOR_BLS),
    _make_latency_bar("ed25519", ORDER_FLOOR_ED25519),
)

BARS: Final = (WRITES_BAR, CLUSTER_WRITES_BAR, *CLUSTER_LATENCY_BARS, CREDENTIAL_BAR)
