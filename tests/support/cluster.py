# SPDX-License-Identifier: Apache-2.0
"""Several nodes over one CertifiedWorld, and a client of them: each does what a test scripts for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from sdk.aio_client import LedgerClient
from sdk.node_api import CallFault, NodeCallError, SubmitAnswer
from sdk.results import Wait
from tests.support.certified_world import CertifiedWorld, FakeNode, make_client
from tests.support.ledger_world import make_genesis

MANY = 10_000
"""More calls than a test makes."""


class Cluster:
    """Nodes n1, n2 … over one chain; `sent` holds what each was sent, in order."""

    def __init__(
        self, directory: Path, *, nodes: int = 3, fault_model: str = "crash", validators: int = 0
    ) -> None:
        """`validators`: of the genesis, when there are more than the client has addresses of."""
        names = [f"n{number}" for number in range(1, (validators or nodes) + 1)]
        self.world = CertifiedWorld(
            make_genesis(validators=names, fault_model=fault_model, certificate_scheme="ed25519")
        )
        self.directory = directory
        self.sent: list[tuple[str, bytes]] = []
        self.nodes = [RecordingNode(self.world, name, sent=self.sent) for name in names[:nodes]]

    def client(self, org: str = "qcto", *, seconds: float = 20.0, **options: Any) -> LedgerClient:
        """Asks n1 first."""
        return make_client(
            self.world,
            self.directory,
            org=org,
            nodes=self.nodes,
            timeout=timedelta(seconds=seconds),
            **options,
        )

    def fail(self, kind: CallFault, *numbers: int, count: int = MANY, **options: Any) -> None:
        """These nodes answer nothing but this to the next calls."""
        for number in numbers:
            error = NodeCallError(kind, f"{kind.value} on purpose", **options)
            self.nodes[number - 1].faults = [error] * count

    def fail_at(
        self, method: str, kind: CallFault, *numbers: int, count: int = MANY, **options: Any
    ) -> None:
        """As `fail`, of one method."""
        for number in numbers:
            error = NodeCallError(kind, f"{kind.value} on purpose", **options)
            self.nodes[number - 1].by_method[method] = [error] * count

    def heal(self) -> None:
        """Every node answers again."""
        for node in self.nodes:
            node.faults, node.by_method, node.hanging = [], {}, set()

    @property
    def asked(self) -> list[str]:
        """The nodes that were sent transactions, in order."""
        return [name for name, _ in self.sent]

    @property
    def evidence(self) -> Sequence[Path]:
        """What the clients kept as evidence."""
        return sorted((self.directory / "home" / "evidence").glob("*.json"))


class RecordingNode(FakeNode):
    """A FakeNode that notes the bytes it is sent, whatever it answers."""

    def __init__(self, world: CertifiedWorld, name: str, *, sent: list[tuple[str, bytes]]) -> None:
        super().__init__(world, name)
        self._sent = sent

    async def submit(self, transaction: bytes, wait: Wait, *, seconds: float) -> SubmitAnswer:
        self._sent.append((self.name, transaction))
        return await super().submit(transaction, wait, seconds=seconds)
