# SPDX-License-Identifier: Apache-2.0
"""Every key of the state, in one place. Nobody else builds key bytes.

Key = namespace 0x00, then every component but the last as u16 length (big-endian) || bytes, the
last one bare; numbers are 8 bytes big-endian. So no key is a prefix trick of another, and the
children of a parent sort by number. The light client derives keys here too, from the question it
asks, never from an answer.

Namespaces:
  parameter        name of a genesis parameter -> its RFC 8785 JSON bytes
  validator        validator id -> MemberRecord
  validators       "" -> ListRecord; "", n -> ReferenceRecord (id of the validator with number n + 1)
  validator-key    SHA-256 of a validator's vote key, peer key or TLS certificate -> ReferenceRecord (id)
  active-set       "" -> ActiveSetRecord
  recent-block     height modulo ACTIVATION_AGE_MAX -> RecentBlockRecord
  did              DID -> DidRecord
  organisation     DID -> OrganisationRecord
  short-name       vouched short name -> ReferenceRecord (DID)
  legal-name       legal name as `ledger.model.legal_names.fold_name` writes it -> ReferenceRecord (DID)
  code             system, value -> ReferenceRecord (DID)
  organisations    type -> ListRecord; type, n -> ReferenceRecord (DID); type "" lists them all
  grant            grant id -> GrantRecord
  grants-by-grantor, grants-by-grantee   DID -> ListRecord; DID, n -> ReferenceRecord (grant id)
  grants-held      DID -> HeldGrantsRecord: those to it that can still matter
  resource         owner DID, UUID -> ResourceRecord
  resource-name    name -> ResourceNameRecord; name, n -> ReferenceRecord (resource URL)
  resources        type number -> ListRecord; type number, n -> ReferenceRecord (name)
  status-list      owner DID, UUID -> StatusListRecord; owner, UUID, n -> StatusUpdateRecord
  status-lists     owner DID -> ListRecord; owner DID, n -> ReferenceRecord (list URL)
  status-chunk     owner DID, UUID, n -> 1024 bytes; absent = zeros
  idempotency      author DID, key -> IdempotencyRecord
"""

from __future__ import annotations

from ledger.model.operations import ResourceType

NUMBER_SIZE = 8

PARAMETER = b"parameter"
VALIDATOR = b"validator"
VALIDATORS = b"validators"
VALIDATOR_KEY = b"validator-key"
ACTIVE_SET = b"active-set"
RECENT_BLOCK = b"recent-block"
DID = b"did"
ORGANISATION = b"organisation"
SHORT_NAME = b"short-name"
LEGAL_NAME = b"legal-name"
CODE = b"code"
ORGANISATIONS = b"organisations"
GRANT = b"grant"
GRANTS_BY_GRANTOR = b"grants-by-grantor"
GRANTS_BY_GRANTEE = b"grants-by-grantee"
GRANTS_HELD = b"grants-held"
RESOURCE = b"resource"
RESOURCE_NAME = b"resource-name"
RESOURCES = b"resources"
STATUS_LIST = b"status-list"
STATUS_LISTS = b"status-lists"
STATUS_CHUNK = b"status-chunk"
IDEMPOTENCY = b"idempotency"


def _key(namespace: bytes, *components: bytes) -> bytes:
    parts = [namespace, b"\x00"]
    for component in components[:-1]:
        parts.append(len(component).to_bytes(2, "big"))
        parts.append(component)
    parts.append(components[-1])
    return b"".join(parts)


def _number(value: int) -> bytes:
    return value.to_bytes(NUMBER_SIZE, "big")


def parameter_key(name: str) -> bytes:
    return _key(PARAMETER, name.encode())


def validator_key(validator_id: str) -> bytes:
    return _key(VALIDATOR, validator_id.encode())


def validators_key() -> bytes:
    return _key(VALIDATORS, b"")


def validators_child_key(number: int) -> bytes:
    return _key(VALIDATORS, b"", _number(number))


def validator_key_key(key_hash: bytes) -> bytes:
    return _key(VALIDATOR_KEY, key_hash)


def active_set_key() -> bytes:
    return _key(ACTIVE_SET, b"")


def recent_block_key(slot: int) -> bytes:
    return _key(RECENT_BLOCK, _number(slot))


def did_key(did: str) -> bytes:
    return _key(DID, did.encode())


def organisation_key(did: str) -> bytes:
    return _key(ORGANISATION, did.encode())


