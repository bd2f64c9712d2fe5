# SPDX-License-Identifier: Apache-2.0
"""Names of things: DIDs, DID URLs of resources and status lists, qualifications, occupations.

Every pattern is ASCII-only and bounded, so that all nodes agree and no name is ambiguous.
`did:pset:<network>:<id>`: the id is base58btc of 20 bytes (`ledger.model.hashes.compute_did`).
A resource and a status list share one form of URL, `<owner DID>/resources/<UUID>`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ledger.model.hashes import DID_ID_SIZE, DID_METHOD, GRANT_ID_SIZE
from ledger.model.multibase import MultibaseError, decode_base58btc

DIDS_REMEMBERED_COUNT_MAX: Final = 8_192
"""DIDs remembered as good: more than one network has."""

CHARTER: Final = "charter"
"""Grantor and voucher of what genesis established. No DID, so nobody can act as it."""

UUID_SIZE: Final = 16

_NETWORK: Final = re.compile(r"[a-z0-9-]{1,20}", re.ASCII)
_CHAIN_ID: Final = re.compile(r"([a-z0-9-]{1,20}):[0-9a-f]{16}", re.ASCII)
_DID: Final = re.compile(
    rf"did:{DID_METHOD}:([a-z0-9-]{{1,20}}):([1-9A-HJ-NP-Za-km-z]{{20,28}})", re.ASCII
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_KEY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SHORT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,31}", re.ASCII)
_SITE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}", re.ASCII)
_CODE_SYSTEM: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_CODE_VALUE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}", re.ASCII)
_RESOURCE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)
_QUALIFICATION: Final = re.compile(r"za:saqa:q:[1-9][0-9]{0,8}", re.ASCII)
_OCCUPATION: Final = re.compile(r"za:ofo:(?:19|20)[0-9]{2}:[1-8][0-9]{5}", re.ASCII)
_DESIGNATION: Final = re.compile(r"[A-Z][A-Za-z0-9]{1,15}", re.ASCII)
_GRANT: Final = re.compile(r"g([1-9A-HJ-NP-Za-km-z]{16,22})", re.ASCII)
_VALIDATOR: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


def is_network(text: str) -> bool:
    """Whether `text` is a network's name: 1 to 20 of a-z, 0-9 and hyphen."""
    return _NETWORK.fullmatch(text) is not None


def network_of_chain(chain_id: str) -> str | None:
    """The network named in a chain id, or None when it is no chain id."""
    match = _CHAIN_ID.fullmatch(chain_id)
    return match[1] if match else None


@lru_cache(maxsize=DIDS_REMEMBERED_COUNT_MAX)
def network_of_did(did: str) -> str | None:
    """The network named in a DID, or None when `did` is no DID of this method."""
    match = _DID.fullmatch(did)
    if match is None:
        return None
    try:
        identifier = decode_base58btc(match[2], DID_ID_SIZE)
    except MultibaseError:
        return None
    return match[1] if len(identifier) == DID_ID_SIZE else None


def is_did(did: str, network: str) -> bool:
    """Whether `did` is a DID of this network."""
    return network_of_did(did) == network


def is_grant_id(text: str) -> bool:
    """Whether `text` is the id of a grant (`ledger.model.hashes.compute_grant_id`)."""
    match = _GRANT.fullmatch(text)
    if match is None:
        return False
    try:
        return len(decode_base58btc(match[1], GRANT_ID_SIZE)) == GRANT_ID_SIZE
    except MultibaseError:
        return False


def format_uuid(value: bytes) -> str:
    """16 bytes as lower-case UUID text (RFC 9562 §4)."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_uuid(text: str) -> bytes | None:
    """The 16 bytes of a lower-case UUID text, or None."""
    return bytes.fromhex(text.replace("-", "")) if _UUID.fullmatch(text) else None


def resource_url(owner: str, resource_id: bytes) -> str:
    """DID URL of a resource or status list."""
    return f"{owner}/resources/{format_uuid(resource_id)}"


def parse_resource_url(url: str) -> tuple[str, bytes] | None:
    """Owner DID and 16-byte id named in a resource's or status list's URL, or None."""
    owner, separator, text = url.partition("/resources/")
    value = parse_uuid(text)
    if not separator or value is None or network_of_did(owner) is None:
        return None
    return owner, value


def is_key_id(text: str) -> bool:
    """Whether `text` may name a key (the fragment of its DID URL)."""
    return _KEY_ID.fullmatch(text) is not None


def is_short_name(text: str) -> bool:
    """Whether `text` may be an organisation's vouched short name."""
    return _SHORT_NAME.fullmatch(text) is not None


def is_site_code(text: str) -> bool:
    """Whether `text` may be the code of an organisation's site."""
    return _SITE.fullmatch(text) is not None


def is_code_system(text: str) -> bool:
    """Whether `text` may name who gives out vouched codes, such as `qcto`."""
    return _CODE_SYSTEM.fullmatch(text) is not None


def is_code_value(text: str) -> bool:
    """Whether `text` may be a vouched code, such as `SDP-0142`."""
    return _CODE_VALUE.fullmatch(text) is not None


def is_resource_name(text: str) -> bool:
    """Whether `text` may name a resource that is no qualification."""
    return _RESOURCE_NAME.fullmatch(text) is not None


def is_qualification(text: str) -> bool:
    """Whether `text` is a qualification's identifier, `za:saqa:q:<digits>`."""
    return _QUALIFICATION.fullmatch(text) is not None


def qualification_name(saqa_id: int) -> str:
    """Identifier of the qualification with this SAQA id."""
    return f"za:saqa:q:{saqa_id}"


def is_occupation(text: str) -> bool:
    """Whether `text` is an occupation, `za:ofo:<version year>:<six digits>`."""
    return _OCCUPATION.fullmatch(text) is not None


def occupation_code(occupation: str) -> str:
    """The six digits of an occupation: what it is called in every version of the OFO."""
    return occupation.rpartition(":")[2]


def is_designation(text: str) -> bool:
    """Whether `text` is a designation's code, such as `PrEng`: no separators, so no sentence."""
    return _DESIGNATION.fullmatch(text) is not None


def is_validator_id(text: str) -> bool:
    """Whether `text` may name a validator; it is a DNS label too."""
    return _VALIDATOR.fullmatch(text) is not None and not text.endswith("-")
