# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for every registered message, derived from its declaration.

`messages(cls)` gives values that have a canonical encoding. Sizes and counts stay small: what
happens at the limits is for unit tests, which say which limit they mean.
"""

from __future__ import annotations

from typing import Any, TypeVar

from hypothesis import strategies as st

from ledger.model import (
    block,
    evidence,
    halt_report,
    operations,
    proofs,
    records,
    transaction,
)
from ledger.model.declaration import UINT32_MAX, UINT64_MAX
from ledger.model.wire import Field, Kind, Label, Message, get_message, get_messages

T = TypeVar("T")

# Importing them registers the protocol's messages; a test compares these with the proto files.
MODULES = (operations, transaction, block, records, proofs, evidence, halt_report)

SIZE_MAX = 24
COUNT_MAX = 4


def protocol_messages() -> tuple[Message, ...]:
    """Every message of the protocol, by name."""
    return get_messages()


def messages(cls: type[T]) -> st.SearchStrategy[T]:
    """Values of a registered message class."""
    return _messages(cls)


_built: dict[type[Any], st.SearchStrategy[Any]] = {}


def _messages(cls: type[Any]) -> st.SearchStrategy[Any]:
    if cls not in _built:
        spec = get_message(cls)
        groups = ([f for f in spec.fields if f.name == name] for name in spec.attributes)
        _built[cls] = st.builds(cls, *[_attribute(group) for group in groups])
    return _built[cls]


def _attribute(group: list[Field]) -> st.SearchStrategy[Any]:
    field = group[0]
    if field.label is Label.REPEATED:
        elements = st.lists(_element(field), max_size=min(COUNT_MAX, field.count_max))
        return elements.map(tuple)
    if field.kind is Kind.MESSAGE:
        return st.one_of(st.none(), *[_element(member) for member in group])
    return _element(field)


def _element(field: Field) -> st.SearchStrategy[Any]:
    size_max = min(SIZE_MAX, field.size_max)
    match field.kind:
        case Kind.UINT32:
            return integers(UINT32_MAX)
        case Kind.UINT64:
            return integers(UINT64_MAX)
        case Kind.BOOL:
            return st.booleans()
        case Kind.ENUM:
            return st.sampled_from(list(field.names.values()))
        case Kind.STRING:
            return st.text(max_size=size_max).map(lambda text: cut(text, size_max))
        case Kind.OCTETS:
            return st.binary(max_size=size_max)
        case Kind.MESSAGE:
            assert field.message is not None
            return _messages(field.message)


def integers(maximum: int) -> st.SearchStrategy[int]:
    """0 to `maximum`, with the numbers where a varint grows a byte among them."""
    edges = {(1 << bits) + step for bits in range(0, 64, 7) for step in (-1, 0)}
    within = sorted({edge for edge in edges if edge <= maximum} | {maximum})
    return st.sampled_from(within) | st.integers(0, maximum)


def cut(text: str, size_max: int) -> str:
    """The longest beginning of `text` that fits into `size_max` bytes of UTF-8."""
    return text.encode()[:size_max].decode(errors="ignore")
