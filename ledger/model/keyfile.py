# SPDX-License-Identifier: Apache-2.0
"""The file in which a private key lies, shared by the SDK's key store and the node.

Pure: bytes in, bytes out. Reading and writing files, their permissions, randomness and asking for
passphrases belong to the callers (`sdk.signers`, `ledger.node`).

The file is one JSON object in ASCII, exactly these members, at most KEY_FILE_SIZE_MAX bytes:

    format      "psetledger-key/1"
    name        the key's name in its store
    role, type  labels of KeyRole and KeyType ("issue", "ed25519")
    key_id      the fragment of the key's DID URL
    public_key  multikey (`ledger.model.multibase`)
    secret      base64url of 32 bytes, or null
    encrypted   null, or {"kdf": "scrypt", "n", "r", "p", "salt", "cipher": "aes-256-gcm",
                "nonce", "data"}: `data` is the secret and the tag, texts are base64url

One of `secret` and `encrypted` is null, the other is not. A file without passphrase is guarded by its
permissions alone. With one, the other members are authenticated as associated data: a file whose role
or name was changed does not open. Costs of scrypt (RFC 7914) are bounded in both directions, so that a
planted file can neither exhaust memory nor pass for a careful one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from ledger.model.keys import KeyFormatError, KeyRole, KeyType, check_public_key
from ledger.model.multibase import (
    MultibaseError,
    decode_base64url_nopad,
    decode_multikey,
    encode_base64url_nopad,
    encode_multikey,
)
from ledger.model.private_key import (
    KEY_FILE_MALFORMED,
    KEY_TYPE_UNKNOWN,
    PASSPHRASE_NEEDED,
    PASSPHRASE_UNUSABLE,
    PASSPHRASE_WRONG,
    SECRET_SIZE,
    KeyFileError,
    PrivateKey,
    generate_private_key,
    is_key_name,
)

__all__ = [
    "FORMAT",
    "KEY_FILE_SIZE_MAX",
    "NONCE_SIZE",
    "PASSPHRASE_SIZE_MAX",
    "SALT_SIZE",
    "SCRYPT_N",
    "SCRYPT_N_MAX",
    "SCRYPT_N_MIN",
    "SCRYPT_P_MAX",
    "SCRYPT_R",
    "SECRET_SIZE",
    "KeyFileDescription",
    "KeyFileError",
    "PrivateKey",
    "decode_key_file",
    "describe_key_file",
    "encode_key_file",
    "generate_private_key",
]

FORMAT: Final = "psetledger-key/1"

KEY_FILE_SIZE_MAX: Final = 4096
PASSPHRASE_SIZE_MAX: Final = 1024

SALT_SIZE: Final = 16
NONCE_SIZE: Final = 12

SCRYPT_N: Final = 1 << 17
"""Cost of a new file, with r = 8 and p = 1: 128 MiB, about half a second."""
SCRYPT_N_MIN: Final = 1 << 14
SCRYPT_N_MAX: Final = 1 << 18
SCRYPT_R: Final = 8
SCRYPT_P_MAX: Final = 4

_TAG_SIZE: Final = 16
_KDF: Final = "scrypt"
_CIPHER: Final = "aes-256-gcm"
_AAD_TAG: Final = b"psetledger/key-file/v1\x00"


@dataclass(frozen=True, slots=True)
class KeyFileDescription:
    """What a key file says of itself without a passphrase. Authenticated only by opening it."""

    name: str
    role: KeyRole
    key_type: KeyType
    key_id: str
    public_key: bytes
    encrypted: bool


@dataclass(frozen=True, slots=True)
class _Sealed:
    n: int
    r: int
    p: int
    salt: bytes
    nonce: bytes
    data: bytes


def encode_key_file(
    key: PrivateKey,
    passphrase: bytes | None,
    salt: bytes,
    nonce: bytes,
    *,
    scrypt_n: int = SCRYPT_N,
) -> bytes:
    """The file of a private key: ASCII JSON ending in a newline.

    Args:
        key: what to write.
        passphrase: None writes the secret in clear text.
        salt: SALT_SIZE fresh random bytes; unused without passphrase, as the nonce.
        nonce: NONCE_SIZE fresh random bytes.
        scrypt_n: cost, a power of two from SCRYPT_N_MIN to SCRYPT_N_MAX.

    Raises:
        KeyFileError: PASSPHRASE_UNUSABLE.
        ValueError: a salt, nonce or cost of the wrong size (the caller's mistake).
    """
    secret: str | None = None
    encrypted: dict[str, str | int] | None = None
    if passphrase is None:
        secret = encode_base64url_nopad(key.secret)
    else:
        _check_passphrase(passphrase)
        if len(salt) != SALT_SIZE or len(nonce) != NONCE_SIZE or not _is_scrypt_n(scrypt_n):
            raise ValueError(f"salt of {SALT_SIZE} and nonce of {NONCE_SIZE} bytes, known cost")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        wrapping_key = _derive(passphrase, salt, scrypt_n, SCRYPT_R, 1)
        aad = _associated_data(key.name, key.role, key.key_type, key.key_id, key.public_key)
        encrypted = {
            "kdf": _KDF,
            "n": scrypt_n,
            "r": SCRYPT_R,
            "p": 1,
            "salt": encode_base64url_nopad(salt),
            "cipher": _CIPHER,
            "nonce": encode_base64url_nopad(nonce),
            "data": encode_base64url_nopad(AESGCM(wrapping_key).encrypt(nonce, key.secret, aad)),
        }
    document = {
        "format": FORMAT,
        "name": key.name,
        "role": key.role.label,
        "type": key.key_type.label,
        "key_id": key.key_id,
        "public_key": encode_multikey(key.key_type, key.public_key),
        "secret": secret,
        "encrypted": encrypted,
    }
    return json.dumps(document, indent=2, ensure_ascii=True).encode("ascii") + b"\n"


def describe_key_file(data: bytes) -> KeyFileDescription:
    """Name, role, type and public key of a key file, without opening it.

    Raises:
        KeyFileError: KEY_FILE_MALFORMED, KEY_TYPE_UNKNOWN.
    """
    return _parse(data)[0]


def decode_key_file(data: bytes, passphrase: Callable[[], bytes] | None) -> PrivateKey:
    """The private key in a file.

    Args:
        data: the whole file.
        passphrase: asked only when the file is encrypted; what it raises passes through.

    Raises:
        KeyFileError: KEY_FILE_MALFORMED, KEY_TYPE_UNKNOWN, PASSPHRASE_NEEDED, PASSPHRASE_UNUSABLE,
            PASSPHRASE_WRONG (the passphrase is wrong, or the file was changed).
    """
    described, content = _parse(data)
    if isinstance(content, _Sealed):
        if passphrase is None:
            raise KeyFileError(PASSPHRASE_NEEDED, f"the key {described.name} is encrypted")
        given = passphrase()
        _check_passphrase(given)
        secret = _open(described, content, given)
    else:
        secret = content
    try:
        key = PrivateKey(
            described.name, described.role, described.key_type, described.key_id, secret
        )
    except KeyFileError as error:
        raise _malformed(error.text) from None
    if key.public_key != described.public_key:
        raise _malformed("the public key does not belong to the secret")
    return key


def _open(described: KeyFileDescription, sealed: _Sealed, passphrase: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    wrapping_key = _derive(passphrase, sealed.salt, sealed.n, sealed.r, sealed.p)
    aad = _associated_data(
        described.name,
        described.role,
        described.key_type,
        described.key_id,
        described.public_key,
    )
    try:
        return AESGCM(wrapping_key).decrypt(sealed.nonce, sealed.data, aad)
    except InvalidTag:
        raise KeyFileError(
            PASSPHRASE_WRONG, f"the passphrase does not open the key {described.name}"
        ) from None


def _check_passphrase(passphrase: bytes) -> None:
    if not 0 < len(passphrase) <= PASSPHRASE_SIZE_MAX:
        raise KeyFileError(
            PASSPHRASE_UNUSABLE, f"a passphrase has 1 to {PASSPHRASE_SIZE_MAX} bytes"
        )


def _derive(passphrase: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase)


def _associated_data(
    name: str, role: KeyRole, key_type: KeyType, key_id: str, public_key: bytes
) -> bytes:
    """Everything a file shows in clear text, each part behind its length."""
    parts = (
        FORMAT.encode(),
        name.encode(),
        role.label.encode(),
        key_type.label.encode(),
        key_id.encode(),
        public_key,
    )
    return _AAD_TAG + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


# Reading -----------------------------------------------------------------------------------------


def _malformed(reason: str) -> KeyFileError:
    return KeyFileError(KEY_FILE_MALFORMED, f"no key file of this format: {reason}")


def _is_scrypt_n(n: int) -> bool:
    return SCRYPT_N_MIN <= n <= SCRYPT_N_MAX and n & (n - 1) == 0


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


def _members(value: object, names: set[str], where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise _malformed(f"{where} is no object")
    members = cast("dict[str, object]", value)
    if set(members) != names:
        raise _malformed(f"{where} lacks a member or has one too many")
    return members


def _text(members: dict[str, object], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise _malformed(f"{name} is no text")
    return value


def _integer(members: dict[str, object], name: str) -> int:
    value = members[name]
    if type(value) is not int:  # a bool is an int too
        raise _malformed(f"{name} is no whole number")
    return value


def _octets(members: dict[str, object], name: str, size: int) -> bytes:
    try:
        value = decode_base64url_nopad(_text(members, name), size)
    except MultibaseError as error:
        raise _malformed(f"{name}: {error}") from None
    if len(value) != size:
        raise _malformed(f"{name} has not {size} bytes")
    return value


def _parse(data: bytes) -> tuple[KeyFileDescription, bytes | _Sealed]:
    """The public part of a key file, and its secret, open or sealed."""
    if len(data) > KEY_FILE_SIZE_MAX:
        raise _malformed(f"longer than {KEY_FILE_SIZE_MAX} bytes")
    try:
        document: object = json.loads(data.decode("ascii"), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError):
        # The parser's own text is dropped: it may quote what stands near the fault, the secret.
        raise _malformed("it is not JSON in ASCII, or a member is repeated") from None
    names = {"format", "name", "role", "type", "key_id", "public_key", "secret", "encrypted"}
    found = cast("dict[str, object]", document) if isinstance(document, dict) else {}
    if found.get("format", FORMAT) != FORMAT:
        # First, so that a file of a later format is called that and not a broken one.
        raise _malformed(f"its format is not {FORMAT}")
    members = _members(found, names, "the file")
    try:
        key_type = KeyType.from_label(_text(members, "type"))
    except KeyFormatError as error:
        raise KeyFileError(KEY_TYPE_UNKNOWN, error.text) from None
    try:
        role = KeyRole.from_label(_text(members, "role"))
        found_type, public_key = decode_multikey(_text(members, "public_key"))
        check_public_key(found_type, public_key)
    except (KeyFormatError, MultibaseError) as error:
        raise _malformed(str(error)) from None
    if found_type is not key_type:
        raise _malformed("the public key is of another type than the file says")
    for name in ("name", "key_id"):
        if not is_key_name(_text(members, name)):
            raise _malformed(f"{name} is no name of a key")
    content = _parse_content(members)
    return (
        KeyFileDescription(
            _text(members, "name"),
            role,
            key_type,
            _text(members, "key_id"),
            public_key,
            isinstance(content, _Sealed),
        ),
        content,
    )


def _parse_content(members: dict[str, object]) -> bytes | _Sealed:
    if (members["secret"] is None) == (members["encrypted"] is None):
        raise _malformed("exactly one of secret and encrypted is null")
    if members["secret"] is not None:
        return _octets(members, "secret", SECRET_SIZE)
    names = {"kdf", "n", "r", "p", "salt", "cipher", "nonce", "data"}
    sealed = _members(members["encrypted"], names, "encrypted")
    if _text(sealed, "kdf") != _KDF or _text(sealed, "cipher") != _CIPHER:
        raise _malformed(f"only {_KDF} and {_CIPHER} are known")
    n, r, p = (_integer(sealed, name) for name in ("n", "r", "p"))
    # Before any work: a planted file must not cost gigabytes or minutes.
    if not _is_scrypt_n(n) or r != SCRYPT_R or not 1 <= p <= SCRYPT_P_MAX:
        raise _malformed("the scrypt cost is outside the accepted range")
    return _Sealed(
        n,
        r,
        p,
        _octets(sealed, "salt", SALT_SIZE),
        _octets(sealed, "nonce", NONCE_SIZE),
        _octets(sealed, "data", SECRET_SIZE + _TAG_SIZE),
    )
