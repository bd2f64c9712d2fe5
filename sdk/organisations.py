# SPDX-License-Identifier: Apache-2.0
"""Questions about organisations: who is meant by a name, and what others vouched for."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.model import schema
from ledger.model.identifiers import (
    is_code_system,
    is_code_value,
    is_did,
    is_short_name,
    network_of_did,
)
from ledger.model.records import (
    OrganisationRecord,
    OrganisationStatus,
    ReferenceRecord,
)
from sdk.arguments import check_word
from sdk.errors import CallerError
from sdk.reader import StateView, decode_record
from sdk.results import Org, Organisation

ORGANISATION_UNKNOWN = "ORGANISATION_UNKNOWN"


def check_org(org: Org, network: str) -> None:
    """Refuse what can be no organisation's DID, short name or code.

    Raises:
        CallerError: ORGANISATION_MALFORMED, OTHER_NETWORK.
    """
    if org.startswith("did:"):
        if is_did(org, network):
            return
        if network_of_did(org) is not None:
            raise CallerError(
                f"{org} belongs to another network than {network}",
                code="OTHER_NETWORK",
                remedy="Connect to the network named in the DID.",
            )
    else:
        system, separator, value = org.partition(":")
        if separator and is_code_system(system) and is_code_value(value):
            return
        if not separator and is_short_name(org):
            return
    raise CallerError(
        f"{org!r} is no DID, short name or code of an organisation",
        code="ORGANISATION_MALFORMED",
        remedy="Give a DID, a short name such as qcto, or a code such as qcto:SDP-0142.",
    )


def resolve_org(view: StateView, org: Org, network: str) -> str:
    """The DID of the organisation meant.

    A DID is returned as it is; whether it exists is another question.

    Raises:
        CallerError: ORGANISATION_MALFORMED, OTHER_NETWORK, ORGANISATION_UNKNOWN.
    """
    check_org(org, network)
    if org.startswith("did:"):
        return org
    system, separator, value = org.partition(":")
    key = schema.code_key(system, value) if separator else schema.short_name_key(org)
    record = view.record(ReferenceRecord, key)
    if record is None:
        raise unknown_organisation(org)
    return record.reference


def read_organisation(
    view: StateView, org: Org, network: str, at_ms: int | None = None
) -> Organisation:
    """What is vouched for about an organisation, as it stood at a time (ms); None: now.

    Raises:
        CallerError: as `resolve_org`; ORGANISATION_UNKNOWN also when it came later.
    """
    did = resolve_org(view, org, network)
    record = view.record(OrganisationRecord, schema.organisation_key(did))
    if record is None:
        raise unknown_organisation(org)
    if at_ms is not None and record.vouched_at > at_ms:
        raise CallerError(
            f"{org} was not yet on the ledger then",
            code=ORGANISATION_UNKNOWN,
            remedy="Ask about a later day; see `pset org show` without --at.",
        )
    return _as_organisation(record, at_ms)


def list_organisations(view: StateView, organisation_type: str = "") -> Sequence[Organisation]:
    """All organisations, or those of one type, in the order in which they were endorsed.

    Raises:
        CallerError: ARGUMENT_TYPE: a type is one word.
    """
    if organisation_type:
        check_word(organisation_type, "type")
    children = view.children(schema.organisations_key(organisation_type))
    dids = [decode_record(ReferenceRecord, child).reference for child in children]
    found = view.records(OrganisationRecord, [schema.organisation_key(did) for did in dids])
    return [_as_organisation(record, None) for record in found if record is not None]


def unknown_organisation(org: Org) -> CallerError:
    """Nobody has vouched for it."""
    return CallerError(
        f"no organisation {org} is on the ledger",
        code=ORGANISATION_UNKNOWN,
        remedy="Check the spelling; see `pset org list`.",
    )


def _as_organisation(record: OrganisationRecord, at_ms: int | None) -> Organisation:
    codes = sorted(
        (code for code in record.codes if at_ms is None or code.vouched_at <= at_ms),
        key=lambda code: code.vouched_at,
    )
    sites = (site for site in record.sites if at_ms is None or site.added_at <= at_ms)
    return Organisation(
        did=record.did,
        name=record.name,
        short_name=record.short_name,
        vouched_by=record.vouched_by,
        type=record.type,
        codes={code.system: code.value for code in codes},
        sites={site.code: site.name for site in sites},
        status=_STATUSES[record.status],
        successor=record.successor or None,
    )


_STATUSES = {
    OrganisationStatus.UNSPECIFIED: "unknown",
    OrganisationStatus.ACTIVE: "active",
    OrganisationStatus.SUCCEEDED: "succeeded",
}
