# SPDX-License-Identifier: Apache-2.0
"""Who the validators are: a part of the state that its own blocks change.

Rules of this file:

- The set that certifies height h is the active set in the state after block h - 2 (for heights 1
  and 2: genesis). So a header, whose proposer knows the state after its parent, names the set of the
  height above it, and a change that executes at g counts from g + 2 on.
- A validator is admitted as a learner, activated once, removed once; a learner can be removed, too.
  Ids, numbers, keys and certificates are never used again.
- One change of the set at a time: after one at g, none executes before g + 2. A change adds one
  validator, removes one, or puts one in another's place.
- A removal leaves at least VALIDATORS_COUNT_MIN; putting one in another's place always may.
- While there is a learner, each block writes its parent's hash, in ACTIVATION_AGE_MAX slots: with
  one of them the newcomer shows that it follows the chain. Blocks write none otherwise, so that an
  idle ledger's state rests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Protocol, TypeVar

from ledger.model.block import Validator, ValidatorSet
from ledger.model.codec import decode, encode
from ledger.model.genesis import CERTIFICATE_SCHEMES
from ledger.model.hashes import activation_message, compute_validators_hash
from ledger.model.keys import verify_signature
from ledger.model.limits import (
    ACTIVATION_AGE_MAX,
    LEARNERS_COUNT_MAX,
    STATE_VALUE_SIZE_MAX,
    VALIDATORS_COUNT_MAX,
    VALIDATORS_LISTED_COUNT_MAX,
)
from ledger.model.operations import (
    ActivateValidator,
    AdmitValidator,
    RemoveValidator,
    UpdateValidatorAddress,
)
from ledger.model.organisation_request import RequestError
from ledger.model.receipts import ReceiptCode
from ledger.model.records import (
    ActiveSetRecord,
    ListRecord,
    MemberRecord,
    OrganisationStatus,
    RecentBlockRecord,
    ReferenceRecord,
    ValidatorStatus,
)
from ledger.model.schema import (
    active_set_key,
    recent_block_key,
    validator_key,
    validator_key_key,
    validators_child_key,
    validators_key,
)
from ledger.model.validator_form import (
    ValidatorOperation,
    check_admission_form,
    check_validator_form,
)
from ledger.state.authorisation import Ownership, authorise
from ledger.state.context import Context, OperationRefusedError, Results
from ledger.state.overlay import BlockState, TransactionState
from ledger.state.parameters import read_agreement
from ledger.state.queries import get_organisation

VALIDATORS_COUNT_MIN: Final = {"byzantine": 4, "crash": 1}
"""Validators that a removal leaves, at least, by fault model: four are the fewest among which one may
lie. A network that began with fewer cannot become smaller, only larger.
"""
CHANGE_DELAY: Final = 2
"""Heights from the block that changes the set to the first that the new set certifies."""

_T = TypeVar("_T")


class StateValues(Protocol):
    """A state by key, such as a `StateReader`."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value under a key, or None."""
        ...


# Reading ------------------------------------------------------------------------------------------


def get_active_set_record(state: StateValues) -> ActiveSetRecord:
    """Ids of the active set, and since when it is that. Raises ValueError without a genesis."""
    return _read(state, ActiveSetRecord, active_set_key())


def get_active_set(state: StateValues) -> ValidatorSet:
    """The active set, sorted by id: after block h, the validators that certify h + 2.

    Raises:
        ValueError: the state does not begin with a genesis.
    """
    return ValidatorSet(
        validators=tuple(
            _validator_of(_read(state, MemberRecord, validator_key(validator_id)))
            for validator_id in get_active_set_record(state).ids
        )
    )


def get_members(state: StateValues) -> tuple[MemberRecord, ...]:
    """Everybody ever admitted, removed ones included, ascending by number.

    Raises:
        ValueError: the state does not begin with a genesis.
    """
    count = _read(state, ListRecord, validators_key()).child_count
    children = [
        _read(state, ReferenceRecord, validators_child_key(position)) for position in range(count)
    ]
    return tuple(_read(state, MemberRecord, validator_key(child.reference)) for child in children)


