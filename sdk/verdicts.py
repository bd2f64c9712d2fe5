# SPDX-License-Identifier: Apache-2.0
"""The words of a verification: names of checks, and codes with what they mean and what to do.

Names and codes are frozen (`pset explain CODE` prints them); texts may change. A code that makes a
credential INVALID says that something was found; one that leaves it UNKNOWN says that something
could not be looked up. Neither is ever guessed from the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from sdk.results import Verdict

CheckName: TypeAlias = Literal[
    "format",
    "signature",
    "issuer-key",
    "authority",
    "qualification",
    "registered",
    "status",
    "validity",
    "holder",
    "request",
    "freshness",
]
Outcome: TypeAlias = Literal["pass", "warn", "fail", "unknown"]

FORMAT: Final = "format"
SIGNATURE: Final = "signature"
ISSUER_KEY: Final = "issuer-key"
AUTHORITY: Final = "authority"
QUALIFICATION: Final = "qualification"
REGISTERED: Final = "registered"
STATUS: Final = "status"
VALIDITY: Final = "validity"
HOLDER: Final = "holder"
REQUEST: Final = "request"
FRESHNESS: Final = "freshness"

CHECK_NAMES: Final[tuple[CheckName, ...]] = (
    FORMAT,
    SIGNATURE,
    ISSUER_KEY,
    AUTHORITY,
    QUALIFICATION,
    REGISTERED,
    STATUS,
    VALIDITY,
    HOLDER,
    REQUEST,
    FRESHNESS,
)
"""In the order in which a report lists them."""

MALFORMED: Final = "MALFORMED"
SIGNATURE_INVALID: Final = "SIGNATURE_INVALID"
KEY_NOT_VALID_THEN: Final = "KEY_NOT_VALID_THEN"
ISSUER_UNKNOWN: Final = "ISSUER_UNKNOWN"
ACCREDITATION_NOT_VALID_THEN: Final = "ACCREDITATION_NOT_VALID_THEN"
ACCREDITATION_OUT_OF_SCOPE: Final = "ACCREDITATION_OUT_OF_SCOPE"
ACCREDITATION_VOID: Final = "ACCREDITATION_VOID"
QUALIFICATION_NOT_REGISTERED: Final = "QUALIFICATION_NOT_REGISTERED"
QUALIFICATION_NOT_VALID_THEN: Final = "QUALIFICATION_NOT_VALID_THEN"
NOT_ANCHORED_IN_TIME: Final = "NOT_ANCHORED_IN_TIME"
REVOKED: Final = "REVOKED"
SUSPENDED: Final = "SUSPENDED"
EXPIRED: Final = "EXPIRED"
NOT_YET_VALID: Final = "NOT_YET_VALID"
HOLDER_BINDING_FAILED: Final = "HOLDER_BINDING_FAILED"
REQUEST_MISMATCH: Final = "REQUEST_MISMATCH"
STATUS_TOO_OLD: Final = "STATUS_TOO_OLD"
NO_CONNECTION: Final = "NO_CONNECTION"
NO_TRUST_ROOT: Final = "NO_TRUST_ROOT"
OTHER_NETWORK: Final = "OTHER_NETWORK"


@dataclass(frozen=True, slots=True)
class VerdictText:
    """What a code makes of the verdict, what it means, and what to do."""

    verdict: Verdict
    text: str
    remedy: str


_ASK_ISSUER: Final = "Do not rely on it. Ask the candidate, or the issuer, for the right document."

VERDICT_TEXTS: Final[Mapping[str, VerdictText]] = MappingProxyType(
    {
        MALFORMED: VerdictText(
            Verdict.INVALID,
            "This is no credential that can be checked: it is damaged, cut off or something else.",
            "Ask the candidate for the original file, not for a copy or a photograph of it.",
        ),
        SIGNATURE_INVALID: VerdictText(
            Verdict.INVALID,
            "The signature does not match the content: this document was changed, or was never"
            " signed by the issuer it names.",
            "Do not rely on it. Ask the candidate for the original file.",
        ),
        KEY_NOT_VALID_THEN: VerdictText(
            Verdict.INVALID,
            "The key that signed was not, at that time, a key with which this issuer issues.",
            _ASK_ISSUER,
        ),
        ISSUER_UNKNOWN: VerdictText(
            Verdict.INVALID,
            "No organisation with the identifier of this issuer is registered on this ledger.",
            "Do not rely on it. A recognised issuer is listed by `pset org list`.",
        ),
        ACCREDITATION_NOT_VALID_THEN: VerdictText(
            Verdict.INVALID,
            "The issuer was not accredited for this on the day of the assessment.",
            _ASK_ISSUER,
        ),
        ACCREDITATION_OUT_OF_SCOPE: VerdictText(
            Verdict.INVALID,
            "The issuer was not accredited for this qualification, at this site, or for this kind"
            " of document.",
            _ASK_ISSUER,
        ),
        ACCREDITATION_VOID: VerdictText(
            Verdict.INVALID,
            "The accreditation was withdrawn from its beginning: it never counted.",
            _ASK_ISSUER,
        ),
        QUALIFICATION_NOT_REGISTERED: VerdictText(
            Verdict.INVALID,
            "The qualification is not registered on this ledger, or with another title, level or"
            " number of credits.",
            _ASK_ISSUER,
        ),
        QUALIFICATION_NOT_VALID_THEN: VerdictText(
            Verdict.INVALID,
            "The qualification could not be achieved on the day of the assessment.",
            _ASK_ISSUER,
        ),
        NOT_ANCHORED_IN_TIME: VerdictText(
            Verdict.INVALID,
            "Nothing shows that this document existed before the issuer's accreditation or key"
            " ended.",
            "Ask for a file that carries the proof of when it was issued.",
        ),
        REVOKED: VerdictText(
            Verdict.INVALID,
            "The issuer has revoked this credential.",
            "Do not rely on it. Ask the candidate; the issuer knows the reason. This is not a"
            " finding about a crime.",
        ),
        SUSPENDED: VerdictText(
            Verdict.INVALID,
            "The issuer has suspended this credential.",
            "Do not rely on it for now. Ask the candidate, and check again later.",
        ),
        EXPIRED: VerdictText(
            Verdict.INVALID,
            "The credential, or its proof, has expired.",
            "Ask the candidate for a current one.",
        ),
        NOT_YET_VALID: VerdictText(
            Verdict.INVALID,
            "The credential is dated in the future.",
            "Check this computer's clock; otherwise wait until that day, or ask the issuer.",
        ),
        HOLDER_BINDING_FAILED: VerdictText(
            Verdict.INVALID,
            "Nothing shows that the person who presented this is the person it is about.",
            "Ask the candidate to present it from their own wallet.",
        ),
        REQUEST_MISMATCH: VerdictText(
            Verdict.INVALID,
            "This does not answer the request that was made.",
            "Send the candidate the request again and ask for an answer to it.",
        ),
        STATUS_TOO_OLD: VerdictText(
            Verdict.UNKNOWN,
            "What is known of the status is older than you accept.",
            "Try again on line, or accept older facts with --max-age.",
        ),
        NO_CONNECTION: VerdictText(
            Verdict.UNKNOWN,
            "No connection, and this file carries no proof of its own. Neither valid nor invalid.",
            "Try again on line.",
        ),
        NO_TRUST_ROOT: VerdictText(
            Verdict.UNKNOWN,
            "This computer does not know the network's trust root.",
            "Get the network's genesis file from its operators and run `pset network add`.",
        ),
        OTHER_NETWORK: VerdictText(
            Verdict.UNKNOWN,
            "This credential belongs to another network than the one that was asked.",
            "Choose the network with --network, or add it with `pset network add`.",
        ),
    }
)
"""Every code of a verification. MALFORMED and REVOKED and their like never change their meaning."""
