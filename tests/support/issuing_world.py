# SPDX-License-Identifier: Apache-2.0
"""Story 1 as a world: QCTO accredits gaa for 91761, gaa issues. Nothing of the issuer is checked, so
that a test can sign what an honest issuer would not. Persons are samples.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ledger.model.codec import encode
from ledger.model.identifiers import resource_url
from ledger.model.operations import (
    AccreditationReason,
    ResourceType,
    StatusPurpose,
    UpdateStatusList,
    WithdrawAccreditation,
)
from ledger.model.records import ReferenceRecord, ResourceNameRecord, ResourceRecord
from ledger.model.schema import child_key, resource_key, resource_name_key
from sdk.aio_verifier import Verifier
from sdk.credentials.data_integrity import create_proof
from sdk.credentials.jcs import JsonObject, canonicalize
from sdk.credentials.open_badges import build_credential
from sdk.credentials.status_list import REVOCATION, SUSPENSION, StatusEntry
from sdk.credentials.template import CredentialTemplate, bundled_template
from sdk.credentials.template_reader import parse_template
from sdk.credentials.values import example_values
from sdk.policy import Policy
from sdk.report import VerificationReport
from tests.support.ledger_execution import ELECTRICIAN, LedgerWorld, make_training_world
from tests.support.ledger_world import TestKey, day
from tests.support.world_reader import WorldReader

STATEMENT = "statement-of-results"
CERTIFICATE = "occupational-certificate"
TODAY = "2026-05-20"
PROVIDER_POWERS = "train assess-internally issue-statement-of-results issue-badge"
CREDENTIAL_ID = "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33"
QUALIFICATION: JsonObject = {
    "saqa_id": 91761,
    "title": "Occupational Certificate: Electrician",
    "nqf_level": 4,
    "credits": 360,
    "ofo": ["za:ofo:2021:671101"],
}
INDEX = 94_567
"""Place of the sample credential in both status lists."""


class IssuingWorld:
    """A ledger with an accredited provider, its status lists, and a verifier."""

    def __init__(self, *, policy: Policy | None = None, is_granted: bool = True) -> None:
        self.world: LedgerWorld = make_training_world()
        self.world.skip_to("2024-02-01")
        self.template_urls = {
            name: self.publish_template("qcto", name, bundled_template(name))
            for name in (STATEMENT, CERTIFICATE)
        }
        self.grant_id = self.grant() if is_granted else ""
        self.world.skip_to(TODAY)
        self.lists: dict[tuple[str, str], bytes] = {}
        for owner in ("gaa", "qcto"):
            self.create_lists(owner)
        self.reader = WorldReader(self.world)
        self.clock_ms: int | None = None
        """The verifier's clock; None: the time of the newest block."""
        self.verifier = self.make_verifier(policy)

    def make_verifier(self, policy: Policy | None = None) -> Verifier:
        return Verifier(self.reader, policy=policy, time_ms=self._now_ms)

    def _now_ms(self) -> int:
        return self.world.time if self.clock_ms is None else self.clock_ms

    def grant(self, grantee: str = "gaa", **changes: Any) -> str:
        options: dict[str, Any] = {
            "until": "2029-01-31",
            "qualifications": [ELECTRICIAN],
            "sites": ["1", "2"],
        }
        powers = str(changes.pop("powers", PROVIDER_POWERS))
        return self.world.grant("qcto", grantee, powers, **(options | changes))

    def publish_template(
        self, owner: str, name: str, content: bytes, *, expected_version: int = 0
    ) -> str:
        operation = self.world.publish(
            owner,
            name,
            ResourceType.CREDENTIAL_TEMPLATE,
            content,
            expected_version=expected_version,
        )
        self.world.apply(owner, operation)
        return resource_url(self.world.did(owner), operation.resource_id)

    def plant_template(self, owner: str, name: str, content: bytes) -> str:
        """A template that today's rules of the ledger refuse, as if other rules had let it in: what
        a verifier refuses must not rest on those rules alone.
        """
        operation = self.world.publish(owner, name, ResourceType.CREDENTIAL_TEMPLATE, content)
        did = self.world.did(owner)
        url = resource_url(did, operation.resource_id)
        name_key = resource_name_key(name)
        record = ResourceRecord(
            owner=did,
            resource_id=operation.resource_id,
            name=name,
            type=operation.type,
            version=1,
            media_type=operation.media_type,
            content=content,
            checksum=operation.checksum,
            created=self.world.time,
        )
        parent = ResourceNameRecord(child_count=1, owner=did, type=operation.type)
        self.world.values.update(
            {
                resource_key(did, operation.resource_id): encode(record),
                name_key: encode(parent),
                child_key(name_key, 0): encode(ReferenceRecord(reference=url)),
            }
        )
        return url

    def create_lists(self, owner: str) -> None:
        for purpose, word in (
            (StatusPurpose.REVOCATION, REVOCATION),
            (StatusPurpose.SUSPENSION, SUSPENSION),
        ):
            self.lists[owner, word] = self.world.create_status_list(
                owner, purpose=purpose, label=word
            )

    def set_status(
        self, word: str, value: int = 1, *, owner: str = "gaa", index: int = INDEX, base: int = 0
    ) -> None:
        """Change the status of the sample credential on the ledger."""
        self.world.apply(
            owner,
            UpdateStatusList(
                owner=self.world.did(owner),
                list_id=self.lists[owner, word],
                base_version=base,
                indexes=(index,),
                values=bytes((value,)),
            ),
        )

    def withdraw(
        self, *, effective: str | None = None, by: str = "qcto", version: int = 1, **changes: Any
    ) -> None:
        self.world.apply(
            by,
            WithdrawAccreditation(
                grant_id=str(changes.pop("grant_id", self.grant_id)),
                expected_version=version,
                effective=self.world.today if effective is None else day(effective),
                reason=AccreditationReason.QUALITY_FAILURE,
                **changes,
            ),
        )

    def status_entries(self, owner: str = "gaa", index: int = INDEX) -> tuple[StatusEntry, ...]:
        did = self.world.did(owner)
        return tuple(
            StatusEntry(resource_url(did, self.lists[owner, word]), index, word)
            for word in (REVOCATION, SUSPENSION)
        )

    def unsigned(
        self,
        *,
        issuer: str = "gaa",
        template: str = STATEMENT,
        assessed: str = "2026-05-14",
        issued: datetime | None = None,
        **changes: Any,
    ) -> JsonObject:
        """A credential's document. `template_url`, `template_content`, `status_entries`,
        `valid_until`, `qualification_record` and any value of the template may be changed.
        """
        content: CredentialTemplate = parse_template(
            changes.pop("template_content", None) or bundled_template(template)
        )
        url = changes.pop("template_url", None) or self.template_urls[template]
        kept: dict[str, Any] = {
            "status_entries": None,
            "qualification_record": QUALIFICATION,
        }
        for name in ("status_entries", "valid_until", "qualification_record"):
            if name in changes:
                kept[name] = changes.pop(name)
        if kept["status_entries"] is None:
            kept["status_entries"] = self.status_entries(issuer)
        moment = issued or datetime(2026, 5, 20, 8, 30, tzinfo=UTC)
        values: dict[str, object] = dict(example_values(content, date(2026, 5, 20)))
        values["assessed"] = assessed
        return build_credential(
            content,
            url,
            values | changes,
            issuer_did=self.world.did(issuer),
            credential_id=CREDENTIAL_ID,
            issued_at=moment,
            **kept,
        )

    def sign(
        self,
        document: JsonObject,
        *,
        issuer: str = "gaa",
        key: str = "issue",
        created: datetime | None = None,
        method: str | None = None,
    ) -> bytes:
        """The document, signed with any key of the issuer; canonical JSON."""
        held: TestKey = self.world.organisations[issuer].keys[key]
        signed = create_proof(
            {name: value for name, value in document.items() if name != "proof"},
            held,
            method or f"{self.world.did(issuer)}#{held.key_id}",
            created or datetime(2026, 5, 20, 8, 30, tzinfo=UTC),
        )
        return canonicalize(signed)

    def issue(self, **changes: Any) -> bytes:
        """A signed credential; arguments as for `unsigned`, and `key`, `created`, `method`."""
        signing = {
            name: changes.pop(name) for name in ("key", "created", "method") if name in changes
        }
        issuer = str(changes.get("issuer", "gaa"))
        if "issued" in changes:
            signing.setdefault("created", changes["issued"])
        return self.sign(self.unsigned(**changes), issuer=issuer, **signing)

    def verify(self, document: Any, **options: Any) -> VerificationReport:
        return asyncio.run(self.verifier.verify(document, **options))

    def later(self, days: int) -> None:
        """Let the ledger's next block fall some days later."""
        self.world.time += timedelta(days=days) // timedelta(milliseconds=1)


def outcomes(report: VerificationReport) -> dict[str, str]:
    """Outcome by check."""
    return {check.name: check.outcome for check in report.checks}


def code_of(report: VerificationReport, name: str) -> str | None:
    """Code of one check."""
    return next(check.code for check in report.checks if check.name == name)


def without(entries: Sequence[StatusEntry], purpose: str) -> tuple[StatusEntry, ...]:
    """The entries but those of a purpose."""
    return tuple(entry for entry in entries if entry.purpose != purpose)


def moved(entries: Sequence[StatusEntry], **changes: Any) -> tuple[StatusEntry, ...]:
    """The entries with the same change to each."""
    return tuple(replace(entry, **changes) for entry in entries)
