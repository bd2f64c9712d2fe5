# SPDX-License-Identifier: Apache-2.0
"""What a verification asks the ledger, in one question, so that all of it holds at one height.

Only public things are asked for: the issuer's keys, name and grants with those above them, the
template, the qualification, and status lists as wholes. No question names a credential or a place
in a list, so nobody who answers learns whom a verifier checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ledger.model import schema
from ledger.model.accreditation import is_chain_linked
from ledger.model.canonical_json import JsonError
from ledger.model.identifiers import CHARTER, parse_resource_url
from ledger.model.json_fields import FieldError
from ledger.model.limits import CONTENT_SIZE_MAX, GRANT_CHAIN_DEPTH_MAX, STATUS_CHUNK_SIZE
from ledger.model.operations import ResourceType
from ledger.model.qualification import QualificationFacts, decode_qualification_facts
from ledger.model.records import (
    DidRecord,
    GrantRecord,
    OrganisationRecord,
    ReferenceRecord,
    ResourceNameRecord,
    ResourceRecord,
    StatusListRecord,
    StatusUpdateRecord,
)
from ledger.model.verification import MALFORMED, ProofError, get_child_count
from sdk.credentials.facts import claimed_template
from sdk.credentials.jcs import JsonObject, parse_object
from sdk.credentials.problems import CredentialError
from sdk.credentials.template import CredentialTemplate
from sdk.credentials.template_reader import parse_template
from sdk.reader import StateView, decode_record
from sdk.results import get_status

QUALIFICATION_VERSIONS_COUNT_MAX: Final = 16
"""Latest versions of a qualification's record that a credential may have been issued from."""
UPDATES_PAGE_COUNT: Final = 256
UPDATES_LOOKED_AT_COUNT_MAX: Final = 4_096
"""Latest updates of a status list among which the day of a revocation is looked for."""
DOCUMENTS_REMEMBERED_COUNT_MAX: Final = 256
"""Templates and qualification records remembered as parsed, by their bytes."""

ListKey = tuple[str, bytes]
"""Owner and id of a status list."""


@dataclass(frozen=True, slots=True)
class FactsWanted:
    """What one credential makes a verifier ask."""

    issuer: str
    template_url: str
    qualification: str
    lists: tuple[ListKey, ...]


@dataclass(frozen=True, slots=True)
class TemplateFact:
    """A published template."""

    owner: str
    name: str
    version: int
    template: CredentialTemplate
    claimed: CredentialTemplate
    """`claimed_template(template)`."""


@dataclass(frozen=True, slots=True)
class QualificationFact:
    """A registered qualification: its latest record, and earlier ones."""

    facts: QualificationFacts
    record: JsonObject
    earlier: tuple[JsonObject, ...]


@dataclass(frozen=True, slots=True)
class StatusListFact:
    """A whole status list."""

    record: StatusListRecord
    chunks: Mapping[int, bytes]

    def status(self, index: int) -> int:
        """The value of an entry; the caller has compared `index` with the size."""
        return get_status(self.chunks, index, self.record.bits)


@dataclass(frozen=True, slots=True)
class IssuerFacts:
    """An organisation as an issuer: keys, vouched name, grants, and who is above it."""

    did: str
    did_record: DidRecord | None
    organisations: Mapping[str, OrganisationRecord]
    """The issuer, everybody above it, and who vouched for it, by DID."""
    chains: tuple[tuple[GrantRecord, ...], ...]
    """Each grant to the issuer with those above it, up to the root."""

    @property
    def organisation(self) -> OrganisationRecord | None:
        return self.organisations.get(self.did)


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """Everything the checks need to know of the ledger."""

    issuer: IssuerFacts
    template: TemplateFact | None
    qualification: QualificationFact | None
    lists: Mapping[ListKey, StatusListFact | None]


