# SPDX-License-Identifier: Apache-2.0
"""Private keys: making them and signing with them. `repr` never shows a secret.

Pure: randomness comes from the caller, every signature is deterministic. Secrets are 32 bytes: the
seed of RFC 8032 §5.1.5 for Ed25519, the scalar in big-endian for P-256 and BLS12-381. The file in
which a key lies is `ledger.model.keyfile`, the directory of files `sdk.signers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from ledger.model import bls
from ledger.model.keys import P256_ORDER, KeyRole, KeyType, is_key_type_for_role

KEY_NAME_SIZE_MAX: Final = 64

SECRET_SIZE: Final = 32
"""Bytes of a secret of any type, and of the entropy that makes one."""

_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{KEY_NAME_SIZE_MAX - 1}}}", re.ASCII)

KEY_FILE_MALFORMED: Final = "KEY_FILE_MALFORMED"
KEY_INVALID: Final = "KEY_INVALID"
KEY_NAME_INVALID: Final = "KEY_NAME_INVALID"
KEY_TYPE_UNKNOWN: Final = "KEY_TYPE_UNKNOWN"
KEY_TYPE_NOT_FOR_ROLE: Final = "KEY_TYPE_NOT_FOR_ROLE"
PASSPHRASE_NEEDED: Final = "PASSPHRASE_NEEDED"  # noqa: S105 - a code
PASSPHRASE_WRONG: Final = "PASSPHRASE_WRONG"  # noqa: S105 - a code
PASSPHRASE_UNUSABLE: Final = "PASSPHRASE_UNUSABLE"  # noqa: S105 - a code

REMEDIES: Final = {
    KEY_FILE_MALFORMED: "Restore the key file from a backup, or generate a new key and rotate to it.",
    KEY_INVALID: "Generate a key with `pset key generate`.",
    KEY_NAME_INVALID: "Use 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit.",
    KEY_TYPE_UNKNOWN: "Use a key of type ed25519, p256 or bls, or a newer release.",
    KEY_TYPE_NOT_FOR_ROLE: "Votes are signed by bls or ed25519 keys, all else by ed25519 or p256.",
    PASSPHRASE_NEEDED: "Give the passphrase: at the prompt, or a file in PSET_PASSPHRASE_FILE.",
    PASSPHRASE_WRONG: "Try the passphrase again; if it is right, the file was changed: restore it.",
    PASSPHRASE_UNUSABLE: "Use a passphrase of 1 to 1024 bytes.",
}
"""What to do about each code."""


class KeyFileError(ValueError):
    """A key file that cannot be read or written, or a private key that cannot be. Changes nothing.

    ``code`` is a key of REMEDIES, ``remedy`` its text. Neither text shows a secret.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.remedy = REMEDIES[code]

    def __str__(self) -> str:
        return self.text


def is_key_name(text: str) -> bool:
    """Whether a key, or its id within a DID, may be called so: 1 to 64 of ``a-z 0-9 . _ -``.

    The first is a letter or digit; so a name is also a safe file name and a DID URL fragment.
    """
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key with its name and its place in an organisation. `repr` hides the secret.

    ``public_key`` always belongs to ``secret``: it is computed when the key is made.

    Raises:
        KeyFileError: KEY_NAME_INVALID for the name or the key id, KEY_TYPE_NOT_FOR_ROLE,
            KEY_INVALID for a secret that is none of its type.
    """

    name: str
    role: KeyRole
    key_type: KeyType
    key_id: str
    secret: bytes = field(repr=False)
    public_key: bytes = field(init=False)

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("key id", self.key_id)):
            if not is_key_name(text):
                raise KeyFileError(KEY_NAME_INVALID, f"{text!r} is no {what} of a key")
        if not is_key_type_for_role(self.key_type, self.role):
            raise KeyFileError(
                KEY_TYPE_NOT_FOR_ROLE,
                f"a key of type {self.key_type.label} cannot have the role {self.role.label}",
            )
        object.__setattr__(self, "public_key", _compute_public_key(self.key_type, self.secret))

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, the same every time.

        Ed25519: 64 bytes. P-256: r || s, 64 bytes, low s, nonce by RFC 6979. BLS12-381: 96 bytes.
        """
        match self.key_type:
            case KeyType.ED25519:
                from nacl.bindings import crypto_sign

                # libsodium signs with the seed followed by the public key.
                return crypto_sign(message, self.secret + self.public_key)[:64]
            case KeyType.P256:
                return _sign_p256(self.secret, message)
            case KeyType.BLS12381:
                return bls.sign(self.secret, message)


def _compute_public_key(key_type: KeyType, secret: bytes) -> bytes:
    if len(secret) != SECRET_SIZE:
        raise KeyFileError(KEY_INVALID, f"a secret has {SECRET_SIZE} bytes, not {len(secret)}")
    match key_type:
        case KeyType.ED25519:
            from nacl.bindings import crypto_sign_seed_keypair

            return crypto_sign_seed_keypair(secret)[0]
        case KeyType.P256:
            number = int.from_bytes(secret, "big")
            if not 0 < number < P256_ORDER:
                raise KeyFileError(KEY_INVALID, "the secret is no P-256 scalar")
            from cryptography.hazmat.primitives.asymmetric import ec
            from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

            public_key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
            return public_key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        case KeyType.BLS12381:
            try:
                return bls.secret_to_public(secret)
            except bls.BlsError as error:
                raise KeyFileError(KEY_INVALID, error.text) from None


def _sign_p256(secret: bytes, message: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(key.sign(message, algorithm))
    # Of s and n - s, which are both valid, verifiers accept the smaller (ledger.model.keys).
    s = min(s, P256_ORDER - s)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def generate_private_key(
    key_type: KeyType, role: KeyRole, name: str, key_id: str, entropy: bytes
) -> PrivateKey:
    """Make a private key of 32 bytes of fresh randomness, which must serve nothing else.

    Ed25519: the seed itself. P-256: FIPS 186-5 §A.2.1 over HKDF-SHA-256 output (48 bytes mod n - 1,
    plus 1). BLS12-381: KeyGen of the draft.

    Raises:
        KeyFileError: as PrivateKey; KEY_INVALID when the entropy has not 32 bytes.
    """
    if len(entropy) != SECRET_SIZE:
        raise KeyFileError(KEY_INVALID, f"{SECRET_SIZE} bytes of entropy make a key")
    return PrivateKey(name, role, key_type, key_id, _compute_secret(key_type, entropy))


def _compute_secret(key_type: KeyType, entropy: bytes) -> bytes:
    match key_type:
        case KeyType.ED25519:
            return entropy
        case KeyType.P256:
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF

            expanded = HKDF(SHA256(), 48, None, b"psetledger/p256-key/v1").derive(entropy)
            number = int.from_bytes(expanded, "big") % (P256_ORDER - 1) + 1
            return number.to_bytes(SECRET_SIZE, "big")
        case KeyType.BLS12381:
            return bls.generate_secret(entropy)
