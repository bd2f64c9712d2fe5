# SPDX-License-Identifier: Apache-2.0
"""No place in a status list is used twice: stores restored from a backup, copied, cut, upgraded."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from ledger.model.operations import UpdateStatusList
from sdk.aio_issuer import Issuer
from sdk.drafts import IssuedCredential
from sdk.errors import PsetError, UnavailableError
from sdk.issuer_records import ListPair, StoredRecord
from sdk.issuer_store import IssuerStore
from sdk.issuer_store_key import key_path
from sdk.issuer_store_place import place_path
from tests.support.registrar import Desk, run

OTHER = "OTHER"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def copy_of(path: Path, directory: Path, *, with_place: bool = False) -> Path:
    """A backup of a store that is closed."""
    directory.mkdir(exist_ok=True)
    files = [path, key_path(path), *([place_path(path)] if with_place else [])]
    for file in files:
        shutil.copy(file, directory / file.name)
    return directory / path.name


def put_back(backup: Path, path: Path, *, with_place: bool = False) -> None:
    """Write a backup over a store, into the same files."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(backup.read_bytes())
    if with_place:
        place_path(path).write_bytes(place_path(backup).read_bytes())


def issue_at(
    desk: Desk,
    index: int,
    record_id: str,
    monkeypatch: pytest.MonkeyPatch,
    path: Path | None = None,
) -> IssuedCredential:
    """Issue with the dice falling on a place; a taken one counts on."""
    drawn = iter(range(index, index + 100))

    def draw(_: int) -> int:
        return next(drawn)

    with monkeypatch.context() as patch:
        patch.setattr("sdk.issuer_store.secrets.randbelow", draw)
        issuer = Issuer(desk.client, store=path or desk.path, key=desk.signer)
        try:
            draft = desk.draft(given_name=f"Name {record_id}")
            return run(issuer.issue(draft, record_id=record_id))
        finally:
            run(issuer.close())


def place(credential: IssuedCredential) -> tuple[str, int]:
    return credential.status_url, credential.status_index


@pytest.mark.parametrize(
    ("with_place", "is_revoked"),
    [(False, False), (False, True), (True, True)],
    ids=["issued", "revoked", "revoked, with STORE.here"],
)
def test_after_a_restore_no_place_is_used_again(
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    with_place: bool,
    is_revoked: bool,
) -> None:
    issue_at(desk, 3, "A", monkeypatch)
    backup = copy_of(desk.path, tmp_path / "backup", with_place=with_place)
    lost = issue_at(desk, 7, "B", monkeypatch)
    if is_revoked:
        issuer = desk.open()
        run(issuer.revoke("B", reason="fraud-finding"))
        run(issuer.close())
    put_back(backup, desk.path, with_place=with_place)
    new = issue_at(desk, 7, "C", monkeypatch)
    assert place(new) != place(lost)
    assert new.status_url != lost.status_url, "the store does not know who is in the older lists"
    assert desk.verdict(new) == "valid"
    assert issue_at(desk, 7, "D", monkeypatch).status_url == new.status_url, "once only"


