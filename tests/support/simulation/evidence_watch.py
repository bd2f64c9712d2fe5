# SPDX-License-Identifier: Apache-2.0
"""Whether honest validators keep proof of what liars did, read from their evidence stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.node.peers import PeerMessage, VoteMessage
from psetledger.v1 import ledger_pb2
from tests.support.simulation import records
from tests.support.simulation.cluster import SimulatedCluster, SimulatedNode
from tests.support.simulation.loop import Process

EVIDENCE_US: Final = 2_000_000
"""Within which evidence is kept."""


class EvidenceWatch:
    """Who hears two votes of one validator for one height while it is open keeps proof of that."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self._cluster = cluster
        self._last: dict[tuple[str, Process, str, int], bytes] = {}
        """The last good vote by who heard it, of whom, for which height."""
        cluster.network.arrival_watchers.append(self._arrived)

    def _arrived(self, peer: str, node: str, message: PeerMessage) -> None:
        held = self._cluster.nodes[node]
        if not isinstance(message, VoteMessage) or peer not in self._cluster.liars:
            return
        if held.process is None or not self._is_good(peer, message):
            self._forget(node, peer)
            return
        height = ledger_pb2.Vote.FromString(message.vote).height
        if not self._is_open(held, height):
            return
        place = (node, held.process, peer, height)
        before = self._last.get(place)
        self._last[place] = message.vote
        if before is not None and before != message.vote:
            self._cluster.loop.call_after_us(EVIDENCE_US, self._check, held, place)

    def _forget(self, node: str, peer: str) -> None:
        # One vote is kept: what cannot be verified may stand between two good ones.
        for place in [held for held in self._last if (held[0], held[2]) == (node, peer)]:
            del self._last[place]

    def _is_good(self, peer: str, message: VoteMessage) -> bool:
        key = dict(self._cluster.checkers.electorate.keys)[peer]
        signed = b"psetledger/vote/v1\x00" + message.vote
        return records.is_signature_good(key, signed, message.signature)

    @staticmethod
    def _is_open(node: SimulatedNode, height: int) -> bool:
        return node.core is not None and height == node.core.driver.tip.height + 1

    def _check(self, node: SimulatedNode, place: tuple[str, Process, str, int]) -> None:
        name, process, liar, height = place
        if node.process is not process or process.is_paused or not self._is_open(node, height):
            return
        kept = find_proofs(node.disk.snapshot("evidence"))
        if not any(piece.validator == liar and piece.height == height for piece in kept):
            self._cluster.checkers.fail("evidence", f"{name} lets {liar} vote twice at {height}")


def find_accused(evidence: Mapping[bytes, bytes]) -> frozenset[str]:
    """Whom the proofs in a validator's evidence store name; suspicions are nobody's guilt."""
    return frozenset(piece.validator for piece in find_proofs(evidence) if piece.validator)


def find_proofs(evidence: Mapping[bytes, bytes]) -> list[ledger_pb2.Evidence]:
    """The proofs in a validator's evidence store."""
    return [
        ledger_pb2.Evidence.FromString(value[8:])
        for key, value in evidence.items()
        if key[:2] == b"e\x00"
    ]
