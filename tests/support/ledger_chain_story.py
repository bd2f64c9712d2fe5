# SPDX-License-Identifier: Apache-2.0
"""The story that `ledger_chain` tells: every operation, applied and refused, alone and in blocks."""

from __future__ import annotations

import json

from ledger.model.keys import KeyRole
from ledger.model.operations import (
    AccreditationReason,
    ReinstateAccreditation,
    RemoveValidator,
    ResourceType,
    RotateKey,
    Service,
    StatusPurpose,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    WithdrawAccreditation,
)
from ledger.model.transaction import Operation
from tests.support.ledger_execution import ELECTRICIAN, LedgerWorld, make_training_world
from tests.support.ledger_world import day, make_genesis
from tests.support.membership import ADMIN, activation, admission, admit

QUALITY = AccreditationReason.QUALITY_FAILURE


def tell() -> LedgerWorld:
    """A world after the whole story; `world.blocks` is the chain."""
    # With Ed25519 vote keys, which every Python can verify.
    genesis = make_genesis(validators=("n1", "n2"), certificate_scheme="ed25519")
    world = make_training_world(genesis)
    _publish(world)
    _accredit(world)
    _keep_status(world)
    _change_keys(world)
    _change_validators(world)
    _refuse(world)
    world.run_block([], time=world.time + 90_000_000)  # everything expires
    return world


def _publish(world: LedgerWorld) -> None:
    for version, text in enumerate(("Certificate", "Isitifiketi ḓṱ", "Getuigskrif é")):
        content = json.dumps({"languages": {"en": {"title": text}}}, ensure_ascii=False).encode()
        operation = world.publish(
            "gaa", "labels", ResourceType.DISPLAY_BUNDLE, content, expected_version=version
        )
        world.apply("gaa", operation)


def _accredit(world: LedgerWorld) -> None:
    training = world.grant(
        "qcto",
        "gaa",
        "train assess-internally issue-statement-of-results",
        until="2029-01-31",
        qualifications=[ELECTRICIAN],
        sites=["1", "2"],
    )
    world.grant("qcto", "ttc", "trade-test", trades=["za:ofo:2021:671101"])
    world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    world.grant("merseta", "bontle", "host-workplace", trades=["za:ofo:2021:671101"])
    badge = world.grant(
        "qcto", "gaa", "issue-badge", until="2026-01-31", qualifications=[ELECTRICIAN]
    )
    changes: list[tuple[str, Operation]] = [
        ("qcto", SuspendAccreditation(training, 1, day("2024-06-01"), QUALITY)),
        ("qcto", ReinstateAccreditation(training, 2, day("2024-08-01"), QUALITY)),
        ("qcto", WithdrawAccreditation(training, 3, day("2027-07-01"), QUALITY)),
        ("qcto", WithdrawAccreditation(badge, 1, day("2024-02-01"), QUALITY, ab_initio=True)),
        ("saqa", WithdrawAccreditation(badge, 2, day("2024-02-01"), QUALITY, ab_initio=True)),
    ]
    world.run_block([world.make_transaction(author, item) for author, item in changes])
    assert [receipt.code for receipt in world.results[-1].receipts] == [1] * len(changes)


def _keep_status(world: LedgerWorld) -> None:
    for purpose, bits in (
        (StatusPurpose.REVOCATION, 1),
        (StatusPurpose.SUSPENSION, 1),
        (StatusPurpose.MESSAGE, 4),
    ):
        list_id = world.create_status_list("gaa", purpose=purpose, bits=bits, label=f"{purpose}")
        updates = [
            UpdateStatusList(
                owner=world.did("gaa"),
                list_id=list_id,
                base_version=version,
                indexes=tuple(index * 4099 for index in range(1, 30)),
                values=bytes((value,)) * 29,
            )
            for version, value in enumerate((1, 1, 0))
        ]
        world.run_block([world.make_transaction("gaa", update) for update in updates])


def _change_keys(world: LedgerWorld) -> None:
    gaa = world.organisations["gaa"]
    operations: list[Operation] = [
        UpdateDid(
            did=gaa.did,
            expected_version=1,
            set_services=(Service("api", "PsetNode", "https://node.example.org"),),
            add_keys=(gaa.new_key("issue-2", KeyRole.ISSUE),),
        ),
        RotateKey(
            did=gaa.did,
            expected_version=2,
            retired_key_id="issue",
            new_key=gaa.new_key("issue-3", KeyRole.ISSUE),
            overlap_ms=1000,
        ),
        RotateKey(
            did=gaa.did,
            expected_version=3,
            retired_key_id="issue-2",
            new_key=gaa.new_key("issue-4", KeyRole.ISSUE),
            compromised_since=world.time,
        ),
    ]
    for operation in operations:
        world.apply("gaa", operation, keys=["admin"])


def _change_validators(world: LedgerWorld) -> None:
    world.apply("che", UpdateValidatorAddress("n2", "n2.example:7052"))
    admit(world, "n9", "che")
    world.apply("saqa", admission(world, "n8", "qcto"), keys=ADMIN)
    operations: list[tuple[str, Operation]] = [
        ("che", activation(world, "n9", replaces="n2")),
        ("saqa", RemoveValidator("n1")),
        ("saqa", RemoveValidator("n8")),
    ]
    world.run_block(
        [world.make_transaction(author, item, keys=ADMIN) for author, item in operations]
    )
    assert [receipt.code for receipt in world.results[-1].receipts] == [1, 321, 1]
    world.run_block([])
    world.apply("saqa", RemoveValidator("n1"), keys=ADMIN)


def _refuse(world: LedgerWorld) -> None:
    grants = [
        ("qcto", world.grant_operation("gaa", "conduct-eisa", qualifications=[ELECTRICIAN])),
        ("qcto", world.grant_operation("saqa", "train", qualifications=[ELECTRICIAN])),
        ("qcto", world.grant_operation("gaa", "train", qualifications=[ELECTRICIAN])),
        ("che", world.grant_operation("nmu", "issue", qualifications=[ELECTRICIAN])),
        ("ttc", world.grant_operation("gaa", "train", qualifications=[ELECTRICIAN])),
    ]
    encoded = [world.make_transaction(author, grant) for author, grant in grants]
    world.run_block(encoded)
    key = b"same" * 4
    site = [
        world.make_transaction(
            "gaa",
            world.site_operation("gaa", "3"),
            idempotency_key=key,
            expires_at=world.time + expiry,
        )
        for expiry in (60_000, 120_000)
    ]
    world.run_block(site)
    world.run_block([world.make_transaction("gaa", world.site_operation("gaa", "3"))])
