# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from ledger.storage import layout
from ledger.storage.errors import EXIT_CORRUPTION, CorruptionError


def test_state_keys_put_the_newest_version_first() -> None:
    key_hash = bytes(range(32))
    keys = [layout.state_key(key_hash, version) for version in (9, 3, 0)]
    assert keys == sorted(keys)
    assert keys[-1] < layout.state_stop(key_hash)
    assert layout.state_stop(key_hash) < layout.state_key(b"\x01" + bytes(31), layout.NUMBER_MAX)


def test_expiring_keys_sort_by_time() -> None:
    assert layout.expiring_key(255, b"z") < layout.expiring_key(256, b"a")


@pytest.mark.parametrize("position", [0, 7, 8, 12])
def test_a_flipped_bit_breaks_the_seal(position: int) -> None:
    sealed = bytearray(layout.seal(b"value"))
    assert layout.unseal("x", bytes(sealed)) == b"value"
    sealed[position] ^= 1
    with pytest.raises(CorruptionError, match="checksum of x") as caught:
        layout.unseal("x", bytes(sealed))
    assert caught.value.code == "STORE_CORRUPT"
    assert caught.value.exit_code == EXIT_CORRUPTION


def test_a_cut_record_breaks_the_seal() -> None:
    with pytest.raises(CorruptionError):
        layout.unseal("x", layout.seal(b"value")[:5])
