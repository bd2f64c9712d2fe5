# SPDX-License-Identifier: Apache-2.0
"""South African identity numbers in texts: 13 digits, in a row or in whole groups, found in one pass.

A number may be written in groups with one to three separators between them; what stands for it is
then whole groups. Inside one group of digits it may begin anywhere. Groups that begin within a hash,
key or UUID in hexadecimal are nobody's.

Texts of any kind must cost the same, so nothing here walks from digit to digit: a text becomes a row
of bytes, one for each digit, and every question (a month? a check digit?) is asked of all positions
at once, with the row as one large integer. Eight bits hold the largest sum, 13 times 9.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.model.json_fields import is_calendar_date

BREAK: Final = "\n"
"""Between texts that are looked at together. Normalised texts do not hold it."""
ID_NUMBER_LENGTH: Final = 13

_THIRTEEN_DIGITS: Final = re.compile(r"(?:[0-9][^0-9]*+){13}", re.ASCII)
_THIRTEEN_NEAR: Final = re.compile(r"[0-9](?:[ .,:_/-]{0,3}+[0-9]){12}", re.ASCII)
"""Wherever a number may stand, and in few other texts."""
_NEAR_LENGTH_MAX: Final = 4_096
"""Characters up to which it is worth the look; it walks, so it is not for the longest texts."""
_HEX_RUN: Final = re.compile(rb"[0-9A-Fa-f-]{20,}")
_HEX_LETTER: Final = re.compile(rb"[A-Fa-f]")
_HEX_RUN_TEXT: Final = re.compile(r"[0-9A-Fa-f-]{20,}", re.ASCII)
_HEX_LETTER_TEXT: Final = re.compile(r"[A-Fa-f]", re.ASCII)

_LANE: Final = 8
"""Bits of a position in a row."""

# A digit is one of four bytes: whether it begins a group, and whether a hash holds it. The rest of a
# row is BREAK, a blank for a separator, and a bar for anything else.
_PLAIN: Final = bytes(range(0x30, 0x3A))
_PLAIN_FIRST: Final = bytes(range(0x41, 0x4B))
_HASHED: Final = bytes(range(0x80, 0x8A))
_HASHED_FIRST: Final = bytes(range(0x90, 0x9A))
_FORMS: Final = (_PLAIN, _PLAIN_FIRST, _HASHED, _HASHED_FIRST)
_FIRST: Final = (
    *zip(_PLAIN, _PLAIN_FIRST, strict=True),
    *zip(_HASHED, _HASHED_FIRST, strict=True),
)


def _make_row_table() -> bytes:
    table = bytearray(b"|" * 256)
    for separator in b" .,:_/-":
        table[separator] = 0x20
    for digit in (*_PLAIN, *_HASHED):
        table[digit] = digit
    table[ord(BREAK)] = ord(BREAK)
    return bytes(table)


def _make_table(values: dict[int, int], forms: tuple[bytes, ...] = _FORMS) -> bytes:
    """A table that gives digits their values, in the forms named, and 0 to anything else."""
    table = bytearray(256)
    for form in forms:
        for digit, value in values.items():
            table[form[digit]] = value
    return bytes(table)


def _among(digits: str) -> bytes:
    return _make_table({int(digit): 1 for digit in digits})


_ROW: Final = _make_row_table()
_TO_HASHED: Final = bytes.maketrans(_PLAIN, _HASHED)
_TO_PLAIN: Final = bytes.maketrans(b"".join(_FORMS), _PLAIN * len(_FORMS))
_ANY: Final = _among("0123456789")
_FURTHER: Final = _make_table(dict.fromkeys(range(10), 1), (_PLAIN, _HASHED))
_UNHASHED: Final = _make_table(dict.fromkeys(range(10), 1), (_PLAIN, _PLAIN_FIRST))
_VALUE: Final = _make_table({digit: digit for digit in range(10)})
_DOUBLED: Final = _make_table(
    {digit: digit * 2 - 9 if digit > 4 else digit * 2 for digit in range(10)}
)
_ZERO, _ONE, _THREE = _among("0"), _among("1"), _among("3")
_ZERO_OR_ONE, _ONE_OR_TWO, _UP_TO_TWO = _among("01"), _among("12"), _among("012")
_NOT_ZERO: Final = _among("123456789")
_TENS: Final = bytes(int(value % 10 == 0) for value in range(256))


def is_sa_id_number(digits: str) -> bool:
    """Whether 13 digits form a South African identity number: YYMMDD, four digits of sequence,
    citizenship 0 to 2, one digit, Luhn check digit.
    """
    if len(digits) != ID_NUMBER_LENGTH or not digits.isascii() or not digits.isdigit():
        return False
    year, month, day = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    # The century is not in the number: 29 February counts when either century has it.
    if not any(is_calendar_date(century + year, month, day) for century in (1900, 2000)):
        return False
    return digits[10] in "012" and _is_luhn(digits)


def _is_luhn(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def find_hash_spans(texts: str) -> list[tuple[int, int]]:
    """Where hashes, keys and UUIDs in hexadecimal stand, in order: their digits are nobody's."""
    return [
        match.span()
        for match in _HEX_RUN_TEXT.finditer(texts)
        if _HEX_LETTER_TEXT.search(match[0]) is not None
    ]


