# SPDX-License-Identifier: Apache-2.0
"""The TLS certificate of a validator's record: the only trust anchor for that peer.

A self-signed CA certificate of an ECDSA P-256 key whose notAfter is 99991231235959Z, which means
"no well-defined expiration date" (RFC 5280 §4.1.2.5): the record, not a calendar, ends it. The node
issues its own short-lived leaf from it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ledger.model.limits import TLS_CERTIFICATE_SIZE_MAX

if TYPE_CHECKING:
    from cryptography import x509

CA_NAME_SUFFIX: Final = " validator CA"
"""Follows the validator's id in its certificate's common name, or nothing does."""


class TlsCertificateError(ValueError):
    """A certificate that cannot be a validator's trust anchor."""


def check_tls_certificate(certificate: bytes, validator_id: str = "") -> None:
    """Accept a validator's certificate (DER) or say why not.

    Args:
        certificate: as the record is to hold it.
        validator_id: if given, the certificate names it and nobody else: a subject is a free text.

    Raises:
        TlsCertificateError: no X.509 certificate, another key type, no CA, not signed by its own
            key, with an end, or of another name.
    """
    # Late: a light client that has checked its genesis once need not load this again.
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec

    if not 0 < len(certificate) <= TLS_CERTIFICATE_SIZE_MAX:
        raise TlsCertificateError(f"1 to {TLS_CERTIFICATE_SIZE_MAX} bytes of DER are expected")
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        public_key = parsed.public_key()
        constraints = parsed.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, TypeError, x509.ExtensionNotFound, x509.DuplicateExtension):
        raise TlsCertificateError("no X.509 CA certificate") from None
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(
        public_key.curve, ec.SECP256R1
    ):
        raise TlsCertificateError("the key is no ECDSA P-256 key")
    if not constraints.ca:
        raise TlsCertificateError("it is not marked as a CA")
    if validator_id and not _is_named(parsed, validator_id):
        raise TlsCertificateError("its subject is not the validator's id")
    if parsed.not_valid_after_utc != datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC):
        raise TlsCertificateError("notAfter is not 99991231235959Z")
    try:
        parsed.verify_directly_issued_by(parsed)
    except (ValueError, TypeError, InvalidSignature):
        raise TlsCertificateError("it is not signed by its own key") from None


def _is_named(certificate: x509.Certificate, validator_id: str) -> bool:
    from cryptography.x509.oid import NameOID

    attributes = list(certificate.subject)
    return (
        len(attributes) == 1
        and attributes[0].oid == NameOID.COMMON_NAME
        and attributes[0].value in (validator_id, validator_id + CA_NAME_SUFFIX)
    )
