# SPDX-License-Identifier: Apache-2.0
"""The issuer's store: crash-safe order, two processes at once, nothing personal in clear."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.model.keyfile import SCRYPT_N_MIN
from sdk.errors import CallerError, KeyAccessError, PsetError
from sdk.issuer_records import ListPair, StatusPlan, StoredRecord
from sdk.issuer_store import IssuerStore
from sdk.issuer_store_key import key_path

ISSUER = "did:pset:test:3vQB7B6MrGQZaxCuFg4oh"
CHAIN = "test:0123456789abcdef"
CREDENTIAL = "urn:uuid:00000000-0000-4000-8000-000000000001"


def open_store(path: Path, passphrase: str | None = None, **changes: str) -> IssuerStore:
    arguments = {"issuer": ISSUER, "chain_id": CHAIN} | changes
    asked: Callable[[], str] | None = None if passphrase is None else lambda: passphrase
    return IssuerStore(path, passphrase=asked, scrypt_n=SCRYPT_N_MIN, **arguments)


def made_pair(store: IssuerStore) -> ListPair:
    pair = store.usable_pair()
    if pair is not None and store.confirm_pair(pair, 0, 0):
        return pair
    return store.mark_pair_created(store.plan_pair())


def reserve(store: IssuerStore, record_id: str = "S1/2026", content: bytes = b"x") -> StoredRecord:
    return store.reserve(
        record_id,
        store.content_hash(content),
        "statement-of-results@1",
        CREDENTIAL,
        made_pair(store),
    )


def issue(store: IssuerStore, record_id: str = "S1/2026", document: bytes = b"{}") -> StoredRecord:
    return store.complete(replace(reserve(store, record_id), document=document))


def plan_of(record: StoredRecord) -> StatusPlan:
    return StatusPlan(
        plan_id=0,
        action="revoke",
        reason="fraud-finding",
        list_id=record.pair.revocation_id,
        base_version=0,
        changes=((record.status_index, 1),),
        idempotency_key=b"k" * 16,
        record_ids=(record.record_id,),
    )


class Drawn:
    """Random numbers in an order of the test's choice."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = iter(numbers)

    def __call__(self, below: int) -> int:
        return next(self._numbers)


def all_bytes(path: Path) -> bytes:
    files = sorted(path.parent.glob(f"{path.name}*"))
    return b"".join(file.read_bytes() for file in files if file != key_path(path))


def test_what_is_stored_comes_back_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path) as store:
        issued = issue(store, document=b'{"a":1}')
        assert store.count() == 1
    with open_store(path) as store:
        assert store.find("S1/2026") == issued
        assert store.find("S2/2026") is None


def test_an_issued_record_is_never_written_over(tmp_path: Path) -> None:
    with open_store(tmp_path / "issuer.db") as store:
        first = issue(store, document=b"first")
        again = reserve(store, content=b"other")
        assert again == first
        assert store.complete(replace(first, document=b"second")) == first
        assert store.find("S1/2026") == first


def test_a_reserved_place_is_kept_for_its_record_and_takes_new_content(tmp_path: Path) -> None:
    with open_store(tmp_path / "issuer.db") as store:
        first = reserve(store, content=b"one")
        second = reserve(store, content=b"two")
        assert (second.status_index, second.credential_id) == (
            first.status_index,
            first.credential_id,
        )
        assert second.content_hash != first.content_hash


def test_places_are_random_and_unique(tmp_path: Path) -> None:
    with open_store(tmp_path / "issuer.db") as store:
        indexes = [reserve(store, f"S{n}").status_index for n in range(60)]
    assert len(set(indexes)) == 60
    assert indexes != sorted(indexes)
    assert max(indexes) > 60


def test_a_taken_place_is_not_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdk.issuer_store.secrets.randbelow", Drawn(7, 7, 7, 9))
    with open_store(tmp_path / "issuer.db") as store:
        assert reserve(store, "S1").status_index == 7
        assert reserve(store, "S2").status_index == 9


