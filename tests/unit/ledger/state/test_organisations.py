# SPDX-License-Identifier: Apache-2.0
"""EndorseOrganisation and AddSite: what they write, who may, and what they refuse."""

from __future__ import annotations

import dataclasses

import pytest

from ledger.model.codec import decode, encode
from ledger.model.limits import RECORD_HISTORY_COUNT_MAX
from ledger.model.operations import AddSite, Code
from ledger.model.receipts import ReceiptCode
from ledger.model.records import (
    DidRecord,
    ListRecord,
    OrganisationRecord,
    OrganisationStatus,
    ReferenceRecord,
)
from ledger.model.schema import (
    code_key,
    did_key,
    organisation_key,
    organisations_child_key,
    organisations_key,
    short_name_key,
)
from ledger.model.transaction import Operation
from tests.support.ledger_execution import ELECTRICIAN, LedgerWorld, make_training_world
from tests.support.ledger_world import make_organisation

CODES = (Code(system="qcto", value="SDP-0142"), Code(system="sars", value="17"))


def organisation(world: LedgerWorld, did: str) -> OrganisationRecord:
    return decode(OrganisationRecord, world.values[organisation_key(did)])


def reference(world: LedgerWorld, key: bytes) -> str:
    return decode(ReferenceRecord, world.values[key]).reference


@pytest.fixture
def world() -> LedgerWorld:
    return make_training_world()


def test_endorsement_writes_everything_a_reader_looks_up(world: LedgerWorld) -> None:
    fresh = make_organisation("fresh", name="Fresh Sample (Pty) Ltd", type_="seta")
    before = decode(ListRecord, world.values[organisations_key()]).child_count
    setas = decode(ListRecord, world.values[organisations_key("seta")]).child_count
    operation = dataclasses.replace(world.endorsement(fresh), codes=CODES)
    results = world.apply("qcto", operation)
    assert results == {"did": fresh.did, "short_name": "fresh"}

    record = organisation(world, fresh.did)
    assert (record.name, record.short_name, record.type) == (fresh.name, "fresh", "seta")
    assert (record.vouched_by, record.vouched_at) == (world.did("qcto"), world.time)
    assert (record.status, record.version) == (OrganisationStatus.ACTIVE, 1)
    assert [(code.system, code.value, code.vouched_by) for code in record.codes] == [
        ("qcto", "SDP-0142", world.did("qcto")),
        ("sars", "17", world.did("qcto")),
    ]
    did = decode(DidRecord, world.values[did_key(fresh.did)])
    assert (did.version, did.created, did.updated, did.deactivated) == (
        1,
        world.time,
        world.time,
        0,
    )
    assert [key.key_id for key in did.keys] == ["admin", "ledger", "issue"]
    assert {(key.valid_from, key.valid_until) for key in did.keys} == {(world.time, 0)}
    assert reference(world, short_name_key("fresh")) == fresh.did
    assert reference(world, code_key("qcto", "SDP-0142")) == fresh.did
    assert reference(world, organisations_child_key("", before)) == fresh.did
    assert reference(world, organisations_child_key("seta", setas)) == fresh.did
    assert decode(ListRecord, world.values[organisations_key()]).child_count == before + 1


def test_new_organisation_can_act_at_once(world: LedgerWorld) -> None:
    world.endorse("fresh", name="Fresh Sample")
    world.add_site("fresh", "1")


@pytest.mark.parametrize("endorser", ["saqa", "umalusi", "qcto"])
def test_who_may_accredit_may_endorse(endorser: str) -> None:
    LedgerWorld().endorse("fresh", name="Fresh Sample", by=endorser)


@pytest.mark.parametrize(
    ("endorser", "type_"),
    [
        ("che", "provider"),
        ("qcto", "university"),
        ("qcto", "quality-council"),
        ("qcto", "authority"),
        ("saqa", "authority"),
        ("umalusi", "employer"),
        ("merseta", "provider"),
        ("merseta", "seta"),
    ],
)
def test_nobody_vouches_beyond_its_powers(world: LedgerWorld, endorser: str, type_: str) -> None:
    world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    fresh = make_organisation("fresh", name="Fresh Sample", type_=type_)
    results = world.refuse(ReceiptCode.NOT_AUTHORISED, endorser, world.endorsement(fresh))
    assert results["field"] == "request.type"


