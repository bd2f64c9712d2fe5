# SPDX-License-Identifier: Apache-2.0
"""Blocks: order of tests, idempotency and expiry, authentication, layers, results."""

from __future__ import annotations

import dataclasses

import pytest

from ledger.model.codec import decode, encode
from ledger.model.keys import KeyRole
from ledger.model.limits import EXPIRY_MS_MAX, IDEMPOTENCY_REMOVALS_COUNT_MAX
from ledger.model.merkle_log import compute_root
from ledger.model.operations import AddSite, UpdateStatusList
from ledger.model.receipts import ReceiptCode
from ledger.model.records import IdempotencyRecord, OrganisationRecord
from ledger.model.schema import idempotency_key, is_idempotency_key, organisation_key, parameter_key
from ledger.model.transaction import Receipt
from ledger.state import machine
from ledger.state.machine import compute_receipts_root, execute_block
from tests.support.ledger_execution import HOUR_MS, LedgerWorld, make_training_world

KEY = b"k" * 16


@pytest.fixture
def world() -> LedgerWorld:
    return make_training_world()


def site(world: LedgerWorld, code: str = "9") -> AddSite:
    return AddSite(organisation=world.did("gaa"), code=code, name="Sample", province="EC")


def sites(world: LedgerWorld) -> list[str]:
    record = decode(OrganisationRecord, world.values[organisation_key(world.did("gaa"))])
    return [item.code for item in record.sites]


def code(receipt: Receipt) -> ReceiptCode:
    return ReceiptCode(receipt.code)


# Results of a block --------------------------------------------------------------------------------


def test_empty_block_writes_nothing(world: LedgerWorld) -> None:
    result = world.run_block([])
    assert (result.receipts, result.writes, result.expiring_added) == ((), (), ())
    assert result.receipts_root == compute_root([])


def test_receipts_say_where_they_stand(world: LedgerWorld) -> None:
    encoded = [
        world.make_transaction("gaa", site(world, "3")),
        world.make_transaction("ttc", site(world, "4")),
        world.make_transaction("gaa", site(world, "5")),
    ]
    result = world.run_block(encoded)
    ids = [world.check(item).transaction_id for item in encoded]
    assert [receipt.transaction_id for receipt in result.receipts] == ids
    assert [receipt.index for receipt in result.receipts] == [0, 1, 2]
    assert {receipt.height for receipt in result.receipts} == {world.header.height}
    assert [code(receipt).name for receipt in result.receipts] == [
        "APPLIED",
        "NOT_OWNER",
        "APPLIED",
    ]
    assert result.encoded_receipts == tuple(encode(receipt) for receipt in result.receipts)
    assert result.receipts_root == compute_receipts_root(result.encoded_receipts)
    assert sites(world) == ["1", "2", "3", "5"], "the refused one stands between and did nothing"


def test_later_transactions_see_earlier_ones(world: LedgerWorld) -> None:
    list_id = world.create_status_list("gaa")
    updates = [
        UpdateStatusList(
            owner=world.did("gaa"),
            list_id=list_id,
            base_version=version,
            indexes=(version,),
            values=b"\x01",
        )
        for version in (0, 1, 1)
    ]
    result = world.run_block([world.make_transaction("gaa", update) for update in updates])
    assert [code(item).name for item in result.receipts] == ["APPLIED", "APPLIED", "STALE_VERSION"]


def test_writes_are_sorted_and_each_key_once(world: LedgerWorld) -> None:
    result = world.run_block([world.make_transaction("gaa", site(world, c)) for c in "345"])
    keys = [key for key, _ in result.writes]
    assert keys == sorted(set(keys))
    assert len([key for key in keys if is_idempotency_key(key)]) == 3
    assert len(keys) == 4, "one organisation record for three changes of it"


def test_execution_changes_nothing_by_itself(world: LedgerWorld) -> None:
    before = world.snapshot()
    transactions = [world.check(world.make_transaction("gaa", site(world)))]
    header = world.make_header(transactions)
    first = execute_block(world.state, header, transactions)
    assert world.values == before
    assert execute_block(world.state, header, transactions) == first


