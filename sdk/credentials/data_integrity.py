# SPDX-License-Identifier: Apache-2.0
"""Data Integrity 1.0 proofs of the cryptosuite `eddsa-jcs-2022` (W3C vc-di-eddsa 1.0 section 3.3).

What is signed is SHA-256(JCS(proof configuration)) followed by SHA-256(JCS(document without its
proofs)): every byte of meaning in the document, whether or not a JSON-LD processor knows the term.

Rules of this file:
- Nothing is looked up. The caller finds the key that `verificationMethod` names, and decides
  whether it was the issuer's and valid at `created`; a result here says only that this key signed
  this document. What was verified is `ProofResult.document`: go on with that.
- A document may carry several proofs (a proof set); each signs the document without any of them.
  Proofs of other suites are counted and left alone, and so is never claimed that they hold.
- A proof chain (`previousProof`) is refused: the earlier proofs would be part of what is signed.
- `created` is optional in the standard and required here, because keys are judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Protocol, cast

import orjson

from ledger.model.keys import ED25519_SIGNATURE_SIZE, KeyType, verify_signature
from ledger.model.multibase import (
    MultibaseError,
    decode_multibase_base58btc,
    encode_multibase_base58btc,
)
from sdk.credentials.contexts import is_url
from sdk.credentials.instants import format_date_time_stamp, parse_date_time_stamp
from sdk.credentials.jcs import JsonObject, JsonValue, canonicalize, canonicalize_plain
from sdk.credentials.problems import MALFORMED, SIGNATURE_INVALID, ProofError, join_path

PROOF_TYPE: Final = "DataIntegrityProof"
EDDSA_JCS_2022: Final = "eddsa-jcs-2022"
ASSERTION: Final = "assertionMethod"
"""The purpose of a credential's proof; a presentation's is `authentication`."""

EXPIRED: Final = "EXPIRED"

PROOFS_COUNT_MAX: Final = 8
"""Proofs on one document."""


class ProofSigner(Protocol):
    """An Ed25519 private key that never leaves its place (file, encrypted file, hardware)."""

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature (RFC 8032, pure) of `message`."""
        ...


@dataclass(frozen=True, slots=True)
class Proof:
    """One `eddsa-jcs-2022` proof as it stands in a document, well-formed but not verified."""

    path: str
    options: Mapping[str, JsonValue]
    """The proof without its `proofValue`: what the signature covers."""
    verification_method: str
    """DID URL of the key."""
    proof_purpose: str
    created: datetime
    expires: datetime | None
    signature: bytes


@dataclass(frozen=True, slots=True)
class ProofResult:
    """A proof that verified, and the document it is about (without its proofs)."""

    document: JsonObject
    verification_method: str
    proof_purpose: str
    created: datetime
    expires: datetime | None
    canonical: bytes
    """RFC 8785 bytes of `document`: what was hashed."""
    unchecked_count: int
    """Further proofs on the document, which this verification said nothing about."""


def create_proof(
    document: Mapping[str, JsonValue],
    signer: ProofSigner,
    verification_method: str,
    created: datetime,
    *,
    proof_purpose: str = ASSERTION,
    expires: datetime | None = None,
) -> JsonObject:
    """The document with its proof, as its last member (vc-di-eddsa section 3.3.1).

    The same arguments give the same bytes: Ed25519 is deterministic and `created` is handed in.

    Raises:
        ProofError: MALFORMED; the document already has a proof, or the method is no URL.
        CredentialError: MALFORMED; the document has no RFC 8785 form.
        ValueError: an instant without time zone; a signer that returns no Ed25519 signature.
    """
    if "proof" in document:
        raise ProofError(MALFORMED, "proof", "the document already carries a proof")
    if not is_url(verification_method):
        raise ProofError(MALFORMED, "proof.verificationMethod", "not a URL")
    proof: JsonObject = {
        "type": PROOF_TYPE,
        "cryptosuite": EDDSA_JCS_2022,
        "created": format_date_time_stamp(created),
        "verificationMethod": verification_method,
        "proofPurpose": proof_purpose,
    }
    if expires is not None:
        proof["expires"] = format_date_time_stamp(expires)
    if "@context" in document:
        proof["@context"] = document["@context"]
    signature = signer.sign(compute_hash_data(document, proof))
    if len(signature) != ED25519_SIGNATURE_SIZE:
        raise ValueError("the signer returned no Ed25519 signature")
    proof["proofValue"] = encode_multibase_base58btc(signature)
    return {**document, "proof": proof}


