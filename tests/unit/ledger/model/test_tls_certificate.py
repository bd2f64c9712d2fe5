# SPDX-License-Identifier: Apache-2.0
"""What a validator's trust anchor must be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from ledger.model.limits import TLS_CERTIFICATE_SIZE_MAX
from ledger.model.tls_certificate import TlsCertificateError, check_tls_certificate
from tests.support.ledger_world import make_tls_certificate

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "n1")])
KEY = ec.derive_private_key(7, ec.SECP256R1())
NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def make(
    *,
    key: ec.EllipticCurvePrivateKey = KEY,
    signer: ec.EllipticCurvePrivateKey | None = None,
    end: datetime = NO_END,
    is_ca: bool | None = True,
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(end)
    )
    if is_ca is not None:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=is_ca, path_length=None), critical=True
        )
    return builder.sign(signer or key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_good() -> None:
    check_tls_certificate(make())
    check_tls_certificate(make_tls_certificate("n1")[0])


def make_ed25519() -> bytes:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    return (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(NO_END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, None)
        .public_bytes(serialization.Encoding.DER)
    )


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        (b"", "bytes"),
        (bytes(TLS_CERTIFICATE_SIZE_MAX + 1), "bytes"),
        (b"\x30\x00", "no X.509"),
        (make() + b"\x00", "no X.509"),
        (make(is_ca=None), "no X.509 CA"),
        (make(is_ca=False), "not marked"),
        (make(end=datetime(2030, 1, 1, tzinfo=UTC)), "notAfter"),
        (make(key=ec.derive_private_key(7, ec.SECP384R1())), "P-256"),
        (make_ed25519(), "P-256"),
        (make(signer=ec.derive_private_key(8, ec.SECP256R1())), "own key"),
    ],
    ids=["empty", "large", "der", "more", "no-ca", "leaf", "ends", "p384", "ed25519", "signed"],
)
def test_refused(certificate: bytes, text: str) -> None:
    with pytest.raises(TlsCertificateError, match=text):
        check_tls_certificate(certificate)
