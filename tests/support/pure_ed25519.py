# SPDX-License-Identifier: Apache-2.0
"""Ed25519 verification by the arithmetic of RFC 8032 §5.1, for Pythons without libsodium.

Slow, not constant-time, and for tests alone. Refuses what libsodium refuses: non-canonical points
and scalars, keys outside the main subgroup.
"""

from __future__ import annotations

from hashlib import sha512

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates."""
IDENTITY: Point = (0, 1, 1, 0)


class BadSignatureError(Exception):
    """As nacl.exceptions.BadSignatureError."""


def add(first: Point, second: Point) -> Point:
    a = (first[1] - first[0]) * (second[1] - second[0]) % P
    b = (first[1] + first[0]) * (second[1] + second[0]) % P
    c = 2 * first[3] * second[3] * D % P
    d = 2 * first[2] * second[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def is_equal(first: Point, second: Point) -> bool:
    return (first[0] * second[2] - second[0] * first[2]) % P == 0 and (
        first[1] * second[2] - second[1] * first[2]
    ) % P == 0


def decompress(data: bytes) -> Point | None:
    value = int.from_bytes(data, "little")
    sign, y = value >> 255, value & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


_BASE_POINT = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
assert _BASE_POINT is not None
BASE: Point = _BASE_POINT


def is_valid_point(data: bytes) -> bool:
    """As crypto_core_ed25519_is_valid_point: on the main subgroup, not of small order."""
    point = decompress(data)
    return (
        point is not None
        and not is_equal(multiply(8, point), IDENTITY)
        and is_equal(multiply(ORDER, point), IDENTITY)
    )


def open_signed(signed: bytes, public_key: bytes) -> bytes:
    """As crypto_sign_open: the message, or BadSignatureError."""
    commitment, key = decompress(signed[:32]), decompress(public_key)
    scalar = int.from_bytes(signed[32:64], "little")
    message = signed[64:]
    if commitment is None or key is None or scalar >= ORDER:
        raise BadSignatureError
    digest = sha512(signed[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    if not is_equal(multiply(scalar, BASE), add(commitment, multiply(challenge, key))):
        raise BadSignatureError
    return message
