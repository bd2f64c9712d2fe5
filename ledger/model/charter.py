# SPDX-License-Identifier: Apache-2.0
"""The South African charter: who grants what in post-school education and training.

SAQA is the root; the quality councils CHE (HEQSF), Umalusi (GFETQSF) and QCTO (OQSF) accredit
providers, assessment bodies and quality partners; SETAs approve workplaces; professional bodies
award designations, never qualifications. Sources: National Qualifications Framework Act 67 of 2008;
Skills Development Act 97 of 1998; sub-framework determinations GN 1391/2020 and GN 1463/2021; QCTO
accreditation policy (five years for providers).

The types and their JSON are in `ledger.model.charter_document`.
"""

from __future__ import annotations

from typing import Final, cast

from ledger.model.authorisation import decode_expression
from ledger.model.canonical_json import JsonObject, JsonValue
from ledger.model.charter_document import (
    CHARTER_MEMBERS,
    GFETQSF,
    HEQSF,
    OQSF,
    SUB_FRAMEWORKS,
    Charter,
    Duty,
    DutySeparation,
    Limits,
    PowerRow,
    VouchingRow,
    decode_charter,
    encode_charter,
)

__all__ = [
    "CHARTER_MEMBERS",
    "GFETQSF",
    "HEQSF",
    "OQSF",
    "ROOT_POWERS",
    "SUB_FRAMEWORKS",
    "Charter",
    "Duty",
    "DutySeparation",
    "Limits",
    "PowerRow",
    "VouchingRow",
    "decode_charter",
    "default_charter",
    "encode_charter",
]

ROOT_POWERS: Final = (
    "evaluate-foreign",
    "recognise-council",
    "recognise-professional-body",
    "register-qualification",
)
"""What the genesis charter grants SAQA."""

_ORGANISATION_TYPES: Final = (
    "assessment-body",
    "assessment-centre",
    "authority",
    "cet-college",
    "employer",
    "government",
    "private-hei",
    "professional-body",
    "provider",
    "quality-council",
    "quality-partner",
    "seta",
    "trade-test-centre",
    "tvet-college",
    "university",
)

_PROVINCES: Final = ("EC", "FS", "GP", "KZN", "LP", "MP", "NC", "NW", "WC")


def _row(
    held: str,
    grantee_types: str,
    powers: str,
    *,
    within: str | None = None,
    kinds: str,
    needed: str,
    years: int | None = None,
    delegates: bool = False,
) -> PowerRow:
    return PowerRow(
        held=held,
        sub_framework=within,
        grantee_types=tuple(grantee_types.split()),
        powers=tuple(powers.split()),
        scope_kinds=tuple(kinds.split()),
        scope_needed=tuple(needed.split()),
        term_years_max=years,
        delegates=delegates,
    )


_POWER_ROWS: Final = (
    _row(
        "recognise-council",
        "quality-council",
        "recommend-qualification accredit-provider delegate",
        kinds="sub_frameworks",
        needed="sub_frameworks",
    ),
    _row(
        "recognise-council",
        "quality-council",
        "certify",
        within=OQSF,
        kinds="sub_frameworks",
        needed="sub_frameworks",
    ),
    _row(
        "recognise-professional-body",
        "professional-body",
        "award-designation",
        kinds="designations",
        needed="designations",
    ),
    # QCTO: quality partners and the quality assurance functions of SETAs.
    _row(
        "accredit-provider",
        "quality-partner seta",
        "develop quality-assure endorse-results",
        within=OQSF,
        kinds="qualifications",
        needed="qualifications",
    ),
    _row(
        "accredit-provider",
        "provider tvet-college cet-college",
        "train assess-internally issue-statement-of-results issue-badge",
        within=OQSF,
        kinds="qualifications sites",
        needed="qualifications",
        years=5,
    ),
    # A college that trains for one trade may test another: separation of duties keeps them apart.
    _row(
        "accredit-provider",
        "assessment-centre trade-test-centre provider tvet-college cet-college",
        "conduct-eisa trade-test",
        within=OQSF,
        kinds="qualifications trades sites",
        needed="qualifications trades",
    ),
    _row(
        "accredit-provider",
        "university private-hei",
        "issue",
        within=HEQSF,
        kinds="qualifications sites",
        needed="qualifications",
    ),
    _row(
        "accredit-provider",
        "assessment-body provider",
        "assess issue",
        within=GFETQSF,
        kinds="qualifications sites",
        needed="qualifications",
    ),
    _row(
        "quality-assure",
        "employer",
        "host-workplace",
        within=OQSF,
        kinds="trades qualifications sites",
        needed="trades qualifications",
    ),
    _row(
        "delegate",
        "quality-partner seta",
        "accredit-provider",
        kinds="qualifications",
        needed="qualifications",
        delegates=True,
    ),
)


