# SPDX-License-Identifier: Apache-2.0
"""docs/errors.md, generated from the receipt codes; a test compares the two.

Written anew, in Python at the root of the checkout, by
`Path("docs/errors.md").write_text(compute_errors_document(), encoding="utf-8")`.
"""

from __future__ import annotations

from typing import Final

from ledger.model.receipts import CODE_TEXTS, ReceiptCode

_SECTIONS: Final = (
    (0, 99, "Answers"),
    (100, 199, "Refused at admission: never in a block, nothing changed"),
    (200, 999, "Refused at execution: a receipt in a block, nothing changed"),
)


def compute_errors_document() -> str:
    """The Markdown of docs/errors.md."""
    lines = [
        "# Receipt codes",
        "",
        "Every answer of the ledger to a transaction; `pset explain CODE` prints one of them.",
        "Numbers are never reused and names never change. Generated from",
        "`ledger/model/receipt_texts.py`; `ledger/model/errors_document.py` says how.",
    ]
    for first, last, title in _SECTIONS:
        lines += ["", f"## {title}", "", "| code | name | meaning | what to do |"]
        lines.append("|---|---|---|---|")
        lines += [
            f"| {int(code)} | `{code.name}` | {CODE_TEXTS[code].text} | {CODE_TEXTS[code].remedy} |"
            for code in sorted(ReceiptCode)
            if first <= code <= last
        ]
    return "\n".join(lines) + "\n"