def test_delegate_vouches_for_providers_but_for_no_code(world: LedgerWorld) -> None:
    world.grant(
        "qcto", "merseta", "accredit-provider", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    fresh = make_organisation("fresh", name="Fresh Sample")
    codes = (Code(system="qcto", value="SDP-0142"),)
    operation = dataclasses.replace(world.endorsement(fresh), codes=codes)
    results = world.refuse(ReceiptCode.NOT_AUTHORISED, "merseta", operation)
    assert results["field"] == "codes[0].system"
    world.apply("merseta", world.endorsement(fresh))


def test_other_councils_codes_are_not_vouched_for(world: LedgerWorld) -> None:
    fresh = make_organisation("fresh", name="Fresh Sample")
    codes = (Code(system="nlrd", value="1"), Code(system="che", value="H-07"))
    operation = dataclasses.replace(world.endorsement(fresh), codes=codes)
    results = world.refuse(ReceiptCode.NOT_AUTHORISED, "qcto", operation)
    assert results["field"] == "codes[1].system"


@pytest.mark.parametrize(
    "name", ["QUALITY COUNCIL for trades & occupations", "Um\u00e1lusi", "Fresh Sample."]
)
def test_legal_name_is_taken(world: LedgerWorld, name: str) -> None:
    world.endorse("fresh", name="Fresh Sample")
    double = make_organisation("double", name=name)
    results = world.refuse(ReceiptCode.NAME_TAKEN, "qcto", world.endorsement(double))
    assert results["field"] == "request.name"


def test_who_may_accredit_nobody_may_not_endorse(world: LedgerWorld) -> None:
    operation = world.endorsement(make_organisation("fresh", name="Fresh Sample"))
    results = world.refuse(ReceiptCode.NOT_AUTHORISED, "gaa", operation)
    assert "accredit-provider" in results["detail"]


def test_council_without_its_grant_may_not_endorse() -> None:
    world = LedgerWorld(is_council_granted=False)
    operation = world.endorsement(make_organisation("fresh", name="Fresh Sample"))
    world.refuse(ReceiptCode.NOT_AUTHORISED, "qcto", operation)


@pytest.mark.parametrize(
    ("codes", "field"),
    [
        ((Code(system="QCTO", value="1"),), "codes[0]"),
        ((Code(system="qcto", value="no blanks"),), "codes[0]"),
        ((Code(system="qcto", value="1"), Code(system="qcto", value="2")), "codes[1].system"),
    ],
)
def test_codes_have_a_form(world: LedgerWorld, codes: tuple[Code, ...], field: str) -> None:
    fresh = make_organisation("fresh", name="Fresh Sample")
    operation = dataclasses.replace(world.endorsement(fresh), codes=codes)
    assert world.refuse(ReceiptCode.FIELD_INVALID, "qcto", operation)["field"] == field


def test_same_code_of_another_system_is_another_code(world: LedgerWorld) -> None:
    for name, system in (("one", "qcto"), ("two", "nlrd")):
        fresh = make_organisation(name, name=f"Fresh Sample {name}")
        codes = (Code(system=system, value="17"),)
        world.apply("qcto", dataclasses.replace(world.endorsement(fresh), codes=codes))


# Sites ---------------------------------------------------------------------------------------------


def site(world: LedgerWorld, **changes: str) -> Operation:
    fields = {"organisation": world.did("gaa"), "code": "9", "name": "Sample", "province": "EC"}
    return AddSite(**{**fields, **changes})


def test_site_is_added_by_organisation_or_voucher(world: LedgerWorld) -> None:
    world.apply("gaa", site(world, code="A"))
    world.apply("qcto", site(world, code="B"))
    record = organisation(world, world.did("gaa"))
    added = [(item.code, item.added_by) for item in record.sites[-2:]]
    assert added == [("A", world.did("gaa")), ("B", world.did("qcto"))]
    assert record.sites[-1].added_at == world.time
    assert record.version == 5


@pytest.mark.parametrize("author", ["saqa", "ttc"])
def test_others_add_no_site(world: LedgerWorld, author: str) -> None:
    world.refuse(ReceiptCode.NOT_OWNER, author, site(world))


def test_genesis_organisation_adds_its_own_sites(world: LedgerWorld) -> None:
    """Its voucher is the charter, which nobody can be."""
    world.apply("qcto", site(world, organisation=world.did("qcto")))
    world.refuse(
        ReceiptCode.NOT_OWNER, "saqa", site(world, organisation=world.did("qcto"), code="B")
    )


@pytest.mark.parametrize("did", ["", "gaa", "did:web:example", "charter"])
def test_organisation_is_a_did(world: LedgerWorld, did: str) -> None:
    world.refuse(ReceiptCode.ORGANISATION_UNKNOWN, "gaa", site(world, organisation=did))


def test_number_of_sites_is_limited(world: LedgerWorld) -> None:
    record = organisation(world, world.did("gaa"))
    more = tuple(
        dataclasses.replace(record.sites[0], code=f"S{number}")
        for number in range(RECORD_HISTORY_COUNT_MAX - len(record.sites) - 1)
    )
    world.values[organisation_key(record.did)] = encode(
        dataclasses.replace(record, sites=(*record.sites, *more))
    )
    world.add_site("gaa", "last")
    world.refuse(ReceiptCode.LIMIT_EXCEEDED, "gaa", site(world))