def compute_validators_hash_of(state: StateValues) -> bytes:
    """Hash of the active set: after block h - 1, `next_validators_hash` of block h.

    Raises:
        ValueError: the state does not begin with a genesis.
    """
    return compute_validators_hash(encode(get_active_set(state)))


def _read(state: StateValues, cls: type[_T], key: bytes) -> _T:
    value = state.get(key)
    if value is None:
        raise ValueError("the state does not name its validators")
    return decode(cls, value, size_max=STATE_VALUE_SIZE_MAX)


def _validator_of(member: MemberRecord) -> Validator:
    assert member.validator is not None, "nobody is a member without a validator"
    return member.validator


# Beginning and going on ---------------------------------------------------------------------------


def create_validators(state: TransactionState, validators: Sequence[Validator]) -> None:
    """Make the validators of genesis the active set, numbered from 1 by ascending id."""
    ordered = sorted(validators, key=lambda validator: validator.id)
    for position, validator in enumerate(ordered):
        _create_member(
            state,
            MemberRecord(validator=validator, number=position + 1, status=ValidatorStatus.ACTIVE),
        )
    state.put(
        active_set_key(),
        ActiveSetRecord(
            ids=tuple(validator.id for validator in ordered), next_number=len(ordered) + 1
        ),
    )


def record_parent(block: BlockState, parent_height: int, parent_hash: bytes) -> None:
    """At the beginning of a block: remember the one before, if a learner may have to name it."""
    active = block.get(ActiveSetRecord, active_set_key())
    if active is not None and active.learner_count:
        key = recent_block_key(parent_height % ACTIVATION_AGE_MAX)
        block.merge({key: RecentBlockRecord(height=parent_height, block_hash=parent_hash)})


def _create_member(state: TransactionState, member: MemberRecord) -> None:
    validator = _validator_of(member)
    state.put(validator_key(validator.id), member)
    state.append(validators_key(), validator.id)
    for _, key in _list_keys(validator):
        state.put(key, ReferenceRecord(reference=validator.id))


def _list_keys(validator: Validator) -> list[tuple[str, bytes]]:
    """What no other validator ever has: name of the field and state key."""
    return [
        (name, validator_key_key(sha256(getattr(validator, name)).digest()))
        for name in ("vote_key", "peer_key", "tls_certificate")
    ]


# Operations ---------------------------------------------------------------------------------------


def get_admit_ownership(context: Context, operation: AdmitValidator) -> Ownership:
    """The organisation that is to run it; the charter says who admits."""
    del context
    validator = operation.validator
    return Ownership(owners=(validator.organisation,) if validator else ())


def process_admit_validator(context: Context, operation: AdmitValidator) -> Results:
    """Make a newcomer a learner."""
    try:
        validator = check_admission_form(operation, network=context.network)
    except RequestError as error:
        raise _refusal_of(error) from None
    organisation = get_organisation(context.state, validator.organisation)
    if organisation is None:
        raise OperationRefusedError(ReceiptCode.ORGANISATION_UNKNOWN, "validator.organisation")
    if organisation.status is not OrganisationStatus.ACTIVE:
        raise OperationRefusedError(ReceiptCode.ORGANISATION_SUCCEEDED, "validator.organisation")
    agreement = read_agreement(context.state.get_bytes)
    if validator.vote_key_type is not CERTIFICATE_SCHEMES[agreement.certificate_scheme]:
        raise OperationRefusedError(
            ReceiptCode.VALIDATOR_KEY_INVALID,
            "validator.vote_key_type",
            f"this network's certificate scheme is {agreement.certificate_scheme}",
        )
    if context.state.get(MemberRecord, validator_key(validator.id)) is not None:
        raise OperationRefusedError(ReceiptCode.VALIDATOR_EXISTS, "validator.id")
    for name, key in _list_keys(validator):
        if context.state.get(ReferenceRecord, key) is not None:
            raise OperationRefusedError(ReceiptCode.VALIDATOR_KEY_USED, f"validator.{name}")
    active = _get_active(context)
    if active.learner_count >= LEARNERS_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "validator", f"at most {LEARNERS_COUNT_MAX} learners"
        )
    if active.next_number > VALIDATORS_LISTED_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED,
            "validator",
            f"at most {VALIDATORS_LISTED_COUNT_MAX} validators are ever admitted",
        )
    _create_member(
        context.state,
        MemberRecord(
            validator=validator,
            number=active.next_number,
            status=ValidatorStatus.LEARNER,
            peer_address=operation.peer_address,
            admitted_height=context.height,
        ),
    )
    context.state.put(
        active_set_key(),
        dataclasses.replace(
            active,
            next_number=active.next_number + 1,
            learner_count=active.learner_count + 1,
        ),
    )
    return (("validator", validator.id), ("number", str(active.next_number)))


