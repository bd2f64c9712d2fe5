# SPDX-License-Identifier: Apache-2.0
"""The data key of an issuer's store: the file STORE.key beside it, and sealing with that key.

The file is one JSON object in ASCII, exactly these members:

    format      "psetledger-store-key/1"
    store_id    base64url of 16 random bytes; the store holds the same
    secret      base64url of 32 bytes, or null
    encrypted   null, or {"kdf": "scrypt", "n", "r", "p", "salt", "cipher": "aes-256-gcm",
                "nonce", "data"}: `data` is the secret and the tag, texts are base64url

One of `secret` and `encrypted` is null. The data key never changes while a store lives; a passphrase
only wraps it. From it come three keys (HKDF-SHA-256, RFC 5869): one seals rows (AES-256-GCM, fresh
96-bit nonces), two make the tags under which rows are found (HMAC-SHA-256), so that the store's
file shows neither record ids nor status indexes.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, cast

from ledger.model.keyfile import (
    NONCE_SIZE,
    PASSPHRASE_SIZE_MAX,
    SALT_SIZE,
    SCRYPT_N,
    SCRYPT_N_MAX,
    SCRYPT_N_MIN,
    SCRYPT_P_MAX,
    SCRYPT_R,
)
from ledger.model.multibase import (
    MultibaseError,
    decode_base64url_nopad,
    encode_base64url_nopad,
)
from sdk.errors import CallerError, KeyAccessError
from sdk.key_files import as_sdk_error, encode_passphrase, read_key_file, write_key_file

FORMAT: Final = "psetledger-store-key/1"
KEY_FILE_SUFFIX: Final = ".key"

STORE_ID_SIZE: Final = 16
DATA_KEY_SIZE: Final = 32
TAG_SIZE: Final = 32
"""Bytes of the tag under which a row is found."""
_GCM_TAG_SIZE: Final = 16
_FILE_TAG: Final = b"psetledger/store-key/v1\x00"
_MEMBERS: Final = frozenset({"format", "store_id", "secret", "encrypted"})
_SEALED_MEMBERS: Final = frozenset({"kdf", "n", "r", "p", "salt", "cipher", "nonce", "data"})


@dataclass(frozen=True, slots=True)
class StoreKey:
    """The keys of one store. `repr` shows none of them."""

    store_id: bytes
    data_key: bytes = field(repr=False)
    _row_key: bytes = field(init=False, repr=False)
    _record_key: bytes = field(init=False, repr=False)
    _index_key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("row", "record", "index"):
            value = _expand(self.data_key, f"psetledger/store/{name}/v1".encode())
            object.__setattr__(self, f"_{name}_key", value)

    def record_tag(self, record_id: str) -> bytes:
        """Under what a record is found: says nothing of its id to who has not the key."""
        return hmac.digest(self._record_key, record_id.encode(), sha256)

    def index_tag(self, list_id: bytes, index: int) -> bytes:
        """Under what a place in a status list is known to be taken."""
        return hmac.digest(self._index_key, list_id + index.to_bytes(8, "big"), sha256)

    def content_hash(self, content: bytes) -> bytes:
        """To compare contents without keeping them twice."""
        return hmac.digest(self._record_key, b"content\x00" + content, sha256)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Nonce and ciphertext; opens only with the same `context`, so rows cannot change places."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(NONCE_SIZE)
        return nonce + AESGCM(self._row_key).encrypt(nonce, plain, self.store_id + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """What was sealed.

        Raises:
            KeyAccessError: STORE_DAMAGED; another key, a changed row, or a row of another place.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, data = sealed[:NONCE_SIZE], sealed[NONCE_SIZE:]
        try:
            if len(data) < _GCM_TAG_SIZE:
                raise InvalidTag
            return AESGCM(self._row_key).decrypt(nonce, data, self.store_id + context)
        except InvalidTag:
            raise KeyAccessError(
                "a row of the issuer's store was changed, or belongs to another store",
                code="STORE_DAMAGED",
                remedy="Restore the store and its .key file together from one backup.",
            ) from None


def _expand(data_key: bytes, info: bytes) -> bytes:
    """HKDF-Expand (RFC 5869 §2.3) of a uniformly random key to 32 bytes: one block."""
    return hmac.digest(data_key, info + b"\x01", sha256)


def key_path(store: Path) -> Path:
    """Where the key of the store at `store` lies."""
    return store.with_name(store.name + KEY_FILE_SUFFIX)


def load_or_create_store_key(
    store: Path,
    passphrase: Callable[[], str] | None,
    *,
    is_new: bool,
    scrypt_n: int = SCRYPT_N,
) -> StoreKey:
    """The key of a store; made, with mode 0600, when the store is new.

    Args:
        store: path of the store itself.
        passphrase: asked when the key is encrypted, or to encrypt a new one.
        is_new: whether the store itself does not exist yet.
        scrypt_n: cost of a new encrypted file.

    Raises:
        KeyAccessError: STORE_KEY_MISSING, KEY_FILE_PERMISSIONS, KEY_FILE_UNREADABLE,
            STORE_KEY_MALFORMED, PASSPHRASE_NEEDED, PASSPHRASE_WRONG.
        CallerError: PASSPHRASE_UNUSABLE.
    """
    path = key_path(store)
    if is_new and not path.exists():
        made = StoreKey(secrets.token_bytes(STORE_ID_SIZE), secrets.token_bytes(DATA_KEY_SIZE))
        try:
            write_key_file(path, _encode(made, passphrase, scrypt_n))
        except FileExistsError:
            pass  # another process was first: its key is the store's
        except OSError as error:
            raise KeyAccessError(
                f"cannot write {path}: {error.strerror}",
                code="STORE_UNWRITABLE",
                remedy="Choose a directory that you may write to, on a file system with hard links.",
            ) from error
        else:
            return made
    if not path.exists():
        raise KeyAccessError(
            f"{store} cannot be read without its key file {path}",
            code="STORE_KEY_MISSING",
            remedy="Restore the key file from a backup; without it the store is lost.",
        )
    return _decode(path, read_key_file(path), passphrase)


