# SPDX-License-Identifier: Apache-2.0
"""Changes to encoded messages: blind ones, and ones that know the wire format.

The second kind makes what a sloppy or hostile encoder would send: the same value written another
way, or a field this message does not have. Bytes that do not parse get blind changes only.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Change = Callable[[Random, bytes], bytes]


def mutate(random: Random, data: bytes) -> bytes:
    """One change, at a random depth."""
    fields = split(data)
    if fields:
        index = random.randrange(len(fields))
        opened = open_payload(fields[index])
        if opened is not None and random.random() < 0.5:
            tag, payload = opened
            changed = mutate(random, payload)
            fields[index] = tag + varint(len(changed)) + changed
            return b"".join(fields)
        if random.random() < 0.6:
            return random.choice(FIELD_CHANGES)(random, fields)
    return random.choice(BLIND_CHANGES)(random, data)


def varint(value: int, *, padding: int = 0) -> bytes:
    """A varint; `padding` bytes too long."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    if padding:
        out[-1] |= 0x80
        out += b"\x80" * (padding - 1) + b"\x00"
    return bytes(out)


def read_varint(data: bytes, position: int) -> tuple[int, int] | None:
    value = 0
    for index in range(10):
        if position + index >= len(data):
            return None
        octet = data[position + index]
        value |= (octet & 0x7F) << 7 * index
        if octet < 0x80:
            return value, position + index + 1
    return None


def split(data: bytes) -> list[bytes]:
    """The fields of a message, each with its tag; empty when it does not parse."""
    fields: list[bytes] = []
    position = 0
    while position < len(data):
        start = position
        tag = read_varint(data, position)
        if tag is None:
            return []
        value = read_varint(data, tag[1])
        if value is None or tag[0] & 7 not in {0, 2}:
            return []
        position = value[1] + (value[0] if tag[0] & 7 == 2 else 0)
        if position > len(data):
            return []
        fields.append(data[start:position])
    return fields


def open_payload(field: bytes) -> tuple[bytes, bytes] | None:
    """Tag and content of a length-delimited field."""
    tag = read_varint(field, 0)
    if tag is None or tag[0] & 7 != 2:
        return None
    length = read_varint(field, tag[1])
    if length is None:
        return None
    return field[: tag[1]], field[length[1] :]


# Blind changes ---------------------------------------------------------------------------------


def flip_bit(random: Random, data: bytes) -> bytes:
    if not data:
        return b"\x00"
    out = bytearray(data)
    out[random.randrange(len(out))] ^= 1 << random.randrange(8)
    return bytes(out)


def set_byte(random: Random, data: bytes) -> bytes:
    if not data:
        return b"\xff"
    out = bytearray(data)
    out[random.randrange(len(out))] = random.choice((0x00, 0x01, 0x7F, 0x80, 0xFF, 0xED, 0xC0))
    return bytes(out)


def truncate(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def insert(random: Random, data: bytes) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + random.randbytes(random.randint(1, 4)) + data[place:]


def remove(random: Random, data: bytes) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + data[place + random.randint(1, 4) :]


BLIND_CHANGES: tuple[Change, ...] = (flip_bit, set_byte, truncate, insert, remove)


# Changes of whole fields -------------------------------------------------------------------------


def swap(random: Random, fields: list[bytes]) -> bytes:
    a, b = random.randrange(len(fields)), random.randrange(len(fields))
    fields[a], fields[b] = fields[b], fields[a]
    return b"".join(fields)


def repeat(random: Random, fields: list[bytes]) -> bytes:
    fields.insert(random.randrange(len(fields) + 1), random.choice(fields))
    return b"".join(fields)


def drop(random: Random, fields: list[bytes]) -> bytes:
    del fields[random.randrange(len(fields))]
    return b"".join(fields)


def add_unknown(random: Random, fields: list[bytes]) -> bytes:
    number = random.choice((0, 12, 15, 21, 99, 15_000, 2**29 - 2, 2**29, 2**40))
    field = random.choice(
        (
            varint(number << 3) + varint(random.getrandbits(20)),
            varint(number << 3 | 1) + bytes(8),
            varint(number << 3 | 2) + b"\x01x",
            varint(number << 3 | 5) + bytes(4),
        )
    )
    fields.insert(random.choice((0, len(fields), random.randrange(len(fields) + 1))), field)
    return b"".join(fields)


def add_group(random: Random, fields: list[bytes]) -> bytes:
    index = random.randrange(len(fields))
    tag = read_varint(fields[index], 0)
    number = tag[0] >> 3 if tag is not None and random.random() < 0.5 else random.randint(1, 40)
    start, end = varint(number << 3 | 3), varint(number << 3 | 4)
    fields[index] = random.choice((start + end + fields[index], start + fields[index] + end, start))
    return b"".join(fields)


def lengthen_varint(random: Random, fields: list[bytes]) -> bytes:
    """Write the tag, or the value or length behind it, in more bytes than needed."""
    index = random.randrange(len(fields))
    field = fields[index]
    tag = read_varint(field, 0)
    value = None if tag is None else read_varint(field, tag[1])
    if tag is None or value is None:
        return b"".join(fields)
    padding = random.randint(1, 5)
    if random.random() < 0.5:
        fields[index] = varint(tag[0], padding=padding) + field[tag[1] :]
    else:
        fields[index] = field[: tag[1]] + varint(value[0], padding=padding) + field[value[1] :]
    return b"".join(fields)


def set_value(random: Random, fields: list[bytes]) -> bytes:
    """Give a field another number: a default, one out of range, one without a name."""
    index = random.randrange(len(fields))
    tag = read_varint(fields[index], 0)
    value = random.choice((0, 1, 2, 3, 255, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 2**64))
    if tag is not None:
        fields[index] = varint(tag[0] & ~7) + varint(value)
    return b"".join(fields)


def add_default(random: Random, fields: list[bytes]) -> bytes:
    """Write out a field that is empty or zero, at its place."""
    number = random.choice((*range(1, 12), 16, 17, 18, 20, 21, 27))
    wire_type = random.choice((0, 2))
    fields.append(varint(number << 3 | wire_type) + b"\x00")
    fields.sort(key=number_of)
    return b"".join(fields)


def split_list(random: Random, fields: list[bytes]) -> bytes:
    """Cut a length-delimited field in two of the same number, as parsers join packed lists."""
    index = random.randrange(len(fields))
    opened = open_payload(fields[index])
    if opened is not None:
        tag, payload = opened
        place = random.randrange(len(payload) + 1)
        parts = (payload[:place], payload[place:])
        fields[index] = b"".join(tag + varint(len(part)) + part for part in parts)
    return b"".join(fields)


def unpack(random: Random, fields: list[bytes]) -> bytes:
    """Write a packed list unpacked, a single value packed, or change the wire type otherwise."""
    index = random.randrange(len(fields))
    tag = read_varint(fields[index], 0)
    opened = open_payload(fields[index])
    if tag is not None:
        if opened is not None and opened[1]:
            fields[index] = varint(tag[0] & ~7) + opened[1]
        else:
            content = fields[index][tag[1] :]
            fields[index] = varint(tag[0] & ~7 | 2) + varint(len(content)) + content
    return b"".join(fields)


def number_of(field: bytes) -> int:
    tag = read_varint(field, 0)
    return 0 if tag is None else tag[0] >> 3


FIELD_CHANGES: tuple[Callable[[Random, list[bytes]], bytes], ...] = (
    swap,
    repeat,
    drop,
    add_unknown,
    add_group,
    lengthen_varint,
    set_value,
    add_default,
    split_list,
    unpack,
)
