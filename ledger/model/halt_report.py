# SPDX-License-Identifier: Apache-2.0
"""A halt report: what one validator knows when nothing has been certified for long.

The holders named in genesis decide on a recovery from the reports of all validators: the highest
certificate among them, who voted for what above it, and whose log is longest. So a report is signed
with the peer key, and what can be checked in it is: the certificate, and that the vote is its own.
That it tells all it knows is its word; two different reports of one validator show that it is not.

Pure: no clock, no randomness, no files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from ledger.model.block import BlockHeader, QuorumCertificate, SignedVote, Validator, ValidatorSet
from ledger.model.certificate import CertificateError, verify_certificate, verify_vote
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_block_hash, halt_report_message
from ledger.model.keys import KeyType, verify_signature
from ledger.model.limits import (
    CERTIFICATE_SIZE_MAX,
    CHAIN_ID_SIZE_MAX,
    HALT_REPORT_SIZE_MAX,
    HASH_SIZE,
    HEADER_SIZE_MAX,
    NAME_SIZE_MAX,
    SIGNATURE_SIZE_MAX,
    VOTE_SIZE_MAX,
)
from ledger.model.private_key import PrivateKey
from ledger.model.proofs import CertifiedHead
from ledger.model.wire import EncodingError, message, octets, string, uint64

REPORT_MALFORMED: Final = "REPORT_MALFORMED"
REPORT_OTHER_CHAIN: Final = "REPORT_OTHER_CHAIN"
REPORT_UNSIGNED: Final = "REPORT_UNSIGNED"
REPORT_NOT_CERTIFIED: Final = "REPORT_NOT_CERTIFIED"
REPORT_VOTE_INVALID: Final = "REPORT_VOTE_INVALID"

_T = TypeVar("_T")


class HaltReportError(Exception):
    """A report that proves nothing. ``code`` is one of the names of this file."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


@message("HaltReport")
@dataclass(frozen=True, slots=True)
class HaltReport:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    chain_id: str = string(1, size_max=CHAIN_ID_SIZE_MAX)
    validator: str = string(2, size_max=NAME_SIZE_MAX)
    epoch: int = uint64(3)
    height: int = uint64(4)
    certified_head: bytes = octets(5, size_max=CERTIFICATE_SIZE_MAX + 2 * HEADER_SIZE_MAX)
    vote: bytes = octets(6, size_max=VOTE_SIZE_MAX)
    vote_signature: bytes = octets(7, size_max=SIGNATURE_SIZE_MAX)
    last_index: int = uint64(8)
    last_term: int = uint64(9)
    log_digest: bytes = octets(10, size_max=HASH_SIZE)
    time: int = uint64(11)


@message("SignedHaltReport")
@dataclass(frozen=True, slots=True)
class SignedHaltReport:
    """Canonical message; fields as in proto/psetledger/v1/ledger.proto."""

    report: bytes = octets(1, size_max=HALT_REPORT_SIZE_MAX)
    signature: bytes = octets(2, size_max=SIGNATURE_SIZE_MAX)


def make_halt_report(report: HaltReport, key: PrivateKey) -> bytes:
    """The canonical SignedHaltReport, signed with the validator's peer key."""
    encoded = encode(report)
    return encode(SignedHaltReport(encoded, key.sign(halt_report_message(encoded))))


