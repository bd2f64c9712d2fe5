# SPDX-License-Identifier: Apache-2.0
"""Quorum certificates: how many validators finalise a block, and the proof that they did.

Rules of this file:
- A certificate is one canonical `Vote` and the signatures of at least `quorum_size` validators
  under it. Who signed is written as bits over the validators sorted by id, the first validator the
  most significant bit of the first byte; exactly ceil(n/8) bytes, the unused low bits zero. So one
  set of signers has one form.
- The scheme follows from the validators' keys: all BLS12-381 (one aggregate in `signature`,
  `signatures` empty) or all Ed25519 (one signature for each set bit in `signatures`, `signature`
  empty). A set that mixes them certifies nothing.
- Aggregates are safe from rogue keys only because the proof of possession of every vote key was
  verified when the set was accepted (genesis, governance): a `ValidatorSet` from anywhere else
  proves nothing here (draft-irtf-cfrg-bls-signature-05 §3.3).
- Certificates are compared by their vote bytes: two of them may differ in who signed.
- Phase COMMIT and round 0 are all that protocol version 1 knows; anything else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NoReturn

from ledger.model import bls
from ledger.model.block import (
    QuorumCertificate,
    SignedVote,
    Validator,
    ValidatorSet,
    Vote,
    VotePhase,
)
from ledger.model.codec import decode
from ledger.model.hashes import vote_message
from ledger.model.keys import KeyType, verify_signature
from ledger.model.limits import HASH_SIZE, VALIDATORS_COUNT_MAX, VOTE_SIZE_MAX
from ledger.model.wire import EncodingError

VOTE_MALFORMED: Final = "VOTE_MALFORMED"
VALIDATORS_INVALID: Final = "VALIDATORS_INVALID"
"""No set of validators that could certify anything; not the fault of whoever sent a certificate."""
VALIDATOR_UNKNOWN: Final = "VALIDATOR_UNKNOWN"
CHAIN_MISMATCH: Final = "CHAIN_MISMATCH"
SIGNER_BITS_INVALID: Final = "SIGNER_BITS_INVALID"
TOO_FEW_SIGNERS: Final = "TOO_FEW_SIGNERS"
SIGNATURE_FORM: Final = "SIGNATURE_FORM"
"""Signatures in another form than the validators' keys ask for."""
SIGNATURE_INVALID: Final = "SIGNATURE_INVALID"


class FaultModel(StrEnum):
    """What the network assumes of its validators; fixed in genesis."""

    CRASH = "crash"
    """They may stop, but never lie: a majority decides."""
    BYZANTINE = "byzantine"
    """Up to a third may lie: any two quorums share an honest validator."""


