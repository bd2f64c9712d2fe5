# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from typing import cast

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

from ledger.model import bls, keys
from ledger.model.keys import (
    KEY_INVALID,
    KEY_ROLE_UNKNOWN,
    KEY_SIZE,
    KEY_TYPE_UNKNOWN,
    P256_ORDER,
    KeyFormatError,
    KeyRole,
    KeyType,
    check_public_key,
    is_key_type_for_role,
    is_low_s,
    verify_signature,
)
from tests.support import ed25519_points as curve

MESSAGE = b"a message"
SEED = bytes(range(32))
ED25519_KEY, ED25519_SECRET = crypto_sign_seed_keypair(SEED)
SMALL_ORDER = [curve.encode(point) for point in curve.torsion_points()]


def refusal(key_type: KeyType, public_key: bytes) -> str:
    with pytest.raises(KeyFormatError) as caught:
        check_public_key(key_type, public_key)
    assert str(caught.value) == caught.value.text
    return caught.value.code


def test_labels_name_types_and_roles_both_ways() -> None:
    assert [member.label for member in KeyType] == ["ed25519", "p256", "bls"]
    assert [member.label for member in KeyRole] == [
        "admin", "ledger", "issue", "vote", "peer", "tls", "recovery",
    ]  # fmt: skip
    for key_type in KeyType:
        assert KeyType.from_label(key_type.label) is key_type
    for role in KeyRole:
        assert KeyRole.from_label(role.label) is role


def test_unknown_labels_are_refused() -> None:
    with pytest.raises(KeyFormatError) as caught:
        KeyType.from_label("rsa")
    assert caught.value.code == KEY_TYPE_UNKNOWN
    with pytest.raises(KeyFormatError) as caught:
        KeyRole.from_label("Admin")
    assert caught.value.code == KEY_ROLE_UNKNOWN


def test_only_vote_keys_are_bls_keys() -> None:
    for role in KeyRole:
        assert is_key_type_for_role(KeyType.ED25519, role)
        assert is_key_type_for_role(KeyType.BLS12381, role) is (role is KeyRole.VOTE)
        assert is_key_type_for_role(KeyType.P256, role) is (role is not KeyRole.VOTE)


# Ed25519 -----------------------------------------------------------------------------------------


def test_a_good_ed25519_key_is_accepted() -> None:
    check_public_key(KeyType.ED25519, ED25519_KEY)
    signature = crypto_sign(MESSAGE, ED25519_SECRET)[:64]
    assert verify_signature(KeyType.ED25519, ED25519_KEY, MESSAGE, signature)
    assert not verify_signature(KeyType.ED25519, ED25519_KEY, MESSAGE + b".", signature)
    assert not verify_signature(KeyType.ED25519, ED25519_KEY, MESSAGE, signature[:63])
    assert not verify_signature(KeyType.ED25519, ED25519_KEY, MESSAGE, signature + b"\x00")
    assert not verify_signature(KeyType.ED25519, ED25519_KEY, b"", b"")


def test_bytes_cannot_move_between_signature_and_message() -> None:
    # The library takes signature and message as one string: their border must be ours.
    whole = crypto_sign(MESSAGE, ED25519_SECRET)
    for border in range(len(whole) + 1):
        found = verify_signature(KeyType.ED25519, ED25519_KEY, whole[border:], whole[:border])
        assert found is (border == 64)


def test_the_points_of_small_order_are_what_the_literature_lists() -> None:
    assert len(set(SMALL_ORDER)) == 8
    assert b"\x01" + bytes(31) in SMALL_ORDER  # the identity
    assert bytes(32) in SMALL_ORDER  # order 4
    assert bytes.fromhex("ec" + "ff" * 30 + "7f") in SMALL_ORDER  # order 2
    assert bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05") in (
        SMALL_ORDER
    )  # order 8


@pytest.mark.parametrize("public_key", SMALL_ORDER, ids=bytes.hex)
def test_ed25519_keys_of_small_order_are_refused(public_key: bytes) -> None:
    assert refusal(KeyType.ED25519, public_key) == KEY_INVALID


