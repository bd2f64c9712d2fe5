# SPDX-License-Identifier: Apache-2.0
"""Between a dataclass and a stub, the protobuf runtime's object: the fast path's closures.

A *reader* turns a stub, or one element of it, into a value of ours; a *writer* copies a dataclass
into a stub.  Both raise when they meet what the declaration does not allow, and say no more: the
strict reader and writer then decide and explain.  Stubs are taken as they come, so nothing here
imports the runtime; ``ledger.model.codec`` puts the closures together, once per class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final, cast

from ledger.model.declaration import Field, Kind, Label, Message

Read = Callable[[Any], Any]
"""From a stub, or one element of it, to a value of ours."""
Write = Callable[[Any, Any], None]
"""From a dataclass (first) into a stub (second)."""
Names = Mapping[int, str]
"""What the stub calls each field, by number."""
_Check = Callable[[Any], None]


class RefusedError(Exception):
    """The fast path does not vouch for this; the strict one decides."""


def _attributes(spec: Message) -> list[list[Field]]:
    """The fields of each attribute, in the constructor's order; several only for a oneof."""
    return [[f for f in spec.fields if f.name == name] for name in spec.attributes]


# From stub to dataclass --------------------------------------------------------------------------


def build_reader(spec: Message, names: Names, read_of: Callable[[type[Any]], Read]) -> Read:
    """The reader of a message class; ``read_of`` gives that of a class within it."""
    cls = spec.cls
    groups = _attributes(spec)
    if len(groups) > 1 and all(_is_taken_as_it_is(group) for group in groups):
        # Small messages that come by the hundred: all fields in one step.
        read_all = attrgetter(*(names[group[0].number] for group in groups))
        return lambda stub: cls(*read_all(stub))
    readers = tuple(_reader(group, names, read_of) for group in groups)

    def read(stub: Any) -> Any:
        return cls(*[read_field(stub) for read_field in readers])

    return read


def _is_taken_as_it_is(group: list[Field]) -> bool:
    """Whether the attribute is one number or bool, which nothing need be asked about."""
    (field, *others) = group
    return (
        not others
        and field.label is Label.SINGULAR
        and field.kind in {Kind.UINT32, Kind.UINT64, Kind.BOOL}
    )


def _reader(group: list[Field], names: Names, read_of: Callable[[type[Any]], Read]) -> Read:
    field, name = group[0], names[group[0].number]
    if field.label is Label.ONE_OF:
        members = {names[f.number]: read_of(f.message) for f in group if f.message is not None}
        return _one_of_reader(field.name, members)
    if field.label is Label.REPEATED:
        return _repeated_reader(name, field, _element_reader(field, read_of))
    if field.message is not None:
        return _nested_reader(name, read_of(field.message))
    return _scalar_reader(name, _element_reader(field, read_of))


def _element_reader(field: Field, read_of: Callable[[type[Any]], Read]) -> Read | None:
    """None where an element is taken as it is."""
    if field.message is not None:
        return read_of(field.message)
    if field.kind is Kind.ENUM:
        return field.names.__getitem__
    check = _size_check(field)
    return None if check is None else _checked(check)


def _scalar_reader(name: str, read_element: Read | None) -> Read:
    if read_element is None:
        return attrgetter(name)

    def read(stub: Any) -> Any:
        return read_element(getattr(stub, name))

    return read


def _nested_reader(name: str, read_message: Read) -> Read:
    def read(stub: Any) -> Any:
        return read_message(getattr(stub, name)) if stub.HasField(name) else None

    return read


def _one_of_reader(one_of: str, members: Mapping[str, Read]) -> Read:
    def read(stub: Any) -> Any:
        name = stub.WhichOneof(one_of)
        return None if name is None else members[name](getattr(stub, name))

    return read


def _repeated_reader(name: str, field: Field, read_element: Read | None) -> Read:
    count_max = field.count_max

    def read(stub: Any) -> tuple[Any, ...]:
        held = getattr(stub, name)
        if len(held) > count_max:
            raise RefusedError
        return tuple(held) if read_element is None else tuple([read_element(e) for e in held])

    return read


def _checked(check: _Check) -> Read:
    def read(held: Any) -> Any:
        check(held)
        return held

    return read


# From dataclass to stub --------------------------------------------------------------------------

