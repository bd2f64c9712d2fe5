# SPDX-License-Identifier: Apache-2.0
"""Records as JSON and as lines."""

from __future__ import annotations

from cli.records import lines, plain_record, show_day_number, show_ms
from ledger.model.civil_date import day_of
from ledger.model.keys import KeyRole, KeyType
from ledger.model.operations import AccreditationReason, ResourceType, Scope
from ledger.model.records import (
    DidRecord,
    GrantEvent,
    GrantEventKind,
    GrantRecord,
    KeyRecord,
    ResourceRecord,
)

TIME = 1_778_743_000_123
KEY = KeyRecord(
    key_id="issue", role=KeyRole.ISSUE, type=KeyType.ED25519, public_key=bytes(32), valid_from=TIME
)


def test_times_are_instants_and_what_is_not_set_is_null() -> None:
    plain = plain_record(DidRecord(did="did:x", version=1, created=TIME, updated=TIME, keys=(KEY,)))
    assert plain["created"] == "2026-05-14T07:16:40.123Z"
    assert plain["deactivated"] is None
    (key,) = plain["keys"]
    assert (key["role"], key["type"], key["valid_until"]) == ("issue", "ed25519", None)
    assert key["public_key"].startswith("z6Mk")


def test_terms_of_grants_are_days() -> None:
    event = GrantEvent(
        kind=GrantEventKind.AB_INITIO_OPENED,
        effective=day_of(TIME),
        reason=AccreditationReason.FRAUD_FINDING,
        recorded_at=TIME,
        by="did:x",
    )
    grant = GrantRecord(
        grant_id="g", powers=("train",), scope=Scope(sites=("2",)), valid_from=1, events=(event,)
    )
    plain = plain_record(grant)
    assert (plain["valid_from"], plain["valid_until"]) == ("1970-01-02", None)
    assert plain["powers"] == ["train"]
    assert plain["scope"]["sites"] == ["2"]
    (found,) = plain["events"]
    assert (found["kind"], found["effective"]) == ("ab-initio-opened", "2026-05-14")
    assert found["reason"] == "fraud-finding"


def test_content_is_shown_as_the_json_it_is() -> None:
    record = ResourceRecord(
        resource_id=bytes(16), type=ResourceType.JSON_SCHEMA, content=b'{"a": 1}', checksum=b"\xff"
    )
    plain = plain_record(record)
    assert (plain["content"], plain["type"], plain["checksum"]) == ({"a": 1}, "JsonSchema", "ff")
    assert plain["resource_id"] == "00000000-0000-0000-0000-000000000000"
    assert plain_record(ResourceRecord(content=b"\xff"))["content"] == "ff"


def test_zero_is_not_set() -> None:
    assert (show_ms(0), show_day_number(0)) == (None, None)


def test_lines_for_people() -> None:
    plain = {"a": 1, "list": ["x", {"b": True, "cc": None}], "none": [], "sub": {"d": "e"}}
    assert list(lines(plain, "  ")) == [
        "  a     1",
        "  list",
        "    - x",
        "    - b   true",
        "      cc  –",
        "  none  –",
        "  sub",
        "    d  e",
    ]
