# SPDX-License-Identifier: Apache-2.0
"""How a canonical message is declared.

A message is a frozen dataclass whose fields are declared with the functions below::

    @message("KeyEntry")
    @dataclass(frozen=True, slots=True)
    class KeyEntry:
        key_id: str = string(1, size_max=32)
        public_key: bytes = octets(2, size_max=96)

Others take these names from ``ledger.model.wire``, where the rules of the encoding stand too.
The declarations are the specification from which the strict reader and writer (``wire``) and the
fast path (``codec``) work; that they equal the ``.proto`` files is checked when a class is first
used there.  A wrong declaration is a ``TypeError`` at import.
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

_METADATA: Final = "ledger.model.wire"

_T = TypeVar("_T")


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


VARINT: Final = 0
LENGTH_DELIMITED: Final = 2
"""The two wire types that canonical messages use."""

VARINT_KINDS: Final = frozenset({Kind.UINT32, Kind.UINT64, Kind.BOOL, Kind.ENUM})


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
        return self.label is Label.REPEATED and self.kind in VARINT_KINDS

    @property
    def wire_type(self) -> int:
        return VARINT if self.kind in VARINT_KINDS and not self.packed else LENGTH_DELIMITED

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
        # Without any default it could not follow fields that have one.
        return dataclasses.field(default_factory=_refuse_omission, metadata={_METADATA: fields})
    return dataclasses.field(default=default, metadata={_METADATA: fields})


def _refuse_omission() -> Any:
    raise TypeError("an enumeration without a member 0 has no default: give a value")


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

    An enumeration without a member 0 makes the field required: to be given to the constructor
    (else ``TypeError``) and always on the wire.
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
        if not declared or attribute.kw_only or not attribute.init:
            raise TypeError(f"{cls.__qualname__}.{attribute.name} is no positional wire field")
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
        fields=tuple(fields),
        by_number=by_number,
        depth=depth,
    )
