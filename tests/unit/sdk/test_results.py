# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from sdk.moments import day_asked, day_number, to_date, to_date_or_none, to_instant, to_ms
from sdk.results import (
    Accreditation,
    Decision,
    Proven,
    Receipt,
    Resource,
    StatusList,
    TransactionStatus,
    Verdict,
    Wait,
    get_status,
    json_value,
)

INSTANT = datetime(2026, 5, 14, 9, 0, tzinfo=UTC)
GRANT = Accreditation(
    id="g1",
    grantor="charter",
    grantee="did:pset:za:x",
    powers=frozenset({"train", "assess-internally"}),
    scope={"sites": ["1"]},
    valid_from=date(2024, 2, 1),
    valid_until=None,
    status="active",
    parent=None,
)


def test_values_as_json_can_hold_them() -> None:
    proven = Proven([GRANT], 7, INSTANT + timedelta(milliseconds=5), True, b"\x00\xff")
    assert json.loads(proven.to_json()) == {
        "value": [
            {
                "id": "g1",
                "grantor": "charter",
                "grantee": "did:pset:za:x",
                "powers": ["assess-internally", "train"],
                "scope": {"sites": ["1"]},
                "valid_from": "2024-02-01",
                "valid_until": None,
                "status": "active",
                "parent": None,
            }
        ],
        "height": 7,
        "as_of": "2026-05-14T09:00:00.005Z",
        "verified": True,
        "proof": "AP8=",
    }
    assert json_value(Verdict.INVALID) == "invalid"
    assert json_value(Wait.CERTIFIED) == 2
    there = INSTANT.astimezone(timezone(timedelta(hours=2)))
    assert json_value(there) == "2026-05-14T09:00:00Z"
    resource = Resource("u", "n", "JsonSchema", "1", b"{}", "00", None)
    assert resource.to_dict()["content"] == "e30="


def test_results_are_values() -> None:
    with pytest.raises(FrozenInstanceError):
        GRANT.status = "void"  # type: ignore[misc]
    assert not hasattr(GRANT, "__dict__")
    assert Decision(True, "ALLOWED", "", "g1", None)
    assert not Decision(False, "NO_POWER", "", None, None)


def test_a_receipt_keeps_its_proof_to_itself() -> None:
    receipt = Receipt("00", 1, 0, INSTANT, 1, "APPLIED", "", True, {"grant_id": "g1"}, b"proof")
    assert "proof" not in receipt.to_dict()
    assert "proof" not in repr(receipt)
    status = TransactionStatus("applied", receipt)
    assert status.to_dict()["receipt"]["result"] == {"grant_id": "g1"}


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_statuses_begin_at_the_highest_bit(bits: int) -> None:
    chunk = bytearray(1024)
    chunk[0] = 0b1010_0000
    chunks = {1: bytes(chunk)}
    first = 1024 * 8 // bits
    expected = {1: [1, 0, 1, 0], 2: [2, 2, 0, 0], 4: [10, 0, 0, 0], 8: [160, 0, 0, 0]}[bits]
    assert [get_status(chunks, first + n, bits) for n in range(4)] == expected
    assert get_status(chunks, first - 1, bits) == 0
    held = StatusList("u", "message", 2 * first, bits, 1, chunks)
    assert held[first] == expected[0]
    assert held.bitstring() == bytes(1024) + bytes(chunk)


def test_days_and_instants() -> None:
    assert day_number(date(1970, 1, 1)) == 0
    assert to_date(day_number(date(2029, 1, 31))) == date(2029, 1, 31)
    assert to_date_or_none(0) is None
    assert to_instant(to_ms(INSTANT)) == INSTANT
    assert to_ms(INSTANT + timedelta(microseconds=1999)) == to_ms(INSTANT) + 1
    # 22:30 UTC is the next day in South Africa.
    late = datetime(2026, 5, 14, 22, 30, tzinfo=UTC)
    assert to_date(day_asked(None, None, to_ms(late))) == date(2026, 5, 15)
    assert to_date(day_asked(None, to_ms(INSTANT), to_ms(late))) == date(2026, 5, 14)
    assert to_date(day_asked(date(2020, 1, 1), 0, 0)) == date(2020, 1, 1)
