# SPDX-License-Identifier: Apache-2.0
"""Whose keys signed, and whether they may: authentication, then the rule of the operation.

The rules are data in the state (`ledger.model.authorisation`). What has no rule is forbidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.model.authorisation import (
    AllOf,
    AnyOf,
    Expression,
    Forbidden,
    HoldsPower,
    IsActiveOrganisation,
    IsOwner,
    SignedByRole,
    rule_names,
)
from ledger.model.charter_document import Charter
from ledger.model.receipts import ReceiptCode
from ledger.model.records import DidRecord, KeyRecord
from ledger.model.schema import did_key
from ledger.model.transaction import Operation, Signer, TransactionBody
from ledger.state.context import Context, OperationRefusedError
from ledger.state.overlay import TransactionState
from ledger.state.queries import is_acting_for, is_active_organisation, is_holding_power


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who may change what an operation changes, and what to answer others."""

    owners: tuple[str, ...]
    """DIDs; what is not a DID (`charter`) nobody can be."""
    refusal: ReceiptCode = ReceiptCode.NOT_OWNER
    is_succession_counted: bool = True
    """Whether a successor owns what the succeeded organisation owned."""


def is_key_valid(key: KeyRecord, time: int) -> bool:
    """Whether a key may sign at an instant, as known now: a compromised key may not."""
    return (
        key.valid_from <= time
        and (key.valid_until == 0 or time < key.valid_until)
        and key.compromised_since == 0
    )


def authenticate(state: TransactionState, body: TransactionBody, time: int) -> tuple[str, ...]:
    """Check that every signer is a key of its DID that is good at block time.

    Returns:
        Ids of the author's keys that signed.

    Raises:
        OperationRefusedError: AUTHOR_UNKNOWN, DID_DEACTIVATED, KEY_NOT_AUTHORISED.
    """
    author = state.get(DidRecord, did_key(body.author))
    if author is None:
        raise OperationRefusedError(ReceiptCode.AUTHOR_UNKNOWN, "author")
    if author.deactivated:
        raise OperationRefusedError(ReceiptCode.DID_DEACTIVATED, "author")
    for position, signer in enumerate(body.signers):
        if not _is_signer_good(state, signer, time):
            raise OperationRefusedError(ReceiptCode.KEY_NOT_AUTHORISED, f"signers[{position}]")
    return tuple(signer.key_id for signer in body.signers if signer.did == body.author)


def _is_signer_good(state: TransactionState, signer: Signer, time: int) -> bool:
    record = state.get(DidRecord, did_key(signer.did))
    if record is None or record.deactivated:
        return False
    return any(
        key.key_id == signer.key_id
        and key.type is signer.type
        and key.public_key == signer.public_key
        and is_key_valid(key, time)
        for key in record.keys
    )


def authorise(context: Context, operation: Operation, ownership: Ownership) -> None:
    """Check the rule of an operation.

    Raises:
        OperationRefusedError: NOT_AUTHORISED, or what `ownership` answers those who are no owners.
    """
    expression = find_rule(context.charter, rule_names(operation))
    if expression is None:
        raise OperationRefusedError(
            ReceiptCode.NOT_AUTHORISED, "operation", "no rule allows the operation"
        )
    refusal = _evaluate(context, expression, ownership)
    if refusal is not None:
        raise refusal


def find_rule(charter: Charter, names: Sequence[str]) -> Expression | None:
    """The rule under the first of these names that has one."""
    for name in names:
        for rule_name, expression in charter.rules:
            if rule_name == name:
                return expression
    return None


def _evaluate(
    context: Context, expression: Expression, ownership: Ownership
) -> OperationRefusedError | None:
    """None when the expression holds, else why not."""
    match expression:
        case AllOf(parts):
            for part in parts:
                refusal = _evaluate(context, part, ownership)
                if refusal is not None:
                    return refusal
            return None
        case AnyOf(parts):
            if any(_evaluate(context, part, ownership) is None for part in parts):
                return None
            return _not_authorised("author", "none of the ways to be authorised is met")
        case Forbidden():
            return _not_authorised("operation", "the operation is forbidden to everybody")
        case SignedByRole():
            return _check_role(context, expression)
        case IsOwner():
            return (
                None
                if _is_owner(context, ownership)
                else OperationRefusedError(ownership.refusal, "author")
            )
        case HoldsPower(powers):
            if is_holding_power(context.state, context.author, powers, context.day):
                return None
            return _not_authorised("author", f"the author needs one of: {', '.join(powers)}")
        case IsActiveOrganisation():
            if is_active_organisation(context.state, context.author):
                return None
            return _not_authorised("author", "the author is no active organisation")


def _check_role(context: Context, expression: SignedByRole) -> OperationRefusedError | None:
    record = context.state.get(DidRecord, did_key(context.author))
    assert record is not None, "the author was authenticated"
    count = sum(
        key.role is expression.role and key.key_id in context.signing_key_ids for key in record.keys
    )
    if count >= expression.count:
        return None
    return _not_authorised(
        "signers", f"{expression.count} of the author's {expression.role.label} keys must sign"
    )


def _is_owner(context: Context, ownership: Ownership) -> bool:
    for owner in ownership.owners:
        if context.author == owner:
            return True
        if ownership.is_succession_counted and is_acting_for(context.state, context.author, owner):
            return True
    return False


def _not_authorised(field: str, detail: str) -> OperationRefusedError:
    return OperationRefusedError(ReceiptCode.NOT_AUTHORISED, field, detail)
