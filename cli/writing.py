# SPDX-License-Identifier: Apache-2.0
"""Commands that submit: their shared options, and how the ledger's answer is shown.

Every one of them takes ``--wait``, ``--idempotency-key``, ``--dry-run`` and ``--no-client-checks``
and prints transaction id, height and receipt name. A refusal is printed too: the receipt as the
result (with JSON), code and remedy as the error, exit code 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.errors import ExitCode
from cli.wording import show_instant
from cli.write_options import WriteOptions, write_options
from sdk.errors import RefusedError

if TYPE_CHECKING:
    from cli.context import CliContext
    from sdk.client import LedgerClient
    from sdk.operations import Operation
    from sdk.results import Receipt
    from sdk.signers import Signer

__all__ = [
    "WriteOptions",
    "find_first_receipt",
    "receipt_data",
    "show_decision",
    "show_receipt",
    "show_refused",
    "submit",
    "write_options",
]


def submit(
    context: CliContext,
    client: LedgerClient,
    operation: Operation,
    write: WriteOptions,
    *,
    done: str | Callable[[Receipt], str],
    data: Mapping[str, Any] | None = None,
    kind: str = "Receipt",
    signers: Sequence[Signer] | None = None,
) -> ExitCode:
    """Submit an operation, or ask for the decision, and print the answer.

    Args:
        context: of the command.
        client: connected with the acting organisation's signer.
        operation: what to ask of the ledger.
        write: as given by `write_options`.
        done: one line that says what has been done, for people.
        data: members beside those of the receipt, known before it.
        kind: of the JSON object.
        signers: all that sign, instead of the client's one.

    Raises:
        RefusedError: after its receipt was printed as the result.
        PsetError: as `LedgerClient.submit`.
    """
    from sdk.results import Wait

    if write.dry_run:
        return show_decision(
            context, client.dry_run(operation, signers=signers), data=data, kind=kind
        )
    wait = Wait.ACCEPTED if write.wait == "accepted" else Wait.CERTIFIED
    try:
        receipt = client.submit(
            operation, wait=wait, idempotency_key=write.idempotency_key, signers=signers
        )
    except RefusedError as error:
        show_refused(context, error, data=data, kind=kind)
        raise
    show_receipt(context, receipt, done=done, data=data, kind=kind)
    return ExitCode.DONE


def find_first_receipt(client: LedgerClient, write: WriteOptions) -> Receipt | None:
    """What was applied under the key of ``--idempotency-key`` before; None: nothing, or no key.

    A repeat must ask for the very same thing, so it names the versions that the first one found.
    """
    if write.idempotency_key is None:
        return None
    receipt = client.transaction(write.idempotency_key).receipt
    return receipt if receipt is not None and receipt.applied else None


def receipt_data(receipt: Receipt, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The members of a write's answer: what the operation made, those of the receipt, and `data`.

    The receipt's own members win over results of the same name.
    """
    return {
        **receipt.result,
        "transaction_id": receipt.transaction_id,
        "height": receipt.height,
        "index": receipt.index,
        "as_of": receipt.as_of,
        "code": receipt.code,
        "name": receipt.name,
        "applied": receipt.applied,
        "remedy": receipt.remedy,
        **(data or {}),
    }


def show_receipt(
    context: CliContext,
    receipt: Receipt,
    *,
    done: str | Callable[[Receipt], str],
    data: Mapping[str, Any] | None = None,
    kind: str = "Receipt",
    more: Sequence[Any] = (),
) -> None:
    """Print the answer to a write that was applied or accepted."""
    line = done if isinstance(done, str) else done(receipt)
    if receipt.height >= 0:
        first = f"{receipt.name:<9} {line}"
        second = (
            f"          transaction {receipt.transaction_id}, block {receipt.height:,}, "
            f"{show_instant(receipt.as_of)}"
        )
    else:
        first = f"{receipt.name:<9} {line} (queued, not final)"
        second = (
            f"          transaction {receipt.transaction_id}\n"
            f"NEXT      pset ledger tx {receipt.transaction_id}"
        )
    context.output.result(kind, receipt_data(receipt, data), [first, *more, second])


def show_refused(
    context: CliContext,
    error: RefusedError,
    *,
    data: Mapping[str, Any] | None = None,
    kind: str = "Receipt",
) -> None:
    """Print the receipt of a refusal as the result; people read the error that follows."""
    if error.receipt is not None:
        context.output.result(kind, receipt_data(error.receipt, data))


def show_decision(
    context: CliContext,
    receipt: Receipt,
    *,
    data: Mapping[str, Any] | None = None,
    kind: str = "Receipt",
) -> ExitCode:
    """Print what the ledger would answer now; exits as the real command would.

    Raises:
        RefusedError: the answer would be no; its text says where.
    """
    from sdk.refusals import as_refused

    members = {**receipt_data(receipt, data), "dry_run": True}
    members.pop("grant_id", None)  # made of the transaction's id: the real one will be another
    if receipt.applied:
        text = f"{receipt.name:<9} would be applied (code {receipt.code}); nothing was sent"
        context.output.result(kind, members, text)
        return ExitCode.DONE
    context.output.result(
        kind, members, f"WOULD BE REFUSED  {receipt.name} (code {receipt.code}); nothing was sent"
    )
    raise as_refused(receipt)
