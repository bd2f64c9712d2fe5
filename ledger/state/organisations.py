# SPDX-License-Identifier: Apache-2.0
"""EndorseOrganisation and AddSite.

An endorser vouches for what an organisation's self-signed request says: legal name, unique short
name, type, and codes such as a provider number. Reports name the organisation by these words and
say who vouched. For which types of organisation and systems of codes a power lets its holder vouch is
a table of the charter; a legal name belongs to one organisation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ledger.model.charter_document import VouchingRow
from ledger.model.hashes import compute_did
from ledger.model.identifiers import is_code_system, is_code_value, is_did, is_site_code
from ledger.model.legal_names import fold_name
from ledger.model.operations import AddSite, Code, EndorseOrganisation, OrganisationRequest, Scope
from ledger.model.organisation_request import RequestError, check_organisation_request
from ledger.model.personal_data import is_name_allowed
from ledger.model.receipts import ReceiptCode
from ledger.model.records import (
    DidRecord,
    KeyRecord,
    OrganisationRecord,
    OrganisationStatus,
    ReferenceRecord,
    SiteRecord,
    VouchedCode,
)
from ledger.model.schema import (
    code_key,
    did_key,
    legal_name_key,
    organisation_key,
    organisations_key,
    short_name_key,
)
from ledger.model.scope import is_in_sub_framework
from ledger.state.authorisation import Ownership
from ledger.state.context import Context, OperationRefusedError, Results
from ledger.state.overlay import TransactionState
from ledger.state.queries import (
    get_organisation,
    is_holding,
    list_grants_held,
    qualification_lookup,
)


def get_endorse_ownership(context: Context, _operation: EndorseOrganisation) -> Ownership:
    """What does not exist yet is the author's."""
    return Ownership(owners=(context.author,))


def process_endorse_organisation(context: Context, operation: EndorseOrganisation) -> Results:
    """Create an organisation and its DID from its request."""
    try:
        request = check_organisation_request(
            operation.request, operation.request_signatures, network=context.network
        )
    except RequestError as error:
        raise OperationRefusedError(error.code, error.where, error.text) from None
    if request.type not in context.charter.organisation_types:
        raise OperationRefusedError(ReceiptCode.ORGANISATION_TYPE_UNKNOWN, "request.type")
    _check_codes(operation.codes)
    _check_vouching(context, request.type, operation.codes)
    did = compute_did(context.network, operation.request)
    if context.state.get(DidRecord, did_key(did)) is not None:
        raise OperationRefusedError(ReceiptCode.ORGANISATION_EXISTS, "request")
    if context.state.get(ReferenceRecord, short_name_key(request.short_name)) is not None:
        raise OperationRefusedError(ReceiptCode.SHORT_NAME_TAKEN, "request.short_name")
    if context.state.get(ReferenceRecord, legal_name_key(fold_name(request.name))) is not None:
        raise OperationRefusedError(ReceiptCode.NAME_TAKEN, "request.name")
    for position, code in enumerate(operation.codes):
        if context.state.get(ReferenceRecord, code_key(code.system, code.value)) is not None:
            raise OperationRefusedError(ReceiptCode.CODE_TAKEN, f"codes[{position}]")
    create_organisation(
        context.state,
        did,
        request,
        operation.codes,
        vouched_by=context.author,
        time=context.time,
    )
    return (("did", did), ("short_name", request.short_name))


def _check_codes(codes: Sequence[Code]) -> None:
    systems: list[str] = []
    for position, code in enumerate(codes):
        if not is_code_system(code.system) or not is_code_value(code.value):
            raise OperationRefusedError(
                ReceiptCode.FIELD_INVALID, f"codes[{position}]", "no code has this form"
            )
        if code.system in systems:
            raise OperationRefusedError(
                ReceiptCode.FIELD_INVALID,
                f"codes[{position}].system",
                "an organisation has one code of a system",
            )
        systems.append(code.system)


def _check_vouching(context: Context, organisation_type: str, codes: Sequence[Code]) -> None:
    """Refuse an endorser that holds no power to vouch for this: a body that approves workplaces
    does not say who is a council, and vouches for nobody's provider number.
    """
    rows = _list_vouching(context)
    if not any(organisation_type in row.organisation_types for row in rows):
        raise OperationRefusedError(
            ReceiptCode.NOT_AUTHORISED,
            "request.type",
            "no power of the endorser lets it vouch for organisations of this type",
        )
    for position, code in enumerate(codes):
        if not any(
            organisation_type in row.organisation_types and code.system in row.code_systems
            for row in rows
        ):
            raise OperationRefusedError(
                ReceiptCode.NOT_AUTHORISED,
                f"codes[{position}].system",
                "no power of the endorser lets it vouch for codes of this system",
            )


