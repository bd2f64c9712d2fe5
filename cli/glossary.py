# SPDX-License-Identifier: Apache-2.0
"""What operations and their fields mean, in words, with the source of each rule: for `pset explain`.

Tests compare both tables with the operations that exist. Long because it is two tables of texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROTOCOL: Final = "docs/protocol.md"
OPERATIONS_PROTO: Final = "proto/psetledger/v1/operations.proto"
NQF_ACT: Final = "National Qualifications Framework Act 67 of 2008"
POPIA: Final = "Protection of Personal Information Act 4 of 2013"
OQSF_RULES: Final = "OQSF determination, GN 1463 of 2021"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word means, and where that is laid down."""

    text: str
    source: str


OPERATIONS: Final = {
    "EndorseOrganisation": Meaning(
        "Creates an organisation's DID from its own self-signed request. The endorser vouches for "
        "its legal name, short name, type and codes; every report shows who vouched.",
        f"{PROTOCOL} §2; {NQF_ACT}",
    ),
    "AddSite": Meaning(
        "Adds a site (campus, training centre) to an organisation, so that a grant can be limited "
        "to it. Sites are never removed.",
        OPERATIONS_PROTO,
    ),
    "UpdateDid": Meaning(
        "Adds keys to a DID, sets or removes its service endpoints. What was there stays in the "
        "record with the time in which it counted.",
        "W3C DID Core 1.0",
    ),
    "RotateKey": Meaning(
        "Retires one key of a DID and puts a new one in its place. With compromised-since the old "
        "key is distrusted from that moment, otherwise it may overlap for a while.",
        "W3C DID Core 1.0",
    ),
    "PublishResource": Meaning(
        "Publishes a document under a name: schema, credential template, display labels or a "
        "qualification. A new version supersedes the old one; nothing is ever deleted.",
        f"{OPERATIONS_PROTO}; qualifications: {NQF_ACT}",
    ),
    "CreateStatusList": Meaning(
        "Creates a list of at least 131,072 entries in which an issuer marks credentials as revoked "
        "or suspended. A credential names its list and place, the ledger no credential.",
        "W3C Bitstring Status List 1.0",
    ),
    "UpdateStatusList": Meaning(
        "Changes entries of a status list, as a whole or not at all. In a revocation list an entry "
        "only ever goes from 0 to 1.",
        "W3C Bitstring Status List 1.0",
    ),
    "GrantAccreditation": Meaning(
        "Gives an organisation powers, within a scope and a term. It holds only as far as the "
        "grantor's own grant covers it, up to the charter.",
        f"{NQF_ACT}; {OQSF_RULES}; the power table in the charter (parameter/powers)",
    ),
    "SuspendAccreditation": Meaning(
        "Suspends a grant from a day on. What was issued before stays good.",
        NQF_ACT,
    ),
    "ReinstateAccreditation": Meaning(
        "Ends a suspension from a day on.",
        NQF_ACT,
    ),
    "WithdrawAccreditation": Meaning(
        "Ends a grant from a day on; what was issued while it held stays good. Ab initio it never "
        "counted: that takes effect only when the grantor's own grantor repeats it within 30 days.",
        NQF_ACT,
    ),
    "AdmitValidator": Meaning(
        "Admits a validator of an organisation as a learner: it receives everything and votes on "
        "nothing. Its id, keys and certificate are used once, for ever.",
        f"{PROTOCOL} §9",
    ),
    "ActivateValidator": Meaning(
        "Makes a learner a validator, two blocks later. Its own vote key signs a block of the last "
        "100, which shows that it has caught up; it can take another's place in the same change.",
        f"{PROTOCOL} §9",
    ),
    "RemoveValidator": Meaning(
        "Ends a validator, two blocks later, or a learner at once; for ever. What it signed before "
        "stays good.",
        f"{PROTOCOL} §9",
    ),
    "UpdateValidatorAddress": Meaning(
        "Says at which host and port the other validators reach one.", f"{PROTOCOL} §9"
    ),
}
"""By name of the operation's class."""

