# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.model.keys import PUBLIC_KEY_SIZES, KeyType, check_public_key
from ledger.model.multibase import (
    BASE58_SIZE_MAX,
    MultibaseError,
    decode_base58btc,
    decode_base64url_nopad,
    decode_multibase_base58btc,
    decode_multibase_base64url,
    decode_multikey,
    encode_base58btc,
    encode_base64url_nopad,
    encode_multibase_base58btc,
    encode_multibase_base64url,
    encode_multikey,
)

# draft-msporny-base58-03 §5.
BASE58 = [
    (b"Hello World!", "2NEpo7TZRRrLZSi2U"),
    (
        b"The quick brown fox jumps over the lazy dog.",
        "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
    ),
    (bytes.fromhex("0000287fb4cd"), "11233QC4"),
    (b"", ""),
    (b"\x00", "1"),
    (bytes(25), "1" * 25),
]


def refuse(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(MultibaseError) as caught:
        call(*arguments)
    assert caught.value.code == "MALFORMED"
    return str(caught.value)


@pytest.mark.parametrize(("data", "text"), BASE58)
def test_base58_as_the_draft_prints_it(data: bytes, text: str) -> None:
    assert encode_base58btc(data) == text
    assert decode_base58btc(text, len(data)) == data


@pytest.mark.parametrize("text", ["0", "O", "I", "l", " 1", "1 ", "2NEpo7TZ\n", "é", "٣", "+", "-"])
def test_base58_with_another_character_is_refused(text: str) -> None:
    refuse(decode_base58btc, text, 64)


def test_base58_longer_than_asked_for_is_refused() -> None:
    for data in (b"\xff" * 32, bytes(32), b"\x00" + b"\xff" * 31):
        text = encode_base58btc(data)
        assert decode_base58btc(text, 32) == data
        refuse(decode_base58btc, text, 31)
    refuse(decode_base58btc, "1", 0)


def test_base58_has_a_limit_of_its_own() -> None:
    longest = b"\xff" * BASE58_SIZE_MAX
    assert decode_base58btc(encode_base58btc(longest), 10**9) == longest
    refuse(encode_base58btc, longest + b"\x00")
    refuse(decode_base58btc, "z" * 10_000_000, 10**9)


def test_multibase_names_its_base() -> None:
    assert encode_multibase_base58btc(b"Hello World!") == "z2NEpo7TZRRrLZSi2U"
    assert decode_multibase_base58btc("z2NEpo7TZRRrLZSi2U", 12) == b"Hello World!"
    assert encode_multibase_base64url(b"\xfb\xff") == "u-_8"
    assert decode_multibase_base64url("u-_8", 2) == b"\xfb\xff"
    for text in ("", "Z2NEpo7TZRRrLZSi2U", "u-_8", "2NEpo7TZRRrLZSi2U"):
        refuse(decode_multibase_base58btc, text, 12)
    for text in ("", "U-_8", "z2NEpo7TZRRrLZSi2U", "m+/8"):
        refuse(decode_multibase_base64url, text)


# RFC 4648 §10, without the padding.
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"fooba", "Zm9vYmE"),
        (b"foobar", "Zm9vYmFy"),
        (b"\xfb\xef\xff", "--__"),
    ],
)
def test_base64url(data: bytes, text: str) -> None:
    assert encode_base64url_nopad(data) == text
    assert decode_base64url_nopad(text) == data
    assert decode_base64url_nopad(text, len(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        "Zg==", "Zg=", "Zm8=", "=", "Z", "Zm9vZ", "+w", "/w", "Zm 9v", "Zm9v\n", "Zm9vé", "Zm9v٣",
        "Zh", "Zv", "Z_",  # left-over bits of one byte: only Zg is f
        "Zm9", "Zm-", "Zm9vYmF",  # of two bytes: only Zm8 is fo
    ],
)  # fmt: skip
def test_base64url_in_any_other_spelling_is_refused(text: str) -> None:
    refuse(decode_base64url_nopad, text)


def test_base64url_longer_than_asked_for_is_refused() -> None:
    assert decode_base64url_nopad("A" * 43, 32) == bytes(32)
    refuse(decode_base64url_nopad, "A" * 44, 32)
    refuse(decode_base64url_nopad, "AA", 0)


# Keys of the published test vectors of W3C vc-di-eddsa and vc-di-ecdsa.
ED25519_MULTIKEY = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
P256_MULTIKEY = "zDnaepBuvsQ8cpsWrVKw8fbpGpvPeNSjVPTWoq6cRqaYzBKVP"


@pytest.mark.parametrize(
    ("text", "key_type", "size"),
    [(ED25519_MULTIKEY, KeyType.ED25519, 32), (P256_MULTIKEY, KeyType.P256, 33)],
)
def test_multikeys_of_the_specifications(text: str, key_type: KeyType, size: int) -> None:
    found, public_key = decode_multikey(text)
    assert found is key_type
    assert len(public_key) == size
    check_public_key(key_type, public_key)
    assert encode_multikey(key_type, public_key) == text


def test_multikey_prefixes() -> None:
    for key_type, prefix, start in (
        (KeyType.ED25519, b"\xed\x01", "z6Mk"),
        (KeyType.P256, b"\x80\x24", "zDn"),
        (KeyType.BLS12381, b"\xea\x01", "z3"),
    ):
        public_key = b"\x02" * PUBLIC_KEY_SIZES[key_type]
        text = encode_multikey(key_type, public_key)
        assert text == encode_multibase_base58btc(prefix + public_key)
        assert text.startswith(start)
        assert decode_multikey(text) == (key_type, public_key)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xed",
        b"\xed\x01",
        b"\xed\x01" + bytes(31),
        b"\xed\x01" + bytes(33),
        b"\xed\x81\x00" + bytes(32),  # the same code in a longer varint
        b"\x80\x24" + bytes(32),
        b"\xea\x01" + bytes(96),
        b"\xeb\x01" + bytes(96),  # BLS12-381 G2: a key of another scheme
        b"\xe7\x01" + bytes(33),  # secp256k1
        b"\xec\x01" + bytes(32),  # X25519
        b"\x80\x26" + bytes(32),  # an Ed25519 private key
        bytes(34),
    ],
    ids=bytes.hex,
)
def test_other_multikeys_are_refused(data: bytes) -> None:
    refuse(decode_multikey, encode_multibase_base58btc(data))


def test_a_key_of_a_wrong_size_has_no_multikey() -> None:
    refuse(encode_multikey, KeyType.ED25519, bytes(33))
    refuse(encode_multikey, KeyType.BLS12381, bytes(96))
