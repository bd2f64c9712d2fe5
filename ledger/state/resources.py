# SPDX-License-Identifier: Apache-2.0
"""PublishResource: named, versioned documents that are superseded and never deleted.

A name is unique in the network and belongs to its first publisher; only that organisation, or its
successor, publishes further versions. `expected_version` is the number of versions that exist.

A credential template says which power its credentials need, so it is for those who answer for that
power: who may grant it today by the charter's table, or holds it, if it is one of the powers that
award in the holder's own name. Otherwise a provider could define a certificate of its own.
"""

from __future__ import annotations

import dataclasses
from hashlib import sha256
from typing import Final

from ledger.model.canonical_json import JsonValue
from ledger.model.identifiers import UUID_SIZE, resource_url
from ledger.model.operations import PublishResource, ResourceType, Scope
from ledger.model.qualification import decode_qualification_facts, find_fact_changed
from ledger.model.receipts import ReceiptCode
from ledger.model.records import (
    ReferenceRecord,
    ResourceNameRecord,
    ResourceRecord,
    StatusListRecord,
)
from ledger.model.resource_content import MEDIA_TYPES, ContentError, check_content, is_name_for_type
from ledger.model.schema import (
    child_key,
    resource_key,
    resource_name_key,
    resources_key,
    status_list_key,
)
from ledger.model.scope import is_in_sub_framework, is_scope_covered
from ledger.state.authorisation import Ownership
from ledger.state.context import Context, OperationRefusedError, Results
from ledger.state.queries import is_holding, list_grants_held, qualification_lookup

AWARDING_POWERS: Final = ("award-designation", "certify", "issue")
"""Powers whose holder awards in its own name, and so defines what it awards."""


def get_resource_ownership(context: Context, operation: PublishResource) -> Ownership:
    """The name's first publisher; a new name is the author's."""
    if operation.type not in MEDIA_TYPES:
        raise OperationRefusedError(ReceiptCode.RESOURCE_TYPE_UNSUPPORTED, "type")
    parent = context.state.get(ResourceNameRecord, resource_name_key(operation.name))
    return Ownership(
        owners=(parent.owner if parent else context.author,),
        refusal=ReceiptCode.RESOURCE_NAME_TAKEN,
    )


def process_publish_resource(context: Context, operation: PublishResource) -> Results:
    """Publish a version of a resource."""
    state, author = context.state, context.author
    _check_form(operation)
    name_key = resource_name_key(operation.name)
    parent = state.get(ResourceNameRecord, name_key)
    if parent is not None and parent.type is not operation.type:
        raise OperationRefusedError(ReceiptCode.RESOURCE_TYPE_MISMATCH, "type")
    versions = parent.child_count if parent else 0
    if operation.expected_version != versions:
        raise OperationRefusedError(ReceiptCode.STALE_VERSION, "expected_version")
    key = resource_key(author, operation.resource_id)
    list_key = status_list_key(author, operation.resource_id)
    if state.get(ResourceRecord, key) or state.get(StatusListRecord, list_key):
        raise OperationRefusedError(ReceiptCode.RESOURCE_EXISTS, "resource_id")
    try:
        document = check_content(
            operation.type,
            operation.name,
            operation.media_type,
            operation.content,
            powers=context.charter.powers,
            size_max=context.charter.limits.content_size_max,
        )
    except ContentError as error:
        raise OperationRefusedError(error.code, error.where, error.text) from None
    if operation.type is ResourceType.CREDENTIAL_TEMPLATE and isinstance(document, dict):
        _check_answering(context, document["power"])
    if operation.type is ResourceType.QUALIFICATION and versions:
        _check_facts_kept(context, operation)

    previous = ""
    if parent is None:
        parent = ResourceNameRecord(owner=author, type=operation.type)
        state.append(resources_key(operation.type), operation.name)
    else:
        previous = _get_version_url(context, name_key, versions - 1)
    url = resource_url(author, operation.resource_id)
    state.put(
        key,
        ResourceRecord(
            owner=author,
            resource_id=operation.resource_id,
            name=operation.name,
            type=operation.type,
            version=versions + 1,
            media_type=operation.media_type,
            content=operation.content,
            checksum=operation.checksum,
            created=context.time,
            previous=previous,
        ),
    )
    state.put(child_key(name_key, versions), ReferenceRecord(reference=url))
    state.put(name_key, dataclasses.replace(parent, child_count=versions + 1))
    return (("url", url), ("name", operation.name), ("version", str(versions + 1)))


def _check_answering(context: Context, power: JsonValue) -> None:
    lookup = qualification_lookup(context.state)
    for grant in list_grants_held(context.state, context.author):
        scope = grant.scope or Scope()
        if (
            (power in AWARDING_POWERS and power in grant.powers)
            or any(
                row.held in grant.powers
                and power in (row.powers or ())
                and (
                    row.sub_framework is None
                    or is_in_sub_framework(scope, row.sub_framework, lookup)
                    or is_scope_covered(Scope(sub_frameworks=(row.sub_framework,)), scope, lookup)
                )
                for row in context.charter.power_rows
            )
        ) and is_holding(context.state, grant, context.day):
            return
    raise OperationRefusedError(
        ReceiptCode.NOT_AUTHORISED,
        "content.power",
        "the publisher neither grants this power today nor awards under it",
    )


def _check_facts_kept(context: Context, operation: PublishResource) -> None:
    before = qualification_lookup(context.state)(operation.name)
    after = decode_qualification_facts(operation.content)
    member = None if before is None else find_fact_changed(before, after)
    if member is not None:
        raise OperationRefusedError(
            ReceiptCode.RESOURCE_CONTENT_INVALID,
            f"content.{member}",
            "it stays what earlier versions say; another qualification has another id",
        )


def _check_form(operation: PublishResource) -> None:
    if not is_name_for_type(operation.name, operation.type):
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "name", "resources of this type have other names"
        )
    if len(operation.resource_id) != UUID_SIZE or not any(operation.resource_id):
        raise OperationRefusedError(
            ReceiptCode.FIELD_INVALID, "resource_id", "a UUID of 16 bytes is expected"
        )
    if sha256(operation.content).digest() != operation.checksum:
        raise OperationRefusedError(ReceiptCode.CHECKSUM_MISMATCH, "checksum")


def _get_version_url(context: Context, name_key: bytes, number: int) -> str:
    # With its owner: the version before can be that of the organisation which the author succeeds.
    child = context.state.get(ReferenceRecord, child_key(name_key, number))
    assert child is not None, "a name has all versions that its parent counts"
    return child.reference
