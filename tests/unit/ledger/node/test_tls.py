# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from ledger.model.block import Validator
from ledger.model.keys import KeyType
from ledger.model.tls_certificate import check_tls_certificate
from ledger.node.errors import NodeError
from ledger.node.keys import ValidatorKeys, create_validator_keys
from ledger.node.tls import (
    LEAF_LIFETIME,
    LeafIssuer,
    create_ca_certificate,
    encode_root_certificates,
    find_leaf_issuers,
)

NOW = datetime(2026, 5, 14, 12, tzinfo=UTC)


class Time:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return int(self.now.timestamp() * 1000)


@pytest.fixture
def keys(tmp_path: Path) -> ValidatorKeys:
    return create_validator_keys(tmp_path)


def leaf_of(chain: bytes) -> tuple[x509.Certificate, x509.Certificate]:
    leaf, authority = x509.load_pem_x509_certificates(chain)
    return leaf, authority


def test_the_record_holds_a_ca_certificate_without_end(keys: ValidatorKeys) -> None:
    der = create_ca_certificate(keys.tls, "n1")
    check_tls_certificate(der)
    parsed = x509.load_der_x509_certificate(der)
    assert parsed.not_valid_after_utc == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    # RFC 5280 §4.1.2.5: dates from 2050 on are GeneralizedTime.
    assert b"99991231235959Z" in der
    usage = parsed.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert not usage.digital_signature
    assert parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_a_leaf_verifies_from_the_record_alone(keys: ValidatorKeys) -> None:
    der = create_ca_certificate(keys.tls, "n1")
    time = Time()
    issuer = LeafIssuer(keys.tls, der, "n1", time_ms=time, names=("ledger.example", "10.1.2.3"))
    leaf, authority = leaf_of(issuer.current().certificate_chain)
    assert authority == x509.load_der_x509_certificate(der)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["n1", "localhost", "ledger.example"]
    assert names.get_values_for_type(x509.IPAddress) == [
        IPv4Address("127.0.0.1"),
        IPv6Address("::1"),
        IPv4Address("10.1.2.3"),
    ]
    verifier = PolicyBuilder().store(Store([authority])).time(NOW)
    verifier.build_server_verifier(x509.DNSName("n1")).verify(leaf, [])
    other = x509.load_der_x509_certificate(create_ca_certificate(keys.tls, "n2"))
    assert leaf.issuer != other.subject
    assert leaf.not_valid_after_utc == NOW + LEAF_LIFETIME
    assert leaf.not_valid_before_utc < NOW - timedelta(hours=12), "for clients whose clock is slow"


def test_a_leaf_is_renewed_before_it_expires(keys: ValidatorKeys) -> None:
    time = Time()
    issuer = LeafIssuer(keys.tls, create_ca_certificate(keys.tls, "n1"), "n1", time_ms=time)
    first = issuer.current()
    assert issuer.current() is first
    time.now = first.renew_at - timedelta(seconds=1)
    assert issuer.current() is first
    time.now = first.renew_at
    second = issuer.current()
    assert second.expires_at == time.now + LEAF_LIFETIME
    assert second.private_key != first.private_key
    time.now = first.valid_from - timedelta(days=400)
    third = issuer.current()
    assert third.valid_from < time.now < third.expires_at, "a clock that was set back"


def test_a_key_that_is_not_the_records_is_refused(tmp_path: Path, keys: ValidatorKeys) -> None:
    other = create_validator_keys(tmp_path / "other")
    with pytest.raises(NodeError) as caught:
        LeafIssuer(other.tls, create_ca_certificate(keys.tls, "n1"), "n1", time_ms=Time())
    assert caught.value.code == "TLS_KEY_MISMATCH"
    with pytest.raises(NodeError) as caught:
        create_ca_certificate(keys.peer, "n1")
    assert caught.value.code == "TLS_KEY_TYPE"


def test_the_leafs_key_is_not_shown(keys: ValidatorKeys) -> None:
    issuer = LeafIssuer(keys.tls, create_ca_certificate(keys.tls, "n1"), "n1", time_ms=Time())
    assert "PRIVATE KEY" not in repr(issuer.current())


def make_member(validator_id: str, certificate: bytes) -> Validator:
    return Validator(validator_id, vote_key_type=KeyType.ED25519, tls_certificate=certificate)


def test_a_leaf_is_its_signers_whatever_it_says(tmp_path: Path, keys: ValidatorKeys) -> None:
    others = create_validator_keys(tmp_path / "other")
    first = make_member("n1", create_ca_certificate(keys.tls, "n1"))
    second = make_member("n2", create_ca_certificate(others.tls, "n2"))
    # The other CA under the first one's name: only the signature tells them apart.
    namesake = make_member("n3", create_ca_certificate(others.tls, "n1"))
    copy = make_member("n4", first.tls_certificate)

    def leaf(owner: ValidatorKeys, certificate: bytes, named: str) -> bytes:
        issuer = LeafIssuer(owner.tls, certificate, named, time_ms=Time())
        return issuer.current().certificate_chain

    everybody = [first, second, namesake]
    assert find_leaf_issuers(leaf(keys, first.tls_certificate, "n2"), everybody) == {"n1"}
    assert find_leaf_issuers(leaf(others, second.tls_certificate, "n1"), everybody) == {"n2"}
    assert find_leaf_issuers(leaf(others, namesake.tls_certificate, "n1"), everybody) == {"n3"}
    assert find_leaf_issuers(leaf(keys, first.tls_certificate, "n1"), [second]) == frozenset()
    assert find_leaf_issuers(leaf(keys, first.tls_certificate, "n1"), [first, copy]) == {"n1", "n4"}
    assert find_leaf_issuers(b"no certificate", everybody) == frozenset()


def test_the_roots_are_the_records(tmp_path: Path, keys: ValidatorKeys) -> None:
    others = create_validator_keys(tmp_path / "other")
    certificates = [
        create_ca_certificate(keys.tls, "n1"),
        create_ca_certificate(others.tls, "n2"),
    ]
    roots = encode_root_certificates([make_member("n", der) for der in certificates])
    assert x509.load_pem_x509_certificates(roots) == [
        x509.load_der_x509_certificate(der) for der in certificates
    ]
