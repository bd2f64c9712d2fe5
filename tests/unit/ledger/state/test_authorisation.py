# SPDX-License-Identifier: Apache-2.0
"""Rules are data: another charter, another answer. What has no rule is forbidden."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ledger.model.authorisation import decode_expression
from ledger.model.charter import default_charter
from ledger.model.keys import KeyRole, KeyType
from ledger.model.operations import AddSite, UpdateDid
from ledger.model.receipts import ReceiptCode
from ledger.model.records import KeyRecord
from ledger.state.authorisation import is_key_valid
from tests.support.ledger_execution import ELECTRICIAN, LedgerWorld
from tests.support.ledger_world import make_genesis


def world_with_rule(expression: Any) -> LedgerWorld:
    """A network in which AddSite has this rule (None: none)."""
    charter = default_charter()
    rules = [(name, rule) for name, rule in charter.rules if name != "AddSite"]
    if expression is not None:
        rules.append(("AddSite", decode_expression(expression, "rule")))
    changed = dataclasses.replace(charter, rules=tuple(sorted(rules, key=lambda rule: rule[0])))
    return LedgerWorld(make_genesis(charter=changed))


def answer(world: LedgerWorld, author: str = "qcto", **options: Any) -> ReceiptCode:
    operation = AddSite(organisation=world.did("qcto"), code="1", name="Sample", province="GP")
    return ReceiptCode(world.dry_run(author, operation, **options).code)


@pytest.mark.parametrize(
    ("expression", "keys", "expected"),
    [
        (None, ["ledger"], ReceiptCode.NOT_AUTHORISED),
        ({"forbidden": True}, ["admin", "ledger"], ReceiptCode.NOT_AUTHORISED),
        ({"organisation_active": True}, ["issue"], ReceiptCode.APPLIED),
        ({"owner": True}, ["issue"], ReceiptCode.APPLIED),
        ({"key_role": "issue"}, ["issue"], ReceiptCode.APPLIED),
        ({"key_role": "issue"}, ["ledger"], ReceiptCode.NOT_AUTHORISED),
        ({"key_role": "admin", "count": 2}, ["admin"], ReceiptCode.NOT_AUTHORISED),
        ({"power": "accredit-provider"}, ["ledger"], ReceiptCode.APPLIED),
        ({"power": "award-designation"}, ["ledger"], ReceiptCode.NOT_AUTHORISED),
        ({"power_any": ["award-designation", "certify"]}, ["ledger"], ReceiptCode.APPLIED),
        (
            {"any": [{"forbidden": True}, {"key_role": "admin"}]},
            ["admin"],
            ReceiptCode.APPLIED,
        ),
        (
            {"any": [{"forbidden": True}, {"key_role": "admin"}]},
            ["ledger"],
            ReceiptCode.NOT_AUTHORISED,
        ),
        (
            {"all": [{"key_role": "admin"}, {"key_role": "ledger"}]},
            ["admin", "ledger"],
            ReceiptCode.APPLIED,
        ),
        (
            {"all": [{"key_role": "admin"}, {"key_role": "ledger"}]},
            ["ledger"],
            ReceiptCode.NOT_AUTHORISED,
        ),
    ],
)
def test_rule(expression: Any, keys: list[str], expected: ReceiptCode) -> None:
    assert answer(world_with_rule(expression), keys=keys) is expected


def test_several_keys_of_one_role() -> None:
    world = world_with_rule({"key_role": "admin", "count": 2})
    new_key = world.organisations["qcto"].new_key("admin-2", KeyRole.ADMIN)
    operation = UpdateDid(did=world.did("qcto"), expected_version=1, add_keys=(new_key,))
    world.apply("qcto", operation, keys=["admin"])
    assert answer(world, keys=["admin"]) is ReceiptCode.NOT_AUTHORISED
    assert answer(world, keys=["admin", "admin-2"]) is ReceiptCode.APPLIED
    # Keys of others do not count towards the author's.
    assert answer(world, keys=["admin", "saqa:admin"]) is ReceiptCode.NOT_AUTHORISED


def test_owner_of_the_voucher_of_genesis() -> None:
    world = world_with_rule({"owner": True})
    assert answer(world, "saqa") is ReceiptCode.NOT_OWNER


def test_successor_owns_through_several_successions() -> None:
    world = world_with_rule({"owner": True})
    world.succeed("qcto", "che")
    world.succeed("che", "umalusi")
    assert answer(world, "umalusi") is ReceiptCode.APPLIED
    assert answer(world, "saqa") is ReceiptCode.NOT_OWNER


def test_ring_of_successions_ends() -> None:
    world = world_with_rule({"owner": True})
    world.succeed("qcto", "che")
    world.succeed("che", "qcto")
    assert answer(world, "saqa") is ReceiptCode.NOT_OWNER


def test_power_is_asked_for_on_the_day_of_the_block() -> None:
    world = world_with_rule({"power": "train"})
    world.register_electrician()
    world.endorse("gaa")
    world.grant("qcto", "gaa", "train", until="2024-12-31", qualifications=[ELECTRICIAN])
    operation = AddSite(organisation=world.did("gaa"), code="1", name="Sample", province="EC")
    for date, expected in (
        ("2024-01-31", ReceiptCode.NOT_AUTHORISED),
        ("2024-02-01", ReceiptCode.APPLIED),
        ("2024-12-31", ReceiptCode.APPLIED),
        ("2025-01-01", ReceiptCode.NOT_AUTHORISED),
    ):
        world.skip_to(date)
        assert ReceiptCode(world.dry_run("gaa", operation).code) is expected, date


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KeyRecord(role=KeyRole.LEDGER, type=KeyType.ED25519, valid_from=5), True),
        (KeyRecord(role=KeyRole.LEDGER, type=KeyType.ED25519, valid_from=6), False),
        (KeyRecord(role=KeyRole.LEDGER, type=KeyType.ED25519, valid_from=1, valid_until=5), False),
        (KeyRecord(role=KeyRole.LEDGER, type=KeyType.ED25519, valid_from=1, valid_until=6), True),
        (
            KeyRecord(role=KeyRole.LEDGER, type=KeyType.ED25519, valid_from=1, compromised_since=9),
            False,
        ),
    ],
)
def test_key_validity(key: KeyRecord, *, expected: bool) -> None:
    assert is_key_valid(key, 5) is expected
