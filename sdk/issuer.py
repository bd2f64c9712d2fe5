# SPDX-License-Identifier: Apache-2.0
"""The synchronous issuer: the same names as `sdk.aio_issuer`, over a synchronous client.

What each method does and raises is written there.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from sdk import aio_issuer
from sdk.arguments import check_client
from sdk.background_loop import BackgroundLoop
from sdk.drafts import (
    Draft,
    IssuedCredential,
    RowError,
    StatusChangePreview,
    StatusChangeResult,
)
from sdk.issuing_client import IssuingClient
from sdk.results import Decision, Receipt
from sdk.signers import Signer
from sdk.status_changes import Action

T = TypeVar("T")


class RunsIssuingClient(Protocol):
    """What a synchronous issuer needs of a client."""

    @property
    def aio(self) -> IssuingClient: ...

    @property
    def loop(self) -> BackgroundLoop: ...


class Issuer:
    """Issues for the organisation that the client acts for. Thread-safe."""

    def __init__(
        self,
        client: RunsIssuingClient,
        *,
        store: Path,
        key: Signer | None = None,
        passphrase: Callable[[], str] | None = None,
    ) -> None:
        """As `sdk.aio_issuer.Issuer`."""
        check_client(client, "loop", "aio")
        self._loop = client.loop
        self._core = aio_issuer.Issuer(client.aio, store=store, key=key, passphrase=passphrase)

    def __repr__(self) -> str:
        return repr(self._core)

    def close(self) -> None:
        """Close the store. Idempotent."""
        if not self._loop.is_closed:
            self._run(self._core.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def may_issue(
        self,
        qualification: str,
        *,
        power: str,
        site: str | None = None,
        on: date | None = None,
    ) -> Decision:
        """Whether this organisation may issue under a power, proven up to the root."""
        return self._run(self._core.may_issue(qualification, power=power, site=site, on=on))

    def check(self, draft: Draft, *, record_id: str = "") -> Sequence[RowError]:
        """Everything that is wrong with a draft's values; empty when it could be issued today."""
        return self._run(self._core.check(draft, record_id=record_id))

    def issue(self, draft: Draft, *, record_id: str) -> IssuedCredential:
        """Issue one credential; the same record and content again give the same bytes."""
        return self._run(self._core.issue(draft, record_id=record_id))

    def preview_issue(self, draft: Draft, *, record_id: str) -> Decision:
        """The decision that `issue` would rest on now. Changes nothing."""
        return self._run(self._core.preview_issue(draft, record_id=record_id))

    def find(self, record_id: str) -> IssuedCredential | None:
        """What was issued under a record id, from the store alone; None: nothing."""
        return self._run(self._core.find(record_id))

    def revoke(self, record_ids: str | Sequence[str], *, reason: str) -> Receipt:
        """Revoke credentials for good, in one transaction for each status list they stand in."""
        return self._run(self._core.revoke(record_ids, reason=reason))

    def suspend(self, record_ids: str | Sequence[str], *, reason: str) -> Receipt:
        """Suspend credentials; `reinstate` ends it."""
        return self._run(self._core.suspend(record_ids, reason=reason))

    def reinstate(self, record_ids: str | Sequence[str], *, reason: str) -> Receipt:
        """End the suspension of credentials."""
        return self._run(self._core.reinstate(record_ids, reason=reason))

    def change_status(
        self,
        action: Action,
        record_ids: str | Sequence[str],
        *,
        reason: str,
        idempotency_key: bytes | None = None,
    ) -> StatusChangeResult:
        """Any of the three, with all receipts."""
        return self._run(
            self._core.change_status(
                action, record_ids, reason=reason, idempotency_key=idempotency_key
            )
        )

    def preview_status_change(
        self, action: Action, record_ids: str | Sequence[str], *, reason: str
    ) -> StatusChangePreview:
        """What `change_status` would send now. Changes nothing."""
        return self._run(self._core.preview_status_change(action, record_ids, reason=reason))

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(coroutine)
