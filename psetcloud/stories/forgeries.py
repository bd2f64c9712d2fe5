# SPDX-License-Identifier: Apache-2.0
"""Credentials that the SDK refuses to issue, for showing that a verifier refuses them as well.

Whoever holds a private key can sign anything with it: the checks of an honest issuer's software do
not bind a dishonest one. So the forgeries of a story are made below those checks, from the functions
that build and sign documents, with the key of an organisation of a development network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from sdk.credentials.data_integrity import create_proof
from sdk.credentials.jcs import JsonObject, JsonValue, parse_object
from sdk.credentials.open_badges import CREDENTIAL_SIZE_MAX, build_credential
from sdk.credentials.status_list import StatusEntry, parse_status_entries
from sdk.credentials.template_reader import parse_template
from sdk.signers import Signer


@dataclass(frozen=True, slots=True)
class PublishedTemplate:
    """A template as anybody can read it from the ledger."""

    url: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Forger:
    """Who signs: the DID that stands as issuer, and a private key said to be its."""

    did: str
    signer: Signer


def forge(
    forger: Forger,
    template: PublishedTemplate,
    values: Mapping[str, object],
    *,
    issued_at: datetime,
    status_entries: Sequence[StatusEntry],
    qualification_record: Mapping[str, JsonValue],
) -> bytes:
    """A signed credential that nobody asked the ledger about.

    Raises:
        CredentialError: the values do not fit the template.
    """
    document = build_credential(
        parse_template(template.content),
        template.url,
        values,
        issuer_did=forger.did,
        credential_id=f"urn:uuid:{uuid4()}",
        issued_at=issued_at,
        status_entries=status_entries,
        qualification_record=qualification_record,
    )
    method = f"{forger.did}#{forger.signer.key_id}"
    return _encode(create_proof(document, forger.signer, method, issued_at))


def raise_first_mark(document: bytes, mark: int) -> bytes:
    """The credential with another mark for its first module, the signature left as it was.

    Raises:
        CredentialError: the document cannot be read.
        ValueError: it has no marks.
    """
    changed = read_document(document)
    subject = cast("JsonObject", changed["credentialSubject"])
    modules = subject.get("modules")
    if not isinstance(modules, list) or not modules:
        raise ValueError("the credential has no modules")
    cast("JsonObject", modules[0])["mark"] = mark
    results = cast("list[JsonObject]", subject["result"])
    results[0]["value"] = str(mark)
    return _encode(changed)


def read_document(document: bytes) -> JsonObject:
    """A credential as it is read by a verifier.

    Raises:
        CredentialError: MALFORMED.
    """
    return parse_object(document, size_max=CREDENTIAL_SIZE_MAX)


def entries_of(document: bytes) -> tuple[StatusEntry, ...]:
    """The places in status lists that a credential names."""
    return parse_status_entries(read_document(document))


def _encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def write_sample(path: Path, document: bytes) -> None:
    """Write a file of a story, over an earlier one of that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document)
