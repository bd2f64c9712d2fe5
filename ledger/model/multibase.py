# SPDX-License-Identifier: Apache-2.0
"""Binary values as text: base58btc, base64url, multibase and multikey.

Every codec here is a bijection between the bytes and the texts that it accepts: what one value
would spell in a second way (padding, left-over bits, other alphabets, longer varints) is refused.

Sources: W3C Controlled Identifiers v1.0 §2.4 (Multibase), §2.2.2 (Multikey); RFC 4648 §5 and
§3.5 (base64url, left-over bits); the multicodec table for the key prefixes.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from ledger.model.keys import PUBLIC_KEY_SIZES, KeyType

BASE58_SIZE_MAX: Final = 1024
"""Most bytes of one base58btc value: the conversion costs the square of the size."""

BASE58_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

MULTIKEY_SIZE_MAX: Final = 2 + max(PUBLIC_KEY_SIZES.values())
"""Bytes of the longest multikey: a two-byte prefix and a public key."""

_BASE58_DIGITS: Final = {character: value for value, character in enumerate(BASE58_ALPHABET)}
_BASE58_CHUNK_SIZE: Final = 10
_BASE58_CHUNK: Final = 58**_BASE58_CHUNK_SIZE
"""Ten digits at once: one division of the long number instead of ten."""

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)

# Multicodec codes as unsigned varints: ed25519-pub 0xed, p256-pub 0x1200, bls12_381-g1-pub 0xea.
# BLS public keys of this project are points of G1 (48 bytes); bls12_381-g2-pub (0xeb) is refused.
_MULTIKEY_PREFIXES: Final = {
    KeyType.ED25519: b"\xed\x01",
    KeyType.P256: b"\x80\x24",
    KeyType.BLS12381: b"\xea\x01",
}


class MultibaseError(ValueError):
    """Text that is no encoding of any value, or of none that is expected. Changes nothing.

    ``code`` is always ``MALFORMED``.
    """

    code: Final = "MALFORMED"


def encode_base58btc(data: bytes) -> str:
    """The base58btc text of `data`, which may be empty; a leading zero byte is a leading ``1``.

    Raises:
        MultibaseError: more than BASE58_SIZE_MAX bytes.
    """
    if len(data) > BASE58_SIZE_MAX:
        raise MultibaseError(f"{len(data)} bytes are more than base58 may hold ({BASE58_SIZE_MAX})")
    number = int.from_bytes(data, "big")
    digits: list[str] = []
    while number:
        number, chunk = divmod(number, _BASE58_CHUNK)
        for _ in range(_BASE58_CHUNK_SIZE):
            chunk, digit = divmod(chunk, 58)
            digits.append(BASE58_ALPHABET[digit])
    text = "".join(reversed(digits)).lstrip("1")
    return "1" * (len(data) - len(data.lstrip(b"\x00"))) + text


def decode_base58btc(text: str, size_max: int) -> bytes:
    """The bytes, at most `size_max` of them, whose base58btc is `text`.

    Raises:
        MultibaseError: a character outside the alphabet, or too long a value.
    """
    size_max = min(size_max, BASE58_SIZE_MAX)
    # log(256)/log(58) < 1.366 digits a byte. Refused before the arithmetic, which is quadratic.
    if len(text) > size_max * 1366 // 1000 + 1:
        raise MultibaseError(f"base58 text of {len(text)} characters is too long")
    number = 0
    try:
        for start in range(0, len(text), _BASE58_CHUNK_SIZE):
            chunk = 0
            piece = text[start : start + _BASE58_CHUNK_SIZE]
            for character in piece:
                chunk = chunk * 58 + _BASE58_DIGITS[character]
            number = number * 58 ** len(piece) + chunk
    except KeyError as error:
        raise MultibaseError(f"{error.args[0]!r} is no character of base58btc") from None
    zeros = len(text) - len(text.lstrip("1"))
    size = zeros + (number.bit_length() + 7) // 8
    if size > size_max:
        raise MultibaseError(f"base58 value of {size} bytes, at most {size_max} are allowed")
    return number.to_bytes(size, "big")


def encode_multibase_base58btc(data: bytes) -> str:
    """`data` as multibase base58btc: ``z`` and the text.

    Raises:
        MultibaseError: more than BASE58_SIZE_MAX bytes.
    """
    return "z" + encode_base58btc(data)


def decode_multibase_base58btc(text: str, size_max: int) -> bytes:
    """The bytes, at most `size_max`, of a multibase text that begins with ``z``.

    Raises:
        MultibaseError: another base, a wrong character, or too long a value.
    """
    if not text.startswith("z"):
        raise MultibaseError("multibase base58btc begins with 'z'")
    return decode_base58btc(text[1:], size_max)


def encode_base64url_nopad(data: bytes) -> str:
    """`data` in base64url (RFC 4648 §5) without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url_nopad(text: str, size_max: int | None = None) -> bytes:
    """The bytes, at most `size_max` when given, whose unpadded base64url is `text`.

    Raises:
        MultibaseError: a character outside the alphabet (padding, white space and the characters
            of plain base64 among them), an impossible length, left-over bits that are not zero,
            or too long a value.
    """
    if size_max is not None and len(text) * 3 // 4 > size_max:
        raise MultibaseError(f"base64url value of more than {size_max} bytes")
    if _BASE64URL.fullmatch(text) is None:
        raise MultibaseError("text has characters that are not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise MultibaseError(f"no base64url value has {len(text)} characters") from None
    # RFC 4648 §3.5: the decoder may ignore left-over bits; two texts would then be one value.
    # They lie in the last quantum, so encoding the last bytes again is enough.
    left_over = len(data) % 3
    if left_over and not text.endswith(encode_base64url_nopad(data[-left_over:])):
        raise MultibaseError("the left-over bits of the base64url text are not zero")
    return data


def encode_multibase_base64url(data: bytes) -> str:
    """`data` as multibase base64url without padding: ``u`` and the text."""
    return "u" + encode_base64url_nopad(data)


def decode_multibase_base64url(text: str, size_max: int | None = None) -> bytes:
    """The bytes, at most `size_max` when given, of a multibase text that begins with ``u``.

    Raises:
        MultibaseError: another base, or what `decode_base64url_nopad` refuses.
    """
    if not text.startswith("u"):
        raise MultibaseError("multibase base64url begins with 'u'")
    return decode_base64url_nopad(text[1:], size_max)


def encode_multikey(key_type: KeyType, public_key: bytes) -> str:
    """A public key as ``publicKeyMultibase``: `z6Mk…` Ed25519, `zDn…` P-256, `z3tE…` BLS12-381 G1.

    The point is not examined: see `ledger.model.keys.check_public_key`.

    Raises:
        MultibaseError: the key has not the size of its type.
    """
    size = PUBLIC_KEY_SIZES[key_type]
    if len(public_key) != size:
        raise MultibaseError(f"a public key of type {key_type.label} has {size} bytes")
    return encode_multibase_base58btc(_MULTIKEY_PREFIXES[key_type] + public_key)


def decode_multikey(text: str) -> tuple[KeyType, bytes]:
    """Type and bytes of a ``publicKeyMultibase``.

    The point is not examined: see `ledger.model.keys.check_public_key`.

    Raises:
        MultibaseError: no base58btc, an unknown key type, or a wrong size for the type.
    """
    data = decode_multibase_base58btc(text, MULTIKEY_SIZE_MAX)
    for key_type, prefix in _MULTIKEY_PREFIXES.items():
        if data.startswith(prefix):
            public_key = data[len(prefix) :]
            if len(public_key) != PUBLIC_KEY_SIZES[key_type]:
                raise MultibaseError(f"wrong size of a multikey of type {key_type.label}")
            return key_type, public_key
    raise MultibaseError("the multikey has an unknown key type")
