# SPDX-License-Identifier: Apache-2.0
"""A small ledger in memory for tests: genesis, organisations with keys, signed transactions.

`make_genesis()` builds a genesis of one or more validators; `LedgerWorld` executes blocks on the
real state machine over a dict and offers one method for each thing a test wants done. Everything
is derived from labels, so two runs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes as x509_hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from nacl.signing import SigningKey

from ledger.model import bls
from ledger.model.block import Validator
from ledger.model.charter import ROOT_POWERS, Charter, default_charter
from ledger.model.codec import encode
from ledger.model.genesis import (
    CERTIFICATE_SCHEMES,
    Genesis,
    GenesisOrganisation,
    RecoveryPolicy,
    RootGrant,
)
from ledger.model.hashes import compute_did, possession_message, request_message
from ledger.model.keys import KeyRole, KeyType
from ledger.model.operations import (
    Code,
    KeyEntry,
    KeySignature,
    NewKey,
    OrganisationRequest,
    Scope,
)
from ledger.model.private_key import PrivateKey
from ledger.model.transaction import Signer

NETWORK = "test"
GENESIS_TIME = 1_700_000_000_000
"""2023-11-14T22:13:20Z."""
COUNCILS = {"che": "HEQSF", "qcto": "OQSF", "umalusi": "GFETQSF"}
GENESIS_ORGANISATIONS = ("saqa", "che", "umalusi", "qcto")
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def day(text: str) -> int:
    """The day number of an ISO date."""
    return date.fromisoformat(text).toordinal() - _EPOCH_DAY


@dataclass(frozen=True)
class TestKey:
    """An Ed25519 key derived from a label."""

    __test__ = False

    key_id: str
    role: KeyRole
    secret: SigningKey

    @property
    def public_key(self) -> bytes:
        return bytes(self.secret.verify_key)

    @property
    def entry(self) -> KeyEntry:
        return KeyEntry(
            key_id=self.key_id, role=self.role, type=KeyType.ED25519, public_key=self.public_key
        )

    def sign(self, message: bytes) -> bytes:
        return self.secret.sign(message).signature


def make_key(label: str, role: KeyRole, key_id: str | None = None) -> TestKey:
    """The key of a label; equal labels give equal keys."""
    seed = sha256(b"psetledger test key " + label.encode()).digest()
    return TestKey(key_id or label.rpartition("/")[2], role, SigningKey(seed))


@dataclass
class TestOrganisation:
    """An organisation with its request and keys; `did` follows from the request."""

    __test__ = False

    short_name: str
    name: str
    type: str
    network: str = NETWORK
    codes: tuple[Code, ...] = ()
    keys: dict[str, TestKey] = field(default_factory=dict[str, TestKey])

    def __post_init__(self) -> None:
        for role in (KeyRole.ADMIN, KeyRole.LEDGER, KeyRole.ISSUE):
            key = make_key(f"{self.network}/{self.short_name}/{role.label}", role)
            self.keys[role.label] = key

    @property
    def request(self) -> bytes:
        return encode(
            OrganisationRequest(
                network=self.network,
                short_name=self.short_name,
                name=self.name,
                type=self.type,
                keys=tuple(self.keys[role].entry for role in ("admin", "ledger", "issue")),
                nonce=sha256(f"{self.network}/{self.short_name}".encode()).digest()[:16],
            )
        )

    @property
    def request_signatures(self) -> tuple[KeySignature, ...]:
        message = request_message(self.request)
        return tuple(
            KeySignature(key_id=key.key_id, signature=key.sign(message))
            for key in (self.keys[role] for role in ("admin", "ledger", "issue"))
        )

    @property
    def did(self) -> str:
        return compute_did(self.network, self.request)

    def signer(self, key: str = "ledger") -> Signer:
        held = self.keys[key]
        return Signer(
            did=self.did, key_id=held.key_id, type=KeyType.ED25519, public_key=held.public_key
        )

    def new_key(self, label: str, role: KeyRole) -> NewKey:
        """A further key with its proof of possession; remembered under its label."""
        key = make_key(f"{self.network}/{self.short_name}/{label}", role, label)
        self.keys[label] = key
        return NewKey(
            key=key.entry, possession=key.sign(possession_message(self.did, encode(key.entry)))
        )


SAMPLE_ORGANISATIONS: Mapping[str, tuple[str, str]] = {
    "saqa": ("South African Qualifications Authority", "authority"),
    "che": ("Council on Higher Education", "quality-council"),
    "umalusi": ("Umalusi", "quality-council"),
    "qcto": ("Quality Council for Trades and Occupations", "quality-council"),
    "merseta": ("merSETA", "seta"),
    "gaa": ("Gqeberha Artisan Academy (sample)", "provider"),
    "ttc": ("Sample Trade Test Centre", "trade-test-centre"),
    "nmu": ("Sample University", "university"),
    "bontle": ("Sample Employer", "employer"),
}
"""Name and type by short name."""


def make_organisation(
    short_name: str, *, name: str | None = None, type_: str | None = None, network: str = NETWORK
) -> TestOrganisation:
    """One of the sample organisations, or another with a name and type given."""
    sample_name, sample_type = SAMPLE_ORGANISATIONS.get(short_name, (short_name, "provider"))
    return TestOrganisation(short_name, name or sample_name, type_ or sample_type, network=network)


@lru_cache(maxsize=8)
def make_tls_certificate(validator_id: str) -> tuple[bytes, bytes]:
    """A validator's self-signed CA certificate (DER) and its private key (PKCS#8 DER)."""
    seed = int.from_bytes(sha256(f"tls {validator_id}".encode()).digest(), "big")
    key = ec.derive_private_key(seed % (2**255) + 1, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, validator_id)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(seed % 2**64 + 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, x509_hashes.SHA256(), ecdsa_deterministic=True)
    )
    return (
        certificate.public_bytes(serialization.Encoding.DER),
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def vote_secret(validator_id: str) -> bytes:
    """Secret of a validator's vote key: a BLS scalar, which serves as an Ed25519 seed too."""
    return bls.generate_secret(sha256(f"vote {validator_id}".encode()).digest())


def peer_key(validator_id: str) -> TestKey:
    """Ed25519 key with which a validator signs proposals."""
    return make_key(f"peer/{validator_id}", KeyRole.PEER)


def vote_private_key(validator_id: str, certificate_scheme: str = "bls12381") -> PrivateKey:
    """A validator's vote key under a scheme."""
    key_type = CERTIFICATE_SCHEMES[certificate_scheme]
    return PrivateKey("vote", KeyRole.VOTE, key_type, "vote", vote_secret(validator_id))


def make_validator(
    validator_id: str, organisation: str, *, certificate_scheme: str = "bls12381"
) -> Validator:
    """A validator of an organisation (DID) with a vote key of the scheme."""
    key = vote_private_key(validator_id, certificate_scheme)
    is_bls = key.key_type is KeyType.BLS12381
    return Validator(
        id=validator_id,
        organisation=organisation,
        vote_key_type=key.key_type,
        vote_key=key.public_key,
        vote_possession=bls.prove_possession(key.secret) if is_bls else b"",
        peer_key=peer_key(validator_id).public_key,
        tls_certificate=make_tls_certificate(validator_id)[0],
    )


def make_genesis(
    *,
    network: str = NETWORK,
    validators: Sequence[str] = ("n1",),
    created: int = GENESIS_TIME,
    fault_model: str = "crash",
    certificate_scheme: str = "bls12381",
    charter: Charter | None = None,
) -> Genesis:
    """A genesis with saqa, che, umalusi and qcto; SAQA holds the root powers since 2009-06-01."""
    organisations = [make_organisation(name, network=network) for name in GENESIS_ORGANISATIONS]
    dids = [organisation.did for organisation in organisations]
    return Genesis(
        network=network,
        created=created,
        fault_model=fault_model,
        certificate_scheme=certificate_scheme,
        validators=tuple(
            make_validator(
                validator_id,
                dids[position % len(dids)],
                certificate_scheme=certificate_scheme,
            )
            for position, validator_id in enumerate(sorted(validators))
        ),
        organisations=tuple(
            GenesisOrganisation(
                request=organisation.request,
                signatures=organisation.request_signatures,
                codes=organisation.codes,
            )
            for organisation in organisations
        ),
        root_grants=(
            RootGrant(
                grantee=dids[0],
                powers=tuple(sorted(ROOT_POWERS)),
                scope=Scope(),
                valid_from=day("2009-06-01"),
            ),
        ),
        recovery_policy=RecoveryPolicy(organisations=tuple(sorted(dids)), threshold=3),
        charter=charter or default_charter(),
    )