def test_the_key_with_which_openssl_accepts_any_message_is_refused() -> None:
    # The identity as key and as R, S = 0: the equation holds whatever was signed.
    public_key = b"\x01" + bytes(31)
    forged = b"\x01" + bytes(63)
    Ed25519PublicKey.from_public_bytes(public_key).verify(forged, MESSAGE)  # OpenSSL: good
    assert refusal(KeyType.ED25519, public_key) == KEY_INVALID
    assert not verify_signature(KeyType.ED25519, public_key, MESSAGE, forged)


def mixed_order_key_and_signature(torsion: curve.Point) -> tuple[bytes, bytes]:
    """A key A + T with T of small order, and a signature over MESSAGE that libsodium accepts."""
    digest = hashlib.sha512(SEED).digest()
    secret = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    base = curve.decode(bytes.fromhex("58" + "66" * 31))
    assert base is not None
    honest = curve.multiply(secret, base)
    assert curve.encode(honest) == ED25519_KEY
    public_key = curve.encode(curve.add(honest, torsion))
    for nonce in range(1, 1000):
        commitment = curve.encode(curve.multiply(nonce, base))
        challenge = hashlib.sha512(commitment + public_key + MESSAGE).digest()
        number = int.from_bytes(challenge, "little") % curve.ORDER
        # The equation without cofactor holds when the challenge removes the small part.
        if curve.multiply(number, torsion) == curve.IDENTITY:
            scalar = (nonce + number * secret) % curve.ORDER
            return public_key, commitment + scalar.to_bytes(32, "little")
    raise AssertionError("one nonce in eight serves")


@pytest.mark.parametrize("index", range(1, 8))
def test_ed25519_keys_of_mixed_order_are_refused_though_libsodium_verifies_with_them(
    index: int,
) -> None:
    public_key, signature = mixed_order_key_and_signature(curve.torsion_points()[index])
    assert crypto_sign_open(signature + MESSAGE, public_key) == MESSAGE
    assert refusal(KeyType.ED25519, public_key) == KEY_INVALID
    assert not verify_signature(KeyType.ED25519, public_key, MESSAGE, signature)


@pytest.mark.parametrize("y", range(19))
@pytest.mark.parametrize("sign", [0, 1])
def test_ed25519_keys_with_an_unreduced_coordinate_are_refused(y: int, sign: int) -> None:
    public_key = (curve.P + y | sign << 255).to_bytes(32, "little")
    assert refusal(KeyType.ED25519, public_key) == KEY_INVALID


def test_ed25519_keys_off_the_curve_are_refused() -> None:
    off_curve = next(
        data for y in range(2, 50) if curve.decode(data := y.to_bytes(32, "little")) is None
    )
    assert refusal(KeyType.ED25519, off_curve) == KEY_INVALID


def test_an_unreduced_s_is_refused() -> None:
    signature = crypto_sign(MESSAGE, ED25519_SECRET)[:64]
    s = int.from_bytes(signature[32:], "little") + curve.ORDER
    malleable = signature[:32] + s.to_bytes(32, "little")
    assert not verify_signature(KeyType.ED25519, ED25519_KEY, MESSAGE, malleable)


# P-256 -------------------------------------------------------------------------------------------

P256_PRIVATE = ec.derive_private_key(int.from_bytes(SEED, "big"), ec.SECP256R1())
P256_POINT = P256_PRIVATE.public_key().public_numbers()
P256_KEY = (b"\x03" if P256_POINT.y & 1 else b"\x02") + P256_POINT.x.to_bytes(32, "big")
P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1


def p256_pair(message: bytes) -> tuple[bytes, bytes]:
    """The two valid signatures: with low and with high s."""
    r, s = decode_dss_signature(P256_PRIVATE.sign(message, ec.ECDSA(hashes.SHA256())))
    low, high = sorted((s, P256_ORDER - s))
    head = r.to_bytes(32, "big")
    return head + low.to_bytes(32, "big"), head + high.to_bytes(32, "big")


def test_p256_signatures_count_with_low_s_only() -> None:
    check_public_key(KeyType.P256, P256_KEY)
    low, high = p256_pair(MESSAGE)
    assert is_low_s(low)
    assert not is_low_s(high)
    assert verify_signature(KeyType.P256, P256_KEY, MESSAGE, low)
    assert not verify_signature(KeyType.P256, P256_KEY, MESSAGE, high)
    assert not verify_signature(KeyType.P256, P256_KEY, MESSAGE + b".", low)
    assert not verify_signature(KeyType.P256, P256_KEY, MESSAGE, low[:63])
    for longer in (low + b"\x00", low[:32] + b"\x00" + low[32:], b"\x00" + low):
        assert not verify_signature(KeyType.P256, P256_KEY, MESSAGE, longer)


