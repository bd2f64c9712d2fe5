# SPDX-License-Identifier: Apache-2.0
"""The state machine: a block on top of a state gives receipts and writes. Nothing else counts.

Rules of this file:

- Time is the block's. State is read through the reader, which shows the parent's state.
- First, idempotency records that expired by the block's time leave the state, the earliest first,
  at most IDEMPOTENCY_REMOVALS_COUNT_MAX in a block. So a transaction never meets a record that
  left, and a record that is late to leave still answers.
- While a validator is a learner, the parent's hash comes into the state (`ledger.state.validators`).
- Then the transactions, in order, each in its own layer. Its tests, in order: the same transaction
  was applied before (its record is there) → the first receipt, even after expiry; EXPIRED;
  EXPIRY_TOO_FAR; authentication; the author used the idempotency key → the first receipt for the
  same operation, whatever `expires_at` or signers, else IDEMPOTENCY_KEY_REUSED; PERSONAL_DATA; the
  rule of the operation; the operation.
- An applied transaction writes its layer and its idempotency record. A refused one writes nothing.
  A repeat that outlives the record makes the record live as long: its bytes never execute again.
- Any exception but a refusal is a bug: it leaves this module and stops the node.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.model.block import BlockHeader
from ledger.model.charter_document import Charter
from ledger.model.civil_date import day_of
from ledger.model.codec import decode, encode
from ledger.model.identifiers import network_of_chain
from ledger.model.limits import (
    EXPIRY_MS_MAX,
    IDEMPOTENCY_REMOVALS_COUNT_MAX,
    RECEIPT_SIZE_MAX,
    STATE_VALUE_SIZE_MAX,
)
from ledger.model.merkle_log import compute_root
from ledger.model.operation_lint import find_in_texts
from ledger.model.operations import (
    ActivateValidator,
    AddSite,
    AdmitValidator,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    PublishResource,
    ReinstateAccreditation,
    RemoveValidator,
    RotateKey,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    WithdrawAccreditation,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import IdempotencyRecord
from ledger.model.schema import idempotency_key
from ledger.model.transaction import Operation, Receipt, ResultItem
from ledger.model.transaction_check import CheckedTransaction
from ledger.state.authorisation import Ownership, authenticate, authorise
from ledger.state.context import Context, OperationRefusedError, Results
from ledger.state.dids import get_did_ownership, process_rotate_key, process_update_did
from ledger.state.genesis_state import compute_genesis_writes
from ledger.state.grant_changes import (
    get_change_ownership,
    process_reinstate,
    process_suspend,
    process_withdraw,
)
from ledger.state.grants import get_grant_ownership, process_grant
from ledger.state.organisations import (
    get_endorse_ownership,
    get_site_ownership,
    process_add_site,
    process_endorse_organisation,
)
from ledger.state.overlay import BlockState, StateReader, TransactionState, ValueTooLargeError
from ledger.state.parameters import read_charter
from ledger.state.resources import get_resource_ownership, process_publish_resource
from ledger.state.status_lists import (
    get_create_ownership,
    get_update_ownership,
    process_create_status_list,
    process_update_status_list,
)
from ledger.state.validators import (
    get_admit_ownership,
    get_member_ownership,
    process_activate_validator,
    process_admit_validator,
    process_remove_validator,
    process_update_address,
    record_parent,
)

__all__ = [
    "BlockResult",
    "StateReader",
    "compute_genesis_writes",
    "compute_receipts_root",
    "dry_run",
    "execute_block",
]


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block does to the state."""

    receipts: tuple[Receipt, ...]
    """One for each transaction, in order."""
    encoded_receipts: tuple[bytes, ...]
    receipts_root: bytes
    """RFC 6962 root over `encoded_receipts`."""
    writes: tuple[tuple[bytes, bytes | None], ...]
    """Sorted by key; None: delete."""
    expiring_added: tuple[tuple[int, bytes], ...]
    """(expires_at, state key) of idempotency records that are new or live longer, for the index
    behind `StateReader.expiring`. Apply the removals first.
    """
    expiring_removed: tuple[tuple[int, bytes], ...]
    """Entries of that index that are no more: expired, or replaced by a later one."""


@dataclass(frozen=True, slots=True)
class Handler:
    """How an operation is authorised and executed."""

    get_ownership: Callable[[Context, Any], Ownership]
    process: Callable[[Context, Any], Results]


