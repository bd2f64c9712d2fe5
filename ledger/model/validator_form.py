# SPDX-License-Identifier: Apache-2.0
"""What can be said of the operations about validators without any state: the form of each field.

A node asks this before it takes a transaction, execution asks it again: the rules belong to a height.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.model import bls
from ledger.model.block import Validator
from ledger.model.identifiers import is_did, is_validator_id
from ledger.model.keys import SIGNATURE_SIZES, KeyFormatError, KeyType, check_public_key
from ledger.model.limits import HASH_SIZE
from ledger.model.operations import (
    ActivateValidator,
    AdmitValidator,
    RemoveValidator,
    UpdateValidatorAddress,
)
from ledger.model.organisation_request import RequestError
from ledger.model.receipts import ReceiptCode
from ledger.model.tls_certificate import TlsCertificateError, check_tls_certificate

VOTE_KEY_TYPES: Final = (KeyType.BLS12381, KeyType.ED25519)
"""One for each certificate scheme."""

HOST_LENGTH_MAX: Final = 253
"""Characters of a DNS name (RFC 1035 §2.3.4)."""
PORT_MAX: Final = 65_535

_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
"""A DNS name in small letters, or an IPv4 address."""
_HOST_V6: Final = re.compile(r"\[[0-9a-f:]{2,39}\]", re.ASCII)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


def is_peer_address(text: str) -> bool:
    """Whether `text` is `host:port` or `[v6]:port`, in small letters."""
    host, _, port = text.rpartition(":")
    if _PORT.fullmatch(port) is None or int(port) > PORT_MAX:
        return False
    if host.startswith("["):
        return _HOST_V6.fullmatch(host) is not None
    return len(host) <= HOST_LENGTH_MAX and _HOST.fullmatch(host) is not None


ValidatorOperation = AdmitValidator | ActivateValidator | RemoveValidator | UpdateValidatorAddress


def check_validator_form(operation: ValidatorOperation, *, network: str) -> None:
    """Accept an operation whose fields have the form of what they name.

    Raises:
        RequestError: as those below.
    """
    match operation:
        case AdmitValidator():
            check_admission_form(operation, network=network)
        case ActivateValidator():
            check_activation_form(operation)
        case RemoveValidator():
            _check_id(operation.validator_id, "validator_id")
        case UpdateValidatorAddress():
            _check_id(operation.validator_id, "validator_id")
            _check_address(operation.peer_address)


def check_admission_form(operation: AdmitValidator, *, network: str) -> Validator:
    """Accept an admission whose fields have the form of what they name; the validator.

    Costs a verification of the proof of possession, and one of the certificate's own signature.

    Raises:
        RequestError: FIELD_INVALID, ORGANISATION_UNKNOWN, VALIDATOR_KEY_INVALID,
            KEY_POSSESSION_INVALID. The text never quotes a field.
    """
    validator = operation.validator
    if validator is None:
        raise _invalid("validator", "a validator is expected")
    _check_id(validator.id, "validator.id")
    if not is_did(validator.organisation, network):
        raise RequestError(
            ReceiptCode.ORGANISATION_UNKNOWN,
            "validator.organisation",
            "a DID of this network is expected",
        )
    _check_address(operation.peer_address)
    if validator.vote_key_type not in VOTE_KEY_TYPES:
        raise _key_invalid("validator.vote_key_type", "no vote key is of this type")
    _check_key(validator.vote_key_type, validator.vote_key, "validator.vote_key")
    _check_key(KeyType.ED25519, validator.peer_key, "validator.peer_key")
    if validator.vote_key == validator.peer_key:
        raise _key_invalid("validator.peer_key", "it is the vote key")
    try:
        check_tls_certificate(validator.tls_certificate, validator.id)
    except TlsCertificateError as error:
        raise _key_invalid("validator.tls_certificate", str(error)) from None
    _check_possession(validator)
    return validator


def check_activation_form(operation: ActivateValidator) -> None:
    """Accept an activation whose fields have the form of what they name.

    Raises:
        RequestError: FIELD_INVALID. The text never quotes a field.
    """
    _check_id(operation.validator_id, "validator_id")
    if operation.replaces:
        _check_id(operation.replaces, "replaces")
    if len(operation.block_hash) != HASH_SIZE:
        raise _invalid("block_hash", f"{HASH_SIZE} bytes are expected")
    if len(operation.signature) not in (SIGNATURE_SIZES[key_type] for key_type in VOTE_KEY_TYPES):
        raise _invalid("signature", "a signature of a vote key is expected")


def _check_id(text: str, where: str) -> None:
    if not is_validator_id(text):
        raise _invalid(where, "1 to 32 of a-z, 0-9 and hyphen are expected")


def _check_address(text: str) -> None:
    if not is_peer_address(text):
        raise _invalid("peer_address", "host:port in small letters is expected")


def _check_key(key_type: KeyType, public_key: bytes, where: str) -> None:
    try:
        check_public_key(key_type, public_key)
    except KeyFormatError:
        # The reason is not passed on: it is a library's, and receipts are equal on all nodes.
        raise _key_invalid(where, "the key is none of its type") from None


def _check_possession(validator: Validator) -> None:
    if validator.vote_key_type is KeyType.BLS12381:
        is_shown = bls.verify_possession(validator.vote_key, validator.vote_possession)
    else:
        is_shown = not validator.vote_possession
    if not is_shown:
        raise RequestError(
            ReceiptCode.KEY_POSSESSION_INVALID,
            "validator.vote_possession",
            "a BLS vote key needs its proof of possession, an Ed25519 one has none",
        )


def _invalid(where: str, text: str) -> RequestError:
    return RequestError(ReceiptCode.FIELD_INVALID, where, text)


def _key_invalid(where: str, text: str) -> RequestError:
    return RequestError(ReceiptCode.VALIDATOR_KEY_INVALID, where, text)
