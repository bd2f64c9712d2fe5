# SPDX-License-Identifier: Apache-2.0
"""What an operation is executed with, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.model.charter_document import Charter
from ledger.model.limits import TEXT_SIZE_MAX
from ledger.model.receipts import ReceiptCode
from ledger.model.transaction import ResultItem
from ledger.state.overlay import TransactionState

Results = tuple[tuple[str, str], ...]
"""Names and values that the receipt of an applied operation carries."""


class OperationRefusedError(Exception):
    """The answer is no. Raised by operations, turned into a receipt in one place
    (`ledger.state.machine`), seen by nobody else; any other exception is a bug and stops the node.

    ``code`` is a ReceiptCode from 200 on, ``field`` the place in the operation, ``detail`` a fixed
    text of ours. Neither ever quotes a value: receipts stay on the ledger.
    """

    def __init__(self, code: ReceiptCode, field: str = "", detail: str = "") -> None:
        super().__init__(code, field, detail)
        self.code = code
        self.field = field
        self.detail = detail

    def to_results(self) -> tuple[ResultItem, ...]:
        """`field` and `detail` as the receipt carries them, when there are any."""
        return tuple(
            ResultItem(name=name, value=_cut(value))
            for name, value in (("field", self.field), ("detail", self.detail))
            if value
        )


def _cut(text: str) -> str:
    return text.encode()[:TEXT_SIZE_MAX].decode(errors="ignore")


@dataclass(frozen=True, slots=True)
class Context:
    """One transaction at its place in a block."""

    state: TransactionState
    charter: Charter
    network: str
    time: int
    """ms, of the block."""
    day: int
    """The civil day of `time`."""
    transaction_id: bytes
    author: str
    signing_key_ids: tuple[str, ...]
    """The author's keys that signed; all good at `time`."""
    height: int = 0
    """Of the block; 0 for who asks about the rules alone, executing nothing."""
    chain_id: str = ""
    """Likewise empty."""
