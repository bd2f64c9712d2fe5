# SPDX-License-Identifier: Apache-2.0
"""How the members of the ordering are stored, with the log entry that they account for.

    index (8)  auto_leave (1)  four counts (2 each)  voters, learners, voters_outgoing, learners_next

A node's number has 8 bytes; each list is strictly ascending. Numbers are big-endian.
"""

from __future__ import annotations

import struct
from typing import Final

from consensus.types import NODE_MAX, ConfState
from ledger.storage.errors import STORE_CORRUPT, CorruptionError

MEMBERS_COUNT_MAX: Final = 1_024
"""Numbers in each of the lists."""

_HEAD: Final = struct.Struct(">QB4H")
_NUMBER_SIZE: Final = 8


def encode_conf_state(index: int, conf_state: ConfState) -> bytes:
    """One value, one encoding. Raises ValueError for lists that are too long or not ascending."""
    lists = (
        conf_state.voters,
        conf_state.learners,
        conf_state.voters_outgoing,
        conf_state.learners_next,
    )
    for members in lists:
        _check_members(members)
    head = _HEAD.pack(index, conf_state.auto_leave, *(len(members) for members in lists))
    return head + b"".join(
        node.to_bytes(_NUMBER_SIZE, "big") for members in lists for node in members
    )


def decode_conf_state(data: bytes) -> tuple[int, ConfState]:
    """Index and members. Raises CorruptionError."""
    try:
        index, auto_leave, *counts = _HEAD.unpack_from(data)
        if auto_leave > 1 or len(data) != _HEAD.size + sum(counts) * _NUMBER_SIZE:
            raise ValueError("the length or a flag is wrong")
        lists: list[tuple[int, ...]] = []
        position = _HEAD.size
        for count in counts:
            members = struct.unpack_from(f">{count}Q", data, position)
            position += count * _NUMBER_SIZE
            _check_members(members)
            lists.append(members)
    except (struct.error, ValueError) as error:
        raise CorruptionError(
            STORE_CORRUPT, f"the members of the ordering cannot be read: {error}"
        ) from None
    voters, learners, voters_outgoing, learners_next = lists
    return index, ConfState(voters, learners, voters_outgoing, learners_next, bool(auto_leave))


def _check_members(members: tuple[int, ...]) -> None:
    if len(members) > MEMBERS_COUNT_MAX:
        raise ValueError(f"{len(members)} members are more than {MEMBERS_COUNT_MAX}")
    previous = 0
    for node in members:
        if not previous < node <= NODE_MAX:
            raise ValueError("members are numbers from 1, ascending")
        previous = node