def _vouch(held: str, types: str, codes: str = "", *, within: str | None = None) -> VouchingRow:
    return VouchingRow(
        held=held,
        sub_framework=within,
        organisation_types=tuple(types.split()),
        code_systems=tuple(codes.split()),
    )


_GENERAL_CODES: Final = "cipc nlrd sars"
"""Companies register, National Learners' Records Database, revenue service."""

# Nobody vouches for a second authority: that is genesis. Only bodies that may delegate, the
# councils themselves, vouch for codes; what they delegate to vouches for names alone.
_VOUCHING_ROWS: Final = (
    _vouch(
        "recognise-council",
        " ".join(name for name in _ORGANISATION_TYPES if name != "authority"),
        f"che qcto saqa umalusi {_GENERAL_CODES}",
    ),
    _vouch("recognise-professional-body", "professional-body", f"saqa {_GENERAL_CODES}"),
    _vouch(
        "delegate",
        "assessment-centre cet-college employer provider quality-partner seta trade-test-centre "
        "tvet-college",
        f"qcto {_GENERAL_CODES}",
        within=OQSF,
    ),
    _vouch("delegate", "private-hei university", f"che {_GENERAL_CODES}", within=HEQSF),
    _vouch("delegate", "assessment-body provider", f"umalusi {_GENERAL_CODES}", within=GFETQSF),
    _vouch(
        "accredit-provider",
        "assessment-centre cet-college provider trade-test-centre tvet-college",
        within=OQSF,
    ),
    _vouch("quality-assure", "employer", within=OQSF),
)

_SEPARATIONS: Final = (
    DutySeparation(
        OQSF,
        (
            Duty("training", ("train",)),
            Duty("external-assessment", ("conduct-eisa", "trade-test")),
            Duty("certification", ("certify",)),
        ),
    ),
)

_SUBMITS: Final[JsonObject] = {"all": [{"key_role": "ledger"}, {"organisation_active": True}]}
_SUBMITS_OWN: Final[JsonObject] = {
    "all": [{"key_role": "ledger"}, {"organisation_active": True}, {"owner": True}]
}
# Root powers come from genesis alone: who holds one is the authority. Not with a key that is on line:
# who may change the validators could change everything.
_ADMITS: Final[JsonObject] = {"power_any": list[JsonValue](ROOT_POWERS)}
_CONTROLS: Final[JsonObject] = {"all": [{"key_role": "admin"}, {"owner": True}]}


def _default_rules(vouching_powers: list[str]) -> dict[str, JsonObject]:
    return {
        "ActivateValidator": {
            "all": [{"key_role": "admin"}, {"organisation_active": True}, {"owner": True}]
        },
        "AddSite": _SUBMITS_OWN,
        "AdmitValidator": {"all": [{"key_role": "admin"}, {"organisation_active": True}, _ADMITS]},
        "CreateStatusList": _SUBMITS,
        "EndorseOrganisation": {
            "all": [
                {"key_role": "ledger"},
                {"organisation_active": True},
                {"power_any": cast("list[JsonValue]", vouching_powers)},
            ]
        },
        "GrantAccreditation": _SUBMITS,
        "PublishResource": _SUBMITS_OWN,
        "PublishResource/Qualification": {
            "all": [
                {"key_role": "ledger"},
                {"organisation_active": True},
                {"owner": True},
                {"power": "register-qualification"},
            ]
        },
        "ReinstateAccreditation": _SUBMITS_OWN,
        "RemoveValidator": {
            "all": [
                {"key_role": "admin"},
                {"organisation_active": True},
                {"any": [{"owner": True}, _ADMITS]},
            ]
        },
        "RotateKey": _CONTROLS,
        "SuspendAccreditation": _SUBMITS_OWN,
        "UpdateDid": _CONTROLS,
        "UpdateStatusList": _SUBMITS_OWN,
        "UpdateValidatorAddress": _SUBMITS_OWN,
        "WithdrawAccreditation": _SUBMITS_OWN,
    }


def default_charter() -> Charter:
    """The South African rules."""
    names = {*ROOT_POWERS}
    for row in _POWER_ROWS:
        names.update(row.powers)
    rules = _default_rules(sorted({row.held for row in _VOUCHING_ROWS}))
    return Charter(
        title="Charter of the South African post-school education and training ledger",
        rules=tuple((name, decode_expression(rules[name], name)) for name in sorted(rules)),
        powers=tuple(sorted(names)),
        power_rows=_POWER_ROWS,
        separations=_SEPARATIONS,
        vouching_rows=_VOUCHING_ROWS,
        organisation_types=_ORGANISATION_TYPES,
        provinces=_PROVINCES,
        limits=Limits(),
    )
