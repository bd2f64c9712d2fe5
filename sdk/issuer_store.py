# SPDX-License-Identifier: Apache-2.0
"""The issuer's private record of what it issued: record id → credential → place in a status list.

It is personal data of the learners, never a ledger thing, and backed up together with its key file
(`sdk.issuer_store_key`). SQLite in WAL mode, synchronous=FULL, file mode 0600.

Rules of this file:
- Nothing a reader without the key could use: rows are sealed, and found through keyed tags. In
  clear stand only what the ledger shows anyway (the issuer, its status lists) and counts.
- Crash-safe order: a place in the status list is reserved, durably, before a credential is signed;
  the credential is stored, durably, before anybody gets it. So a power cut leaves a reserved place
  at worst, which the next try uses.
- No place is ever given out twice, though the file may be restored from a backup or copied: lists of
  which the store may not know everything any more are left for new ones. It leaves them when
  STORE.here does not fit (`sdk.issuer_store_place`), and when the ledger shows a change of them that
  it did not make. Only places in lists that are in use are given out.
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
    UPGRADES,
    as_store_error,
    blob,
    damaged,
    is_busy,
    prepare_file,
)
from sdk.issuer_store_key import StoreKey, load_or_create_store_key
from sdk.issuer_store_lists import PairTable
from sdk.issuer_store_place import StorePlace

BUSY_TIMEOUT_S: Final = 30.0
"""How long one process waits for another's transaction."""
BUSY_PAUSE_S: Final = 0.02
INDEX_TRIES_COUNT_MAX: Final = 256
"""Random places tried; at most half of a list is used, so even 64 would fail once in 10^19."""
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
        with as_store_error(self._path):
            self._db = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        self._place = StorePlace(path, self._key.store_id)
        self._pairs = PairTable(self._db, path, self._place)
        # An issuer that nobody closed must not leave its file to the interpreter's end.
        self._closing = weakref.finalize(self, self._db.close)
        try:
            with as_store_error(self._path):
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
        with self._lock, as_store_error(self._path):
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
        place and its credential id, and takes the new content; but when its lists are not those of
        `pair`, it gets a new place: in an older copy of the store it may have been issued.

        Raises:
            CallerError: STATUS_LIST_FULL.
            UnavailableError: STATUS_LIST_LEFT: `pair` is no longer in use.
        """
        tag = self._key.record_tag(record_id)
        with self._change():
            known = self._read_record(tag)
            if known is not None and known.is_issued:
                return known
            if not self._pairs.may_reserve(pair):
                raise UnavailableError(
                    "the status lists of this store were left for new ones meanwhile",
                    code="STATUS_LIST_LEFT",
                    remedy="Try again: new status lists are made.",
                )
            if known is not None and known.pair.pair_id == pair.pair_id:
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
            self._pairs.count_place(pair)
            self._db.execute(
                "INSERT INTO records (tag, index_tag, issued, sealed) VALUES (?, ?, 0, ?)"
                " ON CONFLICT (tag) DO UPDATE SET index_tag = excluded.index_tag,"
                " sealed = excluded.sealed",
                (tag, index_tag, self._seal_record(tag, made)),
            )
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
            self._pairs.count_step()
            self._write_record(tag, record)
            return record

    def count(self) -> int:
        """Credentials issued."""
        with self._lock, as_store_error(self._path):
            row = self._one("SELECT count(*) FROM records WHERE issued = 1")
        return int(row[0]) if row else 0

    # ---- status lists

    def usable_pair(self) -> ListPair | None:
        """Lists that the ledger holds and that have room, the newest first."""
        with self._lock, as_store_error(self._path):
            return self._pairs.find_usable()

    def plan_pair(self, size: int = STATUS_LIST_SIZE_MIN) -> ListPair:
        """Lists that are to be made on the ledger: those planned before, or new random ones.

        When another process has made some meanwhile, those: two processes that find no lists make
        one pair, so that all credentials hide in the same herd.
        """
        with self._change():
            usable = self._pairs.find_usable()
            if usable is not None:
                return usable
            return self._pairs.plan(size)

    def mark_pair_created(self, pair: ListPair) -> ListPair:
        """Remember that the ledger holds both lists."""
        with self._change():
            return self._pairs.mark_created(pair)

    def confirm_pair(self, pair: ListPair, revocation: int, suspension: int) -> bool:
        """Whether the store knows every credential in these lists, so that it may add one.

        If not, all lists of the store are left; when these were left before, nothing changes.

        Args:
            pair: lists that are in use.
            revocation: the version of the revocation list on the ledger.
            suspension: that of the suspension list.
        """
        with self._change():
            if not self._pairs.is_in_use(pair):
                return False
            if (
                self._pairs.may_reserve(pair)
                and self._is_own_version(pair.revocation_id, revocation)
                and self._is_own_version(pair.suspension_id, suspension)
            ):
                return True
            self._pairs.leave_all()
            return False

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
            if not self._is_own_version(plan.list_id, plan.base_version):
                self._pairs.leave_all()
            cursor = self._db.execute("INSERT INTO plans (sealed) VALUES (x'')")
            kept = replace(plan, plan_id=int(cursor.lastrowid or 0))
            self._db.execute(
                "UPDATE plans SET sealed = ? WHERE id = ?",
                (self._seal_plan(kept), kept.plan_id),
            )
            return kept

    def plans(self) -> list[StatusPlan]:
        """Transactions begun and not finished, oldest first."""
        with self._lock, as_store_error(self._path):
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
            self._pairs.note_version(plan.list_id, plan.base_version + 1)
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
        with self._lock, as_store_error(self._path):
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
            if not 1 <= version <= SCHEMA_VERSION:
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

        with self._change():
            row = self._one("PRAGMA user_version")
            for layout in range(int(row[0]) if row else 0, SCHEMA_VERSION):
                self._run_script(UPGRADES[layout], layout + 1)

    def _create_schema(self, issuer: str, chain_id: str) -> None:
        self._run_script(SCHEMA, SCHEMA_VERSION)
        meta = {
            "store_id": self._key.store_id,
            "check": self._key.seal(b"", b"check"),
            "issuer": issuer.encode(),
            "chain_id": chain_id.encode(),
        }
        self._db.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
        self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._place.write(0)

    def _run_script(self, script: str, version: int) -> None:
        for statement in script.split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {version}")

    def _is_own_version(self, list_id: bytes, version: int) -> bool:
        return self._pairs.is_own_version(list_id, version, self.plans())

    def _one(self, query: str, *parameters: object) -> Sequence[Any] | None:
        row: Sequence[Any] | None = self._db.execute(query, parameters).fetchone()
        return row

    def _read_record(self, tag: bytes) -> StoredRecord | None:
        row = self._one("SELECT sealed, issued FROM records WHERE tag = ?", tag)
        if row is None:
            return None
        plain = self._key.open(blob(row[0]), b"record" + tag)
        record = decode_record(plain, self._pairs.read)
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
        with self._lock, as_store_error(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _plan_context(plan_id: int) -> bytes:
    return b"plan" + plan_id.to_bytes(8, "big")