def compute_hash_data(
    unsecured_document: Mapping[str, JsonValue], proof_options: Mapping[str, JsonValue]
) -> bytes:
    """The 64 bytes that are signed (vc-di-eddsa sections 3.3.3 to 3.3.5).

    Raises:
        CredentialError: MALFORMED; one of them has no RFC 8785 form.
    """
    return _hash_data(canonicalize(dict(unsecured_document)), canonicalize(dict(proof_options)))


def _hash_data(document: bytes, proof_options: bytes) -> bytes:
    return sha256(proof_options).digest() + sha256(document).digest()


def read_proofs(document: Mapping[str, JsonValue]) -> tuple[tuple[Proof, ...], int]:
    """The `eddsa-jcs-2022` proofs of a document, and the number of proofs of other kinds.

    Raises:
        ProofError: MALFORMED; no proof at all, too many, one that is no proof, or an
            `eddsa-jcs-2022` proof with a missing or wrong member.
    """
    secured = document.get("proof")
    if secured is None:
        raise ProofError(MALFORMED, "proof", "there is no proof")
    entries = secured if isinstance(secured, list) else [secured]
    if not 0 < len(entries) <= PROOFS_COUNT_MAX:
        raise ProofError(MALFORMED, "proof", f"1 to {PROOFS_COUNT_MAX} proofs are allowed")
    proofs: list[Proof] = []
    for index, entry in enumerate(entries):
        path = join_path("proof", index) if isinstance(secured, list) else "proof"
        if not isinstance(entry, dict):
            raise ProofError(MALFORMED, path, "a proof is an object")
        kind = _text(entry, path, "type")
        if kind != PROOF_TYPE:
            continue
        if _text(entry, path, "cryptosuite") == EDDSA_JCS_2022:
            proofs.append(_read_proof(entry, path))
    return tuple(proofs), len(entries) - len(proofs)


def verify_proof(
    document: Mapping[str, JsonValue],
    public_key: bytes,
    *,
    verification_method: str | None = None,
    proof_purpose: str = ASSERTION,
    at: datetime | None = None,
) -> ProofResult:
    """Verify the document's `eddsa-jcs-2022` proof (vc-di-eddsa section 3.3.2).

    Args:
        document: as `sdk.credentials.jcs.parse_object` read it: two readings of one text must not
            differ.
        public_key: 32 bytes, the Ed25519 key that `verificationMethod` names.
        verification_method: which proof of a proof set; without it there must be just one.
        proof_purpose: the purpose that the proof must state.
        at: when given, a proof whose `expires` is not after it is refused.

    Raises:
        ProofError: MALFORMED (no such proof, or malformed), EXPIRED, or SIGNATURE_INVALID (another
            purpose, a context that does not begin with the signed one, a wrong signature).
    """
    proofs, unsupported_count = read_proofs(document)
    chosen = [proof for proof in proofs if verification_method in {None, proof.verification_method}]
    if len(chosen) != 1:
        number = "no" if not chosen else "more than one"
        raise ProofError(MALFORMED, "proof", f"{number} proof of the suite {EDDSA_JCS_2022}")
    return verify_read_proof(
        document,
        chosen[0],
        public_key,
        proof_purpose=proof_purpose,
        at=at,
        unchecked_count=len(proofs) - 1 + unsupported_count,
    )


