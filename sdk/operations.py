# SPDX-License-Identifier: Apache-2.0
"""What can be asked of the ledger: one class for each operation, in the caller's own types.

Days are `date`, reasons and types their codes, organisations DIDs (`Accreditor` takes names, too).
An operation is a value: building one sends nothing. `encode()` is what the ledger receives; input
that has no form there is a CallerError. Long because all of them stand here, each a short class.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from ledger.model import operations as model
from ledger.model.block import Validator as ModelValidator
from ledger.model.canonical_json import JsonError, encode_json
from ledger.model.civil_date import OPEN_END
from ledger.model.codec import encode
from ledger.model.hashes import activation_message, possession_message
from ledger.model.identifiers import network_of_did
from ledger.model.keys import KeyFormatError, KeyRole, KeyType
from ledger.model.limits import STATUS_LIST_SIZE_MIN
from ledger.model.transaction import Operation as ModelOperation
from sdk.accreditations import parse_reason
from sdk.arguments import check_bytes, check_integer, check_signer, check_text
from sdk.errors import CallerError
from sdk.moments import day_number, to_ms
from sdk.organisation_requests import OrganisationRequestFile, parse_request
from sdk.resources import parse_resource_type
from sdk.signers import Signer, get_key_type
from sdk.status_lists import PURPOSE_NAMES

UUID_SIZE: Final = 16
_STATUS_MAX: Final = 255
"""An entry of a status list has at most 8 bits."""


class Operation(ABC):
    """Base of all operations."""

    __slots__ = ()

    @abstractmethod
    def to_model(self) -> ModelOperation:
        """The operation as the ledger knows it.

        Raises:
            CallerError: input that has no form on the ledger.
        """


@dataclass(frozen=True, slots=True)
class EndorseOrganisation(Operation):
    """Create an organisation's DID from its own request and vouch for its names and codes."""

    request: Path | Mapping[str, Any] | OrganisationRequestFile
    codes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Value by system."""

    def to_model(self) -> model.EndorseOrganisation:
        held = parse_request(self.request)
        return model.EndorseOrganisation(
            request=held.request,
            request_signatures=held.signatures,
            codes=tuple(model.Code(system, value) for system, value in sorted(self.codes.items())),
        )


@dataclass(frozen=True, slots=True)
class AddSite(Operation):
    """Add a site to an organisation."""

    organisation: str
    """DID."""
    code: str
    name: str
    province: str
    """Code, such as EC."""

    def to_model(self) -> model.AddSite:
        return model.AddSite(
            _check_did(self.organisation, "organisation"), self.code, self.name, self.province
        )


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be added, with the proof that its holder agrees."""

    key_id: str
    role: str
    type: str
    public_key: bytes
    possession: bytes

    @classmethod
    def prove(cls, did: str, role: str, key: Signer) -> NewKey:
        """Offer the key of a signer for a DID.

        Raises:
            CallerError: KEY_ROLE_UNKNOWN, KEY_TYPE_UNKNOWN.
            KeyAccessError: the signer cannot sign.
        """
        check_text(did, "did")
        check_text(role, "role")
        check_signer(key, "key")
        entry = model.KeyEntry(key.key_id, _parse_role(role), get_key_type(key), key.public_key)
        possession = key.sign(possession_message(did, encode(entry)))
        return cls(key.key_id, role, key.algorithm, key.public_key, possession)

    def to_model(self) -> model.NewKey:
        """As the ledger knows it."""
        key_type = _parse_key_type(self.type)
        entry = model.KeyEntry(self.key_id, _parse_role(self.role), key_type, self.public_key)
        return model.NewKey(entry, self.possession)


@dataclass(frozen=True, slots=True)
class Service:
    """A service endpoint of a DID."""

    id: str
    type: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class UpdateDid(Operation):
    """Change a DID's services or add keys."""

    did: str
    expected_version: int
    set_services: Sequence[Service] = ()
    remove_services: Sequence[str] = ()
    add_keys: Sequence[NewKey] = ()

    def to_model(self) -> model.UpdateDid:
        return model.UpdateDid(
            did=_check_did(self.did, "did"),
            expected_version=self.expected_version,
            set_services=tuple(model.Service(s.id, s.type, s.endpoint) for s in self.set_services),
            remove_services=tuple(self.remove_services),
            add_keys=tuple(key.to_model() for key in self.add_keys),
        )


@dataclass(frozen=True, slots=True)
class RotateKey(Operation):
    """Retire a key and put another in its place."""

    did: str
    expected_version: int
    retired_key_id: str
    new_key: NewKey
    overlap: timedelta = timedelta(0)
    """How long the retired key stays valid; nothing when it is compromised."""
    compromised_since: datetime | None = None

    def to_model(self) -> model.RotateKey:
        return model.RotateKey(
            did=_check_did(self.did, "did"),
            expected_version=self.expected_version,
            retired_key_id=self.retired_key_id,
            new_key=self.new_key.to_model(),
            overlap_ms=self.overlap // timedelta(milliseconds=1),
            compromised_since=0
            if self.compromised_since is None
            else to_ms(self.compromised_since),
        )


