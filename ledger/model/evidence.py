# SPDX-License-Identifier: Apache-2.0
"""What proves that a validator lied, and what is only a reason to ask it.

A piece of evidence is *proof* when its bytes alone, and the validators of its height, convict: what
contradicts itself is signed by the one who is accused. It is a *suspicion* when part of it is the
witness's word. Anybody can check a piece without a node (`verify_evidence`).

    DOUBLE_VOTE           proof: one key signed two votes for one (epoch, height, round). A vote is
                          given once; a restored backup or a copied machine that votes is a liar too.
    CERTIFICATE_CONFLICT  proof against who signed both: two certificates for one (epoch, height)
                          with different votes.
    INVALID_PROPOSAL      proof if the header, which the signature covers, cannot be one of an honest
                          validator of that set, or if a transaction that lies under its `tx_root` can
                          never enter a block. Else a suspicion: that the witness's state or clock
                          refused it is the witness's word. What the signature does not cover (the
                          transactions of another block, the parent's certificate) accuses nobody.
    DOUBLE_PROPOSAL       suspicion: an honest proposer who lost the lead and won it back may propose
                          another block at a height. In one Raft term he does not; but the term is
                          not signed, so it is the witness's word.
    CONFLICTING_APPEND    suspicion: the ordering's messages are not signed.

Pure: no clock, no randomness, no files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final, TypeVar

from ledger.model.block import (
    BlockHeader,
    QuorumCertificate,
    SignedVote,
    Validator,
    ValidatorSet,
    Vote,
)
from ledger.model.canonical_json import JsonObject
from ledger.model.certificate import (
    CertificateError,
    get_signers,
    verify_certificate,
    verify_vote,
)
from ledger.model.codec import decode, encode
from ledger.model.hashes import (
    compute_block_hash,
    compute_evidence_digest,
    compute_validators_hash,
    proposal_message,
)
from ledger.model.keys import KeyType, verify_signature
from ledger.model.limits import (
    BLOCK_TRANSACTIONS_COUNT_MAX,
    CERTIFICATE_SIZE_MAX,
    CHAIN_ID_SIZE_MAX,
    EVIDENCE_SIZE_MAX,
    HASH_SIZE,
    HEADER_SIZE_MAX,
    LOG_PROOF_COUNT_MAX,
    NAME_SIZE_MAX,
    SIGNATURE_SIZE_MAX,
    TEXT_SIZE_MAX,
    TRANSACTION_SIZE_MAX,
)
from ledger.model.merkle_log import EMPTY_ROOT, MerkleProofError, leaf_hash, verify_inclusion
from ledger.model.transaction_check import TransactionRefusedError, check_transaction
from ledger.model.wire import (
    EncodingError,
    enumeration,
    message,
    octets,
    repeated,
    string,
    uint32,
    uint64,
)

EVIDENCE_MALFORMED: Final = "EVIDENCE_MALFORMED"
EVIDENCE_OTHER_CHAIN: Final = "EVIDENCE_OTHER_CHAIN"
EVIDENCE_UNSIGNED: Final = "EVIDENCE_UNSIGNED"
"""A part is not signed by the validator it is said to be of, or nobody's of this set."""
EVIDENCE_SHOWS_NOTHING: Final = "EVIDENCE_SHOWS_NOTHING"
"""Well signed, and what an honest validator may sign."""

FORMAT: Final = "psetledger-evidence/1"

_T = TypeVar("_T")


class EvidenceKind(IntEnum):
    """See proto/psetledger/v1/ledger.proto."""

    DOUBLE_VOTE = 1
    DOUBLE_PROPOSAL = 2
    CERTIFICATE_CONFLICT = 3
    INVALID_PROPOSAL = 4
    CONFLICTING_APPEND = 5

    @property
    def label(self) -> str:
        """The word for it in texts and files: `double-vote`."""
        return self.name.lower().replace("_", "-")


class Weight(StrEnum):
    """How much a piece of evidence shows."""

    PROOF = "proof"
    SUSPICION = "suspicion"


