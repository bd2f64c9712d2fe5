# SPDX-License-Identifier: Apache-2.0
"""DIDs: the W3C document of an organisation's DID at a time, and the record behind it.

DID Core 1.0 (W3C REC 2022-07-19), verification methods as Multikey (Controlled Identifiers 1.0
§2.2.2). By role of the key:

    issue     assertionMethod        signs credentials
    ledger    authentication         submits transactions
    admin     capabilityInvocation   controls the DID
    others    no relationship        named only, so that they can be recognised

A key is in the document of a time when it is valid then and not compromised by then; the record
keeps all of them for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.model import schema
from ledger.model.identifiers import is_did
from ledger.model.keys import KeyRole
from ledger.model.multibase import encode_multikey
from ledger.model.records import DidRecord, KeyRecord, ServiceRecord
from sdk.errors import CallerError
from sdk.moments import to_instant, to_instant_or_none
from sdk.reader import StateView
from sdk.results import DidHistory, DidKey

DID_CONTEXT: Final = "https://www.w3.org/ns/did/v1"
MULTIKEY_CONTEXT: Final = "https://w3id.org/security/multikey/v1"

_RELATIONSHIPS: Final = {
    KeyRole.LEDGER: "authentication",
    KeyRole.ISSUE: "assertionMethod",
    KeyRole.ADMIN: "capabilityInvocation",
}


def read_did_record(view: StateView, did: str, network: str) -> DidRecord:
    """The record of a DID.

    Raises:
        CallerError: DID_MALFORMED, DID_UNKNOWN.
    """
    if not is_did(did, network):
        raise CallerError(
            f"{did!r} is no DID of the network {network}",
            code="DID_MALFORMED",
            remedy=f"Give did:pset:{network}:…; `pset org show ORG` names an organisation's.",
        )
    record = view.record(DidRecord, schema.did_key(did))
    if record is None:
        raise _unknown(did)
    return record


def read_did_document(
    view: StateView, did: str, network: str, at_ms: int | None = None
) -> Mapping[str, Any]:
    """The DID document as it stood at a time (ms); None: at the time of the state.

    Raises:
        CallerError: DID_MALFORMED, DID_UNKNOWN (also before it was created), DID_DEACTIVATED.
    """
    record = read_did_record(view, did, network)
    time_ms = view.time_ms if at_ms is None else at_ms
    if record.created > time_ms:
        raise _unknown(did)
    if record.deactivated and record.deactivated <= time_ms:
        raise CallerError(
            f"{did} was deactivated",
            code="DID_DEACTIVATED",
            remedy="Ask about a day before that with --at, or see `pset did show --history`.",
        )
    return make_did_document(record, time_ms)


def make_did_document(record: DidRecord, time_ms: int) -> dict[str, Any]:
    """The DID document that a record gives for a time."""
    keys = [key for key in record.keys if is_key_valid(key, time_ms)]
    document: dict[str, Any] = {
        "@context": [DID_CONTEXT, MULTIKEY_CONTEXT],
        "id": record.did,
        "verificationMethod": [
            {
                "id": f"{record.did}#{key.key_id}",
                "type": "Multikey",
                "controller": record.did,
                "publicKeyMultibase": encode_multikey(key.type, key.public_key),
            }
            for key in keys
        ],
    }
    for role, relationship in _RELATIONSHIPS.items():
        document[relationship] = [f"{record.did}#{key.key_id}" for key in keys if key.role is role]
    services = [service for service in record.services if _is_service_valid(service, time_ms)]
    if services:
        document["service"] = [
            {
                "id": f"{record.did}#{service.id}",
                "type": service.type,
                "serviceEndpoint": service.endpoint,
            }
            for service in services
        ]
    return document


def is_key_valid(key: KeyRecord, time_ms: int) -> bool:
    """Whether a key counts at a time: within its term, and not known to be compromised since."""
    if time_ms < key.valid_from or (key.valid_until and time_ms >= key.valid_until):
        return False
    return not key.compromised_since or time_ms < key.compromised_since


def make_did_history(record: DidRecord) -> DidHistory:
    """The whole record, for people and programs."""
    return DidHistory(
        did=record.did,
        version=record.version,
        created=to_instant(record.created),
        updated=to_instant(record.updated),
        deactivated=to_instant_or_none(record.deactivated),
        keys=[
            DidKey(
                key_id=key.key_id,
                role=key.role.label,
                type=key.type.label,
                public_key=encode_multikey(key.type, key.public_key),
                valid_from=to_instant(key.valid_from),
                valid_until=to_instant_or_none(key.valid_until),
                compromised_since=to_instant_or_none(key.compromised_since),
            )
            for key in record.keys
        ],
    )


def _is_service_valid(service: ServiceRecord, time_ms: int) -> bool:
    return service.valid_from <= time_ms and (
        not service.valid_until or time_ms < service.valid_until
    )


def _unknown(did: str) -> CallerError:
    return CallerError(
        f"{did} is not on the ledger",
        code="DID_UNKNOWN",
        remedy="Check the DID, and the day when you gave one.",
    )
