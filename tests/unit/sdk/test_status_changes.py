# SPDX-License-Identifier: Apache-2.0
"""Changes of status: one transaction for many, finished after a crash, final where it must be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ledger.model.limits import (
    STATUS_CHANGES_COUNT_MAX,
    STATUS_CHUNK_SIZE,
    STATUS_LIST_SIZE_MAX,
    STATUS_UPDATE_CHUNKS_COUNT_MAX,
)
from ledger.model.operations import (
    UpdateStatusList,
)
from sdk.errors import CallerError, KeyAccessError, RefusedError, UnavailableError
from sdk.issuer_records import ListPair, StoredRecord
from sdk.results import Verdict
from sdk.status_changes import REASONS, split_changes
from sdk.verification.ledger_facts import ask_status_list
from tests.support.registrar import RECORD, Desk, run

POWER = "issue-statement-of-results"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# ---- status


def test_revoke_turns_the_verdict_in_one_transaction_for_many(desk: Desk) -> None:
    credentials = [desk.issue(f"S{number}") for number in range(3)]
    kept = desk.issue("kept")
    receipt = run(desk.issuer.revoke(["S0", "S1", "S2", "S0"], reason="correction"))
    assert receipt.applied
    assert len(desk.updates) == 1
    assert [desk.verdict(credential) for credential in credentials] == ["REVOKED"] * 3
    assert desk.verdict(kept) == "valid"


def test_the_reason_stays_in_the_store(desk: Desk) -> None:
    desk.issue()
    run(desk.issuer.revoke(RECORD, reason="fraud-finding"))
    assert b"fraud-finding" not in b"".join(desk.issuing.world.values.values())
    store = run(desk.issuer._opened())  # pyright: ignore[reportPrivateUsage]
    assert [note.reason for note in store.notes(RECORD)] == ["fraud-finding"]


def test_suspend_and_reinstate(desk: Desk) -> None:
    credential = desk.issue()
    run(desk.issuer.suspend(RECORD, reason="enquiry"))
    assert desk.verdict(credential) == "SUSPENDED"
    run(desk.issuer.reinstate(RECORD, reason="cleared"))
    assert desk.verdict(credential) == "valid"
    run(desk.issuer.suspend(RECORD, reason="enquiry"))
    assert desk.verdict(credential) == "SUSPENDED"


def test_revoking_again_gives_the_first_receipt_and_sends_nothing(desk: Desk) -> None:
    desk.issue()
    first = run(desk.issuer.revoke(RECORD, reason="error"))
    assert run(desk.open().revoke(RECORD, reason="error")) == first
    assert len(desk.updates) == 1
    outcome = run(desk.issuer.change_status("revoke", RECORD, reason="error"))
    assert (outcome.records, outcome.unchanged) == (1, 1)


def test_a_list_with_known_and_new_records_changes_the_new_ones(desk: Desk) -> None:
    credentials = [desk.issue("S0"), desk.issue("S1")]
    run(desk.issuer.revoke("S0", reason="error"))
    outcome = run(desk.issuer.change_status("revoke", ["S0", "S1"], reason="error"))
    assert (outcome.records, outcome.unchanged, len(outcome.receipts)) == (2, 1, 1)
    assert [desk.verdict(credential) for credential in credentials] == ["REVOKED"] * 2
    assert len(desk.updates[-1].indexes) == 1


@pytest.mark.parametrize("action", ["reinstate", "suspend"])
def test_revocation_is_final(desk: Desk, action: Any) -> None:
    credential, other = desk.issue("S0"), desk.issue("S1")
    run(desk.issuer.suspend(["S0", "S1"], reason="enquiry"))
    run(desk.issuer.revoke("S0", reason="fraud-finding"))
    before = desk.issuing.world.snapshot()
    with pytest.raises(RefusedError) as caught:
        run(desk.issuer.change_status(action, ["S1", "S0"], reason="cleared"))
    assert caught.value.code == "REVOCATION_IS_FINAL"
    assert caught.value.receipt.name == "REVOCATION_IS_FINAL"
    assert desk.issuing.world.values == before
    assert desk.verdict(credential) == "REVOKED"
    assert desk.verdict(other) == "SUSPENDED"


def test_without_client_checks_the_ledger_itself_says_that_revocation_is_final(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path, client_checks=False)
    desk.issue()
    run(desk.issuer.revoke(RECORD, reason="error"))
    with pytest.raises(RefusedError) as caught:
        run(desk.issuer.reinstate(RECORD, reason="cleared"))
    assert caught.value.code == "REVOCATION_IS_FINAL"
    assert caught.value.receipt.height > 0


def test_unknown_records_change_nothing(desk: Desk) -> None:
    desk.issue()
    before = desk.issuing.world.snapshot()
    with pytest.raises(CallerError) as caught:
        run(desk.issuer.revoke([RECORD, "S9"], reason="error"))
    assert caught.value.code == "RECORD_UNKNOWN"
    assert "1 of 2" in caught.value.text
    assert "S9" in caught.value.text
    assert desk.issuing.world.values == before


def test_reasons_are_codes(desk: Desk) -> None:
    desk.issue()
    assert len(REASONS) == 7
    for reason in ("because", ""):
        with pytest.raises(CallerError) as caught:
            run(desk.issuer.revoke(RECORD, reason=reason))
        assert caught.value.code == "REASON_UNKNOWN"
    with pytest.raises(CallerError) as none:
        run(desk.issuer.revoke([], reason="error"))
    assert none.value.code == "RECORDS_TOO_MANY"
    assert desk.updates == []


def touch(desk: Desk) -> None:
    """Somebody else changes the same list."""
    credential = run(desk.issuer.find(RECORD))
    assert credential is not None
    list_id = bytes.fromhex(credential.status_url.rpartition("/")[2].replace("-", ""))

    held = (desk.issuing.world.did("gaa"), list_id)
    fact = run(desk.client.reader.ask(lambda view: ask_status_list(view, held))).value
    assert fact is not None
    index = (credential.status_index + 1 + fact.record.version) % 131_072
    operation = UpdateStatusList(*held, fact.record.version, (index,), b"\x01")
    desk.issuing.world.apply("gaa", operation)


def test_a_list_that_moved_on_is_read_again(desk: Desk) -> None:
    credential = desk.issue()
    left = [2]

    def change_twice() -> None:
        if left[0]:
            left[0] -= 1
            _in_thread(lambda: touch(desk))

    desk.client.before_submit = change_twice
    run(desk.issuer.revoke(RECORD, reason="error"))
    assert desk.verdict(credential) == "REVOKED"
    assert len(desk.updates) == 3


def _in_thread(work: Callable[[], None]) -> None:
    """`touch` runs an event loop of its own."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_list_that_moves_on_for_ever_is_given_up(desk: Desk) -> None:
    desk.issue()
    desk.client.before_submit = lambda: _in_thread(lambda: touch(desk))
    with pytest.raises(UnavailableError) as caught:
        run(desk.issuer.revoke(RECORD, reason="error"))
    assert caught.value.code == "STATUS_LIST_BUSY"
    store = run(desk.issuer._opened())  # pyright: ignore[reportPrivateUsage]
    assert store.plans() == []