FIELDS: Final = {
    "add_keys": Meaning(
        "Keys to add to the DID, each with a proof that its holder agreed.", OPERATIONS_PROTO
    ),
    "ab_initio": Meaning(
        "The grant never counted. Needs two parties: the grantor opens it, the grantor's own "
        "grantor confirms it within 30 days.",
        NQF_ACT,
    ),
    "base_version": Meaning(
        "Version of the status list that the changes were made for; a stale one is refused whole.",
        OPERATIONS_PROTO,
    ),
    "block_hash": Meaning("Hash of the block at `height` that the newcomer has.", OPERATIONS_PROTO),
    "bits": Meaning("Bits of an entry of the status list: 1, or 2, 4, 8.", OPERATIONS_PROTO),
    "checksum": Meaning("SHA-256 of the content, 32 bytes.", OPERATIONS_PROTO),
    "code": Meaning("The site's code within its organisation, such as 2.", OPERATIONS_PROTO),
    "codes": Meaning(
        "Codes that the endorser vouches for, such as qcto=SDP-0142; unique in the network.",
        OPERATIONS_PROTO,
    ),
    "compromised_since": Meaning(
        "From when the retired key is not trusted, in ms; 0: it was not compromised. What it signed "
        "from then on does not count.",
        OPERATIONS_PROTO,
    ),
    "content": Meaning(
        "The document, at most 128 KiB of JSON: allowed texts only, nothing personal.",
        f"{OPERATIONS_PROTO}; {POPIA}",
    ),
    "did": Meaning("The DID to change.", OPERATIONS_PROTO),
    "effective": Meaning(
        "The first day without the power (or with it again), whole day in South Africa. Not before "
        "the day on which it is submitted, except ab initio.",
        f"{OPERATIONS_PROTO}; ledger/model/civil_date.py",
    ),
    "expected_version": Meaning(
        "Version of the record that the author has seen. Another one in the state means that "
        "somebody was quicker: STALE_VERSION.",
        OPERATIONS_PROTO,
    ),
    "expires_at": Meaning(
        "Until when the transaction may enter a block, in ms; at most 24 hours ahead.",
        f"{PROTOCOL} §3",
    ),
    "grant_id": Meaning("The grant meant, as its receipt named it.", OPERATIONS_PROTO),
    "grantee": Meaning("DID of the organisation that gets the powers.", OPERATIONS_PROTO),
    "height": Meaning(
        "Height of a block that the newcomer has; at most 100 below the one the activation comes "
        "into.",
        OPERATIONS_PROTO,
    ),
    "idempotency_key": Meaning(
        "16 bytes that name this wish of this author. Sent again with the same operation it gives "
        "the first receipt again; with another operation it is refused.",
        f"{PROTOCOL} §3",
    ),
    "indexes": Meaning(
        "Places of the status list to change, ascending; at most 10,000.", OPERATIONS_PROTO
    ),
    "list_id": Meaning("The status list's UUID, 16 bytes.", OPERATIONS_PROTO),
    "media_type": Meaning("application/json, or application/schema+json.", OPERATIONS_PROTO),
    "name": Meaning(
        "A resource's or site's name. The first publisher of a resource's name owns it; a "
        "qualification's is za:saqa:q:<SAQA id>.",
        OPERATIONS_PROTO,
    ),
    "new_key": Meaning("The key that replaces the retired one, with its proof.", OPERATIONS_PROTO),
    "organisation": Meaning("DID of the organisation whose site it is.", OPERATIONS_PROTO),
    "overlap_ms": Meaning(
        "How long the retired key stays valid, in ms; 0 when it was compromised.", OPERATIONS_PROTO
    ),
    "owner": Meaning("DID of the organisation whose status list it is.", OPERATIONS_PROTO),
    "peer_address": Meaning(
        "Where the other validators reach this one, host:port in small letters.", OPERATIONS_PROTO
    ),
    "powers": Meaning(
        "What the grantee may do, words of the charter such as issue-statement-of-results.",
        "the power table in the charter (parameter/powers)",
    ),
    "province": Meaning("Where the site lies: EC FS GP KZN LP MP NC NW WC.", OPERATIONS_PROTO),
    "purpose": Meaning("revocation (final), suspension or message.", OPERATIONS_PROTO),
    "reason": Meaning(
        "A code, never free text: non-compliance quality-failure ceased-operations voluntary "
        "fraud-finding error.",
        OPERATIONS_PROTO,
    ),
    "remove_services": Meaning("Service endpoints to end, by id.", OPERATIONS_PROTO),
    "replaces": Meaning(
        "An active validator that leaves with the same change; empty: none.", OPERATIONS_PROTO
    ),
    "request": Meaning(
        "The organisation's own request: names, type and keys. Its DID is derived from these bytes.",
        f"{PROTOCOL} §2",
    ),
    "request_signatures": Meaning(
        "One signature over the request by each key in it: nobody registers another's key.",
        f"{PROTOCOL} §2",
    ),
    "resource_id": Meaning("The resource's UUID, 16 bytes.", OPERATIONS_PROTO),
    "retired_key_id": Meaning("The key of the DID that is replaced.", OPERATIONS_PROTO),
    "scope": Meaning(
        "What the grant is limited to: sub_frameworks, qualifications, sites, designations, trades. "
        "An empty list does not limit. It lies within the grantor's own scope.",
        "the power table in the charter (parameter/powers)",
    ),
    "set_services": Meaning("Service endpoints to add or to change.", OPERATIONS_PROTO),
    "signature": Meaning(
        "The newcomer's vote key over chain, id, height and block hash.", f"{PROTOCOL} §2"
    ),
    "size": Meaning(
        "Entries of the status list, at least 131,072: the crowd in which one credential hides.",
        "W3C Bitstring Status List 1.0",
    ),
    "type": Meaning(
        "Kind of a resource: JsonSchema CredentialTemplate DisplayBundle Qualification.",
        OPERATIONS_PROTO,
    ),
    "valid_from": Meaning(
        "First day of the grant, whole day in South Africa. May lie in the past, within the "
        "grantor's own term.",
        f"{OPERATIONS_PROTO}; ledger/model/civil_date.py",
    ),
    "valid_until": Meaning(
        "Last day of the grant, inclusive; 0: open. For providers at most five years less a day.",
        "QCTO accreditation policy; the power table in the charter (parameter/powers)",
    ),
    "validator": Meaning(
        "The newcomer: id, organisation, vote key with its proof of possession, peer key, TLS "
        "certificate.",
        OPERATIONS_PROTO,
    ),
    "validator_id": Meaning("The validator meant.", OPERATIONS_PROTO),
    "values": Meaning(
        "New values of the places in `indexes`, one byte each, in the same order.",
        OPERATIONS_PROTO,
    ),
}
"""By name of the field, as in the proto files."""

