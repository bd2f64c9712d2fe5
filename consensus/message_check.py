# SPDX-License-Identifier: Apache-2.0
"""What a message from another node must be before the core is asked about it.

The core takes messages for what a correct node would send. These checks need no state: they refuse
what no correct node sends in any state. Whether a message is true is for the core, and for whoever
knows the sender.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from consensus.conf_change import (
    ConfChangeError,
    decode_conf_change,
    is_configuration,
)
from consensus.errors import OrderingError
from consensus.types import NO_NODE, NODE_MAX, Entry, EntryKind, Message, MessageKind, Snapshot

ENTRIES_COUNT_MAX: Final = 16_384
"""Entries in one message."""
CONTEXT_SIZE_MAX: Final = 64
"""Bytes that come back with an answer, or mark a vote request."""
NUMBER_MAX: Final = 2**63 - 1
"""Of terms and indices: counting on from there takes longer than there is time."""
DIGEST_SIZE: Final = 32

_WITH_ENTRIES: Final = frozenset(
    {
        MessageKind.APPEND,
        MessageKind.PROPOSE,
        MessageKind.READ_INDEX,
        MessageKind.READ_INDEX_RESPONSE,
    }
)
_WITHOUT_TERM: Final = frozenset({MessageKind.PROPOSE, MessageKind.READ_INDEX})
_LOCAL_FROM: Final = MessageKind.HUP


class MalformedMessageError(OrderingError):
    """No correct node sends this."""


def check_message(message: Message) -> None:
    """Check the form of a message from another node. Raises MalformedMessageError."""
    kind = message.kind
    if kind >= _LOCAL_FROM:
        raise MalformedMessageError(f"{kind.name} is no message between nodes")
    for name in ("sender", "recipient"):
        if not NO_NODE < getattr(message, name) <= NODE_MAX:
            raise MalformedMessageError(f"the {name} is no node")
    for name in ("term", "log_index", "log_term", "commit", "reject_hint"):
        _check_number(name, getattr(message, name))
    if (message.term == 0) != (kind in _WITHOUT_TERM):
        raise MalformedMessageError(f"{kind.name} with the term {message.term}")
    if len(message.context) > CONTEXT_SIZE_MAX:
        raise MalformedMessageError(f"a context of {len(message.context)} bytes")
    if message.vote != NO_NODE or message.responses:
        raise MalformedMessageError("a part that only storage is told")
    if (message.snapshot is not None) != (kind is MessageKind.SNAPSHOT):
        raise MalformedMessageError(f"{kind.name} with or without a snapshot")
    _check_digest(message.chain_digest)
    _check_entries(message)
    if message.snapshot is not None:
        _check_snapshot(message, message.snapshot)


def _check_number(name: str, value: int) -> None:
    if not 0 <= value <= NUMBER_MAX:
        raise MalformedMessageError(f"{name} is {value}")


def _check_digest(digest: bytes) -> None:
    if len(digest) not in (0, DIGEST_SIZE):
        raise MalformedMessageError(f"a digest of {len(digest)} bytes")


def _check_entries(message: Message) -> None:
    entries, kind = message.entries, message.kind
    if len(entries) > ENTRIES_COUNT_MAX:
        raise MalformedMessageError(f"{len(entries)} entries")
    if entries and kind not in _WITH_ENTRIES:
        raise MalformedMessageError(f"{kind.name} with entries")
    if kind is MessageKind.APPEND:
        _check_append(message, entries)
    is_read = kind in (MessageKind.READ_INDEX, MessageKind.READ_INDEX_RESPONSE)
    if is_read and (len(entries) != 1 or len(entries[0].data) > CONTEXT_SIZE_MAX):
        raise MalformedMessageError("a read is one entry with a short context")


def _check_append(message: Message, entries: Sequence[Entry]) -> None:
    """Entries go on from the one before them, which is in the same log."""
    if (message.log_index == 0) != (message.log_term == 0):
        raise MalformedMessageError(f"entry {message.log_index} of term {message.log_term}")
    index, term = message.log_index, message.log_term
    if term > message.term:
        raise MalformedMessageError(f"entry {index} of term {term} in term {message.term}")
    _check_number("the last entry", index + len(entries))
    for entry in entries:
        index += 1
        if entry.index != index:
            raise MalformedMessageError(f"entry {entry.index} at the place of {index}")
        if not max(term, 1) <= entry.term <= message.term:
            raise MalformedMessageError(f"entry {index} of term {entry.term} after term {term}")
        term = entry.term
        if entry.kind is not EntryKind.NORMAL:
            try:
                decode_conf_change(entry)
            except ConfChangeError as error:
                raise MalformedMessageError(f"entry {index}: {error}") from error


def _check_snapshot(message: Message, snapshot: Snapshot) -> None:
    for name in ("index", "term"):
        _check_number(f"the snapshot's {name}", getattr(snapshot, name))
    if snapshot.is_empty or not 0 < snapshot.term <= message.term:
        raise MalformedMessageError(
            f"a snapshot of entry {snapshot.index} of term {snapshot.term} in term {message.term}"
        )
    _check_digest(snapshot.chain_digest)
    if not is_configuration(snapshot.conf_state):
        raise MalformedMessageError("the members of the snapshot are no configuration")
