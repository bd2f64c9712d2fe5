# SPDX-License-Identifier: Apache-2.0
"""BLS12-381 signatures for quorum certificates: the proof-of-possession scheme of the IETF draft.

Ciphersuite BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_ of draft-irtf-cfrg-bls-signature-05 (§4.2.3):
public keys are points of G1 in 48 bytes, signatures points of G2 in 96 bytes, both in the ZCash
serialisation (appendix C there). Secrets are 32 bytes, big-endian, 0 < secret < ORDER.

Rules of this file:
- A public key counts only with its proof of possession (`verify_possession`) checked once, when it
  is registered: without it, `fast_aggregate_verify` is open to rogue keys (§3.3).
- One encoding for each point: bytes that decode but would be encoded otherwise are refused.
- The identity is no public key (KeyValidate, §2.5), neither alone nor as a sum of keys.
- The identity is decodable as a signature and may come out of `aggregate` (signatures that cancel
  out), but no message has it as its signature under any one key or sum of keys.
- Nothing from outside makes a verification raise: bad bytes are just no good signature.

Ethereum uses the same ciphersuite and its published vectors follow the draft. Where it differs is
one layer above: its consensus layer (Altair's `eth_fast_aggregate_verify`) holds no keys at all with
the identity as signature to be valid. Here no keys at all is never valid, as in the draft (n >= 1).

Backends (`Backend`): `arkworks` (py_arkworks_bls12381, Rust, milliseconds) and `py_ecc` (plain
Python, about a hundred times slower; the independent reference, imported only when selected). Equal
results for equal input is what the tests show of them. Neither is constant-time: sign on the
validator's own machine only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final

from ledger.model.bls_backend import (
    ARKWORKS,
    G1_IDENTITY,
    G2_IDENTITY,
    POSSESSION_TAG,
    PUBLIC_KEY_SIZE,
    PY_ECC,
    SIGNATURE_SIZE,
    SIGNATURE_TAG,
    Backend,
)

__all__ = [
    "AGGREGATE_COUNT_MAX",
    "ARKWORKS",
    "G1_IDENTITY",
    "G2_IDENTITY",
    "KEY_MATERIAL_SIZE_MAX",
    "KEY_MATERIAL_SIZE_MIN",
    "ORDER",
    "POSSESSION_TAG",
    "PUBLIC_KEY_SIZE",
    "PY_ECC",
    "SECRET_SIZE",
    "SIGNATURE_SIZE",
    "SIGNATURE_TAG",
    "Backend",
    "BlsError",
    "aggregate",
    "aggregate_verify",
    "fast_aggregate_verify",
    "generate_secret",
    "get_backend",
    "is_public_key",
    "is_signature",
    "load_backend",
    "prove_possession",
    "secret_to_public",
    "select_backend",
    "sign",
    "verify",
    "verify_possession",
]

SECRET_SIZE: Final = 32

ORDER: Final = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Order r of G1, G2 and of the secrets."""

KEY_MATERIAL_SIZE_MIN: Final = 32
"""Bytes of input key material (§2.3); as many bits must be unguessable."""
KEY_MATERIAL_SIZE_MAX: Final = 1024

AGGREGATE_COUNT_MAX: Final = 1024
"""Most keys or signatures in one call: validators are at most 128."""