def test_half_the_order_is_the_highest_low_s() -> None:
    half = P256_ORDER // 2
    assert is_low_s(bytes(32) + half.to_bytes(32, "big"))
    assert not is_low_s(bytes(32) + (half + 1).to_bytes(32, "big"))


@pytest.mark.parametrize(
    ("r", "s"), [(0, 1), (1, 0), (0, 0), (P256_ORDER, 1), (P256_ORDER + 1, 1), (2**256 - 1, 1)]
)
def test_p256_numbers_out_of_range_are_no_signature(r: int, s: int) -> None:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert not verify_signature(KeyType.P256, P256_KEY, MESSAGE, signature)


def test_p256_keys_have_one_form() -> None:
    x, y = P256_POINT.x.to_bytes(32, "big"), P256_POINT.y.to_bytes(32, "big")
    assert refusal(KeyType.P256, b"\x04" + x + y) == KEY_SIZE
    assert refusal(KeyType.P256, b"\x04" + x) == KEY_INVALID
    assert refusal(KeyType.P256, b"\x06" + x) == KEY_INVALID
    assert refusal(KeyType.P256, b"\x00" + x) == KEY_INVALID
    assert refusal(KeyType.P256, b"\x00") == KEY_SIZE
    # x = 1 has no point; x = 5 has one, p + 5 is the same in another spelling.
    assert refusal(KeyType.P256, b"\x02" + (1).to_bytes(32, "big")) == KEY_INVALID
    check_public_key(KeyType.P256, b"\x02" + (5).to_bytes(32, "big"))
    assert refusal(KeyType.P256, b"\x02" + (P256_PRIME + 5).to_bytes(32, "big")) == KEY_INVALID


# All types ---------------------------------------------------------------------------------------


def test_bls_keys_are_checked_and_verified() -> None:
    secret = bls.generate_secret(SEED)
    public_key = bls.secret_to_public(secret)
    check_public_key(KeyType.BLS12381, public_key)
    signature = bls.sign(secret, MESSAGE)
    assert verify_signature(KeyType.BLS12381, public_key, MESSAGE, signature)
    assert not verify_signature(KeyType.BLS12381, public_key, MESSAGE + b".", signature)
    assert refusal(KeyType.BLS12381, bls.G1_IDENTITY) == KEY_INVALID
    assert not verify_signature(KeyType.BLS12381, bls.G1_IDENTITY, MESSAGE, bls.G2_IDENTITY)


@pytest.mark.parametrize("key_type", KeyType)
def test_keys_of_a_wrong_size_are_refused(key_type: KeyType) -> None:
    size = keys.PUBLIC_KEY_SIZES[key_type]
    for wrong in (0, 1, size - 1, size + 1, 96):
        assert refusal(key_type, b"\x02" * wrong) == KEY_SIZE


def test_an_unknown_type_is_refused() -> None:
    assert refusal(cast("KeyType", 0), bytes(32)) == KEY_TYPE_UNKNOWN
    assert not verify_signature(cast("KeyType", 9), bytes(32), MESSAGE, bytes(64))


def test_good_keys_are_remembered_and_bad_ones_are_not() -> None:
    remembered = keys._check_public_key  # pyright: ignore[reportPrivateUsage]
    remembered.cache_clear()
    good = crypto_sign_seed_keypair(b"\x07" * 32)[0]
    for _ in range(2):
        check_public_key(KeyType.ED25519, good)
        refusal(KeyType.ED25519, SMALL_ORDER[0])
    information = remembered.cache_info()
    assert information.hits == 1
    assert information.currsize == 1
    assert information.maxsize == keys.CHECKED_KEYS_COUNT_MAX


def test_a_remembered_key_is_remembered_for_its_type_only() -> None:
    check_public_key(KeyType.P256, P256_KEY)
    assert refusal(KeyType.ED25519, P256_KEY) == KEY_SIZE
