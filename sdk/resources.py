# SPDX-License-Identifier: Apache-2.0
"""Questions about published resources: by URL, by NAME, by NAME@VERSION, as of a time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ledger.model import schema
from ledger.model.identifiers import (
    is_qualification,
    is_resource_name,
    network_of_did,
    parse_resource_url,
    resource_url,
)
from ledger.model.operations import ResourceType
from ledger.model.records import ReferenceRecord, ResourceRecord
from sdk.errors import CallerError
from sdk.reader import StateView, decode_record
from sdk.results import Resource

_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)

RESOURCE_TYPE_NAMES: Final = {
    ResourceType.UNSPECIFIED: "Unspecified",
    ResourceType.JSON_SCHEMA: "JsonSchema",
    ResourceType.CREDENTIAL_TEMPLATE: "CredentialTemplate",
    ResourceType.CREDENTIAL_DEFINITION: "CredentialDefinition",
    ResourceType.DISPLAY_BUNDLE: "DisplayBundle",
    ResourceType.QUALIFICATION: "Qualification",
    ResourceType.OCCUPATION_FRAMEWORK: "OccupationFramework",
    ResourceType.SKILL_ALIGNMENT: "SkillAlignment",
    ResourceType.EQUIVALENCE_RULE: "EquivalenceRule",
    ResourceType.GOVERNANCE_DOCUMENT: "GovernanceDocument",
    ResourceType.SOFTWARE_RELEASE: "SoftwareRelease",
}
"""Names as in the documentation and in `Resource.type`."""


def parse_resource_type(name: str) -> ResourceType:
    """The type called `name`.

    Raises:
        CallerError: RESOURCE_TYPE_UNKNOWN.
    """
    for held, label in RESOURCE_TYPE_NAMES.items():
        if label == name and held is not ResourceType.UNSPECIFIED:
            return held
    known = ", ".join(list(RESOURCE_TYPE_NAMES.values())[1:])
    raise CallerError(
        f"{name!r} is no type of resource",
        code="RESOURCE_TYPE_UNKNOWN",
        remedy=f"Choose one of {known}.",
    )


def read_resource(
    view: StateView, name_or_url: str, network: str, at_ms: int | None = None
) -> Resource:
    """A resource as it stood at a time (ms), None: now; by name without a version the newest.

    Raises:
        CallerError: RESOURCE_NAME_MALFORMED, RESOURCE_UNKNOWN, OTHER_NETWORK.
    """
    record, urls = _find(view, name_or_url, network, at_ms)
    if record is None or (at_ms is not None and record.created > at_ms):
        raise _unknown(name_or_url)
    following = urls[record.version] if record.version < len(urls) else None
    if following is not None and at_ms is not None:
        later = _get(view, following)
        if later is None or later.created > at_ms:
            following = None
    return Resource(
        url=resource_url(record.owner, record.resource_id),
        name=record.name,
        type=RESOURCE_TYPE_NAMES[record.type],
        version=str(record.version),
        content=record.content,
        checksum=record.checksum.hex(),
        superseded_by=following,
    )


def list_resources(view: StateView, resource_type: ResourceType) -> Sequence[Resource]:
    """The newest version of every resource of a type, in the order of first publication."""
    children = view.children(schema.resources_key(resource_type))
    names = [decode_record(ReferenceRecord, child).reference for child in children]
    view.get_many([schema.resource_name_key(name) for name in names])
    lists = [_urls(view, name) for name in names]
    newest = [urls[-1] for urls in lists if urls]
    view.get_many([_key(url) for url in newest])
    found: list[Resource] = []
    for url in newest:
        record = _get(view, url)
        if record is not None:
            found.append(
                Resource(
                    url=url,
                    name=record.name,
                    type=RESOURCE_TYPE_NAMES[record.type],
                    version=str(record.version),
                    content=record.content,
                    checksum=record.checksum.hex(),
                    superseded_by=None,
                )
            )
    return found


def count_versions(view: StateView, name: str) -> int:
    """How many versions of a name exist: the precondition of the next one."""
    return len(_urls(view, name))


def _find(
    view: StateView, name_or_url: str, network: str, at_ms: int | None
) -> tuple[ResourceRecord | None, Sequence[str]]:
    """The record meant, and the URLs of all versions of its name."""
    parsed = parse_resource_url(name_or_url)
    if parsed is not None:
        if network_of_did(parsed[0]) != network:
            raise CallerError(
                f"{name_or_url} belongs to another network than {network}",
                code="OTHER_NETWORK",
                remedy="Connect to the network named in the URL.",
            )
        record = view.record(ResourceRecord, schema.resource_key(*parsed))
        return record, () if record is None else _urls(view, record.name)
    name, separator, version = name_or_url.partition("@")
    is_name = is_qualification(name) or is_resource_name(name)
    if not is_name or (separator and not _VERSION.fullmatch(version)):
        raise CallerError(
            f"{name_or_url!r} is no name or URL of a resource",
            code="RESOURCE_NAME_MALFORMED",
            remedy="Give NAME, NAME@VERSION or did:…/resources/UUID.",
        )
    urls = _urls(view, name)
    if separator:
        number = int(version)
        return (_get(view, urls[number - 1]) if number <= len(urls) else None), urls
    if at_ms is None:
        return (_get(view, urls[-1]) if urls else None), urls
    versions = view.records(ResourceRecord, [_key(url) for url in urls])
    then = [record for record in versions if record is not None and record.created <= at_ms]
    return (then[-1] if then else None), urls


def _urls(view: StateView, name: str) -> Sequence[str]:
    children = view.children(schema.resource_name_key(name))
    return [decode_record(ReferenceRecord, child).reference for child in children]


def _key(url: str) -> bytes:
    parsed = parse_resource_url(url)
    assert parsed is not None, "the state machine writes URLs of resources only"
    return schema.resource_key(*parsed)


def _get(view: StateView, url: str) -> ResourceRecord | None:
    return view.record(ResourceRecord, _key(url))


def _unknown(name_or_url: str) -> CallerError:
    return CallerError(
        f"no resource {name_or_url} is on the ledger",
        code="RESOURCE_UNKNOWN",
        remedy="Check the spelling, the version and the day; see `pset schema list`.",
    )
