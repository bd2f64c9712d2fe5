# SPDX-License-Identifier: Apache-2.0
"""W3C vc-di-eddsa: every intermediate value of `eddsa-jcs-2022`, and what is refused of the rest."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from nacl.signing import SigningKey

from ledger.model.keys import KeyType
from ledger.model.multibase import (
    decode_multibase_base58btc,
    decode_multikey,
    encode_multibase_base58btc,
)
from sdk.credentials.data_integrity import (
    compute_hash_data,
    create_proof,
    read_proofs,
    verify_proof,
)
from sdk.credentials.instants import parse_date_time_stamp
from sdk.credentials.jcs import canonicalize, parse_object
from sdk.credentials.problems import ProofError
from tests.support.json_places import places, with_value
from tests.support.vectors import vector_path

ROOT = vector_path("vc-di-eddsa", "TestVectors")
JCS = ROOT / "eddsa-jcs-2022"


def read_json(*parts: str) -> dict[str, Any]:
    return parse_object(ROOT.joinpath(*parts).read_bytes(), size_max=100_000)


def read_text(name: str) -> str:
    return (JCS / name).read_text("utf-8").strip()


UNSIGNED = read_json("unsigned.json")
PROOF_CONFIG = read_json("eddsa-jcs-2022", "proofConfigJCS.json")
SIGNED = read_json("eddsa-jcs-2022", "signedJCS.json")
KEY_TYPE, PUBLIC_KEY = decode_multikey(read_json("keyPair.json")["publicKeyMultibase"])


class VectorSigner:
    """The private key of the vectors: multicodec ed25519-priv (0x1300), then the seed."""

    def __init__(self) -> None:
        secret = decode_multibase_base58btc(read_json("keyPair.json")["privateKeyMultibase"], 34)
        assert secret[:2] == b"\x80\x26"
        self._key = SigningKey(secret[2:])
        assert bytes(self._key.verify_key) == PUBLIC_KEY

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


def test_the_key_is_ed25519() -> None:
    assert KEY_TYPE is KeyType.ED25519


def test_canonical_document() -> None:
    canonical = canonicalize(UNSIGNED)
    assert canonical.decode("utf-8") == read_text("canonDocJCS.txt")
    assert sha256(canonical).hexdigest() == read_text("docHashJCS.txt")


def test_canonical_proof_configuration() -> None:
    canonical = canonicalize(PROOF_CONFIG)
    assert canonical.decode("utf-8") == read_text("proofCanonJCS.txt")
    assert sha256(canonical).hexdigest() == read_text("proofHashJCS.txt")


def test_hash_data() -> None:
    hash_data = compute_hash_data(UNSIGNED, PROOF_CONFIG)
    assert hash_data.hex() == read_text("combinedHashJCS.txt")


def test_signature() -> None:
    signature = VectorSigner().sign(compute_hash_data(UNSIGNED, PROOF_CONFIG))
    assert signature.hex() == read_text("sigHexJCS.txt")
    assert encode_multibase_base58btc(signature) == read_text("sigBTC58JCS.txt")


def test_create_proof_gives_the_signed_document() -> None:
    created = parse_date_time_stamp(PROOF_CONFIG["created"])
    assert created is not None
    document = create_proof(UNSIGNED, VectorSigner(), PROOF_CONFIG["verificationMethod"], created)
    assert document == SIGNED
    assert "proof" not in UNSIGNED


def test_verify_proof() -> None:
    result = verify_proof(SIGNED, PUBLIC_KEY)
    assert result.document == UNSIGNED
    assert result.verification_method == PROOF_CONFIG["verificationMethod"]
    assert result.created == parse_date_time_stamp(PROOF_CONFIG["created"])
    assert result.unchecked_count == 0


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        (("eddsa-rdfc-2022", "signedDataInt.json"), 1),
        (("eddsa-rdfc-2022", "employ", "signedDataInt.json"), 1),
        (("Ed25519Signature2020", "signedEdSig.json"), 1),
        (("proof-set-chain", "signedProofSet1.json"), 1),
        (("proof-set-chain", "signedProofSet2.json"), 2),
        (("proof-set-chain", "signedProofChain1.json"), 3),
        (("proof-set-chain", "signedProofChain2.json"), 4),
    ],
)
def test_proofs_of_other_suites_are_counted_and_never_accepted(
    parts: tuple[str, ...], count: int
) -> None:
    document = read_json(*parts)
    assert read_proofs(document) == ((), count)
    with pytest.raises(ProofError) as caught:
        verify_proof(document, PUBLIC_KEY)
    assert caught.value.code == "MALFORMED"


def test_a_proof_beside_others_is_found_and_the_others_are_said_to_be_unchecked() -> None:
    others = read_json("proof-set-chain", "signedProofSet2.json")["proof"]
    document = {**UNSIGNED, "proof": [*others, SIGNED["proof"]]}
    assert verify_proof(document, PUBLIC_KEY).unchecked_count == 2


def test_every_changed_text_is_noticed() -> None:
    """No text of the signed document, its proof included, can be another one."""
    texts = [(place, value) for place, value in places(SIGNED) if isinstance(value, str)]
    assert len(texts) == 19
    for place, value in texts:
        with pytest.raises(ProofError):
            verify_proof(with_value(SIGNED, place, value + "x"), PUBLIC_KEY)
