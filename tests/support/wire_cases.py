# SPDX-License-Identifier: Apache-2.0
"""Canonical bytes written out by hand, and each way in which bytes or values are not canonical."""

from __future__ import annotations

from typing import Any

from tests.support.wire_samples import Colour, Everything, Leaf, Other, Shape

ROUND = "2801"
"""`shape = ROUND`, the field that `Everything` requires."""


GOLDEN: list[tuple[Everything | Leaf | Other, str]] = [
    (Leaf(), ""),
    (Leaf("abc", 1), "0a03616263 1001"),
    (Leaf("é"), "0a02c3a9"),
    (Leaf("\U0001f393"), "0a04f09f8e93"),
    (Leaf("\x00"), "0a0100"),
    (Leaf(count=127), "107f"),
    (Leaf(count=128), "108001"),
    (Leaf(count=300), "10ac02"),
    (Leaf(count=2**64 - 1), "10ffffffffffffffffff01"),
    (Other(), ""),
    (Other(Leaf()), "0a00"),
    (Everything(shape=Shape.ROUND), ROUND),
    (Everything(shape=Shape.FLAT), "2802"),
    (Everything(shape=Shape.ROUND, text="a"), "0a0161" + ROUND),
    (Everything(shape=Shape.ROUND, data=bytes(3)), "1203000000" + ROUND),
    (Everything(shape=Shape.ROUND, data=bytes(200)), "12c801" + "00" * 200 + ROUND),
    (Everything(shape=Shape.ROUND, small=2**32 - 1), "18ffffffff0f" + ROUND),
    (Everything(shape=Shape.ROUND, choice=Leaf()), "2200" + ROUND),
    (Everything(shape=Shape.ROUND, choice=Leaf("a")), "22030a0161" + ROUND),
    (Everything(shape=Shape.ROUND, choice=Other()), ROUND + "a20100"),
    (Everything(shape=Shape.ROUND, flag=True), ROUND + "3801"),
    (Everything(shape=Shape.ROUND, colour=Colour.BLUE), ROUND + "40ac02"),
    (Everything(shape=Shape.ROUND, leaf=Leaf(count=1)), ROUND + "4a021001"),
    (Everything(shape=Shape.ROUND, texts=("", "a")), ROUND + "5200 520161"),
    (Everything(shape=Shape.ROUND, datas=(b"", b"\xff")), ROUND + "5a00 5a01ff"),
    (Everything(shape=Shape.ROUND, numbers=(0, 300)), ROUND + "820103 00ac02"),
    (
        Everything(shape=Shape.ROUND, colours=(Colour.UNSPECIFIED, Colour.RED)),
        ROUND + "8a01020001",
    ),
    (Everything(shape=Shape.ROUND, leaves=(Leaf(), Leaf("a"))), ROUND + "920100 9201030a0161"),
    (Everything(shape=Shape.ROUND, last=1), ROUND + "f8ffffff0f01"),
]