def _list_vouching(context: Context) -> list[VouchingRow]:
    """Rows of the charter that the author's grants meet today."""
    lookup = qualification_lookup(context.state)
    held = [
        grant
        for grant in list_grants_held(context.state, context.author)
        if any(row.held in grant.powers for row in context.charter.vouching_rows)
        and is_holding(context.state, grant, context.day)
    ]
    return [
        row
        for row in context.charter.vouching_rows
        if any(
            row.held in grant.powers
            and (
                row.sub_framework is None
                or is_in_sub_framework(grant.scope or Scope(), row.sub_framework, lookup)
            )
            for grant in held
        )
    ]


def create_organisation(
    state: TransactionState,
    did: str,
    request: OrganisationRequest,
    codes: Sequence[Code],
    *,
    vouched_by: str,
    time: int,
) -> None:
    """Write the records of a new organisation, which were checked; genesis uses this too."""
    state.put(
        did_key(did),
        DidRecord(
            did=did,
            version=1,
            created=time,
            updated=time,
            keys=tuple(
                KeyRecord(
                    key_id=key.key_id,
                    role=key.role,
                    type=key.type,
                    public_key=key.public_key,
                    valid_from=time,
                )
                for key in request.keys
            ),
        ),
    )
    state.put(
        organisation_key(did),
        OrganisationRecord(
            did=did,
            name=request.name,
            short_name=request.short_name,
            type=request.type,
            vouched_by=vouched_by,
            vouched_at=time,
            codes=tuple(
                VouchedCode(
                    system=code.system, value=code.value, vouched_by=vouched_by, vouched_at=time
                )
                for code in codes
            ),
            status=OrganisationStatus.ACTIVE,
            version=1,
        ),
    )
    reference = ReferenceRecord(reference=did)
    state.put(short_name_key(request.short_name), reference)
    state.put(legal_name_key(fold_name(request.name)), reference)
    for code in codes:
        state.put(code_key(code.system, code.value), reference)
    state.append(organisations_key(), did)
    state.append(organisations_key(request.type), did)


def get_site_ownership(context: Context, operation: AddSite) -> Ownership:
    """The organisation itself and who vouched for it."""
    organisation = _get_organisation(context, operation.organisation)
    return Ownership(owners=(organisation.did, organisation.vouched_by))


def process_add_site(context: Context, operation: AddSite) -> Results:
    """Add a site, under a code that grants can name."""
    organisation = _get_organisation(context, operation.organisation)
    if not is_site_code(operation.code):
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "code", "1 to 32 letters, digits and hyphens"
        )
    if not is_name_allowed(operation.name):
        raise OperationRefusedError(
            ReceiptCode.TEXT_NOT_ALLOWED,
            "name",
            "a name has Latin letters, digits and a little punctuation",
        )
    if operation.province not in context.charter.provinces:
        raise OperationRefusedError(ReceiptCode.PROVINCE_UNKNOWN, "province")
    if any(site.code == operation.code for site in organisation.sites):
        raise OperationRefusedError(ReceiptCode.SITE_EXISTS, "code")
    if len(organisation.sites) >= context.charter.limits.sites_count_max:
        raise OperationRefusedError(
            ReceiptCode.LIMIT_EXCEEDED, "organisation", "the organisation has no room for a site"
        )
    site = SiteRecord(
        code=operation.code,
        name=operation.name,
        province=operation.province,
        added_at=context.time,
        added_by=context.author,
    )
    context.state.put(
        organisation_key(organisation.did),
        dataclasses.replace(
            organisation,
            sites=(*organisation.sites, site),
            version=organisation.version + 1,
        ),
    )
    return (("organisation", organisation.did), ("site", operation.code))


def _get_organisation(context: Context, did: str) -> OrganisationRecord:
    organisation = get_organisation(context.state, did) if is_did(did, context.network) else None
    if organisation is None:
        raise OperationRefusedError(ReceiptCode.ORGANISATION_UNKNOWN, "organisation")
    return organisation