def test_dry_run_answers_as_the_next_block_would(world: LedgerWorld) -> None:
    before = world.snapshot()
    receipt = world.dry_run("gaa", site(world))
    assert code(receipt) is ReceiptCode.APPLIED
    assert (receipt.height, receipt.index) == (world.header.height + 1, 0)
    assert world.values == before
    assert code(world.dry_run("gaa", site(world, "1"))) is ReceiptCode.SITE_EXISTS


def test_bug_in_an_operation_stops_the_block(
    world: LedgerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected exception is never turned into a receipt."""

    def fail(*_arguments: object) -> object:
        raise KeyError("bug")

    handler = machine.Handler(machine.HANDLERS[AddSite].get_ownership, fail)  # type: ignore[arg-type]
    monkeypatch.setitem(machine.HANDLERS, AddSite, handler)
    encoded = world.make_transaction("gaa", site(world))
    with pytest.raises(KeyError, match="bug"):
        world.run_block([encoded])


def test_state_without_genesis_is_refused(world: LedgerWorld) -> None:
    world.values.pop(parameter_key("rules"))
    with pytest.raises(ValueError, match="no charter"):
        world.run_block([])


def test_header_without_chain_is_refused(world: LedgerWorld) -> None:
    with pytest.raises(ValueError, match="chain"):
        execute_block(world.state, dataclasses.replace(world.make_header([]), chain_id="x"), [])


# Idempotency and expiry ----------------------------------------------------------------------------


def test_applied_transaction_leaves_its_record(world: LedgerWorld) -> None:
    encoded = world.make_transaction("gaa", site(world), idempotency_key=KEY)
    result = world.run_block([encoded])
    key = idempotency_key(world.did("gaa"), KEY)
    checked = world.check(encoded)
    record = decode(IdempotencyRecord, world.values[key])
    assert record.operation_hash == checked.operation_hash
    assert record.receipt == result.encoded_receipts[0]
    assert record.expires_at == checked.body.expires_at
    assert result.expiring_added == ((checked.body.expires_at, key),)


def test_refused_transaction_leaves_no_record(world: LedgerWorld) -> None:
    world.refuse(ReceiptCode.SITE_EXISTS, "gaa", site(world, "1"), idempotency_key=KEY)
    # So the key is free for another operation.
    world.apply("gaa", site(world), idempotency_key=KEY)


def test_same_operation_again_answers_the_first_receipt(world: LedgerWorld) -> None:
    first = world.submit("gaa", site(world), idempotency_key=KEY)
    before = world.snapshot()
    # Another expiry and another signer: the body differs, the operation does not.
    encoded = world.make_transaction(
        "gaa",
        site(world),
        idempotency_key=KEY,
        expires_at=world.time + 2 * HOUR_MS,
        keys=["ledger", "issue"],
    )
    result = world.run_block([encoded])
    assert result.receipts == (first,)
    assert result.encoded_receipts == (encode(first),)
    key = idempotency_key(world.did("gaa"), KEY)
    assert {**world.values, key: b""} == {**before, key: b""}
    assert world.check(encoded).transaction_id != first.transaction_id


def test_repeat_is_remembered_for_as_long_as_it_lives(world: LedgerWorld) -> None:
    """Or its bytes would execute again when the record of the first has left."""
    first = world.submit("gaa", site(world), idempotency_key=KEY)
    key = idempotency_key(world.did("gaa"), KEY)
    early = decode(IdempotencyRecord, world.values[key]).expires_at
    late = early + 3 * HOUR_MS
    repeat = world.make_transaction("gaa", site(world), idempotency_key=KEY, expires_at=late)
    result = world.run_block([repeat])
    assert decode(IdempotencyRecord, world.values[key]).expires_at == late
    assert (result.expiring_removed, result.expiring_added) == (((early, key),), ((late, key),))
    assert (late, key) in world.state.expiring_index
    assert (early, key) not in world.state.expiring_index
    # A copy with an earlier expiry shortens nothing.
    shorter = world.make_transaction("gaa", site(world), idempotency_key=KEY, expires_at=early - 1)
    assert world.run_block([shorter]).writes == ()
    # The first has expired; the repeat has not and is still one.
    result = world.run_block([repeat], time=early + 1)
    assert result.receipts == (first,)
    assert key not in dict(result.writes)
    assert (late, key) in world.run_block([], time=late).expiring_removed
    assert not world.state.expiring_index or world.state.expiring_index[0][1] != key


def test_repeats_in_the_block_of_the_first_leave_one_entry(world: LedgerWorld) -> None:
    times = [world.time + HOUR_MS * factor for factor in (1, 3, 2)]
    encoded = [
        world.make_transaction("gaa", site(world), idempotency_key=KEY, expires_at=time)
        for time in times
    ]
    result = world.run_block(encoded)
    key = idempotency_key(world.did("gaa"), KEY)
    assert (result.expiring_added, result.expiring_removed) == (((times[1], key),), ())
    assert decode(IdempotencyRecord, world.values[key]).expires_at == times[1]


def test_same_operation_twice_in_one_block(world: LedgerWorld) -> None:
    encoded = [
        world.make_transaction(
            "gaa", site(world), idempotency_key=KEY, expires_at=world.time + expiry
        )
        for expiry in (HOUR_MS, 2 * HOUR_MS)
    ]
    result = world.run_block(encoded)
    assert result.receipts[0] == result.receipts[1]
    assert sites(world).count("9") == 1
    assert len(result.expiring_added) == 1


def test_retry_may_succeed_where_the_first_was_refused(world: LedgerWorld) -> None:
    operation = AddSite(organisation=world.did("gaa"), code="9", name="Sample", province="EC")
    world.refuse(ReceiptCode.EXPIRED, "gaa", operation, idempotency_key=KEY, expires_at=world.time)
    world.apply("gaa", operation, idempotency_key=KEY)


def test_keys_of_other_authors_are_other_keys(world: LedgerWorld) -> None:
    world.apply("gaa", site(world), idempotency_key=KEY)
    other = AddSite(organisation=world.did("ttc"), code="1", name="Sample", province="EC")
    world.apply("ttc", other, idempotency_key=KEY)


def test_retry_must_be_unexpired_and_signed_by_the_author(world: LedgerWorld) -> None:
    world.apply("gaa", site(world), idempotency_key=KEY)
    world.refuse(
        ReceiptCode.EXPIRED, "gaa", site(world), idempotency_key=KEY, expires_at=world.time + 1
    )
    world.refuse(
        ReceiptCode.EXPIRY_TOO_FAR,
        "gaa",
        site(world),
        idempotency_key=KEY,
        expires_at=world.time + 2 * EXPIRY_MS_MAX,
    )
    world.organisations["gaa"].new_key("foreign", KeyRole.LEDGER)
    world.refuse(
        ReceiptCode.KEY_NOT_AUTHORISED,
        "gaa",
        site(world),
        idempotency_key=KEY,
        keys=["foreign"],
    )


def test_the_same_transaction_answers_even_after_expiry(world: LedgerWorld) -> None:
    """While its record is there: the very bytes cannot mean anything new."""
    encoded = world.make_transaction("gaa", site(world), idempotency_key=KEY)
    first = world.run_block([encoded]).receipts[0]
    before = world.snapshot()
    expires_at = world.check(encoded).body.expires_at
    world.state.expiring_index.clear()  # as if thousands of others were in front of it
    result = world.run_block([encoded], time=expires_at + 1)
    assert result.receipts == (first,)
    assert world.values == before


def test_expiry_at_its_edges(world: LedgerWorld) -> None:
    now = world.time + 1000
    world.refuse(ReceiptCode.EXPIRED, "gaa", site(world), expires_at=now)
    now = world.time + 1000
    world.refuse(ReceiptCode.EXPIRY_TOO_FAR, "gaa", site(world), expires_at=now + EXPIRY_MS_MAX + 1)
    now = world.time + 1000
    world.apply("gaa", site(world, "8"), expires_at=now + 1)
    now = world.time + 1000
    world.apply("gaa", site(world, "9"), expires_at=now + EXPIRY_MS_MAX)


def test_records_leave_when_they_expire(world: LedgerWorld) -> None:
    world.apply("gaa", site(world), idempotency_key=KEY)
    key = idempotency_key(world.did("gaa"), KEY)
    expires_at = decode(IdempotencyRecord, world.values[key]).expires_at
    result = world.run_block([], time=expires_at - 1)
    assert key in world.values
    result = world.run_block([], time=expires_at)
    assert (expires_at, key) in result.expiring_removed
    assert (key, None) in result.writes
    assert key not in world.values
    # The key is free again, and the operation is judged anew.
    world.refuse(ReceiptCode.SITE_EXISTS, "gaa", site(world), idempotency_key=KEY)


def test_record_that_leaves_is_not_met_by_the_same_block(world: LedgerWorld) -> None:
    world.apply("gaa", site(world), idempotency_key=KEY)
    key = idempotency_key(world.did("gaa"), KEY)
    old_expiry = decode(IdempotencyRecord, world.values[key]).expires_at
    encoded = world.make_transaction(
        "gaa", site(world, "10"), idempotency_key=KEY, expires_at=old_expiry + HOUR_MS
    )
    result = world.run_block([encoded], time=old_expiry)
    assert code(result.receipts[0]) is ReceiptCode.APPLIED
    assert (old_expiry, key) in result.expiring_removed
    assert result.expiring_added == ((old_expiry + HOUR_MS, key),)
    assert decode(IdempotencyRecord, world.values[key]).expires_at == old_expiry + HOUR_MS
    assert len([item for item in result.writes if item[0] == key]) == 1


def test_removals_are_limited_and_the_earliest_go_first(world: LedgerWorld) -> None:
    world.run_block([], time=world.time + 2 * HOUR_MS)
    assert not world.state.expiring_index
    record = encode(IdempotencyRecord(operation_hash=b"h" * 32, receipt=b"", expires_at=1))
    entries: list[tuple[int, bytes]] = []
    for number in range(IDEMPOTENCY_REMOVALS_COUNT_MAX + 5):
        key = idempotency_key(world.did("gaa"), number.to_bytes(16, "big"))
        world.values[key] = record
        entries.append((world.time + 5000 - number // 3, key))
    world.state.expiring_index = sorted(entries)
    result = world.run_block([], time=world.time + 5000)
    assert result.expiring_removed == tuple(sorted(entries)[:IDEMPOTENCY_REMOVALS_COUNT_MAX])
    assert len(world.run_block([]).expiring_removed) == 5
    assert not [key for key in world.values if is_idempotency_key(key)]


def test_heartbeat_after_the_last_expiry_writes_nothing(world: LedgerWorld) -> None:
    world.run_block([], time=world.time + 2 * HOUR_MS)
    assert world.run_block([]).writes == ()


# Authentication ------------------------------------------------------------------------------------


def test_every_signer_is_authenticated(world: LedgerWorld) -> None:
    world.apply("gaa", site(world), keys=["ledger", "ttc:ledger"])
    world.organisations["ttc"].new_key("foreign", KeyRole.LEDGER)
    for keys in (["ledger", "ttc:foreign"], ["ledger", "foreign"]):
        world.organisations["gaa"].new_key("foreign", KeyRole.LEDGER)
        world.refuse(ReceiptCode.KEY_NOT_AUTHORISED, "gaa", site(world, "10"), keys=keys)


def test_key_of_another_organisation_has_no_role_for_the_author(world: LedgerWorld) -> None:
    world.refuse(ReceiptCode.NOT_AUTHORISED, "gaa", site(world), keys=["issue", "ttc:ledger"])


def test_signer_of_an_unknown_or_deactivated_did(world: LedgerWorld) -> None:
    stranger = dataclasses.replace(world.organisations["ttc"], short_name="stranger")
    world.organisations["stranger"] = stranger
    world.refuse(
        ReceiptCode.KEY_NOT_AUTHORISED, "gaa", site(world), keys=["ledger", "stranger:ledger"]
    )