def verify_read_proof(
    document: Mapping[str, JsonValue],
    proof: Proof,
    public_key: bytes,
    *,
    proof_purpose: str = ASSERTION,
    at: datetime | None = None,
    unchecked_count: int = 0,
    is_plain: bool = False,
) -> ProofResult:
    """As `verify_proof`, of a proof that `read_proofs` found in this very document.

    `is_plain`: the document came from `sdk.credentials.jcs.parse_canonical_object`.

    Raises:
        ProofError: as `verify_proof`.
    """
    if proof.proof_purpose != proof_purpose:
        raise ProofError(
            SIGNATURE_INVALID, f"{proof.path}.proofPurpose", f"the purpose is not {proof_purpose}"
        )
    if at is not None and proof.expires is not None and proof.expires <= at:
        raise ProofError(EXPIRED, f"{proof.path}.expires", "the proof has expired")
    unsecured = {name: value for name, value in document.items() if name != "proof"}
    if "@context" in proof.options:
        signed_context = proof.options["@context"]
        if not _begins_with(unsecured.get("@context"), signed_context):
            raise ProofError(
                SIGNATURE_INVALID, "@context", "does not begin with the context that was signed"
            )
        unsecured["@context"] = signed_context
    write = canonicalize_plain if is_plain else canonicalize
    canonical = write(unsecured)
    hash_data = _hash_data(canonical, write(dict(proof.options)))
    if not verify_signature(KeyType.ED25519, public_key, hash_data, proof.signature):
        raise ProofError(
            SIGNATURE_INVALID, proof.path, "the signature does not match the content and the key"
        )
    return ProofResult(
        document=unsecured,
        verification_method=proof.verification_method,
        proof_purpose=proof.proof_purpose,
        created=proof.created,
        expires=proof.expires,
        canonical=canonical,
        unchecked_count=unchecked_count,
    )


def _read_proof(entry: JsonObject, path: str) -> Proof:
    if "previousProof" in entry:
        raise ProofError(MALFORMED, f"{path}.previousProof", "proof chains are not supported")
    for name in ("id", "nonce", "challenge", "domain"):
        if name in entry:
            _text(entry, path, name)
    verification_method = _text(entry, path, "verificationMethod")
    if not is_url(verification_method):
        raise ProofError(MALFORMED, f"{path}.verificationMethod", "not a URL")
    try:
        signature = decode_multibase_base58btc(
            _text(entry, path, "proofValue"), ED25519_SIGNATURE_SIZE
        )
    except MultibaseError:  # its text quotes the value
        raise ProofError(MALFORMED, f"{path}.proofValue", "not multibase base58btc") from None
    if len(signature) != ED25519_SIGNATURE_SIZE:
        raise ProofError(MALFORMED, f"{path}.proofValue", "not the size of an Ed25519 signature")
    return Proof(
        path=path,
        options={name: value for name, value in entry.items() if name != "proofValue"},
        verification_method=verification_method,
        proof_purpose=_text(entry, path, "proofPurpose"),
        created=_instant(entry, path, "created"),
        expires=_instant(entry, path, "expires") if "expires" in entry else None,
        signature=signature,
    )


def _text(entry: JsonObject, path: str, name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise ProofError(MALFORMED, f"{path}.{name}", "must be a text")
    return value


def _instant(entry: JsonObject, path: str, name: str) -> datetime:
    instant = parse_date_time_stamp(_text(entry, path, name))
    if instant is None:
        raise ProofError(MALFORMED, f"{path}.{name}", "must be a date and time with its offset")
    return instant


def _begins_with(context: JsonValue, signed: JsonValue) -> bool:
    """Whether `context` starts with all values of `signed` in the same order (step 4.1)."""
    # Compared as canonical bytes: Python holds 1, 1.0 and True for equal.
    have = cast("list[JsonValue]", context if isinstance(context, list) else [context])
    want = cast("list[JsonValue]", signed if isinstance(signed, list) else [signed])
    begin = have[: len(want)]
    try:
        if orjson.dumps(begin) == orjson.dumps(want):
            return True  # the usual case: the very same text
    except orjson.JSONEncodeError:
        return False
    return canonicalize(begin) == canonicalize(want)
