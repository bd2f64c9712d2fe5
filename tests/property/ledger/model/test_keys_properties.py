# SPDX-License-Identifier: Apache-2.0
"""Texts and bytes correspond one to one; nothing from outside makes a check raise anything else."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model import bls
from ledger.model.keyfile import (
    SCRYPT_N_MIN,
    KeyFileError,
    decode_key_file,
    describe_key_file,
    encode_key_file,
    generate_private_key,
)
from ledger.model.keys import (
    PUBLIC_KEY_SIZES,
    KeyFormatError,
    KeyRole,
    KeyType,
    check_public_key,
    verify_signature,
)
from ledger.model.multibase import (
    BASE58_ALPHABET,
    MultibaseError,
    decode_base58btc,
    decode_base64url_nopad,
    decode_multikey,
    encode_base58btc,
    encode_base64url_nopad,
    encode_multikey,
)
from tests.support import ed25519_points as curve

SIZE_MAX = 80
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MESSAGE = b"a message"

types = st.sampled_from(list(KeyType))
entropies = st.binary(min_size=32, max_size=32)
# Zeros in front are the odd case of base58.
zero_led = st.tuples(st.integers(0, 8).map(bytes), st.binary(max_size=SIZE_MAX - 8)).map(b"".join)


def role_for(key_type: KeyType) -> KeyRole:
    return KeyRole.VOTE if key_type is KeyType.BLS12381 else KeyRole.ISSUE


def slow_base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58_ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\x00"))) + text


@given(zero_led)
def test_bytes_survive_base58(data: bytes) -> None:
    text = encode_base58btc(data)
    assert text == slow_base58(data)
    assert decode_base58btc(text, len(data)) == data


@given(st.text(BASE58_ALPHABET, max_size=100))
def test_a_base58_text_is_the_only_one_of_its_bytes(text: str) -> None:
    assert encode_base58btc(decode_base58btc(text, 100)) == text


@given(st.binary(max_size=SIZE_MAX))
def test_bytes_survive_base64url(data: bytes) -> None:
    text = encode_base64url_nopad(data)
    assert text == base64.urlsafe_b64encode(data).decode().replace("=", "")
    assert decode_base64url_nopad(text, len(data)) == data


@given(st.text(BASE64URL, max_size=24) | st.text(BASE64URL + "+/= \n", max_size=24))
def test_a_base64url_text_is_refused_or_the_only_one_of_its_bytes(text: str) -> None:
    try:
        data = decode_base64url_nopad(text)
    except MultibaseError:
        return
    assert encode_base64url_nopad(data) == text


@given(types, st.data())
def test_keys_survive_multikey(key_type: KeyType, data: st.DataObject) -> None:
    size = PUBLIC_KEY_SIZES[key_type]
    public_key = data.draw(st.binary(min_size=size, max_size=size))
    assert decode_multikey(encode_multikey(key_type, public_key)) == (key_type, public_key)


@given(st.text(max_size=80) | st.text("z" + BASE58_ALPHABET, max_size=80).map("z6Mk".__add__))
def test_any_text_is_a_multikey_or_refused(text: str) -> None:
    try:
        key_type, public_key = decode_multikey(text)
    except MultibaseError:
        return
    assert encode_multikey(key_type, public_key) == text


@given(types, st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=100))
def test_arbitrary_bytes_verify_nothing(
    key_type: KeyType, public_key: bytes, message: bytes, signature: bytes
) -> None:
    assert verify_signature(key_type, public_key, message, signature) is False


@given(st.binary(min_size=32, max_size=32))
def test_an_accepted_ed25519_key_is_in_the_group_of_prime_order(public_key: bytes) -> None:
    # The reference of RFC 8032 decides over random points, an eighth of which are in the group.
    point = curve.decode(public_key)
    expected = (
        point is not None
        and point != curve.IDENTITY
        and curve.multiply(curve.ORDER, point) == curve.IDENTITY
    )
    try:
        check_public_key(KeyType.ED25519, public_key)
    except KeyFormatError:
        assert not expected
    else:
        assert expected


@given(types, entropies, st.binary(max_size=64), st.data())
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_breaks_every_signature(
    key_type: KeyType, entropy: bytes, message: bytes, data: st.DataObject
) -> None:
    key = generate_private_key(key_type, role_for(key_type), "a", "a", entropy)
    signature = key.sign(message)
    assert verify_signature(key_type, key.public_key, message, signature)
    bit = data.draw(st.integers(0, len(signature) * 8 - 1))
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not verify_signature(key_type, key.public_key, message, bytes(flipped))
    bit = data.draw(st.integers(0, len(key.public_key) * 8 - 1))
    other = bytearray(key.public_key)
    other[bit // 8] ^= 1 << bit % 8
    assert not verify_signature(key_type, bytes(other), message, signature)


@given(
    st.lists(entropies, min_size=1, max_size=5, unique=True),
    st.binary(max_size=64),
    st.data(),
)
@settings(max_examples=25, deadline=None)
def test_an_aggregate_is_good_for_its_signers_in_any_order(
    entropies: list[bytes], message: bytes, data: st.DataObject
) -> None:
    secrets = [bls.generate_secret(entropy) for entropy in entropies]
    keys = [bls.secret_to_public(secret) for secret in secrets]
    whole = bls.aggregate([bls.sign(secret, message) for secret in secrets])
    assert bls.fast_aggregate_verify(data.draw(st.permutations(keys)), message, whole)
    missing = data.draw(st.integers(0, len(keys) - 1))
    assert not bls.fast_aggregate_verify(keys[:missing] + keys[missing + 1 :], message, whole)


@given(types, entropies, st.sampled_from([None, b"\x00", b"correct horse"]))
@settings(max_examples=20, deadline=None)
def test_keys_survive_their_files(
    key_type: KeyType, entropy: bytes, passphrase: bytes | None
) -> None:
    key = generate_private_key(key_type, role_for(key_type), "a", "a-1", entropy)
    data = encode_key_file(key, passphrase, bytes(16), bytes(12), scrypt_n=SCRYPT_N_MIN)
    found = decode_key_file(data, None if passphrase is None else lambda: passphrase)
    assert found == key


KEY = generate_private_key(KeyType.ED25519, KeyRole.ISSUE, "sample", "sample-1", bytes(range(32)))
PLAIN = encode_key_file(KEY, None, bytes(16), bytes(12))


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 3), st.binary(max_size=4))
def test_a_damaged_file_gives_this_secret_or_an_error_of_its_own(
    start: int, removed: int, inserted: bytes
) -> None:
    damaged = PLAIN[:start] + inserted + PLAIN[start + removed :]
    try:
        described = describe_key_file(damaged)
        key = decode_key_file(damaged, None)
    except KeyFileError:
        return
    assert key.secret == KEY.secret
    assert described.public_key == key.public_key == KEY.public_key