@dataclass(frozen=True, slots=True)
class PublishResource(Operation):
    """Publish a document: a new name, or the next version of one."""

    name: str
    type: str
    """JsonSchema CredentialTemplate DisplayBundle Qualification."""
    content: bytes | Mapping[str, Any]
    """Bytes, or a JSON object of texts, integers, lists and objects."""
    expected_version: int = 0
    """Versions that exist already; 0: a new name."""
    media_type: str = "application/json"
    resource_id: UUID = field(default_factory=lambda: UUID(bytes=_random_uuid()))

    def to_model(self) -> model.PublishResource:
        content = self.content
        if not isinstance(content, bytes):
            try:
                content = encode_json(content)
            except JsonError as error:
                raise CallerError(
                    f"the content is no JSON for the ledger: {error}",
                    code="RESOURCE_CONTENT_INVALID",
                    remedy="Use texts, integers, lists and objects; no fractions.",
                ) from error
        return model.PublishResource(
            resource_id=self.resource_id.bytes,
            name=self.name,
            type=parse_resource_type(self.type),
            media_type=self.media_type,
            content=content,
            checksum=sha256(content).digest(),
            expected_version=self.expected_version,
        )


@dataclass(frozen=True, slots=True)
class CreateStatusList(Operation):
    """Begin a status list; its URL is OWNER/resources/LIST_ID."""

    purpose: str
    """revocation suspension message"""
    bits: int = 1
    size: int = STATUS_LIST_SIZE_MIN
    list_id: UUID = field(default_factory=lambda: UUID(bytes=_random_uuid()))

    def to_model(self) -> model.CreateStatusList:
        for purpose, name in PURPOSE_NAMES.items():
            if name == self.purpose and purpose is not model.StatusPurpose.UNSPECIFIED:
                return model.CreateStatusList(self.list_id.bytes, purpose, self.bits, self.size)
        raise CallerError(
            f"{self.purpose!r} is no purpose of a status list",
            code="STATUS_PURPOSE_UNKNOWN",
            remedy="Choose revocation, suspension or message.",
        )


@dataclass(frozen=True, slots=True)
class UpdateStatusList(Operation):
    """Change entries of a status list; fails whole when the list is not at `base_version`."""

    owner: str
    """DID."""
    list_id: UUID
    base_version: int
    changes: Mapping[int, int]
    """New status by index."""

    def to_model(self) -> model.UpdateStatusList:
        changes = sorted(self.changes.items())
        if any(not 0 <= value <= _STATUS_MAX for _, value in changes):
            raise CallerError(
                f"a status is a number from 0 to {_STATUS_MAX}",
                code="STATUS_VALUE_OUT_OF_RANGE",
                remedy="Use a value that fits into the bits of the list.",
            )
        return model.UpdateStatusList(
            owner=_check_did(self.owner, "owner"),
            list_id=self.list_id.bytes,
            base_version=self.base_version,
            indexes=tuple(index for index, _ in changes),
            values=bytes(value for _, value in changes),
        )


@dataclass(frozen=True, slots=True)
class GrantAccreditation(Operation):
    """Grant powers to an organisation."""

    grantee: str
    """DID."""
    powers: Sequence[str]
    valid_from: date
    valid_until: date | None
    """Inclusive; None: open."""
    sub_frameworks: Sequence[str] = ()
    qualifications: Sequence[str] = ()
    sites: Sequence[str] = ()
    designations: Sequence[str] = ()
    trades: Sequence[str] = ()

    def to_model(self) -> model.GrantAccreditation:
        return model.GrantAccreditation(
            grantee=_check_did(self.grantee, "grantee"),
            powers=_sorted(self.powers),
            scope=model.Scope(
                sub_frameworks=_sorted(self.sub_frameworks),
                qualifications=_sorted(self.qualifications),
                sites=_sorted(self.sites),
                designations=_sorted(self.designations),
                trades=_sorted(self.trades),
            ),
            valid_from=day_number(self.valid_from),
            valid_until=OPEN_END if self.valid_until is None else day_number(self.valid_until),
        )


@dataclass(frozen=True, slots=True)
class SuspendAccreditation(Operation):
    """Suspend a grant from a day on."""

    grant_id: str
    expected_version: int
    effective: date
    """First day without the powers."""
    reason: str

    def to_model(self) -> model.SuspendAccreditation:
        return model.SuspendAccreditation(
            self.grant_id,
            self.expected_version,
            day_number(self.effective),
            parse_reason(self.reason),
        )


@dataclass(frozen=True, slots=True)
class ReinstateAccreditation(Operation):
    """End a suspension."""

    grant_id: str
    expected_version: int
    effective: date
    """First day with the powers again."""
    reason: str

    def to_model(self) -> model.ReinstateAccreditation:
        return model.ReinstateAccreditation(
            self.grant_id,
            self.expected_version,
            day_number(self.effective),
            parse_reason(self.reason),
        )


