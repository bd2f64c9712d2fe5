# SPDX-License-Identifier: Apache-2.0
"""What can be asked of the ledger: one class for each operation."""

from __future__ import annotations

from sdk.operations import (
    AddSite,
    CreateStatusList,
    EndorseOrganisation,
    GrantAccreditation,
    NewKey,
    Operation,
    PublishResource,
    ReinstateAccreditation,
    RotateKey,
    Service,
    SuspendAccreditation,
    UpdateDid,
    UpdateStatusList,
    WithdrawAccreditation,
)

__all__ = [
    "AddSite",
    "CreateStatusList",
    "EndorseOrganisation",
    "GrantAccreditation",
    "NewKey",
    "Operation",
    "PublishResource",
    "ReinstateAccreditation",
    "RotateKey",
    "Service",
    "SuspendAccreditation",
    "UpdateDid",
    "UpdateStatusList",
    "WithdrawAccreditation",
]
