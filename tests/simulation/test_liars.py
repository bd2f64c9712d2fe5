# SPDX-License-Identifier: Apache-2.0
"""Up to f validators of a byzantine network lie: no certificate is ever contradicted, no honest
validator ends, and liars are proven to be such.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.model.block import QuorumCertificate
from ledger.model.certificate import decode_vote
from ledger.model.codec import decode
from ledger.node.evidence import EvidenceKeeper
from ledger.node.finality import Finality
from ledger.node.validators import Validators
from tests.support.simulation.cluster import SimulatedCluster
from tests.support.simulation.evidence_watch import find_proofs
from tests.support.simulation.run import Result, Setting, simulate

SEEDS_COUNT = 12
SEEDS_LONG_COUNT = 200
SEVEN = Setting(count=7, fault_model="byzantine", liars_count=2)
AGGREGATED = Setting(count=4, fault_model="byzantine", scheme="bls12381", liars_count=1)
CATCH_SEEDS_COUNT = 20
"""Seeds within which each broken node is caught."""
DOUBLE_VOTE = 1
FAULTS_LONG_MS = 20_000


def check(result: Result) -> None:
    assert result.is_good, (
        f"seed {result.seed} {result.setting}: {result.violations}; again: python -m tests.simulation"
        f" --seed {result.seed} --profile liars\n{result.trace[-4000:]}"
    )


@pytest.mark.parametrize("seed", range(1, SEEDS_COUNT + 1))
def test_one_liar_of_four_contradicts_no_certificate(seed: int) -> None:
    check(simulate(seed, "liars"))


REGRESSIONS = {
    3: "a leader asked who denies an acknowledgement again and again, without a pause",
    9: "the same, for most of a run",
}


@pytest.mark.parametrize("seed", sorted(REGRESSIONS))
def test_what_liars_once_brought_about_stays_mended(seed: int) -> None:
    result = simulate(seed, "liars", faults_ms=FAULTS_LONG_MS)
    check(result)
    assert result.steps_count < 60_000, "they spin"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEEDS_COUNT + 1, SEEDS_LONG_COUNT + 1))
def test_many_more_seeds_of_one_liar(seed: int) -> None:
    check(simulate(seed, "liars"))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 41))
@pytest.mark.parametrize("setting", [SEVEN, AGGREGATED], ids=["two of seven", "bls12381"])
def test_two_liars_of_seven_and_aggregated_signatures(setting: Setting, seed: int) -> None:
    check(simulate(seed, "liars", setting=setting))


def test_who_votes_twice_is_proven_guilty_somewhere() -> None:
    for seed in range(1, 9):
        clusters: list[SimulatedCluster] = []
        check(simulate(seed, "liars", prepare=clusters.append))
        [cluster] = clusters
        accused = {
            piece.validator
            for node in cluster.honest
            for piece in find_proofs(node.disk.snapshot("evidence"))
            if piece.kind == DOUBLE_VOTE
        }
        if accused:
            assert accused == cluster.liars
            return
    pytest.fail("nobody was ever proven guilty")


# Broken nodes: the liars get through, and the checkers see it --------------------------------------


def _count_two(*_: object) -> int:
    return 2


def _keep_nothing(*_: object) -> None:
    return None


def break_quorum(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("ledger.model.certificate.quorum_size", _count_two)
    patch.setattr(Validators, "quorum_size", _count_two)


def break_evidence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EvidenceKeeper, "keep_double_vote", _keep_nothing)


def break_verification(patch: pytest.MonkeyPatch) -> None:
    def believe(self: Finality, encoded: bytes, tip: object) -> object:
        del self, tip
        return decode_vote(decode(QuorumCertificate, encoded).vote)

    patch.setattr(Finality, "verify", believe)


@pytest.mark.parametrize(
    ("broken", "rules"),
    [
        (break_quorum, {"certificate", "one-certificate", "one-chain"}),
        (break_evidence, {"evidence"}),
        (break_verification, {"certificate", "node-ended"}),
    ],
)
def test_a_node_that_lets_liars_through_is_caught(
    broken: Callable[[pytest.MonkeyPatch], None],
    rules: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(monkeypatch)
    for seed in range(1, CATCH_SEEDS_COUNT + 1):
        result = simulate(seed, "liars")
        found = {violation.split(":")[0] for violation in result.violations}
        if found:
            assert found & rules, result.violations
            return
    pytest.fail(f"not caught in {CATCH_SEEDS_COUNT} seeds")
