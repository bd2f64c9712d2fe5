# SPDX-License-Identifier: Apache-2.0
"""Validators come and go: who may, when it counts, and that nothing is ever used twice.

`LedgerWorld` builds and checks every header with the set that follows from the parent's state, so
each story here is one of headers, too. `refuse` shows that a refusal changed nothing.
"""

from __future__ import annotations

import dataclasses
from hashlib import sha256

import pytest

from ledger.model.block import Validator
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_block_hash, compute_validators_hash
from ledger.model.limits import (
    LEARNERS_COUNT_MAX,
    VALIDATORS_COUNT_MAX,
    VALIDATORS_LISTED_COUNT_MAX,
)
from ledger.model.operations import (
    AdmitValidator,
    RemoveValidator,
    UpdateValidatorAddress,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import ActiveSetRecord, MemberRecord, ValidatorStatus
from ledger.model.schema import active_set_key, validator_key
from ledger.model.transaction import Operation
from ledger.state.block_check import BlockInvalidError, check_block
from ledger.state.machine import dry_run
from ledger.state.validators import (
    compute_validators_hash_of,
    get_active_set,
    get_active_set_record,
    get_members,
)
from tests.support.ledger_execution import LedgerWorld
from tests.support.ledger_world import make_organisation, make_tls_certificate, make_validator
from tests.support.membership import (
    ADDRESS,
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


def ids(world: LedgerWorld) -> list[str]:
    return [validator.id for validator in get_active_set(world.state).validators]


def member(world: LedgerWorld, validator_id: str) -> MemberRecord:
    return decode(MemberRecord, world.values[validator_key(validator_id)])


# The story ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ed25519", "bls12381"])
def test_from_admission_to_removal(scheme: str) -> None:
    world = make_membership_world(certificate_scheme=scheme)
    results = world.apply("saqa", admission(world, "n9", "qcto"), keys=ADMIN)
    admitted = world.header.height
    assert results == {"validator": "n9", "number": "3"}
    assert ids(world) == ["n1", "n2"]
    assert member(world, "n9") == MemberRecord(
        validator=make_validator("n9", world.did("qcto"), certificate_scheme=scheme),
        number=3,
        status=ValidatorStatus.LEARNER,
        peer_address=ADDRESS,
        admitted_height=admitted,
    )
    world.run_block([])
    results = world.apply("qcto", activation(world, "n9"), keys=ADMIN)
    activated = world.header.height
    assert results == {"validator": "n9", "counts_from": str(activated + 2)}
    assert ids(world) == ["n1", "n2", "n9"]
    world.run_block([])
    world.apply("qcto", RemoveValidator("n9"), keys=ADMIN)
    assert ids(world) == ["n1", "n2"]
    ended = member(world, "n9")
    assert ended.status is ValidatorStatus.REMOVED
    assert (ended.admitted_height, ended.activated_height, ended.removed_height) == (
        admitted,
        activated,
        activated + 2,
    )
    assert [found.number for found in get_members(world.state)] == [1, 2, 3]
    assert get_active_set_record(world.state) == ActiveSetRecord(
        ids=("n1", "n2"), last_changed_height=activated + 2, next_number=4
    )


def test_a_change_executed_at_g_counts_from_g_plus_2(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    old = compute_validators_hash(encode(get_active_set(world.state)))
    world.apply("qcto", activation(world, "n9"), keys=ADMIN)
    changed = world.header  # height g
    new = compute_validators_hash(encode(get_active_set(world.state)))
    assert old != new == compute_validators_hash_of(world.state)
    assert (changed.validators_hash, changed.next_validators_hash) == (old, old)
    world.run_block([])
    assert (world.header.validators_hash, world.header.next_validators_hash) == (old, new)
    world.run_block([])
    assert (world.header.validators_hash, world.header.next_validators_hash) == (new, new)


def test_a_header_that_keeps_the_old_set_is_refused(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    world.apply("qcto", activation(world, "n9"), keys=ADMIN)
    lagging = dataclasses.replace(
        world.make_header([]), next_validators_hash=world.header.next_validators_hash
    )
    with pytest.raises(BlockInvalidError) as caught:
        check_block(
            lagging,
            [],
            parent=world.header,
            next_validators_hash=compute_validators_hash_of(world.state),
        )
    assert caught.value.field == "next_validators_hash"


def test_the_set_is_sorted_by_id_and_members_by_number(world: LedgerWorld) -> None:
    admit(world, "a9", "qcto")
    world.apply("qcto", activation(world, "a9"), keys=ADMIN)
    assert ids(world) == ["a9", "n1", "n2"]
    members = get_members(world.state)
    assert [found.validator and found.validator.id for found in members] == ["n1", "n2", "a9"]
    assert [found.number for found in members] == [1, 2, 3]


def test_one_takes_the_place_of_another(world: LedgerWorld) -> None:
    admit(world, "n9", "che")
    world.apply("che", activation(world, "n9", replaces="n2"), keys=ADMIN)  # n2 is che's
    assert ids(world) == ["n1", "n9"]
    assert (member(world, "n9").replaces, member(world, "n2").replaces) == ("n2", "")
    assert member(world, "n2").status is ValidatorStatus.REMOVED
    assert member(world, "n2").removed_height == world.header.height


def test_an_address_is_told_anew(world: LedgerWorld) -> None:
    before = member(world, "n2")
    world.apply("che", UpdateValidatorAddress("n2", "10.0.0.2:7052"))
    assert member(world, "n2") == dataclasses.replace(before, peer_address="10.0.0.2:7052")
    assert world.header.next_validators_hash == compute_validators_hash_of(world.state)


# Who may ------------------------------------------------------------------------------------------


def test_only_the_authority_admits(world: LedgerWorld) -> None:
    detail = refuse(
        world, ReceiptCode.NOT_AUTHORISED, "qcto", admission(world, "n9", "qcto"), "author"
    )
    assert "recognise-council" in detail
    refused = world.refuse(ReceiptCode.NOT_AUTHORISED, "saqa", admission(world, "n9", "qcto"))
    assert refused["field"] == "signers"  # the key on line will not do


def test_who_runs_it_activates(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    for other in ("saqa", "che"):
        refuse(world, ReceiptCode.NOT_OWNER, other, activation(world, "n9"), "author")
    refused = world.refuse(ReceiptCode.NOT_AUTHORISED, "qcto", activation(world, "n9"))
    assert refused["field"] == "signers"


def test_the_authority_or_who_runs_it_removes(world: LedgerWorld) -> None:
    refuse(world, ReceiptCode.NOT_AUTHORISED, "qcto", RemoveValidator("n2"), "author")
    for author in ("che", "saqa"):
        fork = world.fork()
        fork.apply(author, RemoveValidator("n2"), keys=ADMIN)
        assert ids(fork) == ["n1"]


def test_who_runs_it_tells_its_address(world: LedgerWorld) -> None:
    results = world.refuse(ReceiptCode.NOT_OWNER, "saqa", UpdateValidatorAddress("n2", "a:1"))
    assert results["field"] == "author"


def test_nobody_pushes_another_out_of_its_place(world: LedgerWorld) -> None:
    """n1 is saqa's: qcto could not remove it, so it cannot replace it."""
    admit(world, "n9", "qcto")
    refuse(
        world,
        ReceiptCode.NOT_AUTHORISED,
        "qcto",
        activation(world, "n9", replaces="n1"),
        "replaces",
    )


def test_the_authority_replaces_whom_it_could_remove(world: LedgerWorld) -> None:
    admit(world, "n9", "saqa")
    world.apply("saqa", activation(world, "n9", replaces="n2"), keys=ADMIN)
    assert ids(world) == ["n1", "n9"]


def test_a_successor_runs_what_was_left_to_it(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    world.succeed("qcto", "che")
    world.apply("che", activation(world, "n9"), keys=ADMIN)
    refuse(
        world,
        ReceiptCode.ORGANISATION_SUCCEEDED,
        "saqa",
        admission(world, "n8", "qcto"),
        "validator.organisation",
    )


# Once and for ever --------------------------------------------------------------------------------


def test_an_id_is_used_once(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    world.apply("saqa", RemoveValidator("n9"), keys=ADMIN)
    for taken in ("n1", "n9"):
        fresh = make_validator("fresh", world.did("qcto"), certificate_scheme="ed25519")
        named = dataclasses.replace(fresh, id=taken, tls_certificate=make_tls_certificate(taken)[0])
        refuse(
            world,
            ReceiptCode.VALIDATOR_EXISTS,
            "saqa",
            AdmitValidator(named, ADDRESS),
            "validator.id",
        )


@pytest.mark.parametrize("state", ["active", "learner", "removed"])
@pytest.mark.parametrize("name", ["vote_key", "peer_key"])
def test_a_key_is_used_once(world: LedgerWorld, state: str, name: str) -> None:
    if state != "active":
        admit(world, "n9", "qcto")
    if state == "removed":
        world.apply("saqa", RemoveValidator("n9"), keys=ADMIN)
    holder = make_validator("n1" if state == "active" else "n9", "", certificate_scheme="ed25519")
    fresh = admission(world, "n8", "qcto")
    assert fresh.validator is not None
    for role in ("vote_key", "peer_key"):  # nor in another role
        changed = dataclasses.replace(fresh.validator, **{role: getattr(holder, name)})
        refuse(
            world,
            ReceiptCode.VALIDATOR_KEY_USED,
            "saqa",
            AdmitValidator(changed, ADDRESS),
            f"validator.{role}",
        )


def test_a_certificate_is_used_once(world: LedgerWorld) -> None:
    """An id within a certificate is the validator's, so only a forged record meets this."""
    fresh = admission(world, "n8", "qcto")
    assert fresh.validator is not None
    key = b"validator-key\x00" + sha256(fresh.validator.tls_certificate).digest()
    world.values[key] = next(
        value for key, value in world.values.items() if key.startswith(b"validator-key\x00")
    )
    refuse(world, ReceiptCode.VALIDATOR_KEY_USED, "saqa", fresh, "validator.tls_certificate")


def test_a_removed_validator_stays_removed(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    world.apply("qcto", RemoveValidator("n9"), keys=ADMIN)
    refuse(world, ReceiptCode.VALIDATOR_REMOVED, "qcto", RemoveValidator("n9"), "validator_id")
    refuse(
        world, ReceiptCode.VALIDATOR_NOT_LEARNER, "qcto", activation(world, "n9"), "validator_id"
    )
    moved = UpdateValidatorAddress("n9", "a:1")
    assert world.refuse(ReceiptCode.VALIDATOR_REMOVED, "qcto", moved)["field"] == "validator_id"


def test_an_active_one_is_not_activated_again(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    world.apply("qcto", activation(world, "n9"), keys=ADMIN)
    world.run_block([])
    refuse(
        world, ReceiptCode.VALIDATOR_NOT_LEARNER, "qcto", activation(world, "n9"), "validator_id"
    )


def test_numbers_are_never_used_again(world: LedgerWorld) -> None:
    admit(world, "n9", "qcto")
    world.apply("saqa", RemoveValidator("n9"), keys=ADMIN)
    results = world.apply("saqa", admission(world, "n8", "qcto"), keys=ADMIN)
    assert results["number"] == "4"


def test_what_is_replaced_is_active(world: LedgerWorld) -> None:
    admit(world, "n9", "saqa")
    admit(world, "n8", "saqa")
    for other, code in (
        ("nobody", ReceiptCode.VALIDATOR_UNKNOWN),
        ("n8", ReceiptCode.VALIDATOR_NOT_ACTIVE),
        ("n9", ReceiptCode.VALIDATOR_NOT_ACTIVE),
    ):
        refuse(world, code, "saqa", activation(world, "n9", replaces=other), "replaces")


@pytest.mark.parametrize(
    "operation", [RemoveValidator("n7"), UpdateValidatorAddress("n7", "a:1")], ids=repr
)
def test_nobody_is_changed_who_is_not_there(world: LedgerWorld, operation: Operation) -> None:
    refuse(world, ReceiptCode.VALIDATOR_UNKNOWN, "saqa", operation, "validator_id")
    refuse(world, ReceiptCode.VALIDATOR_UNKNOWN, "saqa", activation(world, "n7"), "validator_id")


# One change at a time -----------------------------------------------------------------------------


@pytest.mark.parametrize("blocks_between", [0, 1])
def test_a_second_change_waits_until_the_first_counts(blocks_between: int) -> None:
    world = make_membership_world("n1", "n2", "n3")
    admit(world, "n9", "qcto")
    world.apply("qcto", activation(world, "n9"), keys=ADMIN)  # at g
    changed = world.header.height
    refuse(world, ReceiptCode.CHANGE_PENDING, "che", RemoveValidator("n2"), "validator_id")
    for _ in range(blocks_between):
        world.run_block([])
    assert world.header.height + 1 == changed + 2 + blocks_between
    world.apply("che", RemoveValidator("n2"), keys=ADMIN)  # at g + 2, or later
    assert ids(world) == ["n1", "n3", "n9"]


def test_two_changes_in_one_block_are_one_too_many() -> None:
    world = make_membership_world("n1", "n2", "n3")
    admit(world, "n9", "qcto")
    operations: list[tuple[str, Operation]] = [
        ("che", RemoveValidator("n2")),
        ("umalusi", RemoveValidator("n3")),
        ("qcto", activation(world, "n9")),
    ]
    result = world.run_block(
        [world.make_transaction(author, item, keys=ADMIN) for author, item in operations]
    )
    assert [ReceiptCode(receipt.code).name for receipt in result.receipts] == [
        "APPLIED",
        "CHANGE_PENDING",
        "CHANGE_PENDING",
    ]
    assert ids(world) == ["n1", "n3"]
    assert member(world, "n9").status is ValidatorStatus.LEARNER


def test_learners_come_and_go_while_a_change_is_pending() -> None:
    world = make_membership_world("n1", "n2", "n3")
    admit(world, "n8", "qcto")
    world.apply("che", RemoveValidator("n2"), keys=ADMIN)
    changed = get_active_set_record(world.state).last_changed_height
    results = world.apply("qcto", RemoveValidator("n8"), keys=ADMIN)
    assert results == {"validator": "n8", "counts_from": str(world.header.height)}
    world.apply("saqa", admission(world, "n9", "qcto"), keys=ADMIN)
    assert get_active_set_record(world.state).last_changed_height == changed


def test_the_first_block_may_change_the_set() -> None:
    world = LedgerWorld(make_membership_world().genesis, is_council_granted=False)
    world.apply("saqa", RemoveValidator("n2"), keys=ADMIN)
    assert (world.header.height, ids(world)) == (1, ["n1"])


# How few and how many -----------------------------------------------------------------------------


def test_a_crash_network_keeps_one() -> None:
    world = make_membership_world("n1")
    detail = refuse(
        world, ReceiptCode.WOULD_LOSE_QUORUM, "saqa", RemoveValidator("n1"), "validator_id"
    )
    assert detail == "at least 1 stay (crash)"


def test_a_byzantine_network_keeps_four() -> None:
    world = make_membership_world("n1", "n2", "n3", "n4", "n5", fault_model="byzantine")
    world.apply("che", RemoveValidator("n2"), keys=ADMIN)
    world.run_block([])
    refuse(world, ReceiptCode.WOULD_LOSE_QUORUM, "qcto", RemoveValidator("n4"), "validator_id")
    admit(world, "n9", "qcto")
    world.apply("qcto", activation(world, "n9", replaces="n4"), keys=ADMIN)
    assert ids(world) == ["n1", "n3", "n5", "n9"]


def test_a_small_byzantine_network_only_grows() -> None:
    world = make_membership_world("n1", "n2", fault_model="byzantine")
    refuse(world, ReceiptCode.WOULD_LOSE_QUORUM, "saqa", RemoveValidator("n2"), "validator_id")
    admit(world, "n9", "qcto")
    world.apply("qcto", activation(world, "n9"), keys=ADMIN)
    assert ids(world) == ["n1", "n2", "n9"]


def change_active(world: LedgerWorld, **changes: object) -> None:
    record = dataclasses.replace(get_active_set_record(world.state), **changes)  # type: ignore[arg-type]
    world.values[active_set_key()] = encode(record)


def test_a_full_network_takes_another_only_in_a_place(world: LedgerWorld) -> None:
    admit(world, "n9", "saqa")
    world.run_block([])
    refused = world.make_transaction("saqa", activation(world, "n9"), keys=ADMIN)
    replacing = world.make_transaction("saqa", activation(world, "n9", replaces="n2"), keys=ADMIN)
    crowd = tuple(f"x{position:03}" for position in range(VALIDATORS_COUNT_MAX - 2))
    change_active(world, ids=("n1", "n2", *crowd))
    for encoded, expected in (
        (refused, ReceiptCode.LIMIT_EXCEEDED),
        (replacing, ReceiptCode.APPLIED),
    ):
        receipt = dry_run(
            world.state,
            time_ms=world.time + 1000,
            height=world.header.height + 1,
            transaction=world.check(encoded),
            parent_hash=compute_block_hash(encode(world.header)),
        )
        assert ReceiptCode(receipt.code) is expected


@pytest.mark.parametrize(
    "changes",
    [{"learner_count": LEARNERS_COUNT_MAX}, {"next_number": VALIDATORS_LISTED_COUNT_MAX + 1}],
)
def test_learners_and_numbers_end(world: LedgerWorld, changes: dict[str, object]) -> None:
    change_active(world, **changes)
    refuse(world, ReceiptCode.LIMIT_EXCEEDED, "saqa", admission(world, "n9", "qcto"), "validator")
    change_active(world, **{name: int(str(value)) - 1 for name, value in changes.items()})
    world.apply("saqa", admission(world, "n9", "qcto"), keys=ADMIN)


# What a record must hold --------------------------------------------------------------------------


def test_the_vote_key_is_of_the_networks_scheme() -> None:
    for network, key in (("ed25519", "bls12381"), ("bls12381", "ed25519")):
        world = make_membership_world(certificate_scheme=network)
        validator = make_validator("n9", world.did("qcto"), certificate_scheme=key)
        refuse(
            world,
            ReceiptCode.VALIDATOR_KEY_INVALID,
            "saqa",
            AdmitValidator(validator, ADDRESS),
            "validator.vote_key_type",
        )


def test_execution_asks_for_the_form_again(world: LedgerWorld) -> None:
    good = admission(world, "n9", "qcto").validator
    assert isinstance(good, Validator)
    stranger = make_organisation("stranger").did
    for code, operation, field in (
        (ReceiptCode.FIELD_INVALID, AdmitValidator(good, "nowhere"), "peer_address"),
        (
            ReceiptCode.ORGANISATION_UNKNOWN,
            AdmitValidator(dataclasses.replace(good, organisation=stranger), ADDRESS),
            "validator.organisation",
        ),
        (
            ReceiptCode.KEY_POSSESSION_INVALID,
            AdmitValidator(dataclasses.replace(good, vote_possession=b"\xff" * 96), ADDRESS),
            "validator.vote_possession",
        ),
    ):
        refuse(world, code, "saqa", operation, field)
    refuse(world, ReceiptCode.FIELD_INVALID, "saqa", AdmitValidator(None, ADDRESS), "validator")
    wrong = world.refuse(
        ReceiptCode.FIELD_INVALID, "che", UpdateValidatorAddress("n2", "http://n2")
    )
    assert wrong["field"] == "peer_address"
    admit(world, "n9", "qcto")
    unsigned = activation(world, "n9", signature=b"\xff")
    refuse(world, ReceiptCode.FIELD_INVALID, "qcto", unsigned, "signature")
