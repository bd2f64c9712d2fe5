# SPDX-License-Identifier: Apache-2.0
"""Separation of duties: who trains does not assess, and neither certifies."""

from __future__ import annotations

import dataclasses

import pytest

from ledger.model.charter import default_charter
from ledger.model.operations import (
    AccreditationReason,
    GrantAccreditation,
    PublishResource,
    ResourceType,
    Scope,
    SuspendAccreditation,
    WithdrawAccreditation,
)
from ledger.model.receipts import ReceiptCode
from tests.support.ledger_execution import (
    ELECTRICIAN,
    LedgerWorld,
    electrician,
    make_training_world,
)
from tests.support.ledger_world import day, make_genesis

DEGREE = "za:saqa:q:5"
WELDER = "za:saqa:q:7"
TRADE = "za:ofo:2021:671101"


@pytest.fixture
def world() -> LedgerWorld:
    """91761, another trade and a degree; terms may begin years ahead."""
    charter = default_charter()
    limits = dataclasses.replace(charter.limits, grant_lead_days_max=3_660)
    world = make_training_world(make_genesis(charter=dataclasses.replace(charter, limits=limits)))
    for name, content in (
        (DEGREE, electrician(saqa_id=5, sub_framework="HEQSF", nqf_level=7, ofo=[])),
        (WELDER, electrician(saqa_id=7, ofo=["za:ofo:2021:651202"])),
    ):
        operation = world.publish("saqa", name, ResourceType.QUALIFICATION, content)
        world.apply("saqa", operation)
    return world


def training(world: LedgerWorld, grantee: str = "gaa", **changes: object) -> GrantAccreditation:
    operation = world.grant_operation(
        grantee, "train", until="2029-01-31", qualifications=[ELECTRICIAN]
    )
    return dataclasses.replace(operation, **changes)  # type: ignore[arg-type]


def eisa(world: LedgerWorld, grantee: str = "gaa", **options: object) -> GrantAccreditation:
    options = {"qualifications": [ELECTRICIAN], **options}
    return world.grant_operation(grantee, "conduct-eisa", **options)  # type: ignore[arg-type]


def test_training_and_assessment_are_two_bodies(world: LedgerWorld) -> None:
    world.apply("qcto", training(world))
    results = world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", eisa(world))
    assert results["detail"].endswith("external-assessment, training")
    world.apply("qcto", eisa(world, "ttc"))
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", training(world, "ttc"))


def test_both_duties_in_one_grant(world: LedgerWorld) -> None:
    operation = world.grant_operation(
        "gaa", "train conduct-eisa", until="2029-01-31", qualifications=[ELECTRICIAN]
    )
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", operation)


def test_other_qualifications_and_other_times_are_free(world: LedgerWorld) -> None:
    world.apply("qcto", training(world))
    world.apply("qcto", eisa(world, qualifications=[WELDER]))
    world.apply("qcto", eisa(world, since="2029-02-01", until="2030-01-01"))
    world.apply("qcto", eisa(world, since="2020-01-01", until="2024-01-31"))
    for since, until in (("2029-01-31", "2030-01-01"), ("2020-01-01", "2024-02-01")):
        overlapping = eisa(world, since=since, until=until)
        world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", overlapping)


def test_other_sites_are_the_same_body(world: LedgerWorld) -> None:
    world.apply("qcto", training(world, scope=Scope(qualifications=(ELECTRICIAN,), sites=("1",))))
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", eisa(world, sites=["2"]))


