# SPDX-License-Identifier: Apache-2.0
"""A provider's registrar for tests: a world, a client, a key, a store and an issuer."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from ledger.model.operations import CreateStatusList, UpdateStatusList
from sdk.aio_issuer import Issuer
from sdk.credentials.values import example_values
from sdk.drafts import Draft, IssuedCredential
from tests.support.credential_samples import sample_template
from tests.support.issuing_world import STATEMENT, IssuingWorld
from tests.support.world_client import WorldClient, WorldSigner

T = TypeVar("T")

RECORD = "S1234567/2026-1"


class Desk:
    """A provider's registrar: a world, a client, a key and an issuer."""

    def __init__(self, directory: Path, *, org: str = "gaa", client_checks: bool = True) -> None:
        self.issuing = IssuingWorld()
        self.path = directory / "issuer.db"
        self.client = WorldClient(self.issuing, org, client_checks=client_checks)
        self.signer = WorldSigner(self.issuing.world.organisations[org].keys["issue"])
        self.issuer = self.open()

    def open(self, client: WorldClient | None = None) -> Issuer:
        return Issuer(client or self.client, store=self.path, key=self.signer)

    def draft(self, template: str | Path = STATEMENT, **values: Any) -> Draft:
        name = template if isinstance(template, str) and "@" not in template else STATEMENT
        example = example_values(sample_template(name), date(2026, 5, 20))
        return Draft.from_template(template, example | {"assessed": "2026-05-14"} | values)

    def issue(self, record_id: str = RECORD, **values: Any) -> IssuedCredential:
        return run(self.issuer.issue(self.draft(**values), record_id=record_id))

    def verdict(self, credential: IssuedCredential) -> str:
        report = self.issuing.verify(credential.document)
        return report.code or report.verdict.value

    @property
    def created_lists(self) -> int:
        """Lists, however often each was asked for."""
        return len(
            {held.list_id for held in self.client.submitted if isinstance(held, CreateStatusList)}
        )

    @property
    def updates(self) -> list[UpdateStatusList]:
        return [held for held in self.client.submitted if isinstance(held, UpdateStatusList)]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)