@pytest.mark.parametrize(("break_at", "sent"), [("send", 0), ("answer", 1)])
def test_a_cut_while_revoking_is_finished_by_the_next_change(
    desk: Desk, break_at: str, sent: int
) -> None:
    credential, other = desk.issue(), desk.issue("S2")
    desk.client.break_at = break_at
    with pytest.raises(UnavailableError):
        run(desk.issuer.revoke(RECORD, reason="error"))
    assert len(desk.updates) == sent
    desk.client.break_at = ""
    run(desk.open().suspend("S2", reason="enquiry"))
    assert desk.verdict(credential) == "REVOKED"
    assert desk.verdict(other) == "SUSPENDED"
    store = run(desk.issuer._opened())  # pyright: ignore[reportPrivateUsage]
    assert store.plans() == []
    assert [note.action for note in store.notes(RECORD)] == ["revoke"]
    first = run(desk.issuer.revoke(RECORD, reason="error"))
    assert first.applied
    assert sum(len(update.indexes) for update in desk.updates if update.indexes) >= 2


def test_a_plan_applied_long_ago_gets_its_receipt_back(desk: Desk) -> None:
    """Its idempotency record has left the state: the ledger calls the repeat stale."""
    credential = desk.issue()
    desk.client.break_at = "answer"
    with pytest.raises(UnavailableError):
        run(desk.issuer.revoke(RECORD, reason="error"))
    desk.client.break_at = ""
    desk.issuing.later(2)
    desk.issuing.world.run_block([])
    receipt = run(desk.issuer.revoke(RECORD, reason="error"))
    assert receipt.applied
    assert receipt.result["version"] == "1", "the list was changed once only"
    assert desk.verdict(credential) == "REVOKED"
    store = run(desk.issuer._opened())  # pyright: ignore[reportPrivateUsage]
    assert [note.action for note in store.notes(RECORD)] == ["revoke"]


def test_a_change_that_could_not_be_signed_is_not_tried_again_later(desk: Desk) -> None:
    credential = desk.issue()

    def no_key() -> None:
        raise KeyAccessError("no key", code="KEY_ROLE_NOT_HELD", remedy="Give one.")

    desk.client.before_submit = no_key
    with pytest.raises(KeyAccessError):
        run(desk.issuer.revoke(RECORD, reason="error"))
    store = run(desk.issuer._opened())  # pyright: ignore[reportPrivateUsage]
    assert store.plans() == []
    assert desk.verdict(credential) == "valid"


