# SPDX-License-Identifier: Apache-2.0
"""PublishResource: names, versions, owners; content by type is tested with the model."""

from __future__ import annotations

import dataclasses
import json
from hashlib import sha256
from typing import Any

import pytest

from ledger.model.codec import decode
from ledger.model.identifiers import parse_resource_url, resource_url
from ledger.model.operations import PublishResource, ResourceType
from ledger.model.receipts import ReceiptCode
from ledger.model.records import (
    ListRecord,
    ReferenceRecord,
    ResourceNameRecord,
    ResourceRecord,
)
from ledger.model.schema import (
    resource_key,
    resource_name_child_key,
    resource_name_key,
    resources_child_key,
    resources_key,
)
from tests.support.ledger_execution import (
    ELECTRICIAN,
    LedgerWorld,
    electrician,
    make_training_world,
)

BUNDLE = ResourceType.DISPLAY_BUNDLE


def labels(text: str = "Certificate") -> bytes:
    return json.dumps({"languages": {"en": {"title": text}}}).encode()


def publish(
    world: LedgerWorld, version: int = 0, *, author: str = "gaa", name: str = "labels"
) -> PublishResource:
    return world.publish(
        author, name, BUNDLE, labels(f"Version {version + 1}"), expected_version=version
    )


@pytest.fixture
def world() -> LedgerWorld:
    return make_training_world()


def test_first_version_writes_everything_a_reader_looks_up(world: LedgerWorld) -> None:
    operation = publish(world)
    results = world.apply("gaa", operation)
    url = resource_url(world.did("gaa"), operation.resource_id)
    assert results == {"url": url, "name": "labels", "version": "1"}
    target = parse_resource_url(url)
    assert target is not None
    record = decode(ResourceRecord, world.values[resource_key(*target)])
    assert record == ResourceRecord(
        owner=world.did("gaa"),
        resource_id=operation.resource_id,
        name="labels",
        type=BUNDLE,
        version=1,
        media_type="application/json",
        content=operation.content,
        checksum=sha256(operation.content).digest(),
        created=world.time,
    )
    parent = decode(ResourceNameRecord, world.values[resource_name_key("labels")])
    assert parent == ResourceNameRecord(child_count=1, owner=world.did("gaa"), type=BUNDLE)
    child = decode(ReferenceRecord, world.values[resource_name_child_key("labels", 0)])
    assert child.reference == url
    assert decode(ListRecord, world.values[resources_key(BUNDLE)]).child_count == 1
    listed = decode(ReferenceRecord, world.values[resources_child_key(BUNDLE, 0)])
    assert listed.reference == "labels"


def test_versions_follow_each_other_and_stay(world: LedgerWorld) -> None:
    operations = [publish(world, version) for version in range(3)]
    for operation in operations:
        world.apply("gaa", operation)
    records = [
        decode(ResourceRecord, world.values[resource_key(world.did("gaa"), item.resource_id)])
        for item in operations
    ]
    assert [record.version for record in records] == [1, 2, 3]
    urls = [resource_url(world.did("gaa"), item.resource_id) for item in operations]
    assert [record.previous for record in records] == ["", *urls[:2]]
    assert [record.content for record in records] == [item.content for item in operations]
    parent = decode(ResourceNameRecord, world.values[resource_name_key("labels")])
    assert parent.child_count == 3
    assert decode(ListRecord, world.values[resources_key(BUNDLE)]).child_count == 1


@pytest.mark.parametrize("expected", [0, 2])
def test_expected_version_is_the_number_of_versions(world: LedgerWorld, expected: int) -> None:
    world.apply("gaa", publish(world))
    operation = dataclasses.replace(publish(world, 1), expected_version=expected)
    world.refuse(ReceiptCode.STALE_VERSION, "gaa", operation)


def test_new_name_has_no_versions(world: LedgerWorld) -> None:
    world.refuse(ReceiptCode.STALE_VERSION, "gaa", publish(world, 1))


def test_name_belongs_to_its_first_publisher(world: LedgerWorld) -> None:
    world.apply("gaa", publish(world))
    for author in ("ttc", "saqa", "qcto"):
        world.refuse(ReceiptCode.RESOURCE_NAME_TAKEN, author, publish(world, 1, author=author))
        world.refuse(ReceiptCode.RESOURCE_NAME_TAKEN, author, publish(world, 0, author=author))


def test_successor_publishes_further_versions_as_itself(world: LedgerWorld) -> None:
    first = publish(world)
    world.apply("gaa", first)
    world.succeed("gaa", "ttc")
    second = publish(world, 1, author="ttc")
    results = world.apply("ttc", second)
    assert results["url"].startswith(world.did("ttc"))
    record = decode(
        ResourceRecord, world.values[resource_key(world.did("ttc"), second.resource_id)]
    )
    assert record.version == 2
    assert record.previous == resource_url(world.did("gaa"), first.resource_id)
    world.refuse(ReceiptCode.NOT_AUTHORISED, "gaa", publish(world, 2))


