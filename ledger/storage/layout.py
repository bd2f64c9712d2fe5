# SPDX-License-Identifier: Apache-2.0
"""Every key of a chain store, in one place, and the checksum of small records.

    m name                          single records: format, genesis, head, hard state, compaction,
                                    members of the ordering
    l index                         log entry
    h height                        header              (canonical)
    p height                        proposal            (canonical; from height 1)
    r height                        receipts of the block, in order
    c height                        certificate         (canonical; from height 1)
    a height                        the block names other validators for the height above; no value
    t transaction id                height, index
    v height                        state version: the last height that wrote
    k key hash                      newest version that wrote this state key
    s key hash, ~version            state value of that version, or that it was deleted
    n version, path                 node of the state tree
    x version, node key             node that no version from that one on reads
    e expires_at, idempotency key   records that leave the state

Numbers are 8 bytes big-endian; ~version is its complement, so that the newest comes first.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from ledger.storage.errors import STORE_CORRUPT, CorruptionError

FORMAT_KEY: Final = b"mformat"
GENESIS_KEY: Final = b"mgenesis"
HEAD_KEY: Final = b"mhead"
HARD_STATE_KEY: Final = b"mhard-state"
COMPACTED_KEY: Final = b"mcompacted"
CONF_STATE_KEY: Final = b"mconf-state"

LOG: Final = b"l"
HEADER: Final = b"h"
PROPOSAL: Final = b"p"
RECEIPTS: Final = b"r"
CERTIFICATE: Final = b"c"
SET_CHANGE: Final = b"a"
TRANSACTION: Final = b"t"
VERSION: Final = b"v"
NEWEST: Final = b"k"
STATE: Final = b"s"
NODE: Final = b"n"
STALE_NODE: Final = b"x"
EXPIRING: Final = b"e"

NUMBER_MAX: Final = 2**64 - 1
CHECKSUM_SIZE: Final = 8


def encode_number(value: int) -> bytes:
    """A height, index or version."""
    return value.to_bytes(8, "big")


def decode_number(data: bytes) -> int:
    """The number in 8 bytes."""
    return int.from_bytes(data, "big")


def numbered_key(prefix: bytes, number: int) -> bytes:
    """Key of what is kept by height or index."""
    return prefix + number.to_bytes(8, "big")


def state_key(key_hash: bytes, version: int) -> bytes:
    """Key of a state value, the newest version first."""
    return STATE + key_hash + (NUMBER_MAX - version).to_bytes(8, "big")


def state_stop(key_hash: bytes) -> bytes:
    """Behind every version of a state key."""
    return STATE + key_hash + b"\xff" * 9


def set_change_stop() -> bytes:
    """Behind every height at which the validators change."""
    return SET_CHANGE + b"\xff" * 9


def expiring_key(expires_at: int, idempotency_key: bytes) -> bytes:
    """Key of a record that leaves the state; sorts by time, then by state key."""
    return EXPIRING + expires_at.to_bytes(8, "big") + idempotency_key


def stale_node_key(version: int, node_key: bytes) -> bytes:
    """Key that says from which version on a node is not read."""
    return STALE_NODE + version.to_bytes(8, "big") + node_key


def seal(data: bytes) -> bytes:
    """Data behind the first bytes of its SHA-256."""
    return sha256(data).digest()[:CHECKSUM_SIZE] + data


def unseal(name: str, sealed: bytes) -> bytes:
    """The data that was sealed. Raises CorruptionError when it is not as it was."""
    data = sealed[CHECKSUM_SIZE:]
    if sha256(data).digest()[:CHECKSUM_SIZE] != sealed[:CHECKSUM_SIZE]:
        raise CorruptionError(STORE_CORRUPT, f"the checksum of {name} is wrong")
    return data
