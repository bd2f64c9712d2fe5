# SPDX-License-Identifier: Apache-2.0
"""The table from what nodes and the ledger say to the SDK's errors and receipts.

The node's side of the gRPC part is `ledger.api.status`; both share the names in
`ledger.model.receipts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from ledger.model.receipts import CODE_TEXTS, ApiReason, ReceiptCode
from ledger.model.transaction import ResultItem
from sdk.errors import CallerError, PsetError, RefusedError, UnavailableError
from sdk.node_api import NodeCallError
from sdk.results import NO_HEIGHT, Receipt

_READ_REMEDIES: Final = {
    ApiReason.HEIGHT_UNKNOWN.name: "See `pset ledger head` for the newest height.",
    ReceiptCode.RESOURCE_LIMIT.name: "Ask for less at a time.",
}
_READ_REMEDY: Final = "This is a bug of the caller or of this SDK; report it with the message."


def as_read_error(error: NodeCallError) -> PsetError:
    """The error for a read that a node refuses."""
    code = error.reason or "REQUEST_REFUSED"
    return CallerError(error.text, code=code, remedy=_READ_REMEDIES.get(code, _READ_REMEDY))


_UNKNOWN_REMEDIES: Final = {
    ApiReason.OUTCOME_UNKNOWN.name: "Look the transaction up with `pset ledger tx` when the node runs"
    " again, or repeat the same call with the same idempotency key; it is never applied twice.",
}
_UNKNOWN_REMEDY: Final = "Look the transaction up with `pset ledger tx` before you repeat it."
"""For a write that a node answers in words which say nothing about it."""


def as_write_error(error: NodeCallError, transaction_id: str) -> PsetError:
    """The error for a transaction that is refused at admission, or whose outcome is unknown."""
    code = get_code(error.reason)
    if code is None:
        reason = error.reason or "REQUEST_REFUSED"
        return UnavailableError(
            error.text,
            code=reason,
            remedy=_UNKNOWN_REMEDIES.get(reason, _UNKNOWN_REMEDY),
            phase="unknown",
            transaction_id=transaction_id,
        )
    receipt = refusal_receipt(code, transaction_id)
    return as_refused(receipt, error.text)


def as_refused(receipt: Receipt, text: str = "") -> RefusedError:
    """The error for a receipt that says no; `text` says more than the code's own."""
    if not text:
        code = get_code(receipt.name)
        text = CODE_TEXTS[code].text if code is not None else f"the ledger answers {receipt.name}"
        details = [
            str(receipt.result[name]) for name in ("field", "detail") if name in receipt.result
        ]
        if details:
            text = f"{text} ({': '.join(details)})"
    return RefusedError(
        text,
        code=receipt.name,
        remedy=receipt.remedy,
        receipt=receipt,
        transaction_id=receipt.transaction_id or None,
    )


def get_code(name: str) -> ReceiptCode | None:
    """The code of a name, None for one that this release does not know."""
    return ReceiptCode.__members__.get(name)


def refusal_receipt(code: ReceiptCode, transaction_id: str) -> Receipt:
    """The receipt of a transaction that was refused at admission or before it was sent."""
    return make_receipt(code, transaction_id=transaction_id)


def make_receipt(
    code: int,
    *,
    transaction_id: str,
    height: int = NO_HEIGHT,
    index: int = NO_HEIGHT,
    as_of: datetime | None = None,
    results: Sequence[ResultItem] = (),
    proof: bytes = b"",
) -> Receipt:
    """A receipt with the name and remedy of its code; `as_of` None: now."""
    try:
        known = ReceiptCode(code)
        name, remedy = known.name, CODE_TEXTS[known].remedy
    except ValueError:
        name, remedy = (
            f"CODE_{code}",
            "Install a newer psetledger; this one does not know the code.",
        )
    return Receipt(
        transaction_id=transaction_id,
        height=height,
        index=index,
        as_of=datetime.now(UTC) if as_of is None else as_of,
        code=int(code),  # a member of ReceiptCode prints, and is logged, otherwise than a number
        name=name,
        remedy=remedy,
        applied=code == ReceiptCode.APPLIED,
        result={item.name: item.value for item in results},
        proof=proof,
    )
