# SPDX-License-Identifier: Apache-2.0
"""Every answer the ledger gives to a transaction: number, name, what it means, who must do what.

Numbers are never reused and names never change (`pset explain`, docs/errors.md is generated). 0-9: answers; 100-199: refused at admission, never in a block; 200 and above: refused
at execution, a receipt in a block that changed nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from ledger.model.receipt_texts import TEXTS


@dataclass(frozen=True, slots=True)
class CodeText:
    """What a code means (`text`) and what to do about it (`remedy`), in plain words."""

    text: str
    remedy: str


class ReceiptCode(IntEnum):
    """Codes of receipts and of refusals at admission."""

    ACCEPTED = 0
    APPLIED = 1

    MALFORMED = 100
    TOO_LARGE = 101
    WRONG_CHAIN = 102
    SIGNATURE_MISSING = 103
    SIGNATURE_INVALID = 104
    SIGNER_REPEATED = 105
    AUTHOR_NOT_SIGNER = 106
    OVERLOADED = 107
    NOT_READY = 108
    RESOURCE_LIMIT = 109
    SIGNATURE_EXTRA = 110

    EXPIRED = 200
    EXPIRY_TOO_FAR = 201
    IDEMPOTENCY_KEY_REUSED = 202
    AUTHOR_UNKNOWN = 203
    KEY_NOT_AUTHORISED = 204
    NOT_AUTHORISED = 205
    OPERATION_UNKNOWN = 206
    PERSONAL_DATA = 207
    FIELD_INVALID = 208
    TEXT_NOT_ALLOWED = 209
    LIMIT_EXCEEDED = 210

    STALE_VERSION = 220
    DID_UNKNOWN = 221
    DID_DEACTIVATED = 222
    REQUEST_MALFORMED = 223
    REQUEST_SIGNATURE_INVALID = 224
    REQUEST_OTHER_NETWORK = 225
    ORGANISATION_EXISTS = 226
    SHORT_NAME_TAKEN = 227
    CODE_TAKEN = 228
    ORGANISATION_UNKNOWN = 229
    ORGANISATION_TYPE_UNKNOWN = 230
    SITE_EXISTS = 231
    PROVINCE_UNKNOWN = 232
    KEY_EXISTS = 233
    KEY_UNKNOWN = 234
    KEY_FORMAT = 235
    KEY_ROLE_MISSING = 236
    KEY_POSSESSION_INVALID = 237
    SERVICE_UNKNOWN = 238
    NOT_OWNER = 239
    ORGANISATION_SUCCEEDED = 240
    NAME_TAKEN = 241

    RESOURCE_EXISTS = 250
    RESOURCE_NAME_TAKEN = 251
    RESOURCE_TYPE_MISMATCH = 252
    RESOURCE_CONTENT_INVALID = 253
    CHECKSUM_MISMATCH = 254
    RESOURCE_TYPE_UNSUPPORTED = 255

    STATUS_LIST_EXISTS = 260
    STATUS_LIST_UNKNOWN = 261
    STATUS_LIST_TOO_SMALL = 262
    STATUS_INDEX_OUT_OF_RANGE = 263
    STATUS_VALUE_OUT_OF_RANGE = 264
    REVOCATION_IS_FINAL = 265

    SELF_GRANT = 280
    GRANT_CYCLE = 281
    NO_POWER = 282
    SEPARATION_OF_DUTIES = 283
    SCOPE_NOT_COVERED = 284
    TERM_TOO_LONG = 285
    GRANT_UNKNOWN = 286
    NOT_GRANTOR = 287
    GRANT_ENDED = 288
    GRANT_NOT_SUSPENDED = 289
    GRANT_SUSPENDED_ALREADY = 290
    EFFECTIVE_IN_PAST = 291
    EFFECTIVE_OUTSIDE_TERM = 292
    AB_INITIO_MISMATCH = 293
    AB_INITIO_PENDING = 294
    NO_SECOND_PARTY = 295
    SITE_UNKNOWN = 296
    QUALIFICATION_UNKNOWN = 297
    AB_INITIO_NOT_OPEN = 298

    WOULD_LOSE_QUORUM = 320
    CHANGE_PENDING = 321
    VALIDATOR_EXISTS = 322
    VALIDATOR_UNKNOWN = 323
    VALIDATOR_KEY_USED = 324
    VALIDATOR_KEY_INVALID = 325
    VALIDATOR_NOT_LEARNER = 326
    VALIDATOR_NOT_ACTIVE = 327
    VALIDATOR_REMOVED = 328
    ACTIVATION_STALE = 329
    ACTIVATION_SIGNATURE_INVALID = 330


CODE_TEXTS: Final[Mapping[ReceiptCode, CodeText]] = MappingProxyType(
    {code: CodeText(*TEXTS[code.name]) for code in ReceiptCode}
)
"""Text and remedy of every code."""


class ApiReason(StrEnum):
    """Reasons in `google.rpc.ErrorInfo` beside the names of `ReceiptCode`; both are one name space.

    Of the receipt codes a node uses here, for a transaction that it refuses at admission, those from
    100 to 199 and those that need no block to be known: EXPIRED, the signers' keys, PERSONAL_DATA
    and whatever else is wrong with texts and contents. For any request MALFORMED, TOO_LARGE,
    RESOURCE_LIMIT (ask for less), OVERLOADED, NOT_READY (both with a retry delay).
    """

    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    """The node stopped while the transaction was on its way into a block: it may come into one."""
    PENDING = "PENDING"
    """The transaction is in the leader's queue; it was not certified before the deadline."""
    HEIGHT_UNKNOWN = "HEIGHT_UNKNOWN"
    """Above the certified head."""
    NOT_PERMITTED = "NOT_PERMITTED"
    """The node's configuration does not allow what its operator asks for."""
    NOT_LEADER = "NOT_LEADER"
    """Only the leader can do it."""
    PEER_UNKNOWN = "PEER_UNKNOWN"
    """No other validator has this id."""
    INTERNAL = "INTERNAL"
    """The node's own fault; its log says more."""
