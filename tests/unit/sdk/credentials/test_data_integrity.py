# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledger.model.multibase import encode_multibase_base58btc
from sdk.credentials.data_integrity import (
    PROOFS_COUNT_MAX,
    create_proof,
    read_proofs,
    verify_proof,
)
from sdk.credentials.jcs import JsonObject, JsonValue, canonicalize
from sdk.credentials.problems import CredentialError, ProofError
from tests.support.credential_samples import (
    ISSUED_AT,
    KEY,
    OTHER_SIGNER,
    SIGNER,
    SampleSigner,
    signed_credential,
    unsigned_credential,
)
from tests.support.json_places import copied, value_at, with_value, without

PUBLIC_KEY = SIGNER.public_key


def refused(document: JsonObject, public_key: bytes = PUBLIC_KEY) -> ProofError:
    """The refusal; the document must be as it was."""
    before = canonicalize(document)
    with pytest.raises(ProofError) as caught:
        verify_proof(document, public_key)
    assert canonicalize(document) == before
    return caught.value


def test_a_signed_document_verifies_and_gives_back_what_was_signed() -> None:
    unsigned = unsigned_credential()
    result = verify_proof(signed_credential(), PUBLIC_KEY)
    assert result.document == unsigned
    assert (result.verification_method, result.proof_purpose) == (KEY, "assertionMethod")
    assert result.created == ISSUED_AT
    assert (result.expires, result.unchecked_count) == (None, 0)


def test_signing_leaves_the_document_alone_and_is_repeatable() -> None:
    unsigned = unsigned_credential()
    before = canonicalize(unsigned)
    first = create_proof(unsigned, SIGNER, KEY, ISSUED_AT)
    second = create_proof(unsigned, SampleSigner(), KEY, ISSUED_AT)
    assert canonicalize(unsigned) == before
    assert canonicalize(first) == canonicalize(second)
    assert list(first)[-1] == "proof"


def test_a_document_without_context_can_be_signed() -> None:
    document = create_proof({"a": 1}, SIGNER, KEY, ISSUED_AT)
    assert "@context" not in read_proofs(document)[0][0].options
    assert verify_proof(document, PUBLIC_KEY).document == {"a": 1}


def test_another_key_does_not_fit() -> None:
    error = refused(signed_credential(), OTHER_SIGNER.public_key)
    assert (error.code, error.path) == ("SIGNATURE_INVALID", "proof")


@pytest.mark.parametrize(
    "public_key",
    [b"", b"\x00" * 32, b"\x01" + b"\x00" * 31, b"\xff" * 32, PUBLIC_KEY + b"\x00"],
    ids=["empty", "zero", "small-order", "not-canonical", "too-long"],
)
def test_keys_that_nobody_may_use_verify_nothing(public_key: bytes) -> None:
    assert refused(signed_credential(), public_key).code == "SIGNATURE_INVALID"
    # With a key of small order this signature fits every message in a careless verifier.
    universal = encode_multibase_base58btc(b"\x01" + b"\x00" * 63)
    forged = with_value(signed_credential(), ("proof", "proofValue"), universal)
    assert refused(forged, public_key).code == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("type", None, "MALFORMED"),
        ("type", ["DataIntegrityProof"], "MALFORMED"),
        ("type", "Ed25519Signature2020", "MALFORMED"),
        ("cryptosuite", "", "MALFORMED"),
        ("cryptosuite", "eddsa-rdfc-2022", "MALFORMED"),
        ("cryptosuite", "EDDSA-JCS-2022", "MALFORMED"),
        ("created", None, "MALFORMED"),
        ("created", "2026-05-20", "MALFORMED"),
        ("created", "2026-05-20T09:14:03", "MALFORMED"),
        ("created", "2026-05-20T09:14:03.251Z", "SIGNATURE_INVALID"),
        ("created", "2026-05-20T09:14:03.2500Z", "SIGNATURE_INVALID"),
        ("expires", "tomorrow", "MALFORMED"),
        ("expires", "2999-01-01T00:00:00Z", "SIGNATURE_INVALID"),
        ("verificationMethod", "issue-2026", "MALFORMED"),
        ("verificationMethod", {"id": KEY}, "MALFORMED"),
        ("verificationMethod", KEY + "x", "SIGNATURE_INVALID"),
        ("proofPurpose", 7, "MALFORMED"),
        ("proofPurpose", "authentication", "SIGNATURE_INVALID"),
        ("proofValue", "", "MALFORMED"),
        ("proofValue", "zzz", "MALFORMED"),
        ("proofValue", "z0OIl", "MALFORMED"),
        ("proofValue", "uAAAA", "MALFORMED"),
        ("proofValue", encode_multibase_base58btc(bytes(65)), "MALFORMED"),
        ("proofValue", encode_multibase_base58btc(bytes(64)), "SIGNATURE_INVALID"),
        ("previousProof", "urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544", "MALFORMED"),
        ("nonce", 7, "MALFORMED"),
        ("domain", ["example.org"], "MALFORMED"),
        ("nonce", "added", "SIGNATURE_INVALID"),
        ("anything", "added", "SIGNATURE_INVALID"),
        ("@context", "https://www.w3.org/ns/credentials/v2", "SIGNATURE_INVALID"),
    ],
)
def test_each_member_of_a_proof_matters(name: str, value: JsonValue, code: str) -> None:
    assert refused(with_value(signed_credential(), ("proof", name), value)).code == code


