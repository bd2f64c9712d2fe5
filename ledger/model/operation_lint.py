# SPDX-License-Identifier: Apache-2.0
"""The personal-data linter over a whole operation: asked by the SDK, at admission, at execution.

A refused transaction that entered a block would stay in the block's history, so admission asks too;
execution decides, because the rule set belongs to a height.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.model.canonical_json import JsonError, decode_json
from ledger.model.codec import decode
from ledger.model.limits import CONTENT_SIZE_MAX, REQUEST_SIZE_MAX
from ledger.model.operations import (
    AddSite,
    EndorseOrganisation,
    GrantAccreditation,
    NewKey,
    OrganisationRequest,
    PublishResource,
    RotateKey,
    Scope,
    UpdateDid,
)
from ledger.model.personal_data import Finding, find_in_document, find_personal_data
from ledger.model.transaction import Operation
from ledger.model.wire import EncodingError


def find_in_operation(operation: Operation) -> Finding | None:
    """The first personal datum in an operation, or None.

    Content that cannot be read is left to the operation's own checks.
    """
    finding = find_in_texts(operation)
    if finding is None and isinstance(operation, PublishResource):
        try:
            document = decode_json(operation.content, size_max=CONTENT_SIZE_MAX)
        except JsonError:
            return None
        return find_in_document(document, "content")
    return finding


def find_in_texts(operation: Operation) -> Finding | None:
    """As `find_in_operation`, without the content of a resource, which its own check examines."""
    for where, text, is_identifier in _texts(operation):
        rule = find_personal_data(text, is_identifier=is_identifier)
        if rule:
            return Finding(rule, where)
    return None


def _texts(operation: Operation) -> Iterator[tuple[str, str, bool]]:
    """Place, text, and whether it is an identifier.

    Operations not named here carry identifiers of the ledger, numbers and codes only.
    """
    match operation:
        case EndorseOrganisation():
            yield from _request_texts(operation.request)
            for position, code in enumerate(operation.codes):
                yield f"codes[{position}].system", code.system, True
                yield f"codes[{position}].value", code.value, True
        case AddSite():
            yield "code", operation.code, True
            yield "name", operation.name, False
        case UpdateDid():
            for position, service in enumerate(operation.set_services):
                yield f"set_services[{position}].id", service.id, True
                yield f"set_services[{position}].type", service.type, True
                yield f"set_services[{position}].endpoint", service.endpoint, False
            for position, new_key in enumerate(operation.add_keys):
                yield from _key_texts(new_key, f"add_keys[{position}]")
        case RotateKey():
            yield from _key_texts(operation.new_key, "new_key")
        case PublishResource():
            yield "name", operation.name, True
        case GrantAccreditation():
            yield from _scope_texts(operation.scope or Scope())
        case _:
            pass


def _key_texts(new_key: NewKey | None, where: str) -> Iterator[tuple[str, str, bool]]:
    if new_key is not None and new_key.key is not None:
        yield f"{where}.key.key_id", new_key.key.key_id, True


def _scope_texts(scope: Scope) -> Iterator[tuple[str, str, bool]]:
    for position, text in enumerate(scope.designations):
        yield f"scope.designations[{position}]", text, True
    for position, text in enumerate(scope.trades):
        yield f"scope.trades[{position}]", text, True


def _request_texts(encoded: bytes) -> Iterator[tuple[str, str, bool]]:
    try:
        request = decode(OrganisationRequest, encoded, size_max=REQUEST_SIZE_MAX)
    except EncodingError:
        return
    yield "request.short_name", request.short_name, True
    yield "request.name", request.name, False
    for position, key in enumerate(request.keys):
        yield f"request.keys[{position}].key_id", key.key_id, True