def test_trade_of_a_qualification_is_the_same_subject(world: LedgerWorld) -> None:
    world.apply("qcto", training(world))
    testing = world.grant_operation("gaa", "trade-test", trades=[TRADE])
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", testing)
    for spelling in ("za:ofo:2019:671101", "za:ofo:1999:671101"):
        testing = world.grant_operation("gaa", "trade-test", trades=[spelling])
        world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", testing)
    short = world.grant_operation("gaa", "trade-test", trades=["671101"])
    world.refuse(ReceiptCode.FIELD_INVALID, "qcto", short)
    world.grant("qcto", "gaa", "trade-test", trades=["za:ofo:2021:651202"])


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"sub_framework": "HEQSF", "nqf_level": 5}, "sub_framework"),
        ({"ofo": ["za:ofo:2021:651202"]}, "ofo"),
        ({"ofo": []}, "ofo"),
    ],
)
def test_qualification_stays_what_duties_were_judged_by(
    world: LedgerWorld, changes: dict[str, object], member: str
) -> None:
    def version(**changes: object) -> PublishResource:
        content = electrician(**changes)
        return world.publish(
            "saqa", ELECTRICIAN, ResourceType.QUALIFICATION, content, expected_version=1
        )

    results = world.refuse(ReceiptCode.RESOURCE_CONTENT_INVALID, "saqa", version(**changes))
    assert results["field"] == f"content.{member}"
    world.apply("saqa", version(title="Electrician", ofo=["za:ofo:2024:671101"]))


def test_qualification_without_occupations_is_for_any_trade_until_they_are_named() -> None:
    world = LedgerWorld()

    def version(number: int, **changes: object) -> PublishResource:
        content = electrician(**changes)
        return world.publish(
            "saqa", ELECTRICIAN, ResourceType.QUALIFICATION, content, expected_version=number
        )

    world.apply("saqa", version(0, ofo=None))
    for name in ("gaa", "ttc"):
        world.endorse(name)
    world.apply("qcto", training(world))
    for trade in (TRADE, "za:ofo:2021:651202"):
        testing = world.grant_operation("gaa", "trade-test", trades=[trade])
        world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", testing)
    world.grant("qcto", "ttc", "trade-test", trades=[TRADE])
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", training(world, "ttc"))
    world.apply("saqa", version(1))
    world.refuse(ReceiptCode.RESOURCE_CONTENT_INVALID, "saqa", version(2, ofo=None))
    world.refuse(
        ReceiptCode.SEPARATION_OF_DUTIES,
        "qcto",
        world.grant_operation("gaa", "trade-test", trades=[TRADE]),
    )
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", training(world, "ttc"))
    world.grant("qcto", "gaa", "trade-test", trades=["za:ofo:2021:651202"])


def test_certifier_neither_trains_nor_assesses(world: LedgerWorld) -> None:
    """The council certifies all of OQSF; a delegate of accreditation cannot turn it into a school."""
    world.grant(
        "qcto", "merseta", "accredit-provider", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    operation = training(world, "qcto")
    # The cycle answers first; take another certifier.
    world.refuse(ReceiptCode.GRANT_CYCLE, "merseta", operation)
    world.endorse("second", name="Sample Second Council", type_="quality-council", by="saqa")
    world.grant("saqa", "second", "certify", sub_frameworks=["OQSF"])
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", training(world, "second"))


def test_university_teaches_and_certifies(world: LedgerWorld) -> None:
    world.grant("che", "nmu", "issue", qualifications=[DEGREE])
    world.grant("che", "nmu", "issue", qualifications=[DEGREE])


def test_suspended_duty_counts_and_withdrawn_counts_for_its_days(world: LedgerWorld) -> None:
    grant_id = world.apply("qcto", training(world))["grant_id"]
    world.apply(
        "qcto",
        SuspendAccreditation(
            grant_id=grant_id,
            expected_version=1,
            effective=day("2024-03-01"),
            reason=AccreditationReason.NON_COMPLIANCE,
        ),
    )
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", eisa(world))
    world.apply(
        "qcto",
        WithdrawAccreditation(
            grant_id=grant_id,
            expected_version=2,
            effective=day("2025-01-01"),
            reason=AccreditationReason.VOLUNTARY,
        ),
    )
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", eisa(world, since="2024-12-31"))
    world.apply("qcto", eisa(world, since="2025-01-01"))


def test_void_grant_never_held(world: LedgerWorld) -> None:
    grant_id = world.apply("qcto", training(world))["grant_id"]
    for author, version in (("qcto", 1), ("saqa", 2)):
        world.apply(
            author,
            WithdrawAccreditation(
                grant_id=grant_id,
                expected_version=version,
                effective=day("2024-02-01"),
                reason=AccreditationReason.FRAUD_FINDING,
                ab_initio=True,
            ),
        )
    world.apply("qcto", eisa(world))
