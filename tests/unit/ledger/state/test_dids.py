# SPDX-License-Identifier: Apache-2.0
"""UpdateDid and RotateKey: keys and services with the spans in which they were good."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from ledger.model.codec import encode
from ledger.model.hashes import possession_message
from ledger.model.keys import KeyRole, KeyType
from ledger.model.limits import (
    KEYS_COUNT_MAX,
    RECORD_HISTORY_COUNT_MAX,
    SERVICES_COUNT_MAX,
    STATE_VALUE_SIZE_MAX,
)
from ledger.model.operations import CreateStatusList, NewKey, RotateKey, Service, UpdateDid
from ledger.model.receipts import ReceiptCode
from ledger.model.records import KeyRecord, ServiceRecord
from ledger.model.schema import did_key
from ledger.state.dids import RETIREMENT_RESERVE_SIZE
from tests.support.ledger_execution import DAY_MS, HOUR_MS, LedgerWorld

ADMIN = {"keys": ["admin"]}
MONTH_MS = 30 * DAY_MS


@pytest.fixture
def world() -> LedgerWorld:
    world = LedgerWorld()
    world.endorse("gaa")
    return world


def update(world: LedgerWorld, **changes: object) -> UpdateDid:
    version = world.did_record("gaa").version
    return UpdateDid(did=world.did("gaa"), expected_version=version, **changes)  # type: ignore[arg-type]


def rotate(world: LedgerWorld, retired: str, new: NewKey | None, **changes: int) -> RotateKey:
    return RotateKey(
        did=world.did("gaa"),
        expected_version=world.did_record("gaa").version,
        retired_key_id=retired,
        new_key=new,
        **changes,
    )


def new_key(world: LedgerWorld, label: str, role: KeyRole = KeyRole.ISSUE) -> NewKey:
    return world.organisations["gaa"].new_key(label, role)


def key(world: LedgerWorld, key_id: str) -> KeyRecord:
    return next(item for item in world.did_record("gaa").keys if item.key_id == key_id)


def acts(world: LedgerWorld, key_name: str) -> bool:
    """Whether a key can sign the author's transactions now: an unready operation tells."""
    receipt = world.dry_run("gaa", CreateStatusList(), keys=["ledger", key_name])
    return ReceiptCode(receipt.code) is ReceiptCode.FIELD_INVALID


# Services and further keys -------------------------------------------------------------------------


def service(**changes: str) -> Service:
    fields = {"id": "api", "type": "PsetNode", "endpoint": "https://node.example.org:9700/v1"}
    return Service(**{**fields, **changes})


def test_services_keep_their_history(world: LedgerWorld) -> None:
    world.apply("gaa", update(world, set_services=(service(),)), **ADMIN)
    first = world.time
    moved = service(endpoint="https://other.example.org")
    results = world.apply("gaa", update(world, set_services=(moved,)), **ADMIN)
    second = world.time
    world.apply("gaa", update(world, remove_services=("api",)), **ADMIN)
    record = world.did_record("gaa")
    assert [(item.endpoint, item.valid_from, item.valid_until) for item in record.services] == [
        (service().endpoint, first, second),
        (moved.endpoint, second, world.time),
    ]
    assert results == {"did": world.did("gaa"), "version": "3"}
    assert (record.version, record.updated) == (4, world.time)


def test_service_that_left_can_come_back(world: LedgerWorld) -> None:
    for changes in ({"set_services": (service(),)}, {"remove_services": ("api",)}):
        world.apply("gaa", update(world, **changes), **ADMIN)
    world.refuse(
        ReceiptCode.SERVICE_UNKNOWN, "gaa", update(world, remove_services=("api",)), **ADMIN
    )
    world.apply("gaa", update(world, set_services=(service(),)), **ADMIN)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "API"},
        {"id": ""},
        {"type": "psetNode"},
        {"endpoint": ""},
        {"endpoint": "http://node.example.org"},
        {"endpoint": "https://user:secret@node"},
        {"endpoint": "https://node.example.org/?q=1"},
        {"endpoint": "https://node.example.org/#x"},
        {"endpoint": "https://node.example.org/ x"},
        {"endpoint": "https://Node.example.org"},
        {"endpoint": "https://node.example.org\n"},
        {"endpoint": "https://-node.example.org"},
    ],
)
def test_service_has_a_form(world: LedgerWorld, changes: dict[str, str]) -> None:
    operation = update(world, set_services=(service(**changes),))
    results = world.refuse(ReceiptCode.FIELD_INVALID, "gaa", operation, **ADMIN)
    assert results["field"] == f"set_services[0].{next(iter(changes))}"


