# SPDX-License-Identifier: Apache-2.0
"""An `IssuingClient` over a LedgerWorld: every write is executed by the real state machine."""

from __future__ import annotations

from collections.abc import Callable

from ledger.model.keys import KeyRole
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import Operation
from ledger.model.transaction import Receipt as ModelReceipt
from sdk.errors import KeyAccessError, UnavailableError
from sdk.moments import to_instant
from sdk.refusals import as_refused, make_receipt
from sdk.results import Receipt, TransactionStatus
from sdk.signers import Signer
from tests.support.issuing_world import IssuingWorld
from tests.support.ledger_world import TestKey
from tests.support.world_reader import WorldReader


class WorldSigner:
    """A test key as a Signer; counts its signatures."""

    def __init__(self, key: TestKey, algorithm: str = "ed25519") -> None:
        self._key = key
        self.algorithm = algorithm
        self.signed_count = 0
        self.spoil = False

    @property
    def key_id(self) -> str:
        return self._key.key_id

    @property
    def public_key(self) -> bytes:
        return self._key.public_key

    def sign(self, message: bytes) -> bytes:
        self.signed_count += 1
        signature = self._key.sign(message)
        return bytes(64) if self.spoil else signature


class WorldClient:
    """Acts for one organisation. `break_at` cuts the connection: "send" before, "answer" after the
    transaction was executed.
    """

    def __init__(
        self, issuing: IssuingWorld, org: str = "gaa", *, client_checks: bool = True
    ) -> None:
        self.world = issuing.world
        self.reader = WorldReader(issuing.world)
        self.org = org
        self.client_checks = client_checks
        self.break_at = ""
        self.has_keys = True
        self.before_submit: Callable[[], None] = _nothing
        self.submitted: list[Operation] = []
        self._receipts: dict[bytes, Receipt] = {}

    @property
    def chain_id(self) -> str:
        return self.world.chain_id

    @property
    def now_ms(self) -> int:
        return self.world.time

    async def acting_did(self) -> str:
        return self.world.did(self.org)

    async def stored_signer(
        self, role: KeyRole, passphrase: Callable[[], str] | None = None
    ) -> Signer:
        keys = self.world.organisations[self.org].keys
        if not self.has_keys:
            raise KeyAccessError("no such key", code="KEY_ROLE_NOT_HELD", remedy="Make one.")
        return WorldSigner(keys[role.label])

    async def submit(
        self, operation: Operation, *, idempotency_key: bytes | None = None
    ) -> Receipt:
        self.before_submit()
        if self.break_at == "send":
            raise _broken()
        found = self.world.submit(self.org, operation, idempotency_key=idempotency_key)
        receipt = as_receipt(found)
        self.submitted.append(operation)
        if found.code == ReceiptCode.APPLIED and idempotency_key is not None:
            self._receipts[idempotency_key] = receipt
        if self.break_at == "answer":
            raise _broken()
        if found.code != ReceiptCode.APPLIED:
            raise as_refused(receipt)
        return receipt

    async def transaction(self, id_or_key: str | bytes) -> TransactionStatus:
        assert isinstance(id_or_key, bytes)
        receipt = self._receipts.get(id_or_key)
        return TransactionStatus("unknown" if receipt is None else "applied", receipt)


def as_receipt(found: ModelReceipt) -> Receipt:
    """The receipt as the SDK shows it."""
    return make_receipt(
        found.code,
        transaction_id=found.transaction_id.hex(),
        height=found.height,
        index=found.index,
        as_of=to_instant(0),
        results=found.results,
    )


def _broken() -> UnavailableError:
    return UnavailableError("cut off", code="NO_ANSWER", remedy="Try again.", phase="unknown")


def _nothing() -> None:
    """The default of `before_submit`."""
