# SPDX-License-Identifier: Apache-2.0
"""A newcomer is who it says and has caught up: its signature over a recent block."""

from __future__ import annotations

import dataclasses

import pytest

from ledger.model.codec import encode
from ledger.model.hashes import compute_block_hash
from ledger.model.limits import ACTIVATION_AGE_MAX
from ledger.model.operations import RemoveValidator
from ledger.model.receipts import ReceiptCode
from ledger.state.machine import dry_run, execute_block
from tests.support.ledger_execution import LedgerWorld
from tests.support.membership import (
    ADMIN,
    activation,
    admission,
    admit,
    make_membership_world,
    refuse,
)


@pytest.fixture
def world() -> LedgerWorld:
    return make_membership_world()


def recent_blocks(world: LedgerWorld) -> int:
    return sum(key.startswith(b"recent-block\x00") for key in world.values)


def test_signatures_of_others_and_for_others(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    for changes in (
        {"signer": "n8"},
        {"signer": "n1"},
        {"chain_id": "test:0000000000000000"},
        {"signature": b"\xff" * 64},
        {"signature": b"\xff" * 96},
    ):
        refuse(
            world,
            ReceiptCode.ACTIVATION_SIGNATURE_INVALID,
            "qcto",
            activation(world, "n9", **changes),
            "signature",
        )
    swapped = dataclasses.replace(activation(world, "n8"), validator_id="n9")
    refuse(world, ReceiptCode.ACTIVATION_SIGNATURE_INVALID, "qcto", swapped, "signature")


def test_a_block_that_is_not_the_ledgers(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    other = activation(world, "n9", block_hash=b"\xff" * 32)
    refuse(world, ReceiptCode.ACTIVATION_STALE, "qcto", other, "block_hash")
    for ahead in (2, ACTIVATION_AGE_MAX):  # no such block yet; one whose slot another has
        future = activation(world, "n9", height=world.header.height + ahead)
        refuse(world, ReceiptCode.ACTIVATION_STALE, "qcto", future, "height")


def test_a_block_from_before_there_was_a_learner_shows_nothing(world: LedgerWorld) -> None:
    world.run_block([])
    early = activation(world, "n9")
    admit(world, "n9", "qcto")
    refuse(world, ReceiptCode.ACTIVATION_STALE, "qcto", early, "height")


@pytest.mark.parametrize("blocks", [ACTIVATION_AGE_MAX - 1, ACTIVATION_AGE_MAX])
def test_a_block_grows_old(world: LedgerWorld, blocks: int) -> None:
    admit(world, "n9", "qcto")
    signed = activation(world, "n9")
    for _ in range(blocks):
        world.run_block([])
    assert world.header.height + 1 - signed.height == blocks + 1
    if blocks < ACTIVATION_AGE_MAX:
        world.apply("qcto", signed, keys=ADMIN)
    else:
        refuse(world, ReceiptCode.ACTIVATION_STALE, "qcto", signed, "height")


def test_a_block_grows_old_though_its_slot_was_not_used_again(world: LedgerWorld) -> None:
    """While there was no learner nothing was written over it."""
    admit(world, "n8", "qcto")
    kept = world.header
    world.run_block([])
    world.apply("qcto", RemoveValidator("n8"), keys=ADMIN)
    while world.header.height < kept.height + ACTIVATION_AGE_MAX + 5:
        world.run_block([])
    admit(world, "n9", "qcto")
    old = activation(world, "n9", height=kept.height, block_hash=compute_block_hash(encode(kept)))
    detail = refuse(world, ReceiptCode.ACTIVATION_STALE, "qcto", old, "height")
    assert detail == "more than 100 blocks ago"


def test_hashes_are_kept_only_while_there_is_a_learner(world: LedgerWorld) -> None:
    world.run_block([])
    assert world.results[-1].writes == ()
    world.apply("saqa", admission(world, "n9", "qcto"), keys=ADMIN)
    assert recent_blocks(world) == 0
    for count in range(1, 4):
        world.run_block([])
        assert recent_blocks(world) == count
        assert len(world.results[-1].writes) == 1
    world.apply("qcto", activation(world, "n9"), keys=ADMIN)
    world.run_block([])
    assert world.results[-1].writes == ()


def test_the_slots_are_as_many_as_the_blocks_that_may_be_named(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    for _ in range(ACTIVATION_AGE_MAX + 5):
        world.run_block([])
    assert recent_blocks(world) == ACTIVATION_AGE_MAX


def test_a_dry_run_without_the_parents_hash_does_not_know_it(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    encoded = world.make_transaction("qcto", activation(world, "n9"), keys=ADMIN)
    ask = {
        "time_ms": world.time + 1000,
        "height": world.header.height + 1,
        "transaction": world.check(encoded),
    }
    before = world.snapshot()
    stale = dry_run(world.state, **ask)  # type: ignore[arg-type]
    known = dry_run(world.state, **ask, parent_hash=compute_block_hash(encode(world.header)))  # type: ignore[arg-type]
    assert (stale.code, known.code) == (ReceiptCode.ACTIVATION_STALE, ReceiptCode.APPLIED)
    assert world.values == before


def test_the_same_block_gives_the_same_writes(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    checked = [world.check(world.make_transaction("qcto", activation(world, "n9"), keys=ADMIN))]
    header = world.make_header(checked)
    assert execute_block(world.state, header, checked) == execute_block(
        world.fork().state, header, checked
    )
