# SPDX-License-Identifier: Apache-2.0
"""The asynchronous face of the SDK: the names of `psetledger`, loaded when first used.

    from psetledger.aio import LedgerClient

    async with LedgerClient.connect("za") as client:
        proven = await client.organisation("qcto")

Methods that reach the network are coroutines, iterators are asynchronous; values and errors are
those of `psetledger`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdk.accreditor import AsyncAccreditor as Accreditor
    from sdk.aio_client import LedgerClient
    from sdk.aio_issuer import Issuer
    from sdk.aio_verifier import Verifier
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
    "Accreditor": ("sdk.accreditor", "AsyncAccreditor"),
    "CallerError": ("sdk.errors", "CallerError"),
    "ChainLink": ("sdk.report", "ChainLink"),
    "Check": ("sdk.report", "Check"),
    "Decision": ("sdk.results", "Decision"),
    "Draft": ("sdk.drafts", "Draft"),
    "IssuedCredential": ("sdk.drafts", "IssuedCredential"),
    "Issuer": ("sdk.aio_issuer", "Issuer"),
    "KeyAccessError": ("sdk.errors", "KeyAccessError"),
    "LedgerClient": ("sdk.aio_client", "LedgerClient"),
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
    "Verifier": ("sdk.aio_verifier", "Verifier"),
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
