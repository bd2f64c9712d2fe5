# SPDX-License-Identifier: Apache-2.0
"""What an issuer needs of a client: `sdk.aio_client.LedgerClient` has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ledger.model.keys import KeyRole
from ledger.model.transaction import Operation
from sdk.reader import VerifiedReader
from sdk.results import Receipt, TransactionStatus
from sdk.signers import Signer


class IssuingClient(Protocol):
    """What an issuer needs of a client."""

    @property
    def reader(self) -> VerifiedReader: ...

    @property
    def chain_id(self) -> str: ...

    @property
    def client_checks(self) -> bool: ...

    @property
    def now_ms(self) -> int: ...

    async def acting_did(self) -> str: ...

    async def stored_signer(
        self, role: KeyRole, passphrase: Callable[[], str] | None = None
    ) -> Signer: ...

    async def submit(
        self, operation: Operation, *, idempotency_key: bytes | None = None
    ) -> Receipt: ...

    async def transaction(self, id_or_key: str | bytes) -> TransactionStatus: ...
