# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ledger.model import keyfile, private_key
from ledger.model.keyfile import (
    KEY_FILE_SIZE_MAX,
    NONCE_SIZE,
    SALT_SIZE,
    SCRYPT_N_MIN,
    KeyFileError,
    PrivateKey,
    decode_key_file,
    describe_key_file,
    encode_key_file,
    generate_private_key,
)
from ledger.model.keys import KeyRole, KeyType
from ledger.model.multibase import encode_base64url_nopad, encode_multikey
from ledger.model.private_key import (
    KEY_FILE_MALFORMED,
    KEY_TYPE_UNKNOWN,
    PASSPHRASE_NEEDED,
    PASSPHRASE_UNUSABLE,
    PASSPHRASE_WRONG,
    REMEDIES,
)

SALT, NONCE = bytes(SALT_SIZE), bytes(NONCE_SIZE)
PASSPHRASE = b"correct horse"
KEY = generate_private_key(KeyType.ED25519, KeyRole.ISSUE, "sample", "sample-1", bytes(range(32)))
OTHER = generate_private_key(KeyType.ED25519, KeyRole.ISSUE, "other", "other-1", b"\x09" * 32)
PLAIN = encode_key_file(KEY, None, SALT, NONCE)
SEALED = encode_key_file(KEY, PASSPHRASE, SALT, NONCE, scrypt_n=SCRYPT_N_MIN)


def give() -> bytes:
    return PASSPHRASE


def never() -> bytes:
    raise AssertionError("nobody should be asked")


def refusal(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(KeyFileError) as caught:
        call(*arguments)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {caught.value.remedy}"
    assert caught.value.remedy == REMEDIES[caught.value.code]
    assert encode_base64url_nopad(KEY.secret) not in shown
    assert PASSPHRASE.decode() not in shown
    return caught.value.code


def changed(data: bytes, **members: Any) -> bytes:
    return json.dumps(json.loads(data) | members).encode()


def resealed(**members: Any) -> bytes:
    document = json.loads(SEALED)
    document["encrypted"] |= members
    return json.dumps(document).encode()


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["plain", "sealed"])
def test_what_was_written_is_read(key_type: KeyType, passphrase: bytes | None) -> None:
    role = KeyRole.VOTE if key_type is KeyType.BLS12381 else KeyRole.ADMIN
    key = generate_private_key(key_type, role, "sample", "sample-1", b"\x01" * 32)
    data = encode_key_file(key, passphrase, SALT, NONCE, scrypt_n=SCRYPT_N_MIN)
    assert decode_key_file(data, give if passphrase else never) == key
    described = describe_key_file(data)
    assert (described.name, described.key_id) == ("sample", "sample-1")
    assert (described.role, described.key_type) == (role, key_type)
    assert described.public_key == key.public_key
    assert described.encrypted is (passphrase is not None)


def test_the_members_of_the_file() -> None:
    assert json.loads(PLAIN) == {
        "format": "psetledger-key/1",
        "name": "sample",
        "role": "issue",
        "type": "ed25519",
        "key_id": "sample-1",
        "public_key": encode_multikey(KEY.key_type, KEY.public_key),
        "secret": encode_base64url_nopad(KEY.secret),
        "encrypted": None,
    }
    sealed = json.loads(SEALED)
    assert sealed["secret"] is None
    assert set(sealed["encrypted"]) == {"kdf", "n", "r", "p", "salt", "cipher", "nonce", "data"}
    assert len(SEALED) < KEY_FILE_SIZE_MAX // 4


def test_a_sealed_file_does_not_hold_the_secret() -> None:
    assert encode_base64url_nopad(KEY.secret).encode() not in SEALED
    assert KEY.secret not in SEALED


def test_a_new_file_costs_what_is_recommended() -> None:
    sealed = json.loads(encode_key_file(KEY, PASSPHRASE, SALT, NONCE))["encrypted"]
    assert (sealed["n"], sealed["r"], sealed["p"]) == (2**17, 8, 1)


def test_a_sealed_file_needs_its_passphrase() -> None:
    assert refusal(decode_key_file, SEALED, None) == PASSPHRASE_NEEDED
    assert refusal(decode_key_file, SEALED, lambda: b"wrong") == PASSPHRASE_WRONG
    for unusable in (b"", b"x" * (keyfile.PASSPHRASE_SIZE_MAX + 1)):
        assert refusal(decode_key_file, SEALED, partial(bytes, unusable)) == PASSPHRASE_UNUSABLE
        assert refusal(encode_key_file, KEY, unusable, SALT, NONCE) == PASSPHRASE_UNUSABLE


def test_the_caller_brings_the_randomness() -> None:
    for salt, nonce, cost in (
        (b"", NONCE, SCRYPT_N_MIN),
        (SALT, b"", SCRYPT_N_MIN),
        (SALT, NONCE, SCRYPT_N_MIN + 1),
        (SALT, NONCE, SCRYPT_N_MIN // 2),
    ):
        with pytest.raises(ValueError, match="salt of 16"):
            encode_key_file(KEY, PASSPHRASE, salt, nonce, scrypt_n=cost)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("name", "sample2"),
        ("key_id", "sample-2"),
        ("role", "admin"),
        ("public_key", encode_multikey(OTHER.key_type, OTHER.public_key)),
    ],
)
def test_a_sealed_file_with_a_changed_member_does_not_open(member: str, value: str) -> None:
    assert refusal(decode_key_file, changed(SEALED, **{member: value}), give) == PASSPHRASE_WRONG