CODE_SOURCES: Final = {
    "PERSONAL_DATA": POPIA,
    "TEXT_NOT_ALLOWED": POPIA,
    "SEPARATION_OF_DUTIES": OQSF_RULES,
    "SELF_GRANT": NQF_ACT,
    "GRANT_CYCLE": NQF_ACT,
    "NO_POWER": f"{NQF_ACT}; the power table in the charter (parameter/powers)",
    "SCOPE_NOT_COVERED": f"{NQF_ACT}; the power table in the charter (parameter/powers)",
    "TERM_TOO_LONG": "QCTO accreditation policy; the power table in the charter (parameter/powers)",
    "NO_SECOND_PARTY": NQF_ACT,
    "STATUS_LIST_TOO_SMALL": "W3C Bitstring Status List 1.0",
    "REVOCATION_IS_FINAL": "W3C Bitstring Status List 1.0",
    "NOT_AUTHORISED": "the authorisation rules in the charter (parameter/rules)",
    "KEY_NOT_AUTHORISED": f"{PROTOCOL} §3",
    "WOULD_LOSE_QUORUM": f"{PROTOCOL} §9",
    "CHANGE_PENDING": f"{PROTOCOL} §9",
    "ACTIVATION_STALE": f"{PROTOCOL} §9",
    "VALIDATOR_KEY_USED": f"{PROTOCOL} §9",
    "IDEMPOTENCY_KEY_REUSED": f"{PROTOCOL} §3",
    "EXPIRED": f"{PROTOCOL} §3",
    "EXPIRY_TOO_FAR": f"{PROTOCOL} §3",
}
"""Where the rule behind a code is laid down, when it is more than the protocol."""
