# SPDX-License-Identifier: Apache-2.0
"""The issuer's private record of what it issued: record id → credential → place in a status list.

It is personal data of the learners, never a ledger thing, and backed up together with its key file
(`sdk.issuer_store_key`). SQLite in WAL mode, synchronous=FULL, file mode 0600.

Rules of this file:
- Nothing a reader without the key could use: rows are sealed, and found through keyed tags. In
  clear stand only what the ledger shows anyway (the issuer, its status lists) and counts.
- Crash-safe order: a place in the status list is reserved, durably, before a credential is signed;
  the credential is stored, durably, before anybody gets it. So a power cut leaves a reserved place
  at worst, which the next try uses; and no place is ever given out twice.
- What the ledger is asked to change is written down first (`plan`), with its idempotency key: after
  a crash the same transaction is sent again and gets its first receipt.
- Several processes may use one store: every change is one BEGIN IMMEDIATE transaction.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from ledger.model.keyfile import SCRYPT_N
from ledger.model.limits import STATUS_LIST_SIZE_MIN
from sdk.errors import CallerError, KeyAccessError, UnavailableError
from sdk.issuer_records import (
    ListPair,
    StatusNote,
    StatusPlan,
    StoredRecord,
    decode_note,
    decode_plan,
    decode_record,
    encode_note,
    encode_plan,
    encode_record,
)
from sdk.issuer_store_file import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    blob,
    damaged,
    is_busy,
    prepare_file,
)
from sdk.issuer_store_key import StoreKey, load_or_create_store_key

BUSY_TIMEOUT_S: Final = 30.0
"""How long one process waits for another's transaction."""
BUSY_PAUSE_S: Final = 0.02
INDEX_TRIES_COUNT_MAX: Final = 256
"""Random places tried; at most half of a list is used, so even 64 would fail once in 10^19."""
LIST_SHARE_USED_MAX: Final = 2
"""A list is left for a new one when 1/LIST_SHARE_USED_MAX of its places are taken."""
PLANS_COUNT_MAX: Final = 1_000
"""Transactions that were begun and not yet finished."""