# Only exact types: the runtime takes True for 1 and bytes for a text, the strict writer does not.
_TYPES: Final[Mapping[Kind, type[Any]]] = {
    Kind.UINT32: int,
    Kind.UINT64: int,
    Kind.BOOL: bool,
    Kind.STRING: str,
    Kind.OCTETS: bytes,
}


def build_writer(spec: Message, names: Names, write_of: Callable[[type[Any]], Write]) -> Write:
    """The writer of a message class; ``write_of`` gives that of a class within it."""
    groups = _attributes(spec)
    if all(_is_taken_as_it_is(group) for group in groups):
        return _plain_writer([(names[group[0].number], group[0]) for group in groups])
    writers = tuple(_writer(group, names, write_of) for group in groups)

    def write(value: Any, stub: Any) -> None:
        for write_field in writers:
            write_field(value, stub)

    return write


def _plain_writer(fields: list[tuple[str, Field]]) -> Write:
    """The writer of a message of numbers and bools, without a call for each."""
    steps = tuple((field.name, name, _TYPES[field.kind]) for name, field in fields)

    def write(value: Any, stub: Any) -> None:
        for attribute, name, expected in steps:
            held = getattr(value, attribute)
            if type(held) is not expected:
                raise RefusedError
            if held:
                setattr(stub, name, held)

    return write


def _writer(group: list[Field], names: Names, write_of: Callable[[type[Any]], Write]) -> Write:
    field, name = group[0], names[group[0].number]
    if field.label is Label.REPEATED:
        if field.message is not None:
            return _repeated_message_writer(name, field, write_of(field.message))
        return _repeated_scalar_writer(name, field)
    if field.message is None:
        return _scalar_writer(name, field)
    # A nested message is a oneof with one member.
    members = {
        f.message: (names[f.number], write_of(f.message)) for f in group if f.message is not None
    }
    return _one_of_writer(field.name, members)


def _scalar_writer(name: str, field: Field) -> Write:
    attribute, expected, check = field.name, field.enum or _TYPES[field.kind], _size_check(field)

    def write(value: Any, stub: Any) -> None:
        held = getattr(value, attribute)
        if type(held) is not expected:
            raise RefusedError
        if held:
            if check is not None:
                check(held)
            setattr(stub, name, held)

    return write


def _one_of_writer(attribute: str, members: Mapping[type[Any], tuple[str, Write]]) -> Write:
    def write(value: Any, stub: Any) -> None:
        held = getattr(value, attribute)
        if held is not None:
            name, write_message = members[type(held)]
            inner = getattr(stub, name)
            inner.SetInParent()
            write_message(held, inner)

    return write


def _repeated_scalar_writer(name: str, field: Field) -> Write:
    attribute, count_max = field.name, field.count_max
    expected, check = field.enum or _TYPES[field.kind], _size_check(field)

    def write(value: Any, stub: Any) -> None:
        held = _elements(getattr(value, attribute), count_max)
        for element in held:
            if type(element) is not expected:
                raise RefusedError
            if check is not None:
                check(element)
        getattr(stub, name).extend(held)

    return write


def _repeated_message_writer(name: str, field: Field, write_message: Write) -> Write:
    attribute, count_max, expected = field.name, field.count_max, field.message

    def write(value: Any, stub: Any) -> None:
        held = _elements(getattr(value, attribute), count_max)
        add = getattr(stub, name).add
        for element in held:
            if type(element) is not expected:
                raise RefusedError
            write_message(element, add())

    return write


def _elements(held: Any, count_max: int) -> tuple[Any, ...]:
    if type(held) is not tuple:
        raise RefusedError
    elements: tuple[Any, ...] = cast("Any", held)
    if len(elements) > count_max:
        raise RefusedError
    return elements


def _size_check(field: Field) -> _Check | None:
    size_max = field.size_max

    def check_octets(held: bytes) -> None:
        if len(held) > size_max:
            raise RefusedError

    def check_string(held: str) -> None:
        # Most texts are ASCII, where the length is known without encoding.
        if len(held) > size_max or (not held.isascii() and len(held.encode("utf-8")) > size_max):
            raise RefusedError

    if field.kind is Kind.OCTETS:
        return check_octets
    return check_string if field.kind is Kind.STRING else None
