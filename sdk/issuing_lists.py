# SPDX-License-Identifier: Apache-2.0
"""The status lists in which an issuer's next credential stands: found, confirmed, or made on the ledger.

`sdk.issuer_store` says which lists the store trusts; here the ledger is asked and written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from ledger.model import operations as model
from ledger.model import schema
from ledger.model.receipts import ReceiptCode
from ledger.model.records import StatusListRecord
from sdk.errors import RefusedError, UnavailableError
from sdk.issuer_records import ListPair
from sdk.issuer_store import IssuerStore
from sdk.issuing_client import IssuingClient
from sdk.reader import StateView

_NO_LIST: Final = -1
_PAIR_TRIES_COUNT_MAX: Final = 4
"""Pairs of lists looked at or made before giving up: the second is new already."""
_CREATE_KEY_TAG: Final = b"psetledger/create-status-list/v1"


class ListKeeper:
    """The lists of one store."""

    def __init__(
        self, client: IssuingClient, store: IssuerStore, did: str, making: asyncio.Lock
    ) -> None:
        """Args: did: of the issuer, who owns the lists; making: held while lists are made."""
        self._client = client
        self._store = store
        self._did = did
        self._making = making

    async def confirm(self, held: ListPair | None, versions: tuple[int, ...]) -> ListPair:
        """Status lists with room, all of whose credentials the store knows; made when there are none.

        `versions` are those of `held`, read before.
        """
        if held is not None and await asyncio.to_thread(self._store.confirm_pair, held, *versions):
            return held
        async with self._making:
            for _ in range(_PAIR_TRIES_COUNT_MAX):
                pair = await asyncio.to_thread(self._store.usable_pair)
                if pair is None:
                    pair = await asyncio.to_thread(self._store.plan_pair)
                versions = await self._ensure_lists(pair)
                if not pair.is_created:
                    pair = await asyncio.to_thread(self._store.mark_pair_created, pair)
                if await asyncio.to_thread(self._store.confirm_pair, pair, *versions):
                    return pair
        raise UnavailableError(
            "the status lists of this store were changed by others each time",
            code="STATUS_LIST_BUSY",
            remedy="Try again; one store is better used on one machine.",
        )

    async def _ensure_lists(self, pair: ListPair) -> tuple[int, ...]:
        """Make the lists that the ledger does not hold yet; the versions of both."""
        keys = list_keys(self._did, pair)
        versions = (await self._client.reader.ask(lambda view: read_versions(view, keys))).value
        purposes = (model.StatusPurpose.REVOCATION, model.StatusPurpose.SUSPENSION)
        ids = (pair.revocation_id, pair.suspension_id)
        for list_id, purpose, version in zip(ids, purposes, versions, strict=True):
            if version == _NO_LIST:
                await self._create_list(list_id, purpose, pair.size)
        return tuple(max(version, 0) for version in versions)

    async def _create_list(self, list_id: bytes, purpose: model.StatusPurpose, size: int) -> None:
        operation = model.CreateStatusList(list_id=list_id, purpose=purpose, bits=1, size=size)
        try:
            await self._client.submit(
                operation, idempotency_key=sha256(_CREATE_KEY_TAG + list_id).digest()[:16]
            )
        except RefusedError as error:
            # By a process that was stopped, or by another one that shares the store.
            if error.code != ReceiptCode.STATUS_LIST_EXISTS.name:
                raise


def list_keys(did: str, pair: ListPair) -> tuple[bytes, ...]:
    """Where the ledger holds both lists: revocation, suspension."""
    return tuple(
        schema.status_list_key(did, list_id) for list_id in (pair.revocation_id, pair.suspension_id)
    )


def read_versions(view: StateView, keys: Sequence[bytes]) -> tuple[int, ...]:
    """The versions of status lists, _NO_LIST for one that the ledger does not hold."""
    records = view.records(StatusListRecord, keys)
    return tuple(_NO_LIST if record is None else record.version for record in records)