def find_id_number(texts: str) -> int | None:
    """The number of the first of the texts, which BREAK parts, that holds an identity number.

    Args:
        texts: normalised.
    """
    if _THIRTEEN_DIGITS.search(texts) is None:
        return None
    if len(texts) <= _NEAR_LENGTH_MAX and _THIRTEEN_NEAR.search(texts) is None:
        return None
    row = _make_row(texts)
    hits = _find_numbers(row)
    position = hits.find(1)
    while position >= 0:
        digits = row[position : position + ID_NUMBER_LENGTH].translate(_TO_PLAIN)
        if is_sa_id_number(digits.decode("ascii")):
            return row.count(BREAK.encode(), 0, position)
        position = hits.find(1, position + 1)
    return None


def _make_row(texts: str) -> bytes:
    """The digits of the texts, a byte each, without what may stand between groups of one number."""
    raw = texts.encode("ascii", "replace")
    if _HEX_RUN.search(raw) is not None:
        raw = _HEX_RUN.sub(_mark_hash, raw)
    row = b"|" + raw.translate(_ROW) + b"|"
    # One to three separators are one; more keep groups apart.
    row = row.replace(b"    ", b"||||").replace(b"   ", b" ").replace(b"  ", b" ")
    for further, first in _FIRST:
        row = row.replace(bytes((0x20, further)), bytes((first,)))
    for edge in (b"|", BREAK.encode()):
        for further, first in _FIRST:
            row = row.replace(edge + bytes((further,)), edge + bytes((first,)))
    return row


def _mark_hash(match: re.Match[bytes]) -> bytes:
    run = match[0]
    return run if _HEX_LETTER.search(run) is None else run.translate(_TO_HASHED)


def _find_numbers(row: bytes) -> bytes:
    """A byte for each position of a row: 1 where a number may begin that has a month from 01 to 12, a
    day from 01 to 31, citizenship and check digit.
    """

    def ask(table: bytes, digit: int = 0) -> int:
        """For each position at once: what the table says of the digit so many places on."""
        return int.from_bytes(row.translate(table), "little") >> (_LANE * digit)

    def run(flags: int, length: int) -> int:
        """Where so many flags follow each other, between 8 and 16."""
        two = flags & flags >> _LANE
        four = two & two >> (2 * _LANE)
        eight = four & four >> (4 * _LANE)
        return eight & eight >> (_LANE * (length - 8))

    digits, further = ask(_ANY), ask(_FURTHER)
    ends = digits & ~(further >> _LANE)
    is_within_group = run(further >> _LANE, ID_NUMBER_LENGTH - 1)
    is_whole_groups = (digits & ~further) & ends >> (_LANE * (ID_NUMBER_LENGTH - 1))
    found = run(digits, ID_NUMBER_LENGTH) & ask(_UNHASHED) & (is_within_group | is_whole_groups)
    found &= (ask(_ZERO, 2) & ask(_NOT_ZERO, 3)) | (ask(_ONE, 2) & ask(_UP_TO_TWO, 3))
    found &= (
        (ask(_ZERO, 4) & ask(_NOT_ZERO, 5))
        | ask(_ONE_OR_TWO, 4)
        | (ask(_THREE, 4) & ask(_ZERO_OR_ONE, 5))
    )
    found &= ask(_UP_TO_TWO, 10)
    if not found:
        return b""
    values, doubled = ask(_VALUE), ask(_DOUBLED)
    total = 0
    for digit in range(ID_NUMBER_LENGTH):
        total += (doubled if digit % 2 else values) >> (_LANE * digit)
    size = len(row)
    luhn = int.from_bytes(total.to_bytes(size, "little").translate(_TENS), "little")
    return (found & luhn).to_bytes(size, "little")