REFUSED: list[tuple[str, str, str, str]] = [
    # Fields are known and ascend.
    (ROUND + "6001", "MALFORMED", "Everything", "unknown field 12"),
    ("0001" + ROUND, "MALFORMED", "Everything", "unknown field 0"),
    # A tag of more than 32 bits whose lower ones are those of `shape`.
    ("a88080801001", "MALFORMED", "Everything", "unknown field 536870917"),
    (ROUND + "0a0161", "MALFORMED", "Everything.text", "field 1 after field 5"),
    (ROUND + "a20100 920100", "MALFORMED", "Everything.leaves", "field 18 after field 20"),
    ("0a0161 0a0162" + ROUND, "MALFORMED", "Everything.text", "given twice"),
    (ROUND + "2802", "MALFORMED", "Everything.shape", "given twice"),
    (ROUND + "4a00 4a00", "MALFORMED", "Everything.leaf", "given twice"),
    (ROUND + "82010101 82010102", "MALFORMED", "Everything.numbers", "given twice"),
    # A oneof has one member.
    ("2200" + ROUND + "a20100", "MALFORMED", "Everything.choice", "two members of a oneof"),
    ("2200 2200" + ROUND, "MALFORMED", "Everything.choice", "given twice"),
    # Wire types, groups among them.
    ("08ac02" + ROUND, "MALFORMED", "Everything.text", "wire type 0 instead of 2"),
    ("1a0101" + ROUND, "MALFORMED", "Everything.small", "wire type 2 instead of 0"),
    ("1d01000000" + ROUND, "MALFORMED", "Everything.small", "wire type 5 instead of 0"),
    ("190100000000000000" + ROUND, "MALFORMED", "Everything.small", "wire type 1 instead of 0"),
    ("2324" + ROUND, "MALFORMED", "Everything.choice", "wire type 3 instead of 2"),
    (ROUND + "2c", "MALFORMED", "Everything.shape", "wire type 4 instead of 0"),
    (ROUND + "6364", "MALFORMED", "Everything", "unknown field 12"),
    (ROUND + "800101", "MALFORMED", "Everything.numbers", "wire type 0 instead of 2"),
    # Varints are minimal and fit.
    ("188100" + ROUND, "MALFORMED", "Everything.small", "varint is not minimal"),
    ("188000" + ROUND, "MALFORMED", "Everything.small", "varint is not minimal"),
    ("988000" + ROUND, "MALFORMED", "Everything", "varint is not minimal"),
    ("0a810061" + ROUND, "MALFORMED", "Everything.text", "varint is not minimal"),
    (ROUND + "8201028000", "MALFORMED", "Everything.numbers[0]", "varint is not minimal"),
    ("1880808080 10" + ROUND, "MALFORMED", "Everything.small", "4294967296 is out of range"),
    (ROUND + "30ffffffffffffffffff02", "MALFORMED", "Everything.large", "varint exceeds 64 bits"),
    (ROUND + "30ffffffffffffffffffff01", "MALFORMED", "Everything.large", "varint exceeds 64 bits"),
    # Defaults are not written.
    ("0a00" + ROUND, "MALFORMED", "Everything.text", "default value written out"),
    ("1200" + ROUND, "MALFORMED", "Everything.data", "default value written out"),
    ("1800" + ROUND, "MALFORMED", "Everything.small", "default value written out"),
    (ROUND + "3000", "MALFORMED", "Everything.large", "default value written out"),
    (ROUND + "3800", "MALFORMED", "Everything.flag", "default value written out"),
    (ROUND + "4000", "MALFORMED", "Everything.colour", "default value written out"),
    (ROUND + "820100", "MALFORMED", "Everything.numbers", "empty list written out"),
    (ROUND + "4a0410001001", "MALFORMED", "Everything.leaf.count", "default value written out"),
    # Values have a meaning.
    (ROUND + "3802", "MALFORMED", "Everything.flag", "a bool is 0 or 1"),
    (ROUND + "4003", "MALFORMED", "Everything.colour", "unknown value 3"),
    (
        ROUND + "40ffffffffffffffffff01",
        "MALFORMED",
        "Everything.colour",
        f"unknown value {2**64 - 1}",
    ),
    (ROUND + "40ac82808010", "MALFORMED", "Everything.colour", f"unknown value {300 + 2**32}"),
    (ROUND + "8a01020103", "MALFORMED", "Everything.colours[1]", "unknown value 3"),
    ("2800", "MALFORMED", "Everything.shape", "unknown value 0"),
    ("", "MALFORMED", "Everything.shape", "missing"),
    ("0a0161", "MALFORMED", "Everything.shape", "missing"),
    # UTF-8: stray and overlong bytes, a surrogate, beyond the last code point.
    ("0a01ff" + ROUND, "MALFORMED", "Everything.text", "invalid UTF-8"),
    ("0a02c080" + ROUND, "MALFORMED", "Everything.text", "invalid UTF-8"),
    ("0a03eda080" + ROUND, "MALFORMED", "Everything.text", "invalid UTF-8"),
    ("0a06eda080edb080" + ROUND, "MALFORMED", "Everything.text", "invalid UTF-8"),
    ("0a04f4908080" + ROUND, "MALFORMED", "Everything.text", "invalid UTF-8"),
    ("0a02c30a" + ROUND, "MALFORMED", "Everything.text", "invalid UTF-8"),
    (ROUND + "520161 5201ff", "MALFORMED", "Everything.texts[1]", "invalid UTF-8"),
    # The end comes where it is announced.
    ("0a", "MALFORMED", "Everything.text", "truncated"),
    ("0a0261", "MALFORMED", "Everything.text", "truncated"),
    ("0affffffffffffffffff01", "MALFORMED", "Everything.text", "truncated"),
    ("80", "MALFORMED", "Everything", "truncated"),
    ("1880", "MALFORMED", "Everything.small", "truncated"),
    (ROUND + "4a030a0261", "MALFORMED", "Everything.leaf.name", "truncated"),
    (ROUND + "4a01 1001", "MALFORMED", "Everything.leaf.count", "truncated"),
    (ROUND + "820101 80", "MALFORMED", "Everything.numbers[0]", "truncated"),
    (ROUND + "82010180 00", "MALFORMED", "Everything.numbers[0]", "truncated"),
    # Limits.
    ("0a09" + "61" * 9 + ROUND, "TOO_LARGE", "Everything.text", "longer than 8 bytes"),
    ("0a0a" + "c3a9" * 5 + ROUND, "TOO_LARGE", "Everything.text", "longer than 8 bytes"),
    ("12c901" + "00" * 201 + ROUND, "TOO_LARGE", "Everything.data", "longer than 200 bytes"),
    (ROUND + "5200" * 4, "TOO_LARGE", "Everything.texts", "more than 3 elements"),
    (ROUND + "9201 00" * 4, "TOO_LARGE", "Everything.leaves", "more than 3 elements"),
    (ROUND + "8a01 0400000000", "TOO_LARGE", "Everything.colours", "more than 3 elements"),
    (ROUND + "82018301" + "00" * 131, "TOO_LARGE", "Everything.numbers", "more than 130 elements"),
    (ROUND + "5a05" + "00" * 5, "TOO_LARGE", "Everything.datas[0]", "longer than 4 bytes"),
    (
        ROUND + "920100 9201070a05" + "61" * 5,
        "TOO_LARGE",
        "Everything.leaves[1].name",
        "longer than 4 bytes",
    ),
]