@dataclass(frozen=True, slots=True)
class WithdrawAccreditation(Operation):
    """Withdraw a grant; *ab initio* it needs the grantor's own grantor, too, and voids it whole."""

    grant_id: str
    expected_version: int
    effective: date
    """First day without the powers."""
    reason: str
    ab_initio: bool = False

    def to_model(self) -> model.WithdrawAccreditation:
        return model.WithdrawAccreditation(
            self.grant_id,
            self.expected_version,
            day_number(self.effective),
            parse_reason(self.reason),
            self.ab_initio,
        )


@dataclass(frozen=True, slots=True)
class Validator:
    """A newcomer among the validators: its public keys and certificate, made by its own node."""

    id: str
    """1 to 32 of a-z, 0-9 and hyphen; used once, for ever."""
    organisation: str
    """DID of who runs it."""
    vote_key_type: str
    """bls ed25519, as the network's certificate scheme has it."""
    vote_key: bytes
    vote_possession: bytes
    """Proof of possession of a BLS key; empty for Ed25519."""
    peer_key: bytes
    tls_certificate: bytes
    """DER."""

    def to_model(self) -> ModelValidator:
        """As the ledger knows it."""
        return ModelValidator(
            id=self.id,
            organisation=_check_did(self.organisation, "organisation"),
            vote_key_type=_parse_key_type(self.vote_key_type),
            vote_key=self.vote_key,
            vote_possession=self.vote_possession,
            peer_key=self.peer_key,
            tls_certificate=self.tls_certificate,
        )


@dataclass(frozen=True, slots=True)
class AdmitValidator(Operation):
    """Admit a validator as a learner: it receives everything and votes on nothing."""

    validator: Validator
    peer_address: str
    """host:port, where the other validators reach it."""

    def to_model(self) -> model.AdmitValidator:
        return model.AdmitValidator(self.validator.to_model(), self.peer_address)


@dataclass(frozen=True, slots=True)
class ActivateValidator(Operation):
    """Make a learner a validator, from two blocks later on."""

    validator_id: str
    height: int
    """Of a certified block that the newcomer has; at most 100 below the one this comes into."""
    block_hash: bytes
    signature: bytes
    """Of the newcomer's vote key."""
    replaces: str | None = None
    """An active validator that leaves with the same change."""

    @classmethod
    def prove(
        cls,
        chain_id: str,
        validator_id: str,
        height: int,
        block_hash: bytes,
        vote_key: Signer,
        *,
        replaces: str | None = None,
    ) -> ActivateValidator:
        """Sign with the newcomer's vote key that it has a block of this ledger.

        Raises:
            KeyAccessError: the signer cannot sign.
        """
        check_text(chain_id, "chain_id")
        check_text(validator_id, "validator_id")
        check_integer(height, "height")
        check_bytes(block_hash, "block_hash")
        check_signer(vote_key, "vote_key")
        message = activation_message(chain_id, validator_id, height, block_hash)
        return cls(validator_id, height, block_hash, vote_key.sign(message), replaces)

    def to_model(self) -> model.ActivateValidator:
        return model.ActivateValidator(
            self.validator_id, self.height, self.block_hash, self.signature, self.replaces or ""
        )


@dataclass(frozen=True, slots=True)
class RemoveValidator(Operation):
    """End a validator, from two blocks later on, or a learner; for ever."""

    validator_id: str

    def to_model(self) -> model.RemoveValidator:
        return model.RemoveValidator(self.validator_id)


@dataclass(frozen=True, slots=True)
class UpdateValidatorAddress(Operation):
    """Say where the other validators reach one."""

    validator_id: str
    peer_address: str
    """host:port"""

    def to_model(self) -> model.UpdateValidatorAddress:
        return model.UpdateValidatorAddress(self.validator_id, self.peer_address)


def _check_did(value: str, name: str) -> str:
    # Names are the Accreditor's: they cost a read, and an operation is a value.
    if network_of_did(value) is None:
        raise CallerError(
            f"{name} is no DID",
            code="DID_MALFORMED",
            remedy="Give the DID: `client.organisation(NAME).value.did`, or `pset org show NAME`.",
        )
    return value


def _sorted(values: Sequence[str]) -> tuple[str, ...]:
    # A text is a sequence of texts, too: powers="train" would become five powers.
    if isinstance(values, str):
        raise CallerError(
            "a list of texts is expected, not one text",
            code="FIELD_INVALID",
            remedy="Put it into a list: ['train'].",
        )
    return tuple(sorted(set(values)))


def _parse_role(role: str) -> KeyRole:
    try:
        return KeyRole.from_label(role)
    except KeyFormatError as error:
        raise CallerError(
            error.text, code=error.code, remedy="Choose admin, ledger, issue or recovery."
        ) from None


def _parse_key_type(label: str) -> KeyType:
    try:
        return KeyType.from_label(label)
    except KeyFormatError as error:
        raise CallerError(
            error.text, code=error.code, remedy="Choose ed25519, p256 or bls."
        ) from None


def _random_uuid() -> bytes:
    """A version 4 UUID (RFC 9562 §5.4) from the system's secure source."""
    return UUID(bytes=secrets.token_bytes(UUID_SIZE), version=4).bytes