def ask_ledger_facts(view: StateView, wanted: FactsWanted) -> LedgerFacts:
    """The question of a verification. Asks in rounds: what is known to be needed, at once."""
    template_place = parse_resource_url(wanted.template_url)
    first = [
        *_issuer_keys(wanted.issuer),
        schema.resource_name_key(wanted.qualification),
        *(schema.status_list_key(*held) for held in wanted.lists),
    ]
    if template_place is not None:
        first.append(schema.resource_key(*template_place))
    view.get_many(first)
    second = [
        *_list_child_keys(view, schema.grants_by_grantee_key(wanted.issuer)),
        *_qualification_reference_keys(view, wanted.qualification),
        *(key for held in wanted.lists for key in _chunk_keys(view, held)),
    ]
    view.get_many(second)
    return LedgerFacts(
        issuer=ask_issuer_facts(view, wanted.issuer),
        template=None if template_place is None else _read_template(view, template_place),
        qualification=ask_qualification(view, wanted.qualification),
        lists={held: ask_status_list(view, held) for held in wanted.lists},
    )


def ask_issuer_facts(view: StateView, did: str) -> IssuerFacts:
    """Keys, vouched name and grants of an organisation, with everybody above it."""
    view.get_many(_issuer_keys(did))
    chains = _read_chains(view, did)
    dids = {did}
    for chain in chains:
        dids.update(grant.grantor for grant in chain if grant.grantor != CHARTER)
    organisations = _read_organisations(view, dids)
    issuer = organisations.get(did)
    if issuer is not None and issuer.vouched_by not in {CHARTER, *organisations}:
        organisations |= _read_organisations(view, {issuer.vouched_by})
    return IssuerFacts(
        did=did,
        did_record=view.record(DidRecord, schema.did_key(did)),
        organisations=organisations,
        chains=chains,
    )


def ask_qualification(view: StateView, name: str) -> QualificationFact | None:
    """A qualification's latest record and those before it; None when it is not registered."""
    keys = _qualification_reference_keys(view, name)
    if not keys:
        return None
    places: list[bytes] = []
    for reference in view.records(ReferenceRecord, keys):
        place = None if reference is None else parse_resource_url(reference.reference)
        if place is None:
            raise ProofError(MALFORMED, "a version of a qualification has no resource")
        places.append(schema.resource_key(*place))
    records: list[JsonObject] = []
    content = b""
    for resource in view.records(ResourceRecord, places):
        if resource is None or resource.type is not ResourceType.QUALIFICATION:
            raise ProofError(MALFORMED, "a version of a qualification is none")
        content = resource.content
        records.append(_parse_content(content))
    try:
        facts = decode_qualification_facts(content)
    except (JsonError, FieldError) as error:
        raise ProofError(MALFORMED, "a qualification cannot be read") from error
    return QualificationFact(facts, records[-1], tuple(reversed(records[:-1])))


def ask_change_times(
    view: StateView, held: ListKey, index: int, *, until_ms: int
) -> tuple[StatusUpdateRecord | None, StatusUpdateRecord | None, bool]:
    """The last updates of one entry: by an instant, and after it, among the latest updates.

    Returns:
        The last one with a time up to `until_ms`, the first one after it, and whether the whole
        history was looked at. Whole pages are fetched, so that nothing tells which entry is meant.
    """
    record = view.record(StatusListRecord, schema.status_list_key(*held))
    count = 0 if record is None else record.version
    after: StatusUpdateRecord | None = None
    stop = count
    while stop > 0 and count - stop < UPDATES_LOOKED_AT_COUNT_MAX:
        start = max(0, stop - UPDATES_PAGE_COUNT)
        keys = [schema.status_update_key(*held, number) for number in range(start, stop)]
        for update in reversed(view.records(StatusUpdateRecord, keys)):
            if update is None:
                raise ProofError(MALFORMED, "a status list lacks an update that it counts")
            if index not in update.indexes:
                continue
            if update.time <= until_ms:
                return update, after, True
            after = update
        stop = start
    return None, after, stop == 0


def ask_status_list(view: StateView, held: ListKey) -> StatusListFact | None:
    """A whole status list; None when it does not exist."""
    record = view.record(StatusListRecord, schema.status_list_key(*held))
    if record is None:
        return None
    values: Sequence[bytes | None] = view.get_many(_chunk_keys(view, held))
    chunks = {number: value for number, value in enumerate(values) if value is not None}
    if any(len(value) != STATUS_CHUNK_SIZE for value in chunks.values()):
        raise ProofError(MALFORMED, "a chunk of a status list has another size")
    return StatusListFact(record, chunks)


