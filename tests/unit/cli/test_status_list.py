# SPDX-License-Identifier: Apache-2.0
"""Which entries of a bitstring are set: first entry in the highest bits."""

from __future__ import annotations

import pytest

from cli.status_list import set_entries
from sdk.credentials.status_list import set_status


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_every_entry_that_was_set_is_found(bits: int) -> None:
    held = bytearray(64)
    wanted = [(index, 1 + index % ((1 << bits) - 1)) for index in (0, 1, 7, 8, 30, 63)]
    for index, value in wanted:
        set_status(held, index, value, size=bits)
    assert set_entries(bytes(held), bits) == wanted


def test_an_empty_list_has_none() -> None:
    assert set_entries(bytes(16_384), 1) == []