class IssuerStore:
    """One store file, for one issuer on one network. Thread-safe."""

    def __init__(
        self,
        path: Path,
        *,
        issuer: str,
        chain_id: str,
        passphrase: Callable[[], str] | None = None,
        scrypt_n: int = SCRYPT_N,
    ) -> None:
        """Open a store, or make it.

        Args:
            path: of the SQLite file; the key file lies beside it.
            issuer: DID whose credentials it holds.
            chain_id: of the network; a rebuilt development network is another one.
            passphrase: asked when the key file is encrypted, or to encrypt that of a new store.
            scrypt_n: cost of a new encrypted key file.

        Raises:
            KeyAccessError: STORE_PERMISSIONS, STORE_UNWRITABLE, STORE_DAMAGED, STORE_KEY_MISMATCH,
                STORE_VERSION, and what `load_or_create_store_key` raises.
            CallerError: STORE_OTHER_ISSUER, STORE_OTHER_NETWORK.
            UnavailableError: STORE_BUSY.
        """
        self._path = path
        self._lock = threading.RLock()
        is_new = prepare_file(path)
        self._key: StoreKey = load_or_create_store_key(
            path, passphrase, is_new=is_new, scrypt_n=scrypt_n
        )
        with self._as_sdk_error():
            self._db = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        # An issuer that nobody closed must not leave its file to the interpreter's end.
        self._closing = weakref.finalize(self, self._db.close)
        try:
            with self._as_sdk_error():
                self._set_journal_mode()
                self._db.execute("PRAGMA synchronous = FULL")
            self._open_schema(issuer, chain_id)
        except BaseException:
            self._closing()
            raise

    @property
    def path(self) -> Path:
        return self._path

    def __repr__(self) -> str:
        return f"IssuerStore({str(self._path)!r})"

    def close(self) -> None:
        """Close the file; again is allowed."""
        with self._lock:
            self._closing()

    # ---- records

    def content_hash(self, content: bytes) -> bytes:
        """Keyed hash by which "the same content" is recognised."""
        return self._key.content_hash(content)

    def find(self, record_id: str) -> StoredRecord | None:
        """The record with this id, issued or reserved."""
        tag = self._key.record_tag(record_id)
        with self._lock, self._as_sdk_error():
            return self._read_record(tag)

    def reserve(
        self,
        record_id: str,
        content_hash: bytes,
        template: str,
        credential_id: str,
        pair: ListPair,
    ) -> StoredRecord:
        """Take a random place in the lists of `pair` for a record, durably.

        A record that is issued already is returned as it is; one that was only reserved keeps its
        place and its credential id, and takes the new content.

        Raises:
            CallerError: STATUS_LIST_FULL.
        """
        tag = self._key.record_tag(record_id)
        with self._change():
            known = self._read_record(tag)
            if known is not None:
                if known.is_issued:
                    return known
                kept = replace(known, content_hash=content_hash, template=template)
                self._write_record(tag, kept)
                return kept
            for _ in range(INDEX_TRIES_COUNT_MAX):
                index = secrets.randbelow(pair.size)
                index_tag = self._key.index_tag(pair.revocation_id, index)
                if self._one("SELECT 1 FROM records WHERE index_tag = ?", index_tag) is None:
                    break
            else:
                raise CallerError(
                    "no free place was found in the status lists of this store",
                    code="STATUS_LIST_FULL",
                    remedy="Try again: new status lists are made when half of one is used.",
                )
            made = StoredRecord(
                record_id, content_hash, template, credential_id, pair, index, document=b""
            )
            self._db.execute(
                "INSERT INTO records (tag, index_tag, issued, sealed) VALUES (?, ?, 0, ?)",
                (tag, index_tag, self._seal_record(tag, made)),
            )
            self._db.execute("UPDATE pairs SET used = used + 1 WHERE id = ?", (pair.pair_id,))
            return made

    def complete(self, record: StoredRecord) -> StoredRecord:
        """Store the signed `record.document`, durably; who comes first wins.

        Returns what the store holds now: `record`, or what another process stored before.
        """
        tag = self._key.record_tag(record.record_id)
        with self._change():
            known = self._read_record(tag)
            if known is None or known.credential_id != record.credential_id:
                raise KeyAccessError(
                    "the place reserved for a record is gone: the store was replaced meanwhile",
                    code="STORE_DAMAGED",
                    remedy="Never replace a store that is in use; issue this record again.",
                )
            if known.is_issued:
                return known
            self._write_record(tag, record)
            return record

    def count(self) -> int:
        """Credentials issued."""
        with self._lock, self._as_sdk_error():
            row = self._one("SELECT count(*) FROM records WHERE issued = 1")
        return int(row[0]) if row else 0

    # ---- status lists

    def usable_pair(self) -> ListPair | None:
        """Lists that the ledger holds and that have room, the newest first."""
        with self._lock, self._as_sdk_error():
            return self._find_usable_pair()

    def plan_pair(self, size: int = STATUS_LIST_SIZE_MIN) -> ListPair:
        """Lists that are to be made on the ledger: those planned before, or new random ones.

        When another process has made some meanwhile, those: two processes that find no lists make
        one pair, so that all credentials hide in the same herd.
        """
        with self._change():
            usable = self._find_usable_pair()
            if usable is not None:
                return usable
            row = self._one("SELECT id FROM pairs WHERE created = 0 ORDER BY id")
            if row is not None:
                return self._read_pair(int(row[0]))
            cursor = self._db.execute(
                "INSERT INTO pairs (revocation_id, suspension_id, size) VALUES (?, ?, ?)",
                (_random_uuid(), _random_uuid(), size),
            )
            return self._read_pair(int(cursor.lastrowid or 0))

    def mark_pair_created(self, pair: ListPair) -> ListPair:
        """Remember that the ledger holds both lists."""
        with self._change():
            self._db.execute("UPDATE pairs SET created = 1 WHERE id = ?", (pair.pair_id,))
            return self._read_pair(pair.pair_id)

    # ---- changes of status

    def add_plan(self, plan: StatusPlan) -> StatusPlan:
        """Write a transaction down before it is sent.

        Raises:
            CallerError: PLANS_UNFINISHED.
        """
        with self._change():
            row = self._one("SELECT count(*) FROM plans")
            if row is not None and int(row[0]) >= PLANS_COUNT_MAX:
                raise CallerError(
                    f"{PLANS_COUNT_MAX} transactions of this store are unfinished",
                    code="PLANS_UNFINISHED",
                    remedy="Go on line and repeat the last change: unfinished ones are sent first.",
                )
            cursor = self._db.execute("INSERT INTO plans (sealed) VALUES (x'')")
            kept = replace(plan, plan_id=int(cursor.lastrowid or 0))
            self._db.execute(
                "UPDATE plans SET sealed = ? WHERE id = ?",
                (self._seal_plan(kept), kept.plan_id),
            )
            return kept

    def plans(self) -> list[StatusPlan]:
        """Transactions begun and not finished, oldest first."""
        with self._lock, self._as_sdk_error():
            rows = self._db.execute(
                "SELECT id, sealed FROM plans ORDER BY id LIMIT ?", (PLANS_COUNT_MAX,)
            ).fetchall()
            return [self._open_plan(int(row[0]), blob(row[1])) for row in rows]

    def finish_plan(self, plan: StatusPlan, receipt: Mapping[str, Any], recorded_at: int) -> None:
        """Note the change with each of its records and forget the plan, in one step."""
        with self._change():
            removed = self._db.execute("DELETE FROM plans WHERE id = ?", (plan.plan_id,))
            if removed.rowcount != 1:
                return  # another process finished it
            note = encode_note(StatusNote(plan.action, plan.reason, recorded_at, receipt))
            for record_id in plan.record_ids:
                tag = self._key.record_tag(record_id)
                self._db.execute(
                    "INSERT INTO notes (tag, sealed) VALUES (?, ?)",
                    (tag, self._key.seal(note, b"note" + tag)),
                )

    def drop_plan(self, plan: StatusPlan) -> None:
        """Forget a transaction that the ledger refused."""
        with self._change():
            self._db.execute("DELETE FROM plans WHERE id = ?", (plan.plan_id,))

    def notes(self, record_id: str) -> list[StatusNote]:
        """The changes of a record's status, oldest first."""
        tag = self._key.record_tag(record_id)
        with self._lock, self._as_sdk_error():
            rows = self._db.execute(
                "SELECT sealed FROM notes WHERE tag = ? ORDER BY id", (tag,)
            ).fetchall()
        return [decode_note(self._key.open(blob(row[0]), b"note" + tag)) for row in rows]

    # ---- inside

    def _set_journal_mode(self) -> None:
        # The one statement for which SQLite does not wait while another process opens a new file.
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(BUSY_PAUSE_S)

    def _open_schema(self, issuer: str, chain_id: str) -> None:
        with self._change():
            row = self._one("PRAGMA user_version")
            version = int(row[0]) if row else 0
            if version == 0 and self._one("SELECT 1 FROM sqlite_master") is None:
                self._create_schema(issuer, chain_id)
                return
            application = self._one("PRAGMA application_id")
            if application is None or int(application[0]) != APPLICATION_ID:
                raise damaged(self._path, "it is no issuer's store")
            if version != SCHEMA_VERSION:
                raise KeyAccessError(
                    f"{self._path} has layout {version}, this release knows {SCHEMA_VERSION}",
                    code="STORE_VERSION",
                    remedy="Use the release that wrote the store, or a newer one.",
                )
            meta = {
                str(name): bytes(value)
                for name, value in self._db.execute("SELECT name, value FROM meta")
            }
        if meta.get("store_id") != self._key.store_id:
            raise KeyAccessError(
                f"the key file beside {self._path} is of another store",
                code="STORE_KEY_MISMATCH",
                remedy="Restore the store and its .key file together from one backup.",
            )
        self._key.open(meta.get("check", b""), b"check")
        if meta.get("chain_id") != chain_id.encode():
            raise CallerError(
                f"{self._path} was made for another network or for one that was rebuilt",
                code="STORE_OTHER_NETWORK",
                remedy="Give another --store FILE, or choose the network it was made for.",
            )
        if meta.get("issuer") != issuer.encode():
            raise CallerError(
                f"{self._path} belongs to another issuer",
                code="STORE_OTHER_ISSUER",
                remedy="Give each issuer a store of its own.",
            )

    def _create_schema(self, issuer: str, chain_id: str) -> None:
        for statement in SCHEMA.split(";"):
            self._db.execute(statement)
        meta = {
            "store_id": self._key.store_id,
            "check": self._key.seal(b"", b"check"),
            "issuer": issuer.encode(),
            "chain_id": chain_id.encode(),
        }
        self._db.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
        self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _one(self, query: str, *parameters: object) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self._db.execute(query, parameters).fetchone()
        return row

    def _find_usable_pair(self) -> ListPair | None:
        row = self._one(
            "SELECT id FROM pairs WHERE created = 1 AND used * ? < size ORDER BY id DESC",
            LIST_SHARE_USED_MAX,
        )
        return None if row is None else self._read_pair(int(row[0]))

    def _read_pair(self, pair_id: int) -> ListPair:
        row = self._one(
            "SELECT revocation_id, suspension_id, size, created FROM pairs WHERE id = ?", pair_id
        )
        if row is None:
            raise damaged(self._path, "status lists are missing from it")
        return ListPair(pair_id, blob(row[0]), blob(row[1]), int(row[2]), bool(row[3]))

    def _read_record(self, tag: bytes) -> StoredRecord | None:
        row = self._one("SELECT sealed, issued FROM records WHERE tag = ?", tag)
        if row is None:
            return None
        plain = self._key.open(blob(row[0]), b"record" + tag)
        record = decode_record(plain, self._read_pair)
        if bool(row[1]) != record.is_issued:
            raise damaged(self._path, "a row was changed")
        return record

    def _write_record(self, tag: bytes, record: StoredRecord) -> None:
        self._db.execute(
            "UPDATE records SET sealed = ?, issued = ? WHERE tag = ?",
            (self._seal_record(tag, record), int(record.is_issued), tag),
        )

    def _seal_record(self, tag: bytes, record: StoredRecord) -> bytes:
        return self._key.seal(encode_record(record), b"record" + tag)

    def _seal_plan(self, plan: StatusPlan) -> bytes:
        return self._key.seal(encode_plan(plan), _plan_context(plan.plan_id))

    def _open_plan(self, plan_id: int, sealed: bytes) -> StatusPlan:
        return decode_plan(plan_id, self._key.open(sealed, _plan_context(plan_id)))

    @contextmanager
    def _change(self) -> Generator[None]:
        """One durable transaction, alone in the file: all of it or nothing."""
        with self._lock, self._as_sdk_error():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _as_sdk_error(self) -> Generator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            # Without a code of SQLite's the Python module could not read what a row holds.
            if not hasattr(error, "sqlite_errorcode"):
                raise damaged(self._path, "a row was changed") from error
            if is_busy(error):
                raise UnavailableError(
                    f"another process holds {self._path}",
                    code="STORE_BUSY",
                    remedy="Wait until the other process is done, then try again.",
                ) from error
            raise KeyAccessError(
                f"cannot use {self._path}: {error}",
                code="STORE_UNWRITABLE",
                remedy="Check the disk, the directory and who owns the file.",
            ) from error
        except sqlite3.ProgrammingError as error:
            raise CallerError(
                f"{self._path} is closed", code="STORE_CLOSED", remedy="Make a new Issuer."
            ) from error
        except sqlite3.DatabaseError as error:
            raise damaged(self._path, str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _plan_context(plan_id: int) -> bytes:
    return b"plan" + plan_id.to_bytes(8, "big")


def _random_uuid() -> bytes:
    """A random UUID (RFC 9562 §5.4) of `secrets`' randomness."""
    value = bytearray(secrets.token_bytes(16))
    value[6] = value[6] & 0x0F | 0x40
    value[8] = value[8] & 0x3F | 0x80
    return bytes(value)