@pytest.mark.parametrize(
    "endpoint", ["https://127.0.0.1:9700", "grpcs://n1.example.org:9700", "https://a.b/c/d/"]
)
def test_endpoints(world: LedgerWorld, endpoint: str) -> None:
    world.apply("gaa", update(world, set_services=(service(endpoint=endpoint),)), **ADMIN)


def test_service_is_named_once(world: LedgerWorld) -> None:
    world.apply("gaa", update(world, set_services=(service(),)), **ADMIN)
    for changes in (
        {"set_services": (service(), service())},
        {"set_services": (service(),), "remove_services": ("api",)},
    ):
        world.refuse(ReceiptCode.FIELD_INVALID, "gaa", update(world, **changes), **ADMIN)


def test_services_at_a_time_are_limited(world: LedgerWorld) -> None:
    services = tuple(service(id=f"s{number}") for number in range(SERVICES_COUNT_MAX))
    world.apply("gaa", update(world, set_services=services), **ADMIN)
    one_more = update(world, set_services=(service(id="more"),))
    world.refuse(ReceiptCode.LIMIT_EXCEEDED, "gaa", one_more, **ADMIN)
    exchanged = update(world, set_services=(service(id="more"),), remove_services=("s0",))
    world.apply("gaa", exchanged, **ADMIN)


def test_update_without_a_change(world: LedgerWorld) -> None:
    world.refuse(ReceiptCode.FIELD_INVALID, "gaa", update(world), **ADMIN)


def test_added_key_is_valid_from_its_block(world: LedgerWorld) -> None:
    world.apply("gaa", update(world, add_keys=(new_key(world, "issue-2"),)), **ADMIN)
    added = key(world, "issue-2")
    assert (added.role, added.valid_from, added.valid_until) == (KeyRole.ISSUE, world.time, 0)
    assert acts(world, "issue-2")


def test_keys_at_a_time_are_limited(world: LedgerWorld) -> None:
    fill = tuple(new_key(world, f"k{number}") for number in range(KEYS_COUNT_MAX - 3))
    world.apply("gaa", update(world, add_keys=fill), **ADMIN)
    one_more = update(world, add_keys=(new_key(world, "more"),))
    world.refuse(ReceiptCode.LIMIT_EXCEEDED, "gaa", one_more, **ADMIN)
    # A rotation keeps their number.
    world.apply("gaa", rotate(world, "k0", new_key(world, "more")), **ADMIN)


def test_added_key_is_examined(world: LedgerWorld) -> None:
    for bad in (NewKey(), dataclasses.replace(new_key(world, "a"), key=None)):
        world.refuse(ReceiptCode.FIELD_INVALID, "gaa", update(world, add_keys=(bad,)), **ADMIN)
    twice = update(world, add_keys=(new_key(world, "a"), new_key(world, "a")))
    world.refuse(ReceiptCode.KEY_EXISTS, "gaa", twice, **ADMIN)


def test_public_key_serves_once(world: LedgerWorld) -> None:
    """Neither under another id beside the first, nor again after it was retired."""
    gaa = world.organisations["gaa"]
    held = dataclasses.replace(gaa.keys["issue"], key_id="alias")
    alias = NewKey(
        key=held.entry, possession=held.sign(possession_message(gaa.did, encode(held.entry)))
    )
    world.refuse(ReceiptCode.KEY_EXISTS, "gaa", update(world, add_keys=(alias,)), **ADMIN)
    world.apply("gaa", rotate(world, "issue", new_key(world, "issue-2")), **ADMIN)
    world.refuse(ReceiptCode.KEY_EXISTS, "gaa", update(world, add_keys=(alias,)), **ADMIN)


