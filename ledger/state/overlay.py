# SPDX-License-Identifier: Apache-2.0
"""The state that a block sees: certified state below, what the block wrote above.

Each transaction writes into its own layer. If it is applied, the layer is merged into the block's;
if it is refused, the layer is dropped and nothing of it remains. Records are kept decoded and are
encoded once, as a rule when the block is done. Records are immutable, so layers can share them.

No value outgrows STATE_VALUE_SIZE_MAX, or nobody could read it any more: records that can, by the
limits of their fields, are encoded and measured as soon as they are written, and kept encoded too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar, cast

from ledger.model.codec import decode, encode
from ledger.model.limits import STATE_VALUE_SIZE_MAX
from ledger.model.records import ListRecord, ReferenceRecord
from ledger.model.schema import child_key
from ledger.model.wire import Field, Kind, Label, get_message

_T = TypeVar("_T")
_ABSENT = object()
_TAG_SIZE_MAX: Final = 5
"""Bytes of a field's number and type, or of a length, at most."""
_NUMBER_SIZE_MAX: Final = 10


class ValueTooLargeError(ValueError):
    """A value of more than STATE_VALUE_SIZE_MAX bytes: the transaction is refused."""


_encoded_sizes_max: Final[dict[type[Any], int]] = {}
"""What was computed, by class: classes are few."""


def get_encoded_size_max(cls: type[Any]) -> int:
    """Bytes that a message can take when every field is at its limit, or a little more."""
    size = _encoded_sizes_max.get(cls)
    if size is None:
        size = sum(_get_field_size_max(field) for field in get_message(cls).fields)
        _encoded_sizes_max[cls] = size
    return size


def _get_field_size_max(field: Field) -> int:
    if field.kind in (Kind.STRING, Kind.OCTETS):
        size = field.size_max + _TAG_SIZE_MAX
    elif field.message is not None:
        size = get_encoded_size_max(field.message) + _TAG_SIZE_MAX
    else:
        size = _NUMBER_SIZE_MAX
    return (size + _TAG_SIZE_MAX) * (field.count_max if field.label is Label.REPEATED else 1)


def _encode_to_measure(value: object) -> bytes | None:
    """The encoding of a value that could be too large, None for others. Raises ValueTooLargeError."""
    if not isinstance(value, bytes):
        if get_encoded_size_max(type(value)) <= STATE_VALUE_SIZE_MAX:
            return None
        value = encode(value)
    if len(value) > STATE_VALUE_SIZE_MAX:
        raise ValueTooLargeError(f"{len(value)} bytes, of at most {STATE_VALUE_SIZE_MAX}")
    return value


class StateReader(Protocol):
    """The certified state on top of which a block is executed."""

    def get(self, key: bytes) -> bytes | None:
        """The value under a key, or None."""
        ...

    def expiring(self, until_ms: int, count_max: int) -> Sequence[tuple[int, bytes]]:
        """Idempotency records with expires_at <= until_ms, as (expires_at, state key), ascending
        by that pair, the first count_max. A local index derived from state.
        """
        ...


class BlockState:
    """What a block has read and written so far."""

    __slots__ = ("_encoded", "_reader", "_values", "_written")

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        # Records decoded, other values as bytes, None for absent: read or written.
        self._values: dict[bytes, object | None] = {}
        self._written: dict[bytes, object | None] = {}
        # Of what was written and had to be measured.
        self._encoded: dict[bytes, bytes] = {}

    def get(self, cls: type[_T], key: bytes) -> _T | None:
        """The record under a key, or None."""
        value = self._values.get(key, _ABSENT)
        if value is _ABSENT:
            data = self._reader.get(key)
            value = None if data is None else decode(cls, data, size_max=STATE_VALUE_SIZE_MAX)
            self._values[key] = value
        return cast("_T | None", value)

    def get_bytes(self, key: bytes) -> bytes | None:
        """The value under a key that holds no record, or None."""
        value = self._values.get(key, _ABSENT)
        if value is _ABSENT:
            value = self._values[key] = self._reader.get(key)
        return cast("bytes | None", value)

    def merge(
        self, writes: Mapping[bytes, object | None], encoded: Mapping[bytes, bytes] | None = None
    ) -> None:
        """Make the writes of an applied transaction those of the block.

        `encoded` holds the encodings of those that are known already.
        """
        self._values.update(writes)
        self._written.update(writes)
        for key in writes:
            self._encoded.pop(key, None)
        self._encoded.update(encoded or {})

    def collect(self) -> tuple[tuple[bytes, bytes | None], ...]:
        """Everything written, encoded, sorted by key; None: deleted."""
        return tuple(
            (key, self._encode(key, value))
            for key, value in sorted(self._written.items(), key=lambda item: item[0])
        )

    def _encode(self, key: bytes, value: object | None) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        return self._encoded.get(key) or encode(value)


class TransactionState:
    """One transaction's layer over the block's state."""

    __slots__ = ("_block", "_encoded", "_writes")

    def __init__(self, block: BlockState) -> None:
        self._block = block
        self._writes: dict[bytes, object | None] = {}
        self._encoded: dict[bytes, bytes] = {}

    def get(self, cls: type[_T], key: bytes) -> _T | None:
        """The record under a key, or None."""
        value = self._writes.get(key, _ABSENT)
        return self._block.get(cls, key) if value is _ABSENT else cast("_T | None", value)

    def get_bytes(self, key: bytes) -> bytes | None:
        """The value under a key that holds no record, or None."""
        value = self._writes.get(key, _ABSENT)
        return self._block.get_bytes(key) if value is _ABSENT else cast("bytes | None", value)

    def put(self, key: bytes, value: object) -> None:
        """Write a record, or bytes. Raises ValueTooLargeError."""
        encoded = _encode_to_measure(value)
        self._writes[key] = value
        if encoded is None:
            self._encoded.pop(key, None)
        else:
            self._encoded[key] = encoded

    def delete(self, key: bytes) -> None:
        """Remove a value."""
        self._writes[key] = None
        self._encoded.pop(key, None)

    def append(self, parent_key: bytes, reference: str) -> None:
        """Add a child to the list at `parent_key`, which begins with its first child."""
        parent = self.get(ListRecord, parent_key) or ListRecord()
        self.put(child_key(parent_key, parent.child_count), ReferenceRecord(reference=reference))
        self.put(parent_key, ListRecord(child_count=parent.child_count + 1))

    def apply(self) -> None:
        """Make what was written the block's."""
        self._block.merge(self._writes, self._encoded)