def short_name_key(short_name: str) -> bytes:
    return _key(SHORT_NAME, short_name.encode())


def legal_name_key(folded: str) -> bytes:
    return _key(LEGAL_NAME, folded.encode())


def code_key(system: str, value: str) -> bytes:
    return _key(CODE, system.encode(), value.encode())


def organisations_key(organisation_type: str = "") -> bytes:
    return _key(ORGANISATIONS, organisation_type.encode())


def organisations_child_key(organisation_type: str, number: int) -> bytes:
    return _key(ORGANISATIONS, organisation_type.encode(), _number(number))


def grant_key(grant_id: str) -> bytes:
    return _key(GRANT, grant_id.encode())


def grants_by_grantor_key(did: str) -> bytes:
    return _key(GRANTS_BY_GRANTOR, did.encode())


def grants_by_grantor_child_key(did: str, number: int) -> bytes:
    return _key(GRANTS_BY_GRANTOR, did.encode(), _number(number))


def grants_by_grantee_key(did: str) -> bytes:
    return _key(GRANTS_BY_GRANTEE, did.encode())


def grants_by_grantee_child_key(did: str, number: int) -> bytes:
    return _key(GRANTS_BY_GRANTEE, did.encode(), _number(number))


def grants_held_key(did: str) -> bytes:
    return _key(GRANTS_HELD, did.encode())


def resource_key(owner: str, resource_id: bytes) -> bytes:
    return _key(RESOURCE, owner.encode(), resource_id)


def resource_name_key(name: str) -> bytes:
    return _key(RESOURCE_NAME, name.encode())


def resource_name_child_key(name: str, number: int) -> bytes:
    return _key(RESOURCE_NAME, name.encode(), _number(number))


def resources_key(resource_type: ResourceType) -> bytes:
    return _key(RESOURCES, _number(int(resource_type)))


def resources_child_key(resource_type: ResourceType, number: int) -> bytes:
    return _key(RESOURCES, _number(int(resource_type)), _number(number))


def status_list_key(owner: str, list_id: bytes) -> bytes:
    return _key(STATUS_LIST, owner.encode(), list_id)


def status_update_key(owner: str, list_id: bytes, number: int) -> bytes:
    return _key(STATUS_LIST, owner.encode(), list_id, _number(number))


def status_lists_key(owner: str) -> bytes:
    return _key(STATUS_LISTS, owner.encode())


def status_lists_child_key(owner: str, number: int) -> bytes:
    return _key(STATUS_LISTS, owner.encode(), _number(number))


def status_chunk_key(owner: str, list_id: bytes, number: int) -> bytes:
    return _key(STATUS_CHUNK, owner.encode(), list_id, _number(number))


def idempotency_key(author: str, key: bytes) -> bytes:
    return _key(IDEMPOTENCY, author.encode(), key)


def child_key(parent_key: bytes, number: int) -> bytes:
    """Key of child `number` of the parent record at `parent_key`.

    Turns the bare last component of the parent's key into a length-prefixed one; the namespaces
    with children are those listed above. Raises ValueError for a key without a namespace.
    """
    namespace, separator, rest = parent_key.partition(b"\x00")
    if not separator:
        raise ValueError("a state key has a namespace and a zero byte")
    leading, last = _split_components(namespace, rest)
    return _key(namespace, *leading, last, _number(number))


PARENT_COMPONENTS = {
    VALIDATORS: 1,
    ORGANISATIONS: 1,
    GRANTS_BY_GRANTOR: 1,
    GRANTS_BY_GRANTEE: 1,
    RESOURCE_NAME: 1,
    RESOURCES: 1,
    STATUS_LIST: 2,
    STATUS_LISTS: 1,
}
"""Components in a parent's key, by namespace that has children."""


def _split_components(namespace: bytes, rest: bytes) -> tuple[list[bytes], bytes]:
    count = PARENT_COMPONENTS.get(namespace)
    if count is None:
        raise ValueError("this namespace has no children")
    leading: list[bytes] = []
    for _ in range(count - 1):
        size = int.from_bytes(rest[:2], "big")
        leading.append(rest[2 : 2 + size])
        rest = rest[2 + size :]
    return leading, rest


def is_idempotency_key(key: bytes) -> bool:
    """Whether `key` is one of an idempotency record."""
    return key.startswith(IDEMPOTENCY + b"\x00")