class BlsError(ValueError):
    """A secret, key material, list or backend that cannot be used. Changes nothing.

    ``code`` is BLS_SECRET_INVALID, BLS_KEY_MATERIAL_SIZE, BLS_SIGNATURE_INVALID, BLS_COUNT or
    BLS_BACKEND_UNKNOWN, BLS_BACKEND_MISSING.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


# The one backend of this process: chosen at first use or by `select_backend`, shared by all callers.
_selected: Backend | None = None


def _load_arkworks() -> Backend:
    from ledger.model.bls_arkworks import ArkworksBackend

    return ArkworksBackend()


def _load_py_ecc() -> Backend:
    # Importing py_ecc raises the interpreter's recursion limit a hundredfold; then deep nesting in
    # any input ends the process where it used to be a RecursionError.
    limit = sys.getrecursionlimit()
    try:
        from ledger.model.bls_py_ecc import PyEccBackend
    finally:
        sys.setrecursionlimit(limit)
    return PyEccBackend()


_LOADERS: Final[dict[str, Callable[[], Backend]]] = {
    ARKWORKS: _load_arkworks,
    PY_ECC: _load_py_ecc,
}
"""Fastest first: the order of preference when none is selected."""


def load_backend(name: str) -> Backend:
    """A backend by name, without making it the one that this module uses.

    Raises:
        BlsError: BLS_BACKEND_UNKNOWN, or BLS_BACKEND_MISSING when its library is not installed.
    """
    loader = _LOADERS.get(name)
    if loader is None:
        raise BlsError("BLS_BACKEND_UNKNOWN", f"no BLS backend {name!r}: {', '.join(_LOADERS)}")
    try:
        return loader()
    except ImportError as error:
        raise BlsError(
            "BLS_BACKEND_MISSING",
            f"the library of the BLS backend {name} is not installed: {error}",
        ) from error


def select_backend(name: str) -> Backend:
    """Make `name` (``arkworks`` or ``py_ecc``) the backend of this process, and return it.

    Raises:
        BlsError: as `load_backend`; the backend in use stays.
    """
    global _selected  # noqa: PLW0603 - one backend a process is the point
    _selected = load_backend(name)
    return _selected


def get_backend() -> Backend:
    """The backend in use; at first use the fastest that is installed.

    Raises:
        BlsError: BLS_BACKEND_MISSING: neither library is installed.
    """
    if _selected is not None:
        return _selected
    for name in _LOADERS:
        try:
            return select_backend(name)
        except BlsError:
            continue
    raise BlsError(
        "BLS_BACKEND_MISSING", f"install one of the BLS libraries: {', '.join(_LOADERS)}"
    )


def generate_secret(ikm: bytes) -> bytes:
    """KeyGen (§2.3): the secret, 32 bytes, made of 32 to 1024 bytes of secret key material.

    HKDF-SHA-256 with empty key_info; salt = SHA-256("BLS-SIG-KEYGEN-SALT-"), hashed once more for
    each further round, as version 04 of the draft prescribes and 05 leaves to the application. The
    result is EIP-2333's master key of the same seed.

    Raises:
        BlsError: BLS_KEY_MATERIAL_SIZE.
    """
    from hashlib import sha256

    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if not KEY_MATERIAL_SIZE_MIN <= len(ikm) <= KEY_MATERIAL_SIZE_MAX:
        raise BlsError(
            "BLS_KEY_MATERIAL_SIZE",
            f"key material has {KEY_MATERIAL_SIZE_MIN} to {KEY_MATERIAL_SIZE_MAX} bytes,"
            f" not {len(ikm)}",
        )
    size = 48  # L = ceil((3 * ceil(log2(r))) / 16)
    salt = b"BLS-SIG-KEYGEN-SALT-"
    secret = 0
    # No second round is known to exist: it has probability 2^-255.
    while secret == 0:
        salt = sha256(salt).digest()
        okm = HKDF(SHA256(), size, salt, size.to_bytes(2, "big")).derive(ikm + b"\x00")
        secret = int.from_bytes(okm, "big") % ORDER
    return secret.to_bytes(SECRET_SIZE, "big")


def _decode_secret(secret: bytes) -> int:
    number = int.from_bytes(secret, "big")
    if len(secret) != SECRET_SIZE or not 0 < number < ORDER:
        # Never the value: this text may be logged.
        raise BlsError(
            "BLS_SECRET_INVALID", "a BLS secret is 32 bytes, above 0 and below the order"
        )
    return number


def secret_to_public(secret: bytes) -> bytes:
    """SkToPk: the public key, 48 bytes.

    Raises:
        BlsError: BLS_SECRET_INVALID.
    """
    return get_backend().secret_to_public(_decode_secret(secret))


def is_public_key(public_key: bytes) -> bool:
    """KeyValidate: a canonical encoding of a point of G1 that is not the identity."""
    return len(public_key) == PUBLIC_KEY_SIZE and get_backend().is_public_key(public_key)


def is_signature(signature: bytes) -> bool:
    """Whether the bytes are a signature of somebody over something, or the identity of G2."""
    return len(signature) == SIGNATURE_SIZE and get_backend().is_signature(signature)


def sign(secret: bytes, message: bytes) -> bytes:
    """Sign: 96 bytes, the same for the same input.

    Raises:
        BlsError: BLS_SECRET_INVALID.
    """
    return get_backend().sign(_decode_secret(secret), message, SIGNATURE_TAG)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Verify: whether `signature` over `message` is good under one public key."""
    return _verify(public_key, message, signature, SIGNATURE_TAG)