class CertificateError(Exception):
    """A vote or certificate that proves nothing.

    ``code`` is one of the names of this file, ``text`` says what is wrong. Whoever served it is at
    fault (but for VALIDATORS_INVALID): keep the bytes as evidence.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


def quorum_size(validators_count: int, fault_model: str) -> int:
    """Validators that must sign: a majority (crash), or ⌊(n+f)/2⌋+1 with f = ⌊(n-1)/3⌋ (byzantine).

    Raises:
        ValueError: not between 1 and VALIDATORS_COUNT_MAX validators, or an unknown fault model.
    """
    if not 1 <= validators_count <= VALIDATORS_COUNT_MAX:
        raise ValueError(f"a set of {validators_count} validators")
    match FaultModel(fault_model):
        case FaultModel.CRASH:
            return validators_count // 2 + 1
        case FaultModel.BYZANTINE:
            faults = (validators_count - 1) // 3
            return (validators_count + faults) // 2 + 1


def validators_sorted(validator_set: ValidatorSet) -> tuple[Validator, ...]:
    """The validators by ascending id, as the signer bits count them.

    Raises:
        CertificateError: VALIDATORS_INVALID: none, too many, or two with one id or one vote key
            (a key that counts twice would be a quorum of fewer).
    """
    validators = tuple(sorted(validator_set.validators, key=lambda validator: validator.id))
    ids = {validator.id for validator in validators}
    keys = {validator.vote_key for validator in validators}
    if not 1 <= len(ids) == len(keys) == len(validators) <= VALIDATORS_COUNT_MAX:
        raise CertificateError(
            VALIDATORS_INVALID,
            f"no set of 1 to {VALIDATORS_COUNT_MAX} validators with an id and a vote key each",
        )
    return validators


def assemble_certificate(
    vote: bytes, votes: Mapping[str, bytes], validator_set: ValidatorSet
) -> QuorumCertificate:
    """Join the signatures (by validator id) under one vote into a certificate.

    The signatures are not verified and not counted here: verify each with `verify_vote` when it
    arrives, or the certificate with `verify_certificate` and, only if that fails, search the
    culprits with `find_invalid_votes`.

    Raises:
        CertificateError: VALIDATORS_INVALID, VALIDATOR_UNKNOWN, SIGNATURE_FORM (no signatures, or
            one that is no point of the curve).
    """
    validators = validators_sorted(validator_set)
    scheme = _scheme(validators)
    unknown = sorted(votes.keys() - {validator.id for validator in validators})
    if unknown:
        raise CertificateError(VALIDATOR_UNKNOWN, f"{unknown[0]} is no validator of this set")
    signers = [validator.id in votes for validator in validators]
    signatures = tuple(votes[validator.id] for validator in validators if validator.id in votes)
    bits = _encode_signer_bits(signers)
    if scheme is KeyType.ED25519:
        return QuorumCertificate(vote=vote, signer_bits=bits, signatures=signatures)
    try:
        aggregate = bls.aggregate(signatures)
    except ValueError as error:
        raise CertificateError(SIGNATURE_FORM, str(error)) from error
    return QuorumCertificate(vote=vote, signer_bits=bits, signature=aggregate)


def verify_certificate(
    certificate: QuorumCertificate,
    validator_set: ValidatorSet,
    *,
    chain_id: str,
    fault_model: str,
) -> Vote:
    """Check that a quorum of this validator set signed; return the vote they signed.

    That the vote speaks of the block and height one asked for is the caller's check.

    Raises:
        CertificateError: VOTE_MALFORMED, CHAIN_MISMATCH, SIGNER_BITS_INVALID, TOO_FEW_SIGNERS,
            SIGNATURE_FORM, SIGNATURE_INVALID, VALIDATORS_INVALID.
    """
    vote = decode_vote(certificate.vote)
    if vote.chain_id != chain_id:
        raise CertificateError(CHAIN_MISMATCH, f"the vote is of {vote.chain_id}, not of {chain_id}")
    validators = validators_sorted(validator_set)
    signers = _decode_signer_bits(certificate.signer_bits, validators)
    needed = quorum_size(len(validators), fault_model)
    if len(signers) < needed:
        raise CertificateError(
            TOO_FEW_SIGNERS,
            f"{len(signers)} of {len(validators)} validators signed, {needed} must",
        )
    if _scheme(validators) is KeyType.BLS12381:
        _verify_aggregate(certificate, signers)
    else:
        _verify_list(certificate, signers)
    return vote


def get_signers(certificate: QuorumCertificate, validator_set: ValidatorSet) -> tuple[str, ...]:
    """Ids of the validators whose bits are set, ascending. No signature is verified.

    Raises:
        CertificateError: SIGNER_BITS_INVALID, VALIDATORS_INVALID.
    """
    validators = validators_sorted(validator_set)
    return tuple(v.id for v in _decode_signer_bits(certificate.signer_bits, validators))


def verify_vote(signed_vote: SignedVote, validator_set: ValidatorSet) -> Vote:
    """Check one validator's signature under a vote; return the vote.

    Chain, epoch, height and block are the caller's checks.

    Raises:
        CertificateError: VOTE_MALFORMED, VALIDATOR_UNKNOWN, SIGNATURE_INVALID.
    """
    vote = decode_vote(signed_vote.vote)
    for validator in validator_set.validators:
        if validator.id == signed_vote.validator:
            if not _is_signed(validator, signed_vote.vote, signed_vote.signature):
                raise CertificateError(
                    SIGNATURE_INVALID, f"the signature of {validator.id} under its vote is wrong"
                )
            return vote
    raise CertificateError(
        VALIDATOR_UNKNOWN, f"{signed_vote.validator} is no validator of this set"
    )


def find_invalid_votes(
    vote: bytes, votes: Mapping[str, bytes], validator_set: ValidatorSet
) -> tuple[str, ...]:
    """Ids, ascending, of those whose signature under this vote is wrong or who are no validators.

    One verification a vote: for when an assembled certificate does not verify.
    """
    by_id = {validator.id: validator for validator in validator_set.validators}
    return tuple(
        name
        for name in sorted(votes)
        if name not in by_id or not _is_signed(by_id[name], vote, votes[name])
    )


def decode_vote(data: bytes) -> Vote:
    """Read a vote and check all that needs nothing else.

    Raises:
        CertificateError: VOTE_MALFORMED: not canonical, a hash of another size, or a phase or
            round that protocol version 1 does not know.
    """
    try:
        vote = decode(Vote, data, size_max=VOTE_SIZE_MAX)
    except EncodingError as error:
        raise CertificateError(VOTE_MALFORMED, str(error)) from error
    hashes = (vote.block_hash, vote.state_root, vote.receipts_root, vote.log_root)
    if any(len(held) != HASH_SIZE for held in hashes):
        raise CertificateError(VOTE_MALFORMED, f"a hash that has not {HASH_SIZE} bytes")
    if vote.phase is not VotePhase.COMMIT or vote.round != 0:
        raise CertificateError(VOTE_MALFORMED, "not a COMMIT vote of round 0")
    return vote


def _scheme(validators: Sequence[Validator]) -> KeyType:
    types = {validator.vote_key_type for validator in validators}
    if types == {KeyType.BLS12381}:
        return KeyType.BLS12381
    if types == {KeyType.ED25519}:
        return KeyType.ED25519
    raise CertificateError(VALIDATORS_INVALID, "vote keys of several or unsuited types")


def _encode_signer_bits(signers: Sequence[bool]) -> bytes:
    bits = bytearray((len(signers) + 7) // 8)
    for index, is_signer in enumerate(signers):
        if is_signer:
            bits[index // 8] |= 0x80 >> index % 8
    return bytes(bits)


def _decode_signer_bits(bits: bytes, validators: Sequence[Validator]) -> list[Validator]:
    count = len(validators)
    if len(bits) != (count + 7) // 8:
        raise CertificateError(
            SIGNER_BITS_INVALID, f"{len(bits)} bytes of signer bits for {count} validators"
        )
    if int.from_bytes(bits, "big") & ((1 << len(bits) * 8 - count) - 1):
        raise CertificateError(SIGNER_BITS_INVALID, "an unused signer bit is set")
    return [v for index, v in enumerate(validators) if bits[index // 8] & 0x80 >> index % 8]


def _verify_aggregate(certificate: QuorumCertificate, signers: Sequence[Validator]) -> None:
    if certificate.signatures:
        raise CertificateError(SIGNATURE_FORM, "a list of signatures beside an aggregate")
    if len(certificate.signature) != bls.SIGNATURE_SIZE:
        raise CertificateError(
            SIGNATURE_FORM, f"an aggregate of {len(certificate.signature)} bytes"
        )
    keys = [validator.vote_key for validator in signers]
    if not bls.fast_aggregate_verify(keys, vote_message(certificate.vote), certificate.signature):
        _refuse_signature("the aggregate signature is not that of the named validators")


def _verify_list(certificate: QuorumCertificate, signers: Sequence[Validator]) -> None:
    if certificate.signature:
        raise CertificateError(SIGNATURE_FORM, "an aggregate beside a list of signatures")
    if len(certificate.signatures) != len(signers):
        raise CertificateError(
            SIGNATURE_FORM, f"{len(certificate.signatures)} signatures of {len(signers)} signers"
        )
    for validator, signature in zip(signers, certificate.signatures, strict=True):
        if not _is_signed(validator, certificate.vote, signature):
            _refuse_signature(f"the signature of {validator.id} is wrong")


def _is_signed(validator: Validator, vote: bytes, signature: bytes) -> bool:
    return verify_signature(
        validator.vote_key_type, validator.vote_key, vote_message(vote), signature
    )


def _refuse_signature(text: str) -> NoReturn:
    raise CertificateError(SIGNATURE_INVALID, text)
