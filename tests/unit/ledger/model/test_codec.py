# SPDX-License-Identifier: Apache-2.0
"""The fast path: equal to the strict one on every listed case, true to the proto files."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from ledger.model import codec
from ledger.model.wire import (
    EncodingError,
    Field,
    Kind,
    Label,
    Message,
    encode_strict,
    get_message,
    message,
    one_of,
)
from tests.support import wire_samples
from tests.support.strategies import protocol_messages
from tests.support.wire_agreement import check_agreement
from tests.support.wire_cases import GOLDEN, REFUSED, UNWRITABLE
from tests.support.wire_samples import Colour, Everything, Leaf, Other, Shape

CODEC = wire_samples.CODEC

Proto = FieldDescriptorProto
Change = Callable[[FileDescriptorProto], None]


@pytest.mark.parametrize(("value", "hexadecimal"), GOLDEN, ids=[h or "empty" for _, h in GOLDEN])
def test_golden_bytes(value: Everything | Leaf | Other, hexadecimal: str) -> None:
    data = bytes.fromhex(hexadecimal)

    assert CODEC.encode_fast(value) == CODEC.encode(value) == data
    assert check_agreement(CODEC, type(value), data) == value


@pytest.mark.parametrize("hexadecimal", [row[0] for row in REFUSED])
def test_refused_bytes(hexadecimal: str) -> None:
    assert check_agreement(CODEC, Everything, bytes.fromhex(hexadecimal)) is None


@pytest.mark.parametrize("change", [row[0] for row in UNWRITABLE])
def test_refused_values(change: dict[str, Any]) -> None:
    value = dataclasses.replace(Everything(shape=Shape.ROUND), **change)

    assert CODEC.encode_fast(value) is None
    with pytest.raises(EncodingError) as strict:
        encode_strict(value)
    with pytest.raises(EncodingError) as both:
        CODEC.encode(value)
    assert both.value.args == strict.value.args


def test_the_strict_writer_decides_where_the_fast_path_refuses() -> None:
    class Text(str):
        __slots__ = ()

    value = Leaf(Text("a"))

    assert CODEC.encode_fast(value) is None
    assert CODEC.encode(value) == bytes.fromhex("0a0161")


def test_values_of_a_decoded_message_have_their_own_types() -> None:
    value = Everything(
        shape=Shape.FLAT,
        data=b"\x00",
        flag=True,
        colour=Colour.BLUE,
        choice=Other(Leaf("a")),
        datas=(b"a",),
        numbers=(1,),
        colours=(Colour.RED,),
        leaves=(Leaf(),),
    )

    decoded = CODEC.decode(Everything, CODEC.encode(value))

    for name in get_message(Everything).attributes:
        assert type(getattr(decoded, name)) is type(getattr(value, name)), name
    assert type(decoded.datas[0]) is bytes
    assert type(decoded.colours[0]) is Colour
    assert hash(decoded) == hash(value)


def test_size_is_limited() -> None:
    data = CODEC.encode(Leaf("abc", 1))

    assert CODEC.decode(Leaf, data, size_max=len(data)) == Leaf("abc", 1)
    with pytest.raises(EncodingError) as refused:
        CODEC.decode(Leaf, data, size_max=len(data) - 1)
    assert refused.value.code == "TOO_LARGE"
    with pytest.raises(EncodingError) as refused:
        codec.decode(get_message(_any_protocol_class()).cls, bytes(codec.DECODE_SIZE_MAX + 1))
    assert refused.value.code == "TOO_LARGE"


def _any_protocol_class() -> type[Any]:
    return protocol_messages()[0].cls


# The declarations and the proto files ------------------------------------------------------------


def test_every_canonical_proto_message_is_declared_and_the_reverse() -> None:
    in_protos = {
        descriptor.full_name
        for module in codec.STUB_MODULES
        for descriptor in module.DESCRIPTOR.message_types_by_name.values()
    }

    assert {spec.full_name for spec in protocol_messages()} == in_protos


@pytest.mark.parametrize("spec", protocol_messages(), ids=lambda spec: spec.name)
def test_declaration_equals_the_proto_file(spec: Message) -> None:
    # Compiling compares them; that the comparison sees every difference is shown below.
    codec.CODEC.compile(spec.cls)


@pytest.mark.parametrize("spec", protocol_messages(), ids=lambda spec: spec.name)
def test_annotations_equal_the_declaration(spec: Message) -> None:
    hints = typing.get_type_hints(spec.cls)

    for name in spec.attributes:
        group = [field for field in spec.fields if field.name == name]
        assert hints[name] == expected_annotation(group), name


def expected_annotation(group: list[Field]) -> Any:
    field = group[0]
    if field.label is Label.REPEATED:
        return types.GenericAlias(tuple, (element_type(field), ...))
    if field.kind is not Kind.MESSAGE:
        return element_type(field)
    annotation: Any = types.NoneType
    for member in group:
        annotation = annotation | member.message
    return annotation


def element_type(field: Field) -> Any:
    plain = {Kind.BOOL: bool, Kind.STRING: str, Kind.OCTETS: bytes}
    return field.message or field.enum or plain.get(field.kind, int)


def everything_of(file: FileDescriptorProto) -> DescriptorProto:
    return next(message for message in file.message_type if message.name == "Everything")


def field_of(file: FileDescriptorProto, name: str) -> Proto:
    return next(field for field in everything_of(file).field if field.name == name)


def alter(name: str, attribute: str, value: Any) -> Change:
    return lambda file: setattr(field_of(file, name), attribute, value)


def drop_field(file: FileDescriptorProto) -> None:
    everything_of(file).field.remove(field_of(file, "large"))


def add_field(file: FileDescriptorProto) -> None:
    field = everything_of(file).field.add(name="more", number=99)
    field.type, field.label = Proto.TYPE_BOOL, Proto.LABEL_OPTIONAL


def make_optional(file: FileDescriptorProto) -> None:
    everything_of(file).oneof_decl.add(name="_small")
    field = field_of(file, "small")
    field.proto3_optional, field.oneof_index = True, 1


def unpack(file: FileDescriptorProto) -> None:
    field_of(file, "numbers").options.packed = False


def rename_one_of(file: FileDescriptorProto) -> None:
    everything_of(file).oneof_decl[0].name = "chosen"


def leave_one_of(file: FileDescriptorProto) -> None:
    field_of(file, "choice_other").ClearField("oneof_index")


def renumber_enum(file: FileDescriptorProto) -> None:
    file.enum_type[0].value[2].number = 301


def rename_enum(file: FileDescriptorProto) -> None:
    file.enum_type[0].value[2].name = "COLOUR_GREEN"


def add_to_enum(file: FileDescriptorProto) -> None:
    file.enum_type[0].value.add(name="COLOUR_GREEN", number=2)


def drop_from_enum(file: FileDescriptorProto) -> None:
    file.enum_type[0].value.pop()


DIFFERENCES: dict[str, Change] = {
    "a field is missing": drop_field,
    "a field is new": add_field,
    "number": alter("large", "number", 12),
    "name": alter("large", "name", "big"),
    "bytes instead of string": alter("text", "type", Proto.TYPE_BYTES),
    "uint64 instead of uint32": alter("small", "type", Proto.TYPE_UINT64),
    "int64 instead of uint64": alter("large", "type", Proto.TYPE_INT64),
    "fixed64 instead of uint64": alter("large", "type", Proto.TYPE_FIXED64),
    "repeated": alter("large", "label", Proto.LABEL_REPEATED),
    "not repeated": alter("texts", "label", Proto.LABEL_OPTIONAL),
    "not packed": unpack,
    "optional": make_optional,
    "oneof's name": rename_one_of,
    "not in the oneof": leave_one_of,
    "in the oneof": alter("leaf", "oneof_index", 0),
    "other message": alter("leaf", "type_name", ".psetledger.sample.Other"),
    "other enum": alter("shape", "type_name", ".psetledger.sample.Colour"),
    "enum value's number": renumber_enum,
    "enum value's name": rename_enum,
    "enum value is new": add_to_enum,
    "enum value is missing": drop_from_enum,
}


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_a_difference_from_the_proto_file_is_seen(difference: str) -> None:
    codec = wire_samples.build_codec(DIFFERENCES[difference])

    with pytest.raises(TypeError, match="differ"):
        codec.compile(Everything)
    with pytest.raises(TypeError, match="differ"):
        codec.encode(Everything(shape=Shape.ROUND))


def test_presence_of_a_scalar_is_seen() -> None:
    def set_syntax(file: FileDescriptorProto) -> None:
        file.syntax = "proto2"

    with pytest.raises(TypeError, match=r"Leaf\.name: differs"):
        wire_samples.build_codec(set_syntax).compile(Leaf)


def test_a_oneof_with_one_member_is_no_plain_field() -> None:
    @message("Single", package="psetledger.sample.single")
    @dataclasses.dataclass(frozen=True, slots=True)
    class Single:
        leaf: Leaf | None = one_of({1: Leaf})

    plain = wire_samples.CODEC.compile(Other).stub

    with pytest.raises(TypeError, match=r"Single\.leaf: differs"):
        codec.Codec(lambda _: plain).compile(Single)


def test_a_message_without_a_stub() -> None:
    with pytest.raises(TypeError, match="in none of the proto files"):
        codec.encode(Leaf())
    with pytest.raises(TypeError, match="not registered"):
        codec.decode(IntEnum, b"")
