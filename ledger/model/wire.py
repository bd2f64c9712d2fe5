# SPDX-License-Identifier: Apache-2.0
"""Canonical bytes: how a value is declared, written and read.  One value, one encoding.

A message is a frozen dataclass whose fields are declared with the functions below::

    @message("KeyEntry")
    @dataclass(frozen=True, slots=True)
    class KeyEntry:
        key_id: str = string(1, size_max=32)
        public_key: bytes = octets(2, size_max=96)

This file holds the declarations and the *strict* writer and reader: plain Python from the wire
format (https://protobuf.dev/programming-guides/encoding/), without the protobuf runtime.
``ledger.model.codec`` is the fast path; the strict reader decides whenever that path refuses.

The rules, stricter than protobuf's own (which allows many encodings of one value):

- fields known, ascending by number, each singular field at most once;
- varints minimal, within the range of their type; a bool is 0 or 1; an enum value has a name;
- no scalar with its default value; an enumeration without a member 0 must be present;
- strings valid UTF-8 (no surrogates); strings, octets and lists within their named limits;
- repeated integers and enums packed, and then not empty; at most one member of a oneof;
- no maps, floats, groups, ``optional``; no scalar inside a oneof; messages do not recurse.

Pure: no IO, no clock.  ``EncodingError`` is the only error any input bytes can cause; a wrong
declaration or an unregistered class is a ``TypeError``, the programmer's fault.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Any, Final, TypeVar, cast

PACKAGE: Final = "psetledger.v1"

DEPTH_MAX: Final = 8
"""Levels of messages within messages; a message without nested ones counts one."""
STRING_SIZE_MAX: Final = 1_024
"""Bytes of UTF-8 of one string, unless its declaration says otherwise."""
OCTETS_SIZE_MAX: Final = 65_536
"""Bytes of one byte string, unless its declaration says otherwise."""
COUNT_MAX: Final = 256
"""Elements of one list, unless its declaration says otherwise."""
UINT32_MAX: Final = 2**32 - 1
UINT64_MAX: Final = 2**64 - 1
FIELD_NUMBER_MAX: Final = 2**29 - 1
ENUM_VALUE_MAX: Final = 2**31 - 1

MALFORMED: Final = "MALFORMED"
TOO_LARGE: Final = "TOO_LARGE"

_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2
_VARINT_SIZE_MAX: Final = 10
_METADATA: Final = "ledger.model.wire"

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


class Kind(Enum):
    """What one element of a field is."""

    UINT32 = auto()
    UINT64 = auto()
    BOOL = auto()
    ENUM = auto()
    STRING = auto()
    OCTETS = auto()
    MESSAGE = auto()


class Label(Enum):
    """How many elements a field has, and who shares its place."""

    SINGULAR = auto()
    REPEATED = auto()
    ONE_OF = auto()


_VARINT_KINDS: Final = frozenset({Kind.UINT32, Kind.UINT64, Kind.BOOL, Kind.ENUM})


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the wire.  A oneof attribute has one of these per member, all of its name."""

    name: str
    number: int
    kind: Kind
    label: Label
    size_max: int = 0
    """Bytes of one string or byte string; 0 for other kinds."""
    count_max: int = 0
    """Elements of a repeated field; 0 for other labels."""
    enum: type[IntEnum] | None = None
    message: type[Any] | None = None
    names: Mapping[int, IntEnum] = dataclasses.field(default_factory=dict[int, IntEnum])
    """The members of ``enum`` by value."""

    @property
    def packed(self) -> bool:
        return self.label is Label.REPEATED and self.kind in _VARINT_KINDS

    @property
    def wire_type(self) -> int:
        return _VARINT if self.kind in _VARINT_KINDS and not self.packed else _LENGTH_DELIMITED

    @property
    def required(self) -> bool:
        """An enumeration without a member 0 has no default, so an absent field says nothing."""
        return self.kind is Kind.ENUM and self.label is Label.SINGULAR and 0 not in self.names


