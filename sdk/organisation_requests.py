# SPDX-License-Identifier: Apache-2.0
"""An organisation's self-signed request as a file: made by the organisation, sent to its endorser.

JSON with the canonical request (base64url) and a signature by each of its keys; beside them, for
people, what the request says and the DID it will have. Those copies must agree with the request:
an endorser reads them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_did, request_message
from ledger.model.keys import KeyRole
from ledger.model.limits import KEYS_COUNT_MAX, REQUEST_SIZE_MAX
from ledger.model.multibase import (
    MultibaseError,
    decode_base64url_nopad,
    encode_base64url_nopad,
)
from ledger.model.operations import KeyEntry, KeySignature, OrganisationRequest
from ledger.model.organisation_request import (
    NONCE_SIZE,
    RequestError,
    check_organisation_request,
)
from ledger.model.wire import EncodingError
from sdk.errors import CallerError
from sdk.home import format_json
from sdk.signers import Signer, get_key_type

REQUEST_FORMAT: Final = "psetledger-organisation-request/1"
REQUEST_FILE_SIZE_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class OrganisationRequestFile:
    """A request with its signatures."""

    request: bytes
    """Canonical OrganisationRequest."""
    signatures: tuple[KeySignature, ...]

    @property
    def content(self) -> OrganisationRequest:
        """What the request says. Raises EncodingError when the bytes are none."""
        return decode(OrganisationRequest, self.request, size_max=REQUEST_SIZE_MAX)

    @property
    def did(self) -> str:
        """The DID that the organisation will have."""
        return compute_did(self.content.network, self.request)

    def to_document(self) -> dict[str, Any]:
        """The JSON object of the file."""
        content = self.content
        return {
            "format": REQUEST_FORMAT,
            "network": content.network,
            "short_name": content.short_name,
            "name": content.name,
            "type": content.type,
            "did": self.did,
            "request": encode_base64url_nopad(self.request),
            "signatures": [
                {"key_id": held.key_id, "signature": encode_base64url_nopad(held.signature)}
                for held in self.signatures
            ],
        }

    def to_bytes(self) -> bytes:
        """The file."""
        return format_json(self.to_document())


def create_request(
    *,
    network: str,
    short_name: str,
    name: str,
    type: str,  # noqa: A002 (the organisation's type, as everywhere)
    keys: Sequence[tuple[KeyRole, Signer]],
) -> OrganisationRequestFile:
    """Make and sign a request. An `admin` and a `ledger` key are needed at least.

    Raises:
        CallerError: with the code that an endorser's transaction would be refused with.
        KeyAccessError: a signer cannot sign.
    """
    content = OrganisationRequest(
        network=network,
        short_name=short_name,
        name=name,
        type=type,
        keys=tuple(
            KeyEntry(key.key_id, role, get_key_type(key), key.public_key) for role, key in keys
        ),
        nonce=secrets.token_bytes(NONCE_SIZE),
    )
    try:
        request = encode(content)
    except EncodingError as error:
        raise CallerError(
            f"the request cannot be written: {error}",
            code="REQUEST_MALFORMED",
            remedy="Shorten the text that is named.",
        ) from error
    message = request_message(request)
    signatures = tuple(KeySignature(key.key_id, key.sign(message)) for _, key in keys)
    made = OrganisationRequestFile(request, signatures)
    _check(made, network)
    return made


def read_request(
    source: Path | Mapping[str, Any] | OrganisationRequestFile,
) -> OrganisationRequestFile:
    """The request in a file or JSON object, its signatures checked.

    Raises:
        CallerError: FILE_UNREADABLE, REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID and the others
            that `check_organisation_request` names.
    """
    held = parse_request(source)
    _check(held, held.content.network)
    return held


def parse_request(
    source: Path | Mapping[str, Any] | OrganisationRequestFile,
) -> OrganisationRequestFile:
    """As `read_request`, leaving the request's own rules and signatures to whoever asks next.

    Raises:
        CallerError: FILE_UNREADABLE, REQUEST_MALFORMED.
    """
    if isinstance(source, OrganisationRequestFile):
        return source
    return _read_document(_read_json(source) if isinstance(source, Path) else source)


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(REQUEST_FILE_SIZE_MAX + 1)
    except OSError as error:
        raise CallerError(
            f"cannot read {path}: {error.strerror}",
            code="FILE_UNREADABLE",
            remedy="Give the path of a file made by `pset org request`.",
        ) from error
    try:
        if len(data) > REQUEST_FILE_SIZE_MAX:
            raise ValueError
        document: object = json.loads(data)
    except (ValueError, RecursionError):
        raise _malformed(f"{path} is no JSON file of at most {REQUEST_FILE_SIZE_MAX} bytes") from (
            None
        )
    if not isinstance(document, dict):
        raise _malformed(f"{path} holds no JSON object")
    return cast(dict[str, Any], document)


def _read_document(document: Mapping[str, Any]) -> OrganisationRequestFile:
    if document.get("format") != REQUEST_FORMAT:
        raise _malformed(f"the format is not {REQUEST_FORMAT}")
    entries: object = document.get("signatures")
    if not isinstance(entries, list) or len(cast(list[object], entries)) > KEYS_COUNT_MAX:
        raise _malformed(f"signatures is no list of up to {KEYS_COUNT_MAX}")
    signatures: list[KeySignature] = []
    for entry in cast(list[object], entries):
        member = cast(dict[str, object], entry) if isinstance(entry, dict) else {}
        key_id = member.get("key_id")
        if not isinstance(key_id, str):
            raise _malformed("a signature names no key")
        signatures.append(KeySignature(key_id, _read_octets(member.get("signature"), 96)))
    held = OrganisationRequestFile(
        _read_octets(document.get("request"), REQUEST_SIZE_MAX), tuple(signatures)
    )
    try:
        expected = held.to_document()
    except EncodingError as error:
        raise _malformed(f"the request is damaged: {error}") from error
    for name in ("network", "short_name", "name", "type", "did"):
        if name in document and document[name] != expected[name]:
            raise _malformed(f"{name} is not what the signed request says")
    return held


def _read_octets(value: object, size_max: int) -> bytes:
    if not isinstance(value, str):
        raise _malformed("base64url text is expected")
    try:
        return decode_base64url_nopad(value, size_max)
    except MultibaseError as error:
        raise _malformed(f"bad base64url: {error}") from error


def _check(held: OrganisationRequestFile, network: str) -> None:
    try:
        check_organisation_request(held.request, held.signatures, network=network)
    except RequestError as error:
        raise CallerError(
            f"{error.where}: {error.text}" if error.where else error.text,
            code=error.code.name,
            remedy="Make the request anew with `pset org request`.",
        ) from error


def _malformed(text: str) -> CallerError:
    return CallerError(
        text,
        code="REQUEST_MALFORMED",
        remedy="Ask the organisation for the file again; it is made by `pset org request`.",
    )