def verify_halt_report(
    data: bytes,
    validator_set: ValidatorSet,
    *,
    chain_id: str,
    fault_model: str,
    genesis_header: bytes,
    certified_by: ValidatorSet | None = None,
) -> HaltReport:
    """Check a report from anybody; what it says.

    Args:
        data: canonical SignedHaltReport.
        validator_set: of the first height that is not certified.
        chain_id: of the ledger.
        fault_model: of genesis.
        genesis_header: canonical header of height 0.
        certified_by: validators of the newest certified height, where they are others.

    Raises:
        HaltReportError: REPORT_MALFORMED, REPORT_OTHER_CHAIN, REPORT_UNSIGNED,
            REPORT_NOT_CERTIFIED, REPORT_VOTE_INVALID.
    """
    signed = _decode(SignedHaltReport, data, 2 * HALT_REPORT_SIZE_MAX)
    report = _decode(HaltReport, signed.report, HALT_REPORT_SIZE_MAX)
    if report.chain_id != chain_id:
        raise HaltReportError(REPORT_OTHER_CHAIN, f"the report is of {report.chain_id}")
    validator = _find_validator(validator_set, report.validator)
    if not verify_signature(
        KeyType.ED25519, validator.peer_key, halt_report_message(signed.report), signed.signature
    ):
        raise HaltReportError(
            REPORT_UNSIGNED, f"the signature under the report is not {validator.id}'s"
        )
    if len(report.log_digest) not in {0, HASH_SIZE}:
        raise HaltReportError(REPORT_MALFORMED, f"the log digest has not {HASH_SIZE} bytes")
    _check_head(report, certified_by or validator_set, fault_model, genesis_header)
    _check_vote(report, validator_set, certified_by)
    return report


def _check_head(
    report: HaltReport, validator_set: ValidatorSet, fault_model: str, genesis_header: bytes
) -> None:
    head = _decode(CertifiedHead, report.certified_head, HALT_REPORT_SIZE_MAX)
    header = _decode(BlockHeader, head.header, HEADER_SIZE_MAX)
    if (header.chain_id, header.height) != (report.chain_id, report.height):
        raise HaltReportError(REPORT_NOT_CERTIFIED, "the header is of another height or chain")
    if header.height == 0:
        if head.header != genesis_header or head.certificate:
            raise HaltReportError(REPORT_NOT_CERTIFIED, "this is not block 0")
        return
    certificate = _decode(QuorumCertificate, head.certificate, CERTIFICATE_SIZE_MAX)
    try:
        vote = verify_certificate(
            certificate, validator_set, chain_id=report.chain_id, fault_model=fault_model
        )
    except CertificateError as error:
        raise HaltReportError(REPORT_NOT_CERTIFIED, f"{error.code}: {error.text}") from error
    if (vote.block_hash, vote.epoch, vote.height) != (
        compute_block_hash(head.header),
        header.epoch,
        header.height,
    ):
        raise HaltReportError(REPORT_NOT_CERTIFIED, "the certificate is of another block")


def _check_vote(
    report: HaltReport, validator_set: ValidatorSet, certified_by: ValidatorSet | None
) -> None:
    if not report.vote:
        if report.vote_signature:
            raise HaltReportError(REPORT_VOTE_INVALID, "a signature without a vote")
        return
    signed = SignedVote(report.vote, report.validator, report.vote_signature)
    try:
        vote = verify_vote(signed, validator_set)
    except CertificateError as error:
        # It may have replaced its vote key since: the older set decides about an older vote.
        if certified_by is None:
            raise HaltReportError(REPORT_VOTE_INVALID, error.text) from error
        try:
            vote = verify_vote(signed, certified_by)
        except CertificateError as older:
            raise HaltReportError(REPORT_VOTE_INVALID, older.text) from older
    if vote.chain_id != report.chain_id or vote.epoch > report.epoch:
        raise HaltReportError(REPORT_VOTE_INVALID, "the vote is of another chain or a later epoch")
    if vote.height > report.height + 1:
        # One block in flight: nobody honest votes above the block after the newest certified one.
        raise HaltReportError(REPORT_VOTE_INVALID, "the vote skips a height")


def _find_validator(validator_set: ValidatorSet, name: str) -> Validator:
    for validator in validator_set.validators:
        if validator.id == name:
            return validator
    raise HaltReportError(REPORT_UNSIGNED, f"{name or 'nobody'} is no validator")


def _decode(cls: type[_T], data: bytes, size_max: int) -> _T:
    try:
        return decode(cls, data, size_max=size_max)
    except EncodingError as error:
        raise HaltReportError(REPORT_MALFORMED, f"{cls.__name__}: {error}") from error
