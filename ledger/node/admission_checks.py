# SPDX-License-Identifier: Apache-2.0
"""What admission asks of a transaction, beside its form and signatures, before it may come into a block."""

from __future__ import annotations

from collections.abc import Callable

from ledger.model.civil_date import day_of
from ledger.model.genesis import Genesis
from ledger.model.receipts import ReceiptCode
from ledger.model.records import IdempotencyRecord
from ledger.model.schema import idempotency_key
from ledger.model.transaction import TransactionBody
from ledger.model.transaction_check import CheckedTransaction, TransactionRefusedError
from ledger.node.admission import Admissible, Authenticate, Authorise
from ledger.node.clock import Clock
from ledger.node.driver import Driver
from ledger.node.operation_check import check_operation
from ledger.node.peers import PeerLinks
from ledger.node.quorum_check import check_quorum_stays
from ledger.node.stores import OpenedStores
from ledger.node.validators import NetworkRules
from ledger.state.authorisation import Ownership, authenticate, authorise
from ledger.state.context import Context, OperationRefusedError
from ledger.state.machine import HANDLERS
from ledger.state.overlay import BlockState, TransactionState
from ledger.storage.state_store import StateAt


def make_authenticator(
    genesis: Genesis, stores: OpenedStores, driver: Driver, clock: Clock
) -> Callable[[], Authenticate]:
    """Whether the signers' keys are good in the newest certified state, and whether the author may do
    this at all, as execution will ask.

    What is returned gives a check for one batch, with the records it reads; any thread may call it.
    The checks raise TransactionRefusedError: AUTHOR_UNKNOWN, DID_DEACTIVATED, KEY_NOT_AUTHORISED, then
    the codes of `ledger.state.authorisation.authorise`.
    """

    def begin() -> Authenticate:
        tip = driver.tip
        time = max(clock.time_ms(), tip.header.time + 1)
        today = day_of(time)
        state = TransactionState(BlockState(StateAt(stores.chain.state, tip.state_version)))

        def check(transaction: CheckedTransaction) -> Authorise:
            try:
                signing_key_ids = authenticate(state, transaction.body, time)
            except OperationRefusedError as error:
                raise TransactionRefusedError(
                    error.code, "the ledger does not know these keys as the signers'"
                ) from None
            return lambda: _check_rule(make_context(transaction, signing_key_ids), transaction.body)

        def make_context(transaction: CheckedTransaction, key_ids: tuple[str, ...]) -> Context:
            return Context(
                state=state,
                charter=genesis.charter,
                network=genesis.network,
                time=time,
                day=today,
                transaction_id=transaction.transaction_id,
                author=transaction.body.author,
                signing_key_ids=key_ids,
            )

        return check

    return begin


def _check_rule(context: Context, body: TransactionBody) -> None:
    """Refuse what the rule of an operation refuses, unless it was applied before."""
    operation = body.operation
    assert operation is not None, "the transaction was checked"
    try:
        ownership = HANDLERS[type(operation)].get_ownership(context, operation)
    except OperationRefusedError:
        # What it changes may come with a transaction that still waits. The rest of the rule holds
        # for whoever that will belong to.
        ownership = Ownership(owners=(body.author,))
    try:
        authorise(context, operation, ownership)
    except OperationRefusedError as error:
        key = idempotency_key(body.author, body.idempotency_key)
        if context.state.get(IdempotencyRecord, key) is None:
            text = ": ".join(filter(None, (error.field, error.detail)))
            raise TransactionRefusedError(error.code, text) from None


def make_admissible(
    genesis: Genesis,
    rules: NetworkRules,
    validator_id: str,
    driver: Driver,
    links: PeerLinks,
    clock: Clock,
) -> Admissible:
    """Whether a transaction may come into a block at all; any thread may ask.

    The check raises TransactionRefusedError: EXPIRED, the codes of `check_operation` and that of
    `check_quorum_stays`.
    """

    def check(transaction: CheckedTransaction) -> None:
        # No block that can still be made has an earlier time.
        if max(clock.time_ms(), driver.tip.header.time + 1) >= transaction.body.expires_at:
            raise TransactionRefusedError(
                ReceiptCode.EXPIRED, "the transaction expired before it could come into a block"
            )
        operation = transaction.body.operation
        assert operation is not None, "the transaction was checked"
        check_operation(operation, network=genesis.network, charter=genesis.charter)
        check_quorum_stays(
            operation,
            membership=driver.tip.membership,
            fault_model=rules.fault_model,
            own_id=validator_id,
            is_connected=links.is_connected,
        )

    return check
