# SPDX-License-Identifier: Apache-2.0
"""From the validators of genesis to those of today: each change certified by those before it. Pure.

Block c names in `next_validators_hash` who certifies c + 1. Where that is another set, the certified
head of c and the set itself are one step: a quorum of the old set has said who follows it.

Rules of this file:
- Each step is verified under the set that the one before it leads to, never under its own. Steps
  rise; none is left out, as each head names by hash the set that certifies it.
- The set is believed because of the certified hash alone. So its proofs of possession are not
  verified again: the validators that certified the hash executed its admission, which verifies them.
- All steps hold or none does: `extend_trust` gives a new trust root or raises ProofError.
- Nothing protects a client that knows genesis only from a quorum of validators that were removed and
  whose keys are in one hand since: from there two chains can be proven. Who has seen a change does not
  go behind it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from ledger.model.block import ValidatorSet
from ledger.model.certificate import CertificateError, validators_sorted
from ledger.model.hashes import compute_validators_hash
from ledger.model.limits import (
    TRUST_PATH_COUNT_MAX,
    TRUST_STEP_SIZE_MAX,
    TRUSTED_SETS_COUNT_MAX,
    VALIDATOR_SET_SIZE_MAX,
)
from ledger.model.proofs import TrustStep
from ledger.model.verification import (
    CERTIFICATE_INVALID,
    HEAD_MISMATCH,
    MALFORMED,
    NOT_CERTIFIED,
    OTHER_CHAIN,
    ProofError,
    TrustedSet,
    TrustRoot,
    decode_header,
    decode_message,
    verify_head,
)

PATH_TOO_LONG: Final = "PATH_TOO_LONG"
PATH_TRUNCATED: Final = "PATH_TRUNCATED"
"""A step is left out, or the path ends before the head that it was to explain."""
STEP_REPEATED: Final = "STEP_REPEATED"
STEPS_OUT_OF_ORDER: Final = "STEPS_OUT_OF_ORDER"
STEP_WITHOUT_CHANGE: Final = "STEP_WITHOUT_CHANGE"
CHANGE_FORGED: Final = "CHANGE_FORGED"
"""The validators before a change did not certify it."""
SET_MISMATCH: Final = "SET_MISMATCH"
"""The set given is not the one whose hash was certified."""


def decode_trust_step(data: bytes) -> TrustStep:
    """Read a step. Raises ProofError MALFORMED."""
    return decode_message(TrustStep, data, TRUST_STEP_SIZE_MAX)


def extend_trust(trust: TrustRoot, steps: Sequence[TrustStep]) -> TrustRoot:
    """Follow changes of the validators from the newest set known; `trust` itself stays as it is.

    Args:
        trust: what is known.
        steps: at most TRUST_PATH_COUNT_MAX, ascending, from the first change after those known.

    Returns:
        A trust root that holds the sets of at most TRUSTED_SETS_COUNT_MAX ranges of heights: that of
        genesis and the newest.

    Raises:
        ProofError: PATH_TOO_LONG, PATH_TRUNCATED, STEP_REPEATED, STEPS_OUT_OF_ORDER,
            STEP_WITHOUT_CHANGE, CHANGE_FORGED, SET_MISMATCH, OTHER_CHAIN, MALFORMED, NOT_CERTIFIED,
            PROTOCOL_UNKNOWN, OTHER_VALIDATORS (another epoch).
    """
    if len(steps) > TRUST_PATH_COUNT_MAX:
        raise ProofError(
            PATH_TOO_LONG, f"{len(steps)} steps in one answer, at most {TRUST_PATH_COUNT_MAX}"
        )
    for step in steps:
        trust = _follow(trust, step)
    return trust


def _follow(trust: TrustRoot, step: TrustStep) -> TrustRoot:
    if step.head is None:
        raise ProofError(NOT_CERTIFIED, "a step without head")
    header = decode_header(step.head.header)
    height, newest = header.height, trust.newest
    if header.chain_id != trust.chain_id:
        raise ProofError(OTHER_CHAIN, f"a step of {header.chain_id}, not {trust.chain_id}")
    if 0 < height == newest.first_height - 1:
        raise ProofError(STEP_REPEATED, f"the change named at height {height} is known already")
    if 0 < height < newest.first_height:
        raise ProofError(
            STEPS_OUT_OF_ORDER, f"a change named at height {height} after {newest.first_height - 1}"
        )
    if height > 0 and header.epoch == 0 and header.validators_hash != newest.hash:
        raise ProofError(
            PATH_TRUNCATED,
            f"between the validators known and those of height {height} a step lacks",
        )
    try:
        verify_head(step.head, trust)
    except ProofError as error:
        if error.code in {CERTIFICATE_INVALID, HEAD_MISMATCH}:
            raise ProofError(
                CHANGE_FORGED,
                f"the validators before it did not certify the change at {height}: {error.text}",
            ) from error
        raise
    if header.next_validators_hash == newest.hash:
        raise ProofError(STEP_WITHOUT_CHANGE, f"the validators do not change at height {height}")
    if compute_validators_hash(step.next_validators) != header.next_validators_hash:
        raise ProofError(SET_MISMATCH, f"other validators were certified at height {height}")
    return _append(trust, height, step.next_validators, header.next_validators_hash)


def _append(trust: TrustRoot, height: int, encoded: bytes, set_hash: bytes) -> TrustRoot:
    """The trust root with a set that counts from the height above `height` on."""
    validator_set = decode_message(ValidatorSet, encoded, VALIDATOR_SET_SIZE_MAX)
    try:
        validators_sorted(validator_set)
    except CertificateError as error:
        raise ProofError(MALFORMED, error.text) from error
    closed = replace(trust.newest, last_height=height)
    sets = (*trust.sets[:-1], closed, TrustedSet(height + 1, None, validator_set, set_hash))
    return replace(trust, sets=(sets[0], *sets[1:][-(TRUSTED_SETS_COUNT_MAX - 1) :]))
