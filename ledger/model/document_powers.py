# SPDX-License-Identifier: Apache-2.0
"""The powers whose use ends in a document about somebody.

Only these may stand in a credential template. The others let their holder act upon organisations
(recognise, accredit, delegate), upon registers, or upon teaching; a document said to be issued under
one of them would borrow an authority that nobody gave for documents.
"""

from __future__ import annotations

from typing import Final

DOCUMENT_POWERS: Final = frozenset(
    {
        "assess",
        "assess-internally",
        "award-designation",
        "certify",
        "conduct-eisa",
        "endorse-results",
        "evaluate-foreign",
        "host-workplace",
        "issue",
        "issue-badge",
        "issue-statement-of-results",
        "trade-test",
    }
)