def test_possession_is_shown_to_this_did(world: LedgerWorld) -> None:
    """A proof made for another DID, or over another entry, is none."""
    good = new_key(world, "issue-2")
    assert good.key is not None
    held = world.organisations["gaa"].keys["issue-2"]
    for message in (
        possession_message(world.did("qcto"), encode(good.key)),
        possession_message(
            world.did("gaa"), encode(dataclasses.replace(good.key, role=KeyRole.LEDGER))
        ),
    ):
        forged = dataclasses.replace(good, possession=held.sign(message))
        world.refuse(
            ReceiptCode.KEY_POSSESSION_INVALID, "gaa", update(world, add_keys=(forged,)), **ADMIN
        )


# Who controls --------------------------------------------------------------------------------------


def test_only_the_admin_key_controls(world: LedgerWorld) -> None:
    for name in ("ledger", "issue"):
        world.refuse(ReceiptCode.NOT_AUTHORISED, "gaa", rotate(world, "issue", None), keys=[name])


def test_nobody_controls_anothers_did(world: LedgerWorld) -> None:
    for author in ("qcto", "saqa"):
        world.refuse(ReceiptCode.NOT_OWNER, author, rotate(world, "issue", None), keys=["admin"])


def test_stale_version(world: LedgerWorld) -> None:
    stale = dataclasses.replace(rotate(world, "issue", new_key(world, "b")), expected_version=0)
    world.refuse(ReceiptCode.STALE_VERSION, "gaa", stale, **ADMIN)


# Rotation ------------------------------------------------------------------------------------------


def test_rotation_with_overlap(world: LedgerWorld) -> None:
    operation = rotate(
        world, "ledger", new_key(world, "ledger-2", KeyRole.LEDGER), overlap_ms=HOUR_MS
    )
    results = world.apply("gaa", operation, **ADMIN)
    assert results == {"did": world.did("gaa"), "version": "2"}
    retired, fresh = key(world, "ledger"), key(world, "ledger-2")
    assert (retired.valid_until, retired.compromised_since) == (world.time + HOUR_MS, 0)
    assert (fresh.valid_from, fresh.valid_until, fresh.role) == (world.time, 0, KeyRole.LEDGER)
    for name in ("ledger", "ledger-2"):
        receipt = world.dry_run("gaa", CreateStatusList(), keys=[name])
        assert ReceiptCode(receipt.code) is ReceiptCode.FIELD_INVALID
    world.run_block([], time=retired.valid_until - 1000)
    receipt = world.dry_run("gaa", CreateStatusList(), keys=["ledger"])
    assert ReceiptCode(receipt.code) is ReceiptCode.KEY_NOT_AUTHORISED, "valid_until is exclusive"


def test_rotation_without_overlap_ends_the_key_at_once(world: LedgerWorld) -> None:
    world.apply("gaa", rotate(world, "issue", new_key(world, "issue-2")), **ADMIN)
    assert key(world, "issue").valid_until == world.time
    assert not acts(world, "issue")
    assert acts(world, "issue-2")


def test_admin_key_rotates_itself(world: LedgerWorld) -> None:
    fresh = new_key(world, "admin-2", KeyRole.ADMIN)
    world.apply("gaa", rotate(world, "admin", fresh), **ADMIN)
    again = rotate(world, "issue", new_key(world, "issue-2"))
    world.refuse(ReceiptCode.KEY_NOT_AUTHORISED, "gaa", again, keys=["admin"])
    world.apply("gaa", again, keys=["admin-2"])


def test_overlap_is_limited_to_thirty_days(world: LedgerWorld) -> None:
    fresh = new_key(world, "issue-2")
    too_long = rotate(world, "issue", fresh, overlap_ms=MONTH_MS + 1)
    world.refuse(ReceiptCode.LIMIT_EXCEEDED, "gaa", too_long, **ADMIN)
    world.apply("gaa", rotate(world, "issue", fresh, overlap_ms=MONTH_MS), **ADMIN)


def test_compromised_key_ends_at_once_and_says_since_when(world: LedgerWorld) -> None:
    world.run_block([], time=world.time + 2 * HOUR_MS)
    since = world.time - HOUR_MS
    fresh = new_key(world, "issue-2")
    world.apply("gaa", rotate(world, "issue", fresh, compromised_since=since), **ADMIN)
    retired = key(world, "issue")
    assert (retired.valid_until, retired.compromised_since) == (world.time, since)
    assert not acts(world, "issue")