def test_a_sealed_file_with_another_type_does_not_open() -> None:
    p256 = generate_private_key(KeyType.P256, KeyRole.ISSUE, "sample", "sample-1", b"\x01" * 32)
    data = changed(SEALED, type="p256", public_key=encode_multikey(p256.key_type, p256.public_key))
    assert refusal(decode_key_file, data, give) == PASSPHRASE_WRONG


@pytest.mark.parametrize("member", ["salt", "nonce", "data"])
def test_a_flipped_bit_in_the_sealed_part_does_not_open(member: str) -> None:
    text = json.loads(SEALED)["encrypted"][member]
    flipped = ("B" if text[0] == "A" else "A") + text[1:]
    assert refusal(decode_key_file, resealed(**{member: flipped}), give) == PASSPHRASE_WRONG


@pytest.mark.parametrize("p", [2, 4])
def test_another_cost_is_another_key(p: int) -> None:
    assert refusal(decode_key_file, resealed(p=p), give) == PASSPHRASE_WRONG


@pytest.mark.parametrize(
    "cost",
    [
        {"n": 2**19},
        {"n": 2**63},
        {"n": 10**300},
        {"n": 2**13},
        {"n": 2**14 + 1},
        {"n": 0},
        {"n": -(2**14)},
        {"r": 9},
        {"r": 1},
        {"r": 2**30},
        {"p": 0},
        {"p": 5},
        {"p": 2**30},
    ],
    ids=str,
)
def test_an_absurd_cost_is_refused_before_anybody_is_asked(cost: dict[str, int]) -> None:
    data = resealed(**cost)
    assert refusal(decode_key_file, data, never) == KEY_FILE_MALFORMED
    assert refusal(describe_key_file, data) == KEY_FILE_MALFORMED


@pytest.mark.parametrize("name", ["n", "r", "p"])
@pytest.mark.parametrize("value", [True, None, "16384", 16384.0, [16384]])
def test_a_cost_is_a_whole_number(name: str, value: object) -> None:
    assert refusal(decode_key_file, resealed(**{name: value}), never) == KEY_FILE_MALFORMED


SECRET_TEXT = encode_base64url_nopad(KEY.secret)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN + b"x",
        PLAIN[:-4],
        b"[" * KEY_FILE_SIZE_MAX,
        PLAIN + b" " * KEY_FILE_SIZE_MAX,
        PLAIN.replace(b'"name": "sample",', b'"name": "other", "name": "sample",'),
        PLAIN.replace(b'"name": "sample",', b""),
        changed(PLAIN, comment="more"),
        changed(PLAIN, format="psetledger-key/2"),
        changed(PLAIN, format=None),
        changed(PLAIN, format=["psetledger-key/1"]),
        changed(PLAIN, name=1),
        changed(PLAIN, name="../sample"),
        changed(PLAIN, name="s\u00e4mple"),
        changed(PLAIN, key_id=""),
        changed(PLAIN, role="owner"),
        changed(PLAIN, role=3),
        changed(PLAIN, type=1),
        changed(PLAIN, role="vote", type="p256"),
        changed(PLAIN, type="bls"),
        changed(PLAIN, public_key=None),
        changed(PLAIN, public_key="z6Mk"),
        changed(PLAIN, public_key=encode_multikey(KeyType.ED25519, b"\x01" + bytes(31))),
        changed(PLAIN, public_key=encode_multikey(OTHER.key_type, OTHER.public_key)),
        changed(PLAIN, secret=None),
        changed(PLAIN, secret=7),
        changed(PLAIN, secret=SECRET_TEXT + "="),
        changed(PLAIN, secret=SECRET_TEXT[:-1]),
        changed(PLAIN, secret=SECRET_TEXT + "AA"),
        changed(PLAIN, secret=SECRET_TEXT[:-1] + "9"),
        changed(PLAIN, secret=encode_base64url_nopad(OTHER.secret)),
        changed(SEALED, secret=SECRET_TEXT),
        changed(SEALED, encrypted=None),
        changed(SEALED, encrypted=[]),
        changed(SEALED, encrypted={}),
        resealed(kdf="argon2id"),
        resealed(cipher="aes-128-gcm"),
        resealed(salt=""),
        resealed(nonce="AAAA"),
        resealed(data=SECRET_TEXT),
        resealed(more=1),
    ],
)
def test_a_file_that_is_not_exactly_of_the_format_is_refused(data: bytes) -> None:
    assert refusal(decode_key_file, data, never) == KEY_FILE_MALFORMED


def test_a_type_of_a_later_release_is_named_as_such() -> None:
    data = changed(PLAIN, type="ml-dsa-44")
    assert refusal(decode_key_file, data, never) == KEY_TYPE_UNKNOWN
    assert refusal(describe_key_file, data) == KEY_TYPE_UNKNOWN


def test_nothing_of_a_broken_file_is_quoted() -> None:
    # The parser's own error would quote the neighbourhood of the fault.
    broken = PLAIN.replace(b'",\n  "encrypted"', b'" "encrypted"')
    assert refusal(decode_key_file, broken, never) == KEY_FILE_MALFORMED


def test_what_the_passphrase_source_raises_passes_through() -> None:
    def interrupted() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_key_file(SEALED, interrupted)


def test_the_private_key_is_the_one_of_its_module() -> None:
    assert PrivateKey is private_key.PrivateKey