def test_no_free_place_is_an_error_and_reserves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdk.issuer_store.secrets.randbelow", Drawn(*[7] * 1000))
    with open_store(tmp_path / "issuer.db") as store:
        reserve(store, "S1")
        with pytest.raises(CallerError) as caught:
            reserve(store, "S2")
        assert caught.value.code == "STATUS_LIST_FULL"
        assert store.find("S2") is None


def test_half_used_lists_are_left_for_new_ones(tmp_path: Path) -> None:
    with open_store(tmp_path / "issuer.db") as store:
        small = store.mark_pair_created(store.plan_pair(size=4))
        for number in range(2):
            assert store.usable_pair() == small
            store.reserve(f"S{number}", b"h", "t@1", CREDENTIAL, small)
        assert store.usable_pair() is None
        assert store.plan_pair().pair_id != small.pair_id


def test_planned_lists_are_the_same_until_they_exist(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path) as store:
        planned = store.plan_pair()
        assert store.usable_pair() is None
    with open_store(path) as store:
        assert store.plan_pair() == planned
        assert store.mark_pair_created(planned).is_created
        assert store.usable_pair() == replace(planned, is_created=True)
        assert store.plan_pair() == replace(planned, is_created=True), "made meanwhile"


def test_plans_survive_and_are_finished_once(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path) as store:
        kept = store.add_plan(plan_of(issue(store)))
    with open_store(path) as store:
        assert store.plans() == [kept]
        store.finish_plan(kept, {"height": 7}, 1_000)
        store.finish_plan(kept, {"height": 7}, 1_000)
        assert store.plans() == []
        notes = store.notes("S1/2026")
        assert [(note.action, note.reason, note.receipt) for note in notes] == [
            ("revoke", "fraud-finding", {"height": 7})
        ]


def test_a_dropped_plan_leaves_no_note(tmp_path: Path) -> None:
    with open_store(tmp_path / "issuer.db") as store:
        store.drop_plan(store.add_plan(plan_of(issue(store))))
        assert store.plans() == []
        assert store.notes("S1/2026") == []


def test_unfinished_plans_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdk.issuer_store.PLANS_COUNT_MAX", 2)
    with open_store(tmp_path / "issuer.db") as store:
        record = issue(store)
        for _ in range(2):
            store.add_plan(plan_of(record))
        with pytest.raises(CallerError) as caught:
            store.add_plan(plan_of(record))
        assert caught.value.code == "PLANS_UNFINISHED"
        assert len(store.plans()) == 2


def test_nothing_personal_is_in_the_files(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    document = b'{"given_name":"Thandeka","family_name":"Mokoena"}'
    with open_store(path) as store:
        record = issue(store, "S1234567/2026-1", document)
        store.add_plan(replace(plan_of(record), record_ids=("S1234567/2026-1",)))
        store.finish_plan(store.plans()[0], {"transaction_id": "aa"}, 1)
        store.add_plan(plan_of(record))
        for content in (all_bytes(path),):
            for word in (
                b"Thandeka",
                b"Mokoena",
                b"S1234567",
                b"given_name",
                b"fraud",
                b"statement-of-results",
                CREDENTIAL.encode(),
            ):
                assert word not in content
    assert b"Mokoena" not in all_bytes(path)
    # The control: the same search finds what does stand there in clear.
    assert ISSUER.encode() in all_bytes(path)


def test_all_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path) as store:
        issue(store)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes.keys() >= {"issuer.db", "issuer.db.key", "issuer.db-wal"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("name", ["issuer.db", "issuer.db.key"])
def test_files_open_to_others_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "issuer.db"
    open_store(path).close()
    before = path.read_bytes()
    (tmp_path / name).chmod(0o640)
    with pytest.raises(KeyAccessError) as caught:
        open_store(path)
    assert caught.value.code in {"STORE_PERMISSIONS", "KEY_FILE_PERMISSIONS"}
    assert "chmod 600" in caught.value.remedy
    assert path.read_bytes() == before


def test_the_passphrase_opens_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path, "correct horse") as store:
        issued = issue(store)
    assert b"correct" not in key_path(path).read_bytes()
    with open_store(path, "correct horse") as store:
        assert store.find("S1/2026") == issued
    for given, code in (("wrong", "PASSPHRASE_WRONG"), (None, "PASSPHRASE_NEEDED")):
        with pytest.raises(KeyAccessError) as caught:
            open_store(path, given)
        assert caught.value.code == code
    with pytest.raises(CallerError) as unusable:
        open_store(path, "")
    assert unusable.value.code == "PASSPHRASE_UNUSABLE"


