# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from ledger.model.keys import (
    P256_ORDER,
    KeyRole,
    KeyType,
    is_key_type_for_role,
    is_low_s,
    verify_signature,
)
from ledger.model.private_key import (
    KEY_INVALID,
    KEY_NAME_INVALID,
    KEY_TYPE_NOT_FOR_ROLE,
    REMEDIES,
    KeyFileError,
    PrivateKey,
    generate_private_key,
    is_key_name,
)

ENTROPY = bytes(range(32))
MESSAGE = b"a message"


def role_for(key_type: KeyType) -> KeyRole:
    return KeyRole.VOTE if key_type is KeyType.BLS12381 else KeyRole.ISSUE


def refusal(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(KeyFileError) as caught:
        call(*arguments)
    assert caught.value.remedy == REMEDIES[caught.value.code]
    return caught.value.code


@pytest.mark.parametrize("key_type", KeyType)
def test_a_key_signs_and_everybody_can_verify(key_type: KeyType) -> None:
    key = generate_private_key(key_type, role_for(key_type), "sample", "sample-1", ENTROPY)
    assert (key.name, key.key_id, key.key_type) == ("sample", "sample-1", key_type)
    signature = key.sign(MESSAGE)
    assert verify_signature(key_type, key.public_key, MESSAGE, signature)
    assert not verify_signature(key_type, key.public_key, MESSAGE + b".", signature)
    assert key.sign(MESSAGE) == signature


@pytest.mark.parametrize("key_type", KeyType)
def test_entropy_decides_the_key(key_type: KeyType) -> None:
    role = role_for(key_type)
    key = generate_private_key(key_type, role, "a", "a", ENTROPY)
    assert generate_private_key(key_type, role, "b", "b", ENTROPY).secret == key.secret
    assert generate_private_key(key_type, role, "a", "a", ENTROPY[::-1]).secret != key.secret
    for size in (0, 31, 33):
        short = bytes(size)
        assert refusal(generate_private_key, key_type, role, "a", "a", short) == KEY_INVALID


def test_ed25519_as_in_rfc_8032() -> None:
    # RFC 8032 §7.1, test 2.
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    key = generate_private_key(KeyType.ED25519, KeyRole.LEDGER, "a", "a", seed)
    assert key.public_key.hex() == (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    )
    assert key.sign(b"\x72").hex() == (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )


def test_p256_as_in_rfc_6979_but_with_low_s() -> None:
    # RFC 6979 §A.2.5, SHA-256: the s of "test" is low there, that of "sample" is high.
    secret = bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
    key = PrivateKey("a", KeyRole.ISSUE, KeyType.P256, "a", secret)
    assert key.public_key.hex().upper() == (
        "0360FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    )
    assert key.sign(b"test").hex().upper() == (
        "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"
    )
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    assert key.sign(b"sample")[32:] == (P256_ORDER - s).to_bytes(32, "big")


def test_p256_signatures_are_low_whatever_is_signed() -> None:
    key = generate_private_key(KeyType.P256, KeyRole.ISSUE, "a", "a", ENTROPY)
    assert all(is_low_s(key.sign(bytes([number]))) for number in range(64))


@pytest.mark.parametrize("key_type", KeyType)
def test_a_secret_that_is_none_is_refused(key_type: KeyType) -> None:
    bad = [b"", bytes(31), bytes(33)]
    if key_type is not KeyType.ED25519:  # every 32 bytes are an Ed25519 seed
        bad += [bytes(32), b"\xff" * 32]
    if key_type is KeyType.P256:
        bad.append(P256_ORDER.to_bytes(32, "big"))
    for secret in bad:
        refused = refusal(PrivateKey, "a", role_for(key_type), key_type, "a", secret)
        assert refused == KEY_INVALID


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".a", "-a", "_a", "A", "a/b", "a\\b", "a b", "a\n", "é", "a" * 65, "a\x00"],
)
def test_names_that_could_be_mistaken_are_refused(name: str) -> None:
    assert not is_key_name(name)
    for name_given, id_given in ((name, "a"), ("a", name)):
        refused = refusal(PrivateKey, name_given, KeyRole.ISSUE, KeyType.ED25519, id_given, ENTROPY)
        assert refused == KEY_NAME_INVALID


def test_names_as_organisations_use_them() -> None:
    for name in ("a", "0", "issue-2026", "n1.vote", "ledger_2", "a" * 64):
        assert is_key_name(name)


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("role", KeyRole)
def test_a_type_that_cannot_serve_the_role_is_refused(key_type: KeyType, role: KeyRole) -> None:
    if is_key_type_for_role(key_type, role):
        assert PrivateKey("a", role, key_type, "a", b"\x01" * 32).role is role
    else:
        refused = refusal(PrivateKey, "a", role, key_type, "a", b"\x01" * 32)
        assert refused == KEY_TYPE_NOT_FOR_ROLE


@pytest.mark.parametrize("key_type", KeyType)
def test_neither_repr_nor_errors_show_the_secret(key_type: KeyType) -> None:
    secret = b"\x5a" * 32
    key = PrivateKey("a", role_for(key_type), key_type, "a", secret)
    shown = f"{key!r} {key}"
    with pytest.raises(KeyFileError) as caught:
        PrivateKey("a", role_for(key_type), key_type, "a", secret + b"\x5a")
    shown += repr(caught.value)
    for form in (secret.hex(), repr(secret)[2:10], str(int.from_bytes(secret, "big"))):
        assert form not in shown


def test_a_key_survives_the_way_to_a_worker_process() -> None:
    key = generate_private_key(KeyType.ED25519, KeyRole.ISSUE, "a", "a", ENTROPY)
    copy = pickle.loads(pickle.dumps(key))  # noqa: S301 - our own bytes
    assert copy == key
    assert copy.sign(MESSAGE) == key.sign(MESSAGE)
