# SPDX-License-Identifier: Apache-2.0
"""What an operation must be to be taken: no personal data, no free text where none belongs, no
services and new keys without a form.

Execution asks all of this again, and decides, because the rules belong to a height. Here it is asked
so that the bytes of what will be refused never come into a block, where they would stay for ever: a
receipt that says PERSONAL_DATA does not take the data back.

A proposal that is ordered already is not asked: it is in the log and must have one outcome
everywhere, so execution refuses the transaction, not the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.model.charter_document import Charter
from ledger.model.did_update import check_did_update, check_new_key
from ledger.model.identifiers import (
    is_code_system,
    is_code_value,
    is_site_code,
)
from ledger.model.operation_lint import find_in_texts
from ledger.model.operations import (
    AddSite,
    Code,
    EndorseOrganisation,
    GrantAccreditation,
    NewKey,
    PublishResource,
    RotateKey,
    Scope,
    UpdateDid,
)
from ledger.model.organisation_request import RequestError, check_organisation_request
from ledger.model.personal_data import is_name_allowed
from ledger.model.receipts import ReceiptCode
from ledger.model.resource_content import ContentError, check_content, is_name_for_type
from ledger.model.scope import is_scope_element
from ledger.model.transaction import Operation
from ledger.model.transaction_check import TransactionRefusedError

_NO_CODE: Final = "no code has this form"


def check_operation(operation: Operation, *, network: str, charter: Charter) -> None:
    """Refuse what no state is needed to refuse, and what must not be stored.

    Texts of refusals name places, never what stands there.

    Args:
        operation: of a checked transaction.
        network: its name.
        charter: the network's rules.

    Raises:
        TransactionRefusedError: PERSONAL_DATA, TEXT_NOT_ALLOWED, FIELD_INVALID, and the codes of
            `check_organisation_request`, `check_content`, `check_did_update` and `check_new_key`.
    """
    # The content of a resource is examined by `check_content`: once is dear enough.
    finding = find_in_texts(operation)
    if finding is not None:
        raise _refusal(ReceiptCode.PERSONAL_DATA, finding.where, finding.rule)
    try:
        _check_texts(operation)
        if isinstance(operation, EndorseOrganisation):
            check_organisation_request(
                operation.request, operation.request_signatures, network=network
            )
        elif isinstance(operation, PublishResource):
            check_content(
                operation.type,
                operation.name,
                operation.media_type,
                operation.content,
                powers=charter.powers,
                size_max=charter.limits.content_size_max,
            )
    except (RequestError, ContentError) as error:
        raise _refusal(error.code, error.where, error.text) from None


def _check_texts(operation: Operation) -> None:
    match operation:
        case EndorseOrganisation():
            _check_codes(operation.codes)
        case AddSite():
            if not is_site_code(operation.code):
                raise _refusal(
                    ReceiptCode.FIELD_INVALID, "code", "1 to 32 letters, digits and hyphens"
                )
            if not is_name_allowed(operation.name):
                raise _refusal(
                    ReceiptCode.TEXT_NOT_ALLOWED,
                    "name",
                    "a name has Latin letters, digits and a little punctuation",
                )
        case UpdateDid():
            check_did_update(operation)
            for position, new_key in enumerate(operation.add_keys):
                check_new_key(new_key, f"add_keys[{position}]")
        case RotateKey(new_key=NewKey() as new_key):
            check_new_key(new_key, "new_key")
        case PublishResource():
            if not is_name_for_type(operation.name, operation.type):
                raise _refusal(ReceiptCode.FIELD_INVALID, "name", "the name has another form")
        case GrantAccreditation(scope=Scope() as scope):
            _check_scope(scope)
        case _:
            pass


def _check_codes(codes: Sequence[Code]) -> None:
    for position, code in enumerate(codes):
        if not is_code_system(code.system) or not is_code_value(code.value):
            raise _refusal(ReceiptCode.FIELD_INVALID, f"codes[{position}]", _NO_CODE)


def _check_scope(scope: Scope) -> None:
    for kind, texts in (("trades", scope.trades), ("designations", scope.designations)):
        for position, text in enumerate(texts):
            if not is_scope_element(kind, text):
                raise _refusal(ReceiptCode.FIELD_INVALID, f"scope.{kind}[{position}]", _NO_CODE)


def _refusal(code: ReceiptCode, where: str, text: str) -> TransactionRefusedError:
    return TransactionRefusedError(code, f"{where}: {text}" if where else text)
