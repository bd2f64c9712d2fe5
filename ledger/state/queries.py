# SPDX-License-Identifier: Apache-2.0
"""Questions to the state that several operations ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.model.accreditation import chain_status
from ledger.model.identifiers import parse_resource_url
from ledger.model.limits import GRANT_CHAIN_DEPTH_MAX
from ledger.model.operations import ResourceType
from ledger.model.qualification import (
    QualificationFacts,
    QualificationLookup,
    decode_qualification_facts,
)
from ledger.model.records import (
    GrantRecord,
    HeldGrantsRecord,
    OrganisationRecord,
    OrganisationStatus,
    ReferenceRecord,
    ResourceNameRecord,
    ResourceRecord,
)
from ledger.model.schema import (
    child_key,
    grant_key,
    grants_held_key,
    organisation_key,
    resource_key,
    resource_name_key,
)
from ledger.state.overlay import TransactionState

SUCCESSION_DEPTH_MAX: Final = 8
"""Successors of successors that are followed."""


def get_organisation(state: TransactionState, did: str) -> OrganisationRecord | None:
    """The organisation with this DID."""
    return state.get(OrganisationRecord, organisation_key(did))


def is_active_organisation(state: TransactionState, did: str) -> bool:
    """Whether somebody vouched for the organisation and it has no successor."""
    organisation = get_organisation(state, did)
    return organisation is not None and organisation.status is OrganisationStatus.ACTIVE


def is_acting_for(state: TransactionState, did: str, other: str) -> bool:
    """Whether `did` is `other` or succeeds it."""
    for _ in range(SUCCESSION_DEPTH_MAX):
        if did == other:
            return True
        organisation = get_organisation(state, other)
        if organisation is None or not organisation.successor:
            return False
        other = organisation.successor
    return False


def get_grant(state: TransactionState, grant_id: str) -> GrantRecord | None:
    """The grant with this id."""
    return state.get(GrantRecord, grant_key(grant_id))


def list_grants_held(state: TransactionState, did: str) -> Iterator[GrantRecord]:
    """Grants to an organisation that can still matter, in the order in which they were made: all
    that have not ended, and of the others those that a new one could overlap. At most
    GRANTS_HELD_COUNT_MAX.
    """
    for grant_id in get_held_grants(state, did).grants:
        yield get_listed_grant(state, grant_id)


def get_held_grants(state: TransactionState, did: str) -> HeldGrantsRecord:
    """Which grants to an organisation can still matter."""
    return state.get(HeldGrantsRecord, grants_held_key(did)) or HeldGrantsRecord()


def get_listed_grant(state: TransactionState, grant_id: str) -> GrantRecord:
    """A grant that another record refers to."""
    grant = get_grant(state, grant_id)
    assert grant is not None, "references to grants are never dangling"
    return grant


def get_chain(state: TransactionState, grant: GrantRecord) -> list[GrantRecord]:
    """The grant and those above it, up to the root."""
    chain = [grant]
    while chain[-1].parent:
        chain.append(get_listed_grant(state, chain[-1].parent))
        assert len(chain) <= GRANT_CHAIN_DEPTH_MAX, "the depth is checked when a grant is made"
    return chain


def is_holding(state: TransactionState, grant: GrantRecord, day: int) -> bool:
    """Whether a grant and all above it hold on a day."""
    return bool(chain_status(get_chain(state, grant), day))


def is_holding_power(state: TransactionState, did: str, powers: tuple[str, ...], day: int) -> bool:
    """Whether an organisation holds one of the powers on a day, over anything at all."""
    return any(
        any(power in grant.powers for power in powers) and is_holding(state, grant, day)
        for grant in list_grants_held(state, did)
    )


def get_latest_resource(state: TransactionState, name: str) -> ResourceRecord | None:
    """The newest version of a named resource."""
    parent_key = resource_name_key(name)
    parent = state.get(ResourceNameRecord, parent_key)
    if parent is None:
        return None
    child = state.get(ReferenceRecord, child_key(parent_key, parent.child_count - 1))
    target = parse_resource_url(child.reference) if child else None
    assert target is not None, "a name has at least one version, each with a URL"
    return state.get(ResourceRecord, resource_key(*target))


def qualification_lookup(state: TransactionState) -> QualificationLookup:
    """Facts about qualifications registered on this ledger, from their newest version."""
    # One check asks about the same names for each grant held. A lookup lives as long as one
    # operation, which never publishes what it asks about.
    found: dict[str, QualificationFacts | None] = {}

    def lookup(name: str) -> QualificationFacts | None:
        if name not in found:
            found[name] = read(name)
        return found[name]

    def read(name: str) -> QualificationFacts | None:
        resource = get_latest_resource(state, name)
        if resource is None or resource.type is not ResourceType.QUALIFICATION:
            return None
        return decode_qualification_facts(resource.content)

    return lookup