def test_a_changed_key_file_does_not_open(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path, "correct horse") as store:
        issue(store)
    good = key_path(path).read_bytes()
    for changed, code in (
        (good.replace(b'"p": 1', b'"p": 900'), "STORE_KEY_MALFORMED"),
        (good.replace(b"psetledger-store-key/1", b"psetledger-store-key/2"), "STORE_KEY_MALFORMED"),
        (good[:-20], "STORE_KEY_MALFORMED"),
        (b"[" * 100_000, "STORE_KEY_MALFORMED"),
        (b"{}", "STORE_KEY_MALFORMED"),
    ):
        key_path(path).write_bytes(changed)
        with pytest.raises(KeyAccessError) as caught:
            open_store(path, "correct horse")
        assert caught.value.code == code


def test_without_its_key_file_the_store_is_not_read_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path) as store:
        issue(store)
    before = path.read_bytes()
    key_path(path).unlink()
    with pytest.raises(KeyAccessError) as caught:
        open_store(path)
    assert caught.value.code == "STORE_KEY_MISSING"
    assert path.read_bytes() == before
    assert not key_path(path).exists()


def test_the_key_file_of_another_store_is_refused(tmp_path: Path) -> None:
    path, other = tmp_path / "issuer.db", tmp_path / "other.db"
    open_store(path).close()
    open_store(other).close()
    key_path(path).write_bytes(key_path(other).read_bytes())
    with pytest.raises(KeyAccessError) as caught:
        open_store(path)
    assert caught.value.code == "STORE_KEY_MISMATCH"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": "did:pset:test:other"}, "STORE_OTHER_ISSUER"),
        ({"chain_id": "test:fedcba9876543210"}, "STORE_OTHER_NETWORK"),
    ],
)
def test_a_store_serves_one_issuer_on_one_network(
    tmp_path: Path, changes: dict[str, str], code: str
) -> None:
    path = tmp_path / "issuer.db"
    open_store(path).close()
    with pytest.raises(CallerError) as caught:
        open_store(path, **changes)
    assert caught.value.code == code


def edit(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET sealed = zeroblob(length(sealed))",
        "UPDATE records SET sealed = substr(sealed, 1, length(sealed) - 1) || x'00'",
        "UPDATE records SET sealed = CAST(substr(sealed, 2) AS BLOB)",
        "UPDATE records SET sealed = 'text'",
        "UPDATE records SET sealed = x'00'",
        "UPDATE records SET issued = 0",
        # A row in the place of another.
        "UPDATE records SET sealed = (SELECT sealed FROM records AS o WHERE o.tag <> records.tag)",
        "DELETE FROM pairs",
    ],
)
def test_a_changed_row_is_found_out(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path) as store:
        issue(store, "S1")
        issue(store, "S2", b"other")
    edit(path, statement)
    with open_store(path) as store, pytest.raises(KeyAccessError) as caught:
        store.find("S1")
    assert caught.value.code == "STORE_DAMAGED"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"not a database, but long enough to be read as one" * 100, "STORE_DAMAGED")],
)
def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "issuer.db"
    open_store(path).close()
    path.write_bytes(content)
    with pytest.raises(KeyAccessError) as caught:
        open_store(path)
    assert caught.value.code == code
    assert path.read_bytes() == content