@dataclass(frozen=True, slots=True)
class Message:
    """The declaration of one message class."""

    name: str
    package: str
    cls: type[Any]
    attributes: tuple[str, ...]
    """Attribute names in the order of the dataclass."""
    keyword_only: frozenset[str]
    fields: tuple[Field, ...]
    """Ascending by number."""
    by_number: Mapping[int, Field]
    depth: int

    @property
    def full_name(self) -> str:
        return f"{self.package}.{self.name}"


_by_class: dict[type[Any], Message] = {}
_by_name: dict[str, Message] = {}


# Declarations ------------------------------------------------------------------------------------


def _declare(default: Any, *fields: Field, required: bool = False) -> Any:
    for field in fields:
        number = field.number
        if not 1 <= number <= FIELD_NUMBER_MAX or 19_000 <= number <= 19_999:
            raise TypeError(f"{number} is no protobuf field number")
    if required:
        # Without a default it could not follow fields that have one; so it is keyword-only.
        return dataclasses.field(metadata={_METADATA: fields}, kw_only=True)
    return dataclasses.field(default=default, metadata={_METADATA: fields})


def uint32(number: int) -> Any:
    """Declare an integer of 0 to 2**32 - 1, by default 0."""
    return _declare(0, Field("", number, Kind.UINT32, Label.SINGULAR))


def uint64(number: int) -> Any:
    """Declare an integer of 0 to 2**64 - 1, by default 0."""
    return _declare(0, Field("", number, Kind.UINT64, Label.SINGULAR))


def boolean(number: int) -> Any:
    """Declare a truth value, by default False."""
    return _declare(False, Field("", number, Kind.BOOL, Label.SINGULAR))


def string(number: int, *, size_max: int = STRING_SIZE_MAX) -> Any:
    """Declare a text of at most ``size_max`` bytes of UTF-8, by default empty."""
    return _declare("", Field("", number, Kind.STRING, Label.SINGULAR, size_max=size_max))


def octets(number: int, *, size_max: int = OCTETS_SIZE_MAX) -> Any:
    """Declare a byte string of at most ``size_max`` bytes, by default empty."""
    return _declare(b"", Field("", number, Kind.OCTETS, Label.SINGULAR, size_max=size_max))


def enumeration(number: int, enum: type[IntEnum]) -> Any:
    """Declare a member of ``enum``, by default its member 0.

    An enumeration without a member 0 makes the field required: keyword-only in the constructor,
    always on the wire.
    """
    names = _members(enum)
    field = Field("", number, Kind.ENUM, Label.SINGULAR, enum=enum, names=names)
    return _declare(names.get(0), field, required=0 not in names)


def nested(number: int, cls: type[Any]) -> Any:
    """Declare a message of a registered class, or None, which is the default."""
    return _declare(None, Field("", number, Kind.MESSAGE, Label.SINGULAR, message=cls))


def repeated(
    number: int, element: type[Any], *, count_max: int = COUNT_MAX, size_max: int | None = None
) -> Any:
    """Declare a tuple of at most ``count_max`` elements, by default empty.

    ``element`` is ``str``, ``bytes``, ``int`` (uint64, packed), an ``IntEnum`` (packed) or a
    registered class; ``size_max`` limits the bytes of each ``str`` or ``bytes``.
    """
    kind, size_default = Kind.MESSAGE, 0
    enum: type[IntEnum] | None = None
    if element is str:
        kind, size_default = Kind.STRING, STRING_SIZE_MAX
    elif element is bytes:
        kind, size_default = Kind.OCTETS, OCTETS_SIZE_MAX
    elif element is int:
        kind = Kind.UINT64
    elif issubclass(element, IntEnum):
        kind, enum = Kind.ENUM, element
    if size_max is not None and not size_default:
        raise TypeError("size_max is for elements of str and bytes")
    field = Field(
        "",
        number,
        kind,
        Label.REPEATED,
        size_max=size_default if size_max is None else size_max,
        count_max=count_max,
        enum=enum,
        message=element if kind is Kind.MESSAGE else None,
        names=_members(enum) if enum is not None else {},
    )
    return _declare((), field)


