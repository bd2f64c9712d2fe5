# SPDX-License-Identifier: Apache-2.0
"""Public keys and signatures: which keys are acceptable, and whether a signature is good.

Rules of this file:
- One verifier for each type on every node, for ever: libsodium for Ed25519, OpenSSL (through
  `cryptography`) for P-256, `ledger.model.bls` for BLS12-381. Libraries disagree about Ed25519 at
  the edges (OpenSSL accepts the small-order key 01 00…00 with a signature over any message,
  libsodium refuses it), so a second verifier in consensus code would be a fork.
- A key is examined before any signature by it counts: libsodium's verifier accepts keys of mixed
  order, which `check_public_key` refuses. Checked keys are remembered, up to a limit.
- A signature has one form: Ed25519 with canonical S (RFC 8032 §5.1.7), P-256 as raw r || s with
  low s (the other s would be a second signature for the same message), BLS as in its module.

Pure: no clock, no randomness, no files. Private keys are in `ledger.model.keyfile`.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign_open,
    has_crypto_core_ed25519,
)
from nacl.exceptions import BadSignatureError

from ledger.model import bls

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

if not has_crypto_core_ed25519:  # pragma: no cover - depends on how libsodium was built
    # Without it keys of mixed order cannot be told from good ones: this node would fork.
    raise ImportError("PyNaCl is linked to a libsodium without crypto_core_ed25519")

CHECKED_KEYS_COUNT_MAX: Final = 8_192
"""Public keys remembered as good: more than one network has, about 2 MB."""

ED25519_PUBLIC_KEY_SIZE: Final = 32
P256_PUBLIC_KEY_SIZE: Final = 33
"""Compressed point (SEC 1 §2.3.3): 02 or 03, then x."""

ED25519_SIGNATURE_SIZE: Final = 64
P256_SIGNATURE_SIZE: Final = 64

P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order n of the P-256 group (FIPS 186-5, SP 800-186 §3.2.1.3)."""


class KeyType(IntEnum):
    """Signature scheme of a key; the numbers are those of `psetledger.v1.KeyType`."""

    ED25519 = 1
    P256 = 2
    BLS12381 = 3

    @property
    def label(self) -> str:
        """The word for it in commands and files: ``ed25519``, ``p256``, ``bls``."""
        return _TYPE_LABELS[self]

    @classmethod
    def from_label(cls, label: str) -> Self:
        """The type called `label`.

        Raises:
            KeyFormatError: KEY_TYPE_UNKNOWN.
        """
        for member in cls:
            if member.label == label:
                return member
        known = ", ".join(member.label for member in cls)
        raise KeyFormatError(KEY_TYPE_UNKNOWN, f"no key type {label!r}; known are {known}")


class KeyRole(IntEnum):
    """What an organisation's key may do; the numbers are those of `psetledger.v1.KeyRole`.

    One organisation, several keys: a clerk prepares, a registrar signs, ICT runs the node.
    """

    ADMIN = 1
    LEDGER = 2
    ISSUE = 3
    VOTE = 4
    PEER = 5
    TLS = 6
    RECOVERY = 7

    @property
    def label(self) -> str:
        """The word for it in commands and files: the name in lower case."""
        return self.name.lower()

    @classmethod
    def from_label(cls, label: str) -> Self:
        """The role called `label`.

        Raises:
            KeyFormatError: KEY_ROLE_UNKNOWN.
        """
        for member in cls:
            if member.label == label:
                return member
        known = ", ".join(member.label for member in cls)
        raise KeyFormatError(KEY_ROLE_UNKNOWN, f"no key role {label!r}; known are {known}")


_TYPE_LABELS: Final = {KeyType.ED25519: "ed25519", KeyType.P256: "p256", KeyType.BLS12381: "bls"}

PUBLIC_KEY_SIZES: Final = {
    KeyType.ED25519: ED25519_PUBLIC_KEY_SIZE,
    KeyType.P256: P256_PUBLIC_KEY_SIZE,
    KeyType.BLS12381: bls.PUBLIC_KEY_SIZE,
}
"""Bytes of a public key, by type."""

SIGNATURE_SIZES: Final = {
    KeyType.ED25519: ED25519_SIGNATURE_SIZE,
    KeyType.P256: P256_SIGNATURE_SIZE,
    KeyType.BLS12381: bls.SIGNATURE_SIZE,
}
"""Bytes of a signature, by type."""

KEY_TYPE_UNKNOWN: Final = "KEY_TYPE_UNKNOWN"
KEY_ROLE_UNKNOWN: Final = "KEY_ROLE_UNKNOWN"
KEY_SIZE: Final = "KEY_SIZE"
"""Not the number of bytes that a key of its type has."""
KEY_INVALID: Final = "KEY_INVALID"
"""No point of the curve, not in canonical form, or outside the group of prime order."""


