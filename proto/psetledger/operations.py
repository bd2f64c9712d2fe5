# SPDX-License-Identifier: Apache-2.0
"""What can be asked of the ledger: one class for each operation."""

from __future__ import annotations

from sdk.operations import (
    ActivateValidator,
    AddSite,
    AdmitValidator,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    NewKey,
    Operation,
    PublishResource,
    ReinstateAccreditation,
    RemoveValidator,
    RotateKey,
    Service,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    UpdateValidatorAddress,
    Validator,
    WithdrawAccreditation,
)

__all__ = [
    "ActivateValidator",
    "AddSite",
    "AdmitValidator",
    "CreateStatusList",
    "EndorseOrganisation",
    "GrantAccreditation",
    "NewKey",
    "Operation",
    "PublishResource",
    "ReinstateAccreditation",
    "RemoveValidator",
    "RotateKey",
    "Service",
    "SuspendAccreditation",
    "UpdateDid",
    "UpdateStatusList",
    "UpdateValidatorAddress",
    "Validator",
    "WithdrawAccreditation",
]
