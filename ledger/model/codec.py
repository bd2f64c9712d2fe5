# SPDX-License-Identifier: Apache-2.0
"""Canonical bytes, fast: the protobuf runtime does the work, the strict reader has the last word.

Decoding parses, discards unknown fields, converts to the dataclass while checking limits and
enumeration values, encodes again and compares with the input: equal bytes are the one canonical
encoding.  Whatever this path refuses goes to ``ledger.model.wire``, which decides and whose errors
are reported; so the two agree by construction on refusals, and tests and fuzzing show that they
agree on what is accepted.  Encoding works the same way.

This is the one file of the model that imports generated stubs.  A class is compiled when first
used: its declaration is compared with the descriptor of its ``.proto`` message (a difference is a
``TypeError``) and one closure per field and direction is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError
from google.protobuf.message import Message as Stub

from ledger.model.conversion import Read, RefusedError, Write, build_reader, build_writer
from ledger.model.limits import PROPOSAL_SIZE_MAX
from ledger.model.wire import (
    Field,
    Kind,
    Label,
    Message,
    decode_strict,
    encode_strict,
    get_message,
)
from psetledger.v1 import ledger_pb2, operations_pb2, proofs_pb2, records_pb2

DECODE_SIZE_MAX: Final = PROPOSAL_SIZE_MAX
"""Bytes of the largest message of the protocol."""

STUB_MODULES: Final = (operations_pb2, ledger_pb2, records_pb2, proofs_pb2)
"""The generated modules of the canonical messages; the services' messages are not canonical."""

_T = TypeVar("_T")
# What a failed check, the runtime or a dataclass that checks itself may raise on the fast path.
_REFUSALS: Final = (
    RefusedError,
    DecodeError,
    EncodeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


class _Compiled:
    """The conversions of one class."""

    __slots__ = ("read", "stub", "write")

    def __init__(self, stub: type[Stub], read: Read, write: Write) -> None:
        self.stub = stub
        self.read = read
        self.write = write


class Codec:
    """Encodes and decodes registered messages over a given set of stub classes."""

    def __init__(self, find_stub: Callable[[str], type[Stub]]) -> None:
        """``find_stub`` gives the stub class for a full protobuf name or raises ``TypeError``."""
        self._find_stub = find_stub
        self._compiled: dict[type[Any], _Compiled] = {}

    def encode(self, value: object) -> bytes:
        """Write a message to its canonical bytes.

        Raises ``EncodingError`` when a field holds what its declaration does not allow,
        ``TypeError`` when the class of ``value`` is not registered.
        """
        data = self.encode_fast(value)
        return encode_strict(value) if data is None else data

    def decode(self, cls: type[_T], data: bytes, *, size_max: int = DECODE_SIZE_MAX) -> _T:
        """Read the message of class ``cls`` whose canonical encoding is ``data``.

        Raises ``EncodingError`` for any other bytes and for more than ``size_max`` of them.
        """
        if len(data) <= size_max:
            value = self.decode_fast(cls, data)
            if value is not None:
                return value
        return decode_strict(cls, data, size_max=size_max)

    def encode_fast(self, value: object) -> bytes | None:
        """The canonical bytes, or None where only the strict writer may decide."""
        compiled = self.compile(type(value))
        stub: Any = compiled.stub()
        try:
            compiled.write(value, stub)
            return cast("bytes", stub.SerializeToString(deterministic=True))
        except _REFUSALS:
            return None

    def decode_fast(self, cls: type[_T], data: bytes) -> _T | None:
        """The value, or None where only the strict reader may decide."""
        compiled = self.compile(cls)
        try:
            stub: Any = compiled.stub.FromString(data)
            stub.DiscardUnknownFields()
            if stub.SerializeToString(deterministic=True) != data:
                return None
            return cast("_T", compiled.read(stub))
        except _REFUSALS:
            return None

    def compile(self, cls: type[Any]) -> _Compiled:
        """Build the conversions of a class and of those within it, once.

        Raises ``TypeError`` when a declaration differs from the descriptor.
        """
        compiled = self._compiled.get(cls)
        if compiled is None:
            spec = get_message(cls)
            stub = self._find_stub(spec.full_name)
            descriptor = cast("Descriptor", stub.DESCRIPTOR)
            _check_descriptor(spec, descriptor)
            names = {number: f.name for number, f in descriptor.fields_by_number.items()}
            compiled = _Compiled(
                stub,
                build_reader(spec, names, lambda inner: self.compile(inner).read),
                build_writer(spec, names, lambda inner: self.compile(inner).write),
            )
            self._compiled[cls] = compiled
        return compiled


# Declarations against descriptors ----------------------------------------------------------------

_PROTOBUF_TYPES: Final = {
    Kind.UINT32: FieldDescriptor.TYPE_UINT32,
    Kind.UINT64: FieldDescriptor.TYPE_UINT64,
    Kind.BOOL: FieldDescriptor.TYPE_BOOL,
    Kind.ENUM: FieldDescriptor.TYPE_ENUM,
    Kind.STRING: FieldDescriptor.TYPE_STRING,
    Kind.OCTETS: FieldDescriptor.TYPE_BYTES,
    Kind.MESSAGE: FieldDescriptor.TYPE_MESSAGE,
}


def _check_descriptor(spec: Message, descriptor: Descriptor) -> None:
    """Raise ``TypeError`` unless declaration and ``.proto`` message say the same."""
    if {*descriptor.fields_by_number} != {*spec.by_number}:
        raise TypeError(f"{spec.full_name}: fields differ from the proto file")
    for field in spec.fields:
        if not _is_same(field, descriptor.fields_by_number[field.number]):
            raise TypeError(f"{spec.full_name}.{field.name}: differs from the proto file")


def _is_same(field: Field, declared: FieldDescriptor) -> bool:
    # A presence that is no message's comes from `optional`, which canonical messages do not use.
    if declared.type != _PROTOBUF_TYPES[field.kind] or (
        declared.has_presence and field.message is None
    ):
        return False
    if declared.is_repeated != (field.label is Label.REPEATED) or (
        declared.is_packed != field.packed
    ):
        return False
    one_of = declared.containing_oneof
    if (one_of is not None) != (field.label is Label.ONE_OF):
        return False
    if (declared.name if one_of is None else one_of.name) != field.name:
        return False
    if declared.message_type is not None and field.message is not None:
        return declared.message_type.full_name == get_message(field.message).full_name
    return declared.enum_type is None or _is_same_enum(field, declared.enum_type)


def _is_same_enum(field: Field, declared: EnumDescriptor) -> bool:
    """Equal names and numbers; the 0 that proto3 demands may be missing in ours."""
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", declared.name).upper()
    ours = {f"{prefix}_{member.name}": number for number, member in field.names.items()}
    theirs = {value.name: value.number for value in declared.values}
    if 0 not in field.names:
        theirs.pop(f"{prefix}_UNSPECIFIED", None)
    return ours == theirs


# The protocol's own codec ------------------------------------------------------------------------


def find_stub(full_name: str) -> type[Stub]:
    """The generated class of a canonical message; ``TypeError`` when there is none."""
    name = full_name.rpartition(".")[2]
    for module in STUB_MODULES:
        stub: type[Stub] | None = getattr(module, name, None)
        if stub is not None and stub.DESCRIPTOR.full_name == full_name:
            return stub
    raise TypeError(f"{full_name} is in none of the proto files")


CODEC: Final = Codec(find_stub)

encode = CODEC.encode
decode = CODEC.decode
