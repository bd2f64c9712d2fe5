# SPDX-License-Identifier: Apache-2.0
"""The public face of the SDK: every promised name, loaded when it is first used.

    from psetledger import LedgerClient

    with LedgerClient.connect("za") as client:
        print(client.organisation("qcto").value.name)

`psetledger.aio` has the same names with asynchronous methods, `psetledger.operations` one class for
each operation of the ledger, `psetledger.testing` a network for tests. Names in `__all__` keep
working for 24 months after 1.0; the packages `sdk`, `ledger`, `consensus` and `cli` are importable,
but only these modules are promised.

This package also holds the generated stubs (`psetledger.v1`), so importing it must stay free.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdk.accreditor import Accreditor
    from sdk.client import LedgerClient
    from sdk.drafts import Draft, IssuedCredential, RowError
    from sdk.errors import (
        CallerError,
        KeyAccessError,
        NotVerifiedError,
        PsetError,
        RefusedError,
        TrustError,
        UnavailableError,
    )
    from sdk.issuer import Issuer
    from sdk.operations import Operation
    from sdk.policy import Policy
    from sdk.report import ChainLink, Check, VerificationReport
    from sdk.results import (
        Accreditation,
        Decision,
        Organisation,
        Proven,
        Receipt,
        Resource,
        StatusList,
        TransactionStatus,
        Verdict,
        Wait,
    )
    from sdk.signers import Signer, signer
    from sdk.verifier import Verifier

__all__ = [
    "Accreditation",
    "Accreditor",
    "CallerError",
    "ChainLink",
    "Check",
    "Decision",
    "Draft",
    "IssuedCredential",
    "Issuer",
    "KeyAccessError",
    "LedgerClient",
    "NotVerifiedError",
    "Operation",
    "Organisation",
    "Policy",
    "Proven",
    "PsetError",
    "Receipt",
    "RefusedError",
    "Resource",
    "RowError",
    "Signer",
    "StatusList",
    "TransactionStatus",
    "TrustError",
    "UnavailableError",
    "Verdict",
    "VerificationReport",
    "Verifier",
    "Wait",
    "signer",
]

_SOURCES = {
    "Accreditation": ("sdk.results", "Accreditation"),
    "Accreditor": ("sdk.accreditor", "Accreditor"),
    "CallerError": ("sdk.errors", "CallerError"),
    "ChainLink": ("sdk.report", "ChainLink"),
    "Check": ("sdk.report", "Check"),
    "Decision": ("sdk.results", "Decision"),
    "Draft": ("sdk.drafts", "Draft"),
    "IssuedCredential": ("sdk.drafts", "IssuedCredential"),
    "Issuer": ("sdk.issuer", "Issuer"),
    "KeyAccessError": ("sdk.errors", "KeyAccessError"),
    "LedgerClient": ("sdk.client", "LedgerClient"),
    "NotVerifiedError": ("sdk.errors", "NotVerifiedError"),
    "Operation": ("sdk.operations", "Operation"),
    "Organisation": ("sdk.results", "Organisation"),
    "Policy": ("sdk.policy", "Policy"),
    "Proven": ("sdk.results", "Proven"),
    "PsetError": ("sdk.errors", "PsetError"),
    "Receipt": ("sdk.results", "Receipt"),
    "RefusedError": ("sdk.errors", "RefusedError"),
    "Resource": ("sdk.results", "Resource"),
    "RowError": ("sdk.drafts", "RowError"),
    "Signer": ("sdk.signers", "Signer"),
    "StatusList": ("sdk.results", "StatusList"),
    "TransactionStatus": ("sdk.results", "TransactionStatus"),
    "TrustError": ("sdk.errors", "TrustError"),
    "UnavailableError": ("sdk.errors", "UnavailableError"),
    "Verdict": ("sdk.results", "Verdict"),
    "VerificationReport": ("sdk.report", "VerificationReport"),
    "Verifier": ("sdk.verifier", "Verifier"),
    "Wait": ("sdk.results", "Wait"),
    "signer": ("sdk.signers", "signer"),
}
"""Module and name there, by promised name."""


def __getattr__(name: str) -> Any:
    source = _SOURCES.get(name)
    if source is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(source[0]), source[1])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