def _encode(key: StoreKey, passphrase: Callable[[], str] | None, scrypt_n: int) -> bytes:
    secret: str | None = None
    encrypted: dict[str, str | int] | None = None
    if passphrase is None:
        secret = encode_base64url_nopad(key.data_key)
    else:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        salt, nonce = secrets.token_bytes(SALT_SIZE), secrets.token_bytes(NONCE_SIZE)
        wrapping_key = _derive(_ask(passphrase), salt, scrypt_n, SCRYPT_R, 1)
        data = AESGCM(wrapping_key).encrypt(nonce, key.data_key, _FILE_TAG + key.store_id)
        encrypted = {
            "kdf": "scrypt",
            "n": scrypt_n,
            "r": SCRYPT_R,
            "p": 1,
            "salt": encode_base64url_nopad(salt),
            "cipher": "aes-256-gcm",
            "nonce": encode_base64url_nopad(nonce),
            "data": encode_base64url_nopad(data),
        }
    document = {
        "format": FORMAT,
        "store_id": encode_base64url_nopad(key.store_id),
        "secret": secret,
        "encrypted": encrypted,
    }
    return json.dumps(document, indent=2, ensure_ascii=True).encode("ascii") + b"\n"


def _decode(path: Path, data: bytes, passphrase: Callable[[], str] | None) -> StoreKey:
    try:
        document: object = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError):
        raise _malformed(path) from None
    members = _object(document, _MEMBERS, path)
    if members["format"] != FORMAT:
        raise _malformed(path)
    store_id = _octets(members, "store_id", STORE_ID_SIZE, path)
    if (members["secret"] is None) == (members["encrypted"] is None):
        raise _malformed(path)
    if members["secret"] is not None:
        return StoreKey(store_id, _octets(members, "secret", DATA_KEY_SIZE, path))
    sealed = _object(members["encrypted"], _SEALED_MEMBERS, path)
    n, r, p = (sealed[name] for name in ("n", "r", "p"))
    if (
        (sealed["kdf"], sealed["cipher"]) != ("scrypt", "aes-256-gcm")
        or type(n) is not int
        or type(r) is not int
        or type(p) is not int
        # Before any work: a planted file must not cost gigabytes or minutes.
        or not (SCRYPT_N_MIN <= n <= SCRYPT_N_MAX and n & (n - 1) == 0)
        or r != SCRYPT_R
        or not 1 <= p <= SCRYPT_P_MAX
    ):
        raise _malformed(path)
    salt = _octets(sealed, "salt", SALT_SIZE, path)
    nonce = _octets(sealed, "nonce", NONCE_SIZE, path)
    wrapped = _octets(sealed, "data", DATA_KEY_SIZE + _GCM_TAG_SIZE, path)
    if passphrase is None:
        raise KeyAccessError(
            f"{path} is encrypted",
            code="PASSPHRASE_NEEDED",
            remedy="Give the passphrase: at the prompt, or a file in PSET_PASSPHRASE_FILE.",
        )
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        opened = AESGCM(_derive(_ask(passphrase), salt, n, r, p)).decrypt(
            nonce, wrapped, _FILE_TAG + store_id
        )
    except InvalidTag:
        raise KeyAccessError(
            f"the passphrase does not open {path}",
            code="PASSPHRASE_WRONG",
            remedy="Try the passphrase again; if it is right, the file was changed: restore it.",
        ) from None
    return StoreKey(store_id, opened)


def _ask(passphrase: Callable[[], str]) -> bytes:
    with as_sdk_error():
        given = encode_passphrase(passphrase())
    if not 0 < len(given) <= PASSPHRASE_SIZE_MAX:
        raise CallerError(
            f"a passphrase has 1 to {PASSPHRASE_SIZE_MAX} bytes",
            code="PASSPHRASE_UNUSABLE",
            remedy=f"Use a passphrase of 1 to {PASSPHRASE_SIZE_MAX} bytes.",
        )
    return given


def _derive(passphrase: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=DATA_KEY_SIZE, n=n, r=r, p=p).derive(passphrase)


def _object(value: object, names: frozenset[str], path: Path) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _malformed(path)
    members = cast("dict[str, object]", value)
    if members.keys() != names:
        raise _malformed(path)
    return members


def _octets(members: Mapping[str, object], name: str, size: int, path: Path) -> bytes:
    value = members[name]
    if not isinstance(value, str):
        raise _malformed(path)
    try:
        data = decode_base64url_nopad(value, size)
    except MultibaseError:
        raise _malformed(path) from None
    if len(data) != size:
        raise _malformed(path)
    return data


def _malformed(path: Path) -> KeyAccessError:
    return KeyAccessError(
        f"{path} is no key file of an issuer's store",
        code="STORE_KEY_MALFORMED",
        remedy="Restore the key file from a backup; without it the store is lost.",
    )
