# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on edwards25519 for building hostile Ed25519 keys, straight from RFC 8032 §5.1 and §6.

Slow and not constant-time: for tests only, and independent of every library under test.
"""

from __future__ import annotations

from typing import TypeAlias

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

Point: TypeAlias = tuple[int, int]

IDENTITY: Point = (0, 1)


def add(left: Point, right: Point) -> Point:
    """The sum of two points of the curve, in affine coordinates (the addition law is complete)."""
    (x1, y1), (x2, y2) = left, right
    product = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + y1 * x2) * pow(1 + product, -1, P) % P
    y3 = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P
    return x3, y3


def multiply(number: int, point: Point) -> Point:
    result = IDENTITY
    while number:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def encode(point: Point) -> bytes:
    """RFC 8032 §5.1.2."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(data: bytes) -> Point | None:
    """RFC 8032 §5.1.3; None when no point has this encoding."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return (P - x if x & 1 != sign else x), y


def torsion_points() -> list[Point]:
    """The eight points whose order divides 8, the identity first."""
    y = 2
    while True:
        found = decode(y.to_bytes(32, "little"))
        if found is not None:
            # The part of the point outside the group of prime order; of order 8 for about half.
            generator = multiply(ORDER, found)
            if multiply(4, generator) != IDENTITY:
                return [multiply(number, generator) for number in range(8)]
        y += 1