class KeyFormatError(ValueError):
    """A public key, key type or role that nobody may use. Changes nothing.

    ``code`` is KEY_TYPE_UNKNOWN, KEY_ROLE_UNKNOWN, KEY_SIZE or KEY_INVALID; ``text`` says why.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


def is_key_type_for_role(key_type: KeyType, role: KeyRole) -> bool:
    """Whether a key of this type can serve the role.

    Votes: BLS12-381, or Ed25519 under the `ed25519` certificate scheme. All else: Ed25519 or
    P-256; a BLS key signs votes and nothing else.
    """
    if role is KeyRole.VOTE:
        return key_type in {KeyType.BLS12381, KeyType.ED25519}
    return key_type in {KeyType.ED25519, KeyType.P256}


def check_public_key(key_type: KeyType, public_key: bytes) -> None:
    """Accept a public key or say why it must never be used.

    Ed25519: 32 bytes, canonical, on the main subgroup, not of small order. P-256: 33 bytes, a
    compressed point of the curve. BLS12-381: 48 bytes, KeyValidate of the BLS draft (not the
    identity, in the subgroup). Costs about an Ed25519 verification the first time; remembered for
    the last CHECKED_KEYS_COUNT_MAX good keys.

    Raises:
        KeyFormatError: KEY_TYPE_UNKNOWN, KEY_SIZE, KEY_INVALID.
    """
    _check_public_key(key_type, public_key)


@lru_cache(maxsize=CHECKED_KEYS_COUNT_MAX)
def _check_public_key(key_type: KeyType, public_key: bytes) -> None:
    # An exception is not cached: bad keys can never push good ones out of the memory.
    size = PUBLIC_KEY_SIZES.get(key_type)
    if size is None:
        raise KeyFormatError(KEY_TYPE_UNKNOWN, f"no key type has the number {key_type}")
    if len(public_key) != size:
        raise KeyFormatError(
            KEY_SIZE,
            f"a public key of type {key_type.label} has {size} bytes, not {len(public_key)}",
        )
    match key_type:
        case KeyType.ED25519:
            if not crypto_core_ed25519_is_valid_point(public_key):
                raise KeyFormatError(
                    KEY_INVALID,
                    "the Ed25519 key is no canonical point of the main subgroup"
                    " (small or mixed order, or not on the curve)",
                )
        case KeyType.P256:
            _load_p256(public_key)
        case KeyType.BLS12381:
            if not bls.is_public_key(public_key):
                raise KeyFormatError(
                    KEY_INVALID,
                    "the BLS key is no canonical point of G1, or it is the identity",
                )


@lru_cache(maxsize=CHECKED_KEYS_COUNT_MAX)
def _load_p256(public_key: bytes) -> EllipticCurvePublicKey:
    """The OpenSSL key for 33 bytes. Raises KeyFormatError when they are no point of P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError:
        raise KeyFormatError(KEY_INVALID, "the P-256 key is no compressed point of P-256") from None


def is_low_s(signature: bytes) -> bool:
    """Whether a raw P-256 signature r || s has the smaller of the two possible s, s <= n/2."""
    return int.from_bytes(signature[32:64], "big") <= P256_ORDER // 2


def verify_signature(
    key_type: KeyType, public_key: bytes, message: bytes, signature: bytes
) -> bool:
    """Whether `signature` over `message` is good under an acceptable public key.

    False for everything else: an unacceptable key, a signature of another size or form, a high s,
    a wrong message. Nothing that comes from outside raises.
    """
    try:
        check_public_key(key_type, public_key)
    except KeyFormatError:
        return False
    if len(signature) != SIGNATURE_SIZES[key_type]:
        return False
    match key_type:
        case KeyType.ED25519:
            return _verify_ed25519(public_key, message, signature)
        case KeyType.P256:
            return _verify_p256(public_key, message, signature)
        case KeyType.BLS12381:
            return bls.verify(public_key, message, signature)


def _verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    # PyNaCl has no binding of the detached form; the copies cost about 1 us at 1 KB. The call
    # releases the interpreter lock. It reads 32 bytes of key unasked: sizes are checked above.
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def _verify_p256(public_key: bytes, message: bytes, signature: bytes) -> bool:
    if not is_low_s(signature):
        return False
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")  # OpenSSL refuses r or s of 0, or above the order
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    try:
        _load_p256(public_key).verify(
            encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256())
        )
    except InvalidSignature:
        return False
    return True