def _issuer_keys(did: str) -> list[bytes]:
    return [
        schema.did_key(did),
        schema.organisation_key(did),
        schema.grants_by_grantee_key(did),
    ]


def _list_child_keys(view: StateView, parent_key: bytes) -> list[bytes]:
    count = get_child_count(parent_key, view.get(parent_key))
    return [schema.child_key(parent_key, number) for number in range(count)]


def _qualification_reference_keys(view: StateView, name: str) -> list[bytes]:
    record = view.record(ResourceNameRecord, schema.resource_name_key(name))
    if record is None or record.type is not ResourceType.QUALIFICATION:
        return []
    count = record.child_count
    first = max(0, count - QUALIFICATION_VERSIONS_COUNT_MAX)
    return [schema.resource_name_child_key(name, number) for number in range(first, count)]


def _chunk_keys(view: StateView, held: ListKey) -> list[bytes]:
    record = view.record(StatusListRecord, schema.status_list_key(*held))
    if record is None:
        return []
    size_bytes = -(-record.size * record.bits // 8)
    count = -(-size_bytes // STATUS_CHUNK_SIZE)
    return [schema.status_chunk_key(*held, number) for number in range(count)]


def _read_chains(view: StateView, did: str) -> tuple[tuple[GrantRecord, ...], ...]:
    references = view.children(schema.grants_by_grantee_key(did))
    ids = [decode_record(ReferenceRecord, value).reference for value in references]
    grants: dict[str, GrantRecord] = {}
    wanted = ids
    for _ in range(GRANT_CHAIN_DEPTH_MAX):
        if not wanted:
            break
        keys = [schema.grant_key(grant_id) for grant_id in wanted]
        for grant_id, grant in zip(wanted, view.records(GrantRecord, keys), strict=True):
            if grant is None:
                raise ProofError(MALFORMED, "a grant that is listed does not exist")
            grants[grant_id] = grant
        parents = dict.fromkeys(grant.parent for grant in grants.values() if grant.parent)
        wanted = [parent for parent in parents if parent not in grants]
    if wanted:
        raise ProofError(MALFORMED, f"a grant has more than {GRANT_CHAIN_DEPTH_MAX} above it")
    chains: list[tuple[GrantRecord, ...]] = []
    for grant_id in ids:
        chain = [grants[grant_id]]
        while chain[-1].parent and len(chain) <= GRANT_CHAIN_DEPTH_MAX:
            chain.append(grants[chain[-1].parent])
        # The state machine links them when they are made; a verifier does not take that on trust.
        if is_chain_linked(chain) and chain[0].grantee == did and chain[-1].grantor == CHARTER:
            chains.append(tuple(chain))
    return tuple(chains)


def _read_organisations(view: StateView, dids: set[str]) -> dict[str, OrganisationRecord]:
    ordered = sorted(dids)
    records = view.records(OrganisationRecord, [schema.organisation_key(did) for did in ordered])
    return {did: record for did, record in zip(ordered, records, strict=True) if record is not None}


def _read_template(view: StateView, place: ListKey) -> TemplateFact | None:
    record = view.record(ResourceRecord, schema.resource_key(*place))
    if record is None or record.type is not ResourceType.CREDENTIAL_TEMPLATE:
        return None
    try:
        template, claimed = _parse_template(record.content)
    except CredentialError:
        return None
    return TemplateFact(record.owner, record.name, record.version, template, claimed)


@lru_cache(maxsize=DOCUMENTS_REMEMBERED_COUNT_MAX)
def _parse_template(content: bytes) -> tuple[CredentialTemplate, CredentialTemplate]:
    template = parse_template(content)
    return template, claimed_template(template)


@lru_cache(maxsize=DOCUMENTS_REMEMBERED_COUNT_MAX)
def _parse_content(content: bytes) -> JsonObject:
    try:
        return parse_object(content, size_max=CONTENT_SIZE_MAX, integers_only=True)
    except CredentialError as error:
        raise ProofError(MALFORMED, "a published document cannot be read") from error
