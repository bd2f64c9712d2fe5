# SPDX-License-Identifier: Apache-2.0
"""GrantAccreditation: the chain of authority row by row, and the order of tests.

Long because each row and each refusal has its own test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from ledger.model.charter import default_charter
from ledger.model.codec import decode, encode
from ledger.model.hashes import compute_grant_id
from ledger.model.limits import (
    GRANT_CHAIN_DEPTH_MAX,
    GRANTS_HELD_COUNT_MAX,
    GRANTS_LISTED_COUNT_MAX,
)
from ledger.model.operations import (
    AccreditationReason,
    GrantAccreditation,
    ResourceType,
    Scope,
    SuspendAccreditation,
    WithdrawAccreditation,
)
from ledger.model.receipts import ReceiptCode
from ledger.model.records import HeldGrantsRecord, ListRecord, ReferenceRecord
from ledger.model.schema import (
    grants_by_grantee_child_key,
    grants_by_grantee_key,
    grants_by_grantor_child_key,
    grants_by_grantor_key,
    grants_held_key,
)
from tests.support.ledger_execution import (
    DAY_MS,
    ELECTRICIAN,
    LedgerWorld,
    electrician,
    make_training_world,
)
from tests.support.ledger_world import day, make_genesis, make_organisation

DEGREE = "za:saqa:q:5"
SCHOOL = "za:saqa:q:6"
WELDER = "za:saqa:q:7"
TRADE = "za:ofo:2021:671101"
TRAINING = "train assess-internally issue-statement-of-results issue-badge"


@pytest.fixture
def world() -> LedgerWorld:
    """91761 and one qualification of each other sub-framework, with every sample organisation."""
    world = make_training_world()
    others: list[tuple[str, dict[str, Any]]] = [
        (DEGREE, {"saqa_id": 5, "sub_framework": "HEQSF", "nqf_level": 7, "ofo": []}),
        (SCHOOL, {"saqa_id": 6, "sub_framework": "GFETQSF", "nqf_level": 4, "ofo": []}),
        (WELDER, {"saqa_id": 7, "ofo": ["za:ofo:2021:651202"]}),
    ]
    for name, changes in others:
        content = electrician(**changes)
        operation = world.publish("saqa", name, ResourceType.QUALIFICATION, content)
        world.apply("saqa", operation)
    for name, type_ in (
        ("engineers", "professional-body"),
        ("board", "assessment-body"),
        ("tvet", "tvet-college"),
        ("partner", "quality-partner"),
    ):
        world.endorse(name, name=f"Sample {name}", type_=type_)
    return world


def training(world: LedgerWorld, grantee: str = "gaa", **changes: object) -> GrantAccreditation:
    operation = world.grant_operation(
        grantee, "train", until="2029-01-31", qualifications=[ELECTRICIAN]
    )
    return dataclasses.replace(operation, **changes)  # type: ignore[arg-type]


# The rows of the chain of authority ----------------------------------------------------------------


def test_grant_is_recorded_and_listed(world: LedgerWorld) -> None:
    operation = world.grant_operation(
        "gaa", TRAINING, until="2029-01-31", qualifications=[ELECTRICIAN], sites=["2"]
    )
    encoded = world.make_transaction("qcto", operation)
    receipt = world.run_block([encoded]).receipts[0]
    results = {item.name: item.value for item in receipt.results}
    grant_id = compute_grant_id(world.check(encoded).transaction_id)
    assert results["grant_id"] == grant_id
    record = world.grant_record(grant_id)
    assert (record.grantor, record.grantee) == (world.did("qcto"), world.did("gaa"))
    assert (record.powers, record.scope) == (operation.powers, operation.scope)
    assert (record.valid_from, record.valid_until) == (day("2024-02-01"), day("2029-01-31"))
    assert (record.version, record.recorded_at, record.events) == (1, world.time, ())
    parent = world.grant_record(record.parent)
    assert (parent.grantor, parent.grantee) == (world.did("saqa"), world.did("qcto"))
    assert "accredit-provider" in parent.powers
    for parent_key, child_key, did in (
        (grants_by_grantor_key, grants_by_grantor_child_key, world.did("qcto")),
        (grants_by_grantee_key, grants_by_grantee_child_key, world.did("gaa")),
    ):
        count = decode(ListRecord, world.values[parent_key(did)]).child_count
        child = decode(ReferenceRecord, world.values[child_key(did, count - 1)])
        assert child.reference == grant_id


@pytest.mark.parametrize(
    ("grantor", "grantee", "powers", "scope"),
    [
        ("saqa", "engineers", "award-designation", {"designations": ["PrEng"]}),
        (
            "qcto",
            "merseta",
            "develop quality-assure endorse-results",
            {"qualifications": [ELECTRICIAN]},
        ),
        ("qcto", "partner", "quality-assure", {"qualifications": [ELECTRICIAN, WELDER]}),
        ("qcto", "tvet", TRAINING, {"qualifications": [ELECTRICIAN]}),
        ("qcto", "ttc", "conduct-eisa trade-test", {"qualifications": [ELECTRICIAN]}),
        ("qcto", "ttc", "trade-test", {"trades": [TRADE]}),
        ("qcto", "ttc", "trade-test", {"trades": [TRADE], "qualifications": [ELECTRICIAN]}),
        ("qcto", "merseta", "accredit-provider", {"qualifications": [ELECTRICIAN]}),
        ("che", "nmu", "issue", {"qualifications": [DEGREE]}),
        ("umalusi", "board", "assess issue", {"qualifications": [SCHOOL]}),
        ("umalusi", "gaa", "issue", {"qualifications": [SCHOOL], "sites": ["1", "2"]}),
    ],
)
def test_row_of_the_table(
    world: LedgerWorld, grantor: str, grantee: str, powers: str, scope: dict[str, Any]
) -> None:
    world.grant(grantor, grantee, powers, until="2028-12-31", **scope)


@pytest.mark.parametrize(
    ("grantor", "grantee", "powers", "scope"),
    [
        # The wrong grantor, sub-framework, type of grantee, power or dimension of scope.
        ("saqa", "gaa", "train", {"qualifications": [ELECTRICIAN]}),
        ("che", "nmu", "issue", {"qualifications": [ELECTRICIAN]}),
        ("che", "nmu", "issue", {"qualifications": [DEGREE, ELECTRICIAN]}),
        ("che", "nmu", "issue", {"sub_frameworks": ["HEQSF"]}),
        ("che", "nmu", "issue", {}),
        ("qcto", "nmu", "train", {"qualifications": [ELECTRICIAN]}),
        ("qcto", "gaa", "issue", {"qualifications": [ELECTRICIAN]}),
        ("qcto", "gaa", "certify", {"qualifications": [ELECTRICIAN]}),
        ("qcto", "bontle", "host-workplace", {"trades": [TRADE]}),
        ("qcto", "merseta", "recommend-qualification", {"sub_frameworks": ["OQSF"]}),
        ("qcto", "merseta", "certify", {"qualifications": [ELECTRICIAN]}),
        ("qcto", "gaa", "accredit-provider", {"qualifications": [ELECTRICIAN]}),
        ("qcto", "engineers", "award-designation", {"designations": ["PrEng"]}),
        ("saqa", "engineers", "award-designation", {}),
        ("saqa", "engineers", "award-designation", {"qualifications": [ELECTRICIAN]}),
        ("saqa", "nmu", "certify", {"sub_frameworks": ["OQSF"]}),
        ("umalusi", "board", "issue", {"qualifications": [DEGREE]}),
        ("qcto", "ttc", "trade-test", {"sites": []}),
        ("qcto", "gaa", "train", {"trades": [TRADE]}),
        ("qcto", "gaa", "train", {"sub_frameworks": ["OQSF"], "qualifications": [ELECTRICIAN]}),
    ],
)
def test_no_row_of_the_table(
    world: LedgerWorld, grantor: str, grantee: str, powers: str, scope: dict[str, Any]
) -> None:
    operation = world.grant_operation(grantee, powers, until="2028-12-31", **scope)
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, grantor, operation)


def test_certification_is_oqsf_only(world: LedgerWorld) -> None:
    operation = world.grant_operation("che", "certify", sub_frameworks=["HEQSF"])
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "saqa", operation)


def test_one_power_without_a_row_refuses_the_whole(world: LedgerWorld) -> None:
    operation = world.grant_operation(
        "gaa", "train issue", until="2028-12-31", qualifications=[ELECTRICIAN]
    )
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "qcto", operation)


def test_seta_approves_workplaces_within_its_qualifications(world: LedgerWorld) -> None:
    world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    world.grant("merseta", "bontle", "host-workplace", trades=[TRADE])
    world.grant("merseta", "bontle", "host-workplace", qualifications=[ELECTRICIAN])
    foreign: list[dict[str, Any]] = [
        {"trades": ["za:ofo:2021:651202"]},
        {"qualifications": [WELDER]},
    ]
    for scope in foreign:
        operation = world.grant_operation("bontle", "host-workplace", **scope)
        world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "merseta", operation)


def test_workplaces_of_other_trades_are_not_granted_beside_a_qualification(
    world: LedgerWorld,
) -> None:
    world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    both: dict[str, Any] = {"qualifications": [ELECTRICIAN]}
    widened = world.grant_operation(
        "bontle", "host-workplace", trades=["za:ofo:2021:651202"], **both
    )
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "merseta", widened)
    world.grant("merseta", "bontle", "host-workplace", trades=[TRADE], **both)


def test_delegate_accredits_within_what_was_delegated(world: LedgerWorld) -> None:
    world.grant(
        "qcto", "merseta", "accredit-provider", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    grant_id = world.apply("merseta", training(world))["grant_id"]
    assert world.grant_record(grant_id).grantor == world.did("merseta")
    other = training(world, scope=Scope(qualifications=(WELDER,)))
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "merseta", other)


@pytest.mark.parametrize("powers", ["certify", "delegate", "accredit-provider delegate"])
def test_neither_certifying_nor_delegating_is_delegated(world: LedgerWorld, powers: str) -> None:
    world.grant(
        "saqa",
        "qcto",
        "accredit-provider certify delegate",
        since="2010-01-01",
        sub_frameworks=["OQSF"],
    )
    operation = world.grant_operation("merseta", powers, qualifications=[ELECTRICIAN])
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "qcto", operation)


def test_what_is_delegated_is_held(world: LedgerWorld) -> None:
    """A grant with `delegate` alone hands on nothing."""
    world.endorse("council", name="Sample Council", type_="quality-council")
    world.grant("saqa", "council", "delegate", since="2010-01-01", sub_frameworks=["OQSF"])
    operation = world.grant_operation("merseta", "accredit-provider", qualifications=[ELECTRICIAN])
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "council", operation)


def test_delegation_is_narrower(world: LedgerWorld) -> None:
    operation = world.grant_operation("merseta", "accredit-provider", sub_frameworks=["OQSF"])
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "qcto", operation)


# Order of tests ------------------------------------------------------------------------------------


def test_order_of_tests(world: LedgerWorld) -> None:
    """One grant that breaks all rules; each mended in turn, the next one answers."""
    world.apply("qcto", training(world))
    qcto = world.did("qcto")
    unknown = make_organisation("nobody").did
    operation = world.grant_operation(
        "gaa", "conduct-eisa train", until="2040-01-01", trades=[TRADE]
    )
    everything = dataclasses.replace(operation, grantee=qcto)
    world.refuse(ReceiptCode.SELF_GRANT, "qcto", everything)
    everything = dataclasses.replace(everything, grantee=world.did("saqa"))
    world.refuse(ReceiptCode.GRANT_CYCLE, "gaa", everything)
    everything = dataclasses.replace(everything, grantee=world.did("ttc"))
    world.refuse(ReceiptCode.NO_POWER, "gaa", everything)
    everything = dataclasses.replace(everything, grantee=world.did("gaa"))
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", everything)
    everything = dataclasses.replace(everything, grantee=unknown, powers=("train",))
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "qcto", everything)
    scope = Scope(qualifications=("za:saqa:q:1",), sites=("9",))
    everything = dataclasses.replace(everything, scope=scope)
    world.refuse(ReceiptCode.TERM_TOO_LONG, "qcto", everything)
    everything = dataclasses.replace(everything, valid_until=day("2029-01-31"))
    world.refuse(ReceiptCode.ORGANISATION_UNKNOWN, "qcto", everything)
    everything = dataclasses.replace(everything, grantee=world.did("gaa"))
    world.refuse(ReceiptCode.SITE_UNKNOWN, "qcto", everything)
    everything = dataclasses.replace(everything, scope=dataclasses.replace(scope, sites=("2",)))
    world.refuse(ReceiptCode.QUALIFICATION_UNKNOWN, "qcto", everything)
    world.apply("qcto", training(world))


def test_known_qualification_of_another_council_is_not_hidden_by_an_unknown_one(
    world: LedgerWorld,
) -> None:
    scope = Scope(qualifications=("za:saqa:q:1", DEGREE))
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "qcto", training(world, scope=scope))


def test_cycle_reaches_up_to_the_root(world: LedgerWorld) -> None:
    world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    for ancestor in ("qcto", "saqa"):
        operation = world.grant_operation(ancestor, "host-workplace", trades=[TRADE])
        world.refuse(ReceiptCode.GRANT_CYCLE, "merseta", operation)
    world.refuse(
        ReceiptCode.SCOPE_NOT_COVERED,
        "merseta",
        world.grant_operation("che", "host-workplace", trades=[TRADE]),
    )


def test_void_grant_makes_nobody_an_ancestor() -> None:
    accrediting: dict[str, Any] = {"since": "2023-01-01", "qualifications": [ELECTRICIAN]}
    world = delegating_world(count=1)
    for name in ("merseta", "partner"):
        world.endorse(name, name=f"Sample {name}", type_="seta")
        world.grant(
            "qcto",
            name,
            "accredit-provider delegate",
            since="2023-01-01",
            qualifications=[ELECTRICIAN, *range_of_qualifications(1)],
        )
    grant_id = world.grant("merseta", "partner", "accredit-provider", **accrediting)
    back = world.grant_operation("merseta", "accredit-provider", **accrediting)
    world.refuse(ReceiptCode.GRANT_CYCLE, "partner", back)
    for author, version in (("merseta", 1), ("qcto", 2)):
        operation = WithdrawAccreditation(
            grant_id, version, day("2024-01-01"), AccreditationReason.ERROR, ab_initio=True
        )
        world.apply(author, operation)
    world.apply("partner", back)


def test_who_holds_no_granting_power(world: LedgerWorld) -> None:
    world.apply("qcto", training(world))
    world.skip_to("2024-06-01")
    for author in ("gaa", "bontle"):
        world.refuse(ReceiptCode.NO_POWER, author, training(world, "ttc"))


def suspend(world: LedgerWorld, grant_id: str, effective: str) -> SuspendAccreditation:
    return SuspendAccreditation(
        grant_id=grant_id,
        expected_version=world.grant_record(grant_id).version,
        effective=day(effective),
        reason=AccreditationReason.NON_COMPLIANCE,
    )


def council_grants(world: LedgerWorld) -> list[str]:
    did = world.did("qcto")
    count = decode(ListRecord, world.values[grants_by_grantee_key(did)]).child_count
    return [
        decode(ReferenceRecord, world.values[grants_by_grantee_child_key(did, number)]).reference
        for number in range(count)
    ]


def test_suspended_grantor_grants_nothing(world: LedgerWorld) -> None:
    for grant_id in council_grants(world):
        world.apply("saqa", suspend(world, grant_id, "2024-01-01"))
    world.skip_to("2023-12-31")
    world.apply("qcto", training(world))
    world.skip_to("2024-01-01")
    world.refuse(ReceiptCode.NO_POWER, "qcto", training(world))


# Time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        ("2024-02-01", "2029-01-31", None),
        ("2024-02-01", "2029-02-01", ReceiptCode.TERM_TOO_LONG),
        ("2024-02-01", None, ReceiptCode.TERM_TOO_LONG),
        ("2024-02-29", "2029-02-28", None),
        ("2024-02-29", "2029-03-01", ReceiptCode.TERM_TOO_LONG),
        ("2023-03-01", "2028-02-29", None),
        ("2023-03-01", "2028-03-01", ReceiptCode.TERM_TOO_LONG),
        ("2012-01-01", "2016-12-31", None),
        # The grantor's own grant begins on 2010-01-01.
        ("2010-01-01", "2012-01-01", None),
        ("2009-12-31", "2012-01-01", ReceiptCode.SCOPE_NOT_COVERED),
    ],
)
def test_term_of_a_provider(
    world: LedgerWorld, since: str, until: str | None, code: ReceiptCode | None
) -> None:
    operation = world.grant_operation(
        "gaa", "train", since=since, until=until, qualifications=[ELECTRICIAN]
    )
    if code is None:
        world.apply("qcto", operation)
    else:
        world.refuse(code, "qcto", operation)


def test_term_lies_within_the_grantors(world: LedgerWorld) -> None:
    world.grant(
        "qcto",
        "merseta",
        "quality-assure",
        since="2023-01-01",
        until="2025-12-31",
        qualifications=[ELECTRICIAN],
    )

    def hosting(until: str | None) -> GrantAccreditation:
        return world.grant_operation("bontle", "host-workplace", until=until, trades=[TRADE])

    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "merseta", hosting("2026-01-01"))
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "merseta", hosting(None))
    world.apply("merseta", hosting("2025-12-31"))


def test_announced_withdrawal_shortens_what_can_be_granted(world: LedgerWorld) -> None:
    grant_id = world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[ELECTRICIAN]
    )
    world.apply(
        "qcto",
        WithdrawAccreditation(
            grant_id=grant_id,
            expected_version=1,
            effective=day("2025-01-01"),
            reason=AccreditationReason.VOLUNTARY,
        ),
    )
    late = world.grant_operation("bontle", "host-workplace", until="2025-01-01", trades=[TRADE])
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "merseta", late)
    world.grant("merseta", "bontle", "host-workplace", until="2024-12-31", trades=[TRADE])
    world.skip_to("2025-01-01")
    world.refuse(ReceiptCode.NO_POWER, "merseta", late)


def test_first_parent_that_covers_is_recorded(world: LedgerWorld) -> None:
    narrow = world.grant(
        "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[WELDER]
    )
    wide = world.grant(
        "qcto",
        "merseta",
        "quality-assure",
        since="2023-01-01",
        qualifications=[ELECTRICIAN, WELDER],
    )
    welding = world.grant("merseta", "bontle", "host-workplace", qualifications=[WELDER])
    both = world.grant("merseta", "bontle", "host-workplace", qualifications=[ELECTRICIAN, WELDER])
    assert world.grant_record(welding).parent == narrow
    assert world.grant_record(both).parent == wide


def test_two_grants_do_not_add_up(world: LedgerWorld) -> None:
    for qualification in (ELECTRICIAN, WELDER):
        world.grant(
            "qcto", "merseta", "quality-assure", since="2023-01-01", qualifications=[qualification]
        )
    both = world.grant_operation("bontle", "host-workplace", qualifications=[ELECTRICIAN, WELDER])
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "merseta", both)


# Form and limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"grantee": "gaa"}, "grantee"),
        ({"grantee": "charter"}, "grantee"),
        ({"powers": ()}, "powers"),
        ({"powers": ("train", "issue")}, "powers"),
        ({"powers": ("train", "train")}, "powers"),
        ({"powers": ("reign",)}, "powers[0]"),
        ({"scope": Scope(qualifications=("91761",))}, "scope.qualifications[0]"),
        ({"scope": Scope(qualifications=(ELECTRICIAN, WELDER))}, "scope.qualifications"),
        ({"scope": Scope(sub_frameworks=("XQSF",))}, "scope.sub_frameworks[0]"),
        ({"scope": Scope(sites=("a b",))}, "scope.sites[0]"),
        ({"scope": Scope(designations=("",))}, "scope.designations[0]"),
        ({"scope": Scope(designations=("was-dismissed",))}, "scope.designations[0]"),
        ({"scope": Scope(trades=("Thandi-Sample",))}, "scope.trades[0]"),
        ({"scope": Scope(trades=("671101",))}, "scope.trades[0]"),
        ({"scope": Scope(trades=(TRADE, "é"))}, "scope.trades[1]"),
        ({"valid_from": 0}, "valid_from"),
        ({"valid_from": 2**32 - 1}, "valid_from"),
        ({"valid_until": 1}, "valid_until"),
        ({"valid_until": 2**32 - 1}, "valid_until"),
    ],
)
def test_form(world: LedgerWorld, changes: dict[str, object], field: str) -> None:
    operation = dataclasses.replace(training(world), **changes)  # type: ignore[arg-type]
    assert world.refuse(ReceiptCode.FIELD_INVALID, "qcto", operation)["field"] == field


def test_scope_left_out_is_no_restriction(world: LedgerWorld) -> None:
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "qcto", training(world, scope=None))


def range_of_qualifications(count: int) -> list[str]:
    return [f"za:saqa:q:{100 + number}" for number in range(count)]


def delegating_world(count: int) -> LedgerWorld:
    """One whose charter lets delegates delegate, with `count` further qualifications."""
    charter = default_charter()
    rows = tuple(
        dataclasses.replace(row, powers=("accredit-provider", "delegate")) if row.delegates else row
        for row in charter.power_rows
    )
    world = LedgerWorld(make_genesis(charter=dataclasses.replace(charter, power_rows=rows)))
    world.register_electrician()
    for name in range_of_qualifications(count):
        content = electrician(saqa_id=int(name.rpartition(":")[2]))
        world.apply("saqa", world.publish("saqa", name, ResourceType.QUALIFICATION, content))
    return world


def test_delegated_scope_is_strictly_narrower() -> None:
    world = delegating_world(count=1)
    for name in ("first", "second"):
        world.endorse(name, name=f"Sample {name}", type_="seta")
    whole: dict[str, Any] = {
        "since": "2023-01-01",
        "qualifications": [ELECTRICIAN, *range_of_qualifications(1)],
    }
    world.grant("qcto", "first", "accredit-provider delegate", **whole)
    equal = world.grant_operation("second", "accredit-provider", **whole)
    world.refuse(ReceiptCode.SCOPE_NOT_COVERED, "first", equal)
    whole["qualifications"] = [ELECTRICIAN]
    world.grant("first", "second", "accredit-provider", **whole)


def test_depth_of_chains_is_limited(world: LedgerWorld) -> None:
    """Root and council are two; delegates of delegates, under another charter, fill the rest."""
    world = delegating_world(count=GRANT_CHAIN_DEPTH_MAX)
    grantor = "qcto"
    for number in range(GRANT_CHAIN_DEPTH_MAX - 2):
        name = f"delegate-{number}"
        world.endorse(name, name=f"Sample delegate {number}", type_="seta")
        world.grant(
            grantor,
            name,
            "accredit-provider delegate",
            since="2023-01-01",
            qualifications=[ELECTRICIAN, *range_of_qualifications(GRANT_CHAIN_DEPTH_MAX - number)],
        )
        grantor = name
    world.endorse("gaa")
    results = world.refuse(ReceiptCode.LIMIT_EXCEEDED, grantor, training(world))
    assert results["field"] == "author"


def fill_held(world: LedgerWorld, *grant_ids: str) -> None:
    """Let gaa hold as many grants as it can: those named in front, the rest copies of the last."""
    rest = GRANTS_HELD_COUNT_MAX - len(grant_ids)
    held = HeldGrantsRecord(grants=(*grant_ids, *(rest * (grant_ids[-1],))))
    world.values[grants_held_key(world.did("gaa"))] = encode(held)


def held_grants(world: LedgerWorld, name: str) -> HeldGrantsRecord:
    return decode(HeldGrantsRecord, world.values[grants_held_key(world.did(name))])


def test_grants_that_have_not_ended_are_limited(world: LedgerWorld) -> None:
    grant_id = world.apply("qcto", training(world))["grant_id"]
    assert held_grants(world, "gaa") == HeldGrantsRecord(grants=(grant_id,))
    fill_held(world, grant_id)
    results = world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", training(world))
    assert results["field"] == "grantee"


def withdrawn(world: LedgerWorld, first_day_without: str, **changes: Any) -> str:
    """A grant to gaa that was withdrawn."""
    grant_id = world.apply("qcto", training(world, **changes))["grant_id"]
    reason = AccreditationReason.VOLUNTARY
    world.apply("qcto", WithdrawAccreditation(grant_id, 1, day(first_day_without), reason))
    return grant_id


def test_ended_grants_make_room_the_first_ended_first(world: LedgerWorld) -> None:
    later = withdrawn(world, "2024-06-01")
    first = withdrawn(world, "2024-04-01")
    lasting = world.apply("qcto", training(world))["grant_id"]
    fill_held(world, later, first, lasting)
    # Announced is not ended.
    world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", training(world))
    world.skip_to("2024-03-31")
    world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", training(world))
    world.skip_to("2024-07-01")
    listed = decode(ListRecord, world.values[grants_by_grantee_key(world.did("gaa"))]).child_count
    made = world.apply("qcto", training(world, valid_from=day("2024-04-01")))["grant_id"]
    held = held_grants(world, "gaa")
    assert (held.grants[:2], held.grants[-1]) == ((later, lasting), made)
    assert (len(held.grants), held.complete_from) == (GRANTS_HELD_COUNT_MAX, day("2024-04-01"))
    # The list of all grants never shrinks.
    parent = decode(ListRecord, world.values[grants_by_grantee_key(world.did("gaa"))])
    assert parent.child_count == listed + 1
    assert world.grant_record(first).grant_id == first


def test_no_grant_begins_where_forgotten_ones_held(world: LedgerWorld) -> None:
    """Trained once, that is no longer looked at: no external assessment on the same days."""
    first = withdrawn(world, "2024-04-01")
    second = withdrawn(world, "2024-06-15", valid_from=day("2024-06-01"))
    lasting = world.apply("qcto", training(world, valid_from=day("2024-06-01")))["grant_id"]
    fill_held(world, first, second, lasting)
    world.skip_to("2024-07-01")
    early = world.grant_operation(
        "gaa", "conduct-eisa", since="2024-03-31", until="2024-05-31", qualifications=[ELECTRICIAN]
    )
    world.refuse(ReceiptCode.SEPARATION_OF_DUTIES, "qcto", early)
    # The same duty again: the first grant makes room.
    world.apply("qcto", training(world, valid_from=day("2024-06-01")))
    results = world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", early)
    assert results["field"] == "valid_from"


def test_void_grants_make_room_and_hide_nothing(world: LedgerWorld) -> None:
    void = withdrawn(world, "2024-02-01")
    lasting = world.apply("qcto", training(world))["grant_id"]
    fill_held(world, lasting, void, lasting)
    world.apply("qcto", training(world))
    held = held_grants(world, "gaa")
    assert (void in held.grants, held.complete_from) == (False, 0)


def test_grants_ever_made_to_an_organisation_are_limited(world: LedgerWorld) -> None:
    world.apply("qcto", training(world))
    key = grants_by_grantee_key(world.did("gaa"))
    world.values[key] = encode(ListRecord(child_count=GRANTS_LISTED_COUNT_MAX))
    results = world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", training(world))
    assert results["field"] == "grantee"
    world.values[key] = encode(ListRecord(child_count=GRANTS_LISTED_COUNT_MAX - 1))
    world.apply("qcto", training(world))


def test_ended_grant_makes_nobody_an_ancestor() -> None:
    world = delegating_world(count=1)
    held: dict[str, Any] = {
        "since": "2023-01-01",
        "qualifications": [ELECTRICIAN, *range_of_qualifications(1)],
    }
    accrediting: dict[str, Any] = {"since": "2023-01-01", "qualifications": [ELECTRICIAN]}
    for name in ("merseta", "partner"):
        world.endorse(name, name=f"Sample {name}", type_="seta")
        world.grant("qcto", name, "accredit-provider delegate", **held)
    grant_id = world.grant("merseta", "partner", "accredit-provider", **accrediting)
    back = world.grant_operation("merseta", "accredit-provider", **accrediting)
    reason = AccreditationReason.VOLUNTARY
    world.apply("merseta", WithdrawAccreditation(grant_id, 1, day("2024-06-01"), reason))
    world.skip_to("2024-05-31")
    world.refuse(ReceiptCode.GRANT_CYCLE, "partner", back)
    world.skip_to("2024-06-01")
    world.apply("partner", back)


@pytest.mark.parametrize("keys", [["admin"], ["issue"]])
def test_only_the_ledger_key_grants(world: LedgerWorld, keys: list[str]) -> None:
    world.refuse(ReceiptCode.NOT_AUTHORISED, "qcto", training(world), keys=keys)


REPEATS: list[Callable[[GrantAccreditation], GrantAccreditation]] = [
    lambda operation: dataclasses.replace(operation, valid_until=day("2028-01-31")),
    lambda operation: dataclasses.replace(operation, powers=("issue-badge",)),
]


@pytest.mark.parametrize("change", REPEATS)
def test_grants_may_repeat_and_overlap(
    world: LedgerWorld, change: Callable[[GrantAccreditation], GrantAccreditation]
) -> None:
    first = world.apply("qcto", training(world))["grant_id"]
    second = world.apply("qcto", change(training(world)))["grant_id"]
    assert first != second


def test_a_term_begins_at_most_a_year_from_today(world: LedgerWorld) -> None:
    """Otherwise five years and five more, and so on, could be granted in one go."""
    last = world.time // DAY_MS + 366
    far = training(world, valid_from=last + 2, valid_until=last + 100)
    results = world.refuse(ReceiptCode.LIMIT_EXCEEDED, "qcto", far)
    assert results["field"] == "valid_from"
    world.apply("qcto", training(world, valid_from=last - 1, valid_until=last + 100))
    # What was granted on paper long ago can be recorded.
    world.apply(
        "qcto", training(world, valid_from=day("2020-02-01"), valid_until=day("2025-01-31"))
    )