def one_of(members: Mapping[int, type[Any]]) -> Any:
    """Declare at most one message out of several registered classes by field number, or None.

    The class of the value tells which member it is, so the classes are distinct.
    """
    if len(set(members.values())) != len(members) or not members:
        raise TypeError("the members of a oneof are distinct classes, at least one")
    fields = (
        Field("", number, Kind.MESSAGE, Label.ONE_OF, message=cls)
        for number, cls in members.items()
    )
    return _declare(None, *fields)


def message(name: str, *, package: str = PACKAGE) -> Callable[[type[_T]], type[_T]]:
    """Register a frozen dataclass as protobuf message ``name`` of ``package``.

    Raises ``TypeError`` when a field is no wire field, a number or the name is taken, a nested
    class is not registered yet (so messages cannot recurse) or nesting exceeds ``DEPTH_MAX``.
    """

    def register(cls: type[_T]) -> type[_T]:
        spec = _compile(cls, name, package)
        if spec.full_name in _by_name:
            raise TypeError(f"{spec.full_name} is registered already")
        _by_name[spec.full_name] = _by_class[cls] = spec
        return cls

    return register


def get_message(cls: type[Any]) -> Message:
    """The declaration of a registered class; ``TypeError`` for any other."""
    spec = _by_class.get(cls)
    if spec is None:
        raise TypeError(f"{cls.__qualname__} is not registered as a message")
    return spec


def get_messages(package: str = PACKAGE) -> tuple[Message, ...]:
    """Every message registered so far in ``package``, by name."""
    found = (spec for spec in _by_name.values() if spec.package == package)
    return tuple(sorted(found, key=lambda spec: spec.name))


def _members(enum: type[IntEnum]) -> dict[int, IntEnum]:
    members = {int(member): member for member in enum}
    if not members or not all(0 <= value <= ENUM_VALUE_MAX for value in members):
        raise TypeError(f"{enum.__qualname__} has no members or one outside 0..2**31-1")
    return members


def _compile(cls: type[Any], name: str, package: str) -> Message:
    if not dataclasses.is_dataclass(cls) or not cast(Any, cls).__dataclass_params__.frozen:
        raise TypeError(f"{cls.__qualname__} is no frozen dataclass")
    attributes = dataclasses.fields(cls)
    fields: list[Field] = []
    depth = 1
    for attribute in attributes:
        declared: tuple[Field, ...] = attribute.metadata.get(_METADATA, ())
        if not declared:
            raise TypeError(f"{cls.__qualname__}.{attribute.name} is no wire field")
        for field in declared:
            if field.message is not None:
                depth = max(depth, get_message(field.message).depth + 1)
            fields.append(dataclasses.replace(field, name=attribute.name))
    if depth > DEPTH_MAX:
        raise TypeError(f"{cls.__qualname__} nests messages deeper than {DEPTH_MAX}")
    fields.sort(key=lambda field: field.number)
    by_number = {field.number: field for field in fields}
    if len(by_number) != len(fields):
        raise TypeError(f"{cls.__qualname__} uses a field number twice")
    return Message(
        name=name,
        package=package,
        cls=cls,
        attributes=tuple(attribute.name for attribute in attributes),
        keyword_only=frozenset(a.name for a in attributes if a.kw_only),
        fields=tuple(fields),
        by_number=by_number,
        depth=depth,
    )


# The strict writer -------------------------------------------------------------------------------


def encode_strict(value: Any) -> bytes:
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
                if field.kind is Kind.MESSAGE or field.required or _is_set(field, held):
                    out += _tag(field) + element
        except EncodingError as error:
            raise error.inside(field.name) from None
    return bytes(out)


def _is_set(field: Field, held: Any) -> bool:
    return held != 0 if field.wire_type == _VARINT else len(held) > 0


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
    elements: tuple[Any, ...] = held
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
    if kind in _VARINT_KINDS:
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
