# SPDX-License-Identifier: Apache-2.0
"""What an operation must be to be taken: no personal data, and every text and byte string has the form
of what it names.

Execution asks all of this again, and decides, because the rules belong to a height. Here it is asked
so that the bytes of what will be refused never come into a block, where they would stay for ever: a
receipt that says PERSONAL_DATA does not take the data back. What names something that is not there,
such as a grant, is refused here only when nothing could ever have that name.

A proposal that is ordered already is not asked: it is in the log and must have one outcome
everywhere, so execution refuses the transaction, not the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from ledger.model.charter_document import Charter
from ledger.model.did_update import check_did_update, check_new_key, check_possession
from ledger.model.grant_form import check_grant_form
from ledger.model.identifiers import (
    UUID_SIZE,
    is_code_system,
    is_code_value,
    is_did,
    is_grant_id,
    is_key_id,
    is_site_code,
)
from ledger.model.operation_lint import find_in_texts
from ledger.model.operations import (
    ActivateValidator,
    AddSite,
    AdmitValidator,
    Code,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    NewKey,
    PublishResource,
    ReinstateAccreditation,
    RemoveValidator,
    RotateKey,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    WithdrawAccreditation,
)
from ledger.model.organisation_request import RequestError, check_organisation_request
from ledger.model.personal_data import is_name_allowed
from ledger.model.receipts import ReceiptCode
from ledger.model.resource_content import ContentError, check_content, is_name_for_type
from ledger.model.transaction import Operation
from ledger.model.transaction_check import TransactionRefusedError
from ledger.model.validator_form import check_validator_form

_NO_CODE: Final = "no code has this form"


def check_operation(operation: Operation, *, network: str, charter: Charter) -> None:
    """Refuse what no state is needed to refuse, and what must not be stored.

    Texts of refusals name places, never what stands there.

    Args:
        operation: of a checked transaction.
        network: its name.
        charter: the network's rules.

    Raises:
        TransactionRefusedError: PERSONAL_DATA, TEXT_NOT_ALLOWED, FIELD_INVALID, CHECKSUM_MISMATCH,
            the codes for what is not on the ledger (DID_UNKNOWN, GRANT_UNKNOWN, …) and those of
            `check_organisation_request`, `check_content`, `check_did_update`, `check_new_key`,
            `check_possession`, `check_grant_form` and of `ledger.model.validator_form`.
    """
    # The content of a resource is examined by `check_content`: once is dear enough.
    finding = find_in_texts(operation)
    if finding is not None:
        raise _refusal(ReceiptCode.PERSONAL_DATA, finding.where, finding.rule)
    try:
        _check_fields(operation, network, charter)
    except (RequestError, ContentError) as error:
        raise _refusal(error.code, error.where, error.text) from None


def _check_fields(operation: Operation, network: str, charter: Charter) -> None:
    match operation:
        case EndorseOrganisation():
            _check_endorsement(operation, network, charter)
        case AddSite():
            _check_site(operation, network, charter)
        case UpdateDid():
            _check_did(operation.did, network)
            check_did_update(operation)
            for position, new_key in enumerate(operation.add_keys):
                _check_key(operation.did, new_key, f"add_keys[{position}]")
        case RotateKey():
            _check_rotation(operation, network)
        case PublishResource():
            _check_resource(operation, charter)
        case CreateStatusList():
            _check_uuid(operation.list_id, "list_id")
        case UpdateStatusList():
            _check_status_changes(operation, network, charter)
        case GrantAccreditation():
            check_grant_form(operation, network=network, charter=charter)
        case SuspendAccreditation() | ReinstateAccreditation() | WithdrawAccreditation():
            if not is_grant_id(operation.grant_id):
                raise _refusal(
                    ReceiptCode.GRANT_UNKNOWN, "grant_id", "no accreditation has such an id"
                )
        case AdmitValidator() | ActivateValidator() | RemoveValidator() | UpdateValidatorAddress():
            check_validator_form(operation, network=network)


def _check_endorsement(operation: EndorseOrganisation, network: str, charter: Charter) -> None:
    _check_codes(operation.codes)
    request = check_organisation_request(
        operation.request, operation.request_signatures, network=network
    )
    if request.type not in charter.organisation_types:
        raise _refusal(
            ReceiptCode.ORGANISATION_TYPE_UNKNOWN, "request.type", "the charter knows no such type"
        )


def _check_codes(codes: Sequence[Code]) -> None:
    for position, code in enumerate(codes):
        if not is_code_system(code.system) or not is_code_value(code.value):
            raise _refusal(ReceiptCode.FIELD_INVALID, f"codes[{position}]", _NO_CODE)


def _check_site(operation: AddSite, network: str, charter: Charter) -> None:
    if not is_site_code(operation.code):
        raise _refusal(ReceiptCode.FIELD_INVALID, "code", "1 to 32 letters, digits and hyphens")
    if not is_name_allowed(operation.name):
        raise _refusal(
            ReceiptCode.TEXT_NOT_ALLOWED,
            "name",
            "a name has Latin letters, digits and a little punctuation",
        )
    if not is_did(operation.organisation, network):
        raise _refusal(
            ReceiptCode.ORGANISATION_UNKNOWN, "organisation", "a DID of this network is expected"
        )
    if operation.province not in charter.provinces:
        raise _refusal(
            ReceiptCode.PROVINCE_UNKNOWN, "province", "the charter knows no such province"
        )


def _check_did(did: str, network: str) -> None:
    if not is_did(did, network):
        raise _refusal(ReceiptCode.DID_UNKNOWN, "did", "a DID of this network is expected")


def _check_key(did: str, new_key: NewKey, where: str) -> None:
    check_new_key(new_key, where)
    check_possession(did, new_key, where)


def _check_rotation(operation: RotateKey, network: str) -> None:
    _check_did(operation.did, network)
    if operation.new_key is not None:
        _check_key(operation.did, operation.new_key, "new_key")
    if not is_key_id(operation.retired_key_id):
        raise _refusal(ReceiptCode.KEY_UNKNOWN, "retired_key_id", "no key has such a name")


def _check_resource(operation: PublishResource, charter: Charter) -> None:
    if not is_name_for_type(operation.name, operation.type):
        raise _refusal(ReceiptCode.FIELD_INVALID, "name", "the name has another form")
    _check_uuid(operation.resource_id, "resource_id")
    check_content(
        operation.type,
        operation.name,
        operation.media_type,
        operation.content,
        powers=charter.powers,
        size_max=charter.limits.content_size_max,
    )
    if sha256(operation.content).digest() != operation.checksum:
        raise _refusal(
            ReceiptCode.CHECKSUM_MISMATCH, "checksum", "the SHA-256 of the content is expected"
        )


def _check_uuid(value: bytes, where: str) -> None:
    if len(value) != UUID_SIZE or not any(value):
        raise _refusal(ReceiptCode.FIELD_INVALID, where, "a UUID of 16 bytes is expected")


def _check_status_changes(operation: UpdateStatusList, network: str, charter: Charter) -> None:
    if not is_did(operation.owner, network):
        raise _refusal(
            ReceiptCode.STATUS_LIST_UNKNOWN, "owner", "a DID of this network is expected"
        )
    _check_uuid(operation.list_id, "list_id")
    if len(operation.values) != len(operation.indexes):
        raise _refusal(ReceiptCode.FIELD_INVALID, "values", "one byte for each index is expected")
    if operation.indexes and max(operation.indexes) >= charter.limits.status_list_size_max:
        raise _refusal(
            ReceiptCode.STATUS_INDEX_OUT_OF_RANGE, "indexes", "no list has an entry so far out"
        )


def _refusal(code: ReceiptCode, where: str, text: str) -> TransactionRefusedError:
    return TransactionRefusedError(code, f"{where}: {text}" if where else text)
