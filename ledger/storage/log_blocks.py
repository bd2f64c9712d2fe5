# SPDX-License-Identifier: Apache-2.0
"""The blocks in log entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from consensus import Entry, EntryKind
from ledger.model.block import Block, BlockHeader, Proposal
from ledger.model.codec import decode
from ledger.model.wire import EncodingError
from ledger.storage.errors import STORE_CORRUPT, CorruptionError


@dataclass(frozen=True, slots=True)
class EntryBlock:
    """A block where the log has it."""

    entry: Entry
    block: Block
    height: int


class EntryReader(Protocol):
    """Reads entries of a log."""

    def entries(self, low: int, high: int, *, size_bytes_max: int) -> Sequence[Entry]:
        """Entries low <= index < high: at least one, then as many as fit."""
        ...


def find_entry_block(entry: Entry) -> EntryBlock | None:
    """The block that an entry carries, or None: changes of members and marks of a new term.

    Raises CorruptionError for data that is no proposal.
    """
    if entry.kind is not EntryKind.NORMAL or not entry.data:
        return None
    try:
        block = decode(Block, decode(Proposal, entry.data).block)
        return EntryBlock(entry, block, decode(BlockHeader, block.header).height)
    except EncodingError as error:
        raise CorruptionError(STORE_CORRUPT, f"log entry {entry.index}: {error}") from error


def iterate_entry_blocks(log: EntryReader, low: int, high: int) -> Iterator[EntryBlock]:
    """The blocks of entries low <= index < high, one entry in memory at a time.

    Raises CorruptionError, and as `entries` does.
    """
    for index in range(low, high):
        for entry in log.entries(index, index + 1, size_bytes_max=1):
            found = find_entry_block(entry)
            if found is not None:
                yield found
