# SPDX-License-Identifier: Apache-2.0
"""What the SDK refuses before anything is sent, with the code that every node would refuse it with.

Personal data must not even travel: a refused transaction that entered a block would stay in its
history. The rest is checked here because an answer without a round trip is a better one. The node's
own checks are the ones that count; a development network can be asked without these.
"""

from __future__ import annotations

from ledger.model.charter_document import Charter
from ledger.model.did_update import check_did_update
from ledger.model.operation_lint import find_in_operation
from ledger.model.operations import EndorseOrganisation, PublishResource, UpdateDid
from ledger.model.organisation_request import RequestError, check_organisation_request
from ledger.model.receipts import ReceiptCode
from ledger.model.resource_content import ContentError, check_content
from ledger.model.transaction import Operation


class OperationRefusal(Exception):  # noqa: N818 (an answer, turned into a RefusedError or a receipt)
    """The operation would be refused: `code`, and `text` that never quotes what was found."""

    def __init__(self, code: ReceiptCode, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def check_operation(operation: Operation, *, network: str, charter: Charter) -> None:
    """Refuse what needs no state to be refused.

    Raises:
        OperationRefusal: PERSONAL_DATA, the codes of `check_organisation_request`,
            `check_did_update` and `check_content`.
    """
    finding = find_in_operation(operation)
    if finding is not None:
        raise OperationRefusal(
            ReceiptCode.PERSONAL_DATA, f"{finding.where} looks like personal data: {finding.rule}"
        )
    try:
        if isinstance(operation, EndorseOrganisation):
            check_organisation_request(
                operation.request, operation.request_signatures, network=network
            )
        elif isinstance(operation, UpdateDid):
            check_did_update(operation)
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
        where = f"{error.where}: " if error.where else ""
        raise OperationRefusal(error.code, f"{where}{error.text}") from error