UNWRITABLE: list[tuple[dict[str, Any], str, str]] = [
    ({"text": b"a"}, "MALFORMED", "Everything.text"),
    ({"text": None}, "MALFORMED", "Everything.text"),
    ({"text": "\ud800"}, "MALFORMED", "Everything.text"),
    ({"text": "a" * 9}, "TOO_LARGE", "Everything.text"),
    ({"text": "é" * 5}, "TOO_LARGE", "Everything.text"),
    ({"data": "a"}, "MALFORMED", "Everything.data"),
    ({"data": bytearray(b"a")}, "MALFORMED", "Everything.data"),
    ({"data": bytes(201)}, "TOO_LARGE", "Everything.data"),
    ({"small": -1}, "MALFORMED", "Everything.small"),
    ({"small": 2**32}, "MALFORMED", "Everything.small"),
    ({"small": True}, "MALFORMED", "Everything.small"),
    ({"small": False}, "MALFORMED", "Everything.small"),
    ({"small": 1.0}, "MALFORMED", "Everything.small"),
    ({"small": "1"}, "MALFORMED", "Everything.small"),
    ({"large": 2**64}, "MALFORMED", "Everything.large"),
    ({"flag": 1}, "MALFORMED", "Everything.flag"),
    ({"flag": None}, "MALFORMED", "Everything.flag"),
    ({"shape": 1}, "MALFORMED", "Everything.shape"),
    ({"shape": None}, "MALFORMED", "Everything.shape"),
    ({"shape": Colour.RED}, "MALFORMED", "Everything.shape"),
    ({"colour": 0}, "MALFORMED", "Everything.colour"),
    ({"choice": Colour.RED}, "MALFORMED", "Everything.choice"),
    ({"choice": Everything(shape=Shape.ROUND)}, "MALFORMED", "Everything.choice"),
    ({"choice": Leaf("abcde")}, "TOO_LARGE", "Everything.choice.name"),
    ({"leaf": Other()}, "MALFORMED", "Everything.leaf"),
    ({"leaf": False}, "MALFORMED", "Everything.leaf"),
    ({"leaf": Leaf(count=-1)}, "MALFORMED", "Everything.leaf.count"),
    ({"texts": ["a"]}, "MALFORMED", "Everything.texts"),
    ({"texts": "a"}, "MALFORMED", "Everything.texts"),
    ({"texts": ("a", b"b")}, "MALFORMED", "Everything.texts[1]"),
    ({"texts": ("a",) * 4}, "TOO_LARGE", "Everything.texts"),
    ({"texts": ("", "abcde")}, "TOO_LARGE", "Everything.texts[1]"),
    ({"datas": (None,)}, "MALFORMED", "Everything.datas[0]"),
    ({"numbers": (0, -1)}, "MALFORMED", "Everything.numbers[1]"),
    ({"numbers": (True,)}, "MALFORMED", "Everything.numbers[0]"),
    ({"numbers": (0,) * 131}, "TOO_LARGE", "Everything.numbers"),
    ({"colours": (1,)}, "MALFORMED", "Everything.colours[0]"),
    ({"leaves": (None,)}, "MALFORMED", "Everything.leaves[0]"),
    ({"leaves": (Leaf(), Leaf("\udc00"))}, "MALFORMED", "Everything.leaves[1].name"),
]
