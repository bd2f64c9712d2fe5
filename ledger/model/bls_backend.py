# SPDX-License-Identifier: Apache-2.0
"""What `ledger.model.bls` asks of a BLS12-381 library, and the numbers that both sides share.

Section numbers are those of draft-irtf-cfrg-bls-signature-05.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

PUBLIC_KEY_SIZE: Final = 48
SIGNATURE_SIZE: Final = 96

PUBLIC_KEY_CACHE_COUNT_MAX: Final = 1024
"""Decompressed public keys that a backend remembers: decompressing costs as much as 80 additions."""

SIGNATURE_TAG: Final = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
POSSESSION_TAG: Final = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"

G1_IDENTITY: Final = b"\xc0" + bytes(PUBLIC_KEY_SIZE - 1)
G2_IDENTITY: Final = b"\xc0" + bytes(SIGNATURE_SIZE - 1)

ARKWORKS: Final = "arkworks"
PY_ECC: Final = "py_ecc"


class Backend(Protocol):
    """The group operations, done by a library.

    Sizes, counts and the range of secrets are checked before a backend is called. Public keys and
    signatures are unchecked bytes of the right size.
    """

    @property
    def name(self) -> str: ...

    def secret_to_public(self, secret: int) -> bytes:
        """SkToPk (§2.4)."""
        ...

    def is_public_key(self, public_key: bytes) -> bool:
        """KeyValidate (§2.5) of a canonical encoding."""
        ...

    def is_signature(self, signature: bytes) -> bool:
        """Whether these bytes are the canonical encoding of a point of G2, the identity among them."""
        ...

    def sign(self, secret: int, message: bytes, tag: bytes) -> bytes:
        """CoreSign (§2.6) under a domain separation tag."""
        ...

    def verify(self, public_key: bytes, message: bytes, signature: bytes, tag: bytes) -> bool:
        """CoreVerify (§2.7) under a domain separation tag."""
        ...

    def aggregate(self, signatures: Sequence[bytes]) -> bytes | None:
        """Aggregate (§2.8); None when one is no signature."""
        ...

    def aggregate_verify(
        self, public_keys: Sequence[bytes], messages: Sequence[bytes], signature: bytes
    ) -> bool:
        """CoreAggregateVerify (§2.9) under SIGNATURE_TAG: as many messages as keys, at least one."""
        ...

    def fast_aggregate_verify(
        self, public_keys: Sequence[bytes], message: bytes, signature: bytes
    ) -> bool:
        """FastAggregateVerify (§3.3.4): at least one key."""
        ...
