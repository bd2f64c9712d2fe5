# SPDX-License-Identifier: Apache-2.0
"""The South African charter says what the chain of authority says; a charter is read strictly."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from ledger.model.authorisation import (
    AllOf,
    AnyOf,
    Forbidden,
    HoldsPower,
    IsActiveOrganisation,
    IsOwner,
    SignedByRole,
    decode_expression,
    encode_expression,
    resource_type_label,
    rule_names,
)
from ledger.model.canonical_json import decode_json, encode_json
from ledger.model.charter import Charter, decode_charter, default_charter, encode_charter
from ledger.model.json_fields import FieldError
from ledger.model.keys import KeyRole
from ledger.model.operations import AddSite, PublishResource, ResourceType
from ledger.model.transaction_check import OPERATION_FIELD_NUMBERS

CHARTER = default_charter()


def grants(held: str, sub_framework: str | None) -> dict[str, set[str]]:
    """Powers by type of grantee that a held power lets one grant."""
    table: dict[str, set[str]] = {}
    for row in CHARTER.power_rows:
        if row.held == held and row.sub_framework == sub_framework:
            for grantee in row.grantee_types:
                table.setdefault(grantee, set()).update(row.powers)
    return table


def test_recognising_councils_and_professional_bodies() -> None:
    assert grants("recognise-council", None) == {
        "quality-council": {"recommend-qualification", "accredit-provider", "delegate"}
    }
    assert grants("recognise-council", "OQSF") == {"quality-council": {"certify"}}
    assert grants("recognise-professional-body", None) == {
        "professional-body": {"award-designation"}
    }


def test_accrediting_providers_under_each_council() -> None:
    quality = {"develop", "quality-assure", "endorse-results"}
    training = {"train", "assess-internally", "issue-statement-of-results", "issue-badge"}
    assessment = {"conduct-eisa", "trade-test"}
    assert grants("accredit-provider", "OQSF") == {
        "quality-partner": quality,
        "seta": quality,
        "provider": training | assessment,
        "tvet-college": training | assessment,
        "cet-college": training | assessment,
        "assessment-centre": assessment,
        "trade-test-centre": assessment,
    }
    assert grants("accredit-provider", "HEQSF") == {
        "university": {"issue"},
        "private-hei": {"issue"},
    }
    assert grants("accredit-provider", "GFETQSF") == {
        "assessment-body": {"assess", "issue"},
        "provider": {"assess", "issue"},
    }


def test_approving_workplaces_and_delegating() -> None:
    assert grants("quality-assure", "OQSF") == {"employer": {"host-workplace"}}
    assert grants("delegate", None) == {
        "quality-partner": {"accredit-provider"},
        "seta": {"accredit-provider"},
    }
    assert {row.held for row in CHARTER.power_rows if row.delegates} == {"delegate"}
    assert CHARTER.granting_powers == (
        "accredit-provider",
        "delegate",
        "quality-assure",
        "recognise-council",
        "recognise-professional-body",
    )


def test_only_training_has_a_term() -> None:
    terms = {power: row.term_years_max for row in CHARTER.power_rows for power in row.powers}
    assert {power for power, years in terms.items() if years} == {
        "train",
        "assess-internally",
        "issue-statement-of-results",
        "issue-badge",
    }
    assert terms["train"] == 5


def test_nobody_grants_on_from_a_scope_of_sites() -> None:
    """Sites are names within one organisation: a grant that lets grant on must not name any."""
    for row in CHARTER.power_rows:
        passed_on = set(row.powers) & set(CHARTER.granting_powers)
        assert not (passed_on and "sites" in row.scope_kinds)


def test_who_vouches_for_whom() -> None:
    def vouchers(organisation_type: str) -> set[tuple[str, str | None]]:
        return {
            (row.held, row.sub_framework)
            for row in CHARTER.vouching_rows
            if organisation_type in row.organisation_types
        }

    assert vouchers("authority") == set()
    assert vouchers("quality-council") == {("recognise-council", None)}
    assert vouchers("seta") == {("recognise-council", None), ("delegate", "OQSF")}
    assert vouchers("university") == {("recognise-council", None), ("delegate", "HEQSF")}
    assert ("quality-assure", "OQSF") in vouchers("employer")
    systems = {row.held: row.code_systems for row in CHARTER.vouching_rows}
    assert systems["quality-assure"] == systems["accredit-provider"] == ()


def test_duties_kept_apart() -> None:
    (separation,) = CHARTER.separations
    assert separation.sub_framework == "OQSF"
    assert {duty.name: duty.powers for duty in separation.duties} == {
        "training": ("train",),
        "external-assessment": ("conduct-eisa", "trade-test"),
        "certification": ("certify",),
    }


def test_every_operation_has_a_rule_and_every_rule_an_operation() -> None:
    operations = {operation.__name__ for operation in OPERATION_FIELD_NUMBERS}
    names = {name for name, _ in CHARTER.rules}
    assert operations <= names
    assert {name.partition("/")[0] for name in names} == operations


def test_control_of_a_did_needs_the_admin_key() -> None:
    rules = dict(CHARTER.rules)
    for name in ("UpdateDid", "RotateKey"):
        assert rules[name] == AllOf((SignedByRole(KeyRole.ADMIN, 1), IsOwner()))


def test_registering_a_qualification_needs_the_power() -> None:
    rule = dict(CHARTER.rules)["PublishResource/Qualification"]
    assert isinstance(rule, AllOf)
    assert HoldsPower(("register-qualification",)) in rule.parts
    operation = PublishResource(type=ResourceType.QUALIFICATION)
    assert rule_names(operation) == ("PublishResource/Qualification", "PublishResource")
    assert rule_names(AddSite()) == ("AddSite",)
    assert resource_type_label(ResourceType.CREDENTIAL_TEMPLATE) == "CredentialTemplate"


def test_round_trip() -> None:
    data = encode_json(encode_charter(CHARTER))
    document = decode_json(data, size_max=100_000)
    assert isinstance(document, dict)
    assert decode_charter(document) == CHARTER


EXPRESSIONS: dict[str, Any] = {
    '{"forbidden":true}': Forbidden(),
    '{"owner":true}': IsOwner(),
    '{"organisation_active":true}': IsActiveOrganisation(),
    '{"key_role":"ledger"}': SignedByRole(KeyRole.LEDGER, 1),
    '{"count":2,"key_role":"admin"}': SignedByRole(KeyRole.ADMIN, 2),
    '{"power":"train"}': HoldsPower(("train",)),
    '{"power_any":["train","issue"]}': HoldsPower(("train", "issue")),
    '{"all":[{"owner":true},{"any":[{"power":"train"},{"forbidden":true}]}]}': AllOf(
        (IsOwner(), AnyOf((HoldsPower(("train",)), Forbidden())))
    ),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expression(text: str) -> None:
    assert decode_expression(json.loads(text), "rule") == EXPRESSIONS[text]
    assert encode_json(encode_expression(EXPRESSIONS[text])).decode() == text


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "owner",
        {"owner": False},
        {"owner": 1},
        {"unknown": True},
        {"owner": True, "forbidden": True},
        {"owner": True, "count": 2},
        {"key_role": "root"},
        {"key_role": 1},
        {"key_role": "admin", "count": 0},
        {"key_role": "admin", "count": 9},
        {"key_role": "admin", "count": True},
        {"key_role": "admin", "counts": 1},
        {"all": []},
        {"any": {}},
        {"all": [{"owner": True}] * 17},
        {"power": ""},
        {"power": "Train"},
        {"power_any": ["train"]},
        {"power_any": ["train", "train"]},
        {"all": [{"all": [{"all": [{"all": [{"owner": True}]}]}]}]},
    ],
)
def test_no_expression(value: Any) -> None:
    with pytest.raises(FieldError):
        decode_expression(value, "rule")


def _set(path: str, value: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        *parents, last = path.split(".")
        for name in parents:
            document = document[int(name) if name.isdigit() else name]
        document[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("charter.title", "", "charter.title"),
        ("charter.more", 1, "charter"),
        ("powers.names", ["train", "issue"], "powers.names"),
        ("powers.names", ["issue", "issue"], "powers.names"),
        ("powers.names", ["Issue"], "powers.names[0]"),
        ("powers.rows", [], "powers.rows"),
        ("powers.rows.0.held", "reign", "powers.rows[0].held"),
        ("powers.rows.0.sub_framework", "XQSF", "powers.rows[0].sub_framework"),
        ("powers.rows.0.grantee_types", ["club"], "powers.rows[0].grantee_types[0]"),
        ("powers.rows.0.grantee_types", [], "powers.rows[0].grantee_types"),
        ("powers.rows.0.powers", ["reign"], "powers.rows[0].powers[0]"),
        ("powers.rows.0.scope_kinds", ["moon"], "powers.rows[0].scope_kinds[0]"),
        ("powers.rows.0.scope_needed", ["sites"], "powers.rows[0].scope_needed[0]"),
        ("powers.rows.0.term_years_max", 0, "powers.rows[0].term_years_max"),
        ("powers.rows.0.term_years_max", True, "powers.rows[0].term_years_max"),
        ("powers.rows.0.powers", None, "powers.rows[0].powers"),
        ("powers.rows.0.delegates", 1, "powers.rows[0].delegates"),
        ("vouching", [], "vouching"),
        ("vouching.0.held", "reign", "vouching[0].held"),
        ("vouching.0.sub_framework", "XQSF", "vouching[0].sub_framework"),
        ("vouching.0.organisation_types", ["club"], "vouching[0].organisation_types[0]"),
        ("vouching.0.code_systems", ["QCTO"], "vouching[0].code_systems[0]"),
        ("provinces", ["ec"], "provinces[0]"),
        ("provinces", "EC", "provinces"),
        ("organisation_types", ["a b"], "organisation_types[0]"),
        ("rules", [], "rules"),
        ("rules.addSite", {"owner": True}, "rules"),
        ("rules.AddSite", {"moon": True}, "rules.AddSite"),
        ("separation_of_duties.0.sub_framework", "X", "separation_of_duties[0].sub_framework"),
        ("separation_of_duties.0.duties", [], "separation_of_duties[0].duties"),
        (
            "separation_of_duties.0.duties.1.powers",
            ["train"],
            "separation_of_duties[0].duties",
        ),
        ("limits.content_size_max", 2**20, "limits.content_size_max"),
        ("limits.status_list_size_max", 131_071, "limits.status_list_size_max"),
        ("limits.key_overlap_ms_max", -1, "limits.key_overlap_ms_max"),
        ("limits.grant_lead_days_max", 0, "limits.grant_lead_days_max"),
        ("limits.more", 1, "limits"),
    ],
)
def test_charter_is_read_strictly(path: str, value: Any, where: str) -> None:
    document = copy.deepcopy(encode_charter(CHARTER))
    _set(path, value)(document)
    with pytest.raises(FieldError) as caught:
        decode_charter(document)
    assert caught.value.where == where
    assert str(caught.value).startswith(where)


def test_charter_is_a_value() -> None:
    assert isinstance(CHARTER, Charter)
    assert default_charter() == CHARTER
    assert hash(default_charter()) == hash(CHARTER)


# The document that says so to people ----------------------------------------------------------------

PROTOCOL = Path(__file__).parents[4] / "docs" / "protocol.md"


def cell(names: Sequence[str], strong: Sequence[str] = ()) -> str:
    return " ".join(f"**`{name}`**" if name in strong else f"`{name}`" for name in names) or "–"


def table_under(heading: str) -> list[str]:
    """Rows of the first table after a paragraph that begins so."""
    lines = PROTOCOL.read_text(encoding="utf-8").partition(f"**{heading}**")[2].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    return list(takewhile(lambda line: line.startswith("|"), lines[first + 1 :]))


def test_protocol_names_who_may_grant_what() -> None:
    assert table_under("Granting") == [
        f"| `{row.held}`{' †' if row.delegates else ''} | {row.sub_framework or 'any'} "
        f"| {cell(row.grantee_types)} | {cell(row.powers)} "
        f"| {cell(row.scope_kinds, row.scope_needed)} "
        f"| {f'{row.term_years_max} years' if row.term_years_max else '–'} |"
        for row in CHARTER.power_rows
    ]


def test_protocol_names_who_may_vouch_for_whom() -> None:
    assert table_under("Vouching") == [
        f"| `{row.held}` | {row.sub_framework or 'any'} "
        f"| {cell(row.organisation_types)} | {cell(row.code_systems)} |"
        for row in CHARTER.vouching_rows
    ]