def test_a_status_of_which_the_store_knows_nothing_gets_a_new_receipt(desk: Desk) -> None:
    """A store restored from a backup older than the revocation."""
    credential = desk.issue()
    files = {path: path.read_bytes() for path in desk.path.parent.iterdir()}
    run(desk.issuer.revoke(RECORD, reason="error"))
    run(desk.issuer.close())
    for path in desk.path.parent.iterdir():
        path.unlink()
    for path, content in files.items():
        path.write_bytes(content)
        path.chmod(0o600)
    outcome = run(desk.open().change_status("revoke", RECORD, reason="error"))
    assert outcome.receipts[0].applied
    assert outcome.unchanged == 1
    assert desk.verdict(credential) == "REVOKED"


def test_many_changes_are_split(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdk.status_changes.STATUS_CHANGES_COUNT_MAX", 2)
    credentials = [desk.issue(f"S{number}") for number in range(5)]
    outcome = run(
        desk.issuer.change_status("revoke", [f"S{n}" for n in range(5)], reason="key-compromise")
    )
    assert (len(outcome.receipts), outcome.records, outcome.unchanged) == (3, 5, 0)
    assert [desk.verdict(credential) for credential in credentials] == ["REVOKED"] * 5


PAIR = ListPair(1, bytes(16), bytes(15) + b"\x01", STATUS_LIST_SIZE_MAX, is_created=True)


def records_at(indexes: Iterable[int]) -> list[StoredRecord]:
    return [StoredRecord(f"S{n}", b"", "t@1", "", PAIR, n, b"{}") for n in indexes]


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_no_transaction_touches_more_chunks_than_the_ledger_takes(bits: int) -> None:
    """The largest list there may be, with a change in each of its chunks, last ones first."""
    entries = STATUS_CHUNK_SIZE * 8 // bits
    indexes = range(STATUS_LIST_SIZE_MAX - 1, 0, -entries)
    parts = split_changes(records_at(indexes), bits)
    chunks = STATUS_LIST_SIZE_MAX // entries
    assert len(parts) == chunks // STATUS_UPDATE_CHUNKS_COUNT_MAX > 1
    for part in parts:
        touched = {record.status_index // entries for record in part}
        assert len(touched) <= STATUS_UPDATE_CHUNKS_COUNT_MAX
    changed = [record.status_index for part in parts for record in part]
    assert changed == sorted(indexes)


def test_changes_close_to_each_other_are_split_by_their_number_alone() -> None:
    parts = split_changes(records_at(range(2 * STATUS_CHANGES_COUNT_MAX + 1)), 1)
    assert [len(part) for part in parts] == [STATUS_CHANGES_COUNT_MAX] * 2 + [1]
    assert split_changes([], 1) == []


def test_changes_far_from_each_other_are_all_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdk.status_changes.STATUS_UPDATE_CHUNKS_COUNT_MAX", 1)
    names = [f"S{number}" for number in range(8)]
    credentials = [desk.issue(name) for name in names]
    entries = STATUS_CHUNK_SIZE * 8
    chunks = {credential.status_index // entries for credential in credentials}
    preview = run(desk.issuer.preview_status_change("revoke", names, reason="error"))
    outcome = run(desk.issuer.change_status("revoke", names, reason="error"))
    assert len(outcome.receipts) == preview.transactions == len(chunks) > 1
    assert [desk.verdict(credential) for credential in credentials] == ["REVOKED"] * 8


def test_a_store_of_another_network_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.issue()
    run(desk.issuer.close())
    other = Desk(tmp_path, org="qcto")
    with pytest.raises(CallerError) as caught:
        run(other.issuer.find(RECORD))
    assert caught.value.code == "STORE_OTHER_ISSUER"


def test_finding_needs_no_network_beyond_who_acts(desk: Desk) -> None:
    credential = desk.issue()
    desk.client.reader.is_reachable = False
    assert run(desk.open().find(RECORD)) == credential
    assert run(desk.open().find("unknown")) is None


def test_the_verdict_is_the_reports(desk: Desk) -> None:
    report = desk.issuing.verify(desk.issue().document)
    assert report.verdict is Verdict.VALID


def test_a_preview_counts_the_parts_and_sends_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        desk.issue(f"S{number}")
    run(desk.issuer.revoke("S0", reason="error"))
    monkeypatch.setattr("sdk.status_changes.STATUS_CHANGES_COUNT_MAX", 3)
    before, sent = desk.issuing.world.snapshot(), len(desk.updates)
    wanted = [f"S{number}" for number in range(5)]
    preview = run(desk.issuer.preview_status_change("revoke", wanted, reason="error"))
    assert (preview.transactions, preview.records, preview.unchanged) == (2, 5, 1)
    assert [len(operation.indexes) for operation in preview.operations] == [3]
    assert (desk.issuing.world.values, len(desk.updates)) == (before, sent)
    store = run(desk.issuer._opened())  # pyright: ignore[reportPrivateUsage]
    assert store.plans() == []