def test_a_foreign_sqlite_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    open_store(path).close()
    path.unlink()
    path.touch(mode=0o600)
    edit(path, "CREATE TABLE cats (name TEXT)")
    with pytest.raises(KeyAccessError) as caught:
        open_store(path)
    assert caught.value.code == "STORE_DAMAGED"


def test_a_later_layout_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    open_store(path).close()
    edit(path, "PRAGMA user_version = 3")
    with pytest.raises(KeyAccessError) as caught:
        open_store(path)
    assert caught.value.code == "STORE_VERSION"


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path / "issuer.db")
    store.close()
    store.close()
    with pytest.raises(CallerError) as caught:
        store.find("S1")
    assert caught.value.code == "STORE_CLOSED"


def test_a_directory_or_missing_directory_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "issuer.db"):
        with pytest.raises(PsetError) as caught:
            open_store(path)
        assert caught.value.code == "STORE_UNWRITABLE"


# ---- several processes

_PRELUDE = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = {path!r}
from sdk.issuer_store import IssuerStore
import sdk.issuer_store as module
def go():
    store = IssuerStore(Path({store!r}), issuer={issuer!r}, chain_id={chain!r})
    pair = store.usable_pair() or store.mark_pair_created(store.plan_pair())
    def reserve(name):
        return store.reserve(name, store.content_hash(b"x"), "t@1", "urn:" + name, pair)
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
"""


def start(store: Path, body: str) -> subprocess.Popen[bytes]:
    prelude = _PRELUDE.format(path=sys.path, store=str(store), issuer=ISSUER, chain=CHAIN)
    code = prelude + "".join(f"    {line}\n" for line in body.splitlines()) + "go()\n"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


_DIE_WHILE_STORING = """
signed = replace(reserve('S1'), document=b'd')
store._write_record = lambda *a: die()
store.complete(signed)
""".strip()


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
@pytest.mark.parametrize(
    ("step", "issued"),
    [
        ("module.secrets.randbelow = lambda size: die()\nreserve('S1')", None),
        ("reserve('S1')\ndie()", False),
        (_DIE_WHILE_STORING, False),
        ("store.complete(replace(reserve('S1'), document=b'signed'))\ndie()", True),
    ],
    ids=["before reserving", "after reserving", "before storing", "after storing"],
)
def test_a_kill_between_two_steps_loses_nothing(
    tmp_path: Path, step: str, issued: bool | None
) -> None:
    path = tmp_path / "issuer.db"
    process = start(path, step)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    with open_store(path) as store:
        found = store.find("S1")
        assert (found.is_issued if found else None) is issued
        again = reserve(store, "S1")
        if found:
            # After a cut at the very moment of storing nobody knows whether it was handed out.
            assert (again.pair != found.pair) is (step == _DIE_WHILE_STORING)
        if found and again.pair == found.pair:
            assert again.status_index == found.status_index
        done = store.complete(replace(again, document=b"later") if not issued else again)
        assert done.document == (b"signed" if issued else b"later")


def test_two_processes_share_a_new_store(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    body = """
module.secrets.randbelow = lambda size, draw=iter(range(10**6)): next(draw)
for n in range(25):
    r = reserve(f"{name}{n}")
    store.complete(replace(r, document=b"d"))
    print(r.status_index, r.pair.pair_id)
# Both issue the same record: one document for both.
shared = store.complete(replace(reserve("shared"), document=name.encode()))
print(shared.document.decode())
"""
    processes = [start(path, f"name = {name!r}\n" + body.strip()) for name in "ab"]
    outputs = [process.communicate(timeout=120)[0].decode().split("\n") for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    places = [line for output in outputs for line in output[:25]]
    assert len(set(places)) == 50
    assert {place.split()[1] for place in places} == {"1"}
    assert outputs[0][25] == outputs[1][25] in {"a", "b"}
    with open_store(path) as store:
        assert store.count() == 51