def get_member_ownership(
    context: Context, operation: ActivateValidator | RemoveValidator | UpdateValidatorAddress
) -> Ownership:
    """The organisation that runs the validator."""
    member = _get_member(context, operation.validator_id, "validator_id")
    return Ownership(owners=(_validator_of(member).organisation,))


def process_activate_validator(context: Context, operation: ActivateValidator) -> Results:
    """Make a learner that has caught up a validator, in another's place if it names one."""
    _check_form(context, operation)
    member = _get_member(context, operation.validator_id, "validator_id")
    if member.status is not ValidatorStatus.LEARNER:
        raise OperationRefusedError(ReceiptCode.VALIDATOR_NOT_LEARNER, "validator_id")
    active = _get_active(context)
    _check_pending(context, active)
    ids = {*active.ids, operation.validator_id}
    replaced = _get_replaced(context, operation.replaces) if operation.replaces else None
    ids.discard(operation.replaces)
    if len(ids) > VALIDATORS_COUNT_MAX:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "validator_id", f"at most {VALIDATORS_COUNT_MAX} validators"
        )
    _check_signature(context, operation, _validator_of(member))
    context.state.put(
        validator_key(operation.validator_id),
        dataclasses.replace(
            member,
            status=ValidatorStatus.ACTIVE,
            replaces=operation.replaces,
            activated_height=context.height,
        ),
    )
    if replaced is not None:
        _put_removed(context, replaced)
    _put_active(context, active, ids, learner_count=active.learner_count - 1)
    return (
        ("validator", operation.validator_id),
        ("counts_from", str(context.height + CHANGE_DELAY)),
    )


def process_remove_validator(context: Context, operation: RemoveValidator) -> Results:
    """End a validator, or a learner, for ever."""
    _check_form(context, operation)
    member = _get_member(context, operation.validator_id, "validator_id")
    active = _get_active(context)
    if member.status is ValidatorStatus.REMOVED:
        raise OperationRefusedError(ReceiptCode.VALIDATOR_REMOVED, "validator_id")
    if member.status is ValidatorStatus.LEARNER:
        _put_removed(context, member)
        context.state.put(
            active_set_key(), dataclasses.replace(active, learner_count=active.learner_count - 1)
        )
        return (("validator", operation.validator_id), ("counts_from", str(context.height)))
    _check_pending(context, active)
    ids = {*active.ids} - {operation.validator_id}
    fault_model = read_agreement(context.state.get_bytes).fault_model
    if len(ids) < VALIDATORS_COUNT_MIN[fault_model]:
        raise OperationRefusedError(
            ReceiptCode.WOULD_LOSE_QUORUM,
            "validator_id",
            f"at least {VALIDATORS_COUNT_MIN[fault_model]} stay ({fault_model})",
        )
    _put_removed(context, member)
    _put_active(context, active, ids, learner_count=active.learner_count)
    return (
        ("validator", operation.validator_id),
        ("counts_from", str(context.height + CHANGE_DELAY)),
    )


