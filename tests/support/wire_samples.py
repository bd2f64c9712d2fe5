# SPDX-License-Identifier: Apache-2.0
"""Messages that use every feature of the canonical encoding, with a hand-written descriptor.

The protocol's own messages need not use each kind in each place; these do. The descriptor is written
out, not derived from the declarations, so that comparing the two means something.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from ledger.model.codec import Codec
from ledger.model.wire import (
    boolean,
    enumeration,
    message,
    nested,
    octets,
    one_of,
    repeated,
    string,
    uint32,
    uint64,
)

PACKAGE = "psetledger.sample"


class Colour(IntEnum):
    UNSPECIFIED = 0
    RED = 1
    BLUE = 300


class Shape(IntEnum):
    """Without a member 0: a field of it is required."""

    ROUND = 1
    FLAT = 2


@message("Leaf", package=PACKAGE)
@dataclass(frozen=True, slots=True)
class Leaf:
    name: str = string(1, size_max=4)
    count: int = uint64(2)


@dataclass(frozen=True, slots=True)
class Twin:
    """Looks like a leaf and is none."""

    name: str = ""
    count: int = 0


@message("Other", package=PACKAGE)
@dataclass(frozen=True, slots=True)
class Other:
    leaf: Leaf | None = nested(1, Leaf)


@message("Everything", package=PACKAGE)
@dataclass(frozen=True, slots=True)
class Everything:
    """The members of the oneof stand between other fields, and 16 and up take two-byte tags."""

    text: str = string(1, size_max=8)
    data: bytes = octets(2, size_max=200)
    small: int = uint32(3)
    shape: Shape = enumeration(5, Shape)
    large: int = uint64(6)
    choice: Leaf | Other | None = one_of({4: Leaf, 20: Other})
    flag: bool = boolean(7)
    colour: Colour = enumeration(8, Colour)
    leaf: Leaf | None = nested(9, Leaf)
    texts: tuple[str, ...] = repeated(10, str, count_max=3, size_max=4)
    datas: tuple[bytes, ...] = repeated(11, bytes, count_max=3, size_max=4)
    numbers: tuple[int, ...] = repeated(16, int, count_max=130)
    colours: tuple[Colour, ...] = repeated(17, Colour, count_max=3)
    leaves: tuple[Leaf, ...] = repeated(18, Leaf, count_max=3)
    last: int = uint64(2**29 - 1)


_Proto = descriptor_pb2.FieldDescriptorProto


def build_file() -> descriptor_pb2.FileDescriptorProto:
    """The descriptor of the messages above."""
    file = descriptor_pb2.FileDescriptorProto(
        name="psetledger/sample.proto", package=PACKAGE, syntax="proto3"
    )
    colour = file.enum_type.add(name="Colour")
    colour.value.add(name="COLOUR_UNSPECIFIED", number=0)
    colour.value.add(name="COLOUR_RED", number=1)
    colour.value.add(name="COLOUR_BLUE", number=300)
    shape = file.enum_type.add(name="Shape")
    shape.value.add(name="SHAPE_UNSPECIFIED", number=0)
    shape.value.add(name="SHAPE_ROUND", number=1)
    shape.value.add(name="SHAPE_FLAT", number=2)

    one, many = _Proto.LABEL_OPTIONAL, _Proto.LABEL_REPEATED
    leaf = file.message_type.add(name="Leaf")
    leaf.field.add(name="name", number=1, type=_Proto.TYPE_STRING, label=one)
    leaf.field.add(name="count", number=2, type=_Proto.TYPE_UINT64, label=one)
    other = file.message_type.add(name="Other")
    inner = f".{PACKAGE}.Leaf"
    other.field.add(name="leaf", number=1, type=_Proto.TYPE_MESSAGE, label=one, type_name=inner)

    everything = file.message_type.add(name="Everything")
    everything.oneof_decl.add(name="choice")
    rows: tuple[tuple[str, int, _Proto.Type.ValueType, _Proto.Label.ValueType, str], ...] = (
        ("text", 1, _Proto.TYPE_STRING, one, ""),
        ("data", 2, _Proto.TYPE_BYTES, one, ""),
        ("small", 3, _Proto.TYPE_UINT32, one, ""),
        ("choice_leaf", 4, _Proto.TYPE_MESSAGE, one, "Leaf"),
        ("shape", 5, _Proto.TYPE_ENUM, one, "Shape"),
        ("large", 6, _Proto.TYPE_UINT64, one, ""),
        ("flag", 7, _Proto.TYPE_BOOL, one, ""),
        ("colour", 8, _Proto.TYPE_ENUM, one, "Colour"),
        ("leaf", 9, _Proto.TYPE_MESSAGE, one, "Leaf"),
        ("texts", 10, _Proto.TYPE_STRING, many, ""),
        ("datas", 11, _Proto.TYPE_BYTES, many, ""),
        ("numbers", 16, _Proto.TYPE_UINT64, many, ""),
        ("colours", 17, _Proto.TYPE_ENUM, many, "Colour"),
        ("leaves", 18, _Proto.TYPE_MESSAGE, many, "Leaf"),
        ("choice_other", 20, _Proto.TYPE_MESSAGE, one, "Other"),
        ("last", 2**29 - 1, _Proto.TYPE_UINT64, one, ""),
    )
    for name, number, kind, label, type_name in rows:
        field = everything.field.add(name=name, number=number, type=kind, label=label)
        if type_name:
            field.type_name = f".{PACKAGE}.{type_name}"
        if name.startswith("choice"):
            field.oneof_index = 0
    return file


def build_codec(
    change: Callable[[descriptor_pb2.FileDescriptorProto], object] | None = None,
) -> Codec:
    """A codec over the descriptor above, changed first if wanted."""
    file = build_file()
    if change is not None:
        change(file)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)

    def find_stub(full_name: str) -> type[Any]:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(full_name))

    return Codec(find_stub)


CODEC = build_codec()
