# SPDX-License-Identifier: Apache-2.0
"""The status lists of an issuer's store, in pairs: which are in use, and which are left for good.

Every method is called inside a transaction of the store, or to read.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sdk.issuer_records import ListPair, StatusPlan
from sdk.issuer_store_file import blob, damaged
from sdk.issuer_store_place import StorePlace

LIST_SHARE_USED_MAX: Final = 2
"""A list is left for a new one when 1/LIST_SHARE_USED_MAX of its places are taken."""
_STEPS: Final = "steps"
_STEPS_SIZE: Final = 8
PLANNED: Final = 0
IN_USE: Final = 1
LEFT: Final = 2
"""States of a pair of lists. One that was left gives out no place; what was issued stays in it."""


class PairTable:
    """The pairs of one store."""

    def __init__(self, db: sqlite3.Connection, path: Path, place: StorePlace) -> None:
        self._db = db
        self._path = path
        self._place = place

    def read(self, pair_id: int) -> ListPair:
        """Raises KeyAccessError STORE_DAMAGED when there is none."""
        row = self._one(
            "SELECT revocation_id, suspension_id, size, created FROM pairs WHERE id = ?", pair_id
        )
        if row is None:
            raise damaged(self._path, "status lists are missing from it")
        return ListPair(pair_id, blob(row[0]), blob(row[1]), int(row[2]), bool(row[3]))

    def find_usable(self) -> ListPair | None:
        """The newest pair that is in use and has room."""
        row = self._one(
            "SELECT id FROM pairs WHERE created = ? AND used * ? < size ORDER BY id DESC",
            IN_USE,
            LIST_SHARE_USED_MAX,
        )
        return None if row is None else self.read(int(row[0]))

    def plan(self, size: int) -> ListPair:
        """A pair to be made on the ledger: that planned before, or a new one."""
        if not self._place.is_here(self._count_steps()):
            self.leave_all()
        row = self._one("SELECT id FROM pairs WHERE created = ? ORDER BY id", PLANNED)
        if row is not None:
            return self.read(int(row[0]))
        cursor = self._db.execute(
            "INSERT INTO pairs (revocation_id, suspension_id, size) VALUES (?, ?, ?)",
            (_random_uuid(), _random_uuid(), size),
        )
        return self.read(int(cursor.lastrowid or 0))

    def mark_created(self, pair: ListPair) -> ListPair:
        """Take a planned pair into use; one that was left meanwhile stays so."""
        self._db.execute(
            "UPDATE pairs SET created = ? WHERE id = ? AND created = ?",
            (IN_USE, pair.pair_id, PLANNED),
        )
        return self.read(pair.pair_id)

    def may_reserve(self, pair: ListPair) -> bool:
        """Whether the pair is in use, and the store is where it was and as new as it was."""
        return self.is_in_use(pair) and self._place.is_here(self._count_steps())

    def is_in_use(self, pair: ListPair) -> bool:
        """Whether the pair gives out places."""
        row = self._one("SELECT created FROM pairs WHERE id = ?", pair.pair_id)
        return row is not None and int(row[0]) == IN_USE

    def count_place(self, pair: ListPair) -> None:
        """Count a place of the pair as taken."""
        self.count_step()
        self._db.execute("UPDATE pairs SET used = used + 1 WHERE id = ?", (pair.pair_id,))

    def count_step(self) -> None:
        """Count a step that an older copy knows nothing of: first in STORE.here, which never lags."""
        count = self._count_steps() + 1
        self._place.write(count)
        self._db.execute(
            "INSERT INTO meta (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (_STEPS, count.to_bytes(_STEPS_SIZE, "big")),
        )

    def leave_all(self) -> None:
        """Give out no more places in the lists there are, planned ones included."""
        self._db.execute("UPDATE pairs SET created = ?", (LEFT,))
        self._place.write(self._count_steps())

    def is_own_version(self, list_id: bytes, version: int, plans: Sequence[StatusPlan]) -> bool:
        """Whether every change up to a version of a list in use was made from this store.

        Of a list that was left nothing matters any more. `plans` are its unfinished transactions: such a one may be on the ledger already.
        """
        row = self._one(
            "SELECT revocation_seen, created FROM pairs WHERE revocation_id = ?"
            " UNION ALL SELECT suspension_seen, created FROM pairs WHERE suspension_id = ?",
            list_id,
            list_id,
        )
        if row is None:
            return False
        seen, state = int(row[0]), int(row[1])
        if state == LEFT or version <= seen:
            return True
        return any(plan.list_id == list_id and version <= plan.base_version + 1 for plan in plans)

    def note_version(self, list_id: bytes, version: int) -> None:
        """Remember a version of a list that this store made."""
        self._db.execute(
            "UPDATE pairs SET revocation_seen = max(revocation_seen, ?) WHERE revocation_id = ?",
            (version, list_id),
        )
        self._db.execute(
            "UPDATE pairs SET suspension_seen = max(suspension_seen, ?) WHERE suspension_id = ?",
            (version, list_id),
        )

    def _count_steps(self) -> int:
        """Places reserved and credentials stored, ever."""
        row = self._one("SELECT value FROM meta WHERE name = ?", _STEPS)
        return 0 if row is None else int.from_bytes(blob(row[0]), "big")

    def _one(self, query: str, *parameters: object) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self._db.execute(query, parameters).fetchone()
        return row


def _random_uuid() -> bytes:
    """A random UUID (RFC 9562 §5.4) of `secrets`' randomness."""
    value = bytearray(secrets.token_bytes(16))
    value[6] = value[6] & 0x0F | 0x40
    value[8] = value[8] & 0x3F | 0x80
    return bytes(value)
