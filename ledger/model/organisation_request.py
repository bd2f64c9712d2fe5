# SPDX-License-Identifier: Apache-2.0
"""An organisation's self-signed request: the genesis document of its DID.

The DID is derived from the request's bytes, and every key of the request signs it: nobody can squat
an organisation's DID or put a key in it that its holder did not offer. Whether the name is true is
what the endorser vouches for.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.model.codec import decode
from ledger.model.hashes import request_message
from ledger.model.identifiers import is_key_id, is_short_name
from ledger.model.keys import (
    KeyFormatError,
    KeyRole,
    check_public_key,
    is_key_type_for_role,
    verify_signature,
)
from ledger.model.legal_names import has_letters
from ledger.model.limits import REQUEST_SIZE_MAX
from ledger.model.operations import KeyEntry, KeySignature, OrganisationRequest
from ledger.model.personal_data import find_personal_data, is_name_allowed
from ledger.model.receipts import ReceiptCode
from ledger.model.wire import EncodingError

NONCE_SIZE = 16
"""Bytes; makes the DIDs of two requests for one organisation differ."""

KEY_ROLES_NEEDED = (KeyRole.ADMIN, KeyRole.LEDGER)
"""Without them the organisation could never change or submit anything."""


class RequestError(ValueError):
    """A request that nobody can endorse. Changes nothing.

    ``code`` is a ReceiptCode, ``where`` the field, ``text`` says why.
    """

    def __init__(self, code: ReceiptCode, where: str, text: str) -> None:
        super().__init__(code, where, text)
        self.code = code
        self.where = where
        self.text = text

    def __str__(self) -> str:
        return f"{self.code.name} {self.where}: {self.text}"


def check_organisation_request(
    encoded: bytes, signatures: Sequence[KeySignature], *, network: str
) -> OrganisationRequest:
    """Accept a request or say why not.

    Args:
        encoded: canonical OrganisationRequest.
        signatures: one for each key of the request, in its order, over `request_message`.
        network: where the DID is to live.

    Raises:
        RequestError: REQUEST_MALFORMED, REQUEST_OTHER_NETWORK, TEXT_NOT_ALLOWED, PERSONAL_DATA,
            KEY_EXISTS, KEY_FORMAT, KEY_ROLE_MISSING, REQUEST_SIGNATURE_INVALID.
    """
    try:
        request = decode(OrganisationRequest, encoded, size_max=REQUEST_SIZE_MAX)
    except EncodingError:
        raise RequestError(
            ReceiptCode.REQUEST_MALFORMED, "request", "no canonical encoding of a request"
        ) from None
    if request.network != network:
        raise RequestError(
            ReceiptCode.REQUEST_OTHER_NETWORK, "request.network", "made for another network"
        )
    if len(request.nonce) != NONCE_SIZE:
        raise RequestError(
            ReceiptCode.REQUEST_MALFORMED, "request.nonce", f"a nonce has {NONCE_SIZE} bytes"
        )
    _check_texts(request)
    _check_keys(request.keys)
    _check_signatures(encoded, request.keys, signatures)
    return request


def check_key_entry(key: KeyEntry, where: str) -> None:
    """Accept the form of a key: its name, its point, a type that suits its role.

    Raises:
        RequestError: KEY_FORMAT.
    """
    if not is_key_id(key.key_id):
        raise RequestError(ReceiptCode.KEY_FORMAT, f"{where}.key_id", "the name has another form")
    if not is_key_type_for_role(key.type, key.role):
        raise RequestError(
            ReceiptCode.KEY_FORMAT, f"{where}.type", "a key of this type cannot serve the role"
        )
    try:
        check_public_key(key.type, key.public_key)
    except KeyFormatError:
        # The reason is not passed on: it is a library's, and receipts are equal on all nodes.
        raise RequestError(
            ReceiptCode.KEY_FORMAT, f"{where}.public_key", "the key is none of its type"
        ) from None


def _check_texts(request: OrganisationRequest) -> None:
    if not is_short_name(request.short_name):
        raise RequestError(
            ReceiptCode.TEXT_NOT_ALLOWED,
            "request.short_name",
            "a short name is 2 to 32 of a-z, 0-9 and hyphen, not beginning with a hyphen",
        )
    if not is_name_allowed(request.name):
        raise RequestError(
            ReceiptCode.TEXT_NOT_ALLOWED,
            "request.name",
            "a name has Latin letters, digits and a little punctuation",
        )
    rule = find_personal_data(request.name)
    if rule:
        raise RequestError(ReceiptCode.PERSONAL_DATA, "request.name", rule)
    rule = find_personal_data(request.short_name, is_identifier=True)
    if rule:
        raise RequestError(ReceiptCode.PERSONAL_DATA, "request.short_name", rule)
    if not has_letters(request.name):
        raise RequestError(
            ReceiptCode.TEXT_NOT_ALLOWED,
            "request.name",
            "a legal name has at least two letters",
        )


def _check_keys(keys: tuple[KeyEntry, ...]) -> None:
    names: list[str] = []
    public_keys: list[bytes] = []
    for position, key in enumerate(keys):
        where = f"request.keys[{position}]"
        check_key_entry(key, where)
        if key.key_id in names or key.public_key in public_keys:
            raise RequestError(ReceiptCode.KEY_EXISTS, where, "the key is there twice")
        names.append(key.key_id)
        public_keys.append(key.public_key)
    for role in KEY_ROLES_NEEDED:
        if all(key.role is not role for key in keys):
            raise RequestError(
                ReceiptCode.KEY_ROLE_MISSING, "request.keys", f"no key has the role {role.label}"
            )


def _check_signatures(
    encoded: bytes, keys: tuple[KeyEntry, ...], signatures: Sequence[KeySignature]
) -> None:
    if [signature.key_id for signature in signatures] != [key.key_id for key in keys]:
        raise RequestError(
            ReceiptCode.REQUEST_SIGNATURE_INVALID,
            "request_signatures",
            "each key of the request signs it once, in the request's order",
        )
    message = request_message(encoded)
    for position, (key, signature) in enumerate(zip(keys, signatures, strict=True)):
        if not verify_signature(key.type, key.public_key, message, signature.signature):
            raise RequestError(
                ReceiptCode.REQUEST_SIGNATURE_INVALID,
                f"request_signatures[{position}]",
                "the signature does not match the request",
            )