def test_compromise_of_a_retired_key_is_declared_later(world: LedgerWorld) -> None:
    rotation = rotate(world, "issue", new_key(world, "issue-2"), overlap_ms=MONTH_MS)
    world.apply("gaa", rotation, **ADMIN)
    assert acts(world, "issue")
    since = world.time
    world.apply("gaa", rotate(world, "issue", None, compromised_since=since), **ADMIN)
    retired = key(world, "issue")
    assert (retired.valid_until, retired.compromised_since) == (world.time, since)
    assert not acts(world, "issue")
    # Earlier knowledge replaces later, never the other way round.
    world.refuse(
        ReceiptCode.KEY_UNKNOWN,
        "gaa",
        rotate(world, "issue", None, compromised_since=since),
        **ADMIN,
    )
    end = key(world, "issue").valid_until
    world.apply("gaa", rotate(world, "issue", None, compromised_since=since - 1), **ADMIN)
    assert key(world, "issue").compromised_since == since - 1
    assert key(world, "issue").valid_until == end, "the past span is not rewritten"


ROTATIONS: list[tuple[Callable[[LedgerWorld], RotateKey], ReceiptCode, str]] = [
    (lambda w: rotate(w, "issue", None), ReceiptCode.FIELD_INVALID, "new_key"),
    (lambda w: rotate(w, "issue", NewKey()), ReceiptCode.FIELD_INVALID, "new_key.key.role"),
    (
        lambda w: rotate(w, "issue", new_key(w, "x", KeyRole.LEDGER)),
        ReceiptCode.FIELD_INVALID,
        "new_key.key.role",
    ),
    (
        lambda w: rotate(w, "issue", new_key(w, "x"), compromised_since=w.time + HOUR_MS),
        ReceiptCode.FIELD_INVALID,
        "compromised_since",
    ),
    (
        lambda w: rotate(w, "issue", new_key(w, "x"), compromised_since=1, overlap_ms=1),
        ReceiptCode.FIELD_INVALID,
        "compromised_since",
    ),
    (lambda w: rotate(w, "nothing", None), ReceiptCode.KEY_UNKNOWN, "retired_key_id"),
    (
        lambda w: rotate(w, "issue", w.organisations["gaa"].new_key("issue", KeyRole.ISSUE)),
        ReceiptCode.KEY_EXISTS,
        "new_key.key",
    ),
]


@pytest.mark.parametrize(("make", "code", "field"), ROTATIONS)
def test_rotation_refused(
    world: LedgerWorld, make: Callable[[LedgerWorld], RotateKey], code: ReceiptCode, field: str
) -> None:
    assert world.refuse(code, "gaa", make(world), **ADMIN)["field"] == field


def test_key_is_retired_once(world: LedgerWorld) -> None:
    world.apply("gaa", rotate(world, "issue", new_key(world, "issue-2")), **ADMIN)
    world.refuse(
        ReceiptCode.KEY_UNKNOWN, "gaa", rotate(world, "issue", new_key(world, "issue-3")), **ADMIN
    )
    world.refuse(
        ReceiptCode.FIELD_INVALID,
        "gaa",
        rotate(world, "issue", new_key(world, "issue-3"), compromised_since=1),
        **ADMIN,
    )


def test_history_is_limited(world: LedgerWorld) -> None:
    record = world.did_record("gaa")
    retired = tuple(
        dataclasses.replace(record.keys[2], key_id=f"old-{number}", valid_until=1)
        for number in range(RECORD_HISTORY_COUNT_MAX - len(record.keys))
    )
    world.values[did_key(record.did)] = encode(
        dataclasses.replace(record, keys=(*record.keys, *retired))
    )
    results = world.refuse(
        ReceiptCode.LIMIT_EXCEEDED, "gaa", rotate(world, "issue", new_key(world, "b")), **ADMIN
    )
    assert results["field"] == "did"


