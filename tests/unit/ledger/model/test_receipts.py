# SPDX-License-Identifier: Apache-2.0
"""Every code has its words, its number for ever, and its line in docs/errors.md."""

from __future__ import annotations

from pathlib import Path

from ledger.model.errors_document import compute_errors_document
from ledger.model.receipt_texts import TEXTS
from ledger.model.receipts import CODE_TEXTS, ReceiptCode

ROOT = Path(__file__).resolve().parents[4]

# The codes that users of the commands rely on (docs/errors.md lists all); never to be renumbered.
PROMISED = {
    "IDEMPOTENCY_KEY_REUSED": 202,
    "PERSONAL_DATA": 207,
    "REVOCATION_IS_FINAL": 265,
    "SELF_GRANT": 280,
    "GRANT_CYCLE": 281,
    "NO_POWER": 282,
    "SEPARATION_OF_DUTIES": 283,
    "SCOPE_NOT_COVERED": 284,
    "TERM_TOO_LONG": 285,
    "WOULD_LOSE_QUORUM": 320,
}


def test_every_code_has_words() -> None:
    assert set(CODE_TEXTS) == set(ReceiptCode)
    assert set(TEXTS) == {code.name for code in ReceiptCode}
    for code, text in CODE_TEXTS.items():
        assert text.text.endswith("."), code.name
        # Only the one good answer needs no remedy.
        assert (text.remedy == "") == (code is ReceiptCode.APPLIED), code.name
        assert not text.remedy or text.remedy.endswith((".", "GrantAccreditation.")), code.name
        assert "|" not in text.text + text.remedy, code.name


def test_promised_numbers() -> None:
    assert {name: int(ReceiptCode[name]) for name in PROMISED} == PROMISED


def test_document_is_fresh() -> None:
    """On failure: the command in ledger/model/errors_document.py rewrites it."""
    document = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert document == compute_errors_document()
    for code in ReceiptCode:
        assert f"| {int(code)} | `{code.name}` |" in document