class EvidenceError(Exception):
    """A piece that accuses nobody. ``code`` is one of the names of this file."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


@message("SignedHeader")
@dataclass(frozen=True, slots=True)
class SignedHeader:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    header: bytes = octets(1, size_max=HEADER_SIZE_MAX)
    round: int = uint64(2)
    signature: bytes = octets(3, size_max=SIGNATURE_SIZE_MAX)


@message("Evidence")
@dataclass(frozen=True, slots=True)
class Evidence:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    chain_id: str = string(1, size_max=CHAIN_ID_SIZE_MAX)
    kind: EvidenceKind = enumeration(2, EvidenceKind)
    validator: str = string(3, size_max=NAME_SIZE_MAX)
    epoch: int = uint64(4)
    height: int = uint64(5)
    first: bytes = octets(6, size_max=CERTIFICATE_SIZE_MAX)
    second: bytes = octets(7, size_max=CERTIFICATE_SIZE_MAX)
    transaction: bytes = octets(8, size_max=TRANSACTION_SIZE_MAX)
    transaction_index: int = uint32(9)
    transaction_path: tuple[bytes, ...] = repeated(
        10, bytes, count_max=LOG_PROOF_COUNT_MAX, size_max=HASH_SIZE
    )
    witness: str = string(11, size_max=NAME_SIZE_MAX)
    time: int = uint64(12)
    first_term: int = uint64(13)
    second_term: int = uint64(14)
    reason: str = string(15, size_max=TEXT_SIZE_MAX)

    @property
    def digest(self) -> bytes:
        """Equal for what says the same, whoever witnessed it, when, and in which order; 32 bytes."""
        first, second = self.first, self.second
        if self.kind is not EvidenceKind.CONFLICTING_APPEND and second:
            first, second = sorted((first, second))
        bare = replace(
            self,
            first=first,
            second=second,
            witness="",
            time=0,
            first_term=0,
            second_term=0,
            reason="",
        )
        return compute_evidence_digest(encode(bare))


@dataclass(frozen=True, slots=True)
class Accusation:
    """What a piece of evidence shows."""

    kind: EvidenceKind
    weight: Weight
    validators: tuple[str, ...]
    """Ids of who is accused, ascending."""
    epoch: int
    height: int
    text: str
    """For people: what they did. Names validators, heights and hashes only."""


def decode_evidence(data: bytes) -> Evidence:
    """Read a piece of evidence. Raises EvidenceError: EVIDENCE_MALFORMED."""
    return _decode(Evidence, data, EVIDENCE_SIZE_MAX)


def verify_evidence(
    evidence: Evidence, validator_set: ValidatorSet, *, chain_id: str, fault_model: str
) -> Accusation:
    """Check a piece of evidence; what it shows.

    Args:
        evidence: from anybody.
        validator_set: of the piece's height, from a source that the caller trusts.
        chain_id: of the ledger.
        fault_model: of genesis; how many must have signed a certificate.

    Raises:
        EvidenceError: EVIDENCE_MALFORMED, EVIDENCE_OTHER_CHAIN, EVIDENCE_UNSIGNED,
            EVIDENCE_SHOWS_NOTHING.
    """
    if evidence.chain_id != chain_id:
        raise EvidenceError(EVIDENCE_OTHER_CHAIN, f"the evidence is of {evidence.chain_id}")
    match evidence.kind:
        case EvidenceKind.DOUBLE_VOTE:
            return _verify_double_vote(evidence, validator_set)
        case EvidenceKind.CERTIFICATE_CONFLICT:
            return _verify_certificates(evidence, validator_set, fault_model)
        case EvidenceKind.DOUBLE_PROPOSAL:
            return _verify_double_proposal(evidence, validator_set)
        case EvidenceKind.INVALID_PROPOSAL:
            return _verify_invalid_proposal(evidence, validator_set)
        case EvidenceKind.CONFLICTING_APPEND:
            return _verify_conflicting_append(evidence, validator_set)


def _verify_double_vote(evidence: Evidence, validator_set: ValidatorSet) -> Accusation:
    votes: list[Vote] = []
    for part in (evidence.first, evidence.second):
        signed = _decode(SignedVote, part, CERTIFICATE_SIZE_MAX)
        if signed.validator != evidence.validator:
            raise _malformed("a vote of another validator than the one accused")
        try:
            vote = verify_vote(signed, validator_set)
        except CertificateError as error:
            raise EvidenceError(EVIDENCE_UNSIGNED, error.text) from error
        _check_place(evidence, vote.chain_id, vote.epoch, vote.height)
        votes.append(vote)
    first, second = votes
    if first == second:
        raise EvidenceError(EVIDENCE_SHOWS_NOTHING, "twice the same vote")
    # Round and phase have one value each that decodes (`decode_vote`), so both are for one place.
    same_block = first.block_hash == second.block_hash
    return _accuse(
        evidence,
        Weight.PROOF,
        (evidence.validator,),
        f"{evidence.validator} voted twice at height {evidence.height}: "
        + (
            f"for two results of block {first.block_hash.hex()[:16]}"
            if same_block
            else f"for blocks {first.block_hash.hex()[:16]} and {second.block_hash.hex()[:16]}"
        ),
    )


def _verify_certificates(
    evidence: Evidence, validator_set: ValidatorSet, fault_model: str
) -> Accusation:
    if evidence.validator:
        raise _malformed("a certificate conflict accuses who signed, not one by name")
    votes: list[Vote] = []
    signers: list[set[str]] = []
    for part in (evidence.first, evidence.second):
        certificate = _decode(QuorumCertificate, part, CERTIFICATE_SIZE_MAX)
        try:
            vote = verify_certificate(
                certificate, validator_set, chain_id=evidence.chain_id, fault_model=fault_model
            )
            signers.append({*get_signers(certificate, validator_set)})
        except CertificateError as error:
            raise EvidenceError(EVIDENCE_UNSIGNED, f"{error.code}: {error.text}") from error
        _check_place(evidence, vote.chain_id, vote.epoch, vote.height)
        votes.append(vote)
    if votes[0] == votes[1]:
        raise EvidenceError(EVIDENCE_SHOWS_NOTHING, "both certificates are of one vote")
    both = tuple(sorted(signers[0] & signers[1]))
    return _accuse(
        evidence,
        Weight.PROOF,
        both,
        f"two certificates at height {evidence.height} have different votes; "
        f"{', '.join(both)} signed both",
    )


def _verify_double_proposal(evidence: Evidence, validator_set: ValidatorSet) -> Accusation:
    hashes: list[bytes] = []
    for part in (evidence.first, evidence.second):
        signed, header = _verify_header(evidence, part, validator_set)
        if header.proposer != evidence.validator:
            raise _malformed("a header of another proposer than the one accused")
        hashes.append(compute_block_hash(signed.header))
    if hashes[0] == hashes[1]:
        raise EvidenceError(EVIDENCE_SHOWS_NOTHING, "twice the same block")
    terms = (evidence.first_term, evidence.second_term)
    told = (
        f"both in term {terms[0]}, says {evidence.witness}"
        if terms[0] == terms[1] != 0
        else "an honest proposer does so only after losing the lead"
    )
    return _accuse(
        evidence,
        Weight.SUSPICION,
        (evidence.validator,),
        f"{evidence.validator} proposed two blocks at height {evidence.height}, "
        f"{hashes[0].hex()[:16]} and {hashes[1].hex()[:16]}; {told}",
    )


def _verify_invalid_proposal(evidence: Evidence, validator_set: ValidatorSet) -> Accusation:
    if evidence.second:
        raise _malformed("an invalid proposal is one header")
    _, header = _verify_header(evidence, evidence.first, validator_set)
    fault = find_header_fault(header, validator_set, evidence.validator)
    if not fault and evidence.transaction:
        fault = _find_transaction_fault(evidence, header)
    if not fault and not evidence.reason:
        raise EvidenceError(EVIDENCE_SHOWS_NOTHING, "nothing is wrong with the header")
    text = fault or f"{evidence.reason} (says {evidence.witness})"
    return _accuse(
        evidence,
        Weight.PROOF if fault else Weight.SUSPICION,
        (evidence.validator,),
        f"{evidence.validator} proposed a block at height {evidence.height} that cannot be: {text}",
    )


def _verify_conflicting_append(evidence: Evidence, validator_set: ValidatorSet) -> Accusation:
    _find_validator(validator_set, evidence.validator)
    for part in (evidence.first, evidence.second):
        if part:
            _verify_header(evidence, part, validator_set, by_accused=False)
    if evidence.first and evidence.first == evidence.second:
        raise EvidenceError(EVIDENCE_SHOWS_NOTHING, "twice the same block")
    if not evidence.reason:
        raise _malformed("the witness does not say what conflicts")
    return _accuse(
        evidence,
        Weight.SUSPICION,
        (evidence.validator,),
        f"{evidence.validator} asked {evidence.witness} to replace what is committed at height "
        f"{evidence.height}: {evidence.reason}",
    )


def find_header_fault(header: BlockHeader, validator_set: ValidatorSet, signer: str) -> str:
    """What no header signed by `signer`, a validator of this set, may say; empty: nothing.

    Only what follows from the header and the set, whoever looks and whenever.
    """
    hashes = (
        header.parent_hash,
        header.tx_root,
        header.validators_hash,
        header.next_validators_hash,
    )
    if any(len(value) != HASH_SIZE for value in hashes):
        return f"a hash has not {HASH_SIZE} bytes"
    if header.height == 0:
        return "block 0 follows from genesis"
    if header.proposer != signer:
        return f"it names {header.proposer or 'nobody'} as its proposer"
    if header.tx_count > BLOCK_TRANSACTIONS_COUNT_MAX:
        return f"{header.tx_count} transactions, {BLOCK_TRANSACTIONS_COUNT_MAX} are allowed"
    if (header.tx_count == 0) != (header.tx_root == EMPTY_ROOT):
        return "the number of transactions and their root contradict each other"
    if header.validators_hash != compute_validators_hash(encode(validator_set)):
        return "it names other validators"
    return ""


def _find_transaction_fault(evidence: Evidence, header: BlockHeader) -> str:
    try:
        verify_inclusion(
            header.tx_root,
            header.tx_count,
            evidence.transaction_index,
            leaf_hash(evidence.transaction),
            evidence.transaction_path,
        )
    except MerkleProofError as error:
        raise EvidenceError(
            EVIDENCE_SHOWS_NOTHING, f"the transaction is not in the block: {error}"
        ) from error
    try:
        check_transaction(evidence.transaction, chain_id=evidence.chain_id)
    except TransactionRefusedError as error:
        # The code alone: its text could grow into naming what stands in the transaction.
        return f"transaction {evidence.transaction_index} is refused with {error.code.name}"
    return ""


def _verify_header(
    evidence: Evidence, part: bytes, validator_set: ValidatorSet, *, by_accused: bool = True
) -> tuple[SignedHeader, BlockHeader]:
    signed = _decode(SignedHeader, part, CERTIFICATE_SIZE_MAX)
    header = _decode(BlockHeader, signed.header, HEADER_SIZE_MAX)
    _check_place(evidence, header.chain_id, header.epoch, header.height)
    name = evidence.validator if by_accused else header.proposer
    validator = _find_validator(validator_set, name)
    content = proposal_message(compute_block_hash(signed.header), signed.round)
    if not verify_signature(KeyType.ED25519, validator.peer_key, content, signed.signature):
        raise EvidenceError(EVIDENCE_UNSIGNED, f"the signature under the header is not {name}'s")
    return signed, header


def _find_validator(validator_set: ValidatorSet, name: str) -> Validator:
    for validator in validator_set.validators:
        if validator.id == name:
            return validator
    raise EvidenceError(EVIDENCE_UNSIGNED, f"{name or 'nobody'} is no validator of this set")


def _check_place(evidence: Evidence, chain_id: str, epoch: int, height: int) -> None:
    if chain_id != evidence.chain_id:
        raise EvidenceError(EVIDENCE_OTHER_CHAIN, f"a part of the evidence is of {chain_id}")
    if (epoch, height) != (evidence.epoch, evidence.height):
        raise _malformed(f"a part of the evidence is of epoch {epoch}, height {height}")


def _accuse(
    evidence: Evidence, weight: Weight, validators: tuple[str, ...], text: str
) -> Accusation:
    return Accusation(evidence.kind, weight, validators, evidence.epoch, evidence.height, text)


def describe_evidence(evidence: Evidence, accusation: Accusation) -> JsonObject:
    """A piece for people and programs that show it: what it shows, and the digest that names it.

    The bytes themselves, which may hold a transaction, are not in it.
    """
    return {
        "format": FORMAT,
        "kind": accusation.kind.label,
        "weight": accusation.weight.value,
        "validators": list(accusation.validators),
        "chain_id": evidence.chain_id,
        "epoch": accusation.epoch,
        "height": accusation.height,
        "text": accusation.text,
        "witness": evidence.witness,
        "time": evidence.time,
        "digest": evidence.digest.hex(),
    }


def _malformed(text: str) -> EvidenceError:
    return EvidenceError(EVIDENCE_MALFORMED, text)


def _decode(cls: type[_T], data: bytes, size_max: int) -> _T:
    try:
        return decode(cls, data, size_max=size_max)
    except EncodingError as error:
        raise _malformed(f"{cls.__name__}: {error}") from error
