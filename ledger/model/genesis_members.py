# SPDX-License-Identifier: Apache-2.0
"""Members of a genesis document: organisations, validators, root grants, recovery policy.

Read by `ledger.model.genesis.decode_genesis`; here stands what each must show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.model import bls
from ledger.model.block import Validator
from ledger.model.canonical_json import JsonObject, JsonValue
from ledger.model.charter_document import SCOPE_KINDS, TABLE_COUNT_MAX
from ledger.model.civil_date import DAY_MAX, OPEN_END
from ledger.model.hashes import compute_did
from ledger.model.identifiers import (
    is_code_system,
    is_code_value,
    is_validator_id,
    network_of_did,
)
from ledger.model.json_fields import (
    FieldError,
    place,
    read_choice,
    read_integer,
    read_list,
    read_object,
    read_octets,
    read_text,
    read_texts,
)
from ledger.model.keys import KeyFormatError, KeyType, check_public_key
from ledger.model.legal_names import fold_name
from ledger.model.limits import (
    CODES_COUNT_MAX,
    DID_SIZE_MAX,
    KEYS_COUNT_MAX,
    NAME_SIZE_MAX,
    POWERS_COUNT_MAX,
    PUBLIC_KEY_SIZE_MAX,
    REQUEST_SIZE_MAX,
    SCOPE_COUNT_MAX,
    SIGNATURE_SIZE_MAX,
    TEXT_SIZE_MAX,
    TLS_CERTIFICATE_SIZE_MAX,
    VALIDATORS_COUNT_MAX,
)
from ledger.model.multibase import encode_base64url_nopad
from ledger.model.operations import Code, KeySignature, Scope
from ledger.model.organisation_request import RequestError, check_organisation_request
from ledger.model.scope import is_scope_element
from ledger.model.tls_certificate import TlsCertificateError, check_tls_certificate

ORGANISATIONS_COUNT_MAX: Final = 256
CERTIFICATE_SCHEMES: Final = {"bls12381": KeyType.BLS12381, "ed25519": KeyType.ED25519}
"""Type of the vote keys by scheme."""


class GenesisError(ValueError):
    """A document that is no genesis. Nothing is stored.

    ``code`` is one of those that `decode_genesis` names, ``where`` the member, ``text`` says why.
    """

    def __init__(self, code: str, where: str, text: str) -> None:
        super().__init__(code, where, text)
        self.code = code
        self.where = where
        self.text = text

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


@dataclass(frozen=True, slots=True)
class GenesisOrganisation:
    """An organisation that is there from the start; the charter vouches for it."""

    request: bytes
    """Canonical OrganisationRequest."""
    signatures: tuple[KeySignature, ...]
    codes: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class RootGrant:
    """What the charter grants."""

    grantee: str
    """DID."""
    powers: tuple[str, ...]
    """Sorted."""
    scope: Scope
    valid_from: int
    """Day."""
    valid_until: int = OPEN_END


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """Whose signatures, and how many, begin a new epoch when the quorum is lost for ever."""

    organisations: tuple[str, ...]
    """DIDs, sorted."""
    threshold: int


# Writing ------------------------------------------------------------------------------------------


def encode_organisation(organisation: GenesisOrganisation) -> JsonObject:
    """The JSON of an organisation."""
    return {
        "request": encode_base64url_nopad(organisation.request),
        "signatures": [
            {"key_id": item.key_id, "signature": encode_base64url_nopad(item.signature)}
            for item in organisation.signatures
        ],
        "codes": [{"system": code.system, "value": code.value} for code in organisation.codes],
    }


def encode_validator(validator: Validator, scheme: str) -> JsonObject:
    """The JSON of a validator; its key type is named after the certificate scheme."""
    return {
        "id": validator.id,
        "organisation": validator.organisation,
        "vote_key_type": scheme,
        "vote_key": encode_base64url_nopad(validator.vote_key),
        "vote_possession": encode_base64url_nopad(validator.vote_possession),
        "peer_key": encode_base64url_nopad(validator.peer_key),
        "tls_certificate": encode_base64url_nopad(validator.tls_certificate),
    }


def encode_root_grant(grant: RootGrant) -> JsonObject:
    """The JSON of a root grant."""
    return {
        "grantee": grant.grantee,
        "powers": list(grant.powers),
        "scope": {kind: list(getattr(grant.scope, kind)) for kind in SCOPE_KINDS},
        "valid_from": grant.valid_from,
        "valid_until": grant.valid_until,
    }


# Reading ------------------------------------------------------------------------------------------


def decode_organisations(
    value: JsonValue, network: str, types: Sequence[str]
) -> tuple[tuple[GenesisOrganisation, ...], tuple[str, ...]]:
    """Read and check the organisations; with them their DIDs, in the same order."""
    organisations: list[GenesisOrganisation] = []
    dids: list[str] = []
    short_names: list[str] = []
    names: dict[str, str] = {}
    codes_seen: list[Code] = []
    for position, item in enumerate(
        read_list(value, "organisations", ORGANISATIONS_COUNT_MAX, count_min=1)
    ):
        where = place("organisations", position)
        organisation = _decode_organisation(item, where)
        try:
            request = check_organisation_request(
                organisation.request, organisation.signatures, network=network
            )
        except RequestError as error:
            raise GenesisError(
                "GENESIS_REQUEST_INVALID", place(where, error.where), error.text
            ) from None
        read_choice(request.type, place(where, "request.type"), types)
        did = compute_did(network, organisation.request)
        if did in dids or request.short_name in short_names:
            raise GenesisError(
                "GENESIS_INCONSISTENT", where, "the DID or the short name is there already"
            )
        folded = fold_name(request.name)
        if folded in names:
            raise GenesisError(
                "GENESIS_INCONSISTENT",
                place(where, "request.name"),
                f"two organisations have one legal name: {names[folded]!r} and {request.name!r} differ at "
                "most in case, marks, blanks and punctuation",
            )
        if any(code in codes_seen for code in organisation.codes):
            raise GenesisError("GENESIS_INCONSISTENT", where, "a code belongs to another already")
        organisations.append(organisation)
        dids.append(did)
        short_names.append(request.short_name)
        names[folded] = request.name
        codes_seen.extend(organisation.codes)
    return tuple(organisations), tuple(dids)


def _decode_organisation(value: JsonValue, where: str) -> GenesisOrganisation:
    item = read_object(value, where, ["request", "signatures", "codes"])
    inside = place(where, "signatures")
    signatures: list[KeySignature] = []
    for position, entry in enumerate(read_list(item["signatures"], inside, KEYS_COUNT_MAX, 1)):
        at = place(inside, position)
        member = read_object(entry, at, ["key_id", "signature"])
        signatures.append(
            KeySignature(
                key_id=read_text(member["key_id"], place(at, "key_id"), size_max=NAME_SIZE_MAX),
                signature=read_octets(
                    member["signature"], place(at, "signature"), size_max=SIGNATURE_SIZE_MAX
                ),
            )
        )
    return GenesisOrganisation(
        request=read_octets(item["request"], place(where, "request"), size_max=REQUEST_SIZE_MAX),
        signatures=tuple(signatures),
        codes=_decode_codes(item["codes"], place(where, "codes")),
    )


def _decode_codes(value: JsonValue, where: str) -> tuple[Code, ...]:
    codes: list[Code] = []
    for position, entry in enumerate(read_list(value, where, CODES_COUNT_MAX)):
        at = place(where, position)
        member = read_object(entry, at, ["system", "value"])
        code = Code(
            system=read_text(member["system"], place(at, "system"), size_max=NAME_SIZE_MAX),
            value=read_text(member["value"], place(at, "value"), size_max=TEXT_SIZE_MAX),
        )
        if not is_code_system(code.system) or not is_code_value(code.value):
            raise FieldError(at, "no vouched code has this form")
        if any(code.system == other.system for other in codes):
            raise FieldError(at, "an organisation has one code of a system")
        codes.append(code)
    return tuple(codes)


def decode_validators(value: JsonValue, scheme: str) -> tuple[Validator, ...]:
    """Read the validators; `check_validators` checks what they show."""
    validators: list[Validator] = []
    for position, entry in enumerate(read_list(value, "validators", VALIDATORS_COUNT_MAX, 1)):
        at = place("validators", position)
        member = read_object(
            entry,
            at,
            [
                "id",
                "organisation",
                "vote_key_type",
                "vote_key",
                "vote_possession",
                "peer_key",
                "tls_certificate",
            ],
        )
        read_choice(member["vote_key_type"], place(at, "vote_key_type"), [scheme])
        validators.append(
            Validator(
                id=read_text(member["id"], place(at, "id"), size_max=NAME_SIZE_MAX),
                organisation=read_text(
                    member["organisation"], place(at, "organisation"), size_max=DID_SIZE_MAX
                ),
                vote_key_type=CERTIFICATE_SCHEMES[scheme],
                vote_key=read_octets(
                    member["vote_key"], place(at, "vote_key"), size_max=PUBLIC_KEY_SIZE_MAX
                ),
                vote_possession=read_octets(
                    member["vote_possession"],
                    place(at, "vote_possession"),
                    size_max=SIGNATURE_SIZE_MAX,
                ),
                peer_key=read_octets(
                    member["peer_key"], place(at, "peer_key"), size_max=PUBLIC_KEY_SIZE_MAX
                ),
                tls_certificate=read_octets(
                    member["tls_certificate"],
                    place(at, "tls_certificate"),
                    size_max=TLS_CERTIFICATE_SIZE_MAX,
                ),
            )
        )
    return tuple(validators)


def check_validators(validators: Sequence[Validator], dids: Sequence[str]) -> None:
    """Ids sorted and unique, organisations known, keys good and possessed, certificates usable.

    Raises:
        GenesisError: GENESIS_INCONSISTENT, GENESIS_KEY_INVALID, GENESIS_POSSESSION_INVALID,
            GENESIS_CERTIFICATE_INVALID.
    """
    ids = [validator.id for validator in validators]
    if ids != sorted(set(ids)):
        raise GenesisError("GENESIS_INCONSISTENT", "validators", "ids are unique and sorted")
    for member in ("vote_key", "peer_key", "tls_certificate"):
        values = {getattr(validator, member) for validator in validators}
        if len(values) != len(validators):
            raise GenesisError("GENESIS_INCONSISTENT", "validators", f"two share one {member}")
    for position, validator in enumerate(validators):
        at = place("validators", position)
        if not is_validator_id(validator.id):
            raise FieldError(place(at, "id"), "1 to 32 of a-z, 0-9 and hyphen are expected")
        if validator.organisation not in dids:
            raise GenesisError(
                "GENESIS_INCONSISTENT", place(at, "organisation"), "no organisation of this genesis"
            )
        _check_key(validator.vote_key_type, validator.vote_key, place(at, "vote_key"))
        _check_key(KeyType.ED25519, validator.peer_key, place(at, "peer_key"))
        if not _is_possession_shown(validator):
            raise GenesisError(
                "GENESIS_POSSESSION_INVALID",
                place(at, "vote_possession"),
                "a BLS vote key needs its proof of possession, an Ed25519 one has none",
            )
        try:
            check_tls_certificate(validator.tls_certificate)
        except TlsCertificateError as error:
            raise GenesisError(
                "GENESIS_CERTIFICATE_INVALID", place(at, "tls_certificate"), str(error)
            ) from None


def _check_key(key_type: KeyType, public_key: bytes, where: str) -> None:
    try:
        check_public_key(key_type, public_key)
    except KeyFormatError as error:
        raise GenesisError("GENESIS_KEY_INVALID", where, error.text) from None


def _is_possession_shown(validator: Validator) -> bool:
    if validator.vote_key_type is KeyType.BLS12381:
        return bls.verify_possession(validator.vote_key, validator.vote_possession)
    return not validator.vote_possession


def decode_root_grants(
    value: JsonValue, dids: Sequence[str], powers: Sequence[str]
) -> tuple[RootGrant, ...]:
    """Read and check the root grants."""
    grants: list[RootGrant] = []
    for position, entry in enumerate(read_list(value, "root_grants", TABLE_COUNT_MAX, 1)):
        at = place("root_grants", position)
        member = read_object(entry, at, ["grantee", "powers", "scope", "valid_from", "valid_until"])
        granted = read_texts(
            member["powers"],
            place(at, "powers"),
            count_max=POWERS_COUNT_MAX,
            count_min=1,
            size_max=TEXT_SIZE_MAX,
        )
        if list(granted) != sorted(granted) or any(power not in powers for power in granted):
            raise FieldError(place(at, "powers"), "powers of the charter, sorted, are expected")
        valid_from = read_integer(member["valid_from"], place(at, "valid_from"), 1, DAY_MAX)
        valid_until = read_integer(member["valid_until"], place(at, "valid_until"), 0, DAY_MAX)
        if valid_until != OPEN_END and valid_until < valid_from:
            raise FieldError(place(at, "valid_until"), "the term ends before it begins")
        grantee = read_text(member["grantee"], place(at, "grantee"), size_max=DID_SIZE_MAX)
        if grantee not in dids:
            raise GenesisError(
                "GENESIS_INCONSISTENT", place(at, "grantee"), "no organisation of this genesis"
            )
        grants.append(
            RootGrant(
                grantee=grantee,
                powers=granted,
                scope=_decode_scope(member["scope"], place(at, "scope")),
                valid_from=valid_from,
                valid_until=valid_until,
            )
        )
    return tuple(grants)


def _decode_scope(value: JsonValue, where: str) -> Scope:
    member = read_object(value, where, SCOPE_KINDS)
    lists: dict[str, tuple[str, ...]] = {}
    for kind in SCOPE_KINDS:
        at = place(where, kind)
        texts = read_texts(member[kind], at, count_max=SCOPE_COUNT_MAX, size_max=TEXT_SIZE_MAX)
        if list(texts) != sorted(texts) or not all(is_scope_element(kind, text) for text in texts):
            raise FieldError(at, "sorted identifiers are expected")
        lists[kind] = texts
    return Scope(**lists)


def decode_recovery_policy(value: JsonValue, dids: Sequence[str]) -> RecoveryPolicy:
    """Read and check the recovery policy."""
    member = read_object(value, "recovery_policy", ["organisations", "threshold"])
    at = "recovery_policy.organisations"
    organisations = read_texts(
        member["organisations"],
        at,
        count_max=ORGANISATIONS_COUNT_MAX,
        count_min=1,
        size_max=DID_SIZE_MAX,
    )
    if list(organisations) != sorted(organisations):
        raise FieldError(at, "the DIDs are not sorted")
    for position, did in enumerate(organisations):
        if network_of_did(did) is None or did not in dids:
            raise GenesisError(
                "GENESIS_INCONSISTENT", place(at, position), "no organisation of this genesis"
            )
    return RecoveryPolicy(
        organisations=organisations,
        threshold=read_integer(
            member["threshold"], "recovery_policy.threshold", 1, len(organisations)
        ),
    )
