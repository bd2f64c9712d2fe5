# SPDX-License-Identifier: Apache-2.0
"""Canonical bytes: how a value is written and read.  One value, one encoding.

This file holds the *strict* writer and reader: plain Python from the wire format
(https://protobuf.dev/programming-guides/encoding/), without the protobuf runtime.
``ledger.model.codec`` is the fast path; the strict reader decides whenever that path refuses.
How a message is declared stands in ``ledger.model.declaration``, re-exported here.

The rules, stricter than protobuf's own (which allows many encodings of one value):

- fields known, ascending by number, each singular field at most once;
- varints minimal, within the range of their type; a bool is 0 or 1; an enum value has a name;
- no scalar with its default value; an enumeration without a member 0 must be present;
- strings valid UTF-8 (no surrogates); strings, octets and lists within their named limits;
- repeated integers and enums packed, and then not empty; at most one member of a oneof;
- no maps, floats, groups, ``optional``; no scalar inside a oneof; messages do not recurse.

Pure: no IO, no clock.  ``EncodingError`` is the only error any input bytes can cause; an
unregistered class is a ``TypeError``, the programmer's fault.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast

from ledger.model.declaration import (
    COUNT_MAX,
    DEPTH_MAX,
    OCTETS_SIZE_MAX,
    PACKAGE,
    STRING_SIZE_MAX,
    UINT32_MAX,
    UINT64_MAX,
    VARINT,
    VARINT_KINDS,
    Field,
    Kind,
    Label,
    Message,
    boolean,
    enumeration,
    get_message,
    get_messages,
    message,
    nested,
    octets,
    one_of,
    repeated,
    string,
    uint32,
    uint64,
)

__all__ = [
    "COUNT_MAX",
    "DEPTH_MAX",
    "MALFORMED",
    "OCTETS_SIZE_MAX",
    "PACKAGE",
    "STRING_SIZE_MAX",
    "TOO_LARGE",
    "EncodingError",
    "Field",
    "Kind",
    "Label",
    "Message",
    "boolean",
    "decode_strict",
    "encode_strict",
    "enumeration",
    "get_message",
    "get_messages",
    "message",
    "nested",
    "octets",
    "one_of",
    "repeated",
    "string",
    "uint32",
    "uint64",
]

MALFORMED: Final = "MALFORMED"
TOO_LARGE: Final = "TOO_LARGE"

_VARINT_SIZE_MAX: Final = 10

_T = TypeVar("_T")


class EncodingError(ValueError):
    """Bytes that are no canonical encoding, or a value that has none.

    ``code`` is ``MALFORMED`` or ``TOO_LARGE``; ``where`` is the path of the field, beginning with
    the message's name (``Transaction.signatures[1].key_id``); ``reason`` says what is wrong.
    """

    def __init__(self, code: str, where: str, reason: str) -> None:
        super().__init__(code, where, reason)
        self.code = code
        self.where = where
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"

    def inside(self, outer: str) -> EncodingError:
        """The same error, seen from the message or field that holds the place of this one."""
        separator = "." if self.where and not self.where.startswith("[") else ""
        return EncodingError(self.code, f"{outer}{separator}{self.where}", self.reason)


# The strict writer -------------------------------------------------------------------------------


def encode_strict(value: object) -> bytes:
    """Write a message to its canonical bytes.

    Raises ``EncodingError`` when a field holds what its declaration does not allow, ``TypeError``
    when the class of ``value`` is not registered.
    """
    spec = get_message(type(value))
    try:
        return _write_message(spec, value)
    except EncodingError as error:
        raise error.inside(spec.name) from None


def _write_message(spec: Message, value: Any) -> bytes:
    out = bytearray()
    for field in spec.fields:
        held = getattr(value, field.name)
        try:
            if field.label is Label.REPEATED:
                _write_repeated(field, held, out)
            elif field.label is Label.ONE_OF:
                _write_one_of(spec, field, held, out)
            elif held is not None or field.kind is not Kind.MESSAGE:
                element = _write_element(field, held)
                # Presence: a message is there unless None, a scalar unless it has its default.
                if field.kind is Kind.MESSAGE or _is_set(field, held):
                    out += _tag(field) + element
        except EncodingError as error:
            raise error.inside(field.name) from None
    return bytes(out)


def _is_set(field: Field, held: Any) -> bool:
    return held != 0 if field.wire_type == VARINT else len(held) > 0


def _write_one_of(spec: Message, field: Field, held: Any, out: bytearray) -> None:
    if held is None:
        return
    if type(held) is field.message:
        out += _tag(field) + _write_element(field, held)
    elif not any(f.name == field.name and f.message is type(held) for f in spec.fields):
        raise _malformed(f"a {type(held).__name__} is no member of this oneof")


def _write_repeated(field: Field, held: Any, out: bytearray) -> None:
    if not isinstance(held, tuple):
        raise _malformed(f"a tuple is expected, not {type(held).__name__}")
    elements: tuple[Any, ...] = cast(Any, held)
    if len(elements) > field.count_max:
        raise _too_large(f"more than {field.count_max} elements")
    written: list[bytes] = []
    for index, element in enumerate(elements):
        try:
            written.append(_write_element(field, element))
        except EncodingError as error:
            raise error.inside(f"[{index}]") from None
    if not field.packed:
        for element in written:
            out += _tag(field) + element
    elif written:
        payload = b"".join(written)
        out += _tag(field) + _varint(len(payload)) + payload


def _write_element(field: Field, held: Any) -> bytes:
    """One value without its tag; length-delimited ones with their length."""
    kind = field.kind
    if kind is Kind.MESSAGE:
        if field.message is None or type(held) is not field.message:
            raise _malformed(f"a {type(held).__name__} stands where another message belongs")
        payload = _write_message(get_message(field.message), held)
        return _varint(len(payload)) + payload
    if kind is Kind.STRING:
        if not isinstance(held, str):
            raise _malformed(f"a text is expected, not {type(held).__name__}")
        try:
            return _write_octets(field, held.encode("utf-8"))
        except UnicodeEncodeError:
            raise _malformed("text with a lone surrogate has no UTF-8") from None
    if kind is Kind.OCTETS:
        if not isinstance(held, bytes):
            raise _malformed(f"bytes are expected, not {type(held).__name__}")
        return _write_octets(field, held)
    if kind is Kind.BOOL:
        if not isinstance(held, bool):
            raise _malformed(f"True or False is expected, not {type(held).__name__}")
        return b"\x01" if held else b"\x00"
    if kind is Kind.ENUM:
        if field.enum is None or not isinstance(held, field.enum):
            raise _malformed(f"a {type(held).__name__} is no member of the enumeration")
        return _varint(int(held))
    if not isinstance(held, int) or isinstance(held, bool):
        raise _malformed(f"an integer is expected, not {type(held).__name__}")
    _check_range(field, held)
    return _varint(held)


def _write_octets(field: Field, held: bytes) -> bytes:
    if len(held) > field.size_max:
        raise _too_large(f"longer than {field.size_max} bytes")
    return _varint(len(held)) + held


def _tag(field: Field) -> bytes:
    return _varint(field.number << 3 | field.wire_type)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# The strict reader -------------------------------------------------------------------------------


def decode_strict(cls: type[_T], data: bytes, *, size_max: int) -> _T:
    """Read the message of class ``cls`` whose canonical encoding is ``data``.

    ``decode_strict(cls, x)`` succeeds exactly when ``encode_strict`` of its result gives ``x``.
    Raises ``EncodingError`` for any other bytes and for more than ``size_max`` of them.
    """
    spec = get_message(cls)
    if len(data) > size_max:
        raise EncodingError(TOO_LARGE, spec.name, f"longer than {size_max} bytes")
    data = bytes(data)
    try:
        return cast(_T, _read_message(spec, data, 0, len(data)))
    except EncodingError as error:
        raise error.inside(spec.name) from None


def _read_message(spec: Message, data: bytes, position: int, end: int) -> Any:
    values: dict[str, Any] = {}
    previous = 0
    while position < end:
        tag, position = _read_varint(data, position, end)
        number = tag >> 3
        field = spec.by_number.get(number)
        if field is None:
            raise _malformed(f"unknown field {number}")
        try:
            if tag & 7 != field.wire_type:
                raise _malformed(f"wire type {tag & 7} instead of {field.wire_type}")
            if number < previous:
                raise _malformed(f"field {number} after field {previous}")
            if number == previous and (field.label is not Label.REPEATED or field.packed):
                raise _malformed("given twice")
            previous = number
            position = _read_field(field, values, data, position, end)
        except EncodingError as error:
            raise error.inside(field.name) from None
    for field in spec.fields:
        if field.required and field.name not in values:
            raise _malformed("missing").inside(field.name)
        if field.label is Label.REPEATED and field.name in values:
            values[field.name] = tuple(values[field.name])
    try:
        return spec.cls(**values)
    except EncodingError:
        raise
    except ValueError as error:
        # A class may check its own invariants when constructed.
        raise _malformed(str(error)) from error


def _read_field(field: Field, values: dict[str, Any], data: bytes, position: int, end: int) -> int:
    """Read one occurrence into ``values``; return the position behind it."""
    if field.label is Label.ONE_OF and field.name in values:
        raise _malformed("two members of a oneof")
    if field.packed:
        values[field.name], position = _read_packed(field, data, position, end)
        return position
    if field.label is Label.REPEATED:
        elements: list[Any] = values.setdefault(field.name, [])
        if len(elements) == field.count_max:
            raise _too_large(f"more than {field.count_max} elements")
        try:
            element, position = _read_element(field, data, position, end)
        except EncodingError as error:
            raise error.inside(f"[{len(elements)}]") from None
        elements.append(element)
        return position
    held, position = _read_element(field, data, position, end)
    if field.kind is not Kind.MESSAGE and not _is_set(field, held):
        raise _malformed("default value written out")
    values[field.name] = held
    return position


def _read_packed(field: Field, data: bytes, position: int, end: int) -> tuple[tuple[Any, ...], int]:
    position, stop = _read_length(data, position, end)
    if position == stop:
        raise _malformed("empty list written out")
    elements: list[Any] = []
    while position < stop:
        if len(elements) == field.count_max:
            raise _too_large(f"more than {field.count_max} elements")
        try:
            element, position = _read_element(field, data, position, stop)
        except EncodingError as error:
            raise error.inside(f"[{len(elements)}]") from None
        elements.append(element)
    return tuple(elements), stop


def _read_element(field: Field, data: bytes, position: int, end: int) -> tuple[Any, int]:
    kind = field.kind
    if kind in VARINT_KINDS:
        number, position = _read_varint(data, position, end)
        return _read_number(field, number), position
    position, stop = _read_length(data, position, end)
    if field.message is not None:
        return _read_message(get_message(field.message), data, position, stop), stop
    if stop - position > field.size_max:
        raise _too_large(f"longer than {field.size_max} bytes")
    held = data[position:stop]
    if kind is Kind.OCTETS:
        return held, stop
    try:
        return held.decode("utf-8"), stop
    except UnicodeDecodeError:
        raise _malformed("invalid UTF-8") from None


def _read_number(field: Field, number: int) -> int:
    if field.kind is Kind.BOOL:
        if number > 1:
            raise _malformed("a bool is 0 or 1")
        return number == 1
    if field.kind is Kind.ENUM:
        member = field.names.get(number)
        if member is None:
            raise _malformed(f"unknown value {number}")
        return member
    _check_range(field, number)
    return number


def _check_range(field: Field, number: int) -> None:
    if not 0 <= number <= (UINT32_MAX if field.kind is Kind.UINT32 else UINT64_MAX):
        raise _malformed(f"{number} is out of range")


def _read_length(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Read a length; return where its bytes begin and end."""
    length, position = _read_varint(data, position, end)
    if length > end - position:
        raise _malformed("truncated")
    return position, position + length


def _read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    number = 0
    for index in range(_VARINT_SIZE_MAX):
        if position + index >= end:
            raise _malformed("truncated")
        octet = data[position + index]
        number |= (octet & 0x7F) << 7 * index
        if octet < 0x80:
            if octet == 0 and index:
                raise _malformed("varint is not minimal")
            if number > UINT64_MAX:
                break
            return number, position + index + 1
    raise _malformed("varint exceeds 64 bits")


def _malformed(reason: str) -> EncodingError:
    return EncodingError(MALFORMED, "", reason)


def _too_large(reason: str) -> EncodingError:
    return EncodingError(TOO_LARGE, "", reason)
