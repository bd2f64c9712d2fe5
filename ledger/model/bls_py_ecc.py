# SPDX-License-Identifier: Apache-2.0
"""BLS12-381 over `py_ecc`: the independent reference behind `ledger.model.bls`, in plain Python.

About a third of a second for each verification, and half a second to import: import this module only
when it is selected. Its ciphersuite class is used as it is, so that the draft's steps are written
once more, by others.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_typing import BLSPubkey, BLSSignature
from py_ecc.bls.ciphersuites import G2ProofOfPossession
from py_ecc.bls.g2_primitives import signature_to_G2, subgroup_check

from ledger.model.bls_backend import POSSESSION_TAG, PY_ECC, SIGNATURE_TAG


class _Signing(G2ProofOfPossession):
    DST = SIGNATURE_TAG


class _Possession(G2ProofOfPossession):
    DST = POSSESSION_TAG


def _suite(tag: bytes) -> type[G2ProofOfPossession]:
    if tag == SIGNATURE_TAG:
        return _Signing
    assert tag == POSSESSION_TAG
    return _Possession


class PyEccBackend:
    """`ledger.model.bls.Backend` in plain Python."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return PY_ECC

    def secret_to_public(self, secret: int) -> bytes:
        return bytes(G2ProofOfPossession.SkToPk(secret))

    def is_public_key(self, public_key: bytes) -> bool:
        return G2ProofOfPossession.KeyValidate(BLSPubkey(public_key))

    def is_signature(self, signature: bytes) -> bool:
        try:
            return subgroup_check(signature_to_G2(BLSSignature(signature)))
        except (ValueError, AssertionError):
            return False

    def sign(self, secret: int, message: bytes, tag: bytes) -> bytes:
        return bytes(_suite(tag).Sign(secret, message))

    def verify(self, public_key: bytes, message: bytes, signature: bytes, tag: bytes) -> bool:
        return _suite(tag).Verify(BLSPubkey(public_key), message, BLSSignature(signature))

    def aggregate(self, signatures: Sequence[bytes]) -> bytes | None:
        # The library adds points outside the subgroup; the other backend refuses them.
        if not all(self.is_signature(signature) for signature in signatures):
            return None
        return bytes(_Signing.Aggregate([BLSSignature(each) for each in signatures]))

    def aggregate_verify(
        self, public_keys: Sequence[bytes], messages: Sequence[bytes], signature: bytes
    ) -> bool:
        keys = [BLSPubkey(public_key) for public_key in public_keys]
        return _Signing.AggregateVerify(keys, list(messages), BLSSignature(signature))

    def fast_aggregate_verify(
        self, public_keys: Sequence[bytes], message: bytes, signature: bytes
    ) -> bool:
        keys = [BLSPubkey(public_key) for public_key in public_keys]
        return _Signing.FastAggregateVerify(keys, message, BLSSignature(signature))