def test_id_is_used_once_by_a_publisher(world: LedgerWorld) -> None:
    operation = publish(world)
    world.apply("gaa", operation)
    again = dataclasses.replace(publish(world, 1), resource_id=operation.resource_id)
    world.refuse(ReceiptCode.RESOURCE_EXISTS, "gaa", again)
    # Under another publisher's DID it is another URL.
    other = dataclasses.replace(
        publish(world, author="ttc", name="other"), resource_id=operation.resource_id
    )
    world.apply("ttc", other)


def test_id_of_a_status_list_is_taken_too(world: LedgerWorld) -> None:
    """Both have URLs of one form."""
    list_id = world.create_status_list("gaa")
    operation = dataclasses.replace(publish(world), resource_id=list_id)
    world.refuse(ReceiptCode.RESOURCE_EXISTS, "gaa", operation)


@pytest.mark.parametrize("resource_id", [b"", b"r" * 15, bytes(16)])
def test_id_has_a_form(world: LedgerWorld, resource_id: bytes) -> None:
    operation = dataclasses.replace(publish(world), resource_id=resource_id)
    assert world.refuse(ReceiptCode.FIELD_INVALID, "gaa", operation)["field"] == "resource_id"


@pytest.mark.parametrize("name", ["", "Labels", "za:saqa:q:1", "a b"])
def test_name_has_a_form(world: LedgerWorld, name: str) -> None:
    operation = publish(world, name=name)
    assert world.refuse(ReceiptCode.FIELD_INVALID, "gaa", operation)["field"] == "name"


def test_only_who_holds_the_power_registers_qualifications(world: LedgerWorld) -> None:
    for author in ("qcto", "gaa"):
        operation = world.publish(
            author, "za:saqa:q:5", ResourceType.QUALIFICATION, electrician(saqa_id=5)
        )
        results = world.refuse(ReceiptCode.NOT_AUTHORISED, author, operation)
        assert "register-qualification" in results["detail"]


def test_new_version_of_a_qualification_keeps_what_scopes_depend_on(world: LedgerWorld) -> None:
    """Its trade is not taken away, so a workplace approved for the trade stays within scope."""
    world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    host = world.grant_operation("bontle", "host-workplace", trades=["za:ofo:2021:671101"])

    def version(**changes: Any) -> PublishResource:
        content = electrician(**changes)
        return world.publish(
            "saqa", ELECTRICIAN, ResourceType.QUALIFICATION, content, expected_version=1
        )

    world.refuse(ReceiptCode.RESOURCE_CONTENT_INVALID, "saqa", version(ofo=[]))
    world.apply("saqa", version(ofo=["za:ofo:2024:671101"], status="passed-end-date"))
    world.apply("merseta", host)


def test_content_is_refused_with_its_place(world: LedgerWorld) -> None:
    content = json.dumps({"languages": {"en": {"title": "mail me@example.org"}}}).encode()
    operation = world.publish("gaa", "labels", BUNDLE, content)
    results = world.refuse(ReceiptCode.PERSONAL_DATA, "gaa", operation)
    assert results == {"field": "content{0}{0}{0}", "detail": "e-mail-address"}


def test_place_in_a_receipt_is_cut_to_its_limit(world: LedgerWorld) -> None:
    name = "\u1e13" * 200  # three bytes each
    content = json.dumps({"languages": {"en": {name: 1}}}).encode()
    operation = world.publish("gaa", "labels", BUNDLE, content)
    results = world.refuse(ReceiptCode.RESOURCE_CONTENT_INVALID, "gaa", operation)
    assert len(results["field"].encode()) <= 256
    assert results["field"].startswith("content.languages.en.\u1e13")


def template(power: str) -> bytes:
    return json.dumps(
        {
            "type": "CredentialTemplate",
            "format": 1,
            "name": "sample",
            "title": "Sample",
            "power": power,
            "fields": [{"name": "site"}],
        }
    ).encode()


@pytest.mark.parametrize(
    ("author", "power", "is_answering"),
    [
        ("qcto", "certify", True),
        ("qcto", "issue-statement-of-results", True),
        ("qcto", "train", True),
        ("che", "issue", True),
        ("saqa", "certify", True),
        ("bontle", "certify", False),
        ("gaa", "train", False),
        ("gaa", "certify", False),
        ("che", "certify", False),
        ("che", "issue-statement-of-results", False),
        ("qcto", "issue", False),
    ],
)
def test_template_is_published_by_who_answers_for_its_power(
    world: LedgerWorld, author: str, power: str, is_answering: bool
) -> None:
    """A provider trains, and may not define an occupational certificate under the power to train."""
    world.grant("qcto", "gaa", "train", until="2028-01-31", qualifications=[ELECTRICIAN])
    world.skip_to("2024-06-01")
    operation = world.publish(author, "sample", ResourceType.CREDENTIAL_TEMPLATE, template(power))
    if is_answering:
        world.apply(author, operation)
    else:
        results = world.refuse(ReceiptCode.NOT_AUTHORISED, author, operation)
        assert results["field"] == "content.power"