def _verify(public_key: bytes, message: bytes, signature: bytes, tag: bytes) -> bool:
    if len(public_key) != PUBLIC_KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    return get_backend().verify(public_key, message, signature, tag)


def aggregate(signatures: Sequence[bytes]) -> bytes:
    """Aggregate: one signature, 96 bytes, for 1 to AGGREGATE_COUNT_MAX; their order is immaterial.

    Says nothing about whether they are good: aggregate first, verify once, and look for the culprit
    only when that fails.

    Raises:
        BlsError: BLS_COUNT for none or too many, BLS_SIGNATURE_INVALID when one is no signature.
    """
    if not 1 <= len(signatures) <= AGGREGATE_COUNT_MAX:
        raise BlsError("BLS_COUNT", f"1 to {AGGREGATE_COUNT_MAX} signatures are aggregated at once")
    result = None
    if all(len(signature) == SIGNATURE_SIZE for signature in signatures):
        result = get_backend().aggregate(signatures)
    if result is None:
        raise BlsError("BLS_SIGNATURE_INVALID", "one of the signatures is no point of G2")
    return result


def aggregate_verify(
    public_keys: Sequence[bytes], messages: Sequence[bytes], signature: bytes
) -> bool:
    """AggregateVerify: whether `signature` aggregates one of each key over the message beside it."""
    if len(public_keys) != len(messages) or not _is_group(public_keys, signature):
        return False
    return get_backend().aggregate_verify(public_keys, messages, signature)


def fast_aggregate_verify(public_keys: Sequence[bytes], message: bytes, signature: bytes) -> bool:
    """FastAggregateVerify: whether `signature` aggregates one of each key over the same message.

    Every key's proof of possession must have been verified before (§3.3.4). A key that is listed
    twice must have signed twice: the caller sees to distinct keys.
    """
    if not _is_group(public_keys, signature):
        return False
    return get_backend().fast_aggregate_verify(public_keys, message, signature)


def _is_group(public_keys: Sequence[bytes], signature: bytes) -> bool:
    return (
        1 <= len(public_keys) <= AGGREGATE_COUNT_MAX
        and all(len(public_key) == PUBLIC_KEY_SIZE for public_key in public_keys)
        and len(signature) == SIGNATURE_SIZE
    )


def prove_possession(secret: bytes) -> bytes:
    """PopProve (§3.3.2): the signature of a key over itself, under a tag of its own.

    Raises:
        BlsError: BLS_SECRET_INVALID.
    """
    return get_backend().sign(_decode_secret(secret), secret_to_public(secret), POSSESSION_TAG)


def verify_possession(public_key: bytes, proof: bytes) -> bool:
    """PopVerify (§3.3.3): whether whoever made `proof` holds the secret of `public_key`."""
    return _verify(public_key, public_key, proof, POSSESSION_TAG)