def process_update_address(context: Context, operation: UpdateValidatorAddress) -> Results:
    """Say where the other validators reach one."""
    _check_form(context, operation)
    member = _get_member(context, operation.validator_id, "validator_id")
    if member.status is ValidatorStatus.REMOVED:
        raise OperationRefusedError(ReceiptCode.VALIDATOR_REMOVED, "validator_id")
    context.state.put(
        validator_key(operation.validator_id),
        dataclasses.replace(member, peer_address=operation.peer_address),
    )
    return (("validator", operation.validator_id),)


# Of several operations ----------------------------------------------------------------------------


def _get_active(context: Context) -> ActiveSetRecord:
    active = context.state.get(ActiveSetRecord, active_set_key())
    assert active is not None, "genesis has validators"
    return active


def _get_member(context: Context, validator_id: str, where: str) -> MemberRecord:
    member = context.state.get(MemberRecord, validator_key(validator_id))
    if member is None:
        raise OperationRefusedError(ReceiptCode.VALIDATOR_UNKNOWN, where)
    return member


def _get_replaced(context: Context, validator_id: str) -> MemberRecord:
    """The validator that leaves; who puts another in its place could remove it, too."""
    member = _get_member(context, validator_id, "replaces")
    removal = RemoveValidator(validator_id=validator_id)
    try:
        authorise(context, removal, get_member_ownership(context, removal))
    except OperationRefusedError as refusal:
        raise OperationRefusedError(refusal.code, "replaces", refusal.detail) from None
    if member.status is not ValidatorStatus.ACTIVE:
        raise OperationRefusedError(ReceiptCode.VALIDATOR_NOT_ACTIVE, "replaces")
    return member


def _check_pending(context: Context, active: ActiveSetRecord) -> None:
    changed = active.last_changed_height
    if changed and context.height < changed + CHANGE_DELAY:
        raise OperationRefusedError(
            ReceiptCode.CHANGE_PENDING,
            "validator_id",
            f"a change executes {CHANGE_DELAY} blocks after the one before, or later",
        )


def _check_signature(context: Context, operation: ActivateValidator, validator: Validator) -> None:
    """The newcomer has a recent block, and says so itself."""
    recent = context.state.get(
        RecentBlockRecord, recent_block_key(operation.height % ACTIVATION_AGE_MAX)
    )
    if recent is None or recent.height != operation.height:
        raise OperationRefusedError(
            ReceiptCode.ACTIVATION_STALE, "height", "no block that a learner can name"
        )
    if context.height - operation.height > ACTIVATION_AGE_MAX:
        raise OperationRefusedError(
            ReceiptCode.ACTIVATION_STALE, "height", f"more than {ACTIVATION_AGE_MAX} blocks ago"
        )
    if recent.block_hash != operation.block_hash:
        raise OperationRefusedError(
            ReceiptCode.ACTIVATION_STALE, "block_hash", "that height has another block"
        )
    message = activation_message(
        context.chain_id, validator.id, operation.height, operation.block_hash
    )
    if not verify_signature(
        validator.vote_key_type, validator.vote_key, message, operation.signature
    ):
        raise OperationRefusedError(ReceiptCode.ACTIVATION_SIGNATURE_INVALID, "signature")


def _put_removed(context: Context, member: MemberRecord) -> None:
    context.state.put(
        validator_key(_validator_of(member).id),
        dataclasses.replace(member, status=ValidatorStatus.REMOVED, removed_height=context.height),
    )


def _put_active(
    context: Context, active: ActiveSetRecord, ids: set[str], *, learner_count: int
) -> None:
    context.state.put(
        active_set_key(),
        dataclasses.replace(
            active,
            ids=tuple(sorted(ids)),
            last_changed_height=context.height,
            learner_count=learner_count,
        ),
    )


def _check_form(context: Context, operation: ValidatorOperation) -> None:
    try:
        check_validator_form(operation, network=context.network)
    except RequestError as error:
        raise _refusal_of(error) from None


def _refusal_of(error: RequestError) -> OperationRefusedError:
    return OperationRefusedError(error.code, error.where, error.text)