def test_compromised_key_goes_even_when_the_history_is_full(world: LedgerWorld) -> None:
    record = world.did_record("gaa")
    retired = tuple(
        dataclasses.replace(record.keys[2], key_id=f"old-{number}", valid_until=1)
        for number in range(RECORD_HISTORY_COUNT_MAX - len(record.keys))
    )
    world.values[did_key(record.did)] = encode(
        dataclasses.replace(record, keys=(*record.keys, *retired))
    )
    since = world.time - HOUR_MS
    world.apply("gaa", rotate(world, "ledger", None, compromised_since=since), **ADMIN)
    assert key(world, "ledger").valid_until == world.time
    assert len(world.did_record("gaa").keys) == RECORD_HISTORY_COUNT_MAX


def test_key_is_compromised_from_its_first_instant_at_the_earliest(world: LedgerWorld) -> None:
    first = key(world, "issue").valid_from
    world.apply("gaa", rotate(world, "issue", None, compromised_since=1), **ADMIN)
    assert key(world, "issue").compromised_since == first
    # To say so again is no news.
    again = rotate(world, "issue", None, compromised_since=2)
    world.refuse(ReceiptCode.KEY_UNKNOWN, "gaa", again, **ADMIN)


def test_full_record_refuses_growth_and_still_retires_every_key(world: LedgerWorld) -> None:
    record = world.did_record("gaa")
    service = ServiceRecord(
        id="s" * 32, type="T" * 64, endpoint="https://" + "e" * 240, valid_from=1, valid_until=2
    )
    old_key = dataclasses.replace(record.keys[2], public_key=b"p" * 96, key_id="k" * 64)
    full = dataclasses.replace(
        record,
        services=(service,) * 480,
        keys=(*record.keys, *(old_key for _ in range(RECORD_HISTORY_COUNT_MAX - 4))),
    )
    while len(encode(full)) > STATE_VALUE_SIZE_MAX - RETIREMENT_RESERVE_SIZE:
        full = dataclasses.replace(full, keys=full.keys[:-1])
    world.values[did_key(record.did)] = encode(full)
    growth = update(world, set_services=(Service("s" * 32, "T" * 64, "https://" + "a" * 60),))
    results = world.refuse(ReceiptCode.LIMIT_EXCEEDED, "gaa", growth, **ADMIN)
    assert results["field"] == "did"
    world.refuse(
        ReceiptCode.LIMIT_EXCEEDED, "gaa", rotate(world, "issue", new_key(world, "b")), **ADMIN
    )
    for name in ("issue", "ledger", "admin"):
        world.apply("gaa", rotate(world, name, None, compromised_since=world.time), **ADMIN)


def test_reserve_holds_the_ends_of_everything() -> None:
    far = 2**64 - 1
    began = KeyRecord(
        key_id="k" * 64, role=KeyRole.VOTE, type=KeyType.BLS12381, public_key=b"p" * 96
    )
    ended = dataclasses.replace(began, valid_until=far, compromised_since=far)
    left = ServiceRecord(id="s", type="T", endpoint="e" * 256, valid_from=1)
    growth = len(encode(ended)) - len(encode(began)) + 1
    growth += len(encode(dataclasses.replace(left, valid_until=far))) - len(encode(left)) + 1
    assert growth * RECORD_HISTORY_COUNT_MAX + 64 <= RETIREMENT_RESERVE_SIZE


def test_the_last_admin_key_goes_only_with_a_new_one(world: LedgerWorld) -> None:
    """Nobody could change the DID any more: not even with the key that was compromised."""
    lost = rotate(world, "admin", None, compromised_since=1)
    world.refuse(ReceiptCode.KEY_ROLE_MISSING, "gaa", lost, **ADMIN)
    fresh = world.organisations["gaa"].new_key("admin-2", KeyRole.ADMIN)
    world.apply("gaa", rotate(world, "admin", fresh, overlap_ms=HOUR_MS), **ADMIN)
    # The old one ends soon, so the new one is the last.
    lost = rotate(world, "admin-2", None, compromised_since=1)
    world.refuse(ReceiptCode.KEY_ROLE_MISSING, "gaa", lost, **ADMIN)
    further = world.organisations["gaa"].new_key("admin-3", KeyRole.ADMIN)
    world.apply("gaa", rotate(world, "admin-2", further, compromised_since=1), **ADMIN)
    assert [item.key_id for item in world.did_record("gaa").keys if item.valid_until == 0] == [
        "ledger",
        "issue",
        "admin-3",
    ]