HANDLERS: Final[dict[type[Operation], Handler]] = {
    EndorseOrganisation: Handler(get_endorse_ownership, process_endorse_organisation),
    AddSite: Handler(get_site_ownership, process_add_site),
    UpdateDid: Handler(get_did_ownership, process_update_did),
    RotateKey: Handler(get_did_ownership, process_rotate_key),
    PublishResource: Handler(get_resource_ownership, process_publish_resource),
    CreateStatusList: Handler(get_create_ownership, process_create_status_list),
    UpdateStatusList: Handler(get_update_ownership, process_update_status_list),
    GrantAccreditation: Handler(get_grant_ownership, process_grant),
    SuspendAccreditation: Handler(get_change_ownership, process_suspend),
    ReinstateAccreditation: Handler(get_change_ownership, process_reinstate),
    WithdrawAccreditation: Handler(get_change_ownership, process_withdraw),
    AdmitValidator: Handler(get_admit_ownership, process_admit_validator),
    ActivateValidator: Handler(get_member_ownership, process_activate_validator),
    RemoveValidator: Handler(get_member_ownership, process_remove_validator),
    UpdateValidatorAddress: Handler(get_member_ownership, process_update_address),
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where transactions are executed."""

    charter: Charter
    network: str
    chain_id: str
    time: int
    height: int


@dataclass(frozen=True, slots=True)
class _Expiring:
    """An idempotency record that was written."""

    key: bytes
    before: int | None
    """`expires_at` of the record that it replaces."""
    expires_at: int


@dataclass(frozen=True, slots=True)
class _Outcome:
    receipt: Receipt
    encoded: bytes
    expiring: _Expiring | None = None


def execute_block(
    reader: StateReader, header: BlockHeader, transactions: Sequence[CheckedTransaction]
) -> BlockResult:
    """Execute a block on top of its parent's state.

    The block is one that `ledger.state.block_check.check_block` accepted. Nothing is written; the
    same input gives the same result everywhere.
    """
    block = BlockState(reader)
    removed = tuple(reader.expiring(header.time, IDEMPOTENCY_REMOVALS_COUNT_MAX))
    block.merge({key: None for _, key in removed})
    record_parent(block, header.height - 1, header.parent_hash)
    place = _make_place(block, header.chain_id, header.time, header.height)
    outcomes = [
        _execute(block, place, index, transaction) for index, transaction in enumerate(transactions)
    ]
    encoded = tuple(outcome.encoded for outcome in outcomes)
    added, replaced = _collect_expiring(outcomes)
    return BlockResult(
        receipts=tuple(outcome.receipt for outcome in outcomes),
        encoded_receipts=encoded,
        receipts_root=compute_receipts_root(encoded),
        writes=block.collect(),
        expiring_added=added,
        expiring_removed=removed + replaced,
    )


def _collect_expiring(
    outcomes: Sequence[_Outcome],
) -> tuple[tuple[tuple[int, bytes], ...], tuple[tuple[int, bytes], ...]]:
    """What a block adds to the index of expiring records and what it replaces there."""
    added: dict[bytes, int] = {}
    replaced: list[tuple[int, bytes]] = []
    for outcome in outcomes:
        change = outcome.expiring
        if change is None:
            continue
        if change.before is not None and change.key not in added:
            replaced.append((change.before, change.key))
        added[change.key] = change.expires_at
    return tuple((expires_at, key) for key, expires_at in added.items()), tuple(replaced)


def dry_run(
    reader: StateReader,
    *,
    time_ms: int,
    height: int,
    transaction: CheckedTransaction,
    parent_hash: bytes = b"",
) -> Receipt:
    """The receipt that a transaction would get as the first of a block at this time and height.

    Without `parent_hash`, of the block before, a learner's word about that block is not believed.
    """
    block = BlockState(reader)
    if parent_hash:
        record_parent(block, height - 1, parent_hash)
    place = _make_place(block, transaction.body.chain_id, time_ms, height)
    return _execute(block, place, 0, transaction).receipt


def compute_receipts_root(encoded_receipts: Sequence[bytes]) -> bytes:
    """What a vote says about a block's receipts: the RFC 6962 root over their bytes."""
    return compute_root(encoded_receipts)


def _make_place(block: BlockState, chain_id: str, time: int, height: int) -> _Place:
    network = network_of_chain(chain_id)
    if network is None:
        raise ValueError("a block header names its chain")
    return _Place(
        charter=read_charter(block.get_bytes),
        network=network,
        chain_id=chain_id,
        time=time,
        height=height,
    )


def _execute(
    block: BlockState, place: _Place, index: int, transaction: CheckedTransaction
) -> _Outcome:
    body = transaction.body
    key = idempotency_key(body.author, body.idempotency_key)
    record = block.get(IdempotencyRecord, key)
    state = TransactionState(block)
    try:
        first = _answer_again(record, transaction)
        if first is not None:
            return first
        _check_expiry(body.expires_at, place.time)
        signing_key_ids = authenticate(state, body, place.time)
        if record is not None:
            return _answer_repeat(state, key, record, transaction)
        context = Context(
            state=state,
            charter=place.charter,
            network=place.network,
            time=place.time,
            day=day_of(place.time),
            transaction_id=transaction.transaction_id,
            author=body.author,
            signing_key_ids=signing_key_ids,
            height=place.height,
            chain_id=place.chain_id,
        )
        try:
            results = _process(context, body.operation)
        except ValueTooLargeError:
            raise OperationRefusedError(
                ReceiptCode.LIMIT_EXCEEDED,
                "",
                f"a record would grow beyond {STATE_VALUE_SIZE_MAX} bytes",
            ) from None
    except OperationRefusedError as refusal:
        receipt = Receipt(
            transaction_id=transaction.transaction_id,
            height=place.height,
            index=index,
            code=int(refusal.code),
            results=refusal.to_results(),
        )
        return _Outcome(receipt=receipt, encoded=encode(receipt))
    receipt = Receipt(
        transaction_id=transaction.transaction_id,
        height=place.height,
        index=index,
        code=int(ReceiptCode.APPLIED),
        results=tuple(ResultItem(name=name, value=value) for name, value in results),
    )
    encoded = encode(receipt)
    state.put(
        key,
        IdempotencyRecord(
            operation_hash=transaction.operation_hash,
            receipt=encoded,
            expires_at=body.expires_at,
        ),
    )
    state.apply()
    return _Outcome(receipt, encoded, _Expiring(key, None, body.expires_at))


def _process(context: Context, operation: Operation | None) -> Results:
    handler = HANDLERS.get(type(operation)) if operation is not None else None
    if operation is None or handler is None:
        raise OperationRefusedError(ReceiptCode.OPERATION_UNKNOWN, "operation")
    finding = find_in_texts(operation)
    if finding is not None:
        raise OperationRefusedError(ReceiptCode.PERSONAL_DATA, finding.where, finding.rule)
    authorise(context, operation, handler.get_ownership(context, operation))
    return handler.process(context, operation)


def _check_expiry(expires_at: int, time: int) -> None:
    if time >= expires_at:
        raise OperationRefusedError(ReceiptCode.EXPIRED, "expires_at")
    if expires_at > time + EXPIRY_MS_MAX:
        raise OperationRefusedError(ReceiptCode.EXPIRY_TOO_FAR, "expires_at")


def _answer_again(
    record: IdempotencyRecord | None, transaction: CheckedTransaction
) -> _Outcome | None:
    """The first receipt when this very transaction was applied before."""
    if record is None or record.operation_hash != transaction.operation_hash:
        return None
    first = _decode_receipt(record)
    if first.receipt.transaction_id != transaction.transaction_id:
        return None
    return first


def _answer_repeat(
    state: TransactionState, key: bytes, record: IdempotencyRecord, transaction: CheckedTransaction
) -> _Outcome:
    """The first receipt when the author asked for the same operation under the same key.

    The record then stays for as long as this repeat could come again.
    """
    if record.operation_hash != transaction.operation_hash:
        raise OperationRefusedError(ReceiptCode.IDEMPOTENCY_KEY_REUSED, "idempotency_key")
    first = _decode_receipt(record)
    expires_at = transaction.body.expires_at
    if expires_at <= record.expires_at:
        return first
    state.put(key, dataclasses.replace(record, expires_at=expires_at))
    state.apply()
    return _Outcome(first.receipt, first.encoded, _Expiring(key, record.expires_at, expires_at))


def _decode_receipt(record: IdempotencyRecord) -> _Outcome:
    return _Outcome(
        receipt=decode(Receipt, record.receipt, size_max=RECEIPT_SIZE_MAX),
        encoded=record.receipt,
    )