@pytest.mark.parametrize(
    "name", ["type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"]
)
def test_no_member_of_a_proof_may_be_absent(name: str) -> None:
    assert refused(without(signed_credential(), ("proof", name))).code == "MALFORMED"


@pytest.mark.parametrize("proof", [None, [], "z1", [None], 7, {}, [{}]])
def test_what_is_no_proof_is_malformed(proof: JsonValue) -> None:
    assert refused(with_value(signed_credential(), ("proof",), proof)).code == "MALFORMED"


def test_an_unsigned_document_is_malformed() -> None:
    assert refused(unsigned_credential()).code == "MALFORMED"


def test_a_high_s_does_not_make_a_second_signature() -> None:
    """RFC 8032 section 5.1.7: s is below the order of the group."""
    order = 2**252 + 27742317777372353535851937790883648493
    signature = read_proofs(signed_credential())[0][0].signature
    high = int.from_bytes(signature[32:], "little") + order
    forged = encode_multibase_base58btc(signature[:32] + high.to_bytes(32, "little"))
    document = with_value(signed_credential(), ("proof", "proofValue"), forged)
    assert refused(document).code == "SIGNATURE_INVALID"


def test_the_context_may_only_grow_behind_what_was_signed() -> None:
    """vc-di-eddsa section 3.3.2 step 4. What grew is not in the verified document."""
    document = signed_credential()
    context = value_at(document, ("@context",))
    assert isinstance(context, list)
    grown = with_value(document, ("@context",), [*context, "https://example.org/more"])
    assert verify_proof(grown, PUBLIC_KEY).document["@context"] == context
    turned = with_value(document, ("@context",), [context[1], context[0], *context[2:]])
    assert refused(turned).path == "@context"
    shorter = with_value(document, ("@context",), context[:2])
    assert refused(shorter).path == "@context"
    assert refused(without(document, ("@context",))).path == "@context"
    protected = with_value(document, ("@context", 2, "@protected"), 1)
    assert refused(protected).path == "@context"


def test_expiry_is_judged_only_at_a_given_moment() -> None:
    end = ISSUED_AT + timedelta(days=1)
    document = create_proof(unsigned_credential(), SIGNER, KEY, ISSUED_AT, expires=end)
    assert verify_proof(document, PUBLIC_KEY).expires == end
    assert verify_proof(document, PUBLIC_KEY, at=end - timedelta(seconds=1)).expires == end
    with pytest.raises(ProofError) as caught:
        verify_proof(document, PUBLIC_KEY, at=end)
    assert caught.value.code == "EXPIRED"


def test_the_purpose_asked_for_must_be_the_one_signed() -> None:
    document = create_proof(
        unsigned_credential(), SIGNER, KEY, ISSUED_AT, proof_purpose="authentication"
    )
    assert refused(document).path == "proof.proofPurpose"
    assert verify_proof(document, PUBLIC_KEY, proof_purpose="authentication").created == ISSUED_AT


def test_of_a_proof_set_the_named_proof_is_verified() -> None:
    unsigned = unsigned_credential()
    other_key = "did:pset:dev:2vXbLwEYaRpWW4p8G4yGFXsUo4Ae#other"
    mine = create_proof(unsigned, SIGNER, KEY, ISSUED_AT)["proof"]
    theirs = create_proof(unsigned, OTHER_SIGNER, other_key, ISSUED_AT)["proof"]
    document: JsonObject = {**unsigned, "proof": [theirs, mine]}
    result = verify_proof(document, PUBLIC_KEY, verification_method=KEY)
    assert (result.document, result.unchecked_count) == (unsigned, 1)
    assert refused(document).code == "MALFORMED"  # which one is meant?
    for proofs in ([mine, mine], [theirs]):
        with pytest.raises(ProofError) as caught:
            verify_proof({**unsigned, "proof": proofs}, PUBLIC_KEY, verification_method=KEY)
        assert caught.value.code == "MALFORMED"


def test_the_number_of_proofs_is_limited() -> None:
    document = signed_credential()
    document["proof"] = [document["proof"]] * (PROOFS_COUNT_MAX + 1)
    assert refused(document).path == "proof"


def test_signing_refuses_what_it_cannot_sign() -> None:
    signed = signed_credential()
    with pytest.raises(ProofError, match="already"):
        create_proof(signed, SIGNER, KEY, ISSUED_AT)
    with pytest.raises(ProofError, match="URL"):
        create_proof(unsigned_credential(), SIGNER, "issue-2026", ISSUED_AT)
    with pytest.raises(CredentialError):
        create_proof({"a": 2**60}, SIGNER, KEY, ISSUED_AT)
    with pytest.raises(ValueError, match="time zone"):
        create_proof({"a": 1}, SIGNER, KEY, ISSUED_AT.replace(tzinfo=None))


class ShortSigner:
    def sign(self, message: bytes) -> bytes:
        return message[:63]


def test_a_signer_that_returns_something_else_is_noticed() -> None:
    with pytest.raises(ValueError, match="no Ed25519 signature"):
        create_proof({"a": 1}, ShortSigner(), KEY, datetime(2026, 1, 1, tzinfo=UTC))


def test_errors_never_hold_a_value() -> None:
    secret = "Thandeka"
    document = copied(signed_credential())
    for name in ("type", "cryptosuite", "created", "verificationMethod", "proofValue"):
        error = refused(with_value(document, ("proof", name), f"z{secret} 0"))
        assert secret not in str(error)
