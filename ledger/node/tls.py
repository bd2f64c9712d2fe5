# SPDX-License-Identifier: Apache-2.0
"""TLS of a validator: a CA certificate without end in its record, short-lived leaves in memory.

Rules of this file:
- The record's certificate is a self-signed CA of the validator's `tls` key, notAfter
  99991231235959Z ("no well-defined expiration date", RFC 5280 §4.1.2.5): the record, not a calendar,
  ends it. It is the only trust anchor for that validator.
- The leaf has a key of its own that never touches the disk. It is issued at start and again, before
  it expires, when the next client connects; no certificate's lifetime ever stops a node.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.model.block import Validator
from ledger.model.keys import KeyType
from ledger.model.limits import VALIDATORS_COUNT_MAX
from ledger.model.private_key import PrivateKey
from ledger.model.tls_certificate import check_tls_certificate
from ledger.node.errors import NodeError

LEAF_LIFETIME: Final = timedelta(days=30)
LEAF_RENEWED_BEFORE: Final = timedelta(days=10)
LEAF_BACKDATED: Final = timedelta(hours=24)
"""So that a client whose clock is slow accepts it."""

_NO_END: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_CA_NOT_BEFORE: Final = datetime(2020, 1, 1, tzinfo=UTC)
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def _load_private_key(key: PrivateKey) -> ec.EllipticCurvePrivateKey:
    if key.key_type is not KeyType.P256:
        raise NodeError(
            "TLS_KEY_TYPE", "the tls key is no P-256 key", "Generate it with --type p256."
        )
    return ec.derive_private_key(int.from_bytes(key.secret, "big"), ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def create_ca_certificate(key: PrivateKey, validator_id: str) -> bytes:
    """The self-signed CA certificate (DER) for a validator's record. Raises NodeError."""
    private_key = _load_private_key(key)
    public_key = private_key.public_key()
    # Another name than the leaf's: a leaf issued under its own name looks self-signed.
    name = _name(f"{validator_id} validator CA")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_CA_NOT_BEFORE)
        .not_valid_after(_NO_END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(private_key, hashes.SHA256())
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    check_tls_certificate(der)
    return der


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a TLS server presents, and a validator that connects to another."""

    certificate_chain: bytes
    """PEM: the leaf, then the CA certificate of the record."""
    private_key: bytes = field(repr=False)
    """PEM, PKCS #8."""
    valid_from: datetime
    expires_at: datetime
    renew_at: datetime


class LeafIssuer:
    """Issues leaves of one validator and remembers the current one. Thread-safe."""

    def __init__(
        self,
        key: PrivateKey,
        ca_certificate: bytes,
        validator_id: str,
        *,
        time_ms: Callable[[], int],
        names: Sequence[str] = (),
    ) -> None:
        """`names` are host names and addresses to certify beside the id and the local ones.

        Raises NodeError when the key does not belong to the record's certificate.
        """
        self._key = _load_private_key(key)
        self._ca = x509.load_der_x509_certificate(ca_certificate)
        if self._ca.public_key() != self._key.public_key():
            raise NodeError(
                "TLS_KEY_MISMATCH",
                "the tls key is not that of this validator's record",
                "Put the key file of this validator into the node's keys directory.",
            )
        self._names = [validator_id, *_LOCAL_NAMES, *names]
        self._time_ms = time_ms
        self._lock = Lock()
        self._leaf = self._issue()

    def current(self) -> Leaf:
        """The leaf to present now; a new one when the last is about to expire."""
        with self._lock:
            # A clock that was ahead at start and has been set right counts too.
            if not self._leaf.valid_from <= self._now() < self._leaf.renew_at:
                self._leaf = self._issue()
            return self._leaf

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._time_ms() // 1000, UTC)

    def _issue(self) -> Leaf:
        now = self._now()
        valid_from, expires_at = now - LEAF_BACKDATED, now + LEAF_LIFETIME
        private_key = ec.generate_private_key(ec.SECP256R1())
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(self._names[0]))
            .issuer_name(self._ca.subject)
            .public_key(private_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(valid_from)
            .not_valid_after(expires_at)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(is_ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(_alternative_names(self._names), critical=False)
            .add_extension(authority, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Leaf(
            certificate_chain=certificate.public_bytes(serialization.Encoding.PEM)
            + self._ca.public_bytes(serialization.Encoding.PEM),
            private_key=private_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            valid_from=valid_from,
            expires_at=expires_at,
            renew_at=expires_at - LEAF_RENEWED_BEFORE,
        )


def encode_root_certificates(validators: Sequence[Validator]) -> bytes:
    """The records' certificates (PEM): who presents a leaf of one of them may open a connection."""
    return "".join(ssl.DER_cert_to_PEM_cert(v.tls_certificate) for v in validators).encode()


def find_leaf_issuers(leaf: bytes, validators: Sequence[Validator]) -> frozenset[str]:
    """The ids of the validators whose own key signed a leaf (PEM).

    The names in a leaf are its issuer's word: only the signature says whose it is. None for what is
    no certificate; several only where records hold one and the same key.
    """
    try:
        parsed = x509.load_pem_x509_certificate(leaf)
    except ValueError:
        return frozenset()
    return frozenset(
        validator.id
        for validator in validators
        if _is_issued_by(parsed, _load_ca(validator.tls_certificate))
    )


def _is_issued_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    if leaf.issuer != authority.subject:
        return False
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=2 * VALIDATORS_COUNT_MAX)
def _load_ca(certificate: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate)


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    general: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            general.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(general)


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
