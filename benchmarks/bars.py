# SPDX-License-Identifier: Apache-2.0
"""The bars: ratios that this release promises, each met or not by the worst figure it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.limits import ED25519_VERIFY
from benchmarks.results import Parameter, Result, Run


@dataclass(frozen=True, slots=True)
class Bar:
    """A bound on the ratio of a metric to its limit, from below or from above."""

    text: str
    workload: str
    metric: str
    limit_name: str
    bound: float
    is_minimum: bool
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])

    def judge(self, run: Run) -> Judgement | None:
        """The worst of the figures that the bar speaks of, or None when there is none."""
        found = [
            (result.ratio, result)
            for result in run.find(self.workload, self.metric, **self.parameters)
            if result.ratio is not None and result.limit_name == self.limit_name
        ]
        if not found:
            return None
        choose = min if self.is_minimum else max
        ratio, worst = choose(found, key=lambda pair: pair[0])
        is_met = ratio >= self.bound if self.is_minimum else ratio <= self.bound
        return Judgement(worst, ratio, is_met)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run says about a bar."""

    worst: Result
    ratio: float
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

BARS: Final = (WRITES_BAR, CREDENTIAL_BAR)
