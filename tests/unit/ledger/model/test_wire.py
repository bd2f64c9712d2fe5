# SPDX-License-Identifier: Apache-2.0
"""Each rule of the canonical encoding, by bytes written out by hand."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import pytest

from ledger.model.wire import (
    DEPTH_MAX,
    EncodingError,
    boolean,
    decode_strict,
    encode_strict,
    enumeration,
    get_message,
    get_messages,
    message,
    nested,
    octets,
    one_of,
    repeated,
    string,
    uint64,
)
from tests.support.wire_cases import GOLDEN, REFUSED, UNWRITABLE
from tests.support.wire_samples import PACKAGE, Colour, Everything, Leaf, Other, Shape


def decode(hexadecimal: str, cls: type[Any] = Everything) -> Any:
    return decode_strict(cls, bytes.fromhex(hexadecimal), size_max=4096)


@pytest.mark.parametrize(("value", "hexadecimal"), GOLDEN, ids=[h or "empty" for _, h in GOLDEN])
def test_golden_bytes(value: Everything | Leaf | Other, hexadecimal: str) -> None:
    assert encode_strict(value) == bytes.fromhex(hexadecimal)
    assert decode(hexadecimal, type(value)) == value


@pytest.mark.parametrize(("hexadecimal", "code", "where", "reason"), REFUSED)
def test_refused_bytes(hexadecimal: str, code: str, where: str, reason: str) -> None:
    with pytest.raises(EncodingError) as refused:
        decode(hexadecimal)

    assert (refused.value.code, refused.value.where, refused.value.reason) == (code, where, reason)
    assert str(refused.value) == f"{where}: {reason}"


@pytest.mark.parametrize(
    "value",
    [
        Everything(shape=Shape.ROUND, text="a" * 8),
        Everything(shape=Shape.ROUND, text="é" * 4),
        Everything(shape=Shape.ROUND, data=bytes(200)),
        Everything(shape=Shape.ROUND, texts=("aaaa", "bbbb", "cccc")),
        Everything(shape=Shape.ROUND, numbers=(2**64 - 1,) * 130),
        Everything(shape=Shape.ROUND, leaves=(Leaf("aaaa"),) * 3),
    ],
)
def test_limits_are_inclusive(value: Everything) -> None:
    encoded = encode_strict(value)

    assert decode_strict(Everything, encoded, size_max=len(encoded)) == value


@pytest.mark.parametrize(("change", "code", "where"), UNWRITABLE)
def test_refused_values(change: dict[str, Any], code: str, where: str) -> None:
    value = dataclasses.replace(Everything(shape=Shape.ROUND), **change)

    with pytest.raises(EncodingError) as refused:
        encode_strict(value)

    assert (refused.value.code, refused.value.where) == (code, where)


def test_size_is_checked_first() -> None:
    with pytest.raises(EncodingError) as refused:
        decode_strict(Leaf, b"\xff" * 11, size_max=10)

    assert refused.value.code == "TOO_LARGE"
    assert str(refused.value) == "Leaf: longer than 10 bytes"


def test_a_class_may_check_itself() -> None:
    @message("Checked", package="psetledger.sample.checked")
    @dataclass(frozen=True, slots=True)
    class Checked:
        count: int = uint64(1)

        def __post_init__(self) -> None:
            if self.count == 13:
                raise ValueError("13 is not allowed")

    @message("Outer", package="psetledger.sample.checked")
    @dataclass(frozen=True, slots=True)
    class Outer:
        inner: Checked | None = nested(1, Checked)

    assert decode("0a02080c", Outer) == Outer(Checked(12))
    with pytest.raises(EncodingError) as refused:
        decode("0a02080d", Outer)
    assert str(refused.value) == "Outer.inner: 13 is not allowed"


def test_a_subclass_or_stranger_is_no_message() -> None:
    class Sub(Leaf):
        pass

    with pytest.raises(TypeError, match="not registered"):
        encode_strict(Sub())
    with pytest.raises(TypeError, match="not registered"):
        decode_strict(int, b"", size_max=1)


# Declarations ----------------------------------------------------------------------------------


def register(cls: type[Any], name: str = "Bad") -> None:
    """A wrong declaration is refused and registers nothing."""
    before = get_messages(PACKAGE)
    with pytest.raises(TypeError):
        message(name, package=PACKAGE)(cls)
    assert get_messages(PACKAGE) == before
    with pytest.raises(TypeError, match="not registered"):
        get_message(cls)


def fields(**declared: Any) -> type[Any]:
    return dataclasses.make_dataclass(
        "Made", [(name, object, field) for name, field in declared.items()], frozen=True
    )


def test_declaration_of_a_message() -> None:
    spec = get_message(Everything)

    assert spec in get_messages(PACKAGE)
    assert spec.full_name == "psetledger.sample.Everything"
    assert spec.depth == 3  # Everything > Other > Leaf
    assert [field.number for field in spec.fields] == sorted(spec.by_number)
    assert spec.attributes == tuple(f.name for f in dataclasses.fields(Everything))
    assert Everything(shape=Shape.ROUND) == Everything(
        "", b"", 0, Shape.ROUND, 0, None, False, Colour.UNSPECIFIED, None, (), (), (), (), (), 0
    )


def test_an_enumeration_without_zero_is_required() -> None:
    with pytest.raises(TypeError, match="no default"):
        Everything()


def test_refused_declarations() -> None:
    class Empty(IntEnum):
        pass

    class Negative(IntEnum):
        BELOW = -1

    @dataclass(frozen=True)
    class Unregistered:
        count: int = uint64(1)

    @dataclass
    class Thawed:
        count: int = uint64(1)

    @dataclass(frozen=True)
    class Plain:
        count: int = 0

    @dataclass(frozen=True, kw_only=True)
    class Keywords:
        count: int = uint64(1)

    for cls in (Thawed, Plain, Keywords, int):
        register(cls)
    register(fields(a=uint64(1), b=uint64(1)))
    register(fields(a=uint64(4), b=one_of({4: Leaf})))
    register(fields(a=nested(1, Unregistered)))
    register(fields(a=repeated(1, Unregistered)))
    register(fields(a=one_of({1: Unregistered})))
    register(fields(a=uint64(1)), name="Leaf")
    for number in (0, -1, 19_000, 19_999, 2**29):
        with pytest.raises(TypeError):
            string(number)
    with pytest.raises(TypeError):
        enumeration(1, Negative)
    with pytest.raises(TypeError):
        enumeration(1, Empty)
    with pytest.raises(TypeError):
        one_of({})
    with pytest.raises(TypeError):
        one_of({1: Leaf, 2: Leaf})
    with pytest.raises(TypeError):
        repeated(1, int, size_max=3)


def test_nesting_is_limited_at_registration() -> None:
    inner: type[Any] = Leaf
    for depth in range(2, DEPTH_MAX + 1):
        inner = message(f"Depth{depth}", package="psetledger.sample.depth")(
            fields(inner=nested(1, inner), data=octets(2), flag=boolean(3))
        )
        assert get_message(inner).depth == depth

    register(fields(inner=nested(1, inner)))
    register(fields(inner=repeated(1, inner)))
    register(fields(inner=one_of({1: inner})))