def test_a_disk_set_back_is_mended_by_deleting_the_file(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_at(desk, 3, "A", monkeypatch)
    backup = copy_of(desk.path, tmp_path / "backup", with_place=True)
    lost = issue_at(desk, 7, "B", monkeypatch)
    put_back(backup, desk.path, with_place=True)
    place_path(desk.path).unlink()
    assert issue_at(desk, 7, "C", monkeypatch).status_url != lost.status_url


def test_two_copies_of_one_store_never_meet(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = issue_at(desk, 3, "A", monkeypatch)
    copy = copy_of(desk.path, tmp_path / "other-machine", with_place=True)
    here = issue_at(desk, 7, "B", monkeypatch)
    there = issue_at(desk, 7, "C", monkeypatch, copy)
    assert here.status_url == first.status_url, "the store that stayed goes on as before"
    assert place(there) != place(here)
    assert there.status_url != here.status_url


def test_a_place_reserved_in_the_backup_is_not_used(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_at(desk, 3, "A", monkeypatch)
    desk.signer.spoil = True
    with pytest.raises(PsetError):
        issue_at(desk, 7, "B", monkeypatch)
    backup = copy_of(desk.path, tmp_path / "backup")
    desk.signer.spoil = False
    lost = issue_at(desk, 7, "B", monkeypatch)
    assert lost.status_index == 7, "a cut alone keeps the place"
    put_back(backup, desk.path)
    again = issue_at(desk, 7, "B", monkeypatch)
    assert place(again) != place(lost)
    assert again.credential_id != lost.credential_id


def test_lists_planned_in_the_backup_are_not_used(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.client.break_at = "send"
    with pytest.raises(UnavailableError):
        issue_at(desk, 7, "A", monkeypatch)
    desk.client.break_at = ""
    backup = copy_of(desk.path, tmp_path / "backup")
    lost = issue_at(desk, 7, "A", monkeypatch)
    put_back(backup, desk.path)
    assert issue_at(desk, 7, "B", monkeypatch).status_url != lost.status_url


@pytest.mark.parametrize("break_at", ["", "send", "answer"])
def test_own_changes_keep_the_lists(desk: Desk, break_at: str) -> None:
    first = desk.issue("A")
    desk.client.break_at = break_at
    if break_at:
        with pytest.raises(UnavailableError):
            run(desk.issuer.revoke("A", reason="error"))
    else:
        run(desk.issuer.revoke("A", reason="error"))
    desk.client.break_at = ""
    assert desk.issue("B").status_url == first.status_url
    run(desk.issuer.suspend("B", reason="enquiry"))
    run(desk.issuer.reinstate("B", reason="cleared"))
    assert desk.issue("C").status_url == first.status_url
    assert desk.created_lists == 2


def change_elsewhere(desk: Desk, base: int) -> None:
    """The organisation changes its list, but not from this store."""
    with IssuerStore(
        desk.path, issuer=desk.issuing.world.did("gaa"), chain_id=desk.client.chain_id
    ) as store:
        record = store.find("A")
        assert record is not None
    desk.issuing.world.apply(
        "gaa",
        UpdateStatusList(
            owner=desk.issuing.world.did("gaa"),
            list_id=record.pair.suspension_id,
            base_version=base,
            indexes=(99,),
            values=b"\x01",
        ),
    )


@pytest.mark.parametrize("revokes_first", [False, True])
def test_a_change_from_elsewhere_leaves_the_lists_once(desk: Desk, revokes_first: bool) -> None:
    first = desk.issue("A")
    change_elsewhere(desk, 0)
    if revokes_first:
        run(desk.issuer.suspend("A", reason="enquiry"))
    second = desk.issue("B")
    assert second.status_url != first.status_url
    run(desk.issuer.suspend("A", reason="enquiry"))
    run(desk.issuer.reinstate("A", reason="cleared"))
    assert desk.issue("C").status_url == second.status_url
    assert desk.created_lists == 4


def test_issuers_that_notice_at_once_make_one_new_pair(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.issue("A")
    place_path(desk.path).unlink()

    async def race() -> list[IssuedCredential]:
        issuers = [desk.open() for _ in range(3)]
        return await asyncio.gather(
            *(issuer.issue(desk.draft(), record_id=f"S{n}") for n, issuer in enumerate(issuers))
        )

    credentials = run(race())
    assert len({place(credential) for credential in credentials}) == 3
    assert len({credential.status_url for credential in credentials}) == 1
    assert desk.created_lists == 4


# ---- the store alone


def open_store(path: Path) -> IssuerStore:
    return IssuerStore(path, issuer="did:pset:test:3vQB7B6MrGQZaxCuFg4oh", chain_id="test:0")


def reserve(store: IssuerStore, pair: ListPair, record_id: str = "S1") -> StoredRecord:
    return store.reserve(record_id, b"h", "t@1", "urn:uuid:1", pair)


def test_lists_left_while_somebody_holds_them_give_no_place(tmp_path: Path) -> None:
    with open_store(tmp_path / "issuer.db") as store:
        pair = store.mark_pair_created(store.plan_pair())
        assert store.confirm_pair(pair, 0, 0)
        assert not store.confirm_pair(pair, 0, 1)
        with pytest.raises(UnavailableError) as caught:
            reserve(store, pair)
        assert caught.value.code == "STATUS_LIST_LEFT"
        assert store.find("S1") is None
        new = store.mark_pair_created(store.plan_pair())
        assert not store.confirm_pair(pair, 0, 0)
        assert store.usable_pair() == new, "noticing it again does not leave the new lists"


def test_a_store_replaced_while_open_gives_no_place(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path) as store:
        pair = store.mark_pair_created(store.plan_pair())
        place_path(path).write_text("something else")
        with pytest.raises(UnavailableError):
            reserve(store, pair)
        assert store.find("S1") is None


def test_the_first_layout_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "issuer.db"
    with open_store(path) as store:
        pair = store.mark_pair_created(store.plan_pair())
        kept = reserve(store, pair)
    database = sqlite3.connect(path)
    with database:
        database.execute("ALTER TABLE pairs DROP COLUMN revocation_seen")
        database.execute("ALTER TABLE pairs DROP COLUMN suspension_seen")
        database.execute("PRAGMA user_version = 1")
    database.close()
    place_path(path).unlink()
    for _ in range(2):
        with open_store(path) as store:
            assert store.find("S1") == kept
    with open_store(path) as store:
        assert not store.confirm_pair(pair, 0, 0), "nobody knows what became of it"
        assert store.plan_pair().pair_id != pair.pair_id
