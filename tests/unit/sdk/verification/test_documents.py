# SPDX-License-Identifier: Apache-2.0
"""What people hand in that is almost a credential's file, and what they are told."""

from __future__ import annotations

import pytest

from sdk.verification.documents import DocumentError, parse_document


@pytest.mark.parametrize(
    "data",
    [
        '{"a":1}'.encode("utf-8-sig"),
        '{"a":1}'.encode("utf-16"),
        '\ufeff{"a":1}',
    ],
)
def test_a_byte_order_mark_is_named_and_how_to_save_without_it(data: bytes | str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(data)
    assert "begins with a byte order mark" in caught.value.text
    assert "without a byte order mark" in caught.value.next_step
